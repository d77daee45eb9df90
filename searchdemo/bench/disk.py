"""Inverted files on disk over many synthetic vectors: each built in one new process, and searched in another.

Vectors are made block by block from seeds, so no process ever holds all of them; exact answers are found block by block
on the way. Peaks of resident memory include the pages of mapped files, which the system takes back when it needs them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from searchdemo.bench.child import run_python
from searchdemo.bench.points import query_latency, search_of
from searchdemo.bench.resident import peak_bytes
from searchdemo.bench.workload import SYNTHETIC_CLASSES
from searchdemo.files import make_folder
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.table import find
from searchdemo.indexes.vectors import unit
from searchdemo.measure.metrics import recall_at_k

K, QUERIES = 10, 300
NPROBES = (4, 16, 64, 256)
BLOCK = 25_000  # vectors that are made at a time
TRAINING = 64  # vectors per centroid
APART, INNER_DIMS, NOISE = 0.5, 16, 0.2  # of centres, and of rows around them
CODE = """
import sys
from searchdemo.bench import disk
from searchdemo.errors import SearchDemoError
try:
    disk.child(*sys.argv[1:])
except SearchDemoError as error:
    sys.exit(str(error))
"""


def block(number: int, size: int, dim: int, seed: int) -> np.ndarray:
    """Unit rows (size, dim) float32, the same for the same arguments. Number 0 is for queries.

    They lie around SYNTHETIC_CLASSES centres and differ from these in INNER_DIMS directions, the same for all, and by a
    little noise: of noise alone in all directions, no inverted file finds the nearest.
    """
    shared, rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1, number])
    centres = np.float32(APART) * shared.standard_normal((SYNTHETIC_CLASSES, dim), dtype=np.float32)
    directions = shared.standard_normal((INNER_DIMS, dim), dtype=np.float32) / np.float32(INNER_DIMS**0.5)
    rows = rng.standard_normal((size, INNER_DIMS), dtype=np.float32) @ directions
    rows += centres[rng.integers(0, SYNTHETIC_CLASSES, size)]
    rows += np.float32(NOISE) * rng.standard_normal((size, dim), dtype=np.float32)
    return unit(rows)


class Exact:
    """The nearest K of all rows that were seen, in float32."""

    def __init__(self, queries: np.ndarray):
        """queries: (q, dim)"""
        self.queries, self.seen = queries, 0
        self.scores = np.full((len(queries), K), -np.inf, np.float32)
        self.positions = np.full((len(queries), K), -1, np.int64)

    def see(self, rows: np.ndarray) -> None:
        """(n, dim), whose positions go on from those that were seen before."""
        scores = self.queries @ rows.T
        best = np.argpartition(-scores, min(K, len(rows)) - 1, axis=1)[:, :K]
        scores = np.concatenate([self.scores, np.take_along_axis(scores, best, 1)], axis=1)
        positions = np.concatenate([self.positions, best + self.seen], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        self.scores, self.positions = np.take_along_axis(scores, order, 1), np.take_along_axis(positions, order, 1)
        self.seen += len(rows)


def child(step: str, folder: str, vectors: str, dim: str, seed: str) -> None:
    """Runs one of STEPS, and leaves its figures beside the index: FAISS prints to the output."""
    figures = STEPS[step](Path(folder), int(vectors), int(dim), int(seed))
    Path(folder, f"{step}.json").write_text(json.dumps(figures))


def built(folder: Path, vectors: int, dim: int, seed: int) -> dict:
    """build_s is without making the vectors and finding the exact answers."""
    from searchdemo.indexes import disk

    exact, apart = Exact(block(0, QUERIES, dim, seed)), 0.0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal apart
        for number, first in enumerate(range(0, vectors, BLOCK), start=1):
            started = time.perf_counter()
            rows = block(number, min(BLOCK, vectors - first), dim, seed)
            exact.see(rows)
            apart += time.perf_counter() - started
            yield rows

    spec = from_factory(find("ivf").recipe(vectors, dim), "ivf", "ivf-disk")
    cells = int(spec.recipe(vectors, dim).removeprefix("IVF").partition(",")[0])
    numbers = range(1, 1 + -(-vectors // BLOCK))
    each = min(BLOCK, vectors, -(-TRAINING * cells // len(numbers)))
    sample = np.concatenate([block(number, each, dim, seed) for number in numbers])[:vectors]
    started = time.perf_counter()
    disk.build(folder / "index", spec, sample, blocks())
    seconds = time.perf_counter() - started - apart
    np.save(folder / "exact.npy", exact.positions)
    return {"build_s": seconds, "build_peak_bytes": peak_bytes()}


def searched(folder: Path, vectors: int, dim: int, seed: int) -> dict:
    """One query per call on one thread, for each of NPROBES."""
    from searchdemo.indexes import disk

    started = time.perf_counter()
    index, queries = disk.load(folder / "index"), block(0, QUERIES, dim, seed)
    load_s, points = time.perf_counter() - started, []
    exact = np.load(folder / "exact.npy")
    for nprobe in NPROBES:
        found = index.search(queries, K, nprobe=nprobe).positions
        timed = query_latency(search_of(index, nprobe=nprobe), queries, K)
        times = {"p50_ms": timed.p50_ms, "p95_ms": timed.p95_ms}
        points.append({"nprobe": nprobe, "recall_10": recall_at_k(found, exact)} | times)
    facts = {"factory": index.recipe, "size_bytes": index.size_bytes, "load_s": load_s}
    return facts | {"points": points, "search_peak_bytes": peak_bytes()}


STEPS: dict[str, Callable[[Path, int, int, int], dict]] = {"built": built, "searched": searched}


def rows(sizes: Sequence[int], dim: int, seed: int, place: Path, tell: Callable[[str, int, int], None]) -> list[dict]:
    """One row for each size and nprobe. Everything lies in a folder in `place`, which is deleted in the end.

    Raises SearchDemoError where a process fails, also for want of room: 10 M vectors of 128 dimensions take 5.4 GB
    while they are merged.
    """
    found = []
    for done, size in enumerate(sizes):
        what = f"ivf-disk on {size:,} vectors"
        tell(what, done, len(sizes))
        with tempfile.TemporaryDirectory(prefix="disk.", dir=make_folder(place)) as folder:
            figures: dict = {}
            for step in STEPS:
                run_python(CODE, step, folder, str(size), str(dim), str(seed), what=what)
                figures |= json.loads(Path(folder, f"{step}.json").read_text())
        points = figures.pop("points")
        found += [{"index": "ivf-disk", "family": "ivf", "vectors": size} | figures | point for point in points]
    return found
