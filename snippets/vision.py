# %% [markdown]
# # Patches or convolutions
#
# Two ways for a picture into a network, side by side, and where five vision models stand.
# Run it from the project's root: `python snippets/vision.py`.

# %% setup
import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import (
    MODEL_FOR_DEPTH_ESTIMATION_MAPPING,
    MODEL_FOR_OBJECT_DETECTION_MAPPING,
    MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoModelForDepthEstimation,
    AutoModelForImageClassification,
    AutoModelForObjectDetection,
    AutoModelForUniversalSegmentation,
    ConvNextModel,
    CvtConfig,
    CvtModel,
    LevitConfig,
    LevitModel,
    ViTModel,
)

# full size: from skimage.data import chelsea

VIT = "checkpoints/vit-scenes"  # full size: "google/vit-base-patch16-224"
CONVNEXT = "checkpoints/convnext-scenes"  # full size: "facebook/convnext-tiny-224"
image = Image.open("docs/assets/scenes/scene-apart.png")  # full size: Image.fromarray(chelsea())

models, pixels = {}, {}
for name in VIT, CONVNEXT:
    processor = AutoImageProcessor.from_pretrained(name, backend="pil")
    pixels[name] = processor(image, return_tensors="pt")["pixel_values"]
    model = AutoModelForImageClassification.from_pretrained(name, attn_implementation="eager")
    models[name] = model.float().requires_grad_(False)  # we read the models, we do not train them
    print(f"{type(model).__name__:31} {model.num_parameters():11,} parameters")
vit, convnext = models[VIT].vit, models[CONVNEXT].convnext

# %% two-ways
sequence = vit.embeddings.patch_embeddings(pixels[VIT])
grid = convnext.embeddings(pixels[CONVNEXT])
print("picture, token, channel:")
print("    ViT", tuple(sequence.shape))
print("picture, channel, row, column:")
print("    ConvNeXT", tuple(grid.shape))

assert sequence.dim() == 3 and grid.dim() == 4  # claim: vis-two-ways

# %% as-they-see-it
step, cell = models[VIT].config.patch_size, models[CONVNEXT].config.patch_size
size = pixels[VIT].shape[-1]
square = torch.tensor(np.array(image.convert("RGB").resize((size, size)))).permute(2, 0, 1) / 255
patches = square.unfold(1, step, step).unfold(2, step, step)  # [3, rows, columns, step, step]
columns = patches.shape[2]
words = nn.functional.pad(patches.flatten(1, 2), (1, 1, 1, 1), value=1.0)  # a white frame each
lines = words.unflatten(1, (-1, 2 * columns)).permute(1, 3, 2, 4, 0)  # two rows in one line
places = nn.functional.avg_pool2d(square, cell).permute(1, 2, 0)

figure, axes = plt.subplot_mosaic("ab;cc", figsize=(6, 4.9), height_ratios=[1.6, 1])
axes["a"].imshow(square.permute(1, 2, 0).numpy())
axes["a"].set(title="the picture", xticks=[], yticks=[])
axes["b"].imshow(places.numpy())
axes["b"].set(title="a grid", xlabel="column", ylabel="row")
axes["c"].imshow(lines.flatten(2, 3).flatten(0, 1).numpy())
heights = [(step + 2) * (line + 0.5) for line in range(len(lines))]
axes["c"].set(title="a sequence", xticks=[], ylabel="token")
axes["c"].set_yticks(heights, [2 * columns * line for line in range(len(lines))])
plt.show()
print(f"a grid of {places.shape[0]} x {places.shape[1]}, or a sequence of {words.shape[1]}")

# %% first-layers
projection = vit.embeddings.patch_embeddings.projection
stem = convnext.embeddings.patch_embeddings
for name, layer in {"ViT": projection, "ConvNeXT": stem}.items():
    print(f"{name:9} window {layer.kernel_size}, step {layer.stride}")

before = projection(pixels[VIT])  # [1, channels, rows, columns]: a grid
flattened = before.flatten(2).transpose(1, 2)  # [1, rows * columns, channels]: a sequence
print("ViT, before it flattens:", tuple(before.shape))
print("ViT, after it flattens: ", tuple(flattened.shape))

assert projection.kernel_size == projection.stride == (step, step)  # claim: vis-vit-cuts
assert stem.kernel_size == stem.stride == (cell, cell)  # claim: vis-convnext-cuts
assert torch.equal(flattened, sequence)  # claim: vis-flatten

