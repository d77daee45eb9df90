"""Milvus beside FAISS: the same kinds of index on the same vectors and queries, in Milvus Lite and in a server.

The contestants of a kind take turns; a query is one call from this process, FAISS on one thread and Milvus as it comes.
The server is the one that SEARCHDEMO_MILVUS names, else the one of the Python package `milvus`, started on loopback.
`--full` adds the million vectors of `scale`; --index names some kinds, such as `milvus-ivf-flat`, and their card does
not replace that of all kinds. A contestant that would not be done within --minutes, by its time over fewer vectors, is
left out, and one that fails drops out: a note says why, and the others go on. What is done is kept.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.milvus_server import MilvusServer
from searchdemo.bench.points import Search, in_turns, quality, ratio, search_of
from searchdemo.bench.suite import scale
from searchdemo.bench.tables import Column, Table, columns, fixed, number, table_of, vectors_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.extras import imported, pip_command, require
from searchdemo.indexes.base import Index
from searchdemo.indexes.table import find, nlist
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.machine import installed
from searchdemo.threads import thread_limit

K = 10
QUERIES = 500  # for recall
AT_ONCE = 50  # of them in one call: a request has to be answered in time
ROUNDS, EACH = 5, 60  # each contestant is asked so many times in each round
ROUND_S = 8.0  # ... or fewer times, where they would take longer than this
LEAST = 5
MINUTES = 30  # that a run with --full may take: what would take longer is not begun
FAISS, LITE, SERVER = "FAISS", "Milvus Lite", "Milvus server"
LIKE = {"milvus-flat": "flat", "milvus-ivf-flat": "ivf", "milvus": "hnsw", "milvus-ivf-sq8": "faiss:IVF{nlist},SQ8"}

T = TypeVar("T")


@contextlib.contextmanager
def at(place: str, token: str = "") -> Iterator[None]:
    """What asks Milvus within the block asks this one. "": what is asked needs none."""
    from searchdemo.indexes.milvus_client import PLACE, TOKEN

    wanted = {PLACE: place, TOKEN: token}
    before = {name: os.environ.get(name) for name in wanted}
    try:
        os.environ.update(wanted)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass
class Contestant:
    library: str
    place: str
    token: str
    index: Index
    times: list[float] = field(default_factory=list)  # ms of single queries, over all rounds

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """(q, k) positions, some queries per call."""
        with at(self.place, self.token):
            found = search_of(self.index)
            return np.concatenate([found(part, k) for part in np.split(queries, range(AT_ONCE, len(queries), AT_ONCE))])

    def round(self, queries: np.ndarray, most: int) -> Callable[[], float]:
        """A function that asks one by one, and returns the median of the milliseconds."""
        each = itertools.cycle(np.ascontiguousarray(queries[:, None, :]))
        found: Search = search_of(self.index)

        def ask() -> float:
            started = time.perf_counter()
            times: list[float] = []
            with at(self.place, self.token), thread_limit(1):
                found(next(each), K)  # what another one pushed out of the caches comes back
                while len(times) < most and (len(times) < LEAST or time.perf_counter() - started < ROUND_S):
                    before = time.perf_counter()
                    found(next(each), K)
                    times.append(1000 * (time.perf_counter() - before))
            self.times += times
            return float(np.median(times))

        return ask

    def leave(self) -> None:
        """Its collection goes away; what cannot is left to its server."""
        if self.place:
            with at(self.place, self.token), contextlib.suppress(Exception):
                self.index.drop()  # type: ignore[attr-defined]  # of a MilvusIndex


class Budget:
    """Seconds that are left of a run, and what each contestant took, which grows with the number of vectors."""

    def __init__(self, minutes: int) -> None:
        self._minutes, self._ends = minutes, time.perf_counter() + 60 * minutes
        self._took: dict[tuple[str, str], tuple[int, float]] = {}

    @contextlib.contextmanager
    def spent(self, kind: str, library: str, vectors: int) -> Iterator[None]:
        """The block builds a contestant and asks for its recall."""
        started = time.perf_counter()
        yield
        self._took[kind, library] = vectors, time.perf_counter() - started

    def refused(self, kind: str, library: str, vectors: int) -> str:
        """Why there is no time for it. "": there is, or nothing tells."""
        fewer, seconds = self._took.get((kind, library), (vectors, 0.0))
        wanted, left = seconds * vectors / fewer + ROUNDS * ROUND_S, self._ends - time.perf_counter()
        if not seconds or wanted <= left:
            return ""
        return (
            f"left out: over {fewer:,} it took {seconds:.0f} s, so here about {wanted:.0f} s, and of the "
            f"{self._minutes} minutes of a run {max(0.0, left):.0f} s are left; --minutes gives it more"
        )


def tried(what: str, done: Callable[[], T], notes: list[str]) -> T | None:
    """What it returns. None where it fails: that becomes a note, whatever a library raises, and costs nobody else."""
    try:
        return done()
    except SearchDemoError as error:
        notes.append(f"{what}: {error}")
    except Exception as error:
        notes.append(f"{what}: {type(error).__name__}: {error}")
    return None


def run(bench: Bench) -> Figures:
    """Raises NotInstalled without pymilvus, BadQuery for --index with no kind of Milvus, NotBuilt, NotHere."""
    require("pymilvus", "The benchmark `milvus`", pip_command("milvus"))
    kinds = [name for name in LIKE if not bench.indexes or name in bench.indexes]
    if not kinds:
        raise BadQuery(f"--index {' '.join(bench.indexes)} names no kind of Milvus: choose from {', '.join(LIKE)}.")
    works = scale.workloads(bench)[1:] if bench.options.get("full") and not bench.quick else [bench.workload()]
    works = [work.part(queries=QUERIES, seed=bench.seed) for work in works]
    rows: list[dict] = []
    notes: list[str] = []
    minutes = bench.options.get("minutes") or MINUTES
    budget = Budget(minutes)

    def figures(*unfinished: str) -> Figures:
        settings: dict = {"k": K, "timed_threads": 1, "rounds": ROUNDS, "round_s": ROUND_S, "minutes": minutes}
        settings |= {"asked": ", ".join(kinds)} if len(kinds) < len(LIKE) else {}
        settings["libraries"] = installed(["faiss-cpu", "pymilvus", "milvus-lite", "milvus"])
        largest = max((row["vectors"] for row in rows), default=0)
        work = next((work for work in works if len(work.vectors) == largest), works[-1])
        return Figures(work.subject, {"milvus": list(rows)}, settings, notes=[*notes, *unfinished])

    with places(notes) as (there, server):
        for done, (work, kind) in enumerate(plan := list(itertools.product(works, kinds))):
            bench.tell(f"{kind} over {len(work.vectors):,} vectors", done, len(plan))
            rows += compared(bench, work, kind, there, server, budget, notes)
            bench.keep(figures(f"unfinished: {done + 1} of {len(plan)} comparisons were done"))
    return figures()


@contextlib.contextmanager
def places(notes: list[str]) -> Iterator[tuple[dict[str, tuple[str, str]], MilvusServer | None]]:
    """({contestant: (place, token)}, the server that was started here). One that cannot be had becomes a note."""
    from searchdemo.indexes.milvus_client import PLACE, TOKEN, disconnected

    own, server = os.environ.get(PLACE, ""), None
    there = {FAISS: ("", "")}
    with tempfile.TemporaryDirectory(prefix="milvus.", ignore_cleanup_errors=True) as folder:
        if tried(LITE, lambda: imported("milvus_lite", LITE, pip_command("milvus")), notes):
            there[LITE] = (str(Path(folder) / "lite.db"), "")
        if "://" in own:
            there[SERVER] = (own, os.environ.get(TOKEN, ""))
        elif server := tried(SERVER, lambda: MilvusServer(Path(folder) / "server"), notes):
            there[SERVER] = (server.uri, "")
        try:
            yield there, server
        finally:
            for place, token in there.values():
                if place:
                    with at(place, token):
                        disconnected()
            if server:
                server.end()


def compared(
    bench: Bench,
    work: Workload,
    kind: str,
    there: dict[str, tuple[str, str]],
    server: MilvusServer | None,
    budget: Budget,
    notes: list[str],
) -> list[dict]:
    """One row for each contestant of a kind: built one after the other, searched in turns, and gone after that."""
    size = len(work.vectors)
    racing: dict[str, Contestant] = {}
    rows: dict[str, dict] = {}  # of those that did not drop out

    def built(library: str, name: str) -> dict:
        place, token = there[library]
        with budget.spent(kind, library, size):
            with at(place, token):
                racing[library] = racer = Contestant(library, place, token, find(name).build(work.vectors))
            figures = quality(racer.search, work, K) | {"build_s": racer.index.load_ms / 1000}
        return {"library": library, "index": name, "kind": kind, "vectors": size} | figures

    def asked(library: str, round_of: Callable[[], float]) -> float:
        median = tried(whose(library), round_of, notes) if library in rows else None
        if median is None:
            rows.pop(library, None)
        return math.nan if median is None else median

    def named(library: str) -> str:
        return LIKE[kind].format(nlist=nlist(size)) if library == FAISS else kind

    def whose(library: str) -> str:
        return f"{named(library)} by {library} over {size:,} vectors"

    try:
        for library in there:
            if refused := budget.refused(kind, library, size):
                notes.append(f"{whose(library)}: {refused}")
                continue
            bench.tell(f"{whose(library)}: building")
            if row := tried(whose(library), partial(built, library, named(library)), notes):
                rows[library] = row
        bench.tell(f"{kind} over {size:,} vectors: taking turns")
        rounds = {library: racing[library].round(work.queries, 10 if bench.quick else EACH) for library in rows}
        turns = {library: partial(asked, library, round_of) for library, round_of in rounds.items()}
        medians = in_turns(turns, 2 if bench.quick else ROUNDS)
        for library, row in rows.items():
            times = racing[library].times
            row |= {f"p{percent}_ms": float(np.percentile(times, percent)) for percent in (50, 95)}
            row |= {"repeats": len(times)}
            if FAISS in rows:
                row["of_faiss"] = ratio(medians[library], medians[FAISS])
            if server and library == SERVER:
                row |= {"resident_bytes": server.resident_bytes(), "idle_bytes": server.idle_bytes}
    finally:
        for racer in racing.values():
            racer.leave()
    return [*rows.values()]


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        Column("library", "library"),
        *columns("index"),
        *columns("vectors recall_10 words_recall_10? p50_ms p95_ms"),
        Column("repeats", "queries timed", fixed(0)),
        Column("of_faiss", "× the time of FAISS", number()),
        *columns("build_s"),
        Column("resident_bytes", "MB of the server", columns("resident_bytes")[0].form),
    ]
    return [
        table_of(card, "milvus", f"FAISS and Milvus in turns, {vectors_of(card)}", heads, card.parts["milvus"])
        for card in cards
    ]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """None: a table of a dozen rows tells it."""
    return {}
