"""Builds in the background: one at a time, seen by all visitors, resumable after a restart."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from searchdemo.collection.carry import sentences
from searchdemo.collection.library import Library
from searchdemo.collection.progress import Progress, Report
from searchdemo.collection.store import Artifact, Key
from searchdemo.errors import BadQuery, Cancelled, SearchDemoError
from searchdemo.galleries.report import GalleryReport
from searchdemo.told import of_the_machine
from searchdemo.types import Count

MOST_WAITING = 8  # builds of all visitors; each is minutes of all cores
WAITING, STOPPED = Progress("waiting for its turn", 0, 0, 0), Progress("stopped", 0, 0, 0)
CANCELLED = "The build was cancelled."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A build as a visitor sees it."""

    key: Key
    progress: Progress
    error: str = ""  # one sentence when it failed
    finished: bool = False
    said: tuple[str, ...] = ()  # what was done to the indexes, one sentence for each


class Builds:
    """Starts builds and tells how far they are. Builds share the processor, so they queue.

    Those of galleries in memory, which are short, have a queue of their own."""

    def __init__(self, library: Library):
        self._library = library
        self._jobs: dict[Key, Job] = {}
        self._cancelled: dict[Key, threading.Event] = {}
        self._started_by: dict[Key, str] = {}
        self._lock = threading.Lock()
        self._turn, self._short_turn = threading.Lock(), threading.Lock()

    def start(self, key: Key, by: str = "") -> Job:
        """The running build of this key, or a new one.

        by: a visitor, who has one at a time. Raises BadQuery where that one runs, or too many wait.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.finished:
                running = [one for one, other in self._jobs.items() if not other.finished]
                if by and any(self._started_by.get(one) == by for one in running):
                    raise BadQuery("A build that you started still runs: wait for its end, or cancel it.")
                if by and len(running) >= MOST_WAITING:
                    raise BadQuery(f"{len(running)} builds run or wait already, the most that may: try again later.")
                self._started_by[key] = by
                self._jobs.pop(key, None)  # a second try stands last again
                job = self._jobs[key] = Job(key, WAITING)
                # The thread holds its own event: it may begin after a visitor has forgotten, or started anew, this key.
                cancelled = self._cancelled[key] = threading.Event()
                # A daemon: leaving the program does not wait for the end of a build, which is found again anyway.
                name = f"build {key.folder}"
                threading.Thread(target=self._run, args=(key, cancelled), name=name, daemon=True).start()
            return job

    def started_by(self, key: Key) -> str:
        """The visitor who started this build; "" for the server itself."""
        with self._lock:
            return self._started_by.get(key, "")

    def jobs(self) -> list[Job]:
        """All of this process, the latest last."""
        with self._lock:
            return list(self._jobs.values())

    def cancel(self, key: Key) -> None:
        """Asks a build to end. What it has embedded stays, and the next build goes on from there."""
        with self._lock:
            if key in self._jobs:
                self._cancelled[key].set()
                if self._jobs[key].progress == WAITING:
                    self._jobs[key] = Job(key, STOPPED, CANCELLED, finished=True)

    def forget(self, gallery: str) -> None:
        """Ends the builds of a gallery, and knows nothing of them any more."""
        with self._lock:
            for key in [key for key in self._jobs if key.gallery == gallery]:
                self._cancelled.pop(key).set()
                self._started_by.pop(key, None)
                del self._jobs[key]

    def running(self) -> list[Job]:
        return [job for job in self.jobs() if not job.finished]

    def job(self, key: Key) -> Job | None:
        with self._lock:
            return self._jobs.get(key)

    def _run(self, key: Key, cancelled: threading.Event) -> None:
        turn = self._short_turn if self._library.holds(key.gallery) else self._turn

        def tell(job: Job) -> None:
            with self._lock:
                if self._cancelled.get(key) is cancelled:  # else it is forgotten
                    self._jobs[key] = job

        def go_on() -> None:
            if cancelled.is_set():
                raise Cancelled(CANCELLED)

        def report(progress: Progress) -> None:
            go_on()
            tell(Job(key, progress))

        def fail(sentence: str) -> None:
            log.warning("building %s stopped: %s", key.folder, sentence)
            tell(Job(key, STOPPED, error=sentence, finished=True))

        try:
            with turn:
                report(Progress(f"loading {key.encoder}", 0, 0, 0))
                self._library.encoder(key.encoder, counter(f"fetching {key.encoder}, MB", report, 10**6))
                artifact = self._library.build(key, report)
                artifact = self._library.retrain(key, report) or artifact
        except SearchDemoError as error:
            fail(str(error))
        except Exception as error:  # a bug: the visitor is told, the terminal shows where
            if said := of_the_machine(error):
                fail(f"{said} The same build goes on from there.")
                return
            fail(f"The build stopped ({type(error).__name__}: {error}); start it again to go on from there.")
            raise
        else:
            tell(
                Job(
                    key, Progress("built", 1, 1, 0), finished=True, said=tuple(sentences(artifact) + left_out(artifact))
                )
            )


def left_out(artifact: Artifact) -> list[str]:
    """What a build left out of a gallery that is no folder of files, and why; one sentence or none."""
    unreadable = artifact.manifest.unreadable
    return [" ".join(line.strip() for line in GalleryReport(unreadable=unreadable, noun="row").lines())] * bool(
        unreadable
    )


def counter(stage: str, report: Report, unit: int = 1) -> Count:
    """Reports (done, in all) as a stage, both divided by `unit`: bytes of a download, files of a folder."""
    started, first = time.perf_counter(), None

    def told(done: int, total: int) -> None:
        nonlocal first
        first = done if first is None else first  # what an earlier try left does not count as speed
        rate = (done - first) / max(time.perf_counter() - started, 1e-3) / unit
        report(Progress(stage, done // unit, total // unit, rate))

    return told
