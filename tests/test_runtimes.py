"""Runtimes: each gives the same rows, the choice among them, the cache of converted networks, several threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from searchdemo import threads
from searchdemo.bench.child import ROOT
from searchdemo.encoders.base import How
from searchdemo.encoders.runtime import graphs, openvino_runtime, table
from searchdemo.encoders.runtime.base import Network
from searchdemo.encoders.runtime.table import RUNTIMES, choose, start
from searchdemo.errors import BadQuery, NotInstalled, UnknownName
from searchdemo.extras import is_installed

PX, DIM = 24, 5


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, DIM)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.linear(self.convolution(pixels).relu().mean((2, 3)))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, DIM)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.table(tokens).sum(1)


def small(made: list | None = None, sha256: str = "ab" * 32) -> Network:
    def module() -> nn.Module:
        if made is not None:
            made.append("small")
        torch.manual_seed(0)
        return Small()

    return Network("small-images", sha256, DIM, (PX, PX, 3), module, (114.0, 120.0, 99.0), (60.0, 57.0, 64.0))


def words() -> Network:
    def module() -> nn.Module:
        torch.manual_seed(1)
        return Words()

    return Network("small-texts", "ab" * 32, DIM, (7,), module)


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, PX, PX, 3), np.uint8)


def by_hand(inputs: np.ndarray) -> np.ndarray:
    """What the network makes of standardised pixels, in torch, from the definition."""
    network = small()
    standardised = (inputs.astype(np.float32) - np.float32(network.mean)) / np.float32(network.std)
    with torch.inference_mode():
        return network.module()(torch.from_numpy(standardised.transpose(0, 3, 1, 2))).numpy()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(graphs, "own_folder", lambda: tmp_path)
    return tmp_path / "networks"


@pytest.fixture(params=RUNTIMES)
def runtime(request) -> str:
    if not is_installed(request.param):
        pytest.skip(f"needs {request.param}")
    return request.param


def test_each_runtime_gives_the_rows_of_the_network(runtime, cache):
    run = start(small(), How("cpu", runtime, "float32"))
    for count in (1, 2, 16, 37):
        rows = run(pixels(count))
        assert rows.shape == (count, DIM) and rows.dtype == np.float32
        np.testing.assert_allclose(rows, by_hand(pixels(count)), atol=1e-4)
    tokens = np.random.default_rng(0).integers(0, 50, (9, 7), np.int64)
    found = start(words(), How("cpu", runtime, "float32"))(tokens)
    np.testing.assert_allclose(found, words().module()(torch.from_numpy(tokens)).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("runtime", [name for name, spec in RUNTIMES.items() if "bfloat16" in spec.precisions])
def test_bfloat16_is_near_and_not_the_same(runtime, cache):
    if RUNTIMES[runtime].imported().fastest("cpu") != "bfloat16":
        pytest.skip("this processor has no bfloat16")
    low, high = (start(small(), How("cpu", runtime, precision))(pixels(8)) for precision in ("bfloat16", "float32"))
    cosines = (low * high).sum(1) / np.linalg.norm(low, axis=1) / np.linalg.norm(high, axis=1)
    assert cosines.min() > 0.999 and not np.array_equal(low, high)


def test_visitors_share_a_network(runtime, cache):
    run = start(small(), How("cpu", runtime, "float32"))
    wanted = [by_hand(pixels(count)) for count in range(1, 20)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda count: run(pixels(count)), [*range(1, 20)] * 5))
    for rows, right in zip(found, wanted * 5, strict=True):
        np.testing.assert_allclose(rows, right, atol=1e-4)


def test_rows_stay_as_they_are_when_the_next_call_comes(runtime, cache):
    run = start(small(), How("cpu", runtime, "float32"))
    for count in (1, 20):
        first = run(pixels(count))
        kept = first.copy()
        run(np.zeros((count, PX, PX, 3), np.uint8))
        assert np.array_equal(first, kept)


def test_a_measurement_has_as_many_threads_as_it_asks_for(cache, monkeypatch):
    compiled, whole = [], openvino_runtime.OpenVinoPass._compile
    monkeypatch.setattr(
        openvino_runtime.OpenVinoPass,
        "_compile",
        lambda self, batch, count, streams: (
            compiled.append((batch, count, streams)) or whole(self, batch, count, streams)
        ),
    )
    monkeypatch.setattr(openvino_runtime, "cores", lambda: 2)
    run = start(small(), How("cpu", "openvino", "float32"))
    run(pixels(1)), run(pixels(40))
    with threads.thread_limit(1):
        run(pixels(40)), run(pixels(1))
    assert compiled == [(1, 1, 1), (8, 2, 2), (8, 1, 1)]  # a small picture takes one core in any case
    assert threads.limit() is None


def test_a_converted_network_is_kept(cache):
    made = []
    first = start(small(made), How("cpu", "openvino", "float32"))(pixels(3))
    again = start(small(made), How("cpu", "openvino", "float32"))(pixels(3))
    assert made == ["small"] and np.array_equal(first, again)
    (folder,) = cache.iterdir()
    assert {path.name for path in folder.iterdir()} == {"network.xml", "network.bin", "digests.json"}
    start(small(made, sha256="cd" * 32), How("cpu", "openvino", "float32"))
    assert len(made) == 2 and len([*cache.iterdir()]) == 2  # other weights, another network


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "unsigned"])
def test_a_damaged_file_is_never_read(cache, damage, monkeypatch):
    made = []
    whole = start(small(made), How("cpu", "openvino", "float32"))(pixels(2))
    (folder,) = cache.iterdir()
    weights = folder / "network.bin"
    if damage == "changed":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-4])
    elif damage == "gone":
        weights.unlink()
    else:
        (folder / "digests.json").write_text("[]")
    assert np.array_equal(start(small(made), How("cpu", "openvino", "float32"))(pixels(2)), whole)
    assert len(made) == 2 and graphs.is_whole(folder) and [*cache.iterdir()] == [folder]


def test_a_cache_that_cannot_be_written_to_is_said(cache, caplog):
    cache.write_text("a file where the folder should be")
    assert len(start(small(), How("cpu", "openvino", "float32"))(pixels(2))) == 2
    assert "small-images could not be kept" in caplog.text


def test_openvino_reports_to_nobody():
    """It would tell its maker's servers of each import and of each network that it converts."""
    openvino, used = "searchdemo.encoders.runtime.openvino_runtime", "openvino.tools.ovc.telemetry_utils"
    code = f"import {openvino}, {used} as used; print(used.tm.__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "openvino.tools.ovc.telemetry_stub\n"


