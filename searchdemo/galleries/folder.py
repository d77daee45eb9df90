"""A person's own pictures: a folder, flat or with one sub-folder per class, or train/ and val/ with classes below.

Opening it looks at names, sizes and times of change, and at the first bytes of files that are new. A build reads each
new file once, and what it finds is remembered in the catalog, so that neither is done again.
"""

from __future__ import annotations

import copy
import hashlib
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchdemo.errors import NoPictures
from searchdemo.formats import kind_of
from searchdemo.galleries.base import DIGEST_BYTES, Gallery, LivingPictures, Pictures, content_digest, printable
from searchdemo.galleries.catalog import Catalog, Known, Row
from searchdemo.galleries.report import GalleryReport, files, named
from searchdemo.galleries.thumbnails import Thumbnails
from searchdemo.galleries.walk import File, Listing, walk
from searchdemo.types import MISSING, Count

MAX_FILE_BYTES = 500 * 10**6  # a file is read whole, by several threads at once
SHOWN_BYTES = 64 * 1024  # of a file that is shown as it is
SHOWN_STARTS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"GIF8")  # of what every browser shows

REMEMBER_EVERY_S = 1.0  # between two writes of what a build found out
TRAIN, HELD_OUT = "train", ("val", "valid", "validation", "test")  # names of folders that hold a split each

LOOK_EVERY_S = 5.0  # a folder that is kept open is looked through again after so long,
LOOK_SHARE = 0.02  # and so much later that looking takes at most this share of the time


def open_folder(argument: str, progress: Count | None = None, **options: object) -> Gallery:
    """argument: the folder's path. progress: (files looked at, files in all). Options of other galleries are ignored.

    `report` says what became of every file, as far as it is known before a build has read the new ones.
    Raises NoPictures when there is no such folder or no picture in it.
    """
    root = Path(argument).expanduser()
    if not argument or not root.is_dir():
        raise NoPictures(f"There is no folder {argument!r}; write folder:PATH with the path of your pictures.")
    started = time.monotonic()
    catalog, place = Catalog(), root.resolve()
    patterns = catalog.excluded(place)
    listing = walk(root, patterns)
    folder, former = catalog.folder(place, listing.files)
    if patterns != catalog.excluded(place):  # of the folder that was moved here
        listing = walk(root, catalog.excluded(place))
    looked = _Looked(root, listing, catalog.known(folder, listing.files))
    catalog.remember(folder, looked.look(progress))
    catalog.forget_others(folder, listing.files)
    train, held_out = looked.keep_splits()
    rows = _numbered(catalog, folder, looked)
    everything = FolderPictures(root, folder, looked, rows)
    report = looked.report()
    pictures = everything.part(train) if train else everything
    if not pictures.present.any():
        raise NoPictures(_nothing(argument, report))
    pictures.tell_missing(argument, report)
    pictures.looked_in_s, pictures.looked_at_s = time.monotonic() - started, time.monotonic()
    return Gallery(
        name=f"folder:{argument}",
        label_names=pictures.label_names,
        class_names=tuple(name.replace("_", " ") for name in pictures.label_names),
        pictures=pictures,
        queries=everything.part(held_out) if train else NoQueries(),
        fingerprint=everything.fingerprint(),
        report=report,
        former=f"folder:{former}" if former else "",
        reopen=lambda: open_folder(argument),
    )


class NoQueries(Pictures):
    labels = np.empty(0, np.int16)

    def encoded(self, row: int) -> bytes | None:
        return None


