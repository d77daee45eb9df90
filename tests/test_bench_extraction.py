"""Extraction raced over the runtimes: who takes part, what a row says, which requirement is held."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from searchdemo.bench import extraction
from searchdemo.bench.suite import latency
from searchdemo.bench.workload import Bench
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key
from searchdemo.encoders.base import How
from searchdemo.encoders.runtime.table import RuntimeSpec
from searchdemo.encoders.table import weights_path
from searchdemo.measure.cards import RunCard

OURS, TODAY = How("cpu", "openvino", "bfloat16"), How("cpu", "torch", "bfloat16")


def test_who_takes_part(monkeypatch):
    fast = {"openvino": "bfloat16", "torch": "float32", "onnxruntime": "float32"}
    monkeypatch.setattr(extraction, "is_installed", lambda name: name != "onnxruntime")
    monkeypatch.setattr(RuntimeSpec, "imported", lambda spec: SimpleNamespace(fastest=lambda device: fast[spec.name]))
    found = extraction.contestants(How("cpu", "torch", "float32"))
    assert [(how.runtime, how.precision) for how in found] == [
        ("torch", "float32"),
        ("openvino", "bfloat16"),
        ("openvino", "float32"),
    ]
    lite = extraction.contestants(How("cpu", "openvino", "bfloat16"), eight_bits="usual")
    assert [how.precision for how in lite if how.runtime == "openvino"] == ["bfloat16", "int8", "float32"]
    gpu = extraction.contestants(How("cuda:0", "torch", "bfloat16"))
    assert {how.runtime for how in gpu} == {"torch"} and {how.device for how in gpu} == {"cuda:0"}


@pytest.fixture
def raced(world, monkeypatch) -> tuple[list[dict], list]:
    """`mean-colour` by a runtime that is said to be three times as fast as today's."""
    ours, today = type(world.encoder)(), type(world.encoder)()
    ours.how, today.how = OURS, TODAY
    world.encoder = ours
    monkeypatch.setattr(extraction, "ways_of", lambda bench, encoder: [OURS, TODAY])
    monkeypatch.setattr(extraction, "loaded", lambda bench, how: today)
    monkeypatch.setattr(extraction, "starting", lambda bench, how: {"start_s": 0.5, "resident_bytes": 9_000_000})
    monkeypatch.setattr(extraction, "TEXT", "red")
    monkeypatch.setattr(extraction, "p50_ms", lambda call, quick: call() is not None and times[_of(call)])
    monkeypatch.setitem(extraction.FASTER, "mean-colour", 2.5)
    times = {id(ours): 4.0, id(today): 12.0}

    def _of(call) -> int:
        return id(call.args[0]) if call.func is extraction.embedded else id(call.func.__self__)

    bench = Bench(world.ready(), Key("colours", "mean-colour"), threads=(1, 2), quick=True)
    return extraction.race(bench)


def test_a_row_for_each_runtime_and_number_of_threads(raced):
    rows, held = raced
    assert [(row["precision"], row["threads"]) for row in rows] == [
        (str(how), threads) for threads in (1, 2) for how in (OURS, TODAY)
    ]
    assert [row["of_today"] for row in rows] == [3, 1, 3, 1]
    assert rows[0]["one_p50_ms"] == 4 and rows[0]["batched_ms"] == 4 / 16 and rows[0]["per_second"] == 4000
    assert [row["start_s"] for row in rows] == [0.5, None, 0.5, None]  # a quick run starts the chosen one
    assert rows[0]["one_text_ms"] == 4 and rows[0]["stand_in"]
    ((name, measured, bound),) = [(each.name, each.measured, each.bound) for each in held]
    assert name == "one picture by mean-colour, one thread: against torch in bfloat16"
    assert (measured, bound) == (3, 2.5)


def test_the_table_names_each_runtime(raced):
    rows, _ = raced
    parts, subject = {"extraction": rows, "search": []}, {"vectors": 1, "dim": 8}
    table = latency.tables([RunCard("latency", "colours", "mean-colour", parts, subject, {})])[0]
    assert table.name == "latency-extraction"
    assert [cells[2] for cells in table.cells()] == [row["precision"] for row in rows]


@pytest.mark.skipif(not weights_path("bundled"), reason="the weights are not made yet: python -m training")
def test_starting_is_measured_in_another_process(store):
    name = "bundled"  # which imports no torch
    bench = Bench(Library(store, device="cpu", weights={name: weights_path(name)}), Key("scenes", name))
    found = extraction.starting(bench, How("cpu", "openvino", "float32"))
    assert found["start_s"] > 0 and found["resident_bytes"] > 10e6 and json.dumps(found)


def test_as_many_calls_as_there_is_time_for(monkeypatch):
    monkeypatch.setattr(extraction, "SECONDS", 0.0)
    calls = []
    assert extraction.p50_ms(lambda: calls.append(1), quick=False) >= 0
    assert len(calls) == 3 + 3  # two to warm up, one that tells how many more, and 3 at least
