"""Text search: words in, the nearest pictures out, through an encoder that reads words."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from searchdemo.collection.query import Query
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery
from searchdemo.ui.components.messages import sentence_errors, timing
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import Thumbnails, tiles
from searchdemo.ui.page import NoQuery, Page

TITLE = "Text search"
FALLBACK = "bundled"  # an encoder that reads words and comes with searchdemo


def reads_words(encoder: str) -> bool:
    return encoder in ENCODERS and ENCODERS[encoder].text


def filled(template: str | None, words: str | None) -> str:
    """The words in the template. Raises NoQuery for no words, BadQuery for a template without a place for them."""
    if not words or not words.strip():
        raise NoQuery("The text is empty: type a few words, such as 'a red boat'.")
    if not template or "{}" not in template:
        raise BadQuery(f"The template {template!r} has no {{}} for the words to go to: write one, or '{{}}' alone.")
    return template.replace("{}", words)


def add(page: Page) -> None:
    readers = [name for name, spec in ENCODERS.items() if spec.text]
    with gr.Column(visible=False) as refusal:
        gr.HTML(render("no_text.html", readers=readers), elem_id="text-refusal")
        switch = gr.Button(f"Switch to {FALLBACK}", elem_id="text-switch", size="md", elem_classes="narrow")
    with gr.Column() as offer:
        with gr.Row(equal_height=True):
            words = gr.Textbox(
                label="Words", placeholder="a red boat on the sea", elem_id="words", scale=4, max_lines=1
            )
            template = gr.Textbox(ENCODERS.find(FALLBACK).prompt, label="Prompt template", elem_id="template", scale=2)
            run = gr.Button("Search", variant="primary", elem_id="text-run", scale=1, min_width=100)
        examples = gr.Dataset(
            components=["textbox"], samples=[], label="Examples: click one", elem_id="text-examples", type="index"
        )
        line = gr.HTML(elem_id="text-timing")
        results = Thumbnails(label="Nearest pictures", elem_id="text-results", columns=8)

    def search(words: str, template: str, *sidebar: object) -> Iterator:
        chosen = page.choice(*sidebar)
        if not reads_words(chosen.encoder):
            raise NoQuery(f"{chosen.encoder} reads no words: choose an encoder that does, such as {FALLBACK}.")
        query = Query(text=filled(template, words))
        collection = page.open(chosen)
        yield from page.ready(collection, chosen.index, line, outputs)
        result = chosen.search(collection, query)
        yield tiles(result), timing(result)

    def example_texts(gallery: str) -> gr.Dataset:
        texts = page.library.gallery(gallery).example_texts if gallery in page.galleries else ()
        return gr.Dataset(samples=[[text] for text in texts], type="index", visible=bool(texts))

    def example(number: int, gallery: str) -> str:
        return page.library.gallery(gallery).example_texts[number]

    def fit_encoder(encoder: str) -> tuple:
        """Values of the template, and of what is shown with and without a text tower."""
        reads = reads_words(encoder)
        return ENCODERS.find(encoder).prompt, gr.update(visible=reads), gr.update(visible=not reads)

    query, outputs, quiet = [words, template, *page.inputs], [results, line], {"show_progress": "hidden"}
    searching = {"fn": sentence_errors(search), "inputs": query, "outputs": outputs, "show_progress_on": results}
    searching |= {"trigger_mode": "always_last"}  # what was asked meanwhile is not dropped
    gr.on([run.click, words.submit, template.submit], **searching)
    examples.click(example, [examples, page.gallery], words, **quiet).success(**searching)
    switch.click(lambda: FALLBACK, None, page.encoder, **quiet)
    page.encoder.change(fit_encoder, page.encoder, [template, offer, refusal], **quiet)
    page.on_sidebar(search, query, outputs, ([], ""), show_progress_on=results)
    page.on_gallery(example_texts, examples)
    page.linked |= {"text": words, "template": template}
    page.after_link.append((words, searching["fn"], query, outputs))
