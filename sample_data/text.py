"""Real English text with known sources: Debian's package descriptions and Jane Austen's six novels.

Both come out of the archive of a Debian system, through the apt sources configured there: the
descriptions from its package lists, the novels from the package r-cran-janeaustenr. `packages` and
`chapters` fetch them once, without touching the system's own lists, and keep what they need in a
cache folder. What the pages and the tests read lies in docs/assets/text instead: small files of
held-out text, which `write_held_out` makes and which need neither apt nor a network.

Descriptions are split by the source package they are built from, so that sister packages, which
share sentences, never stand on both sides. Of each novel the last chapters are held out.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import random
import re
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sample_data.debian import Apt

Split = Literal["train", "validation", "test"]
Corpus = Literal["debian", "austen"]

VERSION = 1
"""Part of the cache's path: raise it whenever a change alters a text or a split."""

CACHE = Path(".cache/text")
FOLDER = Path("docs/assets/text")
"""Where the held-out files lie."""

SECTIONS: tuple[str, ...] = (
    "admin",
    "editors",
    "fonts",
    "games",
    "graphics",
    "mail",
    "math",
    "net",
    "science",
    "sound",
    "text",
    "web",
)
"""Sections of the archive that a description can be sorted into; each has 250 to learn from."""

NOVELS: dict[str, str] = {
    "emma": "Emma",
    "mansfieldpark": "Mansfield Park",
    "northangerabbey": "Northanger Abbey",
    "persuasion": "Persuasion",
    "prideprejudice": "Pride and Prejudice",
    "sensesensibility": "Sense and Sensibility",
}
"""Names in the R package, and titles."""

HELD_OUT_OF_NOVEL = 0.05
"""Share of each novel's characters, at its end and rounded to whole chapters, that is held out."""

_TEST, _VALIDATION = 20, 4  # of 100 source packages
_R_PACKAGE = "r-cran-janeaustenr"
_PAIRS: dict[Corpus, int] = {"debian": 1_400, "austen": 600}
_SEED = 5


class TextError(OSError):
    """The text is neither in the cache nor to be fetched."""


@dataclass(frozen=True)
class Package:
    """One package of the archive.

    Attributes:
        name: Of the package, such as "0ad-data-common".
        source: The source package it is built from, such as "0ad-data".
        section: Where the archive files it, such as "games".
        synopsis: One line.
        paragraphs: The long description; an item of a list is a paragraph that starts with "- ".
    """

    name: str
    source: str
    section: str
    synopsis: str
    paragraphs: tuple[str, ...]

    @property
    def split(self) -> Split:
        """The split of its source package."""
        return split(self.source)

    @property
    def text(self) -> str:
        """The long description as one text, its paragraphs separated by an empty line."""
        return "\n\n".join(self.paragraphs)


@dataclass(frozen=True)
class Chapter:
    """One chapter of a novel.

    Attributes:
        novel: The title.
        number: Counted through the novel from 1, whatever its volumes do.
        split: "train", or "test" for the last chapters of the novel.
        paragraphs: Each without line breaks.
    """

    novel: str
    number: int
    split: Split
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """Two sentences for next-sentence prediction, from documents that were never trained on.

    Attributes:
        first: A sentence.
        second: The sentence that follows it, or one from another document of the same corpus.
        follows: Whether it does.
        corpus: "debian" or "austen".
    """

    first: str
    second: str
    follows: bool
    corpus: Corpus


def split(source: str) -> Split:
    """The split that a source package belongs to: a hash of its name decides."""
    number = int(hashlib.sha256(source.encode()).hexdigest()[:8], 16) % 100
    if number < _TEST:
        return "test"
    return "validation" if number < _TEST + _VALIDATION else "train"


def packages(cache: Path = CACHE) -> list[Package]:
    """Every package of the archive, ordered by name.

    Raises:
        TextError: Where the cache does not hold them and apt cannot fetch them.
    """
    records = _cached(cache, "debian", _fetch_packages)
    return [Package(**{**record, "paragraphs": tuple(record["paragraphs"])}) for record in records]


def chapters(cache: Path = CACHE) -> list[Chapter]:
    """The chapters of the six novels, in order.

    Raises:
        TextError: Where the cache does not hold them and apt cannot fetch them.
    """
    records = _cached(cache, "austen", _fetch_chapters)
    return [Chapter(**{**record, "paragraphs": tuple(record["paragraphs"])}) for record in records]


