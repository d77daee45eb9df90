"""From pairs to piles: each picture of a pile is a copy of the pile's first, and stands in one pile alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass

import numpy as np

from searchdemo.audit.facts import Facts
from searchdemo.audit.judge import EXACT, KINDS, NEAR, Pairs
from searchdemo.audit.side import GALLERY, Side
from searchdemo.types import Blur

WITHIN, LEAK, AGAINST = "within", "leak", "against"  # where the copies of a pile are
COPIES = (EXACT, NEAR)  # kinds of which one is enough


@dataclass(frozen=True)
class Member:
    """One picture of a pile, or of doubtful label."""

    side: Side
    place: int
    score: float = 1.0  # agreement with the first of the pile; see judge.Pairs

    @property
    def part(self) -> str:
        return self.side.part

    @property
    def row(self) -> int:
        return int(self.side.rows[self.place])

    @property
    def label(self) -> str:
        number = self.side.labels[self.place]
        return self.side.label_names[number] if number >= 0 else ""

    @property
    def class_name(self) -> str:
        number = self.side.labels[self.place]
        return self.side.gallery.class_names[number] if number >= 0 else ""

    @property
    def file(self) -> str:
        return self.side.pictures.file(self.row)

    @property
    def facts(self) -> Facts:
        return self.side.facts(self.place)

    @property
    def picture(self) -> bytes | Blur | None:
        return self.side.pictures.shown(self.row) or self.side.pictures.blur(self.row)

    @property
    def name(self) -> str:
        """For people."""
        return self.file or f"{self.part} row {self.row:,}"

    def to_json(self) -> dict:
        return {
            "part": self.part,
            "row": self.row,
            "file": self.file,
            "label": self.label,
            "class_name": self.class_name,
            "score": round(float(self.score), 4),
            **asdict(self.facts),
        }


@dataclass(frozen=True)
class Pile:
    where: str  # WITHIN | LEAK | AGAINST
    kind: str  # EXACT | NEAR | SCENE
    members: tuple[Member, ...]  # the first is what the others are compared with; two at least

    @property
    def best(self) -> Member:
        """The better copy: more pixels, a lossless format, more bytes, the earlier date, the lower row."""
        return min(self.members, key=lambda member: member.facts.rank)

    @property
    def spare(self) -> tuple[Member, ...]:
        """The gallery's pictures that could go, because a copy of them stays: in the pile, or in the other gallery.

        Of one scene none is; and of a leak that is for people to decide.
        """
        if self.kind not in COPIES or self.where == LEAK:
            return ()
        return tuple(member for member in self.members if member.part == GALLERY and member is not self.stays)

    @property
    def stays(self) -> Member:
        """What makes the others spare: the better copy, or the one in the other gallery."""
        return self.best if self.where == WITHIN else self.members[0]

    @property
    def labels_differ(self) -> bool:
        """Whether it holds pictures of two known classes of one gallery."""
        one_gallery = len({member.side.label_names for member in self.members}) == 1
        return one_gallery and len({member.label for member in self.members} - {""}) > 1

    def to_json(self) -> dict:
        return {
            "where": self.where,
            "kind": self.kind,
            "labels_differ": self.labels_differ,
            "best": self.members.index(self.best),
            "members": [member.to_json() for member in self.members],
        }


def within(side: Side, pairs: Pairs) -> list[Pile]:
    """The piles of one side. In those of a kind, only the better copies of the kinds before it stand."""
    piles: list[Pile] = []
    stands_for: dict[int, int] = {}  # picture -> the better copy that it is a spare copy of
    for number, kind in enumerate(KINDS):
        near: dict[int, dict[int, float]] = defaultdict(dict)
        for one, other, score in _of(pairs, number):
            one, other = _top(stands_for, one), _top(stands_for, other)
            if one != other:
                near[one][other] = near[other][one] = max(score, near[one].get(other, -1.0))
        if kind == EXACT:
            near = _closed(near)
        free = set(near)
        for first in sorted(near, key=lambda place: (side.facts(place).rank, place)):
            if first not in free:
                continue
            copies = [place for place in sorted(near[first]) if place in free]
            free -= {first, *copies}
            if copies:
                scored = [Member(side, first), *(Member(side, place, near[first][place]) for place in copies)]
                piles.append(Pile(WITHIN, kind, tuple(scored)))
                stands_for |= dict.fromkeys(copies, first)
    return piles


def across(where: str, leaders: Side, others: Side, pairs: Pairs) -> list[Pile]:
    """For each picture of `leaders`, those of `others` that are its copies. pairs: (others, leaders)."""
    found: dict[tuple[int, int], list[Member]] = defaultdict(list)
    for number in range(len(KINDS)):
        for place, leader, score in _of(pairs, number):
            found[number, leader].append(Member(others, place, score))
    return [
        Pile(where, KINDS[number], (Member(leaders, leader), *sorted(members, key=lambda each: -each.score)))
        for (number, leader), members in sorted(found.items(), key=lambda item: item[0])
    ]


def _of(pairs: Pairs, number: int) -> list[tuple[int, int, float]]:
    chosen = np.flatnonzero(pairs.kind == number)
    columns = pairs.one[chosen].tolist(), pairs.other[chosen].tolist(), pairs.score[chosen].tolist()
    return list(zip(*columns, strict=True))


def _top(stands_for: dict[int, int], place: int) -> int:
    while place in stands_for:
        place = stands_for[place]
    return place


def _closed(near: dict[int, dict[int, float]]) -> dict[int, dict[int, float]]:
    """Of pictures of equal content, each with all others: to be equal is transitive, to be like each other is not."""
    closed: dict[int, dict[int, float]] = {}
    for start in near:
        if start in closed:
            continue
        group, ahead = {start}, [start]
        while ahead:
            fresh = near[ahead.pop()].keys() - group
            group |= fresh
            ahead += fresh
        for place in group:
            closed[place] = dict.fromkeys(sorted(group - {place}), 1.0)
    return closed
