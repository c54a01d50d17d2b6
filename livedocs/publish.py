"""Puts a built site on the branch gh-pages, beside the versions that are there: mike does it.

mike can run MkDocs by itself. Here it gets the folder that `make build` made, since a build is more than MkDocs.
"""

from __future__ import annotations

import re
from pathlib import Path

from livedocs.errors import DocsError

BRANCH = "gh-pages"
_VERSION = re.compile(r"[0-9a-z][0-9a-z.+-]*")


def publish(site: Path, version: str, alias: str | None = None, *, branch: str = BRANCH) -> str:
    """Commit a built site to the branch, in a folder of the version's name.

    What the branch holds of other versions stays. Nothing is pushed.

    Args:
        site: The folder with the built site.
        version: Such as "1.0", or "dev".
        alias: A second name, which moves with each version that gets it, such as "latest"; the address of the whole
            leads to it.
        branch: Of the repository in the current folder.

    Returns:
        What was done, in a line.

    Raises:
        DocsError: For an odd name, a folder without a site, or where git refuses.
    """
    for name in (version, alias):
        if name is not None and not _VERSION.fullmatch(name):
            raise DocsError(
                f"{name!r} is no name for a version: use letters, digits, dots and hyphens, such as 1.0 or dev"
            )
    if not (site / "index.html").is_file():
        raise DocsError(f"{site}/ holds no built site; run `make build` first")
    from mike import commands, git_utils

    cfg = {"site_dir": str(site), "use_directory_urls": False}
    try:
        # A copy, since not every static host follows a symbolic link.
        with commands.deploy(
            cfg,
            version,
            aliases=[alias] if alias else [],
            update_aliases=True,
            alias_type=commands.AliasType.copy,
            branch=branch,
            message=f"Site {version}",
        ):
            pass
        first = alias or (version if not _has_default(branch) else None)
        if first:
            commands.set_default(first, branch=branch, allow_undefined=True, allow_empty=True)
    except (git_utils.GitError, ValueError, OSError) as error:
        raise DocsError(f"{version} was not put on the branch {branch}: {' '.join(str(error).split())}") from None
    also = f", also called {alias}" if alias else ""
    return f"{version}{also}, is on the branch {branch}; publish it with: git push origin {branch}"


def _has_default(branch: str) -> bool:
    from mike import git_utils

    try:
        git_utils.read_file(branch, "index.html")
    except git_utils.GitError:
        return False
    return True
