"""The part of a tab where a picture to search with comes from: upload, paste, "surprise me", examples."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gradio as gr
import numpy as np
from PIL import Image

from searchdemo.collection.library import Query
from searchdemo.errors import NotHere
from searchdemo.galleries.base import Gallery
from searchdemo.ui.components.pieces import QueryPicture, Thumbnails, Tile, sentence_errors
from searchdemo.ui.page import Choice, NoQuery, Page, or_empty

EXAMPLES = 6
FALLBACK = "scenes"  # whose pictures come with searchdemo


@dataclass(frozen=True)
class Origin:
    """Where the picture in a QueryBox comes from, when it is not the visitor's own."""

    gallery: str
    row: int | None = None  # of the gallery: a result that was clicked, its stored vector is searched with
    held_out: int | None = None  # a held-out query whose picture is not on this machine, but whose vector is stored
    truth: str = ""  # class name, where it is known


class QueryBox:
    """Makes its components where it is constructed. `on_query` says what happens when there is a query.

        box = QueryBox(page, "classify", button="Classify")
        box.on_query(show, outputs=[line, bars], line=line, empty=("", ""), inputs=[temperature])
        def show(query: Query, chosen: Choice, truth: str, temperature): ...

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
        shown = [self.picture, self.origin]
        self.triggers = [  # each starts the query; a tab may append more, such as a click on a result
            self.run.click,
            self.surprise.click(sentence_errors(self._surprise), page.inputs, shown, show_progress="hidden").success,
            self.examples.select(sentence_errors(self._pick), page.gallery, shown, show_progress="hidden").success,
        ]
        own = self.picture.input(lambda: None, None, self.origin, show_progress="hidden")  # also when it is removed
        self.quiet_triggers = [own.success]  # these empty the outputs where there is no picture to search with
        page.on_gallery(lambda gallery: [tile for tile, _ in self._examples(gallery)], self.examples)

    def on_query(
        self,
        show: Callable,
        outputs: Sequence[gr.components.Component],
        line: gr.HTML,
        empty: tuple,
        inputs: Sequence[gr.components.Component] = (),
        **options,
    ) -> None:
        """Call show(query, chosen, truth, *values of inputs) for a new query, and when the sidebar changes.

        line: the one of the outputs that says why there is a wait
        empty: values of the outputs without a query
        options: go to gradio's events
        """
        raw = [self.picture, self.origin, *self.page.inputs]

        def arguments(values) -> tuple:
            picture, origin, *rest = values
            chosen = self.page.choice(*rest[: len(raw) - 2])
            query = query_of(picture, origin, chosen)
            truth = origin.truth if origin and origin.gallery == chosen.gallery else ""
            return (query, chosen, truth, *rest[len(raw) - 2 :])

        def handler(*values):
            query, chosen, *more = arguments(values)
            yield from self.page.ready(chosen, line, outputs)
            yield show(query, chosen, *more)

        read = [*raw, *inputs]
        for trigger in self.triggers:
            trigger(sentence_errors(handler), read, outputs, **options)
        for trigger in self.quiet_triggers:
            trigger(sentence_errors(or_empty(handler, empty)), read, outputs, **options)
        self.page.on_sidebar(handler, read, outputs, empty, **options)

    def _surprise(self, *sidebar) -> tuple[Tile, Origin]:
        return surprise(self.page, self.page.choice(*sidebar))

    def _pick(self, event: gr.SelectData, gallery: str) -> tuple[Tile, Origin]:
        """The example that was clicked."""
        return self._examples(gallery)[event.index]

    def _examples(self, gallery: str) -> list[tuple[Tile, Origin]]:
        return examples(self.page, gallery if gallery in self.page.galleries else FALLBACK)


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


def surprise(page: Page, chosen: Choice) -> tuple[Tile, Origin]:
    """A random held-out query of the gallery. Without pictures: a tile, and its stored vector. Without either: a
    query of the gallery that comes with searchdemo."""
    with_pictures = source_of_examples(page, chosen.gallery)
    if with_pictures != chosen.gallery:
        with contextlib.suppress(NotHere):
            vectors, labels = page.engine.prepared(chosen.gallery, chosen.encoder).queries()
            if len(vectors):
                number = random.randrange(len(vectors))
                truth = class_name(page.engine.gallery(chosen.gallery), labels[number])
                return (None, f"{truth} (query {number})"), Origin(chosen.gallery, held_out=number, truth=truth)
    return held_out(page, with_pictures, random.randrange(len(page.engine.gallery(with_pictures).queries)))


def examples(page: Page, gallery: str) -> list[tuple[Tile, Origin]]:
    """Fixed held-out queries, far from each other and so of different classes."""
    source = source_of_examples(page, gallery)
    count = len(page.engine.gallery(source).queries)
    return [held_out(page, source, int(n)) for n in np.linspace(0, count - 1, EXAMPLES + 2)[1:-1]]


def source_of_examples(page: Page, gallery: str) -> str:
    """The gallery, if it has held-out queries with pictures on this machine; else one that does."""
    queries = page.engine.gallery(gallery).queries
    return gallery if len(queries) and queries.encoded(0) else FALLBACK


def held_out(page: Page, gallery: str, number: int) -> tuple[Tile, Origin]:
    opened = page.engine.gallery(gallery)
    truth = class_name(opened, opened.queries.labels[number])
    return (opened.queries.encoded(number), truth), Origin(gallery, truth=truth)


def class_name(gallery: Gallery, label: int) -> str:
    return gallery.class_names[label] if label >= 0 else ""
