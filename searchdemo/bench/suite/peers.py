"""Against hnswlib, usearch, NMSLIB, ScaNN, Annoy and scikit-learn's trees, on the same vectors and queries.

Builds use all cores. A query is one call, with one thread, timed alike for all. Bounds are held by contestants that
take turns, each at the setting of its sweep that was fastest at the wanted recall.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence

from searchdemo.bench.peers import OURS, PEERS, Peer
from searchdemo.bench.plots import SERIES, legend, panels
from searchdemo.bench.points import Search, latency_figures, quality, query_latency, search_of, timed_build
from searchdemo.bench.tables import Column, Table, fixed, megabytes, number
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.build import Progress
from searchdemo.errors import NotInstalled
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import Figures, Floor, RunCard
from searchdemo.measure.machine import installed
from searchdemo.measure.pareto import front
from searchdemo.measure.threads import thread_limit

K = 10
QUERIES = 2_000
RECALLS = (0.9, 0.95, 0.99)
HELD_AT = (0.95, 0.99)  # recalls at which bounds are held
ROUNDS = 9
LIKE_FOR_LIKE = INDEXES["hnswlib"].recipe(0, 0)  # the graphs that ours is held against
GRAPHS = ("hnswlib", "usearch", "faiss hnsw (own defaults)")


def run(bench: Bench) -> Figures:
    """A library that is missing, or that fails, becomes a note with its error."""
    work = bench.workload().part(None, None if bench.quick else QUERIES, bench.seed)
    work.exact(K)
    sweep = Sweep(bench, work)
    for done, peer in enumerate(PEERS):
        bench.report(Progress(peer.name, done, len(PEERS), 0))
        try:
            sweep.measure(peer)
        except NotInstalled as error:
            sweep.notes.append(f"{peer.name}: {error}")
        except Exception as error:  # of whatever kind that a foreign library raises: the others go on
            sweep.notes.append(f"{peer.name}: {type(error).__name__}: {error}")
    bench.report(Progress("taking turns", len(PEERS), len(PEERS), 0))
    libraries = installed(dict.fromkeys(peer.package for peer in PEERS))
    settings = {"k": K, "timed_threads": 1, "build_threads": os.cpu_count() or 1, "libraries": libraries}
    return Figures(work.subject, {"points": sweep.rows}, settings, sweep.floors(), sweep.notes)


class Sweep:
    def __init__(self, bench: Bench, work: Workload):
        self.bench, self.work = bench, work
        self.repeats = 100 if bench.quick else 500
        self.rows: list[dict] = []
        self.notes: list[str] = []
        self._built: dict[tuple[str, str], Index] = {}  # (peer, build) -> what bounds are held with

    def measure(self, peer: Peer) -> None:
        """All points of one. Raises whatever its library raises."""
        asked = self.work.part(None, peer.queries, self.bench.seed)
        for entry, settings in peer.grid(*self.work.vectors.shape):
            with foreign_words() as said:
                index, build_s = timed_build(entry, self.work.vectors)
            warnings = re.findall("^Your CPU supports .*", said(), re.MULTILINE)  # at the first import
            self.notes += [f"{peer.name}: {words}" for words in warnings]
            build = built(entry, *self.work.vectors.shape)
            for params in settings[:: 2 if self.bench.quick else 1]:
                search = search_of(index, **params)
                with thread_limit(1):
                    found = quality(search, asked, ks=(K,), knn=False)
                self.rows.append(
                    {"peer": peer.name, "family": peer.family, "setting": setting(build, params)}
                    | {"build": build, "params": params}
                    | latency_figures(query_latency(search, asked.queries, K, 1, self.repeats))
                    | found
                    | {"queries": len(asked.queries), "size_bytes": index.size_bytes, "build_s": build_s}
                )
            if peer.name in (*OURS, *GRAPHS, "scann"):
                self._built[peer.name, build] = index

    def floors(self) -> list[Floor]:
        graphs = [(name, None if name.startswith("faiss") else LIKE_FOR_LIKE) for name in GRAPHS]
        found = []
        for recall in HELD_AT:
            found += self._held(
                "faiss hnsw", graphs, recall, "HNSW against the best of hnswlib, usearch, FAISS's defaults", 1.1
            )
            found += self._held(
                "faiss ivf-fastscan", [("scann", None)], recall, "IVF with fast scan against ScaNN", 1.2
            )
        return found

    def _held(
        self, ours: str, theirs: Sequence[tuple[str, str | None]], recall: float, name: str, bound: float
    ) -> list[Floor]:
        """The median, over rounds in which all take turns, of our time over each of theirs: the largest of these."""
        rivals = [search for peer, build in theirs if (search := self._fastest(peer, recall, build))]
        mine = self._fastest(ours, recall)
        if not mine or not rivals:
            self.notes.append(f"{name} at recall@{K} {recall:g}: not held, one side did not reach it")
            return []
        ratios = [[] for _ in rivals]
        for _ in range(ROUNDS):
            own = query_latency(mine, self.work.queries, K, 1, self.repeats).p50_ms
            for rival, kept in zip(rivals, ratios, strict=True):
                kept.append(own / query_latency(rival, self.work.queries, K, 1, self.repeats).p50_ms)
        return [Floor(f"{name}, recall@{K} {recall:g}", max(map(statistics.median, ratios)), bound)]

    def _fastest(self, peer: str, recall: float, build: str | None = None) -> Search | None:
        row = best([row for row in self.rows if row["peer"] == peer and build in (None, row["build"])], recall)
        return row and search_of(self._built[peer, row["build"]], **row["params"])


def best(rows: Sequence[dict], recall: float) -> dict | None:
    """The fastest of those that reach this recall@10."""
    return min((row for row in rows if row["recall_10"] >= recall), key=lambda row: row["p50_ms"], default=None)


def built(entry: IndexSpec, vectors: int, dim: int) -> str:
    """ "m 32, ef_construction 200", "HNSW32, efConstruction 40"."""
    return setting(entry.factory(vectors, dim) if entry.factory else "", dict(entry.build_params))


def setting(build: str, params: dict) -> str:
    return ", ".join([build] * bool(build) + [f"{name} {value}" for name, value in params.items()])


@contextlib.contextmanager
def foreign_words() -> Iterator:
    """Keep what C++ writes on stderr off the person's progress line; yields a function that returns it."""
    with tempfile.TemporaryFile() as kept:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(kept.fileno(), 2)

        def said() -> str:
            kept.seek(0)
            return kept.read().decode(errors="replace")

        words: list[str] = []
        try:
            yield lambda: words[0]
        finally:
            os.dup2(before, 2)
            os.close(before)
            words.append(said())


