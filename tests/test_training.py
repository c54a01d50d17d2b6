"""Training: its command line, a whole run at a tiny size, and what an interrupt leaves behind."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from transformers import AutoImageProcessor, AutoModelForImageClassification

from sample_data import scenes
from training import __main__ as command
from training import cards, classify, convnext, vit

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


MODULES = [convnext, vit]
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)


def _recipe(module: ModuleType, cache: Path) -> classify.Recipe:
    recipe = module.quick(module.Recipe(cache=cache))
    assert isinstance(recipe, classify.Recipe)
    return recipe


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vit-sceens"], "unknown checkpoint 'vit-sceens': use one of "),
        ([], "give the name of one checkpoint to train: "),
        (["vit-scenes", "now"], "give the name of one checkpoint to train: "),
    ],
)
def test_bad_name_ends_in_one_line(arguments: list[str], message: str) -> None:
    """Protects whoever mistypes a name: one line with the known names, and exit status 2."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr and "vit-scenes" in done.stderr


def test_every_name_has_a_module_and_a_folder() -> None:
    """Protects the list of names: each leads to a module, and to the checkpoint it made."""
    for name, module in command.MODULES.items():
        found = importlib.import_module(module)
        assert found.FOLDER.name == found.Recipe.name == name
        assert (ROOT / found.Recipe.module).is_file()
        assert list((ROOT / "checkpoints" / name).glob("*.safetensors"))


@each_module
def test_interrupt_ends_in_one_line(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects Ctrl-C: no traceback, the usual exit status, and word of what was kept."""

    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "main", stop)
    assert command.run([module.Recipe.name]) == 130
    assert f"checkpoints/{module.Recipe.name} is as it was before" in capsys.readouterr().err


@each_module
def test_tiny_run_from_pictures_to_card(module: ModuleType, tmp_path: Path, cache: Path) -> None:
    """Protects the whole way: render, train, save, measure, write the card, read it back."""
    threads = torch.get_num_threads()
    folder = tmp_path / "tiny"
    recipe = _recipe(module, cache)
    found = classify.train(folder, recipe)
    torch.set_num_threads(threads)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]
    card = cards.read_card(folder)
    assert card.metric("accuracy").value == pytest.approx(found.accuracy, abs=1e-4)
    assert card.metric("accuracy").n == found.n == 20
    assert card.metric("accuracy").seeds == (scenes.split("test", 0), scenes.split("test", 19))
    assert cards.count_parameters(folder) == card.parameters
    model = AutoModelForImageClassification.from_pretrained(folder)
    assert type(model) is type(recipe.build())
    assert card.model_class == type(model).__name__
    assert model.config.id2label == dict(enumerate(scenes.LABELS))
    assert model.dtype == torch.float32
    picture = scenes.render(0, size=48, kind="subject").image
    pixels = AutoImageProcessor.from_pretrained(folder)(picture, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 24, 24)
    assert classify.check_checkpoint(folder) == card


@each_module
@pytest.mark.parametrize("where", ["_right", "measure"])
def test_interrupted_run_leaves_the_old_checkpoint(
    module: ModuleType, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Protects the checkpoint that is there: while training and while measuring alike."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(classify, where, stop)
    threads = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        classify.train(folder, _recipe(module, cache))
    torch.set_num_threads(threads)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


def test_failed_swap_brings_the_old_checkpoint_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the moment of the swap itself."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    move = os.replace
    calls: list[int] = []

    def second_fails(source: Path, target: Path) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("disk full")
        move(source, target)

    monkeypatch.setattr(cards.os, "replace", second_fails)
    with pytest.raises(OSError, match="disk full"), cards.replacing(folder) as fresh:
        (fresh / "new.txt").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (folder / "old.txt").read_text() == "old"


def test_augmentation_moves_picture_and_classes_together() -> None:
    """Protects the auxiliary loss: after a flip or a shift a patch still names what it shows."""
    images = torch.zeros(16, 48, 48, 3, dtype=torch.uint8)
    images[:, 10:34, 6:26] = 255
    classes = (images[..., 0] > 0).to(torch.uint8) * 3
    pixels, moved = classify._augmented(images, classes, torch.Generator().manual_seed(0))
    bright = pixels.mean(1) > pixels.mean((1, 2, 3), keepdim=True)[:, 0]
    assert ((bright == (moved == 3)).float().mean() > 0.97).item()
    assert set(moved.unique().tolist()) == {0, 3}


def test_coverage_of_patches() -> None:
    """Protects the targets of the patch tokens: shares of the patch, row by row, summing to one."""
    classes = torch.zeros(1, 16, 16, dtype=torch.long)
    classes[0, :8, 8:12] = 2
    share = vit._coverage(classes, 8, 6)
    assert share.shape == (1, 4, 6)
    assert share.sum(-1).tolist() == [[1, 1, 1, 1]]
    assert share[0, :, 2].tolist() == [0, 0.5, 0, 0]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (vit.Recipe(patch_size=7), "image_size 96 must be a multiple of patch_size 7"),
        (convnext.Recipe(image_size=80), "image_size 80 must be a multiple of the stride 32"),
        (convnext.Recipe(depths=(1, 1)), "give each stage a width and a depth, not "),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, recipe: classify.Recipe, message: str) -> None:
    """Protects from a model that would silently ignore a margin, or lack a stage."""
    with pytest.raises(ValueError, match=message):
        classify.train(tmp_path / "x", recipe)
    assert not list(tmp_path.iterdir())


def test_recipe_is_the_one_on_the_card() -> None:
    """Protects repeatability: code that the models share must not change what made a checkpoint."""
    for module in MODULES:
        card = (ROOT / module.FOLDER / cards.CARD).read_text(encoding="utf-8")
        fields = yaml.safe_load(card.split("\n---\n")[0])
        recipe = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(module.Recipe()).items()
        }
        assert fields["recipe"].items() <= recipe.items(), module.__name__
        for split_name in ("train", "validation", "test"):
            assert fields["data"][split_name] == recipe[split_name]
