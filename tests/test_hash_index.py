"""Hash tables with buckets: what is looked at, by hand; and the benchmark that counts it."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.bench.suite import hashing
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.store import Key
from searchdemo.indexes.hash_index import HashTables, usual_bits
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.metrics import recall_at_k
from tests.conftest import exact_rows

TABLES, BITS = 3, 7


@pytest.fixture(scope="module")
def index(clustered) -> HashTables:
    built = INDEXES["lsh-tables"].built_with(tables=TABLES, bits=BITS, seed=4).build(clustered[0])
    assert isinstance(built, HashTables)
    return built


def signs(rows: np.ndarray) -> np.ndarray:
    """(tables, rows, bits) float64: the products with the directions that the seed draws."""
    drawn = np.random.default_rng(4).standard_normal((TABLES, BITS, rows.shape[1]), dtype=np.float32)
    return np.einsum("tbd,nd->tnb", drawn.astype(np.float64), rows.astype(np.float64))


@pytest.mark.parametrize("probes", [1, 2, 5, 20, 2**BITS])
def test_the_buckets_that_are_looked_at(index, clustered, probes):
    """In each table those whose keys are cheapest to reach: the sum of the squares of the products that change sign."""
    vectors, queries = clustered
    stored, asked = signs(vectors) > 0, signs(queries[:5])
    keys = np.array([[number >> bit & 1 for bit in range(BITS)] for number in range(2**BITS)], dtype=bool)
    for number in range(5):
        wanted = np.zeros(len(vectors), dtype=bool)
        for table in range(TABLES):
            own = asked[table, number]
            costs = ((keys != (own > 0)) * own**2).sum(axis=1)
            for key in keys[np.argsort(costs)[:probes]]:
                wanted |= (stored[table] == key).all(axis=1)
        assert index.candidates(queries[number], probes).tolist() == np.flatnonzero(wanted).tolist()


def test_more_probes_find_more_and_all_buckets_find_all(index, clustered):
    vectors, queries = clustered
    found = [
        recall_at_k(index.search(queries, 10, probes=n).positions, exact_rows(queries, vectors, 10))
        for n in (1, 8, 128)
    ]
    assert found[0] < found[1] < found[2] == 1


def test_bits_grow_with_the_gallery():
    assert [usual_bits(n) for n in (1, 48, 24 * 2**12, 24 * 2**20)] == [1, 1, 12, 20]


def test_the_benchmark_counts_what_is_compared(world, clustered, monkeypatch):
    monkeypatch.setattr(hashing, "times_brute", lambda *given: 2.0)
    monkeypatch.setattr(hashing, "QUERIES", 20)
    card = measure("hashing", Bench(world.built(), Key("colours", "mean-colour"), quick=True))
    rows = card.parts["hashing"]
    assert {row["method"] for row in rows} == {"buckets", "scan of codes"}
    scan = next(row for row in rows if row["method"] == "scan of codes")
    assert scan["looked_percent"] == 100 and scan["looked_at"] == card.subject["vectors"]
    one, more = (row for row in rows if (row.get("tables"), row["bits"]) == (4, 16))
    assert one["looked_at"] <= more["looked_at"] <= card.subject["vectors"] and one["probes"] < more["probes"]
    (drawn,) = hashing.tables([card])
    assert len(drawn.rows) == len(rows) and drawn.name == "hashing-mean-colour"
