"""A Collection answers from one set of vectors for as long as it is held, whatever another process builds meanwhile."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from searchdemo.collection.asked import asked
from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.collection.scores import rescored
from searchdemo.collection.store import Key
from searchdemo.errors import BadArtifact, NotHere
from searchdemo.indexes.table import find
from searchdemo.indexes.vectors import ArrayVectors
from searchdemo.measure.race import Race, encode, run
from searchdemo.types import MISSING
from tests.conftest import ColourPictures, colour_gallery, colour_pictures, exact_rows, unit

WHERE = ("colours", "mean-colour")
INDEXES = ("brute", "exact-bf16", "flat", "ivf", "hnsw", "sq8", "hnswlib", "annoy", "kd-tree")
EFFORT = {"ivf": {"nprobe": 64}, "hnswlib": {"ef_search": 256}, "annoy": {"search_k": 100_000}}


class Held:
    """A collection of 400 colours, and what it held when it was opened."""

    def __init__(self, world):
        world.gallery = colour_gallery(400)
        self.collection: Collection = world.ready().open(*WHERE)
        self.vectors = world.gallery.pictures.rows_of()
        self.queries = world.gallery.queries.rows_of()
        self.labels, self.truth = world.gallery.pictures.labels, world.gallery.queries.labels

    def nearest(self, query: np.ndarray, k: int) -> list[int]:
        return exact_rows(query[None], self.vectors, k)[0].tolist()


def rebuild(world) -> None:
    """By another process: other pictures in other numbers, so that each thing on disk is another."""
    other = colour_pictures(250, seed=77)
    queries = ColourPictures(world.gallery.queries.colours[::-1], world.gallery.queries.labels[::-1])
    world.change(pictures=other, queries=queries, fingerprint="colours-2")
    library = world.library()
    library.build(Key(*WHERE))
    for index in ("hnsw", "sq8"):
        library.open(*WHERE).index(index)


def remove(world) -> None:
    """The folder goes altogether."""
    shutil.rmtree(world.folder)


@pytest.fixture(params=[rebuild, remove], ids=["rebuilt", "removed"])
def held(request, world) -> Held:
    """Opened before the change, and asked nothing before it: no index was loaded."""
    held = Held(world)
    request.param(world)
    return held


@pytest.mark.parametrize("index", INDEXES)
def test_a_search_and_its_rows(held, index):
    if not find(index).installed:
        pytest.skip(f"needs {find(index).package}: requirements-bench.txt")
    for number in (0, 7, 19):
        result = held.collection.search(Query(held_out=number), index, 5, **EFFORT.get(index, {}))
        wanted = held.nearest(held.queries[number], 5)
        rows = [hit.row for hit in result.hits]
        cosines = held.vectors[rows] @ held.queries[number]
        assert np.allclose([hit.score for hit in result.hits], cosines, atol=2e-3)
        # Half floats and 8 bits may swap colours that lie this close; another set of vectors would be far off.
        close = 2e-2 if index == "sq8" else 2e-3
        assert np.allclose(cosines, held.vectors[wanted] @ held.queries[number], atol=close)


def test_a_query_by_row_and_a_picture(held, world):
    hits = held.collection.search(Query(row=333), "flat", 4).hits
    assert [hit.row for hit in hits] == [row for row in held.nearest(held.vectors[333], 5) if row != 333][:4]
    picture = Query(picture=colour_gallery(400).pictures.encoded(12))
    assert held.collection.search(picture, "ivf", 1, nprobe=64).hits[0].row == held.nearest(held.vectors[12], 1)[0]


def test_classes_by_neighbours(held):
    found = held.collection.classify(Query(held_out=3), "flat", 1)
    assert found.guesses[0].label == f"n{held.labels[held.nearest(held.queries[3], 1)[0]]}"


@pytest.mark.parametrize("index", ["brute", "flat", "ivf", "hnsw"])
def test_knn_accuracy(held, index):
    nearest = exact_rows(held.queries, held.vectors, 1)[:, 0]
    wanted = 100 * float((held.labels[nearest] == held.truth).mean())
    found = held.collection.evaluate(index, (1,), **EFFORT.get(index, {}))
    assert found.queries == 30
    assert found.accuracies[0].top1 == pytest.approx(wanted, abs=100 / 30 + 1e-6)  # one colour on the border


def test_the_race_its_query_and_what_was_missed(held):
    race = Race(indexes=("brute", "flat", "ivf", "hnsw"), k=10, repeats=1, params=(("nprobe", 1),))
    vector, _ = encode(held.collection, Query(held_out=2), race)
    assert np.allclose(vector[0], held.queries[2], atol=1e-3)
    rows = {row.index: row for row in run(held.collection, race, vector)}
    exact = exact_rows(vector, held.collection.vectors.all(), 10)[0]
    assert rows["brute"].positions.tolist() == exact.tolist()
    assert rows["brute"].mean_recall == rows["flat"].mean_recall == 1
    missed = held.collection.missed(vector, "ivf", rows["ivf"].positions, nprobe=1)
    assert missed.exact.tolist() == exact.tolist()
    assert missed.missed == set(exact.tolist()) - set(rows["ivf"].positions.tolist())


def test_a_part_of_it(held):
    part = held.collection.part(50)
    rows = part.gallery_rows(np.arange(50))
    assert len(set(rows.tolist())) == 50
    assert np.allclose(part.vectors.all(), held.vectors[rows], atol=1e-3)
    result = part.search(Query(held_out=0), "hnsw", 3)
    wanted = rows[exact_rows(held.queries[:1], held.vectors[rows], 3)[0]].tolist()
    assert np.allclose(
        held.vectors[[h.row for h in result.hits]] @ held.queries[0], held.vectors[wanted] @ held.queries[0], atol=2e-3
    )


def test_the_next_opening_sees_the_rebuild(world):
    held = Held(world)
    rebuild(world)
    assert len(world.library().open(*WHERE)) == 250 and len(held.collection) == 400
    assert world.library().open(*WHERE).search(Query(row=249), "hnsw", 1).hits  # its indexes are of its own vectors


def test_files_that_change_between_manifest_and_vectors_are_opened_again(world, monkeypatch):
    """The manifest is read, another process publishes, then the files are read."""
    library, other = world.ready(), world.library()
    read = library.store.open

    def then_replaced(key):
        artifact = read(key)
        monkeypatch.setattr(library.store, "open", read)
        world.encoder.weights_sha256 = "ee" * 32  # the vectors stay, the manifest is another
        (artifact.folder / "queries.npy").unlink()
        other.build(Key(*WHERE))
        (artifact.folder / "ivf.faiss").touch()
        return artifact

    world.encoder.encode_pixels = lambda pixels, whole=world.encoder.encode_pixels: whole(pixels)[:, ::-1]
    monkeypatch.setattr(library.store, "open", then_replaced)
    collection = library.open(*WHERE)
    assert collection.artifact.manifest.weights_sha256 == "ee" * 32
    assert np.allclose(collection.vectors.all()[:, ::-1], world.gallery.pictures.rows_of(), atol=1e-3)


def test_a_damaged_file_is_no_replacement(world):
    library = world.ready()
    (world.folder / "ivf.faiss").write_bytes(b"x" * 100)
    with pytest.raises(BadArtifact, match="does not match its checksum"):
        world.library().open(*WHERE)
    assert library.built(Key(*WHERE))


@pytest.fixture
def all_in(world):
    """A gallery that holds no queries out, with two copies of one picture."""
    pictures = colour_pictures(40, seed=0)
    pictures.colours[7] = pictures.colours[3]
    world.change(queries=colour_pictures(0, seed=1), pictures=pictures)
    return world.ready().open(*WHERE)


def test_without_held_out_queries_each_picture_asks_and_does_not_find_itself(all_in):
    assert all_in.queries.shape == (0, 8) and len(all_in.truth) == 0
    with pytest.raises(NotHere, match="No held-out queries of 'colours'"):
        all_in.held_out()
    asking = asked(all_in)
    found = asking.search(all_in.index("flat"), 5)
    assert found.shape == (40, 5) and not (found == asking.own[:, None]).any()
    assert found[3, 0] == 7 and found[7, 0] == 3  # a copy is another picture
    rows, labels = all_in.vectors.all(), all_in.labels()
    cosines = rows @ rows.T - 2 * np.eye(40, dtype=np.float32)
    by_hand = 100 * (labels[cosines.argmax(axis=1)] == labels).mean()
    found = all_in.evaluate("flat", ks=(1, 200))
    assert found.leave_one_out and found.queries == 40
    assert [a.top1 for a in found.accuracies if a.k == 1] == pytest.approx([by_hand] * 2)
    assert "leave-one-out: no queries are held out, so each picture asked" in found.notice
    assert "k = 200: there are only 39 neighbours, and all of them vote" in found.notice


def test_a_part_of_a_large_gallery_asks_and_that_is_said(all_in):
    asking = asked(all_in, most=9)
    assert len(asking) == 9 and "9 of the 40 pictures" in asking.notice
    assert np.array_equal(asking.vectors, all_in.vectors.take(asking.own))


def test_a_single_picture_has_nobody_to_find(world):
    world.change(queries=colour_pictures(0, seed=1), pictures=colour_pictures(1, seed=0))
    with pytest.raises(NotHere, match="fewer than two pictures"):
        world.ready().open(*WHERE).evaluate("flat")


# Scores


def test_scores_are_true_cosines_in_order_and_ties_stand_by_position():
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((40, 6)))
    vectors[[5, 20, 30]] = vectors[0]
    queries = unit(rng.standard_normal((3, 6)))
    found = np.stack([rng.permutation(40), rng.permutation(40), np.append(rng.permutation(40)[:38], [MISSING] * 2)])
    best = rescored(queries, ArrayVectors(vectors), found)
    for query, before, positions, scores in zip(queries, found, best.positions, best.scores, strict=True):
        there = positions[positions != MISSING]
        assert sorted(there.tolist()) == sorted(before[before != MISSING].tolist())
        cosines = vectors.astype(np.float64)[there] @ query.astype(np.float64)
        assert np.allclose(scores[: len(there)], cosines, atol=1e-6) and (np.diff(scores[: len(there)]) <= 0).all()
        assert [p for p in there if p in (0, 5, 20, 30)] == sorted({0, 5, 20, 30} & set(there.tolist()))
    assert best.positions[2][-2:].tolist() == [MISSING] * 2 and np.isneginf(best.scores[2][-2:]).all()
