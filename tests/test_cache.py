"""Made once, under threads; failures are told to all who waited and are not kept."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from searchdemo import cache as kept_module
from searchdemo.cache import Cache


@pytest.fixture
def waiting(monkeypatch) -> threading.Semaphore:
    """Released by each thread that is about to wait for what is made."""
    arrived = threading.Semaphore(0)

    class Watched(Future):
        def result(self, timeout=None):
            arrived.release()
            return super().result(timeout)

    monkeypatch.setattr(kept_module, "Future", Watched)
    return arrived


def wait_for(arrived: threading.Semaphore, threads: int) -> None:
    for _ in range(threads):
        assert arrived.acquire(timeout=60)


def test_made_once_for_all_threads(waiting):
    kept, made = Cache(4), []

    def make() -> object:
        made.append(threading.get_ident())
        wait_for(waiting, 7)  # all others
        return object()

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: kept.get("key", make), range(8)))
    assert len(made) == 1 and len(set(map(id, values))) == 1
    assert "key" in kept and "other" not in kept


def test_the_making_of_one_does_not_hold_up_another():
    kept, release = Cache(4), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(kept.get, "slow", lambda: release.wait(60))
        assert kept.get("quick", lambda: 1) == 1
        assert "slow" not in kept
        release.set()
        assert slow.result() is True


def test_a_failure_is_told_to_all_who_waited_and_tried_again_by_the_next(waiting):
    kept, tries = Cache(4), []

    def fail() -> int:
        tries.append(1)
        wait_for(waiting, 4)  # all others
        raise ValueError("no")

    with ThreadPoolExecutor(5) as pool:
        jobs = [pool.submit(kept.get, "key", fail) for _ in range(5)]
        assert [str(job.exception()) for job in jobs] == ["no"] * 5
    assert len(tries) == 1  # five visitors do not wait for five time-outs, one after the other
    assert "key" not in kept
    assert kept.get("key", lambda: 7) == 7
    assert kept.get("key", lambda: pytest.fail("made twice")) == 7


def test_the_least_used_is_given_up():
    kept = Cache(2)
    kept.get("a", lambda: 1)
    kept.get("b", lambda: 2)
    kept.get("a", lambda: 0)
    kept.get("c", lambda: 3)
    assert [key in kept for key in "abc"] == [True, False, True]


def test_put_replaces():
    kept = Cache(2)
    kept.get("a", lambda: 1)
    kept.put("a", 2)
    assert kept.get("a", lambda: 3) == 2
