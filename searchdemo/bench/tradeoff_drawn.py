"""Tables and plots of the trade-off benchmark, from its run cards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from searchdemo.bench import plots
from searchdemo.bench.points import paired_difference
from searchdemo.bench.tables import Column, Table, columns, fixed, number, table_of, vectors_of
from searchdemo.measure.cards import RunCard
from searchdemo.measure.pareto import front
from searchdemo.measure.recommend import setting

TARGETS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)  # values of recall@10 near which kNN accuracy is shown
NEAR = 0.03  # maximum distance of a point from its target

POINT = [
    *columns("index setting recall_10 recall_1 recall_100 words_recall_10? p50_ms p95_ms size_bytes"),
    Column("build_s", "build s", number(2)),
    *columns("precision_10? knn_top1?"),
]
KNN = [
    Column("target", "recall@10 near", number(2)),
    *columns("recall_10 knn_top1"),
    Column("difference", "minus exact", "{:+.2f}".format),
    Column("interval", "95 % interval"),
    *columns("precision_10 p50_ms family setting"),
]
K = [
    *columns("index setting k p50_ms p95_ms recall words_recall?"),
    Column("precision", "precision@k", fixed(3), optional=True),
]
SHARDS = [
    *columns("index"),
    Column("setting", "factory string of a shard, and parameters"),
    *columns("shards one_ms all_ms each_ms recall_10 size_bytes build_s"),
]
METRIC = columns("index setting metric p50_ms recall_10 same_order build_s")


def tables(cards: Sequence[RunCard]) -> list[Table]:
    return [table for card in cards for table in _tables(card)]


def _tables(card: RunCard) -> list[Table]:
    points, accuracies = card.parts["points"], accuracy_rows(card.parts["points"])
    front_title = f"The Pareto front of {len(points):,} settings: nothing measured is faster and finds as much"
    memory_title = "The Pareto front of memory: nothing measured is smaller and finds as much"
    asked = points[0].get("knn_queries", card.subject["queries"]) if points else 0
    knn_title = f"Does lost recall cost accuracy? kNN top-1 in %, paired with exact search on {asked:,} queries"
    metric_title = "Inner product against L2: on unit rows both order alike, but k-means and graphs come out otherwise"
    drawn: tuple[tuple[str, str, list[Column], Iterable[dict]], ...] = (
        ("front", f"{front_title}; {vectors_of(card)}", POINT, front(points)),
        ("memory", memory_title, POINT, front(points, cost="size_bytes")),
        *[("knn", knn_title, KNN, accuracies)] * any(row["knn_top1"] is not None for row in accuracies),
        ("k", "Number of results asked for", K, card.parts["k"]),
        ("shards", "Shards, whose answers are merged", SHARDS, _shard_rows(card.parts["shards"])),
        ("metric", metric_title, METRIC, card.parts["metric"]),
    )
    return [
        table_of(card, f"tradeoff-{name}", title, heads, [row | {"setting": setting(row)} for row in rows])
        for name, title, heads, rows in drawn
    ]


def nearest(points: Sequence[dict], recall: float) -> dict | None:
    """The point whose recall@10 is nearest, the fastest of equally near ones; None when none is within NEAR."""
    near = [row for row in points if abs(row["recall_10"] - recall) <= NEAR]
    return min(near, key=lambda row: (round(abs(row["recall_10"] - recall), 6), row["p50_ms"]), default=None)


def accuracy_rows(points: Sequence[dict]) -> list[dict]:
    """The exact answer, then the point of each family that is nearest to each of TARGETS.

    difference: its kNN top-1 minus that of the exact answer, with its interval where it was measured in pairs.
    """
    exact = next((row for row in points if row["family"] == "exact"), None)
    families = [family for family in plots.COLOURS if family != "exact"]
    rows = [exact | {"target": 1.0}] if exact else []
    for target in TARGETS[::-1]:
        for family in families:
            found = nearest([row for row in points if row["family"] == family], target)
            rows += [found | {"target": target}] if found else []
    return [row | against_exact(row, exact) for row in rows]


def against_exact(row: dict, exact: dict | None) -> dict:
    if "knn_lost" in row:
        found = paired_difference(row["knn_lost"], row["knn_gained"], row["knn_queries"])
        return {"difference": found.points, "interval": found.interval}
    if row["knn_top1"] is None:
        return {"difference": None, "interval": "no labels"}
    return {"difference": row["knn_top1"] - exact["knn_top1"] if exact else None, "interval": "not paired"}


def _shard_rows(rows: Sequence[dict]) -> Iterable[dict]:
    """One row per index and number of shards, with the times of the three ways side by side."""
    merged: dict[tuple, dict] = {}
    for row in rows:
        way = "each_ms" if row["threaded"] else "one_ms" if row["threads"] == 1 else "all_ms"
        merged.setdefault((row["index"], row["shards"]), dict(row))[way] = row["p50_ms"]
    return merged.values()


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    return {
        "tradeoff": _recall_chart(cards, "p50_ms", 1, "ms per query, p50 (log)", "What recall costs in time"),
        "tradeoff-memory": _recall_chart(cards, "size_bytes", 1e-6, "MB (log)", "What recall costs in memory"),
        "tradeoff-knn": _knn_chart(cards),
    }


def _recall_chart(cards: Sequence[RunCard], cost: str, scale: float, label: str, title: str) -> plots.Figure:
    def draw(ax: plots.Axes, card: RunCard) -> None:
        points = [row | {"cost": row[cost] * scale} for row in card.parts["points"]]
        plots.scatter_families(ax, points, "cost", "recall_10")
        best = front(points, cost="cost")
        costs, recalls = [row["cost"] for row in best], [row["recall_10"] for row in best]
        ax.step(costs, recalls, where="post", color="#0f172a", linewidth=1, label="Pareto front")
        ax.set(xscale="log", xlabel=label, ylabel="recall@10")

    return _with_legend(plots.panel_per_card(cards, title, draw))


def _knn_chart(cards: Sequence[RunCard]) -> plots.Figure:
    def draw(ax: plots.Axes, card: RunCard) -> None:
        points = [row for row in card.parts["points"] if row["knn_top1"] is not None]
        plots.scatter_families(ax, points, "recall_10", "knn_top1")
        for row in points:
            if row["family"] == "exact":
                ax.axhline(row["knn_top1"], color=plots.COLOURS["exact"], linewidth=1, linestyle="--")
        ax.set(xlabel="recall@10", ylabel="kNN top-1, %")

    return _with_legend(plots.panel_per_card(cards, "Does lost recall cost accuracy?", draw))


def _with_legend(figure: plots.Figure) -> plots.Figure:
    """One legend is enough for all panels."""
    plots.legend(figure.axes[0], loc="lower right")
    return figure
