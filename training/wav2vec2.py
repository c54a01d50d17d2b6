"""Trains checkpoints/wav2vec2-pretrained: Wav2Vec2 on speech without transcripts.

The model is `Wav2Vec2ForPreTraining` of transformers, unmodified. About half of the frames are masked; for each of
them it must tell the frame's own quantized vector from a hundred others of the same recording.
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
from torch import Tensor, nn
from transformers import Wav2Vec2ForPreTraining
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices, _sample_negative_indices

from sample_data import speech
from sample_data.speech import RATE, Clip
from training import cards
from training import speech as shared

FOLDER = Path("checkpoints/wav2vec2-pretrained")


@dataclass(frozen=True)
class Recipe(shared.Recipe):
    """All choices of a training run.

    Attributes:
        crop: Seconds of a window.
        mask_probability: Share of the frames that the masked spans would cover if none overlapped.
        mask_length: Frames of a span.
        negatives: Distractors of each masked frame.
        hottest: Temperature of the Gumbel softmax in the first step.
        coldest: And in the last.
        human: Share of the windows that people read.
    """

    name: ClassVar[str] = "wav2vec2-pretrained"
    module: ClassVar[str] = "training/wav2vec2.py"

    steps: int = 4_000
    seconds: float = 20.0
    learning_rate: float = 1e-3
    crop: float = 2.5
    mask_probability: float = 0.65
    mask_length: int = 10
    negatives: int = 100
    hottest: float = 2.0
    coldest: float = 0.5
    diversity: float = 0.1
    human: float = 0.35

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        super().check()
        if self.seconds < self.crop:
            raise ValueError(f"seconds {self.seconds} must be at least crop {self.crop}")
        if not 0 < self.coldest <= self.hottest:
            raise ValueError(f"coldest {self.coldest} must be above 0 and at most hottest {self.hottest}")

    def build(self) -> Wav2Vec2ForPreTraining:
        """The model with random weights."""
        return Wav2Vec2ForPreTraining(
            shared.config(
                num_negatives=self.negatives,
                diversity_loss_weight=self.diversity,
                hidden_dropout=0.0,
                activation_dropout=0.0,
                feat_proj_dropout=0.0,
                feat_quantizer_dropout=0.0,
                final_dropout=0.0,
            )
        )


@dataclass(frozen=True)
class Measurement:
    """How well masked frames were recognised.

    Attributes:
        right: Whether the true vector was nearest, for each masked frame.
        counts: How often each codeword was chosen, int64 [groups, entries].
        chance: What guessing would score: one of the different vectors that a frame is compared with.
    """

    right: NDArray[np.bool_]
    counts: NDArray[np.int64]
    chance: float

    @property
    def accuracy(self) -> float:
        """Share of the masked frames whose own vector was picked."""
        return float(self.right.mean())

    @property
    def perplexity(self) -> float:
        """Codewords in use, summed over the groups: the exponential of the entropy of their shares."""
        shares = self.counts / self.counts.sum(1, keepdims=True)
        logs = np.log(np.where(shares > 0, shares, 1.0))
        return float(np.exp(-(shares * logs).sum(1)).sum())


def window(clips: Sequence[Clip], length: int, chance: np.random.Generator) -> NDArray[np.float32]:
    """A piece of so many samples; where a clip is too short, others follow it after a pause."""
    parts: list[NDArray[np.float32]] = []
    while sum(map(len, parts)) < length:
        pause = np.zeros(int(chance.uniform(0.03, 0.25) * RATE), np.float32)
        parts += [clips[int(chance.integers(len(clips)))].samples, pause]
    whole = np.concatenate(parts)
    start = int(chance.integers(len(whole) - length + 1))
    return whole[start : start + length]


def _masks(model: Any, count: int, frames: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Which frames are masked, bool [b, t], and the distractors of each, int64 [b, t, negatives]."""
    masked = _compute_mask_indices((count, frames), recipe.mask_probability, recipe.mask_length, min_masks=1)
    others = _sample_negative_indices((count, frames), recipe.negatives, mask_time_indices=masked)
    return torch.from_numpy(masked), torch.from_numpy(others)


