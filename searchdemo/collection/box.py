"""A part of a picture: a box in shares of its width and height, so that it means the same at every size."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

from PIL import Image

from searchdemo.errors import BadQuery

EXAMPLE = "0.25,0.25,0.5,0.5"


@dataclass(frozen=True)
class Box:
    """From the upper left corner, each from 0 to 1. Raises BadQuery where it does not lie within the picture."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        numbers = astuple(self)
        inside = all(math.isfinite(number) and 0 <= number <= 1 for number in numbers)
        # A little beyond the edge is a matter of rounding: 0.7 + 0.3 may be more than 1.
        inside = inside and self.x + self.width <= 1 + 1e-6 and self.y + self.height <= 1 + 1e-6
        if not inside or not self.width or not self.height:
            raise BadQuery(
                f"The box {self} does not lie within the picture: give x,y,width,height as shares of its width and "
                f"height, from 0 to 1, such as {EXAMPLE}."
            )

    def __str__(self) -> str:
        return ",".join(f"{number:g}" for number in astuple(self))

    def crop(self, picture: Image.Image) -> Image.Image:
        """The part of an upright picture, one pixel at least."""
        left, top = (
            min(round(share * size), size - 1) for share, size in zip((self.x, self.y), picture.size, strict=True)
        )
        right = min(max(round((self.x + self.width) * picture.width), left + 1), picture.width)
        bottom = min(max(round((self.y + self.height) * picture.height), top + 1), picture.height)
        return picture.crop((left, top, right, bottom))


def box_of(text: str) -> Box | None:
    """ "0.25,0.25,0.5,0.5" -> Box; "" -> None: the whole picture. Raises BadQuery."""
    if not text.strip():
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise BadQuery(f"The box {text!r} is not of the form x,y,width,height: write for example {EXAMPLE}.")
    return Box(*numbers)
