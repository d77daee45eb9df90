"""Which class a query is of: what the vote of its neighbours says, and what the names of the classes say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from searchdemo.encoders.base import EncoderSpec
from searchdemo.types import Hit, SearchResult

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
    shares: tuple[float, ...]  # of the vote, one for each neighbour
    by_class_names: tuple[Guess, ...]  # empty when the encoder cannot read them, or none lies within a threshold

    def to_json(self) -> dict:
        content = self.neighbors.to_json()
        for hit, share in zip(content["hits"], self.shares, strict=True):
            hit["share"] = share
        return {
            "guesses": [guess.to_json() for guess in self.guesses],
            "by_class_names": [guess.to_json() for guess in self.by_class_names],
            **content,
        }


def ranked(hits: Sequence[Hit], shares: Sequence[float]) -> tuple[Guess, ...]:
    """The classes with most of the vote, best first. A hit of unknown class has its share, and nobody to give it to;
    one of several labels gives its share to each."""
    votes: dict[tuple[str, str], float] = {}
    for hit, share in zip(hits, shares, strict=True):
        for named in ((hit.label, hit.class_name), *hit.more_labels) if hit.label else ():
            votes[named] = votes.get(named, 0.0) + share
    best = sorted(votes.items(), key=lambda item: -item[1])[:GUESSES]
    return tuple(Guess(label, name, share) for (label, name), share in best)


def training_note(encoder: EncoderSpec, gallery_name: str) -> str:
    """One sentence when a vote flatters the encoder, because it has seen the gallery with its labels; else ""."""
    if encoder.trained_on != gallery_name:
        return ""
    return (
        f"The encoder {encoder.name!r} was trained on the pictures and labels of this gallery, so this is not "
        "zero-shot; the held-out queries were kept out of its training."
    )
