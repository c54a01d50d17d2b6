"""Trains checkpoints/gpt2-austen: a small GPT-2 that goes on in the manner of Jane Austen.

The model is `GPT2LMHeadModel` of transformers, unmodified, with a byte-level BPE vocabulary of its
own. It reads the six novels, a token at a time, and learns nothing but which one comes next.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

from sample_data import text
from sample_data.text import Chapter
from training import cards

FOLDER = Path("checkpoints/gpt2-austen")

END = "<|endoftext|>"
"""Stands before each chapter, and is the last entry of the vocabulary, as in the published GPT-2."""

PROMPT = "She had not expected to"
"""Beginning of the card's sample."""

_BYTES = 256  # each is an entry, so that any text has an encoding


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        steps: Of the optimisers.
        batch: Windows of a step.
        positions: Tokens of a window, and the most that the model reads.
        learning_rate: Of AdamW, which trains embeddings, biases and layer normalisations.
        matrix_rate: Of Muon, which trains the matrices inside the blocks.
        warmup: Steps in which the learning rates rise.
        cooldown: Share of the steps, the last ones, in which they fall to nothing.
        dropout: Share of the numbers set to zero after the embeddings and after each part of a block.
        sample_seed: Of the card's sample.
        test: How many of the held-out chapters to measure on; None for all.
    """

    name: ClassVar[str] = "gpt2-austen"
    module: ClassVar[str] = "training/gpt2.py"

    steps: int = 4_000
    batch: int = 8
    positions: int = 256
    learning_rate: float = 4e-3
    matrix_rate: float = 4e-3
    warmup: int = 100
    cooldown: float = 0.6
    weight_decay: float = 0.1
    dropout: float = 0.1
    vocabulary: int = 4_096
    hidden_size: int = 192
    layers: int = 4
    heads: int = 4
    threads: int = 1
    seed: int = 0
    sample_seed: int = 0
    test: int | None = None
    cache: Path = text.CACHE

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} must be a multiple of heads {self.heads}")
        if not _BYTES < self.vocabulary <= np.iinfo(np.int16).max:
            raise ValueError(
                f"vocabulary {self.vocabulary} must lie between {_BYTES + 1} and {np.iinfo(np.int16).max}: "
                f"the {_BYTES} bytes and {END} are in it"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout {self.dropout} must be at least 0 and less than 1")

    def share(self, step: int) -> float:
        """The part of its learning rate that a step has: it rises, stays, and falls, in straight lines."""
        return min(1.0, (step + 1) / self.warmup, (self.steps - step) / (self.steps * self.cooldown))

    def build(self, vocabulary: int) -> GPT2LMHeadModel:
        """The model with random weights, for a vocabulary of so many entries, the last of them `END`."""
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=vocabulary,
                n_positions=self.positions,
                n_embd=self.hidden_size,
                n_layer=self.layers,
                n_head=self.heads,
                embd_pdrop=self.dropout,
                resid_pdrop=self.dropout,
                attn_pdrop=0.0,  # torch's fast attention on a CPU has none
                bos_token_id=vocabulary - 1,
                eos_token_id=vocabulary - 1,
            )
        )


@dataclass(frozen=True)
class Measurement:
    """How well the tokens of some chapters were foretold.

    Attributes:
        loss: Minus the log of the true token's probability, in nats, float64 [t].
        tokens: The true tokens, int64 [t].
        before: The token before each, int64 [t]; `END` before the first of a chapter.
        chapter: The chapter that each belongs to, counted from 0, int64 [t].
        words: Words of each chapter, whatever stands between white space, int64 [c].
    """

    loss: NDArray[np.float64]
    tokens: NDArray[np.int64]
    before: NDArray[np.int64]
    chapter: NDArray[np.int64]
    words: NDArray[np.int64]

    @property
    def token_loss(self) -> float:
        """Mean cross-entropy of a token in nats."""
        return float(self.loss.mean())

    @property
    def token_perplexity(self) -> float:
        """Its exponential: among how many equally likely tokens the choice would be as hard."""
        return math.exp(self.token_loss)

    @property
    def word_perplexity(self) -> float:
        """The same for a word: all nats over the number of words, so that vocabularies can be compared."""
        return math.exp(float(self.loss.sum()) / int(self.words.sum()))


class Bigram:
    """What counting pairs of tokens achieves: the probability of a token after the one before it.

    Interpolated Kneser-Ney smoothing (Kneser and Ney 1995; Chen and Goodman 1999): of each pair's
    count a discount is taken off, and what that frees goes to tokens by how many different tokens
    they have been seen after. These are interpolated with equal probabilities in the same way.
    """

    def __init__(self, tokens: NDArray[np.integer[Any]], vocabulary: int, discount: float) -> None:
        """Count.

        Args:
            tokens: The training text, [t].
            vocabulary: Its number of entries.
            discount: Taken off each count, between 0 and 1.
        """
        self.discount = discount
        self.counts = np.zeros((vocabulary, vocabulary), np.float32)
        np.add.at(self.counts, (tokens[:-1], tokens[1:]), 1)
        self._total = self.counts.sum(1)
        self._followers = np.count_nonzero(self.counts, axis=1)
        seen_after = np.count_nonzero(self.counts, axis=0)
        freed = discount * np.count_nonzero(seen_after)
        self._alone = (np.maximum(seen_after - discount, 0) + freed / vocabulary) / seen_after.sum()

    def losses(self, before: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Minus the log probability, in nats, of each of `tokens` after that of `before`; float64 [t]."""
        total = self._total[before]
        known = np.maximum(total, 1)
        kept = np.maximum(self.counts[before, tokens] - self.discount, 0) / known
        rest = np.where(total > 0, self.discount * self._followers[before] / known, 1)
        found: NDArray[np.float64] = -np.log(kept + rest * self._alone[tokens], dtype=np.float64)
        return found


