"""Networks in torch: on CUDA and Apple's MPS, and on a CPU without another runtime."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import nn

from searchdemo.encoders.runtime.base import Network
from searchdemo.encoders.runtime.pieces import QUICK_VALUES, pieces
from searchdemo.processor import multiplies_bfloat16

# A CPU computes 16 pictures of 224 px at a time, so that their activations stay in its cache. DINO's ViT-S/16 embeds 66
# pictures per second in place of 42, ResNet-18 208 in place of 167 (batches of 64, two cores, bfloat16).
CACHED_VALUES = 16 * 3 * 224 * 224


def fastest(device: str) -> str:
    if device.startswith("cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device == "cpu" and multiplies_bfloat16()
    return "bfloat16" if fast else "float32"


def start(network: Network, device: str, precision: str) -> TorchPass:
    return TorchPass(network, device, precision)


class TorchPass:
    """See base.py. `net` is the network as it runs: in eval mode, on the device, in channels_last, in its precision."""

    def __init__(self, network: Network, device: str, precision: str):
        net = network.module().eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self._device, self._dtype = device, torch.float32
        if precision == "bfloat16" and not device.startswith("cuda"):
            net, self._dtype = net.to(torch.bfloat16), torch.bfloat16
        if (device, precision) == ("cpu", "bfloat16"):
            # There torch's fused attention takes twice as long as the two products and the softmax by themselves.
            for module in net.modules():
                if hasattr(module, "fused_attn"):
                    module.fused_attn = False
        self.net: nn.Module = net
        self._mean, self._std = (torch.tensor(values, device=device).view(-1, 1, 1) for values in standard(network))
        self._autocast = device.startswith("cuda") and precision == "bfloat16"
        self._values = int(np.prod(network.shape))
        self._lock = threading.Lock()  # two passes at once on all cores are slower than in turn

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        if self._device != "cpu":
            return self._in_turn(inputs)
        if inputs.ndim == 4 and inputs.size <= QUICK_VALUES:
            with one_core():
                return self._forward(inputs)
        return np.concatenate([self._in_turn(piece) for piece in pieces(inputs, CACHED_VALUES // self._values)])

    def _in_turn(self, inputs: np.ndarray) -> np.ndarray:
        with self._lock:
            return self._forward(inputs)

    def _forward(self, inputs: np.ndarray) -> np.ndarray:
        # On CUDA, torch chooses the precision of each operation. Elsewhere the weights were cast once.
        autocast = torch.autocast("cuda", torch.bfloat16) if self._autocast else contextlib.nullcontext()
        with torch.inference_mode(), autocast:
            return self.net(self.ready(inputs)).float().cpu().numpy()

    def ready(self, inputs: np.ndarray) -> torch.Tensor:
        """On the device: tokens as they are; pixels as (n, 3, px, px) in channels_last, standardised."""
        given = torch.from_numpy(inputs).to(self._device)
        if given.ndim != 4:
            return given
        return given.permute(0, 3, 1, 2).float().sub_(self._mean).div_(self._std).to(self._dtype)


def standard(network: Network) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return network.mean or (0.0,), network.std or (1.0,)


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
