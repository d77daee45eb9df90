"""Labels where a picture may have several: of the vectors, and of the held-out queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from searchdemo.collection.knn import SEVERAL
from searchdemo.errors import NotHere
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


def labelled_queries(collection: Collection) -> tuple[np.ndarray, np.ndarray, str]:
    """The held-out queries that have labels (q, dim), these (q, L), and what a person should know. Raises NotHere."""
    (queries, _), gallery = collection.held_out(), collection.gallery
    truth = padded([gallery.queries.all_labels(collection.query_row(number)) for number in range(len(queries))])
    known = (truth >= 0).any(axis=1)
    if not known.any():
        raise NotHere(f"The held-out queries of {gallery.name!r} have no labels: accuracy needs some that do.")
    unknown = int((~known).sum())
    told = [SEVERAL] if truth.shape[1] > 1 or gallery.pictures.several_labels else []
    told += [f"held-out queries left out because they have no label: {unknown:,}"] if unknown else []
    return queries[known], truth[known], "; ".join(told)


def padded(labels: Sequence[Sequence[int]]) -> np.ndarray:
    """(n, L) int64 of n sequences of at most L; -1 fills up, and L is at least 1."""
    rows = np.full((len(labels), max((len(those) for those in labels), default=1) or 1), -1, np.int64)
    for row, those in zip(rows, labels, strict=True):
        row[: len(those)] = those
    return rows
