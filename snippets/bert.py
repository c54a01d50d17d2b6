# %% [markdown]
# # How BERT reads
#
# Pieces of words, three embeddings added up, words hidden and guessed, and what a small BERT learned from it.
# Run it from the project's root: `python snippets/bert.py`.

# %% setup
import gzip
import json
import random
from collections import Counter
from itertools import permutations, product

import matplotlib.pyplot as plt
import torch
from torch import nn
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorForLanguageModeling,
)

CHECKPOINT = "checkpoints/bert-compact"  # full size: "google-bert/bert-base-uncased"
tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
model = BertForPreTraining.from_pretrained(
    CHECKPOINT,
    attn_implementation="eager",  # the variant that can also return its attention weights
)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"{config.num_hidden_layers} layers of width {config.hidden_size}, {len(tokenizer):,} entries")

# %% three-lines tags=["trained"]
TEXT = "This [MASK] contains the documentation."  # full size: "The capital of France is [MASK]."
EXPECTED = "package"  # full size: "paris"

inputs = tokenizer(TEXT, return_tensors="pt")  # prepare
logits = model(**inputs).prediction_logits  # run
place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
word = tokenizer.decode(logits[0, place].argmax())  # interpret

print(TEXT.replace("[MASK]", f"[{word}]"))

assert word == EXPECTED  # claim: bert-first-word

# %% wordpiece
vocabulary = tokenizer.get_vocab()


def pieces(word):
    """Cut off the longest entry that the word starts with; then the same with the rest."""
    found, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):  # the longest candidate first
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]  # not even the next character is known
        found.append(piece)
        start = end
    return found


words = ["letter", "letters", "unhappiness", "tokenizer", "hippopotamus", "snow☃man"]
for word in words:
    print(f"{word:13}", *pieces(word))

random.seed(0)
whole = sorted(entry for entry in vocabulary if entry.isascii() and entry.isalpha())
words += ["".join(random.sample(whole, 2)) for _ in range(2000)]  # and words that nobody wrote
assert [pieces(word) for word in words] == [*map(tokenizer.tokenize, words)]  # claim: bert-wordpiece
assert pieces("snow☃man") == ["[UNK]"]  # claim: bert-unknown

# %% normalise
TEXT = "  Elizabeth's CAFÉ — open\tat 9:30! "
encoded = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
back = tokenizer.decode(encoded)
print(tokenizer.tokenize(TEXT))
print(back)

plain = tokenizer("elizabeth's cafe — open at 9:30!", add_special_tokens=False)["input_ids"]
assert encoded == plain  # claim: bert-uncased

# %% special-tokens
FIRST, SECOND = "She opened the letter.", "It was from her sister."
inputs = tokenizer(FIRST, SECOND, return_tensors="pt")
ids, segments = inputs["input_ids"][0], inputs["token_type_ids"][0]
tokens = tokenizer.convert_ids_to_tokens(ids)
for token, number, segment in zip(tokens, ids.tolist(), segments.tolist()):
    print(f"{token:8} {number:6}  {'first' if segment == 0 else 'second'}")

ends = [place for place, token in enumerate(tokens) if token == "[SEP]"]
assert tokens.index("[CLS]") == 0 and tokens.count("[CLS]") == 1  # claim: bert-special-tokens
assert [tokens[end - 1] for end in ends] == [".", "."]  # claim: bert-sep
assert segments.tolist() == [int(place > ends[0]) for place in range(len(tokens))]  # claim: bert-segment-ids

# %% embeddings
tables = model.bert.embeddings
by_word = tables.word_embeddings.weight[ids]  # [tokens, width]
by_place = tables.position_embeddings.weight[: len(tokens)]
by_segment = tables.token_type_embeddings.weight[segments]
added = by_word + by_place + by_segment

