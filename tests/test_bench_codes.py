"""`codes`: distortion and recall of short codes, with known answers; four kinds of quantisation told apart."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.bench import codes
from searchdemo.bench.lopq import balanced_rotation, decoded, lopq_decoded
from searchdemo.bench.said import accuracy
from searchdemo.bench.workload import Bench, synthetic
from searchdemo.measure.cards import RunCard
from tests.conftest import unit


@pytest.fixture(scope="module")
def card() -> RunCard:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "PARTS", (2, 8, 64))  # 64 parts do not divide 16 dimensions
        patch.setattr(codes, "PER_CELL", 500)
        work = synthetic(1200, 60, 16)
        rows, notes = codes.code_rows(work, Bench(None, None))
    assert not notes
    return RunCard("reduce", "colours", "bundled", {"codes": rows}, work.subject, {}, at="2030-01-02")


def test_more_bits_keep_more(card):
    for method in ("PQ", "OPQ", "PQ in cells", "LOPQ"):
        rows = [row for row in card.parts["codes"] if row["method"] == method]
        assert [row["bits"] for row in rows] == [16, 64]
        for key, sign in (("distortion", -1), ("nearest_5", 1), ("recall_10", 1)):
            values = [sign * row[key] for row in rows]
            assert values == sorted(values), (method, key)
        assert all(row["nearest_1"] <= row["nearest_5"] <= row["nearest_10"] <= row["nearest_100"] for row in rows)


def test_distortion_is_the_mean_squared_distance():
    """256 different rows are their own 256 centroids: nothing is lost. With a zero code it would be the length, 1."""
    rows = unit(np.random.default_rng(0).standard_normal((256, 8)))
    assert ((decoded(rows, "PQ1np") - rows) ** 2).sum(axis=1).mean() < 1e-4
    assert ((decoded(rows, "SQ8") - rows) ** 2).sum(axis=1).mean() < 1e-4


def test_a_rotation_of_its_own_in_each_cell_helps_where_cells_lie_differently():
    """Two cells, each flat in other directions: what one rotation cannot turn upright, two can."""
    rng = np.random.default_rng(0)
    sides = []
    for side in (-4.0, 4.0):
        axes = np.linalg.qr(rng.standard_normal((16, 16)))[0]
        rows = rng.standard_normal((1200, 16)) * np.geomspace(1, 0.01, 16) @ axes.T
        rows[:, 0] += side
        sides.append(rows)
    vectors = np.concatenate(sides).astype(np.float32)

    def lost(kept: np.ndarray) -> float:
        return float(((kept - vectors) ** 2).sum(axis=1).mean())

    assert lost(lopq_decoded(vectors, 2, 4)) < 0.9 * lost(decoded(vectors, "IVF2,PQ4np"))


def test_the_rotation_is_one_and_its_groups_are_alike():
    rows = np.random.default_rng(0).standard_normal((500, 8)) * np.geomspace(1, 0.1, 8)
    rotation = balanced_rotation(rows, 4)
    assert rotation.T @ rotation == pytest.approx(np.eye(8), abs=1e-5)
    variances = (rows @ rotation).var(axis=0).reshape(4, 2).prod(axis=1)
    assert variances.max() / variances.min() < 1.5  # unsorted axes would give 10^3 between first and last


def test_the_bits_that_the_first_five_need(card):
    rows = [{"method": "a", "bits": bits, "nearest_5": share} for bits, share in ((64, 0.95), (32, 0.91), (16, 0.5))]
    assert codes.bits_for([*rows, {"method": "b", "bits": 512, "nearest_5": 0.8}]) == {"a": 32, "b": None}


def test_tables_charts_and_words(card):
    table = codes.code_table(card)
    assert len(table.cells()) == 8 and "random vectors" in table.title
    assert all("–" not in line for line in table.cells())
    assert "distortion" in accuracy.codes([card])
    pytest.importorskip("matplotlib")
    assert set(codes.code_charts([card])) == {"codes-distortion", "codes-nearest"}
