"""The files of a person's folder by what they are, and the row of each picture."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from searchdemo.extras import is_installed
from searchdemo.files import open_regular, printable
from searchdemo.formats import PACKAGES, VIDEO, kind_of
from searchdemo.galleries.catalog import Catalog, Known, Row
from searchdemo.galleries.described import is_metadata
from searchdemo.galleries.frames import frames_of
from searchdemo.galleries.report import GalleryReport, named
from searchdemo.galleries.walk import File, Listing
from searchdemo.types import Count

MAX_FILE_BYTES = 500 * 10**6  # a file is read whole, by several threads at once
# Names of folders that hold a split each, as `datasets` knows them; of several held-out ones the first is taken
TRAIN = ("train", "training")
HELD_OUT = ("val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation")


@dataclass
class Looked:
    """The files of a folder by what they are: pictures, unreadable, of another kind, or not read yet."""

    root: Path
    listing: Listing
    known: dict[str, Known]
    unread: dict[str, File] = field(default_factory=dict)  # by path: what a build is to read
    closed: dict[str, str] = field(default_factory=dict)  # path -> why it cannot be opened
    layout: str = ""  # what is to be told of it

    def look(self, progress: Count | None) -> list[tuple[File, Known]]:
        """Looks at the first bytes of files that are not known. Returns what is to be remembered."""
        found, total = [], len(self.listing.files)
        for number, file in enumerate(self.listing.files, start=1):
            if file.path in self.known:  # what was read once is a picture, wherever it is kept since
                self.closed.pop(file.path, None)
            elif file.path not in self.closed:
                try:
                    with open_regular(self.root / file.path, buffering=0) as opened:
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
        """("train/", "val/") where the pictures lie in classes below these two, or a metadata file names their labels,
        and ("", "") otherwise. One folder may hold both: ("imagenet/train/", "imagenet/val/").

        Pictures of a further split, as test/, are left out and counted.
        """
        paths = [*self.taken, *self.unread]
        if not paths or any(map(posixpath.isabs, paths)):  # those of a list
            return "", ""
        above = posixpath.join(posixpath.commonpath([posixpath.dirname(path) for path in paths]), "")
        beside = sorted({path.removeprefix(above).split("/")[0] for path in paths})
        train, held_out = (first_named(beside, names) for names in (TRAIN, HELD_OUT))
        if not (train and held_out and self._has_classes(f"{above}{train}/", paths)):
            return "", ""
        if others := [name for name in beside if name.lower() not in (*TRAIN, *HELD_OUT)]:
            self.layout = (
                f"{train}/ and {held_out}/ are searched together, and not the one by the other, because more lies "
                f"beside them: {named(map(printable, others))}"
            )
            return "", ""
        train, held_out = f"{above}{train}", f"{above}{held_out}"
        for path in paths:
            if not path.startswith((f"{train}/", f"{held_out}/")):
                self.known.pop(path, None)
                self.unread.pop(path, None)
                self.listing.left_out[f"picture outside {printable(train)} and {printable(held_out)}"] += 1
        del self.taken  # it is another now
        return f"{train}/", f"{held_out}/"

    def _has_classes(self, train: str, paths: Sequence[str]) -> bool:
        below = any(path.startswith(train) and "/" in path.removeprefix(train) for path in paths)
        return below or any(is_metadata(file.path) for file in self.listing.files)

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
            layout=self.layout,
        )


def first_named(folders: Sequence[str], names: Sequence[str]) -> str:
    """The folder with the first of these names, in either case; "" where there is none."""
    return next((folder for name in names for folder in folders if folder.lower() == name), "")


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
