"""Questions with their answers marked in a text: made from templates, and written by hand.

Made passages state a few facts, each in one of several wordings, with names that the package Faker
lists. Every fact stands there twice, about two persons, towns or ships, so that the kind of the answer
never suffices to find it. Whole templates and whole names are held out: none of those that a test
question uses occurs in a training passage.

The questions written by hand stand on short paragraphs of ordinary prose. They are never trained on.
Both sets of held-out questions lie in docs/assets/text and need neither Faker nor this module.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Split = Literal["train", "validation", "test"]
Kind = Literal["made", "hand"]

VERSION = 1
"""Raise it whenever a change alters a passage."""

FOLDER = Path("docs/assets/text")
"""Where the held-out questions lie: questions-made.json and questions-hand.json."""

MADE = 260
"""Passages in questions-made.json."""

_TEMPLATES = Path(__file__).with_name("question_templates.txt")
_SLOT = re.compile(r"\{(?P<name>[a-z_]+)(?P<number>\d?)(?:\.(?P<form>[a-z]+))?\}")


class QuestionError(ValueError):
    """A template or a file of questions is malformed or missing."""


@dataclass(frozen=True)
class Template:
    """Wordings of one fact, and of questions that it answers.

    Attributes:
        name: Of the template.
        split: Where its questions may be asked.
        statements: Wordings with slots such as `{town}` in them.
        questions: Each with the slot that answers it.
    """

    name: str
    split: Split
    statements: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Question:
    """One question to a passage.

    Attributes:
        text: The question.
        answers: Every wording that counts as right; each stands in the passage.
        start: Index of the first answer's first character in the passage.
        template: Name of the template, or "hand".
    """

    text: str
    answers: tuple[str, ...]
    start: int
    template: str


@dataclass(frozen=True)
class Passage:
    """A short text and the questions that it answers."""

    context: str
    questions: tuple[Question, ...]


def slots(wording: str) -> set[str]:
    """The slots of a wording: `{person.last}` and `{town2}` are "person" and "town2"."""
    return {match["name"] + match["number"] for match in _SLOT.finditer(wording)}


@cache
def templates() -> tuple[Template, ...]:
    """All templates, in the order of their file."""
    lines = [line for line in _TEMPLATES.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found = tuple(_template(block.splitlines()) for block in "\n".join(lines).strip().split("\n\n"))
    if len({template.name for template in found}) < len(found):
        raise QuestionError(f"{_TEMPLATES.name}: two templates have the same name")
    return found


def _template(lines: Sequence[str]) -> Template:
    name, _, mark = lines[0].partition(" ")
    where = f"{_TEMPLATES.name}: template {name!r}"
    if mark not in ("", "validation", "held out"):
        raise QuestionError(f"{where} is marked {mark!r}; use `validation` or `held out`")
    statements = tuple(line[2:] for line in lines[1:] if line.startswith("- "))
    questions = []
    for line in lines[1:]:
        if line.startswith("? "):
            question, sign, answer = line[2:].rpartition(" = ")
            if not sign or not slots(question):
                raise QuestionError(f"{where}: `{line}` must name a slot, and after ` = ` the one that answers")
            if not any({answer, *slots(question)} <= slots(statement) for statement in statements):
                raise QuestionError(f"{where}: no statement answers `{line}`")
            questions.append((question, answer))
        elif not line.startswith("- "):
            raise QuestionError(f"{where}: `{line}` must start with - or ?")
    if not statements or not questions:
        raise QuestionError(f"{where} needs a statement and a question")
    split: Split = "test" if mark == "held out" else "validation" if mark else "train"
    return Template(name, split, statements, tuple(questions))


# What fills the slots ----------------------------------------------------------------------------

_LOCALES = ("cs_CZ", "de_DE", "en_GB", "en_IN", "en_US", "es_ES", "fr_FR", "it_IT", "nl_NL", "pt_PT", "sv_SE")
_CITIES = ("cs_CZ", "de_DE", "en_IN", "it_IT", "nl_NL", "pl_PL", "pt_PT", "sv_SE")
_ENDINGS = ("ton", "bury", "ford", "field", "ham", "wick", "ville", " Bridge", " Hill", "port", "dale", "burg")


def _listed(names: Any) -> list[str]:
    return sorted({name.strip() for name in names if re.fullmatch(r"[^\W\d_][\w' .-]{2,17}", name.strip())})


def name_split(name: str) -> Literal["train", "test"]:
    """Where a name may occur: a hash of it decides; a fifth is held out."""
    return "test" if int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 5 == 0 else "train"


@cache
def names(
    kind: Literal["female", "male", "last", "town"], split: Literal["train", "test"], english: bool = False
) -> tuple[str, ...]:
    """Names that Faker lists for several languages or for English alone, those of one split, sorted.

    English towns are made: an English last name with an ending such as "bury".

    The lists are read, and not drawn from, so that no state of Faker plays a part.
    """
    if kind == "town" and english:
        stems = names("last", split, english=True)
        made = (stem + _ENDINGS[i % len(_ENDINGS)] for i, stem in enumerate(stems) if len(stem) < 8)
        return tuple(sorted(made))
    found: list[str] = []
    for locale in _CITIES if kind == "town" else ("en_GB", "en_US") if english else _LOCALES:
        part = "address" if kind == "town" else "person"
        provider = importlib.import_module(f"faker.providers.{part}.{locale}").Provider
        attribute = {"town": "cities", "last": "last_names"}.get(kind, f"first_names_{kind}")
        every = _listed(getattr(provider, attribute))
        found += every[:: max(1, len(every) // 400)]  # about as many of each language
    return tuple(sorted({name for name in found if name_split(name) == split}))


def _list(text: str) -> tuple[str, ...]:
    return tuple(" ".join(item.split()) for item in text.strip().split(","))


_MONTHS = _list("January, February, March, April, May, June, July, August, September, October, November, December")
_NUMBERS = _list(
    "two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, "
    "seventeen, eighteen, nineteen, twenty, twenty-one, twenty-four, thirty, thirty-five, forty, forty-two, fifty"
)
_ADJECTIVES = _list(
    "old, small, silver, broken, wooden, heavy, narrow, forgotten, painted, empty, rusty, golden, striped, folded, "
    "blue, red, green, hand-made, wild, frozen, hidden, tall, round, sleeping, Roman, Chinese, unknown, giant, "
    "torn, polished, dusty, curved, ancient, bright, burning, transparent, leather, iron, paper, glass"
)
_THINGS = _list(
    "watch, key, lamp, violin, map, compass, letter, coin, mirror, ladder, boat, bell, statue, sword, bicycle, chair, "
    "hat, basket, necklace, camera, clock, teapot, chest, umbrella, ring, vase, carpet, lantern, anchor, drum, book, "
    "helmet, wheel, harp, telescope, mask, saddle, bottle, knife, kettle, notebook, candle, shell, stove, kite"
)
_VIEWS = _list(
    "a harbour at dawn, a woman reading a letter, two horses in a field, a burning village, a bowl of lemons, "
    "three sisters at a table, a ship in a storm, an old man with a dog, a market in winter, the ruins of a temple, "
    "a boy with a kite, a mill beside a river, a wedding in the mountains, an empty railway station, "
    "a fisherman mending his net, the last whale, the fall of a city, a garden under snow, a queen on horseback, "
    "a bridge in the fog, a flock of geese, an orchard in bloom, the silver mines of the north, a lost manuscript"
)
_LISTS: dict[str, tuple[str, ...]] = {
    "month": _MONTHS,
    "weekday": _list("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "number": _NUMBERS[:14],
    "material": _list(
        "oak, limestone, granite, brick, copper, glass, marble, steel, concrete, sandstone, clay, slate, iron, bamboo, "
        "bronze, cedar, aluminium, straw, tin, lead, pine, plastic, basalt, zinc, leather, wool, ash wood, cast iron"
    ),
    "colour": _list(
        "red, blue, green, yellow, black, white, golden, silver, purple, violet, grey, brown, crimson, pink"
    ),
    "animal": _list(
        "otter, heron, badger, lynx, tortoise, eagle, pike, salamander, crane, hare, wolf, bear, stork, falcon, beaver, "
        "hedgehog, seal, owl, toad, raven, viper, crab, walrus, penguin, ibex, bat, lizard, pelican, jackal, marten, "
        "swan, octopus, gecko, moose, turtle, lion, bison, vulture, sturgeon, mole"
    ),
    "livestock": _list(
        "goats, sheep, cows, hens, geese, ducks, pigs, horses, mules, camels, donkeys, oxen, dogs, llamas"
    ),
    "crop": _list(
        "barley, rye, hops, potatoes, flax, oats, maize, sugar beet, lentils, rape, cabbages, wheat, pumpkins"
    ),
    "plant": _list(
        "yarrow, foxglove, lavender, thyme, elder, sage, hawthorn, nettle, juniper, mallow, comfrey, hemp, sorrel, "
        "valerian, rosemary, broom, heather, chicory, mint, arnica, gorse, tansy, wormwood, dill"
    ),
    "food": _list(
        "small crabs, fallen apples, beetles, roots and bark, grass seeds, snails, fish eggs, acorns, wild berries, "
        "earthworms, dried plums, chestnuts, mushrooms, white beans, mussels, onions, young leaves, dragonflies, "
        "lentils, sweet peppers, green olives, honey, walnuts, moss, frogs, carrots, termites, water plants"
    ),
    "job": _list(
        "baker, surveyor, teacher, nurse, clockmaker, miner, lawyer, carpenter, printer, sailor, midwife, painter, "
        "blacksmith, engineer, librarian, gardener, tailor, pilot, chemist, journalist, judge, weaver, fisherman, "
        "bookkeeper, actor, shepherd, postman, violin maker, taxi driver, dentist, glassblower, translator"
    ),
    "trade": _list(
        "fishing, coal mining, the wool trade, glass making, shipbuilding, farming, the timber trade, salt making, "
        "paper making, tourism, iron working, the wine trade, weaving, brewing, whaling, pottery, quarrying"
    ),
    "people": _list(
        "monks, fishermen, settlers, traders, soldiers, farmers, miners, shepherds, refugees, weavers, hunters, "
        "sailors, merchants, nuns, exiles, woodcutters"
    ),
    "product": _list(
        "bicycle bells, wooden toys, soap, cheese, wallpaper, paint, violins, shoes, tractors, glass beads, rope, "
        "ink, umbrellas, cough syrup, bearings, candles, paper bags, tea, dried fish, carpets, clocks, medicines, "
        "wine, olive oil, machine parts, cotton cloth, raincoats, chocolate, watches, steel pipes, coffee, salt"
    ),
    "instrument": _list(
        "violin, cello, flute, oboe, harp, trumpet, guitar, piano, clarinet, accordion, bassoon, horn, lute, organ, "
        "trombone, mandolin, viola, saxophone, double bass"
    ),
    "language": _list(
        "Latin, Polish, Welsh, Arabic, Greek, Dutch, Turkish, Hungarian, Swahili, Basque, Finnish, Persian, Hindi, "
        "Portuguese, Irish, Russian, Catalan, Tamil, Danish, Hebrew, Spanish, French, German, Japanese"
    ),
    "subject": _list(
        "law, medicine, botany, mathematics, theology, chemistry, history, music, geology, philosophy, astronomy, "
        "economics, physics, Latin, engineering, zoology, linguistics, architecture"
    ),
    "habitat": _list(
        "mountain streams, salt marshes, dry grassland, caves near the coast, old pine forests, flooded quarries, "
        "the deserts of the south, reed beds, rocky shores, deep lakes, city parks, peat bogs, mangrove swamps, "
        "the northern tundra, river mouths, abandoned mines"
    ),
    "place": _list(
        "the hollow of an old tree, an empty barn, the sand of the beach, a locked drawer, the attic, a tin box, "
        "the cellar of the inn, a heap of stones, the long grass, a cave by the river, the left pocket of a coat, "
        "an abandoned nest, the back of a cupboard, a crack in the wall, the forest behind the mill, a suitcase, "
        "the garden shed, a bucket of water, the roof of the station, a biscuit tin, the mud of the bank, a glass jar"
    ),
    "reason": _list(
        "heavy rain, a shortage of coal, the illness of the conductor, a strike of the drivers, high water, "
        "a fallen tree, a dispute over money, the outbreak of war, falling numbers of visitors, a broken boiler, "
        "thick fog, a power failure, the death of its owner, rising rents, a leak in the roof, damage by frost, "
        "a lack of volunteers, an unpaid debt, a cow on the tracks, strong winds, the theft of the instruments, "
        "safety concerns, an outbreak of measles, a change in the law, poor ticket sales, a lightning strike"
    ),
    "ground": _list(
        "soft clay, an old swamp, loose sand, the bed of a dried lake, a filled ditch, wet peat, broken rock, "
        "a layer of rubble, melting ice, the remains of a Roman bath"
    ),
    "cause": _list(
        "lack of sleep, salt in the soil, loud music, regular walking, breathing dust, light at night, cold water, "
        "reading aloud, too much shade, an early frost, long journeys, eating late, a diet without fruit, low pay, "
        "crowded classrooms, keeping a diary, heavy traffic, a warm winter"
    ),
    "effect": _list(
        "poor memory, smaller harvests, hearing loss, stronger bones, lung disease, fewer insects, a slower pulse, "
        "larger vocabularies, thin bark, late flowering, back pain, restless nights, bleeding gums, high turnover, "
        "weaker marks, less worry, nervous birds, more ticks"
    ),
    "collection": _list(
        "old fire engines, medieval clocks, butterflies, ship models, Roman glass, sewing machines, gold coins, "
        "fossils, stuffed birds, musical boxes, early telephones, tiles and pottery, war posters, puppets, keys, "
        "maps of the moon, wedding dresses, tin soldiers, typewriters, Chinese porcelain"
    ),
    "work": _list(
        "a study of tides, the translation of an epic poem, the discovery of a vaccine, work on crystals, "
        "a novel about miners, the map of a cave, research into sleep, a new method of welding, an opera for children, "
        "the rescue of a library, experiments with light, a history of bread, the design of a hospital"
    ),
    "device": _list(
        "steam plough, water clock, folding ladder, hand dryer, seed drill, pocket lamp, milk cooler, tide gauge, "
        "rope winch, wind pump, paper cutter, night telescope, snow blower, bread slicer, sound recorder, "
        "stone crusher, ice machine, book scanner, leaf collector, fog horn, ticket printer, egg timer"
    ),
    "purpose": _list(
        "measure the depth of wells, dry fruit in winter, warn ships of rocks, lift heavy stones, sort letters, "
        "keep milk fresh, copy drawings, clear snow from the rails, find leaks in pipes, split logs, sharpen blades, "
        "count passing cars, tune pianos, press flowers, water the fields, mix paint, cut thick leather, straighten nails"
    ),
    "tool": _list(
        "plane, chisel, file, clamp, mallet, awl, lathe, saw, drill, wrench, spatula, press, sieve, needle, hammer"
    ),
    "organ": _list(
        "long tail, thick fur, webbed feet, curved beak, broad tongue, sharp claws, whiskers, inner eyelid, hollow bones, "
        "large ears, horned head, flat teeth, sticky skin, air bladder"
    ),
    "ability": _list(
        "steer in fast water, keep warm under the ice, crack hard nuts, climb smooth walls, hear mice under snow, "
        "dig through frozen ground, see under water, find its way in the dark, stay under water for an hour, "
        "hold on to wet rock, jump over wide gaps, catch insects in flight"
    ),
    "nickname": _list(
        "the night tailor, grey uncle, the rain caller, stone eater, the thief of eggs, old whistler, wind dog, "
        "the silent guest, river king, the gardener, moon walker, the little judge"
    ),
    "habit": _list(
        "steals from kitchens, sings before a storm, never looks back, sleeps on one leg, digs at night, "
        "follows the plough, laughs like a child, carries stones in its mouth, hides from the moon, waits at doors"
    ),
    "topic": _list(
        "the new bypass, clean water, school meals, noise at night, the price of bread, public transport, old trees, "
        "flood protection, the rights of tenants, honesty, good teachers, street lighting, care for the old, "
        "the future of farming, the harbour, cheap energy, patience, waste collection, the swimming pool, housing, "
        "the history of glass, modern poetry, the language of bees, volcanoes, black holes, the sleep of fish"
    ),
    "promise": _list(
        "lower rents, a new hospital, free buses, cleaner streets, more playgrounds, a bridge over the river, "
        "an end to corruption, better pay for nurses, shorter queues, a tax on parking, a public library"
    ),
    "feature": _list(
        "a dark theme, support for old printers, a search box, automatic backups, spell checking, keyboard shortcuts, "
        "a faster parser, encrypted storage, a plug-in system, translations into Basque, an undo button, export to PDF"
    ),
    "trouble": _list(
        "the disk is full, a file name contains a space, two users log in at once, the clock is changed, "
        "the network goes down, a window is resized, the input is empty, the printer is out of paper, "
        "a picture is larger than the screen, the password contains an accent"
    ),
    "advice": _list(
        "save their work often, install the older version, avoid accented letters, restart the computer, "
        "turn off the cache, use the command line, wait for the next release, disable the sound, rename their files"
    ),
    "code": _list(
        "Python, C, Java, Rust, Perl, Haskell, Ruby, Go, Fortran, Lua, Lisp, Pascal, OCaml, C++, Erlang, Scala"
    ),
    "format": _list("PDF, audio, MIDI, video, spreadsheet, PNG, log, XML, font, calendar, map, subtitle, ZIP, e-book"),
    "illness": _list(
        "toothache, whooping cough, gout, fever, hay fever, insomnia, sore throats, burns, migraine, scurvy, eczema, "
        "malaria, snake bites, sea sickness, back pain, warts"
    ),
    "remedy": _list(
        "willow bark, hot baths, lemon juice, cold compresses, rest in a dark room, ginger tea, honey and thyme, "
        "a diet of rice, sea air, vinegar, quinine, bitter drops, iodine, long walks, goose fat, camphor"
    ),
    "ore": _list(
        "copper ore, silver, coal, rock salt, tin, iron ore, lead, zinc, sulphur, gold, chalk, potash, nickel"
    ),
    "cover": _list(
        "ice, red dust, craters, frozen methane, black sand, liquid nitrogen, grey ash, yellow sulphur, salt"
    ),
    "object": _list(
        "a falling branch, a roof tile, broken glass, a flying sign, a chimney, a loose shutter, a garden chair, "
        "a street lamp, part of a fence, a flower pot"
    ),
    "item": _list(
        "piano, bicycle, dog, television set, freezer, sewing machine, boat, car, washing machine, garden, camera"
    ),
    "dish": _list(
        "fish soup, goulash, lamb stew, pumpkin curry, onion tart, black risotto, the bean stew, apple dumplings, "
        "duck with plums, the mushroom pie, cabbage rolls, barley broth, noodles with poppy seeds, mussels in cider"
    ),
    "peak": _list(
        "Arvon, Keldur, Tamsin, Oriel, Brask, Velden, Quillon, Sarno, Ismar, Thorley, Cadrun, Ulvik, Maroth, Pellan, "
        "Drusko, Hestia, Norrun, Falke, Ostara, Zemlin, Corvan, Lurik, Amberg, Selva"
    ),
    "minute": _list("third, ninth, 17th, 23rd, 38th, 45th, 51st, 64th, 72nd, 80th, 88th, last"),
    "place_no": _list("first, second, third, fourth, fifth, seventh, ninth, tenth, twelfth, twentieth"),
}
"""Common words, the same in all splits."""

_FILLERS = (
    "Little else is known about that time.",
    "Many of the records were lost later.",
    "The weather was fine that week.",
    "Not everyone was pleased about it.",
    "The local newspaper printed a long report.",
    "Most visitors come in summer.",
    "There are no plans to change this.",
    "A photograph of the day still exists.",
    "The neighbours tell another story.",
    "Since then, much has changed.",
    "Children are admitted free of charge.",
    "It was not the first attempt.",
    "Nobody expected what followed.",
    "The costs were higher than planned.",
    "Experts are still arguing about the details.",
    "For a long time this was forgotten.",
    "The work went on through the winter.",
    "Few people noticed at first.",
    "A small plaque recalls the event.",
    "Some of it can be seen today.",
)
_OPENINGS = (
    "According to an old chronicle, ",
    "As far as we know, ",
    "It is said that ",
    "In those days, ",
    "By chance, ",
    "As is well known, ",
    "The guidebook says that ",
    "Records show that ",
)


def _article(words: str) -> str:
    return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}"


class _Values:
    """Draws values for slots; within a passage none comes twice."""

    def __init__(self, chance: random.Random, held_out: bool) -> None:
        self.chance = chance
        self.split: Literal["train", "test"] = "test" if held_out else "train"
        self.used: set[str] = set()
        self.gender: dict[str, str] = {}

    def __call__(self, slot: str) -> str:
        """A value for a slot, such as "town2", that was not drawn before."""
        kind = slot.rstrip("0123456789")
        for _ in range(200):
            value = self._draw(kind)
            if value not in self.used or kind in ("town", "prize"):  # those are names, and new already
                self.used.add(value)
                return value
        raise QuestionError(f"no value left for {slot!r}")  # lists are far longer than a passage

    def _name(self, kind: Literal["female", "male", "last", "town"]) -> str:
        pool = names(kind, self.split, english=self.chance.random() < 0.5)
        name = self.chance.choice(pool)
        while name in self.used:
            name = self.chance.choice(pool)
        self.used.add(name)
        return name

    def _draw(self, kind: str) -> str:
        if kind in _LISTS:
            return self.chance.choice(_LISTS[kind])
        made = getattr(self, f"_{kind}", None)
        if made is None:
            raise QuestionError(f"nothing fills the slot {kind!r}")
        return str(made())

    def _of(self, *choices: str) -> str:
        return self.chance.choice(choices)

    def _number(self, low: int, high: int) -> str:
        value = int(low * (high / low) ** self.chance.random())
        value = value if value < 100 else round(value, -1 if value < 5000 else -2) + self.chance.choice([0, 0, 5])
        return f"{value:,}"

    def _person(self) -> str:
        kind: Literal["female", "male"] = self.chance.choice(("female", "male"))
        name = f"{self._name(kind)} {self._name('last')}"
        self.gender[name] = kind
        return name

    def _town(self) -> str:
        return self._name("town")

    def _country(self) -> str:
        from faker.providers.address.en_GB import Provider

        return self.chance.choice(_listed(name for name in Provider.countries if "(" not in name and len(name) < 13))

    def _year(self) -> str:
        return str(self.chance.randint(1480, 2019))

    def _date(self) -> str:
        day, month = self.chance.randint(1, 28), self.chance.choice(_MONTHS)
        return self._of(f"{day} {month} {self._year()}", f"{month} {day}, {self._year()}", f"{day} {month}")

    def _age(self) -> str:
        return str(self.chance.randint(21, 99))

    def _count(self) -> str:
        return self._number(12, 60_000) if self.chance.random() < 0.7 else self.chance.choice(_NUMBERS)

    def _money(self) -> str:
        amount = self._number(3, 90_000)
        return self._of(f"£{amount}", f"${amount}", f"{amount} euros", f"{amount} francs", f"{amount} million dollars")

    def _length(self) -> str:
        return f"{self._number(12, 2_000)} {self._of('metres', 'metres', 'feet', 'yards')}"

    def _height(self) -> str:
        return f"{self._number(900, 8_000)} {self._of('metres', 'feet')}"

    def _depth(self) -> str:
        return f"{self._number(2, 90)} {self._of('centimetres', 'inches', 'cm')}"

    def _distance(self) -> str:
        return f"{self._number(4, 2_000)} {self._of('kilometres', 'miles', 'km')}"

    def _weight(self) -> str:
        return f"{self._number(2, 900)} {self._of('kilograms', 'grams', 'tonnes', 'pounds', 'kg')}"

    def _power(self) -> str:
        return f"{self._number(5, 3_000)} {self._of('watts', 'kilowatts')}"

    def _percent(self) -> str:
        return f"{self.chance.randint(3, 96)}{self._of(' per cent', '%', ' percent')}"

    def _hour(self) -> str:
        hour = self.chance.randint(1, 11)
        word = self.chance.choice(_NUMBERS[:10])
        return self._of(f"{hour} am", f"{hour} pm", f"{hour + 11}:30", f"half past {word}", f"{word} o'clock", "noon")

    def _duration(self) -> str:
        unit = self._of("days", "weeks", "months", "years", "hours", "minutes")
        count = self.chance.choice(_NUMBERS) if self.chance.random() < 0.6 else str(self.chance.randint(2, 90))
        return f"{count} {unit}"

    def _time(self) -> str:
        return f"{self.chance.randint(2, 5)} hours and {self.chance.randint(2, 59)} minutes"

    def _temperature(self) -> str:
        return f"{self._of('', 'minus ')}{self.chance.randint(2, 1400)} {self._of('degrees', 'degrees Celsius', '°C')}"

    def _version(self) -> str:
        return f"{self.chance.randint(1, 14)}.{self.chance.randint(0, 19)}"

    def _score(self) -> str:
        return f"{self.chance.randint(2, 9)}-{self.chance.randint(0, 8)}"

    def _thing(self) -> str:
        return self.chance.choice(_VIEWS) if self.chance.random() < 0.4 else self._item_a()

    def _item_a(self) -> str:
        return _article(f"{self.chance.choice(_ADJECTIVES)} {self.chance.choice(_THINGS)}")

    def _book(self) -> str:
        noun, adjective = self.chance.choice(_THINGS).title(), self.chance.choice(_ADJECTIVES).title()
        title = self._of(
            f"The {adjective} {noun}", f"A {noun} for {self._name('female')}", f"The {noun} of {self._town()}"
        )
        return f'"{title}"' if self.chance.random() < 0.4 else title

    def _museum(self) -> str:
        return f"{self._name('last')} {self._of('Museum', 'Gallery', 'Collection', 'House')}"

    def _building(self) -> str:
        return self._of(
            "town hall", "theatre", "railway station", "library", "church", "market hall", "brewery", "prison",
            "lighthouse", "cinema", "post office", "opera house", "hospital", "swimming pool", "castle", "mill",
        )  # fmt: skip

    def _river(self) -> str:
        return f"River {self._name('last')}"

    def _ship(self) -> str:
        return f"{self._of('steamer', 'frigate', 'schooner', 'ferry', 'brig')} {self._name('female')}"

    def _company(self) -> str:
        last = self._name("last")
        return self._of(f"{last} & Sons", f"{last} Ltd", f"the {last} Company", f"{last} Works", f"{last} Brothers")

    def _street(self) -> str:
        return f"{self._name('last')} {self._of('Street', 'Road', 'Lane', 'Avenue')}"

    def _event(self) -> str:
        town = self._town()
        return f"{town} {self._of('Marathon', 'Book Fair', 'Jazz Festival', 'Flower Show', 'Regatta', 'Film Week')}"

    def _prize(self) -> str:
        return self._name("last")

    def _team(self) -> str:
        return f"{self._town()} {self._of('United', 'Rovers', 'City', 'Athletic')}"

    def _general(self) -> str:
        return f"{self._of('General', 'Marshal', 'Colonel', 'Count')} {self._name('last')}"

    def _ruler(self) -> str:
        if self.chance.random() < 0.5:
            return f"King {self._name('male')} {self._of('I', 'II', 'III', 'IV')}"
        return f"Queen {self._name('female')}"

    def _restaurant(self) -> str:
        return f"the {self._of('Golden', 'Red', 'Old', 'Blue', 'Merry')} {self.chance.choice(_LISTS['animal']).title()}"

    def _program(self) -> str:
        return self._name("last").split()[-1].lower() + self._of("view", "kit", "edit", "tool", "scan", "-ng", "db")


# Passages ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fact:
    template: Template
    values: Mapping[str, str]
    text: str
    places: Mapping[str, int]  # where in the text each slot is first filled


def _filled(wording: str, values: Mapping[str, str], gender: Mapping[str, str]) -> tuple[str, dict[str, int]]:
    """The wording with its slots filled, and where each slot was first filled in full."""
    text, end = "", 0
    places: dict[str, int] = {}
    for match in _SLOT.finditer(wording):
        text += wording[end : match.start()]
        slot, form, end = match["name"] + match["number"], match["form"], match.end()
        value = values[slot]
        if form == "she":
            value = "she" if gender[value] == "female" else "he"
        elif form == "last":
            value = value.split(" ", 1)[1]
        elif form == "cap":
            value = value[0].upper() + value[1:]
        if form in (None, "cap"):
            places.setdefault(slot, len(text))
        text += value
    return text + wording[end:], places


def _fact(template: Template, draw: _Values, kept: Mapping[str, str], pronoun: bool) -> _Fact:
    """One wording of a fact; `kept` holds values that are given, `pronoun` hides the person's name."""
    choices = [s for s in template.statements if not pronoun or s.startswith("{person} ")]
    statement = draw.chance.choice(choices)
    every = sorted(set().union(*(slots(each) for each in template.statements)))
    values = {slot: kept.get(slot) or draw(slot) for slot in every}
    shown = statement
    if pronoun:
        form = "{person.she}" if draw.chance.random() < 0.7 else "{person.last}"
        shown = form + statement.removeprefix("{person}")
    elif draw.chance.random() < 0.08 and not statement.startswith(("In ", "On ", "At ")):
        small = statement[0].lower() if statement.startswith(("A ", "At ", "The ", "While ")) else statement[0]
        shown = draw.chance.choice(_OPENINGS) + small + statement[1:]
    text, places = _filled(shown, values, draw.gender)
    if shown.startswith("{"):
        text = text[0].upper() + text[1:]
    return _Fact(template, values, text, places)


