"""What runs, and how: a Network is described once; a runtime makes a Pass of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import openvino
    import torch


@dataclass(frozen=True)
class Network:
    """One tower of an encoder, before anything of it is loaded."""

    name: str  # of the encoder and the tower, "resnet18-images"
    weights_sha256: str
    dim: int
    shape: tuple[int, ...]  # of one input: (px, px, 3) uint8, or (tokens,) int64
    module: Callable[[], torch.nn.Module]  # float32, in eval mode: (n, 3, px, px) standardised, or tokens -> (n, dim)
    mean: tuple[float, ...] = ()  # of pixels in 0..255, per channel; () for tokens
    std: tuple[float, ...] = ()
    graph: Callable[[str], openvino.Model] | None = None  # the same for a precision, made without torch


class Pass(Protocol):
    """A network that runs. Safe for several threads."""

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """(n, *network.shape), n >= 1 -> (n, network.dim) float32, of any length."""
