"""Metric learning: the map draws unseen classes together, changes nothing untrained, and goes into weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from searchdemo.bench import metric_head
from searchdemo.bench.suite import metric
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery
from tests.conftest import unit
from training.metric import folded


def noisy(classes: int = 12, each: int = 20, dim: int = 16) -> Workload:
    """Classes lie in the first half of the dimensions, and as much noise in the second: leaving that out helps all."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    centres = rng.standard_normal((classes, dim // 2))
    rows = np.concatenate(
        [
            centres[labels] + 0.3 * rng.standard_normal((len(labels), dim // 2)),
            1.5 * rng.standard_normal((len(labels), dim // 2)),
        ],
        axis=1,
    )
    names = tuple(f"class {number}" for number in range(classes))
    subject = {"vectors": len(labels), "dim": dim, "queries": 0, "synthetic": True, "left_out": 0}
    return Workload(unit(rows), labels, unit(rows[:1]), labels[:1], names, names, subject)


@pytest.fixture(scope="module")
def card():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(metric, "SEEDS", 2)
        patched.setattr(metric, "PAIRS", 5_000)
        bench = Bench(None, Key("colours", "bundled"), _workload=noisy(), options={"steps": 150})  # type: ignore[arg-type]
        yield measure("metric", bench)


def test_unseen_classes_come_together(card):
    before, after = (row for row in metric.summary(card) if row["set"] == "unseen")
    assert (before["when"], after["when"], before["classes"]) == ("before", "after", 6)
    assert after["auc"] > before["auc"] + 0.05 and after["top1"] > before["top1"]
    assert after["between"] - after["within"] > before["between"] - before["within"]


def test_the_halves_share_no_class_and_each_seed_draws_others(card):
    work = noisy()
    (seen, unseen), (others, _) = metric.halves(work, 0), metric.halves(work, 1)
    assert not set(seen) & set(unseen) and len(seen) + len(unseen) == 12 and set(seen) != set(others)
    asking = metric.held_out(work, seen, 0)
    assert asking.own is not None and set(asking.truth) == set(seen)
    with pytest.raises(BadQuery, match="four classes"):
        metric.halves(replace(work, labels=work.labels % 3), 0)


def test_what_the_card_draws(card):
    (drawn,) = metric.tables([card])
    assert [row["when"] for row in drawn.rows] == ["before", "after"] * 2
    for when in metric.WHEN:
        rows = [row for row in card.parts["histograms"] if (row["set"], row["when"]) == ("unseen", when)]
        assert len(rows) == 50 and sum(row["within"] for row in rows) == pytest.approx(1)
    assert len(card.parts["view"]) == 2 * 6 * 20
    pytest.importorskip("matplotlib")
    assert set(metric.charts([card])) == {"metric", "metric-view"}


def test_the_figures_by_hand():
    """Two classes on two axes: 0 within, the square root of 2 between, and neighbours are always right."""
    rows = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    labels = np.repeat([0, 1], 4)
    found, _ = metric.judged(metric.Asking(rows, labels, rows, labels, np.arange(8)), 2, 0)
    assert (found["top1"], found["found_1"], found["within"], found["auc"]) == (100, 1, 0, 1)
    assert found["between"] == pytest.approx(np.sqrt(2), abs=1e-6)


def test_the_loss_by_hand():
    """Squared distances 0 and 2: nothing is left of the loss. All on one point: the margin is."""
    torch = pytest.importorskip("torch")
    owner = torch.tensor([0, 0, 1, 1])
    apart, together = torch.eye(2)[[0, 0, 1, 1]], torch.eye(2)[[0, 0, 0, 0]]
    assert metric_head.triplet_loss(apart, owner) == 0
    assert metric_head.triplet_loss(together, owner).item() == pytest.approx(metric_head.MARGIN)


def test_no_step_changes_nothing_and_too_few_classes_are_refused():
    work = noisy()
    assert np.array_equal(metric_head.fit(work.vectors, work.labels, steps=0).matrix, np.eye(16, dtype=np.float32))
    with pytest.raises(BadQuery, match="two classes"):
        metric_head.fit(work.vectors, np.zeros(len(work.labels), int))


def test_the_map_goes_into_the_last_layers():
    """unit(A unit(W x + b)) is what the changed file computes, in 8 bits or not; other tensors stay."""
    rng = np.random.default_rng(1)
    head = metric_head.MetricHead(rng.standard_normal((4, 4)).astype(np.float32))
    scale, codes = np.float32([0.5, 1, 2, 4]), rng.integers(-9, 9, (4, 6)).astype(np.int8)
    bias, other = rng.standard_normal(4).astype(np.float32), np.arange(3)
    tensors = {"image.project.weight": codes, "image.project.weight.scale": scale, "image.project.bias": bias}
    changed = folded(tensors | {"image.other": other}, head, "bundled")
    assert set(changed) == {"image.project.weight", "image.project.bias", "image.other"}
    x = rng.standard_normal((5, 6)).astype(np.float32)
    before = unit(x @ (codes * scale[:, None]).T + bias)
    after = unit(x @ changed["image.project.weight"].T + changed["image.project.bias"])
    assert np.allclose(after, head(before), atol=1e-5)
    clip = folded({"visual.proj": rng.standard_normal((6, 4)).astype(np.float32)}, head, "clip-vit-b32")
    assert clip["visual.proj"].shape == (6, 4)
    with pytest.raises(BadQuery, match="linear layer"):
        folded({"fc.weight": codes}, head, "resnet18")
