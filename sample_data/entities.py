"""Sentences with named entities: made ones without end, and a hand-written set to be honest with.

A made sentence is a template of `entity_texts` whose places are filled with names: of persons and towns from Faker's
lists in many languages, of organisations from words and invented names. Whole templates are held out, and whole names:
a held-out sentence has a form and names that no training sentence has. The hand-written sentences come from neither.

Four kinds of entity are marked:

- PER: a person's name, without a title such as "Dr".
- ORG: a company, club, party, newspaper, agency, school; without "the".
- LOC: a named place: a country, a town, a street, a river, a building.
- DATE: what names a day, a month or a year of the calendar: "Monday", "3 May 1998", "the 1990s" without "the".

Nationalities, products, job titles and times of day are no entities here.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sample_data import entity_texts, text

Split = Literal["train", "test"]

KINDS: tuple[str, ...] = ("PER", "ORG", "LOC", "DATE")
LABELS: tuple[str, ...] = ("O", *(f"{part}-{kind}" for kind in KINDS for part in "BI"))
"""The labels of a word: outside, or at the beginning of or inside an entity of a kind."""

FOLDER = Path("docs/assets/text")
"""Where the held-out files lie."""

MADE, BY_HAND = "entities-made.json", "entities-by-hand.json"
COUNT = 600
"""Made sentences in the held-out file."""

_HELD_OUT_NAMES, _HELD_OUT_TEMPLATES = 20, 20  # of 100
_LOCALES = (
    *("cs_CZ", "da_DK", "de_DE", "en_GB", "en_IN", "en_US", "es_ES", "fi_FI", "fr_FR", "hr_HR", "hu_HU"),
    *("id_ID", "it_IT", "nl_NL", "pl_PL", "pt_BR", "ro_RO", "sv_SE", "zu_ZA"),
)
_ENGLISH = ("en_GB", "en_IN", "en_US")


class EntityError(ValueError):
    """A file or a notation cannot be read as sentences with entities."""


@dataclass(frozen=True)
class Sentence:
    """A sentence, its words, and a label for each word.

    Attributes:
        text: The sentence as it is written.
        words: Its words and punctuation marks, in order; each stands in the text.
        labels: One of `LABELS` for each word.
    """

    text: str
    words: tuple[str, ...]
    labels: tuple[str, ...]


def split_words(text: str) -> list[tuple[int, int]]:
    """Where the words and punctuation marks of a text begin and end, in characters."""
    return [found.span() for found in _WORD.finditer(text)]


_WORD = re.compile(
    r"[’']s\b|\d+(?:[.,:/-]\d+)*(?:st|nd|rd|th|s|bn)?\b|\w+(?:[-’'](?!s\b)\w+)*|[^\w\s]",
)


def annotated(marked: str) -> Sentence:
    """Read a sentence in the notation "{PER Ada Lovelace} lived in {LOC London}".

    Raises:
        EntityError: A brace is left open, or a kind is none of `KINDS`, or an entity is no whole words.
    """
    text, spans = "", []
    for plain, kind, name in re.findall(r"([^{}]*)(?:\{(\w+) ([^{}]+)\})?", marked):
        text += plain
        if kind:
            if kind not in KINDS:
                raise EntityError(f"{kind} is no kind of entity; use one of {', '.join(KINDS)}: {marked}")
            spans.append((len(text), len(text) + len(name), kind))
            text += name
    if "{" in text or "}" in text or marked.count("{") != len(spans) or marked.count("}") != len(spans):
        raise EntityError(f"a brace has no partner: {marked}")
    words = split_words(text)
    labels = ["O"] * len(words)
    for start, end, kind in spans:
        inside = [i for i, (first, last) in enumerate(words) if first >= start and last <= end]
        if not inside or words[inside[0]][0] != start or words[inside[-1]][1] != end:
            raise EntityError(f"{text[start:end]!r} begins or ends within a word: {marked}")
        for i in inside:
            labels[i] = f"{'B' if i == inside[0] else 'I'}-{kind}"
    return Sentence(text, tuple(text[first:last] for first, last in words), tuple(labels))


def _held_out(text: str, share: int) -> bool:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 100 < share


def templates(split: Split) -> list[str]:
    """The templates of a split, in order; none stands in both."""
    return [t for t in entity_texts.TEMPLATES if _held_out(t, _HELD_OUT_TEMPLATES) == (split == "test")]


def _of(split: Split, names: Iterable[str]) -> list[str]:
    """The names of a split, sorted; written in capitals or not, a name is the same."""
    return sorted({name for name in names if _held_out(name.lower(), _HELD_OUT_NAMES) == (split == "test")})


def _listed(text: str) -> list[str]:
    return text.split("|")


def _faker(kind: str, locale: str, *fields: str) -> Iterator[str]:
    """Names out of the first of these lists that Faker has for a language; sorted."""
    provider = importlib.import_module(f"faker.providers.{kind}.{locale}").Provider
    for field in fields:
        found = getattr(provider, field, ())
        names = [name if isinstance(name, str) else name[0] for name in found]
        if len(names) > 1:
            yield from sorted(set(names))
            return


@dataclass(frozen=True)
class Names:
    """The lists from which a split's names are drawn; the keys of the first two are languages."""

    first: dict[str, list[str]]
    last: dict[str, list[str]]
    towns: list[str]
    countries: list[str]
    regions: list[str]
    nature: list[str]
    streets: list[str]
    venues: list[str]
    both: list[str]
    word_first: list[str]
    word_last: list[str]
    world: list[str]
    companies: list[str]
    businesses: list[str]
    agencies: list[str]
    acronyms: list[str]
    clubs: list[str]
    universities: list[str]
    fields: list[str]
    invented: list[str]


