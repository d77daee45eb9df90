"""The Latency tab: several indexes on one query, what each costs, and what the approximate ones lose."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from html import escape

import gradio as gr
import numpy as np

from searchdemo.collection.library import Query, SearchEngine
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.indexes.base import SEARCH_PARAMS
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.machine import machine
from searchdemo.measure.metrics import Latency
from searchdemo.measure.missed import what_was_lost
from searchdemo.measure.race import Race, Row, contestant, encode, recall_sample, run
from searchdemo.ui.components.pieces import QueryPicture, Tile, sentence_errors
from searchdemo.ui.latency import form as race_form
from searchdemo.ui.latency import view as race_view
from searchdemo.ui.page import Page

TITLE = "Latency"
STARTERS = ["brute", "flat", "ivf"]
TICK_S = 1.0  # between two signs of life while an index is built


def add(page: Page) -> None:
    """Call within the tab."""
    engine, galleries = page.engine, tuple(dict.fromkeys(["tiny-imagenet", *page.galleries]))
    built = race_form.built_vectors(engine, galleries)
    gr.HTML(f"<style>{race_view.CSS}</style>", visible="hidden")
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
                    number = gr.Number(0, label="Its number", precision=0, min_width=120, elem_id="latency-number")
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
                params = [
                    gr.Number(
                        param.default,
                        label=param.name,
                        info=param.help,
                        precision=0,
                        min_width=130,
                        elem_id=f"latency-{param.name}",
                        visible=shown_for(param.name, STARTERS),
                    )
                    for param in SEARCH_PARAMS
                ]
            go = gr.Button("Race", variant="primary", elem_id="latency-run")
            status = gr.HTML(elem_id="latency-status", min_height=24)
    plot = gr.HTML(elem_id="latency-plot")
    table = gr.HTML(elem_id="latency-table")
    with gr.Column(visible=False) as lost_box:
        lost_index = gr.Dropdown([], label="What was lost by", elem_id="latency-lost-index")
        lost = gr.HTML(elem_id="latency-lost")
    finished = gr.State(None)

    def compare(vectors, source, number, picture, words, *numbers):
        """Generator of the values of `answers`; the table grows by a row an index."""
        race = race_form.checked_race(*race_form.checked_vectors(vectors, galleries), *numbers)
        query = race_form.checked_query(source, number, picture, words)
        yield "", "", "", None, gr.skip(), gr.skip(), gr.update(visible=False)
        try:
            yield from progress(race, query)
        except SearchDemoError:
            yield "", *[gr.skip()] * 6  # what it was doing would go on standing there
            raise

    def progress(race: Race, query: Query):
        for step in steps(engine, race, query):
            drawn = race_view.plot_html(step.rows, race, step.encoding, step.conditions) if step.rows else gr.skip()
            listed = race_view.table_html(step.rows, race, step.held_out) if step.rows else gr.skip()
            yield status_html(step), drawn, listed, *[gr.skip()] * 4
        done = Finished(race, step.vector, {row.index: row.positions for row in step.rows})
        yield *[gr.skip()] * 3, done, *lost_of(step.rows, done)

    def lost_of(rows: list[Row], done: Finished):
        """(lost_index, lost, lost_box): starts on the first approximate index that missed something."""
        approximate = [row for row in rows if not INDEXES[row.index].exact]
        if not approximate:
            return gr.skip(), "", gr.update(visible=False)
        chosen = next((row.index for row in approximate if row.recall < 1), approximate[0].index)
        choices = gr.update(choices=[row.index for row in approximate], value=chosen)
        return choices, show_lost(chosen, done), gr.update(visible=True)

    def show_lost(index: str, done: Finished | None) -> str:
        if done is None or index not in done.found:
            return ""
        lost = what_was_lost(engine, done.race, done.query, index, done.found[index])
        return race_view.lost_html(index, str(lost), *race_view.lost_tiles(engine, done.race, done.query, lost))

    def refresh(vectors: str | None):
        """What was built since shows up."""
        choices = race_form.built_vectors(engine, galleries)
        kept = vectors if vectors in {value for _, value in choices} else race_form.first_of(choices)
        return gr.update(choices=choices, value=kept)

    def follow(vectors: str | None, gallery: str, encoder: str):
        """The sidebar's, where they are built."""
        asked = f"{gallery}|{encoder}"
        return refresh(asked if engine.built_key(gallery, encoder) else vectors)

    def resize(vectors: str | None):
        count = len(prepared_of(vectors).vectors) if vectors else 0
        return gr.update(choices=race_form.sizes(count), value=race_form.ALL)

    def draw(vectors: str | None, number: int | None) -> Tile | None:
        return held_out_tile(engine, *race_form.checked_vectors(vectors, galleries), number) if vectors else None

    def surprise(vectors: str | None) -> int:
        stored, _ = prepared_of(vectors).queries()
        if not len(stored):
            raise BadQuery("These vectors came without held-out queries: search with your picture or words.")
        return random.randrange(len(stored))

    def prepared_of(vectors: str | None):
        return engine.prepared(*race_form.checked_vectors(vectors, galleries))

    def visible(source: str) -> list:
        return [gr.update(visible=True if source == kind else "hidden") for kind in race_form.SOURCES]

    def shown_params(indexes: list[str]) -> list:
        return [gr.update(visible=shown_for(param.name, indexes)) for param in SEARCH_PARAMS]

    quiet = {"show_progress": "hidden"}
    source.change(visible, source, [held_out, picture, words], **quiet)
    indexes.change(shown_params, indexes, params, **quiet)
    another.click(sentence_errors(surprise), vectors, number, **quiet)
    lost_index.input(sentence_errors(show_lost), [lost_index, finished], lost)
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
        [status, plot, table, finished, lost_index, lost, lost_box],
        concurrency_limit=1,  # two races at once would slow each other
        concurrency_id="race",
        show_progress_on=status,
        show_progress="minimal",
    )


