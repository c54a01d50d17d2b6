"""What the picture classifiers share: pictures, augmentation, the loop, measuring and the card.

A module for one model (`training/vit.py`, `training/convnext.py`) holds a subclass of `Recipe`: its
numbers, how to build the model and its processor, and the words of the card that are its own.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoImageProcessor, AutoModelForImageClassification, PreTrainedModel

from sample_data import scenes
from training import cards

LABEL_IDS: dict[str, Any] = {
    "id2label": dict(enumerate(scenes.LABELS)),
    "label2id": {name: i for i, name in enumerate(scenes.LABELS)},
}
"""Names and ids of the classes, as a configuration takes them."""

QUICK: dict[str, Any] = {
    "train": 32,
    "validation": 16,
    "test": 20,
    "epochs": 1,
    "batch": 16,
    "image_size": 24,
    "threads": 1,
    "workers": 1,
}
"""Settings of a run of seconds: for tests, not for results."""


@dataclass(frozen=True)
class Recipe(ABC):
    """All choices of a training run, and what follows from them for one model.

    Attributes:
        name: Of the checkpoint: its folder's name, and what `make train NAME=…` takes.
        module: The file that trains it, from the repository's root.
    """

    name: ClassVar[str]
    module: ClassVar[str]

    train: int = 24_000
    validation: int = 1_000
    test: int = 1_000
    epochs: int = 10
    batch: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.06
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
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
    def describe(self) -> str:
        """What kind of model it is, for the card: "A small …"."""

    @abstractmethod
    def describe_layers(self) -> str:
        """Its layers and sizes in words, for the card."""

    def helper(self) -> nn.Module | None:
        """Layers that learn along with the model and are thrown away afterwards."""
        return None

    def describe_helper(self) -> str:
        """What the helper does, for the card; empty where there is none."""
        return ""

    def loss(
        self, model: Any, helper: nn.Module | None, pixels: Tensor, classes: Tensor, labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What a step brings down, and its parts to be shown.

        Args:
            model: As `build` made it.
            helper: As `helper` made it.
            pixels: float [b, 3, image_size, image_size] from -1 to 1.
            classes: int64 [b, image_size, image_size]: 0 background, 1 + label id elsewhere.
            labels: Label id of the subject, int64 [b].
        """
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(pixel_values=pixels).logits
        loss = self.label_loss(logits, labels)
        return loss, {"loss": loss}

    def label_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy in float32 of logits [b, labels] against label ids [b]."""
        return functional.cross_entropy(logits.float(), labels, label_smoothing=self.label_smoothing)


@dataclass(frozen=True)
class Measurement:
    """What a checkpoint got right on one split.

    Attributes:
        labels: Class names in the order of the confusion matrix.
        confusion: Counts, int64 [classes, classes]: row the truth, column the answer.
        alone: (right, pictures) of subjects that stand alone.
        others: (right, pictures) of subjects with other objects in view.
        confidence: Softmax probability of the answer, float64 [n], in the order of the seeds.
        answers: Label id of the answer, int64 [n].
        truth: Label id of the subject, int64 [n].
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    alone: tuple[int, int]
    others: tuple[int, int]
    confidence: NDArray[np.float64]
    answers: NDArray[np.int64]
    truth: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of pictures."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.trace(self.confusion) / self.n)


@dataclass(frozen=True)
class _Pictures:
    images: Tensor  # uint8 [n, size, size, 3]
    classes: Tensor  # uint8 [n, size, size]: 0 background, 1 + label id elsewhere
    labels: Tensor  # int64 [n]


def _load(recipe: Recipe, split_name: str, count: int) -> _Pictures:
    arrays = scenes.render_many(
        split_name,
        count,
        size=recipe.image_size,
        kind="subject",
        workers=recipe.workers,
        cache=recipe.cache,
    )
    labels = torch.from_numpy(arrays["labels"].astype(np.int64))
    segments = torch.from_numpy(arrays["segments"])
    # Floor and wall are background; segment 2 + i takes the label of object i.
    table = functional.pad(labels + 1, (2, 0)).to(torch.uint8)
    classes = torch.empty_like(segments)
    for i in range(len(segments)):
        classes[i] = table[i][segments[i].long()]
    return _Pictures(torch.from_numpy(arrays["images"]), classes, labels[:, 0])