def sentences(paragraph: str) -> list[str]:
    """A paragraph cut after each full stop, question or exclamation mark that ends a sentence.

    A rule of thumb: it knows titles and the commonest abbreviations, and takes what follows for a
    new sentence only where it starts like one.
    """
    found, start = [], 0
    for end in _END.finditer(paragraph):
        before = paragraph[start : end.end(1)]
        if _ABBREVIATION.search(before):
            continue
        found.append(before.strip())
        start = end.end()
    found.append(paragraph[start:].strip())
    return [sentence for sentence in found if sentence]


_END = re.compile(r"""([.!?]["')\]]*)\s+(?=["'(\[]*[A-Z0-9])""")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Dr|St|Messrs|vs|etc|e\.g|i\.e|cf|No|Inc|[A-Z]))\.[\"')\]]*$")


def documents(split_name: Split, cache: Path = CACHE) -> Iterator[tuple[Corpus, str, list[str]]]:
    """Texts of several sentences in order: descriptions with their synopsis, and chapters.

    A sentence that many packages share is boilerplate; it is given once for each source package
    and at most three times in all. Sentences of fewer than three words are left out.

    Args:
        split_name: "train", "validation" (descriptions alone) or "test".
        cache: Where the texts are kept.

    Yields:
        The corpus, the document's name (a source package, or novel and chapter), its sentences.
    """
    seen: dict[str, int] = {}
    once: set[tuple[str, str]] = set()
    for package in packages(cache):
        if package.split != split_name:
            continue
        kept = []
        for paragraph in (package.synopsis, *package.paragraphs):
            for sentence in sentences(paragraph.removeprefix("- ")):
                key = _key(sentence)
                if key.count(" ") < 2 or seen.get(key, 0) >= 3 or (package.source, key) in once:
                    continue
                once.add((package.source, key))
                seen[key] = seen.get(key, 0) + 1
                kept.append(sentence)
        if kept:
            yield "debian", package.source, kept
    for chapter in chapters(cache):
        if chapter.split == split_name:
            kept = [s for p in chapter.paragraphs for s in sentences(p) if _key(s).count(" ") >= 2]
            yield "austen", f"{chapter.novel} {chapter.number}", kept


def held_out_sections(folder: Path = FOLDER) -> list[Package]:
    """Held-out packages of the twelve `SECTIONS`, as committed; shuffled.

    Raises:
        TextError: Where the file is missing or damaged.
    """
    records = _read(folder / "held-out-sections.json.gz")
    return [Package(**{**record, "paragraphs": tuple(record["paragraphs"])}) for record in records]


def held_out_chapters(folder: Path = FOLDER) -> list[Chapter]:
    """Held-out chapters of the novels, as committed.

    Raises:
        TextError: Where the file is missing or damaged.
    """
    records = _read(folder / "held-out-austen.json.gz")
    return [Chapter(**{**record, "paragraphs": tuple(record["paragraphs"])}) for record in records]


def held_out_pairs(folder: Path = FOLDER) -> list[Pair]:
    """Held-out sentence pairs, as committed: half of them consecutive; shuffled.

    Raises:
        TextError: Where the file is missing or damaged.
    """
    return [Pair(**record) for record in _read(folder / "held-out-pairs.json.gz")]


def section_packages(split_name: Split, cache: Path = CACHE) -> list[Package]:
    """Packages of the twelve `SECTIONS`, one for each distinct description; ordered by name.

    In the held-out splits a package is left out where its synopsis or the first paragraph of its
    description also stands in a training one.

    Args:
        split_name: "train", "validation" or "test".
        cache: Where the texts are kept.
    """
    everything = [p for p in packages(cache) if p.section in SECTIONS and len(p.text) >= 60]
    known: set[str] = set()
    if split_name != "train":
        for package in everything:
            if package.split == "train":
                known.update((_key(package.synopsis), _key(package.paragraphs[0])))
    found: dict[tuple[str, str], Package] = {}
    for package in everything:
        opening = {_key(package.synopsis), _key(package.paragraphs[0])}
        if package.split == split_name and not opening & known:
            found.setdefault((package.synopsis, package.text), package)
    return list(found.values())


def write_held_out(folder: Path = FOLDER, cache: Path = CACHE) -> list[Path]:
    """Write the held-out files anew, the same bytes whenever the texts are the same.

    Returns:
        The files.

    Raises:
        TextError: Where the texts cannot be had.
    """
    chance = random.Random(_SEED)
    held = section_packages("test", cache)
    chance.shuffle(held)
    last = [chapter for chapter in chapters(cache) if chapter.split == "test"]
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "held-out-sections.json.gz": [asdict(package) for package in held],
        "held-out-austen.json.gz": [asdict(chapter) for chapter in last],
        "held-out-pairs.json.gz": [asdict(pair) for pair in _pairs(random.Random(_SEED), cache)],
    }
    for name, records in files.items():
        _write(folder / name, records)
    return [folder / name for name in files]


