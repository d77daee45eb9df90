"""What the Classify tab shows of a classification."""

from __future__ import annotations

from dataclasses import replace

import pytest

from searchdemo.collection.classify import Classification, Guess, training_note
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery
from searchdemo.galleries.table import GALLERIES
from searchdemo.types import Hit, SearchResult, Timing
from searchdemo.ui.tab_classify import PLAIN, WEIGHTED, bars_html, checked, shared_tiles, verdict_html

HITS = (
    Hit(1, 7, "n1", "tench", 0.9, picture=b"jpeg"),
    Hit(2, 3, "n2", "cat & dog", 0.8),
    Hit(3, 9, "n1", "tench", 0.7),
)
FOUND = Classification(
    (Guess("n1", "tench", 0.7), Guess("n2", "cat & dog", 0.3)),
    SearchResult(HITS, Timing(1, 2, 3, 4)),
    (0.45678, 0.3, 0.24322),
    (Guess("n2", "cat & dog", 0.9),),
)


@pytest.mark.parametrize(
    ("truth", "mark", "other"), [("tench", "right", "wrong"), ("cat & dog", "wrong", "right"), ("", "", "right")]
)
def test_the_verdict_says_right_or_wrong_where_the_truth_is_known(truth, mark, other):
    html = verdict_html(FOUND, truth, ["only 3 of 20 were found"])
    assert "<b>tench</b> with 70.0 % of the vote" in html and "only 3 of 20 were found" in html
    assert mark in html and f'"{other}"' not in html
    assert ("truth" in html) == bool(truth)
    assert "cat & dog" not in html  # escaped


def test_no_neighbour_at_all_is_said():
    nothing = Classification((), SearchResult((), Timing(0, 0, 0, 0)), (), ())
    assert "no neighbour found" in verdict_html(nothing, "", [])
    assert shared_tiles(nothing) == []


def test_the_truth_is_marked_in_both_answers():
    html = bars_html(FOUND, "cat & dog")
    assert html.count("✓") == 2 and html.count("tench") == 1
    assert "vote of 3 neighbours" in html
    without_text = Classification(FOUND.guesses, FOUND.neighbors, FOUND.shares, (), "clip <b>reads</b> no words")
    html = bars_html(without_text, "tench")
    assert "By class names" not in html and "clip &lt;b&gt;reads&lt;/b&gt; no words" in html


def test_names_that_are_left_out_are_said_under_the_others():
    html = bars_html(replace(FOUND, names_notice="left out: '<i>猫'"), "tench")
    assert "By class names" in html and "left out: &#39;&lt;i&gt;猫&#39;" in html


def test_each_neighbour_has_its_exact_share():
    tiles = [(tile.picture, tile.caption, tile.score) for tile in shared_tiles(FOUND)]
    assert tiles == [(b"jpeg", "tench", "45.68 %"), (None, "cat & dog", "30.00 %"), (None, "tench", "24.32 %")]


def test_plain_votes_have_no_temperature():
    assert checked(20, PLAIN, 0.07) == (20, None)
    assert checked(5, WEIGHTED, 0.5) == (5, 0.5)
    for k, temperature in ((None, 0.07), (20, None)):
        with pytest.raises(BadQuery, match="each need a number"):
            checked(k, WEIGHTED, temperature)


def test_only_the_bundled_encoder_has_seen_a_gallery():
    noted = [(g, e) for g in GALLERIES for e in ENCODERS if training_note(ENCODERS[e], g)]
    assert noted == [("tiny-imagenet", "bundled")]
