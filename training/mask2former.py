"""Trains checkpoints/mask2former-scenes: a Mask2Former that divides a rendered scene into labelled segments.

The model is `Mask2FormerForUniversalSegmentation` of transformers with a Swin backbone, unmodified.
Backbone and pixel decoder learn first, from a guide that is thrown away afterwards: for each cell
of their maps, which classes cover it and where the centre of the object there lies. The queries
learn next, with the guide still there. The loss of the queries is the library's, class and mask
and dice after a Hungarian match at every decoder layer, but it compares masks on a regular grid
instead of at random points, for all pictures and layers at once, which takes a fraction of the time.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.detection import PanopticQuality
from tqdm import tqdm
from transformers import (
    AutoImageProcessor,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessorPil,
    SwinConfig,
)
from transformers.models.mask2former.modeling_mask2former import Mask2FormerSinePositionEmbedding

from sample_data import scenes
from training import cards, dense

FOLDER = Path("checkpoints/mask2former-scenes")

CLASSES = (*scenes.LABELS, "floor", "wall")
"""Names of the classes in the order of their ids: things first, then stuff."""

THINGS = range(len(scenes.LABELS))
STUFF = range(len(scenes.LABELS), len(CLASSES))

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""What the processor subtracts from the three channels, and divides them by."""

NOTHING = len(CLASSES)
"""Class of a pixel that no segment claims.

It is a class of its own and not torchmetrics' unknown category, which would forgive an object that
is missed where nothing else is claimed either.
"""


