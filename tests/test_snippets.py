"""Snippets: cells, claims and profiles are read as an author means them, and mistakes are named."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from livedocs.errors import DocsError
from livedocs.snippets import Snippet, cannot_fail

FILE = Path("snippets/toy.py")


def read(text: str, profile: str = "compact") -> Snippet:
    return Snippet(FILE, text, profile=profile)


def test_cells_hold_their_code_and_lines() -> None:
    """A cell is the code under its header, and knows the line of the file on which it stands."""
    snippet = read('# A script\n\n# %% [markdown]\n# words\n\n# %% one\n\na = 1\n\n# %% two tags=["trained"]\nb = 2\n')
    assert [(c.name, c.line, c.source, c.source_line, c.trained) for c in snippet.cells] == [
        ("one", 6, "a = 1", 8, False),
        ("two", 10, "b = 2", 11, True),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param(
            "# %% a\nx = 1\n# %% a\ny = 2\n", 3, "a cell 'a' stands on line 1 already; rename one", id="twice"
        ),
        pytest.param("x = 1\n# %% a\ny = 2\n", 1, "code before the first cell; open one", id="code above"),
        pytest.param("# words\n", 1, "no cells; open one", id="no cells"),
        pytest.param("", 1, "no cells; open one", id="empty file"),
        pytest.param("# %% Bad Name\nx = 1\n", 1, "malformed cell header '# %% Bad Name'; write", id="header"),
        pytest.param("# %% a\nx = 1\n#%% b\nx = 1\n", 3, "malformed cell header '#%% b'", id="header without space"),
        pytest.param("# %%\nx = 1\n", 1, "malformed cell header", id="no name"),
        pytest.param('# %% a tags=["slow"]\nx = 1\n', 1, 'unknown tags ["slow"]; known: ["trained"', id="tag"),
        pytest.param("# %% a tags=[trained]\nx = 1\n", 1, "unknown tags", id="tag without quotes"),
        pytest.param("# %% a\n\n# %% b\nx = 1\n", 1, "cell 'a' is empty", id="empty cell"),
        pytest.param("# %% a\nx = (1\n", 2, "syntax error", id="syntax"),
        pytest.param("# %% a\nx = 1\nreturn x\n", 3, "syntax error: 'return' outside function", id="return"),
        pytest.param("# %% a\nx = '\0'\n", 1, "null bytes", id="null byte"),
        pytest.param(
            "# %% a\nx = [1,\n# %% b\n2]\n", 1, "reaches over the border of cell 'a'; move", id="list over border"
        ),
        pytest.param("# %% a\n@staticmethod\n# %% b\ndef f(): pass\n", 1, "reaches over the border", id="decorator"),
        pytest.param("# %% a\nif 1:\n    x = 1\n# %% b\n    y = 2\n", 3 + 1, "border of cell 'b'", id="indented rest"),
        pytest.param(
            "# %% [markdown]\nx = 1\n# %% a\ny = 1\n", 2, "code in a [markdown] cell; open one", id="markdown"
        ),
        pytest.param("# %% a\nx = 1\nassert x\n", 3, "assertion without a claim; label it", id="no label"),
        pytest.param("# %% a\nx = 1  # claim: b\n", 2, "claim 'b' without an assertion; put", id="no assertion"),
        pytest.param("# %% a\nassert id(1) # claim: B c\n", 2, "claim id 'B c' is malformed; write", id="claim id"),
        pytest.param("# %% a\nassert f() # claim:\n", 2, "claim id '' is malformed", id="empty claim id"),
        pytest.param(
            "# %% a\nassert f()  # claim: b\nassert g()  # claim: b\n",
            3,
            "proved twice, first on line 2",
            id="claim twice",
        ),
        pytest.param(
            "# %% a\nassert True  # claim: b\n", 2, "'b' cannot fail: it is made of constants", id="cannot fail"
        ),
        pytest.param("# %% a\nassert f(); assert g()  # claim: b\n", 2, "without a claim", id="two on a line"),
    ],
)
def test_mistakes_are_named_with_file_and_line(text: str, line: int, message: str) -> None:
    """Every mistake that an author can make in a script ends in one message that says where and what to do."""
    with pytest.raises(DocsError) as caught:
        read(text)
    assert str(caught.value).startswith(f"snippets/toy.py:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_of_claims_are_told_at_once() -> None:
    """An author mends all labels in one go."""
    with pytest.raises(DocsError) as caught:
        read("# %% a\nassert f()\nassert g()\nx = 1  # claim: c\n")
    assert str(caught.value).count("snippets/toy.py:") == 3


@pytest.mark.parametrize(
    "text",
    [
        's = """\n# %% b\n# claim: c\nassert x\n# full size: 3\n"""',
        'print("# claim: c", "# full size: 4")',
        "def f():\n    # %% indented\n    return 1",
        "@staticmethod\ndef f():\n    return 1",
        'if __name__ == "__main__":\n    x = 1',
        "s = 'Gr\u00fc\u00dfe \u4e16\u754c \U0001f600 \u2028 \x0c end'\nx = 1",
    ],
)
def test_words_in_strings_are_no_marks(text: str) -> None:
    """Only comments are marks: a string may hold anything, also line separators that editors do not count."""
    snippet = read(f"# %% a\n{text}\n# %% z\nlast = f()\nassert last  # claim: c\n")
    assert [cell.name for cell in snippet.cells] == ["a", "z"]
    assert snippet.cells[0].source == text
    assert snippet.cells[1].source_line == text.count("\n") + 4 == snippet.claims[0].line - 1
    assert [claim.id for claim in snippet.claims] == ["c"]
    assert not snippet.has_full_size


