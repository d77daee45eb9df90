"""The benchmark `knn`: leave-one-out leaves out the row itself, and the head is a fair opponent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from searchdemo.bench import linear_head
from searchdemo.bench.points import Votes, quality, search_of
from searchdemo.bench.suite import knn, reduce
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, Workload, stored
from searchdemo.collection.asked import hopeless, without_themselves
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery
from searchdemo.indexes.bf16_index import ExactBfloat16
from searchdemo.indexes.table import INDEXES
from searchdemo.types import Neighbors
from tests.conftest import ColourPictures, colour_pictures, unit


def workload(vectors, labels, queries, truth) -> Workload:
    names = tuple(f"class {label}" for label in range(max(labels) + 1))
    subject = {"vectors": len(vectors), "dim": vectors.shape[1], "queries": len(queries), "synthetic": True}
    return Workload(vectors, np.asarray(labels), queries, np.asarray(truth), names, names, subject)


def separable(each: int = 30) -> Workload:
    """Four classes far apart."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), each)
    vectors, queries = (unit(np.eye(8)[labels] + 0.05 * rng.standard_normal((len(labels), 8))) for _ in range(2))
    return workload(vectors, labels, queries, labels)


def duplicates() -> Workload:
    """40 directions, each twice: of half of them both have one class, of the others two classes."""
    directions = unit(np.random.default_rng(0).standard_normal((40, 32)))
    first = np.arange(40) % 4
    second = np.where(np.arange(40) < 20, first, (first + 1) % 4)
    return workload(np.repeat(directions, 2, axis=0), np.stack([first, second], axis=1).ravel(), directions, first)


def bench(world, work: Workload, **options) -> Bench:
    return Bench(world.library(device="cpu"), Key("colours", "mean-colour"), _workload=work, **options)


def accuracy(rows: list[dict], **wanted) -> dict:
    (found,) = [row for row in rows if wanted.items() <= row.items()]
    return found


def test_a_row_is_left_out_wherever_it_stands():
    rows = np.array([[7, 1, 2], [1, 8, 2], [1, 2, 9], [1, 2, 3]])
    found = without_themselves(Neighbors(rows, rows / 10), np.array([7, 8, 9, 10]))
    assert found.positions.tolist() == [[1, 2]] * 4
    assert found.scores.tolist() == [[0.1, 0.2]] * 4


def test_leave_one_out_with_planted_duplicates(world):
    """The nearest of each is its double. Dropping rank 1 would leave the second of each pair with itself: 75 %."""
    figures = knn.run(bench(world, duplicates()))
    for vote in ("weighted", "plain"):
        assert accuracy(figures.parts["accuracy"], split="train", k=1, vote=vote)["top1"] == 50


def test_separable_classes_are_no_trouble_for_either(world):
    figures = knn.run(bench(world, separable()))
    head = figures.parts["head"][0]
    assert [head[f"{split}_{top}"] for split in ("train", "valid") for top in ("top1", "top5")] == [100] * 4
    for split in ("train", "valid"):
        for k in (1, 20):
            assert accuracy(figures.parts["accuracy"], split=split, k=k, vote="weighted")["top1"] == 100
    assert {row["temperature"] for row in figures.parts["temperature"]} == set(knn.TEMPERATURES)
    assert not figures.notes


class Twofold(ColourPictures):
    """Each picture has its strongest channel as its second label; the first is the same for all."""

    several_labels = True

    def all_labels(self, row: int) -> tuple[int, ...]:
        return (0, int(self.colours[row].argmax())) if self.colours[row].argmax() else (0,)


def test_one_of_several_labels_is_right(world):
    """The first label of each query is wrong and the second one is right."""
    work = replace(separable(), all_labels=np.stack([separable().labels, np.full(120, -1)], axis=1))
    work = replace(work, truth=(work.truth + 1) % 4, all_truth=np.stack([(work.truth + 1) % 4, work.truth], axis=1))
    work.subject["several_labels"] = True
    card = measure("knn", bench(world, work))
    assert accuracy(card.parts["accuracy"], split="valid", k=20, vote="weighted")["top1"] == 100
    assert card.parts["head"][0]["valid_top1"] == 100 and any("several labels" in note for note in card.notes)
    assert "one of several labels is right" in knn.tables([card])[0].title


def test_a_sweep_and_a_reduction_count_one_of_several_labels_as_right_too():
    """The first label of each query is wrong and the second one is right."""
    work = separable()
    truth = np.stack([(work.truth + 1) % 4, work.truth], axis=1)
    work = replace(work, truth=truth[:, 0], all_truth=truth)
    search = search_of(INDEXES["flat"].build(work.vectors))
    assert Votes(work).of(search)["knn_top1"] == 100 and quality(search, work, 5)["precision_5"] == 1
    found = INDEXES["flat"].build(work.vectors).search(work.queries, 20)
    assert reduce.quality(found, work)["knn_top1"] == 100


