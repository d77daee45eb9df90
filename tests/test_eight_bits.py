"""Networks in integers of 8 bits: what is rounded to what, and that integers are computed with."""

from __future__ import annotations

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from searchdemo.encoders import table
from searchdemo.encoders.eight_bits import Signal, weights_in_8_bits
from searchdemo.errors import BadQuery
from searchdemo.processor import multiplies_int8

SPREAD = np.array([0.0, 1.0]), np.array([1.0, 0.25])  # mean and variance of two channels: -4 to 4, and -1 to 3


def computed(node: ov.Node, given: ov.Node, values: np.ndarray) -> np.ndarray:
    return ov.Core().compile_model(ov.Model([node], [given]), "CPU")(values)[0]


@pytest.mark.parametrize(("limits", "low", "high"), [((-np.inf, np.inf), -4, 4), ((0, 6), 0, 4), ((-1, 1), -1, 1)])
def test_a_signal_becomes_256_numbers_over_the_range_of_its_channels(limits, low, high):
    given, values = ops.parameter([256], np.float32), np.linspace(low, high, 256, dtype=np.float32)
    rounded = computed(Signal(given, *SPREAD, *limits).in_8_bits(), given, values)
    assert rounded == pytest.approx(values, abs=1e-5)  # they are those numbers
    step = (high - low) / 255
    between = computed(Signal(given, *SPREAD, *limits).in_8_bits(), given, values + np.float32(0.3 * step))
    assert between[:-1] == pytest.approx(values[:-1], abs=1e-5)
    outside = computed(Signal(given, *SPREAD, *limits).in_8_bits(), given, np.full(256, 9, np.float32))
    assert outside == pytest.approx(np.full(256, high))


def test_sums_and_cuts_keep_account_of_the_spread():
    given = ops.parameter([2], np.float32)
    both = Signal(given, *SPREAD).plus(Signal(given, *SPREAD))
    assert both.mean.tolist() == [0, 2] and both.variance.tolist() == [2, 0.5]
    cut = both.clamped(0, 6)
    assert (cut.least, cut.most) == (0, 6) and cut.mean is both.mean
    assert computed(cut.node, given, np.array([-1, 4], np.float32)).tolist() == [0, 6]


def test_each_channel_of_weights_has_a_range_of_its_own():
    weight = np.stack([np.arange(-127, 128), np.arange(-127, 128) / 1000]).astype(np.float32)
    given = ops.parameter([1], np.float32)
    node = ops.add(weights_in_8_bits(weight), ops.multiply(given, ops.constant(np.float32(0))))
    assert computed(node, given, np.ones(1, np.float32)) == pytest.approx(weight, abs=1e-6)
    assert computed(node, given, np.ones(1, np.float32))[1] == pytest.approx(weight[1], abs=1e-6)


integers = pytest.mark.skipif(not multiplies_int8(), reason="this processor has no sums of 8-bit products")


@integers
def test_every_convolution_computes_in_integers():
    encoder = table.load("bundled", device="cpu", runtime="openvino", precision="int8")
    single = encoder.passed(encoder.images)._single(1)._compiled.get_runtime_model()
    facts = [node.get_rt_info() for node in single.get_ops()]
    said = [info["runtimePrecision"] for info in facts if info["layerType"] == "Convolution"]
    assert len(said) == 49 and {*said} <= {"u8", "i8"}


@integers
@pytest.mark.parametrize("precision", ["int8", "bfloat16", "float32"])
def test_a_row_has_the_same_bits_whether_its_picture_was_alone_or_not(precision):
    encoder = table.load("bundled", device="cpu", runtime="openvino", precision=precision)
    pixels = np.random.default_rng(0).integers(0, 256, (21, 128, 128, 3), np.uint8)
    alone = np.concatenate([encoder.encode_pixels(pixels[row : row + 1]) for row in range(len(pixels))])
    for count in (2, 7, 8, 9, 16, 21):
        assert np.array_equal(encoder.encode_pixels(pixels[:count]), alone[:count])


def test_own_weights_run_in_floats_alone():
    with pytest.raises(BadQuery, match="has no int8 for this encoder, these weights and this processor"):
        table.load("bundled", weights=table.weights_path("bundled"), device="cpu", runtime="openvino", precision="int8")
