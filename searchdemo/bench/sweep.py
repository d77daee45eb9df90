"""The grids of the trade-off benchmark: which indexes are built, and at which settings each is searched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import nlist

Values = tuple[int, ...]

PROBES = (1, 2, *range(4, 21), 24, 28, 32, 40, 48, 64, 128)
EF = (8, 16, 32, 64, 128, 256)
K_FACTORS = (2, 4, 8, 16)


@dataclass(frozen=True)
class Grid:
    """Every factory string x every value of build_params is built once; each is searched at all values of params.

    A factory string may hold {nlist}, {m} and {bits}, which take the values of these fields: nlist a share of that of
    the INDEXES table, m and bits shares of the dimension.
    """

    index: str  # short name of the kind
    family: str
    factory: str
    nlist: tuple[float, ...] = (1,)
    m: tuple[float, ...] = (1,)  # sub-quantisers a dimension
    bits: tuple[float, ...] = (1,)
    build_params: dict[str, Values] = field(default_factory=dict)
    params: dict[str, Values] = field(default_factory=dict)

    def specs(self, n: int, dim: int) -> Iterator[IndexSpec]:
        """What is built over n vectors of this dimension."""
        for cells, m, bits in product(self.nlist, self.m, self.bits):
            values = {"nlist": max(1, int(cells * nlist(n))), "m": max(1, int(m * dim)), "bits": int(bits * dim)}
            factory = self.factory.format(**values)
            for params in combinations(self.build_params):
                yield from_factory(factory, self.family, self.index, **params)

    def settings(self, spec: IndexSpec, n: int, dim: int) -> list[dict[str, int]]:
        """The search parameters that one of `specs` is tried with: no more cells visited than there are."""
        cells = re.search(r"IVF(\d+)", spec.factory(n, dim))
        most = int(cells[1]) if cells else 0
        return [params for params in combinations(self.params) if params.get("nprobe", 0) <= most]


def combinations(values: Mapping[str, Sequence[int]]) -> list[dict[str, int]]:
    """{"a": (1, 2), "b": (3,)} -> [{"a": 1, "b": 3}, {"a": 2, "b": 3}]"""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


# FAISS's own defaults are among the values: efConstruction 40, efSearch 16, nprobe 1.
FULL = (
    Grid("flat", "exact", "Flat"),
    Grid("ivf", "ivf", "IVF{nlist},SQfp16", nlist=(1 / 4, 1 / 2, 1, 2, 4), params={"nprobe": PROBES}),
    Grid("hnsw", "graph", "HNSW16", build_params={"efConstruction": (40, 200, 400)}, params={"ef_search": EF}),
    Grid("hnsw", "graph", "HNSW32", build_params={"efConstruction": (40, 200, 400)}, params={"ef_search": EF}),
    Grid("hnsw", "graph", "HNSW32_SQfp16", build_params={"efConstruction": (200,)}, params={"ef_search": EF}),
    Grid("hnsw", "graph", "HNSW64", build_params={"efConstruction": (40, 200)}, params={"ef_search": EF}),
    Grid("sq8", "quantised", "SQ8"),
    Grid("pq", "quantised", "PQ{m}np", m=(1 / 8, 1 / 4, 1 / 2)),
    Grid("pq+refine", "quantised", "PQ{m}np,Refine(SQfp16)", m=(1 / 8, 1 / 4, 1 / 2), params={"k_factor": (4, 16)}),
    Grid("pq-fastscan", "quantised", "PQ{m}x4fs,Refine(SQfp16)", m=(1 / 2,), params={"k_factor": K_FACTORS}),
    Grid("ivfpq", "ivf", "IVF{nlist},PQ{m}np", m=(1 / 4, 1 / 2), params={"nprobe": (4, 16, 64)}),
    Grid(
        "ivfpq+refine",
        "ivf",
        "IVF{nlist},PQ{m}np,Refine(SQfp16)",
        m=(1 / 4, 1 / 2),
        params={"nprobe": (8, 16, 32, 64), "k_factor": (2, 4, 8)},
    ),
    Grid("opq-ivfpq", "ivf", "OPQ{m},IVF{nlist},PQ{m}np", m=(1 / 4,), params={"nprobe": (4, 16, 64)}),
    Grid(
        "ivf-fastscan",
        "ivf",
        "IVF{nlist},PQ{m}x4fs,Refine(SQfp16)",
        m=(1 / 2, 1),
        params={"nprobe": (8, 16, 32, 64), "k_factor": (4, 8, 16)},
    ),
    Grid(  # r: codes of what is left after the centroid, which 4 bits tell apart better
        "ivf-fastscan",
        "ivf",
        "IVF{nlist},PQ{m}x4fsr,Refine(SQfp16)",
        nlist=(1 / 4, 1 / 2, 1, 2),
        m=(1 / 2, 1),
        params={"nprobe": (4, 8, 10, 14, 20, 32, 48, 64), "k_factor": (3, 6, 12)},
    ),
    Grid(
        "ivf-fastscan",
        "ivf",
        "IVF{nlist},PQ{m}x4fsr,Refine(SQfp16)",
        nlist=(1 / 2,),
        m=(1 / 4,),
        params={"nprobe": (8, 16, 32), "k_factor": (6, 12, 24)},
    ),
    Grid("lsh", "hash", "LSH{bits}rt", bits=(1, 2, 4, 8, 16)),
    Grid("lsh+refine", "hash", "LSH{bits}rt,Refine(SQfp16)", bits=(2, 4, 8), params={"k_factor": (4, 16)}),
)

QUICK = (
    Grid("flat", "exact", "Flat"),
    Grid("ivf", "ivf", "IVF{nlist},SQfp16", nlist=(1 / 2, 1), params={"nprobe": (1, 4, 8, 16, 32)}),
    Grid("hnsw", "graph", "HNSW32", build_params={"efConstruction": (40,)}, params={"ef_search": (16, 64, 256)}),
    Grid(
        "hnsw", "graph", "HNSW32_SQfp16", build_params={"efConstruction": (200,)}, params={"ef_search": (16, 64, 256)}
    ),
    Grid("sq8", "quantised", "SQ8"),
    Grid("pq", "quantised", "PQ{m}np", m=(1 / 4,)),
    Grid("pq+refine", "quantised", "PQ{m}np,Refine(SQfp16)", m=(1 / 4,), params={"k_factor": (4, 16)}),
    Grid(
        "ivf-fastscan",
        "ivf",
        "IVF{nlist},PQ{m}x4fsr,Refine(SQfp16)",
        m=(1 / 2,),
        params={"nprobe": (4, 8, 16, 32), "k_factor": (4, 8)},
    ),
    Grid("lsh", "hash", "LSH{bits}rt", bits=(2, 8)),
    Grid("lsh+refine", "hash", "LSH{bits}rt,Refine(SQfp16)", bits=(4,), params={"k_factor": (4, 16)}),
)
