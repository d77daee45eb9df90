"""One picture of a tile, large, with what its file says of itself: a dialog over the page.

A frame of a video is that video at its second, for the person whose folder it is; for others it is the still frame.
On demand it shows which parts of the picture carry its score for the page's query.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from searchdemo.collection.box import box_of
from searchdemo.collection.progress import clock
from searchdemo.errors import BadPicture, BadQuery, SearchDemoError
from searchdemo.galleries.base import Gallery
from searchdemo.ui.components.messages import sentence_errors
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import picture_url, shown_url
from searchdemo.ui.components.tiles import Tiles, by_terms, file_name, part_read
from searchdemo.ui.mine import played
from searchdemo.ui.page import Page, whole
from searchdemo.ui.serving.arguments import event_value, shown
from searchdemo.ui.serving.limits import WHY
from searchdemo.ui.serving.turns import SEARCH, TURNS

SIDE = 1600  # of the longer side at most, pixels


class Enlarged:
    """Makes its component where it is constructed. A tile's own click searches; the button in its corner comes here."""

    def __init__(self, page: Page):
        self._page = page
        self._dialog = gr.HTML(elem_id="enlarged", js_on_load=render("enlarged.js"))
        drawn = gr.JSON(visible="hidden")
        # gradio repeats an event that came during the one before with the data of the first, unless all are sent.
        options = {"show_progress": "hidden", "trigger_mode": "multiple", "concurrency_id": WHY}
        asked = self._dialog.why(sentence_errors(self._why), page.query.inputs, drawn, **options)
        asked.then(None, drawn, None, js=render("why.js"))

    def of(self, tiles: Tiles) -> None:
        def show(event: gr.EventData) -> str:
            gallery, row = self._picture(event)
            part = str(box_of(str(event_value(event, "box", ""))) or "")
            return enlarged_html(self._page.library.gallery(gallery), row, self._page.is_own(gallery), part)

        options = {"show_progress": "hidden", "queue": False, "trigger_mode": "multiple"}
        shown = tiles.enlarge(sentence_errors(show), None, self._dialog, **options)
        shown.success(None, js="() => document.querySelector('#enlarged dialog')?.showModal()")

    def _why(self, event: gr.EventData, *values: Any) -> dict:
        """What the dialog is told. Within it are refusals, too: a message of the page would lie behind it."""
        page = self._page
        gallery, row = self._picture(event)
        of = {"gallery": gallery, "row": row}
        try:
            query, collection, chosen = page.query.opened(*values)
            if gallery != chosen.gallery:
                raise BadQuery(f"This is a picture of {gallery}, and {chosen.gallery} is searched now.")
            with TURNS.turn(SEARCH):
                found = collection.why(query, row)
        except SearchDemoError as error:
            return of | {"said": str(error)}
        by = f" {by_terms(found.terms, found.shares)}" if found.terms else ""
        return of | {"said": f"{found}{by}", "drops": found.drops.tolist(), "most": found.most, "box": found.box}

    def _picture(self, event: gr.EventData) -> tuple[str, int]:
        """(gallery, row) that the event names. Raises UnknownName, BadQuery; another session's pictures are refused."""
        gallery, _ = self._page.names(event_value(event, "gallery"), "bundled")
        row = whole("row", event_value(event, "row"))
        if not 0 <= row < len(self._page.library.gallery(gallery).pictures):
            raise BadQuery(f"There is no row {shown(row)} in {gallery}.")
        return gallery, row


def enlarged_html(gallery: Gallery, row: int, own: bool, part: str = "") -> str:
    """own: whether the visitor may see the path of the file; part: that matched best, drawn over the picture."""
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
    if part:
        facts = {"matched best": part_read(part)} | facts
    asks = {"gallery": gallery.name, "row": row} if encoded is not None else {}
    return render("enlarged.html", name=name, address=address, video=video, facts=facts, asks=asks, part=part)
