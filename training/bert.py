"""Trains checkpoints/bert-compact: a BERT that fills in masked words and tells if two sentences belong together.

The model is `BertForPreTraining` of transformers, unmodified, with both of BERT's objectives and a
WordPiece vocabulary of its own. It reads Debian's package descriptions and Jane Austen's novels.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import BertWordPieceTokenizer
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoTokenizer, BertConfig, BertForPreTraining, BertTokenizer

from sample_data import text
from training import cards

FOLDER = Path("checkpoints/bert-compact")

NOT_CHOSEN = -100
"""Label of a token that does not count in the loss, as transformers has it."""

_FIRST_WORD = 5  # of the vocabulary: [PAD], [UNK], [CLS], [SEP] and [MASK] come before it
_PAD, _CLS, _SEP, _MASK = 0, 2, 3, 4
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ALPHABET = "".join(chr(i) for i in range(33, 127) if not chr(i).isupper()) + "£—"
_CORPORA: tuple[text.Corpus, ...] = ("debian", "austen")


@dataclass(frozen=True)
class Recipe:
    """All choices of a training run.

    Attributes:
        steps: Of the optimiser; the last `long_share` of them read `positions` tokens a sequence.
        batch: Sequences of a step; half as many where they are long.
        length: Tokens of a sequence in the main part.
        austen: Share of the sequences that come from the novels.
        single: Share of the sequences that hold one segment, and so no question of what follows.
        short: Share of the sequences that are shorter than the rest.
        elsewhere: Share of the wrong second segments that come from the other corpus, which is easier to see.
        chosen: Share of the tokens that are to be predicted.
        warmup: Steps in which the learning rate rises.
        cooldown: Share of the steps, the last ones, in which it falls to nothing.
        average: Weight of the past in the exponential average of the weights.
        pair_steps: Of a second part, in which the question of what follows counts most; all pairs are of one corpus.
        pair_batch: Sequences of such a step.
        pair_rate: Its learning rate.
        pair_words: Weight of the masked words in it.
    """

    name: ClassVar[str] = "bert-compact"
    module: ClassVar[str] = "training/bert.py"

    steps: int = 12_000
    batch: int = 16
    length: int = 64
    positions: int = 128
    long_share: float = 0.1
    austen: float = 0.3
    single: float = 0.15
    short: float = 0.15
    elsewhere: float = 0.4
    chosen: float = 0.15
    learning_rate: float = 1e-3
    warmup: int = 400
    cooldown: float = 0.3
    weight_decay: float = 0.05
    average: float = 0.998
    pair_steps: int = 2_000
    pair_batch: int = 32
    pair_rate: float = 3e-4
    pair_words: float = 0.2
    vocabulary: int = 4_096
    hidden_size: int = 192
    layers: int = 4
    heads: int = 4
    intermediate_size: int = 768
    threads: int = 1
    seed: int = 0
    test: int = 2_000
    cache: Path = text.CACHE

    def check(self) -> None:
        """Raise ValueError where the numbers do not fit together."""
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} must be a multiple of heads {self.heads}")
        if not 8 <= self.length <= self.positions:
            raise ValueError(f"length {self.length} must lie between 8 and positions {self.positions}")
        if self.vocabulary > np.iinfo(np.int16).max:
            raise ValueError(f"vocabulary {self.vocabulary} must not exceed {np.iinfo(np.int16).max}")

    def rate(self, step: int) -> float:
        """The learning rate of a step: it rises, stays, and falls, each in a straight line."""
        rising, falling = (step + 1) / self.warmup, (self.steps - step) / (self.steps * self.cooldown)
        return self.learning_rate * min(1.0, rising, falling)

    def build(self, vocabulary: int) -> BertForPreTraining:
        """The model with random weights, for a vocabulary of so many entries."""
        return BertForPreTraining(
            BertConfig(
                vocab_size=vocabulary,
                hidden_size=self.hidden_size,
                num_hidden_layers=self.layers,
                num_attention_heads=self.heads,
                intermediate_size=self.intermediate_size,
                max_position_embeddings=self.positions,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )


@dataclass(frozen=True)
class Measurement:
    """What a checkpoint got right on the held-out pairs; an entry for each token chosen, or each pair.

    Attributes:
        truth: The tokens chosen to be predicted, int64 [t].
        answers: The likeliest token at each, int64 [t].
        loss: Minus the log of the true token's probability, in nats, float64 [t].
        left: The token before each as the model saw it, int64 [t].
        right: The token after each, likewise.
        pair: The pair that each belongs to, int64 [t].
        follows: Whether the second sentence follows, bool [n].
        said: Whether the model says so, bool [n].
        austen: Whether the pair comes from the novels, bool [n].
    """

    truth: NDArray[np.int64]
    answers: NDArray[np.int64]
    loss: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    pair: NDArray[np.int64]
    follows: NDArray[np.bool_]
    said: NDArray[np.bool_]
    austen: NDArray[np.bool_]

    @property
    def masked_accuracy(self) -> float:
        """Share of the chosen tokens that are the likeliest one."""
        return float((self.truth == self.answers).mean())

    @property
    def masked_loss(self) -> float:
        """Mean cross-entropy of the chosen tokens in nats; its exponential is the perplexity."""
        return float(self.loss.mean())

    @property
    def next_accuracy(self) -> float:
        """Share of the pairs of which the model rightly says whether they are consecutive."""
        return float((self.follows == self.said).mean())

    def part(self, austen: bool) -> Measurement:
        """The pairs of one corpus alone."""
        tokens, pairs = self.austen[self.pair] == austen, self.austen == austen
        chosen = {name: getattr(self, name)[tokens] for name in ("truth", "answers", "loss", "left", "right", "pair")}
        return Measurement(**chosen, **{name: getattr(self, name)[pairs] for name in ("follows", "said", "austen")})


@dataclass(frozen=True)
class _Sentences:
    """Tokenised sentences of one corpus.

    Attributes:
        tokens: All of them in order, int16 [t].
        starts: Where each sentence starts, and the end: int64 [s + 1].
        last: The last sentence of each sentence's document, int64 [s].
        later: Sentences with another one before them, int64 [<= s].
        opening: Sentences with another one after them, int64 [<= s].
    """

    tokens: NDArray[np.int16]
    starts: NDArray[np.int64]
    last: NDArray[np.int64]
    later: NDArray[np.int64]
    opening: NDArray[np.int64]

    def take(self, first: int, count: int, limit: int) -> NDArray[np.int16]:
        """At most `limit` tokens of at most `count` sentences of a document, from its sentence `first` on."""
        stop = min(first + count - 1, int(self.last[first])) + 1
        start, end = int(self.starts[first]), int(self.starts[stop])
        return self.tokens[start : min(end, start + limit)]


def learn_vocabulary(lines: Iterable[str], size: int, positions: int) -> BertTokenizer:
    """A BERT tokenizer, lower case, whose WordPiece vocabulary is learned from lines of text.

    Args:
        lines: The text.
        size: Entries at most, the five special ones included.
        positions: Tokens that the model reads at most, kept for truncation.
    """
    later = [f"##{character}" for character in _ALPHABET if character.isalnum()]
    trainer = BertWordPieceTokenizer(lowercase=True)
    trainer.train_from_iterator(
        iter(lines),
        vocab_size=size,
        initial_alphabet=list(_ALPHABET),
        limit_alphabet=len(_ALPHABET),
        # Named in advance, because the trainer numbers later pieces in an order that changes from
        # run to run, and breaks ties by that number.
        special_tokens=[*_SPECIAL, *later],
        show_progress=False,
    )
    return BertTokenizer(vocab=trainer.get_vocab(), do_lower_case=True, model_max_length=positions)


def mask(
    tokens: NDArray[np.int64], chosen: float, vocabulary: int, chance: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose tokens to be predicted; of them 80 % become [MASK], 10 % another token, 10 % stay.

    Args:
        tokens: int64 [b, length]. Special tokens are never chosen.
        chosen: Share of the tokens to choose.
        vocabulary: Its number of entries.
        chance: What chooses.

    Returns:
        What the model reads, and labels: the token itself where it was chosen, else `NOT_CHOSEN`.
    """
    pick = (tokens >= _FIRST_WORD) & (chance.random(tokens.shape) < chosen)
    kind = chance.random(tokens.shape)
    other = chance.integers(_FIRST_WORD, vocabulary, tokens.shape)
    seen = np.where(pick & (kind < 0.8), _MASK, tokens)
    seen = np.where(pick & (kind >= 0.8) & (kind < 0.9), other, seen)
    return seen, np.where(pick, tokens, NOT_CHOSEN)