@dataclass(frozen=True)
class Targets:
    """What the queries of a batch are asked for: up to six objects, the floor and the wall.

    Attributes:
        masks: Share of a pixel, float [b, 8, size, size].
        classes: Class ids, int64 [b, 8]; meaningless where absent.
        present: bool [b, 8].
    """

    masks: Tensor
    classes: Tensor
    present: Tensor

    def cover(self, side: int) -> Tensor:
        """Share of each cell that each segment covers, float [b, 8, side, side]."""
        return functional.avg_pool2d(self.masks, self.masks.shape[-1] // side)


def targets(batch: dense.Batch) -> Targets:
    """The segments of a batch, objects first."""
    stuff = torch.stack([batch.segments == 0, batch.segments == 1], 1)
    masks = torch.cat([batch.masks(), stuff], 1).float()
    classes = torch.cat([batch.labels, torch.tensor([[*STUFF]]).expand(len(masks), -1)], 1)
    present = masks.flatten(2).sum(-1) >= dense.SMALLEST
    return Targets(masks, classes.clamp(min=0), present)


class Guide(nn.Module):
    """From each cell of the pixel decoder's maps to the classes there and the centre of its object.

    Args:
        width: Channels of the maps.
        bins: Into how many bins each axis of the picture is divided for the centre.
    """

    def __init__(self, width: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.heads = nn.ModuleList(nn.Conv2d(width, len(CLASSES) + 2 * bins, 1) for _ in range(4))

    def forward(self, maps: Sequence[Tensor], wanted: Targets) -> tuple[Tensor, Tensor]:
        """Losses of classes and centres, each a mean over the maps.

        Args:
            maps: float [b, width, side, side], any sides that divide the picture's.
            wanted: Of the same pictures.
        """
        onehot = functional.one_hot(wanted.classes, len(CLASSES)).float() * wanted.present[..., None]
        near = self._near(wanted)
        classes, centres = [], []
        for head, each in zip(self.heads, maps, strict=True):
            found = head(each).float()
            cover = wanted.cover(each.shape[-1])
            is_class = torch.einsum("bnhw,bnc->bchw", cover, onehot)
            on_object = is_class[:, : len(THINGS)].sum(1)
            parts = found.split([len(CLASSES), self.bins, self.bins], 1)
            weight = 0.3 + on_object
            missed = -(is_class * parts[0].log_softmax(1)).sum(1)
            classes.append((missed * weight).sum() / weight.sum())
            for part, axis in zip(parts[1:], near, strict=True):
                is_near = torch.einsum("bnhw,bnk->bkhw", cover[:, : axis.shape[1]], axis)
                centres.append(-(is_near * part.log_softmax(1)).sum() / on_object.sum().clamp(min=1))
        return torch.stack(classes).mean(), torch.stack(centres).mean()

    def _near(self, wanted: Targets) -> tuple[Tensor, Tensor]:
        """How near each object's centre of mass is to each bin, across and down: float [b, 6, bins]."""
        masks = wanted.masks[:, : -len(STUFF)]
        size = masks.shape[-1]
        at = (torch.arange(size) + 0.5) / size * self.bins - 0.5
        mass = masks.flatten(2).sum(-1).clamp(min=1)
        across, down = (masks.sum(2) @ at) / mass, (masks.sum(3) @ at) / mass
        here = wanted.present[:, : masks.shape[1], None]
        bins = torch.arange(self.bins)
        x, y = (
            (1 - (axis.clamp(0, self.bins - 1)[..., None] - bins).abs()).clamp(min=0) * here for axis in (across, down)
        )
        return x, y


def match(
    masks: Tensor, chances: Tensor, wanted: Targets, cover: Tensor, weights: tuple[float, float, float]
) -> Tensor:
    """Give each segment that is asked for a query of its own, at the least cost in all.

    Args:
        masks: Logits, float [b, queries, h, w].
        chances: Of the classes and "no object", float [b, queries, classes + 1].
        wanted: What is asked for.
        cover: Its masks, float [b, 8, h, w].
        weights: Of class, mask and dice in the cost.

    Returns:
        For each segment the query, int64 [b, 8], -1 where the segment is absent.
    """
    cover = cover.flatten(2).transpose(1, 2)
    flat = masks.flatten(2)
    inside = flat.sigmoid()
    entropy = (functional.softplus(flat).sum(-1, keepdim=True) - flat @ cover) / flat.shape[-1]
    both = inside.sum(-1, keepdim=True) + cover.sum(1, keepdim=True)
    dice = 1 - (2 * inside @ cover + 1) / (both + 1)
    label = chances.gather(2, wanted.classes[:, None].expand(-1, masks.shape[1], -1))
    cost = (weights[1] * entropy + weights[2] * dice - weights[0] * label).numpy()
    present = wanted.present.numpy()
    found = np.full(present.shape, -1)
    for i, here in enumerate(present):
        queries, columns = linear_sum_assignment(cost[i][:, here])
        found[i, np.flatnonzero(here)[columns]] = queries
    return torch.from_numpy(found)


@dataclass(frozen=True)
class Recipe(dense.Recipe):
    """All choices of a training run.

    Attributes:
        points: Side of the grid on which the last layer's masks are compared.
        guide_weight: Of the guide's losses while the queries learn.
        guide_bins: Bins of an axis for the centres that the guide asks for.
        guide_steps: Steps of backbone and pixel decoder alone.
        guide_rate: Their learning rate.
        guide_batch: Their pictures a step.
    """

    name: ClassVar[str] = "mask2former-scenes"
    module: ClassVar[str] = "training/mask2former.py"
    pipeline: ClassVar[str] = "image-segmentation"

    steps: int = 1_900
    batch: int = 24
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    average: float = 0.996
    embed_dim: int = 32
    depths: tuple[int, ...] = (2, 2, 2, 1)
    heads: tuple[int, ...] = (2, 4, 8, 8)
    window: int = 6
    mlp_ratio: float = 3.0
    width: int = 64
    feedforward: int = 192
    attention_heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 7
    queries: int = 12
    no_object: float = 0.2
    points: int = 48
    guide_weight: float = 0.5
    guide_bins: int = 12
    guide_steps: int = 400
    guide_rate: float = 2e-3
    guide_batch: int = 32

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if self.width % 32:
            raise ValueError(f"width {self.width} must be a multiple of 32, the groups of the normalisation")
        if self.image_size % 32:
            raise ValueError(f"image_size {self.image_size} must be a multiple of 32, the coarsest map's stride")
        if self.queries < scenes.MAX_OBJECTS + len(STUFF):
            raise ValueError(f"queries {self.queries} must be at least {scenes.MAX_OBJECTS + len(STUFF)}")
        if len(self.depths) != 4 or len(self.heads) != 4:
            raise ValueError(f"depths {self.depths} and heads {self.heads} must name four stages each")

    def build(self) -> Mask2FormerForUniversalSegmentation:
        """The model with random weights that are large enough for layers this narrow."""
        maps: dict[str, Any] = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
        backbone = SwinConfig(
            image_size=self.image_size,
            embed_dim=self.embed_dim,
            depths=list(self.depths),
            num_heads=list(self.heads),
            window_size=self.window,
            mlp_ratio=self.mlp_ratio,
            drop_path_rate=0.0,
            use_absolute_embeddings=True,
            **maps,
        )
        config = Mask2FormerConfig(
            backbone_config=backbone,
            feature_size=self.width,
            mask_feature_size=self.width,
            hidden_dim=self.width,
            encoder_feedforward_dim=self.feedforward,
            dim_feedforward=self.feedforward,
            num_attention_heads=self.attention_heads,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers,
            num_queries=self.queries,
            no_object_weight=self.no_object,
            train_num_points=1024,
            id2label=dict(enumerate(CLASSES)),
            label2id={name: i for i, name in enumerate(CLASSES)},
        )
        model = Mask2FormerForUniversalSegmentation(config)
        _wake(model)
        return model

    def processor(self) -> Mask2FormerImageProcessorPil:
        """Scales to the model's size, and values as usual for photographs."""
        return Mask2FormerImageProcessorPil(
            size={"height": self.image_size, "width": self.image_size},
            image_mean=list(MEAN),
            image_std=list(STD),
            num_labels=len(CLASSES),
            ignore_index=255,
        )

    def pretrain(self, model: Any, data: dense.Scenes, chance: torch.Generator) -> None:
        """Backbone and pixel decoder learn from the guide alone."""
        model.guide = Guide(self.width, self.guide_bins)
        level = model.model.pixel_level_module.train()
        weights = [*level.parameters(), *model.guide.parameters()]
        groups = [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=self.guide_rate, fused=True)
        rate = dense.schedule(optimiser, self.guide_steps, 0.1)
        order = dense.batches(len(data), min(self.guide_batch, len(data)), chance)
        bar = tqdm(zip(range(1, self.guide_steps + 1), order, strict=False), "pixel decoder", self.guide_steps)
        for step, index in bar:
            batch = dense.augmented(data, index, chance, crops=self.crops)
            with torch.autocast("cpu", torch.bfloat16):
                found = level(_normalised(batch.pixels))
                maps = (*found.decoder_hidden_states, found.decoder_last_hidden_state)
                classes, centres = model.guide(maps, targets(batch))
            loss = classes + 0.5 * centres
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, self.clip)
            optimiser.step()
            rate.step()
            if step % 25 == 0:
                bar.set_postfix(classes=f"{classes.item():.3f}", centres=f"{centres.item():.3f}")

    def loss(self, model: Any, batch: dense.Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Class, mask and dice of every decoder layer's answer, and the guide's losses."""
        wanted = targets(batch)
        config = model.config
        with torch.autocast("cpu", torch.bfloat16):
            found = model.model(pixel_values=_normalised(batch.pixels), output_hidden_states=True)
            states = torch.stack(found.transformer_decoder_intermediate_states).transpose(1, 2)
            logits = model.class_predictor(states).float()  # [layers, b, queries, classes + 1]
            maps = (*found.pixel_decoder_hidden_states, found.pixel_decoder_last_hidden_state)
            classes, centres = model.guide(maps, wanted)
        masks = torch.stack(found.masks_queries_logits).float()  # [layers, b, queries, h, w]
        layers, count, queries = masks.shape[:3]
        weights = (config.class_weight, config.mask_weight, config.dice_weight)
        with torch.no_grad():
            chances = logits.softmax(-1)
            cover = wanted.cover(masks.shape[-1])
            matched = torch.stack([match(m, c, wanted, cover, weights) for m, c in zip(masks, chances, strict=True)])
        layer, picture, segment = (matched >= 0).nonzero(as_tuple=True)
        query = matched[layer, picture, segment]

        label = torch.full((layers, count, queries), len(CLASSES))
        label[layer, picture, query] = wanted.classes[picture, segment]
        balance = torch.ones(len(CLASSES) + 1)
        balance[-1] = config.no_object_weight
        named = functional.cross_entropy(logits.flatten(0, 2), label.flatten(), weight=balance)

        entropy, dice = torch.zeros(()), torch.zeros(())
        for part, side in ((layer < layers - 1, masks.shape[-1]), (layer == layers - 1, self.points)):
            chosen = masks[layer[part], picture[part], query[part]]
            more = _difference(chosen, wanted.cover(side)[picture[part], segment[part]])
            entropy, dice = entropy + more[0], dice + more[1]
        segments = wanted.present.sum()
        entropy, dice = entropy / segments, dice / segments
        loss = weights[0] * layers * named + weights[1] * entropy + weights[2] * dice
        guide = classes + 0.5 * centres
        parts = {"class": named, "mask": entropy / layers, "dice": dice / layers, "guide": guide}
        return loss + self.guide_weight * layers * guide, parts

    def finish(self, model: Any) -> None:
        """Without the guide, the model is the library's again."""
        del model.guide

    def validate(self, model: Any, data: dense.Scenes) -> dict[str, float]:
        """Panoptic quality, of all classes and of things."""
        judge = Judge(self.processor())
        for start in range(0, len(data), 50):
            batch = dense.plain(data, slice(start, start + 50))
            judge.add(model(pixel_values=_normalised(batch.pixels)), batch.segments, batch.labels)
        found = judge.panoptic()
        return {"PQ": _mean(found)[0], "things": _mean(found[list(THINGS)])[0]}

    def measure(self, folder: Path, n: int, split_name: str) -> Sequence[dense.Result]:
        """The metrics of a saved checkpoint."""
        return measure(folder, n, split_name)

    def describe(self, folder: Path) -> str:
        """What the model does and how it is built."""
        names = ", ".join(scenes.LABELS[:-1])
        return f"""A small Mask2Former with a Swin backbone that divides a picture into segments and names each:
{names} or {scenes.LABELS[-1]} (things, one segment an object), floor or wall (stuff, one segment each). The backbone cuts
{self.image_size} × {self.image_size} pixels into patches of 4, starts {self.embed_dim} wide and has
{_listed(self.depths)} blocks in its four stages, windows of {self.window} × {self.window} and learned absolute positions
beside the relative ones. Pixel decoder and Transformer decoder are {self.width} wide; layers of deformable attention:
{self.encoder_layers}, layers of masked attention: {self.decoder_layers - 1}, queries: {self.queries}."""

    def describe_recipe(self) -> str:
        """How it was trained, apart from the loop."""
        return f"""First, backbone and pixel decoder learn alone for {self.guide_steps:,} steps (batches of
{self.guide_batch}, learning rate {self.guide_rate:g}): a 1 × 1 convolution on each map of the pixel decoder says which
classes cover a cell, and in which of {self.guide_bins} columns and {self.guide_bins} rows the centre of its object lies.
Then the whole model learns. At every decoder layer each segment is matched to one query, and the loss is cross-entropy of
the class ("no object" weighted {self.no_object:g}), sigmoid cross-entropy and dice of the mask, weighted 2, 5 and 5 as in
the library; but masks are compared at all points of a grid instead of at random ones: the last layer's at {self.points} ×
{self.points}, the others' at the resolution they have. The
convolutions of the first stage stay for this time (weight {self.guide_weight:g}) and are not part of the checkpoint. The
position codes of the queries start as those of a 4 × 3 grid over the picture, and their projection in cross-attention as
that of the keys."""

    def describe_results(self, folder: Path, results: Sequence[dense.Result]) -> str:
        """The results in words and tables."""
        found = {result.name: result.value for result in results}
        rows = judged(folder, self.test, "test").panoptic()
        table = [
            "| class | PQ | SQ | RQ |",
            "| --- | ---: | ---: | ---: |",
            *(
                f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |"
                for name, row in zip(CLASSES, rows, strict=True)
            ),
            *(
                f"| {name} | " + " | ".join(f"{value:.3f}" for value in _mean(rows[list(part)])) + " |"
                for name, part in (("things", THINGS), ("stuff", STUFF), ("all", range(len(CLASSES))))
            ),
        ]
        return f"""
- panoptic quality {found["PQ"]:.3f} over all classes, {found["PQ things"]:.3f} over things and
  {found["PQ stuff"]:.3f} over stuff (torchmetrics; `post_process_panoptic_segmentation` with its usual thresholds);
- average precision of instance masks {found["mask AP"]:.3f}, at an overlap of one half {found["mask AP50"]:.3f}
  (pycocotools; things only, `post_process_instance_segmentation` without a threshold);
- mean intersection over union of the semantic map {found["mIoU"]:.3f} (`post_process_semantic_segmentation`).

{chr(10).join(table)}

PQ = SQ × RQ for each class: SQ is the mean overlap of segments that were found, RQ how many were found and how many were
made up. A segment is found when it overlaps one of the same class by more than half."""

    def describe_limits(self) -> str:
        """What it cannot do."""
        return f"""
- It knows five shapes in rendered rooms of one kind. In a photograph it finds segments too, and they mean nothing.
- It was trained on pictures rendered at {self.image_size} pixels; the processor scales others to that size.
- Masks have a quarter of the picture's resolution before they are scaled up, so thin parts and edges come out rounded.
- Most of what it misses is small or half hidden, and goes to the segment of a neighbour; cylinders are at times called
  cubes.
- It has {self.queries} queries and never saw more than {scenes.MAX_OBJECTS} objects: it cannot return more than
  {self.queries} segments."""


def _difference(logits: Tensor, cover: Tensor) -> tuple[Tensor, Tensor]:
    """Sigmoid cross-entropy and dice of masks, summed over them.

    Args:
        logits: float [n, h, w]; scaled up to the size of `cover`.
        cover: float [n, h, w].
    """
    if logits.shape != cover.shape:
        logits = functional.interpolate(logits[:, None], cover.shape[1:], mode="bilinear")
    logits, cover = logits.flatten(1), cover.flatten(1)
    entropy = functional.binary_cross_entropy_with_logits(logits, cover, reduction="none").mean(1)
    inside = logits.sigmoid()
    dice = 1 - (2 * (inside * cover).sum(1) + 1) / (inside.sum(1) + cover.sum(1) + 1)
    return entropy.sum(), dice.sum()


def _mean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over classes, without those that do not occur; zeros where none does."""
    seen = rows[~np.isnan(rows).any(1)]
    return np.asarray(seen.mean(0) if len(seen) else np.zeros(rows.shape[1]), np.float64)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _normalised(pixels: Tensor) -> Tensor:
    """As the processor does: float [b, 3, h, w] from 0 to 1 to about -2 to 2."""
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


@torch.no_grad()
def _wake(model: Any) -> None:
    """Begin with weights at which every layer of a narrow model passes something on.

    The library's initial deviation of 0.02 suits layers of several hundred inputs; in a backbone that
    is 32 wide each block would add next to nothing. Position codes of the queries begin as those of
    a 4 × 3 grid over the picture, and cross-attention compares them with those of the keys.
    """
    level, decoder = model.model.pixel_level_module, model.model.transformer_module
    for module in level.encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.7 * module.in_features**-0.5)
        elif isinstance(module, nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=module.weight[0].numel() ** -0.5)
    table = level.encoder.swin.embeddings.position_embeddings  # [1, cells, embed_dim]
    side = round(table.shape[1] ** 0.5)
    codes = _codes(table.shape[2], side).flatten(1).T
    table.copy_(0.3 * codes[None])

    queries = decoder.queries_embedder.weight
    codes = _codes(queries.shape[1], 24)
    for i in range(len(queries)):
        x, y = i % 4 * 6 + 3, i // 4 % 3 * 8 + 4
        queries[i] = codes[:, y, x]
    for layer in decoder.decoder.layers:
        width = layer.cross_attn.embed_dim
        layer.cross_attn.in_proj_weight[:width] = layer.cross_attn.in_proj_weight[width : 2 * width]


def _codes(width: int, side: int) -> Tensor:
    """The library's sine codes of a square map, float [width, side, side]."""
    code = Mask2FormerSinePositionEmbedding(num_position_features=width // 2, normalize=True)
    found: Tensor = code(torch.Size([1, width, side, side]), "cpu", torch.float32)
    return found[0]


class Judge:
    """Collects the three kinds of answers that one set of outputs gives, and scores them.

    Args:
        processor: With the model's three ways of post-processing.
        full: Score semantic maps and instances too, not the panoptic maps alone.
    """

    def __init__(self, processor: Any, *, full: bool = False) -> None:
        self.processor = processor
        self.full = full
        self.quality = PanopticQuality(
            things=set(THINGS),
            stuffs={*STUFF, NOTHING},
            return_sq_and_rq=True,
            return_per_class=True,
        )
        self.overlap = np.zeros((len(CLASSES), 2), np.int64)  # intersection, union
        self.truth: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.count = 0
        self.size = 0

    def add(self, outputs: Any, segments: Tensor, labels: Tensor) -> None:
        """Score a batch.

        Args:
            outputs: Of the model.
            segments: int64 [b, h, w]: 0 floor, 1 wall, 2 + i object i.
            labels: int64 [b, 6], -1 where there is no object.
        """
        sizes = [tuple(segments.shape[1:])] * len(segments)
        table = torch.cat([torch.tensor([[*STUFF]]).expand(len(labels), -1), labels], 1)
        classes = table.gather(1, segments.flatten(1)).view_as(segments)
        panoptic = self.processor.post_process_panoptic_segmentation(
            outputs, target_sizes=sizes, label_ids_to_fuse=set(STUFF)
        )
        found = torch.stack([_pairs(each) for each in panoptic])
        self.quality.update(found, torch.stack([classes, segments], -1))
        if self.full:
            self._add_semantic(outputs, classes, sizes)
            self._add_instances(outputs, segments, labels, sizes)
        self.count += len(segments)
        self.size = segments.shape[-1]

    def panoptic(self) -> NDArray[np.float64]:
        """PQ, SQ and RQ of each class, [classes, 3]; nan for a class that neither truth nor answers hold."""
        found = np.asarray(self.quality.compute().numpy(), np.float64)
        part = self.quality
        seen = (part.true_positives + part.false_positives + part.false_negatives).numpy() > 0
        return np.where(seen[:, None], found, np.nan)[: len(CLASSES)]

    def semantic(self) -> NDArray[np.float64]:
        """Intersection over union of each class, [classes]."""
        return np.asarray(self.overlap[:, 0] / np.maximum(self.overlap[:, 1], 1), np.float64)

    def instances(self) -> tuple[float, float]:
        """Average precision of masks over overlaps of .5 to .95, and at .5."""
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        if not self.answers:
            return 0.0, 0.0
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = {
                "info": {},
                "images": [{"id": i, "height": self.size, "width": self.size} for i in range(self.count)],
                "categories": [{"id": i, "name": CLASSES[i]} for i in THINGS],
                "annotations": [{"id": 1 + i, **each} for i, each in enumerate(self.truth)],
            }
            truth.createIndex()
            score = COCOeval(truth, truth.loadRes(self.answers), "segm")
            score.evaluate()
            score.accumulate()
            score.summarize()
        return float(score.stats[0]), float(score.stats[1])

    def _add_semantic(self, outputs: Any, classes: Tensor, sizes: list[Any]) -> None:
        maps = self.processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)
        for found, truth in zip(maps, classes, strict=True):
            for i in range(len(CLASSES)):
                a, b = found == i, truth == i
                self.overlap[i] += [int((a & b).sum()), int((a | b).sum())]

    def _add_instances(self, outputs: Any, segments: Tensor, labels: Tensor, sizes: list[Any]) -> None:
        from pycocotools import mask as rle

        def packed(mask: Tensor) -> Any:
            return rle.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))

        answers = self.processor.post_process_instance_segmentation(
            outputs, threshold=0.0, target_sizes=sizes, return_binary_maps=True
        )
        for i, answer in enumerate(answers):
            for j, label in enumerate(labels[i].tolist()):
                mask = segments[i] == 2 + j
                if label >= 0 and mask.any():
                    shape = packed(mask)
                    where = {"area": float(mask.sum()), "bbox": rle.toBbox(shape).tolist(), "iscrowd": 0}
                    self.truth.append(
                        {"image_id": self.count + i, "category_id": label, "segmentation": shape, **where}
                    )
            for each, mask in zip(answer["segments_info"], answer["segmentation"], strict=False):
                if each["label_id"] in THINGS:
                    self.answers.append(
                        {
                            "image_id": self.count + i,
                            "category_id": each["label_id"],
                            "segmentation": packed(mask),
                            "score": each["score"],
                        }
                    )


