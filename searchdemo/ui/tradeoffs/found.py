"""What the benchmarks found, as pictures from their cards: one each, with a sentence that is computed from the card."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import gradio as gr

from searchdemo.bench.said import accuracy, building, looked, searching
from searchdemo.bench.said.words import Sentence
from searchdemo.encoders.table import find
from searchdemo.measure.cards import RunCard
from searchdemo.ui.components.curves import Curve, Level, around, curves_html, ticked
from searchdemo.ui.components.messages import sentence_errors
from searchdemo.ui.components.plots import log_scale
from searchdemo.ui.components.templates import render
from searchdemo.ui.page import LAST, Page
from searchdemo.ui.tradeoffs.cards import Pair, first_of, held_with, listed, pair_of
from searchdemo.ui.tradeoffs.triplets import metric

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    title: str
    draw: Callable[[RunCard], str]
    said: Sentence


@dataclass(frozen=True)
class Found:
    """One benchmark on the page."""

    benchmark: str
    title: str
    card: RunCard | None  # None: it was never run here, and no card of it ships
    picture: str = ""
    said: str = ""
    whose: str = ""  # whose figures these are, where they are not those of the sidebar's vectors
    hindered: str = ""  # why no command measures it for these vectors


def add(page: Page) -> None:
    """Call within a tab."""
    shown = gr.HTML(elem_id="tradeoffs-found")

    def fill(gallery: str, encoder: str) -> str:
        page.choice(gallery, encoder, "brute", 1)  # refuses names that are not offered
        pair = pair_of(page.library, page.key(gallery, encoder))
        return found_html(pair, page.library.gallery(gallery).private, held_with(page.library, gallery))

    page.open_tab.renewed("trade-offs")(sentence_errors(fill), [page.gallery, page.encoder], shown, **LAST)


def found_html(pair: Pair, private: bool = False, held: Sequence[RunCard] = ()) -> str:
    """private: of pictures that are in memory alone, which no command can measure; held: see `listed`."""
    options = f"--gallery {shlex.quote(pair.gallery)} --encoder {pair.encoder}"
    found = [
        replace(found_of(benchmark, picture, pair, held), hindered=hindered(benchmark, pair.encoder))
        for benchmark, picture in PICTURES.items()
    ]
    return render("found.html", found=found, private=private, options=options)


def found_of(benchmark: str, picture: Picture, pair: Pair, held: Sequence[RunCard] = ()) -> Found:
    """The card of the pair goes before others, see `first_of`. One that lacks what is drawn counts as missing."""
    there = [entry for entry in listed(benchmark, held) if "asked" not in entry.card.variant]
    first = first_of(there, pair)
    card = next((entry.card for entry in there if entry.key == first), None)
    if card is not None:
        try:
            return Found(benchmark, picture.title, card, picture.draw(card), picture.said(card), whose(card, pair))
        except (LookupError, TypeError, ValueError) as error:  # an older version wrote it, or a part could not run
            log.info("the card %s lacks what the page draws: %r", card.path, error)
    return Found(benchmark, picture.title, None)


def hindered(benchmark: str, encoder: str) -> str:
    spec = find(encoder)
    if benchmark == "classnames" and not (spec.text or spec.head):
        return f"{encoder} reads no words, so it cannot be."
    if benchmark == "scale" and not spec.module:
        return "It cannot be, because the vectors came without pictures."
    return ""


def whose(card: RunCard, pair: Pair) -> str:
    if not pair.owns(card):
        return f"These are figures of {card.gallery} × {card.encoder}: {pair} was not measured yet."
    if pair.vectors and not pair.has_vectors_of(card):
        return f"These figures were measured on earlier vectors of {pair}, before it was built with other weights."
    return ""


def lines(rows: Sequence[dict], by: str, x: str, y: str) -> list[Curve]:
    """One curve per value of `by`, through the rows that have both figures."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.get(x) is not None and row.get(y) is not None:
            curves.setdefault(str(row[by]), []).append((row[x], row[y]))
    return [Curve(name, sorted(points)) for name, points in curves.items()]


def values(curves: Sequence[Curve], place: int) -> list[float]:
    """All x (0) or all y (1)."""
    return [point[place] for curve in curves for point in curve.points]


def knn(card: RunCard) -> str:
    rows = [row for row in card.parts["accuracy"] if row["split"] == "valid"]
    curves = lines(rows, "vote", "k", "top1")
    head = Level("linear head", card.parts["head"][0]["valid_top1"])
    y = around([*values(curves, 1), head.value])
    x = ticked(values(curves, 0), (1, 2, 5, 10, 20, 50, 100, 200))
    return curves_html("k, neighbours that vote (log)", "top-1, %", x, y, curves, head)


def classnames(card: RunCard) -> str:
    areas = {row["set"]: row.get("pr_auc") for row in card.parts["sets"]}
    curves = [
        Curve(f"{curve.name}: area {areas[curve.name]:.3f}", curve.points)
        for curve in lines(card.parts["curve"], "set", "true_positive_rate", "precision")
    ]
    axis = around([0, 1])
    return curves_html("recall", "precision", axis, axis, curves)


def reduce(card: RunCard) -> str:
    rows = [row for row in card.parts["points"] if row["method"] != "float32"]
    full = next(row for row in card.parts["points"] if row["method"] == "float32")
    curves, level = (
        lines(rows, "method", "bytes", "knn_top1"),
        Level(f"float32, {full['bytes']:,} bytes", full["knn_top1"]),
    )
    sizes = values(curves, 0)
    shown = [2.0**power for power in range(2, 13) if min(sizes) <= 2**power <= max(sizes)]
    y = around([*values(curves, 1), level.value])
    return curves_html("bytes per vector (log)", "kNN top-1, %", ticked(sizes, shown), y, curves, level)


def index(card: RunCard) -> str:
    curves = lines([row | {"graph": "HNSW"} for row in card.parts["hnsw_m"]], "graph", "m", "recall_10")
    x = ticked(values(curves, 0))
    return curves_html("M, links per vector (log)", "recall@10", x, around(values(curves, 1)), curves)


def scale(card: RunCard) -> str:
    curves = lines(card.parts["scale"], "index", "vectors", "p50_ms")
    x, y = ticked(values(curves, 0)), log_scale(values(curves, 1))
    return curves_html("vectors (log)", "ms per query, p50 (log)", x, y, curves)


# The benchmarks that have a picture here. `tradeoff` and `latency` have tabs, or a plot, of their own.
PICTURES = {
    "knn": Picture("Neighbours name the class", knn, accuracy.against_head),
    "classnames": Picture("Class names as queries", classnames, accuracy.words),
    "reduce": Picture("Fewer bytes per vector", reduce, accuracy.fewer_bits),
    "index": Picture("How large a graph has to be", index, building.links),
    "scale": Picture("What growth costs", scale, searching.exponents),
    "metric": Picture("Metric learning by triplets", metric, looked.triplets),
}
