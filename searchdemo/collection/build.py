"""Builds a gallery: its vectors, the inverted file that stores them, and the manifest that says what they are."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from searchdemo.collection.carry import carry
from searchdemo.collection.embed import BATCH_SIZE, Made, Passes, Sees, Stored, embed, here
from searchdemo.collection.progress import Progress, Report
from searchdemo.collection.reuse import StoredByContent
from searchdemo.collection.store import DIGESTS, QUERY_DIGESTS, VECTORS, Artifact, Key, Manifest, Store
from searchdemo.collection.tiles import TilingEncoder, check_tiles, per_picture
from searchdemo.encoders.base import Encoder
from searchdemo.errors import BadArtifact, BadQuery, NoPictures, NotBuilt
from searchdemo.files import discard, replacing, sha256_of
from searchdemo.galleries.base import Gallery, LivingPictures, Pictures
from searchdemo.types import MISSING


def balanced_rows(labels: np.ndarray, limit: int | None, seed: int = 0) -> np.ndarray:
    """At most `limit` rows, spread as evenly over the classes as possible, in ascending order; (m,) int64."""
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.int64)  # how many of its class come before a row in the shuffle
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        turn[members] = np.arange(len(members))
    return np.sort(shuffled[np.argsort(turn[shuffled], kind="stable")][:limit])


def build(
    gallery: Gallery,
    encoder: Encoder,
    store: Store,
    key: Key,
    report: Report = lambda progress: None,
    batch_size: int = BATCH_SIZE,
    rebuild: bool = False,
    settled: Callable[[Gallery], None] = lambda gallery: None,
    tiles: int | None = None,
    passes: Passes = here,
    last: Callable[[Artifact, np.ndarray], object] = lambda artifact, vectors: None,
) -> Artifact:
    """Embed gallery and queries, build the inverted file that stores the vectors, publish both.

    Pictures that cannot be read are left out. Of a person's folder only contents are embedded that are not stored yet,
    unless `rebuild` is asked for; `settled` is told of the gallery as it is after its new files were read.
    tiles: per side, see tiles.py; None: as many as what is stored so far has.
    passes: where pictures are embedded. last: adds to the artifact, of these vectors (n, dim), before it is
    published.
    Raises NoPictures when the gallery's pictures are not on this machine, BadQuery for a limit or a batch size below 1,
    SearchDemoError when another process builds the same.
    """
    if key.limit is not None and key.limit < 1:
        raise BadQuery(f"limit = {key.limit} leaves no picture: choose 1 or more.")
    if batch_size < 1:
        raise BadQuery(f"batch size = {batch_size} is out of bounds: choose 1 or more.")
    check_tiles(tiles or 0)
    with store.building(key) as work:
        if tiles is None:
            tiles = stored_tiles(store, key)
        return _Build(encoder, store, key, work, report, batch_size, rebuild, tiles, passes, last).run(gallery, settled)


def stored_tiles(store: Store, key: Key) -> int:
    try:
        return store.open(key).manifest.tiles
    except (NotBuilt, BadArtifact):
        return 0


@dataclass
class _Build:
    encoder: Encoder
    store: Store
    key: Key
    work: Path
    report: Report
    batch_size: int
    rebuild: bool
    tiles: int
    passes: Passes
    last: Callable[[Artifact, np.ndarray], object]

    def run(self, gallery: Gallery, settled: Callable[[Gallery], None]) -> Artifact:
        from searchdemo.indexes.table import find

        seen = TilingEncoder(self.encoder, self.tiles) if self.tiles else self.encoder
        rows, made = self.embed(gallery, gallery.pictures, "vectors", "embedding the gallery", seen, self.tiles)
        if not len(rows):
            raise NoPictures(gallery.missing or f"The gallery {gallery.name!r} has no pictures.")
        query_rows, queries = self.embed(gallery, gallery.queries, "queries", "embedding the queries", self.encoder)
        if gallery.reopen is not None:
            gallery, rows, query_rows = reopened(gallery, rows, query_rows)
            settled(gallery)
        rows, of_pictures = in_order(rows, made.vectors)
        vectors = of_pictures.reshape(-1, self.encoder.dim)
        query_rows, query_vectors = in_order(query_rows, queries.vectors)
        if not len(rows):
            raise NoPictures(gallery.missing or f"The gallery {gallery.name!r} has no pictures.")
        arrays = {}
        if len(rows) < len(gallery.pictures):
            arrays["rows.npy"] = rows
        if len(query_rows):
            arrays["queries.npy"] = query_vectors.astype(np.float16)
            if len(query_rows) < len(gallery.queries):
                arrays["query_rows.npy"] = query_rows
        facts: dict[str, object] = {}
        if isinstance(gallery.pictures, LivingPictures):
            arrays[DIGESTS] = digests = gallery.pictures.digests[rows]
            if isinstance(gallery.queries, LivingPictures) and len(query_rows):
                arrays[QUERY_DIGESTS] = gallery.queries.digests[query_rows]
                digests = np.concatenate([digests, arrays[QUERY_DIGESTS]])
            facts = {
                "embedded": made.embedded + queries.embedded,
                "reused": made.reused + queries.reused,
                "removed": self.removed(digests),
            }
        else:
            problems = {"row": by_reason(made.problems), "query": by_reason(queries.problems)}
            facts = {"unreadable": problems} if any(problems.values()) else {}
        carried = None
        if DIGESTS in arrays and not self.rebuild:
            given = self.store, self.key, self.encoder, arrays[DIGESTS], vectors, self.work, self.report
            if (carried := carry(*given)) is not None:
                facts["indexes"] = carried
        if carried is None:
            self.report(Progress("building ivf", 0, 1, 0))
            find("ivf").build(vectors, self.key.metric).save(self.work / VECTORS)
        for name, array in arrays.items():
            with replacing(self.work / name) as temporary, temporary.open("wb") as file:
                np.save(file, array)
        return self.publish(gallery, vectors, len(query_rows), arrays, made.seconds + queries.seconds, facts)

    def embed(
        self,
        gallery: Gallery,
        pictures: Pictures,
        name: str,
        stage: str,
        sees: Sees,
        tiles: int = 0,
    ) -> tuple[np.ndarray, Made]:
        """The rows (m,) that were asked for, and what came of them."""
        stored: Stored = lambda digest: None  # noqa: E731
        if gallery.reopen is not None and not self.rebuild:
            stored = StoredByContent(self.store, self.key, self.encoder, tiles)
        rows = chosen(pictures, self.key.limit)
        if not len(rows):
            return rows, Made(np.empty((0, sees.dim), np.float32), 0.0, 0, 0)
        size = max(1, self.batch_size // per_picture(tiles))
        scratch, identity = self.work / f"{name}.partial", gallery.fingerprint
        coming = pictures.arriving(rows)
        try:
            given = pictures, rows, sees, scratch, self.report, stage, size, identity, stored, coming
            return rows, embed(*given, self.passes)
        finally:
            coming.end()

    def removed(self, digests: np.ndarray) -> int:
        """How many of the pictures that were stored so far are not among these (n, DIGEST_BYTES)."""
        try:
            old = self.store.open(self.key)
            files = [name for name in (DIGESTS, QUERY_DIGESTS) if old.has(name)]
            before = [digest for name in files for digest in np.load(old.file(name))]
        except (NotBuilt, BadArtifact):
            return 0
        return (Counter(map(bytes, before)) - Counter(map(bytes, digests))).total()

    def publish(
        self,
        gallery: Gallery,
        vectors: np.ndarray,
        queries: int,
        arrays: Iterable[str],
        seconds: float,
        facts: dict[str, object],
    ) -> Artifact:
        encoder = self.encoder
        manifest = Manifest(
            gallery=gallery.name,
            gallery_fingerprint=gallery.fingerprint,
            encoder=encoder.name,
            weights_sha256=encoder.weights_sha256,
            transform=encoder.transform,
            metric=self.key.metric,
            dim=encoder.dim,
            vectors=len(vectors),
            queries=queries,
            files={name: sha256_of(self.work / name) for name in (VECTORS, *arrays)},
            stand_in=encoder.stand_in,
            precision=str(encoder.how),
            embed_seconds=round(seconds, 1),
            built={
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": platform.machine(),
                "python": platform.python_version(),
                "revision": gallery.revision,  # of the pictures, where they were downloaded
                **facts,
            },
            tiles=self.tiles,
        )
        artifact = self.store.publish(self.key, self.work, manifest, lambda made: self.last(made, vectors))
        for scratch in artifact.folder.glob("*.partial"):
            discard(scratch)
        return artifact


def reopened(gallery: Gallery, rows: np.ndarray, query_rows: np.ndarray) -> tuple[Gallery, np.ndarray, np.ndarray]:
    """A person's folder as it is after its new files were read, and the rows that these have in it by then."""
    assert gallery.reopen is not None
    asked = [(gallery.pictures, rows), (gallery.queries, query_rows)]
    living = [(pictures, some) for pictures, some in asked if isinstance(pictures, LivingPictures)]
    for pictures, _ in living:
        pictures.remember()
    now = gallery.reopen()
    vanished = tuple(pictures.file(row) for pictures, some in living for row in some.tolist() if not pictures.has(row))
    failed = {
        pictures.file(row): why for pictures, some in living for row in some.tolist() if (why := pictures.failed(row))
    }
    now = replace(now, report=now.report.after_build(vanished, failed))
    for (before, some), later in zip(asked, (now.pictures, now.queries), strict=True):
        if isinstance(before, LivingPictures):
            some[:] = before.rows_in(later, some)
    return now, rows, query_rows


