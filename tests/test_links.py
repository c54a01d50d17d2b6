"""Links that lead out of the site: listed, and followed where there is a network. The network here is this machine."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Toy

from livedocs import links
from livedocs.errors import DocsErrors

ROOT = Path(__file__).parents[1]
PAGE = "---\ncells: none\n---\n# Links\n\n"


class _Host(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names; `/get` refuses HEAD, and `/moved` leads to a good place."""

    def do_GET(self) -> None:
        name = self.path.strip("/")
        status = {"moved": 302, "get": 200 if self.command == "GET" else 405}.get(name) or int(name)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    """A host on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Host))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_links_of_guides_are_listed(toy: Toy) -> None:
    """Protects the list: what a guide tells to read next can vanish like any other link."""
    toy.write("guides/toy_guide.py", "# %% [markdown]\n# # Toy\n#\n# See [a](https://a.org/x).\n\n# %% one\nprint(1)\n")
    assert links.external(toy.root)["https://a.org/x"] == ["guides/toy_guide.py:4"]


def test_links_are_listed_once_with_their_pages(toy: Toy) -> None:
    """Protects the list: links in text, notes and HTML count; examples in code and links inside the site do not."""
    toy.write(
        "docs/other.md",
        PAGE
        + "[a](https://a.org/x) <https://b.org> `[c](https://c.org)` [d](index.md)\n\n[^n]: [a](https://a.org/x)\n\n"
        '<p><a href="https://e.org/">e</a></p>\n\n```text\n[f](https://f.org)\n```\n',
    )
    toy.write("docs/third.md", PAGE + "[a](https://a.org/x)\n")
    assert links.external(toy.root) == {
        "https://a.org/x": ["docs/other.md:6", "docs/other.md:8", "docs/third.md:6"],
        "https://b.org": ["docs/other.md:6"],
        "https://e.org/": ["docs/other.md:10"],
    }
    assert "https://a.org/x  other.md third.md\n" in links.listing(toy.root)


def test_good_links_and_those_that_refuse_programs_pass(toy: Toy, host: str) -> None:
    """Protects from false alarms: a redirect is followed, and a host that refuses programs is left to a person."""
    toy.write(
        "docs/other.md", PAGE + "".join(f"[x]({host}/{name})\n" for name in ("200", "moved", "get", "403", "500"))
    )
    report = links.follow(toy.root)
    assert report.startswith("5 links: 3 good, 2 that a program cannot judge")
    assert f"look yourself: {host}/403 (403 Forbidden)" in report


def test_a_dead_link_is_named(toy: Toy, host: str) -> None:
    """Protects readers: an address that its host does not know is an error, with the page and the line."""
    toy.write("docs/other.md", PAGE + f"[x]({host}/200)\n[y]({host}/404)\n")
    with pytest.raises(DocsErrors) as caught:
        links.follow(toy.root)
    assert str(caught.value) == f"docs/other.md:7: dead link to {host}/404: 404 Not Found; mend or remove it"


def test_without_a_network_nothing_is_claimed(toy: Toy) -> None:
    """Protects those who work offline: the command says that nothing was followed, and does not fail."""
    toy.write("docs/other.md", PAGE + "[x](http://127.0.0.1:9/)\n")
    assert links.follow(toy.root, timeout=2).startswith("1 links; no host answered, so none was followed")


def test_the_list_of_this_site_is_up_to_date() -> None:
    """Protects reviewers: a new host shows in the difference of one file. `make links` writes it."""
    listed = (ROOT / "tests" / "external-links.txt").read_text("utf-8")
    assert listed == links.listing(ROOT), "run `make links`"
