"""The benchmark of Milvus without a server: what is left out, what there is no time for, and what is said of it."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

from searchdemo.bench.said.table import all_said
from searchdemo.bench.suite import milvus as beside
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, NotHere, NotInstalled
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
    budget = beside.Budget(30)
    assert budget.refused("milvus", "FAISS", 100_000) == ""  # nothing tells how long it takes
    with budget.spent("milvus", "FAISS", 100_000):
        now[0] += 50
    turns, left = beside.ROUNDS * beside.ROUND_S, 30 * 60 - 50
    now[0] += left - 500 - turns
    assert budget.refused("milvus", "FAISS", 1_000_000) == "" == budget.refused("milvus", "Milvus Lite", 1_000_000)
    now[0] += 1
    said = budget.refused("milvus", "FAISS", 1_000_000)
    assert said.startswith(
        f"left out: over 100,000 it took 50 s, so here about {500 + turns:.0f} s, and of the 30 minutes"
    )
    assert said.endswith("of a run 539 s are left; --minutes gives it more")


def three_places(monkeypatch, faults: dict[str, Exception]):
    """Three contestants that are all FAISS, with `faults` in the build of the first kind by these libraries."""
    find, building = beside.find, iter([beside.FAISS, beside.LITE, beside.SERVER])
    monkeypatch.setattr(beside, "LIKE", {"flat": "flat", "ivf": "ivf"})

    def failing(name):
        if error := faults.get(next(building, "")):
            raise error
        return find(name)

    monkeypatch.setattr(beside, "find", failing)
    return dict.fromkeys((beside.FAISS, beside.LITE, beside.SERVER), ("", ""))


def compare(world, there, kind: str, notes: list[str]) -> list[dict]:
    bench = Bench(world.built(), Key("colours", "mean-colour"), quick=True)
    work = bench.workload()
    return beside.compared(bench, work, kind, there, None, beside.Budget(30), notes)


def test_one_that_fails_in_its_build_or_in_the_turns_costs_the_others_nothing(world, monkeypatch):
    pytest.importorskip("pymilvus")
    notes: list[str] = []
    there = three_places(monkeypatch, {beside.SERVER: MemoryError("no room")})
    taking = beside.Contestant.round

    def round_of(racer, queries, most):
        ask, asked = taking(racer, queries, most), []

        def once():
            asked.append(racer)
            if racer.library == beside.LITE and len(asked) == 2:
                raise NotHere("it did not answer")
            return ask()

        return once

    monkeypatch.setattr(beside.Contestant, "round", round_of)
    (row,) = compare(world, there, "flat", notes)
    assert row["library"] == "FAISS" and row["of_faiss"] == 1 and row["recall_10"] == 1 and row["repeats"] == 20
    assert notes == [
        "flat by Milvus server over 300 vectors: MemoryError: no room",
        "flat by Milvus Lite over 300 vectors: it did not answer",
    ]


def test_without_faiss_the_others_have_their_times(world, monkeypatch):
    pytest.importorskip("pymilvus")
    notes: list[str] = []
    rows = compare(world, three_places(monkeypatch, {beside.FAISS: RuntimeError("C++")}), "flat", notes)
    assert [row["library"] for row in rows] == ["Milvus Lite", "Milvus server"]
    assert all(row["p50_ms"] > 0 and "of_faiss" not in row for row in rows)
    assert notes == ["flat by FAISS over 300 vectors: RuntimeError: C++"]


def test_some_kinds_have_a_card_of_their_own_and_a_run_the_time_that_it_is_given(world, monkeypatch):
    pytest.importorskip("pymilvus")

    there = three_places(monkeypatch, {})
    monkeypatch.setattr(beside, "places", lambda notes: contextlib.nullcontext((there, None)))
    asked = {"library": world.built(), "key": Key("colours", "mean-colour"), "quick": True}
    whole = measure("milvus", Bench(**asked))
    few = measure("milvus", Bench(**asked, indexes=("ivf",), options={"minutes": 7}))
    assert whole.settings["minutes"] == 30 and whole.variant == {} and len(whole.parts["milvus"]) == 6
    assert few.settings["minutes"] == 7 and few.variant == {"asked": "ivf"} and few.path != whole.path


def test_a_server_that_does_not_start_is_a_sentence_and_leaves_no_process(tmp_path, monkeypatch):
    carried = pytest.importorskip("milvus")
    from searchdemo.bench.milvus_server import MilvusServer

    started = []

    def start(self):
        self.server_proc = subprocess.Popen(["sleep", "600"])
        started.append(self.server_proc)
        raise TimeoutError("not within 180 s")

    monkeypatch.setattr(carried.MilvusServer, "start", start)
    with pytest.raises(NotHere, match=r"did not start \(not within 180 s\): `milvus-server --data DIR`"):
        MilvusServer(tmp_path)
    assert started[0].poll() is not None


def test_sentences_about_it_are_true_of_the_rows():
    row = {"kind": "milvus", "vectors": 10, "recall_10": 0.99, "of_faiss": 1.0, "p50_ms": 0.1, "library": "FAISS"}
    rows = [row, row | {"library": "Milvus Lite", "recall_10": 0.985, "of_faiss": 800.0, "p50_ms": 80.0}]
    rows += [row | {"library": "Milvus server", "recall_10": 0.992, "of_faiss": 90.0, "p50_ms": 9.0}]
    said = all_said([RunCard("milvus", "scenes", "bundled", {"milvus": rows}, {}, {})])["milvus"]
    assert "at most 0.007 between" in said and "800 times as long by Milvus Lite (80.0 ms) and 90.0 times" in said
    assert "milvus" not in all_said([RunCard("milvus", "scenes", "bundled", {"milvus": rows[:1]}, {}, {})])
