"""The race of the Latency tab: several indexes on one query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np

from searchdemo.collection.asked import Asked, asked
from searchdemo.collection.collection import Collection
from searchdemo.collection.embedded import embed
from searchdemo.collection.query import Query, check_k
from searchdemo.errors import BadQuery
from searchdemo.indexes.base import Index
from searchdemo.indexes.table import find
from searchdemo.measure.mean_recall import answers
from searchdemo.measure.metrics import Latency, Turn, affordable_latency, latency, recall_at_k
from searchdemo.threads import openmp_on_one_core, thread_limit

RECALL_QUERIES = 200  # the mean recall is taken over this many held-out queries
MAX_REPEATS = 1000
MAX_BATCH = 1024
MAX_CANDIDATES = 10_000_000  # per call, over all its queries: 12 bytes each, about 120 MB
ENCODE_REPEATS = 10
NOBODY = Asked(np.empty((0, 1), np.float32), np.empty((0, 1), np.int64))


@dataclass(frozen=True)
class Row:
    """One index in the race."""

    index: str
    recipe: str  # how it was built, such as FAISS's factory string
    latency: Latency  # of one call with the whole batch
    recall: float  # recall@k of this query against exact search
    mean_recall: float  # over held-out queries, or leave-one-out; nan in a gallery of a single picture
    size_bytes: int
    load_ms: float  # from file or stored vectors to ready; includes building for a smaller gallery
    positions: np.ndarray  # (k,) that it found for this query

    def to_json(self) -> dict:
        return {
            "index": self.index,
            "factory": self.recipe,
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
    """The settings of a comparison."""

    indexes: tuple[str, ...] = ("brute", "flat", "ivf")
    k: int = 10
    repeats: int = 50
    batch: int = 1  # queries per call: this one and held-out ones
    threads: int | None = 1  # None: as many as FAISS and NumPy take by themselves
    params: tuple[tuple[str, int], ...] = ()  # (name, value): nprobe, ef_search; an index uses those that it has

    def check(self) -> None:
        """Raises BadQuery for numbers out of bounds, alone or together, UnknownName for an index."""
        check_k(self.k)
        for name, value, maximum in (("repeats", self.repeats, MAX_REPEATS), ("batch", self.batch, MAX_BATCH)):
            if not 1 <= value <= maximum:
                raise BadQuery(f"{name} = {value:,} is out of bounds: choose from 1 to {maximum:,}.")
        if not self.indexes:
            raise BadQuery("Choose at least one index to compare.")
        if self.batch * self.candidates > MAX_CANDIDATES:
            raise BadQuery(
                f"batch = {self.batch:,}, k = {self.k:,} and k_factor = {self.candidates // self.k:,} together ask for "
                f"{self.batch * self.candidates:,} candidates at once, more than the {MAX_CANDIDATES:,} that fit in "
                f"memory: choose a batch of {max(1, MAX_CANDIDATES // self.candidates):,} or less, "
                "or lower k or k_factor."
            )

    @property
    def candidates(self) -> int:
        """The highest number that an index of the race fetches per query: k, times k_factor where it has one."""
        given = dict(self.params)
        factors = [
            given.get(param.name, param.default)
            for name in self.indexes
            for param in find(name).params
            if param.name == "k_factor"
        ]
        return self.k * max([1, *factors])

    def params_for(self, index: Index) -> dict[str, int]:
        """The search parameters that this index has."""
        known = {param.name for param in index.spec.params}
        return {name: value for name, value in self.params if name in known}


def encode(collection: Collection, query: Query, race: Race) -> tuple[np.ndarray, Latency | None]:
    """The query as a unit row (1, dim), and the time that encoding its picture or words takes.

    A held-out query, or a picture of the gallery, searches with its stored embedding. Its picture is encoded only to be
    timed, and the time is None when that picture or the encoder's weights are not on this machine.

    Raises BadArtifact when the encoder's weights are not those of the stored vectors, and all that `embed` raises.
    """
    vector = collection.embed(query).vector  # raises for a number that no stored query has
    shown = query
    if not query.needs_encoder:
        picture = None if query.composed else collection.stored_picture(query)
        if picture is None or not collection.has_weights():
            return vector, None
        shown = Query(picture=picture)
    encoder = collection.shelf.encoder(collection.encoder_spec.name)  # all weights take the same time
    shown = collection.with_picture(shown)
    with thread_limit(race.threads):
        return vector, latency(
            lambda: embed(shown, lambda: encoder, collection.stored_row), min(race.repeats, ENCODE_REPEATS), warm_up=1
        )


def run(collection: Collection, race: Race, query: np.ndarray, turn: Turn = nullcontext) -> Iterator[Row]:
    """Measure one index after the other on a query (1, dim), and yield the row of each as it is done.

    The clock does not run while indexes are loaded or built, or the exact answer is computed. Raises SearchDemoError.
    turn: held while something is computed, for a small part of the race at a time.
    """
    race.check()
    batch, some, brute = query, recall_sample(collection), collection.index("brute")
    others = collection.queries if len(collection.queries) else some.vectors
    if race.batch > 1 and len(others):
        batch = np.concatenate([query, np.resize(others, (race.batch - 1, query.shape[1]))])
    at_once = max(1, MAX_CANDIDATES // race.candidates)

    def searched(index: Index, params: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """Positions for the query, and for those of the mean recall."""
        with turn(), openmp_on_one_core():
            own = index.search(query, race.k, **params).positions
        return own, answers(some, index, race.k, params, at_once, turn) if len(some) else own[:0]

    @contextmanager
    def timing() -> Iterator[None]:
        with thread_limit(race.threads), turn():  # who holds a turn waits for nobody
            yield

    exact, exact_some = searched(brute, {})
    for name in race.indexes:
        index = collection.index(name)
        params = race.params_for(index)
        found, found_some = searched(index, params)
        measured = affordable_latency(partial(index.search, batch, race.k, **params), race.repeats, turn=timing)
        yield Row(
            name,
            index.recipe,
            measured,
            recall_at_k(found, exact),
            recall_at_k(found_some, exact_some) if len(some) else float("nan"),
            index.size_bytes,
            index.load_ms,
            found[0],
        )


def recall_sample(collection: Collection) -> Asked:
    """At most RECALL_QUERIES for the mean recall, spread over all classes; none in a gallery of a single picture."""
    if not len(collection.queries):
        return asked(collection, RECALL_QUERIES) if len(collection) > 1 else NOBODY
    held_out = asked(collection)
    return held_out.take(slice(None, None, max(1, len(held_out) // RECALL_QUERIES))).take(slice(RECALL_QUERIES))
