"""`scale`: sizes, the effort that reaches the target, exponents with known answers, tables and charts from cards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from searchdemo.bench.augment import AUGMENTATIONS
from searchdemo.bench.augmented import embed_missing
from searchdemo.bench.suite import scale
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, Workload, synthetic
from searchdemo.collection.store import Key
from searchdemo.errors import NoPictures, NotBuilt
from searchdemo.indexes.table import find
from searchdemo.measure.cards import RunCard
from searchdemo.types import MISSING, Neighbors
from tests.conftest import colour_gallery, colour_pictures, exact_rows

SIZES = [20_000, 100_000, 1_000_000]


# Exponents


@pytest.mark.parametrize("power", [0, 0.5, 1, 1.2])
def test_the_exponent_of_a_power_law(power):
    assert scale.exponent(SIZES, [3e-4 * size**power for size in SIZES]) == pytest.approx(power)


def test_the_exponent_is_a_fit_by_least_squares():
    # log10 of sizes 0, 1, 2 and of values 0, 2, 1: slope = sum (x - 1)(y - 1) / sum (x - 1)^2 = 1 / 2
    assert scale.exponent([1, 10, 100], [1, 100, 10]) == pytest.approx(0.5)


@pytest.mark.parametrize(("sizes", "values"), [([5], [1.0]), ([5, 5], [1.0, 2.0]), (SIZES, [1.0, None, 3.0])])
def test_no_exponent_of_what_was_not_measured(sizes, values):
    assert scale.exponent(sizes, values) is None


def test_growth_has_a_row_an_index():
    rows = [
        {"index": name, "family": "ivf", "vectors": size, "p50_ms": size**power, "target_p50_ms": None}
        | {"build_s": 0.0, "size_bytes": 512 * size}
        for size in SIZES
        for name, power in (("one", 1.0), ("half", 0.5))
    ]
    first, second = scale.growth(rows)
    assert (first["index"], second["index"]) == ("one", "half") and first["sizes"] == SIZES
    assert first["p50_ms_exponent"] == pytest.approx(1) and second["p50_ms_exponent"] == pytest.approx(0.5)
    assert first["size_bytes_exponent"] == pytest.approx(1)
    assert first["target_p50_ms_exponent"] is None and first["build_s_exponent"] is None


@dataclass
class Built:
    load_ms: float


class Builds:
    """An index that takes so many milliseconds to build, one after the other."""

    def __init__(self, *milliseconds: float):
        self.left = list(milliseconds)

    def build(self, vectors: np.ndarray) -> Built:
        return Built(self.left.pop(0))


@pytest.mark.parametrize(
    ("builds", "seconds", "left"),
    [
        ((600.0, 40.0, 42.0, 44.0, 41.0), 0.042, 0),  # the first contains what a library does once
        ((1500.0, 40.0), 1.5, 1),  # a long one is not done again
        ((0.09, 0.001, 0.001, 0.001, 0.001), None, 0),  # brute force builds nothing
    ],
)
def test_a_build_contains_nothing_that_a_process_does_once(builds, seconds, left):
    entry = Builds(*builds)
    _, measured = scale.built(entry, np.zeros((1, 4)))
    assert measured == (seconds if seconds is None else pytest.approx(seconds)) and len(entry.left) == left


# The effort that reaches the target


class Answers:
    """An index that finds the first `found(value)` of the exact answer."""

    def __init__(self, work: Workload, name: str, found):
        self.work, self.spec, self.found, self.asked = work, find(name), found, []

    def search(self, queries: np.ndarray, k: int, **params: int) -> Neighbors:
        (value,) = params.values()
        self.asked.append(value)
        rows = exact_rows(queries, self.work.vectors, k)
        rows[:, self.found(value) :] = MISSING
        return Neighbors(rows, np.zeros(rows.shape, np.float32))


def at_target(index: Answers) -> dict:
    return scale._at_target(index, index.work, {"recall_10": 0.1, "p50_ms": 9.0}, lambda search: 2.5)


@pytest.fixture(scope="module")
def small() -> Workload:
    return synthetic(400, 20, 16)


@pytest.mark.parametrize(
    ("name", "param", "needed", "asked"),
    [("ivf", "nprobe", 8, [1, 2, 4, 8]), ("hnsw", "ef_search", 16, [16]), ("hnsw", "ef_search", 50, [16, 32, 64])],
)
def test_the_least_effort_that_reaches_the_target(small, name, param, needed, asked):
    index = Answers(small, name, lambda value: 10 if value >= needed else int(9 * value / needed))
    found = at_target(index)
    assert found == {
        "target_param": param,
        "target_value": asked[-1],
        "target_recall_10": 1.0,
        "target_p50_ms": 2.5,
    }
    assert index.asked == asked


def test_effort_that_helps_no_further_ends_the_search(small):
    index = Answers(small, "ivfpq", lambda value: min(value, 6))
    assert at_target(index)["target_p50_ms"] is None and at_target(index)["target_value"] is None
    assert index.asked[:5] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(("recall", "p50"), [(0.99, 9.0), (0.9, None)])
def test_an_index_without_effort_is_taken_as_it_is(small, recall, p50):
    index = Answers(small, "sq8", lambda value: 10)
    found = scale._at_target(index, small, {"recall_10": recall, "p50_ms": 9.0}, lambda search: 2.5)
    assert found["target_p50_ms"] == p50 and index.asked == []


# The benchmark


@pytest.fixture
def bench(world, hasty) -> Callable[..., Bench]:
    return lambda **options: Bench(world.library(), Key("colours", "mean-colour"), **options)


def test_a_fifth_all_and_all_augmentations(bench, world, monkeypatch):
    monkeypatch.setattr(scale, "MEASURED", ("brute", "flat", "ivf", "ivfpq"))
    world.built()
    figures = scale.run(bench())
    assert figures.subject["vectors"] == 3000 and not figures.subject["synthetic"]
    assert figures.settings["augmentations"] == list(AUGMENTATIONS) and figures.settings["threads"] == [1]
    rows = {(row["index"], row["vectors"]): row for row in figures.parts["scale"]}
    assert {size for name, size in rows if name == "flat"} == {60, 300, 3000}
    assert rows["flat", 3000]["size_bytes"] == 3000 * 8 * 4
    assert rows["brute", 60]["recall_10"] == rows["flat", 60]["recall_10"] == rows["flat", 300]["recall_10"] == 1
    assert rows["ivf", 3000]["factory"] == "IVF64,SQfp16"
    # 256 centroids cannot be trained from 60 vectors
    assert ("ivfpq", 60) not in rows and any(note.startswith("ivfpq on 60 vectors") for note in figures.notes)
    (brute,) = (row for row in figures.parts["growth"] if row["index"] == "brute")
    card = RunCard("scale", "colours", "mean-colour", figures.parts, figures.subject, figures.settings)
    assert scale.tables([card])[0].title.endswith("each picture under 10 augmentations")
    assert brute["sizes"] == [60, 300, 3000] and brute["size_bytes_exponent"] == pytest.approx(1)


def test_pictures_that_ask_are_left_out_under_every_augmentation(bench, world):
    """Nothing is held out, so some of the gallery's own pictures ask."""
    world.change(queries=colour_pictures(0, seed=1))
    world.built()
    run = bench()
    originals = run.workload()
    largest = scale.workloads(run)[-1]
    kept = len(originals.vectors)
    assert originals.subject["left_out"] == 300 - kept > 0
    assert len(largest.vectors) == len(largest.labels) == len(AUGMENTATIONS) * kept
    assert np.array_equal(largest.vectors[:kept], originals.vectors)
    assert (largest.vectors @ originals.queries.T).max(axis=0).max() < 1


