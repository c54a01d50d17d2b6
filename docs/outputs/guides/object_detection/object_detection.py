# %% [markdown]
# # Fine-tune an object detector
#
# You take a DETR that finds five shapes in colour pictures, and teach it two new labels in pictures without colour. It gets a
# new head for the labels, and keeps all else as a start. That takes about a minute on one processor core.
#
# How such a model works inside is told in [Object detection with DETR](../object-detection-detr.md). Here you train one
# yourself, from the pictures to a saved model.

# %% setup
import contextlib
import io
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from transformers import (
    AutoImageProcessor,
    AutoModelForObjectDetection,
    DetrConfig,
    Trainer,
    TrainingArguments,
    pipeline,
    set_seed,
)

from guides.common import check_labels, check_memory, checkpoint, show_progress
from sample_data import scenes

BASE = checkpoint("checkpoints/detr-scenes")  # full size: "facebook/detr-resnet-50"
REVISION = "main"  # full size: "no_timm"
SIZE = {"height": 96, "width": 96}  # full size: {"shortest_edge": 480, "longest_edge": 800}
STEPS = 120  # suite: 30
BATCH = 16  # full size: 2
RATE = 5e-4  # full size: 5e-5
PICTURES = 400  # suite: 96
HELD_OUT = 120  # suite: 40
WATCHED = 40  # suite: 8
GAIN = 0.2  # suite: 0.02
AHEAD = 0.05  # suite: -0.3

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# The pictures come from a small renderer of this project. A number decides all that is in a picture, so none has to be stored.
# Here they lose their colours, as if another camera took them.
#
# The labels are new too. A sphere and a torus are smooth. A cone, a cube and a cylinder have edges.
#
# A box is written as COCO does it: left, top, width and height in pixels.

# %% data
KINDS = ["smooth", "edged"]


def rendered(part, count):
    for number in range(count):
        scene = scenes.render(scenes.split(part, number))
        boxes, labels = [], []
        for thing in scene.objects:
            if thing.box is not None:
                left, top, right, bottom = thing.box
                boxes.append([left, top, right - left, bottom - top])
                labels.append(KINDS.index("smooth" if thing.label in ("sphere", "torus") else "edged"))
        image = Image.fromarray(scene.image).convert("L")  # one channel: grey
        yield {"image": image, "image_id": number, "boxes": boxes, "labels": labels}


def make(part, count):
    settings = {"part": part, "count": count}
    return Dataset.from_generator(rendered, gen_kwargs=settings, cache_dir=work.name)


train, watched, test = make("train", PICTURES), make("validation", WATCHED), make("test", HELD_OUT)
example = test[0]
print(example["image"].size, example["image"].mode)
for box, label in zip(example["boxes"], example["labels"]):
    print(KINDS[label], box)


# %% look alt="Four grey rendered scenes with a frame around each object. Frames of smooth things have another colour than those of edged ones."
def draw(axis, image, boxes, labels):
    axis.imshow(image, cmap="gray")
    for (left, top, width, height), label in zip(boxes, labels):
        place = (left - 0.5, top - 0.5)
        style = {"fill": False, "lw": 2, "ec": f"C{label}", "ls": "-:"[label]}
        axis.add_patch(plt.Rectangle(place, width, height, **style))
    axis.axis("off")


figure, axes = plt.subplots(1, 4, figsize=(7.4, 2))
for axis, example in zip(axes, test):
    draw(axis, example["image"], example["boxes"], example["labels"])
plt.show()

# %% [markdown]
# Solid frames are smooth, dotted ones are edged.
#
# ## From pictures to numbers
#
# The processor scales a picture, and its boxes with it. DETR wants a box as centre, width and height in shares of the picture.
# Pictures hold different numbers of objects, so the labels of a batch stay a list.

# %% pixels
processor = AutoImageProcessor.from_pretrained(BASE, size=SIZE, backend="pil")


def prepare(examples):
    images = [image.convert("RGB") for image in examples["image"]]
    notes = []
    rows = zip(examples["image_id"], examples["boxes"], examples["labels"])
    for number, boxes, labels in rows:
        objects = [
            {"bbox": box, "category_id": label, "area": box[2] * box[3], "iscrowd": 0}
            for box, label in zip(boxes, labels)
        ]
        notes.append({"image_id": number, "annotations": objects})
    inputs = processor(images, annotations=notes, return_tensors="pt")
    return {"pixel_values": inputs["pixel_values"], "labels": inputs["labels"]}


def collate(examples):
    pixels = torch.stack([example["pixel_values"] for example in examples])
    return {"pixel_values": pixels, "labels": [example["labels"] for example in examples]}


example = test.with_transform(prepare)[0]
print("labels", example["labels"]["class_labels"].tolist())
print("first box", [round(side, 3) for side in example["labels"]["boxes"][0].tolist()])

# %% [markdown]
# ## A new head on a pretrained model
#
# The head for the labels gets three outputs: two labels, and "no object". It starts with random numbers. The head for the boxes
# and the object queries come from the checkpoint, since a box is a box under any label.

