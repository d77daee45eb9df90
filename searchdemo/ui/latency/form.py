"""The choices in the Latency tab, and their check."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from PIL import Image

from searchdemo.collection.collection import Collection
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery, NotBuilt, UnknownName
from searchdemo.indexes.base import SEARCH_PARAMS, checked_params
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.race import Race
from searchdemo.ui.page import whole

FIRST = "tiny-imagenet|bundled"  # its vectors ship, and a race needs no picture on the machine
HELD_OUT, PICTURE, WORDS = SOURCES = ("held-out picture", "my picture", "words")
SIZES = (1_000, 3_000, 10_000, 30_000)
ALL = 0
NUMBERS = ("k", "batch", "repeats", "threads", *(param.name for param in SEARCH_PARAMS))  # fields of the tab


@dataclass(frozen=True)
class Asked:
    """The race that a visitor asked for, and the vectors to search in."""

    gallery: str
    encoder: str
    size: int | None  # search only in so many of the vectors; None: in all
    race: Race

    def open(self, library: Library) -> Collection:
        """Raises NotBuilt, BadArtifact."""
        collection = library.open(self.gallery, self.encoder)
        return collection.part(self.size) if self.size else collection


def built_vectors(library: Library, galleries: Iterable[str]) -> list[tuple[str, str]]:
    """(label for people, "gallery|encoder") of each pair that is built."""
    built = []
    for gallery, encoder in product(galleries, ENCODERS):
        if key := library.built(Key(gallery, encoder, library.transform, library.metric, library.limit)):
            count = library.store.open(key).manifest.vectors
            built.append((f"{gallery} by {encoder}: {count:,}", f"{gallery}|{encoder}"))
    return built


def first_of(choices: Sequence[tuple[str, str]]) -> str | None:
    values = [value for _, value in choices]
    return FIRST if FIRST in values else next(iter(values), None)


def sizes(vectors: int) -> list[tuple[str, int]]:
    """Sizes of the parts that `vectors` vectors have, as (label, size)."""
    return [("all", ALL), *((f"{size:,}", size) for size in SIZES if size < vectors)]


def thread_choices() -> list[int]:
    """1, 2, 4 ... and all the cores."""
    cores = os.cpu_count() or 1
    return sorted({*(2**power for power in range(cores.bit_length())), cores})


def checked_vectors(vectors: str | None, galleries: Iterable[str]) -> tuple[str, str]:
    """(gallery, encoder). Raises UnknownName, NotBuilt."""
    if not vectors:
        raise NotBuilt("No vectors are built yet: build some in the image search first.")
    gallery, _, encoder = vectors.rpartition("|")
    if gallery not in galleries:
        raise UnknownName("gallery", gallery, galleries)
    ENCODERS.find(encoder)
    return gallery, encoder


def checked(
    vectors: str | None, galleries: Iterable[str], indexes: Sequence[str] | None, size: int | None, *numbers: int | None
) -> Asked:
    """numbers: values of NUMBERS, in that order. Raises UnknownName, NotBuilt, BadQuery."""
    gallery, encoder = checked_vectors(vectors, galleries)
    chosen = {INDEXES.find(index).name for index in indexes or ()}  # faiss:STRING belongs to the command line
    given = {name: whole(name, value) for name, value in zip(NUMBERS, numbers, strict=True)}
    params = {param.name: given.pop(param.name) for param in SEARCH_PARAMS}
    checked_params("a race", SEARCH_PARAMS, params)
    cores = os.cpu_count() or 1
    if not 1 <= (threads := given["threads"]) <= cores:
        raise BadQuery(f"threads = {threads} is out of bounds: choose from 1 to {cores}, the cores of this machine.")
    race = Race(tuple(index for index in INDEXES if index in chosen), **given, params=tuple(params.items()))
    race.check()
    return Asked(gallery, encoder, size or None, race)


def checked_query(source: str, number: int | None, picture: Image.Image | None, words: str | None) -> Query:
    """source: one of SOURCES. Raises BadQuery when its field is empty."""
    if source == WORDS:
        return Query(text=words or "")
    if source == PICTURE:
        if picture is None:
            raise BadQuery("There is no picture to search with: bring one, or choose a held-out picture.")
        return Query(picture=picture)
    if number is None:
        raise BadQuery("The number of the held-out query is empty: give one, such as 0.")
    return Query(held_out=int(number))
