"""Pictures as `data:` URLs: what a tile shows, and how it gets to the browser."""

from __future__ import annotations

import base64
import re

from gradio.data_classes import ImageData

from searchdemo.collection.collection import Collection
from searchdemo.errors import BadPicture
from searchdemo.galleries.base import Gallery
from searchdemo.jpeg import smaller_jpeg
from searchdemo.pictures import open_picture
from searchdemo.types import Blur
from searchdemo.ui.components.placeholder import placeholder

Tile = tuple[bytes | Blur | None, str]  # (encoded picture, else its blurred stand-in, else None; caption)

THUMBNAIL_PX = 256  # the longer side of a thumbnail
INLINE_BYTES = 64 * 1024  # the browser gets a stored picture up to this size as it is, a larger one as a thumbnail
SIGNATURES = ((b"\xff\xd8", "jpeg"), (b"\x89PNG", "png"), (b"RIFF", "webp"), (b"GIF8", "gif"))


def row_tile(gallery: Gallery, row: int, caption: str) -> Tile:
    """A picture of the gallery."""
    return gallery.pictures.shown(row) or gallery.blur(row), caption


def query_tile(collection: Collection, number: int, kind: str = "query") -> Tile:
    """A stored held-out query, with its class where that is known."""
    label = collection.truth[number]
    name = collection.gallery.class_names[label] if label >= 0 else "query"
    return collection.query_picture(number), f"{name} ({kind} {number})"


def shown_url(picture: bytes | Blur | None, caption: str = "") -> str:
    """What the browser shows: the stored bytes, a thumbnail of a large picture, or a drawn tile with the caption."""
    if picture is None or isinstance(picture, Blur):
        return placeholder(caption, picture)
    try:
        return picture_url(picture, THUMBNAIL_PX)
    except BadPicture:
        return placeholder(caption)


def picture_data(picture: bytes | Blur | None, caption: str = "") -> ImageData:
    """As `shown_url`, for gradio's own picture."""
    url = shown_url(picture, caption)
    return ImageData(url=url, mime_type=re.split("[;,]", url.removeprefix("data:"), maxsplit=1)[0])


def picture_url(picture: bytes, side: int) -> str:
    """The `data:` URL of a small file as it is, of a larger one or one that browsers may not know as a JPEG of at most
    `side` x `side` pixels. Raises BadPicture.
    """
    kind = next((kind for start, kind in SIGNATURES if picture.startswith(start)), None)
    turned = kind == "webp" and b"EXIF" in picture  # Chromium does not turn a WebP as its header says; we do
    if kind is None or len(picture) > INLINE_BYTES or turned:
        picture, kind = smaller_jpeg(open_picture(picture), side), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
