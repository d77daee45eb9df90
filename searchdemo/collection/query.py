"""What is searched with, and the checks of what a person gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from searchdemo.errors import BadQuery

MAX_K = 1000
MAX_TEXT = 1000  # characters; every text tower here stops reading long before


@dataclass(frozen=True)
class Query:
    """What is searched with: exactly one of these. Raises BadQuery for none or several."""

    picture: bytes | Path | Image.Image | None = None
    text: str | None = None
    row: int | None = None  # of the gallery: its stored vector; the row itself is left out of the results
    held_out: int | None = None  # number among the gallery's held-out queries: its stored vector

    def __post_init__(self):
        if sum(value is not None for value in (self.picture, self.text, self.row, self.held_out)) != 1:
            raise BadQuery("Give exactly one of a picture, a text or a row to search with.")

    @property
    def needs_encoder(self) -> bool:
        """False where a stored vector is searched with."""
        return self.picture is not None or self.text is not None


@dataclass(frozen=True)
class Embedded:
    """A query as a unit row, and what that cost."""

    vector: np.ndarray  # (1, dim) float32
    preprocess_ms: float = 0.0
    encode_ms: float = 0.0
    notice: str = ""  # what the person should know of how it was read


def check_k(k: int) -> None:
    if not 1 <= k <= MAX_K:
        raise BadQuery(f"k = {k:,} is out of bounds: choose from 1 to {MAX_K:,}.")


def checked_text(text: str) -> str:
    """The text with single blanks. Raises BadQuery for an empty or overlong one."""
    text = " ".join(text.split())
    if not text:
        raise BadQuery("The text is empty: type a few words, such as 'a red boat'.")
    if len(text) > MAX_TEXT:
        raise BadQuery(f"The text has {len(text):,} characters: shorten it to at most {MAX_TEXT:,}.")
    return text