def _asked(fact: _Fact, context: str, offset: int, draw: _Values) -> Iterator[Question]:
    """Every question that the fact's wording answers."""
    for question, slot in fact.template.questions:
        if slot not in fact.places or not slots(question) <= set(fact.values):
            continue
        text, _ = _filled(question, fact.values, draw.gender)
        start = offset + fact.places[slot]
        answer = context[start : start + len(fact.values[slot])]
        yield Question(text, (answer.strip('"'),), start + answer.startswith('"'), fact.template.name)


def _opened_by_person(template: Template) -> bool:
    return any(statement.startswith("{person} ") for statement in template.statements)


def passage(split: Split, index: int, ask: int = 3) -> Passage:
    """The passage of that number in a split, always the same.

    Args:
        split: Training, validation and test passages share no template, and test passages no name.
        index: Of the passage, from 0.
        ask: How many questions it has at most.

    Raises:
        ValueError: For a negative index, or no question.
    """
    if index < 0 or ask < 1:
        raise ValueError(f"index {index} must not be negative, and ask {ask} must be at least 1")
    chance = random.Random(f"questions {VERSION} {split} {index}")
    known = [template for template in templates() if template.split == split]
    draw = _Values(chance, held_out=split == "test")
    first = chance.choice(known)
    pairs: list[list[_Fact]] = []
    second = chance.choice([each for each in known if each is not first])
    if _opened_by_person(first) and _opened_by_person(second) and chance.random() < 0.7:
        # Two short lives: each has a first fact with the name, and a second one without.
        plain = "person2" not in slots(" ".join(first.statements))
        for _ in range(2):
            one = _fact(first, draw, {}, pronoun=False)
            other = _fact(second, draw, {"person": one.values["person"]}, pronoun=plain)
            pairs.append([one, other])
    else:
        pairs = [[_fact(first, draw, {}, pronoun=False)] for _ in range(2)]
        pairs += [[_fact(second, draw, {}, pronoun=False)] for _ in range(chance.choice([0, 0, 0, 1, 1, 2]))]
    chance.shuffle(pairs)
    if len(pairs) < 4 and chance.random() < 0.3:
        pairs.insert(chance.randrange(len(pairs) + 1), [])
    context = ""
    placed: list[tuple[_Fact, int]] = []
    for pair in pairs:
        for fact in pair:
            placed.append((fact, len(context)))
            context += fact.text + " "
        if not pair:
            context += chance.choice(_FILLERS) + " "
    context = context.rstrip()
    every = [question for fact, offset in placed for question in _asked(fact, context, offset, draw)]
    chance.shuffle(every)
    chosen: list[Question] = []
    for question in every:  # different answers first
        if len(chosen) < ask and question.start not in {each.start for each in chosen}:
            chosen.append(question)
    return Passage(context, tuple(chosen))


