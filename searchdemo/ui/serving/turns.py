"""Who computes now: searches by picture, clicks, scans and races take turns, so that they do not all slow each other.

A text takes 2 ms and needs no turn. The others take 5 to 100 ms; as many as there are cores compute at a time, a
person's search before a scan of all vectors, and that before a part of a race. Scans and races leave one core to
searches. A race has a turn for 50 ms at a time, so several go on side by side.
"""

from __future__ import annotations

import bisect
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from searchdemo.processor import cores

SEARCH, SCAN, STEP = 0, 1, 2  # ranks: a search by a picture or a click, one of all vectors, a part of a race


class Turns:
    """Of one page. Safe for several threads."""

    def __init__(self, at_once: int):
        self._free, self._lock = at_once, threading.Lock()
        self._free_for_slow = max(1, at_once - 1)  # of these, for ranks above SEARCH
        self._waiting: list[tuple[int, int, threading.Event]] = []  # the lowest rank first, then who came first
        self._numbers = itertools.count()

    @contextmanager
    def turn(self, rank: int) -> Iterator[None]:
        called = threading.Event()
        with self._lock:
            bisect.insort(self._waiting, (rank, next(self._numbers), called))
            self._call()
        called.wait()
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                self._free_for_slow += rank > SEARCH
                self._call()

    def _call(self) -> None:
        """Whoever may compute now."""
        for waiting in [*self._waiting]:
            rank, _, called = waiting
            if self._free and (rank == SEARCH or self._free_for_slow):
                self._waiting.remove(waiting)
                self._free -= 1
                self._free_for_slow -= rank > SEARCH
                called.set()


TURNS = Turns(max(2, cores()))  # with one core too, a race leaves one to searches
