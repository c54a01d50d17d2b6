# %% [markdown]
# # Summarization
#
# One line for a long description: what is learned, how the search for a text works, and how a summary is scored.
# Run it from the project's root: `python snippets/summarization.py`.

# %% setup
import gzip
import json
import re
from collections import Counter

import numpy as np
import torch
from rouge_score.rouge_scorer import RougeScorer
from torch.nn import functional
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, NoRepeatNGramLogitsProcessor
from transformers.models.bart.modeling_bart import shift_tokens_right

CHECKPOINT = "checkpoints/bart-summarize"  # full size: "facebook/bart-large-cnn"
tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
model = AutoModelForSeq2SeqLM.from_pretrained(CHECKPOINT, dtype=torch.float32)
model.eval().requires_grad_(False)  # we read the model, we do not train it

settings = model.generation_config
print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"searches with {settings.num_beams} beams, repeats no {settings.no_repeat_ngram_size} tokens")

# %% three-lines tags=["trained"]
TEXT = (
    "This is a small text editor for the terminal. It highlights the syntax of many programming languages, "
    "can undo any number of changes, and is configured by a single file."
)

inputs = tokenizer(TEXT, return_tensors="pt")  # prepare
written = model.generate(**inputs)  # run
summary = tokenizer.decode(written[0], skip_special_tokens=True)  # interpret

print(summary)

assert 0 < len(summary.split()) < len(TEXT.split()) / 2  # claim: sum-shorter

# %% nothing-added tags=["trained", "compact"]
before = AutoModelForSeq2SeqLM.from_pretrained("checkpoints/bart-compact", dtype=torch.float32)
old, new = dict(before.named_parameters()), dict(model.named_parameters())
moved = {name: ((new[name] - old[name]).norm() / old[name].norm()).item() for name in old}
print(f"{len(old)} tensors before, {len(new)} after")
for part in "encoder.layers", "decoder.layers", "embed", "shared":
    values = [value for name, value in moved.items() if part in name]
    if values:
        print(f"{part:15} moved by {np.median(values):.0%} of their size in the middle case")

assert {n: p.shape for n, p in old.items()} == {n: p.shape for n, p in new.items()}  # claim: sum-nothing-added

# %% loss
DESCRIPTION = "This program plays music. It reads many kinds of files and can be used from the command line."
SYNOPSIS = "music player for the command line"
inputs = tokenizer(DESCRIPTION, return_tensors="pt")
labels = tokenizer(SYNOPSIS, return_tensors="pt")["input_ids"]
read = shift_tokens_right(labels, tokenizer.pad_token_id, model.config.decoder_start_token_id)
logits = model(**inputs, decoder_input_ids=read).logits[0]
surprise = functional.cross_entropy(logits, labels[0], reduction="none")
for token, nats in zip(tokenizer.convert_ids_to_tokens(labels[0]), surprise.tolist()):
    print(f"{token:10} {nats:6.2f}")
loss = model(**inputs, labels=labels).loss
print(f"mean {surprise.mean():.3f}; the library says {loss:.3f}")

assert torch.isclose(surprise.mean(), loss, atol=1e-3)  # claim: sum-loss

# %% first-steps tags=["trained"]
written = torch.tensor([[model.config.decoder_start_token_id]])
for _ in range(7):
    shares = model(**inputs, decoder_input_ids=written).logits[0, -1].softmax(dim=-1)
    best = shares.topk(3)
    print(*(f"{tokenizer.decode(i)!r:14} {share:4.0%}   " for share, i in zip(*best)))
    written = torch.cat([written, best.indices[None, :1]], dim=1)
print(tokenizer.decode(written[0]))

# %% beams tags=["trained"]
greedy = model.generate(**inputs, num_beams=1, no_repeat_ngram_size=0, length_penalty=1.0, min_length=0)
beams = model.generate(**inputs, num_beams=6, no_repeat_ngram_size=0, length_penalty=0.0, min_length=0)


def log_probability(ids):
    """Of all tokens after the first, which is given."""
    scores = model(**inputs, decoder_input_ids=ids[:, :-1]).logits.log_softmax(dim=-1)
    return scores.gather(-1, ids[:, 1:, None]).sum().item()


for name, ids in {"greedy": greedy, "6 beams": beams}.items():
    print(f"{name:8} {log_probability(ids):7.2f} {tokenizer.decode(ids[0], skip_special_tokens=True)}")

assert log_probability(beams) >= log_probability(greedy) - 1e-3  # claim: sum-beams

# %% length-penalty
found = {}
for penalty in 0.0, 1.0, 3.0:
    outputs = model.generate(
        **inputs,
        num_beams=3,
        length_penalty=penalty,
        no_repeat_ngram_size=0,
        min_length=0,
        max_length=20,
        return_dict_in_generate=True,
        output_scores=True,
    )
    total = model.compute_transition_scores(outputs.sequences, outputs.scores, outputs.beam_indices).sum().item()
    length = (outputs.beam_indices >= 0).sum().item()  # tokens written, the end included
    found[penalty] = total / length**penalty, outputs.sequences_scores[0].item()
    print(f"penalty {penalty}: {length:2} tokens, {total:7.2f} in all, {found[penalty][0]:8.4f} divided")

