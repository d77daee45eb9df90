"""Number fields for the search parameters of indexes. Only those that a chosen index has are visible."""

from __future__ import annotations

from collections.abc import Collection

import gradio as gr

from searchdemo.indexes.base import SEARCH_PARAMS
from searchdemo.indexes.table import INDEXES


def param_fields(indexes: Collection[str], prefix: str = "") -> list[gr.Number]:
    """One per entry of SEARCH_PARAMS, in that order. indexes: those that are chosen at the start.

    elem_ids: <prefix><name of the parameter>
    """
    return [
        gr.Number(
            param.default,
            label=param.name,
            info=param.help,
            precision=0,
            min_width=130,
            elem_id=f"{prefix}{param.name}",
            visible=visible,
        )
        for param, visible in zip(SEARCH_PARAMS, visibilities(indexes), strict=True)
    ]


def visibilities(indexes: Collection[str]) -> list[bool | str]:
    """gradio's `visible` of each field when these indexes are chosen. A hidden field keeps its value."""
    has = {param.name for index in indexes if index in INDEXES for param in INDEXES[index].params}
    return [True if param.name in has else "hidden" for param in SEARCH_PARAMS]


def updates(indexes: Collection[str]) -> list[dict]:
    """Shows and hides the fields when other indexes are chosen."""
    return [gr.update(visible=visible) for visible in visibilities(indexes)]
