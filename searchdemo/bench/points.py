"""One point of a sweep: an index at one setting, measured against the exact answers.

Latency: one query per call, each call another held-out query, after a warm-up. Recall and accuracy: all queries of the
workload, in one call per k. The vote of neighbours: all queries that Votes was given.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np

from searchdemo.bench.by_class import same_class
from searchdemo.bench.workload import Workload
from searchdemo.collection.knn import TEMPERATURE, ranked_classes, rightly, vote_weights
from searchdemo.collection.scores import rescored
from searchdemo.indexes.base import Index
from searchdemo.indexes.vectors import ArrayVectors
from searchdemo.measure.metrics import Latency, affordable_latency, recall_at_k
from searchdemo.threads import thread_limit
from searchdemo.types import MISSING

REPEATS = 500
KNN_K = 20  # neighbours that vote at each point
RECALL_KS = (1, 10, 100)
Z_95 = 1.959964  # standard errors on each side of a 95 % interval

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
    """For each k: recall_<k> against the exact answer, and precision_<k> by class, where there are labels.

    precision@k is the share of the returned rows that have a class of the query's. MISSING counts as wrong. Where the
    workload has words, words_recall_<k> is the recall of them as queries.
    """
    figures = {}
    for k in ks:
        rows = search(workload.queries, min(k, len(workload.vectors)))  # beyond that, libraries fill up or fail
        figures[f"recall_{k}"] = recall_at_k(rows, workload.exact(k)[:, : rows.shape[1]])
        if workload.labelled:
            known = workload.truth >= 0
            same = same_class(labels_of(workload, rows[known]), workload.every_label()[1][known])
            figures[f"precision_{k}"] = float(same.mean())
        if workload.words is not None:
            by_words = search(workload.words, min(k, len(workload.vectors)))
            figures[f"words_recall_{k}"] = recall_at_k(by_words, workload.exact_words(k)[:, : by_words.shape[1]])
    return figures


def labels_of(workload: Workload, rows: np.ndarray) -> np.ndarray:
    """All labels of rows (q, k): (q, k, L), -1 for none and where a row is MISSING."""
    return np.where(rows[:, :, None] == MISSING, -1, workload.every_label()[0][rows])


class Votes:
    """kNN accuracy of searches over all queries of a workload, paired with that of the exact answer."""

    def __init__(self, workload: Workload):
        self.labelled = workload.labelled
        self.workload = workload.of_labelled() if self.labelled else workload
        self.exact = self._right(self.workload.exact(KNN_K)) if self.labelled else np.zeros(0, bool)

    def of(self, search: Search) -> dict[str, float | None]:
        """knn_top1: the percentage of queries whose class the weighted vote of KNN_K neighbours names, scored by true
        cosines. knn_lost, knn_gained: the queries that only the exact answer, and only this search, names rightly.

        Without labels knn_top1 is None, and nothing else is told."""
        if not self.labelled:
            return {"knn_top1": None}
        right = self._right(search(self.workload.queries, KNN_K))
        return {
            "knn_top1": 100 * float(right.mean()),
            "knn_queries": len(right),
            "knn_lost": int((self.exact & ~right).sum()),
            "knn_gained": int((right & ~self.exact).sum()),
        }

    def _right(self, found: np.ndarray) -> np.ndarray:
        """(q, k) positions -> (q,) whether the vote names a class of the query's."""
        work = self.workload
        best = rescored(work.queries, ArrayVectors(work.vectors), found)
        labels = labels_of(work, best.positions)
        guesses = ranked_classes(vote_weights(best.scores, TEMPERATURE), labels, len(work.label_names))
        return rightly(guesses[:, :1], work.every_label()[1])[:, 0]


@dataclass(frozen=True)
class Difference:
    """Of two accuracies over the same queries, in points of percent, with a 95 % interval."""

    points: float
    margin: float  # half of the interval

    @property
    def significant(self) -> bool:
        return abs(self.points) > self.margin

    @property
    def interval(self) -> str:
        """ "-1.09 to -0.31"."""
        return f"{self.points - self.margin:+.2f} to {self.points + self.margin:+.2f}"


def paired_difference(lost: int, gained: int, queries: int) -> Difference:
    """The accuracy that changes when `lost` of the queries go from right to wrong and `gained` from wrong to right.

    Its variance is that of a mean of -1, 0 and 1 (McNemar 1947): queries on which both agree add none, so it is
    far smaller than that of two accuracies over different queries.
    """
    spread = math.sqrt(max(0.0, lost + gained - (gained - lost) ** 2 / queries))
    return Difference(100 * (gained - lost) / queries, 100 * Z_95 * spread / queries)


def build_figures(index: Index) -> dict[str, float]:
    return {"size_bytes": index.size_bytes, "build_s": index.load_ms / 1000}


def point(
    index: Index,
    params: dict[str, int],
    workload: Workload,
    threads: int = 1,
    repeats: int = REPEATS,
    votes: Votes | None = None,
) -> dict[str, float | None]:
    """All figures of one index at one setting, with the latency of k = 10. votes: by default over the workload."""
    search = search_of(index, **params)
    measured: dict[str, float | None] = asdict(
        query_latency(search, workload.queries, threads=threads, repeats=repeats)
    )
    measured |= quality(search, workload, *RECALL_KS) | (votes or Votes(workload)).of(search)
    return measured | build_figures(index)
