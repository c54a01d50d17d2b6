"""What the tests in a browser share: the built site, where it is served, and a tab that reports every problem.

The fixtures that use it are in conftest.py.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_core_python
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, sync_playwright
from playwright.sync_api import Page as Tab

from livedocs.machines import write
from livedocs.project import load_project

ROOT = Path(__file__).parents[1]
PAGES = [path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in load_project(ROOT).pages]
PAGES += [f"guides/{path.stem}.html" for path in sorted((ROOT / "docs/guides").glob("*.ipynb"))]
AXE = next(Path(axe_core_python.__file__).parent.glob("axe*.js")).read_text("utf-8")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}


def build(folder: Path, builder: str) -> Path:
    """Build the project's site with one of the two builders; returns the folder with its files."""
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    # Copied, since Zensical refuses a link that leads out of the project.
    for part in ("docs", "snippets", "guides", "livedocs", "sample_data", "training", "overrides"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for card in (ROOT / "checkpoints").glob("*/README.md"):
        (folder / "checkpoints" / card.parent.name).mkdir(parents=True)
        shutil.copy(card, folder / "checkpoints" / card.parent.name)
    (folder / "mkdocs.yml").write_text(settings, "utf-8")
    command = [sys.executable, "-m", builder, "build", "--strict"]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "WARNING" not in output, output
    if builder == "zensical":  # it runs no hooks, so what MkDocs does by itself is a second step
        write(folder, folder / "site")
    return folder / "site"


def built(base: Path, builder: str) -> Path:
    """The built site, made once for all processes that run tests: the first makes it, the others wait for it.

    Args:
        base: A folder that these processes share.
        builder: "mkdocs" or "zensical".
    """
    folder, done = base / builder, base / f"{builder}.done"
    with FileLock(base / f"{builder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir()
            build(folder, builder)
            done.touch()
    return folder / "site"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serving(folder: Path, below: Path) -> Iterator[str]:
    """Serve a built site from a sub-path, as a static host might; yields its address."""
    (below / "some").mkdir(parents=True)
    (below / "some" / "path").symlink_to(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(below)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/some/path/"
    finally:
        server.shutdown()


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Debian's Chromium, headless, that asks nothing of the network by itself."""
    path = shutil.which("chromium")
    assert path, "Chromium is missing: install the Debian package `chromium`, or run `make test` as root"
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*arguments, "--disable-sync", "--no-first-run"]
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Browser, url: str, *, scheme: str = "light", size: dict[str, int] = DESK) -> Iterator[Tab]:
    """A tab in which a page has loaded; it fails on any error in the console and any request to another host."""
    context: BrowserContext = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport=size,  # type: ignore[arg-type]
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    problems: list[str] = []
    host = re.match(r"https?://[^/]+/", url)
    assert host

    def on_request(request: Request) -> None:
        if not request.url.startswith((host[0], "data:", "blob:")):
            problems.append(f"request to another host: {request.url}")

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            problems.append(f"{message.type} in the console: {message.text}")

    tab = context.new_page()
    tab.on("request", on_request)
    tab.on("console", on_console)
    tab.on("pageerror", lambda error: problems.append(f"error in a script: {error}"))
    tab.on("requestfailed", lambda request: problems.append(f"failed request: {request.url}"))
    tab.on(
        "response", lambda answer: problems.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
    )
    tab.goto(url)
    tab.wait_for_load_state("networkidle")
    yield tab
    context.close()
    assert not problems, f"{url}: " + "; ".join(problems)
