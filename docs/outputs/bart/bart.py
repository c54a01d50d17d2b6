# %% [markdown]
# # How BART learns to repair
#
# Five ways to damage a text, an encoder that reads the damage, a decoder that writes the text as it was.
# Run it from the project's root: `python snippets/bart.py`.

# %% setup
import gzip
import json
import random

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn import functional
from transformers import AutoTokenizer, BartForConditionalGeneration
from transformers.models.bart.modeling_bart import shift_tokens_right

CHECKPOINT = "checkpoints/bart-compact"  # full size: "facebook/bart-base"
tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
model = BartForConditionalGeneration.from_pretrained(CHECKPOINT, dtype=torch.float32, attn_implementation="eager")
model.eval().requires_grad_(False)  # we read the model, we do not train it
config = model.config
names = tokenizer.convert_ids_to_tokens

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"{config.encoder_layers} encoder and {config.decoder_layers} decoder layers of width {config.d_model}")

# %% three-lines tags=["trained"]
TEXT = "This package contains<mask> for developers."  # full size: "UN Chief Says There Is No<mask> in Syria"

inputs = tokenizer(TEXT, return_tensors="pt")  # prepare
written = model.generate(**inputs, num_beams=4, max_length=40)  # run
answer = tokenizer.decode(written[0], skip_special_tokens=True)  # interpret

print(answer)

before, after = TEXT.split("<mask>")
assert answer.startswith(before) and len(answer) > len(before) + 3  # claim: bart-first-repair

