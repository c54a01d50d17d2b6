# %% [markdown]
# # Image classification with ViT
#
# One picture, followed from its pixels to a probability.
# Run it from the project's root: `python snippets/vit.py`.

# %% setup
import copy
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import AutoImageProcessor, AutoModelForImageClassification, ViTConfig, ViTModel

# full size: from skimage.data import chelsea

CHECKPOINT = "checkpoints/vit-scenes"  # full size: "google/vit-base-patch16-224"
image = Image.open("docs/assets/scenes/subject-torus.png")  # full size: Image.fromarray(chelsea())

processor = AutoImageProcessor.from_pretrained(CHECKPOINT, backend="pil")
model = AutoModelForImageClassification.from_pretrained(
    CHECKPOINT,
    dtype=torch.float32,
    attn_implementation="eager",  # the variant that can also return its attention weights
)
model.requires_grad_(False)  # we read the model, we do not train it
config = model.config

print(type(model).__name__, f"with {model.num_parameters():,} parameters")
print(f"{config.num_hidden_layers} blocks, {config.num_attention_heads} heads")

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

assert SUBJECT in label  # claim: vit-first-prediction

# %% prepare
inputs = processor(image, return_tensors="pt")
pixels = inputs["pixel_values"]  # [pictures, colours, height, width]

print("picture:", image.size, image.mode, np.array(image).dtype)
print("tensor: ", tuple(pixels.shape), pixels.dtype)
print(f"smallest value {pixels.min():.2f}, largest {pixels.max():.2f}")

assert pixels.shape == (1, 3, config.image_size, config.image_size)  # claim: vit-input-size
assert -1 <= pixels.min() < 0 < pixels.max() <= 1  # claim: vit-input-range

# %% prepare-by-hand
size = processor.size["width"], processor.size["height"]
resized = np.array(image.convert("RGB").resize(size, processor.resample))  # 0 to 255
rescaled = resized * processor.rescale_factor  # 0 to 1
normalised = (rescaled - processor.image_mean) / processor.image_std  # -1 to 1
by_hand = torch.tensor(normalised, dtype=torch.float32).permute(2, 0, 1)  # colours first

print("mean", processor.image_mean, "deviation", processor.image_std)
row, column = 10, 10
print("one pixel, resized:   ", resized[row, column])
print("          rescaled:   ", rescaled[row, column].round(3))
print("          normalised: ", normalised[row, column].round(3))

assert torch.allclose(by_hand, pixels[0], atol=1e-5)  # claim: vit-normalise

# %% patches
patch = config.patch_size
grid = pixels[0].unfold(1, patch, patch).unfold(2, patch, patch)  # [3, rows, columns, patch, patch]
rows, columns = grid.shape[1:3]
grid = grid.permute(1, 2, 3, 4, 0)  # [rows, columns, patch, patch, 3]
print(f"{config.image_size} x {config.image_size} pixels in squares of {patch} x {patch}:")
print(f"{rows} rows x {columns} columns = {rows * columns} patches")

together = grid.permute(4, 0, 2, 1, 3).reshape(pixels[0].shape)
assert torch.equal(together, pixels[0])  # claim: vit-no-overlap

framed = nn.functional.pad(grid, (0, 0, 1, 1, 1, 1), value=1.0)  # a white frame around each
picture = framed.permute(0, 2, 1, 3, 4).flatten(0, 1).flatten(1, 2)
plt.figure(figsize=(4, 4))
plt.imshow((picture / 2 + 0.5).numpy())  # -1 to 1 becomes 0 to 1
plt.axis("off")
plt.show()

# %% sequence
sequence = grid.flatten(0, 1)  # [patches, patch, patch, 3]: row by row, as one reads
print("as a grid:    ", tuple(grid.shape))
print("as a sequence:", tuple(sequence.shape))

middle = rows // 2 * columns
shown = framed.flatten(0, 1)[middle : middle + columns]
plt.figure(figsize=(7, 1.2))
plt.imshow((torch.cat(list(shown), dim=1) / 2 + 0.5).numpy())
plt.xticks((np.arange(columns) + 0.5) * (patch + 2), range(middle, middle + columns))
plt.yticks([])
plt.xlabel("number of the patch in the sequence")
plt.show()