# Held-out questions ------------------------------------------------------------------------------


def held_out(kind: Kind, folder: Path = FOLDER) -> list[Passage]:
    """The held-out passages that the pages read.

    Args:
        kind: "made" from held-out templates, or written by "hand".
        folder: Where questions-made.json and questions-hand.json lie.

    Raises:
        QuestionError: Where the file is missing, or an answer does not stand in its passage.
    """
    path = folder / f"questions-{kind}.json"
    if not path.is_file():
        raise QuestionError(f"{path}: the held-out questions are missing")
    found = []
    for entry in json.loads(path.read_text(encoding="utf-8")):
        context = entry["context"]
        asked = []
        for question in entry["questions"]:
            for answer in question["answers"]:
                if answer not in context:
                    raise QuestionError(f"{path}: {answer!r} does not stand in {context[:40]!r}…")
            first = question["answers"][0]
            start = question.get("start", context.index(first))
            if context[start : start + len(first)] != first:
                raise QuestionError(f"{path}: {first!r} does not start at {start} of {context[:40]!r}…")
            asked.append(
                Question(question["question"], tuple(question["answers"]), start, question.get("template", "hand"))
            )
        found.append(Passage(context, tuple(asked)))
    return found


def write_made(folder: Path = FOLDER, count: int = MADE) -> Path:
    """Write the first test passages to questions-made.json; the file."""
    lines = []
    for index in range(count):
        made = passage("test", index)
        asked = [
            {"question": each.text, "answers": list(each.answers), "start": each.start, "template": each.template}
            for each in made.questions
        ]
        lines.append(json.dumps({"context": made.context, "questions": asked}, ensure_ascii=False))
    path = folder / "questions-made.json"
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return path


