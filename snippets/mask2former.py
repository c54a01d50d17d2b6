# %% [markdown]
# # Image segmentation with Mask2Former
#
# One forward pass, three kinds of segmentation; masks, attention and losses computed by hand.
# Run it from the project's root: `python snippets/mask2former.py`.

# %% setup
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import nn
from transformers import AutoConfig, AutoImageProcessor, AutoModelForUniversalSegmentation

# full size: from skimage.data import chelsea

CHECKPOINT = "checkpoints/mask2former-scenes"  # full size: "facebook/mask2former-swin-tiny-coco-panoptic"
image = Image.open("docs/assets/scenes/scene-apart.png")  # full size: Image.fromarray(chelsea())
STUFF = {5, 6}  # full size: set(range(80, 133))

processor = AutoImageProcessor.from_pretrained(CHECKPOINT, backend="pil")
model = AutoModelForUniversalSegmentation.from_pretrained(CHECKPOINT, dtype=torch.float32)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"{config.num_queries} queries, {config.num_labels} classes")

# %% three-lines tags=["trained"]
CONTENT = {"cone", "cube", "cylinder", "sphere", "torus", "floor", "wall"}  # full size: {"cat"}

inputs = processor(image, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
result = processor.post_process_panoptic_segmentation(  # interpret
    outputs, label_ids_to_fuse=STUFF, target_sizes=[image.size[::-1]]
)[0]

plt.figure(figsize=(4.2, 4.2))
plt.imshow(image.convert("L"), cmap="gray")
plt.imshow(result["segmentation"], cmap="tab20", alpha=0.6)
for segment in result["segments_info"]:
    rows, columns = np.nonzero(result["segmentation"] == segment["id"]).float().mean(dim=0)
    columns = image.width / 8 if segment["was_fused"] else columns  # floor and wall: further left
    name = config.id2label[segment["label_id"]]
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    plt.text(columns, rows, name, ha="center", color="black", bbox=box)
plt.axis("off")
plt.show()

found = {config.id2label[segment["label_id"]] for segment in result["segments_info"]}
assert found >= CONTENT  # claim: m2f-first-prediction

# %% universal
size = image.size[::-1]  # height and width
pixels = processor(image, return_tensors="pt")["pixel_values"]
outputs = model(pixels)  # one forward pass

semantic = processor.post_process_semantic_segmentation(outputs, target_sizes=[size])[0]
instance = processor.post_process_instance_segmentation(outputs, target_sizes=[size])[0]
panoptic = processor.post_process_panoptic_segmentation(outputs, label_ids_to_fuse=STUFF, target_sizes=[size])[0]

maps = {"semantic": semantic, "instance": instance["segmentation"]}
maps["panoptic"] = panoptic["segmentation"]
print("picture:", tuple(pixels.shape))
for name, each in maps.items():
    print(f"{name:8} map: {tuple(each.shape)}")
print("extras of the last two:", list(instance), list(panoptic))

assert {tuple(each.shape) for each in maps.values()} == {size}  # claim: m2f-universal

# %% kinds tags=["trained", "compact"]
things = [each for each in instance["segments_info"] if each["label_id"] not in STUFF]
stuff = [each for each in instance["segments_info"] if each["label_id"] in STUFF]
separate = torch.full(size, -1)
for number, each in enumerate(things):
    separate[instance["segmentation"] == each["id"]] = number

figure, axes = plt.subplots(1, 3, figsize=(5.7, 2.2))
drawn = [semantic, np.ma.masked_less(separate, 0), panoptic["segmentation"]]
for axis, name, each in zip(axes, maps, drawn):
    axis.imshow(image.convert("L"), cmap="gray")
    axis.imshow(each, cmap="tab20", alpha=0.7)
    axis.set_title(name)
    axis.axis("off")
plt.show()

names = [config.id2label[each["label_id"]] for each in things]
print("classes in the semantic map:", len(semantic.unique()))
print("things in the instance map: ", len(things), sorted(names))
print("segments in the panoptic map:", len(panoptic["segments_info"]))

cones = [each["id"] for each in things if config.id2label[each["label_id"]] == "cone"]
places = [semantic[instance["segmentation"] == each] for each in cones]
same_class = [(classes == 0).float().mean() > 0.9 for classes in places]  # class 0: cone
assert len(cones) == 2 and all(same_class)  # claim: m2f-kinds
assert len(stuff) > 0  # claim: m2f-instance-keeps-stuff

# %% vocabularies
NAMES = [CHECKPOINT]  # full size: [CHECKPOINT, "facebook/mask2former-swin-tiny-coco-instance"]

settings = [AutoConfig.from_pretrained(name).to_dict() for name in NAMES]
for name, each in zip(NAMES, settings):
    print(f"{name.split('/')[-1]}: {len(each['id2label'])} classes")
different = {key for each in settings for key in each if each[key] != settings[0][key]}
print("settings in which they differ:", sorted(different) or "there is only one")

# %% mask-classification
classes, masks = outputs.class_queries_logits, outputs.masks_queries_logits
side = pixels.shape[-1]
print("classes:", tuple(classes.shape), "[pictures, queries, classes and one more]")
print("masks:  ", tuple(masks.shape), "[pictures, queries, height, width]")

probability = masks.sigmoid()[0]  # each number on its own: inside this mask or not
total = probability.sum(dim=0)  # over all queries, at each place
print(f"the masks of a place add up to between {total.min():.2f} and {total.max():.2f}")

shapes = (config.num_queries, config.num_labels + 1), (config.num_queries, side // 4, side // 4)
assert (classes.shape[1:], masks.shape[1:]) == shapes  # claim: m2f-mask-classification
assert (total - 1).abs().max() > 0.05  # claim: m2f-masks-independent

# %% queries-listed tags=["trained"]
names = [config.id2label[i] for i in range(config.num_labels)] + ["no object"]
share, guess = classes[0].softmax(dim=-1).max(dim=-1)
for query in share.argsort(descending=True)[:12].tolist():
    area = (probability[query] > 0.5).float().mean()
    label = names[guess[query]]
    print(f"query {query:2}  {label:9}  {share[query]:4.0%}, mask covers {area:5.1%}")

# %% semantic-by-hand
large = nn.functional.interpolate(masks, size=(384, 384), mode="bilinear")  # the library's own step
weights = classes.softmax(dim=-1)[..., :-1]  # without "no object"
scores = torch.einsum("bqc, bqhw -> bchw", weights, large.sigmoid())  # each query votes
by_hand = nn.functional.interpolate(scores, size=size, mode="bilinear")[0].argmax(dim=0)

print(tuple(weights.shape), "and", tuple(large.shape), "give", tuple(scores.shape))

assert torch.equal(by_hand, semantic)  # claim: m2f-semantic-by-hand

# %% panoptic-by-hand tags=["trained"]
keep = (guess < config.num_labels) & (share > 0.5)  # not "no object", and sure enough
soft = nn.functional.interpolate(large.sigmoid(), size=size, mode="bilinear")[0, keep]
winner = (soft * share[keep, None, None]).argmax(dim=0)  # [height, width]: one query a pixel
by_hand = guess[keep][winner]  # its class

label_of = torch.zeros(1 + max(each["id"] for each in panoptic["segments_info"]), dtype=torch.long)
for each in panoptic["segments_info"]:
    label_of[each["id"]] = each["label_id"]
assigned = panoptic["segmentation"] > 0
library = label_of[panoptic["segmentation"].long()]
print(f"{keep.sum()} of {len(keep)} queries compete for the pixels")
print(f"{assigned.float().mean():.1%} of the pixels belong to a segment")

assert torch.equal(by_hand[assigned], library[assigned])  # claim: m2f-panoptic-by-hand

# %% backbone
backbone = model.model.pixel_level_module.encoder
convolutions = [part for part in backbone.modules() if isinstance(part, nn.Conv2d)]
features = backbone(pixels).feature_maps  # what the rest of the model gets
scales = [side // each.shape[-1] for each in features]

print("all convolutions of the backbone:", convolutions)
for scale, each in zip(scales, features):
    print(f"1/{scale:<2} of the width: {tuple(each.shape[1:])}")

kinds = {(layer.kernel_size, layer.stride) for layer in convolutions}
start = len(convolutions), kinds
assert start == (1, {((4, 4), (4, 4))}) and scales == [4, 8, 16, 32]  # claim: m2f-backbone

# %% windows
stage = backbone.swin.encoder.layers[0]
window = config.backbone_config.window_size
states = backbone.swin.embeddings(pixels)[0]  # [1, places, channels]
grid = (side // 4, side // 4)
middle = side // 8 * (grid[0] + 1)  # a place near the middle of the map
torch.manual_seed(0)
changed = states.clone()
changed[0, middle] = torch.randn(states.shape[-1])  # another vector at this one place

reached = []
for block in stage.blocks[:2]:
    states, changed = (block(each, grid, always_partition=True)[0] for each in (states, changed))
    reached.append(((states - changed).abs().amax(dim=-1) > 1e-6).view(grid))

figure, axes = plt.subplots(1, 2, figsize=(5, 2.7))
for axis, each, name in zip(axes, reached, ["windows", "shifted windows"]):
    axis.imshow(each)
    axis.set_title(name)
    axis.axis("off")
plt.show()
counts = [int(each.sum()) for each in reached]
print(f"windows of {window} x {window}; places that changed:", counts)

assert counts == [window**2, (2 * window) ** 2]  # claim: m2f-windows

# %% merging
merge = stage.downsample
table = states.view(1, *grid, -1)
four = [table[:, row::2, column::2] for column, row in product(range(2), range(2))]
beside = torch.cat(four, dim=-1)  # four neighbours, side by side
normal = nn.functional.layer_norm(beside, beside.shape[-1:], merge.norm.weight, merge.norm.bias)
by_hand = normal @ merge.reduction.weight.T

print(tuple(table.shape), "becomes", tuple(beside.shape), "becomes", tuple(by_hand.shape))

library = merge(states, grid).view(by_hand.shape)
assert torch.allclose(by_hand, library, atol=1e-4)  # claim: m2f-merging

# %% pixel-decoder
decoder = model.model.pixel_level_module.decoder
decoded = decoder(features)
pyramid, embeddings = decoded.multi_scale_features, decoded.mask_features
for each in pyramid:
    print(f"handed on to the queries: {tuple(each.shape[1:])}, 1/{side // each.shape[-1]} of the width")
print(f"per-pixel embeddings:     {tuple(embeddings.shape[1:])}, 1/{side // embeddings.shape[-1]}")

sizes = [side // each.shape[-1] for each in (*pyramid, embeddings)]
assert sizes == [32, 16, 8, 4]  # claim: m2f-pixel-decoder

# %% sampling
attention = decoder.encoder.layers[0].self_attn
caught = {}


def keep_call(module, args, kwargs, output):
    caught.update(kwargs, output=output[0])


handle = attention.register_forward_hook(keep_call, with_kwargs=True)
decoder(features)
handle.remove()

heads = attention.n_heads
asking = caught["hidden_states"] + caught["position_embeddings"]  # [1, positions, width]
positions = asking.shape[1]
offsets = attention.sampling_offsets(asking).view(positions, heads, 3, 4, 2)  # in cells
shares = attention.attention_weights(asking).view(positions, heads, 12).softmax(dim=-1)
print("grids:", caught["spatial_shapes_list"], "together", positions, "positions")
print("offsets:", tuple(offsets.shape), "[positions, heads, scales, points, x and y]")
print(f"a head reads {shares.shape[-1]} points, full attention would read {positions} positions")

sampled = attention.n_levels, attention.n_points, attention.sampling_offsets.out_features
assert sampled == (3, 4, heads * 3 * 4 * 2)  # claim: m2f-sampling


# %% sampling-by-hand
def between(table, x, y):
    """The value of a grid [rows, columns, channels] at a point between its cells."""
    total = torch.zeros(table.shape[-1])
    for row, column in product((int(y // 1), int(y // 1) + 1), (int(x // 1), int(x // 1) + 1)):
        if 0 <= row < table.shape[0] and 0 <= column < table.shape[1]:  # zero outside
            total += (1 - (y - row).abs()) * (1 - (x - column).abs()) * table[row, column]
    return total


values = attention.value_proj(caught["encoder_hidden_states"])[0].unflatten(-1, (heads, -1))
grids = [tuple(shape) for shape in caught["spatial_shapes_list"]]
parts = values.split([rows * columns for rows, columns in grids])
position = positions - positions // 3
by_hand = torch.zeros(heads, values.shape[-1])
for head, scale, point in product(range(heads), range(3), range(4)):
    rows, columns = grids[scale]
    x, y = caught["reference_points"][0, position, scale] * torch.tensor([columns, rows]) - 0.5
    x, y = torch.stack([x, y]) + offsets[position, head, scale, point]
    table = parts[scale][:, head].view(rows, columns, -1)
    by_hand[head] += shares[position, head, 4 * scale + point] * between(table, x, y)
by_hand = attention.output_proj(by_hand.flatten())
print(f"largest difference: {(by_hand - caught['output'][0, position]).abs().max():.4f}")

assert torch.allclose(by_hand, caught["output"][0, position], atol=1e-3)  # claim: m2f-sampling-by-hand

# %% sampling-drawn
rows, columns = grids[2]  # the finest of the three grids
figure, axes = plt.subplots(1, 2, figsize=(5.6, 3))
for axis, (x, y) in zip(axes, [(0.79, 0.4), (0.28, 0.66)]):
    cell = int(y * rows) * columns + int(x * columns)
    position = positions - rows * columns + cell
    axis.imshow(image.resize((side, side)))
    for scale, (height, width) in enumerate(grids):
        start = caught["reference_points"][0, position, scale]
        points = (start + offsets[position, :, scale] / torch.tensor([width, height])) * side
        weight = shares[position].view(heads, 3, 4)[:, scale]
        area = (300 * weight / weight.max()).flatten()
        x, y = points.view(-1, 2).T
        axis.scatter(x, y, s=area / 6, label=f"1/{side // width}", edgecolor="white", linewidth=0.6)
    axis.plot(*(start * side), "+", color="black", markersize=14, markeredgewidth=2.5)
    axis.set(xlim=(0, side), ylim=(side, 0))
    axis.axis("off")
figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% upsample
fine, coarse = features[0], pyramid[-1]  # 1/4 from the backbone, 1/8 from the attention
wide = nn.functional.interpolate(coarse, size=fine.shape[-2:], mode="bilinear")
by_hand = decoder.mask_projection(decoder.layer_1(decoder.adapter_1(fine) + wide))
gap = (by_hand - embeddings).abs().max()

steps = nn.functional.interpolate(coarse, size=fine.shape[-2:], mode="nearest")
other = decoder.mask_projection(decoder.layer_1(decoder.adapter_1(fine) + steps))
print(f"bilinear: off by at most {gap:.3f}")
print(f"nearest:  off by at most {(other - embeddings).abs().max():.3f}")

assert torch.allclose(by_hand, embeddings, atol=1e-3)  # claim: m2f-upsample
assert (other - embeddings).abs().max() > 0.01  # claim: m2f-not-nearest

# %% learned-queries
transformer = model.model.transformer_module
content, place = transformer.queries_features, transformer.queries_embedder
starts = []


def keep_queries(module, args, kwargs):
    starts.append((kwargs["inputs_embeds"][:, 0], kwargs["query_position_embeddings"][:, 0]))


handle = transformer.decoder.register_forward_pre_hook(keep_queries, with_kwargs=True)
mirrored = decoder(backbone(pixels.flip(-1)).feature_maps)
before = []
for each in decoded, mirrored:
    before.append(transformer(each.multi_scale_features, each.mask_features).masks_queries_logits[0])
handle.remove()

print("content of the queries: ", content)
print("position of the queries:", place)
same = [torch.equal(each, content.weight) and torch.equal(where, place.weight) for each, where in starts]
print("the same for both pictures:", same)
moved = (before[0] - before[1]).abs().mean()
print(f"their first masks differ by {moved:.2f} on average")

assert same == [True, True] and {type(content), type(place)} == {nn.Embedding}  # claim: m2f-queries
assert moved > 0.01  # claim: m2f-first-masks

# %% mask-product
whole = transformer(pyramid, embeddings)
states = whole.intermediate_hidden_states[-1][:, 0]  # [queries, width], normalised
hidden = states
for number, layer in enumerate(transformer.decoder.mask_predictor.mask_embedder.layers):
    hidden = hidden @ layer.layers[0].weight.T + layer.layers[0].bias
    hidden = hidden.relu() if number < 2 else hidden

pixel_embeddings = embeddings[0]  # [width, rows, columns]
by_hand = torch.zeros_like(masks[0])
for query, row in product(range(len(hidden)), range(by_hand.shape[1])):
    by_hand[query, row] = hidden[query] @ pixel_embeddings[:, row]  # one dot product a place
logits = states @ model.class_predictor.weight.T + model.class_predictor.bias

print(f"{tuple(hidden.shape)} times {tuple(pixel_embeddings.shape)} is {tuple(by_hand.shape)}")
print(f"largest difference to the library: {(by_hand - masks[0]).abs().max():.4f}")

assert torch.allclose(by_hand, masks[0], atol=1e-2)  # claim: m2f-mask-product
assert torch.allclose(logits, classes[0], atol=1e-3)  # claim: m2f-class-linear

# %% embeddings-drawn tags=["trained", "compact"]
query = int((classes[0].softmax(dim=-1)[:, 3]).argmax())  # the query that says "sphere"
inside = probability[query] > 0.5
figure, axes = plt.subplots(1, 3, figsize=(5.7, 2.2))
spread = pixel_embeddings.flatten(1).T
spread = spread - spread.mean(dim=0)
directions = torch.linalg.svd(spread, full_matrices=False).Vh[:3]  # the three widest directions
colours = (spread @ directions.T).view(*inside.shape, 3)
low, high = colours.amin(dim=(0, 1)), colours.amax(dim=(0, 1))
axes[0].imshow(image)
axes[1].imshow((colours - low) / (high - low))
axes[2].imshow(masks[0, query])
for axis, name in zip(axes, ["the picture", "embeddings", "a mask"]):
    axis.set_title(name)
    axis.axis("off")
plt.show()
print(f"the query says {names[guess[query]]}; {int(inside.sum())} of {inside.numel()} places are inside")

# %% round-robin
layers = transformer.decoder.layers
order, looked = [], []


def keep_weights(module, args, output):
    looked.append(output[1][0])  # [queries, places]: the mean over all heads


handles = [layer.cross_attn.register_forward_hook(keep_weights) for layer in layers]
for layer in layers:
    handles.append(layer.cross_attn.register_forward_hook(lambda *_: order.append("image")))
    handles.append(layer.self_attn.register_forward_hook(lambda *_: order.append("queries")))
whole = transformer(pyramid, embeddings)
for handle in handles:
    handle.remove()

cells = [each.shape[-2] * each.shape[-1] for each in pyramid]
places = [each.shape[-1] for each in looked]
for number, each in enumerate(places):
    print(f"decoder layer {number + 1}: {each} places, 1/{side // round(each**0.5)} of the width")

turn = [cells[number % 3] for number in range(len(layers))]
assert places == turn and cells == sorted(cells)  # claim: m2f-round-robin
assert order == ["image", "queries"] * len(layers)  # claim: m2f-cross-first

# %% masked-attention
predicted = whole.masks_queries_logits  # before the first layer, and after each
exact, empty = [], []
for number, weights in enumerate(looked):
    shape = pyramid[number % 3].shape[-2:]
    mask = nn.functional.interpolate(predicted[number], size=shape, mode="bilinear")
    allowed = mask[0].flatten(1).sigmoid() >= 0.5  # [queries, places]
    empty.append(~allowed.any(dim=-1))
    allowed[empty[-1]] = True  # nothing allowed: everything allowed
    exact.append(torch.equal(weights > 0, allowed))
    outside = weights[~allowed].sum().item()
    print(f"layer {number + 1}: {allowed.float().mean():4.0%} allowed, {int(empty[-1].sum())} empty masks, ", end="")
    print(f"attention outside {outside}, smallest inside {weights[allowed].min():.0e}")

assert len(predicted) == len(layers) + 1  # claim: m2f-a-mask-before
assert all(exact)  # claim: m2f-zero-outside
assert empty[0].any()  # claim: m2f-empty-happens


# %% empty-mask
def emptied(module, args, output):
    masks, forbidden = output
    forbidden = forbidden.clone()
    forbidden[:, 0] = True  # the first query may look nowhere, in all heads
    return masks, forbidden


looked = []
handles = [layer.cross_attn.register_forward_hook(keep_weights) for layer in layers]
handles.append(transformer.decoder.mask_predictor.register_forward_hook(emptied))
transformer(pyramid, embeddings)
for handle in handles:
    handle.remove()
everywhere = [bool((each[0] > 0).all()) for each in looked]
sums = [round(each[0].sum().item(), 3) for each in looked]
print("query 0 looks everywhere, layer by layer:", everywhere)
print("its attention adds up to:", sums)

assert all(exact) and all(everywhere)  # claim: m2f-masked-attention

# %% attention-drawn tags=["trained", "compact"]
looked = []
handles = [layer.cross_attn.register_forward_hook(keep_weights) for layer in layers]
transformer(pyramid, embeddings)
for handle in handles:
    handle.remove()

black = plt.get_cmap("viridis").with_extremes(bad="black")
figure, axes = plt.subplots(2, 3, figsize=(5.4, 3.8))
for number, weights in enumerate(looked[:3]):
    shape = pyramid[number].shape[-2:]
    mask = predicted[number][0, query].sigmoid()
    share_of = weights[query].view(shape)
    axes[0, number].imshow(mask, vmin=0, vmax=1)
    axes[1, number].imshow(np.ma.masked_equal(share_of, 0), cmap=black, vmin=0)
    axes[0, number].set_title(f"before layer {number + 1}" if number else "at the start")
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("mask")
axes[1, 0].set_ylabel("attention")
plt.show()

# %% layer-by-layer tags=["trained", "compact"]
chosen = []
for label in "torus", "cylinder", "floor":
    chosen.append(int(classes[0].softmax(dim=-1)[:, names.index(label)].argmax()))

figure, axes = plt.subplots(3, len(predicted), figsize=(5.8, 2.9))
for row, each in zip(axes, chosen):
    for number, axis in enumerate(row):
        axis.imshow(predicted[number][0, each].sigmoid(), vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(names[guess[each]])
for number, axis in enumerate(axes[0]):
    axis.set_title(str(number) if number else "start")
plt.show()

# %% refined tags=["trained", "compact"]
scenes = dict(np.load("docs/assets/scenes/held-out-scenes.npz"))  # 200, with the true segments
batch = processor(list(scenes["images"][:50]), return_tensors="pt")["pixel_values"]
later = model(batch, output_auxiliary_logits=True)
stages = [*later.auxiliary_logits, later]  # before the first layer, and after each
fits, found = [], []
for stage in stages:
    large = nn.functional.interpolate(stage["masks_queries_logits"], size=(side, side), mode="bilinear") > 0
    sure, says = stage["class_queries_logits"].softmax(dim=-1).max(dim=-1)
    best, right = [], []
    for number, drawn in enumerate(scenes["segments"][:50]):
        for each in range(2, drawn.max() + 1):  # the objects of a scene
            true = torch.tensor(drawn == each)
            overlap = (large[number] & true).sum((1, 2)) / (large[number] | true).sum((1, 2))
            knows = (says[number] == int(scenes["labels"][number, each - 2])) & (sure[number] > 0.5)
            best.append(overlap.max().item())
            right.append((overlap * knows).max().item() > 0.5)
    fits.append(np.mean(best))
    found.append(np.mean(right))
    print(f"after layer {len(fits) - 1}: best mask fits {fits[-1]:.2f}, with the right class {found[-1]:4.0%}")

assert fits[0] > 0.8 * fits[-1]  # claim: m2f-masks-early
assert found[0] < 0.1 and found[1] < found[-1] and found[-1] > 0.7  # claim: m2f-refined
assert abs(found[-1] - found[3]) < 0.05  # claim: m2f-late-layers

# %% targets
SCENES = "docs/assets/scenes/held-out-scenes.npz"  # full size: None
SEGMENTS = np.load(SCENES)["segments"][47]  # full size: np.asarray(image.convert("L")) // 128
CLASS_OF = {0: 5, 1: 6, 2: 4, 3: 1, 4: 3, 5: 0, 6: 0, 7: 2}  # full size: {0: 0, 1: 1}

labelled = processor(image, SEGMENTS, instance_id_to_semantic_id=CLASS_OF, return_tensors="pt")
true_masks, true_classes = labelled["mask_labels"], labelled["class_labels"]  # lists, one a picture
for each, label in zip(true_masks[0], true_classes[0].tolist()):
    print(f"{config.id2label[label]:9} {int(each.sum()):6} pixels")
print("masks:", tuple(true_masks[0].shape))

assert len(true_masks[0]) == len(CLASS_OF) < config.num_queries  # claim: m2f-targets

# %% matching
torch.manual_seed(0)
points = torch.rand(1, config.train_num_points, 2)  # the same places for all masks


def at(mask, where):
    """Values of masks [n, height, width] at points [n or 1, number, 2]: [n, number]."""
    where = 2 * where.expand(len(mask), -1, -1)[:, :, None] - 1
    return nn.functional.grid_sample(mask[:, None].float(), where, align_corners=False)[:, 0, :, 0]


guessed, true = at(masks[0], points), at(true_masks[0], points)
soft = guessed.sigmoid()
hits = soft @ true.T
entropy = nn.functional.softplus(guessed).mean(-1)[:, None] - guessed @ true.T / true.shape[1]
dice = 1 - (2 * hits + 1) / (soft.sum(-1)[:, None] + true.sum(-1) + 1)
surprise = -classes[0].softmax(dim=-1)[:, true_classes[0]]
cost = config.class_weight * surprise + config.mask_weight * entropy + config.dice_weight * dice
by_hand = linear_sum_assignment(cost)  # the cheapest one-to-one assignment

torch.manual_seed(0)
pairs = model.criterion.matcher(masks, classes, true_masks, true_classes)
print(f"cost: {tuple(cost.shape)} [queries, true segments], from {len(points[0])} points")
print("query :", *pairs[0][0].tolist())
print("object:", *[config.id2label[i] for i in true_classes[0][pairs[0][1]].tolist()])

equal = [np.array_equal(ours, theirs) for ours, theirs in zip(by_hand, pairs[0])]
assert equal == [True, True]  # claim: m2f-matching

# %% class-loss
goal = torch.full((config.num_queries,), config.num_labels)  # "no object", unless matched
queries, objects = pairs[0]
goal[queries] = true_classes[0][objects]
surprise = -classes[0].log_softmax(dim=-1)[range(len(goal)), goal]
weight = torch.where(goal == config.num_labels, config.no_object_weight, 1.0)
by_hand = (weight * surprise).sum() / weight.sum()

library = model.criterion.loss_labels(classes, true_classes, pairs)["loss_cross_entropy"]
idle = weight[goal == config.num_labels]
print(f"{len(queries)} queries have an object, {len(idle)} have none")
print(f"weight of each: 1 with an object, {config.no_object_weight} without")
print(f"by hand {by_hand:.4f}, library {library:.4f}")

assert config.no_object_weight < 1 and torch.isclose(by_hand, library, atol=1e-3)  # claim: m2f-class-loss

# %% uncertain-points
criterion = model.criterion
picked = masks[0, queries]  # [objects, rows, columns]
torch.manual_seed(0)
where = criterion.sample_points_using_uncertainty(
    picked[:, None],
    criterion.calculate_uncertainty,
    config.train_num_points,
    config.oversample_ratio,
    config.importance_sample_ratio,
)  # [objects, points, 2]
important = int(config.importance_sample_ratio * config.train_num_points)
near, anywhere = at(picked, where[:, :important]).abs(), at(picked, where[:, important:]).abs()
print(f"{where.shape[1]} points a mask: {important} uncertain, {where.shape[1] - important} anywhere")
print(f"size of the logit there: {near.mean():.2f} and {anywhere.mean():.2f} on average")

assert important == 0.75 * config.train_num_points  # claim: m2f-uncertain-share
assert near.mean() < anywhere.mean()  # claim: m2f-uncertain-points

# %% mask-loss
logits, truth = at(picked, where), at(true_masks[0][objects], where)  # [objects, points]
inside = logits.sigmoid()

entropy = -(truth * inside.log() + (1 - truth) * (1 - inside).log())
mask_by_hand = entropy.mean(dim=1).mean()  # over points, then over objects
overlap = (inside * truth).sum(dim=1)
dice_by_hand = (1 - (2 * overlap + 1) / (inside.sum(dim=1) + truth.sum(dim=1) + 1)).mean()

torch.manual_seed(0)  # the same points
library = criterion.loss_masks(masks, true_masks, pairs, num_masks=len(objects))
print(f"cross-entropy: by hand {mask_by_hand:.4f}, library {library['loss_mask']:.4f}")
print(f"dice:          by hand {dice_by_hand:.4f}, library {library['loss_dice']:.4f}")

gaps = mask_by_hand - library["loss_mask"], dice_by_hand - library["loss_dice"]
assert max(abs(gap) for gap in gaps) < 1e-3  # claim: m2f-mask-loss

# %% why-dice
truth = torch.zeros(10_000)
truth[:100] = 1  # an object on one pixel in a hundred
guesses = {"nothing": torch.full((10_000,), -7.0), "all of it": 14 * truth - 7}
guesses["half of it"] = guesses["nothing"].clone()
guesses["half of it"][:50] = 7
rows = {}
for name, logits in guesses.items():
    inside = logits.sigmoid()
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, truth)
    dice = 1 - (2 * (inside * truth).sum() + 1) / (inside.sum() + truth.sum() + 1)
    rows[name] = entropy.item(), dice.item()
    print(f"predicts {name:10}  cross-entropy {entropy:.3f}  dice {dice:.3f}")

assert rows["nothing"][0] < 0.1 and rows["nothing"][1] > 0.9  # claim: m2f-why-dice

# %% total-loss
torch.manual_seed(0)
trained = model(pixels, mask_labels=true_masks, class_labels=true_classes, output_auxiliary_logits=True)
torch.manual_seed(0)
terms = criterion(masks, classes, true_masks, true_classes, trained.auxiliary_logits)
weight_of = {"cross_entropy": config.class_weight, "mask": config.mask_weight, "dice": config.dice_weight}
total = 0
for name, term in terms.items():
    (weight,) = [number for kind, number in weight_of.items() if kind in name]
    total += weight * term
print(f"{len(terms)} terms: {len(weight_of)} for each of {len(predicted)} predictions")
print(f"sum by hand {total:.3f}, library {trained.loss:.3f}")

assert len(terms) == 3 * len(predicted)  # claim: m2f-deep-supervision
assert torch.isclose(total, trained.loss, rtol=1e-3)  # claim: m2f-total-loss


# %% scenes tags=["trained", "compact"]
def segment(pictures):
    """The panoptic result of each picture."""
    batch = processor(list(pictures), return_tensors="pt")["pixel_values"]
    target = [pictures.shape[1:3]] * len(pictures)
    return processor.post_process_panoptic_segmentation(model(batch), label_ids_to_fuse=STUFF, target_sizes=target)


def both(number, result):
    """True and found segments of a scene, each a class and a mask."""
    drawn, found = scenes["segments"][number], result["segmentation"].numpy()
    label_of = [5, 6, *scenes["labels"][number].tolist()]  # floor, wall, then the objects
    truth = [(label_of[each], drawn == each) for each in np.unique(drawn).tolist()]
    return truth, [(each["label_id"], found == each["id"]) for each in result["segments_info"]]


# %% panoptic-quality tags=["trained", "compact"]
truth, found = both(43, segment(scenes["images"][43:44])[0])
overlaps = np.zeros((len(truth), len(found)))  # the intersection over the union
for (row, (_, true)), (column, (_, mask)) in product(enumerate(truth), enumerate(found)):
    overlaps[row, column] = (true & mask).sum() / (true | mask).sum()

matched = []
for row, (label, true) in enumerate(truth):
    rivals = [overlaps[row, i] if found[i][0] == label else 0 for i in range(len(found))]
    best = max(rivals, default=0)
    matched += [best] if best > 0.5 else []
    print(f"{names[label]:8}  {true.sum():5} pixels, best overlap {best:.2f}")
extra, missed = len(found) - len(matched), len(truth) - len(matched)
recognition = len(matched) / (len(matched) + extra / 2 + missed / 2)
quality = np.mean(matched) * recognition
print(f"{len(matched)} matched, {missed} missed, {extra} too many")
print(f"segmentation {np.mean(matched):.3f} x recognition {recognition:.3f} = {quality:.3f}")

alone = max((overlaps > 0.5).sum(axis=0).max(), (overlaps > 0.5).sum(axis=1).max())
assert alone == 1  # claim: m2f-pq-unique

# %% held-out tags=["trained", "compact"]
results = [each for part in np.array_split(scenes["images"], 4) for each in segment(part)]
pairs_of = [both(number, result) for number, result in enumerate(results)]
good = {label: [] for label in range(config.num_labels)}  # overlaps of the matched segments
wrong = dict.fromkeys(good, 0)  # missed and too many
records = []  # one line an object: scene, class, pixels, overlap
for number, (truth, found) in enumerate(pairs_of):
    for label, true in truth:
        rivals = [(true & mask).sum() / (true | mask).sum() for each, mask in found if each == label]
        records.append((number, label, int(true.sum()), max(rivals, default=0.0)))
        good[label] += [records[-1][-1]] if records[-1][-1] > 0.5 else []
for label in good:
    several = [[each for each, _ in segments].count(label) for pair in pairs_of for segments in pair]
    wrong[label] = sum(several) - 2 * len(good[label])

qualities = []
for label in good:
    recognised = len(good[label]) / (len(good[label]) + wrong[label] / 2)
    drawn = np.mean(good[label])
    qualities.append(drawn * recognised)
    print(f"{names[label]:8}  segmentation {drawn:.3f}  recognition {recognised:.3f}  {qualities[-1]:.3f}")
print(f"panoptic quality, the mean over the classes: {np.mean(qualities):.3f}")

assert np.mean(qualities) > 0.8  # claim: m2f-works


# %% one-scene tags=["trained", "compact"]
def compare(above, below, number):
    """Draws a scene, the segments found in it, and the true outlines."""
    above.imshow(scenes["images"][number])
    below.imshow(results[number]["segmentation"], cmap="tab20")
    for each in np.unique(scenes["segments"][number]):
        outline = scenes["segments"][number] == each
        below.contour(outline, levels=[0.5], colors="white", linewidths=1)
    for axis in above, below:
        axis.axis("off")


figure, axes = plt.subplots(1, 2, figsize=(5.6, 2.8))
compare(*axes, 13)
plt.show()

# %% sizes tags=["trained", "compact"]
objects = [(pixels, overlap) for _, label, pixels, overlap in records if label not in STUFF]
bounds = [0, 80, 160, 320, 640, 10_000]
found_share = []
for low, high in zip(bounds, bounds[1:]):
    inside = [overlap for pixels, overlap in objects if low <= pixels < high]
    found_share.append(np.mean([overlap > 0.5 for overlap in inside]))
    drawn = np.mean([overlap for overlap in inside if overlap > 0.5])
    print(f"{low:3} to {high:5} pixels: {len(inside):3} objects, {found_share[-1]:4.0%} found, overlap {drawn:.2f}")

assert found_share[0] < 0.7 and found_share[-1] > 0.9  # claim: m2f-size-matters

# %% coarse tags=["trained", "compact"]
ceilings = {label: [] for label in range(5)}
for truth, _ in pairs_of:
    for label, true in truth:
        if label in ceilings:
            exact = torch.tensor(true)[None, None].float()
            cells = nn.functional.avg_pool2d(exact, 4)  # the share of each of the 24 x 24 cells
            again = nn.functional.interpolate(cells, size=true.shape, mode="bilinear")[0, 0] > 0.5
            again = again.numpy()
            ceilings[label].append((true & again).sum() / (true | again).sum())
for label, each in ceilings.items():
    print(f"{names[label]:8}  truth, drawn with 24 x 24 numbers: {np.mean(each):.2f}", end="  ")
    print(f"model, where it matched: {np.mean(good[label]):.2f}")

lowest = min(ceilings, key=lambda label: np.mean(ceilings[label]))
assert names[lowest] == "torus"  # claim: m2f-coarse-torus

# %% hardest tags=["trained", "compact"]
scores = []
for number, (truth, found) in enumerate(pairs_of):
    hits = [overlap for scene, _, _, overlap in records if scene == number and overlap > 0.5]
    scores.append(sum(hits) / ((len(truth) + len(found)) / 2))

figure, axes = plt.subplots(2, 3, figsize=(5.7, 4.1))
for column, number in zip(axes.T, np.argsort(scores).tolist()):
    compare(*column, number)
    column[0].set_title(f"{number}: {scores[number]:.2f}")
plt.show()
