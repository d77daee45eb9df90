"""The examples of a gallery: queries that are answered well; on the first, the default index misses something."""

from __future__ import annotations

import numpy as np

from searchdemo.cache import Cache
from searchdemo.collection.collection import Collection
from searchdemo.collection.examples import instructive
from searchdemo.errors import BadQuery, NoPictures, SearchDemoError
from searchdemo.ui.components.tiles import Tile, stored
from searchdemo.ui.origin import HELD_OUT, Origin
from searchdemo.ui.page import INDEX, K, Page

COUNT = 6

_numbers: Cache[list[int]] = Cache(16)


def numbers(collection: Collection) -> list[int]:
    """The examples' numbers among the gallery's held-out pictures, or among its rows where it holds nothing out."""
    return _numbers.get(collection.snapshot.identity, lambda: instructive(collection, INDEX, K, COUNT))


def chosen(page: Page, gallery: str, encoder: str) -> list[int]:
    """As `numbers`. Where the vectors are not built: any that are far from each other. None without pictures."""
    if not page.offers(gallery):
        return []
    try:
        opened = page.library.gallery(gallery)
        try:
            return numbers(page.library.open(gallery, encoder))
        except SearchDemoError:
            count = len(opened.queries) or len(opened.pictures)
            return np.unique(np.linspace(0, count - 1, COUNT + 2)[1:-1].astype(int)).tolist()
    except NoPictures:
        return []


def example(page: Page, gallery: str, encoder: str, place: int) -> tuple:
    """The values that make the example at this place the query. Raises BadQuery where there is none."""
    offered = chosen(page, gallery, encoder)
    if not 0 <= place < len(offered):
        raise BadQuery(f"There is no example {place + 1:,} of {gallery!r}: choose one of its {len(offered)}.")
    return page.query.held_out(page.library.gallery(gallery), offered[place])


def tiles(page: Page, gallery: str, encoder: str) -> list[Tile]:
    """One per example, in their order."""
    opened = [example(page, gallery, encoder, place) for place in range(len(chosen(page, gallery, encoder)))]
    return [
        Tile(picture, name, term=term(page, origin, encoder), of=of(origin)) for (picture, name), origin, *_ in opened
    ]


def of(origin: Origin) -> dict[str, object]:
    return stored(origin.gallery, origin.number, origin.kind == HELD_OUT)


def term(page: Page, origin: Origin, encoder: str) -> str:
    """As which it can be added to the query; "" where the vectors are not built."""
    try:
        return str(page.query.term_of(origin, origin.gallery, encoder) or "")
    except SearchDemoError:
        return ""
