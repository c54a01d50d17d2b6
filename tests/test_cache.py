"""The cache: a page is skipped only while nothing on which it depends has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from livedocs import cache
from livedocs.cache import PageCache, recording_inputs


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PageCache:
    """A page that passed, with what its run opened."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("LIVEDOCS_CACHE", raising=False)
    page = tmp_path / "docs" / "index.md"
    for file in (page, tmp_path / "input.txt", tmp_path / "other.txt", tmp_path / "by_path.bin"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("text")
    small = tmp_path / "checkpoints" / "small"
    small.mkdir(parents=True)
    (small / "config.json").write_text("{}")
    (small / "model.safetensors").write_text("weights")
    inputs = {page}
    with recording_inputs(tmp_path, inputs):
        (tmp_path / "input.txt").read_text()
        os.close(os.open(tmp_path / "by_path.bin", os.O_RDONLY))
        (small / "config.json").read_text()
    known = PageCache(tmp_path)
    known.store(page, inputs)
    (tmp_path / "other.txt").write_text("not read")
    return known


def fresh(known: PageCache) -> bool:
    return PageCache(known.root).is_fresh(known.root / "docs" / "index.md")


def test_nothing_changed(noted: PageCache) -> None:
    """A file that the run did not open may change; another page is not known."""
    assert fresh(noted)
    assert not noted.is_fresh(noted.root / "docs" / "other.md")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda root: (root / "docs/index.md").write_text("new"), id="page"),
        pytest.param(lambda root: (root / "input.txt").write_text("new"), id="input"),
        pytest.param(lambda root: (root / "by_path.bin").write_text("new"), id="input opened by descriptor"),
        pytest.param(lambda root: (root / "input.txt").unlink(), id="input deleted"),
        pytest.param(lambda root: (root / "checkpoints/small/config.json").write_text("[]"), id="configuration"),
        pytest.param(lambda root: (root / "checkpoints/small/model.safetensors").write_text("new"), id="weights"),
        pytest.param(lambda root: (root / "checkpoints/small/more.json").write_text("{}"), id="file added"),
        pytest.param(lambda root: next((root / ".cache/verified").iterdir()).write_text("{"), id="damaged note"),
        pytest.param(lambda root: next((root / ".cache/verified").iterdir()).write_text("[]"), id="other note"),
    ],
)
def test_a_change_makes_the_page_run_again(noted: PageCache, change: Callable[[Path], object]) -> None:
    """Whatever the run has read counts, and a spoilt note counts for nothing."""
    change(noted.root)
    assert not fresh(noted)


def test_another_environment_makes_all_pages_run_again(noted: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of any installed package may change any output."""
    monkeypatch.setattr(cache, "environment_digest", lambda: "another")
    assert not fresh(noted)


def test_the_environment_is_told_apart_by_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprint of the environment follows from the packages' names and versions."""

    class Package:
        def __init__(self, name: str, version: str) -> None:
            self.name, self.version = name, version

    digests = set()
    for version in ("1.0", "1.1", "1.0"):
        cache.environment_digest.cache_clear()
        monkeypatch.setattr(cache, "distributions", lambda version=version: [Package("torch", version)])
        digests.add(cache.environment_digest())
    cache.environment_digest.cache_clear()
    assert len(digests) == 2


@pytest.mark.parametrize(("name", "value"), [("CI", "1"), ("CI", "true"), ("LIVEDOCS_CACHE", "off")])
def test_the_cache_can_be_turned_off(noted: PageCache, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """In CI every cell runs."""
    monkeypatch.setenv(name, value)
    assert not fresh(noted)
