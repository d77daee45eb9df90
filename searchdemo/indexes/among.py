"""Searching among some of the vectors with any index: more is asked for, and what may not be found is left out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from searchdemo.types import MISSING

Found = tuple[np.ndarray, np.ndarray]  # positions (q, k) int64 and scores (q, k) float32

GROWTH = 2  # times as many are asked for again where they were too few


def filtered_afterwards(
    search: Callable[[np.ndarray, int], Found], queries: np.ndarray, k: int, only: np.ndarray
) -> Found:
    """The k best of `only` for each of the queries (q, dim), q >= 1; MISSING and -inf where fewer were found.

    search: asks the index for (queries, k); only: (n,) bool, k of them at least are true.

    At first as many are asked for as hold k of `only`, were these spread evenly, and for those queries to which that
    was too few, GROWTH times as many, up to all n, or to all that the index finds.
    """
    n, allowed = len(only), int(np.count_nonzero(only))
    positions = np.full((len(queries), k), MISSING, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    waiting = np.arange(len(queries))
    asked = min(k + n - allowed, math.ceil(k * n / allowed), n)
    while len(waiting):
        found, given = search(queries[waiting], asked)
        there = found != MISSING
        good = there & only[np.where(there, found, 0)]
        first = np.argsort(~good, axis=1, kind="stable")[:, :k]  # the good ones in their order, then others
        kept = np.take_along_axis(good, first, axis=1)
        width = first.shape[1]
        positions[waiting, :width] = np.where(kept, np.take_along_axis(found, first, axis=1), MISSING)
        scores[waiting, :width] = np.where(kept, np.take_along_axis(given, first, axis=1), -np.inf)
        enough = (kept.sum(axis=1) == k) | ~there.all(axis=1)  # an index that found less finds no more when asked again
        waiting, asked = (waiting[~enough] if asked < n else waiting[:0]), min(asked * GROWTH, n)
    return positions, scores
