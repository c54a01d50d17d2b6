"""A page as plain Markdown, for programs and for those who read in a terminal.

Nothing in it needs this site's tool: cells are fences with their output below, figures are their descriptions, a claim links
to the line that proves it, and links lead to the Markdown of other pages, which lies beside them under the same name.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import yaml

from livedocs import cards, catalogue, colophon, references
from livedocs.errors import DocsError
from livedocs.notebooks import notebook_name
from livedocs.pages import Embed, Page
from livedocs.project import Project
from livedocs.records import RecordedCell, Records
from livedocs.snippets import Snippet

_ATTRIBUTES = re.compile(r"\s*\{:?\s*[.][^}]*\}")
_ATTRIBUTES_ALONE = re.compile(r"^\s*\{:?\s*[.#][^}]*\}\s*$")
_TAG_ALONE = re.compile(r"^\s*</?(?:div|section|figure)\b[^>]*>\s*$")
_ICON = re.compile(r":(?:material|octicons|fontawesome|simple)-[a-z0-9-]+: ?")
_TARGET = re.compile(r"\]\((?P<kind>claim|card):(?P<name>[^)\s]*)(?:\s+\"[^\"]*\")?\)")
_CALLOUT = re.compile(r"^(?:!!!|\?\?\?\+?) (?P<kind>[\w-]+)(?: inline(?: end)?)?(?: \"(?P<title>[^\"]*)\")?\s*$")
_TAB = re.compile(r"^===[+!]? \"(?P<title>[^\"]*)\"\s*$")
_SNIPPET = re.compile(r"^(?P<indent>\s*)--8<-- \"(?P<file>[^\"]+)\"\s*$")
_FENCE = re.compile(r"^\s*(?P<marks>`{3,}|~{3,})")
_REFERENCE = re.compile(r"^::: (?P<module>[\w.]+)\s*$")


def front_matter(path: Path) -> dict[str, str]:
    """The fields between the two lines of `---` at a page's head."""
    match = re.match(r"---\n(.*?\n)---\n", path.read_text("utf-8-sig"), re.DOTALL)
    fields = yaml.safe_load(match[1]) if match else None
    return {str(key): str(value) for key, value in fields.items()} if isinstance(fields, dict) else {}


def plain(project: Project, page: Page) -> str:
    """A page as plain Markdown.

    Raises:
        DocsError: Something that it embeds does not exist or has no record.
    """
    return "\n".join(_tidied(_Plain(project, page).lines())).strip() + "\n"


