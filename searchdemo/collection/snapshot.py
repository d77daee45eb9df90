"""The files of one set of vectors, verified and held open: what a Collection answers from."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import numpy as np

from searchdemo.collection.store import DIGESTS, QUERY_DIGESTS, VECTORS, Artifact
from searchdemo.errors import BadArtifact
from searchdemo.galleries.base import LivingPictures, Pictures
from searchdemo.indexes.tiled import TiledVectors
from searchdemo.indexes.vectors import StoredVectors, Vectors, unit
from searchdemo.types import MISSING


@dataclass(frozen=True)
class Snapshot:
    """It stays what it is when another process replaces the files: all of them are open or in memory."""

    identity: Hashable  # two snapshots of equal identity hold the same vectors in the same order
    vectors: Vectors
    rows: np.ndarray | None  # (n,) gallery row of each position; None: they are the same
    queries: np.ndarray  # (q, dim) float32 unit rows, held out
    query_rows: np.ndarray | None  # (q,) which of the gallery's queries each one is; None: they are the same
    digests: np.ndarray | None = None  # (n, DIGEST_BYTES) uint8 of the content of each position, of a person's folder
    query_digests: np.ndarray | None = None  # (q, DIGEST_BYTES) uint8, of the queries of a person's folder
    gone: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # positions whose pictures are no more
    queries_gone: int = 0  # stored queries whose pictures are no more; they are left out here

    @classmethod
    def load(cls, artifact: Artifact) -> Snapshot:
        """Raises BadArtifact when a file is missing or damaged, or was replaced while they were opened."""

        def array(name: str) -> np.ndarray | None:
            try:
                return np.load(artifact.file(name), allow_pickle=False) if artifact.has(name) else None
            except (OSError, ValueError, EOFError) as error:  # replaced, or written so
                raise BadArtifact(
                    f"{artifact.folder / name} cannot be read ({error}); mend it with `{artifact.key.rebuild_command}`."
                ) from error

        vectors: Vectors = StoredVectors(artifact.file(VECTORS))
        if artifact.manifest.tiles:
            vectors = TiledVectors(vectors, artifact.manifest.each)
        queries = array("queries.npy")
        if queries is None:
            queries = np.empty((0, vectors.dim), np.float32)
        queries = unit(queries.astype(np.float32))  # half floats are off by 1e-4
        queries.flags.writeable = False
        identity, rows, query_rows = artifact.vectors_sha256, array("rows.npy"), array("query_rows.npy")
        loaded = cls(identity, vectors, rows, queries, query_rows, array(DIGESTS), array(QUERY_DIGESTS))
        for name in artifact.manifest.files:  # what was put in its place after its checksum was compared has another
            artifact.file(name)
        return loaded

    def part(self, size: int) -> Snapshot:
        """The first `size` positions of a fixed shuffle; the held-out queries stay the same."""
        chosen = np.random.default_rng(0).permutation(len(self.vectors))[:size]
        vectors = self.vectors.part(chosen)
        gone = np.flatnonzero(np.isin(chosen, self.gone))
        rows, digests = self.gallery_rows(chosen), None if self.digests is None else self.digests[chosen]
        return replace(self, identity=(self.identity, size), vectors=vectors, rows=rows, digests=digests, gone=gone)

    def placed(self, pictures: LivingPictures, queries: Pictures) -> Snapshot:
        """The same with the rows that these pictures have now, found by content. Those without a picture are `gone`."""
        placed = self
        if self.digests is not None:
            rows, here = located(self.digests, self.rows, pictures)
            placed = replace(placed, rows=rows, gone=np.flatnonzero(~here))
        if self.query_digests is not None:
            here = np.zeros(len(self.queries), dtype=bool)
            if isinstance(queries, LivingPictures):
                rows, here = located(self.query_digests, self.query_rows, queries)
                placed = replace(placed, query_rows=rows[here])
            kept, digests = self.queries[here], self.query_digests[here]
            placed = replace(placed, queries=kept, query_digests=digests, queries_gone=int((~here).sum()))
        return placed

    def gallery_rows(self, positions: np.ndarray) -> np.ndarray:
        """Positions among the vectors -> rows of the gallery, of the same shape; MISSING stays."""
        return positions if self.rows is None else np.where(positions < 0, MISSING, self.rows[positions])


def located(digests: np.ndarray, rows: np.ndarray | None, pictures: LivingPictures) -> tuple[np.ndarray, np.ndarray]:
    """The rows (n,) of contents (n, DIGEST_BYTES) among pictures, and whether (n,) bool there is a picture now.

    rows: those that they had, which they still have unless the catalog of the folder was lost and made again.
    """
    rows = np.arange(len(digests)) if rows is None else rows
    there = rows < len(pictures.digests)
    same = np.zeros(len(rows), dtype=bool)
    same[there] = (pictures.digests[rows[there]] == digests[there]).all(axis=1)
    if not same.all():
        row_of = {digest.tobytes(): row for row, digest in enumerate(pictures.digests)}
        rows = rows.copy()
        rows[~same] = [row_of.get(digest.tobytes(), MISSING) for digest in digests[~same]]
    return rows, (rows != MISSING) & pictures.present[rows]
