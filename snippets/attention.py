# %% [markdown]
# # The Transformer, refreshed
#
# Attention by hand, the three kinds of masks, positions, and encoders and decoders side by side.
# Run it from the project's root: `python snippets/attention.py`.

# %% setup
import copy
import gzip
import json

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from torch import nn
from transformers import (
    AutoModelForPreTraining,
    AutoTokenizer,
    BartConfig,
    BartModel,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
)
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

CHECKPOINT = "checkpoints/bert-compact"  # full size: "google-bert/bert-base-uncased"
tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
pretrained = AutoModelForPreTraining.from_pretrained(
    CHECKPOINT,
    attn_implementation="eager",  # the variant that can also return its attention weights
)
model = pretrained.bert.requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"{config.num_hidden_layers} layers, {config.num_attention_heads} heads, width {config.hidden_size}")

# %% tokens
SENTENCE = "the man saw the woman"
inputs = tokenizer(SENTENCE, return_tensors="pt")
ids = inputs["input_ids"][0]
tokens = tokenizer.convert_ids_to_tokens(ids)
table = model.embeddings.word_embeddings.weight  # [vocabulary, width]
vectors = table[ids]  # [tokens, width]
print("table:  ", tuple(table.shape))
print("vectors:", tuple(vectors.shape))
for number, token, vector in zip(ids.tolist(), tokens, vectors):
    print(f"{token:6} {number:5}  ", *[f"{value:6.2f}" for value in vector[:3].tolist()], "…")

first, second = (place for place, token in enumerate(tokens) if token == "the")
assert torch.equal(vectors, model.embeddings.word_embeddings(ids))  # claim: attn-lookup
assert torch.equal(vectors[first], vectors[second])  # claim: attn-same-word

# %% context
before, after = [], []
for text in ["she sat by the window", "open the file in a new window"]:
    encoded = tokenizer(text, return_tensors="pt")
    place = tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]).index("window")
    before.append(table[encoded["input_ids"][0, place]])
    after.append(model(**encoded).last_hidden_state[0, place])
    print(text)
for name, pair in {"looked up": before, "last layer": after}.items():
    print(f"the two windows, {name:10}: cosine {torch.cosine_similarity(*pair, dim=0):.3f}")

assert torch.equal(*before)  # claim: attn-static
assert not torch.allclose(*after, atol=0.01)  # claim: attn-context

# %% soft-lookup
keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
values = torch.tensor([10.0, 20.0, 30.0])
for strength in 0, 1, 3, 9:
    query = strength * torch.tensor([1.0, 0.0])  # points to where the first key points
    scores = keys @ query  # how well each key answers
    weights = scores.softmax(dim=0)
    answer = weights @ values
    print(strength, "weights", *[f"{w:.2f}" for w in weights.tolist()], f" answer {answer:5.2f}")
    if strength == 0:
        assert torch.isclose(answer, values.mean())  # claim: attn-mean
assert torch.isclose(answer, values[0], atol=0.01)  # claim: attn-soft-lookup

# %% query-key-value
layer = model.encoder.layer[0]
attention = layer.attention.self
print(attention)

embedded = model.embeddings(inputs["input_ids"])[0]  # [tokens, width]
heads, size = attention.num_attention_heads, attention.attention_head_size
split = len(tokens), heads, size
query = attention.query(embedded).view(split).transpose(0, 1)  # [heads, tokens, head size]
key = attention.key(embedded).view(split).transpose(0, 1)
value = attention.value(embedded).view(split).transpose(0, 1)
print("query, key and value:", tuple(query.shape))

assert heads * size == config.hidden_size  # claim: attn-slices

# %% one-row
asking = tokens.index("saw")
scores = key[0] @ query[0, asking]  # one number for each token, first head
scaled = scores / size**0.5
weights = scaled.exp() / scaled.exp().sum()  # the softmax
answer = weights @ value[0]  # [head size]
print(f"{'saw'!r} asks  score  scaled  weight")
for token, *row in zip(tokens, scores.tolist(), scaled.tolist(), weights.tolist()):
    print(f"{token:9} {row[0]:8.2f} {row[1]:7.2f} {row[2]:7.3f}")
