"""Drawn scenes for training: pictures, and captions whose truth about every picture is known."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PIL.Image import Resampling

from searchdemo.galleries.drawing.captions import OPENINGS, SAID, SYNONYMS, describe
from searchdemo.galleries.drawing.picture import draw
from searchdemo.galleries.drawing.scene import Scene, sample

ATTRIBUTES = tuple(SAID)  # what captions speak of
SEED, COUNT, PX = 10_000, 8000, 64  # the gallery and its queries are of other seeds
DRAWN_PX = 96  # drawn like the gallery's and then reduced like a query


def load_scenes(cache_dir: Path, say, count: int = COUNT) -> tuple[np.ndarray, list[Scene]]:
    """Pixels (count, 64, 64, 3) uint8 and what is in them; drawn once, then mapped."""
    scenes = sample(SEED, count)
    path = cache_dir / f"scenes-{count}.npy"
    if not path.exists():
        say(f"drawing {count} scenes")
        pixels = np.stack(
            [np.asarray(draw(scene, DRAWN_PX).convert("RGB").resize((PX, PX), Resampling.BICUBIC)) for scene in scenes]
        )
        partial = path.with_suffix(".partial.npy")
        np.save(partial, pixels)
        partial.replace(path)
    return np.load(path, mmap_mode="r"), scenes


def codes(scenes: list[Scene]) -> tuple[np.ndarray, dict[tuple[str, str], int]]:
    """Attributes of each scene as numbers (n, len(ATTRIBUTES)) int16, and the number of each (attribute, value)."""
    values = [scene.attributes() for scene in scenes]
    numbers = {
        (name, value): number
        for name in ATTRIBUTES
        for number, value in enumerate(sorted({scene[name] for scene in values}))
    }
    return np.array([[numbers[name, scene[name]] for name in ATTRIBUTES] for scene in values], np.int16), numbers


def caption(scene: Scene, rng: random.Random) -> tuple[str, set[str]]:
    """A true sentence in varied words that says only some of what there is, and the names of what it says."""
    said = {name: value for name, value in scene.attributes().items() if rng.random() < SAID[name]}
    if not said.keys() & {"thing", "colour", "setting"}:
        said["thing"] = scene.thing
    say = {word: rng.choice(others) for word, others in SYNONYMS.items() if rng.random() < 0.3}
    return rng.choice(OPENINGS) + describe(said, say), set(said)


def truth(said: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Which captions are true of which pictures: (captions, pictures) bool.

    said: (captions, attributes), -1 for what a caption leaves open; pictures: (pictures, attributes).
    """
    return ((said[:, None, :] < 0) | (said[:, None, :] == pictures[None, :, :])).all(axis=2)
