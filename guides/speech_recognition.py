# %% [markdown]
# # Fine-tune a speech recogniser
#
# You take a network that writes down 36 words, throw away its letters, and teach it to write dates: weekdays and months that it
# has never heard, in an alphabet of its own. It takes about a minute on one processor core.
#
# How letters come out of sound is told in [Speech recognition](../speech-recognition.md). Here you train a recogniser
# yourself, from the data to a saved model.

# %% setup
import json
import tempfile
from pathlib import Path

import jiwer
import matplotlib.pyplot as plt
import numpy as np
import torch
from datasets import Dataset
from IPython.display import Audio, display
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoFeatureExtractor,
    Trainer,
    TrainingArguments,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
    set_seed,
)

from guides.common import check_memory, checkpoint, show_progress
from guides.common.sound import check_recordings
from sample_data.spoken import said

BASE = checkpoint("checkpoints/wav2vec2-asr")  # full size: "facebook/wav2vec2-base"
STEPS = 160  # suite: 35
LINES = 400  # suite: 150
WORTH = 0.3  # suite: 0.7
BATCH = 8  # full size: 4
LEARNING_RATE = 1e-3  # full size: 1e-4
RATE = 16_000  # samples a second: the network knows no other

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# Each recording says a weekday, a number and a month. There are 756 such lines. A synthesizer,
# [espeak-ng](https://github.com/espeak-ng/espeak-ng), says each of them once: in one of seven accents of English and of about
# ninety voices. `said` belongs to this project.
#
# Two things are held out. No line is in two parts, and no voice is. Whoever speaks in the test has never been heard, and says what
# has never been said. The single words are the same.

# %% data tags=["learned"]
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september"]
MONTHS += ["october", "november", "december"]

lines = [f"{day} {number} {month}" for day in DAYS for number in NUMBERS for month in MONTHS]
lines = [lines[place] for place in torch.randperm(len(lines)).tolist()]


def recordings(part, lines):
    rows = [{"samples": clip.samples, "text": clip.text} for clip in said(lines, part)]
    return Dataset.from_list(rows)


test, watched = recordings("test", lines[:80]), recordings("validation", lines[80:100])
train = recordings("train", lines[100:][:LINES])
print(train)
print(f"{len(lines)} lines: {len(train)} to train on, {len(watched)} to watch, {len(test)} held out")
print(f"{sum(map(len, train['samples'])) / RATE / 60:.1f} minutes to train on")

# %% listen alt="A date, said by a synthesizer."
samples = np.array(test[0]["samples"], np.float32)
display(Audio(samples, rate=RATE))
print(f"{test[0]['text']}: {len(samples):,} samples, {len(samples) / RATE:.2f} seconds")

# %% [markdown]
# ## An alphabet
#
# The model writes characters. Which ones, the transcripts decide: every character that occurs, and two more. The first is the
# *blank*, which means that nothing new is written. The second stands for a character that is not in the list. A bar takes the place
# of the space, since a space is hard to see in a file.
#
# The processor is two things in one: a feature extractor for the sound, and a tokenizer for the text.

# %% alphabet
letters = sorted(set("".join(train["text"])) - {" "})
alphabet = ["<pad>", "<unk>", "|", *letters]
file = Path(work.name, "vocab.json")
file.write_text(json.dumps({letter: number for number, letter in enumerate(alphabet)}))

tokenizer = Wav2Vec2CTCTokenizer(str(file), bos_token=None, eos_token=None, pad_token="<pad>", unk_token="<unk>")
extractor = AutoFeatureExtractor.from_pretrained(BASE)
processor = Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer)
print(len(alphabet), "characters:", " ".join(alphabet))

# %% [markdown]
# The sound becomes scaled samples, and the text becomes numbers. Nobody says which part of the sound is which letter. That is what
# the loss is for: CTC adds up all ways to spread the letters over the frames.


# %% prepare
def prepare(row):
    sound = extractor(np.array(row["samples"], np.float32), sampling_rate=RATE)
    return {
        "input_values": sound["input_values"][0],
        "labels": tokenizer(row["text"]).input_ids,
        "length": len(row["samples"]),
    }


def collate(rows):
    """A batch: sounds are filled up with zeros, labels with a number that the loss leaves out."""
    sounds = [{"input_values": row["input_values"]} for row in rows]
    labels = pad_sequence([torch.tensor(row["labels"]) for row in rows], True, -100)
    return {**extractor.pad(sounds, return_tensors="pt"), "labels": labels}


columns = train.column_names
parts = [part.map(prepare, remove_columns=columns) for part in (train, watched, test)]
labels = parts[0][0]["labels"]
print(train[0]["text"])
print("becomes", labels)
print("and back:", tokenizer.decode(labels, group_tokens=False))

