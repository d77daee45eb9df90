"""A gallery as an encoder sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searchdemo.collection.store import Artifact
from searchdemo.errors import BadQuery, NotHere
from searchdemo.galleries.base import Gallery
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.types import MISSING


@dataclass(frozen=True)
class Prepared:
    """A gallery as an encoder sees it: verified, mapped, ready to be searched."""

    gallery: Gallery
    artifact: Artifact
    vectors: StoredVectors
    rows: np.ndarray | None  # (n,) gallery row of each position; None: they are the same

    def gallery_rows(self, positions: np.ndarray) -> np.ndarray:
        return positions if self.rows is None else np.where(positions < 0, MISSING, self.rows[positions])

    def position(self, row: int) -> int:
        """Raises BadQuery when the row is not among the vectors."""
        if self.rows is None:
            if not 0 <= row < len(self.vectors):
                raise BadQuery(f"There is no row {row}: choose from 0 to {len(self.vectors) - 1:,}.")
            return row
        found = np.flatnonzero(self.rows == row)
        if not len(found):
            raise BadQuery(f"Row {row} is not among the {len(self.vectors):,} pictures that were embedded.")
        return int(found[0])

    def queries(self) -> tuple[np.ndarray, np.ndarray]:
        """Stored rows of the held-out queries (q, dim) float32 and their labels (q,); (0, dim) when there are none."""
        if not self.artifact.has("queries.npy"):
            return np.empty((0, self.vectors.dim), np.float32), np.empty(0, np.int64)
        stored = np.load(self.artifact.file("queries.npy")).astype(np.float32)
        labels = np.asarray(self.gallery.queries.labels, dtype=np.int64)
        if (rows := self._query_rows()) is not None:
            labels = labels[rows]
        return stored / np.linalg.norm(stored, axis=1, keepdims=True), labels

    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """As queries, one at least. Raises NotHere when there are none."""
        queries, labels = self.queries()
        if not len(queries):
            raise NotHere(
                f"No held-out queries of {self.artifact.key.gallery!r} are stored, so accuracy cannot be measured; "
                "choose a gallery that has them, such as 'tiny-imagenet' or 'scenes'."
            )
        return queries, labels

    def query_picture(self, number: int) -> bytes | None:
        """The picture of a stored held-out query; None when it is not on this machine."""
        rows = self._query_rows()
        return self.gallery.queries.encoded(int(number if rows is None else rows[number]))

    def _query_rows(self) -> np.ndarray | None:
        """(q,) which of the gallery's queries each stored one is; None: they are the same."""
        return np.load(self.artifact.file("query_rows.npy")) if self.artifact.has("query_rows.npy") else None
