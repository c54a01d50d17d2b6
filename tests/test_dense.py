"""What the checkpoints for detection, segmentation and depth share: labels follow the picture through augmentation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from sample_data import scenes
from training import cards, dense

ALL = Path(__file__).parents[1] / "checkpoints"


def _data(count: int = 32, size: int = 48) -> dense.Scenes:
    """Pictures of one bright rectangle, object 0, on a dark floor; a second object of four pixels; depth = 5 on the first."""
    chance = torch.Generator().manual_seed(3)
    images = torch.full((count, size, size, 3), 40, dtype=torch.uint8)
    segments = torch.zeros(count, size, size, dtype=torch.uint8)
    depth = torch.full((count, size, size), 9.0, dtype=torch.float16)
    for i in range(count):
        x, y = torch.randint(14, 22, (2,), generator=chance).tolist()
        images[i, y : y + 12, x : x + 8] = 220
        segments[i, y : y + 12, x : x + 8] = 2
        depth[i, y : y + 12, x : x + 8] = 5
        segments[i, :2, :2] = 3
    labels = torch.full((count, 6), -1)
    labels[:, 0], labels[:, 1] = 4, 1
    return dense.Scenes(images, segments, labels, depth)


def test_boxes_and_masks_of_plain_pictures_are_those_of_the_renderer() -> None:
    """Protects the labels of detection: a box goes around what its mask shows, as shares of the picture."""
    scene = scenes.render(scenes.split("test", 47), size=64)
    labels = torch.full((1, 6), -1)
    for i, thing in enumerate(scene.objects):
        labels[0, i] = scenes.LABELS.index(thing.label)
    batch = dense.Batch(
        pixels=torch.zeros(1, 3, 64, 64),
        segments=torch.from_numpy(scene.segments)[None],
        labels=labels,
        depth=torch.from_numpy(scene.depth)[None],
    )
    masks, boxes, classes = batch.masks(), batch.boxes(), batch.classes()
    for i, thing in enumerate(scene.objects):
        assert torch.equal(masks[0, i], torch.from_numpy(thing.mask))
        assert thing.box is not None
        assert boxes[0, i].tolist() == pytest.approx([edge / 64 for edge in thing.box])
        assert (classes[0][masks[0, i]] == scenes.LABELS.index(thing.label)).all()
    assert not masks[0, len(scene.objects) :].any()
    assert not boxes[0, len(scene.objects) :].any()
    assert (classes[0][batch.segments[0] == 0] == 5).all()
    assert (classes[0][batch.segments[0] == 1] == 6).all()


def test_labels_follow_a_cropped_picture() -> None:
    """Protects training: after a mirror, a crop and a zoom, the mask still lies on the bright rectangle."""
    data = _data()
    batch = dense.augmented(data, torch.arange(32), torch.Generator().manual_seed(0), crops=True)
    moved = 0
    for i in range(32):
        grey = batch.pixels[i].mean(0)
        mask = batch.masks()[i, 0]
        middle = grey > (grey.max() + grey.min()) / 2
        assert (middle & mask).sum() / (middle | mask).sum() > 0.8
        moved += not torch.equal(mask, data.segments[i] == 2)
    assert moved > 16


def test_an_object_that_hardly_shows_is_not_asked_for() -> None:
    """Protects training from labels that nobody could see: their pixels count for nothing."""
    batch = dense.augmented(_data(), torch.arange(8), torch.Generator().manual_seed(0), crops=True)
    assert (batch.labels[:, 1] == -1).all() and (batch.labels[:, 0] == 4).all()
    assert not batch.masks()[:, 1].any()
    assert (batch.classes()[batch.segments == 3] == -100).all()


def test_pictures_for_depth_are_mirrored_and_never_zoomed() -> None:
    """Protects the scale of depth: each picture is the old one or its mirror image, and so is its depth."""
    data = _data()
    batch = dense.augmented(data, torch.arange(32), torch.Generator().manual_seed(0), crops=False)
    mirrored = 0
    for i in range(32):
        old = data.depth[i].float()
        assert torch.equal(batch.depth[i], old) or torch.equal(batch.depth[i], old.flip(-1))
        assert torch.equal(batch.depth[i] == 5, batch.segments[i] == 2)
        mirrored += not torch.equal(batch.depth[i], old)
    assert 6 < mirrored < 26


def test_augmentation_repeats_with_its_seed() -> None:
    """Protects who trains again: the same seed gives the same pictures."""
    one, same, other = (
        dense.augmented(_data(8), torch.arange(8), torch.Generator().manual_seed(seed), crops=True).pixels
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_learning_rate_rises_and_falls() -> None:
    """Protects the words of the cards: warm-up, then a cosine towards zero."""
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    rate = dense.schedule(optimiser, 100, 0.1)
    seen = []
    for _ in range(100):
        seen.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        rate.step()
    assert seen[:10] == sorted(seen[:10]) and seen[9] == pytest.approx(1.0)
    assert seen[10:] == sorted(seen[10:], reverse=True)
    assert seen[-1] < 0.02


def test_a_metric_that_nothing_measures_is_named(tmp_path: Path) -> None:
    """Protects the cards: a metric with a wrong name ends in a message that lists the right ones."""
    folder = shutil.copytree(ALL / "vit-scenes", tmp_path / "vit-scenes")
    with pytest.raises(cards.CheckpointError, match="no way to measure 'accuracy'; use one of PQ, SQ"):
        dense.check(folder, lambda *_: [dense.Result("PQ", 0.5), dense.Result("SQ", 0.5)])


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    """Protects whoever measures: no picture, no folder and no processor each end in one message."""
    with pytest.raises(ValueError, match="n is 0: measure at least one picture"):
        dense.require(ALL / "vit-scenes", 0)
    with pytest.raises(cards.CheckpointError, match="the checkpoint folder is missing"):
        dense.require(tmp_path / "none", 1)
    folder = shutil.copytree(ALL / "vit-scenes", tmp_path / "vit-scenes")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(cards.CheckpointError, match=r"preprocessor_config\.json: the file is missing"):
        dense.require(folder, 1)
