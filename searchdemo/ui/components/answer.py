"""The lines above the results: what happened, the steps by their time, and what the index missed."""

from __future__ import annotations

from typing import Any

import gradio as gr

from searchdemo.types import SearchResult
from searchdemo.ui.components.lesson import MOST_BARS, drawn_numbers
from searchdemo.ui.components.templates import render


class Answer(gr.HTML):
    """HTML with buttons: `apply` tells a handler `event.param` and `event.value` of a remedy, `stop` ends a build, and
    `draw` asks for a map. What it says may ask for more by itself: `build` for an index that is missing, `built` for an
    answer after that.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"js_on_load": render("answer.js")} | options)


def answer_html(result: SearchResult, searched: str, what: str, index: str, exact: bool, truth: str = "") -> str:
    """searched: "100,000 pictures"; what became numbers: "picture" | "text" | "" for a stored vector."""
    timing = result.timing
    steps = [
        ("open and resize", timing.preprocess_ms),
        ("encode", timing.encode_ms),
        ("search", timing.search_ms),
        ("fetch", timing.fetch_ms),
    ]
    return render(
        "answer.html",
        result=result,
        dim=len(result.vector),
        numbers=drawn_numbers(result.vector[None, :MOST_BARS])[0],
        drawn=min(len(result.vector), MOST_BARS),
        what=what,
        searched=searched,
        index=index,
        exact=exact,
        steps=steps,
        total=sum(ms for _, ms in steps) or 1,
        comparison=result.comparison,
        truth=truth,
        unknown=result.without_probability,
    )
