"""The files of a person's folder by what they are, and the row of each picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from searchdemo.extras import is_installed
from searchdemo.files import printable
from searchdemo.formats import PACKAGES, VIDEO, kind_of
from searchdemo.galleries.catalog import Catalog, Known, Row
from searchdemo.galleries.frames import frames_of
from searchdemo.galleries.report import GalleryReport
from searchdemo.galleries.walk import File, Listing
from searchdemo.types import Count

MAX_FILE_BYTES = 500 * 10**6  # a file is read whole, by several threads at once
TRAIN, HELD_OUT = "train", ("val", "valid", "validation", "test")  # names of folders that hold a split each


@dataclass
class Looked:
    """The files of a folder by what they are: pictures, unreadable, of another kind, or not read yet."""

    root: Path
    listing: Listing
    known: dict[str, Known]
    unread: dict[str, File] = field(default_factory=dict)  # by path: what a build is to read
    closed: dict[str, str] = field(default_factory=dict)  # path -> why it cannot be opened

    def look(self, progress: Count | None) -> list[tuple[File, Known]]:
        """Looks at the first bytes of files that are not known. Returns what is to be remembered."""
        found, total = [], len(self.listing.files)
        for number, file in enumerate(self.listing.files, start=1):
            if file.path not in self.known:
                try:
                    with (self.root / file.path).open("rb", buffering=0) as opened:
                        kind = kind_of(opened, file.path)
                except OSError as error:
                    self.closed[file.path] = error.strerror or type(error).__name__
                else:
                    if kind:
                        self.known[file.path] = Known(kind, b"")
                        found.append((file, self.known[file.path]))
                    elif file.size > MAX_FILE_BYTES:
                        self.closed[file.path] = f"is larger than {MAX_FILE_BYTES // 10**6} MB"
                    else:
                        self.unread[file.path] = file
            if progress is not None:
                progress(number, total)
        return found

    def take_frames(self, known: Callable[[list[File]], dict[str, Known]], progress: Count | None) -> None:
        """Puts the frames of each video in its place, where the package that reads videos is installed.

        known: tells what is remembered of files
        """
        if not is_installed(PACKAGES[VIDEO]):
            return
        kinds = ((file, self.known.get(file.path)) for file in self.listing.files)
        videos = [file for file, known in kinds if known and known.kind == VIDEO]
        if not videos:
            return
        frames, problems = frames_of(self.root, videos, progress)
        self.closed |= problems
        names = {file.path for file in self.listing.files}  # a file that is named like a frame goes first
        fresh = [frame for those in frames.values() for frame in those if frame.path not in names]
        self.known |= known(fresh)
        self.unread |= {frame.path: frame for frame in fresh if frame.path not in self.known}
        files = [file for file in self.listing.files if file.path not in frames]
        self.listing = replace(self.listing, files=sorted([*files, *fresh], key=lambda file: file.path))

    @cached_property
    def taken(self) -> dict[str, bytes]:
        """Path -> digest of the pictures that a build has read, sorted by path. Asked for once all is looked at."""
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
        del self.taken  # it is another now
        return f"{train}/", f"{held_out}/"

    def report(self, described: Mapping[str, str] | None = None) -> GalleryReport:
        """described: files that say captions and labels -> what came of each."""
        described = described or {}
        skipped, unreadable = defaultdict(list), {}
        for file in self.listing.files:
            if known := self.known.get(file.path):
                if known.kind and printable(file.path) in described:
                    continue
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
            described=described,
        )


def numbered(catalog: Catalog, folder: int, looked: Looked) -> list[Row]:
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