# %% model
names = dict(enumerate(KINDS))
settings, _ = DetrConfig.get_config_dict(BASE, revision=REVISION)
# full size: settings["dilation"] = False  # empty in the hub's file, which the library refuses
settings.pop("num_labels", None)  # follows from the names
settings |= {"id2label": names, "label2id": {name: number for number, name in names.items()}}
model = AutoModelForObjectDetection.from_pretrained(
    BASE,
    revision=REVISION,
    config=DetrConfig.from_dict(settings),
    dtype=torch.float32,
    attn_implementation="eager",
    ignore_mismatched_sizes=True,
)
head = sum(weight.numel() for weight in model.class_labels_classifier.parameters())
print(f"{head:,} of {model.num_parameters():,} weights start at random")
print("the head:", model.class_labels_classifier)


# %% [markdown]
# Boxes come in several formats, and a wrong one does not always raise an error. It may simply teach nonsense. So look at every box
# before training. A common mistake is to give the right and lower edge in place of width and height.


# %% checks
def check_boxes(data):
    for number, example in enumerate(data):
        for left, top, width, height in example["boxes"]:
            across, down = example["image"].size
            inside = left >= 0 and top >= 0 and left + width <= across and top + height <= down
            if not inside or width <= 0 or height <= 0:
                raise ValueError(
                    f"example {number} has the box {[left, top, width, height]}. As left, top, width and "
                    f"height it does not lie within a picture of {across} x {down} pixels."
                )


for part in (train, watched, test):
    check_boxes(part)
    check_labels(model, part["labels"])
check_memory(model, activations=2)

for check in (
    lambda: check_boxes([{"image": test[0]["image"], "boxes": [[40, 30, 62, 51]]}]),
    lambda: check_labels(model, [[0, 1], [1, 2]]),
):
    try:
        check()
    except ValueError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## How to score a detector
#
# A detection is right if its label is, and its box overlaps the true one enough. Average precision (AP) weighs what is
# found against what is found by mistake, from the most confident detection down. COCO's AP is the mean over ten demands on
# the overlap, from .50 to .95. AP50 asks for .50 alone. Both come from pycocotools.


# %% score
def detect(model, data):
    found = []
    model.eval()
    for start in range(0, len(data), 20):
        images = [image.convert("RGB") for image in data[start : start + 20]["image"]]
        with torch.no_grad():
            outputs = model(**processor(images, return_tensors="pt"))
        sizes = [(image.height, image.width) for image in images]
        found += processor.post_process_object_detection(outputs, 0.0, sizes)
    return found


def average_precision(found, data):
    truth, answers = [], []
    for number, (example, row) in enumerate(zip(data, found)):
        for box, label in zip(example["boxes"], example["labels"]):
            note = {"id": len(truth) + 1, "image_id": number, "category_id": label}
            truth.append(note | {"bbox": box, "area": box[2] * box[3], "iscrowd": 0})
        boxes = row["boxes"].clone()
        boxes[:, 2:] -= boxes[:, :2]  # corners to width and height
        for score, label, box in zip(row["scores"], row["labels"], boxes):
            answer = {"image_id": number, "category_id": label.item(), "score": score.item()}
            answers.append(answer | {"bbox": box.tolist()})
    with contextlib.redirect_stdout(io.StringIO()):  # it prints twelve lines
        known = COCO()
        known.dataset = {
            "images": [{"id": number} for number in range(len(data))],
            "annotations": truth,
            "categories": [{"id": number} for number in range(len(KINDS))],
        }
        known.createIndex()
        judge = COCOeval(known, known.loadRes(answers), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {"AP": judge.stats[0], "AP50": judge.stats[1]}


# %% [markdown]
# ## Before
#
# There are two things to beat. One is the model with its new, random head. The other is the old detector as it was, with its
# answers translated: what it calls a sphere or a torus is smooth, and the rest is edged. That would need no training at all.

# %% before tags=["trained"]
before = average_precision(detect(model, test), test)

old = AutoModelForObjectDetection.from_pretrained(BASE, attn_implementation="eager")
smooth = [label in ("sphere", "torus") for label in scenes.LABELS]
translate = torch.tensor([KINDS.index("smooth" if yes else "edged") for yes in smooth])
found = [row | {"labels": translate[row["labels"]]} for row in detect(old, test)]
translated = average_precision(found, test)
for name, scores in (("new head, untrained", before), ("old labels, translated", translated)):
    print(f"{name:23} AP {scores['AP']:.3f}, AP50 {scores['AP50']:.3f}")

# %% [markdown]
# The new head is not quite at zero. Its boxes come from the checkpoint, and one of two labels is often right by luck.
#
# In colour pictures, the [old detector](../checkpoints.md) reaches an AP of about .7 for its five labels. Without colour it
# sees much less than that.
#
# ## Train
#
# Nothing is frozen here. The pictures look different from the first layer on, so the first layers have to change too.
#
# The loss is the library's: each object is matched with one query, and pays for its label and its box. Batch normalisation in
# the backbone keeps its statistics, as in all DETRs.

# %% trainer
settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=BATCH,
    per_device_eval_batch_size=20,
    learning_rate=RATE,
    warmup_steps=10,
    max_grad_norm=1.0,
    logging_steps=10,
    eval_strategy="steps",
    eval_steps=20,
    prediction_loss_only=True,
    remove_unused_columns=False,  # `prepare` needs them
    save_strategy="no",
    report_to="none",
    log_level="error",
    seed=0,
)
trainer = Trainer(
    model,
    settings,
    train_dataset=train.with_transform(prepare),
    eval_dataset=watched.with_transform(prepare),
    data_collator=collate,
    processing_class=processor,  # is saved with the model
)
show_progress(trainer)

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve

# %% curve tags=["trained"] alt="Two curves over the steps: the loss in training and the loss on pictures that are only watched. Both fall steeply at first, then more slowly, and have not levelled off at the end."
figure, axis = plt.subplots()
for key, name in (("loss", "in training"), ("eval_loss", "watched")):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
axis.set(xlabel="steps", ylabel="loss", ylim=0)
axis.legend()
plt.show()

# %% [markdown]
# DETR learns slowly. More steps and more pictures would still help.
#
# ## After

# %% after tags=["trained"]
after = average_precision(detect(model, test), test)
for name, scores in (
    ("new head, untrained", before),
    ("old labels, translated", translated),
    ("fine-tuned", after),
):
    print(f"{name:23} AP {scores['AP']:.3f}, AP50 {scores['AP50']:.3f}")

assert after["AP"] > before["AP"] + GAIN  # claim: guide-det-better
assert after["AP"] > translated["AP"] + AHEAD  # claim: guide-det-adapted

# %% [markdown]
# The fine-tuned model is [far from the untrained head](claim:guide-det-better). It also [beats the old detector with translated
# labels](claim:guide-det-adapted), so it has learned to see without colour, and not only two words. Compare AP with AP50: many
# boxes are on the right object, and fewer fit closely.
#
# ## Save it, and load it again
#
# A saved model is a folder: weights, configuration, processor. The names of the labels are in the configuration.

# %% save
folder = f"{work.name}/edges"
trainer.save_model(folder)
again = AutoModelForObjectDetection.from_pretrained(folder, attn_implementation="eager")
reader = AutoImageProcessor.from_pretrained(folder, backend="pil")

scene = scenes.render(scenes.split("test", 503), size=192)
image = Image.fromarray(scene.image).convert("L").convert("RGB")
inputs = reader(image, return_tensors="pt")
model.eval()
with torch.no_grad():
    difference = (again(**inputs).logits - model(**inputs).logits).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f}")
print("its answers:", ", ".join(again.config.id2label.values()))

assert difference < 1e-4  # claim: guide-det-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-det-saved). Give it a scene that is in none of the three parts. It is
# twice as large, and the processor scales it.

# %% new-scene tags=["trained"] alt="A grey rendered scene, twice. On the left with the true frames, on the right with the frames that the model found at a score above one half."
finder = pipeline("object-detection", model=again, image_processor=reader)
found = finder(image, threshold=0.5)

figure, axes = plt.subplots(1, 2, figsize=(7, 3.6))
true_boxes = [np.array(thing.box) for thing in scene.objects]
true_labels = [int(thing.label not in ("sphere", "torus")) for thing in scene.objects]
boxes = [np.array([row["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")]) for row in found]
labels = [again.config.label2id[row["label"]] for row in found]
for axis, corners, kinds, name in (
    (axes[0], true_boxes, true_labels, "the truth"),
    (axes[1], boxes, labels, "found"),
):
    draw(axis, image, [(*box[:2], *(box[2:] - box[:2])) for box in corners], kinds)
    axis.set_title(name)
plt.show()

# %% [markdown]
# In the run shown here, each object gets its right label. The frames of the two cubes fit worst. One is half hidden, and the other
# is light in front of a light wall.
#
# ## At full size, and at scale
#
# The full-size notebook trains [DETR with a ResNet-50](https://huggingface.co/facebook/detr-resnet-50), with 41 million weights, by
# the same code. On its architecture this guide's code takes one optimisation step, with random weights, whenever the test suite
# runs. For a good result on a graphics card, change four things:
#
# - **Data.** `load_dataset("rishitdagli/cppe-5")` fetches 1,000 photographs of protective equipment to train on and 29 to test, in
#   five classes. Its boxes are in COCO's format, in the column `objects`. Pictures of different sizes must be filled up:
#   `processor.pad` does it, and returns a mask for the model. Flip and crop them at random while training.
# - **Learning rate.** The paper uses 1e-4 for the Transformer and 1e-5 for the backbone. Train for many passes: `num_train_epochs=100`
#   in place of `max_steps` is not unusual for DETR on a small collection.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then that of one
#   card times the number of cards, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      detr-scenes")
print("data      grey rendered scenes, two labels")
print(f"training  {len(train)} pictures")
print(f"held out  {len(test)} pictures")
print("metric    AP, of COCO")
print(f"before    {before['AP']:.3f}")
print(f"after     {after['AP']:.3f}")
