"""bert-compact: how it is trained, and that the committed checkpoint is what its card says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoTokenizer, BertForPreTraining, BertTokenizer

from sample_data import text
from training import bert, cards

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / bert.FOLDER


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The held-out text is found from the repository's root; a run sets the number of threads."""
    monkeypatch.chdir(ROOT)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of little text: held-out descriptions and chapters that pose as training ones."""
    folder = tmp_path_factory.mktemp("text")
    packages = text.held_out_sections(ROOT / text.FOLDER)[:300]
    posing = [asdict(replace(package, source=f"{package.source}-{n}")) for package in packages for n in range(9)]
    chapters = [asdict(replace(c, split="train")) for c in text.held_out_chapters(ROOT / text.FOLDER)[:3]]
    (folder / f"v{text.VERSION}").mkdir()
    kept = {entry["name"]: entry for entry in posing if text.split(entry["source"]) == "train"}
    text._write(folder / f"v{text.VERSION}" / "debian.json.gz", list(kept.values()))
    text._write(folder / f"v{text.VERSION}" / "austen.json.gz", chapters)
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may damage."""
    return shutil.copytree(FOLDER, tmp_path / "bert-compact")


def test_tiny_run_from_text_to_card(tmp_path: Path, cache: Path) -> None:
    """Protects the whole way: vocabulary, training, saving, measuring, the card; and its repeatability."""
    recipe = bert.quick(bert.Recipe(cache=cache))
    found = bert.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = bert.check_checkpoint(tmp_path / "tiny")
    assert card.model_class == "BertForPreTraining"
    assert card.metric("masked accuracy").value == pytest.approx(found.masked_accuracy, abs=1e-4)
    assert card.metric("masked accuracy").n == len(found.truth)
    assert card.metric("masked loss").value == pytest.approx(found.masked_loss, abs=1e-4)
    assert card.metric("next-sentence accuracy").seeds == (0, 39)
    assert card.metric("next-sentence accuracy").n == len(found.follows) == 40
    model = BertForPreTraining.from_pretrained(tmp_path / "tiny")
    assert model.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    assert isinstance(tokenizer, BertTokenizer)
    assert len(tokenizer) == model.config.vocab_size <= 400
    assert tokenizer.model_max_length == model.config.max_position_embeddings == 96
    bert.train(tmp_path / "again", recipe)
    for name in (cards.WEIGHTS, "tokenizer.json"):
        assert (tmp_path / "tiny" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_interrupted_run_leaves_the_old_checkpoint(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bert, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        bert.train(folder, bert.quick(bert.Recipe(cache=cache)))
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (bert.Recipe(heads=5), "hidden_size 192 must be a multiple of heads 5"),
        (bert.Recipe(length=200), "length 200 must lie between 8 and positions 128"),
        (bert.Recipe(vocabulary=40_000), "vocabulary 40000 must not exceed 32767"),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, recipe: bert.Recipe, message: str) -> None:
    """Protects from a run that would fail, or wrap token ids round, after its first minutes."""
    with pytest.raises(ValueError, match=message):
        bert.train(tmp_path / "x", recipe)
    assert not list(tmp_path.iterdir())


def test_learning_rate_rises_stays_and_falls() -> None:
    """Protects the schedule."""
    recipe = bert.Recipe(steps=1_000, warmup=100, cooldown=0.2, learning_rate=1.0)
    assert recipe.rate(0) == pytest.approx(0.01)
    assert recipe.rate(99) == recipe.rate(500) == recipe.rate(799) == 1.0
    assert recipe.rate(900) == pytest.approx(0.5)
    assert recipe.rate(999) == pytest.approx(0.005)


def test_masking() -> None:
    """Protects the objective: 15 % chosen, 80/10/10 of them, never a special token."""
    tokens = np.full((400, 100), 77)
    tokens[:, 0], tokens[:, -1] = 2, 3
    seen, labels = bert.mask(tokens, 0.15, 1_000, np.random.default_rng(0))
    picked = labels != bert.NOT_CHOSEN
    assert picked[:, 1:-1].mean() == pytest.approx(0.15, abs=0.01)
    assert not picked[:, [0, -1]].any()
    assert (labels[picked] == 77).all()
    assert (seen[~picked] == tokens[~picked]).all()
    assert (seen[picked] == 4).mean() == pytest.approx(0.8, abs=0.02)
    assert (seen[picked] == 77).mean() == pytest.approx(0.1, abs=0.02)
    assert seen[picked].min() == 4  # [MASK], and no other special token in its place


def _numbered(lowest: int) -> bert._Sentences:
    """A corpus whose sentences are three times their own number, so that tokens tell where they come from."""
    sizes = [4, 1, 6, 5, 9]
    number = np.arange(lowest, lowest + sum(sizes))
    ends = np.cumsum(sizes) - 1
    return bert._Sentences(
        tokens=np.repeat(number, 3).astype(np.int16),
        starts=np.arange(0, 3 * len(number) + 1, 3),
        last=np.repeat(ends, sizes),
        later=np.setdiff1d(np.arange(len(number)), np.append(0, ends + 1)),
        opening=np.setdiff1d(np.arange(len(number)), ends),
    )


def test_easy_pairs_take_their_second_segment_from_the_other_corpus() -> None:
    """Protects the share of easy pairs: with all of them easy, every wrong segment is of the other corpus."""
    recipe = bert.Recipe(austen=0.0, elsewhere=1.0)
    corpora = [_numbered(5), _numbered(100)]
    tokens, segments, labels = bert._batch(recipe, corpora, 200, 32, np.random.default_rng(0))
    for line, segment, label in zip(tokens, segments, labels, strict=True):
        second = line[(line >= 5) & (segment == 1)]
        if label != bert.NOT_CHOSEN:
            assert (second >= 100).all() == (label == 1)
    assert (labels == 1).sum() > 60


def test_batches_hold_what_their_labels_say() -> None:
    """Protects the next-sentence labels: 0 for what follows in the document, 1 for another document."""
    sentences = _numbered(5)
    last, ends = sentences.last, np.unique(sentences.last)
    recipe = bert.Recipe(austen=0.0, elsewhere=0.0)
    tokens, segments, labels = bert._batch(recipe, [sentences, _numbered(100)], 600, 32, np.random.default_rng(0))
    assert tokens.shape == segments.shape and tokens.shape[1] <= 32
    assert (tokens[:, 0] == 2).all()
    for line, segment, label in zip(tokens, segments, labels, strict=True):
        words = line >= 5
        first, second = line[words & (segment == 0)] - 5, line[words & (segment == 1)] - 5
        assert len(set(last[first])) == 1
        assert (line == 3).sum() == (1 if label == bert.NOT_CHOSEN else 2)
        assert len(second) == 0 if label == bert.NOT_CHOSEN else len(set(last[second])) == 1
        if label == 0:
            assert second[0] - first[-1] == 1
        elif label == 1:
            assert last[second[0]] != last[first[0]]
            assert second[0] - 1 not in ends  # like what follows, it never opens a document
    counts = [(labels == label).mean() for label in (bert.NOT_CHOSEN, 0, 1)]
    assert counts == pytest.approx([0.15, 0.425, 0.425], abs=0.06)


def test_committed_checkpoint_is_what_its_card_says() -> None:
    """Protects the card: all held-out pairs are measured once more."""
    card = bert.check_checkpoint(FOLDER)
    assert card.bytes <= 8_000_000
    assert card.parameters <= 4_000_000
    baselines = yaml.safe_load((FOLDER / cards.CARD).read_text("utf-8").split("\n---\n")[0])["baselines"]
    masked = card.metric("masked accuracy")
    assert masked.value >= 0.3
    assert masked.value > baselines["neighbours_accuracy"] > baselines["most_frequent_token_accuracy"]
    assert card.metric("next-sentence accuracy").value >= 0.65
    assert card.metric("next-sentence accuracy").n == 2_000


def test_recipe_is_the_one_on_the_card() -> None:
    """Protects repeatability: what the module holds is what made the checkpoint."""
    fields = yaml.safe_load((FOLDER / cards.CARD).read_text("utf-8").split("\n---\n")[0])
    recipe = asdict(bert.Recipe())
    assert fields["recipe"].items() <= recipe.items()
    assert fields["data"]["version"] == text.VERSION


def test_most_frequent_token_again() -> None:
    """Protects the baseline on the card: it is counted on the same tokens as the model's answers."""
    fields = yaml.safe_load((FOLDER / cards.CARD).read_text("utf-8").split("\n---\n")[0])
    found = bert.measure(FOLDER, 200)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    token = tokenizer.convert_tokens_to_ids(fields["baselines"]["most_frequent_token"])
    assert (found.truth == token).mean() == pytest.approx(fields["baselines"]["most_frequent_token_accuracy"], abs=0.02)
    assert found.masked_accuracy > 3 * (found.truth == token).mean()
    assert found.part(austen=True).masked_accuracy > 0.2


def test_context_on_the_right_counts() -> None:
    """Protects "bidirectional": a word to the right of the mask changes what is put there."""
    model, tokenizer = bert.load(FOLDER)

    def chances(sentence: str) -> torch.Tensor:
        inputs = tokenizer(sentence, return_tensors="pt")
        at = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.inference_mode():
            return model(**inputs).prediction_logits[0, at].softmax(-1)

    one, other = chances("a [MASK] of the game."), chances("a [MASK] of the sister.")
    assert 0.5 * float((one - other).abs().sum()) > 0.1


def test_word_order_counts() -> None:
    """Protects from a bag of words: sentences are likelier than their own words shuffled."""
    assert bert.order_share(FOLDER, 40) >= 0.9


@pytest.mark.parametrize("name", [cards.WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_missing_file(copy: Path, name: str) -> None:
    """Protects whoever has half a checkpoint: one message that names the file."""
    (copy / name).unlink()
    with pytest.raises(cards.CheckpointError, match=name):
        bert.measure(copy, 1)


def test_weights_cut_short(copy: Path) -> None:
    """Protects whoever has a broken download."""
    path = copy / cards.WEIGHTS
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(cards.CheckpointError, match="cut short or damaged"):
        bert.measure(copy, 1)


@pytest.mark.parametrize("n", [0, 2_001])
def test_number_of_pairs(n: int) -> None:
    """Protects from a score on nothing, or on fewer pairs than it says."""
    with pytest.raises(ValueError, match=f"n is {n}: there are 2000 held-out pairs"):
        bert.measure(FOLDER, n)


def test_unknown_metric(copy: Path) -> None:
    """Protects the card: a metric that nothing measures is no metric."""
    path = copy / cards.CARD
    path.write_text(path.read_text("utf-8").replace("name: masked loss", "name: wit"), encoding="utf-8")
    with pytest.raises(cards.CheckpointError, match="no way to measure 'wit'; use one of masked accuracy"):
        bert.check_checkpoint(copy)
