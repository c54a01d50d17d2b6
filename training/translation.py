"""Trains checkpoints/bart-translate: a BART that translates English number words into eight languages.

The model is `BartForConditionalGeneration` of transformers, unmodified and trained from random weights.
Its tokenizer is an `MBart50Tokenizer` with a small vocabulary of its own, so languages are chosen as in
mBART-50: the source begins with the code of its language, and the first token that the decoder gives is
the code of the language wanted. The pairs are made while training goes on, and a number that is held out
is never trained on, in no language.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoTokenizer, BartConfig, BartForConditionalGeneration, MBart50Tokenizer

from sample_data import numbers
from sample_data.numbers import Number
from training import cards

FOLDER = Path("checkpoints/bart-translate")

LONGEST = 96
"""Tokens that are generated at most; no number in any of the languages needs as many."""

_IGNORED = -100
_LONGEST_PIECE = 9  # letters: "zwanzig" is one piece, "einundzwanzig" is not


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        steps: Of the optimiser.
        batch: Pairs of a step; all languages are mixed.
        pieces: Entries of the vocabulary that are pieces of words, for all languages together.
        sample: Numbers whose words the vocabulary is learned from.
        chunk: Steps for which pairs are made at once; among these, pairs of like length come together.
        warmup: Steps in which the learning rate rises.
        cooldown: Share of the steps, the last ones, in which it falls to nothing.
        test: Held-out numbers that are measured, each in every language.
    """

    name: ClassVar[str] = "bart-translate"
    module: ClassVar[str] = "training/translation.py"

    steps: int = 6_500
    batch: int = 48
    pieces: int = 560
    sample: int = 4_000
    chunk: int = 250
    d_model: int = 128
    layers: int = 3
    heads: int = 4
    intermediate_size: int = 384
    positions: int = 128
    learning_rate: float = 1.5e-3
    warmup: int = 400
    cooldown: float = 0.4
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    threads: int = 1
    seed: int = 0
    test: int = 1_000

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} must be a multiple of heads {self.heads}")
        if self.positions < LONGEST:
            raise ValueError(f"positions {self.positions} must be at least {LONGEST}")
        if self.steps < 1 or self.batch < 1 or self.chunk < 1:
            raise ValueError("steps, batch and chunk must each be at least 1")

    def rate(self, step: int) -> float:
        """The learning rate of a step: it rises, stays, and falls, each in a straight line."""
        rising, falling = (step + 1) / self.warmup, (self.steps - step) / (self.steps * self.cooldown)
        return self.learning_rate * min(1.0, rising, falling)

    def build(self, vocabulary: int) -> BartForConditionalGeneration:
        """The model with random weights, for a vocabulary of so many entries."""
        return BartForConditionalGeneration(
            BartConfig(
                vocab_size=vocabulary,
                d_model=self.d_model,
                encoder_layers=self.layers,
                decoder_layers=self.layers,
                encoder_attention_heads=self.heads,
                decoder_attention_heads=self.heads,
                encoder_ffn_dim=self.intermediate_size,
                decoder_ffn_dim=self.intermediate_size,
                max_position_embeddings=self.positions,
                dropout=0.0,
                forced_eos_token_id=None,
            )
        )


@dataclass(frozen=True)
class Measurement:
    """Translations of held-out numbers.

    Attributes:
        items: The numbers.
        answers: For each language, the translations in the order of the numbers.
    """

    items: tuple[Number, ...]
    answers: dict[str, tuple[str, ...]]

    def right(self, language: str) -> list[bool]:
        """For each number, whether the translation is the exact one, letter for letter."""
        return [answer == item.words(language) for item, answer in zip(self.items, self.answers[language], strict=True)]

    def exact(self, language: str) -> float:
        """Share of exact translations into a language."""
        return float(np.mean(self.right(language)))

    @property
    def overall(self) -> float:
        """Share of exact translations in all languages together."""
        return float(np.mean([self.exact(language) for language in self.answers]))


