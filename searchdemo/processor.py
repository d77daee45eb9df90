"""What this machine's processor can do, and the memory that it has free."""

from __future__ import annotations

import functools
import os
from pathlib import Path


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether the processor has bfloat16 instructions: without them torch emulates, slower than float32."""
    return not _words().isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})  # the last is ARM's name for it


@functools.cache
def multiplies_int8() -> bool:
    """Whether the processor (of Intel or AMD, on Linux) sums products of 8-bit integers in 32 bits.

    Older ones sum them in 16 bits, which overflow: rows of `bundled` then had a cosine of 0.887 to exact ones.
    """
    return not _words().isdisjoint({"avx512_vnni", "avx_vnni", "amx_int8"})


def _words() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    return set(cpuinfo.read_text().split()) if cpuinfo.is_file() else set()


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes() -> int | None:
    """Memory that this process may still take, of the machine and of its container; None where nobody tells."""
    said = [_free_of_machine(Path("/proc/meminfo")), _free_of_container(Path("/sys/fs/cgroup"))]
    return min((free for free in said if free is not None), default=None)


def _free_of_machine(path: Path) -> int | None:
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _free_of_container(folder: Path) -> int | None:
    try:
        most, taken = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return None if most == "max" else max(0, int(most) - int(taken))
    except (OSError, ValueError):
        return None
