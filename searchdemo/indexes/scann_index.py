"""ScaNN: a tree of leaves, scores of 4 bits for 2 dimensions (asymmetric hashing), the best scored again."""

from __future__ import annotations

import math
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from scann import scann_ops_pybind as scann

from searchdemo.indexes.base import Index, IndexSpec, filled
from searchdemo.types import MISSING, Count

TRAINING_POINTS = 250_000


class ScannIndex(Index):
    shares = True

    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> ScannIndex:
        n, leaves = len(vectors), dict(spec.build_params)["leaves"]
        leaves = round(math.sqrt(n)) if leaves == "sqrt(n)" else leaves
        builder = scann.builder(vectors, 10, "dot_product")
        builder = builder.tree(leaves, leaves, training_sample_size=min(n, TRAINING_POINTS))
        index = builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100).build()
        return cls(spec, index, vectors.shape)

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path, vectors: int, dim: int) -> ScannIndex:
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as packed:
            names = [name for name in packed.namelist() if not name.endswith(".pkl")]  # which ScaNN would unpickle
            packed.extractall(folder, names)
            index = scann.load_searcher(folder)
        return cls(spec, index, (index.size(), dim))

    def _write(self, path: Path) -> None:
        """ScaNN writes several files: packed into one, as they are."""
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "w") as packed:
            self.index.serialize(folder, relative_path=True)
            for file in sorted(Path(folder).iterdir()):
                packed.write(file, file.name)

    def _search(self, queries: np.ndarray, k: int, made: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        effort = (k, min(made["k_factor"] * k, self.index.size()), made["nprobe"])
        if len(queries) == 1:
            return filled([self.index.search(queries[0], *effort)], k)
        rows, scores = self.index.search_batched(queries, *effort)
        there = ~np.isnan(scores)
        return np.where(there, rows.astype(np.int64), MISSING), np.where(there, scores, -np.inf)
