"""The map of a set of vectors: made once, kept beside them, read with NumPy alone."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from searchdemo.collection.layout import Search, layout
from searchdemo.collection.progress import Report
from searchdemo.errors import BadArtifact
from searchdemo.files import replacing
from searchdemo.types import MISSING

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection

FILE = "map.npy"
EXACT_UP_TO = 20_000  # pictures whose neighbours are searched exactly; the time of that grows with the square
NPROBE = 32  # of a search among more
STEPS = 65_535  # positions are stored as uint16
TEMPERATURE = 0.03  # of the weights that place a query


@dataclass(frozen=True)
class Map:
    """Where each position lies."""

    stored: np.ndarray  # (n, 2) uint16, STEPS is the far side; read only
    made: str  # "t-SNE of perplexity 30 by openTSNE 1.0.4"

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def points(self) -> np.ndarray:
        """(n, 2) float32 in [0, 1]."""
        return self.stored.astype(np.float32) / STEPS

    def place(self, positions: np.ndarray, cosines: np.ndarray) -> tuple[float, float]:
        """Where a query belongs whose nearest are these (k,): their mean, weighted by exp(cosine / TEMPERATURE)."""
        weights = np.exp((cosines - cosines.max()) / TEMPERATURE)
        x, y = (weights[:, None] * self.points[positions]).sum(axis=0) / weights.sum()
        return float(x), float(y)


def build_map(collection: Collection, report: Report = lambda progress: None) -> Map:
    """Makes the map of a collection and keeps it beside the vectors. Raises NotInstalled; see `layout`."""
    started = time.perf_counter()
    points, made = layout(collection.vectors.all(), nearest(collection), report)
    return keep(collection, points, made, round(time.perf_counter() - started, 1))


def nearest(collection: Collection) -> Search:
    """Searches exactly among up to EXACT_UP_TO vectors, nearly so among more. None that it finds is MISSING."""
    exact = collection.index("flat")
    near = collection.index("ivf") if len(collection) > EXACT_UP_TO else exact

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        found = near.search(queries, k, **({} if near is exact else {"nprobe": NPROBE}))
        short = (found.positions == MISSING).any(axis=1)  # all the cells that were visited hold fewer than k
        if short.any():
            again = exact.search(queries[short], k)
            found.positions[short], found.scores[short] = again.positions, again.scores
        return found.positions, found.scores

    return search


def keep(collection: Collection, points: np.ndarray, made: str, build_seconds: float = 0.0) -> Map:
    """Keeps points (n, 2) in [0, 1] as the map of a collection, in the place of the one that it had."""
    stored = np.round(points * STEPS).astype(np.uint16)
    stored.flags.writeable = False
    return collection.shelf.keep_map(collection.artifact, collection.snapshot, Map(stored, made), build_seconds)


def save(drawn: Map, path: Path) -> None:
    """Without what it says of itself, which its card does."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, drawn.stored)


def load(path: Path, vectors: int) -> Map:
    """path: verified. Raises BadArtifact when it is not a map of so many vectors."""
    try:
        stored = np.load(path, allow_pickle=False)
        made = json.loads(path.with_name(f"{path.name}.json").read_text())["made"]
        if stored.dtype != np.uint16 or stored.shape != (vectors, 2):
            raise ValueError(f"{stored.dtype} of shape {stored.shape}, wanted uint16 of ({vectors}, 2)")
    except (OSError, ValueError, KeyError) as error:
        raise BadArtifact(f"{path} is not a map of these vectors ({error}); delete it and make it again.") from error
    stored.flags.writeable = False
    return Map(stored, made)
