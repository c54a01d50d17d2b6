"""Checkpoints: each is whole, does what its card says, and fails with one clear message if not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoImageProcessor, ViTForImageClassification

from sample_data import scenes
from training import cards, vit

FOLDER = Path(__file__).parents[1] / "checkpoints" / "vit-scenes"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may damage."""
    return shutil.copytree(FOLDER, tmp_path / "vit-scenes")


def _edit(folder: Path, change: Callable[[dict], None]) -> None:
    """Change the fields of a card."""
    path = folder / cards.CARD
    head, _, prose = path.read_text(encoding="utf-8")[4:].partition("\n---\n")
    fields = yaml.safe_load(head)
    change(fields)
    cards.write_card(folder, fields, prose)


def test_accuracy_is_what_the_card_says() -> None:
    """Protects the card: 1,000 held-out pictures are rendered and classified once more."""
    card = vit.check_checkpoint(FOLDER)
    metric = card.metric("accuracy")
    assert metric.n == 1000
    assert metric.split == "test"
    assert metric.seeds == (scenes.split("test", 0), scenes.split("test", 999))
    assert metric.value >= 0.9


def test_card_prose_agrees_with_its_head() -> None:
    """Protects the reader of the card: the text gives the same figures as the fields."""
    card = cards.read_card(FOLDER)
    prose = " ".join((FOLDER / cards.CARD).read_text(encoding="utf-8").partition("\n---\n")[2].split())
    assert f"accuracy {card.metric('accuracy').value:.3f}" in prose
    assert f"{card.parameters:,} parameters" in prose
    assert card.license == "Apache-2.0"


