"""What comes over the wire for an endpoint, checked before anything works with it: one way for all endpoints.

A browser sends what its components hold; a script may send anything. Each sentence names the argument, the value, and
what is allowed. Nothing is converted: 1.5 is no whole number, and neither are True and "12".
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components.api_component import Api

from searchdemo.errors import BadQuery

MOST = 2**53  # beyond it a float misses whole numbers, and so does JavaScript
MOST_TEXT = 20_000  # characters of any text; handlers know what their own may have
MOST_LISTED = 1_000
FILE = "gradio.FileData"
MOST_SAID = 60  # characters of a value in a sentence

Block = Any  # gradio's components have no common type with `choices`, `minimum` ...


def check(function: Any, values: list, now: Callable[[Block], Block] = lambda block: block) -> None:
    """Raises BadQuery for values that the endpoint cannot work with.

    function: gradio's BlockFunction; now: a component -> as this visitor sees it
    """
    if function.fn is None:
        raise BadQuery(f"{function.api_name} runs in the browser alone: there is nothing to call on the server.")
    names = names_of(function)
    if len(values) != len(function.inputs):
        listed = f": {', '.join(names)}" if names else ""
        raise BadQuery(f"{function.api_name} takes {len(names)} arguments{listed}; {len(values):,} came.")
    for name, block, value in zip(names, function.inputs, values, strict=True):
        if not block.stateful:
            check_one(name, now(block), value)


def names_of(function: Any) -> list[str]:
    """As the sentences call the arguments: by the parameter's name, the component's label, or its id."""
    if any(isinstance(block, Api) for block in function.inputs):
        return list(inspect.signature(function.fn).parameters)[: len(function.inputs)]
    public = function.api_visibility == "public"
    named = [(block.label, block.elem_id) if public else (block.elem_id, block.label) for block in function.inputs]
    return [first or second or f"argument {number}" for number, (first, second) in enumerate(named, 1)]


def check_one(name: str, block: Block, value: object) -> None:
    if isinstance(block, gr.JSON):
        if not isinstance(value, dict):
            raise BadQuery(f'{name} = {shown(value)} is no object, such as {{"row": 0}}.')
        return
    if isinstance(block, (gr.Image, gr.File, gr.UploadButton)):
        check_files(name, value, several=getattr(block, "file_count", "single") != "single")
        return
    told = block.api_info()
    kind = told.get("type")
    required = kind == "array" or (kind == "string" and isinstance(block, Api))
    if value is None and not required:
        return  # an empty field, of which the handler says what it needs
    if kind in ("number", "integer"):
        check_number(name, block, value, whole=kind == "integer" or is_whole(block))
    elif kind == "array":
        listed = value if isinstance(value, list) else None
        if listed is None or len(listed) > MOST_LISTED or not all(isinstance(one, (str, int)) for one in listed):
            raise BadQuery(f"{name} = {shown(value)} is no list of names, such as ['flat', 'ivf'].")
        for one in listed if hasattr(block, "choices") else ():
            check_choice(name, block, one)
    elif kind == "boolean":
        if not isinstance(value, bool):
            raise BadQuery(f"{name} = {shown(value)} is neither true nor false.")
    elif getattr(block, "choices", None) is not None:
        check_choice(name, block, value)
    elif not isinstance(value, str):
        raise BadQuery(f"{name} = {shown(value)} is not a text.")
    elif any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadQuery(f"{name} = {shown(value)} is not a text: it has half of a pair of UTF-16.")
    elif len(value) > MOST_TEXT:
        raise BadQuery(f"{name} has {len(value):,} characters: shorten it to at most {MOST_TEXT:,}.")


def check_number(name: str, block: Block, value: object, whole: bool) -> None:
    low, high = bounds(block)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise BadQuery(f"{name} = {shown(value)} is not a {'whole ' * whole}number{within(block)}.")
    if not max(low, -MOST) <= value <= min(high, MOST):
        choose = within(block).strip() or "a number nearer to 0"
        raise BadQuery(f"{name} = {shown(value)} is out of bounds: choose {choose}.")
    if whole and value != math.floor(value):
        raise BadQuery(f"{name} = {shown(value)} is not a whole number{within(block)}.")


def is_whole(block: Block) -> bool:
    return isinstance(block, gr.Slider) and float(block.step).is_integer()


def bounds(block: Block) -> tuple[float, float]:
    low, high = getattr(block, "minimum", None), getattr(block, "maximum", None)
    return -math.inf if low is None else low, math.inf if high is None else high


def within(block: Block) -> str:
    low, high = bounds(block)
    return f" from {low:,} to {high:,}" if math.isfinite(low) and math.isfinite(high) else ""


def check_choice(name: str, block: Block, value: object) -> None:
    choices = [choice for _, choice in getattr(block, "choices", None) or ()]
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        offered = ", ".join(map(repr, choices[:MOST_LISTED])) or "there is none"
        raise BadQuery(f"{name} = {shown(value)} is not offered: choose from {offered}.")


def check_files(name: str, value: object, several: bool) -> None:
    files = value if several and isinstance(value, list) else [] if value is None else [value]
    if len(files) > MOST_LISTED:
        raise BadQuery(f"{name} has {len(files):,} files: bring at most {MOST_LISTED:,} at a time, or a zip of them.")
    for file in files:
        path, address, meta = (
            (file.get(key) for key in ("path", "url", "meta")) if isinstance(file, dict) else (7, 7, 7)
        )
        marked = not path or (isinstance(meta, dict) and meta.get("_type") == FILE)  # unmarked, gradio reads any file
        if not (path or address) or not all(isinstance(part or "", str) for part in (path, address)) or not marked:
            wanted = f'{{"path": PATH, "meta": {{"_type": "{FILE}"}}}}'
            raise BadQuery(f"{name} = {shown(value)} is no file: upload one, and give {wanted}.")


def shown(value: object) -> str:
    """A value in a sentence, cut where it is long."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return (
                str(value)
                if abs(value) < 10**MOST_SAID
                else f"a number of some {value.bit_length() // 3.32:.0f} digits"
            )
        except ValueError:
            return "a huge number"
    said = (
        repr(value) if isinstance(value, (str, float, bool, type(None))) else f"{type(value).__name__} {value!r:.200}"
    )
    return said if len(said) <= MOST_SAID else f"{said[:MOST_SAID]}…"


def event_value(event: gr.EventData, name: str, usual: Any = None) -> Any:
    """What the browser says of an event. Raises BadQuery where it does not, and nothing is usual."""
    facts = event._data if isinstance(event._data, dict) else {}
    if name not in facts and usual is not None:
        return usual
    if name not in facts:
        raise BadQuery(f"The event says nothing of {name!r}: it comes from the page's own script.")
    return facts[name]
