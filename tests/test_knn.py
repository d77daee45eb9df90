"""The vote of the neighbours against sums worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.collection.knn import TEMPERATURE, class_votes, evaluate, ranked_classes, vote_weights
from searchdemo.collection.scores import rescored
from searchdemo.indexes.vectors import ArrayVectors


def test_weighted_shares_by_hand():
    cosines = np.array([[0.9, 0.83, 0.76]])  # steps of one temperature: 1 : 1/e : 1/e²
    e = np.e
    assert np.allclose(vote_weights(cosines, 0.07), np.array([[e**2, e, 1]]) / (e**2 + e + 1))
    assert TEMPERATURE == 0.07


def test_plain_shares_count_each_neighbour_once():
    assert vote_weights(np.array([[0.9, 0.5, 0.1, -1.0]]), None).tolist() == [[0.25] * 4]


def test_missing_neighbours_have_no_vote():
    cosines = np.array([[0.5, 0.5, -np.inf, -np.inf], [-np.inf] * 4])
    for temperature in (0.07, None):
        assert vote_weights(cosines, temperature).tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0, 0]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-46, 1e-3, 1e39, 1e300])
def test_shares_sum_to_one_at_any_temperature(temperature, kind):
    weights = vote_weights(np.array([[1.0, 0.2, -1.0], [-0.1, -0.5, -1.0]], kind), temperature)
    assert np.allclose(weights.sum(axis=1), 1)
    assert (np.diff(weights, axis=1) <= 0).all()


def test_many_weak_neighbours_outvote_one_strong_at_high_temperature_only():
    cosines, labels = np.array([[0.9, 0.8, 0.8]]), np.array([[2, 1, 1]])
    best = [ranked_classes(vote_weights(cosines, t), labels, 3)[0, 0] for t in (0.07, 1.0, None)]
    # exp(0.1 / 0.07) = 4.17 > 2, and exp(0.1 / 1) = 1.11 < 2
    assert best == [2, 1, 1]


def test_votes_are_summed_by_class_and_the_unknown_class_has_none():
    weights, labels = np.array([[0.5, 0.25, 0.125, 0.125]]), np.array([[1, 0, 1, -1]])
    assert class_votes(weights, labels, 3).tolist() == [[0.25, 0.625, 0.0]]


def test_a_tie_goes_to_the_class_met_first_and_a_class_without_votes_is_no_guess():
    plain = np.full((1, 4), 0.25)
    assert ranked_classes(plain, np.array([[3, 0, 0, 3]]), 6).tolist() == [[3, 0, -1, -1, -1]]
    assert ranked_classes(plain, np.array([[5, 4, 3, 2]]), 6).tolist() == [[5, 4, 3, 2, -1]]
    assert ranked_classes(plain, np.array([[-1, -1, 2, -1]]), 3).tolist() == [[2, -1, -1]]


def test_a_tie_survives_sums_in_another_order():
    weights = np.array([[0.1, 0.3, 0.3, 0.2, 0.1]])  # class 1: 0.1 + 0.2 + ... is not exactly 0.3 + ...
    assert ranked_classes(weights, np.array([[1, 0, 1, 0, 1]]), 2)[0].tolist() == [1, 0]


def test_accuracy_by_hand():
    # Three queries of classes 0, 1, 1. Nearest neighbours' classes: right; second is right; never right.
    cosines = np.array([[0.9, 0.5, 0.4], [0.9, 0.89, 0.88], [0.9, 0.1, 0.0]])
    labels = np.array([[0, 1, 1], [2, 1, 1], [0, 2, 2]])
    truth = np.array([0, 1, 1])
    results = {(r.k, r.vote): r for r in evaluate(cosines, labels, truth, 4, ks=(1, 3))}
    assert set(results) == {(1, "weighted"), (1, "plain"), (3, "weighted"), (3, "plain")}
    for vote in ("weighted", "plain"):
        assert results[1, vote].top1 == results[1, vote].top5 == pytest.approx(100 / 3)  # one neighbour is one guess
    # k = 3, weighted: query 0 keeps 0 (0.9 leads by far), query 1 turns to 1 (two close ones), query 2 stays wrong.
    assert results[3, "weighted"].top1 == pytest.approx(200 / 3)
    # plain: query 0 turns to 1 (two against one), query 1 is right.
    assert results[3, "plain"].top1 == pytest.approx(100 / 3)
    assert results[3, "plain"].top5 == results[3, "weighted"].top5 == pytest.approx(200 / 3)
    per_class = results[3, "weighted"].per_class
    assert per_class[:2].tolist() == [100, 50] and np.isnan(per_class[2:]).all()


def test_accuracy_agrees_with_a_plain_loop():
    rng = np.random.default_rng(0)
    cosines = -np.sort(-rng.uniform(-1, 1, (1100, 20)), axis=1)  # more than are voted on at once
    labels, truth = rng.integers(0, 8, (1100, 20)), rng.integers(0, 8, 1100)
    right = top5 = 0
    for query in range(1100):
        votes = dict.fromkeys(range(8), 0.0)
        for cosine, label in zip(cosines[query], labels[query], strict=True):
            votes[int(label)] += np.exp(cosine / 0.2)
        ranked = sorted((label for label in votes if votes[label] > 0), key=lambda label: -votes[label])
        right += ranked[0] == truth[query]
        top5 += truth[query] in ranked[:5]
    weighted = evaluate(cosines, labels, truth, 8, ks=(20,), temperature=0.2)[0]
    assert weighted.top1 == pytest.approx(right / 11)
    assert weighted.top5 == pytest.approx(top5 / 11)


def test_equal_neighbours_count_in_the_order_of_their_positions_whatever_order_the_index_returns():
    vectors = np.array([[0, 1], [1, 0], [1, 0], [0.6, 0.8]], np.float32)
    query = np.array([[1, 0]], np.float32)
    for found in ([[2, 1, 3]], [[1, 2, 3]], [[3, 2, 1]]):
        assert rescored(query, ArrayVectors(vectors), np.array(found)).positions.tolist() == [[1, 2, 3]]
