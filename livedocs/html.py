"""Cells, diagrams and downloads as HTML."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from html import escape
from itertools import count
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from livedocs.errors import DocsError
from livedocs.library import links
from livedocs.notebooks import notebook_name
from livedocs.pages import Embed, Page
from livedocs.pictures import framed, with_files
from livedocs.project import Project
from livedocs.records import RecordedCell, Records
from livedocs.snippets import Cell, Snippet

LABELS = {"compact": "Compact", "full-size": "Full size"}
"""What the tabs are called. The reader's choice is kept by this label, across pages."""

_PLAIN = re.compile(r'<span class="(?:n|o|p|w)">([^<]*)</span>')
"""Names, operators, punctuation and space, which have the colour of the code: more than half of all elements."""

_BLOCK = re.compile(r"<pre\b[^>]*>(.*?)\n?(?:</code>)?</pre>", re.DOTALL)
_DRAWING = re.compile(r'class="ld-drawing" style="aspect-ratio: ([\d.]+) / ([\d.]+); max-width: ([\d.]+px)"')

_LINE = 1.104
_HEIGHTS = {
    "<code": 1.5,
    '<div class="ld-output"': 1.3,
    "<pre class": 1.05,
    "<figure": 1.2,
    "<figcaption": 2.2,
    "<audio": 4,
}
_AROUND = 3.7
"""Heights in rem, as in the style sheet: of a line, of what stands around such an element, and of a cell's first and last line."""

_NARROW = 40
"""Characters of code that a phone shows without scrolling. Longer lines are reached with the Tab key."""

_NOT_RECORDED = (
    "This cell speaks of predictions, which need the published weights. It was not run for this page: the full-size tabs "
    "show what runs on the published architecture with random weights, offline."
)


