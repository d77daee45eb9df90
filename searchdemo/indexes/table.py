"""The INDEXES table. Another index is one more entry; any other FAISS factory string is `faiss:STRING`."""

from __future__ import annotations

import math

from searchdemo.errors import UnknownName
from searchdemo.indexes.base import IndexSpec

TRAINING_POINTS_PER_CELL = 39  # FAISS's own least number for k-means


def nlist(vectors: int) -> int:
    """Cells of an inverted file: the power of two nearest below 2*sqrt(n), with enough points to train each.

    FAISS's guidelines say 4*sqrt(n) to 16*sqrt(n). On 100,000 vectors of 128 dimensions half of that was faster: recall
    0.95 took 0.054 ms with 512 cells, 0.064 ms with 1,024 and 0.051 ms with 256, one query on one thread.
    """
    wanted = min(2 * math.sqrt(vectors), vectors / TRAINING_POINTS_PER_CELL)
    return 2 ** max(int(math.log2(max(wanted, 1))), 0)


# "np": without polysemous training, which costs most of the building time and serves a filter that is not used here.
def _specs() -> tuple[IndexSpec, ...]:
    return (
        IndexSpec(
            "brute",
            "exact",
            lambda n, d: "",
            "every vector: NumPy, or torch where it multiplies in bfloat16 or on a GPU",
        ),
        IndexSpec("flat", "exact", lambda n, d: "Flat", "every vector, by FAISS"),
        IndexSpec("ivf", "ivf", lambda n, d: f"IVF{nlist(n)},SQfp16", "inverted file: only the nearest cells"),
        # Half floats: half the memory to fetch at each step of the walk, 0.032 ms in place of 0.041 at recall 0.95.
        IndexSpec(
            "hnsw", "graph", lambda n, d: "HNSW32_SQfp16", "a graph of near neighbours", (("efConstruction", 200),)
        ),
        IndexSpec("sq8", "quantised", lambda n, d: "SQ8", "one byte a dimension"),
        IndexSpec("pq", "quantised", lambda n, d: f"PQ{d // 4}np", "product quantisation: one byte for 4 dimensions"),
        IndexSpec(
            "ivfpq", "ivf", lambda n, d: f"IVF{nlist(n)},PQ{d // 4}np", "inverted file of product-quantised vectors"
        ),
        IndexSpec(
            "opq-ivfpq",
            "ivf",
            lambda n, d: f"OPQ{d // 4},IVF{nlist(n)},PQ{d // 4}np",
            "the same after a learned rotation",
        ),
        IndexSpec(
            "ivf-fastscan",
            "ivf",
            # Fewer cells than `ivf`: scanning 4-bit codes is cheaper than finding cells. r: codes of what is left after
            # the centroid. d sub-quantisers: half as many are 3 % faster at recall@10 0.95 and lose the first neighbour
            # more often (recall@1 0.87 against 0.95); docs/benchmarks.md.
            lambda n, d: f"IVF{max(1, nlist(n) // 2)},PQ{d}x4fsr,Refine(SQfp16)",
            "4-bit codes scanned in registers, the best scored again",
        ),
        IndexSpec("lsh", "hash", lambda n, d: f"LSH{4 * d}rt", "locality-sensitive hashing: 4 bits a dimension"),
    )


INDEXES: dict[str, IndexSpec] = {spec.name: spec for spec in _specs()}


def find(name: str) -> IndexSpec:
    """The entry of this name; `faiss:STRING` makes one for any factory string. Raises UnknownName."""
    if name.startswith("faiss:"):
        factory = name.removeprefix("faiss:")
        return IndexSpec(
            name, "ivf" if "IVF" in factory else "quantised", lambda n, d: factory, "a FAISS factory string"
        )
    if name not in INDEXES:
        raise UnknownName("index", name, [*INDEXES, "faiss:STRING (command line)"])
    return INDEXES[name]
