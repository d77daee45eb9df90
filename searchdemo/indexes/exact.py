"""Brute force: the ground truth, sharing no code with FAISS.

In NumPy; with torch on a GPU, and on a CPU that multiplies in bfloat16, where float32 has the last word.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from searchdemo.indexes.base import IndexSpec, checked_params
from searchdemo.types import Neighbors

SCORES_AT_ONCE = 6_400_000  # floats of scores held at a time, 26 MB: read again from the cache, not from memory
BLOCK = 32  # scores of which only the maximum is looked at first
BFLOAT16_ERROR = 2.0**-8  # at most, of a number in [-1, 1] that is rounded to bfloat16


class BruteForce:
    """Every query against every vector: one matrix product, then the k best."""

    def __init__(
        self, spec: IndexSpec, vectors: np.ndarray, load_ms: float = 0.0, device: str = "cpu", bfloat16: bool = False
    ):
        """vectors: (n, dim) float32 unit rows, kept, not copied. load_ms: what getting them took.

        device: "cuda..." searches on the GPU. bfloat16: the CPU multiplies in it; the answer stays that of float32, in
        half the time, see _search_twice.
        """
        started = time.perf_counter()
        self.spec = spec
        self.size_bytes = vectors.nbytes
        self._vectors = vectors
        self._search, self.factory = self._search_numpy, "NumPy"
        if device.startswith("cuda"):
            import torch

            self._on_gpu = torch.from_numpy(vectors).to(device)
            self._search, self.factory = self._search_gpu, f"torch on {device}"
        elif bfloat16:
            self._rounded, self._rounding = rounded(vectors)
            self._search, self.factory = self._search_twice, "torch in bfloat16, then NumPy"
            self.size_bytes += self._rounded.nbytes
        self.load_ms = load_ms + (time.perf_counter() - started) * 1000

    def search(self, queries: np.ndarray, k: int, **params: int) -> Neighbors:
        checked_params(self.spec.name, (), params)
        k = min(k, len(self._vectors))
        step = max(1, SCORES_AT_ONCE // len(self._vectors))
        parts = [self._search(queries[start : start + step], k) for start in range(0, max(len(queries), 1), step)]
        return Neighbors(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))

    def _search_numpy(self, queries: np.ndarray, k: int) -> Neighbors:
        scores = queries @ self._vectors.T  # (q, n)
        return best(scores, candidates(scores, k), k)

    def _search_twice(self, queries: np.ndarray, k: int) -> Neighbors:
        """All scores in bfloat16, then in float32 those that its error leaves in question: none of the k best is lost.

        |q·v - q'·v'| <= |q - q'| |v| + |q'| |v - v'| for unit rows and their roundings, and the score is rounded too.
        """
        import torch

        nearly, rounding = rounded(queries)
        with torch.inference_mode():
            scores = (nearly @ self._rounded.T).float().numpy()  # (q, n), summed in float32
        error = 1.01 * (rounding + self._rounding + BFLOAT16_ERROR)  # 1.01: |q'|, and what float32 rounds
        kept = list(candidates(scores, k, error))
        for row, query, columns in zip(scores, queries, kept, strict=True):
            row[columns] = np.einsum("nd,d->n", self._vectors[columns], query)
        return best(scores, kept, k)

    def _search_gpu(self, queries: np.ndarray, k: int) -> Neighbors:
        import torch

        with torch.inference_mode():
            scores, rows = (torch.from_numpy(queries).to(self._on_gpu.device) @ self._on_gpu.T).topk(k, dim=1)
        return Neighbors(rows.cpu().numpy(), scores.cpu().numpy())


def rounded(rows: np.ndarray):
    """(n, dim) float32 -> a torch tensor of them in bfloat16, and the length of the longest difference; 0 for none."""
    import torch

    exact = torch.tensor(rows)
    nearly = exact.bfloat16()
    return nearly, (exact - nearly).norm(dim=1).max().item() if len(rows) else 0.0


def candidates(scores: np.ndarray, k: int, error: float = 0.0) -> Iterator[np.ndarray]:
    """Of each row of scores (q, n): columns, ascending, the k highest among them, 1 <= k <= n.

    error: how far a score may be from the true one; the columns of the k highest true scores are among those returned.

    The k-th highest of the maxima of disjoint blocks is a threshold that k scores or more reach, so only the blocks
    whose maximum reaches it are looked into: a third of the time of a partition (n = 100,000, k = 10).
    """
    n = scores.shape[1]
    width = min(BLOCK, max(1, n // (4 * k)))  # several times as many blocks as wanted, or most of them would be kept
    blocks = n // width
    # Columns j, j + blocks, j + 2 blocks ... are block j: a maximum over axis 1 goes through memory in order.
    starts = np.arange(0, width * blocks, blocks)[:, None]
    rest = np.arange(width * blocks, n)  # fewer than a block
    maxima = scores[:, : width * blocks].reshape(-1, width, blocks).max(axis=1)
    thresholds = np.partition(maxima, blocks - k, axis=1)[:, blocks - k] - 2 * error
    for row, highest, threshold in zip(scores, maxima, thresholds, strict=True):
        columns = np.append(starts + np.flatnonzero(~(highest < threshold)), rest)
        yield columns[~(row[columns] < threshold)]  # not >=, which a NaN would fail


def best(scores: np.ndarray, kept: Iterable[np.ndarray], k: int) -> Neighbors:
    """The k highest among the kept columns of each row, best first; equal ones keep the order of their columns."""
    found = Neighbors(np.empty((len(scores), k), np.int64), np.empty((len(scores), k), np.float32))
    for number, (row, columns) in enumerate(zip(scores, kept, strict=True)):
        columns = columns[np.argsort(-row[columns], kind="stable")[:k]]
        found.rows[number], found.scores[number] = columns, row[columns]
    return found
