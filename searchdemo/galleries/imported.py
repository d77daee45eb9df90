"""Vectors that were made elsewhere, as `import` took them in: vectors:NAME."""

from __future__ import annotations

import re
from pathlib import Path

from searchdemo.errors import BadQuery, NoPictures
from searchdemo.files import own_folder, sha256_of
from searchdemo.galleries.base import Gallery
from searchdemo.galleries.items import FILE, Items
from searchdemo.types import Count

KIND = "vectors"
ENCODER = "imported"  # in the place of an encoder's name: nobody here knows what made them
NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,59}", re.ASCII)


def folder_of(name: str) -> str:
    """The folder of vectors:NAME in a store. Raises BadQuery for a name that is none."""
    if not NAME.fullmatch(name):
        raise BadQuery(
            f"{name!r} cannot name vectors: take 1 to 60 letters without accents, digits, '-', '_' and '.', and "
            "begin with a letter or a digit."
        )
    return f"{KIND}-{name}"


def open_vectors(
    argument: str = "", store: Path | None = None, download: bool = False, progress: Count | None = None, **_: object
) -> Gallery:
    """store: the root that builds go to. Raises NoPictures for a name that was not taken in, BadArtifact."""
    name = f"{KIND}:{argument}"
    path = (store or own_folder() / "indexes") / folder_of(argument) / ENCODER / FILE
    if not path.is_file():
        raise NoPictures(
            f"There are no vectors {argument!r} here: `python -m searchdemo import --vectors FILE --name {argument}` "
            "takes them in."
        )
    return Items.read(path).gallery(name, sha256_of(path), ENCODER)
