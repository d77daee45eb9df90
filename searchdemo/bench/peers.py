"""Other libraries for nearest neighbours, and FAISS's indexes beside them: the PEERS table.

One entry adds a library. A contestant is built once a row of its grid, with all cores, and then searched at each of the
row's settings, with one thread. All see the same unit rows, on which inner product, cosine and Euclidean distance order
alike. What is not installed raises ImportError when its module is imported (requirements-bench.txt).
"""

from __future__ import annotations

import math
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Protocol

import numpy as np

from searchdemo.bench.points import Search, search_of, spec, timed_build
from searchdemo.bench.sweep import combinations
from searchdemo.indexes.table import INDEXES
from searchdemo.types import MISSING

Settings = dict[str, int | str]


class Contestant(Protocol):
    """An index over (n, dim) float32 unit rows; its constructor builds it."""

    size_bytes: int  # as saved

    def at(self, **settings: int) -> Search:
        """A search at these settings. Most libraries keep them in the index, so that the last call of `at` counts."""


class Hnswlib:
    def __init__(self, vectors: np.ndarray, m: int, ef_construction: int):
        import hnswlib

        self.index = hnswlib.Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors), M=m, ef_construction=ef_construction, random_seed=0)
        self.index.add_items(vectors)
        self.size_bytes = self.index.index_file_size()

    def at(self, ef: int) -> Search:
        self.index.set_ef(ef)
        return lambda queries, k: self.index.knn_query(queries, k, num_threads=1)[0].astype(np.int64)


class Usearch:
    def __init__(self, vectors: np.ndarray, m: int, ef_construction: int, dtype: str = "f32"):
        from usearch.index import Index

        self.index = Index(
            ndim=vectors.shape[1], metric="ip", dtype=dtype, connectivity=m, expansion_add=ef_construction
        )
        self.index.add(np.arange(len(vectors)), vectors)
        self.size_bytes = self.index.serialized_length

    def at(self, ef: int) -> Search:
        self.index.expansion_search = ef

        def search(queries: np.ndarray, k: int) -> np.ndarray:
            asked = queries[0] if len(queries) == 1 else queries  # a batch of one takes longer
            return self.index.search(asked, k, threads=1).keys.astype(np.int64).reshape(len(queries), -1)

        return search


class Nmslib:
    def __init__(self, vectors: np.ndarray, m: int, ef_construction: int):
        import nmslib

        self.index = nmslib.init(method="hnsw", space="negdotprod")
        self.index.addDataPointBatch(vectors)
        self.index.createIndex({"M": m, "efConstruction": ef_construction})
        self.size_bytes = saved_bytes(lambda path: self.index.saveIndex(path, save_data=True))

    def at(self, ef: int) -> Search:
        self.index.setQueryTimeParams({"efSearch": ef})

        def search(queries: np.ndarray, k: int) -> np.ndarray:
            if len(queries) == 1:
                return padded([self.index.knnQuery(queries[0], k)[0]], k)
            return padded([rows for rows, _ in self.index.knnQueryBatch(queries, k, num_threads=1)], k)

        return search


class Annoy:
    def __init__(self, vectors: np.ndarray, trees: int):
        from annoy import AnnoyIndex

        self.index = AnnoyIndex(vectors.shape[1], "angular")
        self.index.set_seed(1)
        for row, vector in enumerate(vectors.tolist()):
            self.index.add_item(row, vector)
        self.index.build(trees)
        self.size_bytes = saved_bytes(self.index.save)

    def at(self, search_k: int) -> Search:
        find = self.index.get_nns_by_vector
        return lambda queries, k: padded([find(query, k, search_k) for query in queries.tolist()], k)


class Scann:
    """A tree of leaves, scores of 4 bits for 2 dimensions (asymmetric hashing), the best scored again."""

    def __init__(self, vectors: np.ndarray, leaves: int, threshold: float = 0.2):
        from scann import scann_ops_pybind as scann

        builder = scann.builder(vectors, 10, "dot_product")
        builder = builder.tree(leaves, leaves, training_sample_size=min(len(vectors), 250_000))
        self.index = builder.score_ah(2, anisotropic_quantization_threshold=threshold).reorder(100).build()
        self.size_bytes = saved_bytes(self._save)

    def _save(self, path: str) -> None:
        Path(path).mkdir()
        self.index.serialize(path)

    def at(self, leaves_to_search: int, reorder: int) -> Search:
        def search(queries: np.ndarray, k: int) -> np.ndarray:
            reordered = max(reorder, k)
            if len(queries) == 1:
                return padded([self.index.search(queries[0], k, reordered, leaves_to_search)[0]], k)
            return self.index.search_batched(queries, k, reordered, leaves_to_search)[0].astype(np.int64)

        return search


class Tree:
    """scikit-learn's exact trees, by Euclidean distance."""

    def __init__(self, vectors: np.ndarray, kind: str, leaf_size: int):
        from sklearn import neighbors

        self.index = getattr(neighbors, kind)(vectors, leaf_size=leaf_size)
        self.size_bytes = len(pickle.dumps(self.index, protocol=pickle.HIGHEST_PROTOCOL))

    def at(self) -> Search:
        return lambda queries, k: self.index.query(queries, k, return_distance=False)


class Faiss:
    """Any factory string, through the index that the demo searches with."""

    def __init__(self, vectors: np.ndarray, factory: str, **build_params: int):
        self.index, _ = timed_build(spec(factory, "", **build_params), vectors)
        self.size_bytes = self.index.size_bytes

    def at(self, **params: int) -> Search:
        return search_of(self.index, **params)


