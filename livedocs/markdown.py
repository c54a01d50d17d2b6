"""The Python-Markdown extension: embeds, claim links, citations and terms of a page become HTML.

It is an extension and not a MkDocs plugin, so that every builder that runs Python-Markdown extensions can build the
site. In `mkdocs.yml` it stands as `livedocs.markdown`.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.extensions.footnotes import NBSP_PLACEHOLDER
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor

from livedocs import cards, catalogue, colophon, references
from livedocs.errors import DocsError
from livedocs.html import Renderer
from livedocs.pages import COMMANDS, Page
from livedocs.project import Project, load_project
from livedocs.records import Records

_EMBED = re.compile(rf"^@({'|'.join(COMMANDS)})\b")


class LivedocsExtension(Extension):
    """Registers the processors.

    Config:
        root: The project's root; by default the folder in which the builder was started.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.config = {"root": [".", "The project's root"]}
        super().__init__(**kwargs)

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Python-Markdown's name
        """Register with a Markdown instance, which converts one page."""
        state = _PageState(md, Path(self.getConfig("root")).resolve())
        # After fences were taken out (25), so that examples in them stay examples; before raw HTML is looked for (20).
        md.preprocessors.register(_Embeds(md, state), "livedocs", 23)
        # After inline links exist (20), before the builder turns links to files into links to pages (0).
        md.treeprocessors.register(_ClaimLinks(md, state), "livedocs-claims", 15)
        md.treeprocessors.register(_CardLinks(md, state), "livedocs-cards", 14.5)
        # Behind the claims, so that words which are links by then are left alone.
        md.treeprocessors.register(_Citations(md, state), "livedocs-citations", 14)
        md.treeprocessors.register(_Terms(md, state), "livedocs-terms", 13)
        md.treeprocessors.register(_Names(md, state), "livedocs-names", 12)
        md.treeprocessors.register(_Colophon(md, state), "livedocs-colophon", 11)


class _PageState:
    """What the processors know of the page that is being converted."""

    def __init__(self, md: Markdown, root: Path) -> None:
        self.md = md
        self.root = root
        self.anchors: set[str] = set()

    @cached_property
    def project(self) -> Project:
        """The project as it is when this page is converted; looked at once, since looking takes time."""
        return load_project(self.root)

    def address(self, target: Path, page: Page) -> str:
        """A file of the pages' folder as a page links it."""
        return Path(os.path.relpath(target, page.path.parent)).as_posix()

    def page(self) -> Page:
        """The page of this conversion. MkDocs and Zensical each leave its path in another place."""
        for processor in self.md.treeprocessors:
            file = getattr(processor, "file", None)
            if file is not None and hasattr(file, "abs_src_path"):
                return self.project.page_of(Path(file.abs_src_path))
        for processor in self.md.preprocessors:
            page = getattr(processor, "page", None)
            if page is not None and hasattr(page, "path"):
                return self.project.page_of(self.project.docs / page.path)
        raise DocsError("livedocs.markdown cannot tell which page is converted; build with MkDocs or Zensical")

    @property
    def inside_docstring(self) -> bool:
        """Whether mkdocstrings converts a docstring, for which it makes a Markdown instance of its own."""
        return "mkdocstrings_headings" in self.md.treeprocessors

    def page_if_any(self) -> Page | None:
        """The page of this conversion; None where a plugin converts something else, such as a docstring."""
        try:
            return None if self.inside_docstring else self.page()
        except DocsError:
            return None


class _Embeds(Preprocessor):
    def __init__(self, md: Markdown, state: _PageState) -> None:
        super().__init__(md)
        self.state = state

    def run(self, lines: list[str]) -> list[str]:
        if self.state.inside_docstring or not any(_EMBED.match(line) for line in lines):
            return lines
        page = self.state.page()
        project = self.state.project
        renderer = Renderer(project, Records(project.outputs, project.root), page)
        embeds = iter(page.embeds)
        out: list[str] = []
        skip = 0
        for line in lines:
            if skip:
                skip -= 1
                continue
            if not _EMBED.match(line):
                out.append(line)
                continue
            embed = next(embeds, None)
            if embed is None or line.split() != [f"@{embed.command}", *embed.target.split()]:
                raise DocsError(
                    f"Markdown sees an embed '{line}' where livedocs sees none; is the head of a fence above malformed?",
                    file=page.file,
                    line=page.lines.index(line) + 1 if line in page.lines else 1,
                )
            skip = embed.last_line - embed.line
            if embed.command == "include":
                file = project.docs / embed.target
                if not file.exists():
                    raise DocsError(f"there is no docs/{embed.target} to include", file=page.file, line=embed.line)
                out += ["", *file.read_text("utf-8").splitlines(), ""]
            elif embed.command == "references":
                out += references.markdown(project.references, page)
            elif embed.command == "catalogue":
                out += catalogue.markdown(project, page, embed.target)
            else:
                html = renderer.render(embed)
                self.state.anchors.update(re.findall(r'\bid="([^"]+)"', html))
                out += ["", self.md.htmlStash.store(html), ""]
        return out


