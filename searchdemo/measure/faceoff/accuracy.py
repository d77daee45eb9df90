"""How often each encoder names the class of a held-out picture: by neighbours, by class names, and by both.

The ways are those of a single query, see collection/classify.py. A gallery that holds nothing out is measured
leave-one-out, see collection/asked.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchdemo.collection import knn
from searchdemo.collection.asked import Asked, asked, labelled
from searchdemo.collection.classify import training_note
from searchdemo.collection.collection import EXACT, Collection
from searchdemo.collection.labelled import all_labels
from searchdemo.collection.query import check_k
from searchdemo.collection.scores import rescored
from searchdemo.encoders.templates import ClassRows, unread_note
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.indexes.base import MISSING
from searchdemo.measure.faceoff.judged import Rate, Split
from searchdemo.measure.faceoff.sides import Side

NEIGHBOURS, NAMES, BOTH = WAYS = ("neighbours", "class names", "both")
AT_ONCE = 1000  # queries, each with a share for every class


@dataclass(frozen=True, eq=False)
class Named:
    """What one encoder names in one way."""

    encoder: str
    way: str
    rows: np.ndarray  # (q,) the gallery's rows of the pictures that ask, ascending
    right: np.ndarray  # (q,) bool: whether the first guess is a label of the picture

    @property
    def rate(self) -> Rate:
        return Rate(int(self.right.sum()), len(self.right))

    @property
    def title(self) -> str:
        return f"{self.encoder} by {self.way}"

    def to_json(self) -> dict:
        counts = {"encoder": self.encoder, "way": self.way, "right": self.rate.part, "queries": self.rate.whole}
        return counts | self.rate.to_json("top1")


@dataclass(frozen=True)
class Pair(Split):
    """Each in its best way, on the pictures that both were asked about."""

    queries: int

    def __str__(self) -> str:
        said = f"Of {self.queries:,} pictures {self.better} alone names {self.only_better:,} rightly"
        return f"{said}, and {self.other} alone {self.only_other:,}: {self.verdict}."


@dataclass(frozen=True)
class Accuracies:
    k: int
    named: tuple[Named, ...]  # of each encoder in the order of WAYS
    notices: tuple[str, ...]  # sentences, why a way or an encoder is not there among them

    @property
    def pair(self) -> Pair | None:
        """None where there are no two encoders that were asked about the same pictures."""
        best: dict[str, Named] = {}
        for one in sorted(self.named, key=lambda one: -(one.rate.value or 0)):
            best.setdefault(one.encoder, one)
        if len(best) < 2:
            return None
        first, second = [*best.values()][:2]
        shared, mine, theirs = np.intersect1d(first.rows, second.rows, return_indices=True)
        right, others = first.right[mine], second.right[theirs]
        only, other = int((right & ~others).sum()), int((others & ~right).sum())
        if only < other:  # on the pictures that both were asked about
            first, second, only, other = second, first, other, only
        return Pair(first.title, second.title, only, other, len(shared)) if len(shared) else None

    def to_json(self) -> dict:
        content: dict = {"k": self.k, "accuracy": [one.to_json() for one in self.named]}
        if pair := self.pair:
            content["pair"] = pair.to_json()
        return content | ({"notices": list(self.notices)} if self.notices else {})


def accuracies(taking_part: Sequence[Side], k: int = 10, *, fetch: bool = True) -> Accuracies:
    """fetch: get weights that are not on this machine, to read the class names. Raises BadQuery for a k out of bounds,
    for a gallery without classes, and with the reasons where no encoder can be measured."""
    k = check_k(k)
    named: list[Named] = []
    notices: list[str] = []
    for side in taking_part:
        if side.collection is None:
            notices.append(f"{side.encoder}: {side.said}")
            continue
        if not side.collection.gallery.label_names:
            raise BadQuery(
                f"The gallery {side.collection.gallery.name!r} has no classes, so there is no accuracy to measure: put "
                "the pictures of each class in a folder of its own."
            )
        try:
            found, said = _named(side.encoder, side.collection, k, fetch)
        except SearchDemoError as error:
            found, said = [], [f"{side.encoder}: {error}"]
        named += found
        notices += said
    if not named:
        raise BadQuery(" ".join(notices) or "No encoder is built, so none can be measured.")
    return Accuracies(k, tuple(named), tuple(dict.fromkeys(notices)))


def _named(encoder: str, collection: Collection, k: int, fetch: bool) -> tuple[list[Named], list[str]]:
    """Of one encoder, and what a person should know. Raises NotHere without labelled queries, and as `index` does."""
    found, rows = labelled(collection), _rows(collection)
    spec, gallery = collection.encoder_spec, collection.gallery
    told = [f"{found.notice[0].upper()}{found.notice[1:]}."] if found.notice else []
    names, unread = _names(collection, fetch)
    told += [note for note in (unread, training_note(spec, gallery.name)) if note]
    if collection.stand_in:
        told.append(f"The weights of {encoder} are stand-ins with random numbers: its accuracy means nothing.")
    guesses = _guesses(collection, found, k, names)
    order = np.argsort(rows)
    return [
        Named(encoder, way, rows[order], knn.rightly(guess[:, None], found.labels)[order, 0])
        for way, guess in guesses.items()
    ], told


def _rows(collection: Collection) -> np.ndarray:
    """(q,) the gallery's rows of the pictures that `labelled` asks with: held-out ones, else those of the gallery."""
    every = asked(collection)
    known = np.flatnonzero((every.labels >= 0).any(axis=1))
    if every.own is not None:
        return collection.gallery_rows(every.own)[known]
    return np.array([collection.query_row(number) for number in known.tolist()], np.int64)


