"""The benchmark `hold` in a very small form: what it counts, never how long it took."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import replace
from urllib.parse import urlsplit

import page_server
import pytest

from searchdemo.bench.hold import load, memory, mutations, pages
from searchdemo.bench.hold.outcome import QUICK
from searchdemo.bench.suite import hold
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.store import Key
from searchdemo.errors import UnknownName

FEW = {load.TEXT: 2, load.PICTURE: 1, load.CLICK: 1, load.BRUTE: 1, load.RACE: 1, load.BUILD: 1}


class PageHere:
    """The page of the other tests, which this process serves."""

    def __init__(self, log: list):
        self.port, self._log, self._resident = urlsplit(page_server.page_url()).port, log, iter((50e6, 57e6))

    def resident_bytes(self) -> int:
        return next(self._resident)

    def cpu_seconds(self) -> float:
        return time.process_time()

    def ended(self) -> bool:
        return False

    def traces(self) -> int:
        return sum(record.exc_info is not None for record in self._log)


TINY = replace(QUICK, alone_s=0.4, together_s=2.0, few=8, many=16, wrong=60, mutated=20)
NEED_THE_PAGE = ("load", "memory", "arguments", "mutations")  # test_bench_hold_parts.py runs the others


@pytest.fixture(scope="module")
def card():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield measured(monkeypatch)


def measured(monkeypatch):
    log: list = []
    handler = logging.Handler()
    handler.emit = log.append
    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers, handler])
    monkeypatch.setattr(pages, "served", lambda bench: contextlib.nullcontext(PageHere(log)))
    monkeypatch.setattr(hold, "QUICK", TINY)
    monkeypatch.setattr(load, "MIX", FEW)
    return measure("hold", bench(NEED_THE_PAGE))


def bench(parts: tuple[str, ...]) -> Bench:
    return Bench(page_server.library(), Key("scenes", "bundled"), quick=True, options={"parts": parts})


def test_no_error_no_trace_and_each_kind_is_answered(card):
    counted = [held.cells()[:3] for held in card.requirements if held.bound == 0]
    alone = [f"errors of one alone, {when}, {kind}" for when in ("before", "after") for kind in ("text", "picture")]
    names = [
        *alone[:2],
        "errors of 7 together, text, picture, click, brute, race, build",
        *alone[2:],
        "errors of 16 calls without a pause",
        next(name for _, name, _ in counted if name.endswith("wrong requests, those without a sentence")),
        "of 20 mutated pictures and texts, those without an answer or a sentence",
        "stack traces in the log of the page",
        "pages that ended by themselves",
    ]
    assert [name for _, name, _ in counted] == names
    assert {(held, measured.split()[0]) for held, _, measured in counted} == {("holds", "0")}
    rows = {(row["visitors"], row["kind"]): row for row in card.parts["visitors"]}
    assert rows.keys() == {
        *((f"one alone, {when}", kind) for when in ("before", "after") for kind in ("text", "picture")),
        *(("7 together", kind) for kind in FEW),
    }
    assert all(row["asked"] for row in rows.values()) and rows["one alone, after", "picture"]["cpu_ms"] > 0


def test_the_ratios_are_those_of_all_answers_and_memory_is_what_the_page_had(card):
    held = {one.name: one for one in card.requirements}
    rows = {(row["visitors"], row["kind"]): row for row in card.parts["visitors"]}
    for name, kind, bound in (("texts", "text", 4), ("pictures", "picture", 6)):
        ratio = held[f"{name}: p95 of 7 mixed visitors for 2 s, by the p50 of one alone"]
        alone = [rows[f"one alone, {when}", kind]["p50_ms"] for when in ("before", "after")]
        assert ratio.bound == bound
        p95 = rows["7 together", kind]["p95_ms"]
        assert p95 / max(alone) <= ratio.measured <= p95 / min(alone)
    assert held["memory of the page after 16 calls above that after 8"].measured == pytest.approx(7)
    assert [table.name for table in hold.tables([card])] == ["hold-visitors"]
    assert card.path.parent.name == "bundled-partload-memory-arguments-mutations"


def test_a_part_that_ends_before_its_time_is_told_and_the_others_run(monkeypatch):
    monkeypatch.setattr(pages, "served", lambda bench: contextlib.nullcontext(PageHere([])))
    monkeypatch.setattr(pages, "ready", lambda page, asked: None)
    monkeypatch.setattr(memory, "called", lambda *given: 1 / 0)
    monkeypatch.setattr(mutations, "attacked", lambda *given: (7, ["x: no sentence"] * 5))
    card = measure("hold", bench(("mutations", "memory")))
    assert [held.cells()[:3] for held in card.requirements] == [
        ("FAILS", "memory to its end", "1 failures"),
        ("FAILS", "of 7 mutated pictures and texts, those without an answer or a sentence", "5 requests"),
        ("holds", "stack traces in the log of the page", "0 traces"),
        ("holds", "pages that ended by themselves", "0 pages"),
    ]
    assert card.notes == [
        "memory to its end: ZeroDivisionError: division by zero",
        "of 7 mutated pictures and texts, those without an answer or a sentence: x: no sentence",
    ]


def test_a_part_has_to_have_a_name_that_there_is():
    with pytest.raises(UnknownName, match=r"no part of hold 'lod'.*load"):
        measure("hold", bench(("lod",)))
