"""Pieces that tabs are made of: thumbnails, a picture to search with, errors as sentences."""

from __future__ import annotations

import base64
import functools
import html
import inspect
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import gradio as gr
from gradio.components.gallery import GalleryData, GalleryImage
from gradio.data_classes import ImageData
from gradio_client import utils as client_utils
from PIL import Image

from searchdemo.errors import BadPicture, SearchDemoError
from searchdemo.galleries.blurs import unblurred
from searchdemo.pictures import open_picture
from searchdemo.types import Blur, SearchResult

Tile = tuple[bytes | Blur | None, str]  # (encoded picture, else its blurred stand-in, else None; caption)

TILE = "data:image/svg+xml,"  # how the address of a drawn tile begins
THUMBNAIL_PX = 256  # of pictures that are too large to be sent as they are
INLINE_BYTES = 64 * 1024  # a stored picture up to this size goes to the browser as it is
SIGNATURES = ((b"\xff\xd8", "jpeg"), (b"\x89PNG", "png"), (b"RIFF", "webp"), (b"GIF8", "gif"))


class Thumbnails(gr.Gallery):
    """A grid of tiles, sent as `data:` URLs: one answer in place of a request a picture, and no file is exposed.

    24 results of 64 x 64 pixels are on the screen in 40 ms this way, in 200 ms as files.
    """

    is_template = True  # uses the browser code of gr.Gallery

    @functools.wraps(gr.Gallery.__init__)  # gradio sends the browser what the signature names
    def __init__(self, elem_classes: str = "", **options):
        super().__init__(
            elem_classes=["tiles", *elem_classes.split()],  # see style.py
            **{
                "columns": 6,
                "height": "auto",
                "object_fit": "contain",
                "allow_preview": False,
                "interactive": False,
                "buttons": [],
            }
            | options,
        )

    def postprocess(self, value: Sequence[Tile] | None) -> GalleryData:
        return GalleryData(
            root=[GalleryImage(image=picture_data(picture), caption=caption) for picture, caption in value or ()],
        )


class QueryPicture(gr.Image):
    """A picture to search with. Handlers get it upright in RGB, or the visitor gets a sentence that says why not."""

    is_template = True

    @functools.wraps(gr.Image.__init__)
    def __init__(self, **options):
        super().__init__(
            **{
                "sources": ["upload", "clipboard", "webcam"],
                "height": 260,
                "buttons": [],
                "label": "Picture to search with",
                "placeholder": "Drop a picture, paste one, or click to choose",
            }
            | options
        )

    async def async_move_resource_to_block_cache(self, url_or_file_path):
        """gradio would fetch a URL of any size for a client of the API."""
        if client_utils.is_http_url_like(str(url_or_file_path)):
            raise gr.Error("A picture is not fetched from an address: upload its bytes.", print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)

    def preprocess(self, payload: ImageData | None) -> Image.Image | None:
        if payload is None or (payload.url or "").startswith(TILE):  # the tile stands for a query that has an Origin
            return None
        try:
            return open_picture(source_of(payload))
        except SearchDemoError as error:
            raise as_sentence(error) from None

    def postprocess(self, value: bytes | Tile | None) -> ImageData | None:
        """Encoded bytes, or a tile whose picture may be missing."""
        if value is None:
            return None
        return picture_data(*value) if isinstance(value, tuple) else picture_data(value)


def source_of(payload: ImageData) -> bytes | Path:
    """The bytes or the file of what the browser sent. Raises BadPicture."""
    if payload.url and payload.url.startswith("data:"):
        try:
            return base64.b64decode(payload.url.partition(",")[2], validate=True)
        except ValueError as error:
            raise BadPicture("This data: URL cannot be decoded; bring a JPEG, PNG, WebP or GIF.") from error
    if not payload.path:
        raise BadPicture("No picture arrived; bring a JPEG, PNG, WebP or GIF.")
    return Path(payload.path)


