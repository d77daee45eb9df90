"""Reciprocal rank fusion: one ranking of several (Cormack, Clarke and Büttcher 2009, SIGIR, "Reciprocal rank fusion
outperforms Condorcet and individual rank learning methods").

    score(d) = sum over the rankings that have d of 1 / (K + rank of d in it),   K = 60 as there, ranks from 1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

K = 60


@dataclass(frozen=True)
class Fused:
    rank: int  # from 1
    row: int
    score: float
    ranks: dict[str, int]  # name of a ranking that has it -> its rank there, from 1


def fused(rankings: Mapping[str, Sequence[int]], k: int | None = None) -> list[Fused]:
    """The best k of all rows in the rankings, each best first; None: all of them.

    Of equal scores that which stands highest in a ranking goes first, then the lowest row: the order of the rankings
    does not matter.
    """
    ranks: dict[int, dict[str, int]] = {}
    for name, rows in rankings.items():
        for rank, row in enumerate(rows, 1):
            ranks.setdefault(row, {})[name] = rank
    scores = {row: sum(Fraction(1, K + rank) for rank in places.values()) for row, places in ranks.items()}  # exact
    best = sorted(ranks, key=lambda row: (-scores[row], min(ranks[row].values()), row))[:k]
    return [Fused(number, row, float(scores[row]), ranks[row]) for number, row in enumerate(best, 1)]
