# %% [markdown]
# # Fine-tune a model that fills gaps
#
# You take a small BERT that has read descriptions of software and old novels, and let it go on reading: the documentation of
# two Python libraries. Nobody labels anything. It takes about a minute and a half on one processor core.
#
# How such a model works inside is told in [How BERT reads](../bert.md). Here you train one further, from the data to a saved
# model. It is often the first step to a model for a field with its own language, such as law or medicine. A classifier can
# then be built on it.

# %% setup
import ast
import re
import tempfile
from importlib.resources import files

import matplotlib.pyplot as plt
import torch
from datasets import Dataset, load_dataset
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.text import Perplexity
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
    pipeline,
    set_seed,
)

from guides.common import check_memory, check_tokens, checkpoint, show_progress

BASE = "checkpoints/bert-compact"  # full size: "google-bert/bert-base-uncased"
STEPS = 250  # suite: 20
BATCH = 32  # full size: 16
GAIN = 1.7  # suite: 1.02

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# Each function of a Python library carries a text that explains it. These texts lie on your disk, in the files of the
# libraries. The cell reads them out, and keeps paragraphs that are plain English: no tables, no formulas, no lists.


# %% data
PLAIN = re.compile(r"[A-Z][\w ,;:.()'`*\"/-]{60,}\.")
MARKUP = re.compile(r" [-=.~]|\.\. |[-=]{3}| : |:\w+:")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def paragraphs(library):
    folder = files(library)
    for path in sorted(folder.rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            explained = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
            for paragraph in (explained or "").split("\n\n"):
                text = " ".join(paragraph.split())
                if PLAIN.fullmatch(text) and not MARKUP.search(text):
                    yield {"text": text, "file": f"{library}/{path.relative_to(folder)}"}


def distinct(rows):
    return Dataset.from_list(list({row["text"]: row for row in rows}.values()))


data = distinct(row for library in ("numpy", "sklearn") for row in paragraphs(library))
print(data)
for number in (600, 1600, 2600):
    print(f"\n{data[number]['file']}\n    {data[number]['text'][:75]}…")

# %% [markdown]
# ## Hold some of it back
#
# Texts in one file are much alike. So whole files are held back, and no paragraph stands on both sides. Like this we measure
# how the model does on *other* texts of the same libraries.
#
# Two more things are worth knowing. How does it do on a library that it never read? NetworkX is for that. And what does it forget?
# The base has read most chapters of Jane Austen's novels. There are sentences from those that it did not read.

# %% split
places = sorted(set(data["file"]))
order = torch.randperm(len(places)).tolist()
rank = {places[number]: place / len(places) for place, number in enumerate(order)}

train = data.filter(lambda row: rank[row["file"]] >= 0.2)
watched = data.filter(lambda row: 0.15 <= rank[row["file"]] < 0.2)
seen = set(train["text"])
other = distinct(row for row in paragraphs("networkx") if row["text"] not in seen)
pairs = load_dataset("json", data_files="docs/assets/text/held-out-pairs.json.gz", split="train")
novels = pairs.filter(lambda row: row["corpus"] == "austen" and len(row["first"]) > 60)

held_out = {
    "other files": data.filter(lambda row: rank[row["file"]] < 0.15).select(range(400)),
    "another library": other.shuffle(seed=0).select(range(200)),
    "novels": novels.rename_column("first", "text").select(range(200)),
}
print(f"{len(train)} paragraphs to train on, {len(watched)} to watch")
for name, part in held_out.items():
    print(f"{len(part)} held out: {name}")

# %% [markdown]
# ## From text to numbers
#
# There are no labels. The text itself is all that is needed. It is cut to 64 tokens, and the tokenizer puts [CLS] before it and
# [SEP] behind it, as the model is used to.

# %% tokens
BASE = checkpoint(BASE)
tokenizer = AutoTokenizer.from_pretrained(BASE)


def prepare(rows):
    return tokenizer(rows["text"], truncation=True, max_length=64, return_token_type_ids=False)


def tokens(part):
    return part.map(prepare, batched=True, remove_columns=part.column_names)


train, watched = tokens(train), tokens(watched)
held_out = {name: tokens(part) for name, part in held_out.items()}
print(f"{sum(map(len, train['input_ids'])):,} tokens to train on")
print(" ".join(tokenizer.convert_ids_to_tokens(train[600]["input_ids"][:20])), "…")

# %% [markdown]
# ## Hide words
#
# The collator makes the task. Whenever it puts together a batch, it chooses 15 % of the tokens, anew each time. Most
# become [MASK], some another word, some stay. Only the chosen ones have a label. All others get -100, which the loss leaves out.

# %% hide
hide = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0)
batch = hide([train[600]])
for shown, label in list(zip(batch["input_ids"][0], batch["labels"][0]))[:16]:
    token, right = tokenizer.convert_ids_to_tokens([shown, max(label, 0)])
    print(f"{token:12} {right if label >= 0 else '-'}")

