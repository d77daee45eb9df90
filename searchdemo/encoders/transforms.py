"""What happens to a picture before a network sees it, where the libraries leave it to us.

"own"   the encoder's own transform, from its own configuration; most resize the shorter side and cut out
        the middle: a 64-px picture through "resize 256, crop 224" keeps its central 56x56
"full"  the whole picture, resized to the input square without a crop: the same for all encoders
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

TRANSFORMS = ("own", "full")
LONGEST = 4  # times as long as wide: more is cut off before "resize the shorter side" makes it huge


def full(px: int, mean: Sequence[float], std: Sequence[float]) -> Callable:
    """Upright RGB picture -> (3, px, px) float32: resized (bicubic, antialiased) and standardised."""
    from torchvision.transforms import Compose, InterpolationMode, Normalize, Resize, ToTensor

    resize = Resize((px, px), InterpolationMode.BICUBIC, antialias=True)
    return Compose([resize, ToTensor(), Normalize(mean, std)])


def central(transform: Callable) -> Callable:
    """A transform that only looks at the middle, made safe for very long pictures.

    Resizing the shorter side of a 1 x 10,000 picture to 256 px would make 2,560,000 px of the longer one.
    """

    def cut_then_transform(picture: Image.Image):
        return transform(centre(picture))

    return cut_then_transform


def centre(picture: Image.Image) -> Image.Image:
    """The picture, or its middle where it is more than LONGEST times as long as wide."""
    width, height = picture.size
    limit = LONGEST * min(width, height)
    if max(width, height) <= limit:
        return picture
    left, top = max(0, (width - limit) // 2), max(0, (height - limit) // 2)
    return picture.crop((left, top, left + min(width, limit), top + min(height, limit)))