def _tokenised(tokenizer: BertTokenizer, documents: Sequence[list[str]]) -> _Sentences:
    lines = [line for document in documents for line in document]
    encoded: list[list[int]] = tokenizer(lines, add_special_tokens=False, truncation=False)["input_ids"]
    starts = np.cumsum([0, *map(len, encoded)])
    ends = np.cumsum([len(document) for document in documents]) - 1
    last = np.repeat(ends, [len(document) for document in documents])
    number = np.arange(len(lines))
    return _Sentences(
        tokens=np.concatenate([np.array(ids, np.int16) for ids in encoded]),
        starts=starts,
        last=last,
        later=np.setdiff1d(number, np.append(0, ends + 1)),
        opening=np.setdiff1d(number, ends),
    )


def _example(
    recipe: Recipe, sentences: _Sentences, others: _Sentences, room: int, chance: np.random.Generator
) -> tuple[Any, Any, int]:
    """Two segments (or one, and None) with `room` for tokens in all, and the label of the pair.

    The label is 0 where the second segment follows, 1 where it comes from another document, of the
    same corpus or of `others`, and `NOT_CHOSEN` where there is none.
    """
    if chance.random() < recipe.short:
        room = int(chance.integers(min(12, room), room + 1))
    if chance.random() < recipe.single:
        return sentences.take(int(chance.integers(len(sentences.last))), 8, room), None, NOT_CHOSEN
    first = int(chance.choice(sentences.opening))
    left = int(sentences.last[first]) - first  # sentences after it in the document
    count = 1 if chance.random() < 0.6 else min(left, int(chance.integers(1, 4)))
    # Where there is no room, the beginning is left out: what follows shall still follow.
    before = sentences.take(first, count, 512)[-max(room - 8, 4) :]
    then, follows = first + count, chance.random() < 0.5
    source = sentences
    if not follows and chance.random() < recipe.elsewhere:
        source, then = others, int(chance.choice(others.later))
    elif not follows:
        home = sentences.last[first]
        while sentences.last[then] == home:
            then = int(chance.choice(sentences.later))
    after = source.take(then, 1 if chance.random() < 0.4 else 8, room - len(before))
    return before, after, 0 if follows else 1


