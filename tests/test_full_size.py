"""The full-size profile, proved without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from livedocs.project import load_project
from livedocs.recording import verify_full_size

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", [n for n, snippet in load_project(ROOT).snippets.items() if snippet.has_full_size])
def test_full_size_code_runs_on_the_published_architecture(name: str) -> None:
    """Protects every shape and number in the full-size tabs: the code runs in an empty folder, and gives the record."""
    lines = verify_full_size(ROOT, name)
    cells = load_project(ROOT).snippets[name].in_profile("full-size").cells
    structural = sum(not cell.trained for cell in cells)
    assert lines == [f"snippets/{name}.py: {structural} of {len(cells)} cells passed in full size"]
    assert structural
