"""The text sources: how apt's lists and the novels are read, what is held out, and clear errors."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

import pytest

from sample_data import text

ROOT = Path(__file__).parents[1]

PACKAGES = """\
Package: chess-data
Source: chess (1.2-3)
Section: games
Description: boards
Description-md5: 1

Package: chess
Section: contrib/games
Description: plays chess
Description-md5: 2

Package: undescribed
Section: misc
Description: nothing
Description-md5: 9
"""

TRANSLATION = """\
Package: chess
Description-md5: 2
Description-en: plays chess
 A program that plays ``chess'' -- and
 plays it well.  It never tires.
 .
 It knows:
  * openings, of which there are
    very many
  * endings

Package: chess-data
Description-md5: 1
Description-en: boards
 Boards for chess.
"""

NOVEL = ["EMMA", "", "VOLUME I", "", "CHAPTER I", "", "She was _very_", "clever--and rich.", "", "", "He came.", ""]
NOVEL += ["CHAPTER II", "", "All was well. " * 9, "", "FINIS", "A NOTE ON THE TEXT", "", "Not hers."]


def _texts(*values: str) -> bytes:
    """A vector of texts, as R serialises it."""
    parts = [struct.pack(">ii", 16, len(values))]
    for value in values:
        parts.append(struct.pack(">ii", 9, len(value.encode())) + value.encode())
    return b"".join(parts)


def _named(kind: int, values: bytes, names: list[str]) -> bytes:
    """A vector of a kind with the attribute `names`."""
    symbol = struct.pack(">iii", 1, 9, 5) + b"names"
    head = struct.pack(">ii", kind | 512, len(names))
    return head + values + struct.pack(">i", 2 | 1024) + symbol + _texts(*names) + struct.pack(">i", 254)


def _whole(body: bytes, version: int = 3) -> bytes:
    encoding = struct.pack(">i", 5) + b"UTF-8" if version == 3 else b""
    return b"X\n" + struct.pack(">iii", version, 0, 0) + encoding + body


def _fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An `apt-get` that does what the script says, and no other program of that name."""
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")


def test_descriptions_from_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the reading of apt's lists: source, section, paragraphs and lists; then the cache alone."""
    (tmp_path / "packages").write_text(PACKAGES)
    (tmp_path / "translation").write_text(TRANSLATION)
    script = f"""case "$*" in
    *"Created-By: Packages"*) echo "bookworm {tmp_path}/packages";;
    *"Created-By: Translations"*) echo "bookworm {tmp_path}/translation";;
    esac"""
    _fake(tmp_path, monkeypatch, script)
    found = text.packages(tmp_path / "cache")
    assert [package.name for package in found] == ["chess", "chess-data"]
    chess, data = found
    assert (chess.source, chess.section, chess.synopsis) == ("chess", "games", "plays chess")
    assert chess.paragraphs == (
        'A program that plays "chess" — and plays it well. It never tires.',
        "It knows:",
        "- openings, of which there are very many",
        "- endings",
    )
    assert (data.source, data.section, data.text) == ("chess", "games", "Boards for chess.")
    assert chess.split == data.split
    monkeypatch.setenv("PATH", "")
    assert text.packages(tmp_path / "cache") == found


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'E: no route' >&2; exit 100", r"apt-get update failed \(E: no route\): are Debian's sources configured"),
        ("exit 0", "brought no package lists of Debian: are its sources configured and in reach"),
    ],
)
def test_apt_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    """Protects whoever has no network: one message that says what to look at, and nothing cached."""
    _fake(tmp_path, monkeypatch, script)
    with pytest.raises(text.TextError, match=message):
        text.packages(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_no_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects whoever is on another system: the message says where the texts come from."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(text.TextError, match="but there is no apt-get here"):
        text.chapters(tmp_path / "cache")


def test_novel_from_the_r_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the way from R's database to chapters, with every novel the same few lines."""
    slices, ranges = b"", b""
    for _ in text.NOVELS:
        content = _whole(_texts(*NOVEL))
        packed = struct.pack(">i", len(content)) + zlib.compress(content)
        ranges += struct.pack(">iiii", 13, 2, len(slices), len(packed))
        slices += packed
    variables = _named(19, ranges, list(text.NOVELS))
    index = _whole(_named(19, variables, ["variables"]))
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "Rdata.rdx").write_bytes(zlib.compress(index))
    (folder / "Rdata.rdb").write_bytes(slices)
    _fake(tmp_path, monkeypatch, 'case "$*" in *download*) touch novels.deb;; esac')
    program = tmp_path / "bin" / "dpkg"
    program.write_text(f'#!/bin/sh\nmkdir -p "$3/data" && cp {folder}/Rdata.* "$3/data"\n')
    program.chmod(0o755)
    found = text.chapters(tmp_path / "cache")
    assert [chapter.novel for chapter in found[::2]] == list(text.NOVELS.values())
    assert [(chapter.number, chapter.split) for chapter in found[:2]] == [(1, "train"), (2, "test")]
    assert found[0].paragraphs == ("She was very clever—and rich.", "He came.")
    assert found[1].paragraphs == (("All was well. " * 9).strip(),)


