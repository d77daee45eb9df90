"""The pictures of one split of a data set by row."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from searchdemo.galleries.base import Pictures, content_digest
from searchdemo.galleries.copies import picture_bytes
from searchdemo.galleries.dataset_columns import Columns, Split


class DatasetPictures(Pictures):
    """Rows of a split, in its order. Pictures stay in the files, which are mapped into memory."""

    def __init__(self, split: Split, columns: Columns, folder: Path, rows: range, source: str = ""):
        self.source, self._folder = source, folder
        self._split, self._rows, self._column = split, rows, columns.image
        self._labels = columns.labels(split)[rows.start : rows.stop]
        whole = np.int16 if len(columns.names) < 2**15 else np.int32
        self.labels = np.array([those[0] if those else -1 for those in self._labels], whole)
        self.several_labels = any(len(those) > 1 for those in self._labels)

    def all_labels(self, row: int) -> tuple[int, ...]:
        return self._labels[row]

    def encoded(self, row: int) -> bytes | None:
        return picture_bytes(self._images[self._at(row)].as_py(), self._folder)

    def key(self, row: int) -> bytes:
        encoded = self.encoded(row)
        return b"" if encoded is None else content_digest(encoded)

    def _at(self, row: int) -> int:
        """The row of the split. Raises IndexError."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return self._rows[row]

    @cached_property
    def _images(self) -> Any:  # pyarrow.ChunkedArray of struct<bytes, path>
        return self._split.data.column(self._column)
