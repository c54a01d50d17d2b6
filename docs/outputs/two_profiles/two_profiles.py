# %% [markdown]
# # One script, two sizes

# %% constants
import torch
from torch import nn

SIZE = 96  # full size: 224
PATCH = 12  # full size: 16
WIDTH = 128  # full size: 768

# %% measure
embed = nn.Conv2d(3, WIDTH, kernel_size=PATCH, stride=PATCH)
vectors = embed(torch.zeros(1, 3, SIZE, SIZE)).flatten(2).transpose(1, 2)
print("picture:", (1, 3, SIZE, SIZE))
print("patches:", tuple(vectors.shape))

assert vectors.shape == (1, (SIZE // PATCH) ** 2, WIDTH)  # claim: profiles-one-source
