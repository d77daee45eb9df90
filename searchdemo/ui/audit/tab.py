"""The Audit tab: one button looks for copies, leaks and doubtful labels; tiles show what was found, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from searchdemo.errors import SearchDemoError
from searchdemo.ui.audit.auditing import Auditing, Run
from searchdemo.ui.audit.view import TITLES, choices, shown, summary
from searchdemo.ui.components.answer import Answer
from searchdemo.ui.components.messages import hint, refusal_html, sentence_errors
from searchdemo.ui.components.tiles import Tiles
from searchdemo.ui.page import Page
from searchdemo.ui.serving.limits import WATCH
from searchdemo.ui.serving.permits import check_audit, check_end, who

TITLE = "Audit"
NOT_YET = (
    "An audit looks for exact copies, near-copies, pictures of one scene, held-out queries that are in the gallery, "
    "and labels that no neighbour shares. It changes nothing. 10,000 pictures take minutes."
)
AUDITING = Auditing()


def add(page: Page) -> None:
    """Call within the tab."""
    with gr.Row(elem_id="audit-row"):
        go = gr.Button("Audit this gallery", variant="primary", elem_id="audit-go", size="md", elem_classes="narrow")
        cancel = gr.Button("Cancel", elem_id="audit-cancel", size="md", elem_classes="narrow", visible="hidden")
    refused = gr.HTML(elem_id="audit-refused", padding=False)  # beside the progress, which would take its place
    status = gr.HTML(elem_id="audit-status", padding=False)
    line = Answer(elem_id="audit-line", min_height=24)
    what = gr.Radio([], label="Findings", elem_id="audit-what", visible="hidden")
    said = gr.HTML(elem_id="audit-said", padding=False)
    tiles = Tiles("Click a picture to search with it", elem_id="audit-tiles")
    outputs = [line, what, said, tiles]

    def show(*values: Any) -> list:
        """What was found in the gallery and by the encoder of the sidebar, without a query too."""
        *given, chosen_kind = values
        hidden = gr.update(visible="hidden")
        try:
            found = AUDITING.found(page.open(page.choice(*given[len(page.query.fields) :])))
        except SearchDemoError as error:
            return [refusal_html(str(error)), hidden, "", None]
        if found is None:
            return [hint(NOT_YET), hidden, "", None]
        offered = choices(found)
        kind = chosen_kind if chosen_kind in [value for _, value in offered] else next(iter(TITLES))
        now = shown(found, kind)
        other = {} if kind == chosen_kind else {"value": kind}  # a later choice stays
        radio = gr.update(choices=offered, visible=True, **other)
        return [hint(summary(found)), radio, hint(now.said), now.tiles]

    def run(*sidebar: Any) -> Iterator[tuple]:
        """Values of `told`."""
        try:
            collection = page.open(page.choice(*sidebar))
            check_audit(page, len(collection))
            started = AUDITING.start(collection, by=who())
        except SearchDemoError as error:
            yield refusal_html(str(error)), gr.skip(), gr.skip()
            return
        yield "", gr.skip(), gr.skip()
        yield from watched(started)

    def watched(run: Run) -> Iterator[tuple]:
        try:
            for sentence in run.watch():
                yield gr.skip(), hint(sentence), gr.update(visible=True)
            yield "", "", gr.update(visible="hidden")
        except SearchDemoError as error:
            yield "", hint(str(error)), gr.update(visible="hidden")

    def stop() -> None:
        if run := AUDITING.running():
            check_end(page, run.by, "audit")
        AUDITING.cancel()

    def watch() -> Iterator[tuple]:
        """The audit that another visitor, or this one before the page was loaded again, has started."""
        yield gr.skip(), gr.skip(), gr.skip()  # without any, gradio empties the outputs
        if run := AUDITING.running():
            yield from watched(run)

    told, quiet = [refused, status, cancel], {"concurrency_id": WATCH, "show_progress": "hidden"}
    page.query.fill("audit", show, [what], outputs, line, [what.input])
    page.query.picked(tiles, "audit")
    # multiple: gradio would drop the click while this page's own audit goes on, where it is to be refused
    asked = go.click(run, page.inputs, told, trigger_mode="multiple", **quiet)
    for watching in (asked.success, page.open_tab.renewed("audit")):  # who was refused sees what goes on
        watching(watch, None, told, **quiet).success(None, js=page.open_tab.refresh)
    cancel.click(sentence_errors(stop), None, None, queue=False, show_progress="hidden")
