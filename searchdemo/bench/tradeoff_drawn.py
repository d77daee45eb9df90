"""Tables and plots of the trade-off benchmark, from its run cards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from searchdemo.bench.plots import COLOURS, legend, panels, scatter_families
from searchdemo.bench.tables import Column, Table, fixed, megabytes, number
from searchdemo.measure.cards import RunCard
from searchdemo.measure.pareto import front
from searchdemo.measure.recommend import setting

TARGETS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)  # recall@10 at which kNN accuracy is looked at
NEAR = 0.03  # how far a point may be from its target

POINT = (
    Column("index", "index"),
    Column("setting", "factory string and parameters"),
    Column("recall_10", "recall@10", fixed(3)),
    Column("recall_1", "@1", fixed(3)),
    Column("recall_100", "@100", fixed(3)),
    Column("p50_ms", "p50 ms", number()),
    Column("p95_ms", "p95 ms", number()),
    Column("size_bytes", "MB", megabytes),
    Column("build_s", "build s", number(2)),
    Column("precision_10", "precision@10", fixed(3)),
    Column("knn_top1", "kNN top-1 %", fixed(1)),
)


def tables(card: RunCard) -> list[Table]:
    points, subject = card.parts["points"], card.subject
    among = f"{subject['vectors']:,} vectors of {card.encoder}, {subject['dim']} dimensions"

    def table(name: str, title: str, columns: Sequence[Column], rows: Sequence[dict]) -> Table:
        return Table(f"tradeoff-{name}-{card.encoder}", title, columns, rows, card.source)

    return [
        table(
            "front",
            f"The Pareto front of {len(points):,} settings: nothing measured is faster and finds as much; {among}",
            POINT,
            _with_setting(front(points)),
        ),
        table(
            "memory",
            "The Pareto front of memory: nothing measured is smaller and finds as much",
            POINT,
            _with_setting(front(points, cost="size_bytes")),
        ),
        _knn_table(card, table),
        table("k", "Number of results asked for", K_COLUMNS, _with_setting(card.parts["k"])),
        _shards_table(card, table),
        table(
            "metric",
            "Inner product against L2: on unit rows both order alike, but k-means and graphs come out otherwise",
            METRIC_COLUMNS,
            _with_setting(card.parts["metric"]),
        ),
    ]


K_COLUMNS = (
    Column("index", "index"),
    Column("setting", "factory string and parameters"),
    Column("k", "k", fixed(0)),
    Column("p50_ms", "p50 ms", number()),
    Column("p95_ms", "p95 ms", number()),
    Column("recall", "recall@k", fixed(3)),
    Column("precision", "precision@k", fixed(3)),
)
METRIC_COLUMNS = (
    Column("index", "index"),
    Column("setting", "factory string and parameters"),
    Column("metric", "metric"),
    Column("p50_ms", "p50 ms", number()),
    Column("recall_10", "recall@10", fixed(3)),
    Column("same_order", "same 10 in the same order as by ip", fixed(3)),
    Column("build_s", "build s", number()),
)


def nearest(points: Sequence[dict], recall: float) -> dict | None:
    """The point whose recall@10 is nearest, of equally near ones the fastest; None when none is within NEAR."""
    near = [row for row in points if abs(row["recall_10"] - recall) <= NEAR]
    return min(near, key=lambda row: (round(abs(row["recall_10"] - recall), 6), row["p50_ms"]), default=None)


def accuracy_rows(points: Sequence[dict]) -> list[dict]:
    """The exact answer, then of each family the point nearest to each of TARGETS; difference: of top-1 to exact."""
    exact = next((row for row in points if row["family"] == "exact"), None)
    families = [family for family in COLOURS if family != "exact"]
    rows = [exact | {"target": 1.0}] if exact else []
    for target in TARGETS[::-1]:
        for family in families:
            found = nearest([row for row in points if row["family"] == family], target)
            rows += [found | {"target": target}] if found else []
    return [row | {"difference": row["knn_top1"] - exact["knn_top1"] if exact else None} for row in rows]


def _knn_table(card: RunCard, table: Callable[..., Table]) -> Table:
    rows, queries = accuracy_rows(card.parts["points"]), card.subject["queries"]
    share = rows[0]["knn_top1"] / 100 if rows else 0.5
    error = 100 * math.sqrt(share * (1 - share) / queries)
    columns = (
        Column("target", "recall@10 near", number(2)),
        Column("recall_10", "recall@10", fixed(3)),
        Column("knn_top1", "kNN top-1 %", fixed(1)),
        Column("difference", "minus exact", lambda value: "–" if value is None else f"{value:+.1f}"),
        Column("precision_10", "precision@10", fixed(3)),
        Column("p50_ms", "p50 ms", number()),
        Column("family", "family"),
        Column("setting", "factory string and parameters"),
    )
    title = f"Does lost recall cost accuracy? {queries:,} queries: one standard error of top-1 is {error:.1f}"
    return table("knn", title, columns, _with_setting(rows))


def _shards_table(card: RunCard, table: Callable[..., Table]) -> Table:
    rows: dict[tuple, dict] = {}
    for row in card.parts["shards"]:
        way = "each_ms" if row["threaded"] else "one_ms" if row["threads"] == 1 else "all_ms"
        rows.setdefault((row["index"], row["shards"]), dict(row))[way] = row["p50_ms"]
    columns = (
        Column("index", "index"),
        Column("setting", "factory string of a shard, and parameters"),
        Column("shards", "shards", fixed(0)),
        Column("one_ms", "one thread, p50 ms", number()),
        Column("all_ms", "all threads, one shard after another", number()),
        Column("each_ms", "a thread a shard", number()),
        Column("recall_10", "recall@10", fixed(3)),
        Column("size_bytes", "MB", megabytes),
        Column("build_s", "build s", number()),
    )
    return table("shards", "Shards, whose answers are merged", columns, _with_setting(rows.values()))


def _with_setting(rows) -> list[dict]:
    return [row | {"setting": setting(row)} for row in rows]


def charts(cards: Sequence[RunCard]) -> dict:
    return {
        "tradeoff": _recall_chart(cards, "p50_ms", 1, "ms a query, p50 (log)", "What recall costs in time"),
        "tradeoff-memory": _recall_chart(cards, "size_bytes", 1e-6, "MB (log)", "What recall costs in memory"),
        "tradeoff-knn": _knn_chart(cards),
    }


def _recall_chart(cards: Sequence[RunCard], cost: str, scale: float, label: str, title: str):
    figure, axes = panels(len(cards), title, cards[0].source)
    for card, ax in zip(cards, axes, strict=True):
        points = [row | {"cost": row[cost] * scale} for row in card.parts["points"]]
        scatter_families(ax, points, "cost", "recall_10")
        best = front(points, cost="cost")
        ax.step(
            [row["cost"] for row in best],
            [row["recall_10"] for row in best],
            where="post",
            color="#0f172a",
            linewidth=1,
            label="Pareto front",
        )
        ax.set_xscale("log")
        ax.set_xlabel(label)
        ax.set_ylabel("recall@10")
        ax.set_title(card.encoder, fontsize=9)
    legend(axes[0], loc="lower right")
    return figure


def _knn_chart(cards: Sequence[RunCard]):
    figure, axes = panels(len(cards), "Does lost recall cost accuracy?", cards[0].source)
    for card, ax in zip(cards, axes, strict=True):
        points = card.parts["points"]
        scatter_families(ax, points, "recall_10", "knn_top1")
        for row in points:
            if row["family"] == "exact":
                ax.axhline(row["knn_top1"], color=COLOURS["exact"], linewidth=1, linestyle="--")
        ax.set_xlabel("recall@10")
        ax.set_ylabel("kNN top-1, %")
        ax.set_title(card.encoder, fontsize=9)
    legend(axes[0], loc="lower right")
    return figure
