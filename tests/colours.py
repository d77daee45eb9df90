"""An encoder whose answers can be worked out by hand, and a library over `scenes` that is built with it in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.encoders.base import How

NAMED = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1)}


class Colours:
    """A picture's embedding is its own 4 x 4 pixels, a text's is all of that colour. Stands in for `bundled`."""

    name, dim, has_text = "bundled", 48, True
    how, transform = How("cpu", "openvino", "float32"), "own"
    weights_sha256, stand_in = "c0" * 32, True

    def preprocess(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.stack([np.asarray(image.convert("RGB").resize((4, 4)), np.float32).ravel() for image in images])

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        return self.rows(pixels)

    def rows(self, pixels: np.ndarray) -> np.ndarray:
        rows = pixels / 255 + 1e-3
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.encode_pixels(self.preprocess(images))

    def text_notice(self, text: str) -> str:
        return ""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        colours = [next((NAMED[word] for word in text.split() if word in NAMED), (0.5, 0.5, 0.5)) for text in texts]
        return self.rows(np.array([colour * 16 for colour in colours], np.float32) * 255)


def scenes_library(home: Path, monkeypatch, limit: int | None = 300) -> Library:
    """`scenes`, or a balanced part of it, embedded by Colours under `home`."""
    monkeypatch.setattr("searchdemo.encoders.table.load", lambda name, **options: Colours())
    library = Library(Store(own=home, shipped=home / "nothing-ships"))
    library.build(Key("scenes", "bundled", limit=limit))
    return library
