"""Distances between pairs of unit rows, in the three forms that are in use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searchdemo.indexes.vectors import unit


@dataclass(frozen=True)
class Distances:
    """Each is (n, n) and symmetric. All three put the pairs in the same order."""

    cosines: np.ndarray  # -1 to 1, 1 on the diagonal
    degrees: np.ndarray  # angle, 0 to 180
    euclidean: np.ndarray  # |a - b|, 0 to 2: |a - b|^2 = 2 - 2 cos, because |a| = |b| = 1


def pairwise(rows: np.ndarray) -> Distances:
    """The distances between unit rows (n, dim), computed in float64.

    The angle is 2 arcsin(|a - b| / 2), because the arc cosine loses half of the digits where two rows are nearly equal.
    """
    rows = unit(np.array(rows, np.float64))
    euclidean = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    return Distances(1 - euclidean**2 / 2, np.degrees(2 * np.arcsin(np.minimum(euclidean / 2, 1))), euclidean)
