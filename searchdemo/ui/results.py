"""The answer to the query: what happened, what was missed, and the pictures, each of which can be searched with."""

from __future__ import annotations

import gradio as gr
import numpy as np

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.indexes.table import INDEXES
from searchdemo.ui.components.answer import Answer, answer_html
from searchdemo.ui.components.lesson import lesson_html
from searchdemo.ui.components.tiles import Tiles, named, result_tiles
from searchdemo.ui.page import Choice, Page


class Results:
    """Makes its components where it is constructed: <prefix>-answer, <prefix>-results."""

    def __init__(self, page: Page, tab: str, prefix: str, lesson: gr.HTML | None = None):
        """lesson: gets the drawing of what a score is."""
        line = Answer(elem_id=f"{prefix}-answer", min_height=96)
        tiles = Tiles("Nearest pictures: click one to search with it", elem_id=f"{prefix}-results", enlarges=True)
        shown = [line, tiles, *([lesson] if lesson else [])]
        self._page, self._with_lesson = page, lesson is not None
        page.query.follow(tab, self._show, shown, line)
        page.query.picks(tiles, tab)
        page.on_remedy(line, page.open_tab.refresh)

    def _show(self, query: Query, collection: Collection, chosen: Choice, truth: str) -> tuple:
        result = chosen.search(collection, query, compare=True)
        what = "picture" if query.picture is not None else "text" if query.text is not None else ""
        what = "part of a picture" if query.box else what
        if query.composed:
            what = f"sum of {len(query.counting)} terms"
        searched = f"{len(collection):,} pictures"
        if result.matching is not None:
            searched = f"{result.matching:,} pictures that meet the filter (of {len(collection):,})"
        said = answer_html(result, searched, what, chosen.index, INDEXES[chosen.index].exact, truth)
        tiles = result_tiles(result, chosen.gallery, self._page.is_own(chosen.gallery))
        if not self._with_lesson:
            return said, tiles
        drawn = ""
        if result.hits:
            best = result.hits[0]
            nearest = collection.vectors.nearest(result.vector, np.array([best.position]))[0]
            drawn = lesson_html(result.vector, nearest, f"the nearest: {named(best)}")
        return said, tiles, drawn
