# %% [markdown]
# # Fine-tune an audio classifier
#
# You take a network that has listened to speech without being told what was said, put a new head on it, and train both until
# they tell eight spoken commands apart. It takes less than a minute on one processor core.
#
# How such a model works inside is told in [Audio classification](../audio-classification.md). Here you train one yourself,
# from the data to a saved model.

# %% setup
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from datasets import Dataset
from IPython.display import Audio, display
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

from guides.common import check_labels, check_memory, checkpoint, show_progress
from guides.common.sound import check_recordings
from sample_data.spoken import said

BASE = checkpoint("checkpoints/wav2vec2-pretrained")  # full size: "facebook/wav2vec2-base"
STEPS = 120  # suite: 40
TIMES = 60  # suite: 25
WORTH = 0.8  # suite: 0.35
BATCH = 16  # full size: 8
LEARNING_RATE = 1e-3  # full size: 3e-5
RATE = 16_000  # samples a second: the network knows no other

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# No people were recorded for this. A synthesizer, [espeak-ng](https://github.com/espeak-ng/espeak-ng), says each command many
# times: in seven accents of English, and in about ninety voices, high and deep, clear and rough. `said` belongs to this
# project. It makes the recordings in a few seconds.
#
# The eight words are new to the network. What it has listened to were other words, and two people who spoke no English.
#
# A voice is an easy thing to learn by heart. So voices are held out whole: whoever speaks in one part speaks in no other.
# The first part is trained on. The second is looked at while training. The third is for the final number, and is used only
# once before and once after.

# %% data tags=["learned"]
COMMANDS = ["open", "close", "left", "right", "start", "stop", "faster", "slower"]


def recordings(part, times):
    clips = said(COMMANDS, part, times)
    rows = [{"samples": clip.samples, "text": clip.text, "voice": clip.voice} for clip in clips]
    return Dataset.from_list(rows)


train, watched, test = recordings("train", TIMES), recordings("validation", 3), recordings("test", 25)
print(train)
print(f"{len(train)} to train on, {len(watched)} to watch, {len(test)} held out")

voices = [{voice.split("+")[1] for voice in part["voice"]} for part in (train, watched, test)]
print("voices in more than one part:", len(voices[0] & voices[1] | voices[1] & voices[2] | voices[0] & voices[2]))

# %% [markdown]
# Listen to two of them, and see what they look like.

# %% listen alt=["Two sounds of half a second each, as waves, with quiet stretches between loud ones.", "The command start, said by a synthesizer.", "The command faster, said by another voice."]
figure, axes = plt.subplots(1, 2, figsize=(7, 2), sharey=True)
for axis, place in zip(axes, (4, 14)):
    samples = np.array(train[place]["samples"], np.float32)
    display(Audio(samples, rate=RATE))
    axis.plot(np.arange(len(samples)) / RATE, samples, linewidth=0.6)
    axis.set(title=f"{train[place]['text']}, {train[place]['voice']}", xlabel="seconds")
    print(f"{train[place]['text']:7} {len(samples):6,} samples, {len(samples) / RATE:.2f} seconds")
plt.show()

# %% [markdown]
# What would a lazy model do? It would always answer the same. Each command is said as often as the others, so that would be right in
# one of eight cases, 0.125.
#
# ## From sound to numbers
#
# The feature extractor scales each recording, so that it does not matter how loud it is. Then it makes it one second long: it fills
# up with zeros, or cuts. So any recordings go together into a batch.

# %% prepare tags=["learned"]
extractor = AutoFeatureExtractor.from_pretrained(BASE)


def prepare(batch):
    waves = [np.array(samples, np.float32) for samples in batch["samples"]]
    one_second = {"padding": "max_length", "max_length": RATE, "truncation": True}
    inputs = extractor(waves, sampling_rate=RATE, **one_second)
    return {"input_values": inputs["input_values"], "label": list(map(COMMANDS.index, batch["text"]))}


columns = train.column_names
parts = [part.map(prepare, batched=True, remove_columns=columns) for part in (train, watched, test)]
longest = max(map(len, train["samples"]))
print(f"the longest recording: {longest / RATE:.2f} seconds")
print({name: np.shape(value) for name, value in parts[0][0].items()})

# %% [markdown]
# ## A new head on a pretrained network
#
# The network has two parts. Seven convolutions make one vector of every 20 milliseconds. Then a Transformer lets the vectors
# see each other. The head takes the mean of all vectors, and makes a score for each command. It begins with random numbers.
#
# The convolutions are frozen, as the authors of the model did. They know what sound is made of, and a step gets much cheaper.

# %% model
names = dict(enumerate(COMMANDS))
model = AutoModelForAudioClassification.from_pretrained(
    BASE,
    num_labels=len(COMMANDS),
    id2label=names,
    label2id={name: number for number, name in names.items()},
    mask_time_prob=0.0,  # hide nothing: a second is short
)
model.freeze_feature_encoder()

trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{trained:,} of {model.num_parameters():,} weights will be trained")
print("the head:", model.projector, model.classifier)

# %% [markdown]
# Bad sound makes no error. At a wrong rate every voice gets deeper or higher. Silence is scaled up to noise. The model learns from
# it, or answers, and nobody is told. So recordings are checked, and labels and memory with them.

# %% checks
check_recordings([(samples, RATE) for samples in train["samples"]], RATE)
check_labels(model, parts[0]["label"])
check_memory(model)

wave = np.array(train[0]["samples"], np.float32)
for bad in ((wave, 44_100), (np.zeros(RATE), RATE), (np.stack([wave, wave], axis=1), RATE)):
    try:
        check_recordings([bad], RATE)
    except ValueError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## A trainer
#
# The metric is the share of right answers, by scikit-learn. All commands are equally frequent, so nothing more is needed.