# %% steps
states = vit(pixels[VIT], output_hidden_states=True).hidden_states
maps = convnext(pixels[CONVNEXT], output_hidden_states=True).hidden_states
print("ViT")
for number, tokens in enumerate(states):
    name = f"block {number}" if number else "embedded"
    print(f"  {name:9} {tokens.shape[1]:5} tokens of {tokens.shape[2]:4}")
print("ConvNeXT")
for number, features in enumerate(maps):
    name = f"stage {number}" if number else "stem"
    places = f"{features.shape[2]} x {features.shape[3]}"
    print(f"  {name:9} {places:>8} places of {features.shape[1]:4}")

assert len({tokens.shape for tokens in states}) == 1  # claim: vis-one-scale
sides = [features.shape[-1] for features in maps[1:]]
assert [a / b for a, b in zip(sides, sides[1:])] == [2, 2, 2]  # claim: vis-four-scales

# %% mixers
attention = vit.layers[0].attention
convolution = convnext.encoder.stages[0].layers[0].dwconv
tokens = vit.layers[0].layernorm_before(sequence)  # without positions, for now


def table(states):
    """Which token takes how much from which other: [heads, tokens, tokens]."""
    return attention(states)[1][0]


mirrored = vit.embeddings.patch_embeddings(pixels[VIT].flip(-1))
other = vit.layers[0].layernorm_before(mirrored)
differ = (table(tokens) - table(other)).abs().max() / table(tokens).max()
print("weights from place to place")
print("  convolution:", tuple(convolution.weight.shape), "learned")
print("  attention:  ", tuple(table(tokens).shape), "computed")
print(f"for the mirrored picture, off by {differ:.0%}")

learned = {name.split(".")[0] for name, _ in attention.named_parameters()}
assert learned == {"q_proj", "k_proj", "v_proj", "o_proj"}  # claim: vis-no-place-weights
assert differ > 0.01  # claim: vis-weights-computed
assert convolution.weight[0].numel() == 7 * 7  # claim: vis-fixed-kernel

# %% order
torch.manual_seed(0)
order = torch.randperm(tokens.shape[1])
there = attention(tokens[:, order])[0]  # shuffled before
back = attention(tokens)[0][:, order]  # shuffled after
gap_of_attention = ((there - back).norm() / back.norm()).item()

order = torch.randperm(grid[0, 0].numel())


def shuffled(features):
    return features.flatten(2)[..., order].view(features.shape)


there, back = convolution(shuffled(grid)), shuffled(convolution(grid))
gap_of_convolution = ((there - back).norm() / back.norm()).item()
print("shuffled before or after, difference:")
print(f"  attention   {gap_of_attention:6.1%}")
print(f"  convolution {gap_of_convolution:6.1%}")

assert gap_of_attention < 1e-4  # claim: vis-attention-no-order
assert gap_of_convolution > 0.1  # claim: vis-convolution-order

# %% near-and-far
row, column = columns // 2, columns // 2
disturbed = tokens.clone()
disturbed[0, row * columns + column] = -tokens[0, row * columns + column]  # one token, negated
far = (attention(disturbed)[0] - attention(tokens)[0])[0].norm(dim=-1).view(-1, columns)

middle = grid.shape[2] // 2
disturbed = grid.clone()
disturbed[..., middle, middle] *= -1  # one place, negated
near = (convolution(disturbed) - convolution(grid))[0].norm(dim=0)

figure, axes = plt.subplots(1, 2, figsize=(5, 2.7))
for axis, change, title in zip(axes, [far, near], ["attention", "convolution"]):
    axis.imshow((change / change.max()).log10().numpy(), vmin=-4)  # zero becomes blank
    axis.set(title=title, xticks=[], yticks=[])
    print(f"{title:11} reaches {(change > 0).sum():3} of {change.numel()} places")
plt.show()

assert (far > 0).all()  # claim: vis-attention-reach
assert (near > 0).sum() == 7 * 7  # claim: vis-convolution-reach

