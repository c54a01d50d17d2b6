# %% [markdown]
# # How language models work
#
# Guessing a hidden word, guessing the next one, writing a text anew: three families, each on a checkpoint.
# Run it from the project's root: `python snippets/language_models.py`.

# %% setup tags=["trained", "compact"]
import gzip
import json
import random

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
torch.set_grad_enabled(False)
CLASSES = {
    "bert-compact": AutoModelForMaskedLM,
    "gpt2-austen": AutoModelForCausalLM,
    "bart-compact": AutoModelForSeq2SeqLM,
}
models, tokenizers = {}, {}
for name, kind in CLASSES.items():
    folder = f"checkpoints/{name}"
    tokenizers[name] = AutoTokenizer.from_pretrained(folder)
    models[name] = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    print(f"{kind.__name__:22} {type(models[name]).__name__:29} {models[name].num_parameters():9,} parameters")
(bert, gpt2, bart), (bert_words, gpt2_words, bart_words) = models.values(), tokenizers.values()

# %% three-ways tags=["trained", "compact"]
hidden = bert_words("She was very glad to [MASK] him again.", return_tensors="pt")
place = hidden["input_ids"][0].tolist().index(bert_words.mask_token_id)
guess = bert_words.decode(bert(**hidden).logits[0, place].argmax())
print("BERT :  She was very glad to [", guess, "] him again.", sep="")

start = gpt2_words("She was very glad to", return_tensors="pt")
following = gpt2_words.decode(gpt2(**start).logits[0, -1].argmax())
print(f"GPT-2:  She was very glad to …{following}")

broken = bart_words("She was very<mask> to see him again.", return_tensors="pt")
whole = bart.generate(**broken, num_beams=4, max_length=30)
print("BART :  She was very<mask> to see him again. ->", bart_words.decode(whole[0], skip_special_tokens=True))

assert guess in {"see", "meet", "hear", "have", "find", "make"}  # claim: lm-fits

# %% maps tags=["trained", "compact"]
text = "She was glad to see him"
seen = {
    "encoder\nof BERT": bert(**bert_words(text, return_tensors="pt"), output_attentions=True).attentions,
    "decoder\nof GPT-2": gpt2(**gpt2_words(text, return_tensors="pt"), output_attentions=True).attentions,
}
inputs = bart_words(text, return_tensors="pt")
outputs = bart(**inputs, labels=inputs["input_ids"], output_attentions=True)
seen["encoder\nof BART"] = outputs.encoder_attentions
seen["decoder\nof BART"] = outputs.decoder_attentions
seen["between the two"] = outputs.cross_attentions
figure, axes = plt.subplots(2, 3, figsize=(6, 4.4))
right = {}
for axis, (name, layers) in zip(axes.flat, seen.items()):
    mean = torch.stack([layer[0].mean(dim=0) for layer in layers]).mean(dim=0)
    right[name] = mean.triu(1).sum().item()
    axis.imshow(mean.sqrt(), cmap="viridis", vmin=0)
    axis.set_title(name)
    axis.axis("off")
axes.flat[-1].axis("off")
plt.show()

assert right["decoder\nof GPT-2"] == right["decoder\nof BART"] == 0  # claim: lm-decoder-only
assert right["encoder\nof BERT"] > 0 and right["encoder\nof BART"] > 0  # claim: lm-encoder-only
assert right["between the two"] > 0  # claim: lm-encoder-decoder

# %% families tags=["trained", "compact"]
for name, model in models.items():
    crossing = any("encoder_attn" in kind for kind, _ in model.named_modules())
    print(f"{name:13} is_encoder_decoder {model.config.is_encoder_decoder!s:5}  cross-attention {crossing}")

assert [model.config.is_encoder_decoder for model in models.values()] == [False, False, True]  # claim: lm-families
assert not any("encoder" in kind for kind, _ in gpt2.named_modules())  # claim: lm-no-encoder

# %% both-sides tags=["trained", "compact"]
sentences = ["she was very [MASK] to see him.", "she was very [MASK] of him."]
tops = []
for sentence in sentences:
    inputs = bert_words(sentence, return_tensors="pt")
    place = inputs["input_ids"][0].tolist().index(bert_words.mask_token_id)
    shares = bert(**inputs).logits[0, place].softmax(dim=-1)
    tops.append(shares)
    print(sentence, *(f"{bert_words.decode(i)} {s:.0%}" for s, i in zip(*shares.topk(4))))
