"""Building: rows stay with their pictures, a killed build goes on, limits are balanced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from searchdemo.collection import embed
from searchdemo.collection.build import balanced_rows
from searchdemo.collection.progress import Progress, clock
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.encoders.base import How
from searchdemo.errors import BadQuery, NoPictures
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.pictures import open_picture
from tests.clock import ThreadClock
from tests.conftest import colour_gallery, colour_pictures, unit

KEY = Key("colours", "mean-colour")


pytestmark = pytest.mark.usefixtures("steady")


def stored(world) -> tuple[np.ndarray, np.ndarray]:
    """Gallery rows (n,) and vectors (n, dim) of what is on disk."""
    prepared = world.library().open("colours", "mean-colour")
    return prepared.gallery_rows(np.arange(len(prepared.vectors))), prepared.vectors.all()


def test_every_row_holds_the_vector_of_its_picture(world):
    manifest = world.built(batch_size=7).store.open(KEY).manifest
    rows, vectors = stored(world)
    assert np.array_equal(rows, np.arange(300))
    assert np.abs(vectors - world.gallery.pictures.rows_of()).max() < 2**-11
    assert (manifest.vectors, manifest.queries, manifest.dim) == (300, 30, 8)
    assert manifest.weights_sha256 == "ab" * 32 and manifest.gallery_fingerprint == "colours-1"
    assert manifest.stand_in and manifest.precision == "float32 by numpy on cpu"


def test_pictures_that_cannot_be_read_never_shift_rows(world):
    world.gallery = colour_gallery(absent=[0, 299], broken=[5, 6, 7, 8, 9, 10, 11, 40])
    library = world.built(batch_size=4)  # so that one batch holds none at all
    rows, vectors = stored(world)
    assert len(rows) == 290 and not {0, 5, 11, 40, 299} & set(rows.tolist())
    assert np.abs(vectors - world.gallery.pictures.rows_of()[rows]).max() < 2**-11
    picture = Query(picture=world.gallery.pictures.encoded(41))
    hit = library.open("colours", "mean-colour").search(picture, "flat", 1).hits[0]
    assert hit.row == 41 and hit.score == pytest.approx(1, abs=1e-3)
    with pytest.raises(BadQuery, match="Row 40 is not among the 290 pictures"):
        library.open("colours", "mean-colour").search(Query(row=40), "flat", 1)


def test_batches_are_prepared_while_the_network_computes(world, monkeypatch):
    """The third batch is prepared by another thread before the first pass has ended."""
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    makers, third, whole, encode = [], threading.Event(), world.encoder.preprocess, world.encoder.encode_pixels

    def preprocess(images):
        makers.append(threading.current_thread())
        if len(makers) == 3:
            third.set()
        return whole(images)

    def encode_pixels(pixels):
        assert third.wait(60)
        return encode(pixels)

    world.encoder.preprocess, world.encoder.encode_pixels = preprocess, encode_pixels
    world.built(batch_size=10)
    assert len(makers) == 33 and threading.current_thread() not in makers
    rows, vectors = stored(world)
    assert np.array_equal(rows, np.arange(300))
    assert np.abs(vectors - world.gallery.pictures.rows_of()).max() < 2**-11


def test_pictures_of_a_batch_are_not_in_memory_together(world, monkeypatch):
    """One picture per thread: all three threads hold one while they wait for each other here."""
    workers = 3
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    opened, held, most = [], {}, []  # thread -> pictures that it opened and has not used up
    lock, together, whole = threading.Lock(), threading.Barrier(workers), world.encoder.preprocess

    def opening(encoded: bytes, *bounds):
        with lock:
            me = threading.get_ident()
            opened.append(me)
            held[me] = held.get(me, 0) + 1
            most.append(sum(held.values()))
        return open_picture(encoded, *bounds)

    def preprocess(images):
        made = []
        for image in images:
            with lock:
                assert held[threading.get_ident()] == 1
            if not made and len(opened) <= 300:  # the queries are a single batch
                together.wait()
            made.append(whole([image]))
            with lock:
                held[threading.get_ident()] -= 1
        return np.concatenate(made)

    monkeypatch.setattr(embed, "open_picture", opening)
    world.encoder.preprocess = preprocess
    world.built(batch_size=50)
    assert len(opened) == 330 and max(most) == workers
    assert len(set(opened)) >= workers and (threading.get_ident() in opened) == (workers == 1)


def test_queries_with_gaps_keep_their_labels(world):
    world.change(queries=colour_pictures(30, seed=1, absent=[0, 3], broken=[4]))
    vectors, labels = world.built().open("colours", "mean-colour").held_out()
    kept = [row for row in range(30) if row not in (0, 3, 4)]
    assert labels.tolist() == world.gallery.queries.labels[kept].tolist()
    assert np.abs(vectors - world.gallery.queries.rows_of()[kept]).max() < 2**-11


@pytest.mark.parametrize("gap", ["absent", "broken"])
def test_a_gallery_without_any_picture(world, gap):
    world.gallery = colour_gallery(20, **{gap: range(20)})
    with pytest.raises(NoPictures, match="The gallery 'colours' has no pictures"):
        world.built()
    world.gallery = colour_gallery(20, **{gap: range(20)}, missing="They are on the moon.")
    with pytest.raises(NoPictures, match="They are on the moon"):
        world.built()


def test_a_gallery_of_one(world):
    world.gallery = colour_gallery(1)
    library = world.built()
    for index in ("brute", "flat", "ivf"):
        result = library.open("colours", "mean-colour").search(Query(text="red"), index, 10)
        assert [hit.row for hit in result.hits] == [0] and result.notice == ""
        assert library.open("colours", "mean-colour").search(Query(row=0), index, 10).hits == ()


# A part of the gallery


def test_balanced_rows_by_hand():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 47)
    rows = balanced_rows(labels, 13)
    assert np.bincount(labels[rows]).tolist() == [5, 3, 5]
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert np.array_equal(rows, balanced_rows(labels, 13))
    assert not np.array_equal(rows, balanced_rows(labels, 13, seed=1))
    assert set(balanced_rows(labels, 13)) <= set(balanced_rows(labels, 26))


@pytest.mark.parametrize("limit", [None, 4, 10**9])
def test_balanced_rows_of_all(limit):
    assert balanced_rows(np.array([2, -1, 2, 0]), limit).tolist() == [0, 1, 2, 3]


def test_unknown_labels_are_a_class_of_their_own():
    labels = np.array([-1] * 90 + [0] * 10)
    assert (labels[balanced_rows(labels, 10)] == -1).sum() == 5


def test_a_limited_build_maps_positions_to_rows(world):
    library = world.built(limit=30)
    rows, vectors = stored(world)
    assert rows.tolist() == balanced_rows(world.gallery.pictures.labels, 30).tolist()
    assert np.bincount(world.gallery.pictures.labels[rows]).tolist() == [10, 10, 10]
    colours = world.gallery.pictures.rows_of()
    assert np.abs(vectors - colours[rows]).max() < 2**-11
    result = library.open("colours", "mean-colour").search(Query(text="lime"), "brute", 5)
    nearest = rows[np.argsort(-(colours[rows] @ unit(np.array([0, 255, 0, 0, 0, 0, 0, 0]))))[:5]]
    assert [hit.row for hit in result.hits] == nearest.tolist()
    assert [hit.label for hit in result.hits] == [world.gallery.label(row) for row in nearest]
    assert result.hits[0].picture == world.gallery.pictures.encoded(int(nearest[0]))


def test_the_whole_goes_before_a_part_and_the_larger_part_before_the_smaller(world):
    library = world.library()
    for limit, size in [(9, 9), (60, 60), (30, 60), (None, 300)]:
        library.build(Key("colours", "mean-colour", limit=limit))
        assert len(library.open("colours", "mean-colour").vectors) == size


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": -5}, {"batch_size": 0}, {"batch_size": -1}])
def test_numbers_out_of_bounds(world, wrong):
    with pytest.raises(BadQuery, match="choose 1 or more"):
        world.built(**wrong)


# Going on after a kill


class Killed(Exception):
    pass


def build_and_kill(world, after: int, **options) -> None:
    """Stops in the middle of the first batch past `after` pictures."""
    whole = world.encoder.encode_pixels

    def encode_pixels(pixels):
        if world.encoder.encoded >= after:
            raise Killed
        return whole(pixels)

    world.encoder.encode_pixels = encode_pixels
    with pytest.raises(Killed):
        world.built(batch_size=10, **options)
    del world.encoder.encode_pixels
    world.encoder.encoded = 0


@pytest.mark.parametrize(("after", "left"), [(10, 320), (150, 180), (300, 30), (320, 10)])
def test_finished_batches_are_not_done_again(world, after, left):
    build_and_kill(world, after)
    assert not world.store.has(KEY)
    library = world.built(batch_size=10)
    assert world.encoder.encoded == left
    _, vectors = stored(world)
    assert np.abs(vectors - world.gallery.pictures.rows_of()).max() < 2**-11
    queries, _ = library.open("colours", "mean-colour").held_out()
    assert np.abs(queries - world.gallery.queries.rows_of()).max() < 2**-11


@pytest.mark.parametrize("change", ["weights", "precision", "gallery", "limit"])
def test_what_was_begun_with_something_else_is_begun_again(world, change):
    build_and_kill(world, 100)
    if change == "weights":
        world.encoder.weights_sha256 = "cd" * 32
    elif change == "precision":
        world.encoder.how = How("cpu", "numpy", "bfloat16")
    elif change == "gallery":
        world.change(pictures=colour_pictures(300, seed=5), fingerprint="colours-2")
    world.built(batch_size=10, limit=60 if change == "limit" else None)
    assert world.encoder.encoded == (90 if change == "limit" else 330)
    rows, vectors = stored(world)
    assert np.abs(vectors - world.gallery.pictures.rows_of()[rows]).max() < 2**-11


def test_seconds_before_a_kill_count(world, monkeypatch, clock):
    monkeypatch.setattr(embed, "time", clock)
    kind = type(world.encoder)
    encode = kind.encode_pixels
    monkeypatch.setattr(kind, "encode_pixels", lambda self, pixels: clock.sleep(2) or encode(self, pixels))
    build_and_kill(world, 150)
    assert clock.now == 2 * 15
    clock.now = 1000.0  # between the two runs nothing is embedded
    manifest = world.built(batch_size=10).store.open(KEY).manifest
    assert clock.now == 1000 + 2 * 18
    assert manifest.embed_seconds == 2 * 33  # 33 batches, 15 of them before the kill


def test_a_count_never_stands_beside_vectors_of_another_build(world):
    build_and_kill(world, 100)
    first = world.encoder.weights_sha256
    world.encoder.weights_sha256 = "cd" * 32
    build_and_kill(world, 0)  # before its first batch is done
    world.encoder.weights_sha256 = first
    world.built(batch_size=10)
    _, vectors = stored(world)
    assert np.abs(vectors - world.gallery.pictures.rows_of()).max() < 2**-11


KILL_ME = """
import os, signal, sys
from pathlib import Path
from tests.conftest import MeanColour, colour_gallery
from searchdemo.collection import build, embed
from searchdemo.collection.store import Key, Store

