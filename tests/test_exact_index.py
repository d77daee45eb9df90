"""Exact search: brute force, which is the ground truth, and the faster one in bfloat16, held to the same answers."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.indexes import bf16_index, numpy_index
from searchdemo.indexes.bf16_index import ExactBfloat16
from searchdemo.indexes.numpy_index import Brute, best, candidates
from searchdemo.indexes.table import find
from tests.conftest import exact_rows, unit

K = 10


def brute(vectors: np.ndarray) -> Brute:
    return find("brute").build(vectors)


def twice(vectors: np.ndarray) -> ExactBfloat16:
    """As on a processor that multiplies in bfloat16, which this one may not be: torch then emulates it."""
    return ExactBfloat16(find("exact-bf16"), vectors, bfloat16=True)


def test_neighbours_worked_out_by_hand():
    vectors = unit(np.array([[1, 0], [0, 1], [1, 1], [-1, 0]], np.float64))
    found = brute(vectors).search(unit(np.array([[2.0, 1.0]])), 4)
    assert found.positions.tolist() == [[2, 0, 1, 3]]
    assert np.allclose(found.scores, [[3 / 10**0.5, 2 / 5**0.5, 1 / 5**0.5, -2 / 5**0.5]])


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_brute_and_flat_order_alike_and_score_cosines(metric, clustered):
    vectors, queries = clustered
    ours, flat = brute(vectors).search(queries, K), find("flat").build(vectors, metric).search(queries, K)
    assert np.array_equal(ours.positions, exact_rows(queries, vectors, K))
    assert np.array_equal(flat.positions, ours.positions)
    assert np.allclose(flat.scores, ours.scores, atol=1e-5)
    assert np.allclose(ours.scores, np.take_along_axis(queries @ vectors.T, ours.positions, axis=1), atol=1e-6)


@pytest.mark.parametrize("make", [brute, twice])
def test_in_small_steps_it_answers_alike(make, clustered, monkeypatch):
    vectors, queries = clustered
    at_once = make(vectors).search(queries, K)
    monkeypatch.setattr(numpy_index, "SCORES_AT_ONCE", 3 * len(vectors))
    in_steps = make(vectors).search(queries, K)
    assert np.array_equal(at_once.positions, in_steps.positions)
    assert in_steps.positions.shape == (len(queries), K)


@pytest.mark.parametrize("make", [brute, twice])
def test_planted_duplicates_come_first_in_the_order_of_their_rows(make, clustered):
    vectors = clustered[0][:200].copy()
    vectors[[7, 50, 199]] = vectors[120]
    found = make(vectors).search(vectors[120:121], 5)
    assert found.positions[0, :4].tolist() == [7, 50, 120, 199]
    assert np.allclose(found.scores[0, :4], 1)
    assert found.scores[0, 4] < 0.999


@pytest.mark.parametrize("spread", [1e-3, 1.0])
@pytest.mark.parametrize("k", [1, 10, 999, 1500])
def test_a_first_pass_in_bfloat16_loses_none(k, spread, clustered):
    """At the small spread all vectors are within what bfloat16 can tell apart: it finds no order among them."""
    vectors, queries = (unit(rows[:1] * (1 - spread) + rows * spread) for rows in clustered)
    indexes = brute(vectors), twice(vectors)
    wanted = np.sort(queries.astype(np.float64) @ vectors.astype(np.float64).T, axis=1)[:, ::-1][:, :k]
    for answer in (index.search(queries, k) for index in indexes):
        truly = np.einsum("qkd,qd->qk", vectors[answer.positions].astype(np.float64), queries.astype(np.float64))
        assert np.abs(truly - wanted).max() < 3e-7 and np.abs(answer.scores - wanted).max() < 3e-7
        assert all(len(set(row)) == k for row in answer.positions.tolist())
    once, rounded = indexes
    assert rounded.size_bytes == 1.5 * once.size_bytes and "bfloat16" in rounded.recipe


@pytest.mark.parametrize("n", [1, 2, 31, 33, 1000, 4099])
def test_the_best_of_scores_with_many_ties(n):
    scores = np.random.default_rng(n).standard_normal((5, n)).round(1).astype(np.float32)
    for k in sorted({1, min(n, 10), n // 2 or 1, n}):
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        rows, highest = best(scores, candidates(scores, k), k)
        assert np.array_equal(rows, order)
        assert np.array_equal(highest, np.take_along_axis(scores, order, axis=1))


def test_candidates_are_few_and_a_score_that_is_none_comes_last():
    scores = np.random.default_rng(0).standard_normal((3, 100_000)).astype(np.float32)
    assert [10 <= len(columns) < 20 for columns in candidates(scores, 10)] == [True] * 3
    scores[:, 5::7] = np.nan
    rows, _ = best(scores, candidates(scores, 10), 10)
    assert rows.shape == (3, 10) and len(np.unique(rows[0])) == 10
    scores[:] = np.nan
    assert best(scores, candidates(scores, 10), 10)[0].shape == (3, 10)


def test_ties_at_the_end_are_broken_by_position():
    """Three of the five second best fit into k = 4: those of the lowest positions."""
    vectors = np.zeros((7, 2), np.float32)
    vectors[:, 1] = 1
    vectors[6] = 1, 0
    vectors[3] = -1, 0
    found = brute(vectors).search(np.array([[1, 0]], np.float32), 4)
    assert found.positions.tolist() == [[6, 0, 1, 2]]
    assert found.scores.tolist() == [[1, 0, 0, 0]]


def test_a_score_that_is_no_number_does_no_harm(clustered):
    vectors = clustered[0].copy()
    vectors[1000:] = np.nan
    found = brute(vectors).search(clustered[1], K)
    assert np.array_equal(found.positions, exact_rows(clustered[1], vectors[:1000], K))


def test_without_bfloat16_it_is_brute_force_and_says_so(clustered, monkeypatch):
    vectors, queries = clustered
    monkeypatch.setattr(bf16_index, "multiplies_bfloat16", lambda: False)
    index = find("exact-bf16").build(vectors)
    assert index.recipe == "NumPy" and index.size_bytes == vectors.nbytes
    assert np.array_equal(index.search(queries, K).scores, brute(vectors).search(queries, K).scores)


def test_where_there_is_no_gpu_it_stays(clustered, monkeypatch):
    monkeypatch.setattr(bf16_index.torch.cuda, "is_available", lambda: False)
    index = twice(clustered[0])
    index.to_gpu()
    assert "bfloat16" in index.recipe
