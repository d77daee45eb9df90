"""What the nodes of an index stand for, where that is not simply position for position.

Equal vectors share a node of a graph. It links each vector to its nearest only: hundreds of equal ones know nobody but
each other, a walk that meets them never leaves, and what lies behind them is never found, whatever `ef_search` is.
ScaNN learns from the vectors where its leaves lie and how to write what is left: hundreds of equal ones leave it no
leaf and no code for the others.

A node whose positions were all removed stays as a way to its neighbours, and is in no answer: a tombstone.
"""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np

from searchdemo.files import replacing
from searchdemo.types import MISSING


class Nodes:
    """Positions 0 ... n-1 on nodes 0 ... count-1. It never changes."""

    def __init__(self, of: np.ndarray, count: int):
        """of: (n,) the node of each position; count: nodes, tombstones included."""
        self.of, self.count = of.astype(np.int32), count
        self._order = np.argsort(of, kind="stable")  # positions by node
        self._sizes = np.bincount(of, minlength=count)  # positions of each node
        self._starts = np.cumsum(self._sizes) - self._sizes

    @classmethod
    def read(cls, path: Path) -> Nodes:
        """Raises ValueError for a file that was not written by `write`."""
        stored = np.load(path, allow_pickle=False)
        if stored.dtype != np.int32 or stored.ndim != 1 or not len(stored) or stored.min() < 0:
            raise ValueError("its nodes cannot be read")
        *_, count = stored.tolist()
        if len(stored) > 1 and stored[:-1].max() >= count:
            raise ValueError("its nodes cannot be read")
        return cls(stored[:-1], count)

    def write(self, path: Path) -> None:
        """The node of each position, and at the end how many nodes there are; int32."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.append(self.of, np.int32(self.count)))

    @cached_property
    def live(self) -> np.ndarray:
        """(count,) bool: False for a tombstone."""
        return self._sizes > 0

    @cached_property
    def buried(self) -> int:
        """How many tombstones there are."""
        return self.count - int(self.live.sum())

    @property
    def burden(self) -> float:
        """Nodes that a walk passes for each one that may be in an answer."""
        return self.count / (self.count - self.buried)

    @property
    def plain(self) -> bool:
        """Whether each node is its own position, so that nobody has to ask."""
        return len(self.of) == self.count and np.array_equal(self.of, np.arange(self.count))

    def standing_for(self, only: np.ndarray) -> np.ndarray:
        """(count,) bool: the nodes of these positions, (n,) bool."""
        nodes = np.zeros(self.count, dtype=bool)
        nodes[self.of[only]] = True
        return nodes

    def positions(self, node: int) -> np.ndarray:
        """All that a node stands for, ascending; empty for a tombstone."""
        return self._order[self._starts[node] : self._starts[node] + self._sizes[node]]

    def first(self, nodes: np.ndarray) -> np.ndarray:
        """Of each node (m,) the lowest position; MISSING for a tombstone."""
        found = self._order[np.minimum(self._starts[nodes], len(self._order) - 1)]
        return np.where(self._sizes[nodes] > 0, found, MISSING)

    def expanded(
        self, nodes: np.ndarray, scores: np.ndarray, k: int, only: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Nodes (q, m) that a search found, best first, with MISSING at the end -> positions and scores (q, k).

        only: (n,) bool, the positions that may be found; None: all
        """
        rows, row_scores = np.full((len(nodes), k), MISSING, np.int64), np.full((len(nodes), k), -np.inf, np.float32)
        for number, (found, found_scores) in enumerate(zip(nodes, scores, strict=True)):
            here = found != MISSING
            found, found_scores = found[here], found_scores[here]
            sizes = self._sizes[found]
            ends = np.cumsum(sizes)
            every = int(ends[-1]) if len(ends) else 0
            within = np.arange(every if only is not None else min(every, k))
            which = np.searchsorted(ends, within, side="right")  # the node that each place of the answer belongs to
            positions = self._order[self._starts[found[which]] + within - (ends - sizes)[which]]
            if only is not None:
                allowed = np.flatnonzero(only[positions])[:k]
                positions, which = positions[allowed], which[allowed]
            rows[number, : len(positions)], row_scores[number, : len(positions)] = positions, found_scores[which]
        return rows, row_scores


def distinct(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of vectors (n, dim): the first position of each different one, (m,) ascending, and which one each is, (n,).

    Those are equal that half floats do not tell apart. Graphs hold half floats, and so do the stored vectors.
    """
    known: dict[bytes, int] = {}
    which = [known.setdefault(digest, len(known)) for digest in digests(vectors)]
    of = np.array(which, np.int64)
    first = np.full(len(known), len(of))
    np.minimum.at(first, of, np.arange(len(of)))
    return first, of


def digests(vectors: np.ndarray) -> list[bytes]:
    """16 bytes for each vector (n, dim), the same for those that half floats do not tell apart."""
    rounded = vectors.astype(np.float16) + np.float16(0)  # -0.0 becomes 0.0
    return [blake2b(row, digest_size=16).digest() for row in rounded]
