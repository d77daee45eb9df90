"""Text search: words in, the nearest pictures out, through an encoder that reads words."""

from __future__ import annotations

import gradio as gr

from searchdemo.collection.library import Query
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery
from searchdemo.ui.components.pieces import Thumbnails, sentence_errors, tiles, timing
from searchdemo.ui.page import NoQuery, Page

TITLE = "Text search"
FALLBACK = "bundled"  # an encoder that reads words and comes with searchdemo


def reads_words(encoder: str) -> bool:
    return encoder in ENCODERS and ENCODERS[encoder].text


def filled(template: str | None, words: str | None) -> str:
    """The words in the template. Raises NoQuery for no words, BadQuery for a template with no place for them."""
    if not (words or "").strip():
        raise NoQuery("The text is empty: type a few words, such as 'a red boat'.")
    if "{}" not in (template or ""):
        raise BadQuery(f"The template {template!r} has no {{}} for the words to go to: write one, or '{{}}' alone.")
    return template.replace("{}", words)


def add(page: Page) -> None:
    with gr.Column(visible=False) as refusal:
        gr.HTML(
            "<div class='panel'>This encoder has no text tower: it cannot search by words. "
            f"Those that can: {', '.join(name for name, spec in ENCODERS.items() if spec.text)}.</div>",
            elem_id="text-refusal",
        )
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

    def search(words: str, template: str, *sidebar):
        chosen = page.choice(*sidebar)
        if not reads_words(chosen.encoder):
            raise NoQuery(f"{chosen.encoder} reads no words: choose an encoder that does, such as {FALLBACK}.")
        query = Query(text=filled(template, words))
        yield from page.ready(chosen, line, outputs)
        result = page.search(query, chosen)
        yield tiles(result), timing(result)

    def example_texts(gallery: str) -> gr.Dataset:
        texts = page.engine.gallery(gallery).example_texts if gallery in page.galleries else ()
        return gr.Dataset(samples=[[text] for text in texts], type="index", visible=bool(texts))

    def example(number: int, gallery: str) -> str:
        return page.engine.gallery(gallery).example_texts[number]

    def fit_encoder(encoder: str):
        return (
            ENCODERS.find(encoder).prompt,
            gr.update(visible=reads_words(encoder)),
            gr.update(visible=not reads_words(encoder)),
        )

    query = [words, template, *page.inputs]
    outputs = [results, line]
    handler, options = sentence_errors(search), {"show_progress_on": results}
    gr.on([run.click, words.submit, template.submit], handler, query, outputs, **options)
    examples.click(example, [examples, page.gallery], words, show_progress="hidden").success(
        handler, query, outputs, **options
    )
    switch.click(lambda: FALLBACK, None, page.encoder, show_progress="hidden")
    page.encoder.change(fit_encoder, page.encoder, [template, offer, refusal], show_progress="hidden")
    page.on_sidebar(search, query, outputs, ([], ""), **options)
    page.on_gallery(example_texts, examples)
    page.linked |= {"text": words, "template": template}
    page.after_link.append((words, handler, query, outputs))
