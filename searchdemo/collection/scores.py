"""Scores of what an index found: cosines from the stored vectors, equal ones in the order of their positions.

An index only estimates scores when it rounds its vectors, and it returns equal ones in any order.
"""

from __future__ import annotations

import numpy as np

from searchdemo.indexes.vectors import Vectors
from searchdemo.types import MISSING, Neighbors

FLOATS_AT_ONCE = 16_000_000  # of neighbours' vectors while they are scored, 64 MB


def rescored(queries: np.ndarray, vectors: Vectors, found: np.ndarray) -> Neighbors:
    """The positions that an index found, best first by their true cosines.

    queries: (q, dim) unit rows; found: (q, k) positions. Those that are MISSING get -inf and stand at the end.
    """
    cosines = np.empty(found.shape, np.float32)
    step = max(1, FLOATS_AT_ONCE // max(1, found.shape[1] * vectors.each * vectors.dim))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        cosines[part] = vectors.scores(queries[part], np.maximum(found[part], 0))
    cosines[found == MISSING] = -np.inf
    order = np.lexsort((found, -cosines), axis=1)
    each = np.arange(len(found))[:, None]
    return Neighbors(found[each, order], cosines[each, order])
