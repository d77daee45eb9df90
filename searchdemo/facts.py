"""What a picture's file says of itself: when and with which camera it was taken, how large it is."""

from __future__ import annotations

import contextlib
from datetime import datetime
from io import BytesIO

from PIL import ExifTags, Image

from searchdemo.errors import BadPicture
from searchdemo.pictures import open_header

DATES = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)  # in the block of the camera
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange width and height


def facts_of(encoded: bytes) -> dict[str, str]:
    """For people, in the order in which they are shown: "taken", "camera", "size", "file". Absent where unknown."""
    try:
        image = open_header(BytesIO(encoded), "This file")
    except BadPicture:
        return {"file": bytes_said(len(encoded))}
    exif = _exif(image)
    width, height = image.size[::-1] if exif.get(ExifTags.Base.Orientation) in SIDEWAYS else image.size
    found = {
        "taken": _taken(exif),
        "camera": _camera(exif),
        "size": f"{width:,} × {height:,} pixels",
        "file": f"{image.format}, {bytes_said(len(encoded))}",
    }
    return {name: fact for name, fact in found.items() if fact}


def bytes_said(count: int) -> str:
    """1_234_567 -> "1.2 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count, 100) / 1e3:.1f} kB"


def _exif(image: Image.Image) -> dict[int, object]:
    """The tags of the file and of its camera; none where they are damaged."""
    with contextlib.suppress(Exception):  # a damaged block raises as many kinds of errors as damaged pixels
        exif = image.getexif()
        return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    return {}


def _taken(exif: dict[int, object]) -> str:
    """ "2024-05-01 12:34". EXIF has no time zone that can be relied on: it is the camera's own clock."""
    for tag in (*DATES, ExifTags.Base.DateTime):
        with contextlib.suppress(ValueError):
            return datetime.strptime(_text(exif.get(tag)), "%Y:%m:%d %H:%M:%S").strftime("%Y-%m-%d %H:%M")
    return ""


def _camera(exif: dict[int, object]) -> str:
    """ "Canon EOS R5": the model, which often begins with the make."""
    make, model = _text(exif.get(ExifTags.Base.Make)), _text(exif.get(ExifTags.Base.Model))
    return model if not make or model.lower().startswith(make.split()[0].lower()) else f"{make} {model}".strip()


def _text(value: object) -> str:
    """Only printable characters, and not many: the file is anybody's."""
    return "".join(filter(str.isprintable, value))[:80].strip() if isinstance(value, str) else ""