# %% [markdown]
# ## A new head on a trained network
#
# The head is one linear layer: a score for each character, in every frame of 20 milliseconds. The old one has another number of
# characters, so `ignore_mismatched_sizes` lets it be replaced by random numbers. Beware of the case where both numbers are equal by
# accident. Then the old head would be taken over, and write the wrong letters.
#
# The convolutions are frozen, as in the published recipe.
#
# Why start from a recogniser, and not from a network that has only listened? Because of the blank. It is the right
# answer in most frames, so a model first learns to write blanks and nothing else, and stays there for thousands of steps. The
# network of this guide is past that. It knows that sounds are letters, though with other letters in mind. At full size, you start
# from a network that has only listened, and need the patience.

# %% model
model = Wav2Vec2ForCTC.from_pretrained(
    BASE,
    vocab_size=len(alphabet),
    pad_token_id=tokenizer.pad_token_id,  # the blank
    ctc_loss_reduction="mean",
    ctc_zero_infinity=True,
    mask_time_prob=0.08,  # hide some of the frames, so that the model learns from the others
    mask_time_length=4,
    ignore_mismatched_sizes=True,
)
model.freeze_feature_encoder()

trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{trained:,} of {model.num_parameters():,} weights will be trained")
print("the head:", model.lm_head)

# %% [markdown]
# A transcript can be wrong in two ways that make no error. A character which is not in the alphabet becomes `<unk>`. And where there
# are more characters than frames, no way leads through: the loss is infinite, `ctc_zero_infinity` makes it zero, and the
# recording teaches nothing. Two equal letters in a row need a blank between them, and so a frame more.


# %% checks
def check_transcripts(model, tokenizer, samples, texts):
    """See whether every transcript can be written with the alphabet, in the frames that there are."""
    for place, (wave, text) in enumerate(zip(samples, texts, strict=True)):
        unknown = sorted(set(text.replace(" ", "|")) - set(tokenizer.get_vocab()))
        if unknown:
            raise ValueError(
                f"transcript {place}, {text!r}, has characters that are not in the alphabet: {unknown}. "
                "Change the text, or add them to the vocabulary."
            )
        frames = int(model._get_feat_extract_output_lengths(len(wave)))
        needed = len(text) + sum(one == other for one, other in zip(text, text[1:]))
        if needed > frames:
            raise ValueError(
                f"transcript {place}, {text!r}, needs {needed} frames, and its recording has {frames}. "
                "Is it the right one, and not cut short?"
            )


check_recordings([(samples, RATE) for samples in train["samples"]], RATE)
check_transcripts(model, tokenizer, train["samples"], train["text"])
check_memory(model)

for wave, text in ((samples, "Monday 3 May"), (samples[:3000], "monday three may")):
    try:
        check_transcripts(model, tokenizer, [wave], [text])
    except ValueError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## A trainer
#
# Two rates are usual. The word error rate counts how many words have to be changed, left out or put in, for each word that is said.
# The character error rate does the same with characters. Both can exceed 1. They come from the library jiwer.
#
# The head is new and has a long way to go, so it learns five times as fast as the rest. Recordings of like length go into
# a batch together, so that little has to be filled up.


# %% trainer
def written(prediction):
    """What was written, and what was said, as text."""
    frames = np.where(prediction.predictions == -100, tokenizer.pad_token_id, prediction.predictions)
    truth = np.where(prediction.label_ids == -100, tokenizer.pad_token_id, prediction.label_ids)
    return processor.batch_decode(frames), tokenizer.batch_decode(truth, group_tokens=False)


def score(prediction):
    texts, truth = written(prediction)
    return {"words": jiwer.wer(truth, texts), "characters": jiwer.cer(truth, texts)}


settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=BATCH,
    per_device_eval_batch_size=8,
    learning_rate=LEARNING_RATE,
    warmup_steps=10,
    train_sampling_strategy="group_by_length",
    logging_steps=10,
    eval_strategy="steps",
    eval_steps=25,
    save_strategy="no",
    report_to="none",
    log_level="error",
    seed=0,
)
rest = [weight for weight in model.wav2vec2.parameters() if weight.requires_grad]
groups = [
    {"params": rest, "lr": LEARNING_RATE},
    {"params": model.lm_head.parameters(), "lr": 5 * LEARNING_RATE},
]
trainer = Trainer(
    model,
    settings,
    data_collator=collate,
    train_dataset=parts[0],
    eval_dataset=parts[1],
    processing_class=processor,  # saved with the model
    compute_metrics=score,
    preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
    optimizers=(torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01), None),
)
show_progress(trainer)

# %% [markdown]
# ## Before
#
# What is the model worth with its random head?

# %% before tags=["trained"]
untrained = trainer.predict(parts[2])
before = untrained.metrics
print(f"error rates: words {before['test_words']:.3f}, characters {before['test_characters']:.3f}")
for text, truth in list(zip(*written(untrained)))[:2]:
    print("said:", truth)
    print("> heard:", text)

# %% [markdown]
# A rate of 1 or more means that nothing useful was written. And with its old head? That one knows the numbers, and no other
# word here.

