"""k-d trees, ball trees and Annoy's forests: why exact trees fail at many dimensions, and what a forest costs.

An exact tree leaves out only what its boxes or balls prove to be further away. How many vectors it has to compare all
the same is counted, by the size of its leaves, and by the number of dimensions that PCA keeps. Time is told as a ratio
to brute force over the same vectors, in rounds in which both take turns.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.points import query_latency
from searchdemo.bench.suite.hashing import times_brute
from searchdemo.bench.suite.reduce import principal_axes, projected
from searchdemo.bench.tables import Column, Table, columns, fixed, number, table_of, vectors_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.errors import NotInstalled
from searchdemo.indexes.base import Index
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.metrics import recall_at_k
from searchdemo.threads import thread_limit

K = 10
QUERIES = 50
TREES = ("kd-tree", "ball-tree")
LEAVES = (10, 40, 160, 640)  # a quick run takes every second value of each
DIMS = (2, 4, 8, 16, 32, 64, 128)
SHARES = (0.1, 0.3, 1.0)  # of the vectors, for forests
KS = (10, 100, 1000)
NUMBERS = (1, 2, 4)  # forests that share the vectors, each asked, their answers merged
PLANES = 50  # trees of a forest


def run(bench: Bench) -> Figures:
    """A library that is missing becomes a note. Raises NotBuilt, NotHere."""
    step = 2 if bench.quick else 1
    work = bench.workload().part(None, QUERIES, bench.seed)
    dims = sorted({dim for dim in DIMS[::step] if dim < work.dim} | {min(work.dim, DIMS[-1])})
    parts: dict[str, list[dict]] = {"leaves": [], "dims": [], "annoy": []}
    notes: list[str] = []
    try:
        for name in TREES:
            for size in LEAVES[::step]:
                bench.tell(f"{name} with leaves of {size}")
                parts["leaves"].append({"index": name, "leaf_size": size} | exact_tree(name, work, size))
            axes = principal_axes(work.vectors)
            for dim in dims:
                bench.tell(f"{name} in {dim} dimensions")
                part = of_dimensions(work, axes, dim)
                parts["dims"].append({"index": name, "dim": dim} | exact_tree(name, part))
        parts["annoy"] = forests(bench, work, step)
    except NotInstalled as error:
        notes.append(str(error))
    return Figures(work.subject, parts, {"k": K, "trees": PLANES}, notes=notes)


def of_dimensions(work: Workload, axes: np.ndarray, dim: int) -> Workload:
    """The same vectors and queries in the first `dim` principal axes, as unit rows; all of them as they are."""
    if dim >= work.dim:
        return work
    reduced = projected(work, axes[:, :dim])
    return Workload(
        reduced.vectors,
        work.labels,
        reduced.queries,
        work.truth,
        work.label_names,
        work.class_names,
        work.subject | {"dim": dim},
    )


def exact_tree(name: str, work: Workload, leaf_size: int = 40) -> dict:
    """looked_percent: of the vectors, the mean share to which a query's distance is computed.

    scikit-learn counts the distances; those to the nodes of the tree are among them, so it may be above 100.
    """
    index = INDEXES[name].built_with(leaf_size=leaf_size).build(work.vectors)
    index.index.reset_n_calls()
    found = index.search(work.queries, K).positions
    looked_at = index.index.get_n_calls() / len(work.queries)
    return {
        "looked_percent": 100 * looked_at / len(work.vectors),
        "recall_10": recall_at_k(found, work.exact(K)),
        "of_brute": times_brute(index, {}, INDEXES["brute"].build(work.vectors), work),
        "size_bytes": index.size_bytes,
    }


def forests(bench: Bench, work: Workload, step: int) -> list[dict]:
    """Annoy by number of vectors, results and forests. add_s and build_s are of all forests. Raises NotInstalled."""
    rows = []
    sizes = [max(1, math.ceil(share * len(work.vectors))) for share in SHARES[::-step]][::-1]
    for size in dict.fromkeys(sizes):
        part = work.part(size, None, bench.seed)
        for forests_ in NUMBERS[::step]:
            bench.tell(f"{forests_} forests over {size:,} vectors")
            runs = [run for run in np.array_split(np.arange(len(part.vectors)), forests_) if len(run)]
            built: list[Any] = [INDEXES["annoy"].built_with(trees=PLANES).build(part.vectors[run]) for run in runs]
            facts: dict[str, float] = {"vectors": len(part.vectors), "forests": len(runs)}
            add_s, whole_s = (sum(each) for each in zip(*((i.add_s, i.load_ms / 1000) for i in built), strict=True))
            facts |= {"add_s": add_s, "build_s": whole_s - add_s, "load_s": mapped_s(built)}
            facts |= {"size_bytes": sum(index.size_bytes for index in built)}
            for k in (k for k in KS if k <= len(part.vectors)):
                rows.append(facts | {"k": k} | asked(built, runs, part, k))
    return rows


def mapped_s(built: Sequence[Index]) -> float:
    """Seconds of mapping the saved files of these forests."""
    seconds = 0.0
    for index in built:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows keeps what is open
            index.save(path := Path(folder) / "index")
            started = time.perf_counter()
            index.spec.load(path, index.count, index.dim)
            seconds += time.perf_counter() - started
    return seconds


def asked(built: Sequence[Index], runs: Sequence[np.ndarray], work: Workload, k: int) -> dict:
    """Every forest is asked for k, with the effort that is Annoy's own, k times its trees; the best k are kept."""

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        rows, scores = [], []
        for index, run in zip(built, runs, strict=True):
            found = index.search(queries, min(k, index.count), search_k=min(k * PLANES, 1_000_000))
            rows.append(np.where(found.positions < 0, -1, run[found.positions]))
            scores.append(found.scores)
        every, score = np.concatenate(rows, axis=1), np.concatenate(scores, axis=1)
        return np.take_along_axis(every, np.argsort(-score, axis=1, kind="stable")[:, :k], axis=1)

    with thread_limit(1):
        recall = recall_at_k(search(work.queries, k), work.exact(k))
    return {"recall": recall, "p50_ms": query_latency(search, work.queries, k, 1, repeats=50).p50_ms}


