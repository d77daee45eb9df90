"""What a score is, drawn: the query's numbers and the nearest picture's, their products, and the sum."""

from __future__ import annotations

import numpy as np

from searchdemo.measure.distances import pairwise
from searchdemo.ui.components.templates import render

MOST_BARS = 128  # longer vectors are drawn by their first numbers; the sum is over all
HIGHEST = 127  # of the numbers that the browser draws, which stand for those of the vectors


def lesson_html(query: np.ndarray, nearest: np.ndarray, name: str) -> str:
    """query, nearest: unit rows (dim,); name: of the nearest picture. It goes into a gr.HTML with lesson.js."""
    found, shown = pairwise(np.stack([query, nearest])), min(len(query), MOST_BARS)
    drawn = drawn_numbers(np.stack([query, nearest])[:, :shown])
    rows = [("the query", drawn[0]), (name or "the nearest picture", drawn[1]), ("each pair multiplied", "")]
    return render(
        "lesson.html",
        rows=rows,
        shown=shown,
        dim=len(query),
        cosine=float(found.cosines[0, 1]),
        degrees=float(found.degrees[0, 1]),
        euclidean=float(found.euclidean[0, 1]),
    )


def drawn_numbers(rows: np.ndarray) -> list[str]:
    """Vectors (n, dim) as templates/bars.js reads them: "12,-127,3", on one scale for all."""
    scaled = np.rint(rows * (HIGHEST / max(float(np.abs(rows).max()), 1e-9))).astype(int)
    return [",".join(map(str, row)) for row in scaled.tolist()]
