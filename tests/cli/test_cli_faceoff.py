"""faceoff: columns as search has them, judged queries that add up, and what is wrong in a sentence."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest

from searchdemo import cli
from searchdemo.measure.faceoff.judged import wilson
from tests.cli_tools import colours_for_bundled, folder_of

TWO = ["bundled", "clip-rn50"]


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[str]:
    """The options that find 16 scenes, built by two encoders, which see the same."""
    scenes = ["--gallery", "scenes", "--limit", "16", "--out-dir", str(tmp_path_factory.mktemp("two"))]
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.redirect_stdout(io.StringIO()):
        colours_for_bundled(monkeypatch)
        for name in TWO:
            assert cli.main(["build", *scenes, "--encoder", name]) == 0
    return scenes


def test_each_column_is_what_search_finds(run, two, capsys):
    found = run("faceoff", *two, "--text", "red", "- 0.5: blue", "--k", "4")
    alone = run("search", *two, "--text", "red", "- 0.5: blue", "-k", "4", "--index", "brute")
    assert [column["encoder"] for column in found["columns"]] == TWO
    for column in found["columns"]:
        assert [hit | {"shared_by": TWO} for hit in alone["hits"]] == column["hits"]
        assert column["stand_in"] and column["terms"] == alone["terms"]
        assert column["classes"]["both"][0]["share"] > 0
    rows = [hit["row"] for hit in alone["hits"]]
    assert [hit["row"] for hit in found["fusion"]["hits"]] == rows == found["agreement"]["in_all"]
    assert found["fusion"]["hits"][0]["score"] == pytest.approx(2 / 61) and "judged" not in found
    assert cli.main(["faceoff", *two, "--held-out", "0", "--k", "2", "--encoders", *TWO]) == 0
    said = capsys.readouterr().out
    assert "Fusion by reciprocal rank" in said and "Shared: 2 by all columns" in said and "Class by neighbours" in said


def test_what_is_judged_adds_up(run, two, capsys):
    rows = [hit["row"] for hit in run("search", *two, "--text", "red", "-k", "4", "--index", "brute")["hits"]]
    others = [row for row in range(2000) if row not in rows][:1]
    judging = ["faceoff", *two, "--text", "red", "--k", "4", "--right", *map(str, rows[:2] + others)]
    found = run(*judging, "--forget")
    figure = found["judged"]["encoders"][0]
    assert (figure["encoder"], figure["queries"], figure["right"], figure["pool"]) == ("bundled", 1, 2, 3)
    assert figure["recall"] == pytest.approx(2 / 3) and figure["precision"] == 0.5
    assert (figure["recall_low"], figure["recall_high"]) == pytest.approx(wilson(2, 3))
    assert found["card"]["encoders"] == found["judged"]["encoders"] and Path(found["card"]["file"]).is_file()
    more = run("faceoff", *two, "--text", "blue", "--k", "4", "--right")
    assert more["judged"]["queries"] == 1 and more["judged"]["encoders"][0]["recall"] is None
    assert more["card"]["queries"] == 2 and more["card"]["encoders"][0]["precision"] == 2 / 8
    assert cli.main([*judging]) == 0
    said = capsys.readouterr().out
    assert "With what was judged in earlier calls" in said and "Judged queries: 2; intervals: Wilson" in said
    assert run(*judging, "--forget")["card"]["queries"] == 1


def test_a_file_of_marks(run, two, tmp_path):
    best = run("search", *two, "--text", "blue", "-k", "1", "--index", "brute")["hits"][0]["row"]
    marks = tmp_path / "marks.json"
    marks.write_text(json.dumps([{"text": "blue", "right": [best]}, {"row": best, "text": "- red", "right": []}]))
    found = run("faceoff", *two, "--marks", str(marks), "--k", "3", "--forget")
    figure = found["judged"]["encoders"][1]
    assert figure["encoder"] == "clip-rn50" and (figure["right"], figure["pool"], figure["shown"]) == (1, 1, 6)
    assert "columns" not in found and found["judged"]["queries"] == 2
    assert [one["encoder"] for one in found["judged"]["encoders"]] == [*TWO, "fusion"]


def test_accuracy_over_all_held_out_pictures(run, two, complaint, capsys):
    found = run("faceoff", *two, "--accuracy", "--k", "5")
    assert [(one["encoder"], one["way"]) for one in found["accuracy"]] == [
        (name, way) for name in TWO for way in ("neighbours", "class names", "both")
    ]
    first, last = found["accuracy"][0], found["accuracy"][3]
    assert first["right"] == last["right"] and first["top1"] == first["right"] / first["queries"]
    assert (found["pair"]["only_better"], found["pair"]["only_other"], found["pair"]["chance"]) == (0, 0, 1)
    assert cli.main(["faceoff", *two, "--accuracy"]) == 0
    said = capsys.readouterr().out
    assert "right/asked" in said and "class names" in said and "sign test, p = 1" in said and "stand-ins" in said
    assert "leave out --text" in complaint("faceoff", *two, "--accuracy", "--text", "red")


def test_files_of_a_folder_are_right_by_their_names(run, tmp_path):
    gallery = folder_of({"a.png": "red", "b.png": "#ff2000", "c.png": "blue"}, tmp_path / "mine")
    place = ["--gallery", gallery, "--out-dir", str(tmp_path / "out")]
    run("build", *place)
    found = run("faceoff", *place, "--text", "red", "--k", "1", "--right", "a.png", "b.png")
    assert found["columns"][0]["hits"][0]["file"] == "a.png"
    assert found["judged"]["encoders"][0]["recall"] == 0.5 and "fusion" not in found
    assert found["advice"].startswith("Only bundled is built for this gallery") and "build --gallery" in found["advice"]


def test_what_is_wrong(complaint, two, tmp_path):
    assert "no row 2000" in complaint("faceoff", *two, "--text", "red", "--right", "2000")
    assert "Give a picture" in complaint("faceoff", *two)
    assert "k = 0 is out of bounds" in complaint("faceoff", *two, "--text", "red", "--k", "0")
    assert "no encoder 'bundle'" in complaint("faceoff", *two, "--text", "red", "--encoders", "bundle")
    assert "resnet18" in complaint("faceoff", *two, "--text", "red", "--encoders", "resnet18")
    assert "at character 6" in complaint("faceoff", *two, "--text", "red +")
    assert "no held-out query 999" in complaint("faceoff", *two, "--held-out", "999")
    (tmp_path / "marks.json").write_text("[]")
    assert "leave out --text" in complaint("faceoff", *two, "--text", "red", "--marks", str(tmp_path / "marks.json"))
    assert "No encoder is built" in complaint("faceoff", "--gallery", "scenes", "--text", "red")
