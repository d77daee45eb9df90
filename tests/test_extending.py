"""CONTRIBUTING.md shows how to add each kind of thing; its code is taken from the page, put into its file, and used."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from searchdemo import cli
from searchdemo.bench.table import BENCHMARKS
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key, Store
from searchdemo.encoders.stand_in import write_stand_in
from searchdemo.encoders.table import ENCODERS
from searchdemo.galleries.table import GALLERIES
from searchdemo.indexes.table import INDEXES

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
TABLES = {"encoders": ENCODERS, "galleries": GALLERIES, "indexes": INDEXES}


class Chapter:
    """The Python of one chapter, in the files that its first lines name."""

    def __init__(self, title: str):
        text = re.search(rf"^### {title}: .*?$(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]
        blocks = re.findall(r"```python\n# (an entry in )?searchdemo/(\S+)\n(.*?)```", text, re.DOTALL)
        self.entries = {path: code for entry, path, code in blocks if entry}
        self.files = {path: code for entry, path, code in blocks if not entry}

    def add(self, tmp_path: Path, monkeypatch) -> None:
        """New files become modules of their packages, entries stand in their tables, until the test ends."""
        for path, code in self.files.items():
            package = importlib.import_module("searchdemo." + ".".join(Path(path).parent.parts))
            folder = tmp_path / "added" / Path(path).parent
            folder.mkdir(parents=True, exist_ok=True)
            (folder / Path(path).name).write_text(code)
            monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
            name = f"{package.__name__}.{Path(path).stem}"
            monkeypatch.setitem(sys.modules, name, None)  # so that it is forgotten at the end ...
            del sys.modules[name]  # ... and found by its file now
        for path, code in self.entries.items():
            module = importlib.import_module("searchdemo." + ".".join(Path(path).with_suffix("").parts))
            entry = eval(code, vars(module))
            monkeypatch.setitem(TABLES[Path(path).parts[0]], entry.name, entry)


@pytest.fixture
def added(tmp_path, monkeypatch):
    def add(title: str) -> Chapter:
        chapter = Chapter(title)
        chapter.add(tmp_path, monkeypatch)
        return chapter

    return add


@pytest.fixture
def greys(added, tmp_path):
    """The toy gallery, embedded by the toy encoder. The weights are any file."""
    added("A gallery"), added("A family of encoders")
    (tmp_path / "weights").write_bytes(b"none")
    store = Store(own=tmp_path / "own", shipped=tmp_path / "nothing-ships")
    library = Library(store, weights={"mean-colour": tmp_path / "weights"})
    library.build(Key("greys", "mean-colour"))
    return library.open("greys", "mean-colour")


TOUCHED = {  # the files that a newcomer writes or changes, as docs/architecture.md counts them
    "An encoder of a known family": 1,
    "A family of encoders": 2,
    "A gallery": 2,
    "A library of indexes": 2,
    "A tab": 2,
    "A benchmark": 2,
}


@pytest.mark.parametrize("title", TOUCHED)
def test_the_page_counts_its_files(title):
    chapter = Chapter(title)
    said = int(re.search(rf"^### {title}: (\d) file", PAGE, re.MULTILINE)[1])
    tables = len(chapter.entries) or 1  # TABS and BENCHMARKS: a name in a tuple, a dict
    assert said == len(chapter.files) + tables == TOUCHED[title]


def test_an_encoder_of_a_known_family(added, tmp_path, capsys):
    added("An encoder of a known family")
    assert cli.main(["list", "--json"]) == 0
    listed = {encoder["name"]: encoder for encoder in json.loads(capsys.readouterr().out)["encoders"]}
    assert listed["resnet10t"]["dim"] == 512 and not listed["resnet10t"]["here"]
    weights = write_stand_in("resnet10t", tmp_path / "resnet10t.safetensors")
    library = Library(Store(own=tmp_path / "own"), weights={"resnet10t": weights})
    library.build(Key("scenes", "resnet10t", limit=10))
    hits = library.open("scenes", "resnet10t").search(Query(row=hit_row(library)), "flat", 3).hits
    assert len(hits) == 3
    network = library.encoder("resnet10t").images.module()
    assert sum(parameter.numel() for parameter in network.parameters()) <= ENCODERS["resnet10t"].parameters


def hit_row(library: Library) -> int:
    return int(library.open("scenes", "resnet10t").gallery_rows(np.array([4]))[0])


def test_a_gallery_and_a_family_of_encoders(greys):
    hits = greys.search(Query(held_out=1), "flat", 3).hits  # shade 53
    assert {hit.row for hit in hits} == {52, 53, 54} and hits[0].class_name == "dark"
    assert greys.gallery.source == "made when they are asked for"
    assert greys.evaluate("flat", (1,)).accuracies[0].top1 == 100


def test_a_library_of_indexes(added, greys, tmp_path, capsys):
    added("A library of indexes")
    found = greys.search(Query(held_out=1), "first-axis", 3, search_k=20).hits
    assert [hit.row for hit in found] == [hit.row for hit in greys.search(Query(held_out=1), "brute", 3).hits]
    assert greys.search(Query(held_out=1), "first-axis", 10, search_k=2).notice.startswith("only 4 of 10")
    assert cli.main(["list"]) == 0 and "sorted by one number" in capsys.readouterr().out
    arguments = ["knn", "--gallery", "greys", "--encoder", "mean-colour", "--index", "first-axis", "-k", "1"]
    arguments += ["--weights", str(tmp_path / "weights"), "--out-dir", str(tmp_path / "own")]
    assert cli.main([*arguments, "--search-k", "30", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["top1"] == 100


def test_a_benchmark(added, greys, tmp_path, capsys, monkeypatch):
    added("A benchmark")
    monkeypatch.setitem(BENCHMARKS, "norms", importlib.import_module("searchdemo.bench.suite.norms"))
    arguments = ["bench", "norms", "--gallery", "greys", "--encoder", "mean-colour", "--cards", str(tmp_path / "cards")]
    arguments += ["--weights", str(tmp_path / "weights"), "--out-dir", str(tmp_path / "own")]
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    assert re.search(r"shortest +longest\n +1\.000 +1\.000", out) and "Run card: " in out


def test_a_tab(added, monkeypatch, tmp_path):
    added("A tab")
    from searchdemo.ui import demo

    tab = importlib.import_module("searchdemo.ui.tab_facts")
    monkeypatch.setattr(demo, "TABS", (*demo.TABS, tab))
    monkeypatch.setattr(demo.threading, "Thread", lambda **options: type("Unstarted", (), {"start": print}))
    blocks = demo.build_demo(Library(Store(own=tmp_path)), "scenes")
    assert "Facts" in [block.label for block in blocks.blocks.values() if type(block).__name__ == "Tab"]
    (handler,) = [each.fn for each in blocks.fns.values() if getattr(each.fn, "__name__", "") == "count"]
    assert handler("scenes", "bundled", "flat", 5) == "<p>2,000 vectors</p>"
