"""The part of a tab that a picture to search with comes from: upload, paste, "Surprise me", examples."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import gradio as gr
import numpy as np
from PIL import Image

from searchdemo.collection.query import Query
from searchdemo.errors import NotHere
from searchdemo.galleries.base import Gallery
from searchdemo.ui.components.messages import sentence_errors
from searchdemo.ui.components.query_picture import QueryPicture
from searchdemo.ui.components.thumbnails import Thumbnails, Tile, query_tile
from searchdemo.ui.page import Choice, NoQuery, Page, or_empty

EXAMPLES = 6
FALLBACK = "scenes"  # its pictures come with searchdemo


@dataclass(frozen=True)
class Origin:
    """Where the picture in a QueryBox comes from, when it is not the visitor's own."""

    gallery: str
    row: int | None = None  # of the gallery: the visitor clicked this result, and its stored vector is the query
    held_out: int | None = None  # a held-out query whose picture is not on this machine, but whose vector is stored
    truth: str = ""  # class name, where it is known


class QueryBox:
    """Makes its components where it is constructed. `on_query` says what happens when there is a query.

        box = QueryBox(page, "classify", button="Classify")
        box.on_query(show, outputs=[line, bars], line=line, empty=("", ""), inputs=[temperature])
        def show(query: Query, collection: Collection, chosen: Choice, truth: str, temperature): ...

    elem_ids: <prefix>-picture, <prefix>-run, <prefix>-surprise, <prefix>-examples
    """

    def __init__(self, page: Page, prefix: str, button: str = "Search"):
        self.page = page
        self.picture = QueryPicture(elem_id=f"{prefix}-picture")
        self.origin = gr.State(None)
        with gr.Row():
            self.run = gr.Button(button, variant="primary", elem_id=f"{prefix}-run", min_width=100, size="md")
            self.surprise = gr.Button("Surprise me", elem_id=f"{prefix}-surprise", min_width=130, size="md")
        self.examples = Thumbnails(
            label="Examples: click one",
            elem_id=f"{prefix}-examples",
            elem_classes="examples clickable",
            columns=EXAMPLES,
        )
        shown, quiet = [self.picture, self.origin], {"show_progress": "hidden"}
        self.triggers = [  # each starts the query; a tab may append more, such as a click on a result
            self.run.click,
            self.surprise.click(sentence_errors(self._surprise), page.inputs, shown, **quiet).success,
            self.examples.select(sentence_errors(self._pick), page.gallery, shown, **quiet).success,
        ]
        forget = {"fn": lambda: None, "outputs": self.origin, "trigger_mode": "always_last"}
        own = self.picture.input(**forget, **quiet)  # also when the picture is removed
        self.quiet_triggers = [own.success]  # these empty the outputs where there is no picture to search with
        page.on_gallery(lambda gallery: [tile for tile, _ in self._examples(gallery)], self.examples)

    def on_query(
        self,
        show: Callable,
        outputs: list[gr.components.Component],
        line: gr.HTML,
        empty: tuple,
        inputs: Sequence[gr.components.Component] = (),
        **options: object,
    ) -> None:
        """Call show(query, collection, chosen, truth, *values of inputs) for a new query, and when the sidebar changes.

        line: the output that says so while an index is built
        empty: values of the outputs without a query
        options: for gradio's events
        """
        sidebar = self.page.inputs

        def handler(picture: Image.Image | None, origin: Origin | None, *values: object) -> Iterator:
            chosen = self.page.choice(*values[: len(sidebar)])
            query = query_of(picture, origin, chosen)
            truth = origin.truth if origin and origin.gallery == chosen.gallery else ""
            collection = self.page.open(chosen)
            yield from self.page.ready(collection, chosen.index, line, outputs)
            yield show(query, collection, chosen, truth, *values[len(sidebar) :])

        read = [self.picture, self.origin, *sidebar, *inputs]
        options = {"trigger_mode": "always_last", **options}  # what was asked meanwhile is not dropped
        for trigger in self.triggers:
            trigger(sentence_errors(handler), read, outputs, **options)
        for trigger in self.quiet_triggers:
            trigger(sentence_errors(or_empty(handler, empty)), read, outputs, **options)
        self.page.on_sidebar(handler, read, outputs, empty, **options)

    def _surprise(self, *sidebar: object) -> tuple[Tile, Origin]:
        """A random held-out query of the gallery. Without pictures: a tile, and the stored vector. Without either: a
        query of the gallery that comes with searchdemo."""
        chosen = self.page.choice(*sidebar)
        source = self._source(chosen.gallery)
        if source != chosen.gallery:
            with contextlib.suppress(NotHere):
                collection = self.page.open(chosen)
                if len(collection.queries):
                    number = random.randrange(len(collection.queries))
                    truth = class_name(collection.gallery, collection.truth[number])
                    return query_tile(collection, number), Origin(chosen.gallery, held_out=number, truth=truth)
        return self._held_out(source, random.randrange(len(self.page.library.gallery(source).queries)))

    def _pick(self, event: gr.SelectData, gallery: str) -> tuple[Tile, Origin]:
        """The example that was clicked."""
        return self._examples(gallery)[event.index]

    def _examples(self, gallery: str) -> list[tuple[Tile, Origin]]:
        """Fixed held-out queries, far from each other and therefore of different classes."""
        source = self._source(gallery if gallery in self.page.galleries else FALLBACK)
        count = len(self.page.library.gallery(source).queries)
        return [self._held_out(source, int(n)) for n in np.linspace(0, count - 1, EXAMPLES + 2)[1:-1]]

    def _source(self, gallery: str) -> str:
        """The gallery, if it has held-out queries with pictures on this machine; else one that does."""
        queries = self.page.library.gallery(gallery).queries
        return gallery if len(queries) and queries.encoded(0) else FALLBACK

    def _held_out(self, gallery: str, number: int) -> tuple[Tile, Origin]:
        opened = self.page.library.gallery(gallery)
        truth = class_name(opened, opened.queries.labels[number])
        return (opened.queries.encoded(number), truth), Origin(gallery, truth=truth)


def query_of(picture: Image.Image | None, origin: Origin | None, chosen: Choice) -> Query:
    """Raises NoQuery when there is nothing to search with."""
    if origin and origin.gallery == chosen.gallery:
        if origin.row is not None:
            return Query(row=origin.row)
        if origin.held_out is not None:
            return Query(held_out=origin.held_out)
    if picture is None:
        raise NoQuery("There is no picture to search with: bring one, click an example, or press 'Surprise me'.")
    return Query(picture=picture)


def class_name(gallery: Gallery, label: int) -> str:
    return gallery.class_names[label] if label >= 0 else ""
