"""The Latency tab: several indexes on one query, what each costs, and what the approximate ones miss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from searchdemo.collection.query import Query
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.race import Row
from searchdemo.ui.components.messages import hint, refusal_html
from searchdemo.ui.latency import form as race_form
from searchdemo.ui.latency import view as race_view
from searchdemo.ui.latency.steps import steps
from searchdemo.ui.page import LAST, Page
from searchdemo.ui.serving.limits import RACE

TITLE = "Latency"
STARTERS = ["brute", "flat", "ivf"]


def add(page: Page) -> None:
    """Call within the tab."""
    library = page.library
    indexes = gr.CheckboxGroup(list(INDEXES), value=STARTERS, label="Indexes", elem_id="latency-indexes")
    with gr.Row():
        size = gr.Dropdown(
            race_form.sizes(max(race_form.SIZES) + 1),
            value=race_form.ALL,
            label="Gallery size N",
            min_width=130,
            elem_id="latency-size",
        )
        batch = gr.Number(1, label="Batch", precision=0, min_width=100, elem_id="latency-batch")
        repeats = gr.Number(50, label="Repeats", precision=0, min_width=100, elem_id="latency-repeats")
        threads = gr.Dropdown(
            race_form.thread_choices(), value=1, label="Threads", min_width=100, elem_id="latency-threads"
        )
    with gr.Row(equal_height=True):
        go = gr.Button("Race on the query above", variant="primary", elem_id="latency-run", elem_classes="narrow")
        subject = gr.HTML(elem_id="latency-subject")
    status = gr.HTML(elem_id="latency-status", min_height=24)
    plot = gr.HTML(elem_id="latency-plot")
    table = gr.HTML(elem_id="latency-table")
    with gr.Column(visible=False) as missed_box:
        missed_index = gr.Dropdown([], label="Pictures missed by", elem_id="latency-missed-index")
        missed = gr.HTML(elem_id="latency-missed")
    finished = gr.State(None)
    answers = [status, plot, table, finished, missed_index, missed, missed_box]

    def compare(*values: Any) -> Iterator[list]:
        """Values of `answers`; the table grows by one row per index."""
        given, fields = values[: len(page.query.inputs)], values[len(page.query.inputs) :]
        try:
            query, _, chosen = page.query.opened(*given)
            asked = race_form.checked(chosen, page.query.params(*given), *fields)
            yield ["", "", "", None, gr.skip(), gr.skip(), gr.update(visible=False)]
            yield from progress(asked, query)
        except SearchDemoError as error:
            yield [refusal_html(str(error)), *[gr.skip()] * 6]

    def progress(asked: race_form.Asked, query: Query) -> Iterator[list]:
        yield [race_view.status_html("opening the vectors and embedding the query"), *[gr.skip()] * 6]
        collection, race = asked.open(library), asked.race
        for step in steps(collection, race, query):
            drawn = listed = gr.skip()
            if step.rows:
                drawn = race_view.plot_html(step.rows, race, step.encoding, asked.encoder, step.conditions)
                listed = race_view.table_html(step.rows, race, step.recall_of)
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

    def missed_or_refusal(index: str, done: Finished | None) -> str:
        try:
            return show_missed(index, done)
        except SearchDemoError as error:
            return refusal_html(str(error))

    def fit(gallery: str, encoder: str, size: int) -> tuple:
        """What is raced: the sidebar's vectors, all or so many of them. A size that they have stays."""
        try:
            count = len(library.open(*page.names(gallery, encoder)))
        except SearchDemoError as error:
            return gr.update(choices=race_form.sizes(0), value=race_form.ALL), hint(str(error))
        offered = race_form.sizes(count)
        stays = {} if size in dict(offered).values() else {"value": race_form.ALL}
        said = f"{count:,} vectors of {gallery} by {encoder}; k and the search parameters are those of the sidebar."
        return gr.update(choices=offered, **stays), hint(said)

    names = [page.gallery, page.encoder]
    page.show_params_of(indexes)
    missed_index.input(missed_or_refusal, [missed_index, finished], missed, trigger_mode="always_last")
    page.open_tab.renewed("latency")(fit, [*names, size], [size, subject], **LAST)
    go.click(
        compare,
        [*page.query.inputs, indexes, size, batch, repeats, threads],
        answers,
        concurrency_id=RACE,
        show_progress_on=status,
        show_progress="minimal",
    )
    page.linked |= {"indexes": indexes, "size": size, "batch": batch, "repeats": repeats, "threads": threads}


@dataclass(frozen=True)
class Finished:
    """Enough to show the missed pictures later. A session keeps it, so it holds names and positions but no vectors."""

    asked: race_form.Asked
    vectors_sha256: str  # the positions are among these
    query: np.ndarray  # (1, dim)
    found: dict[str, np.ndarray]  # index -> positions (k,)