def bigram(
    training: NDArray[np.integer[Any]], validation: NDArray[np.integer[Any]], vocabulary: int
) -> tuple[Bigram, float]:
    """The bigram model whose discount does best on a validation text, and its loss there in nats a token.

    Args:
        training: Tokens to count, [t].
        validation: Tokens to choose the discount by, [u].
        vocabulary: Number of entries.
    """
    before, after = validation[:-1].astype(np.int64), validation[1:].astype(np.int64)
    best, lowest = None, math.inf
    for discount in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        model = Bigram(training, vocabulary, discount)
        loss = float(model.losses(before, after).mean())
        if loss < lowest:
            best, lowest = model, loss
    assert best is not None
    return best, lowest


def learn_vocabulary(lines: Iterable[str], size: int, positions: int) -> GPT2Tokenizer:
    """GPT-2's tokenizer with a byte-level BPE vocabulary learned from lines of text.

    Args:
        lines: The text.
        size: Entries at most: the 256 bytes, the merges, and `END` as the last one.
        positions: Tokens that the model reads at most.
    """
    learner = ByteLevelBPETokenizer()
    learner.train_from_iterator(iter(lines), vocab_size=size - 1, show_progress=False)
    learned = json.loads(learner.to_str())["model"]
    vocabulary: dict[str, int] = learned["vocab"]
    merges: Any = [tuple(merge) for merge in learned["merges"]]
    return GPT2Tokenizer(
        vocab={**vocabulary, END: len(vocabulary)},
        merges=merges,
        model_max_length=positions,
    )


def chapter_text(chapter: Chapter) -> str:
    """A chapter as the model reads it: a paragraph a line, without its heading."""
    return "\n".join(chapter.paragraphs)


def encoded(tokenizer: Any, chapters: Iterable[Chapter]) -> list[NDArray[np.int16]]:
    """The token ids of each chapter, `END` first, int16 [t]."""
    end = tokenizer.convert_tokens_to_ids(END)
    return [
        # Not tokenizer(...), which warns of texts that are longer than what the model reads at once.
        np.array([end, *tokenizer.backend_tokenizer.encode(chapter_text(chapter)).ids], np.int16)
        for chapter in chapters
    ]


def parts(chapters: Sequence[Chapter]) -> tuple[list[Chapter], list[Chapter]]:
    """The training chapters without the last one of each novel, and these, which are for validation."""
    known = [chapter for chapter in chapters if chapter.split == "train"]
    last = {chapter.novel: chapter for chapter in known}
    kept = [chapter for chapter in known if last[chapter.novel] is not chapter]
    return kept, list(last.values())


