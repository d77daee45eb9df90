"""The benchmark `hold` in a very small form: what it counts, never how long it took."""

from __future__ import annotations

import contextlib
import logging
from urllib.parse import urlsplit

import page_server
import pytest

from searchdemo.bench.hold import load
from searchdemo.bench.suite import hold
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.store import Key

FEW = {load.TEXT: 2, load.PICTURE: 1, load.CLICK: 1, load.BRUTE: 1, load.RACE: 1, load.BUILD: 1}


class PageHere:
    """The page of the other tests, which this process serves."""

    def __init__(self, log: list):
        self.port, self._log, self._resident = urlsplit(page_server.page_url()).port, log, iter((50e6, 57e6))

    def resident_bytes(self) -> int:
        return next(self._resident)

    def traces(self) -> int:
        return sum(record.exc_info is not None for record in self._log)


class Tiny:
    alone_s, together_s, few, many, wrong, scale = 0.6, 2.0, 8, 16, 60, 0.002


@pytest.fixture(scope="module")
def card():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield measured(monkeypatch)


def measured(monkeypatch):
    log: list = []
    handler = logging.Handler()
    handler.emit = log.append
    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers, handler])
    monkeypatch.setattr(hold, "served", lambda bench: contextlib.nullcontext(PageHere(log)))
    monkeypatch.setattr(hold, "Size", lambda quick: Tiny)
    monkeypatch.setattr(load, "MIX", FEW)
    for name in ("flipped bits", "kills"):  # which test_bench_hold_parts.py runs
        monkeypatch.delitem(hold.STEPS, name)
    return measure("hold", Bench(page_server.library(), Key("scenes", "bundled"), quick=True))


def test_no_error_no_trace_and_each_kind_is_answered(card):
    counted = {held.name: held.measured for held in card.requirements if held.unit in ("errors", "traces", "requests")}
    assert counted == {
        "errors of 7 mixed visitors in 2 s": 0,
        "errors of 16 calls without a pause": 0,
        next(name for name in counted if name.startswith("of ")): 0,
        "20 mutated pictures and texts": 0,
        "stack traces in the log of the page": 0,
    }
    assert card.notes == []
    rows = {(row["visitors"], row["kind"]): row["asked"] for row in card.parts["visitors"]}
    assert rows.keys() == {*(("alone", kind) for kind in load.ALONE), *(("together", kind) for kind in FEW)}
    assert all(rows.values())


def test_the_ratios_and_the_memory_are_those_of_the_rows(card):
    held = {one.name: one for one in card.requirements}
    rows = {(row["visitors"], row["kind"]): row for row in card.parts["visitors"]}
    name = "p95 of 7 mixed visitors for 2 s against p50 alone: texts"
    assert held[name].measured == rows["together", "text"]["p95_ms"] / rows["alone", "text"]["p50_ms"]
    assert held[name].bound == 4
    assert held["memory of the page after 16 calls above that after 8"].measured == pytest.approx(7)
    assert [table.name for table in hold.tables([card])] == ["hold-visitors"]
