"""A person's own pictures: a folder, flat or with one sub-folder per class, or train/ and val/ with classes below, or
with metadata.csv or metadata.jsonl beside the pictures, whose captions and labels are taken (see described.py).

The class of a picture is the folder that it lies in, the deepest, or that of another level (`build --class-level`).

Opening it looks at names, sizes and times of change, and at the first bytes of files that are new. A build reads each
new file once, and what it finds is remembered in the catalog, so that neither is done again.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchdemo.errors import NoPictures
from searchdemo.files import folder_named, printable
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.galleries.catalog import Catalog
from searchdemo.galleries.class_labels import readable
from searchdemo.galleries.described import Described, described
from searchdemo.galleries.folder_pictures import FolderPictures
from searchdemo.galleries.looked import Looked, numbered
from searchdemo.galleries.report import GalleryReport
from searchdemo.galleries.walk import EXCLUDED, File, Listing, walk
from searchdemo.types import Count

NOT_THERE = "There is no folder {}: give the path of one that holds your pictures."
A_FILE = "{} is a file and no folder: name the folder that it lies in; a zip can be dropped on the page, or unpacked."


def open_folder(argument: str, progress: Count | None = None, **options: object) -> Gallery:
    """argument: the folder's path. progress: (files looked at, files in all). Options of other galleries are ignored.

    `report` says what became of every file, as far as it is known before a build has read the new ones.
    Raises NoPictures when there is no such folder or no picture in it.
    """
    root = folder_named(argument)
    if why := _no_folder(root) if argument else NOT_THERE:
        raise NoPictures(why.format(repr(argument)))
    source = Source("folder", argument, root, root.resolve(), reopen=lambda: open_folder(argument))
    return opened(source, lambda patterns: walk(root, patterns), lambda files: described(root, files), progress)


def _no_folder(root: Path) -> str:
    """Why it is none; "" where it is one. The path belongs in the place of {}."""
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last of a character that no path has
        return NOT_THERE
    except OSError as error:
        return f"The folder {{}} cannot be opened ({error.strerror}): give the path of another one."
    return "" if is_folder else A_FILE


@dataclass(frozen=True)
class Source:
    """Where the files of a gallery are named: in a folder, or in a list of them."""

    kind: str  # "folder" | "list"
    argument: str  # what the person wrote after the colon
    root: Path  # that paths are relative to
    place: Path  # by which the catalog knows it
    reopen: Callable[[], Gallery]


def opened(
    source: Source,
    list_files: Callable[[Sequence[str]], Listing],
    describe: Callable[[Sequence[File]], Described],
    progress: Count | None,
) -> Gallery:
    """list_files: excluded patterns -> files; describe: what is said of them beside their folders.

    Raises NoPictures when none is a picture.
    """
    started = time.monotonic()
    catalog, root, place = Catalog(), source.root, source.place
    patterns = catalog.excluded(place)
    listing = list_files(patterns)
    folder, former = catalog.folder(place, listing.files)
    if patterns != catalog.excluded(place):  # of the folder that was moved here
        listing = list_files(catalog.excluded(place))
    looked = Looked(root, listing, catalog.known(folder, listing.files), closed=dict(listing.closed))
    catalog.remember(folder, looked.look(progress))
    looked.take_frames(lambda frames: catalog.known(folder, frames), progress)
    catalog.forget_others(folder, [*listing.files, *looked.listing.files])
    train, held_out = looked.keep_splits()
    rows = numbered(catalog, folder, looked)
    said = describe(listing.files)
    level = catalog.class_level(place)
    everything = FolderPictures(root, folder, looked, rows, said, level)
    report = looked.report(said.files)
    pictures = everything.part(train) if train else everything
    if not pictures.present.any():
        raise NoPictures(_nothing(source, report))
    pictures.tell_missing(source.argument, report)
    pictures.looked_in_s, pictures.looked_at_s = time.monotonic() - started, time.monotonic()
    return Gallery(
        name=f"{source.kind}:{source.argument}",
        label_names=pictures.label_names,
        class_names=tuple(map(readable, pictures.label_names)),
        pictures=pictures,
        queries=everything.part(held_out) if train else NoQueries(),
        fingerprint=everything.fingerprint(),
        captions=pictures.captions(),
        report=report,
        described=said.digest if level is None else f"{said.digest} level {level}",
        former=f"{source.kind}:{printable(former)}" if former else "",
        reopen=source.reopen,
    )


class NoQueries(Pictures):
    labels = np.empty(0, np.int16)

    def encoded(self, row: int) -> bytes | None:
        return None


def _nothing(source: Source, report: GalleryReport) -> str:
    if report.unreadable:
        found = f"{len(report.unreadable)} files named like pictures, none of them readable"
    else:
        found = "no picture files"
    more = report.lines()
    holds = f"The {source.kind} {source.argument!r} holds {found}"
    fix = (
        "put JPEG, PNG or WebP files in it" if source.kind == "folder" else "name JPEG, PNG or WebP files, one per line"
    )
    if any(what.startswith(EXCLUDED) for what in report.left_out):
        fix = f"build it with --exclude '' to take what was excluded, or {fix}"
    return f"{holds}; {fix}." + (f" {' '.join(more)}" if more else "")
