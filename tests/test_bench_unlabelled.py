"""Benchmarks of pictures without labels: recall is measured, accuracy is not, and nothing breaks for want of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from searchdemo.bench import tradeoff_drawn
from searchdemo.bench.points import Votes, quality, search_of
from searchdemo.bench.suite import calibration, classnames, filters, knn, latency, metric, reduce, tradeoff
from searchdemo.bench.sweep import Grid
from searchdemo.bench.workload import Bench, Workload, synthetic
from searchdemo.cli.bench import chosen
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, NotHere
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import RunCard
from searchdemo.measure.recommend import Bounds


@pytest.fixture(scope="module")
def work() -> Workload:
    """36 vectors, as few as a small folder has: some indexes cannot be trained with them."""
    whole = synthetic(36, 4, 16)
    nothing = np.full(36, -1), np.full(4, -1)
    return replace(whole, labels=nothing[0], truth=nothing[1], label_names=(), class_names=())


def bench(work: Workload, **options) -> Bench:
    return Bench(None, Key("folder:x", "bundled"), _workload=work, quick=True, **options)  # type: ignore[arg-type]


def test_what_needs_labels_says_so(work):
    for benchmark in (knn, classnames):
        with pytest.raises(NotHere, match="labels"):
            benchmark.run(bench(work))
    with pytest.raises(BadQuery, match="four classes"):
        metric.run(bench(work))


def test_recall_needs_none(work):
    search = search_of(INDEXES["flat"].build(work.vectors))
    assert Votes(work).of(search) == {"knn_top1": None}
    assert quality(search, work, 1, 10) == {"recall_1": 1, "recall_10": 1}


def test_a_sweep_is_drawn_and_a_setting_is_chosen(work, monkeypatch):
    monkeypatch.setattr(tradeoff, "QUICK", (Grid("flat", "exact", "Flat"),))
    monkeypatch.setattr(tradeoff, "KS", (1, 10, 50))
    monkeypatch.setattr(tradeoff, "ORDERED", ("flat",))
    figures = tradeoff.run(bench(work))
    assert {row["k"] for row in figures.parts["k"]} == {1, 10}  # of 36 vectors nobody finds 50
    card = RunCard("tradeoff", "folder:x", "bundled", figures.parts, figures.subject, figures.settings, at="2030-01-02")
    drawn = {table.name: table.rows for table in tradeoff_drawn.tables([card])}
    assert "tradeoff-front-bundled" in drawn and "tradeoff-knn-bundled" not in drawn
    heads = [column.key for table in tradeoff_drawn.tables([card]) for column in table.columns]
    assert not {"knn_top1", "precision_10", "precision"} & {*heads}  # no column of dashes
    assert "no labels" in chosen([card], Bounds(recall=0.9)).text
    with pytest.raises(BadQuery, match="top1 was not measured"):
        chosen([card], Bounds(top1=50))
    pytest.importorskip("matplotlib")
    assert tradeoff_drawn.charts([card])


def test_reductions(work, monkeypatch):
    monkeypatch.setattr(reduce, "code_rows", lambda *given: ([], []))
    monkeypatch.setattr(reduce, "SEEDS", 2)
    monkeypatch.setattr(reduce, "DIMS", (8,))
    monkeypatch.setattr(reduce, "BITS", (32,))
    figures = reduce.run(bench(work))
    assert all("recall_10" in row and "knn_top1" not in row for row in figures.parts["points"])
    card = RunCard("reduce", "folder:x", "bundled", figures.parts, figures.subject, figures.settings, at="2030-01-02")
    assert not any(column.key.startswith("knn_") for column in reduce.tables([card])[0].columns)
    pytest.importorskip("matplotlib")
    assert reduce.charts([card])


def test_an_index_that_cannot_be_trained_costs_the_others_nothing(work, monkeypatch):
    monkeypatch.setattr(latency, "race", lambda bench: ([], []))
    figures = latency.run(bench(work))
    assert {"flat", "brute", "lsh-tables"} <= {row["index"] for row in figures.parts["search"]}
    assert any(note.startswith("pq: ") for note in figures.notes)
    with pytest.raises(BadQuery, match="'pq'"):
        latency.run(bench(work, indexes=("pq",)))


def test_pictures_without_a_label_do_not_count_against_accuracy():
    whole = synthetic(400, 40, 16)
    truth = whole.truth.copy()
    truth[::2] = -1
    half = replace(whole, truth=truth)
    search = search_of(INDEXES["flat"].build(whole.vectors))
    known = replace(whole, queries=whole.queries[1::2], truth=whole.truth[1::2])
    assert Votes(half).of(search) == Votes(known).of(search)
    assert quality(search, half, 5)["precision_5"] == quality(search, known, 5)["precision_5"]
    assert half.of_labelled().subject["without_label"] == 20


def test_vectors_without_a_label_train_no_head_and_do_not_ask():
    whole = synthetic(400, 40, 16)
    labels, names = whole.labels % 4, whole.label_names[:4]
    half = replace(whole, labels=np.where(np.arange(400) < 100, -1, labels), truth=whole.truth % 4, label_names=names)
    run = bench(half)
    run.library = Library(device="cpu")
    figures = knn.run(run)
    assert figures.parts["times"][0]["train_queries"] == 300 == figures.parts["times"][-1]["train_queries"]
    assert any(note.startswith("100 of the 400 vectors have no label") for note in figures.notes)
    assert len(knn.train_queries(half)) == 300 and (half.labels[knn.train_queries(half)] >= 0).all()


def test_a_filter_of_pictures_without_labels_is_measured_at_random_alone(work, monkeypatch):
    monkeypatch.setattr(filters, "REPEATS", 2)
    monkeypatch.setattr(filters, "ROUNDS", 1)
    points = filters.run(replace(bench(work), quick=False)).parts["points"]
    ways = [(row["method"], row["index"], row["pictures"]) for row in points]
    assert {row["allowed"] for row in points} == {"at random"} and len(ways) == len(set(ways))
    assert {row["pictures"] for row in points} == {1, 4, 11, 36}  # 0.1 % and 1 % are the same picture


def test_only_a_class_that_is_there_can_be_removed():
    """Its pictures go by any of their labels. A class of all pictures, or of none, would say nothing."""
    labels = np.array([[0, 1], [1, -1], [0, -1], [2, 0], [-1, -1]])
    assert calibration.can_be_removed(np.array([0, 1, 3, -1]), labels).tolist() == [True, True, False, False]
    assert not calibration.can_be_removed(np.array([0]), labels[:1]).any()
    vectors = np.eye(5, dtype=np.float32)
    _, without = calibration.present_and_removed(vectors[[1]], np.array([1]), vectors, labels, ["top 1"])
    _, others = calibration.present_and_removed(vectors[[0]], np.array([1]), vectors, labels, ["top 1"])
    assert without["top 1"] == others["top 1"] == 0  # both rows of the class 1 are gone
