"""A person's own pictures: a folder, flat or with one sub-folder per class.

Rows are the readable picture files, sorted by relative path. Each file is checked once, when the folder is opened, so a
bad file never shifts the rows of the others later.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from searchdemo.errors import BadPicture, NoPictures
from searchdemo.galleries.base import Gallery, Pictures, printable
from searchdemo.pictures import open_header, open_picture
from searchdemo.types import Count

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm", ".tga"}
EDGE_BYTES = 65_536  # the fingerprint takes so many from the beginning and from the end of a file
NAMED = 3  # `missing` names so many of the unreadable files


def open_folder(argument: str, progress: Count | None = None, **options: object) -> Gallery:
    """argument: the folder's path. progress: (files looked at, files in all). Options of other galleries are ignored.

    Hidden files, links to folders and files that are not named like pictures are ignored. Pictures that cannot be read
    are left out, and `missing` names them.
    Raises NoPictures when there is no such folder or no readable picture in it.
    """
    root = Path(argument).expanduser()
    if not argument or not root.is_dir():
        raise NoPictures(f"There is no folder {argument!r}; write folder:PATH with the path of your pictures.")
    paths = _picture_paths(root)
    digest, readable, unreadable = hashlib.sha256(), [], []
    for number, path in enumerate(paths, start=1):
        try:
            identity = _check(root / path)
        except (BadPicture, OSError):
            unreadable.append(path)
        else:
            digest.update(f"{path}\0{identity}\n".encode(errors="surrogateescape"))
            readable.append(path)
        if progress is not None:
            progress(number, len(paths))
    if not readable:
        found = f"{len(paths)} files named like pictures, none of them readable" if paths else "no picture files"
        raise NoPictures(f"The folder {argument!r} holds {found}; put JPEG, PNG or WebP files in it.")
    classes = [path.split("/")[0] if "/" in path else "" for path in readable]
    names = tuple(sorted(set(classes) - {""}))
    number_of = {name: i for i, name in enumerate(names)} | {"": -1}
    labels = np.array([number_of[name] for name in classes], dtype=np.int16)
    label_names = tuple(map(printable, names))
    return Gallery(
        name=f"folder:{argument}",
        label_names=label_names,
        class_names=tuple(name.replace("_", " ") for name in label_names),
        pictures=FolderPictures(root, readable, labels, _missing(argument, unreadable)),
        queries=FolderPictures(root, [], labels[:0]),
        fingerprint=digest.hexdigest(),
    )


class FolderPictures(Pictures):
    """Files by row. Only their names are kept in memory."""

    def __init__(self, root: Path, paths: list[str], labels: np.ndarray, missing: str = ""):
        self.labels, self.source = labels, str(root)
        self.paths = paths  # relative, with "/" between folders, byte for byte as on the disk
        self._root, self._missing = root, missing

    @property
    def missing(self) -> str:
        return self._missing

    def encoded(self, row: int) -> bytes | None:
        try:
            return (self._root / self.paths[row]).read_bytes()
        except OSError:  # gone since the folder was opened
            return None

    def has(self, row: int) -> bool:
        return (self._root / self.paths[row]).is_file()

    def file(self, row: int) -> str:
        return printable(self.paths[row])


def _picture_paths(root: Path) -> list[str]:
    found = []
    for here, folders, names in os.walk(root):  # follows no links to folders, so it cannot run in a circle
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(here).relative_to(root)
        found += [
            (inside / name).as_posix()
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
    return sorted(found)


def _check(path: Path) -> str:
    """The part of the fingerprint that a file gives: its size, and the SHA-256 of its beginning and end.

    The time of change is no part of it: a copy of the folder has another one, and an edit may keep it. Nor are all
    bytes: for 10,000 photographs each opening would read 40 GB. An edit of a compressed picture hardly keeps its size
    and both its edges.
    Raises BadPicture when the file cannot be read as a picture. Its header must be sound, a JPEG must have its end
    marker, and a PNG the right checksums. All other files are decoded once.
    """
    with path.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(0)
        file = io.BytesIO(opened.read()) if size <= 2 * EDGE_BYTES else opened  # a small file is read once
        start = file.read(EDGE_BYTES)
        file.seek(max(0, size - EDGE_BYTES))
        end = file.read()
        file.seek(0)
        image = open_header(file, f"{path.name!r}")
        if image.format == "PNG":
            _verify(image, path)
        elif image.format not in ("JPEG", "MPO") or not end.rstrip(b"\0").endswith(b"\xff\xd9"):
            open_picture(image)  # some cameras write more after the end marker, so its absence proves nothing
    return f"{size} {hashlib.sha256(start + end).hexdigest()}"


def _verify(image: Image.Image, path: Path) -> None:
    try:
        image.verify()
    except Exception as error:  # as in pictures.py: bad bytes let Pillow raise nearly anything
        raise BadPicture(f"{path.name!r} is damaged ({error}); save it again.") from error


def _missing(argument: str, unreadable: list[str]) -> str:
    if not unreadable:
        return ""
    names = ", ".join(map(printable, unreadable[:NAMED])) + (" ..." if len(unreadable) > NAMED else "")
    files = "1 file" if len(unreadable) == 1 else f"{len(unreadable):,} files"
    return f"{files} in {argument!r} cannot be read as pictures and were left out: {names}."
