"""Accuracy over all held-out pictures in three ways: the counts that single queries give, and the pair of the best."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from searchdemo.collection.query import Query
from searchdemo.errors import BadQuery
from searchdemo.measure.faceoff.accuracy import BOTH, NAMES, NEIGHBOURS, Accuracies, Named, accuracies
from searchdemo.measure.faceoff.judged import sign_test
from searchdemo.measure.faceoff.sides import sides
from tests.conftest import MeanColour, colour_pictures


class Reader(MeanColour):
    """Reads the names of the classes, and sentences about them, as their colour."""

    def encode_texts(self, texts):
        colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blu": (0, 0, 255)}
        found = [[value for name, value in colours.items() if name in text] for text in texts]
        return self.rows(np.array([each[0] if each else (9, 9, 9) for each in found]))


def test_the_counts_are_those_of_single_queries(world):
    world.encoder = Reader()
    library = world.ready()
    found = accuracies(sides(library, "colours"), 5)
    collection, ways = library.open("colours", "mean-colour"), {NEIGHBOURS: 0, NAMES: 0, BOTH: 0}
    for number, label in enumerate(collection.truth):
        one = collection.classify(Query(held_out=number), "brute", 5)
        for way, guesses in zip(ways, (one.guesses, one.by_class_names, one.both), strict=True):
            ways[way] += guesses[0].label == f"n{label}"
    assert {one.way: one.rate.part for one in found.named} == ways
    assert all(one.rate.whole == 30 and one.encoder == "mean-colour" for one in found.named) and found.pair is None
    assert found.to_json()["accuracy"][1]["top1"] == ways[NAMES] / 30 and ways[NAMES] == 30


def test_without_held_out_pictures_each_is_left_out(world):
    world.encoder = Reader()
    world.change(queries=colour_pictures(0, seed=1))
    found = accuracies(sides(world.ready(), "colours"), 1)
    assert found.named[0].rate.whole == 300 and "Leave-one-out" in found.notices[0]


def test_the_two_best_are_compared_on_the_pictures_that_both_saw():
    rows = np.arange(10)
    right = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0, 0], bool)
    one = [Named("a", NEIGHBOURS, rows, ~right), Named("a", BOTH, rows, right)]
    other = Named("b", NEIGHBOURS, rows[2:], np.array([0, 0, 0, 0, 0, 1, 1, 0], bool))  # right about 7 and 8
    pair = Accuracies(5, (*one, other), ()).pair
    assert (pair.better, pair.other, pair.queries) == ("a by both", "b by neighbours", 8)
    assert (pair.only_better, pair.only_other) == (5, 1) and pair.chance == pytest.approx(14 / 64)
    assert str(pair).endswith("that may be chance (sign test, p = 0.22).")


def test_the_sign_test_is_that_of_a_fair_coin():
    assert sign_test(3, 20) == pytest.approx(2 * sum(comb(20, n) for n in range(4)) / 2**20)
    assert sign_test(0, 0) == sign_test(5, 10) == 1.0
    assert 0.04 < sign_test(4902, 10_000) < 0.06


def test_what_cannot_be_measured_says_why(world):
    library = world.ready()  # an encoder that reads names of colours alone, which "reddish" is not
    found = accuracies(sides(library, "colours"), 5)
    assert [one.way for one in found.named] == [NEIGHBOURS] and "cannot read 3 of the 3" in " ".join(found.notices)
    with pytest.raises(BadQuery, match="k = 0"):
        accuracies(sides(library, "colours"), 0)
    with pytest.raises(BadQuery, match="resnet18"):
        accuracies(sides(library, "colours", ["resnet18"]), 5)
