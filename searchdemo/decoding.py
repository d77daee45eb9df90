"""What decoding a picture takes in memory: counted before it begins, held below one bound for the process, given back.

A file of 95 KB may declare 49 megapixels. So the bytes that its decoder will ask for are counted from the header, by
format: the figures below are peaks of resident memory per pixel, measured with Pillow 12.3 on 12 megapixels. After the
decoder is done a large picture is made smaller, strip by strip, before anything else copies it.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import IO

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from searchdemo.errors import BadPicture
from searchdemo.tones import is_deep, is_sixteen_bit

UPLOAD_BYTES = 200_000_000  # that a picture of a visitor may take
OWN_BYTES = 1_300_000_000  # that a file of the person who runs searchdemo may take; one such at a time
TOTAL_BYTES = 400_000_000  # of all that are decoded at once; a larger one waits until it is alone
# A picture that has more is made smaller once it is decoded: what follows copies it several times.
WORK_PIXELS = 2048 * 2048
WORK_PIXELS_OF_JPEG = 8_000_000  # which is decoded at a reduced scale, and has no more than 8 bits
STRIP_PIXELS = 500_000
WORK_BYTES = 45_000_000  # of strips and the smaller copy, while the whole is still there
WORK_BYTES_EACH = 22  # per pixel of a picture that is not made smaller, at most
TRIMMED_BYTES = 48_000_000  # after a picture that took more, freed memory goes back to the system

# Bytes per pixel, Pillow's own copy included. PNG, BMP, PPM, TGA and PSD have that copy alone. Those of WebP and HEIF
# were measured with what follows (12 and 24 megapixels: 16.1, 17.3 without loss, and 6.9 in all), so that photographs
# of mobile phones fit.
DECODERS = {"WEBP": 12.5, "AVIF": 10.0, "HEIF": 6.0, "JPEG2000": 20.0, "JXL": 12.0, "GIF": 4.0, "QOI": 12.0}
DECODERS |= {"ICO": 12.0}
WITH_ALPHA = {"HEIF": 7.0}
WEBP_OTHERS = 13.7  # without loss, or animated
ONE_BYTE, TWO_BYTES = ("1", "L", "P"), "I;16"  # modes; all others take four
ROWS_PER_STRIP, BITS, COMPRESSION, TILE_LENGTH, PLAIN = 278, 258, 259, 323, 1  # tags of TIFF


def bytes_needed(image: Image.Image, file: IO[bytes] | None) -> int:
    """Of a lazy picture, after a JPEG was told to which scale it is decoded. file: what it is read from."""
    pixels, stored = image.width * image.height, _stored(image.mode)
    decoders = DECODERS | WITH_ALPHA if image.mode == "RGBA" else DECODERS
    each = max(stored, decoders.get(image.format or "", stored))
    if image.format == "WEBP" and file is not None and _webp_chunks(file) & {b"VP8L", b"ANIM"}:
        each = WEBP_OTHERS
    if is_sixteen_bit(image):
        each = 2 * stored  # the low bytes are decoded too
    if image.format == "TIFF":
        each += 2 * _strip_bytes(image)
    whole = pixels * each
    if isinstance(image, JpegImageFile) and file is not None:
        whole += _coefficients(image, file)
    return int(whole) + min(WORK_BYTES, WORK_BYTES_EACH * pixels)


def _stored(mode: str) -> float:
    return 1.0 if mode in ONE_BYTE else 2.0 if mode.startswith(TWO_BYTES) else 4.0


def _webp_chunks(file: IO[bytes]) -> set[bytes]:
    """The names of the first chunks, up to that of the pixels."""
    place, found = file.tell(), set[bytes]()
    try:
        file.seek(12)  # after "RIFF", its size and "WEBP"
        while len(start := file.read(8)) == 8 and not found & {b"VP8 ", b"VP8L", b"ANMF"}:
            found.add(start[:4])
            size = int.from_bytes(start[4:], "little")
            file.seek(size + size % 2, 1)
    finally:
        file.seek(place)
    return found


def _strip_bytes(image: Image.Image) -> float:
    """Bytes per pixel of the picture that libtiff holds of one strip or tile, which may be all of it."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(COMPRESSION, PLAIN) == PLAIN:
        return 0.0
    rows = min(int(tags.get(TILE_LENGTH) or tags.get(ROWS_PER_STRIP) or image.height), image.height)
    return rows / max(image.height, 1) * sum(tags.get(BITS, (8, 8, 8, 8))) / 8


def _coefficients(image: JpegImageFile, file: IO[bytes]) -> float:
    """Bytes that libjpeg keeps of a JPEG in several scans: two for each coefficient of all of it, at any scale."""
    frame = _scans(file)
    if frame is None:
        return 0.0
    pixels, components = frame
    most = max(h * v for h, v in components)
    return 2 * pixels * sum(h * v for h, v in components) / max(most, 1)


