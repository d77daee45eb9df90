"""The trade-off benchmark on small workloads whose answers are known, and what is drawn from its cards."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import replace

import numpy as np
import pytest

from searchdemo.bench import sweep
from searchdemo.bench.points import Votes, paired_difference, quality
from searchdemo.bench.suite import tradeoff
from searchdemo.bench.sweep import FULL, QUICK, Grid
from searchdemo.bench.tradeoff_drawn import accuracy_rows, nearest
from searchdemo.bench.workload import Bench, synthetic
from searchdemo.indexes.factory import is_hash, params_of
from searchdemo.indexes.table import nlist
from searchdemo.measure.cards import RunCard
from searchdemo.measure.pareto import front
from searchdemo.measure.recommend import search_parameters_source
from searchdemo.types import MISSING
from tests.conftest import in_haste

POINT_KEYS = {
    *("index", "family", "factory", "build_params", "params", "metric"),
    *("p50_ms", "p95_ms", "p99_ms", "repeats"),
    *("recall_1", "recall_10", "recall_100", "precision_1", "precision_10", "precision_100"),
    *("knn_queries", "knn_lost", "knn_gained"),
    *("knn_top1", "size_bytes", "build_s"),
}
SMALL = (
    Grid("flat", "exact", "Flat"),
    Grid("ivf", "ivf", "IVF{nlist},SQfp16", nlist=(1 / 2, 1), params={"nprobe": (1, 4, 16, 32, 64)}),
    Grid("hnsw", "graph", "HNSW32", build_params={"efConstruction": (40, 200)}, params={"ef_search": (16, 128)}),
    Grid("pq", "quantised", "PQ{m}x4fs", m=(1 / 2, 3)),  # 3: more sub-quantisers than dimensions, FAISS refuses
    Grid("lsh", "hash", "LSH{bits}rt", bits=(1, 8)),
    Grid("lsh+refine", "hash", "LSH{bits}rt,Refine(SQfp16)", bits=(4,), params={"k_factor": (8,)}),
)
CELLS = 32  # nlist(1,500)


@pytest.fixture(scope="module")
def card() -> RunCard:
    """Of a quick run on 1,500 vectors of 32 dimensions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tradeoff, "QUICK", SMALL)
        patch.setattr(tradeoff, "ROUNDS", 1)
        in_haste(patch)
        patch.setattr(os, "cpu_count", lambda: 2)  # with one core, one thread and all threads are the same way
        work = synthetic(1500, 60, 32)
        figures = tradeoff.run(Bench(None, None, quick=True, _workload=work))
    return RunCard(
        "tradeoff",
        "tiny-imagenet",
        "bundled",
        figures.parts,
        figures.subject,
        {"quick": True} | figures.settings,
        figures.requirements,
        figures.notes,
        {"name": "a machine"},
        at="2030-01-02",
    )


def points(card: RunCard, index: str) -> list[dict]:
    return [row for row in card.parts["points"] if row["index"] == index]


def test_every_point_has_the_same_keys(card):
    assert len(card.parts["points"]) == 1 + (3 + 4) + 4 + 1 + 2 + 1
    for row in card.parts["points"]:
        assert set(row) == POINT_KEYS
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] and row["size_bytes"] > 0
        assert row["metric"] == ("l2" if is_hash(row["factory"]) else "ip")


def test_figures_are_those_of_the_index(card):
    (flat,) = points(card, "flat")
    assert flat["recall_1"] == flat["recall_10"] == flat["recall_100"] == 1
    assert flat["size_bytes"] == 1500 * 32 * 4
    cells = [row for row in points(card, "ivf") if row["factory"] == f"IVF{CELLS},SQfp16"]
    assert [row["params"]["nprobe"] for row in cells] == [1, 4, 16, 32]  # not 64: there are 32 cells
    assert all(a["recall_10"] < b["recall_10"] for a, b in itertools.pairwise(cells))
    assert cells[-1]["recall_10"] > 0.99  # every cell visited: half floats alone are left to err
    assert cells[-1]["knn_top1"] == pytest.approx(flat["knn_top1"], abs=2)
    few, many = points(card, "lsh")
    assert few["recall_10"] < many["recall_10"] and few["size_bytes"] < many["size_bytes"]
    assert [row["build_params"] for row in points(card, "hnsw")] == [
        *[{"efConstruction": 40}] * 2,
        *[{"efConstruction": 200}] * 2,
    ]


def test_what_cannot_be_built_is_a_note(card):
    assert any(note.startswith("pq: ") and "PQ96x4fs" in note for note in card.notes)


