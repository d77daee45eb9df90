"""What an approximate index missed on one query: the exact answer beside its own, and what would have found it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searchdemo.indexes.base import Index
from searchdemo.indexes.vectors import Vectors


@dataclass(frozen=True)
class Remedy:
    """A higher value of a search parameter, and what it was seen to find."""

    param: str  # "nprobe" | "ef_search"
    value: int
    found: int  # of the exact answer


@dataclass(frozen=True)
class Missed:
    """The exact answer beside an approximate one."""

    exact: np.ndarray  # (k,) positions
    found: np.ndarray  # (k,) positions, MISSING at the end
    missed: frozenset[int]  # positions that the approximate index did not return
    cell_ranks: dict[int, int] | None  # position -> nprobe at which its cell is visited; None when not an IVF
    remedy: Remedy | None  # None when nothing was missed, or no parameter helps

    def __str__(self) -> str:
        k, remedy = len(self.exact), self.remedy
        if not self.missed:
            return f"all {k} found"
        sentence = f"{len(self.missed)} of {k} missed"
        if remedy is None and self.cell_ranks is not None:
            return f"{sentence}, though every cell of the exact answer was visited: the index rounds its vectors"
        if remedy is None:
            return sentence
        if remedy.found == k:
            return f"{sentence}; {remedy.param} {remedy.value} would have found all {k}"
        return f"{sentence}; even {remedy.param} {remedy.value} would have found only {remedy.found}"


def compared(
    exact: np.ndarray, found: np.ndarray, index: Index, query: np.ndarray, vectors: Vectors, params: dict[str, int]
) -> Missed:
    """exact, found: positions (k,) for a query (1, dim), by exact search and by `index` with these parameters."""
    missed = frozenset(exact.tolist()) - frozenset(found.tolist())
    ranks = index.cell_ranks(query[0], vectors.take(exact))
    by_position = None if ranks is None else dict(zip(exact.tolist(), ranks.tolist(), strict=True))
    remedy = _remedy(index, query, exact, by_position, params) if missed else None
    return Missed(exact, found, missed, by_position, remedy)


def _remedy(
    index: Index, query: np.ndarray, exact: np.ndarray, cell_ranks: dict[int, int] | None, params: dict[str, int]
) -> Remedy | None:
    """Searches again. nprobe: until the last cell of the exact answer; ef_search: doubled until all are found."""
    known = {param.name: param for param in index.spec.params}
    if cell_ranks is not None:
        name, values = "nprobe", [max(cell_ranks.values())]
        if values[0] <= params.get(name, known[name].default):
            return None
    elif (param := known.get("ef_search")) is not None:
        name, start = "ef_search", params.get("ef_search", param.default)
        values = [start << doublings for doublings in range(1, 13) if start << doublings <= param.maximum]
    else:
        return None
    remedy = None
    for value in values:
        rows = index.search(query, len(exact), **params | {name: value}).positions[0]
        remedy = Remedy(name, value, len({*rows.tolist()} & {*exact.tolist()}))
        if remedy.found == len(exact):
            break
    return remedy
