"""Draws the pixels of a Scene: background, shadow, the thing with soft light on it, foreground."""

from __future__ import annotations

import random

from PIL import Image, ImageChops, ImageFilter

from searchdemo.galleries.drawing.pen import Colour, Pen, Point, darker, lighter
from searchdemo.galleries.drawing.scene import AIRBORNE, COLOURS, DRAW, Scene
from searchdemo.galleries.drawing.settings import BACKGROUND, FOREGROUND, GROUND, Stage

BACKGROUND_SCALE, THING_SCALE = 2, 4  # drawn so many times larger, then averaged down for smooth edges
UNIT = {"small": 0.19, "large": 0.31}  # half of a thing's width, as a share of the picture's
OFFSET = {"small": 0.25, "large": 0.16}  # from the middle of the picture to a thing's centre
SHADES = [[round(low + (255 - low) * v / 255) for v in range(256)] for low in (184, 160, 164)]  # shade is warm
TINT = {"day": (255, 255, 255), "sunset": (255, 238, 226), "night": (228, 230, 250)}  # light on the thing


def _thing(scene: Scene, size: int, centre: Point, unit: float, colour: Colour) -> Image.Image:
    """The thing alone, RGBA, (size, size), with light from the upper left."""
    large = Image.new("RGBA", (size * THING_SCALE,) * 2)
    pen = Pen(large, (centre[0] * THING_SCALE, centre[1] * THING_SCALE), unit * THING_SCALE, scene.turn, scene.mirrored)
    DRAW[scene.thing](pen, colour)
    # RGBa is premultiplied: averaging it does not bleed the transparent black into the edges.
    thing = large.convert("RGBa").reduce(THING_SCALE).convert("RGBA")
    alpha = thing.getchannel("A")
    step = max(1, round(unit / 9))
    lit = ImageChops.offset(alpha, step, step).filter(ImageFilter.GaussianBlur(unit / 7))
    light = Image.merge("RGB", [lit.point(table) for table in SHADES])
    colours = ImageChops.multiply(thing.convert("RGB"), light)
    colours = ImageChops.multiply(colours, Image.new("RGB", colours.size, TINT[scene.time]))
    colours.putalpha(alpha)
    return colours


def draw(scene: Scene, size: int = 96) -> Image.Image:
    """The picture of a scene, RGB, size x size. The same scene gives the same pixels."""
    rng = random.Random(scene.seed)
    tone = rng.uniform(-0.08, 0.08)
    colour = lighter(COLOURS[scene.colour], tone) if tone > 0 else darker(COLOURS[scene.colour], -tone)
    unit = UNIT[scene.size] * rng.uniform(0.94, 1.06)
    side = {"left": -1, "middle": 0, "right": 1}[scene.place]
    x = 0.5 + side * OFFSET[scene.size] + rng.uniform(-0.02, 0.02)
    high = scene.setting == "sky" or (scene.thing in AIRBORNE and scene.setting != "sea")
    y = rng.uniform(0.42, 0.52) if high else GROUND + rng.uniform(-0.02, 0.03) - unit * 0.92

    wide = Image.new("RGB", (size * BACKGROUND_SCALE,) * 2)
    BACKGROUND[scene.setting](Stage(wide, scene.time, rng))
    picture = wide.reduce(BACKGROUND_SCALE)

    thing = _thing(scene, size, (x * size, y * size), unit * size, colour)
    alpha = thing.getchannel("A")
    foot = y + unit * 0.92
    if scene.setting not in ("sky", "sea"):  # a soft shadow on the ground
        spot = Image.new("L", picture.size)
        shadow = Pen(spot, (x * size, (GROUND if high else foot) * size), unit * size)
        shadow.oval(0, 0, 0.85, 0.13, fill=(90 if high else 140,))
        picture.paste((20, 20, 40), mask=spot.filter(ImageFilter.GaussianBlur(size / 40)))
    # A halo sets every colour off from every background. It is pale around dark things and at night, else dark.
    pale = sum(colour) < 330 or scene.time == "night"
    strength = 0.55 if sum(colour) < 330 else 0.35
    halo = alpha.filter(ImageFilter.GaussianBlur(size / 48)).point([round(v * strength) for v in range(256)])
    picture.paste((255, 250, 236) if pale else (24, 26, 48), mask=halo)
    picture.paste(thing, mask=alpha)

    if scene.setting in FOREGROUND:
        front = Image.new("RGBA", wide.size)
        FOREGROUND[scene.setting](Stage(front, scene.time, rng), foot)
        front = front.reduce(BACKGROUND_SCALE)
        picture.paste(front, mask=front.getchannel("A"))
    return picture
