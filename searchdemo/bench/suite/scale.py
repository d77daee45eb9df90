"""What growth costs: each index on a fifth of the gallery, on all of it, and on all of it under ten augmentations.

On tiny-ImageNet that is 20,000, 100,000 and 1,000,000 vectors. Missing vectors are embedded first, and a run that was
killed goes on where it stopped. Queries are held out and not augmented. A growth exponent is the slope of log(figure)
against log(n): 1 is linear.

`--full` adds inverted files on disk, larger than memory may be, over up to ten million synthetic vectors: see
bench/disk.py.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np

from searchdemo.bench import disk, plots
from searchdemo.bench.augment import AUGMENTATIONS
from searchdemo.bench.augmented import Augmented, embed_missing
from searchdemo.bench.extraction import embedded, p50_ms
from searchdemo.bench.points import Search, Votes, quality, query_latency, search_of
from searchdemo.bench.tables import Column, Table, columns, encoder_of, fixed, number, table_of
from searchdemo.bench.workload import Bench, Workload, synthetic
from searchdemo.errors import BadQuery, NotBuilt, NotHere, NoWeights
from searchdemo.indexes.base import Index, IndexSpec, SearchParam
from searchdemo.indexes.table import find
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.threads import thread_limit

MEASURED = ("brute", "flat", "ivf", "hnsw", "sq8", "ivfpq", "ivf-fastscan")
QUICK_SIZE, QUICK_SHARES = 10_000, (0.2, 0.5, 1.0)
SYNTHETIC_SIZES = (20_000, 100_000, 1_000_000)
DISK_SIZES, QUICK_DISK_SIZES = (100_000, 1_000_000, 10_000_000), (5_000, 20_000)  # with --full
QUERIES = 1_000
K = 10
TARGET = 0.95  # the search effort is raised until recall@10 reaches it
EFFORTS = {"nprobe": 1, "ef_search": 16}  # search parameter -> the value that is doubled first
SHORTEST_S = 0.0003  # a shorter build is none: what is timed then is the call, which no number of vectors makes longer
ENOUGH_S, MAX_BUILDS = 1.0, 5  # a build is repeated until its builds took this long together, or this often
GROWING = ("p50_ms", "target_p50_ms", "build_s", "size_bytes")  # figures with an exponent


def run(bench: Bench) -> Figures:
    """An index that cannot be built from so few vectors becomes a note. Raises NotHere, BadArtifact."""
    works = workloads(bench)
    plan = list(itertools.product(works, MEASURED))
    rows, notes = [], []
    for done, (work, name) in enumerate(plan):
        stage = f"{name} on {len(work.vectors):,} vectors"
        bench.tell(stage, done, len(plan))
        try:
            rows.append(_measured(find(name), work, repeats=100 if bench.quick else 500))
        except BadQuery as error:
            notes.append(f"{stage}: {error}")
    settings: dict = {"threads": [1], "k": K, "target_recall": TARGET}
    if not bench.quick:
        try:
            settings["extraction_ms"] = extraction_ms(bench)
        except NoWeights as error:
            notes.append(f"extraction: {error}")
    if not bench.quick and not works[-1].subject["synthetic"]:
        settings["augmentations"] = list(AUGMENTATIONS)
    parts = {"scale": rows, "growth": growth(rows)}
    if bench.options.get("full"):
        sizes = QUICK_DISK_SIZES if bench.quick else DISK_SIZES
        dim, place = works[-1].dim, bench.library.store.own
        parts["disk"] = disk.rows(sizes, dim, bench.seed, place, bench.tell)
        parts["disk_growth"] = disk_growth(parts["disk"])
    return Figures(works[-1].subject, parts, settings, notes=notes)


def workloads(bench: Bench) -> list[Workload]:
    """Workloads from small to large, with the same queries. Raises NotHere, BadArtifact."""
    if bench.quick:
        whole = bench.workload(QUICK_SIZE, QUERIES)
        sizes = dict.fromkeys(max(1, round(share * len(whole.vectors))) for share in QUICK_SHARES)
        return [whole.part(size) for size in sizes]
    if bench.synthetic and not _embedded(bench):
        whole = synthetic(SYNTHETIC_SIZES[-1], QUERIES, bench.encoder_spec.dim, bench.seed)
        return [whole.part(size) for size in SYNTHETIC_SIZES]
    try:
        augmented = embed_missing(bench.collection(), bench.report)
        originals = bench.workload().part(queries=QUERIES, seed=bench.seed)
    except NotHere as error:
        raise type(error)(f"{error} Until then --synthetic measures random vectors, and says so.") from error
    size = len(originals.vectors)
    return [originals.part(max(1, size // 5), seed=bench.seed), originals, _all_augmentations(originals, augmented)]


def _embedded(bench: Bench) -> bool:
    try:
        return not Augmented(bench.collection()).missing()
    except NotBuilt:
        return False


def _all_augmentations(originals: Workload, augmented: Augmented) -> Workload:
    """Of pictures that ask because nothing is held out, the augmentations are left out as they are themselves."""
    vectors, times = augmented.vectors(), len(AUGMENTATIONS)
    if originals.kept is not None:
        vectors = vectors.reshape(times, -1, originals.dim)[:, originals.kept].reshape(-1, originals.dim)
    every = None if originals.all_labels is None else np.tile(originals.all_labels, (times, 1))
    subject = originals.subject | {"vectors": len(vectors)}
    labels = np.tile(originals.labels, times)
    return replace(originals, vectors=vectors, labels=labels, all_labels=every, kept=None, subject=subject)


def _measured(entry: IndexSpec, work: Workload, repeats: int) -> dict:
    """The row of one index over one workload. Raises BadQuery when it cannot be built from so few vectors."""
    index, build_s = built(entry, work.vectors)
    search = search_of(index)

    def latency_ms(search: Search) -> float:
        return query_latency(search, work.queries, K, 1, repeats).p50_ms

    row = {"index": entry.name, "family": entry.family, "factory": index.recipe, "vectors": len(work.vectors)}
    row |= asdict(query_latency(search, work.queries, K, 1, repeats))
    row |= quality(search, work, K) | {"size_bytes": index.size_bytes, "build_s": build_s}
    row["knn_top1"] = Votes(work).of(search)["knn_top1"] if len(work.label_names) > 1 else None
    return row | _at_target(index, work, row, latency_ms)


def built(entry: IndexSpec, vectors: np.ndarray) -> tuple[Index, float | None]:
    """An index, and the median of the seconds that its builds took; None for one that is over before a clock can tell.

    A build that is short is done again: the first may contain what a library does once per process.
    """
    index = entry.build(vectors)
    seconds = [index.load_ms / 1000]
    while sum(seconds) < ENOUGH_S and len(seconds) < MAX_BUILDS:
        index = entry.build(vectors)
        seconds.append(index.load_ms / 1000)
    median = statistics.median(seconds)
    return index, median if median >= SHORTEST_S else None


def extraction_ms(bench: Bench) -> float:
    """The median time of one picture, from its bytes to its row, on one thread. Raises NoWeights."""
    encoder, encoded = bench.encoder(), bench.pictures(1)[0]
    bench.tell(f"extraction by {bench.key.encoder}")
    with thread_limit(1):
        return p50_ms(partial(embedded, encoder, encoded), bench.quick)


def _recall(search: Search, work: Workload) -> float:
    return quality(search, work, K)[f"recall_{K}"]


def _at_target(index: Index, work: Workload, row: dict, p50_ms: Callable[[Search], float]) -> dict:
    """The smallest search effort, doubled from EFFORTS, that reaches TARGET; None where none does.

    An index without such a parameter reaches it with its only setting, or never.
    """
    effort = next((param for param in index.spec.params if param.name in EFFORTS), None)
    params, recall = _raised(index, work, effort) if effort else ({}, row["recall_10"])
    reached = recall >= TARGET
    p50 = (p50_ms(search_of(index, **params)) if effort else row["p50_ms"]) if reached else None
    return {
        "target_param": effort.name if effort else "",
        "target_value": params[effort.name] if effort and reached else None,
        "target_recall_10": recall if reached else None,
        "target_p50_ms": p50,
    }


def _raised(index: Index, work: Workload, effort: SearchParam) -> tuple[dict[str, int], float]:
    """The search parameter and its recall, when doubling it has reached TARGET, helps no further or meets its bound."""
    value, before = EFFORTS[effort.name], -1.0
    while True:
        recall = _recall(search_of(index, **{effort.name: value}), work)
        stuck = 0 < recall < before + 0.001  # the codes are too coarse for any effort
        if recall >= TARGET or stuck or 2 * value > effort.maximum:
            return {effort.name: value}, recall
        value, before = 2 * value, recall


def growth(rows: Sequence[dict]) -> list[dict]:
    """One row per index: <figure>_exponent for each of GROWING, over the sizes at which it was measured."""
    found = []
    for name in dict.fromkeys(row["index"] for row in rows):
        mine = [row for row in rows if row["index"] == name]
        sizes = [row["vectors"] for row in mine]
        exponents = {f"{key}_exponent": exponent(sizes, [row[key] for row in mine]) for key in GROWING}
        found.append({"index": name, "family": mine[0]["family"], "sizes": sizes} | exponents)
    return found


def disk_growth(rows: Sequence[dict]) -> list[dict]:
    """One row per nprobe of the rows of bench/disk.py: how the time of a query, and the build, grow."""
    found = []
    for nprobe in dict.fromkeys(row["nprobe"] for row in rows):
        mine = [row for row in rows if row["nprobe"] == nprobe]
        sizes = [row["vectors"] for row in mine]
        keys = ("p50_ms", "build_s", "size_bytes")
        exponents = {f"{key}_exponent": exponent(sizes, [row[key] for row in mine]) for key in keys}
        found.append({"index": mine[0]["index"], "nprobe": nprobe, "sizes": sizes} | exponents)
    return found


def exponent(sizes: Sequence[int], values: Sequence[float | None]) -> float | None:
    """b of values ~ a * sizes^b, by least squares of log(values) on log(sizes).

    None with fewer than two sizes, or where a value was not measured (None: an index that is not built).
    """
    measured = [value for value in values if value]
    if len(set(sizes)) < 2 or len(measured) < len(values):
        return None
    return float(np.polyfit(np.log(sizes), np.log(measured), 1)[0])


def tables(cards: Sequence[RunCard]) -> list[Table]:
    found = []
    for card in cards:
        target = card.settings["target_recall"]
        heads = [
            *columns("index vectors factory p50_ms p95_ms p99_ms"),
            Column("whole_ms", "with extraction, ms", number(), optional=True),
            *columns("recall_10 words_recall_10? precision_10? knn_top1?"),
            Column("target", f"recall {target:g} at"),
            *columns("target_p50_ms build_s size_bytes"),
        ]
        title = f"Growth of the indexes over vectors of {encoder_of(card)}, one query at a time, one thread"
        if "augmentations" in card.settings:
            title += f"; the largest holds each picture under {len(card.settings['augmentations'])} augmentations"
        extraction = card.settings.get("extraction_ms")  # older cards have none
        rows = [
            row | {"target": _setting(row), "whole_ms": None if extraction is None else row["p50_ms"] + extraction}
            for row in card.parts["scale"]
        ]
        found.append(table_of(card, "scale", title, heads, rows))
        heads = [
            *columns("index p50_ms_exponent"),
            Column("target_p50_ms_exponent", f"p50 at recall {target:g}", fixed(2)),
            *columns("build_s_exponent size_bytes_exponent"),
        ]
        title = f"Growth exponents over vectors of {encoder_of(card)}: a figure grows as n to the power of this"
        found.append(table_of(card, "scale-growth", title, heads, card.parts["growth"]))
        if "disk" in card.parts:
            found += _disk_tables(card)
    return found


def _disk_tables(card: RunCard) -> list[Table]:
    """Their vectors are synthetic, whatever the other tables of the card are of."""
    about = f"synthetic vectors of {card.subject['dim']} dimensions, one query at a time, one thread"
    heads = columns("index vectors factory nprobe p50_ms p95_ms recall_10 build_s size_bytes build_peak_bytes")
    heads += columns("search_peak_bytes")
    growing = columns("index nprobe p50_ms_exponent build_s_exponent size_bytes_exponent")
    return [
        table_of(card, "scale-disk", f"Inverted files on disk over {about}", heads, card.parts["disk"]),
        table_of(
            card, "scale-disk-growth", f"Growth exponents of them over {about}", growing, card.parts["disk_growth"]
        ),
    ]


def _setting(row: dict) -> str:
    """ "nprobe 16"; "as it is" for an index without a parameter; a dash where the recall is out of reach."""
    if row["target_p50_ms"] is None:
        return "–"
    return f"{row['target_param']} {row['target_value']}" if row["target_param"] else "as it is"


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Latency and build time against the number of vectors, both axes logarithmic, one line per index."""
    return {f"scale-{card.encoder}": _chart(card) for card in cards}


def _chart(card: RunCard) -> plots.Figure:
    figure, axes = plots.panels(2, "What growth costs", card.source)
    rows = card.parts["scale"]
    sizes = sorted({row["vectors"] for row in rows})
    for ax, key, label in zip(
        axes, ("p50_ms", "build_s"), ("ms per query, p50 (log)", "s to build (log)"), strict=True
    ):
        plots.lines(ax, [_line(fitted, rows, key) for fitted in card.parts["growth"]])
        ax.set(xscale="log", yscale="log", xlabel="vectors (log)", ylabel=label)
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.set_xticks([], minor=True)
        plots.legend(ax, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _line(fitted: dict, rows: Sequence[dict], key: str) -> tuple[str, list[int], list[float]]:
    """(label, x, y) of one index. One that is not built still takes a colour, so that the others keep theirs, but the
    underscore before its label keeps it out of the legend."""
    mine = [row for row in rows if row["index"] == fitted["index"]]
    values = [row[key] or math.nan for row in mine]  # None: not built
    slope = fitted[f"{key}_exponent"]
    name = fitted["index"] if slope is None else f"{fitted['index']}, n^{slope:.2f}"
    return "_" * all(map(math.isnan, values)) + name, [row["vectors"] for row in mine], values
