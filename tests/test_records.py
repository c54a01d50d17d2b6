"""Records: a page shows what a run gave, whole and fresh, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT, SNIPPET, Toy

from livedocs.errors import DocsError
from livedocs.recording import record, run_profile, verify_full_size


def compare(toy: Toy) -> str:
    """What the comparison of a fresh run with the record says; empty where nothing differs."""
    (snippet,) = toy.project.snippets.values()
    try:
        for run in run_profile(snippet, toy.root):
            toy.records.compare(snippet, run)
    except DocsError as error:
        return str(error)
    return ""


def test_a_record_holds_what_the_run_gave(toy: Toy) -> None:
    """Text, figures and downloads lie under `docs/outputs/`, for both profiles; trained cells for the compact one only."""
    toy.record()
    assert sorted(toy.outputs()) == [
        "toy/compact/add.txt",
        "toy/compact/plot-1.svg",
        "toy/compact/record.json",
        "toy/full-size/add.txt",
        "toy/full-size/record.json",
        "toy/toy-full-size.ipynb",
        "toy/toy.ipynb",
        "toy/toy.py",
    ]
    assert toy.read("docs/outputs/toy/compact/add.txt") == "total 3\n"
    assert toy.read("docs/outputs/toy/full-size/add.txt") == "total 6\n"
    assert json.loads(toy.read("docs/outputs/toy/compact/record.json"))["cells"][1]["proved"] == ["toy-sum"]
    assert compare(toy) == ""


def test_recording_again_changes_durations_only(toy: Toy) -> None:
    """What is committed changes when an output changes, and not with every run."""

    def without_seconds() -> dict[str, object]:
        found: dict[str, object] = dict(toy.outputs())
        for name in found:
            if name.endswith("record.json"):
                data = json.loads(toy.outputs()[name])
                found[name] = [{**cell, "seconds": 0} for cell in data["cells"]]
        return found

    toy.record()
    before = without_seconds()
    toy.record()
    assert without_seconds() == before


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("print('total', 3)", "print('sum', 3)", "prints something else than the page shows:\n"),
        ("print('total', 3)", "print('sum', 3)", "-total 3\n+sum 3"),
        ("print('total', 3)", "print('total', 4)", "-total 3\n+total 4"),
        ("print(1)", "pass", "-1"),
        ("pass", "print(1)", "+1"),
        ("show('A', 3)", "show('B', 3)", "has another figure 1 than the page: axes[0].words[0]: recorded 'A', now 'B'"),
        ("show('A', 3)", "show('A', 4)", "has another figure 1 than the page: axes[0].lines[0]: its max was 3.0"),
        ("show('A', 3)", "pass", "lost a figure: 1 recorded, 0 now"),
        ("show('A', 3)", "show('A', 3); show('A', 3)", "has a new figure: 1 recorded, 2 now"),
    ],
)
def test_another_output_is_a_readable_difference(toy: Toy, before: str, after: str, said: str) -> None:
    """A cell that gives something else than the page shows fails, and the message says what and how to go on."""
    show = "def show(title, y):\n    plt.plot([0, y])\n    plt.title(title)\n    plt.show()\n"
    toy.use(f"# %% go\nimport matplotlib.pyplot as plt\n\n{show}\nexec(open('world.txt').read())\n")
    toy.write("world.txt", before)  # the code stays as it is, and what it depends on changes
    toy.record()
    assert compare(toy) == ""
    toy.write("world.txt", after)
    message = compare(toy)
    assert message.startswith("snippets/toy.py:1: cell 'go' (compact) ")
    assert said in message
    assert message.endswith("if the new output is right, run `make record ONLY=toy`")


def test_a_sound_is_compared_too(toy: Toy) -> None:
    """A changed sound is a difference like any other."""
    toy.write("rate.txt", "9")
    code = (
        "# %% go\nimport numpy as np\nfrom IPython.display import Audio, display\n"
        "display(Audio(np.sin(np.arange(800) / int(open('rate.txt').read())), rate=8000))  # figure\n"
    )
    toy.use(code)
    toy.record()
    assert "toy/compact/go-1.wav" in toy.outputs()
    assert toy.check()
    assert compare(toy) == ""
    toy.write("rate.txt", "5")
    assert "has another sound 1 than the page: samples: " in compare(toy)


def test_a_missing_record_is_named(toy: Toy) -> None:
    """A page without a recorded output is not built; the message says which command records it."""
    assert (
        "snippets/toy.py:1: docs/outputs/toy/compact/record.json is missing, so snippets/toy.py has no recorded output; "
        "run `make record ONLY=toy`"
    ) in toy.mistake()


@pytest.mark.parametrize(
    ("change", "cells"),
    [
        (("SIZE = 3", "SIZE = 5"), ["setup", "add", "plot"]),
        (('plt.title("A line")', 'plt.title("B")'), ["plot"]),
        (("full size: 4", "full size: 5"), ["setup", "add", "plot"]),
        (("# %% plot", "# %% more\nx = 1\n\n# %% plot"), ["plot"]),
    ],
)
def test_a_stale_record_is_named(toy: Toy, change: tuple[str, str], cells: list[str]) -> None:
    """An output belongs to the code that gave it: after a change of a cell or one above it, the page is not built."""
    toy.record()
    toy.replace("snippets/toy.py", *change)
    message = toy.mistake()
    for cell in cells:
        assert f"the record of cell '{cell}' is stale: this cell or one above it has changed since; run" in message
    assert message.count("is stale:") == len(cells)
    assert "docs/outputs/toy/toy.py: missing or stale" in message


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"cells": 3, "versions": {}}', '{"cells": ["a"], "versions": {}}', "\udcff", "null"]
)
def test_a_damaged_record_is_named(toy: Toy, text: str) -> None:
    """A record that an editor or a merge has spoilt ends in one message, whatever is left of it."""
    toy.record()
    toy.write("docs/outputs/toy/compact/record.json", text.encode("utf-8", "surrogateescape"))
    message = toy.mistake()
    assert "docs/outputs/toy/compact/record.json:1: damaged record (" in message
    assert "); run `make record ONLY=toy`" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("file", ["add.txt", "plot-1.svg"])
def test_a_vanished_file_of_a_record_is_named(toy: Toy, file: str) -> None:
    """A figure that was deleted is told by its name, before the site is built without it."""
    toy.record()
    (toy.root / "docs/outputs/toy/compact" / file).unlink()
    assert (
        f"docs/outputs/toy/compact/record.json:1: the record names docs/outputs/toy/compact/{file}, which is missing; "
        "run `make record ONLY=toy`"
    ) in toy.mistake()


@pytest.mark.parametrize("file", ["toy.py", "toy.ipynb", "toy-full-size.ipynb"])
def test_a_changed_download_is_named(toy: Toy, file: str) -> None:
    """What a reader downloads is what the page shows."""
    toy.record()
    toy.write(f"docs/outputs/toy/{file}", "changed")
    assert f"docs/outputs/toy/{file}: missing or stale; run `make record ONLY=toy`" in toy.mistake()


def test_a_failing_cell_leaves_the_old_record_whole(toy: Toy) -> None:
    """Nothing of a snippet is replaced before all of its cells have run."""
    toy.record()
    before = toy.outputs()
    toy.replace("snippets/toy.py", 'plt.title("A line")', "1 / 0")
    with pytest.raises(DocsError, match=r"snippets/toy.py:16: cell 'plot' raised ZeroDivisionError"):
        toy.record()
    assert toy.outputs() == before


def test_an_interrupted_run_leaves_the_old_record_whole(toy: Toy) -> None:
    """Ctrl+C while a cell runs changes nothing and leaves nothing behind."""
    toy.record()
    before = toy.outputs()
    toy.replace("snippets/toy.py", 'plt.title("A line")', "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        toy.record()
    assert toy.outputs() == before


@pytest.mark.parametrize("moment", ["in a cell", "while writing", "between the renames", "before cleaning up"])
def test_a_killed_run_leaves_the_old_record_whole(toy: Toy, moment: str) -> None:
    """Killed at any moment, old or new outputs are there, whole; the next run finds and removes what was left."""
    toy.record()
    before = toy.outputs()
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom livedocs import records, recording\n"
        "def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n"
        "rename, count = os.rename, []\n"
        "def counting(a, b):\n"
        "    count.append(1)\n"
        "    if len(count) == int(sys.argv[2]): die()\n"
        "    rename(a, b)\n"
        "if sys.argv[1] == 'while writing': records._compact_json = die\n"
        "records.os = type('os', (), {'rename': staticmethod(counting), 'kill': os.kill})\n"
        "recording.record(Path.cwd())\n"
    )
    if moment == "in a cell":
        toy.replace("snippets/toy.py", 'plt.title("A line")', "import os; os.kill(os.getpid(), 9)")
    number = {"between the renames": "2", "before cleaning up": "3"}.get(moment, "0")
    done = toy.python("-c", script, moment, number)
    assert done.returncode == -signal.SIGKILL, done.stderr
    toy.write("snippets/toy.py", SNIPPET)
    assert toy.check(), "old outputs are found, also where they were put aside"
    assert toy.read("docs/outputs/toy/compact/add.txt") == "total 3\n"
    if moment in ("in a cell", "while writing"):
        visible = {name: data for name, data in toy.outputs().items() if "/." not in name}
        assert visible == before
    if moment == "while writing":
        assert "<h1" in toy.build()
        assert not list((toy.root / "site").rglob(".compact*"))
    toy.record()
    assert not list((toy.root / "docs").rglob(".*"))
    assert sorted(toy.outputs()) == sorted(before)


def test_record_removes_what_no_snippet_has_any_more(toy: Toy) -> None:
    """Outputs of a deleted snippet, a deleted cell or a dropped profile would be published for ever."""
    toy.write("snippets/old.py", "# %% one\nprint(1)\n")
    toy.record()
    (toy.root / "snippets/old.py").unlink()
    toy.use("# %% one\nprint(1)\n")
    toy.record()
    assert sorted(toy.outputs()) == [
        "toy/compact/one.txt",
        "toy/compact/record.json",
        "toy/toy.ipynb",
        "toy/toy.py",
    ]


def test_record_only_touches_the_snippet_that_was_named(toy: Toy) -> None:
    """`make record ONLY=…` is for the page one is working on."""
    toy.write("snippets/other.py", "# %% one\nprint(1)\n")
    toy.record("other")
    assert {name.split("/")[0] for name in toy.outputs()} == {"other"}


def test_an_unknown_snippet_is_named(toy: Toy) -> None:
    """A typing error in ONLY= is told with the names that exist."""
    with pytest.raises(DocsError, match=r"ONLY=tyo: there is no snippets/tyo.py; known: toy"):
        record(toy.root, "tyo")


def test_full_size_is_compared_with_its_record(toy: Toy) -> None:
    """The second profile is held to its record like the first; trained cells are left out."""
    toy.record()
    assert verify_full_size(toy.root) == ["snippets/toy.py: 2 of 3 cells passed in full size"]
    toy.write("docs/outputs/toy/full-size/add.txt", "total 7\n")
    with pytest.raises(DocsError, match=r"snippets/toy.py:7: cell 'add' \(full-size\) prints something else"):
        verify_full_size(toy.root)


def test_notebooks_are_valid_and_hold_the_snippets_code(toy: Toy) -> None:
    """A notebook is the page's code, cell by cell, also where it holds comments that tools take for marks."""
    odd = '# %% [markdown]\n# # Toy\n#\n# words\n\n# %% odd\ns = """\n# %% b\n"""\n# %time x\n# !ls\n\n\ndef f():\n    return 1\n'
    toy.use("# A comment above\n\n" + odd + SNIPPET.split("\n\n", 1)[1], "# x\n")
    (snippet,) = toy.project.snippets.values()
    from livedocs.notebooks import downloads

    files = downloads(snippet)
    assert files == downloads(snippet)
    assert list(files) == ["toy.py", "toy.ipynb", "toy-full-size.ipynb"]
    for name, profile in (("toy.ipynb", "compact"), ("toy-full-size.ipynb", "full-size")):
        book = nbformat.reads(files[name], as_version=4)
        nbformat.validate(book)
        variant = snippet.in_profile(profile)
        code = [cell.source for cell in book.cells if cell.cell_type == "code"]
        assert code == [cell.source for cell in variant.cells]
        assert [cell.source for cell in book.cells if cell.cell_type == "markdown"][1] == "# Toy\n\nwords"
        assert not any(cell.get("outputs") for cell in book.cells)


def test_two_records_at_once_leave_one_whole(toy: Toy) -> None:
    """Two terminals may record at the same time; what remains is one of the two results."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "livedocs", "record"]
    runs = [subprocess.Popen(command, cwd=toy.root, env=environment, stderr=subprocess.PIPE, text=True) for _ in "ab"]
    said = [run.communicate(timeout=100)[1] for run in runs]
    assert 0 in [run.returncode for run in runs], said
    assert toy.check()
