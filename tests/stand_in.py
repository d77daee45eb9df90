"""Weights that look like the real ones and know nothing: the real architecture, random tensors, marked as such."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from searchdemo.encoders.table import ENCODERS
from searchdemo.encoders.weights import STAND_IN


def build_net(name: str):
    """The network of an encoder from timm or open_clip, with random weights."""
    if ENCODERS[name].family == "timm":
        from searchdemo.encoders.timm_encoder import build
    else:
        from searchdemo.encoders.open_clip_encoder import build
    return build(ENCODERS[name])


def write_stand_in(name: str, path: Path, seed: int = 0) -> Path:
    """A safetensors file that `load(name, weights=path)` takes, and whose encoder says `stand_in`. Returns the path."""
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tensors = build_net(name).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=STAND_IN)
    return path


@functools.cache
def stand_in(name: str) -> Path:
    """One stand-in an encoder for the whole run of the tests, deleted at its end. Read only."""
    return write_stand_in(name, Path(_folder().name) / f"{name}.safetensors")


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="stand-in-")
