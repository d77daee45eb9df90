"""Small plots as HTML: bars of shares, bars of milliseconds on a log axis. Pure functions, no scripts, no pictures.

HTML rather than SVG, so that text keeps its size when the page is narrow. Colours are gradio's CSS variables, so light
and dark follow the page. gradio's own plots have no log axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from searchdemo.bench.plots import COLOURS as FAMILY_COLOURS

COLOURS = FAMILY_COLOURS | {"encode": "transparent"}  # drawn hollow here: it is not a search

CSS = """
.bars { color: var(--body-text-color); font-size: 14px; line-height: 1.3;
  margin-bottom: 14px; }
.bars h4 { margin: 0 0 6px; font-size: 14px; font-weight: 600; color: inherit; }
.bars .entry { display: grid; grid-template: "name track value" / 9em 1fr 7em; gap: 2px 10px; align-items: center;
  margin-bottom: 6px; }
.bars.log .entry { grid-template-columns: 9em 1fr 14em; }
.bars .name { grid-area: name; overflow-wrap: anywhere; }
.bars .truth { font-weight: 600; }
.bars .value { grid-area: value; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bars .track { grid-area: track; position: relative; height: 16px; }
.bars .fill { position: absolute; left: 0; top: 0; bottom: 0; min-width: 2px; border-radius: 0 3px 3px 0;
  box-sizing: border-box; background: var(--color-accent); }
.bars .track.shares { background: var(--background-fill-secondary); border-radius: 3px; }
.bars .fill.encode { border: 1.5px solid currentColor; border-left: 0; opacity: 0.6; }
.bars .whisker { position: absolute; top: 7px; border-top: 2px solid currentColor; opacity: 0.75; }
.bars .whisker::after { content: ""; position: absolute; right: 0; top: -6px; height: 10px;
  border-right: 2px solid currentColor; }
.bars .decade { position: absolute; top: -3px; bottom: -5px; border-left: 1px solid currentColor; opacity: 0.2; }
.bars .tick { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.bars .tick:last-child { transform: translateX(-80%); }
.bars .note, .bars p { color: var(--body-text-color-subdued); font-size: 12px; margin: 4px 0 0; }
@media (max-width: 640px) { /* gradio drops @container */
  .bars .entry, .bars.log .entry { grid-template: "name value" "track track" / 1fr max-content; }
}
"""


@dataclass(frozen=True)
class Share:
    name: str
    share: float  # 0 to 1
    truth: bool = False  # this is the right answer


def share_bars(title: str, shares: Sequence[Share], note: str = "") -> str:
    """Bars of per cents, drawn from 0 to 100, in the order given."""
    rows = []
    for entry in shares:
        name = f'<b class="truth">{escape(entry.name)} ✓</b>' if entry.truth else escape(entry.name)
        bar = f'<div class="track shares"><div class="fill" style="width:{100 * entry.share:.2f}%"></div></div>'
        rows.append(_row(name, bar, percent(entry.share)))
    return _bars("bars", title, rows, note)


def percent(share: float) -> str:
    """0.0314 -> "3.1 %"; what is not nothing never reads as 0."""
    return "&lt; 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


@dataclass(frozen=True)
class Time:
    """One bar on the log axis."""

    name: str
    p50_ms: float
    p95_ms: float
    family: str  # a key of COLOURS


def time_bars(title: str, times: Sequence[Time], note: str = "") -> str:
    """Bars of milliseconds on a log axis: the bar ends at p50, the whisker at p95."""
    if not times:
        return ""
    low, high = decades([value for entry in times for value in (entry.p50_ms, entry.p95_ms)])

    def place(ms: float) -> float:
        """Per cent of the axis."""
        return 100 * (math.log10(max(ms, 10.0**low)) - low) / (high - low)

    exponents = range(low, high + 1)
    lines = "".join(f'<div class="decade" style="left:{place(10.0**e):.2f}%"></div>' for e in exponents)
    rows = []
    for entry in times:
        end, whisker = place(entry.p50_ms), place(entry.p95_ms)
        track = (
            f'<div class="track">{lines}'
            f'<div class="fill {entry.family}" style="width:{end:.2f}%;background:{COLOURS[entry.family]}"></div>'
            f'<div class="whisker" style="left:{end:.2f}%;width:{whisker - end:.2f}%"></div></div>'
        )
        value = f'{milliseconds(entry.p50_ms)} <span class="note">p95 {milliseconds(entry.p95_ms)}</span>'
        rows.append(_row(escape(entry.name), track, value))
    ticks = "".join(f'<span class="tick note" style="left:{place(10.0**e):.2f}%">{_tick(e)}</span>' for e in exponents)
    rows.append(_row("", f'<div class="track">{ticks}</div>', '<span class="note">ms, log scale</span>'))
    return _bars("bars log", title, rows, note)


def decades(values: Sequence[float]) -> tuple[int, int]:
    """Exponents of ten that enclose the values, at least one decade apart; the least value stays off the edge."""
    low = math.floor(math.log10(max(min(values), 1e-6)) - 0.05)
    high = math.ceil(math.log10(max(max(values), 1e-6)))
    return low, max(high, low + 1)


def milliseconds(ms: float) -> str:
    """Three figures: "0.0421 ms", "1.23 ms", "48.0 ms", "1.2 s"; what was not measured at all is "0 ms"."""
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


def _tick(exponent: int) -> str:
    return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"


def _row(name: str, track: str, value: str) -> str:
    return f'<div class="entry"><div class="name">{name}</div>{track}<div class="value">{value}</div></div>'


def _bars(classes: str, title: str, rows: Sequence[str], note: str) -> str:
    heading = f"<h4>{escape(title)}</h4>" if title else ""
    noted = f"<p>{escape(note)}</p>" if note else ""
    return f'<div class="{classes}">{heading}{"".join(rows)}{noted}</div>'