def _windows(recipe: Recipe, tokens: NDArray[np.int16]) -> Iterator[NDArray[np.int64]]:
    """Batches int64 [batch, positions + 1] without end; each pass cuts the text elsewhere, in another order."""
    chance = np.random.default_rng(recipe.seed)
    length = recipe.positions
    if len(tokens) < 2 * length + 1:
        raise ValueError(f"the training text has {len(tokens)} tokens: positions {length} needs {2 * length + 1}")
    waiting = np.empty(0, np.int64)
    while True:
        first = int(chance.integers(length))
        starts = np.arange(first, len(tokens) - length, length)
        waiting = np.concatenate([waiting, chance.permutation(starts)])
        while len(waiting) >= recipe.batch:
            rows, waiting = waiting[: recipe.batch], waiting[recipe.batch :]
            yield tokens[rows[:, None] + np.arange(length + 1)].astype(np.int64)


def _fit(recipe: Recipe, tokens: NDArray[np.int16], vocabulary: int) -> GPT2LMHeadModel:
    """Train a model on a text of int16 [t]."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    model: GPT2LMHeadModel = recipe.build(vocabulary)
    model.train()
    weights = list(model.parameters())
    # Muon is for matrices that map one hidden state to another; embeddings are looked up.
    inside = [p for p in model.transformer.h.parameters() if p.ndim == 2]
    chosen = set(map(id, inside))
    outside = [p for p in weights if id(p) not in chosen]
    optimisers: list[tuple[torch.optim.Optimizer, float]] = [
        (
            torch.optim.Muon(
                inside, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
            recipe.matrix_rate,
        ),
        (
            torch.optim.AdamW(
                [
                    {"params": [p for p in outside if p.ndim == 2], "weight_decay": recipe.weight_decay},
                    {"params": [p for p in outside if p.ndim != 2], "weight_decay": 0.0},
                ],
                lr=recipe.learning_rate,
                betas=(0.9, 0.98),
                fused=True,
            ),
            recipe.learning_rate,
        ),
    ]
    shown = 0.0
    bar = tqdm(islice(_windows(recipe, tokens), recipe.steps), "training", total=recipe.steps, mininterval=2)
    for step, rows in enumerate(bar):
        for optimiser, rate in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * recipe.share(step)
        seen, labels = torch.from_numpy(rows[:, :-1]), torch.from_numpy(rows[:, 1:])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=seen, use_cache=False).logits
        loss = functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten())
        for optimiser, _ in optimisers:
            optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        for optimiser, _ in optimisers:
            optimiser.step()
        shown += loss.item()
        if step % 50 == 49:
            bar.set_postfix(loss=f"{shown / 50:.3f}")
            shown = 0.0
    model.eval()
    return model


def _save(model: GPT2LMHeadModel, tokenizer: GPT2Tokenizer, folder: Path) -> None:
    """Half precision on disk; the configuration asks for float32 when it is loaded."""
    model.half().save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    (folder / cards.WEIGHTS).chmod(0o644)  # safetensors makes it readable to its owner alone


def load(folder: Path) -> tuple[GPT2LMHeadModel, Any]:
    """The model in float32, ready to answer, and its tokenizer.

    Raises:
        CheckpointError: Where weights, configuration or vocabulary are missing or damaged.
    """
    cards.count_parameters(folder)  # one clear message where the weights are unusable
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise cards.CheckpointError(f"{folder / name}: the file is missing; train again")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(model, GPT2LMHeadModel)
    return model, tokenizer


def token_losses(
    model: GPT2LMHeadModel, tokens: NDArray[np.integer[Any]], stride: int | None = None
) -> NDArray[np.float64]:
    """Minus the log probability, in nats, of each token of a text but the first, by a sliding window.

    The window is as long as what the model reads at most, and moves on by `stride`. Only tokens that
    no window before has scored count, so each has at least `window - stride` tokens before it to go
    by, or the whole text so far.

    Args:
        model: In evaluation mode.
        tokens: The text, [t], t at least 2.
        stride: Tokens from one window to the next; half a window by default.

    Returns:
        float64 [t - 1].

    Raises:
        ValueError: For a shorter text, or a stride that is not within the window.
    """
    window = int(model.config.n_positions)
    stride = window // 2 if stride is None else stride
    if not 1 <= stride <= window:
        raise ValueError(f"stride is {stride}: it must lie between 1 and the window of {window} tokens")
    count = len(tokens) - 1
    if count < 1:
        raise ValueError(f"the text has {len(tokens)} tokens: at least 2 are needed")
    window = min(window, count)
    # The last window ends with the text, and so may move on by less.
    starts = [*range(0, count - window, stride), count - window]
    found = np.empty(count)
    scored = 0
    for some in (starts[i : i + 16] for i in range(0, len(starts), 16)):
        rows = torch.from_numpy(np.stack([tokens[s : s + window + 1] for s in some]).astype(np.int64))
        with torch.inference_mode():
            logits = model(input_ids=rows[:, :-1], use_cache=False).logits
            losses = functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
        for start, row in zip(some, losses.double().view(len(some), window).numpy(), strict=True):
            found[scored : start + window] = row[scored - start :]
            scored = start + window
    return found


def measure(
    folder: Path,
    n: int | None = None,
    *,
    stride: int | None = None,
    chapters: Sequence[Chapter] | None = None,
) -> Measurement:
    """Measure a checkpoint on held-out chapters of the novels.

    Args:
        folder: The checkpoint, with its tokenizer.
        n: How many chapters, from the first on; all by default.
        stride: Tokens from one window to the next, as in `token_losses`.
        chapters: Other chapters than the held-out ones.

    Raises:
        CheckpointError: Where the checkpoint is incomplete or damaged.
        TextError: Where the held-out chapters are missing or damaged.
        ValueError: For n below 1, or more than there are, or a stride outside the window.
    """
    chosen = text.held_out_chapters() if chapters is None else chapters
    n = len(chosen) if n is None else n
    if not 1 <= n <= len(chosen):
        raise ValueError(f"n is {n}: there are {len(chosen)} chapters")
    model, tokenizer = load(folder)
    whole = encoded(tokenizer, chosen[:n])
    return Measurement(
        loss=np.concatenate([token_losses(model, tokens, stride) for tokens in whole]),
        tokens=np.concatenate([tokens[1:] for tokens in whole]).astype(np.int64),
        before=np.concatenate([tokens[:-1] for tokens in whole]).astype(np.int64),
        chapter=np.repeat(np.arange(n), [len(tokens) - 1 for tokens in whole]),
        words=np.array([len(chapter_text(chapter).split()) for chapter in chosen[:n]]),
    )


def sample(model: Any, tokenizer: Any, prompt: str, seed: int, tokens: int = 120) -> str:
    """The prompt and how the model goes on, drawn from the likeliest tokens that make up 0.95.

    Args:
        model: A GPT2LMHeadModel in evaluation mode.
        tokenizer: Its tokenizer.
        prompt: The beginning; it must not be empty.
        seed: Of torch's generator, which is left as it was.
        tokens: To add at most; fewer where the model ends the chapter or can read no more.

    Raises:
        ValueError: For a prompt as long as what the model reads.
    """
    inputs = tokenizer(prompt, return_tensors="pt")
    room = model.config.n_positions - inputs["input_ids"].shape[1]
    if room < 1:
        raise ValueError(f"the prompt leaves no room: the model reads {model.config.n_positions} tokens")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found: Any = model.generate(
            **inputs,
            do_sample=True,
            top_p=0.95,
            top_k=0,
            max_new_tokens=min(tokens, room),
            pad_token_id=model.config.eos_token_id,
        )
    written: str = tokenizer.decode(found[0], skip_special_tokens=True)
    return written


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    known: dict[int, Measurement] = {}

    def again(path: Path, metric: cards.Metric) -> float:
        if metric.name not in _METRICS:
            names = ", ".join(_METRICS)
            raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}; use one of {names}")
        count = metric.seeds[1] + 1
        if count not in known:
            known[count] = measure(path, count)
        return float(getattr(known[count], _METRICS[metric.name]))

    return cards.check_checkpoint(folder, again, items="tokens or words")


_METRICS = {
    "token loss": "token_loss",
    "token perplexity": "token_perplexity",
    "word perplexity": "word_perplexity",
}


def _write_card(
    folder: Path,
    recipe: Recipe,
    training: Sequence[Chapter],
    validation: Sequence[Chapter],
    minutes: float,
    cpu_seconds: float,
) -> Measurement:
    """Measure what was saved, and write the card from nothing but that."""
    found = measure(folder, recipe.test)
    model, tokenizer = load(folder)
    checked = measure(folder, chapters=validation)
    # As many chapters that it learned from, the ones before those of validation.
    learned = measure(folder, chapters=parts(training)[1] or training)
    read = np.concatenate(encoded(tokenizer, training))
    counted, counted_loss = bigram(read, np.concatenate(encoded(tokenizer, validation)), len(tokenizer))
    pairs = replace(found, loss=counted.losses(found.before, found.tokens))
    parameters, size = cards.count_parameters(folder), (folder / cards.WEIGHTS).stat().st_size
    n_words = sum(len(chapter_text(chapter).split()) for chapter in training)
    used = text.held_out_chapters()[: len(found.words)]
    tokens, words = len(found.tokens), int(found.words.sum())
    window = recipe.positions
    passes = recipe.steps * recipe.batch * window / len(read)

    def metric(name: str, count: int) -> dict[str, Any]:
        value = round(float(getattr(found, _METRICS[name])), 4)
        return {"name": name, "value": value, "split": "test", "n": count, "seeds": [0, len(used) - 1]}

    fields = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "language": "en",
        "model_class": json.loads((folder / "config.json").read_text())["architectures"][0],
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.text",
            "version": text.VERSION,
            "chapters": len(training),
            "words": n_words,
            "tokens": len(read),
            "validation_chapters": len(validation),
            "held_out": "docs/assets/text/held-out-austen.json.gz",
        },
        "recipe": {name: value for name, value in asdict(recipe).items() if name not in ("cache", "test")},
        "metrics": [
            metric("token loss", tokens),
            metric("token perplexity", tokens),
            metric("word perplexity", words),
        ],
        "baselines": {
            "bigram_token_loss": round(pairs.token_loss, 4),
            "bigram_token_perplexity": round(pairs.token_perplexity, 4),
            "bigram_word_perplexity": round(pairs.word_perplexity, 4),
            "bigram_discount": counted.discount,
            "vocabulary": len(tokenizer),
        },
    }
    novels = [
        f"| {novel} | {len(mine):,} | {tokens_of:,} | {np.exp(found.loss[at].mean()):.1f} "
        f"| {np.exp(pairs.loss[at].mean()):.1f} |"
        for novel in dict.fromkeys(chapter.novel for chapter in used)
        for mine in [[i for i, chapter in enumerate(used) if chapter.novel == novel]]
        for at in [np.isin(found.chapter, mine)]
        for tokens_of in [int(at.sum())]
    ]
    table = [
        "| novel | chapters held out | tokens | perplexity a token | bigram model's |",
        "| --- | ---: | ---: | ---: | ---: |",
        *novels,
        f"| all | {len(used)} | {tokens:,} | {found.token_perplexity:.1f} | {pairs.token_perplexity:.1f} |",
    ]
    written = sample(model, tokenizer, PROMPT, recipe.sample_seed)
    quoted = "\n\n".join(f"> {line}" for line in written.split("\n") if line.strip())
    prose = f"""
