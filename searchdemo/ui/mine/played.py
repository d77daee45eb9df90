"""The videos of the person at this machine, served so that the browser plays one at the second of a hit."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from searchdemo.errors import SearchDemoError
from searchdemo.formats import START_BYTES
from searchdemo.galleries.base import Frame
from searchdemo.ui.mine.place import at_this_machine
from searchdemo.ui.page import Page
from searchdemo.video import media_type

PLACE = "video"
HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",  # no other page shows it, not even another server's of this machine
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Encoding": "identity",  # gradio would compress it, and parts of a compressed file are of no use
}


def address(gallery: str, row: int, frame: Frame) -> str:
    """Relative to the page, at the time of the frame, as media fragments of the W3C are written."""
    return f"{PLACE}?{urlencode({'gallery': gallery, 'row': row})}#t={frame.seconds:.3f}"


def route(page: Page) -> Route:
    def serve(request: Request) -> Response:
        return answer(page, request)

    return Route(f"/{PLACE}", serve, methods=["GET", "HEAD"])


def answer(page: Page, request: Request) -> Response:
    """The video that a row of a folder is a frame of, whole or the range that is asked for.

    A visitor names a folder that is open on this page and a number, never a path. 403 for whoever does not sit at this
    machine, 404 for what is no such row, or no video any more.
    """
    gallery, row = request.query_params.get("gallery", ""), request.query_params.get("row", "")
    if not at_this_machine(page.demo, request):
        return PlainTextResponse("Videos are played only at the machine that serves this page.", 403)
    frame = _frame(page, gallery, row)
    if frame is not None and frame.path is not None:
        try:
            with frame.path.open("rb") as file:
                kind = media_type(file.read(START_BYTES))
        except OSError:
            kind = ""
        if kind:
            return FileResponse(frame.path, media_type=kind, headers=HEADERS)
    return PlainTextResponse("There is no such video any more.", 404)


def _frame(page: Page, gallery: str, row: str) -> Frame | None:
    is_open = gallery.startswith("folder:") and gallery in (*page.galleries, *page.own.folders)
    if not is_open or not (row.isascii() and row.isdecimal()):
        return None
    try:
        pictures = page.library.gallery(gallery).pictures
    except SearchDemoError:
        return None
    return pictures.frame(int(row)) if int(row) < len(pictures) else None
