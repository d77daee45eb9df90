"""Searches among some of the vectors only: every index finds none of the others, and with effort all of the nearest."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from searchdemo.indexes.among import filtered_afterwards
from searchdemo.indexes.nodes import Nodes
from searchdemo.indexes.table import find
from searchdemo.types import MISSING
from tests.conftest import LOCAL, exact_rows

K = 5
MOST = {"probes": 1024, "nprobe": 4096, "ef_search": 4096, "k_factor": 256, "search_k": 1_000_000}
# Recall that each must reach with the most effort; the others find all. Measured, then rounded down.
RECALL = {
    "sq8": 0.9,
    "pq": 0.6,
    "ivfpq": 0.6,
    "opq-ivfpq": 0.6,
    "lsh": 0.3,
    "lsh-tables": 0.6,
    "faiss:PCA16,IVF8,SQ8": 0.3,
}
RECALL |= {"usearch": 0.95}  # several threads build it, in any order; see test_indexes.py
FILTERING = {
    "lsh-tables",
    "brute",
    "exact-bf16",
    "flat",
    "ivf",
    "hnsw",
    "sq8",
    "ivfpq",
    "opq-ivfpq",
    "ivf-fastscan",
    "hnswlib",
}
NAMES = [*LOCAL, "faiss:PCA16,IVF8,SQ8", "faiss:IVF8_HNSW32,Flat", "faiss:PQ16x4fs,Refine(SQfp16)"]


@pytest.fixture(scope="module")
def built(clustered):
    return functools.cache(lambda name: find(name).build(clustered[0]))


def some(share: float, n: int = 1500) -> np.ndarray:
    only = np.zeros(n, dtype=bool)
    only[np.random.default_rng(7).permutation(n)[: round(share * n)]] = True
    return only


def nearest(queries: np.ndarray, vectors: np.ndarray, only: np.ndarray, k: int = K) -> np.ndarray:
    return np.flatnonzero(only)[exact_rows(queries, vectors[only], k)]


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_every_index_finds_the_nearest_of_the_allowed_and_no_other(name, share, built, clustered):
    if not find(name).installed:
        pytest.skip(f"{find(name).package} is not installed (requirements-bench.txt)")
    (vectors, queries), index, only = clustered, built(name), some(share)
    effort = {param.name: min(MOST[param.name], param.maximum) for param in index.spec.params}
    exact = nearest(queries, vectors, only)
    found = index.search(queries, K, only, **effort)
    assert found.positions.shape == exact.shape == (40, min(K, only.sum()))
    assert only[found.positions[found.positions != MISSING]].all()
    hits = [len(set(mine) & set(theirs)) for mine, theirs in zip(found.positions, exact, strict=True)]
    assert np.mean(hits) / exact.shape[1] >= RECALL.get(name, 0.99)
    assert (np.diff(np.nan_to_num(found.scores, neginf=-9)) <= 1e-6).all()  # best first
    alone = index.search(queries[:1], K, only, **effort)
    assert only[alone.positions[alone.positions != MISSING]].all()
    assert index.filters == (name in FILTERING or name in NAMES[-3:-1])


@pytest.mark.parametrize("name", ["brute", "flat", "ivf", "hnsw", "lsh", "hnswlib"])
def test_nothing_allowed_finds_nothing(name, built, clustered):
    if not find(name).installed:
        pytest.skip("not installed")
    found = built(name).search(clustered[1], K, np.zeros(1500, dtype=bool))
    assert found.positions.shape == found.scores.shape == (40, 0)


def test_parameters_keep_their_meaning_under_a_filter(built, clustered):
    """One cell holds few of them, and the parameters of a call stay with it."""
    (vectors, queries), index, only = clustered, built("ivf"), some(0.5)
    exact = nearest(queries, vectors, only)
    recalls = []
    for nprobe in (1, 4096, 1):
        found = index.search(queries, K, only, nprobe=nprobe).positions
        recalls.append(np.mean([len(set(a) & set(b)) for a, b in zip(found, exact, strict=True)]) / K)
    assert recalls[0] == recalls[2] < recalls[1] == 1.0
    unfiltered = index.search(queries, K, nprobe=4096).positions
    assert np.array_equal(unfiltered, exact_rows(queries, vectors, K))


def test_more_is_asked_for_only_where_it_was_too_few():
    """Query 0 finds the allowed ones first, query 1 last."""
    n, asked = 100, []
    only = np.arange(n) < 10
    orders = {0: np.arange(n), 1: np.arange(n)[::-1]}

    def search(queries, k):
        asked.append((queries[:, 0].tolist(), k))
        rows = np.stack([orders[int(number)][:k] for number in queries[:, 0]])
        return rows, -np.arange(k, dtype=np.float32)[None].repeat(len(rows), axis=0)

    positions, scores = filtered_afterwards(search, np.array([[0], [1]]), 3, only)
    assert positions.tolist() == [[0, 1, 2], [9, 8, 7]]
    assert scores.tolist() == [[0, -1, -2], [-90, -91, -92]]
    assert asked == [([0, 1], 30), ([1], 60), ([1], 100)]


def test_an_index_that_finds_no_more_is_not_asked_again():
    asked = []

    def search(queries, k):
        asked.append(k)
        rows = np.full((1, k), MISSING)
        rows[0, :4] = [3, 50, 60, 2]
        return rows, np.where(rows == MISSING, -np.inf, -rows).astype(np.float32)

    positions, scores = filtered_afterwards(search, np.zeros((1, 2)), 3, np.arange(100) < 10)
    assert positions.tolist() == [[3, 2, MISSING]] and scores.tolist() == [[-3, -2, -np.inf]]
    assert asked == [30]


@pytest.mark.parametrize("name", ["hnsw", "hnswlib", "usearch"])
def test_equal_vectors_share_a_node_and_are_filtered_one_by_one(name, clustered):
    if not find(name).installed:
        pytest.skip("not installed")
    vectors = np.concatenate([clustered[0][:300], np.repeat(clustered[0][:1], 50, axis=0)])
    only = np.zeros(350, dtype=bool)
    only[[310, 320, 40, 41, 42]] = True
    found = find(name).build(vectors).search(clustered[0][:1], 5, only, ef_search=400).positions[0]
    assert found[:2].tolist() == [310, 320] and sorted(found.tolist()) == [40, 41, 42, 310, 320]


def test_tombstones_and_filters_go_together(clustered):
    vectors, queries = clustered
    index = find("hnsw").build(vectors[:400])
    kept = np.arange(0, 400, 2)
    index.change(kept, vectors[kept])
    only = np.arange(200) % 4 == 0
    found = index.search(queries, K, only, ef_search=400).positions
    assert np.array_equal(found, nearest(queries, vectors[kept], only))


def test_nodes_among_some_positions():
    nodes = Nodes(np.array([0, 0, 1, 2, 2]), 3)
    only = np.array([False, True, False, True, True])
    assert nodes.standing_for(only).tolist() == [True, False, True]
    rows, scores = nodes.expanded(np.array([[2, 0]]), np.array([[0.5, 0.25]], np.float32), 4, only)
    assert rows.tolist() == [[3, 4, 1, MISSING]] and scores.tolist() == [[0.5, 0.5, 0.25, -np.inf]]
    assert nodes.expanded(np.array([[2, 0]]), np.array([[0.5, 0.25]], np.float32), 1, only)[0].tolist() == [[3]]
