"""The benchmark `filter`: which pictures are allowed, that recall is against them alone, and its table and charts."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.bench.suite import filters
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, synthetic
from searchdemo.collection.store import Key
from searchdemo.indexes.table import INDEXES
from tests.conftest import exact_rows


@pytest.fixture(scope="module")
def work():
    return synthetic(1000, 10, 16)


def test_allowed_pictures_are_as_many_as_asked_for(work):
    for count in (100, 1, 1000):
        for choose in (filters.at_random, filters.whole_classes):
            only = choose(work, count, 0)
            assert only.sum() == count and np.array_equal(only, choose(work, count, 0))
    only = filters.whole_classes(work, 200, 3)
    shares = np.array([only[work.labels == label].mean() for label in np.unique(work.labels)])
    assert ((shares == 0) | (shares == 1)).sum() >= len(shares) - 1  # one class at most is taken in part


def test_every_way_finds_only_what_is_allowed_and_pre_filter_is_exact(work):
    only = filters.at_random(work, 50, 0)
    exact, ivf, hnsw = (INDEXES[name].build(work.vectors) for name in ("brute", "ivf", "hnsw"))
    ways = filters.ways(exact, [ivf, hnsw], only)
    assert [*ways] == [
        ("pre-filter", ""),
        ("post-filter", "ivf"),
        ("selector", "ivf"),
        ("selector, raised", "ivf"),
        ("post-filter", "hnsw"),
        ("selector", "hnsw"),
        ("selector, raised", "hnsw"),
    ]
    truth = np.flatnonzero(only)[exact_rows(work.queries, work.vectors[only], 10)]
    for way, search in ways.items():
        found = search(work.queries, 10)
        assert only[found[found >= 0]].all()
        if way == ("pre-filter", ""):
            assert np.array_equal(found, truth)
    assert filters.raised(ivf, only) == {"nprobe": 320} and filters.raised(hnsw, only) == {"ef_search": 1280}
    assert len(filters.ways(exact, [ivf], np.ones(1000, dtype=bool))) == 3  # nothing to raise


def test_card_table_and_charts(world, work, monkeypatch):
    monkeypatch.setattr(filters, "REPEATS", 5)
    monkeypatch.setattr(filters, "ROUNDS", 1)
    monkeypatch.setattr(filters, "SHARES", (0.05, 1.0))
    card = measure("filter", Bench(world.library(), Key("colours", "mean-colour"), _workload=work))
    points = card.parts["points"]
    assert {(row["allowed"], row["pictures"]) for row in points} == {
        (kind, count) for kind in ("at random", "whole classes") for count in (50, 1000)
    }
    for row in points:
        assert row["p50_ms"] > 0 and row["of_pre_filter"] > 0
        if row["method"] == "pre-filter":
            assert row["recall_10"] == 1 and row["of_pre_filter"] == 1
    raised = [row["recall_10"] for row in points if row["method"] == "selector, raised"]
    usual = [row["recall_10"] for row in points if row["method"] == "selector" and row["pictures"] == 50]
    assert np.mean(raised) > np.mean(usual)
    (table,) = filters.tables([card])
    assert table.name == "filter-mean-colour" and len(table.rows) == len(points)
    assert all("–" not in line for line in table.cells())
    pytest.importorskip("matplotlib")
    charts = filters.charts([card])
    assert set(charts) == {"filter", "filter-classes"}
    assert [line.get_label() for line in charts["filter"].axes[1].lines][:3] == [
        "pre-filter, exact",
        "post-filter, ivf",
        "selector, ivf",
    ]
