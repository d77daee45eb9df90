"""Whether a gallery shows what a text says, by the curve that its build has made: see calibration.py.

Pictures and sums of terms get no probability: the cosines of pictures tell too little (`bench calibration` measures
it), and the curve was fitted to single words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from searchdemo.collection.bounds import within_bounds
from searchdemo.collection.embedded import Embedded
from searchdemo.collection.exact import exact_once
from searchdemo.collection.reading import reader
from searchdemo.collection.scores import rescored
from searchdemo.collection.steadiness import misread
from searchdemo.collection.terms import TEXT
from searchdemo.encoders.written import tidy
from searchdemo.types import Presence

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection


def presence(collection: Collection, embedded: Embedded, only: np.ndarray | None) -> Presence | None:
    """None for what is no single text, and where a build has made no curve. only: (n,) bool, what an answer may hold.

    With a filter it is about the pictures that meet it.
    """
    if len(embedded.terms) != 1 or embedded.terms[0].kind != TEXT or embedded.terms[0].weight < 0:
        return None
    return _of(collection, str(embedded.terms[0].value), embedded.vector, only)


def by_themselves(
    collection: Collection, embedded: Embedded, only: np.ndarray | None
) -> tuple[tuple[str, Presence], ...]:
    """(term as it is written, presence) of each text that a sum adds, asked for alone; () for what is no sum."""
    if len(embedded.terms) < 2:
        return ()
    found = []
    for term, part in zip(embedded.terms, embedded.parts, strict=True):
        if term.kind == TEXT and term.weight > 0:
            row = (part / np.linalg.norm(part)).astype(np.float32)[None]
            if likely := _of(collection, str(term.value), row, only):
                found.append((str(term), likely))
    return tuple(found)


def _of(collection: Collection, text: str, vector: np.ndarray, only: np.ndarray | None) -> Presence | None:
    curve = collection.shelf.calibration(collection.artifact, collection.snapshot)
    left = len(collection) if only is None else int(np.count_nonzero(only))
    if curve is None or not left:
        return None
    found = exact_once(collection, vector, min(curve.nearest, left), only).positions
    scores = rescored(vector, collection.vectors, found[None]).scores
    doubt = float(misread(curve, reader(collection.encoder()), [tidy(text)], vector)[0])
    probability = round(curve.probability(float(scores.mean(dtype=np.float64)), doubt), 4)
    return Presence(probability, curve.error, curve.shown + curve.absent)


def check_probability(value: object) -> float:
    """Raises BadQuery for what is no number from 0 to 1."""
    return within_bounds("min_probability", value, lambda number: 0 <= number <= 1, "from 0 to 1, such as 0.5")


def withheld(found: Presence | None, least: float) -> str:
    """What to tell a person of a lowest probability; "" where the pictures are shown."""
    if not least:
        return ""
    if found is None:
        return "there is no probability for this query, so min_probability leaves nothing out"
    return f"no picture is shown: the probability is below {100 * least:g} %" if found.probability < least else ""
