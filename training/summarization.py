"""Trains checkpoints/bart-summarize: a BART that writes the one-line synopsis of a package description.

It starts from checkpoints/bart-compact, and nothing is added to that model: the same encoder reads the
description, the same decoder writes the synopsis, with the same head. The pairs are real. The people who
maintain Debian's packages wrote both, the long description and the line that stands for it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from rouge_score.rouge_scorer import RougeScorer
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import BartForConditionalGeneration

from sample_data import text
from sample_data.text import Package
from training import bart, cards

FOLDER = Path("checkpoints/bart-summarize")

ROUGE = ("rouge1", "rouge2", "rougeL")
"""The scores, by the names that the package rouge_score has for them."""

LONGEST = 32
"""Tokens of a synopsis at most, `<s>` and `</s>` included."""


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        steps: Of the optimiser.
        batch: Pairs of a step.
        chunk: Steps for which pairs are laid out at once; among these, pairs of like length come together.
        positions: Tokens of a description that are read at most.
        smoothing: Share of each label that is spread over all entries.
        beams: Of the search when the checkpoint is measured; stored as its default.
        test: Held-out descriptions that are measured.
        pretrained: Folder of the BART to start from.
    """

    name: ClassVar[str] = "bart-summarize"
    module: ClassVar[str] = "training/summarization.py"

    steps: int = 5_000
    batch: int = 16
    chunk: int = 50
    positions: int = 128
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.05
    smoothing: float = 0.1
    beams: int = 4
    threads: int = 1
    seed: int = 0
    test: int = 1_000
    pretrained: Path = bart.FOLDER
    cache: Path = text.CACHE

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together, CheckpointError where the BART is missing."""
        if min(self.steps, self.batch, self.chunk, self.test, self.beams) < 1:
            raise ValueError("steps, batch, chunk, test and beams must each be at least 1")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing {self.smoothing} must be at least 0 and less than 1")
        cards.count_parameters(self.pretrained)
        reads = json.loads((self.pretrained / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]
        if not LONGEST <= self.positions <= reads:
            raise ValueError(f"positions {self.positions} must lie between {LONGEST} and the {reads} that BART reads")

    def rate(self, step: int) -> float:
        """The learning rate of a step: a straight rise, then a straight line down to nothing."""
        return self.learning_rate * min((step + 1) / self.warmup, (self.steps - step) / self.steps)


@dataclass(frozen=True)
class Measurement:
    """Synopses written for held-out descriptions, in the order of the packages."""

    packages: tuple[Package, ...]
    answers: tuple[str, ...]

    @cached_property
    def _scores(self) -> dict[str, dict[str, float]]:
        sources = {
            "model": self.answers,
            "first sentence": [first_sentence(p) for p in self.packages],
            # As many words as its maintainer used: an advantage that the model does not have.
            "its beginning": [" ".join(first_sentence(p).split()[: len(p.synopsis.split())]) for p in self.packages],
        }
        return {name: rouge(lines, [p.synopsis for p in self.packages]) for name, lines in sources.items()}

    def rouge(self, source: str = "model") -> dict[str, float]:
        """Mean F1 by the names in `ROUGE`, of "model", "first sentence" or "its beginning"."""
        return self._scores[source]

    @property
    def words(self) -> float:
        """Mean number of words of an answer."""
        return float(np.mean([len(answer.split()) for answer in self.answers]))

    @property
    def copied(self) -> float:
        """Share of the answers' words that stand in the description, case aside."""
        found = [
            word in set(_words(package.text))
            for package, answer in zip(self.packages, self.answers, strict=True)
            for word in _words(answer)
        ]
        return float(np.mean(found)) if found else 0.0


