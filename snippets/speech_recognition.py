# %% [markdown]
# # Automatic speech recognition
#
# One recording, followed from its samples to a line of text.
# Run it from the project's root: `python snippets/speech_recognition.py`.

# %% setup
import contextlib
import json
import tempfile
from itertools import groupby, product
from pathlib import Path

import jiwer
import matplotlib.pyplot as plt
import numpy as np
import soundfile
import soxr
import torch
import yaml
from IPython.display import Audio, display
from pyctcdecode import Alphabet, BeamSearchDecoderCTC, build_ctcdecoder
from pyctcdecode.language_model import AbstractLanguageModel
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCTC, AutoProcessor, pipeline

# full size: import ctypes
# full size: import espeakng_loader

CHECKPOINT = "checkpoints/wav2vec2-asr"  # full size: "facebook/wav2vec2-base-960h"
RATE = 16_000  # samples a second: the models know no other

processor = AutoProcessor.from_pretrained(CHECKPOINT)
model = AutoModelForCTC.from_pretrained(CHECKPOINT, dtype=torch.float32)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(processor).__name__)
print(type(model).__name__, f"with {model.num_parameters():,} parameters")

# %% recording
TEXT = "three oscar india zulu"  # full size: "LETTERS FOLLOW EACH OTHER IN A WORD"
FILE = "docs/assets/espeak/54-three-oscar-india-zulu.flac"  # full size: "said.wav"
# full size: loader, said = espeakng_loader, []
# full size: espeak = ctypes.CDLL(loader.get_library_path())  # a synthesizer
# full size: rate = espeak.espeak_Initialize(2, 0, loader.get_data_path().encode(), 0)
# full size: number, sound = ctypes.c_int, ctypes.POINTER(ctypes.c_short)
# full size: kind = ctypes.CFUNCTYPE(number, sound, number, ctypes.c_void_p)
# full size: callback = kind(lambda wave, count, _: said.extend(wave[:count] if wave else []) or 0)
# full size: espeak.espeak_SetSynthCallback(callback)
# full size: espeak.espeak_SetVoiceByName(b"en-us")
# full size: espeak.espeak_Synth(TEXT.lower().encode(), 0, 0, 1, 0, 1, None, None)
# full size: soundfile.write(FILE, np.array(said) / 32768, rate)

samples, rate = soundfile.read(FILE, dtype="float32")
samples = soxr.resample(samples, rate, RATE)
print(f"{len(samples):,} samples, {len(samples) / RATE:.2f} s")
display(Audio(samples, rate=RATE))

# %% three-lines tags=["trained"]
TOLERANCE = 0.0  # full size: 0.5

inputs = processor(audio=samples, sampling_rate=RATE, return_tensors="pt")  # prepare
logits = model(**inputs).logits[0]  # run
heard = processor.decode(logits.argmax(dim=-1))  # interpret

print("said: ", TEXT)
print("heard:", heard)

assert jiwer.cer(TEXT, heard) <= TOLERANCE  # claim: asr-first-transcript

# %% frames
inputs = processor(audio=samples, sampling_rate=RATE, return_tensors="pt")
logits = model(**inputs).logits[0]  # [frames, characters]

step = int(np.prod(config.conv_stride))
print(f"{len(samples):,} samples, {len(logits)} frames, {len(TEXT)} characters")
print(f"a frame every {step} samples: {1000 * step / RATE:.0f} ms")

assert step / RATE == 0.02  # claim: asr-20ms
assert len(logits) > 2 * len(TEXT)  # claim: asr-more-frames

# %% head
states = model.wav2vec2(**inputs).last_hidden_state[0]  # [frames, width]
head = model.lm_head
by_hand = states @ head.weight.T + head.bias  # [frames, characters]

