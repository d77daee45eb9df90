"""Bounds in words, the point that they choose, and the code that is handed out for it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from searchdemo import assets, cli
from searchdemo.bench.points import point
from searchdemo.bench.suite import tradeoff
from searchdemo.bench.workload import stored
from searchdemo.errors import BadQuery
from searchdemo.indexes.factory import from_factory, is_hash
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.metrics import recall_at_k
from searchdemo.measure.recommend import (
    Bounds,
    advice,
    choose,
    excesses,
    own_snippet,
    parse,
    search_parameters_source,
    setting,
    snippet,
)


def row(factory: str, recall: float, ms: float, mb: float = 10, top1: float = 50, **params: int) -> dict:
    figures = {"recall_10": recall, "p50_ms": ms, "p95_ms": 2 * ms, "size_bytes": mb * 1e6, "knn_top1": top1}
    about = {"index": factory.lower(), "factory": factory, "build_params": {}, "params": params, "metric": "ip"}
    return about | figures | {"build_s": 1.0, "family": "exact" if factory == "Flat" else "ivf"}


POINTS = [
    row("Flat", 1.0, 2.0, 51),
    row("IVF8,Flat", 0.96, 0.1, 52, nprobe=2),
    row("IVF8,Flat", 0.99, 0.2, 52, nprobe=4),
    row("PQ4", 0.6, 0.5, 3, top1=49),
]


def card(points: list[dict], gallery: str = "colours", encoder: str = "mean-colour", quick: bool = False) -> RunCard:
    subject = {"vectors": 300, "dim": 8, "queries": 30}
    parts = {"points": points}
    return RunCard("tradeoff", gallery, encoder, parts, subject, {"quick": quick}, at="2030-01-02T03:04:05+00:00")


# What is asked for


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("recall>=0.95,ms<=1,mb<=60", Bounds(0.95, 1, 60)),
        (" Recall >= .9 ", Bounds(recall=0.9)),
        ("ms≤0.25, top1>=50", Bounds(ms=0.25, top1=50)),
        ("mb<=60,", Bounds(mb=60)),
    ],
)
def test_bounds_are_read(text, bounds):
    assert parse(text) == bounds
    assert parse(str(bounds)) == bounds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "No bound"),
        ("recall", "'recall' is not of the form"),
        ("recall=0.9", "'recall=0.9' is not of the form"),
        ("recall>=high", "'recall>=high' is not of the form"),
        ("speed>=3", "no figure 'speed' to bound: choose from recall, ms, mb, top1"),
        ("recall<=0.9", "more is better: write recall>=0.9"),
        ("ms>=1", "less is better: write ms<=1"),
        ("recall>=95", "'recall>=95' is beyond the maximum of 1"),
        ("ms<=1,ms<=2", "'ms' is bounded twice"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text, complaint):
    with pytest.raises(BadQuery, match=complaint.replace("'", ".")):
        parse(text)


# What is chosen


@pytest.mark.parametrize(
    ("bounds", "chosen"),
    [
        (Bounds(recall=0.95), 1),
        (Bounds(recall=0.97), 2),
        (Bounds(recall=0.99), 2),  # a bound that is just met is met
        (Bounds(recall=0.995), 0),
        (Bounds(mb=5), 3),
        (Bounds(recall=0.95, mb=51), 0),
        (Bounds(ms=10), 1),
        (Bounds(top1=49.5, mb=51.5), 0),
    ],
)
def test_the_fastest_of_those_within(bounds, chosen):
    assert choose(POINTS, bounds) is POINTS[chosen]


def test_of_equally_fast_ones_the_one_that_finds_more():
    points = [row("A", 0.9, 1.0), row("B", 0.95, 1.0)]
    assert choose(points, Bounds(ms=1))["factory"] == "B"


def test_the_cheapest_by_another_cost():
    assert choose(POINTS, Bounds(recall=0.95), "size_bytes") is POINTS[0]
    assert choose(POINTS, Bounds(recall=0.5), "size_bytes") is POINTS[3]


def test_a_recall_counts_as_it_is_shown():
    nearly = row("Flat", 0.99995, 2.0)
    assert choose([nearly, POINTS[2]], Bounds(recall=1)) is nearly
    with pytest.raises(BadQuery):
        choose([row("Flat", 0.9994, 2.0)], Bounds(recall=1))


def test_the_nearest_miss_is_named_with_what_it_lacks():
    with pytest.raises(BadQuery) as error:
        choose(POINTS, Bounds(recall=0.99, ms=0.15, mb=52))
    assert "None of 4 measured points meets recall>=0.99,ms<=0.15,mb<=52" in str(error.value)
    assert "nearest is IVF8,Flat (nprobe 2): recall 0.960 is 0.03 short of 0.99." in str(error.value)
    with pytest.raises(BadQuery, match=r"ms 0\.1 is 0\.05 over 0\.05"):
        choose(POINTS, Bounds(recall=0.95, ms=0.05))
    with pytest.raises(BadQuery, match="No point was measured"):
        choose([], Bounds(ms=1))


def test_what_was_not_measured_is_within_no_bound():
    unmeasured = POINTS[0] | {"size_bytes": None}
    assert excesses(unmeasured, Bounds(mb=1e9)) == {"mb": float("inf")}
    assert excesses(unmeasured, Bounds(recall=0)) == {}


# The code that is handed out

KINDS = {
    "Flat": {},
    "IVF4,SQfp16": {"nprobe": 2},
    "IVF4_HNSW8,Flat": {"nprobe": 2, "ef_search": 16},
    "HNSW4": {"ef_search": 12},
    "SQ8": {},
    "PQ4x4np": {},
    "PQ4x4np,Refine(SQfp16)": {"k_factor": 2},
    "IVF4,PQ4x4fs,RFlat": {"nprobe": 2, "k_factor": 3},
    "IVF4,PQ4x4fsr,Refine(SQfp16)": {"nprobe": 3, "k_factor": 2},
    "PCA4,IVF4,Flat": {"nprobe": 2},
    "OPQ4,IVF4,PQ4x4np": {"nprobe": 3},
    "LSH32rt": {},
    "LSH32rt,Refine(SQfp16)": {"k_factor": 2},
}


@pytest.mark.parametrize(
    ("factory", "metric"), [*[(factory, "ip") for factory in KINDS], ("Flat", "l2"), ("IVF4,SQfp16", "l2")]
)
def test_a_snippet_runs_and_finds_what_was_measured(world, monkeypatch, capsys, factory, metric):
    """From a fresh library, as a person would paste it; the recall that it prints is that of the same FAISS index."""
    library = world.built()
    work = stored(library.open("colours", "mean-colour"))
    build = {"efConstruction": 12} if factory == "HNSW4" else {}
    index = from_factory(factory, "ivf", **build).build(work.vectors, metric)
    measured = point(index, KINDS[factory], work, repeats=5)
    about = {"factory": factory, "build_params": build, "params": KINDS[factory]}
    about["metric"] = "l2" if is_hash(factory) else metric
    monkeypatch.setattr("searchdemo.Library", world.library, raising=False)
    exec(compile(snippet(card([]), about | measured), "snippet", "exec"), {})
    printed = float(capsys.readouterr().out.rpartition("= ")[2])
    # OPQ is trained shorter in the demo, and 4-bit codes have many ties, which its way of scanning breaks otherwise.
    loose = 0.05 if "OPQ" in factory else 0.02 if "x4fs" in factory else 0.002
    assert printed == pytest.approx(measured["recall_10"], abs=loose)


@pytest.mark.parametrize("factory", ["IVF4,SQfp16", "PQ4x4np,Refine(SQfp16)", "LSH32rt"])
def test_the_code_for_ones_own_vectors_needs_two_files_and_no_searchdemo(tmp_path, monkeypatch, capsys, factory):
    """On rows of any length; recall is that of the same index over unit rows."""
    rng = np.random.default_rng(0)
    vectors, queries = rng.standard_normal((2, 400, 16)).astype(np.float32) * 3
    np.save(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "queries.npy", queries[:50])
    monkeypatch.chdir(tmp_path)
    about = row(factory, 1, 1, **KINDS[factory]) | {"metric": "l2" if is_hash(factory) else "ip", "build_params": {}}
    code = own_snippet(card([]), about)
    assert "searchdemo" not in code
    exec(compile(code, "snippet", "exec"), {})
    printed = float(capsys.readouterr().out.rpartition("= ")[2])
    rows, asked = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (vectors, queries[:50]))
    exact = np.argsort(-(asked @ rows.T), axis=1)[:, :10]
    found = from_factory(factory, "ivf").build(rows).search(asked, 10, **KINDS[factory]).positions
    assert printed == pytest.approx(recall_at_k(found, exact), abs=0.01)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("IVF512,PQ32np", ["512 cells were measured with 8 vectors", "PQ32 needs a dimension that 32 divides"]),
        ("LSH64rt", ["64 bits were measured with 8 dimensions"]),
        ("HNSW32", []),
    ],
)
def test_the_code_for_ones_own_vectors_says_what_belongs_to_ours(factory, said):
    about = replace(card([]), subject={"vectors": 8, "dim": 8})
    comments = "".join(advice(about, factory)).splitlines()
    assert len(comments) == len(said) and all(one in line for one, line in zip(said, comments, strict=True))


def test_settings_in_words():
    assert setting(POINTS[0]) == "Flat"
    assert setting(POINTS[1]) == "IVF8,Flat (nprobe 2)"
    built = row("HNSW32", 1, 1, ef_search=64) | {"build_params": {"efConstruction": 40}}
    assert setting(built) == "HNSW32 (efConstruction 40, ef_search 64)"
    nested = search_parameters_source("OPQ4,IVF4,PQ4,RFlat", {"nprobe": 7, "k_factor": 3})
    inner = "faiss.SearchParametersPreTransform(index_params=faiss.SearchParametersIVF(nprobe=7))"
    assert nested == f"faiss.IndexRefineSearchParameters(k_factor=3, base_index_params={inner})"


def test_a_snippet_says_when_it_was_measured_on_a_part():
    assert "figures will differ" in snippet(card([], quick=True), POINTS[1])
    assert "figures will differ" not in snippet(card([]), POINTS[1])


# The command line


@pytest.fixture
def recommend(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(assets, "CARDS", tmp_path / "shipped")
    run_card.save(card(POINTS, "tiny-imagenet", "bundled", quick=True), tmp_path / "own")
    run_card.save(card(POINTS[:1], "tiny-imagenet", "bundled"), tmp_path / "shipped")

    def run(*words: str) -> tuple[int, str, str]:
        code = cli.main(["bench", "--cards", str(tmp_path / "own"), *words])
        return code, *capsys.readouterr()

    return run


def test_recommend_reads_what_ships_where_nothing_was_measured(recommend, tmp_path):
    (tmp_path / "own/tiny-imagenet/bundled/tradeoff-quick.json").unlink()
    code, out, _ = recommend("--recommend", "recall>=0.9")
    assert code == 0
    assert out.startswith("recall>=0.9: flat, Flat\nrecall@10 1.000, p50 2 ms")
    assert "from tiny-imagenet × bundled" in out and "2030-01-02" in out
    assert "index.search(queries, 10, params=params)" in out


def test_recommend_reads_ones_own_quick_run_before_what_ships_and_says_so(recommend):
    code, out, _ = recommend("--recommend", "recall>=0.9", "--json")
    chosen = json.loads(out)["chosen"]
    assert code == 0 and len(chosen) == 1
    assert (chosen[0]["factory"], chosen[0]["params"], chosen[0]["recall_10"]) == ("IVF8,Flat", {"nprobe": 2}, 0.96)
    assert "quick run" in chosen[0]["source"]
    compile(chosen[0]["snippet"], "snippet", "exec")


def test_want_is_another_spelling(recommend):
    assert recommend("--want", "recall>=0.9") == recommend("--recommend", "recall>=0.9")


def test_recommend_reads_ones_own_full_run_before_a_quick_one(recommend, tmp_path):
    run_card.save(card(POINTS[2:], "tiny-imagenet", "bundled"), tmp_path / "own")
    chosen = json.loads(recommend("--recommend", "recall>=0.9", "--json")[1])["chosen"]
    assert chosen[0]["params"] == {"nprobe": 4} and "quick run" not in chosen[0]["source"]


def test_recommend_reads_the_run_of_the_limit_that_is_named(recommend, tmp_path):
    assert recommend("--recommend", "recall>=0.9", "--limit", "300")[0] == 2
    limited = card(POINTS[2:], "tiny-imagenet", "bundled")
    limited.settings["limit"] = 300
    run_card.save(limited, tmp_path / "own")
    (chosen,) = json.loads(recommend("--recommend", "recall>=0.9", "--limit", "300", "--json")[1])["chosen"]
    assert chosen["params"] == {"nprobe": 4}
    assert 'Library(limit=300).open("tiny-imagenet", "bundled")' in chosen["snippet"]
    (usual,) = json.loads(recommend("--recommend", "recall>=0.9", "--json")[1])["chosen"]
    assert usual["params"] == {"nprobe": 2} and "Library()" in usual["snippet"]


def test_recommend_after_measuring_chooses_from_what_was_measured(recommend, monkeypatch, tmp_path):
    parts = {"points": [row("IVF4,Flat", 0.97, 0.3, nprobe=3)], "k": [], "shards": [], "metric": []}
    monkeypatch.setattr(tradeoff, "run", lambda bench: Figures(card([]).subject, parts))
    code, out, _ = recommend("tradeoff", "--recommend", "recall>=0.9")
    assert code == 0
    assert out.startswith("The Pareto front of 1 settings")
    assert "recall>=0.9: ivf4,flat, IVF4,Flat (nprobe 3)" in out
    assert (tmp_path / "own/tiny-imagenet/bundled/tradeoff.json").is_file()


def test_recommend_complains_before_anything_is_measured(recommend):
    code, out, complaint = recommend("tradeoff", "--recommend", "recall>=95")
    assert code == 2 and not out and "beyond the maximum of 1" in complaint
    code, out, complaint = recommend("--recommend", "ms<=1", "--gallery", "scenes")
    assert code == 2 and "bench tradeoff --gallery scenes --encoder bundled" in complaint
