"""The examples of a gallery: queries that are answered well; on the first, the default index misses something."""

from __future__ import annotations

import numpy as np

from searchdemo.cache import Cache
from searchdemo.collection.collection import Collection
from searchdemo.collection.examples import instructive
from searchdemo.errors import NoPictures, SearchDemoError
from searchdemo.ui.components.tiles import Tile
from searchdemo.ui.page import INDEX, K, Page

COUNT = 6

_numbers: Cache[list[int]] = Cache(16)


def numbers(collection: Collection) -> list[int]:
    """The examples' numbers among the gallery's held-out pictures, or among its rows where it holds nothing out."""
    return _numbers.get(collection.snapshot.identity, lambda: instructive(collection, INDEX, K, COUNT))


def examples(page: Page, gallery: str, encoder: str) -> list[tuple[Tile, tuple]]:
    """Each example as a tile, and the values that make it the query. None where no picture can be read."""
    if not page.offers(gallery):
        return []
    try:
        opened = page.library.gallery(gallery)
        try:
            chosen = numbers(page.library.open(gallery, encoder))
        except SearchDemoError:  # not built: any that are far from each other
            count = len(opened.queries) or len(opened.pictures)
            chosen = np.unique(np.linspace(0, count - 1, COUNT + 2)[1:-1].astype(int)).tolist()
    except NoPictures:
        return []
    made = [page.query.held_out(opened, number) for number in chosen]
    return [(Tile(*values[0]), values) for values in made]
