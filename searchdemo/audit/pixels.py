"""Whether two pictures are one, by their pixels: a small look of each, and how well two looks agree.

A look holds the details alone. What is smooth, as skies and gradients, is alike in pictures that share nothing else.
`judge.py` has the thresholds and what was measured with them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter

from searchdemo.pictures import open_header, open_picture

SIDE = 32  # of a look, in pixels
BLUR = 2.0  # pixels of a look: what is smoother than that is left out of it
FLAT = 1.0  # standard deviation of the details in levels of 255, below which there is nothing to compare
COARSE = 8  # pixels per side of what candidates are searched by
FLOATS_AT_ONCE = 8_000_000  # of windows, 32 MB


@dataclass(frozen=True)
class Grid:
    """Where the middle of one look is looked for in the other."""

    inner: int  # pixels per side of the middle
    scales: tuple[float, ...]  # of the other picture, which may be a crop of the first or the reverse
    shifts: tuple[float, ...]  # pixels, to each side


# A crop of 5 % is another scale by 1 / 0.95, and shifts the middle by 0.8 of 32 pixels at most.
QUICK = Grid(26, (1.0,), (-0.8, 0.0, 0.8))
FINE = Grid(26, (0.95, 0.975, 1.0, 1.026, 1.053), (-0.8, -0.4, 0.0, 0.4, 0.8))
# A crop of 20 % shifts it by 3.2. Half looks are searched first, which costs a twentieth.
ROUGH = Grid(9, (0.8, 1.0, 1.25), (-2.4, -1.2, 0.0, 1.2, 2.4))
WIDE = Grid(18, (0.8, 0.9, 1.0, 1.11, 1.25), (-4.8, -3.6, -2.4, -1.2, 0.0, 1.2, 2.4, 3.6, 4.8))


def look(picture: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """(SIDE, SIDE, 3) int8 of the details of an RGB picture that is stretched to a square, and its coarse vector.

    The coarse vector, (3 x COARSE^2,) float32 of mean 0 and length 1, holds what is smooth. It is 0 of a plain picture.
    """
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    smooth = small.filter(ImageFilter.GaussianBlur(BLUR))
    details = (np.asarray(small, np.int16) - np.asarray(smooth, np.int16)).clip(-127, 127).astype(np.int8)
    step = SIDE // COARSE
    coarse = np.asarray(small, np.float32).reshape(COARSE, step, COARSE, step, 3).mean(axis=(1, 3)).ravel()
    coarse -= coarse.mean()
    length = float(np.linalg.norm(coarse))
    return details, coarse / length if length > FLAT * coarse.size**0.5 else np.zeros_like(coarse)


def agreement(one: np.ndarray, other: np.ndarray, grid: Grid = FINE, numbers: np.ndarray | None = None) -> np.ndarray:
    """(p,) float32 in [-1, 1] of p pairs of looks (p, side, side, 3): the highest correlation of the middle of one with
    the other, over all scales and shifts. Brightness and contrast do not count, colours do.

    Normalised cross-correlation over all three channels at once (Lewis, "Fast Normalized Cross-Correlation", 1995). A
    look without details agrees with nothing: 0.
    numbers: (p,) of the other looks. Where one number follows itself, its windows, which are most of the work, are made
    once. None: all differ.
    """
    found = np.full(len(one), -1, np.float32)
    starts = np.arange(len(one)) if numbers is None else np.flatnonzero(np.diff(numbers, prepend=-1))
    ends = np.append(starts[1:], len(one))
    step = max(1, FLOATS_AT_ONCE // (len(grid.shifts) ** 2 * grid.inner**2 * 3))
    for first in range(0, len(starts), step):
        some = slice(first, first + step)
        pairs = slice(starts[some][0], ends[some][-1])
        middle, scale_of_middle = _windows(one[pairs], grid.inner, 1.0, (0.0,))
        middle = (middle - middle.mean(axis=2, keepdims=True))[:, 0] * scale_of_middle
        for scale in grid.scales:
            windows, lengths = _windows(other[starts[some]], grid.inner, scale, grid.shifts)
            for window, length, start, end in zip(windows, lengths, starts[some], ends[some], strict=True):
                best = ((window @ middle[start - pairs.start : end - pairs.start].T) * length[:, None]).max(axis=0)
                np.maximum(found[start:end], best, out=found[start:end])
    return found


def halved(looks: np.ndarray) -> np.ndarray:
    """(p, side, side, 3) int8 -> (p, side / 2, side / 2, 3) float32, the means of four."""
    wide = looks.astype(np.int16)
    rows = wide[:, ::2] + wide[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]).astype(np.float32) / 4


def _windows(looks: np.ndarray, inner: int, scale: float, shifts: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Looks (p, side, side, 3) -> their windows at all pairs of shifts (p, w, n), and (p, w) one over the length of
    each without its mean, 0 where it has no details."""
    p, side, s = *looks.shape[:2], len(shifts)
    weights = _weights(side, inner, scale, shifts)
    rows = weights @ looks.reshape(p, side, side * 3).astype(np.float32)
    rows = rows.reshape(p, s, inner, side, 3).transpose(0, 1, 2, 4, 3)
    both = (rows @ weights.T).reshape(p, s, inner, 3, s, inner).transpose(0, 1, 4, 2, 3, 5).reshape(p, s * s, -1)
    n = both.shape[2]
    squares = np.einsum("pwn,pwn->pw", both, both) - n * both.mean(axis=2) ** 2
    return both, np.where(squares < FLAT**2 * n, 0, 1 / np.sqrt(np.maximum(squares, FLAT)))


@cache
def _weights(side: int, inner: int, scale: float, shifts: tuple[float, ...]) -> np.ndarray:
    """(shifts x inner, side) float32: linear interpolation at `inner` places around the middle, `scale` apart."""
    places = np.concatenate([(side - 1) / 2 + shift + scale * (np.arange(inner) - (inner - 1) / 2) for shift in shifts])
    return np.maximum(0, 1 - np.abs(places.clip(0, side - 1)[:, None] - np.arange(side))).astype(np.float32)


def pixel_digest(encoded: bytes) -> bytes:
    """SHA-256 of the decoded pixels at full size, upright in sRGB. Raises BadPicture."""
    picture = open_picture(open_header(BytesIO(encoded), "This file"))
    return hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).digest()
