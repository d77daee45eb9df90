"""Who may import whom, read from the source, and that heavy libraries wait for their first use."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "searchdemo").rglob("*.py"))

# Each room, and the rooms below it that it may look into besides its own.
BELOW = {
    "root": set(),
    "tools": {"root"},
    "encoders": {"root", "tools"},
    "galleries": {"root", "tools"},
    "indexes": {"root", "tools"},
}
BELOW["metadata"] = {"root", "tools", "galleries"}
BELOW["collection"] = {*BELOW}
BELOW["measure"] = {*BELOW}
BELOW["audit"] = {*BELOW}
BELOW["bench"] = {*BELOW}
BELOW["ui"] = {*BELOW}
BELOW["cli"] = {*BELOW}
ROOM = {
    "__version__": "root",
    **dict.fromkeys(("types", "errors", "table", "assets", "extras", "processor", "told", "guard"), "root"),
    **dict.fromkeys(
        (
            *("pictures", "formats", "raw", "video", "jpeg", "tones", "facts", "exif", "cache", "hub", "files"),
            "shipped",
            *("decoding", "scratch"),
            *("threads", "temporary"),
        ),
        "tools",
    ),
    "__main__": "cli",
}
HOME = {  # library -> the only places that may import it
    "gradio": {"ui"},
    "faiss": {"indexes"},
    "torch": {
        "encoders",
        "indexes/bf16_index.py",
        "bench/linear_head.py",
        "bench/metric_head.py",
        "bench/suite/embed.py",
    },
    "timm": {"encoders"},
    "open_clip": {"encoders"},
    "openvino": {"encoders"},
    "onnxruntime": {"encoders/runtime/onnx_runtime.py"},
    "datasets": {"galleries", "bench/suite/embed.py"},  # the second measures the recipe that people copy
    "matplotlib": {"bench"},
    "sklearn": {"bench", "indexes/sklearn_index.py"},
    **{name: {f"indexes/{name}_index.py"} for name in ("hnswlib", "usearch", "annoy", "nmslib", "scann")},
    "py3langid": {"encoders/languages.py"},
    "ray": {"collection/ray_workers.py"},
    "tokenizers": {"encoders/tokenizer_file.py"},
    "pymilvus": {f"indexes/milvus_{part}.py" for part in ("client", "index", "rows")},
}
HEAVY = [
    "torch",
    "openvino",
    "onnxruntime",
    "timm",
    "open_clip",
    "datasets",
    "faiss",
    "pandas",
    "gradio",
    "matplotlib",
    "huggingface_hub",
    "ray",
]


@functools.cache
def imports(path: Path) -> list[str]:
    """Full names of all that a file imports, on top or inside functions. Read once: each file has two tests."""
    package, names = path.relative_to(ROOT).parts[:-1], []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


def room(module: str) -> str:
    """ "searchdemo.indexes.table.find" -> "indexes"."""
    first = [*module.split("."), ""][1]
    return ROOM.get(first, first)


def test_reading_imports(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "searchdemo" / "ui" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text("import os.path as p\nfrom a.b import c, d\ndef f():\n  from .page import e\n  from .. import g\n")
    assert imports(path) == ["os.path", "a.b.c", "a.b.d", "searchdemo.ui.page.e", "searchdemo.g"]
    assert room("searchdemo.indexes.table.find") == "indexes" and room("searchdemo.__main__") == "cli"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "searchdemo")))
def test_imports_point_down_and_libraries_stay_in_their_rooms(path):
    inside = path.relative_to(ROOT / "searchdemo")
    if inside == Path("__init__.py"):  # the public face hands out classes of other rooms, imported on first use
        assert not [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        return
    own = room(".".join(("searchdemo", *inside.with_suffix("").parts)))
    assert own in BELOW, f"{inside}: say in this test which rooms it may look into"
    for name in imports(path):
        library = name.split(".")[0]
        if library in HOME:
            assert {inside.parts[0], inside.as_posix()} & HOME[library], f"{inside} imports {name}"
        assert library not in ("training", "tests"), f"{inside} imports {name}"
        if library == "searchdemo":
            assert room(name) == own or room(name) in BELOW[own], f"{inside} imports {name}"


def test_the_command_line_and_the_page_do_not_import_each_other():
    for path in SOURCES:
        inside = path.relative_to(ROOT / "searchdemo").parts[0]
        for name in imports(path):
            if inside == "ui":
                assert not name.startswith("searchdemo.cli"), f"{path} imports {name}"


@pytest.mark.parametrize(
    "module",
    [
        "searchdemo",
        "searchdemo.collection.library",
        "searchdemo.collection.jobs",
        "searchdemo.measure.race",
        "searchdemo.bench.table",
        "searchdemo.collection.classify",
    ],
)
def test_heavy_libraries_wait_for_their_first_use(module):
    code = f"import sys, {module}; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_reaches_no_network():
    code = (
        "import socket; socket.socket.connect = socket.getaddrinfo = lambda *args, **options: 1 / 0\n"
        "import searchdemo.collection.library, searchdemo.collection.jobs, searchdemo.measure.race\n"
        "import searchdemo.encoders.table, searchdemo.indexes.table, searchdemo.galleries.table"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_files_are_small():
    long = {str(path.relative_to(ROOT)): n for path in SOURCES if (n := len(path.read_text().splitlines())) > 400}
    assert not long


def test_homes_are_expanded_in_one_place():
    """pathlib raises for the home of an unknown user, and files.expanded does not."""
    assert [path.name for path in SOURCES if "expanduser(" in path.read_text()] == ["files.py"]


def test_only_library_open_takes_a_gallery_and_an_encoder_by_name():
    """After it the Collection travels. Below the page and the command line no other function gets the pair of names."""
    found = []
    for path in SOURCES:
        inside = path.relative_to(ROOT / "searchdemo")
        if inside.parts[0] in ("ui", "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                arguments = node.args
                names = [a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
                pair = [any(kind in name for name in names) for kind in ("gallery", "encoder")]
                if all(pair):
                    annotated = [ast.unparse(a.annotation) if a.annotation else "str" for a in arguments.args]
                    if annotated.count("str") >= 2:
                        found.append(f"{inside}: {getattr(node, 'name', 'lambda')}")
    assert found == ["collection/library.py: open"]
