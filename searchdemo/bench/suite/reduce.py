"""Fewer bytes a vector: fewer dimensions (PCA, random projection), fewer bits a dimension, and LSH's sign bits.

Every reduction answers alone, as if the full vectors were gone: neighbours and votes by its own estimate of the cosine.
recall@10 is against the exact neighbours by full float32.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from searchdemo.bench.plots import SERIES, legend, lines, panels
from searchdemo.bench.points import KNN_K, spec, timed_build
from searchdemo.bench.tables import Column, Table, fixed
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.build import Progress, clock
from searchdemo.collection.knn import TEMPERATURE, evaluate
from searchdemo.indexes.vectors import unit
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.metrics import recall_at_k
from searchdemo.types import Neighbors

DIMS = (8, 16, 32, 64, 96, 128, 256, 512, 1024)
BITS = (32, 64, 128, 256, 512, 1024)
PROJECTION_SEEDS = 3
RECALL_K = 10
FLOAT_BYTES = 4
LSH = {  # method -> what follows the number of bits in FAISS's factory string
    "LSH": "",
    "LSH, rotated": "r",
    "LSH, rotated, thresholds": "rt",
}


@dataclass(frozen=True)
class Reduced:
    """What is left of gallery and queries, as float32 unit rows; `bytes` a vector of the gallery takes when kept."""

    vectors: np.ndarray
    queries: np.ndarray
    bytes: int


def run(bench: Bench) -> Figures:
    work = bench.workload()
    k = min(KNN_K, len(work.vectors))
    points, done, started = [], 0, time.perf_counter()
    dims = sorted({d for d in DIMS if d < work.vectors.shape[1]} | {work.dim})
    bits = [("LSH", b) for b in BITS if b <= work.dim]  # without a rotation FAISS takes the signs of the first bits
    bits += [(method, b) for method in list(LSH)[1:] for b in BITS]
    total = 3 + len(dims) * (1 + PROJECTION_SEEDS) + len(bits)

    def measured(method: str, dim: int, bytes_: int, found: Neighbors) -> dict:
        nonlocal done
        done += 1
        left = clock((total - done) * (time.perf_counter() - started) / done)
        bench.report(Progress(f"{done} of {total} reductions ({method}), about {left} left", done, total, 0))
        return {"method": method, "dim": dim, "bytes": bytes_} | quality(found, work)

    for method, reduced in whole_dimensions(work):
        points.append(measured(method, work.dim, reduced.bytes, exact(reduced, k)))
    axes = principal_axes(work.vectors)
    for dim in dims:
        reduced = projected(work, axes[:, :dim])
        points.append(measured("PCA", dim, reduced.bytes, exact(reduced, k)))
    for dim in dims:
        each = []
        for seed in range(bench.seed, bench.seed + PROJECTION_SEEDS):
            drawn = np.random.default_rng(seed).standard_normal((work.dim, dim), dtype=np.float32)
            reduced = projected(work, drawn)
            each.append(measured("random projection", dim, reduced.bytes, exact(reduced, k)))
        points.append(
            {key: float(np.mean([p[key] for p in each])) if key in QUALITY else each[0][key] for key in each[0]}
        )
    for method, number in bits:
        points.append(measured(method, number, number // 8, hashed(work, f"LSH{number}{LSH[method]}", number, k)))
    full = FLOAT_BYTES * work.dim
    points = [point | {"saved_percent": 100 * (1 - point["bytes"] / full)} for point in points]
    notes = ["the stored vectors were half floats already, so float16 can lose next to nothing"]
    return Figures(
        work.subject,
        {"points": points},
        {"knn_k": k, "temperature": TEMPERATURE, "projection_seeds": PROJECTION_SEEDS},
        notes=[] if work.subject.get("synthetic") else notes,
    )


QUALITY = ("knn_top1", "knn_top5", "recall_10")


def quality(found: Neighbors, work: Workload) -> dict[str, float]:
    """kNN accuracy in percent by the weighted vote with these very scores, and recall@10."""
    labels, k = work.labels[found.rows], found.rows.shape[1]
    result = evaluate(found.scores, labels, work.truth, len(work.label_names), (k,))[0]
    near = min(RECALL_K, k)
    return {
        "knn_top1": result.top1,
        "knn_top5": result.top5,
        "recall_10": recall_at_k(found.rows[:, :near], work.exact(near)),
    }


def exact(reduced: Reduced, k: int) -> Neighbors:
    return timed_build("flat", reduced.vectors)[0].search(reduced.queries, k)


def hashed(work: Workload, factory: str, bits: int, k: int) -> Neighbors:
    """By the Hamming distance h of sign bits; two vectors differ in a share of angle / pi of them (Charikar 2002).

    So the estimate of the cosine is cos(pi h / bits).
    """
    index, _ = timed_build(spec(factory, "hash"), work.vectors)
    found = index.search(work.queries, k)  # scores are -h
    return Neighbors(found.rows, np.cos(np.pi * found.scores / bits).astype(np.float32))


def whole_dimensions(work: Workload) -> Iterator[tuple[str, Reduced]]:
    """All dimensions in fewer bits. Queries, which nobody stores, keep theirs."""
    yield "float32", Reduced(work.vectors, work.queries, FLOAT_BYTES * work.dim)
    halves = work.vectors.astype(np.float16).astype(np.float32)
    yield "float16", Reduced(unit(halves), work.queries, 2 * work.dim)
    step = np.maximum(np.abs(work.vectors).max(axis=0), 1e-12) / 127  # one for each dimension: -127 ... 127
    codes = np.round(work.vectors / step).astype(np.int8)
    yield "int8", Reduced(unit(codes * step), work.queries, work.dim)


def principal_axes(vectors: np.ndarray) -> np.ndarray:
    """(dim, dim) columns: the directions in which rows (n, dim) vary, those of most variance first.

    Rows are projected on them without taking the mean away, so that all columns together keep every cosine as it is;
    with the mean away cosines change even at full dimension.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(vectors.T @ vectors - len(vectors) * np.outer(mean, mean))  # ascending
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def projected(work: Workload, columns: np.ndarray) -> Reduced:
    """Onto columns (dim, d), unit again."""
    return Reduced(unit(work.vectors @ columns), unit(work.queries @ columns), FLOAT_BYTES * columns.shape[1])


