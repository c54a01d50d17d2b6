"""Announcements of new versions of programs, each with a headline: pairs to learn summarizing from, made without an end.

An announcement is a few sentences from templates. One of them tells what has changed, and the headline says that in a fixed
form. The others are such as people write around it: thanks, a place to download from, what the version before had brought and
what the next one shall bring. So the headline cannot be found by its words alone.

Two things are held out. The names of the programs are real package names, and a hash decides which of them a training text
may have. So it is for what changes. For a harder test, each sentence also has wordings that no training text uses.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sample_data import text

Split = Literal["train", "test"]
Wordings = Literal["known", "new"]

VERSION = 1
"""Raise it whenever a change alters a pair or a split."""

_HELD_OUT = 5  # one name, and one thing, in so many

THINGS = (
    *("large screens", "dark colours", "compressed files", "old printers", "spoken commands", "several windows"),
    *("French keyboards", "touch screens", "encrypted letters", "vector graphics", "moving pictures", "large tables"),
    *("digital cameras", "network games", "secure connections", "foreign languages", "scanned pages", "binary data"),
    *("serial ports", "video files", "mailing lists", "bitmap fonts", "shared folders", "wireless networks"),
    *("remote servers", "Python modules", "musical notes", "chemical formulas", "star maps", "web cameras"),
    *("sound cards", "electronic books", "text messages", "virtual machines", "Arabic letters", "relational databases"),
)
"""What a version can begin or cease to support."""

TASKS = (
    *("opening a large file", "closing the last window", "printing in colour", "searching for a word"),
    *("sorting a long list", "reading old letters", "saving a picture", "starting without a network"),
    *("loading a saved game", "copying a folder", "playing a song", "recording sound"),
    *("drawing a curve", "checking a password", "changing the font", "moving the mouse"),
    *("reading a broken file", "sending a message", "sharing a folder", "importing a table"),
    *("solving an equation", "showing a map", "turning a page", "updating the index"),
    *("converting a video", "comparing two files", "undoing a change", "joining a conversation"),
    *("counting the lines", "writing to a disk", "cutting a film", "rotating a photo"),
)
"""What can be faster, or go wrong no longer."""

_CHANGES: dict[str, tuple[tuple[str, ...], str, tuple[str, ...], tuple[str, ...]]] = {
    # What it is about, the headline, the wordings in training, the wordings that are held out.
    "adds": (
        THINGS,
        "adds support for {what}",
        (
            *("It can now handle {what}.", "Support for {what} is new.", "From now on you can use it with {what}."),
            *("It has learned to work with {what}.", "Now it knows about {what} too.", "We have added {what}."),
            *("At last, {what} can be used.", "What is new is support for {what}.", "It understands {what} now."),
        ),
        ("At last, it supports {what}.", "New is that it can deal with {what}."),
    ),
    "drops": (
        THINGS,
        "drops support for {what}",
        (
            *(
                "It can no longer handle {what}.",
                "Support for {what} has been removed.",
                "It knows nothing of {what} now.",
            ),
            *("You cannot use it with {what} any more.", "It does not work with {what} any longer."),
            *(
                "We have taken out {what}.",
                "What is gone is support for {what}.",
                "It cannot understand {what} any more.",
            ),
            "Nobody used it with {what}, so we have removed this.",
        ),
        ("It has ceased to support {what}.", "What it cannot deal with any more is {what}."),
    ),
    "fixes": (
        TASKS,
        "fixes a crash when {what}",
        (
            *("It does not crash any more when {what}.", "A crash when {what} has been repaired."),
            *("It used to stop when {what}, which is mended.", "An error when {what} is gone."),
            *("We have found out why it crashed when {what}.", "No more crashes when {what}!"),
            *("It sometimes died when {what}, but this is over.", "What is repaired is a crash when {what}."),
            "You can rely on it when {what}, where it used to crash.",
        ),
        ("The known crash when {what} is a thing of the past.", "You need not fear a crash any more when {what}."),
    ),
    "faster": (
        TASKS,
        "is faster when {what}",
        (
            *(
                "It needs half the time when {what}.",
                "You wait less when {what}.",
                "It has become quicker when {what}.",
            ),
            *("It is twice as fast as before when {what}.", "We have made it much faster when {what}."),
            *("You will feel its new speed when {what}.", "It was slow when {what}, and is so no longer."),
            *("What is better is its speed when {what}.", "It takes only a second now when {what}."),
        ),
        ("Speed has doubled when {what}.", "It takes less time than before when {what}."),
    ),
}

_FUTURE = {
    "adds": "support for {what} is planned",
    "drops": "support for {what} will be removed",
    "fixes": "a crash when {what} will be repaired",
    "faster": "it shall become faster when {what}",
}
_PAST = {
    "adds": "had brought support for {what}",
    "drops": "had removed support for {what}",
    "fixes": "had repaired a crash when {what}",
    "faster": "was already faster when {what}",
}

_OPENINGS = (
    (
        *(
            "Version {version} of {name} is out.",
            "{name} {version} has been released.",
            "Meet {name} in version {version}.",
        ),
        *("We are happy to announce {name} {version}.", "After long work, {name} {version} is ready."),
        *(
            "There is a new version of {name}, {version}.",
            "Today we present {name} {version}.",
            "{name} is now at {version}.",
        ),
        "The program {name} has got its version {version}.",
    ),
    ("{name} has reached version {version}.", "Here is {name} {version}, which many have waited for."),
)
_AFTER = (
    (
        "For the next version, {change}.",
        "Later this year, {change}.",
        "In a later version, {change}.",
        "Soon, {change}.",
    ),
    ("In the version after this one, {change}.",),
)
_BEFORE = (
    ("The version before {change}.", "The last one {change}.", "The old version {change}.", "Last year, it {change}."),
    ("Its predecessor {change}.",),
)
_AROUND = (
    (
        *(
            "Thanks to all who have helped.",
            "You can download it from the usual place.",
            "Please tell us about mistakes.",
        ),
        *("The manual has been brought up to date.", "Packages for most systems will follow.", "It is free software."),
        *(
            "There are translations into many languages.",
            "We wish you much joy with it.",
            "Five people have worked on it.",
        ),
        *("Some small mistakes have been corrected.", "The web page has got a new look.", "Nothing else has changed."),
    ),
    ("Our thanks go to the testers.", "You will find the source on our pages.", "Questions are welcome on the list."),
)


@dataclass(frozen=True)
class Announcement:
    """A text and its headline.

    Attributes:
        text: The announcement, of four to six sentences.
        headline: What it says, in one line.
    """

    text: str
    headline: str


def split(word: str) -> Split:
    """Whether a name or a thing may occur in training."""
    return "test" if int(hashlib.sha256(word.encode()).hexdigest()[:8], 16) % _HELD_OUT == 0 else "train"


def names(wanted: Split) -> list[str]:
    """Names of programs: those of real packages that are one word of four to nine letters, no library.

    Args:
        wanted: The split.

    Raises:
        TextError: Where the file of descriptions is missing or damaged.
    """
    found = {package.name for package in text.held_out_sections()}
    return sorted(
        n for n in found if n.isalpha() and 4 <= len(n) <= 9 and not n.startswith("lib") and split(n) == wanted
    )


def draw(wanted: Split, seed: int = 0, wordings: Wordings = "known") -> Iterator[Announcement]:
    """Announcements of a split without an end, by chance; the same ones for the same seed.

    Args:
        wanted: The split. A held-out announcement has a name, and things or tasks, that no training text has.
        seed: Of the choice.
        wordings: "new" for sentences that no training text uses; for the held-out split.

    Raises:
        ValueError: For new wordings in training.
    """
    chance = random.Random(f"{wanted} {seed}")
    if wanted == "train" and wordings == "new":
        raise ValueError("new wordings are for the held-out split: in training they would be new no longer")
    place = 0 if wordings == "known" else 1
    programs = names(wanted)

    def something(kind: str, without: str = "") -> str:
        """What a change of a kind is about, of this split."""
        return chance.choice([what for what in _CHANGES[kind][0] if split(what) == wanted and what != without])

    while True:
        name, version = chance.choice(programs), f"{chance.randint(1, 9)}.{chance.randint(0, 9)}"
        kind = chance.choice(list(_CHANGES))
        what = something(kind)
        _, headline, *sentences = _CHANGES[kind]
        rest = [chance.choice(sentences[place]).format(what=what), *chance.sample(_AROUND[place], chance.randint(1, 2))]
        for told, frames in ((_FUTURE, _AFTER), (_PAST, _BEFORE)):
            if chance.random() < 0.5:
                other = chance.choice(list(told))
                change = told[other].format(what=something(other, what))
                rest.append(chance.choice(frames[place]).format(change=change))
        chance.shuffle(rest)
        opening = chance.choice(_OPENINGS[place]).format(name=name, version=version)
        yield Announcement(" ".join([opening, *rest]), f"{name} {version} {headline.format(what=what)}")
