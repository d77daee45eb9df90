"""One point of a sweep: an index at one setting, measured against the exact answers.

Latency: one query per call, each call another held-out query, after a warm-up. Recall and accuracy: all queries of the
workload, in one call per k.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict
from typing import TypeVar

import numpy as np

from searchdemo.bench.workload import Workload
from searchdemo.collection.knn import evaluate
from searchdemo.collection.scores import rescored
from searchdemo.indexes.base import Index
from searchdemo.indexes.vectors import ArrayVectors
from searchdemo.measure.metrics import Latency, affordable_latency, recall_at_k
from searchdemo.threads import thread_limit
from searchdemo.types import MISSING

REPEATS = 500
KNN_K = 20  # neighbours that vote at each point
RECALL_KS = (1, 10, 100)

Search = Callable[[np.ndarray, int], np.ndarray]  # queries (q, dim), k -> rows (q, k)
Name = TypeVar("Name", bound=Hashable)


def search_of(index: Index, **params: int) -> Search:
    return lambda queries, k: index.search(queries, k, **params).positions


def query_latency(
    search: Search, queries: np.ndarray, k: int = 10, threads: int | None = 1, repeats: int = REPEATS
) -> Latency:
    """The latency of one query per call. Slow indexes get fewer repeats, see affordable_latency."""
    each = itertools.cycle(np.ascontiguousarray(queries[:, None, :]))
    with thread_limit(threads):
        return affordable_latency(lambda: search(next(each), k), repeats, warm_up=20)


def in_turns(contestants: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, list[float]]:
    """The figure of each contestant in each round. They take turns, so a slow moment of the machine hits all alike."""
    figures: dict[Name, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            figures[name].append(measure())
    return figures


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median over the rounds of one figure divided by another of the same round."""
    return statistics.median(one / other for one, other in zip(over, under, strict=True))


def queries_per_second(search: Search, queries: np.ndarray, k: int = 10, threads: int | None = 1) -> float:
    """All queries in one call."""
    with thread_limit(threads):
        search(queries[:8], k)
        started = time.perf_counter()
        search(queries, k)
        return len(queries) / (time.perf_counter() - started)


def quality(search: Search, workload: Workload, *ks: int) -> dict[str, float]:
    """For each k: recall_<k> against the exact answer, and precision_<k> by class.

    precision@k is the share of the returned rows that have the query's class. MISSING counts as wrong.
    """
    figures = {}
    for k in ks:
        rows = search(workload.queries, min(k, len(workload.vectors)))  # beyond that, libraries fill up or fail
        figures[f"recall_{k}"] = recall_at_k(rows, workload.exact(k)[:, : rows.shape[1]])
        labels = np.where(rows == MISSING, -1, workload.labels[rows])
        figures[f"precision_{k}"] = float((labels == workload.truth[:, None]).mean())
    return figures


def knn_top1(search: Search, workload: Workload) -> float:
    """The percentage of queries whose class the weighted vote of KNN_K neighbours names, scored by true cosines."""
    found = search(workload.queries, KNN_K)
    best = rescored(workload.queries, ArrayVectors(workload.vectors), found)
    labels = np.where(best.positions == MISSING, -1, workload.labels[best.positions])
    return evaluate(best.scores, labels, workload.truth, len(workload.label_names), (found.shape[1],))[0].top1


def build_figures(index: Index) -> dict[str, float]:
    return {"size_bytes": index.size_bytes, "build_s": index.load_ms / 1000}


def point(
    index: Index, params: dict[str, int], workload: Workload, threads: int = 1, repeats: int = REPEATS
) -> dict[str, float]:
    """All figures of one index at one setting, with the latency of k = 10."""
    search = search_of(index, **params)
    measured = asdict(query_latency(search, workload.queries, threads=threads, repeats=repeats))
    measured |= quality(search, workload, *RECALL_KS) | {"knn_top1": knn_top1(search, workload)}
    return measured | build_figures(index)