LOOKED = Column("looked_percent", "distances, % of all vectors", fixed(1))
OF_BRUTE = Column("of_brute", "time, × brute", number())


def tables(cards: Sequence[RunCard]) -> list[Table]:
    found = []
    for card in cards:
        of, leaf = vectors_of(card), Column("leaf_size", "leaf size", fixed(0))
        for part, title, heads in (
            ("leaves", "Exact trees by the size of their leaves", [*columns("index"), leaf, LOOKED, OF_BRUTE]),
            ("dims", "Exact trees by dimensions kept by PCA", [*columns("index dim"), LOOKED, OF_BRUTE]),
            (
                "annoy",
                f"Annoy, {card.settings['trees']} trees, by vectors, number of forests and results",
                [
                    *columns("vectors"),
                    Column("forests", "forests", fixed(0)),
                    *columns("k recall p50_ms add_s build_s load_s size_bytes"),
                ],
            ),
        ):
            if card.parts[part]:
                found.append(table_of(card, f"trees-{part}", f"{title}, {of}", heads, card.parts[part]))
    return found


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Distances that an exact search computes, against dimensions."""
    return {"trees-dims": plots.panel_per_card(cards, "What an exact tree has to look at", _draw)}


def _draw(ax: plots.Axes, card: RunCard) -> None:
    rows = card.parts["dims"]
    names = dict.fromkeys(row["index"] for row in rows)
    lines = []
    for name in names:
        mine = [row for row in rows if row["index"] == name]
        lines.append((name, [row["dim"] for row in mine], [row["looked_percent"] for row in mine]))
    plots.lines(ax, lines)
    plots.level(ax, 100, "brute force")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.set(xlabel="dimensions (log)", ylabel="distances, % of all vectors")
    plots.legend(ax)
