"""The base of all encoders in torch: pictures in, one forward pass, float32 unit rows out."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from threadpoolctl import ThreadpoolController
from torch import nn

from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.device import pick_device, pick_precision
from searchdemo.encoders.transforms import Transform
from searchdemo.encoders.weights import Weights
from searchdemo.errors import BadQuery

Batch = TypeVar("Batch", torch.Tensor, Sequence[str])

TEXT_BATCH = 256  # texts per forward pass, so that a list of any length fits in memory

# Up to four pictures of 64 px are computed on one thread. Two threads wait for each other at every layer, and beside a
# web server one is always late: a picture on the page took 30 ms with two and 6 ms with one (two cores, bfloat16).
QUICK_PIXELS = 4 * 3 * 64 * 64

# A CPU computes 16 pictures of 224 px at a time, so that their activations stay in its cache. DINO's ViT-S/16 embeds 66
# pictures per second in place of 42, ResNet-18 208 in place of 167 (batches of 64, two cores, bfloat16).
CACHED_PIXELS = 16 * 3 * 224 * 224


class TorchEncoder:
    """An Encoder (see base.py) around a torch network. A subclass may override `forward_images` and `forward_texts`.

    weights: the ones that were read into `net`
    net: pixels (n, 3, height, width) -> (n, dim); this class moves it to the device and to its precision
    to_input: the transform of transforms.py; several threads use it
    """

    has_text = False

    def __init__(
        self,
        spec: EncoderSpec,
        weights: Weights,
        net: nn.Module,
        to_input: Transform,
        *,
        transform: str,
        device: str | None,
        precision: str | None,
    ):
        self.name, self.dim, self.transform = spec.name, spec.dim, transform
        self.weights_sha256, self.stand_in = weights.sha256, weights.stand_in
        self.device = pick_device(device)
        self.precision = pick_precision(self.device, precision)
        self.net = prepare(net, self.device, self.precision)
        self._to_input = to_input
        self._forward_lock = threading.Lock()  # two passes at once on all cores are slower than in turn

    def preprocess(self, images: Iterable[Image.Image]) -> torch.Tensor:
        """Upright RGB pictures, one at least -> (n, 3, height, width) on the device."""
        dtype = torch.bfloat16 if self.precision == "bfloat16" else torch.float32
        return self._to_input.standardised(self._to_input.pixels(images), dtype).to(self.device)

    def encode_pixels(self, pixels: torch.Tensor) -> np.ndarray:
        """The result of `preprocess` for n pictures -> (n, dim) float32 unit rows."""
        if self.device != "cpu":
            return self._in_turn(self.forward_images, pixels)
        if pixels.numel() <= QUICK_PIXELS:
            with one_core():
                return self._unit_rows(self.forward_images, pixels)
        pieces = pixels.split(max(1, CACHED_PIXELS // pixels[0].numel()))
        return np.concatenate([self._in_turn(self.forward_images, piece) for piece in pieces])

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.encode_pixels(self.preprocess(images)) if images else np.empty((0, self.dim), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows. Raises BadQuery when the encoder has no text tower."""
        if not self.has_text:
            raise BadQuery(f"{self.name} cannot read words: it has no text tower; choose an encoder that has one.")
        batches = [texts[start : start + TEXT_BATCH] for start in range(0, len(texts), TEXT_BATCH)]
        rows = [self._in_turn(self.forward_texts, batch) for batch in batches]
        return np.concatenate([np.empty((0, self.dim), np.float32), *rows])

    def text_notice(self, text: str) -> str:
        """Nothing: these text towers read any string, in pieces of words."""
        return ""

    def forward_images(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, height, width) -> (n, dim), of any length."""
        return self.net(pixels)

    def forward_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """n texts, n >= 1 -> (n, dim), of any length. A subclass with has_text overrides it."""
        raise NotImplementedError

    def _in_turn(self, forward: Callable[[Batch], torch.Tensor], batch: Batch) -> np.ndarray:
        with self._forward_lock:
            return self._unit_rows(forward, batch)

    def _unit_rows(self, forward: Callable[[Batch], torch.Tensor], batch: Batch) -> np.ndarray:
        if len(batch) == 0:
            return np.empty((0, self.dim), np.float32)
        with torch.inference_mode(), self._autocast():
            return F.normalize(forward(batch).float(), dim=1).cpu().numpy()

    def _autocast(self) -> contextlib.AbstractContextManager:
        """On CUDA, torch chooses the precision of each operation. On the CPU, `prepare` has cast the weights once."""
        if self.device.startswith("cuda") and self.precision == "bfloat16":
            return torch.autocast("cuda", torch.bfloat16)
        return contextlib.nullcontext()


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Torch computes on the calling thread alone.

    It uses OpenMP's setting, which belongs to one thread and takes 4 us. Torch's own setting would also reach other
    threads that use torch for the first time meanwhile. A thread kept for such work would cost 0.7 ms per picture.
    """
    torch.get_num_threads()  # else torch overwrites the setting in the first operation of this thread
    with _openmp().limit(limits=1):
        yield


@functools.cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")


def prepare(net: nn.Module, device: str, precision: str) -> nn.Module:
    """The network ready to encode: in eval mode, on the device, in channels_last, in its precision."""
    net = net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    if precision == "bfloat16" and not device.startswith("cuda"):
        net = net.to(torch.bfloat16)
    return net
