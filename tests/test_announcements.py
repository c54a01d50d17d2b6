"""Announcements and their headlines: the pairs, what is held out, and errors for bad input."""

from __future__ import annotations

from itertools import islice

import pytest

from sample_data import announcements
from sample_data.announcements import THINGS, Split, Wordings


@pytest.mark.parametrize(("part", "wordings"), [("train", "known"), ("test", "known"), ("test", "new")])
def test_a_headline_says_what_stands_in_its_text(part: Split, wordings: Wordings) -> None:
    """Protects the pairs: name, version and what has changed can be found in the text, and no placeholder is left."""
    for pair in islice(announcements.draw(part, 0, wordings), 300):
        name, version, *told = pair.headline.split()
        first = pair.text.split(". ")[0]
        assert name in first and version in first
        assert " ".join(told[-2:]) in pair.text
        assert not set("{}") & set(pair.text + pair.headline)
        assert pair.text.endswith((".", "!")) and pair.text == " ".join(pair.text.split())


def test_what_is_held_out_is_in_no_training_text() -> None:
    """Protects the measure: names and changes of the test are new, and with new wordings whole sentences are."""
    train, test = (list(islice(announcements.draw(part), 1_500)) for part in ("train", "test"))
    assert not {p.headline.split()[0] for p in train} & {p.headline.split()[0] for p in test}
    learned = " ".join(p.text for p in train)
    held = [what for what in THINGS if announcements.split(what) == "test"]
    assert held and not [what for what in held if what in learned]
    sentences = {s for p in train for s in p.text.split(". ")[1:]}
    reworded = {s for p in islice(announcements.draw("test", 0, "new"), 300) for s in p.text.split(". ")[1:]}
    assert not sentences & reworded


def test_the_same_seed_gives_the_same_announcements() -> None:
    """Protects repeatability."""
    first, again, other = (list(islice(announcements.draw("train", seed), 9)) for seed in (3, 3, 4))
    assert first == again != other


def test_new_wordings_are_refused_in_training() -> None:
    """Protects the harder test: what was trained on would be new no longer."""
    with pytest.raises(ValueError, match="new wordings are for the held-out split"):
        next(announcements.draw("train", 0, "new"))
