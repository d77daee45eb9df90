"""Random weights for the real architecture of an encoder, marked as stand-ins.

They need no download and give right times but meaningless answers. Tests use them, and benchmarks that say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from searchdemo.encoders.table import ENCODERS, module_of
from searchdemo.encoders.weights import STAND_IN
from searchdemo.errors import BadQuery
from searchdemo.extras import imported, pip_command

if TYPE_CHECKING:
    import torch


def build_net(name: str) -> torch.nn.Module:
    """The torch network of an encoder, with random weights. Raises UnknownName, NotInstalled, BadQuery."""
    spec = ENCODERS.find(name)
    if spec.shipped:
        raise BadQuery(f"The encoder {name!r} comes with its weights and has no random ones: choose another.")
    return module_of(spec).build(spec)


def write_stand_in(name: str, path: Path, seed: int = 0) -> Path:
    """A safetensors file that `load(name, weights=path)` takes, and whose encoder says `stand_in`. Returns the path.

    Raises as build_net does.
    """
    torch = imported("torch", "A network with random weights", pip_command("encoders"))
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tensors = build_net(name).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=STAND_IN)
    return path
