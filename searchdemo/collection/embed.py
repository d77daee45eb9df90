"""Pictures into vectors: threads read and prepare them while the network computes, and each pass is kept at once."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image

from searchdemo.collection.journal import KEY_BYTES, Journal
from searchdemo.collection.progress import Progress, Report
from searchdemo.decoding import OWN_BYTES
from searchdemo.encoders.base import How
from searchdemo.errors import BadPicture
from searchdemo.galleries.base import Arriving, LivingPictures, Pictures, content_digest
from searchdemo.pictures import check_whole, open_picture

BATCH_SIZE = 64
MAX_WORKERS = 8  # threads that open pictures; each holds a batch
# What is on its way is lost by a kill: a batch in the network, and those that threads prepare or have prepared. No pass
# of the network takes longer, as far as the one before it tells, and no thread works half as long on one batch: it
# hands over what it has then. Beyond that only a picture can be lost that takes longer by itself.
PASS_SECONDS = 0.25
TELL_S = 1.0
FIRST_BATCH = 1  # pictures, as long as nothing was measured

Item = tuple[int, int]  # place among all rows that were asked for, and row of the gallery
T = TypeVar("T")
Stored = Callable[[bytes], "np.ndarray | None"]  # the vector (dim,) that is stored for a content, or None


class Sees(Protocol):
    """What is needed of an encoder here: see encoders/base.py, and tiles.py."""

    dim: int
    how: How
    transform: str
    weights_sha256: str

    def preprocess(self, images: Iterable[Image.Image]) -> np.ndarray: ...

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Made:
    """What came of some rows of a gallery."""

    vectors: np.ndarray  # (n, dim) float32 unit rows, NaN where a picture cannot be read
    seconds: float  # that embedding took, in this run and in those before a kill
    embedded: int  # pictures that passed the network in this run
    reused: int  # pictures whose vectors were stored already
    problems: dict[int, str] = field(default_factory=dict)  # row -> why its picture cannot be read


@dataclass(frozen=True)
class Inputs:
    """Pictures that were opened for the network."""

    problems: list[str]  # (b,) why each cannot be read; "" where it can
    pixels: np.ndarray | None  # the network's input of those that can; None where none can


@dataclass(frozen=True)
class Rows:
    """What an encoder made of b pictures."""

    vectors: np.ndarray  # (b, dim) float32 unit rows, NaN where a picture cannot be read
    problems: list[str]  # (b,) as of Inputs


@dataclass
class Batch:
    """Pictures of a gallery that go through the network together."""

    asked: int = 0  # pictures that it was made from
    rest: list[Item] = field(default_factory=list)  # those that it had no time for
    items: list[Item] = field(default_factory=list)  # (b,) of those to be embedded
    keys: list[bytes] = field(default_factory=list)  # (b,) what each is known by
    known: list[tuple[int, bytes]] = field(default_factory=list)  # place and key of contents that have their vectors
    problems: dict[int, str] = field(default_factory=dict)  # row -> why it cannot be read; "" where it can


def readable(encoded: bytes | None) -> Image.Image | None:
    """The picture, or None where there is none or it cannot be read."""
    return opened(encoded)[0]


def opened(encoded: bytes | None) -> tuple[Image.Image | None, str]:
    """The picture and "", or None and what is wrong with it."""
    if encoded is None:
        return None, "is not there"
    try:
        check_whole(encoded)
        return open_picture(encoded, OWN_BYTES), ""
    except BadPicture as error:
        return None, str(error).removeprefix("This file ")


def inputs(
    encoder: Sees,
    pictures: Iterable[bytes | None],
    seen: Callable[[int, bytes, Image.Image], None] = lambda number, encoded, image: None,
) -> Inputs:
    """Opens pictures one by one, because a batch of photographs would take gigabytes. seen: is told of each."""
    problems: list[str] = []

    def images() -> Iterator[Image.Image]:
        for encoded in pictures:
            image, problem = opened(encoded)
            problems.append(problem)
            if image is not None and encoded is not None:
                seen(len(problems) - 1, encoded, image)
                yield image

    whole = images()
    first = next(whole, None)
    return Inputs(problems, None if first is None else encoder.preprocess(itertools.chain([first], whole)))


def rows_of(encoder: Sees, given: Inputs) -> Rows:
    """One pass of the network."""
    vectors = np.full((len(given.problems), encoder.dim), np.nan, np.float32)
    if given.pixels is not None:
        vectors[[not problem for problem in given.problems]] = encoder.encode_pixels(given.pixels)
    return Rows(vectors, given.problems)


class Passes(Protocol):
    """Where pictures are embedded."""

    def __call__(
        self, work: Work, items: list[Item], most: int, waits: Callable[[], None], end: Callable[[], None]
    ) -> Generator[tuple[Batch, Rows]]:
        """Batches of at most so many pictures, each once, in any order. waits, end: see `ahead`.

        It is closed when nobody waits for more.
        """


def here(
    work: Work, items: list[Item], most: int, waits: Callable[[], None], end: Callable[[], None]
) -> Generator[tuple[Batch, Rows]]:
    """In this process."""
    pace, left, before = Pace(most), deque(items), time.perf_counter()

    def take() -> list[Item]:
        return [left.popleft() for _ in range(min(pace.size, len(left)))]

    def prepare(part: list[Item]) -> tuple[Batch, Inputs]:
        batch = Batch()

        def seen(number: int, encoded: bytes, image: Image.Image) -> None:
            work.opened_as(batch.items[number][1], encoded, image)

        return batch, inputs(work.encoder, work.pictures(part, batch, PASS_SECONDS / 2), seen)

    for batch, given in ahead(prepare, take, waits, end):
        left.extendleft(reversed(batch.rest))
        made = rows_of(work.encoder, given)
        now = time.perf_counter()
        pace.told(batch.asked, now - before)
        before = now
        yield batch, made


def embed(
    pictures: Pictures,
    rows: np.ndarray,
    encoder: Sees,
    scratch: Path | None,
    report: Report,
    stage: str,
    batch_size: int,
    fingerprint: str = "",
    stored: Stored = lambda key: None,
    coming: Arriving | None = None,
    passes: Passes = here,
) -> Made:
    """Unit rows of these rows of a gallery. After a kill the next run goes on from what the file `scratch` holds.
    Without one, nothing is written.

    Living pictures are known by their content, and those that `stored` has are not embedded again. Others are known by
    the fingerprint of their gallery and by their row. coming: what is on its way here meanwhile.
    """
    with Journal(scratch, identity_of(encoder), encoder.dim) as journal:
        work = Work(pictures, encoder, fingerprint, journal, stored)
        vectors, items = np.full((len(rows), encoder.dim), np.nan, np.float32), []
        living, problems = isinstance(pictures, LivingPictures), dict[int, str]()
        embedded = reused = 0
        for place, row in enumerate(rows.tolist()):
            key = work.key(row)
            vector = work.find(key)
            if vector is None or (np.isnan(vector[0]) and not living):  # what is wrong with it is to be told again
                items.append((place, row))
            else:
                vectors[place] = vector
                reused += key not in journal.vectors
        done = first = len(rows) - len(items)
        started = before = time.perf_counter()
        coming = coming or Arriving()

        def tell() -> None:
            rate = (done - first) / max(time.perf_counter() - started, 1e-9)
            report(Progress(stage, done, len(rows), rate, coming.said()))

        with closing(passes(work, items, batch_size, tell, coming.end)) as batches:
            for batch, made in batches:
                now = time.perf_counter()
                reused += sum(key not in journal.vectors for _, key in batch.known)
                journal.add(batch.keys, made.vectors, now - before)
                before = now
                found = {row: problem for (_, row), problem in zip(batch.items, made.problems, strict=True)}
                problems |= batch.problems | found
                if isinstance(pictures, LivingPictures):
                    pictures.looked_at(batch.problems | found)
                vectors[[place for place, _ in batch.items]] = made.vectors
                for place, key in batch.known:
                    vectors[place] = work.find(key)
                embedded, done = embedded + made.problems.count(""), done + batch.asked
                tell()
        unreadable = {row: problem for row, problem in problems.items() if problem}
        return Made(vectors, journal.seconds, embedded, reused, unreadable)


def identity_of(encoder: Sees) -> dict[str, str]:
    """What vectors belong to: those of two encoders that differ in it may differ."""
    return {"weights": encoder.weights_sha256, "how": str(encoder.how), "transform": encoder.transform}


class Work:
    """What a batch needs to know. Safe for several threads."""

    def __init__(self, pictures: Pictures, encoder: Sees, fingerprint: str, journal: Journal, stored: Stored):
        self.encoder, self._pictures, self._journal, self._stored = encoder, pictures, journal, stored
        self._living = pictures if isinstance(pictures, LivingPictures) else None
        self._gallery = hashlib.sha256(fingerprint.encode()).digest()

    def key(self, row: int) -> bytes:
        """KEY_BYTES, or b"" for a picture that has to be read first."""
        if self._living:
            return self._living.digest(row)
        return hashlib.sha256(self._gallery + row.to_bytes(8, "little")).digest()[:KEY_BYTES]

    def find(self, key: bytes) -> np.ndarray | None:
        """The vector (dim,) of a key, NaN where its picture cannot be read; None where it is yet to be made."""
        vector = self._journal.vectors.get(key)
        return self._stored(key) if vector is None and key else vector

    def size(self, row: int) -> int:
        """Bytes of a file of its own, else 0: those are small."""
        return self._pictures.size_and_time(row)[0] or 0

    def opened_as(self, row: int, encoded: bytes, image: Image.Image) -> None:
        """A picture was opened, of which thumbnails may be made."""
        if self._living:
            self._living.opened_as(row, encoded, image)

    def pictures(self, items: list[Item], batch: Batch, seconds: float = float("inf")) -> Iterator[bytes | None]:
        """Reads those that are to be embedded, one by one. The batch is told of each, and of all others.

        seconds: so long after the first, the rest is left.
        """
        started = time.perf_counter()
        for place, row in items:
            if batch.asked and time.perf_counter() - started > seconds:
                batch.rest = items[batch.asked :]
                return
            batch.asked += 1
            encoded = self._pictures.encoded(row)
            key = self.key(row)
            if self._living and (encoded is None or content_digest(encoded) != key):
                continue  # the file went away, or was written since it was last looked at
            if (vector := self.find(key)) is not None:  # of a file that was moved, or of one with the same content
                problem = opened(encoded)[1] if np.isnan(vector[0]) else ""
                if problem or not np.isnan(vector[0]):  # else it could not be read before, and can be now
                    batch.known.append((place, key))
                    batch.problems[row] = problem
                    continue
            batch.items.append((place, row))
            batch.keys.append(key)
            yield encoded


class Pace:
    """How many pictures make a batch: at most so many, and as many as take PASS_SECONDS.

    Below the most it is a power of 2, because runtimes prepare themselves anew for each size that they meet.
    """

    def __init__(self, most: int):
        self._most, self.size = most, min(most, FIRST_BATCH)

    def told(self, pictures: int, seconds: float) -> None:
        """What the latest batch took, with the wait for it."""
        fitting = min(self._most, pictures * PASS_SECONDS / max(seconds, 1e-9))
        self.size = self._most if fitting == self._most else 1 << max(int(fitting), 1).bit_length() - 1


def ahead(
    prepare: Callable[[list[Item]], T],
    take: Callable[[], list[Item]],
    waits: Callable[[], None] = lambda: None,
    end: Callable[[], None] = lambda: None,
) -> Iterator[T]:
    """What `prepare` makes of each part, in order. Threads prepare the next ones meanwhile.

    take: the next part; [] where there is none for now, and in the end.

    waits: called every TELL_S while one is waited for, as pictures are that come from elsewhere; end: lets threads go
    that wait for those

    Where threads and network want the same cores, the system shares them out: the runtime gives each core pieces of
    its own, so that nothing waits for a core that opens pictures.
    """
    workers = min(os.cpu_count() or 1, MAX_WORKERS)
    pool, waiting = ThreadPoolExecutor(workers), deque[Future[T]]()
    try:
        while True:
            while len(waiting) < workers + 2 and (part := take()):
                waiting.append(pool.submit(prepare, part))
            if not waiting:
                return
            upcoming = waiting.popleft()
            while not wait([upcoming], TELL_S).done:
                waits()
            yield upcoming.result()
    finally:
        end()
        pool.shutdown(cancel_futures=True)
