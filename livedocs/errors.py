"""One kind of error for everything an author can get wrong."""

from __future__ import annotations

from pathlib import Path

try:  # MkDocs prints its own BuildError as one line; without MkDocs any exception will do.
    from mkdocs.exceptions import BuildError as _Base
except ImportError:  # pragma: no cover - MkDocs is pinned in requirements.txt
    _Base = Exception  # type: ignore[assignment,misc]


class DocsError(_Base):
    """A mistake in a page, a snippet, a record or a checkpoint.

    The message reads `file:line: what is wrong; what to do`.

    Args:
        message: What is wrong and what to do about it.
        file: The file to open, relative to the project's root where possible.
        line: The line in it, counted from 1.
    """

    def __init__(self, message: str, *, file: Path | str | None = None, line: int | None = None) -> None:
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(f"{place}{message}")
        self.file = file
        self.line = line


class DocsErrors(DocsError):
    """Several mistakes at once, so that an author mends them in one go."""

    def __init__(self, errors: list[DocsError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors
