"""Buildings and things to hold. Each function draws in the pen's units; `c` is the colour that the caption names."""

from __future__ import annotations

import math

from searchdemo.galleries.drawing.pen import CLEAR, CREAM, GLASS, INK, METAL, WOOD, Colour, Pen, accent, darker, lighter

LAMP = (255, 228, 130)


def house(pen: Pen, c: Colour) -> None:
    pen.box(0.38, -0.9, 0.62, -0.3, fill=darker(c, 0.35))
    pen.box(-0.76, -0.2, 0.76, 0.94, fill=c)
    pen.polygon((-1.0, -0.14), (0, -0.98), (1.0, -0.14), fill=darker(c, 0.42) if sum(c) > 240 else lighter(c, 0.35))
    pen.box(-0.18, 0.3, 0.22, 0.94, fill=WOOD, r=0.04)
    pen.oval(0.13, 0.64, 0.045, fill=LAMP)
    for x in (-0.64, 0.36):
        pen.box(x, 0.08, x + 0.32, 0.46, fill=CREAM)
        pen.box(x + 0.04, 0.12, x + 0.28, 0.42, fill=GLASS)
        pen.line((x + 0.16, 0.12), (x + 0.16, 0.42), fill=CREAM, width=0.04)
    pen.oval(0, -0.42, 0.15, fill=CREAM)
    pen.oval(0, -0.42, 0.1, fill=GLASS)


def lighthouse(pen: Pen, c: Colour) -> None:
    pen.blob((-0.7, 0.96), (-0.5, 0.78), (0, 0.72), (0.5, 0.78), (0.7, 0.96), fill=(128, 126, 134))
    band = CREAM if sum(c) < 640 else (196, 204, 216)

    def stripe(top: float, bottom: float, fill: Colour) -> None:
        a, b = 0.22 + (top + 0.45) * 0.15, 0.22 + (bottom + 0.45) * 0.15
        pen.polygon((-a, top), (a, top), (b, bottom), (-b, bottom), fill=fill)

    for i, (top, bottom) in enumerate(((-0.45, -0.1), (-0.1, 0.16), (0.16, 0.44), (0.44, 0.84))):
        stripe(top, bottom, band if i % 2 else c)
    pen.polygon((-0.12, -0.66), (-1.0, -0.86), (-1.0, -0.44), fill=(255, 240, 178))
    pen.box(-0.2, -0.8, 0.2, -0.5, fill=LAMP)
    for x in (-0.18, 0, 0.18):
        pen.line((x, -0.8), (x, -0.5), fill=INK, width=0.04)
    pen.box(-0.34, -0.54, 0.34, -0.43, fill=INK, r=0.04)
    pen.half(0, -0.77, 0.28, 0.24, fill=c)
    pen.box(-0.1, 0.62, 0.1, 0.84, fill=INK, r=0.06)


def tent(pen: Pen, c: Colour) -> None:
    pen.line((-0.06, -0.86), (0.08, -0.66), fill=WOOD, width=0.07)
    pen.polygon((0, -0.74), (0.98, 0.9), (-0.98, 0.9), fill=c)
    pen.polygon((0, -0.74), (0.98, 0.9), (0.62, 0.9), fill=darker(c, 0.22))
    pen.polygon((0, -0.74), (-0.5, 0.9), (-0.76, 0.9), fill=accent(c))
    pen.polygon((0, -0.2), (0.34, 0.9), (-0.34, 0.9), fill=(70, 56, 62))
    pen.blob((0, -0.2), (0.12, 0.3), (0.4, 0.6), (0.4, 0.9), (0.2, 0.9), (0.12, 0.5), fill=lighter(c, 0.45))
    pen.blob((0, -0.2), (-0.12, 0.3), (-0.4, 0.6), (-0.4, 0.9), (-0.2, 0.9), (-0.12, 0.5), fill=lighter(c, 0.45))


def umbrella(pen: Pen, c: Colour) -> None:
    pen.line((0, -0.95), (0, 0.7), fill=WOOD, width=0.08)
    pen.curve((0, 0.7), (0.04, 0.9), (0.2, 0.94), (0.32, 0.78), fill=WOOD, width=0.09)
    pen.half(0, 0.06, 0.98, 0.88, fill=c)
    pen.polygon(*[(0.36 * math.cos(t / 9 * math.pi), 0.06 - 0.88 * math.sin(t / 9 * math.pi)) for t in range(10)],
                fill=accent(c))  # fmt: skip
    for x, r in ((-0.67, 0.31), (0, 0.36), (0.67, 0.31)):
        pen.half(x, 0.07, r, 0.14, fill=CLEAR)
    pen.line((0, -0.06), (0, 0.3), fill=WOOD, width=0.08)