apart = (tops[0] - tops[1]).abs().sum().item() / 2
print(f"{apart:.0%} of the probability has moved")

assert apart > 0.3  # claim: lm-mlm-both-sides

# %% left-only tags=["trained", "compact"]
ids = gpt2_words("She opened the letter and read it to her sister", return_tensors="pt")["input_ids"]
other = ids.clone()
other[0, -1] = gpt2_words(" dog")["input_ids"][0]
one, two = gpt2(ids).logits[0], gpt2(other).logits[0]
same = (one - two).abs().amax(dim=-1)
print("largest change of a score, at each place:", *(f"{value:.3f}" for value in same.tolist()))

assert (same[:-1] < 1e-4).all() and same[-1] > 0.1  # claim: lm-clm-left-only

# %% chain tags=["trained", "compact"]
SENTENCE = "She was not at all afraid of him."
ids = gpt2_words(f"<|endoftext|>{SENTENCE}", return_tensors="pt")["input_ids"]
log_shares = gpt2(ids).logits[0].log_softmax(dim=-1)
total = 0.0
for place in range(ids.shape[1] - 1):
    step = log_shares[place, ids[0, place + 1]].item()
    total += step
    print(f"{gpt2_words.decode(ids[0, place + 1]):10} {np.exp(step):7.2%}")
print(f"the whole sentence: one in {np.exp(-total):.1e}")

assert np.isclose(total, -gpt2(ids, labels=ids).loss.item() * (ids.shape[1] - 1), atol=1e-3)  # claim: lm-chain

# %% shuffled tags=["trained", "compact"]
with gzip.open("docs/assets/text/held-out-pairs.json.gz", "rt", encoding="utf-8") as file:
    pairs = [pair for pair in json.load(file) if pair["corpus"] == "austen"]
chance = random.Random(0)
wins = {"GPT-2": 0, "BERT": 0}


def gpt2_score(text):
    ids = gpt2_words(f"<|endoftext|>{text}", return_tensors="pt")["input_ids"]
    return -gpt2(ids, labels=ids).loss.item() * (ids.shape[1] - 1)


def bert_score(text):
    """Hide each token in turn, and add up what the true ones get."""
    ids = bert_words(text, return_tensors="pt")["input_ids"]
    places = torch.arange(1, ids.shape[1] - 1)
    rows = ids.repeat(len(places), 1)
    rows[torch.arange(len(places)), places] = bert_words.mask_token_id
    shares = bert(rows).logits[torch.arange(len(places)), places].log_softmax(dim=-1)
    return shares.gather(-1, ids[0, places, None]).sum().item()


sentences = [pair["first"] for pair in pairs][:100]
for sentence in sentences:
    words = sentence.split()
    mixed = " ".join(chance.sample(words, len(words)))
    wins["GPT-2"] += gpt2_score(sentence) > gpt2_score(mixed)
    wins["BERT"] += bert_score(sentence) > bert_score(mixed)
for name, count in wins.items():
    print(f"{name:5} prefers the true order in {count} of {len(sentences)} sentences")

assert min(wins.values()) > 0.9 * len(sentences)  # claim: lm-statistics

# %% signals tags=["trained", "compact"]
text = " ".join(sentences[:3])
rows = {}
ids = gpt2_words(text, return_tensors="pt")["input_ids"]
rows["GPT-2"] = ids.shape[1], functional.pad(ids[:, 1:], (0, 1), value=-100)
ids = bert_words(text, return_tensors="pt")["input_ids"]
torch.manual_seed(0)
rows["BERT"] = ids.shape[1], ids.where(torch.rand(ids.shape) < 0.15, -100)
ids = bart_words(text, return_tensors="pt")["input_ids"]
rows["BART"] = ids.shape[1], ids
asked = {name: (labels != -100).sum().item() for name, (_, labels) in rows.items()}
for name, (length, labels) in rows.items():
    print(f"{name:5} reads {length:3} tokens, is asked for {asked[name]:3} of them")

assert asked["BERT"] < 0.3 * asked["GPT-2"]  # claim: lm-signals
assert asked["BART"] == rows["BART"][0]  # claim: lm-whole-text
