"""What an approximate index lost on one query: the exact answer beside its own, and what would have found it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searchdemo.collection.library import SearchEngine
from searchdemo.indexes.base import Index
from searchdemo.measure.race import Race, contestant, positions_in_gallery


@dataclass(frozen=True)
class Remedy:
    """A higher value of a search parameter, and what it was seen to find."""

    param: str  # "nprobe" | "ef_search"
    value: int
    found: int  # of the exact answer


@dataclass(frozen=True)
class Lost:
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


def what_was_lost(engine: SearchEngine, race: Race, query: np.ndarray, index: str, found: np.ndarray) -> Lost:
    """Compare what `index` found for a query (1, dim), positions (k,), with the exact answer."""
    exact = contestant(engine, race, "brute").search(query, race.k).rows[0]
    missed = frozenset(int(position) for position in exact) - {int(position) for position in found}
    searched = contestant(engine, race, index)
    vectors = engine.prepared(race.gallery, race.encoder).vectors
    ranks = searched.cell_ranks(query[0], vectors.take(positions_in_gallery(engine, race, exact)))
    by_position = None if ranks is None else {int(p): int(rank) for p, rank in zip(exact, ranks, strict=True)}
    return Lost(
        exact, found, missed, by_position, _remedy(searched, race, query, exact, by_position) if missed else None
    )


def _remedy(
    index: Index, race: Race, query: np.ndarray, exact: np.ndarray, cell_ranks: dict[int, int] | None
) -> Remedy | None:
    """Searches again. nprobe: until the last cell of the exact answer; ef_search: doubled until all are found."""
    params, known = race.params_for(index), {param.name: param for param in index.spec.params}
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
        rows = index.search(query, race.k, **params | {name: value}).rows[0]
        remedy = Remedy(name, value, len({*rows.tolist()} & {*exact.tolist()}))
        if remedy.found == len(exact):
            break
    return remedy
