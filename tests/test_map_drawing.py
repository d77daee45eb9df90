"""The map of one's own pictures is drawn from the page: who may, how far it is, and how it ends early."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import page_server
import pytest

from searchdemo.bench.hold.client import API, Visitor
from searchdemo.collection.collection import Collection
from searchdemo.collection.progress import Progress
from searchdemo.ui.map import tab
from searchdemo.ui.page import building_html


class Listening(Visitor):
    def heard(self, component: str, event: str, *values: object) -> str:
        """All that the page tells while it works on an event, as it comes over the wire."""
        self.post("/queue/join", self._event(component, event, values))
        return self.request("GET", f"{API}/queue/data?session_hash={self.session}")[1].decode()


@pytest.fixture
def visitor():
    with page_server.visits(Listening) as visit:
        yield visit


def test_whoever_is_not_at_this_machine_draws_nothing(visitor):
    (said,) = visitor(**{"X-Forwarded-For": "192.0.2.7"}).queued("map-line", "draw", "scenes", "bundled")
    assert "is drawn at the machine that serves this page alone" in said


def test_what_is_drawn_already_is_not_drawn_again(visitor, monkeypatch):
    monkeypatch.setattr(tab, "build_map", None)
    assert 'data-then="built"' in visitor().queued("map-line", "draw", "scenes", "bundled")[0]


def test_it_can_be_cancelled_and_offers_to_begin_again(visitor, monkeypatch):
    begun, ended = threading.Event(), threading.Event()

    def drawing(collection, report):
        try:
            while True:
                report(Progress("drawing the map", 10, 750, 1.0))
        finally:
            ended.set()

    def told(what, seconds, done, total):
        if done:
            begun.set()  # and what the visitor reads says so
        return building_html(what, seconds, done, total)

    monkeypatch.setattr(Collection, "map", lambda self: None)
    monkeypatch.setattr(tab, "build_map", drawing)
    monkeypatch.setattr("searchdemo.ui.page.building_html", told)
    monkeypatch.setattr("searchdemo.ui.waiting.TICK_S", 0.01)
    one = visitor()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(one.heard, "map-line", "draw", "scenes", "bundled")
        assert begun.wait(60)
        visitor(one.session).press("map-line", "stop")
        assert ended.wait(60)
        said = answer.result()
    assert said.index("Building the map once") < said.index("The drawing of the map was cancelled.")
    assert said.index("was cancelled") < said.index("Draw the map of 2,000 pictures") and "10 of 750" in said
