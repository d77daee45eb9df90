"""scikit-learn's trees: exact, and in so many dimensions slower than brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import BallTree, KDTree

from searchdemo.indexes.base import Index, IndexSpec, cosines
from searchdemo.types import Count

TREES = {"kd-tree": KDTree, "ball-tree": BallTree}


class TreeIndex(Index):
    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> TreeIndex:
        tree = TREES[spec.name](vectors, **dict(spec.build_params))
        return cls(spec, tree, vectors.shape, sum(np.asarray(part).nbytes for part in tree.get_arrays()))

    def _search(self, queries: np.ndarray, k: int, made: Any) -> tuple[np.ndarray, np.ndarray]:
        distances, rows = self.index.query(queries, k)
        return rows, cosines(np.square(distances)).astype(np.float32)
