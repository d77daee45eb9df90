"""The steps of a search in an HNSW graph, one by one, as a person may follow them.

The algorithms 2 and 5 of Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs" (2018), in NumPy. A library runs them faster, and tells no steps.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from searchdemo.indexes.nodes import Nodes
from searchdemo.types import MISSING


@dataclass(frozen=True)
class Walk:
    """All are positions among the vectors."""

    descent: tuple[int, ...]  # from the entry point through the upper layers; the last is where layer 0 begins
    expanded: tuple[int, ...]  # in layer 0: whose neighbours were looked at, in that order
    kept: tuple[int, ...]  # the best ef_search that were seen, best first
    scored: int  # vectors that the query was compared with in layer 0

    def over(self, nodes: Nodes) -> Walk:
        """The walk over these nodes, in positions: of each node the first, and none where a tombstone was passed."""
        parts = (nodes.first(np.array(part, np.int64)) for part in (self.descent, self.expanded, self.kept))
        descent, expanded, kept = (tuple(part[part != MISSING].tolist()) for part in parts)
        return Walk(descent, expanded, kept, self.scored)


@dataclass(frozen=True)
class Graph:
    """An HNSW graph."""

    entry: int
    top: int  # the highest layer; 0 is the one that holds all positions
    neighbours: Callable[[int, int], np.ndarray]  # (position, layer) -> (m,) positions
    scores: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (query (dim,), positions (m,)) -> (m,), higher is nearer


def walk(graph: Graph, query: np.ndarray, ef_search: int) -> Walk:
    """query: (dim,). In layer 0, the best one that waits is expanded until it is worse than all `ef_search` kept."""
    here = graph.entry
    best = float(graph.scores(query, np.array([here]))[0])
    descent = [here]
    for layer in range(graph.top, 0, -1):
        while len(near := graph.neighbours(here, layer)):
            scores = graph.scores(query, near)
            nearest = int(scores.argmax())
            if scores[nearest] <= best:
                break
            here, best = int(near[nearest]), float(scores[nearest])
            descent.append(here)

    seen, expanded = {here}, []
    kept, waiting = [(best, here)], [(-best, here)]  # heaps: the worst kept comes first, and the best that waits
    while waiting:
        score, position = heapq.heappop(waiting)
        if len(kept) >= ef_search and -score < kept[0][0]:
            break
        expanded.append(position)
        near = np.array([one for one in graph.neighbours(position, 0).tolist() if one not in seen], np.int64)
        if not len(near):
            continue
        seen.update(near.tolist())
        for found in zip(graph.scores(query, near).tolist(), near.tolist(), strict=True):
            if len(kept) < ef_search:
                heapq.heappush(kept, found)
            elif found[0] > kept[0][0]:
                heapq.heapreplace(kept, found)
            else:
                continue
            heapq.heappush(waiting, (-found[0], found[1]))
    ordered = sorted(kept, key=lambda pair: (-pair[0], pair[1]))
    return Walk(tuple(descent), tuple(expanded), tuple(position for _, position in ordered), len(seen))
