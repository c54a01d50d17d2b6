# %% [markdown]
# # Translation
#
# One model writes a number in eight languages; and a BART pretrained on English learns to read German.
# Run it from the project's root: `python snippets/translation.py`.

# %% setup
import hashlib
import random
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import yaml
from num2words import num2words
from safetensors.torch import load_file
from torch.nn import functional
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BartForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.models.bart.modeling_bart import BartEncoder
from transformers.models.bart.modeling_bart import shift_tokens_right as shift_in_bart
from transformers.models.mbart.modeling_mbart import shift_tokens_right as shift_in_mbart

CHECKPOINT = "checkpoints/bart-translate"  # full size: "facebook/mbart-large-50-many-to-many-mmt"
tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT, src_lang="en_XX")
model = AutoModelForSeq2SeqLM.from_pretrained(CHECKPOINT, dtype=torch.float32, attn_implementation="eager")
model.eval().requires_grad_(False)  # we read the model, we do not train it
names = tokenizer.convert_ids_to_tokens

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"{model.config.encoder_layers} encoder and {model.config.decoder_layers} decoder layers")

# %% three-lines tags=["trained"]
TEXT = "four hundred and twenty-one"  # full size: "The house is wonderful."
EXPECTED = "vierhunderteinundzwanzig"  # full size: "Das Haus ist wunderbar."

inputs = tokenizer(TEXT, return_tensors="pt")  # prepare
german = tokenizer.convert_tokens_to_ids("de_DE")
written = model.generate(**inputs, forced_bos_token_id=german, num_beams=1, max_length=60)  # run
answer = tokenizer.decode(written[0], skip_special_tokens=True)  # interpret

print(answer)

assert answer == EXPECTED  # claim: trl-first

# %% codes
source, target = "one hundred", "einhundert"
pair = tokenizer(source, return_tensors="pt")
tokenizer.src_lang = "de_DE"  # a target is written like a source of its language
labels = tokenizer(target, return_tensors="pt")["input_ids"]
tokenizer.src_lang = "en_XX"
print("source:", *names(pair["input_ids"][0]))
print("target:", *names(labels[0]))

assert names(pair["input_ids"][0, 0].item()) == "en_XX"  # claim: trl-source-code
assert names(labels[0, 0].item()) == "de_DE"  # claim: trl-target-code
assert names(pair["input_ids"][0, -1].item()) == names(labels[0, -1].item()) == "</s>"  # claim: trl-end

# %% shift
read = torch.cat([labels[:, -1:], labels[:, :-1]], dim=1)  # the last token goes to the front
print("decoder reads:", *names(read[0]))
print("it shall say: ", *names(labels[0]))

given = model(**pair, labels=labels)
logits = model(**pair, decoder_input_ids=read).logits
loss = functional.cross_entropy(logits[0], labels[0])
print(f"loss by hand {loss:.3f}, from the library {given.loss:.3f}")

assert torch.allclose(given.logits, logits, atol=1e-3)  # claim: trl-shift
assert torch.allclose(given.loss, loss, atol=1e-3)  # claim: trl-loss
in_bart = shift_in_bart(labels, tokenizer.pad_token_id, model.config.decoder_start_token_id)
assert torch.equal(in_bart, shift_in_mbart(labels, tokenizer.pad_token_id))  # claim: trl-same-shift

# %% forced
code = tokenizer.convert_tokens_to_ids("de_DE")
written = torch.tensor([[model.config.decoder_start_token_id, code]])  # the second token is not asked for
while written.shape[1] < 6 and written[0, -1] != tokenizer.eos_token_id:
    best = model(**pair, decoder_input_ids=written).logits[:, -1].argmax(dim=-1, keepdim=True)
    written = torch.cat([written, best], dim=1)
library = model.generate(**pair, forced_bos_token_id=code, num_beams=1, max_length=12)
print(*names(library[0, :2]), "...")

