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
    assert shared_tiles(nothing, "scenes") == []


def test_a_threshold_is_drawn_and_what_lies_beyond_it_is_said():
    near, far = Guess("n2", "cat & dog", 0.6, 50.0), Guess("n1", "<i>tench", 0.4, 61.5)
    shares = (0.6, 0.4, 0.0)
    found = replace(FOUND, shares=shares, by_class_names=(near,), max_degrees=40.0, names_beyond=(far,))
    assert found.notice == "1 of 3 neighbours lies beyond 40°; 1 of 2 nearest class names lies beyond 40°"
    html = bars_html(found, "cat & dog")
    assert "vote of 2 neighbours" in html and html.count('class="limit"') == 3 and "left:44.44%" in html
    assert "25.8° to 45.6°" in html and "61.5° · 1.073 rad" in html and "The line is at 40° (0.698 rad)" in html
    assert html.count("dot beyond") == 3 and "<i>" not in html
    assert "limit" not in bars_html(replace(found, max_degrees=180.0), "")  # nothing to draw
    cut = replace(found, by_class_names=(), names_beyond=(near, far))
    assert "By class names" not in bars_html(cut, "") and "reads no words" not in bars_html(cut, "")


def test_a_sentence_in_place_of_a_class_is_neither_right_nor_wrong():
    nothing = replace(FOUND, guesses=(), shares=(0.0,) * 3, max_degrees=20.0)
    html = verdict_html(nothing, "tench", [nothing.notice])
    assert "<b>no neighbour within 20°</b>" in html and "3 of 3 neighbours lie beyond 20°" in html
    assert "truth: <b>tench</b>" in html and "wrong" not in html and "of the vote" not in html


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
    tiles = [(tile.picture, tile.caption, tile.score) for tile in shared_tiles(FOUND, "scenes")]
    assert tiles == [(b"jpeg", "tench", "45.68 %"), (None, "cat & dog", "30.00 %"), (None, "tench", "24.32 %")]


def test_plain_votes_have_no_temperature():
    assert checked(20, PLAIN, 0.07, 180) == (20, None, 180)
    assert checked(5, WEIGHTED, 0.5, 58) == (5, 0.5, 58)
    for k, temperature, degrees in ((None, 0.07, 180), (20, None, 180), (20, 0.07, None)):
        with pytest.raises(BadQuery, match="each need a number"):
            checked(k, WEIGHTED, temperature, degrees)


def test_only_the_bundled_encoder_has_seen_a_gallery():
    noted = [(g, e) for g in GALLERIES for e in ENCODERS if training_note(ENCODERS[e], g)]
    assert noted == [("tiny-imagenet", "bundled")]
