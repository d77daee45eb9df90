"""Finds the rows of a data set in any copy of it, in whatever order the copy lists its files, by their content.

A file that ships (gallery.npz) fixes the order of the rows. A copy is matched to it in two steps: by the bytes of the
files, then, for rows without such a file, by the look of the pictures, because some copies hold them encoded again.
A third step would be one more key in Rows and one more call in tiny_imagenet._match.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from searchdemo.errors import BadArtifact
from searchdemo.files import replacing
from searchdemo.shipped import check

ABSENT = -1  # a position in a copy that stands for "this row's picture is not in it"
MAX_BITS = 6  # by which two looks of one picture differ; see match_looks


@dataclass(frozen=True)
class Rows:
    """The facts about every picture that ship without it: n rows, first those of the gallery, then the queries."""

    labels: np.ndarray  # (n,) uint8
    keys: np.ndarray  # (n,) uint64, content_key of the original file
    looks: np.ndarray  # (n,) uint64, look_key of the original picture
    gallery_size: int

    def fingerprint(self) -> str:
        """SHA-256 over labels and keys in row order. It needs no pictures."""
        return hashlib.sha256(self.labels.tobytes() + self.keys.astype("<u8").tobytes()).hexdigest()


def save_rows(rows: Rows, path: Path) -> None:
    """Writes an .npz, uncompressed because hashes do not compress."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, labels=rows.labels, keys=rows.keys, looks=rows.looks, gallery_size=rows.gallery_size)


def load_rows(path: Path) -> Rows:
    """Raises BadArtifact when the file is missing, damaged or of another shape."""
    try:
        with np.load(check(path), allow_pickle=False) as file:
            rows = Rows(file["labels"], file["keys"], file["looks"], int(file["gallery_size"]))
    except BadArtifact:
        raise
    except Exception as error:  # zipfile, zlib, numpy and the file system each raise their own
        raise BadArtifact(f"{path} is missing or damaged ({error}); get it again with `git checkout`.") from error
    if not len(rows.labels) == len(rows.keys) == len(rows.looks) >= rows.gallery_size > 0:
        raise BadArtifact(
            f"{path} does not hold one label, key and look for each row; get it again with `git checkout`."
        )
    return rows


def content_key(data: bytes) -> int:
    """The first 8 bytes of the SHA-256 of a file's bytes."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "little")


def content_keys(files: Iterable[bytes | None]) -> np.ndarray:
    """(m,) uint64, one per file. It is 0 for a file that could not be read."""
    return np.fromiter((content_key(data) if data else 0 for data in files), dtype=np.uint64)


def match_keys(wanted: np.ndarray, held: np.ndarray) -> np.ndarray:
    """For each wanted key (n,) a position in `held` (m,) that has it, or ABSENT: (n,) int64.

    Files with the same content have the same key, and any of them serves. (The train split of tiny-ImageNet has 20 such
    pairs, all across classes.)
    """
    if not len(held):
        return np.full(len(wanted), ABSENT, dtype=np.int64)
    order = np.argsort(held)
    found = order[np.minimum(np.searchsorted(held, wanted, sorter=order), len(held) - 1)]
    return np.where(held[found] == wanted, found, ABSENT)


def look_key(data: bytes | None) -> int:
    """The difference hash of a picture: one bit for each of 8 x 8 pixels, set where it is brighter than its left one.

    It is 0 for a file that cannot be read. Neal Krawetz, "Kind of Like That", hackerfactor.com 2013.
    """
    try:
        grey = Image.open(io.BytesIO(data or b"")).convert("L").resize((9, 8), Image.Resampling.BOX)
    except Exception:  # as in pictures.py: bad bytes let Pillow raise nearly anything
        return 0
    values = np.asarray(grey, dtype=np.int16)
    return int.from_bytes(np.packbits(values[:, 1:] > values[:, :-1]).tobytes(), "little")


def match_looks(wanted: np.ndarray, wanted_labels: np.ndarray, held: np.ndarray, held_labels: np.ndarray) -> np.ndarray:
    """As match_keys, but by look: two pictures of a class match when each is the other's only nearest.

    They may differ by MAX_BITS of 64 bits. Measured on 10,000 pictures of 20 classes that were encoded again as JPEG of
    quality 75: the two looks of a picture differ by 0 bits in the median and by 5 at most. At this limit, 0.06 % of the
    rows of two classes that share no picture are matched by mistake.
    """
    positions = np.full(len(wanted), ABSENT, dtype=np.int64)
    for label in np.unique(wanted_labels):
        rows, places = np.flatnonzero(wanted_labels == label), np.flatnonzero((held_labels == label) & (held != 0))
        if not len(places):
            continue
        bits = np.bitwise_count(wanted[rows, None] ^ held[None, places])  # (rows, places)
        nearest, distance = bits.argmin(axis=1), bits.min(axis=1)
        only = (bits == distance[:, None]).sum(axis=1) == 1
        mutual = bits.argmin(axis=0)[nearest] == np.arange(len(rows))
        good = only & mutual & (distance <= MAX_BITS)
        positions[rows[good]] = places[nearest[good]]
    return positions
