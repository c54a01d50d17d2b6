"""Numbers written out in nine languages: pairs for a translation model, exact and as many as wanted.

The package num2words spells them. A hash of the number decides whether it may be trained on, so a
held-out number is held out in every language and in every form. Its spelling is the truth here, also
in the few places where a grammar differs: Spanish has "veintiuno millones" for "veintiún millones".

Numbers below 100 are never held out: they are the words that all others are made of.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from num2words import num2words

Form = Literal["cardinal", "ordinal", "year"]
Split = Literal["train", "test"]

VERSION = 1
"""Raise it whenever a change alters a pair or a split."""

SOURCE = "en_XX"
"""The language that is translated from, by mBART's code."""

TARGETS: dict[str, str] = {
    "de_DE": "German",
    "es_XX": "Spanish",
    "fi_FI": "Finnish",
    "fr_XX": "French",
    "it_IT": "Italian",
    "nl_XX": "Dutch",
    "pl_PL": "Polish",
    "tr_TR": "Turkish",
}
"""Codes of mBART and names of the languages that are translated into."""

FORMS: tuple[Form, ...] = ("cardinal", "ordinal", "year")
"""421: four hundred and twenty-one; four hundred and twenty-first. 1984: nineteen eighty-four."""

_SHARES = (0.65, 0.25, 0.10)
_RANGES: dict[Form, tuple[int, int]] = {"cardinal": (0, 999_999_999_999), "ordinal": (1, 9_999), "year": (1_100, 1_999)}
_ALWAYS_TRAINED = 100
_HELD_OUT = 10  # one number in so many


@dataclass(frozen=True)
class Number:
    """A number and the form in which it is written."""

    value: int
    form: Form

    def words(self, language: str = SOURCE) -> str:
        """The number in words.

        Args:
            language: A code: `SOURCE`, or one of `TARGETS`.

        Raises:
            ValueError: For another language, an unknown form, or a number that the form does not cover.
        """
        if language != SOURCE and language not in TARGETS:
            raise ValueError(f"language {language!r}: use one of {', '.join([SOURCE, *TARGETS])}")
        if self.form not in _RANGES:
            raise ValueError(f"form {self.form!r}: use one of {', '.join(FORMS)}")
        low, high = _RANGES[self.form]
        if not low <= self.value <= high:
            raise ValueError(f"{self.value} as {self.form}: it must lie between {low} and {high}")
        return str(num2words(self.value, lang=language[:2], to=self.form)).strip()


def split(value: int) -> Split:
    """Where a number may occur; the same in all languages and forms."""
    if value < _ALWAYS_TRAINED:
        return "train"
    return "test" if int(hashlib.sha256(str(value).encode()).hexdigest()[:8], 16) % _HELD_OUT == 0 else "train"


def draw(wanted: Split, seed: int) -> Iterator[Number]:
    """Numbers of a split without an end, by chance; the same ones for the same seed.

    65 % are cardinal numbers up to 999,999,999,999, in which each count of digits is as likely as another;
    25 % are ordinal numbers up to 9,999, likewise; 10 % are years from 1100 to 1999, as they are read.

    Args:
        wanted: The split.
        seed: Of the choice.
    """
    chance = random.Random(f"{wanted} {seed}")
    while True:
        form = chance.choices(FORMS, _SHARES)[0]
        low, high = _RANGES[form]
        if form == "year":
            value = chance.randint(low, high)
        else:
            digits = chance.randint(1, len(str(high)))
            value = chance.randint(max(low, 0 if digits == 1 else 10 ** (digits - 1)), 10**digits - 1)
        if split(value) == wanted:
            yield Number(value, form)


def held_out(count: int, seed: int = 0) -> list[Number]:
    """The first so many different numbers of the test split.

    Args:
        count: How many.
        seed: Of the choice.

    Raises:
        ValueError: For a count below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}: ask for at least one number")
    found: dict[Number, None] = {}
    for number in draw("test", seed):
        found[number] = None
        if len(found) == count:
            break
    return list(found)