def test_quick_embeds_nothing_and_grows_over_shares_of_what_there_is(bench, world):
    world.built()
    world.encoder.encoded = 0
    figures = scale.run(bench(quick=True))
    assert world.encoder.encoded == 0
    assert {row["vectors"] for row in figures.parts["scale"]} == {60, 150, 300}
    assert any(row["p50_ms_exponent"] is not None for row in figures.parts["growth"])
    assert "augmentations" not in figures.settings


def test_synthetic_says_so_until_the_pictures_are_embedded(bench, world, monkeypatch):
    world.gallery = colour_gallery(100)  # each of which is embedded under all augmentations
    monkeypatch.setattr(scale, "SYNTHETIC_SIZES", (300, 600, 1200))
    monkeypatch.setattr(scale, "MEASURED", ("flat", "ivf"))
    for _ in range(2):  # neither built, then built but not augmented
        figures = scale.run(bench(synthetic=True))
        assert figures.subject["synthetic"] and "augmentations" not in figures.settings
        assert {row["vectors"] for row in figures.parts["scale"]} == {300, 600, 1200}
        world.built()
    embed_missing(world.library().open("colours", "mean-colour"))
    assert not scale.run(bench(synthetic=True)).subject["synthetic"]


def test_what_is_not_here_names_the_stand_in(bench, world):
    with pytest.raises(NotBuilt, match=r"python -m searchdemo build.*--synthetic measures random vectors"):
        scale.run(bench())
    world.built()
    world.gallery = colour_gallery(absent=range(300))
    with pytest.raises(NoPictures, match=r"not on this machine.*--synthetic"):
        scale.run(bench())


