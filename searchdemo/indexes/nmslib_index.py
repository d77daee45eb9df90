"""NMSLIB: HNSW in the layout that its authors made for speed, which holds the vectors too."""

from __future__ import annotations

from pathlib import Path

import nmslib
import numpy as np

from searchdemo.indexes.base import Index, IndexSpec, filled
from searchdemo.types import Count


class NmslibIndex(Index):
    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> NmslibIndex:
        params = dict(spec.build_params)
        index = empty()
        index.addDataPointBatch(vectors)
        index.createIndex({"M": params["m"], "efConstruction": params["ef_construction"]})
        return cls(spec, index, vectors.shape)

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path, vectors: int, dim: int) -> NmslibIndex:
        index = empty()
        index.loadIndex(str(path), load_data=False)
        return cls(spec, index, (vectors, dim))  # it does not tell its own

    def _write(self, path: Path) -> None:
        self.index.saveIndex(str(path), save_data=False)

    def _search(self, queries: np.ndarray, k: int, made: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            self.index.setQueryTimeParams({"efSearch": max(made["ef_search"], k)})
            if len(queries) == 1:
                found = [self.index.knnQuery(queries[0], k)]
            else:
                found = self.index.knnQueryBatch(queries, k, num_threads=1)
        return filled([(rows, -distances) for rows, distances in found], k)


def empty():
    return nmslib.init(method="hnsw", space="negdotprod")