def _pairs(panoptic: dict[str, Any]) -> Tensor:
    """Category and instance of each pixel, int64 [h, w, 2], from one answer of the processor."""
    found = panoptic["segmentation"].long()
    pairs = torch.tensor([NOTHING, 0]).repeat(*found.shape, 1)
    for each in panoptic["segments_info"]:
        pairs[found == each["id"]] = torch.tensor([each["label_id"], each["id"]])
    return pairs


@functools.lru_cache(maxsize=4)
def _judged(folder: Path, stamp: int, n: int, split_name: str) -> Judge:
    processor = AutoImageProcessor.from_pretrained(folder)
    model = dense.load_model(folder)
    size = model.config.backbone_config.image_size
    pictures = dense.pictures(n, split_name, size)
    judge = Judge(processor, full=True)
    for start in range(0, n, 50):
        batch = pictures[start : start + 50]
        with torch.inference_mode():
            outputs = model(**processor([scene.image for scene in batch], return_tensors="pt"))
        segments = torch.from_numpy(np.stack([scene.segments for scene in batch]).astype(np.int64))
        labels = torch.full((len(batch), scenes.MAX_OBJECTS), -1)
        for i, scene in enumerate(batch):
            for j, each in enumerate(scene.objects):
                labels[i, j] = scenes.LABELS.index(each.label)
        judge.add(outputs, segments, labels)
    return judge


