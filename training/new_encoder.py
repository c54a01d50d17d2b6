"""Trains checkpoints/bart-new-encoder: a BART pretrained on English learns to read German numbers.

This is the set-up that BART's paper has for translation (Lewis et al. 2020, section 3.4). A small encoder
of random weights, with a vocabulary of its own, reads German. Its states take the place of the word
embeddings that BART's own encoder would look up. Step one trains that encoder, BART's positions, and the
projections of the self-attention in the first layer of BART's encoder; everything else is frozen. Step two
trains all of it for fewer steps. The same is done with a BART of random weights, for comparison.

All classes are those of transformers, unmodified: `BartEncoder` for the source, and
`BartForConditionalGeneration`, which takes the states as `inputs_embeds`.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoTokenizer, BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.bart.modeling_bart import BartEncoder

from sample_data import numbers
from sample_data.numbers import Number
from training import cards

FOLDER = Path("checkpoints/bart-new-encoder")

SOURCE_ENCODER = "source-encoder"
"""The folder, inside the checkpoint's, that holds the new encoder and its tokenizer."""

STEP_ONE = "step-one.safetensors"
"""The file with what step one had trained: `source.*` is the new encoder, the other names are BART's."""

LONGEST = 48
"""Tokens that are generated at most."""

_IGNORED = -100
_PAD = 1
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_LANGUAGE = "de_DE"
_HIGHEST = 999_999


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        steps_one: Steps of the optimiser in which most of BART is frozen.
        steps_two: Steps in which all is trained.
        rate_one: Highest learning rate of step one.
        rate_two: Highest learning rate of step two.
        batch: Pairs of a step.
        pieces: Entries of the German vocabulary at most.
        sample: Numbers whose words the vocabulary is learned from.
        chunk: Steps for which pairs are made at once; among these, pairs of like length come together.
        layers: Of the new encoder; its width and heads are BART's.
        intermediate_size: Of its feed-forward layers.
        positions: Tokens that it reads at most.
        control: Whether the same is done with a BART of random weights, for comparison.
        test: Held-out numbers that are measured.
        pretrained: Folder of the BART that was pretrained on English.
    """

    name: ClassVar[str] = "bart-new-encoder"
    module: ClassVar[str] = "training/new_encoder.py"

    steps_one: int = 2_000
    steps_two: int = 500
    rate_one: float = 2e-3
    rate_two: float = 5e-4
    batch: int = 32
    pieces: int = 160
    sample: int = 4_000
    chunk: int = 100
    layers: int = 2
    intermediate_size: int = 320
    positions: int = 64
    warmup: int = 100
    weight_decay: float = 0.01
    control: bool = True
    threads: int = 1
    seed: int = 0
    test: int = 1_000
    pretrained: Path = Path("checkpoints/bart-compact")

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together, CheckpointError where the BART is missing."""
        if self.steps_one < 1 or self.steps_two < 1:
            raise ValueError("steps_one and steps_two must each be at least 1")
        if self.positions < LONGEST:
            raise ValueError(f"positions {self.positions} must be at least {LONGEST}")
        cards.count_parameters(self.pretrained)

    def source_encoder(self, bart: BartConfig, vocabulary: int) -> BartEncoder:
        """The new encoder with random weights, as wide as BART's, for a vocabulary of so many entries."""
        return BartEncoder(
            BartConfig(
                vocab_size=vocabulary,
                d_model=bart.d_model,
                encoder_layers=self.layers,
                encoder_attention_heads=bart.encoder_attention_heads,
                encoder_ffn_dim=self.intermediate_size,
                max_position_embeddings=self.positions,
                dropout=0.0,
                decoder_layers=0,  # it has none
                is_encoder_decoder=False,
            )
        )


@dataclass(frozen=True)
class Measurement:
    """Translations of held-out numbers into English, in the order of the numbers."""

    items: tuple[Number, ...]
    answers: tuple[str, ...]

    @property
    def right(self) -> list[bool]:
        """For each number, whether its translation is the exact one, letter for letter."""
        return [answer == item.words() for item, answer in zip(self.items, self.answers, strict=True)]

    @property
    def exact(self) -> float:
        """Share of exact translations."""
        return float(np.mean(self.right))


