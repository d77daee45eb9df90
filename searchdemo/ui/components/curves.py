"""Lines as HTML: one per method or index, over a size or an effort. css/curves.css has the looks.

The lines are an SVG that stretches; all text is HTML, so that it keeps its size on a narrow page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from searchdemo.bench.plots import SERIES
from searchdemo.ui.components.plots import Scale
from searchdemo.ui.components.templates import render


@dataclass(frozen=True)
class Curve:
    name: str
    points: Sequence[tuple[float, float]]  # (x, y), by rising x

    def __str__(self) -> str:
        """For who hears the picture."""
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        if len(self.points) == 1:
            return f"{self.name} {y0:.4g} at {x0:,.4g}"
        return f"{self.name} from {y0:.4g} at {x0:,.4g} to {y1:.4g} at {x1:,.4g}"


@dataclass(frozen=True)
class Level:
    """A figure that all are compared with: a line across."""

    name: str
    value: float


def curves_html(
    x_label: str, y_label: str, x: Scale, y: Scale, curves: Sequence[Curve], level: Level | None = None
) -> str:
    """At most as many curves as there are colours are drawn; the first ones are."""
    drawn = [
        (curve, colour, [(x.place(at), 100 - y.place(value)) for at, value in curve.points])
        for curve, colour in zip(curves, SERIES, strict=False)
    ]
    spoken = f"{y_label} against {x_label}: " + "; ".join(str(curve) for curve, *_ in drawn)
    return render("curves.html", x_label=x_label, y_label=y_label, x=x, y=y, drawn=drawn, level=level, spoken=spoken)


def ticked(values: Sequence[float], shown: Sequence[float] | None = None) -> Scale:
    """A log scale from the lowest value to the highest. shown: those that have a label; None: all of them."""
    there = sorted(set(values))
    ticks = [(value, f"{value:,.4g}" if value < 10_000 else f"{value:,.0f}") for value in shown or there]
    low, high = there[0], max(there[-1], there[0] * 1.01)
    return Scale("log", low, high, [(value, label) for value, label in ticks if low <= value <= high])


def around(values: Sequence[float]) -> Scale:
    """A linear scale with three to six round ticks around the values."""
    low, high = min(values), max(values)
    spread = max(high - low, 1e-6 * max(abs(high), 1))
    decade = 10.0 ** math.floor(math.log10(spread))
    step = next(step * decade for step in (0.2, 0.5, 1, 2, 5) if spread / (step * decade) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [(number * step, f"{number * step:.6g}") for number in range(first, last + 1)]
    return Scale("linear", first * step, max(last, first + 1) * step, ticks)
