"""The pictures of a person's folder by row."""

from __future__ import annotations

import copy
import hashlib
import os
import time
from collections import deque
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from searchdemo.errors import BadPicture
from searchdemo.files import open_regular, printable
from searchdemo.galleries.base import DIGEST_BYTES, Frame, LivingPictures, Pictures, content_digest
from searchdemo.galleries.catalog import Catalog, Known, Row
from searchdemo.galleries.class_labels import ClassLabels
from searchdemo.galleries.described import Described
from searchdemo.galleries.looked import Looked
from searchdemo.galleries.report import GalleryReport, files, named, were
from searchdemo.galleries.thumbnails import SHOWN_BYTES, SIDE, Thumbnails, shown_as_it_is
from searchdemo.galleries.walk import File
from searchdemo.jpeg import smaller_jpeg
from searchdemo.types import MISSING
from searchdemo.video import frame_at

if TYPE_CHECKING:
    from PIL import Image

REMEMBER_EVERY_S = 1.0  # between two writes of what a build found out
LOOK_EVERY_S = 5.0  # a folder that is kept open is looked through again after so long,
LOOK_SHARE = 0.02  # and so much later that looking takes at most this share of the time


class FolderPictures(LivingPictures):
    """Files by row. Only their names and digests are kept in memory."""

    looked_in_s = looked_at_s = 0.0
    own_files = True

    def __init__(
        self,
        root: Path,
        folder: int,
        looked: Looked,
        rows: list[Row],
        described: Described | None = None,
        class_level: int | None = None,
    ):
        """described: what files beside the pictures say of them; class_level: see Catalog.class_level."""
        self.source, self._root, self._folder = str(root), root, folder
        taken, unread = looked.taken, looked.unread
        here = [row.path in unread or taken.get(row.path) == row.digest for row in rows]
        self.paths = [row.path if there else "" for row, there in zip(rows, here, strict=True)]  # as on the disk
        first: dict[str, int] = {}
        for number, path in enumerate(self.paths):  # of two rows of one path, the later is what it holds now
            if path in first:
                self.paths[first[path]] = ""
            if path:
                first[path] = number
        self.present = np.array([bool(path) for path in self.paths], dtype=bool)
        digests = b"".join(row.digest or bytes(DIGEST_BYTES) for row in rows)
        self.digests = np.frombuffer(digests, np.uint8).reshape(len(rows), DIGEST_BYTES)
        self.unread = frozenset(number for number, path in enumerate(self.paths) if path in unread)
        self._sizes = unread
        files = {file.path: file for file in looked.listing.files}
        sizes = [(files[path].size, files[path].mtime_ns) if path else (-1, -1) for path in self.paths]
        self._sizes_and_times = np.array(sizes, np.int64).reshape(-1, 2)
        self._frames = {file.path: file.frame for file in looked.listing.files if file.frame}
        self._found: dict[int, tuple[File, bytes]] = {}  # unread rows that were read: the file then, its digest
        self._failed: dict[int, str] = {}  # unread rows whose file is there and could not be read -> why
        self._pending: list[tuple[File, Known]] = []  # what is to be remembered of them
        self._small: deque[tuple[bytes, bytes]] = deque()  # digest and thumbnail of what a build opened
        self._no_more_small = False
        self._remembered_at = time.monotonic()
        self._missing = ""
        self._described, self._class_level = described or Described(), class_level
        self._name_classes(0)

    def _name_classes(self, above: int) -> None:
        """The classes of a picture are those that a file beside it says, else one folder of its path.

        above: so many folders of each path are no classes: 1 below train/ and val/
        """
        said = self._described.labels
        classes = [said[path] if path in said else class_of(path, above, self._class_level) for path in self.paths]
        numbered = ClassLabels.of(classes)
        self.labels, self._several = numbered.first, numbered.several
        self.several_labels = bool(self._several)
        self.label_names = numbered.names

    def captions(self) -> tuple[str, ...]:
        """One for each row, "" where nothing is said; none at all where no file says any."""
        said = self._described.captions
        return tuple(said.get(path, "") for path in self.paths) if said else ()

    def part(self, split: str) -> FolderPictures:
        """The pictures of one split, "train/", in the same rows; the others have none. Classes are those of both."""
        part = copy.copy(self)
        part._pending, part._small = [], deque()
        part._name_classes(split.count("/"))
        part.paths = [path if path.startswith(split) else "" for path in self.paths]
        part.present = np.array([bool(path) for path in part.paths], dtype=bool)
        part.labels = np.where(part.present, part.labels, -1).astype(part.labels.dtype)
        part._several = {row: numbers for row, numbers in part._several.items() if part.present[row]}
        part.several_labels = bool(part._several)
        part.unread = frozenset(row for row in self.unread if part.paths[row])
        return part

    @property
    def missing(self) -> str:
        return self._missing

    def encoded(self, row: int) -> bytes | None:
        seconds = self._frame(row)[1]
        try:
            with open_regular(self._on_disk(row)) as file:
                data = file.read() if seconds is None else frame_at(file, seconds)
                if row in self.unread:
                    now = File.of(self.paths[row], os.fstat(file.fileno()))
                    self._found[row] = now if seconds is None else replace(now, inode=None), content_digest(data)
                return data
        except (FileNotFoundError, NotADirectoryError):  # gone since the folder was opened
            return None
        except OSError as error:  # as of a disk that wears out
            self._failed[row] = f"cannot be read ({error.strerror or type(error).__name__})"
        except BadPicture as error:
            self._failed[row] = str(error).removeprefix("This video ").removeprefix("This file ")
        return None

    def shown(self, row: int) -> bytes | None:
        """A file of up to SHOWN_BYTES that a browser knows as it is, of any other a thumbnail."""
        try:
            small = self.paths[row] and self._on_disk(row).stat().st_size <= SHOWN_BYTES
        except OSError:
            return None
        encoded = self.encoded(row) if small or row in self.unread else None
        if encoded is not None and shown_as_it_is(encoded):
            return encoded
        digest = self.digest(row)
        return Thumbnails().get(digest, lambda: self.encoded(row)) if digest else None

    def has(self, row: int) -> bool:
        return bool(self.paths[row]) and self._on_disk(row).is_file()

    def _frame(self, row: int) -> tuple[str, float | None]:
        """The file that a row's picture lies in, and the time in seconds where that is a video."""
        path = self.paths[row]
        return self._frames.get(path, (path, None))

    def _on_disk(self, row: int) -> Path:
        return self._root / self._frame(row)[0]

    def frame(self, row: int) -> Frame | None:
        path, seconds = self._frame(row)
        return None if seconds is None else Frame(printable(path), seconds, self._on_disk(row))

    def opened(self, row: int) -> BinaryIO | None:
        try:
            return open_regular(self._on_disk(row)) if self.paths[row] else None
        except OSError:
            return None

    def listed(self, row: int) -> bool:
        return bool(self.present[row])

    def all_labels(self, row: int) -> tuple[int, ...]:
        return self._several[row] if row in self._several else super().all_labels(row)

    def key(self, row: int) -> bytes:
        return b"" if row in self.unread else self.digests[row].tobytes()

    def size_and_time(self, row: int) -> tuple[int | None, int | None]:
        size, mtime_ns = self._sizes_and_times[row].tolist()
        return (size, mtime_ns) if size >= 0 else (None, None)

    def file(self, row: int) -> str:
        return printable(self.paths[row])

    def path(self, row: int) -> Path | None:
        path, seconds = self._frame(row)
        return self._root / path if path and seconds is None else None  # a frame of a video is no file

    def digest(self, row: int) -> bytes:
        if row in self.unread:
            return self._found[row][1] if row in self._found else b""
        return self.digests[row].tobytes()

    def failed(self, row: int) -> str:
        return self._failed.get(row, "")

    def looked_at(self, problems: dict[int, str]) -> None:
        """Kept for good once in REMEMBER_EVERY_S; what a kill loses of it costs reading again, no embedding."""
        self._pending += [
            (self._found[row][0], Known("", self._found[row][1], problem))
            for row, problem in problems.items()
            if row in self._found
        ]
        if time.monotonic() - self._remembered_at >= REMEMBER_EVERY_S:
            self.remember()

    def opened_as(self, row: int, encoded: bytes, image: Image.Image) -> None:
        """Makes the thumbnail that the first search is to show, as long as there is room for it."""
        digest = self.digest(row)
        if not (self._no_more_small or shown_as_it_is(encoded) or digest in self._have_small):
            self._small.append((digest, smaller_jpeg(image.copy(), SIDE)))

    @cached_property
    def _have_small(self) -> set[bytes]:
        return Thumbnails().digests()

    def remember(self) -> None:
        pending, self._pending = self._pending, []
        Catalog().remember(self._folder, pending)
        if small := [self._small.popleft() for _ in range(len(self._small))]:
            self._no_more_small = not Thumbnails().add(small)
        self._remembered_at = time.monotonic()

    def rows_in(self, now: Pictures, rows: np.ndarray) -> np.ndarray:
        if not isinstance(now, FolderPictures):  # no longer held out
            return np.full(len(rows), MISSING, np.int64)
        row_of = {path: row for row, path in enumerate(now.paths) if path and row not in now.unread}
        return np.array([row_of.get(self.paths[row], MISSING) for row in rows], dtype=np.int64)

    def outdated(self) -> bool:
        return time.monotonic() - self.looked_at_s > max(LOOK_EVERY_S, self.looked_in_s / LOOK_SHARE)

    def fingerprint(self) -> str:
        """SHA-256 over paths and contents. Of a file that is not read yet, size and time stand for the content."""
        digest = hashlib.sha256()
        for path, row in sorted((path, row) for row, path in enumerate(self.paths) if path):
            file = self._sizes.get(path)
            identity = f"{file.size} {file.mtime_ns}" if file else self.digests[row].tobytes().hex()
            digest.update(f"{path}\0{identity}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def tell_missing(self, argument: str, report: GalleryReport) -> None:
        """The sentence for the page."""
        said = []
        if report.unreadable:
            said.append(
                f"{files(report.unreadable)} in {argument!r} cannot be read and "
                f"{were(report.unreadable)} left out: "
                f"{named(report.unreadable)}."
            )
        said += [f"{place!r} in {argument!r} was not entered: {reason}." for place, reason in report.unread.items()][:3]
        self._missing = " ".join(said)


def class_of(path: str, above: int, level: int | None) -> tuple[str, ...]:
    """The folder in a path that names its class: the deepest, or that of the level, or the deepest above it.

    None where the picture lies in no folder but the first `above`.
    """
    folders = path.split("/")[above:-1]
    return tuple(folders[:level][-1:])