def plain_notebook(path: Path) -> str:
    """A notebook that is a page, as plain Markdown: its text, its code, and what that printed.

    Args:
        path: The notebook.
    """
    book = json.loads(path.read_text("utf-8"))
    parts: list[str] = []
    for cell in book["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(_TARGET.sub(lambda match: f"](#claim-{match['name']})", source))
        elif cell["cell_type"] == "code" and source.strip():
            parts.append(_fenced("python", source))
            parts += _notebook_outputs(cell.get("outputs", []))
    return "\n".join(_tidied("\n\n".join(parts).split("\n"))).strip() + "\n"


def _notebook_outputs(outputs: list[dict[str, object]]) -> Iterator[str]:
    for output in outputs:
        data = output.get("data", {})
        assert isinstance(data, dict)
        if "text" in output:
            yield "Output:\n\n" + _fenced("text", "".join(output["text"]))  # type: ignore[arg-type]
        elif any(kind.startswith(("image/", "text/html")) for kind in data):
            metadata = output.get("metadata", {})
            alt = metadata.get("alt", "") if isinstance(metadata, dict) else ""
            yield f"*Figure: {alt}*" if alt else "*Figure*"
        elif "text/plain" in data:
            yield "Output:\n\n" + _fenced("text", "".join(data["text/plain"]))


class _Plain:
    def __init__(self, project: Project, page: Page) -> None:
        self.project = project
        self.page = page
        self.records = Records(project.outputs, project.root)

    def lines(self) -> Iterator[str]:
        description = front_matter(self.page.path).get("description", "")
        embeds = {embed.line: embed for embed in self.page.embeds}
        body = self._body()
        index = body
        titled = False
        while index < len(self.page.lines):
            line = self.page.lines[index]
            if embed := embeds.get(index + 1):
                yield from ("", *self._embed(embed), "")
                index = embed.last_line
                continue
            end = self._fence_end(index)
            if end > index:
                yield from self._fence(index, end)
                index = end
                continue
            if (callout := _CALLOUT.match(line) or _TAB.match(line)) is not None:
                end = _indented_end(self.page.lines, index + 1)
                yield from self._callout(callout, [part[4:] for part in self.page.lines[index + 1 : end]])
                index = end
                continue
            if reference := _REFERENCE.match(line):
                end = _indented_end(self.page.lines, index + 1)
                yield from _module(self.project.root, reference["module"], self.page.lines[index + 1 : end])
                index = end
                continue
            yield from self._text(line)
            if not titled and line.startswith("# ") and description:
                titled = True
                yield from ("", f"> {description}")
            index += 1
        yield from self._end()

    def _body(self) -> int:
        lines = self.page.lines
        return lines.index("---", 1) + 1 if lines and lines[0] == "---" and "---" in lines[1:] else 0

    # -- text ----------------------------------------------------------------------------------------------------------

    def _text(self, line: str) -> Iterator[str]:
        """A line of prose without what only this site's Markdown understands."""
        if _TAG_ALONE.match(line) or _ATTRIBUTES_ALONE.match(line) or line.lstrip().startswith("<!--"):
            return
        if match := _SNIPPET.match(line):
            yield from self._snippet(match)
            return
        parts = re.split(r"(`[^`]*`)", line)
        parts[::2] = [_TARGET.sub(self._target, _ICON.sub("", _ATTRIBUTES.sub("", part))) for part in parts[::2]]
        yield "".join(parts).rstrip()

    def _target(self, match: re.Match[str]) -> str:
        """A claim leads to its assertion on the page as HTML, and a number to the card that it comes from."""
        name = match["name"]
        if match["kind"] == "card":
            return f"]({self._link(self.project.docs / cards.PAGE)}#{name.split('/')[0]})"
        if name not in self.project.claims:
            raise DocsError(f"nothing proves claim '{name}'", file=self.page.file)
        snippet, claim = self.project.claims[name]
        home = self.project.homes.get((snippet.name, claim.cell), self.page)
        return f"]({self._link(home.path.with_suffix('.html'))}#claim-{name})"

    def _link(self, target: Path) -> str:
        return Path(os.path.relpath(target, self.page.path.parent)).as_posix()

    def _snippet(self, match: re.Match[str]) -> Iterator[str]:
        text = (self.project.root / match["file"]).read_text("utf-8").rstrip("\n")
        yield from (f"{match['indent']}{line}" for line in text.split("\n"))

    def _fence_end(self, index: int) -> int:
        match = _FENCE.match(self.page.lines[index])
        if match is None:
            return index
        closing = re.compile(rf"^\s*{re.escape(match['marks'][0])}{{{len(match['marks'])},}}\s*$")
        ends = (i for i in range(index + 1, len(self.page.lines)) if closing.match(self.page.lines[i]))
        return next(ends, len(self.page.lines) - 1) + 1

    def _fence(self, index: int, end: int) -> Iterator[str]:
        for line in self.page.lines[index:end]:
            match = _SNIPPET.match(line)
            yield from self._snippet(match) if match else [line]

    def _callout(self, head: re.Match[str], lines: list[str]) -> Iterator[str]:
        """A box becomes a quotation, since other Markdown has no boxes."""
        title = head["title"] or head.groupdict().get("kind", "").capitalize()
        inside = [part for line in lines for part in self._text(line)]
        yield from ("", f"> **{title}**", ">")
        yield from (f"> {line}".rstrip() for line in "\n".join(inside).strip().split("\n"))
        yield ""

    # -- embeds --------------------------------------------------------------------------------------------------------

    def _embed(self, embed: Embed) -> Iterator[str]:
        if embed.command == "cell":
            yield from self._cell(embed)
        elif embed.command == "diagram":
            yield from self._diagram(embed)
        elif embed.command == "downloads":
            yield self._downloads(self.project.find_snippet(self.page, embed))
        elif embed.command == "include":
            yield from (self.project.docs / embed.target).read_text("utf-8").rstrip().split("\n")
        elif embed.command == "references":
            for line in references.markdown(self.project.references, self.page):
                if not re.match(r"\s*\{:", line):
                    yield re.sub(r"</?span[^>]*>", "", line)
        else:
            lines = [line.replace("<br>", "; ") for line in catalogue.markdown(self.project, self.page, embed.target)]
            index = 0
            while index < len(lines):
                callout = _CALLOUT.match(lines[index])
                if callout is None:
                    yield lines[index]
                    index += 1
                    continue
                end = _indented_end(lines, index + 1)
                yield from self._callout(callout, [line[4:] for line in lines[index + 1 : end]])
                index = end

    def _cell(self, embed: Embed) -> Iterator[str]:
        snippet, cell = self.project.find_cell(self.page, embed)
        recorded = self.records.cell(snippet, cell)
        yield from _fenced("python", cell.source).split("\n")
        yield from self._output("Output:", recorded)
        files = [*recorded.figures, *recorded.audio]
        for i, alt in enumerate(embed.alts[: len(files)]):
            what = "Figure" if i < len(recorded.figures) else "Sound"
            place = f"{self._link(self.page.path.with_suffix('.html'))}#cell-{snippet.name}-{cell.name}"
            if what == "Sound":
                place = self._link(self.records.folder(snippet) / files[i].file)
            caption = f" {embed.captions[i]}" if i in embed.captions else ""
            yield from ("", f"*[{what}]({place}): {alt}{caption}*")
        if "full-size" in snippet.profiles and not cell.trained:
            full = snippet.in_profile("full-size")
            if full.has_cell(cell.name):
                other = self.records.cell(full, full.cell(cell.name))
                if other.text != recorded.text:
                    yield from self._output("Output in full size (published architecture, random weights):", other)

    @staticmethod
    def _output(title: str, recorded: RecordedCell) -> Iterator[str]:
        if recorded.text:
            yield from ("", title, "")
            yield from _fenced("text", recorded.text).split("\n")

    def _diagram(self, embed: Embed) -> Iterator[str]:
        """What a diagram tells someone who cannot see it, and the words and shapes in it, top to bottom."""
        folder = self.records.outputs / "diagrams" / embed.target
        file = next((folder / f"{profile}.svg" for profile in ("compact", "full-size")), folder)
        if not file.exists():
            raise DocsError(f"there is no recorded diagram '{embed.target}'", file=self.page.file, line=embed.line)
        svg = file.read_text("utf-8").split("</svg>")[0]
        said = {tag: re.search(rf"<{tag}[^>]*>([^<]*)<", svg) for tag in ("title", "desc")}
        texts = [unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)<", svg)]
        title, description = (unescape(match[1]) if match else "" for match in said.values())
        yield f"**Diagram: {title}.** {description}"
        yield from ("", f"In it, measured on the compact checkpoint: {'; '.join(texts)}.")

    def _downloads(self, snippet: Snippet) -> str:
        folder = self.records.outputs / snippet.name
        names = [snippet.path.name, *(notebook_name(snippet.in_profile(profile)) for profile in snippet.profiles)]
        return "Run this page yourself: " + ", ".join(f"[{name}]({self._link(folder / name)})" for name in names) + "."

    def _end(self) -> Iterator[str]:
        if self.page.cells:
            found, _, _ = catalogue.of_page(self.project, self.records, self.page)
            yield from ("", "---", "", colophon.stamp(found))


def _indented_end(lines: list[str], index: int) -> int:
    while index < len(lines) and (not lines[index].strip() or lines[index].startswith("    ")):
        index += 1
    return index


def _fenced(language: str, text: str) -> str:
    """A fence that is longer than any in the text."""
    text = text.rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text}\n{marks}"


