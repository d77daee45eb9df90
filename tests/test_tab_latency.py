"""The Latency tab without a browser: what is checked, how a race goes on, what it shows."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.errors import BadArtifact, BadQuery, UnknownName
from searchdemo.measure.metrics import affordable_latency
from searchdemo.measure.race import Race, encode
from searchdemo.types import MISSING, Missed, Remedy
from searchdemo.ui import waiting as waiting_module
from searchdemo.ui.latency import form as race_form
from searchdemo.ui.latency import view as race_view
from searchdemo.ui.latency.form import Asked
from searchdemo.ui.latency.steps import steps
from searchdemo.ui.page import Choice
from searchdemo.ui.waiting import waiting
from tests.conftest import MeanColour, colour_gallery

WHERE = ("colours", "mean-colour")
FIELDS = {"size": 0, "batch": 1, "repeats": 3, "threads": 1}
PARAMS = {"nprobe": 8, "ef_search": 64, "k_factor": 8, "search_k": 4000}


@pytest.fixture
def library(world):
    world.gallery = colour_gallery(1200)
    return world.ready()


def checked(indexes=("brute", "ivf"), params=(), k=10, **fields) -> Asked:
    chosen = Choice(*WHERE, "ivf", k)
    return race_form.checked(chosen, PARAMS | dict(params), indexes, *(FIELDS | fields).values())


def finish(library, asked: Asked, query=None):
    return list(steps(asked.open(library), asked.race, query or Query(held_out=0)))


# What is checked


def test_numbers_reach_the_race(world):
    asked = checked(
        ["ivf", "brute"], params={"nprobe": 1, "ef_search": 32, "k_factor": 4}, size=200, k=5, batch=8, repeats=7
    )
    race = asked.race
    assert (asked.gallery, asked.encoder) == WHERE
    assert race.indexes == ("brute", "ivf")  # in the order of the table
    assert (asked.size, race.k, race.batch, race.repeats, race.threads) == (200, 5, 8, 7, 1)
    assert dict(race.params) == {"nprobe": 1, "ef_search": 32, "k_factor": 4, "search_k": 4000}
    assert checked(size=race_form.ALL).size is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"k": 0}, "k = 0"),
        ({"k": 10**9}, "1,000,000,000"),
        ({"batch": None}, "batch is empty"),
        ({"repeats": -1}, "repeats = -1"),
        ({"batch": 10**6}, "batch = 1,000,000"),
        ({"threads": 10**4}, "threads = 10000"),
        ({"params": {"nprobe": 0}}, "nprobe = 0"),
        ({"indexes": []}, "at least one index"),
        ({"indexes": None}, "at least one index"),
    ],
)
def test_numbers_out_of_bounds_are_refused_with_a_sentence(world, wrong, said):
    with pytest.raises(BadQuery, match=said):
        checked(**wrong)


def test_names_that_belong_to_the_command_line_are_refused(world):
    with pytest.raises(UnknownName, match="faiss:HNSW64"):
        checked(["faiss:HNSW64"])


def test_sizes_are_those_that_there_are_vectors_for():
    assert race_form.sizes(3_500) == [("all", 0), ("1,000", 1000), ("3,000", 3000)]
    assert race_form.sizes(0) == [("all", 0)]


# How a race goes on


def test_the_table_grows_by_one_row_per_index(library):
    taken = finish(library, checked(["brute", "flat", "ivf"]))
    assert [row.index for row in taken[-1].rows] == ["brute", "flat", "ivf"]
    counts = [len(step.rows) for step in taken]
    assert counts == sorted(counts) and set(counts) == {0, 1, 2, 3}
    assert taken[0].doing and not taken[-1].doing


def test_a_held_out_query_is_encoded_for_the_time_alone_when_its_picture_is_here(world, library, monkeypatch):
    here = finish(library, checked(["flat"]))[-1]
    assert here.encoding.repeats == 3
    monkeypatch.setattr(Collection, "query_picture", lambda self, number: None)
    away = finish(library, checked(["flat"]))[-1]
    assert away.encoding is None and "not on this machine" in away.conditions
    assert np.array_equal(here.vector, away.vector)


def test_a_picture_is_encoded_once_to_search_and_again_to_be_timed(world, library):
    stored = finish(library, checked(["flat"]))[-1]
    before = world.encoder.encoded
    shown = finish(library, checked(["flat"]), Query(picture=world.gallery.queries.encoded(0)))[-1]
    assert shown.encoding.repeats == 3 and "float32" in shown.conditions
    assert world.encoder.encoded == before + 1 + 1 + 3  # the query itself, one to warm up, three that are timed
    assert np.allclose(shown.vector, stored.vector, atol=1e-3)


def test_other_weights_than_those_of_the_vectors_are_refused(world, library):
    world.encoder = MeanColour("cd" * 32)
    fresh = world.library()
    with pytest.raises(BadArtifact, match="other weights"):
        encode(fresh.open(*WHERE), Query(text="red"), Race())
    stored = fresh.open(*WHERE).queries
    assert np.array_equal(encode(fresh.open(*WHERE), Query(held_out=0), Race())[0], stored[:1])  # needs no encoder


def test_an_index_that_cannot_be_built_is_left_out_and_said_so(library):
    last = finish(library, checked(["pq", "brute"], size=100))[-1]
    assert [row.index for row in last.rows] == ["brute"]
    assert len(last.failures) == 1 and "pq" in last.failures[0]
    assert last.failures[0].replace("'", "&#39;") in race_view.status_html(last.doing, last.failures)


def test_waiting_tells_the_seconds_and_passes_errors_on(monkeypatch, clock):
    monkeypatch.setattr(waiting_module, "TICK_S", 0.01)
    monkeypatch.setattr(waiting_module, "time", clock)
    go_on = threading.Event()
    ticks = waiting(go_on.wait, float)
    assert next(ticks) == 0
    clock.now = 7.0
    assert next(ticks) == 7
    go_on.set()
    assert set(ticks) <= {7}  # and it ends
    with pytest.raises(BadQuery, match="as it is"):
        list(waiting(lambda: (_ for _ in ()).throw(BadQuery("as it is")), float))


@pytest.mark.parametrize(("ms", "repeats"), [(4000, 5), (500, 10), (50, 100), (1, 1000), (0, 1000)])
def test_slow_calls_are_repeated_less_often(monkeypatch, clock, ms, repeats):
    """As often as fits into five seconds, five times at least and a thousand times at most."""
    monkeypatch.setattr("searchdemo.measure.metrics.time", clock)
    measured = affordable_latency(lambda: clock.sleep(ms / 1000), 1000)
    assert measured.repeats == repeats and measured.p50_ms == pytest.approx(ms)


def test_a_picture_of_the_gallery_is_encoded_for_the_time_alone(library):
    collection = library.open(*WHERE)
    vector, measured = encode(collection, Query(row=7), Race(repeats=2))
    assert np.array_equal(vector, collection.vectors.take(np.array([7]))) and measured.repeats == 2


def test_held_out_pictures_of_a_part_are_of_the_right_query(world):
    collection = world.built(limit=12).open(*WHERE)
    row = collection.query_row(5)
    assert collection.query_number(row) == 5
    embedded = collection.embed(Query(picture=collection.gallery.queries.encoded(row))).vector
    assert np.allclose(embedded, collection.queries[5:6], atol=1e-3)
    absent = next(row for row in range(30) if row not in collection.snapshot.query_rows)
    with pytest.raises(BadQuery, match=f"picture {absent} is not among the 12"):
        collection.query_number(absent)


# What it shows


def test_the_table_and_the_plot_show_what_was_measured(library):
    asked = checked(["brute", "ivf"], batch=4)
    race, last = asked.race, finish(library, asked, Query(text="red"))[-1]
    table = race_view.table_html(last.rows, race, last.recall_of)
    assert table.count("<tr>") == 3 and "IVF" in table and "NumPy" in table and "per query" in table
    assert "mean of 30 held-out" in table
    plot = race_view.plot_html(last.rows, race, last.encoding, asked.encoder, last.conditions)
    assert re.findall(r'class="name">([^<]+)<', plot) == ["encode (mean-colour)", "brute", "ivf"]


def test_missing_pictures_of_an_answer_are_marked(library):
    for number in range(30):
        query = library.open(*WHERE).held_out()[0][number : number + 1]
        found = library.open(*WHERE).index("ivf").search(query, 10, nprobe=1).positions[0]
        lost = library.open(*WHERE).missed(query, "ivf", found, nprobe=1)
        if lost.missed:
            break
    assert lost.missed
    exact, answer = race_view.missed_tiles(library.open(*WHERE), query, lost)
    missed = [tile for tile in exact if tile.mark == "missed"]
    assert len(missed) == len(lost.missed) and max(tile.cell for tile in missed) == lost.remedy.value
    assert lost.remedy == Remedy("nprobe", lost.remedy.value, 10)
    assert [tile.mark for tile in answer].count("instead") == len(missed)
    html = race_view.missed_html("ivf", str(lost), exact, answer)
    assert html.count('<figure class="missed">') == len(missed)
    assert f"nprobe {lost.remedy.value} would have found all 10" in html
    assert html.count("<img") == 20


def test_fewer_than_k_leave_empty_frames(library):
    query = library.open(*WHERE).held_out()[0][:1]
    found = np.array([0, MISSING, MISSING])
    lost = Missed(np.array([0, 1, 2]), found, frozenset({1, 2}), None, None)
    exact, answer = race_view.missed_tiles(library.open(*WHERE), query, lost)
    assert len(exact) == len(answer) == 3 and answer[1] is answer[2] is race_view.NOTHING
    assert race_view.missed_html("pq", str(lost), exact, answer).count('class="nothing"') == 2


def test_rounding_is_told_apart_from_cells_that_were_not_visited(library):
    query = library.open(*WHERE).held_out()[0][:1]
    exact = library.open(*WHERE).index("brute").search(query, 10).positions[0]
    found = np.append(exact[:9], MISSING)
    lost = library.open(*WHERE).missed(query, "ivf", found, nprobe=4096)  # as if the last had been missed
    assert lost.remedy is None
    assert str(lost).startswith("1 of 10 missed, though every cell")


def test_ef_search_is_raised_until_all_are_found(library):
    query = library.open(*WHERE).held_out()[0][:1]
    exact = library.open(*WHERE).index("brute").search(query, 10).positions[0]
    found = np.append(exact[:9], MISSING)
    lost = library.open(*WHERE).missed(query, "hnsw", found, ef_search=16)  # as if the last had been missed
    assert lost.missed == {int(exact[9])} and lost.cell_ranks is None
    assert (lost.remedy.param, lost.remedy.found) == ("ef_search", 10) and lost.remedy.value >= 32
    assert str(lost) == f"1 of 10 missed; ef_search {lost.remedy.value} would have found all 10"
