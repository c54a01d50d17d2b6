"""The table that compares the vision checkpoints: all of them are in it, as their cards describe them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from training import cards, compare

ROOT = Path(__file__).parents[1]


def test_the_published_table_says_what_the_cards_say() -> None:
    """Protects the reader of the table: after a training, `make compare` was run too."""
    text = (ROOT / compare.TABLE).read_text("utf-8")
    found = compare.vision_cards(ROOT / compare.CHECKPOINTS)
    assert found
    for name, card in found.items():
        assert compare.row(name, card, None) in text
    assert text.count("| `") == len(found)


def test_rows_are_ordered_by_size_and_hold_the_time() -> None:
    """Protects the order of the table, and that each time stands in its checkpoint's row."""
    found = compare.vision_cards(ROOT / compare.CHECKPOINTS)
    text = compare.table(found, {name: 1.5 + i for i, name in enumerate(found)})
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == sorted(found, key=lambda name: found[name].parameters)
    for i, name in enumerate(found):
        assert any(name in row and row.endswith(f"| {1.5 + i:.1f} |") for row in rows)


def test_a_damaged_card_is_named(tmp_path: Path) -> None:
    """Protects the one who trains: a card that cannot be read ends in a message with its file."""
    shutil.copytree(ROOT / "checkpoints" / "vit-scenes", tmp_path / "vit-scenes")
    (tmp_path / "vit-scenes" / cards.CARD).write_text("no card", "utf-8")
    with pytest.raises(cards.CheckpointError, match=r"vit-scenes.README\.md: line 1"):
        compare.vision_cards(tmp_path)
