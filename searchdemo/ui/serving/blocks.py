"""The page as gradio serves it: sessions that weigh little, arguments that are checked, errors that are sentences."""

from __future__ import annotations

import logging
import sys
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
from searchdemo.ui.serving.conversions import inputs_apart, of_visitor, outputs_apart
from searchdemo.ui.serving.gate import Gate, refuse_validation
from searchdemo.ui.serving.limits import Limits

REFUSED = (InvalidPathError, FileNotFoundError, IsADirectoryError, ValidationError)  # of a path that was not uploaded
THREADS = 128  # of handlers; most of them wait: for their turn, or for a build that they tell of
# How often the queue, and what is told of progress, is looked at. With gradio's 1 and 10 ms a page that nobody visits
# takes a fifteenth of a processor.
QUEUE_S, PROGRESS_S = 0.005, 0.1
GIVE_WAY_S = 0.0005  # a thread that computes in Python then lets another go on; by itself Python takes ten times that
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
        """gr.Blocks calls it when it is made."""
        super().queue(max_size=None, **options)
        # gradio keeps what the last 10,000 events took, and makes a table of all that after each: nobody looks at it.
        self._queue.ANALYTICS_MAX_EVENTS, self._queue.ANAYLTICS_CACHE_FREQUENCY = 1, 10**12
        self._queue.sleep_when_free, self._queue.progress_update_sleep_when_free = QUEUE_S, PROGRESS_S
        return self

    def launch(self, *args: Any, **options: Any) -> Any:
        """Each kind of request waits in a queue of its own."""
        self.limits.apply()
        given = options.get("app_kwargs", {})
        middleware = [*given.get("middleware", ()), Middleware(Gate, demo=self)]
        options["app_kwargs"] = given | {"middleware": middleware, "exception_handlers": refuse_validation()}
        one_thread_each()
        sys.setswitchinterval(GIVE_WAY_S)
        return super().launch(*args, max_threads=THREADS, **options)

    async def preprocess_data(self, block_fn: Any, inputs: list, state: Any, explicit_call: bool = False) -> list:
        with as_message():
            check(block_fn, inputs, lambda block: of_visitor(block, state))
        if not block_fn.preprocess or block_fn.component_prop_inputs:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        found: list[Any] = [None] * len(inputs)
        for part, places, at_once in inputs_apart(block_fn):
            values = await super().preprocess_data(part, [inputs[place] for place in places], state, explicit_call)
            for place, value in zip(places, values, strict=True):
                found[place] = of_visitor(block_fn.inputs[place], state).preprocess(value) if at_once else value
        return found

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list:
        outputs = block_fn.outputs
        values = [predictions] if len(outputs) == 1 else predictions
        if not block_fn.postprocess or not isinstance(values, (list, tuple)) or len(values) != len(outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        found: list[Any] = [None] * len(outputs)
        for part, places, at_once in outputs_apart(block_fn, values):
            shown = [values[place] for place in places]
            if at_once:
                shown = [of_visitor(outputs[place], state).postprocess(values[place]) for place in places]
            sent = await super().postprocess_data(part, shown[0] if len(shown) == 1 else shown, state)
            for place, value in zip(places, sent, strict=True):
                found[place] = value
        return found

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