@dataclass
class _Looked:
    """The files of a folder by what they are: pictures, unreadable, of another kind, or not read yet."""

    root: Path
    listing: Listing
    known: dict[str, Known]

    def look(self, progress: Count | None) -> list[tuple[File, Known]]:
        """Looks at the first bytes of files that are not known. Returns what is to be remembered."""
        found, total = [], len(self.listing.files)
        self.unread: dict[str, File] = {}
        self.closed: dict[str, str] = {}  # path -> why it cannot be opened
        for number, file in enumerate(self.listing.files, start=1):
            if file.path not in self.known and file.size > MAX_FILE_BYTES:
                self.closed[file.path] = f"is larger than {MAX_FILE_BYTES // 10**6} MB"
            elif file.path not in self.known:
                try:
                    with (self.root / file.path).open("rb", buffering=0) as opened:
                        kind = kind_of(opened, file.path)
                except OSError as error:
                    self.closed[file.path] = error.strerror or type(error).__name__
                else:
                    if kind:
                        self.known[file.path] = Known(kind, b"")
                        found.append((file, self.known[file.path]))
                    else:
                        self.unread[file.path] = file
            if progress is not None:
                progress(number, total)
        return found

    @property
    def taken(self) -> dict[str, bytes]:
        """Path -> digest of the pictures that a build has read, sorted by path."""
        return {
            file.path: known.digest
            for file in self.listing.files
            if (known := self.known.get(file.path)) and not known.kind and not known.problem
        }

    def keep_splits(self) -> tuple[str, str]:
        """("train/", "val/") where the pictures lie in classes below these two, and ("", "") otherwise.

        Pictures of a further split, as test/, are left out and counted.
        """
        paths = [*self.taken, *self.unread]
        splits = {path.split("/")[0]: path.split("/")[0].lower() for path in paths}
        train = next((name for name, lower in splits.items() if lower == TRAIN), "")
        held_out = next((name for wanted in HELD_OUT for name, lower in splits.items() if lower == wanted), "")
        classes = any(path.startswith(f"{train}/") and path.count("/") > 1 for path in paths)
        if not (train and held_out and classes and {*splits.values()} <= {TRAIN, *HELD_OUT}):
            return "", ""
        for path in paths:
            if path.split("/")[0] not in (train, held_out):
                self.known.pop(path, None)
                self.unread.pop(path, None)
                self.listing.left_out[f"picture outside {train} and {held_out}"] += 1
        return f"{train}/", f"{held_out}/"

    def report(self) -> GalleryReport:
        skipped, unreadable = defaultdict(list), {}
        for file in self.listing.files:
            if known := self.known.get(file.path):
                if known.kind:
                    skipped[known.kind].append(printable(file.path))
                elif known.problem:
                    unreadable[printable(file.path)] = known.problem
        return GalleryReport(
            taken=len(self.taken),
            waiting=tuple(printable(path) for path in self.unread),
            skipped={kind: tuple(those) for kind, those in sorted(skipped.items())},
            unreadable=unreadable | {printable(path): reason for path, reason in self.closed.items()},
            unread={printable(place): reason for place, reason in self.listing.unread.items()},
            left_out=dict(self.listing.left_out),
        )


def _numbered(catalog: Catalog, folder: int, looked: _Looked) -> list[Row]:
    """All rows of the folder in their order, those of unread files last but where their path has one already.

    A picture keeps its row as long as its content is in the folder, wherever it is moved to.
    """
    kept, taken = catalog.rows(folder), looked.taken
    free: dict[bytes, list[Row]] = defaultdict(list)
    placed: dict[str, Row] = {}
    for row in kept:
        if taken.get(row.path) == row.digest and row.path not in placed:
            placed[row.path] = row
        else:
            free[row.digest].append(row)
    changed, count = [], len(kept)
    for path, digest in taken.items():
        if path not in placed:
            before = free[digest].pop(0) if free[digest] else None
            placed[path] = Row(count if before is None else before.row, path, digest)
            count += before is None
            changed.append(placed[path])
    if changed:
        catalog.keep_rows(folder, changed)
    by_number = {row.row: row for row in kept} | {row.row: row for row in placed.values()}
    used = {row.row for row in placed.values()}
    waiting = {row.path: row for row in kept if row.row not in used and row.path in looked.unread}
    for path in looked.unread:
        if path not in waiting:
            by_number[count] = Row(count, path, b"")
            count += 1
    return [by_number[number] for number in range(count)]


