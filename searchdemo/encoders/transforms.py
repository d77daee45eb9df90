"""The steps from a picture to the square of pixels that a network takes, in Pillow and NumPy.

"own"   the encoder's own transform, from its configuration. Most resize the shorter side and cut out the middle:
        "resize 256, crop 224" keeps the central 56x56 of a 64-px picture. SigLIP resizes both sides.
"full"  the whole picture, resized (bicubic) to the input square without a crop. It is the same for all encoders.

To standardise the pixels is the runtime's part: it does so within the network, see runtime/base.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from searchdemo.encoders.base import EncoderSpec

TRANSFORMS = ("own", "full")
LONGEST = 4  # a picture more than 4 times as long as wide is cut, or "resize the shorter side" would make it huge
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}  # antialiased when they shrink


@dataclass(frozen=True)
class Transform:
    """Upright RGB pictures -> (n, px, px, 3) uint8. Safe for several threads."""

    square: Callable[[Image.Image], Image.Image]

    def pixels(self, pictures: Iterable[Image.Image]) -> np.ndarray:
        """One picture at least; they are taken one by one, because a batch of photographs would take gigabytes."""
        return np.stack([np.asarray(self.square(picture)) for picture in pictures])


def transform_of(spec: EncoderSpec, transform: str) -> Transform:
    """transform: "own" | "full"."""
    px, resized, way = spec.input_px, spec.resize_px or spec.input_px, FILTERS[spec.interpolation]
    if transform == "full" or spec.squash:
        whole = Image.Resampling.BICUBIC if transform == "full" else way
        return Transform(lambda picture: picture.resize((px, px), whole))
    return Transform(lambda picture: middle(centre(picture), px, resized, way))


def middle(picture: Image.Image, px: int, resize_px: int, way: Image.Resampling) -> Image.Image:
    """The px x px in the middle of the picture whose shorter side was resized to resize_px, as torchvision makes them.

    Where Pillow can be told exactly which part that is, in float32, the rest is not computed: of "resize 256, crop 224"
    that is a quarter. A box that is rounded would change some pixels by 1.
    """
    (width, height), shorter = picture.size, min(picture.size)
    if (width, height) == (px, px) == (resize_px, resize_px):
        return picture
    wide, high = (int(resize_px * side / shorter) for side in (width, height))  # as torchvision rounds
    left, top = round((wide - px) / 2), round((high - px) / 2)
    box = (left * width / wide, top * height / high, (left + px) * width / wide, (top + px) * height / high)
    if np.array_equal(np.asarray(box, np.float32), box):
        return picture.resize((px, px), way, box)
    return picture.resize((wide, high), way).crop((left, top, left + px, top + px))


def centre(picture: Image.Image) -> Image.Image:
    """The picture, or its middle where it is more than LONGEST times as long as wide."""
    width, height = picture.size
    limit = LONGEST * min(width, height)
    if max(width, height) <= limit:
        return picture
    left, top = max(0, (width - limit) // 2), max(0, (height - limit) // 2)
    return picture.crop((left, top, left + min(width, limit), top + min(height, limit)))
