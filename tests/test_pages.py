"""Pages: embeds, fences and claim links are found where a reader sees them, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Toy

from livedocs.errors import DocsError
from livedocs.pages import Page

FILE = Path("docs/index.md")


def read(text: str) -> Page:
    return Page(FILE, text)


def test_embeds_keep_their_options_and_lines() -> None:
    """A figure's description and caption belong to the embed above them, also when they take several lines."""
    (cell, diagram) = read(
        "---\ntitle: x\n---\n\n@cell toy/a-b\n    alt: A line\n        that rises.\n    caption: See!\n    alt: Another.\n\n"
        "@diagram toy\n"
    ).embeds
    assert (cell.snippet, cell.cell, cell.line, cell.last_line) == ("toy", "a-b", 5, 9)
    assert cell.alts == ("A line that rises.", "Another.")
    assert cell.captions == {0: "See!"}
    assert (diagram.command, diagram.target, diagram.line) == ("diagram", "toy", 11)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("\n@cel toy/a\n", 2, "unknown embed '@cel'; known: @cell, @diagram", id="command"),
        pytest.param("@Cell toy/a\n", 1, "unknown embed '@Cell'", id="upper case"),
        pytest.param("@cell\n", 1, "malformed '@cell '; write `@cell snippet/cell`", id="no target"),
        pytest.param("@cell toy\n", 1, "malformed '@cell toy'; write", id="no cell"),
        pytest.param("@cell toy/a b\n", 1, "malformed '@cell toy/a b'", id="two words"),
        pytest.param("@diagram\n", 1, "'@diagram' needs a name", id="diagram without name"),
        pytest.param("words\n\n    @cell toy/a\n", 3, "must start in the first column", id="indented"),
        pytest.param("- item\n  @cell toy/a\n", 2, "must start in the first column", id="in a list"),
        pytest.param(
            "@cell toy/a\n    alt:\n", 2, "malformed option 'alt: '; known: alt, then caption", id="empty alt"
        ),
        pytest.param("@cell toy/a\n    caption: x\n", 2, "malformed option 'caption: x'", id="caption without figure"),
        pytest.param("@cell toy/a\n    size: x\n", 2, "malformed option 'size: x'", id="option"),
        pytest.param("@cell toy/a\n    words\n", 2, "belongs to no embed option; write", id="stray line"),
        pytest.param("a\n```text\nb\n", 2, "this fence is never closed", id="open fence"),
        pytest.param("[x](claim:)\n", 1, "malformed claim link 'claim:'; write claim:some-id", id="empty claim"),
        pytest.param("[x](claim:Big_One)\n", 1, "malformed claim link", id="claim id"),
    ],
)
def test_mistakes_are_named_with_file_and_line(text: str, line: int, message: str) -> None:
    """Every mistake in a page ends in one message that says where and what to do."""
    with pytest.raises(DocsError) as caught:
        read(text)
    assert str(caught.value).startswith(f"docs/index.md:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fence",
    [
        '!!! note\n\n    ```python\n    print("x")\n    ```\n',
        '??? note "x"\n    ~~~py\n    print("x")\n    ~~~\n',
        '=== "A"\n\n    ```python\n    print("x")\n    ```\n',
        '- item\n\n    ```python\n    print("x")\n    ```\n',
        '1. item\n\n   ```python3\n   print("x")\n   ```\n',
        '> ```python\n> print("x")\n> ```\n',
        '```python notest\nprint("x")\n```\n',
        '```{.python notest}\nprint("x")\n```\n',
        '```{ .py title="x" }\nprint("x")\n```\n',
        '```Python\nprint("x")\n```\n',
        '```.python\nprint("x")\n```\n',
        '```py3\nprint("x")\n```\n',
        '```pycon\n>>> print("x")\n```\n',
        '```ipython\nprint("x")\n```\n',
    ],
)
def test_a_python_fence_that_would_not_run_is_refused(fence: str) -> None:
    """No page shows Python that the suite does not run: what pytest-markdown-docs would leave out is an error."""
    if fence.startswith("```.python"):
        assert read(fence).fences[0].python  # the same fence to Markdown as `python`, and collected
        return
    with pytest.raises(
        DocsError, match=r"docs/index.md:\d: the page shows this Python fence .* does not collect it; move"
    ):
        read(fence)


