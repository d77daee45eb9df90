"""The machine that a figure was measured on, and the versions of the libraries that have a say in it."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path


def machine() -> str:
    """ "Intel(R) Xeon(R) CPU @ 2.60GHz, 2 cores": the processor's name where the system tells it, else its kind."""
    cores = os.cpu_count() or 1
    return f"{_processor()}, {cores} core{'s' if cores > 1 else ''}"


def machine_facts() -> dict:
    """The machine as a run card holds it. `memory_bytes` is 0 where the system does not tell."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    system = f"{platform.system()} {platform.machine()}"
    return {"name": machine(), "cores": os.cpu_count() or 1, "memory_bytes": memory, "system": system}


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that influence a figure, where they are installed."""
    packages = ("numpy", "torch", "faiss-cpu", "faiss-gpu", "timm", "open_clip_torch", "datasets", "scikit-learn")
    return {"python": platform.python_version()} | installed(packages)


def installed(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those of these packages that are installed."""
    found = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