def test_reading_r() -> None:
    """Protects the reader of R's format: names, numbers, nothing, and what it refuses."""
    assert text.read_r(_whole(_texts("a", "é"))) == ["a", "é"]
    assert text.read_r(_whole(struct.pack(">iiii", 13, 2, -1, 7), version=2)) == [-1, 7]
    assert text.read_r(_whole(_named(13, struct.pack(">ii", 3, 4), ["x", "y"]))) == {"x": 3, "y": 4}
    assert text.read_r(_whole(struct.pack(">i", 254))) is None
    for raw, message in [
        (b"RDX3\n", "not R's binary format"),
        (_whole(b"", version=9), "version 9 of R's binary format"),
        (_whole(struct.pack(">i", 14)), "R's type 14"),
    ]:
        with pytest.raises(ValueError, match=message):
            text.read_r(raw)


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("One is here. Two is there! Is three? Yes.", ["One is here.", "Two is there!", "Is three?", "Yes."]),
        ("Mr. Knightley came. He sat.", ["Mr. Knightley came.", "He sat."]),
        ("It reads files, e.g. PNG, with libfoo 1.2. Fast.", ["It reads files, e.g. PNG, with libfoo 1.2.", "Fast."]),
        ('"Go!" She went.', ['"Go!"', "She went."]),
        ("J. S. Bach wrote it.", ["J. S. Bach wrote it."]),
        ("It ends. so it seems.", ["It ends. so it seems."]),
        ("", []),
    ],
)
def test_sentences(paragraph: str, expected: list[str]) -> None:
    """Protects the cutting into sentences: abbreviations and initials do not end one."""
    assert text.sentences(paragraph) == expected


def test_split_goes_by_the_name_alone() -> None:
    """Protects what is held out: about a fifth, the same for ever, whatever else the archive holds."""
    names = [f"package-{i}" for i in range(2_000)]
    shares = Counter(map(text.split, names))
    assert 0.17 < shares["test"] / 2_000 < 0.23
    assert 0.02 < shares["validation"] / 2_000 < 0.06
    assert [text.split(name) for name in ("bash", "gimp")] == ["train", "test"]


def _write_cache(cache: Path, packages: list[text.Package], chapters: list[text.Chapter]) -> None:
    folder = cache / f"v{text.VERSION}"
    folder.mkdir(parents=True)
    text._write(folder / "debian.json.gz", [text.asdict(package) for package in packages])
    text._write(folder / "austen.json.gz", [text.asdict(chapter) for chapter in chapters])


def _source(split_name: str, number: int = 0) -> str:
    """The name of a source package that belongs to a split."""
    return [name for name in (f"s{i}" for i in range(2_000)) if text.split(name) == split_name][number]