def by_reason(problems: dict[int, str]) -> dict[str, list[int]]:
    """Reason -> its rows, which a manifest keeps in little room."""
    rows: dict[str, list[int]] = {}
    for row, reason in sorted(problems.items()):
        rows.setdefault(reason, []).append(row)
    return rows


def in_order(rows: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (m,) and vectors (m, dim) of those that have both, by ascending row."""
    whole = np.flatnonzero((rows != MISSING) & ~np.isnan(vectors[:, 0]))
    order = whole[np.argsort(rows[whole], kind="stable")]
    return rows[order], vectors[order]


def chosen(pictures: Pictures, limit: int | None) -> np.ndarray:
    """The rows that a build is to hold: at most `limit`, balanced over the classes, whose pictures are here."""
    if isinstance(pictures, LivingPictures):
        here = np.flatnonzero(pictures.present)
        return here[balanced_rows(pictures.labels[here], limit)]
    labels = pictures.labels if limit is None else pictures.labels[: pictures.within(limit)]
    return available(pictures, balanced_rows(labels, limit))


def available(pictures: Pictures, rows: np.ndarray) -> np.ndarray:
    """The rows whose picture is on this machine. No picture is read."""
    here = np.array([pictures.has(int(row)) for row in rows], dtype=bool)
    return rows[here]