def _names(collection: Collection, fetch: bool) -> tuple[ClassRows | None, str]:
    """The class names as the encoder reads them, and why they are not all there."""
    spec = collection.encoder_spec
    if not spec.text:
        return None, f"{spec.name} reads no words, so it names classes by neighbours alone."
    if not fetch and not collection.has_weights():
        return None, f"The weights of {spec.name} are not on this machine, so it names classes by neighbours alone."
    try:
        rows = collection.class_name_rows()
    except SearchDemoError as error:
        return None, f"{spec.name} names classes by neighbours alone: {error}"
    return rows, unread_note(spec.name, rows.unread, len(collection.gallery.label_names))


def _guesses(collection: Collection, found: Asked, k: int, names: ClassRows | None) -> dict[str, np.ndarray]:
    """Way -> (q,) the class with the largest share; -1 without one."""
    # One more than is needed: of two equal ones at the end, the first counts.
    near = found.search(collection.index(EXACT), k + 1, collection.allowed())
    best = rescored(found.vectors, collection.vectors, near)
    positions, cosines = best.positions[:, :k], best.scores[:, :k]
    labels = np.where(positions[:, :, None] == MISSING, -1, all_labels(collection)[positions])
    classes, several = len(collection.gallery.label_names), names is not None and len(names.rows) > 0
    guesses: dict[str, list[np.ndarray]] = {way: [] for way in (WAYS if several else WAYS[:1])}
    for start in range(0, len(found), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        weights = knn.vote_weights(cosines[part], knn.TEMPERATURE)
        guesses[NEIGHBOURS].append(knn.ranked_classes(weights, labels[part], classes)[:, 0])
        if names is None or not several:
            continue
        shares = np.zeros((len(weights), classes))
        temperature = collection.encoder_spec.temperature
        shares[:, names.classes] = knn.vote_weights(found.vectors[part] @ names.rows.T, temperature)
        guesses[NAMES].append(shares.argmax(axis=1))
        guesses[BOTH].append((shares + knn.class_votes(weights, labels[part], classes)).argmax(axis=1))
    return {way: np.concatenate(parts) for way, parts in guesses.items()}
