"""Values of components are converted where it costs least: threads are counted, not timed."""

from __future__ import annotations

import functools
from collections import Counter
from urllib.parse import urlsplit

import anyio.to_thread
import gradio as gr
import page_server
import pytest

from searchdemo.bench.hold.client import Visitor
from searchdemo.ui.components.query_picture import QueryPicture
from searchdemo.ui.serving import conversions


@pytest.fixture
def sent(monkeypatch) -> Counter[str]:
    """What is sent to threads, by its name."""
    names, run_sync = Counter[str](), anyio.to_thread.run_sync

    @functools.wraps(run_sync)
    async def noted(function, *given, **named):
        names[getattr(function, "__qualname__", "")] += 1
        return await run_sync(function, *given, **named)

    monkeypatch.setattr(anyio.to_thread, "run_sync", noted)
    return names


def clicked() -> list:
    """What the page shows after a click on a held-out picture."""
    visitor = Visitor(urlsplit(page_server.page_url()).port)
    sidebar = ["scenes", "bundled", "ivf", 12]
    try:
        return visitor.press("image-examples", "select", {"gallery": "scenes", "picture": 1}, "", *sidebar)
    finally:
        visitor.close()


def test_a_click_takes_threads_for_pictures_and_none_for_words(sent, monkeypatch):
    shown = clicked()
    converted = {name for name in sent if name.endswith((".preprocess", ".postprocess"))}
    assert converted == {"QueryPicture.postprocess", "Tiles.postprocess"}
    sent.clear()
    monkeypatch.setattr(conversions, "at_once", lambda block, method: False)  # gradio's own way
    again = clicked()
    assert sum(sent.values()) > 20 and {"Dropdown.preprocess", "HTML.postprocess"} <= set(sent)
    assert [type(value) for value in again] == [type(value) for value in shown]
    same = [old == new for old, new in zip(shown, again, strict=True)]  # but for milliseconds, of one line of text
    assert sum(same) >= len(same) - 2 and any(value and "<img" in str(value) for value in shown)


@pytest.mark.parametrize(
    ("block", "method", "quick"),
    [
        (gr.Textbox, "preprocess", True),
        (gr.HTML, "postprocess", True),
        (gr.File, "preprocess", False),
        (gr.Dataframe, "postprocess", False),
        (gr.State, "preprocess", False),
        (QueryPicture, "preprocess", False),
        (gr.Row, "postprocess", False),
    ],
)
def test_what_is_converted_at_once(block, method, quick):
    assert conversions.at_once(block(render=False), method) is quick
