"""One picture of a tile, large, with what its file says of itself: a dialog over the page.

A frame of a video is that video at its second, for the person whose folder it is; for others it is the still frame.
"""

from __future__ import annotations

import gradio as gr

from searchdemo.collection.progress import clock
from searchdemo.errors import BadPicture
from searchdemo.galleries.base import Gallery
from searchdemo.ui.components.messages import sentence_errors
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import picture_url, shown_url
from searchdemo.ui.components.tiles import Tiles, file_name
from searchdemo.ui.mine import played
from searchdemo.ui.page import Page
from searchdemo.ui.serving.arguments import event_value, nth

SIDE = 1600  # of the longer side at most, pixels


class Enlarged:
    """Makes its component where it is constructed. A tile's own click searches; the button in its corner comes here."""

    def __init__(self, page: Page):
        self._page = page
        self._dialog = gr.HTML(elem_id="enlarged", js_on_load=render("enlarged.js"))

    def of(self, tiles: Tiles, rows: gr.State) -> None:
        """rows: (gallery, row) of each tile."""

        def show(event: gr.EventData, rows: tuple) -> str:
            gallery, row = nth(rows, event_value(event, "number"), "picture")
            self._page.names(gallery, "bundled")  # another session's pictures are refused
            return enlarged_html(self._page.library.gallery(gallery), row, self._page.is_own(gallery))

        options = {"show_progress": "hidden", "queue": False, "trigger_mode": "always_last"}
        shown = tiles.enlarge(sentence_errors(show), rows, self._dialog, **options)
        shown.success(None, js="() => document.querySelector('#enlarged dialog')?.showModal()")


def enlarged_html(gallery: Gallery, row: int, own: bool) -> str:
    """own: whether the visitor may see the path of the file."""
    encoded, file, facts = gallery.pictures.encoded(row), gallery.file(row), gallery.pictures.facts(row)
    address = shown_url(gallery.blur(row))
    if encoded is not None:
        try:
            address = picture_url(encoded, SIDE)
        except BadPicture:
            facts |= {"file": "cannot be read"}
    if own and "/" in file:
        facts = {"path": file} | facts
    name = file_name(file) or gallery.class_name(row) or f"picture {row:,}"
    label = gallery.class_name(row)
    if label and label != name:
        facts = {"class": label} | facts
    video, frame = "", gallery.pictures.frame(row)
    if frame is not None:
        name = file_name(frame.video)
        facts = {"at": clock(frame.seconds)} | facts
        if own and frame.path is not None:
            video = played.address(gallery.name, row, frame)
    return render("enlarged.html", name=name, address=address, video=video, facts=facts)