# %% [markdown]
# For the measurement, words are hidden once and for all. So the model has to guess the same words before and after. Here
# each of them becomes [MASK]: we ask for fills of gaps.

# %% gaps
mask = DataCollatorForLanguageModeling(
    tokenizer,
    mlm_probability=0.15,
    mask_replace_prob=1.0,
    random_replace_prob=0.0,
    seed=0,
)
gaps = {}
for name, part in held_out.items():
    gaps[name] = [mask([part[i] for i in range(start, start + 50)]) for start in range(0, len(part), 50)]
    hidden = sum(int((batch["labels"] >= 0).sum()) for batch in gaps[name])
    print(f"{name}: {hidden} gaps")

# %% [markdown]
# ## The model
#
# There is no new head this time. The base has learned to fill gaps, and its head goes on learning. All weights do.

# %% model
model = AutoModelForMaskedLM.from_pretrained(BASE)
check_memory(model, activations=1.0)
print(f"{model.num_parameters():,} weights will be trained")
print(f"the head scores {model.config.vocab_size:,} entries for each token")

# %% [markdown]
# Two mistakes are easily made with a checkpoint of one's own: it is not where it should be, or the tokenizer is that of
# another model. Then numbers of tokens point beyond the vocabulary, and training ends in an index error. The checks
# name both.

# %% checks
check_tokens(model, train["input_ids"])

for wrong in ([[2, 9, 3], [2, 40_000, 3]], [[2] * 600]):
    try:
        check_tokens(model, wrong)
    except ValueError as error:
        print(error, end="\n\n")
try:
    checkpoint("checkpoints/bert-of-my-own")
except FileNotFoundError as error:
    print(error)

# %% [markdown]
# ## Before
#
# Two numbers tell how well gaps are filled. One is the share in which the best guess is right. The other is the
# perplexity: the exponential of the mean loss. A model with a perplexity of 50 is as unsure as one that has to choose
# among 50 equally good words. Both come from torchmetrics.


# %% before tags=["trained"]
def measure(batches):
    metrics = MetricCollection(
        {
            "perplexity": Perplexity(),
            "right": MulticlassAccuracy(model.config.vocab_size, average="micro"),
        }
    ).to(model.device)
    model.eval()
    for batch in batches:
        batch = batch.to(model.device)
        with torch.no_grad():
            logits = model(**batch).logits
        gap = batch["labels"] >= 0
        scores, right = logits[gap], batch["labels"][gap]
        metrics["perplexity"].update(scores[None], right[None])
        metrics["right"].update(scores.argmax(dim=-1), right)
    return {name: value.item() for name, value in metrics.compute().items()}


before = {name: measure(batches) for name, batches in gaps.items()}
for name, scores in before.items():
    print(f"{name:16} perplexity {scores['perplexity']:6.1f}, right {scores['right']:.3f}")

right = torch.cat([batch["labels"][batch["labels"] >= 0] for batch in gaps["other files"]])
commonest = right.mode().values
share = (right == commonest).float().mean()
print(f"\nalways {tokenizer.decode(commonest)} in other files: right {share:.3f}")

# %% [markdown]
# The base is no beginner: it is much better than a model with one answer for all gaps, and one with random weights would have
# a perplexity about as large as the vocabulary. It is most at ease in the novels. Documentation is strange to it. What does
# it guess?

# %% guesses tags=["trained"]
SENTENCES = [
    "Return a new [MASK] of the given shape.",
    "Compute the number of [MASK] in the data.",
    "She was very [MASK] to see her sister.",
]


def show_guesses(filler):
    for sentence, guesses in zip(SENTENCES, filler(SENTENCES, top_k=4)):
        print(f"{sentence}\n> {', '.join(guess['token_str'] for guess in guesses)}")


