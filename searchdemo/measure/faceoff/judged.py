"""What a person judged of a face-off, and how good each encoder is by that, each rate with its interval.

    precision@k     right pictures among those that the encoder put first, of all those: k of each query
    pooled recall@k right pictures among those that the encoder put first, of the pool: all that were marked as right
                    for the query, whichever encoder found them, as in TREC (Sparck Jones and van Rijsbergen 1975)

Both are counts over all judged queries together. The interval is Wilson's (1927) at 95 %, which takes pictures as
independent of each other; those of one query are alike, so it is rather too narrow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from searchdemo.measure.faceoff.fusion import fused

FUSION = "fusion"  # the name of the column that is made of the others
Z = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations
SURE = 0.05  # of the sign test: what is less probable by chance is taken for a difference


@dataclass(frozen=True)
class Judged:
    """One query, and which pictures are right for it."""

    asked: dict  # what was searched with, as JSON: text, row, picture (a digest) ...
    columns: dict[str, tuple[int, ...]]  # encoder -> rows of the gallery that it put first, best first
    right: tuple[int, ...]  # rows; none: no picture that was shown is right
    k: int
    fingerprint: str = ""  # of the gallery: rows mean its pictures

    @property
    def identity(self) -> str:
        """Equal for the same query, whatever was marked."""
        return json.dumps(self.asked, sort_keys=True)

    @property
    def numbers(self) -> int:
        """How many it holds."""
        return len(self.right) + sum(map(len, self.columns.values()))

    def rankings(self, k: int) -> dict[str, Sequence[int]]:
        """Name of a column -> its first k rows; with two encoders or more their fusion, too."""
        first: dict[str, Sequence[int]] = {name: rows[:k] for name, rows in self.columns.items()}
        return first | ({FUSION: [one.row for one in fused(first, k)]} if len(first) > 1 else {})


@dataclass(frozen=True)
class Rate:
    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """None of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.part, self.whole) if self.whole else None

    def to_json(self, name: str) -> dict:
        low, high = self.interval or (None, None)
        return {name: self.value, f"{name}_low": low, f"{name}_high": high}

    def __str__(self) -> str:
        if self.value is None or self.interval is None:
            return "no right picture yet"
        low, high = (f"{100 * end:.0f}" for end in self.interval)
        return f"{100 * self.value:.0f} % ({low} to {high})"


@dataclass(frozen=True)
class Figure:
    """How good one encoder, or the fusion, is."""

    name: str
    queries: int  # that it answered
    recall: Rate  # pooled
    precision: Rate

    def to_json(self) -> dict:
        counts = {"encoder": self.name, "queries": self.queries, "right": self.recall.part}
        counts |= {"pool": self.recall.whole, "shown": self.precision.whole}
        return counts | self.recall.to_json("recall") | self.precision.to_json("precision")


@dataclass(frozen=True)
class Split:
    """The two best encoders, on the pictures that only one of them got right."""

    better: str
    other: str
    only_better: int
    only_other: int

    @property
    def chance(self) -> float:
        """P of so uneven a split, or a more uneven one, if both were equally good: the exact two-sided sign test."""
        return sign_test(min(self.only_better, self.only_other), self.only_better + self.only_other)

    @property
    def sure(self) -> bool:
        return self.chance < SURE

    @property
    def verdict(self) -> str:
        return f"{'hardly chance' if self.sure else 'that may be chance'} (sign test, p = {self.chance:.2g})"

    def to_json(self) -> dict:
        return asdict(self) | {"chance": self.chance}


class Duel(Split):
    """On right pictures that were marked."""

    def __str__(self) -> str:
        found = f"Right pictures that {self.better} found and {self.other} did not: {self.only_better}"
        more = "" if self.sure else ", so mark more queries before you choose"
        return f"{found}; {self.only_other} the other way round: {self.verdict}{more}."


def sign_test(few: int, both: int) -> float:
    """P of a split as uneven as few of both, or a more uneven one, if both sides were equally likely: exact."""
    ways, these = 0, 1
    for found in range(few + 1):
        ways += these
        these = these * (both - found) // (found + 1)
    return min(1.0, 2 * ways / 2**both)


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The interval at 95 % of a rate of `part` in `whole`, which is 1 at least (Wilson 1927)."""
    rate, square = part / whole, Z * Z / whole
    middle = (rate + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(rate * (1 - rate) / whole + square / whole / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def counted(judged: Iterable[Judged], k: int) -> list[Judged]:
    """Those whose columns reach down to rank k."""
    return [one for one in judged if one.k >= k]


def figures(judged: Iterable[Judged], k: int) -> list[Figure]:
    """Of every encoder, in the order in which they were met, then of the fusion. An encoder that did not answer a
    query is not judged by it, so its figures may be of fewer queries."""
    queries: dict[str, int] = {}
    right: dict[str, int] = {}
    pool: dict[str, int] = {}
    shown: dict[str, int] = {}
    for one in counted(judged, k):
        for name, rows in one.rankings(k).items():
            queries[name] = queries.get(name, 0) + 1
            right[name] = right.get(name, 0) + len({*rows} & {*one.right})
            pool[name] = pool.get(name, 0) + len(one.right)
            shown[name] = shown.get(name, 0) + len(rows)
    names = sorted(queries, key=lambda name: name == FUSION)
    return [
        Figure(name, queries[name], Rate(right[name], pool[name]), Rate(right[name], shown[name])) for name in names
    ]


def duel(judged: Sequence[Judged], k: int) -> Duel | None:
    """The two encoders of the highest recall on the queries that both answered; None without two, or a difference."""
    found = [one for one in figures(judged, k) if one.name != FUSION and one.recall.whole]
    best = sorted(found, key=lambda one: -(one.recall.value or 0))[:2]
    if len(best) < 2:
        return None
    names, only = (best[0].name, best[1].name), [0, 0]
    for one in counted(judged, k):
        if all(name in one.columns for name in names):
            first, second = ({*one.columns[name][:k]} & {*one.right} for name in names)
            only[0] += len(first - second)
            only[1] += len(second - first)
    if not sum(only):
        return None
    order = (0, 1) if only[0] >= only[1] else (1, 0)
    return Duel(names[order[0]], names[order[1]], only[order[0]], only[order[1]])