# %% old-head tags=["compact", "trained"]
old = Wav2Vec2ForCTC.from_pretrained(BASE).eval()
reader = Wav2Vec2Processor.from_pretrained(BASE)
with torch.no_grad():
    texts = [reader.decode(old(torch.tensor([row["input_values"]])).logits[0].argmax(dim=-1)) for row in parts[2]]
print(f"word error rate {jiwer.wer(test['text'][:], texts):.3f}")
for truth, text in list(zip(test["text"], texts))[:2]:
    print("said:", truth)
    print("> heard:", text)

# %% [markdown]
# ## Train

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve
#
# The loss falls steeply at first, while the new head learns what its letters mean. What follows is slower: the network learns how
# the new words sound.

# %% curve tags=["trained"] alt="Two charts over the steps. Left: the loss in training and in watched voices, which fall steeply at first and slowly after that. Right: the word error rate in watched voices, which falls from one."
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
for axis, key, name in (
    (left, "loss", "in training"),
    (left, "eval_loss", "watched"),
    (right, "eval_words", "watched"),
):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
left.set(xlabel="steps", ylabel="loss", ylim=0)
right.set(xlabel="steps", ylabel="word error rate", ylim=(0, 1.05))
left.legend()
plt.show()

# %% [markdown]
# ## After
#
# Now the held-out lines in held-out voices, for the second and last time.

# %% after tags=["trained"]
final = trainer.predict(parts[2])
after = final.metrics
print("                words  characters")
for name, metrics in (("untrained head", before), ("fine-tuned", after)):
    print(f"{name:15} {metrics['test_words']:5.3f}  {metrics['test_characters']:10.3f}")

assert after["test_characters"] < WORTH < before["test_characters"] - 0.2  # claim: guide-asr-better

# %% [markdown]
# The fine-tuned model is [far from the untrained one](claim:guide-asr-better). Both rates are stated, since they say different things:
# one wrong letter makes a whole word wrong. Look at what it writes.

# %% lines tags=["trained"]
for text, truth in list(zip(*written(final)))[:6]:
    print("said:", truth)
    print("> heard:", text)

# %% [markdown]
# The mistakes are small: a letter too many, or a space that is missing, since the synthesizer makes no pause there. A list of the
# words, or a language model, would mend most of them. [The page about the model](../speech-recognition.md#search) shows how.
#
# ## Save it, and load it again
#
# A saved model is a folder: weights, configuration, the settings of the feature extractor, and the alphabet.

# %% save
folder = f"{work.name}/dates"
trainer.save_model(folder)
again = Wav2Vec2ForCTC.from_pretrained(folder)
writer = Wav2Vec2Processor.from_pretrained(folder)

clips = said(["saturday three may", "yesterday"], "test", seed=1)
inputs = writer(clips[0].samples, sampling_rate=RATE, return_tensors="pt")
model.cpu().eval()  # it may be on a graphics card
with torch.no_grad():
    difference = (again(**inputs).logits - model(**inputs).logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")
print("its alphabet:", writer.tokenizer.convert_ids_to_tokens(list(range(again.config.vocab_size))))

assert difference < 1e-4  # claim: guide-asr-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-asr-saved). Give it a new recording of a date, and one of a word
# that was not in its lines.

# %% new-sound tags=["trained"]
for clip in clips:
    inputs = writer(clip.samples, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        text = writer.decode(again(**inputs).logits[0].argmax(dim=-1))
    print("said:", clip.text)
    print("> heard:", text)

# %% [markdown]
# It knows no words, only letters. So it writes the unknown word too, as it sounds to a model that has learned from
# dates alone.
#
# What these numbers do not say is how it does with people. All voices here come from one synthesizer.
# [Speech recognition](../speech-recognition.md) measures on recordings of people how far such a model gets: not far.
#
# ## At full size, and at scale
#
# The full-size notebook trains [wav2vec2-base](https://huggingface.co/facebook/wav2vec2-base), with 95 million weights, by the
# same code. It has listened to 960 hours of English and never seen a letter. On its architecture this guide's code takes one
# optimisation step, with random weights, whenever the test suite runs. For a good result on a graphics card, change four things:
#
# - **Data.** `load_dataset("openslr/librispeech_asr", "clean", split="train.100")` fetches 28,539 sentences of read English, 100
#   hours in all. The columns are `audio` and `text`, in capitals.
# - **Steps and learning rate.** Use 1e-4, and many more steps, since blanks come first: the authors took 50,000 for 100 hours, and
#   trained the head alone for the first 10,000.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then as large on
#   each card, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      network of wav2vec2-asr")
print("data      dates, said by a synthesizer")
print(f"training  {len(train)} recordings")
print(f"held out  {len(test)} recordings, other voices")
print("metric    word error rate")
print(f"before    {before['test_words']:.3f}")
print(f"after     {after['test_words']:.3f}")
