"""The queries that accuracy and recall are measured with, and what each of them must not find.

They are the held-out ones. Where a gallery holds none out, its own pictures ask, and each is left out of its own
answer: leave-one-out, which is said beside the figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from searchdemo.collection.build import balanced_rows
from searchdemo.collection.knn import SEVERAL
from searchdemo.collection.labelled import all_labels, padded
from searchdemo.errors import NotHere
from searchdemo.indexes.base import Index
from searchdemo.types import Neighbors

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection

MOST = 10_000  # pictures of a gallery that ask, balanced over the classes


@dataclass(frozen=True)
class Asked:
    """q queries."""

    vectors: np.ndarray  # (q, dim) float32 unit rows
    labels: np.ndarray  # (q, L) int64, the first one first; -1 fills up
    own: np.ndarray | None = None  # (q,) the position of each among the vectors, which it must not find
    notice: str = ""  # what a person should know

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, some: np.ndarray | slice) -> Asked:
        own = None if self.own is None else self.own[some]
        return replace(self, vectors=self.vectors[some], labels=self.labels[some], own=own)

    def search(self, index: Index, k: int, only: np.ndarray | None = None, **params: int) -> np.ndarray:
        """(q, k) positions, none of them the query's own; fewer columns where there are fewer vectors."""
        found = index.search(self.vectors, k + (self.own is not None), only, **params)
        return found.positions if self.own is None else without_themselves(found, self.own).positions


def asked(collection: Collection, most: int = MOST) -> Asked:
    """The held-out queries; else `most` of the gallery's pictures. Raises NotHere where there is no second picture."""
    gallery = collection.gallery
    if len(collection.queries):
        numbers = range(len(collection.queries))
        labels = padded([gallery.queries.all_labels(collection.query_row(number)) for number in numbers])
        return Asked(collection.queries, labels)
    there = np.setdiff1d(np.arange(len(collection)), collection.snapshot.gone)
    if len(there) < 2:
        raise NotHere(
            f"{gallery.name!r} has no held-out queries and fewer than two pictures, so accuracy cannot be measured; "
            "choose a gallery with more."
        )
    own = there[balanced_rows(collection.labels()[there], most)]
    which = "each picture" if len(own) == len(there) else f"{len(own):,} of the {len(there):,} pictures, balanced,"
    said = f"leave-one-out: no queries are held out, so {which} asked and was left out of its own answer"
    return Asked(collection.vectors.take(own), all_labels(collection)[own], own, said)


def labelled(collection: Collection) -> Asked:
    """Those that have labels. Raises NotHere where none has one."""
    found = asked(collection)
    known = (found.labels >= 0).any(axis=1)
    which = "pictures" if found.own is not None else "held-out queries"
    if not known.any():
        raise NotHere(f"The {which} of {collection.gallery.name!r} have no labels: accuracy needs some that do.")
    unknown = int((~known).sum())
    told = [found.notice] * bool(found.notice)
    told += [SEVERAL] if found.labels.shape[1] > 1 or collection.gallery.pictures.several_labels else []
    told += [f"{which} left out because they have no label: {unknown:,}"] if unknown else []
    found = found.take(np.flatnonzero(known))
    told += [hopeless(found.labels, all_labels(collection), found.own is not None)]
    return replace(found, notice="; ".join(filter(None, told)))


def hopeless(truth: np.ndarray, labels: np.ndarray, inside: bool) -> str:
    """How many queries (q, L) no neighbour can name rightly, because no vector (n, M) is of a class of theirs; or "".

    inside: the queries are among the vectors, and each has to find another one.
    """
    there = np.bincount(labels[labels >= 0], minlength=int(truth.max(initial=-1)) + 1)
    alone = int((~((truth >= 0) & (there[truth] > inside)).any(axis=1)).sum())
    other = "other " * inside
    return (
        f"for {alone:,} of {len(truth):,} queries no {other}picture has their class, so they are wrong" if alone else ""
    )


def without_themselves(found: Neighbors, own: np.ndarray) -> Neighbors:
    """(q, k+1) neighbours -> (q, k), without the row own[i] of query i, wherever it stands.

    It need not stand first: a duplicate has the same cosine. Where it is absent, k+1 duplicates or more stand before
    it, or the index missed it, and the last neighbour is left out.
    """
    others = found.positions != own[:, None]
    others[others.all(axis=1), -1] = False
    shape = (len(own), found.positions.shape[1] - 1)
    return Neighbors(found.positions[others].reshape(shape), found.scores[others].reshape(shape))
