"""Which device an encoder runs on."""

from __future__ import annotations

import sys
from pathlib import Path

from searchdemo.encoders import zero_gpu
from searchdemo.errors import UnknownName
from searchdemo.extras import imported, is_installed, pip_command

# What the drivers of NVIDIA and AMD put there, and those of NVIDIA within WSL.
GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def pick_device(name: str | None = None) -> str:
    """The fastest device of this machine: "cuda:0", else "mps", else "cpu". Without torch it is "cpu".

    `name` chooses another ("cuda", "cuda:1", "mps", "cpu"); "cuda:all" is the first for what takes one alone.
    Raises UnknownName for a device that this machine does not have, NotInstalled for any but the CPU without torch.
    On ZeroGPU it is "cuda:0", where an encoder is lent one, see zero_gpu.py.
    """
    if name == "cpu" or (name is None and not (is_installed("torch") and may_have_gpu())):
        return "cpu"
    zero_gpu.prepare()
    torch = imported("torch", f"The device {name!r}", pip_command("encoders"))
    known = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    known += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name is None:
        return known[0]
    wanted = "cuda:0" if name in ("cuda", "cuda:all") else name
    if wanted not in known:
        raise UnknownName("device on this machine", name, known)
    return wanted


def may_have_gpu() -> bool:
    """False where torch, whose import takes seconds, need not be asked."""
    return sys.platform != "linux" or zero_gpu.here() or any(Path(file).exists() for file in GPU_FILES)
