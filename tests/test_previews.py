"""Previews: the picture that is shown where a page's address is shared."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Toy
from PIL import Image

from livedocs.errors import DocsError
from livedocs.previews import FOLDER, SIZE, draw, previews

ROOT = Path(__file__).parents[1]


def test_pages_of_the_home_page_show_their_card() -> None:
    """Protects the tie to the home page: the picture that stands for a page there is on its preview."""
    cards = {preview.page: preview.card for preview in previews(ROOT)}
    assert cards["image-classification-vit.md"] == ROOT / "docs/assets/cards/vit.svg"
    assert sum(card is not None for card in cards.values()) >= 15


def test_what_is_stale_is_drawn_again_and_nothing_else(toy: Toy) -> None:
    """A changed title makes one picture stale, a removed page leaves none behind, and a second run draws nothing."""
    toy.write("docs/other.md", "---\ntitle: Other\ncells: none\n---\n# Other\n")
    assert draw(toy.root) == "2 previews: 2 drawn, 0 removed"
    assert draw(toy.root) == "2 previews: 0 drawn, 0 removed"
    before = {file.name: file.read_bytes() for file in (toy.root / FOLDER).iterdir()}
    toy.replace("docs/other.md", "title: Other", "title: Another <one> & more")
    assert draw(toy.root) == "2 previews: 1 drawn, 0 removed"
    after = {file.name: file.read_bytes() for file in (toy.root / FOLDER).iterdir()}
    assert [name for name in after if after[name] != before[name]] == ["other.png"]
    (toy.root / "docs/index.md").unlink()
    assert draw(toy.root) == "1 previews: 0 drawn, 1 removed"
    assert [file.name for file in (toy.root / FOLDER).iterdir()] == ["other.png"]


def test_a_preview_has_the_announced_size_and_is_small(toy: Toy) -> None:
    """The head of a page names the size of its picture; who shows it loads it for every reader."""
    draw(toy.root)
    file = toy.root / FOLDER / "index.png"
    with Image.open(file) as image:
        assert image.size == SIZE
        assert image.format == "PNG"
    assert file.stat().st_size < 120_000


def test_without_a_browser_there_is_one_message(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no Chromium learns what to install."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DocsError, match="install the Debian package 'chromium'"):
        draw(toy.root)
