"""Measures of the towers: k nearest neighbours, class names, words to pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from searchdemo.bench.suite.calibration import judged_by
from searchdemo.collection.calibration import Curve
from searchdemo.collection.collection import Collection
from searchdemo.collection.knn import evaluate
from searchdemo.encoders.base import Encoder
from searchdemo.encoders.templates import ClassRows
from searchdemo.errors import BadQuery
from searchdemo.galleries.drawing.captions import describe
from searchdemo.galleries.scenes import load_scenes
from searchdemo.indexes.table import INDEXES
from searchdemo.types import Neighbors
from training.queries import HALVES, KINDS, QUERIES, Query

KS = (1, 5, 20, 50)


def nearest(gallery: np.ndarray, queries: np.ndarray, k: int) -> Neighbors:
    """The k nearest of the gallery's unit rows (n, dim) to each query (q, dim), by brute force."""
    return INDEXES["brute"].build(gallery).search(queries, k)


def knn_top1(
    gallery: np.ndarray,
    labels: np.ndarray,
    queries: np.ndarray,
    truth: np.ndarray,
    k: int = 20,
    temperature: float = 0.07,
) -> float:
    """Percent of queries that the weighted vote of collection/knn.py gets right, for rows in memory."""
    found, classes = nearest(gallery, queries, k), int(labels.max()) + 1
    return evaluate(found.scores, labels[found.positions], truth, classes, (k,), temperature)[0].top1


def shipped_top1(collection: Collection, ks: Sequence[int] = KS) -> dict[str, float]:
    """{"20": percent, ...}, as `python -m searchdemo knn --encoder bundled --index flat` prints for these vectors."""
    found = collection.evaluate("flat", tuple(ks))
    return {str(accuracy.k): round(accuracy.top1, 6) for accuracy in found.accuracies if accuracy.vote == "weighted"}


def names_top1(names: ClassRows, queries: np.ndarray, truth: np.ndarray) -> float:
    """Percent of pictures whose nearest class name is the right one."""
    return 100 * float((names.classes[(queries @ names.rows.T).argmax(axis=1)] == truth).mean())


def precision_at(
    query_rows: np.ndarray,
    queries: Sequence[Query],
    gallery: np.ndarray,
    labels: np.ndarray,
    names: list[str],
    k: int = 12,
) -> np.ndarray:
    """Share of right pictures among the k nearest, for each query. names: first WordNet name of each label."""
    found = labels[nearest(gallery, query_rows, k).positions]
    right = [[names.index(answer) for answer in query.answers] for query in queries]
    return np.array([np.isin(row, answers).mean() for row, answers in zip(found, right, strict=True)])


def told_apart(
    query_rows: np.ndarray,
    queries: Sequence[Query],
    gallery: np.ndarray,
    labels: np.ndarray,
    names: list[str],
    curve: Curve,
    misread: np.ndarray | None = None,
) -> dict[str, float]:
    """What `judged_by` gives of a curve: each query with the right pictures there, and with them removed.

    misread: (q,) of the queries' texts, see collection/steadiness.py
    """
    means: tuple[list[float], list[float]] = [], []
    for row, query in zip(query_rows, queries, strict=True):
        cosines = gallery @ row
        right = np.isin(labels, [names.index(answer) for answer in query.answers])
        for found, some in zip(means, (cosines, cosines[~right]), strict=True):
            found.append(float(np.partition(some, -curve.nearest)[-curve.nearest :].mean(dtype=np.float64)))
    there, removed = np.array(means[0]), np.array(means[1])
    return judged_by(curve, there, removed, misread)[0]


def readable(encoder: Encoder, text: str) -> bool:
    try:
        encoder.encode_texts([text])
    except BadQuery:
        return False
    return True


def words_to_pictures(
    encoder: Encoder, gallery: np.ndarray, labels: np.ndarray, names: list[str]
) -> dict[str, dict[str, float]]:
    """Mean precision@12 over our query set: {"report": {"all", "other names", "kinds", "descriptions"}, "tune": {}}."""
    read = [readable(encoder, query.text) for query in QUERIES]
    understood = [query for query, can in zip(QUERIES, read, strict=True) if can]
    precisions = np.zeros(len(QUERIES))  # a text that the encoder refuses finds nothing
    rows = encoder.encode_texts([query.text for query in understood])
    precisions[read] = precision_at(rows, understood, gallery, labels, names)

    def mean(half: str, *kinds: str) -> float:
        asked = [query.half == half and query.kind in kinds for query in QUERIES]
        return float(precisions[asked].mean())

    return {half: {"all": mean(half, *KINDS)} | {kind: mean(half, kind) for kind in KINDS} for half in HALVES}


def scenes_figures(collection: Collection) -> dict[str, float]:
    """On the gallery `scenes`: kNN top-1 by thing, and precision@12 of every "colour + thing + setting" there is.

    Such a query has at least six right answers, often fewer than twelve. A perfect search gets "attainable".
    """
    rows, scenes = collection.vectors.all(), load_scenes("gallery")
    triples = sorted({(scene.colour, scene.thing, scene.setting) for scene in scenes})
    wanted = [dict(zip(("colour", "thing", "setting"), triple, strict=True)) for triple in triples]
    right = np.array([[scene.matches(**attributes) for scene in scenes] for attributes in wanted])
    texts = collection.encoder().encode_texts([describe(attributes) for attributes in wanted])
    found = nearest(rows, texts, 12).positions
    return {
        "knn_top1_by_thing": shipped_top1(collection, (20,))["20"],
        "precision_at_12": float(np.take_along_axis(right, found, axis=1).mean()),
        "attainable": float((np.minimum(right.sum(axis=1), 12) / 12).mean()),
        "queries": len(wanted),
    }
