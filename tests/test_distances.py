"""Pairwise distances with answers worked out by hand, and the grid of the Trade-offs tab that shows them."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from searchdemo.collection.query import Query
from searchdemo.errors import BadArtifact, BadQuery
from searchdemo.measure.distances import pairwise
from searchdemo.ui.tradeoffs.distances import Picked, grid_html, looked_up, some_three, with_one_more
from tests.conftest import CLASSES, colour_gallery, colour_pictures

WHERE = ("colours", "mean-colour")
A, B = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
SIXTY = np.array([0.5, np.sqrt(3) / 2, 0])  # from A


@pytest.mark.parametrize(
    ("other", "cosine", "degrees", "euclidean"),
    [(A, 1, 0, 0), (SIXTY, 0.5, 60, 1), (B, 0, 90, np.sqrt(2)), (-A, -1, 180, 2)],
    ids=["the same", "60 degrees", "a right angle", "opposite"],
)
def test_known_pairs(other, cosine, degrees, euclidean):
    found = pairwise(np.stack([A, other]))
    assert found.cosines[0, 1] == pytest.approx(cosine, abs=1e-12)
    assert found.degrees[0, 1] == pytest.approx(degrees, abs=1e-6)
    assert found.euclidean[0, 1] == pytest.approx(euclidean, abs=1e-12)


def test_any_rows_are_nought_from_themselves_and_the_three_forms_agree():
    rows = np.random.default_rng(0).standard_normal((5, 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = pairwise(rows)
    assert (np.diag(found.euclidean) == 0).all() and (np.diag(found.degrees) == 0).all()
    assert (np.diag(found.cosines) == 1).all()
    for each in (found.cosines, found.degrees, found.euclidean):
        np.testing.assert_array_equal(each, each.T)
    np.testing.assert_allclose(found.cosines, rows @ rows.T, atol=1e-6)
    np.testing.assert_allclose(np.cos(np.radians(found.degrees)), found.cosines, atol=1e-12)


def test_nearly_alike_rows_have_a_right_angle_still():
    tiny = 1e-6  # radians; its arc cosine would be off in the fifth digit
    found = pairwise(np.array([[1.0, 0], [np.cos(tiny), np.sin(tiny)]]))
    assert found.degrees[0, 1] == pytest.approx(np.degrees(tiny), rel=1e-8)


# The grid


@pytest.fixture
def library(world):
    return world.ready()


def cells(html: str) -> list[str]:
    return re.findall(r"<td[^>]*><b>([^<]+)</b>", html)


def test_a_cell_has_the_three_forms_and_more_colour_the_nearer_it_is():
    tiles = [(None, "a <b>"), (None, "c"), (None, "d")]
    html = grid_html(tiles, pairwise(np.stack([A, SIXTY, -A])))
    assert cells(html) == ["0.000", "1.000", "2.000", "1.000", "0.000", "1.732", "2.000", "1.732", "0.000"]
    others = re.findall(r"<span><i>cos </i>(-?[\d.]+)</span><span>([\d.]+)°</span>", html)
    assert others[:3] == [("1.000", "0.0"), ("0.500", "60.0"), ("-1.000", "180.0")]
    near = [float(share) for share in re.findall(r"--near:([\d.]+)", html)[:3]]
    assert near == [1, pytest.approx(1 - 1 / np.sqrt(2), abs=0.005), 0]
    assert html.count('alt="a &lt;b&gt;"') == 2  # on both edges


def test_a_right_angle_has_no_minus_nought():
    assert "</i>0.000<" in grid_html([(None, "a"), (None, "b")], pairwise(np.array([[1, 0], [-1e-9, 1]])))


def test_an_empty_grid_says_what_to_do():
    assert "Add two pictures" in grid_html([], pairwise(np.empty((0, 8))))


def test_rows_held_out_pictures_and_ones_own_are_compared_by_their_vectors(library, world):
    own = Image.open(io.BytesIO(world.gallery.pictures.encoded(7)))
    picked = [Query(row=7), Query(held_out=3), Query(picture=own)]
    tiles, found = looked_up(library.open(*WHERE), [Picked("colours", query) for query in picked])
    names = [world.gallery.class_name(7), CLASSES[world.gallery.queries.labels[3]]]
    assert [name for _, name in tiles] == [f"{names[0]} (7)", f"{names[1]} (held out 3)", "yours"]
    assert tiles[0][0] == world.gallery.pictures.encoded(7)
    expected = world.gallery.pictures.rows_of()[7] @ world.gallery.queries.rows_of()[3]
    assert found.cosines[0, 1] == pytest.approx(expected, abs=1e-3)  # stored as half floats
    assert found.cosines[0, 2] == pytest.approx(1, abs=1e-3)


def test_a_picture_that_is_not_on_the_machine_is_compared_all_the_same(world):
    library = world.ready()
    world.change(pictures=colour_pictures(300, seed=0, absent=[7]))
    tiles, found = looked_up(library.open(*WHERE), [Picked("colours", Query(row=row)) for row in (7, 8)])
    vectors = colour_gallery().pictures.rows_of()
    assert found.cosines[0, 1] == pytest.approx(vectors[7] @ vectors[8], abs=1e-3)
    assert cells(grid_html(tiles, found))[0] == "0.000"


@pytest.mark.parametrize(("query", "said"), [(Query(row=300), "no row 300"), (Query(held_out=99), "query 99")])
def test_numbers_that_are_not_there_are_refused(library, query, said):
    with pytest.raises(BadQuery, match=said):
        looked_up(library.open(*WHERE), [Picked("colours", query)])


def test_ones_own_picture_needs_the_weights_of_the_stored_vectors(library, world, monkeypatch):
    monkeypatch.setattr(world.encoder, "weights_sha256", "cd" * 32)
    with pytest.raises(BadArtifact):
        looked_up(library.open(*WHERE), [Picked("", Query(picture=Image.new("RGB", (4, 4))))])


def test_a_surprise_is_two_of_one_class_and_one_of_another(library, world):
    for seed in range(5):
        labels = [world.gallery.label(one.query.row) for one in some_three(library.open(*WHERE), seed)]
        assert labels[0] == labels[1] != labels[2]
    assert some_three(library.open(*WHERE), 0) == some_three(library.open(*WHERE), 0)


def test_a_full_grid_takes_no_more():
    one, picked = Picked("colours", Query(row=1)), ()
    for _ in range(5):
        picked = with_one_more(picked, one)
    with pytest.raises(BadQuery, match="holds 5"):
        with_one_more(picked, one)
