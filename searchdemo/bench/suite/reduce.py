"""Fewer bytes per vector: fewer dimensions (PCA, random projection), fewer bits per dimension, LSH's sign bits, codes.

Each reduction answers as if the full vectors were gone: neighbours and votes come from its own estimate of the cosine.
recall@10 is against the exact neighbours by full float32.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.codes import code_charts, code_rows, code_table
from searchdemo.bench.points import KNN_K
from searchdemo.bench.tables import Column, Table, columns, encoder_of, fixed, table_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.knn import TEMPERATURE, evaluate
from searchdemo.collection.progress import clock
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import INDEXES
from searchdemo.indexes.vectors import unit
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.metrics import recall_at_k
from searchdemo.types import Neighbors

DIMS = (8, 16, 32, 64, 96, 128, 256, 512, 1024)
BITS = (32, 64, 128, 256, 512, 1024)
SEEDS = 3  # draws of every method that draws random numbers
RECALL_K = 10
FLOAT_BYTES = 4
LSH = {  # method -> the letters after the number of bits in FAISS's factory string
    "LSH": "",
    "LSH, rotated": "r",
    "LSH, rotated, thresholds": "rt",
}


@dataclass(frozen=True)
class Reduced:
    """A gallery and its queries after a reduction, as float32 unit rows."""

    vectors: np.ndarray
    queries: np.ndarray
    bytes: int  # per stored vector of the gallery


def run(bench: Bench) -> Figures:
    work = bench.workload()
    k = min(KNN_K, len(work.vectors))
    points, done, started = [], 0, time.perf_counter()
    dims = sorted({d for d in DIMS if d < work.vectors.shape[1]} | {work.dim})
    bits = [("LSH", b) for b in BITS if b <= work.dim]  # without a rotation FAISS takes the signs of the first bits
    bits += [(method, b) for method in LSH if method != "LSH" for b in BITS]
    seeds = range(bench.seed, bench.seed + SEEDS)
    total = 3 + len(dims) * (1 + SEEDS) + sum(SEEDS if is_drawn(method) else 1 for method, _ in bits)

    def measured(method: str, dim: int, bytes_: int, found: Neighbors) -> dict:
        nonlocal done
        done += 1
        left = clock((total - done) * (time.perf_counter() - started) / done)
        bench.tell(f"{done} of {total} reductions ({method}), about {left} left", done, total)
        return {"method": method, "dim": dim, "bytes": bytes_} | quality(found, work)

    for method, reduced in whole_dimensions(work):
        points.append(measured(method, work.dim, reduced.bytes, exact(reduced, k)))
    axes = principal_axes(work.vectors)
    for dim in dims:
        reduced = projected(work, axes[:, :dim])
        points.append(measured("PCA", dim, reduced.bytes, exact(reduced, k)))
    for dim in dims:
        each = []
        for seed in seeds:
            columns_ = np.random.default_rng(seed).standard_normal((work.dim, dim), dtype=np.float32)
            reduced = projected(work, columns_)
            each.append(measured("random projection", dim, reduced.bytes, exact(reduced, k)))
        points.append(over_draws(each))
    for method, number in bits:
        factory = f"LSH{number}{LSH[method]}"
        works = (turned(work, seed) for seed in seeds) if is_drawn(method) else (work,)
        points.append(
            over_draws([measured(method, number, number // 8, hashed(each_, factory, number, k)) for each_ in works])
        )
    full = FLOAT_BYTES * work.dim
    points = [point | {"saved_percent": 100 * (1 - point["bytes"] / full)} for point in points]
    codes, code_notes = code_rows(work, bench)
    notes = ["the stored vectors were half floats already, so float16 can lose next to nothing"]
    return Figures(
        work.subject,
        {"points": points, "codes": codes},
        {"knn_k": k, "temperature": TEMPERATURE, "draws": SEEDS},
        notes=([] if work.subject.get("synthetic") else notes) + code_notes,
    )


QUALITY = ("knn_top1", "knn_top5", "recall_10")


def is_drawn(method: str) -> bool:
    """Whether this kind of LSH rotates the vectors at random."""
    return "r" in LSH[method]


def over_draws(points: Sequence[dict]) -> dict:
    """The points of several draws as one: their means, and the sample standard deviation as <figure>_spread.

    A single point, which was not drawn, has no spread.
    """
    if len(points) == 1:
        return points[0]
    figures = {key: [point[key] for point in points] for key in QUALITY if key in points[0]}
    means = {key: float(np.mean(values)) for key, values in figures.items()}
    return points[0] | means | {f"{key}_spread": float(np.std(values, ddof=1)) for key, values in figures.items()}


def turned(work: Workload, seed: int) -> Workload:
    """The same vectors and queries under a random rotation of all, which keeps every cosine.

    FAISS's own rotation inside LSH always has the same seed; after this one it is another draw for each seed.
    """
    drawn = np.random.default_rng(seed).standard_normal((work.dim, work.dim))
    rotation = np.linalg.qr(drawn)[0].astype(np.float32)
    turned_ = replace(work, vectors=work.vectors @ rotation, queries=work.queries @ rotation)
    turned_._exact = work._exact  # the neighbours stay
    return turned_


def quality(found: Neighbors, work: Workload) -> dict[str, float]:
    """kNN accuracy in percent by the weighted vote with these very scores where there are labels, and recall@10."""
    k = found.positions.shape[1]
    near = min(RECALL_K, k)
    recall = {"recall_10": recall_at_k(found.positions[:, :near], work.exact(near))}
    if not work.labelled:
        return recall
    known = work.truth >= 0
    labels, truth = work.every_label()
    near_labels = labels[found.positions[known]]
    result = evaluate(found.scores[known], near_labels, truth[known], len(work.label_names), (k,))[0]
    return {"knn_top1": result.top1, "knn_top5": result.top5} | recall


def exact(reduced: Reduced, k: int) -> Neighbors:
    return INDEXES["flat"].build(reduced.vectors).search(reduced.queries, k)


def hashed(work: Workload, factory: str, bits: int, k: int) -> Neighbors:
    """Neighbours by the Hamming distance h of sign bits, with cos(pi h / bits) as the estimate of the cosine.

    Two vectors differ in a share of angle / pi of the bits (Charikar 2002).
    """
    found = from_factory(factory, "hash").build(work.vectors).search(work.queries, k)  # scores are -h
    return Neighbors(found.positions, np.cos(np.pi * found.scores / bits).astype(np.float32))


def whole_dimensions(work: Workload) -> Iterator[tuple[str, Reduced]]:
    """All dimensions in fewer bits. The queries keep float32, because nobody stores them."""
    yield "float32", Reduced(work.vectors, work.queries, FLOAT_BYTES * work.dim)
    halves = work.vectors.astype(np.float16).astype(np.float32)
    yield "float16", Reduced(unit(halves), work.queries, 2 * work.dim)
    step = np.maximum(np.abs(work.vectors).max(axis=0), 1e-12) / 127  # one for each dimension: -127 ... 127
    codes = np.round(work.vectors / step).astype(np.int8)
    yield "int8", Reduced(unit(codes * step), work.queries, work.dim)


def principal_axes(vectors: np.ndarray) -> np.ndarray:
    """(dim, dim) columns: the directions in which rows (n, dim) vary, those with the largest variance first.

    Rows are projected onto them without subtracting the mean, so all columns together keep every cosine as it is.
    Subtracting the mean would change cosines even at full dimension.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(vectors.T @ vectors - len(vectors) * np.outer(mean, mean))  # ascending
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def projected(work: Workload, columns: np.ndarray) -> Reduced:
    """Vectors and queries, projected onto columns (dim, d) and scaled to unit length again."""
    return Reduced(unit(work.vectors @ columns), unit(work.queries @ columns), FLOAT_BYTES * columns.shape[1])


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        *columns("method"),
        Column("dim", "dimensions or bits", fixed(0)),
        *columns("bytes saved_percent"),
        Column("knn_top1", "kNN top-1 %", fixed(2), optional=True),
        *columns("knn_top1_spread? knn_top5? recall_10 recall_10_spread"),
    ]
    title = (
        "Fewer bytes per vector: {1}, {0.subject[dim]} dimensions; kNN with k = {0.settings[knn_k]}, "
        "T = {0.settings[temperature]:g}; what is drawn at random is the mean of {2} draws, ± their standard deviation"
    )
    found = [
        table_of(card, "reduce", title.format(card, encoder_of(card), draws(card)), heads, card.parts["points"])
        for card in cards
    ]
    return found + [code_table(card) for card in cards if card.parts.get("codes")]  # older cards have none