@pytest.mark.parametrize("quick", [True, False])
def test_full_adds_inverted_files_on_disk(bench, world, monkeypatch, quick):
    def rows(sizes, dim, seed, place, tell):
        assert place == world.store.own
        return [
            {"index": "ivf-disk", "vectors": size, "nprobe": 16, "p50_ms": 2.0, "build_s": size, "size_bytes": dim}
            for size in sizes
        ]

    monkeypatch.setattr(scale.disk, "rows", rows)
    monkeypatch.setattr(scale, "SYNTHETIC_SIZES", (300, 600))
    monkeypatch.setattr(scale, "MEASURED", ("flat",))
    world.built()
    parts = scale.run(bench(quick=quick, synthetic=True, options={"full": True})).parts
    assert [row["vectors"] for row in parts["disk"]] == list(scale.QUICK_DISK_SIZES if quick else scale.DISK_SIZES)
    (grown,) = parts["disk_growth"]
    assert grown["build_s_exponent"] == pytest.approx(1) and grown["p50_ms_exponent"] == pytest.approx(0)
    assert parts["disk"][0]["size_bytes"] == 8  # as many dimensions as the gallery's vectors have


def test_tables_and_charts_are_drawn_from_the_card(bench, world, monkeypatch):
    monkeypatch.setattr(scale, "SYNTHETIC_SIZES", (300, 600, 1200))
    card = RunCard.from_json(json.loads(json.dumps(measure("scale", bench(synthetic=True)).to_json())))
    rows, growth = scale.tables([card])
    assert (rows.name, growth.name) == ("scale-mean-colour", "scale-growth-mean-colour")
    assert len(rows.cells()) == len(card.parts["scale"]) == 3 * len(scale.MEASURED) - len(card.notes)
    assert len(growth.cells()) == len(scale.MEASURED) and "augmentations" not in rows.title
    assert "synthetic" in rows.markdown() and rows.cells()[0][:2] == ["brute", "300"]
    pytest.importorskip("matplotlib")
    (figure,) = scale.charts([card]).values()
    latencies, builds = figure.axes
    assert len(latencies.lines) == len(builds.lines) == len(scale.MEASURED)
    assert latencies.lines[1].get_xdata().tolist() == [300, 600, 1200]
    expected = [row["p50_ms"] for row in card.parts["scale"] if row["index"] == "flat"]
    assert latencies.lines[1].get_ydata().tolist() == expected
