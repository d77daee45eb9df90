"""What recall costs: indexes over their parameters, against latency, memory and kNN accuracy.

Each index is built once and searched at all of its settings (see sweep.py). Latency is of one query per call, k = 10.
recall@k and precision@k by class are over QUERIES of the queries. kNN top-1 is over all of them, paired with that of
the exact answer, to show whether lower recall costs accuracy: most pairs agree, so a small loss is told from chance.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial

from searchdemo.bench.points import Search, Votes, in_turns, point, quality, query_latency, search_of
from searchdemo.bench.sweep import FULL, QUICK, Grid
from searchdemo.bench.tradeoff_drawn import charts, tables
from searchdemo.bench.workload import Bench, Workload
from searchdemo.errors import BadQuery, NotInstalled
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.factory import is_hash
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import Figures, Requirement

__all__ = ["charts", "run", "tables"]

K = 10
QUERIES = 2_000
KS = (1, 10, 50, 100, 500, 1000)
SHARDS = (1, 2, 4, 8)
ENOUGH = 0.95  # recall@10 at which settings of an inverted file are compared
ROUNDS = 5  # in which close rivals take turns

# k, shards and metrics are compared with these entries of the INDEXES table, near recall@10 0.95 on 100,000 vectors.
AT = {"flat": {}, "ivf": {"nprobe": 32}, "hnsw": {"ef_search": 32}, "ivf-fastscan": {"nprobe": 32, "k_factor": 8}}
# Efforts that grow with the number of results k. Annoy's own is k times its number of trees, here 50.
GROWING: dict[str, Callable[[int], dict[str, int]]] = {
    "hnsw, ef_search = k": lambda k: {"ef_search": k},
    "annoy, search_k = 50 k": lambda k: {"search_k": 50 * k},
}
ORDERED = ("flat", "ivf", "hnsw")


def run(bench: Bench) -> Figures:
    """An index that cannot be built becomes a note. Raises NotBuilt, NotHere."""
    whole = bench.workload()
    work = whole.part(None, None if bench.quick else QUERIES, bench.seed)
    work.exact(max(KS))
    sweep = Sweep(bench, work, Votes(whole))
    parts = {
        "points": sweep.points(QUICK if bench.quick else FULL),
        "k": sweep.by_k(),
        "shards": sweep.by_shards(SHARDS[::2] if bench.quick else SHARDS),
        "metric": sweep.by_metric(),
    }
    return Figures(work.subject, parts, {"k": K, "timed_threads": sweep.threads}, sweep.requirements(), sweep.notes)


class Sweep:
    """One run: the indexes that are needed again, and the notes."""

    def __init__(self, bench: Bench, work: Workload, votes: Votes | None = None):
        """votes: over all queries; by default over those of `work`."""
        self.votes = votes or Votes(work)
        self.bench, self.work, self.threads = bench, work, bench.threads[0]
        self.repeats = 100 if bench.quick else 500
        self.notes: list[str] = []
        self._built: dict[str, Index] = {}  # entries of the INDEXES table
        self._rivals: list[tuple[Index, int]] = []  # inverted files, each with its smallest nprobe for ENOUGH

    def points(self, grids: Sequence[Grid]) -> list[dict]:
        n, dim = self.work.vectors.shape
        plan = {
            (spec.recipe(n, dim), spec.build_params, spec.name): (spec, settings)
            for grid in grids
            for spec in grid.specs(n, dim)
            if (settings := grid.settings(spec, n, dim))
        }
        rows, started = [], time.perf_counter()
        total, done = sum(1 + len(settings) for _, settings in plan.values()), 0

        def tell(spec: IndexSpec) -> None:
            rate = done / (time.perf_counter() - started)
            self.bench.tell(f"{spec.name}: {spec.recipe(n, dim)}", done, total, rate)

        for spec, settings in plan.values():
            tell(spec)
            done += 1
            try:
                index = spec.build(self.work.vectors)
            except BadQuery as error:
                self.notes.append(f"{spec.name}: {error}")
                done += len(settings)
                continue
            found = []
            for params in settings:  # each tells, so that a run can be cancelled between two points
                tell(spec)
                found.append(self._row(index, params))
                done += 1
            self._remember(index, found)
            rows += found
        self.bench.tell("all points", total, total, total / (time.perf_counter() - started))
        return rows

    def _row(self, index: Index, params: dict[str, int], metric: str = "ip") -> dict:
        settings = {
            "index": index.spec.name,
            "family": index.spec.family,
            "factory": index.recipe,
            "build_params": dict(index.spec.build_params),
            "params": params,
            "metric": "l2" if is_hash(index.recipe) else metric,
        }
        return settings | point(index, params, self.work, self.threads, self.repeats, self.votes)

    def _remember(self, index: Index, rows: list[dict]) -> None:
        """Keeps an index that is also an entry of the INDEXES table, or an inverted file that reaches ENOUGH."""
        name, built = index.spec.name, (index.recipe, index.spec.build_params)
        if name in AT and built == (INDEXES[name].recipe(*self.work.vectors.shape), INDEXES[name].build_params):
            self._built[name] = index
        enough = [row["params"]["nprobe"] for row in rows if row["recall_10"] >= ENOUGH and name == "ivf"]
        if enough:
            self._rivals.append((index, min(enough)))

    def _entry(self, name: str) -> Index:
        """An index of the INDEXES table. Raises BadQuery when it cannot be built."""
        if name not in self._built:
            self._built[name] = INDEXES[name].build(self.work.vectors)
        return self._built[name]

    def _latency(self, search: Search, k: int = K, threads: int | None = None) -> dict[str, float]:
        return asdict(query_latency(search, self.work.queries, k, threads or self.threads, self.repeats))

    def by_k(self) -> list[dict]:
        """One row per index and number of results: at a fixed effort, and at one that grows with the results."""
        rows = []
        for name, index, k in self._asked_for():
            params = AT[name] if name in AT else GROWING[name](k)
            self.bench.tell(f"{k:,} results of {name}")
            search = search_of(index, **params)
            found = quality(search, self.work, k)
            words = found.get(f"words_recall_{k}")
            rows.append(
                {"index": name, "family": index.spec.family, "factory": index.recipe, "params": params, "k": k}
                | self._latency(search, k)
                | {"recall": found[f"recall_{k}"], "precision": found.get(f"precision_{k}")}
                | ({} if words is None else {"words_recall": words})
            )
        return rows

    def _asked_for(self) -> Iterator[tuple[str, Index, int]]:
        """(name, index, number of results), never more than vectors. Without a library its index becomes a note."""
        ks = [k for k in KS if k <= len(self.work.vectors)]
        for name in AT:
            yield from ((name, self._entry(name), k) for k in ks)
        yield from (("hnsw, ef_search = k", self._entry("hnsw"), k) for k in ks if k > AT["hnsw"]["ef_search"])
        try:
            forest = self._entry("annoy")
        except NotInstalled as error:
            self.notes.append(f"annoy: {error}")
        else:
            yield from (("annoy, search_k = 50 k", forest, k) for k in ks)

    def by_shards(self, numbers: Sequence[int]) -> list[dict]:
        """One row per index, number of shards and way: one thread; all threads; one thread per shard."""
        from searchdemo.indexes.shards import merged, shards  # not on top: FAISS is imported on first use

        rows, cores = [], os.cpu_count() or 1
        for name in ORDERED:
            for number in numbers:
                self.bench.tell(f"{name} in {number} shards")
                started = time.perf_counter()
                try:
                    parts = shards(INDEXES[name], self.work.vectors, number)
                except BadQuery as error:
                    self.notes.append(f"{number} shards: {error}")
                    continue
                build_s = time.perf_counter() - started
                for threaded, threads in ((False, 1), (False, cores), (True, cores)):
                    index = merged(parts, threaded)
                    search = search_of(index, **AT[name])
                    rows.append(
                        {"index": name, "factory": index.recipe, "params": AT[name]}
                        | {"shards": number, "threaded": threaded, "threads": threads}
                        | self._latency(search, threads=threads)
                        | {"recall_10": quality(search, self.work, K)["recall_10"]}
                        | {"size_bytes": index.size_bytes, "build_s": build_s}
                    )
        return rows

    def by_metric(self) -> list[dict]:
        """One row per index and metric.

        same_order: the share of queries for which the metric returns exactly the list of the inner product.
        """
        rows = []
        for name in ORDERED:
            first = self._entry(name)
            wanted = first.search(self.work.queries, K, **AT[name]).positions
            for metric in ("ip", "l2"):
                self.bench.tell(f"{name} by {metric}")
                index = first if metric == "ip" else INDEXES[name].build(self.work.vectors, metric)
                found = index.search(self.work.queries, K, **AT[name]).positions
                same_order = float((found == wanted).all(axis=1).mean())
                rows.append(self._row(index, AT[name], metric) | {"same_order": same_order})
        return rows

    def requirements(self) -> list[Requirement]:
        """Our number of cells against all that were tried, each at the smallest nprobe that reaches ENOUGH."""
        ours = INDEXES["ivf"].recipe(*self.work.vectors.shape)
        if ours not in [index.recipe for index, _ in self._rivals]:
            self.notes.append(f"requirement of ivf: no nprobe that was tried brings {ours} to recall@10 {ENOUGH}")
            return []
        self.bench.tell("close rivals in turns")
        contestants = {
            index.recipe: partial(self._p50_ms, search_of(index, nprobe=nprobe)) for index, nprobe in self._rivals
        }
        medians = {recipe: statistics.median(times) for recipe, times in in_turns(contestants, ROUNDS).items()}
        ratio = medians[ours] / min(medians.values())
        return [Requirement(f"ivf ({ours}) over the best number of cells, p50 at recall@10 >= {ENOUGH}", ratio, 1.1)]

    def _p50_ms(self, search: Search) -> float:
        return self._latency(search)["p50_ms"]