assert torch.equal(sequence[middle], grid[rows // 2, 0])  # claim: vit-reading-order

# %% patch-embedding
embeddings = model.vit.embeddings
projection = embeddings.patch_embeddings.projection
print(projection)

flat = sequence.permute(0, 3, 1, 2).flatten(1)  # [patches, 3 * patch * patch]
matrix = projection.weight.flatten(1)  # [hidden, 3 * patch * patch]
vectors = flat @ matrix.T + projection.bias  # [patches, hidden]
library = embeddings.patch_embeddings(pixels)[0]

print(f"{tuple(flat.shape)} times {tuple(matrix.T.shape)} is {tuple(vectors.shape)}")
print(f"largest difference to the library: {(vectors - library).abs().max():.4f}")

assert projection.kernel_size == projection.stride == (patch, patch)  # claim: vit-kernel-is-stride
assert vectors.shape == (rows * columns, config.hidden_size)  # claim: vit-hidden-size
assert torch.allclose(vectors, library, atol=1e-4)  # claim: vit-conv-projection

# %% cls
cls_vector = embeddings.cls_token[0]  # [1, hidden]: a parameter, the same for every picture
tokens = torch.cat([cls_vector, vectors])  # [1 + patches, hidden]
print("patches:        ", tuple(vectors.shape))
print("with [CLS]:     ", tuple(tokens.shape))

embedded = embeddings(pixels)[0]  # what the library hands to the first block
first = embedded[0] - embeddings.position_embeddings[0, 0]
assert len(embedded) == len(vectors) + 1  # claim: vit-one-more
assert torch.allclose(first, cls_vector[0], atol=1e-5)  # claim: vit-cls-first

# %% positions
positions = embeddings.position_embeddings[0]  # [1 + patches, hidden]: a parameter too
print("tokens:   ", tuple(tokens.shape))
print("positions:", tuple(positions.shape))
print("sum:      ", tuple((tokens + positions).shape))

assert positions.shape == tokens.shape  # claim: vit-positions-size
assert torch.allclose(tokens + positions, embedded, atol=1e-4)  # claim: vit-positions

# %% published-size
published = ViTConfig()  # the defaults are the base size of the paper
with torch.device("meta"):  # shapes without numbers: no memory, no time
    base = ViTModel(published, add_pooling_layer=False)
    blank = torch.empty(1, 3, published.image_size, published.image_size)
    base_patches = base.embeddings.patch_embeddings(blank)[0]
    base_tokens = base.embeddings(blank)[0]
print("picture:   ", tuple(blank.shape))
print("patches:   ", tuple(base_patches.shape))
print("with [CLS]:", tuple(base_tokens.shape))
print(f"parameters: {base.num_parameters():,}")

assert (published.image_size, published.patch_size) == (224, 16)  # claim: vit-base-config
assert base_patches.shape[0] == 196  # claim: vit-patches
assert base_patches.shape[1] == 768  # claim: vit-768
assert base_tokens.shape[0] == 197  # claim: vit-cls
assert round(base.num_parameters() / 1e6) == 86  # claim: vit-86-million

# %% position-map tags=["trained"]
unit = nn.functional.normalize(positions[1:], dim=1)
similarity = (unit @ unit.T).view(rows, columns, rows, columns)  # cosine, each place to all places

framed = nn.functional.pad(similarity, (1, 1, 1, 1), value=torch.nan)
plt.figure(figsize=(4.6, 4))
plt.imshow(framed.permute(0, 2, 1, 3).flatten(0, 1).flatten(1, 2).numpy())
plt.colorbar(label="cosine similarity", shrink=0.8)
plt.axis("off")
plt.show()

places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()
steps = torch.cdist(places, places, p=1)  # how many patches apart two places are
close = similarity.flatten(2).flatten(0, 1)[steps == 1].mean()
far = similarity.flatten(2).flatten(0, 1)[steps >= rows].mean()
print(f"mean cosine of places side by side: {close:.2f}, of places {rows} or more apart: {far:.2f}")

assert close > far + 0.1  # claim: vit-positions-learned

# %% order-blind
torch.manual_seed(0)
order = torch.randperm(rows * columns)
shuffled_grid = sequence[order].view(grid.shape)
shuffled = shuffled_grid.permute(4, 0, 2, 1, 3).reshape(1, *pixels[0].shape)

orderless = copy.deepcopy(model)
orderless.vit.embeddings.position_embeddings.zero_()
without = (orderless(shuffled).logits - orderless(pixels).logits).abs().max()
with_positions = (model(shuffled).logits - model(pixels).logits).abs().max()
print(f"positions zeroed: shuffling moves a logit by at most {without:.4f}")
print(f"positions added:  shuffling moves a logit by up to   {with_positions:.4f}")

figure, axes = plt.subplots(1, 2, figsize=(5, 2.5))
for axis, shown in zip(axes, [pixels[0], shuffled[0]]):
    axis.imshow((shown.permute(1, 2, 0) / 2 + 0.5).numpy())
    axis.axis("off")
plt.show()

assert without < 1e-3  # claim: vit-order-blind
assert with_positions > 10 * without  # claim: vit-order-counts

# %% attention
block = model.vit.layers[0]
attention = block.attention
print(attention)

states = block.layernorm_before(embedded)  # [1 + patches, hidden]
split = (len(states), config.num_attention_heads, attention.head_dim)
query = attention.q_proj(states).view(split).transpose(0, 1)  # [heads, 1 + patches, head size]
key = attention.k_proj(states).view(split).transpose(0, 1)
value = attention.v_proj(states).view(split).transpose(0, 1)
print("query, key and value:", tuple(query.shape))

assert attention.head_dim * config.num_attention_heads == config.hidden_size  # claim: vit-heads

# %% attention-by-hand
scores = query @ key.transpose(1, 2) / attention.head_dim**0.5  # [heads, 1 + patches, 1 + patches]
weights = scores.softmax(dim=-1)  # each row adds up to 1
mixed = weights @ value  # [heads, 1 + patches, head size]
joined = mixed.transpose(0, 1).flatten(1)  # the heads side by side: [1 + patches, hidden]
result = attention.o_proj(joined)

library, library_weights = attention(states[None])
print("weights:", tuple(weights.shape))
print("result: ", tuple(result.shape))
print(f"largest difference to the library: {(result - library[0]).abs().max():.4f}")

assert torch.allclose(weights, library_weights[0], atol=1e-5)  # claim: vit-attention-weights
assert torch.allclose(result, library[0], atol=1e-4)  # claim: vit-attention-by-hand

# %% global
outputs = model(pixels, output_attentions=True)
first_block = outputs.attentions[0][0][:, 1:, 1:]  # [heads, patches, patches], without [CLS]
seen = (first_block > 0).sum(dim=-1)  # to how many patches does each patch attend?
print(f"each patch attends to at least {seen.min()} of {rows * columns} patches, in every head")

disturbed = embedded.clone()
disturbed[-1] += torch.randn(config.hidden_size)  # the last patch, bottom right
moved = (block(disturbed[None]) - block(embedded[None])).abs().amax(dim=-1)[0]
print(f"one patch disturbed: {(moved > 0).sum()} of {len(moved)} tokens differ after one block")

figure, axes = plt.subplots(1, 4, figsize=(7, 2))
y, x = rows // 2, columns // 2
for number, axis in enumerate(axes):
    axis.imshow(first_block[number, y * columns + x].view(rows, columns).numpy(), vmin=0)
    axis.plot(x, y, "s", color="C2")
    axis.set_title(f"head {number + 1}")
    axis.axis("off")
plt.show()

assert first_block.min() > 0  # claim: vit-global
assert (moved > 0).all()  # claim: vit-global-effect

# %% block
after_attention = embedded + block.attention(block.layernorm_before(embedded)[None])[0][0]
widened = block.mlp.fc1(block.layernorm_after(after_attention))  # [1 + patches, wide]
after_mlp = after_attention + block.mlp.fc2(nn.functional.gelu(widened))

print(f"in {tuple(embedded.shape)}, inside {tuple(widened.shape)}, out {tuple(after_mlp.shape)}")
states = embedded[None]
for layer in model.vit.layers:
    states = layer(states)
states = model.vit.layernorm(states)  # [1, 1 + patches, hidden]

library = model.vit(pixels).last_hidden_state
assert torch.allclose(after_mlp, block(embedded[None])[0], atol=1e-4)  # claim: vit-block
assert torch.allclose(states, library, atol=1e-4)  # claim: vit-stack

# %% pure
CONVOLUTIONS = nn.Conv1d, nn.Conv2d, nn.Conv3d
modules = dict(model.named_modules())
convolutions = [name for name in modules if isinstance(modules[name], CONVOLUTIONS)]
print("convolutions:", convolutions)
print("in the blocks:")
for kind, number in Counter(type(part).__name__ for part in model.vit.layers.modules()).items():
    print(f"{number:5} {kind}")

assert convolutions == ["vit.embeddings.patch_embeddings.projection"]  # claim: vit-pure

# %% cls-attention tags=["trained"]
outputs = model(pixels, output_attentions=True)
last_layer = outputs.attentions[-1][0]  # [heads, 1 + patches, 1 + patches]
looks = last_layer[:, 0, 1:].view(-1, rows, columns)  # from [CLS] to each patch, per head

figure, axes = plt.subplots(len(looks) // 4, 4, figsize=(7, 2 * (len(looks) // 4)), squeeze=False)
for number, axis in enumerate(axes.flat):
    axis.imshow(looks[number].numpy(), vmin=0)
    axis.set_title(f"head {number + 1}")
    axis.axis("off")
plt.show()

# %% rollout tags=["trained"]
rollout = torch.eye(len(embedded))
for attention_weights in outputs.attentions:
    mean = attention_weights[0].mean(dim=0)  # over the heads
    rollout = (mean + torch.eye(len(mean))) / 2 @ rollout  # half stays: the residual connection

figure, axes = plt.subplots(1, 3, figsize=(7, 2.4))
axes[0].imshow(resized)
axes[1].imshow(looks.mean(dim=0).numpy())
axes[2].imshow(rollout[0, 1:].view(rows, columns).numpy())
for axis, title in zip(axes, ["the picture", "last block", "all blocks"]):
    axis.set_title(title)
    axis.axis("off")
plt.show()


# %% cls-only
def replace_the_patches(module, args, states):
    noise = torch.randn_like(states)
    noise[:, 0] = states[:, 0]  # [CLS] stays
    return noise


logits = model(pixels).logits
hook = model.vit.layernorm.register_forward_hook(replace_the_patches)
logits_with_noise = model(pixels).logits
hook.remove()
print(f"{rows * columns} of {len(embedded)} final states replaced by noise")
print(f"largest change of a logit: {(logits - logits_with_noise).abs().max():.4f}")

assert torch.equal(logits, logits_with_noise)  # claim: vit-cls-only

# %% head
head = model.classifier
print(head)
final = model.vit(pixels).last_hidden_state[:, 0]  # [1, hidden]: the final state of [CLS]
by_hand = final @ head.weight.T + head.bias  # [1, labels]
print(f"{tuple(final.shape)} times {tuple(head.weight.T.shape)} is {tuple(by_hand.shape)}")
print(f"parameters of the head: {sum(p.numel() for p in head.parameters()):,}")

assert type(head) is nn.Linear  # claim: vit-head
assert torch.allclose(by_hand, logits, atol=1e-4)  # claim: vit-head-by-hand
assert model.vit.pooler is None  # claim: vit-no-pooler

# %% probabilities
outputs = model(pixels)  # no label is given
probabilities = outputs.logits.softmax(dim=-1)[0]
by_hand = outputs.logits[0].exp() / outputs.logits[0].exp().sum()

print("loss:", outputs.loss)
print(f"{len(probabilities)} probabilities, sum {probabilities.sum():.4f}")

assert outputs.loss is None  # claim: vit-prediction-needs-no-label
assert torch.allclose(probabilities, by_hand, atol=1e-5)  # claim: vit-softmax
assert probabilities.argmax() == outputs.logits.argmax()  # claim: vit-argmax

# %% loss
losses, by_hand = [], []
for label in range(5):
    loss = model(pixels, labels=torch.tensor([label])).loss
    losses.append(loss)
    by_hand.append(-probabilities[label].log())
    print(f"right label {label}: probability {probabilities[label]:.4f}, loss {loss:.3f}")

assert torch.allclose(torch.stack(losses), torch.stack(by_hand), atol=1e-3)  # claim: vit-loss

# %% one-step
student = copy.deepcopy(model).requires_grad_(True)
label = probabilities.argmin()[None]  # the label that the model believes in least
before = student(pixels, labels=label).loss
before.backward()
learned = [name for name, p in student.named_parameters() if p.grad is not None and p.grad.any()]
torch.optim.SGD(student.parameters(), lr=1e-3).step()
after = student(pixels, labels=label).loss
print(f"{len(learned)} of {len(list(student.parameters()))} parameter tensors have a gradient")
print("[CLS] vector:       ", "vit.embeddings.cls_token" in learned)
print("position embeddings:", "vit.embeddings.position_embeddings" in learned)
print(f"the loss fell: {(after < before).item()}")

assert "vit.embeddings.cls_token" in learned  # claim: vit-cls-learned
assert "vit.embeddings.position_embeddings" in learned  # claim: vit-positions-trained
assert after < before  # claim: vit-step

# %% predictions tags=["trained"]
top = probabilities.topk(3)
for probability, label in zip(top.values, top.indices.tolist()):
    print(f"{probability:6.1%}  {config.id2label[label]}")

# %% held-out tags=["trained", "compact"]
held_out = np.load("docs/assets/scenes/held-out.npz")
truth = torch.tensor(held_out["labels"])
batch = processor(list(held_out["images"]), return_tensors="pt")["pixel_values"]
outputs = [model(part, output_attentions=True) for part in batch.split(50)]
probabilities = torch.cat([part.logits for part in outputs]).softmax(dim=-1)
guesses = probabilities.argmax(dim=-1)
right = guesses == truth
print(f"{right.sum()} of {len(truth)} right: accuracy {right.float().mean():.3f}")

mistakes = Counter(zip(truth[~right].tolist(), guesses[~right].tolist()))
for (true, guess), number in mistakes.most_common(5):
    print(f"{number} x {config.id2label[true]} taken for {config.id2label[guess]}")

assert right.float().mean() > 0.95  # claim: vit-works

# %% held-out-pictures tags=["trained", "compact"]
of_truth = probabilities[range(len(truth)), truth]  # the probability of the right label
chosen = [*range(5), *of_truth.argsort()[:5].tolist()]  # the first five, and the five hardest

figure, axes = plt.subplots(2, 5, figsize=(7, 4))
for axis, i in zip(axes.flat, chosen):
    answer, fact = config.id2label[guesses[i].item()], config.id2label[truth[i].item()]
    title = f"{answer} {probabilities[i].max():.0%}\n"
    axis.imshow(held_out["images"][i])
    axis.set_title(title if right[i] else f"{title}is {fact}", color="C4" if right[i] else "C2")
    axis.axis("off")
plt.show()

# %% cls-subject tags=["trained", "compact"]
masks = torch.tensor(held_out["masks"]).float()  # 1 where the subject is
subject = nn.functional.avg_pool2d(masks[:, None], patch).flatten(1)  # its share of each patch
area = subject.mean(dim=1)  # its share of the picture

for number in range(config.num_hidden_layers):
    looks = torch.cat([part.attentions[number][:, :, 0, 1:] for part in outputs]).mean(dim=1)
    on_subject = (looks * subject).sum(dim=1) / looks.sum(dim=1)
    print(f"block {number + 1}: {on_subject.mean():.0%} of the attention is on the subject")
print(f"the subject fills {area.mean():.0%} of the picture")

assert on_subject.mean() > 1.5 * area.mean()  # claim: vit-cls-attends

# %% occlusion tags=["trained", "compact"]
torch.manual_seed(0)
quarter = rows * columns // 4
ranks = {"most": looks, "least": -looks, "randomly": torch.rand_like(looks)}
accuracy = {}
for name, rank in ranks.items():
    hidden = torch.zeros_like(looks).scatter(1, rank.topk(quarter).indices, 1.0)
    hidden = nn.functional.interpolate(hidden.view(-1, 1, rows, columns), scale_factor=patch)
    parts = (batch * (1 - hidden)).split(50)  # hidden pixels become 0, a middle grey
    guesses = torch.cat([model(part).logits for part in parts]).argmax(dim=-1)
    accuracy[name] = (guesses == truth).float().mean().item()
    print(f"{quarter} patches hidden, {name:8} attended: accuracy {accuracy[name]:.3f}")

assert accuracy["most"] < accuracy["randomly"] - 0.05  # claim: vit-attention-counts

# %% failure tags=["trained", "compact"]
hard = Image.open("docs/assets/scenes/hard-cylinder.png")
covered = hard.copy()
covered.paste((127, 127, 127), (225, 165, 305, 255))  # grey over the small object

figure, axes = plt.subplots(2, 2, figsize=(5, 5))
answers = []
for row, shown in zip(axes, [hard, covered]):
    outputs = model(**processor(shown, return_tensors="pt"), output_attentions=True)
    probabilities = outputs.logits.softmax(dim=-1)[0]
    answers.append(config.id2label[probabilities.argmax().item()])
    row[0].imshow(shown)
    row[0].set_title(f"{answers[-1]} {probabilities.max():.0%}")
    row[1].imshow(outputs.attentions[-1][0, :, 0, 1:].mean(dim=0).view(rows, columns).numpy())
    row[1].set_title("last block")
for axis in axes.flat:
    axis.axis("off")
plt.show()
print("the answers:", answers)

assert answers == ["cube", "cylinder"]  # claim: vit-failure
