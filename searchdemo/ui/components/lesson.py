"""What a score is, drawn: the query's numbers and the nearest picture's, their products, and the sum."""

from __future__ import annotations

import numpy as np

from searchdemo.measure.distances import pairwise
from searchdemo.ui.components.templates import render

MOST_BARS = 128  # longer vectors are drawn by their first numbers; the sum is over all


def lesson_html(query: np.ndarray, nearest: np.ndarray, name: str) -> str:
    """query, nearest: unit rows (dim,); name: of the nearest picture."""
    found = pairwise(np.stack([query, nearest]))
    shown = min(len(query), MOST_BARS)
    highest = float(max(np.abs(query[:shown]).max(), np.abs(nearest[:shown]).max(), 1e-9))
    products = query * nearest
    rows = [
        ("the query", bars(query[:shown] / highest)),
        (name or "the nearest picture", bars(nearest[:shown] / highest)),
        ("each pair multiplied", bars(products[:shown] / float(np.abs(products[:shown]).max() or 1))),
    ]
    return render(
        "lesson.html",
        rows=rows,
        shown=shown,
        dim=len(query),
        cosine=float(found.cosines[0, 1]),
        degrees=float(found.degrees[0, 1]),
        euclidean=float(found.euclidean[0, 1]),
    )


def bars(values: np.ndarray) -> tuple[str, str]:
    """SVG paths of the positive and of the negative values (n,) in [-1, 1]: an element per bar took the page longer."""
    drawn = [(value, f"M{place} 0h.8v{-value:.3f}h-.8z") for place, value in enumerate(values.tolist())]
    return "".join(bar for value, bar in drawn if value >= 0), "".join(bar for value, bar in drawn if value < 0)
