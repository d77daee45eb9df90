"""recall@k and latency, each in one place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from searchdemo.types import MISSING


def recall_at_k(found: np.ndarray, exact: np.ndarray) -> float:
    """|found ∩ exact| / k, averaged over the queries. Both are (q, k); MISSING counts as not found.

    Raises ValueError when their shapes differ.
    """
    if found.shape != exact.shape:
        raise ValueError(f"found {found.shape} and exact {exact.shape} must have the same shape (q, k)")
    hits = sum(len(set(mine) & set(theirs) - {MISSING}) for mine, theirs in zip(found, exact, strict=True))
    return hits / exact.size


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one call, over warm repeats."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    repeats: int


MAX_SECONDS = 5.0  # for timing one thing: there are fewer repeats, at least MIN_REPEATS, when they would take longer
MIN_REPEATS = 5


def affordable_latency(call: Callable[[], object], repeats: int, warm_up: int = 1) -> Latency:
    """`latency`, with fewer repeats and warm-up calls where the first call shows that they would take MAX_SECONDS."""
    first = latency(call, 1, warm_up=1)
    affordable = max(MIN_REPEATS, int(MAX_SECONDS * 1000 / max(first.p50_ms, 1e-3)))
    return latency(call, min(repeats, affordable), min(warm_up, affordable))


def latency(call: Callable[[], object], repeats: int, warm_up: int = 3) -> Latency:
    """Time each of `repeats` calls alone, after `warm_up` calls that are not counted."""
    for _ in range(warm_up):
        call()
    times = np.empty(repeats)
    for number in range(repeats):
        started = time.perf_counter()
        call()
        times[number] = time.perf_counter() - started
    p50, p95, p99 = np.percentile(times * 1000, [50, 95, 99])
    return Latency(float(p50), float(p95), float(p99), repeats)
