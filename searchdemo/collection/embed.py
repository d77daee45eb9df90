"""Pictures into vectors: threads read and prepare them while the network computes, and each pass is kept at once."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

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


@dataclass
class Prepared:
    """A batch on its way to the network."""

    asked: int = 0  # pictures that it was made from
    rest: list[tuple[int, int]] = field(default_factory=list)  # those that it had no time for: place and row
    places: list[int] = field(default_factory=list)  # of those to be kept, among all rows
    keys: list[bytes] = field(default_factory=list)  # (b,) what each is known by
    readable: list[bool] = field(default_factory=list)  # (b,)
    pixels: np.ndarray | None = None  # the network's input of the readable ones
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
) -> Made:
    """Unit rows of these rows of a gallery. After a kill the next run goes on from what the file `scratch` holds.
    Without one, nothing is written.

    Living pictures are known by their content, and those that `stored` has are not embedded again. Others are known by
    the fingerprint of their gallery and by their row. coming: what is on its way here meanwhile.
    """
    identity = {"weights": encoder.weights_sha256, "how": str(encoder.how), "transform": encoder.transform}
    with Journal(scratch, identity, encoder.dim) as journal:
        work = Work(pictures, encoder, fingerprint, journal, stored)
        vectors, items = np.full((len(rows), encoder.dim), np.nan, np.float32), []
        embedded = reused = 0
        for place, row in enumerate(rows.tolist()):
            key = work.key(row)
            if (vector := work.find(key)) is None:
                items.append((place, row))
            else:
                vectors[place] = vector
                reused += key not in journal.vectors
        done = first = len(rows) - len(items)
        started = before = time.perf_counter()
        pace, coming = Pace(batch_size), coming or Arriving()

        def tell() -> None:
            rate = (done - first) / max(time.perf_counter() - started, 1e-9)
            report(Progress(stage, done, len(rows), rate, coming.said()))

        for batch in ahead(work.prepare, items, pace, tell, coming.end):
            made = work.encode(batch)
            now = time.perf_counter()
            reused += sum(key not in journal.vectors for _, key in batch.known)
            journal.add(batch.keys, made, now - before)
            if isinstance(pictures, LivingPictures):
                pictures.looked_at(batch.problems)
            vectors[batch.places] = made
            for place, key in batch.known:
                vectors[place] = work.find(key)
            embedded, done = embedded + sum(batch.readable), done + batch.asked
            pace.told(batch.asked, now - before)
            before = now
            tell()
        return Made(vectors, journal.seconds, embedded, reused)


class Work:
    """What a batch needs to know. `prepare` is safe for several threads."""

    def __init__(self, pictures: Pictures, encoder: Sees, fingerprint: str, journal: Journal, stored: Stored):
        self._pictures, self._encoder, self._journal, self._stored = pictures, encoder, journal, stored
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

    def prepare(self, items: list[tuple[int, int]]) -> Prepared:
        """items: (place, row) of each picture."""
        batch = Prepared()
        images = self._images(items, batch)
        first = next(images, None)
        if first is not None:
            batch.pixels = self._encoder.preprocess(itertools.chain([first], images))
        return batch

    def _images(self, items: list[tuple[int, int]], batch: Prepared) -> Iterator[Image.Image]:
        """One by one, because a batch of photographs would take gigabytes."""
        started = time.perf_counter()
        for place, row in items:
            if batch.asked and time.perf_counter() - started > PASS_SECONDS / 2:
                batch.rest = items[batch.asked :]
                return
            batch.asked += 1
            encoded = self._pictures.encoded(row)
            key = self.key(row)
            if self._living and (encoded is None or content_digest(encoded) != key):
                continue  # the file went away, or was written since it was last looked at
            if (vector := self.find(key)) is not None:  # of a file that was moved, or of one with the same content
                batch.known.append((place, key))
                batch.problems[row] = opened(encoded)[1] if np.isnan(vector[0]) else ""
                continue
            image, batch.problems[row] = opened(encoded)
            batch.places.append(place)
            batch.keys.append(key)
            batch.readable.append(image is not None)
            if image is not None:
                if self._living and encoded is not None:
                    self._living.opened_as(row, encoded, image)
                yield image

    def encode(self, batch: Prepared) -> np.ndarray:
        """(b, dim) float32 unit rows, NaN where a picture cannot be read."""
        made = np.full((len(batch.places), self._encoder.dim), np.nan, np.float32)
        if batch.pixels is not None:
            made[np.array(batch.readable)] = self._encoder.encode_pixels(batch.pixels)
        return made


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
    prepare: Callable[[list[tuple[int, int]]], Prepared],
    items: list[tuple[int, int]],
    pace: Pace,
    waits: Callable[[], None] = lambda: None,
    end: Callable[[], None] = lambda: None,
) -> Iterator[Prepared]:
    """Batches. Threads prepare the next ones meanwhile, each as large as the pace is by then; what one had no time for
    comes next.

    waits: called every TELL_S while one is waited for, as pictures are that come from elsewhere; end: lets threads go
    that wait for those

    Where threads and network want the same cores, the system shares them out: the runtime gives each core pieces of
    its own, so that nothing waits for a core that opens pictures.
    """
    workers = min(os.cpu_count() or 1, MAX_WORKERS)
    pool, waiting, left = ThreadPoolExecutor(workers), deque[Future[Prepared]](), deque(items)
    try:
        while waiting or left:
            while left and len(waiting) < workers + 2:
                part = [left.popleft() for _ in range(min(pace.size, len(left)))]
                waiting.append(pool.submit(prepare, part))
            upcoming = waiting.popleft()
            while not wait([upcoming], TELL_S).done:
                waits()
            batch = upcoming.result()
            left.extendleft(reversed(batch.rest))
            yield batch
    finally:
        end()
        pool.shutdown(cancel_futures=True)
