"""One point of a sweep: an index at one setting, measured against the exact answers.

Latency: one query a call, each call another held-out query, after a warm-up. Recall and accuracy: all queries of the
workload, in one call a k.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np

from searchdemo.bench.workload import Workload
from searchdemo.collection.accuracy import rescored
from searchdemo.collection.knn import TEMPERATURE, evaluate
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import find
from searchdemo.measure.metrics import Latency, affordable_latency, recall_at_k
from searchdemo.measure.threads import thread_limit
from searchdemo.types import MISSING

REPEATS = 500
KNN_K = 20  # neighbours that vote at each point
RECALL_KS = (1, 10, 100)

Search = Callable[[np.ndarray, int], np.ndarray]  # queries (q, dim), k -> rows (q, k)


spec = from_factory


def timed_build(entry: IndexSpec | str, vectors: np.ndarray, metric: str = "ip") -> tuple[Index, float]:
    """An index over (n, dim) unit rows, and the seconds of training and adding."""
    index = (find(entry) if isinstance(entry, str) else entry).build(vectors, metric)
    return index, index.load_ms / 1000


def search_of(index: Index, **params: int) -> Search:
    return lambda queries, k: index.search(queries, k, **params).rows


def query_latency(
    search: Search, queries: np.ndarray, k: int = 10, threads: int | None = 1, repeats: int = REPEATS
) -> Latency:
    """Of one query a call. Slow indexes get fewer repeats, see affordable_latency."""
    each = itertools.cycle(np.ascontiguousarray(queries[:, None, :]))
    with thread_limit(threads):
        return affordable_latency(lambda: search(next(each), k), repeats, warm_up=20)


def queries_per_second(search: Search, queries: np.ndarray, k: int = 10, threads: int | None = 1) -> float:
    """All queries in one call."""
    with thread_limit(threads):
        search(queries[:8], k)
        started = time.perf_counter()
        search(queries, k)
        return len(queries) / (time.perf_counter() - started)


def quality(search: Search, workload: Workload, ks: Sequence[int] = RECALL_KS, knn: bool = True) -> dict[str, float]:
    """recall_<k> against the exact answer, precision_<k> by class, and knn_top1 (weighted, k = KNN_K) in percent.

    precision@k: the share of what is returned that has the query's class; MISSING counts as wrong.
    """
    figures = {}
    for k in ks:
        rows = search(workload.queries, min(k, len(workload.vectors)))  # libraries may fill up, or fail, beyond
        figures[f"recall_{k}"] = recall_at_k(rows, workload.exact(k)[:, : rows.shape[1]])
        labels = np.where(rows == MISSING, -1, workload.labels[rows])
        figures[f"precision_{k}"] = float((labels == workload.truth[:, None]).mean())
    if knn:
        figures["knn_top1"] = knn_top1(search(workload.queries, KNN_K), workload)
    return figures


def knn_top1(rows: np.ndarray, workload: Workload, temperature: float = TEMPERATURE) -> float:
    """Percent of the queries whose class the weighted vote of these rows (q, k) names, scored by true cosines."""
    cosines, rows = rescored(workload.queries, workload.vectors, rows)
    labels = np.where(rows == MISSING, -1, workload.labels[rows])
    k, classes = rows.shape[1], len(workload.label_names)
    return evaluate(cosines, labels, workload.truth, classes, (k,), temperature)[0].top1


def latency_figures(measured: Latency) -> dict[str, float]:
    return {name: getattr(measured, name) for name in ("p50_ms", "p95_ms", "p99_ms", "repeats")}


def point(index: Index, params: dict[str, int], workload: Workload, **options) -> dict[str, float]:
    """Latency (k = 10, options of query_latency) and quality of one index at one setting."""
    search = search_of(index, **params)
    measured = query_latency(search, workload.queries, **options)
    return latency_figures(measured) | quality(search, workload) | {"size_bytes": index.size_bytes}