def tables(cards: Sequence[RunCard]) -> list[Table]:
    """The fastest point of each contestant at each of RECALLS, the fastest first."""
    columns = (
        Column("recall", "recall@10 of at least", fixed(2)),
        Column("peer", "index"),
        Column("setting", "setting"),
        Column("recall_10", "recall@10", fixed(3)),
        Column("p50_ms", "p50 ms", number()),
        Column("p95_ms", "p95 ms", number()),
        Column("p99_ms", "p99 ms", number()),
        Column("build_s", "build s", number()),
        Column("size_bytes", "MB", megabytes),
    )
    found = []
    for card in cards:
        rows = []
        for recall in RECALLS:
            reached = [{"recall": recall} | row for points in by_peer(card).values() if (row := best(points, recall))]
            rows += sorted(reached, key=lambda row: row["p50_ms"])
        title = f"Libraries at equal recall, {card.subject['vectors']:,} × {card.subject['dim']} of {card.encoder}"
        found.append(Table(f"peers-{card.encoder}", f"{title}, one thread", columns, rows, card.source))
    return found


def by_peer(card: RunCard) -> dict[str, list[dict]]:
    names = dict.fromkeys(row["peer"] for row in card.parts["points"])
    return {name: [row for row in card.parts["points"] if row["peer"] == name] for name in names}


def charts(cards: Sequence[RunCard]) -> dict:
    """Recall against time, each contestant at its best; ours drawn through, others dashed."""
    figure, axes = panels(len(cards), "Recall against time, one query, one thread", cards[0].source, height=4.6)
    for card, ax in zip(cards, axes, strict=True):
        for (name, points), colour in zip(by_peer(card).items(), SERIES * 2, strict=False):
            kept = [row for row in front(points) if row["recall_10"] >= 0.7]
            style = {"linestyle": "-" if name in OURS else "--", "marker": "o" if name in OURS else "s"}
            ax.plot(
                [row["recall_10"] for row in kept],
                [row["p50_ms"] for row in kept],
                markersize=3,
                linewidth=1.3,
                color=colour,
                label=name,
                **style,
            )
        ax.set_yscale("log")
        ax.set_xlabel("recall@10")
        ax.set_ylabel("ms, p50 (log)")
        ax.set_title(card.encoder, fontsize=9)
        legend(ax)
    return {"peers": figure}
