"""bart-compact: how it is trained, and that the committed checkpoint is what its card says."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import BartForConditionalGeneration

from sample_data import text
from training import bart, cards

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / bart.FOLDER


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A run sets the number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """The held-out pairs, taken as the text to train on: the tests need no cache and no archive."""
    pairs = text.held_out_pairs(ROOT / text.FOLDER)
    documents = [(pair.corpus, str(i), [pair.first, pair.second]) for i, pair in enumerate(pairs)]
    monkeypatch.setattr(bart.text, "documents", lambda split, cache: iter(documents))
    monkeypatch.setattr(bart.text, "held_out_pairs", lambda *folder: pairs)


def test_tiny_run_from_text_to_card(tmp_path: Path, corpus: None) -> None:
    """Protects the whole way: vocabulary, training, saving, measuring, the card; and its repeatability."""
    recipe = bart.quick()
    bart.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = bart.check_checkpoint(tmp_path / "tiny")
    assert card.model_class == "BartForConditionalGeneration"
    assert [metric.name for metric in card.metrics] == list(bart.METRICS)
    model, tokenizer = bart.load(tmp_path / "tiny")
    assert isinstance(model, BartForConditionalGeneration) and model.dtype == torch.float32
    assert len(tokenizer) == model.config.vocab_size
    assert [tokenizer.convert_tokens_to_ids(token) for token in bart.SPECIAL] == [0, 1, 2, 3, 4]
    bart.train(tmp_path / "again", recipe)
    for name in (cards.WEIGHTS, "tokenizer.json"):
        assert (tmp_path / "tiny" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_interrupted_run_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus: None
) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bart, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        bart.train(folder, bart.quick())
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (bart.Recipe(heads=3), "d_model 160 must be a multiple of heads 3"),
        (bart.Recipe(length=200), "length 200 must lie between 12 and positions 128"),
        (bart.Recipe(vocabulary=100), "vocabulary 100 must be at least 261"),
        (bart.Recipe(share=1.0), "share 1.0 must lie between 0 and 1"),
        (bart.Recipe(easy=1.0), "easy 1.0 must be at least 0 and less than 1"),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, recipe: bart.Recipe, message: str) -> None:
    """Protects from a run that would fail after its first minutes."""
    with pytest.raises(ValueError, match=message):
        bart.train(tmp_path / "x", recipe)
    assert not list(tmp_path.iterdir())


def test_learning_rate_and_corruption_follow_the_schedule() -> None:
    """Protects the schedules: the rate rises and falls, the damage grows, and sentences stay in place at first."""
    recipe = bart.Recipe(steps=1_000, warmup=100, easy=0.1, share=0.3, permuted=0.5)
    assert recipe.rate(0) == pytest.approx(0.01)
    assert recipe.rate(100) == pytest.approx(1.0)
    assert recipe.rate(999) < 0.001
    assert recipe.corruption(49) == (pytest.approx(0.15), 0.0)
    assert recipe.corruption(99) == recipe.corruption(900) == (pytest.approx(0.3), 0.5)


def test_training_starts_with_alike_positions_and_keys_equal_to_queries() -> None:
    """Protects the two choices without which so small a model did not learn to copy."""
    model = bart.Recipe(positions=64, layers=2).build(300)
    places = [part.embed_positions.weight for part in (model.model.encoder, model.model.decoder)]
    assert torch.equal(*places) and places[0].std() > 0
    for layer in model.model.decoder.layers:
        assert torch.equal(layer.encoder_attn.k_proj.weight, layer.encoder_attn.q_proj.weight)
        assert not torch.equal(layer.self_attn.k_proj.weight, layer.self_attn.q_proj.weight)


@pytest.mark.parametrize("seed", range(20))
def test_infilling_can_be_undone(seed: int) -> None:
    """Protects the corruption: with the spans put back in the place of the masks, the text is whole again."""
    chance = np.random.default_rng(seed)
    tokens = [int(t) for t in chance.integers(10, 99, chance.integers(5, 80))]
    seen, spans = bart.infill(tokens, chance, 0.3, 3.0)
    back: list[int] = []
    waiting = list(spans)
    for token in seen:
        if token == bart.MASK:
            start, length = waiting.pop(0)
            back += tokens[start : start + length]
        else:
            back.append(token)
    assert back == tokens and not waiting
    assert sum(length for _, length in spans) == min(round(len(tokens) * 0.3), len(tokens) - 1)
    assert all(not (a == b == bart.MASK) for a, b in itertools.pairwise(seen))


def test_infilling_lengths_are_poisson() -> None:
    """Protects what the paper prescribes: mean 3, and now and then nothing at all."""
    chance = np.random.default_rng(0)
    lengths = [length for _ in range(500) for _, length in bart.infill(list(range(10, 210)), chance)[1]]
    assert np.mean(lengths) == pytest.approx(3, abs=0.2)
    assert 0.03 < np.mean(np.array(lengths) == 0) < 0.08
    assert bart.infill([10, 11, 12, 13], chance, 0.0) == ([10, 11, 12, 13], [])


def test_corrupted_passage_keeps_its_target() -> None:
    """Protects the pairs: whatever happens to what is seen, the target is the passage as it was."""
    _, tokenizer = bart.load(FOLDER)
    sentences = ["She was glad.", "He was not.", "They left."]
    chance = np.random.default_rng(1)
    orders = set()
    for _ in range(30):
        row = bart.corrupt(tokenizer, sentences, chance, permuted=1.0)
        assert tokenizer.decode(row.target, skip_special_tokens=True) == " ".join(sentences)
        assert row.seen[0] == row.target[0] == bart.BOS and row.seen[-1] == row.target[-1] == bart.EOS
        orders.add(row.order)
    assert len(orders) == 6
    plain = bart.corrupt(tokenizer, sentences, chance, share=0.0, permuted=0.0)
    assert plain.seen == plain.target and plain.order == (0, 1, 2) and plain.spans == []
    assert len(bart.corrupt(tokenizer, sentences * 40, chance, limit=50).target) == 52


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ([1, 2, 7, 8, 3, 4], [7, 8]),
        ([1, 2, 3, 4], []),
        ([1, 2, 7, 3, 9], None),
        ([5, 2, 7, 3, 4], None),
    ],
)
def test_fill_is_what_stands_in_the_place_of_the_mask(written: list[int], found: list[int] | None) -> None:
    """Protects the count of written tokens: None where the text around the mask did not come back."""
    assert bart.find_fill(written, [1, 2], [3, 4]) == found


def test_committed_checkpoint_is_what_its_card_says() -> None:
    """Protects the card: restored tokens, measured again on 200 passages, are near its value, and above counting."""
    head = yaml.safe_load((FOLDER / cards.CARD).read_text(encoding="utf-8").split("---\n")[1])
    found = bart.measure(FOLDER, 200, fills=100)
    value = {metric["name"]: metric["value"] for metric in head["metrics"]}
    assert found.restored_accuracy == pytest.approx(value["restored-token accuracy"], abs=0.03)
    assert found.restored_accuracy > head["baselines"]["bigram_accuracy"]
    assert found.several == pytest.approx(value["several tokens from one mask"], abs=0.12)


def test_recipe_is_the_one_on_the_card() -> None:
    """Protects the card: whoever trains again with the module gets what the card describes."""
    head = yaml.safe_load((FOLDER / cards.CARD).read_text(encoding="utf-8").split("---\n")[1])
    left = ("cache", "test", "fills")
    assert head["recipe"] == {name: value for name, value in asdict(bart.Recipe()).items() if name not in left}


@pytest.mark.parametrize(
    "name", [cards.WEIGHTS, "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
)
def test_missing_file(tmp_path: Path, name: str) -> None:
    """Protects from an error deep inside a library: the message names the file."""
    folder = shutil.copytree(FOLDER, tmp_path / "copy")
    (folder / name).unlink()
    with pytest.raises(cards.CheckpointError, match=name):
        bart.load(folder)


@pytest.mark.parametrize("n", [0, 1_001])
def test_measure_refuses_a_bad_count(n: int) -> None:
    """Protects from a metric over nothing."""
    with pytest.raises(ValueError, match=str(n)):
        bart.measure(FOLDER, n)
