"""The checkpoints for detection, segmentation and depth: each is whole, small, and does what its card says."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from transformers import AutoConfig, AutoImageProcessor

from sample_data import scenes
from training import cards, dense, detr, glpn, mask2former

ALL = Path(__file__).parents[1] / "checkpoints"
DENSE: dict[str, tuple[ModuleType, str, dict[str, float]]] = {
    "detr-scenes": (detr, "DetrForObjectDetection", {"AP50": 0.88, "AP": 0.63}),
    "glpn-scenes": (glpn, "GLPNForDepthEstimation", {"delta_1.25_objects": 0.97}),
    "mask2former-scenes": (mask2former, "Mask2FormerForUniversalSegmentation", {"PQ": 0.8, "PQ things": 0.75}),
}
"""Module, class, and what a checkpoint must at least reach, by its name."""
each = pytest.mark.parametrize("name", DENSE)


@each
def test_metrics_are_what_the_card_says(name: str) -> None:
    """Protects the card: every metric is measured once more on 1,000 held-out scenes, which are rendered for it."""
    module, model_class, least = DENSE[name]
    card = module.check_checkpoint(ALL / name)
    assert card.model_class == model_class
    for metric in card.metrics:
        assert (metric.n, metric.split) == (1000, "test")
        assert metric.seeds == (scenes.split("test", 0), scenes.split("test", 999))
    for metric, value in least.items():
        assert card.metric(metric).value >= value


@each
def test_folder_holds_data_alone_and_is_small(name: str) -> None:
    """Protects the repository: no pickles, no code, at most 8 MB; and the card's prose gives the size of its head."""
    folder = ALL / name
    assert {path.name for path in folder.iterdir()} == {
        cards.CARD,
        "config.json",
        cards.WEIGHTS,
        "preprocessor_config.json",
    }
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000
    card = cards.read_card(folder)
    prose = " ".join((folder / cards.CARD).read_text("utf-8").partition("\n---\n")[2].split())
    assert f"{card.parameters:,} parameters" in prose
    assert f"{card.bytes:,} bytes" in prose
    assert card.license == "Apache-2.0"


@each
def test_the_committed_recipe_is_the_one_of_the_card(name: str) -> None:
    """Protects who trains again: `make train` uses the numbers that the card gives."""
    module, _, _ = DENSE[name]
    recipe = module.Recipe()
    recipe.check()
    assert recipe.name == name
    card = cards.read_card(ALL / name)
    assert {key: card.data[key] for key in ("train", "validation", "test")} == {
        "train": recipe.train,
        "validation": recipe.validation,
        "test": recipe.test,
    }
    prose = " ".join((ALL / name / cards.CARD).read_text("utf-8").split())
    assert f"{recipe.steps:,} steps of AdamW (learning rate {recipe.learning_rate:g}" in prose


@each
def test_a_picture_of_any_size_and_shape_is_taken(name: str) -> None:
    """Protects readers with pictures of their own: processor and model take what is wide, high, grey or large."""
    processor = AutoImageProcessor.from_pretrained(ALL / name)
    model = dense.load_model(ALL / name)
    for height, width in ((96, 96), (97, 150), (200, 64)):
        picture = torch.full((height, width, 3), 128, dtype=torch.uint8).numpy()
        with torch.inference_mode():
            outputs = model(**processor(picture, return_tensors="pt"))
        assert all(torch.isfinite(value).all() for value in outputs.values() if isinstance(value, torch.Tensor))


def test_labels_are_those_of_the_scenes() -> None:
    """Protects the pages: detection and segmentation name classes alike, floor and wall come after the things."""
    things = dict(enumerate(scenes.LABELS))
    assert AutoConfig.from_pretrained(ALL / "detr-scenes").id2label == things
    assert AutoConfig.from_pretrained(ALL / "mask2former-scenes").id2label == things | {5: "floor", 6: "wall"}
