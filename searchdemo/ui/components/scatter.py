"""A gain against a cost as HTML: one dot per setting, and the Pareto front as a step line.

The cost is on a log axis below, the gain, a share, on an axis at the side that is stretched towards 1. One layer over
the plot finds the dots near the pointer (templates/scatter.js), so that those which cover each other are all reached;
css/scatter.css has the looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from searchdemo.ui.components.plots import COLOURS
from searchdemo.ui.components.templates import render

MARGIN = 0.04  # of each axis, so that no dot lies on the frame
NINES = 4  # the gain axis ends at 0.9999, and draws what is above as 1
MAX_DECADES_WITH_STEPS = 2.6  # on more, the labels 2 and 5 of a decade would touch each other on a mobile phone


SCRIPT = render("scatter.js")


@dataclass(frozen=True)
class Dot:
    """One setting."""

    id: str  # what the page sends when a visitor chooses the dot
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
    low: float  # the ends, stretched
    high: float
    ticks: Sequence[tuple[float, str]]  # (value, its label; "" draws the line alone)
    stretch: Callable[[float], float]

    def place(self, value: float) -> float:
        """In percent of the axis. A value beyond an end is placed at that end."""
        return min(max(100 * (self.stretch(value) - self.low) / (self.high - self.low), 0), 100)


def decades(value: float) -> float:
    return math.log10(max(value, 1e-9))


def nines(share: float) -> float:
    """0.9 -> 1, 0.99 -> 2, 0.999 -> 3: the number of nines, at most NINES."""
    return -math.log10(max(1 - share, 10.0**-NINES))


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
    return Axis(label, low, high, ticks, decades)


def share_axis(label: str, values: Sequence[float]) -> Axis:
    """An axis to 1, on which 0.9, 0.99 and 0.999 are equally far apart: there the settings differ that people choose.

    It starts at a tick. The ends lie a little inside the edges.
    """
    named = [(0.0, "0"), (0.5, "0.5"), *((1 - 10.0**-count, f"{1 - 10.0**-count:g}") for count in range(1, NINES))]
    first = max(number for number, (tick, _) in enumerate(named) if tick <= min(values) or number == 0)
    between = [(number / 10, "") for number in (1, 2, 3, 4, 6, 7, 8)] + [(0.95, ""), (0.995, "")]
    ticks = named[first:] + [(1.0, "1")] + [tick for tick in between if tick[0] > named[first][0]]
    low = nines(named[first][0])
    room = MARGIN * (NINES - low)
    return Axis(label, low - room, NINES + room, sorted(ticks), nines)


def scatter(
    dots: Sequence[Dot],
    cost_label: str,
    gain_label: str,
    line: Sequence[tuple[float, float]] = (),
    max_cost: float | None = None,
    min_gain: float | None = None,
    families: dict[str, str] | None = None,
) -> str:
    """line: (cost, gain) of the front, by rising cost; drawn in steps. families: family -> its name in the legend.

    It goes into a gr.HTML with `js_on_load=SCRIPT`, whose event `select` has the id of the chosen dot as `dot`.
    """
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