def draws(card: RunCard) -> int:
    """Older cards drew random projections alone."""
    return card.settings.get("draws") or card.settings["projection_seeds"]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Accuracy and recall against bytes per vector, one line per method."""
    return {
        "reduce-accuracy": _chart(cards, "knn_top1", "kNN top-1, %"),
        "reduce-recall": _chart(cards, "recall_10", "recall@10"),
        **(code_charts(coded) if (coded := [card for card in cards if card.parts.get("codes")]) else {}),
    }


def _chart(cards: Sequence[RunCard], key: str, head: str) -> plots.Figure:
    def draw(ax: plots.Axes, card: RunCard) -> None:
        methods: dict[str, list[dict]] = {}
        for point in card.parts["points"]:
            methods.setdefault(point["method"], []).append(point)
        (full,) = methods.pop("float32")
        if full.get(key) is None:  # pictures without labels
            ax.set_title("not measured: no labels")
            return
        plots.lines(ax, [(m, [p["bytes"] for p in points], [p[key] for p in points]) for m, points in methods.items()])
        plots.level(ax, full[key], f"float32, {full['bytes']:,} bytes")
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.set(xlabel="bytes per vector (log)", ylabel=head)
        plots.legend(ax)

    return plots.panel_per_card(cards, f"{head.removesuffix(', %')} against bytes per vector", draw)
