"""Catalogues of a site: its checkpoints, its snippets, and what they use of the library that they explain.

`@catalogue checkpoints` lists the cards in `checkpoints/`, `@catalogue snippets` the scripts in `snippets/`, and
`@catalogue library` the names of the library in those scripts, and `@catalogue bundle` says what `make bundle` packs. All of
it is read when the page is built: a new checkpoint or script is listed because it is there.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from livedocs.errors import DocsError
from livedocs.library import LIBRARY, Definition, uses
from livedocs.navigation import read_site
from livedocs.notebooks import notebook_name
from livedocs.pages import Page
from livedocs.project import Project
from livedocs.records import Record, Records
from livedocs.snippets import Snippet

CATALOGUES = ("checkpoints", "snippets", "library", "bundle")
"""What `@catalogue` can list."""

CARD = "README.md"
"""The file of a checkpoint's folder that tells what it is."""


@dataclass(frozen=True)
class Metric:
    """A held-out score of a card.

    Attributes:
        name: What was measured.
        value: The score.
        n: On how many examples.
    """

    name: str
    value: float
    n: int


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, as its card tells.

    Attributes:
        folder: Where it lies.
        model_class: The class of the library that loads it.
        parameters: Numbers in its weight file.
        bytes: Size of that file.
        minutes: How long it was trained.
        license: Its licence.
        base: The published weights that it builds on, or nothing.
        metrics: Its scores on held-out data.
        prose: The card's text below its title.
    """

    folder: Path
    model_class: str
    parameters: int
    bytes: int
    minutes: float
    license: str
    base: str
    metrics: tuple[Metric, ...]
    prose: str

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def what(self) -> str:
        """The first sentence of the card."""
        paragraph = " ".join(self.prose.split("\n\n")[0].split())
        return re.split(r"(?<=[.:])\s+(?=[A-Z0-9`])", paragraph)[0]


def read_checkpoint(folder: Path, root: Path) -> Checkpoint:
    """Read the card of a checkpoint.

    Args:
        folder: The checkpoint.
        root: Errors name the card relative to this folder.

    Raises:
        DocsError: The card's head is malformed, or a field is missing.
    """
    path = folder / CARD
    return _read(path, path.relative_to(root), path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, file: Path, changed: int) -> Checkpoint:
    del changed  # only the cache's key: a card that was written again is read again
    parts = re.fullmatch(r"---\n(.*?\n)---\n(.*)", path.read_text("utf-8"), re.DOTALL)
    if parts is None:
        raise DocsError("the card has no head between two lines of ---; train the checkpoint again", file=file, line=1)
    try:
        fields: dict[str, Any] = yaml.safe_load(parts[1])
        metrics = tuple(Metric(str(one["name"]), float(one["value"]), int(one["n"])) for one in fields["metrics"])
        return Checkpoint(
            folder=path.parent,
            model_class=str(fields["model_class"]),
            parameters=int(fields["parameters"]),
            bytes=int(fields["bytes"]),
            minutes=float(fields["training_minutes"]),
            license=str(fields["license"]),
            base=str(fields.get("base_model", "")),
            metrics=metrics,
            prose=re.sub(r"\A\s*# .*\n", "", parts[2]).strip(),
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise DocsError(f"the card's head cannot be read ({error!r}); train the checkpoint again", file=file) from None


def checkpoints(project: Project) -> list[Checkpoint]:
    """All checkpoints of a project, by name. A folder without a card, or with a name that begins with a dot, is none.

    Raises:
        DocsError: A card is malformed.
    """
    cards = sorted(project.root.glob(f"checkpoints/[!.]*/{CARD}"))
    return [read_checkpoint(card.parent, project.root) for card in cards]


def score(checkpoint: Checkpoint) -> str:
    """The scores of a checkpoint in short: one for each set of examples that it was measured on.

    Where the names of a set all begin with the same two words or more, that is their range; elsewhere it is the first.
    """
    sets: dict[int, list[Metric]] = {}
    for metric in checkpoint.metrics:
        sets.setdefault(metric.n, []).append(metric)
    said = []
    for n, metrics in sets.items():
        words = _common([metric.name.split() for metric in metrics])
        low, high = min(metric.value for metric in metrics), max(metric.value for metric in metrics)
        if len(words) > 1 and low != high:
            said.append(f"{' '.join(words)} {_number(low)} to {_number(high)} (n = {n:,})")
        else:
            said.append(f"{metrics[0].name} {_number(metrics[0].value)} (n = {n:,})")
    return "<br>".join(said)


def _common(names: list[list[str]]) -> list[str]:
    """The words that all names begin with."""
    return [words[0] for words in zip(*names, strict=False) if len(set(words)) == 1] if len(names) > 1 else []


def _number(value: float) -> str:
    """A score as a reader needs it: three places, fewer where it is large."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def loads(snippet: Snippet, name: str) -> bool:
    """Whether a script names a checkpoint: by its path, or by its name where the path is put together."""
    path = f"checkpoints/{name}"
    return any(one in (path, name) or one.startswith(f"{path}/") for one in strings(snippet))


