"""What the checkpoints for detection, segmentation and depth share: scenes, augmentation, the loop and the card.

A module for one model (`training/detr.py`, `training/mask2former.py`, `training/glpn.py`) holds a
subclass of `Recipe`: its numbers, how to build and pretrain the model, its loss, its metrics, and
the words of the card that are its own.
"""

from __future__ import annotations

import functools
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoImageProcessor, PreTrainedModel

from sample_data import scenes
from training import cards

SMALLEST = 12
"""An object that shows fewer pixels in a cropped picture is no longer asked for."""

QUICK: dict[str, Any] = {
    "train": 12,
    "validation": 4,
    "test": 4,
    "steps": 2,
    "batch": 4,
    "image_size": 32,
    "workers": 1,
}
"""Settings of a run of seconds: for tests, not for results."""


@dataclass(frozen=True)
class Scenes:
    """Pictures with their ground truth, as they were rendered.

    Attributes:
        images: uint8 [n, size, size, 3].
        segments: uint8 [n, size, size]: 0 floor, 1 wall, 2 + i object i.
        labels: int64 [n, 6], index into `scenes.LABELS`, -1 where there is no object.
        depth: float16 [n, size, size] in metres.
    """

    images: Tensor
    segments: Tensor
    labels: Tensor
    depth: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Batch:
    """What one step learns from.

    Attributes:
        pixels: float [b, 3, size, size] from 0 to 1; a model's own normalisation comes on top.
        segments: int64 [b, size, size]: 0 floor, 1 wall, 2 + i object i.
        labels: int64 [b, 6]; -1 where there is no object, or too little of it in view.
        depth: float32 [b, size, size] in metres; meaningful only where the pictures were not cropped.
    """

    pixels: Tensor
    segments: Tensor
    labels: Tensor
    depth: Tensor

    def masks(self) -> Tensor:
        """True where an object shows, bool [b, 6, size, size]; all false for an absent object."""
        ids = torch.arange(self.labels.shape[1])[:, None, None] + 2
        return (self.segments[:, None] == ids) & (self.labels >= 0)[:, :, None, None]

    def boxes(self) -> Tensor:
        """(x0, y0, x1, y1) as shares of the picture, float [b, 6, 4]; zeros for an absent object."""
        masks = self.masks()
        size = masks.shape[-1]
        edges = []
        for inside in (masks.any(2), masks.any(3)):  # columns, rows
            first = inside.float().argmax(-1)
            last = size - inside.flip(-1).float().argmax(-1)
            edges.append(torch.stack([first, last], -1))
        x, y = edges
        found = torch.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1) / size
        return found * (self.labels >= 0)[..., None]

    def classes(self) -> Tensor:
        """Class of each pixel, int64 [b, size, size]: 0 to 4 as in `scenes.LABELS`, 5 floor, 6 wall.

        Pixels of an object that is no longer asked for are -100, which cross-entropy ignores.
        """
        known = torch.where(self.labels < 0, -100, self.labels)
        stuff = torch.tensor([5, 6]).expand(len(known), 2)
        table = torch.cat([stuff, known], 1)
        return table.gather(1, self.segments.flatten(1)).view_as(self.segments)


@dataclass(frozen=True)
class Result:
    """One number for the card's head."""

    name: str
    value: float


