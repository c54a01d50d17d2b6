"""Links that lead out of the site: listed always, followed where there is a network.

Links inside the site are the builder's business, and the suite's: both refuse a dead one.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from livedocs.errors import DocsError, DocsErrors
from livedocs.guides import Guides
from livedocs.project import load_project

_AGENT = "Mozilla/5.0 (compatible; livedocs; a check of the links of a documentation site)"
_GONE = {400, 404, 410}
_IN_PROSE = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>")


@dataclass(frozen=True)
class Answer:
    """What a host said about an address.

    Attributes:
        url: The address.
        status: The HTTP status, or None where no host answered.
        words: The status in words, or why there is none.
    """

    url: str
    status: int | None
    words: str

    @property
    def dead(self) -> bool:
        """Whether the host says that there is nothing. One that refuses programs proves nothing either way."""
        return self.status in _GONE


def external(root: Path) -> dict[str, list[str]]:
    """Addresses on other hosts that pages and guides link, sorted, each with the places where it stands."""
    found: dict[str, list[str]] = {}
    for page in load_project(root).pages.values():
        for link in page.links_out:
            found.setdefault(link.url, []).append(f"{page.file}:{link.line}")
    guides = Guides(root)
    for guide in map(guides.read, guides.names()):
        for line, text in guide.prose:
            for match in _IN_PROSE.finditer(text):
                found.setdefault(match[1] or match[2], []).append(f"{guide.file}:{line}")
    return dict(sorted(found.items()))


def listing(root: Path) -> str:
    """The addresses as a file: one in a line, with the pages that link it."""
    lines = [
        "# Addresses on other hosts that pages link, and the pages. Written by `make links`, which also follows them where",
        "# there is a network.",
    ]
    for url, places in external(root).items():
        pages = dict.fromkeys(Path(place.split(":")[0]).name for place in places)
        lines.append(f"{url}  {' '.join(pages)}")
    return "\n".join(lines) + "\n"


def ask(urls: Iterable[str], *, timeout: float = 20, workers: int = 8) -> list[Answer]:
    """Ask the hosts about their addresses, several at a time."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda url: _ask(url, timeout), urls))


def follow(root: Path, *, timeout: float = 20) -> str:
    """Follow all addresses.

    Returns:
        A report.

    Raises:
        DocsErrors: Dead links, each with the first place where it stands.
    """
    places = external(root)
    answers = ask(places, timeout=timeout)
    silent = [answer for answer in answers if answer.status is None]
    if answers and len(silent) == len(answers):
        return f"{len(answers)} links; no host answered, so none was followed (is there a network?): {silent[0].words}"
    good = [answer for answer in answers if answer.status is not None and answer.status < 400]
    unsure = [answer for answer in answers if answer not in good and not answer.dead]
    dead = [answer for answer in answers if answer.dead]
    if dead:
        raise DocsErrors([_error(answer, places[answer.url][0]) for answer in dead])
    lines = [f"{len(answers)} links: {len(good)} good, {len(unsure)} that a program cannot judge"]
    lines += [f"  look yourself: {answer.url} ({answer.words})" for answer in unsure]
    return "\n".join(lines)


def _error(answer: Answer, place: str) -> DocsError:
    file, _, line = place.rpartition(":")
    return DocsError(f"dead link to {answer.url}: {answer.words}; mend or remove it", file=file, line=int(line))


def _ask(url: str, timeout: float) -> Answer:
    for method in ("HEAD", "GET"):  # some hosts answer only the second
        request = urllib.request.Request(url, method=method, headers={"User-Agent": _AGENT})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return Answer(url, response.status, response.reason)
        except urllib.error.HTTPError as error:
            answer = Answer(url, error.code, f"{error.code} {error.reason}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(url, None, str(getattr(error, "reason", error)) or type(error).__name__)
    return answer