characters = processor.tokenizer.convert_ids_to_tokens(range(config.vocab_size))
BLANK = config.pad_token_id
print(head)
print(f"{tuple(states.shape)} becomes {tuple(by_hand.shape)}")
print(" ".join(characters))
print(f"the blank is number {BLANK}: {characters[BLANK]}")

one_each = type(head) is nn.Linear and logits.shape == (len(states), len(characters))
assert one_each and characters[BLANK] == "<pad>"  # claim: w2v-ctc-head
assert torch.allclose(by_hand, logits, atol=1e-4)  # claim: asr-head-by-hand

# %% probabilities tags=["trained"]
shares = logits.softmax(dim=-1)  # of each frame
heights, places = shares.max(dim=0)  # of each character
written = [i for i in places.argsort().tolist() if i != BLANK and heights[i] > 0.3]
rows = [BLANK, *written]
names = ["blank" if i == BLANK else characters[i] for i in rows]
seconds = len(logits) * 0.02
box = (0, seconds, len(rows) - 0.5, -0.5)

figure, axes = plt.subplots(2, 1, figsize=(6, 4.4), sharex=True, height_ratios=[1, 3.4])
above, below = axes
above.plot(np.arange(len(samples)) / RATE, samples, linewidth=0.5)
above.axis("off")
below.imshow(shares[:, rows].T.numpy(), aspect="auto", extent=box, vmin=0, vmax=1)
below.set_yticks(range(len(rows)), names)
below.set_xlabel("seconds")
plt.show()

blanks = (logits.argmax(dim=-1) == BLANK).float().mean()
print(f"the blank is the likeliest character in {blanks:.0%} of the frames")

# %% best-path tags=["trained"]
best = logits.argmax(dim=-1).tolist()  # one number a frame
line = "".join("·" if i == BLANK else characters[i] for i in best)
for start in range(0, len(line), 50):
    print(f"second {start // 50}: {line[start : start + 50]}")


# %% collapse
def collapse(path):
    """A list of characters, one for each frame, as text."""
    merged = [one for one, _ in groupby(path)]  # 1. of a run, one remains
    kept = [one for one in merged if one != characters[BLANK]]  # 2. blanks go
    return "".join(kept).replace("|", " ").strip()  # 3. the delimiter is a space


path = [characters[i] for i in logits.argmax(dim=-1)]
print(f"{len(path)} characters in, {len(collapse(path))} out")

same = [collapse(path) == processor.decode(logits.argmax(dim=-1))]
torch.manual_seed(0)
for _ in range(1000):  # any path will do: the rule knows nothing of speech
    numbers = torch.randint(8, [20])
    same.append(collapse([characters[i] for i in numbers]) == processor.decode(numbers))
print(f"{sum(same)} of {len(same)} paths: by hand as by the tokenizer")

assert all(same)  # claim: w2v-ctc-decode

# %% order
WORD = "three"  # full size: "LETTERS"

blank, path = characters[BLANK], []
for character in WORD:
    if path and path[-1] == character:
        path.append(blank)  # between a character and its double
    path += [character, character]  # each lasts for two frames

merged = collapse(path)
kept = [one for one in path if one != blank]
dropped = "".join(one for one, _ in groupby(kept))
numbers = processor.tokenizer.convert_tokens_to_ids(path)
skipped = processor.decode(numbers, skip_special_tokens=True)
print("the path:                ", "".join(path).replace(blank, "·"))
print("merge, then drop:        ", merged)
print("drop, then merge:        ", dropped)
print("decode:                  ", processor.decode(numbers))
print("skip_special_tokens=True:", skipped)

assert merged == processor.decode(numbers) == WORD != dropped  # claim: asr-merge-first
assert skipped == dropped  # claim: asr-skip-trap

# %% paths
torch.manual_seed(0)
tiny = torch.randn(4, 3)  # logits of four frames and three characters
chances = tiny.softmax(dim=-1)


def collapsed(path):
    return "".join(character for character, _ in groupby(path)).replace("·", "")


