"""Locality-sensitive hashing with buckets: hash tables over the signs of random projections, several probes in each.

A vector's key in a table is the signs of its products with the table's random directions (Charikar 2002). A query looks
at its own bucket in each table and at those whose keys differ from its own where its products are nearest to zero
(Lv et al. 2007, multi-probe). What it finds there is compared in full.

It is our own because no library of it is kept up: FAISS scans all codes one after the other (`lsh`), and those with
buckets (FALCONN, NearPy) have had no release for years.
"""

from __future__ import annotations

import functools
import math
from itertools import product
from typing import Any

import numpy as np

from searchdemo.indexes.base import Index, IndexSpec, filled
from searchdemo.indexes.numpy_index import highest
from searchdemo.types import Count

PER_BUCKET = 24  # vectors that a bucket would hold if all buckets held as many: this sets the number of bits
FLIPPED = 10  # of a key's bits, those nearest to flip, so that a table has at most 2^10 probes
SEED = 0


def usual_bits(vectors: int) -> int:
    return max(1, round(math.log2(max(2.0, vectors / PER_BUCKET))))


@functools.cache
def subsets(of: int) -> np.ndarray:
    """(2^of, of) float32, 1 for what is in the subset; the first is empty."""
    return np.array([*product((0, 1), repeat=of)], np.float32)


class HashTables(Index):
    filters = True

    def __init__(self, spec: IndexSpec, vectors: np.ndarray, tables: int, bits: int, seed: int):
        """vectors: (n, dim) float32 unit rows, kept, not copied. bits: of a key, 62 at most."""
        drawn = np.random.default_rng(seed).standard_normal((tables, bits, vectors.shape[1]), dtype=np.float32)
        self._directions = drawn
        self._powers = 2 ** np.arange(bits, dtype=np.int64)
        keys = np.stack([(vectors @ table.T > 0) @ self._powers for table in drawn])
        self._order = np.argsort(keys, axis=1, kind="stable").astype(np.int32)
        self._keys = np.take_along_axis(keys, self._order, axis=1)
        size = vectors.nbytes + drawn.nbytes + self._order.nbytes + self._keys.nbytes
        super().__init__(spec, vectors, vectors.shape, size, f"{tables} tables of {bits} bits")

    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> HashTables:
        build = dict(spec.build_params)
        bits = build["bits"] if isinstance(build["bits"], int) else usual_bits(len(vectors))
        return cls(spec, vectors, build["tables"], bits, build.get("seed", SEED))

    def candidates(self, query: np.ndarray, probes: int) -> np.ndarray:
        """The positions (m,) that a query (dim,) looks at, ascending."""
        products = self._directions @ query
        keys = ((products > 0) @ self._powers)[:, None]
        if flipped := min(
            len(self._powers), FLIPPED, probes - 1
        ):  # the nearest T keys differ in the T - 1 nearest bits
            near = np.argsort(np.abs(products), axis=1)[:, :flipped]
            costs = np.take_along_axis(products, near, axis=1) ** 2 @ subsets(flipped).T  # (tables, 2^flipped)
            chosen = np.argsort(costs, axis=1, kind="stable")[:, :probes]
            # Each bit is flipped once at most: the sum of their powers is the number of all of them.
            keys = keys ^ np.take_along_axis(self._powers[near] @ subsets(flipped).T.astype(np.int64), chosen, axis=1)
        looked_at = np.zeros(self.count, dtype=bool)
        for sorted_keys, order, wanted in zip(self._keys, self._order, keys, strict=True):
            first, last = (np.searchsorted(sorted_keys, wanted, side) for side in ("left", "right"))
            for start, stop in zip(first.tolist(), last.tolist(), strict=True):
                looked_at[order[start:stop]] = True
        return np.flatnonzero(looked_at)

    def _search(self, queries: np.ndarray, k: int, made: Any) -> tuple[np.ndarray, np.ndarray]:
        return filled([self._nearest(query, k, self.candidates(query, made["probes"])) for query in queries], k)

    def _search_among(self, queries: np.ndarray, k: int, made: Any, only: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        looked_at = (self.candidates(query, made["probes"]) for query in queries)
        found = (self._nearest(query, k, rows[only[rows]]) for query, rows in zip(queries, looked_at, strict=True))
        return filled([*found], k)

    def _nearest(self, query: np.ndarray, k: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(rows):
            return rows, np.empty(0, np.float32)
        columns, scores = highest(query[None] @ self.index[rows].T, min(k, len(rows)))
        return rows[columns[0]], scores[0]