def test_visitors_leave_the_number_of_threads_as_it_is():
    """A thread that first touches torch while another computes on one core must not take that for the usual."""
    run, one = start(small(), How("cpu", "torch", "float32")), pixels(1)
    before, together = torch.get_num_threads(), threading.Barrier(4)
    torch.set_num_threads(2)

    def visit() -> None:
        together.wait()
        for _ in range(20):
            run(one)

    try:
        for _ in range(5):
            visitors = [threading.Thread(target=visit) for _ in range(4)]
            [visitor.start() for visitor in visitors]
            [visitor.join() for visitor in visitors]
            with ThreadPoolExecutor(1) as new:
                assert new.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


# The choice


def test_the_first_that_is_installed_is_taken(monkeypatch):
    monkeypatch.delenv("SEARCHDEMO_RUNTIME", raising=False)
    monkeypatch.setenv("SEARCHDEMO_PRECISION", "float32")
    assert choose("cpu") == How("cpu", "openvino", "float32")
    monkeypatch.setattr(table, "is_installed", lambda name: name != "openvino")
    assert choose("cpu") == How("cpu", "torch", "float32")
    assert str(choose("cpu")) == "float32 by torch on cpu"


def test_arguments_are_stronger_than_the_environment(monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_RUNTIME", "torch")
    monkeypatch.setenv("SEARCHDEMO_PRECISION", "float32")
    assert choose("cpu") == How("cpu", "torch", "float32")
    assert choose("cpu", "openvino", "bfloat16") == How("cpu", "openvino", "bfloat16")


def test_a_gpu_is_torchs(monkeypatch):
    monkeypatch.setattr(table, "pick_device", lambda name: "cuda:0")
    assert choose(precision="float32") == How("cuda:0", "torch", "float32")
    with pytest.raises(BadQuery, match="'openvino' runs on a CPU, not on cuda:0"):
        choose(runtime="openvino")


def test_integers_are_for_networks_that_run_in_them(monkeypatch):
    monkeypatch.setattr(table, "multiplies_int8", lambda: True)
    assert choose("cpu", "openvino", "auto", eight_bits="usual") == How("cpu", "openvino", "int8")
    assert choose("cpu", "openvino", "float32", eight_bits="usual").precision == "float32"  # asked for
    assert choose("cpu", "openvino", "auto", eight_bits="asked").precision != "int8"
    assert choose("cpu", "openvino", "int8", eight_bits="asked") == How("cpu", "openvino", "int8")
    assert choose("cpu", "openvino", "auto").precision != "int8"
    refused = "has no int8 for this encoder, these weights and this processor: choose bfloat16 or float32"
    with pytest.raises(BadQuery, match=refused):
        choose("cpu", "openvino", "int8")
    with pytest.raises(BadQuery, match="'torch' has no int8: choose"):
        choose("cpu", "torch", "int8", eight_bits="usual")


def test_a_processor_whose_sums_overflow_takes_no_integers(monkeypatch):
    monkeypatch.setattr(table, "multiplies_int8", lambda: False)
    assert choose("cpu", "openvino", "auto", eight_bits="usual").precision != "int8"
    with pytest.raises(BadQuery, match="and this processor: choose bfloat16 or float32"):
        choose("cpu", "openvino", "int8", eight_bits="usual")


def test_automatic_is_what_the_processor_has(monkeypatch):
    for capabilities, wanted in ((["FP32", "BF16"], "bfloat16"), (["FP32", "FP16"], "float32")):
        core = type("Core", (), {"get_property": lambda self, device, name, found=capabilities: found})()
        monkeypatch.setattr(openvino_runtime, "_core", core)
        assert choose("cpu", "openvino", "auto").precision == wanted


def test_what_there_is_not_is_refused(monkeypatch):
    with pytest.raises(UnknownName, match=r"'tensorflow'.*openvino.*torch.*onnxruntime"):
        choose("cpu", runtime="tensorflow")
    with pytest.raises(UnknownName, match=r"'fp8'.*float32"):
        choose("cpu", precision="fp8")
    with pytest.raises(BadQuery, match="'onnxruntime' has no bfloat16: choose float32"):
        choose("cpu", runtime="onnxruntime", precision="bfloat16")
    monkeypatch.setitem(sys.modules, "searchdemo.encoders.runtime.onnx_runtime", None)
    with pytest.raises(NotInstalled, match="pip install onnxruntime"):
        choose("cpu", runtime="onnxruntime")
