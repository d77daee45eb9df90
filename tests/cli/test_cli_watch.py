"""watch: a folder is followed, and only what is new is embedded."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys

import pytest

from searchdemo.cli.watch import LOOK_EVERY_S, changes, follow, sentence
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from tests.cli_tools import ROOT, CountingColours, folder_of
from tests.clock import Clock

TRAINED_ON_ONE = "1.000 when it was trained on 1 picture."


def test_each_set_of_changes_is_caught_up_with(tmp_path, clock):
    gallery, mine = folder_of({"a.png": "red"}, tmp_path / "mine"), tmp_path / "mine"
    library, key, told = Library(Store(own=tmp_path / "own")), Key(gallery, "bundled"), []

    def happens():
        yield set()
        folder_of({"b.png": "blue", "c.png": "white"}, mine)
        yield {"b.png", "c.png"}
        (mine / "notes.txt").write_text("no picture")
        yield {"notes.txt"}
        (mine / "a.png").unlink()
        yield set()  # nobody told of it
        clock.sleep(LOOK_EVERY_S)
        yield set()
        for name in ("b.png", "c.png"):
            (mine / name).rename(tmp_path / name)
        yield {"b.png", "c.png"}
        (tmp_path / "b.png").rename(mine / "b.png")
        yield {"b.png"}

    follow(library, key, happens(), told.append, clock=lambda: clock.now)
    indexes = [fact.pop("indexes", None) for fact in told if "error" not in fact]
    assert [fact for fact in told if "error" not in fact] == [
        {"pictures": 1, "embedded": 1, "reused": 0, "removed": 0},
        {"pictures": 3, "embedded": 2, "reused": 1, "removed": 0},
        {"pictures": 2, "embedded": 0, "reused": 2, "removed": 1},
        {"pictures": 1, "embedded": 0, "reused": 1, "removed": 1},
    ]
    assert "holds no picture files" in told[3]["error"] and CountingColours.encoded == 3
    changed = "ivf: {} in place; recall@10 1.000, " + TRAINED_ON_ONE
    assert indexes == [
        None,
        [changed.format("2 added and 0 removed")],
        [changed.format("0 added and 1 removed")],
        [changed.format("0 added and 1 removed")],
    ]
    assert sentence(told[1]) == "3 pictures: 2 embedded, 0 removed."
    assert sentence(told[1] | {"indexes": indexes[1]}).endswith(f"0 removed. {indexes[1][0]}")
    again = []
    follow(library, key, [set()], again.append, clock=Clock().perf_counter)
    assert again == [{"pictures": 1}] and "Up to date: 1 picture." in sentence(again[0])


def test_a_folder_that_goes_away_and_comes_back_is_told_and_listened_to_again(tmp_path):
    gallery, mine = folder_of({"a.png": "red"}, tmp_path / "mine"), tmp_path / "mine"
    library, key, told, listened = Library(Store(own=tmp_path / "own")), Key(gallery, "bundled"), [], []

    def listen(root):
        """As watchfiles does, which goes on with the folder that it was given."""
        listened.append(root.stat().st_ino)
        yield set()
        mine.rename(tmp_path / "away")
        yield set()

    def back(seconds):
        (tmp_path / "away").rename(mine)

    looks = itertools.islice(changes(mine, listen, back), 5)
    follow(library, key, looks, told.append, clock=Clock().perf_counter)
    assert told[0]["embedded"] == 1 and "There is no folder" in told[1]["error"] and told[2:] == [{"pictures": 1}]
    assert len(listened) == 2


def test_a_folder_that_takes_the_place_of_another_is_listened_to(tmp_path):
    (mine := tmp_path / "mine").mkdir()
    listened = []

    def listen(root):
        listened.append(root.stat().st_ino)
        if len(listened) == 1:
            mine.rename(tmp_path / "old")
            mine.mkdir()
        yield {"a.png"}
        yield set()

    assert [*itertools.islice(changes(mine, listen), 4)] == [{mine, "a.png"}, {mine}, {mine, "a.png"}, set()]
    assert listened == [(tmp_path / "old").stat().st_ino, mine.stat().st_ino]


def test_a_folder_that_is_not_there(complaint):
    assert "There is no folder '/nowhere/at/all'" in complaint("watch", "/nowhere/at/all")


WATCH = """
from searchdemo import cli
from searchdemo.encoders import table
from tests.colours import Colours
import signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
table.load = lambda name, **options: Colours()
sys.exit(cli.main(["watch", sys.argv[1], "--json"]))
"""


def test_a_file_that_comes_while_it_watches_is_embedded(tmp_path):
    pytest.importorskip("watchfiles")
    folder_of({"a.png": "red"}, tmp_path / "mine")
    command = [sys.executable, "-c", WATCH, str(tmp_path / "mine")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert json.loads(process.stdout.readline())["embedded"] == 1
        folder_of({"b.png": "blue"}, tmp_path / "mine")
        told = json.loads(process.stdout.readline())
        assert told.pop("indexes") == ["ivf: 1 added and 0 removed in place; recall@10 1.000, " + TRAINED_ON_ONE]
        assert told == {"pictures": 2, "embedded": 1, "reused": 1, "removed": 0}
        process.send_signal(signal.SIGINT)
        assert b"stopped" in process.stderr.read()
        assert process.wait() == 130
