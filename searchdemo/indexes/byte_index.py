"""A first look at all vectors: one byte per number, and above which score none of them can be.

A byte is a quarter of a float32, and a scan of all vectors takes as long as memory takes to hand them over. Whoever
scores exactly those that come first knows the exact answer, where the k-th score is above the bound of all the others.

A row is x = s * c + e: s (dim,) the step of each dimension, c whole numbers from -127 to 127, e what rounding left. A
query is q * s = t * b + d in the same way, so that

    q . x  =  t * (b . c)  +  d . c  +  q . e  <=  t * (b . c)  +  |d| * max |c|  +  |q| * max |e|      (Cauchy-Schwarz)

Both maxima are measured over all rows when the bytes are made. Products of whole numbers are exact up to 2**24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import faiss
import numpy as np

from searchdemo.indexes.base import NPROBE, IndexSpec
from searchdemo.indexes.faiss_index import FaissIndex
from searchdemo.types import MISSING

HIGHEST = 127
SPEC = IndexSpec(
    name="bytes",
    family="quantised",
    help="upper bounds of all scores, from one byte per number",
    made_by="byte_index.ByteIndex",
    factory=lambda count, dim: "IVF1,SQ8_direct_signed",
    params=(NPROBE,),
    saved=False,
)


class ByteIndex(FaissIndex):
    """Its scores are upper bounds of the cosines. Not in the table: it is the first half of an exact search."""

    def __init__(self, blocks: Callable[[], Iterable[np.ndarray]], dim: int):
        """blocks: yields all unit rows, (m, dim) float32 at a time; called twice."""
        highest = np.zeros(dim, np.float32)
        for rows in blocks():
            np.maximum(highest, np.abs(rows).max(axis=0, initial=0), out=highest)
        self._steps = np.where(highest > 0, highest / HIGHEST, 1).astype(np.float32)
        # One cell: FAISS searches an inverted file in the caller's thread, but wakes all cores for a flat index.
        kind, metric = faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        cell = faiss.IndexFlatIP(dim)
        cell.add(np.zeros((1, dim), np.float32))
        codes = faiss.IndexIVFScalarQuantizer(cell, dim, 1, kind, metric, False)
        codes.is_trained = True
        self._longest = self._left = 0.0  # max |c|, max |e|
        for rows in blocks():
            rounded = np.rint(rows / self._steps)
            codes.add(rounded)
            self._longest = max(self._longest, lengths(rounded).max(initial=0))
            left = lengths(rows - rounded * self._steps).max(initial=0)
            self._left = np.maximum(self._left, left)  # of a NaN, which leaves no bound, too
        # What float32 rounds in sums of dim products, here and where the rows are scored exactly.
        self._float_error = dim * 2.0**-22
        super().__init__(SPEC, codes, codes.ntotal * dim)

    def _asked(self, queries: np.ndarray, k: int, params: Any) -> tuple[np.ndarray, np.ndarray]:
        scaled = queries.astype(np.float64) * self._steps
        steps = np.maximum(np.abs(scaled).max(axis=1, keepdims=True), 1e-30) / HIGHEST
        rounded = np.rint(scaled / steps)
        error = lengths(scaled - rounded * steps) * self._longest + lengths(queries) * self._left + self._float_error
        products, rows = self.index.search(rounded.astype(np.float32), k, params=params)
        bounds = (products * steps + error[:, None]).astype(np.float32)
        bounds[rows == MISSING] = -np.inf
        return rows, bounds


def lengths(rows: np.ndarray) -> np.ndarray:
    """(m,) of rows (m, dim)."""
    return np.sqrt(np.einsum("nd,nd->n", rows, rows))
