"""kNN accuracy of an encoder through an index: every held-out query against the gallery."""

from __future__ import annotations

import time

import numpy as np

from searchdemo.collection.knn import KS, TEMPERATURE, evaluate
from searchdemo.collection.library import SearchEngine, check_k
from searchdemo.errors import BadQuery
from searchdemo.types import MISSING

FLOATS_AT_ONCE = 16_000_000  # of neighbours' vectors while they are scored, 64 MB


def knn_accuracy(
    engine: SearchEngine,
    gallery: str,
    encoder: str,
    index: str,
    ks: tuple[int, ...] = KS,
    temperature: float = TEMPERATURE,
    per_class: bool = False,
    **params: int,
) -> dict:
    """{"queries", "results": [{"k", "vote", "top1", "top5"}], "seconds": {"embed", "search"}}, accuracy in percent.

    seconds.search is of the index alone, for all queries; seconds.embed was measured when the vectors were made.
    per_class adds to each result {label: top-1}. "notice" and "stand_in" come in when there is cause.
    Raises NotHere when no queries are stored, BadQuery for a k or a temperature out of bounds; NotBuilt, UnknownName.
    """
    for k in ks:
        check_k(k)
    if not temperature > 0:
        raise BadQuery(f"temperature = {temperature} is out of bounds: choose above 0, such as {TEMPERATURE}.")
    prepared = engine.prepared(gallery, encoder)
    queries, truth = prepared.held_out()
    searched = engine.index(gallery, encoder, index)
    started = time.perf_counter()
    positions = searched.search(queries, max(ks) + 1, **params).rows  # of two equal ones at the end, the first counts
    search_seconds = time.perf_counter() - started
    cosines, positions = (best[:, : max(ks)] for best in rescored(queries, prepared.vectors.all(), positions))
    labels = prepared.gallery.pictures.labels[prepared.gallery_rows(positions)].astype(np.int64)
    labels[positions == MISSING] = -1
    names = prepared.gallery.label_names
    results = []
    for accuracy in evaluate(cosines, labels, truth, len(names), ks, temperature):
        result = {"k": accuracy.k, "vote": accuracy.vote, "top1": accuracy.top1, "top5": accuracy.top5}
        if per_class:
            result["per_class"] = {n: float(p) for n, p in zip(names, accuracy.per_class, strict=True) if p == p}
        results.append(result)
    seconds = {"embed": prepared.artifact.manifest.embed_seconds, "search": round(search_seconds, 3)}
    content = {"queries": len(queries), "results": results, "seconds": seconds}
    if short := int((positions == MISSING).any(axis=1).sum()):
        remedy = "; raise nprobe" if any(param.name == "nprobe" for param in searched.spec.params) else ""
        content["notice"] = f"{short:,} of {len(queries):,} queries found fewer than {positions.shape[1]}{remedy}"
    if prepared.artifact.manifest.stand_in:
        content["stand_in"] = True
    return content


def rescored(queries: np.ndarray, vectors: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines from the stored vectors, and the positions again, both (q, k), best first, equal ones by position.

    queries (q, dim) and vectors (n, dim) unit rows; positions (q, k), MISSING ones get -inf and stay at the end.
    """
    cosines = np.empty(positions.shape, np.float32)
    step = max(1, FLOATS_AT_ONCE // (positions.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        cosines[part] = np.einsum("qd,qkd->qk", queries[part], vectors[positions[part]])
    cosines[positions == MISSING] = -np.inf
    order = np.lexsort((positions, -cosines), axis=1)  # an index returns equal ones in any order, one a thread count
    return np.take_along_axis(cosines, order, axis=1), np.take_along_axis(positions, order, axis=1)
