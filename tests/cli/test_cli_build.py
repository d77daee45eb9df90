"""build: once, again, after a kill, with other weights, of anyone's pictures."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import numpy as np
from PIL import Image

from searchdemo import cli
from searchdemo.collection.store import Store
from searchdemo.galleries.table import open_gallery
from tests.cli_tools import LIMIT, ROOT, SCENES, CountingColours, embedded, folder_of, scene_rows
from tests.colours import Colours


def test_a_build_that_is_up_to_date_encodes_nothing(run, built):
    again = run("build", *built)
    assert (again["built"], again["vectors"], again["queries"]) == (False, LIMIT, LIMIT)
    assert CountingColours.encoded == 0
    assert run("build", *built, "--rebuild")["built"]
    assert CountingColours.encoded == 2 * LIMIT


def test_further_indexes_are_built_once(run, built):
    words = ("build", *built, "--index", "sq8", "faiss:HNSW4")
    assert [(i["index"], i["built"]) for i in run(*words)["indexes"]] == [("sq8", True), ("faiss:HNSW4", True)]
    second = run(*words)["indexes"]
    assert [i["built"] for i in second] == [False, False]
    vectors = LIMIT * Colours.dim
    assert vectors < second[0]["size_bytes"] < 4 * vectors < second[1]["size_bytes"]  # a byte, four bytes and a graph


def test_limited_vectors_are_searched_beside_a_larger_build(run, tmp_path):
    place = ["--gallery", "scenes", "--out-dir", str(tmp_path)]
    for limit in ("40", "20"):
        assert run("build", *place, "--limit", limit, "--index", "sq8")["vectors"] == int(limit)
    assert len(run("search", *place, "--limit", "20", "--text", "red", "-k", "30", "--index", "sq8")["hits"]) == 20
    assert len(run("search", *place, "--text", "red", "-k", "30", "--index", "sq8")["hits"]) == 30


def test_other_weights_are_refused_until_a_rebuild(run, complaint, tmp_path):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"other weights")
    run("build", *SCENES)
    refused = complaint("build", *SCENES, "--weights", str(mine))
    assert "other weights" in refused and f"--limit {LIMIT} --rebuild`" in refused
    assert "other weights" in complaint("search", *SCENES, "--weights", str(mine), "--text", "red")
    run("build", *SCENES, "--weights", str(mine), "--rebuild")
    assert run("search", *SCENES, "--weights", str(mine), "--text", "red")["hits"]


def test_ones_own_pictures(run, complaint, tmp_path):
    gallery = folder_of({"warm/a.png": "red", "warm/b.png": "yellow", "cold/c.png": "blue"}, tmp_path / "my pictures")
    (tmp_path / "my pictures" / "warm" / "bad.png").write_bytes(b"not a picture")
    report = run("build", "--gallery", gallery)
    assert report["vectors"] == 3 and "bad.png" in report["missing"]
    hits = run("search", "--gallery", gallery, "--text", "yellow", "-k", "3")["hits"]
    assert [hit["class_name"] for hit in hits] == ["warm", "warm", "cold"]  # yellow, red at 0.71, blue at 0
    measured = run("knn", "--gallery", gallery)
    assert measured["leave_one_out"] is True and measured["queries"] == 3
    folder_of({"cold/d.png": "white"}, tmp_path / "my pictures")
    CountingColours.encoded = 0
    again = run("build", "--gallery", gallery)
    assert (again["vectors"], again["embedded"], again["reused"], again["removed"]) == (4, 1, 3, 0)
    assert CountingColours.encoded == 1
    assert not run("build", "--gallery", gallery)["built"] and CountingColours.encoded == 1
    assert run("build", "--gallery", gallery, "--rebuild")["vectors"] == 4 and CountingColours.encoded == 5


KILLED_BUILD = """
import os, signal
from searchdemo import cli
from searchdemo.collection import embed
from searchdemo.encoders import table
from tests.colours import Colours

class Killed(Colours):
    batches = 0
    def encode_pixels(self, pixels):
        Killed.batches += 1
        if Killed.batches == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_pixels(pixels)

