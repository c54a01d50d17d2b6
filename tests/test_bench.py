"""`make bench`: what it measures is what it says. Durations themselves are never asserted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from livedocs.bench import Cost, bench, measure, table
from livedocs.errors import DocsError


def test_a_command_is_measured_with_its_children(tmp_path: Path) -> None:
    """Protects the table: time and memory are those of the command that ran, in the folder that was named."""
    cost = measure([sys.executable, "-c", "open('here', 'w').close(); print(sum(range(10**6)))"], tmp_path)
    assert (tmp_path / "here").exists()
    assert cost.wall > 0
    assert cost.cpu > 0
    assert cost.memory > 1


def test_a_command_that_fails_is_not_measured(tmp_path: Path) -> None:
    """Protects the table from the time of a failure: the message has the command and the end of what it printed."""
    with pytest.raises(DocsError, match=r"(?s)failed, so there is nothing to measure.*no such thing"):
        measure([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_the_table_shows_medians_and_ratios() -> None:
    """Protects the figures of the page: medians of the runs, beside the pure compute time."""
    costs = {name: [Cost(wall, 1.0, 100.0) for wall in walls] for name, walls in {
        "pure": (10.0, 11.0, 90.0), "cold": (13.0, 13.2, 14.0), "unchanged": (1.0, 1.1, 1.2), "edited": (5.0, 5.5, 6.0),
        "build": (2.0, 2.1, 2.2), "imports": (2.2, 2.2, 2.2),
    }.items()}  # fmt: skip
    text = table(costs, "vit")
    assert "| verify all pages, cold | 13.2 | 1.0 | 1.20 | 100 MiB |" in text
    assert "| build the site | 2.1 | 1.0 |  | 100 MiB |" in text
    assert "Medians of 3 runs" in text
    assert "without them it takes 1.00 times" in text
    assert "Measured once on" in table({name: runs[:1] for name, runs in costs.items()}, "vit")


def test_no_run_is_refused(tmp_path: Path) -> None:
    """Protects the table from being emptied: zero runs end in one message, before anything is written."""
    with pytest.raises(DocsError, match="--runs is 0; measure at least once"):
        bench(tmp_path, 0)
    assert not list(tmp_path.iterdir())
