# %% [markdown]
# # Fine-tune a segmentation model
#
# You take an encoder that has learned to see distances, put a new head on it, and train both until they say for every pixel
# what it shows. It takes about a minute on one processor core.
#
# What segmentation is, and how one model does all kinds of it, is told in
# [Image segmentation](../image-segmentation-mask2former.md). Here you train another one yourself:
# [SegFormer](https://arxiv.org/abs/2105.15203), which gives each pixel a class and does nothing else. You go from the data to a
# saved model.

# %% setup
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from datasets import Dataset, Features, Image
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from PIL.ImageOps import mirror
from safetensors.torch import load_file
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex
from transformers import (
    AutoImageProcessor,
    GLPNForDepthEstimation,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessorPil,
    SegformerModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

from guides.common import check_labels, check_memory, checkpoint, show_progress
from sample_data.scenes import LABELS, render, split

BASE = checkpoint("checkpoints/glpn-scenes")  # full size: "nvidia/mit-b0"
STEPS = 160  # suite: 45
SCENES = 400  # suite: 120
# full size: SCENES = 120
WORTH = 0.55  # suite: 0.2
BATCH = 16  # full size: 2
LEARNING_RATE = 3e-3  # full size: 6e-5
WIDTH = 64  # full size: 256

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# The pictures are rendered by this project: a floor, a wall, one large object, and in some pictures one or two small ones. The
# renderer knows what each pixel shows. So it gives a *map* with every picture: of the same size, with the number of a class in
# the place of a colour. Real maps are drawn by people, which takes many minutes for each.
#
# Three parts are needed. The first is trained on. The second is looked at while training, to see how it goes. The third
# is for the final number, and is used only once before and once after. No scene is in two of them.

# %% data tags=["learned"]
NAMES = ["floor", "wall", *LABELS]


def example(seed):
    scene = render(seed, kind="subject")
    numbers = [0, 1, *(NAMES.index(thing.label) for thing in scene.objects)]
    return {"image": scene.image, "map": np.array(numbers, np.uint8)[scene.segments]}


def scenes(part, count):
    kinds = Features({"image": Image(), "map": Image()})  # both are kept as PNG
    return Dataset.from_list([example(split(part, i)) for i in range(count)], kinds)


train = scenes("train", SCENES)
watched, test = scenes("validation", SCENES // 10), scenes("test", SCENES // 4)
print(f"{len(train)} to train on, {len(watched)} to watch, {len(test)} held out")
print(train)
print("a map:", np.unique(train[0]["map"]), [NAMES[n] for n in np.unique(train[0]["map"])])

# %% [markdown]
# What would a lazy model do? It would call every pixel floor. So count the pixels of each class.

# %% count tags=["learned"]
truth = np.stack([np.array(picture) for picture in test["map"]])
shares = np.bincount(truth.ravel(), minlength=len(NAMES)) / truth.size
for name, share in zip(NAMES, shares):
    print(f"{name:9} {share:6.1%}")

# %% [markdown]
# Floor and wall fill most of the pictures. A model that knows nothing but these two gets most pixels right, and is useless. So
# the share of right pixels is no good measure here.
#
# The usual one is *intersection over union*, IoU. For one class, take the pixels that are of the class in truth, and those that
# the model says are. Divide how many are in both by how many are in either. A perfect answer gives 1, and a class that is never
# found gives 0. The mean over the classes counts a small class as much as the floor.
#
# ## From pictures to numbers
#
# The processor scales colours to numbers between 0 and 1, and can resize. A map must never be blended: halfway between
# class 2 and class 6 there is no class 4. So the processor takes the nearest pixel of a map, and mixes neighbours only in pictures.
#
# `set_transform` prepares a picture at the moment when it is asked for. Half of the pictures to train on are mirrored, each time
# by chance, and the map with the picture.

# %% prepare
size = {"height": 96, "width": 96}
processor = SegformerImageProcessorPil(size=size, do_normalize=False)
# full size: processor = AutoImageProcessor.from_pretrained(BASE)


def prepare(batch):
    return processor(batch["image"], batch["map"], return_tensors="pt")


def mirror_some(batch):
    flips = torch.rand(len(batch["image"])) < 0.5
    for name in ("image", "map"):
        batch[name] = [mirror(one) if flip else one for one, flip in zip(batch[name], flips)]
    return prepare(batch)


maps = [np.array(picture) for picture in train["map"]]
sizes = [(picture.height, picture.width) for picture in train["image"]]
train.set_transform(mirror_some)
watched.set_transform(prepare)
test.set_transform(prepare)
for name, value in test[0].items():
    print(f"{name:12} {tuple(value.shape)}, {value.dtype}")

# %% [markdown]
# ## An encoder from another model
#
# SegFormer's encoder is a hierarchical Transformer in four stages. Each stage sees the picture at half the width and height of
# the one before. [GLPN](../depth-estimation-glpn.md), which estimates distances, has the same encoder. This project has a GLPN
# that learned from scenes like these, and it has never been told what a cube is.
#
# So its encoder can start ours, if the parts go by the same names. In the file, all of them begin with `glpn.`, where those of
# a SegFormer begin with `segformer.`. The rest of each name agrees. So take the encoder's weights, without the beginning of
# their names, and save them as a SegFormer encoder. Its sizes are those of the GLPN. So is `initializer_range`, the spread of
# random weights: a new head shall be of like scale as what it is put on.
#
# This cell is left out at full size: [mit-b0](https://huggingface.co/nvidia/mit-b0) is a SegFormer encoder already, which
# learned to classify photographs.

# %% convert tags=["compact"]
depth = GLPNForDepthEstimation.from_pretrained(BASE)
kept = ("hidden_sizes", "depths", "num_attention_heads", "drop_path_rate", "initializer_range")
config = SegformerConfig(**{name: getattr(depth.config, name) for name in kept})
weights = load_file(f"{BASE}/model.safetensors")
weights = {name.removeprefix("glpn."): weight for name, weight in weights.items() if name.startswith("glpn.")}
encoder = SegformerModel.from_pretrained(None, config=config, state_dict=weights)
encoder.save_pretrained(f"{work.name}/encoder")
print(f"{len(weights)} of {len(depth.state_dict())} arrays of weights are the encoder's, such as")
print("   ", next(iter(weights)))

# %% [markdown]
# Names can agree by accident. So show both encoders the same picture, and compare what comes out of each stage.

# %% same tags=["compact"]
pixels = test[0]["pixel_values"][None]
with torch.no_grad():
    theirs = depth.glpn(pixels, output_hidden_states=True).hidden_states
    ours = encoder.eval()(pixels, output_hidden_states=True).hidden_states
for stage, (one, other) in enumerate(zip(theirs, ours, strict=True), 1):
    difference = (one - other).abs().max()
    print(f"stage {stage}: {tuple(one.shape[1:])}, largest difference {difference:.4f}")
    assert difference < 1e-4 < one.std()  # claim: guide-seg-encoder

# %% [markdown]
# All four stages [give the same](claim:guide-seg-encoder).
#
# ## A new head
#
# The head is small. It brings the outputs of all four stages to the same width by a linear layer each, enlarges them to the size
# of the first, and lays them on top of one another. Two convolutions of one pixel give the classes. It begins with random
# numbers. Nothing is frozen: the encoder has learned about distances, and has to learn about kinds.
#
# The output has a quarter of the picture's width and height. For the loss, the model enlarges it again, without being asked.

# %% model
start = f"{work.name}/encoder"  # full size: BASE
names = dict(enumerate(NAMES))
model = SegformerForSemanticSegmentation.from_pretrained(
    start,
    num_labels=len(NAMES),
    id2label=names,
    label2id={name: number for number, name in names.items()},
    decoder_hidden_size=WIDTH,
)
head = sum(weight.numel() for weight in model.decode_head.parameters())
print(f"{model.num_parameters():,} weights, {head:,} of them in the head")
with torch.no_grad():
    logits = model(test[0]["pixel_values"][None]).logits
print("the output for one picture:", tuple(logits.shape))

# %% [markdown]
# Two mistakes are typical of maps. A number without an output in the head would end in an error deep inside the loss. A map of
# another size than its picture would end in nothing at all: the model enlarges its output to whatever size the map has, and
# learns the wrong thing. So both are checked before training.


# %% checks
def check_maps(model, sizes, maps):
    """See whether each map fits its picture, and the head has an output for every number."""
    for place, (size, numbers) in enumerate(zip(sizes, maps, strict=True)):
        if numbers.shape != size:
            raise ValueError(
                f"picture {place} has {size[0]} by {size[1]} pixels, and its map has the shape "
                f"{numbers.shape}. Give each picture its own map, of the same height and width."
            )
    found = [np.unique(numbers).tolist() for numbers in maps]
    check_labels(model, found, ignored=model.config.semantic_loss_ignore_index)


check_maps(model, sizes, maps)
check_memory(model)

tall, unknown = np.zeros((96, 48), int), np.full((96, 96), 7)
for bad in (tall, unknown):
    try:
        check_maps(model, sizes[:1], [bad])
    except ValueError as error:
        print(error, end="\n\n")

# %% [markdown]
# One number is left out by the loss: 255. In maps that people drew, it marks pixels where they were not sure.
#
# ## A trainer
#
# The score enlarges the outputs as the loss does, and takes the likeliest class of each pixel. The metric is that of the library
# torchmetrics. It goes by its other name there, the Jaccard index. All pixels of all pictures are counted together.


# %% trainer
def answers(prediction):
    """The likeliest class of each pixel, and the true one."""
    logits, truth = (torch.from_numpy(part) for part in (prediction.predictions, prediction.label_ids))
    large = torch.nn.functional.interpolate(logits, truth.shape[-2:], mode="bilinear")
    return large.argmax(dim=1), truth


def score(prediction):
    index = MulticlassJaccardIndex(len(NAMES), ignore_index=255)  # the mean over the classes
    pixels = MulticlassAccuracy(len(NAMES), average="micro", ignore_index=255)
    return {"iou": index(*answers(prediction)).item(), "pixels": pixels(*answers(prediction)).item()}


settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=BATCH,
    per_device_eval_batch_size=20,
    learning_rate=LEARNING_RATE,
    warmup_steps=10,
    logging_steps=10,
    eval_strategy="steps",
    eval_steps=20,
    save_strategy="no",
    report_to="none",
    log_level="error",
    remove_unused_columns=False,  # they are there only when they are asked for
    seed=0,
)
trainer = Trainer(
    model,
    settings,
    train_dataset=train,
    eval_dataset=watched,
    processing_class=processor,  # saved with the model
    compute_metrics=score,
)
show_progress(trainer)

# %% [markdown]
# ## Before
#
# What is the model worth with its random head?

# %% before tags=["trained"]
untrained = trainer.predict(test)
before = untrained.metrics
print(f"mean IoU {before['test_iou']:.3f}, right pixels {before['test_pixels']:.3f}")

# %% [markdown]
# Half of the pixels are right, about as many as there are of floor. For that is what it calls nearly everything.
#
# ## Train

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve
#
# The loss is that of every pixel, so floor and wall rule it. The mean IoU tells another story: it goes on rising when the loss
# seems to have come to rest.

# %% curve tags=["trained"] alt="Two charts over the steps. Left: the loss in training and on watched scenes, which fall steeply at first and slowly after that. Right: the mean IoU on watched scenes, which rises through all of the training."
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
for axis, key, name in (
    (left, "loss", "in training"),
    (left, "eval_loss", "watched"),
    (right, "eval_iou", "watched"),
):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
left.set(xlabel="steps", ylabel="loss", ylim=0)
right.set(xlabel="steps", ylabel="mean IoU", ylim=(0, 1))
left.legend()
plt.show()

# %% [markdown]
# ## After
#
# Now the held-out scenes, for the second and last time.

# %% after tags=["trained"]
final = trainer.predict(test)
after = final.metrics
for name, metrics in (("untrained head", before), ("fine-tuned", after)):
    print(f"{name:15} mean IoU {metrics['test_iou']:.3f}, right pixels {metrics['test_pixels']:.3f}")

assert after["test_iou"] > WORTH > before["test_iou"] + 0.05  # claim: guide-seg-better

# %% [markdown]
# The fine-tuned model is [far from the untrained one](claim:guide-seg-better). The mean hides which classes are hard, so look at
# each.

# %% classes tags=["trained"]
index = MulticlassJaccardIndex(len(NAMES), average="none")
print("class       IoU")
for name, value in zip(NAMES, index(*answers(final)).tolist()):
    print(f"{name:9} {value:5.2f}")

# %% [markdown]
# And look at pictures. Numbers do not say whether an outline is rough, or a whole object has got the wrong name.

# %% pictures tags=["trained"] alt="Three held-out scenes in a row each, with the true map, the map before training and the map after. Before, nearly everything is floor. After, the objects stand where they should."
colours = ListedColormap(plt.get_cmap("tab10").colors[: len(NAMES)])
figure, axes = plt.subplots(3, 4, figsize=(7, 5.8), layout="constrained")
for axis, title in zip(axes[0], ("picture", "truth", "before", "after")):
    axis.set_title(title)
for row, place in zip(axes, (1, 5, 9)):
    picture = test[place]["pixel_values"].permute(1, 2, 0)
    show = picture, answers(final)[1][place], answers(untrained)[0][place], answers(final)[0][place]
    for axis, content in zip(row, show):
        axis.imshow(content, colours, vmin=0, vmax=len(NAMES) - 1, interpolation="nearest")
        axis.set_axis_off()
keys = [Patch(color=colour, label=name) for name, colour in zip(NAMES, colours.colors)]
figure.legend(handles=keys, loc="outside lower center", ncols=len(NAMES), handlelength=1)
plt.show()

# %% [markdown]
# ## Save it, and load it again
#
# A saved model is a folder: weights, configuration, and the settings of the processor. The names of the classes are in the
# configuration.

# %% save
folder = f"{work.name}/segments"
trainer.save_model(folder)
again = SegformerForSemanticSegmentation.from_pretrained(folder)
reader = AutoImageProcessor.from_pretrained(folder)

scene = render(split("test", 1000), size=384, kind="subject")
inputs = reader(scene.image, return_tensors="pt")
model.cpu().eval()  # it may be on a graphics card
with torch.no_grad():
    outputs = again(**inputs)
    difference = (outputs.logits - model(**inputs).logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")
print("its answers:", ", ".join(again.config.id2label.values()))

assert difference < 1e-4  # claim: guide-seg-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-seg-saved). Give it a scene that is in none of the three parts, in
# four times the size. The processor makes the picture smaller, and enlarges the answer again.

# %% new-picture tags=["trained"] alt="A picture of one large object, beside it the map that the model drew: floor, wall and object in a colour each."
(segments,) = reader.post_process_semantic_segmentation(outputs, target_sizes=[scene.segments.shape])
figure, (left, right) = plt.subplots(1, 2, figsize=(6, 3))
left.imshow(scene.image)
right.imshow(segments, colours, vmin=0, vmax=len(NAMES) - 1, interpolation="nearest")
for axis in (left, right):
    axis.set_axis_off()
plt.show()

on_it = segments[torch.from_numpy(scene.subject.mask)]
found = (on_it >= 2).float().mean()  # neither floor nor wall
print(f"{found:.2f} of its pixels belong to some object")
print("the commonest name:", NAMES[on_it.mode().values])

assert found > 0.6  # claim: guide-seg-new

# %% [markdown]
# The object [is found](claim:guide-seg-new). Its outline is rough: the output has a quarter of the width of what the model gets.
#
# ## At full size, and at scale
#
# The full-size notebook trains SegFormer on [mit-b0](https://huggingface.co/nvidia/mit-b0), the smallest of the published
# encoders, with 3.7 million weights, by the same code. It enlarges the scenes to 512 by 512 pixels, and takes fewer of them. On its
# architecture this guide's code takes one optimisation step, with random weights, whenever the test suite runs. For a good result
# on a graphics card, change four things:
#
# - **Data.** `load_dataset("merve/scene_parse_150", split="train")` fetches 20,210 photographs with their maps, in the columns
#   `image` and `annotation`. In these maps 0 stands for what has no class, so give the processor `do_reduce_labels=True`: it takes
#   1 from every number and makes 255 of 0.
# - **Learning rate.** Use 6e-5 for the encoder and ten times as much for the head, as the authors did, and 160,000 steps with
#   16 pictures each. They cut pieces of random size out of the pictures, too.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then as large on
#   each card, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      encoder of glpn-scenes")
print("data      rendered scenes, seven classes")
print(f"training  {len(train)} pictures")
print(f"held out  {len(test)} pictures")
print("metric    mean IoU")
print(f"before    {before['test_iou']:.3f}")
print(f"after     {after['test_iou']:.3f}")
