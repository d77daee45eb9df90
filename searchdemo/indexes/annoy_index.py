"""Annoy: trees of random planes between vectors, searched in a mapped file."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

import annoy
import numpy as np

from searchdemo.indexes.base import Index, IndexSpec, cosines, filled
from searchdemo.types import Count


class AnnoyIndex(Index):
    """Annoy closes its index when it saves it, under the readers: so one that is built lives in a file at once."""

    add_s = 0.0  # of a build: what handing over the vectors took, before any tree was made

    def __init__(self, spec: IndexSpec, index: annoy.AnnoyIndex, file: BinaryIO):
        """file: the one that the index has mapped, which may have lost its name."""
        super().__init__(spec, index, (index.get_n_items(), index.f), os.fstat(file.fileno()).st_size)
        self._file = file

    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> AnnoyIndex:
        index = annoy.AnnoyIndex(vectors.shape[1], "angular")
        index.set_seed(1)
        started = time.perf_counter()
        for row, vector in enumerate(vectors.tolist()):
            index.add_item(row, vector)
        add_s = time.perf_counter() - started
        index.build(dict(spec.build_params)["trees"])
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows keeps what is open
            path = Path(folder) / "index"
            index.save(str(path))
            built = cls(spec, index, path.open("rb"))
        built.add_s = add_s
        return built

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path, vectors: int, dim: int) -> AnnoyIndex:
        index = annoy.AnnoyIndex(dim, "angular")
        index.load(str(path))
        return cls(spec, index, path.open("rb"))

    def _write(self, path: Path) -> None:
        with self._lock, path.open("wb") as copy:
            self._file.seek(0)
            shutil.copyfileobj(self._file, copy)

    def _search(self, queries: np.ndarray, k: int, made: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        search_k = made["search_k"]
        found = (self.index.get_nns_by_vector(query, k, search_k, True) for query in queries.tolist())
        # "angular" is the Euclidean distance between unit rows.
        return filled([(rows, cosines(np.square(distances))) for rows, distances in found], k)
