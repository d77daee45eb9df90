"""Weights in 8 bits: each row (output channel, word) of a matrix as int8 with one float32 scale.

A matrix "x" is stored as "x" (int8) and "x.scale" (rows,): x = int8 * scale. Vectors stay float32.
"""

from __future__ import annotations

import torch

SCALE = ".scale"


def quantise(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """float tensors -> int8 with scales where they have rows; other tensors as they are."""
    stored = {}
    for name, value in tensors.items():
        if value.ndim < 2 or not value.is_floating_point():
            stored[name] = value.contiguous()
            continue
        rows = value.float().flatten(1)
        scale = rows.abs().amax(dim=1).clamp(min=1e-12) / 127
        stored[name] = (rows / scale[:, None]).round().to(torch.int8).reshape(value.shape).contiguous()
        stored[name + SCALE] = scale
    return stored


def dequantise(stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What quantise made -> float32 tensors, each off by at most half a scale. Plain float weights pass unchanged."""
    tensors = {}
    for name, value in stored.items():
        if name.removesuffix(SCALE) in stored and name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        tensors[name] = value if scale is None else value.float() * scale.reshape(-1, *[1] * (value.ndim - 1))
    return tensors
