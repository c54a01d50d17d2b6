"""The bundle: what a copied cell needs, in one archive."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import Toy

from livedocs.__main__ import main
from livedocs.bundle import bundle
from livedocs.errors import DocsError
from livedocs.project import load_project

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's own bundle."""
    return bundle(ROOT, tmp_path_factory.mktemp("bundle") / "bundle.zip")


def test_a_copied_script_runs_in_an_empty_folder(archive: Path, tmp_path: Path) -> None:
    """Protects those who copy cells: beside the unpacked bundle they run as in the project, and nothing else is there."""
    with zipfile.ZipFile(archive) as held:
        assert held.testzip() is None
        held.extractall(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("LICENSE", "LICENSE-docs", "README.md", "checkpoints", "docs", "requirements.txt")
    ]
    code = "\n\n".join(cell.source for cell in load_project(ROOT).snippets["home"].cells)
    environment = os.environ | {"MPLBACKEND": "agg", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_bundle_holds_whole_checkpoints_and_stays_small(archive: Path) -> None:
    """Each folder is complete, with its card; nothing hidden is packed; it can be downloaded in reasonable time."""
    with zipfile.ZipFile(archive) as held:
        names = set(held.namelist())
    for folder in (ROOT / "checkpoints").iterdir():
        if (folder / "README.md").exists() and not folder.name.startswith("."):
            files = {path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.is_file()}
            assert files <= names
    assert not [name for name in names if "/." in name or name.startswith((".", "snippets/"))]
    assert archive.stat().st_size < 120e6


def test_the_same_files_give_the_same_archive(toy: Toy) -> None:
    """A published archive can be checked: its bytes follow from the files, and not from when it was made."""
    toy.record()
    with pytest.raises(DocsError, match="no checkpoints to pack"):
        bundle(toy.root)
    toy.write(
        "checkpoints/a/README.md",
        "---\nlicense: x\nmodel_class: C\nparameters: 1\nbytes: 1\ntraining_minutes: 1\nmetrics: []\n---\n",
    )
    toy.write("checkpoints/a/.hidden", "x")
    first = bundle(toy.root).read_bytes()
    os.utime(toy.root / "checkpoints/a/README.md", (1, 1))
    assert bundle(toy.root).read_bytes() == first
    with zipfile.ZipFile(toy.root / "bundle.zip") as held:
        assert held.namelist() == ["README.md", "checkpoints/a/README.md"]
    assert [path.name for path in toy.root.glob(".bundle*")] == []


def test_the_command_says_what_it_wrote(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make bundle` ends in the name and size of the archive, or in one message."""
    monkeypatch.chdir(toy.root)
    assert main(["bundle"]) == 1
    assert "error: there are no checkpoints to pack" in capsys.readouterr().err
    toy.write(
        "checkpoints/a/README.md",
        "---\nlicense: x\nmodel_class: C\nparameters: 1\nbytes: 1\ntraining_minutes: 1\nmetrics: []\n---\n",
    )
    assert main(["bundle"]) == 0
    assert capsys.readouterr().out == "bundle.zip: 0.0 MB\n"