def _scans(file: IO[bytes]) -> tuple[int, list[tuple[int, int]]] | None:
    """Pixels, and the sampling factors of each component, of a JPEG in several scans; None for one in one scan."""
    place, found, several = file.tell(), None, False
    try:
        file.seek(2)
        while (start := file.read(4)) and len(start) == 4 and start[0] == 0xFF:
            marker, body = start[1], file.read(int.from_bytes(start[2:], "big") - 2)
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                several = marker in (0xC2, 0xC6, 0xCA, 0xCE)  # progressive
                height, width, count = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"), body[5]
                sampling = [(body[7 + 3 * i] >> 4, body[7 + 3 * i] & 15) for i in range(count)]
                found = height * width, sampling
            elif marker == 0xDA:  # the first scan
                several = several or (found is not None and body[0] < len(found[1]))
                break
    except IndexError:  # the decoder says what is wrong
        return None
    finally:
        file.seek(place)
    return found if several else None


def check_bytes(needed: int, most: int, image: Image.Image, name: str) -> None:
    """Raises BadPicture where decoding takes more than `most` bytes."""
    if needed > most:
        raise BadPicture(
            f"{name} is too large: to decode {image.width} x {image.height} pixels of {image.format} "
            f"({image.mode}) takes {needed / 1e6:.0f} MB of memory, and {most / 1e6:.0f} are allowed; make it smaller, "
            "or save it as a baseline JPEG."
        )


_bytes_free = threading.Condition()
_taken = 0


@contextlib.contextmanager
def memory(needed: int) -> Iterator[None]:
    """Waits until all that is decoded in this process takes at most TOTAL_BYTES, this one included, or it is alone."""
    global _taken
    with _bytes_free:
        _bytes_free.wait_for(lambda: _taken == 0 or _taken + needed <= TOTAL_BYTES)
        _taken += needed
    try:
        yield
    finally:
        with _bytes_free:
            _taken -= needed
            _bytes_free.notify_all()
        if needed > TRIMMED_BYTES:
            give_back()


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim, or None. Without it, freed blocks below 32 MB stay with each thread's own heap."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Memory that is free in this process goes back to the system, where its C library can do it."""
    if (trim := _trim()) is not None:
        trim(0)


def times_smaller(image: Image.Image) -> int:
    """By how much each side is divided, so that no more pixels are left than what follows can take."""
    left = WORK_PIXELS_OF_JPEG if image.format in ("JPEG", "MPO") else WORK_PIXELS
    return max(1, math.ceil(math.sqrt(image.width * image.height / left)))


def smaller(image: Image.Image) -> Image.Image:
    """A decoded picture at 1/2, 1/3 ... of its size where it is large, else itself. Each pixel is the mean of a block.

    Palettes and black-and-white become colours and grey; grey of more than 8 bits keeps its numbers, as modes I and F.
    The orientation of its EXIF goes along.
    """
    times = times_smaller(image)
    if times == 1:
        return image
    small: Image.Image | None = None
    means: list[np.ndarray] = []
    for top, strip in strips(image, times):
        if is_deep(strip):
            means.append(block_means(np.asarray(strip), times))
            continue
        if strip.mode in ("P", "PA", "1"):
            to = "L" if strip.mode == "1" else "RGBA" if strip.has_transparency_data else "RGB"
            strip = strip.convert(to)
        if small is None:
            small = Image.new(strip.mode, (math.ceil(image.width / times), math.ceil(image.height / times)))
        small.paste(strip.reduce(times), (0, top // times))
    if small is None:
        values = np.concatenate(means)
        small = Image.fromarray(values if image.mode == "F" else np.round(values).astype(np.int32))
    return with_facts(small, image)


def with_facts(small: Image.Image, image: Image.Image) -> Image.Image:
    """What the file says, its orientation included. A colour that stands for transparency was applied by then."""
    small.info = {name: value for name, value in image.info.items() if name != "transparency"}
    with contextlib.suppress(Exception):  # a damaged EXIF block raises as many kinds of errors as damaged pixels
        small.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return small


ORIENTATION = 0x0112  # a tag of EXIF


def strips(image: Image.Image, times: int) -> Iterator[tuple[int, Image.Image]]:
    """(first row, rows) of a picture from top to bottom, of about STRIP_PIXELS pixels and whole blocks."""
    rows = times * max(1, STRIP_PIXELS // (image.width * times))
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def block_means(values: np.ndarray, times: int) -> np.ndarray:
    """(h, w) or (h, w, c) numbers -> the float32 means of blocks of times x times; those at the edges are smaller."""
    high, wide = (np.arange(0, size, times) for size in values.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), high, axis=0), wide, axis=1)
    rows, columns = (np.diff(np.append(at, size)) for at, size in zip((high, wide), values.shape, strict=False))
    counts = np.multiply.outer(rows, columns)
    return (sums / counts.reshape(*counts.shape, *[1] * (values.ndim - 2))).astype(np.float32)
