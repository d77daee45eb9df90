"""What recall costs: indexes over their parameters, against latency, memory and kNN accuracy.

Each index is built once and searched at all of its settings (see sweep.py). Latency is of one query a call, k = 10;
recall@k, precision@k by class and kNN top-1 are over all queries, so that it shows whether lost recall costs accuracy.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence

from searchdemo.bench import tradeoff_drawn as drawn
from searchdemo.bench.points import latency_figures, point, quality, query_latency, search_of, timed_build
from searchdemo.bench.sweep import FULL, QUICK, Grid
from searchdemo.bench.tables import Table
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.build import Progress
from searchdemo.errors import BadQuery
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.factory import is_hash
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import Figures, Floor, RunCard

K = 10
QUERIES = 2_000
KS = (1, 10, 50, 100, 500, 1000)
SHARDS = (1, 2, 4, 8)
ENOUGH = 0.95  # recall@10 at which settings of an inverted file are compared
ROUNDS = 5  # in which close rivals take turns: the machine's mood is then the same for all

# Where k, shards and metrics are compared: entries of the INDEXES table near recall@10 0.95 of 100,000 vectors.
AT = {"flat": {}, "ivf": {"nprobe": 32}, "hnsw": {"ef_search": 32}, "ivf-fastscan": {"nprobe": 32, "k_factor": 8}}
ORDERED = ("flat", "ivf", "hnsw")


def run(bench: Bench) -> Figures:
    work = bench.workload().part(None, None if bench.quick else QUERIES, bench.seed)
    work.exact(max(KS))
    sweep = Sweep(bench, work)
    parts = {
        "points": sweep.points(QUICK if bench.quick else FULL),
        "k": sweep.by_k(),
        "shards": sweep.by_shards(SHARDS[::2] if bench.quick else SHARDS),
        "metric": sweep.by_metric(),
    }
    return Figures(work.subject, parts, {"k": K, "timed_threads": sweep.threads}, sweep.floors(), sweep.notes)


class Sweep:
    """One run: what was built and is needed again, and what did not run."""

    def __init__(self, bench: Bench, work: Workload):
        self.bench, self.work, self.threads = bench, work, bench.threads[0]
        self.repeats = 100 if bench.quick else 500
        self.notes: list[str] = []
        self._kept: dict[str, tuple[Index, float]] = {}  # entries of the INDEXES table
        self._rivals: list[tuple[Index, int]] = []  # inverted files, each at its least nprobe for ENOUGH

    def points(self, grids: Sequence[Grid]) -> list[dict]:
        n, dim = self.work.vectors.shape
        plan = {
            (spec.factory(n, dim), spec.build_params, spec.name): (spec, settings)
            for grid in grids
            for spec in grid.specs(n, dim)
            if (settings := grid.settings(spec, n, dim))
        }
        rows, started = [], time.perf_counter()
        total, done = sum(1 + len(settings) for _, settings in plan.values()), 0
        for spec, settings in plan.values():
            stage, rate = f"{spec.name}: {spec.factory(n, dim)}", done / (time.perf_counter() - started)
            self.bench.report(Progress(stage, done, total, rate))
            done += 1 + len(settings)
            try:
                index, build_s = timed_build(spec, self.work.vectors)
            except BadQuery as error:
                self.notes.append(f"{spec.name}: {error}")
                continue
            found = [self._row(spec, index, params) | {"build_s": build_s} for params in settings]
            self._keep(spec, index, build_s, found)
            rows += found
        self.bench.report(Progress("all points", total, total, total / (time.perf_counter() - started)))
        return rows

    def _row(self, spec: IndexSpec, index: Index, params: dict[str, int], metric: str = "ip") -> dict:
        settings = {
            "index": spec.name,
            "family": spec.family,
            "factory": index.recipe,
            "build_params": dict(spec.build_params),
            "params": params,
            "metric": "l2" if is_hash(index.recipe) else metric,
        }
        return settings | point(index, params, self.work, threads=self.threads, repeats=self.repeats)

    def _keep(self, spec: IndexSpec, index: Index, build_s: float, rows: list[dict]) -> None:
        ours = INDEXES[spec.name] if spec.name in AT else None
        if ours and (ours.factory(*self.work.vectors.shape), ours.build_params) == (index.recipe, spec.build_params):
            self._kept[spec.name] = index, build_s
        enough = [row["params"]["nprobe"] for row in rows if row["recall_10"] >= ENOUGH and spec.name == "ivf"]
        if enough:
            self._rivals.append((index, min(enough)))

    def _entry(self, name: str) -> tuple[Index, float]:
        """Of the INDEXES table. Raises BadQuery when it cannot be built."""
        if name not in self._kept:
            self._kept[name] = timed_build(name, self.work.vectors)
        return self._kept[name]

    def by_k(self) -> list[dict]:
        rows = []
        for name, params in AT.items():
            index, _ = self._entry(name)
            search = search_of(index, **params)
            for number, k in enumerate(KS):
                self.bench.report(Progress(f"k of {name}", number, len(KS), 0))
                measured = query_latency(search, self.work.queries, k, self.threads, self.repeats)
                found = quality(search, self.work, ks=(k,), knn=False)
                rows.append(
                    {"index": name, "family": index.spec.family, "factory": index.recipe, "params": params, "k": k}
                    | latency_figures(measured)
                    | {"recall": found[f"recall_{k}"], "precision": found[f"precision_{k}"]}
                )
        return rows

    def by_shards(self, numbers: Sequence[int]) -> list[dict]:
        """A row an index, a number of shards, and a way: one thread; all threads; a thread a shard."""
        from searchdemo.indexes.shards import merged, shards  # not on top: FAISS waits for its first use

        rows, cores = [], os.cpu_count() or 1
        for name in ORDERED:
            for number in numbers:
                self.bench.report(Progress(f"{name} in {number} shards", 0, 1, 0))
                spec, started = INDEXES[name], time.perf_counter()
                try:
                    parts = shards(spec, self.work.vectors, number)
                except BadQuery as error:
                    self.notes.append(f"{number} shards: {error}")
                    continue
                build_s = time.perf_counter() - started
                for threaded, threads in ((False, 1), (False, cores), (True, cores)):
                    index = merged(parts, threaded)
                    search = search_of(index, **AT[name])
                    measured = query_latency(search, self.work.queries, K, threads, self.repeats)
                    rows.append(
                        {"index": name, "factory": index.recipe, "params": AT[name]}
                        | {"shards": number, "threaded": threaded, "threads": threads}
                        | latency_figures(measured)
                        | {"recall_10": quality(search, self.work, ks=(K,), knn=False)["recall_10"]}
                        | {"size_bytes": index.size_bytes, "build_s": build_s}
                    )
        return rows

    def by_metric(self) -> list[dict]:
        """same_order: the share of queries for which L2 returns the very list that the inner product returns."""
        rows = []
        for name in ORDERED:
            spec, first = INDEXES[name], None
            for metric in ("ip", "l2"):
                self.bench.report(Progress(f"{name} by {metric}", 0, 1, 0))
                index, build_s = self._entry(name) if metric == "ip" else timed_build(spec, self.work.vectors, metric)
                found = index.search(self.work.queries, K, **AT[name]).rows
                first = found if first is None else first
                same = {"same_order": float((found == first).all(axis=1).mean()), "build_s": build_s}
                rows.append(self._row(spec, index, AT[name], metric) | same)
        return rows

    def floors(self) -> list[Floor]:
        """Our number of cells against all that were tried, each at the smallest nprobe that was tried and is enough."""
        ours = INDEXES["ivf"].factory(*self.work.vectors.shape)
        if ours not in [index.recipe for index, _ in self._rivals]:
            self.notes.append(f"floor of ivf: no nprobe that was tried brings {ours} to recall@10 {ENOUGH}")
            return []
        times: dict[str, list[float]] = {index.recipe: [] for index, _ in self._rivals}
        for turn in range(ROUNDS):
            self.bench.report(Progress("close rivals in turns", turn, ROUNDS, 0))
            for index, nprobe in self._rivals:
                measured = query_latency(
                    search_of(index, nprobe=nprobe), self.work.queries, K, self.threads, self.repeats
                )
                times[index.recipe].append(measured.p50_ms)
        medians = {factory: statistics.median(found) for factory, found in times.items()}
        ratio = medians[ours] / min(medians.values())
        return [Floor(f"ivf ({ours}) over the best number of cells, p50 at recall@10 >= {ENOUGH}", ratio, 1.1)]


def tables(cards: Sequence[RunCard]) -> list[Table]:
    return [table for card in cards for table in drawn.tables(card)]


def charts(cards: Sequence[RunCard]) -> dict:
    return drawn.charts(cards)
