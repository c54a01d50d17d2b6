"""Trains checkpoints/vit-scenes: a ViT that names the main object of a rendered picture.

The model is `ViTForImageClassification` of transformers, unmodified. While it trains, a linear
head that is thrown away afterwards also asks every patch token which classes cover its patch, so
that a picture gives 64 more answers to learn from than its one label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from sample_data import scenes
from training import classify

FOLDER = Path("checkpoints/vit-scenes")


@dataclass(frozen=True)
class Recipe(classify.Recipe):
    """All choices of a training run."""

    name: ClassVar[str] = "vit-scenes"
    module: ClassVar[str] = "training/vit.py"

    dense_weight: float = 1.0
    patch_size: int = 12
    hidden_size: int = 128
    layers: int = 6
    heads: int = 4
    intermediate_size: int = 512

    def check(self) -> None:
        """Raise ValueError where patches do not fill the picture."""
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} must be a multiple of patch_size {self.patch_size}")

    def build(self) -> ViTForImageClassification:
        """The model with random weights."""
        config = ViTConfig(
            image_size=self.image_size,
            patch_size=self.patch_size,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=self.intermediate_size,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **classify.LABEL_IDS,
        )
        return ViTForImageClassification(config)

    def processor(self) -> ViTImageProcessorPil:
        """Scales to the model's size, and values to -1 to 1."""
        return ViTImageProcessorPil(size={"height": self.image_size, "width": self.image_size})

    def helper(self) -> nn.Linear:
        """From a patch token to logits of background and classes."""
        return nn.Linear(self.hidden_size, 1 + len(scenes.LABELS))

    def loss(
        self, model: Any, helper: nn.Module | None, pixels: Tensor, classes: Tensor, labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The label's loss, and with `dense_weight` that of the patch tokens."""
        assert helper is not None
        target = _coverage(classes, self.patch_size, 1 + len(scenes.LABELS))
        with torch.autocast("cpu", torch.bfloat16):
            tokens = model.vit(pixel_values=pixels).last_hidden_state
            logits = model.classifier(tokens[:, 0])
            patches = helper(tokens[:, 1:])
        loss = self.label_loss(logits, labels)
        covered = _dense_loss(patches.float(), target)
        return loss + self.dense_weight * covered, {"loss": loss, "patches": covered}

    def describe(self) -> str:
        """What kind of model it is, for the card."""
        return "A small Vision Transformer (ViT)"

    def describe_layers(self) -> str:
        """Its layers and sizes in words, for the card."""
        side = self.image_size // self.patch_size
        return (
            f"{self.image_size} × {self.image_size} pixels in {side} × {side} patches of {self.patch_size} pixels, "
            f"[CLS] in front, {self.layers} layers of width {self.hidden_size} with {self.heads} heads"
        )

    def describe_helper(self) -> str:
        """What the patch tokens learn, for the card."""
        return (
            "A linear head on the patch tokens learns at the same time which classes cover each patch "
            f"(weight {self.dense_weight:g}); it is not part of the checkpoint."
        )


def _coverage(classes: Tensor, patch: int, count: int) -> Tensor:
    """Share of each patch that each class covers: float [b, patches, count]."""
    onehot = functional.one_hot(classes, count).permute(0, 3, 1, 2).float()
    return functional.avg_pool2d(onehot, patch).flatten(2).transpose(1, 2)


def _dense_loss(patches: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits against coverage, both [b, patches, classes]; class 0 is background.

    Three patches in four show background alone; without weights they would drown the rest.
    """
    weight = 0.1 + (1 - target[:, :, 0])
    each = functional.cross_entropy(patches.flatten(0, 1), target.flatten(0, 1), reduction="none")
    return (each * weight.flatten()).sum() / weight.sum()


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds at a tiny size: for tests, not for results."""
    return replace(
        recipe or Recipe(),
        **classify.QUICK,
        patch_size=8,
        hidden_size=16,
        layers=1,
        heads=2,
        intermediate_size=32,
    )


def main() -> None:
    """Train the checkpoint of this repository."""
    classify.train_and_tell(FOLDER, Recipe())
