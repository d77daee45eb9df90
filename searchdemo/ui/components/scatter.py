"""A gain against a cost as HTML: one dot per setting with a tooltip, and the Pareto front as a step line.

The cost is on a log axis below, the gain on a linear axis at the side. css/scatter.css has the looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from searchdemo.ui.components.plots import COLOURS
from searchdemo.ui.components.templates import render

MARGIN = 0.04  # of each axis, so that no dot lies on the frame
MAX_DECADES_WITH_STEPS = 2.6  # on more, the labels 2 and 5 of a decade would touch each other on a mobile phone


@dataclass(frozen=True)
class Dot:
    """One setting."""

    cost: float
    gain: float
    family: str  # a key of COLOURS
    name: str
    facts: Sequence[str]  # the lines of the tooltip below the name
    front: bool = False  # no other setting beats it
    faded: bool = False  # outside the bounds
    ringed: bool = False  # the recommended one: its name stands beside it
    hollow: bool = False  # of another library


@dataclass(frozen=True)
class Axis:
    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]  # (value, its label; "" draws the line alone)
    log: bool = False

    def place(self, value: float) -> float:
        """In percent of the axis. A value beyond an end is placed at that end."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = map(math.log10, (low, high, max(at, 1e-9)))
        return min(max(100 * (at - low) / (high - low), 0), 100)


def log_axis(label: str, values: Sequence[float]) -> Axis:
    """An axis around the values, at least half a decade long. Short axes have labels at 2 and 5 of each decade too."""
    low, high = (math.log10(max(end(values), 1e-6)) for end in (min, max))
    room = max(MARGIN * (high - low), (0.5 - (high - low)) / 2, 0.02)
    low, high = low - room, high + room
    stepped = high - low <= MAX_DECADES_WITH_STEPS
    ticks = []
    for exponent in range(math.floor(low), math.ceil(high) + 1):
        for step in range(1, 10):
            at = exponent + math.log10(step)
            if low <= at <= high:
                said = step == 1 or (stepped and step in (2, 5))
                ticks.append((step * 10.0**exponent, f"{step * 10.0**exponent:,.{max(0, -exponent)}f}" if said else ""))
    return Axis(label, 10**low, 10**high, ticks, log=True)


def share_axis(label: str, values: Sequence[float]) -> Axis:
    """An axis from a round tenth below the values to 1, which lies a little inside the edge."""
    low = min(math.floor(10 * min(values) + 1e-9) / 10, 0.9)
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if (1 - low) / step <= 6 or step == 0.2)
    decimals = 2 if step < 0.1 else 1
    count = round((1 - low) / step)
    ticks = [(1 - number * step, f"{1 - number * step:.{decimals}f}") for number in range(count + 1)]
    span = 1 - low
    return Axis(label, low - MARGIN * span * (min(values) < low + MARGIN * span), 1 + MARGIN * span, ticks)


def scatter(
    dots: Sequence[Dot],
    cost_label: str,
    gain_label: str,
    line: Sequence[tuple[float, float]] = (),
    max_cost: float | None = None,
    min_gain: float | None = None,
    families: dict[str, str] | None = None,
) -> str:
    """line: (cost, gain) of the front, by rising cost; drawn in steps. families: family -> its name in the legend."""
    if not dots:
        return ""
    costs, gains = log_axis(cost_label, [d.cost for d in dots]), share_axis(gain_label, [d.gain for d in dots])
    return render(
        "scatter.html",
        dots=dots,
        costs=costs,
        gains=gains,
        path=steps([(costs.place(cost), gains.place(gain)) for cost, gain in line]),
        max_cost=max_cost,
        min_gain=min_gain,
        shown={dot.family for dot in dots if not dot.hollow},
        families=families or {},
        colours=COLOURS,
    )


def steps(corners: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The line as SVG counts, from the top: level from each setting to the cost of the next, then to the right edge."""
    path: list[tuple[float, float]] = []
    for x, y in corners:
        path += [(x, path[-1][1])] if path else []
        path += [(x, 100 - y)]
    return [*path, (100.0, path[-1][1])] if path else []
