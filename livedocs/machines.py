"""What a built site holds for programs: Markdown of every page, llms.txt and a feed of its changes.

    site/bert.md            the page as Markdown, beside bert.html
    site/llms.txt           what there is, a line for each page
    site/llms-full.txt      the pages themselves, one after the other
    site/feed.xml           an Atom feed of docs/changes.md

These are written once the builder is done: MkDocs calls `on_post_build` (`hooks` in mkdocs.yml), after another builder
`python -m livedocs machines` does the same. The same sources always give the same files.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import markdown

from livedocs.errors import DocsError
from livedocs.navigation import Site, read_site
from livedocs.plain import front_matter, plain, plain_notebook
from livedocs.project import Project, load_project

CHANGES = "changes.md"
"""The page from which the feed is made, in the folder of the pages."""

_LISTS = ("checkpoints.md", "snippets.md", "library.md", "references.md")
_CHANGE = re.compile(r"^## (?P<day>\d{4}-\d\d-\d\d): (?P<title>.+?) \{#(?P<id>[a-z0-9-]+)\}$")


@dataclass(frozen=True)
class Change:
    """An entry of the page of changes.

    Attributes:
        day: When.
        title: What, in a few words.
        id: Its anchor on the page.
        text: What stands below its heading.
    """

    day: date
    title: str
    id: str
    text: str


def changes(path: Path, root: Path) -> list[Change]:
    """The entries of the page of changes, the newest first.

    Each is a second-level heading, `## 2026-11-25: A title {#an-id}`, and the text below it.

    Args:
        path: The page.
        root: Errors name the file relative to this folder.

    Raises:
        DocsError: A heading is malformed, an id stands twice, or the newest does not come first.
    """
    found: list[Change] = []
    text: list[str] = []
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line.startswith("## "):
            text.append(line)
            continue
        match = _CHANGE.match(line)
        file = path.relative_to(root)
        if match is None:
            raise DocsError("malformed entry; write `## 2026-11-25: A title {#an-id}`", file=file, line=number)
        try:
            day = date.fromisoformat(match["day"])
        except ValueError:
            raise DocsError(f"{match['day']} is no day", file=file, line=number) from None
        if any(one.id == match["id"] for one in found):
            raise DocsError(f"the id '{match['id']}' stands twice", file=file, line=number)
        if found and day > found[-1].day:
            raise DocsError(
                "an entry that is newer than the one above it; the newest comes first", file=file, line=number
            )
        if found:
            found[-1] = _with_text(found[-1], text)
        text = []
        found.append(Change(day, match["title"], match["id"], ""))
    if found:
        found[-1] = _with_text(found[-1], text)
    return found


def _with_text(change: Change, lines: list[str]) -> Change:
    return Change(change.day, change.title, change.id, "\n".join(lines).strip())


def feed(site: Site, found: list[Change]) -> str:
    """The changes as an Atom feed. Its ids stay the same wherever the site lies; links are relative without an address.

    Args:
        site: The site.
        found: Its changes, the newest first.
    """
    page = CHANGES.replace(".md", ".html")

    def identity(what: str) -> str:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{site.name}/{what}')}"

    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en-GB">',
        f"<title>{escape(site.name)}</title>",
        f"<subtitle>{escape(site.description)}</subtitle>",
        f"<id>{identity('')}</id>",
        f"<updated>{found[0].day.isoformat() if found else '1970-01-01'}T00:00:00Z</updated>",
        f"<author><name>{escape(site.name)}</name></author>",
        f'<link rel="self" type="application/atom+xml" href={quoteattr(site.address + "feed.xml")}/>',
        f'<link rel="alternate" type="text/html" href={quoteattr(site.address + page)}/>',
    ]
    for change in found:
        text = re.sub(r"\]\(([^):]+)\.(?:md|ipynb)(#[^)]*)?\)", rf"]({site.address}\1.html\2)", change.text)
        lines += [
            "<entry>",
            f"<title>{escape(change.title)}</title>",
            f"<id>{identity(change.id)}</id>",
            f"<updated>{change.day.isoformat()}T00:00:00Z</updated>",
            f'<link rel="alternate" type="text/html" href={quoteattr(f"{site.address}{page}#{change.id}")}/>',
            f'<content type="html">{escape(markdown.markdown(text))}</content>',
            "</entry>",
        ]
    return "\n".join([*lines, "</feed>", ""])


def _copies(project: Project, site: Site) -> Iterator[tuple[str, str, str, str, str]]:
    """File, section, title, description and Markdown of every page of the navigation."""
    for entry in site.entries:
        path = project.docs / entry.file
        if path.suffix == ".ipynb":
            text = plain_notebook(path)
            title = next((line[2:] for line in text.split("\n") if line.startswith("# ")), path.stem)
            yield entry.file, entry.section, title, _first_sentence(text), text
        elif path in project.pages:
            page = project.pages[path]
            fields = front_matter(path)
            title = fields.get("title", page.title)
            yield entry.file, entry.section, title, fields.get("description", ""), plain(project, page)


def _first_sentence(text: str) -> str:
    """Of a notebook, which has no description."""
    paragraphs = (part for part in text.split("\n\n") if part[:1].isalpha())
    words = " ".join(next(paragraphs, "").split())
    return re.split(r"(?<=[.!?]) ", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words))[0]


def write(root: Path, folder: Path, address: str | None = None) -> str:
    """Write what programs read into a built site.

    Args:
        root: The project's root.
        folder: The built site.
        address: Where it will be published, in the place of what the settings say.

    Returns:
        A line that says what was written.

    Raises:
        DocsError: The folder holds no site, a page cannot be written as Markdown, or the page of changes is malformed.
    """
    if not (folder / "index.html").exists():
        raise DocsError(f"there is no site in {folder}; build it first, with `make build`")
    project = load_project(root)
    site = read_site(root, address)
    copies = list(_copies(project, site))
    for file, *_, text in copies:
        target = (folder / file).with_suffix(".md")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    (folder / "llms.txt").write_text(_index(site, copies), "utf-8")
    (folder / "llms-full.txt").write_text(_whole(site, copies), "utf-8")
    changelog = project.docs / CHANGES
    if changelog.exists():
        (folder / "feed.xml").write_text(feed(site, changes(changelog, root)), "utf-8")
    return f"{len(copies)} pages as Markdown, llms.txt{', feed.xml' if changelog.exists() else ''}"


def _index(site: Site, copies: list[tuple[str, str, str, str, str]]) -> str:
    """The list of pages in the form of llmstxt.org."""
    lines = [f"# {site.name}", "", f"> {site.description}", ""]
    lines += [
        "Each link leads to a page as Markdown. A fence of Python is a cell of a script; what it printed when it was recorded",
        "stands below it. A link to `#claim-…` leads to the assertion that proves the words. All pages in one file:",
        f"[llms-full.txt]({site.address}llms-full.txt).",
    ]
    section = None
    for file, here, title, description, _ in copies:
        if here != section:
            section = here
            lines += ["", f"## {here or 'Start'}", ""]
        address = f"{site.address}{Path(file).with_suffix('.md').as_posix()}"
        lines.append(f"- [{title}]({address})" + (f": {description}" if description else ""))
    return "\n".join(lines) + "\n"


def _whole(site: Site, copies: list[tuple[str, str, str, str, str]]) -> str:
    """All pages, but for the reference of the project's own code and the lists made from other files."""
    texts = [
        f"<!-- {Path(file).with_suffix('.md').as_posix()} -->\n\n{text}"
        for file, _, _, _, text in copies
        if not file.startswith("reference/") and file not in _LISTS
    ]
    return f"<!-- {site.name}: all pages -->\n\n" + "\n".join(texts)


def on_post_build(config: Any, **kwargs: Any) -> None:
    """MkDocs calls this when it has built the site."""
    root = Path(config.config_file_path).parent
    write(root, Path(config.site_dir), str(config.site_url or ""))
