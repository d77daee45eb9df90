"""A cache of things that are slow to make: made once, the least used given up first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Two visitors who ask for the same thing wait for one making of it; others are not held up."""

    def __init__(self, limit: int):
        self._limit = limit
        self._values: OrderedDict[Hashable, Future[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The kept value, or make() kept under the key.

        What make() raises is raised to all who waited for it, and nothing is kept: the next caller tries again.
        """
        with self._lock:
            future = self._values.get(key)
            mine = future is None
            if mine:
                future = self._keep(key, Future())
            else:
                self._values.move_to_end(key)
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:
                    if self._values.get(key) is future:
                        del self._values[key]
                future.set_exception(error)
        return future.result()

    def put(self, key: Hashable, value: T) -> None:
        """Keep this value from now on, whatever was kept before."""
        future: Future[T] = Future()
        future.set_result(value)
        with self._lock:
            self._keep(key, future)

    def _keep(self, key: Hashable, future: Future[T]) -> Future[T]:
        self._values[key] = future
        self._values.move_to_end(key)
        while len(self._values) > self._limit:
            self._values.popitem(last=False)
        return future

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._values and self._values[key].done()