def _words(line: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", line.lower())


def rouge(answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L, with stems.

    Source: Lin, ROUGE, 2004; the package rouge_score.
    """
    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    scores = [scorer.score(truth, answer) for truth, answer in zip(references, answers, strict=True)]
    return {name: float(np.mean([score[name].fmeasure for score in scores])) for name in ROUGE}


def first_sentence(package: Package) -> str:
    """The first sentence of a description: what one would take who may not write."""
    return text.sentences(package.paragraphs[0])[0]


def usable(package: Package) -> bool:
    """Whether there is something to summarise: 15 words or more, and a synopsis of three or more."""
    return len(package.text.split()) >= 15 and len(package.synopsis.split()) >= 3


def held_out(count: int) -> list[Package]:
    """The first so many usable packages of the committed file.

    Raises:
        TextError: Where the file is missing or damaged.
        ValueError: For a count below 1, or more than there are.
    """
    found = [package for package in text.held_out_sections() if usable(package)]
    if not 1 <= count <= len(found):
        raise ValueError(f"count is {count}: there are {len(found)} descriptions")
    return found[:count]


def training_packages(cache: Path = text.CACHE) -> list[Package]:
    """Packages to learn from: none of a held-out source, and none that shares its synopsis or opening with one.

    Of packages with the same synopsis or the same opening three are kept, since sister packages repeat them.

    Raises:
        TextError: Where the texts cannot be had.
    """
    held = {" ".join(_words(line)) for p in text.held_out_sections() for line in (p.synopsis, p.paragraphs[0])}
    seen: dict[str, int] = {}
    found = []
    for package in text.packages(cache):
        if package.split != "train" or not package.paragraphs or not usable(package):
            continue
        keys = {" ".join(_words(line)) for line in (package.synopsis, package.paragraphs[0])}
        if keys & held or any(seen.get(key, 0) >= 3 for key in keys):
            continue
        for key in keys:
            seen[key] = seen.get(key, 0) + 1
        found.append(package)
    return found


def source_text(package: Package) -> str:
    """A description as the encoder reads it: one line."""
    return " ".join(package.paragraphs)


def _batches(recipe: Recipe, tokenizer: Any, packages: Sequence[Package]) -> Iterator[tuple[Any, Any]]:
    """Source ids and labels of one step after the other, without an end."""
    chance = np.random.default_rng(recipe.seed)
    size = recipe.batch * recipe.chunk
    reads: list[list[int]] = tokenizer(
        [source_text(p) for p in packages], truncation=True, max_length=recipe.positions
    )["input_ids"]
    writes: list[list[int]] = tokenizer([p.synopsis for p in packages], truncation=True, max_length=LONGEST)[
        "input_ids"
    ]
    waiting = np.empty(0, np.int64)
    while True:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, chance.permutation(len(packages))])
        rows, waiting = waiting[:size].tolist(), waiting[size:]
        rows.sort(key=lambda i: (len(reads[i]), len(writes[i])))
        for start in chance.permutation(np.arange(0, size, recipe.batch)).tolist():
            part = rows[start : start + recipe.batch]
            yield bart.padded([reads[i] for i in part]), bart.padded([writes[i] for i in part], bart.NOT_CHOSEN)


def _fit(
    recipe: Recipe, model: BartForConditionalGeneration, tokenizer: Any, packages: Sequence[Package]
) -> BartForConditionalGeneration:
    """Train a model on pairs; the average of its weights over the last steps is what comes back."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    model.train()
    weights = list(model.parameters())
    optimiser = torch.optim.AdamW(
        weights, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True
    )
    average = torch.optim.swa_utils.AveragedModel(
        model, avg_fn=lambda old, new, seen: old.lerp(new, max(0.002, 1 / (1 + seen / 10)))
    )
    batches = _batches(recipe, tokenizer, packages)
    shown: list[float] = []
    bar = tqdm(range(recipe.steps), "training", mininterval=5)
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step)
        ids, labels = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(
                input_ids=ids,
                attention_mask=(ids != bart.PAD).long(),
                decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels),
                use_cache=False,
            ).logits
        loss = functional.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), label_smoothing=recipe.smoothing
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        average.update_parameters(model)
        shown.append(loss.item())
        if step % 50 == 49:
            bar.set_postfix(loss=f"{np.mean(shown):.3f}")
            shown.clear()
    result: Any = average.module.eval()
    assert isinstance(result, BartForConditionalGeneration)
    return result


def summarize(model: Any, tokenizer: Any, lines: Sequence[str], batch: int = 50, **settings: Any) -> list[str]:
    """Synopses for descriptions, with the search that the checkpoint stores.

    Args:
        model: A BartForConditionalGeneration in evaluation mode.
        tokenizer: Its tokenizer.
        lines: Descriptions; what is longer than the model reads is cut.
        batch: Descriptions that are worked on at once; those of like length come together.
        settings: For `generate`.
    """
    rows: list[list[int]] = tokenizer(list(lines), truncation=True, max_length=model.config.max_position_embeddings)[
        "input_ids"
    ]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = [""] * len(rows)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        ids = bart.padded([rows[i] for i in part])
        with torch.inference_mode():
            written = model.generate(input_ids=ids, attention_mask=(ids != bart.PAD).long(), **settings)
        for i, line in zip(part, tokenizer.batch_decode(written, skip_special_tokens=True), strict=True):
            found[i] = line.strip()
    return found


def measure(folder: Path, n: int = 1_000) -> Measurement:
    """Summarise the first n held-out descriptions.

    Raises:
        CheckpointError: Where the checkpoint is incomplete or damaged.
        TextError: Where the held-out file is missing or damaged.
        ValueError: For n below 1, or more than there are.
    """
    found = held_out(n)
    model, tokenizer = bart.load(folder)
    return Measurement(tuple(found), tuple(summarize(model, tokenizer, [source_text(p) for p in found])))


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    known: dict[int, Measurement] = {}

    def again(path: Path, metric: cards.Metric) -> float:
        if metric.name not in ROUGE:
            raise cards.CheckpointError(
                f"{path / cards.CARD}: no way to measure {metric.name!r}; use one of {', '.join(ROUGE)}"
            )
        if metric.n not in known:
            known[metric.n] = measure(path, metric.n)
        return known[metric.n].rouge()[metric.name]

    return cards.check_checkpoint(folder, again, items="descriptions")


