"""Speech with known words: the NATO alphabet and the digits, single and in strings, in many voices.

Two synthesizers make it. espeak-ng, which the package espeakng-loader brings along, has a hundred voice variants
(another pitch, formants, breath, roughness), each of which speaks in several English accents. flite, a package of
Debian, has five voices made from recordings of people. Voices are held out whole: no variant of espeak-ng speaks on
both sides of a split, whatever its accent, and flite's slt is never trained on.

People read as well: the announcements that come with the telephone exchange Asterisk, in Debian. Two readers, one
Italian and one Russian, serve as speech without a transcript. Two others, who read the NATO alphabet, are held out.

`clips` and `unlabelled` make what training reads, once, and keep it in a cache folder. `held_out` reads the recordings
that lie in docs/assets/speech and need neither a synthesizer nor a network; `write_held_out` made them, and
`write_strings` those in docs/assets/espeak. `read_audio`
reads a file of one's own. `augment` makes a clip sound as if it had been recorded elsewhere.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache as cached
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from sample_data.debian import Apt

Split = Literal["train", "validation", "test"]
Kind = Literal["strings", "words"]

VERSION = 1
"""Part of the cache's path: raise it whenever a change alters a clip or a split."""

RATE = 16_000
"""Samples a second of everything here."""

CACHE = Path(".cache/speech")
FOLDER = Path("docs/assets/speech")
"""Where the held-out recordings lie."""
STRINGS = Path("docs/assets/espeak")
"""Where some strings in held-out voices of espeak-ng lie."""

