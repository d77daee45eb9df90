"""The run cards of the Trade-offs tab: which there are, and measuring another one on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from searchdemo import assets
from searchdemo.collection.build import Progress, clock
from searchdemo.collection.library import SearchEngine
from searchdemo.errors import BadQuery, UnknownName
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import RunCard

BENCHMARK, PEERS = "tradeoff", "peers"
TICK_S = 1.0  # between two signs of life

# One measurement at a time for the whole process: two would slow each other.
_turn = threading.Lock()


@dataclass(frozen=True)
class Listed:
    """A card as visitors choose it."""

    card: RunCard
    shipped: bool

    @property
    def key(self) -> str:
        return f"{'shipped' if self.shipped else 'own'}:{self.card.path.as_posix()}"

    @property
    def label(self) -> str:
        """ "tiny-imagenet × bundled · AMD EPYC, 2 cores · 2026-11-21 · shipped"."""
        facts = [self.card.title, self.card.machine.get("name", "unknown machine")]
        return " · ".join([*facts, self.card.at[:10], *["shipped"] * self.shipped])


def listed(benchmark: str = BENCHMARK) -> list[Listed]:
    """The person's own cards, the newest first, then those that ship."""
    own = sorted(run_card.cards(run_card.own_cards(), benchmark=benchmark), key=lambda card: card.at, reverse=True)
    shipped = run_card.cards(assets.CARDS, benchmark=benchmark)
    return [*(Listed(card, False) for card in own), *(Listed(card, True) for card in shipped)]


def first_of(there: Sequence[Listed], gallery: str, encoder: str) -> str | None:
    """The key of the card to open on: of this gallery and encoder if there is one, and of a full run."""

    def order(entry: Listed) -> tuple:
        return (entry.card.gallery, entry.card.encoder) != (gallery, encoder), entry.card.quick

    return min(there, key=order).key if there else None


def chosen(key: str) -> RunCard:
    """Raises UnknownName; a key is never read as a path."""
    there = {entry.key: entry.card for entry in listed()}
    if key not in there:
        raise UnknownName("run card", key, there)
    return there[key]


def peers_of(card: RunCard) -> list[dict]:
    """Points of other libraries that may stand beside this card's: of the same vectors, on the same kind of machine."""

    def origin(card: RunCard) -> tuple:
        subject = (card.subject.get(key) for key in ("vectors", "dim", "vectors_sha256"))
        return card.gallery, card.encoder, *subject, card.machine.get("name")

    return next((one.card.parts["points"] for one in listed(PEERS) if origin(one.card) == origin(card)), [])


def measure(engine: SearchEngine, gallery: str, encoder: str) -> Iterator[str | RunCard]:
    """A quick run in another thread: yields how far it is every TICK_S, at last the card, which is then saved.

    A visitor who leaves loses nothing: the run goes on and its card is kept. Raises BadQuery while another runs, and
    all that the benchmark raises.
    """
    from searchdemo.bench.table import measure as run
    from searchdemo.bench.workload import Bench

    engine.prepared(gallery, encoder)  # what is not built is said at once
    if not _turn.acquire(blocking=False):
        raise BadQuery("A measurement runs on this machine already, and a second one would slow it: wait for its end.")
    latest = [Progress("opening the vectors", 0, 0, 0)]

    def work() -> RunCard:
        try:
            card = run(BENCHMARK, Bench(engine, gallery, encoder, quick=True, report=lambda p: latest.append(p)))
            run_card.save(card, run_card.own_cards())
            return card
        finally:
            _turn.release()

    started = time.perf_counter()
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="measure")
    future = pool.submit(work)
    pool.shutdown(wait=False)
    while not wait([future], timeout=TICK_S).done:
        yield f"{said(latest[-1])}, {clock(time.perf_counter() - started)} so far"
    yield future.result()


def said(progress: Progress) -> str:
    counted = progress.total > 1 and not progress.rate
    return f"{progress.stage} ({progress.done + 1} of {progress.total})" if counted else str(progress)
