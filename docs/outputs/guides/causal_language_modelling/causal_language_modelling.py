# %% [markdown]
# # Fine-tune a model that writes
#
# You take a small GPT-2 that has read nothing but six novels of Jane Austen, and teach it to write descriptions of
# software. It takes about a minute on one processor core.
#
# How such a model works inside is told in [Text generation with GPT-2](../text-generation.md). Here you train one further,
# from the data to a saved model.

# %% setup
import tempfile
from textwrap import fill

import matplotlib.pyplot as plt
import torch
from datasets import Dataset, load_dataset
from torchmetrics.text import Perplexity
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

from guides.common import check_memory, check_tokens, checkpoint, show_progress

BASE = "checkpoints/gpt2-austen"  # full size: "distilbert/distilgpt2"
STEPS = 160  # suite: 20
FACTOR = 5  # suite: 2

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# Debian is a large collection of free software. Each package has a description: one line that sums it up, and a few paragraphs.
# We make one text of both. Beside it, here is what the base has read.

# %% data
FOLDER = "docs/assets/text"
packages = load_dataset("json", data_files=f"{FOLDER}/held-out-sections.json.gz", split="train")
chapters = load_dataset("json", data_files=f"{FOLDER}/held-out-austen.json.gz", split="train")
print(f"{len(packages)} descriptions, {len(chapters)} chapters\n")


def join(package):
    return {"text": f"{package['synopsis']}. {' '.join(package['paragraphs'])}"}


packages = packages.map(join)
for text in (packages[3]["text"], chapters[0]["paragraphs"][0]):
    print(fill(text[:300], 90), end="…\n\n")

# %% [markdown]
# The chapters were held back when the base was trained. They will tell what it forgets.
#
# ## Hold some of it back
#
# Several packages are built from one source, and their descriptions share whole sentences. So all packages of a source go
# to the same side.

# %% split
sources = sorted(set(packages["source"]))
order = torch.randperm(len(sources)).tolist()
rank = {sources[number]: place / len(sources) for place, number in enumerate(order)}

test = packages.filter(lambda package: rank[package["source"]] < 0.08)
watched = packages.filter(lambda package: 0.08 <= rank[package["source"]] < 0.1)
train = packages.filter(lambda package: rank[package["source"]] >= 0.1)
shared = set(test["source"]) & set(train["source"])
print(f"{len(train)} to train on, {len(watched)} to watch, {len(test)} held out")
print("sources on both sides:", len(shared))

# %% [markdown]
# ## From texts to blocks
#
# A model that writes needs no labels: each token is the label of those before it. So the length of a text does not matter
# either. All texts are strung together, with an end mark after each, and cut into blocks of 128 tokens. No token is
# padding, and none is wasted. What is left over at the end is dropped.

# %% blocks
LENGTH = 128
BASE = checkpoint(BASE)
tokenizer = AutoTokenizer.from_pretrained(BASE)


def blocks(texts):
    stream = []
    for numbers in tokenizer(list(texts))["input_ids"]:
        stream += [*numbers, tokenizer.eos_token_id]
    rows = [stream[at : at + LENGTH] for at in range(0, len(stream) - LENGTH + 1, LENGTH)]
    return Dataset.from_dict({"input_ids": rows, "labels": rows})


train, watched = blocks(train["text"]), blocks(watched["text"])
held_out = {
    "descriptions": blocks(test["text"]),
    "novels": blocks(["\n".join(paragraphs) for paragraphs in chapters["paragraphs"][:3]]),
}
print(f"{len(train) * LENGTH:,} tokens to train on")
for name, part in held_out.items():
    print(f"{len(part) * LENGTH:,} tokens held out: {name}")
print("|".join(tokenizer.batch_decode([[number] for number in train[0]["input_ids"][:28]])))

# %% [markdown]
# `labels` is the same list as `input_ids`. The model itself compares the scores at each token with the token that comes next. Do
# not shift them yourself: they would be shifted twice.
#
# The vocabulary is that of the novels. It has every byte, so it can write any word. But a word that no novel holds
# falls into many small pieces.
#
# ## The model
#
# No head is new, and nothing is frozen. All weights go on learning.

# %% model
model = AutoModelForCausalLM.from_pretrained(BASE)
check_memory(model, activations=1.0)
print(f"{model.num_parameters():,} weights will be trained")

# %% [markdown]
# Two mistakes end in an index error deep inside the embeddings: a tokenizer that belongs to another model, and blocks that are
# longer than the model reads. The check names both. Beside it is what you see where a checkpoint is missing.

# %% checks
check_tokens(model, train["input_ids"])

for wrong in ([[5, 60_000]], [[5] * 2000]):
    try:
        check_tokens(model, wrong)
    except ValueError as error:
        print(error, end="\n\n")
try:
    checkpoint("checkpoints/gpt2-of-my-own")
except FileNotFoundError as error:
    print(error)

# %% [markdown]
# ## Before
#
# Perplexity is the exponential of the mean loss. A model with a perplexity of 50 is as unsure as one that has to choose
# among 50 equally good tokens. It is computed by torchmetrics, on the same tokens before and after.


