"""Several vectors per picture, of the whole and of its parts: to all others a position stays a picture.

The file of an index holds them one after the other, those of picture p from p x each on, that of the whole first. Only
here positions of pictures become positions of vectors, and back: a picture is as near as its nearest part.
"""

from __future__ import annotations

import numpy as np

from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.vectors import ArrayVectors, Vectors
from searchdemo.types import MISSING, Count, Neighbors


def spread(pictures: np.ndarray, each: int) -> np.ndarray:
    """Positions of pictures (n,) -> of their vectors (n x each,); MISSING stays."""
    vectors = pictures[:, None] * each + np.arange(each)
    return np.where(pictures[:, None] == MISSING, MISSING, vectors).ravel()


def collapsed(found: Neighbors, each: int, k: int) -> Neighbors:
    """Vectors (q, m), best first -> the first k pictures that they are of, each with the score of its best vector."""
    pictures = found.positions // each  # MISSING stays
    order = np.argsort(pictures, axis=1, kind="stable")
    ordered = np.take_along_axis(pictures, order, axis=1)
    again = np.zeros(pictures.shape, bool)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    good = ~again & (pictures != MISSING)
    first = np.argsort(~good, axis=1, kind="stable")[:, :k]
    kept = np.take_along_axis(good, first, axis=1)
    positions = np.where(kept, np.take_along_axis(pictures, first, axis=1), MISSING)
    return Neighbors(positions, np.where(kept, np.take_along_axis(found.scores, first, axis=1), np.float32(-np.inf)))


class TiledVectors(Vectors):
    """`take` and `all` give those of the whole pictures; scores are those of the nearest part."""

    def __init__(self, flat: Vectors, each: int):
        self._flat, self.each, self.dim = flat, each, flat.dim

    def __len__(self) -> int:
        return len(self._flat) // self.each

    @property
    def flat(self) -> Vectors:
        return self._flat

    def take(self, positions: np.ndarray) -> np.ndarray:
        return self._flat.take(positions * self.each)

    def all(self) -> np.ndarray:
        return self._flat.all()[:: self.each]

    def part(self, positions: np.ndarray) -> Vectors:
        return TiledVectors(ArrayVectors(self._flat.all()[spread(positions, self.each)]), self.each)

    def scores(self, queries: np.ndarray, positions: np.ndarray) -> np.ndarray:
        return np.einsum("qd,qksd->qks", queries, self._parts(positions)).max(axis=2)

    def best(self, query: np.ndarray, positions: np.ndarray) -> np.ndarray:
        return np.einsum("d,msd->ms", query, self._parts(positions)).argmax(axis=1)

    def nearest(self, query: np.ndarray, positions: np.ndarray) -> np.ndarray:
        return self._flat.take(positions * self.each + self.best(query, positions))

    def _parts(self, positions: np.ndarray) -> np.ndarray:
        """(...) -> (..., each, dim)."""
        return self._flat.take(positions[..., None] * self.each + np.arange(self.each))


class TiledIndex(Index):
    """An index over the vectors, asked for pictures.

    k x each vectors are of k pictures at least, so one search is enough, whatever pictures they are of.
    """

    def __init__(self, within: Index, each: int):
        """within: over all vectors."""
        super().__init__(within.spec, within.index, (within.count // each, within.dim), recipe=within.recipe)
        self.within, self.each = within, each
        self.filters, self.load_ms = within.filters, within.load_ms

    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> Index:
        raise NotImplementedError("it is made of an index that is built")

    def _search(self, queries: np.ndarray, k: int, made: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        found = collapsed(self.within.search(queries, k * self.each, **made), self.each, k)
        return found.positions, found.scores

    def _search_among(
        self, queries: np.ndarray, k: int, made: dict[str, int], only: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        many = self.within.search(queries, k * self.each, np.repeat(only, self.each), **made)
        found = collapsed(many, self.each, k)
        return found.positions, found.scores

    @property
    def size_bytes(self) -> int:
        return self.within.size_bytes

    @size_bytes.setter
    def size_bytes(self, value: int) -> None:
        self.within.size_bytes = value

    def cells(self) -> np.ndarray | None:
        """Those of the whole pictures."""
        cells = self.within.cells()
        return None if cells is None else cells[:: self.each]

    def visit_ranks(self, query: np.ndarray) -> np.ndarray | None:
        return self.within.visit_ranks(query)

    def cell_ranks(self, query: np.ndarray, positions: np.ndarray) -> np.ndarray | None:
        """A picture is found with the first of its parts that is."""
        ranks = self.within.cell_ranks(query, spread(positions, self.each))
        return None if ranks is None else ranks.reshape(-1, self.each).min(axis=1)

    def to_gpu(self, device: str = "cuda:0") -> None:
        self.within.to_gpu(device)