def test_queries_whose_class_has_no_picture_are_said(world):
    """Of four classes the gallery holds one picture of the last, and none of the fifth."""
    truth, labels = np.array([[0, -1], [3, -1], [4, -1], [4, 0]]), np.array([[0], [0], [1], [1], [3]])
    assert hopeless(truth, labels, False) == "for 1 of 4 queries no picture has their class, so they are wrong"
    assert hopeless(labels, labels, True) == "for 1 of 5 queries no other picture has their class, so they are wrong"
    assert hopeless(labels[:4], labels, True) == ""
    work = separable()
    keep = np.append(np.arange(90), 90)  # 30 of the first three classes, one of the last
    card = measure("knn", bench(world, replace(work, vectors=work.vectors[keep], labels=work.labels[keep])))
    assert "train: for 1 of 91 queries no other picture has their class, so they are wrong" in card.notes


def test_a_built_gallery_keeps_all_labels_of_its_pictures(world):
    colours = np.array([(250, 9, 9), (9, 250, 9), (9, 9, 250), (9, 9, 251)], np.uint8)
    world.change(pictures=Twofold(colours, [0] * 4), queries=Twofold(colours[:2], [0] * 2))
    work = stored(world.ready().open("colours", "mean-colour"))
    labels, truth = work.part(4, 1).every_label()
    assert work.every_label()[0].tolist() == [[0, -1], [0, 1], [0, 2], [0, 2]] and work.subject["several_labels"]
    assert labels.shape == (4, 2) and truth.shape[0] == 1 and truth[0, 0] == 0


def test_the_temperature_decides_between_one_near_and_many_far(world):
    """One row of class 0 at the query, 19 of class 1 at 60 degrees: exp(0.5 / T) against 19."""
    far = unit(np.concatenate([np.full((19, 1), 0.5), np.sqrt(0.75) * np.eye(19)], axis=1))
    vectors = np.concatenate([np.eye(20, dtype=np.float32)[:1], far, -np.eye(20, dtype=np.float32)[:2]])
    work = workload(vectors, [0] + [1] * 19 + [0, 1], np.eye(20, dtype=np.float32)[:1], [0])
    rows = knn.run(bench(world, work)).parts["temperature"]
    right = {row["temperature"]: row["top1"] for row in rows if row["split"] == "valid" and row["k"] == 20}
    assert right == {t: 100 if np.exp(0.5 / t) > 19 else 0 for t in knn.TEMPERATURES}
    assert set(right.values()) == {0, 100}


def test_where_all_rows_are_too_many_a_balanced_part_asks(world, monkeypatch):
    monkeypatch.setattr(knn, "MAX_PRODUCTS", 0)
    monkeypatch.setattr(knn, "MAX_QUERIES", 40)
    work = separable()
    assert np.bincount(work.labels[knn.train_queries(work)]).tolist() == [10] * 4
    figures = knn.run(bench(world, work))
    assert figures.parts["times"][0]["train_queries"] == 40
    assert "40 of the 120 rows" in figures.notes[0]
    assert accuracy(figures.parts["accuracy"], split="train", k=1, vote="plain")["top1"] == 100


def test_a_gpu_in_trouble_is_a_note(world, monkeypatch):
    def out_of_memory(*args, **options):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(knn, "pick_device", lambda device: "cuda:0")
    monkeypatch.setattr(ExactBfloat16, "to_gpu", out_of_memory)
    figures = knn.run(bench(world, separable()))
    assert figures.notes == ["kNN on the GPU: CUDA out of memory"]
    assert [row["what"] for row in figures.parts["times"]] == ["kNN, FAISS flat on the CPU", "linear head on cpu"]


def test_a_gpu_has_a_row_of_its_own(world, monkeypatch):
    monkeypatch.setattr(knn, "pick_device", lambda device: "cuda:0")
    asked = []
    monkeypatch.setattr(ExactBfloat16, "to_gpu", lambda self, device: asked.append(device))
    rows = knn.run(bench(world, separable())).parts["times"]
    assert [row["what"] for row in rows][1] == "kNN, brute force on cuda:0"
    assert rows[1]["train_search_s"] > 0 and asked == ["cuda:0"]


def test_of_a_built_gallery_the_seconds_of_embedding_are_told(world, monkeypatch):
    spec = replace(ENCODERS["mean-colour"], trained_on="colours")
    monkeypatch.setitem(ENCODERS, "mean-colour", spec)
    card = measure("knn", Bench(world.ready(), Key("colours", "mean-colour")))
    assert card.parts["times"][0]["embed_pictures"] == 330
    assert any("trained on the pictures and labels" in note for note in card.notes)
    summary, by_k, by_temperature, seconds, memory, published = knn.tables([card])
    assert "mean nothing" in summary.rows[0]["mark"] and "means nothing" in by_k.title
    best = max(
        row["top1"] for part in ("accuracy", "temperature") for row in card.parts[part] if row["split"] == "valid"
    )
    assert summary.rows[0]["best_top1"] == best
    assert [row["k"] for row in by_k.rows] == list(knn.KS)
    assert len(by_temperature.rows) == len(knn.TEMPERATURES)
    for table in (summary, by_k, by_temperature):
        assert all("–" not in line for line in table.cells())
    assert "330 pictures" in seconds.title
    assert [row["stage"].split()[0] for row in memory.rows] == ["vectors,", "FAISS", "neighbours", "votes", "linear"]
    if Path("/proc/self/status").exists():
        peaks = [row["peak_bytes"] for row in memory.rows]
        assert peaks == sorted(peaks) and all(row["resident_bytes"] > 0 for row in memory.rows)
    train, valid = published.rows
    ours = [column.key for column in published.columns if column.head.startswith("ours")]
    assert valid[ours[0]] == summary.rows[0]["top1"] and "(trained on train), kNN" in ours[0]
    assert valid[ours[1]] == summary.rows[0]["valid_top1"] and "linear head" in ours[1]
    theirs = "DINO ViT-S/16, kNN, tiny-ImageNet (talk)"
    assert (train[theirs], valid[theirs]) == (81.66, 77.73)
    paper = "ImageNet-1k (paper)"
    assert valid[f"DINO ViT-S/16, linear head, {paper}"] == 77.0 and valid[f"DINO ViT-S/8, kNN, {paper}"] == 78.3


