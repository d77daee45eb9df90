"""Sliders for the search parameters of indexes. Only those that a chosen index has are visible."""

from __future__ import annotations

from collections.abc import Collection

import gradio as gr

from searchdemo.indexes.base import SEARCH_PARAMS
from searchdemo.indexes.table import INDEXES


def param_sliders(indexes: Collection[str]) -> list[gr.Slider]:
    """One per entry of SEARCH_PARAMS, in that order. indexes: those that are chosen at the start.

    elem_ids: the names of the parameters
    """
    return [
        gr.Slider(
            param.minimum,
            param.usual,
            param.default,
            step=1,
            label=param.name,
            info=param.help,
            elem_id=param.name,
            visible=visible,
        )
        for param, visible in zip(SEARCH_PARAMS, visibilities(indexes), strict=True)
    ]


def visibilities(indexes: Collection[str]) -> list[bool | str]:
    """gradio's `visible` of each slider when these indexes are chosen. A hidden one keeps its value."""
    has = {param.name for index in indexes if index in INDEXES for param in INDEXES[index].params}
    return [True if param.name in has else "hidden" for param in SEARCH_PARAMS]


def updates(indexes: Collection[str]) -> list[dict]:
    """Shows and hides the sliders when other indexes are chosen."""
    return [gr.update(visible=visible) for visible in visibilities(indexes)]
