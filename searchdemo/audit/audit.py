"""The audit of a gallery: copies within it, with its held-out queries, with another gallery, and doubtful labels."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from searchdemo.audit.judge import NEIGHBOURS, Nearest, judged, nearest
from searchdemo.audit.piles import AGAINST, LEAK, Member, Pile, across, within
from searchdemo.audit.side import AGAINST as OTHER
from searchdemo.audit.side import Side, gallery_side, query_side
from searchdemo.collection.collection import Collection
from searchdemo.collection.progress import Report
from searchdemo.errors import BadQuery
from searchdemo.types import MISSING

VOTERS = 10  # nearest pictures that all have another label


@dataclass(frozen=True)
class Doubt:
    """A picture whose VOTERS nearest all have other labels than it has."""

    member: Member
    label: str  # that most of them have
    class_name: str
    votes: int  # how many have that one

    def to_json(self) -> dict:
        return self.member.to_json() | {"other_label": self.label, "other_class": self.class_name, "votes": self.votes}


@dataclass(frozen=True)
class Audit:
    pictures: int  # of the gallery
    queries: int  # held out
    against: int  # pictures of the other gallery; 0 without one
    piles: tuple[Pile, ...]
    doubts: tuple[Doubt, ...]  # those first whose neighbours agree most
    notes: tuple[str, ...]  # what could not be looked at, and what was left out
    seconds: float

    def of(self, where: str, kind: str) -> tuple[Pile, ...]:
        return tuple(pile for pile in self.piles if (pile.where, pile.kind) == (where, kind))

    @property
    def subject(self) -> str:
        """ "2,000 pictures, 200 held-out queries and 300 pictures of another gallery"."""
        parts = [f"{self.pictures:,} pictures"]
        parts += [f"{self.queries:,} held-out queries"] * bool(self.queries)
        parts += [f"{self.against:,} pictures of another gallery"] * bool(self.against)
        return ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + parts[-1]

    def to_json(self) -> dict:
        """Everything, for programs."""
        return {
            "pictures": self.pictures,
            "queries": self.queries,
            "against": self.against,
            "piles": [pile.to_json() for pile in self.piles],
            "doubts": [doubt.to_json() for doubt in self.doubts],
            "spare": len(self.spare),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 1),
        }

    @property
    def spare(self) -> list[tuple[Member, Pile]]:
        """The gallery's pictures that could go, each once, with the pile that says why."""
        found: dict[int, tuple[Member, Pile]] = {}
        for pile in self.piles:
            for member in pile.spare:
                found.setdefault(member.place, (member, pile))
        return list(found.values())


def audit(collection: Collection, against: Collection | None = None, report: Report = lambda progress: None) -> Audit:
    """Looks at all pictures. against: another gallery by the same encoder.

    Exact copies are found by their bytes, where these are known, and by their pixels. Where pictures are not on this
    machine, near-copies are found by embeddings alone, which is said. Memory: the vectors, 768 bytes per picture, and
    blocks; the looks lie in a temporary file of 3 KB per picture.
    Raises BadQuery for another encoder, and what `report` raises: that ends it.
    """
    if against is not None and against.encoder_spec.name != collection.encoder_spec.name:
        raise BadQuery(
            f"The galleries are embedded by {collection.encoder_spec.name!r} and {against.encoder_spec.name!r}: "
            "choose one encoder for both."
        )
    started = time.perf_counter()
    collection, against = collection.wholes(), against and against.wholes()  # a part that is alike makes no copy
    gallery = gallery_side(collection)
    queries = query_side(collection) if len(collection.queries) else None
    other = gallery_side(against, OTHER) if against is not None else None
    sides = [side for side in (gallery, queries, other) if side is not None]
    for side in sides:
        side.read(report)

    own = _neighbours(collection, gallery, report)
    piles = within(gallery, judged(gallery, gallery, own, report))
    if queries is not None:
        # Each query asks in the gallery: of the few queries all copies are found, not of the many pictures.
        found = judged(queries, gallery, _nearest_queries(collection, gallery, queries, report), report)
        piles += across(LEAK, queries, gallery, found.turned())
    if other is not None and against is not None:
        found = judged(gallery, other, _nearest_others(collection, against, gallery, other, report), report)
        piles += across(AGAINST, other, gallery, found)
    notes = [unseen(side) for side in sides]
    notes += [f"{name}: {said}." for name, said in _changes(collection, against)]
    seconds = time.perf_counter() - started
    counts = len(gallery), len(queries or ()), len(other or ())
    return Audit(*counts, tuple(piles), tuple(doubts(gallery, own)), tuple(filter(None, notes)), seconds)


