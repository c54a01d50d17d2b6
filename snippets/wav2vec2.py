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
from transformers.models.wav2vec2.modeling_wav2vec2 import (
    _compute_mask_indices,
    _sample_negative_indices,
)

CHECKPOINT = "checkpoints/wav2vec2-pretrained"  # full size: "facebook/wav2vec2-base"

feature_extractor = AutoFeatureExtractor.from_pretrained(CHECKPOINT)
model = AutoModelForPreTraining.from_pretrained(
    CHECKPOINT,
    dtype=torch.float32,
    attn_implementation="eager",  # the variant that also returns its attention weights
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
        raise ValueError(f"{path}: cannot be read; use a WAV or FLAC file") from None
    mono = soxr.resample(samples.mean(axis=1), rate, RATE)
    if len(mono) < 400:
        raise ValueError(f"{path}: too short; the model needs at least 400 samples")
    if np.abs(mono).max() < 1e-4:
        raise ValueError(f"{path}: there is nothing to hear in it")
    return mono


# %% recording
WORDS = ["tango", "echo", "alpha"]  # full size: ["wow", "wow", "wow"]
# full size: turn = 2 * np.pi * 110 * np.arange(RATE * 5 // 2) / RATE
# full size: wow = 0.3 * np.sin(turn + 6 * np.sin(turn / 220) ** 2 * np.sin(turn))
pause = np.zeros(RATE // 10, dtype=np.float32)
FOLDER = "docs/assets/speech/allison"  # full size: None
parts = [[load(f"{FOLDER}/{word}.flac"), pause] for word in WORDS]  # full size: [[wow, pause]]
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
def prepare(sound):
    """What the model gets: [1, samples]."""
    return feature_extractor(sound, sampling_rate=RATE, return_tensors="pt").input_values


values = prepare(samples)
outputs = model(values)
frames = outputs.projected_states.shape[1]
modules = dict(model.named_modules())
named = ["wav2vec2.feature_extractor", "quantizer", "wav2vec2.encoder"]
named += ["project_hid", "project_q"]
for name in named:
    count = sum(parameter.numel() for parameter in modules[name].parameters())
    print(f"{name:27}{type(modules[name]).__name__:33}{count:11,}")
print("in: ", tuple(values.shape))
print("out:", tuple(outputs.projected_states.shape))

function = model.compute_contrastive_logits
assert set(named) <= modules.keys()  # claim: w2v-four-parts
assert inspect.isfunction(function)  # claim: w2v-objective-is-a-function

# %% normalise
by_hand = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
print(f"recorded: mean {samples.mean():7.4f}, variance {samples.var():.4f}")
print(f"prepared: mean {values.mean():7.4f}, variance {values.var():.4f}")

plain = torch.tensor(samples)[None]  # not prepared
received = []  # what the first layer of the network gets
encoder = model.wav2vec2.feature_extractor
first = encoder.conv_layers[0]
hook = first.conv.register_forward_pre_hook(lambda module, args: received.append(args[0][:, 0]))
model(values)
model(plain)
hook.remove()

assert torch.allclose(torch.tensor(by_hand), values, atol=1e-5)  # claim: w2v-normalise
assert torch.equal(received[0], values)  # claim: w2v-normalise-before
assert torch.equal(received[1], plain)  # claim: w2v-normalise-not-inside

# %% rate
try:
    feature_extractor(samples, sampling_rate=44_100, return_tensors="pt")
    message = "accepted"
except ValueError as error:
    message = str(error)
print("…", message[-66:])
unsaid = feature_extractor(samples, return_tensors="pt").input_values  # no rate is named

assert "sampling rate of 16000" in message  # claim: w2v-rate-checked
assert torch.equal(unsaid, values)  # claim: w2v-rate-unsaid

# %% strides
step, reach = 1, 1
print("layer  kernel  stride   step so far  reach so far")
for number, (kernel, stride) in enumerate(zip(config.conv_kernel, config.conv_stride), 1):
    reach += (kernel - 1) * step  # the values under a kernel lie `step` samples apart
    step *= stride
    print(f"{number:5}  {kernel:6}  {stride:6}   {step:11}  {reach:12}")
count = (len(samples) - reach) // step + 1
print(f"a vector every {1000 * step // RATE} ms, from {1000 * reach // RATE} ms of sound")
print(f"({len(samples):,} - {reach}) // {step} + 1 = {count} vectors")

features = encoder(values).transpose(1, 2)  # [1, frames, channels]
assert step == math.prod(config.conv_stride) == 320  # claim: w2v-20ms
assert features.shape[1] == count  # claim: w2v-frames

# %% frames
begin = frames // 2 - 3
shown = np.arange(begin * step, (begin + 5) * step + reach)
loudest = np.abs(samples[shown]).max()
plt.figure(figsize=(7, 3.2))
plt.plot(1000 * clock[shown], samples[shown] / loudest, linewidth=0.8)
for row, frame in enumerate(range(begin, begin + 6)):
    left, right = 1000 * frame * step / RATE, 1000 * (frame * step + reach) / RATE
    height = -1.3 - 0.3 * row
    plt.plot([left, right], [height, height], "C2", linewidth=4, solid_capstyle="butt")
    label = f"frame {frame}" if row < 5 else ""
    plt.text(right + 1, height, label, verticalalignment="center", fontsize=9)
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
    print(f"{layer.conv.in_channels:4} to {hidden.shape[1]:3} channels, {hidden.shape[2]:6,} steps")

norms = [module for module in encoder.modules() if isinstance(module, nn.GroupNorm)]
by_hand = hidden.transpose(1, 2)
assert torch.allclose(by_hand, features, atol=1e-3)  # claim: w2v-encoder-by-hand
assert norms == [norm] and norm.num_groups == norm.num_channels  # claim: w2v-group-norm

# %% reach
convolved = first.conv(values[:, None])
mean, variance = convolved.mean(dim=-1)[0], convolved.var(dim=-1, unbiased=False)[0]


def held(norm, args, output):  # the same norm, with its mean and variance as constants
    return functional.batch_norm(args[0], mean, variance, norm.weight, norm.bias, eps=norm.eps)


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
outside = free.clone().index_fill(0, touched, 0)
print(f"held fixed: {len(touched)} samples have an influence, {touched[0]} to {touched[-1]}")
print(f"free: {(free > 0).float().mean():.1%} of all samples have an influence")
print(f"the strongest outside has {outside.max() / free.max():.1%} of the strongest within reach")
print(f"together, those outside have {outside.sum() / free.sum():.0%} of all influence")

plt.figure(figsize=(7, 2.2))
for influences, name, colour in [(free, "free", "C5"), (fixed, "held fixed", "C2")]:
    blocks = functional.max_pool1d(influences[None], 40)[0].numpy()
    blocks = np.where(blocks > 0, blocks, np.nan)
    plt.semilogy(clock[::40][: len(blocks)], blocks, color=colour, label=f"norm {name}")
plt.xlabel("seconds")
plt.ylabel("influence")
plt.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

window = range(middle * step, middle * step + reach)
assert touched.tolist() == list(window)  # claim: w2v-reach
assert (free > 0).sum() > 10 * reach  # claim: w2v-reach-norm


# %% volume
def change(audio):  # how far the vectors are from those of the prepared recording
    difference = encoder(audio).transpose(1, 2) - features
    return (difference.std() / features.std()).item()


print("volume   not prepared   prepared")
for factor in (10, 1, 0.1, 0.01):
    bare, prepared = change(plain * factor), change(prepare(samples * factor))
    print(f"x {factor:4}   {bare:12.1%}   {prepared:8.1%}")
    if factor == 10:
        loud = bare

assert loud < 0.01  # claim: w2v-volume-norm
assert bare > 0.1 > 100 * prepared  # claim: w2v-volume-quiet

# %% filters tags=["trained"]
kernels = first.conv.weight[:, 0]  # [channels, 10 samples]
spectrum = torch.fft.rfft(kernels, 512).abs()  # the answer to each frequency
spectrum = spectrum / spectrum.amax(dim=1, keepdim=True)
order = spectrum.argmax(dim=1).argsort()

figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), width_ratios=[1, 2])
for row, channel in enumerate(order[:: len(order) // 5][:5]):
    shape = kernels[channel] / kernels[channel].abs().max()
    axes[0].plot(shape.numpy() - 2.2 * row, marker="o", markersize=3)
axes[0].set_title("five filters")
axes[0].set_xlabel("sample")
axes[0].set_yticks([])
limits = (0, RATE / 2000, len(order), 0)
axes[1].imshow(spectrum[order].numpy(), aspect="auto", extent=limits)
axes[1].set_title("what each lets through")
axes[1].set_xlabel("kilohertz")
axes[1].set_ylabel("filter")
plt.show()

# %% tone
moments = torch.arange(RATE // 10) / RATE
answers, formulas = [], []
print("hertz   by tone   by formula")
for hertz in (250, 1000, 3000, 6000):
    angle = 2 * torch.pi * hertz * moments
    wave, quarter = first.conv(torch.stack([angle.sin(), angle.cos()])[:, None])
    answers.append(torch.hypot(wave, quarter).mean(dim=1))  # of each filter
    turns = torch.exp(-2j * torch.pi * hertz / RATE * torch.arange(10))
    formulas.append((first.conv.weight[:, 0] * turns).sum(dim=1).abs())
    print(f"{hertz:5}   {answers[-1].max():7.3f}   {formulas[-1].max():10.3f}")

by_tone, by_formula = torch.stack(answers), torch.stack(formulas)
assert torch.allclose(by_tone, by_formula, atol=1e-3)  # claim: w2v-filter-response

# %% sweep tags=["trained"]
moments = np.arange(4 * RATE) / RATE
sweep = 0.3 * np.sin(2 * np.pi * (50 * moments + 875 * moments**2))  # 50 to 7,050 hertz
display(Audio(sweep, rate=RATE))
heard = encoder(prepare(sweep))[0]  # [channels, frames]
heard = heard - heard.mean(dim=1, keepdim=True)
heard = heard / (heard.std(dim=1, keepdim=True) + 1e-5)
smooth = functional.avg_pool1d(heard[None], 9, stride=1)[0]
strongest = 50 + 7000 * (smooth.argmax(dim=1) + 4) / heard.shape[1]  # in hertz
order = strongest.argsort()
share = (strongest < 2400).float().mean()
print(f"{share:.0%} of the channels are strongest below 2,400 hertz")

plt.figure(figsize=(7, 3))
limits = (0.05, 7.05, len(order), 0)
plt.imshow(heard[order].clamp(-2, 3).numpy(), aspect="auto", extent=limits)
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
by_hand = torch.cat([codebook[group, chosen[:, group]] for group in range(groups)], dim=1)

library, perplexity = quantizer(normed)
print("logits:   ", tuple(logits.shape))
print("codebook: ", tuple(codebook.shape))
print("quantized:", tuple(by_hand.shape))
print("five frames:", chosen[begin : begin + 5].tolist())
print(f"possible units: {entries} ** {groups} = {entries**groups:,}")

units = len(chosen.unique(dim=0))
assert torch.allclose(by_hand, library[0], atol=1e-6)  # claim: w2v-best-codeword
assert chosen.shape == (frames, config.num_codevector_groups)  # claim: w2v-codebook
assert len(library[0].unique(dim=0)) == units <= entries**groups  # claim: w2v-units

# %% gumbel
flat = logits.flatten(0, 1)  # [frames * groups, entries]
temperature = quantizer.temperature
kept = [name for name in model.state_dict() if "temperature" in name]
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
others = (drawn != chosen).float().mean()
print(f"temperature {temperature}: {others:.0%} of the drawn codewords are not the best ones")

quantizer.temperature = temperature / 10
torch.manual_seed(0)
colder, _ = quantizer(normed)
quantizer.temperature = temperature
quantizer.eval()

assert torch.allclose(by_hand, library[0], atol=1e-5)  # claim: w2v-gumbel
assert torch.allclose(colder, library, atol=1e-5)  # claim: w2v-temperature
assert temperature == 2 and not kept  # claim: w2v-temperature-not-kept

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
plt.bar(place + 0.2, frequency[top].numpy(), 0.38, label="share of 20,000 draws")
plt.xticks(place, [f"{number}" for number in top.tolist()])
plt.xlabel("codeword")
plt.legend()
plt.show()

assert torch.allclose(frequency, shares[row], atol=0.02)  # claim: w2v-gumbel-max

# %% gumbel-gradient
student = copy.deepcopy(quantizer).requires_grad_(True)
gradients = {}
for mode in ("eval", "train"):
    student.train(mode == "train").zero_grad()
    vectors, _ = student(normed)
    (vectors * vectors.detach()).sum().backward()  # any number that depends on them
    gradients[mode] = student.weight_proj.weight.grad
    size = "none" if gradients[mode] is None else f"{gradients[mode].norm():.1f}"
    print(f"{mode:5}: gradient of the layer that scores: {size}")

assert gradients["eval"] is None  # claim: w2v-hard-no-gradient
assert gradients["train"].abs().sum() > 0  # claim: w2v-gumbel-gradient

# %% codewords tags=["trained"]
print(f"{frames} frames, {units} different pairs of codewords")
repeated = (chosen[1:] == chosen[:-1]).all(dim=1).sum()
print(f"{repeated} frames have the same pair as the frame before")

figure, axes = plt.subplots(3, 1, figsize=(7, 4.4), sharex=True, height_ratios=[1, 2, 2])
axes[0].plot(clock[::8], samples[::8], linewidth=0.5)
axes[0].set_yticks([])
centres = (np.arange(frames) * step + reach / 2) / RATE
for group in range(groups):
    numbers = chosen[:, group].numpy()
    axes[group + 1].plot(centres, numbers, ".", color=f"C{group + 1}", markersize=4)
    axes[group + 1].set_ylabel(f"group {group + 1}")
axes[-1].set_xlabel("seconds")
plt.show()

# %% held-out tags=["trained", "compact"]
index = json.loads(Path("docs/assets/speech/held-out.json").read_text())
chance = np.random.default_rng(0)
recordings = {}  # for each voice, strings of three words
for voice in ("allison", "june", "slt"):
    words = {entry["file"] for entry in index if entry["voice"] == voice and " " not in entry["text"]}
    sounds = [load(f"docs/assets/speech/{file}") for file in chance.permutation(sorted(words))]
    strings = []
    for i in range(0, len(sounds) - 2, 3):
        strings.append(np.concatenate([sounds[i], pause, sounds[i + 1], pause, sounds[i + 2]]))
    recordings[voice] = [prepare(string) for string in strings]
    length = sum(len(string) for string in strings) / RATE
    print(f"{voice:8} {len(words)} words, {len(strings)} strings of three, {length:.0f} seconds")


# %% codebook-in-use tags=["trained", "compact"]
def codewords(network, recording):
    """The codewords of each frame: [frames, groups]."""
    vectors = network.wav2vec2(recording).extract_features  # what goes to the quantizer
    return network.quantizer.weight_proj(vectors).view(-1, groups, entries).argmax(dim=-1)


used = {}  # how often each codeword occurs: [groups, entries]
perplexities = []
for voice, batch in recordings.items():
    picked = torch.cat([codewords(model, recording) for recording in batch])
    used[voice] = functional.one_hot(picked, entries).float().mean(dim=0)
    entropy = -torch.xlogy(used[voice], used[voice]).sum(dim=1)
    perplexities += entropy.exp().tolist()
    occur = (used[voice] > 0).sum(dim=1).tolist()
    print(f"{voice:8} {len(picked):5} frames, in use {occur} of {entries},", end=" ")
    print("perplexity", " and ".join(f"{value:.1f}" for value in entropy.exp()))

people = (used["allison"] + used["june"]) / 2
plt.figure(figsize=(7, 2.4))
for group in range(groups):
    places = np.arange(entries) + group * (entries + 3)
    plt.bar(places, np.sort(people[group].numpy())[::-1], color=f"C{group + 1}")
plt.xticks([entries / 2, entries * 1.5 + 3], ["group 1", "group 2"])
plt.ylabel("share of frames")
plt.show()

assert min(perplexities) > entries / 4  # claim: w2v-codebook-used

# %% silence tags=["trained", "compact"]
pairs, loudness = [], []
for recording in recordings["allison"] + recordings["june"]:
    pairs += [tuple(pair) for pair in codewords(model, recording).tolist()]
    windows = recording[0].unfold(0, reach, step)  # [frames, 400 samples]
    loudness += windows.std(dim=1).tolist()
loudness = np.array(loudness)
common = max(set(pairs), key=pairs.count)
here = np.array([pair == common for pair in pairs])
quiet = loudness < 0.01  # a whole recording has 1
print(f"the commonest pair, {common}, stands for {here.sum()} of {len(pairs)} frames")
print(f"of {quiet.sum():4} quiet frames, {here[quiet].mean():.0%} have it")
print(f"of {(~quiet).sum():4} other frames, {here[~quiet].mean():.0%} have it")

assert here[quiet].mean() > 0.4 > 0.01 > here[~quiet].mean()  # claim: w2v-silence

# %% two-voices tags=["trained", "compact"]
letters = sorted({entry["text"] for entry in index if entry["voice"] == "june"})


def by_codewords(network):  # how often each codeword occurs in a recording
    def describe(recording):
        counted = functional.one_hot(codewords(network, recording), entries).float()
        return counted.mean(dim=0).flatten().sqrt()

    return describe


def by_spectrum(recording):  # how loud each of 64 bands of tones is, on average
    windows = recording[0].unfold(0, reach, step) * torch.hann_window(reach)
    power = torch.fft.rfft(windows, 512).abs()[:, :256] ** 2
    return (power.view(-1, 64, 4).mean(dim=2) + 1e-3).log().mean(dim=0)


def profiles(describe, voice):
    files = [f"docs/assets/speech/{voice}/{word}.flac" for word in letters]
    rows = torch.stack([describe(prepare(load(file))) for file in files])
    return rows - rows.mean(dim=0)  # what sets each word apart


torch.manual_seed(0)
untrained = type(model)(config).eval().requires_grad_(False)
ways = {"untrained": by_codewords(untrained), "spectrum": by_spectrum, "codewords": by_codewords(model)}
found_right = {}
for name, describe in ways.items():
    allison, june = profiles(describe, "allison"), profiles(describe, "june")
    alike = functional.cosine_similarity(allison[:, None], june[None], dim=-1)
    nearest = torch.cat([alike.argmax(dim=1), alike.argmax(dim=0)])  # in both directions
    found_right[name] = (nearest == torch.arange(len(letters)).repeat(2)).sum().item()
    print(f"{name:10} {found_right[name]:2} of {len(nearest)} words find themselves")

plt.figure(figsize=(5.4, 5.4))
plt.imshow(alike.numpy())
plt.plot(nearest[: len(letters)].numpy(), range(len(letters)), "o", color="C2")
plt.xticks(range(len(letters)), letters, rotation=90, fontsize=8)
plt.yticks(range(len(letters)), letters, fontsize=8)
plt.show()

assert found_right["codewords"] > 20 > 8 > found_right["untrained"]  # claim: w2v-two-voices
assert found_right["codewords"] > found_right["spectrum"]  # claim: w2v-beyond-spectrum

# %% mask
PROBABILITY, LENGTH = 0.65, 10
np.random.seed(0)
mask = _compute_mask_indices((1, frames), PROBABILITY, LENGTH)[0]

np.random.seed(0)
rounding = np.random.rand(1).item()  # up or down, by chance
count = int(PROBABILITY * frames / LENGTH + rounding)
starts = np.random.choice(np.arange(frames - LENGTH + 1), count, replace=False)
by_hand = np.zeros(frames, dtype=bool)
for start in starts:
    by_hand[start : start + LENGTH] = True
print(f"{count} spans of {LENGTH} frames")
print(f"{mask.sum()} of {frames} frames are masked: {mask.mean():.0%}")

plt.figure(figsize=(7, 1.8))
plt.plot(clock[::8], samples[::8], linewidth=0.5)
for frame in np.flatnonzero(mask):
    left, right = frame * step / RATE, (frame + 1) * step / RATE
    plt.axvspan(left, right, color="C5", alpha=0.35, linewidth=0)
plt.xlabel("seconds")
plt.yticks([])
plt.show()

assert (mask == by_hand).all()  # claim: w2v-mask-by-hand

# %% mask-share
np.random.seed(0)
default = type(config)()  # the configuration that nobody has touched
settings = default.mask_time_prob, default.mask_time_length
fewest = default.mask_time_min_masks
print(f"default: {settings[0]}, spans of {settings[1]}, at least {fewest} of them")
print("seconds   frames   paper's   default")
for seconds in (1, 2, 5, 15):
    length = int(model._get_feat_extract_output_lengths(torch.tensor(seconds * RATE)))
    shape = (2000, length)  # so many masks
    paper = _compute_mask_indices(shape, PROBABILITY, LENGTH).mean()
    usual = _compute_mask_indices(shape, *settings, min_masks=fewest).mean()
    print(f"{seconds:7}   {length:6}   {paper:7.1%}   {usual:7.1%}")
    if seconds == 1:
        short = usual
expected = 1 - (1 - 0.065) ** LENGTH
print(f"expected of the paper's, far from the ends: {expected:.1%}")

assert abs(paper - 0.5) < 0.03 and abs(paper - expected) < 0.02  # claim: w2v-mask-half
assert usual < 0.06  # claim: w2v-mask-default
assert short > 0.3  # claim: w2v-mask-short

# %% mask-vector
masked = torch.tensor(mask)[None]
context = model.wav2vec2.encoder
seen = []
hook = context.register_forward_pre_hook(lambda module, args: seen.append(args[0][0].clone()))
model(values)  # nothing is masked
model(values, mask_time_indices=masked)
hook.remove()
whole, holes = seen  # what the context network reads: [frames, hidden]
vector = model.wav2vec2.masked_spec_embed
print("the vector:", tuple(vector.shape))
print("different vectors in the masked places:", len(holes[mask].unique(dim=0)))
print("different vectors in the other places: ", len(holes[~mask].unique(dim=0)))

assert torch.equal(holes[mask], vector.expand(mask.sum(), -1))  # claim: w2v-mask-vector
assert torch.equal(holes[~mask], whole[~mask])  # claim: w2v-mask-others

# %% positions
position = context.pos_conv_embed
weight, bias = position.conv.weight, position.conv.bias
width, sets = weight.shape[-1], position.conv.groups
padded = functional.pad(holes.T[None], (width // 2, width // 2))
convolved = functional.conv1d(padded, weight, bias, groups=sets)[0, :, :frames]
total = holes + functional.gelu(convolved.T)  # [frames, hidden]
into_layers = total  # full size: context.layer_norm(total)

received = []
layer = context.layers[0]
hook = layer.register_forward_pre_hook(lambda module, args: received.append(args[0][0]))
model(values, mask_time_indices=masked)
hook.remove()
print(f"kernel: {width} frames, {1000 * width * step // RATE} ms")
print(f"groups: {sets}, each mixes {weight.shape[1]} of {len(weight)} values")
tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
print("tables of embeddings:", len(tables))

assert torch.allclose(into_layers, received[0], atol=1e-4)  # claim: w2v-relative-position
assert sets > 1 and weight.shape[1] * sets == config.hidden_size  # claim: w2v-grouped
assert not tables  # claim: w2v-no-table

# %% shift
LATER = 20
moved = functional.pad(whole, (0, 0, LATER, 0))  # the same recording, some frames later
before = position(whole[None])[0]
after = position(moved[None])[0, LATER:]
same_neighbours = slice(0, frames - width)  # at the end there are zeros in their place
shifted = (before - after)[same_neighbours].abs().max()
still = whole.mean(dim=0).expand(1, 3 * width, -1)  # one vector, over and over
changes = position(still)[0].diff(dim=0).abs().amax(dim=1)  # from each frame to the next
print(f"{LATER} frames later: difference {shifted:.4f}")
print(f"a constant input: largest change in the middle {changes[width:-width].max():.4f}")
print(f"                  largest change at the ends   {changes.max():.4f}")

assert shifted < 1e-4  # claim: w2v-shift
assert changes.max() > 100 * changes[width:-width].max()  # claim: w2v-ends

# %% order
torch.manual_seed(0)
shuffle = torch.randperm(frames)


def contextual(states):
    return context(states[None].clone()).last_hidden_state[0]


def difference():  # between shuffling before and shuffling after
    return (contextual(whole[shuffle]) - contextual(whole)[shuffle]).abs().max().item()


with_positions = difference()
hook = position.register_forward_hook(lambda module, args, output: output * 0)
without_positions = difference()
hook.remove()
print(f"with the convolution for positions:    {with_positions:.4f}")
print(f"without the convolution for positions: {without_positions:.4f}")

assert without_positions < 1e-3  # claim: w2v-order-blind
assert with_positions > 0.1  # claim: w2v-order-counts

# %% context
states = into_layers[None]  # [1, frames, hidden]
ready = layer.layer_norm(states)  # full size: states
mixed, attention = layer.attention(ready)
added = states + mixed  # full size: layer.layer_norm(states + mixed)
inner = layer.final_layer_norm(added)  # full size: added
wide = functional.gelu(layer.feed_forward.intermediate_dense(inner))
total = added + layer.feed_forward.output_dense(wide)
result = total  # full size: layer.final_layer_norm(total)

library = layer(states)
print(f"in {tuple(states.shape)}, inside {tuple(wide.shape)}, out {tuple(result.shape)}")
print(f"attention {tuple(attention.shape)}, smallest {attention.min():.1e}")
print(f"{len(context.layers)} such layers")

assert torch.allclose(result, library, atol=1e-4)  # claim: w2v-context
assert attention.shape[2:] == (frames, frames)  # claim: w2v-context-square
assert attention.min() > 0  # claim: w2v-context-global

# %% distractors
np.random.seed(0)
others = _sample_negative_indices((1, frames), config.num_negatives, mask[None])[0]
found = model(values, mask_time_indices=masked)
guesses = found.projected_states[0]  # [frames, width]: from the context network
targets = found.projected_quantized_states[0]  # [frames, width]: from the quantizer
lengths = guesses.norm(dim=-1)[:, None] * targets.norm(dim=-1)
near = guesses @ targets.T / lengths  # [frames, frames]: guesses against targets
same = (targets[:, None] == targets).all(dim=-1).numpy()  # frames with the same codewords

frame = np.flatnonzero(mask)[0]
rivals = others[frame]
print(f"frame {frame}: {len(rivals)} distractors, from {len(set(rivals))} frames")
print(f"with the same codewords as frame {frame}: {same[frame, rivals].sum()}")
library = function(targets[frame][None], targets[rivals], guesses[frame], temperature=1.0)

assert len(rivals) == config.num_negatives == 100  # claim: w2v-distractors
assert mask[rivals].all() and frame not in rivals  # claim: w2v-distractors-masked
assert torch.allclose(library, near[frame, [frame, *rivals]], atol=1e-5)  # claim: w2v-cosine

# %% two-frames tags=["trained", "compact"]
edge = np.flatnonzero(mask)[0]  # where the first span begins
inside = edge + LENGTH // 2
figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), sharey=True)
for axis, frame in zip(axes, [edge, inside]):
    rivals = others[frame][~same[frame, others[frame]]]
    better = set(rivals[near[frame, rivals] > near[frame, frame]])
    print(f"frame {frame}: {len(better)} of {len(set(rivals))} others are nearer than its own")
    axis.plot(clock[rivals * step], near[frame, rivals], ".", color="C5", label="distractors")
    own = clock[frame * step], near[frame, frame]
    axis.plot(*own, "o", color="C4", markersize=7, label="its own target")
    axis.set_title(f"frame {frame}")
    axis.set_xlabel("seconds")
axes[0].set_ylabel("similarity")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
plt.show()

assert near[edge, edge] > near[inside, inside] + 0.2  # claim: w2v-edge

# %% loss
losses, even = [], []
for frame in np.flatnonzero(mask):
    rivals = others[frame][~same[frame, others[frame]]]
    candidates = near[frame, [frame, *rivals]]  # the true one stands first
    scores = candidates / config.contrastive_logits_temperature
    losses.append(-scores.log_softmax(dim=0)[0])
    even.append(math.log(len(candidates)))
by_hand = torch.stack(losses).sum()

inputs = {"mask_time_indices": masked, "sampled_negative_indices": torch.tensor(others)[None]}
library = model(values, **inputs)
print(f"sum over {mask.sum()} frames: by hand {by_hand:.2f}, library {library.contrastive_loss:.2f}")
print(f"a frame: {by_hand / mask.sum():.3f}, without any preference it would be {np.mean(even):.3f}")

assert torch.isclose(by_hand, library.contrastive_loss, rtol=1e-4)  # claim: w2v-contrastive

# %% diversity
total = groups * entries
share = functional.one_hot(chosen[mask], entries).float().mean(dim=0)  # [groups, entries]
entropy = -torch.xlogy(share, share).sum(dim=-1)
perplexity = entropy.exp().sum()  # of both groups, added
diversity = (total - perplexity) / total * mask.sum()
loss = by_hand + config.diversity_loss_weight * diversity
print(f"perplexity {perplexity:.1f} of {total}, a frame's diversity loss {diversity / mask.sum():.3f}")
print(f"both losses: by hand {loss:.2f}, library {library.loss:.2f}")

known = library.codevector_perplexity
assert torch.isclose(perplexity, known, rtol=1e-4)  # claim: w2v-perplexity
assert torch.isclose(loss, library.loss, rtol=1e-4)  # claim: w2v-diversity

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
disturbed = model(values, **inputs)
hook.remove()
before, after = library.contrastive_loss, disturbed.contrastive_loss
moved = (disturbed.projected_states[0] - guesses).abs().max()
print(f"largest change of the guesses: {moved:.4f}")
print(f"contrastive loss: {before:.1f} before, {after:.1f} now")

assert torch.equal(disturbed.projected_states[0], guesses)  # claim: w2v-target-only
assert not torch.isclose(before, after)  # claim: w2v-target-loss


# %% game tags=["trained", "compact"]
def play(recording):
    """For each masked frame: right, right by copying, chance, and the nearest visible frame."""
    length = int(model._get_feat_extract_output_lengths(torch.tensor(recording.shape[1])))
    mask = _compute_mask_indices((1, length), PROBABILITY, LENGTH)
    others = _sample_negative_indices((1, length), config.num_negatives, mask)[0]
    found = model(recording, mask_time_indices=torch.tensor(mask))
    guesses, targets = found.projected_states[0], found.projected_quantized_states[0]
    unit = targets.unique(dim=0, return_inverse=True)[1].numpy()  # the same for the same codewords
    visible = np.flatnonzero(~mask[0])
    rows = []
    for frame in np.flatnonzero(mask[0]):
        distances = np.abs(visible - frame)
        copied = targets[visible[distances.argmin()]]
        rivals = others[frame][unit[others[frame]] != unit[frame]]
        row = []
        for guess in (guesses[frame], copied):
            near = functional.cosine_similarity(guess, targets[[frame, *rivals]], dim=-1)
            row.append((near[0] > near[1:].max()).item())
        rows.append([*row, 1 / (1 + len(set(unit[rivals]))), distances.min()])
    return np.array(rows)


np.random.seed(0)
results = {}
print("voice     masked frames   right   by copying   by chance")
for voice, batch in recordings.items():
    results[voice] = np.concatenate([play(recording) for recording in batch * 3])
    right, copying, guessing, _ = results[voice].mean(axis=0)
    print(f"{voice:8}  {len(results[voice]):13}   {right:5.1%}   {copying:10.1%}   {guessing:9.1%}")

means = np.array([rows.mean(axis=0) for rows in results.values()])  # [voices, columns]
assert (means[:, 0] > 4 * means[:, 2]).all()  # claim: w2v-contrastive-learned
assert (means[:, 0] > 1.25 * means[:, 1]).all()  # claim: w2v-better-than-copying

# %% distance tags=["trained", "compact"]
rows = np.concatenate([results["allison"], results["june"]])
far = np.minimum(rows[:, 3], 6).astype(int)
places = np.arange(1, 7)
plt.figure(figsize=(6, 2.6))
for column, name in enumerate(["the model", "copying", "chance"]):
    shares = [rows[far == place, column].mean() for place in places]
    plt.plot(places, shares, marker="o", label=name)
plt.xticks(places, ["1", "2", "3", "4", "5", "6 or more"])
plt.xlabel("frames to the nearest visible one")
plt.ylabel("share right")
plt.legend()
plt.show()

inner = rows[far >= 4].mean(axis=0)
assert inner[0] > 2 * max(inner[1], inner[2])  # claim: w2v-inside-the-span

# %% own-recording
tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    soundfile.write("stereo.wav", np.stack([tone, tone], axis=1), 44_100)
    soundfile.write("silent.flac", np.zeros(RATE), RATE)
    soundfile.write("short.wav", tone[:300], RATE)
    Path("notes.wav").write_text("no sound at all")
    for name in ("stereo.wav", "silent.flac", "short.wav", "notes.wav", "missing.wav"):
        try:
            print(f"{name}: {len(load(name)):,} samples, ready to be prepared")
        except ValueError as error:
            print(error)
