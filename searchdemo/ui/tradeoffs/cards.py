"""The run cards that the Trade-offs tab offers, and whose vectors each was measured on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from searchdemo import assets
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key
from searchdemo.errors import BadArtifact, UnknownName
from searchdemo.galleries import packed
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import RunCard
from searchdemo.ui.mine.galleries import UPLOAD

BENCHMARK, PEERS = "tradeoff", "peers"

log = logging.getLogger(__name__)


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
        title = self.card.title.replace(self.card.gallery, gallery_said(self.card.gallery), 1)
        facts = [title, self.card.machine.get("name", "unknown machine")]
        return " · ".join([*facts, self.card.at[:10], *["shipped"] * self.shipped])


def gallery_said(gallery: str) -> str:
    """For people: what a visitor brought has a name that says nothing."""
    return "your pictures" if gallery.startswith(f"{UPLOAD}:") else gallery


@dataclass(frozen=True)
class Pair:
    """The sidebar's gallery and encoder, and the vectors that are built of them."""

    gallery: str
    encoder: str
    vectors: int = 0  # 0: none are built
    dim: int = 0
    vectors_sha256: str = ""

    def __str__(self) -> str:
        return f"{gallery_said(self.gallery)} × {self.encoder}"

    def owns(self, card: RunCard) -> bool:
        return (card.gallery, card.encoder) == (self.gallery, self.encoder)

    def has_vectors_of(self, card: RunCard) -> bool:
        """Whether the card was measured on the very vectors that are built now; a quick run takes a part of them."""
        return self.owns(card) and card.subject.get("vectors_sha256") == self.vectors_sha256


def pair_of(library: Library, key: Key) -> Pair:
    built = library.built(key)
    if built is None:
        return Pair(key.gallery, key.encoder)
    artifact = library.artifact(built)
    return Pair(
        key.gallery,
        key.encoder,
        artifact.manifest.vectors,
        artifact.manifest.dim,
        vectors_sha256=artifact.vectors_sha256,
    )


def held_with(library: Library, gallery: str) -> list[RunCard]:
    """Cards that go with a gallery: those of one in memory, and those that were pushed to the hub with it."""
    return [*library.measured(gallery), *_pushed(library, gallery)]


def _pushed(library: Library, gallery: str) -> Iterator[RunCard]:
    """Somebody else wrote them: what is no card is passed over."""
    kind, _, argument = gallery.partition(":")
    if kind != packed.KIND:
        return
    for path in sorted((library.store.own / packed.folder_of(argument) / packed.CARDS).glob("*.json")):
        try:
            card = run_card.load(path)
        except BadArtifact as error:
            log.warning("%s", error)
            continue
        if all(isinstance(part, dict) for part in (card.parts, card.settings, card.subject, card.machine)):
            yield replace(card, gallery=gallery)


def listed(benchmark: str = BENCHMARK, held: Sequence[RunCard] = ()) -> list[Listed]:
    """The person's own cards, the newest first, then the cards that ship.

    held: cards that go with the gallery, see `held_with`; the person's own take their place
    """
    own = [*run_card.cards(run_card.own_cards(), benchmark=benchmark)]
    measured = {card.path for card in own}
    own += [card for card in held if card.benchmark == benchmark and card.path not in measured]
    own.sort(key=lambda card: card.at, reverse=True)
    shipped = run_card.cards(assets.CARDS, benchmark=benchmark)
    return [*(Listed(card, False) for card in own), *(Listed(card, True) for card in shipped)]


def damaged() -> str:
    """What is wrong with the cards that cannot be offered; "" where nothing is."""
    return " ".join(map(str, run_card.damaged(run_card.own_cards(), assets.CARDS, benchmark=BENCHMARK)))


def first_of(there: Sequence[Listed], pair: Pair) -> str | None:
    """The key of the card to show for this pair.

    A card of the pair goes before others, one of the vectors that are built now before one of earlier ones, and a full
    run before a quick one.
    """

    def order(entry: Listed) -> tuple:
        return not pair.owns(entry.card), not pair.has_vectors_of(entry.card), entry.card.quick

    return min(there, key=order).key if there else None


def chosen(key: str | None, held: Sequence[RunCard] = ()) -> RunCard:
    """held: see `listed`. Raises UnknownName; a key is never read as a path."""
    there = {entry.key: entry.card for entry in listed(held=held)}
    if key not in there:
        raise UnknownName("run card", key, there)
    return there[key]


def warning(card: RunCard, pair: Pair, there: Sequence[Listed]) -> str:
    """Whose figures these are, where they are not those of the sidebar's vectors, and damaged cards; else ""."""
    return " ".join(filter(None, [_not_of(card, pair, there), damaged()]))


def _not_of(card: RunCard, pair: Pair, there: Sequence[Listed]) -> str:
    subject = card.subject
    vectors = f"{subject.get('vectors', 0):,} vectors of {subject.get('dim', 0)} dimensions"
    if not pair.owns(card):
        none = not any(pair.owns(entry.card) for entry in there)
        why = f"No run of {pair} is on this machine yet: measure one above." if none else f"The sidebar has {pair}."
        return f"These are figures of {card.gallery} × {card.encoder}, {vectors}. {why}"
    if pair.vectors and not pair.has_vectors_of(card):
        return (
            f"These figures were measured on earlier vectors of {pair} ({vectors}), before it was built with other "
            "weights or pictures. Measure again above for those of today."
        )
    return ""


def where_it_is(measured: Sequence[RunCard], pair: Pair, held: Sequence[RunCard] = ()) -> str:
    """A sentence when a new card is not the one that is shown: a quick run never takes the place of a full one."""
    new = next((card for card in measured if card.benchmark == BENCHMARK), None)
    if new is None or chosen(first_of(listed(held=held), pair), held).path == new.path:
        return ""
    return "The full run of the same vectors stays shown; this one is in the list of measurements."


def peers_of(card: RunCard) -> list[dict]:
    """Points of other libraries that compare with this card's: on the same vectors and the same kind of machine."""

    def origin(card: RunCard) -> tuple:
        subject = (card.subject.get(key) for key in ("vectors", "dim", "vectors_sha256"))
        return card.gallery, card.encoder, *subject, card.machine.get("name")

    return next((one.card.parts["points"] for one in listed(PEERS) if origin(one.card) == origin(card)), [])
