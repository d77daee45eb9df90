"""Values of components, on their way to a handler and back: converted in a thread where that is work, else at once.

gradio sends each value of each component to a thread of its own, one after the other: 21 for a click on a result. Each
costs 0.1 ms, and two waits for the interpreter's lock, which are what takes longest under load.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from gradio.blocks import Block
from gradio.components import Component
from gradio.components.base import _Keywords
from gradio.utils import is_prop_update

Part = tuple[Any, list[int], bool]  # an endpoint of these inputs or outputs alone, their places, and whether at once


def of_visitor(block: Any, state: Any) -> Any:
    """A component as this visitor sees it. state: gradio's SessionState, or None."""
    return state[block._id] if state and block._id in state else block


def inputs_apart(function: Any) -> Iterator[Part]:
    """gradio's BlockFunction as two: of inputs that are converted at once, not by gradio; and of the others."""
    yield from apart(function, "inputs", "preprocess", [at_once(block, "preprocess") for block in function.inputs])


def outputs_apart(function: Any, values: Sequence[object]) -> Iterator[Part]:
    """values: what the handler returned. Of an update gradio makes a component, and converts it without a thread."""
    quick = [
        at_once(block, "postprocess") and not (is_prop_update(value) or isinstance(value, (Block, _Keywords)))
        for block, value in zip(function.outputs, values, strict=True)
    ]
    yield from apart(function, "outputs", "postprocess", quick)


def at_once(block: Block, method: str) -> bool:
    """Whether the conversion is gradio's own, and of no file, picture or table."""
    if not isinstance(block, Component) or block.stateful or block.data_model is not None:
        return False
    return getattr(block, method).__module__.startswith("gradio.")


def apart(function: Any, blocks: str, convert: str, quick: Sequence[bool]) -> Iterator[Part]:
    for now in (True, False):
        if places := [place for place, one in enumerate(quick) if one == now]:
            part = copy.copy(function)
            setattr(part, blocks, [getattr(function, blocks)[place] for place in places])
            setattr(part, convert, not now)
            yield part, places, now
