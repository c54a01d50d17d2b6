"""Previews: the picture that is shown where a page's address is shared."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Toy
from PIL import Image

from livedocs.errors import DocsError
from livedocs.previews import SIZE, draw, previews, problems

ROOT = Path(__file__).parents[1]


def test_every_page_has_a_preview_that_is_current() -> None:
    """Protects shared links: a new page or another title needs `make previews`, and the message says so."""
    assert [str(problem) for problem in problems(ROOT)] == []


def test_previews_have_the_size_that_is_announced_and_are_small() -> None:
    """Protects the head of the pages, which names the size, and the repository."""
    total = 0
    for preview in previews(ROOT):
        file = ROOT / preview.file
        total += file.stat().st_size
        with Image.open(file) as image:
            assert image.size == SIZE
            assert image.format == "PNG"
        assert file.stat().st_size < 120_000, file.name
    assert total < 3e6


def test_pages_of_the_home_page_show_their_card() -> None:
    """Protects the tie to the home page: the picture that stands for a page there is on its preview."""
    cards = {preview.page: preview.card for preview in previews(ROOT)}
    assert cards["image-classification-vit.md"] == ROOT / "docs/assets/cards/vit.svg"
    assert sum(card is not None for card in cards.values()) >= 15


def test_what_is_stale_is_drawn_again_and_nothing_else(toy: Toy) -> None:
    """A changed title makes one picture stale, a removed page leaves none behind, and a second run draws nothing."""
    toy.write("docs/other.md", "---\ntitle: Other\ncells: none\n---\n# Other\n")
    assert [str(problem) for problem in problems(toy.root)] == [
        f"docs/{name}: the preview of this page is missing; run `make previews`" for name in ("index.md", "other.md")
    ]
    assert draw(toy.root) == "2 previews: 2 drawn, 0 removed"
    assert list(problems(toy.root)) == []
    assert draw(toy.root) == "2 previews: 0 drawn, 0 removed"
    toy.replace("docs/other.md", "title: Other", "title: Another <one> & more")
    assert [str(problem) for problem in problems(toy.root)] == [
        "docs/assets/previews/other.png: stale; run `make previews`"
    ]
    (toy.root / "docs/index.md").unlink()
    assert draw(toy.root) == "1 previews: 1 drawn, 1 removed"
    assert [file.name for file in (toy.root / "docs/assets/previews").iterdir()] == ["other.png"]


def test_without_a_browser_there_is_one_message(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no Chromium learns what to install."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DocsError, match="install the Debian package 'chromium'"):
        draw(toy.root)
