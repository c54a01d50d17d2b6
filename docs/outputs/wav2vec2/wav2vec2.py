# %% [markdown]
# # How Wav2Vec2 listens
#
# From a waveform to vectors, and how a network learns to make them from sound alone.
# Run it from the project's root: `python snippets/wav2vec2.py`.

# %% setup
import contextlib
import copy
import inspect
import json
import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile
import soxr
import torch
from IPython.display import Audio, display
from torch import nn
from torch.nn import functional
from transformers import AutoFeatureExtractor, AutoModelForPreTraining
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices, _sample_negative_indices

CHECKPOINT = "checkpoints/wav2vec2-pretrained"  # full size: "facebook/wav2vec2-base"

feature_extractor = AutoFeatureExtractor.from_pretrained(CHECKPOINT)
model = AutoModelForPreTraining.from_pretrained(
    CHECKPOINT,
    dtype=torch.float32,
    attn_implementation="eager",  # the variant that can also return its attention weights
)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config
RATE = feature_extractor.sampling_rate

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"it takes {RATE:,} samples a second")


# %% load
def load(path):
    """A recording as the model needs it: one channel, RATE samples a second."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        raise ValueError(f"{path}: this cannot be read; use a WAV or FLAC file") from None
    mono = soxr.resample(samples.mean(axis=1), rate, RATE)
    if len(mono) < 400:
        raise ValueError(f"{path}: too short; the model needs at least 400 samples")
    if np.abs(mono).max() < 1e-4:
        raise ValueError(f"{path}: there is nothing to hear in it")
    return mono


# %% recording
WORDS = ["tango", "echo", "alpha"]  # full size: ["ah", "ee", "oo", "ah"]
pause = np.zeros(RATE // 10, dtype=np.float32)
# full size: time = np.arange(RATE * 5 // 2)[:, None] / RATE  # a singing voice, made of tones
# full size: tones = np.arange(1, 30)  # multiples of 110 hertz, loud where the mouth lets them through
# full size: low = np.interp(time, [0, 0.8, 1.6, 2.4], [700, 300, 300, 700])
# full size: high = np.interp(time, [0, 0.8, 1.6, 2.4], [1200, 2300, 800, 1200])
# full size: loud = np.exp(-(((110 * tones - low) / 150) ** 2)) + np.exp(-(((110 * tones - high) / 150) ** 2))
# full size: sung = (0.2 * loud * np.sin(2 * np.pi * 110 * tones * time)).sum(axis=1)
parts = [[load(f"docs/assets/speech/allison/{word}.flac"), pause] for word in WORDS]  # full size: [[sung, pause]]
samples = np.concatenate(sum(parts, [])).astype(np.float32)
clock = np.arange(len(samples)) / RATE  # in seconds

print(f"{len(samples):,} samples, {len(samples) / RATE:.2f} seconds")
print("you hear:", *WORDS)
display(Audio(samples, rate=RATE))

plt.figure(figsize=(7, 1.8))
plt.plot(clock[::8], samples[::8], linewidth=0.5)
plt.xlabel("seconds")
plt.yticks([])
plt.show()

# %% four-parts
values = feature_extractor(samples, sampling_rate=RATE, return_tensors="pt").input_values
outputs = model(values)
frames = outputs.projected_states.shape[1]
modules = dict(model.named_modules())
named = ["wav2vec2.feature_extractor", "quantizer", "wav2vec2.encoder", "project_hid", "project_q"]
for name in named:
    count = sum(parameter.numel() for parameter in modules[name].parameters())
    print(f"{name:27}{type(modules[name]).__name__:34}{count:12,}")
print("in: ", tuple(values.shape))
print("out:", tuple(outputs.projected_states.shape))

assert set(named) <= modules.keys()  # claim: w2v-four-parts
assert inspect.isfunction(model.compute_contrastive_logits)  # claim: w2v-objective-is-a-function

# %% normalise
by_hand = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
print(f"recorded: mean {samples.mean():7.4f}, variance {samples.var():.4f}")
print(f"prepared: mean {values.mean():7.4f}, variance {values.var():.4f}")

received = []  # what the first layer of the network gets
encoder = model.wav2vec2.feature_extractor
first = encoder.conv_layers[0]
hook = first.conv.register_forward_pre_hook(lambda module, args: received.append(args[0][0, 0]))
model(values)
model(torch.tensor(samples)[None])  # not prepared
hook.remove()

assert torch.allclose(torch.tensor(by_hand), values[0], atol=1e-5)  # claim: w2v-normalise
assert torch.equal(received[0], values[0])  # claim: w2v-normalise-before
assert torch.equal(received[1], torch.tensor(samples))  # claim: w2v-normalise-not-inside

# %% rate
try:
    feature_extractor(samples, sampling_rate=44_100, return_tensors="pt")
    message = "accepted"
except ValueError as error:
    message = str(error)
print(message[:19], "…", message[-66:])
unsaid = feature_extractor(samples, return_tensors="pt").input_values  # the rate is not named

assert "sampling rate of 16000" in message  # claim: w2v-rate-checked
assert torch.equal(unsaid, values)  # claim: w2v-rate-unsaid

# %% strides
step, reach = 1, 1
for number, (kernel, stride) in enumerate(zip(config.conv_kernel, config.conv_stride), 1):
    reach += (kernel - 1) * step  # each further value of the kernel lies `step` samples away
    step *= stride
    print(f"layer {number}: kernel {kernel:2}, stride {stride}; so far a step of {step:3}, a reach of {reach}")
print(f"a vector every {1000 * step / RATE:.0f} ms, from {1000 * reach / RATE:.0f} ms of sound")
print(f"({len(samples):,} - {reach}) // {step} + 1 = {(len(samples) - reach) // step + 1} vectors")

features = encoder(values).transpose(1, 2)  # [1, frames, channels]
assert step == math.prod(config.conv_stride) == 320  # claim: w2v-20ms
assert features.shape[1] == (len(samples) - reach) // step + 1  # claim: w2v-frames

# %% frames
begin = frames // 2 - 3
shown = np.arange(begin * step, (begin + 5) * step + reach)
peak = np.abs(samples[shown]).max()
plt.figure(figsize=(7, 3.2))
plt.plot(shown / RATE * 1000, samples[shown] / peak, linewidth=0.8)
for row, frame in enumerate(range(begin, begin + 6)):
    left, right = frame * step / RATE * 1000, (frame * step + reach) / RATE * 1000
    height = -1.3 - 0.3 * row
    plt.plot([left, right], [height, height], color="C2", linewidth=4, solid_capstyle="butt")
    plt.text(right + 1, height, f"frame {frame}" if row < 5 else "", va="center", fontsize=9)
plt.xlabel("milliseconds")
plt.yticks([])
plt.show()

# %% encoder
hidden = values[:, None]  # [1, one channel, samples]
for layer in encoder.conv_layers:
    hidden = layer.conv(hidden)
    if layer is first:  # group norm: each channel by itself, over the whole recording
        mean = hidden.mean(dim=-1, keepdim=True)
        variance = hidden.var(dim=-1, keepdim=True, unbiased=False)
        norm = layer.layer_norm
        hidden = (hidden - mean) / (variance + norm.eps).sqrt()
        hidden = hidden * norm.weight[:, None] + norm.bias[:, None]
    hidden = functional.gelu(hidden)
    print(f"{layer.conv.in_channels:4} to {layer.conv.out_channels:3} channels, {hidden.shape[-1]:6,} steps")

norms = sum(isinstance(module, nn.GroupNorm) for module in encoder.modules())
assert torch.allclose(hidden.transpose(1, 2), features, atol=1e-3)  # claim: w2v-encoder-by-hand
assert norms == 1 and norm.num_groups == norm.num_channels  # claim: w2v-group-norm

# %% reach
convolved = first.conv(values[:, None])
mean, variance = convolved.mean(dim=-1)[0], convolved.var(dim=-1, unbiased=False)[0]


def held(module, args, output):  # the same norm, but with the mean and variance as constants
    return functional.batch_norm(args[0], mean, variance, module.weight, module.bias, eps=module.eps)


def influence(frame):  # of each sample on one vector
    audio = values.clone().requires_grad_()
    encoder(audio)[0, :, frame].sum().backward()
    return audio.grad[0].abs()


middle = frames // 2
free = influence(middle)
hook = first.layer_norm.register_forward_hook(held)
fixed = influence(middle)
hook.remove()
touched = fixed.nonzero()[:, 0]
inside = free[touched].sum() / free.sum()
print(f"norm held fixed: {len(touched)} samples have an influence, {touched[0]} to {touched[-1]}")
print(
    f"norm free:       {(free > 0).float().mean():.1%} of all samples, {inside:.0%} of the influence from those {reach}"
)

plt.figure(figsize=(7, 2.2))
for influences, name, colour in [(free, "norm free", "C5"), (fixed, "norm held fixed", "C2")]:
    blocks = functional.max_pool1d(influences[None], 40)[0].numpy()
    plt.semilogy(clock[::40][: len(blocks)], np.where(blocks > 0, blocks, np.nan), color=colour, label=name)
plt.xlabel("seconds")
plt.ylabel("influence")
plt.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

window = range(middle * step, middle * step + reach)
assert touched.tolist() == list(window)  # claim: w2v-reach
assert (free > 0).sum() > 10 * reach  # claim: w2v-reach-norm

# %% volume
plain = torch.tensor(samples)[None]


def change(audio):  # how far the vectors are from those of the prepared recording
    return ((encoder(audio).transpose(1, 2) - features).std() / features.std()).item()


for factor in (10, 1, 0.1, 0.01):
    prepared = feature_extractor(samples * factor, sampling_rate=RATE, return_tensors="pt").input_values
    alone, with_extractor = change(plain * factor), change(prepared)
    print(f"volume x {factor:4}: vectors off by {alone:6.1%} unprepared, by {with_extractor:.1%} prepared")
    if factor == 10:
        loud = alone

assert loud < 0.01  # claim: w2v-volume-norm
assert alone > 0.1 > 100 * with_extractor  # claim: w2v-volume-quiet

# %% filters tags=["trained"]
kernels = first.conv.weight[:, 0]  # [channels, 10 samples]
spectrum = torch.fft.rfft(kernels, 512).abs()  # the answer to each frequency, 0 to 8,000 hertz
spectrum = spectrum / spectrum.amax(dim=1, keepdim=True)
order = spectrum.argmax(dim=1).argsort()

figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), width_ratios=[1, 2])
for row, channel in enumerate(order[:: len(order) // 5][:5]):
    shape = kernels[channel] / kernels[channel].abs().max()
    axes[0].plot(shape.numpy() - 2.2 * row, marker="o", markersize=3)
axes[0].set_title("five filters")
axes[0].set_xlabel("sample")
axes[0].set_yticks([])
axes[1].imshow(spectrum[order].numpy(), aspect="auto", extent=(0, RATE / 2000, len(order), 0))
axes[1].set_title("what each lets through")
axes[1].set_xlabel("kilohertz")
axes[1].set_ylabel("filter")
plt.show()

# %% tone
time = torch.arange(RATE // 10) / RATE
print("hertz   by tone   by formula   (largest answer of a filter)")
answers, formulas = [], []
for hertz in (250, 1000, 3000, 6000):
    angle = 2 * torch.pi * hertz * time
    wave, quarter = (first.conv(part[None, None])[0] for part in (angle.sin(), angle.cos()))
    answers.append(torch.hypot(wave, quarter).mean(dim=1))
    turns = torch.exp(-2j * torch.pi * hertz / RATE * torch.arange(10))
    formulas.append((first.conv.weight[:, 0] * turns).sum(dim=1).abs())
    print(f"{hertz:5}   {answers[-1].max():7.3f}   {formulas[-1].max():10.3f}")

assert torch.allclose(torch.stack(answers), torch.stack(formulas), atol=1e-3)  # claim: w2v-filter-response

# %% sweep tags=["trained"]
time = np.arange(4 * RATE) / RATE
sweep = 0.3 * np.sin(2 * np.pi * (50 * time + 7000 * time**2 / 8))  # from 50 to 7,050 hertz
display(Audio(sweep, rate=RATE))
heard = encoder(feature_extractor(sweep, sampling_rate=RATE, return_tensors="pt").input_values)[0]
heard = (heard - heard.mean(dim=1, keepdim=True)) / (heard.std(dim=1, keepdim=True) + 1e-5)
smooth = functional.avg_pool1d(heard[None], 9, stride=1)[0]
favourite = smooth.argmax(dim=1)
order = favourite.argsort()
tone_of = 50 + 7000 * favourite * step / len(sweep)
print(f"{(tone_of < 2500).float().mean():.0%} of the channels are strongest below 2,500 hertz")

plt.figure(figsize=(7, 3))
plt.imshow(heard[order].clamp(-2, 3).numpy(), aspect="auto", extent=(0.05, 7.05, len(order), 0))
plt.xlabel("tone in kilohertz")
plt.ylabel("channel")
plt.show()

# %% quantize
normed = model.wav2vec2.feature_projection.layer_norm(features)  # [1, frames, channels]
quantizer = model.quantizer
groups, entries = quantizer.num_groups, quantizer.num_vars
scores = normed @ quantizer.weight_proj.weight.T + quantizer.weight_proj.bias
logits = scores.view(frames, groups, entries)
chosen = logits.argmax(dim=-1)  # [frames, groups]: one codeword of each group
codebook = quantizer.codevectors.view(groups, entries, -1)
by_hand = torch.cat([codebook[group, chosen[:, group]] for group in range(groups)], dim=-1)

library, perplexity = quantizer(normed)
print("logits:   ", tuple(logits.shape))
print("codebook: ", tuple(codebook.shape))
print("quantized:", tuple(by_hand.shape))
print("five frames:", chosen[begin : begin + 5].tolist())
print(f"possible units: {entries} ** {groups} = {entries**groups:,}")

assert torch.allclose(by_hand, library[0], atol=1e-6)  # claim: w2v-best-codeword
assert chosen.shape == (frames, config.num_codevector_groups)  # claim: w2v-codebook
assert len(library[0].unique(dim=0)) == len(chosen.unique(dim=0)) <= entries**groups  # claim: w2v-units

# %% gumbel
flat = logits.flatten(0, 1)  # [frames * groups, entries]
temperature = quantizer.temperature
quantizer.train()
torch.manual_seed(0)
library, _ = quantizer(normed)

torch.manual_seed(0)
noise = -torch.empty_like(flat).exponential_().log()  # Gumbel noise
soft = ((flat + noise) / temperature).softmax(dim=-1)  # adds up to 1
hard = functional.one_hot(soft.argmax(dim=-1), entries).float()
weights = (hard - soft).detach() + soft  # the value of `hard`, the gradient of `soft`
by_hand = (weights.view(frames, groups, entries, 1) * codebook).sum(dim=2).flatten(1)
drawn = soft.argmax(dim=-1).view(frames, groups)
print(f"temperature {temperature}: {(drawn != chosen).float().mean():.0%} of the codewords are not the best ones")

quantizer.temperature = temperature / 10
torch.manual_seed(0)
colder, _ = quantizer(normed)
quantizer.temperature = temperature
quantizer.eval()

assert torch.allclose(by_hand, library[0], atol=1e-5)  # claim: w2v-gumbel
assert torch.allclose(colder, library, atol=1e-5)  # claim: w2v-temperature

# %% gumbel-draws
shares = flat.softmax(dim=-1)
row = (shares.amax(dim=-1) - 0.5).abs().argmin()  # a frame that is undecided
torch.manual_seed(1)
noise = -torch.empty(20_000, entries).exponential_().log()
draws = (flat[row] + noise).argmax(dim=-1)
frequency = torch.bincount(draws, minlength=entries) / len(draws)
top = shares[row].topk(4).indices

plt.figure(figsize=(6, 2.4))
place = np.arange(len(top))
plt.bar(place - 0.2, shares[row][top].numpy(), 0.38, label="softmax of the logits")
plt.bar(place + 0.2, frequency[top].numpy(), 0.38, label="share of 20,000 draws", color="C3")
plt.xticks(place, [f"{number}" for number in top.tolist()])
plt.xlabel("codeword")
plt.legend()
plt.show()

assert torch.allclose(frequency, shares[row], atol=0.02)  # claim: w2v-gumbel-max

# %% gumbel-gradient
student = copy.deepcopy(quantizer).requires_grad_(True)
for training in (False, True):
    student.train(training).zero_grad()
    vectors, _ = student(normed)
    (vectors * vectors.detach()).sum().backward()  # any number that depends on the vectors
    gradient = student.weight_proj.weight.grad
    size = "none" if gradient is None else f"{gradient.norm():.1f}"
    print(f"training {training!s:5}: gradient of the layer that chooses: {size}")
    if not training:
        without = gradient

assert without is None  # claim: w2v-hard-no-gradient
assert gradient is not None and gradient.abs().sum() > 0  # claim: w2v-gumbel-gradient

# %% codewords tags=["trained"]
pairs = len(chosen.unique(dim=0))
print(f"{frames} frames, {pairs} different pairs of codewords")

figure, axes = plt.subplots(3, 1, figsize=(7, 4.4), sharex=True, height_ratios=[1, 2, 2])
axes[0].plot(clock[::8], samples[::8], linewidth=0.5)
axes[0].set_yticks([])
moments = (np.arange(frames) * step + reach / 2) / RATE
for group in range(groups):
    axes[group + 1].plot(moments, chosen[:, group].numpy(), ".", color=f"C{group + 1}", markersize=4)
    axes[group + 1].set_ylabel(f"group {group + 1}")
axes[-1].set_xlabel("seconds")
plt.show()

# %% silence tags=["trained", "compact"]
windows = torch.tensor(samples).unfold(0, reach, step)  # [frames, 400 samples]: what each frame sees
silent = (windows == 0).all(dim=1)
print(f"{silent.sum()} silent frames:", chosen[silent].unique(dim=0).tolist())
repeated = (chosen[1:] == chosen[:-1]).all(dim=1) & ~silent[1:]
print(f"of the {(~silent).sum()} others, {repeated.sum()} have the codewords of the frame before")

assert silent.sum() > 5 and len(chosen[silent].unique(dim=0)) == 1  # claim: w2v-silence

# %% held-out tags=["trained", "compact"]
index = json.loads(Path("docs/assets/speech/held-out.json").read_text())
chance = np.random.default_rng(0)
recordings = {}
for voice in ("allison", "june", "slt"):
    files = sorted({entry["file"] for entry in index if entry["voice"] == voice and " " not in entry["text"]})
    sounds = [load(f"docs/assets/speech/{file}") for file in chance.permutation(files)]
    strings = [[sounds[i], pause, sounds[i + 1], pause, sounds[i + 2]] for i in range(0, len(sounds) - 2, 3)]
    recordings[voice] = [
        feature_extractor(np.concatenate(parts), sampling_rate=RATE, return_tensors="pt").input_values
        for parts in strings
    ]
    seconds = sum(part.shape[1] for part in recordings[voice]) / RATE
    print(f"{voice:8} {len(files)} words, {len(strings)} strings of three, {seconds:.0f} seconds")

# %% codebook-in-use tags=["trained", "compact"]
used, spreads = {}, []
for voice, batch in recordings.items():
    picked = []
    for part in batch:
        vectors = model.wav2vec2(part).extract_features  # what goes to the quantizer
        picked.append(quantizer.weight_proj(vectors).view(-1, groups, entries).argmax(dim=-1))
    picked = torch.cat(picked)
    counts = torch.stack([torch.bincount(picked[:, group], minlength=entries) for group in range(groups)])
    used[voice] = counts / len(picked)
    spread = torch.exp(-torch.xlogy(used[voice], used[voice]).sum(dim=1))  # the perplexity of each group
    spreads += spread.tolist()
    print(f"{voice:8} {len(picked):5} frames, in use {(counts > 0).sum(dim=1).tolist()} of {entries}, ", end="")
    print("perplexity", " and ".join(f"{value:.1f}" for value in spread))

plt.figure(figsize=(7, 2.4))
people = (used["allison"] + used["june"]) / 2
for group in range(groups):
    plt.bar(
        np.arange(entries) + group * (entries + 3), people[group].sort(descending=True).values, color=f"C{group + 1}"
    )
plt.xticks([entries / 2, entries * 1.5 + 3], ["group 1", "group 2"])
plt.ylabel("share of frames")
plt.show()

assert min(spreads) > entries / 4  # claim: w2v-codebook-used

# %% two-voices tags=["trained", "compact"]
letters = sorted({entry["text"] for entry in index if entry["voice"] == "june"})


def profiles(network, voice):
    """For each word, which codewords a recording of it holds, and how many of each."""
    rows = []
    for word in letters:
        sound = load(f"docs/assets/speech/{voice}/{word}.flac")
        inputs = feature_extractor(sound, sampling_rate=RATE, return_tensors="pt").input_values
        scores = network.quantizer.weight_proj(network.wav2vec2(inputs).extract_features)
        best = scores.view(-1, groups, entries).argmax(dim=-1)
        rows.append(functional.one_hot(best, entries).float().mean(dim=0).flatten().sqrt())
    return torch.stack(rows) - torch.stack(rows).mean(dim=0)  # what sets a word apart from the others


torch.manual_seed(0)
untrained = type(model)(config).eval().requires_grad_(False)
found_right = {}
for name, network in {"untrained": untrained, "trained": model}.items():
    allison, june = profiles(network, "allison"), profiles(network, "june")
    alike = functional.cosine_similarity(allison[:, None], june[None], dim=-1)  # [words, words]
    found_right[name] = (alike.argmax(dim=1) == torch.arange(len(letters))).sum().item()
    print(f"{name:10} {found_right[name]:2} of {len(letters)} words find their like in the other voice")

plt.figure(figsize=(5.6, 5.2))
plt.imshow(alike.numpy())
plt.plot(alike.argmax(dim=1).numpy(), range(len(letters)), "o", color="C2")  # the nearest of each row
plt.xticks(range(len(letters)), letters, rotation=90, fontsize=8)
plt.yticks(range(len(letters)), letters, fontsize=8)
plt.xlabel("June Wallack")
plt.ylabel("Allison Smith")
plt.show()

assert found_right["trained"] >= 8 > 3 >= found_right["untrained"]  # claim: w2v-two-voices

# %% mask
PROBABILITY, LENGTH = 0.65, 10
np.random.seed(0)
mask = _compute_mask_indices((1, frames), PROBABILITY, LENGTH)[0]

np.random.seed(0)
count = int(PROBABILITY * frames / LENGTH + np.random.rand(1).item())  # rounds up or down by chance
starts = np.random.choice(np.arange(frames - LENGTH + 1), count, replace=False)
by_hand = np.zeros(frames, dtype=bool)
for start in starts:
    by_hand[start : start + LENGTH] = True
print(f"{count} spans of {LENGTH} frames; {mask.sum()} of {frames} frames are masked: {mask.mean():.0%}")

plt.figure(figsize=(7, 1.8))
plt.plot(clock[::8], samples[::8], linewidth=0.5)
for frame in np.flatnonzero(mask):
    plt.axvspan(frame * step / RATE, (frame + 1) * step / RATE, color="C5", alpha=0.35, linewidth=0)
plt.xlabel("seconds")
plt.yticks([])
plt.show()

assert (mask == by_hand).all()  # claim: w2v-mask-by-hand

# %% mask-share
np.random.seed(0)
default = type(config)()
print("seconds   frames   paper's   default")
for seconds in (1, 2, 5, 15):
    length = int(model._get_feat_extract_output_lengths(torch.tensor(seconds * RATE)))
    shape = (2000, length)
    paper = _compute_mask_indices(shape, PROBABILITY, LENGTH).mean()
    usual = _compute_mask_indices(
        shape, default.mask_time_prob, default.mask_time_length, min_masks=default.mask_time_min_masks
    ).mean()
    print(f"{seconds:7}   {length:6}   {paper:7.1%}   {usual:7.1%}")
    if seconds == 1:
        short = usual
expected = 1 - (1 - 0.065) ** LENGTH  # no start in any of the ten places that would cover a frame
print(f"expected, far from the ends: {expected:.1%}")

assert abs(paper - 0.5) < 0.03 and abs(paper - expected) < 0.02  # claim: w2v-mask-half
assert usual < 0.06  # claim: w2v-mask-default
assert short > 0.3  # claim: w2v-mask-short

# %% mask-vector
masked = torch.tensor(mask)[None]
context = model.wav2vec2.encoder
seen = []
hook = context.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
model(values)  # nothing is masked
model(values, mask_time_indices=masked)
hook.remove()
whole, holes = seen[0][0], seen[1][0]  # [frames, hidden]: what the context network reads
vector = model.wav2vec2.masked_spec_embed
print("the vector:", tuple(vector.shape))
print("different vectors in the masked places:", len(holes[mask].unique(dim=0)))
print("different vectors in the others:       ", len(holes[~mask].unique(dim=0)))

assert torch.equal(holes[mask], vector.expand(mask.sum(), -1))  # claim: w2v-mask-vector
assert torch.equal(holes[~mask], whole[~mask])  # claim: w2v-mask-others

# %% positions
position = context.pos_conv_embed
weight, bias = position.conv.weight, position.conv.bias
width, sets = weight.shape[-1], position.conv.groups
padded = functional.pad(holes.T[None], (width // 2, width // 2))
by_hand = functional.gelu(functional.conv1d(padded, weight, bias, groups=sets))[0, :, :frames].T

received = []
first_layer = context.layers[0]
hook = first_layer.register_forward_pre_hook(lambda module, args: received.append(args[0][0]))
model(values, mask_time_indices=masked)
hook.remove()
total = holes + by_hand
into_layers = total  # full size: context.layer_norm(total)
print(f"kernel: {width} frames, {1000 * width * step / RATE:.0f} ms")
print(f"groups: {sets}, each mixes {weight.shape[1]} of the {len(weight)} values of a vector")
tables = [name for name, module in model.named_modules() if isinstance(module, nn.Embedding)]
print("tables of positions:", tables)

assert torch.allclose(into_layers, received[0], atol=1e-4)  # claim: w2v-relative-position
assert sets > 1 and weight.shape[1] * sets == config.hidden_size  # claim: w2v-grouped
assert not tables  # claim: w2v-no-table

# %% shift
LATER = 20
moved = functional.pad(whole, (0, 0, LATER, 0))  # the same recording, some frames later
at_first = position(whole[None])[0]
at_last = position(moved[None])[0, LATER:]
start = slice(0, frames - width)  # the end has other neighbours: zeros instead of the recording
still = position(whole.mean(dim=0).expand(1, 3 * width, -1))[0]  # one vector, over and over
changes = (still[1:] - still[:-1]).abs().amax(dim=1)
print(f"difference after a shift by {LATER} frames: {(at_first[start] - at_last[start]).abs().max():.4f}")
print(f"a constant input: largest change in the middle {changes[width:-width].max():.4f}", end=", ")
print(f"near the ends {changes.max():.4f}")

assert torch.allclose(at_first[start], at_last[start], atol=1e-4)  # claim: w2v-shift
assert changes.max() > 100 * changes[width:-width].max()  # claim: w2v-ends

# %% order
torch.manual_seed(0)
shuffle = torch.randperm(frames)


def contextual(states):
    return context(states[None].clone()).last_hidden_state[0]


def difference():  # between shuffling before and shuffling after
    return (contextual(whole[shuffle]) - contextual(whole)[shuffle]).abs().max().item()


with_positions = difference()
hook = position.register_forward_hook(lambda module, args, output: torch.zeros_like(output))
without_positions = difference()
hook.remove()
print(f"with the positional convolution:    {with_positions:.4f}")
print(f"without the positional convolution: {without_positions:.4f}")

assert without_positions < 1e-3  # claim: w2v-order-blind
assert with_positions > 0.1  # claim: w2v-order-counts

# %% context
layer = first_layer
states = into_layers[None]  # [1, frames, hidden]
ready = layer.layer_norm(states)  # full size: states
mixed, attention = layer.attention(ready)
added = states + mixed  # full size: layer.layer_norm(states + mixed)
inner = layer.final_layer_norm(added)  # full size: added
wide = functional.gelu(layer.feed_forward.intermediate_dense(inner))
result = added + layer.feed_forward.output_dense(wide)
result = result  # full size: layer.final_layer_norm(result)

library = layer(states)
print(f"{len(context.layers)} layers; attention {tuple(attention.shape)}: heads, frames that ask, frames that answer")
print(f"in {tuple(states.shape)}, inside {tuple(wide.shape)}, out {tuple(result.shape)}")
print(f"smallest attention: {attention.min():.1e}")

assert torch.allclose(result, library, atol=1e-4)  # claim: w2v-context
assert attention.min() > 0 and attention.shape[-2:] == (frames, frames)  # claim: w2v-context-global

# %% distractors
np.random.seed(0)
others = _sample_negative_indices((1, frames), config.num_negatives, mask[None])[0]  # [frames, distractors]
found = model(values, mask_time_indices=masked)
guesses = found.projected_states[0]  # [frames, width]: from the context network
targets = found.projected_quantized_states[0]  # [frames, width]: from the quantizer
lengths = guesses.norm(dim=-1)[:, None] * targets.norm(dim=-1)
near = guesses @ targets.T / lengths  # [frames, frames]: the cosine of the angle between guess and target
same = (targets[:, None] == targets[None]).all(dim=-1)  # frames with the same codewords

frame = np.flatnonzero(mask)[0]
rivals = others[frame]
print(f"frame {frame}: {len(rivals)} distractors, from {len(set(rivals))} frames")
print(f"with the same codewords as frame {frame}: {same[frame, rivals].sum()}")
library = model.compute_contrastive_logits(targets[frame][None], targets[rivals], guesses[frame], temperature=1.0)

assert len(rivals) == config.num_negatives == 100  # claim: w2v-distractors
assert mask[rivals].all() and frame not in rivals  # claim: w2v-distractors-masked
assert torch.allclose(library, near[frame, [frame, *rivals]], atol=1e-5)  # claim: w2v-cosine

# %% two-frames tags=["trained", "compact"]
edge = np.flatnonzero(mask)[0]  # where the first span begins
figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), sharey=True)
for axis, frame in zip(axes, [edge, edge + LENGTH // 2]):
    rivals = others[frame][~same[frame, others[frame]].numpy()]
    better = set(rivals[near[frame, rivals] > near[frame, frame]])
    print(f"frame {frame}: nearer than its own target are {len(better)} of {len(set(rivals))}")
    axis.plot(rivals * step / RATE, near[frame, rivals].numpy(), ".", color="C5", label="distractors")
    axis.plot(frame * step / RATE, near[frame, frame], "o", color="C4", markersize=7, label="its own target")
    axis.set_title(f"frame {frame}")
    axis.set_xlabel("seconds")
axes[0].set_ylabel("similarity")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
plt.show()

assert near[edge, edge] > near[edge + LENGTH // 2, edge + LENGTH // 2]  # claim: w2v-edge

# %% loss
losses = []
for frame in np.flatnonzero(mask):
    rivals = others[frame][~same[frame, others[frame]].numpy()]
    scores = torch.cat([near[frame, frame][None], near[frame, rivals]]) / config.contrastive_logits_temperature
    losses.append(-scores.log_softmax(dim=0)[0])  # the true one stands first
by_hand = torch.stack(losses).sum()

library = model(values, mask_time_indices=masked, sampled_negative_indices=torch.tensor(others)[None])
print(f"a frame's loss: {by_hand / mask.sum():.3f}; by chance among 101 it would be {math.log(101):.3f}")
print(f"sum over {mask.sum()} frames: by hand {by_hand:.2f}, library {library.contrastive_loss:.2f}")

assert torch.isclose(by_hand, library.contrastive_loss, rtol=1e-4)  # claim: w2v-contrastive

# %% diversity
words = groups * entries
share = functional.one_hot(chosen[mask], entries).float().mean(dim=0)  # [groups, entries]
perplexity = torch.exp(-torch.xlogy(share, share).sum(dim=-1)).sum()  # of both groups, added
diversity = (words - perplexity) / words * mask.sum()
total = by_hand + config.diversity_loss_weight * diversity
print(f"perplexity {perplexity:.1f} of {words}, diversity loss {diversity / mask.sum():.3f} a frame")
print(f"total: by hand {total:.2f}, library {library.loss:.2f}")

assert torch.isclose(perplexity, library.codevector_perplexity, rtol=1e-4)  # claim: w2v-perplexity
assert torch.isclose(total, library.loss, rtol=1e-4)  # claim: w2v-diversity

# %% unlabelled
parameters = list(inspect.signature(model.forward).parameters)
print(parameters)

assert not any("label" in name for name in parameters)  # claim: w2v-unlabelled


# %% targets-only
def noise_instead(module, args, output):
    vectors, perplexity = output
    return torch.randn_like(vectors), perplexity


torch.manual_seed(0)
hook = quantizer.register_forward_hook(noise_instead)
disturbed = model(values, mask_time_indices=masked, sampled_negative_indices=torch.tensor(others)[None])
hook.remove()
print(f"largest change of the guesses: {(disturbed.projected_states[0] - guesses).abs().max():.4f}")
print(f"the loss: {library.contrastive_loss:.1f} before, {disturbed.contrastive_loss:.1f} now")

assert torch.equal(disturbed.projected_states[0], guesses)  # claim: w2v-target-only
assert not torch.isclose(disturbed.contrastive_loss, library.contrastive_loss)  # claim: w2v-target-loss


# %% game tags=["trained", "compact"]
def play(values):
    """Mask a recording; for each masked frame: right, right by copying, chance, and how far the next visible frame is."""
    frames = int(model._get_feat_extract_output_lengths(torch.tensor(values.shape[1])))
    mask = _compute_mask_indices((1, frames), PROBABILITY, LENGTH)
    others = _sample_negative_indices((1, frames), config.num_negatives, mask)[0]
    found = model(values, mask_time_indices=torch.tensor(mask))
    guesses, targets = found.projected_states[0], found.projected_quantized_states[0]
    units = targets.unique(dim=0, return_inverse=True)[1].numpy()  # frames with the same codewords have one number
    visible = np.flatnonzero(~mask[0])
    rows = []
    for frame in np.flatnonzero(mask[0]):
        distances = np.abs(visible - frame)
        copied = targets[visible[distances.argmin()]]  # the target of the nearest visible frame
        rivals = others[frame][units[others[frame]] != units[frame]]
        choices = targets[[frame, *rivals]]
        row = [functional.cosine_similarity(guess, choices, dim=-1) for guess in (guesses[frame], copied)]
        row = [(near[0] > near[1:].max()).item() for near in row]
        rows.append([*row, 1 / (1 + len(set(units[rivals]))), distances.min()])
    return rows


np.random.seed(0)
results = {voice: np.array([row for part in batch * 3 for row in play(part)]) for voice, batch in recordings.items()}
print("voice     masked frames   right   by copying   by chance")
for voice, rows in results.items():
    right, copied, guessed = rows[:, :3].mean(axis=0)
    print(f"{voice:8}  {len(rows):13}   {right:5.1%}   {copied:10.1%}   {guessed:9.1%}")
means = np.array([rows[:, :3].mean(axis=0) for rows in results.values()])  # [voices, columns]
assert (means[:, 0] > 4 * means[:, 2]).all()  # claim: w2v-contrastive-learned
assert (means[:, 0] > 1.25 * means[:, 1]).all()  # claim: w2v-better-than-copying

# %% distance tags=["trained", "compact"]
rows = np.concatenate([results["allison"], results["june"]])
far = np.minimum(rows[:, 3], 6).astype(int)
places = np.arange(1, 7)
plt.figure(figsize=(6, 2.6))
for column, name in enumerate(["the model", "copying", "chance"]):
    plt.plot(places, [rows[far == place, column].mean() for place in places], marker="o", label=name)
plt.xticks(places, ["1", "2", "3", "4", "5", "6 or more"])
plt.xlabel("frames to the nearest one that is visible")
plt.ylabel("share right")
plt.legend()
plt.show()

inner = rows[far >= 4, :3].mean(axis=0)
assert inner[0] > 2 * max(inner[1], inner[2])  # claim: w2v-inside-the-span

# %% own-recording
tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    soundfile.write("stereo.wav", np.stack([tone, tone], axis=1), 44_100)  # two channels, another rate
    soundfile.write("silent.flac", np.zeros(RATE), RATE)
    soundfile.write("short.wav", tone[:300], RATE)
    Path("notes.wav").write_text("no sound at all")
    for name in ("stereo.wav", "silent.flac", "short.wav", "notes.wav", "missing.wav"):
        try:
            print(name, "has", load(name).shape[0], "samples")
        except ValueError as error:
            print(error)
