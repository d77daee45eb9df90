"""The steps from a picture to the input of a network.

"own"   the encoder's own transform, from its configuration. Most resize the shorter side and cut out the middle:
        "resize 256, crop 224" keeps the central 56x56 of a 64-px picture.
"full"  the whole picture, resized to the input square without a crop. It is the same for all encoders.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

TRANSFORMS = ("own", "full")
LONGEST = 4  # a picture more than 4 times as long as wide is cut, or "resize the shorter side" would make it huge
ONE_THREAD = 2**15  # torch computes up to so many elements on the calling thread alone


class Transform:
    """The steps of a torchvision Compose that ends in ToTensor and Normalize, with those two done per batch.

    Pictures stay in 8 bits until the batch is complete. To convert and stack them one by one would cost a core 0.5 ms
    more per picture of 224 px, and the network needs that core.
    """

    def __init__(self, steps: Sequence[Any]):
        """steps: from upright RGB pictures to RGB pictures of the input size, then ToTensor, then Normalize."""
        *self._steps, _, normalise = steps
        self._mean, self._std = np.asarray(normalise.mean, np.float32), np.asarray(normalise.std, np.float32)

    def pixels(self, pictures: Iterable[Image.Image]) -> np.ndarray:
        """Upright RGB pictures, one at least -> (n, px, px, 3) uint8."""
        steps = self._steps
        return np.stack([np.asarray(functools.reduce(lambda given, step: step(given), steps, p)) for p in pictures])

    def standardised(self, pixels: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
        """pixels -> (n, 3, px, px) of this dtype in channels_last: (pixels / 255 - mean) / std.

        The work is cut into pieces that torch does not spread over threads, because several threads prepare batches
        while a network runs.
        """
        import torch

        width = pixels.shape[2]
        factor, offset = (
            torch.from_numpy(np.tile(values, width)) for values in (1 / (255 * self._std), -self._mean / self._std)
        )
        lines = torch.from_numpy(pixels).view(-1, 3 * width)  # the lines of all pictures
        standardised = torch.empty(lines.shape, dtype=dtype)
        at_once = max(1, ONE_THREAD // (3 * width))
        for given, made in zip(lines.split(at_once), standardised.split(at_once), strict=True):
            made.copy_(torch.addcmul(offset, given.float(), factor))
        return standardised.view(pixels.shape).permute(0, 3, 1, 2)


def full(px: int, mean: Sequence[float], std: Sequence[float]) -> Transform:
    """The whole picture, resized (bicubic, antialiased) and standardised."""
    from torchvision.transforms import InterpolationMode, Normalize, Resize, ToTensor

    return Transform([Resize((px, px), InterpolationMode.BICUBIC, antialias=True), ToTensor(), Normalize(mean, std)])


def central(steps: Sequence[Callable]) -> Transform:
    """Makes steps that look at the middle alone safe for very long pictures.

    To resize the shorter side of a 1 x 10,000 picture to 256 px would make the longer one 2,560,000 px.
    """
    return Transform([centre, *steps])


def square(px: int) -> Callable[[Image.Image], Image.Image]:
    """The shorter side resized to px, the middle cut out. A picture of that size is passed on, which saves 10 us."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    resize = Compose([Resize(px, InterpolationMode.BICUBIC, antialias=True), CenterCrop(px)])
    return lambda picture: picture if picture.size == (px, px) else resize(picture)


def centre(picture: Image.Image) -> Image.Image:
    """The picture, or its middle where it is more than LONGEST times as long as wide."""
    width, height = picture.size
    limit = LONGEST * min(width, height)
    if max(width, height) <= limit:
        return picture
    left, top = max(0, (width - limit) // 2), max(0, (height - limit) // 2)
    return picture.crop((left, top, left + min(width, limit), top + min(height, limit)))
