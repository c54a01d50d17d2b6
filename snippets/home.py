# %% three-lines tags=["trained"]
import matplotlib.pyplot as plt
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

CHECKPOINT = "checkpoints/vit-scenes"
processor = AutoImageProcessor.from_pretrained(CHECKPOINT, backend="pil")
model = AutoModelForImageClassification.from_pretrained(CHECKPOINT)
image = Image.open("docs/assets/scenes/subject-torus.png")

inputs = processor(image, return_tensors="pt")  # prepare
outputs = model(**inputs)  # run
label = model.config.id2label[outputs.logits.argmax().item()]  # interpret

plt.figure(figsize=(3, 3))
plt.imshow(image)
plt.title(label)
plt.axis("off")
plt.show()

assert label == "torus"  # claim: home-first-answer

# %% inside tags=["trained"]
model.set_attn_implementation("eager")  # the implementation that returns its attention weights
outputs = model(**inputs, output_attentions=True)
looks = outputs.attentions[-1][0, :, 0, 1:].mean(dim=0)  # last block: from [CLS] to each patch
side = int(len(looks) ** 0.5)  # patches in a row
probabilities = outputs.logits.softmax(dim=-1)[0].detach()

figure, axes = plt.subplots(1, 4, figsize=(9, 2.4), width_ratios=[1, 1, 1, 0.8])
for axis, title in zip(axes, ["pixels", "patches", "where it looks", "answer"]):
    axis.set_title(title)
for axis in axes[:2]:
    axis.imshow(image)
for cut in range(1, side):
    axes[1].axhline(cut * image.height / side, color="white", linewidth=1.5)
    axes[1].axvline(cut * image.width / side, color="white", linewidth=1.5)
axes[2].imshow(looks.detach().view(side, side).numpy())
for axis in axes[:3]:
    axis.axis("off")
axes[3].barh([model.config.id2label[i] for i in range(len(probabilities))], probabilities.numpy(), color="C4")
axes[3].set_xlim(0, 1)
plt.show()
