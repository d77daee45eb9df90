"""Image search: a picture in, the nearest pictures out; a click on a result searches with it."""

from __future__ import annotations

import gradio as gr

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.ui.components.messages import sentence_errors, timing
from searchdemo.ui.components.query_box import Origin, QueryBox
from searchdemo.ui.components.thumbnails import Thumbnails, Tile, row_tile, tiles
from searchdemo.ui.page import Choice, Page

TITLE = "Image search"


def add(page: Page) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            box = QueryBox(page, "image")
        with gr.Column(scale=3, min_width=320):
            line = gr.HTML(elem_id="image-timing")
            results = Thumbnails(
                label="Nearest pictures: click one to search with it", elem_id="image-results", elem_classes="clickable"
            )
    shown = gr.State(())  # (gallery, row) of each result

    def show(query: Query, collection: Collection, chosen: Choice, truth: str) -> tuple:
        result = chosen.search(collection, query)
        rows = tuple((chosen.gallery, hit.row) for hit in result.hits)
        return tiles(result), timing(result, truth), rows

    def pick(event: gr.SelectData, shown: tuple) -> tuple[Tile, Origin]:
        gallery, row = shown[event.index]
        opened = page.library.gallery(gallery)
        name = opened.class_name(row)
        return row_tile(opened, row, name), Origin(gallery, row=row, truth=name)

    picked = results.select(sentence_errors(pick), shown, [box.picture, box.origin], show_progress="hidden")
    box.triggers.append(picked.success)
    box.on_query(show, [results, line, shown], line, empty=([], "", ()), show_progress_on=results)
