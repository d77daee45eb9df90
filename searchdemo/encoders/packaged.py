"""Weights that a Python package carries: found without importing it, converted once to a safetensors file.

The package's own code never runs, and its pickle is read only when it is the known file, and only for its tensors.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
from pathlib import Path

from searchdemo import scratch
from searchdemo.encoders.base import WeightsPackage
from searchdemo.errors import BadArtifact
from searchdemo.files import make_folder, own_folder, replacing, sha256_of


def installed(package: WeightsPackage) -> Path | None:
    """The package's file, or None where it is not installed."""
    module, _, inside = package.file.partition("/")
    spec = importlib.util.find_spec(module)
    folders = map(Path, (spec and spec.submodule_search_locations) or ())
    return next((folder / inside for folder in folders if (folder / inside).is_file()), None)


def converted(package: WeightsPackage) -> Path | None:
    """The safetensors file, or None where the package was not converted yet, or what was made is damaged."""
    return scratch.read(_place(package), _whole)


def _whole(path: Path) -> Path:
    """A safetensors file as long as its header says. Raises what tells `scratch.read` that it is none.

    Format: 8 bytes with the length of a JSON object, the object, and the tensors where it says.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= (size := path.stat().st_size) - 8:
            raise ValueError("it has no header of safetensors")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    if size != 8 + length + max(tensor["data_offsets"][1] for tensor in header.values()):
        raise ValueError(f"it has {size:,} bytes, and its header tells of another number")
    return path


def convert(package: WeightsPackage, layout: dict[str, tuple[int, ...]], *, name: str) -> Path:
    """Writes the safetensors file of an installed package, and returns its path.

    layout: name -> shape of the tensors of the network called `name`, in the order of the package's tensors.
    Raises BadArtifact when the file is another one than the table knows, or does not fit the network.
    """
    import torch
    from safetensors.torch import save_file

    path = installed(package)
    assert path is not None, "whoever calls has asked"
    again = f"run `pip install --force-reinstall {package.requirement}`"
    if (digest := sha256_of(path)) != package.sha256:
        raise BadArtifact(
            f"{str(path)!r} is damaged or of another version (SHA-256 {digest[:12]}... in place of "
            f"{package.sha256[:12]}...): {again}."
        )
    try:
        tensors = list(torch.load(path, map_location="cpu", weights_only=True).values())
        shapes = [tuple(tensor.shape) for tensor in tensors]
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError) as error:
        first = str(error).partition("\n")[0].rstrip(".")
        raise BadArtifact(f"{str(path)!r} is not a plain state dict ({first}): {again}.") from error
    if shapes != list(layout.values()):
        at = next((i for i, pair in enumerate(zip(shapes, layout.values(), strict=False)) if pair[0] != pair[1]), None)
        difference = f"tensor {at} has the shape {shapes[at]}" if at is not None else f"it has {len(shapes)} tensors"
        wanted = f"{[*layout.values()][at]} is needed" if at is not None else f"{len(layout)} are needed"
        raise BadArtifact(f"{str(path)!r} does not fit {name}: {difference} where {wanted}; {again}.")
    made = _place(package)
    make_folder(made.parent)
    with replacing(made) as temporary:
        save_file({key: tensor.contiguous() for key, tensor in zip(layout, tensors, strict=True)}, temporary)
    return made


def _place(package: WeightsPackage) -> Path:
    """Named by the source's digest: weights of another version are another file."""
    return own_folder() / "weights" / f"{Path(package.file).stem}-{package.sha256[:12]}.safetensors"
