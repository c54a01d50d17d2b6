"""The recordings: what is said is known, voices are held out whole, and bad files are refused in one message."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sample_data import speech
from sample_data.debian import Apt
from sample_data.speech import RATE, WORDS, Clip

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / speech.FOLDER


def _tone(seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small splits, so that a test makes clips in a moment."""
    counts = {"strings": {"train": 6, "validation": 6, "test": 6}, "words": {"train": 40, "validation": 40, "test": 40}}
    monkeypatch.setattr(speech, "_COUNTS", counts)


def test_no_voice_speaks_on_both_sides(few: None, tmp_path: Path) -> None:
    """Protects the score: a variant of espeak-ng belongs to one split, in every accent."""
    parts = [{v for v in speech.variants() if speech.split(v) == name} for name in ("train", "validation", "test")]
    assert all(len(part) >= 5 for part in parts)
    assert len(parts[0] | parts[1] | parts[2]) == sum(map(len, parts)) == len(speech.variants())
    for clip in speech.clips("test", "strings", tmp_path):
        assert speech.split(clip.voice.split("+")[1]) == "test"
    assert "slt" not in speech._FLITE


def test_clips_are_the_same_every_time(few: None, tmp_path: Path) -> None:
    """Protects the metrics: the words, the voices and the samples of a split do not change from run to run."""
    one = speech.clips("test", "words", tmp_path / "a")
    time.sleep(1.1)  # left alone, espeak-ng begins its random numbers with the second of the day
    two = speech.clips("test", "words", tmp_path / "b")
    kept = speech.clips("test", "words", tmp_path / "a")
    assert [clip.text for clip in one[:36]] == list(WORDS)
    for first, second, third in zip(one, two, kept, strict=True):
        assert first.text == second.text == third.text and first.voice == second.voice == third.voice
        np.testing.assert_allclose(first.samples, second.samples, atol=1e-3)
        assert 0.1 < first.seconds < 3 and first.samples.dtype == np.float32


def test_strings_have_one_to_five_words(few: None, tmp_path: Path) -> None:
    """Protects the transcripts: all words are known ones."""
    for clip in speech.clips("validation", "strings", tmp_path):
        assert 1 <= len(clip.text.split()) <= 5
        assert set(clip.text.split()) <= set(WORDS)