print(f"sum of weights {weights.sum():.3f}; answer: {len(answer)} numbers")

assert torch.isclose(weights.sum(), torch.tensor(1.0))  # claim: attn-sum-one
assert weights.min() > 0  # claim: attn-never-zero

# %% formula
scores = query @ key.transpose(1, 2) / size**0.5  # [heads, tokens, tokens]
weights = scores.softmax(dim=-1)  # each row adds up to 1
mixed = weights @ value  # [heads, tokens, head size]
by_hand = mixed.transpose(0, 1).flatten(1)  # the heads side by side: [tokens, width]

library, library_weights = attention(embedded[None])
reported = model(**inputs, output_attentions=True).attentions[0]
print("weights:", tuple(weights.shape))
print("output: ", tuple(by_hand.shape))
print(f"largest difference of a weight: {(weights - library_weights[0]).abs().max():.5f}")
print(f"largest difference of an output: {(by_hand - library[0]).abs().max():.5f}")

assert torch.allclose(weights, library_weights[0], atol=1e-5)  # claim: attn-weights
assert torch.allclose(by_hand, library[0], atol=1e-4)  # claim: attn-formula
assert torch.allclose(weights, reported[0], atol=1e-5)  # claim: attn-reported
assert torch.allclose(answer, mixed[0, asking], atol=1e-4)  # claim: attn-row

# %% scale
torch.manual_seed(0)
sizes = [2**power for power in range(1, 11)]
spread, largest = [], {"not scaled": [], "scaled": []}
for d in sizes:
    queries, keys = torch.randn(400, 1, d), torch.randn(400, d, 16)  # 16 keys for each query
    scores = (queries @ keys)[:, 0]  # [400, 16]
    spread.append(scores.std().item())
    for name, divisor in {"not scaled": 1, "scaled": d**0.5}.items():
        largest[name].append((scores / divisor).softmax(dim=-1).amax(dim=-1).mean().item())
plt.figure(figsize=(5, 2.7))
for (name, line), style in zip(largest.items(), ["C2o-", "C1o-"]):
    plt.semilogx(sizes, line, style, base=2, label=name)
plt.axhline(1 / 16, color="C5", linestyle=":", label="all the same")
plt.ylim(0, 1)
plt.xlabel("head size d")
plt.ylabel("largest weight")
plt.legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=3)
plt.show()
for d, deviation in list(zip(sizes, spread))[1::4]:
    print(f"d = {d:4}: spread {deviation:5.2f}, root of d {d**0.5:5.2f}")

assert all(abs(s / d**0.5 - 1) < 0.05 for s, d in zip(spread, sizes))  # claim: attn-spread
assert largest["not scaled"][-1] > 0.9  # claim: attn-saturates
assert max(largest["scaled"]) - min(largest["scaled"]) < 0.1  # claim: attn-scaled

# %% saturated
d, medians = 1024, {}
queries, keys = torch.randn(400, 1, d), torch.randn(400, d, 16)
for name, divisor in {"not scaled": 1, "scaled": d**0.5}.items():
    scores = ((queries @ keys)[:, 0] / divisor).requires_grad_()
    largest_weights = scores.softmax(dim=-1).amax(dim=-1)
    (gradient,) = torch.autograd.grad(largest_weights.sum(), scores)
    medians[name] = gradient.norm(dim=-1).median().item()
    print(f"{name:10}  gradient {medians[name]:.0e}")

assert medians["not scaled"] < 0.01 * medians["scaled"]  # claim: attn-gradient

