"""Embed a gallery and build its indexes: batches overlap, a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from searchdemo.collection.store import VECTORS, Artifact, Key, Manifest, Store
from searchdemo.encoders.base import Encoder
from searchdemo.errors import BadPicture, BadQuery, NoPictures
from searchdemo.files import sha256_of, write_json
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.pictures import open_picture

BATCH_SIZE = 64
MAX_WORKERS = 8  # threads that open pictures; each holds a batch
SAVE_SECONDS = 1.0  # between two saves of what is embedded; a kill loses no more


@dataclass(frozen=True)
class Progress:
    stage: str  # "embedding the gallery", "building ivf" ...
    done: int
    total: int
    rate: float  # per second; 0 when unknown

    @property
    def seconds_left(self) -> float:
        return (self.total - self.done) / self.rate if self.rate else float("nan")

    def __str__(self) -> str:
        if not self.rate:
            return self.stage
        left = clock(self.seconds_left)
        return f"{self.stage}: {self.done:,} of {self.total:,}, {self.rate:.0f} per second, {left} left"


def clock(seconds: float) -> str:
    """87 -> "1:27"."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


Report = Callable[[Progress], None]


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


def batches(pictures: Pictures, rows: np.ndarray, encoder: Encoder, batch_size: int) -> Iterator[tuple]:
    """For each batch, which of its rows can be read (b,) bool, and the network's input of those, or None.

    Threads prepare batches while the network computes. Where both want the same cores, the system shares them out: the
    runtime gives each core pieces of its own, so that nothing waits for a core that opens pictures.
    """

    def prepare(start: int) -> tuple[np.ndarray, np.ndarray | None]:
        there = []

        def opened() -> Iterator[Image.Image]:  # one by one, because a batch of photographs would take gigabytes
            for row in rows[start : start + batch_size]:
                image = readable(pictures.encoded(int(row)))
                there.append(image is not None)
                if image is not None:
                    yield image

        images = opened()
        first = next(images, None)
        pixels = None if first is None else encoder.preprocess(itertools.chain([first], images))
        return np.array(there), pixels

    starts = range(0, len(rows), batch_size)
    workers = min(os.cpu_count() or 1, MAX_WORKERS)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        for start in starts:
            waiting.append(pool.submit(prepare, start))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def readable(encoded: bytes | None) -> Image.Image | None:
    """The picture, or None where there is none or it cannot be read."""
    try:
        return None if encoded is None else open_picture(encoded)
    except BadPicture:
        return None


def embed(
    pictures: Pictures,
    rows: np.ndarray,
    encoder: Encoder,
    scratch: Path,
    report: Report,
    stage: str,
    batch_size: int,
    fingerprint: str = "",
) -> np.ndarray:
    """Unit rows (len(rows), dim) float32, NaN where a picture cannot be read.

    They are saved in the file `scratch` as they come. The .json beside it holds their count and the seconds that they
    took. After a kill the next run finds both, and goes on from there.
    """
    count_path = scratch.with_suffix(".json")
    identity = {
        "rows": hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest(),
        "gallery": fingerprint,
        "weights": encoder.weights_sha256,
        "how": str(encoder.how),
        "dim": encoder.dim,
    }
    done, seconds = 0, 0.0
    if scratch.exists() and count_path.exists():
        found = json.loads(count_path.read_text())
        begun = found.pop("done"), found.pop("seconds", 0.0)
        done, seconds = begun if found == identity else (0, 0.0)
    if not done:
        count_path.unlink(missing_ok=True)  # it must never stand beside vectors that it does not count
    shape = (len(rows), encoder.dim)
    vectors = np.lib.format.open_memmap(scratch, mode="r+" if done else "w+", dtype=np.float32, shape=shape)

    def save() -> None:
        vectors.flush()  # before the count, so that a count on disk is never ahead of its vectors
        write_json(count_path, identity | {"done": done, "seconds": seconds + time.perf_counter() - started})

    started, first = time.perf_counter(), done
    saved = started
    try:
        for there, pixels in batches(pictures, rows[done:], encoder, batch_size):
            batch = vectors[done : done + len(there)]
            batch[~there] = np.nan
            if there.any():
                batch[there] = encoder.encode_pixels(pixels)
            done += len(there)
            now = time.perf_counter()
            if now - saved >= SAVE_SECONDS:
                save()
                saved = now
            report(Progress(stage, done, len(rows), (done - first) / max(now - started, 1e-9)))
    finally:  # also when a person stops it
        save()
    return vectors


