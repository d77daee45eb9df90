"""Weights in 8 bits: each row of a matrix (an output channel, a word) is int8 with one float32 scale.

A matrix "x" is stored as "x" (int8) and "x.scale" (rows,): x = int8 * scale. Vectors stay float32.
"""

from __future__ import annotations

import numpy as np

SCALE = ".scale"


def quantise(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Float matrices become int8 with scales. Vectors and arrays of integers stay as they are."""
    stored = {}
    for name, value in tensors.items():
        if value.ndim < 2 or not np.issubdtype(value.dtype, np.floating):
            stored[name] = value
            continue
        rows = value.astype(np.float32).reshape(len(value), -1)
        scale = np.abs(rows).max(axis=1).clip(min=1e-12) / 127
        stored[name] = (rows / scale[:, None]).round().astype(np.int8).reshape(value.shape)
        stored[name + SCALE] = scale
    return stored


def dequantise(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The result of quantise -> float32 arrays, off by at most half a scale. Plain float weights stay unchanged."""
    tensors = dict(stored)
    for name, value in stored.items():
        if (scale := tensors.pop(name + SCALE, None)) is not None:
            tensors[name] = value.astype(np.float32) * scale.reshape(-1, *[1] * (value.ndim - 1))
    return tensors
