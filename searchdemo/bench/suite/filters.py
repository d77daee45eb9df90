"""The price of a filter: exact search among the allowed, filtering afterwards, and a selector, by selectivity.

pre-filter   the vectors of the allowed pictures are copied out and compared with the query: exact, no index
post-filter  the index is asked for more, and the rest is left out; again for more where that was too few
selector     the index is told what it may find, and leaves the rest out while it searches
raised       the same with the effort divided by the share that is allowed: as many of the allowed are looked at

On the command line and in documents this benchmark is called `filter`. The allowed pictures are given; which ones meet
a filter is asked of the database once and kept. Recall is against exact search among the same pictures.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.points import Search, in_turns, query_latency
from searchdemo.bench.tables import Column, Table, columns, number, table_of, vectors_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.indexes.among import filtered_afterwards
from searchdemo.indexes.base import EF_SEARCH, Index
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.metrics import recall_at_k

K = 10
QUERIES, QUICK_QUERIES = 100, 100
SHARES = (0.001, 0.01, 0.1, 0.3, 1.0)
QUICK_SHARES = (0.001, 0.01, 0.1, 1.0)
ROUNDS, REPEATS = 3, 20  # of timing; contestants take turns
SEARCHED = ("ivf", "hnsw")
PRE, POST, SELECTOR, RAISED = "pre-filter", "post-filter", "selector", "selector, raised"


def run(bench: Bench) -> Figures:
    """With `quick`: pictures at random alone, fewer shares and queries, one round."""
    work = bench.workload().part(None, QUICK_QUERIES if bench.quick else QUERIES, bench.seed)
    exact = INDEXES["brute"].build(work.vectors)
    indexes = []
    for done, name in enumerate(SEARCHED):
        bench.tell(f"building {name}", done, len(SEARCHED))
        indexes.append(INDEXES[name].build(work.vectors))
    kinds = {"at random": at_random} if bench.quick else {"at random": at_random, "whole classes": whole_classes}
    if not work.labelled:
        kinds.pop("whole classes", None)
    n = len(work.vectors)
    sizes = dict.fromkeys(max(1, round(share * n)) for share in (QUICK_SHARES if bench.quick else SHARES))
    plan = [(kind, size) for kind in kinds for size in sizes]  # of few pictures, small shares are the same picture
    points: list[dict] = []
    for done, (kind, size) in enumerate(plan):
        bench.tell(f"{size:,} of {n:,} pictures, {kind}", done, len(plan))
        only = kinds[kind](work, size, bench.seed)
        facts = {"allowed": kind, "allowed_percent": 100 * size / n, "pictures": size}
        points += [facts | row for row in contested(exact, indexes, work, only, 1 if bench.quick else ROUNDS)]
    settings: dict[str, object] = {"k": K, "rounds": 1 if bench.quick else ROUNDS, "timed_threads": 1}
    settings |= {"defaults": {index.spec.name: {p.name: p.default for p in index.spec.params} for index in indexes}}
    return Figures(work.subject, {"points": points}, settings)


def at_random(work: Workload, size: int, seed: int) -> np.ndarray:
    """(n,) bool: so many pictures; they lie anywhere."""
    return _first(np.random.default_rng(seed).permutation(len(work.vectors)), size)


def whole_classes(work: Workload, size: int, seed: int) -> np.ndarray:
    """(n,) bool: as `at_random`, but one class after the other, so that they lie together, and mostly far from a query.

    The last class is taken in part; pictures without a label come last.
    """
    turn = np.random.default_rng(seed).permutation(len(work.label_names))
    return _first(np.argsort(np.append(turn, len(turn))[work.labels], kind="stable"), size)


def _first(order: np.ndarray, size: int) -> np.ndarray:
    only = np.zeros(len(order), dtype=bool)
    only[order[:size]] = True
    return only


def ways(exact: Index, indexes: Sequence[Index], only: np.ndarray) -> dict[tuple[str, str], Search]:
    """(method, index) -> the search among `only` (n,)."""
    found: dict[tuple[str, str], Search] = {(PRE, ""): among(exact, only)}
    for index in indexes:
        found[POST, index.spec.name] = afterwards(index, only)
        found[SELECTOR, index.spec.name] = among(index, only)
        if (more := raised(index, only)) != raised(index, np.ones_like(only)):
            found[RAISED, index.spec.name] = among(index, only, **more)
    return found


def among(index: Index, only: np.ndarray, **params: int) -> Search:
    return lambda queries, k: index.search(queries, k, only, **params).positions


def raised(index: Index, only: np.ndarray) -> dict[str, int]:
    """The usual search parameters divided by the share that is allowed, as far as their bounds go."""
    share = float(only.mean())
    return {param.name: min(round(param.default / share), param.maximum) for param in index.spec.params}


def afterwards(index: Index, only: np.ndarray) -> Search:
    """FAISS's graph finds no more than it keeps candidates, so these grow with what is asked for."""
    graph = EF_SEARCH in index.spec.params

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        effort = {EF_SEARCH.name: min(max(EF_SEARCH.default, k), EF_SEARCH.maximum)} if graph else {}
        found = index.search(queries, k, **effort)
        return found.positions, found.scores

    return lambda queries, k: filtered_afterwards(search, queries, min(k, int(only.sum())), only)[0]


