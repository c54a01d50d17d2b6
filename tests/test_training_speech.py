"""The three speech checkpoints: how they are trained, and that each is what its card says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jiwer
import numpy as np
import pytest
import torch
import yaml
from transformers import AutoProcessor, Wav2Vec2ForPreTraining

from sample_data import speech
from sample_data.speech import RATE, WORDS
from training import audio_classification, cards, speech_recognition, wav2vec2
from training import speech as shared

ROOT = Path(__file__).parents[1]
MODULES = {
    "wav2vec2-pretrained": wav2vec2,
    "wav2vec2-classifier": audio_classification,
    "wav2vec2-asr": speech_recognition,
}
CLASSES = {
    "wav2vec2-pretrained": "Wav2Vec2ForPreTraining",
    "wav2vec2-classifier": "Wav2Vec2ForSequenceClassification",
    "wav2vec2-asr": "Wav2Vec2ForCTC",
}
each = pytest.mark.parametrize("name", MODULES)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A run sets the number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few clips for every split: the tests need neither flite nor an archive."""
    lines = [f"{a} {b} {a}" for a, b in zip(WORDS[:8], WORDS[8:16], strict=True)]
    made = {
        "words": [speech.say(word) for word in WORDS[:12]],
        "strings": [speech.say(line, speed=120) for line in lines],
    }
    monkeypatch.setattr(speech, "clips", lambda split, kind="strings", cache=None: made[kind])
    monkeypatch.setattr(speech, "unlabelled", lambda cache=None: made["strings"])
    monkeypatch.chdir(ROOT)


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """A network with random weights, as a checkpoint."""
    torch.manual_seed(0)
    shared.save(tmp_path / "start", wav2vec2.quick().build())
    return tmp_path / "start"


def _quick(module: Any, pretrained: Path) -> Any:
    return module.quick() if module is wav2vec2 else module.quick(pretrained=pretrained)


@each
def test_tiny_run_from_sound_to_card(tmp_path: Path, clips: None, pretrained: Path, name: str) -> None:
    """Protects the whole way: training, saving, measuring, the card; and its repeatability."""
    module: Any = MODULES[name]
    recipe = _quick(module, pretrained)
    module.train(tmp_path / "tiny", recipe)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["start", "tiny"]
    card = module.check_checkpoint(tmp_path / "tiny")
    assert card.model_class == CLASSES[name]
    loaded = module.load(tmp_path / "tiny")
    model = loaded[0] if isinstance(loaded, tuple) else loaded
    assert model.dtype == torch.float32 and next(model.parameters()).dtype == torch.float32
    module.train(tmp_path / "again", recipe)
    assert (tmp_path / "tiny" / cards.WEIGHTS).read_bytes() == (tmp_path / "again" / cards.WEIGHTS).read_bytes()


