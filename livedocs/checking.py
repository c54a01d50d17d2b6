"""`python -m livedocs check`: everything that can be checked without running a cell."""

from __future__ import annotations

from pathlib import Path

from livedocs import catalogue, talk
from livedocs.errors import DocsError, DocsErrors
from livedocs.guides import Guides
from livedocs.html import Renderer
from livedocs.notebooks import downloads
from livedocs.project import load_project
from livedocs.records import Records


def check(root: Path) -> str:
    """Hold pages, snippets, records and downloads against each other.

    Returns:
        One line that counts what was checked.

    Raises:
        DocsErrors: Everything that was found wrong, each with its file and line.
    """
    project = load_project(root)
    errors: list[DocsError] = []
    try:
        project.check()
    except DocsErrors as error:
        errors += error.errors
    records = Records(project.outputs, root)
    for page in project.pages.values():
        renderer = Renderer(project, records, page)
        for embed in page.embeds:
            try:
                if embed.command == "references":
                    continue
                if embed.command == "catalogue":
                    catalogue.markdown(project, page, embed.target)
                    continue
                if embed.command != "include":
                    renderer.render(embed)
                elif not (project.docs / embed.target).exists():
                    raise DocsError(f"there is no docs/{embed.target} to include", file=page.file, line=embed.line)
            except DocsError as error:
                errors.append(error)
    for snippet in project.snippets.values():
        for name, text in downloads(snippet).items():
            file = project.outputs / snippet.name / name
            if not file.exists() or file.read_text("utf-8") != text:
                errors.append(
                    DocsError(f"missing or stale; run `make record ONLY={snippet.name}`", file=file.relative_to(root))
                )
    errors += Guides(root).problems()
    slides = 0
    try:
        slides = talk.check(root)
    except DocsErrors as error:
        errors += error.errors
    except DocsError as error:
        errors.append(error)
    unique = {str(error): error for error in errors}
    if unique:
        raise DocsErrors(list(unique.values()))
    cells = sum(len(snippet.cells) for snippet in project.snippets.values())
    shown = f", {slides} slides" if slides else ""
    return (
        f"{len(project.pages)} pages, {len(project.snippets)} snippets with {cells} cells, {len(project.claims)} claims"
        f"{shown}: all fit together"
    )
