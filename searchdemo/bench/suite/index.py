"""What an index costs before its first query: training, adding, saving, loading; on disk and in memory.

Everything uses all cores. Brute force has no index to build: it searches the stored vectors, as many bytes as `flat`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from searchdemo.bench import plots
from searchdemo.bench.points import build_figures, quality, query_latency, search_of
from searchdemo.bench.resident import loading, resident_bytes
from searchdemo.bench.tables import Table, columns, table_of, vectors_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.errors import BadQuery, NotInstalled
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import GRAPH, INDEXES, nlist
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.threads import thread_limit

K = 10
QUERIES = 1_000
MS = (4, 8, 16, 32, 64, 128, 256, 512)  # a quick run takes every second one, of the trees too
FULL_MS = (1024, 2048)  # with --full: an index of 2,048 links takes 16 KB per vector
EF_SEARCH = 64
# (results, ef_search) of graphs; the last but one is that of a published comparison, in which graphs found little.
EFFORTS = ((10, 16), (10, 64), (10, 256), (100, 100), (1000, 16), (1000, 1000))
ANNOY_KS = (10, 100, 1000)
PARTS = ("build", "hnsw_m", "hnsw_efforts", "annoy_trees", "annoy_results")
TREES = (5, 10, 20, 50, 100, 200)
SEARCH_K = 1_000  # the effort at which forests of all sizes are compared


def run(bench: Bench) -> Figures:
    """An index that cannot be built from these vectors and a library that is missing become notes."""
    work, step = bench.workload().part(None, QUERIES, bench.seed), 2 if bench.quick else 1
    some = f"on {len(work.vectors):,} vectors"
    plan = [(entry.name, some, partial(build_rows, entry, work)) for entry in families(*work.vectors.shape)]
    plan += [
        ("hnsw", f"with M {m}", partial(hnsw_rows, m, work))
        for m in (*MS[::step], *FULL_MS * bool(bench.options.get("full")))
    ]
    plan += [("annoy", f"with {n} trees", partial(annoy_rows, n, work)) for n in TREES[::step]]
    parts: dict[str, list[dict]] = {name: [] for name in PARTS}
    notes: list[str] = []
    for done, (name, how, rows) in enumerate(plan):
        bench.tell(f"{name} {how}", done, len(plan))
        try:
            for part, found in rows().items():
                parts[part] += found
        except (BadQuery, NotInstalled) as error:
            note = f"{name}: {error}"
            notes += [note] if note not in notes else []  # a missing library says it once
    if resident_bytes() is None:
        notes.append("resident bytes: this system does not tell them to Python")
    settings = {"k": K, "build_threads": os.cpu_count() or 1, "timed_threads": 1, "ef_search": EF_SEARCH}
    return Figures(work.subject, parts, settings, notes=notes)


def families(vectors: int, dim: int) -> Iterator[IndexSpec]:
    """FAISS's entries of the INDEXES table, and relatives of them."""
    yield from (entry for entry in INDEXES.values() if entry.factory)
    yield from_factory("SQfp16", "quantised")
    yield from_factory(f"IVF{nlist(vectors)},Flat", "ivf")
    yield from_factory("HNSW32_SQ8", "graph", efConstruction=GRAPH["ef_construction"])
    yield from_factory(f"PQ{dim // 2}x4fs,Refine(SQfp16)", "quantised")
    yield from_factory(f"IVF{nlist(vectors)},RaBitQ", "ivf")