def tables(cards: Sequence[RunCard]) -> list[Table]:
    return [
        Table(
            f"reduce-{card.encoder}",
            f"Fewer bytes a vector: {card.encoder}, {card.subject['dim']} dimensions; kNN with "
            f"k = {card.settings['knn_k']}, T = {card.settings['temperature']:g}; random projection is the mean of "
            f"{card.settings['projection_seeds']} seeds",
            (
                Column("method", "method"),
                Column("dim", "dimensions or bits", fixed(0)),
                Column("bytes", "bytes a vector", fixed(0)),
                Column("saved_percent", "saved %", fixed(1)),
                Column("knn_top1", "kNN top-1 %", fixed(2)),
                Column("knn_top5", "top-5 %", fixed(2)),
                Column("recall_10", "recall@10", fixed(3)),
            ),
            card.parts["points"],
            card.source,
        )
        for card in cards
    ]


def charts(cards: Sequence[RunCard]) -> dict:
    """Accuracy and recall against bytes a vector, a line a method."""
    drawn = {}
    for name, key, head in (
        ("reduce-accuracy", "knn_top1", "kNN top-1, %"),
        ("reduce-recall", "recall_10", "recall@10"),
    ):
        figure, axes = panels(len(cards), f"{head.removesuffix(', %')} against bytes a vector", cards[0].source)
        for card, ax in zip(cards, axes, strict=True):
            points = card.parts["points"]
            methods = [m for m in dict.fromkeys(p["method"] for p in points) if m != "float32"]
            chosen = {m: [p for p in points if p["method"] == m] for m in methods}
            lines(ax, [(m, [p["bytes"] for p in rows], [p[key] for p in rows]) for m, rows in chosen.items()])
            full = next(p for p in points if p["method"] == "float32")
            ax.axhline(
                full[key], color=SERIES[5], linestyle="--", linewidth=1.2, label=f"float32, {full['bytes']:,} bytes"
            )
            ax.set_xscale("log", base=2)
            ax.xaxis.set_major_formatter("{x:.0f}")
            ax.set_xlabel("bytes a vector (log)")
            ax.set_ylabel(head)
            ax.set_title(card.encoder, fontsize=9)
            legend(ax)
        drawn[name] = figure
    return drawn
