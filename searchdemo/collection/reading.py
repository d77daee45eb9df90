"""Texts that an encoder has read already: visitors ask for the same words again, and a weight that is dragged asks at
every step. A row depends on its text alone. What measures an encoder asks the encoder itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from searchdemo.cache import Cache, Caches
from searchdemo.encoders.base import Encoder

MOST = 2_000  # texts per encoder, the latest: 1 to 4 MB

_rows: Caches[Encoder, np.ndarray] = Caches(MOST)


def reader(encoder: Encoder) -> Encoder:
    """The same encoder, which computes a single text once. Its row is not to be written to."""
    return cast(Encoder, _Reader(encoder, _rows.of(encoder)))


class _Reader:
    def __init__(self, encoder: Encoder, kept: Cache[np.ndarray]):
        self._encoder, self._kept = encoder, kept

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows; in a batch, rows may depend on the other texts. Raises BadQuery."""
        if len(texts) != 1:
            return self._encoder.encode_texts(texts)
        return self._kept.get(texts[0], lambda: self._read(texts))

    def _read(self, texts: Sequence[str]) -> np.ndarray:
        rows = self._encoder.encode_texts(texts).copy()  # not a part of something larger, which would stay as well
        rows.flags.writeable = False
        return rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)
