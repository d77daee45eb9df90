"""The Latency tab: several indexes on one query, what each costs, and what the approximate ones miss."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.race import Row
from searchdemo.ui.components import search_params
from searchdemo.ui.components.messages import sentence_errors
from searchdemo.ui.components.query_picture import QueryPicture
from searchdemo.ui.components.thumbnails import Tile, query_tile
from searchdemo.ui.latency import form as race_form
from searchdemo.ui.latency import view as race_view
from searchdemo.ui.latency.steps import steps
from searchdemo.ui.page import Page

TITLE = "Latency"
STARTERS = ["brute", "flat", "ivf"]


def add(page: Page) -> None:
    """Call within the tab."""
    library, galleries = page.library, tuple(dict.fromkeys(["tiny-imagenet", *page.galleries]))
    built = race_form.built_vectors(library, galleries)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            vectors = gr.Dropdown(
                built, value=race_form.first_of(built), label="Vectors to search in", elem_id="latency-vectors"
            )
            source = gr.Radio(
                list(race_form.SOURCES), value=race_form.HELD_OUT, label="Query", elem_id="latency-source"
            )
            with gr.Column() as held_out:
                shown = QueryPicture(interactive=False, label="Held-out query", height=150, elem_id="latency-shown")
                with gr.Row():
                    number = gr.Number(0, label="Number", precision=0, min_width=120, elem_id="latency-number")
                    another = gr.Button("Surprise me", min_width=120, elem_id="latency-surprise")
            picture = QueryPicture(visible="hidden", height=200, elem_id="latency-picture")
            words = gr.Textbox(label="Words", placeholder="a red boat", visible="hidden", elem_id="latency-words")
        with gr.Column(scale=3, min_width=300):
            indexes = gr.CheckboxGroup(list(INDEXES), value=STARTERS, label="Indexes", elem_id="latency-indexes")
            with gr.Row():
                size = gr.Dropdown(
                    [("all", race_form.ALL)], label="Gallery size N", min_width=130, elem_id="latency-size"
                )
                k = gr.Number(10, label="k", precision=0, min_width=100, elem_id="latency-k")
                batch = gr.Number(1, label="Batch", precision=0, min_width=100, elem_id="latency-batch")
                repeats = gr.Number(50, label="Repeats", precision=0, min_width=100, elem_id="latency-repeats")
                threads = gr.Dropdown(race_form.thread_choices(), value=1, label="Threads", min_width=100)
            with gr.Row():
                params = search_params.param_fields(STARTERS, prefix="latency-")
            go = gr.Button("Race", variant="primary", elem_id="latency-run")
            status = gr.HTML(elem_id="latency-status", min_height=24)
    plot = gr.HTML(elem_id="latency-plot")
    table = gr.HTML(elem_id="latency-table")
    with gr.Column(visible=False) as missed_box:
        missed_index = gr.Dropdown([], label="Pictures missed by", elem_id="latency-missed-index")
        missed = gr.HTML(elem_id="latency-missed")
    finished = gr.State(None)
    answers = [status, plot, table, finished, missed_index, missed, missed_box]

    def compare(vectors: str, source: str, number: int, picture: Any, words: str, *fields: Any) -> Iterator[list]:
        """Values of `answers`; the table grows by one row per index."""
        asked = race_form.checked(vectors, galleries, *fields)
        query = race_form.checked_query(source, number, picture, words)
        yield ["", "", "", None, gr.skip(), gr.skip(), gr.update(visible=False)]
        try:
            yield from progress(asked, query)
        except SearchDemoError:
            yield ["", *[gr.skip()] * 6]  # the last sign of life must not stay
            raise

    def progress(asked: race_form.Asked, query: Query) -> Iterator[list]:
        yield [race_view.status_html("opening the vectors and embedding the query"), *[gr.skip()] * 6]
        collection, race = asked.open(library), asked.race
        for step in steps(collection, race, query):
            drawn = listed = gr.skip()
            if step.rows:
                drawn = race_view.plot_html(step.rows, race, step.encoding, asked.encoder, step.conditions)
                listed = race_view.table_html(step.rows, race, step.held_out)
            yield [race_view.status_html(step.doing, step.failures), drawn, listed, *[gr.skip()] * 4]
        found = {row.index: row.positions for row in step.rows}
        done = Finished(asked, collection.artifact.vectors_sha256, step.vector, found)
        yield [*[gr.skip()] * 3, done, *missed_by(step.rows, done)]

    def missed_by(rows: Sequence[Row], done: Finished) -> tuple:
        """(missed_index, missed, missed_box): starts on the first approximate index that missed something."""
        approximate = [row for row in rows if not INDEXES[row.index].exact]
        if not approximate:
            return gr.skip(), "", gr.update(visible=False)
        chosen = next((row.index for row in approximate if row.recall < 1), approximate[0].index)
        choices = gr.update(choices=[row.index for row in approximate], value=chosen)
        return choices, show_missed(chosen, done), gr.update(visible=True)

    def show_missed(index: str, done: Finished | None) -> str:
        if done is None or index not in done.found:
            return ""
        collection = done.asked.open(library)
        if collection.artifact.vectors_sha256 != done.vectors_sha256:
            raise BadQuery("These vectors were built again since the race: race again to see what was missed.")
        params = done.asked.race.params_for(collection.index(index))
        missed = collection.missed(done.query, index, done.found[index], **params)
        return race_view.missed_html(index, str(missed), *race_view.missed_tiles(collection, done.query, missed))

    def refresh(vectors: str | None) -> dict:
        """Offers what was built since."""
        choices = race_form.built_vectors(library, galleries)
        offered = {value for _, value in choices}
        return gr.update(choices=choices, value=vectors if vectors in offered else race_form.first_of(choices))

    def follow(vectors: str | None, gallery: str, encoder: str) -> dict:
        """Chooses the vectors of the sidebar's gallery and encoder, where they are built."""
        asked = f"{gallery}|{encoder}"
        return refresh(asked if library.built(page.key(gallery, encoder)) else vectors)

    def resize(vectors: str | None) -> dict:
        count = len(collection_of(vectors)) if vectors else 0
        return gr.update(choices=race_form.sizes(count), value=race_form.ALL)

    def draw(vectors: str | None, number: int | None) -> Tile | None:
        return held_out_tile(collection_of(vectors), number) if vectors else None

    def surprise(vectors: str | None) -> int:
        stored = len(collection_of(vectors).queries)
        if not stored:
            raise BadQuery("These vectors came without held-out queries: search with your picture or words.")
        return random.randrange(stored)

    def collection_of(vectors: str | None) -> Collection:
        return library.open(*race_form.checked_vectors(vectors, galleries))

    def visible(source: str) -> list[dict]:
        return [gr.update(visible=True if source == kind else "hidden") for kind in race_form.SOURCES]

    quiet = {"show_progress": "hidden"}
    source.change(visible, source, [held_out, picture, words], **quiet)
    indexes.change(search_params.updates, indexes, params, **quiet)
    another.click(sentence_errors(surprise), vectors, number, **quiet)
    missed_index.input(sentence_errors(show_missed), [missed_index, finished], missed)
    # without triggers: when the page is loaded, and when one of the inputs changes
    gr.on(fn=refresh, inputs=vectors, outputs=vectors, **quiet)
    sidebar = [page.gallery, page.encoder]
    gr.on([chosen.change for chosen in sidebar], follow, [vectors, *sidebar], vectors, **quiet)
    gr.on(fn=sentence_errors(resize), inputs=vectors, outputs=size, **quiet)
    gr.on(fn=sentence_errors(draw), inputs=[vectors, number], outputs=shown, **quiet)
    gr.on(
        [go.click, words.submit],
        sentence_errors(compare),
        [vectors, source, number, picture, words, indexes, size, k, batch, repeats, threads, *params],
        answers,
        concurrency_limit=1,  # two races at once would slow each other
        concurrency_id="race",
        show_progress_on=status,
        show_progress="minimal",
    )


@dataclass(frozen=True)
class Finished:
    """Enough to show the missed pictures later. A session keeps it, so it holds names and positions but no vectors."""

    asked: race_form.Asked
    vectors_sha256: str  # the positions are among these
    query: np.ndarray  # (1, dim)
    found: dict[str, np.ndarray]  # index -> positions (k,)


def held_out_tile(collection: Collection, number: int | None) -> Tile | None:
    """The picture and class of a stored held-out query; None when there is no such query."""
    if number is None or not 0 <= number < len(collection.queries):
        return None
    return query_tile(collection, number)
