"""The grids of the trade-off benchmark: which indexes are built, and at which settings each is searched.

They are in grids.json. FAISS's own defaults are among the values: efConstruction 40, efSearch 16, nprobe 1. The "r" of
"x4fsr" in a factory string encodes residuals to the centroids, which 4 bits tell apart better.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import nlist

Values = Sequence[int]


@dataclass(frozen=True)
class Grid:
    """Every factory string is built once for every value of build_params, and searched at all values of params.

    A factory string may hold {nlist}, {m} and {bits}, which take the values of these fields: nlist is a share of the
    INDEXES table's nlist, m and bits are shares of the dimension.
    """

    index: str  # short name of the kind
    family: str
    factory: str
    nlist: Sequence[float] = (1,)
    m: Sequence[float] = (1,)  # sub-quantisers per dimension
    bits: Sequence[float] = (1,)
    build_params: dict[str, Values] = field(default_factory=dict)
    params: dict[str, Values] = field(default_factory=dict)

    def specs(self, n: int, dim: int) -> Iterator[IndexSpec]:
        """The indexes that are built over n vectors of this dimension."""
        for cells, m, bits in product(self.nlist, self.m, self.bits):
            values = {"nlist": max(1, int(cells * nlist(n))), "m": max(1, int(m * dim)), "bits": int(bits * dim)}
            factory = self.factory.format(**values)
            for params in combinations(self.build_params):
                yield from_factory(factory, self.family, self.index, **params)

    def settings(self, spec: IndexSpec, n: int, dim: int) -> list[dict[str, int]]:
        """The search parameters that one of `specs` is tried with. They visit no more cells than there are."""
        inverted = re.search(r"IVF(\d+)", spec.recipe(n, dim))
        cells = int(inverted[1]) if inverted else 0
        return [params for params in combinations(self.params) if params.get("nprobe", 0) <= cells]


def combinations(values: Mapping[str, Sequence[int]]) -> list[dict[str, int]]:
    """{"a": (1, 2), "b": (3,)} -> [{"a": 1, "b": 3}, {"a": 2, "b": 3}]"""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


_GRIDS = json.loads(Path(__file__).with_name("grids.json").read_text())
FULL = tuple(Grid(**grid) for grid in _GRIDS["full"])
QUICK = tuple(Grid(**grid) for grid in _GRIDS["quick"])
