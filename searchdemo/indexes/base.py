"""What an index is: unit rows in, the nearest rows out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from searchdemo.types import Neighbors


@dataclass(frozen=True)
class SearchParam:
    """A parameter that travels with each query."""

    name: str  # "nprobe"
    default: int
    minimum: int
    maximum: int
    help: str  # one line


@dataclass(frozen=True)
class IndexSpec:
    """One entry of the INDEXES table."""

    name: str
    family: str  # for the colour of a plot: "exact", "ivf", "graph", "quantised", "hash"
    factory: Callable[[int, int], str]  # (n vectors, dim) -> FAISS factory string; "" for our own brute force
    params: tuple[SearchParam, ...] = ()
    help: str = ""  # one line for people


class VectorIndex(Protocol):
    """An index in memory. Safe for concurrent readers."""

    name: str
    size_bytes: int  # by its own account: its serialised length, or the bytes of its vectors
    load_ms: float  # from verified file, or from the stored vectors, to ready

    def search(self, queries: np.ndarray, k: int, **params: int) -> Neighbors:
        """Unit rows (q, dim) float32 -> Neighbors of (q, k). k is at most the number of vectors.

        params: the search parameters of this index (nprobe, ef_search ...); raises UnknownName for others.
        """