totals, found = {}, {}
for numbers in product(range(3), repeat=4):  # all 81 paths
    path = "".join("·to"[i] for i in numbers)
    chance = np.prod([chances[frame, i].item() for frame, i in enumerate(numbers)])
    totals[collapsed(path)] = totals.get(collapsed(path), 0) + chance
    found.setdefault(collapsed(path), []).append((path, numbers, chance))

print("the paths for 'to':", *[path for path, *_ in found["to"]])
for text in "to", "o", "tot", "too", "":
    print(f"{text!r:5} {len(found[text]):2} paths, together {totals[text]:.4f}")
print(f"{len(totals)} texts in all, together {sum(totals.values()):.4f}")

target = torch.tensor([1, 2])  # "to"
loss = functional.ctc_loss(tiny.log_softmax(-1), target, [4], [2], blank=0, reduction="sum")
print(f"minus the logarithm of {totals['to']:.4f}: {-np.log(totals['to']):.4f}")
print(f"torch's CTC loss:               {loss:.4f}")

assert np.isclose(-np.log(totals["to"]), loss.item(), atol=1e-4)  # claim: asr-sum-of-paths
assert np.isclose(sum(totals.values()), 1)  # claim: asr-all-texts
assert all("o·o" in path for path, *_ in found["too"])  # claim: asr-double-needs-blank


# %% forward
def stops_of(target):
    """The characters of a text, with a blank before, between and behind them."""
    stops = [BLANK]
    for character in target.tolist():
        stops += [character, BLANK]
    return stops


def forward(frames, stops):
    """Minus the logarithm of the probability of all paths together; frames: [frames, stops]."""
    may_skip = [i > 1 and stops[i] not in (BLANK, stops[i - 2]) for i in range(len(stops))]
    never = ~torch.tensor(may_skip)
    zero = -1e30  # nearly the logarithm of zero
    reached = torch.full([len(stops)], zero)
    reached[:2] = frames[0, :2]
    for frame in frames[1:]:
        step = functional.pad(reached[:-1], (1, 0), value=zero)  # from the stop before
        skip = functional.pad(reached[:-2], (2, 0), value=zero).masked_fill(never, zero)
        reached = torch.stack([reached, step, skip]).logsumexp(dim=0) + frame
    return -reached[-2:].logsumexp(dim=0)


target = processor(text=TEXT, return_tensors="pt")["input_ids"][0]
stops = stops_of(target)
log_chances = logits.log_softmax(dim=-1)
sizes = [len(log_chances)], [len(target)]
loss = functional.ctc_loss(log_chances, target, *sizes, blank=BLANK, reduction="sum")
by_hand = forward(log_chances[:, stops], stops)
weightless = forward(torch.zeros(len(logits), len(stops)), stops)  # each path weighs 1
print(f"{len(logits)} frames, {len(target)} characters")
print(f"about 10^{-weightless / np.log(10):.0f} paths")
print(f"loss by hand {by_hand:.3f}, by torch {loss:.3f}")

assert torch.allclose(by_hand, loss, rtol=1e-3)  # claim: asr-forward

# %% loss
labels = target[None]  # a batch of one
library = model(**inputs, labels=labels).loss
divided = loss / len(target) if config.ctc_loss_reduction == "mean" else loss
print(f"the library, with the setting {config.ctc_loss_reduction!r}: {library:.4f}")
print(f"torch: {divided:.4f}")

filled = [functional.pad(labels, (0, 5), value=value) for value in (-100, BLANK)]
losses = torch.stack([model(**inputs, labels=longer).loss for longer in filled])
print(f"labels made longer with -100: {losses[0]:.4f}, with blanks: {losses[1]:.4f}")

assert torch.allclose(library, divided, rtol=1e-3)  # claim: w2v-ctc-loss
assert torch.allclose(losses, library, rtol=1e-3)  # claim: asr-loss-padding

