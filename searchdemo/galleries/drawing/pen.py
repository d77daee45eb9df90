"""A pen that draws smooth shapes in its own coordinates, turned, mirrored and scaled, onto a Pillow image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

Colour = tuple[int, ...]  # red, green, blue 0..255, perhaps followed by the opacity; one number for a grey picture
Point = tuple[float, float]

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
CLEAR = (0, 0, 0, 0)  # cuts a hole
INK = (46, 43, 56)  # eyes, tyres, outlines: a soft black
CREAM = (250, 240, 219)
GLASS = (190, 226, 245)
WOOD = (156, 108, 64)
METAL = (150, 160, 172)
LEAF = (86, 158, 76)

CIRCLE = [(math.cos(i * math.tau / 36), math.sin(i * math.tau / 36)) for i in range(36)]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """share 0 -> first, 1 -> second."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def lighter(colour: Colour, share: float = 0.4) -> Colour:
    return mix(colour, WHITE, share)


def darker(colour: Colour, share: float = 0.3) -> Colour:
    return mix(colour, BLACK, share)


def accent(colour: Colour) -> Colour:
    """A tone of the same colour that stands out on it, also on white and on black."""
    return darker(colour, 0.26) if sum(colour) > 240 else lighter(colour, 0.3)


def smooth(points: Sequence[Point], closed: bool, steps: int = 6) -> list[Point]:
    """A Catmull-Rom spline through the points."""
    n = len(points)
    at = (lambda i: points[i % n]) if closed else (lambda i: points[min(max(i, 0), n - 1)])
    out = []
    for i in range(n if closed else n - 1):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = at(i - 1), at(i), at(i + 1), at(i + 2)
        for step in range(steps):
            t = step / steps
            u, v = t * t, t * t * t
            wa, wb, wc, wd = 2 * u - t - v, 2 - 5 * u + 3 * v, t + 4 * u - 3 * v, v - u  # twice the weights
            out.append(((wa * ax + wb * bx + wc * cx + wd * dx) / 2, (wa * ay + wb * by + wc * cy + wd * dy) / 2))
    return out if closed else [*out, points[-1]]


class Pen:
    """Draws in units: (0, 0) is the centre, x grows to the right, y downwards, a thing fills about -1..1.

    centre and unit are pixels of the image; turn is in degrees, clockwise, applied after the mirroring.
    """

    def __init__(self, image: Image.Image, centre: Point, unit: float, turn: float = 0, mirrored: bool = False):
        self._draw = ImageDraw.Draw(image)
        self._centre, self._unit = centre, unit
        cos, sin = math.cos(math.radians(turn)) * unit, math.sin(math.radians(turn)) * unit
        sign = -1 if mirrored else 1
        self._matrix = (cos * sign, -sin, sin * sign, cos)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        (a, b, c, d), (left, top) = self._matrix, self._centre
        return [(a * x + b * y + left, c * x + d * y + top) for x, y in points]

    def polygon(self, *points: Point, fill: Colour) -> None:
        self._draw.polygon(self._pixels(points), fill=fill)

    def blob(self, *points: Point, fill: Colour) -> None:
        """A smooth closed shape through the points."""
        self.polygon(*smooth(points, closed=True), fill=fill)

    def oval(self, x: float, y: float, rx: float, ry: float | None = None, *, fill: Colour, turn: float = 0) -> None:
        ry = rx if ry is None else ry
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        points = [(x + rx * u * cos - ry * v * sin, y + rx * u * sin + ry * v * cos) for u, v in CIRCLE]
        self.polygon(*points, fill=fill)

    def half(self, x: float, y: float, rx: float, ry: float, *, fill: Colour) -> None:
        """The upper half of an oval; a negative ry gives the lower half."""
        self.polygon(*[(x + rx * u, y - ry * abs(v)) for u, v in CIRCLE[:19]], fill=fill)

    def ring(self, x: float, y: float, r: float, *, fill: Colour, width: float) -> None:
        """The outline of a circle; the inside stays as it is."""
        self.line(*[(x + r * u, y + r * v) for u, v in [*CIRCLE, CIRCLE[0], CIRCLE[1]]], fill=fill, width=width)

    def box(self, x0: float, y0: float, x1: float, y1: float, *, fill: Colour, r: float = 0) -> None:
        """A rectangle, its corners rounded with radius r."""
        if not r:
            self.polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1), fill=fill)
            return
        corners = ((x1 - r, y1 - r), (x0 + r, y1 - r), (x0 + r, y0 + r), (x1 - r, y0 + r))
        points = [(cx + r * u, cy + r * v) for q, (cx, cy) in enumerate(corners) for u, v in CIRCLE[9 * q : 9 * q + 9]]
        self.polygon(*points, fill=fill)

    def line(self, *points: Point, fill: Colour, width: float) -> None:
        """Straight strokes with round ends and joints."""
        pixels, thick = self._pixels(points), max(1, round(width * self._unit))
        self._draw.line(pixels, fill=fill, width=thick, joint="curve")
        for x, y in (pixels[0], pixels[-1]):
            self._draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=fill)

    def curve(self, *points: Point, fill: Colour, width: float) -> None:
        """A smooth open stroke through the points."""
        self.line(*smooth(points, closed=False), fill=fill, width=width)

    def taper(self, *points: tuple[float, float, float], fill: Colour) -> None:
        """Straight limbs through (x, y, width) points, thick where the width says so."""
        for (x0, y0, w0), (x1, y1, w1) in pairwise(points):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = (y0 - y1) / length / 2, (x1 - x0) / length / 2
            left = ((x0 + nx * w0, y0 + ny * w0), (x1 + nx * w1, y1 + ny * w1))
            right = ((x1 - nx * w1, y1 - ny * w1), (x0 - nx * w0, y0 - ny * w0))
            self.polygon(*left, *right, fill=fill)
            self.oval(x1, y1, w1 / 2, fill=fill)
