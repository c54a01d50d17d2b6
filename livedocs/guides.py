"""Guides: scripts that train a model, each a notebook with real outputs.

A guide is a script in `guides/`, in the same format as a snippet. Its prose stands in it, in `[markdown]` cells, and so do
the descriptions of its figures. `make record ONLY=guides/NAME` runs it and writes

    docs/outputs/guides/NAME/compact/       what the cells gave
    docs/outputs/guides/NAME/NAME.py        the script and the full-size notebook, to download
    docs/guides/NAME.ipynb                  the notebook with its outputs, which mkdocs-jupyter renders
    docs/outputs/guides.txt                 the table of all guides

Three conventions make a guide comparable with the others. `STEPS = …` is the number of optimisation steps: in full size,
with random weights, it is 1. A cell whose output training decides is tagged `learned`, or `trained` where it is left out in
full size. The last cell is named `result` and prints a line for each of `RESULT`.
"""

from __future__ import annotations

import base64
import html
import os
import re
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from livedocs import library
from livedocs.cache import PageCache, recording_inputs
from livedocs.compare import EXACT, LEARNED
from livedocs.errors import DocsError
from livedocs.notebooks import notebook, notebook_name
from livedocs.palette import COLOURS
from livedocs.project import load_project
from livedocs.published import workplace
from livedocs.records import Record, RecordedCell, Records
from livedocs.runner import CellError, CellRun, loaded_versions, run_snippet
from livedocs.snippets import Snippet

RESULT = ("base", "data", "training", "held out", "metric", "before", "after")
"""What the last cell of a guide prints, a line each: the word, two or more spaces, and the value."""

STEPS = "STEPS"
"""The constant that holds the number of optimisation steps."""

FIND_DATA = """\
# Jupyter starts a notebook in its own folder. The data lie in the root of the checkout, so go there.
import os
import sys
from pathlib import Path

here = Path.cwd()
root = next((folder for folder in (here, *here.parents) if (folder / "guides/common").is_dir()), None)
if root is None:
    raise FileNotFoundError("this notebook needs the project's data: put it into a checkout of the project")
os.chdir(root)
sys.path.insert(0, str(root))
"""
"""The first code cell of a guide's notebook."""

_LINK = re.compile(r"\]\(claim:(?P<id>[^)\s]*)\)")
_NAV = re.compile(r"guides/([a-z0-9-]+)\.ipynb")