def test_documents_leave_boilerplate_out(tmp_path: Path) -> None:
    """Protects training from a thousand copies of one sentence, and held-out text from training."""
    shared = "This package contains the documentation."
    packages = [
        text.Package(f"p{i}", _source("train", i // 2), "doc", f"manual number {i}", (f"{shared} Read it.",))
        for i in range(12)
    ]
    packages.append(text.Package("held", _source("test"), "doc", "a held-out manual", (shared,)))
    chapters = [text.Chapter("Emma", 1, "train", ("She was very clever. Yes.",)), text.Chapter("Emma", 2, "test", ())]
    _write_cache(tmp_path, packages, chapters)
    found = list(text.documents("train", tmp_path))
    lines = [line for _, _, sentences in found for line in sentences]
    assert lines.count(shared) == 3
    assert lines.count("manual number 11") == 1
    assert "Read it." not in lines
    assert "a held-out manual" not in lines
    assert found[-1] == ("austen", "Emma 1", ["She was very clever."])
    assert next(iter(text.documents("test", tmp_path))) == ("debian", _source("test"), ["a held-out manual", shared])


def test_held_out_sections_are_not_in_training(tmp_path: Path) -> None:
    """Protects the section scores: no held-out package opens like one to train on."""
    long = "It shows the stars and the planets as they stand in the sky tonight."
    packages = [
        text.Package("a", _source("train"), "science", "a sky map", (long,)),
        text.Package("b", _source("train", 1), "science", "a sky map", (long,)),
        text.Package("c", _source("test"), "science", "another sky map", (long, "More.")),
        text.Package("d", _source("test", 1), "science", "a sky map", (f"Once more: {long}",)),
        text.Package("e", _source("test", 2), "science", "a new sky map", (f"New: {long}",)),
        text.Package("f", _source("test", 3), "libs", "another library", (f"Library: {long}",)),
        text.Package("g", _source("test", 4), "science", "hardly described", ("Short.",)),
    ]
    _write_cache(tmp_path, packages, [])
    assert [package.name for package in text.section_packages("train", tmp_path)] == ["a"]
    assert [package.name for package in text.section_packages("test", tmp_path)] == ["e"]


def test_committed_sections() -> None:
    """Protects what pages and cards measure on: twelve sections, held-out sources, no copies."""
    found = text.held_out_sections(ROOT / text.FOLDER)
    assert len(found) >= 2_000
    counts = Counter(package.section for package in found)
    assert set(counts) == set(text.SECTIONS)
    assert min(counts.values()) >= 50
    assert {package.split for package in found} == {"test"}
    assert len({(package.synopsis, package.text) for package in found}) == len(found)


def test_committed_chapters() -> None:
    """Protects the held-out novels: the ends of all six, each about a twentieth."""
    found = text.held_out_chapters(ROOT / text.FOLDER)
    assert {chapter.novel for chapter in found} == set(text.NOVELS.values())
    assert {chapter.split for chapter in found} == {"test"}
    assert 150_000 < sum(len(p) for chapter in found for p in chapter.paragraphs) < 400_000
    assert any("perfect happiness of the union" in p for chapter in found for p in chapter.paragraphs)


def test_committed_pairs() -> None:
    """Protects the next-sentence score: half of the pairs are consecutive, in both corpora alike."""
    found = text.held_out_pairs(ROOT / text.FOLDER)
    assert len(found) == 2_000
    for corpus in ("debian", "austen"):
        part = [pair for pair in found if pair.corpus == corpus]
        assert sum(pair.follows for pair in part) * 2 == len(part)
    novels = " ".join(p for chapter in text.held_out_chapters(ROOT / text.FOLDER) for p in chapter.paragraphs)
    assert all(pair.first in novels and pair.second in novels for pair in found if pair.corpus == "austen")


def test_committed_files_are_small() -> None:
    """Protects the repository: 1.5 MB of text at most."""
    assert sum(path.stat().st_size for path in (ROOT / text.FOLDER).iterdir()) < 1_500_000


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "the file is missing; restore it or run"), (b"\x1f\x8b\x08cut", "the file is damaged"), (b"", "damaged")],
)
def test_held_out_file_missing_or_damaged(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Protects whoever has half a checkout: the message names the file and the way out."""
    path = tmp_path / "held-out-pairs.json.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(text.TextError, match=message) as caught:
        text.held_out_pairs(tmp_path)
    assert str(path) in str(caught.value)


def test_written_files_are_the_same_bytes(tmp_path: Path) -> None:
    """Protects diffs: the same records give the same file, without a time stamp."""
    records = [{"first": "é", "follows": True}, {"first": "b", "follows": False}]
    for name in ("a", "b"):
        text._write(tmp_path / name, records)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert text._read(tmp_path / "a") == records
