"""How much of each kind runs and waits at a time: short searches never wait for what is long.

Each kind has a queue of its own, `concurrency_id` in gradio's words. What is past the queue, the searches of the page,
is counted too. Beyond a limit, a request is refused in a sentence before it has cost anything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from searchdemo.ui.serving.sender import address_of

if TYPE_CHECKING:
    from searchdemo.ui.serving.blocks import Served


@dataclass(frozen=True)
class Limit:
    at_once: int
    waiting: int  # of all visitors, besides those that run
    of_one: int  # of one address, running and waiting; a household or a class room has one address
    what: str  # in the sentence: "races"


TEXT, PICTURE, WHY, FACEOFF, RACE, BUILD, MINE, WATCH, FETCH, PAGE = (
    "text",
    "picture",
    "why",
    "faceoff",
    "race",
    "build",
    "mine",
    "watch",
    "fetch",
    "page",
)
LIMITS = {
    TEXT: Limit(32, 256, 128, "searches by text"),
    PICTURE: Limit(4, 128, 64, "searches by picture"),
    WHY: Limit(1, 32, 4, "questions why a picture matched"),
    FACEOFF: Limit(1, 32, 8, "face-offs"),  # each scans all vectors, once per encoder
    RACE: Limit(8, 32, 16, "races"),  # they take turns
    BUILD: Limit(2, 32, 16, "builds of an index"),
    MINE: Limit(2, 16, 8, "uploads of pictures"),
    WATCH: Limit(64, 64, 64, "runs that are watched"),  # they sleep, but for a second's sign of life
    FETCH: Limit(1, 4, 2, "downloads"),
    PAGE: Limit(4, 256, 128, "requests"),
}
PAST_QUEUE = Limit(64, 64, 64, "requests")


class Limits:
    """Of one page. Safe for several threads."""

    def __init__(self, demo: Served):
        self._demo, self._lock = demo, threading.Lock()
        self._running: dict[str, int] = {}  # address -> its requests past the queue

    def apply(self) -> None:
        """Gives each endpoint the queue of its kind."""
        for function in self._demo.fns.values():
            kind = kind_of(function)
            function.concurrency_id, function.concurrency_limit = kind, LIMITS[kind].at_once

    def refusal(self, function: Any, address: str) -> str:
        """Why the endpoint takes no further request of this address now; "" where it does."""
        limit = LIMITS[kind_of(function)]
        queue = self._demo._queue
        kind = queue.event_queue_per_concurrency_id.get(kind_of(function))
        if kind is None:
            return ""
        if len(kind.queue) >= limit.waiting:
            return f"{len(kind.queue):,} {limit.what} wait already, the most that may: try again in a minute."
        active = [event for job in list(queue.active_jobs) if job for event in job]
        same = [event for event in [*kind.queue, *active] if event.concurrency_id == kind.concurrency_id]
        mine = sum(address_of(event.request.scope) == address for event in same)
        if mine >= limit.of_one:
            return f"{mine:,} {limit.what} of yours run or wait already, the most for one address: wait for their end."
        return ""

    @contextmanager
    def counted(self, address: str) -> Iterator[str]:
        """A request past the queue, while it runs: yields why it is refused, or ""."""
        limit = PAST_QUEUE
        with self._lock:
            mine, all_of_them = self._running.get(address, 0), sum(self._running.values())
            full = mine >= limit.of_one or all_of_them >= limit.at_once + limit.waiting
            self._running[address] = mine + 1
        try:
            yield f"{all_of_them:,} requests are being answered, the most at a time: try again." if full else ""
        finally:
            with self._lock:
                self._running[address] -= 1
                if not self._running[address]:
                    del self._running[address]


def kind_of(function: Any) -> str:
    kind = function.concurrency_id
    return kind if kind in LIMITS else PAGE
