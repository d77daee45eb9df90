"""The files of one set of vectors, verified and held open: what a Collection answers from."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from searchdemo.collection.store import VECTORS, Artifact
from searchdemo.indexes.vectors import ArrayVectors, StoredVectors, Vectors, unit
from searchdemo.types import MISSING


@dataclass(frozen=True)
class Snapshot:
    """It stays what it is when another process replaces the files: all of them are open or in memory."""

    identity: Hashable  # two snapshots of equal identity hold the same vectors in the same order
    vectors: Vectors
    rows: np.ndarray | None  # (n,) gallery row of each position; None: they are the same
    queries: np.ndarray  # (q, dim) float32 unit rows, held out
    query_rows: np.ndarray | None  # (q,) which of the gallery's queries each one is; None: they are the same

    @classmethod
    def load(cls, artifact: Artifact) -> Snapshot:
        """Raises BadArtifact when a file is missing or damaged."""

        def array(name: str) -> np.ndarray | None:
            return np.load(artifact.file(name)) if artifact.has(name) else None

        vectors = StoredVectors(artifact.file(VECTORS))
        queries = array("queries.npy")
        if queries is None:
            queries = np.empty((0, vectors.dim), np.float32)
        queries = unit(queries.astype(np.float32))  # half floats are off by 1e-4
        queries.flags.writeable = False
        return cls(artifact.vectors_sha256, vectors, array("rows.npy"), queries, array("query_rows.npy"))

    def part(self, size: int) -> Snapshot:
        """The first `size` positions of a fixed shuffle; the held-out queries stay the same."""
        chosen = np.random.default_rng(0).permutation(len(self.vectors))[:size]
        vectors = ArrayVectors(self.vectors.all()[chosen])
        return Snapshot((self.identity, size), vectors, self.gallery_rows(chosen), self.queries, self.query_rows)

    def gallery_rows(self, positions: np.ndarray) -> np.ndarray:
        """Positions among the vectors -> rows of the gallery, of the same shape; MISSING stays."""
        return positions if self.rows is None else np.where(positions < 0, MISSING, self.rows[positions])
