"""Embed a gallery and build its indexes: batches overlap, a killed run goes on where it stopped."""

from __future__ import annotations

import json
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from searchdemo.encoders.base import Encoder
from searchdemo.errors import BadQuery, NoPictures
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.pictures import open_picture
from searchdemo.store import Artifact, Key, Manifest, Store, sha256, write_json

BATCH_SIZE = 64
SAVE_EVERY_SECONDS = 5.0  # what a kill may cost, at most


@dataclass(frozen=True)
class Progress:
    stage: str  # "embedding the gallery", "building ivf" ...
    done: int
    total: int
    rate: float  # a second; 0 when unknown

    @property
    def seconds_left(self) -> float:
        return (self.total - self.done) / self.rate if self.rate else float("nan")

    def __str__(self) -> str:
        if not self.rate:
            return self.stage
        return (
            f"{self.stage}: {self.done:,} of {self.total:,}, {self.rate:.0f} a second, {clock(self.seconds_left)} left"
        )


def clock(seconds: float) -> str:
    """87 -> "1:27"."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


Report = Callable[[Progress], None]


def balanced_rows(labels: np.ndarray, limit: int | None, seed: int = 0) -> np.ndarray:
    """At most `limit` rows, as evenly over the classes as they go, in ascending order; (m,) int64."""
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.int64)  # how many of its class come before a row in the shuffle
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        turn[members] = np.arange(len(members))
    return np.sort(shuffled[np.argsort(turn[shuffled], kind="stable")][:limit])


def batches(pictures: Pictures, rows: np.ndarray, encoder: Encoder, batch_size: int) -> Iterator[tuple[int, object]]:
    """(pictures in it, network input) of each batch, decoded and preprocessed ahead in other threads."""

    def prepare(chosen: np.ndarray) -> tuple[int, object]:
        return len(chosen), encoder.preprocess([open_picture(pictures.encoded(int(row))) for row in chosen])

    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting: deque = deque()
        for start in range(0, len(rows), batch_size):
            waiting.append(pool.submit(prepare, rows[start : start + batch_size]))
            if len(waiting) > 3:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def embed(
    pictures: Pictures, rows: np.ndarray, encoder: Encoder, scratch: Path, report: Report, stage: str, batch_size: int
) -> np.ndarray:
    """Unit rows (len(rows), dim) float32, kept in the file `scratch` as they come, with the count beside it."""
    count_path = scratch.with_suffix(".json")
    identity = {"rows": len(rows), "first": rows[:3].tolist(), "weights": encoder.weights_sha256, "dim": encoder.dim}
    done = 0
    if scratch.exists() and count_path.exists():
        saved = json.loads(count_path.read_text())
        done = saved.pop("done")
        done = done if saved == identity else 0
    shape = (len(rows), encoder.dim)
    vectors = np.lib.format.open_memmap(scratch, mode="r+" if done else "w+", dtype=np.float32, shape=shape)
    started, first = time.perf_counter(), done
    saved_at = started
    for count, pixels in batches(pictures, rows[done:], encoder, batch_size):
        vectors[done : done + count] = encoder.encode_pixels(pixels)
        done += count
        now = time.perf_counter()
        if now - saved_at > SAVE_EVERY_SECONDS or done == len(rows):
            vectors.flush()
            write_json(count_path, identity | {"done": done})
            saved_at = now
        report(Progress(stage, done, len(rows), (done - first) / (now - started)))
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

    Raises NoPictures when the gallery's pictures are not on this machine, BadQuery for a limit below 1.
    """
    from searchdemo.indexes import faiss_index, table

    if key.limit is not None and key.limit < 1:
        raise BadQuery(f"limit = {key.limit} leaves no picture: choose 1 or more.")
    started = time.perf_counter()
    rows = available(gallery.pictures, balanced_rows(gallery.pictures.labels, key.limit))
    if not len(rows):
        raise NoPictures(gallery.missing or f"The gallery {gallery.name!r} has no pictures.")
    queries = available(gallery.queries, balanced_rows(gallery.queries.labels, key.limit))
    work = store.work_folder(key)
    vectors = embed(
        gallery.pictures, rows, encoder, work / "vectors.npy.partial", report, "embedding the gallery", batch_size
    )
    names = ["ivf.faiss"]
    if len(queries):
        embedded = embed(
            gallery.queries, queries, encoder, work / "queries.npy.partial", report, "embedding the queries", batch_size
        )
        np.save(work / "queries.npy", embedded.astype(np.float16))
        names.append("queries.npy")
        if len(queries) < len(gallery.queries):
            np.save(work / "query_rows.npy", queries)
            names.append("query_rows.npy")
    if len(rows) < len(gallery.pictures):
        np.save(work / "rows.npy", rows)
        names.append("rows.npy")
    embed_seconds = time.perf_counter() - started
    report(Progress("building ivf", 0, 1, 0))
    faiss_index.save(faiss_index.build(table.INDEXES["ivf"], np.asarray(vectors), key.metric), work / "ivf.faiss")
    for leftover in work.glob("*.npy.*"):
        leftover.unlink()
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
        files={name: sha256(work / name) for name in names},
        stand_in=encoder.stand_in,
        precision=f"{encoder.precision} on {encoder.device}",
        embed_seconds=round(embed_seconds, 1),
        built={
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": platform.machine(),
            "python": platform.python_version(),
        },
    )
    return store.publish(key, work, manifest)


def available(pictures: Pictures, rows: np.ndarray) -> np.ndarray:
    """Those of the rows whose picture is on this machine."""
    here = np.array([pictures.encoded(int(row)) is not None for row in rows], dtype=bool)
    return rows[here]
