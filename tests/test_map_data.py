"""What the map in the browser gets: points, cells, and the overlay of a query, against what NumPy says."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from searchdemo.collection.layout import principal, scaled
from searchdemo.collection.maps import STEPS, keep
from searchdemo.collection.query import Query
from searchdemo.errors import BadQuery, NotBuilt
from searchdemo.galleries.blurs import blur_of
from searchdemo.ui.map import data, tab
from searchdemo.ui.page import Choice
from tests.conftest import exact_rows, png


def decoded(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def chosen(index: str = "ivf", k: int = 5, **params: int) -> Choice:
    return Choice("colours", "mean-colour", index, k, params)


@pytest.fixture
def collection(world):
    """300 colours with a map by PCA."""
    opened = world.ready().open("colours", "mean-colour")
    keep(opened, scaled(principal(opened.vectors.all())), "PCA")
    return opened


def test_points_are_the_stored_map_with_labels_and_names(collection):
    sent = data.points(collection)
    assert np.array_equal(decoded(sent["positions"], "<u2").reshape(-1, 2), collection.map().stored)
    assert np.array_equal(decoded(sent["labels"], "<i2"), collection.labels())
    assert sent["names"] == ["reddish", "greenish", "bluish"] and sent["rows"] is None
    assert sent["key"] == data.key(collection)
    json.dumps(sent)


def test_rows_are_sent_where_they_are_not_the_positions(world):
    opened = world.built(limit=50).open("colours", "mean-colour")
    keep(opened, scaled(principal(opened.vectors.all())), "PCA")
    rows = decoded(data.points(opened)["rows"], "<i4")
    assert np.array_equal(rows, opened.gallery_rows(np.arange(50))) and not np.array_equal(rows, np.arange(50))


def test_without_a_map_the_command_is_named(world):
    opened = world.ready().open("colours", "mean-colour")
    with pytest.raises(
        NotBuilt, match=r"run `python -m searchdemo build --gallery colours --encoder mean-colour --map`"
    ):
        data.points(opened)


def test_cells_are_those_of_the_index(collection):
    assert np.array_equal(decoded(data.cells(collection, "ivf")["cells"], "<u2"), collection.index("ivf").cells())
    assert data.cells(collection, "flat") == {"cells": None}


@pytest.mark.parametrize("nprobe", [1, 4])
def test_found_missed_and_instead_are_what_numpy_says(collection, nprobe):
    vectors, query = collection.vectors.all(), collection.queries[3:4]
    exact = exact_rows(query, vectors, 5)[0].tolist()
    found = collection.index("ivf").search(query, 5, nprobe=nprobe).positions[0].tolist()
    shown = data.overlay(collection, chosen(nprobe=nprobe), Query(held_out=3))
    json.dumps(shown)
    by_kind = {kind: {one["position"] for one in shown["neighbours"] if one["kind"] == kind} for kind in data.KINDS}
    assert by_kind["found"] == set(exact) & set(found)
    assert by_kind["missed"] == set(exact) - set(found)
    assert by_kind["instead"] == set(found) - set(exact) - {-1}
    ranks, cells = collection.index("ivf").visit_ranks(query[0]), collection.index("ivf").cells()
    assert shown["visits"] == ranks.tolist() and shown["nprobe"] == nprobe
    for one in shown["neighbours"]:
        assert one["rank"] == ranks[cells[one["position"]]]
        assert one["score"] == pytest.approx(float(vectors[one["position"]] @ query[0]), abs=1e-5)
        assert (one["rank"] <= nprobe) == (one["kind"] != "missed") and not one["rounded"]


def test_a_row_of_the_gallery_lies_where_it_is_and_is_not_its_own_neighbour(collection):
    shown = data.overlay(collection, chosen("flat"), Query(row=7))
    assert np.allclose(shown["at"], collection.map().stored[7] / STEPS)
    assert len(shown["neighbours"]) == 5 and 7 not in [one["position"] for one in shown["neighbours"]]
    assert not {"visits", "walk"} & set(shown)


def test_a_query_lies_amid_its_nearest_whatever_k_is(collection):
    one, five = (data.overlay(collection, chosen("flat", k), Query(held_out=0)) for k in (1, 5))
    assert one["at"] == five["at"] and len(one["neighbours"]) == 1
    near = collection.map().points[exact_rows(collection.queries[:1], collection.vectors.all(), data.PLACED_BY)[0]]
    assert (near.min(axis=0) <= one["at"]).all() and (one["at"] <= near.max(axis=0)).all()


def test_a_graph_shows_its_walk(collection):
    shown = data.overlay(collection, chosen("hnsw", ef_search=20), Query(held_out=0))
    steps = collection.index("hnsw").walk(collection.queries[0], ef_search=20)
    assert (shown["walk"]["descent"], shown["walk"]["expanded"]) == (steps.descent, steps.expanded)
    json.dumps(shown)


def test_a_graph_walks_for_as_many_as_are_asked_for(collection):
    """FAISS keeps k candidates where ef_search is lower."""
    shown = data.overlay(collection, chosen("hnsw", 30, ef_search=2), Query(held_out=0))
    assert len(shown["walk"]["expanded"]) >= 30


def test_pictures_that_are_no_more_are_neither_found_nor_missed(collection):
    """A person's folder may lose files after a build."""
    before = data.overlay(collection, chosen(nprobe=8), Query(held_out=3))
    lost = next(one["position"] for one in before["neighbours"] if one["kind"] == "found")
    later = replace(collection, snapshot=replace(collection.snapshot, gone=np.array([lost])))
    after = [one["position"] for one in data.overlay(later, chosen(nprobe=8), Query(held_out=3))["neighbours"]]
    exact = exact_rows(collection.queries[3:4], collection.vectors.all(), 6)[0].tolist()
    assert lost not in after and set(exact) - {lost} <= set(after)
    assert decoded(data.points(later)["rows"], "<i4")[lost] == -1 and data.key(later) != data.key(collection)


def test_the_values_of_the_slider():
    assert data.efforts(8, 3) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert data.efforts(1, 16) == [1]
    many = data.efforts(512, 16)
    assert many[0] == 1 and many[-1] == 512 and 16 in many and len(many) < 40


@pytest.mark.parametrize("kind", ["picture", "blur", "nothing"])
def test_a_card_says_whether_its_picture_is_here(kind, world, monkeypatch):
    picture = png((255, 0, 0)) if kind == "picture" else None
    if kind == "blur":
        pytest.importorskip("thumbhash")
        picture = blur_of(png((255, 0, 0)))
    monkeypatch.setattr(tab, "row_tile", lambda gallery, row, caption: (picture, caption))
    page = SimpleNamespace(library=world.library())
    card = tab.picture_of(page, chosen(), 0)
    assert card["here"] is (kind == "picture") and card["alt"] == world.gallery.class_name(0)
    assert card["url"].startswith("data:image/png" if card["here"] else "data:image/svg+xml")


def test_a_row_that_is_not_there_is_refused(world):
    with pytest.raises(BadQuery, match="There is no row 300: choose from 0 to 299"):
        tab.picture_of(SimpleNamespace(library=world.library()), chosen(), 300)