# %% before tags=["trained"]
def measure(part):
    perplexity = Perplexity().to(model.device)
    model.eval()
    for batch in part.with_format("torch").iter(16):
        numbers = batch["input_ids"].to(model.device)
        with torch.no_grad():
            scores = model(numbers).logits
        perplexity.update(scores[:, :-1], numbers[:, 1:])  # the scores at a token are for the next
    return perplexity.compute().item()


before = {name: measure(part) for name, part in held_out.items()}
for name, value in before.items():
    print(f"{name:13} perplexity {value:7.1f}")

# %% [markdown]
# Choosing evenly among all tokens would have a perplexity as large as the vocabulary, 4,096 here. Descriptions are many times
# stranger to the base than chapters of the novels it knows. Let it write.

# %% first-try tags=["trained"]
BEGINNINGS = ["This package contains", "A simple game in which", "It was"]


def write(writer, reader):
    set_seed(1)
    for beginning in BEGINNINGS:
        inputs = reader(beginning, return_tensors="pt").to(writer.device)
        ids = writer.generate(
            **inputs,
            max_new_tokens=20,
            do_sample=True,
            top_p=0.9,
            pad_token_id=reader.eos_token_id,
        )
        print("> " + " ".join(reader.decode(ids[0], skip_special_tokens=True).split()))


write(model, tokenizer)

# %% [markdown]
# ## A trainer
#
# All blocks have the same length, so a batch needs no filling up, and the default collator just stacks them. A step reads
# 8 blocks, 1,024 tokens. So the whole training sees less than half of the text, and none of it twice. The learning rate, 2e-3,
# suits a model as small as this. For a large one it would be far too high.

# %% trainer
settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=8,
    per_device_eval_batch_size=16,
    learning_rate=2e-3,
    warmup_steps=10,
    weight_decay=0.1,
    logging_steps=20,
    eval_strategy="steps",
    eval_steps=40,
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
    data_collator=default_data_collator,
)
show_progress(trainer)

# %% [markdown]
# ## Train

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve

# %% curve tags=["trained"] alt="Two falling curves over the steps: the loss in training and the loss on descriptions that are only watched. They lie close together."
figure, axis = plt.subplots()
for key, name in (("loss", "in training"), ("eval_loss", "watched")):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
axis.set(xlabel="steps", ylabel="loss")
axis.legend()
plt.show()

# %% [markdown]
# ## After

# %% after tags=["trained"]
after = {name: measure(part) for name, part in held_out.items()}
print(f"{'perplexity':13} {'before':>7} {'after':>7}")
for name in held_out:
    print(f"{name:13} {before[name]:7.1f} {after[name]:7.1f}")

assert FACTOR * after["descriptions"] < before["descriptions"]  # claim: guide-clm-better
assert before["novels"] < after["novels"]  # claim: guide-clm-forgets

# %% [markdown]
# On descriptions that it never saw, the model is [far less perplexed](claim:guide-clm-better). The novels are the price:
# [they have become strange to it](claim:guide-clm-forgets). What is not read any more gets lost. If you need both, mix some
# of the old text into the new.
#
# ## Save it, and load it again

# %% save
folder = f"{work.name}/descriptions"
trainer.save_model(folder)
again = AutoModelForCausalLM.from_pretrained(folder)
reader = AutoTokenizer.from_pretrained(folder)

inputs = reader("This package contains", return_tensors="pt")
model.to("cpu").eval()
with torch.no_grad():
    difference = (again(**inputs).logits - model(**inputs).logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")

assert difference < 1e-4  # claim: guide-clm-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-clm-saved). Here are the same beginnings again.

# %% new-text tags=["trained"]
write(again, reader)

# %% [markdown]
# The tone is that of a description now. The sense is not: a model as small as this learns which words stand together, and
# little of what they mean. How the next token is chosen from the scores is told in
# [How to choose the next word](../next-word.md).
#
# ## At full size, and at scale
#
# The full-size notebook trains [DistilGPT2](https://huggingface.co/distilbert/distilgpt2), with 82 million weights, by the same
# code. On its architecture this guide's code takes one optimisation step, with random weights, whenever the test suite runs. For
# a good result on a graphics card, change four things:
#
# - **Data.** `load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1")` fetches two million words of Wikipedia, in a column named
#   `text`. Texts of your own do as well: `load_dataset("text", data_files="*.txt")`. Take blocks of 512 tokens or more.
# - **Learning rate.** Use 5e-5, and one to three times through the data: `num_train_epochs=3` in place of `max_steps`.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then 8 blocks
#   on each card, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      gpt2-austen")
print("data      Debian descriptions")
print(f"training  {len(train) * LENGTH:,} tokens")
print(f"held out  {len(held_out['descriptions']) * LENGTH:,} tokens")
print("metric    perplexity (lower is better)")
print(f"before    {before['descriptions']:.1f}")
print(f"after     {after['descriptions']:.1f}")