def _normalised(images: Tensor) -> Tensor:
    """As the processor does: uint8 [b, h, w, 3] to float [b, 3, h, w] from -1 to 1."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def _augmented(images: Tensor, classes: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flip, zoom, shift, tilt; swap colour channels; change brightness and contrast."""
    count = len(images)

    def spread(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=chance) * (high - low) + low

    zoom, tilt = spread(0.82, 1.18), spread(-0.10, 0.10)
    flip = torch.where(spread(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = zoom * torch.cos(tilt), zoom * torch.sin(tilt)
    rows = [
        torch.stack([cos * flip, -sin, spread(-0.16, 0.16)], 1),
        torch.stack([sin * flip, cos, spread(-0.16, 0.16)], 1),
    ]
    shape = [count, 1, images.shape[1], images.shape[2]]
    grid = functional.affine_grid(torch.stack(rows, 1), shape, align_corners=False)
    pixels = functional.grid_sample(_normalised(images), grid, "bilinear", "border", align_corners=False)
    moved = functional.grid_sample(classes[:, None].float(), grid, "nearest", "border", align_corners=False)
    order = torch.rand(count, 3, generator=chance).argsort(1)
    order[spread(0, 1) < 0.4] = torch.arange(3)
    pixels = pixels.gather(1, order[:, :, None, None].expand_as(pixels))
    contrast, light = spread(0.75, 1.25), spread(-0.2, 0.2)
    pixels = (pixels * contrast[:, None, None, None] + light[:, None, None, None]).clamp(-1, 1)
    return pixels, moved[:, 0].long()


def _right(model: nn.Module, pictures: _Pictures, batch: int = 250) -> float:
    model.eval()
    right = 0
    with torch.inference_mode():
        for images, labels in zip(pictures.images.split(batch), pictures.labels.split(batch), strict=True):
            logits = model(pixel_values=_normalised(images)).logits
            right += int((logits.argmax(-1) == labels).sum())
    model.train()
    return right / len(pictures.labels)


def _batches(count: int, recipe: Recipe, chance: torch.Generator) -> Iterator[Tensor]:
    for _ in range(recipe.epochs):
        yield from torch.randperm(count, generator=chance).split(recipe.batch)


def _fit(recipe: Recipe, train: _Pictures, validation: _Pictures) -> PreTrainedModel:
    """Train a model; the average of its weights over the last steps is what comes back."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    chance = torch.Generator().manual_seed(recipe.seed)
    model = recipe.build().train()
    helper = recipe.helper()
    weights = [*model.parameters(), *(helper.parameters() if helper else [])]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in weights if p.ndim == 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in weights if p.ndim != 2], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    per_epoch = -(-recipe.train // recipe.batch)
    steps = per_epoch * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=recipe.learning_rate,
        total_steps=steps,
        pct_start=recipe.warmup,
        cycle_momentum=False,
        final_div_factor=1e3,
    )
    average = torch.optim.swa_utils.AveragedModel(
        model,
        # Early on the average reaches back less far, or it would remember the random start.
        avg_fn=lambda old, new, seen: old.lerp(new, max(1 - recipe.average, 1 / (1 + seen / 10))),
    )
    bar = tqdm(_batches(recipe.train, recipe, chance), "training", steps)
    shown: dict[str, str] = {}
    for step, index in enumerate(bar, 1):
        pixels, classes = _augmented(train.images[index], train.classes[index], chance)
        loss, parts = recipe.loss(model, helper, pixels, classes, train.labels[index])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(model)
        if step % 25 == 0:
            shown |= {name: f"{part.item():.3f}" for name, part in parts.items()}
            bar.set_postfix(shown)
        if step % per_epoch == 0:
            shown["validation"] = f"{_right(average.module, validation):.3f}"
            bar.set_postfix(shown)
    result: Any = average.module.eval()
    result.to(memory_format=torch.contiguous_format)
    assert isinstance(result, PreTrainedModel)
    return result


def measure(folder: Path, n: int = 1_000, split_name: str = "test", *, size: int | None = None) -> Measurement:
    """Measure a checkpoint on the first n pictures of a split, rendered on the spot.

    Args:
        folder: The checkpoint, with its processor.
        n: How many pictures.
        split_name: "train", "validation" or "test".
        size: Side of the rendered pictures in pixels; the model's own where None. The processor
            brings larger ones down.

    Raises:
        CheckpointError: Where weights or configuration are missing or damaged.
        ValueError: For an unknown split or n below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}: measure at least one picture")
    cards.count_parameters(folder)  # one clear message where the weights are unusable
    for name in ("config.json", "preprocessor_config.json"):
        if not (folder / name).is_file():
            raise cards.CheckpointError(f"{folder / name}: the file is missing; train again")
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32).eval()
    labels = tuple(model.config.id2label[i] for i in range(model.config.num_labels))
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    parts = {False: [0, 0], True: [0, 0]}
    truths: list[int] = []
    answers: list[int] = []
    confidence: list[float] = []
    for start in range(0, n, 100):
        batch = [
            scenes.render(scenes.split(split_name, i), size=size or model.config.image_size, kind="subject")
            for i in range(start, min(n, start + 100))
        ]
        with torch.inference_mode():
            inputs = processor([scene.image for scene in batch], return_tensors="pt")
            chances = model(**inputs).logits.softmax(-1)
        for scene, row in zip(batch, chances, strict=True):
            truth, answer = labels.index(scene.subject.label), int(row.argmax())
            confusion[truth, answer] += 1
            part = parts[len(scene.objects) > 1]
            part[0] += truth == answer
            part[1] += 1
            truths.append(truth)
            answers.append(answer)
            confidence.append(float(row[answer]))
    return Measurement(
        labels=labels,
        confusion=confusion,
        alone=(parts[False][0], parts[False][1]),
        others=(parts[True][0], parts[True][1]),
        confidence=np.array(confidence),
        answers=np.array(answers),
        truth=np.array(truths),
    )


