"""Brute force: one matrix product over all vectors, then the k best. The ground truth, sharing no code with FAISS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.types import Count

SCORES_AT_ONCE = 6_400_000  # floats of scores held at a time, 26 MB: read again from the cache, not from memory
BLOCK = 32  # scores of which only the maximum is looked at first
GATHERED = 0.25  # of the vectors: a smaller part is copied out before it is compared


class Brute(Index):
    filters = True

    def __init__(self, spec: IndexSpec, vectors: np.ndarray):
        """vectors: (n, dim) float32 unit rows, kept, not copied."""
        super().__init__(spec, vectors, vectors.shape, vectors.nbytes, "NumPy")

    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> Brute:
        return cls(spec, vectors)

    def _search(self, queries: np.ndarray, k: int, made: Any) -> tuple[np.ndarray, np.ndarray]:
        step = max(1, SCORES_AT_ONCE // self.count)
        parts = [self._nearest(queries[start : start + step], k) for start in range(0, len(queries), step)]
        rows, scores = zip(*parts, strict=True)
        return np.concatenate(rows), np.concatenate(scores)

    def _search_among(self, queries: np.ndarray, k: int, made: Any, only: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of few, their vectors are compared alone; of many, all, and those that may not be found come last."""
        few = np.count_nonzero(only) < GATHERED * self.count
        rows = np.flatnonzero(only) if few else None
        vectors = self.index if rows is None else self.index[rows]
        left_out = np.flatnonzero(~only) if rows is None else ()
        step, parts = max(1, SCORES_AT_ONCE // self.count), []
        for start in range(0, len(queries), step):
            scores = queries[start : start + step] @ vectors.T
            if rows is None:
                scores[:, left_out] = -np.inf
            parts.append(highest(scores, k))
        columns, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return columns if rows is None else rows[columns], scores

    def _nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return highest(queries @ self.index.T, k)


def highest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest of each row of scores (q, n), 1 <= k <= n: columns and scores, best first."""
    return best(scores, candidates(scores, k), k)


def best(scores: np.ndarray, kept: Iterable[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest among the kept columns of each row (q, n), best first; equal ones keep the order of their columns.

    kept: columns, ascending, at least k per row.
    """
    found, highest = np.empty((len(scores), k), np.int64), np.empty((len(scores), k), np.float32)
    for number, (row, columns) in enumerate(zip(scores, kept, strict=True)):
        columns = columns[np.argsort(-row[columns], kind="stable")[:k]]
        found[number], highest[number] = columns, row[columns]
    return found, highest


def candidates(scores: np.ndarray, k: int, error: float = 0.0) -> Iterator[np.ndarray]:
    """Of each row of scores (q, n): columns, ascending, the k highest among them, 1 <= k <= n.

    error: how far a score may be from the true one; the columns of the k highest true scores are among those returned.

    The k-th highest of the maxima of disjoint blocks is a threshold that k scores or more reach, so only the blocks
    whose maximum reaches it are looked into: a third of the time of a partition (n = 100,000, k = 10).
    """
    n = scores.shape[1]
    width = min(BLOCK, max(1, n // (4 * k)))  # several times as many blocks as wanted, or most of them would be kept
    blocks = n // width
    # Columns j, j + blocks, j + 2 blocks ... are block j: a maximum over axis 1 goes through memory in order.
    starts = np.arange(0, width * blocks, blocks)[:, None]
    rest = np.arange(width * blocks, n)  # fewer than a block
    maxima = scores[:, : width * blocks].reshape(-1, width, blocks).max(axis=1)
    thresholds = np.partition(maxima, blocks - k, axis=1)[:, blocks - k] - 2 * error
    for row, highest, threshold in zip(scores, maxima, thresholds, strict=True):
        columns = np.append(starts + np.flatnonzero(~(highest < threshold)), rest)
        yield columns[~(row[columns] < threshold)]  # not >=, which a NaN would fail
