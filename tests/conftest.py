"""What the tests share: a small project of its own for each test; and the built site, and a browser to read it with."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, BuildError

from livedocs.checking import check
from livedocs.errors import DocsError
from livedocs.project import Project, load_project
from livedocs.recording import record
from livedocs.records import Records

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ["NO_MKDOCS_2_WARNING"] = "1"
ROOT = Path(__file__).parent.parent


LONGEST = (
    "test_guides.py",
    "test_project.py",
    "test_site_axe.py",
    "test_full_size.py",
    "test_dense_checkpoints.py",
    "test_site.py",
    "test_training_text_classification.py",
    "test_training_speech.py",
    "next-word.md",
)
"""Files whose tests take longest. Each runs in one process, so they come first: at the end no process waits for another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others, and the tests in each file, stay in their order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(autouse=True)
def _gradients() -> None:
    """A page's script may switch gradients off for the process that the tests share with it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_grad_enabled(True)


SNIPPET = """\
# %% [markdown]
# # Toy

# %% setup
SIZE = 3  # full size: 4

# %% add
total = sum(range(SIZE))
print("total", total)
assert total == SIZE * (SIZE - 1) // 2  # claim: toy-sum

# %% plot tags=["trained"]
import matplotlib.pyplot as plt

plt.plot([1, 2, 3])
plt.title("A line")
plt.show()
"""

PAGE = """\
---
title: Toy
---
# Toy

@cell toy/setup

The numbers [add up](claim:toy-sum).

@cell toy/add

@cell toy/plot
    alt: A rising line.

```python
print("literal")
```

@downloads toy
"""

CONFIG = """\
site_name: Toy
theme: {name: material, font: false}
use_directory_urls: false
plugins: []
markdown_extensions:
  - livedocs.markdown
  - admonition
  - pymdownx.superfences
  - pymdownx.highlight: {pygments_lang_class: true}
validation: {links: {anchors: warn}}
"""


class Toy:
    """A project of one snippet and one page, and what one does with a project.

    Attributes:
        root: Its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("mkdocs.yml", CONFIG)
        self.write("pytest.ini", "[pytest]\naddopts = --markdown-docs -p livedocs.pytest_plugin -p no:cacheprovider\n")
        self.write("snippets/toy.py", SNIPPET)
        self.write("docs/index.md", PAGE)

    def write(self, file: str, text: str | bytes) -> Path:
        """Write a file of the project. The next reader sees that it changed."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def read(self, file: str) -> str:
        return (self.root / file).read_text("utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        """Change one place of a file."""
        text = self.read(file)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        self.write(file, text.replace(old, new))

    def use(self, cells: str, page: str | None = None) -> None:
        """Another snippet, and a page that embeds all its cells (one figure each where a cell says `# figure`)."""
        self.write("snippets/toy.py", cells)
        if page is None:
            parts = []
            for part in cells.split("# %% ")[1:]:
                alts = "".join("    alt: A figure.\n" for _ in range(part.count("# figure")))
                claims = [line.split("# claim: ")[1] for line in part.splitlines() if "# claim: " in line]
                parts.append(f"@cell toy/{part.split()[0]}\n{alts}")
                parts += [f"[Proved](claim:{claim}).\n" for claim in claims]
            page = "# Toy\n\n" + "\n".join(parts)
        self.write("docs/index.md", page)

    def only_words(self) -> None:
        """Leave out the cells: nothing has to be recorded then."""
        (self.root / "snippets/toy.py").unlink()
        self.write("docs/index.md", "---\ncells: none\n---\n# Toy\n\nThe numbers add up.\n")

    @property
    def project(self) -> Project:
        return load_project(self.root)

    @property
    def records(self) -> Records:
        return Records(self.project.outputs, self.root)

    def record(self, only: str | None = None) -> None:
        record(self.root, only)

    def check(self) -> str:
        return check(self.root)

    def mistake(self) -> str:
        """The message of the mistake that `check` finds."""
        with pytest.raises(DocsError) as caught:
            self.check()
        return str(caught.value)

    def outputs(self) -> dict[str, bytes]:
        """Every recorded file and what it holds."""
        folder = self.root / "docs" / "outputs"
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    def build(self) -> str:
        """Build the site strictly; the first page's HTML, or the builder's messages where it stopped."""
        said: list[str] = []
        listener = logging.Handler(logging.WARNING)
        listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("mkdocs").addHandler(listener)
        try:
            with contextlib.chdir(self.root):
                build(load_config("mkdocs.yml", strict=True))
        except (Abort, BuildError) as error:
            return "\n".join([*said, str(error)])
        finally:
            logging.getLogger("mkdocs").removeHandler(listener)
        return self.read("site/index.html")

    def pytest(self, *arguments: str, **environment: str) -> str:
        """What pytest says of the pages, run in a process of its own."""
        where = [] if any(argument.startswith("docs") for argument in arguments) else ["docs"]
        done = self.python("-m", "pytest", "-p", "no:xdist", *where, *arguments, **environment)
        return done.stdout + done.stderr

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the project's root, away from this session's settings."""
        unwanted = ("PYTEST", "CI", "LIVEDOCS", "COV")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
        settings = {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1", "LIVEDOCS_CACHE": "off"} | environment
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=clean | settings,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A small project that is in order, not yet recorded."""
    return Toy(tmp_path)


# -- the built site ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def site(shared_folder: Path) -> Path:
    """The site as MkDocs builds it."""
    from browsing import built

    return built(shared_folder, "mkdocs")


@pytest.fixture(scope="session")
def zensical_site(shared_folder: Path) -> Path:
    """The site as Zensical builds it from the same mkdocs.yml."""
    from browsing import built

    return built(shared_folder, "zensical")


@pytest.fixture(scope="session")
def address(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the MkDocs site is served."""
    from browsing import serving

    with serving(site, tmp_path_factory.mktemp("served")) as url:
        yield url


@pytest.fixture(scope="session")
def zensical_address(zensical_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the Zensical site is served."""
    from browsing import serving

    with serving(zensical_site, tmp_path_factory.mktemp("served-zensical")) as url:
        yield url


# Not for the whole session: while Playwright is at work, nothing else in the same process can start it, such as the
# program that draws previews.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless, that asks nothing of the network by itself."""
    from browsing import launched

    with launched() as found:
        yield found