# %% too-short
two_frames = torch.zeros(2, 3).log_softmax(dim=-1)  # all paths are equally likely
double, other = torch.tensor([2, 2]), torch.tensor([1, 2])  # "oo" and "to"
losses = [functional.ctc_loss(two_frames, text, [2], [2]) for text in (double, other)]
print(f"two frames: loss {losses[0]:.2f} for 'oo', {losses[1]:.2f} for 'to'")

forgiving = functional.ctc_loss(two_frames, double, [2], [2], zero_infinity=True)
print(f"with zero_infinity: {forgiving:.2f} for 'oo'")

assert losses[0].isinf() and losses[1].isfinite()  # claim: asr-too-short
assert forgiving == 0  # claim: asr-zero-infinity

# %% gradient
wanted = torch.zeros(4, 3)  # of the paths for "to": which share is it in which frame?
for path, numbers, chance in found["to"]:
    for frame, character in enumerate(numbers):
        wanted[frame, character] += chance / totals["to"]

free, to = tiny.clone().requires_grad_(), torch.tensor([1, 2])
functional.ctc_loss(free.log_softmax(-1), to, [4], [2], blank=0, reduction="sum").backward()

heads = [f"{head:17}" for head in ("probability", "share of paths", "gradient")]
print("         " + "   ".join(heads))
print("         " + "   ".join(["    ·     t     o"] * 3))
for frame, numbers in enumerate(zip(chances, wanted, free.grad)):
    blocks = [" ".join(f"{value:5.2f}" for value in row) for row in numbers]
    print(f"frame {frame}: " + "   ".join(blocks))

assert torch.allclose(free.grad, chances - wanted, atol=1e-5)  # claim: asr-gradient

# %% alignment tags=["trained"]
middles = [TEXT.index(word) + (len(word) - 1) / 2 for word in TEXT.split()]
box = (0, len(logits) * 0.02, len(target) - 0.5, -0.5)
figure, axes = plt.subplots(2, 1, figsize=(6, 5.4), sharex=True)
peaks = []
for axis, scores in zip(axes, (torch.zeros_like(logits), logits)):
    free = scores.log_softmax(dim=-1)[:, stops].requires_grad_()
    forward(free, stops).backward()
    when = -free.grad[:, 1::2]  # [frames, letters]: the share of the sum that passes here
    peaks.append(when.max(dim=0).values.mean().item())
    axis.imshow(when.T.numpy(), aspect="auto", extent=box, vmin=0)
    axis.set_yticks(middles, TEXT.split())
axes[0].set_title("all characters equally likely")
axes[1].set_title("the trained model")
axes[1].set_xlabel("seconds")
plt.show()
print(f"a letter's largest share, on average: {peaks[0]:.2f} above, {peaks[1]:.2f} below")

assert (when.argmax(dim=0).diff() > 0).all()  # claim: asr-in-order
assert peaks[1] > 2 * peaks[0]  # claim: asr-peaks

# %% word-times tags=["trained"]
decoded = processor.decode(logits.argmax(dim=-1), output_word_offsets=True)

plt.figure(figsize=(6, 1.8))
plt.plot(np.arange(len(samples)) / RATE, samples, linewidth=0.5)
for word in decoded.word_offsets:
    start, end = word["start_offset"] * 0.02, word["end_offset"] * 0.02
    plt.axvspan(start, end, color="C3", alpha=0.25)
    plt.text((start + end) / 2, 1.05, word["word"], ha="center")
    print(f"{start:.2f} to {end:.2f} s: {word['word']}")
plt.gca().spines["left"].set_visible(False)
plt.yticks([])
plt.xlabel("seconds")
plt.show()

words = [word["word"] for word in decoded.word_offsets]
assert words == decoded.text.split()  # claim: asr-word-times

# %% fresh-head tags=["trained", "compact"]
START = "checkpoints/wav2vec2-pretrained"
settings = {"vocab_size": config.vocab_size, "pad_token_id": BLANK}

