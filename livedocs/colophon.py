"""The end of a page: with what it was verified, and what it stands on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date
from html import escape
from pathlib import Path

from livedocs import cards
from livedocs.catalogue import Checkpoint, Use, of_page
from livedocs.pages import Page
from livedocs.project import Project
from livedocs.records import Record, Records

_STAMPED = ("python", "torch", "transformers")
"""What the stamp names, of the versions that a record holds."""


def stamp(records: Iterable[Record]) -> str:
    """With what the cells of a page last passed, and when they were recorded, in a sentence or two.

    Args:
        records: The records of the page's scripts.
    """
    found = list(records)
    parts = []
    for package in _STAMPED:
        versions = sorted({record.versions[package] for record in found if package in record.versions})
        if versions:
            parts.append(f"{package.replace('python', 'Python')} {' and '.join(versions)}")
    days = sorted({record.recorded for record in found})
    when = f"on {_day(days[0])}" if len(days) == 1 else f"between {_day(days[0])} and {_day(days[-1])}"
    return f"Last verified with {_listed(parts)}; outputs recorded {when}."


def _day(day: str) -> str:
    moment = date.fromisoformat(day)
    return f"{moment.day} {moment:%B %Y}"


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def html(project: Project, records: Records, page: Page) -> str:
    """The end of a page; nothing for a page without cells.

    Args:
        project: The site.
        records: Its recorded outputs.
        page: The page.

    Raises:
        DocsError: A record is missing, or a card is malformed.
    """
    if not page.cells:
        return ""
    found, names, loaded = of_page(project, records, page)
    parts = [f"<p>{stamp(found)}</p>"]
    if loaded:
        parts.append(f"<p>Checkpoints: {_checkpoints(project, page, loaded)}.</p>")
    if names:
        parts.append(_names(project, page, names))
    # The search leaves it out: a page is not about the versions that it was verified with.
    return f'<div class="ld-colophon" data-search-exclude>{"".join(parts)}</div>'


def _address(target: Path, page: Page) -> str:
    return Path(os.path.relpath(target.with_suffix(".html"), page.path.parent)).as_posix()


def _checkpoints(project: Project, page: Page, loaded: list[Checkpoint]) -> str:
    listing = project.docs / cards.PAGE
    said = []
    for one in loaded:
        name = f"<code>{escape(one.name)}</code>"
        link = f'<a href="{_address(listing, page)}#{one.name}">{name}</a>' if listing in project.pages else name
        said.append(f"{link} (<code>{escape(one.model_class)}</code>)")
    return ", ".join(said)


def _names(project: Project, page: Page, names: list[Use]) -> str:
    """What the page uses of the library: documentation and source of each, and the cells of this page."""
    shown = {(embed.snippet, embed.cell) for embed in page.cells}
    rows = []
    for use in names:
        definition = use.definition
        name = f"<code>{escape(definition.short)}</code>"
        if project.library_page is not None:
            name = f'<a href="{_address(project.library_page.path, page)}#{definition.name}">{name}</a>'
        documentation, source = definition.documentation(use.version), definition.source(use.version)
        links = [f'<a href="{documentation}">documentation</a>'] if documentation else []
        links += [f'<a href="{source}">source</a>'] if source else []
        cells = [
            f'<a href="#cell-{snippet}-{cell}">{escape(cell)}</a>'
            for snippet, cell in use.cells
            if (snippet, cell) in shown
        ]
        rows.append(
            f"<tr><td>{name}</td><td><code>{escape(definition.module)}</code></td>"
            f"<td>{', '.join(links)}</td><td>{', '.join(cells)}</td></tr>"
        )
    return (
        f"<details><summary>What this page uses of transformers ({len(names)})</summary>"
        '<div class="ld-colophon__table" tabindex="0" role="region" aria-label="Names of transformers"><table><thead><tr>'
        "<th>name</th><th>defined in</th><th>read on</th><th>cells</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )
