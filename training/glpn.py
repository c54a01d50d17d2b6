"""Trains checkpoints/glpn-scenes: a GLPN that gives the distance of every pixel of a rendered scene.

The model is `GLPNForDepthEstimation` of transformers, unmodified. It learns metres, not an order of
near and far: the renderer's floor tiles are always 0.5 m apart, so that a picture carries its scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import AutoImageProcessor, GLPNConfig, GLPNForDepthEstimation, GLPNImageProcessorPil
from transformers.models.glpn.modeling_glpn import SiLogLoss

from sample_data import scenes
from training import cards, dense

FOLDER = Path("checkpoints/glpn-scenes")

BORDER = 2
"""A pixel is at a border where another segment lies within so many rows and columns."""


@dataclass(frozen=True)
class Errors:
    """How far estimated depth is from the truth, over some set of pixels taken together.

    Attributes:
        abs_rel: Mean of |estimate - truth| / truth.
        rmse: Root of the mean squared difference, in metres.
        rmse_log: Root of the mean squared difference of the natural logarithms.
        log10: Mean absolute difference of the decimal logarithms.
        delta_105: Share of pixels whose larger of estimate / truth and truth / estimate is below 1.05.
        delta_125: The same below 1.25.
        delta_125_2: The same below 1.25 squared.
        pixels: How many.
    """

    abs_rel: float
    rmse: float
    rmse_log: float
    log10: float
    delta_105: float
    delta_125: float
    delta_125_2: float
    pixels: int


def errors(estimate: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]]) -> Errors:
    """Compare depths in metres, two arrays of one shape, all above 0.

    Raises:
        ValueError: The shapes differ, there is no pixel, or a depth is not a number above 0.
    """
    if estimate.shape != truth.shape:
        raise ValueError(f"estimate {estimate.shape} and truth {truth.shape} must have one shape")
    if not estimate.size:
        raise ValueError("there is no pixel to compare")
    found, true = estimate.astype(np.float64), truth.astype(np.float64)
    if not ((found > 0) & np.isfinite(found) & (true > 0) & np.isfinite(true)).all():
        raise ValueError("every depth must be a finite number of metres above 0")
    logs = np.log(found) - np.log(true)
    ratio = np.maximum(found / true, true / found)
    return Errors(
        abs_rel=float((np.abs(found - true) / true).mean()),
        rmse=float(np.sqrt(((found - true) ** 2).mean())),
        rmse_log=float(np.sqrt((logs**2).mean())),
        log10=float((np.abs(logs) / np.log(10)).mean()),
        delta_105=float((ratio < 1.05).mean()),
        delta_125=float((ratio < 1.25).mean()),
        delta_125_2=float((ratio < 1.25**2).mean()),
        pixels=int(found.size),
    )


def borders(segments: NDArray[np.integer[Any]], reach: int = BORDER) -> NDArray[np.bool_]:
    """True for pixels with another segment within `reach` rows and columns; [n, height, width] in and out."""
    ids = torch.from_numpy(segments.astype(np.float32))[:, None]
    side = 2 * reach + 1
    highest = functional.max_pool2d(ids, side, 1, reach)
    lowest = -functional.max_pool2d(-ids, side, 1, reach)
    return (highest != lowest)[:, 0].numpy()


@dataclass(frozen=True)
class Measurement:
    """What a checkpoint estimates on one split.

    Attributes:
        estimate: Metres, float32 [n, height, width].
        truth: Metres, float32 [n, height, width].
        segments: int64 [n, height, width]: 0 floor, 1 wall, 2 + i object i.
        labels: Class of each object, int64 [n, 6], index into `scenes.LABELS`, -1 where there is none.
        metal: Whether it is of metal, bool [n, 6].
    """

    estimate: NDArray[np.float32]
    truth: NDArray[np.float32]
    segments: NDArray[np.int64]
    labels: NDArray[np.int64]
    metal: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of pictures."""
        return len(self.truth)

    @property
    def everywhere(self) -> Errors:
        """Over all pixels."""
        return errors(self.estimate, self.truth)

    @property
    def objects(self) -> Errors:
        """Over the pixels that show an object."""
        return self.where(self.segments >= 2)

    def where(self, mask: NDArray[np.bool_]) -> Errors:
        """Over the pixels of a mask, bool [n, height, width]."""
        return errors(self.estimate[mask], self.truth[mask])

    def of_pixel(self, table: NDArray[Any], stuff: Any) -> NDArray[Any]:
        """Spread a property of objects [n, 6] over their pixels; floor and wall take `stuff`."""
        padded = np.concatenate([np.full((self.n, 2), stuff), table], 1)
        return padded[np.arange(self.n)[:, None, None], self.segments]


