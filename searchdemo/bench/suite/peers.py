"""Against hnswlib, usearch, NMSLIB, ScaNN, Annoy and scikit-learn's trees, on the same vectors and queries.

Builds use all cores. A query is one call with one thread, timed in the same way for all. For the requirements,
contestants take turns, each at the setting of its sweep that was fastest at the wanted recall.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from searchdemo.bench import plots
from searchdemo.bench.peers import OURS, PEERS, Peer
from searchdemo.bench.points import Search, build_figures, in_turns, quality, query_latency, ratio, search_of
from searchdemo.bench.tables import Column, Table, columns, fixed, table_of, vectors_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.errors import NotInstalled
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import Figures, Requirement, RunCard
from searchdemo.measure.machine import installed
from searchdemo.measure.pareto import front
from searchdemo.threads import thread_limit

K = 10
QUERIES = 2_000
RECALLS = (0.9, 0.95, 0.99)
HELD_AT = (0.95, 0.99)  # recalls of the requirements
ROUNDS = 9
LIKE_FOR_LIKE = INDEXES["hnswlib"].recipe(0, 0)  # the graphs that ours is compared with
GRAPHS = ("hnswlib", "usearch", "faiss hnsw (own defaults)")


def run(bench: Bench) -> Figures:
    """A library that is missing, or that fails, becomes a note with its error."""
    work = bench.workload().part(None, None if bench.quick else QUERIES, bench.seed)
    work.exact(K)
    comparison = Comparison(bench, work)
    for done, peer in enumerate(PEERS):
        bench.tell(peer.name, done, len(PEERS))
        try:
            comparison.measure(peer)
        except NotInstalled as error:
            comparison.notes.append(f"{peer.name}: {error}")
        except Exception as error:  # a foreign library may raise any kind; the others go on
            comparison.notes.append(f"{peer.name}: {type(error).__name__}: {error}")
    bench.tell("taking turns", len(PEERS), len(PEERS))
    libraries = installed(dict.fromkeys(peer.package for peer in PEERS))
    settings = {"k": K, "timed_threads": 1, "build_threads": os.cpu_count() or 1, "libraries": libraries}
    return Figures(work.subject, {"points": comparison.rows}, settings, comparison.requirements(), comparison.notes)


class Comparison:
    """One run: the points that were measured, the indexes that are needed again, and the notes."""

    def __init__(self, bench: Bench, work: Workload):
        self.bench, self.work = bench, work
        self.repeats = 100 if bench.quick else 500
        self.rows: list[dict] = []
        self.notes: list[str] = []
        self._built: dict[tuple[str, str], Index] = {}  # (peer, build) -> the index, for the requirements

    def measure(self, peer: Peer) -> None:
        """Adds all points of one contestant. Raises whatever its library raises."""
        asked = self.work.part(None, peer.queries, self.bench.seed)
        for entry, settings in peer.grid(*self.work.vectors.shape):
            with foreign_words() as said:
                index = entry.build(self.work.vectors)
            warnings = re.findall("^Your CPU supports .*", said(), re.MULTILINE)  # at the first import
            self.notes += [f"{peer.name}: {words}" for words in warnings]
            build = built(entry, *self.work.vectors.shape)
            for params in settings[:: 2 if self.bench.quick else 1]:
                search = search_of(index, **params)
                with thread_limit(1):
                    found = quality(search, asked, K)
                self.rows.append(
                    {"peer": peer.name, "family": peer.family, "setting": setting(build, params)}
                    | {"build": build, "params": params}
                    | asdict(query_latency(search, asked.queries, K, 1, self.repeats))
                    | found
                    | {"queries": len(asked.queries)}
                    | build_figures(index)
                )
            if peer.name in (*OURS, *GRAPHS, "scann"):
                self._built[peer.name, build] = index

    def requirements(self) -> list[Requirement]:
        graphs = [(name, None if name.startswith("faiss") else LIKE_FOR_LIKE) for name in GRAPHS]
        graph_name = "HNSW against the best of hnswlib, usearch, FAISS's defaults"
        found = []
        for recall in HELD_AT:
            found += self._held("faiss hnsw", graphs, recall, graph_name, 1.1)
            found += self._held(
                "faiss ivf-fastscan", [("scann", None)], recall, "IVF with fast scan against ScaNN", 1.2
            )
        return found

    def _held(
        self, ours: str, theirs: Sequence[tuple[str, str | None]], recall: float, name: str, bound: float
    ) -> list[Requirement]:
        """The largest ratio of our time to one of theirs, in rounds in which all take turns."""
        rivals = [search for peer, build in theirs if (search := self._fastest(peer, recall, build))]
        mine = self._fastest(ours, recall)
        if not mine or not rivals:
            self.notes.append(f"{name} at recall@{K} {recall:g}: not held, one side did not reach it")
            return []
        own, *others = in_turns(dict(enumerate(map(self._p50_ms, [mine, *rivals]))), ROUNDS).values()
        return [Requirement(f"{name}, recall@{K} {recall:g}", max(ratio(own, times) for times in others), bound)]

    def _p50_ms(self, search: Search) -> Callable[[], float]:
        return lambda: query_latency(search, self.work.queries, K, 1, self.repeats).p50_ms

    def _fastest(self, peer: str, recall: float, build: str | None = None) -> Search | None:
        row = best([row for row in self.rows if row["peer"] == peer and build in (None, row["build"])], recall)
        return search_of(self._built[peer, row["build"]], **row["params"]) if row else None


def best(rows: Sequence[dict], recall: float) -> dict | None:
    """The fastest of the rows that reach this recall@10; None when none does."""
    return min((row for row in rows if row["recall_10"] >= recall), key=lambda row: row["p50_ms"], default=None)


def built(entry: IndexSpec, vectors: int, dim: int) -> str:
    """ "m 32, ef_construction 200", "HNSW32, efConstruction 40"."""
    return setting(entry.recipe(vectors, dim) if entry.factory else "", dict(entry.build_params))


def setting(build: str, params: dict) -> str:
    return ", ".join([build] * bool(build) + [f"{name} {value}" for name, value in params.items()])


@contextlib.contextmanager
def foreign_words() -> Iterator[Callable[[], str]]:
    """Keeps the words that C++ writes to stderr off the progress line. After the block, the function returns them."""
    with tempfile.TemporaryFile() as output:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(output.fileno(), 2)

        words: list[str] = []
        try:
            yield lambda: words[0]
        finally:
            os.dup2(before, 2)
            os.close(before)
            output.seek(0)
            words.append(output.read().decode(errors="replace"))


def tables(cards: Sequence[RunCard]) -> list[Table]:
    """The fastest point of each contestant at each of RECALLS, the fastest first."""
    heads = [
        Column("wanted_recall", "recall@10 of at least", fixed(2)),
        *columns("peer"),
        Column("setting", "setting"),
        *columns("recall_10 words_recall_10? p50_ms p95_ms p99_ms build_s size_bytes"),
    ]
    found = []
    for card in cards:
        rows = []
        for recall in RECALLS:
            reached = [
                {"wanted_recall": recall} | row for points in by_peer(card).values() if (row := best(points, recall))
            ]
            rows += sorted(reached, key=lambda row: row["p50_ms"])
        title = f"Libraries at equal recall, {vectors_of(card)}, one thread"
        found.append(table_of(card, "peers", title, heads, rows))
    return found


def by_peer(card: RunCard) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for row in card.parts["points"]:
        found.setdefault(row["peer"], []).append(row)
    return found


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Recall against time, each contestant at its best; our lines are solid, the others dashed."""
    return {"peers": plots.panel_per_card(cards, "Recall against time, one query, one thread", _draw, height=4.6)}


def _draw(ax: plots.Axes, card: RunCard) -> None:
    for (name, points), colour in zip(by_peer(card).items(), plots.SERIES * 2, strict=False):
        best = [row for row in front(points) if row["recall_10"] >= 0.7]
        recalls, times = [row["recall_10"] for row in best], [row["p50_ms"] for row in best]
        style = "o-" if name in OURS else "s--"
        ax.plot(recalls, times, style, markersize=3, linewidth=1.3, color=colour, label=name)
    ax.set(yscale="log", xlabel="recall@10", ylabel="ms, p50 (log)")
    plots.legend(ax)