class _ClaimLinks(Treeprocessor):
    def __init__(self, md: Markdown, state: _PageState) -> None:
        super().__init__(md)
        self.state = state

    def run(self, root: Element) -> None:
        self._tell_anchors()
        links = [link for link in root.iter("a") if link.get("href", "").startswith("claim:")]
        if not links:
            return
        page, project = self.state.page(), self.state.project
        records = Records(project.outputs, project.root)
        for link in links:
            name = link.get("href", "")[len("claim:") :]
            if name not in project.claims:
                line = next((claim.line for claim in page.claims if claim.id == name), 1)
                raise DocsError(
                    f"nothing proves claim '{name}'; label an assertion `# claim: {name}` in a snippet",
                    file=page.file,
                    line=line,
                )
            snippet, claim = project.claims[name]
            home = project.homes.get((snippet.name, claim.cell), page)
            place = "" if home.path == page.path else os.path.relpath(home.path, page.path.parent)
            versions = records.read(snippet).versions
            link.set("href", f"{place}#claim-{name}")
            link.set("class", "ld-claim")
            link.set(
                "title",
                f"Proved in {snippet.file}, line {claim.line}; last passed with transformers "
                f"{versions['transformers']}, torch {versions['torch']}",
            )

    def _tell_anchors(self) -> None:
        """Let MkDocs know the anchors in embeds, so that its strict check of links knows them too."""
        for processor in self.md.preprocessors:
            if isinstance(known := getattr(processor, "present_anchor_ids", None), set):
                known |= self.state.anchors


class _CardLinks(Treeprocessor):
    """Holds numbers against the cards of the checkpoints, and leads to them."""

    def __init__(self, md: Markdown, state: _PageState) -> None:
        super().__init__(md)
        self.state = state

    def run(self, root: Element) -> None:
        links = [link for link in root.iter("a") if link.get("href", "").startswith("card:")]
        if not links:
            return
        page, project = self.state.page(), self.state.project
        for link in links:
            words, target = "".join(link.itertext()), link.get("href", "")[len("card:") :]
            if wrong := cards.mistake(words, target, project.root):
                line = next((card.line for card in page.cards if card.target == target), 1)
                raise DocsError(wrong, file=page.file, line=line)
            name = target.split("/")[0]
            listing = project.docs / cards.PAGE
            link.set("class", "ld-number")
            link.set("title", f"Measured: see the card of {name}")
            if listing in project.pages:
                link.set("href", f"{self.state.address(listing, page)}#{name}")
            else:
                link.tag = "span"
                del link.attrib["href"]


class _Citations(Treeprocessor):
    """Leads from a footnote to its entry in the list of all references."""

    def __init__(self, md: Markdown, state: _PageState) -> None:
        super().__init__(md)
        self.state = state

    def run(self, root: Element) -> None:
        notes = [note for block in root.iter("div") if block.get("class") == "footnote" for note in block.iter("li")]
        listing = self.state.project.references_page
        if not notes or listing is None:
            return
        page, project = self.state.page_if_any(), self.state.project
        if page is None:
            return
        known = {reference.work.url: reference for reference in project.references}
        place = self.state.address(listing.path, page)
        for note in notes:
            for paragraph in note.iter("p"):
                for link in [one for one in paragraph.iter("a") if one.get("href") in known]:
                    reference = known[str(link.get("href"))]
                    others = len({one.page.path for one in reference.citations} - {page.path})
                    words = f"cited on {others} other page{'s' * (others > 1)}" if others else "in the references"
                    more = Element("a", {"class": "ld-ref", "href": f"{place}#{reference.anchor}"})
                    more.text = words
                    _insert_behind(paragraph, more)


class _Terms(Treeprocessor):
    """Marks the first mention of each term of the glossary."""

    def __init__(self, md: Markdown, state: _PageState) -> None:
        super().__init__(md)
        self.state = state

    def run(self, root: Element) -> None:
        glossary = self.state.project.glossary
        if glossary is None:
            return
        page = self.state.page_if_any()
        if page is not None and page.marks_terms and page.path != glossary.page.path:
            glossary.mark(root, page, self.state.address(glossary.page.path, page))


class _Names(Treeprocessor):
    """Leads from the first mention of a class or function of the library to the catalogue of the library."""

    def __init__(self, md: Markdown, state: _PageState) -> None:
        super().__init__(md)
        self.state = state

    def run(self, root: Element) -> None:
        project = self.state.project
        page = self.state.page_if_any()
        if page is None or project.library_page is None or page.path == project.library_page.path:
            return
        shorts: dict[str, list[str]] = {}
        for name, use in catalogue.library(project).items():
            shorts.setdefault(use.definition.short, []).append(name)
        place = self.state.address(project.library_page.path, page)
        self._link(root, {short: f"{place}#{names[0]}" for short, names in shorts.items() if len(names) == 1})

    def _link(self, element: Element, addresses: dict[str, str]) -> None:
        for i, child in enumerate(list(element)):
            if child.tag == "code" and not len(child) and child.text in addresses:
                link = Element("a", {"class": "ld-api", "href": addresses.pop(str(child.text))})
                link.tail, child.tail = child.tail, None
                link.append(child)
                element[i] = link
            elif child.tag not in {"a", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}:
                self._link(child, addresses)


class _Colophon(Treeprocessor):
    """Puts the end of a page below it, footnotes included."""

    def __init__(self, md: Markdown, state: _PageState) -> None:
        super().__init__(md)
        self.state = state

    def run(self, root: Element) -> None:
        project, page = self.state.project, self.state.page_if_any()
        html = "" if page is None else colophon.html(project, Records(project.outputs, project.root), page)
        if html:
            end = Element("p")
            end.text = self.md.htmlStash.store(html)
            root.append(end)


def _insert_behind(paragraph: Element, link: Element) -> None:
    """Put a link at the end of a footnote's paragraph, in front of the way back where there is one."""
    children = list(paragraph)
    back = next((i for i, one in enumerate(children) if one.get("class") == "footnote-backref"), len(children))
    before = children[back - 1]
    text, gap, rest = (before.tail or "").partition(NBSP_PLACEHOLDER)
    before.tail = f"{text.rstrip()} "
    link.tail = gap + rest
    paragraph.insert(back, link)


def makeExtension(**kwargs: Any) -> LivedocsExtension:  # noqa: N802 - Python-Markdown's name
    """The extension, as Python-Markdown looks for it."""
    return LivedocsExtension(**kwargs)
