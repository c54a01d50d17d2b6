# %% [markdown]
# # Audio classification
#
# From a recording to one word: frames, their mean, and the head that reads it.
# Run it from the project's root: `python snippets/audio_classification.py`.

# %% setup
import contextlib
import json
import tempfile
import textwrap
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile
import soxr
import torch
import yaml
from IPython.display import Audio, display
from torch import nn
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    AutoModelForPreTraining,
    Wav2Vec2Config,
    Wav2Vec2ForSequenceClassification,
    pipeline,
)

CHECKPOINT = "checkpoints/wav2vec2-classifier"  # full size: "superb/wav2vec2-base-superb-ks"
RATE = 16_000  # samples a second: the models know no other

extractor = AutoFeatureExtractor.from_pretrained(CHECKPOINT)
model = AutoModelForAudioClassification.from_pretrained(CHECKPOINT)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config
noise = np.random.default_rng(seed=0).normal(0, 0.1, RATE).astype(np.float32)  # one second
RECORDINGS = Path("docs/assets/speech")  # full size: None
FILE = RECORDINGS / "allison/whiskey.flac"  # full size: None
samples = soundfile.read(FILE, dtype="float32")[0]  # full size: noise

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(config.num_labels, "labels:")
print(textwrap.fill(" ".join(config.id2label.values()), 80))

# %% three-lines tags=["trained"]
WORD = "whiskey"  # full size: "_silence_"

inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
label = config.id2label[outputs.logits.argmax().item()]  # interpret

display(Audio(samples, rate=RATE))
print(label)

assert label == WORD  # claim: w2v-cls-first


# %% wave
def prepared(wave):
    """One recording as the model gets it."""
    return extractor(wave, sampling_rate=RATE, return_tensors="pt")


inputs = prepared(samples)
values = inputs["input_values"]  # [clips, samples]
print(f"{len(samples):,} samples, {len(samples) / RATE:.2f} seconds")
print("the model gets:", {name: tuple(value.shape) for name, value in inputs.items()})

plt.figure(figsize=(6.4, 2))
plt.plot(np.arange(len(samples)) / RATE, samples, linewidth=0.6)
plt.xlabel("seconds")
plt.ylabel("pressure")
plt.show()

# %% normalise tags=["compact"]
scaled = (samples - samples.mean()) / samples.std()
whispered = prepared(samples / 20)["input_values"]
for name, wave in {"recorded": samples, "prepared": scaled}.items():
    print(f"{name}: mean {abs(wave.mean()):.3f}, standard deviation {wave.std():.3f}")

assert np.allclose(scaled, values[0].numpy(), atol=1e-3)  # claim: w2v-cls-normalised
assert torch.allclose(whispered, values, atol=1e-2)  # claim: w2v-cls-loudness

# %% frames
heard = model.wav2vec2.feature_extractor(values)  # [clips, channels, frames]
network = model.wav2vec2(**inputs, output_hidden_states=True)
print("feature encoder:", tuple(heard.shape))
print("context network:", tuple(network.last_hidden_state.shape))
print("states kept:    ", len(network.hidden_states), "layers")

frames = (len(samples) - 400) // 320 + 1  # each sees 400 samples; the next begins 320 later
assert heard.shape[2] == network.last_hidden_state.shape[1] == frames  # claim: w2v-cls-frames


# %% states
def states_of(**inputs):
    """What the head reads: one vector for each frame, [clips, frames, width]."""
    network = model.wav2vec2(**inputs, output_hidden_states=True)
    if not config.use_weighted_layer_sum:
        return network.last_hidden_state
    shares = model.layer_weights.softmax(dim=0)  # one number for each layer
    return torch.tensordot(shares, torch.stack(network.hidden_states), dims=1)


states = states_of(**inputs)
print("the head reads:", tuple(states.shape))

# %% head
projector, classifier = model.projector, model.classifier
projected = states @ projector.weight.T + projector.bias  # [clips, frames, narrow]
pooled = projected.mean(dim=1)  # [clips, narrow]: time is gone
logits = pooled @ classifier.weight.T + classifier.bias  # [clips, labels]

