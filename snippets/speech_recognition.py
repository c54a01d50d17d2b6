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

CHECKPOINT = "checkpoints/wav2vec2-asr"  # full size: "facebook/wav2vec2-base-960h"
RATE = 16_000  # samples a second: the models know no other

processor = AutoProcessor.from_pretrained(CHECKPOINT)
model = AutoModelForCTC.from_pretrained(CHECKPOINT, dtype=torch.float32)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(processor).__name__)
print(type(model).__name__, f"with {model.num_parameters():,} parameters")

# %% recording
# full size: import ctypes
# full size: import espeakng_loader
# full size: espeak = ctypes.CDLL(espeakng_loader.get_library_path())
# full size: speed = espeak.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
TEXT = "yankee eight three tango echo"  # full size: "THE LETTERS OF A WORD FOLLOW ONE ANOTHER"
FILE = "docs/assets/speech/slt/yankee-eight-three-tango-echo.flac"  # full size: "said.wav"
# full size: said = []  # a synthesizer reads the text, and calls `take` with pieces of sound
# full size: kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
# full size: take = kind(lambda wave, count, events: said.extend(wave[:count] if wave else []) or 0)
# full size: espeak.espeak_SetSynthCallback(take)
# full size: espeak.espeak_Synth(TEXT.lower().encode(), 0, 0, 1, 0, 1, None, None)
# full size: soundfile.write(FILE, np.array(said) / 32768, speed)

samples, rate = soundfile.read(FILE, dtype="float32")
samples = soxr.resample(samples, rate, RATE)  # what the model expects
print(f"{len(samples):,} samples, {len(samples) / RATE:.2f} s")
display(Audio(samples, rate=RATE))

# %% three-lines tags=["trained"]
MISTAKES = 0.0  # full size: 0.5

inputs = processor(audio=samples, sampling_rate=RATE, return_tensors="pt")  # prepare
logits = model(**inputs).logits[0]  # run
heard = processor.decode(logits.argmax(dim=-1))  # interpret

print("said: ", TEXT)
print("heard:", heard)

assert jiwer.cer(TEXT, heard) <= MISTAKES  # claim: asr-first-transcript

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
print(" ".join(characters))
print(f"{tuple(states.shape)} becomes {tuple(by_hand.shape)}; the blank is number {BLANK}, {characters[BLANK]}")

one_a_character = type(head) is nn.Linear and logits.shape[1] == len(characters)
assert one_a_character and characters[BLANK] == "<pad>"  # claim: w2v-ctc-head
assert torch.allclose(by_hand, logits, atol=1e-4)  # claim: asr-head-by-hand

# %% probabilities tags=["trained"]
shares = logits.softmax(dim=-1)  # of each frame
fired = shares.max(dim=0).values > 0.3  # characters that matter somewhere
rows = sorted(fired.nonzero()[:, 0].tolist(), key=lambda i: shares[:, i].argmax() if i != BLANK else -1)
seconds = len(logits) * 0.02

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 4.6), sharex=True, height_ratios=[1, 3.4])
above.plot(np.arange(len(samples)) / RATE, samples, linewidth=0.5)
above.axis("off")
below.imshow(shares[:, rows].T.numpy(), aspect="auto", extent=(0, seconds, len(rows) - 0.5, -0.5), vmin=0, vmax=1)
below.set_yticks(range(len(rows)), ["blank" if i == BLANK else characters[i] for i in rows])
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
    merged = [character for character, _ in groupby(path)]  # 1. of a run, one remains
    kept = [character for character in merged if character != characters[BLANK]]  # 2. blanks go
    return "".join(kept).replace("|", " ").strip()  # 3. the delimiter is a space


path = [characters[i] for i in logits.argmax(dim=-1)]
print(f"{len(path)} characters in, {len(collapse(path))} out")

same = [collapse(path) == processor.decode(logits.argmax(dim=-1))]
torch.manual_seed(0)
for _ in range(1000):  # any path will do: the rule knows nothing of speech
    numbers = torch.randint(len(characters), [20]).clamp(max=7)
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
dropped = "".join(character for character, _ in groupby(one for one in path if one != blank))
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
print(f"minus the logarithm of {totals['to']:.4f} is {-np.log(totals['to']):.4f}; torch says {loss:.4f}")

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
    """Minus the logarithm of the summed probability of all paths along the stops; frames is [frames, stops]."""
    skips = [i > 1 and stops[i] not in (BLANK, stops[i - 2]) for i in range(len(stops))]
    never = ~torch.tensor(skips)
    reached = torch.full([len(stops)], -1e30)  # nearly the logarithm of zero
    reached[:2] = frames[0, :2]
    for frame in frames[1:]:
        step = functional.pad(reached[:-1], (1, 0), value=-1e30)  # from the stop before
        skip = functional.pad(reached[:-2], (2, 0), value=-1e30).masked_fill(never, -1e30)  # over a blank
        reached = torch.stack([reached, step, skip]).logsumexp(dim=0) + frame
    return -reached[-2:].logsumexp(dim=0)


