"""What a Library keeps open, shared by its collections: vectors, indexes, rows of class names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from searchdemo.cache import Cache
from searchdemo.collection import calibration, maps
from searchdemo.collection.calibration import Curve
from searchdemo.collection.exact import Exact
from searchdemo.collection.maps import Map
from searchdemo.collection.snapshot import Snapshot
from searchdemo.collection.steadiness import KnownWords, known_words
from searchdemo.collection.store import METADATA, Artifact, Key, Store, card_file, index_file
from searchdemo.encoders.base import Encoder
from searchdemo.encoders.templates import ClassRows
from searchdemo.errors import BadArtifact, BadQuery, SearchDemoError
from searchdemo.files import sha256_of
from searchdemo.indexes.base import DESCRIBING, Index, IndexSpec, uncounted
from searchdemo.indexes.described import Described
from searchdemo.indexes.table import AT_ONCE, find
from searchdemo.indexes.tiled import TiledIndex
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.metadata.follow import Metadata
from searchdemo.types import Count

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shelf:
    store: Store
    encoder: Callable[[str], Encoder]  # by name; raises NoWeights, BadArtifact
    has_weights: Callable[[str], bool]  # whether that encoder loads without going online
    is_loaded: Callable[[str], bool]  # whether that encoder is in memory now
    metric: str = "ip"
    device: str | None = None  # None: the first GPU where there is one
    snapshots: Cache[Snapshot] = field(default_factory=lambda: Cache(8))
    indexes: Cache[Index] = field(default_factory=lambda: Cache(24))
    maps: Cache[Map | None] = field(default_factory=lambda: Cache(8))
    curves: Cache[Curve | None] = field(default_factory=lambda: Cache(8))
    class_rows: Cache[ClassRows] = field(default_factory=lambda: Cache(8))
    vocabulary: Cache[KnownWords] = field(default_factory=lambda: Cache(8))  # by encoder
    databases: Cache[Metadata] = field(default_factory=lambda: Cache(32))  # of facts, one for each gallery
    exact: Cache[Exact] = field(default_factory=lambda: Cache(64))
    matching: Cache[np.ndarray] = field(default_factory=lambda: Cache(32))  # masks of filters

    def metadata(self, key: Key) -> Metadata:
        """The facts about the pictures of a gallery, which are the same for all encoders."""
        path = self.store.own / key.folder.parent / METADATA
        return self.databases.get(path, lambda: Metadata(path))

    def snapshot(self, artifact: Artifact) -> Snapshot:
        """Raises BadArtifact."""
        identity = (artifact.key, *artifact.manifest.files.items())
        return self.snapshots.get(identity, lambda: Snapshot.load(artifact))

    def index(
        self,
        name: str,
        artifact: Artifact,
        snapshot: Snapshot,
        progress: Count = uncounted,
        described: Callable[[], Described] | None = None,
    ) -> Index:
        """Loaded, or built from the vectors and, where its kind is kept on disk, saved for the next time.

        progress: told of a build, see IndexSpec.build; what it raises ends the build for all who wait for it
        described: what the vectors stand for, see IndexSpec.build
        Raises UnknownName, BadQuery (it cannot be built over these vectors), NotInstalled.
        """
        spec = find(name)

        def open_index() -> Index:
            opened = self._opened(spec, artifact, snapshot, progress, described)
            if self.device is None or self.device.startswith("cuda"):
                opened.to_gpu(self.device or "cuda:0")
            return opened if snapshot.vectors.each == 1 else TiledIndex(opened, snapshot.vectors.each)

        return self.indexes.get(self._kept_as(name, artifact, snapshot), open_index)

    def forget(self, name: str, artifact: Artifact, snapshot: Snapshot) -> None:
        """The next `index` builds it."""
        self.indexes.drop(self._kept_as(name, artifact, snapshot))
        if stored := self.store.extra(artifact, index_file(find(name))):
            card_file(stored.path).unlink(missing_ok=True)

    def has_index(self, name: str, artifact: Artifact, snapshot: Snapshot) -> bool:
        """Whether the index would answer without being built first. Raises UnknownName."""
        spec = find(name)
        if spec.name in AT_ONCE or self._kept_as(name, artifact, snapshot) in self.indexes:
            return True
        return spec.saved and self._file(spec, artifact, snapshot) is not None

    def _kept_as(self, name: str, artifact: Artifact, snapshot: Snapshot) -> Hashable:
        """An index may be trained again while its vectors stay the same: the manifest says it."""
        return artifact.folder, snapshot.identity, name, repr(artifact.manifest.built.get("indexes"))

    def map(self, artifact: Artifact, snapshot: Snapshot) -> Map | None:
        """The stored map of these very vectors; None when there is none, and for a part of them. Raises BadArtifact."""
        drawn = self.store.extra(artifact, maps.FILE) if snapshot.identity == artifact.vectors_sha256 else None
        if drawn is None:
            return None
        return self.maps.get(sha256_of(drawn.path), lambda: maps.load(drawn.path, len(snapshot.vectors)))

    def keep_map(self, artifact: Artifact, snapshot: Snapshot, drawn: Map, seconds: float) -> Map:
        """Stores a map beside the vectors that it is of. seconds: that making it took."""
        path = self.store.extra_path(artifact, maps.FILE)
        maps.save(drawn, path)
        self.store.add_extra(artifact, path, seconds, made=drawn.made)
        return maps.load(path, len(snapshot.vectors))

    def calibration(self, artifact: Artifact, snapshot: Snapshot) -> Curve | None:
        """The curve of these very vectors; None where a build made none, and for a part. Raises BadArtifact."""
        whole = snapshot.identity == artifact.vectors_sha256
        if (stored := self.store.extra(artifact, calibration.FILE) if whole else None) is None:
            return None
        return self.curves.get(sha256_of(stored.path), lambda: calibration.load(stored.path))

    def calibrated(self, encoder: Encoder, vectors: np.ndarray, each: int) -> Curve | None:
        """The curve of vectors (n, dim), `each` per picture; None where the encoder reads too few words, or too few
        are shown."""
        if not encoder.has_text or len(vectors) < calibration.fewest_pictures() * each:
            return None
        words = self.vocabulary.get(encoder.weights_sha256, lambda: known_words(encoder))
        return calibration.calibrate(words.rows, vectors, each, words.steady)

    def _opened(
        self,
        spec: IndexSpec,
        artifact: Artifact,
        snapshot: Snapshot,
        progress: Count,
        described: Callable[[], Described] | None,
    ) -> Index:
        vectors, each = snapshot.vectors.flat, snapshot.vectors.each
        if each > 1 and spec.library in DESCRIBING:
            raise BadQuery(
                f"{spec.name} keeps facts for one vector per picture, and here are {each}: choose another index, or "
                f"build with `{artifact.key.build_command} --tiles 0`."
            )
        if not isinstance(vectors, StoredVectors):  # a part of them, which no file belongs to
            return spec.build(vectors.all(), self.metric, progress)
        if spec.name == "ivf":
            return vectors.as_index(spec)
        if spec.saved and (opened := self._loaded(spec, artifact, snapshot)):
            if described and opened.describes:
                opened.follow(described(), vectors.all)
            return opened
        built = spec.build(vectors.all(), self.metric, progress, described)
        log.info("built the index %s over %s in %.1f s", spec.name, artifact.key.folder, built.load_ms / 1000)
        if not spec.saved or not self.store.holds(artifact):
            return built
        try:
            path = self._saved(built, spec, artifact, len(vectors))
        except SearchDemoError as error:  # a full disk, a home that may not be written to: this process has it
            log.warning("%s The index %s is kept in memory until then.", error, spec.name)
            return built
        if built.describes:
            return built
        return spec.load(path, len(vectors), vectors.dim)  # mapped, it shares its memory with other processes

    def _loaded(self, spec: IndexSpec, artifact: Artifact, snapshot: Snapshot) -> Index | None:
        """The stored index; None where there is none, and where another took its place after its checksum was compared.

        Raises BadArtifact."""
        if (path := self._file(spec, artifact, snapshot)) is None:
            return None
        vectors = snapshot.vectors.flat
        try:
            opened = spec.load(path, len(vectors), vectors.dim)
        except BadArtifact:
            if self._file(spec, artifact, snapshot) is None:
                return None
            raise
        return opened if self._file(spec, artifact, snapshot) is not None else None

    def _saved(self, built: Index, spec: IndexSpec, artifact: Artifact, trained_on: int) -> Path:
        path = self.store.extra_path(artifact, index_file(spec))
        built.save(path)
        self.store.add_extra(
            artifact, path, built.load_ms / 1000, index=spec.name, factory=built.recipe, trained_on=trained_on
        )
        return path

    def _file(self, spec: IndexSpec, artifact: Artifact, snapshot: Snapshot) -> Path | None:
        """None for one that was built in another way than this version builds it."""
        stored = self.store.extra(artifact, index_file(spec))
        if stored is None:
            return None
        vectors = snapshot.vectors.flat
        trained_on = stored.card.get("trained_on", len(vectors))  # one that grew may have fewer cells
        return stored.path if stored.card.get("factory") == spec.recipe(trained_on, vectors.dim) else None
