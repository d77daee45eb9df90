"""The encoder that comes with searchdemo: pictures and words into one space of 128 dimensions, made by training/.

One safetensors file holds both towers in 8 bits ("image.*", "text.*") and the words that the text tower knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from searchdemo.cache import Cache
from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.bundled_text import TextTower
from searchdemo.encoders.device import pick_device, pick_precision
from searchdemo.encoders.weights import Weights, read_weights
from searchdemo.extras import imported, pip_command

if TYPE_CHECKING:
    import torch

    from searchdemo.encoders.torch_encoder import TorchEncoder


class BundledEncoder:
    """See base.py. NumPy reads words. Torch is imported, and the image tower made, for the first picture."""

    has_text = True

    def __init__(
        self, spec: EncoderSpec, weights: Weights, *, transform: str, device: str | None, precision: str | None
    ):
        self.name, self.dim, self.transform = spec.name, spec.dim, transform
        self.weights_sha256, self.stand_in = weights.sha256, weights.stand_in
        self.text_tower = TextTower(spec.name, spec.dim, weights)
        self._spec, self._weights = spec, weights
        self._device, self._precision = device and pick_device(device), precision
        self._image_encoder: Cache[TorchEncoder] = Cache(1)

    @cached_property
    def device(self) -> str:
        return self._device or pick_device()

    @cached_property
    def precision(self) -> str:
        return pick_precision(self.device, self._precision)

    @property
    def image_encoder(self) -> TorchEncoder:
        """Raises NotInstalled without torch, BadArtifact when the weights do not fit."""

        def load() -> TorchEncoder:
            part = f"The image tower of the encoder {self.name!r}"
            module = imported(f"{__package__}.bundled_image", part, pip_command(self._spec.extra))
            options = {"transform": self.transform, "device": self.device, "precision": self.precision}
            return module.load(self._spec, self._weights, **options)

        return self._image_encoder.get("image", load)

    @property
    def net(self) -> torch.nn.Module:
        return self.image_encoder.net

    def forward_images(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.image_encoder.forward_images(pixels)

    def preprocess(self, images: Iterable[Image.Image]) -> torch.Tensor:
        return self.image_encoder.preprocess(images)

    def encode_pixels(self, pixels: torch.Tensor) -> np.ndarray:
        return self.image_encoder.encode_pixels(pixels)

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.image_encoder.encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows. Raises BadQuery for a text that says nothing in words that are known."""
        return self.text_tower.rows(texts)

    def text_notice(self, text: str) -> str:
        """The words that it does not know, and those that it takes for misspelt ones."""
        return self.text_tower.notice(text)


def load(spec: EncoderSpec, path: Path, *, transform: str, **options: str | None) -> BundledEncoder:
    """The encoder with the weights of a safetensors file. Raises BadArtifact when they do not fit."""
    return BundledEncoder(spec, read_weights(path, "numpy"), transform=transform, **options)
