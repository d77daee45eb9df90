"""Keeps the facts about a gallery up to date, and answers which of its pictures meet a filter."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from searchdemo.exif import Taken, taken
from searchdemo.galleries.base import Gallery
from searchdemo.metadata.columns import COLUMNS
from searchdemo.metadata.database import Database, Entry
from searchdemo.metadata.grammar import Condition, columns_of
from searchdemo.types import Count

T = TypeVar("T")

AT_ONCE = 200  # headers between two writes: what a kill loses


class Metadata:
    """Safe for several threads. Nobody who searches without a filter waits for it."""

    def __init__(self, path: Path | None):
        """path: of the database; None keeps it in memory."""
        self._database = Database(path)
        self._following = threading.Lock()

    def matching(self, gallery: Gallery, condition: Condition) -> np.ndarray:
        """(n,) bool for the rows of a gallery: those that meet the condition. Raises BadQuery, BadArtifact.

        Headers of files are read first where the condition needs them and no build has read them.
        """
        headers = any(column.from_file for column in columns_of(condition))
        rows = self._asked(gallery, headers, lambda: self._database.rows(condition))
        meeting = np.zeros(len(gallery.pictures), dtype=bool)
        meeting[rows[rows < len(meeting)]] = True
        return meeting

    def facts(self, gallery: Gallery, columns: Sequence[str]) -> dict[str, dict[int, str | int | float]]:
        """Column -> row -> value, where the row has one. Headers of files are read as for `matching`."""
        headers = any(COLUMNS[name].from_file for name in columns)
        return self._asked(gallery, headers, lambda: self._database.facts(columns))

    def _asked(self, gallery: Gallery, headers: bool, ask: Callable[[], T]) -> T:
        """What the facts say, as they are now."""
        before = self._database.in_memory
        self.follow(gallery, headers)
        found = ask()
        if self._database.in_memory != before:  # the file could not be opened any more, and little was in memory then
            self.follow(gallery, headers)
            found = ask()
        return found

    def follow(self, gallery: Gallery, headers: bool = True, progress: Count | None = None) -> None:
        """Writes what changed in the gallery since it was written last.

        headers: also what only the headers of files say. progress: told of (headers read, in all)
        """
        with self._following:
            if self._database.state() != state(gallery):
                numbers = range(len(gallery.pictures))
                labels = {row: gallery.pictures.all_labels(row) for row in numbers}
                classes = zip(gallery.label_names, gallery.class_names, strict=True)
                files = bool(len(numbers)) and gallery.pictures.own_files
                self._database.write(state(gallery), entries(gallery), classes, labels, files)
            if headers:
                self._read_headers(gallery, progress)

    def _read_headers(self, gallery: Gallery, progress: Count | None) -> None:
        waiting = self._database.unlooked()
        for start in range(0, len(waiting), AT_ONCE):
            part = waiting[start : start + AT_ONCE]
            self._database.looked((row, key, header(gallery, row)) for row, key in part)
            if progress is not None:
                progress(start + len(part), len(waiting))


def state(gallery: Gallery) -> str:
    """Two galleries of equal state have the same facts."""
    names = "\0".join((*gallery.label_names, *gallery.class_names))
    said = f"{gallery.fingerprint} {gallery.described} {names}"
    return hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()


def entries(gallery: Gallery) -> Iterator[Entry]:
    """Of every row that has a picture now."""
    pictures = gallery.pictures
    for row in range(len(pictures)):
        if pictures.listed(row):
            size, mtime_ns = pictures.size_and_time(row)
            caption = gallery.caption(row) or None
            frame, name = pictures.frame(row), pictures.file(row) or None
            of_video = (frame.video, frame.seconds) if frame else (None, None)
            yield Entry(row, pictures.key(row) or None, name, size, mtime_ns, caption, *of_video)


def header(gallery: Gallery, row: int) -> Taken:
    """Nothing where the file is gone, or is no picture."""
    file = gallery.pictures.opened(row)
    if file is None:
        return Taken()
    with file:
        return taken(file)
