"""The Python-Markdown extension: embeds and claim links of a page become HTML.

It is an extension and not a MkDocs plugin, so that every builder that runs Python-Markdown extensions can build the
site. In `mkdocs.yml` it stands as `livedocs.markdown`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor

from livedocs.errors import DocsError
from livedocs.html import Renderer
from livedocs.pages import Page
from livedocs.project import Project, load_project
from livedocs.records import Records

_EMBED = re.compile(r"^@(cell|diagram|downloads|include)\b")


class LivedocsExtension(Extension):
    """Registers both processors.

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


class _PageState:
    """What both processors know of the page that is being converted."""

    def __init__(self, md: Markdown, root: Path) -> None:
        self.md = md
        self.root = root
        self.anchors: set[str] = set()

    @property
    def project(self) -> Project:
        return load_project(self.root)

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


class _Embeds(Preprocessor):
    def __init__(self, md: Markdown, state: _PageState) -> None:
        super().__init__(md)
        self.state = state

    def run(self, lines: list[str]) -> list[str]:
        if not any(_EMBED.match(line) for line in lines):
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


def makeExtension(**kwargs: Any) -> LivedocsExtension:  # noqa: N802 - Python-Markdown's name
    """The extension, as Python-Markdown looks for it."""
    return LivedocsExtension(**kwargs)
