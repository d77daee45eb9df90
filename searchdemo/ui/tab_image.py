"""Image search: a picture in, the nearest pictures out; a click on a result searches with it."""

from __future__ import annotations

import gradio as gr

from searchdemo.collection.library import Query
from searchdemo.ui.components.pieces import Thumbnails, Tile, sentence_errors, tiles, timing
from searchdemo.ui.components.query_box import Origin, QueryBox
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

    def show(query: Query, chosen: Choice, truth: str):
        result = page.search(query, chosen)
        rows = tuple((chosen.gallery, hit.row) for hit in result.hits)
        return tiles(result), timing(result, truth), rows

    def pick(event: gr.SelectData, shown: tuple) -> tuple[Tile, Origin]:
        gallery, row = shown[event.index]
        opened = page.engine.gallery(gallery)
        name = opened.class_name(row)
        return (opened.pictures.encoded(row) or opened.blur(row), name), Origin(gallery, row=row, truth=name)

    picked = results.select(sentence_errors(pick), shown, [box.picture, box.origin], show_progress="hidden")
    box.triggers.append(picked.success)
    box.on_query(show, [results, line, shown], line, empty=([], "", ()), show_progress_on=results)
