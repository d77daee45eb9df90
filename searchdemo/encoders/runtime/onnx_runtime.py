"""Networks in ONNX Runtime, on a CPU: for the benchmarks, which compare it with the others."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import onnxruntime
import torch

from searchdemo import threads
from searchdemo.cache import Cache
from searchdemo.encoders.runtime.base import Network
from searchdemo.encoders.runtime.pieces import pieces
from searchdemo.encoders.runtime.torch_runtime import standard

BATCH = 16


def fastest(device: str) -> str:
    return "float32"


def start(network: Network, device: str, precision: str) -> OnnxPass:
    return OnnxPass(network)


class OnnxPass:
    """See base.py."""

    def __init__(self, network: Network):
        self._exported = exported(network)
        self._mean, self._std = (np.asarray(values, np.float32).reshape(-1, 1, 1) for values in standard(network))
        self._sessions: Cache[onnxruntime.InferenceSession] = Cache(4)  # by the number of threads

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        session = self._sessions.get(threads.limit(), self._session)
        return np.concatenate([session.run(None, {"inputs": self._ready(piece)})[0] for piece in pieces(inputs, BATCH)])

    def _session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads.limit() or 0  # 0: as many as it takes by itself
        return onnxruntime.InferenceSession(self._exported, options, providers=["CPUExecutionProvider"])

    def _ready(self, inputs: np.ndarray) -> np.ndarray:
        if inputs.ndim != 4:
            return inputs
        return np.ascontiguousarray((inputs.transpose(0, 3, 1, 2).astype(np.float32) - self._mean) / self._std)


@contextlib.contextmanager
def plain_attention() -> Iterator[None]:
    """Torch's fused attention of transformers has no counterpart in ONNX."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def exported(network: Network) -> bytes:
    """The network in ONNX's format, for batches of any size."""
    shape = (3, *network.shape[:2]) if network.mean else network.shape
    example = torch.zeros(2, *shape, dtype=torch.float32 if network.mean else torch.int64)
    file = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings(), plain_attention():
        warnings.simplefilter("ignore")
        logging.getLogger("onnxscript").setLevel(logging.ERROR)
        torch.onnx.export(
            network.module().eval(),
            (example,),
            file,
            input_names=["inputs"],
            output_names=["rows"],
            dynamic_axes={"inputs": {0: "n"}, "rows": {0: "n"}},
            dynamo=False,
        )
    return file.getvalue()
