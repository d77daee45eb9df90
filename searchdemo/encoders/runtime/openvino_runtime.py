"""Networks in OpenVINO, on a CPU. It runs on processors of Intel, AMD and ARM.

A network is compiled twice, each on its first use: for one input, and for PIECE of them. A batch is cut into such
pieces, which the cores compute side by side, each core a piece of its own: cores that share a piece wait for each
other at every layer, and for whoever else wants one of them. What is left of a batch is computed one by one. So all
shapes are known when a network is compiled. That is faster than batches of any size, and in integers of 8 bits, too, a
row has the same bits whether its picture was alone or not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov

from searchdemo import threads
from searchdemo.cache import Cache
from searchdemo.encoders.runtime.base import Network
from searchdemo.encoders.runtime.graphs import graph_of
from searchdemo.encoders.runtime.pieces import QUICK_VALUES, pieces
from searchdemo.processor import cores

PIECE = 8  # inputs; of CLIP's ViT-B/32, whose weights fill no cache, 4 at a time take a fifth longer
HINTS = {"int8": ov.Type.f32, "bfloat16": ov.Type.bf16, "float32": ov.Type.f32}  # of what is not in integers

_core = ov.Core()


def fastest(device: str) -> str:
    return "bfloat16" if "BF16" in _core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "float32"


def start(network: Network, device: str, precision: str) -> OpenVinoPass:
    return OpenVinoPass(network, graph_of(_core, network, precision), precision)


def on_one_core(graph: ov.Model, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    """A graph of one input, of any shape that it takes, and one output, for inputs so small that cores would wait for
    each other. Several threads may call it."""
    return _compiled(graph, precision, threads=1, streams=1)


class OpenVinoPass:
    """See base.py."""

    def __init__(self, network: Network, graph: ov.Model, precision: str):
        """graph: inputs as the network's `shape` says, in batches of any size."""
        self._network, self._graph, self._precision = network, graph, precision
        self._compiled: Cache[_Compiled] = Cache(8)  # by the number of threads, None and what a race chose
        self._single(threads.limit())  # what does not fit fails here

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        limit = threads.limit()
        whole = len(inputs) // PIECE * PIECE
        rows = [self._pieces(limit or cores()).side_by_side(list(pieces(inputs[:whole], PIECE)))] if whole else []
        rows += [self._single(limit)(one) for one in pieces(inputs[whole:], 1)]
        return np.concatenate(rows)

    def _single(self, limit: int | None) -> _Compiled:
        quick = len(self._network.shape) == 3 and np.prod(self._network.shape) <= QUICK_VALUES
        count = 1 if quick else limit or cores()
        return self._compiled.get(("single", count), lambda: self._compile(1, count, streams=1))

    def _pieces(self, count: int) -> _Compiled:
        return self._compiled.get(("pieces", count), lambda: self._compile(PIECE, count, streams=count))

    def _compile(self, batch: int, count: int, streams: int) -> _Compiled:
        graph = self._graph.clone()
        graph.reshape([batch, *self._network.shape])
        return _compiled(graph, self._precision, count, streams)


def _compiled(graph: ov.Model, precision: str, threads: int, streams: int) -> _Compiled:
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
    }
    return _Compiled(_core.compile_model(graph, "CPU", options))


class _Compiled:
    """A compiled network and its infer requests, each of which serves one caller at a time."""

    def __init__(self, compiled: Any):
        self._compiled = compiled
        self._free: deque = deque()  # its pop and append are atomic

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        request = self._request()
        try:
            request.infer([inputs], share_inputs=True, share_outputs=True)
            return request.get_output_tensor().data.copy()
        finally:
            self._free.append(request)

    def side_by_side(self, parts: list[np.ndarray]) -> np.ndarray:
        requests = [self._request() for _ in parts]
        try:
            for request, part in zip(requests, parts, strict=True):
                request.start_async([part], share_inputs=True)
            for request in requests:
                request.wait()
            return np.concatenate([request.get_output_tensor().data for request in requests])
        finally:
            self._free.extend(requests)

    def _request(self) -> Any:
        try:
            return self._free.pop()
        except IndexError:
            return self._compiled.create_infer_request()
