"""minilm-answers: how it is trained, and that the committed checkpoint is what its card says."""

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

from sample_data import questions
from training import cards
from training import question_answering as answering

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / answering.FOLDER


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The held-out questions are found from the repository's root; a run sets the number of threads."""
    monkeypatch.chdir(ROOT)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> answering.Recipe:
    """A run of seconds, with a tiny encoder of random weights."""
    encoder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(encoder)
    AutoTokenizer.from_pretrained(answering.encoder_folder()).save_pretrained(encoder)
    return answering.quick(answering.Recipe(encoder=encoder))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may damage."""
    return shutil.copytree(FOLDER, tmp_path / "minilm-answers")


def test_tiny_run_from_questions_to_card(tmp_path: Path, recipe: answering.Recipe) -> None:
    """Protects the whole way: adapter, training, saving, measuring, the card; and its repeatability."""
    found = answering.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = answering.check_checkpoint(tmp_path / "tiny", recipe.encoder)
    assert card.model_class == "BertForQuestionAnswering"
    assert card.metric("F1, written by hand").value == pytest.approx(found.f1, abs=1e-4)
    assert card.metric("exact match, made").n == 12
    assert card.metric("exact match, made").seeds == (0, 3)
    answering.train(tmp_path / "again", recipe)
    for name in (answering.WEIGHTS, "adapter_config.json", "config.json"):
        assert (tmp_path / "tiny" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    before = load_file(recipe.encoder / "model.safetensors")
    model, _ = answering.load(tmp_path / "tiny", recipe.encoder)
    after = {name.replace(".base_layer", "").removeprefix("bert."): value for name, value in model.named_parameters()}
    assert all(torch.equal(after[name], value) for name, value in before.items() if "pooler" not in name)
    saved = load_file(tmp_path / "tiny" / answering.WEIGHTS)
    assert all("lora_" in name or "qa_outputs" in name for name in saved)
    assert any(value.any() for name, value in saved.items() if "lora_B" in name)  # it was trained


def test_interrupted_run_leaves_the_old_checkpoint(
    tmp_path: Path, recipe: answering.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(answering, "match_words", stop)
    with pytest.raises(KeyboardInterrupt):
        answering.train(folder, recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (answering.Recipe(gaps=1.5), "gaps 1.5 must lie between 0 and 1"),
        (answering.Recipe(length=8), "length 8 must be at least 16"),
        (answering.Recipe(rank=0), "rank 0 and steps 450 must be at least 1"),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, recipe: answering.Recipe, message: str) -> None:
    """Protects from a run that would fail after its first minutes."""
    with pytest.raises(ValueError, match=message):
        answering.train(tmp_path / "x", recipe)
    assert not list(tmp_path.iterdir())


def test_learning_rate_rises_and_falls() -> None:
    """Protects the schedule."""
    recipe = answering.Recipe(learning_rate=1.0, warmup=0.1)
    assert recipe.rate(0.05) == pytest.approx(0.5)
    assert recipe.rate(0.1) == pytest.approx(1.0)
    assert recipe.rate(0.55) == pytest.approx(0.5)
    assert recipe.rate(1.0) == pytest.approx(0.0)


def test_answers_are_found_among_the_tokens() -> None:
    """Protects the labels: the marked tokens spell the answer; an answer that was cut off has none."""
    tokenizer = AutoTokenizer.from_pretrained(answering.encoder_folder())
    items = answering.asked([questions.passage("train", i) for i in range(40)])
    for item, row in zip(items, answering.encode(tokenizer, items, 192), strict=True):
        first, last = row["offsets"][row["start"]], row["offsets"][row["end"]]
        assert item.context[first[0] : last[1]] == item.answers[0]
    short = answering.encode(tokenizer, items, 40)
    assert all(len(row["input_ids"]) <= 40 for row in short)
    assert any(row["start"] is None for row in short)
    assert all((row["start"] is None) == (row["end"] is None) for row in short)


def test_best_span_is_the_best_of_all_pairs() -> None:
    """Protects the search: it finds what trying all pairs finds."""
    torch.manual_seed(0)
    for _ in range(20):
        start, end = torch.randn(12), torch.randn(12)
        inside = torch.tensor([False] * 4 + [True] * 7 + [False])
        pairs = [(a, b) for a in range(4, 11) for b in range(a, 11) if b - a < 3]
        best = max(pairs, key=lambda pair: (start[pair[0]] + end[pair[1]]).item())
        assert answering.best_span(start, end, inside, longest=3) == best


def test_scores_are_those_of_squad() -> None:
    """Protects the metrics: case, articles and punctuation do not count, and one of several answers suffices."""
    item = answering.Asked("Who?", "The old king sang.", ("old king", "The old king sang"), 4)
    for answer, exact, f1 in (
        ("The Old King", 1, 1),
        ("the old king sang.", 1, 1),
        ("king", 0, 2 / 3),
        ("a queen", 0, 0),
    ):
        found = answering._measured([item], [answer])
        assert found.exact_match == exact
        assert found.f1 == pytest.approx(f1)


def test_baseline_takes_a_name_of_the_likest_sentence() -> None:
    """Protects the baseline, which the model's scores are read beside."""
    context = "Anna opened the mill in 1874. It was later closed by Paul Weiss."
    items = [
        answering.Asked("Who later closed it?", context, ("Paul Weiss",), 53),
        answering.Asked("When was it that Anna opened the mill?", context, ("1874",), 24),
    ]
    assert answering.match_words(items).answers == ("Paul Weiss", "1874")


