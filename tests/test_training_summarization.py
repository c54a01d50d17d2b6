"""bart-summarize: how it is trained, and that the committed checkpoint is what its card says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import yaml
from rouge_score.rouge_scorer import RougeScorer
from transformers import BartForConditionalGeneration

from sample_data import text
from sample_data.text import Package
from training import bart, cards, summarization

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / summarization.FOLDER


def _package(name: str, synopsis: str, *paragraphs: str) -> Package:
    return Package(name, name, "games", synopsis, paragraphs)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A run sets the number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> summarization.Recipe:
    """Held-out packages from the 500th on to train on: the tests need no cache and no archive."""
    held = text.held_out_sections(ROOT / text.FOLDER)
    monkeypatch.setattr(summarization, "training_packages", lambda cache: [p for p in held[500:] if p.paragraphs])
    monkeypatch.setattr(summarization.text, "held_out_sections", lambda *folder: held)
    return replace(summarization.quick(), pretrained=ROOT / bart.FOLDER)


def test_tiny_run_from_pairs_to_card(tmp_path: Path, recipe: summarization.Recipe) -> None:
    """Protects the whole way: training on, saving, measuring, the card; and its repeatability."""
    found = summarization.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = summarization.check_checkpoint(tmp_path / "tiny")
    assert card.model_class == "BartForConditionalGeneration"
    assert [metric.name for metric in card.metrics] == list(summarization.ROUGE)
    assert card.metric("rouge1").value == pytest.approx(found.rouge()["rouge1"], abs=1e-3)
    model, tokenizer = bart.load(tmp_path / "tiny")
    assert isinstance(model, BartForConditionalGeneration) and model.dtype == torch.float32
    assert model.generation_config.num_beams == recipe.beams
    assert model.generation_config.max_length == summarization.LONGEST
    assert len(tokenizer) == model.config.vocab_size
    summarization.train(tmp_path / "again", recipe)
    assert (tmp_path / "tiny" / cards.WEIGHTS).read_bytes() == (tmp_path / "again" / cards.WEIGHTS).read_bytes()


def test_interrupted_run_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: summarization.Recipe
) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(summarization, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        summarization.train(folder, recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps, batch, chunk, test and beams must each be at least 1"),
        ({"smoothing": 1.0}, "smoothing 1.0 must be at least 0 and less than 1"),
        ({"positions": 200}, "positions 200 must lie between 32 and the 128 that BART reads"),
    ],
)
def test_numbers_must_fit_together(
    tmp_path: Path, recipe: summarization.Recipe, changes: dict[str, float], message: str
) -> None:
    """Protects from a run that would fail after its first minutes."""
    with pytest.raises(ValueError, match=message):
        summarization.train(tmp_path / "x", replace(recipe, **changes))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_missing_pretrained_model(tmp_path: Path, recipe: summarization.Recipe) -> None:
    """Protects from a run without its starting point: the message names the file."""
    with pytest.raises(cards.CheckpointError, match=r"nowhere: the checkpoint folder is missing"):
        summarization.train(tmp_path / "x", replace(recipe, pretrained=tmp_path / "nowhere"))


def test_training_packages_share_nothing_with_held_out_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the score: neither the synopsis nor the opening of a held-out package is learned from."""
    long = "It has enough words to be worth a summary, more than fifteen of them in all, I am sure."
    held = [_package("held", "a held-out game of cards", f"The opening of it. {long}")]
    train = next(f"s{i}" for i in range(100) if text.split(f"s{i}") == "train")
    test = next(f"s{i}" for i in range(100) if text.split(f"s{i}") == "test")
    packages = [
        replace(_package("good", "a good game of cards", f"Another opening. {long}"), source=train),
        replace(_package("same-line", "A held-out Game of cards!", f"Third opening. {long}"), source=train),
        replace(_package("same-text", "a fine game of chess", f"The opening of it. {long}"), source=train),
        replace(_package("of-test", "a new game of chess", f"Fourth opening. {long}"), source=test),
        replace(_package("short", "a new game of dice", "Too short."), source=train),
        *(
            replace(_package(f"sister-{i}", "one of five sisters", f"Sister {i}. {long}"), source=train)
            for i in range(5)
        ),
    ]
    monkeypatch.setattr(summarization.text, "held_out_sections", lambda *folder: held)
    monkeypatch.setattr(summarization.text, "packages", lambda cache: packages)
    found = [package.name for package in summarization.training_packages()]
    assert found == ["good", "sister-0", "sister-1", "sister-2"]