class Renderer:
    """Writes the HTML of one page's embeds.

    Args:
        project: The site.
        records: Its recorded outputs.
        page: The page that embeds.
    """

    def __init__(self, project: Project, records: Records, page: Page) -> None:
        self.project = project
        self.records = records
        self.page = page
        self._tabs = count(1)

    def render(self, embed: Embed) -> str:
        """The HTML of one embed.

        Raises:
            DocsError: What it names does not exist, has no record, a stale one, or a figure without a description.
        """
        return {"cell": self._cell, "diagram": self._diagram, "downloads": self._downloads}[embed.command](embed)

    def _url(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.page.path.parent)).as_posix()

    def _error(self, message: str, embed: Embed) -> DocsError:
        return DocsError(message, file=self.page.file, line=embed.line)

    # -- cells ---------------------------------------------------------------------------------------------------------

    def _cell(self, embed: Embed) -> str:
        snippet, cell = self.project.find_cell(self.page, embed)
        variants: dict[str, str] = {}
        contents = []
        passed = []
        for profile in snippet.profiles:
            version = snippet.in_profile(profile)
            if not version.has_cell(cell.name):
                continue
            variants[profile] = code_block(
                version, version.cell(cell.name), self._names(version, version.cell(cell.name))
            )
            if cell.trained and profile == "full-size":
                variants[profile] += f'<p class="ld-note">{_NOT_RECORDED}</p>'
                contents.append(_NOT_RECORDED)
                continue
            recorded = self.records.cell(version, version.cell(cell.name))
            contents.append(self._content(version, recorded))
            variants[profile] += self._output(version, recorded, embed)
            passed.append(profile)
        compact = self.records.read(snippet)
        body = variants["compact"] if len(set(contents)) == 1 else self._profiles(variants)
        seconds = compact.cells[cell.name].seconds
        versions = ", ".join(
            f"{name} {compact.versions[name]}" for name in ("transformers", "torch") if name in compact.versions
        )
        script = self._url(self.records.outputs / snippet.name / snippet.path.name)
        both = " in both profiles" if len(passed) == 2 else ""
        return (
            f'<div class="ld-cell" id="cell-{snippet.name}-{cell.name}" data-cell="{embed.target}" role="group" '
            f'aria-label="Cell {cell.name} of {snippet.file}" style="{cell_room(variants["compact"])}">'
            f'<div class="ld-cell__bar"><span class="ld-cell__name">{cell.name}</span>'
            f'<a class="ld-cell__source" href="{script}">{snippet.file}:{cell.line}</a></div>'
            f"{body}"
            f'<p class="ld-cell__meta">Passed{both} with {versions}, in {seconds:.1f} s</p></div>'
        )

    def _names(self, snippet: Snippet, cell: Cell) -> list[tuple[int, str, str]]:
        """Words of a cell that lead to the catalogue of the library: the line, the word and the address."""
        if self.project.library_page is None:
            return []
        library = self.records.read(snippet).library
        known = {definition.name: definition for definition in library.values()} | library
        index = self._url(self.project.library_page.path.with_suffix(".html"))
        return [
            (mention.line, mention.word, f"{index}#{known[mention.path].name}")
            for mention in links(snippet, cell)
            if mention.path in known
        ]

    def _content(self, snippet: Snippet, recorded: RecordedCell) -> str:
        """What a reader sees of a cell, to tell whether the profiles differ: the ids in its SVGs are left out."""
        folder = self.records.folder(snippet)
        files = [(folder / item.file).read_bytes() for item in (*recorded.figures, *recorded.audio)]
        prefix = f"{snippet.name}-{snippet.profile}-".encode()
        return repr([snippet.cell(recorded.name).source, recorded.text, *(data.replace(prefix, b"") for data in files)])

    def _output(self, snippet: Snippet, recorded: RecordedCell, embed: Embed) -> str:
        parts = []
        if recorded.text:
            parts.append(text_block(recorded.text))
        if len(embed.alts) != len(recorded.figures) + len(recorded.audio):
            raise self._error(
                f"cell '{embed.target}' shows {len(recorded.figures)} figure(s) and plays {len(recorded.audio)} sound(s) "
                f"({snippet.profile}), but {len(embed.alts)} `alt:` line(s) describe them; write one for each",
                embed,
            )
        folder = self.records.folder(snippet)
        for i, figure in enumerate(recorded.figures):
            parts.append(self._figure(folder / figure.file, embed, i))
        for i, sound in enumerate(recorded.audio, len(recorded.figures)):
            label = escape(embed.alts[i], quote=True)
            url = self._url(folder / sound.file)
            parts.append(f'<audio class="ld-audio" controls preload="none" src="{url}" aria-label="{label}"></audio>')
        return output_block(parts)

    def _figure(self, file: Path, embed: Embed, i: int) -> str:
        alt, caption = embed.alts[i], embed.captions.get(i)
        if file.suffix == ".svg":
            try:
                svg = with_files(file.read_text("utf-8"), file, self._url(file.parent))
            except FileNotFoundError as error:
                missing, how = self.records.shown(Path(error.filename)), f"run `make record ONLY={embed.snippet}`"
                raise self._error(f"{missing}, a picture of this cell's figure, is missing; {how}", embed) from None
            picture = framed(svg, alt)
        else:
            picture = f'<img src="{self._url(file)}" alt="{escape(alt)}" loading="lazy">'
        below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        return f'<figure class="ld-figure">{picture}{below}</figure>'

    # -- the other embeds ----------------------------------------------------------------------------------------------

    def _diagram(self, embed: Embed) -> str:
        folder = self.records.outputs / "diagrams" / embed.target
        variants = {}
        for profile in LABELS:
            file = folder / f"{profile}.svg"
            if file.exists():
                drawings = re.findall(r"<svg\b.*?</svg>", file.read_text("utf-8"), re.DOTALL)
                variants[profile] = "".join(map(framed, drawings))
        if not variants:
            raise self._error(
                f"there is no recorded diagram '{embed.target}'; write diagrams/{embed.target}.toml and run `make record`",
                embed,
            )
        body = self._profiles(variants) if len(variants) > 1 else next(iter(variants.values()))
        return f'<figure class="ld-diagram" id="diagram-{embed.target}">{body}</figure>'

    def _downloads(self, embed: Embed) -> str:
        snippet = self.project.find_snippet(self.page, embed)
        folder = self.records.outputs / snippet.name
        links = [f'<a href="{self._url(folder / snippet.path.name)}" download>script</a>']
        for profile in snippet.profiles:
            file = folder / notebook_name(snippet.in_profile(profile))
            if not file.exists():
                raise self._error(f"{file.name} is missing; run `make record ONLY={snippet.name}`", embed)
            name = "notebook" if profile == "compact" else "full-size notebook"
            links.append(f'<a href="{self._url(file)}" download>{name}</a>')
        return f'<p class="ld-downloads">Run this page yourself: {", ".join(links)}.</p>'

    def _profiles(self, variants: dict[str, str]) -> str:
        """Tabs in the markup of pymdownx.tabbed, for the theme's style; site.js carries a choice to all of them.

        Whoever reads with scripts gets the second profile as text, which site.js turns into elements when it is asked for: half of a
        page's elements are never looked at.
        """
        group = f"__profiles_{next(self._tabs)}"
        inputs, labels, blocks = [], [], []
        for i, (profile, content) in enumerate(variants.items(), 1):
            checked = " checked" if i == 1 else ""
            inputs.append(f'<input{checked} id="{group}_{i}" name="{group}" type="radio">')
            labels.append(f'<label for="{group}_{i}">{LABELS[profile]}</label>')
            blocks.append(f'<div class="tabbed-block">{content if i == 1 else f"<noscript>{content}</noscript>"}</div>')
        return (
            f'<div class="tabbed-set tabbed-alternate ld-profiles">{"".join(inputs)}'
            f'<div class="tabbed-labels">{"".join(labels)}</div><div class="tabbed-content">{"".join(blocks)}</div></div>'
        )


