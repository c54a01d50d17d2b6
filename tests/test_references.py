"""References: each work once, cited in the same words everywhere, with ways there and back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Toy

from livedocs.errors import DocsErrors
from livedocs.pages import Page
from livedocs.references import citations, gather

BERT = 'Jacob Devlin and Ming-Wei Chang, "BERT", NAACL 2019 (preprint 2018). [arXiv:1810.04805](https://arxiv.org/abs/1810.04805)'
LIST = "---\ncells: none\n---\n# References\n\n@references\n"


def page(name: str, *notes: str) -> Page:
    """A page with footnotes."""
    text = f"# {name.title()}\n\n" + "".join(f"Said[^n{i}].\n\n[^n{i}]: {note}\n\n" for i, note in enumerate(notes))
    return Page(Path(f"docs/{name}.md"), text)


def test_a_citation_is_read_in_its_parts() -> None:
    """Protects the list: authors, title, place, year and link are told apart, over several lines, and remarks left out."""
    note = BERT.replace(" and ", "\n    and ") + ", section 5.3."
    (found,) = citations(page("one", note))
    assert found.work.markdown == BERT
    assert (found.work.year, found.work.surname, found.work.label) == (2019, "Devlin", "arXiv:1810.04805")


def test_paragraphs_of_a_footnote_are_citations_of_their_own() -> None:
    """Protects footnotes that name two papers: neither is lost."""
    other = BERT.replace("1810", "1811").replace("BERT", "ERNIE")
    assert [one.work.title for one in citations(page("one", f"{BERT}\n\n    {other}"))] == ["BERT", "ERNIE"]


def test_a_footnote_without_a_link_is_a_note() -> None:
    """Protects remarks: a footnote may just say something."""
    assert not citations(page("one", "The recording is in the public domain."))


def test_works_are_listed_once_and_sorted() -> None:
    """Protects the order: by surname without accents and particles torn apart, then by year; one anchor for each."""
    works = [
        'Ilya Ázz et al., "B", 2020. [x](https://x.org/1)',
        'Ilya Ázz et al., "A", 2020. [x](https://x.org/2)',
        'Tom van&nbsp;Dijk and Ann Aaa, "C", ICCV 2019. [x](https://x.org/3)',
        'Bob Baker, Cleo Cook and Dan Deer, "D", 1999. [x](https://x.org/4)',
    ]
    found = gather([page("one", *works), page("two", works[3])])
    assert [one.anchor for one in found] == ["azz-2020", "azz-2020-2", "baker-1999", "van-dijk-2019"]
    assert [one.work.title for one in found] == ["A", "B", "D", "C"]
    assert [len(one.citations) for one in found] == [1, 1, 2, 1]


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("J. Devlin. BERT. 2019. [arXiv](https://arxiv.org/abs/1810.04805)", "docs/two.md:5: footnote 'n0' is no citation"),
        ('Devlin, "BERT", NAACL. [arXiv](https://arxiv.org/abs/1810.04805)', "footnote 'n0' is no citation; write: First"),
        (BERT.replace("Ming-Wei", "M."), "docs/two.md:5: footnote 'n0' cites a work in other words than docs/one.md:5"),
        (BERT.replace("/abs/1810", "/pdf/1810"), "cites a work in other words than docs/one.md:5, which has: Jacob"),
    ],
)  # fmt: skip
def test_mistakes_are_named(note: str, said: str) -> None:
    """Protects authors: what is malformed, or differs from another page, ends in a message with its line."""
    with pytest.raises(DocsErrors, match=re.escape(said)):
        gather([page("one", BERT), page("two", note)])


def test_the_list_and_the_pages_lead_to_each_other(toy: Toy) -> None:
    """Protects the way there and back: from a footnote to the list, and from the list to where it is cited."""
    toy.only_words()
    other = 'Ann Aaa, "Alone", 2020. [x](https://x.org/1)'
    toy.write(
        "docs/more/one.md",
        f"---\ncells: none\n---\n# One [1]\n\nSaid[^a], and[^b].\n\n[^a]: {BERT}. Why.\n\n[^b]: {other}\n",
    )
    toy.write("docs/two.md", f"---\ncells: none\n---\n# Two\n\nSaid[^x]. Again[^x].\n\n[^x]: {BERT}\n")
    toy.write("docs/refs/list.md", LIST)
    toy.replace("mkdocs.yml", "  - admonition\n", "  - admonition\n  - footnotes\n  - attr_list\n")
    toy.check()
    toy.build()
    listed = toy.read("site/refs/list.html")
    (entry,) = re.findall(r'<li id="devlin-2019">(.*?)</li>', listed, re.DOTALL)
    assert re.findall(r'href="([^"]+)">([^<]+)<', entry) == [
        ("https://arxiv.org/abs/1810.04805", "arXiv:1810.04805"),
        ("../more/one.html#fnref:a", "One [1]"),
        ("../two.html#fnref:x", "Two"),
    ]
    assert listed.index('id="aaa-2020"') < listed.index('id="devlin-2019"')
    one = toy.read("site/more/one.html")
    assert '</a>. Why. <a class="ld-ref" href="../refs/list.html#devlin-2019">cited on 1 other page</a>' in one
    assert '<a class="ld-ref" href="../refs/list.html#aaa-2020">in the references</a>' in one
    assert toy.read("site/two.html").count("ld-ref") == 1
    toy.write("docs/two.md", "---\ncells: none\n---\n# Two\n\nSaid[^x].\n\n[^x]: See [it](https://x.org).\n")
    assert "docs/two.md:8: footnote 'x' is no citation" in toy.mistake()
    assert "docs/two.md:8: footnote 'x' is no citation" in toy.build()


def test_the_command_takes_no_name(toy: Toy) -> None:
    """Protects authors: `@references` lists all, so a name behind it is a mistake."""
    toy.only_words()
    toy.write("docs/list.md", LIST.replace("@references", "@references vit"))
    assert "docs/list.md:6: '@references' lists all pages' citations; it takes no name" in toy.build()