class FolderPictures(LivingPictures):
    """Files by row. Only their names and digests are kept in memory."""

    looked_in_s = looked_at_s = 0.0

    def __init__(self, root: Path, folder: int, looked: _Looked, rows: list[Row]):
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
        self._found: dict[int, tuple[File, bytes]] = {}  # unread rows that were read: the file then, its digest
        self._pending: list[tuple[File, Known]] = []  # what is to be remembered of them
        self._remembered_at = time.monotonic()
        self._missing = ""
        self._name_classes(0)

    def _name_classes(self, depth: int) -> None:
        """The class of a picture is the folder at this depth in its path, where there is one."""
        classes = [parts[depth] if len(parts := path.split("/")) > depth + 1 else "" for path in self.paths]
        names = tuple(sorted(set(classes) - {""}))
        number_of = {name: i for i, name in enumerate(names)} | {"": -1}
        self.labels = np.array([number_of[name] for name in classes], dtype=np.int16)
        self.label_names = tuple(map(printable, names))

    def part(self, split: str) -> FolderPictures:
        """The pictures of one split, "train/", in the same rows; the others have none. Classes are those of both."""
        part = copy.copy(self)
        part._pending = []
        part._name_classes(1)
        part.paths = [path if path.startswith(split) else "" for path in self.paths]
        part.present = np.array([bool(path) for path in part.paths], dtype=bool)
        part.labels = np.where(part.present, part.labels, -1).astype(np.int16)
        part.unread = frozenset(row for row in self.unread if part.paths[row])
        return part

    @property
    def missing(self) -> str:
        return self._missing

    def encoded(self, row: int) -> bytes | None:
        try:
            with (self._root / self.paths[row]).open("rb") as file:
                data = file.read()
                if row in self.unread:
                    now = os.fstat(file.fileno())
                    inode = (now.st_dev, now.st_ino) if os.name == "posix" else None
                    self._found[row] = File(self.paths[row], now.st_size, now.st_mtime_ns, inode), content_digest(data)
                return data
        except OSError:  # gone since the folder was opened
            return None

    def shown(self, row: int) -> bytes | None:
        """A file of up to SHOWN_BYTES that a browser knows as it is, of any other a thumbnail."""
        path = self._root / self.paths[row]
        try:
            small = self.paths[row] and path.stat().st_size <= SHOWN_BYTES
        except OSError:
            return None
        encoded = self.encoded(row) if small or row in self.unread else None
        if encoded is not None and len(encoded) <= SHOWN_BYTES and encoded.startswith(SHOWN_STARTS):
            return encoded
        digest = self.digest(row)
        return Thumbnails().get(digest, lambda: self.encoded(row)) if digest else None

    def has(self, row: int) -> bool:
        return bool(self.paths[row]) and (self._root / self.paths[row]).is_file()

    def file(self, row: int) -> str:
        return printable(self.paths[row])

    def digest(self, row: int) -> bytes:
        if row in self.unread:
            return self._found[row][1] if row in self._found else b""
        return self.digests[row].tobytes()

    def looked_at(self, problems: dict[int, str]) -> None:
        """Kept for good once in REMEMBER_EVERY_S; what a kill loses of it costs reading again, no embedding."""
        self._pending += [
            (self._found[row][0], Known("", self._found[row][1], problem))
            for row, problem in problems.items()
            if row in self._found
        ]
        if time.monotonic() - self._remembered_at >= REMEMBER_EVERY_S:
            self.remember()

    def remember(self) -> None:
        pending, self._pending = self._pending, []
        Catalog().remember(self._folder, pending)
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
                f"{files(report.unreadable)} in {argument!r} cannot be read as pictures and were left out: "
                f"{named(report.unreadable)}."
            )
        said += [f"{place!r} in {argument!r} was not entered: {reason}." for place, reason in report.unread.items()][:3]
        self._missing = " ".join(said)


def _nothing(argument: str, report: GalleryReport) -> str:
    if report.unreadable:
        found = f"{len(report.unreadable)} files named like pictures, none of them readable"
    else:
        found = "no picture files"
    more = report.lines()
    return f"The folder {argument!r} holds {found}; put JPEG, PNG or WebP files in it." + (
        f" {' '.join(more)}" if more else ""
    )
