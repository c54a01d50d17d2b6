"""Trains checkpoints/bart-compact: a BART that mends corrupted text.

The model is `BartForConditionalGeneration` of transformers, unmodified, pretrained with the two
corruptions that the paper settles on, text infilling and sentence permutation, and with a
byte-level BPE vocabulary of its own. It reads Debian's package descriptions and Jane Austen's novels.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoTokenizer, BartConfig, BartForConditionalGeneration, BartTokenizer

from sample_data import text
from training import cards

FOLDER = Path("checkpoints/bart-compact")

NOT_CHOSEN = -100
"""Label of a position that does not count in the loss, as transformers has it."""

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
"""The special tokens; their ids are their places, 0 to 4."""

BOS, PAD, EOS, UNK, MASK = range(5)
_CORPORA: tuple[text.Corpus, ...] = ("debian", "austen")


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        steps: Of the optimisers.
        batch: Passages of a step; half as many where they are long.
        length: Tokens of a passage, `<s>` and `</s>` included.
        long_share: Share of the steps, spread over the training, whose passages have `positions` tokens.
        austen: Share of the passages that come from the novels.
        share: Share of a passage's tokens that infilling takes out.
        mean: Mean length of a span, in tokens.
        permuted: Share of the passages whose sentences change places.
        easy: Share of the steps, the first ones, in which `share` grows from nothing and no sentences
            change places: the model learns to copy before it learns to mend.
        learning_rate: Of AdamW, which trains embeddings, biases and layer normalisations.
        matrix_rate: Of Muon, which trains the matrices inside the layers.
        warmup: Steps in which the learning rates rise; then they fall along half a cosine.
        average: Weight of the past in the exponential average of the weights.
    """

    name: ClassVar[str] = "bart-compact"
    module: ClassVar[str] = "training/bart.py"

    steps: int = 5_600
    batch: int = 16
    length: int = 64
    positions: int = 128
    long_share: float = 0.25
    austen: float = 0.25
    share: float = 0.3
    mean: float = 3.0
    permuted: float = 0.3
    easy: float = 0.08
    learning_rate: float = 3e-3
    matrix_rate: float = 3e-3
    warmup: int = 150
    weight_decay: float = 0.05
    average: float = 0.998
    vocabulary: int = 4_096
    d_model: int = 160
    layers: int = 3
    heads: int = 4
    ffn: int = 640
    threads: int = 1
    seed: int = 0
    test: int = 1_000
    fills: int = 600
    cache: Path = text.CACHE

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} must be a multiple of heads {self.heads}")
        if not 12 <= self.length <= self.positions:
            raise ValueError(f"length {self.length} must lie between 12 and positions {self.positions}")
        if self.vocabulary < 261:
            raise ValueError(f"vocabulary {self.vocabulary} must be at least 261: 256 bytes and 5 special tokens")
        if not 0 <= self.share < 1:
            raise ValueError(f"share {self.share} must lie between 0 and 1")
        if not 0 <= self.easy < 1:
            raise ValueError(f"easy {self.easy} must be at least 0 and less than 1")

    def rate(self, step: int) -> float:
        """The part of its learning rate that a step has: a straight rise, then half a cosine down to nothing."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.5 * (1 + math.cos(math.pi * share))

    def corruption(self, step: int) -> tuple[float, float]:
        """Share of the tokens that infilling takes out in a step, and share of the passages permuted."""
        grown = min(1.0, (step + 1) / max(1.0, self.easy * self.steps))
        return self.share * grown, self.permuted if grown == 1 else 0.0

    def build(self, vocabulary: int) -> BartForConditionalGeneration:
        """The model for a vocabulary of so many entries, with the weights that training starts from.

        They are random but for two things, without which a small model takes very long to find out that
        most of a text is to be copied. The positions of encoder and decoder start as the same sine codes,
        and the keys of cross-attention as its queries, so that like attends to like. Both are trained on.
        """
        model = BartForConditionalGeneration(
            BartConfig(
                vocab_size=vocabulary,
                d_model=self.d_model,
                encoder_layers=self.layers,
                decoder_layers=self.layers,
                encoder_attention_heads=self.heads,
                decoder_attention_heads=self.heads,
                encoder_ffn_dim=self.ffn,
                decoder_ffn_dim=self.ffn,
                max_position_embeddings=self.positions,
                dropout=0.0,
            )
        )
        with torch.no_grad():
            for part in (model.model.encoder, model.model.decoder):
                part.embed_positions.weight.copy_(_sines(*part.embed_positions.weight.shape))
            for layer in model.model.decoder.layers:
                layer.encoder_attn.k_proj.weight.copy_(layer.encoder_attn.q_proj.weight)
        return model


def _sines(count: int, width: int) -> torch.Tensor:
    """Sine codes of positions (Vaswani et al. 2017), as small as embeddings are at the start, [count, width]."""
    angles = torch.arange(count)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(200) / width))
    return 0.05 * torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@dataclass(frozen=True)
class Corrupted:
    """A passage as the encoder reads it, and as the decoder shall write it.

    Attributes:
        seen: Token ids with `<s>` and `</s>`, corrupted.
        target: Token ids with `<s>` and `</s>` of the passage as it was.
        spans: What infilling took out: start and length, counted in the permuted tokens without `<s>`.
        order: Which sentence stands at each place of `seen`; (0, 1, 2) where they kept their places.
    """

    seen: list[int]
    target: list[int]
    spans: list[tuple[int, int]]
    order: tuple[int, ...]


@dataclass(frozen=True)
class Measurement:
    """What a checkpoint restored of held-out passages.

    Attributes:
        truth: The tokens of the spans taken out, int64 [t].
        answers: The likeliest token at each, given the true tokens before it, int64 [t].
        before: The true token before each, int64 [t].
        lengths: Length of the one span that each fill is about, int64 [f].
        written: Tokens written in its place, int64 [f]; -1 where the text around it did not come back.
        exact: Whether they are the very tokens, bool [f].
        intact: Whether all of the passage outside the span came back, bool [f].
    """

    truth: NDArray[np.int64]
    answers: NDArray[np.int64]
    before: NDArray[np.int64]
    lengths: NDArray[np.int64]
    written: NDArray[np.int64]
    exact: NDArray[np.bool_]
    intact: NDArray[np.bool_]

    @property
    def restored_accuracy(self) -> float:
        """Share of the tokens in spans that are the likeliest one, teacher forced."""
        return float((self.truth == self.answers).mean())

    @property
    def several(self) -> float:
        """Share of the spans of two or more tokens for which two or more were written."""
        long = self.lengths >= 2
        return float((self.written[long] >= 2).mean()) if long.any() else 0.0

    @property
    def exact_share(self) -> float:
        """Share of the spans that came back token by token."""
        return float(self.exact.mean())

    @property
    def length_right(self) -> float:
        """Share of the spans for which as many tokens were written as had been there."""
        return float((self.written == self.lengths).mean())

    @property
    def length_chance(self) -> float:
        """The same if the lengths written were dealt out among the passages at random."""
        count = len(self.lengths)
        sizes, times = np.unique(self.lengths, return_counts=True)
        return float(
            sum((self.written == size).sum() / count * n / count for size, n in zip(sizes, times, strict=True))
        )

    @property
    def intact_share(self) -> float:
        """Share of the passages of which all outside the span came back."""
        return float(self.intact.mean())


def learn_vocabulary(lines: Iterable[str], size: int, positions: int) -> BartTokenizer:
    """BART's tokenizer with a byte-level BPE vocabulary learned from lines of text.

    Args:
        lines: The text.
        size: Entries at most, the five special ones and the 256 bytes included.
        positions: Tokens that the model reads at most, kept for truncation.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # With a space in front, as a word has it in the middle of a text; the bare ones are learned too.
    learner.train_from_iterator((part for line in lines for part in (line, f" {line}")), trainer)
    learned: dict[str, Any] = json.loads(learner.to_str())["model"]
    merges: Any = [tuple(merge) for merge in learned["merges"]]
    # The space in front of <mask> belongs to it, as in BART's own tokenizer.
    mask: Any = AddedToken("<mask>", lstrip=True, special=True)
    return BartTokenizer(
        vocab=learned["vocab"],
        merges=merges,
        mask_token=mask,
        model_max_length=positions,
    )


