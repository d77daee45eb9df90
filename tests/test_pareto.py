"""The Pareto front, of points whose front is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from searchdemo.measure.pareto import front


def rows(*points: tuple[float | None, float | None]) -> list[dict]:
    return [{"p50_ms": cost, "recall_10": gain, "n": n} for n, (cost, gain) in enumerate(points)]


def numbers(found: list[dict]) -> list[int]:
    return [row["n"] for row in found]


def test_what_another_beats_in_both_is_not_on_it():
    assert numbers(front(rows((2, 0.9), (1, 0.5), (3, 0.8), (4, 0.99)))) == [1, 0, 3]


@pytest.mark.parametrize(
    ("points", "kept"),
    [
        ([(1, 0.5), (1, 0.7)], [1]),  # as fast, finds more
        ([(2, 0.7), (1, 0.7)], [1]),  # finds as much, faster
        ([(1, 0.7), (1, 0.7)], [0]),  # alike
        ([(1, 0.7)], [0]),
        ([], []),
        ([(None, 0.7), (1, None), (float("nan"), 1.0), (2, 0.1)], [3]),  # not measured
    ],
)
def test_ties_and_gaps(points, kept):
    assert numbers(front(rows(*points))) == kept


def test_other_figures_and_rows_without_them():
    points = [{"size_bytes": 10, "top1": 3.0}, {"size_bytes": 5, "top1": 3.0}, {"size_bytes": 1}]
    assert front(points, cost="size_bytes", gain="top1") == points[1:2]


def test_it_is_what_the_definition_says():
    points = rows(*np.random.default_rng(0).integers(0, 12, (80, 2)).tolist())
    found = front(points)

    def beats(one, other):
        better = (one["p50_ms"] - other["p50_ms"], other["recall_10"] - one["recall_10"])
        return max(better) <= 0 and min(better) < 0

    undominated = {(r["p50_ms"], r["recall_10"]) for r in points if not any(beats(other, r) for other in points)}
    assert [(r["p50_ms"], r["recall_10"]) for r in found] == sorted(undominated)
    assert all(a["recall_10"] < b["recall_10"] for a, b in itertools.pairwise(found))