transcripts = []
for seed in range(5):
    torch.manual_seed(seed)  # of the head
    begun, report = AutoModelForCTC.from_pretrained(START, output_loading_info=True, **settings)
    begun.requires_grad_(False)
    transcripts.append(processor.decode(begun(**inputs).logits[0].argmax(dim=-1)))
    print(f"fresh head {seed}:", transcripts[-1])
print("fine-tuned:  ", heard)
missing = sorted(report["missing_keys"])
print("not in the file:", *missing)

errors = [jiwer.wer(TEXT, transcript) for transcript in transcripts]
assert min(errors) >= 1 > jiwer.wer(TEXT, heard)  # claim: w2v-needs-fine-tuning
assert missing == ["lm_head.bias", "lm_head.weight"]  # claim: asr-head-is-new


# %% edit-distance
def distances(said, heard):
    """A table: the fewest changes from the first i items that were said to the first j."""
    table = np.zeros((len(said) + 1, len(heard) + 1), dtype=int)
    table[:, 0], table[0] = range(len(said) + 1), range(len(heard) + 1)
    for i, j in product(range(1, len(said) + 1), range(1, len(heard) + 1)):
        match = table[i - 1, j - 1] + (said[i - 1] != heard[j - 1])
        table[i, j] = min(match, table[i - 1, j] + 1, table[i, j - 1] + 1)
    return table


truth, guess = "three alpha two zulu one five", "three alfa two uniform zulu one"
table = distances(truth.split(), guess.split())
word_rate = table[-1, -1] / len(truth.split())
character_rate = distances(truth, guess)[-1, -1] / len(truth)
print(f"word error rate:      {word_rate:.3f}, jiwer {jiwer.wer(truth, guess):.3f}")
print(f"character error rate: {character_rate:.3f}, jiwer {jiwer.cer(truth, guess):.3f}")

invented = jiwer.wer("one two", "one or two or more words")
print(f"words out of nothing: {invented:.3f}")

assert np.isclose(word_rate, jiwer.wer(truth, guess))  # claim: asr-word-errors
assert np.isclose(character_rate, jiwer.cer(truth, guess))  # claim: asr-character-errors
assert invented > 1  # claim: asr-above-one

# %% edit-path
said, listed = truth.split(), guess.split()
i, j, steps = len(said), len(listed), []
while i or j:  # back from the end: which neighbour did the number come from?
    steps.append([i, j, "right"])
    if i and j and table[i, j] == table[i - 1, j - 1] + (said[i - 1] != listed[j - 1]):
        i, j = i - 1, j - 1
        steps[-1][2] = "right" if said[i] == listed[j] else "substituted"
    elif i and table[i, j] == table[i - 1, j] + 1:
        i, steps[-1][2] = i - 1, "left out"
    else:
        j, steps[-1][2] = j - 1, "put in"
steps.reverse()

plt.figure(figsize=(4.6, 3.6))
plt.axis([-0.5, len(listed) + 0.5, len(said) + 0.5, -0.5])
for (row, column), value in np.ndenumerate(table):
    plt.text(column, row, value, ha="center", va="center")
down, right, _ = zip((0, 0, ""), *steps)
plt.plot(right, down, linewidth=12, alpha=0.25)
plt.xticks(range(len(listed) + 1), ["", *listed], rotation=30)
plt.yticks(range(len(said) + 1), ["", *said])
plt.xlabel("heard")
plt.ylabel("said")
plt.show()
print(", ".join(what for *_, what in steps))

assert sum(what != "right" for *_, what in steps) == table[-1, -1]  # claim: asr-edit-path

# %% held-out tags=["trained", "compact"]
recordings = []
sources = {"docs/assets/espeak": "strings.json", "docs/assets/speech": "held-out.json"}
for folder, index in sources.items():
    for one in json.loads(Path(folder, index).read_text(encoding="utf-8")):
        one["file"] = Path(folder, one["file"])
        one["group"] = one.get("speaker", "espeak-ng, new voices")
        recordings.append(one)