def infill(
    tokens: Sequence[int], chance: np.random.Generator, share: float = 0.3, mean: float = 3.0, mask: int = MASK
) -> tuple[list[int], list[tuple[int, int]]]:
    """Text infilling: spans of tokens are taken out, and one mask stands for each of them.

    The lengths are drawn from a Poisson distribution until `share` of the tokens is taken; the last
    one is cut to fit. A length of 0 takes nothing out: a mask is put in where nothing is missing.
    Between two masks at least one token is left, so that each mask stands for one span.

    Args:
        tokens: Ids without special tokens.
        chance: What draws.
        share: Share of the tokens to take out, rounded to whole tokens.
        mean: Of the Poisson distribution.
        mask: Id of the mask.

    Returns:
        What is left, and the spans in order: start in `tokens`, and length.

    Source: Lewis et al., BART, 2019, section 2.2.
    """
    goal = min(round(len(tokens) * share), len(tokens) - 1)
    lengths: list[int] = []
    while sum(lengths) < goal:
        lengths.append(min(int(chance.poisson(mean)), goal - sum(lengths)))
    slots = len(tokens) - sum(lengths) + 1  # before, between and after the tokens that stay
    while len(lengths) > slots:  # hardly ever: masks that stand for nothing have no room left
        lengths.remove(min(lengths))
        slots = len(tokens) - sum(lengths) + 1
    chance.shuffle(lengths)
    where = np.sort(chance.choice(slots, len(lengths), replace=False))
    seen: list[int] = []
    spans: list[tuple[int, int]] = []
    at = taken = 0
    for slot, length in zip(where.tolist(), lengths, strict=True):
        start = slot + taken
        seen += [*tokens[at:start], mask]
        spans.append((start, length))
        taken += length
        at = start + length
    return [*seen, *tokens[at:]], spans


