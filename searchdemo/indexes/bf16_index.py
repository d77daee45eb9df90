"""Exact search faster than brute force: bfloat16 first, float32 for what that leaves in question; or torch on a GPU."""

from __future__ import annotations

import time

import numpy as np
import torch

from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.numpy_index import Brute, best, candidates
from searchdemo.processor import multiplies_bfloat16

BFLOAT16_ERROR = 2.0**-8  # at most, of a number in [-1, 1] that is rounded to bfloat16


class ExactBfloat16(Brute):
    """The answer of brute force, faster in batches where the processor multiplies in bfloat16; elsewhere the same.

    `bench floors` compares both.
    """

    def __init__(self, spec: IndexSpec, vectors: np.ndarray, bfloat16: bool | None = None):
        """vectors: (n, dim) float32 unit rows, kept. bfloat16: whether to multiply in it; None: where it is fast."""
        super().__init__(spec, vectors)
        self._on_gpu = self._rounded = None
        if multiplies_bfloat16() if bfloat16 is None else bfloat16:
            self._rounded, self._rounding = rounded(vectors)
            self.size_bytes += self._rounded.nbytes
            self.recipe = "torch in bfloat16, then NumPy"

    def to_gpu(self, device: str = "cuda:0") -> None:
        if torch.cuda.is_available():
            started = time.perf_counter()
            self._on_gpu = torch.from_numpy(self.index).to(device)
            self._rounded, self.size_bytes, self.recipe = None, self.index.nbytes, f"torch on {device}"
            self.load_ms += (time.perf_counter() - started) * 1000

    def _nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        if self._on_gpu is not None:
            with torch.inference_mode():
                scores, rows = (torch.from_numpy(queries).to(self._on_gpu.device) @ self._on_gpu.T).topk(k, dim=1)
            return rows.cpu().numpy(), scores.cpu().numpy()
        return super()._nearest(queries, k) if self._rounded is None else self._twice(queries, k, self._rounded)

    def _twice(self, queries: np.ndarray, k: int, vectors: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """All scores in bfloat16, then in float32 those that its error leaves in question: none of the k best is lost.

        |q·v - q'·v'| <= |q - q'| |v| + |q'| |v - v'| for unit rows and their roundings, and the score is rounded too.
        """
        nearly, rounding = rounded(queries)
        with torch.inference_mode():
            scores = (nearly @ vectors.T).float().numpy()  # (q, n), summed in float32
        error = 1.01 * (rounding + self._rounding + BFLOAT16_ERROR)  # 1.01: |q'|, and what float32 rounds
        kept = list(candidates(scores, k, error))
        for row, query, columns in zip(scores, queries, kept, strict=True):
            row[columns] = np.einsum("nd,d->n", self.index[columns], query)
        return best(scores, kept, k)


def rounded(rows: np.ndarray) -> tuple[torch.Tensor, float]:
    """(n, dim) float32 -> a tensor of them in bfloat16, and the length of the longest difference; 0 for none."""
    exact = torch.tensor(rows)
    nearly = exact.bfloat16()
    return nearly, (exact - nearly).norm(dim=1).max().item() if len(rows) else 0.0