class Guides:
    """The guides of a project.

    Args:
        root: The project's root.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.docs = root / "docs"
        self.outputs = self.docs / "outputs" / "guides"
        self.table_file = self.docs / "outputs" / "guides.txt"
        self.records = Records(self.outputs, root)

    def names(self) -> list[str]:
        """The names of all guides, in the order of the navigation; those that are not in it come last."""
        found = sorted(path.stem for path in (self.root / "guides").glob("*.py"))
        settings = self.root / "mkdocs.yml"
        listed = _NAV.findall(settings.read_text("utf-8")) if settings.exists() else []
        return sorted(found, key=lambda name: (listed + [page_name(name)]).index(page_name(name)))

    def read(self, name: str) -> Snippet:
        """The guide of a name.

        Raises:
            DocsError: There is none, or it is malformed.
        """
        path = self.root / "guides" / f"{name}.py"
        if not path.exists():
            known = ", ".join(self.names()) or "none"
            raise DocsError(f"ONLY=guides/{name}: there is no guides/{name}.py; known: {known}")
        return _read(path, path.stat().st_mtime_ns, self.root)

    def page(self, guide: Snippet) -> Path:
        """The notebook that the site shows."""
        return self.docs / "guides" / f"{page_name(guide.name)}.ipynb"

    # -- what is written -----------------------------------------------------------------------------------------------

    def files(self, guide: Snippet) -> dict[Path, str]:
        """The files that belong to a recorded guide, and what they must hold.

        Raises:
            DocsError: It has no record, or one that does not fit its code.
        """
        record = self.records.read(guide)
        for cell in guide.cells:
            recorded = self.records.cell(guide, cell)
            if len(cell.alts) != len(recorded.figures) + len(recorded.audio):
                raise DocsError(
                    f"cell '{cell.name}' shows {len(recorded.figures)} figure(s) and plays {len(recorded.audio)} sound(s), "
                    f'but {len(cell.alts)} text(s) in its header describe them; write `# %% {cell.name} alt="…"`',
                    file=guide.file,
                    line=cell.line,
                )
        folder = self.outputs / guide.name
        files = {folder / guide.path.name: guide.original, self.page(guide): guide_notebook(guide, record)}
        if guide.has_full_size:
            full = guide.in_profile("full-size")
            files[folder / notebook_name(full)] = guide_notebook(full, None)
        return files

    def table(self) -> str:
        """All recorded guides as a Markdown table."""
        lines = [
            "| guide | base | data | to train on | held out | minutes | metric | before | after |",
            "| --- | --- | --- | --- | --- | ---: | --- | ---: | ---: |",
        ]
        for name in self.names():
            guide = self.read(name)
            if not (self.records.folder(guide) / "record.json").exists():
                continue
            record = self.records.read(guide)
            result = read_result(guide, record)
            minutes = sum(cell.seconds for cell in record.cells.values()) / 60
            link = f"[{title(guide)}]({page_name(name)}.ipynb)"
            row = [link, result["base"], result["data"], result["training"], result["held out"], f"{minutes:.1f}"]
            row += [result["metric"], result["before"], result["after"]]
            lines.append(f"| {' | '.join(row)} |")
        return "\n".join(lines) + "\n"

    def record(self, only: str | None = None) -> None:
        """Run guides and write everything that comes of them.

        Raises:
            DocsError: A guide is unknown or malformed, or one of its cells raised.
        """
        from tqdm import tqdm

        guides = [self.read(only)] if only else [self.read(name) for name in self.names()]
        with tqdm(total=sum(len(guide.cells) for guide in guides), unit="cell", dynamic_ncols=True) as progress:
            for guide in guides:
                runs = []
                for run in run_snippet(guide, self.root):
                    runs.append(run)
                    progress.set_postfix_str(f"guides/{guide.name}: {run.name}")
                    progress.update()
                self.records.write(guide, runs, loaded_versions(), library.look_up(library.uses(guide)))
                self.write(guide)
        if only is None:
            self._remove_orphans()

    def write(self, guide: Snippet) -> None:
        """Write the files of a recorded guide and the table of all."""
        files = self.files(guide)
        folder = self.outputs / guide.name
        for path in folder.iterdir():
            if path.is_file() and path not in files:
                path.unlink()
        for path, text in (files | {self.table_file: self.table()}).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")

    def _remove_orphans(self) -> None:
        kept = set(self.names())
        for folder in self.outputs.iterdir() if self.outputs.exists() else []:
            if folder.name not in kept:
                shutil.rmtree(folder)
        for page in (self.docs / "guides").glob("*.ipynb"):
            if page.stem not in {page_name(name) for name in kept}:
                page.unlink()

    # -- what is checked -----------------------------------------------------------------------------------------------

    def problems(self) -> Iterator[DocsError]:
        """Everything that is wrong and can be seen without running a cell."""
        names = self.names()
        settings = (self.root / "mkdocs.yml").read_text("utf-8") if (self.root / "mkdocs.yml").exists() else ""
        claims = (
            {claim: snippet.file for claim, (snippet, _) in load_project(self.root).claims.items()} if names else {}
        )
        for name in names:
            try:
                guide = self.read(name)
                if f"guides/{page_name(name)}.ipynb" not in settings:
                    message = f"this guide is not in the navigation; add guides/{page_name(name)}.ipynb to mkdocs.yml"
                    yield DocsError(message, file=guide.file, line=1)
                for claim in guide.claims:
                    if claim.id in claims:
                        message = (
                            f"claim '{claim.id}' is proved twice, first in {claims[claim.id]}; give one another id"
                        )
                        yield DocsError(message, file=guide.file, line=claim.line)
                    claims[claim.id] = guide.file
                yield from _claim_problems(guide)
                for file, text in self.files(guide).items():
                    if not file.exists() or file.read_text("utf-8") != text:
                        message = f"missing or stale; run `make record ONLY=guides/{name}`"
                        yield DocsError(message, file=file.relative_to(self.root))
            except DocsError as error:
                yield error
                return
        try:
            stale = names and (not self.table_file.exists() or self.table_file.read_text("utf-8") != self.table())
        except DocsError as error:
            yield error
            return
        if stale:
            yield DocsError("missing or stale; record a guide", file=self.table_file.relative_to(self.root))

    # -- what the suite runs -------------------------------------------------------------------------------------------

    def verify(self, name: str, *, whole: bool = False) -> str:
        """Run a guide and compare it with its record.

        A guide with `# suite:` values runs with these, unless `whole`; what training decides is then not compared, but
        its assertions must hold.

        Returns:
            What was done, in a line.

        Raises:
            DocsError: A cell raised, or gave something else than the record holds.
        """
        guide = self.read(name)
        short = guide.has_suite_values and not whole
        cache = PageCache(self.root)
        marker = guide.path.with_suffix(".whole" if whole else ".py")
        if cache.is_fresh(marker):
            return f"{guide.file}: nothing changed since it passed"
        inputs = {guide.path, *(path for path in self.records.folder(guide).iterdir() if path.is_file())}
        with recording_inputs(self.root, inputs):
            for run in run_snippet(guide.for_suite() if short else guide, self.root, files=False):
                cell = guide.cell(run.name)
                if not (short and cell.learned):
                    self.records.compare(guide, run, LEARNED if cell.learned else EXACT)
        cache.store(marker, inputs)
        return f"{guide.file}: {len(guide.cells)} cells passed{' with fewer steps' if short else ''}"

    def verify_full_size(self, name: str, *, from_hub: bool = False) -> list[CellRun]:
        """Run the full-size profile of a guide: one step on the published architecture with random weights.

        Args:
            name: The guide.
            from_hub: Train the published weights, as long as the guide says (needs a network and time).

        Raises:
            DocsError: A cell raised.
        """
        # One step needs no more examples than the suite's short run.
        guide = (self.read(name) if from_hub else self.read(name).for_suite()).in_profile("full-size")
        with workplace(guide, self.root, from_hub=from_hub) as folder:
            for part in ("docs", "guides", "sample_data"):
                Path(folder, part).symlink_to(self.root / part)
            # That a step can be taken is shown by two examples as well, and what random weights answer says nothing.
            short = guide.with_constant(STEPS, "1").with_argument("per_device_train_batch_size", "2")
            short = short.with_argument("eval_strategy", '"no"')
            one = guide if from_hub else short
            return list(run_snippet(one, Path(folder), skip_trained=not from_hub, files=False))


def page_name(name: str) -> str:
    """The name of a guide's page: `text_classification` becomes `text-classification`."""
    return name.replace("_", "-")


