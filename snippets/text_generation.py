# %% [markdown]
# # Text generation with GPT-2
#
# From bytes to tokens, one block by hand, the loss, the cache, and what a small GPT-2 learned from six novels.
# Run it from the project's root: `python snippets/text_generation.py`.

# %% setup
import gzip
import json
import math
import random
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import yaml
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

CHECKPOINT = "checkpoints/gpt2-austen"  # full size: "openai-community/gpt2"
tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
model = AutoModelForCausalLM.from_pretrained(
    CHECKPOINT,
    attn_implementation="eager",  # the variant that can also return its attention weights
)
model.eval().requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"{config.n_layer} blocks of width {config.n_embd}, {len(tokenizer):,} entries, {config.n_positions} places")

# %% three-lines tags=["trained"]
TEXT = "Mr. Darcy and Miss"  # full size: "Barack Obama was the President of the United"
EXPECTED = " Bingley"  # full size: " States"

inputs = tokenizer(TEXT, return_tensors="pt")  # prepare
logits = model(**inputs).logits  # run
word = tokenizer.decode(logits[0, -1].argmax())  # interpret

print(f"{TEXT} …{word}")

assert word == EXPECTED  # claim: gpt2-first-word

# %% bpe-learn
TEXT = "the other mother then gathers the others there, rather than the brother" * 2
pieces = pre_tokenizers.ByteLevel(add_prefix_space=False)
words = Counter(word for word, _ in pieces.pre_tokenize_str(TEXT))
split = {word: list(word) for word in words}  # at first, each character stands alone
entries = sorted({character for word in words for character in word})

merges = []
for _ in range(8):
    pairs = Counter()
    for word, parts in split.items():
        for pair in zip(parts, parts[1:]):
            pairs[pair] += words[word]
    best = min(pairs, key=lambda pair: (-pairs[pair], *map(entries.index, pair)))
    merges.append(best)
    entries.append("".join(best))
    for parts in split.values():
        for i in reversed(range(len(parts) - 1)):
            if tuple(parts[i : i + 2]) == best:
                parts[i : i + 2] = ["".join(best)]
    print(f"{best[0]:>5} + {best[1]:3} {pairs[best]:3} times")

learner = Tokenizer(models.BPE())
learner.pre_tokenizer = pieces
learner.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=len(entries), show_progress=False))
library = json.loads(learner.to_str())["model"]["merges"]
assert merges == [tuple(pair) for pair in library]  # claim: gpt2-merges-learned

# %% bpe-apply
learned = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
rank = {tuple(pair): place for place, pair in enumerate(learned)}


def cut(word):
    """Merge the pair that was learned first, again and again; every stage on the way."""
    parts = list(word)
    stages = [list(parts)]
    while known := [pair for pair in zip(parts, parts[1:]) if pair in rank]:
        place = list(zip(parts, parts[1:])).index(min(known, key=rank.get))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        stages.append(list(parts))
    return stages


for stage in cut("Ġunhappier"):  # Ġ stands for a space
    print(*stage)

random.seed(0)
whole = sorted(entry for entry in tokenizer.get_vocab() if entry.isascii() and entry.isalpha())
glued = ["".join(random.sample(whole, 3)) for _ in range(2000)]
assert all(cut(word)[-1] == tokenizer.tokenize(word) for word in glued)  # claim: gpt2-merges-applied

# %% bytes
TEXT = "A naïve ☃ said: 雪だ!"
ids = tokenizer(TEXT)["input_ids"]
print(f"{len(TEXT)} characters, {len(TEXT.encode())} bytes, {len(ids)} tokens")
print(*tokenizer.tokenize(TEXT))
print(tokenizer.decode(ids))

random.seed(0)
strings = ["".join(chr(random.randint(1, 0xD7FF)) for _ in range(20)) for _ in range(500)]
back = tokenizer.batch_decode(tokenizer(strings)["input_ids"])
assert back == strings  # claim: gpt2-bpe
alphabet = set(pre_tokenizers.ByteLevel.alphabet())
assert len(alphabet) == 256 and alphabet <= set(tokenizer.get_vocab())  # claim: gpt2-every-byte

