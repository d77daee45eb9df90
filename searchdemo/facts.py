"""What a picture's file says of itself, for people: when and with which camera it was taken, how large it is."""

from __future__ import annotations

from io import BytesIO

from PIL import ExifTags, Image

from searchdemo.errors import BadPicture
from searchdemo.exif import taken
from searchdemo.pictures import open_header

SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange width and height


def facts_of(encoded: bytes) -> dict[str, str]:
    """In the order in which they are shown: "taken", "camera", "place", "size", "file". Absent where unknown."""
    try:
        image = open_header(BytesIO(encoded), "This file")
    except BadPicture:
        return {"file": bytes_said(len(encoded))}
    said, (width, height) = taken(BytesIO(encoded)), image.size
    if _orientation(image) in SIDEWAYS:
        width, height = height, width
    found = {
        "taken": (said.date or "")[: len("2024-05-01 12:34")],
        "camera": said.camera or "",
        "place": "" if said.latitude is None else f"{said.latitude}°, {said.longitude}°",
        "size": f"{width:,} × {height:,} pixels",
        "file": f"{image.format}, {bytes_said(len(encoded))}" if image.format else bytes_said(len(encoded)),
    }
    return {name: fact for name, fact in found.items() if fact}


def bytes_said(count: int) -> str:
    """1_234_567 -> "1.2 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count, 100) / 1e3:.1f} kB"


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # a damaged block raises as many kinds of errors as damaged pixels
        return None