# %% heads
output = layer.attention.output.dense  # the output matrix: [width, width], and a bias
joined = output(library[0])  # [tokens, width]
columns = output.weight.view(config.hidden_size, heads, size)  # each head has its columns
each = [mixed[head] @ columns[:, head].T for head in range(heads)]  # [tokens, width] a head
added = torch.stack(each).sum(dim=0) + output.bias
print(f"largest difference: {(added - joined).abs().max():.5f}")

counts = []
for number in 1, 4, 12:
    with torch.device("meta"):  # shapes without numbers: no memory, no time
        network = BertModel(BertConfig(num_attention_heads=number))
    counts.append(sum(weight.numel() for weight in network.encoder.layer[0].attention.self.parameters()))
    print(f"width 768, {number:2} heads: {counts[-1]:,} parameters")

assert torch.allclose(added, joined, atol=1e-4)  # claim: attn-heads-add
assert len(set(counts)) == 1  # claim: attn-heads-free


# %% layer
def normalise(states, norm):
    """A layer norm by hand: each token's numbers to mean 0 and deviation 1, then scale and shift."""
    centred = states - states.mean(dim=-1, keepdim=True)
    deviation = (centred.square().mean(dim=-1, keepdim=True) + norm.eps).sqrt()
    return centred / deviation * norm.weight + norm.bias


after_attention = normalise(embedded + joined, layer.attention.output.LayerNorm)
wide = nn.functional.gelu(layer.intermediate.dense(after_attention))  # [tokens, wide]
narrow = layer.output.dense(wide)  # [tokens, width]
after_layer = normalise(after_attention + narrow, layer.output.LayerNorm)
library = layer(embedded[None])[0]
print(f"in {tuple(embedded.shape)}, inside {tuple(wide.shape)}, out {tuple(after_layer.shape)}")
print(f"largest difference to the library: {(after_layer - library).abs().max():.5f}")

states = embedded[None]
for each_layer in model.encoder.layer:
    states = each_layer(states)
assert torch.allclose(after_layer, library, atol=1e-4)  # claim: attn-layer
assert torch.allclose(states, model(**inputs).last_hidden_state, atol=1e-4)  # claim: attn-stack

# %% who-moves
torch.manual_seed(0)
disturbed = embedded.clone()
disturbed[asking] += torch.randn(config.hidden_size)  # one token, changed


def feed_forward(states):
    return layer.output.dense(nn.functional.gelu(layer.intermediate.dense(states)))


moved = {}
for name, part in {"feed-forward": feed_forward, "attention": lambda x: attention(x[None])[0][0]}.items():
    change = (part(disturbed) - part(embedded)).abs().amax(dim=-1)
    moved[name] = [token for token, amount in zip(tokens, change) if amount > 1e-6]
    print(f"{name:12} changed: {' '.join(moved[name])}")

assert moved["feed-forward"] == [tokens[asking]]  # claim: attn-ff-alone
assert moved["attention"] == tokens  # claim: attn-moves

# %% mask-by-hand
scores = (query @ key.transpose(1, 2) / size**0.5)[0]  # the first head
allowed = torch.ones(len(tokens), len(tokens)).tril().bool()  # only itself and the left
masked = scores.masked_fill(~allowed, -torch.inf)
weights = masked.softmax(dim=-1)
for token, row in zip(tokens, weights):
    print(f"{token:6}", *[f"{w:.2f}" if w else "  · " for w in row.tolist()])

late = scores.softmax(dim=-1) * allowed  # masked after the softmax instead
assert torch.allclose(weights.sum(dim=-1), torch.ones(len(tokens)))  # claim: attn-mask-rows
assert (weights[~allowed] == 0).all()  # claim: attn-mask-zero
assert late.sum(dim=-1).min() < 0.9  # claim: attn-mask-late

