"""Audits in the background: one at a time, seen and cancelled by whoever has the page open, the last one kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from searchdemo.audit.audit import Audit, audit
from searchdemo.collection.collection import Collection
from searchdemo.collection.progress import Progress, clock
from searchdemo.errors import BadQuery, Cancelled, SearchDemoError
from searchdemo.ui import waiting


@dataclass
class Run:
    """An audit that goes on, or has ended."""

    subject: str  # "tiny-imagenet × bundled"
    by: str = ""  # the visitor who started it
    progress: Progress = field(default_factory=lambda: Progress("opening the vectors", 0, 0, 0))
    started: float = field(default_factory=time.perf_counter)
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: Future[Audit] = field(default_factory=Future)

    def report(self, progress: Progress) -> None:
        """Raises Cancelled when a visitor wants the audit to end."""
        if self.cancelled.is_set():
            raise Cancelled(f"The audit of {self.subject} was cancelled while {self.progress.stage}.")
        self.progress = progress

    def __str__(self) -> str:
        far = f"{self.progress}; {clock(time.perf_counter() - self.started)} so far"
        return f"Auditing {self.subject}: {far}" + ("; it stops after this block" if self.cancelled.is_set() else "")

    def watch(self) -> Iterator[str]:
        """A sentence every second until it ends. Raises what ended it."""
        yield str(self)
        while not wait([self.done], timeout=waiting.TICK_S).done:
            yield str(self)
        self.done.result()


class Auditing:
    """The audits of one process. Two at once would slow each other, so there is one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._found: tuple[Hashable, Audit] | None = None  # the last one: its looks take 3 KB per picture on disk

    def running(self) -> Run | None:
        run = self._run
        return run if run and not run.done.done() else None

    def found(self, collection: Collection) -> Audit | None:
        """What the last audit found, where it was of these very vectors and pictures."""
        found = self._found
        return found[1] if found and found[0] == identity(collection) else None

    def start(self, collection: Collection, by: str = "") -> Run:
        """It goes on when the visitor leaves. Raises BadQuery while another one goes on."""
        with self._lock:
            if other := self.running():
                goes_on = f"The audit of {other.subject} goes on."
                raise BadQuery(f"{goes_on} A second audit would slow it: wait for its end, or cancel it.")
            run = self._run = Run(f"{collection.gallery.name} × {collection.encoder_spec.name}", by)
        # A daemon: leaving the program does not wait for the end of an audit.
        threading.Thread(target=self._audit, args=(collection, run), name=f"audit {run.subject}", daemon=True).start()
        return run

    def cancel(self) -> None:
        """Asks the audit, if one goes on, to end after the block that it works on."""
        if run := self.running():
            run.cancelled.set()

    def _audit(self, collection: Collection, run: Run) -> None:
        try:
            found = audit(collection, report=run.report)
            self._found = identity(collection), found
            run.done.set_result(found)
        except BaseException as error:  # whoever watches gets it, from a refusal to a bug
            run.done.set_exception(error)
            if not isinstance(error, SearchDemoError):
                raise


def identity(collection: Collection) -> Hashable:
    return collection.gallery.name, collection.gallery.fingerprint, collection.snapshot.identity
