# %% [markdown]
# # Object detection with DETR
#
# From an image to a set of labelled boxes, with every step done by hand.
# Run it from the project's root: `python snippets/detr.py`.


# %% setup
import copy
import inspect
import math
import sys
from collections import Counter
from itertools import product
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import nn
from transformers import (
    AutoImageProcessor,
    AutoModelForObjectDetection,
    DetrConfig,
    DetrForObjectDetection,
    ResNetConfig,
)
from transformers.loss import loss_for_object_detection as detr_loss

# full size: from skimage.data import coffee

CHECKPOINT = "checkpoints/detr-scenes"  # full size: "facebook/detr-resnet-50"
REVISION = "main"  # full size: "no_timm"
SIZE = {"height": 96, "width": 96}  # full size: {"shortest_edge": 480, "longest_edge": 800}
image = Image.open("docs/assets/scenes/scene-apart.png")  # full size: Image.fromarray(coffee())

source = {"pretrained_model_name_or_path": CHECKPOINT, "revision": REVISION}
processor = AutoImageProcessor.from_pretrained(**source, size=SIZE, backend="pil")
settings, _ = DetrConfig.get_config_dict(**source)
# full size: settings["dilation"] = False  # empty in the hub's file, which the library refuses
config = DetrConfig.from_dict(settings)
model = AutoModelForObjectDetection.from_pretrained(
    **source, config=config, dtype=torch.float32, attn_implementation="eager"
)
model.requires_grad_(False)  # we read the model, we do not train it


def outline(axis, box, **style):
    left, top, right, bottom = box
    axis.add_patch(plt.Rectangle((left, top), right - left, bottom - top, fill=False, **style))


print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"{config.encoder_layers} encoder layers, {config.decoder_layers} decoder layers")
print(f"{config.num_queries} queries, {config.num_labels} labels")


# %% three-lines tags=["trained"]
OBJECTS = "cone cone cube cylinder sphere torus".split()  # full size: ["cup"]

inputs = processor(image, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
size = image.size[::-1]
found = processor.post_process_object_detection(outputs, 0.7, [size])[0]  # interpret

names = [config.id2label[label] for label in found["labels"].tolist()]
plt.figure(figsize=(4.6, 4.6))
plt.imshow(image)
style = {"color": "black", "backgroundcolor": "white", "fontsize": 10}
order = found["boxes"][:, 0].argsort()  # from left to right, labels above and below in turn
for number, i in enumerate(order.tolist()):
    box = found["boxes"][i].tolist()
    outline(plt.gca(), box, ec="black", lw=2)
    y = box[3] + 17 if number % 2 else box[1] - 5
    plt.text(box[0] + 4, y, f"{names[i]} {found['scores'][i]:.2f}", **style)
plt.axis("off")
plt.show()

assert not Counter(OBJECTS) - Counter(names)  # claim: detr-first-prediction


# %% prepare
inputs = processor(image, return_tensors="pt")
pixels, mask = inputs["pixel_values"], inputs["pixel_mask"]
print("image:", image.size, "tensor:", tuple(pixels.shape), "mask:", tuple(mask.shape))

height, width = pixels.shape[2:]
resized = np.array(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)) / 255
by_hand = (resized - processor.image_mean) / processor.image_std  # [height, width, 3]
by_hand = torch.tensor(by_hand, dtype=torch.float32).permute(2, 0, 1)
print(f"largest difference to the library: {(by_hand - pixels[0]).abs().max():.4f}")
print("values of the mask:", mask.unique().tolist())

assert torch.allclose(by_hand, pixels[0], atol=1e-4)  # claim: detr-prepare
assert (mask == 1).all()  # claim: detr-mask-alone


# %% padding
across, down = image.size
strip = image.crop((0, down // 4, across, down * 3 // 4))  # wider than the first
EDGE = 96  # full size: 224
flexible = {"shortest_edge": EDGE, "longest_edge": 2 * EDGE}
batch = processor([image, strip], size=flexible, return_tensors="pt")
print("batch:", tuple(batch["pixel_values"].shape))

mean, deviation = torch.tensor(processor.image_mean), torch.tensor(processor.image_std)
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.4))
for axis, view, real in zip(axes, batch["pixel_values"], batch["pixel_mask"]):
    axis.imshow((view.permute(1, 2, 0) * deviation + mean).clip(0, 1).numpy())
    axis.contourf(real.numpy(), levels=[-0.5, 0.5], colors="none", hatches=["///"])
    axis.set_title(f"{real.float().mean():.0%} real")
    axis.axis("off")
plt.show()

padded = batch["pixel_mask"] == 0
expected = batch["pixel_values"].permute(0, 2, 3, 1)[padded]
assert 0 < padded.float().mean() < 1 and (expected == 0).all()  # claim: detr-padded-pixels


# %% backbone
features, small_mask = model.model.backbone(pixels, mask)[-1]  # the last map, and a mask for it
stride = math.ceil(pixels.shape[-1] / features.shape[-1])
print(f"this model:      {tuple(pixels.shape[1:])} becomes {tuple(features.shape[1:])}, 1/{stride}")

with torch.device("meta"):  # shapes without numbers: no memory, no time
    resnet = ResNetConfig(out_features=["stage4"])  # the defaults: ResNet-50
    published = DetrForObjectDetection(DetrConfig(backbone_config=resnet, num_labels=91))
    large, ones = torch.empty(1, 3, 640, 640), torch.ones(1, 640, 640)
large_features = published.model.backbone(large, ones)[-1][0]
print(f"published model: {tuple(large.shape[1:])} becomes {tuple(large_features.shape[1:])}, 1/32")

