"""References: what the footnotes of all pages cite, each work once.

A citation is a footnote, or a paragraph of one, in this form:

```text
[^bert]: Jacob Devlin, Ming-Wei Chang, Kenton Lee and Kristina Toutanova, "BERT: Pre-training of Deep Bidirectional
    Transformers for Language Understanding", NAACL 2019 (preprint 2018). [arXiv:1810.04805](https://arxiv.org/…)
```

What follows the link is a remark of the page alone. A footnote without a link to another host is a note and no citation.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from livedocs.errors import DocsError, DocsErrors
from livedocs.pages import Footnote, Page

_CITATION = re.compile(
    r'^(?P<authors>[^"]+), "(?P<title>.+?)", (?P<place>[^\[]*?(?P<year>(?:19|20)\d\d)[^\[]*?)\. '
    r"\[(?P<label>[^\]]+)\]\((?P<url>https?://[^)\s]+)\)(?P<remark>.*)$"
)
_LINKS_OUT = re.compile(r"\]\(https?://")


@dataclass(frozen=True)
class Work:
    """What is cited: a paper, a book, a program.

    Attributes:
        authors: All of them, or the first `et al.`.
        title: Its title.
        place: Where and when it appeared.
        year: The first year in `place`.
        label: What its link is called.
        url: Where it can be read.
    """

    authors: str
    title: str
    place: str
    year: int
    label: str
    url: str

    @property
    def markdown(self) -> str:
        """The citation as it stands in a footnote."""
        return f'{self.authors}, "{self.title}", {self.place}. [{self.label}]({self.url})'

    @property
    def surname(self) -> str:
        """The first author's. One of several words is held together by no-break spaces (`Tom van&nbsp;Dijk`)."""
        first = re.split(r", | and | et al\.", self.authors.replace("&nbsp;", "\u00a0"))[0]
        return first.split(" ")[-1].replace("\u00a0", " ")


@dataclass(frozen=True)
class Citation:
    """One page's citation of a work."""

    work: Work
    page: Page
    footnote: Footnote


@dataclass(frozen=True)
class Reference:
    """A work, and who cites it.

    Attributes:
        anchor: Its id in the list, such as `devlin-2019`.
        work: What is cited.
        citations: One for each page, in the order of the pages.
    """

    anchor: str
    work: Work
    citations: tuple[Citation, ...]


def citations(page: Page) -> list[Citation]:
    """What a page cites.

    Raises:
        DocsErrors: A footnote with a link that is no citation.
    """
    found, errors = [], []
    for footnote in page.footnotes:
        for text in footnote.paragraphs:
            if not _LINKS_OUT.search(text):
                continue
            if match := _CITATION.match(text):
                parts = match.groupdict()
                work = Work(
                    parts["authors"], parts["title"], parts["place"], int(parts["year"]), parts["label"], parts["url"]
                )
                found.append(Citation(work, page, footnote))
            else:
                errors.append(
                    DocsError(
                        f"footnote '{footnote.name}' is no citation; write: First Author and Second Author, "
                        '"Title", Place Year. [arXiv:…](https://…), then any remark',
                        file=page.file,
                        line=footnote.line,
                    )
                )
    if errors:
        raise DocsErrors(errors)
    return found


def gather(pages: Iterable[Page]) -> list[Reference]:
    """All cited works, sorted by the first author's name, then by year.

    Raises:
        DocsErrors: Footnotes that are no citations, and works that two pages cite in different words.
    """
    errors: list[DocsError] = []
    by_url: dict[str, list[Citation]] = {}
    by_title: dict[str, Citation] = {}
    for page in pages:
        try:
            cited = citations(page)
        except DocsErrors as error:
            errors += error.errors
            continue
        for citation in cited:
            first = by_title.setdefault(_folded(citation.work.title), citation)
            same = by_url.setdefault(citation.work.url, [])
            first = same[0] if same else first
            if first.work != citation.work:
                errors.append(
                    DocsError(
                        f"footnote '{citation.footnote.name}' cites a work in other words than "
                        f"{first.page.file}:{first.footnote.line}, which has: {first.work.markdown}",
                        file=page.file,
                        line=citation.footnote.line,
                    )
                )
            if all(other.page.path != page.path for other in same):
                same.append(citation)
    if errors:
        raise DocsErrors(errors)
    ordered = sorted(by_url.values(), key=lambda same: _order(same[0].work))
    taken: dict[str, int] = {}
    references = []
    for same in ordered:
        name = re.sub(r"[^a-z0-9]+", "-", _folded(same[0].work.surname)).strip("-")
        anchor = f"{name}-{same[0].work.year}"
        taken[anchor] = taken.get(anchor, 0) + 1
        suffix = "" if taken[anchor] == 1 else f"-{taken[anchor]}"
        references.append(Reference(f"{anchor}{suffix}", same[0].work, tuple(same)))
    return references


def markdown(references: Iterable[Reference], page: Page) -> list[str]:
    """The list as Markdown, each work with links back to the pages that cite it.

    Args:
        references: What to list.
        page: The page on which the list stands; links are relative to it.
    """
    lines = [""]
    for reference in references:
        back = []
        for citation in reference.citations:
            place = Path(os.path.relpath(citation.page.path, page.path.parent)).as_posix()
            title = re.sub(r"([\[\]])", r"\\\1", citation.page.title)
            back.append(f"[{title}]({place}#fnref:{citation.footnote.name})")
        lines += [
            f"- {reference.work.markdown}",
            f'    <span class="ld-cited">Cited on: {", ".join(back)}</span>',
            f"    {{: #{reference.anchor} }}",
        ]
    return [*lines, ""]


def _folded(text: str) -> str:
    """Without accents and case."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def _order(work: Work) -> tuple[str, int, str]:
    return _folded(work.surname), work.year, _folded(work.title)
