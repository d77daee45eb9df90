"""The pictures that are compared: a gallery's, its held-out queries, or another gallery's; and what is read of them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO

import numpy as np

from searchdemo.audit.facts import Facts, facts_of
from searchdemo.audit.pixels import COARSE, SIDE, look, pixel_digest
from searchdemo.collection.collection import Collection
from searchdemo.collection.progress import Progress, Report
from searchdemo.decoding import OWN_BYTES
from searchdemo.errors import BadPicture
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.galleries.content_keys import content_key
from searchdemo.pictures import open_picture

GALLERY, QUERIES, AGAINST = "gallery", "queries", "against"
AT_ONCE = 512  # pictures between two reports
MAX_WORKERS = 4  # threads that open pictures
LOOK_BYTES = SIDE * SIDE * 3


@dataclass
class Side:
    """n pictures by place, 0 to n - 1. What was read is dropped with it."""

    part: str  # GALLERY | QUERIES | AGAINST
    gallery: Gallery
    pictures: Pictures
    rows: np.ndarray  # (n,) the row of each place among the pictures
    positions: np.ndarray  # (n,) the position of each place among the vectors, or the number of the query
    labels: np.ndarray  # (n,) int64, -1 where unknown
    label_names: tuple[str, ...]
    keys: np.ndarray = field(init=False)  # (n,) uint64 content keys, 0 where unknown
    coarse: np.ndarray = field(init=False)  # (n, 3 x COARSE^2) float32, see `look`
    seen: np.ndarray = field(init=False)  # (n,) bool: whether the picture was read
    _looks: np.ndarray = field(init=False)  # (n, SIDE, SIDE, 3) int8 in a file, 3 KB each
    _file: IO[bytes] | None = field(default=None, init=False)
    _facts: dict[int, Facts] = field(default_factory=dict, init=False)
    _pixels: dict[int, bytes] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, report: Report) -> None:
        """Looks at every picture that is here, and gives each its content key. Raises what `report` raises."""
        n = len(self)
        self.keys = keys_of(self.pictures, self.rows)
        self.seen, self.coarse = np.zeros(n, bool), np.zeros((n, 3 * COARSE**2), np.float32)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 as long as the side is
        started, workers = time.perf_counter(), min(MAX_WORKERS, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            for start in range(0, n, AT_ONCE):
                rate = start / max(time.perf_counter() - started, 1e-9)
                report(Progress(f"reading the pictures of the {self.part}", start, n, rate))
                some = range(start, min(start + AT_ONCE, n))
                for place, (key, looked) in zip(some, pool.map(self._read_one, some), strict=True):
                    if key:
                        self.keys[place] = key
                    if looked is not None:
                        self.seen[place], self.coarse[place] = True, looked[1]
                    self._file.write(looked[0].tobytes() if looked else bytes(LOOK_BYTES))
        self._file.flush()
        self._looks = np.memmap(self._file, np.int8, "r", shape=(n, SIDE, SIDE, 3))

    def _read_one(self, place: int) -> tuple[int, tuple[np.ndarray, np.ndarray] | None]:
        row = int(self.rows[place])
        if not self.pictures.has(row):
            return 0, None
        whole = None if self.keys[place] else self.pictures.encoded(row)
        shown = whole or self.pictures.shown(row)
        try:
            looked = look(open_picture(shown, OWN_BYTES)) if shown else None
        except BadPicture:
            looked = None
        return content_key(whole) if whole else 0, looked

    def looks(self, places: np.ndarray) -> np.ndarray:
        return self._looks[places]

    def facts(self, place: int) -> Facts:
        if place not in self._facts:
            self._facts[place] = facts_of(self._encoded(place))
        return self._facts[place]

    def pixels(self, place: int) -> bytes:
        """`pixel_digest`; b"" where the picture is not here or cannot be decoded whole."""
        if place not in self._pixels:
            encoded = self._encoded(place)
            try:
                self._pixels[place] = pixel_digest(encoded) if encoded else b""
            except BadPicture:
                self._pixels[place] = b""
        return self._pixels[place]

    def _encoded(self, place: int) -> bytes | None:
        return self.pictures.encoded(int(self.rows[place])) if self.pictures.has(int(self.rows[place])) else None


def keys_of(pictures: Pictures, rows: np.ndarray) -> np.ndarray:
    """(n,) uint64 content keys, 0 where the content is not known without reading the picture."""
    return np.array([int.from_bytes(pictures.key(row)[:8], "little") for row in rows.tolist()], np.uint64)


def gallery_side(collection: Collection, part: str = GALLERY) -> Side:
    """Without pictures that are gone."""
    positions = np.setdiff1d(np.arange(len(collection)), collection.snapshot.gone)
    gallery, labels = collection.gallery, collection.labels()[positions]
    rows = collection.gallery_rows(positions)
    return Side(part, gallery, gallery.pictures, rows, positions, labels, gallery.label_names)


def query_side(collection: Collection) -> Side:
    gallery, numbers = collection.gallery, np.arange(len(collection.queries))
    rows = np.array([collection.query_row(number) for number in numbers.tolist()], np.int64)
    return Side(QUERIES, gallery, gallery.queries, rows, numbers, collection.truth, gallery.label_names)


def blocks(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