def test_other_line_ends_and_marks_at_the_start_make_no_difference(tmp_path: Path) -> None:
    """A script saved by another editor, with CRLF and a byte order mark, is the same script."""
    text = "# %% a\nx = 1\n\n# %% b\ny = f(x)\nassert y == 1  # claim: c\n"
    plain, other = tmp_path / "plain.py", tmp_path / "other.py"
    plain.write_bytes(text.encode())
    other.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert Snippet(plain).cells == Snippet(other).cells
    assert Snippet(plain).digest("b") == Snippet(other).digest("b")


def test_a_claim_covers_its_whole_assertion() -> None:
    """A long assertion is labelled on its last line, and all of it is the proof."""
    (claim,) = read("# %% a\nx = f()\nassert (\n    x\n    == 3\n)  # claim: c\n").claims
    assert (claim.cell, claim.line, claim.end_line) == ("a", 3, 6)


def test_full_size_replaces_values_and_keeps_line_numbers() -> None:
    """The full-size profile is the same script line by line, so that its tracebacks point into the file."""
    text = (
        '# %% a\nNAME = "checkpoints/x"  # full size: "owner/x"\n    # full size: odd = 1\n'
        "a, b = 1, 2  # full size: 3, 4\nif NAME:\n    \u00fc = (1)  # full size: (2)\n# full size: more = 1\nlast = f()\n"
    ).replace("    # full size: odd = 1\n", "")
    full = read(text, "full-size")
    assert full.text.split("\n") == [
        "# %% a",
        'NAME = "owner/x"',
        "a, b = 3, 4",
        "if NAME:",
        "    \u00fc = (2)",
        "more = 1",
        "last = f()",
        "",
    ]
    assert read(text).text == text
    assert full.in_profile("compact").text == text
    assert full.profiles == ("compact", "full-size")
    assert read("# %% a\nx = 1\n").profiles == ("compact",)


@pytest.mark.parametrize(
    "line",
    [
        "print(SIZE)  # full size: 3",
        "x += 1  # full size: 3",
        "a = 1; b = 2  # full size: 3",
        "if True: a = 1  # full size: 3",
        "a = b = 1  # full size: 3",
        "f(\n    a=2  # full size: 3\n)",
        "a = [\n    1,\n]  # full size: [2]",
    ],
)
def test_full_size_needs_a_one_line_assignment(line: str) -> None:
    """A value that stands behind anything else would be dropped or put in the wrong place."""
    with pytest.raises(DocsError, match=r"snippets/toy.py:\d: `# full size:` must follow a one-line assignment"):
        read(f"# %% a\n{line}\n", "full-size")


def test_an_argument_is_replaced_wherever_a_call_gives_it() -> None:
    """Protects the one step in full size: names, numbers and words are replaced, and nothing that only ends alike; the profile stays."""
    code = '# %% a\nSIZE = 1  # full size: 9\nf(size=SIZE, my_size=3)\nf(size=32)\nf(kind="steps", size=[1])\n'
    snippet = Snippet(Path("x.py"), code).in_profile("full-size")
    changed = snippet.with_argument("size", "2").with_argument("kind", '"no"')
    assert changed.profile == "full-size"
    assert changed.cells[0].source == 'SIZE = 9\nf(size=2, my_size=3)\nf(size=2)\nf(kind="no", size=[1])'