CARD_METRICS = ("abs_rel", "rmse", "delta_125")


def _results(found: Measurement) -> list[dense.Result]:
    return [
        dense.Result(name.replace("delta_125", "delta_1.25") + suffix, getattr(part, name))
        for part, suffix in ((found.everywhere, ""), (found.objects, "_objects"))
        for name in CARD_METRICS
    ]


def measure(folder: Path, n: int = 1_000, split_name: str = "test") -> Measurement:
    """Let a checkpoint estimate the depth of the first n scenes of a split, rendered on the spot.

    Raises:
        CheckpointError: Where weights or settings are missing or damaged.
        ValueError: For an unknown split or n below 1.
    """
    dense.require(folder, n)
    processor = AutoImageProcessor.from_pretrained(folder)
    model = dense.load_model(folder)
    rendered = dense.pictures(n, split_name, 96)
    estimates = []
    with torch.inference_mode():
        for start in range(0, n, 100):
            images = [scene.image for scene in rendered[start : start + 100]]
            outputs = model(**processor(images, return_tensors="pt"))
            sizes = [image.shape[:2] for image in images]
            estimates += processor.post_process_depth_estimation(outputs, target_sizes=sizes)
    labels = np.full((n, scenes.MAX_OBJECTS), -1)
    metal = np.zeros((n, scenes.MAX_OBJECTS), bool)
    for i, scene in enumerate(rendered):
        for j, thing in enumerate(scene.objects):
            labels[i, j] = scenes.LABELS.index(thing.label)
            metal[i, j] = thing.material == "metal"
    return Measurement(
        estimate=np.stack([row["predicted_depth"].numpy() for row in estimates]),
        truth=np.stack([scene.depth for scene in rendered]),
        segments=np.stack([scene.segments for scene in rendered]),
        labels=labels,
        metal=metal,
    )


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    return dense.check(folder, lambda path, n, split_name: _results(measure(path, n, split_name)))


def mean_map(recipe: dense.Recipe) -> NDArray[np.float32]:
    """The mean depth of each pixel over the training scenes, float32 [image_size, image_size].

    It knows where floor and wall usually are and nothing of the picture: what a model has to beat.
    """
    arrays = scenes.render_many(
        "train", recipe.train, size=recipe.image_size, fields=("depth",), workers=recipe.workers, cache=recipe.cache
    )
    mean: NDArray[np.float32] = arrays["depth"].mean(0, dtype=np.float64).astype(np.float32)
    return mean


