"""Sentences on the page: errors as messages, hints, and the line above the results."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from html import escape

import gradio as gr

from searchdemo.errors import SearchDemoError
from searchdemo.ui.components.templates import paragraph


def hint(sentence: str) -> str:
    """Small grey text, as HTML."""
    return paragraph(sentence, class_="hint")


def refusal_html(sentence: str) -> str:
    """Why there is no answer, in the place of the answer."""
    return paragraph(sentence, class_="refusal", role="status")


@contextlib.contextmanager
def as_message() -> Iterator[None]:
    """Shows a SearchDemoError as a message on the page, without a stack trace anywhere."""
    try:
        yield
    except SearchDemoError as error:  # gradio reads the text as HTML
        raise gr.Error(escape(str(error), quote=False), print_exception=False, title="", duration=12) from None


def in_place(handler: Callable, outputs: int) -> Callable:
    """Decorates a handler of so many outputs: they stay at a SearchDemoError, which one more, a line, says."""

    @functools.wraps(handler)
    def guarded(*values: object) -> tuple:
        try:
            return *handler(*values), ""
        except SearchDemoError as error:
            return *[gr.skip()] * outputs, refusal_html(str(error))

    return guarded


def sentence_errors(handler: Callable) -> Callable:
    """Decorates a handler, a function or a generator: its SearchDemoErrors become messages on the page."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def guarded(*values: object) -> Iterator:
            with as_message():
                yield from handler(*values)
    else:

        @functools.wraps(handler)
        def guarded(*values: object) -> object:
            with as_message():
                return handler(*values)

    return guarded
