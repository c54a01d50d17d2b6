# %% shape
import torch
from torch import nn

layer = nn.Linear(in_features=8, out_features=3)
words = torch.zeros(5, 8)  # [words, width]
print("in: ", tuple(words.shape))
print("out:", tuple(layer(words).shape))

assert layer(words).shape == (5, 3)  # claim: page-linear-shape
