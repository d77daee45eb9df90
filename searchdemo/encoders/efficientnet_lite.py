"""EfficientNet-Lite as an OpenVINO graph, from timm's tensors and without torch (Tan and Le 2019, Liu and Tan 2020).

The tensors tell depth, width and kernel sizes, so that Lite0 to Lite4 are the same to this file. timm calls them
tf_efficientnet_lite0 to 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.eight_bits import Signal, weights_in_8_bits
from searchdemo.errors import BadArtifact

STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage
EPSILON = 1e-3  # of the batch norms
ANY = 1e9  # larger than anything that the network computes

Tensors = Mapping[str, np.ndarray]


def graph(tensors: Tensors, px: int, precision: str, pixel_range: tuple[float, float] = (-1, 1)) -> ov.Model:
    """Standardised pixels (n, 3, px, px) float32 -> (n, 1280); (n, dim) where the tensors have `project`.

    pixel_range: of standardised pixels

    Raises KeyError for a tensor that is missing.
    """
    pixels = ops.parameter([-1, 3, px, px], np.float32)
    x = Signal(pixels, np.zeros(3), np.ones(3), *pixel_range)
    x = convolution(x, tensors, "conv_stem", "bn1", precision, stride=2)
    for name, stride in blocks(tensors):
        x = block(x, tensors, name, stride, precision)
    x = convolution(x, tensors, "conv_head", "bn2", precision)
    rows = ops.reduce_mean(x.node, ops.constant(np.array([2, 3])))
    if "project.weight" in tensors:
        rows = ops.matmul(rows, ops.constant(tensors["project.weight"]), False, True)
        rows = ops.add(rows, ops.constant(tensors["project.bias"][None]))
    return ov.Model([rows], [pixels], "efficientnet-lite")


def checked_graph(tensors: Tensors, spec: EncoderSpec, precision: str, path: Path) -> ov.Model:
    """The graph of a file's tensors. Raises BadArtifact when one is missing or does not fit the others."""
    pixel_range = -spec.mean[0] / spec.std[0], (1 - spec.mean[0]) / spec.std[0]
    try:
        return graph(tensors, spec.input_px, precision, pixel_range)
    except KeyError as error:
        said = f"its tensor {error} is missing"
    except (RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[-1]
    raise BadArtifact(f"{str(path)!r} does not fit {spec.name}: {said}; give weights saved from this architecture.")


def blocks(tensors: Tensors) -> Iterator[tuple[str, int]]:
    """The names of the blocks, "blocks.1.0.", in order, and their strides."""
    for stage, stride in enumerate(STRIDES):
        position = 0
        while f"blocks.{stage}.{position}.conv_dw.weight" in tensors:
            yield f"blocks.{stage}.{position}.", stride if position == 0 else 1
            position += 1


def block(x: Signal, tensors: Tensors, name: str, stride: int, precision: str) -> Signal:
    """Widen, look at each channel by itself, narrow; the first block has nothing to widen."""
    y, norm = x, 1
    if f"{name}conv_pwl.weight" in tensors:
        y, norm = convolution(y, tensors, f"{name}conv_pw", f"{name}bn1", precision), 2
    y = convolution(y, tensors, f"{name}conv_dw", f"{name}bn{norm}", precision, stride)
    last = f"{name}conv_pwl" if norm == 2 else f"{name}conv_pw"
    y = convolution(y, tensors, last, f"{name}bn{norm + 1}", precision, relu=False)
    same = norm == 2 and stride == 1 and len(tensors[f"{last}.weight"]) == tensors[f"{name}conv_pw.weight"].shape[1]
    return y.plus(x) if same else y


def convolution(
    x: Signal, tensors: Tensors, name: str, norm: str, precision: str, stride: int = 1, relu: bool = True
) -> Signal:
    """A convolution with TensorFlow's SAME padding, its batch norm merged into it, and ReLU6."""
    weight, bias = merged(tensors, name, norm)
    depthwise = weight.shape[1] == 1 and weight.shape[2] > 1
    if precision == "bfloat16" and depthwise:
        weight = rounded_with_their_sum(weight)
    if depthwise:
        weight = weight[:, None]
    eight = precision == "int8"
    node, filters = (x.in_8_bits(), weights_in_8_bits(weight)) if eight else (x.node, ops.constant(weight))
    convolve = ops.group_convolution if depthwise else ops.convolution
    node = convolve(node, filters, [stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper")
    if precision == "bfloat16":
        # OpenVINO would merge the bias into the convolution and round it to bfloat16. Behind a step that changes
        # nothing it is added in float32, in the same pass over memory.
        node = ops.clamp(node, -ANY, ANY)
    node = ops.add(node, ops.constant(bias.reshape(1, -1, 1, 1)))
    made = Signal(node, tensors[f"{norm}.bias"], np.square(tensors[f"{norm}.weight"]))
    return made.clamped(0.0, 6.0) if relu else made


def merged(tensors: Tensors, name: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a convolution followed by a batch norm."""
    scale = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + np.float32(EPSILON))
    bias = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
    return tensors[f"{name}.weight"] * scale[:, None, None, None], bias


def rounded_with_their_sum(weight: np.ndarray) -> np.ndarray:
    """(channels, 1, k, k) -> numbers that bfloat16 has, near the given ones, and with nearly the same sums.

    Many depthwise filters of Lite0 find edges: large weights that sum to nearly 0, over values that differ little.
    Rounded one by one they see edges in plain surfaces, and that is half of all that bfloat16 costs the network. So the
    error of each weight is handed on to the next, from the largest to the smallest. The mean cosine to float32 is then
    0.9996 in place of 0.9992 on 200 pictures of tiny-ImageNet, and 0.9995 in place of 0.9985 on drawn scenes.
    """
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    channels, error = np.arange(len(rows)), np.zeros(len(rows))
    for at in np.argsort(-np.abs(rows), axis=1).T:
        wanted = rows[channels, at] + error
        rows[channels, at] = bfloat16(wanted.astype(np.float32))
        error = wanted - rows[channels, at]
    return rows.reshape(weight.shape).astype(np.float32)


def bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 -> the nearest numbers with 8 bits of mantissa, ties to even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
