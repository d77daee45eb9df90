"""What a benchmark works on: vectors with labels, held-out queries with theirs, and the exact answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from searchdemo.collection.build import Progress, balanced_rows
from searchdemo.collection.library import SearchEngine
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import NotBuilt
from searchdemo.indexes.table import INDEXES

SYNTHETIC_CLASSES = 200


@dataclass
class Workload:
    """Unit rows (n, dim) float32 of the gallery, queries (q, dim) held out from it, and labels of both."""

    vectors: np.ndarray
    labels: np.ndarray  # (n,) int64
    queries: np.ndarray
    truth: np.ndarray  # (q,) int64
    label_names: tuple[str, ...]
    class_names: tuple[str, ...]
    subject: dict  # for the run card
    _exact: dict = field(default_factory=dict, repr=False)

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    def exact(self, k: int) -> np.ndarray:
        """(q, k) positions by brute force in NumPy: the same for inner product and L2, because rows are unit."""
        known = max((known for known in self._exact if known >= k), default=None)
        if known is None:
            known = k
            self._exact[k] = INDEXES["brute"].build(self.vectors).search(self.queries, k).rows
        return self._exact[known][:, :k]

    def part(self, size: int | None = None, queries: int | None = None, seed: int = 0) -> Workload:
        """Balanced over the classes: at most `size` vectors and `queries` queries; None keeps all."""
        rows = balanced_rows(self.labels, size, seed)
        asked = balanced_rows(self.truth, queries, seed)
        if len(rows) == len(self.vectors) and len(asked) == len(self.queries):
            return self
        subject = self.subject | {"vectors": len(rows), "queries": len(asked)}
        return Workload(
            self.vectors[rows],
            self.labels[rows],
            self.queries[asked],
            self.truth[asked],
            self.label_names,
            self.class_names,
            subject,
        )


def stored(engine: SearchEngine, gallery: str, encoder: str) -> Workload:
    """What was built. Raises NotBuilt, BadArtifact; NotHere when the gallery has no held-out queries."""
    prepared = engine.prepared(gallery, encoder)
    queries, truth = prepared.held_out()
    manifest, shown = prepared.artifact.manifest, prepared.gallery
    rows = prepared.gallery_rows(np.arange(len(prepared.vectors)))
    subject = {
        "vectors": len(prepared.vectors),
        "dim": prepared.vectors.dim,
        "queries": len(queries),
        "weights_sha256": manifest.weights_sha256,
        "vectors_sha256": prepared.artifact.vectors_sha256,
        "precision": manifest.precision,
        "stand_in": manifest.stand_in,
        "synthetic": False,
    }
    labels = np.asarray(shown.pictures.labels)[rows].astype(np.int64)
    return Workload(prepared.vectors.all(), labels, queries, truth, shown.label_names, shown.class_names, subject)


def synthetic(vectors: int, queries: int, dim: int, seed: int = 0) -> Workload:
    """Random unit rows around SYNTHETIC_CLASSES centres: times are right, accuracies mean nothing."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((SYNTHETIC_CLASSES, dim), dtype=np.float32)
    labels = rng.integers(0, SYNTHETIC_CLASSES, vectors + queries)
    rows = centres[labels]
    rows += rng.standard_normal(rows.shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = tuple(f"class {number}" for number in range(SYNTHETIC_CLASSES))
    subject = {"vectors": vectors, "dim": dim, "queries": queries, "synthetic": True}
    return Workload(rows[:vectors], labels[:vectors], rows[vectors:], labels[vectors:], names, names, subject)


@dataclass
class Bench:
    """What one run of a benchmark is asked for. A benchmark takes one and returns Figures (see table.py)."""

    engine: SearchEngine
    gallery: str = "tiny-imagenet"
    encoder: str = "bundled"
    weights: Path | None = None  # the person's own, which the engine was given too
    quick: bool = False  # under a minute
    synthetic: bool = False  # random vectors where none are built
    threads: tuple[int, ...] = (1,)
    seed: int = 0
    report: Callable[[Progress], None] = lambda progress: None
    indexes: tuple[str, ...] = ()  # of the INDEXES table, for `latency`; (): all
    options: dict = field(default_factory=dict)  # what one benchmark alone understands
    _workload: Workload | None = field(default=None, repr=False)

    def workload(self, quick_size: int = 10_000, quick_queries: int = 500) -> Workload:
        """Of the gallery and the encoder; with `quick`, at most this much of it. Raises NotBuilt, NotHere."""
        if self._workload is None:
            try:
                self._workload = stored(self.engine, self.gallery, self.encoder)
            except NotBuilt:
                if not self.synthetic:
                    raise
                self._workload = synthetic(100_000, 2_000, ENCODERS.find(self.encoder).dim, self.seed)
        return self._workload.part(quick_size, quick_queries, self.seed) if self.quick else self._workload

    def pictures(self, number: int) -> tuple[list[bytes], str]:
        """Encoded pictures and the gallery that they come from: this one, or `scenes` where it has none here."""
        for name in (self.gallery, "scenes"):
            pictures = self.engine.gallery(name).pictures
            rows = balanced_rows(np.asarray(pictures.labels), number, self.seed)
            found = [picture for row in rows if (picture := pictures.encoded(int(row))) is not None]
            if len(found) == len(rows):
                break
        return found, name