def _pairs(chance: random.Random, cache: Path) -> list[Pair]:
    """Pairs of sentences that occur nowhere in training, half of them consecutive."""
    trained = {_key(sentence) for _, _, found in documents("train", cache) for sentence in found}
    candidates: dict[Corpus, list[tuple[str, str, str]]] = {"debian": [], "austen": []}
    for corpus, name, found in documents("test", cache):
        for first, second in itertools.pairwise(found):
            if all(5 <= s.count(" ") < 30 and len(s) <= 160 and _key(s) not in trained for s in (first, second)):
                candidates[corpus].append((name, first, second))
    pairs: list[Pair] = []
    for corpus, count in _PAIRS.items():
        chosen = chance.sample(candidates[corpus], min(count, len(candidates[corpus])))
        others = [(name, second) for name, _, second in chosen]
        for i, (name, first, second) in enumerate(chosen):
            follows = i % 2 == 0
            if not follows:
                second = chance.choice([other for whose, other in others if whose != name])
            pairs.append(Pair(first, second, follows, corpus))
    chance.shuffle(pairs)
    return pairs


def _key(sentence: str) -> str:
    """A sentence as its lower-case words: what counts as the same."""
    return " ".join(re.findall(r"[a-z0-9]+", sentence.lower()))


def _write(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """JSON, one record a line, compressed; no time stamp, and whole or not at all."""
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(gzip.compress(f"[\n{lines}\n]\n".encode(), 9, mtime=0))
    os.replace(fresh, path)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        records = json.loads(gzip.decompress(path.read_bytes()))
    except FileNotFoundError:
        raise TextError(f"{path}: the file is missing; restore it or run `python -m sample_data.text`") from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise TextError(f"{path}: the file is damaged ({error}); restore it or delete it and fetch it again") from None
    assert isinstance(records, list)
    return records


def _cached(cache: Path, name: str, fetch: Any) -> list[dict[str, Any]]:
    path = cache / f"v{VERSION}" / f"{name}.json.gz"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as folder:
            records = fetch(Apt(Path(folder), TextError))
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, records)
    return _read(path)


def _stanzas(paths: Iterable[Path]) -> Iterator[dict[str, str]]:
    """The stanzas of apt's lists as fields; continued lines keep their first space."""
    for path in paths:
        for stanza in path.read_text(encoding="utf-8").split("\n\n"):
            fields: dict[str, str] = {}
            name = ""
            for line in stanza.split("\n"):
                if line.startswith(" "):
                    fields[name] += f"\n{line}"
                elif ": " in line:
                    name, value = line.split(": ", 1)
                    fields[name] = value
                elif line.endswith(":"):
                    name = line[:-1]
                    fields[name] = ""
            if "Package" in fields:
                yield fields


def _fetch_packages(apt: Apt) -> list[dict[str, Any]]:
    """Sections and sources from the lists of packages, texts from those of translations."""
    described: dict[str, str] = {}
    for fields in _stanzas(apt.lists("Translations")):
        described.setdefault(fields["Description-md5"], fields.get("Description-en", ""))
    found: dict[str, Package] = {}
    for fields in _stanzas(apt.lists("Packages")):
        name, description = fields["Package"], described.get(fields.get("Description-md5", ""))
        if description and name not in found:
            synopsis, _, rest = description.partition("\n")
            found[name] = Package(
                name=name,
                source=fields.get("Source", name).split(" ")[0],
                section=fields.get("Section", "").rpartition("/")[2],
                synopsis=_clean(synopsis),
                paragraphs=tuple(_paragraphs(rest)),
            )
    return [asdict(found[name]) for name in sorted(found)]


def _paragraphs(description: str) -> Iterator[str]:
    """The paragraphs of a long description; see `Package.paragraphs`."""
    lines: list[str] = []
    for line in [*description.split("\n"), " ."]:
        bullet = re.match(r"\s*[-*+•o]\s+(?=\S)", line)
        stop = line.strip() in (".", "")
        # A deeper indent continues a list's item, and is a line of its own elsewhere.
        apart = line.startswith("  ") and not (lines and lines[0].startswith("- "))
        if lines and (stop or bullet or apart or (lines[0].startswith("- ") and not line.startswith("  "))):
            yield _clean(" ".join(lines))
            lines = []
        if not stop:
            lines.append(f"- {line[bullet.end() :]}" if bullet else line)