def test_examples_in_fences_are_no_embeds() -> None:
    """A page can show how a page is written."""
    page = read("````markdown\n@cell toy/a\n[x](claim:y)\n```python\nprint()\n```\n````\n\n~~~text\n@cell toy/b\n~~~\n")
    assert not page.embeds
    assert not page.claims
    assert [fence.python for fence in page.fences] == [False, False]


def test_claim_links_are_found_outside_code_only() -> None:
    """A link in a code span is an example; a title and other links on its line do not hide a claim."""
    page = read('`[x](claim:no)` [x](claim:one "Why") and [y](other.md)\n[`z`](claim:two)\n')
    assert [(claim.id, claim.line) for claim in page.claims] == [("one", 1), ("two", 2)]


def test_comments_are_not_the_page() -> None:
    """A claim link or a fence that was commented out counts for nothing, and an embed may not hide in a comment."""
    page = read("<!-- [x](claim:one) -->\n<!--\n[x](claim:two)\n```python\nx\n```\n-->\n[x](claim:three)\n")
    assert [claim.id for claim in page.claims] == ["three"]
    assert not page.fences
    with pytest.raises(DocsError, match=r"docs/index.md:2: '@cell' in a comment is not shown; delete it"):
        read("<!--\n@cell toy/a\n-->\n")


def test_prose_that_begins_with_an_at_sign_is_prose() -> None:
    """One word behind an at sign is somebody's name."""
    assert not read("@someone\n\nMail me@example.org now\n").embeds


def test_front_matter_is_not_the_page() -> None:
    """What stands in the front matter is neither shown nor run; `cells: none` is understood there only."""
    assert not read("---\ntitle: x\ndescription: |\n  @cell toy/a\n---\n").embeds
    assert read("---\ncells: none\n---\n# x\n").runs_nothing
    assert not read("# x\ncells: none\n").runs_nothing


def test_unusual_line_separators_do_not_move_lines(tmp_path: Path) -> None:
    """Line numbers are an editor's: CRLF is one line end, a byte order mark and U+2028 are none."""
    file = tmp_path / "page.md"
    file.write_bytes("\ufeff---\r\ncells: none\r\n---\r\n\r\na\u2028b\x0c\r\n@cell toy/a\r\n".encode())
    page = Page(file)
    assert page.runs_nothing
    assert [embed.line for embed in page.embeds] == [6]


# -- pages and snippets together, through `check` --


