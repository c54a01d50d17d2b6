"""The commands: one clear message and a status that a Makefile understands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Toy

from livedocs.__main__ import main


@pytest.fixture
def here(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy project as the current folder, and the environment as it was afterwards."""
    monkeypatch.chdir(toy.root)
    for name, value in os.environ.items():
        monkeypatch.setenv(name, value)
    return toy


def test_record_then_check(here: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """The two commands that an author uses say nothing but what was done."""
    assert main(["record"]) == 0
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "1 pages, 1 snippets with 3 cells, 1 claims: all fit together\n"
    assert main(["full-size"]) == 0
    assert "2 of 3 cells passed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "error: snippets/toy.py:1: docs/outputs/toy/compact/record.json is missing"),
        (["record", "--only", "tyo"], "error: ONLY=tyo: there is no snippets/tyo.py; known: toy\n"),
        (["full-size", "--only", "tyo"], "error: ONLY=tyo: there is no snippets/tyo.py; known: toy\n"),
    ],
)
def test_a_mistake_is_one_message_and_status_one(
    here: Toy, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """No traceback of the tool ever reaches an author."""
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_an_empty_only_means_all(here: Toy) -> None:
    """`make record ONLY=` records everything."""
    assert main(["record", "--only", ""]) == 0
    assert here.check()


def test_an_interrupted_run_says_so(here: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl+C ends with the status of an interrupted program, and the author learns that nothing is broken."""
    here.use("# %% a\nraise KeyboardInterrupt\n")
    assert main(["record"]) == 130
    assert "interrupted; what was recorded before is still whole" in capsys.readouterr().err


def test_a_cell_that_exits_does_not_end_the_tool(here: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """`sys.exit()` in a cell would otherwise look like success."""
    here.use("# %% a\nimport sys\nsys.exit(0)\n")
    assert main(["record"]) == 1
    assert "error: snippets/toy.py:3: cell 'a' raised SystemExit: 0" in capsys.readouterr().err


def test_an_unknown_command_is_refused(here: Toy) -> None:
    """The parser lists the commands that exist."""
    with pytest.raises(SystemExit) as caught:
        main(["verify-all"])
    assert caught.value.code == 2


def test_an_empty_project_is_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing that an author does is to begin."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert main(["record"]) == 0
    assert main(["check"]) == 0
