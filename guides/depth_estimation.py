# %% [markdown]
# # Fine-tune a depth estimator
#
# You take a GLPN that knows one camera, and give it another lens. Its estimates get worse by a factor of three. Then you put a new
# decoder on its encoder, and train that until it reads metres from the new pictures. It takes about a minute on one processor core.
#
# How such a model works inside is told in [Depth estimation with GLPN](../depth-estimation-glpn.md). Here you train one
# yourself, from the pictures to a saved model.

# %% setup
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from sklearn.metrics import mean_absolute_percentage_error, root_mean_squared_error
from transformers import (
    AutoImageProcessor,
    AutoModelForDepthEstimation,
    Trainer,
    TrainingArguments,
    pipeline,
    set_seed,
)

from guides.common import check_memory, checkpoint, show_progress
from sample_data import scenes

BASE = checkpoint("checkpoints/glpn-scenes")  # full size: "vinvino02/glpn-nyu"
STEPS = 150  # suite: 40
RATE = 2e-3  # full size: 1e-4
PICTURES = 300  # suite: 80
HELD_OUT = 100  # suite: 30
WATCHED = 30  # suite: 8

set_seed(0)
work = tempfile.TemporaryDirectory()  # deleted when Python ends

# %% [markdown]
# ## Look at the data
#
# The pictures come from a small renderer of this project, which knows the distance of every pixel. A number decides all that is
# in a picture, so none has to be stored.
#
# The new lens has one and a half times the focal length. Its picture is the middle of a larger one. What it shows is as far
# away as before, and looks nearer.
#
# Depth is kept as many collections keep it: as a picture of whole millimetres, 16 bits a pixel.


# %% data
def through_the_lens(part, number):
    scene = scenes.render(scenes.split(part, number), size=144, samples=1)
    middle = slice(24, 120)
    return scene.image[middle, middle], scene.depth[middle, middle]


def rendered(part, count):
    for number in range(count):
        image, metres = through_the_lens(part, number)
        depth = (metres * 1000).round().astype(np.uint16)
        yield {"image": Image.fromarray(image), "depth": Image.fromarray(depth)}


def make(part, count):
    settings = {"part": part, "count": count}
    return Dataset.from_generator(rendered, gen_kwargs=settings, cache_dir=work.name)


train, watched, test = make("train", PICTURES), make("validation", WATCHED), make("test", HELD_OUT)
for name, picture in test[0].items():
    low, high = np.asarray(picture).min(), np.asarray(picture).max()
    print(f"{name}: {picture.size}, mode {picture.mode}, values {low} to {high}")

# %% look alt="Three rendered scenes above, and their depth in metres below. The floor gets farther from the lower edge upwards, objects stand out against it, and the wall is farthest."
figure, axes = plt.subplots(2, 3, figsize=(7, 4.4))
for column, example in zip(axes.T, test):
    column[0].imshow(example["image"])
    shown = column[1].imshow(np.asarray(example["depth"]) / 1000, vmin=4, vmax=10.5)
for axis in axes.flat:
    axis.axis("off")
figure.colorbar(shown, ax=axes, label="metres", shrink=0.8)
plt.show()

# %% [markdown]
# ## From pictures to numbers
#
# The processor brings values to the range from 0 to 1, and sides to multiples of 32. Here they are that already. So the depth
# needs no scaling, except from millimetres to metres.

# %% pixels
processor = AutoImageProcessor.from_pretrained(BASE, backend="pil")


def metres(depth):
    return torch.tensor(np.asarray(depth) / 1000, dtype=torch.float32)


def prepare(examples):
    inputs = processor(examples["image"], return_tensors="pt")
    labels = [metres(depth) for depth in examples["depth"]]
    return {"pixel_values": inputs["pixel_values"], "labels": labels}


example = test.with_transform(prepare)[0]
for name, values in example.items():
    print(f"{name}: {tuple(values.shape)}, from {values.min():.2f} to {values.max():.2f}")

# %% [markdown]
# ## A new decoder on a pretrained encoder
#
# The encoder stays, and is frozen: it has learned to see floors, walls and objects. The decoder and the head turn its maps into
# depth. They are made anew, with random numbers.
#
# The head ends in a sigmoid times `max_depth`. So no answer is ever beyond that, and it has to exceed all depths in the data.

# %% model
model = AutoModelForDepthEstimation.from_pretrained(BASE, max_depth=12, dtype=torch.float32)
fresh = AutoModelForDepthEstimation.from_config(model.config)
model.decoder, model.head = fresh.decoder, fresh.head
model.glpn.requires_grad_(False)

trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{trained:,} of {model.num_parameters():,} weights will be trained")

# %% [markdown]
# A wrong unit is the usual mistake with depth, and it raises no error: millimetres are numbers too. The loss leaves out pixels
# without a depth, which are 0, and one without any would be no number. So look at all of it before training.


# %% checks
def check_depth(maps, largest):
    for number, depth in enumerate(maps):
        low, high = float(depth.min()), float(depth.max())
        if not (torch.isfinite(depth).all() and 0 <= low and 0 < high < largest):
            raise ValueError(
                f"example {number} has depths from {low:g} to {high:g}, and the model answers with 0 to {largest} "
                "metres. Divide millimetres by 1000, mark unknown pixels with 0, or load the model with another "
                "`max_depth`."
            )


for part in (train, watched, test):
    check_depth(map(metres, part["depth"]), model.config.max_depth)
check_memory(model)

for bad in (1000 * metres(test[0]["depth"]), torch.full((96, 96), torch.nan)):
    try:
        check_depth([bad], model.config.max_depth)
    except ValueError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## How to score depth
#
# The absolute relative error is the mean of the error as a share of the true depth. scikit-learn calls it the mean absolute
# percentage error. The RMSE is in metres, and counts large errors more.


# %% score
def estimate(model, data):
    found = []
    model.eval()
    for start in range(0, len(data), 20):
        inputs = processor(data[start : start + 20]["image"], return_tensors="pt")
        with torch.no_grad():
            found.append(model(**inputs).predicted_depth)
    return torch.cat(found)


truth = torch.stack([metres(depth) for depth in test["depth"]])


def score(found):
    flat = truth.flatten().numpy(), found.expand(truth.shape).flatten().numpy()
    return mean_absolute_percentage_error(*flat), root_mean_squared_error(*flat)


# %% [markdown]
# ## Before
#
# A new decoder is the least that there is to beat. Three others need no training. One does not look at all: it gives each pixel
# the mean depth that this place has in the training pictures. One is the old model as it was. The last is the old model times the
# one factor that fits the training pictures best, as if only the scale had changed.

# %% before tags=["trained"]
old = AutoModelForDepthEstimation.from_pretrained(BASE)
some = train.select(range(40))
known = torch.stack([metres(depth) for depth in some["depth"]])
factor = (known / estimate(old, some)).median()
answers = estimate(old, test)

scores = {
    "new decoder, untrained": score(estimate(model, test)),
    "mean of each place": score(torch.stack([metres(depth) for depth in train["depth"]]).mean(0)),
    "old model": score(answers),
    "old model, scaled": score(answers * factor),
}
for name, (relative, rmse) in scores.items():
    print(f"{name:23} relative error {relative:.3f}, RMSE {rmse:.3f} m")

# %% [markdown]
# On pictures of the lens that it knows, the [old model](../checkpoints.md) has a relative error of about .03. Here it does hardly
# better than the mean that does not look. A factor does not repair that: with another lens, another distance belongs to each row of
# the picture.
#
# ## Train
#
# The loss is the library's. It compares logarithms, so an error counts in relation to the distance.

# %% trainer
settings = TrainingArguments(
    work.name,
    max_steps=STEPS,
    per_device_train_batch_size=8,
    per_device_eval_batch_size=20,
    learning_rate=RATE,
    warmup_steps=10,
    logging_steps=10,
    eval_strategy="steps",
    eval_steps=25,
    prediction_loss_only=True,
    remove_unused_columns=False,  # `prepare` needs the pictures
    average_tokens_across_devices=False,  # would change the loss in place, which a root forbids
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
    processing_class=processor,  # is saved with the model
)
show_progress(trainer)

# %% train tags=["learned"]
outcome = trainer.train()
print(f"{outcome.global_step} steps, mean loss {outcome.training_loss:.2f}")

# %% [markdown]
# ## The learning curve

# %% curve tags=["trained"] alt="Two curves over the steps: the loss in training and the loss on pictures that are only watched. Both fall steeply at first, and slowly after that."
figure, axis = plt.subplots()
for key, name in (("loss", "in training"), ("eval_loss", "watched")):
    log = [entry for entry in trainer.state.log_history if key in entry]
    axis.plot([entry["step"] for entry in log], [entry[key] for entry in log], "o-", label=name)
axis.set(xlabel="steps", ylabel="loss", ylim=0)
axis.legend()
plt.show()

# %% [markdown]
# ## After

