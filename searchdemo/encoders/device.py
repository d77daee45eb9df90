"""Which device an encoder runs on, and with how many bits."""

from __future__ import annotations

import os

from searchdemo.errors import UnknownName
from searchdemo.extras import imported, is_installed, pip_command
from searchdemo.processor import multiplies_bfloat16

PRECISIONS = ("auto", "bfloat16", "float32")


def pick_device(name: str | None = None) -> str:
    """The fastest device of this machine: "cuda:0", else "mps", else "cpu". Without torch it is "cpu".

    `name` chooses another ("cuda", "cuda:1", "mps", "cpu"). Raises UnknownName for a device that this machine does not
    have, NotInstalled for any but the CPU without torch.
    """
    if name == "cpu" or (name is None and not is_installed("torch")):
        return "cpu"
    torch = imported("torch", f"The device {name!r}", pip_command("encoders"))
    known = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    known += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name is None:
        return known[0]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in known:
        raise UnknownName("device on this machine", name, known)
    return wanted


def pick_precision(device: str, precision: str | None = None) -> str:
    """ "bfloat16" where torch is installed and the hardware multiplies in it, else "float32".

    `precision` or the environment variable SEARCHDEMO_PRECISION ("auto" | "bfloat16" | "float32") decides otherwise.
    """
    asked = precision or os.environ.get("SEARCHDEMO_PRECISION") or "auto"
    if asked not in PRECISIONS:
        raise UnknownName("precision", asked, PRECISIONS)
    if asked != "auto":
        return asked
    if device.startswith("cuda"):
        import torch

        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device == "cpu" and multiplies_bfloat16() and is_installed("torch")
    return "bfloat16" if fast else "float32"