# %% positions
TEXT = "The lady saw the lady"
ids = tokenizer(TEXT, return_tensors="pt")["input_ids"]
tokens = tokenizer.tokenize(TEXT)
words = model.transformer.wte(ids)  # [1, tokens, width]
places = model.transformer.wpe.weight[: ids.shape[1]]
outputs = model(ids, output_hidden_states=True)

first, second = (i for i, token in enumerate(tokens) if token == tokenizer.tokenize(" lady")[0])
print("table of words :", tuple(model.transformer.wte.weight.shape))
print("table of places:", tuple(model.transformer.wpe.weight.shape))
print(f"lady, at places {first} and {second}")

assert torch.allclose(words + places, outputs.hidden_states[0])  # claim: gpt2-positions
assert torch.equal(words[0, first], words[0, second])  # claim: gpt2-word-alone
assert not torch.allclose(outputs.hidden_states[0][0, first], outputs.hidden_states[0][0, second])  # claim: gpt2-place

# %% too-long
too_long = torch.zeros(1, config.n_positions + 1, dtype=torch.int)
try:
    model(too_long)
    refused = False
except IndexError as error:
    refused = True
    print(type(error).__name__ + ":", error)

assert refused  # claim: gpt2-longest

# %% mask
TEXT = "She had not seen him since the ball"
inputs = tokenizer(TEXT, return_tensors="pt")
tokens = tokenizer.tokenize(TEXT)
outputs = model(**inputs, output_attentions=True, output_hidden_states=True)
layer, head, size = model.transformer.h[0], 0, config.n_embd // config.n_head

state = layer.ln_1(outputs.hidden_states[0][0])
query, key, value = layer.attn.c_attn(state).split(config.n_embd, dim=-1)
some = slice(head * size, (head + 1) * size)
scores = query[:, some] @ key[:, some].T / math.sqrt(size)
future = torch.ones_like(scores).triu(1).bool()  # above the diagonal
masked = scores.masked_fill(future, torch.finfo(scores.dtype).min)
weights = masked.softmax(dim=-1)
library = outputs.attentions[0][0, head]

figure, axes = plt.subplots(3, 1, figsize=(3.6, 8.4))
shown = {"scores": scores, "masked": scores.masked_fill(future, torch.nan), "weights": weights}
for axis, (name, values) in zip(axes, shown.items()):
    axis.imshow(values, cmap="viridis")
    axis.set_title(name)
    axis.set_xticks([])
    axis.set_yticks(range(len(tokens)), [token.replace("Ġ", "") for token in tokens])
plt.show()

assert torch.allclose(weights, library, atol=1e-5)  # claim: gpt2-attention
assert (library[future] == 0).all()  # claim: gpt2-masked-attention
zeroed = scores.masked_fill(future, 0).softmax(dim=-1)
assert (zeroed[future] > 0.01).any()  # claim: gpt2-not-zero

# %% future
changed = inputs["input_ids"].clone()
changed[0, -1] = tokenizer(" dance")["input_ids"][0]
before, after = outputs.logits[0], model(changed).logits[0]
moved = (before - after).abs().amax(dim=-1)
for token, most in zip(tokens, moved.tolist()):
    print(f"{token:8} {most:6.3f}")

assert (moved[:-1] < 1e-4).all() and moved[-1] > 0.01  # claim: gpt2-future
assert tokenizer.mask_token is None  # claim: gpt2-mask-is-not-mask-token

# %% block
hidden = outputs.hidden_states
state = hidden[0]
heads = layer.attn.c_attn(layer.ln_1(state)).split(config.n_embd, dim=-1)
query, key, value = (part.view(1, -1, config.n_head, size).transpose(1, 2) for part in heads)
mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
state = state + layer.attn.c_proj(mixed.transpose(1, 2).flatten(2))  # attention, added
wide = functional.gelu(layer.mlp.c_fc(layer.ln_2(state)), approximate="tanh")
state = state + layer.mlp.c_proj(wide)  # feed-forward, added