# %% three-models
torch.manual_seed(0)
shared = {"vocab_size": len(tokenizer), "attn_implementation": "eager"}
shared |= {"bos_token_id": 2, "eos_token_id": 3}
gpt2 = GPT2Model(GPT2Config(n_embd=32, n_layer=2, n_head=4, **shared)).eval()
bart = BartModel(
    BartConfig(
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        **shared,
    )
).eval()
words = ids[1:-1][None]  # the sentence without [CLS] and [SEP]
german = "der Mann sah die Frau".split()
target = torch.arange(len(german))[None] + 10  # five token ids; which ones does not matter
for network in gpt2, bart:
    print(type(network).__name__, f"with {network.num_parameters():,} random parameters")

# %% masks
english = tokens[1:-1]
of_bert = model(words, output_attentions=True)
of_gpt2 = gpt2(words, output_attentions=True)
of_bart = bart(words, decoder_input_ids=target, output_attentions=True)
seen = {
    "encoder": of_bert.attentions,
    "decoder": of_gpt2.attentions,
    "cross-attention": of_bart.cross_attentions,
}
seen = {name: torch.cat(tables).amin(dim=(0, 1)) > 0 for name, tables in seen.items()}
blank_or_not = ListedColormap([("C1", 0.12), "C1"])
paper = {"cmap": blank_or_not, "vmin": 0, "vmax": 1, "edgecolors": "#fcfaf5"}

figure, axes = plt.subplots(1, 3, figsize=(5.4, 2.6))
for axis, (name, pairs), asks in zip(axes, seen.items(), [english, english, german]):
    axis.pcolormesh(pairs.int().numpy(), linewidth=2, **paper)
    axis.set_xticks([n + 0.5 for n in range(5)], english, rotation=90)
    axis.set_yticks([n + 0.5 for n in range(5)], asks)
    axis.set(aspect="equal", ylim=(5, 0))
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title(name, loc="center", size=11)
    print(f"{name:15} {pairs.sum():2} of {pairs.numel()} pairs")
plt.show()
square = torch.ones(5, 5).bool()
assert torch.equal(seen["encoder"], square)  # claim: attn-mask-encoder
assert torch.equal(seen["decoder"], square.tril())  # claim: attn-mask-decoder
assert torch.equal(seen["cross-attention"], square)  # claim: attn-masks


# %% reach
def moved(run, ids):
    """Which positions of the output change when the last token of the input is replaced."""
    other = ids.clone()
    other[0, -1] = tokenizer.mask_token_id
    change = (run(ids) - run(other)).abs().amax(dim=-1)[0]
    return "".join("x" if amount > 1e-6 else "." for amount in change)


reach = {
    "encoder, last input token": moved(lambda x: model(x)[0], words),
    "decoder, last input token": moved(lambda x: gpt2(x)[0], words),
    "both, last target token": moved(lambda x: bart(words, decoder_input_ids=x)[0], target),
    "both, last source token": moved(lambda x: bart(x, decoder_input_ids=target)[0], words),
}
for name, positions in reach.items():
    print(f"{name:26} {positions}")
prefix = gpt2(words[:, :3])[0]  # the first three words alone
assert list(reach.values()) == ["xxxxx", "....x", "....x", "xxxxx"]  # claim: attn-reach
assert torch.allclose(prefix, gpt2(words)[0][:, :3], atol=1e-5)  # claim: attn-prefix

# %% same-weights
decoder_config = copy.deepcopy(config)
decoder_config.is_decoder = True
turned = BertModel(decoder_config, add_pooling_layer=False).eval()
kept = {name: weight for name, weight in model.state_dict().items() if "pooler" not in name}
print(turned.load_state_dict(kept))

before = model(words, output_attentions=True).attentions[0][0, 0] > 0
after = turned(words, output_attentions=True).attentions[0][0, 0] > 0
for word, row, narrower in zip(english, before.int().tolist(), after.int().tolist()):
    print(f"{word:6}", *row, "  ", *narrower)

assert torch.equal(after, square.tril())  # claim: attn-same-weights

