"""How well an index still answers that took additions and removals in place, and when it is to be trained again.

Two figures are taken of it after each change, on SAMPLE pictures of the gallery: the recall@10 of a search with the
usual parameters against exact search, and how many times as much it looks at as one that is built anew (Index.burden).

The bounds were chosen by measurement: 10,000 vectors of 64 dimensions around 200 centres, grown in steps by others
around 200 centres of their own, up to four times as many, and beside each step the same index built anew. recall@10
in place and anew, and the work in place, of `ivf`:

    added    same spread          shifted              (`ivfpq`, 4,000 vectors)
       5%    0.991 0.992  1.0     0.982 0.997  1.0     0.798 0.803  1.0
      20%    0.965 0.973  1.0     0.969 0.998  1.0     0.767 0.798  1.0
      50%    0.938 0.994  1.0     0.959 0.998  1.1     0.804 0.851  2.3
     100%    0.922 0.999  2.0     0.947 0.999  2.4     0.736 0.802  2.6
     300%    0.904 1.000  2.1     0.937 0.998  3.1     0.480 0.610  3.3

A new index gives 0.03 back once 0.03 to 0.04 are lost. Of 400 pictures, less than that is chance. Work doubles where
more vectors ask for twice as many cells; one that is built anew never did more than 1.5 times the usual. A graph lost
nothing: 0.993 against 0.998 after 300%, and nothing while 90% became tombstones, as more candidates make up for them.
Its price is the work alone, which is 1.75 times as much when 43% are tombstones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searchdemo.collection.scores import rescored
from searchdemo.indexes.base import Index
from searchdemo.indexes.table import find
from searchdemo.indexes.vectors import ArrayVectors
from searchdemo.types import MISSING

K = 10
SAMPLE = 400  # pictures
RECALL_LOST = 0.03  # since it was trained
MORE_WORK = 1.75  # times the work that it did when it was trained
ROUNDING = 1e-4  # of half floats: equal cosines may differ by so much


@dataclass(frozen=True)
class Fitness:
    recall: float  # @10 against exact search, of pictures of the gallery, each without itself
    burden: float  # see Index.burden

    def drifted(self, trained: Fitness) -> str:
        """Why it is to be trained again, for people; "" where it is not. trained: as it was after training."""
        if self.recall < trained.recall - RECALL_LOST:
            return f"its recall fell from {trained.recall:.3f} to {self.recall:.3f}"
        if self.burden > MORE_WORK * trained.burden:
            return f"it looks at {self.burden / trained.burden:.1f} times as much as when it was trained"
        return ""


ANEW = Fitness(1.0, 1.0)


def fitness(index: Index, vectors: np.ndarray) -> Fitness:
    """vectors: (n, dim) float32 unit rows, those that the index is over."""
    k = min(K, len(vectors) - 1)
    if k < 1:
        return ANEW
    sample = np.sort(np.random.default_rng(0).choice(len(vectors), min(SAMPLE, len(vectors)), replace=False))
    queries = vectors[sample]
    exact, ours = (
        scores_of_others(queries, sample, vectors, one.search(queries, k + 1).positions, k)
        for one in (find("brute").build(vectors), index)
    )
    # By their scores: of equal vectors, any may be found.
    return Fitness(float((ours >= exact[:, -1:] - ROUNDING).mean()), index.burden(queries))


def scores_of_others(
    queries: np.ndarray, own: np.ndarray, vectors: np.ndarray, found: np.ndarray, k: int
) -> np.ndarray:
    """Cosines (q, k) of the best that were found (q, k + 1) without each query itself; -inf where there are fewer."""
    found = np.where(found == own[:, None], MISSING, found)
    return rescored(queries, ArrayVectors(vectors), found).scores[:, :k]
