"""The encoder that comes with searchdemo: pictures and words into one space of 128 dimensions, made by training/.

One safetensors file holds both towers in 8 bits ("image.*", "text.*") and the words that the text tower knows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.bundled_text import VOCABULARY, TextTower
from searchdemo.encoders.device import pick_device, pick_precision
from searchdemo.encoders.quantised import quantise
from searchdemo.encoders.weights import Weights, read_weights
from searchdemo.extras import imported, pip_command

if TYPE_CHECKING:
    import torch

    from searchdemo.encoders.torch_encoder import TorchEncoder


class BundledEncoder:
    """See base.py. Words are read at once and in NumPy; the image tower is made, and torch imported, for a picture."""

    has_text = True

    def __init__(
        self, spec: EncoderSpec, weights: Weights, *, transform: str, device: str | None, precision: str | None
    ):
        self.name, self.dim, self.transform = spec.name, spec.dim, transform
        self.weights_sha256, self.stand_in = weights.sha256, weights.stand_in
        self.text_tower = TextTower(spec.name, spec.dim, weights)
        self._spec, self._weights = spec, weights
        self._device, self._precision = device and pick_device(device), precision
        self._making = threading.Lock()

    @cached_property
    def device(self) -> str:
        return self._device or pick_device()

    @cached_property
    def precision(self) -> str:
        return pick_precision(self.device, self._precision)

    @property
    def image_encoder(self) -> TorchEncoder:
        """Raises NotInstalled without torch, BadArtifact when the weights do not fit."""
        with self._making:  # once, whoever asks first
            return self._image_encoder

    @cached_property
    def _image_encoder(self) -> TorchEncoder:
        part = f"The image tower of the encoder {self.name!r}"
        module = imported(f"{__package__}.bundled_image", part, pip_command(self._spec.extra))
        return module.load(
            self._spec, self._weights, transform=self.transform, device=self.device, precision=self.precision
        )

    def preprocess(self, images: Iterable[Image.Image]) -> torch.Tensor:
        return self.image_encoder.preprocess(images)

    def encode_pixels(self, pixels: torch.Tensor) -> np.ndarray:
        return self.image_encoder.encode_pixels(pixels)

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.image_encoder.encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows. Raises BadQuery for a text without words."""
        return np.array([self.text_tower.row(text) for text in texts], np.float32).reshape(-1, self.dim)


def load(spec: EncoderSpec, path: Path, *, transform: str, device: str | None, precision: str | None) -> BundledEncoder:
    """Raises BadArtifact for a file of another make."""
    weights = read_weights(path, "numpy")
    return BundledEncoder(spec, weights, transform=transform, device=device, precision=precision)


def pack(image: torch.nn.Module, text: torch.nn.Module, words: Sequence[str]) -> dict[str, np.ndarray]:
    """Both towers as the arrays of one file, in 8 bits. words: in the order of the text tower's rows."""
    tensors = {f"image.{name}": value for name, value in image.state_dict().items()}
    tensors |= {f"text.{name}": value for name, value in text.state_dict().items()}
    arrays = {name: value.cpu().numpy() for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    return quantise(arrays) | {VOCABULARY: np.frombuffer(" ".join(words).encode(), np.uint8)}