def title(guide: Snippet) -> str:
    """The first heading of a guide.

    Raises:
        DocsError: It has none.
    """
    for _, line in guide.prose:
        if line.startswith("# "):
            return line[2:].strip()
    raise DocsError(
        "a guide begins with a `# %% [markdown]` cell that holds its title, `# # …`", file=guide.file, line=1
    )


def description(guide: Snippet) -> str:
    """The first paragraph of a guide, as plain words."""
    lines: list[str] = []
    for _, line in guide.prose:
        if lines and not line.strip():
            break
        if line.strip() and not line.startswith("#"):
            lines.append(line.strip())
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", " ".join(lines))
    return re.sub(r"[*`_]", "", text)


def read_result(guide: Snippet, record: Record) -> dict[str, str]:
    """What the last cell of a guide printed.

    Raises:
        DocsError: There is no cell `result`, or it lacks a line.
    """
    last = guide.cells[-1]
    text = record.cells[last.name].text if last.name in record.cells else ""
    found = dict(re.findall(r"^([a-z ]+?) {2,}(\S.*)$", text, re.MULTILINE))
    missing = [key for key in RESULT if key not in found]
    if last.name != "result" or missing:
        raise DocsError(
            f"the last cell of a guide is named `result` and prints a line for each of: {', '.join(RESULT)}",
            file=guide.file,
            line=last.line,
        )
    return found


def _claim_problems(guide: Snippet) -> Iterator[DocsError]:
    linked: dict[str, int] = {}
    for line, text in guide.prose:
        for match in _LINK.finditer(text):
            linked.setdefault(match["id"], line)
    proved = {claim.id: claim.line for claim in guide.claims}
    for name, line in linked.items():
        if name not in proved:
            message = f"nothing proves claim '{name}'; label an assertion `# claim: {name}` in this guide"
            yield DocsError(message, file=guide.file, line=line)
    for name, line in proved.items():
        if name not in linked:
            message = f"no text links claim '{name}'; write `[the statement](claim:{name})` in a [markdown] cell"
            yield DocsError(message, file=guide.file, line=line)


