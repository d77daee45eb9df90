"""Animals. Each function draws in the pen's units; `c` is the colour that the caption names."""

from __future__ import annotations

from searchdemo.galleries.drawing.pen import CLEAR, INK, LEAF, WHITE, Colour, Pen, accent, darker, lighter

BEAK = (250, 170, 50)
BLUSH = (246, 160, 160)


def _eye(pen: Pen, x: float, y: float, r: float = 0.08) -> None:
    pen.oval(x, y, r * 1.5, fill=WHITE)
    pen.oval(x + r * 0.2, y, r, fill=INK)
    pen.oval(x + r * 0.5, y - r * 0.4, r * 0.35, fill=WHITE)


def cat(pen: Pen, c: Colour) -> None:
    pen.curve((0.4, 0.75), (0.8, 0.7), (0.88, 0.35), (0.7, 0.1), (0.82, -0.08), fill=darker(c, 0.12), width=0.17)
    pen.blob((-0.36, 0.1), (0.2, 0.05), (0.52, 0.5), (0.5, 0.92), (-0.44, 0.92), (-0.46, 0.5), fill=c)
    pen.blob((-0.28, 0.3), (0.06, 0.3), (0.14, 0.66), (-0.06, 0.86), (-0.3, 0.66), fill=accent(c))
    for x in (-0.3, 0.1):
        pen.oval(x, 0.9, 0.16, 0.09, fill=accent(c))
    pen.polygon((-0.64, -0.3), (-0.6, -0.98), (-0.16, -0.66), fill=c)
    pen.polygon((0.46, -0.3), (0.42, -0.98), (-0.02, -0.66), fill=c)
    pen.polygon((-0.56, -0.5), (-0.53, -0.82), (-0.32, -0.66), fill=BLUSH)
    pen.polygon((0.38, -0.5), (0.35, -0.82), (0.14, -0.66), fill=BLUSH)
    pen.oval(-0.09, -0.26, 0.6, 0.48, fill=c)
    _eye(pen, -0.33, -0.3)
    _eye(pen, 0.13, -0.3)
    pen.oval(-0.1, -0.06, 0.22, 0.14, fill=lighter(c, 0.55))
    pen.polygon((-0.17, -0.16), (-0.03, -0.16), (-0.1, -0.07), fill=(226, 110, 120))
    for side in (-1, 1):
        for y in (-0.1, 0.02):
            pen.line((-0.1 + side * 0.3, y), (-0.1 + side * 0.66, y * 1.8 - 0.04), fill=accent(c), width=0.03)


def rabbit(pen: Pen, c: Colour) -> None:
    for x, lean in ((-0.3, -8), (0.06, 10)):
        pen.oval(x, -0.62, 0.15, 0.4, fill=c, turn=lean)
        pen.oval(x, -0.6, 0.075, 0.28, fill=BLUSH, turn=lean)
    pen.oval(0.58, 0.64, 0.2, fill=WHITE)
    pen.blob((-0.3, 0.2), (0.14, 0.12), (0.52, 0.45), (0.54, 0.9), (-0.42, 0.92), (-0.42, 0.5), fill=c)
    pen.blob((-0.28, 0.42), (0.0, 0.4), (0.04, 0.76), (-0.14, 0.88), (-0.32, 0.7), fill=lighter(c, 0.55))
    pen.oval(0.32, 0.84, 0.26, 0.12, fill=accent(c))
    pen.oval(-0.26, 0.88, 0.18, 0.09, fill=accent(c))
    pen.oval(-0.12, -0.04, 0.44, 0.38, fill=c)
    _eye(pen, -0.3, -0.1)
    _eye(pen, 0.06, -0.1)
    pen.oval(-0.13, 0.12, 0.19, 0.13, fill=lighter(c, 0.6))
    pen.oval(-0.13, 0.05, 0.07, 0.05, fill=(226, 110, 120))
    pen.box(-0.18, 0.16, -0.08, 0.28, fill=WHITE)


def fish(pen: Pen, c: Colour) -> None:
    pen.blob((-0.5, 0.0), (-0.96, -0.52), (-1.0, -0.2), (-0.84, 0.0), (-1.0, 0.2), (-0.96, 0.52), fill=accent(c))
    pen.blob((-0.3, -0.36), (0.0, -0.78), (0.34, -0.66), (0.4, -0.34), fill=accent(c))
    pen.blob((-0.14, 0.4), (-0.06, 0.72), (0.22, 0.62), (0.26, 0.4), fill=accent(c))
    pen.blob((-0.64, 0.0), (-0.2, -0.42), (0.36, -0.48), (0.84, -0.18), (0.96, 0.06), (0.8, 0.26), (0.3, 0.48),
             (-0.2, 0.4), fill=c)  # fmt: skip
    for x in (-0.26, 0.04):
        pen.curve((x - 0.03, -0.32), (x + 0.1, 0.0), (x - 0.03, 0.32), fill=lighter(c, 0.5), width=0.1)
    pen.blob((0.22, 0.06), (0.0, 0.02), (-0.08, 0.2), (0.14, 0.26), fill=darker(c, 0.2))
    _eye(pen, 0.58, -0.12, 0.1)
    pen.curve((0.9, 0.14), (0.78, 0.18), (0.7, 0.14), fill=darker(c, 0.5), width=0.05)


