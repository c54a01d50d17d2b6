"""Trains checkpoints/wav2vec2-asr: what is said in a recording, letter by letter.

The model is `Wav2Vec2ForCTC` of transformers, unmodified, on the network that `training/wav2vec2.py` trained without
labels. It first learns to tell single words apart, as a classifier, and then to write.
"""

from __future__ import annotations

import json
import string
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache as cached
from pathlib import Path
from typing import Any, ClassVar

import jiwer
import numpy as np
import torch
from torch import Tensor
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC, Wav2Vec2Model, Wav2Vec2Processor

from sample_data import speech
from sample_data.speech import WORDS, Clip
from training import audio_classification, cards, wav2vec2
from training import speech as shared

FOLDER = Path("checkpoints/wav2vec2-asr")

SETS: dict[str, str] = {
    "test": "strings in held-out voices of espeak-ng",
    "slt": "strings in flite's voice slt, of another synthesizer than most of the training",
    "human": "single words read by two people, Allison Smith and June Wallack",
}
"""What it is measured on: names and words."""

VOCABULARY: tuple[str, ...] = ("<pad>", "<unk>", "|", *string.ascii_lowercase)
"""The characters. The first is CTC's blank; the third stands for the space between words."""


@dataclass(frozen=True)
class Recipe(shared.Recipe):
    """All choices of a training run.

    Attributes:
        flite: Share of the training clips that are flite's.
        more: Steps of a second round with CTC, which starts from the averaged weights of the first.
        more_rate: Its highest learning rate.
        last: Steps of a third round, in which voices are shifted. Each round starts from the averaged weights of the one
            before, rounded to half precision.
        last_rate: Its highest learning rate.
        shift: How likely it is in the last round that a clip's frequencies are shifted.
        words: Steps of the first stage, in which the network classifies single words.
        words_rate: Its highest learning rate.
        pretrained: The checkpoint whose network is taken over.
    """

    name: ClassVar[str] = "wav2vec2-asr"
    module: ClassVar[str] = "training/speech_recognition.py"

    steps: int = 7_500
    seconds: float = 14.0
    learning_rate: float = 8e-4
    flite: float = 0.4
    more: int = 3_000
    more_rate: float = 6e-4
    last: int = 12_000
    last_rate: float = 8e-4
    shift: float = 0.5
    words: int = 4_000
    words_rate: float = 8e-4
    pretrained: Path = wav2vec2.FOLDER

    def first_stage(self) -> audio_classification.Recipe:
        """The recipe of the first stage."""
        return audio_classification.Recipe(
            steps=self.words,
            learning_rate=self.words_rate,
            flite=self.flite,
            shift=0.0,
            threads=self.threads,
            seed=self.seed,
            cache=self.cache,
            pretrained=self.pretrained,
        )

    def rounds(self) -> list[Recipe]:
        """The recipes of the rounds with CTC, one after the other."""
        return [
            replace(self, shift=0.0),
            replace(self, steps=self.more, learning_rate=self.more_rate, seed=self.seed + 1, shift=0.0),
            replace(self, steps=self.last, learning_rate=self.last_rate, seed=self.seed + 2),
        ]

    def build(self, network: Wav2Vec2Model) -> Wav2Vec2ForCTC:
        """The model: a network, and a head with random weights."""
        model = Wav2Vec2ForCTC(
            shared.config(
                vocab_size=len(VOCABULARY),
                pad_token_id=0,
                bos_token_id=None,
                eos_token_id=None,
                ctc_loss_reduction="mean",
                ctc_zero_infinity=True,
                hidden_dropout=0.1,
                activation_dropout=0.1,
                feat_proj_dropout=0.0,
                final_dropout=0.1,
                mask_time_prob=0.12,
                mask_time_length=4,
                mask_time_min_masks=0,
                mask_feature_prob=0.1,
                mask_feature_length=16,
            )
        )
        model.wav2vec2.load_state_dict(network.state_dict())
        return model


