"""Text search: words in, the nearest pictures out, through an encoder that reads words."""

from __future__ import annotations

import gradio as gr

from searchdemo.encoders.table import ENCODERS, find
from searchdemo.ui.components.templates import render
from searchdemo.ui.origin import FALLBACK
from searchdemo.ui.page import LAST, Page
from searchdemo.ui.results import Results

TITLE = "Text search"


def add(page: Page) -> None:
    query = page.query
    readers = [name for name, spec in ENCODERS.items() if spec.text]
    with gr.Column(visible=False) as refusal:
        gr.HTML(render("no_text.html", readers=readers), elem_id="text-refusal")
        switch = gr.Button(f"Switch to {FALLBACK}", elem_id="text-switch", size="md", elem_classes="narrow")
    with gr.Column() as offer:
        with gr.Row(equal_height=True):
            query.words.render()
            query.template.render()
            run = gr.Button("Search", variant="primary", elem_id="text-run", scale=1, min_width=100)
        examples = gr.Dataset(
            components=["textbox"], samples=[], label="Examples: click one", elem_id="text-examples", type="index"
        )
        Results(page, "text-search", prefix="text")

    def example_texts(gallery: str) -> gr.Dataset:
        texts = page.library.gallery(gallery).example_texts if page.offers(gallery) else ()
        return gr.Dataset(samples=[[text] for text in texts], type="index", visible=bool(texts))

    def example(number: int, gallery: str) -> str:
        return page.library.gallery(gallery).example_texts[number]

    def fit_encoder(encoder: str) -> tuple:
        """Values of the template, and of what is shown with and without a text tower."""
        reads = find(encoder).text
        return find(encoder).prompt, gr.update(visible=reads), gr.update(visible=not reads)

    clicked = examples.click(example, [examples, page.gallery], query.words, **LAST)
    for event in (run.click, query.words.submit, query.template.submit, clicked.success):
        query.changed(event, query.edited, [query.words, *query.edited_in])
    switched = switch.click(None, None, page.encoder, js=f"() => '{FALLBACK}'")
    switched.success(None, js=page.open_tab.refresh)
    page.encoder.change(fit_encoder, page.encoder, [query.template, offer, refusal], **LAST)
    page.on_gallery(example_texts, examples)