STRIDE = 8  # full size: 32
assert large_features.shape == (1, 2048, 640 // 32, 640 // 32)  # claim: detr-backbone
assert stride == STRIDE  # claim: detr-stride


# %% frozen
norms = [part for part in model.modules() if type(part).__name__ == "DetrFrozenBatchNorm2d"]
norm = norms[0]
torch.manual_seed(0)
numbers = torch.randn(2, len(norm.weight), 4, 4)  # two images
scale = norm.weight / (norm.running_var + 1e-5).sqrt()
shift = norm.bias - norm.running_mean * scale
by_hand = numbers * scale[:, None, None] + shift[:, None, None]
print(len(norms), "frozen norms; parameters to train in one:", len(list(norm.parameters())))

before = norm.running_mean.clone()
in_training = norm.train()(numbers)
norm.eval()
kept = torch.equal(before, norm.running_mean)
open_weights = [part.requires_grad for part in published.model.backbone.parameters()]
print(f"a new model: {sum(open_weights)} of {len(open_weights)} weights of its backbone can train")

assert torch.allclose(by_hand, norm(numbers), atol=1e-4)  # claim: detr-frozen-norm
assert torch.equal(in_training, norm(numbers)) and kept  # claim: detr-frozen-in-training
assert len(open_weights) == 53 and not any(open_weights)  # claim: detr-frozen-backbone


# %% projection
projection = model.model.input_projection
matrix = projection.weight[:, :, 0, 0]  # a 1 x 1 kernel is a matrix
by_hand = torch.einsum("oc,bcyx->boyx", matrix, features) + projection.bias[:, None, None]
projected = projection(features)
full = published.model.input_projection
print(f"this model:      {projection.in_channels} channels become {projection.out_channels}")
print(f"published model: {full.in_channels} channels become {full.out_channels}")

assert full.weight.shape == (256, 2048, 1, 1)  # claim: detr-projection
assert torch.allclose(by_hand, projected, atol=1e-3)  # claim: detr-projection-by-hand


# %% flatten
tokens = projected.flatten(2).transpose(1, 2)  # [1, places, width]
rows, columns = projected.shape[2:]
one_by_one = [projected[0, :, y, x] for y in range(rows) for x in range(columns)]
print(f"map {tuple(projected.shape)} to sequence {tuple(tokens.shape)}")

assert torch.equal(tokens[0], torch.stack(one_by_one))  # claim: detr-row-by-row


# %% positions
half = config.d_model // 2
waves = 10000 ** (torch.arange(half // 2) * 2 / half)  # slower and slower


def code(index, count):
    """The sines and cosines of a place, the image counted as one full turn."""
    angles = 2 * math.pi * (index + 1) / (count + 1e-6) / waves
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten()


places = list(product(range(rows), range(columns)))
by_hand = torch.stack([torch.cat([code(y, rows), code(x, columns)]) for y, x in places])
positions = model.model.position_embedding(features.shape, "cpu", torch.float32, small_mask)
positions = positions.flatten(2).transpose(1, 2)  # [1, places, width]

figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.4))
shown = [(rows // 4, columns // 4), (rows // 2, columns // 2), (rows - 1, columns - 1)]
for axis, place in zip(axes, shown):
    vector = positions[0, places.index(place)]
    alike = torch.cosine_similarity(positions[0], vector, dim=-1)
    axis.imshow(alike.view(rows, columns).numpy())
    axis.set_title(f"row {place[0] + 1}, col. {place[1] + 1}")
    axis.axis("off")
plt.show()

assert torch.allclose(by_hand, positions[0], atol=1e-3)  # claim: detr-positions
assert not list(model.model.position_embedding.parameters())  # claim: detr-positions-fixed


# %% listen
heard = {}  # what goes into each projection of each attention


def listen(name):
    return lambda part, args: heard.update({name: args[0]})


ENDS = "q_proj", "k_proj", "v_proj"
named = [(name, part) for name, part in model.named_modules() if name.endswith(ENDS)]
hooks = [part.register_forward_pre_hook(listen(name)) for name, part in named]
outputs = model(**inputs, output_attentions=True, output_hidden_states=True)
for hook in hooks:
    hook.remove()

for i in range(config.encoder_layers):
    query, key, value = (heard[f"model.encoder.layers.{i}.self_attn.{end}"] for end in ENDS)
    assert torch.allclose(query - value, positions, atol=1e-4)  # claim: detr-flatten
    assert torch.allclose(key - value, positions, atol=1e-4)  # claim: detr-positions-keys
first = heard["model.encoder.layers.0.self_attn.v_proj"]
print("first layer, values: tokens alone:", torch.equal(first, tokens))

assert torch.equal(first, tokens)  # claim: detr-positions-not-values


# %% attention-by-hand
layer = model.model.encoder.layers[0].self_attn
heads = config.encoder_attention_heads
query = layer.q_proj(tokens + positions).unflatten(-1, (heads, -1)).transpose(1, 2)
key = layer.k_proj(tokens + positions).unflatten(-1, (heads, -1)).transpose(1, 2)
scores = query @ key.mT / math.sqrt(query.shape[-1])
weights = scores.softmax(dim=-1)  # [1, heads, places, places]
library = outputs.encoder_attentions[0]

print("attention of one layer:", tuple(library.shape))
print(f"largest difference to the library: {(weights - library).abs().max():.6f}")

assert torch.allclose(weights, library, atol=1e-4)  # claim: detr-attention-by-hand
assert library.shape == (1, heads, rows * columns, rows * columns)  # claim: detr-encoder


# %% padding-attention
padded = model(**batch, output_attentions=True)
lost = model.model.backbone(**batch)[-1][1].flatten(1) == 0  # [2, places]: padding
to_padding = [weights.mean(dim=(1, 2))[lost].sum().item() for weights in padded.encoder_attentions]
to_padding += [weights.mean(dim=(1, 2))[lost].sum().item() for weights in padded.cross_attentions]
print("places of padding in each image:", lost.sum(dim=1).tolist())
print("attention that they get, in all layers:", sum(to_padding))

careless = model(pixel_values=batch["pixel_values"])  # no mask: all places count
moved = (careless.pred_boxes - padded.pred_boxes).abs().max().item()
print(f"without the mask a box moves by up to {moved:.1%} of the image")

assert lost.any() and sum(to_padding) == 0  # claim: detr-padding-unseen
assert moved > 0  # claim: detr-mask-matters


# %% encoder-maps tags=["trained"]
POINTS = {"sphere": (0.79, 0.41), "torus": (0.64, 0.77), "wall": (0.5, 0.15)}
# full size: POINTS = {"cup": (0.48, 0.4), "spoon": (0.61, 0.7), "table": (0.1, 0.6)}
last = outputs.encoder_attentions[-1][0].mean(dim=0)  # [places, places]: the mean over the heads

figure, axes = plt.subplots(1, 3, figsize=(8, 3))
for axis, (name, (x, y)) in zip(axes, POINTS.items()):
    place = int(y * rows) * columns + int(x * columns)
    seen = last[place].view(rows, columns)
    axis.imshow(image, extent=(0, columns, rows, 0))
    axis.imshow(seen.numpy(), extent=(0, columns, rows, 0), alpha=0.65)
    axis.plot(x * columns, y * rows, "o", color="white", markeredgecolor="black", markersize=9)
    axis.set_title(name)
    axis.axis("off")
plt.show()


# %% held-out tags=["trained", "compact"]
scenes = np.load("docs/assets/scenes/held-out-scenes.npz")
batch = processor(list(scenes["images"]), return_tensors="pt")["pixel_values"]
known = [label >= 0 for label in scenes["labels"]]  # which of the six rows hold an object
answers = [dict(model.model(part, output_attentions=True)) for part in batch.split(50)]
states = torch.cat([answer["last_hidden_state"] for answer in answers])


def read(states):
    """What the two heads make of the decoder's vectors."""
    boxes = model.bbox_predictor(states).sigmoid()
    return SimpleNamespace(logits=model.class_labels_classifier(states), pred_boxes=boxes)


everything = read(states)
everywhere = [(96, 96)] * len(batch)
predictions = processor.post_process_object_detection(everything, 0.0, everywhere)
objects = sum(row.sum() for row in known)
print(len(batch), "scenes with", objects, "objects;", states.shape[1], "predictions each")


def objects_of(scene, label=None):
    """The true boxes of a scene, those of one label if one is given."""
    chosen = known[scene] if label is None else scenes["labels"][scene] == label
    return torch.tensor(scenes["boxes"][scene][chosen]).float()


# %% encoder-objects tags=["trained", "compact"]
shares, area = [], []
for layer in range(config.encoder_layers):
    maps = torch.cat([answer["encoder_attentions"][layer].mean(dim=1) for answer in answers])
    inside = []
    for scene, segments in enumerate(torch.tensor(scenes["segments"])):
        for number in range(2, int(segments.max()) + 1):
            cover = nn.functional.avg_pool2d((segments == number)[None].float(), stride).flatten()
            if cover.max() == 1:  # a place that lies wholly on the object
                inside.append((maps[scene, cover.argmax()] * cover).sum().item())
                area.append(cover.mean().item())
    shares.append(np.mean(inside))
    print(f"layer {layer + 1}: {shares[-1]:.1%} of the attention falls on the object itself")
print(f"{len(inside)} objects, which fill {np.mean(area):.1%} of the image on average")

assert shares[0] > np.mean(area)  # claim: detr-encoder-objects
assert shares[-1] < shares[0]  # claim: detr-encoder-elsewhere

# %% queries
queries = model.model.query_position_embeddings.weight
start = heard["model.decoder.layers.0.self_attn.v_proj"]
asked = heard["model.decoder.layers.0.self_attn.q_proj"]
print("this model:     ", tuple(queries.shape))
print("published model:", tuple(published.model.query_position_embeddings.weight.shape))
print("values at the decoder's start: from", start.min().item(), "to", start.max().item())

said = model.model.decoder.layers[0].self_attn(start, position_embeddings=queries[None])[0][0]
print(f"first self-attention, difference between queries: {(said - said[0]).abs().max():.6f}")

assert published.model.query_position_embeddings.weight.shape == (100, 256)  # claim: detr-queries
assert torch.equal(asked[0], queries) and (start == 0).all()  # claim: detr-queries-start
assert torch.allclose(said, said[[0]].expand_as(said), atol=1e-5)  # claim: detr-first-idle


# %% cross-attention
memory = outputs.encoder_last_hidden_state
for i in range(config.decoder_layers):
    name = f"model.decoder.layers.{i}"
    query, key, value = (heard[f"{name}.encoder_attn.{end}"] for end in ENDS)
    assert torch.equal(value, memory)  # claim: detr-memory
    assert torch.allclose(key, memory + positions, atol=1e-4)  # claim: detr-cross-keys
    own = heard[f"{name}.self_attn.q_proj"] - heard[f"{name}.self_attn.v_proj"]
    assert torch.allclose(own, queries[None], atol=1e-4)  # claim: detr-queries-again
print(config.decoder_layers, "layers, cross-attention", tuple(outputs.cross_attentions[0].shape))

changes = []
states = [torch.zeros_like(queries[None]), *outputs.decoder_hidden_states[-config.decoder_layers :]]
for i, (before, after) in enumerate(zip(states, states[1:]), start=1):
    changes.append((after - before).norm(dim=-1).mean().item())
    print(f"layer {i}: a query's vector moves by {changes[-1]:.1f} on average")
other = model(pixel_values=pixels.flip(-1), output_hidden_states=True).decoder_hidden_states
sees = [(a - b).abs().max().item() for a, b in zip(states[1:], other[-config.decoder_layers :])]
assert min(changes) > 0.01 and min(sees) > 1e-4  # claim: detr-queries-updated


# %% parallel
calls = []
counter = model.model.decoder.register_forward_hook(lambda *parts: calls.append(1))
straight = model(**inputs)
torch.manual_seed(0)
order = torch.randperm(config.num_queries)
kept = queries.clone()
queries.copy_(kept[order])  # the same queries in another order
shuffled = model(**inputs)
queries.copy_(kept)
counter.remove()

later = outputs.decoder_attentions[0][0].triu(diagonal=1)  # from each query to those after it
print("passes through the decoder:", len(calls), "for two forward passes")
boxes, logits = straight.pred_boxes[:, order], straight.logits[:, order]
print(f"queries shuffled, boxes differ by {(shuffled.pred_boxes - boxes).abs().max():.6f}")

assert len(calls) == 2  # claim: detr-one-pass
assert torch.allclose(shuffled.pred_boxes, boxes, atol=1e-4)  # claim: detr-parallel
assert torch.allclose(shuffled.logits, logits, atol=1e-3)  # claim: detr-parallel-labels
assert (later.sum(dim=(0, 2))[:-1] > 0).all()  # claim: detr-no-causal-mask


# %% heads
classify, locate = model.class_labels_classifier, model.bbox_predictor.layers
states = outputs.last_hidden_state
logits = states @ classify.weight.T + classify.bias
for i, part in enumerate(locate):
    states = states @ part.weight.T + part.bias
    states = states.sigmoid() if i == len(locate) - 1 else states.relu()
print("labels:", config.num_labels, "logits of a query:", logits.shape[-1])
print("published model:", published.class_labels_classifier)
print("box layers:", [tuple(part.weight.shape) for part in locate])

assert type(classify) is nn.Linear  # claim: detr-one-layer
assert torch.allclose(logits, outputs.logits, atol=1e-3)  # claim: detr-heads
assert classify.out_features == config.num_labels + 1  # claim: detr-no-object
assert published.class_labels_classifier.out_features == 92  # claim: detr-no-object-published
assert len(locate) == 3 and torch.allclose(states, outputs.pred_boxes)  # claim: detr-box-head


# %% interpret
probabilities = outputs.logits[0].softmax(dim=-1)
scores, labels = probabilities[:, :-1].max(dim=-1)  # the last class is "no object"
x, y, w, h = outputs.pred_boxes[0].unbind(dim=-1)  # shares of the image
across, down = image.size
boxes = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=-1)  # corners
boxes = boxes * torch.tensor([across, down, across, down])  # in pixels
THRESHOLD = 0.7  # full size: 0.01
keep = scores > THRESHOLD
library = processor.post_process_object_detection(outputs, THRESHOLD, [(down, across)])[0]
print(f"{keep.sum()} of {len(keep)} queries are kept")

assert torch.allclose(boxes[keep], library["boxes"], atol=0.01)  # claim: detr-interpret
assert torch.equal(labels[keep], library["labels"])  # claim: detr-interpret-labels


# %% end-to-end
logits, boxes = outputs.logits, outputs.pred_boxes
twice = SimpleNamespace(logits=logits.repeat(1, 2, 1), pred_boxes=boxes.repeat(1, 2, 1))
once = processor.post_process_object_detection(outputs, 0.0)[0]["boxes"]
doubled = processor.post_process_object_detection(twice, 0.0)[0]["boxes"]
print(f"{len(once)} predictions; each one given twice: {len(doubled)}")

source = inspect.getsource(sys.modules[type(model).__module__])
source += inspect.getsource(sys.modules[type(processor).__module__])
words = {word: source.lower().count(word) for word in ("anchor", "nms", "suppression")}
print("words in the model's and the processor's source:", words)
convolutions = [name for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
with_convolutions = {name.split(".")[1] for name in convolutions}
print("parts:", [name for name, _ in model.model.named_children()])
print("with convolutions:", sorted(with_convolutions))

assert torch.equal(doubled, once.repeat(2, 1))  # claim: detr-no-suppression
assert not any(words.values())  # claim: detr-end-to-end
assert with_convolutions == {"backbone", "input_projection"}  # claim: detr-parts


# %% targets
simple = Image.open("docs/assets/scenes/scene-simple.png")  # full size: image
CLASSES = [0, 1, 2]  # full size: [47, 50, 67]
CORNERS = [[112, 152, 160, 204], [200, 160, 256, 212], [36, 160, 88, 244]]  # in pixels
# full size: CORNERS = [[172, 18, 409, 308], [326, 66, 425, 326], [0, 0, 600, 400]]
truth = torch.tensor(CORNERS) / torch.tensor(simple.size * 2)  # as shares of the image
centres, sizes = (truth[:, :2] + truth[:, 2:]) / 2, truth[:, 2:] - truth[:, :2]
target = {"class_labels": torch.tensor(CLASSES), "boxes": torch.cat([centres, sizes], dim=-1)}

notes = []  # the same in COCO's format: left, top, width and height in pixels
for label, (left, top, right, bottom) in zip(CLASSES, CORNERS):
    box, area = [left, top, right - left, bottom - top], (right - left) * (bottom - top)
    notes.append({"bbox": box, "category_id": label, "area": area, "iscrowd": 0})
scene = {"image_id": 0, "annotations": notes}
(library,) = processor(simple, annotations=scene, return_tensors="pt")["labels"]
for label, box in zip(CLASSES, target["boxes"].tolist()):
    print(f"{config.id2label[label]:9}", [round(number, 3) for number in box])

assert torch.allclose(library["boxes"], target["boxes"], atol=1e-4)  # claim: detr-targets
assert torch.equal(library["class_labels"], target["class_labels"])  # claim: detr-target-labels


# %% padded-targets
pair = processor([simple, strip], annotations=[scene, scene], size=flexible, return_tensors="pt")
real = pair["pixel_mask"][0].float()
ratio = torch.tensor([real[0].mean(), real[:, 0].mean()] * 2)  # real share of width and height
shrunk = pair["labels"][0]["boxes"]
print("alone:     ", [round(number, 3) for number in target["boxes"][0].tolist()])
print("in a batch:", [round(number, 3) for number in shrunk[0].tolist()])

expected = target["boxes"] * ratio
assert ratio.min() < 1 and torch.allclose(shrunk, expected, atol=1e-3)  # claim: detr-padded-targets


# %% iou
def pixels_of(box):
    left, top, right, bottom = box
    area = torch.zeros(100, 400, dtype=torch.bool)
    area[top:bottom, left:right] = True
    return area


first, table = (20, 20, 80, 80), []
for step in 0, 15, 30, 60, 120, 240:
    second = (20 + step, 20, 80 + step, 80)  # the same box, moved to the right
    one, two, frame = pixels_of(first), pixels_of(second), pixels_of((20, 20, 80 + step, 80))
    iou = (one & two).sum() / (one | two).sum()  # pixels in both, by pixels in any
    giou = iou - (frame & ~one & ~two).sum() / frame.sum()  # less the frame's empty share
    pair = torch.tensor([first]).float(), torch.tensor([second]).float()
    library = detr_loss.box_iou(*pair)[0], detr_loss.generalized_box_iou(*pair)
    table.append((iou, giou, library[0][0, 0], library[1][0, 0]))
    print(f"moved by {step:3} pixels: IoU {iou:5.2f}, generalised IoU {giou:5.2f}")

ious, gious, library_ious, library_gious = (torch.stack(column) for column in zip(*table))
assert torch.allclose(ious, library_ious, atol=1e-5)  # claim: detr-iou
assert torch.allclose(gious, library_gious, atol=1e-5)  # claim: detr-giou
assert (ious[3:] == 0).all() and (gious[3:].diff() < 0).all()  # claim: detr-giou-apart


# %% costs
def corners(boxes):
    middle, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([middle - size / 2, middle + size / 2], dim=-1)


view = processor(simple, return_tensors="pt")
predicted = model(**view)
boxes, chances = predicted.pred_boxes[0], predicted.logits[0].softmax(dim=-1)
class_cost = -chances[:, target["class_labels"]]  # [queries, objects]
box_cost = (boxes[:, None] - target["boxes"][None]).abs().sum(dim=-1)
giou_cost = -detr_loss.generalized_box_iou(corners(boxes), truth)
cost = config.class_cost * class_cost + config.bbox_cost * box_cost + config.giou_cost * giou_cost

print("weights:", config.class_cost, config.bbox_cost, config.giou_cost)
print("query" + "".join(f"{config.id2label[label]:>10}" for label in CLASSES))
listed = cost.min(dim=1).values.argsort()[:12].sort().values  # at most twelve rows
for i in listed.tolist():
    print(f"{i:5}" + "".join(f"{number:10.2f}" for number in cost[i]))


# %% matching
count = len(CLASSES)
cheapest = [cost[:, j].argsort()[:count].tolist() for j in range(count)]
choices = [rows for rows in product(*cheapest) if len(set(rows)) == count]  # no query twice
totals = [sum(cost[i, j].item() for j, i in enumerate(rows)) for rows in choices]
best = choices[totals.index(min(totals))]
for i, label in zip(best, CLASSES):
    print(f"query {i} takes the {config.id2label[label]}")
print(f"total cost {min(totals):.2f}, the cheapest of {len(choices)} ways")

matcher = detr_loss.HungarianMatcher(config.class_cost, config.bbox_cost, config.giou_cost)
((rows_matched, columns_matched),) = matcher(predicted, [target])
pairs = dict(zip(columns_matched.tolist(), rows_matched.tolist()))

assert pairs == dict(enumerate(best))  # claim: detr-matching


# %% pairs tags=["trained", "compact"]
figure, axes = plt.subplots(1, 2, figsize=(8, 4))
across, down = simple.size
scale = torch.tensor([across, down, across, down])
for axis, title in zip(axes, ["all predictions", "the pairs"]):
    axis.imshow(simple)
    axis.set(title=title, xlim=(0, across), ylim=(down, 0))
    axis.axis("off")
drawn = corners(boxes) * scale
for i, box in enumerate(drawn.tolist()):
    style = {"ec": "black", "lw": 2} if i in best else {"ec": "black", "lw": 1.2, "ls": ":"}
    outline(axes[0], box, **style)
style = {"color": "black", "backgroundcolor": "white", "fontsize": 10}
for j, i in enumerate(best):
    outline(axes[1], (truth[j] * scale).tolist(), ec="white", lw=4)
    outline(axes[1], drawn[i].tolist(), ec="black", lw=1.5)
    axes[1].text(drawn[i, 0], drawn[i, 1] - 10, f"query {i}", **style)
plt.show()


# %% greedy
small = np.array([[1, 2], [2, 9]])  # two queries, two objects
greedy = small.min() + small[1, 1]  # the cheapest pair first, then what is left
together = small[linear_sum_assignment(small)].sum()
print("greedy:", greedy, "together:", together)

assert together < greedy  # claim: detr-not-greedy


# %% loss-by-hand
single = copy.deepcopy(config)
single.auxiliary_loss = False  # the last layer alone
logits = predicted.logits
loss, parts, _ = model.loss_function(logits, [target], "cpu", predicted.pred_boxes, single)

wanted = torch.full((config.num_queries,), config.num_labels)  # "no object" for all
wanted[list(best)] = target["class_labels"]  # but the matched ones
weight = torch.where(wanted == config.num_labels, config.eos_coefficient, 1.0)
surprise = -logits[0].log_softmax(dim=-1)[range(config.num_queries), wanted]
class_loss = (weight * surprise).sum() / weight.sum()
box_loss = (boxes[list(best)] - target["boxes"]).abs().sum() / count
overlaps = detr_loss.generalized_box_iou(corners(boxes[list(best)]), truth).diag()
giou_loss = (1 - overlaps).mean()
terms = {"loss_ce": class_loss, "loss_bbox": box_loss, "loss_giou": giou_loss}
factors = {"loss_ce": 1, "loss_bbox": config.bbox_loss_coefficient}
factors["loss_giou"] = config.giou_loss_coefficient
total = sum(factors[name] * term for name, term in terms.items())
for name, term in terms.items():
    print(f"{name:9} {term:7.4f} times {factors[name]}")
print(f"together  {total:7.4f}; weight of no object: {config.eos_coefficient}")

assert torch.allclose(class_loss, parts["loss_ce"], atol=1e-4)  # claim: detr-loss-class
assert torch.allclose(box_loss, parts["loss_bbox"], atol=1e-4)  # claim: detr-loss-box
assert torch.allclose(giou_loss, parts["loss_giou"], atol=1e-4)  # claim: detr-loss-giou
assert torch.allclose(total, loss, atol=1e-3)  # claim: detr-loss-sum


# %% unmatched
logits = predicted.logits.clone().requires_grad_(True)
spots = predicted.pred_boxes.clone().requires_grad_(True)
loss, _, _ = model.loss_function(logits, [target], "cpu", spots, single)
loss.backward()
free = wanted == config.num_labels
print(f"{free.sum()} of {config.num_queries} queries are not matched")
print("their boxes get a gradient:", bool((spots.grad[0, free] != 0).any()))
print("matched boxes get one:     ", bool((spots.grad[0, ~free] != 0).all()))

slope = logits.grad[0, free]  # negative: larger is better
assert (slope[:, -1] < 0).all() and (slope[:, :-1] > 0).all()  # claim: detr-padding
assert (spots.grad[0, free] == 0).all()  # claim: detr-no-box-for-nothing


# %% wrong
def losses(logits, boxes):
    total, parts, _ = model.loss_function(logits[None], [target], "cpu", boxes[None], single)
    return [*(parts[name].item() for name in terms), total.item()]


saying = torch.full((config.num_queries,), config.num_labels)
saying[:count] = target["class_labels"]
perfect = 20.0 * nn.functional.one_hot(saying, config.num_labels + 1)  # sure, and right
at = torch.full((config.num_queries, 4), 0.5)
at[:count] = target["boxes"]
cases = {name: (perfect.clone(), at.clone()) for name in ["all right", "wrong class", "wrong box"]}
cases |= {name: (perfect.clone(), at.clone()) for name in ["missed", "invented", "found twice"]}
cases["wrong class"][0][0] = perfect[1]  # the first query says the second one's class
cases["wrong box"][1][0, :2] += 0.05  # its box moves by a twentieth of the image
cases["missed"][0][0] = perfect[-1]  # it says "no object"
cases["invented"][0][-1] = perfect[0]  # a free query says that there is one
cases["found twice"][0][-1], cases["found twice"][1][-1] = perfect[0], at[0]
print(f"{'':12} class    box   GIoU  together")
results = {name: losses(*case) for name, case in cases.items()}
for name, numbers in results.items():
    print(f"{name:11}" + "".join(f"{number:7.3f}" for number in numbers))

for name in list(results)[1:]:
    assert results[name][-1] > results["all right"][-1] + 0.1  # claim: detr-loss
assert results["wrong box"][0] == results["all right"][0]  # claim: detr-loss-apart


# %% auxiliary
trial = copy.deepcopy(model)
trial.config.auxiliary_loss = True
result = trial(**view, labels=[target])
total = 0
for name, term in result.loss_dict.items():
    kind = name.rstrip("0123456789").rstrip("_")  # loss_ce_0 is the first layer's loss_ce
    total += factors.get(kind, 0) * term
layers = [name for name in result.loss_dict if name.startswith("loss_ce")]
print("the loss of each layer:", layers)
print("switched on in this checkpoint:", config.auxiliary_loss)

assert len(layers) == config.decoder_layers  # claim: detr-auxiliary
assert torch.allclose(total, result.loss, atol=1e-2)  # claim: detr-auxiliary-sum


# %% auxiliary-norm tags=["trained", "compact"]
trial.config.auxiliary_loss = False
plain = trial(**view)
moved = (plain.pred_boxes - result.pred_boxes)[0, list(best)].abs().max().item()
print(f"switched off, a box of the three moves by up to {moved:.2%} of the image")

assert moved > 1e-4  # claim: detr-auxiliary-norm


# %% settle tags=["trained", "compact"]
view = processor(image, return_tensors="pt")
steps = model.model(**view).intermediate_hidden_states[:, 0]  # [layers, queries, width]
across, down = image.size
scale = torch.tensor([across, down, across, down])
sure = read(steps[-1]).logits.softmax(dim=-1)[:, :-1].amax(dim=-1) > 0.7

figure, axes = plt.subplots(1, len(steps), figsize=(8, 3))
for i, (axis, states) in enumerate(zip(axes, steps), start=1):
    axis.imshow(image)
    for box in (corners(read(states[sure]).pred_boxes) * scale).tolist():
        outline(axis, box, ec="black", lw=2)
    axis.set(title=f"layer {i}", xlim=(0, across), ylim=(down, 0))
    axis.axis("off")
plt.show()


# %% ranking tags=["trained", "compact"]
def ranked(label, predictions, scenes_used, least=0.5):
    """Score and hit of each prediction of a label, the surest first; the number of objects."""
    rows, objects = [], 0
    for scene in scenes_used:
        left = objects_of(scene, label)
        objects += len(left)
        mine = predictions[scene]["labels"] == label
        scores, boxes = predictions[scene]["scores"][mine], predictions[scene]["boxes"][mine]
        for i in scores.argsort(descending=True).tolist():
            overlap = detr_loss.box_iou(boxes[[i]], left)[0][0] if len(left) else torch.zeros(1)
            hit = overlap.max().item() >= least
            if hit:  # each object can be found once
                left = left[torch.arange(len(left)) != overlap.argmax()]
            rows.append((scores[i].item(), hit))
    return sorted(rows, reverse=True), objects


rows, objects = ranked(4, predictions, range(10))
print(f"{objects} tori in ten scenes")
hits = 0
for number, (score, hit) in enumerate(rows[: objects + 3], start=1):
    hits += hit
    print(f"{number:2}  score {score:.2f}  {'hit ' if hit else 'miss'}", end="  ")
    print(f"precision {hits / number:.2f}  recall {hits / objects:.2f}")


# %% average-precision tags=["trained", "compact"]
def average_precision(rows, objects):
    """COCO's: the mean over 101 recalls of the best precision at this recall or a higher one."""
    hits = np.cumsum([hit for _, hit in rows])
    precision, recall = hits / np.arange(1, len(rows) + 1), hits / objects
    wanted = np.linspace(0, 1, 101)
    return [max(precision[recall >= least], default=0) for least in wanted], wanted


figure, axis = plt.subplots(figsize=(5, 3))
values = {}
for label, name in config.id2label.items():
    curve, recalls = average_precision(*ranked(label, predictions, range(len(batch))))
    values[name] = np.mean(curve)
    axis.plot(recalls, curve, label=name)
axis.set(xlabel="recall", ylabel="precision", ylim=(0, 1.05))
axis.legend(ncols=2)
plt.show()

ap50 = np.mean(list(values.values()))
print({name: round(float(value), 3) for name, value in values.items()})
print(f"AP50: {ap50:.3f}")

assert ap50 > 0.85  # claim: detr-works


# %% layers tags=["trained", "compact"]
layers = [answer["intermediate_hidden_states"] for answer in answers]
layers = torch.cat(layers, dim=1)  # [layers, scenes, queries, width]
settled = []
for i, states in enumerate(layers, start=1):
    listed = processor.post_process_object_detection(read(states), 0.0, everywhere)
    rankings = [ranked(label, listed, range(len(batch))) for label in config.id2label]
    settled.append(np.mean([np.mean(average_precision(*each)[0]) for each in rankings]))
    kept = sum((each["scores"] > 0.7).sum().item() for each in listed)
    print(f"after layer {i}: AP50 {settled[-1]:.3f}, {kept} predictions above 0.7")

final = torch.cat([answer["last_hidden_state"] for answer in answers])
again = model.model.decoder.layernorm(layers[-1])
assert settled[1] - settled[0] > abs(settled[2] - settled[1])  # claim: detr-layers-settle
assert torch.allclose(again, final, atol=1e-4)  # claim: detr-norm-twice


# %% alone tags=["trained", "compact"]
lonely = []
for ask in queries.split(1):  # the same decoder, with one query at a time
    parts = []
    for answer in answers:
        memory = answer["encoder_last_hidden_state"]
        asked = ask.expand(len(memory), 1, -1)
        parts.append(
            model.model.decoder(
                torch.zeros_like(asked),
                encoder_hidden_states=memory,
                spatial_position_embeddings=positions.expand(len(memory), -1, -1),
                object_queries_position_embeddings=asked,
            ).last_hidden_state
        )
    lonely.append(torch.cat(parts))

counts = []
for name, states in ("together", final), ("alone", torch.cat(lonely, dim=1)):
    pairs = total = 0
    for found in processor.post_process_object_detection(read(states), 0.7, everywhere):
        same = found["labels"][:, None] == found["labels"]
        near = detr_loss.box_iou(found["boxes"], found["boxes"])[0] > 0.5
        pairs += (same & near).triu(diagonal=1).sum().item()
        total += len(found["scores"])
    counts.append(pairs)
    print(f"{name:9} {total} sure predictions, {pairs:3} pairs of them on one object")

assert counts[1] > 5 * counts[0]  # claim: detr-no-duplicates


# %% suppression tags=["trained", "compact"]
def suppressed(found):
    """Non-maximum suppression: drops what repeats a surer prediction of the same label."""
    overlap = detr_loss.box_iou(found["boxes"], found["boxes"])[0]
    kept = []
    for i in found["scores"].argsort(descending=True).tolist():
        rivals = [j for j in kept if found["labels"][j] == found["labels"][i]]
        if not (overlap[i, rivals] > 0.5).any():
            kept.append(i)
    return {name: values[kept] for name, values in found.items()}


filtered = [suppressed(found) for found in predictions]
rankings = [ranked(label, filtered, range(len(batch))) for label in config.id2label]
with_filter = np.mean([np.mean(average_precision(*each)[0]) for each in rankings])
lists = predictions, filtered
sure = [sum((found["scores"] > 0.7).sum().item() for found in each) for each in lists]
print(f"sure predictions: {sure[0]}, after suppression {sure[1]}")
print(f"AP50: {ap50:.3f}, after suppression {with_filter:.3f}")

assert with_filter > ap50 and sure[1] < sure[0]  # claim: detr-suppression

# %% cross-maps tags=["trained", "compact"]
pixels = view["pixel_values"].clone().requires_grad_(True)
seen = model(pixels, output_attentions=True)
looks = seen.cross_attentions[-1][0].mean(dim=0)  # [queries, places], the mean over the heads
chances, labels = seen.logits[0].softmax(dim=-1)[:, :-1].max(dim=-1)
chosen = chances.argsort(descending=True)[:3].tolist()

figure, axes = plt.subplots(2, 3, figsize=(7, 5.2))
for i, (upper, lower) in zip(chosen, axes.T):
    evidence = seen.logits[0, i, labels[i]] - seen.logits[0, i, -1]  # for it, against "no object"
    (gradient,) = torch.autograd.grad(evidence, pixels, retain_graph=True)
    strength = nn.functional.avg_pool2d(gradient.abs().sum(dim=1), stride)[0]
    for axis, values in (upper, looks[i].view(features.shape[2:])), (lower, strength):
        axis.imshow(image)
        axis.imshow(values.detach().numpy(), extent=(0, across, down, 0), alpha=0.65)
        outline(axis, (corners(seen.pred_boxes[0, i]) * scale).tolist(), ec="white", lw=1.5)
        axis.axis("off")
    upper.set_title(f"{config.id2label[labels[i].item()]}, query {i}")
plt.show()

# %% cross-objects tags=["trained", "compact"]
few = batch[:24].clone().requires_grad_(True)
seen = model(few, output_attentions=True)
looks = seen.cross_attentions[-1].mean(dim=1)  # [scenes, queries, places]
attended, depends, area = [], [], []
for i in range(config.num_queries):
    evidence = (seen.logits[:, i, :-1].amax(dim=-1) - seen.logits[:, i, -1]).sum()
    (gradient,) = torch.autograd.grad(evidence, few, retain_graph=True)
    strength = gradient.abs().sum(dim=1)  # [scenes, 96, 96]: how much each pixel counts
    for scene in (everything.logits[:24, i].softmax(dim=-1)[:, :-1].amax(dim=-1) > 0.7).nonzero():
        edges = predictions[scene]["boxes"][i].round().int().clamp(0, 96)
        left, top, right, bottom = edges.tolist()
        box = torch.zeros(1, 96, 96)
        box[0, top:bottom, left:right] = 1
        cover = nn.functional.avg_pool2d(box, stride).flatten()
        attended.append((looks[scene, i] * cover).sum().item())
        depends.append((strength[scene] * box).sum().item() / strength[scene].sum().item())
        area.append(box.mean().item())
print(f"{len(area)} sure predictions, whose boxes fill {np.mean(area):.1%} of the image on average")
print(f"attention that falls into the own box: {np.mean(attended):.1%}")
print(f"gradient that falls into the own box:  {np.mean(depends):.1%}")

assert np.mean(attended) < np.mean(area)  # claim: detr-attention-elsewhere
assert np.mean(depends) > 2 * np.mean(area)  # claim: detr-cross-objects

# %% regions tags=["trained", "compact"]
figure, axes = plt.subplots(3, 4, figsize=(7, 5.4))
spots = everything.pred_boxes[..., :2]  # [scenes, queries, 2]
sure = everything.logits.softmax(dim=-1)[..., :-1].amax(dim=-1) > 0.7
spread, used = [], sure.float().mean(dim=0)
for i, axis in enumerate(axes.flat):
    mine = spots[sure[:, i], i]
    axis.plot(mine[:, 0], mine[:, 1], ".", markersize=3)
    axis.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[], aspect="equal")
    axis.set_title(f"query {i}: {used[i]:.0%}")
    if len(mine) > 9:
        spread.append(mine.std(dim=0).norm().item())
plt.show()
overall = spots[sure].std(dim=0).norm().item()
print(f"spread of the centres: all {overall:.3f}, of one query {np.mean(spread):.3f} on average")

assert np.mean(spread) < 0.7 * overall  # claim: detr-query-regions


# %% failures tags=["trained", "compact"]
HARD = {"hidden": 43, "tiny": 189, "cut": 76}
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
for axis, (name, scene) in zip(axes, HARD.items()):
    axis.imshow(Image.open(f"docs/assets/scenes/scene-{name}.png"), extent=(0, 96, 96, 0))
    sure = predictions[scene]["scores"] > 0.7
    boxes, labels = predictions[scene]["boxes"][sure], predictions[scene]["labels"][sure]
    truth, right = objects_of(scene), torch.tensor(scenes["labels"][scene][known[scene]])
    good = (detr_loss.box_iou(boxes, truth)[0] > 0.5) & (labels[:, None] == right)
    wrong, missed = ~good.any(dim=1), ~good.any(dim=0)
    for some, style in (boxes[~wrong], "black"), (boxes[wrong], "red"), (truth[missed], "white"):
        for box in some.tolist():
            outline(axis, box, ec=style, lw=2, ls=":" if style == "white" else "-")
    axis.set_title(name)
    axis.axis("off")
    said = [config.id2label[i] for i in labels[wrong].tolist()]
    lost = [config.id2label[i] for i in right[missed].tolist()]
    print(f"{name}: {good.any(dim=0).sum()} of {len(truth)} found")
    print(f"    missed: {', '.join(lost) or 'none'}; wrong: {', '.join(said) or 'none'}")
plt.show()

# %% hard-objects tags=["trained", "compact"]
rows = []
for scene, found in enumerate(predictions):
    sure = found["scores"] > 0.7
    overlap = detr_loss.box_iou(found["boxes"][sure], objects_of(scene))[0] > 0.5
    for i, label in enumerate(scenes["labels"][scene][known[scene]]):
        left, top, right, bottom = scenes["boxes"][scene][i].tolist()
        size, cut = math.sqrt((right - left) * (bottom - top)), left == 0 or right == 96
        named = (overlap[:, i] & (found["labels"][sure] == label)).any().item()
        rows.append((size, scenes["visible"][scene][i], cut, named, overlap[:, i].any().item()))
sizes, visible, cut, named, boxed = (np.array(column) for column in zip(*rows))
groups = {
    "all": sizes > 0,
    "smaller than 12 pixels": sizes < 12,
    "12 to 20 pixels": (sizes >= 12) & (sizes < 20),
    "larger": sizes >= 20,
    "less than half visible": visible < 0.5,
    "wholly visible": visible > 0.98,
    "cut by the frame": cut,
}
for name, chosen in groups.items():
    print(f"{name:23} {chosen.sum():4} objects, {named[chosen].mean():4.0%} found")
print("missed:", (~named).sum(), "of them boxed, with another label:", (boxed & ~named).sum())

found_of = {name: named[chosen].mean() for name, chosen in groups.items()}
assert found_of["smaller than 12 pixels"] < found_of["larger"]  # claim: detr-small-harder
assert found_of["less than half visible"] < found_of["wholly visible"]  # claim: detr-hidden-harder
