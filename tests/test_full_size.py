"""The full-size profile, proved without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from livedocs.errors import DocsError
from livedocs.project import load_project
from livedocs.recording import verify_full_size

ROOT = Path(__file__).parents[1]


def in_a_process_of_its_own(name: str) -> list[str]:
    command = [sys.executable, "-m", "livedocs", "full-size", "--only", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", [n for n, snippet in load_project(ROOT).snippets.items() if snippet.has_full_size])
def test_full_size_code_runs_on_the_published_architecture(name: str) -> None:
    """Protects every shape and number in the full-size tabs: the code runs in an empty folder, and gives the record."""
    snippet = load_project(ROOT).snippets[name]
    # What the synthesizer says depends on all that it has said before in the same process.
    lines = in_a_process_of_its_own(name) if "espeakng_loader" in snippet.text else verify_full_size(ROOT, name)
    cells = snippet.in_profile("full-size").cells
    structural = sum(not cell.trained for cell in cells)
    assert lines == [f"snippets/{name}.py: {structural} of {len(cells)} cells passed in full size"]
    assert structural


def test_weights_of_the_hub_without_a_network_end_in_one_message(tmp_path: Path) -> None:
    """Protects those who set HUB=1 offline: the message says that this needs a network, and what works without."""
    (tmp_path / "snippets").mkdir()
    (tmp_path / "docs").mkdir()
    code = "# %% load\nSIZE = 1  # full size: 2\nraise OSError('cannot reach the hub')\n"
    (tmp_path / "snippets" / "far.py").write_text(code, "utf-8")
    with pytest.raises(DocsError, match=r"(?s)snippets/far.py:3: cell 'load' raised OSError.*HUB=1 .* needs a network"):
        verify_full_size(tmp_path, from_hub=True)
