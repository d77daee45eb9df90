"""A person's folder that changes, for the tests of living folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Artifact, Key
from tests.conftest import World, png

ENCODER = "mean-colour"


class LivingFolder:
    """A folder of plain pictures, and its builds and searches, each by a process of its own."""

    def __init__(self, root: Path, world: World):
        self.root, self.world = root, world
        root.mkdir()

    def add(self, name: str, *colour: int) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(png(colour))

    def add_many(self, number: int, seed: int = 0) -> None:
        for i, colour in enumerate(np.random.default_rng(seed).permutation(2**15)[:number]):
            self.add(f"{seed}-{i:03}.png", colour % 32 * 8, colour // 32 % 32 * 8, colour // 1024 * 8 + 1)

    @property
    def key(self) -> Key:
        return Key(f"folder:{self.root}", ENCODER)

    def build(self, **options) -> Artifact:
        return self.world.library().build(self.key, **options)

    def built(self, **options) -> tuple[int, int, int]:
        """Numbers of pictures that a build embedded, reused and removed. What the encoder was given is the first."""
        self.world.encoder.encoded = 0
        facts = self.build(**options).manifest.built
        assert self.world.encoder.encoded == facts["embedded"]
        return facts["embedded"], facts["reused"], facts["removed"]

    def open(self, library: Library | None = None):
        return (library or self.world.library()).open(f"folder:{self.root}", ENCODER)

    def search(self, text: str, k: int = 3, index: str = "flat", library: Library | None = None):
        return self.open(library).search(Query(text=text), index, k)

    def rows(self) -> dict[str, int]:
        """File -> row, of all that a search finds."""
        return {hit.file: hit.row for hit in self.search("white", 1000).hits}


def three_colours(root: Path, world: World) -> LivingFolder:
    """Three pictures in two classes."""
    folder = LivingFolder(root, world)
    folder.add("b/red.png", 255, 0, 0)
    folder.add("b/green.png", 0, 255, 0)
    folder.add("c/blue.png", 0, 0, 255)
    return folder
