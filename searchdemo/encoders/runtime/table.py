"""The libraries that a network can run in, and which one is taken. Importing this file imports none of them.

The `module` of an entry is a file in this folder with two functions:

    fastest(device) -> str                          the fastest floats there: "bfloat16" | "float32"
    start(network, device, precision) -> Pass       raises BadArtifact when the weights do not fit
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import ModuleType

from searchdemo.encoders import zero_gpu
from searchdemo.encoders.base import How
from searchdemo.encoders.device import pick_device
from searchdemo.encoders.runtime.base import Network, Pass
from searchdemo.errors import BadQuery, UnknownName
from searchdemo.extras import imported, is_installed
from searchdemo.processor import multiplies_int8
from searchdemo.table import Table


@dataclass(frozen=True)
class RuntimeSpec:
    name: str  # as a person writes it, and the Python package
    module: str
    precisions: tuple[str, ...]
    install: str  # the command that brings it
    cpu_only: bool = True

    def precisions_for(self, eight_bits: str) -> list[str]:
        """Those that a network has on this processor. eight_bits: see EncoderSpec"""
        return [name for name in self.precisions if name != "int8" or (eight_bits and multiplies_int8())]

    def imported(self) -> ModuleType:
        """Raises NotInstalled."""
        return imported(f"{__package__}.{self.module}", f"The runtime {self.name!r}", self.install)


# For a CPU the first that is installed is taken; `bench embed` and `bench latency` race them. Intel's OpenVINO was
# fastest for every encoder on processors of Intel and AMD. A GPU, and Apple's, is torch's.
RUNTIMES: Table[RuntimeSpec] = Table(
    "runtime",
    {
        "openvino": RuntimeSpec(
            "openvino", "openvino_runtime", ("int8", "bfloat16", "float32"), "pip install openvino"
        ),
        "torch": RuntimeSpec(
            "torch", "torch_runtime", ("bfloat16", "float32"), "pip install torch torchvision", cpu_only=False
        ),
        "onnxruntime": RuntimeSpec(
            "onnxruntime", "onnx_runtime", ("float32",), "pip install onnxruntime onnx onnxscript"
        ),
    }.items(),
)
PRECISIONS = ("auto", "int8", "bfloat16", "float32")


def choose(
    device: str | None = None, runtime: str | None = None, precision: str | None = None, *, eight_bits: str = ""
) -> How:
    """How to run here: on the fastest device, in the fastest runtime and precision, where nothing else is asked for.

    runtime: a name in RUNTIMES or "auto"; None reads SEARCHDEMO_RUNTIME
    precision: "auto" | "int8" | "bfloat16" | "float32"; None reads SEARCHDEMO_PRECISION; "auto" is what is fast here
    eight_bits: of the network, see EncoderSpec

    Raises UnknownName, NotInstalled, BadQuery for a runtime that does not run on the device or in the precision.
    """
    device = pick_device(device)
    asked = runtime or os.environ.get("SEARCHDEMO_RUNTIME") or "auto"
    if asked not in ("auto", *RUNTIMES):
        raise UnknownName("runtime", asked, ("auto", *RUNTIMES))
    spec = RUNTIMES[_usual(device) if asked == "auto" else asked]
    if spec.cpu_only and device != "cpu":
        raise BadQuery(f"The runtime {spec.name!r} runs on a CPU, not on {device}: choose --device cpu, or 'torch'.")
    wanted = precision or os.environ.get("SEARCHDEMO_PRECISION") or "auto"
    if wanted not in PRECISIONS:
        raise UnknownName("precision", wanted, PRECISIONS)
    has = spec.precisions_for(eight_bits)
    if wanted == "auto":
        return How(
            device, spec.name, "int8" if eight_bits == "usual" and "int8" in has else spec.imported().fastest(device)
        )
    if wanted not in has:
        here = "" if wanted not in spec.precisions else " for this encoder, these weights and this processor"
        raise BadQuery(f"The runtime {spec.name!r} has no {wanted}{here}: choose {' or '.join(has)}.")
    return How(device, spec.name, wanted)


def _usual(device: str) -> str:
    return "openvino" if device == "cpu" and is_installed("openvino") else "torch"


def start(network: Network, how: How) -> Pass:
    """Raises NotInstalled, BadArtifact when the weights do not fit the network; on ZeroGPU only a pass raises."""
    if how.device.startswith("cuda") and zero_gpu.here():
        return zero_gpu.LentPass(network, how.device, how.precision)
    passed: Pass = RUNTIMES.find(how.runtime).imported().start(network, how.device, how.precision)
    return passed
