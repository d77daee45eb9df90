"""Which of the vectors an answer may hold: all but those of pictures that are gone, the query itself, and what a filter
leaves out. There is one way for all of them: the index is told which positions it may find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from searchdemo.metadata.follow import state
from searchdemo.metadata.grammar import parse
from searchdemo.types import MISSING

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection


def matching(collection: Collection, where: str) -> np.ndarray:
    """(n,) bool, read only: the positions whose pictures are there and meet the filter. It is kept.

    Raises BadFilter, BadArtifact.
    """
    condition, gallery, snapshot = parse(where), collection.gallery, collection.snapshot

    def meeting() -> np.ndarray:
        rows = collection.gallery_rows(np.arange(len(collection)))
        meet = collection.shelf.metadata(collection.artifact.key).matching(gallery, condition)
        found = (rows != MISSING) & meet[np.maximum(rows, 0)]
        found[snapshot.gone] = False
        found.flags.writeable = False
        return found

    return collection.shelf.matching.get((state(gallery), snapshot.identity, condition), meeting)


def without(count: int, some: np.ndarray, only: np.ndarray | None = None) -> np.ndarray | None:
    """(count,) bool: `only`, or all, without some positions; None where nothing is left out."""
    if not len(some):
        return only
    left = np.ones(count, dtype=bool) if only is None else only.copy()
    left[some] = False
    return left
