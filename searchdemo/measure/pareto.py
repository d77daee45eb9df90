"""The Pareto front: the settings that no other setting beats."""

from __future__ import annotations

from collections.abc import Sequence


def front(rows: Sequence[dict], cost: str = "p50_ms", gain: str = "recall_10") -> list[dict]:
    """The rows that no other row dominates, in order of rising cost and so of rising gain.

    A row is dominated when another costs no more, gains no less, and is better in one of the two. Of rows that are
    equal in both, the first stays. A row whose cost or gain was not measured (absent, None, NaN) is left out.
    """
    measured = [row for row in rows if _is_number(row.get(cost)) and _is_number(row.get(gain))]
    best: list[dict] = []
    for row in sorted(measured, key=lambda row: (row[cost], -row[gain])):
        if not best or row[gain] > best[-1][gain]:
            best.append(row)
    return best


def _is_number(value: object) -> bool:
    return value is not None and value == value