def test_folder_holds_data_alone_and_is_small() -> None:
    """Protects the repository: no pickles, no code, at most 8 MB."""
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {cards.CARD, "config.json", cards.WEIGHTS, "preprocessor_config.json"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 8_000_000


def test_attention_can_be_looked_at() -> None:
    """Protects the pages that show attention: eager attention gives rows that sum to one."""
    model = ViTForImageClassification.from_pretrained(FOLDER, attn_implementation="eager").eval()
    processor = AutoImageProcessor.from_pretrained(FOLDER)
    image = scenes.render(scenes.split("test", 0), size=96, kind="subject").image
    with torch.inference_mode():
        maps = model(**processor(image, return_tensors="pt"), output_attentions=True).attentions
    config = model.config
    tokens = (config.image_size // config.patch_size) ** 2 + 1
    assert len(maps) == config.num_hidden_layers
    assert maps[0].shape == (1, config.num_attention_heads, tokens, tokens)
    assert torch.allclose(maps[0].sum(-1), torch.ones(1), atol=1e-5)


def test_example_pictures_are_easy_or_hard_as_named() -> None:
    """Protects the pages' examples: the model gets all right but those that are named hard."""
    model = ViTForImageClassification.from_pretrained(FOLDER).eval()
    processor = AutoImageProcessor.from_pretrained(FOLDER)
    for name, (kind, _) in scenes.EXAMPLES.items():
        if kind != "subject":
            continue
        scene = scenes.render_example(name)
        with torch.inference_mode():
            answer = int(model(**processor(scene.image, return_tensors="pt")).logits.argmax())
        right = model.config.id2label[answer] == scene.subject.label
        assert right != name.startswith("hard-"), name
        assert name.endswith(("-others", scene.subject.label))


def test_missing_folder(tmp_path: Path) -> None:
    """Protects whoever forgot a checkpoint: one message that names it."""
    with pytest.raises(cards.CheckpointError) as error:
        vit.check_checkpoint(tmp_path / "none")
    assert str(error.value) == f"{tmp_path / 'none'}: the checkpoint folder is missing; train it first"


@pytest.mark.parametrize("name", [cards.CARD, cards.WEIGHTS, "config.json", "preprocessor_config.json"])
def test_missing_file(copy: Path, name: str) -> None:
    """Protects from half a checkpoint: the message names the file that is missing."""
    (copy / name).unlink()
    with pytest.raises(cards.CheckpointError) as error:
        vit.check_checkpoint(copy)
    assert str(error.value).startswith(f"{copy / name}: ")
    assert "missing" in str(error.value)


@pytest.mark.parametrize("kept", [0, 5, 500, 1_000_000])
def test_truncated_weights(copy: Path, kept: int) -> None:
    """Protects from a download or copy that broke off: the message names the weights."""
    path = copy / cards.WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(cards.CheckpointError) as error:
        vit.check_checkpoint(copy)
    assert str(error.value).startswith(f"{path}: the weights are cut short or damaged")


def test_lying_card(copy: Path) -> None:
    """Protects the reader: a metric that the model does not reach is found and named."""

    def lie(fields: dict) -> None:
        fields["metrics"][0] |= {"n": 40, "value": 0.5}

    _edit(copy, lie)
    with pytest.raises(cards.CheckpointError) as error:
        vit.check_checkpoint(copy)
    assert str(error.value).startswith(f"{copy / cards.CARD}: accuracy says 0.5000, but measured again")


@pytest.mark.parametrize("field", ["parameters", "bytes"])
def test_wrong_size_on_the_card(copy: Path, field: str) -> None:
    """Protects the sizes that pages quote from a card."""
    _edit(copy, lambda fields: fields.update({field: 1}))
    with pytest.raises(cards.CheckpointError, match=f"README.md: {field} says 1"):
        vit.check_checkpoint(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("license"), "no field 'license'"),
        (lambda f: f.pop("metrics"), "no field 'metrics'"),
        (lambda f: f.update(metrics=[]), "metrics must be a list of at least one metric"),
        (lambda f: f.update(metrics=["good"]), "metrics[0] must have the fields name"),
        (lambda f: f["metrics"][0].pop("n"), "metrics[0] has no field 'n'"),
        (lambda f: f["metrics"][0].update(value="high"), "metrics[0].value must be a number, not 'high'"),
        (lambda f: f["metrics"][0].update(seeds=3), "metrics[0].seeds must be [first, last], not 3"),
        (lambda f: f.update(parameters=1.5), "parameters must be a whole number, not 1.5"),
        (lambda f: f.update(license=None), "license must be a text, not None"),
        (lambda f: f.update(data="mine"), "data must hold fields, not 'mine'"),
    ],
)
def test_malformed_card(copy: Path, change: Callable[[dict], None], message: str) -> None:
    """Protects everything that reads cards: the message names the file and the field."""
    _edit(copy, change)
    with pytest.raises(cards.CheckpointError) as error:
        cards.read_card(copy)
    assert str(error.value).startswith(f"{copy / cards.CARD}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# A model\n", "line 1 must open a YAML head"),
        ("---\nlicense: x\n", "line 1 must open a YAML head"),
        ("---\nlicense: x\nmetrics: [1\n---\n", "line 3 is not YAML"),
        ("---\n- a\n---\n", "the YAML head must hold fields"),
    ],
)
def test_card_that_is_no_yaml(tmp_path: Path, text: str, message: str) -> None:
    """Protects whoever edits a card by hand: the message names the line."""
    (tmp_path / cards.CARD).write_text(text)
    with pytest.raises(cards.CheckpointError) as error:
        cards.read_card(tmp_path)
    assert message in str(error.value)


def test_unknown_metric(copy: Path) -> None:
    """Protects from a metric on the card that nobody ever measures again."""
    _edit(copy, lambda fields: fields["metrics"][0].update(name="charm"))
    with pytest.raises(cards.CheckpointError, match="no way to measure 'charm'"):
        vit.check_checkpoint(copy)
    with pytest.raises(cards.CheckpointError, match="no metric named 'accuracy'"):
        cards.read_card(copy).metric("accuracy")