@lru_cache(maxsize=256)
def strings(snippet: Snippet) -> frozenset[str]:
    """All strings that stand in a script; of those with names in braces, the parts between."""
    nodes = (node for node in ast.walk(snippet.tree) if isinstance(node, ast.Constant))
    return frozenset(node.value for node in nodes if isinstance(node.value, str))


def pages_of(project: Project, snippet: Snippet) -> list[Page]:
    """The pages that show cells of a script, in the order of its cells."""
    homes = [
        project.homes[snippet.name, cell.name] for cell in snippet.cells if (snippet.name, cell.name) in project.homes
    ]
    return list({page.path: page for page in homes}.values())


# -- the bundle --------------------------------------------------------------------------------------------------------


def inputs(snippet: Snippet, root: Path) -> set[Path]:
    """The files of the project that a script reads in its compact profile.

    They are found in its strings: a path of a file or a folder below `checkpoints/` or `docs/assets/`. Of a path that the
    script puts together, the beginning is known, and everything that begins so is taken.

    Args:
        snippet: The script.
        root: The project's root.
    """
    found: set[Path] = set()
    for text in strings(snippet):
        if re.match(r"(?:checkpoints|docs/assets)/", text):
            found |= _below(root, text)
        elif re.fullmatch(r"[a-z0-9-]+", text) and (root / "checkpoints" / text / CARD).is_file():
            found |= _below(root, f"checkpoints/{text}/")
    return found


def _below(root: Path, beginning: str) -> set[Path]:
    path = root / beginning
    if path.is_file():
        return {path}
    if path.is_dir():
        return {one for one in path.rglob("*") if one.is_file() and not _hidden(one, root)}
    if beginning == "checkpoints/":  # which one is decided by another string
        return set()
    return {one for one in path.parent.glob(f"{path.name}*") if one.is_file() and not _hidden(one, root)}


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.relative_to(root).parts)


def packed(project: Project) -> tuple[list[Path], list[Path]]:
    """The files of the bundle: those of the checkpoints, and the inputs that the scripts read.

    Args:
        project: The site.
    """
    root = project.root
    weights = {path for one in checkpoints(project) for path in _below(root, f"checkpoints/{one.name}/")}
    samples = {path for snippet in project.snippets.values() for path in inputs(snippet, root)} - weights
    return sorted(weights), sorted(samples)


# -- the library -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Use:
    """A name of the library, and where the site uses it.

    Attributes:
        definition: What it is and where it is defined.
        version: The version of the library in which that is so.
        cells: The cells that use it, as (snippet, cell).
    """

    definition: Definition
    version: str
    cells: tuple[tuple[str, str], ...]


