"""Trains checkpoints/detr-scenes: a DETR that finds the objects of a rendered scene, with a box and a class each.

The model is `DetrForObjectDetection` of transformers, unmodified. Three things that are thrown away
afterwards make it learn in minutes: its backbone is first trained alone, to say of every cell of its map
which object lies there; the encoder's tokens go on answering that question while the whole model trains; and
several sets of object queries learn side by side, of which one is kept.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm
from transformers import (
    AutoImageProcessor,
    AutoModelForObjectDetection,
    DetrConfig,
    DetrForObjectDetection,
    DetrImageProcessorPil,
    ResNetBackbone,
    ResNetConfig,
)

from sample_data import scenes
from training import cards, dense

FOLDER = Path("checkpoints/detr-scenes")

SURE = 0.5
"""Score from which a detection counts for recall, as on the pages."""

SIZES: tuple[tuple[str, float, float], ...] = (
    ("below 12 pixels", 0, 12),
    ("12 to 20 pixels", 12, 20),
    ("from 20 pixels", 20, float("inf")),
)
"""Names and limits of object sizes: square root of the area of the box, at 96 pixels a picture."""


# --- what a cell of the map answers --------------------------------------------------------------


def cell_targets(batch: dense.Batch, stride: int) -> tuple[Tensor, Tensor]:
    """Class and box that each cell of a map is to answer.

    Args:
        batch: Pictures with their ground truth.
        stride: Pixels from one cell to the next.

    Returns:
        Classes, int64 [b, cells]: that of the object that covers most of the cell, or 5 where objects cover less
        than a quarter of it; and the boxes of those objects, float [b, cells, 4] as (centre x, centre y, width,
        height) in shares of the picture, zeros where there is none.
    """
    share = functional.avg_pool2d(batch.masks().float(), stride).flatten(2)  # [b, objects, cells]
    covered, best = share.max(1)
    there = covered >= 0.25
    classes = torch.where(there, batch.labels.gather(1, best), len(scenes.LABELS))
    boxes = centred(batch.boxes()).gather(1, best[..., None].expand(-1, -1, 4))
    return classes, boxes * there[..., None]


def centred(boxes: Tensor) -> Tensor:
    """(x0, y0, x1, y1) to (centre x, centre y, width, height), both [..., 4]."""
    return torch.cat([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1)


def corners(boxes: Tensor) -> Tensor:
    """(centre x, centre y, width, height) to (x0, y0, x1, y1), both [..., 4]."""
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def cell_loss(answers: Tensor, batch: dense.Batch) -> Tensor:
    """How far the cells' answers are from `cell_targets`: one number.

    Args:
        answers: float [b, cells, 10]: logits of five classes and of none, then the box before a sigmoid. It is
            asked for in shares of the picture, not seen from the cell: DETR adds position codes to queries and
            keys alone, so what a token knows of its own place has to come from the convolutions.
        batch: Pictures with their ground truth; the cells are a square map of them.
    """
    side = round(answers.shape[1] ** 0.5)
    size = batch.pixels.shape[-1]
    classes, boxes = cell_targets(batch, size // side)
    kinds = len(scenes.LABELS) + 1
    weight = torch.ones(kinds)
    weight[-1] = 0.3  # most cells show no object
    loss = functional.cross_entropy(answers[..., :kinds].flatten(0, 1), classes.flatten(), weight)
    there = classes < len(scenes.LABELS)
    if not there.any():
        return loss
    found = answers[there][:, kinds:].sigmoid()
    wanted = boxes[there]
    return loss + 5 * (found - wanted).abs().sum(-1).mean() + 2 * (1 - _giou(found, wanted)).mean()


def _giou(found: Tensor, wanted: Tensor) -> Tensor:
    """Generalised overlap of box with box, row by row: [n, 4] and [n, 4] to [n]."""
    a, b = corners(found), corners(wanted)
    inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(-1)
    outer = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1)
    union = found[:, 2:].prod(-1) + wanted[:, 2:].prod(-1) - inner
    return inner / union.clamp(min=1e-6) - (outer - union) / outer.clamp(min=1e-6)


# --- the recipe ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe(dense.Recipe):
    """All choices of a training run.

    Attributes:
        groups_of_queries: Sets of object queries that learn side by side; the first is kept.
        dense_weight: Of the loss of the encoder's tokens.
        backbone_rate: Learning rate of the backbone in the main training, as a share of the others'.
    """

    name: ClassVar[str] = "detr-scenes"
    module: ClassVar[str] = "training/detr.py"
    pipeline: ClassVar[str] = "object-detection"

    steps: int = 10_000
    pretrain_steps: int = 2_000
    pretrain_batch: int = 32
    pretrain_rate: float = 2e-3
    learning_rate: float = 5e-4
    backbone_rate: float = 0.5
    dense_weight: float = 0.5
    groups_of_queries: int = 2
    embedding_size: int = 32
    hidden_sizes: tuple[int, ...] = (48, 96)
    depths: tuple[int, ...] = (2, 3)
    d_model: int = 128
    encoder_layers: int = 2
    decoder_layers: int = 3
    heads: int = 4
    feed_forward: int = 256
    rows: int = 3
    columns: int = 4
    no_object: float = 0.2
    sharpness: float = 2.2

    @property
    def stride(self) -> int:
        """Pixels from one cell of the backbone's map to the next."""
        return int(2 ** (len(self.depths) + 1))

    @property
    def queries(self) -> int:
        """Object queries of the finished model."""
        return self.rows * self.columns

    def check(self) -> None:
        """Raise ValueError where sizes do not fit together or objects outnumber queries."""
        if len(self.hidden_sizes) != len(self.depths):
            raise ValueError(f"give each stage a width and a depth, not {self.hidden_sizes} and {self.depths}")
        if self.image_size % self.stride:
            raise ValueError(f"image_size {self.image_size} must be a multiple of the stride {self.stride}")
        if self.d_model % 4 or self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} must be a multiple of 4 and of heads {self.heads}")
        if self.queries < scenes.MAX_OBJECTS:
            raise ValueError(f"{self.rows} × {self.columns} queries cannot find {scenes.MAX_OBJECTS} objects")
        side = self.image_size // self.stride
        if max(self.rows, self.columns) > side:
            raise ValueError(f"{self.rows} × {self.columns} queries do not start on different cells of {side} × {side}")

    def build(self) -> DetrForObjectDetection:
        """The model with random weights; the linear layers of the Transformer are drawn as DETR's authors did."""
        # These two are no fields of the configurations, so type checkers do not know them.
        last: dict[str, Any] = {"out_features": [f"stage{len(self.depths)}"]}
        own: dict[str, Any] = {"use_timm_backbone": False}
        backbone = ResNetConfig(
            embedding_size=self.embedding_size,
            hidden_sizes=list(self.hidden_sizes),
            depths=list(self.depths),
            layer_type="basic",
            **last,
        )
        config = DetrConfig(
            **own,
            backbone_config=backbone,
            d_model=self.d_model,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers,
            encoder_attention_heads=self.heads,
            decoder_attention_heads=self.heads,
            encoder_ffn_dim=self.feed_forward,
            decoder_ffn_dim=self.feed_forward,
            num_queries=self.queries,
            dropout=0.0,
            auxiliary_loss=True,
            eos_coefficient=self.no_object,
            id2label=dict(enumerate(scenes.LABELS)),
            label2id={name: i for i, name in enumerate(scenes.LABELS)},
        )
        model = DetrForObjectDetection(config)
        for part in (model.model.encoder, model.model.decoder):
            for layer in part.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
        self._look_nearby(model.model)
        model.set_attn_implementation("eager")  # torch's fused attention is slow on a CPU when it comes to gradients
        layout: Any = model  # torch's own types do not know the layout of modules
        layout.to(memory_format=torch.channels_last)
        return model

    def _look_nearby(self, model: Any) -> None:
        """Start cross-attention so that a query with the code of a place looks at that place and around it.

        The codes of two places differ in few of their numbers: one sine and cosine in four goes through a noticeable
        part of its period within the picture. Part of every head compares these alone, and what the layers before
        put on top of them starts small.
        """
        quarter = min(8, self.d_model // self.heads // 2)
        fast = torch.cat([torch.arange(quarter), self.d_model // 2 + torch.arange(quarter)])
        width = self.d_model // self.heads
        with torch.no_grad():
            for block in model.decoder.layers:
                for head in range(self.heads):
                    rows = slice(head * width, head * width + len(fast))
                    block.encoder_attn.q_proj.weight[rows] = self.sharpness * torch.eye(self.d_model)[fast]
                block.encoder_attn.k_proj.load_state_dict(block.encoder_attn.q_proj.state_dict())
                block.self_attn_layer_norm.weight[fast] = 0.1
            model.encoder.layers[-1].final_layer_norm.weight[fast] = 0.1

    def processor(self) -> DetrImageProcessorPil:
        """Scales to the model's size, and values to -1 to 1."""
        half = [0.5, 0.5, 0.5]
        size = {"height": self.image_size, "width": self.image_size}
        return DetrImageProcessorPil(size=size, image_mean=half, image_std=half)

    def pretrain(self, model: Any, data: dense.Scenes, chance: torch.Generator) -> None:
        """Train the backbone alone, then put it and the starting queries into the model."""
        model.model.unfreeze_backbone()
        if self.pretrain_steps:
            state = self._pretrained_backbone(model, data, chance)
            model.model.backbone.model.load_state_dict(state)
        self._start_queries(model)
        # It learns with the model and is taken off in `finish`.
        model.cells = nn.Linear(self.d_model, len(scenes.LABELS) + 1 + 4)

    def _pretrained_backbone(self, model: Any, data: dense.Scenes, chance: torch.Generator) -> dict[str, Tensor]:
        # DETR's own copy has no working batch normalisation, which a network with random weights needs.
        layers: Any = nn.ModuleDict(
            {
                "backbone": ResNetBackbone(model.config.backbone_config),
                "cells": nn.Conv2d(self.hidden_sizes[-1], len(scenes.LABELS) + 1 + 4, 1),
            }
        )
        layers.to(memory_format=torch.channels_last).train()
        optimiser = torch.optim.AdamW(layers.parameters(), lr=self.pretrain_rate, weight_decay=0.01, fused=True)
        rate = dense.schedule(optimiser, self.pretrain_steps, self.warmup)
        steps = range(1, self.pretrain_steps + 1)
        order = dense.batches(len(data), min(self.pretrain_batch, len(data)), chance)
        bar = tqdm(zip(steps, order, strict=False), "backbone", self.pretrain_steps)
        loss: Any
        for step, index in bar:
            batch = dense.augmented(data, index, chance, crops=self.crops)
            with torch.autocast("cpu", torch.bfloat16):
                answers = layers["cells"](layers["backbone"](_normalised(batch)).feature_maps[-1])
            loss = cell_loss(answers.float().flatten(2).transpose(1, 2), batch)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(layers.parameters(), self.clip)
            optimiser.step()
            rate.step()
            if step % 25 == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}")
        state: dict[str, Tensor] = layers["backbone"].state_dict()
        return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}

    def _start_queries(self, model: Any) -> None:
        """Give each query the position code of one cell of a coarse grid; a set for each group."""
        side = self.image_size // self.stride
        shape = torch.Size([1, self.d_model, side, side])
        code = model.model.position_embedding(shape=shape, device="cpu", dtype=torch.float32)[0]
        y = ((torch.arange(self.rows) + 0.5) * side / self.rows).long()
        x = ((torch.arange(self.columns) + 0.5) * side / self.columns).long()
        # The groups start a cell apart, so that they do not learn the same.
        sets = [code[:, (y + i) % side][:, :, (x + i) % side].flatten(1).T for i in range(self.groups_of_queries)]
        model.model.query_position_embeddings = _embedding(torch.cat(sets))

    def groups(self, model: Any, helper: nn.Module | None) -> list[dict[str, Any]]:
        """As for all, with a slower backbone."""
        slow = {id(p) for p in model.model.backbone.parameters()}
        result = []
        for group in super().groups(model, helper):
            settings = {key: value for key, value in group.items() if key != "params"}
            fast = [p for p in group["params"] if id(p) not in slow]
            rest = [p for p in group["params"] if id(p) in slow]
            result.append({**settings, "params": fast})
            if rest:
                result.append({**settings, "params": rest, "lr": self.learning_rate * self.backbone_rate})
        return result

    def _apart(self, model: Any) -> Tensor:
        """What is added to the queries' self-attention, so that none sees another group: float [1, 1, all, all]."""
        group = torch.arange(model.model.query_position_embeddings.num_embeddings) // self.queries
        return torch.zeros(1, 1, len(group), len(group)).masked_fill(group[:, None] != group, -torch.inf)

    def loss(self, model: Any, batch: dense.Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The library's own loss over all layers and groups, and that of the encoder's tokens."""
        with torch.autocast("cpu", torch.bfloat16):
            found = model.model(pixel_values=_normalised(batch), decoder_attention_mask=self._apart(model))
            layers = found.intermediate_hidden_states  # [layers, b, groups * queries, d_model]
            logits, boxes = model.class_labels_classifier(layers), model.bbox_predictor(layers)
            cells = model.cells(found.encoder_last_hidden_state)
        count = len(batch.pixels) * self.groups_of_queries
        # To the loss, a group is a picture of its own.
        logits = logits.float().reshape(len(logits), count, self.queries, -1)
        boxes = boxes.float().sigmoid().reshape(len(boxes), count, self.queries, 4)
        truth = [label for label in _labels(batch) for _ in range(self.groups_of_queries)]
        loss, parts, _ = model.loss_function(logits[-1], truth, model.device, boxes[-1], model.config, logits, boxes)
        covered = cell_loss(cells.float(), batch)
        shown = {name: parts[f"loss_{name}"] for name in ("ce", "bbox", "giou")}
        return loss + self.dense_weight * covered, {**shown, "cells": covered}

    def validate(self, model: Any, data: dense.Scenes) -> dict[str, float]:
        """AP, AP50 and AP75 of the first group."""
        truth: list[Truth] = []
        found: list[Found] = []
        for start in range(0, len(data), 100):
            batch = dense.plain(data, slice(start, start + 100))
            hidden = model.model(pixel_values=_normalised(batch), decoder_attention_mask=self._apart(model))[0]
            hidden = hidden[:, : self.queries]
            chances = model.class_labels_classifier(hidden).softmax(-1)[..., :-1].max(-1)
            boxes = corners(model.bbox_predictor(hidden).sigmoid()) * self.image_size
            for scores, labels, box in zip(chances.values, chances.indices, boxes, strict=True):
                found.append(Found(scores.numpy(), labels.numpy(), box.numpy()))
            for labels, box in zip(batch.labels, batch.boxes() * self.image_size, strict=True):
                truth.append(Truth(labels[labels >= 0].numpy(), box[labels >= 0].numpy()))
        return dict(zip(("AP", "AP50", "AP75"), average_precision(truth, found), strict=True))

    def finish(self, model: Any) -> None:
        """Keep the first group of queries; take off the layer that answered for the cells."""
        kept = model.model.query_position_embeddings.weight[: self.queries].detach().clone()
        model.model.query_position_embeddings = _embedding(kept)
        del model.cells

    def measure(self, folder: Path, n: int, split_name: str) -> Sequence[dense.Result]:
        """AP50, AP and AP75."""
        return results(measure(folder, n, split_name))

    def describe(self, folder: Path) -> str:
        """Title paragraph of the card."""
        side = self.image_size // self.stride
        blocks, widths = (" and ".join(map(str, numbers)) for numbers in (self.depths, self.hidden_sizes))
        return (
            f"A small DETR that finds the objects of a scene and gives each a box and one of five classes: "
            f"{', '.join(scenes.LABELS[:-1])} or {scenes.LABELS[-1]}. A ResNet with {len(self.depths)} stages of "
            f"{blocks} blocks and widths {widths} turns {self.image_size} × {self.image_size} pixels into a map of "
            f"{side} × {side} cells, one for {self.stride} × {self.stride} pixels (the published DETR: 32 × 32). "
            f"{self.encoder_layers} encoder and {self.decoder_layers} decoder layers of width {self.d_model} with "
            f"{self.heads} heads follow, and {self.queries} object queries."
        )

    def describe_recipe(self) -> str:
        """How it was trained, for the card."""
        return (
            f"First the backbone alone, with a batch normalisation that works: {self.pretrain_steps:,} steps (batches "
            f"of {self.pretrain_batch}, learning rate {self.pretrain_rate:g}) in which every cell of its map names "
            "the object that covers it, and its box. DETR takes over the statistics of the batch normalisation and "
            "keeps them fixed.\n\n"
            "Then the whole model, with the loss of the library: one-to-one matching after every decoder layer. The "
            f"encoder's tokens go on answering as the cells did (weight {self.dense_weight:g}). "
            f"{self.groups_of_queries} sets of {self.queries} queries learn side by side, matched each for itself and "
            "without seeing one another; the first is kept, the others and the layer for the cells are not in the "
            f"checkpoint. The queries start as the position codes of a {self.columns} × {self.rows} grid, and query "
            "and key projections of cross-attention start equal, so that each query looks near its own place first. "
            f"The backbone learns at {self.backbone_rate:g} of the others' rate."
        )

    def describe_results(self, folder: Path, results: Sequence[dense.Result]) -> str:
        """The results in words and tables, for the card."""
        found = measure(folder, self.test)
        table = "\n".join(
            f"| {name} | {part.objects:,} | {part.recall:.3f} |" if part.objects else f"| {name} | 0 | |"
            for name, part in {**found.by_visible, **found.by_size, **found.by_label}.items()
        )
        return (
            f"- AP {found.ap:.3f} (mean over IoU .50 to .95), AP50 {found.ap50:.3f}, AP75 {found.ap75:.3f}, computed "
            "with pycocotools;\n"
            f"- of {found.all.objects:,} objects, {found.all.recall:.3f} are found at a score above {SURE:g} (right "
            f"class, IoU at least .5);\n"
            f"- {found.false_alarms:,} of {found.detections:,} detections above that score are wrong: no such object, "
            "a second box on one, or a box too far off.\n\n"
            f"| objects | number | found |\n| --- | ---: | ---: |\n{table}\n\n"
            'The visible share leaves out what other objects hide and what the frame cuts off. "Pixels" is the '
            "square root of the box's area."
        )

    def describe_limits(self) -> str:
        """What it cannot do, as a list, for the card."""
        return (
            "- It knows five shapes in rendered rooms of one kind; what it says of a photograph means nothing.\n"
            f"- It has {self.queries} queries and was never shown more than {scenes.MAX_OBJECTS} objects.\n"
            f"- Its processor brings every picture to {self.image_size} × {self.image_size} pixels without keeping "
            "the shape; give it square ones.\n"
            "- Small objects and those of which little shows are missed most; see the table."
        )


def _embedding(rows: Tensor) -> nn.Embedding:
    """Learned vectors that start as the given rows [n, d]."""
    return nn.Embedding(rows.shape[0], rows.shape[1], _weight=rows)


def _normalised(batch: dense.Batch) -> Tensor:
    """Values from -1 to 1, as the processor gives them."""
    return (batch.pixels * 2 - 1).contiguous(memory_format=torch.channels_last)


def _labels(batch: dense.Batch) -> list[dict[str, Tensor]]:
    """The ground truth of each picture as the library's loss takes it."""
    boxes = centred(batch.boxes())
    return [
        {"class_labels": labels[labels >= 0], "boxes": box[labels >= 0]}
        for labels, box in zip(batch.labels, boxes, strict=True)
    ]


# --- measuring -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """The objects of one picture: labels int64 [m], boxes float [m, 4] as (x0, y0, x1, y1) in pixels."""

    labels: NDArray[np.int64]
    boxes: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Found:
    """What a model says about one picture: scores float [k], labels int64 [k], boxes float [k, 4] as in `Truth`."""

    scores: NDArray[np.floating[Any]]
    labels: NDArray[np.int64]
    boxes: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Part:
    """Objects of one kind, and how many of them were found."""

    objects: int
    found: int

    @property
    def recall(self) -> float:
        """Share of the objects that were found; NaN where there are none."""
        return self.found / self.objects if self.objects else float("nan")


@dataclass(frozen=True)
class Measurement:
    """What a checkpoint got right on one split.

    Attributes:
        n: Number of pictures.
        ap: Average precision, mean over classes and over IoU .50, .55, … .95.
        ap50: The same at IoU .50 alone.
        ap75: The same at IoU .75 alone.
        all: All objects; found means right class, score above `SURE`, IoU at least .5, one detection an object.
        by_visible: The same for objects that show half of themselves or more, and less.
        by_size: The same by `SIZES`.
        by_label: The same by class.
        detections: Detections above `SURE`.
        false_alarms: Those of them that found no object.
        missed: (picture, object) of every object not found.
    """

    n: int
    ap: float
    ap50: float
    ap75: float
    all: Part
    by_visible: dict[str, Part]
    by_size: dict[str, Part]
    by_label: dict[str, Part]
    detections: int
    false_alarms: int
    missed: tuple[tuple[int, int], ...]


def average_precision(truth: Sequence[Truth], found: Sequence[Found]) -> tuple[float, float, float]:
    """AP, AP50 and AP75 as COCO defines them.

    Args:
        truth: The objects, picture by picture.
        found: The detections of the same pictures.

    Raises:
        ValueError: Where the two differ in length, or there is no object at all.
    """
    if len(truth) != len(found):
        raise ValueError(f"{len(truth)} pictures with objects, but {len(found)} with detections")
    if not sum(len(picture.labels) for picture in truth):
        raise ValueError("no picture has an object; there is nothing to find")

    def entry(image: int, label: Any, box: Any) -> dict[str, Any]:
        x0, y0, x1, y1 = (float(value) for value in box)
        sides = [x0, y0, x1 - x0, y1 - y0]
        return {"image_id": image, "category_id": int(label), "bbox": sides, "area": sides[2] * sides[3]}

    objects = [
        {**entry(i, label, box), "iscrowd": 0}
        for i, picture in enumerate(truth)
        for label, box in zip(picture.labels, picture.boxes, strict=True)
    ]
    detections = [
        {**entry(i, label, box), "score": float(score)}
        for i, picture in enumerate(found)
        for score, label, box in zip(picture.scores, picture.labels, picture.boxes, strict=True)
    ]
    if not detections:
        return 0.0, 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        known = COCO()
        known.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(len(truth))],
            "categories": [{"id": i, "name": name} for i, name in enumerate(scenes.LABELS)],
            # An id of 0 would count as "not matched".
            "annotations": [{**thing, "id": i} for i, thing in enumerate(objects, 1)],
        }
        known.createIndex()
        judge = COCOeval(known, known.loadRes(detections), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), float(judge.stats[1]), float(judge.stats[2])


