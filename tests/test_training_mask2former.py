"""The segmentation checkpoint: its metrics on answers that are known, its match, its recipe, and a quick run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from training import cards, dense, mask2former

SIDE = 24  # cells of a mask a side
SIZE = 96


def _batch() -> dense.Batch:
    """Two pictures: a wall above a floor; in the first a cube and a sphere, in the second a torus."""
    segments = torch.zeros(2, SIZE, SIZE, dtype=torch.int64)
    segments[:, :40] = 1
    segments[0, 32:64, 8:40] = 2
    segments[0, 40:72, 56:88] = 3
    segments[1, 20:60, 20:60] = 2
    labels = torch.full((2, 6), -1)
    labels[0, :2] = torch.tensor([1, 3])
    labels[1, 0] = 4
    return dense.Batch(torch.rand(2, 3, SIZE, SIZE), segments, labels, torch.ones(2, SIZE, SIZE))


def _answers(batch: dense.Batch, queries: int = 12) -> SimpleNamespace:
    """What a model without fault would return: the segments in the last queries, nothing in the first."""
    wanted = mask2former.targets(batch)
    masks = torch.full((2, queries, SIDE, SIDE), -20.0)
    classes = torch.full((2, queries, 8), -10.0)
    classes[:, :, -1] = 10.0
    cover = wanted.cover(SIDE)
    for i in range(2):
        for k, segment in enumerate(wanted.present[i].nonzero()[:, 0].tolist()):
            masks[i, -1 - k] = 40 * (cover[i, segment] - 0.5)
            classes[i, -1 - k, -1] = -10.0
            classes[i, -1 - k, wanted.classes[i, segment]] = 10.0
    return SimpleNamespace(masks_queries_logits=masks, class_queries_logits=classes)


def _judged(answers: SimpleNamespace) -> mask2former.Judge:
    batch = _batch()
    judge = mask2former.Judge(mask2former.Recipe().processor(), full=True)
    judge.add(answers, batch.segments, batch.labels)
    return judge


def test_metrics_of_a_perfect_answer() -> None:
    """Protects the card: every metric is 1 where nothing is wrong, and a class that does not occur counts nowhere."""
    judge = _judged(_answers(_batch()))
    rows = judge.panoptic()
    assert torch.isnan(torch.from_numpy(rows)).any(1).tolist() == [True, False, True, False, False, False, False]
    seen = rows[[1, 3, 4, 5, 6]]
    assert seen == pytest.approx(1.0, abs=0.03)  # corners of a mask this coarse are rounded
    assert seen[:, 2].tolist() == [1.0] * 5
    assert judge.instances()[1] == pytest.approx(1.0)
    assert judge.semantic()[[1, 3, 4, 5, 6]] == pytest.approx(1.0, abs=0.03)


def test_metrics_of_no_answer() -> None:
    """Protects the card: a model that finds nothing scores nothing, and nothing breaks."""
    answers = _answers(_batch())
    answers.class_queries_logits = torch.full_like(answers.class_queries_logits, -10.0)
    answers.class_queries_logits[:, :, -1] = 10.0
    judge = _judged(answers)
    assert (judge.panoptic()[[1, 3, 4, 5, 6]] == 0).all()
    assert judge.instances() == (0.0, 0.0)


def test_metrics_of_one_wrong_name() -> None:
    """Protects the card: a segment of the wrong class counts as one missed and one made up."""
    answers = _answers(_batch())
    query = int((answers.class_queries_logits[0, :, 1] > 0).nonzero())
    answers.class_queries_logits[0, query, [0, 1]] = answers.class_queries_logits[0, query, [1, 0]]
    rows = _judged(answers).panoptic()
    assert rows[0].tolist() == rows[1].tolist() == [0.0, 0.0, 0.0]
    assert rows[3, 2] == rows[4, 2] == 1.0


def test_match_finds_the_query_of_each_segment() -> None:
    """Protects training: each segment goes to the query that shows it, an absent one to none."""
    batch = _batch()
    answers, wanted = _answers(batch), mask2former.targets(batch)
    chances = answers.class_queries_logits.softmax(-1)
    found = mask2former.match(answers.masks_queries_logits, chances, wanted, wanted.cover(SIDE), (2.0, 5.0, 5.0))
    assert (found >= 0).tolist() == wanted.present.tolist()
    assert found[0][found[0] >= 0].tolist() == [11, 10, 9, 8]
    assert found[1][found[1] >= 0].tolist() == [11, 10, 9]


def test_loss_is_near_the_library_s() -> None:
    """Protects training: on a grid instead of at random points, the loss differs little from the library's."""
    torch.manual_seed(0)
    recipe = mask2former.quick(replace(mask2former.Recipe(), image_size=SIZE))
    recipe = replace(recipe, image_size=SIZE, points=SIDE)
    model = recipe.build().train()
    model.guide = mask2former.Guide(recipe.width, recipe.guide_bins)
    batch = _batch()
    wanted = mask2former.targets(batch)
    with torch.no_grad():
        ours, parts = replace(recipe, guide_weight=0.0).loss(model, batch)
        library = model(
            pixel_values=(batch.pixels - torch.tensor(mask2former.MEAN)[:, None, None])
            / torch.tensor(mask2former.STD)[:, None, None],
            mask_labels=[m[here] for m, here in zip(wanted.masks, wanted.present, strict=True)],
            class_labels=[c[here] for c, here in zip(wanted.classes, wanted.present, strict=True)],
        )
    assert set(parts) == {"class", "mask", "dice", "guide"}
    assert float(ours) == pytest.approx(float(library.loss), rel=0.1)


