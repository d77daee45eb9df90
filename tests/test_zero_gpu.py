"""ZeroGPU as far as it goes without it: what `spaces` is given, and when; the hardware itself was not tried."""

from __future__ import annotations

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from searchdemo.encoders import device, table, zero_gpu
from searchdemo.encoders.base import How
from searchdemo.encoders.runtime import torch_runtime
from searchdemo.encoders.runtime.table import start
from searchdemo.encoders.runtime.torch_runtime import TorchPass
from searchdemo.errors import NotInstalled, SearchDemoError
from tests.stand_in import stand_in

PICTURES = [Image.new("RGB", (64, 64), colour) for colour in ("crimson", "royalblue")]


class Lender:
    """The package `spaces`: a decorated function gets its arguments, and gives its result, through a pickle."""

    def __init__(self):
        self.decorated, self.calls, self.error = [], [], None

    def GPU(self, task):  # noqa: N802
        self.decorated.append(task)

        def lent(*given):
            if self.error:
                raise self.error
            self.calls.append(given := pickle.loads(pickle.dumps(given)))
            return pickle.loads(pickle.dumps(task(*given)))

        return lent


@pytest.fixture
def lender(monkeypatch):
    """A Space with ZeroGPU, whose GPU is this CPU."""
    for name in ("mobilenetv3-large", "mobileclip2-s0"):
        stand_in(name)  # made with torch as it is here
    made, real, begun = Lender(), torch_runtime.start, []

    def started(network, device, precision):
        begun.append((network.name, device, precision))
        return real(network, "cpu", "float32")

    made.begun = begun
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", made)
    monkeypatch.setattr(torch_runtime, "start", started)
    monkeypatch.setattr(zero_gpu, "_passes", type(zero_gpu._passes)(4))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(device, "GPU_FILES", ())
    zero_gpu._lent.cache_clear()
    yield made
    zero_gpu._lent.cache_clear()


def test_pictures_are_encoded_where_a_gpu_is_lent(lender):
    weights = {"weights": stand_in("mobilenetv3-large")}
    encoder = table.load("mobilenetv3-large", **weights)
    assert encoder.how == How("cuda:0", "torch", "bfloat16") and not lender.calls
    for _ in range(2):
        rows = encoder.encode_images(PICTURES)
    here = table.load("mobilenetv3-large", device="cpu", precision="float32", runtime="torch", **weights)
    np.testing.assert_allclose(rows, here.encode_images(PICTURES), atol=1e-5)
    assert lender.decorated == [zero_gpu.forward] and len(lender.calls) == 2
    assert lender.begun == [  # weights are read once per process
        ("mobilenetv3-large-images", "cuda:0", "bfloat16"),
        ("mobilenetv3-large-images", "cpu", "float32"),
    ]


def test_words_go_there_as_pictures_do(lender):
    encoder = table.load("mobileclip2-s0", weights=stand_in("mobileclip2-s0"))
    assert encoder.encode_texts(["a red boat"]).shape == (1, 512)
    assert [network.name for network, *_ in lender.calls] == ["mobileclip2-s0-texts"]


def test_what_fails_there_is_a_sentence(lender):
    encoder = table.load("bundled")
    pickle.dumps(encoder.images)
    lender.error = RuntimeError("You have exceeded your quota")
    with pytest.raises(SearchDemoError, match=r"lent no GPU .*exceeded your quota.* try again later"):
        encoder.encode_images(PICTURES)


def test_the_package_is_imported_before_cuda_is_asked_for_and_before_the_page_starts(lender, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(lender.decorated))
    assert device.pick_device() == "cuda:0"
    zero_gpu._lent.cache_clear()
    monkeypatch.setitem(sys.modules, "spaces", None)
    from searchdemo.ui import launch

    with pytest.raises(NotInstalled, match=r"ZeroGPU needs the Python package 'spaces'"):
        launch(port=-1)  # which is refused only later


def test_elsewhere_nothing_of_it_is_asked_for(lender, monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "false")
    zero_gpu.prepare()
    network = SimpleNamespace(module=lambda: torch.nn.Identity(), shape=(2,), mean=(), std=(), name="n")
    assert type(start(network, How("cuda:0", "torch", "float32"))) is TorchPass
    assert not lender.decorated and not lender.calls