def _changes(*collections: Collection | None) -> list[tuple[str, str]]:
    """(gallery, what changed in it since it was built)."""
    found = [(each.gallery.name, each.behind.sentence(each.artifact.key)) for each in collections if each is not None]
    return [(name, said) for name, said in found if said]


def _neighbours(collection: Collection, side: Side, report: Report) -> Nearest:
    """Of each picture of the gallery, without itself and without those that are gone."""
    gone = len(collection) - len(side)
    found = nearest(
        collection.index("flat"),
        lambda some: collection.vectors.take(np.arange(some.start, some.stop)),
        len(collection),
        True,
        NEIGHBOURS + gone,
        "searching the gallery's neighbours",
        report,
    )
    return _placed(Nearest(found.places[side.positions], found.scores[side.positions]), side, len(collection))


def _nearest_queries(collection: Collection, side: Side, queries: Side, report: Report) -> Nearest:
    gone = len(collection) - len(side)
    index, stage = collection.index("flat"), "searching the queries' neighbours"
    found = nearest(index, lambda some: collection.queries[some], len(queries), False, NEIGHBOURS + gone, stage, report)
    return _placed(found, side, len(collection))


def _nearest_others(collection: Collection, against: Collection, side: Side, other: Side, report: Report) -> Nearest:
    gone = len(against) - len(other)
    found = nearest(
        against.index("flat"),
        lambda some: collection.vectors.take(side.positions[some]),
        len(side),
        False,
        NEIGHBOURS + gone,
        "searching in the other gallery",
        report,
    )
    return _placed(found, other, len(against))


def _placed(found: Nearest, side: Side, positions: int) -> Nearest:
    """Positions become places; those of pictures that are gone become MISSING."""
    place = np.full(positions + 1, MISSING, np.int64)  # the last is for MISSING itself
    place[side.positions] = np.arange(len(side))
    return Nearest(place[found.places], found.scores)


def doubts(side: Side, near: Nearest) -> list[Doubt]:
    """Pictures of known label whose VOTERS nearest all have other known labels."""
    places = near.places[:, :VOTERS]
    theirs = np.where(places == MISSING, -1, side.labels[places])
    own = side.labels[:, None]
    enough = places.shape[1] == VOTERS
    alone = (own[:, 0] >= 0) & (theirs >= 0).all(axis=1) & (theirs != own).all(axis=1) & enough
    found = []
    for place in np.flatnonzero(alone).tolist():
        number, votes = Counter(theirs[place].tolist()).most_common(1)[0]
        name = side.gallery.class_names[number]
        found.append(Doubt(Member(side, place), side.label_names[number], name, votes))
    return sorted(found, key=lambda doubt: -doubt.votes)


def unseen(side: Side) -> str:
    """What could not be compared, or ""."""
    missing, unknown = int((~side.seen).sum()), int((side.keys == 0).sum())
    if not missing:
        return ""
    said = (
        f"{missing:,} of {len(side):,} pictures of the {side.part} are not on this machine or cannot be read: their "
        "near-copies were looked for by embeddings alone, which finds few of them, and no pictures of their scenes"
    )
    return said + (f"; the bytes of {unknown:,} are not known, so nor are their exact copies." if unknown else ".")
