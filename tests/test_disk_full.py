"""A disk that is full, or a home that may not be written to: a sentence, nothing left behind, answers from memory."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from searchdemo.collection.jobs import Builds
from searchdemo.collection.store import Key
from searchdemo.errors import NotWritten
from searchdemo.files import replacing, write_json
from searchdemo.indexes.table import find
from tests.test_jobs import finished

resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")
WHERE = ("colours", "mean-colour")


@contextlib.contextmanager
def room_for(size: int):
    """Files may grow up to so many bytes; then writing fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.partial")]


@pytest.mark.parametrize("room", [0, 1000, 20_000, -1])
@pytest.mark.parametrize("name", ["hnsw", "sq8", "ivf", "hnswlib", "usearch", "nmslib", "annoy"])
def test_an_index_that_finds_no_room_is_told_in_a_sentence(name, room, clustered, tmp_path):
    if not find(name).installed:
        pytest.skip(f"{find(name).package} is not installed")
    index = find(name).build(clustered[0][:1000])
    index.save(tmp_path / "index")
    size = (tmp_path / "index").stat().st_size
    for path in tmp_path.iterdir():  # of a graph, also the vectors that its walks do not reach
        path.unlink()
    with room_for(room if room >= 0 else size + room), pytest.raises(NotWritten) as raised:  # -1: for all but one byte
        index.save(tmp_path / "index")
    said, _, fix = str(raised.value).partition("): ")
    assert said.startswith(f"{tmp_path / 'index'} cannot be written (") and "Error" not in said
    assert fix == "make room, or set SEARCHDEMO_HOME to another folder that can be written to."
    assert list(tmp_path.iterdir()) == []
    with room_for(size):
        index.save(tmp_path / "index")
    assert find(name).load(tmp_path / "index", 1000, 32).count == 1000


def test_a_search_is_answered_from_memory(world, caplog):
    name, collection = "hnsw", world.built().open(*WHERE)
    with room_for(3000), caplog.at_level(logging.WARNING):
        index = collection.index(name)
    assert index.search(collection.vectors.all(), 1).positions[:, 0].tolist().count(-1) == 0
    assert "hnsw.faiss cannot be written (File too large): make room, or set SEARCHDEMO_HOME" in caplog.text
    assert "The index hnsw is kept in memory until then." in caplog.text
    assert left(world.store.own) == [] and collection.index(name) is index
    assert not (world.folder / "hnsw.faiss").exists()
    assert world.library().open(*WHERE).index(name).count == 300  # with room, it is built and kept
    assert (world.folder / "hnsw.faiss").exists()


@pytest.mark.parametrize("room", [3000, 9000])
def test_a_build_that_finds_no_room_leaves_the_old_state(world, room):
    world.built()
    before = world.store.open(Key(*WHERE)).manifest
    with room_for(room), pytest.raises(Exception, match="cannot be written") as raised:
        world.built(rebuild=True)
    assert "make room, or set SEARCHDEMO_HOME" in str(raised.value)
    assert world.store.open(Key(*WHERE)).manifest == before
    assert [name for name in left(world.store.own) if "vectors" not in name and "queries" not in name] == []
    world.built(rebuild=True)


def test_a_build_that_the_page_started_tells_it_and_the_next_one_ends(world):
    """It once ended the process: a file that is mapped into memory raises no error there."""
    builds = Builds(world.library())
    with room_for(3000):
        failed = finished(builds, builds.start(Key(*WHERE)))
    assert "cannot be written (File too large): make room, or set SEARCHDEMO_HOME" in failed.error
    assert finished(builds, builds.start(Key(*WHERE))).error == ""


def test_a_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    def denied(path, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", denied)
    with pytest.raises(NotWritten, match=r"a.json cannot be written \(Permission denied\): make room, or set"):
        write_json(tmp_path / "a.json", {})
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a") as temporary:
        np.load(temporary)


# At any moment: each change of the disk, in turn, is the one that finds no room

HERE = Path(__file__).parent
STEPS = {"first time": 83, "update": 71, "export": 13, "push": 193, "fetch": 7}  # every so many changes; all by hand


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory) -> Path:
    """A library that stands between the process and the system, see full_disk.c."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("it needs a C compiler, on Linux")
    made = tmp_path_factory.mktemp("full") / "full_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, HERE / "full_disk.c", "-ldl"], check=True)
    return made


@pytest.mark.parametrize("kind", STEPS)
def test_a_disk_that_gets_full_at_any_moment(kind, full_disk, tmp_path):
    """A sentence, or the right answer; nothing unfinished stays; and with room the next try is right."""
    step = os.environ.get("SEARCHDEMO_TEST_EVERY") or str(STEPS[kind])
    words = [sys.executable, "-m", "tests.full_disk", str(tmp_path), kind, step]
    ran = subprocess.run(
        words, cwd=HERE.parent, env=os.environ | {"LD_PRELOAD": str(full_disk)}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = json.loads(ran.stdout.splitlines()[-1])
    assert said["wrong"] == [] and said["tries"] >= 4


def test_what_a_dead_process_of_this_machine_left_goes_at_once(tmp_path):
    with replacing(path := tmp_path / "a.json") as written:
        written.write_text("1")
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    machine, pid, _ = written.name.removeprefix("a.json.").split("-")
    alive, dead, elsewhere = (
        tmp_path / f"a.json.{of}-7.partial"
        for of in (f"{machine}-{pid}", f"{machine}-{died.pid}", f"{machine[::-1]}-{died.pid}")
    )
    for one in (alive, dead, elsewhere):
        one.touch()
    write_json(path, {})
    assert alive.exists() and elsewhere.exists() and not dead.exists()


def test_what_killed_processes_left_goes_when_the_file_is_written_again(tmp_path):
    left, of_another, on_its_way = (tmp_path / f"{name}.7-7.partial" for name in ("a.json", "b.json", "a.json.8-8"))
    for path in (left, of_another, on_its_way):
        path.touch()
    for path in (left, of_another):
        os.utime(path, (0, 0))
    write_json(tmp_path / "a.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", of_another.name, on_its_way.name}