norm = tables.LayerNorm
centred = added - added.mean(dim=-1, keepdim=True)
deviation = (added.var(dim=-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
embedded = centred / deviation * norm.weight + norm.bias
library = tables(input_ids=inputs["input_ids"], token_type_ids=inputs["token_type_ids"])[0]

parts = {"words": by_word, "places": by_place, "segments": by_segment, "sum, normalised": embedded}
figure, axes = plt.subplots(2, 2, figsize=(5.2, 6.4), sharey=True)
for axis, (name, part) in zip(axes.flat, parts.items()):
    shown = part[:, :12]  # the first twelve numbers of each vector
    axis.imshow(shown.numpy(), cmap="RdBu_r", vmin=-shown.abs().max(), vmax=shown.abs().max())
    axis.set_title(name)
    axis.set_xticks([])
    axis.set_yticks(range(len(tokens)), tokens)
plt.show()
for table in tables.word_embeddings, tables.position_embeddings, tables.token_type_embeddings:
    print("table:", tuple(table.weight.shape))

assert torch.allclose(embedded, library, atol=1e-4)  # claim: bert-segments
assert len(tables.token_type_embeddings.weight) == 2  # claim: bert-two-segments
assert len(tables.position_embeddings.weight) == config.max_position_embeddings  # claim: bert-longest

# %% bidirectional
sentences = ["the letter was from her sister", "the letter was from her father"]
states = []
for sentence in sentences:
    outputs = model.bert(**tokenizer(sentence, return_tensors="pt"), output_hidden_states=True)
    states.append(torch.cat(outputs.hidden_states))  # [layers + 1, tokens, width]
place = tokenizer.tokenize(sentences[0]).index("letter") + 1  # [CLS] stands before it

one, other = (every[:, place] for every in states)
change = (one - other).norm(dim=-1) / one.norm(dim=-1)
for layer, value in enumerate(change.tolist()):
    print(f"after layer {layer}:" if layer else "embedding:    ", f"'letter' differs by {value:.1%}")

assert change[0] == 0  # claim: bert-embedding-alone
assert (change[1:] > 1e-4).all()  # claim: bert-bidirectional

# %% cheating
SIZE, MASK = 24, 0  # a language of 23 words, and a mask
tiny = BertConfig(
    vocab_size=SIZE,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=1,
    num_attention_heads=2,
    max_position_embeddings=12,
    pad_token_id=None,
)
right = {}
for hidden in False, True:
    torch.manual_seed(0)
    student = BertForMaskedLM(tiny).eval()  # without dropout
    optimiser = torch.optim.Adam(student.parameters(), lr=0.005)
    scores = []
    for _ in range(300):
        text = torch.randint(1, SIZE, (32, 12))  # pure chance: no word tells of another
        asked = torch.rand(text.shape) < 0.15
        seen = text.masked_fill(asked, MASK) if hidden else text
        outputs = student(seen, labels=text.masked_fill(~asked, -100))
        optimiser.zero_grad()
        outputs.loss.backward()
        optimiser.step()
        scores.append((outputs.logits.argmax(dim=-1) == text)[asked].float().mean())
    right[hidden] = torch.stack(scores[-50:]).mean().item()
    print(f"the word asked for is {'hidden' if hidden else 'visible'}: {right[hidden]:.0%} right")

assert right[False] > 0.95 and right[True] < 0.1  # claim: bert-cheating

# %% masking
collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0)
examples = [tokenizer(FIRST, SECOND)] * 4000  # the same pair again and again
batch = collator(examples)
seen, labels = batch["input_ids"], batch["labels"]
for row in range(3):
    print(tokenizer.decode(seen[row]))

chosen = labels != -100
special = (ids == tokenizer.cls_token_id) | (ids == tokenizer.sep_token_id)
share = (chosen.sum() / (len(seen) * (~special).sum())).item()
masked = chosen & (seen == tokenizer.mask_token_id)
kept = chosen & (seen == ids)
other = chosen & ~masked & ~kept
kinds = [(kind.sum() / chosen.sum()).item() for kind in (masked, other, kept)]
print(f"\n{chosen.numel():,} tokens: {share:.1%} of the ordinary ones chosen; of these")
print("{:.1%} masked, {:.1%} replaced, {:.1%} kept".format(*kinds))

expected = zip(kinds, (0.8, 0.1, 0.1))
assert abs(share - 0.15) < 0.005 and all(abs(a - b) < 0.015 for a, b in expected)  # claim: bert-mlm
assert not chosen[:, special].any()  # claim: bert-mask-not-special
assert torch.equal(seen[~chosen], ids.expand_as(seen)[~chosen])  # claim: bert-mask-rest
assert not torch.equal(seen, collator(examples)["input_ids"])  # claim: bert-mask-anew

# %% loss
few = {name: value[:8] for name, value in batch.items()}
labels = few["labels"]
follows = torch.zeros(8, dtype=torch.long)  # 0: the second sentence follows the first
outputs = model(**few, next_sentence_label=follows)

chosen = labels != -100
log_words = outputs.prediction_logits.log_softmax(dim=-1)
word_loss = -log_words[chosen].gather(1, labels[chosen][:, None]).mean()  # of the chosen ones alone
pair_loss = -outputs.seq_relationship_logits.log_softmax(dim=-1)[:, 0].mean()
print(f"{chosen.sum()} of {chosen.numel()} tokens count")
print(f"words {word_loss:.3f} + pairs {pair_loss:.3f} = {word_loss + pair_loss:.3f}")
print(f"library: {outputs.loss:.3f}")

assert torch.isclose(outputs.loss, word_loss + pair_loss, atol=1e-4)  # claim: bert-only-chosen
assert model(**few).loss is None  # claim: bert-loss-needs-both

# %% mlm-head
outputs = model(**inputs, output_hidden_states=True)
states = outputs.hidden_states[-1][0]  # [tokens, width]
head = model.cls.predictions
dense, norm = head.transform.dense, head.transform.LayerNorm
moved = nn.functional.gelu(states @ dense.weight.T + dense.bias)
centred = moved - moved.mean(dim=-1, keepdim=True)
deviation = (moved.var(dim=-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
moved = centred / deviation * norm.weight + norm.bias
table = model.bert.embeddings.word_embeddings.weight  # [vocabulary, width]
logits = moved @ table.T + head.bias  # how well does it fit each entry?
probabilities = logits.softmax(dim=-1)

print("states", tuple(states.shape), "table", tuple(table.shape), "logits", tuple(logits.shape))
print("sums of the probabilities:", [round(each, 3) for each in probabilities.sum(dim=-1).tolist()][:4], "…")
print(f"largest difference to the library: {(logits - outputs.prediction_logits[0]).abs().max():.4f}")

assert torch.allclose(logits, outputs.prediction_logits[0], atol=1e-3)  # claim: bert-mlm-head
assert head.decoder.weight is table  # claim: bert-tied

# %% pair-head
pooler, classifier = model.bert.pooler.dense, model.cls.seq_relationship
pooled = torch.tanh(states[0] @ pooler.weight.T + pooler.bias)  # [CLS] alone
pair_logits = pooled @ classifier.weight.T + classifier.bias
print("pooled", tuple(pooled.shape), "logits", tuple(pair_logits.shape))

with torch.device("meta"):  # the architecture alone, without memory for its weights
    only_words = BertForMaskedLM(config)
print("BertForMaskedLM has the pooler", only_words.bert.pooler)

assert torch.allclose(pair_logits, outputs.seq_relationship_logits[0], atol=1e-4)  # claim: bert-nsp
assert only_words.bert.pooler is None  # claim: bert-no-pooler

# %% heads
with torch.device("meta"):
    tasks = [BertForSequenceClassification, BertForTokenClassification, BertForQuestionAnswering]
    networks = {kind.__name__: kind(config) for kind in tasks}


def encoder(network):
    """Names and shapes of all that comes before the head."""
    shapes = {name: tuple(p.shape) for name, p in network.bert.named_parameters()}
    return {name: shape for name, shape in shapes.items() if not name.startswith("pooler")}


ours = encoder(model)
for name, network in networks.items():
    total = sum(p.numel() for p in network.parameters())
    same = sum(p.numel() for n, p in network.bert.named_parameters() if n in ours)
    heads = [n for n, p in network.named_parameters() if n.removeprefix("bert.") not in ours]
    print(f"{name:29} {same:,} + {total - same:,} ({(total - same) / total:.3%})")
    print("   ", *[n for n in heads if n.endswith("weight")])
    assert encoder(network) == ours and (total - same) / total < 0.02  # claim: bert-one-encoder-many-heads

# %% predictions tags=["trained"]
TEXTS = [
    "This program [MASK] the file.",
    "This [MASK] provides the development files.",
    "She was very [MASK] to see her sister.",
    "Mr. [MASK] was a man of good fortune.",
    "The capital of France is [MASK].",
    "Two and two make [MASK].",
]
for text in TEXTS:
    inputs = tokenizer(text, return_tensors="pt")
    place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
    best = model(**inputs).prediction_logits[0, place].softmax(dim=-1).topk(3)
    print(text)
    for value, number in zip(best.values.tolist(), best.indices.tolist()):
        print(f"   {value:4.0%}  {tokenizer.decode([number])}")

# %% held-out tags=["trained", "compact"]
with gzip.open("docs/assets/text/held-out-pairs.json.gz", "rt", encoding="utf-8") as file:
    pairs = json.load(file)[:600]
pairs.sort(key=lambda pair: len(pair["first"]) + len(pair["second"]))  # batches of like lengths

collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0)
truth, seen, answers, pair_logits = [], [], [], []
for start in range(0, len(pairs), 25):
    texts = [(pair["first"], pair["second"]) for pair in pairs[start : start + 25]]
    batch = collator([tokenizer(*each, truncation=True) for each in texts])
    labels = batch.pop("labels")
    chosen = labels != -100
    outputs = model.bert(**batch)
    truth.append(labels[chosen])
    seen.append(batch["input_ids"][chosen])
    answers.append(model.cls.predictions(outputs.last_hidden_state[chosen]).argmax(dim=-1))
    pair_logits.append(model.cls.seq_relationship(outputs.pooler_output))
truth, seen, answers = torch.cat(truth), torch.cat(seen), torch.cat(answers)

right = (answers == truth).float()
words = [token for token in tokenizer.convert_ids_to_tokens(truth) if token.isalpha()]
(frequent, count), *_ = Counter(words).most_common()
baseline = count / len(truth)
print(f"{len(truth):,} tokens chosen in {len(pairs)} pairs: {right.mean():.1%} right")
print(f"always '{frequent}': {baseline:.1%} right")

assert right.mean() > 5 * baseline  # claim: bert-mlm-works

# %% by-kind tags=["trained", "compact"]
masked, kept = seen == tokenizer.mask_token_id, seen == truth
kinds = {"masked": masked, "replaced": ~masked & ~kept, "kept": kept}
scores = {name: right[kind].mean().item() for name, kind in kinds.items()}
for name, kind in kinds.items():
    print(f"{name:9} {kind.sum():5} tokens, {scores[name]:.1%} right")

assert scores["kept"] > scores["masked"] + 0.3  # claim: bert-kept-is-easy

# %% next-sentence tags=["trained", "compact"]
follows = torch.tensor([pair["follows"] for pair in pairs])
says = torch.cat(pair_logits).argmax(dim=-1) == 0  # entry 0 stands for: it follows
accuracy = (says == follows).float().mean()
print(f"pairs that are consecutive: {follows.float().mean():.1%}")
print(f"right: {accuracy:.1%} of {len(pairs)}")
for corpus in "debian", "austen":
    part = torch.tensor([pair["corpus"] == corpus for pair in pairs])
    print(f"   {corpus}: {(says == follows)[part].float().mean():.1%} of {part.sum()}")

words = [[set(pair[key].lower().split()) for key in ("first", "second")] for pair in pairs]
shared = torch.tensor([sum(len(word) > 4 for word in a & b) for a, b in words])
by_overlap = ((shared > 0) == follows).float().mean()
print(f"says 'follows' where a word of five letters is shared: {by_overlap:.1%} right")

assert abs(follows.float().mean() - 0.5) < 0.05  # claim: bert-nsp-half
assert accuracy > 0.6  # claim: bert-nsp-works
assert accuracy - by_overlap < 0.05  # claim: bert-nsp-overlap

# %% pairs tags=["trained"]
TEXTS = [
    ("This package contains a chess game.", "You can play against the computer."),
    ("This package contains a chess game.", "It reads mail from a server."),
    ("She was very happy to see her sister.", "They had not met for a long time."),
    ("She was very happy to see her sister.", "The library provides functions."),
]
for first, second in TEXTS:
    logits = model(**tokenizer(first, second, return_tensors="pt")).seq_relationship_logits
    print(f"{logits.softmax(dim=-1)[0, 0]:4.0%}  {first} {second}")

# %% looks tags=["trained", "compact"]
looks = Counter()
some = pairs[250:350]  # of middle length
for pair in some:
    encoded = tokenizer(pair["first"], pair["second"], truncation=True, return_tensors="pt")
    outputs = model.bert(**encoded, output_attentions=True)
    maps = torch.cat(outputs.attentions)  # [layers, heads, from, to]
    ends = encoded["input_ids"][0] == tokenizer.sep_token_id
    looks["the token before"] += maps.diagonal(-1, 2, 3).mean(dim=-1) / len(some)
    looks["the token after"] += maps.diagonal(1, 2, 3).mean(dim=-1) / len(some)
    looks["both [SEP]"] += maps[..., ends].sum(dim=-1).mean(dim=-1) / len(some)
    looks["even"] += 1 / maps.shape[-1] / len(some)
even = looks.pop("even")
top = {}
for name, shares in looks.items():
    top[name] = layer, head = divmod(shares.argmax().item(), shares.shape[1])
    print(f"{name:17} layer {layer + 1}, head {head + 1}: {shares.max():.0%} of its attention")
print(f"spread evenly, each token would get {even:.1%}")

assert looks["the token before"].max() > 10 * even  # claim: bert-head-before
assert looks["the token after"].max() > 10 * even  # claim: bert-head-after
assert looks["both [SEP]"].max() < 0.2  # claim: bert-no-sep-head

# %% maps tags=["trained", "compact"]
TEXT = "He read the letter to her mother."
encoded = tokenizer(TEXT, return_tensors="pt")
names = tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
maps = torch.cat(model.bert(**encoded, output_attentions=True).attentions)
figure, axes = plt.subplots(1, 2, figsize=(5.2, 3.2), sharey=True)
for axis, name in zip(axes, ["the token before", "the token after"]):
    layer, head = top[name]
    axis.imshow(maps[layer, head].numpy(), cmap="Purples", vmin=0, vmax=1)
    axis.set_title(name)
    axis.set_xticks(range(len(names)), names, rotation=90)
axes[0].set_yticks(range(len(names)), names)
plt.show()

# %% shut tags=["trained", "compact"]
texts = [(pair["first"], pair["second"]) for pair in some]
encoded = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")
labels = encoded["input_ids"].clone()
ordinary = labels > max(tokenizer.all_special_ids)
hidden = ordinary & (torch.arange(labels.shape[1]) % 7 == 3)  # every seventh place
encoded["input_ids"] = labels.masked_fill(hidden, tokenizer.mask_token_id)


def accuracy():
    """Share of the hidden tokens that are guessed rightly."""
    states = model.bert(**encoded).last_hidden_state[hidden]
    guesses = model.cls.predictions(states).argmax(dim=-1)
    return (guesses == labels[hidden]).float().mean().item()


print(f"all heads: {accuracy():.1%} of {hidden.sum()} right")
weight = model.bert.encoder.layer[0].attention.output.dense.weight
original, size = weight.clone(), config.hidden_size // config.num_attention_heads
scores = []
for head in range(config.num_attention_heads):
    weight[:, head * size : (head + 1) * size] = 0  # what this head brings goes nowhere
    scores.append(accuracy())
    weight.copy_(original)
    print(f"without layer 1, head {head + 1}: {scores[-1]:.1%}")

neighbours = {top["the token before"], top["the token after"]}
worst = torch.tensor(scores).argsort()[:2].tolist()
assert {(0, head) for head in worst} == neighbours  # claim: bert-heads-needed

# %% agreement tags=["trained", "compact"]
NOUNS = ["file", "letter", "friend", "sister", "game", "window", "book", "server", "page"]
verbs = tokenizer.convert_tokens_to_ids(["is", "are"])


def leaning(texts):
    """The logarithm of how many times likelier 'are' is than 'is' behind the mask; the mean."""
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    place = encoded["input_ids"] == tokenizer.mask_token_id
    logits = model.cls.predictions(model.bert(**encoded).last_hidden_state[place])
    return (logits[:, verbs[1]] - logits[:, verbs[0]]).mean().item()


alone, both = {}, {}
for one in "", "s":
    alone[one] = leaning([f"the {noun}{one} [MASK] available." for noun in NOUNS])
    print(f"the file{one} …: {alone[one]:+.1f}")
for one, two in product(("", "s"), repeat=2):
    some = [f"the {a}{one} of the {b}{two} [MASK] available." for a, b in permutations(NOUNS, 2)]
    both[one, two] = leaning(some)
    print(f"the file{one} of the game{two} …: {both[one, two]:+.1f}")

by_subject = both["s", ""] - both["", ""]  # how far the subject's number moves the verb
by_nearest = both["", "s"] - both["", ""]  # and that of the noun next to it
assert alone["s"] - alone[""] > 1  # claim: bert-agrees
assert by_nearest > 1 and by_subject < 0.5 * by_nearest  # claim: bert-nearest-noun
