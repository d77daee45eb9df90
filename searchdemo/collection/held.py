"""A gallery in memory, and what encoders made of it: a visitor's own pictures, of which nothing is kept."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from searchdemo.collection.build import chosen, in_order
from searchdemo.collection.calibration import Curve
from searchdemo.collection.collection import Collection
from searchdemo.collection.embed import embed
from searchdemo.collection.maps import Map
from searchdemo.collection.progress import Report
from searchdemo.collection.shelf import Shelf
from searchdemo.collection.snapshot import Snapshot
from searchdemo.collection.store import VECTORS, Artifact, Key, Manifest
from searchdemo.encoders.base import Encoder, EncoderSpec
from searchdemo.errors import NoPictures, NotBuilt
from searchdemo.galleries.base import Gallery
from searchdemo.indexes.vectors import ArrayVectors
from searchdemo.metadata.follow import Metadata

NOWHERE = Path("in-memory")  # no file is read or written there


@dataclass(frozen=True)
class ShelfInMemory(Shelf):
    """What filters need to know lives in memory too."""

    def metadata(self, key: Key) -> Metadata:
        return self.databases.get(key.gallery, lambda: Metadata(None))

    def map(self, artifact: Artifact, snapshot: Snapshot) -> Map | None:
        return self.maps.get(snapshot.identity, lambda: None)

    def keep_map(self, artifact: Artifact, snapshot: Snapshot, drawn: Map, seconds: float) -> Map:
        self.maps.put(snapshot.identity, drawn)
        return drawn

    def calibration(self, artifact: Artifact, snapshot: Snapshot) -> Curve | None:
        return self.curves.get(snapshot.identity, lambda: None)


class Held:
    """Its vectors and indexes go away with it: it has a shelf of its own. Safe for several threads."""

    def __init__(self, gallery: Gallery, shelf: Shelf):
        self.gallery, self._shelf = gallery, shelf
        self._made: dict[Key, tuple[Artifact, Snapshot]] = {}
        self.measured: list[Any] = []  # run cards, which this room does not know
        self._building = threading.Lock()

    def has(self, key: Key) -> bool:
        return key in self._made

    def artifact(self, key: Key) -> Artifact:
        """Raises NotBuilt."""
        if key not in self._made:
            raise NotBuilt(f"{key.encoder!r} has no vectors for your pictures yet: build them.")
        return self._made[key][0]

    def open(self, spec: EncoderSpec, key: Key) -> Collection:
        """Raises NotBuilt."""
        artifact = self.artifact(key)
        return Collection(self.gallery, spec, artifact, self._made[key][1], self._shelf)

    def build(self, encoder: Encoder, key: Key, report: Report, batch_size: int) -> Artifact:
        """Raises NoPictures, and what `report` raises, which ends it."""
        with self._building:
            rows, pictures = chosen(self.gallery.pictures, key.limit), self.gallery.pictures
            made = embed(pictures, rows, encoder, None, report, "embedding your pictures", batch_size, key.gallery)
            rows, vectors = in_order(rows, made.vectors)
            if not len(rows):
                raise NoPictures("None of your pictures can be read.")
            identity = hashlib.sha256(vectors.tobytes()).hexdigest()
            manifest = Manifest(
                gallery=key.gallery,
                gallery_fingerprint=self.gallery.fingerprint,
                encoder=encoder.name,
                weights_sha256=encoder.weights_sha256,
                transform=encoder.transform,
                metric=key.metric,
                dim=encoder.dim,
                vectors=len(rows),
                queries=0,
                files={VECTORS: identity},
                stand_in=encoder.stand_in,
                precision=str(encoder.how),
                embed_seconds=round(made.seconds, 1),
            )
            snapshot = Snapshot(
                identity,
                ArrayVectors(vectors),
                rows if len(rows) < len(pictures) else None,
                queries=vectors[:0],
                query_rows=None,
            )
            self._made[key] = Artifact(key, NOWHERE, manifest), snapshot
            self._shelf.curves.put(
                identity, self._shelf.calibrated(encoder, snapshot.vectors.flat.all(), snapshot.vectors.each)
            )
            return self._made[key][0]
