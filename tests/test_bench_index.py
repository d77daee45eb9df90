"""index: seconds and bytes before the first query; a fresh process tells what is resident."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from searchdemo.bench import resident
from searchdemo.bench.points import quality
from searchdemo.bench.resident import loading
from searchdemo.bench.suite import index
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, synthetic
from searchdemo.collection.store import Key
from searchdemo.errors import SearchDemoError
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import INDEXES, find
from searchdemo.measure import cards as run_card

STEPS = [f"{step}_s" for step in ("train", "add", "save", "load", "mapped_load")]


@pytest.fixture
def bench(world, monkeypatch, hasty) -> Bench:
    # --quick takes every other
    monkeypatch.setattr(index, "MS", (4, 8, 16))
    monkeypatch.setattr(index, "TREES", (2, 4, 8))
    some = [find(name) for name in ("flat", "sq8")] + [from_factory("IVF4,Flat", "ivf")]
    monkeypatch.setattr(index, "families", lambda n, dim: iter(some))
    bench = Bench(world.library(), Key("colours", "mean-colour"), quick=True)
    bench._workload = synthetic(1000, 20, 16)
    return bench


def test_families_are_the_table_and_relatives_of_it():
    entries = list(index.families(100_000, 128))
    ours = {name for name, entry in INDEXES.items() if entry.library == "faiss"}
    assert {entry.name for entry in entries} > ours
    factories = [entry.factory(100_000, 128) for entry in entries]
    assert len(set(factories)) == len(factories) > len(ours)


def test_rows_tables_and_charts(bench, tmp_path):
    card = measure("index", bench)
    build = {row["index"]: row for row in card.parts["build"]}
    assert list(build) == ["flat", "sq8", "IVF4,Flat"]
    for row in build.values():
        assert all(row[step] >= 0 for step in STEPS)
        assert row["disk_bytes"] == row["bytes_per_vector"] * 1000
    assert 64 <= build["flat"]["bytes_per_vector"] < 65  # 16 dimensions of 4 bytes, and a header
    assert 16 <= build["sq8"]["bytes_per_vector"] < 17.2
    assert 72 <= build["IVF4,Flat"]["bytes_per_vector"] < 75  # an id of 8 bytes each
    few, many = card.parts["hnsw_m"]
    assert (few["m"], many["m"]) == (4, 16)
    assert many["size_bytes"] - few["size_bytes"] > 90_000  # level 0 has 2 M links of 4 bytes; M 4 has more levels
    assert few["recall_10"] <= many["recall_10"] > 0.95

    efforts = {(row["m"], row["k"], row["ef_search"]): row for row in card.parts["hnsw_efforts"]}
    assert len(efforts) == 2 * len(index.EFFORTS)
    assert efforts[16, 1000, 16]["recall"] < 0.5 < 0.9 < efforts[16, 1000, 1000]["recall"]
    assert efforts[4, 10, 64]["recall"] == pytest.approx(few["recall_10"]) and efforts[4, 10, 16]["load_s"] > 0

    stored = run_card.load(run_card.save(card, tmp_path))
    names = [table.name for table in index.tables([stored])]
    assert names[:2] == ["index-mean-colour", "index-hnsw-mean-colour"]
    assert len(index.tables([stored])[0].cells()) == 3
    pytest.importorskip("matplotlib", reason="plots are drawn with requirements-bench.txt")
    assert set(index.charts([stored])) == {"index", "index-growth"}


def test_a_library_that_fills_up_is_asked_for_no_more_than_there_is():
    work = synthetic(3, 5, 16)
    found = quality(lambda queries, k: np.pad(work.exact(3)[:, :k], ((0, 0), (0, max(0, k - 3)))), work, 10)
    assert found["recall_10"] == 1


def test_annoy_grows_with_its_trees(bench, monkeypatch):
    pytest.importorskip("annoy", reason="requirements-bench.txt is not installed")
    monkeypatch.setattr(index, "ANNOY_KS", (10, 100, 10_000))
    made = [index.annoy_rows(trees, bench.workload()) for trees in (2, 8)]
    (few, _), (many, _) = (rows["annoy_trees"] for rows in made)
    results = made[0]["annoy_results"]
    assert [(row["k"], row["search_k"]) for row in results] == [(10, 20), (100, 200)] and results[0]["load_s"] > 0
    assert (few["trees"], many["trees"]) == (2, 8)
    assert (few["search_k"], many["search_k"]) == (20, 80)
    assert few["size_bytes"] < many["size_bytes"] and few["recall_10"] < many["recall_10"]


def test_forests_are_compared_at_equal_effort_too(bench, monkeypatch):
    """With an effort that grows with the trees, a table shows the effort."""
    pytest.importorskip("annoy", reason="requirements-bench.txt is not installed")
    monkeypatch.setattr(index, "SEARCH_K", 100)
    monkeypatch.setattr(index, "families", lambda n, dim: iter([]))
    card = measure("index", bench)
    assert [(row["trees"], row["search_k"]) for row in card.parts["annoy_trees"]] == [
        *[(2, 20), (2, 100)],
        *[(8, 80), (8, 100)],
    ]
    recall = {(row["trees"], row["search_k"]): row["recall_10"] for row in card.parts["annoy_trees"]}
    assert recall[2, 20] < recall[2, 100]  # the same trees: what differs is the effort
    rows = annoy_table(card).rows
    assert [row["search_k"] for row in rows] == [20, 80, 100, 100]
    for row in card.parts["annoy_trees"]:
        del row["search_k"]  # as older cards are
    assert {row["search_k"] for row in annoy_table(card).rows} == {20, 80}


def test_full_goes_on_to_many_links(bench, monkeypatch):
    monkeypatch.setattr(index, "families", lambda n, dim: iter([]))
    monkeypatch.setattr(index, "FULL_MS", (24,))
    monkeypatch.setattr(index, "TREES", ())
    bench.options["full"] = True
    assert [row["m"] for row in measure("index", bench).parts["hnsw_m"]] == [4, 16, 24]


def annoy_table(card):
    return next(table for table in index.tables([card]) if table.name.startswith("index-annoy-mean"))


def test_without_annoy_and_with_too_few_vectors_the_rest_goes_on(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "annoy", None)
    monkeypatch.delitem(sys.modules, "searchdemo.indexes.annoy_index", raising=False)
    monkeypatch.setattr(index, "families", lambda n, dim: iter([from_factory("IVF4096,Flat", "ivf")]))
    card = measure("index", bench)
    missing, short = sorted(card.notes, key=lambda note: "annoy" not in note)
    assert missing.startswith("annoy: The index 'annoy' needs") and missing.endswith("run `pip install annoy`.")
    assert "Number of training points (1000)" in short
    assert card.parts["build"] == card.parts["annoy_trees"] == [] and len(card.parts["hnsw_m"]) == 2
    assert [table.name for table in index.tables([card])] == [
        "index-hnsw-mean-colour",
        "index-hnsw-efforts-mean-colour",
    ]
    pytest.importorskip("matplotlib", reason="plots are drawn with requirements-bench.txt")
    assert len(index.charts([card])["index-growth"].axes) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems tell the peak only")
def test_what_is_resident_is_what_was_loaded(tmp_path):
    """An inverted file of 40 MB: whole it is resident at once; mapped only where a query looked."""
    vectors = np.random.default_rng(0).standard_normal((40_000, 256), dtype=np.float32)
    factory, path = "IVF64,Flat", tmp_path / "index.faiss"
    find(f"faiss:{factory}").build(vectors).save(path)
    whole, mapped = (loading(path, factory, vectors[:1], way) for way in (False, True))
    assert 38e6 < whole["loaded_bytes"] < 60e6 and whole["loaded_bytes"] <= whole["resident_bytes"] < 65e6
    assert mapped["loaded_bytes"] < 10e6 and mapped["resident_bytes"] < 30e6
    assert whole["load_s"] > 0 and mapped["load_s"] > 0


def test_where_the_system_does_not_tell_what_is_resident(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(resident, "STATM", tmp_path / "missing")
    pytest.importorskip("resource")
    assert resident.resident_bytes() > 1e7  # the peak
    monkeypatch.setitem(sys.modules, "resource", None)
    assert resident.resident_bytes() is None and resident.grown(None) is None
    unknown = {"load_s": 0.1, "loaded_bytes": None, "resident_bytes": None}
    monkeypatch.setattr(index, "loading", lambda *args: unknown)
    card = measure("index", bench)
    assert "resident bytes: this system does not tell them to Python" in card.notes
    assert index.tables([card])[0].cells()[0][-2:] == ["–", "–"]


def test_a_file_that_cannot_be_loaded_says_why(tmp_path):
    path = tmp_path / "broken.faiss"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(SearchDemoError, match=r"broken\.faiss in a process of its own failed: .*FAISS cannot read"):
        loading(path, "Flat", np.ones((1, 4), np.float32), mapped=False)