def test_vectors_that_were_never_embedded_have_tables_too(world):
    seconds = knn.tables([measure("knn", bench(world, separable()))])[3]
    assert "pictures" not in seconds.title and "random vectors" in seconds.title
    assert seconds.cells()[0][2] == "–"


def test_charts(world):
    pytest.importorskip("matplotlib")
    card = measure("knn", bench(world, separable()))
    charts = knn.charts([card, card])
    assert set(charts) == {"knn-k", "knn-temperature"}
    for figure in charts.values():
        assert len(figure.axes) == 2
        labels = [line.get_label() for line in figure.axes[0].lines]
        assert len(labels) == 5 - 2 * (figure is charts["knn-temperature"]) and labels[-1] == "linear head, valid"


# The head


def test_the_head_agrees_with_logistic_regression():
    datasets, linear_model = pytest.importorskip("sklearn.datasets"), pytest.importorskip("sklearn.linear_model")
    pixels, labels = datasets.load_digits(return_X_y=True)
    rows = unit(pixels)
    fitted = linear_head.fit(rows[:1200], labels[:1200], 10)
    ours = linear_head.accuracy(fitted.head, rows[1200:], labels[1200:])[0]
    theirs = linear_model.LogisticRegression(C=10, max_iter=300).fit(rows[:1200], labels[:1200])
    assert ours >= 100 * theirs.score(rows[1200:], labels[1200:]) - 1


def test_the_head_is_seeded_and_chooses_among_all_trials():
    work = separable()
    first, again = (linear_head.fit(work.vectors, work.labels, 4, seed=3) for _ in range(2))
    assert np.array_equal(first.head.weights, again.head.weights)
    assert len(first.trials) == len(linear_head.WEIGHT_DECAYS) * len(linear_head.EPOCHS)
    chosen = accuracy(first.trials, weight_decay=first.weight_decay, epochs=first.epochs)
    assert chosen["held_out_top1"] == max(trial["held_out_top1"] for trial in first.trials)


def test_a_row_more_than_there_are_classes_is_enough_for_a_head():
    rows = np.eye(8, dtype=np.float32)[[0, 1, 2, 3, 0]]
    for kept in (4, 3, 1):
        with pytest.raises(BadQuery, match=rf"here {kept} and 4, .*take 5 pictures or more, better 8"):
            linear_head.fit(rows[:kept], np.arange(kept), 4)
    assert linear_head.fit(rows, np.array([0, 1, 2, 3, 0]), 4).head.weights.shape == (4, 8)


def test_a_single_picture_has_no_neighbour_to_vote(world):
    one = unit(np.eye(4)[:1])
    with pytest.raises(BadQuery, match=r"here 1 and 1, .*take 2 pictures"):
        knn.run(bench(world, workload(one, [0], one, [0])))


def test_top_5_of_the_head_by_hand():
    import torch

    head = linear_head.Head(torch.eye(6), torch.zeros(6), torch.zeros(6), 1.0)
    rows = np.array([[6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6]], np.float32)
    assert head.ranked(rows).tolist() == [[0, 1, 2, 3, 4], [5, 4, 3, 2, 1]]
    assert linear_head.accuracy(head, rows, np.array([0, 4])) == (50, 100)
    assert linear_head.accuracy(head, rows, np.array([5, 0])) == (0, 0)


def test_where_nothing_is_held_out_some_pictures_ask_and_are_not_searched(world):
    world.change(queries=colour_pictures(0, seed=1))
    collection = world.ready().open("colours", "mean-colour")
    work = stored(collection)
    assert len(work.queries) == len(work.truth) == work.subject["left_out"] == 30
    assert len(work.vectors) == len(work.labels) == work.subject["vectors"] == 270
    every = collection.vectors.all()
    rows = [int(np.flatnonzero((every == query).all(axis=1))[0]) for query in work.queries]
    assert len(set(rows)) == 30 and collection.labels()[rows].tolist() == work.truth.tolist()
    assert np.array_equal(np.delete(every, rows, axis=0), work.vectors)
