"""The image tower of the bundled encoder, in plain torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.quantised import dequantise
from searchdemo.encoders.weights import Weights, empty_net, fit, part_of
from searchdemo.errors import BadArtifact

DIM = 128  # of the shared embedding space
INPUT_SIZE = 64  # pixels per side
PIXEL_MEAN, PIXEL_STD = 0.45, 0.27  # tiny-ImageNet's, over all channels, rounded


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2015, with the average-pooled shortcut of ResNet-D)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride != 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x), inplace=True)


class ImageTower(nn.Module):
    """A small residual network without the stage at the highest resolution.

    A ResNet-18 spends a quarter of its work on 64 channels at 32x32. Without that stage, and with wide channels, a CPU
    trains on twice as many pictures per second.
    """

    def __init__(self, widths: tuple[int, ...] = (112, 224, 448), blocks: int = 2, stem: int = 48):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True))
        layers, channels = [], stem
        for width in widths:
            for position in range(blocks):
                layers.append(ResidualBlock(channels, width, stride=2 if position == 0 else 1))
                channels = width
        self.body = nn.Sequential(*layers)
        self.project = nn.Linear(channels, DIM)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Standardised pixels (n, 3, 64, 64) -> unit rows (n, 128), float32."""
        features = self.body(self.stem(pixels)).mean(dim=(2, 3))  # (n, widths[-1])
        return F.normalize(self.project(features).float(), dim=1)


def module(spec: EncoderSpec, weights: Weights) -> ImageTower:
    """Its tensors tell the size of the tower. Raises BadArtifact when they do not fit."""
    tensors = {name: torch.from_numpy(value) for name, value in dequantise(part_of(weights.tensors, "image.")).items()}
    blocks = sum(name.startswith("body.") and name.endswith(".conv1.weight") for name in tensors)
    try:
        channels = [len(tensors[f"body.{i}.conv1.weight"]) for i in range(blocks)]
        widths, stem = tuple(dict.fromkeys(channels)), len(tensors["stem.0.weight"])
        net = empty_net(lambda: ImageTower(widths, blocks // len(widths), stem))
    except (KeyError, ZeroDivisionError) as error:
        raise BadArtifact(
            f"{weights.path} holds no image tower ({error}); make one with python -m training."
        ) from error
    fit(net, tensors, name=spec.name, path=weights.path)
    return net
