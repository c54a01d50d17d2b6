"""Know when a page need not run again: nothing that its run depended on has changed.

A passed page is noted with fingerprints of its text, its snippets and their records, of this package, of every installed
package, and of every file that the run opened below the project's root. The next run looks them up. In CI the cache is
off (`CI` or `LIVEDOCS_CACHE=off` in the environment): there, every cell runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path

_opened: set[str] | None = None
_hooked = False


@contextlib.contextmanager
def recording_inputs(root: Path, inputs: set[Path]) -> Iterator[None]:
    """Add to `inputs` every file below `root` that Python code opens while the block runs.

    Of a folder in `checkpoints/` all files count once one was opened, and the folder with them, since weights are read by
    code that Python does not see, and a file more may change what is loaded. Left out are the virtual environment, caches and Python sources of packages.
    """
    global _opened, _hooked
    if not _hooked:
        sys.addaudithook(_on_event)
        _hooked = True
    _opened, before = set(), _opened
    try:
        yield
    finally:
        found, _opened = _opened, before
        for name in found:
            path = Path(os.path.abspath(name))
            if not path.is_relative_to(root) or not path.is_file():
                continue
            parts = path.relative_to(root).parts
            if parts[0].startswith(".") or "__pycache__" in parts or parts[0] in {"livedocs", "tests"}:
                continue
            inputs.add(path)
            if parts[0] == "checkpoints":
                inputs.update(file for file in path.parent.iterdir() if file.is_file())
                inputs.add(path.parent)


def _on_event(event: str, args: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(args[0], str | bytes | os.PathLike):
        with contextlib.suppress(Exception):
            _opened.add(os.path.abspath(os.fsdecode(args[0])))


@lru_cache(maxsize=1)
def environment_digest() -> str:
    """Fingerprint of Python, of all installed packages, and of this package's own code."""
    digest = hashlib.sha256(sys.version.encode())
    for name in sorted(f"{package.name} {package.version}" for package in distributions()):
        digest.update(name.encode())
    for file in sorted(Path(__file__).parent.rglob("*.[pm]*")):
        if file.suffix in {".py", ".mplstyle"}:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _digest(file: Path) -> str | None:
    try:
        content = (
            "\n".join(sorted(child.name for child in file.iterdir())).encode() if file.is_dir() else file.read_bytes()
        )
        return hashlib.sha256(content).hexdigest()
    except OSError:
        return None


class PageCache:
    """What is known of pages that passed.

    Args:
        root: The project's root; the notes lie in `.cache/verified/` below it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".cache" / "verified"

    @property
    def enabled(self) -> bool:
        """Whether notes may be used; off in CI."""
        return not os.environ.get("CI") and os.environ.get("LIVEDOCS_CACHE") != "off"

    def _file(self, page: Path) -> Path:
        return self.folder / f"{hashlib.sha256(str(page).encode()).hexdigest()[:16]}.json"

    def is_fresh(self, page: Path) -> bool:
        """Whether the page passed and nothing it depended on has changed since."""
        if not self.enabled:
            return False
        try:
            note = json.loads(self._file(page).read_text("utf-8"))
            return note["environment"] == environment_digest() and all(
                _digest(self.root / name) == digest for name, digest in note["inputs"].items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def store(self, page: Path, inputs: set[Path]) -> None:
        """Note that a page passed.

        Args:
            page: The page.
            inputs: Every file on which that depended.
        """
        note = {
            "environment": environment_digest(),
            "inputs": {str(file.relative_to(self.root)): _digest(file) for file in sorted(inputs)},
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self._file(page)
        temporary = target.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(note), "utf-8")
        os.replace(temporary, target)
