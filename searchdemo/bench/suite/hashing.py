"""Locality-sensitive hashing: hash tables with buckets over tables, bits and probes, beside a scan of all codes.

What is counted does not depend on the machine: recall, and the share of the vectors that a query is compared with.
Time is told as a ratio to brute force, in rounds in which both take turns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.points import in_turns, quality, ratio, search_of
from searchdemo.bench.tables import Column, Table, columns, fixed, number, table_of, vectors_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.threads import thread_limit

K = 10
QUERIES = 200
TABLES = (4, 16, 32)  # a quick run takes every second value of each
BITS = (8, 12, 16)
PROBES = (1, 8, 64)
CODE_BITS = (128, 256, 512)
ROUNDS, TIMED = 3, 5


def run(bench: Bench) -> Figures:
    """Raises NotBuilt, NotHere."""
    step = 2 if bench.quick else 1
    work = bench.workload().part(None, QUERIES, bench.seed)
    plan = list(specs(TABLES[::step], BITS[::step], CODE_BITS[::step], bench.seed))
    brute = INDEXES["brute"].build(work.vectors)
    rows = []
    for done, (facts, entry) in enumerate(plan):
        bench.tell(", ".join(f"{value} {name}" for name, value in facts.items()), done, len(plan))
        index = entry.build(work.vectors)
        settings = [{"probes": probes} for probes in PROBES[::step]] if entry.params else [{}]
        rows += [facts | params | measured(index, params, work, brute) for params in settings]
    return Figures(work.subject, {"hashing": rows}, {"k": K})


def specs(
    tables: Sequence[int], bits: Sequence[int], code_bits: Sequence[int], seed: int
) -> Iterator[tuple[dict, IndexSpec]]:
    """What is varied, and the index."""
    for number_, each in ((number_, each) for number_ in tables for each in bits):
        built = INDEXES["lsh-tables"].built_with(tables=number_, bits=each, seed=seed)
        yield {"method": "buckets", "tables": number_, "bits": each}, built
    for each in code_bits:
        yield {"method": "scan of codes", "bits": each}, from_factory(f"LSH{each}r", "hash")


def measured(index: Index, params: dict[str, int], work: Workload, brute: Index) -> dict:
    """looked_at: the mean number of vectors that a query is compared with; of a scan they are codes, and all."""
    from searchdemo.indexes.hash_index import HashTables

    looked_at = float(index.count)
    if isinstance(index, HashTables):
        looked_at = float(np.mean([len(index.candidates(query, params["probes"])) for query in work.queries]))
    with thread_limit(1):
        found = quality(search_of(index, **params), work, K)
    return {"looked_at": looked_at, "looked_percent": 100 * looked_at / index.count, "size_bytes": index.size_bytes} | {
        "of_brute": times_brute(index, params, brute, work),
        **found,
    }


def times_brute(index: Index, params: dict[str, int], brute: Index, work: Workload) -> float:
    """The time of a query, as a multiple of brute force's: the same queries in rounds in which both take turns."""

    def seconds(index: Index, params: dict[str, int]) -> float:
        started = time.perf_counter()
        for query in work.queries[:TIMED]:
            index.search(query[None], K, **params)
        return time.perf_counter() - started

    with thread_limit(1):
        times = in_turns({"this": lambda: seconds(index, params), "brute": lambda: seconds(brute, {})}, ROUNDS)
    return ratio(times["this"], times["brute"])


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        *columns("method"),
        Column("tables", "tables", fixed(0)),
        Column("bits", "bits", fixed(0)),
        Column("probes", "probes", fixed(0)),
        *columns("recall_10 words_recall_10?"),
        Column("looked_at", "compared with", fixed(0)),
        Column("looked_percent", "% of all", fixed(2)),
        Column("of_brute", "time, × brute", number()),
        *columns("size_bytes"),
    ]
    title = "Hash tables with buckets beside a scan of codes"
    return [table_of(card, "hashing", f"{title}, {vectors_of(card)}", heads, card.parts["hashing"]) for card in cards]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Recall against the share that is compared: one line per number of tables, over bits and probes its best."""
    return {"hashing": plots.panel_per_card(cards, "What buckets find of what they look at", _draw)}


def _draw(ax: plots.Axes, card: RunCard) -> None:
    rows = [row for row in card.parts["hashing"] if row["method"] == "buckets"]
    lines = []
    for number_ in dict.fromkeys(row["tables"] for row in rows):
        best: list[dict] = []  # those that find more than any that look at less
        for row in sorted((row for row in rows if row["tables"] == number_), key=lambda row: row["looked_percent"]):
            if not best or row["recall_10"] > best[-1]["recall_10"]:
                best.append(row)
        line = [row["looked_percent"] for row in best], [row["recall_10"] for row in best]
        lines.append((f"{number_} tables", *line))
    plots.lines(ax, lines)
    ax.set(xscale="log", xlabel="% of the vectors that are compared (log)", ylabel=f"recall@{K}")
    plots.legend(ax)