def test_number_of_results(card):
    rows = [row for row in card.parts["k"] if row["index"] == "flat"]
    assert [row["k"] for row in rows] == [1, 10, 50, 100, 500, 1000]
    assert all(row["recall"] == 1 for row in rows)
    shares = [row["precision"] for row in rows]
    assert shares == sorted(shares, reverse=True)  # 7 or 8 vectors a class: the more, the fewer of the query's
    graph = [row["recall"] for row in card.parts["k"] if row["index"] == "hnsw"]
    assert graph[1] > graph[-1]  # ef_search 32 keeps too few candidates for 1,000


def test_efforts_that_grow_with_the_results_find_them(card):
    rows = {(row["index"], row["k"]): row for row in card.parts["k"]}
    grown = rows["hnsw, ef_search = k", 1000]
    assert grown["params"] == {"ef_search": 1000} and grown["recall"] > 0.95 > rows["hnsw", 1000]["recall"]
    pytest.importorskip("annoy", reason="requirements-bench.txt is not installed")
    assert rows["annoy, search_k = 50 k", 100]["params"] == {"search_k": 5000}


def test_class_names_are_a_second_set_of_queries():
    work = synthetic(600, 20, 16)
    assert not any("words" in key for key in quality(lambda queries, k: work.exact(k), work, 10))
    asked = replace(work, words=work.vectors[:3])

    def only_words(queries, k):
        return asked.exact_words(k) if len(queries) == 3 else np.full((len(queries), k), MISSING)

    found = quality(only_words, asked, 1, 10)
    assert found["words_recall_1"] == found["words_recall_10"] == 1 and found["recall_10"] == 0
    assert asked.exact_words(1).ravel().tolist() == [0, 1, 2]  # their own rows are nearest
    part = asked.part(100)
    assert len(part.words) == 3 and part.exact_words(5).max() < 100


def test_shards(card):
    flat = [row for row in card.parts["shards"] if row["index"] == "flat"]
    assert {row["shards"] for row in flat} == {1, 4}
    assert {(row["threaded"], row["threads"] > 1 or row["threaded"]) for row in flat} >= {(False, False), (True, True)}
    assert all(row["recall_10"] == 1 for row in flat)  # positions are those of the whole
    graph = {row["shards"]: row["recall_10"] for row in card.parts["shards"] if row["index"] == "hnsw"}
    assert graph[4] > 0.95


def test_metric(card):
    rows = {(row["index"], row["metric"]): row for row in card.parts["metric"]}
    assert all(rows[index, "ip"]["same_order"] == 1 for index in ("flat", "ivf", "hnsw"))
    assert rows["flat", "l2"]["same_order"] >= 0.95  # but for ties in the last bit
    assert rows["flat", "l2"]["recall_10"] == pytest.approx(1, abs=0.002)


def test_the_requirement_compares_measured_points(card):
    (held,) = card.requirements
    assert held.bound == 1.1 and held.measured >= 1 and f"IVF{CELLS},SQfp16" in held.name


def test_no_requirement_when_our_setting_was_not_enough():
    run = tradeoff.Sweep(Bench(None, None), synthetic(400, 10, 16))
    assert run.requirements() == [] and "no nprobe" in run.notes[0]


# What is drawn


def test_tables(card):
    tables = {table.name: table for table in tradeoff.tables([card])}
    assert list(tables) == [f"tradeoff-{name}-bundled" for name in ("front", "memory", "knn", "k", "shards", "metric")]
    best = front(card.parts["points"])
    assert [row["p50_ms"] for row in tables["tradeoff-front-bundled"].rows] == [row["p50_ms"] for row in best]
    assert len(best) < len(card.parts["points"])
    for table in tables.values():
        cells = table.cells()
        assert cells and all(len(line) == len(table.columns) for line in cells)
        assert not any(cell == "–" for line in cells for cell in line), table.name
        assert "quick run" in table.markdown()
    assert len(tables["tradeoff-shards-bundled"].rows) == 6


def test_charts(card, tmp_path):
    pytest.importorskip("matplotlib")
    from searchdemo.bench.plots import save_svg

    drawn = tradeoff.charts([card, replace(card, encoder="another")])
    assert list(drawn) == ["tradeoff", "tradeoff-memory", "tradeoff-knn"]
    for name, figure in drawn.items():
        save_svg(figure, tmp_path / f"{name}.svg")
        text = (tmp_path / f"{name}.svg").read_text()
        assert "another" in text and "recall@10" in text


