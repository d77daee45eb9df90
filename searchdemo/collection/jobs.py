"""Builds in the background: one at a time, seen by all visitors, resumable after a restart."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from searchdemo.collection.library import Library
from searchdemo.collection.progress import Progress, Report
from searchdemo.collection.store import Key
from searchdemo.errors import SearchDemoError
from searchdemo.types import Count

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A build as a visitor sees it."""

    key: Key
    progress: Progress
    error: str = ""  # one sentence when it failed
    finished: bool = False


class Builds:
    """Starts builds and tells how far they are. Builds share the processor, so they queue."""

    def __init__(self, library: Library):
        self._library = library
        self._jobs: dict[Key, Job] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def start(self, key: Key) -> Job:
        """The running build of this key, or a new one."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.finished:
                self._jobs.pop(key, None)  # a second try stands last again
                job = self._jobs[key] = Job(key, Progress("waiting for its turn", 0, 0, 0))
                # A daemon: leaving the program does not wait for the end of a build, which is found again anyway.
                threading.Thread(target=self._run, args=(key,), name=f"build {key.folder}", daemon=True).start()
            return job

    def jobs(self) -> list[Job]:
        """All of this process, the latest last."""
        with self._lock:
            return list(self._jobs.values())

    def running(self) -> list[Job]:
        return [job for job in self.jobs() if not job.finished]

    def job(self, key: Key) -> Job | None:
        with self._lock:
            return self._jobs.get(key)

    def _run(self, key: Key) -> None:
        def tell(job: Job) -> None:
            with self._lock:
                self._jobs[key] = job

        def report(progress: Progress) -> None:
            tell(Job(key, progress))

        def fail(sentence: str) -> None:
            log.warning("building %s stopped: %s", key.folder, sentence)
            tell(Job(key, Progress("stopped", 0, 0, 0), error=sentence, finished=True))

        try:
            with self._turn:
                report(Progress(f"loading {key.encoder}", 0, 0, 0))
                self._library.encoder(key.encoder, counter(f"fetching {key.encoder}, MB", report, 10**6))
                self._library.build(key, report)
        except SearchDemoError as error:
            fail(str(error))
        except Exception as error:  # a bug, a full disk: the visitor is told, the terminal shows where
            fail(f"The build stopped ({type(error).__name__}: {error}); start it again to go on from there.")
            raise
        else:
            tell(Job(key, Progress("built", 1, 1, 0), finished=True))


def counter(stage: str, report: Report, unit: int = 1) -> Count:
    """Reports (done, in all) as a stage, both divided by `unit`: bytes of a download, files of a folder."""
    started, first = time.perf_counter(), None

    def told(done: int, total: int) -> None:
        nonlocal first
        first = done if first is None else first  # what an earlier try left does not count as speed
        rate = (done - first) / max(time.perf_counter() - started, 1e-3) / unit
        report(Progress(stage, done // unit, total // unit, rate))

    return told
