"""Opens any picture that a person may bring as upright 8-bit sRGB, or says in one sentence why it cannot."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageChops, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from searchdemo.decoding import (
    UPLOAD_BYTES,
    block_means,
    bytes_needed,
    check_bytes,
    memory,
    smaller,
    strips,
    times_smaller,
    with_facts,
)
from searchdemo.errors import BadPicture
from searchdemo.formats import lazy_image
from searchdemo.tones import (
    as_srgb,
    deep_grey_with_alpha,
    deep_joined,
    four_bytes,
    grey_8_bit,
    in_planes,
    is_deep,
    of_16_bits,
    other_bytes,
    white_is_zero,
)

MAX_PIXELS = 50_000_000  # about 150 MB as RGB; checked before anything is decoded
# JPEG is decoded at a smaller scale, and a phone's photographs of 200 megapixels are JPEG or HEIC.
MAX_PIXELS_OF = {"JPEG": 220_000_000, "MPO": 220_000_000, "HEIF": 110_000_000}
MAX_ASPECT = 100  # "resize the shorter side to 224" would blow a 1 x 10,000 strip up to gigabytes
SHORTER_SIDE = 1024  # that a JPEG keeps at least when it is decoded at 1/2, 1/4 or 1/8: three times what networks take


def open_picture(source: bytes | Path | Image.Image, most: int = UPLOAD_BYTES) -> Image.Image:
    """The first frame of a picture as 8-bit sRGB, turned as its EXIF says, with white behind transparent parts.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, so that its shorter side keeps SHORTER_SIDE pixels. Others
    are made smaller once they are decoded, see decoding.py.

    source: a file's bytes, a path, or an open picture (which is not changed). most: bytes that decoding it may take.
    Raises BadPicture when it cannot be read, has more pixels than MAX_PIXELS, takes more than `most` bytes or is
    thinner than 1 : MAX_ASPECT.
    """
    if isinstance(source, Image.Image):
        return _upright_rgb(source, "This picture")
    name, file = _named_file(source)
    with file:
        image = open_header(file, name)
        _decode_smaller(image)
        needed = bytes_needed(image, file)
        check_bytes(needed, most, image, name)
        with memory(needed):
            try:
                return _upright_rgb(image, name, file)
            finally:
                del image  # with the decoder's own buffers, before free memory is given back


def check_whole(encoded: bytes) -> None:
    """Raises BadPicture for a PNG with wrong checksums, or without its end, which decoders do not always notice."""
    if encoded.startswith(b"\x89PNG"):
        try:
            lazy_image(BytesIO(encoded), "This file").verify()
        except BadPicture:
            raise
        except Exception as error:  # as in lazy_image: bad bytes let Pillow raise nearly anything
            raise BadPicture(f"This file is damaged ({error}); save it again.") from error


def open_header(file: BinaryIO, name: str) -> Image.Image:
    """Pillow's lazy image. Its format and size are known and within the limits, its pixels are not decoded yet.

    Raises BadPicture, which calls the picture `name`.
    """
    image = lazy_image(file, name)
    _check_size(image, name)
    if in_planes(image):
        raise BadPicture(f"{name} has 16 bits per colour in separate planes; save it with its colours together.")
    return image


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
    (width, height), allowed = image.size, MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS)
    if width * height > allowed:
        raise BadPicture(
            f"{name} is too large: {width} x {height} = {width * height / 1e6:.0f} megapixels, and "
            f"{allowed / 1e6:.0f} are allowed; make it smaller."
        )
    if min(width, height) < 1 or max(width, height) > MAX_ASPECT * min(width, height):
        raise BadPicture(f"{name} is {width} x {height} pixels, longer than {MAX_ASPECT} : 1; crop it.")


def _decode_smaller(image: Image.Image) -> None:
    times = min(image.size) // SHORTER_SIDE
    if isinstance(image, JpegImageFile) and times > 1:
        image.draft(None, (image.width // times, image.height // times))  # it takes 8, 4 or 2, at most `times`


def _upright_rgb(image: Image.Image, name: str, file: BinaryIO | None = None) -> Image.Image:
    """file: that the lazy image was opened from; None for a picture that is open already."""
    _check_size(image, name)
    try:
        image.load()  # the first frame of an animation
        # Pillow takes every CMYK JPEG for Adobe's, which are inverted
        adobe_alone = image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info
        negative, turned = white_is_zero(image), image.format == "JXL"  # whose decoder has turned it
        whole = image
        if file is not None and image.mode in ("RGB", "RGBA") and image.format in ("PNG", "TIFF"):
            whole = _scaled(image, file, name)
        small = smaller(whole)
        if file is not None and small is not image:
            image.close()  # what follows copies the small one, and the whole is no longer needed
        del image, whole
        upright = small.copy() if turned else _upright(small)
        if adobe_alone:
            upright = ImageChops.invert(upright)
        return ImageChops.invert(_rgb(upright)) if negative else _rgb(upright)
    except BadPicture:
        raise
    except Exception as error:  # as in open_header: no document says which errors a decoder raises
        reason = "ends too early" if "truncated" in str(error) else "is damaged or of a rare kind"
        raise BadPicture(f"{name} cannot be decoded: it {reason}; save it again as JPEG or PNG.") from error


def _scaled(image: Image.Image, file: BinaryIO, name: str) -> Image.Image:
    """A picture of 16 bits per colour by what it holds: of each number Pillow keeps the high byte alone, which is near
    black where 10 or 12 bits are used. It then is decoded again for the low bytes."""
    if np.asarray(image.getextrema())[:3, 1].max() >= 64:  # 15 bits at least, or 8
        return image
    file.seek(0)
    low = lazy_image(file, name)
    grey = four_bytes(low)
    if not grey and not other_bytes(low):
        return image
    low.load()
    times = times_smaller(image)
    deep = []
    for (_, high), (_, other) in zip(strips(image, times), strips(low, times), strict=True):
        numbers = deep_grey_with_alpha(other) if grey else deep_joined(high, other)
        deep.append(numbers if times == 1 else np.round(block_means(numbers, times)).astype(np.uint16))
    return with_facts(of_16_bits(np.concatenate(deep)), image)


def _upright(image: Image.Image) -> Image.Image:
    """A copy turned as the EXIF orientation says; unreadable EXIF does not make a picture unreadable."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block raises as many kinds of errors as damaged pixels
        return image.copy()


def _rgb(image: Image.Image) -> Image.Image:
    if is_deep(image):
        image = grey_8_bit(image)
    image = as_srgb(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")
