"""Many visitors at once on the running page: who waits for whom, and who is refused. Work is counted, not timed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import page_server
import pytest

from searchdemo.bench.hold.client import Refused, Visitor
from searchdemo.bench.hold.load import drawn
from searchdemo.indexes.numpy_index import Brute
from searchdemo.ui import api
from searchdemo.ui.serving import limits
from searchdemo.ui.serving.blocks import GIVE_WAY_S
from searchdemo.ui.serving.turns import TURNS

PATIENCE_S = 60
WHERE = {"gallery": "scenes", "encoder": "bundled", "k": 4}
RACE = WHERE | {"indexes": ["flat"], "repeats": 1}


@pytest.fixture(scope="module")
def port() -> int:
    return urlsplit(page_server.page_url()).port


class Crowd:
    """Visitors who call at the same time; some of them are made to wait inside their call."""

    def __init__(self, port: int):
        self.port, self.go_on, self.inside, self.most = port, threading.Event(), 0, 0
        self.answers: list[object] = []
        self._lock, self._threads = threading.Lock(), list[threading.Thread]()

    def held(self, work: Callable) -> Callable:
        """As `work`, but it waits, and how many are in it at a time is counted."""

        def holding(*given, **named):
            with self._lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            self.go_on.wait(PATIENCE_S)
            with self._lock:
                self.inside -= 1
            return work(*given, **named)

        return holding

    def call(self, count: int, name: str, **given: object) -> None:
        def ask() -> None:
            visitor = Visitor(self.port)
            try:
                self.answers.append(visitor.call(name, **given))
            except Refused as error:
                self.answers.append(error)
            finally:
                visitor.close()

        self._threads += [threading.Thread(target=ask) for _ in range(count)]
        for thread in self._threads[-count:]:
            thread.start()

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(PATIENCE_S * 200):
            if condition():
                return
            threading.Event().wait(0.005)
        raise AssertionError(f"{self.inside} are inside, answers: {self.answers}")

    def end(self) -> None:
        self.go_on.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)


@pytest.fixture
def crowd(port):
    crowd = Crowd(port)
    yield crowd
    crowd.end()


def answered(port: int) -> None:
    """A text and a picture are, whatever else waits."""
    visitor = Visitor(port)
    (said,) = visitor.call("search_by_text", text="red", index="ivf", **WHERE)
    (file,) = visitor.upload(("a.jpg", drawn(0xFF0000, 32)))
    (seen,) = visitor.call("search_by_image", image=file, index="ivf", **WHERE)
    visitor.close()
    assert len(said["hits"]) == len(seen["hits"]) == 4


def test_twenty_scans_of_all_vectors_leave_a_core_to_texts_and_pictures(crowd, port, monkeypatch):
    answered(port)
    monkeypatch.setattr(Brute, "_search", crowd.held(Brute._search))
    crowd.call(20, "search_by_text", text="blue", index="brute", **WHERE)
    crowd.until(lambda: len(TURNS._waiting) == 20 - crowd.inside and crowd.inside)
    answered(port)
    assert crowd.answers == []  # the scans wait still
    crowd.end()
    assert len(crowd.answers) == 20 and not any(isinstance(each, Refused) for each in crowd.answers)
    assert crowd.most == TURNS._free_for_slow


def test_texts_are_answered_though_no_further_race_is_taken(crowd, port, monkeypatch):
    limit = limits.Limit(limits.LIMITS[limits.RACE].at_once, 6, 64, "races")
    monkeypatch.setitem(limits.LIMITS, limits.RACE, limit)
    monkeypatch.setattr(api, "run", crowd.held(api.run))
    crowd.call(limit.at_once + limit.waiting + 8, "compare_latency", **RACE)
    crowd.until(lambda: len(crowd.answers) >= 8)
    answered(port)
    crowd.end()
    refused = [str(each) for each in crowd.answers if isinstance(each, Refused)]
    assert refused and all("races wait already, the most that may: try again" in each for each in refused)
    assert len(crowd.answers) - len(refused) >= limit.waiting


def test_no_race_waits_for_the_end_of_another(crowd, monkeypatch):
    """Eight are under way at a time, and take turns."""
    monkeypatch.setattr(api, "run", crowd.held(api.run))
    crowd.call(8, "compare_latency", **RACE)
    crowd.until(lambda: crowd.inside == limits.LIMITS[limits.RACE].at_once == 8)


def test_no_thread_keeps_the_interpreter_for_five_milliseconds(port):
    assert sys.getswitchinterval() == pytest.approx(GIVE_WAY_S) and GIVE_WAY_S <= 0.001
