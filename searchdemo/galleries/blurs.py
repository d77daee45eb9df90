"""Blurred stand-ins for pictures that are not on the machine: one ThumbHash per picture, in one file that ships.

A ThumbHash holds the lowest frequencies of a picture in 24 bytes: its colours and their places, no more (Evan Wallace,
evanw.github.io/thumbhash, 2023).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from searchdemo.errors import BadArtifact
from searchdemo.files import replacing
from searchdemo.pictures import open_picture
from searchdemo.shipped import check
from searchdemo.types import Blur

log = logging.getLogger(__name__)

BLUR_BYTES = 24  # of a square picture without transparency


def blur_of(picture: bytes) -> Blur:
    """picture: encoded, square, at most 100 px per side. Raises BadPicture, ImportError (see requirements.txt)."""
    from thumbhash import rgba_to_thumb_hash

    opened = open_picture(picture)
    return Blur(rgba_to_thumb_hash(*opened.size, opened.convert("RGBA").tobytes()))


def unblurred(blur: Blur) -> Image.Image | None:
    """32 x 32 pixels, RGB. None without the library, which has no wheels for Linux on ARM (see requirements.txt)."""
    try:
        from thumbhash import thumb_hash_to_rgba
    except ImportError:
        return None
    width, height, rgba = thumb_hash_to_rgba(bytes(blur))
    return Image.frombytes("RGBA", (width, height), bytes(rgba)).convert("RGB")


class Blurs:
    """The stand-ins of a gallery, by row. The file is read for the first of them."""

    def __init__(self, path: Path, fingerprint: str):
        """fingerprint: of the gallery. A file that was made from another gallery is refused."""
        self._path, self._fingerprint, self._failed = path, fingerprint, False

    def __getitem__(self, row: int) -> Blur:
        """Raises BadArtifact when the file is missing, damaged (its zip has checksums) or of another gallery."""
        return Blur(self._rows[row].tobytes())

    def get(self, row: int) -> Blur | None:
        """None, a grey tile, where the file is missing or damaged, which is logged once: a search goes on without."""
        if self._failed:
            return None
        try:
            return self[row]
        except BadArtifact as error:
            self._failed = True
            log.warning("%s Until then, pictures that are not here are shown as grey tiles.", error)
            return None

    @cached_property
    def _rows(self) -> np.ndarray:  # (n, BLUR_BYTES) uint8
        try:
            with np.load(check(self._path), allow_pickle=False) as file:
                rows, fingerprint = file["blurs"], str(file["fingerprint"])
        except BadArtifact:
            raise
        except Exception as error:  # zipfile, zlib, numpy and the file system each raise their own
            raise BadArtifact(
                f"{self._path} is missing or damaged ({error}); get it again with `git checkout`."
            ) from error
        if fingerprint != self._fingerprint or rows.shape[1:] != (BLUR_BYTES,):
            raise BadArtifact(
                f"{self._path} was made from other pictures than the gallery's; get it again with `git checkout`."
            )
        return rows


def save_blurs(pictures: Iterable[bytes], fingerprint: str, path: Path) -> int:
    """Writes the file from the encoded pictures in row order. Returns their number."""
    blurs = [np.frombuffer(blur_of(picture), np.uint8) for picture in pictures]
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, blurs=np.stack(blurs), fingerprint=fingerprint)
    return len(blurs)
