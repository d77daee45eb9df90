"""What growth costs: each index on a fifth of the gallery, on all of it, and on all of it under ten augmentations.

On tiny-ImageNet that is 20,000, 100,000 and 1,000,000 vectors; what is missing is embedded first, and found again after
a kill. Queries are held out and as they are. A growth exponent is the slope of log(figure) against log(n): 1 is linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from searchdemo.bench.augment import AUGMENTATIONS
from searchdemo.bench.augmented import Augmented, embed_missing
from searchdemo.bench.plots import legend, lines, panels
from searchdemo.bench.points import Search, latency_figures, quality, query_latency, search_of, timed_build
from searchdemo.bench.tables import Column, Table, fixed, megabytes, number
from searchdemo.bench.workload import Bench, Workload, stored, synthetic
from searchdemo.collection.build import Progress
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery, NotBuilt, NotHere
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.table import find
from searchdemo.measure.cards import Figures, RunCard

MEASURED = ("brute", "flat", "ivf", "hnsw", "sq8", "ivfpq", "ivf-fastscan")
QUICK_SIZES = (2_000, 5_000, 10_000)
SYNTHETIC_SIZES = (20_000, 100_000, 1_000_000)
QUERIES = 1_000
K = 10
TARGET = 0.95  # recall@10 that the search effort is raised to
EFFORTS = {"nprobe": 1, "ef_search": 16}  # search parameter -> where doubling begins
GROWING = ("p50_ms", "target_p50_ms", "build_s", "size_bytes")  # of which an exponent is fitted


def run(bench: Bench) -> Figures:
    workloads = _workloads(bench)
    rows, notes = [], []
    for number_of_size, work in enumerate(workloads):
        for position, name in enumerate(MEASURED):
            done = number_of_size * len(MEASURED) + position
            stage = f"{name} on {len(work.vectors):,} vectors"
            bench.report(Progress(stage, done, len(workloads) * len(MEASURED), 0))
            try:
                rows.append(_measured(find(name), work, repeats=100 if bench.quick else 500))
            except BadQuery as error:
                notes.append(f"{stage}: {error}")
    settings = {"threads": [1], "k": K, "target_recall": TARGET}
    if not bench.quick and not workloads[-1].subject["synthetic"]:
        settings["augmentations"] = list(AUGMENTATIONS)
    return Figures(workloads[-1].subject, {"scale": rows, "growth": growth(rows)}, settings, notes=notes)


def _workloads(bench: Bench) -> list[Workload]:
    """Small to large, with the same queries. Raises NotHere, BadArtifact."""
    if bench.quick:
        whole = bench.workload(QUICK_SIZES[-1], QUERIES)
        return [whole.part(size) for size in QUICK_SIZES if size < len(whole.vectors)] + [whole]
    if bench.synthetic and not _embedded(bench):
        whole = synthetic(SYNTHETIC_SIZES[-1], QUERIES, ENCODERS.find(bench.encoder).dim, bench.seed)
        return [whole.part(size) for size in SYNTHETIC_SIZES]
    try:
        augmented = embed_missing(bench.engine, bench.gallery, bench.encoder, bench.report)
        originals = stored(bench.engine, bench.gallery, bench.encoder).part(queries=QUERIES, seed=bench.seed)
    except NotHere as error:
        raise type(error)(f"{error} Until then --synthetic measures random vectors, and says so.") from error
    size = len(originals.vectors)
    return [originals.part(max(1, size // 5), seed=bench.seed), originals, _all_augmentations(originals, augmented)]


def _embedded(bench: Bench) -> bool:
    try:
        return not Augmented(bench.engine.store, bench.engine.prepared(bench.gallery, bench.encoder)).missing()
    except NotBuilt:
        return False


def _all_augmentations(originals: Workload, augmented: Augmented) -> Workload:
    vectors = augmented.vectors()
    return Workload(
        vectors,
        np.tile(originals.labels, len(AUGMENTATIONS)),
        originals.queries,
        originals.truth,
        originals.label_names,
        originals.class_names,
        originals.subject | {"vectors": len(vectors)},
    )


def _measured(entry: IndexSpec, work: Workload, repeats: int) -> dict:
    """One row: an index over one workload. Raises BadQuery when it cannot be built from so few vectors."""
    index, seconds = timed_build(entry, work.vectors)
    search = search_of(index)

    def p50_ms(search: Search) -> float:
        return query_latency(search, work.queries, K, 1, repeats).p50_ms

    recall = _recall(search, work)
    row = {"index": entry.name, "family": entry.family, "factory": index.recipe, "vectors": len(work.vectors)}
    row |= latency_figures(query_latency(search, work.queries, K, 1, repeats)) | {"recall_10": recall}
    row |= {"build_s": seconds, "size_bytes": index.size_bytes}
    return row | _at_target(index, work, row, p50_ms)


def _recall(search: Search, work: Workload) -> float:
    return quality(search, work, ks=(K,), knn=False)[f"recall_{K}"]


def _at_target(index: Index, work: Workload, row: dict, p50_ms: Callable[[Search], float]) -> dict:
    """The least search effort, doubled from EFFORTS, that reaches TARGET; None where none does.

    An index without a parameter of effort reaches it as it is, or never.
    """
    effort = next((param for param in index.spec.params if param.name in EFFORTS), None)
    if effort is None:
        reached = row["recall_10"] >= TARGET
        return {
            "target_param": "",
            "target_value": None,
            "target_recall_10": row["recall_10"] if reached else None,
            "target_p50_ms": row["p50_ms"] if reached else None,
        }
    value, recall, before = EFFORTS[effort.name], 0.0, -1.0
    while True:
        recall = _recall(search_of(index, **{effort.name: value}), work)
        stuck = 0 < recall < before + 0.001  # the codes are too coarse for any effort
        if recall >= TARGET or stuck or 2 * value > effort.maximum:
            break
        value, before = 2 * value, recall
    reached = recall >= TARGET
    return {
        "target_param": effort.name,
        "target_value": value if reached else None,
        "target_recall_10": recall if reached else None,
        "target_p50_ms": p50_ms(search_of(index, **{effort.name: value})) if reached else None,
    }


def growth(rows: Sequence[dict]) -> list[dict]:
    """A row an index: <figure>_exponent for each of GROWING, over the sizes at which it was measured."""
    found = []
    for name in dict.fromkeys(row["index"] for row in rows):
        mine = [row for row in rows if row["index"] == name]
        sizes = [row["vectors"] for row in mine]
        exponents = {f"{key}_exponent": exponent(sizes, [row[key] for row in mine]) for key in GROWING}
        found.append({"index": name, "family": mine[0]["family"], "sizes": sizes} | exponents)
    return found


def exponent(sizes: Sequence[int], values: Sequence[float | None]) -> float | None:
    """b of values ~ a * sizes^b, by least squares of log(values) on log(sizes).

    None with fewer than two sizes, or where a value was not measured (None, or 0 of what is not built).
    """
    if len(set(sizes)) < 2 or not all(values):
        return None
    slope, _ = np.polyfit([math.log(size) for size in sizes], [math.log(value) for value in values], 1)
    return float(slope)


def tables(cards: Sequence[RunCard]) -> list[Table]:
    found = []
    for card in cards:
        target = card.settings["target_recall"]
        rows = [row | {"target": _setting(row)} for row in card.parts["scale"]]
        columns = (
            Column("index", "index"),
            Column("vectors", "vectors", fixed(0)),
            Column("factory", "factory"),
            Column("p50_ms", "p50 ms", number()),
            Column("p95_ms", "p95 ms", number()),
            Column("p99_ms", "p99 ms", number()),
            Column("recall_10", "recall@10", fixed(3)),
            Column("target", f"recall {target:g} at"),
            Column("target_p50_ms", "p50 ms there", number()),
            Column("build_s", "build s", number()),
            Column("size_bytes", "MB", megabytes),
        )
        title = f"Growth of the indexes over vectors of {card.encoder}, one query at a time, one thread"
        if "augmentations" in card.settings:
            title += f"; the largest holds each picture under {len(card.settings['augmentations'])} augmentations"
        found.append(Table(f"scale-{card.encoder}", title, columns, rows, card.source))
        columns = (
            Column("index", "index"),
            Column("p50_ms_exponent", "p50", fixed(2)),
            Column("target_p50_ms_exponent", f"p50 at recall {target:g}", fixed(2)),
            Column("build_s_exponent", "build time", fixed(2)),
            Column("size_bytes_exponent", "size", fixed(2)),
        )
        title = f"Growth exponents over vectors of {card.encoder}: a figure grows as n to the power of this"
        found.append(Table(f"scale-growth-{card.encoder}", title, columns, card.parts["growth"], card.source))
    return found


def _setting(row: dict) -> str:
    """ "nprobe 16", "as it is", or a dash where the recall is out of reach."""
    if row["target_p50_ms"] is None:
        return "–"
    return f"{row['target_param']} {row['target_value']}" if row["target_param"] else "as it is"


def charts(cards: Sequence[RunCard]) -> dict:
    """Latency and build time against the number of vectors, both axes logarithmic, a line an index."""
    return {f"scale-{card.encoder}": _chart(card) for card in cards}


def _chart(card: RunCard):
    figure, axes = panels(2, "What growth costs", card.source)
    rows = card.parts["scale"]
    sizes = sorted({row["vectors"] for row in rows})
    for ax, key, label in zip(axes, ("p50_ms", "build_s"), ("ms a query, p50 (log)", "s to build (log)"), strict=True):
        lines(ax, [_line(fitted, rows, key) for fitted in card.parts["growth"]])
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.set_xticks([], minor=True)
        ax.set_xlabel("vectors (log)")
        ax.set_ylabel(label)
        legend(ax, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _line(fitted: dict, rows: Sequence[dict], key: str) -> tuple[str, list[int], list[float]]:
    """What is not built keeps its place, and so the others their colour, but an underscore keeps it off the legend."""
    mine = [row for row in rows if row["index"] == fitted["index"]]
    values = [row[key] or math.nan for row in mine]
    slope = fitted[f"{key}_exponent"]
    name = fitted["index"] if slope is None else f"{fitted['index']}, n^{slope:.2f}"
    return "_" * all(map(math.isnan, values)) + name, [row["vectors"] for row in mine], values
