"""What a query costs: extraction of its embedding, then each index, by threads.

Extraction starts at a picture's encoded bytes and ends at its unit row. A search is one query a call; QPS is of all
queries in one call.
"""

from __future__ import annotations

from collections.abc import Sequence

from searchdemo.bench.plots import COLOURS, panels
from searchdemo.bench.points import (
    latency_figures,
    quality,
    queries_per_second,
    query_latency,
    search_of,
    timed_build,
)
from searchdemo.bench.tables import Column, Table, fixed, megabytes, number
from searchdemo.bench.workload import Bench
from searchdemo.collection.build import BATCH_SIZE, Progress
from searchdemo.errors import NoWeights
from searchdemo.indexes.table import INDEXES, find
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.metrics import latency
from searchdemo.measure.threads import thread_limit
from searchdemo.pictures import open_picture

K = 10


def run(bench: Bench) -> Figures:
    work = bench.workload()
    notes = []
    try:
        extraction = _extraction(bench)
    except NoWeights as error:
        extraction, notes = [], [f"extraction: {error}"]
    searches = []
    own = [name for name, entry in INDEXES.items() if not entry.package]  # `bench peers` has the others
    chosen = {name: find(name) for name in bench.indexes or own}
    for done, (name, entry) in enumerate(chosen.items()):
        bench.report(Progress(f"{name} on {len(work.vectors):,} vectors", done, len(chosen), 0))
        index, seconds = timed_build(entry, work.vectors)
        search = search_of(index)
        found = quality(search, work, ks=(K,), knn=False)
        for threads in bench.threads:
            measured = query_latency(search, work.queries, K, threads, repeats=100 if bench.quick else 500)
            searches.append(
                {"index": name, "family": entry.family, "factory": index.recipe, "threads": threads}
                | latency_figures(measured)
                | {"qps": queries_per_second(search, work.queries[:500], K, threads)}
                | found
                | {"size_bytes": index.size_bytes, "build_s": seconds}
            )
    return Figures(work.subject, {"extraction": extraction, "search": searches}, {"k": K}, notes=notes)


def _extraction(bench: Bench) -> list[dict]:
    """A row a number of threads. Raises NoWeights."""
    encoder = bench.engine.encoder(bench.encoder)
    encoded, gallery = bench.pictures(BATCH_SIZE)
    rows = []
    for threads in bench.threads:
        bench.report(Progress(f"extraction by {bench.encoder}, {threads} threads", 0, 1, 0))
        with thread_limit(threads):
            one = latency(lambda: encoder.encode_images([open_picture(encoded[0])]), 10 if bench.quick else 50)
            many = latency(
                lambda: encoder.encode_images([open_picture(picture) for picture in encoded]),
                2 if bench.quick else 5,
                1,
            )
        rows.append(
            {
                "threads": threads,
                "dim": encoder.dim,
                "precision": f"{encoder.precision} on {encoder.device}",
                "stand_in": encoder.stand_in,
                "pictures": gallery,
                "one_p50_ms": one.p50_ms,
                "one_p95_ms": one.p95_ms,
                "batch": len(encoded),
                "batched_ms": many.p50_ms / len(encoded),
            }
        )
    return rows


def tables(cards: Sequence[RunCard]) -> list[Table]:
    extraction = [
        {"encoder": card.encoder} | row | {"mark": "stand-in weights" if row["stand_in"] else ""}
        for card in cards
        for row in card.parts["extraction"]
    ]
    found = [
        Table(
            "latency-extraction",
            "Extraction of one embedding, from a picture's bytes to its unit row",
            (
                Column("encoder", "encoder"),
                Column("dim", "dim", fixed(0)),
                Column("precision", "precision"),
                Column("threads", "threads", fixed(0)),
                Column("one_p50_ms", "alone, p50 ms", number()),
                Column("one_p95_ms", "p95 ms", number()),
                Column("batched_ms", "in a batch of 64, ms a picture", number()),
                Column("mark", ""),
            ),
            extraction,
            cards[0].source,
        )
    ] * bool(extraction)
    return found + [
        Table(
            f"latency-search-{card.encoder}",
            f"One search among {card.subject['vectors']:,} vectors of {card.encoder}, {card.subject['dim']} dimensions",
            (
                Column("index", "index"),
                Column("factory", "factory"),
                Column("threads", "threads", fixed(0)),
                Column("p50_ms", "p50 ms", number()),
                Column("p95_ms", "p95 ms", number()),
                Column("p99_ms", "p99 ms", number()),
                Column("qps", "queries a second", number()),
                Column("recall_10", "recall@10", fixed(3)),
                Column("size_bytes", "MB", megabytes),
                Column("build_s", "build s", number()),
            ),
            card.parts["search"],
            card.source,
        )
        for card in cards
    ]


def charts(cards: Sequence[RunCard]) -> dict:
    """Extraction beside search, on a log axis: which of them a query waits for."""
    figure, axes = panels(len(cards), "Where the time of one query goes", cards[0].source)
    for card, ax in zip(cards, axes, strict=True):
        threads = card.settings["threads"][0]
        bars = [
            ("extract", "encode", row["one_p50_ms"]) for row in card.parts["extraction"] if row["threads"] == threads
        ]
        bars += [(r["index"], r["family"], r["p50_ms"]) for r in card.parts["search"] if r["threads"] == threads]
        names, families, times = zip(*bars, strict=True)
        ax.barh(names, times, color=[COLOURS[family] for family in families], height=0.6)
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.set_xlabel(f"ms, p50, {threads} thread{'s' if threads > 1 else ''} (log)")
        ax.set_title(card.encoder, fontsize=9)
    return {"latency": figure}
