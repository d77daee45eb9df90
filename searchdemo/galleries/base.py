"""What a gallery is: pictures by row, their labels, and held-out queries."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from searchdemo.types import Blur


class Pictures(Protocol):
    """Pictures by row, read lazily: memory does not grow with their number."""

    labels: np.ndarray  # (n,) int16: index into Gallery.label_names; -1 where unknown

    def __len__(self) -> int: ...

    def encoded(self, row: int) -> bytes | None:
        """The file's own bytes (JPEG, PNG, WebP ...), or None when this row's picture is not on the machine."""


@dataclass(frozen=True)
class Gallery:
    """A set of pictures to search in, and queries that are not in it."""

    name: str  # as on the command line
    label_names: tuple[str, ...]  # the data set's own: "n01443537"
    class_names: tuple[str, ...]  # for people: "goldfish"; one for each label name
    pictures: Pictures  # what is searched
    queries: Pictures  # held out, same classes; may be empty
    fingerprint: str  # SHA-256 over the content in row order: an index belongs to one
    missing: str = ""  # one sentence when pictures are not on this machine: what, and how to get them
    captions: tuple[str, ...] = ()  # a sentence a picture, where the gallery has them
    example_texts: tuple[str, ...] = ()  # queries in words to click

    def label(self, row: int) -> str:
        number = self.pictures.labels[row]
        return self.label_names[number] if number >= 0 else ""

    def file(self, row: int) -> str:
        """The path within the folder, for people, where the pictures are a person's own files; else ""."""
        paths = getattr(self.pictures, "paths", None)
        return printable(paths[row]) if paths else ""

    def blur(self, row: int) -> Blur | None:
        """A blurred stand-in for a picture that is not on the machine, where the gallery comes with them."""
        blurs = getattr(self.pictures, "blurs", None)
        return blurs[row] if blurs else None

    def class_name(self, row: int) -> str:
        number = self.pictures.labels[row]
        return self.class_names[number] if number >= 0 else ""


def printable(name: str) -> str:
    """A file's name as valid Unicode: bytes that are no UTF-8 become their escapes, so two names stay two."""
    return os.fsencode(name).decode(errors="backslashreplace")


@dataclass(frozen=True)
class GallerySpec:
    """One entry of the GALLERIES table: static facts, and how to open it."""

    name: str
    title: str  # one line for people
    size: int | None  # pictures; None when only opening tells
    open: Callable[..., Gallery]  # open(argument: str = "", data_dir: Path | None = None) -> Gallery
    on_page: bool = True  # False: command line only
    terms: str = ""  # where the pictures come from and what may be done with them