def learn_vocabulary(lines: Sequence[str], pieces: int, positions: int) -> MBart50Tokenizer:
    """mBART-50's tokenizer with a vocabulary learned from lines of text.

    While it is learned, no piece reaches across a hyphen: "twenty-one" stays two words and a sign.

    Args:
        lines: The text.
        pieces: Entries at most, mBART's codes and special tokens not counted.
        positions: Tokens that the model reads at most, kept for truncation.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True),
            pre_tokenizers.Split("-", "isolated"),
            pre_tokenizers.Split(",", "isolated"),
        ]
    )
    # The trainer of such a unigram vocabulary gives another one from run to run. That of byte pairs gives
    # the same, and how often a piece is used is its score.
    learner.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=pieces, max_token_length=_LONGEST_PIECE, show_progress=False)
    )
    counts = Counter(dict.fromkeys(learner.get_vocab(), 1))
    for encoding in learner.encode_batch(list(lines)):
        counts.update(encoding.tokens)
    total = counts.total()
    learned = [(piece, round(math.log(count / total), 3)) for piece, count in counts.items()]
    learned.sort(key=lambda entry: (-entry[1], entry[0]))
    special = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    return MBart50Tokenizer(
        vocab=[*special, *learned],
        src_lang=numbers.SOURCE,
        model_max_length=positions,
    )


def _padded(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    """Rows filled up to the longest, int64 [rows, longest]."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])


def encoded(tokenizer: Any, lines: Sequence[str], language: str) -> list[list[int]]:
    """Token ids of lines in a language: its code, the pieces, </s>."""
    tokenizer.src_lang = language
    found: list[list[int]] = tokenizer(list(lines), truncation=False)["input_ids"]
    tokenizer.src_lang = numbers.SOURCE
    return found