def bird(pen: Pen, c: Colour) -> None:
    for x in (-0.06, 0.16):
        pen.line((x, 0.55), (x, 0.88), (x + 0.14, 0.9), fill=BEAK, width=0.07)
    pen.polygon((-0.4, 0.14), (-1.0, -0.02), (-0.98, 0.22), (-0.84, 0.34), (-0.3, 0.5), fill=darker(c, 0.25))
    pen.blob((-0.6, 0.2), (-0.1, -0.1), (0.2, -0.55), (0.6, -0.5), (0.68, -0.1), (0.5, 0.4), (0.1, 0.64),
             (-0.36, 0.54), fill=c)  # fmt: skip
    pen.oval(0.42, -0.4, 0.34, fill=c)
    pen.blob((0.6, -0.06), (0.5, 0.34), (0.14, 0.54), (0.16, 0.2), (0.4, -0.04), fill=lighter(c, 0.55))
    pen.blob((-0.7, 0.28), (-0.3, -0.1), (0.06, -0.04), (0.14, 0.2), (-0.14, 0.42), fill=accent(c))
    pen.polygon((0.72, -0.5), (1.06, -0.34), (0.72, -0.24), fill=BEAK)
    _eye(pen, 0.5, -0.45, 0.09)


def butterfly(pen: Pen, c: Colour) -> None:
    for side in (-1, 1):
        pen.blob((side * 0.06, 0.0), (side * 0.3, 0.08), (side * 0.72, 0.3), (side * 0.68, 0.74), (side * 0.34, 0.74),
                 (side * 0.1, 0.4), fill=accent(c))  # fmt: skip
        pen.blob((side * 0.06, 0.05), (side * 0.2, -0.5), (side * 0.66, -0.86), (side * 0.98, -0.64),
                 (side * 0.86, -0.14), (side * 0.46, 0.16), fill=c)  # fmt: skip
        pen.oval(side * 0.66, -0.5, 0.17, 0.19, fill=lighter(c, 0.65))
        pen.oval(side * 0.38, -0.2, 0.1, fill=lighter(c, 0.65))
        pen.oval(side * 0.46, 0.48, 0.12, fill=lighter(c, 0.65))
        pen.curve((side * 0.03, -0.45), (side * 0.12, -0.72), (side * 0.28, -0.84), fill=INK, width=0.05)
    pen.oval(0, 0.06, 0.09, 0.5, fill=INK)
    pen.oval(0, -0.44, 0.12, fill=INK)


def snail(pen: Pen, c: Colour) -> None:
    skin = (226, 190, 140)
    pen.blob((-0.95, 0.88), (-0.4, 0.66), (0.3, 0.62), (0.5, 0.2), (0.72, -0.02), (0.94, 0.14), (0.92, 0.5),
             (0.72, 0.88), fill=skin)  # fmt: skip
    for x in (0.7, 0.94):
        pen.line((x - 0.04, 0.1), (x, -0.3), fill=skin, width=0.07)
        pen.oval(x, -0.32, 0.08, fill=INK)
    pen.oval(-0.1, 0.1, 0.64, fill=c)
    pen.curve((0.3, 0.36), (-0.1, 0.56), (-0.5, 0.2), (-0.3, -0.22), (0.12, -0.22), (0.22, 0.12), (-0.04, 0.28),
              (-0.2, 0.08), fill=accent(c), width=0.11)  # fmt: skip
    pen.curve((0.72, 0.44), (0.8, 0.5), (0.88, 0.42), fill=darker(skin, 0.5), width=0.05)


def turtle(pen: Pen, c: Colour) -> None:
    skin = lighter(LEAF, 0.25)
    pen.polygon((-0.7, 0.5), (-1.02, 0.62), (-0.7, 0.68), fill=skin)
    for x in (-0.5, 0.36):
        pen.box(x - 0.16, 0.5, x + 0.16, 0.92, fill=skin, r=0.12)
    pen.curve((0.4, 0.4), (0.7, 0.34), (0.78, 0.0), fill=skin, width=0.24)
    pen.oval(0.8, -0.08, 0.24, 0.22, fill=skin)
    _eye(pen, 0.86, -0.12, 0.06)
    pen.half(-0.08, 0.54, 0.74, 0.98, fill=c)
    for x, y, r in ((-0.08, -0.08, 0.2), (-0.46, 0.22, 0.15), (0.3, 0.22, 0.15), (-0.08, 0.34, 0.14)):
        pen.oval(x, y, r, r * 0.82, fill=accent(c))
    pen.box(-0.86, 0.46, 0.7, 0.62, fill=darker(c, 0.3), r=0.08)


def crab(pen: Pen, c: Colour) -> None:
    for side in (-1, 1):
        for x, y in ((0.94, 0.5), (0.86, 0.74), (0.66, 0.92)):
            pen.line((side * 0.4, 0.4), (side * (x - 0.1), y - 0.2), (side * x, y), fill=darker(c, 0.2), width=0.1)
        pen.line((side * 0.5, 0.2), (side * 0.82, 0.0), (side * 0.78, -0.3), fill=darker(c, 0.1), width=0.14)
        pen.oval(side * 0.74, -0.5, 0.26, 0.3, fill=c)
        pen.polygon((side * 0.72, -0.46), (side * 0.5, -0.9), (side * 0.8, -0.9), fill=CLEAR)
        pen.line((side * 0.2, 0.1), (side * 0.22, -0.22), fill=c, width=0.08)
        _eye(pen, side * 0.22, -0.28, 0.09)
    pen.oval(0, 0.36, 0.62, 0.42, fill=c)
    pen.oval(0, 0.5, 0.42, 0.2, fill=accent(c))
    pen.curve((-0.2, 0.4), (0, 0.5), (0.2, 0.4), fill=darker(c, 0.55), width=0.05)
    pen.oval(-0.3, 0.16, 0.09, 0.06, fill=lighter(c, 0.6))


DRAWN = (cat, rabbit, fish, bird, butterfly, snail, turtle, crab)
