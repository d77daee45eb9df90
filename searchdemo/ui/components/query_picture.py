"""The field for a picture to search with."""

from __future__ import annotations

import base64
import functools
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio_client import utils as client_utils
from PIL import Image

from searchdemo.errors import BadPicture
from searchdemo.pictures import open_picture
from searchdemo.types import Blur
from searchdemo.ui.components import placeholder
from searchdemo.ui.components.thumbnails import Tile, picture_data

FOREIGN = "foreign"  # in the `info` of a picture: browsers cannot show its file
# How files begin that all browsers show; AVIF names itself further on.
FAMILIAR = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF", b"BM")
SHOWN = {
    "sources": ["upload", "clipboard", "webcam"],
    "height": 260,
    "buttons": [],
    "label": "Picture to search with",
    "placeholder": "Drop a picture, paste one, or click to choose",
    "format": "jpeg",  # of a picture that is shown in place of a foreign one
}


class QueryPicture(gr.Image):
    """Handlers get the picture upright in RGB, or the BadPicture that says why it cannot be read: see `readable`."""

    is_template = True  # it uses the browser code of gr.Image

    def __init__(self, **options: Any) -> None:
        super().__init__(**SHOWN | options)

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """gradio would fetch a URL of any size for a client of the API."""
        if client_utils.is_http_url_like(str(url_or_file_path)):
            raise gr.Error("A picture is not fetched from an address: upload its bytes.", print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)

    def preprocess(self, payload: ImageData | None) -> Image.Image | BadPicture | None:
        """None for a drawn tile: it stands for a stored query, whose Origin says which."""
        if payload is None or (payload.url or "").startswith(placeholder.ADDRESS):
            return None
        try:
            source = source_of(payload)
            opened = open_picture(source)
            opened.info[FOREIGN] = foreign(source)
            return opened
        except BadPicture as error:  # gradio would show what is raised here over the page
            return error

    def postprocess(self, value: bytes | Path | Image.Image | Tile | None) -> ImageData | None:
        """Encoded bytes, a file as it is, an opened picture, or a tile whose picture may be missing."""
        if value is None:
            return None
        if isinstance(value, (Path, Image.Image)):
            sent = super().postprocess(value)
            return sent if isinstance(sent, ImageData) else None
        return picture_data(*value) if isinstance(value, tuple) else picture_data(value)


functools.update_wrapper(QueryPicture.__init__, gr.Image.__init__)  # gradio reads the names of options from it


def foreign(source: bytes | Path) -> bool:
    """Whether browsers cannot show the file, as those of cameras and scanners: TIFF, HEIC ..."""
    if isinstance(source, bytes):
        start = source[:16]
    else:
        with source.open("rb") as file:
            start = file.read(16)
    return not start.startswith(FAMILIAR) and b"ftypavif" not in start


def readable(picture: Image.Image | BadPicture | None) -> Image.Image | None:
    """What a handler got of the field, if it is a picture. Raises the BadPicture that it is."""
    if isinstance(picture, BadPicture):
        raise picture
    return picture


def opened_picture(encoded: bytes | Blur | None) -> Image.Image | BadPicture | None:
    """What a handler gets of the field where it shows a stored picture. None for what stands in for one."""
    if encoded is None or isinstance(encoded, Blur):
        return None
    try:
        return open_picture(encoded)
    except BadPicture as error:
        return error


def source_of(payload: ImageData) -> bytes | Path:
    """The bytes or the file that the browser sent. Raises BadPicture."""
    if payload.url and payload.url.startswith("data:"):
        try:
            return base64.b64decode(payload.url.partition(",")[2], validate=True)
        except ValueError as error:
            raise BadPicture("This data: URL cannot be decoded; bring a JPEG, PNG, WebP or GIF.") from error
    if not payload.path:
        raise BadPicture("No picture arrived; bring a JPEG, PNG, WebP or GIF.")
    return Path(payload.path)