embed.PASS_SECONDS, embed.FIRST_BATCH = float("inf"), 20

def report(progress):
    if progress.done == 200:
        os.kill(os.getpid(), signal.SIGKILL)

key = Key("colours", "mean-colour")
build.build(colour_gallery(), MeanColour(), Store(own=Path(sys.argv[1])), key, report, batch_size=20)
"""


def test_after_a_real_kill_nothing_finished_is_lost(world):
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", KILL_ME, str(world.store.own)], cwd=root, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert not world.store.has(KEY) and world.store.folders() == []
    world.built()
    assert world.encoder.encoded == 300 - 200 + 30
    _, vectors = stored(world)
    assert np.abs(vectors - world.gallery.pictures.rows_of()).max() < 2**-11


@pytest.mark.parametrize(("per_picture", "size"), [(2**-3, 4), (0.02, 16), (2**-12, 60), (3.0, 1)])
def test_batches_are_as_large_as_a_pass_may_take(world, monkeypatch, per_picture, size):
    """So that a kill loses no more than a second of work with a slow encoder too, see test_build_unwritten.py."""
    clock = ThreadClock()
    monkeypatch.setattr(embed, "PASS_SECONDS", 0.5)
    monkeypatch.setattr(embed, "FIRST_BATCH", 10)
    monkeypatch.setattr(embed, "time", clock)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    kind, sizes = type(world.encoder), []
    encode = kind.encode_pixels

    def encode_pixels(self, pixels):
        sizes.append(len(pixels))
        clock.sleep(per_picture * len(pixels))
        return encode(self, pixels)

    monkeypatch.setattr(kind, "encode_pixels", encode_pixels)
    world.change(queries=colour_pictures(0, seed=1))
    world.built(batch_size=60)
    assert sizes[:3] == [10, 10, 10] and {*sizes[3:-1]} == {size} and sum(sizes) == 300


def test_a_rebuild_leaves_nothing_of_the_old(world):
    world.built().open("colours", "mean-colour").index("sq8")
    world.gallery = colour_gallery(120)
    library = world.built()
    assert sorted(path.name for path in world.folder.iterdir()) == ["ivf.faiss", "manifest.json", "queries.npy"]
    assert len(StoredVectors(world.folder / "ivf.faiss")) == 120
    assert not library.open("colours", "mean-colour").has_index("sq8")
    assert json.loads((world.folder / "manifest.json").read_text())["vectors"] == 120


# Progress


def test_progress_counts_up_to_all(world):
    seen = []
    world.built(report=seen.append, batch_size=100)
    assert [(p.stage, p.done, p.total) for p in seen] == [
        ("embedding the gallery", 100, 300),
        ("embedding the gallery", 200, 300),
        ("embedding the gallery", 300, 300),
        ("embedding the queries", 30, 30),
        ("building ivf", 0, 1),
        ("learning what scores of words mean here", 0, 1),
    ]
    assert all(p.rate > 0 for p in seen[:4])


def test_progress_in_words():
    progress = Progress("embedding the gallery", 2000, 100_000, 50.0)
    assert progress.seconds_left == 1960
    assert str(progress) == "embedding the gallery: 2,000 of 100,000, 50 per second, 32:40 left"
    assert str(Progress("building ivf", 0, 1, 0)) == "building ivf"
    assert [clock(s) for s in (0, 59.6, 87, 3600, 7325)] == ["0:00", "1:00", "1:27", "1:00:00", "2:02:05"]
