"""What an index is: unit rows in, the positions of the nearest out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from searchdemo.errors import BadQuery, UnknownName
from searchdemo.types import Neighbors

METRICS = ("ip", "l2")  # inner product, squared Euclidean distance: on unit rows both order alike


@dataclass(frozen=True)
class SearchParam:
    """A parameter that travels with each query."""

    name: str  # as on the command line, with "-" for "_"
    default: int
    minimum: int
    maximum: int
    help: str  # one line
    appears_in: str  # a pattern: the factory strings that have this parameter


SEARCH_PARAMS = (
    SearchParam("nprobe", 16, 1, 4096, "cells visited: more finds more and takes longer", r"IVF\d+|IMI"),
    SearchParam("ef_search", 64, 1, 4096, "candidates kept while walking the graph", r"HNSW"),
    SearchParam("k_factor", 8, 1, 256, "candidates a result that are scored again exactly", r"Refine|RFlat"),
)


def params_of(factory: str) -> tuple[SearchParam, ...]:
    """The search parameters that an index of this FAISS factory string has."""
    return tuple(param for param in SEARCH_PARAMS if re.search(param.appears_in, factory))


def checked_params(index: str, known: tuple[SearchParam, ...], given: dict[str, int]) -> dict[str, int]:
    """A value for every known parameter. Raises UnknownName for one that is not, BadQuery for one out of bounds."""
    by_name = {param.name: param for param in known}
    for name, value in given.items():
        if name not in by_name:
            raise UnknownName(f"search parameter of {index!r}", name, by_name or ["(none)"])
        low, high = by_name[name].minimum, by_name[name].maximum
        if not low <= value <= high:
            raise BadQuery(f"{name} = {value:,} is out of bounds: choose from {low} to {high:,}.")
    return {param.name: int(given.get(param.name, param.default)) for param in known}


@dataclass(frozen=True)
class IndexSpec:
    """One entry of the INDEXES table."""

    name: str
    family: str  # for the colour in a plot: "exact" | "ivf" | "graph" | "quantised" | "hash"
    factory: Callable[[int, int], str]  # (vectors, dim) -> FAISS factory string; "" for our own brute force
    help: str  # one line for people
    build_params: tuple[tuple[str, int], ...] = ()  # FAISS's own names, set before training

    @property
    def params(self) -> tuple[SearchParam, ...]:
        return params_of(self.factory(100_000, 128))

    @property
    def exact(self) -> bool:
        return self.family == "exact"


class VectorIndex(Protocol):
    """An index in memory, over positions 0 ... n-1 of the stored vectors. Safe for concurrent readers."""

    spec: IndexSpec
    size_bytes: int  # by its own account: serialised length, or bytes of the vectors
    load_ms: float  # from a verified file, or from the stored vectors, to ready

    def search(self, queries: np.ndarray, k: int, **params: int) -> Neighbors:
        """Unit rows (q, dim) float32 -> Neighbors (q, k) of positions; k is cut to the number of vectors.

        Scores are the index's own estimate of the cosine (LSH: minus the Hamming distance).
        Raises UnknownName for a parameter that this index does not have, BadQuery for a value outside its bounds.
        """