for name, part in layer.named_children():
    print(f"{name:5} {sum(each.numel() for each in part.parameters()):9,} parameters")

assert torch.allclose(state, hidden[1], atol=1e-3)  # claim: gpt2-prenorm
assert not any("cross" in name for name, _ in model.named_modules())  # claim: gpt2-blocks

# %% head
last = hidden[-1]  # the final layer norm is in it
by_hand = last @ model.transformer.wte.weight.T
print("state ", tuple(last.shape))
print("logits", tuple(by_hand.shape))

assert torch.allclose(by_hand, outputs.logits, atol=1e-3)  # claim: gpt2-lm-head
assert model.lm_head.weight is model.transformer.wte.weight  # claim: gpt2-tied

# %% loss
ids = inputs["input_ids"]
loss = model(ids, labels=ids).loss  # the labels are the text itself
log_shares = outputs.logits[0].log_softmax(dim=-1)
for place in range(len(tokens) - 1):
    label = ids[0, place + 1]  # the token after it
    print(f"{tokens[place]:6} -> {tokens[place + 1]:6} {-log_shares[place, label]:6.2f}")

own = -log_shares[range(len(tokens)), ids[0]].mean()
by_hand = -log_shares[range(len(tokens) - 1), ids[0, 1:]].mean()
print(f"mean {by_hand:.3f}; the library says {loss:.3f}")

assert torch.isclose(by_hand, loss, atol=1e-4)  # claim: gpt2-shift
assert not torch.isclose(own, loss, atol=0.1)  # claim: gpt2-shift-inside

# %% greedy
written = tokenizer(TEXT, return_tensors="pt")["input_ids"]
for _ in range(12):
    best = model(written).logits[0, -1].argmax()
    written = torch.cat([written, best.view(1, 1)], dim=1)
print(tokenizer.decode(written[0]))

library = model.generate(**inputs, do_sample=False, max_new_tokens=12, pad_token_id=config.eos_token_id)
assert torch.equal(written[:, : library.shape[1]], library)  # claim: gpt2-one-by-one

# %% cache
cache = DynamicCache(config=config)
model(inputs["input_ids"][:, :-1], past_key_values=cache)
stored = cache.layers[0]
print("keys of block 0  ", tuple(stored.keys.shape))
print("values of block 0", tuple(stored.values.shape))
short = model(inputs["input_ids"][:, -1:], past_key_values=cache).logits[0, -1]  # one token alone

assert torch.allclose(short, outputs.logits[0, -1], atol=1e-3)  # claim: gpt2-cache-same

# %% cache-work
work, text = {}, {}
for kept in False, True:
    counter = FlopCounterMode(display=False)
    with counter:
        text[kept] = model.generate(
            **inputs,
            do_sample=False,
            min_new_tokens=60,
            max_new_tokens=60,
            use_cache=kept,
            pad_token_id=config.eos_token_id,
        )
    work[kept] = counter.get_total_flops()
    print(f"{'with' if kept else 'without'} cache: {work[kept] / 1e9:8.2f} billion operations")
print(f"{work[False] / work[True]:.0f} times less")

assert torch.equal(text[False], text[True])  # claim: gpt2-cache
assert work[True] < work[False] / 10  # claim: gpt2-cache-work

# %% sample tags=["trained"]
TEXT = "It was some time before Elizabeth"  # full size: "It was some time before the doctor"
torch.manual_seed(1)
inputs = tokenizer(TEXT, return_tensors="pt")
written = model.generate(
    **inputs, do_sample=True, top_p=0.9, top_k=0, max_new_tokens=80, pad_token_id=config.eos_token_id
)
print(tokenizer.decode(written[0]))
torch.manual_seed(1)
again = model.generate(
    **inputs, do_sample=True, top_p=0.9, top_k=0, max_new_tokens=80, pad_token_id=config.eos_token_id
)

