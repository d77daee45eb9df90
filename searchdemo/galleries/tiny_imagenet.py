"""tiny-ImageNet: 100,000 pictures to search in (train) and 10,000 queries (valid), 64 x 64 pixels, 200 classes.

Rows, labels and fingerprint come from indexes/tiny-imagenet/gallery.npz, which ships. So everything but the pictures
is the same with any copy of the data, and without one. blurs.npz beside it holds blurred stand-ins for the pictures.

    python -m searchdemo.galleries.tiny_imagenet --data DIR             writes gallery.npz from a copy
    python -m searchdemo.galleries.tiny_imagenet --data DIR --blurs     writes blurs.npz for the rows of gallery.npz
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from searchdemo import assets
from searchdemo.cache import Cache
from searchdemo.errors import NoPictures, NotHere
from searchdemo.galleries import content_keys
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.galleries.blurs import Blurs, save_blurs
from searchdemo.galleries.class_names import CLASS_NAMES
from searchdemo.galleries.content_keys import ABSENT, Rows
from searchdemo.galleries.copies import Copy, DatasetCopy, open_copy
from searchdemo.galleries.hub_copy import REPO, cached_copy, download_copy
from searchdemo.types import Blur, Count

ROWS_PATH = assets.INDEXES / "tiny-imagenet" / "gallery.npz"
BLURS_PATH = ROWS_PATH.with_name("blurs.npz")
LABEL_NAMES, READABLE_NAMES = tuple(CLASS_NAMES), tuple(CLASS_NAMES.values())
NAMED = 3  # `missing` names so many of the pictures that a copy lacks

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
    data_dir: Path | None = None, download: bool = False, progress: Count | None = None, **options: object
) -> Gallery:
    """Pictures from data_dir, else SEARCHDEMO_DATA, else the Hugging Face cache, else, if `download`, the hub.

    When a folder is named, no other is tried. The gallery also opens without any copy: then `encoded` returns None and
    `missing` says why. A copy is read when the first picture is needed (see MatchedCopy).
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
        class_names=READABLE_NAMES,
        pictures=MatchedPictures(rows, gallery, matched, Blurs(BLURS_PATH, fingerprint)),
        queries=MatchedPictures(rows, queries, matched),
        fingerprint=fingerprint,
        example_texts=EXAMPLE_TEXTS,
    )


def _find_copy(data_dir: Path | None, download: bool, progress: Count | None) -> Copy | None:
    if folder := data_dir or os.environ.get("SEARCHDEMO_DATA"):
        return open_copy(Path(folder))
    copy = cached_copy()
    return download_copy(progress) if copy is None and download else copy


class MatchedPictures(Pictures):
    """The pictures of one split, by row."""

    def __init__(self, rows: Rows, split: slice, copy: MatchedCopy | None, blurs: Blurs | None = None):
        self.labels = rows.labels[split].astype(np.int16)
        self._copy, self._blurs, self._start = copy, blurs, split.start
        self._keys = rows.keys[split]
        if copy:
            self.source, self.revision = copy.where, copy.revision

    @property
    def missing(self) -> str:
        """It counts both splits. The first call reads the whole copy once."""
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

    def key(self, row: int) -> bytes:
        return int(self._keys[row]).to_bytes(8, "little")  # as content_key made a number of them

    def blur(self, row: int) -> Blur | None:
        return self._blurs.get(row) if self._blurs else None

    def _checked(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return row


class MatchedCopy:
    """A copy of the data with its pictures by our row numbers. The first thread that needs it matches it once.

    Measured on two busy cores: matching by bytes takes 0.6 s once `datasets` has loaded the copy, and each picture that
    has to be recognised by its look 140 µs more.
    """

    def __init__(self, rows: Rows, copy: Copy):
        self.where, self.revision = copy.where, copy.revision
        self._rows, self._copy = rows, copy
        self._matching: Cache[tuple[np.ndarray, str]] = Cache(1)
        self._positions: np.ndarray | None = None  # of `_matched`, for the twelve reads of each answer

    def read(self, row: int) -> bytes | None:
        """row: counts through the gallery, then through the queries."""
        if self._positions is None:
            self._positions = self._matched[0]
        position = int(self._positions[row])
        return None if position == ABSENT else self._copy.read(position)

    def has(self, row: int) -> bool:
        return bool(self._matched[0][row] != ABSENT)

    @property
    def missing(self) -> str:
        positions, failure = self._matched
        absent, everything = np.flatnonzero(positions == ABSENT), len(positions)
        if failure or not len(absent):
            return failure
        names = "; ".join(map(self._name, absent[:NAMED])) + (" ..." if len(absent) > NAMED else "")
        return (
            f"{len(absent):,} of {everything:,} pictures of tiny-ImageNet are not in {self.where} ({names}); "
            "try another --data DIR."
        )

    def _name(self, row: int) -> str:
        """Readable: "row 503, bullfrog"."""
        size, name = self._rows.gallery_size, READABLE_NAMES[self._rows.labels[row]]
        return f"row {row}, {name}" if row < size else f"query {row - size}, {name}"

    @property
    def _matched(self) -> tuple[np.ndarray, str]:
        """The position in the copy of each row, (n,) int32, and the sentence of a failure or ""."""

        def match() -> tuple[np.ndarray, str]:
            try:
                return _match(self._rows, self._copy).astype(np.int32), ""
            except NotHere as error:  # it is too late to refuse the folder: go on without pictures, and say so
                return np.full(len(self._rows.labels), ABSENT, dtype=np.int32), str(error)

        return self._matching.get("positions", match)


def _match(rows: Rows, copy: Copy) -> np.ndarray:
    """The position in the copy of each row, (n,) int64: by bytes, else by look."""
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
    """Writes gallery.npz from a copy that `datasets` reads. The copy's order becomes the order of the rows."""
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
    """Writes blurs.npz from a copy with every picture of the gallery, in about a minute. Returns the number of rows."""
    gallery = open_tiny_imagenet(data_dir=data_dir)
    if gallery.missing:
        raise NoPictures(gallery.missing)
    pictures = (gallery.pictures.encoded(row) or b"" for row in range(len(gallery.pictures)))
    return save_blurs(pictures, gallery.fingerprint, path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Number the rows of tiny-ImageNet by a copy of it, or blur them.")
    parser.add_argument("--data", type=Path, required=True, help="a folder that datasets.load_dataset reads")
    parser.add_argument("--blurs", action="store_true", help="write the blurred stand-ins for the rows of gallery.npz")
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
