"""The one query of the page: a picture, words, a result that was clicked, or a held-out picture. All tabs show it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.encoders.table import find
from searchdemo.errors import BadPicture, BadQuery, Cancelled, NoPictures, NotBuilt, NoWeights, SearchDemoError
from searchdemo.formats import suffixes
from searchdemo.galleries.base import Gallery
from searchdemo.jpeg import smaller_jpeg
from searchdemo.pictures import open_picture
from searchdemo.types import Blur
from searchdemo.ui.asked import Asked
from searchdemo.ui.components.answer import Answer
from searchdemo.ui.components.messages import refusal_html, sentence_errors
from searchdemo.ui.components.query_picture import FOREIGN, QueryPicture, foreign, opened_picture, readable
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import row_tile, shown_url
from searchdemo.ui.components.tiles import Tiles, file_name
from searchdemo.ui.page import Choice, IndexMissing, NoQuery, Page, building_html, whole
from searchdemo.ui.serving.arguments import nth
from searchdemo.ui.serving.limits import BUILD
from searchdemo.ui.serving.turns import SEARCH, TURNS

PICTURE, WORDS, ROW, HELD_OUT = "picture", "words", "row", "held_out"
FALLBACK = "bundled"  # an encoder that reads words and comes with searchdemo
STRIP_PX = 96
FLIGHT = ("takeoff", "landing")  # scripts before and after a request
QUIET = {"show_progress": "hidden"}


@dataclass(frozen=True)
class Origin:
    """Where the query comes from. It holds names and numbers, no picture: sessions keep it."""

    kind: str  # PICTURE | WORDS | ROW | HELD_OUT
    gallery: str = ""  # of a row or a held-out picture
    number: int = 0  # of the row or the held-out picture
    truth: str = ""  # its class name, where that is known


@dataclass(frozen=True)
class Fill:
    """How a tab is filled: ask(request, *values of CurrentQuery.inputs, *values of inputs) gives its outputs."""

    ask: Callable[..., Sequence]
    inputs: Sequence[gr.components.Component]
    outputs: Sequence[gr.components.Component]


class CurrentQuery:
    """Makes the strip above the tabs where it is constructed; the image and the text tab place its other fields.

    A tab says what it shows of the query:

        page.query.follow("classify", show, [verdict, bars], line=verdict, inputs=[temperature])
        def show(query: Query, collection: Collection, chosen: Choice, truth: str, temperature): ...

    Only the open tab is filled, when the query or the sidebar changes and when the visitor opens the tab. For that each
    tab has a hidden button, `#refresh-<tab>`, which scripts in the browser press. A click on a picture within a tab
    brings the query and the tab's answer in one go: see `picked`.
    """

    def __init__(self, page: Page):
        self.page = page
        self.picture = QueryPicture(elem_id="query-picture", render=False)
        self.words = gr.Textbox(
            label="Words", placeholder="a red boat on the sea", elem_id="words", scale=4, max_lines=1, render=False
        )
        self.template = gr.Textbox(
            find(FALLBACK).prompt, label="Prompt template", elem_id="template", scale=2, render=False
        )
        self.origin = gr.State(None)
        with gr.Row(elem_id="query-strip"):
            self.strip = gr.HTML(strip_html(), elem_id="query", min_height=52)
            self.surprise = gr.Button("Surprise me", elem_id="surprise", size="md", elem_classes="narrow")
            self.upload = gr.UploadButton(
                "Your picture", file_types=["image", *suffixes()], elem_id="upload", size="md", elem_classes="narrow"
            )
        # gradio repeats an event that came during the one before with the data of the first: clicks are kept here.
        self._clicked = gr.JSON(visible="hidden")
        self._fills: dict[str, Fill] = {}
        self.asked = Asked()
        self._buttons = gr.Column(visible="hidden")  # outside the tabs: what is inside is not there before it is opened
        self.shown = [self.picture, self.origin, self.strip]
        self.refresh = render("refresh.js")
        self.changed(self.surprise.click, self._surprise, page.inputs)
        self.changed(self.upload.upload, self._uploaded, self.upload)
        own = self.picture.input(None, js="() => {}", **QUIET)  # when the picture is removed, it still has the old one
        read = own.success(self.asked.by(self._brought), self.picture, self.shown, trigger_mode="always_last", **QUIET)
        read.success(None, js=self.refresh)
        for event in page.changes:
            event(None, js=self.refresh)

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
        done.success(None, js=self.refresh)

    def picked(self, clicked: gr.HTML, handler: Callable, inputs: Sequence[gr.components.Component], tab: str) -> None:
        """At a click in `clicked`, which is in the tab `tab`, handler gives the new values of `shown`, and the tab is
        filled by the same answer: one way there and back.

        handler: takes a dict of what was clicked, then the values of inputs
        """
        fill, count = self._fills[tab], len(inputs)

        def both(request: gr.Request, what: dict, *values: Any) -> list:
            shown = handler(what, *values[:count])
            (picture, _), origin, _ = shown
            words, template, *others = values[count:]
            read = None if origin.kind == ROW else opened_picture(picture)
            return [*shown, *fill.ask(request, read, words, template, origin, *others)]

        read = [self._clicked, *inputs, self.words, self.template, *self.page.inputs, *fill.inputs]
        into = [*self.shown, *fill.outputs]
        self._flown(
            clicked.select, sentence_errors(self.asked.by(both)), read, into, clicked.elem_id, clicked=True, **QUIET
        )

    def picks(self, tiles: Tiles, rows: gr.State, tab: str) -> None:
        """A click on a tile searches with its picture, one on its corner enlarges it. rows: (gallery, row) of each."""

        def pick(clicked: dict, rows: tuple) -> tuple:
            gallery, row = nth(rows, clicked.get("number"), "picture")
            return self.row(self.page.library.gallery(gallery), row)

        self.picked(tiles, pick, [rows], tab)
        self.page.enlarged.of(tiles, rows)

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
        takeoff, landing = (render(f"{one}.js", name=name, clicked=clicked, refresh=self.refresh) for one in FLIGHT)
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
                truth = origin.truth if isinstance(origin, Origin) and origin.gallery == chosen.gallery else ""
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
            if page.waits(request.session_hash):  # for a build, whose end asks again
                return [gr.skip()] * len(outputs)
            try:
                with TURNS.turn(SEARCH):
                    return answer(*values)
            except IndexMissing as missing:
                return saying(building_html(f"the index {missing.index}", then="build"))

        def build(request: gr.Request, *values: Any) -> Iterator[Sequence]:
            try:
                _, collection, chosen = self.opened(*values[:count])
                yield from page.ready(collection, chosen.index, line, outputs, request.session_hash)
                yield saying(render("built.html"))
            except SearchDemoError as error:
                again = isinstance(error, Cancelled) and page.asked_meanwhile(request.session_hash)
                yield saying(render("built.html")) if again else refused(error, line, outputs)

        with self._buttons:
            button = gr.Button(visible="hidden", elem_id=f"refresh-{tab}")
        self._fills[tab] = Fill(ask, inputs, outputs)
        read = [*self.inputs, *inputs]
        progress: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": line}
        for event in (button.click, *events):
            self._flown(event, ask, read, [*outputs], tab, **progress)
        line.build(build, read, outputs, trigger_mode="once", concurrency_id=BUILD, **QUIET)
        line.built(None, js=self.refresh)
        line.stop(page.cancel, queue=False, **QUIET)

    @property
    def fields(self) -> list[gr.components.Component]:
        return [self.picture, self.words, self.template, self.origin]

    @property
    def inputs(self) -> list[gr.components.Component]:
        """What `opened` and `params` take the values of: the fields of the query, then the sidebar."""
        return [*self.fields, *self.page.inputs]

    def opened(
        self,
        picture: Image.Image | BadPicture | None,
        words: str,
        template: str,
        origin: Origin | None,
        *sidebar: object,
    ) -> tuple[Query, Collection, Choice]:
        """The query and what it is searched in. Raises NoQuery, and what Page.choice and Page.open raise."""
        chosen = self.page.choice(*sidebar)
        collection = self.page.open(chosen)
        return query_of(origin, picture, words, template, chosen, collection), collection, chosen

    def params(
        self, picture: object, words: object, template: object, origin: object, *sidebar: object
    ) -> dict[str, int]:
        """A value of every search parameter. Raises BadQuery."""
        values = sidebar[-len(self.page.params) :]
        return {name: whole(name, value) for name, value in zip(self.page.params, values, strict=True)}

    # Where a query comes from; each gives the values of `shown`

    def held_out(self, opened: Gallery, number: int) -> tuple:
        """The held-out picture `number` of the gallery, or its row of that number where nothing is held out."""
        if not len(opened.queries):
            return self.row(opened, number)
        truth = opened.truth(number)
        picture, what = opened.queries.encoded(number), f"held-out picture {number:,} of {opened.name}"
        return (picture, truth), Origin(HELD_OUT, opened.name, number, truth), strip_html(picture, truth, what)

    def row(self, opened: Gallery, row: int) -> tuple:
        """A picture of the gallery, left out of its own results. Raises BadQuery where there is no such row."""
        if not 0 <= row < len(opened.pictures):
            raise BadQuery(f"There is no row {row:,}: choose from 0 to {len(opened.pictures) - 1:,}.")
        picture, name = row_tile(opened, row, opened.class_name(row))
        file = opened.file(row)
        what = (file if self.page.is_own(opened.name) else file_name(file)) or f"picture {row:,} of {opened.name}"
        return (picture, name), Origin(ROW, opened.name, row, name), strip_html(picture, name, what)

    def typed(self, words: str | None) -> tuple:
        if not words or not words.strip():
            return None, None, strip_html()
        return None, Origin(WORDS), strip_html(None, f"“{words}”", "words")

    def _brought(self, picture: Image.Image | BadPicture | None) -> tuple:
        """The box keeps what the visitor put there, but for files that browsers cannot show."""
        foreign = isinstance(picture, Image.Image) and picture.info.get(FOREIGN)
        return picture if foreign else gr.skip(), *self._own(picture)

    def _own(self, picture: Image.Image | BadPicture | None) -> tuple:
        """Values of the origin and the strip for the picture in the box: the visitor's own, or none any more."""
        if picture is None:
            return None, strip_html()
        if isinstance(picture, BadPicture):
            return Origin(PICTURE), strip_html(None, "your picture", "it cannot be read")
        return Origin(PICTURE), strip_html(
            smaller_jpeg(picture.copy(), STRIP_PX), "your picture", "it stays on this page"
        )

    def _uploaded(self, path: str | None) -> tuple:
        if path is None:
            raise BadPicture("No picture arrived; bring a JPEG, PNG, WebP or GIF.")
        try:
            picture = open_picture(Path(path))
        except BadPicture as error:
            return Path(path), *self._own(error)
        return picture.copy() if foreign(Path(path)) else Path(path), *self._own(picture)

    def _surprise(self, *sidebar: object) -> Sequence:
        """A random query whose class is known, of those whose vectors are stored."""
        try:
            collection = self.page.open(self.page.choice(*sidebar))
        except (NotBuilt, NoPictures):
            return [gr.skip()] * len(self.shown)  # the panel above the tabs says why
        if len(collection.queries):
            return self.held_out(collection.gallery, collection.query_row(random.randrange(len(collection.queries))))
        return self.row(collection.gallery, int(collection.gallery_rows(np.array(random.randrange(len(collection))))))