@dataclass(frozen=True)
class Recipe(ABC):
    """All choices of a training run, and what follows from them for one model.

    Attributes:
        name: Of the checkpoint: its folder's name, and what `make train NAME=…` takes.
        module: The file that trains it, from the repository's root.
        pipeline: The task's name, as model hubs write it.
        crops: Whether pictures are cropped and zoomed; not for depth, whose scale that would change.
        steps: Of training after `pretrain`.
        average: How much of the average of the weights each step keeps.
    """

    name: ClassVar[str]
    module: ClassVar[str]
    pipeline: ClassVar[str]
    crops: ClassVar[bool] = True

    train: int = 24_000
    validation: int = 300
    test: int = 1_000
    steps: int = 3_000
    batch: int = 16
    learning_rate: float = 5e-4
    warmup: float = 0.05
    weight_decay: float = 1e-4
    clip: float = 1.0
    average: float = 0.998
    image_size: int = 96
    threads: int = 1
    workers: int = 2
    seed: int = 0
    cache: Path = scenes.CACHE

    @abstractmethod
    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""

    @abstractmethod
    def build(self) -> PreTrainedModel:
        """The model with random weights."""

    @abstractmethod
    def processor(self) -> Any:
        """The image processor that is saved beside the weights."""

    @abstractmethod
    def loss(self, model: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What a step brings down, and its parts to be shown."""

    @abstractmethod
    def validate(self, model: Any, data: Scenes) -> dict[str, float]:
        """A few numbers to follow the training by, on pictures that it does not train on."""

    @abstractmethod
    def measure(self, folder: Path, n: int, split_name: str) -> Sequence[Result]:
        """The metrics of a saved checkpoint for the head of its card."""

    @abstractmethod
    def describe(self, folder: Path) -> str:
        """Title paragraph of the card: what the model does and how it is built."""

    @abstractmethod
    def describe_recipe(self) -> str:
        """How it was trained, for the card: what `describe_loop` does not say."""

    @abstractmethod
    def describe_results(self, folder: Path, results: Sequence[Result]) -> str:
        """The results in words and tables, for the card."""

    @abstractmethod
    def describe_limits(self) -> str:
        """What it cannot do, as a list, for the card."""

    def pretrain(self, model: Any, data: Scenes, chance: torch.Generator) -> None:  # noqa: B027 - optional
        """What is trained before the model as a whole; nothing unless overridden."""

    def finish(self, model: Any) -> None:  # noqa: B027 - optional
        """Last changes to the trained model before it is saved; nothing unless overridden."""

    def helper(self, model: Any) -> nn.Module | None:
        """Layers that learn along with the model and are thrown away; kept by the recipe's own means."""
        return None

    def groups(self, model: Any, helper: nn.Module | None) -> list[dict[str, Any]]:
        """Parameters for AdamW: weight decay on matrices and kernels alone."""
        weights = [p for part in (model, helper) if part is not None for p in part.parameters() if p.requires_grad]
        return [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
        ]


def load(recipe: Recipe, split_name: str, count: int) -> Scenes:
    """The first scenes of a split, rendered or from the cache."""
    arrays = scenes.render_many(
        split_name,
        count,
        size=recipe.image_size,
        fields=("images", "segments", "labels", "depth"),
        workers=recipe.workers,
        cache=recipe.cache,
    )
    return Scenes(
        images=torch.from_numpy(arrays["images"]),
        segments=torch.from_numpy(arrays["segments"]),
        labels=torch.from_numpy(arrays["labels"].astype(np.int64)),
        depth=torch.from_numpy(arrays["depth"]),
    )


def plain(data: Scenes, index: Tensor | slice) -> Batch:
    """A batch of pictures as they are."""
    return Batch(
        pixels=data.images[index].permute(0, 3, 1, 2).float() / 255,
        segments=data.segments[index].long(),
        labels=data.labels[index],
        depth=data.depth[index].float(),
    )


def augmented(data: Scenes, index: Tensor, chance: torch.Generator, *, crops: bool) -> Batch:
    """A batch with pictures mirrored, coloured otherwise and, on request, cropped and zoomed.

    Args:
        data: Scenes.
        index: Which of them, int64 [b].
        chance: Where the random numbers come from.
        crops: Take a part of 70 to 100 % of each side and bring it to full size.
    """
    batch = plain(data, index)
    count = len(batch.pixels)

    def spread(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=chance) * (high - low) + low

    flip = spread(0, 1) < 0.5
    pixels, segments, depth, labels = batch.pixels, batch.segments, batch.depth, batch.labels
    if crops:
        part = spread(0.7, 1.0)
        part[spread(0, 1) < 0.3] = 1.0
        sign = torch.where(flip, -1.0, 1.0)
        shift_x, shift_y = spread(-1, 1) * (1 - part), spread(-1, 1) * (1 - part)
        zero = torch.zeros_like(part)
        turn = torch.stack([torch.stack([part * sign, zero, shift_x], 1), torch.stack([zero, part, shift_y], 1)], 1)
        grid = functional.affine_grid(turn, [count, 1, *pixels.shape[2:]], align_corners=False)
        pixels = functional.grid_sample(pixels, grid, "bilinear", "border", align_corners=False)
        ids = functional.grid_sample(segments[:, None].float(), grid, "nearest", "border", align_corners=False)
        segments = ids[:, 0].long()
        depth = functional.grid_sample(depth[:, None], grid, "nearest", "border", align_corners=False)[:, 0]
        shown = torch.stack([(segments == 2 + i).flatten(1).sum(1) for i in range(labels.shape[1])], 1)
        labels = torch.where(shown >= SMALLEST, labels, -1)
    else:
        pixels = torch.where(flip[:, None, None, None], pixels.flip(-1), pixels)
        segments = torch.where(flip[:, None, None], segments.flip(-1), segments)
        depth = torch.where(flip[:, None, None], depth.flip(-1), depth)
    order = torch.rand(count, 3, generator=chance).argsort(1)
    order[spread(0, 1) < 0.4] = torch.arange(3)
    pixels = pixels.gather(1, order[:, :, None, None].expand_as(pixels))
    contrast, light = spread(0.75, 1.25), spread(-0.1, 0.1)
    pixels = ((pixels - 0.5) * contrast[:, None, None, None] + 0.5 + light[:, None, None, None]).clamp(0, 1)
    return Batch(pixels, segments, labels, depth)


def batches(count: int, batch: int, chance: torch.Generator) -> Iterator[Tensor]:
    """Indices of full batches, epoch after epoch, for ever."""
    while True:
        yield from (part for part in torch.randperm(count, generator=chance).split(batch) if len(part) == batch)


def schedule(optimiser: torch.optim.Optimizer, steps: int, warmup: float) -> torch.optim.lr_scheduler.LambdaLR:
    """A linear rise over the first share of the steps, then a cosine down to a hundredth."""
    rise = max(1, round(steps * warmup))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def fit(
    recipe: Recipe,
    model: Any,
    train: Scenes,
    validation: Scenes,
    chance: torch.Generator,
    every: int = 500,
    keep: Callable[[Any], None] | None = None,
) -> Any:
    """Train a model by its recipe's loss; the average of its weights over the last steps is what comes back.

    Args:
        recipe: The numbers.
        model: Changed in place.
        train: What it learns from.
        validation: What it is followed by.
        chance: For the order of the pictures and for augmentation.
        every: Steps between two looks at the validation pictures.
        keep: Called with the averaged model after each of these looks.
    """
    model.train()
    helper = recipe.helper(model)
    groups = recipe.groups(model, helper)
    weights = [p for group in groups for p in group["params"]]
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    rate = schedule(optimiser, recipe.steps, recipe.warmup)
    average = torch.optim.swa_utils.AveragedModel(
        model,
        # Early on the average reaches back less far, or it would remember the random start.
        avg_fn=lambda old, new, seen: old.lerp(new, max(1 - recipe.average, 1 / (1 + seen / 10))),
    )
    order = batches(len(train), recipe.batch, chance)
    bar = tqdm(zip(range(1, recipe.steps + 1), order, strict=False), recipe.name, recipe.steps)
    shown: dict[str, str] = {}
    for step, index in bar:
        loss, parts = recipe.loss(model, augmented(train, index, chance, crops=recipe.crops))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, recipe.clip)
        optimiser.step()
        rate.step()
        average.update_parameters(model)
        if step % 25 == 0:
            shown |= {name: f"{part.item():.3f}" for name, part in parts.items()}
            bar.set_postfix(shown)
        if step % every == 0 or step == recipe.steps:
            found: Any = average.module.eval()
            with torch.inference_mode():
                shown |= {name: f"{value:.3f}" for name, value in recipe.validate(found, validation).items()}
            bar.set_postfix(shown)
            if keep is not None:
                keep(found)
    # What is not a parameter, such as the statistics of a batch normalisation, is not averaged.
    result: Any = average.module.eval()
    for (_, old), (_, new) in zip(result.named_buffers(), model.named_buffers(), strict=True):
        old.copy_(new)
    return result.to(memory_format=torch.contiguous_format)