assert torch.equal(library[:, : written.shape[1]], written)  # claim: trl-forced
assert names(library[0, :2].tolist()) == ["</s>", "de_DE"]  # claim: trl-mbart

# %% languages tags=["trained", "compact"]
CODES = ["de_DE", "es_XX", "fi_FI", "fr_XX", "it_IT", "nl_XX", "pl_PL", "tr_TR"]
TEXT = "four hundred and twenty-one"  # put your own number here, in English words
inputs = tokenizer(TEXT, return_tensors="pt")
passes = []
hook = model.get_encoder().register_forward_hook(lambda *_: passes.append(1))
states = model.get_encoder()(**inputs)  # the source is read once, whatever the language
answers = {}
for code in CODES:
    forced = tokenizer.convert_tokens_to_ids(code)
    mask = inputs["attention_mask"]
    written = model.generate(encoder_outputs=states, attention_mask=mask, forced_bos_token_id=forced, max_length=60)
    answers[code] = tokenizer.decode(written[0], skip_special_tokens=True)
    print(code, answers[code])
hook.remove()

assert len(set(answers.values())) == len(CODES)  # claim: trl-one-model
assert len(passes) == 1  # claim: trl-encode-once

# %% which-language tags=["trained", "compact"]
start = torch.tensor([[model.config.decoder_start_token_id]])
chances = model(**inputs, decoder_input_ids=start).logits[0, -1].softmax(dim=-1)
shares = {code: chances[tokenizer.convert_tokens_to_ids(code)].item() for code in CODES}
print(*(f"{code} {share:.0%}" for code, share in shares.items()))

assert sum(shares.values()) > 0.99 and max(shares.values()) < 0.3  # claim: trl-no-preference

# %% looks tags=["trained", "compact"]
inputs = tokenizer("seventy-five", return_tensors="pt")
written = model.generate(**inputs, forced_bos_token_id=german, num_beams=1, max_length=60)
outputs = model(**inputs, decoder_input_ids=written[:, :-1], output_attentions=True)
looks = outputs.cross_attentions[1][0].mean(dim=0)  # the middle layer, mean of its heads: [to write, source]
english, german_pieces = names(inputs["input_ids"][0]), names(written[0, 1:])

figure, axis = plt.subplots(figsize=(4, 4))
axis.imshow(looks, cmap="viridis", vmin=0, vmax=1)
axis.set_xticks(range(len(english)), [piece.strip("▁") for piece in english], rotation=90)
axis.set_yticks(range(len(german_pieces)), [piece.strip("▁") for piece in german_pieces])
axis.set(xlabel="looked at", ylabel="to be written")
plt.show()
most = {piece: english[looks[row].argmax()] for row, piece in enumerate(german_pieces)}
print(tokenizer.decode(written[0], skip_special_tokens=True), most)

assert most["▁fünf"] == "five" and most["siebzig"] == "▁seventy"  # claim: trl-order-turned

# %% reordering tags=["trained", "compact"]
tokenizer.src_lang = "de_DE"
targets = {n: tokenizer(num2words(n, lang="de"), return_tensors="pt")["input_ids"] for n in range(22, 100)}
tokenizer.src_lang = "en_XX"
right = tried = 0
for number, target in targets.items():
    if number % 10 < 2:
        continue  # a round number has nothing to turn round
    source = tokenizer(num2words(number), return_tensors="pt")
    read = torch.cat([target[:, -1:], target[:, :-1]], dim=1)
    looks = model(**source, decoder_input_ids=read, output_attentions=True).cross_attentions[1][0].mean(dim=0)
    hyphen = names(source["input_ids"][0]).index("-")
    left, behind = looks[:, 1:hyphen].sum(dim=-1), looks[:, hyphen + 1 : -1].sum(dim=-1)
    written, tens = "", num2words(number, lang="de").index("und") + 3  # where the tens begin
    for row, piece in enumerate(names(target[0])[1:-1], start=1):
        written += piece.strip("▁")
        if len(written) > tens:
            break  # this piece holds the first letter of the tens
    tried += 1
    right += bool(behind[1] > left[1] and left[row] > behind[row])