@each
def test_interrupted_run_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: None, pretrained: Path, name: str
) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    module: Any = MODULES[name]
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        module.train(folder, _quick(module, pretrained))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["start", "tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


@pytest.mark.parametrize("module", [audio_classification, speech_recognition])
def test_missing_pretrained_network(tmp_path: Path, module: ModuleType) -> None:
    """Protects from a run without its starting point: the message names the folder."""
    with pytest.raises(cards.CheckpointError, match=r"nowhere: the checkpoint folder is missing"):
        module.train(tmp_path / "x", module.quick(pretrained=tmp_path / "nowhere"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps 0 and seconds 6.0 must be at least 1"),
        ({"warmup": 0.7, "cooldown": 0.7}, "must add up to at most 1"),
        ({"crop": 20.0}, "seconds 6.0 must be at least crop 20.0"),
        ({"coldest": 3.0}, "coldest 3.0 must be above 0 and at most hottest 2.0"),
    ],
)
def test_numbers_must_fit_together(tmp_path: Path, changes: dict[str, float], message: str) -> None:
    """Protects from a run that would fail after its first minutes."""
    with pytest.raises(ValueError, match=message):
        wav2vec2.train(tmp_path / "x", wav2vec2.quick(**changes))
    assert not list(tmp_path.iterdir())


def test_contrastive_loss_is_the_librarys() -> None:
    """Protects the pretraining: the quicker way to the loss gives the value that the model itself gives."""
    recipe = wav2vec2.quick(negatives=20)
    torch.manual_seed(1)
    model = recipe.build().eval()
    samples = torch.randn(3, 2 * RATE)
    np.random.seed(0)
    masked, others = wav2vec2._masks(model, 3, int(model._get_feat_extract_output_lengths(2 * RATE)), recipe)
    with torch.inference_mode():
        found = model(samples, mask_time_indices=masked, sampled_negative_indices=others)
    mine = wav2vec2.contrastive_loss(found, masked, others, model.config.contrastive_logits_temperature)
    assert mine.item() == pytest.approx(found.contrastive_loss.item(), rel=1e-4)
    assert mine.item() > 1


def test_waves_are_what_the_feature_extractor_gives() -> None:
    """Protects the training: it prepares sound as the saved feature extractor does."""
    for word in WORDS[:3]:
        samples = speech.say(word).samples
        theirs = shared.feature_extractor()(samples, sampling_rate=RATE, return_tensors="pt")
        torch.testing.assert_close(shared.waves([samples]), theirs["input_values"], atol=1e-4, rtol=1e-4)


def test_window_is_long_enough() -> None:
    """Protects the pretraining: short clips are joined until the window is full."""
    clips = [speech.say("one"), speech.say("two")]
    found = wav2vec2.window(clips, 3 * RATE, np.random.default_rng(0))
    assert found.shape == (3 * RATE,) and np.abs(found).max() > 0.1


def test_batches_stay_within_the_seconds() -> None:
    """Protects the memory of a run: no batch of several clips is longer than asked for."""
    clips = [replace(speech.say("one"), samples=np.zeros(n * RATE // 4, np.float32)) for n in range(1, 20)]
    order = shared.batches(clips, 6.0, np.random.default_rng(0))
    for _ in range(200):
        batch = next(order)
        assert batch
        assert len(batch) == 1 or len(batch) * max(clips[i].seconds + 2 * shared.ROOM for i in batch) <= 6.0


def test_unknown_test_set() -> None:
    """Protects the card: a split that nobody can measure on is refused by name."""
    with pytest.raises(cards.CheckpointError, match="unknown test set 'people'"):
        shared.test_set("people", "words", None)


@each
def test_committed_checkpoint_is_what_its_card_says(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Protects the card: everything on it is measured once more, on all held-out voices."""
    monkeypatch.chdir(ROOT)
    module: Any = MODULES[name]
    card = module.check_checkpoint(module.FOLDER)
    if name == "wav2vec2-pretrained":
        chance = yaml.safe_load(card.path.read_text().split("---")[1])["baselines"]["chance"]
        assert card.metric("contrastive accuracy").value > 5 * chance
        assert card.metric("share of codewords in use").value > 0.3
    elif name == "wav2vec2-classifier":
        assert card.metric("accuracy test").n == 432 and card.metric("accuracy human").n == 62
        assert card.metric("accuracy test").value > 0.95
        assert card.metric("accuracy human").value > 0.7
    else:
        assert card.metric("word error rate test").n == 400 and card.metric("word error rate human").n == 62
        assert card.metric("character error rate test").value < 0.06
        assert (
            card.metric("word error rate test, word list").value
            < 0.06
            < card.metric("word error rate test").value
            < 0.2
        )
        assert card.metric("word error rate human, word list").value < card.metric("word error rate human").value


@each
def test_recipe_is_the_one_on_the_card(name: str) -> None:
    """Protects those who train again: the numbers in the module are the numbers on the card."""
    module: Any = MODULES[name]
    head = yaml.safe_load((ROOT / module.FOLDER / cards.CARD).read_text(encoding="utf-8").split("---")[1])
    mine = {k: v for k, v in asdict(module.Recipe()).items() if k not in ("cache", "test")}
    if "pretrained" in mine:
        mine["pretrained"] = mine["pretrained"].name
    assert head["recipe"] == mine


@each
def test_damaged_weights(tmp_path: Path, name: str) -> None:
    """Protects from half a file: the message names it."""
    module: Any = MODULES[name]
    copy = shutil.copytree(ROOT / module.FOLDER, tmp_path / name)
    weights = copy / cards.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(cards.CheckpointError, match=r"model\.safetensors: the weights are cut short or damaged"):
        module.check_checkpoint(copy)


def test_error_rates_by_hand() -> None:
    """Protects the table: one wrong word of four is a quarter, and voices can be told apart."""
    found = speech_recognition.Measurement(
        ("alpha bravo", "one two"), ("alpha bravo", "one too"), ("alpha bravo", "one two"), ("allison", "june")
    )
    assert found.words == 4
    assert found.word_error() == jiwer.wer(["a b", "c d"], ["a b", "c x"]) == 0.25
    assert found.word_error("allison") == 0 and found.word_error("june") == 0.5
    assert found.word_error(searched=True) == 0
    assert found.character_error("june") == pytest.approx(1 / 7)


def test_processor_and_model_agree() -> None:
    """Protects readers: the saved processor gives what the model takes, and its blank is the model's."""
    folder = ROOT / speech_recognition.FOLDER
    processor = AutoProcessor.from_pretrained(folder)
    model, tokenizer = speech_recognition.load(folder)
    assert model.config.vocab_size == len(tokenizer) == len(speech_recognition.VOCABULARY)
    assert tokenizer.pad_token_id == model.config.pad_token_id == 0
    assert processor.tokenizer("alpha two").input_ids == tokenizer("alpha two").input_ids
    assert tokenizer.decode([4, 4, 0, 4, 2, 3]) == "bb a"


def test_pretrained_has_both_heads() -> None:
    """Protects the page about pretraining: quantizer and projections are in the file."""
    model = wav2vec2.load(ROOT / wav2vec2.FOLDER)
    assert isinstance(model, Wav2Vec2ForPreTraining)
    assert model.quantizer.codevectors.shape == (1, 128, 64)
