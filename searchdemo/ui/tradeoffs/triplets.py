"""The card of metric learning as a picture: distances of pairs, figures, and pictures in the plane, before and after a
head was trained by triplets."""

from __future__ import annotations

from collections.abc import Sequence

from searchdemo.bench.plots import SERIES
from searchdemo.bench.suite.metric import WHEN, summary
from searchdemo.measure.cards import RunCard
from searchdemo.ui.components.curves import Curve, around, curves_html
from searchdemo.ui.components.templates import render

# Figures of the card -> (what a person reads, its form)
FIGURES = {
    "top1": ("kNN top-1, %", "{:.2f}"),
    "found_1": ("recall: one of its class first", "{:.3f}"),
    "found_10": ("recall: among the first 10", "{:.3f}"),
    "within": ("distance within classes", "{:.3f}"),
    "between": ("distance between classes", "{:.3f}"),
}


def metric(card: RunCard) -> str:
    """Raises LookupError for a card that lacks a part."""
    rows = [row for row in card.parts["histograms"] if row["set"] == "unseen"]
    curves = [
        Curve(f"{side} classes, {when}", [(row["distance"], row[side]) for row in rows if row["when"] == when])
        for when in WHEN
        for side in ("within", "between")
    ]
    highest = max(share for curve in curves for _, share in curve.points)
    title = "Euclidean distance of a pair of unseen classes"
    drawn = curves_html(title, "share of pairs", around([0, 2]), around([0, highest]), curves)
    found = {(row["set"], row["when"]): row for row in summary(card)}
    table = [
        (f"{what}, {name}", *(form.format(found[name, when][key]) for when in WHEN))
        for name in ("unseen", "seen")
        for key, (what, form) in FIGURES.items()
    ]
    views = [(when, plane([row for row in card.parts["view"] if row["when"] == when])) for when in WHEN]
    return drawn + render("triplets.html", when=WHEN, table=table, views=views)


def plane(rows: Sequence[dict]) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """(class name, colour, places in percent from the left and the top), each axis stretched to its ends."""
    names = list(dict.fromkeys(row["class_name"] for row in rows))
    low = {axis: min(row[axis] for row in rows) for axis in "xy"}
    size = {axis: max(max(row[axis] for row in rows) - low[axis], 1e-9) for axis in "xy"}
    places: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for row in rows:
        x, y = (100 * (row[axis] - low[axis]) / size[axis] for axis in "xy")
        places[row["class_name"]].append((x, 100 - y))
    return [(name, SERIES[number % len(SERIES)], places[name]) for number, name in enumerate(names)]
