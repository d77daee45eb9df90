"""What may be chosen in the Latency tab, and what was chosen, checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from PIL import Image

from searchdemo.collection.library import Query, SearchEngine
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery, NotBuilt, UnknownName
from searchdemo.indexes.base import SEARCH_PARAMS
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.race import Race

FIRST = "tiny-imagenet|bundled"  # its vectors ship: the race needs no picture on the machine
HELD_OUT, PICTURE, WORDS = SOURCES = ("held-out picture", "my picture", "words")
SIZES = (1_000, 3_000, 10_000, 30_000)
ALL = 0


def built_vectors(engine: SearchEngine, galleries: Iterable[str]) -> list[tuple[str, str]]:
    """(what people read, "gallery|encoder") of each pair that is built."""
    built = []
    for gallery in galleries:
        for encoder in ENCODERS:
            if (key := engine.built_key(gallery, encoder)) is not None:
                count = engine.store.open(key).manifest.vectors
                built.append((f"{gallery} by {encoder}: {count:,}", f"{gallery}|{encoder}"))
    return built


def first_of(choices: Sequence[tuple[str, str]]) -> str | None:
    values = [value for _, value in choices]
    return FIRST if FIRST in values else next(iter(values), None)


def sizes(vectors: int) -> list[tuple[str, int]]:
    """Parts of so many vectors to search in."""
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


def checked_race(
    gallery: str,
    encoder: str,
    indexes: Sequence[str] | None,
    size: int | None,
    k: int | None,
    batch: int | None,
    repeats: int | None,
    threads: int | None,
    *params: int | None,
) -> Race:
    """params: values of SEARCH_PARAMS, in that order. Raises UnknownName, BadQuery."""
    indexes = indexes or ()
    for index in indexes:
        if index not in INDEXES:  # faiss:STRING belongs to the command line
            raise UnknownName("index", index, INDEXES)
    named = {param.name: value for param, value in zip(SEARCH_PARAMS, params, strict=True)}
    for name, value in {"k": k, "batch": batch, "repeats": repeats, "threads": threads, **named}.items():
        if value is None:
            raise BadQuery(f"{name} is empty: give a whole number.")
    for param in SEARCH_PARAMS:
        low, high, value = param.minimum, param.maximum, named[param.name]
        if not low <= value <= high:
            raise BadQuery(f"{param.name} = {value:,} is out of bounds: choose from {low} to {high:,}.")
    cores = os.cpu_count() or 1
    if not 1 <= threads <= cores:
        raise BadQuery(f"threads = {threads} is out of bounds: choose from 1 to {cores}, the cores of this machine.")
    race = Race(
        gallery,
        encoder,
        tuple(index for index in INDEXES if index in indexes),
        k=int(k),
        repeats=int(repeats),
        batch=int(batch),
        threads=int(threads),
        size=int(size) if size else None,
        params=tuple((name, int(value)) for name, value in named.items()),
    )
    race.check()
    return race


def checked_query(source: str, number: int | None, picture: Image.Image | None, words: str | None) -> Query:
    """source: of SOURCES. Raises BadQuery when nothing was given."""
    if source == WORDS:
        return Query(text=words or "")
    if source == PICTURE:
        if picture is None:
            raise BadQuery("There is no picture to search with: bring one, or choose a held-out picture.")
        return Query(picture=picture)
    if number is None:
        raise BadQuery("The number of the held-out query is empty: give one, such as 0.")
    return Query(held_out=int(number))