def test_an_unknown_profile_is_refused() -> None:
    """A typing error in a profile's name is told, with the names that exist."""
    with pytest.raises(DocsError, match="unknown profile 'big'; known: compact, full-size"):
        read("# %% a\nx = 1\n", "big")


def test_the_digest_depends_on_the_cells_above_and_not_below() -> None:
    """A record is stale when its cell or one above it changed, and only then."""
    base = read("# %% a\nx = 1\n# %% b\ny = 2\n# %% c\nz = 3\n").digest("b")
    assert read("# %% a\nx = 9\n# %% b\ny = 2\n# %% c\nz = 3\n").digest("b") != base
    assert read("# %% a\nx = 1\n# %% b\ny = 9\n# %% c\nz = 3\n").digest("b") != base
    assert read("# %% a\n\nx = 1\n# %% b\ny = 2\n# %% c\nz = 9\n").digest("b") == base


CANNOT_FAIL = [
    "True",
    "1 == 1",
    "'a' in 'abc'",
    "not False",
    "len('abc') == 3",
    "SIZE == 3",
    "SIZE + 1 > DOUBLE",
    "x == x",
    "x.shape[0] <= x.shape[0]",
    "x is x",
    "x in x",
    "x == x == x",
    "torch.equal(x, x)",
    "torch.allclose(x, x, atol=1)",
    "(x == 3, 'message')",
    "[x]",
    "{x}",
    "{x: 1}",
    "lambda: x",
    "(y for y in x)",
    "f'{x} '",
    "len(x) >= 0",
    "0 <= len(x)",
    "abs(x) >= 0",
    "x > 3 or True",
    "x > 3 or len(x) >= 0",
    "x == x and True",
    "all(i == i for i in range(3))",
    "isinstance(x, object)",
]

CAN_FAIL = [
    "x",
    "x == 3",
    "x == SIZE",
    "len(x) == SIZE",
    "len(x) > 0",
    "x.shape == (1, SIZE)",
    "torch.equal(x, y)",
    "torch.allclose(x, y, atol=1e-5)",
    "a <= x <= b",
    "x > 3 or y",
    "all(value > 0 for value in x)",
    "{'a', 'b'} == set(x)",
    "[1, 2] == x",
    "abs(x - y) < 1e-3",
    "(found := f()) == 3",
    "isinstance(x, int)",
    "x is not None",
    "x != x",
]

LITERALS = "SIZE = 3\nDOUBLE = 2 * SIZE\n"


@pytest.mark.parametrize("test", CANNOT_FAIL)
def test_assertions_that_cannot_fail_are_refused(test: str) -> None:
    """A claim is proved by nothing when its assertion is true whatever the model does."""
    with pytest.raises(
        DocsError, match=r"snippets/toy.py:6: the assertion of claim 'c' cannot fail: .*; assert something"
    ):
        read(f"# %% a\nimport torch\n{LITERALS}x = f()\nassert {test}  # claim: c\n")


@pytest.mark.parametrize("test", CAN_FAIL)
def test_honest_assertions_are_not_refused(test: str) -> None:
    """An author is not kept from asserting what the run decides."""
    assert read(f"# %% a\nimport torch\n{LITERALS}x = f()\nassert {test}  # claim: c\n").claims


@pytest.mark.parametrize(
    "code",
    [
        "raised = False\ntry:\n    f()\nexcept ValueError:\n    raised = True\nassert raised",
        "n = 0\nfor i in f():\n    n += 1\nassert n == 3",
        "found = []\nfor i in f():\n    found.append(i)\nassert len(found) == 3",
        "counts = {}\nfor i in f():\n    counts[i] = 1\nassert counts == {1: 1}",
        "n = 0\nif f():\n    n = 1\nassert n == 1",
        "def g(n):\n    assert n == 3",
    ],
)
def test_names_that_the_run_decides_are_no_constants(code: str) -> None:
    """A flag that a branch sets, a counter and a list that a loop fills begin as literals and are honest all the same."""
    assert read(f"# %% a\n{code}  # claim: c\n").claims


def test_a_name_bound_to_literals_one_after_the_other_is_a_constant() -> None:
    """Two assignments that always run decide as little as one."""
    with pytest.raises(DocsError, match="constants only"):
        read("# %% a\nx = 1\nx = 2\nassert x == 2  # claim: c\n")


def test_cannot_fail_gives_a_reason() -> None:
    """The author learns why an assertion proves nothing."""
    test = ast.parse("len(x) >= 0", mode="eval").body
    assert cannot_fail(test) == "a length is never below zero"
