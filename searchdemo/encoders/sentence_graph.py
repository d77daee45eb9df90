"""The layers of the sentence model as an OpenVINO graph, made from its tensors in 4 bits as they are stored.

One text is a product of a few rows with all weights, so reading the weights is most of its time: 42 MB in float32,
5 MB in 4 bits. With bfloat16 the weights stay in 4 bits in memory, and OpenVINO multiplies them by the states in 8
bits, each group of 32 numbers with a scale of its own. The cosine to float32 is 0.9995 to 0.9998.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from searchdemo.encoders.quantised import GROUP, SCALES, dequantise

Tensors = Mapping[str, np.ndarray]


def graph(tensors: Tensors, layers: int, head_dim: int, epsilon: float, precision: str) -> ov.Model:
    """Rows of pieces, each plus its place's (n, length, width) float32 -> (n, width): the mean over the last layer.

    tensors: see bundled_text.SentenceModel; the table of pieces is not read
    """
    width = len(tensors["norm.weight"])
    rows = ops.parameter([-1, -1, width], np.float32)
    state = norm(rows, tensors, "norm", epsilon)
    for number in range(layers):
        layer = f"layers.{number}."
        state = ops.add(state, attention(state, tensors, layer, width, head_dim, precision))
        state = norm(state, tensors, f"{layer}norm1", epsilon)
        wide = ops.gelu(linear(state, tensors, f"{layer}expand", precision), "erf")
        state = ops.add(state, linear(wide, tensors, f"{layer}contract", precision))
        state = norm(state, tensors, f"{layer}norm2", epsilon)
    return ov.Model([ops.reduce_mean(state, integers(1))], [rows], "sentence-model")


def attention(state: ov.Node, tensors: Tensors, layer: str, width: int, head_dim: int, precision: str) -> ov.Node:
    mixed = linear(state, tensors, f"{layer}attention", precision)
    mixed = ops.reshape(mixed, integers(0, 0, 3, width // head_dim, head_dim), True)
    parts = ops.split(ops.transpose(mixed, integers(2, 0, 3, 1, 4)), ops.constant(np.int64(0)), 3)
    query, key, value = (ops.squeeze(part, integers(0)) for part in parts.outputs())  # (n, heads, length, head_dim)
    query = ops.multiply(query, ops.constant(np.float32(head_dim**-0.5)))
    shares = ops.softmax(ops.matmul(query, key, False, True), -1)
    together = ops.transpose(ops.matmul(shares, value, False, False), integers(0, 2, 1, 3))
    return linear(ops.reshape(together, integers(0, 0, width), True), tensors, f"{layer}output", precision)


def norm(state: ov.Node, tensors: Tensors, name: str, epsilon: float) -> ov.Node:
    even = ops.mvn(state, integers(-1), True, epsilon, "inside_sqrt")
    return ops.add(ops.multiply(even, vector(tensors, f"{name}.weight")), vector(tensors, f"{name}.bias"))


def linear(state: ov.Node, tensors: Tensors, name: str, precision: str) -> ov.Node:
    product = ops.matmul(state, matrix(tensors, f"{name}.weight", precision), False, True)
    return ops.add(product, vector(tensors, f"{name}.bias"))


def matrix(tensors: Tensors, name: str, precision: str) -> ov.Node:
    """In float32, or from 4 bits in the form that OpenVINO keeps as it is: (rows, groups, GROUP), see quantised.py."""
    if precision == "float32":
        return ops.constant(dequantise({key: tensors[key] for key in (name, name + SCALES)})[name])
    packed, scales = np.ascontiguousarray(tensors[name]), tensors[name + SCALES]
    shape = [*scales.shape, GROUP]
    numbers, zero = four_bits(packed, shape), four_bits(np.array([8 | 8 << 4], np.uint8), [1, 1, 1])
    grouped = ops.multiply(ops.subtract(numbers, zero), ops.constant(scales[..., None]))
    return ops.convert(ops.reshape(grouped, integers(len(packed), 2 * packed.shape[1]), False), np.float32)


def four_bits(packed: np.ndarray, shape: list[int]) -> ov.Node:
    """Numbers of 4 bits, two per byte, as float16. Copied: else OpenVINO 2026.4 reads the array's memory when it
    compiles the graph, and does not keep the array until then."""
    held = ops.constant(ov.Tensor(packed, shape, ov.Type.u4), shared_memory=False)
    return ops.convert(held, np.float16)


def vector(tensors: Tensors, name: str) -> ov.Node:
    return ops.constant(tensors[name].astype(np.float32))


def integers(*numbers: int) -> ov.Node:
    return ops.constant(np.array(numbers))
