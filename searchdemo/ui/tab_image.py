"""Image search: a picture in, the nearest pictures out; a click on a result searches with it."""

from __future__ import annotations

import gradio as gr

from searchdemo.ui.components.templates import render
from searchdemo.ui.components.tiles import Tiles
from searchdemo.ui.examples import tiles
from searchdemo.ui.page import LAST, Page
from searchdemo.ui.results import Results

TITLE = "Image search"


def add(page: Page) -> None:
    query = page.query
    with gr.Row():
        with gr.Column(scale=1, min_width=280, elem_id="image-asked"):
            query.picture.render()
            query.box.render()
            shown = Tiles("Examples: click one", elem_id="image-examples", elem_classes="examples")
        with gr.Column(scale=3, min_width=320, elem_id="image-found"):
            lesson = gr.HTML(elem_id="lesson", js_on_load=render("lesson.js"), render=False)
            Results(page, "image-search", prefix="image", lesson=lesson)
            lesson.render()

    def fill(gallery: str, encoder: str) -> list:
        return tiles(page, gallery, encoder)

    events = [page.demo.load, page.gallery.change, page.encoder.change]
    gr.on(events, fill, [page.gallery, page.encoder], shown, **LAST, queue=False)
    query.picked(shown, "image-search")