assert all(abs(by_hand - library) < 1e-3 for by_hand, library in found.values())  # claim: sum-length-penalty

# %% no-repeat
ids = torch.tensor([[5, 6, 7, 8, 5, 6]])  # "5 6" was followed by 7 before
scores = NoRepeatNGramLogitsProcessor(3)(ids, torch.zeros(1, 10))
print("forbidden next:", scores[0].isneginf().nonzero().flatten().tolist())

assert scores[0].isneginf().nonzero().flatten().tolist() == [7]  # claim: sum-no-repeat


# %% rouge
def f1(shared, answer, truth):
    """Of precision and recall, from counts."""
    return 2 * shared / (len(answer) + len(truth)) if shared else 0.0


def longest_common(a, b):
    """Length of the longest sequence of words that both have in the same order, with gaps."""
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, word in enumerate(a):
        for j, other in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if word == other else max(table[i, j + 1], table[i + 1, j])
    return table[-1, -1]


answer, truth = "a simple player for music".split(), "simple music player for the console".split()
pairs = [Counter(zip(words, words[1:])) for words in (answer, truth)]
by_hand = {
    "rouge1": f1((Counter(answer) & Counter(truth)).total(), answer, truth),
    "rouge2": f1((pairs[0] & pairs[1]).total(), answer[1:], truth[1:]),
    "rougeL": f1(longest_common(answer, truth), answer, truth),
}
library = RougeScorer(list(by_hand)).score(" ".join(truth), " ".join(answer))
for name, value in by_hand.items():
    print(f"{name} {value:.3f}")

assert all(abs(value - library[name].fmeasure) < 1e-6 for name, value in by_hand.items())  # claim: sum-rouge

# %% held-out tags=["trained", "compact"]
with gzip.open("docs/assets/text/held-out-sections.json.gz", "rt", encoding="utf-8") as file:
    packages = json.load(file)
packages = [p for p in packages if len(p["synopsis"].split()) >= 3 and len(" ".join(p["paragraphs"]).split()) >= 15]
packages = sorted(packages[:100], key=lambda p: len(" ".join(p["paragraphs"])))  # like lengths together
texts, truths = [" ".join(p["paragraphs"]) for p in packages], [p["synopsis"] for p in packages]
answers = []
for start in range(0, 100, 25):
    batch = tokenizer(texts[start : start + 25], truncation=True, max_length=128, padding=True, return_tensors="pt")
    answers += tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True)
firsts = [re.split(r"(?<=[.!?])\s", text)[0] for text in texts]
scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
means = {}
for name, lines in {"the model": answers, "the first sentence": firsts}.items():
    scores = [scorer.score(truth, line) for truth, line in zip(truths, lines)]
    means[name] = {kind: np.mean([score[kind].fmeasure for score in scores]) for kind in scores[0]}
    print(f"{name:19}", *(f"{kind} {value:.3f} " for kind, value in means[name].items()))

assert means["the model"]["rougeL"] > means["the first sentence"]["rougeL"]  # claim: sum-works

# %% examples tags=["trained", "compact"]
for i in range(20, 100, 20):
    print(f"{packages[i]['name']}\n  wrote   {answers[i]}\n  people  {truths[i]}")

# %% own-words tags=["trained", "compact"]


def words(line):
    return re.findall(r"[a-z0-9]+", line.lower())


copied, new_pairs, total, pairs = 0, 0, 0, 0
for text, answer in zip(texts, answers):
    source, mine = words(text), words(answer)
    known = set(zip(source, source[1:]))
    copied += sum(word in set(source) for word in mine)
    total += len(mine)
    new_pairs += sum(pair not in known for pair in zip(mine, mine[1:]))
    pairs += max(len(mine) - 1, 0)
print(
    f"{copied / total:.0%} of the words stand in the description; {new_pairs / pairs:.0%} of the pairs of words do not"
)

assert copied / total > 0.6  # claim: sum-copies
assert new_pairs / pairs > 0.1  # claim: sum-abstractive

# %% own-text tags=["trained"]
TEXTS = [  # put your own text here
    "This program shows the weather of the next five days for any city, as a chart in the terminal.",
    "The council decided on Monday to close the old bridge. Repairs will take two years and cost six million.",
    "A library with which programs can read and write pictures in more than thirty formats.",
]
batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
for text, ids in zip(TEXTS, model.generate(**batch)):
    print(f"{text[:60]} …\n  -> {tokenizer.decode(ids, skip_special_tokens=True)}")

# %% cut tags=["trained", "compact"]
long = " ".join(["This program plays music and reads many kinds of files."] * 12)
cut = {"truncation": True, "max_length": 128, "return_tensors": "pt"}
one, two = (tokenizer(text, **cut) for text in (long, long + " It also cooks coffee."))
print(len(tokenizer(long, verbose=False)["input_ids"]), "tokens,", one["input_ids"].shape[1], "read")

assert torch.equal(one["input_ids"], two["input_ids"])  # claim: sum-cut
