"""Number words: the pairs, their split, and errors for bad input."""

from __future__ import annotations

from itertools import islice

import pytest

from sample_data import numbers
from sample_data.numbers import Number


@pytest.mark.parametrize(
    ("item", "english", "german"),
    [
        (Number(421, "cardinal"), "four hundred and twenty-one", "vierhunderteinundzwanzig"),
        (Number(421, "ordinal"), "four hundred and twenty-first", "vierhunderteinundzwanzigste"),
        (Number(1984, "year"), "nineteen eighty-four", "neunzehnhundertvierundachtzig"),
        (Number(2_000_000_000, "cardinal"), "two billion", "zwei Milliarden"),
        (Number(0, "cardinal"), "zero", "null"),
    ],
)
def test_words(item: Number, english: str, german: str) -> None:
    """Protects both sides of a pair, in each form."""
    assert item.words() == english
    assert item.words("de_DE") == german


def test_every_language_has_words_of_its_own() -> None:
    """Protects the table of languages: no two write a number alike, and no text has stray spaces."""
    for item in islice(numbers.draw("train", 0), 200):
        words = [item.words(code) for code in (numbers.SOURCE, *numbers.TARGETS)]
        assert all(text == " ".join(text.split()) for text in words)
    assert len({Number(4_321, "cardinal").words(code) for code in (numbers.SOURCE, *numbers.TARGETS)}) == 9


def test_splits_share_no_number() -> None:
    """Protects the measure: a held-out number is trained on in no form, and small ones are never held out."""
    train = {item.value for item in islice(numbers.draw("train", 0), 5_000)}
    test = {item.value for item in numbers.held_out(1_000)}
    assert not train & test
    assert min(test) >= 100
    assert all(numbers.split(value) == "train" for value in range(100))
    share = sum(numbers.split(value) == "test" for value in range(100, 20_100)) / 20_000
    assert share == pytest.approx(0.1, abs=0.01)


def test_same_seed_same_numbers() -> None:
    """Protects repeatability."""
    assert numbers.held_out(40)[:20] == numbers.held_out(20)
    assert list(islice(numbers.draw("train", 3), 9)) == list(islice(numbers.draw("train", 3), 9))
    assert list(islice(numbers.draw("train", 3), 9)) != list(islice(numbers.draw("train", 4), 9))


def test_held_out_are_different_and_of_every_form() -> None:
    """Protects the sample: a thousand different numbers, with all forms and lengths among them."""
    items = numbers.held_out(1_000)
    assert len(set(items)) == 1_000
    assert {item.form for item in items} == set(numbers.FORMS)
    assert {len(str(item.value)) for item in items if item.form == "cardinal"} == set(range(3, 13))


@pytest.mark.parametrize(
    ("item", "language", "message"),
    [
        (Number(1, "cardinal"), "da_DK", "language 'da_DK': use one of en_XX, de_DE"),
        (Number(-1, "cardinal"), "de_DE", "-1 as cardinal: it must lie between 0 and 999999999999"),
        (Number(0, "ordinal"), "de_DE", "0 as ordinal: it must lie between 1 and 9999"),
        (Number(2024, "year"), "de_DE", "2024 as year: it must lie between 1100 and 1999"),
        (Number(1, "roman"), "de_DE", "form 'roman': use one of cardinal, ordinal, year"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_written(item: Number, language: str, message: str) -> None:
    """Protects from words that the training data does not have."""
    with pytest.raises(ValueError, match=message):
        item.words(language)


def test_no_numbers_at_all() -> None:
    """Protects from a score on nothing."""
    with pytest.raises(ValueError, match="count is 0: ask for at least one number"):
        numbers.held_out(0)
