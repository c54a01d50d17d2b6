"""What the three speech checkpoints share: the network's sizes, batches of sound, the loop, and words for the cards.

`training/wav2vec2.py` trains the network on speech without transcripts. `training/audio_classification.py` and
`training/speech_recognition.py` put a head on it and train both on speech with known words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AutoModel, PreTrainedModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor

from sample_data import speech
from sample_data.speech import RATE, Clip
from training import cards

Model = TypeVar("Model", bound=PreTrainedModel)

SIZES: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 768,
    # The seven layers, kernels and strides of the published encoder; only its channels are fewer.
    "conv_dim": (32, 48, 64, 96, 128, 128, 128),
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "feat_extract_norm": "group",
    "do_stable_layer_norm": True,
    "num_conv_pos_embeddings": 32,
    "num_conv_pos_embedding_groups": 16,
    "num_codevector_groups": 2,
    "num_codevectors_per_group": 64,
    "codevector_dim": 128,
    "proj_codevector_dim": 128,
    "layerdrop": 0.0,
    "attention_dropout": 0.0,  # torch's fast attention on a CPU has none
}
"""Of the configuration; what is not named here has the library's default."""

ROOM = 0.3
"""Most seconds of silence that training puts before and after a clip."""

HUMAN = ("allison", "june")
"""Held-out voices of people."""

VOICES: dict[str, str] = {
    "allison": "Allison Smith, an American",
    "june": "June Wallack, a French Canadian",
    "slt": "flite's voice slt, which is synthetic",
}
"""Held-out voices whose recordings lie in docs/assets/speech, in words."""

CREDITS = (
    "Human recordings: Allison Smith and June Wallack, from Debian's asterisk-core-sounds (CC-BY-SA-3.0), held out. "
    "Unlabelled: Carlo Flora (CC-BY-SA-3.0) and the reader of Maxim Topal's ivrvoice.ru (CC-BY-3.0), from the same "
    "source. flite's voices are free under terms like BSD's, espeak-ng is under GPL-3.0 and its output is not bound."
)


@dataclass(frozen=True)
class Recipe:
    """What the training runs have in common.

    Attributes:
        steps: Of the optimiser.
        seconds: Of sound in a step.
        learning_rate: The highest.
        warmup: Share of the steps in which it rises.
        cooldown: Share of the steps, the last ones, in which it falls to nothing.
        average: How much of the averaged weights stays in each step.
        test: How many clips of each test set to measure on; None for all.
    """

    steps: int = 1_000
    seconds: float = 12.0
    learning_rate: float = 1e-3
    warmup: float = 0.06
    cooldown: float = 0.5
    weight_decay: float = 0.01
    average: float = 0.999
    threads: int = 1
    seed: int = 0
    test: int | None = None
    cache: Path = speech.CACHE

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if self.steps < 1 or self.seconds < 1:
            raise ValueError(f"steps {self.steps} and seconds {self.seconds} must be at least 1")
        if not 0 < self.warmup + self.cooldown <= 1:
            raise ValueError(f"warmup {self.warmup} and cooldown {self.cooldown} must add up to at most 1")

    def share(self, step: int) -> float:
        """The part of its learning rate that a step has: it rises, stays, and falls, in straight lines."""
        rise, fall = max(1.0, self.steps * self.warmup), max(1.0, self.steps * self.cooldown)
        return min(1.0, (step + 1) / rise, (self.steps - step) / fall)


def feature_extractor() -> Wav2Vec2FeatureExtractor:
    """What prepares a waveform: mean 0 and variance 1; no attention mask, as for all models with group norm."""
    return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False, sampling_rate=RATE)


def config(**more: Any) -> Wav2Vec2Config:
    """The configuration of `SIZES`, and what a task adds."""
    return Wav2Vec2Config(**{**SIZES, **more})


def with_encoder(model: Model, folder: Path) -> Model:
    """The model with the network of another checkpoint in the place of its own.

    Raises:
        CheckpointError: Where that checkpoint is missing or damaged.
    """
    cards.count_parameters(folder)
    source = AutoModel.from_pretrained(folder, dtype=torch.float32)
    inner: Any = model
    inner.wav2vec2.load_state_dict(source.state_dict())
    return model


