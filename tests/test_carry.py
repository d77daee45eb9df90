"""Indexes of a folder that changes: taken along in place, never out of step with the vectors, trained again in time."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from searchdemo.collection import calibration, carry, drift
from searchdemo.collection.carry import Carried, former_positions, in_manifest, sentences
from searchdemo.collection.drift import ANEW, Fitness, fitness
from searchdemo.collection.jobs import Builds
from searchdemo.collection.maps import keep
from searchdemo.collection.query import Query
from searchdemo.collection.store import VECTORS
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.table import find
from searchdemo.types import MISSING
from tests.conftest import exact_rows
from tests.living import LivingFolder
from tests.test_living_folder_killed import Killed

INDEXES = ("ivf", "hnsw", "sq8")
CURVE = calibration.Curve(3, slope=40.0, intercept=-36.0, error=0.05, shown=9, absent=9)
EFFORT = {"ivf": {"nprobe": 256}, "hnsw": {"ef_search": 512}}


@pytest.fixture
def mine(tmp_path, world) -> LivingFolder:
    """120 plain pictures, two of them the same, and three indexes over them that can change and one that cannot."""
    folder = LivingFolder(tmp_path / "mine", world)
    folder.add_many(119)
    shutil.copy(sorted(folder.root.iterdir())[0], folder.root / "copy.png")
    folder.build()
    for index in ("hnsw", "sq8", "faiss:IVF2,SQ8,RFlat"):
        folder.open().index(index)
    return folder


def change(mine: LivingFolder) -> None:
    """Three are removed, and five added."""
    for path in sorted(mine.root.glob("0-*.png"))[10:13]:
        path.unlink()
    mine.add_many(5, seed=1)


def agree(mine: LivingFolder) -> None:
    """All indexes answer each stored vector with itself or its equal, and know as many as there are."""
    collection = mine.open()
    vectors = collection.vectors.all()
    for name in INDEXES:
        index = collection.index(name)
        assert index.count == len(collection)
        found = index.search(vectors, 10, **EFFORT.get(name, {})).positions
        assert (np.einsum("nkd,nd->nk", vectors[found], vectors).max(axis=1) > 0.9999).all()
    assert len(set(collection.gallery_rows(np.arange(len(collection))).tolist())) == len(collection)


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """Names of the indexes that are built from vectors."""
    names, whole = [], IndexSpec.build

    def build(spec, *given, **options):
        if not spec.exact:
            names.append(spec.name)
        return whole(spec, *given, **options)

    monkeypatch.setattr(IndexSpec, "build", build)
    return names


def test_additions_and_removals_build_no_index_again(mine, trained):
    change(mine)
    artifact = mine.build()
    agree(mine)
    assert trained == [] and artifact.manifest.vectors == 122
    told = in_manifest(artifact)
    assert {name: (one.added, one.removed) for name, one in told.items() if one.in_place} == dict.fromkeys(
        INDEXES, (5, 3)
    )
    assert all(told[name].now.recall > 0.95 and told[name].trained_on == 120 for name in INDEXES)
    assert told["faiss:IVF2,SQ8,RFlat"] == Carried("faiss:IVF2,SQ8,RFlat")
    assert not mine.open().has_index("faiss:IVF2,SQ8,RFlat")
    assert "takes no changes in place, and is built again" in sentences(artifact)[1]
    assert mine.open().index("hnsw").nodes.buried == 3


def test_many_changes_in_a_row_stay_right(mine, trained):
    for seed in range(2, 6):
        for path in sorted(mine.root.glob("*.png"))[seed::40]:
            path.unlink()
        mine.add_many(4, seed=seed)
        mine.build()
    agree(mine)
    assert trained == []


def test_renamed_pictures_leave_vectors_indexes_and_map_as_they_are(mine, trained):
    collection = mine.open()
    keep(collection, np.random.default_rng(0).random((120, 2)), "by hand")
    before = collection.artifact.vectors_sha256
    (mine.root / "copy.png").rename(mine.root / "another name.png")
    artifact = mine.build()
    assert artifact.vectors_sha256 == before and trained == []
    assert mine.open().map().made == "by hand" and mine.open().has_index("faiss:IVF2,SQ8,RFlat")
    agree(mine)


def test_what_drifted_is_trained_again_while_searches_go_on(mine, trained, monkeypatch):
    monkeypatch.setattr(drift, "MORE_WORK", 1.01)
    change(mine)
    library = mine.world.library()
    due = library.build(mine.key)
    assert in_manifest(due)["hnsw"].due == "it looks at 1.0 times as much as when it was trained"
    assert trained == [] and in_manifest(due)["sq8"].due == ""
    held, asked = mine.open(library), []
    whole = Index.save

    def save(index, path):
        asked.append(held.search(Query(text="red"), "hnsw", 1).hits[0].file)
        asked.append(mine.search("red", 1, "hnsw", library).hits[0].file)
        whole(index, path)

    monkeypatch.setattr(Index, "save", save)
    again = library.retrain(mine.key)
    assert trained == ["hnsw"] and len(set(asked)) == 1
    assert in_manifest(again)["hnsw"].retrained == in_manifest(due)["hnsw"].due
    assert "trained again over 122 pictures, because it looks at" in " ".join(sentences(again))
    assert mine.open(library).index("hnsw").nodes.buried == 0 and held.index("hnsw").count == 122
    assert library.retrain(mine.key) is None
    agree(mine)


def test_trained_again_the_stored_vectors_stay_what_they_are(mine, trained, monkeypatch):
    monkeypatch.setattr(drift, "RECALL_LOST", -1)  # everything is due
    monkeypatch.setattr(calibration, "calibrate", lambda *given: CURVE)
    change(mine)
    library = mine.world.library()
    library.build(mine.key)
    before, likely = mine.open().vectors.all(), mine.search("red").presence
    with monkeypatch.context() as patched:
        patched.setattr(
            calibration, "calibrate", lambda *given: pytest.fail("the vectors are the same, but for rounding")
        )
        again = library.retrain(mine.key)
    assert mine.search("red").presence.probability == pytest.approx(likely.probability, abs=1e-3)
    assert sorted(trained) == sorted(INDEXES)
    assert np.abs(mine.open().vectors.all() - before).max() < 2**-10
    assert {one.trained_on for name, one in in_manifest(again).items() if name in INDEXES} == {122}
    assert mine.built() == (0, 122, 0)
    agree(mine)


def test_a_build_from_the_page_trains_again_by_itself_and_says_so(mine, trained, monkeypatch):
    monkeypatch.setattr(drift, "MORE_WORK", 1.01)
    change(mine)
    builds = Builds(mine.world.library())
    builds.start(mine.key)
    for thread in threading.enumerate():
        if thread.name == f"build {mine.key.folder}":
            thread.join(60)
    assert trained == ["hnsw"]
    (job,) = builds.jobs()
    assert job.finished and not job.error
    assert any(line.startswith("ivf: 5 added and 3 removed in place; recall@10 ") for line in job.said)
    assert any(line.startswith("hnsw: trained again over 122 pictures") for line in job.said)


def deadly(monkeypatch, at: int) -> list[str]:
    """The process ends at its write number `at`; what it would have tidied up after that stays. Returns the writes."""
    writes: list[str] = []

    def last_breath(name, whole):
        def write(*given, **options):
            writes.append(name)
            if len(writes) >= at:
                raise Killed
            return whole(*given, **options)

        return write

    for owner, name in ((Path, "replace"), (Path, "rename"), (Path, "unlink"), (os, "link"), (np, "save")):
        monkeypatch.setattr(owner, name, last_breath(name, getattr(owner, name)))
    monkeypatch.setattr(shutil, "rmtree", last_breath("rmtree", shutil.rmtree))
    return writes


@pytest.mark.parametrize("what", ["change", "training"])
def test_killed_between_its_writes_indexes_and_vectors_are_in_step(mine, tmp_path, monkeypatch, what):
    monkeypatch.setattr(drift, "RECALL_LOST", -1 if what == "training" else 0.5)
    monkeypatch.setattr("searchdemo.collection.store.SWAP_SECONDS", 0)
    monkeypatch.setattr(calibration, "calibrate", lambda *given: CURVE)
    change(mine)
    if what == "training":
        mine.build()
    saved, own = tmp_path / "saved", mine.world.store.own
    shutil.copytree(own, saved)
    at, done = 0, False
    while not done and at < 200:
        at += 3
        shutil.rmtree(own)
        shutil.copytree(saved, own)
        library = mine.world.library()
        with pytest.MonkeyPatch.context() as patched:
            deadly(patched, at)
            try:
                library.build(mine.key) if what == "change" else library.retrain(mine.key)
                done = True
            except Killed:
                pass
        assert len(mine.open()) in (120, 122)
        assert what == "change" or mine.search("red").presence is not None
        agree(mine)
    assert at > 20
    assert mine.open().artifact.manifest.vectors == 122
    assert not list(own.glob("*/*/*.partial"))


def test_an_index_of_other_vectors_counts_as_none(mine):
    folder = mine.open().artifact.folder
    shutil.copy(folder / "hnsw.faiss", folder / "kept")
    change(mine)
    mine.build()
    shutil.copy(folder / VECTORS, folder / "hnsw.faiss")
    assert not mine.open().has_index("hnsw")
    agree(mine)


# Figures


def test_recall_worked_out_by_hand(monkeypatch):
    # On a quarter of a circle, each one's nearest lie on both sides of it.
    angles = np.linspace(0, 1.5, 40)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert fitness(find("flat").build(vectors), vectors) == ANEW
    monkeypatch.setattr(drift, "K", 2)

    class Half:
        """Finds itself, its true nearest, and position 0 or 39 on the far side."""

        def search(self, queries, k):
            exact = exact_rows(queries, vectors, 2)
            far = np.where(exact[:, :1] < 20, 39, 0)
            return type("Found", (), {"positions": np.concatenate([exact, far], axis=1)})

        def burden(self, queries):
            return 2.5

    assert fitness(Half(), vectors) == Fitness(0.5, 2.5)
    assert fitness(Half(), vectors[:1]) == ANEW


def test_equal_vectors_are_as_good_as_each_other():
    vectors = np.repeat(np.eye(4, dtype=np.float32), 30, axis=0)
    assert fitness(find("hnsw").build(vectors), vectors).recall == 1


def test_when_an_index_has_drifted():
    trained = Fitness(0.98, 1.2)
    assert Fitness(0.951, 1.2).drifted(trained) == "" and Fitness(0.99, 2.0).drifted(trained) == ""
    assert Fitness(0.94, 1.2).drifted(trained) == "its recall fell from 0.980 to 0.940"
    assert Fitness(0.98, 2.4).drifted(trained) == "it looks at 2.0 times as much as when it was trained"


def test_positions_are_found_by_content():
    def contents(*numbers):
        return np.array(numbers, np.uint8)[:, None].repeat(16, axis=1)

    assert former_positions(contents(7, 8, 7, 9), contents(9, 7, 5, 7, 7)).tolist() == [3, 0, MISSING, 2, MISSING]


def test_what_became_of_an_index_survives_its_manifest():
    told = Carried("ivf", "adds and removes", 3, 1, Fitness(0.9, 1.5), Fitness(0.99, 1.0), 1000, "its recall fell")
    assert Carried.from_json(carry.asdict(told)) == told
    assert told.sentence() == (
        "ivf: 3 added and 1 removed in place; recall@10 0.900, 0.990 when it was trained on 1,000 pictures. "
        "It is to be trained again: its recall fell."
    )
