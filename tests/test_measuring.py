"""Measuring from the page: one run at a time, what it tells, how it is cancelled, and the cards that it keeps."""

from __future__ import annotations

import re
import threading

import page_server
import pytest
from tradeoff_card import tradeoff_card

from searchdemo import assets
from searchdemo.bench import table
from searchdemo.collection.progress import Progress
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, Cancelled, NotBuilt, UnknownName
from searchdemo.measure import cards as run_card
from searchdemo.ui import waiting
from searchdemo.ui.tradeoffs import cards as tradeoff_cards
from searchdemo.ui.tradeoffs.measuring import Measuring, finished


@pytest.fixture(autouse=True)
def roots(tmp_path, monkeypatch):
    """(own, shipped): empty ones."""
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "CARDS", tmp_path / "shipped")
    return run_card.own_cards(), assets.CARDS


@pytest.fixture
def library():
    return page_server.library()


SCENES = Key("scenes", "bundled")


class Slow:
    """Stands for the benchmarks: tells of points, and waits after each for leave to go on."""

    def __init__(self, monkeypatch):
        self.go_on, self.asked = threading.Semaphore(0), []
        monkeypatch.setattr(table, "measure", self.measure)
        monkeypatch.setattr(waiting, "TICK_S", 0.01)

    def measure(self, name, bench):
        self.asked.append((name, bench.key.gallery, bench.key.encoder, bench.quick))
        for point in range(3):
            bench.report(Progress("hnsw: HNSW32", point, 3, 0.5))
            assert self.go_on.acquire(timeout=100)
        return tradeoff_card("scenes", settings={"quick": bench.quick, "threads": [1]}, seconds=61.0)


def test_measuring_tells_how_far_it_is_and_keeps_the_card(library, monkeypatch):
    slow, measuring = Slow(monkeypatch), Measuring()
    run = measuring.start(library, SCENES, "indexes quick")
    steps = run.watch()
    told = next(text for text in steps if "HNSW32" in text)
    assert re.fullmatch(
        r"Measuring scenes × bundled, quick: hnsw: HNSW32, 1 of 3, about 0:06 left, 0:\d\d so far", told
    )
    with pytest.raises(
        BadQuery, match=r"The measurement of scenes × bundled, quick goes on\. A second run would slow it"
    ):
        measuring.start(library, SCENES, "indexes full")
    slow.go_on.release(3)
    list(steps)
    assert slow.asked == [("tradeoff", "scenes", "bundled", True)] and measuring.running() is None
    assert [entry.label.partition(" · ")[0] for entry in tradeoff_cards.listed()] == ["scenes × bundled (quick run)"]
    assert finished(run, run.done.result()) == (
        "Measured scenes × bundled, quick: 5 settings on 10,000 vectors of 48 dimensions, Some CPU, 2 cores, in 1:01."
    )


def test_a_full_run_and_a_quick_one_are_kept_beside_each_other(library, monkeypatch):
    slow, measuring = Slow(monkeypatch), Measuring()
    for plan in ("indexes full", "indexes quick"):
        slow.go_on.release(3)
        list(measuring.start(library, SCENES, plan).watch())
    assert sorted(entry.card.quick for entry in tradeoff_cards.listed()) == [False, True]
    assert [quick for *_, quick in slow.asked] == [False, True]


def test_a_cancelled_run_ends_at_the_next_point_and_keeps_nothing(library, monkeypatch):
    slow, measuring = Slow(monkeypatch), Measuring()
    measuring.cancel()  # nothing goes on, and the next run is not cancelled
    run = measuring.start(library, SCENES, "indexes full")
    steps = run.watch()
    next(text for text in steps if "1 of 3" in text)
    measuring.cancel()
    assert "it stops after this point" in str(run)
    slow.go_on.release(1)  # the point that was being measured
    with pytest.raises(Cancelled, match="Cancelled at hnsw: HNSW32, 1 of 3"):
        list(steps)
    assert tradeoff_cards.listed() == []
    slow.go_on.release(3)
    list(measuring.start(library, SCENES, "indexes quick").watch())  # the next may start


def test_a_run_that_fails_says_why_and_the_next_may_start(library, monkeypatch):
    def measure(name, bench):
        raise BadQuery(f"no {name}")

    monkeypatch.setattr(table, "measure", measure)
    measuring = Measuring()
    for _ in range(2):
        with pytest.raises(BadQuery, match=r"^no tradeoff$"):
            list(measuring.start(library, SCENES, "indexes quick").watch())
    with pytest.raises(BadQuery, match=r"^latency: no latency classnames: no classnames knn: no knn$"):
        list(measuring.start(library, SCENES, "encoder quick").watch())


def test_of_several_benchmarks_one_that_fails_is_told_and_the_others_are_kept(library, monkeypatch):
    def measure(name, bench):
        if name == "knn":
            raise BadQuery("too few")
        return tradeoff_card("scenes", benchmark=name, parts={})

    monkeypatch.setattr(table, "measure", measure)
    run = Measuring().start(library, SCENES, "encoder full")
    list(run.watch())
    said = finished(run, run.done.result())
    assert "latency, classnames on 10,000 vectors" in said and said.endswith("knn: too few")


def test_what_is_not_built_or_not_offered_is_not_measured(library):
    with pytest.raises(NotBuilt, match="resnet18"):
        Measuring().start(library, Key("scenes", "resnet18"), "indexes quick")
    with pytest.raises(UnknownName, match="measurement 'all'"):
        Measuring().start(library, SCENES, "all")
