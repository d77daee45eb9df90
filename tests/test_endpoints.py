"""Every endpoint of the running page, public and private, with arguments that are wrong: a sentence, and no work."""

from __future__ import annotations

import logging
import threading
from urllib.parse import urlsplit

import page_server
import pytest

from searchdemo.bench.hold import arguments
from searchdemo.bench.hold.client import Refused, Visitor
from searchdemo.collection.store import Key
from searchdemo.ui.serving import limits, permits
from searchdemo.ui.tradeoffs import tab
from searchdemo.ui.tradeoffs.measuring import PLANS, Run

TRIES = 500
WORKING = ("build", "measure", "audit")  # names of threads that work on after the answer


@pytest.fixture(scope="module")
def port() -> int:
    return urlsplit(page_server.page_url()).port


@pytest.fixture
def visitor(port):
    visitor = Visitor(port)
    yield visitor
    visitor.close()


def test_nonsense_gets_sentences_no_trace_and_starts_nothing(port, caplog, capfd):
    with caplog.at_level(logging.ERROR):
        found = arguments.attack(port, TRIES, seed=0)
    assert found.unforeseen == [] and found.silent == []
    assert found.asked > TRIES + 200
    assert [record.getMessage() for record in caplog.records] == []
    assert "Traceback" not in capfd.readouterr().err
    working = [thread.name for thread in threading.enumerate() if thread.name.startswith(WORKING)]
    assert working == []


GOOD = {"text": "red", "gallery": "scenes", "encoder": "bundled", "index": "flat", "k": 4, "where": ""}
PICTURE = {"image": None} | {name: GOOD[name] for name in ("gallery", "encoder", "index", "k", "where")}
RACE = {"gallery": "scenes", "encoder": "bundled", "indexes": ["flat"], "k": 4, "repeats": 1}
HUGE = 10**30


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"text": 12}, "text = 12 is not a text"),
        ({"text": None}, "text = None is not a text"),
        ({"gallery": ["scenes"]}, r"gallery = list \['scenes'\] is not a text"),
        ({"k": 1.5}, "k = 1.5 is not a whole number"),
        ({"k": True}, "k = True is not a whole number"),
        ({"k": "12"}, "k = '12' is not a whole number"),
        ({"k": float("nan")}, "k = nan is not a whole number"),
        ({"k": HUGE}, f"k = {HUGE} is out of bounds: choose a number nearer to 0"),
        ({"k": None}, "k is empty: give a whole number"),
        ({"where": 7}, "where = 7 is not a text"),
    ],
)
def test_each_sentence_names_the_argument_the_value_and_what_is_allowed(visitor, wrong, sentence):
    with pytest.raises(Refused, match=sentence):
        visitor.call("search_by_text", **GOOD | wrong)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"image": "x.png"}, "image = 'x.png' is no file: upload one"),
        ({"image": {"path": "/etc/hostname"}}, "is no file: upload one"),  # gradio would hand it to us unchecked
        ({"image": {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}}, "Only files that were uploaded"),
        ({"k": 1.5}, "k = 1.5 is not a whole number"),
        ({"k": True}, "k = True is not a whole number"),
        ({}, "There is no picture to search with"),
    ],
)
def test_endpoints_of_pictures_are_checked_in_the_same_way(visitor, wrong, sentence):
    with pytest.raises(Refused, match=sentence):
        visitor.call("search_by_image", **PICTURE | wrong)


@pytest.mark.parametrize("count", [0, 4, 20])
def test_too_few_and_too_many_arguments_are_counted(visitor, count):
    with pytest.raises(Refused, match=f"search_by_text takes . arguments: text, gallery, .*; {count} came"):
        visitor.call_with("search_by_text", *[*GOOD.values(), *[7] * 20][:count])


def test_searches_past_the_limits_of_their_kind_are_refused_in_a_sentence(visitor, monkeypatch):
    visitor.call("search_by_text", **GOOD)
    monkeypatch.setitem(limits.LIMITS, limits.TEXT, limits.Limit(1, 0, 0, "searches by text"))
    with pytest.raises(Refused, match="searches by text"):
        visitor.call("search_by_text", **GOOD)
    assert len(visitor.call("compare_latency", **RACE)) == 1  # another kind goes on


def far_away(port: int, address: str = "203.0.113.7") -> Visitor:
    """As a proxy passes a visitor on."""
    return Visitor(port, {"X-Forwarded-For": address})


def test_what_is_built_is_not_built_again_by_any_button(port, visitor):
    for asked in (visitor, far_away(port)):
        for button in ("build-whole", "build-part"):
            with pytest.raises(Refused, match="'scenes' by 'bundled' is built already: there is nothing to build"):
                asked.press(button, "click", "scenes", "bundled")
    with pytest.raises(Refused, match="All pictures of 'scenes' are here"):
        visitor.queued("get-pictures", "click", "scenes", "bundled")


def test_a_visitor_from_elsewhere_builds_measures_and_audits_within_bounds(port, monkeypatch):
    monkeypatch.setattr(permits, "MOST_PICTURES", 100)
    visitor = far_away(port)
    with pytest.raises(Refused, match="Here a visitor builds at most 100 pictures, not all of 'scenes'"):
        visitor.press("build-whole", "click", "scenes", "clip-vit-b32")  # which no test builds
    said = visitor.queued("tradeoffs-measure", "click", "indexes full", "scenes", "bundled")
    assert "Here a visitor measures quickly" in said[0]
    said = visitor.queued("audit-go", "click", "scenes", "bundled", "flat", 4)
    assert "Here a visitor audits at most 100 pictures, not 2,000" in said[0]


def test_only_who_started_a_run_ends_it_or_the_person_at_the_machine(port, visitor, monkeypatch):
    run = Run(Key("scenes", "bundled"), PLANS["indexes quick"], by="203.0.113.7")
    monkeypatch.setattr(tab.MEASURING, "_run", run)
    with pytest.raises(Refused, match="Another visitor started this measurement"):
        far_away(port, "203.0.113.8").press("tradeoffs-cancel", "click")
    assert not run.cancelled.is_set()
    far_away(port).press("tradeoffs-cancel", "click")
    assert run.cancelled.is_set()
    run.cancelled.clear()
    visitor.press("tradeoffs-cancel", "click")
    assert run.cancelled.is_set()
