"""Who computes now: searches by picture, clicks and races take turns, so that they do not all slow each other.

A text takes 2 ms and needs no turn. The others take 5 to 1,000 ms; as many as there are cores compute at a time, a
person's search before a step of a race. A race has a turn for each index, and gives it back in between.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from searchdemo.processor import cores

SEARCH, STEP = 0, 1  # ranks: a search of a person, a step of a race


class Turns:
    """Of one page. Safe for several threads."""

    def __init__(self, at_once: int):
        self._free, self._lock = at_once, threading.Lock()
        self._waiting: list[tuple[int, int, threading.Event]] = []  # a heap: the lowest rank first, then who came first
        self._numbers = itertools.count()

    @contextmanager
    def turn(self, rank: int) -> Iterator[None]:
        self._take(rank)
        try:
            yield
        finally:
            self._give_back()

    def _take(self, rank: int) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            called = threading.Event()
            heapq.heappush(self._waiting, (rank, next(self._numbers), called))
        called.wait()

    def _give_back(self) -> None:
        with self._lock:
            if self._waiting:
                heapq.heappop(self._waiting)[2].set()  # the turn goes from hand to hand
            else:
                self._free += 1


TURNS = Turns(max(2, cores()))  # with one core too, a race leaves one to searches
