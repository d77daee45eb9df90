"""The run cards that the Trade-offs tab offers, and measuring another one on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from searchdemo import assets
from searchdemo.collection.build import Progress, clock
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, UnknownName
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import RunCard
from searchdemo.ui.waiting import waiting

BENCHMARK, PEERS = "tradeoff", "peers"

# One measurement at a time in the whole process: two would slow each other.
_turn = threading.Lock()


@dataclass(frozen=True)
class Listed:
    """A card in the list that visitors choose from."""

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
    """The person's own cards, the newest first, then the cards that ship."""
    own = sorted(run_card.cards(run_card.own_cards(), benchmark=benchmark), key=lambda card: card.at, reverse=True)
    shipped = run_card.cards(assets.CARDS, benchmark=benchmark)
    return [*(Listed(card, False) for card in own), *(Listed(card, True) for card in shipped)]


def first_of(there: Sequence[Listed], gallery: str, encoder: str) -> str | None:
    """The key of the card to open on: this gallery and encoder before others, then a full run before a quick one."""

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
    """Points of other libraries that compare with this card's: on the same vectors and the same kind of machine."""

    def origin(card: RunCard) -> tuple:
        subject = (card.subject.get(key) for key in ("vectors", "dim", "vectors_sha256"))
        return card.gallery, card.encoder, *subject, card.machine.get("name")

    return next((one.card.parts["points"] for one in listed(PEERS) if origin(one.card) == origin(card)), [])


def measure(library: Library, key: Key) -> Iterator[str | RunCard]:
    """A quick run: yields a sentence about its progress every second, and at last the card, which is saved by then.

    A visitor who leaves loses nothing: the run goes on and its card is kept. Raises BadQuery while another one runs,
    and what the benchmark raises.
    """
    from searchdemo.bench.table import measure as run
    from searchdemo.bench.workload import Bench

    library.open(key.gallery, key.encoder)  # raises NotBuilt at once
    if not _turn.acquire(blocking=False):
        raise BadQuery("A measurement runs on this machine already, and a second one would slow it: wait for its end.")
    latest = [Progress("opening the vectors", 0, 0, 0)]

    def work() -> RunCard:
        try:
            card = run(BENCHMARK, Bench(library, key, quick=True, report=latest.append))
            run_card.save(card, run_card.own_cards())
            return card
        finally:
            _turn.release()

    yield (yield from waiting(work, lambda seconds: f"{said(latest[-1])}, {clock(seconds)} so far"))


def said(progress: Progress) -> str:
    counted = progress.total > 1 and not progress.rate
    return f"{progress.stage} ({progress.done + 1} of {progress.total})" if counted else str(progress)
