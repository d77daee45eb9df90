"""The map of a gallery: laid out, kept beside the vectors, refused when it belongs to others."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from searchdemo.collection import layout, maps
from searchdemo.collection.maps import Map, build_map
from searchdemo.collection.store import Key
from searchdemo.errors import BadArtifact, NotInstalled
from searchdemo.files import sha256_of
from tests.conftest import colour_gallery, exact_rows, unit


def search_of(vectors: np.ndarray):
    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        found = exact_rows(queries, vectors, k)
        return found, np.take_along_axis(queries @ vectors.T, found, axis=1)

    return search


@pytest.fixture(scope="module")
def few() -> np.ndarray:
    """150 unit rows of 8 dimensions around 3 far centres, in turn."""
    rng = np.random.default_rng(0)
    return unit(3 * np.eye(8)[np.arange(150) % 3] + 0.4 * rng.standard_normal((150, 8)))


@pytest.fixture
def shorter(monkeypatch):
    """t-SNE with few iterations: enough to keep clusters apart."""
    monkeypatch.setattr(layout, "PHASES", tuple((50, exaggeration) for _, exaggeration in layout.PHASES))


def test_clusters_stay_together_and_the_same_vectors_give_the_same_map(few, shorter):
    pytest.importorskip("openTSNE", reason="pip install openTSNE")
    told = []
    points, made = layout.layout(few, search_of(few), told.append)
    assert points.shape == (150, 2) and points.dtype == np.float32
    assert points.min() == 0 and points.max() == 1
    assert made.startswith("t-SNE of perplexity 30 by openTSNE ")
    nearest = exact_by_distance(points, 10)
    assert (nearest % 3 == np.arange(150)[:, None] % 3).mean() > 0.95
    assert np.array_equal(layout.layout(few, search_of(few))[0], points)
    assert {progress.stage for progress in told} == {"finding neighbours", "drawing the map"}
    assert (told[-1].done, told[-1].total) == (100, 100)


def exact_by_distance(points: np.ndarray, k: int) -> np.ndarray:
    """(n, k) positions of the nearest others."""
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1)[:, :k]


def test_ctrl_c_ends_it(few):
    pytest.importorskip("openTSNE", reason="pip install openTSNE")

    def interrupt(progress) -> None:
        if progress.stage == "drawing the map":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layout.layout(few, search_of(few), interrupt)


def test_equal_vectors_are_neighbours_of_each_other():
    same = unit(np.ones((120, 4)))
    positions, distances = layout.neighbours(same, search_of(same), lambda progress: None)
    assert positions.shape == distances.shape == (120, layout.NEIGHBOURS)
    assert (positions != np.arange(120)[:, None]).all() and distances.max() < 1e-3


def test_few_pictures_are_drawn_by_pca_without_the_library(few, monkeypatch):
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    points, made = layout.layout(few[:50], search_of(few[:50]))
    assert made == "PCA, because 50 pictures are too few for t-SNE"
    assert points.min() == 0 and points.max() == 1
    with pytest.raises(
        NotInstalled, match=r"A map of 100 pictures or more needs the Python package 'openTSNE'.*run `pip"
    ):
        layout.layout(few, search_of(few))


def test_pca_worked_out_by_hand():
    # The longest way is along the second axis, the next along the first; the third does not change.
    vectors = np.array([[0, -3, 7], [0, 3, 7], [1, 0, 7], [-1, 0, 7.0]])
    assert np.allclose(layout.principal(vectors), [[-3, 0], [3, 0], [0, 1], [0, -1]])
    assert np.allclose(layout.scaled(layout.principal(vectors))[:2], [[0, 0.5], [1, 0.5]])


@pytest.mark.parametrize("number", [1, 2, 50])
def test_a_gallery_of_any_size_has_a_map(world, number):
    world.change(pictures=colour_gallery(number).pictures)
    collection = world.ready().open("colours", "mean-colour")
    assert collection.map() is None
    built = build_map(collection)
    assert built.points.shape == (number, 2) and built.made.startswith("PCA")
    assert 0 <= built.points.min() <= built.points.max() <= 1
    if number == 1:
        assert np.allclose(built.points, 0.5, atol=1e-4)
    again = world.library().open("colours", "mean-colour").map()  # after a restart
    assert np.array_equal(again.stored, built.stored) and again.made == built.made


@pytest.mark.parametrize("nprobe", [1, 4])
def test_neighbours_come_from_the_inverted_file_where_there_are_many(world, monkeypatch, nprobe):
    """Cells that hold fewer than are asked for do not leave gaps."""
    monkeypatch.setattr(maps, "EXACT_UP_TO", 100)
    monkeypatch.setattr(maps, "NPROBE", nprobe)
    collection = world.ready().open("colours", "mean-colour")
    vectors, asked = collection.vectors.all(), {}

    def look(rows, search, report):
        asked["found"], asked["cosines"] = search(rows[:50], 91)
        return np.zeros((len(rows), 2)), "by nobody"

    monkeypatch.setattr(maps, "layout", look)
    build_map(collection)
    found, cosines = asked["found"], asked["cosines"]
    assert (found >= 0).all() and all(len(set(row)) == 91 for row in found.tolist())
    assert np.allclose(cosines, np.einsum("qd,qkd->qk", vectors[:50], vectors[found]), atol=2e-3)
    whole = found == exact_rows(vectors[:50], vectors, 91)
    assert nprobe > 1 or whole.all(axis=1).any()  # of those whose cell is small


@pytest.fixture
def mapped(world):
    """A library whose colours have a map; world.folder holds it."""
    world.change(pictures=colour_gallery(50).pictures)
    library = world.ready()
    build_map(library.open("colours", "mean-colour"))
    return library


def test_a_map_of_other_vectors_is_refused(world, mapped, tmp_path):
    for file in world.folder.glob("map.npy*"):
        shutil.copy(file, tmp_path)
    world.change(pictures=colour_gallery(51).pictures, fingerprint="colours-2")
    library = world.library()
    library.build(Key("colours", "mean-colour"))
    assert library.open("colours", "mean-colour").map() is None  # a rebuild leaves no map behind
    for file in tmp_path.glob("map.npy*"):
        shutil.copy(file, world.folder)
    assert library.open("colours", "mean-colour").map() is None


def test_a_damaged_map_is_none_and_a_false_one_is_named(world, mapped):
    path, card = world.folder / maps.FILE, world.folder / f"{maps.FILE}.json"
    np.save(path, np.zeros((49, 2), np.uint16))
    assert mapped.open("colours", "mean-colour").map() is None  # its checksum does not hold
    facts = json.loads(card.read_text())
    card.write_text(json.dumps(facts | {"sha256": sha256_of(path)}))
    with pytest.raises(BadArtifact, match=r"is not a map of these vectors \(uint16 of shape \(49, 2\)"):
        mapped.open("colours", "mean-colour").map()


def test_a_part_of_the_vectors_has_no_map(mapped):
    assert mapped.open("colours", "mean-colour").part(10).map() is None


def test_a_query_is_placed_among_its_neighbours():
    drawn = Map(np.array([[0, 0], [0, maps.STEPS], [maps.STEPS, 0]], np.uint16), "by hand")
    assert drawn.place(np.array([1, 2]), np.array([0.5, 0.5])) == (0.5, 0.5)
    assert drawn.place(np.array([2]), np.array([0.9])) == (1, 0)
    weight = np.exp(-0.1 / maps.TEMPERATURE)
    assert drawn.place(np.array([0, 2]), np.array([0.9, 0.8])) == pytest.approx((weight / (1 + weight), 0))