def test_a_project_in_order_passes(toy: Toy) -> None:
    """The check counts what it has seen, so that an empty project does not pass for a checked one."""
    toy.record()
    assert toy.check() == "1 pages, 1 snippets with 3 cells, 1 claims: all fit together"


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        pytest.param(
            "docs/index.md",
            "@cell toy/setup",
            "@cell tyo/setup",
            "docs/index.md:6: there is no snippets/tyo.py; known snippets: toy",
            id="missing snippet",
        ),
        pytest.param(
            "docs/index.md",
            "@cell toy/setup",
            "@cell toy/begin",
            "docs/index.md:6: snippets/toy.py has no cell 'begin'; its cells: setup, add, plot",
            id="missing cell",
        ),
        pytest.param(
            "docs/index.md",
            "@cell toy/setup\n",
            "",
            "snippets/toy.py:4: no page embeds cell 'setup'; add `@cell toy/setup`",
            id="cell that no page embeds",
        ),
        pytest.param(
            "docs/index.md",
            "@cell toy/setup\n",
            "@cell toy/setup\n\n@cell toy/setup\n",
            "docs/index.md:8: cell 'toy/setup' is embedded twice, first in docs/index.md:6; remove one",
            id="embedded twice",
        ),
        pytest.param(
            "docs/index.md",
            "@downloads toy\n",
            "@downloads tyo\n",
            "docs/index.md:19: there is no snippets/tyo.py; known snippets: toy",
            id="missing download",
        ),
        pytest.param(
            "docs/index.md",
            "claim:toy-sum",
            "claim:toy-total",
            "docs/index.md:8: nothing proves claim 'toy-total'; label an assertion `# claim: toy-total` in a snippet",
            id="claim link without assertion",
        ),
        pytest.param(
            "docs/index.md",
            "[add up](claim:toy-sum)",
            "add up",
            "snippets/toy.py:10: no page links claim 'toy-sum'; write `[the statement](claim:toy-sum)` on the page",
            id="label that nobody links",
        ),
        pytest.param(
            "docs/index.md",
            "    alt: A rising line.\n",
            "",
            "docs/index.md:12: cell 'toy/plot' shows 1 figure(s) and plays 0 sound(s) (compact), but 0 `alt:` line(s)",
            id="figure without alt",
        ),
        pytest.param(
            "docs/index.md",
            "    alt: A rising line.\n",
            "    alt: A line.\n    alt: More.\n",
            "but 2 `alt:` line(s) describe them; write one for each",
            id="alt without figure",
        ),
        pytest.param(
            "docs/index.md",
            "@downloads toy",
            "@diagram toy",
            "docs/index.md:19: there is no recorded diagram 'toy'; write diagrams/toy.toml and run `make record`",
            id="missing diagram",
        ),
        pytest.param(
            "docs/index.md",
            "@downloads toy",
            "@include outputs/none.md",
            "docs/index.md:19: there is no docs/outputs/none.md to include",
            id="missing include",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(toy: Toy, file: str, old: str, new: str, expected: str) -> None:
    """A page and a snippet that have grown apart fail the check, with the line to mend."""
    toy.record()
    toy.replace(file, old, new)
    assert expected in toy.mistake()


def test_cells_out_of_order_are_named(toy: Toy) -> None:
    """A page shows cells in the order in which they run; another one could not be copied."""
    toy.record()
    page = (
        toy.read("docs/index.md")
        .replace("@cell toy/add\n", "")
        .replace("@cell toy/setup", "@cell toy/add\n\n@cell toy/setup")
    )
    toy.write("docs/index.md", page)
    assert "docs/index.md:8: cell 'toy/setup' stands above this place in snippets/toy.py; a page shows" in toy.mistake()


def test_a_snippet_that_no_page_embeds_is_named(toy: Toy) -> None:
    """A script that nobody sees is one that nobody keeps true."""
    toy.write("snippets/alone.py", "# %% one\nx = 1\n")
    toy.record()
    assert toy.mistake() == (
        "snippets/alone.py:1: no page embeds this snippet; add `@cell alone/one` to one, or delete it"
    )


def test_a_page_without_cells_says_so(toy: Toy) -> None:
    """A page that proves nothing is a mistake, unless its front matter says that it is meant."""
    toy.record()
    toy.write("docs/words.md", "# Words\n")
    assert toy.mistake() == (
        "docs/words.md:1: this page embeds no cell; add `@cell snippet/cell`, or say `cells: none` in its front matter"
    )
    toy.write("docs/words.md", "---\ncells: none\n---\n# Words\n")
    assert toy.check()


def test_one_claim_in_two_snippets_is_named(toy: Toy) -> None:
    """An id leads to one proof on the whole site."""
    toy.write("snippets/zoo.py", "# %% one\nassert sum(range(3)) == id(1)  # claim: toy-sum\n".replace("id(1)", "f()"))
    toy.write("docs/zoo.md", "@cell zoo/one\n")
    assert "snippets/zoo.py:2: claim 'toy-sum' is proved twice, first in snippets/toy.py:10; give" in toy.mistake()


def test_all_mistakes_are_told_at_once_and_each_once(toy: Toy) -> None:
    """An author mends a page in one go."""
    toy.record()
    toy.replace("docs/index.md", "@cell toy/setup", "@cell toy/begin")
    toy.replace("docs/index.md", "claim:toy-sum", "claim:toy-total")
    lines = toy.mistake().splitlines()
    assert len(lines) == len(set(lines)) == 4
