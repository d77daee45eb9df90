"""What an index costs before its first query: training, adding, saving, loading; on disk and in memory.

All of it with all cores. Brute force has no index to build: it searches the stored vectors, as many bytes as `flat`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from searchdemo.bench.plots import COLOURS, legend, lines, panels
from searchdemo.bench.points import Search, latency_figures, quality, query_latency, search_of, spec, timed_build
from searchdemo.bench.resident import loading, resident_bytes
from searchdemo.bench.tables import Column, Form, Table, fixed, megabytes, number
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.build import Progress
from searchdemo.errors import BadQuery, NotInstalled
from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.table import INDEXES, nlist
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.threads import thread_limit

K = 10
QUERIES = 1_000
MS = (8, 16, 32, 48, 64)  # with --quick every other, of trees too
EF_SEARCH = 64
TREES = (5, 10, 20, 50, 100, 200)


def run(bench: Bench) -> Figures:
    """What cannot be built from these vectors, and a library that is missing, become notes."""
    work, notes = bench.workload().part(None, QUERIES, bench.seed), []
    entries, step = list(families(*work.vectors.shape)), 2 if bench.quick else 1
    ms, forests = MS[::step], TREES[::step]
    parts, steps = {"build": [], "hnsw_m": [], "annoy_trees": []}, len(entries) + len(ms) + len(forests)
    for done, entry in enumerate(entries):
        bench.report(Progress(f"{entry.name} on {len(work.vectors):,} vectors", done, steps, 0))
        try:
            parts["build"].append(build_row(entry, work))
        except BadQuery as error:
            notes.append(f"{entry.name}: {error}")
    for done, m in enumerate(ms, len(entries)):
        bench.report(Progress(f"hnsw with M {m}", done, steps, 0))
        parts["hnsw_m"].append(hnsw_row(m, work))
    for done, trees in enumerate(forests, len(entries) + len(ms)):
        bench.report(Progress(f"annoy with {trees} trees", done, steps, 0))
        try:
            parts["annoy_trees"].append(annoy_row(trees, work))
        except NotInstalled as error:
            notes.append(f"annoy: {error}")
            break
    if resident_bytes() is None:
        notes.append("resident bytes: this system does not tell them to Python")
    settings = {"k": K, "build_threads": os.cpu_count() or 1, "timed_threads": 1, "ef_search": EF_SEARCH}
    return Figures(work.subject, parts, settings, notes=notes)


def families(vectors: int, dim: int) -> Iterator[IndexSpec]:
    """FAISS's entries of the INDEXES table, and relatives of them."""
    yield from (entry for entry in INDEXES.values() if entry.factory)
    yield spec("SQfp16", "quantised")
    yield spec(f"IVF{nlist(vectors)},Flat", "ivf")
    yield spec("HNSW32_SQ8", "graph", **dict(INDEXES["hnsw"].build_params))
    yield spec(f"PQ{dim // 2}x4fs,Refine(SQfp16)", "quantised")
    yield spec(f"IVF{nlist(vectors)},RaBitQ", "ivf")


