"""What tests of a person's folder share: reading its new files as a build does, without an encoder."""

from __future__ import annotations

from pathlib import Path

from searchdemo.collection.embed import opened
from searchdemo.galleries.base import Gallery, LivingPictures
from searchdemo.galleries.table import open_gallery


def read(place: Path, kind: str = "folder") -> Gallery:
    """The gallery of a folder, or of a list, all of whose files were read. Raises NoPictures when there is none."""
    gallery = open_gallery(f"{kind}:{place}")
    for pictures in (gallery.pictures, gallery.queries):
        if isinstance(pictures, LivingPictures):
            pictures.looked_at({row: opened(pictures.encoded(row))[1] for row in sorted(pictures.unread)})
            pictures.remember()
    return gallery.reopen()
