"""Turns of what computes long: as many at a time as there are, a person's search before a step of a race."""

from __future__ import annotations

import threading

import pytest

from searchdemo.ui.serving.turns import SCAN, SEARCH, STEP, Turns

PATIENCE_S = 60


def waiting(turns: Turns, count: int) -> None:
    """Until so many wait."""
    for _ in range(PATIENCE_S * 1000):
        if len(turns._waiting) == count:
            return
        threading.Event().wait(0.001)
    raise AssertionError(f"{len(turns._waiting)} wait, not {count}")


def test_searches_come_before_steps_of_races_and_else_who_came_first():
    turns, order, threads = Turns(1), [], []

    def work(rank: int, name: str) -> None:
        with turns.turn(rank):
            order.append(name)

    with turns.turn(STEP):
        for rank, name in (
            (STEP, "race 1"), (STEP, "race 2"), (SCAN, "scan"), (SEARCH, "search 1"), (SEARCH, "search 2"),
        ):  # fmt: skip
            threads.append(threading.Thread(target=work, args=(rank, name)))
            threads[-1].start()
            waiting(turns, len(threads))
        assert order == []
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == ["search 1", "search 2", "scan", "race 1", "race 2"]


@pytest.mark.parametrize("slow", [SCAN, STEP])
def test_scans_and_races_leave_one_turn_to_searches(slow):
    turns, went = Turns(2), threading.Event()

    def work() -> None:
        with turns.turn(STEP):
            went.set()

    with turns.turn(slow):
        thread = threading.Thread(target=work)
        thread.start()
        waiting(turns, 1)
        with turns.turn(SEARCH):
            assert not went.is_set()
        assert not went.is_set()
    thread.join(PATIENCE_S)
    assert went.is_set() and turns._free == 2 and turns._free_for_slow == 1


def test_so_many_at_a_time_and_an_error_gives_the_turn_back():
    turns, most, now, lock, two = Turns(2), 0, 0, threading.Lock(), threading.Barrier(2, timeout=PATIENCE_S)

    def work() -> None:
        nonlocal most, now
        with turns.turn(SEARCH):
            with lock:
                now += 1
                most = max(most, now)
            two.wait()
            threading.Event().wait(0.002)  # a third has time to come
            with lock:
                now -= 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert most == 2
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.turn(SEARCH):
            raise ZeroDivisionError
    assert turns._free == 2 and turns._waiting == []