groups = {}
for one in recordings:
    if one["group"].startswith("flite"):
        one["group"] = f"flite's slt, {'strings' if ' ' in one['text'] else 'words'}"
    sound, rate = soundfile.read(one["file"], dtype="float32")
    prepared = processor(audio=sound, sampling_rate=rate, return_tensors="pt")
    one["logits"] = model(**prepared).logits[0]
    one["greedy"] = processor.decode(one["logits"].argmax(dim=-1))
    groups.setdefault(one["group"], []).append(one)

wer, cer = {}, {}
print(f"{'error rates':22} {'words':>5} {'of words':>9} {'of characters':>14}")
for name, group in groups.items():
    truth, guesses = [[one[key] for one in group] for key in ("text", "greedy")]
    wer[name], cer[name] = jiwer.wer(truth, guesses), jiwer.cer(truth, guesses)
    print(f"{name:22} {len(' '.join(truth).split()):5} {wer[name]:9.3f} {cer[name]:14.3f}")

known, *others = wer.values()  # the synthesizer of the training, then everyone else
assert known < 0.15  # claim: w2v-asr-works
assert min(others) > 2 * known  # claim: asr-others-are-harder

# %% card tags=["compact"]
card = Path(CHECKPOINT, "README.md").read_text(encoding="utf-8").split("---\n")[1]
card = yaml.safe_load(card)
data = card["data"]
print(f"trained on {data['minutes'] / 60:.1f} hours in {data['voices']} voices")
for metric in card["metrics"]:
    print(f"{metric['value']:.3f}  {metric['name']}, {metric['n']} recordings")

# %% greedy-misses
chances = np.array([[0.6, 0.4], [0.6, 0.4]])  # two frames; the blank and one letter
totals = {}
for path in product(range(2), repeat=2):
    text = collapsed("".join("·a"[i] for i in path))
    totals[text] = totals.get(text, 0) + chances[0, path[0]] * chances[1, path[1]]
greedy = collapsed("".join("·a"[i] for i in chances.argmax(axis=1)))
beams = build_ctcdecoder(["", "a"]).decode_beams(np.log(chances))

print("all texts:  ", {text: round(total.item(), 2) for text, total in totals.items()})
print("greedy:     ", repr(greedy))
print("beam search:", {text: round(np.exp(score).item(), 2) for text, *_, score in beams})

assert greedy == "" and max(totals, key=totals.get) == "a"  # claim: asr-greedy-misses
assert np.isclose(np.exp(beams[0][-1]), totals["a"])  # claim: asr-beam-adds-up

# %% beam tags=["trained"]
decoder = build_ctcdecoder(characters)  # it takes <pad> for the blank, and | for a space
beams = decoder.decode_beams(logits.numpy(), beam_width=30)


def all_paths(log_chances, text):
    """The logarithm of the probability of a text."""
    stops = stops_of(processor(text=text, return_tensors="pt")["input_ids"][0])
    return -forward(log_chances[:, stops], stops).item()


print("search  all paths")
for text, *_, score in beams[:4]:
    print(f"{score:6.2f} {all_paths(log_chances, text):10.2f}  {text}")

best_text, *_, best_score = beams[0]
assert abs(best_score - all_paths(log_chances, best_text)) < 0.1  # claim: asr-beam-is-near

# %% beam-helps tags=["trained", "compact"]
for one in recordings:
    one["beam"] = decoder.decode(one["logits"].numpy(), beam_width=30)
better = [one for one in recordings if one["beam"] == one["text"] != one["greedy"]]
worse = [one for one in recordings if one["greedy"] == one["text"] != one["beam"]]
print(f"right by the search alone: {len(better)}, by greedy decoding alone: {len(worse)}")