def library(project: Project) -> dict[str, Use]:
    """What all scripts use of the library, by full name.

    A script without a record, or with a stale one, is left out: that mistake is reported elsewhere.
    """
    files = sorted(project.outputs.glob("*/*/record.json"))
    return _library(project, tuple((str(file), file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=2)
def _library(project: Project, fingerprint: tuple[tuple[str, int], ...]) -> dict[str, Use]:
    del fingerprint  # only the cache's key: a script that was recorded again is read again
    records = Records(project.outputs, project.root)
    found: dict[str, Use] = {}
    for snippet in project.snippets.values():
        for profile in snippet.profiles:
            variant = snippet.in_profile(profile)
            try:
                record = records.read(variant)
            except DocsError:
                continue
            for path, cells in uses(variant).items():
                if path in record.library:
                    definition = record.library[path]
                    before = found.get(definition.name)
                    places = dict.fromkeys(before.cells if before else ())
                    places |= dict.fromkeys((snippet.name, cell) for cell in cells)
                    found[definition.name] = Use(definition, record.versions[LIBRARY], tuple(places))
    return dict(sorted(found.items(), key=lambda item: (item[1].definition.short.lower(), item[0])))


# -- as Markdown -------------------------------------------------------------------------------------------------------


def markdown(project: Project, page: Page, target: str) -> list[str]:
    """A catalogue as lines of a page.

    Args:
        project: The site.
        page: The page that holds it.
        target: One of `CATALOGUES`.

    Raises:
        DocsError: A card is malformed, or there is no such catalogue.
    """
    if target == "checkpoints":
        return _checkpoints(project, page)
    if target == "snippets":
        return _snippets(project, page)
    if target == "library":
        return _names(project, page)
    if target == "bundle":
        return _bundle(project)
    raise DocsError(f"there is no catalogue '{target}'; known: {', '.join(CATALOGUES)}", file=page.file)


def _link(page: Page, target: Path) -> str:
    """A file of the pages' folder as a page links it."""
    return Path(os.path.relpath(target, page.path.parent)).as_posix()


def _checkpoints(project: Project, page: Page) -> list[str]:
    found = checkpoints(project)
    lines = [
        "",
        "| checkpoint | class | parameters | MB | score on held-out data | trained in minutes |",
        "| --- | --- | ---: | ---: | --- | ---: |",
    ]
    for one in found:
        lines.append(
            f"| [{one.name}](#{one.name}) | `{one.model_class}` | {one.parameters:,} | {one.bytes / 1e6:.1f} | "
            f"{score(one)} | {one.minutes:.0f} |"
        )
    total = sum(one.bytes for one in found)
    lines += ["", f"Together {len(found)} checkpoints, {total / 1e6:.0f} MB of weights.", ""]
    for one in found:
        used = [snippet for snippet in project.snippets.values() if loads(snippet, one.name)]
        where = {place.path: place for snippet in used for place in pages_of(project, snippet)}
        places = ", ".join(f"[{place.title}]({_link(page, place.path)})" for place in where.values())
        base = f", on the published weights of `{one.base}`" if one.base else ""
        lines += [
            f"### {one.name} {{#{one.name}}}",
            "",
            one.what,
            "",
            f"- **Class**: `{one.model_class}`{base}",
            f"- **Weights**: {one.parameters:,} parameters, {one.bytes:,} bytes, {one.license}",
            f"- **Trained** in {one.minutes:.0f} minutes; again with `make train NAME={one.name}`",
            f"- **Used on** {places or 'no page yet'}",
            "",
            "| held-out score | value | examples |",
            "| --- | ---: | ---: |",
            *(f"| {metric.name} | {_number(metric.value)} | {metric.n:,} |" for metric in one.metrics),
            "",
            f'??? abstract "The card of {one.name}"',
            "",
            *_indented(_card_text(one.prose)),
            "",
        ]
    return lines


def _card_text(prose: str) -> list[str]:
    """A card inside a page: its headings are no headings of the page, and its fences are text."""
    lines = [re.sub(r"^#+ (.*)$", r"**\1**", line) for line in prose.split("\n")]
    return [re.sub(r"^(\s*```)py(thon)?\b.*$", r"\1text", line) for line in lines]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _snippets(project: Project, page: Page) -> list[str]:
    lines = [
        "",
        "| script | page | cells | claims | download |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    details: list[str] = []
    cells = claims = 0
    for snippet in project.snippets.values():
        homes = pages_of(project, snippet)
        cells += len(snippet.cells)
        claims += len(snippet.claims)
        places = ", ".join(f"[{home.title}]({_link(page, home.path)})" for home in homes)
        lines.append(
            f"| [{snippet.name}](#script-{snippet.name}) | {places} | {len(snippet.cells)} | {len(snippet.claims)} | "
            f"{', '.join(_downloads(project, page, snippet))} |"
        )
        details += [
            f"### {snippet.name} {{#script-{snippet.name}}}",
            "",
            *(_cell_line(project, page, snippet, cell.name) for cell in snippet.cells),
            "",
        ]
    lines += ["", f"Together {len(project.snippets)} scripts with {cells} cells and {claims} claims.", ""]
    return lines + details


def _downloads(project: Project, page: Page, snippet: Snippet) -> list[str]:
    names = {snippet.path.name: ".py"}
    for profile in snippet.profiles:
        names[notebook_name(snippet.in_profile(profile))] = ".ipynb" if profile == "compact" else "full-size .ipynb"
    folder = project.outputs / snippet.name
    return [f"[{said}]({_link(page, folder / name)})" for name, said in names.items() if (folder / name).exists()]


def _cell_line(project: Project, page: Page, snippet: Snippet, name: str) -> str:
    home = project.homes.get((snippet.name, name))
    if home is None:
        return f"- {name}"
    place = _link(page, home.path)
    claims = [f"[{claim.id}]({place}#claim-{claim.id})" for claim in snippet.cell_claims(name)]
    return f"- [{name}]({place}#cell-{snippet.name}-{name})" + (f": {', '.join(claims)}" if claims else "")


def _bundle(project: Project) -> list[str]:
    weights, samples = packed(project)
    sizes = [sum(path.stat().st_size for path in paths) / 1e6 for paths in (weights, samples)]
    address = read_site(project.root).bundle
    where = (
        f"[Download the bundle]({address})."
        if address
        else "This site does not hold it, so as to stay small: in a checkout of the project, the command above writes it."
    )
    return [
        "",
        f"It packs {len(checkpoints(project))} checkpoints ({sizes[0]:.0f} MB) and {len(samples)} files of inputs "
        f"({sizes[1]:.0f} MB). {where}",
        "",
    ]


def _names(project: Project, page: Page) -> list[str]:
    groups: dict[str, list[str]] = {"Auto classes": [], "Models": [], "Generation and pipelines": [], "The rest": []}
    for name, use in library(project).items():
        module = use.definition.module
        if module.startswith(f"{LIBRARY}.models.auto"):
            group = "Auto classes"
        elif module.startswith(f"{LIBRARY}.models."):
            group = "Models"
        elif re.match(rf"{LIBRARY}\.(generation|cache_utils|pipelines)\b", module):
            group = "Generation and pipelines"
        else:
            group = "The rest"
        groups[group] += _name(project, page, name, use)
    lines = [""]
    for title, entries in groups.items():
        if entries:
            lines += [f"## {title} {{#{title.lower().replace(' ', '-')}}}", "", *entries]
    return lines


def _name(project: Project, page: Page, name: str, use: Use) -> list[str]:
    definition = use.definition
    parts = [definition.kind]
    if documentation := definition.documentation(use.version):
        parts.append(f"[documentation]({documentation})")
    if source := definition.source(use.version):
        line = f", line {definition.line}" if definition.line else ""
        parts.append(f"[{definition.file.removeprefix(LIBRARY + '/')}{line}]({source})")
    places: dict[Path, list[str]] = {}
    homes: Mapping[tuple[str, str], Page] = project.homes
    for snippet, cell in use.cells:
        if (snippet, cell) in homes:
            home = homes[snippet, cell]
            places.setdefault(home.path, []).append(f"[{cell}]({_link(page, home.path)}#cell-{snippet}-{cell})")
    used = [f"- {project.pages[path].title}: {', '.join(cells)}" for path, cells in places.items()]
    return [
        f"### `{definition.short}` {{#{name}}}",
        "",
        " · ".join(parts) + (f" · import it from `{name.rpartition('.')[0]}`" if name.count(".") > 1 else ""),
        "",
        *used,
        "",
    ]


def of_page(project: Project, records: Records, page: Page) -> tuple[list[Record], list[Use], list[Checkpoint]]:
    """What a page stands on: the records of its cells, names of the library in them, and the checkpoints they load."""
    shown = {(embed.snippet, embed.cell) for embed in page.cells}
    snippets = [project.snippets[name] for name in dict.fromkeys(embed.snippet for embed in page.cells)]
    names = [use for use in library(project).values() if shown & set(use.cells)]
    loaded = [one for one in checkpoints(project) if any(loads(snippet, one.name) for snippet in snippets)]
    return [records.read(snippet) for snippet in snippets], names, loaded