library = model(**inputs).logits
steps = {"states": states, "projected": projected, "pooled": pooled, "logits": logits}
for name, tensor in steps.items():
    print(f"{name:9} {tuple(tensor.shape)}")
print(f"largest difference to the library: {(logits - library).abs().max():.5f}")

assert torch.allclose(logits, library, atol=1e-4)  # claim: w2v-cls-pool

# %% any-length
shapes = set()
for seconds in 0.1, 0.5, 1.0, 3.0:
    clip = np.resize(samples, int(seconds * RATE))  # cut, or repeated
    clip = prepared(clip)
    clip_states = states_of(**clip)
    clip_pooled = projector(clip_states).mean(dim=1)
    shapes.add((clip_pooled.shape, model(**clip).logits.shape))
    print(f"{seconds} s: {clip_states.shape[1]:3} frames, pooled {tuple(clip_pooled.shape)}")

assert len(shapes) == 1  # claim: w2v-cls-any-length

# %% one-matrix
matrix = classifier.weight @ projector.weight  # [labels, width]
bias = classifier.weight @ projector.bias + classifier.bias
at_once = states.mean(dim=1) @ matrix.T + bias

shapes = [tuple(layer.weight.shape) for layer in (classifier, projector)]
print(f"{shapes[0]} times {shapes[1]} is {tuple(matrix.shape)}")
print(f"largest difference: {(at_once - library).abs().max():.5f}")

assert torch.allclose(at_once, library, atol=1e-4)  # claim: w2v-cls-one-matrix

# %% votes
votes = classifier(projector(states))[0]  # [frames, labels]: the head on each frame
print("votes:", tuple(votes.shape))
print(f"their mean against the logits: {(votes.mean(dim=0) - library[0]).abs().max():.5f}")

assert torch.allclose(votes.mean(dim=0), library[0], atol=1e-4)  # claim: w2v-cls-votes

# %% evidence tags=["trained"]
best = library[0].topk(3).indices
evidence = votes - votes.mean(dim=1, keepdim=True)  # over the average label
times = (np.arange(len(votes)) * 320 + 200) / RATE  # the middle of each frame

figure, axes = plt.subplots(2, 1, figsize=(6.4, 3.6), sharex=True, height_ratios=[1, 2])
above, below = axes
above.plot(np.arange(len(samples)) / RATE, samples, linewidth=0.6, color="C5")
above.set_yticks([])
for number, colour in zip(best.tolist(), ["C0", "C2", "C4"]):
    below.plot(times, evidence[:, number], label=config.id2label[number], color=colour)
below.axhline(0, color="C5", linewidth=0.7)
below.set_xlabel("seconds")
below.set_ylabel("evidence")
below.legend()
plt.show()

# %% silent-frames tags=["trained", "compact"]
quiet = RATE // 2  # half a second of zeros before and after the word
around = prepared(np.pad(samples, quiet))
answers = classifier(projector(states_of(**around)))[0].argmax(dim=1)
starts = np.arange(len(answers)) * 320
silent = torch.tensor((starts + 400 <= quiet) | (starts >= quiet + len(samples)))
for_word = answers[silent] == config.label2id[WORD]
print(f"{silent.sum()} of {len(answers)} frames hear nothing but zeros")
print(f"{for_word.sum()} of them vote for {WORD}")

assert for_word.float().mean() > 0.5  # claim: w2v-cls-silent-frames

# %% order
generator = torch.Generator().manual_seed(0)
shuffled = states[:, torch.randperm(states.shape[1], generator=generator)]
backwards = prepared(samples[::-1].copy())
rows = {
    "the states from last to first": classifier(projector(states.flip(1)).mean(dim=1)),
    "the states in random order": classifier(projector(shuffled).mean(dim=1)),
    "the sound played backwards": model(**backwards).logits,
}
moved = [(row - library).abs().max() for row in rows.values()]
for name, change in zip(rows, moved):
    print(f"{name}: logits move by {change:.4f}")