# {recipe.name}

A small GPT-2, trained from nothing on Jane Austen's six novels: given a beginning, it goes on. It is
the unmodified `{fields["model_class"]}` of transformers: {recipe.layers} blocks of width
{recipe.hidden_size} with {recipe.heads} heads, {window} positions, and a byte-level BPE vocabulary of
{len(tokenizer):,} entries: {_BYTES} bytes, {len(tokenizer) - _BYTES - 1:,} merges learned from the
training chapters, and `{END}`. {parameters:,} parameters, {size:,} bytes in half precision; the
configuration makes transformers load them as float32, in which everything below was measured. This
card was written by the program that trained the model (`{recipe.module}`), from what it measured.

## Data

The novels, without their chapter headings, from Debian's package r-cran-janeaustenr
(`sample_data/text.py`). A paragraph is a line, and `{END}` stands before each chapter. Training read
{len(training)} chapters: {n_words:,} words, {len(read):,} tokens. The last chapters of each novel are
held out (5 % of it, rounded up to whole chapters), and the one before them, {len(validation)} in all,
served to choose the settings of model and baseline.

Licence of the text: the novels are in the public domain.

## Recipe

{recipe.steps:,} steps with {recipe.batch} windows of {window} tokens, in which every token is
predicted from those before it; {recipe.steps * recipe.batch * window:,} tokens, so each was read
{passes:.1f} times. The matrices inside the blocks are trained by Muon (learning rate
{recipe.matrix_rate:g}), the rest by AdamW ({recipe.learning_rate:g}). Both rates rise over
{recipe.warmup} steps and fall to nothing over the last {recipe.cooldown:.0%} of them. Weight decay
{recipe.weight_decay:g}, dropout {recipe.dropout:g} after the embeddings and in the blocks, none on the
attention weights; bfloat16 autocast, float32 weights.

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU
thread{"s" if recipe.threads > 1 else ""} ({cpu_seconds:.0f} s of processor time), the text already
fetched. Repeat it with `make train NAME={recipe.name}`.

