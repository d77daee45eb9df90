"""The race of the Latency tab: several indexes on one query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from searchdemo.collection.library import Query, SearchEngine, check_k
from searchdemo.errors import BadQuery
from searchdemo.indexes.base import Index
from searchdemo.indexes.table import find
from searchdemo.measure.metrics import Latency, affordable_latency, latency, recall_at_k
from searchdemo.measure.threads import thread_limit
from searchdemo.types import MISSING

RECALL_QUERIES = 200  # held-out queries that the mean recall is taken over
MOST_REPEATS = 1000
MOST_BATCH = 1024
MOST_CANDIDATES = 10_000_000  # of one call, over all its queries: 12 bytes each, some 120 MB
ENCODE_REPEATS = 10


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
        """Raises BadQuery for numbers out of bounds, alone or together, UnknownName for an index."""
        check_k(self.k)
        for name, value, most in (("repeats", self.repeats, MOST_REPEATS), ("batch", self.batch, MOST_BATCH)):
            if not 1 <= value <= most:
                raise BadQuery(f"{name} = {value:,} is out of bounds: choose from 1 to {most:,}.")
        if not self.indexes:
            raise BadQuery("Choose at least one index to compare.")
        if self.batch * self.candidates > MOST_CANDIDATES:
            raise BadQuery(
                f"batch = {self.batch:,}, k = {self.k:,} and k_factor = {self.candidates // self.k:,} together ask for "
                f"{self.batch * self.candidates:,} candidates at once, more than the {MOST_CANDIDATES:,} that fit in "
                f"memory: choose a batch of {max(1, MOST_CANDIDATES // self.candidates):,} or less, "
                "or lower k or k_factor."
            )

    @property
    def candidates(self) -> int:
        """The most that an index of the race fetches for one query: k, times k_factor where it scores them again."""
        given = dict(self.params)
        factors = [
            given.get(param.name, param.default)
            for name in self.indexes
            for param in find(name).params
            if param.name == "k_factor"
        ]
        return self.k * max([1, *factors])

    def params_for(self, index: Index) -> dict[str, int]:
        """Those of the search parameters that this index has."""
        known = {param.name for param in index.spec.params}
        return {name: value for name, value in self.params if name in known}


def encode(engine: SearchEngine, query: Query, race: Race) -> tuple[np.ndarray, Latency | None]:
    """The query as a unit row (1, dim), and the time from picture or words to it.

    A held-out query searches with its stored embedding; its picture is encoded for the time alone, and the time is
    None when that picture or the encoder's weights are not on this machine.

    Raises BadArtifact when the encoder's weights are not those of the stored vectors, and all that embed raises.
    """
    prepared = engine.prepared(race.gallery, race.encoder)
    if query.held_out is None:
        prepared.artifact.check_weights(engine.encoder(race.encoder).weights_sha256)
    vector = engine.embed(query, race.gallery, race.encoder).vector  # refuses a number that no held-out query has
    shown = query
    if query.held_out is not None:
        picture = prepared.query_picture(query.held_out) if engine.has_weights(race.encoder) else None
        shown = None if picture is None else Query(picture=picture)
    if shown is None:
        return vector, None
    with thread_limit(race.threads):
        repeats = min(race.repeats, ENCODE_REPEATS)
        return vector, latency(lambda: engine.embed(shown, race.gallery, race.encoder), repeats, warm_up=1)


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
    some = recall_sample(held_out)
    asked = np.concatenate([query, some])
    exact = contestant(engine, race, "brute").search(asked, race.k).rows
    at_once = max(1, MOST_CANDIDATES // race.candidates)
    for name in race.indexes:
        index = contestant(engine, race, name)
        params = race.params_for(index)
        parts = (asked[start : start + at_once] for start in range(0, len(asked), at_once))
        found = np.concatenate([index.search(part, race.k, **params).rows for part in parts])
        with thread_limit(race.threads):
            measured = affordable_latency(
                lambda index=index, params=params: index.search(batch, race.k, **params), race.repeats
            )
        yield Row(
            name,
            index.recipe,
            measured,
            recall_at_k(found[:1], exact[:1]),
            recall_at_k(found[1:], exact[1:]) if len(some) else float("nan"),
            index.size_bytes,
            index.load_ms,
            found[0],
        )


def recall_sample(held_out: np.ndarray) -> np.ndarray:
    """Rows (at most RECALL_QUERIES, dim) that the mean recall is taken over, spread evenly over all classes."""
    return held_out[:: max(1, len(held_out) // RECALL_QUERIES)][:RECALL_QUERIES]


def contestant(engine: SearchEngine, race: Race, name: str) -> Index:
    """The engine's own index, or one over the first `size` of a fixed shuffle of the vectors."""
    prepared = engine.prepared(race.gallery, race.encoder)
    vectors = prepared.vectors
    if race.size is None or race.size >= len(vectors):
        return engine.index(race.gallery, race.encoder, name)
    if race.size < 1:
        raise BadQuery(f"A gallery of {race.size:,} pictures cannot be searched: choose 1 or more.")

    def build_smaller() -> Index:
        chosen = vectors.all()[subset(len(vectors), race.size)]
        return find(name).build(chosen, engine.metric)

    return engine.kept_index((prepared.artifact.vectors_sha256, name, race.size), build_smaller)


def subset(vectors: int, size: int) -> np.ndarray:
    """(size,) positions, the same ones for every index."""
    return np.random.default_rng(0).permutation(vectors)[:size]


def positions_in_gallery(engine: SearchEngine, race: Race, positions: np.ndarray) -> np.ndarray:
    """Positions within a race over fewer vectors -> positions among the stored vectors; MISSING stays."""
    stored = len(engine.prepared(race.gallery, race.encoder).vectors)
    if race.size is None or race.size >= stored:
        return positions
    return np.where(positions == MISSING, MISSING, subset(stored, race.size)[positions])
