"""The vectors that indexes are made from. One `IVF...,SQfp16` file holds them: half floats, once, read by position.

recall@10 of an exact search over half floats against float32 is above 0.99 (a test holds it), and the file is the
prebuilt inverted-file index at the same time.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from searchdemo.indexes.base import IndexSpec

if TYPE_CHECKING:
    from searchdemo.indexes.byte_index import ByteIndex
    from searchdemo.indexes.faiss_index import FaissIndex


DECODE_ALL = 0.25  # where more than this share of the vectors is asked for, all are decoded, once
AT_ONCE = 8192  # vectors that are decoded at a time where not all are kept
MOST_BYTES = 256_000_000  # that may be kept for a first look: 2,000,000 vectors of 128 numbers


class Vectors(ABC):
    """Unit rows by position. Safe for concurrent readers. One that has several at a position is in tiled.py."""

    dim: int
    each: int = 1  # rows at a position

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, positions: np.ndarray) -> np.ndarray:
        """Positions of any shape (...) -> (..., dim) float32 unit rows."""

    @abstractmethod
    def all(self) -> np.ndarray:
        """(n, dim) float32 unit rows, read only."""

    @property
    def flat(self) -> Vectors:
        """With one row at a position, as an index holds them."""
        return self

    def part(self, positions: np.ndarray) -> Vectors:
        """Those at some positions (m,), in memory."""
        return ArrayVectors(self.all()[positions])

    def scores(self, queries: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """(q, k) cosines of queries (q, dim) with what lies at positions (q, k), the best of several."""
        # Not a matrix product: BLAS may round the products of equal rows differently.
        return np.einsum("qd,qkd->qk", queries, self.take(positions))

    def best(self, query: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """(m,) which of the rows at each position (m,) is nearest to a query (dim,), from 0."""
        return np.zeros(len(positions), np.int64)

    def nearest(self, query: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """(m, dim) that row."""
        return self.take(positions)


class ArrayVectors(Vectors):
    """Vectors in memory, as a part of a gallery has them."""

    def __init__(self, rows: np.ndarray):
        """rows: (n, dim) float32 unit rows, kept, not copied."""
        self._rows = rows.view()
        self._rows.flags.writeable = False
        self.dim: int = rows.shape[1]

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, positions: np.ndarray) -> np.ndarray:
        return self._rows[positions]

    def all(self) -> np.ndarray:
        return self._rows


class StoredVectors(Vectors):
    """Vectors in a mapped file, decoded to float32 on the way out."""

    def __init__(self, path: Path):
        """path: a verified `IVF...,SQfp16` file; it is mapped, not read. Raises BadArtifact."""
        import faiss

        from searchdemo.indexes.faiss_index import read

        started = time.perf_counter()
        self._owner = read(path)  # downcast_index returns a view that does not keep its index alive
        self._load_ms = (time.perf_counter() - started) * 1000
        self._index = faiss.downcast_index(self._owner)
        self._index.make_direct_map()
        self._file_bytes = path.stat().st_size
        self.dim: int = self._index.d
        self._all: np.ndarray | None = None
        self._bytes: ByteIndex | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._index.ntotal

    def take(self, positions: np.ndarray) -> np.ndarray:
        if positions.size > DECODE_ALL * len(self):
            return self.all()[positions]
        rows = self._index.reconstruct_batch(np.ascontiguousarray(positions.ravel(), dtype=np.int64))
        return unit(rows).reshape(*positions.shape, self.dim)  # half floats are off by 1e-4

    def all(self) -> np.ndarray:
        """Decoded once and kept: brute force and flat search these very bytes."""
        with self._lock:
            if self._all is None:
                rows = unit(self._index.reconstruct_n(0, len(self)))
                rows.flags.writeable = False
                self._all = rows
            return self._all

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows, (m, dim) float32 at a time, which are not kept."""
        for start in range(0, len(self), AT_ONCE):
            yield unit(self._index.reconstruct_n(start, min(AT_ONCE, len(self) - start)))

    def as_bytes(self) -> ByteIndex | None:
        """For a first look at all of them, made once and kept: one byte per number. None where that is too many."""
        if len(self) * self.dim > MOST_BYTES:
            return None
        with self._lock:
            if self._bytes is None:
                from searchdemo.indexes.byte_index import ByteIndex

                self._bytes = ByteIndex(self.blocks, self.dim)
            return self._bytes

    def as_index(self, spec: IndexSpec) -> FaissIndex:
        """The inverted file that they lie in, as the index `ivf`: searched in the same map, not opened again."""
        from searchdemo.indexes.faiss_index import FaissIndex

        index = FaissIndex(spec, self._owner, self._file_bytes)
        index.load_ms = self._load_ms
        return index


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows (n, dim) at length 1, changed in place. A row of zeros, which has no direction, stays one."""
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows
