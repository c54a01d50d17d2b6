"""The pages as tests: what a reader sees is what pytest collects, runs once, and compares."""

from __future__ import annotations

import re

import pytest
from conftest import PAGE, SNIPPET, Toy

COUNTING = """\
# %% setup
from pathlib import Path

def count(name):
    with Path(".count/log").open("a") as log:
        log.write(name + " ")

count("setup")

# %% work
count("work")
x = sum([1, 2])
print(x)
assert x == 3  # claim: work

# %% last
count("last")
print(open("input.txt").read())
print(open("checkpoints/small/config.json").read())
"""

COUNTING_PAGE = """\
# Toy

@cell toy/setup

@cell toy/work

[Yes](claim:work).

```python
count("fence")
y = x + 1
```

@cell toy/last

```python
count(f"y={y}")
```
"""


def counting(toy: Toy) -> None:
    """A project that notes in `.count/log` which parts of its page ran."""
    toy.use(COUNTING, COUNTING_PAGE)
    toy.write(".count/log", "")
    toy.write("input.txt", "input")
    toy.write("checkpoints/small/config.json", "{}")
    toy.write("checkpoints/small/weights.bin", b"1")
    toy.record()


def ran(toy: Toy) -> list[str]:
    """What ran since the last call."""
    log = toy.root / ".count/log"
    names = log.read_text().split() if log.exists() else []
    log.write_text("")
    return names


def test_pytest_collects_what_the_built_page_shows(toy: Toy) -> None:
    """Every Python block that a reader sees is a test, and no other: counted on both sides."""
    toy.write(
        "docs/index.md",
        PAGE + "\n~~~py\nprint(1)\n~~~\n\n```text\nnot code\n```\n\n````markdown\n```python\nraise\n```\n````\n"
        '\n!!! note\n\n    ```text\n    words\n    ```\n\n```python title="A title" linenums="1"\nprint(2)\n```\n',
    )
    toy.record()
    html = toy.build()
    shown = re.findall(r'<div class="language-(?:py|python)\b[^"]*\bhighlight"', html)
    full_size = html.count('<div class="tabbed-block">') // 2
    collected = re.findall(r"index.md::\S+", toy.pytest("--collect-only", "-q"))
    assert len(shown) - full_size == len(collected) == 6


def test_every_part_of_a_page_runs_once_in_one_namespace(toy: Toy) -> None:
    """Cells and fences of a page are one program: each runs once, in order, and sees what stands above it."""
    counting(toy)
    ran(toy)
    assert "5 passed" in toy.pytest("-q")
    assert ran(toy) == ["setup", "work", "fence", "last", "y=4"]


def test_one_part_alone_runs_what_it_needs(toy: Toy) -> None:
    """A single cell can be tested: the cells above it run first, and the others do not."""
    counting(toy)
    ran(toy)
    assert "1 passed" in toy.pytest("-q", "docs/index.md::[CodeFence#2][line:5]")
    assert ran(toy) == ["setup", "work"]


def test_a_failing_cell_is_told_once_and_runs_once(toy: Toy) -> None:
    """A TypeError makes pytest-markdown-docs call its runner again; here the cell still runs once, and later ones say why not."""
    counting(toy)
    ran(toy)
    toy.write("checkpoints/small/config.json", "{}")
    text = COUNTING.replace("x = sum([1, 2])", "x = sum([1, 2])\nif Path('break').exists(): len(3)")
    toy.use(text, COUNTING_PAGE)
    toy.record()
    ran(toy)
    toy.write("break", "")
    said = toy.pytest("-q")
    assert ran(toy) == ["setup", "work", "fence", "y=4"]
    assert "snippets/toy.py:13: cell 'work' raised TypeError: object of type 'int' has no len()" in said
    assert "not run, because an earlier cell failed: snippets/toy.py:13: cell 'work' raised TypeError" in said
    assert "pytest_markdown_docs" not in said
    # `y = x + 1` still finds x, which stood before the failing line; the last cell does not run.
    assert re.search(r"2 failed, 3 passed", said)


def test_a_failing_fence_names_the_page_and_line(toy: Toy) -> None:
    """Literal Python in a page fails with the page's own line."""
    toy.record()
    toy.replace("docs/index.md", 'print("literal")', "x = 1\nlen(x)")
    said = toy.pytest("-q")
    assert "docs/index.md:17: this fence raised TypeError: object of type 'int' has no len()" in said
    assert "1 failed, 3 passed" in said


def test_another_output_fails_with_a_difference(toy: Toy) -> None:
    """What a page shows is compared with what its cells give now, and the versions that changed are named."""
    toy.record()
    toy.write("docs/outputs/toy/compact/add.txt", "total 4\n")
    record = toy.read("docs/outputs/toy/compact/record.json")
    toy.write("docs/outputs/toy/compact/record.json", re.sub(r'"numpy": "[^"]+"', '"numpy": "0.0.1"', record))
    said = toy.pytest("-q")
    assert "snippets/toy.py:7: cell 'add' (compact) prints something else than the page shows:" in said
    assert "-total 4\n+total 3" in said
    assert "versions that changed since the record: numpy 0.0.1 -> " in said
    assert "1 failed, 3 passed" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda toy: None,
            "docs/outputs/toy/compact/record.json is missing, so snippets/toy.py has no recorded output",
        ),
        (
            lambda toy: (toy.record(), toy.write("snippets/toy.py", SNIPPET.replace("SIZE = 3", "SIZE = 5"))),
            "the record of cell 'setup' is stale",
        ),
        (
            lambda toy: toy.replace("docs/index.md", "@cell toy/add", "@cell toy/none"),
            "docs/index.md:10: snippets/toy.py has no",
        ),
        (
            lambda toy: toy.replace("docs/index.md", "```python", "```python notest"),
            "docs/index.md:15: the page shows this Python fence",
        ),
        (
            lambda toy: toy.replace("snippets/toy.py", "total == SIZE * (SIZE - 1) // 2", "SIZE == 3"),
            "snippets/toy.py:10: the assertion",
        ),
    ],
    ids=["missing record", "stale record", "missing cell", "notest", "changed claim"],
)
def test_mistakes_fail_the_suite(toy: Toy, change: object, said: str) -> None:
    """Nothing is left out quietly: what cannot be collected or compared is a failure with file and line."""
    change(toy)  # type: ignore[operator]
    output = toy.pytest("-q")
    assert said in output
    assert "failed" in output or "error" in output
    assert "Traceback" not in output


def test_a_page_outside_the_navigation_is_named_by_its_own_path(toy: Toy) -> None:
    """The message about a fence in any Markdown file leads to that file."""
    toy.record()
    toy.write("docs/outputs/notes.md", "- a\n\n    ```python\n    x\n    ```\n")
    assert "docs/outputs/notes.md:3: the page shows this Python fence" in toy.pytest("-q")


# -- the cache --


def test_an_unchanged_page_does_not_run_again(toy: Toy) -> None:
    """While writing, only what changed runs: any change of what a page depends on makes it run again."""
    counting(toy)
    ran(toy)
    assert "5 passed" in toy.pytest("-q", LIVEDOCS_CACHE="on")
    assert len(ran(toy)) == 5
    assert "5 passed" in toy.pytest("-q", LIVEDOCS_CACHE="on")
    assert ran(toy) == []
    assert "5 passed" in toy.pytest("-q", CI="1", LIVEDOCS_CACHE="on")
    assert len(ran(toy)) == 5
