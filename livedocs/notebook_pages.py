"""Notebooks as pages: a hook for MkDocs that gives what mkdocs-jupyter renders the look of the site.

mkdocs-jupyter makes a page of a notebook with the style sheets and scripts of JupyterLab, half a megabyte of them, some from
other hosts. Its template is replaced by one that calls `render` below: the same HTML as for the cells of all other pages, and
the site's own Markdown. In `mkdocs.yml` this module stands under `hooks`. A builder without hooks and plugins leaves
notebooks as files to download.
"""

from __future__ import annotations

import os
import posixpath
import re
from html import escape
from pathlib import Path
from typing import Any

import markdown
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import get_toc
from mkdocs.utils.meta import get_data

from livedocs.errors import DocsError
from livedocs.guides import Guides, description
from livedocs.html import cell_room, code_block, output_block, text_block
from livedocs.pictures import framed, with_files
from livedocs.snippets import Snippet

_PLACE = "livedocs-cell-{}-here"
_config: MkDocsConfig | None = None
_rendered: tuple[str, list[Any]] = ("", [])
"""The notebook that was rendered last, and its headings. nbconvert would parse and rewrite what the template gives it."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put our template in the place of mkdocs-jupyter's."""
    global _config
    from mkdocs_jupyter.config import settings
    from nbconvert.exporters.templateexporter import default_filters

    _config = config
    settings.templates_dir = str(Path(__file__).with_name("templates"))
    default_filters["site_notebook"] = render
    return config


def render(book: Any) -> str:
    """Make the HTML of a notebook, and keep it for `on_page_content`. Called by the template.

    Args:
        book: The notebook, as nbformat reads it.

    Returns:
        Nothing to show yet.
    """
    global _rendered
    assert _config is not None
    root = Path(_config.config_file_path).parent
    about = book.metadata.get("livedocs", {})
    texts, cells = [], {}
    for i, cell in enumerate(book.cells):
        name = cell.metadata.get("name")
        if name == "find-data":  # the links to download stand in its place
            continue
        if name == "where":
            cells[i] = _downloads(about.get("guide", ""), root)
        elif cell.cell_type == "code":
            cells[i] = _cell(cell, about, Guides(root).outputs)
        texts.append(_PLACE.format(i) if i in cells else cell.source)
    # The title comes first, and what to download below it.
    if "where" in {cell.metadata.get("name") for cell in book.cells[:1]} and len(texts) > 1:
        texts[:2] = [_below_title(texts[1], texts[0])]
    md = markdown.Markdown(extensions=_config.markdown_extensions, extension_configs=_config.mdx_configs or {})
    html = md.convert("\n\n".join(texts))
    for i, content in cells.items():
        html = html.replace(f"<p>{_PLACE.format(i)}</p>", content)
    html = re.sub(r'<a href="(#claim-[^"]+)"', r'<a class="ld-claim" href="\1"', html)
    _rendered = html, getattr(md, "toc_tokens", [])
    return ""


def _tags(guide: Snippet, root: Path) -> list[str]:
    """Words by which the search finds a guide: those of the page that explains its model, the first that it links to."""
    explained = re.search(r"\]\(\.\./([\w-]+\.md)\)", "\n".join(line for _, line in guide.prose))
    if explained is None or not (page := root / "docs" / explained[1]).is_file():
        return []
    _, front_matter = get_data(page.read_text("utf-8"))
    return [*front_matter.get("tags", []), "fine-tuning"]


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show the notebook that was rendered, without what mkdocs-jupyter adds, and lead links to where pages are built."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    html, toc_tokens = _rendered
    page.toc = get_toc(toc_tokens)
    root = Path(config.config_file_path).parent
    guides = Guides(root)
    for guide in map(guides.read, guides.names()):
        if guides.page(guide) == Path(page.file.abs_src_path or ""):
            page.meta["description"] = description(guide)
            page.meta["tags"] = _tags(guide, root)

    def resolved(match: re.Match[str]) -> str:
        address, mark, anchor = match[1].partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), address))
        file = files.get_file_from_path(target)
        if file is None:
            raise DocsError(f"links to {address}, and there is no docs/{target}", file=f"docs/{page.file.src_uri}")
        return f'href="{file.url_relative_to(page.file)}{mark}{anchor}"'

    return re.sub(r'href="([^":]+\.(?:md|ipynb)(?:#[^"]*)?)"(?! download)', resolved, html)


