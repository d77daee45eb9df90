"""tiny-ImageNet: 100,000 pictures to search in (train) and 10,000 queries (valid), 64 x 64 pixels, 200 classes.

Rows, labels and fingerprint come from indexes/tiny-imagenet/gallery.npz, which ships, so everything but the pictures
themselves is the same with any copy of the data and with none. blurs.npz beside it holds blurred stand-ins for the
pictures.

    python -m searchdemo.galleries.tiny_imagenet --data DIR             writes gallery.npz from a copy
    python -m searchdemo.galleries.tiny_imagenet --data DIR --blurs     writes blurs.npz, for the rows there are
"""

from __future__ import annotations

import argparse
import os
import threading
from functools import cached_property
from pathlib import Path

import numpy as np

from searchdemo import assets
from searchdemo.errors import NoPictures, NotHere
from searchdemo.galleries import content_keys
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.galleries.blurs import Blurs, save_blurs
from searchdemo.galleries.class_names import CLASS_NAMES
from searchdemo.galleries.content_keys import ABSENT, Rows
from searchdemo.galleries.copies import Copy, DatasetCopy, open_copy
from searchdemo.galleries.hub_copy import REPO, cached_copy, download_copy
from searchdemo.hub import Progress
from searchdemo.types import Blur

ROWS_PATH = assets.INDEXES / "tiny-imagenet" / "gallery.npz"
BLURS_PATH = ROWS_PATH.with_name("blurs.npz")
LABEL_NAMES = tuple(CLASS_NAMES)
NAMED = 3  # of the pictures that a copy lacks, in `missing`

EXAMPLE_TEXTS = (
    "a yellow school bus",
    "a puppy",
    "citrus fruit",
    "a bridge over water",
    "a big cat resting",
    "something to eat with melted cheese",
    "an insect on a leaf",
    "a tower by the sea",
)


def open_tiny_imagenet(
    data_dir: Path | None = None, download: bool = False, progress: Progress | None = None, **options: object
) -> Gallery:
    """Pictures from data_dir, else SEARCHDEMO_DATA, else the Hugging Face cache, else, if `download`, the hub.

    A folder that is named is the only one tried. Without any copy the gallery opens all the same: `encoded` returns
    None and `missing` says why. Copies are read on first use of a picture (see MatchedCopy).
    Raises NoPictures when the named folder holds no pictures, or the download was asked for and failed.
    """
    rows = content_keys.load_rows(ROWS_PATH)
    copy = _find_copy(data_dir, download, progress)
    matched = None if copy is None else MatchedCopy(rows, copy)
    gallery = slice(0, rows.gallery_size)
    queries = slice(rows.gallery_size, len(rows.labels))
    fingerprint = rows.fingerprint()
    return Gallery(
        name="tiny-imagenet",
        label_names=LABEL_NAMES,
        class_names=tuple(CLASS_NAMES.values()),
        pictures=MatchedPictures(rows, gallery, matched, Blurs(BLURS_PATH, fingerprint)),
        queries=MatchedPictures(rows, queries, matched),
        fingerprint=fingerprint,
        example_texts=EXAMPLE_TEXTS,
    )


def _find_copy(data_dir: Path | None, download: bool, progress: Progress | None) -> Copy | None:
    if folder := data_dir or os.environ.get("SEARCHDEMO_DATA"):
        return open_copy(Path(folder))
    copy = cached_copy()
    return download_copy(progress) if copy is None and download else copy


