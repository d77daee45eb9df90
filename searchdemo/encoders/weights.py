"""Reads weights from a safetensors file, checks that they fit a network, and names the tensors that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from searchdemo.errors import BadArtifact
from searchdemo.files import sha256_of
from searchdemo.shipped import check

if TYPE_CHECKING:
    import torch

T = TypeVar("T")  # a torch tensor or a NumPy array

STAND_IN = {"searchdemo": "stand-in"}  # the metadata of weights that a test made
UNUSED = ("num_batches_tracked", "logit_scale", "logit_bias")  # only training needs them, so a file without them fits


@dataclass(frozen=True)
class Weights:
    """A whole safetensors file, whose tensors are read when they are asked for, and each time that they are."""

    path: Path
    framework: str  # "pt" for torch tensors, "numpy" for arrays
    sha256: str
    stand_in: bool

    @property
    def tensors(self) -> dict[str, Any]:
        """Raises BadArtifact for numbers of a kind that NumPy lacks."""
        from safetensors import safe_open

        try:
            with safe_open(self.path, framework=self.framework) as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except TypeError as error:
            raise BadArtifact(
                f"{str(self.path)!r} has numbers of a kind that NumPy lacks ({error}); save float32."
            ) from error


def part_of(tensors: Mapping[str, T], prefix: str) -> dict[str, T]:
    """The tensors whose names begin with the prefix, by the rest of their names."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def read_weights(path: Path, framework: str = "pt") -> Weights:
    """framework: "pt" for torch tensors, "numpy" for arrays. The tensors themselves are not read yet.

    Raises BadArtifact when the file is missing, damaged, or a pickle, because unpickling a checkpoint runs its code.
    """
    from safetensors import safe_open

    if not path.is_file():
        raise BadArtifact(f"There is no weights file {str(path)!r}; give the path of a .safetensors file.")
    try:
        with safe_open(check(path), framework=framework) as file:
            metadata = file.metadata() or {}
    except BadArtifact:
        raise
    except Exception as error:  # SafetensorError, and what a damaged header makes the binding raise: UnicodeDecodeError
        raise BadArtifact(
            f"{str(path)!r} is not a whole safetensors file ({error}); pickled checkpoints (.pt, .pth, .bin) are "
            "refused because reading one runs code: save yours with safetensors.torch.save_file."
        ) from error
    return Weights(path, framework, sha256_of(path), stand_in=metadata.items() >= STAND_IN.items())


def empty_net(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """build() without random initial weights, which take longer to make than the real ones to read."""
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    class NoRandomNumbers(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            skip = func in (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)  # truncated normals use erfinv_
            return args[0] if skip else func(*args, **(kwargs or {}))

    with NoRandomNumbers():
        return build()


def fit(net: torch.nn.Module, tensors: dict[str, torch.Tensor], *, name: str, path: Path) -> None:
    """Copies the tensors into the network. Tensors that it has no place for (a classifier's head) are left out.

    Raises BadArtifact when a tensor that it needs is missing or has another shape.
    """
    wanted = net.state_dict()
    check_shapes({key: tuple(value.shape) for key, value in wanted.items()}, tensors, name=name, path=path)
    net.load_state_dict({key: tensors[key] for key in wanted if key in tensors}, strict=False)


def check_shapes(wanted: dict[str, tuple[int, ...]], tensors: dict, *, name: str, path: Path) -> None:
    """Raises BadArtifact when one of the wanted tensors is missing or has another shape. UNUSED ones may be missing."""
    complaints = []
    if missing := [key for key in wanted if key not in tensors and not key.endswith(UNUSED)]:
        complaints.append(f"{len(missing)} of its {len(wanted)} tensors are missing (first {missing[0]!r})")
    if misshapen := [key for key in wanted if key in tensors and tuple(tensors[key].shape) != wanted[key]]:
        first = f"first {misshapen[0]!r}: {tuple(tensors[misshapen[0]].shape)} where {wanted[misshapen[0]]} is needed"
        complaints.append(f"{len(misshapen)} have another shape ({first})")
    if complaints:
        raise BadArtifact(
            f"{str(path)!r} does not fit {name}: {' and '.join(complaints)}; give weights saved from this architecture."
        )
