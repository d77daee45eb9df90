"""From a measured setting to the sidebar: which index of the page it is, and with which parameters."""

from __future__ import annotations

from dataclasses import dataclass

from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.table import INDEXES
from searchdemo.ui.tradeoffs.cards import Pair

OTHER_NAMES = {"ef": "ef_search"}  # what libraries call a parameter -> its name here


@dataclass(frozen=True)
class Trial:
    index: str  # a name in INDEXES; "" when the page cannot try this setting
    params: dict[str, int]
    note: str  # what pressing the button does, or why there is nothing to press


NO_TRIAL = Trial("", {}, "")


def trial(row: dict, pair: Pair) -> Trial:
    """row: a point of a card of the benchmark `tradeoff` or `peers`. pair: what the sidebar searches in."""
    name = row["index"] if "index" in row else row["peer"].removeprefix("faiss ")
    spec = INDEXES.get(name)
    params = {OTHER_NAMES.get(param, param): value for param, value in row["params"].items()}
    if spec is None or not set(params) <= {param.name for param in spec.params}:
        return Trial("", {}, "The page has no index of this kind to try.")
    if not spec.installed:
        return Trial("", {}, f"{name} is not installed: run `{spec.pip_command}` to try it.")
    values = ", ".join(f"{param} {value}" for param, value in params.items())
    note = f"Sets {name}{f' and {values}' if values else ''} in the sidebar."
    made = built_as(row)
    if pair.vectors and made != (usual := recipe(spec, pair)):
        note += f" The page builds it as {usual} and not as {made}, so its figures will differ."
    return Trial(name, params, note)


def built_as(row: dict) -> str:
    if "build" in row:
        return str(row["build"])
    return ", ".join([row["factory"], *(f"{name} {value}" for name, value in row["build_params"].items())])


def recipe(spec: IndexSpec, pair: Pair) -> str:
    """How the page builds this index over the pair's vectors, in the words of `built_as`."""
    made = spec.recipe(pair.vectors, pair.dim)
    return ", ".join([made, *(f"{name} {value}" for name, value in spec.build_params)]) if spec.factory else made
