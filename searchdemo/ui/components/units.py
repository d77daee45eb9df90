"""Figures as people read them."""

from __future__ import annotations

import math


def percent(share: float) -> str:
    """0.0314 -> "3.1 %". Only 0 itself reads as 0."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def milliseconds(ms: float) -> str:
    """Three figures: "0.0421 ms", "1.23 ms", "48.0 ms", "1.2 s". A step that was not taken is "0 ms"."""
    if ms <= 0:
        return "0 ms"
    if ms >= 1000:
        return f"{ms / 1000:.3g} s"
    return f"{ms:.{max(0, 2 - math.floor(math.log10(max(ms, 1e-4))))}f} ms"


def byte_size(size: float) -> str:
    """12_800_000 -> "12.8 MB"."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
