"""What the tests of training share: random pictures, generators, and a network that is small enough to train."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, height: int, width: int, low: int = 0, high: int = 256) -> torch.Tensor:
    return torch.randint(low, high, (count, height, width, 3), generator=generator(), dtype=torch.uint8)


def silent(line: str) -> None:
    """Is told, and says nothing."""


class Small(nn.Module):
    """Two convolutions in place of EfficientNet-Lite."""

    num_features = 144

    def __init__(self):
        super().__init__()
        sizes, layers = (3, 16, 144), []
        for before, after in pairwise(sizes):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers, self.classifier = nn.Sequential(*layers), nn.Linear(144, 1000)

    def forward_features(self, pixels):
        return self.layers(pixels)

    def forward_head(self, maps, pre_logits):
        return maps.mean(dim=(2, 3))

    def forward(self, pixels):
        return self.classifier(self.forward_head(self.forward_features(pixels), True))