def _below_title(text: str, what: str) -> str:
    head, _, rest = text.partition("\n")
    return f"{head}\n\n{what}\n\n{rest}" if head.startswith("# ") else f"{what}\n\n{text}"


def _downloads(name: str, root: Path) -> str:
    guides = Guides(root)
    if name not in guides.names():
        return ""
    guide = guides.read(name)
    page = guides.page(guide)
    folder = guides.outputs / name
    links = [(page, "notebook"), (folder / guide.path.name, "script")]
    if guide.has_full_size:
        links.append((folder / f"{name}-full-size.ipynb", "full-size notebook"))
    text = ", ".join(
        f'<a href="{Path(os.path.relpath(file, page.parent)).as_posix()}" download>{what}</a>' for file, what in links
    )
    return f'<p class="ld-downloads">Run this guide yourself, in a checkout of the project: {text}.</p>'


def _cell(cell: Any, about: dict[str, Any], outputs: Path) -> str:
    """A code cell with its outputs, in the markup of the site's other cells."""
    guide, name = about.get("guide", "notebook"), cell.metadata.get("name", cell.id)
    text = "# %% " + name + "\n" + cell.source
    snippet = Snippet(Path(f"{guide}.py"), text)
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        alt = output.get("metadata", {}).get("alt", "")
        if output.output_type == "stream":
            parts.append(text_block(output.text))
        elif output.output_type == "error":
            raise DocsError(f"cell '{name}' holds an error: {output.get('evalue', '')}; record it again", file=guide)
        elif "image/svg+xml" in data:
            figure = outputs / guide / "compact" / f"{name}-{sum('<figure' in part for part in parts) + 1}.svg"
            try:
                svg = with_files(data["image/svg+xml"], figure, f"../outputs/guides/{guide}/compact")
            except FileNotFoundError as error:
                message = f"{Path(error.filename).name}, a picture of its figure, is missing"
                how = f"run `make record ONLY=guides/{guide}`"
                raise DocsError(f"cell '{name}': {message}; {how}", file=f"guides/{guide}.py") from None
            parts.append(f'<figure class="ld-figure">{framed(svg, alt)}</figure>')
        elif "image/png" in data:
            image = f'<img src="data:image/png;base64,{data["image/png"].strip()}" alt="{escape(alt)}">'
            parts.append(f'<figure class="ld-figure">{image}</figure>')
        elif "text/html" in data:
            parts.append(data["text/html"].replace("<audio ", '<audio class="ld-audio" '))
        else:
            parts.append(text_block(data.get("text/plain", "")))
    below = output_block(parts)
    line = cell.metadata.get("line")
    source = f"../outputs/guides/{guide}/{guide}.py"
    label = f"guides/{guide}.py" + (f":{line}" if line else "")
    versions = about.get("versions", {})
    stack = ", ".join(f"{part} {versions[part]}" for part in ("transformers", "torch") if part in versions)
    seconds = cell.metadata.get("seconds")
    meta = f'<p class="ld-cell__meta">Passed with {stack}, in {seconds:.1f} s</p>' if seconds is not None else ""
    content = f"{code_block(snippet, snippet.cells[0])}{below}"
    return (
        f'<div class="ld-cell" id="cell-{guide}-{name}" data-cell="guides/{guide}/{name}" role="group" '
        f'aria-label="Cell {name} of guides/{guide}.py" style="{cell_room(content)}">'
        f'<div class="ld-cell__bar"><span class="ld-cell__name">{name}</span>'
        f'<a class="ld-cell__source" href="{source}">{label}</a></div>'
        f"{content}{meta}</div>"
    )
