"""The depth checkpoint: its metrics against hand calculation, its loss, its recipe, and a quick training run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training import cards, dense, glpn


def test_metrics_of_a_known_mistake() -> None:
    """Protects the card: every metric is what its definition gives by hand."""
    truth = np.array([[2.0, 4.0], [5.0, 10.0]])
    estimate = np.array([[2.0, 5.2], [5.0, 8.0]])
    found = glpn.errors(estimate, truth)
    assert found.pixels == 4
    assert found.abs_rel == pytest.approx((0.3 + 0.2) / 4)
    assert found.rmse == pytest.approx(((1.2**2 + 2**2) / 4) ** 0.5)
    assert found.rmse_log == pytest.approx(((np.log(1.3) ** 2 + np.log(0.8) ** 2) / 4) ** 0.5)
    assert found.log10 == pytest.approx((np.log10(1.3) - np.log10(0.8)) / 4)
    # 1.3 is beyond 1.25; 10 / 8 is 1.25 itself, which does not count as below it.
    assert (found.delta_105, found.delta_125, found.delta_125_2) == (0.5, 0.5, 1.0)


def test_metrics_of_a_perfect_estimate() -> None:
    """Protects the card: no error where there is none."""
    truth = np.linspace(3, 11, 50).astype(np.float32)
    found = glpn.errors(truth, truth)
    assert (found.abs_rel, found.rmse, found.rmse_log, found.log10) == (0, 0, 0, 0)
    assert found.delta_105 == 1


@pytest.mark.parametrize(
    ("estimate", "truth", "words"),
    [
        (np.ones((2, 2)), np.ones((2, 3)), "one shape"),
        (np.ones(0), np.ones(0), "no pixel"),
        (np.zeros(3), np.ones(3), "above 0"),
        (np.ones(3), np.array([1.0, np.nan, 1.0]), "finite"),
        (np.ones(3), np.array([1.0, np.inf, 1.0]), "finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    estimate: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    truth: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    words: str,
) -> None:
    """Protects against a silent nan in a card."""
    with pytest.raises(ValueError, match=words):
        glpn.errors(estimate, truth)


def test_borders_lie_on_both_sides_of_an_edge() -> None:
    """Protects the card's second table: two pixels on each side, and nothing at the frame."""
    segments = np.zeros((1, 8, 10), np.int64)
    segments[:, :, 5:] = 2
    found = glpn.borders(segments)
    assert (found == (np.arange(10) >= 3) & (np.arange(10) < 7)).all()
    assert not glpn.borders(np.zeros((1, 4, 4), np.int64)).any()


def test_properties_of_objects_reach_their_pixels() -> None:
    """Protects the errors by class: segment 2 + i takes row i, floor and wall take neither."""
    segments = np.array([[[0, 1], [2, 3]]])
    depth = np.full((1, 2, 2), 5, np.float32)
    labels = np.array([[4, 2, -1, -1, -1, -1]])
    found = glpn.Measurement(depth, depth, segments, labels, labels == 2)
    assert found.of_pixel(found.labels, -1).tolist() == [[[-1, -1], [4, 2]]]
    assert found.of_pixel(found.metal, False).tolist() == [[[False, False], [False, True]]]
    assert found.objects.pixels == 2


class _Answer(torch.nn.Module):
    """A model that answers with fixed depths."""

    def __init__(self, depth: torch.Tensor) -> None:
        super().__init__()
        self.depth = depth

    def forward(self, pixel_values: torch.Tensor) -> object:
        return type("Output", (), {"predicted_depth": self.depth})


def test_the_loss_asks_for_metres() -> None:
    """Protects the scale of depth: a perfect answer costs nothing, one in other units costs, though its shape is right."""
    depth = torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(1)) * 4 + 4
    segments = torch.zeros(2, 32, 32, dtype=torch.int64)
    segments[:, :5] = 2
    batch = dense.Batch(torch.zeros(2, 3, 32, 32), segments, torch.full((2, 6), -1), depth)
    recipe = glpn.Recipe()
    perfect, _ = recipe.loss(_Answer(depth), batch)
    double, parts = recipe.loss(_Answer(depth * 2), batch)
    assert perfect.item() == pytest.approx(0, abs=1e-6)
    log2 = float(np.log(2))
    assert parts["silog"].item() == pytest.approx(0.5**0.5 * log2, rel=1e-4)
    assert double.item() == pytest.approx((0.5**0.5 + recipe.everywhere + recipe.objects) * log2, rel=1e-4)
    nothing, _ = recipe.loss(_Answer(depth * 2), replace(batch, segments=torch.zeros_like(segments)))
    assert nothing.item() == pytest.approx((0.5**0.5 + recipe.everywhere) * log2, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"depths": (2, 2, 2)}, "four"),
        ({"heads": (1, 2, 5, 4)}, "96 does not divide into 5"),
        ({"image_size": 80}, "multiple of 32"),
        ({"max_depth": 10}, "max_depth is 10"),
    ],
)
def test_numbers_that_do_not_fit_are_one_clear_error(change: dict[str, object], words: str) -> None:
    """Protects a training run from dying, or from never reaching the wall, after minutes."""
    recipe = replace(glpn.Recipe(), **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        recipe.check()


def test_a_quick_run_writes_a_whole_checkpoint(tmp_path: Path) -> None:
    """Protects the way from random weights to a card that holds when measured again."""
    folder = tmp_path / "glpn"
    dense.train(folder, replace(glpn.quick(), cache=tmp_path / "cache"))
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    card = glpn.check_checkpoint(folder)
    assert card.model_class == "GLPNForDepthEstimation"
    assert [metric.name for metric in card.metrics] == [
        "abs_rel",
        "rmse",
        "delta_1.25",
        "abs_rel_objects",
        "rmse_objects",
        "delta_1.25_objects",
    ]
    text = (folder / cards.CARD).read_text("utf-8")
    assert "mean map" in text
    assert "class cone" in text
    with pytest.raises(ValueError, match="n is 0"):
        glpn.measure(folder, 0)