@functools.cache
def pictures(n: int, split_name: str, size: int) -> tuple[scenes.Scene, ...]:
    """The first scenes of a split, rendered on the spot; kept, since several models are measured on them."""
    return tuple(scenes.render(scenes.split(split_name, i), size=size) for i in range(n))


def require(folder: Path, n: int) -> None:
    """Refuse what cannot be measured.

    Raises:
        CheckpointError: Where weights or settings are missing or damaged.
        ValueError: For n below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}: measure at least one picture")
    cards.count_parameters(folder)  # one clear message where the weights are unusable
    for name in ("config.json", "preprocessor_config.json"):
        if not (folder / name).is_file():
            raise cards.CheckpointError(f"{folder / name}: the file is missing; train again")


def check(folder: Path, measure: Callable[[Path, int, str], Sequence[Result]]) -> cards.Card:
    """Measure all metrics of a card again, in one go; CheckpointError where anything disagrees with it."""
    found: dict[tuple[int, str], dict[str, float]] = {}

    def again(path: Path, metric: cards.Metric) -> float:
        key = metric.n, metric.split
        if key not in found:
            found[key] = {result.name: result.value for result in measure(path, *key)}
        if metric.name not in found[key]:
            known = ", ".join(found[key])
            raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}; use one of {known}")
        return found[key][metric.name]

    return cards.check_checkpoint(folder, again)


def load_model(folder: Path) -> Any:
    """The model of a folder, of the class that its configuration names, in float32 and evaluation mode."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    kind = getattr(transformers, config["architectures"][0])
    return kind.from_pretrained(folder, dtype=torch.float32).eval()