def at(recall: float, top1: float, family: str = "ivf", ms: float = 1.0) -> dict:
    return {"recall_10": recall, "knn_top1": top1, "family": family, "p50_ms": ms}


def test_accuracy_beside_recall():
    rows = [at(1, 60, "exact"), at(0.9, 58), at(0.92, 57), at(0.51, 40), at(0.88, 59, "graph"), at(0.6, 50)]
    found = [(row["target"], row["family"], row["difference"]) for row in accuracy_rows(rows)]
    assert found == [(1, "exact", 0), (0.95, "ivf", -3), (0.9, "ivf", -2), (0.9, "graph", -1), (0.5, "ivf", -20)]
    assert nearest([at(0.89, 1, ms=2), at(0.91, 2, ms=1)], 0.9)["knn_top1"] == 2  # as near, faster
    assert nearest(rows, 0.7) is None
    assert accuracy_rows([at(0.9, 58)])[0]["difference"] is None


# Pairs


def test_a_paired_difference_by_hand():
    """Of 10,000 queries 107 lost and 37 gained: -0.70 points, standard error sqrt(144 - 70^2 / 10^4) / 100 = 0.120."""
    found = paired_difference(107, 37, 10_000)
    assert found.points == pytest.approx(-0.70) and found.margin == pytest.approx(1.96 * 0.11980, abs=1e-4)
    assert found.significant and found.interval == "-0.93 to -0.47"
    assert not paired_difference(51, 40, 10_000).significant
    assert paired_difference(0, 0, 10).interval == "+0.00 to +0.00"


def test_the_interval_is_that_of_the_mean_over_queries():
    rng = np.random.default_rng(0)
    change = rng.choice([-1, 0, 1], p=[0.03, 0.95, 0.02], size=5000)
    found = paired_difference(int((change == -1).sum()), int((change == 1).sum()), 5000)
    assert found.points == pytest.approx(100 * change.mean())
    assert found.margin == pytest.approx(196 * change.std() / np.sqrt(5000), rel=1e-3)


def test_votes_are_paired_with_those_of_the_exact_answer():
    work = synthetic(600, 50, 16)
    votes = Votes(work)
    same = votes.of(lambda queries, k: work.exact(k))
    assert same["knn_lost"] == same["knn_gained"] == 0 and same["knn_queries"] == 50
    with np.errstate(invalid="raise"):  # no vote at all is no vote, not a division by nothing
        none = votes.of(lambda queries, k: np.full((len(queries), k), MISSING))
    assert none["knn_top1"] == none["knn_gained"] == 0
    assert none["knn_lost"] == round(same["knn_top1"] * 50 / 100) > 0


def test_accuracy_is_of_all_queries_and_recall_of_a_part(monkeypatch, hasty):
    monkeypatch.setattr(tradeoff, "QUERIES", 20)
    monkeypatch.setattr(tradeoff, "FULL", (Grid("flat", "exact", "Flat"),))
    for part in ("by_k", "by_shards", "by_metric"):
        monkeypatch.setattr(tradeoff.Sweep, part, lambda self, *numbers: [])
    figures = tradeoff.run(Bench(None, None, _workload=synthetic(600, 90, 16)))
    assert figures.subject["queries"] == 20
    assert {row["knn_queries"] for row in figures.parts["points"]} == {90}


# The grids


@pytest.mark.parametrize("grid", [*FULL, *QUICK], ids=lambda grid: f"{grid.index}-{grid.factory}")
def test_a_grid_names_the_parameters_that_its_indexes_have(grid):
    for dim in (128, 384, 1280):
        for spec in grid.specs(100_000, dim):
            factory = spec.factory(100_000, dim)
            assert {param.name for param in params_of(factory)} == set(grid.params)
            for params in grid.settings(spec, 100_000, dim):
                assert re.fullmatch(r"None|faiss\.\w+\(.+\)", search_parameters_source(factory, params))


def test_grids_follow_the_number_of_vectors_and_the_dimension():
    grid = Grid("x", "ivf", "IVF{nlist},PQ{m}", nlist=(1 / 2, 1), m=(1 / 8,), params={"nprobe": (1, 100, 1000)})
    built = {spec.factory(0, 0): grid.settings(spec, 10_000, 64) for spec in grid.specs(10_000, 64)}
    assert nlist(10_000) == 128
    assert built == {
        "IVF64,PQ8": [{"nprobe": 1}],
        "IVF128,PQ8": [{"nprobe": 1}, {"nprobe": 100}],
    }
    assert sweep.combinations({"a": (1, 2), "b": (3,)}) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
    assert sweep.combinations({}) == [{}]