def build_rows(entry: IndexSpec, work: Workload) -> dict[str, list[dict]]:
    """Raises BadQuery when the index cannot be built from these vectors."""
    from searchdemo.indexes.faiss_index import FaissIndex, trained

    started = time.perf_counter()
    with entry.refusals(work.vectors):
        index = trained(entry, work.vectors)
    train_s, started = time.perf_counter() - started, time.perf_counter()
    index.add(work.vectors)
    add_s, factory = time.perf_counter() - started, entry.recipe(*work.vectors.shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.faiss"
        started = time.perf_counter()
        FaissIndex(entry, index).save(path)
        save_s, disk_bytes = time.perf_counter() - started, path.stat().st_size
        whole, mapped = (loading(path, factory, work.queries, way) for way in (False, True))
    row = {
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
    return {"build": [row]}


def hnsw_rows(m: int, work: Workload) -> dict[str, list[dict]]:
    index = from_factory(f"HNSW{m}", "graph", efConstruction=GRAPH["ef_construction"]).build(work.vectors)
    usual = {"m": m} | _searched(index, work, ef_search=EF_SEARCH)
    row = {"m": m, "size_bytes": index.size_bytes, "build_s": index.load_ms / 1000, "load_s": _load_s(index)}
    efforts = [row | _found(index, work, k, ef_search=ef) for k, ef in EFFORTS if k <= index.count]
    return {"hnsw_m": [usual], "hnsw_efforts": efforts}


def annoy_rows(trees: int, work: Workload) -> dict[str, list[dict]]:
    """With Annoy's own search effort, k times the number of trees, and with one that is the same for all.

    Raises NotInstalled.
    """
    index = INDEXES["annoy"].built_with(trees=trees).build(work.vectors)
    efforts = dict.fromkeys((K * trees, SEARCH_K))
    rows = [{"trees": trees, "search_k": effort} | _searched(index, work, search_k=effort) for effort in efforts]
    row = {"trees": trees, "size_bytes": index.size_bytes, "build_s": index.load_ms / 1000, "load_s": _load_s(index)}
    results = [row | _found(index, work, k, search_k=k * trees) for k in ANNOY_KS if k <= index.count]
    return {"annoy_trees": rows, "annoy_results": results}


def _searched(index: Index, work: Workload, **params: int) -> dict:
    search = search_of(index, **params)
    measured = build_figures(index) | asdict(query_latency(search, work.queries, K, 1, repeats=300))
    with thread_limit(1):
        return measured | quality(search, work, K)


def _found(index: Index, work: Workload, k: int, **params: int) -> dict:
    """The time of k results and their recall, at one setting."""
    search = search_of(index, **params)
    with thread_limit(1):
        recall = quality(search, work, k)[f"recall_{k}"]
    return params | {"k": k, "recall": recall} | asdict(query_latency(search, work.queries, k, 1, repeats=100))


def _load_s(index: Index) -> float:
    """Seconds of reading, or mapping, the file of an index that was just written."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows keeps what is open
        index.save(path := Path(folder) / "index")
        return index.spec.load(path, index.count, index.dim).load_ms / 1000


EFFORT_TABLES = (  # part, name, title, columns; older cards have none of these parts
    (
        "hnsw_efforts",
        "index-hnsw-efforts",
        "HNSW by M, number of results and ef_search",
        "m k ef_search recall p50_ms p99_ms size_bytes build_s load_s",
    ),
    (
        "annoy_results",
        "index-annoy-results",
        "Annoy by trees and number of results, with search_k = results x trees",
        "trees k search_k recall p50_ms p99_ms size_bytes build_s load_s",
    ),
)


def tables(cards: Sequence[RunCard]) -> list[Table]:
    build = columns(
        "index factory train_s add_s save_s load_s mapped_load_s disk_bytes bytes_per_vector "
        "resident_bytes mapped_resident_bytes"
    )
    hnsw, annoy = (
        columns(f"{swept} size_bytes build_s recall_10 words_recall_10? p50_ms p99_ms")
        for swept in ("m", "trees search_k")
    )
    found = []
    for card in cards:
        of, ef_search = vectors_of(card), card.settings["ef_search"]
        found += [
            table_of(card, name, title, heads, rows)
            for rows, name, title, heads in (
                (card.parts["build"], "index", f"Before the first query, {of}", build),
                (card.parts["hnsw_m"], "index-hnsw", f"HNSW against M, ef_search {ef_search}, {of}", hnsw),
                (annoy_efforts(card), "index-annoy", f"Annoy against trees and effort, {of}", annoy),
            )
            if rows
        ]
        found += [
            table_of(card, name, f"{title}, {of}", columns(keys), card.parts[part])
            for part, name, title, keys in EFFORT_TABLES
            if card.parts.get(part)
        ]
    return found


def annoy_efforts(card: RunCard) -> list[dict]:
    """All rows at Annoy's own effort, then all at the one that is the same. Older cards have the first alone."""
    rows = [{"search_k": card.settings["k"] * row["trees"]} | row for row in card.parts["annoy_trees"]]
    return sorted(rows, key=lambda row: row["search_k"] != card.settings["k"] * row["trees"])


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """From the first card: time and size by family, then size and time against M and against the number of trees."""
    card = cards[0]
    figure, (time_ax, disk_ax) = plots.panels(2, "What an index costs before its first query", card.source, height=4.4)
    rows = card.parts["build"]
    names, colours = [row["index"] for row in rows], [plots.COLOURS[row["family"]] for row in rows]
    plots.bars(time_ax, names, [row["train_s"] + row["add_s"] for row in rows], colours)
    time_ax.set(xscale="log", xlabel="s, training and adding (log)")
    plots.bars(disk_ax, names, [row["disk_bytes"] / 1e6 for row in rows], colours)
    disk_ax.set(xlabel="MB on disk", yticklabels=[])
    swept = [("hnsw_m", "m", "HNSW, M"), ("annoy_trees", "trees", "Annoy, trees")]
    swept = [each for each in swept if card.parts[each[0]]]
    growth, axes = plots.panels(len(swept), "Size and building time", card.source)
    for (part, key, label), ax in zip(swept, axes, strict=True):
        rows = list({row[key]: row for row in card.parts[part]}.values())  # one per build, whatever its efforts
        at = [row[key] for row in rows]
        sizes, seconds = [row["size_bytes"] / 1e6 for row in rows], [row["build_s"] for row in rows]
        plots.lines(ax, [("MB", at, sizes), ("s to build", at, seconds)])
        ax.set(yscale="log", xlabel=label)
        plots.legend(ax)
    return {"index": figure, "index-growth": growth}
