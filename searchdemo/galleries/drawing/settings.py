"""The settings of scenes: a background for each setting and time of day, and a foreground for some.

Coordinates go from (0, 0) at the top left corner to (1, 1), x to the right, y downwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from PIL import Image

from searchdemo.galleries.drawing.pen import WHITE, Colour, Pen, darker, mix

SKY = {  # from the top down
    "day": ((88, 168, 238), (158, 210, 248), (226, 242, 250)),
    "sunset": ((88, 70, 148), (236, 116, 112), (255, 206, 128)),
    "night": ((10, 16, 46), (24, 36, 88), (58, 72, 134)),
}
LIGHT = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.8, 0.7), "night": (0.32, 0.38, 0.6)}  # colours the land
GLOW = {"day": (255, 246, 204), "sunset": (255, 226, 150), "night": (246, 242, 220)}  # sun, sun, moon
HORIZON = 0.56
GROUND = 0.84  # the height at which a thing stands


class Stage:
    """A pen, the time of day, and random numbers for the details."""

    def __init__(self, image: Image.Image, time: str, rng: random.Random):
        self.image, self.time, self.rng = image, time, rng
        self.pen = Pen(image, (0, 0), image.width)

    def lit(self, colour: Colour) -> Colour:
        """The colour of land or water at this time of day."""
        return tuple(round(value * share) for value, share in zip(colour, LIGHT[self.time], strict=True))

    def gradient(self, top: float, bottom: float, colours: Sequence[Colour]) -> None:
        """Fills the full width from top to bottom."""
        width = self.image.width
        first, rows = round(top * width), max(2, round((bottom - top) * width))
        column = Image.new("RGB", (1, rows))
        steps = len(colours) - 1
        for row in range(rows):
            at = row / (rows - 1) * steps
            piece = min(int(at), steps - 1)
            column.putpixel((0, row), mix(colours[piece], colours[piece + 1], at - piece))
        self.image.paste(column.resize((width, rows)), (0, first))

    def hills(self, top: float, wave: float, colour: Colour, bottom: float = 1.0) -> None:
        """A rolling edge around `top`, filled down to `bottom`."""
        at = [(x / 4, top + self.rng.uniform(-wave, wave)) for x in range(-1, 6)]
        self.pen.blob((-0.3, bottom + 0.2), *at, (1.3, bottom + 0.2), fill=self.lit(colour))

    def sky(self, bottom: float = HORIZON + 0.04) -> None:
        rng, pen = self.rng, self.pen
        self.gradient(0, bottom, SKY[self.time])
        if self.time == "night":
            for _ in range(12):
                pen.oval(rng.random(), rng.random() * bottom * 0.8, rng.choice((0.006, 0.009)), fill=(236, 238, 255))
        x = rng.choice((rng.uniform(0.1, 0.26), rng.uniform(0.74, 0.9)))
        y = bottom - rng.uniform(0.08, 0.12) if self.time == "sunset" else rng.uniform(0.12, 0.2)
        around = SKY[self.time][2 if self.time == "sunset" else 0]
        for grow, share in ((1.7, 0.16), (1.35, 0.3), (1.0, 1.0)):
            pen.oval(x, y, 0.075 * grow, fill=mix(around, GLOW[self.time], share))
        if self.time == "night":
            pen.oval(x + 0.028, y - 0.016, 0.062, fill=mix(around, GLOW["night"], 0.1))

    def cloud(self, x: float, y: float, scale: float) -> None:
        tone = {"day": WHITE, "sunset": (255, 190, 170), "night": (70, 82, 140)}[self.time]
        for dx, dy, r in ((-0.14, 0.02, 0.07), (-0.05, -0.03, 0.1), (0.06, -0.01, 0.08), (0.15, 0.025, 0.06)):
            self.pen.oval(x + dx * scale, y + dy * scale, r * scale, fill=tone)
        self.pen.box(x - 0.2 * scale, y + 0.02 * scale, x + 0.2 * scale, y + 0.085 * scale, fill=tone, r=0.03 * scale)

    def pine(self, x: float, foot: float, height: float, colour: Colour, snowy: bool = False) -> None:
        tone = self.lit(colour)
        self.pen.box(x - height * 0.05, foot - height * 0.2, x + height * 0.05, foot, fill=self.lit((104, 74, 52)))
        for low, high, half in ((0.12, 0.55, 0.3), (0.36, 0.78, 0.23), (0.6, 1.0, 0.16)):
            tip, left = (x, foot - height * high), (x - height * half, foot - height * low)
            right = (x + height * half, foot - height * low)
            self.pen.polygon(tip, left, right, fill=tone)
            if snowy:
                cap = [(x + (at[0] - x) * 0.45, tip[1] + (at[1] - tip[1]) * 0.45) for at in (left, right)]
                self.pen.polygon(tip, *cap, fill=self.lit((240, 246, 252)))


def sea(s: Stage) -> None:
    s.sky()
    s.cloud(s.rng.random(), s.rng.uniform(0.2, 0.36), s.rng.uniform(0.6, 0.9))
    glint = {"day": (96, 184, 226), "sunset": (246, 158, 118), "night": (56, 78, 146)}[s.time]
    deep = {"day": (16, 92, 164), "sunset": (96, 62, 126), "night": (8, 22, 66)}[s.time]
    s.gradient(HORIZON, 1.0, (glint, deep))
    for row in range(4):
        y = HORIZON + 0.06 + row * 0.09
        for _ in range(3):
            x = s.rng.random()
            s.pen.curve((x - 0.07, y), (x, y - 0.012), (x + 0.07, y), fill=mix(deep, glint, 0.85), width=0.012)


def forest(s: Stage) -> None:
    s.sky(0.7)
    s.hills(0.6, 0.03, (112, 152, 116))
    for foot, height, colour, count in ((0.7, 0.42, (136, 172, 140), 7), (0.76, 0.56, (60, 116, 84), 6)):
        for i in range(count):
            x = (i + s.rng.uniform(0.1, 0.9)) / count
            s.pine(x, foot, height * s.rng.uniform(0.8, 1.15), colour)
    s.hills(0.72, 0.015, (92, 136, 72))
    s.hills(0.86, 0.02, (74, 112, 60))
    for x in (s.rng.uniform(-0.06, 0.0), s.rng.uniform(1.0, 1.06)):
        s.pine(x, 0.9, s.rng.uniform(0.75, 0.95), (36, 84, 58))


def street(s: Stage) -> None:
    s.sky(0.7)
    x = -s.rng.uniform(0, 0.15)
    while x < 1:
        width, top = s.rng.uniform(0.18, 0.28), s.rng.uniform(0.16, 0.4)
        wall = s.rng.choice(((198, 156, 138), (176, 180, 194), (214, 194, 158), (160, 172, 164), (190, 166, 180)))
        s.pen.box(x, top, x + width, 0.72, fill=s.lit(wall))
        s.pen.box(x - 0.005, top, x + width + 0.005, top + 0.025, fill=s.lit(darker(wall)))
        for row in range(4):
            y = top + 0.07 + row * 0.12
            for column in (0.2, 0.6):
                bright = s.time != "day" and s.rng.random() < 0.55
                pane = (255, 222, 132) if bright else s.lit(darker(wall, 0.45))
                left = x + width * column
                if y < 0.62:
                    s.pen.box(left, y, left + width * 0.22, y + 0.065, fill=pane)
        x += width
    s.pen.box(0, 0.7, 1, 0.77, fill=s.lit((196, 192, 188)))
    s.gradient(0.765, 1.0, (s.lit((110, 112, 122)), s.lit((84, 86, 96))))
    shift = s.rng.random() * 0.2
    for i in range(-1, 5):
        s.pen.box(i * 0.26 + shift, 0.925, i * 0.26 + shift + 0.13, 0.95, fill=s.lit((240, 236, 214)))


def snow(s: Stage) -> None:
    s.sky(0.7)
    s.hills(0.5, 0.05, (196, 212, 232))
    for i in range(4):
        x, foot, height = (i + s.rng.uniform(0.1, 0.9)) / 4, s.rng.uniform(0.62, 0.68), s.rng.uniform(0.24, 0.36)
        s.pine(x, foot, height, (92, 128, 128), snowy=True)
    s.hills(0.66, 0.03, (226, 236, 246))
    s.hills(0.8, 0.03, (246, 250, 254))


def desert(s: Stage) -> None:
    s.sky(0.7)
    s.hills(0.54, 0.05, (232, 178, 112))
    for x in (s.rng.uniform(0.04, 0.2), s.rng.uniform(0.8, 0.96)):
        foot, height, tone = s.rng.uniform(0.66, 0.74), s.rng.uniform(0.2, 0.32), s.lit((74, 138, 84))
        arm = height * 0.3
        s.pen.line((x, foot), (x, foot - height), fill=tone, width=0.05)
        s.pen.line((x, foot - height * 0.4), (x - arm, foot - height * 0.4), (x - arm, foot - height * 0.75),
                   fill=tone, width=0.035)  # fmt: skip
        s.pen.line((x, foot - height * 0.3), (x + arm, foot - height * 0.3), (x + arm, foot - height * 0.6),
                   fill=tone, width=0.035)  # fmt: skip
    s.hills(0.68, 0.04, (242, 200, 134))
    s.hills(0.84, 0.04, (228, 180, 112))


def meadow(s: Stage) -> None:
    s.sky(0.7)
    s.cloud(s.rng.random(), s.rng.uniform(0.16, 0.34), s.rng.uniform(0.7, 1.0))
    s.hills(0.54, 0.05, (150, 204, 126))
    s.hills(0.64, 0.04, (118, 188, 92))
    s.hills(0.76, 0.03, (94, 170, 74))
    for _ in range(16):
        x, y = s.rng.random(), s.rng.uniform(0.76, 0.99)
        petal = s.rng.choice(((255, 255, 255), (255, 226, 96), (250, 170, 200)))
        s.pen.oval(x, y, 0.012 + (y - 0.7) * 0.03, fill=s.lit(petal))


def beach(s: Stage) -> None:
    s.sky()
    near = {"day": (92, 204, 214), "sunset": (240, 150, 124), "night": (48, 74, 138)}[s.time]
    far = {"day": (30, 132, 196), "sunset": (134, 84, 140), "night": (14, 30, 78)}[s.time]
    s.gradient(HORIZON, 0.72, (far, near))
    s.hills(0.7, 0.012, (255, 252, 240))
    s.hills(0.725, 0.012, (244, 220, 166))
    s.hills(0.9, 0.03, (232, 202, 142))
    side = s.rng.choice((-1, 1))
    x, lean = 0.5 + side * 0.44, -side * 0.08
    s.pen.curve((x, 0.8), (x + lean * 0.3, 0.5), (x + lean, 0.24), fill=s.lit((148, 108, 70)), width=0.035)
    for dx, dy in ((-0.2, 0.06), (-0.15, -0.08), (0.0, -0.13), (0.15, -0.08), (0.2, 0.06)):
        tip, top = (x + lean + dx, 0.24 + dy), (x + lean, 0.24)
        middle = (x + lean + dx * 0.55, 0.2 + dy * 0.6 - 0.02)
        s.pen.blob(top, middle, tip, (middle[0], middle[1] + 0.05), fill=s.lit((62, 148, 84)))


def sky(s: Stage) -> None:
    s.sky(1.0)
    for _ in range(4):
        s.cloud(s.rng.random(), s.rng.uniform(0.12, 0.8), s.rng.uniform(0.7, 1.2))
    s.cloud(s.rng.uniform(0.1, 0.4), 0.97, 1.8)
    s.cloud(s.rng.uniform(0.6, 0.9), 0.99, 1.8)


def waves(s: Stage, foot: float) -> None:
    """Waves in front of the thing, so that it lies in the water."""
    crest = {"day": (120, 200, 232), "sunset": (226, 138, 124), "night": (56, 80, 148)}[s.time]
    body = {"day": (28, 112, 182), "sunset": (124, 76, 132), "night": (14, 32, 84)}[s.time]
    for top, tone in ((foot - 0.05, crest), (foot - 0.03, body)):
        at = [(x / 8, top + (0.012 if x % 2 else -0.012)) for x in range(-1, 10)]
        s.pen.blob((-0.2, 1.2), *at, (1.2, 1.2), fill=tone)


def snowfall(s: Stage, foot: float) -> None:
    for _ in range(14):
        s.pen.oval(s.rng.random(), s.rng.random(), s.rng.choice((0.008, 0.012, 0.016)), fill=s.lit((250, 252, 255)))


BACKGROUND: dict[str, Callable[[Stage], None]] = {
    draw.__name__: draw for draw in (sea, forest, street, snow, desert, meadow, beach, sky)
}
FOREGROUND: dict[str, Callable[[Stage, float], None]] = {"sea": waves, "snow": snowfall}
