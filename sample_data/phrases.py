"""English sentences and their German translations, from a small grammar: pairs that are exact, and as many as wanted.

The sentences are small, and the two languages differ in them as they do in large ones. A German article and adjective
depend on gender and case. The verb stands second in a main clause and last in a subordinate one. Time goes before the object.

What is held out are pairs of an adjective and a noun. A held-out sentence has one that no training sentence has: its words
are all known, and their meeting is new.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "test"]
Gender = Literal["m", "f", "n"]
Case = Literal["nominative", "accusative"]

VERSION = 1
"""Raise it whenever a change alters a pair or a split."""

_HELD_OUT = 5  # one pair of adjective and noun in so many


@dataclass(frozen=True)
class Noun:
    """A noun in both languages.

    Attributes:
        english: The singular.
        german: The singular; nominative and accusative are the same for these nouns.
        gender: Of the German noun.
        plural: English and German; empty for nouns that are only used in the singular.
    """

    english: str
    german: str
    gender: Gender
    plural: tuple[str, str] = ("", "")


PERSONS = (
    Noun("captain", "Kapitän", "m"),
    Noun("woman", "Frau", "f"),
    Noun("child", "Kind", "n"),
    Noun("king", "König", "m"),
    Noun("nurse", "Schwester", "f"),
    Noun("girl", "Mädchen", "n"),
    Noun("teacher", "Lehrer", "m"),
    Noun("aunt", "Tante", "f"),
)
"""Those who do something."""

OBJECTS = (
    Noun("boat", "Boot", "n", ("boats", "Boote")),
    Noun("hat", "Hut", "m", ("hats", "Hüte")),
    Noun("lamp", "Lampe", "f", ("lamps", "Lampen")),
    Noun("book", "Buch", "n", ("books", "Bücher")),
    Noun("letter", "Brief", "m", ("letters", "Briefe")),
    Noun("clock", "Uhr", "f", ("clocks", "Uhren")),
    Noun("house", "Haus", "n", ("houses", "Häuser")),
    Noun("table", "Tisch", "m", ("tables", "Tische")),
    Noun("flower", "Blume", "f", ("flowers", "Blumen")),
    Noun("picture", "Bild", "n", ("pictures", "Bilder")),
)
"""What it is done to."""

ADJECTIVES = {
    **{"red": "rot", "old": "alt", "small": "klein", "new": "neu", "beautiful": "schön", "green": "grün"},
    **{"heavy": "schwer", "white": "weiß", "cheap": "billig", "black": "schwarz"},
}
"""Of objects. All take the plain endings."""

OF_PERSONS = {
    "old": "alt",
    "young": "jung",
    "clever": "klug",
    "rich": "reich",
    "friendly": "freundlich",
    "tall": "groß",
}
"""Of persons; they take the plain endings too."""

VERBS = {
    "see": ("sees", "sehen", "sieht"),
    "buy": ("buys", "kaufen", "kauft"),
    "paint": ("paints", "malen", "malt"),
    "find": ("finds", "finden", "findet"),
    "take": ("takes", "nehmen", "nimmt"),
    "sell": ("sells", "verkaufen", "verkauft"),
    "need": ("needs", "brauchen", "braucht"),
    "bring": ("brings", "bringen", "bringt"),
}
"""Infinitive: third person, German infinitive, German third person."""

NUMBERS = {"two": "zwei", "three": "drei", "four": "vier", "five": "fünf", "six": "sechs", "seven": "sieben"}
TIMES = {"today": "heute", "tomorrow": "morgen", "now": "jetzt", "often": "oft"}
MODALS = {"can": "kann", "must": "muss", "wants to": "will"}
FRAMES = {
    "I believe that": "Ich glaube, dass",
    "We hear that": "Wir hören, dass",
    "They laugh because": "Sie lachen, weil",
}

_DEFINITE = {("m", "nominative"): "der", ("m", "accusative"): "den"}  # those of the others have one form for both cases


@dataclass(frozen=True)
class Pair:
    """A sentence in two languages."""

    english: str
    german: str


def split(adjective: str, noun: str) -> Split:
    """Whether an English adjective may stand before a noun in training."""
    digest = hashlib.sha256(f"{adjective} {noun}".encode()).hexdigest()
    return "test" if int(digest[:8], 16) % _HELD_OUT == 0 else "train"


def held_out() -> list[str]:
    """The pairs of adjective and noun that no training sentence has, in English: "red lamp"."""
    return [f"{a} {noun.english}" for a in ADJECTIVES for noun in OBJECTS if split(a, noun.english) == "test"]


def adjective_ending(article: Literal["definite", "indefinite", "number"], gender: Gender, case: Case) -> str:
    """The ending of a German adjective, in the singular, or after a number."""
    if article == "number":
        return "e"
    if gender == "m" and case == "accusative":
        return "en"
    if article == "definite" or gender == "f":
        return "e"
    return "er" if gender == "m" else "es"


def _phrase(chance: random.Random, noun: Noun, adjective: str, german: str, case: Case) -> tuple[str, str]:
    """A noun with its article or number, and an adjective where there is one, in both languages."""
    kinds: list[Literal["definite", "indefinite", "number"]] = ["definite", "indefinite"]
    kind = chance.choice([*kinds, "number"] if noun.plural[0] else kinds)
    middle = f"{adjective} " if adjective else ""
    german = f"{german}{adjective_ending(kind, noun.gender, case)} " if german else ""
    if kind == "number":
        number = chance.choice(list(NUMBERS))
        return f"{number} {middle}{noun.plural[0]}", f"{NUMBERS[number]} {german}{noun.plural[1]}"
    if kind == "definite":
        definite = _DEFINITE.get((noun.gender, case)) or {"f": "die", "n": "das"}[noun.gender]
        return f"the {middle}{noun.english}", f"{definite} {german}{noun.german}"
    article = {"m": "einen" if case == "accusative" else "ein", "f": "eine", "n": "ein"}[noun.gender]
    english = "an" if (middle or noun.english)[0] in "aeiou" else "a"
    return f"{english} {middle}{noun.english}", f"{article} {german}{noun.german}"


def draw(wanted: Split, seed: int = 0) -> Iterator[Pair]:
    """Pairs of a split without an end, by chance; the same ones for the same seed.

    Args:
        wanted: The split. In a held-out sentence the object has an adjective that it has in no training sentence.
        seed: Of the choice.
    """
    chance = random.Random(f"{wanted} {seed}")
    while True:
        person, thing = chance.choice(PERSONS), chance.choice(OBJECTS)
        of_person, of_thing = (
            chance.choice(list(known.items())) if chance.random() < 0.6 else ("", "")
            for known in (OF_PERSONS, ADJECTIVES)
        )
        new = bool(of_thing[0]) and split(of_thing[0], thing.english) == "test"
        if new != (wanted == "test"):
            continue
        subject = _phrase(chance, person, *of_person, "nominative")
        of = _phrase(chance, thing, *of_thing, "accusative")
        verb, time = chance.choice(list(VERBS)), chance.choice(list(TIMES))
        third, infinitive, german = VERBS[verb]
        form = chance.randrange(4)
        if form == 0:  # the object comes after the time
            pair = f"{subject[0]} {third} {of[0]} {time}", f"{subject[1]} {german} {TIMES[time]} {of[1]}"
        elif form == 1:  # the verb stays second
            pair = f"{time} {subject[0]} {third} {of[0]}", f"{TIMES[time]} {german} {subject[1]} {of[1]}"
        elif form == 2:  # the infinitive goes to the end
            modal = chance.choice(list(MODALS))
            pair = f"{subject[0]} {modal} {verb} {of[0]}", f"{subject[1]} {MODALS[modal]} {of[1]} {infinitive}"
        else:  # the verb goes to the end
            frame = chance.choice(list(FRAMES))
            pair = f"{frame} {subject[0]} {third} {of[0]}", f"{FRAMES[frame]} {subject[1]} {of[1]} {german}"
        yield Pair(*(f"{line[0].upper()}{line[1:]}." for line in pair))
