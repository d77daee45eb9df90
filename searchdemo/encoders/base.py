"""What an encoder is: pictures (and perhaps words) in, unit rows out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class EncoderSpec:
    """One entry of the ENCODERS table: static facts that `list` prints without importing torch."""

    name: str
    family: str  # "bundled" | "timm" | "open_clip": which adapter loads it
    model: str  # the library's own id
    weights: str  # open_clip's tag, or where the weights lie on the hub
    parameters: int  # of what is loaded, heads left out
    dim: int  # of the embedding
    input_px: int  # a side
    text: bool  # has a text tower
    download_bytes: int  # 0: comes with searchdemo
    licence: str  # of the weights
    note: str = ""


class Encoder(Protocol):
    """A loaded encoder. `encode_*` return float32 unit rows (n, dim): normalising happens here and nowhere else."""

    name: str
    dim: int
    has_text: bool
    device: str  # "cuda:0" | "mps" | "cpu"
    precision: str  # "bfloat16" | "float32"
    transform: str  # "own" | "full"
    weights_sha256: str  # of the weights file: an index belongs to one
    stand_in: bool  # weights made for a test: figures made with them must say so

    def preprocess(self, images: Iterable[Image.Image]) -> object:
        """Upright RGB pictures, one at least -> the network's input, on its device. Safe to call from many threads."""

    def encode_pixels(self, pixels: object) -> np.ndarray:
        """What `preprocess` returned for n pictures -> (n, dim) float32 unit rows."""

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """encode_pixels(preprocess(images)): (n, dim) float32 unit rows."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows. Raises BadQuery when the encoder has no text tower."""
