"""The page as gradio serves it: sessions that weigh little, arguments that are checked, errors that are sentences."""

from __future__ import annotations

import logging
from html import escape
from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig
from gradio.exceptions import InvalidPathError
from pydantic import ValidationError
from starlette.middleware import Middleware

from searchdemo.errors import SearchDemoError
from searchdemo.threads import one_thread_each
from searchdemo.told import of_the_machine
from searchdemo.ui.components.messages import as_message
from searchdemo.ui.serving.arguments import check
from searchdemo.ui.serving.gate import Gate, refuse_validation
from searchdemo.ui.serving.limits import Limits

REFUSED = (InvalidPathError, FileNotFoundError, IsADirectoryError, ValidationError)  # of a path that was not uploaded
THREADS = 128  # of handlers; most of them wait: for their turn, or for a build that they tell of
NOT_UPLOADED = (
    "Only files that were uploaded here are read: send one to /gradio_api/upload, and give the path of the answer."
)
UNFORESEEN = "The server met an error that nobody foresaw, and wrote it to its log: report it if it comes again."

log = logging.getLogger(__name__)


class Served(gr.Blocks):
    """One place for what holds for every endpoint, public or private, through the queue or past it."""

    def __init__(self, **options: Any) -> None:
        self.limits = Limits(self)
        super().__init__(**options)
        self.default_config, self.max_threads = SharedConfig(self), THREADS

    def queue(self, **options: Any) -> Any:
        """Each kind of request waits in a queue of its own."""
        self.limits.apply()
        super().queue(max_size=None, **options)
        # gradio keeps what the last 10,000 events took, and makes a table of all that after each: nobody looks at it.
        self._queue.ANALYTICS_MAX_EVENTS, self._queue.ANAYLTICS_CACHE_FREQUENCY = 1, 10**12
        return self

    def launch(self, *args: Any, **options: Any) -> Any:
        given = options.get("app_kwargs", {})
        middleware = [*given.get("middleware", ()), Middleware(Gate, demo=self)]
        options["app_kwargs"] = given | {"middleware": middleware, "exception_handlers": refuse_validation()}
        one_thread_each()
        return super().launch(*args, max_threads=THREADS, **options)

    async def preprocess_data(self, block_fn: Any, inputs: list, state: Any, explicit_call: bool = False) -> list:
        with as_message():
            check(block_fn, inputs, lambda block: state[block._id] if state and block._id in state else block)
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)

    async def process_api(self, block_fn: Any, inputs: list, *values: Any, **options: Any) -> dict:
        """What no handler foresaw is logged here, and the visitor is told that it was."""
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        try:
            return await super().process_api(function, inputs, *values, **options)
        except gr.Error as error:
            error.print_exception = False  # a component's own refusal is no failure of the server
            raise
        except SearchDemoError as error:
            with as_message():
                raise error
        except Exception as error:
            if isinstance(error, REFUSED):
                raise gr.Error(NOT_UPLOADED, print_exception=False, title="", duration=12) from None
            log.exception("%s failed", function.api_name)
            if said := of_the_machine(error):
                raise gr.Error(escape(said, quote=False), print_exception=False, title="", duration=12) from None
            raise gr.Error(UNFORESEEN, print_exception=False, title="", duration=12) from None


class SharedConfig(BlocksConfig):
    """What gradio copies for each session."""

    def __copy__(self) -> SessionConfig:
        copied = SessionConfig(self.root_block)
        copied.blocks, copied.fns, copied.fn_id = dict(self.blocks), dict(self.fns), self.fn_id
        copied.renderables = list(self.renderables)
        return copied


class SessionConfig(BlocksConfig):
    """Without a description of every component, which took 80 ms and 300 KB for each session. gradio keeps it for its
    deep links, which this page does not have."""

    def config_for_block(self, *values: Any, **options: Any) -> dict:
        return {}
