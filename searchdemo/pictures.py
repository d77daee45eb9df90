"""Opens any picture that a person may bring as upright 8-bit RGB, or says in one sentence why it cannot."""

from __future__ import annotations

import re
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageChops, ImageOps

from searchdemo.errors import BadPicture

MAX_PIXELS = 50_000_000  # about 150 MB as RGB; checked before anything is decoded
MAX_ASPECT = 100  # "resize the shorter side to 224" would blow a 1 x 10,000 strip up to gigabytes
# Pillow knows more formats. Left out are those that start other programs (EPS) or that no camera or browser writes.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "DIB", "ICO", "JPEG2000", "MPO", "PPM", "TGA", "TIFF")


def open_picture(source: bytes | Path | Image.Image) -> Image.Image:
    """The first frame of a picture as 8-bit RGB, turned as its EXIF says, with white behind transparent parts.

    source: a file's bytes, a path, or an open picture (which is not changed).
    Raises BadPicture when it cannot be read, has more than MAX_PIXELS pixels or is thinner than 1 : MAX_ASPECT.
    """
    if isinstance(source, Image.Image):
        return _upright_rgb(source, "This picture")
    name, file = _named_file(source)
    with file, open_header(file, name) as image:
        return _upright_rgb(image, name)


def open_header(file: BinaryIO, name: str) -> Image.Image:
    """Pillow's lazy image. Its format and size are known and within the limits, its pixels are not decoded yet.

    Raises BadPicture, which calls the picture `name`.
    """
    try:
        image = Image.open(file, formats=_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))  # Pillow refuses before it knows width and height
        raise _too_large(name, int(pixels[0]) if pixels else 0) from error
    except Exception as error:  # bad bytes let Pillow's parsers raise nearly anything: OSError, struct.error, KeyError
        raise BadPicture(f"{name} is not a picture that can be read; bring a JPEG, PNG, WebP or GIF.") from error
    _check_size(image, name)
    return image


@cache
def _formats() -> tuple[str, ...]:
    Image.init()  # AVIF and JPEG2000 are missing from some builds of Pillow, and unknown names raise KeyError
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _named_file(source: bytes | Path) -> tuple[str, BinaryIO]:
    if isinstance(source, bytes):
        if not source:
            raise BadPicture("This file is empty; bring a JPEG, PNG, WebP or GIF.")
        return "This file", BytesIO(source)
    path = Path(source)
    try:
        return f"{path.name!r}", path.open("rb")
    except OSError as error:
        raise BadPicture(f"{str(path)!r} cannot be opened ({error.strerror}); name a picture file.") from error


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, width * height, f"{width} x {height} = ")
    if min(width, height) < 1 or max(width, height) > MAX_ASPECT * min(width, height):
        raise BadPicture(f"{name} is {width} x {height} pixels, longer than {MAX_ASPECT} : 1; crop it.")


def _too_large(name: str, pixels: int, how: str = "") -> BadPicture:
    return BadPicture(
        f"{name} is too large: {how}{pixels / 1e6:.0f} megapixels, and {MAX_PIXELS / 1e6:.0f} are allowed; "
        "make it smaller."
    )


def _upright_rgb(image: Image.Image, name: str) -> Image.Image:
    _check_size(image, name)
    try:
        image.load()  # the first frame of an animation
        upright = _upright(image)
        if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
            upright = ImageChops.invert(upright)  # Pillow takes every CMYK JPEG for Adobe's, which are inverted
        return _rgb(upright)
    except Exception as error:  # as in open_header: no document says which errors a decoder raises
        reason = "ends too early" if "truncated" in str(error) else "is damaged or of a rare kind"
        raise BadPicture(f"{name} cannot be decoded: it {reason}; save it again as JPEG or PNG.") from error


def _upright(image: Image.Image) -> Image.Image:
    """A copy turned as the EXIF orientation says; unreadable EXIF does not make a picture unreadable."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block raises as many kinds of errors as damaged pixels
        return image.copy()


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_to_8_bit(np.asarray(image), image.mode))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bit(grey: np.ndarray, mode: str) -> np.ndarray:
    """Grey values of more than 8 bits -> uint8. Pillow's own conversion clips everything above 255 to white.

    White is 65535 for 16-bit pictures and for 32-bit integers that fit into 16 bits, and 1 for floats from 0 to 1.
    Any other range (scientific pictures, which define no white) is stretched from its minimum to its maximum.
    """
    grey = np.nan_to_num(grey.astype(np.float64))
    black, white = grey.min(), grey.max()
    limit = 1.0 if mode == "F" else 65535.0
    if black >= 0 and white <= limit:
        black, white = 0.0, limit
    return np.round((grey - black) * 255 / (white - black or 1.0)).astype(np.uint8)
