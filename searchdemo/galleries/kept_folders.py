"""Folders that programs keep for themselves: thumbnails, recycle bins, and what a photo library makes of its originals.

Their pictures are copies of others, or were thrown away. They are left out, counted and named.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from searchdemo.files import printable

# Of systems and NAS devices, in lower case. Those that begin with a full stop are hidden and need no entry.
SYSTEM_FOLDERS = {
    "@eadir",
    "@__thumb",
    "@tmp",
    "#recycle",
    "@recycle",
    "@recently-snapshot",
    "#snapshot",
    "~snapshot",
    "$recycle.bin",
    "recycler",
    "recycled",
    "network trash folder",
    "temporary items",
    "system volume information",
    "lost+found",
    "found.000",
    "__macosx",
    "thumbnails.photos",
}
PREVIEWS = {".lrdata"}  # folders with such a suffix hold previews alone: Lightroom
ORIGINALS = "originals|masters"
# A photo library by the suffix or the name of its folder -> which folders in it hold what the person brought
LIBRARIES = {
    ".photoslibrary": ORIGINALS,
    ".photolibrary": ORIGINALS,
    ".migratedphotolibrary": ORIGINALS,
    ".migratedaperturelibrary": ORIGINALS,
    ".aplibrary": ORIGINALS,
    ".cocatalog": ORIGINALS,  # of Capture One, as the next
    "captureone": r"(?!cache$).*",  # beside the pictures of a session
    "iphoto library": rf"{ORIGINALS}|\d{{4}}",  # the first versions had folders of years
}


def kept_by_program(name: str, parent: str) -> str:
    """What a folder of this name is, as a report says it: "folder @eaDir"; "" where its pictures are a person's own.

    parent: the name of the folder that it lies in.
    """
    lower = name.lower()
    if name.startswith(".") or lower in SYSTEM_FOLDERS or PurePath(lower).suffix in PREVIEWS:
        return f"folder {printable(name)}"
    if not re.fullmatch(_own(parent), lower, re.DOTALL):
        return f"folder {printable(name)} of {printable(parent)}"
    return ""


def _own(folder: str) -> str:
    """A pattern of the folders in this one that hold a person's own pictures."""
    lower = folder.lower()
    return LIBRARIES.get(lower) or LIBRARIES.get(PurePath(lower).suffix) or ".*"