def refused(error: SearchDemoError, line: Answer, outputs: Sequence[gr.components.Component]) -> list:
    """Values of the outputs: `line` says why there is no answer, the others are empty."""
    return [refusal_html(str(error)) if output is line else None for output in outputs]


def query_of(
    origin: Origin | None,
    picture: Image.Image | BadPicture | None,
    words: str,
    template: str,
    chosen: Choice,
    collection: Collection,
) -> Query:
    """Raises NoQuery when there is nothing to search with here, BadQuery, BadPicture."""
    if origin is None or (origin.kind == PICTURE and picture is None):
        raise NoQuery("There is no query yet: bring a picture, type words, click an example, or press “Surprise me”.")
    if origin.kind == WORDS:
        if not find(chosen.encoder).text:
            raise NoQuery(f"{chosen.encoder} reads no words: choose an encoder that does, such as {FALLBACK}.")
        return Query(text=given_words(words), prompt=checked_template(template))
    here = origin.gallery == chosen.gallery
    if origin.kind == ROW and here:
        return Query(row=origin.number)
    if (opened := readable(picture)) is not None:
        return Query(picture=opened)
    if origin.kind == HELD_OUT and here:
        return Query(held_out=collection.query_number(origin.number))
    raise NoQuery(f"The query is a picture of {origin.gallery} that is not on this machine: choose another one.")


def given_words(words: str | None) -> str:
    """Raises NoQuery for no words."""
    if not words or not words.strip():
        raise NoQuery("The text is empty: type a few words, such as 'a red boat'.")
    return words


def checked_template(template: str | None) -> str:
    """The sentence that each term is put in. Raises BadQuery for one without a place for it."""
    if not template or "{}" not in template:
        raise BadQuery(f"The template {template!r} has no {{}} for the words to go to: write one, or '{{}}' alone.")
    return template


def strip_html(picture: bytes | Blur | None = None, name: str = "", what: str = "") -> str:
    """What the page searches with, in one line. Without `what`: that there is nothing yet."""
    address = shown_url(picture) if picture else ""
    return render("query.html", address=address, name=name, what=what)
