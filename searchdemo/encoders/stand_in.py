"""Weights that look like the real ones and know nothing: the real architecture, random tensors, marked as such.

They give right times and meaningless answers, without a download: for tests, and for benchmarks that say so.
"""

from __future__ import annotations

from pathlib import Path

from searchdemo.encoders.table import spec_of
from searchdemo.encoders.weights import STAND_IN


def build_net(name: str):
    """The network of an encoder from timm or open_clip, with random weights. Raises UnknownName."""
    if spec_of(name).family == "timm":
        from searchdemo.encoders.timm_encoder import build
    else:
        from searchdemo.encoders.open_clip_encoder import build
    return build(spec_of(name))


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