def _batch(
    recipe: Recipe, corpora: Sequence[_Sentences], size: int, length: int, chance: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and segment ids, int64 [size, length], and next-sentence labels [size]."""
    tokens = np.full((size, length), _PAD, np.int64)
    segments = np.zeros((size, length), np.int64)
    labels = np.full(size, NOT_CHOSEN, np.int64)
    for row in range(size):
        which = int(chance.random() < recipe.austen)
        before, after, labels[row] = _example(recipe, corpora[which], corpora[1 - which], length - 3, chance)
        parts = [[_CLS], before, [_SEP]] + ([] if after is None else [after, [_SEP]])
        line = np.concatenate(parts)
        tokens[row, : len(line)] = line
        segments[row, len(before) + 2 : len(line)] = 1
    longest = int((tokens != _PAD).sum(1).max())
    return tokens[:, :longest], segments[:, :longest], labels


def _fit(recipe: Recipe, corpora: Sequence[_Sentences], vocabulary: int) -> BertForPreTraining:
    """Train a model; the average of its weights over the last steps is what comes back."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    chance = np.random.default_rng(recipe.seed)
    model = recipe.build(vocabulary).train()
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
    average = torch.optim.swa_utils.AveragedModel(
        model,
        # Early on the average reaches back less far, or it would remember the random start.
        avg_fn=lambda old, new, seen: old.lerp(new, max(1 - recipe.average, 1 / (1 + seen / 10))),
    )
    shown = np.zeros(4)
    bar = tqdm(itertools.count(), "training", mininterval=2)
    for step in bar:
        if step >= recipe.steps:
            break
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step)
        long = step >= recipe.steps * (1 - recipe.long_share)
        size, length = (max(1, recipe.batch // 2), recipe.positions) if long else (recipe.batch, recipe.length)
        whole, segments, follows = _batch(recipe, corpora, size, length, chance)
        seen, labels = mask(whole, recipe.chosen, vocabulary, chance)
        where = torch.from_numpy(labels != NOT_CHOSEN)
        truth = torch.from_numpy(labels)[where]
        pairs = torch.from_numpy(follows)
        with torch.autocast("cpu", torch.bfloat16):
            found = model.bert(
                input_ids=torch.from_numpy(seen),
                attention_mask=torch.from_numpy((whole != _PAD).astype(np.int64)),
                token_type_ids=torch.from_numpy(segments),
            )
            # The head scores the whole vocabulary, so it is asked about the chosen tokens alone.
            words = model.cls.predictions(found.last_hidden_state[where])
            answer = model.cls.seq_relationship(found.pooler_output)
        word_loss = functional.cross_entropy(words.float(), truth)
        # All sequences count, so that a batch without a pair is no division by zero.
        pair_loss = functional.cross_entropy(answer.float(), pairs, reduction="sum") / size
        optimiser.zero_grad()
        (word_loss + pair_loss).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        average.update_parameters(model)
        shown += [
            int((words.argmax(-1) == truth).sum()),
            len(truth),
            int((answer.argmax(-1) == pairs).sum()),
            int((pairs != NOT_CHOSEN).sum()),
        ]
        if step % 50 == 49:
            bar.set_postfix(words=f"{shown[0] / shown[1]:.3f}", pairs=f"{shown[2] / max(1, shown[3]):.3f}")
            shown[:] = 0
    result: Any = average.module.eval()
    assert isinstance(result, BertForPreTraining)
    return result


def _fit_pairs(
    recipe: Recipe, model: BertForPreTraining, corpora: Sequence[_Sentences], vocabulary: int
) -> BertForPreTraining:
    """Go on with pairs of one corpus, which the first part hardly learns; the average of the weights comes back."""
    torch.set_num_threads(recipe.threads)
    chance = np.random.default_rng(recipe.seed + 1)
    pairs_alone = replace(recipe, elsewhere=0.0, single=0.0, short=0.0)
    model.train()
    weights = list(model.parameters())
    optimiser = torch.optim.AdamW(weights, lr=recipe.pair_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    average = torch.optim.swa_utils.AveragedModel(
        model, avg_fn=lambda old, new, seen: old.lerp(new, max(1 - recipe.average, 1 / (1 + seen / 10)))
    )
    right = 0.0
    bar = tqdm(range(recipe.pair_steps), "pairs", mininterval=2)
    for step in bar:
        share = step / recipe.pair_steps
        for group in optimiser.param_groups:
            group["lr"] = recipe.pair_rate * min(1.0, (step + 1) / 50, (1 - share) / 0.4)
        whole, segments, follows = _batch(pairs_alone, corpora, recipe.pair_batch, recipe.length, chance)
        seen, labels = mask(whole, recipe.chosen, vocabulary, chance)
        where = torch.from_numpy(labels != NOT_CHOSEN)
        pairs = torch.from_numpy(follows)
        with torch.autocast("cpu", torch.bfloat16):
            found = model.bert(
                input_ids=torch.from_numpy(seen),
                attention_mask=torch.from_numpy((whole != _PAD).astype(np.int64)),
                token_type_ids=torch.from_numpy(segments),
            )
            words = model.cls.predictions(found.last_hidden_state[where])
            answer = model.cls.seq_relationship(found.pooler_output)
        word_loss = functional.cross_entropy(words.float(), torch.from_numpy(labels)[where])
        loss = functional.cross_entropy(answer.float(), pairs) + recipe.pair_words * word_loss
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        average.update_parameters(model)
        right += float((answer.argmax(-1) == pairs).float().mean())
        if step % 50 == 49:
            bar.set_postfix(pairs=f"{right / 50:.3f}", words=f"{word_loss.item():.2f}")
            right = 0.0
    result: Any = average.module.eval()
    assert isinstance(result, BertForPreTraining)
    return result


def _save(model: BertForPreTraining, tokenizer: BertTokenizer, folder: Path) -> None:
    """Half precision on disk; the configuration asks for float32 when it is loaded."""
    model.half().save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    (folder / cards.WEIGHTS).chmod(0o644)  # safetensors makes it readable to its owner alone


def load(folder: Path) -> tuple[BertForPreTraining, Any]:
    """The model in float32, ready to answer, and its tokenizer.

    Raises:
        CheckpointError: Where weights, configuration or vocabulary are missing or damaged.
    """
    cards.count_parameters(folder)  # one clear message where the weights are unusable
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise cards.CheckpointError(f"{folder / name}: the file is missing; train again")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = BertForPreTraining.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(model, BertForPreTraining)
    return model, tokenizer


def measure(folder: Path, n: int = 2_000, *, chosen: float = 0.15, seed: int = 0) -> Measurement:
    """Measure a checkpoint on the first n held-out pairs, masked as in training.

    Args:
        folder: The checkpoint, with its tokenizer.
        n: How many pairs.
        chosen: Share of the tokens to be predicted.
        seed: Of the choice of tokens.

    Raises:
        CheckpointError: Where the checkpoint is incomplete or damaged.
        TextError: Where the held-out pairs are missing or damaged.
        ValueError: For n below 1, or more than there are.
    """
    pairs = text.held_out_pairs()
    if not 1 <= n <= len(pairs):
        raise ValueError(f"n is {n}: there are {len(pairs)} held-out pairs")
    model, tokenizer = load(folder)
    chance = np.random.default_rng(seed)
    parts: dict[str, list[NDArray[Any]]] = {}
    for start in range(0, n, 50):
        batch = pairs[start : min(n, start + 50)]
        inputs = tokenizer(
            [pair.first for pair in batch],
            [pair.second for pair in batch],
            padding=True,
            truncation=True,
            max_length=model.config.max_position_embeddings,
            return_tensors="pt",
        )
        whole = inputs["input_ids"].numpy()
        seen, labels = mask(whole, chosen, len(tokenizer), chance)
        rows, columns = np.nonzero(labels != NOT_CHOSEN)
        with torch.inference_mode():
            found = model(**{**inputs, "input_ids": torch.from_numpy(seen)})
            chances = found.prediction_logits[rows, columns].log_softmax(-1).double()
        truth = labels[rows, columns]
        for name, values in {
            "truth": truth,
            "answers": chances.argmax(-1).numpy(),
            "loss": -chances[torch.arange(len(truth)), torch.from_numpy(truth)].numpy(),
            "left": seen[rows, columns - 1],
            "right": seen[rows, columns + 1],
            "pair": rows + start,
            "follows": np.array([pair.follows for pair in batch]),
            "said": (found.seq_relationship_logits.argmax(-1) == 0).numpy(),
            "austen": np.array([pair.corpus == "austen" for pair in batch]),
        }.items():
            parts.setdefault(name, []).append(values)
    return Measurement(**{name: np.concatenate(values) for name, values in parts.items()})


def neighbours_accuracy(found: Measurement, corpora: Sequence[_Sentences], vocabulary: int) -> float:
    """What counting gets right: the likeliest token between its two neighbours, by training bigrams.

    A token x between l and r scores p(x | l) · p(r | x), both smoothed with how frequent the token
    is on its own. A neighbour that is itself masked or special says nothing.
    """
    pairs = np.zeros((vocabulary, vocabulary), np.float32)
    for sentences in corpora:
        tokens = sentences.tokens.astype(np.int64)
        inside = np.setdiff1d(np.arange(len(tokens) - 1), sentences.starts[1:] - 1)
        np.add.at(pairs, (tokens[inside], tokens[inside + 1]), 1)
    alone = pairs.sum(0) + 1
    alone /= alone.sum()
    smooth = 5.0
    given = np.log((pairs + smooth * alone) / (pairs.sum(1, keepdims=True) + smooth))
    right = 0
    for part in np.array_split(np.arange(len(found.truth)), max(1, len(found.truth) // 256)):
        left, after = found.left[part], found.right[part]
        score = np.where((left >= _FIRST_WORD)[:, None], given[left], np.log(alone))
        score = score + np.where((after >= _FIRST_WORD)[:, None], given[:, after].T, 0)
        score[:, :_FIRST_WORD] = -np.inf
        right += int((score.argmax(1) == found.truth[part]).sum())
    return right / len(found.truth)


def pseudo_likelihood(model: BertForPreTraining, tokenizer: Any, sentence: str) -> float:
    """Mean log probability, in nats, of each token of a sentence when it alone is masked."""
    ids = tokenizer(sentence, return_tensors="pt")["input_ids"]
    at = torch.arange(1, ids.shape[1] - 1)
    copies = ids.repeat(len(at), 1)
    copies[torch.arange(len(at)), at] = tokenizer.mask_token_id
    with torch.inference_mode():
        logits = model(input_ids=copies).prediction_logits[torch.arange(len(at)), at]
    return float(logits.log_softmax(-1)[torch.arange(len(at)), ids[0, at]].mean())


def order_share(folder: Path, n: int = 200, seed: int = 0) -> float:
    """Share of held-out sentences that are likelier in their own order than with their words shuffled."""
    model, tokenizer = load(folder)
    chance = np.random.default_rng(seed)
    won = 0
    for pair in text.held_out_pairs()[:n]:
        words = pair.first.split()
        mixed = " ".join(words[i] for i in chance.permutation(len(words)))
        won += pseudo_likelihood(model, tokenizer, pair.first) > pseudo_likelihood(model, tokenizer, mixed)
    return won / n


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

    return cards.check_checkpoint(folder, again, items="tokens or pairs")


_METRICS = {
    "masked accuracy": "masked_accuracy",
    "masked loss": "masked_loss",
    "next-sentence accuracy": "next_accuracy",
}


def _write_card(
    folder: Path, recipe: Recipe, corpora: Sequence[_Sentences], minutes: float, cpu_seconds: float
) -> Measurement:
    """Measure what was saved, and write the card from nothing but that."""
    found = measure(folder, recipe.test, chosen=recipe.chosen)
    _, tokenizer = load(folder)
    parameters, size = cards.count_parameters(folder), (folder / cards.WEIGHTS).stat().st_size
    counts = sum(np.bincount(part.tokens, minlength=len(tokenizer)) for part in corpora)
    frequent = int(np.argmax(counts))
    words = np.array([token.isalpha() for token in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))])
    usual = int(np.argmax(counts * words))
    constant = float((found.truth == frequent).mean())
    neighbours = neighbours_accuracy(found, corpora, len(tokenizer))
    is_word = words[found.truth]
    order = order_share(folder, min(200, recipe.test))
    debian, austen = found.part(austen=False), found.part(austen=True)
    said = float(found.said.mean())

    def metric(name: str, count: int) -> dict[str, Any]:
        value = round(float(getattr(found, _METRICS[name])), 4)
        return {"name": name, "value": value, "split": "test", "n": count, "seeds": [0, recipe.test - 1]}

    fields = {
        "license": "Apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "fill-mask",
        "language": "en",
        "model_class": json.loads((folder / "config.json").read_text())["architectures"][0],
        "parameters": parameters,
        "bytes": size,
        "training_minutes": round(minutes, 1),
        "training_cpu_seconds": round(cpu_seconds),
        "data": {
            "generator": "sample_data.text",
            "version": text.VERSION,
            "debian_tokens": len(corpora[0].tokens),
            "debian_sentences": len(corpora[0].last),
            "austen_tokens": len(corpora[1].tokens),
            "austen_sentences": len(corpora[1].last),
            "held_out": "docs/assets/text/held-out-pairs.json.gz",
        },
        "recipe": {name: value for name, value in asdict(recipe).items() if name not in ("cache", "test")},
        "metrics": [
            metric("masked accuracy", len(found.truth)),
            metric("masked loss", len(found.truth)),
            metric("next-sentence accuracy", recipe.test),
        ],
        "baselines": {
            "most_frequent_token": tokenizer.convert_ids_to_tokens(frequent),
            "most_frequent_token_accuracy": round(constant, 4),
            "most_frequent_word": tokenizer.convert_ids_to_tokens(usual),
            "most_frequent_word_accuracy": round(float((found.truth == usual).mean()), 4),
            "neighbours_accuracy": round(neighbours, 4),
            "next_sentence_chance": 0.5,
        },
    }
    read = _tokens_read(recipe)
    table = [
        "| held out | tokens | masked accuracy | perplexity | pairs | next-sentence accuracy |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {len(part.truth):,} | {part.masked_accuracy:.3f} | {np.exp(part.masked_loss):.1f} "
            f"| {len(part.follows):,} | {part.next_accuracy:.3f} |"
            for name, part in (("descriptions", debian), ("novels", austen), ("both", found))
            if len(part.truth)
        ),
    ]
    prose = f"""
# {recipe.name}

A small BERT, pretrained with both of BERT's objectives: it fills in masked words, and says whether
a sentence follows another. It is the unmodified `{fields["model_class"]}` of transformers:
{recipe.layers} layers of width {recipe.hidden_size} with {recipe.heads} heads, an intermediate size
of {recipe.intermediate_size}, {recipe.positions} positions, and a lower-case WordPiece vocabulary of
{len(tokenizer):,} entries learned from the training text. {parameters:,} parameters, {size:,} bytes
in half precision; the configuration makes transformers load them as float32, in which everything
below was measured. This card was written by the program that trained the model
(`{recipe.module}`), from what it measured.

## Data

Two kinds of English, both from Debian's archive (`sample_data/text.py`). Package descriptions:
{len(corpora[0].last):,} sentences, {len(corpora[0].tokens):,} tokens, without those of every fifth
source package. A sentence that packages share is kept three times at most. Jane Austen's six
novels: {len(corpora[1].last):,} sentences, {len(corpora[1].tokens):,} tokens, without the last
chapters of each (5 % of it, rounded up to whole chapters).

Licences of the text: the novels are in the public domain. A description is part of its Debian
package and comes under that package's free licence.

## Recipe

{recipe.steps:,} steps of AdamW (learning rate {recipe.learning_rate:g} rising over {recipe.warmup}
steps and falling over the last {recipe.cooldown:.0%} of them, weight decay {recipe.weight_decay:g}, bfloat16 autocast, float32 weights, no dropout) with
{recipe.batch} sequences of up to {recipe.length} tokens; in the last {recipe.long_share:.0%} of
the steps {max(1, recipe.batch // 2)} sequences of up to {recipe.positions}. At most {read:,} tokens
in all. {recipe.austen:.0%} of the sequences come from the novels. An exponential average of the
weights ({recipe.average:g}) is what was saved.

{recipe.chosen:.0%} of the tokens are chosen anew each time a sequence is read; 80 % of them become
[MASK], 10 % another token, 10 % stay. {1 - recipe.single:.0%} of the sequences are pairs: in half of
them the second segment follows the first, in the other half it comes from another document, of the
same corpus or, in {recipe.elsewhere:.0%} of the cases, of the other one, which is easier to see. The
rest holds one segment, and only its masked words count.

That leaves next sentences of the same corpus close to chance. So {recipe.pair_steps:,} steps follow with
such pairs alone, {recipe.pair_batch} at a time, at a learning rate of {recipe.pair_rate:g}, in which the
masked words weigh {recipe.pair_words:g} beside the question of what follows.

Training took {minutes:.0f} minutes on a shared machine with {recipe.threads} CPU
thread{"s" if recipe.threads > 1 else ""} ({cpu_seconds:.0f} s of processor time), the text already
fetched. Repeat it with `make train NAME={recipe.name}`.

## Results

On {recipe.test:,} pairs of sentences that occur nowhere in the training text, from held-out source
packages and chapters (numbers 0 to {recipe.test - 1} in `docs/assets/text/held-out-pairs.json.gz`):

{chr(10).join(table)}

- Masked accuracy: the likeliest token is the true one at {found.masked_accuracy:.3f} of
  {len(found.truth):,} chosen tokens (80/10/10 as in training). Always answering with the most
  frequent token, "{tokenizer.convert_ids_to_tokens(frequent)}", would score {constant:.3f}; with the
  most frequent word, "{tokenizer.convert_ids_to_tokens(usual)}",
  {float((found.truth == usual).mean()):.3f}; the likeliest token between its two neighbours, by
  counts of training bigrams, {neighbours:.3f}.
- Of the {int(is_word.sum()):,} chosen tokens that are words or beginnings of words, and not
  punctuation, digits or later pieces, {float((found.truth == found.answers)[is_word].mean()):.3f}
  are right.
- Next sentence: {found.next_accuracy:.3f} of {recipe.test:,} pairs are right; guessing would score
  0.5. The model says "follows" of {said:.2f} of them.
- Word order: of {min(200, recipe.test)} held-out sentences, {order:.3f} are likelier, each token
  masked in turn, than the same words shuffled.

## Limits

- It knows two kinds of English, software descriptions and novels of 1811 to 1818, and completes a
  sentence in the manner of whichever it takes it for. It knows nothing of the world beyond them.
- It reads {recipe.positions} tokens at most, and most of its training was on {recipe.length}.
- A word is one entry of the vocabulary or falls into several; a single [MASK] can only be filled
  with one entry.
- In next-sentence pairs the wrong second sentence comes from another document, so a shared topic is
  most of what the model had to learn; it is weak where both sentences come from one text.
- Novels and descriptions were written by people of their time, and the model repeats what they
  take for granted.
"""
    cards.write_card(folder, fields, prose)
    return found


def _tokens_read(recipe: Recipe) -> int:
    """Upper limit of the tokens that a run reads, padding included."""
    long = int(recipe.steps * recipe.long_share)
    return (recipe.steps - long) * recipe.batch * recipe.length + long * max(1, recipe.batch // 2) * recipe.positions


def train(folder: Path, recipe: Recipe) -> Measurement:
    """Learn the vocabulary, train, save, measure on the held-out pairs and write the card.

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
        corpora = [_tokenised(tokenizer, documents[name]) for name in _CORPORA]
        model = _fit(recipe, corpora, len(tokenizer))
        if recipe.pair_steps:
            model = _fit_pairs(recipe, model, corpora, len(tokenizer))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        _save(model, tokenizer, fresh)
        return _write_card(fresh, recipe, corpora, wall / 60, cpu)


def quick(recipe: Recipe | None = None) -> Recipe:
    """A run of seconds at a tiny size: for tests, not for results."""
    return replace(
        recipe or Recipe(),
        steps=20,
        warmup=5,
        batch=8,
        length=32,
        positions=96,
        pair_steps=4,
        pair_batch=8,
        vocabulary=400,
        hidden_size=16,
        layers=1,
        heads=2,
        intermediate_size=32,
        test=40,
    )


def main() -> None:
    """Train the checkpoint of this repository."""
    found = train(FOLDER, Recipe())
    print(
        f"{FOLDER}: masked accuracy {found.masked_accuracy:.3f} on {len(found.truth)} tokens, "
        f"next-sentence accuracy {found.next_accuracy:.3f} on {len(found.follows)} pairs, all held out"
    )