# %% padding
texts = [SENTENCE, "she sat by the window and saw the man"]
batch = tokenizer(texts, padding=True, return_tensors="pt")
length = len(tokens)
print(*tokenizer.convert_ids_to_tokens(batch["input_ids"][0]))
print("attention mask:", *batch["attention_mask"][0].tolist())
masked = model(**batch, output_attentions=True)
everything = torch.ones_like(batch["attention_mask"])
unmasked = model(**{**batch, "attention_mask": everything}).last_hidden_state[0, :length]
alone = model(**inputs).last_hidden_state[0]
together = masked.last_hidden_state[0, :length]
on_padding = torch.stack(masked.attentions)[:, 0, :, :, length:]
print(f"off with the mask:    {(together - alone).abs().max():.5f}")
print(f"off without the mask: {(unmasked - alone).abs().max():.5f}")

assert (on_padding == 0).all()  # claim: attn-padding-zero
assert torch.allclose(together, alone, atol=1e-4)  # claim: attn-padding
assert not torch.allclose(unmasked, alone, atol=1e-2)  # claim: attn-padding-needed

# %% positions
order = [0, 4, 5, 3, 1, 2, 6]  # "the woman saw the man", between [CLS] and [SEP]
print(" ".join(tokens[place] for place in order))
orderless = copy.deepcopy(model)
orderless.embeddings.position_embeddings.weight.zero_()


def gap(network):
    """Shuffle before the model or after it: how far the two results are apart, token by token."""
    shuffled = network(ids[order][None]).last_hidden_state[0]
    return (shuffled - network(ids[None]).last_hidden_state[0][order]).abs().amax(dim=-1)


without, with_positions = gap(orderless), gap(model)
print(f"{'':6} without    with positions")
for place, first, second in zip(order, without, with_positions):
    print(f"{tokens[place]:6} {first:7.4f} {second:7.4f}")

states = torch.randn(len(tokens), config.hidden_size)  # any vectors
before, after = attention(states[order][None])[0], attention(states[None])[0][:, order]
assert torch.allclose(before, after, atol=1e-5)  # claim: attn-positions
assert without.max() < 1e-3  # claim: attn-orderless
assert with_positions.max() > 0.1  # claim: attn-order

# %% causal-order
orderless_gpt2 = copy.deepcopy(gpt2).requires_grad_(False)
orderless_gpt2.wpe.weight.zero_()
swap = [place - 1 for place in order[1:-1]]
shuffled = orderless_gpt2(words[:, swap]).last_hidden_state[0]
after = orderless_gpt2(words).last_hidden_state[0][swap]
print(f"a decoder without positions, off by {(shuffled - after).abs().max():.2f}")

assert not torch.allclose(shuffled, after, atol=0.01)  # claim: attn-causal-order

# %% sine
places = torch.arange(64)[:, None]
waves = 10000 ** (-torch.arange(0, 64, 2) / 64)  # each wave is slower than the one before
codes = torch.cat([(places * waves).sin(), (places * waves).cos()], dim=1)  # [places, 64]
alike = codes @ codes.T  # how alike the codes of two places are

figure, axes = plt.subplots(1, 2, figsize=(5.4, 2.9))
for axis, picture, label in zip(axes, [codes, alike], ["number of the code", "place"]):
    axis.imshow(picture.numpy())
    axis.set(xlabel=label, ylabel="place", xticks=[0, 32, 63], yticks=[0, 32, 63])
axes[0].set_title("64 codes")
axes[1].set_title("how alike")
plt.show()

library = MarianSinusoidalPositionalEmbedding(64, 64).create_weight()
same_distance = [alike.diagonal(step) for step in range(64)]
assert torch.allclose(codes, library, atol=1e-4)  # claim: attn-sine
assert all(torch.allclose(row, row[0], atol=1e-3) for row in same_distance)  # claim: attn-sine-distance

