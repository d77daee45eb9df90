"""The Pareto front: settings that no other beats."""

from __future__ import annotations

from collections.abc import Sequence


def front(rows: Sequence[dict], cost: str = "p50_ms", gain: str = "recall_10") -> list[dict]:
    """The rows that no other dominates, by rising cost, and so by rising gain.

    A row is dominated when another costs no more and gains no less, and is better in one of the two. Of rows that are
    alike in both the first stays. A row whose cost or gain was not measured (absent, None, NaN) is passed over.
    """
    measured = [row for row in rows if _is_number(row.get(cost)) and _is_number(row.get(gain))]
    kept: list[dict] = []
    for row in sorted(measured, key=lambda row: (row[cost], -row[gain])):
        if not kept or row[gain] > kept[-1][gain]:
            kept.append(row)
    return kept


def _is_number(value: object) -> bool:
    return value is not None and value == value
