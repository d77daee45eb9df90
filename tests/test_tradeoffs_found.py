"""What the benchmarks found, on the page: the card of the sidebar's pair, or whose it is, or what makes one."""

from __future__ import annotations

import re

import pytest

from searchdemo import assets
from searchdemo.measure import cards as run_card
from searchdemo.ui.components.curves import Curve, Level, around, curves_html, ticked
from searchdemo.ui.tradeoffs import found
from searchdemo.ui.tradeoffs.cards import Pair
from searchdemo.ui.tradeoffs.found import PICTURES, found_html

SHIPPED = Pair("tiny-imagenet", "bundled")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path))


def sections(html: str) -> list[str]:
    return html.split("<section>")[1:]


def test_each_card_is_a_picture_with_its_sentence():
    shown = sections(found_html(SHIPPED))
    assert [re.search("<h3>(.*?)</h3>", one)[1] for one in shown] == [one.title for one in PICTURES.values()]
    for one, benchmark in zip(shown, PICTURES, strict=True):
        card = run_card.find(benchmark, run_card.Key("tiny-imagenet", "bundled"), assets.CARDS)
        assert PICTURES[benchmark].said(card) and PICTURES[benchmark].said(card).split("[")[0] in one
        assert "<polyline" in one and f"{card.subject['vectors']:,} × {card.subject['dim']}" in one
        assert "These are figures of" not in one and "not measured" not in one.lower()
    top1 = {row["k"]: row["top1"] for row in rows_of("knn", "accuracy", split="valid", vote="weighted")}
    assert f"weighted from {top1[1]:.4g} at 1 to {top1[200]:.4g} at 200" in shown[0]


def rows_of(benchmark: str, part: str, **wanted) -> list[dict]:
    card = run_card.find(benchmark, run_card.Key("tiny-imagenet", "bundled"), assets.CARDS)
    return [row for row in card.parts[part] if all(row[key] == value for key, value in wanted.items())]


def test_figures_of_another_pair_say_so_and_name_the_command():
    for one, benchmark in zip(sections(found_html(Pair("folder:my pictures", "bundled"))), PICTURES, strict=True):
        assert "These are figures of tiny-imagenet × bundled: folder:my pictures × bundled was not measured yet." in one
        options = "--gallery &#39;folder:my pictures&#39; --encoder bundled"
        assert f"python -m searchdemo bench {benchmark} {options}" in one
    assert "searchdemo bench" not in found_html(Pair("upload:x", "bundled"), private=True)
    assert found_html(Pair("tiny-imagenet", "bundled", 10, 128, "other")).count("measured on earlier vectors") == len(
        PICTURES
    )


def test_no_command_is_named_that_would_refuse():
    shown = dict(zip(PICTURES, sections(found_html(Pair("vectors:mine", "imported"))), strict=True))
    assert "imported reads no words, so it cannot be." in shown["classnames"]
    assert "cannot be, because the vectors came without pictures" in shown["scale"]
    assert {name for name, one in shown.items() if "searchdemo bench" not in one} == {"classnames", "scale"}


def test_metric_learning_has_histograms_figures_and_a_plane_before_and_after():
    (shown,) = (one for one in sections(found_html(SHIPPED)) if "Metric learning" in one)
    card = run_card.find("metric", run_card.Key("tiny-imagenet", "bundled"), assets.CARDS)
    unseen = {when: rows_of("metric", "metric", set="unseen", when=when) for when in ("before", "after")}
    assert shown.count("<polyline") == 4 and shown.count("<figure>") == 2
    assert shown.count("h0") == len(card.parts["view"])  # each picture of the plane
    for key, form in (("top1", ".2f"), ("found_1", ".3f"), ("found_10", ".3f")):
        before, after = (sum(row[key] for row in unseen[when]) / len(unseen[when]) for when in unseen)
        assert f"<td>{before:{form}}</td><td>{after:{form}}</td>" in shown
    for row in card.parts["view"]:
        row["class_name"] = "<b>"
    assert "<b>" not in PICTURES["metric"].draw(card) and "&lt;b&gt;" in PICTURES["metric"].draw(card)


def test_what_was_never_measured_names_the_command(monkeypatch):
    monkeypatch.setattr(found, "listed", lambda benchmark, held: [])
    shown = found_html(SHIPPED)
    assert shown.count("Not measured yet") == len(PICTURES) and "<polyline" not in shown
    private = found_html(SHIPPED, private=True)
    assert "above measures some of these; the others take a folder" in private and "searchdemo bench" not in private


def test_a_card_that_lacks_what_is_drawn_counts_as_missing(monkeypatch):
    listed = found.listed

    def without_parts(benchmark: str, held):
        entries = listed(benchmark, held)
        for entry in entries:
            entry.card.parts.clear()
        return entries

    monkeypatch.setattr(found, "listed", without_parts)
    assert found_html(SHIPPED).count("Not measured yet") == len(PICTURES)


def test_axes_and_lines_worked_out_by_hand():
    x, y = ticked([1, 10, 100], (10, 1000)), around([68.0, 72.2])
    assert [x.place(value) for value in (1, 10, 100)] == [0, 50, 100] and x.ticks == [(10, "10")]
    assert (y.low, y.high) == (68, 73) and [label for _, label in y.ticks] == ["68", "69", "70", "71", "72", "73"]
    assert [around(values).ticks[-1][0] for values in ([0, 1], [5, 5], [0.882, 1])] == pytest.approx(
        [1, 5, 1], abs=1e-4
    )
    html = curves_html("n", "ms", x, y, [Curve("<a>", [(1, 68), (100, 73)])], Level("exact", 70.5))
    assert 'points="0.00,100.00 100.00,0.00 "' in html and "bottom:50.00%" in html
    assert "&lt;a&gt; from 68 at 1 to 73 at 100" in html
