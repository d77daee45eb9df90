"""A damaged file of our own counts as none, whatever it holds: each file that is left is damaged in each way."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchdemo import scratch
from searchdemo.audit.audit import audit
from searchdemo.cli.list import built as list_built
from searchdemo.collection import calibration
from searchdemo.collection.maps import keep
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key, Store
from searchdemo.errors import BadArtifact, NotWritten, SearchDemoError
from searchdemo.galleries import catalog
from searchdemo.galleries.base import LivingPictures
from tests.damage import damaged, files, pairs, restored
from tests.living import ENCODER, LivingFolder

CURVE = calibration.Curve(5, 9.0, -3.0, 0.1, 20, 30)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def store(home) -> Store:
    return Store(own=home / "indexes", shipped=home / "nothing ships")


@pytest.fixture
def mine(tmp_path, world, home) -> LivingFolder:
    """A folder with all that is kept of one: facts, indexes, a map, a curve, thumbnails, frames, a build that ended."""
    folder = LivingFolder(tmp_path / "mine", world)
    folder.add_many(5)
    for number in range(4):
        folder.add(f"same/{number}.png", 200, 10, 10)
    Image.effect_noise((600, 400), 200).convert("RGB").save(folder.root / "large.png")
    video(folder.root / "clip.mp4")
    folder.build()
    collection = folder.open()
    collection.index("hnsw")
    keep(collection, np.random.default_rng(0).random((len(collection), 2)), "by hand")
    path = world.store.extra_path(collection.artifact, calibration.FILE)
    calibration.save(CURVE, path)
    world.store.add_extra(collection.artifact, path, 0.0)
    audit(collection)
    shown(collection)
    folder.add("late.png", 1, 1, 250)
    folder.open()
    work = world.store.work_folder(folder.key)
    for name in ("vectors.partial", "queries.partial"):  # as a kill leaves them
        (work / name).write_bytes(b"{}\n" + bytes(100))
    (folder.root / "late.png").unlink()
    return folder


def video(path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(8):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), ("red", "blue")[number // 4]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def shown(collection) -> tuple[int, ...]:
    (row,) = (row for row, path in enumerate(collection.gallery.pictures.paths) if path == "large.png")
    return Image.open(io.BytesIO(collection.gallery.pictures.shown(row))).size


def answer(folder: LivingFolder) -> dict:
    """What a fresh process says, and the map and the curve where it has them."""
    catalog._memory.clear()
    collection = folder.open()
    assert isinstance(collection.gallery.pictures, LivingPictures)
    found = collection.search(Query(text="red"), "hnsw", 35)
    where = collection.search(Query(text="red"), "flat", 40, where="label = 'same' and size > 0").hits
    return {
        "hits": [(hit.file, hit.label, hit.score) for hit in found.hits],
        "notice": found.notice,
        "where": sorted(hit.file for hit in where),
        "shown": shown(collection),
        "map": None if (made := collection.map()) is None else made.stored.tolist(),
        "curve": collection.shelf.calibration(collection.artifact, collection.snapshot),
        "built": [{name: facts[name] for name in ("gallery", "vectors")} for facts in list_built(folder.world.store)],
    }


def test_each_file_damaged_in_each_way(mine, home):
    right = answer(mine)
    assert right["map"] and right["curve"] == CURVE and len(right["hits"]) == 12 and len(right["where"]) == 4
    refused = {"manifest.json", *mine.open().artifact.manifest.files}
    left = files(home)
    assert len(left) >= 15 and {path.name for path in left} > refused  # new kinds of files are found by themselves
    for path, kind in pairs(left):
        with restored(home):
            damaged(home / path, kind)
            one_that_is_damaged(mine, home / path, kind, right, refused)


def one_that_is_damaged(mine: LivingFolder, path: Path, kind: str, right: dict, refused: set[str]) -> None:
    place = f"{path}, {kind}"
    try:
        said = answer(mine)
    except SearchDemoError as error:
        assert path.name in refused and path.parent.name == ENCODER, f"{place}: {error}"
        named = path.name in str(error) and " --rebuild`" in str(error)
        assert named or (kind == "folder" and mine.key.build_command in str(error)), f"{place}: {error}"
        mine.build(rebuild=True)
        assert answer(mine)["hits"] == right["hits"], place
        return
    assert path.name not in refused, place
    if path.name == "pictures.sqlite":  # which file holds which content has to be read again, by a build
        assert said["hits"] == [] and mine.key.build_command in said["notice"], place
        said = right
    for name, value in said.items():
        gone = value is None and path.name.startswith({"map": "map", "curve": "calibration"}.get(name, "/"))
        assert gone or value == right[name], f"{place}: {name} is {value}"
    try:
        mine.build()
    except NotWritten as error:
        assert kind == "folder" and str(path) in str(error) and "move " in str(error), place
    else:
        assert answer(mine)["hits"] == right["hits"], place


def test_each_is_logged_once(tmp_path, caplog):
    path = tmp_path / "a.json"
    assert scratch.json_of(path) is None and not caplog.messages
    path.write_text("null")
    assert scratch.json_of(path) is scratch.json_of(path) is None
    assert caplog.messages == [f"{path} is damaged (it holds NoneType, not an object) and counts as none"]
    path.write_text('{"a": 1}')
    assert scratch.json_of(path) == {"a": 1}
    path.write_text("[" * 100_000)
    assert scratch.json_of(path) is None


def table(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS t (a)")


def test_a_database_that_is_damaged_while_it_is_used_is_made_again_the_next_time(tmp_path):
    path = tmp_path / "a.sqlite"
    with scratch.transaction(path, scratch.database(path, table, 1)) as db:
        db.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 100)
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + bytes(len(whole) - 8192))  # of the same size: not noticed before it is read
    db, told = scratch.database(path, table, 1), r"a\.sqlite is damaged \(.*\): try again"
    with pytest.raises(BadArtifact, match=told), scratch.transaction(path, db):
        db.execute("SELECT sum(length(a)) FROM t").fetchone()
    with scratch.transaction(path, scratch.database(path, table, 1)) as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_journal_of_the_old_database_is_not_played_into_the_new_one(tmp_path):
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"nonsense")
    beside = [path.with_name(f"a.sqlite{suffix}") for suffix in ("-wal", "-shm", "-journal")]
    for file in beside:
        file.write_bytes(b"old")
    with scratch.transaction(path, scratch.database(path, table, 1)) as db:
        db.execute("INSERT INTO t VALUES (1)")
    assert not any(file.exists() for file in beside)


def test_a_database_without_room_is_a_sentence_and_stays(tmp_path):
    path = tmp_path / "a.sqlite"
    db, told = scratch.database(path, table, 1), r"a\.sqlite cannot be written \(database or disk is full\): make room"
    with pytest.raises(NotWritten, match=told), scratch.transaction(path, db):
        db.execute("PRAGMA max_page_count = 3")
        db.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 100)
    with scratch.transaction(path, scratch.database(path, table, 1)) as db:
        db.execute("INSERT INTO t VALUES (1)")


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "\0" * 9])
def test_a_folder_that_was_moved_is_adopted_whatever_its_manifests_are(text, world):
    world.ready()
    manifest = world.folder / "manifest.json"
    second = world.folder.with_name("other")
    shutil.copytree(world.folder, second)
    manifest.write_text(text)
    world.store.adopt("colours", "folder:/new place")
    (moved,) = world.store.own.glob("folder-new-place-*")
    assert json.loads((moved / "other" / "manifest.json").read_text())["gallery"] == "folder:/new place"
    assert Key("folder:/new place", "x").folder.parent.name == moved.name
