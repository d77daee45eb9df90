"""A drawn tile in place of a picture that is not on this machine."""

from __future__ import annotations

import base64
import io
from urllib.parse import quote

from searchdemo.galleries.blurs import unblurred
from searchdemo.types import Blur
from searchdemo.ui.components.templates import render

ADDRESS = "data:image/svg+xml,"  # the address of every drawn tile begins with it


def placeholder(caption: str, blur: Blur | None = None) -> str:
    """The `data:` URL of the tile: the caption on the picture's blurred stand-in, or on grey where there is none.

    An empty caption means that the words stand beside the tile: it shows the stand-in alone, or hills and a sun.
    """
    png, lines = io.BytesIO(), rows_of(caption)
    if blur and (stand_in := unblurred(blur)):
        stand_in.save(png, "PNG")
    content = base64.b64encode(png.getvalue()).decode() if png.tell() else ""
    return ADDRESS + quote(render("placeholder.svg", png=content, lines=lines, count=len(lines)))


def rows_of(caption: str) -> list[str]:
    """The caption, broken into at most four lines of about 14 characters."""
    rows: list[str] = []
    for word in caption.split():
        if rows and len(rows[-1] + word) < 14:
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return rows[:4]