def kite(pen: Pen, c: Colour) -> None:
    pen.curve((-0.06, 0.36), (-0.3, 0.56), (0.02, 0.72), (-0.3, 0.98), fill=METAL, width=0.05)
    for x, y in ((-0.2, 0.56), (-0.08, 0.82)):
        pen.polygon((x, y), (x - 0.2, y - 0.11), (x - 0.2, y + 0.11), fill=accent(c))
        pen.polygon((x, y), (x + 0.2, y - 0.11), (x + 0.2, y + 0.11), fill=accent(c))
    pen.polygon((0.1, -0.98), (0.72, -0.34), (-0.06, 0.4), (-0.6, -0.44), fill=c)
    pen.polygon((0.1, -0.98), (0.72, -0.34), (0.05, -0.39), fill=accent(c))
    pen.polygon((0.05, -0.39), (-0.06, 0.4), (-0.6, -0.44), fill=accent(c))
    pen.line((0.1, -0.96), (-0.06, 0.38), fill=darker(c, 0.5), width=0.04)
    pen.line((-0.58, -0.44), (0.7, -0.34), fill=darker(c, 0.5), width=0.04)


def balloon(pen: Pen, c: Colour) -> None:
    pen.curve((0, 0.4), (0.12, 0.6), (-0.1, 0.78), (0.04, 1.0), fill=METAL, width=0.05)
    pen.polygon((0, 0.28), (0.13, 0.46), (-0.13, 0.46), fill=darker(c, 0.2))
    pen.blob((0, -0.98), (0.46, -0.84), (0.64, -0.42), (0.46, 0.04), (0, 0.34), (-0.46, 0.04), (-0.64, -0.42),
             (-0.46, -0.84), fill=c)  # fmt: skip
    pen.oval(-0.26, -0.62, 0.11, 0.19, fill=lighter(c, 0.65), turn=25)


def guitar(pen: Pen, c: Colour) -> None:
    pen.line((0, 0.0), (0, -0.8), fill=WOOD, width=0.15)
    pen.box(-0.13, -1.02, 0.13, -0.7, fill=darker(WOOD, 0.35), r=0.05)
    for y in (-0.94, -0.8):
        pen.oval(-0.17, y, 0.05, fill=METAL)
        pen.oval(0.17, y, 0.05, fill=METAL)
    pen.blob((0, -0.14), (0.34, -0.12), (0.42, 0.1), (0.34, 0.28), (0.54, 0.5), (0.5, 0.84), (0.2, 0.98), (-0.2, 0.98),
             (-0.5, 0.84), (-0.54, 0.5), (-0.34, 0.28), (-0.42, 0.1), (-0.34, -0.12), fill=c)  # fmt: skip
    pen.oval(0, 0.3, 0.2, fill=accent(c))
    pen.oval(0, 0.3, 0.15, fill=(52, 36, 36))
    pen.box(-0.2, 0.68, 0.2, 0.78, fill=darker(WOOD, 0.4), r=0.03)
    for x in (-0.04, 0.04):
        pen.line((x, -0.78), (x, 0.7), fill=CREAM, width=0.025)


def cup(pen: Pen, c: Colour) -> None:
    for x in (-0.34, 0.1):
        pen.curve((x, -0.5), (x + 0.1, -0.62), (x - 0.02, -0.78), (x + 0.1, -0.94), fill=(236, 238, 244), width=0.08)
    pen.oval(-0.1, 0.88, 0.92, 0.12, fill=accent(c))
    pen.ring(0.62, 0.2, 0.27, fill=darker(c, 0.12), width=0.15)
    pen.blob((-0.78, -0.3), (0.58, -0.3), (0.56, 0.3), (0.36, 0.76), (-0.1, 0.88), (-0.56, 0.76), (-0.76, 0.3), fill=c)
    pen.oval(-0.1, -0.3, 0.69, 0.16, fill=lighter(c, 0.4))
    pen.oval(-0.1, -0.28, 0.58, 0.1, fill=(98, 60, 40))
    pen.curve((-0.58, 0.0), (-0.54, 0.3), (-0.42, 0.52), fill=lighter(c, 0.5), width=0.09)


def star(pen: Pen, c: Colour) -> None:
    def points(outer: float, inner: float) -> list[tuple[float, float]]:
        radii = [outer, inner] * 5
        turn = [math.radians(36 * i - 90) for i in range(10)]
        return [(r * math.cos(t), r * math.sin(t) + 0.06) for r, t in zip(radii, turn, strict=True)]

    corners = points(0.94, 0.46)
    pen.line(*corners, corners[0], fill=c, width=0.14)
    pen.polygon(*corners, fill=c)
    pen.polygon(*points(0.62, 0.32), fill=accent(c))
    for side in (-1, 1):
        pen.oval(side * 0.16, 0.0, 0.06, 0.09, fill=INK)
    pen.curve((-0.12, 0.18), (0, 0.27), (0.12, 0.18), fill=INK, width=0.05)


DRAWN = (house, lighthouse, tent, umbrella, kite, balloon, guitar, cup, star)
