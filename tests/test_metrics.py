"""recall@k and latency with known answers."""

from __future__ import annotations

import threading

import faiss
import numpy as np
import pytest

from searchdemo.errors import BadQuery
from searchdemo.measure.metrics import latency, recall_at_k
from searchdemo.threads import thread_limit

EXACT = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])


@pytest.mark.parametrize(
    ("found", "recall"),
    [
        (EXACT + 100, 0.0),
        ([[0, 1, 98, 99], [98, 6, 99, 4]], 0.5),
        ([[3, 2, 1, 0], [7, 6, 5, 4]], 1.0),  # order does not count
        ([[0, 1, 2, 3], [-1, -1, -1, -1]], 0.5),
        ([[0, -1, -1, -1], [4, -1, -1, -1]], 0.25),
        ([[0, 0, 0, 0], [4, 4, 4, 4]], 0.25),  # one found four times is one found
    ],
)
def test_recall(found, recall):
    assert recall_at_k(np.asarray(found), EXACT) == recall


def test_missing_is_never_a_hit():
    assert recall_at_k(np.array([[5, -1]]), np.array([[5, -1]])) == 0.5


def test_recall_refuses_other_shapes():
    with pytest.raises(ValueError, match="same shape"):
        recall_at_k(EXACT[:, :2], EXACT)


def test_latency_percentiles_of_known_times(monkeypatch):
    times = iter(np.repeat(np.arange(1, 102), 2) * 1.0)  # call i begins and ends at i ...
    lasting = iter(range(101))

    def clock() -> float:
        clock.calls += 1
        return next(times) + (next(lasting) / 1000 if clock.calls % 2 == 0 else 0)  # ... and lasts i ms

    clock.calls, calls = 0, []
    monkeypatch.setattr("searchdemo.measure.metrics.time.perf_counter", clock)
    measured = latency(lambda: calls.append(clock.calls), repeats=101, warm_up=3)
    assert (measured.p50_ms, measured.p95_ms, measured.p99_ms) == pytest.approx((50, 95, 99))
    assert measured.repeats == 101
    assert calls[:3] == [0, 0, 0] and len(calls) == 104  # the first three were not timed


def test_threads_are_held_and_restored():
    before = faiss.omp_get_max_threads()
    with thread_limit(before + 1):
        assert faiss.omp_get_max_threads() == before + 1
    assert faiss.omp_get_max_threads() == before
    with thread_limit(None):
        assert faiss.omp_get_max_threads() == before
    with pytest.raises(KeyError), thread_limit(before + 1):
        raise KeyError
    assert faiss.omp_get_max_threads() == before


def test_fewer_than_one_thread_is_refused():
    with pytest.raises(BadQuery, match="threads = 0 is out of bounds"), thread_limit(0):
        pass


def test_measurements_do_not_overlap():
    inside, overlapped = threading.Semaphore(1), []

    def measure() -> None:
        with thread_limit(None):
            overlapped.append(not inside.acquire(blocking=False))
            threading.Event().wait(0.02)
            inside.release()

    threads = [threading.Thread(target=measure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlapped == [False] * 4
