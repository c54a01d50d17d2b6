# %% [markdown]
# # Depth estimation with GLPN
#
# A number of metres for every pixel, from one picture.
# Run it from the project's root: `python snippets/glpn.py`.

# %% setup
import copy
import math
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Rectangle
from PIL import Image
from torch import nn
from transformers import (
    AutoImageProcessor,
    AutoModelForDepthEstimation,
    SegformerConfig,
    SegformerModel,
    ViTConfig,
)
from transformers.models.glpn.modeling_glpn import SiLogLoss
from transformers.models.swin.modeling_swin import SwinPatchMerging

# full size: from skimage.data import coffee

CHECKPOINT = "checkpoints/glpn-scenes"  # full size: "vinvino02/glpn-nyu"
picture = Image.open("docs/assets/scenes/scene-apart.png")  # full size: Image.fromarray(coffee())
image = picture.reduce(4)  # full size: picture.reduce(2)

processor = AutoImageProcessor.from_pretrained(CHECKPOINT, backend="pil")
model = AutoModelForDepthEstimation.from_pretrained(CHECKPOINT, dtype=torch.float32)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"layers in each stage: {config.depths}, channels: {config.hidden_sizes}")

# %% three-lines tags=["trained"]
size = (image.height, image.width)

inputs = processor(image, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
answers = processor.post_process_depth_estimation(outputs, target_sizes=[size])  # interpret
depth = answers[0]["predicted_depth"]  # [height, width], in metres

figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.8))
axes[0].imshow(image)
shown = axes[1].imshow(depth.numpy())
figure.colorbar(shown, ax=axes[1], label="metres")
for axis in axes:
    axis.axis("off")
plt.show()
print(f"nearest pixel: {depth.min():.1f} m, farthest: {depth.max():.1f} m")

assert depth.shape == size  # claim: glpn-first-map
assert depth[-1].mean() < depth[0].mean()  # claim: glpn-near-below

# %% optical-axis tags=["trained", "compact"]
held_out = dict(np.load("docs/assets/scenes/held-out-scenes.npz").items())
truth = held_out["depth"] / 1000  # [200, 96, 96]: millimetres to metres
focal = 48 / math.tan(math.radians(18.5))  # half the width, and half the angle of view
ticks = (np.arange(96) - 47.5) / focal  # slope of the ray through each column or row
x, y = np.meshgrid(ticks, ticks)

floor = held_out["segments"][47] == 0
readings = {"along the axis": truth[47], "along the ray": truth[47] / np.sqrt(1 + x**2 + y**2)}
bumps = []
for name, z in readings.items():
    points = np.stack([x * z, y * z, z], axis=-1)[floor]  # [pixels, 3] in metres
    centred = points - points.mean(axis=0)
    normal = np.linalg.svd(centred, full_matrices=False)[2][-1]  # of the plane that fits best
    bumps.append(np.abs(centred @ normal).max())
    print(f"read {name}: the floor is flat up to {100 * bumps[-1]:.1f} cm")

assert bumps[0] < 0.005 < 0.05 < bumps[1]  # claim: glpn-optical-axis

