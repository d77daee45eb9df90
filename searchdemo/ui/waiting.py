"""Signs of life for the visitor while something long runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

TICK_S = 1.0  # between two signs

Sign = TypeVar("Sign")
Result = TypeVar("Result")


def waiting(call: Callable[[], Result], sign: Callable[[float], Sign]) -> Generator[Sign, None, Result]:
    """Runs call() in another thread, yields sign(seconds so far) every TICK_S until it ends, and returns its result.

    A visitor who leaves ends the waiting, not the call: its result is there for the next one. Raises what call() does.
    """
    started = time.perf_counter()
    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    while not wait([future], timeout=TICK_S).done:
        yield sign(time.perf_counter() - started)
    return future.result()
