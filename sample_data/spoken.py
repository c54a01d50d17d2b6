"""Lines of one's own, said by espeak-ng in many voices: for words that no checkpoint of this project has heard.

Voices are held out whole, by the same split as in `sample_data.speech`: a voice that trained a checkpoint here is none to
test on. Voices that breathe are left out. Their breath is noise made of random numbers.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache as cached
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sample_data import speech
from sample_data.speech import Clip, SpeechError, Split


def said(lines: Sequence[str], split_name: Split, times: int = 1, seed: int = 0) -> list[Clip]:
    """Lines, each said several times, every time in a voice of the split, at a speed and a pitch by chance.

    A process of its own makes them, since what espeak-ng says depends a little on all that it said before. The same
    arguments give the same clips.

    Args:
        lines: What to say: words with single spaces.
        split_name: "train", "validation" or "test"; no voice is in two of them.
        times: How often each line is said.
        seed: Decides voices, speeds and pitches.

    Returns:
        All lines once, then all lines again, and so on.

    Raises:
        SpeechError: Where espeak-ng is missing, or did not finish.
        ValueError: Where there is nothing to say.
    """
    if not lines or times < 1 or any(not line.strip() for line in lines):
        raise ValueError("give at least one line, none of them empty, and say each at least once")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "said.npz"
        code = "import sys; from sample_data import spoken; spoken._main(sys.argv[1:])"
        command = [sys.executable, "-c", code, json.dumps(list(lines)), split_name, str(times), str(seed), str(path)]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], check=False)
        if done.returncode or not path.is_file():
            raise SpeechError("espeak-ng did not finish: the message above says why")
        with np.load(path) as kept:
            parts = np.split(kept["samples"], np.cumsum(kept["lengths"])[:-1])
            rows = zip(parts, kept["texts"].tolist(), kept["voices"].tolist(), strict=True)
            return [
                Clip(np.asarray(part / 32767, np.float32), text, voice, f"{split_name}-{i:05}")
                for i, (part, text, voice) in enumerate(rows)
            ]


@cached
def voices(split_name: Split) -> tuple[str, ...]:
    """The names of espeak-ng's voice variants that belong to a split and do not breathe, sorted.

    Raises:
        SpeechError: Where espeak-ng is missing.
    """
    names = [name for name in speech.variants() if speech.split(name) == split_name]
    import espeakng_loader  # `variants` has seen that it is there

    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    return tuple(name for name in names if "breath" not in (folder / name).read_text("utf-8", "replace").lower())


def _made(lines: Sequence[str], split_name: Split, times: int, seed: int) -> Iterator[Clip]:
    """The same, by this process."""
    chance = random.Random(f"{split_name} {seed} {speech.VERSION}")
    for line in tqdm(list(lines) * times, f"speech, {split_name}", mininterval=2):
        voice = f"{chance.choice(speech.ACCENTS)}+{chance.choice(voices(split_name))}"
        yield speech.say(line, voice, chance.randint(120, 200), chance.randint(25, 75))


def _main(arguments: Sequence[str]) -> None:
    """What the process does: it makes the clips, and writes them into a file."""
    lines, split_name, times, seed, path = arguments
    clips = list(_made(json.loads(lines), split_name, int(times), int(seed)))  # type: ignore[arg-type]
    np.savez(
        path,
        samples=np.concatenate([np.round(clip.samples * 32767).astype(np.int16) for clip in clips]),
        lengths=np.array([len(clip.samples) for clip in clips]),
        texts=np.array([clip.text for clip in clips]),
        voices=np.array([clip.voice for clip in clips]),
    )
