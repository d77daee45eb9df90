"""Made once, under threads; failures are told to all who waited and are not kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from searchdemo.kept import Kept


def test_made_once_for_all_threads():
    kept, made, start = Kept(4), [], threading.Barrier(8)

    def make() -> object:
        made.append(threading.get_ident())
        threading.Event().wait(0.05)
        return object()

    def ask(_) -> object:
        start.wait()
        return kept.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(ask, range(8)))
    assert len(made) == 1 and len(set(map(id, values))) == 1
    assert "key" in kept and "other" not in kept


def test_the_making_of_one_does_not_hold_up_another():
    kept, release = Kept(4), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(kept.get, "slow", lambda: release.wait(10))
        assert kept.get("quick", lambda: 1) == 1
        assert "slow" not in kept
        release.set()
        assert slow.result() is True


def test_a_failure_is_told_to_all_who_waited_and_tried_again_by_the_next():
    kept, tries, waiting = Kept(4), [], threading.Event()

    def fail() -> int:
        tries.append(1)
        waiting.wait(10)
        raise ValueError("no")

    with ThreadPoolExecutor(5) as pool:
        jobs = [pool.submit(kept.get, "key", fail) for _ in range(5)]
        while not all(job.running() for job in jobs):
            threading.Event().wait(0.001)
        threading.Event().wait(0.05)
        waiting.set()
        assert [str(job.exception()) for job in jobs] == ["no"] * 5
    assert len(tries) == 1  # five visitors do not wait for five time-outs, one after the other
    assert "key" not in kept
    assert kept.get("key", lambda: 7) == 7
    assert kept.get("key", lambda: pytest.fail("made twice")) == 7


def test_the_least_used_is_given_up():
    kept = Kept(2)
    kept.get("a", lambda: 1)
    kept.get("b", lambda: 2)
    kept.get("a", lambda: 0)
    kept.get("c", lambda: 3)
    assert [key in kept for key in "abc"] == [True, False, True]


def test_put_replaces():
    kept = Kept(2)
    kept.get("a", lambda: 1)
    kept.put("a", 2)
    assert kept.get("a", lambda: 3) == 2