target = processor(text=TEXT, return_tensors="pt")["input_ids"][0]
stops = stops_of(target)
log_chances = logits.log_softmax(dim=-1)
sizes = [len(log_chances)], [len(target)]
loss = functional.ctc_loss(log_chances, target, *sizes, blank=BLANK, reduction="sum")
by_hand = forward(log_chances[:, stops], stops)
weightless = forward(torch.zeros(len(logits), len(stops)), stops)  # each path weighs 1: this counts them
print(f"{len(logits)} frames, {len(target)} characters: about 10^{-weightless / np.log(10):.0f} paths")
print(f"loss by hand {by_hand:.3f}, by torch {loss:.3f}")

assert torch.allclose(by_hand, loss, rtol=1e-3)  # claim: asr-forward

# %% loss
labels = target[None]  # a batch of one
library = model(**inputs, labels=labels).loss
divided = loss / len(target) if config.ctc_loss_reduction == "mean" else loss
print(f"the setting is {config.ctc_loss_reduction!r}: the library says {library:.4f}, torch {divided:.4f}")

filled = [functional.pad(labels, (0, 5), value=value) for value in (-100, BLANK)]
losses = torch.stack([model(**inputs, labels=longer).loss for longer in filled])
print(f"labels made longer with -100: {losses[0]:.4f}, with blanks: {losses[1]:.4f}")

assert torch.allclose(library, divided, rtol=1e-3)  # claim: w2v-ctc-loss
assert torch.allclose(losses, library, rtol=1e-3)  # claim: asr-loss-padding

# %% too-short
two_frames = torch.zeros(2, 3).log_softmax(dim=-1)  # all paths are equally likely
double, other = torch.tensor([2, 2]), torch.tensor([1, 2])  # "oo" and "to"
losses = [functional.ctc_loss(two_frames, text, [2], [2], blank=0) for text in (double, other)]
print(f"two frames: loss {losses[0]:.2f} for 'oo', {losses[1]:.2f} for 'to'")

forgiving = functional.ctc_loss(two_frames, double, [2], [2], blank=0, zero_infinity=True)
print(f"with zero_infinity: {forgiving:.2f} for 'oo'")

assert losses[0].isinf() and losses[1].isfinite()  # claim: asr-too-short
assert forgiving == 0  # claim: asr-zero-infinity

# %% gradient
share = torch.zeros(4, 3)  # of each frame: by how much of the sum is it which character?
for path, numbers, chance in found["to"]:
    for frame, character in enumerate(numbers):
        share[frame, character] += chance / totals["to"]

free = tiny.clone().requires_grad_()
target_to = torch.tensor([1, 2])
functional.ctc_loss(free.log_softmax(-1), target_to, [4], [2], blank=0, reduction="sum").backward()

print("share of the paths for 'to'   probability        gradient")
for wanted, has, slope in zip(share, chances, free.grad):
    print("  ".join(" ".join(f"{value:5.2f}" for value in row) for row in (wanted, has, slope)))

assert torch.allclose(free.grad, chances - share, atol=1e-5)  # claim: asr-gradient

# %% alignment tags=["trained"]
figure, axes = plt.subplots(2, 1, figsize=(7, 6.4), sharex=True)
middles = [TEXT.index(word) + (len(word) - 1) / 2 for word in TEXT.split()]  # where to write the words
peaks = []
titles = "all characters equally likely", "the trained model"
for axis, chances_of, title in zip(axes, (torch.zeros_like(logits), logits), titles):
    free = chances_of.log_softmax(dim=-1)[:, stops].requires_grad_()
    forward(free, stops).backward()
    when = -free.grad[:, 1::2]  # [frames, characters]: how much of the sum passes here
    peaks.append(when.max(dim=0).values)
    axis.imshow(when.T.numpy(), aspect="auto", extent=(0, len(logits) * 0.02, len(target) - 0.5, -0.5), vmin=0)
    axis.set_yticks(middles, TEXT.split())
    axis.set_title(title)