@functools.cache
def names(split: Split) -> Names:
    """The names of a split. No name of a list stands in both splits, and no part of a person's name."""
    texts = entity_texts
    first = {locale: _of(split, _faker("person", locale, "first_names")) for locale in _LOCALES}
    last = {locale: _of(split, _faker("person", locale, "unisex_last_names", "last_names")) for locale in _LOCALES}
    geo = importlib.import_module("faker.providers.geo").Provider
    cities = {entry[2] for entry in geo.land_coords}
    for locale in ("cs_CZ", "da_DK", "de_DE", "en_IN", "fi_FI", "hr_HR", "id_ID", "nl_NL", "pl_PL", "ro_RO", "sv_SE"):
        found = list(_faker("address", locale, "cities"))
        cities.update(random.Random(0).sample(found, min(60, len(found))))
    towns = [town for town in cities if re.fullmatch(r"[^\W\d_]+(?:[ '-][^\W\d_]+){0,2}", town)]
    countries = [
        country
        for country in _faker("address", "en_US", "countries")
        if re.fullmatch(r"[^\W\d_]+(?:[ -][^\W\d_]+){0,2}", country)
    ]
    begin, middle, end = (part.split() for part in texts.SYLLABLES)
    chance = random.Random(0)
    invented = []
    for _ in range(4000):
        name = chance.choice(begin) + (chance.choice(middle) if chance.random() < 0.6 else "") + chance.choice(end)
        invented.append(name.capitalize())
    return Names(
        first=first,
        last=last,
        towns=_of(split, [*towns]),
        countries=_of(split, countries),
        regions=_of(split, _listed(texts.REGIONS)),
        nature=_of(split, _listed(texts.NATURE)),
        streets=_of(split, _listed(texts.STREETS)),
        venues=_of(split, _listed(texts.VENUES)),
        both=_of(split, _listed(texts.BOTH)),
        word_first=_of(split, _listed(texts.WORD_NAMES)),
        word_last=_of(split, _listed(texts.WORD_LAST_NAMES)),
        world=_of(split, _listed(texts.WORLD_NAMES)),
        companies=_of(split, _listed(texts.COMPANIES)),
        businesses=_of(split, _listed(texts.BUSINESSES)),
        agencies=_of(split, _listed(texts.AGENCIES)),
        acronyms=_of(split, _listed(texts.ACRONYMS)),
        clubs=_of(split, _listed(texts.CLUBS)),
        universities=_of(split, _listed(texts.UNIVERSITIES)),
        fields=_of(split, _listed(texts.FIELDS)),
        invented=_of(split, invented),
    )