# Gaps in real prose ------------------------------------------------------------------------------

_NAME = re.compile(r"(?<=[a-z,] )(?P<gap>(?:(?:Mr|Mrs|Miss|Sir|Lady|Dr)\.? )?[A-Z][\w+-]+(?: [A-Z][\w+-]*)*)")
_FIGURE = re.compile(r" (?P<gap>\d[\d,.]*(?<![.,])(?: [a-z]+)?)")
_NOUNS = re.compile(
    r" (?:a|an|the|of|by|in|to|as|for|and|with|from) (?P<gap>(?:[a-z-]+ ){0,2}[a-z-]{4,})"
    r"(?=[,.;:]| and | or | of | in | to | for | with | that | which | is | are | was )"
)
_SMALL = frozenset(
    _list("a, an, the, of, to, in, for, and, or, with, that, which, is, are, was, it, as, by, on, be, this, from, at")
)


def gaps(documents: Sequence[tuple[str, Sequence[str]]], count: int, seed: int) -> list[Passage]:
    """Questions made from real prose by cutting a gap: its words ask, and what stood there answers.

    A few words around the gap become the question, some of them left out, with a question word in
    front or in the gap. No grammar is tried: these teach to find a place by the words around it.

    Args:
        documents: The corpus of each, and its sentences.
        count: How many passages, each with one question.
        seed: Of all choices.
    """
    chance = random.Random(f"gaps {VERSION} {seed}")
    found: list[Passage] = []
    by_corpus: dict[str, list[Sequence[str]]] = {}
    for corpus, sentences in documents:
        by_corpus.setdefault(corpus, []).append(sentences)
    while len(found) < count:
        corpus = chance.choice(sorted(by_corpus))  # as many of each, however many documents it has
        sentences = chance.choice(by_corpus[corpus])
        first = chance.randrange(len(sentences))
        chosen = list(sentences[first : first + chance.randint(2, 5)])
        while len(" ".join(chosen).split()) > 55:
            chosen.pop()
        target = chance.randrange(len(chosen)) if chosen else 0
        if not chosen or not 7 <= len(chosen[target].split()) <= 40:
            continue
        made = _gap(chosen, target, corpus, chance)
        if made is not None:
            found.append(made)
    return found


