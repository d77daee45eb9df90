"""The PEERS table: other libraries for nearest neighbours, and FAISS's indexes beside them.

Each is an index of the INDEXES table. It is built with all cores once per row of its grid, and then searched at each of
the row's settings with one thread. All see the same unit rows, which inner product, cosine and Euclidean distance put
in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from searchdemo.bench.sweep import combinations
from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import GRAPH, INDEXES

Grid = Iterator[tuple[IndexSpec, list[dict[str, int]]]]  # builds, and the settings at which each is searched

EFS = [10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256]


def over(**values: Sequence[int]) -> list[dict[str, int]]:
    return combinations(values)


def graphs(name: str, *builds: dict[str, int | str]) -> Callable[[int, int], Grid]:
    """The graph as the INDEXES table builds it, and with other parameters."""
    others = [INDEXES[name].built_with(**GRAPH | build) for build in builds]
    return lambda vectors, dim: ((entry, over(ef_search=EFS)) for entry in (INDEXES[name], *others))


def default_graph(vectors: int, dim: int) -> Grid:
    yield from_factory(f"HNSW{GRAPH['m']}", "graph", efConstruction=40), over(ef_search=EFS)


def faiss_ivf(vectors: int, dim: int) -> Grid:
    yield INDEXES["ivf"], over(nprobe=[2, 4, 8, 16, 24, 32, 48, 64, 96, 128])


def faiss_fastscan(vectors: int, dim: int) -> Grid:
    shares = (0.03, 0.04, 0.05, 0.0625, 0.08, 0.1, 0.125, 0.16, 0.2, 0.25)
    for number, sub_quantisers in product((128, 256), (dim // 2, dim)):
        nlist = max(1, min(number, vectors // 39))
        probes = sorted({math.ceil(nlist * share) for share in shares})
        entry = from_factory(f"IVF{nlist},PQ{sub_quantisers}x4fsr,Refine(SQfp16)", "ivf")
        yield entry, over(nprobe=probes, k_factor=[3, 4, 6, 8])


def leaves(vectors: int, dim: int) -> Grid:
    """ScaNN with about sqrt(n) leaves, and with three times as many."""
    for number in (round(factor * math.sqrt(vectors)) for factor in (1, 3)):
        shares = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.18, 0.27)
        visited = sorted({math.ceil(number * share) for share in shares})
        yield INDEXES["scann"].built_with(leaves=number), over(nprobe=visited, k_factor=[2, 3, 6, 10, 15])


def forest(vectors: int, dim: int) -> Grid:
    for trees in (50, 100):
        efforts = over(search_k=[500, 1000, 2000, 4000, 8000, 16_000, 32_000])
        yield INDEXES["annoy"].built_with(trees=trees), efforts


def tree(name: str) -> Callable[[int, int], Grid]:
    return lambda vectors, dim: iter([(INDEXES[name], [{}])])


@dataclass(frozen=True)
class Peer:
    """One contestant and its sweep."""

    name: str  # in the run card
    index: str  # its name in the INDEXES table, for its family and its library
    grid: Callable[[int, int], Grid]  # (vectors, dim) -> builds
    queries: int | None = None  # the maximum, where a query takes milliseconds

    @property
    def family(self) -> str:
        return INDEXES[self.index].family

    @property
    def package(self) -> str:
        return INDEXES[self.index].package or "faiss-cpu"


OURS = ("faiss hnsw", "faiss ivf", "faiss ivf-fastscan")

PEERS: tuple[Peer, ...] = (
    Peer("faiss hnsw", "hnsw", graphs("hnsw")),
    Peer("faiss hnsw (own defaults)", "hnsw", default_graph),
    Peer("faiss ivf", "ivf", faiss_ivf),
    Peer("faiss ivf-fastscan", "ivf-fastscan", faiss_fastscan),
    Peer("hnswlib", "hnswlib", graphs("hnswlib", {"m": 16})),
    Peer("usearch", "usearch", graphs("usearch", {"dtype": "f16"})),
    Peer("nmslib", "nmslib", graphs("nmslib")),
    Peer("scann", "scann", leaves),
    Peer("annoy", "annoy", forest),
    Peer("k-d tree", "kd-tree", tree("kd-tree"), queries=100),
    Peer("ball tree", "ball-tree", tree("ball-tree"), queries=100),
)
