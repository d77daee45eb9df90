"""The race over colours: recall against NumPy, and what an approximate index lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from searchdemo.errors import BadQuery
from searchdemo.measure.metrics import recall_at_k
from searchdemo.measure.missed import what_was_lost
from searchdemo.measure.race import Race, run, subset
from tests.conftest import colour_gallery, exact_rows

WHERE = ("colours", "mean-colour")
RACE = Race(*WHERE, repeats=3, params=(("nprobe", 1), ("ef_search", 32)))


@pytest.fixture
def engine(world):
    world.gallery = colour_gallery(1200)
    return world.built()


@pytest.fixture
def query(engine) -> np.ndarray:
    return engine.prepared(*WHERE).queries()[0][:1]


def test_rows_of_a_race(engine, query):
    race = Race(*WHERE, indexes=("brute", "flat", "ivf", "hnsw"), repeats=3, params=RACE.params)
    vectors, queries = engine.prepared(*WHERE).vectors.all(), engine.prepared(*WHERE).queries()[0]
    rows = {row.index: row for row in run(engine, race, query)}
    assert list(rows) == ["brute", "flat", "ivf", "hnsw"]
    for name, row in rows.items():
        assert 0 < row.latency.p50_ms <= row.latency.p95_ms and row.latency.repeats == 3
        assert row.size_bytes > 0
        exact = exact_rows(query, vectors, 10)
        assert row.recall == recall_at_k(row.positions[None], exact)
        params = {p.name: dict(race.params)[p.name] for p in engine.index(*WHERE, name).spec.params}
        found = engine.index(*WHERE, name).search(queries, 10, **params).rows
        assert row.mean_recall == pytest.approx(recall_at_k(found, exact_rows(queries, vectors, 10)))
    assert rows["brute"].recall == rows["flat"].recall == rows["brute"].mean_recall == 1
    assert rows["ivf"].mean_recall < 1  # one cell of 16 does not hold all
    assert rows["flat"].factory == "Flat" and rows["ivf"].factory.startswith("IVF16")
    assert rows["brute"].size_bytes in (vectors.nbytes, 1.5 * vectors.nbytes)  # with a copy in bfloat16


def test_a_batch_answers_the_same_query_first(engine, query):
    race = Race(*WHERE, indexes=("ivf",), repeats=2, batch=64, params=RACE.params)
    single = next(run(engine, RACE, query))
    batched = next(run(engine, Race(*WHERE, repeats=2, batch=64), query))
    assert np.array_equal(batched.positions, single.positions)
    assert next(run(engine, race, query)).positions.shape == (10,)


def test_a_smaller_gallery_is_the_same_for_every_index(engine, query):
    race = Race(*WHERE, indexes=("brute", "flat", "hnsw"), repeats=2, size=200)
    rows = list(run(engine, race, query))
    chosen = subset(1200, 200)
    assert len(set(chosen.tolist())) == 200 and chosen.max() < 1200
    wanted = exact_rows(query, engine.prepared(*WHERE).vectors.all()[chosen], 10)[0]
    assert [row.positions.tolist() for row in rows] == [wanted.tolist()] * 3
    assert rows[1].size_bytes == 200 * 8 * 4


def test_k_larger_than_the_gallery(engine, query):
    rows = list(run(engine, Race(*WHERE, repeats=1, k=50, size=20), query))
    assert rows[0].positions.shape == (20,) and rows[0].recall == rows[1].recall == 1


def test_what_was_lost_by_hand(engine, query):
    vectors = engine.prepared(*WHERE).vectors.all()
    index = engine.index(*WHERE, "ivf")
    seen_loss = False
    for number in range(30):
        query = engine.prepared(*WHERE).queries()[0][number : number + 1]
        found = index.search(query, 10, nprobe=1).rows[0]
        lost = what_was_lost(engine, RACE, query, "ivf", found)
        exact = exact_rows(query, vectors, 10)[0]
        if set(index.search(query, 10, nprobe=64).rows[0].tolist()) != set(exact.tolist()):
            continue  # half floats swap the 10th and the 11th of colours that lie this close: no cell is to blame
        assert lost.exact.tolist() == exact.tolist()
        assert lost.missed == set(exact.tolist()) - set(found.tolist())
        assert {position for position, rank in lost.cell_ranks.items() if rank > 1} == lost.missed
        if lost.missed:
            seen_loss = True
            enough = max(lost.cell_ranks.values())
            assert set(index.search(query, 10, nprobe=enough).rows[0].tolist()) == set(exact.tolist())
            assert set(index.search(query, 10, nprobe=enough - 1).rows[0].tolist()) != set(exact.tolist())
            assert f"{len(lost.missed)} of 10 missed" in str(lost) and f"nprobe {enough}" in str(lost)
        else:
            assert str(lost) == "all 10 found"
    assert seen_loss


def test_nothing_is_lost_by_an_exact_index(engine, query):
    found = engine.index(*WHERE, "flat").search(query, 10).rows[0]
    lost = what_was_lost(engine, RACE, query, "flat", found)
    assert not lost.missed and lost.cell_ranks is None


@pytest.mark.parametrize(
    "wrong",
    [{"k": 0}, {"k": 10**9}, {"repeats": 0}, {"repeats": 10**6}, {"batch": 0}, {"indexes": ()}, {"size": 0}],
)
def test_numbers_out_of_bounds(engine, query, wrong):
    with pytest.raises(BadQuery, match=r"[cC]hoose"):
        list(run(engine, Race(**{"gallery": WHERE[0], "encoder": WHERE[1]} | wrong), query))
    assert next(run(engine, RACE, query)).recall == 1


def test_a_batch_of_many_candidates_each_is_refused_before_it_fills_the_memory():
    race = Race(*WHERE, indexes=("ivf-fastscan",), k=1000, batch=1024, params=(("k_factor", 256),))
    with pytest.raises(BadQuery) as error:
        race.check()
    for said in (
        "batch = 1,024, k = 1,000 and k_factor = 256",
        "262,144,000",
        "a batch of 39 or less",
        "lower k or k_",
    ):
        assert said in str(error.value)
    replace(race, batch=39).check()
    replace(race, k=38).check()  # 1,024 * 38 * 256 = 9,961,472
    replace(race, indexes=("ivf",)).check()  # has no k_factor
    assert replace(race, params=()).candidates == 8_000  # by the default of the index


def test_a_k_factor_out_of_bounds(engine, query):
    with pytest.raises(BadQuery, match="k_factor = 0"):
        list(run(engine, Race(*WHERE, indexes=("ivf-fastscan",), params=(("k_factor", 0),)), query))


def test_the_mean_recall_is_the_same_in_parts(engine, query, monkeypatch):
    race = Race(*WHERE, indexes=("ivf-fastscan",), repeats=1, params=(("nprobe", 2), ("k_factor", 4)))
    whole = next(run(engine, race, query))
    monkeypatch.setattr("searchdemo.measure.race.MOST_CANDIDATES", 7 * race.candidates)
    parts = next(run(engine, race, query))
    assert race.candidates == 40
    assert (parts.mean_recall, parts.recall) == (whole.mean_recall, whole.recall)
    assert np.array_equal(parts.positions, whole.positions)


def test_threads_out_of_bounds(engine, query):
    with pytest.raises(BadQuery, match="threads = 0"):
        list(run(engine, Race(*WHERE, threads=0), query))


def test_json_of_a_row(engine, query):
    row = next(run(engine, RACE, query)).to_json()
    assert set(row) >= {"index", "factory", "p50_ms", "p95_ms", "repeats", "recall", "size_bytes", "load_ms"}
