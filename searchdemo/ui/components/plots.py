"""Small plots as HTML: bars of shares, and bars of milliseconds on a log axis. css/bars.css has their looks.

They are HTML and not SVG, so that text keeps its size on a narrow page. gradio's own plots have no log axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from searchdemo.bench.plots import COLOURS as FAMILY_COLOURS
from searchdemo.ui.components.templates import render

COLOURS = FAMILY_COLOURS | {"encode": "transparent"}  # encoding is not a search: its bar is hollow


@dataclass(frozen=True)
class Share:
    name: str
    share: float  # 0 to 1
    truth: bool = False  # this is the right answer


def share_bars(title: str, shares: Sequence[Share], note: str = "") -> str:
    """Bars in percent, drawn from 0 to 100, in the given order."""
    return render("share_bars.html", title=title, shares=shares, note=note)


@dataclass(frozen=True)
class Time:
    """One bar on the log axis."""

    name: str
    p50_ms: float
    p95_ms: float
    family: str  # a key of COLOURS


def time_bars(title: str, times: Sequence[Time], note: str = "") -> str:
    """Bars of milliseconds on a log axis. Each bar ends at p50 and its whisker at p95."""
    if not times:
        return ""
    low, high = decades([value for entry in times for value in (entry.p50_ms, entry.p95_ms)])

    def place(ms: float) -> float:
        """In percent of the axis."""
        return 100 * (math.log10(max(ms, 10.0**low)) - low) / (high - low)

    bars = [(entry, place(entry.p50_ms), place(entry.p95_ms)) for entry in times]
    ticks = [(place(10.0**exponent), f"{10.0**exponent:,.{max(0, -exponent)}f}") for exponent in range(low, high + 1)]
    return render("time_bars.html", title=title, bars=bars, ticks=ticks, colours=COLOURS, note=note)


def decades(values: Sequence[float]) -> tuple[int, int]:
    """Exponents of ten that enclose the values, at least one decade apart. The lowest value stays off the edge."""
    low = math.floor(math.log10(max(min(values), 1e-6)) - 0.05)
    high = math.ceil(math.log10(max(max(values), 1e-6)))
    return low, max(high, low + 1)
