"""ZeroGPU, the hardware of a Space whose GPU is lent for the length of one call of a decorated function.

The call runs in another process, so what goes there and comes back is pickled: the description of a network, pixels or
tokens, and rows. That process reads the weights when it first needs them. It may have been made before an encoder was
chosen, so nothing of the page's own process is relied upon.

The package `spaces`, which such a Space has, finds the decorated function when the page starts, and must be imported
before anything asks for CUDA. Written from its source (0.51), and not yet tried on that hardware.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import numpy as np

from searchdemo.cache import Cache
from searchdemo.encoders.runtime.base import Network, Pass
from searchdemo.errors import SearchDemoError
from searchdemo.extras import imported

_passes: Cache[Pass] = Cache(4)  # of the process that has the GPU; empty in the page's own


def here() -> bool:
    """Whether this machine is such a Space, as `spaces` tells it."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def prepare() -> None:
    """Must be called before CUDA is asked for and before the page starts. Raises NotInstalled without `spaces`."""
    if here():
        _lent()


@functools.cache
def _lent() -> Callable[[Network, str, str, np.ndarray], np.ndarray]:
    lent: Callable[[Network, str, str, np.ndarray], np.ndarray]
    lent = imported("spaces", "ZeroGPU", "pip install spaces").GPU(forward)
    return lent


def forward(network: Network, device: str, precision: str, inputs: np.ndarray) -> np.ndarray:
    """One pass, in the process that has the GPU."""
    from searchdemo.encoders.runtime import torch_runtime

    key = network.name, network.weights_sha256, device, precision
    return _passes.get(key, lambda: torch_runtime.start(network, device, precision))(inputs)


class LentPass:
    """See base.py. Raises SearchDemoError where no GPU was lent, or the pass failed."""

    def __init__(self, network: Network, device: str, precision: str):
        self._given = network, device, precision

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        try:
            return _lent()(*self._given, inputs)
        except SearchDemoError:
            raise
        except Exception as error:  # gradio's own, with a quota that is used up or the name of what was raised there
            raise SearchDemoError(
                f"This Space was lent no GPU for its encoder, or the pass failed there ({error}): try again later."
            ) from error