assert moved[0] < 1e-4 and moved[1] < 1e-4  # claim: w2v-cls-no-order
assert moved[2] > 100 * max(moved[:2])  # claim: w2v-cls-order-inside

# %% backwards tags=["trained", "compact"]
chances = model(**backwards).logits.softmax(dim=-1)[0]
display(Audio(samples[::-1], rate=RATE))
for chance, number in zip(*chances.topk(3)):
    print(f"{chance:4.0%}  {config.id2label[number.item()]}")

assert config.id2label[chances.argmax().item()] != WORD  # claim: w2v-cls-backwards

# %% batch
short, long = samples[: len(samples) // 2], samples
settings = {"padding": True, "return_attention_mask": True, "return_tensors": "pt"}
batch = extractor([short, long], sampling_rate=RATE, **settings)
values, mask = batch["input_values"], batch["attention_mask"]
print("one batch:", tuple(values.shape), "with", mask.sum(dim=1).tolist(), "real samples")

alone = model(**prepared(short)).logits
without_mask = model(values).logits[:1]
with_mask = model(values, attention_mask=mask).logits[:1]
print(f"without the mask the logits move by {(without_mask - alone).abs().max():.4f}")
print(f"with the mask they move by          {(with_mask - alone).abs().max():.4f}")

assert not torch.allclose(without_mask, alone, atol=1e-3)  # claim: w2v-cls-padding
assert not torch.allclose(with_mask, alone, atol=1e-3)  # claim: w2v-cls-mask-not-enough

# %% masked-mean
real = (len(short) - 400) // 320 + 1  # frames that hold sound
padded_states = states_of(input_values=values, attention_mask=mask)[0]
mean_of_real = classifier(projector(padded_states[:real]).mean(dim=0))
mean_of_all = classifier(projector(padded_states).mean(dim=0))
print(f"{real} of {len(padded_states)} frames are real")
print(f"mean over the real ones: off by {(mean_of_real - with_mask[0]).abs().max():.4f}")
print(f"mean over all:           off by {(mean_of_all - with_mask[0]).abs().max():.4f}")

assert torch.allclose(mean_of_real, with_mask[0], atol=1e-4)  # claim: w2v-cls-masked-mean
assert not torch.allclose(mean_of_all, with_mask[0], atol=1e-3)  # claim: w2v-cls-real-only

# %% first-layer
first = model.wav2vec2.feature_extractor.conv_layers[0]
ends = len(short) // 5 - 2  # it moves on by 5 samples; up to here it sees no zeros
by_itself = first.conv(values[:1, None, : len(short)])[..., :ends]
in_batch = first.conv(values[:1, None])[..., :ends]
same = (by_itself - in_batch).abs().max()
normed = first.layer_norm(first.conv(values[:1, None, : len(short)]))[..., :ends]
normed_in_batch = first.layer_norm(first.conv(values[:1, None]))[..., :ends]
print(first.layer_norm)
print(f"before the normalisation: a difference of {same:.4f}")
print(f"after it:                 {(normed - normed_in_batch).abs().max():.4f}")

assert same < 1e-5  # claim: w2v-cls-conv-same
assert not torch.allclose(normed, normed_in_batch, atol=1e-2)  # claim: w2v-cls-group-norm

# %% two-norms
small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
small |= {"intermediate_size": 64, "conv_dim": (16,) * 7, "num_conv_pos_embedding_groups": 4}


def random_model(**settings):
    """A small model with random weights, the same ones each time."""
    torch.manual_seed(0)
    return Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**small, **settings)).eval()


off = {}
for norm in "group", "layer":
    network = random_model(feat_extract_norm=norm)
    together = network(values, attention_mask=mask).logits[0]
    apart = network(values[:1, : len(short)]).logits[0]
    off[norm] = (together - apart).abs().max().item() / apart.std().item()
    print(f"{norm} norm, with the mask: logits move by {off[norm]:.4f} of their spread")

