"""One index split into shards whose answers are merged: what several machines, or several threads, would do."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.faiss_index import FaissIndex
from searchdemo.indexes.nodes import Nodes


def shards(spec: IndexSpec, vectors: np.ndarray, number: int) -> list[Any]:
    """Indexes over `number` equal runs of the unit rows (n, dim). Raises BadQuery when a run is too short."""
    return [spec.build(part) for part in np.array_split(vectors, number)]


def merged(parts: list[Any], threaded: bool) -> FaissIndex:
    """FAISS's IndexShards over the parts: positions are those of the whole. threaded: one thread per shard.

    Every shard is asked with the same parameters and k, so an inverted file visits nprobe cells in each of them.
    """
    first = parts[0]
    whole = faiss.IndexShards(first.dim, threaded, True)  # True: positions go on from shard to shard
    for part in parts:
        whole.add_shard(part.owner)
    index = FaissIndex(first.spec, whole, sum(part.size_bytes for part in parts), first.recipe)
    if any(part.nodes is not None for part in parts):  # FAISS goes on from node to node, not from position to position
        nodes = [part.nodes or Nodes(np.arange(part.count), part.count) for part in parts]
        starts = np.cumsum([0, *(each.count for each in nodes)])
        of = np.concatenate([each.of + start for each, start in zip(nodes, starts[:-1], strict=True)])
        index.stand_for(Nodes(of, int(starts[-1])))
    return index
