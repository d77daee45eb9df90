"""The Face-off tab: the page's query by every encoder that is built, side by side; clicks mark what is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.encoders.table import ENCODERS, find
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.measure.faceoff.accuracy import accuracies
from searchdemo.measure.faceoff.compared import face_off
from searchdemo.measure.faceoff.judged import Judged
from searchdemo.measure.faceoff.kept import card_of
from searchdemo.measure.faceoff.sides import advice, sides
from searchdemo.ui.components.answer import Answer
from searchdemo.ui.components.messages import hint, refusal_html, sentence_errors
from searchdemo.ui.components.templates import render
from searchdemo.ui.faceoff.sheets import Kept, Sheets
from searchdemo.ui.faceoff.view import accuracy_html, classes_html, columns_html, figures_html, said_of
from searchdemo.ui.page import Page, whole
from searchdemo.ui.query import Origin
from searchdemo.ui.serving.arguments import shown as shown_value
from searchdemo.ui.serving.limits import FACEOFF
from searchdemo.ui.serving.permits import check_accuracy
from searchdemo.ui.serving.turns import SCAN, TURNS

TITLE = "Face-off"
MOST_K = 50  # pictures of a column


@dataclass(frozen=True)
class OnShow:
    """What a session has before it: names and numbers, no pictures."""

    gallery: str
    judged: Judged  # without marks


def add(page: Page) -> None:
    """Call within the tab."""
    with gr.Row(equal_height=True):
        names = gr.Dropdown(
            list(ENCODERS),
            value=[],
            multiselect=True,
            label="Encoders",
            info="None chosen: all that are built for this gallery.",
            elem_id="faceoff-encoders",
            scale=3,
            min_width=260,
        )
        nothing = gr.Button("None of these is right", elem_id="faceoff-none", size="md", elem_classes="narrow")
        forget = gr.Button("Forget my marks", elem_id="faceoff-forget", size="md", elem_classes="narrow")
        ask_all = gr.Button("Ask with all held-out", elem_id="faceoff-all", size="md", elem_classes="narrow")
    line = Answer(elem_id="faceoff-line", min_height=24)
    columns = gr.HTML(elem_id="faceoff-columns", js_on_load=render("faceoff.js"))
    figures, classes = gr.HTML(elem_id="faceoff-figures"), gr.HTML(elem_id="faceoff-classes")
    accuracy = gr.HTML(elem_id="faceoff-accuracy")
    asked = gr.JSON(visible="hidden")  # the figures of all held-out ones, and of what was chosen when they were asked
    marked = gr.JSON(visible="hidden")  # what is marked, as the script reads it when it is sent
    on_show, sheets = gr.State(None), gr.State(None)
    outputs = [line, columns, figures, classes, on_show]
    page.linked["encoders"] = names

    def show(*values: Any) -> list:
        """Values of the outputs."""
        *given, wanted, before = values
        try:
            chosen = page.choice(*given[len(page.query.fields) :])
            taking_part = sides(page.library, chosen.gallery, wanted or ())
            k = min(chosen.k, MOST_K)

            def ask(collection: Collection) -> Query:
                return page.query.opened(*asked_by(collection.encoder_spec.name, given))[0]

            found = face_off(taking_part, ask, k, where=chosen.where, pictures=True, fetch=False)
            kept = Kept(page, chosen.gallery, before)
            judged, said = kept.judged(), advice(page.library, chosen.gallery)
        except SearchDemoError as error:
            return [refusal_html(str(error)), "", "", "", None]
        refused = {column.said for column in found.columns}
        if not found.answered and len(refused) == 1:  # one reason for all: there is no query yet, say
            return [refusal_html(" ".join([*refused, said]).strip()), "", "", "", None]
        told = "".join(map(hint, said_of(found, said, k < chosen.k)))
        now = found.judged(()) if found.answered else None
        right = next((one.right for one in judged if now and same(one, now)), ())
        origin = given[page.query.inputs.index(page.query.origin)]
        truth = origin.truth if isinstance(origin, Origin) and origin.gallery == chosen.gallery else ""
        return [
            told,
            columns_html(found, right, now.identity if now else ""),
            drawn(kept, judged, k),
            classes_html(found, truth),
            OnShow(chosen.gallery, now) if now else None,
        ]

    def asked_by(name: str, given: Sequence[Any]) -> list[Any]:
        """The values of query.inputs as they are with this encoder in the sidebar, and with its own sentence for words
        where the visitor has not written another one."""
        inputs, values = page.query.inputs, list(given)
        encoder, template = inputs.index(page.encoder), inputs.index(page.query.template)
        if values[template] == find(values[encoder]).prompt:
            values[template] = find(name).prompt
        values[encoder] = name
        return values

    def mark(what: dict, shown: OnShow | None, before: Sheets | None) -> list:
        """Values of the figures and the sheets."""
        if shown is None or what.get("asked") != shown.judged.identity:
            return [gr.skip(), gr.skip()]  # of a query that is no longer there
        page.names(shown.gallery, "bundled")
        right = marked_rows(what.get("right"), shown.judged)
        new = replace(shown.judged, right=right) if right or what.get("none") is True else None
        kept = Kept(page, shown.gallery, before)
        judged, after = kept.put(new, shown.judged.identity, shown.judged.k)
        return [drawn(kept, judged, shown.judged.k), after]

    def forget_all(gallery: str, before: Sheets | None) -> Sheets:
        return Kept(page, page.names(gallery, "bundled")[0], before).forget()

    def measured(gallery: str, wanted: Sequence[str] | None, k: int) -> dict:
        opened, _ = page.names(gallery, "bundled")
        taking_part = sides(page.library, opened, wanted or ())
        check_accuracy(page, taking_part)
        with TURNS.turn(SCAN):
            found = accuracies(taking_part, min(whole("k", k), MOST_K), fetch=False)
        return {"of": [gallery, wanted, k], "html": accuracy_html(opened, found)}

    of = [page.gallery, names, page.k]
    told = ask_all.click(sentence_errors(measured), of, asked, concurrency_id=FACEOFF, show_progress_on=accuracy)
    for event in (told.success, page.gallery.change, names.change, page.k.change):
        event(None, [asked, *of], accuracy, js=render("still.js"))
    page.query.fill("face-off", show, [names, sheets], outputs, line, [names.input])
    quiet: dict[str, Any] = {"show_progress": "hidden", "queue": False}
    marking = {"fn": sentence_errors(mark), "inputs": [marked, on_show, sheets], "outputs": [figures, sheets]}
    marking |= {"trigger_mode": "always_last", **quiet}
    columns.select(**marking, js=render("marks.js", nothing=False))
    nothing.click(**marking, js=render("marks.js", nothing=True))
    forgotten = forget.click(sentence_errors(forget_all), [page.gallery, sheets], sheets, **quiet)
    forgotten.success(None, js=page.open_tab.refresh)


def same(one: Judged, now: Judged) -> bool:
    """Whether it was judged of this query in these pictures."""
    return (one.identity, one.fingerprint) == (now.identity, now.fingerprint)


def marked_rows(right: object, shown: Judged) -> tuple[int, ...]:
    """Rows that came over the wire, each of them in a column. Raises BadQuery."""
    there = {row for ranking in shown.rankings(shown.k).values() for row in ranking}
    if not isinstance(right, list):
        raise BadQuery(f"right = {shown_value(right)} is no list of rows.")
    for row in right:
        if not isinstance(row, int) or isinstance(row, bool) or row not in there:
            raise BadQuery(f"There is no picture {shown_value(row)} among the {len(there):,} that are shown.")
    return tuple(dict.fromkeys(right))


def drawn(kept: Kept, judged: Sequence[Judged], k: int) -> str:
    return figures_html(judged, k, card_of(kept.key, judged, k) if judged else None)
