"""gpt2-austen: how it is trained, and that the committed checkpoint is what its card says."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import GPT2LMHeadModel, GPT2Tokenizer

from sample_data import text
from sample_data.text import Chapter
from training import cards, gpt2

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / gpt2.FOLDER


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A run sets the number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def novels(monkeypatch: pytest.MonkeyPatch) -> list[Chapter]:
    """The held-out chapters, taken as the novels to train on: the tests need no cache and no archive."""
    held = text.held_out_chapters(ROOT / text.FOLDER)
    chapters = [
        Chapter(chapter.novel, chapter.number, "train", chapter.paragraphs[:12])
        for chapter in held
        for _ in range(2)  # so that each novel keeps one when its last goes to validation
    ]
    monkeypatch.setattr(gpt2.text, "chapters", lambda cache: chapters)
    monkeypatch.setattr(gpt2.text, "held_out_chapters", lambda *folder: held)
    return chapters


def test_tiny_run_from_text_to_card(tmp_path: Path, novels: list[Chapter]) -> None:
    """Protects the whole way: vocabulary, training, saving, measuring, the card; and its repeatability."""
    recipe = gpt2.quick()
    found = gpt2.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = gpt2.check_checkpoint(tmp_path / "tiny")
    assert card.model_class == "GPT2LMHeadModel"
    assert card.metric("token perplexity").value == pytest.approx(found.token_perplexity, abs=1e-3)
    model, tokenizer = gpt2.load(tmp_path / "tiny")
    assert isinstance(model, GPT2LMHeadModel) and model.dtype == torch.float32
    assert isinstance(tokenizer, GPT2Tokenizer) and len(tokenizer) == model.config.vocab_size == 400
    gpt2.train(tmp_path / "again", recipe)
    for name in (cards.WEIGHTS, "tokenizer.json"):
        assert (tmp_path / "tiny" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_interrupted_run_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, novels: list[Chapter]
) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gpt2, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        gpt2.train(folder, gpt2.quick())
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (gpt2.Recipe(heads=5), "hidden_size 192 must be a multiple of heads 5"),
        (gpt2.Recipe(vocabulary=200), "vocabulary 200 must lie between 257 and"),
        (gpt2.Recipe(dropout=1.0), "dropout 1.0 must be at least 0 and less than 1"),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, recipe: gpt2.Recipe, message: str) -> None:
    """Protects from a run that would fail after its first minutes."""
    with pytest.raises(ValueError, match=message):
        gpt2.train(tmp_path / "x", recipe)
    assert not list(tmp_path.iterdir())


def test_learning_rate_rises_stays_and_falls() -> None:
    """Protects the schedule."""
    recipe = gpt2.Recipe(steps=1_000, warmup=100, cooldown=0.5)
    assert recipe.share(0) == pytest.approx(0.01)
    assert recipe.share(99) == recipe.share(400) == 1.0
    assert recipe.share(750) == pytest.approx(0.5)


def test_windows_are_pieces_of_the_text() -> None:
    """Protects the data: each window is consecutive, and one pass covers nearly all of the text once."""
    recipe = gpt2.Recipe(batch=2, positions=10)
    tokens = np.arange(1_000, dtype=np.int16)
    windows = gpt2._windows(recipe, tokens)
    seen = np.concatenate([next(windows) for _ in range(49)])
    assert seen.shape == (98, 11)
    assert (np.diff(seen, axis=1) == 1).all()
    assert len({row[0] for row in seen.tolist()}) == 98
    with pytest.raises(ValueError, match="positions 600 needs 1201"):
        next(gpt2._windows(gpt2.Recipe(positions=600), tokens))


def test_sliding_window_agrees_with_one_pass() -> None:
    """Protects the metric: in a text that fits into the window, every stride gives the loss of a single pass."""
    model, tokenizer = gpt2.load(FOLDER)
    tokens = np.array(tokenizer("She was not at all surprised to see him again so soon.")["input_ids"])
    ids = torch.from_numpy(tokens)[None]
    with torch.inference_mode():
        whole = model(ids, labels=ids).loss.item()
    for stride in (None, 1, 256):
        assert gpt2.token_losses(model, tokens, stride).mean() == pytest.approx(whole, abs=1e-4)


def test_sliding_window_scores_each_token_once() -> None:
    """Protects the metric on long texts: a loss for every token but the first, each with enough before it."""
    model, tokenizer = gpt2.load(FOLDER)
    tokens = gpt2.encoded(tokenizer, text.held_out_chapters(ROOT / text.FOLDER)[:1])[0][:700]
    found = gpt2.token_losses(model, tokens, 200)
    assert found.shape == (699,) and np.isfinite(found).all()
    ids = torch.from_numpy(tokens[444:701].astype(np.int64))[None]
    with torch.inference_mode():
        last = torch.nn.functional.cross_entropy(model(ids[:, :-1]).logits[0, -1:], ids[0, -1:]).item()
    assert found[-1] == pytest.approx(last, abs=0.5)
    for stride, message in ((0, "stride is 0"), (300, "stride is 300")):
        with pytest.raises(ValueError, match=message):
            gpt2.token_losses(model, tokens, stride)
    with pytest.raises(ValueError, match="the text has 1 tokens"):
        gpt2.token_losses(model, tokens[:1])


def test_bigram_probabilities_add_up_to_one() -> None:
    """Protects the baseline: an honest rival is a distribution, also after tokens that it has never seen."""
    chance = np.random.default_rng(0)
    training = chance.integers(0, 20, 500)
    model = gpt2.Bigram(training, 25, 0.75)
    for before in (3, 24):  # 24 was never read
        losses = model.losses(np.full(25, before), np.arange(25))
        assert np.exp(-losses).sum() == pytest.approx(1, abs=1e-5)


def test_bigram_chooses_its_discount_on_validation() -> None:
    """Protects the baseline from being made weak: of all discounts it takes the one that does best."""
    chance = np.random.default_rng(0)
    training, validation = chance.integers(0, 20, 500), chance.integers(0, 20, 300)
    best, loss = gpt2.bigram(training, validation, 25)
    for discount in (0.5, 0.75, 0.95):
        other = gpt2.Bigram(training, 25, discount).losses(validation[:-1], validation[1:]).mean()
        assert loss <= other + 1e-9
    assert 0.5 <= best.discount <= 0.95


def test_validation_is_the_last_training_chapter_of_each_novel() -> None:
    """Protects the choice of settings from held-out text."""
    chapters = [Chapter(novel, n, "test" if n == 4 else "train", ("x",)) for novel in "ab" for n in (1, 2, 3, 4)]
    kept, validation = gpt2.parts(chapters)
    assert [(c.novel, c.number) for c in kept] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert [(c.novel, c.number) for c in validation] == [("a", 3), ("b", 3)]


def test_committed_checkpoint_is_what_its_card_says() -> None:
    """Protects the card: its perplexity, measured again on three chapters, is near that of all, and beats counting."""
    head = yaml.safe_load((FOLDER / cards.CARD).read_text(encoding="utf-8").split("---\n")[1])
    found = gpt2.measure(FOLDER, 3, chapters=text.held_out_chapters(ROOT / text.FOLDER)[::5])
    value = {metric["name"]: metric["value"] for metric in head["metrics"]}["token perplexity"]
    assert found.token_perplexity == pytest.approx(value, rel=0.15)
    assert found.token_perplexity < 0.7 * head["baselines"]["bigram_token_perplexity"]
    assert found.word_perplexity > found.token_perplexity
    assert math.log(found.token_perplexity) == pytest.approx(found.token_loss)


def test_recipe_is_the_one_on_the_card() -> None:
    """Protects the card: whoever trains again with the module gets what the card describes."""
    head = yaml.safe_load((FOLDER / cards.CARD).read_text(encoding="utf-8").split("---\n")[1])
    recipe = {name: value for name, value in asdict(gpt2.Recipe()).items() if name not in ("cache", "test")}
    assert head["recipe"] == recipe


def test_sample_is_repeatable_and_leaves_the_generator_alone() -> None:
    """Protects the sample on the card, and whoever draws numbers around it."""
    model, tokenizer = gpt2.load(FOLDER)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = gpt2.sample(model, tokenizer, gpt2.PROMPT, 0, 20)
    assert torch.equal(before, torch.get_rng_state())
    assert one == gpt2.sample(model, tokenizer, gpt2.PROMPT, 0, 20) and one.startswith(gpt2.PROMPT)
    with pytest.raises(ValueError, match="leaves no room"):
        gpt2.sample(model, tokenizer, "word " * 300, 0)


@pytest.mark.parametrize("name", [cards.WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    """Protects from an error deep inside a library: the message names the file."""
    folder = shutil.copytree(FOLDER, tmp_path / "copy")
    (folder / name).unlink()
    with pytest.raises(cards.CheckpointError, match=name):
        gpt2.load(folder)


def test_damaged_weights(tmp_path: Path) -> None:
    """Protects from weights that were cut off on the way."""
    folder = shutil.copytree(FOLDER, tmp_path / "copy")
    weights = folder / cards.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(cards.CheckpointError, match=cards.WEIGHTS):
        gpt2.load(folder)


@pytest.mark.parametrize("n", [0, 16])
def test_measure_refuses_a_bad_count(n: int) -> None:
    """Protects from a metric over nothing."""
    with pytest.raises(ValueError, match=f"n is {n}: there are 15 chapters"):
        gpt2.measure(FOLDER, n)