@dataclass(frozen=True)
class Measurement:
    """What was written down.

    Attributes:
        truth: What is said.
        greedy: The likeliest character of each frame, collapsed.
        searched: A beam search that favours the 36 words.
        voices: Who says it.
    """

    truth: tuple[str, ...]
    greedy: tuple[str, ...]
    searched: tuple[str, ...]
    voices: tuple[str, ...]

    @property
    def words(self) -> int:
        """How many words are said."""
        return sum(len(line.split()) for line in self.truth)

    def word_error(self, voice: str | None = None, *, searched: bool = False) -> float:
        """Word error rate of all clips, or of one voice's."""
        return float(jiwer.wer(*self._lines(voice, searched)))

    def character_error(self, voice: str | None = None, *, searched: bool = False) -> float:
        """Character error rate of all clips, or of one voice's."""
        return float(jiwer.cer(*self._lines(voice, searched)))

    def _lines(self, voice: str | None, searched: bool) -> tuple[list[str], list[str]]:
        written = self.searched if searched else self.greedy
        rows = [
            (truth, line)
            for truth, line, who in zip(self.truth, written, self.voices, strict=True)
            if voice in (None, who)
        ]
        return [truth for truth, _ in rows], [line for _, line in rows]


@cached
def _decoder() -> Any:
    """Pyctcdecode's beam search; without a language model it can still favour words."""
    from pyctcdecode.decoder import build_ctcdecoder

    # It takes the empty text for the blank, and a space between words.
    return build_ctcdecoder(["", "⁇", " ", *VOCABULARY[3:]])


def _measured(model: Any, tokenizer: Any, clips: Sequence[Clip]) -> Measurement:
    """Each clip alone, as a reader would give it: nothing is padded."""
    greedy, searched = [], []
    for clip in clips:
        logits = model(shared.waves([clip.samples])).logits[0].float()
        greedy.append(tokenizer.decode(logits.argmax(-1)))
        searched.append(_decoder().decode(logits.log_softmax(-1).numpy(), beam_width=50, hotwords=WORDS))
    return Measurement(
        tuple(clip.text for clip in clips), tuple(greedy), tuple(searched), tuple(clip.voice for clip in clips)
    )


def load(folder: Path) -> tuple[Wav2Vec2ForCTC, Any]:
    """The checkpoint and its tokenizer.

    Raises:
        CheckpointError: Where weights are missing or damaged.
    """
    cards.count_parameters(folder)
    model = Wav2Vec2ForCTC.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(model, Wav2Vec2ForCTC)
    return model, Wav2Vec2CTCTokenizer.from_pretrained(folder)


def measure(folder: Path, name: str = "test", n: int | None = None, cache: Path = speech.CACHE) -> Measurement:
    """What a checkpoint writes down on a test set.

    Args:
        folder: The checkpoint.
        name: One of `SETS`.
        n: On the first so many clips; None for all.
        cache: Where the clips of espeak-ng are kept.

    Raises:
        CheckpointError: Where weights are missing or damaged, or for another name.
    """
    model, tokenizer = load(folder)
    with torch.inference_mode():
        return _measured(model, tokenizer, shared.test_set(name, "strings", n, cache))


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's figures again; CheckpointError where anything disagrees with it."""
    once = cached(measure)

    def again(path: Path, metric: cards.Metric) -> float:
        found = once(path, metric.split, metric.n)
        for name, value in _figures(metric.split, found).items():
            if name == metric.name:
                return value
        raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}")

    return cards.check_checkpoint(folder, again, items="clips")


def _figures(name: str, found: Measurement) -> dict[str, float]:
    return {
        f"word error rate {name}": found.word_error(),
        f"character error rate {name}": found.character_error(),
        f"word error rate {name}, word list": found.word_error(searched=True),
    }


