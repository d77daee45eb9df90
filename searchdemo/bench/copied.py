"""The search by hand that tutorials show, and that people copy: cosines of all, a dictionary by id, a sort of all."""

from __future__ import annotations

import numpy as np

from searchdemo.bench.points import Search
from searchdemo.extras import imported


def copied(vectors: np.ndarray, labels: np.ndarray) -> Search:
    """For one query per call. Ids are "<row>_<label>", as the tutorials have them. Raises NotInstalled.

    vectors: (n, dim); labels: (n,)
    """
    pairwise = imported("sklearn.metrics.pairwise", "The copied recipe", "pip install scikit-learn")
    ids = [f"{row}_{label}" for row, label in enumerate(labels)]

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        scores = pairwise.cosine_similarity(queries[:1], vectors)[0].tolist()  # it makes all rows unit again
        by_id = dict(zip(ids, scores, strict=True))
        best = sorted(by_id.items(), key=lambda pair: pair[1], reverse=True)[:k]
        return np.array([[int(id_.split("_")[0]) for id_, _ in best]])

    return search
