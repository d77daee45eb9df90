"""A cache of things that are slow to make: each is made once, the least recently used one is dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")
K = TypeVar("K")


class Cache(Generic[T]):
    """Two visitors who ask for the same thing wait while it is made once. Nobody waits for something else."""

    def __init__(self, limit: int):
        self._limit = limit
        self._values: OrderedDict[Hashable, Future[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The cached value, or make() cached under the key.

        An error of make() is raised to all who wait for the value. Nothing is cached then: the next caller tries again.
        """
        with self._lock:
            if cached := self._values.get(key):
                self._values.move_to_end(key)
            else:
                future = self._put(key, Future())
        if cached:
            return cached.result()
        try:
            future.set_result(make())
        except BaseException as error:
            with self._lock:
                if self._values.get(key) is future:
                    del self._values[key]
            future.set_exception(error)
        return future.result()

    def put(self, key: Hashable, value: T) -> None:
        """Cache this value in place of the one that was cached before."""
        future: Future[T] = Future()
        future.set_result(value)
        with self._lock:
            self._put(key, future)

    def drop(self, key: Hashable) -> None:
        """The next `get` makes it again."""
        with self._lock:
            self._values.pop(key, None)

    def _put(self, key: Hashable, future: Future[T]) -> Future[T]:
        self._values[key] = future
        self._values.move_to_end(key)
        while len(self._values) > self._limit:
            self._values.popitem(last=False)
        return future

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._values and self._values[key].done()


class Caches(Generic[K, T]):
    """A cache for each of some objects, which goes when its object does."""

    def __init__(self, limit: int):
        """limit: of each cache"""
        self._limit = limit
        self._caches: WeakKeyDictionary[K, Cache[T]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, owner: K) -> Cache[T]:
        with self._lock:
            return self._caches.setdefault(owner, Cache(self._limit))
