"""Plots for documents, drawn from run cards with matplotlib (requirements-bench.txt). The page has its own plots."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchdemo.measure.cards import RunCard, source_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure

# The colour of each IndexSpec.family, here and on the page; "encode" is extraction.
COLOURS = {
    "exact": "#64748b",
    "ivf": "#2563eb",
    "graph": "#7c3aed",
    "quantised": "#d97706",
    "hash": "#db2777",
    "tree": "#059669",
    "encode": "#94a3b8",
}
# The colours of lines.
SERIES = ("#2563eb", "#d97706", "#7c3aed", "#059669", "#db2777", "#64748b", "#0891b2", "#b91c1c")


SOURCE_CHARACTERS = 17  # of the line below a title, per inch


def panels(number: int, title: str, source: str, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, two side by side. Below the title stands `source`. height: inches per row of axes."""
    from matplotlib.figure import Figure  # not pyplot, which keeps every figure in memory

    rows, columns = -(-number // 2), min(number, 2)
    height *= rows
    figure = Figure(figsize=(max(6.4, 4.6 * columns), height), layout="constrained")
    lines = textwrap.wrap(source, int(SOURCE_CHARACTERS * figure.get_figwidth()))
    figure.suptitle(title + "\n" * len(lines), x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.text(0.01, 1 - 0.42 / height, "\n".join(lines), fontsize=7.5, color="#64748b", va="top")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[number:]:
        ax.set_axis_off()
    for ax in axes[:number]:
        ax.grid(True, which="major", color="#e2e8f0", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
        ax.xaxis.label.set_size(9)
        ax.yaxis.label.set_size(9)
    return figure, axes[:number]


def panel_per_card(
    cards: Sequence[RunCard], title: str, draw: Callable[[Axes, RunCard], object], height: float = 3.6
) -> Figure:
    """A figure with one panel per card, which `draw` fills. The panel's title is the card's encoder and what is
    made up about it."""
    figure, axes = panels(len(cards), title, source_of(cards), height)
    for ax, card in zip(axes, cards, strict=True):
        draw(ax, card)
        ax.set_title(", ".join([card.encoder, *card.made_up]), fontsize=9)
    return figure


def bars(ax: Axes, names: Sequence[str], values: Sequence[float], colours: Sequence[str]) -> BarContainer:
    """Horizontal bars, the first one on top."""
    drawn = ax.barh(names, values, color=colours, height=0.6)
    ax.invert_yaxis()
    return drawn


def scatter_families(ax: Axes, rows: Sequence[dict], x: str, y: str) -> None:
    """One dot per row, coloured by its `family`."""
    for family, colour in COLOURS.items():
        chosen = [row for row in rows if row["family"] == family]
        if chosen:
            ax.scatter([r[x] for r in chosen], [r[y] for r in chosen], s=22, color=colour, label=family, linewidths=0)


def lines(ax: Axes, series: Iterable[tuple[str, Sequence[float], Sequence[float]]]) -> None:
    """One line per (label, x, y), each in its own colour."""
    for (label, x, y), colour in zip(series, SERIES * 4, strict=False):
        ax.plot(x, y, marker="o", markersize=3.5, linewidth=1.4, color=colour, label=label)


def level(ax: Axes, value: float, label: str) -> None:
    """A dashed line at this height, for comparison."""
    ax.axhline(value, color=SERIES[5], linestyle="--", linewidth=1.2, label=label)


def legend(ax: Axes, **options: Any) -> None:
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=7.5, frameon=False, **options)


def save_svg(figure: Figure, path: Path) -> None:
    """The same figure gives the same bytes. The ground is white, so that the plot is legible in dark mode too."""
    import matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None})