show_guesses(pipeline("fill-mask", model=model, tokenizer=tokenizer))

# %% [markdown]
# ## A trainer
#
# The same `Trainer` as for any task. Only the collator makes it masked language modelling. A batch holds paragraphs of about the
# same length, so that little of it is padding. The learning rate, 1e-3, is that of the base's own training. For a large model
# it would be far too high.

# %% trainer
settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=BATCH,
    per_device_eval_batch_size=50,
    train_sampling_strategy="group_by_length",
    learning_rate=1e-3,
    warmup_steps=20,
    logging_steps=25,
    eval_strategy="steps",
    eval_steps=50,
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
    data_collator=hide,
)
show_progress(trainer)

# %% [markdown]
# ## Train

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve
#
# Words are hidden anew each time, so both curves tremble. The watched one is a mean over about 1,500 words, and some of them are
# harder than others. For a smooth curve, hide them once and for all, as for the measurement.

# %% curve tags=["trained"] alt="Two curves over the steps, both trembling and falling: the loss in training and the loss on paragraphs that are only watched. The first falls further."
figure, axis = plt.subplots()
for key, name in (("loss", "in training"), ("eval_loss", "watched")):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
axis.set(xlabel="steps", ylabel="loss")
axis.legend()
plt.show()

# %% [markdown]
# ## After
#
# The same gaps again.

# %% after tags=["trained"]
after = {name: measure(batches) for name, batches in gaps.items()}
print(f"{'':16}    perplexity          right")
print(f"{'':16} before   after   before  after")
for name in gaps:
    perplexities = f"{before[name]['perplexity']:6.1f} {after[name]['perplexity']:7.1f}"
    print(f"{name:16} {perplexities} {before[name]['right']:8.3f} {after[name]['right']:6.3f}")

first, then = before["other files"], after["other files"]
assert first["perplexity"] > GAIN * then["perplexity"]  # claim: guide-mlm-better
assert before["novels"]["perplexity"] < after["novels"]["perplexity"]  # claim: guide-mlm-forgets

# %% [markdown]
# In other files of the same libraries, the gaps are filled [far better than before](claim:guide-mlm-better). In a library that it
# never read, the model gained less: it learned the manner of documentation, and not the words of this library.
#
# The novels are the price. The model [fills their gaps worse than before](claim:guide-mlm-forgets). What is not read any more
# gets lost. If you need both, mix some of the old text into the new.
#
# ## Save it, and load it again

# %% save
folder = f"{work.name}/documentation"
trainer.save_model(folder)
again = AutoModelForMaskedLM.from_pretrained(folder)
reader = AutoTokenizer.from_pretrained(folder)

inputs = reader("Return a new [MASK] of the given shape.", return_tensors="pt")
model.to("cpu").eval()
with torch.no_grad():
    difference = (again(**inputs).logits - model(**inputs).logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")

assert difference < 1e-4  # claim: guide-mlm-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-mlm-saved). Ask it for the words from above.

# %% new-text tags=["trained"]
show_guesses(pipeline("fill-mask", model=again, tokenizer=reader))

# %% [markdown]
# The folder can be the base of another guide: `AutoModelForSequenceClassification.from_pretrained(folder)` puts a new head on
# the encoder that has read your texts. This way of training in two steps is told in
# [Don't Stop Pretraining](https://arxiv.org/abs/2004.10964), a paper of 2020.
#
# ## At full size, and at scale
#
# The full-size notebook trains [BERT](https://huggingface.co/google-bert/bert-base-uncased), with 110 million weights, by the same
# code. On its architecture this guide's code takes one optimisation step, with random weights, whenever the test suite runs. For
# a good result on a graphics card, change four things:
#
# - **Data.** `load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1")` fetches two million words of Wikipedia, in a column named
#   `text`. Texts of your own do as well: `load_dataset("text", data_files="*.txt")`. String them together and cut pieces of 128
#   tokens or more.
# - **Learning rate.** Use 5e-5, and one to three times through the data: `num_train_epochs=3` in place of `max_steps`.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then 32
#   paragraphs on each card, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      bert-compact")
print("data      documentation of NumPy and scikit-learn")
print(f"training  {len(train):,} paragraphs")
print("held out  400 paragraphs of other files")
print("metric    perplexity of gaps (lower is better)")
print(f"before    {first['perplexity']:.1f}")
print(f"after     {then['perplexity']:.1f}")