def train(folder: Path, recipe: Recipe) -> dict[str, Measurement]:
    """Train, save, measure on all of `SETS` and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    cards.count_parameters(recipe.pretrained)  # one clear message where there is nothing to start from
    wall, cpu = time.perf_counter(), time.process_time()
    classifier, _ = audio_classification.fitted(recipe.first_stage())
    torch.manual_seed(recipe.seed)
    model = recipe.build(classifier.wav2vec2)
    clips = training_clips(recipe)
    with cards.replacing(folder) as fresh:
        _processor(fresh).save_pretrained(fresh)
        tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(fresh)
        for part in recipe.rounds():
            model = fitted(part, model.half().float(), tokenizer, clips)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        shared.save(fresh, model)
        return _write_card(fresh, recipe, wall / 60, cpu, clips)


def training_clips(recipe: Recipe) -> list[Clip]:
    """Strings and single words to train on."""
    return [*speech.clips("train", "strings", recipe.cache), *speech.clips("train", "words", recipe.cache)]


def fitted(recipe: Recipe, model: Wav2Vec2ForCTC, tokenizer: Any, clips: Sequence[Clip]) -> Wav2Vec2ForCTC:
    """The model after `recipe.steps` steps with CTC."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    np.random.seed(recipe.seed)
    chance = np.random.default_rng(recipe.seed)
    made_by_flite = np.array([clip.voice.startswith("flite") for clip in clips])
    single = np.array([" " not in clip.text for clip in clips])
    weights = np.where(made_by_flite, recipe.flite / max(1, made_by_flite.sum()), 0.0)
    weights += np.where(made_by_flite, 0.0, (1 - recipe.flite) / max(1, (~made_by_flite).sum()))
    weights *= np.where(single, 0.7, 1.0)
    order = shared.batches(clips, recipe.seconds, chance, weights)
    targets = [torch.tensor(tokenizer(clip.text).input_ids) for clip in clips]
    validation = speech.clips("validation", "strings", recipe.cache)[:80]

    def loss_of(model: Wav2Vec2ForCTC, step: int) -> tuple[Tensor, dict[str, float]]:
        batch = next(order)
        samples = shared.waves(
            [speech.augment(shared.roomy(clips[i].samples, chance), chance, recipe.shift) for i in batch]
        )
        labels = torch.nn.utils.rnn.pad_sequence([targets[i] for i in batch], True, -100)
        loss = model(samples, labels=labels).loss
        return loss, {"loss": float(loss.detach())}

    def validate(model: Wav2Vec2ForCTC) -> str:
        lines = [tokenizer.decode(model(shared.waves([clip.samples])).logits[0].argmax(-1)) for clip in validation]
        return f"WER {jiwer.wer([clip.text for clip in validation], lines):.3f}"

    return shared.fit(recipe, model, loss_of, validate)


def _processor(folder: Path) -> Wav2Vec2Processor:
    """Feature extractor and tokenizer; the vocabulary is written into the folder first."""
    path = folder / "vocab.json"
    path.write_text(json.dumps({token: i for i, token in enumerate(VOCABULARY)}) + "\n", encoding="utf-8")
    tokenizer = Wav2Vec2CTCTokenizer(
        str(path), bos_token=None, eos_token=None, pad_token="<pad>", unk_token="<unk>", word_delimiter_token="|"
    )
    return Wav2Vec2Processor(feature_extractor=shared.feature_extractor(), tokenizer=tokenizer)


