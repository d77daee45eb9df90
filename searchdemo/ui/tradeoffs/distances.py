"""The meaning of distance, shown on a few pictures of the visitor's choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
import numpy as np
from PIL import Image

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.errors import BadPicture, BadQuery, SearchDemoError
from searchdemo.jpeg import smaller_jpeg
from searchdemo.measure.distances import Distances, pairwise
from searchdemo.pictures import open_picture
from searchdemo.ui.components.messages import hint, in_place
from searchdemo.ui.components.query_picture import QueryPicture, readable
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import Tile, query_tile, row_tile, shown_url
from searchdemo.ui.page import LAST, Choice, Page, whole

MAX_PICTURES = 5
UPLOAD_PX = 512  # the longer side of an uploaded picture; the session keeps it
ROW, HELD_OUT = KINDS = ("gallery", "held out")


@dataclass(frozen=True)
class Picked:
    """One picture of the grid."""

    gallery: str  # its number counts in this gallery; "" for the visitor's own picture, which fits all
    query: Query


def add(page: Page) -> None:
    """Call within a tab."""
    gr.HTML(render("about_distances.html"), elem_id="distances-title")
    picked = gr.State(())
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                kind = gr.Dropdown(KINDS, value=ROW, label="Picture from", min_width=120, elem_id="distances-kind")
                number = gr.Number(0, label="Number", precision=0, min_width=100, elem_id="distances-number")
            with gr.Row():
                take = gr.Button("Add", elem_id="distances-add", min_width=80, size="md")
                surprise = gr.Button("Surprise me", elem_id="distances-surprise", min_width=120, size="md")
                clear = gr.Button("Clear", elem_id="distances-clear", min_width=80, size="md")
            upload = QueryPicture(
                label="Or your own",
                placeholder="Drop, paste or choose",
                sources=["upload", "clipboard"],
                height=140,
                elem_id="distances-own",
            )
        with gr.Column(scale=3, min_width=320):
            said = gr.HTML(elem_id="distances-said", padding=False)
            grid = gr.HTML(elem_id="distances-grid", min_height=120)

    def show(picked: tuple[Picked, ...], collection: Collection) -> tuple[tuple[Picked, ...], str]:
        return picked, grid_html(*looked_up(collection, picked))

    def again(picked: tuple[Picked, ...], *sidebar: str) -> tuple[tuple[Picked, ...], str]:
        """For another gallery or encoder: only the visitor's own pictures stay when the gallery is another one."""
        chosen = here(sidebar)
        try:
            collection = page.open(chosen)
            kept = tuple(one for one in picked if one.gallery == chosen.gallery or one.query.picture is not None)
            return show(kept or some_three(collection, seed=0), collection)
        except SearchDemoError as error:  # in place of the grid, not as a message: the visitor asked for nothing here
            return picked, hint(str(error))

    def add_number(picked: tuple[Picked, ...], kind: str, number: float | None, *sidebar: str) -> tuple:
        chosen, counted = here(sidebar), whole("The number", number)
        query = Query(held_out=counted) if kind == HELD_OUT else Query(row=counted)
        return show(with_one_more(picked, Picked(chosen.gallery, query)), page.open(chosen))

    def add_own(picked: tuple[Picked, ...], picture: Image.Image | BadPicture | None, *sidebar: str) -> tuple:
        chosen, own = here(sidebar), readable(picture)
        if own is None:
            return gr.skip(), gr.skip(), gr.skip()
        own.thumbnail((UPLOAD_PX, UPLOAD_PX))
        return None, *show(with_one_more(picked, Picked("", Query(picture=own))), page.open(chosen))

    def surprise_me(*sidebar: str) -> tuple[tuple[Picked, ...], str]:
        collection = page.open(here(sidebar))
        return show(some_three(collection), collection)

    def here(sidebar: Sequence[str]) -> Choice:
        return page.choice(*sidebar, "brute", 1)  # refuses names that are not offered

    sidebar, shown = [page.gallery, page.encoder], [picked, grid]
    page.open_tab.renewed("trade-offs")(again, [picked, *sidebar], shown, **LAST)
    answers = [*shown, said]
    asked = [picked, kind, number, *sidebar]
    gr.on([take.click, number.submit], in_place(add_number, len(shown)), asked, answers, **LAST)
    brought, read = [upload, *shown], [picked, upload, *sidebar]
    upload.input(in_place(add_own, len(brought)), read, [*brought, said], show_progress_on=grid)
    surprise.click(in_place(surprise_me, len(shown)), sidebar, answers, **LAST)
    clear.click(lambda: ((), grid_html([], pairwise(np.empty((0, 1)))), ""), None, answers, **LAST)


def with_one_more(picked: tuple[Picked, ...], one: Picked) -> tuple[Picked, ...]:
    """Raises BadQuery when the grid is full."""
    if len(picked) >= MAX_PICTURES:
        raise BadQuery(f"The grid holds {MAX_PICTURES} pictures: clear it, then add another.")
    return (*picked, one)


def some_three(collection: Collection, seed: int | None = None) -> tuple[Picked, ...]:
    """Two pictures of one class and one of another, where the gallery has them."""
    labels, rng = collection.labels(), np.random.default_rng(seed)
    first = int(rng.integers(len(labels)))
    alike = np.flatnonzero((labels == labels[first]) & (np.arange(len(labels)) != first))
    others = np.flatnonzero(labels != labels[first])
    positions = np.array([first, *rng.permutation(alike)[:1], *rng.permutation(others)[:1]])
    rows = collection.gallery_rows(positions).tolist()
    return tuple(Picked(collection.gallery.name, Query(row=row)) for row in rows)


def looked_up(collection: Collection, picked: Sequence[Picked]) -> tuple[list[Tile], Distances]:
    """The tiles at the edges of the grid, and the distances in it. Raises what embedding raises."""
    rows = [collection.embed(one.query).vector for one in picked]
    tiles = [tile_of(collection, one.query) for one in picked]
    return tiles, pairwise(np.concatenate([np.empty((0, collection.vectors.dim), np.float32), *rows]))


def tile_of(collection: Collection, query: Query) -> Tile:
    if query.held_out is not None:
        return query_tile(collection, query.held_out, "held out")
    if query.row is not None:
        name = collection.gallery.class_name(query.row) or "row"
        return row_tile(collection.gallery, query.row, f"{name} ({query.row})")
    if query.picture is not None:
        return smaller_jpeg(open_picture(query.picture), UPLOAD_PX), "yours"
    raise BadQuery("Words have no place in the grid: choose a picture.")


def grid_html(tiles: Sequence[Tile], found: Distances) -> str:
    """One row and one column per picture. The nearer a pair, the stronger the colour of its cell."""
    if not tiles:
        return hint("Add two pictures or more, up to five, or press “Surprise me”.")
    addressed = [(shown_url(picture), name) for picture, name in tiles]  # the name stands below the picture
    return render("distances.html", tiles=addressed, found=found)
