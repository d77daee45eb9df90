"""search and knn: answers worked out by hand, JSON as promised."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

from searchdemo import cli
from searchdemo.collection.box import box_of
from searchdemo.collection.build import balanced_rows
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Store
from searchdemo.galleries.table import open_gallery
from searchdemo.indexes.faiss_index import FaissIndex
from searchdemo.indexes.table import find
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.types import UNKNOWN
from tests.cli_tools import LIMIT, CountingColours, embedded, scene_rows
from tests.colours import Colours


def lasting(ms: float, call, clock):
    """The call, which takes so long by this clock."""

    def longer(*given, **options):
        clock.sleep(ms / 1000)
        return call(*given, **options)

    return longer


LIBRARIES = ["hnswlib", "usearch", "nmslib", "annoy", "scann", "kd-tree", "ball-tree"]


@pytest.mark.parametrize("index", ["brute", "exact-bf16", "flat", "ivf", "hnsw", "faiss:HNSW8", *LIBRARIES])
def test_text_finds_what_brute_force_by_hand_finds(run, built, index):
    if not find(index).installed:
        pytest.skip(f"needs {find(index).package}: requirements-bench.txt")
    gallery, rows = open_gallery("scenes"), scene_rows()
    cosines = embedded(gallery.pictures, rows) @ Colours().encode_texts(["red"])[0]
    best = np.argsort(-cosines)[:5]
    found = run("search", *built, "--text", "red", "-k", "5", "--index", index)
    assert [hit["row"] for hit in found["hits"]] == rows[best].tolist()
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose([hit["score"] for hit in found["hits"]], cosines[best], atol=1e-3)
    assert [hit["label"] for hit in found["hits"]] == [gallery.label(row) for row in rows[best]]


def test_a_picture_of_the_gallery_finds_itself(run, built, tmp_path, monkeypatch, clock):
    gallery, row = open_gallery("scenes"), int(scene_rows()[17])
    picture = tmp_path / "query.webp"
    picture.write_bytes(gallery.pictures.encoded(row))
    monkeypatch.setattr(time, "perf_counter", clock.perf_counter)
    for owner, name, ms in [
        (CountingColours, "preprocess", 2),
        (CountingColours, "encode_pixels", 3),
        (FaissIndex, "search", 5),
        (StoredVectors, "take", 7),
    ]:
        monkeypatch.setattr(owner, name, lasting(ms, getattr(owner, name), clock))
    found = run("search", *built, "--image", str(picture), "-k", "1", "--index", "ivf")
    assert found["hits"][0] == {
        "rank": 1,
        "row": row,
        "label": gallery.label(row),
        "class_name": gallery.class_name(row),
        "score": pytest.approx(1, abs=1e-3),
    }
    assert found["timing"] == pytest.approx({"preprocess_ms": 2, "encode_ms": 3, "search_ms": 5, "fetch_ms": 7})


def test_a_query_of_several_terms_as_python_answers_it(run, built, capsys):
    row = int(scene_rows()[3])
    text = f"2: red - 0.5: blue + #{row}"
    found = run("search", *built, "--text", *text.split(), "--index", "flat", "-k", "4")
    library = Library(Store(own=Path(built[-1])), limit=LIMIT)
    expected = library.open("scenes", "bundled").search(Query(text=text), "flat", 4).to_json()
    assert found | {"timing": 0} == expected | {"timing": 0, "stand_in": True}
    beside = run(
        "search", *built, "--row", str(row), "--text", "+", "2: red", "- 0.5: blue", "--index", "flat", "-k", "4"
    )
    assert beside["hits"][0]["score"] == found["hits"][0]["score"]
    part = ["--row", str(row), "--box", "0,0,0.5,1", "--text", "- red"]
    assert cli.main(["search", *built, *part, "-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "1: #picture  -1: red" in lines[0] and UNKNOWN in lines


def test_a_picture_with_words_rows_and_a_box_as_python_answers_it(run, built, tmp_path):
    gallery, row = open_gallery("scenes"), int(scene_rows()[3])
    picture, text, box = tmp_path / "query.webp", f"0.5: #picture - 2: red + #{row} + t-shirt: 3:2", "0.5,0,0.5,1"
    picture.write_bytes(gallery.pictures.encoded(row))
    asked = ["--image", str(picture), "--box", box, "--text", text, "--where", "row > 3", "--index", "flat", "-k", "4"]
    collection = Library(Store(own=Path(built[-1])), limit=LIMIT).open("scenes", "bundled")
    expected = collection.search(Query(picture, text, box=box_of(box)), "flat", 4, where="row > 3").to_json()
    assert run("search", *built, *asked) | {"timing": 0} == expected | {"timing": 0, "stand_in": True}


def test_what_is_wrong_with_terms(complaint, built):
    assert "at character 6: there is no term after '-'" in complaint("search", *built, "--text", "red -")
    assert "Give a picture, a row or a held-out query" in complaint("search", *built)


def test_what_a_person_reads(built, capsys):
    assert cli.main(["search", *built, "--text", "a", "red", "boat", "-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["rank", "row", "score", "label", "class"]
    assert [line.split()[0] for line in lines[1:3]] == ["1", "2"]
    assert re.match(r"preprocess [\d.]+ ms, encode [\d.]+ ms, search [\d.]+ ms, fetch [\d.]+ ms", lines[4])
    assert "stand-in" in lines[-1]  # Colours says that its weights are


def test_search_parameters_reach_the_index(run, complaint, built):
    assert len(run("search", *built, "--text", "red", "--index", "hnsw", "--ef-search", "32")["hits"]) == 10
    assert "nprobe = 0 is out of bounds" in complaint("search", *built, "--text", "red", "--nprobe", "0")
    assert "no search parameter of 'hnsw' 'nprobe'" in complaint(
        "search", *built, "--text", "red", "--index", "hnsw", "--nprobe", "4"
    )


def test_what_the_index_missed_is_said_and_whole_in_json(run, built, capsys):
    asked = ("search", *built, "--text", "a red boat", "-k", "8", "--compare")
    words = (*asked, "--nprobe", "1")
    content, exact = run(*words), run(*asked, "--index", "brute")
    missed = content["missed"]
    assert "missed" not in exact  # nothing can be
    rows = {hit["row"] for hit in exact["hits"]} - {hit["row"] for hit in content["hits"]}
    assert {hit["row"] for hit in missed["hits"]} == rows
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    said = f"{len(rows)} of 8 missed" if rows else "all 8 found"
    assert f"Against exact search: {said}" in text


@pytest.mark.parametrize("index", ["brute", "ivf", "hnsw", "lsh"])
def test_a_filter_leaves_the_nearest_of_those_that_meet_it(run, built, index):
    gallery, rows = open_gallery("scenes"), scene_rows()
    things = [gallery.label(row) for row in rows]
    wanted = sorted(set(things))[:2]
    meeting = rows[[thing in wanted for thing in things]]
    cosines = embedded(gallery.pictures, meeting) @ Colours().encode_texts(["red"])[0]
    where = f"label in ('{wanted[0]}', '{wanted[1].upper()}')"
    words = ("search", *built, "--text", "red", "-k", "3", "--index", index, "--where", where)
    found = run(*words, *(["--nprobe", "4096"] if index == "ivf" else []))
    assert found["matching"] == len(meeting)
    assert {hit["label"] for hit in found["hits"]} <= {*wanted}
    if index != "lsh":
        assert [hit["row"] for hit in found["hits"]] == meeting[np.argsort(-cosines)[:3]].tolist()
    assert found.get("notice", "").startswith("lsh cannot filter") == (index == "lsh")


def test_what_no_filter_is_is_one_sentence(run, complaint, built, capsys):
    for where, said in [
        ("1=1; drop table", "at character 4: '; drop table' is nothing that a filter knows"),
        ("colour = 'red'", "at character 1: there is no column 'colour'; the columns are label, caption"),
        ("row = 99999999999999999999999", "does not fit into 64 bits"),
        ("(" * 3000, "deeper than 30"),
        ("x" * 100_000, "it has 100,000 characters"),
    ]:
        assert said in complaint("search", *built, "--text", "red", "--where", where)
    assert cli.main(["search", *built, "--text", "red", "--where", "row < 0"]) == 0
    said = capsys.readouterr().out
    assert "The filter is met by 0 of" in said and "no picture meets the filter" in said


def test_accuracy_at_k_1_is_how_often_the_nearest_is_of_the_class(run, built):
    gallery, rows = open_gallery("scenes"), scene_rows()
    queries = balanced_rows(gallery.queries.labels, LIMIT)
    cosines = embedded(gallery.queries, queries) @ embedded(gallery.pictures, rows).T
    right = gallery.pictures.labels[rows[cosines.argmax(axis=1)]] == gallery.queries.labels[queries]
    measured = run("knn", *built, "-k", "1,5", "--index", "brute")
    assert measured["queries"] == len(queries) == LIMIT
    assert [(r["k"], r["vote"]) for r in measured["results"]] == [
        (1, "weighted"),
        (1, "plain"),
        (5, "weighted"),
        (5, "plain"),
    ]
    for result in measured["results"][:2]:
        assert result["top1"] == pytest.approx(100 * right.mean())
    assert set(measured["seconds"]) == {"embed", "search"}


def test_hashing_is_scored_again_by_cosine(run, built):
    """LSH returns Hamming distances, whose softmax would be another vote; with all vectors found the order is exact."""
    everything = ["-k", str(LIMIT), "--temperature", "0.05"]
    exact = run("knn", *built, *everything, "--index", "brute")["results"]
    assert run("knn", *built, *everything, "--index", "lsh")["results"] == exact


def test_per_class_accuracies_average_to_the_whole(run, built):
    gallery = open_gallery("scenes")
    measured = run("knn", *built, "-k", "3", "--per-class")
    truth = gallery.queries.labels[balanced_rows(gallery.queries.labels, LIMIT)]
    for result in measured["results"]:
        assert set(result["per_class"]) == {gallery.label_names[label] for label in truth}
        assert np.mean([result["per_class"][gallery.label_names[label]] for label in truth]) == pytest.approx(
            result["top1"]
        )


def test_rescoring_sorts_by_cosine_and_leaves_the_missing_last():
    from searchdemo.collection.scores import rescored
    from searchdemo.indexes.vectors import ArrayVectors

    vectors = np.eye(3, dtype=np.float32)
    queries = np.array([[0.6, 0.8, 0], [0, 0, 1]], np.float32)
    best = rescored(queries, ArrayVectors(vectors), np.array([[0, 2, 1], [2, -1, -1]]))
    cosines, positions = best.scores, best.positions
    assert positions.tolist() == [[1, 0, 2], [2, -1, -1]]
    np.testing.assert_allclose(cosines[0], [0.8, 0.6, 0], atol=1e-6)
    assert cosines[1].tolist() == [1, -np.inf, -np.inf]


def test_cells_not_visited_are_told(run, built):
    params = ["--index", "faiss:IVF8,Flat", "-k", "50"]
    assert (
        run("knn", *built, *params, "--nprobe", "1")["notice"] == "60 of 60 queries found fewer than 50; raise nprobe"
    )
    assert "notice" not in run("knn", *built, *params, "--nprobe", "8")


def test_why_tells_which_parts_of_a_hit_carry_its_score(run, built, capsys, complaint):
    answer = run("search", *built, "--text", "red", "-k", "3", "--why", "2")
    why = answer["why"]
    assert why["row"] == answer["hits"][1]["row"] and np.shape(why["drops"]) == (8, 8) and why["passes"] == 37
    assert why["score"] == pytest.approx(answer["hits"][1]["score"], abs=0.01)
    assert cli.main(["search", *built, "--text", "red", "-k", "3", "--why", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    start = next(
        number for number, line in enumerate(said) if line.startswith(f"Why hit 2 matched (row {why['row']}):")
    )
    shown = [[int(cell) for cell in line.split()] for line in said[start + 1 : start + 9]]
    assert shown == [[round(1000 * drop) for drop in row] for row in why["drops"]]
    assert "37 passes of the encoder" in said[start + 9]
    assert "--why 4 names no hit of 3: choose from 1 to 3" in complaint(
        "search", *built, "--text", "red", "-k", "3", "--why", "4"
    )
