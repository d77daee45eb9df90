"""Labels where a picture may have several: of the vectors, and of the held-out queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from searchdemo.types import MISSING

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection


def all_labels(collection: Collection) -> np.ndarray:
    """(n, L) int64: all labels of each position, the first one first; -1 fills up. L is 1 where none has several."""
    pictures = collection.gallery.pictures
    if not pictures.several_labels:
        return collection.labels()[:, None]
    rows = collection.gallery_rows(np.arange(len(collection))).tolist()
    return padded([() if row == MISSING else pictures.all_labels(row) for row in rows])


def padded(labels: Sequence[Sequence[int]]) -> np.ndarray:
    """(n, L) int64 of n sequences of at most L; -1 fills up, and L is at least 1."""
    rows = np.full((len(labels), max((len(those) for those in labels), default=1) or 1), -1, np.int64)
    for row, those in zip(rows, labels, strict=True):
        row[: len(those)] = those
    return rows