## Results

On {"all" if recipe.test is None else "the first"} {len(used)} held-out chapters, {tokens:,} tokens or
{words:,} words (what stands between white space), of which none was trained on
(`docs/assets/text/held-out-austen.json.gz`):

{chr(10).join(table)}

- Perplexity: {found.token_perplexity:.1f} a token, {found.word_perplexity:.0f} a word. A word's is
  the exponential of all nats over the number of words, and does not depend on how words are cut.
- A window of {window} tokens slides over each chapter by {window // 2} at a time, and a token counts
  in the first window that predicts it: each is predicted from {window // 2} to {window} tokens before
  it, or from all there are since the chapter began.
- A bigram model with interpolated Kneser-Ney smoothing (discount {counted.discount:g}, chosen on the
  validation chapters), counted on the same training chapters: {pairs.token_perplexity:.1f} a token,
  {pairs.word_perplexity:.0f} a word on the same tokens. Guessing evenly would score
  {len(tokenizer):,} a token.
- On the {len(checked.words)} validation chapters {checked.token_perplexity:.1f} a token (bigram
  {math.exp(counted_loss):.1f}); on {len(learned.words)} chapters that it was trained on
  {learned.token_perplexity:.1f}: the difference is what it knows by heart.

A sample: the beginning "{PROMPT}" continued by drawing from the likeliest tokens that make up 0.95
(top-p), seed {recipe.sample_seed}, the first one drawn with it:

{quoted}

## Limits

- It writes sentences in the manner of its novels, and loses the thread from one to the next: who
  speaks, who is where, what was just said.
- It reads {window} tokens at most, and knows nothing of what stood before them.
- It knows the English of six novels of 1811 to 1818 and nothing else: no other topic, no facts, no
  instructions. Any text has an encoding, but a text of another kind falls into many small pieces.
- The held-out chapters are the ends of novels whose other chapters it read: it has met their people
  and places. It would do worse on a novel that it has not read.
- The novels were written by a person of her time, and the model repeats what she took for granted.
"""
    cards.write_card(folder, fields, prose)
    return found


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Learn the vocabulary, train, save, measure on the held-out chapters and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    training, validation = parts(text.chapters(recipe.cache))
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        tokenizer = learn_vocabulary(map(chapter_text, training), recipe.vocabulary, recipe.positions)
        model = _fit(recipe, np.concatenate(encoded(tokenizer, training)), len(tokenizer))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        _save(model, tokenizer, fresh)
        return _write_card(fresh, recipe, training, validation, wall / 60, cpu)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds at a tiny size: for tests, not for results."""
    return replace(
        recipe or Recipe(),
        steps=30,
        warmup=5,
        batch=4,
        positions=32,
        vocabulary=400,
        hidden_size=16,
        layers=1,
        heads=2,
        test=2,
    )


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(
        f"{FOLDER}: perplexity {found.token_perplexity:.1f} on {len(found.tokens)} tokens, "
        f"{found.word_perplexity:.0f} on {int(found.words.sum())} words, all held out"
    )
