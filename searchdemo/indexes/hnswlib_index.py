"""hnswlib: the graph by the authors of HNSW."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np

from searchdemo.files import check_size
from searchdemo.indexes.base import Index, IndexSpec, filled
from searchdemo.types import Count

PART = 10_000  # vectors between two signs of progress


class HnswlibIndex(Index):
    filters = True

    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> HnswlibIndex:
        params = dict(spec.build_params)
        index = hnswlib.Index("ip", vectors.shape[1])
        index.init_index(len(vectors), M=params["m"], ef_construction=params["ef_construction"], random_seed=0)
        for start in range(0, len(vectors), PART):
            progress(start, len(vectors))
            index.add_items(vectors[start : start + PART], np.arange(start, min(start + PART, len(vectors))))
        return cls(spec, index, vectors.shape, index.index_file_size())

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path, vectors: int, dim: int) -> HnswlibIndex:
        index = hnswlib.Index("ip", dim)
        index.load_index(str(path))
        return cls(spec, index, (index.element_count, dim))

    def _write(self, path: Path) -> None:
        self.index.save_index(str(path))
        check_size(path, self.index.index_file_size())

    def _search(self, queries: np.ndarray, k: int, made: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        return self._asked(queries, k, made)

    def _search_among(self, queries: np.ndarray, k: int, made: Any, only: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._asked(queries, k, made, only.tolist().__getitem__)

    def _asked(
        self, queries: np.ndarray, k: int, made: dict[str, int], allows: Callable[[int], bool] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """allows: whether a position may be found; hnswlib asks it for each that it meets."""
        with self._lock:
            self.index.set_ef(max(made["ef_search"], k))
            try:
                rows, distances = self.index.knn_query(queries, k, num_threads=1, filter=allows)
            except RuntimeError:  # the walk of one query reached fewer than k
                return filled([self._reached(query, k, allows) for query in queries], k)
        return rows.astype(np.int64), 1 - distances

    def _reached(
        self, query: np.ndarray, k: int, allows: Callable[[int], bool] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The most that a query finds: hnswlib answers with as many as asked for, or not at all."""
        rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        fails = k + 1
        while fails - len(rows) > 1:
            asked = (len(rows) + fails) // 2
            try:
                found, distances = self.index.knn_query(query, asked, num_threads=1, filter=allows)
            except RuntimeError:
                fails = asked
            else:
                rows, scores = found[0], 1 - distances[0]
        return rows, scores
