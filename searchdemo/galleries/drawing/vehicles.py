"""Things that carry people. Each function draws in the pen's units; `c` is the colour that the caption names."""

from __future__ import annotations

from searchdemo.galleries.drawing.pen import CREAM, GLASS, INK, METAL, WOOD, Colour, Pen, accent, darker, lighter


def _wheel(pen: Pen, x: float, y: float, r: float) -> None:
    pen.oval(x, y, r, fill=INK)
    pen.oval(x, y, r * 0.5, fill=METAL)
    pen.oval(x, y, r * 0.2, fill=lighter(METAL))


def boat(pen: Pen, c: Colour) -> None:
    pen.line((-0.05, 0.45), (-0.05, -0.95), fill=WOOD, width=0.08)
    pen.blob((0.04, -0.85), (0.5, -0.3), (0.82, 0.28), (0.4, 0.42), (0.04, 0.44), fill=CREAM)
    pen.polygon((-0.14, -0.7), (-0.14, 0.46), (-0.78, 0.44), fill=lighter(c, 0.25))
    pen.polygon((-0.05, -1.0), (0.3, -0.9), (-0.05, -0.8), fill=c)
    pen.blob((-0.98, 0.4), (0, 0.45), (1.0, 0.36), (0.84, 0.72), (0.55, 0.95), (-0.5, 0.95), (-0.8, 0.75), fill=c)
    pen.line((-0.86, 0.56), (0.84, 0.55), fill=accent(c), width=0.1)


def car(pen: Pen, c: Colour) -> None:
    pen.blob((-0.62, 0.1), (-0.42, -0.42), (0.0, -0.5), (0.36, -0.42), (0.66, 0.1), fill=c)
    pen.blob((-0.98, 0.35), (-0.92, 0.06), (-0.4, -0.02), (0.5, -0.02), (0.92, 0.12), (1.0, 0.5), (0.9, 0.62),
             (-0.92, 0.62), fill=c)  # fmt: skip
    pen.polygon((-0.44, 0.02), (-0.3, -0.32), (-0.04, -0.36), (-0.04, 0.02), fill=GLASS)
    pen.polygon((0.06, 0.02), (0.06, -0.36), (0.28, -0.32), (0.48, 0.02), fill=GLASS)
    pen.line((0.01, 0.08), (0.01, 0.5), fill=accent(c), width=0.04)
    pen.line((0.1, 0.18), (0.24, 0.18), fill=accent(c), width=0.06)
    pen.oval(0.9, 0.28, 0.09, 0.11, fill=(255, 236, 150))
    _wheel(pen, -0.54, 0.6, 0.28)
    _wheel(pen, 0.56, 0.6, 0.28)


def bus(pen: Pen, c: Colour) -> None:
    pen.box(-1.0, -0.62, 1.0, 0.6, fill=c, r=0.16)
    for x in (-0.86, -0.44, -0.02):
        pen.box(x, -0.44, x + 0.34, -0.02, fill=GLASS, r=0.06)
    pen.box(0.42, -0.44, 0.68, 0.56, fill=lighter(GLASS, 0.3), r=0.05)
    pen.line((0.55, -0.38), (0.55, 0.5), fill=accent(c), width=0.04)
    pen.box(0.78, -0.44, 0.98, 0.06, fill=GLASS, r=0.05)
    pen.line((-0.96, 0.2), (0.36, 0.2), fill=accent(c), width=0.09)
    pen.oval(0.92, 0.34, 0.07, fill=(255, 236, 150))
    _wheel(pen, -0.55, 0.6, 0.25)
    _wheel(pen, 0.2, 0.6, 0.25)


def train(pen: Pen, c: Colour) -> None:
    pen.box(0.44, -0.62, 0.66, -0.05, fill=INK)
    pen.box(0.36, -0.72, 0.74, -0.54, fill=INK, r=0.06)
    for x, y, r in ((0.4, -0.9, 0.13), (0.16, -0.98, 0.1), (-0.04, -0.99, 0.07)):
        pen.oval(x, y, r, fill=(240, 240, 244))
    pen.box(-0.2, -0.2, 0.92, 0.45, fill=c, r=0.2)
    pen.oval(0.1, -0.22, 0.12, 0.14, fill=accent(c))
    pen.box(-0.9, -0.6, -0.1, 0.5, fill=darker(c, 0.1))
    pen.box(-1.0, -0.74, 0.0, -0.56, fill=INK, r=0.06)
    pen.box(-0.74, -0.44, -0.28, -0.02, fill=GLASS, r=0.05)
    for x in (0.2, 0.5):
        pen.line((x, -0.16), (x, 0.4), fill=accent(c), width=0.05)
    pen.box(-0.95, 0.4, 0.95, 0.58, fill=INK)
    pen.polygon((0.8, 0.4), (1.05, 0.88), (0.72, 0.88), fill=METAL)
    _wheel(pen, -0.55, 0.62, 0.28)
    _wheel(pen, 0.06, 0.69, 0.2)
    _wheel(pen, 0.5, 0.69, 0.2)
    pen.line((-0.55, 0.68), (0.5, 0.72), fill=METAL, width=0.07)