def padded(found: Sequence[Sequence[int]], k: int) -> np.ndarray:
    """(q, k) int64 of lists that may be shorter, filled up with MISSING."""
    if all(len(rows) == k for rows in found):
        return np.array(found, np.int64).reshape(len(found), k)
    filled = np.full((len(found), k), MISSING, np.int64)
    for row, rows in zip(filled, found, strict=True):
        row[: len(rows)] = rows
    return filled


def saved_bytes(save: Callable[[str], object]) -> int:
    """Of all files that `save(path)` writes."""
    with tempfile.TemporaryDirectory() as folder:
        save(str(Path(folder) / "index"))
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


# Grids: builds, and the settings at which each is searched.

Grid = Iterator[tuple[Settings, list[dict[str, int]]]]

M, EF_CONSTRUCTION = 32, dict(INDEXES["hnsw"].build_params)["efConstruction"]  # of the demo's own graph: like for like
EFS = [10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256]


def over(**values: Sequence[int]) -> list[dict[str, int]]:
    return combinations(values)


def graph(vectors: int, dim: int) -> Grid:
    yield {"m": M, "ef_construction": EF_CONSTRUCTION}, over(ef=EFS)
    yield {"m": 16, "ef_construction": EF_CONSTRUCTION}, over(ef=EFS)


def usearch_graph(vectors: int, dim: int) -> Grid:
    yield {"m": M, "ef_construction": EF_CONSTRUCTION}, over(ef=EFS)
    yield {"m": M, "ef_construction": EF_CONSTRUCTION, "dtype": "f16"}, over(ef=EFS)


def nmslib_graph(vectors: int, dim: int) -> Grid:
    yield {"m": M, "ef_construction": EF_CONSTRUCTION}, over(ef=EFS)


def forest(vectors: int, dim: int) -> Grid:
    for trees in (50, 100):
        yield {"trees": trees}, over(search_k=[500, 1000, 2000, 4000, 8000, 16_000, 32_000])


def leaves(vectors: int, dim: int) -> Grid:
    for number in cells(vectors):
        shares = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.18, 0.27)
        visited = sorted({math.ceil(number * share) for share in shares})
        yield {"leaves": number}, over(leaves_to_search=visited, reorder=[20, 30, 60, 100, 150])


def cells(vectors: int) -> list[int]:
    """About sqrt(n), and three times as many."""
    return [round(factor * math.sqrt(vectors)) for factor in (1, 3)]


def tree(kind: str) -> Callable[[int, int], Grid]:
    return lambda vectors, dim: iter([({"kind": kind, "leaf_size": 40}, [{}])])


def faiss_graph(factory: str, ef_construction: int) -> Callable[[int, int], Grid]:
    return lambda vectors, dim: iter([({"factory": factory, "efConstruction": ef_construction}, over(ef_search=EFS))])


def faiss_ivf(vectors: int, dim: int) -> Grid:
    yield {"factory": INDEXES["ivf"].factory(vectors, dim)}, over(nprobe=[2, 4, 8, 16, 24, 32, 48, 64, 96, 128])


def faiss_fastscan(vectors: int, dim: int) -> Grid:
    shares = (0.03, 0.04, 0.05, 0.0625, 0.08, 0.1, 0.125, 0.16, 0.2, 0.25)
    for number, sub_quantisers in product((128, 256), (dim // 2, dim)):
        nlist = max(1, min(number, vectors // 39))
        probes = sorted({math.ceil(nlist * share) for share in shares})
        yield (
            {"factory": f"IVF{nlist},PQ{sub_quantisers}x4fsr,Refine(SQfp16)"},
            over(nprobe=probes, k_factor=[3, 4, 6, 8]),
        )


@dataclass(frozen=True)
class Peer:
    """One contestant, its library and its sweep."""

    name: str
    family: str  # "graph" | "tree" | "ivf" | "quantised"
    package: str  # as it is installed
    module: str  # imported before the clock of a build runs
    build: Callable[..., Contestant]  # (vectors, **settings of a build)
    grid: Callable[[int, int], Grid]  # (vectors, dim)
    queries: int | None = None  # at most, where one takes milliseconds


FAISS = "searchdemo.indexes.faiss_index"
GRAPH = INDEXES["hnsw"].factory(100_000, 128)  # the same for all
OURS = ("faiss hnsw", "faiss ivf", "faiss ivf-fastscan")

PEERS: tuple[Peer, ...] = (
    Peer("faiss hnsw", "graph", "faiss-cpu", FAISS, Faiss, faiss_graph(GRAPH, EF_CONSTRUCTION)),
    Peer("faiss hnsw (own defaults)", "graph", "faiss-cpu", FAISS, Faiss, faiss_graph(f"HNSW{M}", 40)),
    Peer("faiss ivf", "ivf", "faiss-cpu", FAISS, Faiss, faiss_ivf),
    Peer("faiss ivf-fastscan", "ivf", "faiss-cpu", FAISS, Faiss, faiss_fastscan),
    Peer("hnswlib", "graph", "hnswlib", "hnswlib", Hnswlib, graph),
    Peer("usearch", "graph", "usearch", "usearch.index", Usearch, usearch_graph),
    Peer("nmslib", "graph", "nmslib", "nmslib", Nmslib, nmslib_graph),
    Peer("scann", "quantised", "scann", "scann", Scann, leaves),
    Peer("annoy", "tree", "annoy", "annoy", Annoy, forest),
    Peer("k-d tree", "tree", "scikit-learn", "sklearn.neighbors", Tree, tree("KDTree"), queries=100),
    Peer("ball tree", "tree", "scikit-learn", "sklearn.neighbors", Tree, tree("BallTree"), queries=100),
)