@lru_cache(maxsize=64)
def _read(path: Path, changed: int, root: Path) -> Snippet:
    del changed  # only the cache's key
    return Snippet(path, root=root)


# -- notebooks ---------------------------------------------------------------------------------------------------------


def guide_notebook(guide: Snippet, record: Record | None) -> str:
    """A guide as a notebook, with the outputs of a record where there is one. The same input gives the same text."""
    import nbformat

    book = nbformat.reads(notebook(guide), as_version=4)
    where = (
        "This notebook is a part of a checkout of the project, and needs what `requirements.txt` lists."
        if guide.profile == "compact"
        else "This notebook trains a published model: it fetches the weights on its first run, and wants a graphics card. "
        "It is a part of a checkout of the project, and needs what `requirements.txt` lists."
    )
    start = nbformat.v4.new_code_cell(FIND_DATA.rstrip())
    start.metadata["name"] = "find-data"
    book.cells[:1] = [nbformat.v4.new_markdown_cell(f"*{where}*"), start]
    book.cells[0].metadata["name"] = "where"
    count = 0
    for i, part in enumerate(book.cells):
        part["id"] = f"cell-{i}"
        if part.cell_type == "markdown":
            part.source = _LINK.sub(r"](#claim-\g<id>)", part.source)
            continue
        if record is not None:
            count += 1
            part.execution_count = count
            if part.metadata["name"] in record.cells:
                cell = guide.cell(part.metadata["name"])
                recorded = record.cells[cell.name]
                part.metadata.update(line=cell.line, seconds=recorded.seconds)
                part.outputs = list(_outputs(recorded, cell.alts, record.folder))
    book.metadata["livedocs"] = {"guide": guide.name, "description": description(guide)}
    if record is not None:
        book.metadata["livedocs"]["versions"] = record.versions
    nbformat.validate(book)
    return str(nbformat.writes(book, version=4)) + "\n"


def _outputs(recorded: RecordedCell, alts: tuple[str, ...], folder: Path) -> Iterator[object]:
    import nbformat

    if recorded.text:
        yield nbformat.v4.new_output("stream", name="stdout", text=recorded.text)
    for file, alt in zip((*recorded.figures, *recorded.audio), alts, strict=True):
        data = (folder / file.file).read_bytes()
        if file.file.endswith(".svg"):
            content = {"image/svg+xml": standalone_svg(data.decode("utf-8"))}
        elif file.file.endswith(".png"):
            content = {"image/png": base64.b64encode(data).decode()}
        else:
            sound = base64.b64encode(data).decode()
            label = html.escape(alt, quote=True)
            source = f"data:audio/wav;base64,{sound}"
            content = {"text/html": f'<audio controls aria-label="{label}" src="{source}"></audio>'}
        yield nbformat.v4.new_output(
            "display_data", data=content | {"text/plain": alt}, metadata={"alt": alt, "needs_background": "light"}
        )


def standalone_svg(svg: str) -> str:
    """A recorded figure that also has its colours and a font where the site's style sheet is not there."""

    def colour(match: re.Match[str]) -> str:
        return f"var(--ld-{match[1]}, {COLOURS[match[1]][0]})" if match[1] in COLOURS else match[0]

    svg = re.sub(r"var\(--ld-([a-z0-9-]+)\)", colour, svg)
    return svg.replace('style="', 'style="font-family: var(--md-text-font-family, sans-serif); ', 1)


def whole_run_wanted() -> bool:
    """Whether the environment asks for guides to be trained as long as in the record (`GUIDES=whole`)."""
    return os.environ.get("GUIDES") == "whole"


def verify_all(root: Path, only: str | None, *, from_hub: bool) -> list[str]:
    """Run the full-size profile of guides.

    Returns:
        A line for each.
    """
    guides = Guides(root)
    lines = []
    for name in [only] if only else guides.names():
        guide = guides.read(name)
        if not guide.has_full_size:
            continue
        try:
            runs = guides.verify_full_size(name, from_hub=from_hub)
        except CellError as error:
            raise DocsError(str(error)) from None
        if from_hub:
            for run in runs:
                print(f"# %% {run.name}\n{run.output.text}")
        how = "with the published weights" if from_hub else "with one step"
        lines.append(f"{guide.file}: {len(runs)} of {len(guide.cells)} cells passed in full size, {how}")
    return lines
