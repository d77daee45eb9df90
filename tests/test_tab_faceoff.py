"""The Face-off tab without a browser: its HTML, marks that come over the wire, and where they are kept."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from searchdemo.collection.classify import Classification, Guess
from searchdemo.errors import BadQuery
from searchdemo.measure.faceoff.accuracy import Accuracies, Named
from searchdemo.measure.faceoff.compared import Column, FaceOff
from searchdemo.measure.faceoff.judged import Judged
from searchdemo.types import Hit, SearchResult, Timing
from searchdemo.ui.faceoff import sheets
from searchdemo.ui.faceoff.sheets import Kept
from searchdemo.ui.faceoff.tab import marked_rows
from searchdemo.ui.faceoff.view import accuracy_html, classes_html, columns_html, figures_html, said_of
from searchdemo.ui.serving import permits

PLANTED = "<img src=x onerror=alert(1)>"
TIMING = Timing(1, 2, 3, 4)
GUESS = Guess("n1", PLANTED, 0.7)


def column(name: str, rows: tuple[int, ...], classes: Classification | None = None) -> Column:
    hits = tuple(Hit(rank, row, "n1", PLANTED, 0.9, picture=None) for rank, row in enumerate(rows, 1))
    return Column(name, SearchResult(hits, TIMING, PLANTED), "", 10, classes=classes)


def found() -> FaceOff:
    classes = Classification((GUESS,), SearchResult((), TIMING), (), (GUESS,), PLANTED, (), (GUESS,))
    columns = (column("a", (1, 2), classes), column("b", (2, 3)), Column("c", said=f"c cannot: {PLANTED}"))
    return FaceOff("g", "f", 2, "brute", columns, {"text": PLANTED}, (PLANTED,))


def test_columns_escape_mark_and_tell_what_they_share():
    html = columns_html(found(), right=[2], identity=found().judged(()).identity)
    assert PLANTED not in html and html.count('aria-pressed="true"') == 3  # row 2 in both columns and their fusion
    assert "also found by b" in html and "2 of 2" in html and "All together" in html
    assert "number 2 of a, number 1 of b" in html and "c cannot" in html
    said = " ".join(said_of(found(), "", shortened=True))
    assert "1 of the first 2 stand in all 2 columns" in said and "At most 2 pictures" in said


def test_classes_in_three_ways():
    html = classes_html(found(), truth=PLANTED)
    assert PLANTED not in html and html.count("✓") == 3 and "By both" in html
    assert classes_html(FaceOff("g", "f", 2, "brute", (column("b", (1,)),), {}), "") == ""


def test_figures_and_the_first_words():
    judged = [Judged({"text": "x"}, {PLANTED: (1, 2), "b": (2, 3)}, (1, 2), k=2)]
    html = figures_html(judged, 2)
    assert PLANTED not in html and "100 %" in html and "2/2" in html and "Of 1 judged query" in html
    assert "Click the pictures that are right" in figures_html([], 2)


def test_accuracy_over_all_held_out_pictures_is_escaped_and_bounded_elsewhere(monkeypatch):
    rows, right = np.arange(4), np.array([True, True, True, False])
    named = (Named(PLANTED, "both", rows, right), Named("b", "neighbours", rows, ~right))
    html = accuracy_html(PLANTED, Accuracies(5, named, (PLANTED,)))
    assert PLANTED not in html and html.count("&lt;img src=x onerror") >= 4 and "75 %" in html and "3/4" in html
    many = type("Many", (), {"queries": range(10_000), "__len__": lambda self: 150_000})
    side = SimpleNamespace(collection=many())
    for home in (True, False):
        monkeypatch.setattr(permits, "at_home", lambda page, home=home: home)
        permits.check_accuracy(None, [side])
        with contextlib.nullcontext() if home else pytest.raises(BadQuery, match="choose fewer encoders"):
            permits.check_accuracy(None, [side, side])


@pytest.mark.parametrize("wrong", [None, 3, ["1"], [True], [7], [1.0]])
def test_marks_are_of_pictures_that_are_shown(wrong):
    shown = Judged({}, {"a": (1, 2)}, (), k=2)
    assert marked_rows([2, 1, 2], shown) == (2, 1)
    with pytest.raises(BadQuery, match=r"no list of rows|There is no picture"):
        marked_rows(wrong, shown)


def test_a_visitor_from_elsewhere_writes_nothing(world, monkeypatch, tmp_path):
    library = world.library()
    page = SimpleNamespace(library=library, key=lambda gallery, encoder: sheets.Key(gallery, encoder))
    one = Judged({"text": "x"}, {"a": (1, 2)}, (1,), k=2)
    monkeypatch.setattr(sheets, "at_home", lambda page: False)
    judged, kept_there = Kept(page, "colours", None).put(one, one.identity, 2)
    assert (
        judged == [one] == Kept(page, "colours", kept_there).judged() and Kept(page, "other", kept_there).judged() == []
    )
    assert Kept(page, "colours", kept_there).put(None, one.identity, 2)[0] == []
    assert Kept(page, "colours", kept_there).forget() == {} and not library.store.own.exists()
    monkeypatch.setattr(sheets, "at_home", lambda page: True)
    home = Kept(page, "colours", None)
    home.put(one, one.identity, 2)
    assert Kept(page, "colours", None).judged() == [one] and home.root == library.store.own / "cards"
    home.put(None, one.identity, 2)
    assert home.judged() == [] and not list(home.root.rglob("*.json"))
    home.put(one, one.identity, 2)
    assert home.forget() == {} and home.judged() == []