# %% prepare
pixels = processor(image, return_tensors="pt")["pixel_values"]  # [pictures, colours, height, width]
width, height = (side // 32 * 32 for side in image.size)
resized = image.convert("RGB").resize((width, height), processor.resample)
by_hand = torch.tensor(np.array(resized) / 255, dtype=torch.float32).permute(2, 0, 1)

print("picture:", image.size, "tensor:", tuple(pixels.shape))
print(f"smallest value {pixels.min():.2f}, largest {pixels.max():.2f}")
for sides in (640, 480), (300, 200), (100, 70):
    blank = processor(Image.new("RGB", sides), return_tensors="pt")["pixel_values"]
    print(f"{sides} becomes {tuple(blank.shape[:1:-1])}")
    assert tuple(blank.shape[:1:-1]) == (sides[0] // 32 * 32, sides[1] // 32 * 32)  # claim: glpn-rounded

assert torch.allclose(by_hand, pixels[0], atol=1e-5)  # claim: glpn-prepare

# %% parts
parts = {"encoder": model.glpn, "decoder": model.decoder, "head": model.head}
for name, part in parts.items():
    count = sum(weights.numel() for weights in part.parameters())
    print(f"{name:8} {count:11,} parameters, {count / model.num_parameters():6.1%}")

SHARED = ["depths", "hidden_sizes", "num_attention_heads", "sr_ratios"]
SHARED += ["patch_sizes", "strides", "mlp_ratios", "hidden_act"]
twin = SegformerConfig(**{name: getattr(config, name) for name in SHARED})
segformer = SegformerModel.from_pretrained(None, config=twin, state_dict=model.glpn.state_dict())
theirs, ours = segformer(pixels).last_hidden_state, model.glpn(pixels).last_hidden_state
print(f"largest difference of the two encoders: {(theirs - ours).abs().max():.4f}")

assert torch.allclose(theirs, ours, atol=1e-3)  # claim: glpn-parts
assert sum(map(torch.numel, model.glpn.parameters())) > 0.9 * model.num_parameters()  # claim: glpn-light-decoder

# %% patches
encoder = model.glpn.encoder
for number, layer in enumerate(encoder.patch_embeddings, start=1):
    print(f"stage {number}: patches of {layer.proj.kernel_size}, one every {layer.proj.stride}")

first = encoder.patch_embeddings[0]
windows = nn.functional.unfold(pixels, 7, stride=4, padding=3)  # [1, 3 * 7 * 7, places]
vectors = windows.mT @ first.proj.weight.flatten(1).T + first.proj.bias  # [1, places, channels]
by_hand = first.layer_norm(vectors)
library, rows, columns = first(pixels)
used = nn.functional.fold(torch.ones_like(windows), pixels.shape[2:], 7, stride=4, padding=3)
print(f"{rows} x {columns} patches; a pixel is in {used.min():.0f} to {used.max():.0f} of them")

kernels = [layer.proj.kernel_size + layer.proj.stride for layer in encoder.patch_embeddings]
assert kernels == [(7, 7, 4, 4)] + 3 * [(3, 3, 2, 2)]  # claim: glpn-patches
assert used.min() == 1 and used.max() == 4  # claim: glpn-patches-shared
assert torch.allclose(by_hand, library, atol=1e-4)  # claim: glpn-patches-by-hand
assert first.proj.kernel_size[0] < ViTConfig().patch_size  # claim: glpn-smaller-than-vit

# %% patches-drawn
rows_shown, columns_shown = slice(32, 56), slice(32, 56)
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3))
axes[0].imshow(pixels[0, :, rows_shown, columns_shown].permute(1, 2, 0).numpy())
for left, colour in (4.5, "C0"), (8.5, "C2"), (12.5, "C5"):
    axes[0].add_patch(Rectangle((left, 8.5), 7, 7, fill=False, edgecolor=colour, linewidth=2))
axes[0].set_title("three neighbours")
shown = axes[1].imshow(used[0, 0, rows_shown, columns_shown].numpy())
figure.colorbar(shown, ax=axes[1], ticks=[1, 2, 4])
axes[1].set_title("patches with this pixel")
for axis in axes:
    axis.axis("off")
plt.show()

# %% hierarchy
states, maps = pixels, []
for embed, layers, norm in zip(encoder.patch_embeddings, encoder.block, encoder.layer_norm):
    places, rows, columns = embed(states)  # a stage begins with the convolution that merges
    for layer in layers:
        (places,) = layer(places, rows, columns)
    states = norm(places).mT.unflatten(2, (rows, columns))
    maps.append(states)
    shape = str(tuple(states.shape[1:]))
    print(f"stage {len(maps)}  {shape:15} 1/{pixels.shape[-1] // columns} of the picture's width")

library = model.glpn(pixels, output_hidden_states=True).hidden_states
for by_hand, theirs in zip(maps, library, strict=True):
    assert torch.allclose(by_hand, theirs, atol=1e-3)  # claim: glpn-stage-order
