"""What an approximate index missed on one query: the exact answer beside its own, and what would have found it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from searchdemo.indexes.base import Index, SearchParam
from searchdemo.types import Missed, Remedy

DOUBLINGS = 12


def compared(
    exact: np.ndarray,
    found: np.ndarray,
    index: Index,
    query: np.ndarray,
    params: dict[str, int],
    only: np.ndarray | None = None,
) -> Missed:
    """exact, found: positions (k,) for a query (1, dim), by exact search and by `index` with these parameters.

    only: (n,) bool, the positions that an answer may hold; None: all
    """
    missed = frozenset(exact.tolist()) - frozenset(found.tolist())
    if not missed:  # all cells need not be ranked to tell of none
        return Missed(exact, found, missed, None if index.cells() is None else {}, None)
    lost = np.array(sorted(missed))
    ranks = index.cell_ranks(query[0], lost)
    by_position = None if ranks is None else dict(zip(lost.tolist(), ranks.tolist(), strict=True))
    remedy = _remedy(index, query, exact, len(exact) - len(missed), by_position, params, only)
    return Missed(exact, found, missed, by_position, remedy)


def _remedy(
    index: Index,
    query: np.ndarray,
    exact: np.ndarray,
    now: int,
    ranks: dict[int, int] | None,
    params: dict[str, int],
    only: np.ndarray | None,
) -> Remedy | None:
    """Raises one search parameter after the other, the rest as they are, and searches again until all are found.

    now: how many are found already; None when no value finds more.
    """
    best = None
    for param in index.spec.params:
        for value in _higher(param, params.get(param.name, param.default), ranks, index.count):
            rows = index.search(query, len(exact), only, **params | {param.name: value}).positions[0]
            found = len({*rows.tolist()} & {*exact.tolist()})
            if found > (best.found if best else now):
                best = Remedy(param.name, value, found)
            if found == len(exact):
                return best
    return best


def _higher(param: SearchParam, value: int, ranks: dict[int, int] | None, count: int) -> Iterator[int]:
    """Values to try: the nprobe that visits the last cell of the exact answer; for other parameters, doubled ones."""
    if param.name == "nprobe" and ranks is not None:
        if (last := max(ranks.values())) > value:
            yield last
        return
    for doublings in range(1, DOUBLINGS + 1):
        if (higher := value << doublings) <= param.maximum:
            yield higher
            if higher > 4 * count:  # it looks at all of them
                return
