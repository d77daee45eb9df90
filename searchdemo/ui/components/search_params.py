"""Sliders for the search parameters of indexes. Only those that a chosen index has are visible."""

from __future__ import annotations

from collections.abc import Collection

import gradio as gr

from searchdemo.indexes.base import SEARCH_PARAMS
from searchdemo.indexes.table import INDEXES


class ParamSlider(gr.Slider):
    """Its end is a matter of the browser, which makes it longer for a higher value: here all are taken that the
    parameter, whose name is its elem_id, may have. What comes over the wire is checked by serving/arguments.py."""

    is_template = True  # it uses the browser code of gr.Slider

    def most(self) -> int:
        (most,) = (param.maximum for param in SEARCH_PARAMS if param.name == self.elem_id)
        return most

    def preprocess(self, payload: float) -> float:
        return payload


def param_sliders(indexes: Collection[str]) -> list[ParamSlider]:
    """One per entry of SEARCH_PARAMS, in that order. indexes: those that are chosen at the start.

    elem_ids: the names of the parameters
    """
    return [
        ParamSlider(
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