def contrastive_loss(found: Any, masked: Tensor, others: Tensor, temperature: float = 0.1) -> Tensor:
    """The library's contrastive loss, from a table of all similarities instead of copies of the vectors.

    The library gathers the vectors of all distractors of all frames, masked or not; on a CPU that takes four fifths of
    a training step. Its value is the same (`tests/test_training_wav2vec2.py`).

    Args:
        found: What `Wav2Vec2ForPreTraining` returned.
        masked: bool [b, t].
        others: Distractors of each frame as the library samples them, counted through the batch, int64 [b, t, n].
        temperature: Cosine similarities are divided by it.

    Returns:
        The sum over all masked frames.
    """
    guess = nn.functional.normalize(found.projected_states.float(), dim=-1)
    truth = nn.functional.normalize(found.projected_quantized_states.float(), dim=-1)
    frames = masked.shape[1]
    near = guess @ truth.transpose(1, 2)
    same = (truth[:, :, None] == truth[:, None]).all(-1)
    local = others - torch.arange(len(masked))[:, None, None] * frames
    rivals = near.gather(2, local).masked_fill(same.gather(2, local), -torch.inf)
    logits = torch.cat([near.diagonal(dim1=1, dim2=2)[:, :, None], rivals], dim=2)[masked] / temperature
    return nn.functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long), reduction="sum")


