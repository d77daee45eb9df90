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
from searchdemo.ui.components import placeholder
from searchdemo.ui.components.thumbnails import Tile, picture_data

SHOWN = {
    "sources": ["upload", "clipboard", "webcam"],
    "height": 260,
    "buttons": [],
    "label": "Picture to search with",
    "placeholder": "Drop a picture, paste one, or click to choose",
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
            return open_picture(source_of(payload))
        except BadPicture as error:  # gradio would show what is raised here over the page
            return error

    def postprocess(self, value: bytes | Path | Tile | None) -> ImageData | None:
        """Encoded bytes, a file as it is, or a tile whose picture may be missing."""
        if value is None:
            return None
        if isinstance(value, Path):
            sent = super().postprocess(value)
            return sent if isinstance(sent, ImageData) else None
        return picture_data(*value) if isinstance(value, tuple) else picture_data(value)


functools.update_wrapper(QueryPicture.__init__, gr.Image.__init__)  # gradio reads the names of options from it


def readable(picture: Image.Image | BadPicture | None) -> Image.Image | None:
    """What a handler got of the field, if it is a picture. Raises the BadPicture that it is."""
    if isinstance(picture, BadPicture):
        raise picture
    return picture


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