def _gap(sentences: Sequence[str], target: int, corpus: str, chance: random.Random) -> Passage | None:
    context, sentence = " ".join(sentences), sentences[target]
    kinds = [(kind, match) for kind in (_NAME, _FIGURE, _NOUNS) for match in kind.finditer(sentence)]
    if not kinds:
        return None
    kind, match = chance.choice(kinds)
    answer = match["gap"]
    if context.count(answer) != 1 or len(answer) < 2:
        return None
    if kind is _FIGURE:
        ask = "when" if re.fullmatch(r"1[4-9]\d\d|20\d\d", answer) else "how many"
    elif kind is _NAME:
        ask = "who" if corpus == "austen" else chance.choice(("what", "which"))
    else:
        ask = "what"
    before, after = sentence[: match.start("gap")].split(), sentence[match.end("gap") :].split()

    def kept(words: Sequence[str]) -> list[str]:
        cleaned = [word.strip(".,;:()\"'") for word in words]
        return [w for w in cleaned if w and chance.random() > (0.3 if w.lower() in _SMALL else 0.15)]

    left, right = kept(before[-chance.randint(3, 8) :]), kept(after[: chance.randint(3, 8)])
    if len(left) + len(right) < 3:
        return None
    words = [*left, ask, *right] if chance.random() < 0.4 else [ask, *left, *right]
    if chance.random() < 0.3:
        words = [ask, *right, *left]
    start = context.index(answer)
    return Passage(context, (Question(" ".join(words) + "?", (answer,), start, "gap"),))