for one in better[:3]:
    table = one["logits"].log_softmax(dim=-1)
    path = [characters[i] for i in table.argmax(dim=-1)]
    print("".join(path).replace(blank, "·"))
    print(f"    {table.amax(dim=-1).sum():.2f} for this path alone")
    for way in "greedy", "beam":
        print(f"    {all_paths(table, one[way]):.2f} for all paths of {one[way]!r}")

gains = [
    all_paths(one["logits"].log_softmax(dim=-1), one["beam"])
    - all_paths(one["logits"].log_softmax(dim=-1), one["greedy"])
    for one in better
]
assert gains and min(gains) > 0  # claim: asr-beam-is-likelier


# %% word-list tags=["compact"]
class WordList(AbstractLanguageModel):
    """Allows the words of a list, in any order, and nothing else."""

    order = 1  # how many words to look back: none but the newest

    def __init__(self, words):
        self.words = {"", *words}
        self.beginnings = {word[:i] for word in words for i in range(len(word) + 1)}

    def get_start_state(self):
        return None

    def score_partial_token(self, part):
        return 0.0 if part in self.beginnings else -1000.0

    def score(self, state, word, is_last_word=False):
        return (0.0 if word in self.words else -1000.0), state


WORDS = sorted({word for one in recordings for word in one["text"].split()})
strict = BeamSearchDecoderCTC(Alphabet.build_alphabet(characters), WordList(WORDS))
print(f"{len(WORDS)} words:", *WORDS[:6], "…")

# %% decoders tags=["trained", "compact"]
wide = {"beam_prune_logp": -30, "token_min_logp": -15}  # a listed word may look hopeless
for one in recordings:
    table = one["logits"].numpy()
    one["hotwords"] = decoder.decode(table, beam_width=20, hotwords=WORDS)
    one["list"] = strict.decode(table, beam_width=30, **wide)

WAYS = ["greedy", "beam", "hotwords", "list"]
print(f"{'word error rates':22}", *[f"{way:>8}" for way in WAYS])
rates = {}
for name, group in groups.items():
    truth = [one["text"] for one in group]
    rates[name] = {way: jiwer.wer(truth, [one[way] for one in group]) for way in WAYS}
    print(f"{name:22}", *[f"{rates[name][way]:8.3f}" for way in WAYS])

written = {word for one in recordings for word in one["list"].split()}
gains = [rates[name]["greedy"] - rates[name]["list"] for name in groups]
assert written <= set(WORDS)  # claim: asr-only-listed
assert min(gains) > 0.05  # claim: asr-list-helps

# %% choose tags=["trained", "compact"]
targets = [torch.tensor(processor.tokenizer(word).input_ids) for word in WORDS]
targets = nn.utils.rnn.pad_sequence(targets, batch_first=True)  # [36, longest]
lengths = torch.tensor([len(word) for word in WORDS])


def choose(logits):
    """The word of the list with the lowest loss."""
    frames = logits.log_softmax(dim=-1)[:, None].expand(-1, len(WORDS), -1)
    sizes = torch.full([len(WORDS)], len(frames))
    losses = functional.ctc_loss(frames, targets, sizes, lengths, BLANK, reduction="none")
    return WORDS[losses.argmin()]


SINGLE = ["flite's slt, words", "Allison Smith", "June Wallack"]
print("words wrong:")
wrong = {}
for name in SINGLE:
    truth = [one["text"] for one in groups[name]]
    chosen = [choose(one["logits"]) for one in groups[name]]
    wrong[name] = jiwer.wer(truth, chosen)
    print(f"{name:22} {wrong[name]:.3f}")

assert all(wrong[name] < rates[name]["list"] for name in SINGLE)  # claim: asr-choose

# %% mistakes tags=["trained", "compact"]
for name, group in groups.items():
    failed = [one for one in group if one["greedy"] != one["text"]]
    print(f"{name}: {len(failed)} of {len(group)} not as said")
    for one in failed[:4]:
        print(f"    {one['text']:24} {one['greedy']}")