# %% corruptions
SENTENCES = ["The game needs a mouse.", "It runs on old computers.", "The sound is optional."]
random.seed(1)
tokens = tokenizer(" ".join(SENTENCES), add_special_tokens=False)["input_ids"]
some = set(random.sample(range(len(tokens)), len(tokens) // 5))
start = tokens.index(tokenizer(" old", add_special_tokens=False)["input_ids"][0])
mask = tokenizer.mask_token_id
damaged = {
    "token masking": [mask if i in some else token for i, token in enumerate(tokens)],
    "token deletion": [token for i, token in enumerate(tokens) if i not in some],
    "text infilling": [*tokens[: start - 2], mask, *tokens[start + 1 :]],
    "sentence permutation": tokenizer(" ".join(SENTENCES[i] for i in (2, 0, 1)), add_special_tokens=False)["input_ids"],
    "document rotation": [*tokens[start:], *tokens[:start]],
}
for name, ids in damaged.items():
    print(f"{name:21}{len(ids):3} tokens: {tokenizer.decode(ids)}")

sizes = {name: len(ids) for name, ids in damaged.items()}
assert sizes["token masking"] == len(tokens) > sizes["token deletion"]  # claim: bart-deletion-hides-place
assert sizes["text infilling"] == len(tokens) - 2  # claim: bart-one-mask
assert sorted(damaged["document rotation"]) == sorted(tokens)  # claim: bart-rotation

# %% any-corruption
losses = {}
labels = tokenizer(" ".join(SENTENCES), return_tensors="pt")["input_ids"]
for name, ids in damaged.items():
    seen = torch.tensor([[tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]])
    losses[name] = model(input_ids=seen, labels=labels).loss.item()
    print(f"{name:21} encoder reads {seen.shape[1]:2}, decoder writes {labels.shape[1]:2}, loss {losses[name]:5.2f}")

assert all(np.isfinite(list(losses.values())))  # claim: bart-corruptions


# %% infilling
def infill(tokens, chance, share=0.3, mean=3.0):
    """Take spans out until a share of the tokens is gone; one mask stands for each."""
    goal, lengths = round(len(tokens) * share), []
    while sum(lengths) < goal:
        lengths.append(min(int(chance.poisson(mean)), goal - sum(lengths)))
    slots = len(tokens) - goal + 1  # before, between and behind the tokens that stay
    places = sorted(chance.choice(slots, len(lengths), replace=False))
    seen, at, taken = [], 0, 0
    for place, length in zip(places, lengths):
        first = place + taken
        seen += [*tokens[at:first], mask]
        at, taken = first + length, taken + length
    return seen + list(tokens[at:]), lengths


chance = np.random.default_rng(3)
for _ in range(3):
    seen, lengths = infill(tokens, chance)
    print(lengths, tokenizer.decode(seen))

many = [length for _ in range(3000) for length in infill(list(range(100)), chance)[1]]
counts = np.bincount(many)
print("spans of 0 to 6 tokens:", *(f"{count / len(many):.0%}" for count in counts[:7]))

assert 2.5 < np.mean(many) < 3.1 and counts[0] > 0  # claim: bart-infilling

# %% encoder
inputs = tokenizer("It needs a<mask> and a screen.", return_tensors="pt")
encoder = model.model.encoder
ids = inputs["input_ids"][0]
words = encoder.embed_tokens.weight[ids]
places = encoder.embed_positions.weight[2 : 2 + len(ids)]  # the first two rows are never used
by_hand = encoder.layernorm_embedding(words + places)
states = encoder(**inputs, output_hidden_states=True).hidden_states

print("words   ", tuple(encoder.embed_tokens.weight.shape))
print("places  ", tuple(encoder.embed_positions.weight.shape), "for texts of", config.max_position_embeddings)

assert torch.allclose(by_hand, states[0][0], atol=1e-4)  # claim: bart-embeddings
assert len(encoder.embed_positions.weight) == config.max_position_embeddings + 2  # claim: bart-offset
assert not any("token_type" in name for name, _ in model.named_modules())  # claim: bart-no-segments
changed = ids.clone()
changed[-2] = tokenizer("!", add_special_tokens=False)["input_ids"][0]  # the last token of the text
other = encoder(changed[None]).last_hidden_state[0]
moved = (states[-1][0] - other).norm(dim=-1)
assert (moved > 1e-4).all()  # claim: bart-encoder

# %% no-head
heads = [name for name, part in model.named_modules() if "head" in name]
tables = {part.weight.data_ptr() for part in (encoder.embed_tokens, model.model.decoder.embed_tokens, model.lm_head)}
print("heads:", *heads)
print("different tables of words:", len(tables))

assert heads == ["lm_head"]  # claim: bart-no-mlm-head
assert len(tables) == 1  # claim: bart-one-table

# %% decoder
labels = tokenizer("It needs a mouse and a screen.", return_tensors="pt")["input_ids"]
read = torch.cat([torch.tensor([[config.decoder_start_token_id]]), labels[:, :-1]], dim=1)
outputs = model(**inputs, decoder_input_ids=read)
for got, said in zip(names(read[0]), names(labels[0])):
    print(f"reads {got:10} shall say {said}")

by_hand = functional.cross_entropy(outputs.logits[0], labels[0])
given = model(**inputs, labels=labels)
library = shift_tokens_right(labels, tokenizer.pad_token_id, config.decoder_start_token_id)
assert torch.equal(read, library)  # claim: bart-shift
assert torch.allclose(by_hand, given.loss, atol=1e-3)  # claim: bart-lm-head
logits = model.model.decoder(read, encoder_hidden_states=given.encoder_last_hidden_state).last_hidden_state
logits = logits @ model.lm_head.weight.T + model.final_logits_bias
assert torch.allclose(logits, given.logits, atol=1e-3)  # claim: bart-head-by-hand

# %% causal
longer = labels.clone()
longer[0, -2] = mask  # another last word
other = model(**inputs, decoder_input_ids=shift_tokens_right(longer, tokenizer.pad_token_id, 2)).logits
moved = (other - outputs.logits)[0].abs().amax(dim=-1)
print("scores moved at", (moved > 1e-3).sum().item(), "of", len(moved), "places, the last")

layer = model.model.decoder.layers[0]
print(*(name for name, part in layer.named_children() if "attn" in name and "norm" not in name))
assert (moved[:-1] < 1e-3).all() and moved[-1] > 1e-3  # claim: bart-causal
crossing = model(**inputs, decoder_input_ids=read, output_attentions=True).cross_attentions
assert crossing[0].shape == (1, config.decoder_attention_heads, read.shape[1], len(ids))  # claim: bart-decoder

# %% cross-attention tags=["trained"]
TEXT = "The game needs a<mask> and a screen. It runs on old computers."
inputs = tokenizer(TEXT, return_tensors="pt")
truth = tokenizer("The game needs a mouse and a screen. It runs on old computers.", return_tensors="pt")["input_ids"]
crossing = model(**inputs, labels=truth, output_attentions=True).cross_attentions
source, target = names(inputs["input_ids"][0]), names(truth[0])
gap = source.index("<mask>")
back = len(source) - len(target)  # how far the places behind the mask have moved
same = [(i, i if i < gap else i + back) for i in range(len(target)) if i < gap or i + back > gap]
rows, columns = zip(*same)  # each token to be written, and where the encoder read it
heads = [weights[0, head] for weights in crossing for head in range(weights.shape[1])]
copying = max(heads, key=lambda looks: looks[rows, columns].mean())

figure, axis = plt.subplots(figsize=(5.2, 5.2))
axis.imshow(copying, cmap="viridis", vmin=0, vmax=1)
axis.set_xticks(range(len(source)), [token.replace("Ġ", "") for token in source], rotation=90)
axis.set_yticks(range(len(target)), [token.replace("Ġ", "") for token in target])
axis.set(xlabel="the encoder read", ylabel="the decoder writes")
plt.show()
share = copying[rows, columns].mean().item()
print(f"on the token to be copied: {share:.0%}; spread evenly it would be {1 / len(source):.0%}")

assert share > 3 / len(source)  # claim: bart-cross-attention

# %% lengths tags=["trained", "compact"]
with gzip.open("docs/assets/text/held-out-pairs.json.gz", "rt", encoding="utf-8") as file:
    pairs = [pair for pair in json.load(file) if pair["follows"]]
chance = random.Random(0)
written, missing = [], []
for start in range(0, 120, 40):
    rows, cuts = [], []
    for pair in pairs[start : start + 40]:
        ids = tokenizer(pair["first"])["input_ids"]
        length = chance.randint(1, min(6, len(ids) - 4))
        first = chance.randint(1, len(ids) - length - 2)
        rows.append([*ids[:first], mask, *ids[first + length :]])
        cuts.append((ids, first, length))
    batch = tokenizer.pad({"input_ids": rows}, return_tensors="pt")
    texts = model.generate(**batch, num_beams=1, max_length=80).tolist()
    for line, (ids, first, length) in zip(texts, cuts):
        line = line[1 : line.index(tokenizer.eos_token_id, 1) + 1] if tokenizer.eos_token_id in line[1:] else line[1:]
        if line[:first] == ids[:first] and line[-3:] == ids[-3:]:  # the text around came back
            written.append(len(line) - len(ids) + length)
            missing.append(length)
print(f"{len(written)} of 120 sentences came back around the mask")
for length in range(1, 7):
    mine = [w for w, m in zip(written, missing) if m == length]
    print(f"{length} missing: {np.median(mine) if mine else 0:.0f} written in the middle case of {len(mine)}")
several = np.mean([w >= 2 for w, m in zip(written, missing) if m >= 2])

assert several > 0.3  # claim: bart-infilling-length

# %% repairs tags=["trained", "compact"]
for text in [
    "This package contains<mask> for developers.",
    "She was<mask> to see him at the ball.",
    "a library for<mask> images and sounds",
    "The capital of France is<mask>.",
]:
    ids = model.generate(**tokenizer(text, return_tensors="pt"), num_beams=4, max_length=40)
    print(text, "->", tokenizer.decode(ids[0], skip_special_tokens=True))

# %% once
passes = {"encoder": 0, "decoder": 0}


def count(name):
    def hook(*_):
        passes[name] += 1

    return hook


hooks = [
    model.get_encoder().register_forward_hook(count("encoder")),
    model.get_decoder().register_forward_hook(count("decoder")),
]
text = model.generate(**inputs, num_beams=1, min_length=11, max_length=11)
for hook in hooks:
    hook.remove()
print(passes)

assert passes["encoder"] == 1 and passes["decoder"] == 10  # claim: bart-read-once