def test_interrupted_making_keeps_nothing(few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the cache: a file in it is complete."""

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        speech.clips("test", "words", tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_damaged_cache_is_named(few: None, tmp_path: Path) -> None:
    """Protects from half a file: the message names it and says what to do."""
    speech.clips("test", "strings", tmp_path)
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(speech.SpeechError, match=r"strings-test\.npz: the cache is damaged .* delete the file"):
        speech.clips("test", "strings", tmp_path)


def test_unknown_voice() -> None:
    """Protects from silence without a reason: espeak-ng's missing voice is named."""
    with pytest.raises(speech.SpeechError, match=r"espeak-ng has no voice 'xx\+nobody'"):
        speech.say("alpha", "xx+nobody")


def test_say_gives_speech_without_margins() -> None:
    """Protects what readers call: a known phrase in a known voice, as loud as can be, hardly any silence."""
    clip = speech.say("bravo two")
    assert clip.text == "bravo two" and np.abs(clip.samples).max() == pytest.approx(0.9, abs=0.01)
    slow = speech.say("bravo two", speed=120)
    assert slow.seconds > clip.seconds


def test_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Protects those who train again: what is missing is named with the package that brings it."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(speech.SpeechError, match="flite is missing: install the Debian package flite"):
        speech._Flite()
    monkeypatch.setattr(Apt, "__init__", lambda self, *rest: None)
    monkeypatch.setattr(Apt, "unpacked", lambda self, package: tmp_path)
    reader = speech.READERS["june"]
    (tmp_path / reader.folder).mkdir()
    with pytest.raises(speech.SpeechError, match="ffmpeg is missing"):
        list(speech._recordings(Apt(tmp_path, speech.SpeechError), reader, lambda path: True))


def test_held_out_recordings() -> None:
    """Protects the evaluation on people: 36 and 26 words, each with its text; slt with strings as well."""
    allison, june, slt = (speech.held_out(voice, FOLDER) for voice in ("allison", "june", "slt"))
    assert {clip.text for clip in allison} == set(WORDS) and len(allison) == 36
    assert {clip.text for clip in june} == set(WORDS[:26]) and len(june) == 26
    assert sum(" " in clip.text for clip in slt) == 24 and len(slt) == 60
    for clip in [*allison, *june, *slt]:
        assert 0.2 < clip.seconds < 6 and np.abs(clip.samples).max() > 0.5


def test_every_recording_names_its_speaker_and_licence() -> None:
    """Protects those who recorded: no file lies there without a credit, and no credit without a file."""
    index = json.loads((FOLDER / "held-out.json").read_text())
    assert all(entry["speaker"] and entry["licence"] for entry in index)
    assert {entry["file"] for entry in index} == {str(p.relative_to(FOLDER)) for p in FOLDER.rglob("*.flac")}


def test_strings_of_the_page_are_held_out() -> None:
    """Protects a page's error rate: its sixty strings are in voices of the test split, each file has its text."""
    folder = ROOT / speech.STRINGS
    index = json.loads((folder / "strings.json").read_text())
    assert {entry["file"] for entry in index} == {path.name for path in folder.glob("*.flac")} and len(index) == 60
    for entry in index:
        assert speech.split(entry["voice"].split("+")[1]) == "test"
        assert set(entry["text"].split()) <= set(WORDS) and entry["licence"]


def test_strings_are_the_first_of_the_test_split(few: None, tmp_path: Path) -> None:
    """Protects from a choice of easy ones: the files are the first clips, in their order, and replace what was there."""
    folder = tmp_path / "espeak"
    folder.mkdir()
    (folder / "old.flac").touch()
    speech.write_strings(folder, tmp_path / "cache")
    index = json.loads((folder / "strings.json").read_text())
    clips = speech.clips("test", "strings", tmp_path / "cache")
    assert [entry["text"] for entry in index] == [clip.text for clip in clips]
    assert sorted(path.name for path in folder.iterdir()) == [*sorted(e["file"] for e in index), "strings.json"]
    np.testing.assert_allclose(speech.read_audio(folder / index[2]["file"]), clips[2].samples, atol=1e-3)


def test_held_out_errors(tmp_path: Path) -> None:
    """Protects from a missing index, an unknown voice and a missing recording."""
    with pytest.raises(speech.SpeechError, match=r"held-out\.json: the index cannot be read"):
        speech.held_out("june", tmp_path)
    with pytest.raises(ValueError, match="voice 'bob': use one of allison, june, slt"):
        speech.held_out("bob", FOLDER)
    entry = {"file": "a/b.flac", "text": "x", "voice": "a"}
    (tmp_path / "held-out.json").write_text(json.dumps([entry]))
    with pytest.raises(speech.SpeechError, match=r"b\.flac: the file is missing"):
        speech.held_out("a", tmp_path)


def test_read_audio_resamples_and_mixes(tmp_path: Path) -> None:
    """Protects a file of one's own: another rate and two channels come out as 16,000 samples a second of one."""
    both = np.stack([_tone(1, 44_100), _tone(1, 44_100)], 1)
    soundfile.write(tmp_path / "two.flac", both, 44_100)
    found = speech.read_audio(tmp_path / "two.flac")
    assert found.shape == (RATE,) and found.dtype == np.float32
    assert np.abs(np.fft.rfft(found)).argmax() == 440


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.wav", r"none\.wav: the file is missing"),
        ("empty.wav", r"empty\.wav: the recording is silent or empty"),
        ("silent.wav", r"silent\.wav: the recording is silent or empty"),
        ("text.wav", r"text\.wav: this is no audio that can be read .*use WAV or FLAC"),
    ],
)
def test_bad_recordings(tmp_path: Path, name: str, message: str) -> None:
    """Protects from a guess about nothing: each bad file ends in one message that names it."""
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), RATE)
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE, np.float32), RATE)
    (tmp_path / "text.wav").write_text("not a sound")
    with pytest.raises(speech.SpeechError, match=message):
        speech.read_audio(tmp_path / name)


@pytest.mark.parametrize("factor", [0.75, 1.0, 1.4])
def test_shifted_moves_frequencies_and_not_time(factor: float) -> None:
    """Protects training with voices of other throats: a tone gets higher or lower, at the same length and loudness."""
    tone = _tone(1.0)
    found = speech.shifted(tone, factor)
    assert len(found) == len(tone) and found.dtype == np.float32
    assert np.abs(np.fft.rfft(found)).argmax() == pytest.approx(440 * factor, abs=2)  # a bin a hertz
    assert found.std() == pytest.approx(tone.std(), rel=0.1)


def test_augment_keeps_what_is_said() -> None:
    """Protects training: the length changes by at most the speed, nothing is clipped, chance decides it all."""
    clip = Clip(_tone(1.0), "", "", "")
    for seed in range(12):
        found = speech.augment(clip.samples, np.random.default_rng(seed), 0.5)
        again = speech.augment(clip.samples, np.random.default_rng(seed), 0.5)
        assert found.dtype == np.float32 and np.abs(found).max() <= 1
        assert RATE / 1.15 < len(found) < RATE / 0.87
        np.testing.assert_array_equal(found, again)


def test_interrupted_writing_leaves_the_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the held-out recordings that are there."""
    folder = tmp_path / "speech"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(speech, "Apt", stop)
    with pytest.raises(KeyboardInterrupt):
        speech.write_held_out(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["speech"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]
