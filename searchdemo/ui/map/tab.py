"""The Map tab: the gallery in two dimensions, with the query, its neighbours, and what the search visits on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import gradio as gr

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.ui.components.messages import hint, sentence_errors
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import picture_data, row_tile
from searchdemo.ui.map import data
from searchdemo.ui.page import INDEX, Choice, Page, whole

TITLE = "Map"
NOTHING_YET = "Nothing is searched with yet: click a point, or take a held-out picture."


def add(page: Page) -> None:
    """Call within the tab."""
    with gr.Row(equal_height=True):
        line = gr.HTML(hint(NOTHING_YET), elem_id="map-line")
        surprise = gr.Button("Surprise me", elem_id="map-surprise", elem_classes="narrow", size="sm")

    # The script of the map calls these three. Each argument is a list that came over the wire.

    def points(names: list) -> dict:
        """names: gallery, encoder."""
        return or_note(lambda: data.points(page.open(chosen_by(*names))))

    def cells(names: list) -> dict:
        """names: gallery, encoder, index."""
        return or_note(lambda: data.cells(page.open(chosen := chosen_by(*names)), chosen.index))

    def picture(asked: list) -> dict:
        """asked: gallery, row."""
        gallery, row = asked
        return or_note(lambda: picture_of(page, chosen_by(gallery), whole("row", row)))

    def chosen_by(gallery: object, encoder: object = "bundled", index: object = INDEX) -> Choice:
        return page.choice(gallery, encoder, index, 1)

    canvas = gr.HTML(
        {},
        html_template=render("map.html"),
        js_on_load=render("map.js"),
        apply_default_css=False,
        server_functions=[points, cells, picture],
        elem_id="map",
    )
    asked = gr.State(None)  # (gallery, "row" or "held_out", number)

    def show(asked: tuple | None, *sidebar: object) -> Iterator[list]:
        chosen = page.choice(*sidebar)
        value: dict = {"gallery": chosen.gallery, "encoder": chosen.encoder, "index": chosen.index}
        try:
            collection = page.open(chosen)
            value["key"] = data.key(collection)
        except SearchDemoError as error:
            yield [value | {"note": str(error)}, ""]
            return
        if asked is None or asked[0] != chosen.gallery:
            yield [value, hint(NOTHING_YET)]
            return
        yield from page.ready(collection, chosen.index, line, [canvas, line])
        drawn = data.overlay(collection, chosen, Query(**{asked[1]: asked[2]}))
        yield [value | {"overlay": drawn}, hint(sentence(collection, asked, chosen, drawn))]

    def surprised(*sidebar: object) -> tuple:
        chosen = page.choice(*sidebar)
        queries, _ = page.open(chosen).held_out()
        return chosen.gallery, "held_out", random.randrange(len(queries))

    def selected(event: gr.EventData) -> tuple:
        return event.gallery, "row", whole("row", event.row)

    quiet = {"show_progress": "hidden"}
    picked = canvas.select(sentence_errors(selected), None, asked, **quiet)
    drawn = surprise.click(sentence_errors(surprised), page.inputs, asked, **quiet)
    shown = {"fn": sentence_errors(show), "inputs": [asked, *page.inputs], "outputs": [canvas, line]} | quiet
    sidebar = [one.change for one in (page.gallery, page.encoder, page.index, page.numbers)]
    gr.on([page.demo.load, *sidebar], trigger_mode="always_last", **shown)
    for done in (picked, drawn):
        done.success(trigger_mode="always_last", **shown)


def or_note(answer: Callable[[], dict]) -> dict:
    """What the script gets: the answer, or a sentence that it shows in the place of the map."""
    try:
        return answer()
    except SearchDemoError as error:
        return {"note": str(error)}


def picture_of(page: Page, chosen: Choice, row: int) -> dict:
    """The picture of a row, or what stands in for it, as a `data:` URL with its words. Raises BadQuery."""
    gallery = page.library.gallery(chosen.gallery)
    if not 0 <= row < len(gallery.pictures):
        raise BadQuery(f"There is no row {row:,}: choose from 0 to {len(gallery.pictures) - 1:,}.")
    name = gallery.class_name(row) or gallery.file(row) or f"row {row}"
    tile = row_tile(gallery, row, "")
    return {"url": picture_data(*tile).url, "alt": name}


def sentence(collection: Collection, asked: tuple, chosen: Choice, drawn: dict) -> str:
    """What is searched with, how, and how many of its nearest were found."""
    _, kind, number = asked
    if kind == "row":
        name, what = collection.gallery.class_name(number), f"row {number:,} of the gallery"
    else:
        label = collection.truth[number]
        name, what = collection.gallery.class_names[label] if label >= 0 else "", f"held-out query {number:,}"
    missed = sum(one["kind"] == "missed" for one in drawn["neighbours"])
    wanted = missed + sum(one["kind"] == "found" for one in drawn["neighbours"])
    lost = f"{missed} of its {wanted} nearest were missed" if missed else f"all {wanted} nearest were found"
    effort = ", ".join(f"{param} {value}" for param, value in chosen.params.items())
    return f"{name or 'A picture'} ({what}), {chosen.index}{' with ' * bool(effort)}{effort}: {lost}."
