"""The glossary: the first mention of a term on another page leads to its definition, and clutters nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import Toy

from livedocs.errors import DocsErrors
from livedocs.glossary import Glossary
from livedocs.pages import Page
from livedocs.project import load_project

ROOT = Path(__file__).parents[1]

GLOSSARY = """\
---
cells: none
---
# Glossary

## A {#a}

### Average precision {#average-precision}

One number for a *detector*, see [there](other.md).

Also: AP; precision, averaged

### Beam search {#beam}

Keeps several beginnings.

Explained on [the first page](index.md#beams).

### Vocabulary {#vocabulary}

All tokens of `BERT`.

See [there](other.md).
"""


class _Terms(HTMLParser):
    """The marked terms: the words, the address, the title, and what they stand in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.inside: list[str] = []
        self._open: dict[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and values.get("class") == "ld-term":
            self._open = values
            self.found.append(("", values["href"], values["title"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            words, href, title = self.found[-1]
            self.found[-1] = (words + data, href, title)


def marked(toy: Toy, page: str, file: str = "more/page") -> list[tuple[str, str, str]]:
    """The terms that are marked on a page of a site with the glossary above."""
    toy.only_words()
    toy.write("docs/glossary.md", GLOSSARY)
    toy.write("docs/other.md", "---\ncells: none\n---\n# Other\n")
    toy.replace("docs/index.md", "# Toy", "# Toy {#beams}")
    toy.replace("mkdocs.yml", "  - admonition\n", "  - admonition\n  - attr_list\n  - tables\n")
    toy.write(f"docs/{file}.md", f"---\ncells: none\n---\n# Page\n\n{page}\n")
    html = toy.build()
    assert "</html>" in html, html
    return _Terms(toy.read(f"site/{file}.html")).found


def test_the_first_mention_leads_to_the_entry(toy: Toy) -> None:
    """Protects readers who do not know a word: it links its entry, from any folder, and carries the plain definition."""
    found = marked(toy, "The AP is high. The AP is average precision.\n\nBeam  search, and vocabularies.")
    assert found == [
        ("AP", "../glossary.html#average-precision", "One number for a detector, see there."),
        ("Beam  search", "../glossary.html#beam", "Keeps several beginnings."),
        ("vocabularies", "../glossary.html#vocabulary", "All tokens of BERT."),
    ]


@pytest.mark.parametrize(
    "page",
    [
        "## On vocabularies",
        "[a vocabulary](../other.md)",
        "`vocabulary`",
        "    vocabulary",
        "```text\nvocabulary\n```",
        "**Vocabulary**",
        '!!! note "A vocabulary"\n    The vocabulary.',
        "> the vocabulary",
        "<div>vocabulary</div>",
        "![vocabulary](x.svg)",
        "| vocabulary |\n| --- |\n",
        "multi-vocabulary, vocabulary-like, revocabulary, path/vocabulary",
        "ap, Ap, MAP",
    ],
)
def test_nothing_else_is_marked(toy: Toy, page: str) -> None:
    """Protects headings, links, code, asides and other words: a term inside one of these stays as it is."""
    toy.write("docs/more/x.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert not marked(toy, page)


def test_a_paragraph_is_not_cluttered(toy: Toy) -> None:
    """Protects the look of a page: two terms in a paragraph, and the third waits for its next mention."""
    found = marked(toy, "Its vocabulary, beam search and AP.\n\n- One item: AP.\n")
    assert [words for words, *_ in found] == ["vocabulary", "beam search", "AP"]
    text = re.sub(r"\s+", " ", toy.read("site/more/page.html"))
    assert re.search(r"beam search</a> and AP\.", text)
    assert re.search(r"One item: <a [^>]*>AP</a>", text)


def test_words_in_emphasis_and_behind_other_marks_are_found(toy: Toy) -> None:
    """Protects from losing text: what stands before, in and behind inline marks is kept in its order."""
    marked(toy, "An *exact vocabulary* of `x` and AP, and [a link](../other.md), no more.")
    text = re.sub(r"<[^>]+>", "", toy.read("site/more/page.html"))
    assert "An exact vocabulary of x and AP, and a link, no more." in text


def test_a_page_that_explains_a_term_does_not_mark_it(toy: Toy) -> None:
    """Protects pages that teach: an entry's own pages show the term at work, and need no pointer away."""
    marked(toy, "Beam search.")
    toy.replace("docs/index.md", "The numbers", "A beam search with a vocabulary. The numbers")
    assert [words for words, *_ in _Terms(toy.build()).found] == ["vocabulary"]


def test_a_page_can_say_no(toy: Toy) -> None:
    """Protects pages about other things: `terms: none` in the front matter keeps all words plain."""
    marked(toy, "Beam search.")
    toy.replace("docs/more/page.md", "cells: none", "cells: none\nterms: none")
    toy.build()
    assert not _Terms(toy.read("site/more/page.html")).found
    assert not _Terms(toy.read("site/glossary.html")).found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Keeps several beginnings.\n\nExplained on [the first page](index.md#beams).\n", "", "'Beam search' has no definition"),
        ("[the first page](index.md#beams)", "the first page", "'Beam search' leads nowhere; link the section that explains it"),
        ("Also: AP;", "Also: AP; beam search;", "'Beam search' stands for 'Average precision' already; remove one"),
    ],
)  # fmt: skip
def test_mistakes_are_named(toy: Toy, old: str, new: str, said: str) -> None:
    """Protects authors: a malformed entry ends in a message with its line, from the check as from the glossary itself."""
    assert old in GLOSSARY
    toy.only_words()
    toy.write("docs/glossary.md", GLOSSARY.replace(old, new))
    assert f"docs/glossary.md:14: {said}" in toy.mistake()
    with pytest.raises(DocsErrors, match=re.escape(said)):
        Glossary(Page(toy.root / "docs/glossary.md", root=toy.root))


# -- the site's own glossary --


def test_entries_are_short_and_sorted() -> None:
    """Protects readers: a definition fits a small box, and an entry is found by its letter."""
    glossary = load_project(ROOT).glossary
    assert glossary
    assert len(glossary.terms) > 100
    assert not [term.name for term in glossary.terms.values() if len(term.definition) > 220]
    names = [re.sub(r"[^a-z0-9]", "", term.name.lower()) for term in glossary.terms.values()]
    assert [name[0] for name in names] == sorted(name[0] for name in names)


def test_entries_are_of_use() -> None:
    """Protects from ballast: each term occurs on a page that teaches, the ones it links or another."""
    project = load_project(ROOT)
    assert project.glossary
    texts = {
        path.relative_to(project.docs).as_posix(): page.text
        for path, page in project.pages.items()
        if page.path != project.glossary.page.path
    }
    used = {term.id for text in texts.values() for _, _, term in project.glossary.find(text)}
    explained = {term.id for term in project.glossary.terms.values() if term.pages <= set(texts)}
    assert {term.id for term in project.glossary.terms.values()} == explained
    in_other_words = {"blank", "cosine", "feature-map", "frame", "no-object", "stuff-and-things", "zero-shot"}
    assert not explained - used - in_other_words
