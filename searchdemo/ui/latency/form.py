"""The choices in the Latency tab, and their check."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from searchdemo.collection.collection import Collection
from searchdemo.collection.library import Library
from searchdemo.errors import BadQuery
from searchdemo.indexes.base import SEARCH_PARAMS, checked_params
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.race import Race
from searchdemo.ui.page import Choice, whole

SIZES = (1_000, 3_000, 10_000, 30_000)
ALL = 0


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


def sizes(vectors: int) -> list[tuple[str, int]]:
    """Sizes of the parts that `vectors` vectors have, as (label, size)."""
    return [("all", ALL), *((f"{size:,}", size) for size in SIZES if size < vectors)]


def thread_choices() -> list[int]:
    """1, 2, 4 ... and all the cores."""
    cores = os.cpu_count() or 1
    return sorted({*(2**power for power in range(cores.bit_length())), cores})


def checked(
    chosen: Choice,
    params: dict[str, int],
    indexes: Sequence[str] | None,
    size: int | None,
    batch: object,
    repeats: object,
    threads: object,
) -> Asked:
    """The race for the sidebar's choices and the fields of the tab. params: a value of every search parameter.

    Raises UnknownName, BadQuery.
    """
    ticked = {INDEXES.find(index).name for index in indexes or ()}  # faiss:STRING belongs to the command line
    checked_params("a race", SEARCH_PARAMS, params)
    cores, count = os.cpu_count() or 1, whole("threads", threads)
    if not 1 <= count <= cores:
        raise BadQuery(f"threads = {count} is out of bounds: choose from 1 to {cores}, the cores of this machine.")
    race = Race(
        tuple(index for index in INDEXES if index in ticked),
        k=chosen.k,
        batch=whole("batch", batch),
        repeats=whole("repeats", repeats),
        threads=count,
        params=tuple(params.items()),
    )
    race.check()
    return Asked(chosen.gallery, chosen.encoder, size or None, race)