axes[1].set_xlabel("seconds")
plt.show()

print(f"largest share of a character in one frame, on average: {peaks[0].mean():.2f} and {peaks[1].mean():.2f}")

assert (when.argmax(dim=0).diff() > 0).all()  # claim: asr-in-order
assert peaks[1].mean() > 3 * peaks[0].mean()  # claim: asr-peaks

# %% word-times tags=["trained"]
decoded = processor.decode(logits.argmax(dim=-1), output_word_offsets=True)
time = np.arange(len(samples)) / RATE

plt.figure(figsize=(7, 1.8))
plt.plot(time, samples, linewidth=0.5)
for word in decoded.word_offsets:
    start, end = word["start_offset"] * 0.02, word["end_offset"] * 0.02
    plt.axvspan(start, end, color="C3", alpha=0.25)
    plt.text((start + end) / 2, 1.05, word["word"], ha="center")
    print(f"{start:.2f} to {end:.2f} s: {word['word']}")
plt.gca().spines["left"].set_visible(False)
plt.yticks([])
plt.xlabel("seconds")
plt.show()

assert " ".join(word["word"] for word in decoded.word_offsets) == decoded.text  # claim: asr-word-times

# %% fresh-head tags=["trained", "compact"]
START = "checkpoints/wav2vec2-pretrained"
settings = {"vocab_size": config.vocab_size, "pad_token_id": BLANK, "output_loading_info": True}

transcripts = []
for seed in range(5):
    torch.manual_seed(seed)  # of the head
    untrained, report = AutoModelForCTC.from_pretrained(START, dtype=torch.float32, **settings)
    with torch.inference_mode():
        transcripts.append(processor.decode(untrained(**inputs).logits[0].argmax(dim=-1)))
    print(f"fresh head {seed}: {transcripts[-1][:70]!r}")
print("fine-tuned: ", repr(heard))
print("not in the file:", sorted(report["missing_keys"]))

errors = [jiwer.wer(TEXT, transcript) for transcript in transcripts]
assert min(errors) >= 1 > jiwer.wer(TEXT, heard)  # claim: w2v-needs-fine-tuning
assert report["missing_keys"] == {"lm_head.weight", "lm_head.bias"}  # claim: asr-head-is-new


# %% edit-distance
def distances(truth, heard):
    """A table: the fewest changes that make the first i items of the truth into the first j that were heard."""
    table = np.zeros((len(truth) + 1, len(heard) + 1), dtype=int)
    table[:, 0], table[0] = range(len(truth) + 1), range(len(heard) + 1)
    for i, j in product(range(1, len(truth) + 1), range(1, len(heard) + 1)):
        change = truth[i - 1] != heard[j - 1]
        table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + change)
    return table


truth, guess = "three alpha two zulu one five", "three alfa two uniform zulu one"
table = distances(truth.split(), guess.split())
word_rate = table[-1, -1] / len(truth.split())
character_rate = distances(truth, guess)[-1, -1] / len(truth)
print(f"word error rate:      {word_rate:.3f}, jiwer {jiwer.wer(truth, guess):.3f}")
print(f"character error rate: {character_rate:.3f}, jiwer {jiwer.cer(truth, guess):.3f}")
print(f"nothing but noise:    {jiwer.wer('one two', 'one or two or more words'):.3f}")

assert np.isclose(word_rate, jiwer.wer(truth, guess))  # claim: asr-word-error-rate
assert np.isclose(character_rate, jiwer.cer(truth, guess))  # claim: asr-character-error-rate
assert jiwer.wer("one two", "one or two or more words") > 1  # claim: asr-above-one

# %% edit-path
i, j, steps = len(table) - 1, len(table[0]) - 1, []
while i or j:  # back from the end: which neighbour did the number come from?
    change = truth.split()[i - 1] != guess.split()[j - 1]
    if i and j and table[i, j] == table[i - 1, j - 1] + change:
        steps.append((i, j, "substituted" if change else "right"))
        i, j = i - 1, j - 1
    elif i and table[i, j] == table[i - 1, j] + 1:
        steps.append((i, j, "left out"))
        i -= 1
    else:
        steps.append((i, j, "put in"))
        j -= 1

plt.figure(figsize=(4.6, 3.6))
plt.imshow(np.zeros_like(table), cmap="Greys", alpha=0)
for (row, column), value in np.ndenumerate(table):
    plt.text(column, row, value, ha="center", va="center")
