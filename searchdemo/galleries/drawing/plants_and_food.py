"""Plants and food. Each function draws in the pen's units; `c` is the colour that the caption names."""

from __future__ import annotations

import math

from searchdemo.galleries.drawing.pen import CREAM, LEAF, WOOD, Colour, Pen, accent, darker, lighter


def tree(pen: Pen, c: Colour) -> None:
    pen.taper((0, 0.98, 0.36), (0, 0.5, 0.22), (0, 0.0, 0.18), fill=WOOD)
    pen.taper((0, 0.4, 0.14), (0.32, 0.05, 0.08), fill=WOOD)
    pen.taper((0, 0.5, 0.14), (-0.34, 0.1, 0.08), fill=WOOD)
    for x, y, r in ((-0.46, -0.12, 0.4), (0.46, -0.12, 0.4), (0, 0.0, 0.38), (-0.3, -0.52, 0.38), (0.32, -0.5, 0.4)):
        pen.oval(x, y, r, fill=darker(c, 0.1))
    for x, y, r in ((0, -0.6, 0.38), (-0.38, -0.24, 0.3), (0.3, -0.28, 0.34), (0.0, -0.2, 0.26)):
        pen.oval(x, y, r, fill=c)
    for x, y in ((-0.2, -0.66), (0.14, -0.42), (-0.44, -0.22), (0.46, -0.3), (0.02, -0.1)):
        pen.half(x, y, 0.12, 0.09, fill=accent(c))


def flower(pen: Pen, c: Colour) -> None:
    pen.curve((0.0, 0.98), (0.06, 0.5), (0.0, -0.2), fill=LEAF, width=0.1)
    pen.blob((0.04, 0.75), (0.3, 0.42), (0.62, 0.4), (0.4, 0.7), fill=LEAF)
    pen.blob((0.02, 0.85), (-0.26, 0.56), (-0.58, 0.56), (-0.34, 0.84), fill=darker(LEAF, 0.15))
    for petal in range(8):
        angle = petal * 45
        x, y = 0.4 * math.cos(math.radians(angle)), 0.4 * math.sin(math.radians(angle)) - 0.34
        pen.oval(x, y, 0.29, 0.17, fill=c if petal % 2 else accent(c), turn=angle)
    pen.oval(0, -0.34, 0.23, fill=(246, 190, 50) if c[2] > 90 or c[1] < 130 else (150, 90, 40))
    pen.oval(-0.04, -0.38, 0.1, fill=(255, 224, 130) if c[2] > 90 or c[1] < 130 else (186, 120, 60))


def mushroom(pen: Pen, c: Colour) -> None:
    pen.blob((-0.24, 0.1), (0.24, 0.1), (0.26, 0.6), (0.36, 0.94), (-0.36, 0.94), (-0.26, 0.6), fill=CREAM)
    pen.oval(0, 0.12, 0.7, 0.16, fill=darker(CREAM, 0.2))
    pen.blob((-0.98, 0.12), (-0.8, -0.46), (-0.3, -0.82), (0.3, -0.82), (0.8, -0.46), (0.98, 0.12), (0.5, 0.16),
             (-0.5, 0.16), fill=c)  # fmt: skip
    dots = lighter(c, 0.85) if sum(c) < 650 else darker(c, 0.25)
    for x, y, rx, ry in ((-0.1, -0.54, 0.19, 0.15), (0.5, -0.34, 0.16, 0.15), (-0.56, -0.24, 0.17, 0.15),
                         (0.12, -0.1, 0.16, 0.11), (0.8, -0.02, 0.09, 0.08), (-0.3, 0.0, 0.1, 0.07)):  # fmt: skip
        pen.oval(x, y, rx, ry, fill=dots)


def apple(pen: Pen, c: Colour) -> None:
    pen.curve((0.0, -0.5), (0.02, -0.74), (0.14, -0.95), fill=WOOD, width=0.1)
    pen.blob((0.06, -0.66), (0.3, -0.95), (0.68, -0.88), (0.44, -0.6), fill=LEAF)
    pen.blob((0, -0.48), (0.42, -0.64), (0.84, -0.3), (0.8, 0.3), (0.44, 0.86), (0.16, 0.94), (0, 0.86), (-0.16, 0.94),
             (-0.44, 0.86), (-0.8, 0.3), (-0.84, -0.3), (-0.42, -0.64), fill=c)  # fmt: skip
    pen.blob((-0.6, -0.28), (-0.4, -0.42), (-0.36, -0.3), (-0.52, -0.02), (-0.62, 0.1), fill=lighter(c, 0.6))
    pen.oval(0, -0.46, 0.2, 0.07, fill=darker(c, 0.3))


def cake(pen: Pen, c: Colour) -> None:
    pen.oval(0, 0.86, 0.98, 0.13, fill=lighter(WOOD, 0.75))
    for x in (-0.4, 0.0, 0.4):
        pen.line((x, -0.28), (x, -0.66), fill=lighter(c, 0.7), width=0.1)
        pen.oval(x, -0.8, 0.07, 0.13, fill=(255, 176, 50))
    pen.box(-0.78, -0.2, 0.78, 0.84, fill=CREAM, r=0.1)
    pen.box(-0.78, 0.4, 0.78, 0.56, fill=accent(c))
    pen.box(-0.82, -0.36, 0.82, 0.08, fill=c, r=0.14)
    for x, length in ((-0.66, 0.3), (-0.34, 0.18), (-0.02, 0.32), (0.3, 0.2), (0.62, 0.3)):
        pen.box(x - 0.15, -0.1, x + 0.15, length, fill=c, r=0.13)


def ice_cream(pen: Pen, c: Colour) -> None:
    cone = (222, 164, 92)
    pen.polygon((-0.46, 0.02), (0.46, 0.02), (0, 1.0), fill=cone)
    for x in (-0.3, 0.0, 0.3):
        pen.line((x, 0.06), (x * 0.2 + 0.14, 0.62 - abs(x) * 0.4), fill=darker(cone, 0.2), width=0.04)
        pen.line((x, 0.06), (x * 0.2 - 0.14, 0.62 - abs(x) * 0.4), fill=darker(cone, 0.2), width=0.04)
    for x, y, r, tone in ((-0.32, -0.2, 0.36, darker(c, 0.1)), (0.32, -0.2, 0.36, accent(c)), (0, -0.56, 0.38, c)):
        pen.oval(x, y, r, fill=tone)
    pen.blob((-0.6, -0.1), (0, -0.16), (0.6, -0.1), (0.5, 0.1), (0.24, 0.08), (0.06, 0.22), (-0.16, 0.08),
             (-0.44, 0.14), fill=c)  # fmt: skip
    pen.oval(-0.12, -0.7, 0.11, 0.07, fill=lighter(c, 0.65), turn=-30)
    pen.oval(0.04, -0.96, 0.11, fill=(214, 48, 70))


DRAWN = (tree, flower, mushroom, apple, cake, ice_cream)
