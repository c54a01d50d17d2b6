"""bart-new-encoder: how it is trained, and that the committed checkpoint is what its card says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

from sample_data import numbers
from training import cards, new_encoder

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / new_encoder.FOLDER


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pretrained BART is found from the repository's root; a run sets the number of threads."""
    monkeypatch.chdir(ROOT)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def bart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BART that poses as the pretrained one."""
    folder = tmp_path_factory.mktemp("bart")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    lines = [item.words() for item in islice(numbers.draw("train", 0), 200)]
    tokenizer.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=90, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=90,
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=64,
        forced_eos_token_id=None,
    )
    BartForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may damage."""
    return shutil.copytree(FOLDER, tmp_path / "bart-new-encoder")


def test_tiny_run_from_pairs_to_card(tmp_path: Path, bart: Path) -> None:
    """Protects the whole way: vocabulary, both steps, saving, measuring, the card; and its repeatability."""
    recipe = new_encoder.quick(new_encoder.Recipe(pretrained=bart))
    found = new_encoder.train(tmp_path / "tiny", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    card = new_encoder.check_checkpoint(tmp_path / "tiny", bart)
    assert card.metric("exact match").value == pytest.approx(found.step_two, abs=1e-4)
    assert card.metric("exact match after step one").value == pytest.approx(found.step_one, abs=1e-4)
    assert card.metric("exact match").n == 5
    assert found.control is not None
    new_encoder.train(tmp_path / "again", recipe)
    files = (cards.WEIGHTS, new_encoder.STEP_ONE, "source-encoder/model.safetensors", "source-encoder/tokenizer.json")
    for name in files:
        assert (tmp_path / "tiny" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_step_one_leaves_the_rest_as_it_was(tmp_path: Path, bart: Path) -> None:
    """Protects the freezing: in step one only what the paper names moves; in step two the rest does."""
    recipe = new_encoder.quick(new_encoder.Recipe(pretrained=bart, control=False, steps_two=1))
    new_encoder.train(tmp_path / "tiny", recipe)
    before = dict(BartForConditionalGeneration.from_pretrained(bart).named_parameters())
    _, _, between, _ = new_encoder.after_step_one(tmp_path / "tiny", bart)
    chosen = set(new_encoder.trained_in_step_one(between))
    assert len(chosen) == 2 + 3 * 2
    moved = {name for name, value in between.named_parameters() if not torch.equal(value, before[name])}
    assert moved <= chosen
    assert {name for name in chosen if "k_proj.bias" not in name} <= moved  # a bias of the keys has no gradient
    source, _, after, _ = new_encoder.load(tmp_path / "tiny")
    others = {n for n, value in after.named_parameters() if not torch.equal(value, before[n].half().float())}
    assert len(others - chosen) > 10
    fields = yaml.safe_load((tmp_path / "tiny" / cards.CARD).read_text("utf-8").split("\n---\n")[0])
    own = sum(before[name].numel() for name in chosen)
    assert fields["trained_parameters"]["step_one"] == own + fields["source_encoder_parameters"]
    everything = source.num_parameters() + after.num_parameters()  # buffers are not counted
    assert fields["trained_parameters"]["step_two"] == everything


def test_interrupted_run_leaves_the_old_checkpoint(tmp_path: Path, bart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the checkpoint that is there, also while the new one is being measured."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_encoder, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        new_encoder.train(folder, new_encoder.quick(new_encoder.Recipe(pretrained=bart, control=False)))
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert [path.name for path in folder.iterdir()] == ["old.txt"]


def test_numbers_must_fit_together(tmp_path: Path, bart: Path) -> None:
    """Protects from a run that would fail after its first minutes."""
    for recipe, message in (
        (new_encoder.Recipe(pretrained=bart, steps_one=0), "steps_one and steps_two must each be at least 1"),
        (new_encoder.Recipe(pretrained=bart, positions=9), "positions 9 must be at least 48"),
    ):
        with pytest.raises(ValueError, match=message):
            new_encoder.train(tmp_path / "x", recipe)
    with pytest.raises(cards.CheckpointError, match="the checkpoint folder is missing"):
        new_encoder.train(tmp_path / "x", new_encoder.Recipe(pretrained=tmp_path / "none"))
    assert not list(tmp_path.iterdir())


def test_held_out_numbers() -> None:
    """Protects the measure: a thousand different cardinal numbers, none of them trained on."""
    items = new_encoder.held_out(1_000)
    assert len(set(items)) == 1_000
    assert all(numbers.split(item.value) == "test" and item.form == "cardinal" for item in items)
    assert max(item.value for item in items) <= 999_999
    assert items[:10] == new_encoder.held_out(10)
    with pytest.raises(ValueError, match="count is 0"):
        new_encoder.held_out(0)


def test_committed_checkpoint_is_what_its_card_says() -> None:
    """Protects the card: all held-out numbers are translated once more, after either step."""
    card = new_encoder.check_checkpoint(FOLDER)
    assert card.metric("exact match").n >= 1_000
    assert card.metric("exact match").value > 0.8
    assert card.metric("exact match").value >= card.metric("exact match after step one").value
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*")) <= 9_000_000


def test_pretraining_counts() -> None:
    """Protects what the page says: with frozen random weights step one gets less right."""
    fields = yaml.safe_load((FOLDER / cards.CARD).read_text("utf-8").split("\n---\n")[0])
    values = {metric["name"]: metric["value"] for metric in fields["metrics"]}
    assert values["exact match after step one"] > fields["control"]["random_step_one"]


def test_recipe_is_the_one_on_the_card() -> None:
    """Protects repeatability: what the module holds is what made the checkpoint."""
    fields = yaml.safe_load((FOLDER / cards.CARD).read_text("utf-8").split("\n---\n")[0])
    assert fields["recipe"].items() <= asdict(new_encoder.Recipe()).items()
    assert fields["data"]["version"] == numbers.VERSION


@pytest.mark.parametrize("name", [cards.WEIGHTS, "config.json", "source-encoder/tokenizer.json"])
def test_missing_file(copy: Path, name: str) -> None:
    """Protects whoever has half a checkpoint: one message that names the file."""
    (copy / name).unlink()
    with pytest.raises(cards.CheckpointError, match=name):
        new_encoder.load(copy)


def test_step_one_missing(copy: Path) -> None:
    """Protects whoever has half a checkpoint: one message that names the file."""
    (copy / new_encoder.STEP_ONE).unlink()
    with pytest.raises(cards.CheckpointError, match=f"{new_encoder.STEP_ONE}: the file is missing"):
        new_encoder.after_step_one(copy)


def test_step_one_of_another_bart(copy: Path, bart: Path) -> None:
    """Protects the file's use: it holds parameters by BART's names, and nothing else."""
    kept = load_file(copy / new_encoder.STEP_ONE)
    names = set(new_encoder.trained_in_step_one(BartForConditionalGeneration.from_pretrained(bart)))
    assert {name for name in kept if not name.startswith("source.")} == names


def test_unknown_metric(tmp_path: Path, bart: Path) -> None:
    """Protects the card: a metric that nothing measures is no metric."""
    recipe = replace(new_encoder.quick(new_encoder.Recipe(pretrained=bart)), control=False)
    new_encoder.train(tmp_path / "tiny", recipe)
    path = tmp_path / "tiny" / cards.CARD
    path.write_text(path.read_text("utf-8").replace("name: exact match\n", "name: wit\n"), encoding="utf-8")
    with pytest.raises(cards.CheckpointError, match="no way to measure 'wit'; use one of exact match"):
        new_encoder.check_checkpoint(tmp_path / "tiny", bart)