def bicycle(pen: Pen, c: Colour) -> None:
    for x in (-0.6, 0.6):
        pen.ring(x, 0.42, 0.38, fill=INK, width=0.09)
        pen.line((x - 0.34, 0.42), (x + 0.34, 0.42), fill=METAL, width=0.03)
        pen.line((x, 0.08), (x, 0.76), fill=METAL, width=0.03)
    for stroke in (
        ((-0.6, 0.42), (-0.3, -0.2), (0.36, -0.2), (-0.06, 0.46), (-0.6, 0.42)),
        ((-0.36, -0.36), (-0.06, 0.46)),
        ((0.6, 0.42), (0.3, -0.5)),
    ):
        pen.line(*stroke, fill=c, width=0.13)
    pen.curve((0.3, -0.5), (0.46, -0.6), (0.62, -0.5), (0.6, -0.38), fill=INK, width=0.09)
    pen.blob((-0.58, -0.42), (-0.36, -0.48), (-0.14, -0.42), (-0.36, -0.34), fill=INK)
    pen.oval(-0.06, 0.46, 0.13, fill=METAL)


def plane(pen: Pen, c: Colour) -> None:
    pen.polygon((-0.95, -0.62), (-0.68, -0.62), (-0.45, 0.0), (-0.85, 0.0), fill=darker(c, 0.15))
    pen.polygon((0.1, -0.1), (-0.22, -0.55), (-0.05, -0.55), (0.42, -0.1), fill=darker(c, 0.2))
    pen.blob((-1.0, -0.1), (-0.5, -0.24), (0.5, -0.26), (0.86, -0.12), (1.0, 0.06), (0.8, 0.2), (0.2, 0.26),
             (-0.6, 0.16), fill=c)  # fmt: skip
    pen.blob((0.62, -0.2), (0.82, -0.12), (0.88, 0.0), (0.62, -0.02), fill=GLASS)
    for x in (-0.5, -0.26, -0.02, 0.22, 0.44):
        pen.oval(x, -0.05, 0.075, fill=GLASS)
    pen.polygon((0.3, 0.1), (-0.06, 0.1), (-0.55, 0.68), (-0.32, 0.68), fill=accent(c))
    pen.polygon((-0.7, -0.02), (-0.95, -0.02), (-1.04, 0.22), (-0.9, 0.22), fill=accent(c))


def rocket(pen: Pen, c: Colour) -> None:
    pen.blob((-0.22, 0.55), (0, 0.5), (0.22, 0.55), (0.14, 0.8), (0, 1.05), (-0.14, 0.8), fill=(255, 150, 40))
    pen.blob((-0.1, 0.58), (0, 0.55), (0.1, 0.58), (0, 0.84), fill=(255, 232, 120))
    for side in (-1, 1):
        pen.polygon((side * 0.24, 0.05), (side * 0.62, 0.48), (side * 0.58, 0.76), (side * 0.2, 0.52), fill=accent(c))
    pen.blob((0, -1.0), (0.26, -0.6), (0.34, -0.1), (0.24, 0.56), (-0.24, 0.56), (-0.34, -0.1), (-0.26, -0.6), fill=c)
    pen.blob((0, -1.02), (0.2, -0.7), (0.24, -0.56), (0, -0.52), (-0.24, -0.56), (-0.2, -0.7), fill=accent(c))
    pen.oval(0, -0.16, 0.2, fill=METAL)
    pen.oval(0, -0.16, 0.14, fill=GLASS)
    pen.line((0, 0.24), (0, 0.56), fill=accent(c), width=0.1)


DRAWN = (boat, car, bus, train, bicycle, plane, rocket)