WORDS: tuple[str, ...] = (
    *[
        "alpha",
        "bravo",
        "charlie",
        "delta",
        "echo",
        "foxtrot",
        "golf",
        "hotel",
        "india",
        "juliet",
        "kilo",
        "lima",
        "mike",
        "november",
        "oscar",
        "papa",
        "quebec",
    ],
    *["romeo", "sierra", "tango", "uniform", "victor", "whiskey", "xray", "yankee", "zulu"],
    *["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
)
"""The words: the letters of the NATO alphabet, and ten digits."""

ACCENTS: tuple[str, ...] = (
    "en-us",
    "en",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
)
"""espeak-ng's English accents: American, British ("en" and four more), Caribbean."""

_SPOKEN = {"xray": "x-ray"}
_LONGEST = 5  # words of a string
_COUNTS: dict[Kind, dict[Split, int]] = {
    "strings": {"train": 6_500, "validation": 200, "test": 400},
    "words": {"train": 4_320, "validation": 216, "test": 432},
}
_FLITE = ("awb", "kal", "kal16", "rms")  # voices to train on
_FLITE_HELD_OUT = "slt"
_FLITE_COUNTS: dict[Kind, int] = {"strings": 600, "words": 216}  # clips of each
_FLITE_STRINGS = 24
_ESPEAK_STRINGS = 60

_PIECE = 640  # samples, 40 ms
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Reader:
    """A person whose announcements are in Debian.

    Attributes:
        name: Who it is.
        package: Where they are.
        folder: The part of their paths that is this reader's.
        licence: Of the recordings.
    """

    name: str
    package: str
    folder: str
    licence: str


READERS: dict[str, Reader] = {
    "allison": Reader("Allison Smith", "asterisk-core-sounds-en-g722", "en_US_f_Allison", "CC-BY-SA-3.0"),
    "june": Reader("June Wallack", "asterisk-core-sounds-fr-g722", "fr_CA_f_June", "CC-BY-SA-3.0"),
}
"""Those who are held out; each reads the NATO alphabet, and the first the digits too."""

UNLABELLED: dict[str, Reader] = {
    "carlo": Reader("Carlo Flora", "asterisk-core-sounds-it-g722", "it_IT_m_Carlo", "CC-BY-SA-3.0"),
    "maxim": Reader("Maxim Topal's reader", "asterisk-core-sounds-ru-g722", "ru_RU_f_IvrvoiceRU", "CC-BY-3.0"),
}
"""Those whose voices are heard without a transcript."""


class SpeechError(OSError):
    """Speech is neither in the cache nor to be made; or a recording cannot be read."""


@dataclass(frozen=True)
class Clip:
    """One recording.

    Attributes:
        samples: Between -1 and 1, `RATE` a second, float32 [t].
        text: What is said: lower-case words with single spaces; empty where it is not known.
        voice: Who speaks: an accent and a variant, such as "en-us+f3".
        name: Unique among the clips of a call.
    """

    samples: NDArray[np.float32]
    text: str
    voice: str
    name: str

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE


def split(variant: str) -> Split:
    """The split of one of espeak-ng's voice variants: a hash of its name decides, whatever the accent."""
    number = int(hashlib.sha256(variant.encode()).hexdigest()[:8], 16) % 10
    return "test" if number == 0 else "validation" if number == 1 else "train"


def trimmed(samples: NDArray[np.float32], keep: float = 0.05) -> NDArray[np.float32]:
    """The samples without the silence at both ends, but for `keep` seconds, and with a peak of 0.9.

    Raises:
        SpeechError: Where nothing can be heard.
    """
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    if peak < 1e-4:
        raise SpeechError("the recording is silent or empty")
    loud = np.flatnonzero(np.abs(samples) > 0.02 * peak)
    margin = int(keep * RATE)
    kept = samples[max(0, loud[0] - margin) : loud[-1] + margin]
    return np.asarray(kept * (0.9 / peak), np.float32)


class _Espeak:
    """espeak-ng's library, in its own process-wide state; one at a time."""

    _lock = threading.Lock()

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError:
            raise SpeechError("espeak-ng is missing: install the package espeakng-loader") from None
        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        # 2: the samples are handed over while the call runs, nothing is played.
        self.rate = self.library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
        if self.rate <= 0:
            raise SpeechError(f"espeak-ng did not start (error {self.rate}): install espeakng-loader again")
        self.parts: list[NDArray[np.int16]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

        def receive(samples: Any, count: int, _events: Any) -> int:
            if samples and count > 0:
                self.parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
            return 0

        self.callback = kind(receive)  # kept, or it would be collected
        self.library.espeak_SetSynthCallback(self.callback)

    def say(self, line: str, voice: str, speed: int = 165, pitch: int = 50, spread: int = 50) -> NDArray[np.float32]:
        """A line as float32 [t] at `RATE`.

        Args:
            line: What to say.
            voice: An accent, "+", and a variant.
            speed: Words a minute.
            pitch: 0 to 99.
            spread: Of the pitch, 0 to 99.
        """
        with self._lock:
            self.parts.clear()
            if self.library.espeak_SetVoiceByName(voice.encode()):
                raise SpeechError(f"espeak-ng has no voice {voice!r}")
            for number, value in ((1, speed), (3, pitch), (4, spread)):
                self.library.espeak_SetParameter(number, value, 0)
            spoken = line.encode()
            # Breath is made of random numbers, which would begin with the time of day.
            self.library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            # 1: positions are counted in characters; 1: the text is UTF-8.
            self.library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, 1, None, None)
            self.library.espeak_Synchronize()
            if not self.parts:
                raise SpeechError(f"espeak-ng said nothing for {line!r} with the voice {voice!r}")
            samples = np.concatenate(self.parts).astype(np.float32) / 32768
        return np.asarray(soxr.resample(samples, self.rate, RATE), np.float32)


@cached
def _espeak() -> _Espeak:
    return _Espeak()


@cached
def variants() -> tuple[str, ...]:
    """The names of espeak-ng's voice variants, sorted; without those that whisper."""
    try:
        import espeakng_loader
    except ImportError:
        raise SpeechError("espeak-ng is missing: install the package espeakng-loader") from None
    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    return tuple(sorted(path.name for path in folder.iterdir() if "whisper" not in path.name.lower()))


def _phrase(chance: random.Random) -> str:
    """One word in three cases of ten, else a string of two to five."""
    count = 1 if chance.random() < 0.3 else chance.randint(2, _LONGEST)
    return " ".join(chance.choices(WORDS, k=count))


def _spoken(phrase: str, chance: random.Random) -> str:
    """How a phrase is given to a synthesizer: with or without pauses between its words."""
    words = [_SPOKEN.get(word, word) for word in phrase.split()]
    return (", " if chance.random() < 0.5 else " ").join(words)


def say(phrase: str, voice: str = "en-us+f2", speed: int = 165, pitch: int = 50) -> Clip:
    """A phrase of `WORDS` in one of espeak-ng's voices.

    Args:
        phrase: Words with single spaces.
        voice: An accent, "+", and a variant.
        speed: Words a minute.
        pitch: 0 to 99.

    Raises:
        SpeechError: For an unknown voice, or where espeak-ng is missing.
    """
    spoken = " ".join(_SPOKEN.get(word, word) for word in phrase.split())
    return Clip(trimmed(_espeak().say(spoken, voice, speed, pitch)), phrase, voice, phrase.replace(" ", "-"))


class _Flite:
    """The program flite, which has five voices made from recordings of people."""

    def __init__(self) -> None:
        found = shutil.which("flite")
        if not found:
            raise SpeechError("flite is missing: install the Debian package flite")
        self.program = found

    def say(self, line: str, voice: str, stretch: float = 1.0) -> NDArray[np.float32]:
        """A line as float32 [t] at `RATE`; `stretch` above 1 is slower."""
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "said.wav"
            command = [
                self.program,
                "-voice",
                voice,
                "--setf",
                f"duration_stretch={stretch:.2f}",
                "-t",
                line,
                str(path),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode or not path.is_file():
                raise SpeechError(f"flite could not say {line!r} as {voice}: {done.stderr.strip() or 'no message'}")
            return read_audio(path)


def _line(kind: Kind, i: int, chance: random.Random) -> str:
    """The text of clip number i: every word in turn, or a string by chance."""
    return WORDS[i % len(WORDS)] if kind == "words" else _phrase(chance)


def _made(split_name: Split, kind: Kind, count: int) -> Iterator[Clip]:
    """Clips of espeak-ng, each with an accent, a variant of the split, a speed and a pitch by chance."""
    chance = random.Random(f"{split_name} {kind} {VERSION}")
    mine = [variant for variant in variants() if split(variant) == split_name]
    for i in tqdm(range(count), f"speech, {kind}, {split_name}", mininterval=2):
        phrase = _line(kind, i, chance)
        voice = f"{chance.choice(ACCENTS)}+{chance.choice(mine)}"
        line, speed, pitch = _spoken(phrase, chance), chance.randint(120, 220), chance.randint(25, 75)
        samples = trimmed(_espeak().say(line, voice, speed, pitch, chance.randint(20, 80)))
        yield Clip(samples, phrase, voice, f"{kind}-{split_name}-{i:05}")


def _made_afresh(split_name: Split, kind: Kind, count: int) -> list[Clip]:
    """The same, by a process of its own: the phase of espeak-ng's voice depends on all that it said before."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "made.npz"
        line = "import pathlib, sys; from sample_data import speech; a = sys.argv[1:]"
        line += "; speech._write(pathlib.Path(a[3]), list(speech._made(a[0], a[1], int(a[2]))))"
        command = [sys.executable, "-c", line, split_name, kind, str(count), str(path)]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], check=False, stderr=None)
        if done.returncode or not path.is_file():
            raise SpeechError("espeak-ng did not finish: the message above says why")
        return _read(path)


def _made_by_flite(voice: str, kind: Kind, count: int) -> Iterator[Clip]:
    """Clips in a voice of flite, at many speeds."""
    flite = _Flite()
    chance = random.Random(f"{voice} {kind} {VERSION}")
    for i in tqdm(range(count), f"speech, {kind}, flite's {voice}", mininterval=2):
        phrase = _line(kind, i, chance)
        while voice == _FLITE_HELD_OUT and kind == "strings" and " " not in phrase:
            phrase = _phrase(chance)  # its words are there already
        samples = trimmed(flite.say(_spoken(phrase, chance), voice, chance.uniform(0.7, 1.35)))
        yield Clip(samples, phrase, f"flite {voice}", f"{kind}-{voice}-{i:05}")


def _recordings(apt: Apt, reader: Reader, wanted: Callable[[Path], bool]) -> Iterator[tuple[Path, NDArray[np.float32]]]:
    """What a person reads in a package of Debian: each file's path below the reader's folder, and its samples."""
    (folder,) = (path for path in apt.unpacked(reader.package).rglob(reader.folder) if path.is_dir())
    program = shutil.which("ffmpeg")
    if not program:
        raise SpeechError("ffmpeg is missing, which reads the recordings: install the Debian package ffmpeg")
    files = sorted(path for path in folder.rglob("*.g722") if wanted(path.relative_to(folder)))
    for path in tqdm(files, f"speech, {reader.name}", mininterval=2):
        command = [program, "-v", "error", "-i", str(path), "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-"]
        done = subprocess.run(command, capture_output=True, check=False)
        samples = np.asarray(np.frombuffer(done.stdout, np.int16) / 32768, np.float32)
        if done.returncode:
            raise SpeechError(f"ffmpeg could not read {path.name} of {reader.package}: {done.stderr.decode().strip()}")
        if len(samples) and float(np.abs(samples).max()) > 0.01:  # some files hold silence on purpose
            yield path.relative_to(folder), trimmed(samples)


def _read_by_people() -> Iterator[Clip]:
    """The recordings without a transcript, in pieces of at most ten seconds."""
    with tempfile.TemporaryDirectory() as place:
        apt = Apt(Path(place), SpeechError)
        for name, reader in UNLABELLED.items():
            for path, samples in _recordings(apt, reader, lambda path: "tone" not in path.name):
                for i in range(0, len(samples) - RATE // 2, 10 * RATE):
                    yield Clip(samples[i : i + 10 * RATE], "", reader.name, f"{name}-{path.with_suffix('')}-{i}")


def read_audio(path: Path) -> NDArray[np.float32]:
    """An audio file as float32 [t] at `RATE`, its channels averaged.

    Raises:
        SpeechError: Where the file is missing, empty, silent, or of a kind that cannot be read.
    """
    if not path.is_file():
        raise SpeechError(f"{path}: the file is missing")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SpeechError(f"{path}: this is no audio that can be read ({error}); use WAV or FLAC") from None
    mono = np.asarray(samples.mean(axis=1), np.float32)
    if not len(mono) or float(np.abs(mono).max()) < 1e-4:
        raise SpeechError(f"{path}: the recording is silent or empty")
    return mono if rate == RATE else np.asarray(soxr.resample(mono, rate, RATE), np.float32)


def clips(split_name: Split, kind: Kind = "strings", cache: Path = CACHE) -> list[Clip]:
    """Clips of a split.

    Strings have one to five words by chance, three in ten of them a single one: 6,500 of espeak-ng and 2,400 of flite
    to train on, 200 and 400 of espeak-ng for the other splits. Words are single, and each comes as often as the next:
    4,320 of espeak-ng and 864 of flite to train on, 216 and 432 for the others. They are made once, in two minutes,
    and kept; an interrupted run keeps nothing.

    Args:
        split_name: The split.
        kind: "strings" or "words".
        cache: Where they are kept.

    Raises:
        SpeechError: Where a synthesizer is missing, or the cache is damaged.
    """

    def make() -> Iterator[Clip]:
        yield from _made_afresh(split_name, kind, _COUNTS[kind][split_name])
        if split_name == "train":
            for voice in _FLITE:
                yield from _made_by_flite(voice, kind, _FLITE_COUNTS[kind])

    return _kept(cache / f"v{VERSION}" / f"{kind}-{split_name}.npz", make)


def unlabelled(cache: Path = CACHE) -> list[Clip]:
    """Recordings of two people, in Italian and in Russian, without a transcript: about fifty minutes.

    Raises:
        SpeechError: Where Debian's archive is out of reach, ffmpeg is missing, or the cache is damaged.
    """
    return _kept(cache / f"v{VERSION}" / "unlabelled.npz", _read_by_people)


def _kept(path: Path, make: Callable[[], Iterator[Clip]]) -> list[Clip]:
    """Clips from a file, which is made where it is missing: whole or not at all."""
    if not path.is_file():
        found = list(make())
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as place:
            fresh = Path(place) / path.name
            _write(fresh, found)
            os.replace(fresh, path)
    return _read(path)


def _write(path: Path, clips: Sequence[Clip]) -> None:
    np.savez(
        path,
        samples=np.concatenate([np.round(clip.samples * 32767).astype(np.int16) for clip in clips]),
        lengths=np.array([len(clip.samples) for clip in clips]),
        texts=np.array([clip.text for clip in clips]),
        voices=np.array([clip.voice for clip in clips]),
        names=np.array([clip.name for clip in clips]),
    )


def _read(path: Path) -> list[Clip]:
    try:
        with np.load(path) as kept:
            samples, lengths = kept["samples"], kept["lengths"]
            texts, voices, names = (kept[key].tolist() for key in ("texts", "voices", "names"))
        parts = np.split(samples, np.cumsum(lengths)[:-1])
        return [
            Clip(np.asarray(part / 32767, np.float32), *rest)
            for part, *rest in zip(parts, texts, voices, names, strict=True)
        ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SpeechError(f"{path}: the cache is damaged ({error}); delete the file, and it is made again") from None


def write_held_out(folder: Path = FOLDER) -> None:
    """Make the recordings of held-out voices: what two people read, and flite's slt.

    A folder of FLAC files and an index, `held-out.json`. Whatever ends it early leaves the folder as it was.

    Args:
        folder: Which is replaced.

    Raises:
        SpeechError: Where Debian's archive is out of reach, or flite or ffmpeg is missing.
    """
    words = {f"phonetic/{letter}_p": word for letter, word in zip(_LETTERS, WORDS, strict=False)}
    words |= {f"digits/{i}": word for i, word in enumerate(WORDS[len(_LETTERS) :])}
    index: list[dict[str, str]] = []
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        fresh = Path(place) / folder.name
        fresh.mkdir()

        def keep(clip: Clip, speaker: str, licence: str) -> None:
            file = fresh / f"{clip.name}.flac"
            file.parent.mkdir(exist_ok=True)
            soundfile.write(file, clip.samples, RATE, subtype="PCM_16")
            entry = {"file": f"{clip.name}.flac", "text": clip.text, "voice": clip.voice}
            index.append({**entry, "speaker": speaker, "licence": licence})

        apt = Apt((Path(place) / "apt").resolve(), SpeechError)
        for name, reader in READERS.items():
            # The French digits are other words.
            mine = {path: word for path, word in words.items() if name == "allison" or path.startswith("phonetic")}
            for path, samples in _recordings(apt, reader, lambda path: str(path.with_suffix("")) in mine):  # noqa: B023
                text = mine[str(path.with_suffix(""))]
                keep(Clip(samples, text, name, f"{name}/{text}"), reader.name, reader.licence)
        parts: tuple[tuple[Kind, int], ...] = (("words", len(WORDS)), ("strings", _FLITE_STRINGS))
        for kind, count in parts:
            for clip in _made_by_flite(_FLITE_HELD_OUT, kind, count):
                name = f"slt/{clip.text.replace(' ', '-')}"
                keep(Clip(clip.samples, clip.text, "slt", name), "flite's voice slt", "flite's, like BSD")
        lines = ",\n".join(json.dumps(entry) for entry in index)
        (fresh / "held-out.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        if folder.exists():
            os.replace(folder, Path(place) / "old")
        os.replace(fresh, folder)


def write_strings(folder: Path = STRINGS, cache: Path = CACHE) -> None:
    """Keep the first strings to test on as files, in held-out voices of espeak-ng.

    FLAC files and an index, `strings.json`. Whatever ends it early leaves the folder as it was.

    Args:
        folder: Which is replaced.
        cache: Where clips are kept.

    Raises:
        SpeechError: Where espeak-ng is missing, or the cache is damaged.
    """
    index = []
    found = clips("test", "strings", cache)[:_ESPEAK_STRINGS]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        fresh = Path(place) / folder.name
        fresh.mkdir()
        for i, clip in enumerate(found):
            file = f"{i:02}-{clip.text.replace(' ', '-')}.flac"
            soundfile.write(fresh / file, clip.samples, RATE, subtype="PCM_16")
            index.append({"file": file, "text": clip.text, "voice": clip.voice, "licence": "CC-BY-4.0"})
        lines = ",\n".join(json.dumps(entry) for entry in index)
        (fresh / "strings.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        if folder.exists():
            os.replace(folder, Path(place) / "old")
        os.replace(fresh, folder)


def held_out(voice: str, folder: Path = FOLDER) -> list[Clip]:
    """The recordings of a held-out voice.

    Args:
        voice: "allison" or "june", who are people, or "slt", which is flite's.
        folder: Where they lie.

    Raises:
        SpeechError: Where the index or a recording is missing or damaged.
        ValueError: For another voice.
    """
    path = folder / "held-out.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpeechError(f"{path}: the index cannot be read ({error}); restore it") from None
    mine = [entry for entry in index if entry["voice"] == voice]
    if not mine:
        raise ValueError(f"voice {voice!r}: use one of {', '.join(sorted({entry['voice'] for entry in index}))}")
    return [Clip(read_audio(folder / entry["file"]), entry["text"], voice, entry["file"][:-5]) for entry in mine]


def shifted(samples: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """The clip as if a throat of another size had said it: all frequencies times a factor, at the same length.

    It is played faster or slower, and pieces of 40 ms are then laid over one another, closer or further apart, each
    chosen from its surroundings so that it goes on where the last one stops (waveform-similarity overlap-add, Verhelst
    and Roelands, https://doi.org/10.1109/ICASSP.1993.319366).

    Args:
        samples: float32 [t] at `RATE`.
        factor: Above 1 for a higher voice.

    Returns:
        float32 [t].
    """
    size, hop, reach = _PIECE, _PIECE // 2, _PIECE // 4
    played = np.interp(np.arange(0, len(samples) - 1, factor), np.arange(len(samples)), samples)
    played = np.pad(played.astype(np.float32), (0, 4 * size))
    window = np.hanning(size).astype(np.float32)
    found, place = np.zeros(len(samples) + size, np.float32), 0
    for start in range(0, len(samples), hop):
        wanted = int(start / factor)
        if start:
            # What would follow the last piece; and the pieces near the wanted place, one every 4 samples.
            after = played[place + hop : place + hop + size]
            near = np.lib.stride_tricks.sliding_window_view(played[wanted : wanted + reach + size], size)[::4]
            place = wanted + 4 * int((near @ after).argmax())
        found[start : start + size] += window * played[place : place + size]
    return found[: len(samples)]


def augment(samples: NDArray[np.float32], chance: np.random.Generator, shift: float = 0.0) -> NDArray[np.float32]:
    """The clip as if another throat had said it in another room to another microphone.

    By chance: with all frequencies shifted, played faster or slower (which moves the pitch as well), with an echo, with
    high and low tones cut off as a telephone does, with noise, and louder or softer.

    Args:
        samples: float32 [t] at `RATE`.
        chance: What draws.
        shift: How likely it is that the frequencies are shifted, by a factor between 0.75 and 1.4.

    Returns:
        float32 [t'], its peak at most 1.
    """
    found = samples
    if shift and chance.random() < shift:
        found = shifted(found, float(np.exp(chance.uniform(np.log(0.75), np.log(1.4)))))
    if chance.random() < 0.7:
        factor = chance.uniform(0.88, 1.14)
        places = np.arange(0, len(found) - 1, factor)
        found = np.interp(places, np.arange(len(found)), found).astype(np.float32)
    size = 1 << (len(found) + RATE // 4 - 1).bit_length()  # room for the echo
    spectrum = np.fft.rfft(found, size)
    tones = np.fft.rfftfreq(size, 1 / RATE)
    if chance.random() < 0.4:
        count = int(RATE * chance.uniform(0.05, 0.25))
        room = chance.standard_normal(count) * np.exp(-np.linspace(0, 6, count)) * chance.uniform(0.02, 0.12)
        room[0] = 1.0
        spectrum = spectrum * np.fft.rfft(room, size)
    if chance.random() < 0.5:
        low, high = chance.uniform(50, 350), chance.uniform(2_800, 8_000)
        spectrum = spectrum / np.sqrt((1 + (low / np.maximum(tones, 1)) ** 4) * (1 + (tones / high) ** 8))
    if chance.random() < 0.7:
        # White noise has the same power at all tones; the exponent makes it darker.
        noise = np.fft.rfft(chance.standard_normal(size)) / np.maximum(tones, 50) ** chance.uniform(0, 1)
        level = np.linalg.norm(spectrum) / np.linalg.norm(noise) * np.sqrt(size / len(found))
        spectrum = spectrum + noise * level * 10 ** (-chance.uniform(5, 35) / 20)
    heard = np.fft.irfft(spectrum, size)[: len(found)]
    peak = max(float(np.abs(heard).max()), 1e-6)
    return (heard / peak * chance.uniform(0.2, 1.0)).astype(np.float32)


if __name__ == "__main__":
    write_held_out()
    write_strings()
