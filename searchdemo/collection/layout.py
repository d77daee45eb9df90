"""Vectors laid out in two dimensions, so that near ones lie near each other: t-SNE, or PCA where there are few.

t-SNE: van der Maaten and Hinton, "Visualizing data using t-SNE" (2008), by openTSNE (Poličar et al., 2024). PaCMAP and
umap-learn were measured beside it; see docs/benchmarks.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from searchdemo.collection.progress import Progress, Report
from searchdemo.extras import imported, pip_command, require

PERPLEXITY = 30  # how many neighbours each point minds, roughly; the usual value
NEIGHBOURS = 3 * PERPLEXITY  # that t-SNE looks at; those beyond have next to no weight
FEWEST = 100  # pictures; t-SNE needs more than it has neighbours
SEED = 0
SUBJECT = f"A map of {FEWEST} pictures or more"
QUERIES = 1000  # at once, between two reports
PHASES = ((250, 12), (500, 1))  # iterations, and how much nearness is exaggerated in them; the usual ones
REPORT_EVERY = 10  # iterations

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]  # queries (q, dim), k -> positions, cosines (q, k)


def layout(vectors: np.ndarray, search: Search, report: Report = lambda progress: None) -> tuple[np.ndarray, str]:
    """Where each vector lies, (n, 2) float32 in [0, 1], and how that was made. The same vectors give the same map.

    vectors: (n, dim) unit rows; search: finds the nearest among them, none MISSING. KeyboardInterrupt ends it at once.
    Raises NotInstalled without openTSNE, which only FEWEST vectors or more need.
    """
    if len(vectors) < FEWEST:
        return scaled(principal(vectors)), f"PCA, because {len(vectors):,} pictures are too few for t-SNE"
    library = imported("openTSNE", SUBJECT, pip_command("map"))
    known = neighbours(vectors, search, report)
    positions = tsne(library, principal(vectors), *known, report)
    return scaled(positions), f"t-SNE of perplexity {PERPLEXITY} by openTSNE {library.__version__}"


def check_installed(pictures: int) -> None:
    """Before hours of embedding: raises NotInstalled when a map of so many pictures could not be made here."""
    if pictures >= FEWEST:
        require("openTSNE", SUBJECT, pip_command("map"))


def neighbours(vectors: np.ndarray, search: Search, report: Report) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of each vector without itself: positions and Euclidean distances, (n, NEIGHBOURS) each."""
    n, started = len(vectors), time.perf_counter()
    positions, distances = np.empty((n, NEIGHBOURS), np.int64), np.empty((n, NEIGHBOURS), np.float64)
    for start in range(0, n, QUERIES):
        part = slice(start, min(start + QUERIES, n))
        found, cosines = search(vectors[part], NEIGHBOURS + 1)
        others = found != np.arange(n)[part, None]
        others[others.all(axis=1), -1] = False  # it was not found itself: so many have the same vector
        positions[part] = found[others].reshape(-1, NEIGHBOURS)
        distances[part] = np.sqrt(np.maximum(2 - 2 * cosines[others], 0)).reshape(-1, NEIGHBOURS)
        report(progress("finding neighbours", part.stop, n, started))
    return positions, distances


def tsne(library: Any, start: np.ndarray, positions: np.ndarray, distances: np.ndarray, report: Report) -> np.ndarray:
    """library: openTSNE; start: (n, 2), where the points begin."""
    jobs = os.cpu_count() or 1
    known = library.nearest_neighbors.PrecomputedNeighbors(positions, distances)
    affinities = library.affinity.PerplexityBasedNN(knn_index=known, perplexity=PERPLEXITY, n_jobs=jobs)
    jitter = np.random.default_rng(SEED).normal(0, 0.01, start.shape)  # equal vectors must not start on one point
    begin = 1e-4 * (start / start[:, 0].std() + jitter)
    embedding = library.TSNEEmbedding(np.ascontiguousarray(begin), affinities, n_jobs=jobs, random_state=SEED)
    total, started = sum(iterations for iterations, _ in PHASES), time.perf_counter()
    done = 0

    def tell(*of_iteration: object) -> None:
        nonlocal done
        done += REPORT_EVERY
        report(progress("drawing the map", done, total, started))

    for iterations, exaggeration in PHASES:
        embedding.optimize(
            iterations,
            exaggeration=exaggeration,
            momentum=0.8,
            inplace=True,
            callbacks=tell,
            callbacks_every_iters=REPORT_EVERY,
        )
    return np.asarray(embedding)


def principal(vectors: np.ndarray) -> np.ndarray:
    """The first two principal components, (n, 2) float64; each has the sign that makes its largest weight positive."""
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    chosen = axes[:, :-3:-1]
    largest = np.abs(chosen).argmax(axis=0)
    return centred @ (chosen * np.sign(chosen[largest, range(chosen.shape[1])]))


def scaled(positions: np.ndarray) -> np.ndarray:
    """(n, 2) float32 in [0, 1]: the longer side fills it, the other one lies in its middle. One point is its middle."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    side = float((high - low).max()) or 1.0
    return np.clip((positions - (low + high) / 2) / side + 0.5, 0, 1).astype(np.float32)


def progress(stage: str, done: int, total: int, started: float) -> Progress:
    return Progress(stage, done, total, done / max(time.perf_counter() - started, 1e-9))