assert off["group"] > 100 * off["layer"]  # claim: w2v-cls-layer-norm

# %% loss
probabilities = library.softmax(dim=-1)[0]
losses, by_hand = [], []
for number in [0, 1, *library[0].topk(2).indices.tolist()]:
    losses.append(model(**inputs, labels=torch.tensor([number])).loss)
    by_hand.append(-probabilities[number].log())
    name = config.id2label[number]
    print(f"{name:9} probability {probabilities[number]:.5f}, loss {losses[-1]:.3f}")

losses, by_hand = torch.stack(losses), torch.stack(by_hand)
assert torch.allclose(losses, by_hand, atol=1e-3)  # claim: w2v-cls-loss

# %% one-loss
network = random_model(num_labels=3)
label = torch.tensor([2])
losses = {}
for kind in "single_label_classification", "multi_label_classification", "regression":
    network.config.problem_type = kind
    losses[kind] = network(values[:1], labels=label).loss.item()
    print(f"{kind:28} loss {losses[kind]:.4f}")

assert len(set(losses.values())) == 1  # claim: w2v-cls-one-loss

# %% weighted
mixing = random_model(use_weighted_layer_sum=True)
nn.init.normal_(mixing.layer_weights)  # they begin equal; here, as if training had moved them
hidden = mixing.wav2vec2(values[1:], output_hidden_states=True).hidden_states
shares = mixing.layer_weights.softmax(dim=0)  # one number for each layer
mixed = sum(share * layer for share, layer in zip(shares, hidden))
by_hand = mixing.classifier(mixing.projector(mixed).mean(dim=1))
print(f"{len(hidden)} layers of states {tuple(hidden[0].shape)}")
print("shares:", [f"{share:.2f}" for share in shares.tolist()])

assert torch.allclose(by_hand, mixing(values[1:]).logits, atol=1e-5)  # claim: w2v-cls-weighted

# %% parameters
counts = {"feature encoder": 0, "context network": 0, "head": 0}
for name, parameter in model.named_parameters():
    kind = "context network"
    if "feature_extractor" in name:
        kind = "feature encoder"
    elif not name.startswith("wav2vec2"):
        kind = "head"
    counts[kind] += parameter.numel()
total = sum(counts.values())
for kind, count in counts.items():
    print(f"{kind:15} {count:11,} {count / total:7.2%}")

assert counts["head"] / total < 0.02  # claim: w2v-cls-small-head

# %% predictions tags=["trained"]
top = library.softmax(dim=-1)[0].topk(5)
for probability, number in zip(top.values, top.indices.tolist()):
    print(f"{probability:6.1%}  {config.id2label[number]}")

# %% pipeline
classify = pipeline("audio-classification", model=model, feature_extractor=extractor)
answers = classify(samples, top_k=3)
probabilities = library.softmax(dim=-1)[0]
for answer in answers:
    print(f"{answer['score']:.4f}  {answer['label']}")
print(len(classify(samples)), "answers where top_k is not given")

assert abs(answers[0]["score"] - probabilities.max().item()) < 1e-4  # claim: w2v-cls-pipeline
assert len(classify(samples)) == config.num_labels  # claim: w2v-cls-top-k


# %% card tags=["compact"]
head = Path(CHECKPOINT, "README.md").read_text(encoding="utf-8").split("---\n")[1]
card = yaml.safe_load(head)
measured = {metric["split"]: metric for metric in card["metrics"]}
for split, metric in measured.items():
    print(f"{split:5} {metric['value']:.3f} on {metric['n']} words")
print(f"guessing: {1 / config.num_labels:.3f}")

assert measured["test"]["value"] > measured["human"]["value"]  # claim: w2v-cls-gap


# %% held-out tags=["trained", "compact"]
def read(file):
    """A recording of the held-out collection."""
    return soundfile.read(RECORDINGS / file, dtype="float32")[0]


