"""The exact answer that an approximate one is compared with, from the half floats that are stored, within their error.

All cells of the stored inverted file are visited: half the bytes of float32, and one thread. Where half floats leave
the answer in question, brute force gives it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from searchdemo.collection.scores import rescored
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.types import MISSING

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection

LEAST = 32  # neighbours that are kept of an answer, for k that is dragged
# A half float is off by 2**-11 of itself at most, so a stored row's length is off by that, and so is each score;
# four times as much covers what is summed in another order, and the Euclidean metric.
ERROR = 2.0**-9


class Exact(NamedTuple):
    positions: np.ndarray  # best first
    ms: float  # of the search, when it was made


def exact_once(collection: Collection, vector: np.ndarray, k: int, only: np.ndarray | None = None) -> Exact:
    """The k nearest to a query (1, dim), kept while k and search parameters are dragged, and tabs are opened.

    only: (n,) bool, the positions that may be found; None: all. Where there are not k, fewer are returned.
    """
    kept = LEAST
    while kept < k:
        kept *= 2
    among = b"" if only is None else np.packbits(only).tobytes()
    key = (collection.snapshot.identity, kept, vector.tobytes(), among)
    positions, ms = collection.shelf.exact.get(key, lambda: _timed(collection, vector, kept, only))
    return Exact(positions[:k], ms)


def _timed(collection: Collection, vector: np.ndarray, k: int, only: np.ndarray | None) -> Exact:
    def search() -> Exact:
        started = time.perf_counter()
        found = certain(collection, vector, k, only)
        if found is None:
            found = collection.exact(vector, k, only)
        return Exact(found, (time.perf_counter() - started) * 1000)

    # The first search over these vectors reads the file into memory, which is no part of a search: it is not told.
    collection.shelf.exact.get((collection.snapshot.identity, "read"), search)
    return search()


def certain(collection: Collection, vector: np.ndarray, k: int, only: np.ndarray | None) -> np.ndarray | None:
    """The k nearest by the stored half floats; None where a vector that was not returned might be among them."""
    if not isinstance(collection.vectors.flat, StoredVectors):
        return None
    index = collection.index("ivf")
    (nprobe,) = index.spec.params
    estimated = index.search(vector, 2 * k, only, **{nprobe.name: nprobe.maximum})
    found = estimated.positions[estimated.positions != MISSING][None]
    exact = rescored(vector, collection.vectors, found)
    searched = len(collection) if only is None else int(np.count_nonzero(only))
    if found.size < searched and not exact.scores[0, k - 1] > estimated.scores[0, -1] + ERROR:
        return None
    return exact.positions[0, :k]
