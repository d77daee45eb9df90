"""What the tests of the command line share: an encoder that counts, and a small build of `scenes`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from searchdemo.collection.build import balanced_rows
from searchdemo.files import sha256_of
from searchdemo.galleries.table import open_gallery
from searchdemo.pictures import open_picture
from tests.colours import Colours

LIMIT = 60
SCENES = ["--gallery", "scenes", "--limit", str(LIMIT)]
ROOT = Path(__file__).parents[1]


class CountingColours(Colours):
    """Knows how many pictures it was given; its digest follows the weights file that was named."""

    encoded = 0

    def __init__(self, weights: Path | None = None):
        self.weights_sha256 = sha256_of(weights) if weights else Colours.weights_sha256

    def encode_pixels(self, pixels):
        CountingColours.encoded += len(pixels)
        return super().encode_pixels(pixels)


def colours_for_bundled(monkeypatch) -> None:
    monkeypatch.setattr(
        "searchdemo.encoders.table.load", lambda name, weights=None, **options: CountingColours(weights)
    )
    monkeypatch.setattr("searchdemo.encoders.table.weights_path", lambda name: None)
    CountingColours.encoded = 0


def scene_rows() -> np.ndarray:
    return balanced_rows(open_gallery("scenes").pictures.labels, LIMIT)


def embedded(pictures, rows) -> np.ndarray:
    return Colours().encode_images([open_picture(pictures.encoded(int(row))) for row in rows])


def folder_of(colours: dict[str, str], folder: Path) -> str:
    """{"name.png": colour} as files; the gallery's name."""
    for name, colour in colours.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), colour).save(folder / name)
    return f"folder:{folder}"