class Maker:
    """Makes sentences of a split, the same ones for the same seed.

    Args:
        split: Whose templates and names to use.
        seed: Of the choices.
    """

    def __init__(self, split: Split, seed: int) -> None:
        self.chance = random.Random(f"{split} {seed}")
        self.names = names(split)
        self.templates = templates(split)
        self.cities = _of(split, _listed(entity_texts.PLACES))
        self.places: dict[str, Callable[[], tuple[str, str]]] = {
            "PER": lambda: ("PER", self.person()),
            "FIRST": lambda: ("PER", self.first()),
            "LAST": lambda: ("PER", self.last()),
            "ORG": lambda: ("ORG", self.organisation()),
            "COMPANY": lambda: ("ORG", self.company()),
            "UNI": lambda: ("ORG", self.filled(self.chance.choice(self.names.universities))),
            "AGENCY": lambda: ("ORG", self.filled(self.chance.choice(self.names.agencies))),
            "CLUB": lambda: ("ORG", self.filled(self.chance.choice(self.names.clubs))),
            "LOC": lambda: ("LOC", self.place()),
            "CITY": lambda: ("LOC", self.city()),
            "COUNTRY": lambda: ("LOC", self.chance.choice(self.names.countries)),
            "STREET": lambda: ("LOC", self.filled(self.chance.choice(self.names.streets))),
            "VENUE": lambda: ("LOC", self.filled(self.chance.choice(self.names.venues))),
            "NATURE": lambda: ("LOC", self.filled(self.chance.choice(self.names.nature))),
            "DATE": lambda: ("DATE", self.date()),
            "YEAR": lambda: ("DATE", str(self.year())),
        }

    def sentence(self, template: str | None = None) -> Sentence:
        """A sentence from a template, by default from one drawn by chance."""
        template = template or self.chance.choice(self.templates)
        chosen = re.sub(r"\[([^][]*)\]", lambda found: self.chance.choice(_listed(found[1])), template)
        marked = re.sub(r"\{(\w+)\}", self._fill, chosen.replace("  ", " "))
        marked = re.sub(r"\b([Tt])he (\{\w+) [Tt]he ", r"\1he \2 ", marked)
        marked = re.sub(r"(\{\w+) [Tt]he ", r"the \1 ", marked)
        marked = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", marked)
        marked = re.sub(r"^(\{\w+ )?([a-z])", lambda found: (found[1] or "") + found[2].upper(), marked)
        return annotated(marked)

    def _fill(self, found: re.Match[str]) -> str:
        key = found[1]
        if key in ("WEEKDAY", "MONTH"):
            return f"{{DATE {self.word(key)}}}"
        if key == "NUM":
            return str(self.chance.choice([self.chance.randint(2, 90), self.chance.randint(100, 9000)]))
        if key in entity_texts.LISTS:
            return self.word(key)
        kind, name = self.places[key]()
        return f"{{{kind} {name}}}"

    def word(self, key: str) -> str:
        """A word of one of the lists that are the same in both splits."""
        return self.chance.choice(_listed(entity_texts.LISTS[key]))

    def locale(self) -> str:
        """A language; every third time English."""
        return self.chance.choice(_ENGLISH if self.chance.random() < 0.35 else _LOCALES)

    def first(self, locale: str | None = None) -> str:
        """A first name."""
        draw = self.chance.random()
        if draw < 0.08:
            return self.chance.choice(self.names.both)
        if draw < 0.2:
            return self.chance.choice(self.names.word_first)
        return self.chance.choice(self.names.first[locale or self.locale()])

    def last(self, locale: str | None = None) -> str:
        """A last name."""
        draw = self.chance.random()
        if draw < 0.05:
            return self.chance.choice(self.names.both)
        if draw < 0.17:
            return self.chance.choice(self.names.word_last)
        return self.chance.choice(self.names.last[locale or self.locale()])

    def person(self) -> str:
        """A person as texts name them: mostly first and last name."""
        locale, draw = self.locale(), self.chance.random()
        first, last = self.first(locale), self.last(locale)
        if draw < 0.1:
            return self.chance.choice(self.names.world)
        if draw < 0.17:
            return last
        if draw < 0.22:
            return first
        if draw < 0.27:
            return f"{first} {self.chance.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        if draw < 0.31:
            return f"{first[0]}. {last}"
        if draw < 0.34:
            return f"{first} {self.first(locale)} {last}"
        return f"{first} {last}"

    def city(self) -> str:
        """A town or city."""
        draw = self.chance.random()
        if draw < 0.07:
            return self.chance.choice(self.names.both)
        return self.chance.choice(self.cities if draw < 0.45 else self.names.towns)

    def place(self) -> str:
        """A place of any kind."""
        draw = self.chance.random()
        if draw < 0.4:
            return self.city()
        if draw < 0.6:
            return self.chance.choice(self.names.countries)
        return self.chance.choice(self.names.regions)

    def company(self) -> str:
        """A company."""
        draw = self.chance.random()
        if draw < 0.3:
            return self.chance.choice(self.names.companies)
        if draw < 0.55:
            return self.chance.choice(self.names.invented)
        return self.filled(self.chance.choice(self.names.businesses))

    def organisation(self) -> str:
        """An organisation of any kind."""
        draw = self.chance.random()
        if draw < 0.45:
            return self.company()
        if draw < 0.6:
            return self.chance.choice(self.names.acronyms)
        if draw < 0.7:
            return "".join(self.chance.choice("ABCDEFGILMNOPRSTU") for _ in range(self.chance.randint(3, 4)))
        pool = self.names.agencies if draw < 0.87 else self.names.universities
        name = self.filled(self.chance.choice(pool))
        article = " of " in name or (pool is self.names.agencies and self.chance.random() < 0.5)
        return f"the {name}" if article else name  # `sentence` takes the article out of the entity

    def filled(self, pattern: str) -> str:
        """A pattern such as "Bank of {P}" with its places filled."""
        fill = {
            "{P}": self.city,
            "{F}": lambda: self.chance.choice(self.names.fields),
            "{F1}": self.first,
            "{L}": self.last,
            "{N}": lambda: self.last() if self.chance.random() < 0.6 else self.chance.choice(self.names.invented),
        }
        return re.sub(r"\{\w+\}", lambda found: fill[found[0]](), pattern)

    def year(self) -> int:
        """A year."""
        return self.chance.choice([self.chance.randint(1500, 1949), self.chance.randint(1950, 2029)])

    def date(self) -> str:
        """A date as texts write it."""
        day, month, weekday = self.chance.randint(1, 28), self.word("MONTH"), self.word("WEEKDAY")
        forms = (
            f"{day} {month} {self.year()}",
            f"{month} {day}, {self.year()}",
            f"{weekday}, {day} {month}",
            f"{day} {month}",
            f"{month} {day}",
            f"{month} {self.year()}",
            f"{weekday}",
            f"{month} {_ordinal(day)}",
            f"{_ordinal(day)} of {month}",
            f"{day}/{self.chance.randint(1, 12)}/{self.year()}",
            f"{day}.{self.chance.randint(1, 12)}.{self.year()}",
            f"{self.year()}-{self.chance.randint(1, 12):02}-{day:02}",
        )
        return self.chance.choice(forms)


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 < number < 14 else ending}"