def picture_data(picture: bytes | Blur | None, caption: str = "") -> ImageData:
    """What the browser shows: the stored bytes, a thumbnail of a large picture, or a drawn tile with the caption."""
    if picture is None or isinstance(picture, Blur):
        return ImageData(url=placeholder(caption, picture), mime_type="image/svg+xml")
    kind = next((kind for start, kind in SIGNATURES if picture.startswith(start)), None)
    if kind is None or len(picture) > INLINE_BYTES:
        try:
            picture, kind = thumbnail(picture), "jpeg"
        except BadPicture:
            return ImageData(url=placeholder(caption), mime_type="image/svg+xml")
    url = f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
    return ImageData(url=url, mime_type=f"image/{kind}")


def thumbnail(picture: bytes) -> bytes:
    """JPEG, at most THUMBNAIL_PX a side. Raises BadPicture."""
    small = open_picture(picture)
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def placeholder(caption: str, blur: Blur | None = None) -> str:
    """The `data:` URL of a drawn tile, for a picture that is not on this machine: its caption on its blurred stand-in,
    or on grey where there is none.

    Without a caption, for where the words stand beside the tile: the stand-in alone, or hills and a sun.
    """
    stand_in = unblurred(blur) if blur else None
    if stand_in:
        back = (
            f'<image width="96" height="96" href="data:image/png;base64,{base64.b64encode(png(stand_in)).decode()}"/>'
        )
        outline = 'stroke="#000" stroke-opacity=".6" stroke-width="2.5" stroke-linejoin="round" paint-order="stroke"'
        style = f'fill="#fff" {outline}'  # readable on any colours: the outline is painted first, then the letters
    else:
        back = '<rect width="96" height="96" fill="#8d99ae" fill-opacity=".25"/>'
        style = 'fill="#8793aa"'
    words = caption_rows(caption)
    if not caption and not stand_in:
        words = '<circle cx="62" cy="36" r="6"/><path d="M20 68 40 40l13 17 8-9 15 20z"/>'
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">'
        f'{back}<g font-family="sans-serif" font-size="11" text-anchor="middle" {style}>{words}</g></svg>'
    )
    return TILE + quote(svg)


def caption_rows(caption: str) -> str:
    """The caption as SVG, broken into at most four centred lines."""
    lines = [""]
    for word in caption.split():
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if len(lines[-1] + word) < 14 else [*lines, word]
    lines = lines[:4]
    return "".join(
        f'<text x="48" y="{50 + 14 * (place - (len(lines) - 1) / 2):.0f}">{html.escape(line)}</text>'
        for place, line in enumerate(lines)
        if line
    )


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def tiles(result: SearchResult) -> list[Tile]:
    """A search result as Thumbnails shows it: rank, class and score under each picture."""
    return [
        (hit.picture or hit.blur, f"{hit.rank}. {hit.class_name or hit.file or f'row {hit.row}'}  {hit.score:.3f}")
        for hit in result.hits
    ]


def timing(result: SearchResult, truth: str = "") -> str:
    """The slim line above results, as HTML: what each step took, and what the person should know."""
    facts = [f"<span>{result.timing}</span>"]
    facts += [f"<span>query: {html.escape(truth)}</span>"] * bool(truth)
    facts += [f"<span class='notice'>{html.escape(result.notice)}</span>"] * bool(result.notice)
    return f"<div class='timing'>{' · '.join(facts)}</div>"


def as_sentence(error: SearchDemoError) -> gr.Error:
    """What the page shows as a message, without a stack trace anywhere. gradio reads the text as HTML."""
    return gr.Error(html.escape(str(error), quote=False), print_exception=False, title="", duration=12)


def sentence_errors(handler: Callable) -> Callable:
    """Decorator of a handler, plain or generator: a SearchDemoError becomes a message on the page."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def guarded(*values):
            try:
                yield from handler(*values)
            except SearchDemoError as error:
                raise as_sentence(error) from None
    else:

        @functools.wraps(handler)
        def guarded(*values):
            try:
                return handler(*values)
            except SearchDemoError as error:
                raise as_sentence(error) from None

    return guarded