scales = [pixels.shape[-1] // features.shape[-1] for features in maps]
assert scales == [4, 8, 16, 32]  # claim: glpn-hierarchy

# %% merging
torch.manual_seed(0)
channels = config.hidden_sizes[0]
merging = encoder.patch_embeddings[1].proj
swin = SwinPatchMerging(channels)  # concatenates 2 x 2 neighbours, then a linear layer
states = torch.randn(1, channels, 16, 16)


def reached(layer):
    """How many outputs change when one place of the input does, for 4 x 4 places."""
    counts = torch.zeros(4, 4, dtype=torch.long)
    for row, column in product(range(4), range(4)):
        moved = states.clone()
        moved[..., 4 + row, 4 + column] += 1
        counts[row, column] = (layer(moved) - layer(states)).abs().amax(dim=0).gt(1e-6).sum()
    return counts


overlapping = reached(lambda maps: merging(maps)[0].flatten(1))
side_by_side = reached(lambda maps: swin(maps.flatten(2).mT, (16, 16))[0].mT)
print("Swin's merging\n", side_by_side.numpy(), "\nGLPN's convolution\n", overlapping.numpy())
print(f"inputs of one output: {4 * channels} for Swin, {merging.weight[0].numel()} for GLPN")

assert (side_by_side == 1).all()  # claim: glpn-merging-elsewhere
assert overlapping.tolist() == [[1, 2, 1, 2], [2, 4, 2, 4]] * 2  # claim: glpn-merging

# %% attention
places, rows, columns = first(pixels)  # [1, places, channels]
layer = encoder.block[0][0]
attention, normal = layer.attention.self, layer.layer_norm_1(places)
grid = normal.mT.unflatten(2, (rows, columns))  # [1, channels, rows, columns]
short = attention.layer_norm(attention.sr(grid).flatten(2).mT)  # a convolution shortens
query, key, value = attention.query(normal), attention.key(short), attention.value(short)
weights = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(dim=-1)  # one head in stage 1
by_hand = weights @ value
library = attention(normal, rows, columns)[0]

print(f"{query.shape[1]} queries, {key.shape[1]} keys and values, weights {tuple(weights.shape)}")
print("what shortens:", attention.sr)
print(f"largest difference to the library: {(by_hand - library).abs().max():.5f}")

assert attention.sr.kernel_size == attention.sr.stride == (8, 8)  # claim: glpn-shortened-by-convolution
assert torch.allclose(by_hand, library, atol=1e-4)  # claim: glpn-attention-by-hand

# %% attention-cost
attentions = model(pixels, output_attentions=True).attentions  # one a layer
area = pixels.shape[2] * pixels.shape[3] // 32**2
start = 0
for number, (depth, ratio) in enumerate(zip(config.depths, config.sr_ratios), start=1):
    _, heads, queries, keys = attentions[start].shape
    start += depth
    print(f"stage {number}: {queries:5} queries, ratio {ratio}, {keys:3} keys, {heads} heads")
    assert keys == queries / ratio**2  # claim: glpn-efficient-attention
    assert keys == area  # claim: glpn-same-keys
for size in 96, 480:
    queries, keys = (size // 4) ** 2, (size // 32) ** 2
    print(f"{size} pixels, stage 1: {queries * queries:,} weights, shortened {queries * keys:,}")

# %% attention-map tags=["trained"]
weights = attentions[0][0, 0].unflatten(0, (rows, columns))  # stage 1: [rows, columns, keys]
across = pixels.shape[3] // 32  # keys in a row
figure, axes = plt.subplots(1, 4, figsize=(8, 2.3))
axes[0].imshow(pixels[0].permute(1, 2, 0).numpy())
for axis, key, colour in zip(axes[1:], [1, across + 1, 2 * across + 1], ["C0", "C2", "C4"]):
    corner = 32 * (key % across), 32 * (key // across)  # the key's own square of 32 x 32 pixels
    axes[0].add_patch(Rectangle(corner, 32, 32, fill=False, edgecolor=colour, linewidth=2))
    axis.imshow(weights[..., key].numpy())  # how much each place looks at it
    inner = corner[0] / 4 - 0.5, corner[1] / 4 - 0.5
    axis.add_patch(Rectangle(inner, 8, 8, fill=False, edgecolor=colour, linewidth=2))
    print(f"key {key}: weights from {weights[..., key].min():.2f} to {weights[..., key].max():.2f}")
for axis in axes:
    axis.axis("off")
plt.show()

# %% mix-ffn
mlp = layer.mlp
convolution = mlp.dwconv.dwconv


def mix_ffn(states, rim):
    wide = mlp.dense1(states).mT.unflatten(2, (rows, columns))  # back to a grid
    wide = nn.functional.pad(wide, (1, 1, 1, 1), mode=rim)
    mixed = nn.functional.conv2d(wide, convolution.weight, convolution.bias, groups=wide.shape[1])
    return mlp.dense2(nn.functional.gelu(mixed).flatten(2).mT)


same = normal[:, :1].expand_as(normal)  # one vector at all places: nothing tells them apart
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.7))
found = []
for axis, rim in zip(axes, ["constant", "circular"]):  # zeros, as in the library; or the other end
    answer = mix_ffn(same, rim)[0].unflatten(0, (rows, columns))
    away = (answer - answer[rows // 2, columns // 2]).norm(dim=-1)  # from the middle's answer
    found.append(int((away > 1e-4 * answer.norm(dim=-1).max()).sum()))
    axis.imshow(away.numpy(), vmin=0, vmax=max(1e-3, away.max().item()))
    axis.set_title("rim of zeros" if rim == "constant" else "no rim")
    axis.axis("off")
plt.show()
print(f"{found[0]} and {found[1]} of {rows * columns} places answer unlike the middle")

assert torch.allclose(mix_ffn(normal, "constant"), mlp(normal, rows, columns), atol=1e-4)  # claim: glpn-mix-ffn-by-hand
assert found == [2 * (rows + columns) - 4, 0]  # claim: glpn-mix-ffn


# %% no-positions
def without_rim(network):
    """A copy whose convolutions continue at the other end instead of with zeros."""
    network = copy.deepcopy(network)
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.padding_mode = "circular"
    return network


rolled = pixels.roll(32, dims=-1)  # what leaves on the right comes in on the left
gaps = []
for network in encoder, without_rim(encoder):
    before = network(pixels).last_hidden_state.roll(1, dims=-1)  # the last grid, by one place
    after = network(rolled).last_hidden_state
    gaps.append(((after - before).norm() / before.norm()).item())
print(f"picture rolled by 32 pixels, last grid: with zeros {gaps[0]:.1%} off, without {gaps[1]:.1%}")

assert gaps[1] < 1e-3  # claim: glpn-no-positions
assert gaps[0] > 0.01  # claim: glpn-positions-from-zeros

# %% blank-picture tags=["trained"]
LIMITS = 3.5, 10  # full size: 0, 5
blank = torch.full_like(pixels, 0.5)  # grey everywhere
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.7))
guesses = []
for axis, network in zip(axes, [model, without_rim(model)]):
    guesses.append(network(blank).predicted_depth[0])
    shown = axis.imshow(guesses[-1].numpy(), vmin=LIMITS[0], vmax=LIMITS[1])
    axis.set_title("rim of zeros" if network is model else "no rim")
    axis.axis("off")
    print(f"from {guesses[-1].min():.1f} m to {guesses[-1].max():.1f} m")
figure.colorbar(shown, ax=axes, label="metres")
plt.show()

assert guesses[0].max() - guesses[0].min() > 0.5  # claim: glpn-blank-varies
assert guesses[1].max() - guesses[1].min() < 0.01  # claim: glpn-blank-flat

# %% decoder
states, pairs = None, []
for stage, features in zip(model.decoder.stages, reversed(maps)):
    local = stage.convolution(features)  # 1 x 1: to the decoder's width
    mixed = local if states is None else stage.fusion(local, states)
    pairs.append((local, states))
    states = nn.functional.interpolate(mixed, scale_factor=2, mode="bilinear")
    print(f"1/{scales[4 - len(pairs)]:<2} {tuple(mixed.shape[1:])} becomes {tuple(states.shape[1:])}")
features = nn.functional.interpolate(states, scale_factor=2, mode="bilinear")
print(f"once more: {tuple(features.shape[1:])}")

library = model.decoder(maps)[-1]
assert model.decoder.stages[0].fusion is None  # claim: glpn-first-does-not-fuse
assert features.shape[2:] == pixels.shape[2:]  # claim: glpn-decoder
assert torch.allclose(features, library, atol=1e-3)  # claim: glpn-decoder-by-hand

# %% fusion
fusion = model.decoder.stages[3].fusion
local, from_below = pairs[3]  # what the encoder saw at 1/4, what the decoder knows so far
states = torch.cat([local, from_below], dim=1)
widths = [states.shape[1]]
for block in fusion.convolutional_layer1, fusion.convolutional_layer2:
    convolution, norm, _ = block
    states = norm(convolution(states)).relu()
    widths.append(states.shape[1])
scores = fusion.convolutional_layer3(states)  # [1, 2, rows, columns]
weights = scores.sigmoid()  # two maps, each from 0 to 1
by_hand = weights[:, :1] * local + weights[:, 1:] * from_below

print("channels:", " -> ".join(map(str, [*widths, weights.shape[1]])))
print(f"largest difference to the library: {(by_hand - fusion(local, from_below)).abs().max():.5f}")

assert weights.shape[1] == 2  # claim: glpn-fusion-two-maps
assert torch.allclose(by_hand, fusion(local, from_below), atol=1e-4)  # claim: glpn-fusion

# %% fusion-maps tags=["trained"]
figure, axes = plt.subplots(2, 3, figsize=(6.4, 4.4))
for column, stage, pair in zip(axes.T, model.decoder.stages[1:], pairs[1:]):
    caught = []
    handle = stage.fusion.sigmoid.register_forward_hook(lambda *args: caught.append(args[2]))
    stage.fusion(*pair)
    handle.remove()
    weights = caught[0][0]  # [2, rows, columns]
    rows, columns = weights.shape[1:]
    for axis, weight, name in zip(column, weights, ["local", "global"]):
        shown = axis.imshow(weight.numpy(), vmin=0, vmax=1)
        axis.set_title(f"{name}, 1/{pixels.shape[-1] // columns}")
        axis.axis("off")
    total = weights.sum(dim=0)
    print(f"{rows:3} x {columns}: the two together lie between {total.min():.2f} and {total.max():.2f}")
figure.colorbar(shown, ax=axes, shrink=0.7)
plt.show()

assert (total - 1).abs().max() > 0.1  # claim: glpn-fusion-no-shares

# %% fusion-cut tags=["trained"]
answers = {"both": model(pixels).predicted_depth[0]}
for index, name in enumerate(["no local", "no global"]):
    handles = []
    for stage in model.decoder.stages[1:]:
        keep = torch.tensor([1.0, 1.0])
        keep[index] = 0

        def mute(module, args, output, keep=keep):
            return output * keep[:, None, None]

        handles.append(stage.fusion.sigmoid.register_forward_hook(mute))
    answers[name] = model(pixels).predicted_depth[0]
    for handle in handles:
        handle.remove()
figure, axes = plt.subplots(1, 3, figsize=(7.4, 2.6))
for axis, (name, answer) in zip(axes, answers.items()):
    axis.imshow(answer.numpy())
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %% head
before, _, after = model.head.head
scores = after(before(features).relu())[:, 0]  # two convolutions: one number a pixel
by_hand = scores.sigmoid() * config.max_depth
library = model(pixels).predicted_depth
torch.manual_seed(0)
extreme = model.head([1000 * torch.randn_like(features)])

print(f"{before.kernel_size} and {after.kernel_size}, channels {features.shape[1]} and 1")
print(f"sigmoid alone: at most {scores.sigmoid().max():.2f}; max_depth: {config.max_depth} m")
print(f"absurd features: from {extreme.min():.1f} m to {extreme.max():.1f} m")

assert torch.allclose(by_hand, library, atol=1e-3)  # claim: glpn-head
assert extreme.max() <= config.max_depth  # claim: glpn-ceiling

# %% loss
torch.manual_seed(0)
prediction = model(pixels).predicted_depth  # [1, height, width]
target = prediction * torch.empty_like(prediction).uniform_(0.8, 1.4)  # an invented truth
target[:, :10] = 0  # no measurement in these rows
known = target > 0
gap = target[known].log() - prediction[known].log()
by_hand = (gap.square().mean() - 0.5 * gap.mean() ** 2).sqrt()
library = model(pixels, labels=target).loss
documented = gap.square().mean() - gap.square().sum() / (2 * len(gap) ** 2)

print(f"by hand {by_hand:.4f}, the library {library:.4f}, its docstring {documented:.4f}")

assert torch.allclose(by_hand, library, atol=1e-5)  # claim: glpn-loss
assert (documented - library).abs() > 0.01  # claim: glpn-loss-docstring

# %% scale-invariance
print("prediction times        1    1.5      2      3")
table = {}
for strength in 0, 0.5, 1:
    loss = SiLogLoss(strength)
    table[strength] = torch.stack([loss(factor * prediction, target) for factor in (1, 1.5, 2, 3)])
    print(f"lambda {strength:3}         ", *(f"{value:6.3f}" for value in table[strength].tolist()))
gaps = torch.stack([gap - math.log(factor) for factor in (1, 1.5, 2, 3)])
rebuilt = (gaps.var(dim=1, unbiased=False) + 0.5 * gaps.mean(dim=1) ** 2).sqrt()

assert torch.allclose(table[1], table[1][0], atol=1e-3)  # claim: glpn-scale-invariant
assert table[0.5][3] > 2 * table[0.5][0]  # claim: glpn-half-invariant
assert torch.allclose(rebuilt, table[0.5], atol=1e-4)  # claim: glpn-spread-and-shift

# %% truth-beside tags=["trained", "compact"]
depth = model(pixels).predicted_depth[0].numpy()
wrong = np.abs(depth - truth[47])
figure, axes = plt.subplots(2, 2, figsize=(6.4, 5.2))
axes[0, 0].imshow(image)
shown = axes[0, 1].imshow(truth[47], vmin=3.5, vmax=10)
axes[1, 0].imshow(depth, vmin=3.5, vmax=10)
missed = axes[1, 1].imshow(wrong, vmin=0, vmax=1, cmap="magma")
figure.colorbar(shown, ax=axes[0, 1], label="metres")
figure.colorbar(missed, ax=axes[1, 1], label="metres")
for axis, name in zip(axes.flat, ["picture", "truth", "prediction", "error"]):
    axis.set_title(name)
    axis.axis("off")
plt.show()
print(f"mean error {100 * wrong.mean():.0f} cm, median {100 * np.median(wrong):.0f} cm")

# %% held-out tags=["trained", "compact"]
batch = processor(list(held_out["images"]), return_tensors="pt")["pixel_values"]
guesses = torch.cat([model(part).predicted_depth for part in batch.split(50)]).numpy()
objects = held_out["segments"] >= 2
mean_map = np.broadcast_to(truth.mean(axis=0), truth.shape)  # one map for all, from the answers
rivals = {"GLPN": guesses, "the mean map": mean_map}
regions = {"all pixels": np.ones_like(objects), "objects": objects}
scores = {}
for (name, answer), (region, inside) in product(rivals.items(), regions.items()):
    guess, true = answer[inside], truth[inside]
    abs_rel = (np.abs(guess - true) / true).mean()
    rmse = np.sqrt(((guess - true) ** 2).mean())
    delta = (np.maximum(guess / true, true / guess) < 1.25).mean()
    scores[name, region] = abs_rel, delta
    print(f"{name:13} {region:11} abs rel {abs_rel:.3f}  RMSE {rmse:.2f} m  delta {delta:.3f}")

assert scores["GLPN", "objects"][0] < scores["the mean map", "objects"][0] / 2  # claim: glpn-works
assert scores["GLPN", "objects"][1] > 0.95  # claim: glpn-works-delta
assert scores["the mean map", "all pixels"][1] > 0.9  # claim: glpn-mean-map-delta

# %% borders tags=["trained", "compact"]
segments = held_out["segments"]
near = np.zeros_like(objects)  # another segment within two pixels, across or down
for step in 1, 2:
    near[:, step:] |= segments[:, step:] != segments[:, :-step]
    near[:, :-step] |= segments[:, step:] != segments[:, :-step]
    near[:, :, step:] |= segments[:, :, step:] != segments[:, :, :-step]
    near[:, :, :-step] |= segments[:, :, step:] != segments[:, :, :-step]

ids = np.pad(held_out["labels"], [(0, 0), (2, 0)], constant_values=-1)  # floor and wall have none
classes = np.take_along_axis(ids, segments.reshape(200, -1).astype(int), 1).reshape(truth.shape)
off = np.abs(guesses - truth) / truth
error = {"near a border": off[near].mean(), "elsewhere": off[~near].mean()}
error |= {"floor": off[segments == 0].mean(), "wall": off[segments == 1].mean()}
for i, name in enumerate(["cone", "cube", "cylinder", "sphere", "torus"]):
    error[name] = off[classes == i].mean()
for name, value in error.items():
    print(f"{name:14} abs rel {value:.3f}")

assert error["near a border"] > 1.4 * error["elsewhere"]  # claim: glpn-borders
assert error["torus"] == max(list(error.values())[4:])  # claim: glpn-torus-hardest

# %% holes tags=["trained", "compact"]
ring = classes == 4
holes = (segments < 2) & ~near
for axis in 1, 2:  # a ring pixel before and behind it, in its column and in its row
    holes &= np.maximum.accumulate(ring, axis=axis)
    holes &= np.flip(np.maximum.accumulate(np.flip(ring, axis), axis=axis), axis)
outside = (segments < 2) & ~near & ~holes
print(f"seen through a ring: abs rel {off[holes].mean():.3f}, other background {off[outside].mean():.3f}")
print(f"too near in {(guesses < truth)[holes].mean():.0%} of the {holes.sum()} pixels")

assert off[holes].mean() > 1.2 * off[outside].mean()  # claim: glpn-holes

# %% hardest tags=["trained", "compact"]
by_scene = (off * objects).sum(axis=(1, 2)) / objects.sum(axis=(1, 2))
figure, axes = plt.subplots(2, 3, figsize=(6.6, 4.4))
for row, i in zip(axes, by_scene.argsort()[::-1]):
    row[0].imshow(held_out["images"][i])
    row[1].imshow(truth[i], vmin=3.5, vmax=10)
    row[2].imshow(guesses[i], vmin=3.5, vmax=10)
    print(f"scene {i}: abs rel on objects {by_scene[i]:.3f}")
for axis, name in zip(axes[0], ["picture", "truth", "prediction"]):
    axis.set_title(name)
for axis in axes.flat:
    axis.axis("off")
plt.show()

# %% moved-object tags=["trained", "compact"]
HOST, LEFT = 195, 41  # a scene with free floor in the middle
donors = [  # scene and object: seen whole, and of middling size
    (i, j)
    for i, j in product(range(200), range(6))
    if held_out["visible"][i, j] > 0.98 and 14 <= np.diff(held_out["boxes"][i, j, ::2])[0] <= 20
][:25]


def pasted(i, j, foot, scale=1.0):
    """The host's picture with an object of another scene, which ends at row `foot`, and where it is."""
    x0, y0, x1, y1 = held_out["boxes"][i, j]
    size = round((x1 - x0) * scale), round((y1 - y0) * scale)
    cut = np.array(Image.fromarray(held_out["images"][i, y0:y1, x0:x1]).resize(size))
    inside = Image.fromarray(held_out["segments"][i, y0:y1, x0:x1] == 2 + j)
    inside = np.array(inside.resize(size, Image.Resampling.NEAREST))
    view, where = held_out["images"][HOST].copy(), np.zeros((96, 96), bool)
    where[foot - size[1] : foot, LEFT : LEFT + size[0]] = inside
    view[where] = cut[inside]
    return view, where


def read(views):
    """The mean predicted depth on each pasted object."""
    tensors = processor([view for view, _ in views], return_tensors="pt")["pixel_values"]
    depths = model(tensors).predicted_depth.numpy()
    return np.array([depth[where].mean() for depth, (_, where) in zip(depths, views)])


FEET = [56, 68, 80, 92]
own = np.array([truth[i][held_out["segments"][i] == 2 + j].mean() for i, j in donors])
moved = np.array([read([pasted(i, j, foot) for i, j in donors]) for foot in FEET])
figure, axes = plt.subplots(1, 4, figsize=(8, 2.4))
for axis, foot, depths in zip(axes, FEET, moved):
    axis.imshow(pasted(*donors[0], foot)[0])
    axis.set_title(f"{depths[0]:.1f} m")
    axis.axis("off")
    print(f"foot at row {foot}: {depths.mean():.2f} m, from {depths.min():.2f} to {depths.max():.2f}")
plt.show()
print(f"where they came from, the {len(own)} objects were {own.min():.1f} to {own.max():.1f} m away")

assert (np.diff(moved, axis=0) < 0).all()  # claim: glpn-foot-decides
assert moved.std(axis=1).max() < own.std() / 2  # claim: glpn-origin-forgotten

# %% resized-object tags=["trained", "compact"]
resized = {}
for scale in 0.67, 1, 1.5:
    resized[scale] = read([pasted(i, j, 68, scale) for i, j in donors]).mean()
    print(f"{scale:4} times as large: {resized[scale]:.2f} m")

assert abs(resized[1.5] / resized[0.67] - 1) < 0.15  # claim: glpn-size-says-little

# %% erased tags=["trained", "compact"]
few = slice(0, 30)
flat_floor, flat_objects = batch[few].clone(), batch[few].clone()
for i in range(30):
    inside = torch.tensor(segments[i] == 0)
    flat_floor[i][:, inside] = batch[i][:, inside].mean(dim=1, keepdim=True)
    for j in range(2, 8):
        inside = torch.tensor(segments[i] == j)
        flat_objects[i][:, inside] = batch[i][:, inside].mean(dim=1, keepdim=True)
views = {
    "floor in one colour": flat_floor,
    "objects in one colour": flat_objects,
    "upside down": batch[few].flip(-2),
}
found = {"as they are": off[few][objects[few]].mean()}
for name, view in views.items():
    answer = model(view).predicted_depth.numpy()
    if name == "upside down":
        rows_means = answer[:, :8].mean(), answer[:, -8:].mean()
        answer = answer[:, ::-1]
    found[name] = (np.abs(answer - truth[few]) / truth[few])[objects[few]].mean()
for name, value in found.items():
    print(f"{name:22} abs rel on objects {value:.3f}")
print(f"upside down: the floor above {rows_means[0]:.1f} m, the wall below {rows_means[1]:.1f} m")

assert found["floor in one colour"] < 2 * found["as they are"]  # claim: glpn-tiles-not-needed
assert found["upside down"] > 3 * found["as they are"]  # claim: glpn-upside-down
assert rows_means[1] < rows_means[0]  # claim: glpn-below-stays-near

# %% which-zeros tags=["trained", "compact"]
results = {}
for name in "patch_embeddings", "patch_embeddings.0", "dwconv", "decoder":
    other = copy.deepcopy(model)
    for path, part in other.named_modules():
        if isinstance(part, nn.Conv2d) and name in path:
            part.padding_mode = "circular"
    answer = other(batch[few]).predicted_depth.numpy()
    results[name] = (np.abs(answer - truth[few]) / truth[few])[objects[few]].mean()
print(f"as it is: abs rel on objects {off[few][objects[few]].mean():.3f}")
for name, result in results.items():
    print(f"no zeros in {name:18}: {result:.3f}")

assert results["patch_embeddings"] > 1.5 * results["dwconv"]  # claim: glpn-zeros-of-patches

# %% other-sizes tags=["trained", "compact"]
by_size = {}
for size in 64, 96, 128, 192:
    view = nn.functional.interpolate(batch[:12], size=size, mode="bilinear", antialias=True)
    answer = model(view).predicted_depth[:, None]
    answer = nn.functional.interpolate(answer, size=96, mode="bilinear")[:, 0].numpy()
    by_size[size] = (np.abs(answer - truth[:12]) / truth[:12])[objects[:12]].mean()
    print(f"{size:3} pixels: abs rel on objects {by_size[size]:.3f}")

assert min(by_size, key=by_size.get) == 96  # claim: glpn-trained-size
assert by_size[192] > 2 * by_size[96]  # claim: glpn-larger-is-worse

# %% point-cloud tags=["trained", "compact"]
points = np.stack([x * depth, -y * depth, depth], axis=-1).reshape(-1, 3)  # right, up, forward
ground = points[floor.flatten()]
up = np.linalg.svd(ground - ground.mean(axis=0), full_matrices=False)[2][-1]
up *= np.sign(up[1])
forward = np.array([0, 0, 1]) - up[2] * up  # level, since the camera looks down
height, away = (points - ground.mean(axis=0)) @ up, points @ forward / np.linalg.norm(forward)
colours = np.array(image).reshape(-1, 3) / 255
some = np.arange(96 * 96).reshape(96, 96)[::2, ::2].flatten()  # every other row and column
figure = plt.figure(figsize=(7.4, 3.4))
axis = figure.add_subplot(1, 2, 1, projection="3d")
axis.scatter(points[some, 0], away[some], height[some], c=colours[some], s=8, rasterized=True)
axis.set(xticklabels=[], yticklabels=[], zticklabels=[])
axis.view_init(elev=30, azim=-60)
side = figure.add_subplot(1, 2, 2)
side.scatter(away[some], height[some], c=colours[some], s=8, rasterized=True)
side.set(xlabel="metres away", ylabel="metres up", aspect="equal")
plt.show()
bumps = 100 * np.median(np.abs(height[floor.flatten()]))
print(f"{len(points)} points; half of the floor is flat up to {bumps:.0f} cm")