def permute(count: int, chance: np.random.Generator) -> tuple[int, ...]:
    """Sentence permutation: a random order of so many sentences, which may be the old one."""
    return tuple(int(i) for i in chance.permutation(count))


def corrupt(
    tokenizer: Any,
    sentences: Sequence[str],
    chance: np.random.Generator,
    *,
    share: float = 0.3,
    mean: float = 3.0,
    permuted: float = 1.0,
    limit: int = 126,
) -> Corrupted:
    """Corrupt a passage as in training: its sentences change places, then spans are taken out.

    Args:
        tokenizer: BART's.
        sentences: The passage.
        chance: What draws.
        share: See `infill`.
        mean: See `infill`.
        permuted: Probability with which the sentences change places.
        limit: Tokens of the passage that are kept, without `<s>` and `</s>`.
    """
    order = permute(len(sentences), chance) if chance.random() < permuted else tuple(range(len(sentences)))
    texts = [" ".join(sentences), " ".join(sentences[i] for i in order)]
    whole, mixed = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=limit)["input_ids"]
    seen, spans = infill(mixed, chance, share, mean)
    return Corrupted([BOS, *seen, EOS], [BOS, *whole, EOS], spans, order)


@dataclass(frozen=True)
class _Document:
    """Sentences in order, and how many tokens each has."""

    sentences: tuple[str, ...]
    sizes: tuple[int, ...]

    def passage(self, first: int, room: int) -> list[str]:
        """Sentences from `first` on that fit into `room` tokens, at least one."""
        stop, used = first, 0
        while stop < len(self.sizes) and (stop == first or used + self.sizes[stop] <= room):
            used += self.sizes[stop]
            stop += 1
        return list(self.sentences[first:stop])


def _documents(tokenizer: Any, corpora: dict[str, list[list[str]]]) -> dict[str, list[_Document]]:
    found: dict[str, list[_Document]] = {}
    for name, documents in corpora.items():
        lines = [f" {line}" for document in documents for line in document]
        sizes = [len(ids) for ids in tokenizer(lines, add_special_tokens=False, truncation=False)["input_ids"]]
        found[name], start = [], 0
        for document in documents:
            found[name].append(_Document(tuple(document), tuple(sizes[start : start + len(document)])))
            start += len(document)
    return found


