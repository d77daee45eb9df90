"""What a picture's file says of when, with what and where it was taken."""

from __future__ import annotations

import contextlib
import io
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from PIL import ExifTags, Image

from searchdemo.formats import lazy_image

DATES = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.DateTime)
MOST_BYTES = 2**20  # of the facts in a PNG
NAME = 100  # characters of a camera's name: the file is anybody's


@dataclass(frozen=True)
class Taken:
    """None where the file does not say."""

    date: str | None = None  # "2024-05-01 12:34:56" by the camera's own clock: EXIF rarely has a time zone
    camera: str | None = None  # "Canon EOS R5"
    latitude: float | None = None  # degrees, north is positive
    longitude: float | None = None  # degrees, east is positive


def taken(file: BinaryIO) -> Taken:
    """Reads the header of an open file. Damaged or hostile facts are none."""
    with contextlib.suppress(Exception):  # a damaged block raises as many kinds of errors as damaged pixels
        exif = _exif(lazy_image(file, "This file"), file)
        base = {**exif, **_block(exif, ExifTags.IFD.Exif)}
        return Taken(_date(base), _camera(base), *_place(_block(exif, ExifTags.IFD.GPSInfo)))
    return Taken()


def _exif(image: Image.Image, file: BinaryIO) -> Image.Exif:
    """Of a PNG without decoding it, which Pillow does to look for facts behind the pixels."""
    if image.format != "PNG" or "exif" in image.info:
        return image.getexif()
    if found := _chunk(file, b"eXIf"):
        image.info["exif"] = b"Exif\0\0" + found
    return Image.Image.getexif(image)


def _chunk(file: BinaryIO, wanted: bytes) -> bytes:
    """The content of the first chunk of this kind in a PNG; b"" where there is none, or it is too long."""
    file.seek(8)
    while len(start := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", start)
        if kind == wanted:
            return file.read(size) if size <= MOST_BYTES else b""
        file.seek(size + 4, io.SEEK_CUR)
    return b""


def _block(exif: Image.Exif, tag: int) -> Mapping[int, Any]:
    """A part of the EXIF; nothing where it is damaged, which costs no other part."""
    with contextlib.suppress(Exception):
        return exif.get_ifd(tag)
    return {}


def _date(base: Mapping[int, Any]) -> str | None:
    for tag in DATES:
        with contextlib.suppress(ValueError):
            return str(datetime.strptime(_text(base.get(tag)), "%Y:%m:%d %H:%M:%S"))
    return None


def _camera(base: Mapping[int, Any]) -> str | None:
    """The model, which often begins with the make."""
    make, model = _text(base.get(ExifTags.Base.Make)), _text(base.get(ExifTags.Base.Model))
    whole = model if not make or model.lower().startswith(make.split()[0].lower()) else f"{make} {model}".strip()
    return whole or None


def _place(gps: Mapping[int, Any]) -> tuple[float | None, float | None]:
    latitude = _degrees(gps, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90)
    longitude = _degrees(gps, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180)
    return (latitude, longitude) if latitude is not None and longitude is not None else (None, None)


def _degrees(gps: Mapping[int, Any], tag: int, side_tag: int, negative: str, most: float) -> float | None:
    """Degrees, minutes and seconds, each a fraction, which may be 0/0."""
    with contextlib.suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
        degrees, minutes, seconds = (float(part) for part in gps[tag])
        value = degrees + minutes / 60 + seconds / 3600
        if math.isfinite(value) and 0 <= value <= most:
            return round(-value if _text(gps.get(side_tag)).upper() == negative else value, 6)
    return None


def _text(value: object) -> str:
    return "".join(filter(str.isprintable, value))[:NAME].strip() if isinstance(value, str) else ""
