"""The settings of a site, read from its `mkdocs.yml` without a builder: its name, its address and the order of its pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml_env_tag import construct_env_tag

SETTINGS = "mkdocs.yml"


@dataclass(frozen=True)
class Entry:
    """A page in the navigation.

    Attributes:
        file: Its file in the folder of the pages, such as `guides/index.md`.
        section: The title of the section in which it stands; empty at the top.
    """

    file: str
    section: str


@dataclass(frozen=True)
class Site:
    """What a site says of itself.

    Attributes:
        name: Its title.
        description: A sentence about it.
        address: Where it is published, with a slash at its end; empty where that is not known.
        bundle: Where the bundle can be downloaded; empty where it cannot.
        entries: Its pages, in the order of the navigation.
    """

    name: str
    description: str
    address: str
    bundle: str
    entries: tuple[Entry, ...]


class _Loader(yaml.SafeLoader):
    """Reads environment variables as MkDocs does, and passes over tags that only a builder understands."""


_Loader.add_constructor("!ENV", construct_env_tag)
_Loader.add_multi_constructor("", lambda loader, suffix, node: None)


def read_site(root: Path, address: str | None = None) -> Site:
    """Read the settings of the site in a folder.

    Args:
        root: The folder that holds `mkdocs.yml`.
        address: Where the site is published, in the place of what the settings say.
    """
    settings = yaml.load((root / SETTINGS).read_text("utf-8"), _Loader)
    where = str(settings.get("site_url") or "") if address is None else address
    docs = root / "docs"
    nav = settings.get("nav") or [path.relative_to(docs).as_posix() for path in sorted(docs.rglob("*.md"))]
    return Site(
        name=str(settings["site_name"]),
        description=" ".join(str(settings.get("site_description") or "").split()),
        address=f"{where.rstrip('/')}/" if where else "",
        bundle=str((settings.get("extra") or {}).get("bundle_url") or ""),
        entries=tuple(_entries(nav, "")),
    )


def _entries(part: Any, section: str) -> Iterator[Entry]:
    if isinstance(part, str):
        yield Entry(part, section)
        return
    for one in part:
        if isinstance(one, dict):
            for title, below in one.items():
                yield from _entries(below, section if isinstance(below, str) else str(title))
        else:
            yield from _entries(one, section)