def _clean(text: str) -> str:
    """One space between words, plain quotation marks, a dash for two hyphens, no emphasis."""
    for old, new in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("``", '"'), ("''", '"'), ("--", "—")):
        text = text.replace(old, new)
    return " ".join(re.sub(r"(?<![\w/])_+([^_]+?)_+(?![\w/])", r"\1", text).split())


def _fetch_chapters(apt: Apt) -> list[dict[str, Any]]:
    """Downloads the R package, unpacks it and reads the novels out of its database."""
    folder = apt.unpacked(_R_PACKAGE)
    try:
        (index,) = folder.rglob("data/Rdata.rdx")
        database = index.with_suffix(".rdb").read_bytes()
        variables = read_r(zlib.decompress(index.read_bytes(), 47))["variables"]
        lines = {
            # A slice is the length of what it holds in four bytes, then that, compressed.
            name: read_r(zlib.decompress(database[start + 4 : start + length]))
            for name, (start, length) in variables.items()
        }
    except (OSError, ValueError, KeyError, zlib.error, struct.error) as error:
        raise TextError(f"{_R_PACKAGE} does not hold the novels as expected: {error}") from None
    return [asdict(chapter) for name, title in NOVELS.items() for chapter in _novel(title, lines[name])]


_HEADING = re.compile(r"^\s*chapter [ivxlc\d]+\.?\s*$", re.IGNORECASE)
_APART = re.compile(r"^\s*(volume [ivx]+|finis|the end)\.?\s*$", re.IGNORECASE)
_AFTER = re.compile(r"^\s*A NOTE ON THE TEXT\s*$")


def _novel(title: str, lines: Sequence[str]) -> list[Chapter]:
    """Cuts a novel, given as printed lines, into chapters and paragraphs."""
    found: list[list[str]] = []
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if _AFTER.match(line):
            break
        heading = _HEADING.match(line)
        if heading or _APART.match(line) or not line.strip():
            if paragraph and found:
                found[-1].append(_clean(" ".join(paragraph)))
            paragraph = []
            if heading:
                found.append([])
        else:
            paragraph.append(line)
    sizes = [sum(map(len, paragraphs)) for paragraphs in found]
    held = 1
    while sum(sizes[-held:]) < HELD_OUT_OF_NOVEL * sum(sizes):
        held += 1
    return [
        Chapter(title, i + 1, "test" if i >= len(found) - held else "train", tuple(paragraphs))
        for i, paragraphs in enumerate(found)
    ]


def read_r(raw: bytes) -> Any:
    """Read an object that R serialised: lists, texts and whole numbers, with their names.

    Args:
        raw: The uncompressed bytes, in R's binary format of version 2 or 3.

    Returns:
        A list; or a dictionary where the elements have names.

    Raises:
        ValueError: For another format, or for kinds of values that the novels do not need.
    """
    if raw[:2] != b"X\n":
        raise ValueError("not R's binary format")
    at = 2

    def number() -> int:
        nonlocal at
        (value,) = struct.unpack_from(">i", raw, at)
        at += 4
        return int(value)

    def text(length: int) -> str | None:
        nonlocal at
        if length < 0:
            return None  # R's missing text
        at += length
        return raw[at - length : at].decode()

    symbols: list[Any] = []

    def item() -> Any:
        flags = number()
        kind, has_attributes, has_tag = flags & 255, flags & 512, flags & 1024
        if kind == 254:  # nothing
            return None
        if kind == 255:  # a symbol that occurred before
            return symbols[(flags >> 8 or number()) - 1]
        if kind == 1:  # a symbol
            symbols.append(item())
            return symbols[-1]
        if kind == 2:  # a pair: a value, perhaps tagged, and the rest of the list
            if has_attributes:
                item()
            tag = item() if has_tag else None
            return {tag: item(), **(item() or {})}
        if kind == 9:  # one text
            return text(number())
        if kind not in (10, 13, 16, 19):  # truth values, whole numbers; texts, lists
            raise ValueError(f"R's type {kind}, which this reader does not know")
        values = [number() if kind in (10, 13) else item() for _ in range(number())]
        names = (item() if has_attributes else {}).get("names")
        return dict(zip(names, values, strict=True)) if names else values

    version = number()
    number()  # of R itself
    number()  # of the oldest R that reads it
    if version not in (2, 3):
        raise ValueError(f"version {version} of R's binary format, not 2 or 3")
    if version == 3:
        text(number())  # the name of the encoding
    return item()


if __name__ == "__main__":
    for written in write_held_out():
        print(written)