# %% shift
rim = 4  # cells near the border: there the picture ends
wide = image.convert("RGB").resize((size + step, size + step), Image.Resampling.BICUBIC)
wide = torch.tensor(np.array(wide)).permute(2, 0, 1)[None] / 127.5 - 1  # [1, 3, ...]
ways = {
    "ViT, patches": (lambda view: projection(view), step),
    "ViT, block 1": (lambda view: vit.layers[0](vit.embeddings(view))[:, 1:].mT, step),
    "ConvNeXT, stem": (convnext.embeddings, cell),
    "ConvNeXT, 7 x 7": (lambda view: convolution(convnext.embeddings(view)), cell),
}
gaps = {name: [] for name in ways}
for shift in range(step + 1):
    for name, (run, unit) in ways.items():
        side = size // unit
        views = [wide[..., :size, by : by + size] for by in (0, shift)]
        first, second = (run(view).reshape(-1, side, side) for view in views)
        moved = round(shift / unit)  # by so many places the result should have moved
        first, second = first[..., moved:], second[..., : side - moved]
        inner = (slice(None), *[slice(rim, -rim)] * 2) if unit == cell else slice(None)
        gaps[name].append(((second - first)[inner].norm() / first[inner].norm()).item())

# %% shift-figure
plt.figure(figsize=(5.4, 2.9))
print(f"moved by {cell:11} px {step:5} px")
for (name, gap), style in zip(gaps.items(), ["C0:", "C0-", "C2:", "C2-"]):
    plt.plot(gap, style, label=name)
    print(f"{name:15} {gap[cell]:8.1%} {gap[step]:8.1%}")
plt.xlabel("pixels that the picture moved")
plt.ylabel("off by")
plt.legend(loc="upper center", bbox_to_anchor=(0.5, 1.4), ncols=2)
plt.show()

assert gaps["ViT, patches"][step] < 1e-3  # claim: vis-patches-shift
assert max(gaps["ConvNeXT, 7 x 7"][::cell]) < 1e-3  # claim: vis-grid-shift
between = gaps["ViT, patches"][1:step] + gaps["ConvNeXT, stem"][1:cell]
assert min(between) > 0.01  # claim: vis-shift-between
assert min(gaps["ViT, block 1"][1:]) > 0.01  # claim: vis-vit-must-learn