def padded(rows: Sequence[Sequence[int]], value: int = PAD) -> torch.Tensor:
    """Token ids as int64 [len(rows), longest], filled up with `value` on the right."""
    found = torch.full((len(rows), max(map(len, rows))), value)
    for row, ids in zip(found, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return found


class _Passages:
    """Draws passages: each sentence of a corpus is equally likely to be the first of one."""

    def __init__(self, corpora: dict[str, list[_Document]], austen: float) -> None:
        self.documents = [corpora[name] for name in _CORPORA]
        self.ends = [np.cumsum([len(d.sizes) for d in documents]) for documents in self.documents]
        self.austen = austen

    def draw(self, room: int, chance: np.random.Generator) -> list[str]:
        """A passage of at most `room` tokens (a longer sentence is cut later), now and then a shorter one."""
        which = int(chance.random() < self.austen)
        ends = self.ends[which]
        number = int(chance.integers(ends[-1]))
        i = int(np.searchsorted(ends, number, side="right"))
        document = self.documents[which][i]
        first = number - int(ends[i] - len(document.sizes))
        if chance.random() < 0.15:
            room = int(chance.integers(min(10, room), room + 1))
        return document.passage(first, room)


def _fit(recipe: Recipe, corpora: dict[str, list[_Document]], tokenizer: Any) -> BartForConditionalGeneration:
    """Train a model; the average of its weights over the last steps is what comes back."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    chance = np.random.default_rng(recipe.seed)
    model = recipe.build(len(tokenizer)).train()
    passages = _Passages(corpora, recipe.austen)
    weights = list(model.parameters())
    # Muon is for matrices that map one hidden state to another; embeddings are looked up.
    layers = (model.model.encoder.layers, model.model.decoder.layers)
    inside = [p for part in layers for p in part.parameters() if p.ndim == 2]
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
    average = torch.optim.swa_utils.AveragedModel(
        model,
        # Early on the average reaches back less far, or it would remember the random start.
        avg_fn=lambda old, new, seen: old.lerp(new, max(1 - recipe.average, 1 / (1 + seen / 10))),
    )
    shown: list[float] = []
    bar = tqdm(range(recipe.steps), "training", mininterval=5)
    for step in bar:
        for optimiser, rate in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * recipe.rate(step)
        long = chance.random() < recipe.long_share
        size, length = (max(1, recipe.batch // 2), recipe.positions) if long else (recipe.batch, recipe.length)
        share, permuted = recipe.corruption(step)
        rows = [
            corrupt(
                tokenizer,
                # Permuted sentences may have a token more or less, as a text's first word has no space.
                passages.draw(length - 6, chance),
                chance,
                share=share,
                mean=recipe.mean,
                permuted=permuted,
                limit=length - 2,
            )
            for _ in range(size)
        ]
        seen, labels = padded([row.seen for row in rows]), padded([row.target for row in rows], NOT_CHOSEN)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(
                input_ids=seen,
                attention_mask=(seen != PAD).long(),
                decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels),
                use_cache=False,
            ).logits
        loss = functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        for optimiser, _ in optimisers:
            optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        for optimiser, _ in optimisers:
            optimiser.step()
        average.update_parameters(model)
        shown.append(loss.item())
        if step % 50 == 49:
            bar.set_postfix(loss=f"{np.mean(shown):.3f}")
            shown.clear()
    result: Any = average.module.eval()
    assert isinstance(result, BartForConditionalGeneration)
    return result


def save(model: BartForConditionalGeneration, tokenizer: Any, folder: Path) -> None:
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
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise cards.CheckpointError(f"{folder / name}: the file is missing; train again")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = BartForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(model, BartForConditionalGeneration)
    return model, tokenizer


def held_out_passages(folder: Path = text.FOLDER) -> list[list[str]]:
    """The held-out pairs whose second sentence follows: 1,000 passages that occur nowhere in training.

    Raises:
        TextError: Where the held-out pairs are missing or damaged.
    """
    return [[pair.first, pair.second] for pair in text.held_out_pairs(folder) if pair.follows]


def find_fill(written: Sequence[int], before: Sequence[int], after: Sequence[int]) -> list[int] | None:
    """What was written in the place of a mask.

    Args:
        written: A text's ids, with its special tokens.
        before: The ids in front of the mask; the last two of them are looked for.
        after: The ids behind it; the first two of them are looked for.

    Returns:
        The ids between the two, or None where either is not found. Where `before` occurs more than
        once, the place nearest to the mask's is taken.
    """
    left, right, line = list(before[-2:]), list(after[:2]), list(written)
    starts = [i for i in range(len(left), len(line) + 1) if line[i - len(left) : i] == left]
    for start in sorted(starts, key=lambda i: abs(i - len(before)))[:1]:
        for stop in range(start, len(line) - len(right) + 1):
            if line[stop : stop + len(right)] == right:
                return line[start:stop]
    return None


def measure(
    folder: Path, n: int = 1_000, *, fills: int = 600, share: float = 0.3, mean: float = 3.0, seed: int = 0
) -> Measurement:
    """Measure a checkpoint on the first n held-out passages, their sentences in order.

    Spans are taken out of each as in training, and their tokens predicted with the true ones before
    them given. Then, of `fills` passages, one span of 1 to 6 tokens alone becomes a mask, and the
    model writes the whole passage, always taking the likeliest token.

    Args:
        folder: The checkpoint, with its tokenizer.
        n: How many passages.
        fills: How many of them, the first, are also written out.
        share: See `infill`.
        mean: See `infill`.
        seed: Of the choice of spans.

    Raises:
        CheckpointError: Where the checkpoint is incomplete or damaged.
        TextError: Where the held-out pairs are missing or damaged.
        ValueError: For n below 1, or more than there are, or fills that are not among them.
    """
    passages = held_out_passages()
    if not 1 <= n <= len(passages):
        raise ValueError(f"n is {n}: there are {len(passages)} held-out passages")
    if not 1 <= fills <= n:
        raise ValueError(f"fills is {fills}: it must lie between 1 and n, which is {n}")
    model, tokenizer = load(folder)
    limit = model.config.max_position_embeddings - 2
    chance = np.random.default_rng(seed)
    truth, answers, before = [], [], []
    for start in range(0, n, 25):
        rows = [
            corrupt(tokenizer, passage, chance, share=share, mean=mean, permuted=0.0, limit=limit)
            for passage in passages[start : min(n, start + 25)]
        ]
        seen, labels = padded([row.seen for row in rows]), padded([row.target for row in rows], NOT_CHOSEN)
        with torch.inference_mode():
            best = model(input_ids=seen, attention_mask=(seen != PAD).long(), labels=labels).logits.argmax(-1)
        for row, likeliest in zip(rows, best.tolist(), strict=True):
            # A span starts one place later in the target, which begins with <s>.
            for at in (i + 1 for first, length in row.spans for i in range(first, first + length)):
                truth.append(row.target[at])
                answers.append(likeliest[at])
                before.append(row.target[at - 1])
    fill = _fills(model, tokenizer, passages[:fills], np.random.default_rng(seed + 1), limit)
    return Measurement(np.array(truth), np.array(answers), np.array(before), *fill)


def _fills(
    model: Any, tokenizer: Any, passages: Sequence[list[str]], chance: Any, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """One span of each passage becomes a mask: see `Measurement` from `lengths` on."""
    lengths, written, exact, intact = [], [], [], []
    for first in range(0, len(passages), 50):
        whole = [
            tokenizer(" ".join(passage), truncation=True, max_length=limit + 2)["input_ids"]
            for passage in passages[first : first + 50]
        ]
        cuts = []
        for ids in whole:
            length = min(int(chance.integers(1, 7)), len(ids) - 3)
            start = int(chance.integers(1, len(ids) - length))
            cuts.append((start, start + length))
        seen = padded([[*ids[:a], MASK, *ids[b:]] for ids, (a, b) in zip(whole, cuts, strict=True)])
        with torch.inference_mode():
            lines = model.generate(
                input_ids=seen,
                attention_mask=(seen != PAD).long(),
                max_length=min(limit + 2, seen.shape[1] + 16),
                num_beams=1,
                do_sample=False,
            ).tolist()
        for ids, (a, b), line in zip(whole, cuts, lines, strict=True):
            line = line[1:]  # the decoder starts with </s>
            line = line[: line.index(EOS) + 1] if EOS in line else line
            fill = find_fill(line, ids[:a], ids[b:])
            lengths.append(b - a)
            written.append(-1 if fill is None else len(fill))
            exact.append(fill == ids[a:b])
            intact.append(fill is not None and line == [*ids[:a], *fill, *ids[b:]])
    return np.array(lengths), np.array(written), np.array(exact), np.array(intact)


def check_checkpoint(folder: Path) -> cards.Card:
    """Measure the card's metrics again; CheckpointError where anything disagrees with it."""
    known: dict[tuple[int, int], Measurement] = {}
    cards.count_parameters(folder)
    fills = int(cards.read_card(folder).data["fills"])

    def again(path: Path, metric: cards.Metric) -> float:
        if metric.name not in METRICS:
            names = ", ".join(METRICS)
            raise cards.CheckpointError(f"{path / cards.CARD}: no way to measure {metric.name!r}; use one of {names}")
        count = max(metric.seeds[1] + 1, fills)
        if (count, fills) not in known:
            known[count, fills] = measure(path, count, fills=fills)
        return float(getattr(known[count, fills], METRICS[metric.name]))

    return cards.check_checkpoint(folder, again, items="tokens or passages")


METRICS = {
    "restored-token accuracy": "restored_accuracy",
    "several tokens from one mask": "several",
    "exact fills": "exact_share",
    "fills of the right length": "length_right",
    "passages intact around the mask": "intact_share",
}
"""Names on the card, and the properties of a `Measurement`."""


def _bigram_accuracy(found: Measurement, rows: Iterable[Sequence[int]], vocabulary: int) -> tuple[float, int]:
    """What counting gets right: the token that follows the one before most often; and the commonest token."""
    pairs = np.zeros((vocabulary, vocabulary), np.int32)
    for ids in rows:
        np.add.at(pairs, (ids[:-1], ids[1:]), 1)
    return float((pairs.argmax(1)[found.before] == found.truth).mean()), int(pairs.sum(0).argmax())


def _write_card(
    folder: Path, recipe: Recipe, corpora: dict[str, list[_Document]], minutes: float, cpu_seconds: float
) -> Measurement:
    """Measure what was saved, and write the card from nothing but that."""
    found = measure(folder, recipe.test, fills=recipe.fills, share=recipe.share, mean=recipe.mean)
    _, tokenizer = load(folder)
    parameters, size = cards.count_parameters(folder), (folder / cards.WEIGHTS).stat().st_size
    texts = [" ".join(document.sentences) for name in _CORPORA for document in corpora[name]]
    rows = tokenizer(texts, truncation=False)["input_ids"]
    bigram, frequent = _bigram_accuracy(found, rows, len(tokenizer))
    constant = float((found.truth == frequent).mean())
    usual = tokenizer.decode([frequent])
    tokens = {name: sum(sum(document.sizes) for document in corpora[name]) for name in _CORPORA}
    of_two = int((found.lengths >= 2).sum())
    place = "docs/assets/text/held-out-pairs.json.gz"

    def metric(name: str, n: int, last: int) -> dict[str, Any]:
        value = round(float(getattr(found, METRICS[name])), 4)
        return {"name": name, "value": value, "split": "test", "n": n, "seeds": [0, last - 1]}

    fields = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "language": "en",
        "model_class": json.loads((folder / "config.json").read_text())["architectures"][0],
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.text",
            "version": text.VERSION,
            "debian_tokens": tokens["debian"],
            "austen_tokens": tokens["austen"],
            "held_out": place,
            "fills": recipe.fills,
        },
        "recipe": {k: v for k, v in asdict(recipe).items() if k not in ("cache", "test", "fills")},
        "metrics": [
            metric("restored-token accuracy", len(found.truth), recipe.test),
            metric("several tokens from one mask", of_two, recipe.fills),
            *(metric(name, recipe.fills, recipe.fills) for name in list(METRICS)[2:]),
        ],
        "baselines": {
            "most_frequent_token": usual,
            "most_frequent_token_accuracy": round(constant, 4),
            "bigram_accuracy": round(bigram, 4),
            "length_by_chance": round(found.length_chance, 4),
        },
    }
    longest = max(1, recipe.batch // 2)
    prose = f"""
# {recipe.name}

A small BART, pretrained to mend text: spans of words are missing, each behind one mask, and sentences
have changed places. It is the unmodified `{fields["model_class"]}` of transformers: {recipe.layers} encoder and
{recipe.layers} decoder layers of width {recipe.d_model} with {recipe.heads} heads, a feed-forward width of
{recipe.ffn}, {recipe.positions} positions, and a byte-level BPE vocabulary of {len(tokenizer):,} entries
learned from the training text. {parameters:,} parameters, {size:,} bytes in half precision; the
configuration makes transformers load them as float32, in which everything below was measured. This
card was written by the program that trained the model (`{recipe.module}`), from what it measured.

## Data

Two kinds of English, both from Debian's archive (`sample_data/text.py`). Package descriptions:
{tokens["debian"]:,} tokens, without those of every fifth source package; a sentence that packages
share is kept three times at most. Jane Austen's six novels: {tokens["austen"]:,} tokens, without the
last chapters of each.

Licences of the text: the novels are in the public domain. A description is part of its Debian
package and comes under that package's free licence.

## Recipe

{recipe.steps:,} steps with {recipe.batch} passages of up to {recipe.length} tokens; in {recipe.long_share:.0%} of
the steps, {longest} passages of up to {recipe.positions}. {recipe.austen:.0%} of the passages come from the novels. The
matrices inside the layers are trained by Muon (learning rate {recipe.matrix_rate:g}), the rest by AdamW
({recipe.learning_rate:g}). Both rates rise over {recipe.warmup} steps and fall along half a cosine. Weight decay
{recipe.weight_decay:g}, gradients clipped at 1, bfloat16 autocast, float32 weights, no dropout. An exponential average of the weights ({recipe.average:g}) is what was saved.

The corruption is drawn anew each time. Sentence permutation: in {recipe.permuted:.0%} of the passages the
sentences stand in a random order. Text infilling: {recipe.share:.0%} of the tokens are taken out in spans whose
lengths are drawn from a Poisson distribution with mean {recipe.mean:g}, and each span becomes one
`<mask>`; a span of length 0 puts a mask where nothing is missing. The decoder writes the whole passage
as it was, and every token of it counts in the loss. In the first {recipe.easy:.0%} of the steps the share
grows from nothing and no sentences change places, so that copying is learned first.

The weights are random at the start but for two things: the positions of encoder and decoder begin as the
same sine codes, and the keys of cross-attention as its queries. Both are trained on. An earlier run without
these had not learned to copy when it ended.

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU
thread{"s" if recipe.threads > 1 else ""} ({cpu_seconds:.0f} s of processor time), the text already
fetched. Repeat it with `make train NAME={recipe.name}`.

## Results

On {recipe.test:,} passages of two sentences that occur nowhere in the training text, from held-out source
packages and chapters (the consecutive pairs in `{place}`), the sentences in order:

- Restored tokens: {found.restored_accuracy:.3f} of the {len(found.truth):,} tokens behind masks are the
  likeliest one, given the true tokens before them (spans as in training). The most frequent token,
  "{usual.strip()}", would be right at {constant:.3f} of them, the likeliest follower of the true token
  before, by counts of the training text, at {bigram:.3f}.
- In {recipe.fills:,} of the passages one span of 1 to 6 tokens became a mask, and the model wrote the whole
  passage (greedy). All of the text around the mask came back in {found.intact_share:.3f} of them.
- Of the {of_two:,} such spans of two or more tokens, {found.several:.3f} were filled with two or more tokens.
- {found.exact_share:.3f} of all {recipe.fills:,} spans came back token by token.
- {found.length_right:.3f} were filled with as many tokens as were missing; the same lengths dealt out at
  random would fit {found.length_chance:.3f} of them.

## Limits

- It knows two kinds of English, software descriptions and novels of 1811 to 1818. What it puts behind
  a mask is seldom what stood there; it is a starting point for fine-tuning.
- A rare word, such as a name of several pieces, may come back altered even where nothing masked it.
- It reads and writes {recipe.positions} tokens at most, and most of its training was on {recipe.length}.
- Novels and descriptions were written by people of their time, and the model repeats what they take
  for granted.
"""
    cards.write_card(folder, fields, prose)
    return found


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Learn the vocabulary, train, save, measure on held-out passages and write the card.

    The folder is replaced at the very end; an interrupted run leaves it as it was.
    """
    recipe.check()
    documents: dict[str, list[list[str]]] = {name: [] for name in _CORPORA}
    for corpus, _, found in text.documents("train", recipe.cache):
        documents[corpus].append(found)
    with cards.replacing(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        lines = [line for name in _CORPORA for document in documents[name] for line in document]
        tokenizer = learn_vocabulary(lines, recipe.vocabulary, recipe.positions)
        corpora = _documents(tokenizer, documents)
        model = _fit(recipe, corpora, tokenizer)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        model.generation_config.max_length = recipe.positions
        save(model, tokenizer, fresh)
        return _write_card(fresh, recipe, corpora, wall / 60, cpu)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds at a tiny size: for tests, not for results."""
    return replace(
        recipe or Recipe(),
        steps=12,
        warmup=3,
        batch=8,
        length=32,
        positions=96,
        vocabulary=400,
        d_model=16,
        layers=1,
        heads=2,
        ffn=32,
        test=40,
        fills=20,
    )


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(
        f"{FOLDER}: restored-token accuracy {found.restored_accuracy:.3f} on {len(found.truth):,} tokens, several tokens "
        f"from one mask {found.several:.3f}, exact fills {found.exact_share:.3f} on {len(found.exact):,} passages, held out"
    )
