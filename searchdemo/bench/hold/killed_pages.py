"""The page killed while a visitor is the first to use an index, which builds and keeps it; then it is started again.

The next page has to answer as a process does that nobody killed, from what the killed one left. It is killed in its
turn, over another index, so a kill costs one start.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from searchdemo.bench.child import APP, RunningApp, watched_app
from searchdemo.bench.hold.client import Refused, Visitor
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Store

GALLERY, ENCODER = "scenes", "bundled"  # which ship
READY = "flat"  # which is not kept
INDEXES = ("hnsw", "ivfpq", "sq8", "lsh", "pq")  # kept on disk
TEXTS = ("a red boat on the sea", "a dog", "two chairs and a table")

Answers = list[set[int]]  # for each text the rows of the hits


def faults_of(kills: int, rng: random.Random, tell: Callable[[int], None]) -> list[str]:
    """tell: gets the kills so far."""
    with tempfile.TemporaryDirectory() as folder:
        usual = {index: undisturbed(Path(folder, "usual"), index) for index in INDEXES[:kills]}
        return killed(Path(folder, "killed"), kills, usual, rng, tell)


def undisturbed(folder: Path, index: str) -> tuple[Answers, float]:
    """The answers of this process, and the seconds until the index was ready."""
    collection = Library(Store(own=folder)).open(GALLERY, ENCODER)
    collection.search(Query(text=TEXTS[0]), READY, 10, pictures=False)  # as on the page, which has its encoder by then
    started_at, answers, seconds = time.perf_counter(), [], 0.0
    for text in TEXTS:
        answers.append({hit.row for hit in collection.search(Query(text=text), index, 10, pictures=False).hits})
        seconds = seconds or time.perf_counter() - started_at
    return answers, seconds


def killed(
    folder: Path,
    kills: int,
    usual: dict[str, tuple[Answers, float]],
    rng: random.Random,
    tell: Callable[[int], None],
) -> list[str]:
    """What went wrong. folder: where the page keeps what it builds; usual: of each index, what `undisturbed` found."""
    faults: list[str] = []
    done, victim, indexes = 0, "", list(usual)
    within = {index: seconds for index, (_, seconds) in usual.items()}
    while True:
        with started(folder) as page:
            asked(page, READY)  # else a kill would mostly come while the encoder starts
            if victim:
                faults += wrong(page, victim, usual[victim][0]) + left(folder)
            tell(done)
            if done == kills:
                return faults
            victim = indexes[done % len(indexes)]
            forget(folder, victim)
            if killed_in_use(page, victim, rng.uniform(0, within[victim])):
                done += 1
            else:  # the page is faster than this process was
                within[victim] /= 2


def started(folder: Path) -> AbstractContextManager[RunningApp]:
    return watched_app(out_dir=folder, app=(*APP, "--gallery", GALLERY))


def asked(page: RunningApp, index: str) -> Answers:
    """Raises Refused, OSError, http.client.HTTPException."""
    visitor, answers = Visitor(page.port), []
    with contextlib.closing(visitor):
        for text in TEXTS:
            (answer,) = visitor.call("search_by_text", text=text, gallery=GALLERY, encoder=ENCODER, index=index, k=10)
            answers.append({hit["row"] for hit in answer["hits"]})
    return answers


def killed_in_use(page: RunningApp, index: str, after_s: float) -> bool:
    """Whether the page was killed before it had answered."""
    answered = threading.Event()

    def ask() -> None:
        with contextlib.suppress(Refused, OSError, http.client.HTTPException, ValueError):
            asked(page, index)
            answered.set()

    asking = threading.Thread(target=ask)
    asking.start()
    answered.wait(after_s)
    page.process.kill()
    asking.join()
    return not answered.is_set()


def wrong(page: RunningApp, index: str, wanted: Answers) -> list[str]:
    """What is wrong in the page after one that was killed."""
    try:
        answers = asked(page, index)
    except (Refused, OSError, http.client.HTTPException, ValueError) as error:
        return [f"{index} does not answer: {error}"]
    common = [len(now & before) for now, before in zip(answers, wanted, strict=True)]
    differs = f"{index} answers otherwise than in a process that was not killed: {common} of 10 hits are the same"
    return [differs] * (answers != wanted) + ["a stack trace in the log"] * bool(page.traces())


def left(folder: Path) -> list[str]:
    """Half files that nobody took away."""
    return [f"{path.name} is left" for path in folder.rglob("*") if path.suffix in (".partial", ".building")]


def forget(folder: Path, index: str) -> None:
    for path in folder.rglob(f"{index}.*"):
        path.unlink()