def test_learning_rate_rises_and_falls() -> None:
    """Protects the schedule."""
    recipe = summarization.Recipe(steps=1_000, warmup=100, learning_rate=1.0)
    assert recipe.rate(0) == pytest.approx(0.01)
    assert recipe.rate(500) == pytest.approx(0.5)
    assert recipe.rate(999) == pytest.approx(0.001)


def test_batches_hold_pairs(recipe: summarization.Recipe) -> None:
    """Protects the data: both sides of a row belong to the same package."""
    _, tokenizer = bart.load(ROOT / bart.FOLDER)
    packages = summarization.training_packages(recipe.cache)
    known = {p.synopsis: summarization.source_text(p) for p in packages}
    ids, labels = next(summarization._batches(recipe, tokenizer, packages))
    assert ids.shape[0] == labels.shape[0] == recipe.batch
    for row, target in zip(ids, labels, strict=True):
        synopsis = tokenizer.decode(target[target != bart.NOT_CHOSEN], skip_special_tokens=True)
        read = tokenizer.decode(row, skip_special_tokens=True)
        assert synopsis in known or len(target) == summarization.LONGEST
        assert any(text.startswith(read[:40]) for text in known.values())


def test_rouge_is_the_mean_of_the_package() -> None:
    """Protects the score from arithmetic of our own."""
    answers, truths = ["a game of cards", "text editor"], ["a card game", "an editor for texts"]
    scorer = RougeScorer(["rouge1"], use_stemmer=True)
    mean = sum(scorer.score(t, a)["rouge1"].fmeasure for a, t in zip(answers, truths, strict=True)) / 2
    assert summarization.rouge(answers, truths)["rouge1"] == pytest.approx(mean)


def test_rivals_are_the_first_sentence_and_its_beginning() -> None:
    """Protects the baselines."""
    package = _package("x", "a game of cards", "This is a game of cards for two. It has sound.", "More.")
    found = summarization.Measurement((package,), ("a game of cards",))
    assert found.rouge()["rougeL"] == 1.0 and found.words == 4 and found.copied == 1.0
    assert summarization.first_sentence(package) == "This is a game of cards for two."
    assert found.rouge("its beginning") == summarization.rouge(["This is a game"], ["a game of cards"])


def test_committed_checkpoint_is_what_its_card_says() -> None:
    """Protects the card: ROUGE, measured again on 100 descriptions, is near its value and above the first sentence's."""
    head = yaml.safe_load((FOLDER / cards.CARD).read_text(encoding="utf-8").split("---\n")[1])
    value = {metric["name"]: metric["value"] for metric in head["metrics"]}
    found = summarization.measure(FOLDER, 100)
    assert found.rouge()["rougeL"] == pytest.approx(value["rougeL"], abs=0.06)
    assert value["rougeL"] > head["baselines"]["first_sentence_rougeL"]
    assert {metric["n"] for metric in head["metrics"]} == {1_000}


def test_recipe_is_the_one_on_the_card() -> None:
    """Protects the card: whoever trains again with the module gets what the card describes."""
    head = yaml.safe_load((FOLDER / cards.CARD).read_text(encoding="utf-8").split("---\n")[1])
    left = ("cache", "test", "pretrained")
    assert head["recipe"] == {n: v for n, v in asdict(summarization.Recipe()).items() if n not in left}


@pytest.mark.parametrize("n", [0, 100_000])
def test_held_out_refuses_a_bad_count(n: int) -> None:
    """Protects from a metric over nothing."""
    with pytest.raises(ValueError, match=f"count is {n}"):
        summarization.held_out(n)


def test_unknown_metric_on_a_card(tmp_path: Path) -> None:
    """Protects from a card with a number that nothing measures."""
    folder = shutil.copytree(FOLDER, tmp_path / "copy")
    card = folder / cards.CARD
    card.write_text(card.read_text(encoding="utf-8").replace("name: rouge1", "name: bleu"), encoding="utf-8")
    with pytest.raises(cards.CheckpointError, match="no way to measure 'bleu'; use one of rouge1, rouge2, rougeL"):
        summarization.check_checkpoint(folder)
