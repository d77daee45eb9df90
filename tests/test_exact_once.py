"""The exact answer that an approximate one is compared with: that of brute force, and searched once for a query."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.collection import exact
from searchdemo.collection.collection import Collection
from searchdemo.collection.exact import LEAST, certain, exact_once
from searchdemo.collection.query import Query
from tests.clock import Clock
from tests.conftest import ColourPictures, MeanColour, colour_gallery, unit


class Scattered(MeanColour):
    """Each colour has a direction of its own, so that half floats tell neighbours from each other."""

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        return unit(np.stack([np.random.default_rng(pixel.astype(int)).standard_normal(self.dim) for pixel in pixels]))


@pytest.fixture
def collection(world) -> Collection:
    world.gallery, world.encoder = colour_gallery(1200), Scattered()
    return world.ready().open("colours", "mean-colour")


@pytest.fixture
def dense(world) -> Collection:
    """Colours lie so close that half floats leave in question which are the nearest."""
    colours = np.random.default_rng(0).integers(200, 210, (1200, 3)).astype(np.uint8)
    world.change(pictures=ColourPictures(colours, np.zeros(1200)))
    return world.ready().open("colours", "mean-colour")


def same(collection: Collection, vector: np.ndarray, found: np.ndarray, k: int, only: np.ndarray | None) -> bool:
    """Whether these are the k nearest, by the scores in float64; of equal ones, any."""
    scores = collection.vectors.all().astype(np.float64) @ vector[0]
    if only is not None:
        assert only[found].all()
        scores[~only] = -2
    return len({*found.tolist()}) == k and np.allclose(np.sort(scores)[::-1][:k], scores[found], atol=1e-6)


@pytest.mark.parametrize("only", [None, np.arange(1200) % 3 > 0, np.arange(1200) < 40])
def test_half_floats_are_certain_of_the_answer_of_brute_force(collection, only):
    for number in range(20):
        vector = collection.queries[number : number + 1]
        found = certain(collection, vector, LEAST, only)
        assert found is not None and same(collection, vector, found, LEAST, only)


def test_where_half_floats_leave_it_in_question_brute_force_answers(dense):
    uncertain = 0
    for row in range(20):
        vector = dense.vectors.take(np.array([row]))
        uncertain += certain(dense, vector, LEAST, None) is None
        assert same(dense, vector, exact_once(dense, vector, 12).positions, 12, None)
    assert uncertain


def test_of_few_pictures_all_are_returned(collection):
    only = np.arange(1200) < 5
    assert sorted(exact_once(collection, collection.queries[:1], 12, only).positions) == [0, 1, 2, 3, 4]


def test_a_query_is_searched_exactly_once_however_it_is_dragged(collection, monkeypatch):
    asked, search = [], exact.certain
    for k, only in ((12, None), (LEAST + 1, None), (12, np.arange(1200) < 600)):
        exact_once(collection, collection.queries[2:3], k, only)  # the first of a kind is searched more often
    monkeypatch.setattr(exact, "certain", lambda *given: asked.append(given[2]) or search(*given))

    def dragged(number: int, k: int, nprobe: int, where: str = "") -> float:
        return collection.search(
            Query(held_out=number), "ivf", k, compare=True, where=where, nprobe=nprobe
        ).comparison.exact_ms

    took = dragged(0, 12, 1)
    assert dragged(0, 12, 4) == dragged(0, LEAST, 2) == took > 0 and asked == [LEAST]
    dragged(0, LEAST + 1, 2)
    assert asked == [LEAST, 2 * LEAST]
    dragged(0, 12, 1)  # what was found for more serves fewer
    dragged(1, 12, 1)
    dragged(1, 12, 1, "row < 600")  # among other pictures it is another question
    assert asked == [LEAST, 2 * LEAST, LEAST, LEAST]


def test_the_time_that_is_told_is_that_of_the_fastest_search_of_its_kind(collection, monkeypatch):
    clock, took = Clock(), []
    monkeypatch.setattr(exact, "time", clock)
    search = exact.certain

    def lasting(*given):
        clock.sleep(took.pop(0) / 1000)
        return search(*given)

    def told(number: int, k: int = 12) -> float:
        return round(exact_once(collection, collection.queries[number : number + 1], k).ms, 6)

    monkeypatch.setattr(exact, "certain", lasting)
    took[:] = [3, 90, 25, 30]  # the first of all reads the file
    assert told(0) == 25 and not took
    took[:] = [40]
    assert told(1) == 25 and not took
    took[:] = [8]
    assert told(2) == 8 and not took
    assert told(0) == told(1) == 8  # what was kept from the busy time is told no more
    took[:] = [20, 50, 60]
    assert told(0, LEAST + 1) == 20 and told(1) == 8  # to look for more is another kind