def build_row(entry: IndexSpec, work: Workload) -> dict:
    """Raises BadQuery."""
    from searchdemo.indexes.faiss_index import FaissIndex, trained

    started = time.perf_counter()
    with entry.refusals(work.vectors):
        index = trained(entry, work.vectors)
    train_s, started = time.perf_counter() - started, time.perf_counter()
    index.add(work.vectors)
    add_s, factory = time.perf_counter() - started, entry.factory(*work.vectors.shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.faiss"
        started = time.perf_counter()
        FaissIndex(entry, index).save(path)
        save_s, disk_bytes = time.perf_counter() - started, path.stat().st_size
        whole, mapped = (loading(path, factory, work.queries, way) for way in (False, True))
    return {
        "index": entry.name.removeprefix("faiss:"),
        "family": entry.family,
        "factory": factory,
        "train_s": train_s,
        "add_s": add_s,
        "save_s": save_s,
        "load_s": whole["load_s"],
        "mapped_load_s": mapped["load_s"],
        "disk_bytes": disk_bytes,
        "bytes_per_vector": disk_bytes / len(work.vectors),
        "resident_bytes": whole["resident_bytes"],
        "mapped_loaded_bytes": mapped["loaded_bytes"],
        "mapped_resident_bytes": mapped["resident_bytes"],
    }


def hnsw_row(m: int, work: Workload) -> dict:
    index, build_s = timed_build(spec(f"HNSW{m}", "graph", **dict(INDEXES["hnsw"].build_params)), work.vectors)
    search = search_of(index, ef_search=EF_SEARCH)
    return {"m": m, "size_bytes": index.size_bytes, "build_s": build_s} | searched(search, work)


def annoy_row(trees: int, work: Workload) -> dict:
    """At Annoy's own search effort, which is k times the number of trees. Raises NotInstalled."""
    index, build_s = timed_build(INDEXES["annoy"].built_with(trees=trees), work.vectors)
    search = search_of(index, search_k=K * trees)
    return {"trees": trees, "size_bytes": index.size_bytes, "build_s": build_s} | searched(search, work)


def searched(search: Search, work: Workload) -> dict:
    measured = latency_figures(query_latency(search, work.queries, K, 1, repeats=300))
    with thread_limit(1):
        return measured | quality(search, work, ks=(K,), knn=False)


def tables(cards: Sequence[RunCard]) -> list[Table]:
    build = (
        Column("index", "index"),
        Column("factory", "factory"),
        Column("train_s", "train s", number()),
        Column("add_s", "add s", number()),
        Column("save_s", "save s", number()),
        Column("load_s", "load s", number()),
        Column("mapped_load_s", "map s", number()),
        Column("disk_bytes", "MB on disk", megabytes),
        Column("bytes_per_vector", "bytes a vector", fixed(0)),
        Column("resident_bytes", "MB resident", megabytes),
        Column("mapped_resident_bytes", "MB resident when mapped, after 1,000 queries", megabytes),
    )
    found = []
    for card in cards:
        of = f"{card.subject['vectors']:,} × {card.subject['dim']} of {card.encoder}"
        ef_search = card.settings["ef_search"]
        drawn = (
            ("build", "index", f"Before the first query, {of}", build),
            ("hnsw_m", "index-hnsw", f"HNSW against M, ef_search {ef_search}, {of}", _sweep("m", "M")),
            ("annoy_trees", "index-annoy", f"Annoy against trees, {of}", _sweep("trees", "trees")),
        )
        found += [
            Table(f"{name}-{card.encoder}", title, columns, card.parts[part], card.source)
            for part, name, title, columns in drawn
            if card.parts[part]
        ]
    return found


def _sweep(key: str, head: str) -> tuple[Column, ...]:
    heads: tuple[tuple[str, str, Form], ...] = (
        (key, head, fixed(0)),
        ("size_bytes", "MB", megabytes),
        ("build_s", "build s", number()),
        ("recall_10", "recall@10", fixed(3)),
        ("p50_ms", "p50 ms", number()),
        ("p99_ms", "p99 ms", number()),
    )
    return tuple(Column(*each) for each in heads)


def charts(cards: Sequence[RunCard]) -> dict:
    """Of the first card: time and size by family, then what M and trees do to size and time."""
    card = cards[0]
    figure, (time_ax, disk_ax) = panels(2, "What an index costs before its first query", card.source, height=4.4)
    rows = card.parts["build"]
    names = [row["index"] for row in rows]
    colours = [COLOURS[row["family"]] for row in rows]
    time_ax.barh(names, [row["train_s"] + row["add_s"] for row in rows], color=colours, height=0.6)
    time_ax.set_xscale("log")
    time_ax.set_xlabel("s, training and adding (log)")
    disk_ax.barh(names, [row["disk_bytes"] / 1e6 for row in rows], color=colours, height=0.6)
    disk_ax.set_xlabel("MB on disk")
    disk_ax.set_yticklabels([])
    for ax in (time_ax, disk_ax):
        ax.invert_yaxis()
    swept = [("hnsw_m", "m", "HNSW, M"), ("annoy_trees", "trees", "Annoy, trees")]
    swept = [each for each in swept if card.parts[each[0]]]
    growth, axes = panels(len(swept), "Size and building time", card.source)
    for (part, key, label), ax in zip(swept, axes, strict=True):
        rows = card.parts[part]
        at = [row[key] for row in rows]
        sizes, seconds = [row["size_bytes"] / 1e6 for row in rows], [row["build_s"] for row in rows]
        lines(ax, [("MB", at, sizes), ("s to build", at, seconds)])
        ax.set_yscale("log")
        ax.set_xlabel(label)
        legend(ax)
    return {"index": figure, "index-growth": growth}
