"""A CLIP with two small layers per tower in the place of one of the table: built the same way, in a moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import open_clip

from searchdemo.encoders.stand_in import write_stand_in
from searchdemo.encoders.table import ENCODERS

TOWERS = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def small_clip(name: str, folder: Path, monkeypatch) -> Path:
    """The weights file of a stand-in, 13 MB. Until the test ends, `name` is that network."""
    monkeypatch.setattr(open_clip, "get_model_config", lambda model: dict(TOWERS))
    monkeypatch.setitem(ENCODERS, name, replace(ENCODERS[name], dim=32, input_px=32))
    return write_stand_in(name, folder / "small.safetensors")
