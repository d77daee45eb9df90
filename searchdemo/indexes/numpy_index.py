"""Brute force: one matrix product over all vectors, then the k best. The ground truth, sharing no code with FAISS."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.types import Count

SCORES_AT_ONCE = 6_400_000  # floats of scores held at a time, 26 MB: read again from the cache, not from memory
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
        """Of few, their vectors are compared alone; of many, all, and those that may not be found are left out."""
        rows = np.flatnonzero(only)
        step = max(1, SCORES_AT_ONCE // self.count)
        few = len(rows) < GATHERED * self.count
        vectors = self.index[rows] if few else self.index
        parts = []
        for start in range(0, len(queries), step):
            scores = queries[start : start + step] @ vectors.T
            parts.append(highest(scores if few else scores[:, rows], k))
        columns, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return rows[columns], scores

    def _nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return highest(queries @ self.index.T, k)


def highest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest of each row of scores (q, n), 1 <= k <= n: columns and scores, best first."""
    lowest = np.partition(scores, -k, axis=1)[:, -k]  # of the k best
    return best(scores, [np.flatnonzero(~(row < low)) for row, low in zip(scores, lowest, strict=True)], k)


def best(scores: np.ndarray, kept: Iterable[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest among the kept columns of each row (q, n), best first; equal ones keep the order of their columns.

    kept: columns, ascending, at least k per row.
    """
    found, highest = np.empty((len(scores), k), np.int64), np.empty((len(scores), k), np.float32)
    for number, (row, columns) in enumerate(zip(scores, kept, strict=True)):
        columns = columns[np.argsort(-row[columns], kind="stable")[:k]]
        found[number], highest[number] = columns, row[columns]
    return found, highest
