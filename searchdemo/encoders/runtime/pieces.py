"""How a batch is cut for a processor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# A call with this few values (one picture of 128 px, four of 64) is computed on one thread. Two would wait for each
# other at every layer, and beside a web server one is always late: with torch a picture on the page took 30 ms with
# two and 6 ms with one (two cores, bfloat16).
QUICK_VALUES = 3 * 128 * 128


def pieces(inputs: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """The inputs (n, ...) in order, at most so many at a time."""
    return (inputs[start : start + max(1, most)] for start in range(0, len(inputs), max(1, most)))