@dataclass(frozen=True)
class Recipe(dense.Recipe):
    """All choices of a training run.

    Attributes:
        hidden_sizes: Width of each stage of the encoder.
        depths: Layers of each stage.
        heads: Attention heads of each stage.
        decoder: Width of the decoder and the head.
        max_depth: What the sigmoid at the end is multiplied by, in metres. The scenes end at 11.
        initializer_range: The published 0.02 leaves so narrow a network with next to no signal.
        everywhere: Weight of the mean error of the logarithm over all pixels.
        objects: Weight of the mean error of the logarithm over the pixels of objects.
        slopes: Weight of the error of the steps from each pixel to its neighbours.
    """

    name: ClassVar[str] = "glpn-scenes"
    module: ClassVar[str] = "training/glpn.py"
    pipeline: ClassVar[str] = "depth-estimation"
    crops: ClassVar[bool] = False

    steps: int = 2_000
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    hidden_sizes: tuple[int, ...] = (32, 64, 96, 128)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    heads: tuple[int, ...] = (1, 2, 3, 4)
    decoder: int = 32
    max_depth: int = 12
    initializer_range: float = 0.08
    everywhere: float = 0.5
    objects: float = 0.5
    slopes: float = 1.0

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if not len(self.hidden_sizes) == len(self.depths) == len(self.heads) == 4:
            raise ValueError(
                f"the encoder has four stages: give hidden_sizes, depths and heads four numbers each, "
                f"not {self.hidden_sizes}, {self.depths} and {self.heads}"
            )
        for width, heads in zip(self.hidden_sizes, self.heads, strict=True):
            if width % heads:
                raise ValueError(f"hidden size {width} does not divide into {heads} attention heads")
        if self.image_size % 32:
            raise ValueError(f"image_size {self.image_size} must be a multiple of 32, the encoder's last stride")
        if self.max_depth <= 11:
            raise ValueError(f"max_depth is {self.max_depth}: the scenes reach almost 11 m, give more")

    def build(self) -> GLPNForDepthEstimation:
        """The model with random weights, laid out for fast convolution on a CPU."""
        config = GLPNConfig(
            hidden_sizes=list(self.hidden_sizes),
            depths=list(self.depths),
            num_attention_heads=list(self.heads),
            decoder_hidden_size=self.decoder,
            max_depth=self.max_depth,
            initializer_range=self.initializer_range,
            drop_path_rate=0.0,
        )
        model = GLPNForDepthEstimation(config)
        layout: Any = model  # torch's own types do not know the layout of modules
        layout.to(memory_format=torch.channels_last)
        return model

    def processor(self) -> GLPNImageProcessorPil:
        """Rounds sides down to multiples of 32 and brings values to the range from 0 to 1."""
        return GLPNImageProcessorPil(size_divisor=32)

    def loss(self, model: Any, batch: dense.Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The library's own loss, and three mean errors of the logarithm of depth."""
        pixels = batch.pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            estimate = model(pixel_values=pixels).predicted_depth
        estimate = estimate.float()
        silog = SiLogLoss()(estimate, batch.depth)
        off = estimate.log() - batch.depth.log()
        shown = batch.segments >= 2
        everywhere = off.abs().mean()
        objects = (off.abs() * shown).sum() / shown.sum().clamp(min=1)
        slopes = off.diff(dim=1).abs().mean() + off.diff(dim=2).abs().mean()
        total = silog + self.everywhere * everywhere + self.objects * objects + self.slopes * slopes
        return total, {"silog": silog, "all": everywhere, "objects": objects}

    def validate(self, model: Any, data: dense.Scenes) -> dict[str, float]:
        """Absolute relative error over all pixels and over those of objects."""
        off, shown = [], []
        for part in torch.arange(len(data)).split(100):
            batch = dense.plain(data, part)
            estimate = model(pixel_values=batch.pixels).predicted_depth
            off.append((estimate - batch.depth).abs() / batch.depth)
            shown.append(batch.segments >= 2)
        every = torch.cat(off)
        return {"abs_rel": float(every.mean()), "abs_rel_objects": float(every[torch.cat(shown)].mean())}

    def measure(self, folder: Path, n: int, split_name: str) -> Sequence[dense.Result]:
        """The metrics for the head of the card."""
        return _results(measure(folder, n, split_name))

    def describe(self, folder: Path) -> str:
        """What the model does and how it is built, for the card."""
        widths, depths = (", ".join(map(str, numbers)) for numbers in (self.hidden_sizes, self.depths))
        return f"""A small GLPN that estimates the distance of every pixel of a picture, in metres along the optical
axis. Its encoder, a Mix Transformer, has four stages of widths {widths} and {depths} layers at a quarter, an eighth, a
sixteenth and a thirty-second of the picture's sides; its decoder of width {self.decoder} fuses them upwards, and a
sigmoid times {self.max_depth} gives metres."""

    def describe_recipe(self) -> str:
        """How it was trained, for the card."""
        return f"""All weights start at random (standard deviation {self.initializer_range:g}). The loss is the
library's scale-invariant logarithmic loss, plus {self.everywhere:g} times the mean absolute error of the logarithm of
depth over all pixels, {self.objects:g} times the same over the pixels of objects, and {self.slopes:g} times the mean
error of its steps from pixel to pixel, which sharpens borders. Which pixels show objects is known from the renderer
and used in training alone. Pictures are never cropped or zoomed, which would change the scale of depth."""

    def describe_results(self, folder: Path, results: Sequence[dense.Result]) -> str:
        """The results beside what the mean depth map scores, for the card."""
        found = measure(folder, self.test)
        constant = mean_map(self)
        if constant.shape != found.truth.shape[1:]:  # a quick run trains on smaller pictures
            side = found.truth.shape[-1]
            constant = functional.interpolate(torch.from_numpy(constant)[None, None], (side, side))[0, 0].numpy()
        base = replace(found, estimate=np.broadcast_to(constant, found.truth.shape))
        columns = (found.everywhere, base.everywhere, found.objects, base.objects)
        units = {
            "abs_rel": "absolute relative error",
            "rmse": "RMSE, metres",
            "rmse_log": "RMSE of the natural logarithm",
            "log10": "mean error of the decimal logarithm",
            "delta_105": "δ < 1.05",
            "delta_125": "δ < 1.25",
            "delta_125_2": "δ < 1.25²",
        }
        table = [
            "| | all pixels | mean map | pixels of objects | mean map |",
            "| --- |" + " ---: |" * 4,
            *(
                f"| {words} | " + " | ".join(f"{getattr(column, name):.3f}" for column in columns) + " |"
                for name, words in units.items()
            ),
        ]
        places = [
            "| pixels | share | absolute relative error | RMSE, metres | δ < 1.05 |",
            "| --- |" + " ---: |" * 4,
            *(
                f"| {words} | {mask.mean():.3f} | {part.abs_rel:.3f} | {part.rmse:.3f} | {part.delta_105:.3f} |"
                for words, mask in _places(found)
                for part in [found.where(mask)]
            ),
        ]
        return f"""{chr(10).join(table)}

The mean map is the mean depth of each pixel over the {self.train:,} training scenes: what can be said without looking.
δ is the larger of estimate / truth and truth / estimate; all pixels of all pictures count alike. Since all scenes lie
between 3 and 11 metres, even the mean map has δ below 1.25 for {base.everywhere.delta_125:.1%} of all pixels; the other
rows and the pixels of objects say more.

Where the error is: a border pixel has another object, the floor or the wall within {BORDER} rows and columns.

{chr(10).join(places)}"""

    def describe_limits(self) -> str:
        """What it cannot do, for the card."""
        return f"""
- It knows rendered rooms of one kind, with floor tiles of one size, one lens and a wall 9 to 10 metres away. Metres for
any other picture, a photograph included, mean nothing.
- The estimate is always between 0 and {self.max_depth} metres.
- The finest feature map has one position for 4 × 4 pixels, so depth is blurred across the borders of objects, and
small openings, such as the hole of a distant torus, can fill up.
- It was trained on pictures of {self.image_size} × {self.image_size} pixels. The processor does not scale others to
that size; larger pictures are seen as they are, with tiles of a size that it never met.
"""


def _places(found: Measurement) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Sets of pixels that the card's second table tells apart; empty ones are left out."""
    segments = found.segments
    border, thing = borders(segments), segments >= 2
    label, metal = found.of_pixel(found.labels, -1), found.of_pixel(found.metal, False)
    sets = {
        "floor": (segments == 0) & ~border,
        "wall": (segments == 1) & ~border,
        "floor or wall at a border": ~thing & border,
        "objects, at a border": thing & border,
        "objects, inside": thing & ~border,
        "objects of metal": thing & metal,
        "matte objects": thing & ~metal,
        **{f"class {name}": label == i for i, name in enumerate(scenes.LABELS)},
    }
    yield from ((words, mask) for words, mask in sets.items() if mask.any())


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds at a tiny size: for tests, not for results."""
    small: dict[str, Any] = {"hidden_sizes": (8, 8, 12, 16), "depths": (1, 1, 1, 1), "decoder": 8}
    return replace(recipe or Recipe(), **dense.QUICK, **small)


def main() -> None:
    """Train the checkpoint of this repository."""
    dense.train_and_tell(FOLDER, Recipe())
