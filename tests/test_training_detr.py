"""DETR's training: its metric on known answers, its own losses and layers, and a whole run at a tiny size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForObjectDetection

from training import cards, dense, detr

TRUTH = [
    detr.Truth(np.array([0, 3]), np.array([[10.0, 10, 30, 40], [50, 20, 70, 40]])),
    detr.Truth(np.array([1]), np.array([[5.0, 60, 45, 90]])),
]


def _answer(*, score: float = 0.9, shift: float = 0.0, wrong: bool = False) -> list[detr.Found]:
    return [
        detr.Found(
            np.full(len(row.labels), score), (row.labels + wrong) % 5, row.boxes + shift * np.array([1, 0, 1, 0])
        )
        for row in TRUTH
    ]


def test_average_precision_of_known_answers() -> None:
    """Protects the metric: 1 for the truth itself, 0 for nothing and for wrong classes, between for loose boxes."""
    nothing = [detr.Found(np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 4))) for _ in TRUTH]
    assert detr.average_precision(TRUTH, _answer()) == pytest.approx((1.0, 1.0, 1.0))
    assert detr.average_precision(TRUTH, nothing) == (0.0, 0.0, 0.0)
    assert detr.average_precision(TRUTH, _answer(wrong=True))[1] == 0.0
    ap, ap50, ap75 = detr.average_precision(TRUTH, _answer(shift=4.0))
    assert ap50 == pytest.approx(1.0) and ap75 < 1.0 and 0 < ap < 1


def test_average_precision_names_what_cannot_be_compared() -> None:
    """Protects against measuring nothing: lists of different length, pictures without objects."""
    with pytest.raises(ValueError, match="2 pictures with objects, but 1 with detections"):
        detr.average_precision(TRUTH, _answer()[:1])
    empty = detr.Truth(np.zeros(0, np.int64), np.zeros((0, 4)))
    with pytest.raises(ValueError, match="no picture has an object"):
        detr.average_precision([empty], _answer()[:1])


def test_one_detection_finds_one_object() -> None:
    """Protects recall: a second box on the same object finds nothing, an unsure one does not count."""
    twice = detr.Found(np.array([0.9, 0.8]), np.array([0, 0]), TRUTH[0].boxes[[0, 0]])
    taken, sure = detr.matched(TRUTH[0], twice)
    assert taken.tolist() == [True, False] and sure == 2
    taken, sure = detr.matched(TRUTH[0], _answer(score=0.4)[0])
    assert not taken.any() and sure == 0


def test_boxes_there_and_back() -> None:
    """Protects the box format: centre and size, as the library's loss takes it."""
    box = torch.tensor([[0.1, 0.2, 0.5, 0.4]])
    assert detr.centred(box)[0].tolist() == pytest.approx([0.3, 0.3, 0.4, 0.2])
    assert torch.allclose(detr.corners(detr.centred(box)), box)


def test_cells_answer_for_the_object_that_covers_them() -> None:
    """Protects the targets of the backbone's training: class and box on the object's cells, none beside it."""
    segments = torch.zeros(1, 32, 32, dtype=torch.int64)
    segments[0, 8:16, 16:32] = 2
    labels = torch.full((1, 6), -1)
    labels[0, 0] = 4
    batch = dense.Batch(torch.zeros(1, 3, 32, 32), segments, labels, torch.zeros(1, 32, 32))
    classes, boxes = detr.cell_targets(batch, 8)
    assert classes[0].tolist() == [5, 5, 5, 5, 5, 5, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5]
    assert boxes[0, 6].tolist() == pytest.approx([0.75, 0.375, 0.5, 0.25])
    right = torch.full((1, 16, 10), -20.0)
    right[0, torch.arange(16), classes[0]] = 20.0
    right[..., 6:] = torch.logit(boxes.clamp(1e-4, 1 - 1e-4))
    assert float(detr.cell_loss(right, batch)) < 1e-3 < float(detr.cell_loss(-right, batch))


def test_groups_of_queries_do_not_see_each_other() -> None:
    """Protects what is kept: the first group answers the same with the other groups there and gone."""
    torch.manual_seed(0)
    recipe = replace(detr.quick(), pretrain_steps=0, groups_of_queries=3)
    model = recipe.build().eval()
    nothing = dense.Scenes(torch.zeros(0), torch.zeros(0), torch.zeros(0), torch.zeros(0))
    recipe.pretrain(model, nothing, torch.Generator())
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        together = model.model(pixel_values=pixels, decoder_attention_mask=recipe._apart(model))[0]
        assert together.shape == (2, 36, 16)
        recipe.finish(model)
        alone = model.model(pixel_values=pixels)[0]
    assert torch.allclose(together[:, :12], alone, atol=1e-5)
    assert not hasattr(model, "cells")


def test_a_query_first_looks_at_its_own_place() -> None:
    """Protects the start of cross-attention: before any training a query's weight lies around its own cell."""
    torch.manual_seed(0)
    recipe = replace(detr.Recipe(), pretrain_steps=0, groups_of_queries=1)
    model = recipe.build().eval()
    nothing = dense.Scenes(torch.zeros(0), torch.zeros(0), torch.zeros(0), torch.zeros(0))
    recipe.pretrain(model, nothing, torch.Generator())
    with torch.inference_mode():
        weights = model.model(pixel_values=torch.randn(1, 3, 96, 96), output_attentions=True).cross_attentions[0]
    at = weights[0].mean(0).view(12, 12, 12)  # [queries, rows, columns]
    places = torch.arange(12.0)
    rows = (at.sum(2) * places).sum(1)
    columns = (at.sum(1) * places).sum(1)
    assert (rows[:4] < rows[4:8]).all() and (rows[4:8] < rows[8:]).all()
    assert (columns[0::4] < columns[3::4]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depths": (1,)}, "give each stage a width and a depth"),
        ({"image_size": 100}, "must be a multiple of the stride 8"),
        ({"heads": 5}, "must be a multiple of 4 and of heads 5"),
        ({"rows": 1, "columns": 4}, "1 × 4 queries cannot find 6 objects"),
        ({"rows": 20}, "do not start on different cells"),
    ],
)
def test_bad_numbers_end_in_one_message(change: dict[str, int], message: str) -> None:
    """Protects whoever changes the recipe: numbers that do not fit are named before anything runs."""
    with pytest.raises(ValueError, match=message):
        replace(detr.Recipe(), **change).check()


def test_a_quick_run_writes_a_whole_checkpoint(tmp_path: Path) -> None:
    """Protects the program: a checkpoint that loads without a warning, and a card that agrees with it."""
    folder = tmp_path / "detr-scenes"
    dense.train(folder, detr.quick(detr.Recipe(cache=tmp_path / "cache")))
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    model, told = AutoModelForObjectDetection.from_pretrained(folder, output_loading_info=True)
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.config.num_queries == model.model.query_position_embeddings.num_embeddings == 12
    card = detr.check_checkpoint(folder)
    assert [metric.name for metric in card.metrics] == ["AP50", "AP", "AP75"]
    (folder / "README.md").write_text((folder / "README.md").read_text().replace("name: AP75", "name: AP90"))
    with pytest.raises(cards.CheckpointError, match="no way to measure 'AP90'; use one of AP50, AP, AP75"):
        detr.check_checkpoint(folder)
