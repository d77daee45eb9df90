"""Which class a query is of: what the vote of its neighbours says, and what the names of the classes say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from searchdemo.collection import knn
from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.templates import ClassRows, unread_note
from searchdemo.errors import NotHere
from searchdemo.galleries.base import Gallery
from searchdemo.types import Hit, SearchResult

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection

Named = tuple[str, str]  # label, class name

GUESSES = 5


@dataclass(frozen=True)
class Guess:
    label: str
    class_name: str
    share: float  # of the vote, or of the softmax over class names; 0 to 1
    degrees: float | None = None  # the angle between the query and the class's name; None for a vote

    def to_json(self) -> dict:
        angle = {} if self.degrees is None else {"degrees": self.degrees, "radians": math.radians(self.degrees)}
        return {"label": self.label, "class_name": self.class_name, "share": self.share} | angle


@dataclass(frozen=True)
class Classification:
    guesses: tuple[Guess, ...]  # by neighbours, best first, at most GUESSES
    neighbors: SearchResult
    shares: tuple[float, ...]  # of the vote, one for each neighbour; 0 for those beyond max_degrees
    by_class_names: tuple[Guess, ...]
    names_notice: str = ""  # which class names are no guesses, and why
    names_left_out: tuple[str, ...] = ()  # those that the encoder cannot read
    both: tuple[Guess, ...] = ()  # by neighbours and by class names together; empty where by_class_names is
    max_degrees: float = knn.ANY_ANGLE
    names_beyond: tuple[Guess, ...] = ()  # of the GUESSES nearest names, those beyond max_degrees

    @property
    def angles(self) -> tuple[float, ...]:
        """Degrees between the query and each neighbour."""
        return tuple(knn.degrees(np.array([hit.score for hit in self.neighbors.hits])).tolist())

    @property
    def beyond(self) -> int:
        """Neighbours without a vote, because they lie beyond max_degrees."""
        return sum(angle > self.max_degrees for angle in self.angles)

    @property
    def nothing(self) -> str:
        """What stands in the place of a class where no neighbour votes; "" where one does."""
        if len(self.angles) > self.beyond:
            return ""
        return f"no neighbour within {self.max_degrees:g}°" if self.angles else "no neighbour found"

    @property
    def notice(self) -> str:
        """What the threshold left out; "" without one."""
        if self.max_degrees >= knn.ANY_ANGLE:
            return ""
        told = [left_out(self.beyond, len(self.angles), "neighbour", self.max_degrees)] if self.angles else []
        if names := len(self.by_class_names) + len(self.names_beyond):
            told.append(left_out(len(self.names_beyond), names, "nearest class name", self.max_degrees))
        return "; ".join(told)

    def to_json(self) -> dict:
        content = self.neighbors.to_json()
        for hit, share, angle in zip(content["hits"], self.shares, self.angles, strict=True):
            hit |= {"share": share, "degrees": angle, "radians": math.radians(angle)}
        if self.notice:
            content["notice"] = "; ".join(filter(None, (content.get("notice"), self.nothing, self.notice)))
        return {
            "guesses": [guess.to_json() for guess in self.guesses],
            "by_class_names": [guess.to_json() for guess in self.by_class_names],
            "names_notice": self.names_notice,
            "names_left_out": list(self.names_left_out),
            "both": [guess.to_json() for guess in self.both],
            "max_degrees": self.max_degrees,
            "beyond": {"neighbors": self.beyond, "class_names": [guess.to_json() for guess in self.names_beyond]},
            **content,
        }


def left_out(beyond: int, of: int, what: str, max_degrees: float) -> str:
    """ "7 of 20 neighbours lie beyond 58°"."""
    one = beyond == 1
    return f"{beyond:,} of {of:,} {what}{'' if of == 1 else 's'} {'lies' if one else 'lie'} beyond {max_degrees:g}°"


class ByNames(NamedTuple):
    guesses: tuple[Guess, ...] = ()
    notice: str = ""
    left_out: tuple[str, ...] = ()
    beyond: tuple[Guess, ...] = ()  # of the GUESSES nearest, those further away than is allowed


def by_class_names(
    spec: EncoderSpec, gallery: Gallery, read: Callable[[], ClassRows], vector: np.ndarray, max_degrees: float
) -> ByNames:
    """All classes whose names lie no further away from a query (dim,) than this, the nearest first.

    read: gives the rows of the names; where it raises NotHere, the notice says so.
    """
    labels, names = gallery.label_names, gallery.class_names
    if not spec.text:
        return ByNames(notice=f"The encoder {spec.name} reads no words, so there is no answer by class names.")
    try:
        known = read()
    except NotHere as error:  # no weights: a stored query does without, and the neighbours vote all the same
        return ByNames(notice=f"There is no answer by class names: {error}")
    cosines = known.rows @ vector
    degrees, shares = knn.degrees(cosines), knn.vote_weights(cosines[None], spec.temperature)[0]
    nearest = np.argsort(-shares)
    ranked = tuple(
        Guess(labels[number], names[number], float(shares[i]), float(degrees[i]))
        for i, number in zip(nearest.tolist(), known.classes[nearest].tolist(), strict=True)
    )
    within = int((degrees <= max_degrees).sum())
    said = [unread_note(spec.name, known.unread, len(names))]
    if len(cosines) and not within:
        said.append(f"No class name lies within {max_degrees:g} degrees of the query.")
    notice = " ".join(filter(None, said))
    return ByNames(ranked[:within], notice, known.unread, ranked[within:GUESSES])


def classified(
    collection: Collection,
    result: SearchResult,
    temperature: float | None = knn.TEMPERATURE,
    max_degrees: float = knn.ANY_ANGLE,
) -> Classification:
    """The class of a query whose neighbours were found. temperature, max_degrees: see Collection.classify."""
    cosines = knn.near(np.array([[hit.score for hit in result.hits]]), max_degrees)
    shares = tuple(knn.vote_weights(cosines, temperature)[0].tolist()) if result.hits else ()
    voting = int(np.isfinite(cosines).sum())  # hits come nearest first
    spec, read = collection.encoder_spec, collection.class_name_rows
    votes = votes_of(result.hits[:voting], shares[:voting])
    found = by_class_names(spec, collection.gallery, read, result.vector, max_degrees)
    names = {(guess.label, guess.class_name): guess.share for guess in found.guesses}
    both = together(votes, names) if names else ()
    return Classification(
        best_of(votes),
        result,
        shares,
        found.guesses[:GUESSES],
        found.notice,
        found.left_out,
        both,
        float(max_degrees),
        found.beyond,
    )


def votes_of(hits: Sequence[Hit], shares: Sequence[float]) -> dict[Named, float]:
    """What each class has of the vote. A hit of unknown class has its share, and nobody to give it to; one of several
    labels gives its share to each."""
    votes: dict[Named, float] = {}
    for hit, share in zip(hits, shares, strict=True):
        for named in ((hit.label, hit.class_name), *hit.more_labels) if hit.label else ():
            votes[named] = votes.get(named, 0.0) + share
    return votes


def together(votes: Mapping[Named, float], names: Mapping[Named, float]) -> tuple[Guess, ...]:
    """The classes by the mean of both shares (the sum rule of Kittler et al. 1998, "On combining classifiers")."""
    return best_of({named: (votes.get(named, 0.0) + names.get(named, 0.0)) / 2 for named in {**votes, **names}})


def best_of(shares: Mapping[Named, float]) -> tuple[Guess, ...]:
    """The GUESSES classes with most, best first; of equal ones the first."""
    best = sorted(shares.items(), key=lambda item: -item[1])[:GUESSES]
    return tuple(Guess(label, name, share) for (label, name), share in best)


def training_note(encoder: EncoderSpec, gallery_name: str) -> str:
    """One sentence when a vote flatters the encoder, because it has seen the gallery with its labels; else ""."""
    if encoder.trained_on != gallery_name:
        return ""
    return (
        f"The encoder {encoder.name!r} was trained on the pictures and labels of this gallery, so this is not "
        "zero-shot; the held-out queries were kept out of its training."
    )
