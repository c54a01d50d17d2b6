"""Pages: the Markdown files of the site, and what in them belongs to livedocs.

What stands for something else:

    @cell vit/patches               embeds a cell, with its output
        alt: What the figure shows.   one line a figure, for those who cannot see it
        caption: A visible caption.   optional, for the figure above
    @diagram vit                    embeds a measured architecture diagram
    @downloads vit                  links the snippet as a script and as a notebook
    @include outputs/bench.txt       puts in the lines of a file under docs/
    @references                     lists what the footnotes of all pages cite
    @catalogue checkpoints           lists the checkpoints; also `snippets`, and `library` for what they use of transformers
    [196 patches](claim:vit-patches)  links words to the assertion that proves them
    [99.4 %](card:vit-scenes/accuracy)  a number from a checkpoint's card
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from livedocs.errors import DocsError
from livedocs.snippets import ID

COMMANDS = ("cell", "diagram", "downloads", "include", "references", "catalogue")
PYTHON = ("py", "python", "python3")
"""Languages of a fence that the suite runs."""

_LOOKS_LIKE_PYTHON = re.compile(r"i?py", re.IGNORECASE)
_COMMAND = re.compile(r"^(?P<indent>\s*)@(?P<command>[A-Za-z]+)(?:\s+(?P<rest>.*?))?\s*$")
_OPTION = re.compile(r"^(?: {4}|\t)(?P<key>[a-z]+):\s*(?P<value>.*?)\s*$")
_FENCE = re.compile(r"^(?P<indent>[\s>]*)(?P<marks>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
_CLAIM = re.compile(r"\]\(claim:(?P<id>[^)\s]*)(?:\s+\"[^\"]*\")?\)")
_FOOTNOTE = re.compile(r"^\[\^(?P<name>[^\]\s]+)\]:\s*(?P<text>.*)$")
_HEADING = re.compile(r"^# (?P<title>.+?)\s*(?:\{[^}]*\})?\s*$")
_CARD = re.compile(r"\[(?P<words>[^\[\]]*)\]\(card:(?P<target>[^)\s]*)\)")
_LINK_OUT = re.compile(r"(?:\]\(|<|href=\")(?P<url>https?://[^)\s\">]+)")
_CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")


@dataclass(frozen=True)
class Embed:
    """One line `@command target` of a page, with its indented options.

    Attributes:
        command: One of `COMMANDS`.
        target: What is embedded, such as `vit/patches`.
        line: Its line in the page, counted from 1.
        last_line: The last line of its options.
        alts: Descriptions of the figures, in order.
        captions: Visible captions, by the index of the figure.
    """

    command: str
    target: str
    line: int
    last_line: int
    alts: tuple[str, ...] = ()
    captions: dict[int, str] = field(default_factory=dict)

    @property
    def snippet(self) -> str:
        """The snippet's name."""
        return self.target.split("/")[0]

    @property
    def cell(self) -> str:
        """The cell's name, of `@cell` only."""
        return self.target.split("/", 1)[1]


@dataclass(frozen=True)
class Fence:
    """A fenced code block that stands literally in the page."""

    language: str
    options: tuple[str, ...]
    source: str
    line: int
    indent: int

    @property
    def python(self) -> bool:
        """Whether a reader sees Python, and the suite must run it."""
        return self.language in PYTHON


@dataclass(frozen=True)
class ClaimLink:
    """Words of a page that link to the assertion that proves them."""

    id: str
    line: int


@dataclass(frozen=True)
class CardLink:
    """A number of a page that comes from a checkpoint's card."""

    words: str
    target: str
    line: int


@dataclass(frozen=True)
class LinkOut:
    """A link of a page to another host."""

    url: str
    line: int


@dataclass(frozen=True)
class Footnote:
    """A footnote's text, such as a citation.

    Attributes:
        name: What stands between `[^` and `]`.
        paragraphs: Its text, one line for each paragraph.
        line: Where it begins.
    """

    name: str
    paragraphs: tuple[str, ...]
    line: int


