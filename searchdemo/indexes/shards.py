"""One index split into shards whose answers are merged: what several machines, or several threads, would do."""

from __future__ import annotations

import functools

import numpy as np

from searchdemo.indexes.base import IndexSpec, params_of
from searchdemo.indexes.faiss_index import build, parameters_for
from searchdemo.types import Neighbors


def shards(spec: IndexSpec, vectors: np.ndarray, number: int) -> list:
    """FAISS indexes over `number` equal runs of the unit rows (n, dim). Raises BadQuery when a run is too short."""
    return [build(spec, part) for part in np.array_split(vectors, number)]


class ShardedIndex:
    """FAISS's IndexShards: positions are those of the whole.

    Every shard is asked with the same parameters and k, so an inverted file visits nprobe cells in each of them.
    """

    def __init__(self, spec: IndexSpec, parts: list, threaded: bool):
        """parts: of shards(). threaded: a thread a shard, else one shard after the other."""
        import faiss

        self.spec, self._parts, self.load_ms = spec, parts, 0.0
        self._whole = faiss.IndexShards(parts[0].d, threaded, True)  # True: positions go on from shard to shard
        for part in parts:
            self._whole.add_shard(part)
        first = parts[0]
        known = params_of(spec.factory(first.ntotal, first.d))
        self._parameters = functools.lru_cache(functools.partial(parameters_for, spec.name, known, first))

    @property
    def size_bytes(self) -> int:
        import faiss

        return sum(len(faiss.serialize_index(part)) for part in self._parts)

    def search(self, queries: np.ndarray, k: int, **params: int) -> Neighbors:
        """Scores are the shards' own, as FAISS returns them."""
        k = min(k, self._whole.ntotal)
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        scores, positions = self._whole.search(queries, k, params=self._parameters(**params))
        return Neighbors(positions, scores)
