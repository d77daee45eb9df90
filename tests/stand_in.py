"""Stand-in weights, written once for the whole run of the tests."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from searchdemo.encoders.stand_in import write_stand_in


@functools.cache
def stand_in(name: str) -> Path:
    """One stand-in an encoder for the whole run of the tests, deleted at its end. Read only."""
    return write_stand_in(name, Path(_folder().name) / f"{name}.safetensors")


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="stand-in-")
