"""A query as a unit row: each term by the encoder or from the stored vectors, then their weighted sum.

The cosine is linear in the terms, so each term's share of a score is exact:
    score = sum of shares, share = weight x cosine(term, hit) / length of the weighted sum
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from searchdemo.collection.query import Query
from searchdemo.collection.terms import PICTURE, TEXT, Term, hint
from searchdemo.decoding import OWN_BYTES
from searchdemo.encoders.base import Encoder
from searchdemo.encoders.languages import foreign
from searchdemo.encoders.written import tidy
from searchdemo.errors import BadQuery
from searchdemo.pictures import open_picture

NOTHING = 1e-4  # length of a sum that is no direction: float32 rows cancel each other to less


@dataclass(frozen=True)
class Embedded:
    """A query as a unit row, and what that cost."""

    vector: np.ndarray  # (1, dim) float32
    parts: np.ndarray  # (terms, dim) float64: a hit's cosine with each is the term's share of its score
    terms: tuple[Term, ...]  # those that count
    preprocess_ms: float = 0.0
    encode_ms: float = 0.0
    notice: str = ""  # what the person should know of how it was read

    def shares(self, vectors: np.ndarray) -> np.ndarray:
        """(n, terms) float64 of hits (n, dim)."""
        # Not a matrix product, whose rounding may depend on how many hits there are.
        return np.einsum("nd,td->nt", vectors.astype(np.float64), self.parts)


def embed(
    query: Query,
    encoder: Callable[[], Encoder],
    stored: Callable[[Term], np.ndarray] | None = None,
) -> Embedded:
    """encoder: asked for where a term needs it; stored: gives the row (1, dim) of a picture of the gallery.

    Raises BadQuery, BadPicture, and what these functions raise.
    """
    terms, rows, preprocess_ms, encode_ms = query.counting, [], 0.0, 0.0
    notices: dict[str, None] = {}
    for term in terms:  # one by one, so that no row depends on the others of a batch
        if term.kind not in (TEXT, PICTURE):
            if stored is None:
                raise BadQuery(f"{term} is a picture of a gallery, and there is none here.")
            rows.append(stored(term)[0])
            continue
        reader = encoder()
        started = time.perf_counter()
        if term.kind == TEXT:
            text = query.prompt.replace("{}", tidy(str(term.value)))
            rows.append(reader.encode_texts([text])[0])
            notices[hint(term)] = None
            notices[foreign(reader.name, str(term.value))] = None
            notices[reader.text_notice(text)] = None
            encode_ms += (time.perf_counter() - started) * 1000
            continue
        pixels = reader.preprocess([picture_of(query)])
        preprocessed = time.perf_counter()
        rows.append(reader.encode_pixels(pixels)[0])
        preprocess_ms += (preprocessed - started) * 1000
        encode_ms += (time.perf_counter() - preprocessed) * 1000
    vector, parts = summed(np.stack(rows), np.array([term.weight for term in terms]))
    if all(term.weight < 0 for term in terms):
        notices["every term is taken away: these are the pictures that are least like it"] = None
    return Embedded(vector, parts, terms, preprocess_ms, encode_ms, "; ".join(filter(None, notices)))


def picture_of(query: Query) -> Image.Image:
    """The picture that is given, or the part of it in the box. Raises BadPicture."""
    assert query.picture is not None
    opened = open_picture(query.picture, OWN_BYTES)
    return query.box.crop(opened) if query.box else opened


def summed(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows (t, dim) and weights (t,) -> the sum made unit, (1, dim) float32, and each term's part of it.

    The same bits in whatever order the terms come: math.fsum rounds once. Raises BadQuery where nothing is left.
    """
    if len(rows) == 1:  # as the encoder gave it
        row = rows * np.float32(math.copysign(1, weights[0]))
        return row, row.astype(np.float64)
    weighted = rows.astype(np.float64) * (weights / np.abs(weights).max())[:, None]  # only ratios count
    total = np.array([math.fsum(column) for column in weighted.T.tolist()])
    length = math.sqrt(math.fsum(value * value for value in total.tolist()))
    if length < NOTHING:
        raise BadQuery("The terms cancel each other, so there is no direction left: change a weight, or leave one out.")
    return (total / length).astype(np.float32)[None], weighted / length
