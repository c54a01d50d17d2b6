"""Trains checkpoints/wav2vec2-classifier: which of 36 words is said in a recording.

The model is `Wav2Vec2ForSequenceClassification` of transformers, unmodified, on the network of the recogniser, which
`training/speech_recognition.py` trained. `fitted` is also the recogniser's first stage, on the network that
`training/wav2vec2.py` trained without labels.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2ForSequenceClassification

from sample_data import speech
from sample_data.speech import WORDS, Clip
from training import cards
from training import speech as shared

FOLDER = Path("checkpoints/wav2vec2-classifier")

SETS: dict[str, str] = {
    "test": "held-out voices of espeak-ng",
    "slt": "flite's voice slt, of another synthesizer than most of the training",
    "human": "two people, Allison Smith and June Wallack",
}
"""What it is measured on: names and words."""


@dataclass(frozen=True)
class Recipe(shared.Recipe):
    """All choices of a training run.

    Attributes:
        flite: Share of the training clips that are flite's.
        shift: How likely it is that a clip's frequencies are shifted.
        pretrained: The checkpoint whose network is taken over.
    """

    name: ClassVar[str] = "wav2vec2-classifier"
    module: ClassVar[str] = "training/audio_classification.py"

    steps: int = 3_000
    seconds: float = 16.0
    learning_rate: float = 5e-4
    flite: float = 0.4
    shift: float = 0.5
    smoothing: float = 0.05
    pretrained: Path = Path("checkpoints/wav2vec2-asr")  # by name, since that module imports this one

    def build(self) -> Wav2Vec2ForSequenceClassification:
        """The model: that network, and a head with random weights."""
        model = Wav2Vec2ForSequenceClassification(
            shared.config(
                num_labels=len(WORDS),
                id2label=dict(enumerate(WORDS)),
                label2id={word: i for i, word in enumerate(WORDS)},
                classifier_proj_size=128,
                hidden_dropout=0.1,
                activation_dropout=0.1,
                feat_proj_dropout=0.0,
                mask_time_prob=0.15,
                mask_time_length=4,
                mask_time_min_masks=0,
                mask_feature_prob=0.1,
                mask_feature_length=16,
            )
        )
        return shared.with_encoder(model, self.pretrained)


@dataclass(frozen=True)
class Measurement:
    """What was answered.

    Attributes:
        truth: Number of the word that is said, int64 [n].
        logits: Of all words, float32 [n, words].
        voices: Who says it.
    """

    truth: NDArray[np.int64]
    logits: NDArray[np.float32]
    voices: tuple[str, ...]

    @property
    def answers(self) -> NDArray[np.int64]:
        """Number of the likeliest word, int64 [n]."""
        return np.asarray(self.logits.argmax(1), np.int64)

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float((self.answers == self.truth).mean())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts, int64 [words, words]: row the truth, column the answer."""
        found = np.zeros((len(WORDS), len(WORDS)), np.int64)
        np.add.at(found, (self.truth, self.answers), 1)
        return found


def _measured(model: Any, clips: Sequence[Clip]) -> Measurement:
    """Each clip alone, as a reader would give it: nothing is padded."""
    rows = [model(shared.waves([clip.samples])).logits[0].float().numpy() for clip in clips]
    truth = np.array([WORDS.index(clip.text) for clip in clips])
    return Measurement(truth, np.stack(rows), tuple(clip.voice for clip in clips))


def load(folder: Path) -> Wav2Vec2ForSequenceClassification:
    """The checkpoint.

    Raises:
        CheckpointError: Where weights are missing or damaged.
    """
    cards.count_parameters(folder)
    model = Wav2Vec2ForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(model, Wav2Vec2ForSequenceClassification)
    return model


def measure(folder: Path, name: str = "test", n: int | None = None, cache: Path = speech.CACHE) -> Measurement:
    """What a checkpoint answers on a test set of single words.

    Args:
        folder: The checkpoint.
        name: One of `SETS`.
        n: On the first so many clips; None for all.
        cache: Where the clips of espeak-ng are kept.

    Raises:
        CheckpointError: Where weights are missing or damaged, or for another name.
    """
    with torch.inference_mode():
        return _measured(load(folder), shared.test_set(name, "words", n, cache))


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's figures again; CheckpointError where anything disagrees with it."""

    def again(path: Path, metric: cards.Metric) -> float:
        if metric.name != f"accuracy {metric.split}":
            raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}")
        return measure(path, metric.split, metric.n).accuracy

    return cards.check_checkpoint(folder, again, items="clips")


