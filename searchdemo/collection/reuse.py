"""Vectors that are stored already, by the content of their pictures: what was moved or copied is not embedded again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from searchdemo.collection.store import DIGESTS, QUERY_DIGESTS, VECTORS, Artifact, Key, Store, read_manifest
from searchdemo.collection.tiles import per_picture
from searchdemo.encoders.base import Encoder
from searchdemo.errors import BadArtifact
from searchdemo.indexes.tiled import spread
from searchdemo.indexes.vectors import ArrayVectors, StoredVectors, Vectors, unit


class StoredByContent:
    """Finds the vectors of a content among all folders that were embedded by the same encoder, in the same way.

    tiles: of the pictures that they are for; queries have none, and their vectors are found for pictures without tiles.
    """

    def __init__(self, store: Store, key: Key, encoder: Encoder, tiles: int = 0):
        self._each = per_picture(tiles)
        self._places: dict[bytes, tuple[Vectors, int]] = {}
        for artifact in _artifacts(store, key, encoder):
            with contextlib.suppress(BadArtifact):  # a damaged one is of no use; its own search says so
                if artifact.manifest.tiles == tiles:
                    self._add(np.load(artifact.file(DIGESTS)), StoredVectors(artifact.file(VECTORS)))
                if not tiles and artifact.has(QUERY_DIGESTS):
                    queries = unit(np.load(artifact.file("queries.npy")).astype(np.float32))
                    self._add(np.load(artifact.file(QUERY_DIGESTS)), ArrayVectors(queries))

    def _add(self, digests: np.ndarray, vectors: Vectors) -> None:
        for position, digest in enumerate(digests):
            self._places.setdefault(digest.tobytes(), (vectors, position))

    def __call__(self, digest: bytes) -> np.ndarray | None:
        """(each x dim,) float32, or None where no picture of this content was embedded."""
        if digest not in self._places:
            return None
        vectors, position = self._places[digest]
        return vectors.take(spread(np.array([position]), self._each)).ravel()


def _artifacts(store: Store, key: Key, encoder: Encoder) -> Iterator[Artifact]:
    """Of this gallery first."""
    paths = sorted(store.own.glob("*/*/manifest.json"), key=lambda path: path.parent != store.own / key.folder)
    for path in paths:
        try:
            manifest = read_manifest(path, replace(key, metric=""))
        except (OSError, ValueError, TypeError, AttributeError):
            continue
        made = manifest.encoder, manifest.weights_sha256, manifest.dim, manifest.precision
        if DIGESTS in manifest.files and made == (
            encoder.name,
            encoder.weights_sha256,
            encoder.dim,
            str(encoder.how),
        ):
            yield Artifact(key, path.parent, manifest)
