"""Drawn scenes for training: pictures, and captions of which it is known which pictures they are true of."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from searchdemo.files import replacing
from searchdemo.galleries.drawing.captions import SAID
from searchdemo.galleries.drawing.picture import draw
from searchdemo.galleries.drawing.scene import Scene, sample
from training.data import Say

ATTRIBUTES = tuple(SAID)  # that captions may tell
SEED, COUNT, PX = 10_000, 8000, 96  # the gallery and its queries have other seeds, and as many pixels


def load_scenes(cache_dir: Path, say: Say, count: int = COUNT) -> tuple[np.ndarray, list[Scene]]:
    """Pixels (count, 96, 96, 3) uint8 and their scenes. They are drawn once and then mapped into memory."""
    scenes = sample(SEED, count)
    path = cache_dir / f"scenes-{count}.npy"
    if not path.exists():
        say(f"drawing {count} scenes")
        with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
            pixels = np.stack(list(pool.map(drawn, scenes, chunksize=100)))
        with replacing(path) as partial, partial.open("wb") as file:
            np.save(file, pixels)
    return np.load(path, mmap_mode="r"), scenes


def drawn(scene: Scene) -> np.ndarray:
    return np.asarray(draw(scene, PX).convert("RGB"))


def codes(scenes: list[Scene]) -> tuple[np.ndarray, dict[tuple[str, str], int]]:
    """Attributes of each scene as numbers (n, len(ATTRIBUTES)) int16, and the number of each (attribute, value)."""
    values = [scene.attributes() for scene in scenes]
    numbers = {
        (name, value): number
        for name in ATTRIBUTES
        for number, value in enumerate(sorted({scene[name] for scene in values}))
    }
    return np.array([[numbers[name, scene[name]] for name in ATTRIBUTES] for scene in values], np.int16), numbers


def matches(said: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Which captions are true of which pictures: (captions, pictures) bool.

    said: (captions, attributes), -1 for what a caption leaves open; pictures: (pictures, attributes).
    """
    return ((said[:, None, :] < 0) | (said[:, None, :] == pictures[None, :, :])).all(axis=2)