# %% parts
networks = {"BERT": model, "GPT-2": gpt2, "BART": bart}
attentive = {}
for name, network in networks.items():
    print(name)
    for path, module in network.named_modules():
        if ".0." in path and type(module).__name__.endswith("Attention") and hasattr(module, "is_causal"):
            attentive[name, path] = module.is_causal
            print(f"  {path:31}", "masked" if module.is_causal else "")

assert [*attentive.values()] == [False, True, False, True, False]  # claim: attn-families

# %% families
stacks = [  # colour, attention tables of the layers, what goes in and what comes out
    ("C6", [of_bert.attentions], "a text", "vectors"),
    ("C7", [of_gpt2.attentions], "text so far", "next word"),
    ("C6", [of_bart.encoder_attentions], "a text", "vectors"),
    ("C7", [of_bart.decoder_attentions, of_bart.cross_attentions], "text so far", "next word"),
]
corners = np.linspace(0, 1, 6)  # of the little mask pictures
centred = {"ha": "center", "va": "center"}
figure, axis = plt.subplots(figsize=(5.4, 4.8))
for x, (colour, tables, reads, gives) in enumerate(stacks):
    axis.text(x, 0.25, reads, color="C0", **centred)
    parts = ["self-\nattention", "cross-\nattention"][: len(tables)] + ["feed-\nforward"]
    for level, part in enumerate(parts):
        y, height = 0.6 + 2.4 * level, 2.3 if level < len(tables) else 0.9
        axis.add_patch(plt.Rectangle((x - 0.45, y), 0.9, height, color=colour, alpha=0.15))
        axis.text(x, y + 0.45, part, size=10, **centred)
        if level < len(tables):
            pairs = torch.cat(tables[level]).amin(dim=(0, 1)) > 0
            across, down = x - 0.22 + 0.44 * corners, y + 0.95 + 1.2 * corners
            axis.pcolormesh(across, down, pairs.int().numpy(), linewidth=0.7, **paper)
    axis.text(x, y + height + 0.35, gives, color="C4", **centred)
bend = {"arrowstyle": "->", "color": "C5", "connectionstyle": "angle,angleA=90,angleB=0,rad=4"}
axis.annotate("", (2.56, 5.1), (2, 4.4), arrowprops=bend)  # keys and values
for x, title in {0: "encoder\nBERT", 1: "decoder\nGPT-2", 2.5: "both\nBART"}.items():
    axis.text(x, -0.6, title, weight="bold", **centred)
axis.set(xlim=(-0.5, 3.5), ylim=(6.8, -1.1))
axis.axis("off")
plt.show()

# %% cost
base = BertConfig(max_position_embeddings=4096, attn_implementation="eager")  # BERT-base, longer
with torch.device("meta"):  # shapes without numbers: no memory, no time
    network = BertModel(base)
rows = []
print("million numbers\ntokens   weights  vectors")
for length in 128, 512, 2048, 4096:
    long_text = torch.zeros(1, length, dtype=torch.long, device="meta")
    outputs = network(long_text, output_attentions=True)
    pairs = sum(weights.numel() for weights in outputs.attentions)
    states = base.num_hidden_layers * outputs.last_hidden_state.numel()
    rows.append((length, pairs, states))
    print(f"{length:6} {pairs / 1e6:9.1f} {states / 1e6:8.1f}")

(*_, before, after) = rows
assert all(pairs == 12 * 12 * length**2 for length, pairs, _ in rows)  # claim: attn-cost
assert after[1] == 4 * before[1] and after[2] == 2 * before[2]  # claim: attn-cost-double

# %% fused
fused = copy.deepcopy(model)
fused.set_attn_implementation("sdpa")  # the library's default
gap = (fused(**inputs).last_hidden_state - model(**inputs).last_hidden_state).abs().max()
_, no_weights = fused.encoder.layer[0].attention.self(embedded[None])
print(f"largest difference: {gap:.5f}")
print("weights:", no_weights)

assert gap < 1e-4  # claim: attn-fused
assert no_weights is None  # claim: attn-fused-no-weights

