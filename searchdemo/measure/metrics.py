"""recall@k and latency, each in one place."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
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
SLICE_S = 0.05  # after which others who wait for the processor may come in between

Turn = Callable[[], AbstractContextManager[None]]


def affordable_latency(call: Callable[[], object], repeats: int, warm_up: int = 1, turn: Turn | None = None) -> Latency:
    """`latency`, with fewer repeats and warm-up calls where the first call shows that they would take MAX_SECONDS.

    turn: held for SLICE_S at a time. A slice of many calls begins with one that is not counted, because others may have
    emptied the caches in between.
    """
    with (turn or nullcontext)():
        first = latency(call, 1, warm_up=1)
    affordable = max(MIN_REPEATS, int(MAX_SECONDS * 1000 / max(first.p50_ms, 1e-3)))
    repeats, warm_up = min(repeats, affordable), min(warm_up, affordable)
    if turn is None:
        return latency(call, repeats, warm_up)
    short, times = first.p50_ms / 1000 < SLICE_S / MIN_REPEATS, list[float]()
    while len(times) < repeats:
        with turn():
            times += _timed(call, repeats - len(times), warm_up if short or not times else 0, SLICE_S)
    return _over(times)


def latency(call: Callable[[], object], repeats: int, warm_up: int = 3) -> Latency:
    """Time each of `repeats` calls alone, after `warm_up` calls that are not counted."""
    return _over(_timed(call, repeats, warm_up))


def _timed(call: Callable[[], object], most: int, warm_up: int, until_s: float = math.inf) -> list[float]:
    """The seconds of each of `most` calls, of fewer where they have taken so long; of one at least."""
    for _ in range(warm_up):
        call()
    times, spent = list[float](), 0.0
    while len(times) < most and spent < until_s:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
        spent += times[-1]
    return times


def _over(times: list[float]) -> Latency:
    p50, p95, p99 = np.percentile(np.array(times) * 1000, [50, 95, 99])
    return Latency(float(p50), float(p95), float(p99), len(times))