points = np.array([(0, 0), *[(j, i) for i, j, _ in reversed(steps)]])
plt.plot(*points.T, color="C0", linewidth=10, alpha=0.25)
plt.xticks(range(len(table[0])), ["", *guess.split()], rotation=30)
plt.yticks(range(len(table)), ["", *truth.split()])
plt.xlabel("heard")
plt.ylabel("said")
plt.show()
print([what for *_, what in reversed(steps)])

assert sum(what != "right" for *_, what in steps) == table[-1, -1]  # claim: asr-edit-path

# %% held-out tags=["trained", "compact"]
folder = Path("docs/assets/speech")
recordings = json.loads((folder / "held-out.json").read_text(encoding="utf-8"))
groups = {}
for one in recordings:
    sound, rate = soundfile.read(folder / one["file"], dtype="float32")
    one["inputs"] = processor(audio=sound, sampling_rate=rate, return_tensors="pt")
    one["logits"] = model(**one["inputs"]).logits[0]
    one["greedy"] = processor.decode(one["logits"].argmax(dim=-1))
    kind = "strings" if " " in one["text"] else "words"
    groups.setdefault(f"{one['speaker']}, {kind}", []).append(one)

rates = {}
print(f"{'':29} said  word errors  character errors")
for name, group in groups.items():
    truth, guesses = [[one[key] for one in group] for key in ("text", "greedy")]
    rates[name] = jiwer.wer(truth, guesses)
    print(f"{name:29} {len(' '.join(truth).split()):4} {rates[name]:12.3f} {jiwer.cer(truth, guesses):17.3f}")

people = rates["Allison Smith, words"], rates["June Wallack, words"]
assert rates["flite's voice slt, strings"] < 0.5  # claim: w2v-asr-works
assert min(people) > rates["flite's voice slt, words"]  # claim: asr-people-are-harder

# %% card tags=["compact"]
card = yaml.safe_load(Path(CHECKPOINT, "README.md").read_text(encoding="utf-8").split("---\n")[1])
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
print(f"greedy:      {greedy!r}")
print("beam search:", [(text, round(np.exp(score).item(), 2)) for text, *_, score in beams])

assert greedy == "" and beams[0][0] == max(totals, key=totals.get) == "a"  # claim: asr-greedy-misses
assert np.isclose(np.exp(beams[0][-1]), totals["a"])  # claim: asr-beam-adds-up

# %% beam tags=["trained"]
decoder = build_ctcdecoder(characters)  # it knows "<pad>" for the blank, and "|" for the space
beams = decoder.decode_beams(logits.numpy(), beam_width=50)
for text, _, _, _, score in beams[:4]:
    numbers = processor(text=text, return_tensors="pt")["input_ids"][0]
    all_paths = -forward(log_chances[:, stops_of(numbers)], stops_of(numbers))
    print(f"{score:7.3f} {all_paths:7.3f}  {text}")
best_text, best_score = beams[0][0], beams[0][-1]
numbers = processor(text=best_text, return_tensors="pt")["input_ids"][0]
all_paths = -forward(log_chances[:, stops_of(numbers)], stops_of(numbers)).item()

assert best_score <= all_paths + 1e-3  # claim: asr-beam-is-below


# %% word-list tags=["compact"]
class WordList(AbstractLanguageModel):
    """Allows the words of a list, in any order, and nothing else."""

    order = 1  # how many words count: only the last

    def __init__(self, words):
        self.words = set(words)
        self.beginnings = {word[:i] for word in words for i in range(1, len(word) + 1)}

    def get_start_state(self):
        return None

    def score_partial_token(self, part):
        return 0.0 if part in self.beginnings else -1000.0

    def score(self, state, word, is_last_word=False):
        return (0.0 if word in self.words or not word else -1000.0), None


WORDS = sorted({word for one in recordings for word in one["text"].split()})
listed = BeamSearchDecoderCTC(Alphabet.build_alphabet(characters), WordList(WORDS))
print(f"{len(WORDS)} words:", *WORDS[:6], "…")

# %% decoders tags=["trained", "compact"]
wide = {"beam_prune_logp": -30, "token_min_logp": -15}  # keep what looks hopeless: it may be the only listed word
ways = {"greedy": None, "beam": {}, "hotwords": {"hotwords": WORDS}, "list": wide}
print(f"{'word error rate':29}", *[f"{way:>9}" for way in ways])
wer = {}
for name, group in groups.items():
    for way, settings in ways.items():
        if settings is not None:
            search = listed if way == "list" else decoder
            for one in group:
                one[way] = search.decode(one["logits"].numpy(), beam_width=50, **settings)
        wer[name, way] = jiwer.wer([one["text"] for one in group], [one[way] for one in group])
    print(f"{name:29}", *[f"{wer[name, way]:9.3f}" for way in ways])

