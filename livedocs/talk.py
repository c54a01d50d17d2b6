"""The talk: slides that take their figures, code, outputs and numbers from the records of the pages.

`talk/slides.md` is its source, and `docs/talk/index.html` what `python -m livedocs talk` makes of it. The page `docs/talk.md`
says what may stand in the source. Every slide links the page that it comes from, and that page shows all that the slide
embeds. So a page that is recorded anew changes its slide, and a slide cannot say what no page says.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from html import escape, unescape
from itertools import count, groupby
from pathlib import Path

from markdown import Markdown
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from livedocs.errors import DocsError, DocsErrors
from livedocs.pages import Embed, Page
from livedocs.project import Project, load_project
from livedocs.records import RecordedCell, Records
from livedocs.snippets import ID, Snippet

SOURCE = Path("talk/slides.md")
"""Where the slides are written, relative to the project's root."""

TARGET = Path("docs/talk/index.html")
"""What is made of them."""

EMBEDS = {
    "figure": (),
    "output": ("from", "to"),
    "code": ("from", "to"),
    "sound": (),
    "number": ("label",),
    "diagram": ("from", "to", "profile"),
}
"""The embeds of a slide, and the options that each may have."""

OPTIONS = ("page", "columns", "look")
"""The options of a slide."""

_PROSE = 120
"""Longer lines of an output are text, which is broken; shorter ones are columns, which are not."""

_LETTERS = 96
"""So many letters of broken text go into a line of a whole slide."""

LOOKS = ("title", "part")
"""Slides that look unlike the others: the first one, and those that open a part."""

_PART = re.compile(r"^# (?P<name>.+?)\s*$")
_SLIDE = re.compile(rf"^## (?P<title>.+?)\s*\{{#(?P<id>{ID})\}}\s*$")
_OPTION = re.compile(r"^(?P<key>[a-z]+):\s*(?P<value>.*?)\s*$")
_EMBED = re.compile(r"^@(?P<command>[a-z]+)\s+(?P<target>\S+)(?:\s+(?P<rest>.+?))?\s*$")
_CELL = re.compile(rf"^[a-z0-9_-]+/{ID}$")
_VALUE = re.compile(rf"\{{(?P<target>[a-z0-9_-]+/{ID}):\s*(?P<pattern>[^{{}}]+)\}}")
_HEADING = re.compile(r"^#{1,6}\s+(?P<text>.+?)\s*\{#(?P<id>[^}\s]+)\}\s*$", re.MULTILINE)
_FULL_SIZE = re.compile(r"\s*# full size: .*$")
_BLOCK = re.compile(r'href="#(?P<id>[^"]+)">\s*<rect[^>]*? y="(?P<y>[\d.]+)"[^>]*? height="(?P<height>[\d.]+)"')


@dataclass(frozen=True)
class Part:
    """One thing in a column of a slide: an embed, or words where `command` is empty."""

    command: str
    target: str
    line: int
    rest: str = ""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Slide:
    """A slide as it stands in the source."""

    id: str
    title: str
    section: str
    line: int
    options: dict[str, str]
    columns: list[list[Part]]
    notes: str
    notes_line: int


