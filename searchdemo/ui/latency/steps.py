"""How a race goes on, one index after the other, with signs of life for the visitor."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.errors import SearchDemoError
from searchdemo.measure.machine import machine
from searchdemo.measure.metrics import Latency
from searchdemo.measure.race import Race, Row, encode, recall_sample, run
from searchdemo.ui.serving.turns import STEP, TURNS
from searchdemo.ui.waiting import waiting

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """The state of a race."""

    vector: np.ndarray  # (1, dim), the query
    encoding: Latency | None  # None: a stored embedding
    recall_of: str  # the queries of the mean recall: "200 held-out", "200 leave-one-out"
    conditions: str  # what the figures belong to
    rows: tuple[Row, ...] = ()
    failures: tuple[str, ...] = ()  # why an index is not among the rows
    doing: str = ""  # "" at the end


def steps(collection: Collection, race: Race, query: Query) -> Iterator[Step]:
    """Run a race. An index that cannot be built is left out, with a sentence. Raises any other SearchDemoError."""
    vector, encoding = encode(collection, query, race)
    sample = recall_sample(collection)
    recall_of = f"{len(sample)} {'held-out' if sample.own is None else 'leave-one-out'}"
    step = Step(vector, encoding, recall_of, conditions(collection, race, encoding))
    for name in race.indexes:
        try:
            yield from getting_ready(collection, name, step)
        except SearchDemoError as error:
            log.warning("the index %s could not be built: %s", name, error)
            step = replace(step, failures=(*step.failures, str(error)))
            continue
        yield replace(step, doing=f"measuring {name}")
        rows = run(collection, replace(race, indexes=(name,)), vector, turn=partial(TURNS.turn, STEP))
        step = replace(step, rows=(*step.rows, *rows))
        yield replace(step, doing=f"{name} is measured")
    yield replace(step, doing="")


def getting_ready(collection: Collection, index: str, step: Step) -> Iterator[Step]:
    def sign(seconds: float) -> Step:
        return replace(step, doing=f"getting {index} ready, {seconds:.0f} s so far: {why(collection, index)}")

    yield from waiting(lambda: collection.index(index), sign)


def why(collection: Collection, index: str) -> str:
    """Why an index is not ready at once."""
    if len(collection) < collection.artifact.manifest.pictures:
        return f"it is built for {len(collection):,} of the vectors"
    return "it is loaded" if collection.has_index(index) else "it is built once, and kept for the next time"


def conditions(collection: Collection, race: Race, encoding: Latency | None) -> str:
    """What the figures belong to: machine, threads, repeats, and how the query was embedded."""
    threads = "1 thread" if race.threads == 1 else f"{race.threads} threads"
    said = f"{machine()}, {threads}; at most {race.repeats} warm calls one after another, the page's own time left out."
    if encoding is None:
        said += " The query's picture is not on this machine: its stored embedding searches, and nothing is encoded."
    else:
        encoder = collection.encoder()
        said += f" Encoding includes preprocessing: {encoding.repeats} times in {encoder.how}."
    if collection.stand_in:
        said += " The weights were made for a test: recall means nothing."
    return said
