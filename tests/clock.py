"""A clock that stands still, for what is said of time: no test compares a measured time with a bound."""

from __future__ import annotations

import threading


class Clock:
    """Takes the place of a module's `time`. It goes on when a test moves it, or when somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.slept = 0  # how often

    def read(self) -> float:
        return self.now

    perf_counter = monotonic = thread_time = read

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.now += seconds


class ThreadClock(threading.local):
    """The same, where each thread has a time of its own: it goes on when that thread sleeps."""

    now = 0.0

    def read(self) -> float:
        return self.now

    perf_counter = monotonic = thread_time = read

    def sleep(self, seconds: float) -> None:
        self.now += seconds