index = json.loads((RECORDINGS / "held-out.json").read_text(encoding="utf-8"))
clips = {entry["file"]: entry for entry in index if " " not in entry["text"]}  # single words
logits, layers = [], []
for file in clips:
    outputs = model(**prepared(read(file)), output_hidden_states=True)
    logits.append(outputs.logits[0])
    layers.append(torch.stack([layer[0].mean(dim=0) for layer in outputs.hidden_states]))

chances = torch.stack(logits).softmax(dim=-1)
guesses = [config.id2label[number] for number in chances.argmax(dim=-1).tolist()]
truth = [clip["text"] for clip in clips.values()]
voices = [clip["voice"] for clip in clips.values()]
right = np.array([guess == word for guess, word in zip(guesses, truth)])
speakers = {clip["voice"]: clip["speaker"] for clip in clips.values()}
accuracy = {}
for voice, name in speakers.items():
    mine = right[np.array(voices) == voice]
    accuracy[voice] = mine.mean()
    print(f"{name + ':':18} {mine.sum()} of {len(mine)} right, accuracy {mine.mean():.3f}")

assert min(accuracy.values()) > 0.7  # claim: w2v-cls-works

# %% order-counts tags=["trained", "compact"]
people = [file for file, clip in clips.items() if clip["voice"] != "slt"]
played_backwards = 0
for file in people:
    answer = model(**prepared(read(file)[::-1].copy())).logits.argmax().item()
    played_backwards += config.id2label[answer] == clips[file]["text"]
forwards = sum(right[i] for i, voice in enumerate(voices) if voice != "slt")
print(f"people, forwards:  {forwards} of {len(people)} right")
print(f"people, backwards: {played_backwards} of {len(people)} right")

assert played_backwards < forwards / 5  # claim: w2v-cls-order-counts

# %% confusion tags=["trained", "compact"]
words = list(config.id2label.values())
people_only = [i for i, voice in enumerate(voices) if voice != "slt"]
pairs = Counter((truth[i], guesses[i]) for i in people_only)

plt.figure(figsize=(6.4, 6.4))
for (word, guess), count in pairs.items():
    colour = "C4" if word == guess else "C2"
    plt.plot(words.index(guess), words.index(word), "s", color=colour, markersize=4 * count)
plt.xticks(range(len(words)), words, rotation=90, fontsize=8)
plt.yticks(range(len(words)), words, fontsize=8)
plt.gca().invert_yaxis()
plt.xlabel("answer")
plt.ylabel("said by Allison Smith or June Wallack")
plt.show()

for voice, name in speakers.items():
    wrong = [i for i in np.flatnonzero(~right) if voices[i] == voice]
    mistakes = [f"{truth[i]} as {guesses[i]}" for i in wrong]
    print(textwrap.fill(f"{name}: {', '.join(mistakes)}", 80))

# %% sure tags=["trained", "compact"]
top = chances.max(dim=-1).values.numpy()
shares = []
for low, high in (0.8, 1.0), (0.5, 0.8), (0.0, 0.5):
    group = (top > low) & (top <= high)
    shares.append(right[group].mean())
    print(f"{low:.1f} to {high:.1f}: {group.sum():2} answers, {shares[-1]:.0%} of them right")

assert shares[0] > shares[-1] + 0.2  # claim: w2v-cls-sure

# %% mistake tags=["trained", "compact"]
mike = read("allison/mike.flac")
end = int(0.47 * RATE)  # behind the vowel; what follows is a pause and the k
nine = {}
for name, wave in {"whole": mike, "without the k": mike[:end]}.items():
    chance = model(**prepared(wave)).logits.softmax(dim=-1)[0]
    shares = [f"{word} {chance[config.label2id[word]]:.2f}" for word in ("mike", "nine")]
    print(f"{name:14}", ", ".join(shares))
    nine[name] = chance[config.label2id["nine"]].item()

