"""A reader's own recording: every `read_audio` of a page reads what can be read, and refuses the rest in clear words."""

from __future__ import annotations

import re
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from livedocs.snippets import Snippet

ROOT = Path(__file__).parents[1]
RATE = 16_000
Reader = Callable[[Path], NDArray[np.float32]]


def _with_reader() -> list[str]:
    """The scripts that show a function `read_audio`."""
    paths = sorted((ROOT / "snippets").glob("*.py"))
    return [path.name for path in paths if "\ndef read_audio(" in path.read_text("utf-8")]


@pytest.fixture(params=_with_reader())
def read_audio(request: pytest.FixtureRequest) -> Reader:
    """The function as it stands in a script, with nothing around it but its cell."""
    snippet = Snippet(ROOT / "snippets" / request.param, root=ROOT)
    (cell,) = [cell for cell in snippet.cells if "def read_audio(" in cell.source]
    names: dict[str, Any] = {"np": np, "soundfile": soundfile, "soxr": soxr, "Path": Path, "RATE": RATE}
    exec(compile(cell.source, request.param, "exec"), names)
    reader: Reader = names["read_audio"]
    return reader


def tone(seconds: float = 1.0, rate: int = RATE, pitch: float = 440.0) -> NDArray[np.float32]:
    """A hum that any rate above 1,000 can hold."""
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def loudest(samples: NDArray[np.float32]) -> float:
    """The pitch with the most power."""
    return float(np.fft.rfftfreq(len(samples), 1 / RATE)[np.abs(np.fft.rfft(samples)).argmax()])


def test_a_page_shows_it() -> None:
    """Protects the tests below: without a script that has the function they would test nothing."""
    assert "audio_classification.py" in _with_reader()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_every_rate_becomes_16000(read_audio: Reader, tmp_path: Path, rate: int, kind: str) -> None:
    """Protects a reader whose recorder has another rate: the length in seconds and the pitch stay."""
    path = tmp_path / f"hum.{kind}"
    soundfile.write(path, tone(rate=rate), rate)
    samples = read_audio(path)
    assert samples.ndim == 1 and samples.dtype == np.float32
    assert len(samples) == pytest.approx(RATE, abs=2)
    assert loudest(samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_depth_has_the_same_loudness(read_audio: Reader, tmp_path: Path, subtype: str) -> None:
    """Protects files of 8 to 64 bits a sample: all come out between -1 and 1."""
    soundfile.write(tmp_path / "hum.wav", tone(), RATE, subtype=subtype)
    assert np.allclose(read_audio(tmp_path / "hum.wav"), tone(), atol=0.01)


def test_stereo_is_averaged(read_audio: Reader, tmp_path: Path) -> None:
    """Protects a recording with two channels, one of which may be empty."""
    soundfile.write(tmp_path / "left.flac", np.stack([tone(), np.zeros(RATE, np.float32)], axis=1), RATE)
    assert np.allclose(read_audio(tmp_path / "left.flac"), tone() / 2, atol=1e-3)


def test_a_path_may_be_text(read_audio: Reader, tmp_path: Path) -> None:
    """Protects the call that a reader types: a string with a name."""
    soundfile.write(tmp_path / "hum.wav", tone(), RATE)
    assert len(read_audio(str(tmp_path / "hum.wav"))) == RATE  # type: ignore[arg-type]


def test_the_kind_is_seen_in_the_file_and_not_in_its_name(read_audio: Reader, tmp_path: Path) -> None:
    """Protects a file with a wrong ending: what is a FLAC file is read as one."""
    soundfile.write(tmp_path / "hum.flac", tone(), RATE)
    (tmp_path / "hum.flac").rename(tmp_path / "hum.wav")
    assert np.allclose(read_audio(tmp_path / "hum.wav"), tone(), atol=1e-3)


@pytest.mark.parametrize("seconds", [0.1, 0.5, 7.3, 30.0])
def test_every_length_that_fits_is_read(read_audio: Reader, tmp_path: Path, seconds: float) -> None:
    """Protects the shortest and the longest that are allowed."""
    soundfile.write(tmp_path / "hum.wav", tone(seconds), RATE)
    assert len(read_audio(tmp_path / "hum.wav")) == int(seconds * RATE)


def no_frames(path: Path) -> None:
    """A WAV file of nothing but its header."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))


def not_numbers(path: Path) -> None:
    """A WAV file with one sample that is no number."""
    samples = tone()
    samples[100] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def cancelling(path: Path) -> None:
    """A WAV file whose two channels are each other's opposite."""
    soundfile.write(path, np.stack([tone(), -tone()], axis=1), RATE)


def cut_off(path: Path) -> None:
    """The first bytes of a FLAC file."""
    soundfile.write(path.with_suffix(".flac"), tone(), RATE)
    path.write_bytes(path.with_suffix(".flac").read_bytes()[:20])


REFUSED: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "missing.wav": (lambda path: None, FileNotFoundError, "no such file; check"),
    "folder.wav": (lambda path: path.mkdir(), FileNotFoundError, "no such file; check"),
    "empty.wav": (lambda path: path.touch(), ValueError, "empty; record or copy it again"),
    "letter.wav": (lambda path: path.write_text("Dear reader"), ValueError, "save it as WAV or FLAC"),
    "noise.flac": (lambda path: path.write_bytes(bytes(range(256)) * 8), ValueError, "save it as WAV or FLAC"),
    "samples.raw": (lambda path: path.write_bytes(bytes(1_000)), ValueError, "save it as WAV or FLAC"),
    "cut.wav": (cut_off, ValueError, "save it as WAV or FLAC"),
    "header.wav": (no_frames, ValueError, "0.00 s is too short; record at least"),
    "click.wav": (lambda path: soundfile.write(path, tone(0.05), RATE), ValueError, "0.05 s is too short"),
    "opera.wav": (lambda path: soundfile.write(path, tone(31, 8_000), 8_000), ValueError, "31 s is too long; cut"),
    "silent.wav": (lambda path: soundfile.write(path, np.zeros(RATE), RATE), ValueError, "silent; check"),
    "opposite.wav": (cancelling, ValueError, "silent; check"),
    "nan.wav": (not_numbers, ValueError, "no numbers; save"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused(read_audio: Reader, tmp_path: Path, name: str) -> None:
    """Protects a reader from a traceback of a library: the message names the file, the reason and what to do."""
    make, error, message = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(error, match=f"^{re.escape(str(tmp_path / name))}: .*{re.escape(message)}"):
        read_audio(tmp_path / name)
