"""The page that the parts of `bench hold` ask, in a process of its own."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager

from searchdemo.bench.child import RunningApp, watched_app
from searchdemo.bench.hold import load
from searchdemo.bench.hold.client import Refused
from searchdemo.bench.workload import Bench
from searchdemo.errors import SearchDemoError

READY_S = 120.0


class Pages:
    """One page for all parts, started when the first of them asks for it, and again where it ended."""

    def __init__(self, bench: Bench):
        self._bench, self._stack = bench, contextlib.ExitStack()
        self._running: list[RunningApp] = []
        self.subject = bench.key.gallery, bench.key.encoder

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def page(self) -> RunningApp:
        """Raises SearchDemoError where it does not start."""
        if not self._running or self._running[-1].ended():
            self._running.append(self._stack.enter_context(served(self._bench)))
            ready(self._running[-1], self.subject)
        return self._running[-1]

    def traces(self) -> int | None:
        """Stack traces in the logs; None where no page ran."""
        return sum(page.traces() for page in self._running) if self._running else None

    def ended(self) -> int:
        """Pages that ended though nobody had told them to."""
        return sum(page.ended() for page in self._running)


def served(bench: Bench) -> AbstractContextManager[RunningApp]:
    return watched_app(bench.library.data_dir, bench.library.store.own)


def ready(page: RunningApp, asked: tuple[str, str]) -> None:
    """Waits until each kind has been answered once, so that nothing is loaded while a clock runs."""
    ends = time.monotonic() + READY_S
    for kind in load.MIX:
        asker = load.Asker(kind, page.port, 0, asked)
        while True:
            try:
                asker.ask()
                break
            except (Refused, OSError) as error:
                if time.monotonic() > ends or page.ended():
                    raise SearchDemoError(f"The page does not answer {kind}: {error}") from error
                time.sleep(0.5)
        asker.visitor.close()
