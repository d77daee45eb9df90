"""The benchmark `reduce`: what is kept when the data let it, and the bytes of each method."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.bench import codes
from searchdemo.bench.suite import reduce
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.store import Key
from searchdemo.measure.cards import RunCard
from tests.conftest import in_haste, unit


def workload(vectors: np.ndarray, queries: np.ndarray) -> Workload:
    """Two classes: which side of the first axis a row lies on."""
    labels, truth = ((rows[:, 0] > 0).astype(np.int64) for rows in (vectors, queries))
    subject = {"vectors": len(vectors), "dim": vectors.shape[1], "queries": len(queries), "synthetic": True}
    return Workload(vectors, labels, queries, truth, ("n0", "n1"), ("left", "right"), subject)


@pytest.fixture(scope="module")
def flat_world() -> Workload:
    """Rows of 48 dimensions that lie in a subspace of 8."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((48, 8)))[0]
    return workload(*(unit(rng.standard_normal((n, 8)) @ basis.T) for n in (600, 40)))


@pytest.fixture(scope="module")
def card(flat_world) -> RunCard:
    """Of one run, with few codes."""
    with pytest.MonkeyPatch.context() as patch:
        in_haste(patch)
        patch.setattr(codes, "PARTS", (4,))
        patch.setattr(codes, "kinds", lambda *given, whole=codes.kinds: [*whole(*given)][:1])
        return measure("reduce", Bench(None, Key("colours", "mean-colour"), _workload=flat_world))


def of(points: list[dict], method: str) -> dict[int, dict]:
    return {point["dim"]: point for point in points if point["method"] == method}


def test_principal_axes_keep_all_of_a_subspace(card):
    points = card.parts["points"]
    full, pca = of(points, "float32")[48], of(points, "PCA")
    assert full["recall_10"] == 1 and full["saved_percent"] == 0
    assert list(pca) == [8, 16, 32, 48]
    for dim, point in pca.items():
        assert point["recall_10"] >= 0.99  # two that are equally near may change places
        assert point["knn_top1"] == full["knn_top1"]
        assert point["bytes"] == 4 * dim
    assert pca[8]["saved_percent"] == pytest.approx(100 * (1 - 8 / 48))
    assert of(points, "random projection")[8]["recall_10"] < 0.9


def test_axes_are_ordered_and_keep_cosines(flat_world):
    axes = reduce.principal_axes(flat_world.vectors)
    kept = reduce.projected(flat_world, axes[:, :8])
    cosines = flat_world.queries @ flat_world.vectors.T
    assert kept.queries @ kept.vectors.T == pytest.approx(cosines, abs=1e-4)
    fewer = reduce.projected(flat_world, axes[:, 8:])  # what is left is rounding
    assert np.abs(fewer.queries @ fewer.vectors.T - cosines).max() > 0.1


def test_all_dimensions_in_fewer_bits(flat_world):
    forms = dict(reduce.whole_dimensions(flat_world))
    assert {name: form.bytes for name, form in forms.items()} == {"float32": 192, "float16": 96, "int8": 48}
    for name, error in (("float32", 0), ("float16", 5e-4), ("int8", 0.01)):
        assert np.abs(forms[name].vectors - flat_world.vectors).max() <= error
        assert np.array_equal(forms[name].queries, flat_world.queries)
    assert not np.array_equal(forms["int8"].vectors, flat_world.vectors)


def test_the_cosine_of_hamming_distances():
    axes = np.eye(16, dtype=np.float32)
    work = workload(np.concatenate([axes[:1], axes[1:2], -axes[:1]]), axes[:1])
    found = reduce.hashed(work, "LSH1024r", 1024, 3)
    assert found.positions.tolist() == [[0, 1, 2]]
    assert found.scores[0] == pytest.approx([1, 0, -1], abs=0.15)  # 1 / sqrt(1024) of pi, three times


def test_bits_and_their_bytes(card):
    points = card.parts["points"]
    assert list(of(points, "LSH")) == [32]  # without a rotation there are no more bits than dimensions
    rotated = of(points, "LSH, rotated")
    assert {bits: point["bytes"] for bits, point in rotated.items()} == {b: b // 8 for b in reduce.BITS}
    assert rotated[1024]["recall_10"] > rotated[32]["recall_10"]


def test_random_projection_is_the_mean_over_seeds(card, flat_world):
    point = of(card.parts["points"], "random projection")[16]
    each = []
    for seed in range(reduce.SEEDS):
        drawn = np.random.default_rng(seed).standard_normal((48, 16), dtype=np.float32)
        each.append(reduce.quality(reduce.exact(reduce.projected(flat_world, drawn), 20), flat_world)["recall_10"])
    assert len(set(each)) > 1
    assert point["recall_10"] == pytest.approx(np.mean(each)) and point["dim"] == 16
    assert point["recall_10_spread"] == pytest.approx(np.std(each, ddof=1))


def test_hashing_is_drawn_several_times_too(card, flat_world):
    points = card.parts["points"]
    for method in ("LSH, rotated", "LSH, rotated, thresholds"):
        assert of(points, method)[64]["knn_top1_spread"] >= 0 and of(points, method)[64]["recall_10_spread"] > 0
    assert "recall_10_spread" not in of(points, "LSH")[32] and "recall_10_spread" not in of(points, "PCA")[8]


def test_a_random_rotation_keeps_every_cosine(flat_world):
    once, again, other = (reduce.turned(flat_world, seed) for seed in (0, 0, 1))
    assert np.array_equal(once.vectors, again.vectors) and np.abs(once.vectors - other.vectors).max() > 0.1
    assert other.queries @ other.vectors.T == pytest.approx(flat_world.queries @ flat_world.vectors.T, abs=1e-5)


def test_tables_and_charts(card):
    table, kept = reduce.tables([card])
    assert kept.name == "codes-mean-colour" and len(kept.rows) == len(card.parts["codes"]) > 0
    assert len(table.rows) == len(card.parts["points"]) and "48 dimensions" in table.title
    spreads = [place for place, column in enumerate(table.columns) if column.key.endswith("_spread")]
    for row, line in zip(table.rows, table.cells(), strict=True):
        for place, cell in enumerate(line):
            assert cell != "–" or (place in spreads and row["method"] in ("float32", "float16", "int8", "PCA", "LSH"))
    pytest.importorskip("matplotlib")
    charts = reduce.charts([card])
    assert set(charts) == {"reduce-accuracy", "reduce-recall", "codes-distortion", "codes-nearest"}
    labels = [line.get_label() for line in charts["reduce-recall"].axes[0].lines]
    assert labels[-1] == "float32, 192 bytes" and "PCA" in labels and "float32" not in labels