said = {word for one in recordings for word in one["list"].split()}
assert said <= set(WORDS)  # claim: asr-only-listed
assert all(wer[name, "list"] < wer[name, "greedy"] for name in groups)  # claim: asr-list-helps

# %% choose tags=["trained", "compact"]
labels = torch.nn.utils.rnn.pad_sequence(
    [processor(text=word, return_tensors="pt")["input_ids"][0] for word in WORDS], batch_first=True
)
lengths = torch.tensor([len(word) for word in WORDS])
for name, group in groups.items():
    if name.endswith("words"):
        right = 0
        for one in group:
            each = one["logits"].log_softmax(dim=-1)[:, None].expand(-1, len(WORDS), -1)
            sizes = torch.full([len(WORDS)], len(each))
            losses = functional.ctc_loss(each, labels, sizes, lengths, blank=BLANK, reduction="none")
            one["chosen"] = WORDS[losses.argmin()]
            right += one["chosen"] == one["text"]
        print(f"{name:29} {right} of {len(group)} words right")

# %% mistakes tags=["trained", "compact"]
for name in "Allison Smith, words", "June Wallack, words":
    wrong = [one for one in groups[name] if one["greedy"] != one["text"]]
    print(f"{name}: {len(wrong)} of {len(groups[name])} not as said")
    for one in wrong[:10]:
        print(f"    {one['text']:9} {one['greedy']!r}, from the list {one['list']!r}")

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
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)  # [samples, channels]
    except (soundfile.LibsndfileError, TypeError):  # TypeError: samples without a header
        raise ValueError(f"{path}: this is no sound that can be read; save it as WAV or FLAC") from None
    seconds = len(samples) / rate
    if seconds < SHORTEST:
        raise ValueError(f"{path}: {seconds:.2f} s is too short; record at least {SHORTEST} s")
    if seconds > LONGEST:
        raise ValueError(f"{path}: {seconds:.0f} s is too long; cut out at most {LONGEST:.0f} s")
    mono = samples.mean(axis=1)  # left and right, averaged
    if not np.isfinite(mono).all():
        raise ValueError(f"{path}: some samples are no numbers; save it as 16-bit WAV or FLAC")
    if np.abs(mono).max() < 1e-4:
        raise ValueError(f"{path}: the recording is silent; check the microphone, and record again")
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
        print(f"{name}, {info.samplerate:,} a second, {info.channels} channel(s): {transcribe(name)}")
    likeness = np.corrcoef(read_audio("studio.wav"), samples)[0, 1]

assert likeness > 0.99  # claim: asr-read-audio

# %% own-errors
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    Path("empty.wav").touch()
    Path("letter.wav").write_text("Dear reader, this is no sound.")
    soundfile.write("silent.flac", np.zeros(RATE), RATE)
    refused = 0
    for name in "missing.wav", "empty.wav", "letter.wav", "silent.flac":
        try:
            read_audio(name)
        except (FileNotFoundError, ValueError) as error:
            refused += name in str(error)
            print(error)

assert refused == 4  # claim: asr-refused

# %% pipeline
listen = pipeline("automatic-speech-recognition", model=CHECKPOINT)
answer = listen({"raw": samples, "sampling_rate": RATE}, return_timestamps="word")
print(type(listen).__name__)

assert answer["text"] == processor.decode(logits.argmax(dim=-1))  # claim: asr-pipeline

# %% long tags=["trained", "compact"]
strings = groups["flite's voice slt, strings"]
pause = np.zeros(RATE // 2, dtype=np.float32)
sounds = [soundfile.read(Path("docs/assets/speech", one["file"]), dtype="float32")[0] for one in strings]
lecture = np.concatenate([part for sound in sounds for part in (sound, pause)])
script = " ".join(one["text"] for one in strings)

whole = listen({"raw": lecture, "sampling_rate": RATE})["text"]
pieces = listen({"raw": lecture, "sampling_rate": RATE}, chunk_length_s=10, stride_length_s=2)["text"]
frames = len(lecture) // step
print(f"{len(lecture) / RATE:.0f} s are {frames:,} frames, and {frames**2:,} weights for each head")
print(f"in one piece:      {jiwer.wer(script, whole):.3f} of the words wrong")
print(f"in pieces of 10 s: {jiwer.wer(script, pieces):.3f}")
