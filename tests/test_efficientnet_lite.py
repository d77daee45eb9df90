"""EfficientNet-Lite without torch: the same rows as timm's network, from the weights of the bundled encoder too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.numpy import save_file
from text_arrays import small_arrays

from searchdemo.encoders import table
from searchdemo.encoders.efficientnet_lite import bfloat16, rounded_with_their_sum
from searchdemo.encoders.quantised import quantise
from searchdemo.encoders.weights import STAND_IN
from searchdemo.errors import BadArtifact

PX = 64


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    """Random weights of Lite0, with statistics that are not 0 and 1, and a projection to 128 dimensions."""
    torch.manual_seed(0)
    net = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith(("running_mean", "bias")):
                tensor.uniform_(-0.3, 0.3)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
    found = {name: tensor.numpy() for name, tensor in net.state_dict().items() if "num_batches" not in name}
    rng = np.random.default_rng(0)
    found["project.weight"] = rng.standard_normal((128, 1280), np.float32) / 36
    return found | {"project.bias": rng.standard_normal(128, np.float32) / 36}


@pytest.fixture(scope="module")
def bundled_file(tensors, tmp_path_factory) -> Path:
    """A file of the bundled encoder."""
    stored = quantise({f"image.{name}": value for name, value in tensors.items()})
    path = tmp_path_factory.mktemp("weights") / "bundled.safetensors"
    stored |= {f"text.{name}": value for name, value in small_arrays(128).items()}
    save_file(stored, path, metadata=STAND_IN)
    return path


def noise(count: int) -> list[Image.Image]:
    values = np.random.default_rng(count).integers(0, 256, (count, PX, PX, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in values]


def test_the_graph_is_timms_network(tensors, tmp_path):
    save_file({name: value for name, value in tensors.items() if "project" not in name}, tmp_path / "lite.safetensors")
    for runtime in ("openvino", "torch"):
        encoder = table.load(
            "efficientnet-lite0",
            weights=tmp_path / "lite.safetensors",
            device="cpu",
            precision="float32",
            runtime=runtime,
        )
        rows = encoder.encode_images(noise(5))
        assert rows.shape == (5, 1280)
        if runtime == "openvino":
            ours = rows
    np.testing.assert_allclose(ours, rows, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3])
def test_the_bundled_encoder(bundled_file, count):
    rows = {
        (runtime, precision): table.load(
            "bundled", weights=bundled_file, device="cpu", runtime=runtime, precision=precision
        ).encode_images(noise(count))
        for runtime, precision in (("openvino", "float32"), ("openvino", "bfloat16"), ("torch", "float32"))
    }
    exact = rows["openvino", "float32"]
    np.testing.assert_allclose(exact, rows["torch", "float32"], atol=1e-5)
    assert (exact * rows["openvino", "bfloat16"]).sum(1).min() > 0.999


def test_its_pictures_need_no_torch(bundled_file):
    code = f"""
import sys
sys.modules |= dict.fromkeys(["torch", "torchvision", "timm", "open_clip"])
from PIL import Image
from searchdemo.encoders import table
encoder = table.load("bundled", weights={str(bundled_file)!r})
assert encoder.encode_images([Image.new("RGB", (64, 64), "red")]).shape == (1, 128)
assert encoder.encode_texts(["a dog"]).shape == (1, 128)
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)


def test_a_file_without_a_tensor_is_refused(tensors, tmp_path):
    broken = {name: value for name, value in tensors.items() if name != "blocks.3.1.conv_pw.weight"}
    save_file(broken, tmp_path / "lite.safetensors")
    with pytest.raises(BadArtifact, match=r"efficientnet-lite0: its tensor 'blocks.3.1.conv_pw.weight' is missing"):
        table.load("efficientnet-lite0", weights=tmp_path / "lite.safetensors", device="cpu", runtime="openvino")


def test_rounding_keeps_sums_and_gives_numbers_of_bfloat16():
    weights = np.random.default_rng(0).standard_normal((32, 1, 3, 3)).astype(np.float32) * 9
    weights -= weights.mean((2, 3), keepdims=True)
    ours = rounded_with_their_sum(weights)
    assert np.array_equal(ours, torch.from_numpy(ours).bfloat16().float().numpy())
    assert np.array_equal(bfloat16(weights), torch.from_numpy(weights).bfloat16().float().numpy())
    assert np.abs(ours - weights).max() < 0.1
    plain = np.abs(bfloat16(weights).sum((1, 2, 3)))
    assert np.abs(ours.sum((1, 2, 3))).mean() < plain.mean() / 5
