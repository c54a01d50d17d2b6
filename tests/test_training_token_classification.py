"""minilm-entities: how it is trained, and that the committed checkpoint is what its card says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, BertModel

from sample_data import entities
from training import cards
from training import token_classification as tagging

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / tagging.FOLDER


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The held-out sentences are found from the repository's root; a run sets the number of threads."""
    monkeypatch.chdir(ROOT)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> tagging.Recipe:
    """A run of seconds: a tiny encoder of random weights, and no novels."""
    encoder = tmp_path_factory.mktemp("encoder")
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(encoder)
    AutoTokenizer.from_pretrained(tagging.encoder_folder()).save_pretrained(encoder)
    return tagging.quick(tagging.Recipe(novels=0, encoder=encoder))


def _sentence(*pairs: tuple[str, str]) -> entities.Sentence:
    words, labels = zip(*pairs, strict=True)
    return entities.Sentence(" ".join(words), words, labels)


def test_tiny_run_from_sentences_to_card(tmp_path: Path, recipe: tagging.Recipe) -> None:
    """Protects the whole way: adapter, training, saving, measuring, the card; and its repeatability."""
    found = tagging.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = tagging.check_checkpoint(tmp_path / "tiny", recipe.encoder)
    assert card.model_class == "BertForTokenClassification"
    for kind, measured in found.items():
        assert card.metric(f"F1, {kind}").value == pytest.approx(measured.f1, abs=1e-4)
        assert card.metric(f"F1, {kind}").n == measured.n == 20
    tagging.train(tmp_path / "again", recipe)
    for name in (tagging.WEIGHTS, "adapter_config.json", "config.json"):
        assert (tmp_path / "tiny" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_encoder_is_left_alone(tmp_path: Path, recipe: tagging.Recipe) -> None:
    """Protects the claim that the encoder's own weights are the package's, before and after training."""
    tagging.train(tmp_path / "tiny", recipe)
    model, _ = tagging.load(tmp_path / "tiny", recipe.encoder)
    assert recipe.encoder is not None
    before = load_file(recipe.encoder / "model.safetensors")
    after = {name.replace(".base_layer", "").removeprefix("bert."): value for name, value in model.named_parameters()}
    for name, value in before.items():
        if "pooler" not in name:
            assert torch.equal(after[name], value), name
    saved = load_file(tmp_path / "tiny" / tagging.WEIGHTS)
    assert {value.dtype for value in saved.values()} == {torch.float16}
    assert all("lora_" in name or "classifier" in name for name in saved)
    assert any(value.any() for name, value in saved.items() if "lora_B" in name)  # it was trained


def test_interrupted_run_leaves_the_old_checkpoint(
    tmp_path: Path, recipe: tagging.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tagging, "commonest_labels", stop)
    with pytest.raises(KeyboardInterrupt):
        tagging.train(folder, recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (tagging.Recipe(novels=1.5), "novels 1.5 must lie between 0 and 1"),
        (tagging.Recipe(joined=-1), "joined -1 must lie between 0 and 1"),
        (tagging.Recipe(length=4), "length 4 must be at least 8"),
        (tagging.Recipe(rank=0), "rank 0 must be at least 1"),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, recipe: tagging.Recipe, message: str) -> None:
    """Protects from a run that would fail after its first minutes."""
    with pytest.raises(ValueError, match=message):
        tagging.train(tmp_path / "x", recipe)
    assert not list(tmp_path.iterdir())


def test_learning_rate_rises_and_falls() -> None:
    """Protects the schedule."""
    recipe = tagging.Recipe(learning_rate=1.0, warmup=0.1)
    assert recipe.rate(0.05) == pytest.approx(0.5)
    assert recipe.rate(0.1) == pytest.approx(1.0)
    assert recipe.rate(0.55) == pytest.approx(0.5)
    assert recipe.rate(1.0) == pytest.approx(0.0)


def test_first_token_of_a_word_has_its_label() -> None:
    """Protects training and score: one label a word, and none at [CLS], [SEP] and later pieces."""
    tokenizer = AutoTokenizer.from_pretrained(tagging.encoder_folder())
    sentence = _sentence(("Wangari", "B-PER"), ("Maathai", "I-PER"), ("left", "O"))
    ((ids, labels),) = tagging.aligned(tokenizer, [sentence], 48)
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "wang", "##ari", "ma", "##ath", "##ai", "left", "[SEP]"]
    assert labels == [-100, 1, -100, 2, -100, -100, 0, -100]


def test_what_is_cut_off_counts_as_o(recipe: tagging.Recipe) -> None:
    """Protects the score: a long sentence still has an answer for each word."""
    model = recipe.build().eval()
    tokenizer = AutoTokenizer.from_pretrained(recipe.encoder)
    sentence = _sentence(*[("Anna", "B-PER")] * 30)
    found = tagging._answer(model, tokenizer, [sentence], length=10)
    assert len(found.answers[0]) == 30
    assert set(found.answers[0][8:]) == {"O"}


