"""The benchmark `classnames`: AUC, F1 and the failing classes with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from searchdemo.bench.suite import classnames
from searchdemo.bench.suite.classnames import at_thresholds, auc, pair_figures, pairs
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, Workload, synthetic
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadArtifact, BadQuery, NotHere
from tests.conftest import MeanColour, unit


def degrees(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("positive", "negative", "area"),
    [
        (degrees(10, 20), degrees(30, 40, 50), 1.0),
        (degrees(60, 70), degrees(30, 40, 50), 0.0),
        (degrees(30, 30), degrees(30, 30, 30), 0.5),
        (degrees(10, 45), degrees(30, 40, 50), (3 + 1) / 6),
        (degrees(30), degrees(30, 40), (0.5 + 1) / 2),  # a tie counts half
    ],
)
def test_area_under_the_curve(positive, negative, area):
    assert auc(positive, negative) == pytest.approx(area)


def test_area_of_precision_against_recall_by_hand():
    """Precisions at the three positive pairs: 1/1, 2/3, 3/5. One at random among many others is near their share."""
    positive, negative = degrees(10, 20, 30), degrees(15, 25, 40, 50)
    assert classnames.average_precision(positive, negative) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert auc(positive, negative) > 0.7  # which says little where most pairs are negative:
    many = np.sort(np.repeat(negative, 100))
    assert auc(positive, many) == auc(positive, negative)
    assert classnames.average_precision(positive, many) < 0.4


def test_best_f1_by_hand():
    positive, negative = degrees(10, 20, 30), degrees(15, 25, 40, 50)
    assert at_thresholds(positive, negative, positive)["f1"] == pytest.approx([2 / 4, 4 / 6, 6 / 8])
    figures, _ = pair_figures(positive, negative)
    assert (figures["f1"], figures["f1_degrees"]) == (0.75, 30)


def test_a_threshold_by_hand():
    found = at_thresholds(degrees(10, 20), degrees(15, 25, 40, 50), degrees(5, 20))
    assert found["true_positive_rate"].tolist() == [0, 1]
    assert found["false_positive_rate"].tolist() == [0, 0.25]
    assert found["precision"] == pytest.approx([0, 2 / 3])


def random_pairs() -> tuple[np.ndarray, np.ndarray]:
    """Overlapping, with many ties."""
    rng = np.random.default_rng(0)
    return np.sort(rng.normal(60, 10, 400).round()), np.sort(rng.normal(75, 8, 5000).round())


def test_the_figures_agree_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    positive, negative = random_pairs()
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    nearness = -np.concatenate([positive, negative])
    figures, curve = pair_figures(positive, negative)
    assert figures["auc"] == pytest.approx(metrics.roc_auc_score(truth, nearness), abs=1e-12)
    assert figures["pr_auc"] == pytest.approx(metrics.average_precision_score(truth, nearness), abs=1e-12)
    precision, recall, _ = metrics.precision_recall_curve(truth, nearness)
    assert figures["f1"] == pytest.approx(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))
    at = [point for point in curve if point["degrees"] == figures["f1_degrees"]]
    assert at[0]["f1"] == figures["f1"]
    assert metrics.f1_score(truth, -nearness <= figures["f1_degrees"]) == pytest.approx(figures["f1"])


def test_the_curve_of_a_card_is_short_and_whole():
    rng = np.random.default_rng(1)
    positive, negative = np.sort(rng.normal(60, 10, 3000)), np.sort(rng.normal(75, 8, 90_000))
    figures, curve = pair_figures(positive, negative)
    assert len(curve) <= classnames.CURVE_POINTS
    rates = np.array([(p["false_positive_rate"], p["true_positive_rate"]) for p in curve])
    assert (np.diff(rates, axis=0) >= 0).all() and rates[-1].tolist() == [1, 1]
    assert np.trapezoid(rates[:, 1], rates[:, 0]) == pytest.approx(figures["auc"], abs=0.002)
    assert max(point["f1"] for point in curve) == figures["f1"]


def test_pairs_are_split_by_truth_and_measured_in_degrees():
    positive, negative = pairs(np.array([[1, 0, -1], [0.5, 1.0000001, 0]], np.float32), np.array([0, 0]))
    assert positive == pytest.approx([0, 60], abs=1e-4)
    assert negative == pytest.approx([0, 90, 90, 180], abs=1e-4)


def test_the_classes_that_words_fail_on():
    vectors = np.eye(3, dtype=np.float32)
    truth = np.array([0, 0, 1, 1, 1, 2, 2])
    names = ("cat", "dog", "bus")
    work = Workload(vectors, np.arange(3), vectors[truth], truth, ("n0", "n1", "n2"), names, {})
    first, next_ = [0, 0, 2, 2, 0, 2, 0], [1, 1, 1, 1, 2, 0, 1]
    worst, second = classnames.failing(work, np.array([first, next_]).T)  # no cat is taken for another
    assert [row["top5"] for row in (worst, second)] == pytest.approx([200 / 3, 50])
    assert (worst["class_name"], worst["top1"], worst["taken_for"], worst["queries"]) == ("dog", 0, "bus", 3)
    assert worst["taken_for_percent"] == pytest.approx(200 / 3)
    assert (second["class_name"], second["top1"], second["taken_for"]) == ("bus", 50, "cat")
    assert {row["knn_top1"] for row in (worst, second)} == {100}


def test_one_of_several_labels_is_right():
    """The first query is a cat and a dog: taken for a dog it is right, for both of its classes."""
    positive, negative = pairs(np.array([[1, 0, -1], [0.5, 1, 0]], np.float32), np.array([[0, 1], [0, -1]]))
    assert positive == pytest.approx([0, 60, 90], abs=1e-4) and negative == pytest.approx([0, 90, 180], abs=1e-4)
    vectors, truth = np.eye(3, dtype=np.float32), np.array([[0, 1], [0, -1], [2, -1]])
    names = ("cat", "dog", "bus")
    work = Workload(vectors, np.arange(3), vectors[[1, 0, 2]], truth[:, 0], ("n0", "n1", "n2"), names, {})
    work.all_truth = truth
    found = {row["class_name"]: row for row in classnames.failing(work, np.array([[1, 2, 2]]).T)}
    assert {name: (row["top1"], row["queries"]) for name, row in found.items()} == {"cat": (50, 2)}
    assert found["cat"]["knn_top1"] == 100


def test_a_class_without_queries_does_not_fail():
    vectors = np.eye(3, dtype=np.float32)
    work = Workload(vectors, np.arange(3), vectors[:1], np.array([0]), ("n0", "n1", "n2"), ("a", "b", "c"), {})
    assert [row["label"] for row in classnames.failing(work, np.array([[1]]))] == ["n0"]


@pytest.fixture
def card(world, monkeypatch):
    """Classes by the strongest channel, and texts that name the pure channels: words are always right."""
    world.change(class_names=("red", "lime", "blue"))
    spec = replace(ENCODERS["mean-colour"], prompts=("{}", "dark{}"))
    monkeypatch.setitem(ENCODERS, "mean-colour", spec)
    library = world.ready()  # its build asks for words that `channel` does not know
    monkeypatch.setattr(world.encoder, "encode_texts", lambda texts: unit(np.stack([channel(t) for t in texts])))
    return measure("classnames", Bench(library, Key("colours", "mean-colour")))


def channel(text: str) -> np.ndarray:
    return np.eye(8)[("red", "lime", "blue").index(text.removeprefix("dark"))]


def test_the_whole_run(card):
    alone, several = card.parts["sets"]
    assert (alone["set"], several["set"]) == ("[label]", "2 prompts")
    assert (alone["texts"], several["texts"]) == (3, 6)
    for row in (alone, several):
        assert row["top1"] == row["top5"] == 100
        assert 0.5 < row["auc"] < 1 and row["dim"] == 8  # a strong second channel is nearer than a weak strongest
        assert row["model_bytes"] > 0 and row["texts_s"] > 0
        assert row["pictures"] == row["pictures_timed"] == 330 and row["pictures_s"] > 0  # of the build, all of them
    assert not card.notes
    assert {point["set"] for point in card.parts["curve"]} == {"[label]", "2 prompts"}


def test_a_class_whose_name_cannot_be_read_is_left_out_with_its_queries_and_named(world, card, monkeypatch):
    """The others keep their answers, also by a template that could be read without the name."""
    library = world.library()
    world.change(class_names=("red", "猫", "blue"))

    def channels(texts):
        if "猫" in texts:
            raise BadQuery("unknown")
        return unit(np.stack([channel(text) for text in texts]))

    monkeypatch.setattr(world.encoder, "encode_texts", channels)
    bench = Bench(library, Key("colours", "mean-colour"), options={"prompts": ("{}",)})
    found = measure("classnames", bench)
    greens = int((world.gallery.queries.labels == 1).sum())
    assert found.subject["of_classes_left_out"] == greens > 0
    assert found.subject["queries"] == card.subject["queries"] - greens
    assert found.settings["names_left_out"] == ["猫"]
    assert [note for note in found.notes if "'猫'" in note] == found.notes and len(found.notes) == 1
    assert [row["top1"] for row in found.parts["sets"]] == [100, 100]
    assert not found.parts["failing"]
    assert found.parts["sets"][0]["texts"] == 2


def test_queries_of_several_labels_stay_with_those_that_are_read():
    vectors, truth = np.eye(3, dtype=np.float32), np.array([[1, 2], [1, -1], [0, 1]])
    work = Workload(vectors, np.arange(3), vectors, truth[:, 0], ("a", "b", "c"), ("a", "b", "c"), {}, all_truth=truth)
    left = work.of_classes(np.array([0, 2]))
    assert left.truth.tolist() == [2, 0] and left.all_truth.tolist() == [[2, -1], [0, -1]]
    assert left.subject == {"queries": 2, "of_classes_left_out": 1} and np.array_equal(left.queries, vectors[[0, 2]])
    with pytest.raises(NotHere, match="whose name can be read"):
        work.of_classes(np.array([], np.int64))


def test_no_name_at_all_that_can_be_read(world, card, monkeypatch):
    def none(texts):
        raise BadQuery("unknown")

    monkeypatch.setattr(world.encoder, "encode_texts", none)
    with pytest.raises(BadQuery, match="mean-colour cannot read 3 of the 3 class names"):
        classnames.run(Bench(world.library(), Key("colours", "mean-colour")))


def test_tables_and_charts(card):
    assert len(classnames.tables([card])) == 1  # words never fail here
    wrong = {"class_name": "red", "top1": 50.0, "taken_for": "blue", "taken_for_percent": 50.0, "knn_top1": 90.0}
    card.parts["failing"] = [wrong | {"queries": 9}]
    summary, failing = classnames.tables([card])
    assert [row["top1"] for row in summary.rows] == [100, 100]
    assert len(failing.rows) == 1 and "2 prompts" in failing.title
    assert "mean-colour with stand-in weights" in failing.title
    card.subject["stand_in"] = False
    for row in card.parts["sets"]:
        row["stand_in"] = False
    assert "stand-in" not in classnames.tables([card])[1].title
    pytest.importorskip("matplotlib")
    charts = classnames.charts([card])
    assert set(charts) == {"classnames-roc", "classnames-pr", "classnames-f1"}
    assert f"AUC {card.parts['sets'][0]['auc']:.4f}" in charts["classnames-roc"].axes[0].lines[0].get_label()


def test_without_a_built_gallery_the_seconds_of_pictures_are_of_some(world, monkeypatch):
    world.change(class_names=("red", "lime", "blue"))
    monkeypatch.setattr(classnames, "TIMED", 4)
    bench = Bench(world.library(), Key("colours", "mean-colour"), synthetic=True, quick=True)
    work = synthetic(90, 9, 8)
    found = classnames._picture_seconds(bench, work, world.encoder)
    assert (found["pictures"], found["pictures_timed"]) == (99, 4) and found["pictures_s"] > 0


def test_seconds_of_a_build_that_found_vectors_stored_already_are_not_those_of_all_pictures(world, card, monkeypatch):
    monkeypatch.setattr(classnames, "TIMED", 4)
    bench = Bench(world.library(), Key("colours", "mean-colour"))
    made = bench.collection().artifact.manifest
    made.built["reused"] = 300
    found = classnames._picture_seconds(bench, bench.workload(), world.encoder)
    assert made.embedded == 30 and (found["pictures"], found["pictures_timed"]) == (330, 4)
    made.built["reused"] = 0
    found = classnames._picture_seconds(bench, bench.workload(), world.encoder)
    assert (found["pictures_timed"], found["pictures_s"]) == (330, made.embed_seconds)


def test_an_encoder_whose_own_template_is_the_bare_name_has_one_row(world, card, monkeypatch):
    monkeypatch.setitem(ENCODERS, "mean-colour", replace(ENCODERS["mean-colour"], prompts=("{}",)))
    found = measure("classnames", Bench(world.library(), Key("colours", "mean-colour")))
    assert [row["set"] for row in found.parts["sets"]] == ["[label]"]
    assert [table.name for table in classnames.tables([found])] == ["classnames-accuracy"]  # and words never fail here


def test_an_encoder_without_words_is_refused(world):
    with pytest.raises(BadQuery, match=r"dino-vits16.*bundled"):
        classnames.run(Bench(world.library(), Key("colours", "dino-vits16")))


def test_vectors_of_other_weights_are_refused(world):
    world.ready()
    world.encoder = MeanColour("cd" * 32)
    with pytest.raises(BadArtifact, match="other weights"):
        classnames.run(Bench(world.library(), Key("colours", "mean-colour")))
