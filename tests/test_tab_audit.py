"""The Audit tab without a browser: what is shown of an audit, and one audit at a time that can be cancelled."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import page_server
import pytest

from searchdemo.audit.audit import audit
from searchdemo.collection.progress import Progress
from searchdemo.errors import BadQuery, Cancelled
from searchdemo.ui import waiting
from searchdemo.ui.audit import auditing, tab
from searchdemo.ui.audit.auditing import Auditing, Run
from searchdemo.ui.audit.view import LABELS, choices, shown, summary
from searchdemo.ui.demo import build_demo
from tests.conftest import ColourPictures

COLOURS = np.array([(200, 10, 10)] * 2 + [(10, 200, 10)], np.uint8)


@pytest.fixture
def collection(world):
    """Rows 0 and 1 are one picture under two labels; the held-out query is a copy of row 2."""
    world.change(pictures=ColourPictures(COLOURS, [0, 2, 1]), queries=ColourPictures(COLOURS[2:], [1]))
    return world.ready().open("colours", "mean-colour")


def test_what_is_shown_of_each_kind(collection):
    found = audit(collection)
    offered = dict(choices(found))
    assert offered["Exact copies (1)"] == "within exact" and offered["Queries in the gallery (1)"] == "leak exact"
    assert offered["Doubtful labels (0)"] == LABELS
    now = shown(found, "within exact")
    assert [(tile.caption, tile.mark) for tile in now.tiles] == [("1 · reddish", "better"), ("1 · bluish", "")]
    name = collection.gallery.name
    assert [tile.of for tile in now.tiles] == [{"gallery": name, "row": row} for row in (0, 1)]
    assert "1 pile, 1 under several labels" in now.said
    assert "4 x 4 PNG" in now.tiles[0].explained
    leak = shown(found, "leak exact")
    assert [tile.of for tile in leak.tiles] == [{"gallery": name, "picture": 0}, {"gallery": name, "row": 2}]
    assert leak.tiles[0].caption == "1 · query, greenish"
    assert shown(found, "within near").tiles == [] and shown(found, LABELS).said.startswith("None")
    assert "3 pictures and 1 held-out queries" in summary(found) and "1 spare copy could go" in summary(found)


def test_without_queries_there_is_no_choice_of_leaks(collection):
    found = replace(audit(collection), queries=0)
    assert [value for _, value in choices(found)] == ["within exact", "within near", "within scene", LABELS]


def test_one_audit_at_a_time_and_it_can_be_cancelled(collection, monkeypatch):
    monkeypatch.setattr(waiting, "TICK_S", 0.01)
    reading, go_on = threading.Event(), threading.Event()

    def slow(collection, report):
        report(Progress("reading", 1, 3, 1))
        reading.set()
        go_on.wait(60)
        report(Progress("reading", 2, 3, 1))
        return audit(collection)

    monkeypatch.setattr(auditing, "audit", slow)
    audits = Auditing()
    run = audits.start(collection)
    with pytest.raises(BadQuery, match=r"The audit of colours × mean-colour goes on\. A second audit would slow it"):
        audits.start(collection)
    assert reading.wait(60)  # cancelled before it reads, it would tell so
    audits.cancel()
    go_on.set()
    with pytest.raises(Cancelled, match="was cancelled while reading"):
        list(run.watch())
    assert audits.running() is None and audits.found(collection) is None
    assert list(audits.start(collection).watch())
    found = audits.found(collection)
    assert found is not None and found.pictures == 3
    assert audits.found(replace(collection, gallery=replace(collection.gallery, fingerprint="other"))) is None


def test_the_progress_of_an_audit_does_not_take_the_place_of_why_no_second_one_starts(collection, monkeypatch):
    monkeypatch.setattr(waiting, "TICK_S", 0.01)
    monkeypatch.setattr(tab, "AUDITING", audits := Auditing())
    audits._run = run = Run("colours × mean-colour")
    blocks, on_page = build_demo(page_server.library(), "scenes"), {}
    of_the_tab = {one.name: one for one in blocks.fns.values() if one.fn and one.fn.__module__ == tab.__name__}
    pressed, watched = of_the_tab["run"], of_the_tab["watch"]

    def show(values: tuple) -> str:
        """All that the tab says then."""
        for output, value in zip(pressed.outputs, values, strict=True):
            if isinstance(value, str):
                on_page[output.elem_id] = value
        return "".join(on_page.values())

    watching = watched.fn()
    assert "A second audit" not in show(next(watching))
    for values in pressed.fn("scenes", "bundled", "flat", 4):
        show(values)
    for _ in range(2):
        said = show(next(watching))
        assert "A second audit would slow it" in said and "Auditing colours × mean-colour: opening" in said
    run.done.set_result(audit(collection))
    assert [show(values) for values in watching][-1] == ""
    assert pressed.trigger_mode == "multiple"  # a click during the page's own audit is refused, not dropped
