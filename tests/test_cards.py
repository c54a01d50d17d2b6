"""Numbers on pages that come from checkpoints' cards: what a page says is what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Toy

from livedocs.cards import mistake, numbers

CARD = """\
---
license: Apache-2.0
model_class: ToyModel
training_minutes: 30.2
parameters: 1254405
bytes: 5029212
metrics:
- name: accuracy
  value: 0.9945
  n: 1000
- name: F1, by hand
  value: 0.8311
  n: 138
baselines:
  word counts:
    accuracy: 0.83
---
# A card
"""


@pytest.fixture
def card(toy: Toy) -> Toy:
    """A project with a checkpoint that has a card."""
    toy.write("checkpoints/toy-scenes/README.md", CARD)
    return toy


def test_all_numbers_of_a_card_have_names(card: Toy) -> None:
    """Protects authors: metrics, sample sizes, fields and baselines can be cited, under predictable names."""
    assert numbers(card.root / "checkpoints/toy-scenes/README.md") == {
        "training-minutes": 30.2,
        "parameters": 1254405.0,
        "bytes": 5029212.0,
        "accuracy": 0.9945,
        "accuracy-n": 1000.0,
        "f1-by-hand": 0.8311,
        "f1-by-hand-n": 138.0,
        "baselines-word-counts-accuracy": 0.83,
    }


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("0.9945", "accuracy"),
        ("0.994", "accuracy"),
        ("0.995", "accuracy"),
        ("1", "accuracy"),
        ("99.4 %", "accuracy"),
        ("99 per cent", "accuracy"),
        ("1.25 million", "parameters"),
        ("1,254,405", "parameters"),
        ("5.0 MB", "bytes"),
        ("83.0 %", "baselines-word-counts-accuracy"),
        ("1,000 pictures", "accuracy-n"),
    ],
)
def test_a_number_may_be_rounded_and_have_a_unit(card: Toy, words: str, target: str) -> None:
    """Protects prose: a number is said as a reader needs it, and still is the card's."""
    assert mistake(words, f"toy-scenes/{target}", card.root) is None


@pytest.mark.parametrize(
    ("words", "target", "said"),
    [
        ("0.99", "toy-scenes/accuracy", None),
        ("0.993", "toy-scenes/accuracy", "'0.993' is not what the card of 'toy-scenes' says: 0.9945"),
        ("98 %", "toy-scenes/accuracy", "'98 %' is not what the card of 'toy-scenes' says: 99.5"),
        ("1.24 million", "toy-scenes/parameters", "'1.24 million' is not what the card of 'toy-scenes' says: 1.254"),
        ("most", "toy-scenes/accuracy", "'most' holds no number; the card of 'toy-scenes' says 0.9945"),
        ("0.9", "toy-scenes/charm", "the card of 'toy-scenes' has no number 'charm'; it has: accuracy, accuracy-n"),
        ("0.9", "toy/accuracy", "there is no checkpoints/toy/README.md; write card:checkpoint/metric"),
    ],
)
def test_a_wrong_number_is_named(card: Toy, words: str, target: str, said: str | None) -> None:
    """Protects readers: a number that is not the card's stops the check and the build, with its page and line."""
    card.only_words()
    card.write("docs/other.md", f"---\ncells: none\n---\n# Other\n\nIt has [{words}](card:{target}).\n")
    if said is None:
        card.check()
        assert "</html>" in card.build()
        return
    assert f"docs/other.md:6: {said}" in card.mistake()
    assert f"docs/other.md:6: {said}" in card.build()


def test_a_number_leads_to_its_card(card: Toy) -> None:
    """Protects the way to the source: to the entry of the checkpoints' page, or a plain mark where there is none."""
    card.only_words()
    card.write("docs/more/other.md", "---\ncells: none\n---\n# Other\n\nIt has [0.994](card:toy-scenes/accuracy).\n")
    card.build()
    (tag,) = re.findall(r"<(\w+) class=\"ld-number\"", card.read("site/more/other.html"))
    assert tag == "span"
    card.write("docs/checkpoints.md", "---\ncells: none\n---\n# Checkpoints\n\n## toy-scenes\n")
    card.build()
    assert '<a class="ld-number" href="../checkpoints.html#toy-scenes"' in card.read("site/more/other.html")


def test_a_changed_card_is_read_again(card: Toy, tmp_path: Path) -> None:
    """Protects from stale numbers while a site is served: the cache knows when a card was written."""
    file = card.root / "checkpoints/toy-scenes/README.md"
    assert numbers(file)["accuracy"] == 0.9945
    card.write("checkpoints/toy-scenes/README.md", CARD.replace("0.9945", "0.8"))
    assert numbers(file)["accuracy"] == 0.8