def novel_templates(cache: Path = text.CACHE) -> list[str]:
    """Sentences of Jane Austen's novels with places for names where their persons, places, days and months stand.

    They give training a prose that no list of templates has. A sentence is taken where every capital letter in it is
    accounted for, by a rule of thumb: a word after a full stop passes, so that 54 of 9,996 sentences keep a rare name
    after "Mrs." that counts as no entity. A third of the sentences have no names at all. The last chapters of the novels are left out, as they are
    everywhere here.

    Raises:
        TextError: Where the novels cannot be had.
    """
    known = dict.fromkeys(_listed(entity_texts.NOVEL_FIRST), "FIRST")
    known |= dict.fromkeys(_listed(entity_texts.NOVEL_LAST), "LAST")
    known |= dict.fromkeys(_listed(entity_texts.NOVEL_PLACES), "CITY")
    known |= dict.fromkeys(_listed(entity_texts.LISTS["WEEKDAY"]), "WEEKDAY")
    known |= dict.fromkeys(_listed(entity_texts.LISTS["MONTH"]), "MONTH")
    usual = {"I", "Mr", "Mrs", "Miss", "Sir", "Lady", "Captain", "Colonel", "Admiral", "Dr"}
    found = set()
    for chapter in text.chapters(cache):
        if chapter.split == "train":
            for paragraph in chapter.paragraphs:
                for sentence in text.sentences(paragraph):
                    template = _emptied(sentence.replace("_", ""), known, usual)
                    if template and 5 <= template.count(" ") < 28:
                        found.add(template)
    filled, plain = (sorted(t for t in found if ("{" in t) == named) for named in (True, False))
    return sorted(filled + random.Random(0).sample(plain, min(len(plain), len(filled) // 2)))


def _emptied(sentence: str, known: dict[str, str], usual: set[str]) -> str | None:
    """A sentence with places for its names; None where a capital letter is not understood."""
    if re.search(r"[][{}|]", sentence):
        return None
    parts, done, starts = [], 0, True
    for first, last in split_words(sentence):
        word = sentence[first:last]
        if word in known:
            parts += [sentence[done:first], f"{{{known[word]}}}"]
            done = last
        elif word[0].isupper() and word not in usual and not starts:
            return None
        starts = (starts and not word[0].isalpha()) or word in ".!?\"'“”‘’:;"
    template = "".join([*parts, sentence[done:]])
    return template.replace("{FIRST} {LAST}", "{PER}")


def make(split: Split, count: int, seed: int = 0) -> list[Sentence]:
    """So many sentences of a split, the same ones for the same seed.

    Held-out sentences take the templates in turn, so that each is asked as often as any other.
    """
    maker = Maker(split, seed)
    if split == "train":
        return [maker.sentence() for _ in range(count)]
    return [maker.sentence(maker.templates[i % len(maker.templates)]) for i in range(count)]


def by_hand() -> list[Sentence]:
    """The hand-written sentences."""
    return [annotated(line) for line in entity_texts.BY_HAND]


def held_out(name: str, folder: Path = FOLDER) -> list[Sentence]:
    """Sentences of a committed file, `MADE` or `BY_HAND`.

    Raises:
        EntityError: The file is missing, or holds something else.
    """
    path = folder / name
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        return [Sentence(r["text"], tuple(r["words"]), tuple(r["labels"])) for r in records]
    except FileNotFoundError:
        raise EntityError(f"{path}: the file is missing; run `python -m sample_data.entities`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise EntityError(f"{path}: not a list of sentences ({error}); restore it") from None


def write_held_out(folder: Path = FOLDER) -> list[Path]:
    """Write the two held-out files anew, always the same bytes.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, sentences in {MADE: make("test", COUNT), BY_HAND: by_hand()}.items():
        _write(folder / name, sentences)
    return [folder / MADE, folder / BY_HAND]


def _write(path: Path, sentences: Sequence[Sentence]) -> None:
    lines = (json.dumps({"text": s.text, "words": s.words, "labels": s.labels}, ensure_ascii=False) for s in sentences)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    os.replace(fresh, path)


if __name__ == "__main__":
    for written in write_held_out():
        print(written)
