"""A gain against a cost as HTML: a dot a setting, what it is on hover, the Pareto front as a step line. No scripts.

Like plots.py: text keeps its size when the page is narrow, colours follow light and dark. The cost is on a log axis
below, the gain on a linear one at the side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from searchdemo.ui.components.plots import COLOURS

MARGIN = 0.04  # of each axis, so that no dot lies on the frame
MOST_DECADES_WITH_STEPS = 2.6  # beyond them the ticks 2 and 5 of a decade would touch each other on a telephone

CSS = """
.scatter { color: var(--body-text-color); font-size: 12px; line-height: 1.35; }
.scatter h4 { margin: 0 0 6px; font-size: 14px; font-weight: 600; color: inherit; }
.scatter .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin-bottom: 10px; }
.scatter .legend span { display: inline-flex; align-items: center; gap: 6px; white-space: nowrap; }
.scatter .legend i { width: 10px; height: 10px; border-radius: 50%; background: var(--colour); box-sizing: border-box; }
.scatter .legend i.hollow { background: none; border: 2px solid currentColor; }
.scatter .legend i.line { width: 18px; height: 0; border-radius: 0; border-top: 2px solid currentColor; opacity: .55; }
.scatter .legend i.ringed { background: none; border: 2px solid var(--color-accent); }
.scatter .area { position: relative; height: 440px; margin: 0 6px 44px 38px; border-radius: 0 4px 0 0;
  border-left: 1px solid var(--border-color-primary); border-bottom: 1px solid var(--border-color-primary);
  font-variant-numeric: tabular-nums; }
