"""The race of the Latency tab: several indexes on one query, and what the approximate ones lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from searchdemo.bench.metrics import Latency, latency, recall_at_k
from searchdemo.bench.threads import thread_limit
from searchdemo.errors import BadQuery
from searchdemo.indexes.base import VectorIndex
from searchdemo.indexes.exact import BruteForce
from searchdemo.indexes.faiss_index import FaissIndex
from searchdemo.indexes.table import find
from searchdemo.search import SearchEngine, check_k
from searchdemo.types import MISSING

RECALL_QUERIES = 200  # held-out queries that the mean recall is taken over
MOST_REPEATS = 1000
MOST_BATCH = 1024


@dataclass(frozen=True)
class Row:
    """One index in the race."""

    index: str
    factory: str
    latency: Latency  # of one call with the whole batch
    recall: float  # recall@k of this query against exact
    mean_recall: float  # over held-out queries; nan when there are none
    size_bytes: int
    load_ms: float  # from file or stored vectors to ready; includes building for a smaller gallery
    positions: np.ndarray  # (k,) what it found for this query

    def to_json(self) -> dict:
        return {
            "index": self.index,
            "factory": self.factory,
            "p50_ms": self.latency.p50_ms,
            "p95_ms": self.latency.p95_ms,
            "repeats": self.latency.repeats,
            "recall": self.recall,
            "mean_recall": None if np.isnan(self.mean_recall) else self.mean_recall,
            "size_bytes": self.size_bytes,
            "load_ms": self.load_ms,
        }


@dataclass(frozen=True)
class Race:
    """What is to be compared, and how."""

    gallery: str
    encoder: str
    indexes: tuple[str, ...] = ("brute", "flat", "ivf")
    k: int = 10
    repeats: int = 50
    batch: int = 1  # queries a call: this one and held-out ones
    threads: int | None = 1  # None: as many as FAISS and NumPy take by themselves
    size: int | None = None  # search only in this many vectors of the gallery
    params: tuple[tuple[str, int], ...] = ()  # (name, value): nprobe, ef_search; each index takes those it has

    def check(self) -> None:
        """Raises BadQuery for numbers out of bounds."""
        check_k(self.k)
        for name, value, most in (("repeats", self.repeats, MOST_REPEATS), ("batch", self.batch, MOST_BATCH)):
            if not 1 <= value <= most:
                raise BadQuery(f"{name} = {value:,} is out of bounds: choose from 1 to {most:,}.")
        if not self.indexes:
            raise BadQuery("Choose at least one index to compare.")


def run(engine: SearchEngine, race: Race, query: np.ndarray) -> Iterator[Row]:
    """Measure one index after the other on a query (1, dim); yields each as it is done.

    Loading, building and the exact answer lie outside what is timed. Raises SearchDemoError.
    """
    race.check()
    prepared = engine.prepared(race.gallery, race.encoder)
    held_out, _ = prepared.queries()
    batch = (
        query
        if race.batch == 1 or not len(held_out)
        else np.concatenate([query, np.resize(held_out, (race.batch - 1, query.shape[1]))])
    )
    some = held_out[:: max(1, len(held_out) // RECALL_QUERIES)][:RECALL_QUERIES]
    asked = np.concatenate([query, some])
    exact = contestant(engine, race, "brute").search(asked, race.k).rows
    for name in race.indexes:
        index = contestant(engine, race, name)
        params = {key: value for key, value in race.params if key in {param.name for param in index.spec.params}}
        found = index.search(asked, race.k, **params).rows
        with thread_limit(race.threads):
            measured = latency(lambda index=index, params=params: index.search(batch, race.k, **params), race.repeats)
        yield Row(
            name,
            getattr(index, "factory", "NumPy"),
            measured,
            recall_at_k(found[:1], exact[:1]),
            recall_at_k(found[1:], exact[1:]) if len(some) else float("nan"),
            index.size_bytes,
            index.load_ms,
            found[0],
        )


def contestant(engine: SearchEngine, race: Race, name: str) -> VectorIndex:
    """The engine's own index, or one over the first `size` of a fixed shuffle of the vectors."""
    vectors = engine.prepared(race.gallery, race.encoder).vectors
    if race.size is None or race.size >= len(vectors):
        return engine.index(race.gallery, race.encoder, name)
    if race.size < 1:
        raise BadQuery(f"A gallery of {race.size:,} pictures cannot be searched: choose 1 or more.")

    def build_smaller() -> VectorIndex:
        chosen = vectors.all()[subset(len(vectors), race.size)]
        spec = find(name)
        return BruteForce(spec, chosen) if name == "brute" else FaissIndex.from_vectors(spec, chosen, engine.metric)

    return engine.kept_index((race.gallery, race.encoder, name, race.size, len(vectors)), build_smaller)


def subset(vectors: int, size: int) -> np.ndarray:
    """(size,) positions, the same ones for every index."""
    return np.random.default_rng(0).permutation(vectors)[:size]


@dataclass(frozen=True)
class Lost:
    """The exact answer beside an approximate one."""

    exact: np.ndarray  # (k,) positions
    found: np.ndarray  # (k,) positions, MISSING at the end
    missed: frozenset[int]  # positions that the approximate index did not return
    cell_ranks: dict[int, int] | None  # position -> nprobe at which its cell is visited; None when not an IVF
    nprobe: int | None  # at which all would have been in a visited cell

    def __str__(self) -> str:
        if not self.missed:
            return f"all {len(self.exact)} found"
        sentence = f"{len(self.missed)} of {len(self.exact)} missed"
        return sentence + (f"; nprobe {self.nprobe} would have visited the cells of all" if self.nprobe else "")


def what_was_lost(engine: SearchEngine, race: Race, query: np.ndarray, index: str, found: np.ndarray) -> Lost:
    """Compare what `index` found for a query (1, dim), positions (k,), with the exact answer."""
    exact = contestant(engine, race, "brute").search(query, race.k).rows[0]
    missed = frozenset(int(position) for position in exact) - {int(position) for position in found}
    searched = contestant(engine, race, index)
    ranks = None
    if isinstance(searched, FaissIndex):
        vectors = engine.prepared(race.gallery, race.encoder).vectors
        stored = positions_in_gallery(engine, race, exact)
        ranks = searched.cell_ranks(query[0], vectors.take(stored))
    if ranks is None:
        return Lost(exact, found, missed, None, None)
    by_position = {int(position): int(rank) for position, rank in zip(exact, ranks, strict=True)}
    return Lost(exact, found, missed, by_position, max(by_position.values()) if missed else None)


def positions_in_gallery(engine: SearchEngine, race: Race, positions: np.ndarray) -> np.ndarray:
    """Positions within a race over fewer vectors -> positions among the stored vectors; MISSING stays."""
    stored = len(engine.prepared(race.gallery, race.encoder).vectors)
    if race.size is None or race.size >= stored:
        return positions
    return np.where(positions == MISSING, MISSING, subset(stored, race.size)[positions])
