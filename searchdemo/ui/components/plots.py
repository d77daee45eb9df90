"""Small plots as HTML: bars of shares, and bars of milliseconds. css/bars.css has their looks.

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
class Angles:
    """One row of dots."""

    name: str
    degrees: Sequence[float]  # to the query, nearest first; one at least
    truth: bool = False

    @property
    def said(self) -> str:
        """ "31.2° · 0.545 rad", "31.2° to 44.8°"."""
        first, last = self.degrees[0], self.degrees[-1]
        return (
            f"{first:.1f}° · {math.radians(first):.3f} rad"
            if len(self.degrees) == 1
            else f"{first:.1f}° to {last:.1f}°"
        )


def angle_bars(title: str, rows: Sequence[Angles], limit: float = 180) -> str:
    """Dots on axes from 0 to 90 degrees, or to 180 where there is more. limit: a line in each, drawn below 180."""
    end = 90 if max([*(angle for row in rows for angle in row.degrees), limit % 180]) <= 90 else 180
    facts = {"limit": limit, "radians": math.radians(limit), "drawn": limit < 180}
    return render("angle_bars.html", title=title, rows=rows, end=end, **facts)


@dataclass(frozen=True)
class Time:
    """One bar of milliseconds."""

    name: str
    p50_ms: float
    p95_ms: float
    family: str  # a key of COLOURS


@dataclass(frozen=True)
class Scale:
    """An axis of milliseconds. There are two for the same bars, and css/bars.css shows one of them."""

    name: str  # "linear" | "log"
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]  # (milliseconds, label)

    def place(self, ms: float) -> float:
        """In percent of the axis. A value beyond an end is placed at that end."""
        low, high, at = self.low, self.high, ms
        if self.name == "log":
            low, high, at = (math.log10(max(value, self.low)) for value in (low, high, at))
        return min(max(100 * (at - low) / (high - low), 0), 100)


def time_bars(title: str, times: Sequence[Time], note: str = "", baseline: str = "brute") -> str:
    """Bars of milliseconds. Each ends at p50 and its whisker at p95. A button changes from the linear scale to the log.

    baseline: the name of the bar that the others are compared with, where it is among them.
    """
    if not times:
        return ""
    values = [value for entry in times for value in (entry.p50_ms, entry.p95_ms)]
    base = next((entry for entry in times if entry.name == baseline), None)
    return render(
        "time_bars.html",
        title=title,
        bars=[(entry, compared(entry, base)) for entry in times],
        scales=[linear_scale(values), log_scale(values)],
        colours=COLOURS,
        note=note,
    )


def compared(entry: Time, base: Time | None) -> str:
    """ "177 times faster than brute", by p50; "" for the baseline itself, and for what is not a search."""
    if base is None or entry is base or entry.family == "encode" or not min(entry.p50_ms, base.p50_ms) > 0:
        return ""
    ratio = base.p50_ms / entry.p50_ms
    times = times_as_read(max(ratio, 1 / ratio))
    if times == "1.0":
        return f"as fast as {base.name}"
    return f"{times} times {'faster' if ratio > 1 else 'slower'} than {base.name}"


def times_as_read(ratio: float) -> str:
    """Two figures at least: 1.04 -> "1.0", 3.21 -> "3.2", 177.4 -> "177", 1234 -> "1,234"."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def linear_scale(values: Sequence[float]) -> Scale:
    """From 0 to the highest value, with about four round ticks."""
    high = max(*values, 1e-6)
    decade = 10.0 ** math.floor(math.log10(high))
    step = next(step * decade for step in (0.1, 0.2, 0.25, 0.5, 1, 2) if high / (step * decade) <= 5)
    count = math.floor(high / step + 1e-9)
    return Scale("linear", 0, high, [(number * step, f"{number * step:,.4g}") for number in range(count + 1)])


def log_scale(values: Sequence[float]) -> Scale:
    """Whole decades around the values."""
    low, high = decades(values)
    exponents = range(low, high + 1)
    labels = [(10.0**exponent, f"{10.0**exponent:,.{max(0, -exponent)}f}") for exponent in exponents]
    return Scale("log", 10.0**low, 10.0**high, labels)


def decades(values: Sequence[float]) -> tuple[int, int]:
    """Exponents of ten that enclose the values, at least one decade apart. The lowest value stays off the edge."""
    low = math.floor(math.log10(max(min(values), 1e-6)) - 0.05)
    high = math.ceil(math.log10(max(max(values), 1e-6)))
    return low, max(high, low + 1)
