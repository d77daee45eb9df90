"""The number of threads of FAISS and NumPy, for one measurement at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

# The setting belongs to the whole process: two measurements at once would spoil each other's.
_measuring = threading.Lock()


@contextlib.contextmanager
def thread_limit(threads: int | None) -> Iterator[None]:
    """Hold FAISS (OpenMP) and NumPy (BLAS) to this many threads, alone, and restore. None: leave them as they are."""
    with _measuring:
        if threads is None:
            yield
            return
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=threads):
            yield
