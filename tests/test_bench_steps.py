"""What a step costs, worked out by hand from cards whose figures are round."""

from __future__ import annotations

import pytest

from searchdemo.bench import steps
from searchdemo.bench.said.table import all_said
from searchdemo.measure.cards import RunCard

ROW = {"vectors": 1_000_000, "p50_ms": 1.0, "recall_10": 0.5, "build_s": 1.0}
SIZES = {"flat": 512, "ivf": 256, "hnsw": 544, "ivfpq": 40}  # bytes per vector
SCALE = RunCard(
    "scale",
    "scenes",
    "bundled",
    {"scale": [ROW | {"index": name, "size_bytes": size * 10**6} for name, size in SIZES.items()]},
    {"vectors": 1_000_000, "dim": 128},
    {},
)
DISK = {"vectors": 10_000_000, "size_bytes": 2_650_000_000, "search_peak_bytes": 1_500_000_000}
SERVER = {"index": "milvus", "vectors": 100_000, "resident_bytes": 600_000_000, "idle_bytes": 500_000_000}
MILVUS = RunCard("milvus", "scenes", "bundled", {"milvus": [SERVER | {"library": "Milvus server"}]}, {}, {})


def rows_of(cards: list[RunCard]) -> dict:
    return {(row["index"], row["vectors"]): row for row in steps.costs(cards)}


def test_memory_disk_machine_and_price_by_hand():
    row = rows_of([SCALE])["hnsw", 10_000_000]
    assert (row["memory_gb"], row["disk_gb"]) == (8.0, 8.0)  # 544 and 256 bytes for each vector
    assert row["machine_gb"] == 16  # 1.3 x 8 + 1 = 11.4
    assert row["month"] == pytest.approx(730 * (16 * 0.005 + 8 * 0.0001))
    assert rows_of([SCALE])["flat", 10_000_000]["disk_gb"] == 2.56  # the half floats
    assert [steps.machine_gb(gb) for gb in (0.01, 0.7, 0.8, 5.3, 5.4)] == [2, 2, 4, 8, 16]


def test_what_was_not_measured_has_no_row():
    assert {index for index, _ in rows_of([SCALE])} == {"flat", "ivf", "hnsw", "ivfpq"}
    assert steps.tables([MILVUS]) == []
    without = RunCard("scale", "scenes", "bundled", {"scale": SCALE.parts["scale"][:2]}, SCALE.subject, {})
    assert {index for index, _ in rows_of([without])} == {"flat", "ivf"} and "steps" not in all_said([without])


def test_lists_on_disk_take_their_own_peak_and_a_server_what_it_had_before():
    card = RunCard("scale", "scenes", "bundled", SCALE.parts | {"disk": [DISK]}, SCALE.subject, {})
    found = rows_of([card, MILVUS])
    assert (found["ivf-disk", 10**8]["memory_gb"], found["ivf-disk", 10**8]["disk_gb"]) == (1.5, 26.5)
    server = found["milvus", 10**6]
    assert server["memory_gb"] == pytest.approx(1 + 0.5)  # 1,000 bytes for each vector, and 0.5 GB without any
    assert ("milvus", 10**7) not in found  # too far from the 100,000 that were measured


def test_the_sentence_works_one_row_out():
    said = all_said([SCALE])["steps"]
    assert "10 x 800 MB = 8.00 GB" in said and "it is 11.4 GB, so a machine of 16 GB: 16 x 0.005 x 730 = 58.40" in said
    assert "`ivfpq` finds 0.50 of the ten nearest of 1,000,000 vectors" in said