print(f"looks right, then left: {right} of {tried} numbers")

assert right > 0.7 * tried  # claim: trl-order-often


# %% dictionary tags=["trained", "compact"]
def translate(texts, code):
    """Greedy translations from English."""
    inputs = tokenizer(texts, return_tensors="pt", padding=True)
    forced = tokenizer.convert_tokens_to_ids(code)
    written = model.generate(**inputs, forced_bos_token_id=forced, num_beams=1, max_length=100)
    return tokenizer.batch_decode(written, skip_special_tokens=True)


def held_out(count):
    """Numbers that no training has seen: one in ten, by a hash."""
    chance, found = random.Random(0), []
    while len(found) < count:
        value = chance.randrange(10 ** chance.randint(2, 6))
        if value >= 100 and int(hashlib.sha256(str(value).encode()).hexdigest()[:8], 16) % 10 == 0:
            found.append(value)
    return found


values = held_out(100)
english = [num2words(value) for value in values]
small = {num2words(n): num2words(n, lang="de") for n in [*range(20), *range(20, 100, 10)]}
small |= {"hundred": "hundert", "thousand": "tausend", "and": "", "one": "ein"}
by_word = ["".join(small[word] for word in text.replace(",", "").replace("-", " ").split()) for text in english]
by_model = translate(english, "de_DE")
truth = [num2words(value, lang="de") for value in values]
for name, found in {"word by word": by_word, "the model": by_model}.items():
    print(f"{name:13} {sum(map(str.__eq__, found, truth)):3} of 100, such as {found[0]}")
print(f"{'right':27}would be {truth[0]}")

assert sum(map(str.__eq__, by_word, truth)) < 30  # claim: trl-dictionary

# %% held-out tags=["trained", "compact"]
exact = {}
for code in CODES:
    truth = [num2words(value, lang=code[:2]).strip() for value in values]
    exact[code] = sum(map(str.__eq__, translate(english, code), truth))
    print(f"{code} {exact[code]:3} of {len(values)}")

assert min(exact.values()) > 90  # claim: trl-works

# %% failures tags=["trained", "compact"]
odd = ["a dozen", "seven apples", "Seventy-Five", "two billion", "one trillion"]
for text, answer in zip(odd, translate(odd, "de_DE")):
    print(f"{text:13} -> {answer}")

assert translate(["two billion"], "de_DE") != [num2words(2_000_000_000, lang="de")]  # claim: trl-round-numbers

# %% new-encoder tags=["trained", "compact"]
folder = Path("checkpoints/bart-new-encoder")
reader = BartEncoder.from_pretrained(folder / "source-encoder", dtype=torch.float32).eval()
german_tokenizer = AutoTokenizer.from_pretrained(folder / "source-encoder")
bart = BartForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
english_tokenizer = AutoTokenizer.from_pretrained(folder)

inputs = german_tokenizer("dreihundertzweiundsiebzig", return_tensors="pt")
with torch.no_grad():
    states = reader(**inputs).last_hidden_state  # the new encoder reads German
    written = bart.generate(inputs_embeds=states, attention_mask=inputs["attention_mask"], num_beams=1, max_length=48)
answer = english_tokenizer.decode(written[0], skip_special_tokens=True).strip()
print("German pieces: ", *german_tokenizer.convert_ids_to_tokens(inputs["input_ids"][0]))
print("states         ", tuple(states.shape))
print("English:       ", answer)

assert answer == "three hundred and seventy-two"  # claim: trl-new-encoder-example
words = bart.get_input_embeddings()
assert states.shape[-1] == words.embedding_dim  # claim: trl-new-encoder