def milliseconds(folder: Path, n: int = 30) -> float:
    """Median processor time of one picture on one core in ms: the processor, then the model."""
    processor = AutoImageProcessor.from_pretrained(folder)
    model = load_model(folder)
    image = pictures(1, "test", 96)[0].image
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    taken = []
    try:
        with torch.inference_mode():
            for _ in range(n):
                started = time.process_time()
                model(**processor(image, return_tensors="pt"))
                taken.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    return float(np.median(taken)) * 1000


def _write_card(folder: Path, recipe: Recipe, minutes: float, cpu_seconds: float) -> Sequence[Result]:
    """Measure what was saved, and write the card from nothing but that."""
    results = recipe.measure(folder, recipe.test, "test")
    parameters = cards.count_parameters(folder)
    size = (folder / cards.WEIGHTS).stat().st_size
    alone = milliseconds(folder)
    left_out = ("cache", "workers", "train", "validation", "test")
    choices = {name: value for name, value in asdict(recipe).items() if name not in left_out}
    first, last = scenes.split("test", 0), scenes.split("test", recipe.test - 1)
    model_class = json.loads((folder / "config.json").read_text("utf-8"))["architectures"][0]
    fields: dict[str, Any] = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": recipe.pipeline,
        "model_class": model_class,
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "milliseconds": round(alone, 1),
        "data": {
            "generator": "sample_data.scenes",
            "renderer_version": scenes.RENDERER_VERSION,
            "kind": "scene",
            "train": recipe.train,
            "validation": recipe.validation,
            "test": recipe.test,
        },
        "recipe": json.loads(json.dumps(choices)),
        "metrics": [
            {
                "name": result.name,
                "value": round(result.value, 4),
                "split": "test",
                "n": recipe.test,
                "seeds": [first, last],
            }
            for result in results
        ],
    }
    changes = "mirrored, cropped and zoomed" if recipe.crops else "mirrored"
    prose = f"""
# {recipe.name}

{recipe.describe(folder)} It is the unmodified `{model_class}` of transformers, with {parameters:,} parameters, {size:,}
bytes on disk. This card was written by the program that trained the model (`{recipe.module}`), from what it measured.

## Data

Pictures made by this repository (`sample_data/scenes.py`, kind "scene"): two to six objects of five classes, ten
colours and two materials on a tiled floor before a wall; they hide each other, and the frame cuts some of them. All
labels come from the renderer. {recipe.train:,} pictures to train, {recipe.validation:,} to follow the training,
{recipe.test:,} for the results below, from disjoint ranges of seeds.

## Recipe

{recipe.describe_recipe()}

{recipe.steps:,} steps of AdamW (learning rate {recipe.learning_rate:g} with warm-up and cosine decay, weight decay
{recipe.weight_decay:g}, batches of {recipe.batch}, gradients clipped at {recipe.clip:g}, bfloat16 autocast, float32
weights) and an exponential average of the weights ({recipe.average:g}). Pictures are {changes}, their colour channels
swapped, their brightness and contrast changed.

All of it took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU
thread{"s" if recipe.threads > 1 else ""} ({cpu_seconds:.0f} s of processor time), the pictures already rendered. Repeat
it with `make train NAME={recipe.name}`.

## Results

On {recipe.test:,} pictures that it was never trained on (test seeds {first} to {last}):

{recipe.describe_results(folder, results).strip()}

One picture takes {alone:.1f} ms on one core, its processor included.

## Limits

{recipe.describe_limits().strip()}
"""
    cards.write_card(folder, fields, prose)
    return results


def train(folder: Path, recipe: Recipe) -> Sequence[Result]:
    """Train, save, measure on the test split and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.

    Raises:
        ValueError: The recipe's numbers do not fit together.
    """
    recipe.check()
    # Rendering is cached and not part of the training time that the card gives.
    data = load(recipe, "train", recipe.train)
    validation = load(recipe, "validation", recipe.validation)
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        chance = torch.Generator().manual_seed(recipe.seed)
        model: Any = recipe.build()
        recipe.pretrain(model, data, chance)
        model = fit(recipe, model, data, validation, chance)
        recipe.finish(model)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        model.save_pretrained(fresh)
        recipe.processor().save_pretrained(fresh)
        (fresh / cards.WEIGHTS).chmod(0o644)  # safetensors makes it readable to its owner alone
        return _write_card(fresh, recipe, wall / 60, cpu)


def train_and_tell(folder: Path, recipe: Recipe) -> None:
    """Train a checkpoint of this repository and print its results."""
    results = train(folder, recipe)
    print(f"{folder}: " + ", ".join(f"{result.name} {result.value:.3f}" for result in results))
