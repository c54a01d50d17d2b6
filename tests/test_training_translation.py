"""bart-translate: how it is trained, and that the committed checkpoint is what its card says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoTokenizer, BartForConditionalGeneration, MBart50Tokenizer

from sample_data import numbers
from training import cards, translation

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / translation.FOLDER


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A run sets the number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may damage."""
    return shutil.copytree(FOLDER, tmp_path / "bart-translate")


def test_tiny_run_from_pairs_to_card(tmp_path: Path) -> None:
    """Protects the whole way: vocabulary, training, saving, measuring, the card; and its repeatability."""
    recipe = translation.quick()
    found = translation.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = translation.check_checkpoint(tmp_path / "tiny")
    assert card.model_class == "BartForConditionalGeneration"
    assert [metric.name for metric in card.metrics] == [f"exact match {code}" for code in numbers.TARGETS]
    assert card.metric("exact match de_DE").n == 6
    assert card.metric("exact match de_DE").value == pytest.approx(found.exact("de_DE"), abs=1e-4)
    model = BartForConditionalGeneration.from_pretrained(tmp_path / "tiny")
    assert model.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    assert isinstance(tokenizer, MBart50Tokenizer)
    assert len(tokenizer) == model.config.vocab_size
    translation.train(tmp_path / "again", recipe)
    for name in (cards.WEIGHTS, "tokenizer.json"):
        assert (tmp_path / "tiny" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_interrupted_run_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(translation, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        translation.train(folder, translation.quick())
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (translation.Recipe(heads=3), "d_model 128 must be a multiple of heads 3"),
        (translation.Recipe(positions=50), "positions 50 must be at least 96"),
        (translation.Recipe(steps=0), "steps, batch and chunk must each be at least 1"),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, recipe: translation.Recipe, message: str) -> None:
    """Protects from a run that would fail after its first minutes."""
    with pytest.raises(ValueError, match=message):
        translation.train(tmp_path / "x", recipe)
    assert not list(tmp_path.iterdir())


def test_learning_rate_rises_stays_and_falls() -> None:
    """Protects the schedule."""
    recipe = translation.Recipe(steps=1_000, warmup=100, cooldown=0.2, learning_rate=1.0)
    assert recipe.rate(0) == pytest.approx(0.01)
    assert recipe.rate(99) == recipe.rate(500) == recipe.rate(799) == 1.0
    assert recipe.rate(900) == pytest.approx(0.5)


def test_batches_hold_pairs() -> None:
    """Protects the data: both sides of a row mean the same number, and the target begins with its language."""
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    recipe = translation.quick()
    known = {item.words(): item for item in islice(numbers.draw("train", recipe.seed), recipe.batch * recipe.chunk)}
    ids, labels = next(translation._batches(recipe, tokenizer))
    assert ids.shape[0] == labels.shape[0] == recipe.batch
    for row, target in zip(ids, labels, strict=True):
        kept = target[target != -100]
        code = tokenizer.convert_ids_to_tokens(int(kept[0]))
        assert code in numbers.TARGETS
        assert int(row[0]) == tokenizer.convert_tokens_to_ids("en_XX") and int(kept[-1]) == tokenizer.eos_token_id
        item = known[tokenizer.decode(row, skip_special_tokens=True)]
        assert tokenizer.decode(kept, skip_special_tokens=True) == item.words(code)


def test_words_survive_the_tokenizer() -> None:
    """Protects exact match: the vocabulary can write every number of the sample, within the length allowed."""
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    items = numbers.held_out(200)
    for code in (numbers.SOURCE, *numbers.TARGETS):
        words = [item.words(code) for item in items]
        rows = translation.encoded(tokenizer, words, code)
        assert max(map(len, rows)) < translation.LONGEST
        assert tokenizer.batch_decode(rows, skip_special_tokens=True) == words


def test_committed_checkpoint_is_what_its_card_says() -> None:
    """Protects the card: part of the held-out numbers is translated once more, all of them into German."""
    card = cards.read_card(FOLDER)
    assert card.parameters == cards.count_parameters(FOLDER)
    assert card.bytes == (FOLDER / cards.WEIGHTS).stat().st_size <= 8_000_000
    assert {metric.n for metric in card.metrics} == {1_000}
    whole = translation.measure(FOLDER, 1_000, ["de_DE"])
    assert whole.exact("de_DE") == pytest.approx(card.metric("exact match de_DE").value, abs=cards.TOLERANCE)
    part = translation.measure(FOLDER, 150)
    for code in numbers.TARGETS:
        stated = card.metric(f"exact match {code}").value
        assert stated > 0.8
        # Four standard errors of so small a sample, and one number more.
        room = 4 * np.sqrt(stated * (1 - stated) / 150) + 1 / 150
        assert part.exact(code) == pytest.approx(stated, abs=room)


def test_recipe_is_the_one_on_the_card() -> None:
    """Protects repeatability: what the module holds is what made the checkpoint."""
    fields = yaml.safe_load((FOLDER / cards.CARD).read_text("utf-8").split("\n---\n")[0])
    assert fields["recipe"].items() <= asdict(translation.Recipe()).items()
    assert fields["data"]["version"] == numbers.VERSION


def test_language_code_chooses_the_language() -> None:
    """Protects the page's main statement, on a number that is held out."""
    model, tokenizer = translation.load(FOLDER)
    item = next(item for item in numbers.held_out(50) if item.form == "cardinal")
    found = {code: translation.translate(model, tokenizer, [item.words()], code)[0] for code in numbers.TARGETS}
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("name", [cards.WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_missing_file(copy: Path, name: str) -> None:
    """Protects whoever has half a checkpoint: one message that names the file."""
    (copy / name).unlink()
    with pytest.raises(cards.CheckpointError, match=name):
        translation.measure(copy, 1)


def test_weights_cut_short(copy: Path) -> None:
    """Protects whoever has a broken download."""
    path = copy / cards.WEIGHTS
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(cards.CheckpointError, match="cut short or damaged"):
        translation.measure(copy, 1)


def test_unknown_metric(copy: Path) -> None:
    """Protects the card: a metric that nothing measures is no metric."""
    path = copy / cards.CARD
    path.write_text(path.read_text("utf-8").replace("name: exact match de_DE", "name: wit"), encoding="utf-8")
    with pytest.raises(cards.CheckpointError, match="no way to measure 'wit'; use one of exact match de_DE"):
        translation.check_checkpoint(copy)