def build(
    gallery: Gallery,
    encoder: Encoder,
    store: Store,
    key: Key,
    report: Report = lambda progress: None,
    batch_size: int = BATCH_SIZE,
) -> Artifact:
    """Embed gallery and queries, build the inverted file that stores the vectors, publish both.

    Pictures that cannot be read are left out. Raises NoPictures when the gallery's pictures are not on this machine,
    BadQuery for a limit or a batch size below 1, SearchDemoError when another process builds the same.
    """
    if key.limit is not None and key.limit < 1:
        raise BadQuery(f"limit = {key.limit} leaves no picture: choose 1 or more.")
    if batch_size < 1:
        raise BadQuery(f"batch size = {batch_size} is out of bounds: choose 1 or more.")
    with store.building(key) as work:
        return _build(gallery, encoder, store, key, work, report, batch_size)


def _build(
    gallery: Gallery, encoder: Encoder, store: Store, key: Key, work: Path, report: Report, batch_size: int
) -> Artifact:
    from searchdemo.indexes.table import find

    def unit_rows(pictures: Pictures, name: str, stage: str) -> tuple[np.ndarray, np.ndarray, float]:
        """The rows (m,) that could be read, their vectors (m, dim) float32, and the seconds of embedding them."""
        rows = available(pictures, balanced_rows(pictures.labels, key.limit))
        if not len(rows):
            return rows, np.empty((0, encoder.dim), np.float32), 0.0
        scratch = work / f"{name}.npy.partial"
        vectors = embed(pictures, rows, encoder, scratch, report, stage, batch_size, gallery.fingerprint)
        read = ~np.isnan(vectors[:, 0])
        return rows[read], np.asarray(vectors[read]), json.loads(scratch.with_suffix(".json").read_text())["seconds"]

    rows, vectors, seconds = unit_rows(gallery.pictures, "vectors", "embedding the gallery")
    if not len(rows):
        raise NoPictures(gallery.missing or f"The gallery {gallery.name!r} has no pictures.")
    queries, query_vectors, query_seconds = unit_rows(gallery.queries, "queries", "embedding the queries")
    report(Progress("building ivf", 0, 1, 0))
    find("ivf").build(vectors, key.metric).save(work / VECTORS)
    arrays = {}
    if len(rows) < len(gallery.pictures):
        arrays["rows.npy"] = rows
    if len(queries):
        arrays["queries.npy"] = query_vectors.astype(np.float16)
        if len(queries) < len(gallery.queries):
            arrays["query_rows.npy"] = queries
    for name, array in arrays.items():
        np.save(work / name, array)
    manifest = Manifest(
        gallery=gallery.name,
        gallery_fingerprint=gallery.fingerprint,
        encoder=encoder.name,
        weights_sha256=encoder.weights_sha256,
        transform=encoder.transform,
        metric=key.metric,
        dim=encoder.dim,
        vectors=len(rows),
        queries=len(queries),
        files={name: sha256_of(work / name) for name in (VECTORS, *arrays)},
        stand_in=encoder.stand_in,
        precision=str(encoder.how),
        embed_seconds=round(seconds + query_seconds, 1),
        built={
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "revision": gallery.revision,  # of the pictures, where they were downloaded
        },
    )
    artifact = store.publish(key, work, manifest)
    for scratch in [*artifact.folder.glob("*.npy.*"), *artifact.folder.glob("*.partial")]:
        scratch.unlink(missing_ok=True)
    return artifact


def available(pictures: Pictures, rows: np.ndarray) -> np.ndarray:
    """The rows whose picture is on this machine. No picture is read."""
    here = np.array([pictures.has(int(row)) for row in rows], dtype=bool)
    return rows[here]
