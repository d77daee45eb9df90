"""The one query of the page: a picture, words, a result that was clicked, or a sum of them. All tabs show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from searchdemo.collection import terms
from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.collection.terms import Term
from searchdemo.encoders.table import find
from searchdemo.errors import BadPicture, BadQuery, Cancelled, NoPictures, NotBuilt, NoWeights, SearchDemoError
from searchdemo.formats import suffixes
from searchdemo.galleries.base import Gallery
from searchdemo.pictures import open_picture
from searchdemo.ui.asked import Asked
from searchdemo.ui.components.answer import Answer
from searchdemo.ui.components.messages import refusal_html, sentence_errors
from searchdemo.ui.components.query_picture import FOREIGN, QueryPicture, foreign, opened_picture
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import row_tile
from searchdemo.ui.components.tiles import Tiles
from searchdemo.ui.origin import FALLBACK, HELD_OUT, PICTURE, ROW, WORDS, Origin, another, names_picture, query_of
from searchdemo.ui.page import Choice, IndexMissing, Page, building_html, whole
from searchdemo.ui.serving.limits import BUILD
from searchdemo.ui.serving.turns import SEARCH, TURNS
from searchdemo.ui.strip import THE_PICTURE, beside_own, kept_to, strip_html, without_picture

STRIP_TEXT = "() => document.getElementById('query').dataset.text"  # see strip.js
ONE_PICTURE = "It takes the place of the picture before: a query has one of yours, or one part of a picture."
FLIGHT = ("takeoff", "landing")  # scripts before and after a request
QUIET = {"show_progress": "hidden"}


@dataclass(frozen=True)
class Fill:
    """How a tab is filled: ask(request, *values of CurrentQuery.inputs, *values of inputs) gives its outputs."""

    ask: Callable[..., Sequence]
    inputs: Sequence[gr.components.Component]
    outputs: Sequence[gr.components.Component]


class CurrentQuery:
    """Makes the strip above the tabs where it is constructed; the image and the text tab place its other fields.

    `text` holds the terms in the syntax of collection/terms.py, "" of a picture alone. The field for words shows it,
    the chips of the strip are drawn from it, and what is done to a chip or a tile is an edit of it: see strip.js.

    A tab says what it shows of the query:

        page.query.follow("classify", show, [verdict, bars], line=verdict, inputs=[temperature])
        def show(query: Query, collection: Collection, chosen: Choice, truth: str, temperature): ...

    Only the open tab is filled: see open_tab.py. A click on a picture within a tab brings the query and the tab's
    answer in one go: see `picked`.
    """

    def __init__(self, page: Page):
        self.page = page
        self.picture = QueryPicture(elem_id="query-picture", render=False)
        self.words = gr.Textbox(
            label="Words",
            placeholder="a red boat on the sea + sunset - people",
            elem_id="words",
            scale=4,
            min_width=240,  # on a phone the template stands below
            max_lines=1,
            render=False,
        )
        self.template = gr.Textbox(
            find(FALLBACK).prompt, label="Prompt template", elem_id="template", scale=2, render=False
        )
        self.box = gr.HTML(
            "", html_template=render("box.html"), js_on_load=render("box.js"), elem_id="query-box", render=False
        )
        self.origin, self.text = gr.State(None), gr.Textbox("", visible="hidden", label="text")
        self._proposed = gr.Textbox("", visible="hidden", label="proposed")  # an edit of the text, from the browser
        files = ["image", *suffixes()]
        with gr.Row(elem_id="query-strip"):
            self.strip = gr.HTML(strip_html(page, None), js_on_load=render("strip.js"), elem_id="query", min_height=52)
            button: dict[str, Any] = {"size": "md", "elem_classes": "narrow"}
            self.surprise = gr.Button("Surprise me", elem_id="surprise", **button)
            self.upload = gr.UploadButton("Your picture", file_types=files, elem_id="upload", **button)
            self.add = gr.UploadButton("Add a picture", file_types=files, elem_id="add-picture", **button)
        # gradio repeats an event that came during the one before with the data of the first: clicks are kept here.
        self._clicked = gr.JSON(visible="hidden")
        self._fills: dict[str, Fill] = {}
        self.asked = Asked()
        self.shown = [self.picture, self.origin, self.strip, self.text, self.box]
        self.edited_in = [self.text, self.origin, self.picture, page.gallery, page.encoder]  # of `edited`, what follows
        self.changed(self.surprise.click, self._surprise, [self.origin, *page.inputs])
        self.changed(self.upload.upload, self._uploaded, self.upload)
        self.changed(self.add.upload, self._added, [self.add, self.box, *self.edited_in])
        own = self.picture.input(None, js="() => {}", **QUIET)  # when the picture is removed, it still has the old one
        read = own.success(
            self.asked.by(self._brought),
            [self.picture, *self.edited_in],
            self.shown,
            trigger_mode="always_last",
            **QUIET,
        )
        read.success(None, js=page.open_tab.refresh)
        edit = self.strip.submit(None, None, self._proposed, js=STRIP_TEXT)
        self.changed(edit.success, self.edited, [self._proposed, *self.edited_in])
        dragged = self.strip.input(None, None, self.text, js=STRIP_TEXT)  # a weight
        dragged.success(None, js=page.open_tab.refresh)
        self.text.change(None, self.text, self.words, js="(text) => text")
        self.box.input(None, js=page.open_tab.refresh)

    def changed(self, event: Callable, handler: Callable, inputs: object) -> None:
        """At the event, handler(*inputs) gives the new values of `shown`, and the open tab is filled."""
        # Past the queue, which takes longer: it only looks a picture up.
        done = event(
            sentence_errors(self.asked.by(handler)),
            inputs,
            self.shown,
            trigger_mode="always_last",
            queue=False,
            **QUIET,
        )
        done.success(None, js=self.page.open_tab.refresh)

    def picked(self, clicked: gr.HTML, tab: str) -> None:
        """At a click in `clicked`, which is in the tab `tab`, the picture that it tells of (see `stored`) becomes the
        query, and the tab is filled by the same answer: one way there and back.
        """
        fill = self._fills[tab]

        def both(request: gr.Request, told: dict, template: str, *others: Any) -> list:
            shown = self.stored(told)
            (picture, _), origin, _, text, box = shown
            read = None if origin.kind == ROW else opened_picture(picture)
            return [*shown, *fill.ask(request, read, text, template, origin, box, *others)]

        read = [self._clicked, self.template, *self.page.inputs, *fill.inputs]
        into = [*self.shown, *fill.outputs]
        self._flown(
            clicked.select, sentence_errors(self.asked.by(both)), read, into, clicked.elem_id, clicked=True, **QUIET
        )

    def picks(self, tiles: Tiles, tab: str) -> None:
        """A click on a tile searches with its picture, one on its corner enlarges it."""
        self.picked(tiles, tab)
        self.page.enlarged.of(tiles)

    def _flown(
        self,
        event: Callable,
        handler: Callable,
        inputs: list,
        outputs: list,
        name: str | None,
        clicked: bool = False,
        **options: Any,
    ) -> None:
        """Past the queue, which takes two more requests. Where answers of several names crossed each other, the older
        may stand there: the open tab is then filled once more.

        name: of what asks; clicked: it is the elem_id of what was clicked, and the first input is to say where
        """
        options = {"trigger_mode": "always_last", "queue": False} | options  # what was asked meanwhile is not dropped
        refresh = self.page.open_tab.refresh
        takeoff, landing = (render(f"{one}.js", name=name, clicked=clicked, refresh=refresh) for one in FLIGHT)
        event(handler, inputs, outputs, js=takeoff, **options).then(None, js=landing)

    def follow(
        self,
        tab: str,
        show: Callable,
        outputs: Sequence[gr.components.Component],
        line: Answer,
        inputs: Sequence[gr.components.Component] = (),
        events: Sequence[Callable] = (),
    ) -> None:
        """Fill `outputs` by show(query, collection, chosen, truth, *values of inputs) while the tab `tab` is open.

        line: the output that says what went wrong, or that an index is built; the others are then empty
        events: further ones that fill them again, such as a slider of the tab
        """
        count = len(self.inputs)

        def answer(*values: Any) -> Sequence:
            try:
                query, collection, chosen = self.opened(*values[:count])
                self.page.check_ready(collection, chosen.index)
                origin = values[self.inputs.index(self.origin)]
                plain = isinstance(origin, Origin) and origin.gallery == chosen.gallery and not query.composed
                truth = origin.truth if plain and not query.box else ""
                return show(query, collection, chosen, truth, *values[count:])
            except (NotBuilt, NoPictures, NoWeights):
                return [None] * len(outputs)  # the panel above the tabs says so
            except IndexMissing:
                raise
            except SearchDemoError as error:
                return refused(error, line, outputs)

        self.fill(tab, answer, inputs, outputs, line, events)

    def fill(
        self,
        tab: str,
        answer: Callable,
        inputs: Sequence[gr.components.Component],
        outputs: Sequence[gr.components.Component],
        line: Answer,
        events: Sequence[Callable] = (),
    ) -> None:
        """As `follow`, by a function of the values of `self.inputs`, and those of `inputs`. It has to answer where
        there is no query, too, and may raise IndexMissing alone: the index is then built, while `line` tells of it.
        """
        page, count = self.page, len(self.inputs)

        def saying(html: str) -> list:
            return [html if output is line else gr.skip() for output in outputs]

        def ask(request: gr.Request, *values: Any) -> Sequence:
            if page.waits(request.session_hash, *values[len(self.fields) : count]):  # for a build, whose end asks again
                return [gr.skip()] * len(outputs)
            try:
                with TURNS.turn(SEARCH):
                    return answer(*values)
            except IndexMissing as missing:
                return saying(building_html(f"the index {missing.index}", then="build"))

        def build(request: gr.Request, *values: Any) -> Iterator[Sequence]:
            try:
                _, collection, chosen = self.opened(*values[:count])
                yield from page.ready(collection, chosen, line, outputs, request.session_hash)
                yield saying(render("built.html"))
            except SearchDemoError as error:
                again = isinstance(error, Cancelled) and page.asked_meanwhile(request.session_hash)
                yield saying(render("built.html")) if again else refused(error, line, outputs)

        self._fills[tab] = Fill(ask, inputs, outputs)
        read = [*self.inputs, *inputs]
        progress: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": line}
        asked = partial(gr.on, [page.open_tab.refreshed(tab), *events])
        self._flown(asked, ask, read, [*outputs], tab, **progress)
        line.build(build, read, outputs, trigger_mode="once", concurrency_id=BUILD, **QUIET)
        line.built(None, js=page.open_tab.refresh)
        line.stop(page.canceller(line), queue=False, **QUIET)

    @property
    def fields(self) -> list[gr.components.Component]:
        return [self.picture, self.text, self.template, self.origin, self.box]

    @property
    def inputs(self) -> list[gr.components.Component]:
        """What `opened` and `params` take the values of: the fields of the query, then the sidebar."""
        return [*self.fields, *self.page.inputs]

    def opened(
        self,
        picture: Image.Image | BadPicture | None,
        text: str,
        template: str,
        origin: Origin | None,
        box: str,
        *sidebar: object,
    ) -> tuple[Query, Collection, Choice]:
        """The query and what it is searched in. Raises NoQuery, and what Page.choice and Page.open raise."""
        chosen = self.page.choice(*sidebar)
        collection = self.page.open(chosen)
        return query_of(origin, picture, text, template, chosen, collection, box), collection, chosen

    def params(self, *given: object) -> dict[str, int]:
        """A value of every search parameter, from the values of `inputs`. Raises BadQuery."""
        values = given[-len(self.page.params) :]
        return {name: whole(name, value) for name, value in zip(self.page.params, values, strict=True)}

    # Where a query comes from; each gives the values of `shown`

    def stored(self, told: dict) -> tuple:
        """A picture of a gallery that this visitor is offered, as components/tiles.py tells it. Raises UnknownName,
        BadQuery."""
        opened = self.page.library.gallery(self.page.names(told.get("gallery"), FALLBACK)[0])
        if "picture" in told:
            return self.held_out(opened, whole("picture", told["picture"]))
        return self.row(opened, whole("row", told.get("row")))

    def held_out(self, opened: Gallery, number: int) -> tuple:
        """The held-out picture `number` of the gallery, or its row of that number where nothing is held out. Raises
        BadQuery where there is no such picture."""
        if not len(opened.queries):
            return self.row(opened, number)
        if not 0 <= number < len(opened.queries):
            raise BadQuery(
                f"No held-out picture has the number {number:,}: choose from 0 to {len(opened.queries) - 1:,}."
            )
        truth = opened.truth(number)
        return self._alone(Origin(HELD_OUT, opened.name, number, truth), (opened.queries.encoded(number), truth))

    def row(self, opened: Gallery, row: int) -> tuple:
        """A picture of the gallery, left out of its own results. Raises BadQuery where there is no such row."""
        if not 0 <= row < len(opened.pictures):
            raise BadQuery(f"There is no row {row:,}: choose from 0 to {len(opened.pictures) - 1:,}.")
        name = opened.class_name(row)
        return self._alone(Origin(ROW, opened.name, row, name), row_tile(opened, row, name))

    def _alone(
        self, origin: Origin | None, picture: object = None, own: Image.Image | BadPicture | None = None
    ) -> tuple:
        """picture: of the field; own: the same, opened, where it is the visitor's."""
        return picture, origin, strip_html(self.page, origin, "", own), "", ""

    def edited(
        self,
        proposed: str | None,
        text: str,
        origin: Origin | None,
        picture: Image.Image | BadPicture | None,
        gallery: str,
        encoder: str,
    ) -> tuple:
        """The text of the query becomes another: it was typed, or made of the chips and a tile. The picture stays while
        the text names it. Raises UnknownName, BadQuery."""
        if not proposed or not proposed.strip():
            return self._alone(None)
        self.page.names(gallery, encoder)
        terms_of, refused = kept_to(gallery, proposed, text, origin)
        if refused:
            drawn = strip_html(self.page, origin, text, picture, encoder, refused)
            return gr.skip(), origin, drawn, text, gr.skip()
        stays = origin is not None and origin.kind != WORDS and names_picture(proposed)
        now = replace(origin, terms_of=terms_of) if stays and origin else Origin(WORDS, terms_of=terms_of)
        text = "" if stays and proposed.strip() == THE_PICTURE else proposed.strip()
        drawn = strip_html(self.page, now, text, picture, encoder)
        return (gr.skip(), now, drawn, text, gr.skip()) if stays else (None, now, drawn, text, "")

    def _brought(self, picture: Image.Image | BadPicture | None, *before: Any) -> tuple:
        """The box keeps what the visitor put there, but for files that browsers cannot show. Without its picture the
        query is what else its text names."""
        if picture is None:
            return self.edited(without_picture(before[0]), *before)
        foreign = isinstance(picture, Image.Image) and picture.info.get(FOREIGN)
        return self._alone(Origin(PICTURE), picture if foreign else gr.skip(), picture)

    def _uploaded(self, path: str | None) -> tuple:
        return self._alone(Origin(PICTURE), *opened_file(path))

    def _added(self, path: str | None, box: str, text: str, origin: Origin | None, _: object, *names: str) -> tuple:
        """A picture of the visitor's beside what is searched with."""
        if origin is None:
            return self._uploaded(path)
        gallery, encoder = self.page.names(*names)
        field, own = opened_file(path)
        stored = None if box or origin.terms_of not in ("", gallery) else self.term_of(origin, gallery, encoder)
        text = beside_own(text, origin, stored)
        now = Origin(PICTURE, terms_of=gallery if stored else origin.terms_of)
        said = "" if stored or origin.kind == WORDS else ONE_PICTURE
        return field, now, strip_html(self.page, now, text, own, encoder, said), text, ""

    def term_of(self, origin: Origin, gallery: str, encoder: str) -> Term | None:
        """A picture of this gallery as a term; None for another. Raises SearchDemoError where it is not embedded."""
        if origin.gallery != gallery:
            return None
        if origin.kind == ROW:
            return Term(terms.ROW, origin.number)
        return Term(terms.HELD_OUT, self.page.library.open(gallery, encoder).query_number(origin.number))

    def _surprise(self, origin: Origin | None, *sidebar: object) -> Sequence:
        """A random query whose class is known, of those whose vectors are stored, and another than the present one."""
        try:
            collection = self.page.open(self.page.choice(*sidebar))
        except (NotBuilt, NoPictures):
            return [gr.skip()] * len(self.shown)  # the panel above the tabs says why
        gallery = collection.gallery
        if len(collection.queries):
            return self.held_out(gallery, another(collection.query_rows(), origin, HELD_OUT, gallery))
        return self.row(gallery, another(collection.gallery_rows(np.arange(len(collection))), origin, ROW, gallery))


def refused(error: SearchDemoError, line: Answer, outputs: Sequence[gr.components.Component]) -> list:
    """Values of the outputs: `line` says why there is no answer, the others are empty."""
    return [refusal_html(str(error)) if output is line else None for output in outputs]


def opened_file(path: str | None) -> tuple[Path | Image.Image, Image.Image | BadPicture]:
    """What the field for a picture shows of an upload, and the picture, or why it is none. Raises BadPicture."""
    if path is None:
        raise BadPicture("No picture arrived; bring a JPEG, PNG, WebP or GIF.")
    try:
        picture = open_picture(Path(path))
    except BadPicture as error:
        return Path(path), error
    return picture.copy() if foreign(Path(path)) else Path(path), picture
