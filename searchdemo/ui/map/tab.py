"""The Map tab: the gallery in two dimensions, with the query, its neighbours, and what the search visits on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from searchdemo.collection.maps import build_map
from searchdemo.errors import BadQuery, Cancelled, SearchDemoError
from searchdemo.types import Blur, Count
from searchdemo.ui.components.answer import Answer
from searchdemo.ui.components.messages import hint, refusal_html
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import row_tile, shown_url
from searchdemo.ui.map import data
from searchdemo.ui.page import INDEX, Choice, IndexMissing, Page, whole
from searchdemo.ui.query import QUIET
from searchdemo.ui.serving.limits import BUILD
from searchdemo.ui.serving.permits import at_home

TITLE = "Map"


def add(page: Page) -> None:
    """Call within the tab."""
    line = Answer(elem_id="map-line")

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

    def show(*values: Any) -> list:
        """Values of canvas and line. The points are there without a query too."""
        *given, view = values
        names = given[len(page.query.fields) :]
        value: dict = {"view": view}
        try:
            chosen = page.choice(*names)
            value |= {"gallery": chosen.gallery, "encoder": chosen.encoder, "index": chosen.index}
            value["key"] = data.key(page.open(chosen))
            query, collection, chosen = page.query.opened(*given)
            page.check_ready(collection, chosen.index)
            drawn = data.overlay(collection, chosen, query)
            return [value | {"overlay": drawn}, hint(sentence(chosen, drawn))]
        except IndexMissing:
            raise
        except data.NoMap as error:
            return [value | {"note": str(error)}, offer(error, chosen)]
        except SearchDemoError as error:
            return [value if "key" in value else value | {"note": str(error)}, refusal_html(str(error))]

    def offer(error: data.NoMap, chosen: Choice) -> str:
        """Why there is no map, with a button where this visitor may draw it."""
        if not may_draw(chosen.gallery):
            return refusal_html(str(error))
        return no_map(str(error), chosen)

    def no_map(sentence: str, chosen: Choice) -> str:
        return render("no_map.html", sentence=sentence, count=len(page.open(chosen)))

    def may_draw(gallery: str) -> bool:
        """It takes seconds for a thousand pictures and minutes for 100,000: of one's own, or at one's own machine."""
        return page.is_own(gallery) or at_home(page)

    def draw(request: gr.Request, gallery: str, encoder: str) -> Iterator[str]:
        """Values of the line while the map is drawn."""
        try:
            chosen = chosen_by(gallery, encoder)
            if not may_draw(chosen.gallery):
                raise BadQuery(f"The map of {gallery!r} is drawn at the machine that serves this page alone.")
            collection = page.open(chosen)

            def make(progress: Count) -> None:
                build_map(collection, lambda so_far: progress(so_far.done, so_far.total))

            if collection.map() is None:
                for (so_far,) in page.working(make, "the map", "the map", line, [line], request.session_hash):
                    yield so_far
            yield render("built.html")
        except Cancelled:
            yield no_map("The drawing of the map was cancelled.", chosen)
        except SearchDemoError as error:
            yield refusal_html(str(error))

    page.query.fill("map", show, [page.map_view], [canvas, line], line)
    page.query.picked(canvas, "map")
    line.draw(draw, [page.gallery, page.encoder], line, trigger_mode="once", concurrency_id=BUILD, **QUIET)


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
    here = isinstance(tile[0], bytes) and not isinstance(tile[0], Blur)
    return {"url": shown_url(*tile), "alt": name, "here": here}


def sentence(chosen: Choice, drawn: dict) -> str:
    """How the query is searched, and how many of its nearest were found."""
    missed = sum(one["kind"] == "missed" for one in drawn["neighbours"])
    wanted = missed + sum(one["kind"] == "found" for one in drawn["neighbours"])
    lost = f"{missed} of the {wanted} nearest were missed" if missed else f"all {wanted} nearest were found"
    effort = ", ".join(f"{param} {value}" for param, value in chosen.params.items())
    return f"{chosen.index}{' with ' * bool(effort)}{effort}: {lost}."