def test_guide_asks_for_the_centre() -> None:
    """Protects pretraining: the loss is at its least where the guide names class and centre of each cell."""
    batch = _batch()
    wanted = mask2former.targets(batch)
    guide = mask2former.Guide(7 + 2 * 12, 12)
    for head in guide.heads:
        torch.nn.init.eye_(head.weight[:, :, 0, 0])  # type: ignore[attr-defined]
        torch.nn.init.zeros_(head.bias)  # type: ignore[attr-defined]
    cover = wanted.cover(SIDE)
    onehot = functional.one_hot(wanted.classes, 7).float() * wanted.present[..., None]
    classes = torch.einsum("bnhw,bnc->bchw", cover, onehot)
    centre = torch.zeros(2, 24, SIDE, SIDE)
    # The torus' centre, pixel 40 of 96 both ways, lies halfway between bins 4 and 5.
    for bin_ in (4, 5, 12 + 4, 12 + 5):
        centre[1, bin_] = 1.0
    right = [30 * torch.cat([classes, centre], 1)] * 4
    wrong = [30 * torch.cat([classes, centre.roll(3, 1)], 1)] * 4
    with torch.no_grad():
        assert guide(right, wanted)[0] < 0.05
        assert guide(right, wanted)[1] < guide(wrong, wanted)[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 48}, "width 48 must be a multiple of 32"),
        ({"image_size": 100}, "image_size 100 must be a multiple of 32"),
        ({"queries": 7}, "queries 7 must be at least 8"),
        ({"depths": (2, 2)}, "must name four stages"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(change: dict[str, object], words: str, tmp_path: Path) -> None:
    """Protects a long run: a bad number is named before anything is rendered."""
    with pytest.raises(ValueError, match=words):
        dense.train(tmp_path / "x", replace(mask2former.Recipe(), **change))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_quick_run_writes_a_whole_checkpoint(tmp_path: Path) -> None:
    """Protects `make train`: weights, settings and a card that holds, and nothing else."""
    folder = tmp_path / "mask2former-scenes"
    recipe = mask2former.quick(mask2former.Recipe(cache=tmp_path / "cache"))
    results = dense.train(folder, recipe)
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    card = mask2former.check_checkpoint(folder)
    assert card.model_class == "Mask2FormerForUniversalSegmentation"
    assert [metric.name for metric in card.metrics] == [result.name for result in results]
    assert cards.count_parameters(folder) == card.parameters