def _write_card(
    folder: Path, recipe: Recipe, packages: Sequence[Package], minutes: float, cpu_seconds: float
) -> Measurement:
    """Measure what was saved, and write the card from nothing but that."""
    found = measure(folder, recipe.test)
    parameters, size = cards.count_parameters(folder), (folder / cards.WEIGHTS).stat().st_size
    sources = {"model": "the model", "first sentence": "the first sentence", "its beginning": "its first words"}
    table = [
        "| | ROUGE-1 | ROUGE-2 | ROUGE-L |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {title} | " + " | ".join(f"{found.rouge(source)[name]:.3f}" for name in ROUGE) + " |"
            for source, title in sources.items()
        ),
    ]
    fields = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "summarization",
        "language": "en",
        "model_class": json.loads((folder / "config.json").read_text())["architectures"][0],
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.text",
            "version": text.VERSION,
            "pairs": len(packages),
            "held_out": "docs/assets/text/held-out-sections.json.gz",
        },
        "recipe": {k: v for k, v in asdict(recipe).items() if k not in ("cache", "test", "pretrained")},
        "metrics": [
            {
                "name": name,
                "value": round(found.rouge()[name], 4),
                "split": "test",
                "n": recipe.test,
                "seeds": [0, recipe.test - 1],
            }
            for name in ROUGE
        ],
        "baselines": {
            f"{source.replace(' ', '_')}_{name}": round(found.rouge(source)[name], 4)
            for source in list(sources)[1:]
            for name in ROUGE
        },
    }
    examples = "\n".join(
        f'- {package.name}: "{answer}"; its maintainers wrote "{package.synopsis}".'
        for package, answer in list(zip(found.packages, found.answers, strict=True))[:6]
    )
    prose = f"""
# {recipe.name}

A BART that reads the long description of a software package and writes one line that stands for it. It is
`checkpoints/{recipe.pretrained.name}`, trained on with nothing added: the unmodified `{fields["model_class"]}` of
transformers with {parameters:,} parameters, {size:,} bytes in half precision, loaded as float32, in which
everything below was measured. This card was written by the program that trained the model
(`{recipe.module}`), from what it measured.

## Data

{len(packages):,} package descriptions of Debian's archive and their synopses (`sample_data/text.py`), both written
by the packages' maintainers. None is built from a held-out source package, and none shares its synopsis or
its first paragraph with a held-out one. The first {recipe.positions} tokens of a description are read.

Licence of the text: a description is part of its Debian package and comes under that package's free licence.

## Recipe

{recipe.steps:,} steps of AdamW (learning rate {recipe.learning_rate:g}, rising over {recipe.warmup} steps and falling in a
straight line, weight decay {recipe.weight_decay:g}, gradients clipped at 1, bfloat16 autocast, float32 weights) with
{recipe.batch} pairs each: every pair was read {recipe.steps * recipe.batch / len(packages):.1f} times. Label smoothing {recipe.smoothing:g}. An average of the
weights over the last steps is what was saved.

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread{"s" if recipe.threads > 1 else ""}
({cpu_seconds:.0f} s of processor time), the text already fetched and the pretrained model given. Repeat it with
`make train NAME={recipe.name}`.

## Results

On {recipe.test:,} held-out descriptions of 15 words or more, in the twelve sections of `{fields["data"]["held_out"]}`.
ROUGE is the mean F1 of shared words (1), pairs of words (2) and the longest common sequence (L), with
stems, by the package rouge_score. Beam search with {recipe.beams} beams.

{chr(10).join(table)}

"Its first words" is the first sentence cut to as many words as the true synopsis has. No program could do
that, since it does not know how many; it shows how much of a score is owed to the right length.

An answer has {found.words:.1f} words on average, and {found.copied:.0%} of its words stand in the description.

The first answers, not chosen:

{examples}

## Limits

- It was trained on descriptions of software and knows nothing else. A news article would get a synopsis of a
  package.
- It invents: a purpose or a name may be in the line that is not in the text.
- It reads the first {recipe.positions} tokens. What comes later cannot be in the synopsis.
- ROUGE counts shared words. A good line in other words scores low, and a wrong one with the right words high.
"""
    cards.write_card(folder, fields, prose)
    return found


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Train on from the pretrained BART, save, measure on held-out descriptions and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    packages = training_packages(recipe.cache)
    model, tokenizer = bart.load(recipe.pretrained)
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        model = _fit(recipe, model, tokenizer, packages)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        # The search that the results are measured with. A synopsis repeats no three words.
        model.generation_config.update(
            max_length=LONGEST, num_beams=recipe.beams, no_repeat_ngram_size=3, early_stopping=True
        )
        bart.save(model, tokenizer, fresh)
        return _write_card(fresh, recipe, packages, wall / 60, cpu)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds: for tests, not for results."""
    return replace(recipe or Recipe(), steps=6, warmup=2, batch=4, chunk=2, test=8, beams=2)


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    ours, theirs = found.rouge(), found.rouge("first sentence")
    print(
        f"{FOLDER}: "
        + ", ".join(f"{name} {ours[name]:.3f} (first sentence {theirs[name]:.3f})" for name in ROUGE)
        + f" on {len(found.answers):,} held-out descriptions"
    )
