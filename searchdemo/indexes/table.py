"""The INDEXES table. Another index is one more entry; any other FAISS factory string is `faiss:STRING`."""

from __future__ import annotations

import math
from typing import Any

from searchdemo.errors import UnknownName
from searchdemo.indexes.base import EF_SEARCH, K_FACTOR, NPROBE, PROBES, SEARCH_K, IndexSpec, SearchParam
from searchdemo.indexes.factory import by_faiss, from_factory
from searchdemo.table import Table

TRAINING_POINTS_PER_CELL = 39  # FAISS's own least number for k-means
GRAPH = {"m": 32, "ef_construction": 200}  # of all graphs, so that they compare


def nlist(vectors: int) -> int:
    """Cells of an inverted file: the power of two nearest below 2*sqrt(n), with enough points to train each.

    FAISS's guidelines say 4*sqrt(n) to 16*sqrt(n). On 100,000 vectors of 128 dimensions half of that was faster: recall
    0.95 took 0.054 ms with 512 cells, 0.064 ms with 1,024 and 0.051 ms with 256, one query on one thread.
    """
    wanted = min(2 * math.sqrt(vectors), vectors / TRAINING_POINTS_PER_CELL)
    return 2 ** max(int(math.log2(max(wanted, 1))), 0)


def pq_parts(dim: int) -> int:
    """The most equal parts of 4 dimensions or more that product quantisation can cut a vector into."""
    return next(parts for parts in range(max(1, dim // 4), 0, -1) if dim % parts == 0)


def by_library(
    name: str,
    family: str,
    help_: str,
    made_by: str,
    package: str,
    build: dict[str, Any],
    *params: SearchParam,
    **options: Any,
) -> IndexSpec:
    """Of a library that people install themselves. build: the parameters of a build."""
    options = {"library": package} | options
    return IndexSpec(name, family, help_, made_by, None, tuple(build.items()), params, package=package, **options)


# "np": without polysemous training, which costs most of the building time and serves a filter that is not used here.
_SPECS = (
    IndexSpec("brute", "exact", "every vector, by NumPy", "numpy_index.Brute", exact=True, saved=False),
    IndexSpec(
        "exact-bf16",
        "exact",
        "every vector, by torch: bfloat16 first where the processor has it, or on a GPU",
        "bf16_index.ExactBfloat16",
        exact=True,
        saved=False,
        library="torch",
    ),
    by_faiss("flat", "exact", "every vector, by FAISS", lambda n, d: "Flat", exact=True, saved=False),
    by_faiss("ivf", "ivf", "inverted file: only the nearest cells", lambda n, d: f"IVF{nlist(n)},SQfp16", NPROBE),
    # Half floats: half the memory to fetch at each step of the walk, 0.032 ms in place of 0.041 at recall 0.95.
    by_faiss(
        "hnsw",
        "graph",
        "a graph of near neighbours",
        lambda n, d: f"HNSW{GRAPH['m']}_SQfp16",
        EF_SEARCH,
        build_params=(("efConstruction", GRAPH["ef_construction"]),),
    ),
    by_faiss("sq8", "quantised", "one byte per dimension", lambda n, d: "SQ8"),
    by_faiss("pq", "quantised", "product quantisation: one byte for 4 dimensions", lambda n, d: f"PQ{pq_parts(d)}np"),
    by_faiss(
        "ivfpq",
        "ivf",
        "inverted file of product-quantised vectors",
        lambda n, d: f"IVF{nlist(n)},PQ{pq_parts(d)}np",
        NPROBE,
    ),
    by_faiss(
        "opq-ivfpq",
        "ivf",
        "the same after a learned rotation",
        lambda n, d: f"OPQ{pq_parts(d)},IVF{nlist(n)},PQ{pq_parts(d)}np",
        NPROBE,
    ),
    by_faiss(
        "ivf-fastscan",
        "ivf",
        "4-bit codes scanned in registers, the best scored again",
        # Fewer cells than `ivf`: scanning 4-bit codes is cheaper than finding cells. r: codes of what is left after
        # the centroid. d sub-quantisers: half as many are 3 % faster at recall@10 0.95 and lose the first neighbour
        # more often (recall@1 0.87 against 0.95); docs/benchmarks.md.
        lambda n, d: f"IVF{max(1, nlist(n) // 2)},PQ{d}x4fsr,Refine(SQfp16)",
        NPROBE,
        K_FACTOR,
    ),
    by_faiss(
        "lsh",
        "hash",
        "locality-sensitive hashing, a scan: the codes of all vectors are compared, 4 bits per dimension",
        lambda n, d: f"LSH{4 * d}rt",
    ),
    IndexSpec(
        "lsh-tables",
        "hash",
        "locality-sensitive hashing, buckets: only the vectors in the nearest buckets of 16 hash tables are compared",
        "hash_index.HashTables",
        build_params=(("tables", 16), ("bits", "log2(n / 24)")),
        params=(PROBES,),
        saved=False,
    ),
    by_library("hnswlib", "graph", "HNSW by its authors", "hnswlib_index.HnswlibIndex", "hnswlib", GRAPH, EF_SEARCH),
    by_library("usearch", "graph", "HNSW by USearch", "usearch_index.UsearchIndex", "usearch", GRAPH, EF_SEARCH),
    by_library("nmslib", "graph", "HNSW by NMSLIB", "nmslib_index.NmslibIndex", "nmslib", GRAPH, EF_SEARCH),
    by_library(
        "annoy", "tree", "trees of random planes, by Annoy", "annoy_index.AnnoyIndex", "annoy", {"trees": 50}, SEARCH_K
    ),
    by_library(
        "scann",
        "quantised",
        "4-bit codes in the nearest cells, the best scored again, by ScaNN",
        "scann_index.ScannIndex",
        "scann",
        {"leaves": "sqrt(n)"},  # as its guidelines say
        NPROBE,
        K_FACTOR,
    ),
    *(
        by_library(
            name,
            family,
            f"{title}, in Milvus: SEARCHDEMO_MILVUS=PATH.db or a server's URI",
            "milvus_index.MilvusIndex",
            "pymilvus milvus-lite",
            {"kind": kind} | build,
            *params,
            library="pymilvus",
            exact=not build and not params,
        )
        for name, kind, family, title, build, params in (
            ("milvus", "HNSW", "graph", "a graph of near neighbours", GRAPH, (EF_SEARCH,)),
            ("milvus-flat", "FLAT", "exact", "every vector", {}, ()),
            ("milvus-ivf-flat", "IVF_FLAT", "ivf", "inverted file", {}, (NPROBE,)),
            ("milvus-ivf-sq8", "IVF_SQ8", "ivf", "inverted file, one byte per dimension", {}, (NPROBE,)),
        )
    ),
    *(
        by_library(
            name,
            "tree",
            f"exact search in a {title}, by scikit-learn: slow beyond some 20 dimensions",
            "sklearn_index.TreeIndex",
            "scikit-learn",
            {"leaf_size": 40},
            library="sklearn",
            exact=True,
            saved=False,
        )
        for name, title in (("kd-tree", "k-d tree"), ("ball-tree", "ball tree"))
    ),
)

AT_ONCE = ("brute", "exact-bf16", "flat", "ivf")  # they are ready as soon as the stored vectors are

INDEXES = Table("index", ((spec.name, spec) for spec in _SPECS))


def find(name: str) -> IndexSpec:
    """The entry of this name; `faiss:STRING` makes one for any factory string. Raises UnknownName."""
    if name.startswith("faiss:"):
        factory = name.removeprefix("faiss:")
        return from_factory(factory, "ivf" if "IVF" in factory else "quantised")
    if name not in INDEXES:
        raise UnknownName("index", name, [*INDEXES, "faiss:STRING (command line)"])
    return INDEXES[name]