# %% maps tags=["trained"]
encoded = tokenizer("she sat by the window and saw the garden", return_tensors="pt")
labels = tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
maps = torch.cat(model(**encoded, output_attentions=True).attentions)  # [layers, heads, from, to]
first_layer = maps[0, :4]

figure, axes = plt.subplots(2, 2, figsize=(5.4, 5.2), sharex=True, sharey=True)
for number, (axis, weights) in enumerate(zip(axes.flat, first_layer)):
    axis.imshow(weights.numpy(), vmin=0)
    axis.set_title(f"head {number + 1}")
    axis.set_xticks(range(len(labels)), labels, rotation=90)
    axis.set_yticks(range(len(labels)), labels)
plt.show()

# %% neighbours tags=["trained"]
steps = {"to the left": -1, "to itself": 0, "to the right": 1}
shares = {name: maps.diagonal(step, dim1=2, dim2=3).mean(dim=-1) for name, step in steps.items()}
for name, share in shares.items():
    layer_number, head = divmod(share.argmax().item(), share.shape[1])
    where = f"layer {layer_number + 1}, head {head + 1}"
    print(f"{name:12} {share.max():.2f} {where}")
print(f"if equal     {1 / len(labels):.2f}")

assert min(shares["to the left"].max(), shares["to the right"].max()) > 0.4  # claim: attn-neighbours

# %% not-the-values
torch.manual_seed(0)
changed = copy.deepcopy(layer.attention)
changed.self.value.weight.copy_(torch.randn_like(changed.self.value.weight) / config.hidden_size**0.5)
same = [part.self(embedded[None])[1] for part in (layer.attention, changed)]
different = [part(embedded[None])[0] for part in (layer.attention, changed)]
print(f"other values: the map differs by {(same[0] - same[1]).abs().max():.1f},")
print(f"the output by up to {(different[0] - different[1]).abs().max():.1f}")

assert torch.equal(*same)  # claim: attn-map-values
assert not torch.allclose(*different, atol=0.1)  # claim: attn-map-output

# %% trust tags=["trained", "compact"]
with gzip.open("docs/assets/text/held-out-pairs.json.gz", "rt", encoding="utf-8") as file:
    texts = [pair["first"] for pair in json.load(file)[:40]]
agreement = []
for text in texts:
    pieces = tokenizer(text, truncation=True, max_length=32, return_tensors="pt")["input_ids"][0]
    place = len(pieces) // 2  # the model shall guess this one
    others = torch.tensor([n for n in range(1, len(pieces) - 1) if n != place])
    if len(others) < 8:
        continue
    variants = pieces.repeat(len(others) + 1, 1)
    variants[:, place] = tokenizer.mask_token_id
    variants[range(1, len(variants)), others] = tokenizer.mask_token_id  # hide one more in each
    outputs = pretrained(variants, output_attentions=True)
    guesses = outputs.prediction_logits[:, place].softmax(dim=-1)
    effect = (guesses[1:] - guesses[0]).abs().sum(dim=-1)  # how far the guess moves
    weights = torch.stack(outputs.attentions)[:, 0, :, place][..., others]  # [layers, heads, others]
    nearness = -(others - place).abs().float()
    ranked = [nearness, weights[0].mean(dim=0), weights[-1].mean(dim=0), weights.mean(dim=(0, 1)), effect]
    ranks = torch.stack([each.argsort().argsort().float() for each in ranked])
    agreement.append(ranks.corrcoef()[-1, :-1])
mean = torch.stack(agreement).mean(dim=0).tolist()
for name, value in zip(["nearness", "first layer", "last layer", "all layers"], mean):
    print(f"{name:12} {value:.2f}")
print(f"{len(agreement)} sentences")

assert mean[3] > mean[0] + 0.1  # claim: attn-maps-tell
assert mean[2] < mean[3] - 0.1  # claim: attn-last-layer
