"""How well vectors find pictures of a class: by the vote of the neighbours, and by the first of them."""

from __future__ import annotations

import itertools

import numpy as np

from searchdemo.collection.asked import without_themselves
from searchdemo.collection.knn import TEMPERATURE, ranked_classes, rightly, vote_weights
from searchdemo.indexes.table import INDEXES


def found_by_class(
    vectors: np.ndarray,
    labels: np.ndarray,
    queries: np.ndarray,
    truth: np.ndarray,
    own: np.ndarray | None,
    classes: int,
    k: int,
) -> tuple[dict[str, float], np.ndarray]:
    """{"top1", "top5", "found_1", "found_10"}, and whether the first guess of each query is right, (q,) bool.

    top<r>: % of queries with a right class among the first r by the vote of the k nearest.
    found_<r>: the share of queries with one of their class among the first r (recall@r of metric learning).
    vectors (n, dim), queries (q, dim): unit rows; labels (n, L), truth (q, L): -1 fills up, one of several is right;
    own (q,): the position of each query among the vectors, which is left out of its own answer; None: it is not there
    """
    found = INDEXES["flat"].build(vectors).search(queries, k + (own is not None))
    if own is not None:
        found = without_themselves(found, own)
    theirs = labels[found.positions]
    right = rightly(ranked_classes(vote_weights(found.scores, TEMPERATURE), theirs, classes), truth)
    same = same_class(theirs, truth)
    figures = {
        "top1": 100 * float(right[:, 0].mean()),
        "top5": 100 * float(right.any(axis=1).mean()),
        "found_1": float(same[:, 0].mean()),
        "found_10": float(same[:, :10].any(axis=1).mean()),
    }
    return figures, right[:, 0]


def same_class(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether each neighbour has a class of its query's: labels (q, k, L), truth (q, M) -> (q, k). -1 is no class."""
    pairs = itertools.product(range(labels.shape[2]), range(truth.shape[1]))
    return np.logical_or.reduce([(labels[:, :, i] == truth[:, j, None]) & (truth[:, j, None] >= 0) for i, j in pairs])