def test_scores() -> None:
    """Protects the metrics: half an entity, or one of the wrong kind, is wrong twice."""
    truth = ("B-PER", "I-PER", "O", "B-LOC", "O", "B-DATE")
    answer = ("B-PER", "O", "O", "B-ORG", "O", "B-DATE")
    found = tagging.Measurement((truth, ("O",)), (answer, ("O",)))
    assert (found.precision, found.recall, found.f1) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert found.word_accuracy == pytest.approx(5 / 7)
    assert (found.n, found.entities, found.sentence_accuracy) == (2, 3, 0.5)
    assert found.by_kind == {"PER": (1, 0.0), "ORG": (0, 0.0), "LOC": (1, 0.0), "DATE": (1, 1.0)}


def test_baseline_knows_the_commonest_label() -> None:
    """Protects the baseline: the commonest label of a word in any case of letters, and O for a new word."""
    train = [_sentence(("may", "O")), _sentence(("May", "B-DATE")), _sentence(("May", "B-DATE"))]
    found = tagging.commonest_labels(train, [_sentence(("May", "B-PER"), ("Zoe", "B-PER"))])
    assert found.answers == (("B-DATE", "O"),)


def test_adapter_of_a_fresh_model_changes_nothing(recipe: tagging.Recipe) -> None:
    """Protects the start: what training begins with is the pretrained encoder."""
    model = recipe.build().eval()
    plain = BertModel.from_pretrained(recipe.encoder).eval()
    tokens = torch.tensor([[101, 2000, 2001, 102]])
    with torch.inference_mode():
        assert torch.equal(model.bert(tokens).last_hidden_state, plain(tokens).last_hidden_state)


def test_card_of_the_checkpoint() -> None:
    """Protects the card: every held-out sentence is labelled once more, the made and those by hand apart."""
    card = tagging.check_checkpoint(FOLDER)
    assert {metric.name for metric in card.metrics} == set(tagging._names())
    assert card.metric("F1, made").n >= 500
    assert card.metric("F1, by hand").n >= 100
    assert card.metric("F1, made").value > 0.8
    assert card.metric("F1, by hand").value > 0.75
    assert card.license == "Apache-2.0"


def test_card_prose_agrees_with_its_head() -> None:
    """Protects the reader of the card: the text gives the same figures as the fields."""
    card = cards.read_card(FOLDER)
    prose = " ".join((FOLDER / cards.CARD).read_text(encoding="utf-8").partition("\n---\n")[2].split())
    for kind in ("made", "by hand"):
        assert f"this checkpoint, {kind} | {card.metric(f'F1, {kind}').value:.3f}" in prose
    assert f"{card.parameters:,} parameters" in prose
    recipe = tagging.Recipe()
    assert f"{recipe.steps:,} steps" in prose


def test_folder_holds_data_alone_and_is_small() -> None:
    """Protects the repository: no pickles, no code, no encoder, no path of a machine."""
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {cards.CARD, "adapter_config.json", tagging.WEIGHTS, "config.json"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    adapter = json.loads((FOLDER / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["base_model_name_or_path"] == tagging.PACKAGE


@pytest.mark.parametrize("name", [cards.CARD, tagging.WEIGHTS, "config.json", "adapter_config.json"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    """Protects from half a checkpoint: the message names the file that is missing."""
    copy = shutil.copytree(FOLDER, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(cards.CheckpointError) as error:
        tagging.check_checkpoint(copy)
    assert str(error.value).startswith(f"{copy / name}: ")
    assert "missing" in str(error.value)


def test_unknown_metric(tmp_path: Path) -> None:
    """Protects from a metric on the card that nobody ever measures again."""
    copy = shutil.copytree(FOLDER, tmp_path / "copy")
    card = (copy / cards.CARD).read_text(encoding="utf-8")
    (copy / cards.CARD).write_text(card.replace("name: F1, made", "name: charm, made"), encoding="utf-8")
    with pytest.raises(cards.CheckpointError, match="no way to measure 'charm, made'"):
        tagging.check_checkpoint(copy)


@pytest.mark.parametrize("n", [0, 601])
def test_more_sentences_than_there_are(n: int) -> None:
    """Protects from a score on nothing."""
    with pytest.raises(ValueError, match="600 held-out sentences"):
        tagging.measure(FOLDER, n=n)


def test_weights_of_another_encoder(tmp_path: Path, recipe: tagging.Recipe) -> None:
    """Protects from an adapter on an encoder that it was not trained for."""
    with pytest.raises((cards.CheckpointError, RuntimeError, ValueError)):
        tagging.load(FOLDER, replace(recipe).encoder)
