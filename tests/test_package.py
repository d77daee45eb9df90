"""The package: the wheel holds all that ships, and works where neither the checkout nor an extra is."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from gradio_client import Client
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

import searchdemo
from searchdemo import assets, extras
from searchdemo.bench.child import answers, free_port, stop

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IGNORED = re.compile(r"\.(lock|partial|pyc|pyi)$|\.building/|^indexes/local/")  # as in .gitignore
PATIENCE_S = 300  # for a page to answer; generous, because other tests may keep the processors busy


# What is declared


def declared(*names: str) -> set[str]:
    """The requirements of the package and of these extras, with those of the extras that they name."""
    found = {str(Requirement(line)) for line in PROJECT["dependencies"]}
    for name in names:
        for needed in map(Requirement, PROJECT["optional-dependencies"][name]):
            found |= declared(*needed.extras) if needed.name == "searchdemo" else {str(needed)}
    return found


def required(file: str) -> set[str]:
    """The requirements of a file, with those of the files that it includes."""
    found = set()
    for line in (ROOT / file).read_text().splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if line.startswith("-r "):
            found |= required(line.removeprefix("-r "))
        elif line:
            found.add(str(Requirement(line)))
    return found


@pytest.mark.parametrize(
    ("file", "extra"),
    [("requirements.txt", "encoders"), ("requirements-bench.txt", "bench"), ("requirements-dev.txt", "dev")],
)
def test_a_requirements_file_is_the_package_with_an_extra(file, extra):
    assert required(file) == declared(extra)


def test_the_lock_has_what_the_tests_need_by_version_and_hash():
    locked = {}
    for line in (ROOT / "requirements-locked.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = re.fullmatch(r"(\S+)==([^\s+]+) --hash=sha256:[0-9a-f]{64}", line).groups()
            locked[canonicalize_name(name)] = version
    machine = {"sys_platform": "linux", "platform_machine": "x86_64", "python_version": "3.11"}
    for needed in map(Requirement, required("requirements-dev.txt")):
        if needed.marker is None or needed.marker.evaluate(machine):
            version = locked.get(canonicalize_name(needed.name))
            assert version and needed.specifier.contains(version), f"{needed} is not in the lock: run `make lock`"


def test_the_requirements_for_a_gpu_differ_by_faiss_alone():
    differ = required("requirements-gpu.txt") ^ required("requirements.txt")
    assert {Requirement(line).name for line in differ} == {"faiss-gpu", "faiss-cpu"}


def test_the_core_is_without_the_large_libraries():
    core = {Requirement(line).name for line in declared()}
    assert not core & {"torch", "torchvision", "timm", "open_clip_torch", "datasets", "onnxruntime"}


@pytest.mark.parametrize("extra", extras.REQUIREMENTS)
def test_the_command_that_brings_an_extra(extra, monkeypatch, tmp_path):
    assert extra in PROJECT["optional-dependencies"]
    file = extras.pip_command(extra).removeprefix("pip install -r ")
    assert declared(extra) <= required(file)
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    assert extras.pip_command(extra) == f'pip install "searchdemo[{extra}]"'


# The public face


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import searchdemo; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["searchdemo"]


def test_the_public_names():
    assert set(searchdemo.__all__) == set(searchdemo._MODULE_OF) <= set(dir(searchdemo))


def test_the_changelog_tells_what_this_version_brings():
    assert re.search(rf"^## {re.escape(searchdemo.__version__)} - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", searchdemo.__all__)
def test_every_public_name_is_a_class_of_the_package(name):
    found = getattr(searchdemo, name)
    assert isinstance(found, type) and found.__name__ == name
    assert getattr(searchdemo, name) is found


def test_other_names_are_refused_as_python_does():
    with pytest.raises(AttributeError, match="module 'searchdemo' has no attribute 'Librarian'"):
        _ = searchdemo.Librarian
    with pytest.raises(ImportError, match="cannot import name 'Librarian'"):
        from searchdemo import Librarian  # noqa: F401


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (path,) = folder.iterdir()
    return path


def pip(*words: object) -> None:
    """This environment's pip, which asks no index."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words), "--no-index"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def files_of(folder: str) -> set[str]:
    """Paths from ROOT of what belongs to the project."""
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
    return {path for path in found if not IGNORED.search(path)}


