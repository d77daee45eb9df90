"""The one place that writes JPEGs: frames of videos, thumbnails, and what a page shows of larger pictures."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

QUALITY = 85


def smaller_jpeg(picture: Image.Image, side: int, quality: int = QUALITY) -> bytes:
    """An RGB picture as JPEG, its longer side at most `side` pixels. It is made smaller in place."""
    picture.thumbnail((side, side))
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