def judged(folder: Path, n: int, split_name: str) -> Judge:
    """All answers of a checkpoint on the first n pictures of a split, scored."""
    return _judged(folder, (folder / cards.WEIGHTS).stat().st_mtime_ns, n, split_name)


def measure(folder: Path, n: int = 1_000, split_name: str = "test") -> Sequence[dense.Result]:
    """Measure a checkpoint on the first n pictures of a split, rendered on the spot.

    Returns:
        Panoptic quality (PQ) and its factors SQ and RQ over all classes, PQ of things and of stuff,
        average precision of instance masks, and the mean intersection over union of semantic maps.

    Raises:
        CheckpointError: Where weights or settings are missing or damaged.
        ValueError: For an unknown split or n below 1.
    """
    dense.require(folder, n)
    judge = judged(folder, n, split_name)
    rows = judge.panoptic()
    mean, precision = _mean(rows), judge.instances()
    values = {
        "PQ": mean[0],
        "SQ": mean[1],
        "RQ": mean[2],
        "PQ things": _mean(rows[list(THINGS)])[0],
        "PQ stuff": _mean(rows[list(STUFF)])[0],
        "mask AP": precision[0],
        "mask AP50": precision[1],
        "mIoU": judge.semantic().mean(),
    }
    return [dense.Result(name, float(value)) for name, value in values.items()]


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    return dense.check(folder, measure)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds at a tiny size: for tests, not for results."""
    return replace(
        recipe or Recipe(),
        **dense.QUICK,
        embed_dim=16,
        depths=(1, 1, 1, 1),
        heads=(1, 1, 2, 2),
        window=2,
        width=64,
        feedforward=32,
        encoder_layers=1,
        decoder_layers=3,
        points=16,
        guide_steps=2,
        guide_batch=4,
    )


def main() -> None:
    """Train the checkpoint of this repository."""
    dense.train_and_tell(FOLDER, Recipe())