# %% trainer
def score(prediction):
    return {"accuracy": accuracy_score(prediction.label_ids, prediction.predictions.argmax(axis=-1))}


settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=BATCH,
    per_device_eval_batch_size=20,
    learning_rate=LEARNING_RATE,
    warmup_steps=15,
    logging_steps=10,
    eval_strategy="steps",
    eval_steps=20,
    save_strategy="no",
    report_to="none",
    log_level="error",
    seed=0,
)
trainer = Trainer(
    model,
    settings,
    train_dataset=parts[0],
    eval_dataset=parts[1],
    processing_class=extractor,  # saved with the model
    compute_metrics=score,
)
show_progress(trainer)

# %% [markdown]
# ## Before
#
# What is the model worth with its random head?

# %% before tags=["trained"]
before = trainer.predict(parts[2]).metrics
print(f"accuracy {before['test_accuracy']:.3f}")

# %% [markdown]
# ## Train

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve
#
# What helps with the voices of the training need not help with another. So look whether the two losses go apart. Here they do not.
# The one in training is a mean over the last ten steps, so it lags behind while both fall.

# %% curve tags=["trained"] alt="Two falling curves over the steps: the loss in training and the loss in watched voices. Both start near two, fall steeply and end near zero."
figure, axis = plt.subplots()
for key, name in (("loss", "in training"), ("eval_loss", "watched voices")):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
axis.set(xlabel="steps", ylabel="loss", ylim=0)
axis.legend()
plt.show()

# %% [markdown]
# ## After
#
# Now the held-out voices, for the second and last time.

# %% after tags=["trained"]
final = trainer.predict(parts[2])
after = final.metrics
print(f"untrained head  accuracy {before['test_accuracy']:.3f}")
print(f"fine-tuned      accuracy {after['test_accuracy']:.3f}")

assert after["test_accuracy"] > WORTH > before["test_accuracy"] + 0.1  # claim: guide-aud-better

# %% [markdown]
# The fine-tuned model is [far from the untrained one](claim:guide-aud-better), in voices that it has never heard. Which commands
# does it take for which? A row is what was said, a column what was heard, and each row adds up to one.

# %% confusions tags=["trained"] alt="A square of eight rows and eight columns. The diagonal is dark: nearly every command is heard as what it is."
answers = [COMMANDS[number] for number in final.predictions.argmax(axis=-1)]
figure, axis = plt.subplots(figsize=(5.5, 4.5))
ConfusionMatrixDisplay.from_predictions(
    test["text"],
    answers,
    labels=COMMANDS,
    normalize="true",
    values_format=".2f",
    xticks_rotation=45,
    colorbar=False,
    cmap="Blues",
    ax=axis,
)
axis.set(xlabel="heard", ylabel="said")
plt.show()

# %% [markdown]
# One thing these numbers do not say: how the model does with people. All its teachers are voices of one synthesizer.
# [Audio classification](../audio-classification.md) measures what that means for another model of this project. It learned from
# synthesizers as well, and was then tried on recordings of two people. Record your own voice before you rely on such a model.
#
# ## Save it, and load it again
#
# A saved model is a folder: weights, configuration, and the settings of the feature extractor.

# %% save
folder = f"{work.name}/commands"
trainer.save_model(folder)
again = AutoModelForAudioClassification.from_pretrained(folder)
listener = AutoFeatureExtractor.from_pretrained(folder)

*known, other = said([*COMMANDS, "banana"], "test", seed=1)
inputs = listener(other.samples, sampling_rate=RATE, return_tensors="pt")
model.cpu().eval()  # it may be on a graphics card
with torch.no_grad():
    difference = (again(**inputs).logits - model(**inputs).logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")
print("its answers:", ", ".join(again.config.id2label.values()))

assert difference < 1e-4  # claim: guide-aud-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-aud-saved). Give it new recordings: one of each command, and one of a
# word that is no command at all.

# %% new-sound tags=["trained"]
right = 0
for clip in (*known, other):
    inputs = listener(clip.samples, sampling_rate=RATE, padding="max_length", max_length=RATE, return_tensors="pt")
    with torch.no_grad():
        chances = again(**inputs).logits[0].softmax(dim=-1)
    heard = again.config.id2label[chances.argmax().item()]
    right += heard == clip.text
    print("said:", clip.text)
    print(f"> heard: {heard}, with a probability of {chances.max():.2f}")

assert right / len(known) > WORTH - 0.2  # claim: guide-aud-new

# %% [markdown]
# Most commands [are heard](claim:guide-aud-new). The other word becomes a command too, since there is no answer for "none of
# these". And a high probability is no sign that it was one. Whoever needs such an answer trains with a ninth class, of other
# words and noise.
#
# ## At full size, and at scale
#
# The full-size notebook trains [wav2vec2-base](https://huggingface.co/facebook/wav2vec2-base), with 95 million weights, by the
# same code. On its architecture this guide's code takes one optimisation step, with random weights, whenever the test suite runs.
# For a good result on a graphics card, change four things:
#
# - **Data.** `load_dataset("PolyAI/minds14", "en-US", split="train")` fetches 563 requests to a bank, by telephone, of 14 kinds.
#   They have 8,000 samples a second: resample them to 16,000. They take several seconds, so raise `max_length`.
# - **Learning rate.** Use 3e-5, 32 recordings in a step, and ten times through the data: `num_train_epochs=10` in place of
#   `max_steps`.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then as large on
#   each card, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      wav2vec2-pretrained")
print("data      eight commands, made by a synthesizer")
print(f"training  {len(train)} recordings")
print(f"held out  {len(test)} recordings, other voices")
print("metric    accuracy")
print(f"before    {before['test_accuracy']:.3f}")
print(f"after     {after['test_accuracy']:.3f}")
