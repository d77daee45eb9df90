"""A person's own pictures: a folder, flat or with one sub-folder per class, or train/ and val/ with classes below, or
with metadata.csv or metadata.jsonl beside the pictures, whose captions and labels are taken (see described.py).

The class of a picture is the folder that it lies in, the deepest, or that of another level (`build --class-level`).

Opening it looks at names, sizes and times of change, and at the first bytes of files that are new. A build reads each
new file once, and what it finds is remembered in the catalog, so that neither is done again.
"""

from __future__ import annotations

import time

import numpy as np

from searchdemo.errors import NoPictures
from searchdemo.files import folder_named, printable
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.galleries.catalog import Catalog
from searchdemo.galleries.described import described
from searchdemo.galleries.folder_pictures import FolderPictures
from searchdemo.galleries.looked import Looked, numbered
from searchdemo.galleries.report import GalleryReport
from searchdemo.galleries.walk import walk
from searchdemo.types import Count


def open_folder(argument: str, progress: Count | None = None, **options: object) -> Gallery:
    """argument: the folder's path. progress: (files looked at, files in all). Options of other galleries are ignored.

    `report` says what became of every file, as far as it is known before a build has read the new ones.
    Raises NoPictures when there is no such folder or no picture in it.
    """
    root = folder_named(argument)
    if not argument or not root.is_dir():
        raise NoPictures(f"There is no folder {argument!r}; write folder:PATH with the path of your pictures.")
    started = time.monotonic()
    catalog, place = Catalog(), root.resolve()
    patterns = catalog.excluded(place)
    listing = walk(root, patterns)
    folder, former = catalog.folder(place, listing.files)
    if patterns != catalog.excluded(place):  # of the folder that was moved here
        listing = walk(root, catalog.excluded(place))
    looked = Looked(root, listing, catalog.known(folder, listing.files))
    catalog.remember(folder, looked.look(progress))
    looked.take_frames(lambda frames: catalog.known(folder, frames), progress)
    catalog.forget_others(folder, [*listing.files, *looked.listing.files])
    train, held_out = looked.keep_splits()
    rows = numbered(catalog, folder, looked)
    said = described(root, listing.files)
    level = catalog.class_level(place)
    everything = FolderPictures(root, folder, looked, rows, said, level)
    report = looked.report(said.files)
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
        captions=pictures.captions(),
        report=report,
        described=said.digest if level is None else f"{said.digest} level {level}",
        former=f"folder:{printable(former)}" if former else "",
        reopen=lambda: open_folder(argument),
    )


class NoQueries(Pictures):
    labels = np.empty(0, np.int16)

    def encoded(self, row: int) -> bytes | None:
        return None


def _nothing(argument: str, report: GalleryReport) -> str:
    if report.unreadable:
        found = f"{len(report.unreadable)} files named like pictures, none of them readable"
    else:
        found = "no picture files"
    more = report.lines()
    return f"The folder {argument!r} holds {found}; put JPEG, PNG or WebP files in it." + (
        f" {' '.join(more)}" if more else ""
    )
