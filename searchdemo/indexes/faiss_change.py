"""Additions and removals in FAISS's own indexes, without training them and without building a graph again."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from searchdemo.indexes.nodes import Nodes, digests
from searchdemo.types import MISSING

ANYWHERE, TOMBSTONES = "adds and removes", "adds, and keeps what is removed as tombstones"


def in_place(index: Any) -> str:
    """What FAISS's own index can do, for people; "" for nothing."""
    inner = innermost(index)
    if isinstance(inner, faiss.IndexHNSW):
        return TOMBSTONES
    # Fast-scan codes lie in blocks, and refined indexes are two: FAISS removes from neither.
    if isinstance(inner, faiss.IndexFlatCodes) or (
        isinstance(inner, faiss.IndexIVF) and not isinstance(inner, faiss.IndexIVFFastScan)
    ):
        return ANYWHERE
    return ""


def innermost(index: Any) -> Any:
    """The index behind steps such as PCA and OPQ."""
    index = faiss.downcast_index(index)
    return faiss.downcast_index(index.index) if isinstance(index, faiss.IndexPreTransform) else index


def into_memory(index: Any) -> None:
    """The inverted lists of an index, which may lie in a mapped file, where they can be written to."""
    ivf = faiss.try_extract_index_ivf(index)
    lists = ivf.invlists
    copied = faiss.ArrayInvertedLists(ivf.nlist, ivf.code_size)
    for cell in range(ivf.nlist):
        if size := lists.list_size(cell):
            copied.add_entries(cell, size, lists.get_ids(cell), lists.get_codes(cell))
    ivf.replace_invlists(copied, True)
    copied.this.disown()  # the index owns it now


def change(index: Any, was: np.ndarray, vectors: np.ndarray) -> None:
    """Of inverted files and flat codes: see Index.change. Afterwards FAISS's numbers are the new positions."""
    inner, count = innermost(index), index.ntotal
    if isinstance(inner, faiss.IndexIVF):
        into_memory(index)
    now = np.full(count, MISSING, np.int64)  # old position -> new one
    kept, added = np.flatnonzero(was != MISSING), np.flatnonzero(was == MISSING)
    now[was[kept]] = kept
    gone = np.packbits(now == MISSING, bitorder="little")
    if (now == MISSING).any():
        index.remove_ids(faiss.IDSelectorBitmap(gone))
    if isinstance(inner, faiss.IndexIVF):
        for cell in range(inner.nlist):
            if size := inner.invlists.list_size(cell):
                numbers = faiss.rev_swig_ptr(inner.invlists.get_ids(cell), size)
                numbers[:] = now[numbers]
        if len(added):
            index.add_with_ids(vectors[added], added)
        return
    if len(added):
        index.add(vectors[added])
    order = np.concatenate([now[now != MISSING], added])  # the new position of each code, as they lie now
    if not np.array_equal(order, np.arange(len(order))):
        inner.permute_entries(np.argsort(order))


def grown(index: Any, nodes: Nodes, was: np.ndarray, vectors: np.ndarray) -> Nodes:
    """Of an HNSW graph: see Index.change. A vector that a node holds already takes that one, a tombstone as well."""
    graph = innermost(index)
    kept, added = was != MISSING, np.flatnonzero(was == MISSING)
    of = np.full(len(was), MISSING, np.int64)
    of[kept] = nodes.of[was[kept]]
    if len(added):
        storage = faiss.downcast_index(graph.storage)
        node_of = {digest: node for node, digest in enumerate(digests(storage.reconstruct_n(0, graph.ntotal)))}
        new: list[int] = []
        for position, digest in zip(added.tolist(), digests(vectors[added]), strict=True):
            if digest not in node_of:
                node_of[digest] = graph.ntotal + len(new)
                new.append(position)
            of[position] = node_of[digest]
        if new:
            index.add(vectors[new])
    return Nodes(of, graph.ntotal)
