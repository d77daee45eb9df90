"""Weights in 8 or 4 bits, with scales beside them.

A matrix "x" in 8 bits is stored as "x" (int8) and "x.scale" (rows,) float32: each row (an output channel) has one
scale, x = int8 * scale. A matrix in 4 bits is stored as "x" (rows, columns / 2) uint8, two numbers from -7 to 7 per
byte, and "x.scales" (rows, columns / 64) float16: each group of 64 neighbours has one. Vectors stay float32.
"""

from __future__ import annotations

import numpy as np

SCALE, SCALES = ".scale", ".scales"
GROUP = 64  # numbers in 4 bits that share a scale
_CLIPPED = np.linspace(0.7, 1.0, 7)  # shares of a group's largest number that its scale may reach; the best is taken


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


def quantise_4bit(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Matrices become 4 bits with the scales that make the least squared error. Vectors stay as they are.

    Raises ValueError for a matrix whose columns are no multiple of GROUP.
    """
    stored = {}
    for name, value in tensors.items():
        if value.ndim < 2:
            stored[name] = value
            continue
        if value.ndim != 2 or value.shape[1] % GROUP:
            raise ValueError(f"{name} {value.shape}: only a matrix with a multiple of {GROUP} columns fits 4 bits")
        groups = value.astype(np.float32).reshape(len(value), -1, GROUP)
        largest = np.abs(groups).max(axis=2).clip(min=1e-6)
        best, least = np.zeros_like(largest, np.float16), np.full(largest.shape, np.inf, np.float32)
        for share in _CLIPPED:
            scales = (largest * share / 7).astype(np.float16)
            errors = np.square(_rounded(groups, scales) * scales[..., None].astype(np.float32) - groups).sum(axis=2)
            best, least = np.where(errors < least, scales, best), np.minimum(errors, least)
        numbers = (_rounded(groups, best) + 8).astype(np.uint8).reshape(len(value), -1)
        stored[name], stored[name + SCALES] = numbers[:, ::2] | numbers[:, 1::2] << 4, best
    return stored


def _rounded(groups: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return (groups / scales[..., None].astype(np.float32)).round().clip(-7, 7)


def dequantise(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the functions above made -> float32 arrays. Plain float weights stay unchanged.

    A number is off by at most half a scale in 8 bits; in 4 bits a large one may have been clipped.
    """
    tensors = dict(stored)
    for name, value in stored.items():
        if (scale := tensors.pop(name + SCALE, None)) is not None:
            tensors[name] = value.astype(np.float32) * scale.reshape(-1, *[1] * (value.ndim - 1))
        elif (scales := tensors.pop(name + SCALES, None)) is not None:
            tensors[name] = unpacked(value, scales)
    return tensors


def unpacked(packed: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Rows in 4 bits and their scales -> (rows, columns) float32."""
    numbers = np.stack([packed & 15, packed >> 4], axis=2).astype(np.float32) - 8
    rows = numbers.reshape(len(packed), -1, GROUP) * scales[..., None].astype(np.float32)
    return rows.reshape(len(packed), -1)
