"""What a search missed of the exact answer, what finds it, and the queries that show it best."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.collection.collection import Collection
from searchdemo.collection.examples import instructive
from searchdemo.collection.missed import compared
from searchdemo.collection.query import Query
from searchdemo.indexes.table import INDEXES, find
from searchdemo.types import Missed
from tests.conftest import LOCAL, colour_gallery, exact_rows, unit

WHERE = ("colours", "mean-colour")
LOW = {
    "probes": 1,
    "nprobe": 1,
    "ef_search": 1,
    "search_k": 1,
    "k_factor": 1,
}  # the least effort, which misses something


@pytest.fixture
def collection(world) -> Collection:
    world.gallery = colour_gallery(1200)
    return world.ready().open(*WHERE)


@pytest.fixture
def vectors(collection, world) -> np.ndarray:
    return world.gallery.pictures.rows_of()


def missing_one(collection: Collection, index: str, k: int = 10, **params: int):
    """The first held-out query on which the index misses something, and its result."""
    for number in range(len(collection.queries)):
        result = collection.search(Query(held_out=number), index, k, compare=True, **params)
        if result.comparison.missed.missed:
            return number, result
    pytest.fail(f"{index} misses nothing")


def test_hits_and_missed_hits_are_together_the_exact_answer_and_what_stands_instead(collection, vectors, world):
    number, result = missing_one(collection, "ivf", nprobe=1)
    query = world.gallery.queries.rows_of()[number]
    exact = exact_rows(query[None], vectors, 10)[0].tolist()
    missed, found = {hit.row for hit in result.comparison.hits}, {hit.row for hit in result.hits}
    assert missed and missed == set(exact) - found and set(exact) <= missed | found
    for hit in result.comparison.hits:
        assert hit.score == pytest.approx(float(vectors[hit.row] @ query), abs=2e-3)
    assert result.comparison.exact_ms > 0
    cells = result.comparison.cells
    assert cells.keys() == missed and min(cells.values()) > 1  # none lies in the one cell that was visited


@pytest.fixture(scope="module")
def spread() -> tuple[np.ndarray, np.ndarray]:
    """3,000 unit rows in all directions, which are hard to index, and 60 queries."""
    rows = unit(np.random.default_rng(0).standard_normal((3060, 32)))
    return rows[:3000], rows[3000:]


@pytest.mark.parametrize("name", [name for name in LOCAL if INDEXES[name].params])
def test_the_remedy_of_each_index_is_one_of_its_parameters_and_finds_what_it_says(name, spread):
    spec, (vectors, queries) = find(name), spread
    if not spec.installed:
        pytest.skip(f"needs {spec.package}: requirements-bench.txt")
    index, low = spec.build(vectors), {param.name: LOW[param.name] for param in spec.params}
    exact = exact_rows(queries, vectors, 10)

    def answer(number: int, params: dict[str, int]) -> Missed:
        query = queries[number : number + 1]
        found = index.search(query, 10, **params).positions[0]
        return compared(exact[number], found, index, query, params)

    seen = 0
    for number in range(len(queries)):
        missed = answer(number, low)
        if (remedy := missed.remedy) is None:
            continue
        seen += 1
        assert remedy.param in low and remedy.value > LOW[remedy.param]
        found = 10 - len(answer(number, low | {remedy.param: remedy.value}).missed)
        assert 10 - len(missed.missed) < remedy.found == found
    assert seen > 10


def test_a_row_is_left_out_of_both_answers(collection):
    result = collection.search(Query(row=5), "ivf", 10, compare=True, nprobe=1)
    exact = collection.gallery_rows(result.comparison.missed.exact)
    assert len(exact) == 10 and 5 not in exact and 5 not in {hit.row for hit in result.hits}


def test_an_exact_index_is_compared_with_nothing(collection):
    assert collection.search(Query(held_out=0), "flat", 5, compare=True).comparison is None
    assert collection.search(Query(held_out=0), "ivf", 5).comparison is None


def test_too_few_results_name_the_parameter_that_brings_more(collection):
    for index, name in (("ivf", "nprobe"), ("ivf-fastscan", "nprobe")):
        notice = collection.search(Query(held_out=0), index, 900, nprobe=1).notice
        assert notice.endswith(f"were found; raise {name}")


def test_the_first_example_misses_something_and_all_are_answered_well(collection, world):
    chosen = instructive(collection, "pq", 12, 3)
    truth = world.gallery.queries.labels[chosen]
    assert len(chosen) == len(set(truth)) == 3  # as many classes as there are
    result = collection.search(Query(held_out=chosen[0]), "pq", 12, compare=True)
    alike = [hit.class_name for hit in result.hits].count(world.gallery.class_names[truth[0]])
    assert 1 <= len(result.comparison.missed.missed) <= 4 and alike >= 6


def test_examples_of_a_gallery_that_holds_nothing_out_are_its_own_rows(world):
    world.gallery = colour_gallery(60)
    world.change(queries=colour_gallery(0).pictures)
    chosen = instructive(world.ready().open(*WHERE), "ivf", 12, 6)
    assert chosen and all(0 <= row < 60 for row in chosen)
