"""The page's opening: its example comes once, and never in the place of what the visitor has asked for meanwhile."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import page_server
import pytest

from searchdemo.bench.hold.client import Visitor
from searchdemo.ui import link
from searchdemo.ui.asked import Asked


class Opening(Visitor):
    """A visitor whose browser asks what the page is to show first."""

    def open(self) -> str | None:
        """The line that says what the page searches with; None where it is to stay as it is."""
        config = json.loads(self.request("GET", "/config")[1])
        strip = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "query")
        (event,) = (
            one
            for one in config["dependencies"]
            if one["backend_fn"] and strip in one["outputs"] and any(name == "load" for _, name in one["targets"])
        )
        asked = {"data": [], "session_hash": self.session, "fn_index": event["id"]}
        said = self.post("/run/predict", asked)["data"][event["outputs"].index(strip)]
        return None if isinstance(said, dict) else said  # an update of nothing


@pytest.fixture
def visitors():
    with page_server.visits(Opening) as visit:
        yield visit


def test_the_example_comes_once_for_each_opening_of_the_page(visitors):
    one, other = visitors(), visitors()
    assert "held-out picture" in one.open()
    assert one.open() is None  # gradio told twice that the page was loaded
    assert "held-out picture" in other.open()


def test_an_example_that_comes_late_is_dropped_where_words_were_typed_meanwhile(visitors, monkeypatch):
    found, let, whole = threading.Event(), threading.Event(), link.linked_query

    def late(*given):
        example = whole(*given)
        found.set()
        assert let.wait(60)
        return example

    monkeypatch.setattr(link, "linked_query", late)
    one = visitors()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(one.open)
        try:
            assert found.wait(60)
            (_, _, strip, *_) = visitors(one.session).press("words", "submit", "blue & white")
        finally:
            let.set()
        assert "blue &amp; white" in strip and opening.result() is None


def test_sessions_are_told_apart(monkeypatch):
    asked, sessions = Asked(), iter("aabcc")
    monkeypatch.setattr("searchdemo.ui.asked.session", lambda: next(sessions))
    assert [asked.first() for _ in range(3)] == [True, False, True]
    assert asked.by(lambda value: value)(7) == 7 and not asked.first()
