"""What all stages of training share: measures with known answers, the query set, the model card, captions."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from searchdemo import assets
from searchdemo.collection.calibration import Curve
from searchdemo.encoders.bundled_text import unit
from searchdemo.errors import BadQuery
from searchdemo.galleries.drawing.scene import THINGS, sample
from training import asked, evaluate, scene_data
from training.model_card import render
from training.queries import MORE_QUERIES, QUERIES, Query, read_queries


def test_knn_counts_the_weighted_vote():
    gallery = np.eye(4, dtype=np.float32)[[0, 1, 1, 3]]
    labels = np.array([0, 1, 1, 2])
    queries = unit(np.array([[1.0, 0.9, 0, 0], [0, 1, 0, 0]], np.float32))
    assert evaluate.knn_top1(gallery, labels, queries, np.array([1, 1]), k=3, temperature=10) == 100
    assert evaluate.knn_top1(gallery, labels, queries, np.array([0, 1]), k=3, temperature=0.02) == 100
    assert evaluate.knn_top1(gallery, labels, queries, np.array([0, 0]), k=3, temperature=0.02) == 50


def test_precision_is_the_share_of_right_classes_among_the_nearest():
    gallery = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1]], np.float32)
    labels = np.array([0, 1, 0, 2])
    query = [Query("anything", "kinds", ("dog",), "tune")]
    names = ["dog", "cat", "bus"]
    for k, wanted in ((1, 1), (2, 0.5), (3, 2 / 3)):
        found = evaluate.precision_at(np.array([[1, 0]], np.float32), query, gallery, labels, names, k)
        assert found == pytest.approx([wanted])


def test_queries_are_a_hundred_or_more_in_each_half_and_kind_evenly():
    assert len({query.text.casefold() for query in QUERIES + MORE_QUERIES}) == len(QUERIES) + len(MORE_QUERIES)
    for queries in (QUERIES, MORE_QUERIES):
        assert len(queries) >= 200
        for kind in ("other names", "kinds", "descriptions"):
            halves = [query.half for query in queries if query.kind == kind]
            assert abs(halves.count("tune") - halves.count("report")) <= 1


@pytest.mark.parametrize(
    "line",
    ["kinds\tdogs", "breeds\tdogs\tpug", "kinds\t\tpug", "kinds\tdogs\t", "kinds\tdogs\tpug | ", "", "a\tb\tc\td"],
)
def test_a_line_that_is_no_query_is_refused(line, tmp_path):
    path = tmp_path / "queries.tsv"
    path.write_text(f"kinds\tdogs\tpug | beagle\n{line}\n")
    with pytest.raises(ValueError, match=r"queries\.tsv, line 2: "):
        read_queries(path)
    path.write_text("kinds\tdogs\tpug | beagle\nkinds\tcats\ttabby\n")
    assert read_queries(path) == (
        Query("dogs", "kinds", ("pug", "beagle"), "tune"),
        Query("cats", "kinds", ("tabby",), "report"),
    )


def test_the_model_card_that_ships_has_the_figures_of_its_run_card():
    card = json.loads((assets.WEIGHTS / "run-card.json").read_text())
    assert render(card) == (assets.WEIGHTS / "MODEL_CARD.md").read_text()
    card["figures"]["names_top1"] = 12.25
    assert "| top-1 by class names | 12.25 % |" in render(card)


def test_captions_are_true_of_their_scene_and_truth_knows_the_others():
    scenes = sample(5, 60)
    codes, numbers = scene_data.codes(scenes)
    said = np.full((1, len(scene_data.ATTRIBUTES)), -1)
    said[0, scene_data.ATTRIBUTES.index("thing")] = numbers["thing", THINGS[0]]
    assert scene_data.matches(said, codes)[0].tolist() == [scene.thing == THINGS[0] for scene in scenes]
    text, names = scenes[0].varied_caption(random.Random(1))
    assert names
    assert names <= set(scene_data.ATTRIBUTES)
    assert text.strip() == text


def test_a_curve_tells_queries_with_their_pictures_from_the_same_without():
    gallery = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    query = [Query("a b", "kinds", ("a", "b"), "tune")]
    curve = Curve(5, slope=10.0, intercept=-5.0, error=0.0, shown=9, absent=9)
    row = np.array([[0.8, 0.6, 0.0]], np.float32)
    found = evaluate.told_apart(row, query, gallery, np.repeat([0, 1, 2], 5), ["a", "b", "c"], curve)
    assert found["auroc"] == 1 and found["wrong_percent"] == 0  # 0.8 with them, 0 without
    assert found["ece"] == pytest.approx((1 / (1 + np.exp(3)) + 1 / (1 + np.exp(5))) / 2)


def test_free_texts_that_are_read_ask_every_set():
    class Reader:
        def encode_texts(self, texts):
            if "no word" in texts:
                raise BadQuery("unknown")
            return np.array([[0.8, 0.6, 0.0]] * len(texts), np.float32)

    gallery, labels = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0), np.repeat([0, 1, 2], 5)
    curve = Curve(5, slope=10.0, intercept=-5.0, error=0.0, shown=9, absent=9)
    asking = [Query(text, "kinds", answers, "tune") for text, answers in (("a", ("a",)), ("no word", ("b",)))]
    found = asked.figures({"all": (gallery, labels, curve)}, Reader(), asking, ["a", "b", "c"])
    assert found["all"]["texts"] == 1 and found["all"]["auroc"] == 1
    assert found["all"]["ece"] == pytest.approx((1 / (1 + np.exp(3)) + 1 / (1 + np.exp(-1))) / 2)  # 0.8, then 0.6