class MatchedPictures(Pictures):
    """The pictures of one split, by row."""

    def __init__(self, rows: Rows, split: slice, copy: MatchedCopy | None, blurs: Blurs | None = None):
        self.labels = rows.labels[split].astype(np.int16)
        self._copy, self._blurs, self._start = copy, blurs, split.start
        if copy:
            self.source, self.revision = copy.where, copy.revision

    @property
    def missing(self) -> str:
        """Of both splits. It is counted when it is first asked for: counting goes through the whole copy once."""
        if self._copy:
            return self._copy.missing
        return (
            "The pictures of tiny-ImageNet are not on this machine: give a copy with --data DIR or "
            f"SEARCHDEMO_DATA, or go online and download {REPO} (147 MB)."
        )

    def encoded(self, row: int) -> bytes | None:
        return self._copy.read(self._start + self._checked(row)) if self._copy else None

    def has(self, row: int) -> bool:
        return self._copy is not None and self._copy.has(self._start + self._checked(row))

    def blur(self, row: int) -> Blur | None:
        return self._blurs[row] if self._blurs else None

    def _checked(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return row


class MatchedCopy:
    """A copy of the data with its pictures under our row numbers; matched once, by the first thread that needs it.

    Measured on two busy cores: 0.6 s by bytes once `datasets` has loaded the copy; 140 µs more for each picture that
    has to be recognised by its look.
    """

    def __init__(self, rows: Rows, copy: Copy):
        self.where, self.revision = copy.where, copy.revision
        self._rows = rows
        self._copy = copy
        self._lock = threading.Lock()

    def read(self, row: int) -> bytes | None:
        """row: of all rows, those of the queries after those of the gallery."""
        position = self._positions[row]
        return None if position == ABSENT else self._copy.read(int(position))

    def has(self, row: int) -> bool:
        return self._positions[row] != ABSENT

    @property
    def missing(self) -> str:
        absent, everything = np.flatnonzero(self._positions == ABSENT), len(self._positions)
        if self._failure or not len(absent):
            return self._failure
        names = "; ".join(map(self._name, absent[:NAMED])) + (" ..." if len(absent) > NAMED else "")
        return (
            f"{len(absent):,} of {everything:,} pictures of tiny-ImageNet are not in {self.where} ({names}); "
            "try another --data DIR."
        )

    def _name(self, row: int) -> str:
        """For people: "row 503, bullfrog"."""
        size, name = self._rows.gallery_size, tuple(CLASS_NAMES.values())[self._rows.labels[row]]
        return f"row {row}, {name}" if row < size else f"query {row - size}, {name}"

    @property
    def _positions(self) -> np.ndarray:
        with self._lock:
            return self._matched[0]

    @property
    def _failure(self) -> str:
        with self._lock:
            return self._matched[1]

    @cached_property
    def _matched(self) -> tuple[np.ndarray, str]:
        """Position in the copy of each row, (n,) int32; and what went wrong, if anything."""
        try:
            return _match(self._rows, self._copy).astype(np.int32), ""
        except NotHere as error:  # too late to refuse the folder: go on without pictures, and say so
            return np.full(len(self._rows.labels), ABSENT, dtype=np.int32), str(error)


def _match(rows: Rows, copy: Copy) -> np.ndarray:
    """(n,) int64: by bytes, then by look what bytes did not find."""
    positions = content_keys.match_keys(rows.keys, content_keys.content_keys(copy.read_all()))
    absent = np.flatnonzero(positions == ABSENT)
    unused = np.ones(len(copy), dtype=bool)
    unused[positions[positions != ABSENT]] = False
    labels = copy.labels(LABEL_NAMES) if len(absent) and unused.any() else np.full(len(copy), -1)
    spare = np.flatnonzero(unused & (labels >= 0))  # a picture is recognised among those of its class only
    if len(absent) and len(spare):
        looks = np.fromiter((content_keys.look_key(copy.read(int(i))) for i in spare), dtype=np.uint64)
        found = content_keys.match_looks(rows.looks[absent], rows.labels[absent], looks, labels[spare])
        positions[absent] = np.where(found == ABSENT, ABSENT, spare[found])
    return positions


def write_rows(data_dir: Path, path: Path) -> Rows:
    """gallery.npz from a copy that `datasets` reads; its order becomes the order of the rows."""
    copy = open_copy(data_dir)
    if not isinstance(copy, DatasetCopy) or list(copy.split_sizes()) != ["train", "valid"]:
        raise NoPictures(f"'{data_dir}' is not a data set of the splits train and valid; rows are numbered by one.")
    labels = copy.labels(LABEL_NAMES)
    if (labels < 0).any():
        raise NoPictures(f"'{data_dir}' has pictures without one of the 200 known labels; rows need one each.")
    keys = content_keys.content_keys(copy.read_all())
    looks = np.fromiter(map(content_keys.look_key, copy.read_all()), dtype=np.uint64)
    rows = Rows(labels.astype(np.uint8), keys, looks, gallery_size=copy.split_sizes()["train"])
    path.parent.mkdir(parents=True, exist_ok=True)
    content_keys.save_rows(rows, path)
    return rows


def write_blurs(data_dir: Path, path: Path) -> int:
    """blurs.npz from a copy with every picture of the gallery, in about a minute; the number of rows."""
    gallery = open_tiny_imagenet(data_dir=data_dir)
    if gallery.missing:
        raise NoPictures(gallery.missing)
    pictures = map(gallery.pictures.encoded, range(len(gallery.pictures)))
    return save_blurs(pictures, gallery.fingerprint, path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Number the rows of tiny-ImageNet by a copy of it, or blur them.")
    parser.add_argument("--data", type=Path, required=True, help="a folder that datasets.load_dataset reads")
    parser.add_argument("--blurs", action="store_true", help="write the blurred stand-ins of the rows there are")
    parser.add_argument("--write", type=Path, help=f"default: {ROWS_PATH}, with --blurs {BLURS_PATH}")
    arguments = parser.parse_args()
    if arguments.blurs:
        path = arguments.write or BLURS_PATH
        print(f"{path}: {write_blurs(arguments.data, path):,} rows")
    else:
        path = arguments.write or ROWS_PATH
        rows = write_rows(arguments.data, path)
        print(f"{path}: {len(rows.labels):,} rows, fingerprint {rows.fingerprint()}")


if __name__ == "__main__":
    main()
