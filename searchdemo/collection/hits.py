"""From what an index found to hits: true cosines, what each term adds, rows of the gallery, labels, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from searchdemo.collection.embedded import Embedded
from searchdemo.collection.scores import rescored
from searchdemo.collection.tiles import boxes
from searchdemo.types import MISSING, Hit

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection


def hits(collection: Collection, embedded: Embedded, positions: np.ndarray, pictures: bool) -> tuple[Hit, ...]:
    """See Collection.hits."""
    vectors = collection.vectors
    best = rescored(embedded.vector, vectors, positions)
    found = best.positions[0][best.positions[0] != MISSING]
    rows, scores = collection.gallery_rows(found).tolist(), np.clip(best.scores[0][: len(found)], -1, 1).tolist()
    shares: list[tuple[float, ...]] = [()] * len(found)
    if len(embedded.terms) > 1:
        shares = [tuple(each) for each in embedded.shares(vectors.nearest(embedded.vector[0], found)).tolist()]
    tiles = collection.artifact.manifest.tiles
    nearest = vectors.best(embedded.vector[0], found).tolist()
    parts = [str(boxes(tiles)[number]) if number else "" for number in nearest]
    ranked = zip(range(1, len(rows) + 1), rows, scores, found.tolist(), shares, parts, strict=True)
    return tuple(_hit(collection, pictures, *each) for each in ranked)


def _hit(
    collection: Collection,
    with_picture: bool,
    rank: int,
    row: int,
    score: float,
    position: int,
    shares: tuple[float, ...],
    box: str,
) -> Hit:
    shown = collection.gallery
    picture = shown.pictures.shown(row) if with_picture else None
    blur = shown.blur(row) if with_picture and picture is None else None
    label, name, file = shown.label(row), shown.class_name(row), shown.file(row)
    return Hit(rank, row, label, name, score, file, picture, blur, position, shown.more_labels(row), shares, box)