def matched(truth: Truth, found: Found) -> tuple[NDArray[np.bool_], int]:
    """Which objects of a picture are found, bool [m], and by how many detections above `SURE` that took.

    The surest detection chooses first: among the objects of its class that nobody has chosen, the one it overlaps
    most, if that is at least .5.
    """
    taken = np.zeros(len(truth.labels), bool)
    sure = [k for k in np.argsort(-found.scores, kind="stable") if found.scores[k] > SURE]
    for k in sure:
        overlaps = np.where(taken | (truth.labels != found.labels[k]), 0, _iou(found.boxes[k], truth.boxes))
        if len(overlaps) and overlaps.max() >= 0.5:
            taken[overlaps.argmax()] = True
    return taken, len(sure)


def _iou(box: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Overlap of a box with others [m, 4]: shared area by joint area, [m]."""
    inner = np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None).prod(-1)
    joint = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(-1) - inner
    result: NDArray[Any] = inner / np.maximum(joint, 1e-9)
    return result


def detect(folder: Path, n: int, split_name: str = "test") -> list[Found]:
    """What a checkpoint finds in the first n pictures of a split: one detection for each query."""
    dense.require(folder, n)
    loader: Any = AutoImageProcessor
    processor = loader.from_pretrained(folder)
    model = AutoModelForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
    pictures = dense.pictures(n, split_name, processor.size["height"])
    found = []
    for start in range(0, n, 100):
        images = [scene.image for scene in pictures[start : start + 100]]
        with torch.inference_mode():
            outputs = model(**processor(images, return_tensors="pt"))
        sizes = [image.shape[:2] for image in images]
        for row in processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=sizes):
            found.append(Found(row["scores"].numpy(), row["labels"].numpy(), row["boxes"].numpy()))
    return found


def measure(folder: Path, n: int = 1_000, split_name: str = "test") -> Measurement:
    """Measure a checkpoint on the first n pictures of a split, rendered on the spot.

    Args:
        folder: The checkpoint, with its processor.
        n: How many pictures.
        split_name: "train", "validation" or "test".

    Raises:
        CheckpointError: Where weights or configuration are missing or damaged.
        ValueError: For an unknown split or n below 1.
    """
    found = detect(folder, n, split_name)
    size = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))["size"]["height"]
    things = [[thing for thing in scene.objects if thing.box] for scene in dense.pictures(n, split_name, size)]
    truth = [
        Truth(
            np.array([scenes.LABELS.index(thing.label) for thing in row], np.int64),
            np.array([thing.box for thing in row], np.float64).reshape(-1, 4),
        )
        for row in things
    ]
    counts: dict[str, list[int]] = {}
    groups = {
        "visible": ["half or more visible", "less than half visible"],
        "size": [name for name, _, _ in SIZES],
        "label": list(scenes.LABELS),
    }
    for names in groups.values():
        counts |= {name: [0, 0] for name in names}
    missed: list[tuple[int, int]] = []
    detections = hits = 0
    for i, (row, answer, seen) in enumerate(zip(truth, found, things, strict=True)):
        taken, sure = matched(row, answer)
        detections += sure
        hits += int(taken.sum())
        for j, thing in enumerate(seen):
            side = float(np.prod(row.boxes[j, 2:] - row.boxes[j, :2])) ** 0.5 * 96 / size
            of = [
                groups["visible"][int(thing.visible < 0.5)],
                next(name for name, low, high in SIZES if low <= side < high),
                thing.label,
            ]
            for name in of:
                counts[name][0] += 1
                counts[name][1] += int(taken[j])
            if not taken[j]:
                missed.append((i, j))
    ap, ap50, ap75 = average_precision(truth, found)
    parts = {name: Part(*pair) for name, pair in counts.items()}
    by = {key: {name: parts[name] for name in names} for key, names in groups.items()}
    return Measurement(
        n=n,
        ap=ap,
        ap50=ap50,
        ap75=ap75,
        all=Part(sum(len(row.labels) for row in truth), hits),
        by_visible=by["visible"],
        by_size=by["size"],
        by_label=by["label"],
        detections=detections,
        false_alarms=detections - hits,
        missed=tuple(missed),
    )


def results(found: Measurement) -> tuple[dense.Result, ...]:
    """The numbers for the head of the card."""
    return (
        dense.Result("AP50", found.ap50),
        dense.Result("AP", found.ap),
        dense.Result("AP75", found.ap75),
    )


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    return dense.check(folder, lambda path, n, split_name: results(measure(path, n, split_name)))


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds at a tiny size: for tests, not for results."""
    return replace(
        recipe or Recipe(),
        **dense.QUICK,
        pretrain_steps=2,
        pretrain_batch=4,
        embedding_size=8,
        hidden_sizes=(8, 16),
        depths=(1, 1),
        d_model=16,
        encoder_layers=1,
        decoder_layers=2,
        heads=2,
        feed_forward=32,
    )


def main() -> None:
    """Train the checkpoint of this repository."""
    dense.train_and_tell(FOLDER, Recipe())
