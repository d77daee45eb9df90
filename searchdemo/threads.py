"""How many threads FAISS, NumPy, torch and the encoders' runtimes use, for one measurement at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from searchdemo.errors import BadQuery

# The setting belongs to the whole process: two measurements at once would spoil each other's.
_measuring = threading.Lock()
_limit: int | None = None


def limit() -> int | None:
    """The threads of the measurement that runs now; None: as many as each library takes by itself.

    For libraries that threadpoolctl does not reach, such as OpenVINO with its TBB.
    """
    return _limit


@contextlib.contextmanager
def thread_limit(threads: int | None) -> Iterator[None]:
    """Hold FAISS, torch (OpenMP), NumPy (BLAS) and whoever asks `limit` to this many threads, and set them back at the
    end. None changes nothing.

    Only one block runs at a time; others wait for its end. Raises BadQuery for a number below 1.
    """
    global _limit
    if threads is not None and threads < 1:
        raise BadQuery(f"threads = {threads} is out of bounds: choose 1 or more.")
    with _measuring:
        if threads is None:
            yield
            return
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=threads):
            _limit = threads
            try:
                yield
            finally:
                _limit = None


@contextlib.contextmanager
def openmp_on_one_core() -> Iterator[None]:
    """FAISS searches for many queries on one core in this thread; other threads are not touched, see OpenMP's
    omp_set_num_threads. Who computes for long on all cores makes everybody else wait."""
    from threadpoolctl import ThreadpoolController

    with ThreadpoolController().select(user_api="openmp").limit(limits=1):
        yield


def one_thread_each() -> None:
    """From now on NumPy multiplies on one core, so that requests which are answered side by side do not wait for each
    other's threads: those spin while they wait. A text cost the page's two cores 26 ms with two threads, 14 with one.
    """
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        if library.user_api == "blas" and "numpy" in library.filepath:  # FAISS has its own, for builds
            library.set_num_threads(1)
