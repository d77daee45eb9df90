"""Brute force in NumPy, in torch on a GPU: the ground truth, sharing no code with FAISS."""

from __future__ import annotations

import numpy as np

from searchdemo.indexes.base import IndexSpec, checked_params
from searchdemo.types import Neighbors

SCORES_AT_ONCE = 16_000_000  # floats of scores held at a time, 64 MB


class BruteForce:
    """Every query against every vector: one matrix product, then the k best."""

    def __init__(self, spec: IndexSpec, vectors: np.ndarray, load_ms: float = 0.0, device: str = "cpu"):
        """vectors: (n, dim) float32 unit rows, kept, not copied. device: "cuda..." searches on the GPU."""
        self.spec, self.load_ms = spec, load_ms
        self.size_bytes = vectors.nbytes
        self._vectors = vectors
        self._on_gpu, self.factory = None, "NumPy"
        if device.startswith("cuda"):
            import torch

            self._on_gpu, self.factory = torch.from_numpy(vectors).to(device), f"torch on {device}"

    def search(self, queries: np.ndarray, k: int, **params: int) -> Neighbors:
        checked_params(self.spec.name, (), params)
        k = min(k, len(self._vectors))
        search = self._search_numpy if self._on_gpu is None else self._search_torch
        step = max(1, SCORES_AT_ONCE // len(self._vectors))
        parts = [search(queries[start : start + step], k) for start in range(0, max(len(queries), 1), step)]
        return Neighbors(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))

    def _search_numpy(self, queries: np.ndarray, k: int) -> Neighbors:
        scores = queries @ self._vectors.T  # (q, n)
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best.sort(axis=1)  # equal scores keep the order of their rows
        chosen = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-chosen, axis=1, kind="stable")
        return Neighbors(np.take_along_axis(best, order, axis=1), np.take_along_axis(chosen, order, axis=1))

    def _search_torch(self, queries: np.ndarray, k: int) -> Neighbors:
        import torch

        with torch.inference_mode():
            scores, rows = (torch.from_numpy(queries).to(self._on_gpu.device) @ self._on_gpu.T).topk(k, dim=1)
        return Neighbors(rows.cpu().numpy(), scores.cpu().numpy())
