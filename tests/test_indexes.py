"""Every index of the table over the same vectors, whose exact neighbours NumPy finds in float64."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest

from searchdemo.errors import BadQuery, UnknownName
from searchdemo.indexes import exact, faiss_index
from searchdemo.indexes.base import SEARCH_PARAMS, IndexSpec
from searchdemo.indexes.exact import BruteForce
from searchdemo.indexes.faiss_index import FaissIndex
from searchdemo.indexes.table import INDEXES, find, nlist
from searchdemo.measure.metrics import recall_at_k
from tests.conftest import exact_rows, unit

K = 10
# recall@10 that each must reach when its parameters are generous; measured, then rounded down by 0.05 or more.
RECALL = {
    "brute": 1.0,
    "flat": 1.0,
    "ivf": 0.99,
    "hnsw": 0.99,
    "sq8": 0.9,
    "pq": 0.6,
    "ivfpq": 0.6,
    "opq-ivfpq": 0.6,
    "ivf-fastscan": 0.99,
    "lsh": 0.3,
}


@pytest.fixture(scope="module")
def built(clustered):
    """Over all the clustered vectors, each built once."""
    once = functools.cache(lambda name, metric: make(name, clustered[0], metric))
    return lambda name, metric="ip": once(name, metric)


def make(name: str, vectors: np.ndarray, metric: str = "ip"):
    spec = find(name)
    return BruteForce(spec, vectors) if name == "brute" else FaissIndex.from_vectors(spec, vectors, metric)


def generous(spec: IndexSpec) -> dict[str, int]:
    return {param.name: min(param.maximum, 256) for param in spec.params}


@pytest.fixture
def ivf(built) -> FaissIndex:
    return built("ivf")


# Every index


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_recall_with_generous_parameters(index_name, metric, clustered, built):
    vectors, queries = clustered
    index = built(index_name, metric)
    found = index.search(queries, K, **generous(index.spec))
    assert found.rows.shape == found.scores.shape == (len(queries), K)
    assert found.rows.dtype == np.int64 and found.scores.dtype == np.float32
    assert (np.diff(found.scores, axis=1) <= 0).all()  # best first
    assert recall_at_k(found.rows, exact_rows(queries, vectors, K)) >= RECALL[index_name]
    assert index.size_bytes > 0 and index.load_ms >= 0


def test_saved_and_mapped_answers_alike(index_name, clustered, built, tmp_path):
    if index_name == "brute":
        pytest.skip("has no file")
    queries, index = clustered[1], built(index_name)
    faiss_index.save(index.index, tmp_path / "index.faiss")
    mapped = FaissIndex.from_file(find(index_name), tmp_path / "index.faiss")
    before, after = index.search(queries, K), mapped.search(queries, K)
    assert np.array_equal(before.rows, after.rows)
    assert np.allclose(before.scores, after.scores)
    assert mapped.size_bytes == (tmp_path / "index.faiss").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["index.faiss"]


def test_a_system_that_maps_no_files_reads_them(clustered, tmp_path, monkeypatch):
    vectors, queries = clustered
    faiss_index.save(faiss_index.build(INDEXES["ivf"], vectors), tmp_path / "ivf.faiss")
    mapped = FaissIndex.from_file(INDEXES["ivf"], tmp_path / "ivf.faiss").search(queries, 5).rows
    monkeypatch.delattr(faiss, "OnDiskInvertedLists")  # as in FAISS for Windows, which refuses the flag too
    monkeypatch.setattr(faiss, "IO_FLAG_MMAP", None)
    assert np.array_equal(FaissIndex.from_file(INDEXES["ivf"], tmp_path / "ivf.faiss").search(queries, 5).rows, mapped)


def test_k_is_cut_to_the_number_of_vectors(index_name, clustered, built):
    index = built(index_name)
    found = index.search(clustered[1][:2], 2000, **generous(index.spec))
    assert found.rows.shape == (2, 1500)
    present = found.rows[0][found.rows[0] >= 0]
    assert len(set(present.tolist())) == len(present) > 1200  # none twice; a graph need not reach them all
    assert np.isneginf(found.scores[found.rows < 0]).all()


def test_no_queries_no_answers(index_name, clustered, built):
    assert built(index_name).search(clustered[1][:0], K).rows.shape == (0, K)


def test_unknown_parameters_are_named(index_name, clustered, built):
    index = built(index_name)
    with pytest.raises(UnknownName, match=f"no search parameter of '{index_name}' 'n_probe'"):
        index.search(clustered[1], K, n_probe=3)
    for param in SEARCH_PARAMS:
        if param not in index.spec.params:
            with pytest.raises(UnknownName, match=param.name):
                index.search(clustered[1], K, **{param.name: 3})


def test_parameters_out_of_bounds(index_name, clustered, built):
    index = built(index_name)
    for param in index.spec.params:
        for value in (param.minimum - 1, param.maximum + 1):
            with pytest.raises(BadQuery, match=rf"{param.name} = {value:,} is out of bounds: choose from 1 to"):
                index.search(clustered[1], K, **{param.name: value})
        index.search(clustered[1], K, **{param.name: param.maximum})


# Exact search


def test_neighbours_worked_out_by_hand():
    vectors = unit(np.array([[1, 0], [0, 1], [1, 1], [-1, 0]], np.float64))
    found = make("brute", vectors).search(unit(np.array([[2.0, 1.0]])), 4)
    assert found.rows.tolist() == [[2, 0, 1, 3]]
    assert np.allclose(found.scores, [[3 / 10**0.5, 2 / 5**0.5, 1 / 5**0.5, -2 / 5**0.5]])


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_brute_and_flat_order_alike_and_score_cosines(metric, clustered, built):
    vectors, queries = clustered
    brute, flat = built("brute").search(queries, K), built("flat", metric).search(queries, K)
    assert np.array_equal(brute.rows, exact_rows(queries, vectors, K))
    assert np.array_equal(flat.rows, brute.rows)
    assert np.allclose(flat.scores, brute.scores, atol=1e-5)
    assert np.allclose(brute.scores, np.take_along_axis(queries @ vectors.T, brute.rows, axis=1), atol=1e-6)


def test_brute_force_in_small_steps_answers_alike(clustered, monkeypatch):
    vectors, queries = clustered
    at_once = make("brute", vectors).search(queries, K)
    monkeypatch.setattr(exact, "SCORES_AT_ONCE", 3 * len(vectors))
    in_steps = make("brute", vectors).search(queries, K)
    assert np.array_equal(at_once.rows, in_steps.rows)
    assert in_steps.rows.shape == (len(queries), K)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_planted_duplicates_come_first_in_the_order_of_their_rows(bfloat16, clustered):
    vectors = clustered[0][:200].copy()
    vectors[[7, 50, 199]] = vectors[120]
    found = BruteForce(find("brute"), vectors, bfloat16=bfloat16).search(vectors[120:121], 5)
    assert found.rows[0, :4].tolist() == [7, 50, 120, 199]
    assert np.allclose(found.scores[0, :4], 1)
    assert found.scores[0, 4] < 0.999


@pytest.mark.parametrize("spread", [1e-3, 1.0])
@pytest.mark.parametrize("k", [1, 10, 999, 1500])
def test_a_first_pass_in_bfloat16_loses_none(k, spread, clustered):
    """At the small spread all vectors are within what bfloat16 can tell apart: it finds no order among them."""
    vectors, queries = (unit(rows[:1] * (1 - spread) + rows * spread) for rows in clustered)
    once, twice = (BruteForce(find("brute"), vectors, bfloat16=given) for given in (False, True))
    wanted = np.sort(queries.astype(np.float64) @ vectors.astype(np.float64).T, axis=1)[:, ::-1][:, :k]
    for answer in (once.search(queries, k), twice.search(queries, k)):
        truly = np.einsum("qkd,qd->qk", vectors[answer.rows].astype(np.float64), queries.astype(np.float64))
        assert np.abs(truly - wanted).max() < 3e-7 and np.abs(answer.scores - wanted).max() < 3e-7
        assert all(len(set(row)) == k for row in answer.rows.tolist())
    assert twice.size_bytes == 1.5 * once.size_bytes and "bfloat16" in twice.factory


@pytest.mark.parametrize("n", [1, 2, 31, 33, 1000, 4099])
def test_the_best_of_scores_with_many_ties(n):
    scores = np.random.default_rng(n).standard_normal((5, n)).round(1).astype(np.float32)
    for k in sorted({1, min(n, 10), n // 2 or 1, n}):
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        found = exact.best(scores, exact.candidates(scores, k), k)
        assert np.array_equal(found.rows, order)
        assert np.array_equal(found.scores, np.take_along_axis(scores, order, axis=1))


def test_candidates_are_few_and_a_score_that_is_none_comes_last():
    scores = np.random.default_rng(0).standard_normal((3, 100_000)).astype(np.float32)
    assert [10 <= len(columns) < 20 for columns in exact.candidates(scores, 10)] == [True] * 3
    scores[:, 5::7] = np.nan
    found = exact.best(scores, exact.candidates(scores, 10), 10)
    assert found.rows.shape == (3, 10) and len(np.unique(found.rows[0])) == 10
    scores[:] = np.nan
    assert exact.best(scores, exact.candidates(scores, 10), 10).rows.shape == (3, 10)


# Parameters, threads


def test_parameters_travel_with_the_call_and_do_not_leak_between_threads(ivf, clustered):
    _, queries = clustered
    one, all_cells = (ivf.search(queries, K, nprobe=n).rows for n in (1, ivf.index.nlist))
    assert not np.array_equal(one, all_cells)
    start = threading.Barrier(4)

    def ask(nprobe: int, wanted: np.ndarray) -> bool:
        start.wait()
        return all(np.array_equal(ivf.search(queries, K, nprobe=nprobe).rows, wanted) for _ in range(100))

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(ask, *which) for which in [(1, one), (ivf.index.nlist, all_cells)] * 2]
        assert all(job.result() for job in jobs)


def test_more_nprobe_finds_more(ivf, clustered):
    vectors, queries = clustered
    wanted = exact_rows(queries, vectors, K)
    recalls = [recall_at_k(ivf.search(queries, K, nprobe=n).rows, wanted) for n in (1, 2, 4, 8, 32)]
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9 < recalls[-1]


def test_one_cell_may_hold_fewer_than_k():
    vectors = unit(np.random.default_rng(0).standard_normal((200, 8)))
    index = FaissIndex.from_vectors(find("faiss:IVF64,Flat"), vectors)
    found = index.search(vectors[:50], 50, nprobe=1)
    assert (found.rows == -1).any()
    assert np.isneginf(found.scores[found.rows == -1]).all()
    assert np.isfinite(found.scores[found.rows != -1]).all()


def test_ef_search_reaches_the_graph_of_centroids(clustered):
    index = make("faiss:IVF16_HNSW32,Flat", clustered[0])
    assert [param.name for param in index.spec.params] == ["nprobe", "ef_search"]
    found = index.search(clustered[1], K, nprobe=16, ef_search=64).rows
    assert recall_at_k(found, exact_rows(clustered[1], clustered[0], K)) == 1.0


@pytest.mark.parametrize("codes", ["SQfp16", "PQ16x4fs,RFlat", "PQ16x4fsr,RFlat"])
def test_more_cells_than_there_are_is_all_of_them(codes, clustered):
    vectors, queries = clustered
    index = make(f"faiss:IVF16,{codes}", vectors)
    effort = {"k_factor": 32} if "Flat" in codes else {}
    every, more = (index.search(queries, K, nprobe=n, **effort).rows for n in (16, 4096))
    assert np.array_equal(every, more)
    assert recall_at_k(more, exact_rows(queries, vectors, K)) > 0.99


def test_parameters_are_made_once_for_the_same_values(ivf, clustered, monkeypatch):
    ivf.search(clustered[1], K, nprobe=5)
    monkeypatch.setattr(faiss_index, "search_parameters", lambda *given: 1 / 0)
    ivf.search(clustered[1], K, nprobe=5)
    with pytest.raises(ZeroDivisionError):
        ivf.search(clustered[1], K, nprobe=6)


# LSH


def test_lsh_scores_are_minus_the_hamming_distance(clustered, built):
    vectors, index = clustered[0], built("lsh")
    found = index.search(vectors[:5], K)
    assert (found.rows[:, 0] == np.arange(5)).all() and (found.scores[:, 0] == 0).all()  # the same bits
    bits = np.unpackbits(faiss.vector_to_array(index.index.codes).reshape(len(vectors), -1), axis=1)
    for query in range(5):
        distances = (bits[query] != bits[found.rows[query]]).sum(axis=1)
        assert found.scores[query].tolist() == (-distances).tolist()


def test_lsh_after_a_transform_too(clustered):
    index = make("faiss:PCA16,LSH", clustered[0], "l2")
    assert index.search(clustered[0][:3], 1).scores.tolist() == [[0], [0], [0]]


# Cells


def test_cell_ranks_worked_out_by_hand():
    # Centroids at 0°, 90°, 180° and 270°: a query at 30° visits their cells in the order 0°, 90°, 270°, 180°.
    centroids = faiss.IndexFlatIP(2)
    centroids.add(on_circle(0, 90, 180, 270))
    cells = faiss.IndexIVFFlat(centroids, 2, 4, faiss.METRIC_INNER_PRODUCT)
    vectors = on_circle(1, 100, 181, 269, 44, 46)
    cells.train(vectors)
    cells.add(vectors)
    index = FaissIndex(find("faiss:IVF4,Flat"), cells, 0, 0)
    assert index.cell_ranks(on_circle(30)[0], vectors).tolist() == [1, 2, 4, 3, 1, 2]
    assert [sorted(index.search(on_circle(30), 6, nprobe=n).rows[0].tolist())[-4:] for n in (1, 2)] == [
        [-1, -1, 0, 4],
        [0, 1, 4, 5],
    ]


def on_circle(*degrees: float) -> np.ndarray:
    return unit(np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1))


@pytest.mark.parametrize("name", ["ivf", "faiss:IVF32,Flat", "faiss:PCA16,IVF32,Flat"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_a_neighbour_is_found_from_its_cell_rank_on_and_not_before(name, metric, clustered):
    vectors, queries = clustered
    index = make(name, vectors, metric)
    for query in queries[:10]:
        rows = exact_rows(query[None], vectors, K)[0]
        ranks = index.cell_ranks(query, vectors[rows])
        for row, rank in zip(rows, ranks, strict=True):
            assert row in index.search(query[None], len(vectors), nprobe=int(rank)).rows
            if rank > 1:
                assert row not in index.search(query[None], len(vectors), nprobe=int(rank) - 1).rows


def test_cell_ranks_where_the_centroids_are_a_graph(clustered):
    vectors, queries = clustered
    ranks = make("faiss:IVF32_HNSW8,Flat", vectors).cell_ranks(queries[0], vectors)
    assert ranks.min() == 1 and ranks.max() <= 32
    assert ranks[exact_rows(queries[:1], vectors, 10)[0]].mean() < ranks.mean()


def test_cell_ranks_of_all_families(index_name, clustered, built):
    if index_name == "brute":
        pytest.skip("has no cells")
    vectors, queries = clustered
    index = built(index_name)
    ranks = index.cell_ranks(queries[0], vectors[:20])
    if "IVF" not in index.factory:
        assert ranks is None
        return
    assert ranks.shape == (20,) and ranks.min() >= 1 and ranks.max() <= nlist(len(vectors))
    assert len(set(ranks.tolist())) > 5  # points of some 16 clusters do not share a cell


# Building


@pytest.mark.parametrize(
    ("vectors", "cells"), [(1, 1), (2, 1), (40, 1), (78, 2), (2000, 32), (10_000, 128), (100_000, 512)]
)
def test_nlist_leaves_each_cell_enough_training_points(vectors, cells):
    assert nlist(vectors) == cells


@pytest.mark.parametrize("number", [1, 2, 50])
def test_exact_and_ivf_work_over_few_vectors(number, clustered):
    vectors = clustered[0][:number]
    for name in ("brute", "flat", "ivf", "hnsw", "lsh"):
        assert make(name, vectors).search(vectors[:1], 5).rows[0, 0] == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "pq",
            r"100 vectors of 32 dimensions: Number of training points \(100\) should be at least as large as number",
        ),
        ("faiss:IVF128,Flat", r"Number of training points \(100\)"),
        ("faiss:nonsense", "could not parse index string nonsense"),
        ("faiss:PQ7", "should be a multiple of the number of subquantizers"),
        ("faiss:", "could not parse"),
        ("faiss:IDMap,Flat", "add does not make sense"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(name, reason, clustered):
    with pytest.raises(BadQuery, match=reason) as error:
        make(name, clustered[0][:100])
    assert ".cpp" not in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).endswith("The index 'flat' works with any number.")


def test_unknown_names_and_metrics(clustered):
    with pytest.raises(UnknownName, match=r"Did you mean 'hnsw'.*faiss:STRING"):
        find("hsnw")
    with pytest.raises(UnknownName, match="metric 'cosine'"):
        make("flat", clustered[0], "cosine")


def test_table_says_which_parameters_an_index_has():
    names = {name: [param.name for param in spec.params] for name, spec in INDEXES.items()}
    assert names["brute"] == names["flat"] == names["sq8"] == names["pq"] == names["lsh"] == []
    assert names["ivf"] == names["ivfpq"] == names["opq-ivfpq"] == ["nprobe"]
    assert names["hnsw"] == ["ef_search"]
    assert names["ivf-fastscan"] == ["nprobe", "k_factor"]