assert torch.equal(written, again)  # claim: gpt2-seed

# %% held-out tags=["trained", "compact"]
with gzip.open("docs/assets/text/held-out-austen.json.gz", "rt", encoding="utf-8") as file:
    chapters = json.load(file)
size = config.n_positions
losses = []
for chapter in chapters:
    ids = tokenizer("\n".join(chapter["paragraphs"]), return_tensors="pt", verbose=False)["input_ids"][0]
    windows = ids[: len(ids) // size * size].view(-1, size)[::3]  # every third, [windows, places]
    for part in windows.split(16):
        logits = model(part).logits[:, :-1]
        losses.append(functional.cross_entropy(logits.transpose(1, 2), part[:, 1:], reduction="none"))
losses = torch.cat(losses)  # [windows, places - 1]
perplexity = losses.mean().exp().item()
card = next(yaml.safe_load_all(Path(CHECKPOINT, "README.md").read_text().split("\n---\n")[0]))
bigram = card["baselines"]["bigram_token_perplexity"]
print(f"{len(chapters)} chapters, {losses.numel():,} tokens foretold")
print(f"perplexity {perplexity:.1f}; the bigram model {bigram:.1f}; blind guessing {len(tokenizer):,}")

assert perplexity < 0.7 * bigram  # claim: gpt2-works

# %% context tags=["trained", "compact"]
edges = [0, 1, 2, 4, 8, 16, 32, 64, 128, size - 1]
by_place = [losses[:, a:b].mean().exp().item() for a, b in zip(edges, edges[1:])]
figure, axis = plt.subplots(figsize=(5.2, 2.8))
axis.plot([(a + b + 1) / 2 for a, b in zip(edges, edges[1:])], by_place, marker="o")
axis.axhline(bigram, linestyle=":", color="grey")
axis.text(1, bigram + 6, "bigram model")
axis.set(xscale="log", xlabel="tokens before it", ylabel="perplexity")
plt.show()
print(f"with one token before it {by_place[0]:.0f}, with 128 or more {by_place[-1]:.0f}")

assert by_place[-1] < by_place[2] < by_place[0]  # claim: gpt2-context

# %% order tags=["trained"]
SENTENCE = "She was not at all surprised to see him in the room."
random.seed(0)
words = SENTENCE.rstrip(".").split()
shuffles = [random.sample(words, len(words)) for _ in range(200)]


def surprise(text):
    """Nats of the whole text after its first token."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    return model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)


real = surprise(SENTENCE)
mixed = [surprise(" ".join(each) + ".") for each in shuffles]
print(f"as written: {real:.0f} nats; shuffled: {min(mixed):.0f} to {max(mixed):.0f}")
print("least surprising shuffle:", " ".join(shuffles[mixed.index(min(mixed))]))

assert real < min(mixed)  # claim: gpt2-order

# %% own-text tags=["trained"]
TEXT = "My dear Miss Woodhouse, the kettle"  # put your own beginning here
torch.manual_seed(0)
inputs = tokenizer(TEXT, return_tensors="pt")
for text in model.generate(
    **inputs,
    do_sample=True,
    top_p=0.9,
    top_k=0,
    num_return_sequences=3,
    max_new_tokens=25,
    pad_token_id=config.eos_token_id,
):
    print("-", tokenizer.decode(text).split("\n")[0])

# %% elsewhere tags=["trained"]
ours = "She could not but be pleased with his attention to her sister."
texts = {
    "a novel": ours,
    "software": "This package contains the header files for the compression library.",
    "sums": "Two and two make four, and four and four make eight.",
    "code": "for i in range(10): print(i ** 2)",
}
nats = {}
for name, text in texts.items():
    count = len(tokenizer.tokenize(text))
    nats[name] = surprise(text) / len(text)
    print(f"{name:9} {len(text) / count:4.1f} characters a token, {nats[name]:.2f} nats a character")

assert nats["a novel"] == min(nats.values())  # claim: gpt2-elsewhere
