"""Measuring on this machine: one run at a time, seen and cancelled by whoever has the page open, its cards kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from searchdemo.collection.library import Library
from searchdemo.collection.progress import Progress, clock
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, Cancelled, SearchDemoError, UnknownName
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import RunCard
from searchdemo.ui import waiting
from searchdemo.ui.tradeoffs.cards import gallery_said


@dataclass(frozen=True)
class Plan:
    """What a visitor may have measured."""

    title: str
    benchmarks: tuple[str, ...]
    quick: bool


PLANS = {
    "indexes quick": Plan("indexes, quick: 10,000 vectors, 500 queries", ("tradeoff",), True),
    "indexes full": Plan("indexes, full: all vectors", ("tradeoff",), False),
    "encoder quick": Plan("encoder, quick: 10,000 vectors, 500 queries", ("latency", "classnames", "knn"), True),
    "encoder full": Plan("encoder, full: all vectors", ("latency", "classnames", "knn"), False),
}


@dataclass
class Run:
    """A run that goes on, or has ended."""

    key: Key
    plan: Plan
    by: str = ""  # the visitor who started it
    progress: Progress = field(default_factory=lambda: Progress("opening the vectors", 0, 0, 0))
    failures: list[str] = field(default_factory=list)  # why a benchmark of several has no card
    started: float = field(default_factory=time.perf_counter)
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: Future[list[RunCard]] = field(default_factory=Future)

    @property
    def subject(self) -> str:
        """ "tiny-imagenet × bundled, full"."""
        return f"{gallery_said(self.key.gallery)} × {self.key.encoder}, {'quick' if self.plan.quick else 'full'}"

    def report(self, progress: Progress) -> None:
        """What a benchmark calls between two points. Raises Cancelled when a visitor wants the run to end."""
        if self.cancelled.is_set():
            raise Cancelled(f"Cancelled at {counted(self.progress)}: of this benchmark, no card was kept.")
        self.progress = progress

    def __str__(self) -> str:
        far = f"{counted(self.progress)}, {clock(time.perf_counter() - self.started)} so far"
        return f"Measuring {self.subject}: {far}" + ("; it stops after this point" if self.cancelled.is_set() else "")

    def watch(self) -> Iterator[str]:
        """A sentence every second until the run ends. Raises what ended it: Cancelled, and what benchmarks raise."""
        yield str(self)
        while not wait([self.done], timeout=waiting.TICK_S).done:
            yield str(self)
        self.done.result()


class Measuring:
    """The measurements of one process. Two at once would slow each other, so there is one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: Run | None = None

    def running(self) -> Run | None:
        run = self._run
        return run if run and not run.done.done() else None

    def start(self, library: Library, key: Key, plan: str, by: str = "") -> Run:
        """The run goes on when the visitor leaves, and keeps its cards; those of pictures in memory as long as these.

        Raises UnknownName for a plan, NotBuilt, and BadQuery while another run goes on.
        """
        if plan not in PLANS:
            raise UnknownName("measurement", plan, PLANS)
        library.open(key.gallery, key.encoder)  # raises NotBuilt at once
        with self._lock:
            if other := self.running():
                goes_on = f"The measurement of {other.subject} goes on."
                raise BadQuery(f"{goes_on} A second run would slow it: wait for its end, or cancel it.")
            run = self._run = Run(key, PLANS[plan], by)
        # A daemon: leaving the program does not wait for the end of a measurement.
        threading.Thread(target=_measure, args=(library, run), name=f"measure {key.folder}", daemon=True).start()
        return run

    def cancel(self) -> None:
        """Asks the run, if one goes on, to end after the point that is being measured."""
        if run := self.running():
            run.cancelled.set()


def _measure(library: Library, run: Run) -> None:
    from searchdemo.bench import table
    from searchdemo.bench.workload import Bench

    kept: list[RunCard] = []
    try:
        for name in run.plan.benchmarks:
            try:
                card = table.measure(name, Bench(library, run.key, quick=run.plan.quick, report=run.report))
                if library.holds(run.key.gallery):
                    measured = library.measured(run.key.gallery)
                    measured[:] = [*(one for one in measured if one.path != card.path), card]
                else:
                    run_card.save(card, run_card.own_cards())
                kept.append(card)
            except Cancelled:
                raise
            except SearchDemoError as error:
                if len(run.plan.benchmarks) == 1:
                    raise
                run.failures.append(f"{name}: {error}")
        if not kept:
            raise BadQuery(" ".join(run.failures))
        run.done.set_result(kept)
    except BaseException as error:  # whoever watches gets it, from a refusal to a bug
        run.done.set_exception(error)
        if not isinstance(error, SearchDemoError):
            raise


def counted(progress: Progress) -> str:
    """ "hnsw: HNSW32, 8 of 20, about 0:40 left"."""
    said = progress.stage
    if progress.total > 1:
        said += f", {min(progress.done + 1, progress.total):,} of {progress.total:,}"
    return said + (f", about {clock(progress.seconds_left)} left" if progress.rate else "")


def finished(run: Run, cards: list[RunCard]) -> str:
    """What was measured: the pair, the vectors, the machine, the time."""
    seconds = clock(sum(card.seconds for card in cards))
    subject, machine = cards[0].subject, cards[0].machine.get("name", "an unknown machine")
    figures = sum(len(card.parts["points"]) for card in cards if card.benchmark == "tradeoff")
    what = f"{figures:,} settings" if figures else ", ".join(card.benchmark for card in cards)
    said = (
        f"Measured {run.subject}: {what} on {subject['vectors']:,} vectors of {subject['dim']} dimensions, "
        f"{machine}, in {seconds}."
    )
    return " ".join([said, *run.failures])