@pytest.mark.slow
def test_a_wheel_holds_the_package_and_what_ships(wheel):
    shipped = files_of("indexes") | files_of("weights") | files_of("cards")
    assert "indexes/scenes/bundled/ivf.faiss" in shipped
    expected = files_of("searchdemo") | {f"searchdemo/assets/{path}" for path in shipped}
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
    about = f"searchdemo-{searchdemo.__version__}.dist-info"
    assert {path for path in held if not path.startswith(about)} == expected
    assert {f"{about}/licenses/LICENSE", f"{about}/licenses/NOTICE", f"{about}/entry_points.txt"} <= held


# Installed


class Installation:
    """The wheel in a virtual environment of its own, an empty home, and an empty folder to run in."""

    def __init__(self, folder: Path, wheel: Path, requirements: Iterable[str]):
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        (self.packages,) = (folder / "venv").glob("lib/python*/site-packages")
        pip("--python", self.python, "install", "--no-deps", wheel)
        link_distributions(requirements, self.packages)
        self.home, self.empty = folder / "home", folder / "empty"
        self.home.mkdir()
        self.empty.mkdir()
        self.options = {
            "cwd": self.empty,
            "env": {"PATH": os.environ["PATH"], "HOME": str(self.home), "HF_HUB_OFFLINE": "1"},
            "text": True,
        }

    def command(self, *words: str) -> subprocess.CompletedProcess:
        command = [str(self.python.with_name("searchdemo")), *words]
        return subprocess.run(command, capture_output=True, check=False, **self.options)

    def run(self, *words: str) -> dict:
        """What `searchdemo ... --json` prints."""
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def evaluate(self, code: str):
        """What a Python there prints as JSON."""
        done = subprocess.run([str(self.python), "-c", code], capture_output=True, check=False, **self.options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def files(self) -> set[Path]:
        return {path for path in (self.packages / "searchdemo").rglob("*") if path.suffix != ".pyc"}


def link_distributions(requirements: Iterable[str], folder: Path) -> None:
    """Links to what pip would install for these requirements, and to nothing else of this environment."""
    for name in needed_by(requirements):
        found = distribution(name)
        for top in {path.parts[0] for path in found.files} - {"..", "__pycache__"}:
            link = folder / top
            if not link.is_symlink():  # two distributions may share a folder, such as "nvidia"
                link.symlink_to(found.locate_file(top))


def needed_by(requirements: Iterable[str]) -> set[str]:
    """Names of distributions, those that they require in turn among them."""
    seen = set()

    def add(lines: Iterable[str], of_extras: Iterable[str]) -> None:
        for needed in map(Requirement, lines):
            applies = needed.marker is None or any(needed.marker.evaluate({"extra": one}) for one in ("", *of_extras))
            key = (canonicalize_name(needed.name), frozenset(needed.extras))
            if applies and key not in seen:
                seen.add(key)
                add(distribution(needed.name).requires or (), needed.extras)

    add(requirements, ())
    return {name for name, _ in seen}


@pytest.fixture(scope="module")
def core(wheel, tmp_path_factory) -> Installation:
    """As `pip install .` makes it."""
    return Installation(tmp_path_factory.mktemp("core"), wheel, declared())


@pytest.fixture(scope="module")
def whole(wheel, tmp_path_factory) -> Installation:
    """As `pip install ".[encoders]"` makes it."""
    return Installation(tmp_path_factory.mktemp("whole"), wheel, declared("encoders"))


IN_ONE_PROCESS = """
import contextlib, io, json
from searchdemo.__main__ import main
said = []
for words in COMMANDS:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main([*words, "--json"]) == 0
    said.append(json.loads(out.getvalue()))
print(json.dumps(said))"""


@pytest.fixture(params=["core", "whole"])
def installation(request) -> Installation:
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_everything_is_read_from_the_wheel(installation):
    code = """
import importlib.metadata, json, sys, searchdemo, searchdemo.assets as a
files = [searchdemo.__file__, *map(str, (a.INDEXES, a.WEIGHTS, a.CARDS))]
print(json.dumps([files, sys.path, importlib.metadata.version("searchdemo")]))"""
    files, path, version = installation.evaluate(code)
    assert all(Path(file).is_relative_to(installation.packages) and Path(file).exists() for file in files)
    assert not {str(ROOT), str(ROOT / "searchdemo")} & set(path)
    assert version == searchdemo.__version__


@pytest.mark.slow
def test_only_the_extra_brings_the_large_libraries(core, whole):
    large = ["torch", "torchvision", "timm", "open_clip", "datasets"]
    code = f"import importlib.util, json; print(json.dumps([n for n in {large} if importlib.util.find_spec(n)]))"
    assert (core.evaluate(code), whole.evaluate(code)) == ([], large)


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> str:
    """A PNG of row 7 of scenes."""
    path = tmp_path_factory.mktemp("picture") / "row7.png"
    with zipfile.ZipFile(ROOT / "indexes" / "scenes" / "scenes.zip") as file:
        Image.open(io.BytesIO(file.read("gallery/0007.webp"))).save(path)
    return str(path)


@pytest.mark.slow
def test_commands_that_read_what_ships(installation, picture):
    """In one process: each of its own would import the same again. The script itself runs in the tests below."""
    search = ["search", "--gallery", "scenes"]
    by_words, by_picture = [*search, "--text", "a red boat", "-k", "5"], [*search, "--image", picture, "-k", "3"]
    content, words, pictures = installation.evaluate(f"COMMANDS = {[['list'], by_words, by_picture]}{IN_ONE_PROCESS}")
    built = {(one["gallery"], one["encoder"]): one for one in content["built"]}
    assert {what: one["vectors"] for what, one in built.items()} == {
        ("tiny-imagenet", "bundled"): 100_000,
        ("scenes", "bundled"): 2_000,
    }
    assert all(Path(one["folder"]).is_relative_to(installation.packages) for one in built.values())
    assert [one["name"] for one in content["encoders"] if one["here"]] == ["bundled"]
    assert [hit["rank"] for hit in words["hits"]] == [1, 2, 3, 4, 5]
    assert all("boat" in hit["class_name"] for hit in words["hits"])
    assert pictures["hits"][0]["row"] == 7 and pictures["hits"][0]["score"] == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_a_picture_is_embedded_without_torch(core):
    code = """
import json, sys
from PIL import Image
from searchdemo.encoders.table import load
encoder = load("bundled")
rows = encoder.encode_images([Image.new("RGB", (300, 200), "teal")] * 3)
large = [name for name in ("torch", "torchvision", "timm") if name in sys.modules]
print(json.dumps([encoder.how.runtime, rows.shape, large]))"""
    assert core.evaluate(code) == ["openvino", [3, 128], []]


@pytest.mark.slow
def test_what_needs_an_extra_says_which(core):
    done = core.command("build", "--gallery", "scenes", "--encoder", "resnet18")
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "'torch', which is not installed" in sentence and 'pip install "searchdemo[encoders]"' in sentence


@pytest.mark.slow
def test_the_cards_that_ship_are_chosen_from(core):
    (chosen,) = core.run("bench", "--want", "recall>=0.95,ms<=1,mb<=60")["chosen"]
    assert chosen["recall_10"] >= 0.95 and chosen["size_bytes"] <= 60e6 and chosen["snippet"]


@pytest.mark.slow
def test_what_is_built_goes_into_the_home(core):
    before = core.files()
    core.run("build", "--gallery", "scenes", "--index", "hnsw")
    hits = core.run("search", "--gallery", "scenes", "--text", "a red boat", "--index", "hnsw")["hits"]
    assert len(hits) == 10
    assert [path.name for path in core.home.rglob("*.faiss")] == ["hnsw.faiss"]
    assert core.files() == before and not [*core.empty.iterdir()]


@pytest.mark.slow
def test_the_page_answers(installation):
    port = free_port()
    command = [str(installation.python.with_name("searchdemo")), "app", "--port", str(port), "--gallery", "scenes"]
    said = installation.home / "page.txt"
    with said.open("w") as output:
        page = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **installation.options
        )
    try:
        give_up = time.monotonic() + PATIENCE_S
        while not answers(port):
            assert page.poll() is None and time.monotonic() < give_up, said.read_text()
            time.sleep(0.1)
        demo = Client(f"http://127.0.0.1:{port}", verbose=False, download_files=False)
        found = demo.predict("a red boat", "scenes", "bundled", "ivf", 5, api_name="/search_by_text")
        assert all("boat" in hit["class_name"] for hit in found["hits"])
        assert "Traceback" not in said.read_text()
        assert not [file for file in installation.files() if file.suffix == ".pyi"]  # gradio would write them
    finally:
        stop(page)