def _tidied(lines: Iterator[str] | list[str]) -> Iterator[str]:
    """Without several empty lines in a row outside fences, where they may mean something."""
    empty = False
    marks = ""
    for line in "\n".join(lines).split("\n"):
        match = _FENCE.match(line)
        if match and not marks:
            marks = match["marks"]
        elif match and line.strip() == marks:
            marks = ""
        if line.strip() or marks or not empty:
            yield line
        empty = not line.strip()


# -- the reference -----------------------------------------------------------------------------------------------------


def _module(root: Path, module: str, options: list[str]) -> Iterator[str]:
    """What mkdocstrings shows of a module, from the same docstrings."""
    path = root / f"{module.replace('.', '/')}.py"
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    tree = ast.parse(path.read_text("utf-8"))
    members = re.search(r"members: \[(.*)\]", "\n".join(options))
    chosen = [name.strip() for name in members[1].split(",")] if members else None
    yield from ("", f"### {module}", "", ast.get_docstring(tree) or "")
    for node in tree.body:
        yield from _definition(node, chosen, "####")


def _definition(node: ast.stmt, chosen: list[str] | None, level: str) -> Iterator[str]:
    if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return
    if node.name.startswith("_") or (chosen is not None and node.name not in chosen):
        return
    text = ast.get_docstring(node)
    if not text:
        return
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        head = f"class {node.name}({bases})" if bases else f"class {node.name}"
    else:
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        head = f"{node.name}({ast.unparse(node.args)}){returns}"
    yield from ("", f"{level} `{head}`", "", text)
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            yield from _definition(inner, None, f"{level}#")
