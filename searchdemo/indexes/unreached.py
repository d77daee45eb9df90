"""Nodes of a graph that no walk reaches: they lie beside it, and each search compares them all.

A node links to its nearest, and far ones are dropped. Where hundreds of vectors lie close together, such as a picture
that was saved again and again, they fill all of each other's links: a walk that meets them never leaves, and what lies
behind them is never found, whatever `ef_search` is. So a graph that was built is asked for each of its own vectors.

Tried with 1,500 JPEG copies of one picture (qualities of 30 to 95, three kinds of colour sampling, sizes of 60 to 260
pixels) among 899 other pictures of tiny-ImageNet, by bundled, as they are, all made equal, and half of each: in hnsw,
hnswlib, usearch and nmslib alike, each of the 899 finds itself first, and the original finds ten copies.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from searchdemo.files import replacing
from searchdemo.types import MISSING, Count

K = 10  # a node is reached when it is among the first so many that a search for it finds
AT_ONCE = 2048  # nodes that are asked for between two signs of progress
CELLS = 16_000_000  # cosines, and pairs of results and nodes beside the graph, that are compared at a time

Search = Callable[[np.ndarray, int], np.ndarray]  # (q, dim) unit rows, k -> (q, k) nodes


class Unreached:
    """m nodes of a graph and their vectors."""

    def __init__(self, nodes: np.ndarray, vectors: np.ndarray):
        """nodes: (m,); vectors: (m, dim)."""
        self.nodes, self.vectors = nodes.astype(np.int64), vectors.astype(np.float16).astype(np.float32)

    @classmethod
    def of(cls, search: Search, vectors: np.ndarray, live: np.ndarray | None, progress: Count) -> Unreached | None:
        """Those of vectors (n, dim), all of a graph's nodes, that its search does not find; None where it finds all.

        live: (n,) bool, those that are to be found; None: all
        """
        missed = []
        for start in range(0, len(vectors), AT_ONCE):
            progress(len(vectors), len(vectors))  # all are in the graph: it can be ended here too
            own = np.arange(start, min(start + AT_ONCE, len(vectors)))
            own = own if live is None else own[live[own]]
            if len(own):
                found = search(vectors[own], min(K, len(vectors)))
                missed.append(own[(found != own[:, None]).all(axis=1)])
        nodes = np.concatenate(missed) if missed else np.empty(0, np.int64)
        return cls(nodes, vectors[nodes]) if len(nodes) else None

    @classmethod
    def read(cls, path: Path, count: int, dim: int) -> Unreached:
        """Raises ValueError for a file that `write` did not write for a graph of `count` nodes."""
        stored = np.load(path, allow_pickle=False)
        if (
            stored.dtype != _record(dim)
            or stored.ndim != 1
            or not 0 <= stored["node"].min() <= stored["node"].max() < count
        ):
            raise ValueError("what lies beside the graph cannot be read")
        return cls(stored["node"], stored["vector"])

    def write(self, path: Path) -> None:
        stored = np.empty(len(self.nodes), _record(self.vectors.shape[1]))
        stored["node"], stored["vector"] = self.nodes, self.vectors
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, stored)

    def merged(
        self, queries: np.ndarray, nodes: np.ndarray, scores: np.ndarray, only: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What a walk found for unit rows (q, dim), nodes and cosines (q, k), best first, with these among it.

        only: (n,) bool, the nodes that may be found; None: all
        """
        k = nodes.shape[1]
        allowed = slice(None) if only is None else only[self.nodes]
        beside, vectors = self.nodes[allowed], self.vectors[allowed]
        if not (count := len(beside)):
            return nodes, scores
        most = min(k, count)  # of those beside, so many at most are among the best
        step = max(1, CELLS // max(1, count, k * most))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            every = queries[part] @ vectors.T
            best = np.sort(np.argpartition(every, count - most, axis=1)[:, count - most :], axis=1)
            near, own = beside[best], np.take_along_axis(every, best, axis=1)
            own[(nodes[part][:, :, None] == near[:, None, :]).any(axis=1)] = -np.inf  # the walk found it this time
            both = np.hstack([nodes[part], near]), np.hstack([scores[part], own])
            order = np.argsort(-both[1], axis=1, kind="stable")[:, :k]
            nodes[part], scores[part] = (np.take_along_axis(one, order, axis=1) for one in both)
        nodes[np.isneginf(scores)] = MISSING
        return nodes, scores


def _record(dim: int) -> np.dtype:
    return np.dtype([("node", "<i4"), ("vector", "<f2", (dim,))])