.scatter .gridline { position: absolute; background: currentColor; opacity: .11; }
.scatter .gridline.across { left: 0; right: 0; height: 1px; }
.scatter .gridline.up { top: 0; bottom: 0; width: 1px; }
.scatter .gridline.faint { opacity: .05; }
.scatter .tick { position: absolute; color: var(--body-text-color-subdued); white-space: nowrap; }
.scatter .tick.below { top: 100%; padding-top: 5px; transform: translateX(-50%); }
.scatter .tick.beside { right: 100%; padding-right: 7px; transform: translateY(50%); }
.scatter .axis { position: absolute; right: 0; top: 100%; padding-top: 23px; color: var(--body-text-color-subdued); }
.scatter .bound { position: absolute; border: 0 dashed var(--color-accent); opacity: .8; }
.scatter .bound.across { left: 0; right: 0; border-top-width: 1.5px; }
.scatter .bound.up { top: 0; bottom: 0; border-left-width: 1.5px; }
.scatter svg { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.scatter polyline { fill: none; stroke: currentColor; stroke-width: 1.5; stroke-opacity: .55;
  vector-effect: non-scaling-stroke; }
.scatter .dot { position: absolute; width: 22px; height: 22px; border-radius: 50%; z-index: 1; outline: 0;
  transform: translate(-50%, 50%); } /* what a finger meets; the disc that is seen is smaller. No margin: gradio's rules
  take it from the last one. */
.scatter .dot::before { content: ""; position: absolute; inset: 6px; box-sizing: border-box; border-radius: 50%;
  background: var(--colour); opacity: .85; box-shadow: 0 0 0 1px var(--background-fill-primary); }
.scatter .dot.hollow::before { background: var(--background-fill-primary); border: 2px solid var(--colour); }
.scatter .dot.front { z-index: 2; }
.scatter .dot.front::before { inset: 5px; opacity: 1; }
.scatter .dot.faded::before { opacity: .25; box-shadow: none; }
.scatter .dot.ringed { z-index: 3; }
.scatter .dot.ringed::before { box-shadow: 0 0 0 2px var(--background-fill-primary), 0 0 0 4.5px var(--color-accent); }
.scatter .dot:hover, .scatter .dot:focus { z-index: 5; }
.scatter .dot:hover::before, .scatter .dot:focus::before { opacity: 1;
  box-shadow: 0 0 0 2px var(--background-fill-primary), 0 0 0 4px currentColor; }
.scatter .named { position: absolute; z-index: 4; width: max-content; max-width: 100%; overflow: hidden;
  text-overflow: ellipsis; padding: 0 6px; border-radius: 4px;
  pointer-events: none; font-weight: 600; white-space: nowrap;
  background: color-mix(in srgb, var(--background-fill-primary) 85%, transparent); }
.scatter .tip { display: none; position: absolute; left: 50%; z-index: 6; width: max-content; max-width: 290px;
  padding: 8px 11px; border-radius: 8px; pointer-events: none; background: var(--background-fill-primary);
  border: 1px solid var(--border-color-primary); box-shadow: 0 4px 16px rgb(0 0 0 / .22); }
.scatter .tip b { display: block; overflow-wrap: anywhere; }
.scatter .tip span { display: block; }
.scatter .tip .quiet { color: var(--body-text-color-subdued); }
.scatter .dot:hover .tip, .scatter .dot:focus .tip { display: block; }
.scatter .area:has(.dot:hover) .dot:not(:hover) .tip { display: none; } /* one at a time */
.scatter .area:has(.dot:hover, .dot:focus) .named { opacity: 0; }
@media (max-width: 640px) { .scatter .area { height: 300px; margin-left: 32px; } .scatter .tip { max-width: 250px; } }
"""


@dataclass(frozen=True)
class Dot:
    """One setting."""

    cost: float
    gain: float
    family: str  # a key of COLOURS
    name: str
    facts: Sequence[str]  # what the tooltip says below the name, a line each
    front: bool = False  # no other setting beats it
    faded: bool = False  # outside the bounds
    ringed: bool = False  # the one that was picked: its name stands beside it
    hollow: bool = False  # from elsewhere


@dataclass(frozen=True)
class Axis:
    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]  # (value, its label; "" draws the line alone)
    log: bool = False

    def place(self, value: float) -> float:
        """Per cent of the axis, kept on it."""
        low, high, at = (
            (map(math.log10, (self.low, self.high, max(value, 1e-9))))
            if self.log
            else (
                self.low,
                self.high,
                value,
            )
        )
        return min(max(100 * (at - low) / (high - low), 0), 100)


def log_axis(label: str, values: Sequence[float]) -> Axis:
    """Around the values, at least half a decade; ticks at decades, on short axes at 2 and 5 too."""
    low, high = (math.log10(max(end(values), 1e-6)) for end in (min, max))
    room = max(MARGIN * (high - low), (0.5 - (high - low)) / 2, 0.02)
    low, high = low - room, high + room
    stepped = high - low <= MOST_DECADES_WITH_STEPS
    ticks = []
    for exponent in range(math.floor(low), math.ceil(high) + 1):
        for step in range(1, 10):
            at = exponent + math.log10(step)
            if low <= at <= high:
                said = step == 1 or (stepped and step in (2, 5))
                ticks.append((step * 10.0**exponent, f"{step * 10.0**exponent:,.{max(0, -exponent)}f}" if said else ""))
    return Axis(label, 10**low, 10**high, ticks, log=True)


def share_axis(label: str, values: Sequence[float]) -> Axis:
    """From a round tenth below the values to 1, which lies a little below the edge."""
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
    most_cost: float | None = None,
    least_gain: float | None = None,
    families: dict[str, str] | None = None,
) -> str:
    """line: (cost, gain) of the front, by rising cost; drawn in steps. families: what the legend calls each."""
    if not dots:
        return ""
    costs, gains = log_axis(cost_label, [d.cost for d in dots]), share_axis(gain_label, [d.gain for d in dots])
    drawn = [
        *(_gridline("up", "left", costs.place(value), not said) for value, said in costs.ticks),
        *(_gridline("across", "bottom", gains.place(value)) for value, _ in gains.ticks),
        *(_tick("below", "left", costs.place(value), said) for value, said in costs.ticks if said),
        *(_tick("beside", "bottom", gains.place(value), said) for value, said in gains.ticks),
        f'<span class="axis">{escape(cost_label)}</span>',
        _steps([(costs.place(cost), gains.place(gain)) for cost, gain in line]),
        "" if least_gain is None else f'<div class="bound across" style="bottom:{gains.place(least_gain):.2f}%"></div>',
        "" if most_cost is None else f'<div class="bound up" style="left:{costs.place(most_cost):.2f}%"></div>',
        *(_dot(dot, costs.place(dot.cost), gains.place(dot.gain)) for dot in dots),
    ]
    return (
        f'<div class="scatter"><h4>{escape(gain_label)}</h4>{_legend(dots, bool(line), families or {})}'
        f'<div class="area">{"".join(drawn)}</div></div>'
    )


def _gridline(kind: str, side: str, place: float, faint: bool = False) -> str:
    return f'<div class="gridline {kind}{" faint" * faint}" style="{side}:{place:.2f}%"></div>'


def _tick(kind: str, side: str, place: float, label: str) -> str:
    return f'<span class="tick {kind}" style="{side}:{place:.2f}%">{label}</span>'


def _steps(corners: Sequence[tuple[float, float]]) -> str:
    """An SVG behind the dots: level from each setting to the cost of the next, after the last to the right edge."""
    if not corners:
        return ""
    path, height = [], corners[0][1]
    for cost, gain in corners:
        path += [(cost, height), (cost, gain)]
        height = gain
    path.append((100.0, height))
    points = " ".join(f"{x:.2f},{100 - y:.2f}" for x, y in path[1:])
    return (
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<polyline vector-effect="non-scaling-stroke" points="{points}"/></svg>'
    )


def _dot(dot: Dot, x: float, y: float) -> str:
    """The tooltip is moved by its share of its own width, so that it ends with the plot on both sides."""
    marks = [mark for mark in ("front", "faded", "ringed", "hollow") if getattr(dot, mark)]
    facts = "".join(f"<span>{escape(fact)}</span>" for fact in dot.facts)
    side = "bottom" if y < 55 else "top"
    moved = f"{side}:24px;transform:translateX(-{x:.0f}%)"
    name = escape(dot.name)
    # The Tab key goes along the front alone; a finger or the mouse reaches all.
    reached = 0 if dot.front or dot.ringed else -1
    said = escape(f"{dot.name}: {'; '.join(dot.facts)}", quote=True)
    under = "calc(100% + 11px)" if y > 20 else "-11px"
    named = (
        f'<div class="named" style="left:{x:.2f}%;bottom:{y:.2f}%;transform:translate(-{x:.0f}%,{under})">{name}</div>'
    )
    return (
        f'<div class="{" ".join(["dot", *marks])}" role="img" tabindex="{reached}" aria-label="{said}" '
        f'style="left:{x:.2f}%;bottom:{y:.2f}%;--colour:{COLOURS[dot.family]}">'
        f'<div class="tip" style="{moved}"><b>{name}</b>{facts}</div></div>{named * dot.ringed}'
    )


def _legend(dots: Sequence[Dot], line: bool, families: dict[str, str]) -> str:
    there = {dot.family for dot in dots if not dot.hollow}
    entries = [
        f'<span><i style="--colour:{colour}"></i>{escape(families.get(family, family))}</span>'
        for family, colour in COLOURS.items()
        if family in there
    ]
    entries += ['<span><i class="hollow"></i>other libraries</span>'] * any(dot.hollow for dot in dots)
    entries += ['<span><i class="line"></i>Pareto front</span>'] * line
    entries += ['<span><i class="ringed"></i>picked</span>'] * any(dot.ringed for dot in dots)
    return f'<div class="legend">{"".join(entries)}</div>'
