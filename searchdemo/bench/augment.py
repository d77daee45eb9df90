"""The AUGMENTATIONS table: ten named ways to change a picture, so that a gallery becomes ten times as large.

The picture's row seeds the random numbers, so the same row always gives the same picture.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Draw = random.Random
ORIGINAL = "original"


@dataclass(frozen=True)
class Augmentation:
    """apply: an RGB picture and its own random numbers -> another picture of the same size and mode."""

    name: str
    what: str  # one line for people; vectors that were stored under another description are made again
    apply: Callable[[Image.Image, Draw], Image.Image]

    def __call__(self, picture: Image.Image, row: int) -> Image.Image:
        return self.apply(picture, Draw(f"{self.name} {row}"))


def _crop(picture: Image.Image, draw: Draw) -> Image.Image:
    width, height = picture.size
    left, top = draw.uniform(0, 0.1 * width), draw.uniform(0, 0.1 * height)
    box = (left, top, left + 0.9 * width, top + 0.9 * height)
    return picture.resize(picture.size, Image.Resampling.BICUBIC, box=box)


def _rotate(picture: Image.Image, draw: Draw) -> Image.Image:
    angle = draw.choice((-1, 1)) * draw.uniform(5, 15)
    mean = picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # black corners would look like objects
    return picture.rotate(angle, Image.Resampling.BICUBIC, fillcolor=mean)


def _blur(picture: Image.Image, draw: Draw) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(draw.uniform(0.01, 0.02) * min(picture.size)))


def _jpeg(picture: Image.Image, draw: Draw) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=draw.randint(20, 40))
    return Image.open(buffer, formats=("JPEG",)).convert("RGB")


AUGMENTATIONS: dict[str, Augmentation] = {
    name: Augmentation(name, what, apply)
    for name, what, apply in (
        (ORIGINAL, "as it is", lambda picture, draw: picture),
        ("mirror", "left and right exchanged", lambda picture, draw: ImageOps.mirror(picture)),
        ("crop-90", "90 % of each side, from anywhere, resized back", _crop),
        ("rotate", "turned by 5 to 15 degrees either way, corners of the mean colour", _rotate),
        (
            "brighter",
            "1.2 to 1.5 times as bright",
            lambda picture, draw: ImageEnhance.Brightness(picture).enhance(draw.uniform(1.2, 1.5)),
        ),
        (
            "darker",
            "0.5 to 0.8 times as bright",
            lambda picture, draw: ImageEnhance.Brightness(picture).enhance(draw.uniform(0.5, 0.8)),
        ),
        (
            "contrast",
            "1.3 to 1.7 times the contrast",
            lambda picture, draw: ImageEnhance.Contrast(picture).enhance(draw.uniform(1.3, 1.7)),
        ),
        ("blur", "Gaussian blur of 1 to 2 % of the shorter side", _blur),
        ("grey", "without colour", lambda picture, draw: ImageOps.grayscale(picture).convert("RGB")),
        ("jpeg", "saved as JPEG of quality 20 to 40", _jpeg),
    )
}