rows = classifier(projector(states_of(**prepared(mike))))[0]
times = (np.arange(len(rows)) * 320 + 200) / RATE
figure, axes = plt.subplots(2, 1, figsize=(6.4, 3.6), sharex=True, height_ratios=[1, 2])
axes[0].plot(np.arange(len(mike)) / RATE, mike, linewidth=0.6, color="C5")
axes[0].set_yticks([])
for word, colour in ("nine", "C2"), ("mike", "C0"):
    evidence = rows[:, config.label2id[word]] - rows.mean(dim=1)
    axes[1].plot(times, evidence, label=word, color=colour)
axes[1].axhline(0, color="C5", linewidth=0.7)
axes[1].set_xlabel("seconds")
axes[1].set_ylabel("evidence")
axes[1].legend()
plt.show()

assert nine["without the k"] > nine["whole"] + 0.2  # claim: w2v-cls-k
assert guesses[truth.index("mike")] == "nine"  # claim: w2v-cls-outvoted

# %% silence tags=["trained", "compact"]
around, after = (RATE // 5, RATE // 5), (0, RATE * 3 // 10)  # samples
ways = {"0.2 s around it": around, "0.3 s after it": after, "0.3 s, with mask": after}
hits = {way: [] for way in ways}
for file, clip in clips.items():
    wave = read(file)
    for way, zeros in ways.items():
        values = prepared(np.pad(wave, zeros))["input_values"]
        mask = torch.tensor([[1] * len(wave) + [0] * zeros[1]]) if "mask" in way else None
        answer = model(values, attention_mask=mask).logits.argmax().item()
        hits[way].append(config.id2label[answer] == clip["text"])

for way, found in {"as it is": right, **hits}.items():
    counts = dict.fromkeys(speakers.values(), 0)
    for hit, voice in zip(found, voices):
        counts[speakers[voice]] += int(hit)
    print(f"{way + ':':17}", ", ".join(f"{name} {count}" for name, count in counts.items()))

changes = [abs(sum(found) - right.sum()) for found in hits.values()]
assert max(changes) <= 5  # claim: w2v-cls-silence

# %% two-words tags=["trained", "compact"]
strings = {entry["file"]: entry["text"] for entry in index if entry["text"].count(" ") == 1}
heard = 0
for file, text in strings.items():
    chance = model(**prepared(read(file))).logits.softmax(dim=-1)[0]
    answer = config.id2label[chance.argmax().item()]
    heard += answer in text.split()
    print(f"{text:14} {answer:9} {chance.max():.0%}")
print(f"one of the two words: {heard} of {len(strings)}")

assert len(strings) / 2 < heard < len(strings)  # claim: w2v-cls-two-words

# %% anything tags=["trained", "compact"]
seconds = np.arange(RATE) / RATE
chord = sum(np.sin(2 * np.pi * pitch * seconds) for pitch in (262, 330, 392))  # C, E, G
zeros = np.zeros(RATE, np.float32)
sounds = {"noise": noise, "a chord": chord.astype(np.float32), "zeros": zeros}
sure = []
for name, wave in sounds.items():
    chance = model(**prepared(wave)).logits.softmax(dim=-1)[0]
    sure.append(chance.max().item())
    print(f"{name:8} {config.id2label[chance.argmax().item()]:9} {sure[-1]:.0%}")

assert min(sure) > 5 / config.num_labels  # claim: w2v-cls-no-none

# %% layers tags=["trained", "compact"]
BEFORE = "checkpoints/wav2vec2-pretrained"
pretrained = AutoModelForPreTraining.from_pretrained(BEFORE).wav2vec2.requires_grad_(False)
before = []
for file in clips:
    network = pretrained(**prepared(read(file)), output_hidden_states=True)
    before.append(torch.stack([layer[0].mean(dim=0) for layer in network.hidden_states]))


def agreement(means, labels):
    """How often the clip that is most like a clip has the same label, for each layer."""
    shares = []
    for layer in means.unbind(dim=1):  # [clips, width]
        layer = nn.functional.normalize(layer - layer.mean(dim=0), dim=-1)
        likeness = (layer @ layer.T).fill_diagonal_(-1)  # not with itself
        nearest = likeness.argmax(dim=1).tolist()
        shares.append(np.mean([labels[i] == labels[j] for i, j in enumerate(nearest)]))
    return shares


shares = {}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
for axis, (network, means) in zip(axes, {"pretrained": before, "fine-tuned": layers}.items()):
    for name, labels, colour in ("same word", truth, "C0"), ("same voice", voices, "C2"):
        shares[network, name] = agreement(torch.stack(means), labels)
        axis.plot(shares[network, name], "o-", label=name, color=colour)
        print(f"{network}, {name}:", *(f"{share:.2f}" for share in shares[network, name]))
    axis.set_title(network)
    axis.set_xlabel("layer")
axes[0].set_ylabel("share of nearest clips")
axes[1].legend()
plt.show()

voice, word = shares["pretrained", "same voice"], shares["pretrained", "same word"]
tuned = shares["fine-tuned", "same word"]
assert min(voice) > 3 * max(word)  # claim: w2v-cls-voice-first
assert max(tuned) == tuned[-1] > 2 * max(word)  # claim: w2v-cls-word-last

# %% read-audio
SHORTEST, LONGEST = 0.1, 30.0  # seconds


def read_audio(path):
    """A WAV or FLAC file as the models want it: one row of samples, 16,000 a second."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check its name and folder")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty; record or copy it again")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: samples without a header
        raise ValueError(f"{path}: no sound that can be read; save it as WAV or FLAC") from None
    seconds = len(samples) / rate
    if seconds < SHORTEST:
        raise ValueError(f"{path}: {seconds:.2f} s is too short; record at least {SHORTEST} s")
    if seconds > LONGEST:
        raise ValueError(f"{path}: {seconds:.0f} s is too long; cut it to {LONGEST:.0f} s")
    mono = samples.mean(axis=1)  # [samples, channels] to [samples]
    if not np.isfinite(mono).all():
        raise ValueError(f"{path}: some samples are no numbers; save it as 16-bit WAV or FLAC")
    if np.abs(mono).max() < 1e-4:
        raise ValueError(f"{path}: it is silent; check the microphone and record again")
    return soxr.resample(mono, rate, RATE)


# %% own-file
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    stereo = np.stack([samples, samples / 2], axis=1)  # louder on the left
    soundfile.write("studio.wav", soxr.resample(stereo, RATE, 44_100), 44_100)
    soundfile.write("telephone.flac", soxr.resample(samples, RATE, 8_000), 8_000)
    own = {name: read_audio(name) for name in ["studio.wav", "telephone.flac"]}
    rates = {name: soundfile.info(name) for name in own}

for name, wave in own.items():
    info = rates[name]
    best = model(**prepared(wave)).logits.softmax(dim=-1).max()
    print(f"{name}: {info.samplerate:,} a second, {info.channels} channel(s)")
    print(f"    becomes {len(wave):,} samples, {wave.ndim} axis; best probability {best:.3f}")

likeness = np.corrcoef(own["studio.wav"], samples)[0, 1]
assert likeness > 0.95  # claim: w2v-cls-read-audio

# %% own-errors
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    Path("empty.wav").touch()
    Path("letter.wav").write_text("Dear reader, this is no sound.")
    Path("samples.raw").write_bytes(bytes(1000))
    soundfile.write("silent.flac", np.zeros(RATE), RATE)
    soundfile.write("click.wav", np.ones(800), RATE)
    soundfile.write("opera.flac", np.resize(noise, 31 * 8_000), 8_000)
    refused = []
    made = sorted(path.name for path in Path().iterdir())
    for name in ["missing.wav", *made]:
        try:
            read_audio(name)
        except (FileNotFoundError, ValueError) as error:
            refused.append(name)
            print(error)

assert refused == ["missing.wav", *made]  # claim: w2v-cls-refused
