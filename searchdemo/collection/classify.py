"""Which class a query is of: by the vote of its neighbours, and by the names of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searchdemo.collection.knn import TEMPERATURE, vote_weights
from searchdemo.collection.library import Query, SearchEngine
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery, NotHere
from searchdemo.types import SearchResult


@dataclass(frozen=True)
class Guess:
    label: str
    class_name: str
    share: float  # of the vote, or of the softmax over class names; 0 to 1


@dataclass(frozen=True)
class Classification:
    guesses: tuple[Guess, ...]  # by neighbours, best first, at most 5
    neighbors: SearchResult
    shares: tuple[float, ...]  # of the vote, one for each neighbour
    by_class_names: tuple[Guess, ...]  # empty when the encoder cannot read them

    def to_json(self) -> dict:
        content = self.neighbors.to_json()
        for hit, share in zip(content["hits"], self.shares, strict=True):
            hit["share"] = share
        return {
            "guesses": [vars(guess) for guess in self.guesses],
            "by_class_names": [vars(guess) for guess in self.by_class_names],
            **content,
        }


def classify(
    engine: SearchEngine,
    query: Query,
    gallery: str,
    encoder: str,
    index: str,
    k: int = 20,
    temperature: float | None = TEMPERATURE,
    **params: int,
) -> Classification:
    """The class by the vote of the k nearest, and by class names when the encoder reads words.

    temperature None: every neighbour counts alike. Raises BadQuery for a temperature of 0 or below, or a gallery
    without classes, and all that SearchEngine.search raises.
    """
    if temperature is not None and not temperature > 0:
        raise BadQuery(f"temperature = {temperature} is out of bounds: choose above 0, such as {TEMPERATURE}.")
    if not engine.gallery(gallery).label_names:
        raise BadQuery(
            f"The gallery {gallery!r} has no classes: put the pictures of each class in a folder of its own."
        )
    result = engine.search(query, gallery, encoder, index, k, **params)
    shares = vote_weights(np.array([[hit.score for hit in result.hits]]), temperature)[0] if result.hits else ()
    votes: dict[tuple[str, str], float] = {}
    for hit, share in zip(result.hits, shares, strict=True):
        if hit.label:  # a picture of unknown class has its share of the vote, and nobody to give it to
            votes[hit.label, hit.class_name] = votes.get((hit.label, hit.class_name), 0.0) + float(share)
    best = sorted(votes.items(), key=lambda item: -item[1])[:5]
    return Classification(
        tuple(Guess(label, name, share) for (label, name), share in best),
        result,
        tuple(float(share) for share in shares),
        by_class_names(engine, result.vector, gallery, encoder),
    )


def by_class_names(engine: SearchEngine, vector: np.ndarray, gallery: str, encoder: str) -> tuple[Guess, ...]:
    """The 5 classes whose names lie nearest to a query (dim,); empty when the encoder cannot read them."""
    if not ENCODERS.find(encoder).text:
        return ()
    opened = engine.gallery(gallery)
    try:
        network = engine.encoder(encoder)
    except NotHere:  # a stored query needs no weights, and a page without this column is better than none
        return ()
    engine.prepared(gallery, encoder).artifact.check_weights(network.weights_sha256)
    try:
        cosines = engine.class_name_rows(gallery, encoder) @ vector
    except BadQuery:  # names of folders in a script that it does not know: the neighbours vote all the same
        return ()
    shares = vote_weights(cosines[None], ENCODERS.find(encoder).temperature)[0]
    best = np.argsort(-shares)[:5]
    return tuple(Guess(opened.label_names[i], opened.class_names[i], float(shares[i])) for i in best)


def training_note(gallery: str, encoder: str) -> str:
    """One sentence when a vote flatters the encoder, because it has seen the gallery with its labels; else ""."""
    if ENCODERS.find(encoder).trained_on != gallery:
        return ""
    return (
        f"The encoder {encoder!r} was trained on the pictures and labels of this gallery, so this is not zero-shot; "
        "the held-out queries were kept out of its training."
    )