# %% after tags=["trained"]
found = estimate(model, test)
scores["fine-tuned"] = score(found)
for name, (relative, rmse) in scores.items():
    print(f"{name:23} relative error {relative:.3f}, RMSE {rmse:.3f} m")

before, after = scores["new decoder, untrained"], scores["fine-tuned"]
assert after[0] < before[0] / 2  # claim: guide-dep-better
rivals = [scores[name][0] for name in ("mean of each place", "old model", "old model, scaled")]
assert after[0] < 0.9 * min(rivals)  # claim: guide-dep-adapted

# %% [markdown]
# The error is [less than half of the untrained one](claim:guide-dep-better), and [clearly below all that need no
# training](claim:guide-dep-adapted). The encoder was never changed. What it knew of the pictures was still of use, and only its
# reading had to be learned again.
#
# Where is it still wrong? Dark is right, bright is wrong.

# %% errors tags=["trained"] alt="Two scenes in rows: the picture, the true depth, the estimate, and the error. The errors lie along the borders of objects and where the wall begins."
figure, axes = plt.subplots(2, 4, figsize=(7.4, 3.6))
for row, number in zip(axes, (0, 1)):
    row[0].imshow(test[number]["image"])
    row[1].imshow(truth[number].numpy(), vmin=4, vmax=10.5)
    row[2].imshow(found[number].numpy(), vmin=4, vmax=10.5)
    row[3].imshow((found[number] - truth[number]).abs().numpy(), vmin=0, vmax=2)
for axis, name in zip(axes[0], ("picture", "truth", "estimate", "error")):
    axis.set_title(name)
for axis in axes.flat:
    axis.axis("off")
plt.show()

# %% [markdown]
# ## Save it, and load it again
#
# A saved model is a folder: weights, configuration, processor. The largest depth is in the configuration.

# %% save
folder = f"{work.name}/lens"
trainer.save_model(folder)
again = AutoModelForDepthEstimation.from_pretrained(folder)
reader = AutoImageProcessor.from_pretrained(folder, backend="pil")

picture, true_depth = through_the_lens("test", 501)
image = Image.fromarray(picture)
inputs = reader(image, return_tensors="pt")
model.eval()
with torch.no_grad():
    difference = (again(**inputs).predicted_depth - model(**inputs).predicted_depth).abs().max()
print(f"the largest difference to the model in memory: {difference:.6f} m")
print("its answers end at", again.config.max_depth, "m")

assert difference < 1e-4  # claim: guide-dep-saved

# %% [markdown]
# The loaded model [is the one that was trained](claim:guide-dep-saved). Ask it about a scene that is in none of the three parts: how
# far away is what stands in the middle of the picture?

# %% new-scene tags=["trained"]
estimator = pipeline("depth-estimation", model=again, image_processor=reader)
depth = estimator(image)["predicted_depth"]
print(f"estimate {depth[48, 48]:.1f} m, truth {true_depth[48, 48]:.1f} m")

assert abs(depth[48, 48] - true_depth[48, 48]) < 1  # claim: guide-dep-new

# %% [markdown]
# It is [less than a metre off](claim:guide-dep-new). The model still knows one camera, only another one. Metres for a photograph
# would mean nothing.
#
# ## At full size, and at scale
#
# The full-size notebook trains [GLPN](https://huggingface.co/vinvino02/glpn-nyu), with 61 million weights, by the same code. On its
# architecture this guide's code takes one optimisation step, with random weights, whenever the test suite runs. For a good
# result on a graphics card, change four things:
#
# - **Data.** `load_dataset("tanganke/nyuv2")` holds the labelled pictures of NYU Depth V2, rooms seen by a depth camera, 795 to
#   train on. Picture and depth are stored as arrays there, so `prepare` changes, and `check_depth` is worth a run. Mirror the
#   pictures at random, together with their depth. Do not zoom: that would be another lens.
# - **Learning rate.** Train the encoder too, at 1e-4, for several passes through the data: `num_train_epochs=25` in place of
#   `max_steps`.
# - **Precision.** `bf16=True` computes in 16 bits where that is safe. On cards older than Ampere it is `fp16=True`.
# - **Several cards.** Start the script at the top of this page with `accelerate launch script.py`. The batch is then 8 pictures
#   on each card, so scale the learning rate or the batch.
#
# ## The result

# %% result tags=["trained"]
print("base      glpn-scenes")
print("data      rendered scenes, another lens")
print(f"training  {len(train)} pictures")
print(f"held out  {len(test)} pictures")
print("metric    absolute relative error")
print(f"before    {before[0]:.3f}")
print(f"after     {after[0]:.3f}")
