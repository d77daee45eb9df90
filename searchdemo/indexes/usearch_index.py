"""USearch: another implementation of HNSW, which searches in a mapped file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from usearch.index import Index as Graph

from searchdemo.files import check_size
from searchdemo.indexes.base import Index, IndexSpec, filled
from searchdemo.types import MISSING, Count


class UsearchIndex(Index):
    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> UsearchIndex:
        n, dim = vectors.shape
        params = dict(spec.build_params)
        dtype, ef_construction = params.get("dtype", "f32"), params["ef_construction"]
        index = Graph(ndim=dim, metric="ip", dtype=dtype, connectivity=params["m"], expansion_add=ef_construction)
        index.add(np.arange(n), vectors)
        return cls(spec, index, (n, dim), index.serialized_length)

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path, vectors: int, dim: int) -> UsearchIndex:
        index = Graph.restore(str(path), view=True)
        if index is None:
            raise ValueError("it is none")
        return cls(spec, index, (len(index), index.ndim))

    def _write(self, path: Path) -> None:
        self.index.save(str(path))
        check_size(path, self.index.serialized_length)

    def _search(self, queries: np.ndarray, k: int, made: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        alone = len(queries) == 1  # which takes longer as a batch
        with self._lock:
            self.index.expansion_search = max(made["ef_search"], k)
            found = self.index.search(queries[0] if alone else queries, k, threads=1)
        if alone:
            return filled([(found.keys, 1 - found.distances)], k)
        there = np.arange(k) < found.counts[:, None]  # beyond, USearch leaves what was in memory
        return np.where(there, found.keys.astype(np.int64), MISSING), 1 - np.where(there, found.distances, np.inf)