embed.PASS_SECONDS, embed.FIRST_BATCH = float("inf"), 10
table.load = lambda name, **options: Killed()
cli.main("build --gallery scenes --limit 60 --batch-size 10".split())
"""


def test_a_killed_build_goes_on_where_it_stopped(run):
    killed = subprocess.run([sys.executable, "-c", KILLED_BUILD], cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not Store().folders()  # nothing half done is found
    report = run("build", *SCENES, "--batch-size", "10")
    assert report["built"] and report["vectors"] == LIMIT
    assert CountingColours.encoded == LIMIT - 4 * 10 + report["queries"]
    rows = scene_rows()  # the first 40 were embedded by the killed process, the others by this one
    gallery = open_gallery("scenes")
    vectors = embedded(gallery.pictures, rows)
    for place in (0, 39, 40, 59):
        (nearest, *_) = np.argsort(-(vectors @ vectors[place]))
        assert nearest == place
    assert run("search", *SCENES, "--text", "red", "-k", "60")["hits"][0]["row"] == int(
        rows[(vectors @ Colours().encode_texts(["red"])[0]).argmax()]
    )


def test_a_map_is_made_once(run, capsys, tmp_path):
    place = ["build", "--gallery", "scenes", "--limit", str(LIMIT), "--out-dir", str(tmp_path), "--map"]
    first, second = run(*place)["map"], run(*place)["map"]
    assert (first["built"], second["built"]) == (True, False)
    assert first["made"] == second["made"] == f"PCA, because {LIMIT} pictures are too few for t-SNE"
    assert cli.main(place) == 0
    assert capsys.readouterr().out.endswith("too few for t-SNE, up to date\n")


def test_a_map_that_cannot_be_made_is_refused_before_embedding(complaint, monkeypatch, tmp_path):
    monkeypatch.setattr("searchdemo.extras.is_installed", lambda module: module != "openTSNE")
    refused = complaint("build", "--gallery", "scenes", "--out-dir", str(tmp_path), "--map")
    assert "A map of 100 pictures or more needs the Python package 'openTSNE'" in refused
    assert CountingColours.encoded == 0


def test_the_report_is_whole_in_json_and_bounded_on_the_terminal(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "searchdemo.galleries.looked.is_installed", lambda package: False
    )  # else the clip is a damaged video
    gallery = folder_of({"a.png": "red", "b/c.png": "blue", "@eaDir/a.png": "red"}, tmp_path / "mine")
    for number in range(20):
        (tmp_path / "mine" / f"bad {number:02}.jpg").write_bytes(b"hello")
    (tmp_path / "mine" / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    report = run("build", "--gallery", gallery)["report"]
    assert report["taken"] == 2 and len(report["unreadable"]) == 20
    assert report["skipped"] == {"video": ["clip.mp4"]} and report["left_out"] == {"folder @eaDir": 1}
    assert cli.main(["build", "--gallery", gallery]) == 0
    said = capsys.readouterr().out
    assert "20: is not a picture that can be read" in said and "bad 02.jpg ..." in said and "bad 03.jpg" not in said
    assert "1 video (clip.mp4)" in said and "1 folder @eaDir" in said


def test_patterns_are_excluded_from_a_build_and_stay_so(run, complaint, tmp_path):
    gallery = folder_of({"a.png": "red", "drafts/b.png": "blue"}, tmp_path / "mine")
    built = run("build", "--gallery", gallery, "--exclude", "drafts")
    assert built["vectors"] == 1 and built["report"]["left_out"] == {"excluded folder": 1}
    assert "notice" not in run("search", "--gallery", gallery, "--text", "red")
    assert run("build", "--gallery", gallery)["vectors"] == 1
    assert run("build", "--gallery", gallery, "--exclude", "")["embedded"] == 1
    (tmp_path / "link").symlink_to("mine")  # a folder is known by where it lies
    assert run("build", "--gallery", f"folder:{tmp_path / 'link'}", "--exclude", "drafts")["vectors"] == 1
    assert "'scenes' is none" in complaint("build", *SCENES, "--exclude", "a")


def test_patterns_that_leave_nothing_are_not_remembered(run, complaint, tmp_path):
    mine = ["--gallery", folder_of({"a.png": "red", "drafts/b.png": "blue"}, tmp_path / "mine")]
    run("build", *mine, "--exclude", "drafts")
    assert "no picture files" in complaint("build", *mine, "--exclude", "*", "--class-level", "1")
    assert len(run("search", *mine, "--text", "red", "--index", "flat")["hits"]) == 1
    assert run("build", *mine)["report"]["left_out"] == {"excluded folder": 1}


def test_copies_are_counted_so_that_a_build_adds_up(run, tmp_path):
    colours = {f"{number}.png": "red" for number in range(40)} | {"blue.png": "blue", "lime.png": "lime"}
    mine = ["--gallery", folder_of(colours, tmp_path / "mine"), "--batch-size", "1"]
    built = run("build", *mine)  # a copy that is prepared before the first one is embedded is embedded, too
    assert built["known"] > 0 and built["embedded"] + built["known"] == 42 and built["reused"] == 0
    folder_of({"5.jpg": "blue", "6.png": "white", "40.png": "white"}, tmp_path / "mine")
    built = run("build", *mine)
    assert built["embedded"] + built["known"] + built["reused"] == built["vectors"] == 44 and built["reused"] == 41


def test_a_search_says_that_the_folder_has_changed(run, tmp_path):
    gallery = folder_of({"a.png": "red", "b.png": "blue"}, tmp_path / "mine")
    run("build", "--gallery", gallery)
    folder_of({"c.png": "white"}, tmp_path / "mine")
    (tmp_path / "mine" / "a.png").unlink()
    found = run("search", "--gallery", gallery, "--text", "red")
    assert [hit["file"] for hit in found["hits"]] == ["b.png"]
    assert found["notice"].startswith("1 picture was added, 1 removed since the last build; run `python -m searchdemo")


def test_parts_of_pictures_are_stored_until_they_are_told_away(run, tmp_path, capsys):
    mine = ["--gallery", folder_of({"a.png": "red", "b.png": "blue", "c.png": "lime"}, tmp_path / "mine")]
    picture = Image.new("RGB", (60, 60), "blue")
    picture.paste("red", (0, 40, 20, 60))
    picture.save(tmp_path / "mine" / "small.png")
    answer = run("build", *mine, "--tiles")
    assert (answer["vectors"], answer["pictures"], answer["tiles"], answer["embedded"]) == (20, 4, 2, 4)
    assert run("build", *mine)["built"] is False
    assert run("build", *mine, "--tiles", "3")["vectors"] == 40
    assert {built["tiles"] for built in run("list")["built"]} == {3}
    run("build", *mine, "--tiles", "2")
    found = run("search", *mine, "--text", "red", "--index", "flat", "--why", "2")
    assert [hit["file"] for hit in found["hits"][:2]] == ["a.png", "small.png"] and len(found["hits"]) == 4
    assert (
        found["hits"][1]["box"] == found["why"]["box"] == "0,0.333333,0.666667,0.666667"
        and "box" not in found["hits"][0]
    )
    assert cli.main(["search", *mine, "--text", "red", "--index", "flat"]) == 0
    assert re.search(r"2 +\d +0\.\d+ +0,0\.333333,0\.666667,0\.666667 +small\.png", capsys.readouterr().out)
    assert run("build", *mine, "--tiles", "0")["vectors"] == 4
    assert cli.main(["build", *mine, "--tiles", "2"]) == 0
    assert "Built: 20 vectors (4 pictures, each with 4 parts) and 0 queries" in capsys.readouterr().out


def test_workers_of_ray_need_ray(complaint, monkeypatch):
    monkeypatch.setattr("searchdemo.extras.is_installed", lambda module: module != "ray")
    said = complaint("build", "--gallery", "scenes", "--ray", "auto")
    assert "--ray needs the Python package 'ray'" in said and "pip install -r requirements-ray.txt" in said
