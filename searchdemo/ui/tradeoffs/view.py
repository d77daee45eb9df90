"""A card of the trade-off benchmark as HTML: the plot, and what is said of the setting that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from searchdemo.errors import BadQuery
from searchdemo.measure.cards import RunCard
from searchdemo.measure.pareto import front
from searchdemo.measure.recommend import CRITERIA, Bounds, choose, excesses, setting
from searchdemo.ui.components.messages import hint
from searchdemo.ui.components.plots import COLOURS
from searchdemo.ui.components.scatter import Dot, scatter
from searchdemo.ui.components.templates import paragraph, render
from searchdemo.ui.components.units import byte_size, milliseconds

TIME, MEMORY = "milliseconds", "megabytes"


class Cost(NamedTuple):
    """The other axis of the plot."""

    bound: str  # the bound on it, a key of CRITERIA and a field of Bounds
    label: str  # of the axis
    best: str  # adjective for the row with the lowest cost


COSTS = {
    TIME: Cost("ms", "ms per query, p50 (log)", "fastest"),
    MEMORY: Cost("mb", "MB of the index (log)", "smallest"),
}
FAMILIES = {"ivf": "inverted file", "hash": "hashing", "tree": "trees"}
POINT, PEER = "point", "peer"  # the id of a dot is one of them and its place in its list: "point-12"


def cost_of(against: str) -> Cost:
    """Raises BadQuery for a name that is not in COSTS."""
    if against not in COSTS:
        raise BadQuery(f"Recall cannot be drawn against {against!r}: choose from {', '.join(COSTS)}.")
    return COSTS[against]


@dataclass(frozen=True)
class Drawn:
    """A card, and the bounds on its points."""

    rows: Sequence[dict]  # of the card
    peers: Sequence[dict]  # points of other libraries
    cost: Cost
    bounds: Bounds

    def recommended(self) -> dict:
        """The cheapest row within the bounds. Raises BadQuery when there is none."""
        return choose(self.rows, self.bounds, CRITERIA[self.cost.bound].key)

    def without_peers(self) -> Drawn:
        return replace(self, peers=())

    def row(self, dot: str) -> dict:
        """The point of a dot. Raises BadQuery when there is no such dot."""
        kind, _, number = dot.partition("-")
        there = {POINT: self.rows, PEER: self.peers}.get(kind, ())
        if not number.isdecimal() or len(number) > 9 or int(number) >= len(there):
            raise BadQuery(f"There is no setting {dot!r} in this measurement: choose a dot again.")
        return there[int(number)]


def exact_of(rows: Sequence[dict]) -> dict | None:
    """The fastest exact search of the card."""
    return min((row for row in rows if row["family"] == "exact"), key=lambda row: row["p50_ms"], default=None)


def plot_html(drawn: Drawn, picked: dict | None) -> str:
    """picked: the recommended row."""
    key, scale = CRITERIA[drawn.cost.bound].key, CRITERIA[drawn.cost.bound].scale
    best = front(drawn.rows, cost=key)

    def dot(id_: str, row: dict, family: str, **marks: bool) -> Dot:
        faded = bool(excesses(row, drawn.bounds))
        return Dot(id_, row[key] * scale, row["recall_10"], family, name_of(row), facts(row), faded=faded, **marks)

    dots = []
    for number, row in enumerate(drawn.rows):
        in_front = any(row is one for one in best)
        dots.append(dot(f"{POINT}-{number}", row, row["family"], front=in_front, ringed=row is picked))
    for number, row in enumerate(drawn.peers):
        if row.get(key) is not None:
            family = row["family"] if row["family"] in COLOURS else "exact"
            dots.append(dot(f"{PEER}-{number}", row, family, hollow=True))
    return scatter(
        dots,
        drawn.cost.label,
        "recall@10",
        [(row[key] * scale, row["recall_10"]) for row in best],
        max_cost=drawn.bounds.given().get(drawn.cost.bound),
        min_gain=drawn.bounds.recall,
        families=FAMILIES,
    )


def is_peer(row: dict) -> bool:
    return "peer" in row


def name_of(row: dict) -> str:
    return f"{row['peer']} {row['setting']}" if is_peer(row) else setting(row)


def facts(row: dict) -> list[str]:
    """The figures of a point, line by line."""
    if is_peer(row):
        size = byte_size(row["size_bytes"]) if row.get("size_bytes") is not None else "size not measured"
        return [f"recall@10 {row['recall_10']:.3f}", f"p50 {milliseconds(row['p50_ms'])}, {size}"]
    return [
        f"recall@1 {row['recall_1']:.3f}, @10 {row['recall_10']:.3f}, @100 {row['recall_100']:.3f}",
        f"p50 {milliseconds(row['p50_ms'])}, p95 {milliseconds(row['p95_ms'])}",
        f"{byte_size(row['size_bytes'])}, built in {row['build_s']:.3g} s",
        "no labels, so no kNN accuracy" if row["knn_top1"] is None else f"kNN top-1 {row['knn_top1']:.1f} %",
        *["by L2"] * (row["metric"] == "l2" and row["family"] != "hash"),  # hashing compares bits
    ]


def winner_html(row: dict, exact: dict | None, best: str = "fastest") -> str:
    """The recommended row, and its cost beside the exact search of the same card."""
    cost = accuracy_cost(row["knn_top1"], exact["knn_top1"]) if exact and exact["knn_top1"] is not None else ""
    return render("winner.html", row=row, setting=setting(row), best=best, exact=exact, cost=cost)


def chosen_html(row: dict, drawn: Drawn) -> str:
    """The row that the visitor chose in the plot: its facts, and what speaks against it."""
    beyond = [f"{name}{CRITERIA[name].sign}{drawn.bounds.given()[name]:g}" for name in excesses(row, drawn.bounds)]
    return render(
        "chosen.html", name=name_of(row), facts=facts(row), beyond=beyond, exact=exact_of(drawn.rows), row=row
    )


def accuracy_cost(top1: float, exact: float) -> str:
    """ "costs 0.1 points of accuracy", the difference of the figures as they are shown."""
    points = round(exact, 1) - round(top1, 1)
    if abs(points) < 0.05:
        return "costs no accuracy"
    return f"costs {points:.1f} points of accuracy" if points > 0 else f"{-points:.1f} points above, by chance"


def code_html(code: str, label: str) -> str:
    """Not gr.Code, whose part that scrolls is not reached by keyboard, and whose colours have a contrast of 2 to 4."""
    return render("code.html", code=code, label=label)


def warning_html(sentence: str) -> str:
    return paragraph(sentence, class_="panel warning", role="status") if sentence else ""


def source_html(card: RunCard) -> str:
    """The origin of the figures."""
    threads = " and ".join(f"{count}" for count in card.settings.get("threads", [])) or "an unknown number of"
    said = f"{card.source} · {threads} thread{'' if threads == '1' else 's'}, one query per call"
    return hint(said) + "".join(map(hint, card.notes))