def code_block(snippet: Snippet, cell: Cell, names: Sequence[tuple[int, str, str]] = ()) -> str:
    """The cell's code, highlighted; lines that prove a claim carry its anchor.

    Args:
        snippet: The script, in the profile to show.
        cell: The cell.
        names: Words that are links: the line in the script, the word and its address.
    """
    lines = highlight(cell.source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n").split("\n")
    for line, word, address in names:
        at = line - cell.source_line
        link = rf'\1<a class="ld-api" href="{address}">{word}</a>\2'
        lines[at] = re.sub(rf'(<span class="[^"]*">){re.escape(word)}(</span>)', link, lines[at], count=1)
    lines = [_PLAIN.sub(r"\1", line) for line in lines]
    suffix = "" if snippet.profile == "compact" else f"-{snippet.profile}"
    for claim in snippet.cell_claims(cell.name):
        first, last = claim.line - cell.source_line, claim.end_line - cell.source_line
        lines[first] = f'<span class="ld-proof" id="claim-{claim.id}{suffix}">{lines[first]}'
        lines[last] += "</span>"
    code = "\n".join(lines)
    # Material names the code after the nearest id, and both tabs hold code: so each has one of its own.
    name = f"code-{snippet.name}-{snippet.profile}-{cell.name}"
    # The theme looks whether code scrolls when it is first on the screen. Until then this says where it may.
    reach = ' tabindex="0"' if max(map(len, cell.source.split("\n"))) > _NARROW else ""
    block = f"<pre><span></span><code{reach}>{code}\n</code></pre>"
    return f'<div class="language-python highlight" id="{name}" style="{room(block)}">{block}</div>'


def text_block(printed: str) -> str:
    """What a cell printed."""
    return f'<pre class="ld-output__text" tabindex="0">{escape(printed.rstrip())}</pre>'


def output_block(parts: Sequence[str]) -> str:
    """What a cell printed, drew and played, each as HTML; nothing where there is nothing."""
    content = "".join(parts)
    return f'<div class="ld-output" style="{room(content, 1.3)}">{content}</div>' if parts else ""


def cell_room(content: str) -> str:
    """The room of a whole cell; see `room`."""
    return room(content, _AROUND)


def room(content: str, beside: float = 0) -> str:
    """How high a part of a page will be, for its `style`.

    A browser lays out cells, and code and output in them, when they come near the screen (`content-visibility` in the style sheet),
    since a page has thousands of elements there. Until then it keeps this room, so that the page is as long as it will be.

    Args:
        content: Code, output or both, as HTML.
        beside: The height of what stands beside them, in rem.
    """
    height = beside + sum(each * content.count(tag) for tag, each in _HEIGHTS.items())
    height += _LINE * sum(text.count("\n") + 1 for text in _BLOCK.findall(content))
    drawings = _DRAWING.findall(content)
    figures = "".join(f" + min({widest}, 100vw - 4rem) * {float(h) / float(w):.3f}" for w, h, widest in drawings)
    return f"contain-intrinsic-height: auto calc({height:.1f}rem{figures})"
