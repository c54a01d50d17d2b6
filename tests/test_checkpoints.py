"""Checkpoints: each is whole, does what its card says, and fails with one clear message if not."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoImageProcessor, AutoModelForImageClassification, ViTForImageClassification

from sample_data import scenes
from training import cards, classify

ALL = Path(__file__).parents[1] / "checkpoints"
FOLDER = ALL / "vit-scenes"
CLASSIFIERS = {
    "convnext-scenes": "ConvNextForImageClassification",
    "vit-scenes": "ViTForImageClassification",
}
each_classifier = pytest.mark.parametrize("name", CLASSIFIERS)


@pytest.fixture(scope="module", autouse=True)
def _render_once() -> Iterator[None]:
    """All classifiers are measured on the same held-out pictures, which take long to render."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "render", functools.cache(scenes.render))
        yield


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


@each_classifier
def test_accuracy_is_what_the_card_says(name: str) -> None:
    """Protects the card: 1,000 held-out pictures are rendered and classified once more."""
    card = classify.check_checkpoint(ALL / name)
    metric = card.metric("accuracy")
    assert metric.n == 1000
    assert metric.split == "test"
    assert metric.seeds == (scenes.split("test", 0), scenes.split("test", 999))
    assert metric.value >= 0.95
    assert card.model_class == CLASSIFIERS[name]


@each_classifier
def test_card_prose_agrees_with_its_head(name: str) -> None:
    """Protects the reader of the card: the text gives the same figures as the fields."""
    card = cards.read_card(ALL / name)
    prose = " ".join((ALL / name / cards.CARD).read_text(encoding="utf-8").partition("\n---\n")[2].split())
    assert f"accuracy {card.metric('accuracy').value:.3f}" in prose
    assert f"{card.parameters:,} parameters" in prose
    assert card.license == "Apache-2.0"


@each_classifier
def test_folder_holds_data_alone_and_is_small(name: str) -> None:
    """Protects the repository: no pickles, no code, at most 8 MB."""
    names = {path.name for path in (ALL / name).iterdir()}
    assert names == {cards.CARD, "config.json", cards.WEIGHTS, "preprocessor_config.json"}
    assert sum(path.stat().st_size for path in (ALL / name).iterdir()) < 8_000_000


def test_classifiers_can_be_compared() -> None:
    """Protects the comparison: same data, same labels, and one picture is the same tensor to both."""
    one, other = (ALL / name for name in CLASSIFIERS)
    assert cards.read_card(one).data == cards.read_card(other).data
    configs = [AutoModelForImageClassification.from_pretrained(folder).config for folder in (one, other)]
    assert configs[0].id2label == configs[1].id2label == dict(enumerate(scenes.LABELS))
    for size in (96, 384):
        image = scenes.render(scenes.split("test", 0), size=size, kind="subject").image
        first, second = (
            AutoImageProcessor.from_pretrained(folder)(image, return_tensors="pt")["pixel_values"]
            for folder in (one, other)
        )
        assert first.shape == (1, 3, 96, 96)
        assert torch.equal(first, second)


def test_convnext_processor_crops_nothing() -> None:
    """Protects the edge of the picture, of which ConvNeXT's published settings cut off an eighth."""
    image = scenes.render(scenes.split("test", 0), size=96, kind="subject").image
    pixels = AutoImageProcessor.from_pretrained(ALL / "convnext-scenes")(image, return_tensors="pt")["pixel_values"]
    assert torch.allclose(pixels, classify._normalised(torch.from_numpy(image)[None]), atol=1e-6)


def test_convnext_keeps_the_published_layout() -> None:
    """Protects the page's words: patches of 4 pixels, depths 1:1:3:1, 7 x 7 depthwise, a 3 x 3 map at the end."""
    model = AutoModelForImageClassification.from_pretrained(ALL / "convnext-scenes").eval()
    assert model.config.patch_size == 4
    assert model.config.depths == [1, 1, 3, 1]
    convolution = model.convnext.encoder.stages[0].layers[0].dwconv
    assert convolution.kernel_size == (7, 7) and convolution.groups == convolution.in_channels
    with torch.inference_mode():
        features = model.convnext(pixel_values=torch.zeros(1, 3, 96, 96)).last_hidden_state
    assert features.shape == (1, model.config.hidden_sizes[-1], 3, 3)


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


@each_classifier
def test_example_pictures_are_easy_or_hard_as_named(name: str) -> None:
    """Protects the pages' examples: every model gets the easy ones right; the ViT gets the hard ones wrong."""
    model = AutoModelForImageClassification.from_pretrained(ALL / name).eval()
    processor = AutoImageProcessor.from_pretrained(ALL / name)
    for example, (kind, _) in scenes.EXAMPLES.items():
        hard = example.startswith("hard-")
        if kind != "subject" or (hard and name != "vit-scenes"):
            continue
        scene = scenes.render_example(example)
        with torch.inference_mode():
            answer = int(model(**processor(scene.image, return_tensors="pt")).logits.argmax())
        right = model.config.id2label[answer] == scene.subject.label
        assert right != hard, example
        assert example.endswith(("-others", scene.subject.label))


def test_missing_folder(tmp_path: Path) -> None:
    """Protects whoever forgot a checkpoint: one message that names it."""
    with pytest.raises(cards.CheckpointError) as error:
        classify.check_checkpoint(tmp_path / "none")
    assert str(error.value) == f"{tmp_path / 'none'}: the checkpoint folder is missing; train it first"


@pytest.mark.parametrize("name", [cards.CARD, cards.WEIGHTS, "config.json", "preprocessor_config.json"])
def test_missing_file(copy: Path, name: str) -> None:
    """Protects from half a checkpoint: the message names the file that is missing."""
    (copy / name).unlink()
    with pytest.raises(cards.CheckpointError) as error:
        classify.check_checkpoint(copy)
    assert str(error.value).startswith(f"{copy / name}: ")
    assert "missing" in str(error.value)


@pytest.mark.parametrize("kept", [0, 5, 500, 1_000_000])
def test_truncated_weights(copy: Path, kept: int) -> None:
    """Protects from a download or copy that broke off: the message names the weights."""
    path = copy / cards.WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(cards.CheckpointError) as error:
        classify.check_checkpoint(copy)
    assert str(error.value).startswith(f"{path}: the weights are cut short or damaged")


def test_lying_card(copy: Path) -> None:
    """Protects the reader: a metric that the model does not reach is found and named."""

    def lie(fields: dict) -> None:
        fields["metrics"][0] |= {"n": 40, "value": 0.5}

    _edit(copy, lie)
    with pytest.raises(cards.CheckpointError) as error:
        classify.check_checkpoint(copy)
    assert str(error.value).startswith(f"{copy / cards.CARD}: accuracy says 0.5000, but measured again")


@pytest.mark.parametrize("field", ["parameters", "bytes"])
def test_wrong_size_on_the_card(copy: Path, field: str) -> None:
    """Protects the sizes that pages quote from a card."""
    _edit(copy, lambda fields: fields.update({field: 1}))
    with pytest.raises(cards.CheckpointError, match=f"README.md: {field} says 1"):
        classify.check_checkpoint(copy)


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
        classify.check_checkpoint(copy)
    with pytest.raises(cards.CheckpointError, match="no metric named 'accuracy'"):
        cards.read_card(copy).metric("accuracy")