def _write_card(
    folder: Path, recipe: Recipe, minutes: float, cpu_seconds: float, clips: Sequence[Clip]
) -> dict[str, Measurement]:
    """Measure what was saved, and write the card from nothing but that."""
    found = {name: measure(folder, name, recipe.test, recipe.cache) for name in SETS}
    parameters, size = cards.count_parameters(folder), (folder / cards.WEIGHTS).stat().st_size
    choices = {k: v for k, v in asdict(recipe).items() if k not in ("cache", "test")}
    fields: dict[str, Any] = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "automatic-speech-recognition",
        "language": "en",
        "model_class": "Wav2Vec2ForCTC",
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.speech",
            "version": speech.VERSION,
            "clips": len(clips),
            "minutes": round(shared.sound_seconds(clips) / 60, 1),
            "voices": len({clip.voice for clip in clips}),
        },
        "recipe": {**choices, "pretrained": str(recipe.pretrained.name)},
        "metrics": [
            {
                "name": metric,
                "value": round(value, 4),
                "split": name,
                "n": len(one.truth),
                "seeds": [0, len(one.truth) - 1],
            }
            for name, one in found.items()
            for metric, value in _figures(name, one).items()
        ],
    }
    rows = [
        "| voices | clips | words | WER | CER | WER with a word list |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in found.items():
        voices: list[str | None] = [None, *shared.HUMAN] if name == "human" else [None]
        for voice in voices:
            mine = [line for line, who in zip(one.truth, one.voices, strict=True) if voice in (None, who)]
            if mine:
                label = f"of these, {shared.VOICES[voice]}" if voice else SETS[name]
                rows.append(
                    f"| {label} | {len(mine)} | {sum(len(line.split()) for line in mine):,} | "
                    f"{one.word_error(voice):.3f} | {one.character_error(voice):.3f} | "
                    f"{one.word_error(voice, searched=True):.3f} |"
                )
    prose = f"""
# {recipe.name}

A small Wav2Vec2 that writes down what it hears: words of the NATO alphabet and digits, one or several in a row. It is
the unmodified `Wav2Vec2ForCTC` of transformers, with {len(VOCABULARY)} characters of which the first is the blank.
{parameters:,} parameters, {size:,} bytes in half precision; the configuration makes transformers load them as float32,
in which everything below was measured. This card was written by the program that trained the model
(`{recipe.module}`), from what it measured.

## Data

{len(clips):,} synthetic recordings, {shared.sound_seconds(clips) / 3600:.1f} hours in all (`sample_data/speech.py`):
strings of up to five words and single words, in voice variants of espeak-ng with seven accents, and in four voices of
flite. No person was recorded for training with a transcript.

{shared.CREDITS}

## Recipe

The network comes from `{recipe.pretrained.name}`. In a first stage it learns to name single words, with a head of its own
that is thrown away ({recipe.words:,} steps, learning rate {recipe.words_rate:g}): CTC leaves its first plateau, where it
writes blanks alone, sooner from there. Then come three rounds with CTC, of {recipe.steps:,} steps (learning rate
{recipe.learning_rate:g}), {recipe.more:,} ({recipe.more_rate:g}) and {recipe.last:,} ({recipe.last_rate:g}). Each round starts
from the averaged weights of the one before, in half precision. A step has at most {recipe.seconds:g} s of sound, two fifths
of it flite's. All stages use AdamW. Every clip is played faster or slower, with an echo, band limits and noise by chance,
and with silence at both ends. In the last round half of the clips have all their frequencies shifted as well, by a factor
between 0.75 and 1.4: voices of other throats. All weights are trained. Masked spans of frames and channels, bfloat16 autocast, float32 weights, and an average of the weights
({recipe.average:g}).

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread ({cpu_seconds:.0f} s of
processor time), the sound already made. Repeat it with `make train NAME={recipe.name}`.

## Results

Word and character error rate (jiwer) in voices that it has never heard. Each frame's likeliest character, collapsed;
in the last column a beam search (pyctcdecode, 50 beams) that favours the 36 words:

{chr(10).join(rows)}

## Limits

- It has heard 36 words. Of other words it writes down what they sound like to it, in pieces of those.
- It has learned from synthesizers. People are harder for it; the table says by how much.
- The people read single words. How it does on strings of theirs was not measured.
"""
    cards.write_card(folder, fields, prose)
    return found


def quick(**changes: Any) -> Recipe:
    """A run of seconds: for tests, not for results."""
    return replace(Recipe(steps=4, more=2, last=2, words=2, seconds=4.0, test=6), **changes)


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(f"{FOLDER}: WER", ", ".join(f"{one.word_error():.3f} ({name})" for name, one in found.items()))
