"""trees: distances are counted, forests share the vectors, and no answer of an exact tree is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.bench.suite import trees
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, synthetic
from searchdemo.collection.store import Key

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def work():
    return synthetic(2000, 50, 32)


def test_a_tree_looks_at_few_in_two_dimensions_and_at_most_in_many(work, monkeypatch):
    monkeypatch.setattr(trees, "times_brute", lambda *given: 1.0)
    axes = trees.principal_axes(work.vectors)
    for name in trees.TREES:
        flat, all_of_them = (trees.exact_tree(name, trees.of_dimensions(work, axes, dim)) for dim in (2, 32))
        assert flat["recall_10"] == all_of_them["recall_10"] == 1
        assert flat["looked_percent"] < 10 and all_of_them["looked_percent"] > 50


def test_forests_that_share_the_vectors_answer_as_one(work):
    pytest.importorskip("annoy")
    runs = np.array_split(np.arange(2000), 4)
    built = [trees.INDEXES["annoy"].built_with(trees=trees.PLANES).build(work.vectors[run]) for run in runs]
    found = trees.asked(built, runs, work, 100)
    assert found["recall"] > 0.99 and found["p50_ms"] > 0
    assert all(index.add_s > 0 for index in built) and trees.mapped_s(built) > 0


def test_the_tables(world, monkeypatch):
    pytest.importorskip("annoy")
    monkeypatch.setattr(trees, "times_brute", lambda *given: 1.0)
    card = measure("trees", Bench(world.built(), Key("colours", "mean-colour"), quick=True))
    drawn = {table.name: table for table in trees.tables([card])}
    assert list(drawn) == [f"trees-{part}-mean-colour" for part in ("leaves", "dims", "annoy")]
    assert {row["dim"] for row in drawn["trees-dims-mean-colour"].rows} == {2, 8}
    assert all("–" not in cells for table in drawn.values() for cells in table.cells())