@dataclass(frozen=True)
class Result:
    """What a run measured: exact match after each step, and the same for a BART of random weights."""

    step_one: float
    step_two: float
    control: tuple[float, float] | None


def _numbers(wanted: numbers.Split, seed: int) -> Iterator[Number]:
    """Cardinal numbers up to 999,999, without an end."""
    return (item for item in numbers.draw(wanted, seed) if item.form == "cardinal" and item.value <= _HIGHEST)


def held_out(count: int) -> list[Number]:
    """The first so many different cardinal numbers up to 999,999 that are held out.

    Raises:
        ValueError: For a count below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}: ask for at least one number")
    found: dict[Number, None] = {}
    for item in _numbers("test", 1):
        found[item] = None
        if len(found) == count:
            break
    return list(found)


def learn_vocabulary(lines: Sequence[str], pieces: int, positions: int) -> PreTrainedTokenizerFast:
    """A tokenizer of byte pairs that are learned from lines of German; a text begins with <s> and ends with </s>.

    Args:
        lines: The text.
        pieces: Entries at most, the four special ones included.
        positions: Tokens that the encoder reads at most, kept for truncation.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.train_from_iterator(
        lines,
        trainers.BpeTrainer(vocab_size=pieces, special_tokens=list(_SPECIAL), max_token_length=9, show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=positions,
        model_input_names=["input_ids", "attention_mask"],
    )


def trained_in_step_one(model: BartForConditionalGeneration) -> list[str]:
    """Names of BART's own parameters that step one trains.

    The paper names "the BART positional embeddings" and "the self-attention input projection matrix of
    BART's encoder first layer". Here these are the positions of encoder and decoder, and the projections
    to queries, keys and values with their biases.
    """
    first = "model.encoder.layers.0.self_attn."
    projections = tuple(f"{first}{name}_proj." for name in "qkv")
    return [name for name, _ in model.named_parameters() if "embed_positions" in name or name.startswith(projections)]


def _padded(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    """Rows filled up to the longest, int64 [rows, longest]."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])


def _batches(recipe: Recipe, german: Any, english: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Source ids and labels of one step after the other, without an end."""
    chance = np.random.default_rng(recipe.seed)
    stream = _numbers("train", recipe.seed)
    while True:
        items = list(islice(stream, recipe.batch * recipe.chunk))
        read: list[list[int]] = german([item.words(_LANGUAGE) for item in items])["input_ids"]
        written: list[list[int]] = english([item.words() for item in items])["input_ids"]
        order = sorted(range(len(items)), key=lambda i: (len(written[i]), len(read[i])))
        for start in chance.permutation(np.arange(0, len(order), recipe.batch)):
            rows = order[start : start + recipe.batch]
            yield _padded([read[i] for i in rows], _PAD), _padded([written[i] for i in rows], _IGNORED)


def _fit(
    recipe: Recipe,
    source: BartEncoder,
    model: BartForConditionalGeneration,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    steps: int,
    rate: float,
    title: str,
) -> None:
    """Train whatever is not frozen."""
    source.train()
    model.train()
    weights = [p for part in (source, model) for p in part.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True)
    bar = tqdm(range(steps), title, mininterval=2)
    shown = 0.0
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / recipe.warmup, (steps - step) / (0.5 * steps))
        ids, labels = next(batches)
        mask = (ids != _PAD).long()
        with torch.autocast("cpu", torch.bfloat16):
            states = source(input_ids=ids, attention_mask=mask).last_hidden_state
            logits = model(inputs_embeds=states, attention_mask=mask, labels=labels).logits
        loss = functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        shown += loss.item()
        if step % 50 == 49:
            bar.set_postfix(loss=f"{shown / 50:.4f}")
            shown = 0.0
    source.eval()
    model.eval()


def _two_steps(
    recipe: Recipe, model: BartForConditionalGeneration, german: Any, english: Any, title: str
) -> tuple[BartEncoder, dict[str, torch.Tensor], dict[str, int]]:
    """Train a new encoder for a BART, which is changed in place.

    Returns:
        The new encoder; what step one had trained, in half precision; and how many parameters each step trained.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    source = recipe.source_encoder(model.config, len(german))
    batches = _batches(recipe, german, english)
    chosen = set(trained_in_step_one(model))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    counts = {"step_one": _trainable(source, model)}
    _fit(recipe, source, model, batches, recipe.steps_one, recipe.rate_one, f"{title}, step one")
    kept = {f"source.{name}": value for name, value in source.state_dict().items()}
    kept |= {name: value for name, value in model.named_parameters() if name in chosen}
    kept = {name: value.detach().half().clone().contiguous() for name, value in kept.items()}
    model.requires_grad_(True)
    counts["step_two"] = _trainable(source, model)
    _fit(recipe, source, model, batches, recipe.steps_two, recipe.rate_two, f"{title}, step two")
    return source, kept, counts


def _trainable(*parts: nn.Module) -> int:
    return sum(p.numel() for part in parts for p in part.parameters() if p.requires_grad)


def _saved_as_half(module: Any, folder: Path) -> None:
    """Half precision on disk; the configuration asks for float32 when it is loaded."""
    module.half().save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / cards.WEIGHTS).chmod(0o644)  # safetensors makes it readable to its owner alone


def load(folder: Path) -> tuple[BartEncoder, Any, BartForConditionalGeneration, Any]:
    """The new encoder and its tokenizer, BART and its tokenizer; all in float32, ready to answer.

    Raises:
        CheckpointError: Where weights, configuration or vocabulary are missing or damaged.
    """
    for part in (folder, folder / SOURCE_ENCODER):
        cards.count_parameters(part)  # one clear message where the weights are unusable
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            if not (part / name).is_file():
                raise cards.CheckpointError(f"{part / name}: the file is missing; train again")
    source: Any = BartEncoder.from_pretrained(folder / SOURCE_ENCODER, dtype=torch.float32).eval()
    model: Any = BartForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    german = AutoTokenizer.from_pretrained(folder / SOURCE_ENCODER)
    return source, german, model, AutoTokenizer.from_pretrained(folder)


def after_step_one(
    folder: Path, pretrained: Path = Recipe.pretrained
) -> tuple[BartEncoder, Any, BartForConditionalGeneration, Any]:
    """The same as it was after step one: the pretrained BART with what step one changed.

    Args:
        folder: The checkpoint.
        pretrained: Folder of the BART that was pretrained on English.

    Raises:
        CheckpointError: Where a file is missing or damaged.
    """
    path = folder / STEP_ONE
    if not path.is_file():
        raise cards.CheckpointError(f"{path}: the file is missing; train again")
    source, german, _, english = load(folder)
    cards.count_parameters(pretrained)
    model: Any = BartForConditionalGeneration.from_pretrained(pretrained, dtype=torch.float32).eval()
    kept = {name: value.float() for name, value in load_file(path).items()}
    source.load_state_dict({n.removeprefix("source."): v for n, v in kept.items() if n.startswith("source.")})
    rest = {name: value for name, value in kept.items() if not name.startswith("source.")}
    if model.load_state_dict(rest, strict=False).unexpected_keys:
        raise cards.CheckpointError(f"{path}: it does not fit {pretrained}; train again")
    return source, german, model, english


def translate(
    parts: tuple[BartEncoder, Any, BartForConditionalGeneration, Any], lines: Sequence[str], batch: int = 100
) -> list[str]:
    """Greedy translations of German lines; those of like length are generated together.

    Args:
        parts: What `load` returns.
        lines: German number words.
        batch: Lines that are generated at once.
    """
    source, german, _, english = parts
    model: Any = parts[2]  # the annotation of generate asks for another base class
    rows: list[list[int]] = german(list(lines))["input_ids"]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = [""] * len(rows)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        ids = _padded([rows[i] for i in part], _PAD)
        mask = (ids != _PAD).long()
        with torch.inference_mode():
            states = source(input_ids=ids, attention_mask=mask).last_hidden_state
            written = model.generate(
                inputs_embeds=states, attention_mask=mask, max_length=LONGEST, num_beams=1, do_sample=False
            )
        for i, line in zip(part, english.batch_decode(written, skip_special_tokens=True), strict=True):
            found[i] = line.strip()
    return found


def measure(parts: tuple[BartEncoder, Any, BartForConditionalGeneration, Any], n: int = 1_000) -> Measurement:
    """Translate the first n held-out numbers.

    Args:
        parts: What `load` or `after_step_one` returns.
        n: How many numbers.

    Raises:
        ValueError: For n below 1.
    """
    items = held_out(n)
    return Measurement(tuple(items), tuple(translate(parts, [item.words(_LANGUAGE) for item in items])))


def check_checkpoint(folder: Path, pretrained: Path = Recipe.pretrained) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""

    def again(path: Path, metric: cards.Metric) -> float:
        if metric.name == "exact match":
            return measure(load(path), metric.n).exact
        if metric.name == "exact match after step one":
            return measure(after_step_one(path, pretrained), metric.n).exact
        raise cards.CheckpointError(
            f"{path / cards.CARD}: no way to measure {metric.name!r}; "
            "use one of exact match, exact match after step one"
        )

    return cards.check_checkpoint(folder, again, items="numbers")


def _write_card(
    folder: Path,
    recipe: Recipe,
    counts: dict[str, int],
    control: tuple[float, float] | None,
    minutes: float,
    cpu_seconds: float,
) -> Result:
    """Measure what was saved, and write the card from nothing but that."""
    first = measure(after_step_one(folder, recipe.pretrained), recipe.test)
    second = measure(load(folder), recipe.test)
    parameters, size = cards.count_parameters(folder), (folder / cards.WEIGHTS).stat().st_size
    new = cards.count_parameters(folder, f"{SOURCE_ENCODER}/{cards.WEIGHTS}")

    def metric(name: str, value: float) -> dict[str, Any]:
        return {
            "name": name,
            "value": round(value, 4),
            "split": "test",
            "n": recipe.test,
            "seeds": [0, recipe.test - 1],
        }

    fields = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "translation",
        "language": ["de", "en"],
        "model_class": json.loads((folder / "config.json").read_text())["architectures"][0],
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {"generator": "sample_data.numbers", "version": numbers.VERSION, "held_out_seed": 1},
        "recipe": {name: value for name, value in asdict(recipe).items() if name not in ("test", "pretrained")},
        "trained_parameters": counts,
        "source_encoder_parameters": new,
        "metrics": [
            metric("exact match", second.exact),
            metric("exact match after step one", first.exact),
        ],
    }
    rows = [
        "| | trained parameters | pretrained BART | BART of random weights |",
        "| --- | ---: | ---: | ---: |",
    ]
    shares = [(first.exact, "one"), (second.exact, "two")]
    for i, (share, step) in enumerate(shares):
        other = "not measured" if control is None else f"{control[i]:.1%}"
        rows.append(f"| after step {step} | {counts[f'step_{step}']:,} | {share:.1%} | {other} |")
    if control is not None:
        fields["control"] = {"random_step_one": round(control[0], 4), "random_step_two": round(control[1], 4)}
    wrong = [i for i, right in enumerate(second.right) if not right]
    mistakes = [
        f'- "{second.items[i].words(_LANGUAGE)}" becomes "{second.answers[i]}", and should be "{second.items[i].words()}".'
        for i in wrong[:4]
    ]
    prose = f"""
# {recipe.name}

A BART that was pretrained on English text alone, and then learned to read German numbers, in the two steps that its paper
describes for translation. A new encoder of {recipe.layers} layers and {new:,} parameters reads German with {recipe.pieces}
pieces at most (`{SOURCE_ENCODER}/`). Its states take the place of BART's word embeddings. The weights of both are in half
precision, {size:,} bytes for BART; they are loaded as float32, in which everything below was measured. The classes are
`BartEncoder` and `BartForConditionalGeneration` from transformers, unmodified. This card was written by the program that
trained the model (`{recipe.module}`), from what it measured.

`{STEP_ONE}` holds what step one had trained, so that the state in between can be measured again: the new encoder, and the
parameters of BART that were not frozen. The others are those of `checkpoints/{recipe.pretrained.name}`.

## Data

German and English words of cardinal numbers up to 999,999, made while training goes on (`sample_data/numbers.py`):
{recipe.steps_one * recipe.batch:,} pairs in step one, {recipe.steps_two * recipe.batch:,} in step two. The package num2words spells both sides. One
number in ten from 100 on is held out by a hash of it. The program that spells is under the LGPL; what it spells is not
protected. The pretrained BART has a card and data of its own.

## Recipe

Step one trains the new encoder, BART's positions, and the projections to queries, keys and values in the first layer of
BART's encoder: {counts["step_one"]:,} parameters, {recipe.steps_one:,} steps, learning rate {recipe.rate_one:g}. Step two trains all
{counts["step_two"]:,} parameters, {recipe.steps_two:,} steps, learning rate {recipe.rate_two:g}. AdamW, batches of {recipe.batch},
{recipe.warmup} steps of warm-up, a straight line down in the second half of each step, bfloat16 autocast, float32 weights.

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread{"s" if recipe.threads > 1 else ""}
({cpu_seconds:.0f} s of processor time), the comparison not counted. Repeat it with `make train NAME={recipe.name}`.

## Results

Exact match: the share of translations that are right letter for letter, on {recipe.test:,} held-out numbers, generated
greedily. The comparison is a BART of the same shape with random weights, which was trained in the same two steps.

{chr(10).join(rows)}

{f"Mistakes after step two:{chr(10)}{chr(10)}{chr(10).join(mistakes)}" if mistakes else "After step two, none of these translations is wrong."}

## Limits

- It translates numbers and nothing else. The paper translates news.
- Step two is the only one that changes how BART writes; after it, BART is no model of English text any more.
- Numbers of 1,000,000 and above, ordinal numbers and years are not in its data.
- Pairs are unlimited here. With few pairs, pretraining counts for more, and overfitting is a danger that this does not show.
"""
    cards.write_card(folder, fields, prose)
    return Result(first.exact, second.exact, control)


def train(folder: Path, recipe: Recipe) -> Result:
    """Train in two steps, save, measure on held-out numbers and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    sample = list(islice(_numbers("train", recipe.seed + 1), recipe.sample))
    german = learn_vocabulary([item.words(_LANGUAGE) for item in sample], recipe.pieces, recipe.positions)
    english = AutoTokenizer.from_pretrained(recipe.pretrained)
    model: Any = BartForConditionalGeneration.from_pretrained(recipe.pretrained, dtype=torch.float32)
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        source, kept, counts = _two_steps(recipe, model, german, english, "pretrained")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        control = _control(recipe, model.config, german, english) if recipe.control else None
        _saved_as_half(model, fresh)
        english.save_pretrained(fresh)
        _saved_as_half(source, fresh / SOURCE_ENCODER)
        german.save_pretrained(fresh / SOURCE_ENCODER)
        save_file(kept, fresh / STEP_ONE, metadata={"format": "pt"})
        (fresh / STEP_ONE).chmod(0o644)
        return _write_card(fresh, recipe, counts, control, wall / 60, cpu)


def _control(recipe: Recipe, config: Any, german: Any, english: Any) -> tuple[float, float]:
    """Exact match after each step where BART starts from random weights."""
    torch.manual_seed(recipe.seed + 1)
    model = BartForConditionalGeneration(config)
    before = copy.deepcopy(model)
    source, kept, _ = _two_steps(recipe, model, german, english, "random")
    between = copy.deepcopy(source)
    between.load_state_dict({n.removeprefix("source."): v.float() for n, v in kept.items() if n.startswith("source.")})
    before.load_state_dict({n: v.float() for n, v in kept.items() if not n.startswith("source.")}, strict=False)
    first = measure((between.eval(), german, before.eval(), english), recipe.test)
    second = measure((source, german, model, english), recipe.test)
    return first.exact, second.exact


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds on little data: for tests, not for results."""
    return replace(
        recipe or Recipe(),
        steps_one=4,
        steps_two=3,
        batch=4,
        chunk=3,
        sample=40,
        pieces=60,
        layers=1,
        intermediate_size=32,
        warmup=2,
        test=5,
    )


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(f"{FOLDER}: exact match {found.step_one:.3f} after step one, {found.step_two:.3f} after step two")
    if found.control is not None:
        print(f"with a BART of random weights: {found.control[0]:.3f} and {found.control[1]:.3f}")