def test_adapter_of_a_fresh_model_changes_nothing(recipe: answering.Recipe) -> None:
    """Protects the start: what training begins with is the pretrained encoder."""
    model = recipe.build().eval()
    plain = BertModel.from_pretrained(recipe.encoder).eval()
    tokens = torch.tensor([[101, 2000, 2001, 102]])
    with torch.inference_mode():
        assert torch.equal(model.bert(tokens).last_hidden_state, plain(tokens).last_hidden_state)


def test_card_of_the_checkpoint() -> None:
    """Protects the card: all held-out questions are answered once more, and beat the baseline by far."""
    card = answering.check_checkpoint(FOLDER)
    assert card.metric("F1, made").n >= 500
    assert card.metric("F1, written by hand").n >= 100
    known = questions.held_out("hand")
    simple = answering.match_words(answering.asked(known))
    assert card.metric("F1, written by hand").value > simple.f1 + 0.2


def test_checkpoint_names_no_path() -> None:
    """Protects readers elsewhere: the adapter names its encoder by the package, and is small."""
    settings = json.loads((FOLDER / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == answering.PACKAGE
    assert (FOLDER / answering.WEIGHTS).stat().st_size < 2.5e6


def test_wrong_card_is_found(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from a card that says more than the weights can do."""
    item = answering.Asked("Who?", "Anna sings.", ("Anna",), 0)
    answers = answering.Measurement((item,), ("Anna",), exact_match=0.5, f1=0.6)
    monkeypatch.setattr(answering, "measure", lambda *arguments, **options: answers)
    with pytest.raises(cards.CheckpointError, match=r"exact match, made says 0\.\d+, but measured again .* 0\.5000"):
        answering.check_checkpoint(copy)


def test_unknown_metric_is_named(copy: Path) -> None:
    """Protects whoever adds a metric to the card."""
    path = copy / cards.CARD
    path.write_text(path.read_text().replace("exact match, made", "beauty, made"))
    with pytest.raises(cards.CheckpointError, match="no way to measure 'beauty, made'"):
        answering.check_checkpoint(copy)


@pytest.mark.parametrize("name", ["adapter_config.json", "config.json", answering.WEIGHTS])
def test_incomplete_checkpoint_is_named(copy: Path, name: str) -> None:
    """Protects from a traceback out of a library."""
    (copy / name).unlink()
    with pytest.raises(cards.CheckpointError, match="missing; train"):
        answering.load(copy)


def test_weights_of_another_shape_are_refused(copy: Path, recipe: answering.Recipe) -> None:
    """Protects from an adapter that is put on the wrong encoder."""
    with pytest.raises((cards.CheckpointError, RuntimeError, ValueError)):
        answering.load(copy, recipe.encoder)


def test_number_of_passages_must_fit() -> None:
    """Protects from a score over fewer questions than asked for."""
    with pytest.raises(ValueError, match="passages is 0"):
        answering.measure(FOLDER, "hand", 0)
    with pytest.raises(ValueError, match="passages is 9999"):
        answering.measure(FOLDER, "hand", 9999)


def test_training_questions_are_one_a_passage() -> None:
    """Protects the data of a run: as many as there are places in its batches, none twice."""
    recipe = replace(answering.quick(), steps=10)
    items = answering.training_questions(recipe)
    assert len(items) == recipe.steps * recipe.batch
    assert len({(item.question, item.context) for item in items}) == len(items)