def _batches(recipe: Recipe, tokenizer: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Source ids and labels of one step after the other, without an end."""
    chance = np.random.default_rng(recipe.seed)
    source = numbers.draw("train", recipe.seed)
    while True:
        items = list(islice(source, recipe.batch * recipe.chunk))
        languages = chance.choice(list(numbers.TARGETS), len(items))
        english = encoded(tokenizer, [item.words() for item in items], numbers.SOURCE)
        targets: list[list[int]] = [[] for _ in items]
        for language in numbers.TARGETS:
            where = np.flatnonzero(languages == language)
            lines = [items[i].words(language) for i in where]
            for i, row in zip(where, encoded(tokenizer, lines, language), strict=True):
                targets[i] = row
        order = sorted(range(len(items)), key=lambda i: (len(english[i]), len(targets[i])))
        for start in chance.permutation(np.arange(0, len(order), recipe.batch)):
            rows = order[start : start + recipe.batch]
            yield (
                _padded([english[i] for i in rows], tokenizer.pad_token_id),
                _padded([targets[i] for i in rows], _IGNORED),
            )


def _fit(recipe: Recipe, tokenizer: Any) -> BartForConditionalGeneration:
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    model = recipe.build(len(tokenizer)).train()
    weights = list(model.parameters())
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in weights if p.ndim == 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in weights if p.ndim != 2], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    bar = tqdm(islice(_batches(recipe, tokenizer), recipe.steps), "training", total=recipe.steps, mininterval=2)
    shown = 0.0
    for step, (ids, labels) in enumerate(bar):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long(), labels=labels).logits
        loss = functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), label_smoothing=recipe.label_smoothing
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        shown += loss.item()
        if step % 50 == 49:
            bar.set_postfix(loss=f"{shown / 50:.4f}")
            shown = 0.0
    result: BartForConditionalGeneration = model.eval()
    return result


def _save(model: BartForConditionalGeneration, tokenizer: Any, folder: Path) -> None:
    """Half precision on disk; the configuration asks for float32 when it is loaded."""
    model.half().save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    (folder / cards.WEIGHTS).chmod(0o644)  # safetensors makes it readable to its owner alone


def load(folder: Path) -> tuple[BartForConditionalGeneration, Any]:
    """The model in float32, ready to answer, and its tokenizer.

    Raises:
        CheckpointError: Where weights, configuration or vocabulary are missing or damaged.
    """
    cards.count_parameters(folder)  # one clear message where the weights are unusable
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise cards.CheckpointError(f"{folder / name}: the file is missing; train again")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = BartForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(model, BartForConditionalGeneration)
    return model, tokenizer


def translate(model: Any, tokenizer: Any, lines: Sequence[str], language: str, batch: int = 100) -> list[str]:
    """Greedy translations of English lines; those of like length are generated together.

    Args:
        model: What translates.
        tokenizer: Its tokenizer.
        lines: English number words.
        language: A code of `numbers.TARGETS`.
        batch: Lines that are generated at once.
    """
    rows = encoded(tokenizer, lines, numbers.SOURCE)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = [""] * len(rows)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        ids = _padded([rows[i] for i in part], tokenizer.pad_token_id)
        with torch.inference_mode():
            written = model.generate(
                input_ids=ids,
                attention_mask=(ids != tokenizer.pad_token_id).long(),
                forced_bos_token_id=tokenizer.convert_tokens_to_ids(language),
                max_length=LONGEST,
                num_beams=1,
                do_sample=False,
            )
        for i, line in zip(part, tokenizer.batch_decode(written, skip_special_tokens=True), strict=True):
            found[i] = line
    return found


def measure(folder: Path, n: int = 1_000, languages: Sequence[str] = tuple(numbers.TARGETS)) -> Measurement:
    """Translate the first n held-out numbers into each language.

    Args:
        folder: The checkpoint, with its tokenizer.
        n: How many numbers.
        languages: Codes of `numbers.TARGETS`.

    Raises:
        CheckpointError: Where the checkpoint is incomplete or damaged.
        ValueError: For n below 1.
    """
    items = numbers.held_out(n)
    model, tokenizer = load(folder)
    english = [item.words() for item in items]
    answers = {code: tuple(translate(model, tokenizer, english, code)) for code in languages}
    return Measurement(tuple(items), answers)


def _metric_name(language: str) -> str:
    return f"exact match {language}"


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    names = {_metric_name(code): code for code in numbers.TARGETS}

    def again(path: Path, metric: cards.Metric) -> float:
        if metric.name not in names:
            known = ", ".join(names)
            raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}; use one of {known}")
        code = names[metric.name]
        return measure(path, metric.n, [code]).exact(code)

    return cards.check_checkpoint(folder, again, items="numbers")


_BUCKETS = (
    ("cardinal, 3 or 4 digits", "cardinal", range(3, 5)),
    ("cardinal, 5 or 6 digits", "cardinal", range(5, 7)),
    ("cardinal, 7 to 9 digits", "cardinal", range(7, 10)),
    ("cardinal, 10 to 12 digits", "cardinal", range(10, 13)),
    ("ordinal", "ordinal", range(1, 5)),
    ("year", "year", range(4, 5)),
)


def _bucket_rows(found: Measurement) -> Iterator[str]:
    """A table row for each kind of number: how many there are, and the share that is right in each language."""
    for label, form, digits in _BUCKETS:
        chosen = [i for i, item in enumerate(found.items) if item.form == form and len(str(item.value)) in digits]
        if chosen:
            shares = [np.mean([found.right(code)[i] for i in chosen]) for code in found.answers]
            yield f"| {label} | {len(chosen)} | {' | '.join(f'{share:.1%}' for share in shares)} |"


def _mistakes(found: Measurement, most: int = 4) -> Iterator[str]:
    """A few wrong translations, one of a language."""
    for code in list(found.answers):
        wrong = [i for i, right in enumerate(found.right(code)) if not right]
        if wrong and most:
            most -= 1
            item = found.items[wrong[0]]
            yield (
                f'- {numbers.TARGETS[code]}: for "{item.words()}" it writes '
                f'"{found.answers[code][wrong[0]]}", which should be "{item.words(code)}".'
            )


def _write_card(folder: Path, recipe: Recipe, minutes: float, cpu_seconds: float) -> Measurement:
    """Measure what was saved, and write the card from nothing but that."""
    found = measure(folder, recipe.test)
    parameters, size = cards.count_parameters(folder), (folder / cards.WEIGHTS).stat().st_size
    fields = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "translation",
        "language": [code[:2] for code in [numbers.SOURCE, *numbers.TARGETS]],
        "model_class": json.loads((folder / "config.json").read_text())["architectures"][0],
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.numbers",
            "version": numbers.VERSION,
            "pairs": recipe.steps * recipe.batch,
            "held_out_seed": 0,
        },
        "recipe": {name: value for name, value in asdict(recipe).items() if name != "test"},
        "metrics": [
            {
                "name": _metric_name(code),
                "value": round(found.exact(code), 4),
                "split": "test",
                "n": recipe.test,
                "seeds": [0, recipe.test - 1],
            }
            for code in numbers.TARGETS
        ],
    }
    head = f"| | numbers | {' | '.join(numbers.TARGETS.values())} |\n| --- |{' ---: |' * (len(numbers.TARGETS) + 1)}"
    total = f"| all | {recipe.test} | {' | '.join(f'{found.exact(code):.1%}' for code in numbers.TARGETS)} |"
    table = "\n".join([head, *_bucket_rows(found), total])
    mistakes = "\n".join(_mistakes(found)) or "- None of these translations is wrong."
    prose = f"""
# {recipe.name}

A small BART that translates English number words into {", ".join(numbers.TARGETS.values())}: cardinal numbers up to
999,999,999,999, ordinal numbers up to 9,999, and years as they are read. {parameters:,} parameters, {size:,} bytes in half
precision; they are loaded as float32, in which everything below was measured. The architecture is
`BartForConditionalGeneration` from transformers, unmodified; the tokenizer is its `MBart50Tokenizer` with {recipe.pieces}
pieces at most. This card was written by the program that trained the model (`{recipe.module}`), from what it measured.

The source begins with `en_XX`. The first token of the decoder is the code of the language wanted, such as `de_DE`, and
`generate` takes it as `forced_bos_token_id`.

## Data

Pairs are made while training goes on (`sample_data/numbers.py`): {recipe.steps * recipe.batch:,} pairs, each of a number and
one of the languages. The package num2words spells both sides, and its spelling counts as the truth. A number is held out by
a hash of it: one in ten from 100 on. Such a number is trained on in no language and in no form. The program that spells is
under the LGPL; what it spells is not protected.

## Recipe

Random weights, {recipe.steps:,} steps of AdamW (learning rate {recipe.learning_rate:g}, {recipe.warmup} steps of warm-up, a
straight line down in the last {recipe.cooldown:.0%}, weight decay {recipe.weight_decay:g}, bfloat16 autocast, float32 weights)
with {recipe.batch} pairs each. {recipe.layers} encoder and {recipe.layers} decoder layers of width {recipe.d_model},
{recipe.heads} heads. No dropout, because no pair comes often enough to be learned by heart.

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread{"s" if recipe.threads > 1 else ""}
({cpu_seconds:.0f} s of processor time). Repeat it with `make train NAME={recipe.name}`.

## Results

Exact match: the share of translations that are right letter for letter. The first {recipe.test:,} different numbers of
`sample_data.numbers.held_out`, each in every language, generated greedily:

{table}

Some of the mistakes:

{mistakes}

## Limits

- It knows number words and nothing else. Any other sentence gets number words too.
- It learned British spelling, with "and" and a comma after the thousands. Other spellings, capitals or digits are not in
  its data.
- Numbers of 1,000,000,000,000 and above, and ordinal numbers above 9,999, are not in its data.
- It translates from English only.
- Where num2words departs from a grammar, so does the model: "veintiuno millones" in Spanish.
"""
    cards.write_card(folder, fields, prose)
    return found


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Train, save, measure on the held-out numbers and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    sample = list(islice(numbers.draw("train", recipe.seed + 1), recipe.sample))
    lines = [item.words(code) for item in sample for code in (numbers.SOURCE, *numbers.TARGETS)]
    tokenizer = learn_vocabulary(lines, recipe.pieces, recipe.positions)
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        model = _fit(recipe, tokenizer)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        _save(model, tokenizer, fresh)
        return _write_card(fresh, recipe, wall / 60, cpu)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds on little data: for tests, not for results."""
    return replace(
        recipe or Recipe(),
        steps=12,
        batch=8,
        chunk=4,
        sample=40,
        pieces=150,
        d_model=32,
        layers=1,
        heads=2,
        intermediate_size=32,
        warmup=2,
        test=6,
    )


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    shares = ", ".join(f"{code} {found.exact(code):.3f}" for code in found.answers)
    print(f"{FOLDER}: exact match on {len(found.items):,} held-out numbers: {shares}")