# %% two-steps tags=["trained", "compact"]
card = yaml.safe_load((folder / "README.md").read_text().split("\n---\n")[0].removeprefix("---\n"))
first_layer = tuple(f"model.encoder.layers.0.self_attn.{name}_proj." for name in "qkv")
chosen = {n: p for n, p in bart.named_parameters() if "embed_positions" in n or n.startswith(first_layer)}
new = sum(p.numel() for p in reader.parameters())
one = new + sum(p.numel() for p in chosen.values())
two = new + sum(p.numel() for p in bart.parameters())
print(f"new encoder           {new:9,}")
print(f"trained in step one   {one:9,}  {one / two:.0%} of all")
print(f"trained in step two   {two:9,}")

before = BartForConditionalGeneration.from_pretrained("checkpoints/bart-compact", dtype=torch.float32)
pretrained = dict(before.named_parameters())
step_one = {n: v for n, v in load_file(folder / "step-one.safetensors").items() if not n.startswith("source.")}
changed = sum(not torch.equal(p, pretrained[n]) for n, p in bart.named_parameters())
print(f"of BART's {len(pretrained)} tensors, step one changed {len(step_one)}, step two {changed}")

assert set(step_one) == set(chosen)  # claim: trl-step-one
assert {"step_one": one, "step_two": two} == card["trained_parameters"]  # claim: trl-two-steps
assert changed > 0.9 * len(pretrained)  # claim: trl-step-two

# %% steps-compared tags=["trained", "compact"]
value = {metric["name"]: metric["value"] for metric in card["metrics"]}
print("exact match on 1,000 numbers    pretrained  random")
print(f"after step one {value['exact match after step one']:27.1%} {card['control']['random_step_one']:7.1%}")
print(f"after step two {value['exact match']:27.1%} {card['control']['random_step_two']:7.1%}")

values = [value for value in held_out(150) if value < 1_000_000][:50]
inputs = german_tokenizer([num2words(value, lang="de") for value in values], return_tensors="pt", padding=True)
with torch.no_grad():
    states = reader(**inputs).last_hidden_state
    written = bart.generate(inputs_embeds=states, attention_mask=inputs["attention_mask"], num_beams=1, max_length=48)
answers = [text.strip() for text in english_tokenizer.batch_decode(written, skip_special_tokens=True)]
right = sum(map(str.__eq__, answers, map(num2words, values)))
print(f"here, after step two: {right} of {len(values)}")

assert right >= 0.8 * len(values)  # claim: trl-new-encoder-works
first = value["exact match after step one"], card["control"]["random_step_one"]
assert first[0] > 0.8 and first[1] < 0.1  # claim: trl-pretraining-helps

# %% t5 tags=["compact"]
torch.manual_seed(0)
t5 = T5ForConditionalGeneration(T5Config()).eval()  # the published t5-small's sizes, random weights
print(f"{t5.num_parameters():,} parameters")
sentence = tokenizer("one hundred and five", return_tensors="pt")["input_ids"]
states = []
for prefix in "one two three four", "nine eight seven six":  # stand for "translate English to German:" and "summarize:"
    ids = torch.cat([tokenizer(prefix, add_special_tokens=False, return_tensors="pt")["input_ids"], sentence], dim=1)
    with torch.no_grad():
        states.append(t5.encoder(ids).last_hidden_state[:, -sentence.shape[1] :])
print(f"the same sentence behind two prefixes: states differ by {(states[0] - states[1]).abs().mean():.2f} on average")

tables = [name for name, part in t5.named_modules() if isinstance(part, torch.nn.Embedding)]
print(*tables, sep="\n")
assert not torch.allclose(states[0], states[1], atol=1e-3)  # claim: seq2seq-t5
positions = [name for name in tables if "relative_attention_bias" in name]
assert len(positions) == 2 and not any("position" in name for name in tables)  # claim: seq2seq-t5-positions
assert t5.num_parameters() == 60_506_624  # claim: seq2seq-t5-size
