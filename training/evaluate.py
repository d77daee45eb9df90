"""How good the towers are: k nearest neighbours, class names, words to pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from searchdemo.collection.accuracy import knn_accuracy
from searchdemo.collection.knn import evaluate
from searchdemo.collection.library import SearchEngine
from searchdemo.galleries.drawing.captions import describe
from searchdemo.galleries.scenes import load_scenes
from training.queries import QUERIES, Query

KS = (1, 5, 20, 50)


def knn_top1(
    gallery: np.ndarray, labels: np.ndarray, queries: np.ndarray, truth: np.ndarray, k: int = 20, temperature=0.07
) -> float:
    """Percent right by the weighted vote of searchdemo/knn.py, for rows in memory: the curve of a training."""
    nearest, cosines = [], []
    for start in range(0, len(queries), 500):
        scores = queries[start : start + 500] @ gallery.T
        found = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(found, np.argsort(-np.take_along_axis(scores, found, axis=1), axis=1), axis=1)
        nearest.append(found)
        cosines.append(np.take_along_axis(scores, found, axis=1))
    neighbours = labels[np.concatenate(nearest)]
    return evaluate(np.concatenate(cosines), neighbours, truth, int(labels.max()) + 1, (k,), temperature)[0].top1


def shipped_top1(engine: SearchEngine, gallery: str, ks: Sequence[int] = KS) -> dict[str, float]:
    """{"20": percent, ...}: what `python -m searchdemo knn --encoder bundled --index flat` prints for these vectors."""
    found = knn_accuracy(engine, gallery, "bundled", "flat", tuple(ks))
    return {str(result["k"]): round(result["top1"], 6) for result in found["results"] if result["vote"] == "weighted"}


def names_top1(class_rows: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> float:
    """Percent of pictures whose nearest class text (classes, dim) is the right one."""
    return 100 * float(((queries @ class_rows.T).argmax(axis=1) == truth).mean())


def precision_at(
    query_rows: np.ndarray, queries: Sequence[Query], gallery: np.ndarray, labels: np.ndarray, names: list[str], k=12
) -> np.ndarray:
    """Share of right pictures among the k nearest, for each query. names: first WordNet name of each label."""
    nearest = np.argpartition(-(query_rows @ gallery.T), k, axis=1)[:, :k]
    right = [{names.index(answer) for answer in query.answers} for query in queries]
    return np.array([np.isin(labels[rows], list(ok)).mean() for rows, ok in zip(nearest, right, strict=True)])


def words_to_pictures(
    encode_texts, gallery: np.ndarray, labels: np.ndarray, names: list[str]
) -> dict[str, dict[str, float]]:
    """Mean precision@12 over our query set: {"report": {"all", "other names", "kinds", "descriptions"}, "tune": {}}."""
    precisions = precision_at(encode_texts([query.text for query in QUERIES]), QUERIES, gallery, labels, names)

    def mean(half: str, kind: str | None = None) -> float:
        return float(
            np.mean([p for p, q in zip(precisions, QUERIES, strict=True) if q.half == half and kind in (None, q.kind)])
        )

    kinds = dict.fromkeys(query.kind for query in QUERIES)
    return {half: {"all": mean(half)} | {kind: mean(half, kind) for kind in kinds} for half in ("report", "tune")}


def scenes_figures(engine: SearchEngine) -> dict[str, float]:
    """On the gallery `scenes`: kNN top-1 by thing, and precision@12 of every "colour + thing + setting" there is.

    Such a query has at least six right answers, often fewer than twelve: "attainable" is what a perfect search gets.
    """
    rows, scenes = engine.prepared("scenes", "bundled").vectors.all(), load_scenes("gallery")
    triples = sorted({(scene.colour, scene.thing, scene.setting) for scene in scenes})
    wanted = [dict(zip(("colour", "thing", "setting"), triple, strict=True)) for triple in triples]
    right = np.array([[scene.matches(**attributes) for scene in scenes] for attributes in wanted])
    texts = engine.encoder("bundled").encode_texts([describe(attributes) for attributes in wanted])
    nearest = np.argsort(-(texts @ rows.T), axis=1)[:, :12]
    return {
        "knn_top1_by_thing": shipped_top1(engine, "scenes", (20,))["20"],
        "precision_at_12": float(np.take_along_axis(right, nearest, axis=1).mean()),
        "attainable": float((np.minimum(right.sum(axis=1), 12) / 12).mean()),
        "queries": len(wanted),
    }
