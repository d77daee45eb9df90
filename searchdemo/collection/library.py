"""The Library: from names to collections, and what they share."""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from searchdemo.cache import Cache
from searchdemo.collection import calibration
from searchdemo.collection.behind import UP_TO_DATE, Behind, behind
from searchdemo.collection.build import build
from searchdemo.collection.calibration import Curve
from searchdemo.collection.carry import retrain, sentences
from searchdemo.collection.collection import Collection
from searchdemo.collection.embed import BATCH_SIZE, Passes, here
from searchdemo.collection.held import Held, ShelfInMemory
from searchdemo.collection.progress import Progress, Report
from searchdemo.collection.shelf import Shelf
from searchdemo.collection.snapshot import Snapshot
from searchdemo.collection.store import DIGESTS, Artifact, Key, Store
from searchdemo.encoders import table as encoders
from searchdemo.encoders.base import Encoder, How
from searchdemo.errors import BadArtifact, NoPictures, NotBuilt, NotWritten, SearchDemoError
from searchdemo.galleries.base import Gallery, LivingPictures
from searchdemo.galleries.table import open_gallery
from searchdemo.types import Count

log = logging.getLogger(__name__)


class Library:
    """Opens galleries, encoders and collections, and keeps what was opened. Safe for several threads."""

    def __init__(
        self,
        store: Store | None = None,
        data_dir: Path | None = None,
        device: str | None = None,
        transform: str = "own",
        metric: str = "ip",
        weights: dict[str, Path] | None = None,
        limit: int | None = None,
        runtime: str | None = None,
    ):
        """data_dir: a copy of tiny-ImageNet; device: None takes the fastest; weights: encoder -> a person's own file.

        runtime: see encoders/runtime/table.py; None takes the fastest. transform, metric: see store.Key. limit: keep to
        the vectors of this many pictures, whatever else is built.
        """
        self.store = store or Store()
        self.data_dir, self.device, self.transform, self.metric = data_dir, device, transform, metric
        self.weights, self.limit, self.runtime = weights or {}, limit, runtime
        self._galleries: Cache[Gallery] = Cache(8)
        self._downloads: Cache[Gallery] = Cache(8)
        self._encoders: Cache[Encoder] = Cache(3)
        self._changes: Cache[Behind] = Cache(8)
        self._looked_for: dict[str, str] = {}  # gallery -> fingerprint of a build that it was opened again for
        self._shelf = Shelf(*self._shelf_of())
        self._held: dict[str, Held] = {}  # galleries that live in memory alone

    def _shelf_of(self) -> tuple:
        """What shelves are made of."""
        return self.store, self.encoder, self.has_weights, self._encoders.__contains__, self.metric, self.device

    def hold(self, gallery: Gallery) -> None:
        """Takes in a gallery that lives in memory, under its name, until `let_go`. Nothing of it is stored."""
        self._held[gallery.name] = Held(gallery, ShelfInMemory(*self._shelf_of()))

    def holds(self, gallery: str) -> bool:
        """Whether this gallery lives in memory alone."""
        return gallery in self._held

    def measured(self, gallery: str) -> list[Any]:
        """What was measured of a gallery that lives in memory, and goes with it; nothing of any other."""
        held = self._held.get(gallery)
        return held.measured if held else []

    def let_go(self, gallery: str) -> None:
        """Forgets a gallery that was taken in, with its vectors and indexes."""
        self._held.pop(gallery, None)

    def open(self, gallery: str, encoder: str) -> Collection:
        """What is built of a gallery by an encoder: of the whole of it, else of the largest part that there is.

        Raises UnknownName, NoPictures (a folder that is not there), NotBuilt, and BadArtifact when it is damaged or
        belongs to other pictures.
        """
        if held := self._held.get(gallery):
            wanted = Key(gallery, encoder, self.transform, self.metric, self.limit)
            return held.open(encoders.find(encoder), wanted)
        encoders.find(encoder)  # a wrong name is refused even where the gallery has its own
        opened = self.gallery(gallery)
        encoder = opened.encoder or encoder
        spec, wanted = encoders.find(encoder), Key(gallery, encoder, self.transform, self.metric, self.limit)
        key = self.built(wanted)
        if key is None:
            raise NotBuilt(f"{encoder!r} is not built for this gallery ({gallery}) yet: run `{wanted.build_command}`.")

        # The manifest is read each time, in 0.1 ms, so that a rebuild is noticed, in this process or another.
        artifact = self.store.open(key)
        if self._is_to_be_reopened(opened, artifact):
            opened = self.look_again(gallery)  # another process may have built what a folder holds by now
        while True:
            try:
                snapshot = self._snapshot(artifact, opened)
                break
            except BadArtifact:
                if (latest := self.store.open(key)).manifest == artifact.manifest:
                    raise
                artifact = latest  # it was replaced between the manifest and the files, and may be again
        return Collection(opened, spec, artifact, snapshot, self._shelf, self._behind(opened, artifact, snapshot))

    def _snapshot(self, artifact: Artifact, gallery: Gallery) -> Snapshot:
        """Raises BadArtifact. A person's folder may have changed, any other gallery must be what it was."""
        if isinstance(gallery.pictures, LivingPictures) and artifact.has(DIGESTS):
            return self._shelf.snapshot(artifact).placed(gallery.pictures, gallery.queries)
        artifact.check_gallery(gallery.fingerprint)
        return self._shelf.snapshot(artifact)

    def _behind(self, gallery: Gallery, artifact: Artifact, snapshot: Snapshot) -> Behind:
        """What changed in a person's folder since the build."""
        if not isinstance(gallery.pictures, LivingPictures):
            return UP_TO_DATE
        if artifact.manifest.gallery_fingerprint == gallery.fingerprint and not gallery.report.waiting:
            return UP_TO_DATE
        return self._changes.get(
            (gallery.fingerprint, snapshot.identity), lambda: behind(snapshot, gallery, artifact.key.limit is None)
        )

    def _is_to_be_reopened(self, gallery: Gallery, artifact: Artifact) -> bool:
        """Whether to look again: it is time to in a person's folder, or another process may have built it."""
        built = artifact.manifest.gallery_fingerprint
        time_to_look = isinstance(gallery.pictures, LivingPictures) and gallery.pictures.outdated()
        other_build = built != gallery.fingerprint and self._looked_for.get(gallery.name) != built
        if time_to_look or other_build:
            self._looked_for[gallery.name] = built  # once per build: a folder may have changed since
        return time_to_look or other_build

    def gallery(self, name: str, download: bool = False, progress: Count | None = None) -> Gallery:
        """Raises UnknownName, NoPictures (a folder that is not there).

        download: fetch pictures that are missing; until they are here, all others go on with the gallery as it is.
        """
        if held := self._held.get(name):
            return held.gallery
        if not download:
            return self._galleries.get(name, lambda: self._open_gallery(name, False, progress))
        opened = self._downloads.get(name, lambda: self._open_gallery(name, True, progress))
        self._galleries.put(name, opened)
        return opened

    def _open_gallery(self, name: str, download: bool = False, progress: Count | None = None) -> Gallery:
        opened = open_gallery(name, self.data_dir, download, progress, self.store.own)
        if opened.former:
            self.store.adopt(opened.former, opened.name)
        return opened

    def look_again(self, name: str, progress: Count | None = None) -> Gallery:
        """The gallery as it is now, in place of the kept one; a copy that was downloaded is found where it was put.

        Raises as `gallery`.
        """
        return self._replace(name, self._open_gallery(name, progress=progress))

    def _replace(self, name: str, opened: Gallery) -> Gallery:
        for cache in (self._galleries, self._downloads):
            if name in cache:
                cache.put(name, opened)
        return opened

    def encoder(self, name: str, progress: Count | None = None) -> Encoder:
        """Raises UnknownName, NoWeights, NotInstalled, BadArtifact."""

        def load() -> Encoder:
            started = time.perf_counter()
            weights = self.weights.get(name)
            loaded = encoders.load(
                name,
                device=self.device,
                runtime=self.runtime,
                transform=self.transform,
                weights=weights,
                progress=progress,
            )
            seconds = time.perf_counter() - started
            log.info("loaded the encoder %s, %s, in %.1f s", name, loaded.how, seconds)
            return loaded

        return self._encoders.get(name, load)

    def how(self, encoder: str) -> How:
        """How an encoder runs here, which need not be loaded. Raises UnknownName, NotInstalled, BadQuery."""
        return encoders.how_of(encoder, self.device, self.runtime, weights=self.weights.get(encoder))

    def has_weights(self, encoder: str) -> bool:
        """Whether this encoder can be loaded without going online."""
        return encoder in self._encoders or bool(self.weights.get(encoder)) or encoders.is_here(encoder)

    def built(self, wanted: Key) -> Key | None:
        """The key itself when that is built; where it is of a whole gallery, else the largest balanced part that is."""
        if held := self._held.get(wanted.gallery):
            return wanted if held.has(wanted) else None
        if self.store.has(wanted):
            return wanted
        parts = (replace(wanted, limit=limit) for limit in self.store.limits(wanted)) if wanted.limit is None else ()
        return max((key for key in parts if self.store.has(key)), key=lambda key: key.limit or 0, default=None)

    def artifact(self, key: Key) -> Artifact:
        """What was built. Raises NotBuilt, BadArtifact."""
        held = self._held.get(key.gallery)
        return held.artifact(key) if held else self.store.open(key)

    def build(
        self,
        key: Key,
        report: Report = lambda progress: None,
        batch_size: int = BATCH_SIZE,
        rebuild: bool = False,
        tiles: int | None = None,
        passes: Passes = here,
    ) -> Artifact:
        """Embed a gallery and store its vectors. Raises NoPictures, NoWeights, and what `build` in build.py does.

        tiles: parts of each picture that are stored too, per side; None: as what is stored so far has them.
        passes: where pictures are embedded, see embed.py
        """
        started = time.perf_counter()
        if held := self._held.get(key.gallery):
            return held.build(self.encoder(key.encoder), key, report, batch_size)
        gallery = self.gallery(key.gallery)
        if gallery.encoder:
            raise NoPictures(f"The vectors of {key.gallery} came without pictures, so they cannot be made again here.")
        if isinstance(gallery.pictures, LivingPictures):
            gallery = self.look_again(key.gallery)

        def settled(gallery: Gallery) -> None:
            self._replace(key.gallery, gallery)

        def last(artifact: Artifact, vectors: np.ndarray) -> None:
            """Before it is published: a kill leaves all or nothing."""
            report(Progress("learning what scores of words mean here", 0, 1, 0))
            self.calibrate(artifact, vectors)

        encoder = self.encoder(key.encoder)
        given = gallery, encoder, self.store, key, report, batch_size, rebuild, settled, tiles, passes
        artifact = build(*given, last=last)
        if gallery.pictures.own_files:
            self._read_headers(key, report)
        seconds = time.perf_counter() - started
        log.info("built %s: %d vectors in %.1f s", key.folder, artifact.manifest.vectors, seconds)
        return artifact

    def calibrate(self, artifact: Artifact, vectors: np.ndarray) -> Curve | None:
        """Makes the curve that says how probably the gallery shows what a text says, and keeps it by the vectors.

        vectors: (n, dim), all of them.
        """
        encoder = self.encoder(artifact.key.encoder)
        try:
            if (curve := self._shelf.calibrated(encoder, vectors, artifact.manifest.each)) is not None:
                started = time.perf_counter()
                calibration.save(curve, path := self.store.extra_path(artifact, calibration.FILE))
                self.store.add_extra(artifact, path, round(time.perf_counter() - started, 1))
        except (SearchDemoError, OSError) as error:  # the vectors are built; searches do without
            log.warning("%s could not be calibrated: %s", artifact.key.folder, error)
            return None
        return curve

    def _read_headers(self, key: Key, report: Report) -> None:
        """What a person's files say of when, with what and where they were taken, so that no filter waits for it."""
        started = time.perf_counter()

        def read(done: int, total: int) -> None:
            report(Progress("reading dates, cameras and places", done, total, done / (time.perf_counter() - started)))

        try:
            self._shelf.metadata(key).follow(self.gallery(key.gallery), progress=read)
        except (
            sqlite3.Error,
            BadArtifact,
            NotWritten,
        ) as error:  # a filter reads what is missing
            log.warning("the facts about the pictures of %s could not be kept: %s", key.gallery, error)

    def retrain(self, key: Key, report: Report = lambda progress: None) -> Artifact | None:
        """Trains the indexes again whose answers drifted while they took changes in place; see carry.retrain.

        Searches go on meanwhile with what there is. None where none is due. Raises as `carry.retrain`.
        """
        # What a visitor brought is in memory, and is built whole each time.
        artifact = None if self.holds(key.gallery) else retrain(self.store, key, report)
        if artifact is not None:
            log.info("trained again: %s", "; ".join(sentences(artifact)))
        return artifact

    def catch_up(self, key: Key, report: Report = lambda progress: None) -> Artifact | None:
        """Builds what changed in a person's folder since it was built; None where nothing did. Raises as `build`."""
        self.gallery(key.gallery)
        self.look_again(key.gallery)
        try:
            found = self.open(key.gallery, key.encoder)
            if found.artifact.key == key and not found.behind:
                return None
        except NotBuilt:
            pass
        return self.build(key, report)
