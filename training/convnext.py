"""Trains checkpoints/convnext-scenes: a ConvNeXT that names the main object of a rendered picture.

The model is `ConvNextForImageClassification` of transformers, unmodified. It learns from the same
pictures as checkpoints/vit-scenes, so that the two can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from transformers import ConvNextConfig, ConvNextForImageClassification, ConvNextImageProcessorPil
from transformers.image_utils import PILImageResampling

from training import classify

FOLDER = Path("checkpoints/convnext-scenes")


@dataclass(frozen=True)
class Recipe(classify.Recipe):
    """All choices of a training run."""

    name: ClassVar[str] = "convnext-scenes"
    module: ClassVar[str] = "training/convnext.py"

    epochs: int = 8
    learning_rate: float = 2e-3
    patch_size: int = 4
    hidden_sizes: tuple[int, ...] = (32, 64, 96, 128)
    depths: tuple[int, ...] = (1, 1, 3, 1)
    # The published 1e-6 and 0.02 keep so small a network close to the identity for many steps.
    layer_scale: float = 1.0
    initializer_range: float = 0.08

    @property
    def stride(self) -> int:
        """Pixels from one position of the last feature map to the next."""
        return int(self.patch_size * 2 ** (len(self.depths) - 1))

    def check(self) -> None:
        """Raise ValueError where stages lack a width or do not fill the picture."""
        if len(self.hidden_sizes) != len(self.depths):
            raise ValueError(f"give each stage a width and a depth, not {self.hidden_sizes} and {self.depths}")
        if self.image_size % self.stride:
            raise ValueError(f"image_size {self.image_size} must be a multiple of the stride {self.stride}")

    def build(self) -> ConvNextForImageClassification:
        """The model with random weights, laid out for fast convolution on a CPU."""
        config = ConvNextConfig(
            image_size=self.image_size,
            patch_size=self.patch_size,
            num_stages=len(self.depths),
            hidden_sizes=list(self.hidden_sizes),
            depths=list(self.depths),
            layer_scale_init_value=self.layer_scale,
            initializer_range=self.initializer_range,
            **classify.LABEL_IDS,
        )
        model = ConvNextForImageClassification(config)
        layout: Any = model  # torch's own types do not know the layout of modules
        layout.to(memory_format=torch.channels_last)
        return model

    def processor(self) -> ConvNextImageProcessorPil:
        """Scales the shorter side to the model's size, keeps the square centre, values to -1 to 1.

        The published crop_pct of 0.875 would cut off an eighth of a square picture's sides.
        """
        half = [0.5, 0.5, 0.5]
        return ConvNextImageProcessorPil(
            size={"shortest_edge": self.image_size},
            crop_pct=1.0,
            resample=PILImageResampling.BILINEAR,
            image_mean=half,
            image_std=half,
        )

    def describe(self) -> str:
        """What kind of model it is, for the card."""
        return "A small ConvNeXT, a network of convolutions alone,"

    def describe_layers(self) -> str:
        """Its layers and sizes in words, for the card."""
        first, last = self.image_size // self.patch_size, self.image_size // self.stride
        depths, widths = (", ".join(map(str, numbers)) for numbers in (self.depths, self.hidden_sizes))
        return (
            f"{self.image_size} × {self.image_size} pixels in {first} × {first} patches of {self.patch_size} pixels, "
            f"then {len(self.depths)} stages of {depths} blocks and widths {widths} with 7 × 7 depthwise convolutions, "
            f"each but the first after halving the map's sides, down to {last} × {last}"
        )


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds at a tiny size: for tests, not for results."""
    return replace(recipe or Recipe(), **classify.QUICK, hidden_sizes=(8, 8, 16), depths=(1, 1, 1), patch_size=2)


def main() -> None:
    """Train the checkpoint of this repository."""
    classify.train_and_tell(FOLDER, Recipe())