# %% count
def products(network, view, **options):
    """A network's output for a picture, and the multiplications of all its layers with weights."""
    total = []

    def count(layer, args, output):  # each output number sums one product for each weight
        total.append(output.numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    return network(view, **options), sum(total)


patch_layer, values = vit.embeddings.patch_embeddings, 3 * step * step
_, counted = products(patch_layer, pixels[VIT])
print(f"{len(sequence[0])} patches, {values} values in, {len(projection.weight)} out:")
print(f"{counted:,} products")

assert counted == len(sequence[0]) * values * len(projection.weight)  # claim: vis-count

# %% growth
sides = [size, 2 * size, 4 * size, 8 * size]
rows = []
print("million products: attention,")
print("the rest of ViT, ConvNeXT")
for side in sides:
    with torch.device("meta"):  # shapes without numbers: no memory, no time
        view = torch.empty(1, 3, side, side)
        larger = AutoConfig.from_pretrained(VIT, image_size=side, attn_implementation="eager")
        network = ViTModel(larger, add_pooling_layer=False)
        outputs, linear = products(network, view, output_attentions=True)
        _, grid_like = products(ConvNextModel(convnext.config), view)
    pairs = sum(weights.numel() for weights in outputs.attentions)  # entries of all tables
    attending = 2 * pairs * attention.head_dim  # query by key, then weight by value
    rows.append([outputs[0].shape[1], attending, linear, grid_like])
    numbers = "".join(f"{number / 1e6:10,.0f}" for number in rows[-1][1:])
    print(f"{side:5} px {numbers}")

growth = [[after / before for before, after in zip(*pair)] for pair in zip(rows, rows[1:])]
assert all(15 < step_up[1] < 16 for step_up in growth)  # claim: vis-attention-square
assert all(3.9 < step_up[2] <= 4 for step_up in growth)  # claim: vis-rest-linear
assert all(abs(step_up[3] - 4) < 0.01 for step_up in growth)  # claim: vis-convolution-linear
assert rows[0][1] < 0.1 * rows[0][2]  # claim: vis-square-small-at-first

# %% growth-figure
plt.figure(figsize=(5.4, 3.1))
for column, name in enumerate(["attention", "ViT, the rest", "ConvNeXT"], start=1):
    each_pixel = [row[column] / side**2 for row, side in zip(rows, sides)]
    plt.loglog(sides, each_pixel, ["C1o-", "C0o-", "C2o-"][column - 1], label=name)
plt.xticks(sides, sides)
plt.minorticks_off()
plt.xlabel("width and height of the picture")
plt.ylabel("products a pixel")
plt.legend()
plt.show()

width = vit.config.hidden_size
share = [row[1] / (row[1] + row[2]) for row in rows]
for row, part in zip(rows, share):
    print(f"{row[0]:6,} tokens: attention {part:4.0%} of ViT")
print(f"{6 * width:6,} is six times a token's width")

balanced = [(row[0] > 6 * width) == (row[1] > row[2]) for row in rows]
assert all(balanced) and share[-1] > 0.5  # claim: vis-square-wins


# %% hybrids
def blocks(network):
    """Names of convolutions that look at neighbours, after the first layer, and of attention."""
    parts = dict(network.named_modules())
    _, *others = [name for name in parts if isinstance(parts[name], nn.Conv2d)]
    wide = [name for name in others if max(parts[name].kernel_size) > 1]
    ends = "Attention", "AttentionSubsample"
    named = [name for name in parts if type(parts[name]).__name__.endswith(ends)]
    outer = [name for name in named if not any(name.startswith(f"{each}.") for each in named)]
    return wide, outer


with torch.device("meta"):
    cvt, levit = CvtModel(CvtConfig()), LevitModel(LevitConfig())  # the defaults
for name, network in {"ViT": vit, "ConvNeXT": convnext, "CvT": cvt, "LeViT": levit}.items():
    wide, attentions = blocks(network)
    print(f"{name}: {len(wide)} convolutions, {len(attentions)} attentions")

for network in cvt, levit:
    assert all(blocks(network))  # claim: vis-third-way
inside = [name for name in blocks(cvt)[0] if "attention" in name]
assert len(inside) == 3 * len(blocks(cvt)[1])  # claim: vis-cvt
assert all("patch_embeddings" in name for name in blocks(levit)[0])  # claim: vis-levit
tables = [sum("position" in name for name, _ in network.named_parameters()) for network in (vit, cvt, levit)]
assert tables == [1, 0, 0]  # claim: vis-no-table

# %% dense-models
DETR = "checkpoints/detr-scenes"  # full size: "facebook/detr-resnet-50"
MASK2FORMER = "checkpoints/mask2former-scenes"  # full size: "facebook/mask2former-swin-tiny-coco-panoptic"
GLPN = "checkpoints/glpn-scenes"  # full size: "vinvino02/glpn-nyu"
tasks = {
    "detection": MODEL_FOR_OBJECT_DETECTION_MAPPING,
    "segmentation": MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING,
    "depth": MODEL_FOR_DEPTH_ESTIMATION_MAPPING,
}
settings = [AutoConfig.from_pretrained(name) for name in (DETR, MASK2FORMER, GLPN)]
classes = {}
for each in settings:
    for task, known in tasks.items():
        if type(each) in known:
            classes[each.model_type, task] = known[type(each)].__name__
            print(f"{each.model_type:11} {task:12} {known[type(each)].__name__}")

own = {("detr", "detection"), ("mask2former", "segmentation"), ("glpn", "depth")}
assert own <= classes.keys()  # claim: vis-dense-models
further = [classes[pair] for pair in classes.keys() - own]
assert further == ["DetrForSegmentation"]  # claim: vis-detr-masks

# %% building-blocks
heads = AutoModelForObjectDetection, AutoModelForUniversalSegmentation, AutoModelForDepthEstimation
five = {"ViT": vit, "ConvNeXT": convnext}
for name, head, each in zip(["DETR", "Mask2Former", "GLPN"], heads, settings):
    with torch.device("meta"):
        five[name] = head.from_config(each)
print("convolutions, attentions, queries")
found = {}
for name, network in five.items():
    wide, attentions = blocks(network)
    queries = getattr(network.config, "num_queries", 0)
    found[name] = len(wide), len(attentions), queries
    print(f"{name:12} {len(wide):6} {len(attentions):6} {queries:6}")

assert found["ViT"][0] == 0 and found["ConvNeXT"][1] == 0  # claim: vis-pure-two
dense = [found[name] for name in ("DETR", "Mask2Former", "GLPN")]
assert all(wide and attentions for wide, attentions, _ in dense)  # claim: vis-dense-mixed
assert [queries > 0 for _, _, queries in dense] == [True, True, False]  # claim: vis-queries