def contested(exact: Index, indexes: Sequence[Index], work: Workload, only: np.ndarray, rounds: int) -> list[dict]:
    """One row per way: recall@10, the median over the rounds of the median of one query, and its ratio to pre-filter.

    The ways take turns, so a slow moment of the machine hits all alike.
    """
    searches = ways(exact, indexes, only)
    truth = searches[PRE, ""](work.queries, K)

    def timed(search: Search) -> Callable[[], float]:
        return lambda: query_latency(search, work.queries, K, repeats=REPEATS).p50_ms

    times = in_turns({way: timed(search) for way, search in searches.items()}, rounds)
    rows = []
    for (method, index), search in searches.items():
        ms = times[method, index]
        ratios = [one / other for one, other in zip(times[PRE, ""], ms, strict=True)]
        rows.append(
            {
                "method": method,
                "index": index or "exact",
                "recall_10": recall_at_k(search(work.queries, K), truth),
                "p50_ms": statistics.median(ms),
                "of_pre_filter": statistics.median(ratios),
            }
        )
    return rows


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        Column("allowed", "allowed"),
        Column("allowed_percent", "%", number()),
        *columns("method index recall_10 p50_ms"),
        Column("of_pre_filter", "× as fast as pre-filter", number()),
    ]
    title = "Search among some of {}, k = {}, each index with its usual parameters but where raised"
    return [
        table_of(card, "filter", title.format(vectors_of(card), card.settings["k"]), heads, card.parts["points"])
        for card in cards
    ]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """From the first card: recall and ms against selectivity, a row of panels for each kind of allowed pictures."""
    card, drawn = cards[0], {}
    for kind in dict.fromkeys(row["allowed"] for row in card.parts["points"]):
        rows = [row for row in card.parts["points"] if row["allowed"] == kind]
        title = f"Search among some of {vectors_of(card)}: pictures {kind}"
        figure, (recall, ms) = plots.panels(2, title, card.source)
        series = dict.fromkeys((row["method"], row["index"]) for row in rows)
        for ax, key, label in ((recall, "recall_10", "recall@10"), (ms, "p50_ms", "p50 ms, one query (log)")):
            curves = []
            for method, index in series:
                points = [row for row in rows if (row["method"], row["index"]) == (method, index)]
                curves.append((f"{method}, {index}", [p["allowed_percent"] for p in points], [p[key] for p in points]))
            plots.lines(ax, curves)
            ax.set(xscale="log", xlabel="allowed pictures, % (log)", ylabel=label)
        ms.set_yscale("log")
        plots.legend(ms)
        drawn["filter" if kind == "at random" else "filter-classes"] = figure
    return drawn
