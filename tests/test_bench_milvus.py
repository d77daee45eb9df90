"""The benchmark of Milvus without a server: what is left out, what there is no time for, and what is said of it."""

from __future__ import annotations

import os

import pytest

from searchdemo.bench.said.table import all_said
from searchdemo.bench.suite import milvus as beside
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, NotInstalled
from searchdemo.measure.cards import RunCard


def test_the_benchmark_goes_on_without_a_server_and_says_so(world, monkeypatch):
    pytest.importorskip("milvus_lite")

    def none(folder):
        raise NotInstalled("not here")

    monkeypatch.delenv("SEARCHDEMO_MILVUS", raising=False)
    monkeypatch.setattr(beside, "MilvusServer", none)
    library, key = world.built(), Key("colours", "mean-colour")
    card = measure("milvus", Bench(library, key, quick=True, indexes=("milvus-flat",)))
    assert [row["library"] for row in card.parts["milvus"]] == ["FAISS", "Milvus Lite"]
    assert "Milvus server: not here" in card.notes and "SEARCHDEMO_MILVUS" not in os.environ
    with pytest.raises(BadQuery, match="--index hnsw names no kind of Milvus: choose from milvus-flat, "):
        measure("milvus", Bench(library, key, quick=True, indexes=("hnsw",)))


def test_what_would_take_too_long_over_more_vectors_is_left_out(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(beside.time, "perf_counter", lambda: now[0])
    budget = beside.Budget()
    assert budget.refused("milvus", "FAISS", 100_000) == ""  # nothing tells how long it takes
    with budget.spent("milvus", "FAISS", 100_000):
        now[0] += 50
    turns, left = beside.ROUNDS * beside.ROUND_S, beside.WITHIN_S - 50
    now[0] += left - 500 - turns
    assert budget.refused("milvus", "FAISS", 1_000_000) == "" == budget.refused("milvus", "Milvus Lite", 1_000_000)
    now[0] += 1
    said = budget.refused("milvus", "FAISS", 1_000_000)
    assert said.startswith(f"left out: over 100,000 it took 50 s, so here about {500 + turns:.0f} s, and of the 1800 s")
    assert "--index milvus measures it alone" in said


def test_sentences_about_it_are_true_of_the_rows():
    row = {"kind": "milvus", "vectors": 10, "recall_10": 0.99, "of_faiss": 1.0, "p50_ms": 0.1, "library": "FAISS"}
    rows = [row, row | {"library": "Milvus Lite", "recall_10": 0.985, "of_faiss": 800.0, "p50_ms": 80.0}]
    rows += [row | {"library": "Milvus server", "recall_10": 0.992, "of_faiss": 90.0, "p50_ms": 9.0}]
    said = all_said([RunCard("milvus", "scenes", "bundled", {"milvus": rows}, {}, {})])["milvus"]
    assert "at most 0.007 between" in said and "800 times as long by Milvus Lite (80.0 ms) and 90.0 times" in said
    assert "milvus" not in all_said([RunCard("milvus", "scenes", "bundled", {"milvus": rows[:1]}, {}, {})])