def waves(samples: Sequence[NDArray[np.float32]]) -> Tensor:
    """Waveforms as the feature extractor gives them: each normalised, then zeros at the end, float32 [b, t]."""
    longest = max(len(one) for one in samples)
    batch = np.zeros((len(samples), longest), np.float32)
    for row, one in zip(batch, samples, strict=True):
        row[: len(one)] = (one - one.mean()) / np.sqrt(one.var() + 1e-7)
    return torch.from_numpy(batch)


def roomy(samples: NDArray[np.float32], chance: np.random.Generator) -> NDArray[np.float32]:
    """The clip with some silence at each end, of up to `ROOM` seconds."""
    before, after = (int(chance.uniform(0, ROOM) * RATE) for _ in range(2))
    return np.pad(samples, (before, after))


def batches(
    clips: Sequence[Clip], seconds: float, chance: np.random.Generator, weights: NDArray[np.float64] | None = None
) -> Iterator[list[int]]:
    """Numbers of clips, in batches of at most so many seconds and of like length, without an end.

    To the length of a clip counts the silence that `roomy` may add.
    """
    shares = None if weights is None else weights / weights.sum()
    while True:
        pool = chance.choice(len(clips), 400, p=shares)
        pool = pool[np.argsort([clips[i].seconds for i in pool], kind="stable")]
        found: list[list[int]] = [[]]
        for i in pool.tolist():
            if found[-1] and (len(found[-1]) + 1) * (clips[i].seconds + 2 * ROOM) > seconds:
                found.append([])
            found[-1].append(i)
        for i in chance.permutation(len(found)):
            yield found[i]


def fit(
    recipe: Recipe,
    model: Model,
    loss_of: Callable[[Model, int], tuple[Tensor, dict[str, float]]],
    validate: Callable[[Model], str],
) -> Model:
    """Train a model; the average of its weights over the last steps is what comes back, ready to be used.

    Args:
        recipe: The run's numbers.
        model: In any mode, with any weights.
        loss_of: The loss of a step, and what to show beside the bar.
        validate: How well it does, in a few words; called ten times.
    """
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, recipe.share)
    average = torch.optim.swa_utils.AveragedModel(
        model,
        # Early on the average reaches back less far, or it would remember the random start.
        avg_fn=lambda old, new, seen: old.lerp(new, max(1 - recipe.average, 1 / (1 + seen / 10))),
    )
    shown: dict[str, Any] = {}
    every = max(1, recipe.steps // 10)
    for step in (bar := tqdm(range(recipe.steps), "training", mininterval=2)):
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss, parts = loss_of(model, step)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(model)
        if step % 25 == 0:
            shown |= {name: f"{value:.3f}" for name, value in parts.items()}
            bar.set_postfix(shown)
        if (step + 1) % every == 0:
            with torch.inference_mode():
                averaged: Any = average.module.eval()
                shown["validation"] = validate(averaged)
            bar.set_postfix(shown)
    result = average.module.eval()
    assert isinstance(result, type(model))
    return result


def save(folder: Path, model: PreTrainedModel) -> None:
    """Weights in half precision; the configuration makes transformers load them as float32."""
    model.half().save_pretrained(folder)
    (folder / cards.WEIGHTS).chmod(0o644)  # safetensors makes it readable to its owner alone
    path = folder / "config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"float16"', '"float32"'), encoding="utf-8")


def test_set(name: str, kind: speech.Kind, n: int | None, cache: Path = speech.CACHE) -> list[Clip]:
    """Clips to measure on.

    Args:
        name: "test" (held-out voices of espeak-ng), "slt" (a synthesizer's voice) or "human" (two people).
        kind: "strings" or "words"; the people read words alone.
        n: The first so many; None for all.
        cache: Where the clips of espeak-ng are kept.

    Raises:
        CheckpointError: For another name.
        SpeechError: Where clips can neither be read nor made.
    """
    if name in ("validation", "test"):
        found = speech.clips("test" if name == "test" else "validation", kind, cache)
    elif name == "slt":
        found = [clip for clip in speech.held_out("slt") if (" " in clip.text) == (kind == "strings")]
    elif name == "human":
        found = [clip for voice in HUMAN for clip in speech.held_out(voice)]
    else:
        raise cards.CheckpointError(f"unknown test set {name!r}: use validation, test, slt or human")
    return found[:n]


def sound_seconds(clips: Sequence[Clip]) -> float:
    """How long all of them are."""
    return sum(clip.seconds for clip in clips)
