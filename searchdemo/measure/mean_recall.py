"""What an index answers to the queries of the mean recall: once per index and its settings, a part at a time.

A race repeats its clock, and a visitor repeats the race, while these answers stay the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext

import numpy as np

from searchdemo.cache import Caches
from searchdemo.collection.asked import Asked
from searchdemo.indexes.base import Index
from searchdemo.measure.metrics import Turn
from searchdemo.threads import openmp_on_one_core

MOST_AT_ONCE = 50  # queries
MOST_PAIRS = 12 * 100_000  # of queries and vectors at a time: some 40 ms of one core, where FAISS compares them all
SETTINGS = 8  # per index, of which the answers are kept

_kept: Caches[Index, np.ndarray] = Caches(SETTINGS)


def answers(
    some: Asked, index: Index, k: int, params: Mapping[str, int], most: int = MOST_AT_ONCE, turn: Turn = nullcontext
) -> np.ndarray:
    """(q, k) positions. most: queries at a time; turn: held for each of these parts, on one core."""
    at_once = max(1, min(most, MOST_AT_ONCE, MOST_PAIRS // max(1, index.count)))

    def searched() -> np.ndarray:
        found = []
        with openmp_on_one_core():  # which takes 1.3 ms to begin, and binds no other thread meanwhile
            for start in range(0, len(some), at_once):
                with turn():
                    found.append(some.take(slice(start, start + at_once)).search(index, k, None, **params))
        return np.concatenate(found)

    return _kept.of(index).get((k, *sorted(params.items()), digest(some)), searched)


def digest(some: Asked) -> str:
    own = b"" if some.own is None else some.own.tobytes()
    return hashlib.sha256(some.vectors.tobytes() + own).hexdigest()