def shown_for(param: str, indexes: list[str]) -> bool | str:
    """Whether one of the indexes has this search parameter, as gradio's `visible`."""
    return any(param == has.name for index in indexes if index in INDEXES for has in INDEXES[index].params) or "hidden"


@dataclass(frozen=True)
class Finished:
    """What the rows of lost pictures are made from."""

    race: Race
    query: np.ndarray  # (1, dim)
    found: dict[str, np.ndarray]  # index -> positions (k,)


@dataclass(frozen=True)
class Step:
    """How far a race is."""

    doing: str = "opening the vectors and embedding the query"  # "" when it is done
    rows: tuple[Row, ...] = ()
    failures: tuple[str, ...] = ()  # why an index is not among the rows
    vector: np.ndarray | None = None  # (1, dim), the query
    encoding: Latency | None = None  # None: a stored embedding
    held_out: int = 0  # queries that the mean recall is taken over
    conditions: str = ""  # what the figures are of


def steps(engine: SearchEngine, race: Race, query: Query) -> Iterator[Step]:
    """Run a race. An index that cannot be built is left out and said so. Raises SearchDemoError for all else."""
    step = Step()
    yield step
    vector, encoding = encode(engine, query, race)
    stored, _ = engine.prepared(race.gallery, race.encoder).queries()
    said = conditions(engine, race, encoding)
    step = replace(step, vector=vector, encoding=encoding, held_out=len(recall_sample(stored)), conditions=said)
    for name in race.indexes:
        try:
            for seconds in waiting(lambda name=name: contestant(engine, race, name)):
                yield replace(step, doing=f"getting {name} ready, {seconds:.0f} s so far: {why(engine, race, name)}")
        except SearchDemoError as error:
            step = replace(step, failures=(*step.failures, str(error)))
            continue
        yield replace(step, doing=f"measuring {name}")
        step = replace(step, rows=(*step.rows, *run(engine, replace(race, indexes=(name,)), vector)))
        yield replace(step, doing=f"{name} is measured")
    yield replace(step, doing="")


def waiting(call: Callable[[], object]) -> Iterator[float]:
    """Run call() in another thread; yields the seconds so far every TICK_S until it is done, raises what it raises."""
    started = time.perf_counter()
    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(call)
    pool.shutdown(wait=False)  # a visitor who leaves waits for nothing; what was begun is kept for the next
    while not wait([future], timeout=TICK_S).done:
        yield time.perf_counter() - started
    future.result()


def why(engine: SearchEngine, race: Race, index: str) -> str:
    if race.size:
        return f"it is built for {race.size:,} of the vectors"
    here = engine.has_index(race.gallery, race.encoder, index)
    return "it is loaded" if here else "it is built once, and kept for the next time"


def conditions(engine: SearchEngine, race: Race, encoding: Latency | None) -> str:
    """What the figures are of: machine, threads, repeats; how the query was embedded."""
    threads = "1 thread" if race.threads == 1 else f"{race.threads} threads"
    said = f"{machine()}, {threads}; at most {race.repeats} warm calls one after another, the page's own time left out."
    if encoding is None:
        said += " The query's picture is not on this machine: its stored embedding searches, and nothing is encoded."
    else:
        encoder = engine.encoder(race.encoder)
        said += f" Encoding includes preprocessing: {encoding.repeats} times on {encoder.device}, {encoder.precision}."
    if engine.prepared(race.gallery, race.encoder).artifact.manifest.stand_in:
        said += " The weights were made for a test: recall means nothing."
    return said


def status_html(step: Step) -> str:
    sentences = [*step.failures, f"{step.doing} …" if step.doing else ""]
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)


def held_out_tile(engine: SearchEngine, gallery: str, encoder: str, number: int | None) -> Tile | None:
    """The picture and class of a stored held-out query; None when there is no such query."""
    prepared = engine.prepared(gallery, encoder)
    stored, labels = prepared.queries()
    if number is None or not 0 <= number < len(stored):
        return None
    name = prepared.gallery.class_names[labels[number]] if labels[number] >= 0 else "query"
    return prepared.query_picture(number), f"{name} (query {number})"
