# %% [markdown]
# # Image classification with ConvNeXT
#
# What a convolution is, and five changes that made a modern network of it.
# Run it from the project's root: `python snippets/convnext.py`.

# %% setup
import copy
from collections import Counter
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    ConvNextConfig,
    ConvNextModel,
    ResNetConfig,
    ResNetModel,
)

# full size: from skimage.data import chelsea

CHECKPOINT = "checkpoints/convnext-scenes"  # full size: "facebook/convnext-tiny-224"
image = Image.open("docs/assets/scenes/subject-torus.png")  # full size: Image.fromarray(chelsea())

processor = AutoImageProcessor.from_pretrained(CHECKPOINT, backend="pil")
model = AutoModelForImageClassification.from_pretrained(CHECKPOINT, dtype=torch.float32)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"blocks in each stage: {config.depths}, channels: {config.hidden_sizes}")

# %% three-lines tags=["trained"]
SUBJECT = "torus"  # full size: "cat"

inputs = processor(image, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
label = config.id2label[outputs.logits.argmax().item()]  # interpret

plt.figure(figsize=(3, 3))
plt.imshow(image)
plt.title(label)
plt.axis("off")
plt.show()

assert SUBJECT in label  # claim: cnx-first-prediction

# %% prepare
pixels = processor(image, return_tensors="pt")["pixel_values"]  # [pictures, colours, height, width]
print("picture:", image.size, "tensor:", tuple(pixels.shape))
print("mean", processor.image_mean, "deviation", processor.image_std)

wide = image.resize((600, 200))
painted = wide.copy()
painted.paste((255, 0, 0), (0, 0, 150, 200))  # the left quarter becomes red
views = [processor(each, return_tensors="pt")["pixel_values"] for each in (wide, painted)]
same = torch.equal(*views)
print("a wide picture with another left end gives the same tensor:", same)

assert pixels.shape == (1, 3, config.image_size, config.image_size)  # claim: cnx-input
assert same  # claim: cnx-crop

# %% convolution
picture = torch.tensor([[0, 0, 0, 9, 9]] * 3 + [[0, 0, 0, 0, 0]]).float()
kernel = torch.tensor([[-1, 0, 1]] * 3).float()

rows, columns = len(picture) - 3 + 1, len(picture[0]) - 3 + 1
by_hand = torch.zeros(rows, columns)
for row, column in product(range(rows), range(columns)):
    window = picture[row : row + 3, column : column + 3]  # slide
    by_hand[row, column] = (window * kernel).sum()  # multiply and add
library = nn.functional.conv2d(picture[None, None], kernel[None, None])[0, 0]

print(picture.int().numpy(), "\n")
print(by_hand.int().numpy())

assert torch.equal(by_hand, library)  # claim: conv-operation

# %% channels
torch.manual_seed(0)
layer = nn.Conv2d(in_channels=3, out_channels=2, kernel_size=3).requires_grad_(False)
colours = torch.rand(3, 8, 8)
by_hand = torch.zeros(2, 6, 6)
for out, row, column in product(range(2), range(6), range(6)):
    window = colours[:, row : row + 3, column : column + 3]  # all colours at once
    by_hand[out, row, column] = (window * layer.weight[out]).sum() + layer.bias[out]

print("input:  ", tuple(colours.shape))
print("kernels:", tuple(layer.weight.shape), "biases:", tuple(layer.bias.shape))
print("output: ", tuple(by_hand.shape))

assert torch.allclose(by_hand, layer(colours[None])[0], atol=1e-5)  # claim: cnx-channels

# %% hand-made
grey = pixels.mean(dim=1, keepdim=True)  # [1, 1, height, width]
across = kernel[None, None] / 3  # the kernel from above: right minus left
blur = torch.ones(1, 1, 7, 7) / 49
kernels = {"left to right": across, "top to bottom": across.mT, "blur": blur}

figure, axes = plt.subplots(1, 4, figsize=(8, 2.3))
axes[0].imshow(grey[0, 0].numpy(), cmap="gray")
for axis, weights in zip(axes[1:], kernels.values()):
    axis.imshow(nn.functional.conv2d(grey, weights)[0, 0].numpy(), cmap="gray")
for axis, name in zip(axes, ["the picture", *kernels]):
    axis.set_title(name)
    axis.axis("off")
plt.show()

flat = torch.full((1, 1, 9, 9), 0.7)
edge = torch.cat([flat, flat + 0.5], dim=-1)  # an upright edge
answers = []
for view, weights in (flat, across), (edge, across), (edge, across.mT):
    answers.append(nn.functional.conv2d(view, weights).abs().max().item())
print("flat, edge, edge with the kernel turned:", [round(answer, 2) for answer in answers])

assert answers[0] < 1e-6 and answers[1] > 0.1  # claim: cnx-flat-is-silent
assert answers[2] < 1e-6  # claim: cnx-edge-direction


# %% arithmetic
def output_size(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


cases = list(product(range(8, 33), [1, 2, 3, 4, 7], [1, 2, 3, 4], [0, 1, 3]))
differences = 0
for size, width, stride, padding in cases:
    layer = nn.Conv2d(1, 1, width, stride, padding, device="meta")
    measured = layer(torch.empty(1, 1, size, size, device="meta")).shape[-1]
    differences += measured != output_size(size, width, stride, padding)
print(f"{len(cases)} combinations, {differences} differ from the formula")
for text, numbers in {
    "3 x 3, step 1, no padding": (96, 3, 1, 0),
    "3 x 3, step 1, padding 1": (96, 3, 1, 1),
    "7 x 7, step 1, padding 3": (96, 7, 1, 3),
    "7 x 7, step 2, padding 3": (96, 7, 2, 3),
    "4 x 4, step 4, no padding": (96, 4, 4, 0),
}.items():
    print(f"{text:25}  96 becomes {output_size(*numbers)}")

assert differences == 0  # claim: conv-arithmetic

# %% pooling
torch.manual_seed(0)
numbers = torch.randint(0, 10, (4, 8)).float()
windows = numbers.unfold(0, 2, 2).unfold(1, 2, 2)  # [2, 4, 2, 2]: 2 x 2, side by side
largest, mean = windows.amax(dim=(2, 3)), windows.mean(dim=(2, 3))
print(numbers.int().numpy())
print("\nlargest\n", largest.int().numpy())
print("\nmean\n", mean.numpy())

assert torch.equal(largest, nn.functional.max_pool2d(numbers[None], 2)[0])  # claim: conv-pooling
assert torch.equal(mean, nn.functional.avg_pool2d(numbers[None], 2)[0])  # claim: cnx-pooling-mean


# %% pooling-shift
def pooled(row, column):
    point = torch.zeros(1, 16, 16)
    point[0, row, column] = 1  # one bright point on black
    return nn.functional.max_pool2d(point, 4)


places = list(product(range(4, 8), range(4, 8)))  # all places inside one window
shares = []
for step in 1, 2, 3, 4:
    same = [torch.equal(pooled(row, column), pooled(row, column + step)) for row, column in places]
    shares.append(sum(same) / len(same))
    print(f"moved by {step}: the pooled grid stays the same in {shares[-1]:.0%} of the cases")

assert shares == [0.75, 0.5, 0.25, 0]  # claim: cnx-pooling-shift

# %% stages
with torch.device("meta"):  # shapes without numbers: no memory, no time
    resnet = ResNetModel(ResNetConfig())  # the defaults: ResNet-50
    convnext = ConvNextModel(ConvNextConfig())  # the defaults: ConvNeXT-T
depths = {}
for name, network in {"ResNet-50": resnet, "ConvNeXT-T": convnext}.items():
    depths[name] = [len(stage.layers) for stage in network.encoder.stages]
    print(f"{name:10}  blocks {depths[name]}, together {sum(depths[name])}")
    print(f"{'':10}  channels {list(network.config.hidden_sizes)}")
    print(f"{'':10}  {depths[name][2] / sum(depths[name]):.0%} of the blocks in the third stage")

assert depths["ResNet-50"] == [3, 4, 6, 3]  # claim: cnx-resnet-stages
assert depths["ConvNeXT-T"] == [3, 3, 9, 3]  # claim: cnx-stages

# %% stem
blank = torch.empty(1, 3, 224, 224, device="meta")
old, new = resnet.embedder, convnext.embeddings
new_stem = new.patch_embeddings
print("ResNet:  ", old.embedder.convolution)
print("         ", old.pooler)
print("ConvNeXT:", new_stem)
print("grids:   ", tuple(old(blank).shape[-2:]), "and", tuple(new(blank).shape[-2:]))

first = old.embedder.convolution
assert first.kernel_size == (7, 7) and first.stride == (2, 2)  # claim: cnx-resnet-stem
assert type(old.pooler) is nn.MaxPool2d  # claim: cnx-resnet-pool
assert new_stem.kernel_size == new_stem.stride == (4, 4)  # claim: cnx-stem-stride
assert old(blank).shape[-2:] == new(blank).shape[-2:] == (56, 56)  # claim: cnx-stem-grid

# %% patchify
stem = model.convnext.embeddings.patch_embeddings
patch = config.patch_size
grid = pixels[0].unfold(1, patch, patch).unfold(2, patch, patch)  # [3, rows, columns, patch, patch]
flat = grid.permute(1, 2, 0, 3, 4).flatten(2)  # [rows, columns, 3 * patch * patch]
matrix = stem.weight.flatten(1)  # [channels, 3 * patch * patch]
vectors = flat @ matrix.T + stem.bias  # [rows, columns, channels]
library = stem_maps = stem(pixels)[0].permute(1, 2, 0)

print(f"{tuple(flat.shape)} times {tuple(matrix.T.shape)} is {tuple(vectors.shape)}")
print(f"largest difference to the library: {(vectors - library).abs().max():.4f}")

assert torch.allclose(vectors, library, atol=1e-4)  # claim: cnx-patchify

# %% bottleneck
old, new = resnet.encoder.stages[0].layers[1], convnext.encoder.stages[0].layers[1]
convolutions = [layer for layer in old.modules() if isinstance(layer, nn.Conv2d)]
old_widths = [convolutions[0].in_channels, *(layer.out_channels for layer in convolutions)]
new_widths = [new.dwconv.in_channels, new.dwconv.out_channels]
new_widths += [new.pwconv1.out_features, new.pwconv2.out_features]
for name, widths in {"ResNet-50": old_widths, "ConvNeXT-T": new_widths}.items():
    print(f"{name:10}", " -> ".join(map(str, widths)))
    print(f"{'':10} widest tensor: {max(widths) * 56 * 56:,} numbers")
print("spatial kernels:", convolutions[1].kernel_size, "and", new.dwconv.kernel_size)

for stage in convnext.encoder.stages:
    for layer in stage.layers:
        assert layer.pwconv1.out_features == 4 * layer.dwconv.in_channels  # claim: cnx-bottleneck
assert old_widths[0] == old_widths[-1] == 4 * old_widths[1]  # claim: cnx-old-bottleneck
assert new_widths[0] == new_widths[1] == new_widths[-1]  # claim: cnx-spatial-narrow
assert max(new_widths) > max(old_widths)  # claim: cnx-not-smaller

# %% depthwise
layer = model.convnext.encoder.stages[0].layers[0].dwconv
states = model.convnext.embeddings(pixels)  # [1, channels, height, width]
alone = []
for i in range(layer.in_channels):  # one channel, one kernel
    channel, weight, bias = states[:, [i]], layer.weight[[i]], layer.bias[[i]]
    alone.append(nn.functional.conv2d(channel, weight, bias, padding=3))
by_hand = torch.cat(alone, dim=1)

disturbed = states.clone()
disturbed[:, 0] += 1  # another first channel
moved = (layer(disturbed) - layer(states)).abs().amax(dim=(0, 2, 3))
print(layer)
print(f"first channel disturbed: {(moved > 0).sum()} of {len(moved)} channels differ behind it")

assert layer.groups == layer.in_channels == layer.out_channels  # claim: cnx-groups
assert torch.allclose(by_hand, layer(states), atol=1e-4)  # claim: cnx-depthwise
assert (moved > 0).tolist() == [True] + [False] * (len(moved) - 1)  # claim: cnx-channels-apart


# %% savings
DEPTHWISE = "7 x 7,  96 channels, depthwise"
with torch.device("meta"):
    layers = {
        "3 x 3,  64 channels, dense": nn.Conv2d(64, 64, 3, padding=1),
        "7 x 7,  96 channels, dense": nn.Conv2d(96, 96, 7, padding=3),
        DEPTHWISE: nn.Conv2d(96, 96, 7, padding=3, groups=96),
        "1 x 1,  96 to 384 channels": nn.Conv2d(96, 384, 1),
        "1 x 1, 384 to  96 channels": nn.Conv2d(384, 96, 1),
    }
costs = []  # multiplications on a grid of 56 x 56: each weight is used once at every place
for name, layer in layers.items():
    costs.append(layer.weight.numel() * 56 * 56)
    print(f"{name:30} {layer.weight.numel():8,} weights, {costs[-1] / 1e6:7,.1f} million products")
old_dense, dense, depthwise, widen, narrow = costs
share = depthwise / (depthwise + widen + narrow)
print(f"of the products of a block, {share:.0%} are depthwise")

assert new.dwconv.weight.shape == layers[DEPTHWISE].weight.shape  # claim: cnx-real-layer
assert dense == 96 * depthwise  # claim: cnx-savings
assert depthwise < old_dense / 7  # claim: cnx-cheaper-than-old
assert share < 0.1  # claim: cnx-pointwise-dominates

# %% kernel-size
seen = {3: [], 7: []}
for size, number in product(seen, [1, 2, 3, 4]):
    layers = [nn.Conv2d(1, 1, size, padding=size // 2, bias=False) for _ in range(number)]
    for layer in layers:
        nn.init.ones_(layer.weight)
    view = torch.zeros(1, 1, 41, 41, requires_grad=True)
    nn.Sequential(*layers)(view)[0, 0, 20, 20].backward()  # which pixels move the middle?
    seen[size].append(int((view.grad[0, 0] > 0).any(dim=0).sum()))
    assert seen[size][-1] == number * (size - 1) + 1  # claim: cnx-field-grows
for size, widths in seen.items():
    print(f"{size} x {size}: 1, 2, 3 and 4 layers see {widths} pixels")

assert seen[7][0] == seen[3][2]  # claim: cnx-one-for-three

# %% receptive-field
opened = copy.deepcopy(model.convnext)
for stage in opened.encoder.stages:
    for layer in stage.layers:
        layer.layer_scale_parameter.fill_(1.0)  # on this copy every block counts in full

torch.manual_seed(0)
view = pixels.clone().requires_grad_(True)
maps = opened(view, output_hidden_states=True).hidden_states  # the stem's, then each stage's
seen = []
figure, axes = plt.subplots(1, len(maps), figsize=(9, 2.3))
for number, (axis, features) in enumerate(zip(axes, maps)):
    middle = features[0, :, features.shape[2] // 2, features.shape[3] // 2]
    probe = (middle * torch.randn(len(middle))).sum()
    (gradient,) = torch.autograd.grad(probe, view, retain_graph=True)
    strength = gradient[0].abs().sum(dim=0)  # [height, width]: how much each pixel counts
    seen.append(int((strength > 0).any(dim=0).sum()))
    axis.imshow((strength / strength.max()).sqrt().numpy())
    axis.set_title(f"stage {number}" if number else "stem")
    axis.axis("off")
plt.show()
print(f"pixels seen, of {view.shape[-1]}:", seen)

assert seen[0] == patch  # claim: cnx-stem-sees
assert seen[1] == patch * (6 * config.depths[0] + 1)  # claim: cnx-field-measured
assert seen[-1] == view.shape[-1]  # claim: cnx-kernel-7

# %% effective-field
across = strength.sum(dim=0) / strength.sum()  # of the last stage, by column of the picture
ordered = across.sort(descending=True).values.cumsum(dim=0)
half = int((ordered < 0.5).sum()) + 1
print(f"half of the gradient of the last stage lies in {half} of {len(across)} columns")

assert half < len(across) / 2  # claim: cnx-effective-field

# %% layer-design
KINDS = nn.ReLU, type(new.act), nn.BatchNorm2d, nn.LayerNorm


def listed(part):
    return Counter(type(each).__name__ for each in part.modules() if isinstance(each, KINDS))


parts = {"a ResNet block": old, "a ConvNeXT block": new}
parts |= {"ResNet-50": resnet, "ConvNeXT-T": convnext}
for name, part in parts.items():
    print(f"{name:17}", dict(listed(part)))

assert listed(old) == {"ReLU": 3, "BatchNorm2d": 3}  # claim: cnx-old-design
assert listed(new) == {"GELUActivation": 1, "ConvNextLayerNorm": 1}  # claim: cnx-layer-design
assert not {"ReLU", "BatchNorm2d"} & set(listed(convnext))  # claim: cnx-none-left

# %% activation
line = torch.linspace(-4, 4, 161)
gelu, relu = new.act(line), line.relu()
normal = torch.distributions.Normal(0.0, 1.0)
by_hand = line * normal.cdf(line)  # times the share of a bell curve below it

plt.figure(figsize=(4.5, 2.4))
plt.plot(line, relu, color="C2", label="ReLU")
plt.plot(line, gelu, label="GELU")
plt.legend()
plt.show()

print(f"at -1: ReLU {relu[60]:.2f}, GELU {gelu[60]:.2f}")

assert torch.allclose(gelu, by_hand, atol=1e-5)  # claim: cnx-gelu
assert gelu.min() < 0 and (relu >= 0).all()  # claim: cnx-gelu-below-zero

# %% normalisation
torch.manual_seed(0)
batch = torch.randn(8, 5, 4, 4)  # pictures, channels, height, width
other = batch.clone()
other[1:] = 3 * torch.randn(7, 5, 4, 4) + 2  # the first picture stays, the rest is replaced
batch_norm, layer_norm = nn.BatchNorm2d(5), nn.LayerNorm(5)


def change(norm, layout=(0, 1, 2, 3)):
    first, second = norm(batch.permute(layout))[0], norm(other.permute(layout))[0]
    return (first - second).abs().max().item()


in_training, by_place = change(batch_norm), change(layer_norm, (0, 2, 3, 1))
print(f"first picture, BatchNorm in training: changes by up to {in_training:.2f}")
print(f"first picture, LayerNorm:             changes by up to {by_place:.2f}")

place = batch[0, :, 2, 3]  # all channels at one place of one picture
by_hand = (place - place.mean()) / (place.var(unbiased=False) + layer_norm.eps).sqrt()
assert in_training > 0.1 and by_place == 0  # claim: cnx-norm-batch
assert torch.allclose(by_hand, layer_norm(place), atol=1e-5)  # claim: cnx-norm-by-hand
assert change(batch_norm.eval()) == 0  # claim: cnx-norm-eval


# %% budget
def products(network):
    """Multiplications of a network's layers, for one picture of 224 x 224 pixels."""
    total = []

    def count(layer, args, output):  # each output number sums one product for each weight
        total.append(output.numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    network(torch.empty(1, 3, 224, 224, device="meta"))
    return sum(total)


for name, network in {"ResNet-50": resnet, "ConvNeXT-T": convnext}.items():
    budget, size = products(network), network.num_parameters()
    print(f"{name:10} {budget / 1e9:.1f} billion products, {size / 1e6:.1f} million parameters")
    assert 4.0 < budget / 1e9 < 4.6  # claim: cnx-budget

# %% block
layer = model.convnext.encoder.stages[0].layers[0]
states = model.convnext.embeddings(pixels)  # [1, channels, height, width]
conv = layer.dwconv
mixed = nn.functional.conv2d(states, conv.weight, conv.bias, padding=3, groups=conv.groups)
mixed = mixed.permute(0, 2, 3, 1)  # channels last: [1, height, width, channels]
centred = mixed - mixed.mean(dim=-1, keepdim=True)
normal = centred / (mixed.var(dim=-1, unbiased=False, keepdim=True) + layer.layernorm.eps).sqrt()
normal = normal * layer.layernorm.weight + layer.layernorm.bias
wide = nn.functional.gelu(normal @ layer.pwconv1.weight.T + layer.pwconv1.bias)
narrow = wide @ layer.pwconv2.weight.T + layer.pwconv2.bias
scaled = layer.layer_scale_parameter * narrow  # one factor a channel
by_hand = states + scaled.permute(0, 3, 1, 2)  # what was there before stays

print(f"in {tuple(states.shape)}, inside {tuple(wide.shape)}, out {tuple(by_hand.shape)}")
print(f"factors: {len(layer.layer_scale_parameter)}, at first {config.layer_scale_init_value}")
print(f"largest difference to the library: {(by_hand - layer(states)).abs().max():.4f}")

assert type(layer.pwconv1) is type(layer.pwconv2) is nn.Linear  # claim: cnx-one-by-one
assert torch.allclose(by_hand, layer(states), atol=1e-4)  # claim: cnx-block

# %% pyramid
maps = model.convnext(pixels, output_hidden_states=True).hidden_states
size = pixels.shape[-1]
scales = [size // features.shape[-1] for features in maps]
print("picture:", tuple(pixels.shape[1:]))
for number, (scale, features) in enumerate(zip(scales, maps)):
    name = f"stage {number}" if number else "stem"
    shape = str(tuple(features.shape[1:]))
    print(f"{name:7}  {shape:15} 1/{scale:<2} of the width, {features.numel():7,} numbers")

between = [stage.downsampling_layer[1] for stage in model.convnext.encoder.stages[1:]]
assert scales == [4, 4, 8, 16, 32]  # claim: cnx-pyramid
assert {layer.kernel_size for layer in between} == {(2, 2)}  # claim: cnx-downsampling
assert {layer.stride for layer in between} == {(2, 2)}  # claim: cnx-downsampling-stride

# %% shift
scene = nn.functional.interpolate(pixels, size=size + patch, mode="bilinear")
margin = 3 * config.depths[0] + 1  # places so near to the rim see the padding


def first_stage(step):
    """The first stage's maps of the same scene, seen from so many pixels further right."""
    view = scene[..., :size, step : step + size]
    return model.convnext.encoder.stages[0](model.convnext.embeddings(view))


rest = first_stage(0)
differences = []
for step in range(patch + 1):
    cells = round(step / patch)  # by so many places the maps should have moved
    before, after = rest[..., cells:], first_stage(step)[..., : rest.shape[-1] - cells]
    gap = (after - before)[..., margin:-margin, margin:-margin].norm()
    differences.append((gap / before[..., margin:-margin, margin:-margin].norm()).item())
    print(f"seen {step} pixels further right: {differences[-1]:.1%} off")

assert differences[patch] < 1e-3  # claim: cnx-shift
assert min(differences[1:patch]) > 0.01  # claim: cnx-shift-between

# %% any-size
sizes = [size // 2 // 32 * 32, size, size + 32]
shapes = []
for each in sizes:
    view = nn.functional.interpolate(pixels, size=each, mode="bilinear")
    outputs = model(view, output_hidden_states=True)
    shapes.append(tuple(outputs.hidden_states[-1].shape[2:]))
    print(f"{each} pixels: last grid {shapes[-1]}, logits {tuple(outputs.logits.shape)}")

assert shapes == [(each // 32, each // 32) for each in sizes]  # claim: cnx-any-size

# %% head
features = model.convnext(pixels).last_hidden_state  # [1, channels, rows, columns]
pooled = features.mean(dim=(2, 3))  # one number a channel
norm, head = model.convnext.layernorm, model.classifier
centred = pooled - pooled.mean()
normal = centred / (pooled.var(unbiased=False) + norm.eps).sqrt() * norm.weight + norm.bias
by_hand = normal @ head.weight.T + head.bias
logits = model(pixels).logits

print(f"grid {tuple(features.shape)}, pooled {tuple(pooled.shape)}, logits {tuple(by_hand.shape)}")
print(f"largest difference to the library: {(by_hand - logits).abs().max():.4f}")

assert type(head) is nn.Linear  # claim: cnx-head-linear
assert torch.allclose(by_hand, logits, atol=1e-3)  # claim: cnx-head

# %% loss
probabilities = logits.softmax(dim=-1)[0]
losses, by_hand = [], []
for label in range(3):
    losses.append(model(pixels, labels=torch.tensor([label])).loss)
    by_hand.append(-probabilities[label].log())
    print(f"right label {label}: probability {probabilities[label]:.4f}, loss {losses[-1]:.3f}")

assert torch.allclose(torch.stack(losses), torch.stack(by_hand), atol=1e-3)  # claim: cnx-loss

# %% no-attention
kinds = Counter(type(part).__name__ for part in model.modules() if part._parameters)
for kind, number in kinds.items():
    print(f"{number:4} {kind}")
attentive = [name for name, _ in model.named_modules() if "att" in name]
print("modules with attention in their name:", attentive)

KNOWN = {"Conv2d", "Linear", "LayerNorm", "ConvNextLayerNorm", "ConvNextLayer"}
assert set(kinds) == KNOWN and not attentive  # claim: cnx-no-attention

# %% predictions tags=["trained"]
top = probabilities.topk(3)
for probability, label in zip(top.values, top.indices.tolist()):
    print(f"{probability:6.1%}  {config.id2label[label]}")

# %% stem-kernels tags=["trained"]
cut = grid.permute(1, 2, 0, 3, 4).flatten(0, 1)  # the patches: [places, 3, patch, patch]
even = cut.mean(dim=(2, 3), keepdim=True).expand_as(cut)  # the mean colour of each patch
light = even.mean(dim=1, keepdim=True).expand_as(cut)  # its brightness, without a hue
parts = {"edges": cut - even, "colours": even - light, "brightness": light}
together = sum(parts.values())
answers = torch.stack([(part.flatten(1) @ matrix.T).var(dim=0) for part in parts.values()])
shares = answers / answers.sum(dim=0)  # how much of a kernel's answers is due to each part
leading = Counter(list(parts)[i] for i in shares.argmax(dim=0).tolist())
print("kernels by what they answer to most:", {name: leading[name] for name in parts})

figure, axes = plt.subplots(1, 4, figsize=(8, 2.3))
axes[0].imshow(image)
for axis, share in zip(axes[1:], shares):
    axis.imshow(stem_maps[..., share.argmax()].numpy())  # its clearest map
for axis, name in zip(axes, ["the picture", *parts]):
    axis.set_title(name)
    axis.axis("off")
plt.show()

assert torch.allclose(together, cut, atol=1e-5)  # claim: cnx-three-parts
assert leading["edges"] > 0 and leading["colours"] > 0  # claim: cnx-early-edges

# %% feature-maps tags=["trained"]
figure, axes = plt.subplots(len(maps), 6, figsize=(6.6, 5.8))
for number, (row, features) in enumerate(zip(axes, maps)):
    spread = features[0].flatten(1).var(dim=1)  # channels that differ most from place to place
    for axis, channel in zip(row, spread.argsort(descending=True)):
        axis.imshow(features[0, channel].numpy())
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(f"stage {number}" if number else "stem")
plt.show()

# %% held-out tags=["trained", "compact"]
held_out = np.load("docs/assets/scenes/held-out.npz")
truth = torch.tensor(held_out["labels"])
right = {}
for name in "convnext-scenes", "vit-scenes":
    folder = f"checkpoints/{name}"
    prepare = AutoImageProcessor.from_pretrained(folder, backend="pil")
    network = AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32)
    batch = prepare(list(held_out["images"]), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        guesses = torch.cat([network(part).logits for part in batch.split(50)]).argmax(dim=-1)
    right[name] = guesses == truth
    accuracy = right[name].float().mean()
    print(f"{name:16} {network.num_parameters():9,} parameters, accuracy {accuracy:.3f}")

both = ~right["convnext-scenes"] & ~right["vit-scenes"]
print(f"pictures that both get wrong: {both.sum()} of {len(truth)}")

assert right["convnext-scenes"].float().mean() > 0.9  # claim: cnx-works

# %% depth tags=["trained", "compact"]
batch = processor(list(held_out["images"]), return_tensors="pt")["pixel_values"]
parts = [model.convnext(part, output_hidden_states=True).hidden_states for part in batch.split(50)]
stages = [torch.cat(maps) for maps in zip(*parts)]  # the stem's maps, then each stage's
masks = torch.tensor(held_out["masks"])[:, None].float()  # 1 where the subject is
table = []
for number, features in enumerate(stages):
    area = nn.functional.avg_pool2d(masks, batch.shape[-1] // features.shape[-1])
    usual = features.mean(dim=(0, 2, 3), keepdim=True)
    energy = (features - usual).square().sum(dim=1, keepdim=True)  # how unusual each place is
    on_subject = (energy * area).sum() / energy.sum()
    best = area.flatten(1).argmax(dim=1)  # the place that the subject fills best
    vectors = features.flatten(2)[range(len(truth)), :, best]
    means = torch.stack([vectors[:100][truth[:100] == label].mean(dim=0) for label in range(5)])
    guesses = torch.cdist(vectors[100:], means).argmin(dim=1)  # the nearest of five means
    known = (guesses == truth[100:]).float().mean()
    table.append((on_subject.item(), known.item()))
    print(f"{number or 'stem':4}  on the subject {on_subject:4.0%}  shape known {known:4.0%}")
print(f"the subject fills {masks.mean():.0%} of the picture")

assert table[0][0] > 2 * masks.mean()  # claim: cnx-early-colour
assert table[0][1] < 0.5 and table[-1][1] > 0.8  # claim: conv-depth-features

# %% hardest tags=["trained", "compact"]
probabilities = torch.cat([model(part).logits for part in batch.split(50)]).softmax(dim=-1)
of_truth = probabilities[range(len(truth)), truth]  # the probability of the right label

figure, axes = plt.subplots(1, 5, figsize=(8, 2.3))
for axis, i in zip(axes, of_truth.argsort().tolist()):
    guess = probabilities[i].argmax().item()
    title = f"{config.id2label[guess]} {probabilities[i, guess]:.0%}\n"
    wrong = guess != truth[i]
    axis.imshow(held_out["images"][i])
    axis.set_title(f"{title}is {config.id2label[truth[i].item()]}", color="C2" if wrong else "C4")
    axis.axis("off")
plt.show()

# %% mistake tags=["trained", "compact"]
hard = held_out["images"][of_truth.argmin()]
covered = hard.copy()
covered[44:64, 79:92] = 127  # grey over the small cylinder on the right
answers = []
for view in hard, covered:
    logits = model(**processor(view, return_tensors="pt")).logits[0]
    answers.append(config.id2label[logits.argmax().item()])
    print({config.id2label[i]: round(p, 2) for i, p in enumerate(logits.softmax(dim=-1).tolist())})

assert answers == ["cylinder", "cylinder"]  # claim: cnx-mistake