# %% deeper tags=["trained", "compact"]
def deepened(sound, factor):
    """The same words in the same time, all frequencies multiplied by a factor below 1."""
    slow = soxr.resample(sound, RATE * factor, RATE)  # deeper, and too long
    slow = np.pad(slow, (0, 4000))
    size, hop = 640, 320
    short, place = np.zeros(len(sound) + size, dtype=np.float32), 0
    for start in range(0, len(sound), hop):
        wanted = int(start / factor)
        after = slow[place + hop : place + hop + size]  # what would follow the last piece
        nearby = range(wanted, wanted + 160, 4)  # pieces to go on with: which one fits best?
        place = max(nearby, key=lambda at: after @ slow[at : at + size]) if start else 0
        short[start : start + size] += np.hanning(size) * slow[place : place + size]
    return short[: len(sound)]


print(f"{'':22} as recorded      frequencies x 0.8")
print(f"{'':22} letters  words   letters  words")
left = {}
for name in SINGLE:
    truth, lines, chosen = [], [], []
    for one in groups[name]:
        sound, _ = soundfile.read(one["file"], dtype="float32")
        deep = processor(audio=deepened(sound, 0.8), sampling_rate=RATE, return_tensors="pt")
        one["deep"] = model(**deep).logits[0]
        truth.append(one["text"])
        lines.append(processor.decode(one["deep"].argmax(dim=-1)))
        chosen.append(choose(one["deep"]))
    before, after = (cer[name], wrong[name]), (jiwer.cer(truth, lines), jiwer.wer(truth, chosen))
    left[name] = [new / old for old, new in zip(before, after)]
    print(f"{name:22} {before[0]:7.3f} {before[1]:6.3f}   {after[0]:7.3f} {after[1]:6.3f}")

sound, _ = soundfile.read("docs/assets/speech/allison/zero.flac", dtype="float32")
display(Audio(sound, rate=RATE), Audio(deepened(sound, 0.8), rate=RATE))

people = left["Allison Smith"] + left["June Wallack"]
assert max(people) < 0.8  # claim: asr-deeper

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


# %% own-file tags=["trained"]
def transcribe(path):
    """What is said in a recording."""
    inputs = processor(audio=read_audio(path), sampling_rate=RATE, return_tensors="pt")
    return processor.decode(model(**inputs).logits[0].argmax(dim=-1))


with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    stereo = np.stack([samples, samples / 2], axis=1)  # louder on the left
    soundfile.write("studio.wav", soxr.resample(stereo, RATE, 44_100), 44_100)
    soundfile.write("telephone.flac", soxr.resample(samples, RATE, 8_000), 8_000)
    for name in "studio.wav", "telephone.flac":
        info = soundfile.info(name)
        print(f"{name}, {info.samplerate:,} a second, channels: {info.channels}")
        print("   ", transcribe(name))
    likeness = np.corrcoef(read_audio("studio.wav"), samples)[0, 1]

assert likeness > 0.99  # claim: asr-read-audio

# %% own-errors
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    Path("empty.wav").touch()
    Path("letter.wav").write_text("Dear reader, this is no sound.")
    soundfile.write("silent.flac", np.zeros(RATE), RATE)
    names, refused = ["missing.wav", "empty.wav", "letter.wav", "silent.flac"], []
    for name in names:
        try:
            read_audio(name)
        except (FileNotFoundError, ValueError) as error:
            refused.append(str(error).split(":")[0])
            print(error)

assert refused == names  # claim: asr-refused

# %% pipeline
recognise = pipeline("automatic-speech-recognition", model=CHECKPOINT)
answer = recognise({"raw": samples, "sampling_rate": RATE}, return_timestamps="word")
print(type(recognise).__name__)
print("returns:", ", ".join(answer))

assert answer["text"] == processor.decode(logits.argmax(dim=-1))  # claim: asr-pipeline