def fitted(recipe: Recipe) -> tuple[Wav2Vec2ForSequenceClassification, list[Clip]]:
    """The trained model, and the clips that it was trained on."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    np.random.seed(recipe.seed)
    model = recipe.build()
    clips = speech.clips("train", "words", recipe.cache)
    validation = speech.clips("validation", "words", recipe.cache)[:108]
    chance = np.random.default_rng(recipe.seed)
    made_by_flite = np.array([clip.voice.startswith("flite") for clip in clips])
    weights = np.where(made_by_flite, recipe.flite / max(1, made_by_flite.sum()), 0.0)
    weights += np.where(made_by_flite, 0.0, (1 - recipe.flite) / max(1, (~made_by_flite).sum()))
    order = shared.batches(clips, recipe.seconds, chance, weights)

    def loss_of(model: Wav2Vec2ForSequenceClassification, step: int) -> tuple[Tensor, dict[str, float]]:
        batch = [clips[i] for i in next(order)]
        samples = shared.waves(
            [speech.augment(shared.roomy(clip.samples, chance), chance, recipe.shift) for clip in batch]
        )
        logits = model(samples).logits.float()
        labels = torch.tensor([WORDS.index(clip.text) for clip in batch])
        loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)
        return loss, {"loss": float(loss.detach())}

    def validate(model: Wav2Vec2ForSequenceClassification) -> str:
        return f"{_measured(model, validation).accuracy:.3f}"

    return shared.fit(recipe, model, loss_of, validate), clips


def train(folder: Path, recipe: Recipe) -> dict[str, Measurement]:
    """Train, save, measure on all of `SETS` and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    cards.count_parameters(recipe.pretrained)  # one clear message where there is nothing to start from
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        trained, clips = fitted(recipe)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        shared.save(fresh, trained)
        shared.feature_extractor().save_pretrained(fresh)
        return _write_card(fresh, recipe, wall / 60, cpu, clips)


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
        "pipeline_tag": "audio-classification",
        "language": "en",
        "model_class": "Wav2Vec2ForSequenceClassification",
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
                "name": f"accuracy {name}",
                "value": round(one.accuracy, 4),
                "split": name,
                "n": len(one.truth),
                "seeds": [0, len(one.truth) - 1],
            }
            for name, one in found.items()
        ],
        "baselines": {"chance": round(1 / len(WORDS), 4)},
    }
    lines = [f"- {SETS[name]}: {one.accuracy:.3f} ({_right(one)});" for name, one in found.items()]
    people = found["human"]
    for voice in shared.HUMAN:
        mine = np.array([one == voice for one in people.voices])
        if mine.any():
            right = int((people.answers == people.truth)[mine].sum())
            lines.append(f"- of these, {shared.VOICES[voice]}: {right / mine.sum():.3f} ({right} of {mine.sum()});")
    confused = "\n\n".join(
        f"Confusion matrix of {SETS[name]}, its zeros left out:\n\n{_confusions(one)}" for name, one in found.items()
    )
    prose = f"""
# {recipe.name}

A small Wav2Vec2 that names the one word which is said in a recording: a letter of the NATO alphabet or a digit, 36 in
all. It is the unmodified `Wav2Vec2ForSequenceClassification` of transformers on the network of
`{recipe.pretrained.name}`. {parameters:,} parameters, {size:,} bytes in half precision; the configuration makes
transformers load them as float32, in which everything below was measured. This card was written by the program that
trained the model (`{recipe.module}`), from what it measured.

## Data

{len(clips):,} synthetic recordings of single words, {shared.sound_seconds(clips) / 60:.0f} minutes in all
(`sample_data/speech.py`): voice variants of espeak-ng in seven accents, and four voices of flite. No person was
recorded for training.

{shared.CREDITS}

## Recipe

{recipe.steps:,} steps of AdamW (learning rate {recipe.learning_rate:g}), each with about {recipe.seconds:g} s of sound,
two fifths of it flite's. The network begins as the recogniser's, which has learned to write down what such voices say.
In half of the clips all frequencies are shifted, by a factor between 0.75 and 1.4; every clip is played faster or
slower, with an echo, band limits and noise by chance, and with silence at both ends. All weights are trained. Label smoothing {recipe.smoothing:g}, masked spans of frames and
channels, bfloat16 autocast, float32 weights, and an average of the weights ({recipe.average:g}).

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread ({cpu_seconds:.0f} s of
processor time), the sound already made. Repeat it with `make train NAME={recipe.name}`.

## Results

Share of right answers in voices that it has never heard; guessing would score {1 / len(WORDS):.3f}:

{chr(10).join(lines)}

{confused}

## Limits

- It knows 36 words and has to answer with one of them, whatever it hears; silence and music too.
- It has learned from synthesizers, and gets {1 - people.accuracy:.0%} of the words wrong that people say.
- One word a recording. For several in a row there is `wav2vec2-asr`.
"""
    cards.write_card(folder, fields, prose)
    return found


def _right(found: Measurement) -> str:
    return f"{int((found.answers == found.truth).sum())} of {len(found.truth)}"


def _confusions(found: Measurement) -> str:
    """The confusion matrix as a table, its zeros left out: a row for each word that was taken for another."""
    rows = ["| said | right | taken for |", "| --- | ---: | --- |"]
    for i, row in enumerate(found.confusion):
        wrong = [f"{WORDS[j]} ({count})" for j, count in enumerate(row) if count and j != i]
        if wrong:
            rows.append(f"| {WORDS[i]} | {row[i]} of {row.sum()} | {', '.join(wrong)} |")
    perfect = [WORDS[i] for i, row in enumerate(found.confusion) if row.sum() and row[i] == row.sum()]
    table = "\n".join(rows) + "\n\n" if rows[2:] else ""
    return f"{table}Always right: {', '.join(perfect) or 'none'}."


def quick(**changes: Any) -> Recipe:
    """A run of seconds: for tests, not for results."""
    return replace(Recipe(steps=4, seconds=4.0, test=6), **changes)


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(f"{FOLDER}: accuracy", ", ".join(f"{one.accuracy:.3f} ({name})" for name, one in found.items()))
