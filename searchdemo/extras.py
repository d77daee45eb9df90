"""Python packages that only some parts of searchdemo need: imported on first use, and named when they are missing."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from searchdemo.errors import NotInstalled


def imported(module: str, part: str, command: str) -> ModuleType:
    """The module, `part` of searchdemo needs it. Raises NotInstalled, with the pip command that brings it.

    part: the subject of the sentence, "The index 'annoy'"; command: "pip install annoy".
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A package that is there and misses one of its own parts: the missing name is what has to be said.
        raise NotInstalled(
            f"{part} needs the Python package {error.name!r}, which is not installed: run `{command}`."
        ) from error


def is_installed(module: str) -> bool:
    """Whether the module can be found; it is not imported, so this costs nothing and a broken one counts as there."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None
