"""Publishing: versions stand side by side on a branch, and the workflow calls what is there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from livedocs.errors import DocsError
from livedocs.publish import publish

ROOT = Path(__file__).parents[1]


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit and a built site."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "docs")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "docs@localhost")
    _git(tmp_path, "init", "-q", "-b", "main")
    _git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("one")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_versions_stand_side_by_side(repository: Path) -> None:
    """Protects what was published: a new version leaves the old one, and "latest" moves on."""
    said = publish(Path("site"), "1.0", "latest")
    assert "1.0, also called latest, is on the branch gh-pages" in said
    (repository / "site" / "index.html").write_text("two")
    publish(Path("site"), "1.1", "latest")
    publish(Path("site"), "dev")
    shown = {name: _git(repository, "show", f"gh-pages:{name}/index.html") for name in ("1.0", "1.1", "latest", "dev")}
    assert shown == {"1.0": "one", "1.1": "two", "latest": "two", "dev": "two"}
    versions = json.loads(_git(repository, "show", "gh-pages:versions.json"))
    assert {entry["version"]: entry["aliases"] for entry in versions} == {"dev": [], "1.1": ["latest"], "1.0": []}
    assert "latest" in _git(repository, "show", "gh-pages:index.html")
    assert _git(repository, "branch", "--show-current") == "main" and not _git(repository, "ls-files")


def test_the_first_version_is_the_front_door(repository: Path) -> None:
    """Protects the bare address: it leads somewhere from the first version on."""
    publish(Path("site"), "dev")
    assert "dev" in _git(repository, "show", "gh-pages:index.html")


@pytest.mark.parametrize(
    ("version", "alias", "message"),
    [
        ("../up", None, r"'\.\./up' is no name for a version"),
        ("1.0", "the latest", "'the latest' is no name for a version"),
    ],
)
def test_odd_names(repository: Path, version: str, alias: str | None, message: str) -> None:
    """Protects the branch from a folder that leads elsewhere."""
    with pytest.raises(DocsError, match=message):
        publish(Path("site"), version, alias)


def test_no_built_site(repository: Path) -> None:
    """Protects the branch from an empty version."""
    with pytest.raises(DocsError, match=r"nothing/ holds no built site; run `make build` first"):
        publish(Path("nothing"), "1.0")


def test_git_refuses(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from a traceback: outside a repository it ends in one message."""
    outside = tmp_path / "outside"
    (outside / "site").mkdir(parents=True)
    (outside / "site" / "index.html").write_text("x")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(outside / "none"))
    monkeypatch.chdir(outside)
    with pytest.raises(DocsError, match=r"1\.0 was not put on the branch gh-pages"):
        publish(Path("site"), "1.0")


def test_workflow_calls_what_is_there() -> None:
    """Protects publishing: every target that the workflow makes exists, and it is valid YAML with the three jobs."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/docs.yml").read_text("utf-8"))
    assert set(workflow["jobs"]) == {"verify", "publish", "newest"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    called = {target for run in runs for target in re.findall(r"\bmake ([a-z-]+)", run)}
    assert called == {"publish", "newest"} and called <= targets
    assert any("bash .ci/run" in run for run in runs)


def test_versions_file_inherits_the_site() -> None:
    """Protects from two configurations that drift apart: the versioned one adds a menu and nothing else."""
    assert yaml.safe_load((ROOT / "mkdocs.versions.yml").read_text("utf-8")) == {
        "INHERIT": "mkdocs.yml",
        "extra": {"version": {"provider": "mike"}},
    }