class Page:
    """A Markdown page, read and checked by itself.

    Args:
        path: The file.
        text: Its text, where it was read already.
        root: Errors name the file relative to this folder.

    Raises:
        DocsError: An unknown or malformed embed, an embed that is indented, or a Python fence that the suite would
            not collect (inside an admonition, a tab or a list, or marked `notest`).
    """

    def __init__(self, path: Path, text: str | None = None, *, root: Path | None = None) -> None:
        self.path = path
        self.file = path.relative_to(root) if root and path.is_relative_to(root) else path
        self.text = path.read_text("utf-8-sig") if text is None else text
        self.lines = self.text.split("\n")
        self.embeds: list[Embed] = []
        self.fences: list[Fence] = []
        self.claims: list[ClaimLink] = []
        self.cards: list[CardLink] = []
        self.links_out: list[LinkOut] = []
        self.footnotes: list[Footnote] = []
        self.title = path.stem
        self._read()

    @property
    def runs_nothing(self) -> bool:
        """Whether the front matter says `cells: none`: a page of words alone, and meant to be."""
        return "cells: none" in self.lines[: self._front_matter()]

    @property
    def marks_terms(self) -> bool:
        """Whether words of the glossary are marked here; `terms: none` in the front matter says no."""
        return "terms: none" not in self.lines[: self._front_matter()]

    @property
    def cells(self) -> list[Embed]:
        """The embeds of cells."""
        return [embed for embed in self.embeds if embed.command == "cell"]

    def _error(self, message: str, line: int) -> DocsError:
        return DocsError(message, file=self.file, line=line)

    def _read(self) -> None:
        index = self._front_matter()
        while index < len(self.lines):
            line = self.lines[index]
            if line.lstrip().startswith("<!--"):
                index = self._skip_comment(index)
            elif fence := _FENCE.match(line):
                index = self._read_fence(index, fence)
            elif (match := _COMMAND.match(line)) and (match["command"] in COMMANDS or match["rest"]):
                index = self._read_embed(index, match)
            else:
                if footnote := _FOOTNOTE.match(line):
                    self.footnotes.append(self._footnote(index, footnote))
                elif heading := _HEADING.match(line):
                    self.title = heading["title"]
                words = _CODE_SPAN.sub("", line)
                for link in _CLAIM.finditer(words):
                    if not re.fullmatch(ID, link["id"]):
                        raise self._error(f"malformed claim link 'claim:{link['id']}'; write claim:some-id", index + 1)
                    self.claims.append(ClaimLink(link["id"], index + 1))
                for card in _CARD.finditer(words):
                    self.cards.append(CardLink(card["words"], card["target"], index + 1))
                for link in _LINK_OUT.finditer(words):
                    self.links_out.append(LinkOut(link["url"], index + 1))
                index += 1

    def _footnote(self, index: int, match: re.Match[str]) -> Footnote:
        """A footnote goes on in indented lines; blank lines between them part its paragraphs."""
        paragraphs = [[match["text"]]]
        for following in self.lines[index + 1 :]:
            if following.startswith("    ") and following.strip():
                paragraphs[-1].append(following.strip())
            elif following.strip():
                break
            else:
                paragraphs.append([])
        texts = tuple(" ".join(part).strip() for part in paragraphs if part)
        return Footnote(match["name"], texts, index + 1)

    def _skip_comment(self, index: int) -> int:
        """What stands in an HTML comment is not shown, so nothing in it runs or links."""
        while index < len(self.lines):
            if (match := _COMMAND.match(self.lines[index])) and match["command"] in COMMANDS:
                raise self._error(f"'@{match['command']}' in a comment is not shown; delete it", index + 1)
            index += 1
            if "-->" in self.lines[index - 1]:
                break
        return index

    def _front_matter(self) -> int:
        if self.lines and self.lines[0] == "---" and "---" in self.lines[1:]:
            return self.lines.index("---", 1) + 1
        return 0

    def _read_fence(self, index: int, opening: re.Match[str]) -> int:
        marks = opening["marks"]
        closing = re.compile(rf"^[\s>]*{re.escape(marks[0])}{{{len(marks)},}}\s*$")
        end = index + 1
        while end < len(self.lines) and not closing.match(self.lines[end]):
            end += 1
        if end == len(self.lines):
            raise self._error("this fence is never closed", index + 1)
        words = opening["info"].replace("{", " ").replace("}", " ").split()
        language = words[0].lstrip(".") if words else ""
        source = "\n".join(self.lines[index + 1 : end]) + "\n"
        fence = Fence(language, tuple(words[1:]), source, index + 1, len(opening["indent"]))
        hidden = (
            fence.indent or "notest" in fence.options or opening["info"].strip().startswith("{") or not fence.python
        )
        if _LOOKS_LIKE_PYTHON.match(language) and hidden:
            raise self._error(
                "the page shows this Python fence and the suite does not collect it; move it out of the admonition, tab, "
                "list or quotation, write ```python without braces or `notest`, or embed a cell",
                index + 1,
            )
        self.fences.append(fence)
        return end + 1

    def _read_embed(self, index: int, match: re.Match[str]) -> int:
        line, command, target = index + 1, match["command"], match["rest"] or ""
        if command not in COMMANDS:
            known = ", ".join(f"@{name}" for name in COMMANDS)
            raise self._error(f"unknown embed '@{command}'; known: {known}", line)
        if match["indent"]:
            raise self._error(f"'@{command}' must start in the first column; an indented one is not embedded", line)
        if command == "cell" and not re.fullmatch(rf"[a-z0-9_-]+/{ID}", target):
            raise self._error(f"malformed '@cell {target}'; write `@cell snippet/cell`", line)
        if command == "references":
            if target:
                raise self._error("'@references' lists all pages' citations; it takes no name", line)
        elif not target:
            raise self._error(f"'@{command}' needs a name, as in `@{command} vit`", line)
        alts: list[str] = []
        captions: dict[int, str] = {}
        index += 1
        while index < len(self.lines) and (option := _OPTION.match(self.lines[index])):
            key, value = option["key"], option["value"]
            index += 1
            while index < len(self.lines) and re.match(r"^(?: {8}|\t\t)\S", self.lines[index]):
                value += " " + self.lines[index].strip()
                index += 1
            if key == "alt" and value:
                alts.append(value)
            elif key == "caption" and alts:
                captions[len(alts) - 1] = value
            else:
                raise self._error(f"malformed option '{key}: {value}'; known: alt, then caption", index)
        if index < len(self.lines) and self.lines[index].startswith("    ") and self.lines[index].strip():
            raise self._error("this line belongs to no embed option; write `    alt: …` or `    caption: …`", index + 1)
        self.embeds.append(Embed(command, target, line, index, tuple(alts), captions))
        return index