def milliseconds(folder: Path, n: int = 50) -> float:
    """Median processor time of one picture on one core in ms: the processor, then the model."""
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32).eval()
    image = scenes.render(scenes.split("test", 0), size=model.config.image_size, kind="subject").image
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


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's accuracy again; CheckpointError where anything disagrees with it."""

    def again(path: Path, metric: cards.Metric) -> float:
        if metric.name != "accuracy":
            raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}; use accuracy")
        return measure(path, metric.n, metric.split).accuracy

    return cards.check_checkpoint(folder, again)


def _share(part: tuple[int, int]) -> str:
    right, total = part
    return f"{right / total:.3f} ({right} of {total})" if total else "none in this sample"


def _write_card(folder: Path, recipe: Recipe, minutes: float, cpu_seconds: float) -> Measurement:
    """Measure what was saved, and write the card from nothing but that."""
    started = time.process_time()
    found = measure(folder, recipe.test)
    each = (time.process_time() - started) / recipe.test
    alone = milliseconds(folder)
    parameters = cards.count_parameters(folder)
    size = (folder / cards.WEIGHTS).stat().st_size
    choices: dict[str, Any] = {
        name: value
        for name, value in asdict(recipe).items()
        if name not in ("cache", "workers", "train", "validation", "test")
    }
    first, last = scenes.split("test", 0), scenes.split("test", recipe.test - 1)
    fields = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "image-classification",
        "model_class": json.loads((folder / "config.json").read_text())["architectures"][0],
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.scenes",
            "renderer_version": scenes.RENDERER_VERSION,
            "kind": "subject",
            "train": recipe.train,
            "validation": recipe.validation,
            "test": recipe.test,
        },
        "recipe": choices,
        "metrics": [
            {
                "name": "accuracy",
                "value": round(found.accuracy, 4),
                "split": "test",
                "n": found.n,
                "seeds": [first, last],
            }
        ],
    }
    names = found.labels
    table = [
        "| is \\ answered | " + " | ".join(names) + " |",
        "| --- |" + " ---: |" * len(names),
        *(
            f"| {name} | " + " | ".join(str(count) for count in row) + " |"
            for name, row in zip(names, found.confusion, strict=True)
        ),
    ]
    wrong = found.answers != found.truth
    doubt = (
        f"The mean probability of a right answer is {found.confidence[~wrong].mean():.2f}"
        if not wrong.all()
        else "No answer is right"
    )
    if wrong.any():
        doubt += f", of a wrong one {found.confidence[wrong].mean():.2f}"
    model_class = fields["model_class"]
    prose = f"""
# {recipe.name}

{recipe.describe()} that names the main object of a picture: {", ".join(names[:-1])} or {names[-1]}.
It is the unmodified `{model_class}` of transformers: {recipe.describe_layers()}, {parameters:,}
parameters, {size:,} bytes as float32. This card was written by the program that trained the model
(`{recipe.module}`), from what it measured.

## Data

Pictures made by this repository (`sample_data/scenes.py`, kind "subject"): one large object on a
tiled floor before a wall, in 10 colours and 2 materials; in two of five pictures one or two
clearly smaller objects stand beside or behind it. {recipe.train:,} pictures to train,
{recipe.validation:,} to follow the training, {recipe.test:,} for the results below, from
disjoint ranges of seeds.

## Recipe

{recipe.epochs} epochs of AdamW (learning rate {recipe.learning_rate:g} with warm-up and cosine
decay, weight decay {recipe.weight_decay:g}, batches of {recipe.batch}, bfloat16 autocast, float32
weights), label smoothing {recipe.label_smoothing:g}, and an exponential average of the weights
({recipe.average:g}). Pictures are flipped, zoomed, shifted, tilted, their colour channels swapped,
their brightness and contrast changed. {recipe.describe_helper()}

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU
thread{"s" if recipe.threads > 1 else ""} ({cpu_seconds:.0f} s of processor time), the pictures
already rendered. Repeat it with `make train NAME={recipe.name}`.

## Results

On {found.n:,} pictures that it was never trained on (test seeds {first} to {last}):

- accuracy {found.accuracy:.3f} ({int(np.trace(found.confusion))} of {found.n}); always giving
  the commonest class would score {found.confusion.sum(1).max() / found.n:.3f};
- subject alone in the picture: {_share(found.alone)};
- with other objects in view: {_share(found.others)}.

{chr(10).join(table)}

{doubt}. Rendering and classifying one picture took {each * 1000:.0f} ms of processor time;
classifying alone, processor included, takes {alone:.1f} ms on one core.

## Limits

- It knows five shapes in rendered rooms of one kind. Whatever else it is shown, a photograph
  included, it has to answer with one of the five, and that answer means nothing.
- It gives one label a picture. Where two objects are about equally large, no answer is right; it
  was never shown such pictures.
- It was trained on pictures rendered at {recipe.image_size} pixels; the processor scales others to
  that size, and detail finer than that is lost.
"""
    cards.write_card(folder, fields, prose)
    return found


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Train, save, measure on the test split and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    # Rendering is cached and not part of the training time that the card gives.
    pictures = _load(recipe, "train", recipe.train)
    validation = _load(recipe, "validation", recipe.validation)
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        model = _fit(recipe, pictures, validation)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        model.save_pretrained(fresh)
        recipe.processor().save_pretrained(fresh)
        (fresh / cards.WEIGHTS).chmod(0o644)  # safetensors makes it readable to its owner alone
        return _write_card(fresh, recipe, wall / 60, cpu)


def train_and_tell(folder: Path, recipe: Recipe) -> None:
    """Train a checkpoint of this repository and print its accuracy."""
    found = train(folder, recipe)
    print(f"{folder}: accuracy {found.accuracy:.3f} on {found.n} held-out pictures")