class Talk:
    """The source of the talk, read and checked by itself.

    Args:
        path: The file.
        root: Errors name the file relative to this folder.

    Raises:
        DocsErrors: All lines that are malformed, and slides without a page or without notes.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.file = path.relative_to(root)
        self.lines = path.read_text("utf-8-sig").split("\n")
        self.title = ""
        self.description = ""
        self.slides: list[Slide] = []
        self.errors: list[DocsError] = []
        self._read()
        if self.errors:
            raise DocsErrors(self.errors)

    def _fail(self, message: str, line: int) -> None:
        self.errors.append(DocsError(message, file=self.file, line=line))

    def _read(self) -> None:
        index, section = self._front_matter(), ""
        if not self.title or not self.description:
            self._fail("the talk needs `title: …` and `description: …` between two lines `---` at its head", 1)
        while index < len(self.lines):
            line = self.lines[index]
            if part := _PART.match(line):
                section = part["name"]
            elif line.startswith("## "):
                index = self._slide(index, section)
                continue
            elif line.strip():
                self._fail("this line stands before the first slide; begin one with `## Title {#id}`", index + 1)
            index += 1
        seen: dict[str, int] = {}
        for slide in self.slides:
            if slide.id in seen:
                self._fail(
                    f"slide '{slide.id}' exists already, on line {seen[slide.id]}; give one another id", slide.line
                )
            seen.setdefault(slide.id, slide.line)
        if not self.slides and not self.errors:
            self._fail("the talk has no slide; begin one with `## Title {#id}`", len(self.lines))

    def _front_matter(self) -> int:
        if self.lines[0] != "---" or "---" not in self.lines[1:]:
            return 0
        end = self.lines.index("---", 1)
        values = {match["key"]: match["value"] for line in self.lines[1:end] if (match := _OPTION.match(line))}
        self.title, self.description = values.get("title", ""), values.get("description", "")
        return end + 1

    def _slide(self, index: int, section: str) -> int:
        """Read the slide whose heading stands at `index`; returns where the next one starts."""
        head, first = _SLIDE.match(self.lines[index]), index + 1
        if not head:
            self._fail("a slide begins with `## Title {#id}`, the id of small letters, digits and hyphens", first)
        index += 1
        end = next((i for i in range(index, len(self.lines)) if re.match(r"^##? ", self.lines[i])), len(self.lines))
        options: dict[str, str] = {}
        while index < end and (option := _OPTION.match(self.lines[index])) and option["key"] != "notes":
            if option["key"] not in OPTIONS or not option["value"]:
                known = ", ".join(OPTIONS)
                self._fail(f"unknown or empty option '{option['key']}' of a slide; known: {known}", index + 1)
            options[option["key"]] = option["value"]
            index += 1
        notes_at = next((i for i in range(index, end) if self.lines[i].rstrip() == "notes:"), end)
        columns = self._columns(index, notes_at)
        notes = "\n".join(self.lines[notes_at + 1 : end])
        if not notes.strip():
            self._fail("this slide has no notes; write `notes:` on a line, and below it what the speaker says", first)
        if "page" not in options:
            self._fail("this slide links no page; write `page: name.md#section` below its title", first)
        if "columns" in options and not re.fullmatch(r"\d+(\s+\d+)*", options["columns"]):
            self._fail("the widths of columns are numbers, as in `columns: 2 3`", first)
        elif "columns" in options and len(options["columns"].split()) != len(columns):
            self._fail(f"`columns:` gives {len(options['columns'].split())} widths for {len(columns)} columns", first)
        if options.get("look", LOOKS[0]) not in LOOKS:
            self._fail(f"unknown look '{options['look']}'; known: {', '.join(LOOKS)}", first)
        if head:
            title, name = head["title"], head["id"]
            self.slides.append(
                Slide(name, title, section, first, options, columns, notes.strip(), notes_at + 2 + _blank(notes))
            )
        return end

    def _columns(self, index: int, end: int) -> list[list[Part]]:
        columns: list[list[Part]] = [[]]
        words: list[str] = []

        def close(line: int) -> None:
            text = "\n".join(words)
            if text.strip():
                columns[-1].append(Part("", text.strip(), line - len(words) + _blank(text)))
            words.clear()

        while index < end:
            line = self.lines[index]
            if line.startswith("@"):
                close(index + 1)
                part, index = self._embed(index, end)
                if part:
                    columns[-1].append(part)
                continue
            if line.strip() == "|||":
                close(index + 1)
                columns.append([])
            else:
                words.append(line)
            index += 1
        close(end + 1)
        return columns

    def _embed(self, index: int, end: int) -> tuple[Part | None, int]:
        line, match = index + 1, _EMBED.match(self.lines[index])
        command = match["command"] if match else ""
        if not match or command not in EMBEDS:
            known = ", ".join(f"@{name}" for name in EMBEDS)
            self._fail(f"unknown or malformed embed '{self.lines[index].strip()}'; known: {known}", line)
        elif command != "diagram" and not _CELL.match(match["target"]):
            self._fail(f"malformed '@{command} {match['target']}'; write `@{command} snippet/cell`", line)
        elif command == "number" and not match["rest"]:
            self._fail("'@number' needs a pattern with a group, as in `@number vit/held-out accuracy (\\S+)`", line)
        options: dict[str, str] = {}
        index += 1
        while index < end and self.lines[index].startswith("    ") and self.lines[index].strip():
            option = _OPTION.match(self.lines[index].strip())
            if not option or option["key"] not in EMBEDS.get(command, (*OPTIONS, "from", "to", "label", "profile")):
                known = ", ".join(EMBEDS.get(command, ())) or "none"
                self._fail(f"'{self.lines[index].strip()}' is no option of '@{command}'; known: {known}", index + 1)
            else:
                options[option["key"]] = option["value"]
            index += 1
        if not match:
            return None, index
        return Part(command, match["target"], line, match["rest"] or "", options), index


def _blank(text: str) -> int:
    """How many empty lines stand before a text."""
    return text[: len(text) - len(text.lstrip())].count("\n")


class _Renderer:
    """Writes the HTML of a talk."""

    def __init__(self, project: Project, talk: Talk) -> None:
        self.project = project
        self.records = Records(project.outputs, project.root)
        self.talk = talk
        self.markdown = Markdown(extensions=["tables"])
        self.diagrams = count(1)
        self.placed: dict[str, int] = {}
        self.home_diagrams = {
            embed.target: page for page in project.pages.values() for embed in page.embeds if embed.command == "diagram"
        }

    def deck(self) -> str:
        """The whole file.

        Raises:
            DocsErrors: Each slide's first mistake.
        """
        errors: list[DocsError] = []
        parts = []
        for _, group in groupby(self.talk.slides, lambda slide: slide.section):
            slides = []
            for slide in group:
                try:
                    slides.append(self.slide(slide))
                except DocsError as error:
                    errors.append(error)
            parts.append("<section>\n" + "\n".join(slides) + "\n</section>")
        if errors:
            raise DocsErrors(errors)
        return _DECK.format(
            title=escape(self.talk.title),
            description=escape(self.talk.description, quote=True),
            slides="\n".join(parts),
        )

    def error(self, message: str, line: int) -> DocsError:
        return DocsError(message, file=self.talk.file, line=line)

    # -- a slide -------------------------------------------------------------------------------------------------------

    def slide(self, slide: Slide) -> str:
        page, link = self.link(slide)
        self.check_home(slide, page)
        look = slide.options.get("look", "")
        heading = "h1" if look == "title" else "h2"
        columns = []
        for parts in slide.columns:
            body = "".join(self.part(part) for part in parts)
            columns.append(
                f'<div class="column" style="--lines: {_lines(parts, body, len(slide.columns))}">{body}</div>'
            )
        widths = slide.options.get("columns", " ".join("1" for _ in columns)).split()
        style = " ".join(f"minmax(0, {width}fr)" for width in widths)
        section = f'<p class="section">{escape(slide.section)}</p>' if slide.section else ""
        return (
            f'<section id="{slide.id}">\n<div class="slide{f" slide--{look}" if look else ""}">\n'
            f"<header>{section}<{heading}>{self.inline(slide.title, slide.line)}</{heading}></header>\n"
            f'<div class="body" style="--columns: {style}">\n{"".join(columns)}\n</div>\n'
            f"<footer>{link}</footer>\n</div>\n"
            f'<aside class="notes" role="note" aria-label="Notes">{self.words(slide.notes, slide.notes_line)}</aside>\n'
            "</section>"
        )

    def link(self, slide: Slide) -> tuple[Page, str]:
        """The page of a slide, and the link to it, with the titles that page and section have there."""
        name, _, anchor = slide.options["page"].partition("#")
        path = self.project.docs / name
        if path not in self.project.pages:
            raise self.error(f"there is no page docs/{name}; write `page: name.md#section`", slide.line)
        page = self.project.pages[path]
        title = next((line[2:] for line in page.lines if line.startswith("# ")), name)
        headings = {match["id"]: match["text"] for match in _HEADING.finditer(page.text)}
        words = f"<b>{self.plain(title)}</b>"
        if anchor:
            if anchor not in headings:
                raise self.error(
                    f"docs/{name} has no section '{anchor}'; its sections: {', '.join(headings)}", slide.line
                )
            words += f" {self.plain(headings[anchor])}"
        url = Path(name).with_suffix(".html").as_posix() + (f"#{anchor}" if anchor else "")
        return page, f'<a href="../{escape(url, quote=True)}">{words}</a>'

    def check_home(self, slide: Slide, page: Page) -> None:
        """What a slide shows must stand on the page that it links."""
        embeds = [part for column in slide.columns for part in column if part.command]
        if not embeds:
            raise self.error("this slide shows nothing of its page; embed a figure, an output or a diagram", slide.line)
        homes = [
            self.home_diagrams.get(part.target)
            if part.command == "diagram"
            else self.project.homes.get((part.target.split("/")[0], part.target.split("/")[1]))
            for part in embeds
        ]
        for part, home in zip(embeds, homes, strict=True):
            if home is not None and home is not page:
                raise self.error(f"'{part.target}' stands on {home.file}, and the slide links {page.file}", part.line)

    def plain(self, text: str) -> str:
        """A heading of a page without its marks."""
        return escape(re.sub(r"[`*]|\]\([^)]*\)|\[(?!CLS|SEP|MASK)", "", text))

    # -- words ---------------------------------------------------------------------------------------------------------

    def words(self, text: str, line: int) -> str:
        self.markdown.reset()
        html: str = self.markdown.convert(self.with_values(text, line))
        return html

    def inline(self, text: str, line: int) -> str:
        return re.sub(r"^<p>(.*)</p>$", r"\1", self.words(text, line), flags=re.DOTALL)

    def with_values(self, text: str, line: int) -> str:
        """Put what was recorded in the place of `{snippet/cell: pattern}`."""

        def value(match: re.Match[str]) -> str:
            place = line + text[: match.start()].count("\n")
            return self.value(match["target"], match["pattern"].strip(), place)

        return _VALUE.sub(value, text)

    def value(self, target: str, pattern: str, line: int) -> str:
        _, _, recorded = self.cell(target, line)
        try:
            found = re.search(pattern, recorded.text, re.MULTILINE)
        except re.error as error:
            raise self.error(f"'{pattern}' is no pattern: {error}", line) from None
        if not found or found.re.groups != 1 or found[1] is None:
            raise self.error(
                f"'{pattern}' must have one group and match what cell '{target}' printed:\n{recorded.text.rstrip()}",
                line,
            )
        return found[1]

    # -- embeds --------------------------------------------------------------------------------------------------------

    def part(self, part: Part) -> str:
        if not part.command:
            return f'<div class="words">{self.words(part.target, part.line)}</div>'
        methods = {
            "figure": self.figure,
            "output": self.output,
            "code": self.code,
            "sound": self.sound,
            "number": self.number,
            "diagram": self.diagram,
        }
        return methods[part.command](part)

    def cell(self, target: str, line: int) -> tuple[Snippet, str, RecordedCell]:
        """A recorded cell: its snippet, its name, its record."""
        name, _, cell = target.partition("/")
        if name not in self.project.snippets:
            known = ", ".join(self.project.snippets) or "none"
            raise self.error(f"there is no snippets/{name}.py; known snippets: {known}", line)
        snippet = self.project.snippets[name]
        if not snippet.has_cell(cell):
            known = ", ".join(one.name for one in snippet.cells)
            raise self.error(f"{snippet.file} has no cell '{cell}'; its cells: {known}", line)
        return snippet, cell, self.records.cell(snippet, snippet.cell(cell))

    def alt(self, part: Part, index: int) -> str:
        """How the page describes the figure or sound of a cell."""
        name, _, cell = part.target.partition("/")
        home = self.project.homes.get((name, cell))
        embeds: list[Embed] = [one for one in home.cells if one.target == part.target] if home else []
        if not embeds or len(embeds[0].alts) <= index:
            raise self.error(f"no page describes what '{part.target}' shows; write an `alt:` line there", part.line)
        return escape(embeds[0].alts[index], quote=True)

    def chosen(self, part: Part, files: int, kind: str) -> int:
        number = int(part.rest) if part.rest.isdigit() else 1 if not part.rest else 0
        if not 1 <= number <= files:
            raise self.error(f"cell '{part.target}' has {files} {kind}(s) and none '{part.rest or 1}'", part.line)
        return number - 1

    def figure(self, part: Part) -> str:
        snippet, _, recorded = self.cell(part.target, part.line)
        index = self.chosen(part, len(recorded.figures), "figure")
        file = self.records.folder(snippet) / recorded.figures[index].file
        if str(file) in self.placed:
            raise self.error(
                f"this figure stands on a slide already, at line {self.placed[str(file)]}; show it once", part.line
            )
        self.placed[str(file)] = part.line
        alt = self.alt(part, index)
        if file.suffix == ".svg":
            picture = _inlined(file.read_text("utf-8"), f'role="img" aria-label="{alt}"')
        else:
            picture = f'<img src="{self.url(file)}" alt="{alt}">'
        return f'<figure class="figure">{picture}</figure>'

    def sound(self, part: Part) -> str:
        snippet, _, recorded = self.cell(part.target, part.line)
        index = self.chosen(part, len(recorded.audio), "sound")
        label = self.alt(part, len(recorded.figures) + index)
        url = self.url(self.records.folder(snippet) / recorded.audio[index].file)
        return f'<audio controls preload="none" src="{url}" aria-label="{label}"></audio>'

    def url(self, file: Path) -> str:
        return "../" + file.relative_to(self.project.docs).as_posix()

    def output(self, part: Part) -> str:
        _, _, recorded = self.cell(part.target, part.line)
        lines = self.excerpt(part, recorded.text.rstrip().split("\n"))
        if not any(lines):
            raise self.error(f"cell '{part.target}' printed nothing", part.line)
        return _block("output", escape("\n".join(lines)), lines)

    def code(self, part: Part) -> str:
        snippet, name, _ = self.cell(part.target, part.line)
        cell = snippet.cell(name)
        proofs = {
            line - cell.source_line
            for claim in snippet.cell_claims(name)
            for line in range(claim.line, claim.end_line + 1)
        }
        lines = [_FULL_SIZE.sub("", line) for i, line in enumerate(cell.source.split("\n")) if i not in proofs]
        lines = "\n".join(self.excerpt(part, lines)).strip("\n").split("\n")
        html = highlight("\n".join(lines), PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n")
        return _block("code", html, lines)

    def excerpt(self, part: Part, lines: list[str]) -> list[str]:
        """The lines between the words that `from` and `to` name."""
        first, last = 0, len(lines) - 1
        for key in ("from", "to"):
            if words := part.options.get(key):
                places = [i for i, line in enumerate(lines) if words in line and i >= first]
                if not places:
                    raise self.error(f"no line of '{part.target}' holds '{words}'", part.line)
                first, last = (places[0], last) if key == "from" else (first, places[0])
        return lines[first : last + 1]

    def number(self, part: Part) -> str:
        value = self.value(part.target, part.rest, part.line)
        label = self.inline(part.options.get("label", ""), part.line)
        return f'<p class="number"><strong>{escape(value)}</strong> {label}</p>'

    def diagram(self, part: Part) -> str:
        profile = part.options.get("profile", "compact")
        file = self.records.outputs / "diagrams" / part.target / f"{profile}.svg"
        if not file.exists():
            raise self.error(f"there is no recorded diagram '{part.target}' ({profile})", part.line)
        drawings = re.findall(r"<svg\b.*?</svg>", file.read_text("utf-8"), re.DOTALL)
        svg = drawings[-1]  # the narrow one, where there are two
        mark = f"-talk-{next(self.diagrams)}"
        svg = svg.replace(f"ld-{part.target}-{profile}", f"ld-{part.target}-{profile}{mark}")
        home = self.home_diagrams[part.target]
        page = f"../{home.path.relative_to(self.project.docs).with_suffix('.html').as_posix()}"
        if "from" in part.options or "to" in part.options:
            svg = self.cropped(svg, part)
        svg = re.sub(r'href="#(?!ld-)', f'href="{page}#', svg)
        return f'<figure class="figure figure--diagram">{_inlined(svg, "")}</figure>'

    def cropped(self, svg: str, part: Part) -> str:
        """The part of a diagram from one block to another."""
        blocks = list(_BLOCK.finditer(svg))
        names = list(dict.fromkeys(block["id"] for block in blocks))
        for key in ("from", "to"):
            if part.options.get(key, names[0]) not in names:
                raise self.error(
                    f"no block of this diagram leads to '{part.options[key]}'; {', '.join(names)}", part.line
                )
        first, last = part.options.get("from", names[0]), part.options.get("to", names[-1])
        top = min(float(block["y"]) for block in blocks if block["id"] == first) - 4
        end = max(float(block["y"]) + float(block["height"]) for block in blocks if block["id"] == last) + 4
        width = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ', svg)
        if end <= top or not width:
            raise self.error(f"'{last}' stands above '{first}' in this diagram", part.line)
        return re.sub(r'viewBox="[^"]*"', f'viewBox="0 {top:g} {width[1]} {end - top:g}"', svg, count=1)


def _inlined(svg: str, attributes: str) -> str:
    """An SVG that takes the size which its slide has for it."""
    head, _, rest = svg.partition(">")
    head = re.sub(r'\s(?:width|height|style)="[^"]*"', "", head)
    head = head.replace("<svg", f"<svg {attributes}" if attributes else "<svg", 1)
    return re.sub(r"\n\s*", "\n", f"{head}>{rest}").strip()


def _block(kind: str, html: str, lines: list[str]) -> str:
    """Code or output, with the length of its longest line, by which the style sheet finds the largest letters that fit."""
    letters = max(len(line) for line in lines)
    if kind == "output" and letters > _PROSE:
        kind = "output prose"
    return f'<pre class="{kind}" tabindex="0" style="--letters: {letters}"><code>{html}</code></pre>'


def _lines(parts: list[Part], body: str, columns: int) -> float:
    """About how many lines of code a column must hold, words and figures counted as so many of them."""
    lines = 0.0
    for kind, text in re.findall(r'<pre class="([^"]*)"[^>]*><code>(.*?)</code></pre>', body, re.DOTALL):
        rows = unescape(re.sub(r"<[^>]+>", "", text)).split("\n")
        wide = _LETTERS / columns if "prose" in kind else _PROSE
        lines += sum(max(1, math.ceil(len(row) / wide)) for row in rows) + 1.5
    words = sum(
        1.6 * len(re.findall(r"^(?:[-*] |\d\. |\S)", part.target, re.MULTILINE)) for part in parts if not part.command
    )
    figures = sum(8 for part in parts if part.command in {"figure", "diagram"})
    numbers = sum(4 for part in parts if part.command == "number")
    return round(lines + words + figures + numbers, 1)


_DECK = """\
<!doctype html>
<!-- Written by `python -m livedocs talk` from talk/slides.md and the records of the pages. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: the talk</title>
<meta name="description" content="{description}">
<link rel="icon" href="../assets/favicon.svg">
<link rel="stylesheet" href="../assets/reveal/reveal.css">
<link rel="stylesheet" href="../assets/stylesheets/palette.css">
<link rel="stylesheet" href="../assets/stylesheets/talk.css">
</head>
<body>
<main>
<div class="deck">
<div class="slides">
{slides}
</div>
</div>
</main>
<script src="../assets/reveal/reveal.js"></script>
<script src="../assets/reveal/notes.js"></script>
<script src="../assets/javascripts/talk.js"></script>
</body>
</html>
"""


def render(root: Path) -> str | None:
    """The talk as HTML, or None where the project has no talk.

    Raises:
        DocsError: Something in the source is malformed, or names what does not exist.
    """
    source = root / SOURCE
    if not source.exists():
        return None
    return _Renderer(load_project(root), Talk(source, root)).deck()


def check(root: Path) -> int:
    """Hold the written talk against its source and the records.

    Returns:
        The number of its slides; 0 where there is no talk.

    Raises:
        DocsError: It is missing or stale, or its source has mistakes.
    """
    html = render(root)
    if html is None:
        return 0
    target = root / TARGET
    if not target.exists() or target.read_text("utf-8") != html:
        raise DocsError("missing or stale; run `make talk`", file=TARGET)
    return html.count("<section id=")


def write(root: Path) -> int:
    """Write the talk, all of it or nothing.

    Returns:
        The number of its slides.

    Raises:
        DocsError: There is no talk, or its source has mistakes.
    """
    html = render(root)
    if html is None:
        raise DocsError(f"there is no {SOURCE}")
    target = root / TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    new.write_text(html, "utf-8")
    new.replace(target)
    return html.count("<section id=")
