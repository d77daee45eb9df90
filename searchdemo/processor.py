"""What this machine's processor can do."""

from __future__ import annotations

import functools
import os
from pathlib import Path


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether the processor has bfloat16 instructions: without them torch emulates, slower than float32."""
    cpuinfo = Path("/proc/cpuinfo")
    words = set(cpuinfo.read_text().split()) if cpuinfo.is_file() else set()
    return not words.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})  # the last is ARM's name for it


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
