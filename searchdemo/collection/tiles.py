"""Parts of each picture beside the whole, for small things in large settings: `build --tiles N`.

N x N parts that overlap by half: each is 2 / (N + 1) of the width and of the height, so what lies on the border of one
lies within the next. Which one a vector is of follows from its number alone, so nothing is stored of it but N, in the
manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from searchdemo.collection.box import Box
from searchdemo.errors import BadQuery

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from searchdemo.encoders.base import Encoder

SIZES = (0, 2, 3, 4)  # 0: none
USUAL = 2


def check_tiles(tiles: int) -> None:
    if tiles not in SIZES:
        raise BadQuery(f"tiles = {tiles} is out of bounds: choose from 2 to {SIZES[-1]} per side, or 0 for none.")


def per_picture(tiles: int) -> int:
    """Vectors of a picture."""
    return 1 + tiles * tiles


@cache
def boxes(tiles: int) -> tuple[Box, ...]:
    """The part of the picture that each of its vectors is of: the whole first, then row by row."""
    side = 2 / (tiles + 1)
    starts = [number / (tiles + 1) for number in range(tiles)]
    return (Box(0, 0, 1, 1), *(Box(x, y, side, side) for y in starts for x in starts))


class TilingEncoder:
    """What embed.embed takes for an encoder: it makes one row per picture, of all its parts one after the other."""

    def __init__(self, encoder: Encoder, tiles: int):
        self.tiles, self._encoder, self._boxes = tiles, encoder, boxes(tiles)
        self.dim = encoder.dim * len(self._boxes)
        self.how, self.transform, self.weights_sha256 = encoder.how, encoder.transform, encoder.weights_sha256

    def preprocess(self, images: Iterable[Image.Image]) -> np.ndarray:
        """n pictures -> those of n x each parts."""
        return self._encoder.preprocess(self._parts(images))

    def _parts(self, images: Iterable[Image.Image]) -> Iterator[Image.Image]:
        for image in images:
            yield image
            for box in self._boxes[1:]:
                yield box.crop(image)

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """(n, each x dim) float32."""
        return self._encoder.encode_pixels(pixels).reshape(-1, self.dim)