def _picked(
    model: Any, samples: Tensor, recipe: Recipe
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    """Of one recording: whether each masked frame was recognised, all codewords [groups, t], and chance a masked frame."""
    frames = int(model._get_feat_extract_output_lengths(samples.shape[1]))
    masked, others = _masks(model, len(samples), frames, recipe)
    found = model(samples, mask_time_indices=masked)
    truth, guess = found.projected_quantized_states, found.projected_states
    rivals = truth.reshape(-1, truth.shape[-1])[others.reshape(-1)].view(*others.shape, -1)
    near = torch.cosine_similarity(guess[:, :, None], rivals, dim=-1)
    # A distractor with the very codewords of the truth is no distractor.
    near[(rivals == truth[:, :, None]).all(-1)] = -torch.inf
    right = torch.cosine_similarity(guess, truth, dim=-1) > near.amax(-1)
    features = model.wav2vec2.feature_projection.layer_norm(model.wav2vec2.feature_extractor(samples).transpose(1, 2))
    quantizer = model.quantizer
    chosen = quantizer.weight_proj(features).view(-1, quantizer.num_groups, quantizer.num_vars).argmax(-1)
    # Distractors repeat, and some are equal: one guesses among as many vectors as there are different ones.
    names = (chosen * torch.tensor([quantizer.num_vars**i for i in range(quantizer.num_groups)])).sum(-1)
    different = [len({*names[row].tolist()} | {int(own)}) for row, own in zip(others[0], names, strict=True)]
    return right[masked].numpy(), chosen.T.numpy(), 1 / np.array(different)[masked[0].numpy()]


def _measured(model: Any, clips: Sequence[Clip], recipe: Recipe) -> Measurement:
    """Measure on clips, each masked once with a seed of its own."""
    groups, entries = model.quantizer.num_groups, model.quantizer.num_vars
    counts = np.zeros((groups, entries), np.int64)
    rights, chances = [], []
    state = np.random.get_state()
    try:
        for i, clip in enumerate(clips):
            np.random.seed(i)
            right, chosen, chance = _picked(model, shared.waves([clip.samples]), recipe)
            rights.append(right)
            chances.append(chance)
            for group in range(groups):
                counts[group] += np.bincount(chosen[group], minlength=entries)
    finally:
        np.random.set_state(state)
    return Measurement(np.concatenate(rights), counts, float(np.concatenate(chances).mean()))


def _long_enough(clips: Sequence[Clip]) -> list[Clip]:
    """Clips of a second and a half at least: in shorter ones hardly any frame is left to compare with."""
    return [clip for clip in clips if clip.seconds >= 1.5]


def load(folder: Path) -> Wav2Vec2ForPreTraining:
    """The checkpoint.

    Raises:
        CheckpointError: Where weights are missing or damaged.
    """
    cards.count_parameters(folder)
    model = Wav2Vec2ForPreTraining.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(model, Wav2Vec2ForPreTraining)
    return model


def measure(folder: Path, name: str = "test", n: int | None = None, cache: Path = speech.CACHE) -> Measurement:
    """Contrastive accuracy and use of the codebook.

    Args:
        folder: The checkpoint.
        name: "test" (strings in held-out voices of espeak-ng) or "people" (recordings that it was trained on).
        n: On the first so many clips; None for all.
        cache: Where clips are kept.

    Raises:
        CheckpointError: Where weights are missing or damaged, or for another name.
    """
    clips = _long_enough(shared.test_set(name, "strings", None, cache))[:n]
    with torch.inference_mode():
        return _measured(load(folder), clips, Recipe())


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's figures again; CheckpointError where anything disagrees with it."""

    def again(path: Path, metric: cards.Metric) -> float:
        found = measure(path, metric.split, metric.n)
        if metric.name == "contrastive accuracy":
            return found.accuracy
        if metric.name == "share of codewords in use":
            return found.perplexity / found.counts.size
        raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}")

    return cards.check_checkpoint(folder, again, items="clips")


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Train, save, measure on held-out voices and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    made = speech.clips("train", "strings", recipe.cache)
    read = speech.unlabelled(recipe.cache)
    validation = _long_enough(speech.clips("validation", "strings", recipe.cache))[:60]
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    np.random.seed(recipe.seed)
    chance = np.random.default_rng(recipe.seed)
    length = int(recipe.crop * RATE)

    def loss_of(model: Wav2Vec2ForPreTraining, step: int) -> tuple[Tensor, dict[str, float]]:
        model.set_gumbel_temperature(  # type: ignore[arg-type]
            max(recipe.coldest, recipe.hottest * (recipe.coldest / recipe.hottest) ** (step / (0.7 * recipe.steps)))
        )
        rows = []
        for _ in range(round(recipe.seconds / recipe.crop)):
            row = window(read if chance.random() < recipe.human else made, length * 6 // 5, chance)
            rows.append((speech.augment(row, chance) if chance.random() < 0.5 else row)[:length])
        samples = shared.waves(rows)
        frames = int(model._get_feat_extract_output_lengths(samples.shape[1]))
        masked, others = _masks(model, len(rows), frames, recipe)
        found = model(samples, mask_time_indices=masked)
        contrastive = contrastive_loss(found, masked, others) / masked.sum()
        words = model.config.num_codevectors_per_group * model.config.num_codevector_groups
        loss = contrastive + recipe.diversity * (words - found.codevector_perplexity) / words
        return loss, {"loss": float(contrastive.detach()), "codewords": float(found.codevector_perplexity.detach())}

    def validate(model: Wav2Vec2ForPreTraining) -> str:
        found = _measured(model, validation, recipe)
        return f"{found.accuracy:.3f}, {found.perplexity:.0f} codewords"

    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        model = shared.fit(recipe, recipe.build(), loss_of, validate)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        shared.save(fresh, model)
        shared.feature_extractor().save_pretrained(fresh)
        return _write_card(fresh, recipe, wall / 60, cpu, shared.sound_seconds(made), shared.sound_seconds(read))


def _write_card(
    folder: Path, recipe: Recipe, minutes: float, cpu_seconds: float, made: float, read: float
) -> Measurement:
    """Measure what was saved, and write the card from nothing but that."""
    found = measure(folder, "test", recipe.test, recipe.cache)
    clips = _long_enough(shared.test_set("test", "strings", None, recipe.cache))[: recipe.test]
    with torch.inference_mode():
        torch.manual_seed(recipe.seed)
        untrained = _measured(recipe.build().eval(), clips, recipe)
    parameters, size = cards.count_parameters(folder), (folder / cards.WEIGHTS).stat().st_size
    seeds, n = [0, len(clips) - 1], len(clips)
    choices = {k: v for k, v in asdict(recipe).items() if k not in ("cache", "test")}
    fields: dict[str, Any] = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "feature-extraction",
        "model_class": "Wav2Vec2ForPreTraining",
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.speech",
            "version": speech.VERSION,
            "hours_synthetic": round(made / 3600, 2),
            "hours_human": round(read / 3600, 2),
        },
        "recipe": choices,
        "metrics": [
            {"name": name, "value": round(value, 4), "split": "test", "n": n, "seeds": [*seeds]}
            for name, value in (
                ("contrastive accuracy", found.accuracy),
                ("share of codewords in use", found.perplexity / found.counts.size),
            )
        ],
        "baselines": {
            "chance": round(found.chance, 4),
            "untrained_accuracy": round(untrained.accuracy, 4),
            "untrained_perplexity": round(untrained.perplexity, 1),
        },
    }
    used = (found.counts > 0).sum(1)
    prose = f"""
# {recipe.name}

A small Wav2Vec2 that has listened to speech and was told nothing about it. It is the unmodified
`Wav2Vec2ForPreTraining` of transformers: seven convolutions that make one vector every 20 ms, a quantizer with
2 groups of 64 codewords, and 4 Transformer layers of width 256. {parameters:,} parameters, {size:,} bytes in half
precision; the configuration makes transformers load them as float32, in which everything below was measured. This
card was written by the program that trained the model (`{recipe.module}`), from what it measured.

## Data

{made / 3600:.1f} hours of synthetic speech and {read / 3600:.1f} hours read by two people, none of it with a
transcript (`sample_data/speech.py`). The synthetic part says words of the NATO alphabet and digits, in voices of
espeak-ng and flite; the people read announcements in Italian and Russian.

{shared.CREDITS}

## Recipe

{recipe.steps:,} steps of AdamW (learning rate {recipe.learning_rate:g} with warm-up, then constant, then falling),
each with {round(recipe.seconds / recipe.crop)} windows of {recipe.crop:g} s. Spans of {recipe.mask_length} frames are
masked, about half of all frames; {recipe.negatives} distractors for each masked frame come from the other masked
frames of its window. Contrastive loss, plus {recipe.diversity:g} times the diversity loss. The temperature of the
Gumbel softmax falls from {recipe.hottest:g} to {recipe.coldest:g}. Half of the windows are made to sound as if
recorded elsewhere. bfloat16 autocast, float32 weights, and an average of the weights ({recipe.average:g}).

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread ({cpu_seconds:.0f} s of
processor time), the sound already made. Repeat it with `make train NAME={recipe.name}`.

## Results

On {n} strings of words in voices of espeak-ng that it has never heard, {len(found.right):,} masked frames:

- the frame's own vector is picked in {found.accuracy:.3f} of them; guessing would score {found.chance:.3f}, since
  distractors repeat and equal ones do not count; the untrained model scores {untrained.accuracy:.3f};
- the codebook is in use: perplexity {found.perplexity:.1f} of {found.counts.size} (two groups added), {used[0]} and
  {used[1]} of the 64 codewords of a group occur at all; untrained {untrained.perplexity:.1f}.

## Limits

- It transcribes nothing and names nothing. It gives vectors, to which a head is trained.
- Most of what it heard is synthetic and says 36 words. A model that listened to people would know more of speech.
- It takes 16,000 samples a second.
"""
    cards.write_card(folder, fields, prose)
    return found


def quick(**changes: Any) -> Recipe:
    """A run of seconds: for tests, not for results."""
    return replace(Recipe(steps=4, seconds=6.0, crop=2.0, test=6), **changes)


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(f"{FOLDER}: contrastive accuracy {found.accuracy:.3f}, {found.perplexity:.0f} codewords in use")
