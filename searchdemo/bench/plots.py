"""Plots for documents, drawn from run cards with matplotlib (requirements-bench.txt). The page has its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

# Of IndexSpec.family, here and on the page; "encode" is extraction.
COLOURS = {
    "exact": "#64748b",
    "ivf": "#2563eb",
    "graph": "#7c3aed",
    "quantised": "#d97706",
    "hash": "#db2777",
    "tree": "#059669",
    "encode": "#94a3b8",
}
SERIES = ("#2563eb", "#d97706", "#7c3aed", "#059669", "#db2777", "#64748b", "#0891b2", "#b91c1c")  # of lines


def panels(number: int, title: str, source: str, height: float = 3.6):
    """(figure, [axes, ...]), two side by side, with the figures' origin below the title. height: inches of a row."""
    from matplotlib.figure import Figure  # not pyplot, which keeps every figure alive

    rows, columns = -(-number // 2), min(number, 2)
    height *= rows
    figure = Figure(figsize=(max(6.4, 4.6 * columns), height), layout="constrained")
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.text(0.01, 1 - 0.42 / height, source, fontsize=7.5, color="#64748b", va="top")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[number:]:
        ax.set_axis_off()
    axes = axes[:number]
    for ax in axes:
        ax.grid(True, which="major", color="#e2e8f0", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
        ax.xaxis.label.set_size(9)
        ax.yaxis.label.set_size(9)
    return figure, axes


def panel(title: str, source: str, height: float = 3.6):
    """(figure, axes) of one panel."""
    figure, (ax,) = panels(1, title, source, height)
    return figure, ax


def scatter_families(ax, rows: Sequence[dict], x: str, y: str) -> None:
    """A dot a row, coloured by its `family`."""
    for family, colour in COLOURS.items():
        chosen = [row for row in rows if row["family"] == family]
        if chosen:
            ax.scatter([r[x] for r in chosen], [r[y] for r in chosen], s=22, color=colour, label=family, linewidths=0)


def lines(ax, series: Iterable[tuple[str, Sequence[float], Sequence[float]]], **options) -> None:
    """(label, x, y) each in a colour of its own."""
    for (label, x, y), colour in zip(series, SERIES * 4, strict=False):
        ax.plot(x, y, marker="o", markersize=3.5, linewidth=1.4, color=colour, label=label, **options)


def legend(ax, **options) -> None:
    ax.legend(fontsize=7.5, frameon=False, **options)


def save_svg(figure, path: Path) -> None:
    """The same figure gives the same bytes. On a white ground, so that it reads in dark mode too."""
    import matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None})
