"""Links that reproduce a view: written by "Copy link", read when the page is opened."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlencode

import gradio as gr

from searchdemo.ui.components.templates import render
from searchdemo.ui.page import Page


def add(page: Page, tabs: gr.Tabs, titles: Sequence[str]) -> None:
    """Makes the button and its box where it is called. Call it when all tabs have added to page.linked."""
    button = gr.Button("Copy link", elem_id="copy-link", size="sm")
    box = gr.Textbox(
        label="Link, copied (your picture stays here)",
        elem_id="link",
        visible="hidden",
        buttons=["copy"],
        interactive=False,
    )
    open_tab = gr.Textbox(visible="hidden", elem_id="open-tab")
    carried = {"gallery": page.gallery, "encoder": page.encoder, "index": page.index, "k": page.k}
    carried |= page.params | page.linked

    usual = {name: carried[name].value for name in (*page.params, *page.linked)}  # a link leaves these values out

    def write(*values: object) -> str:
        pairs = zip([*carried, "tab"], values, strict=True)
        return urlencode({name: value for name, value in pairs if value not in (None, "", usual.get(name))})

    def read(request: gr.Request) -> list:
        """A value for each component that the link sets. The others are skipped, so that typed text stays."""
        asked = request.query_params
        values = [linked_value(component, asked.get(name)) for name, component in carried.items()]
        tab = asked.get("tab")
        return [*values, gr.update(selected=titles.index(tab)) if tab in titles else gr.skip()]

    inputs = [*carried.values(), open_tab]
    quiet = {"show_progress": "hidden"}
    # The first script adds the open tab, which only the browser knows.
    written = button.click(write, inputs, box, js=render("open_tab.js"), **quiet)
    shown = written.success(lambda: gr.update(visible=True), None, box, **quiet)
    shown.success(None, box, box, js=render("copy_link.js"))
    opened = page.demo.load(read, None, [*carried.values(), tabs], show_progress="hidden", queue=False)
    for words, handler, query, outputs in page.after_link:
        opened.success(unless_empty(handler, len(outputs)), [words, *query], outputs, show_progress="hidden")


def linked_value(component: gr.components.Component, asked: str | None) -> object:
    """The value of a query parameter, or a skip when there is none that the component can take."""
    if asked is None:
        return gr.skip()
    if isinstance(component, gr.Number):
        return int(asked) if asked.lstrip("-").isdecimal() and len(asked) < 12 else gr.skip()
    if isinstance(component, gr.Slider):
        value = float(asked) if re.fullmatch(r"\d+(\.\d+)?", asked) else math.nan
        return value if component.minimum <= value <= component.maximum else gr.skip()
    if isinstance(component, (gr.Dropdown, gr.Radio)):
        return asked if asked in [value for _, value in component.choices] else gr.skip()
    return asked


def unless_empty(handler: Callable, outputs: int) -> Callable:
    """The handler, a generator, which runs only when the link carries a text."""

    def run(words: str, *values: object) -> Iterator:
        if words:
            yield from handler(*values)
        else:
            yield [gr.skip()] * outputs

    return run
