"""Every index of the table over the same vectors, whose exact neighbours NumPy finds in float64."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from searchdemo.errors import BadArtifact, BadQuery, Cancelled, NotInstalled, UnknownName
from searchdemo.extras import pip_command
from searchdemo.indexes import base
from searchdemo.indexes.base import SEARCH_PARAMS, Index, IndexSpec, filled
from searchdemo.indexes.beside import beside
from searchdemo.indexes.table import INDEXES, find, nlist
from searchdemo.measure.metrics import recall_at_k
from searchdemo.types import MISSING
from tests.clock import Clock
from tests.conftest import LOCAL, exact_rows, unit

K = 10
# recall@10 that each must reach when its parameters are generous; measured, then rounded down by 0.05 or more.
RECALL = {"sq8": 0.9, "pq": 0.6, "ivfpq": 0.6, "opq-ivfpq": 0.6, "lsh": 0.3, "lsh-tables": 0.6}
RECALL |= dict.fromkeys(("hnsw", "hnswlib", "usearch", "nmslib"), 0.95)  # several threads build them, in any order
SAVED = [name for name in LOCAL if INDEXES[name].saved]
TUNED = [name for name in LOCAL if INDEXES[name].params and "pq" not in name]  # which are slow to build
CLASSES = list({INDEXES[name].made_by: name for name in LOCAL if "pq" not in name}.values())  # one name each


@pytest.fixture(scope="module")
def built(clustered):
    """Over all the clustered vectors, each built once."""
    once = functools.cache(lambda name, metric: find(name).build(clustered[0], metric))

    def build(name: str, metric: str = "ip") -> Index:
        if not INDEXES[name].installed:
            pytest.skip(f"{INDEXES[name].package} is not installed (requirements-bench.txt)")
        return once(name, metric)

    return build


def generous(spec: IndexSpec) -> dict[str, int]:
    return {param.name: min(param.maximum, 10_000 if param.name == "search_k" else 256) for param in spec.params}


def least(spec: IndexSpec) -> dict[str, int]:
    return {param.name: param.minimum for param in spec.params}


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_recall_with_generous_parameters(index_name, metric, clustered, built):
    vectors, queries = clustered
    index = built(index_name, metric)
    found, wanted = index.search(queries, K, **generous(index.spec)), exact_rows(queries, vectors, K)
    assert found.positions.shape == found.scores.shape == (len(queries), K)
    assert found.positions.dtype == np.int64 and found.scores.dtype == np.float32
    assert (np.diff(found.scores, axis=1) <= 0).all()  # best first
    if index.spec.exact:
        assert np.array_equal(found.positions, wanted)
    assert recall_at_k(found.positions, wanted) >= RECALL.get(index_name, 0.99)
    assert index.size_bytes > 0 and index.load_ms >= 0 and (index.count, index.dim) == vectors.shape
    assert index.recipe


def test_a_build_does_not_contain_the_first_import_of_its_library(clustered, monkeypatch):
    clock, kind = Clock(), IndexSpec._kind
    monkeypatch.setattr(base, "time", clock)

    def imported(spec: IndexSpec) -> type[Index]:
        clock.sleep(1.5)
        return kind(spec)

    monkeypatch.setattr(IndexSpec, "_kind", imported)
    assert find("flat").build(clustered[0]).load_ms == 0 and clock.now == 1.5


@pytest.mark.parametrize("name", ["hnsw", "hnswlib"])
def test_a_graph_grows_in_parts_and_its_build_can_be_ended(name, clustered, monkeypatch):
    if not INDEXES[name].installed:
        pytest.skip(f"{INDEXES[name].package} is not installed (requirements-bench.txt)")
    vectors, queries = clustered
    monkeypatch.setattr(f"searchdemo.indexes.{find(name).made_by.partition('.')[0]}.PART", 400)
    told: list[tuple[int, int]] = []
    index = find(name).build(vectors, progress=lambda *counts: told.append(counts))
    assert told == [(0, 1500), (400, 1500), (800, 1500), (1200, 1500), (1500, 1500)]  # and then it is asked for its own
    found = index.search(queries, K, ef_search=256).positions
    assert recall_at_k(found, exact_rows(queries, vectors, K)) >= RECALL[name]

    def end(done: int, total: int) -> None:
        if done >= 800:
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        find(name).build(vectors, progress=end)


def test_one_query_finds_what_it_finds_among_others(index_name, clustered, built):
    queries, index = clustered[1], built(index_name)
    together = index.search(queries, K, **generous(index.spec))
    alone = [index.search(query[None], K, **generous(index.spec)) for query in queries]
    assert all(found.positions.shape == (1, K) and found.positions.dtype == np.int64 for found in alone)
    assert recall_at_k(np.concatenate([found.positions for found in alone]), together.positions) >= 0.99
    assert np.allclose(np.concatenate([found.scores for found in alone]), together.scores, atol=1e-3)


def test_scores_are_estimates_of_the_cosine(index_name, clustered, built):
    if index_name == "lsh":
        pytest.skip("its scores are minus the Hamming distance")
    vectors, queries = clustered
    for metric in ("ip", "l2"):
        found = built(index_name, metric).search(queries, K, **generous(INDEXES[index_name]))
        cosines = np.einsum("qkd,qd->qk", vectors[found.positions], queries)
        rough = {"sq8": 0.01, "pq": 0.3, "ivfpq": 0.3, "opq-ivfpq": 0.3}
        assert np.abs(found.scores - cosines).max() < rough.get(index_name, 1e-3)


# Files


@pytest.mark.parametrize("name", SAVED)
def test_saved_and_loaded_answers_alike(name, clustered, built, tmp_path):
    (vectors, queries), index, path = clustered, built(name), tmp_path / "index"
    index.save(path)
    files = [path, *beside(path).values()]  # USearch builds with threads, and now and then does not reach one
    assert sorted(tmp_path.iterdir()) == sorted(files) and (files == [path] or index.unreached is not None)
    loaded = index.spec.load(path, *vectors.shape)
    assert loaded.size_bytes == sum(file.stat().st_size for file in files)
    assert index.size_bytes == path.stat().st_size
    assert (loaded.count, loaded.dim, loaded.recipe) == (index.count, index.dim, index.recipe)
    assert loaded.load_ms > 0
    for file in files:
        file.unlink()  # another process may put another index in its place
    for params in (generous(index.spec), least(index.spec)):
        before, after = index.search(queries, K, **params), loaded.search(queries, K, **params)
        assert np.array_equal(before.positions, after.positions)
        assert np.allclose(before.scores, after.scores)


@pytest.mark.parametrize("name", SAVED)
def test_one_that_is_searched_can_be_saved_meanwhile(name, clustered, built, tmp_path):
    queries, index = clustered[1], built(name)
    wanted = index.search(queries, K).positions
    with ThreadPoolExecutor(2) as pool:
        saves = pool.map(lambda number: index.save(tmp_path / str(number)), range(5))
        answers = list(pool.map(lambda _: np.array_equal(index.search(queries, K).positions, wanted), range(20)))
        assert all(answers) and len(list(saves)) == 5


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("content", [b"", b"nonsense" * 400], ids=["empty", "nonsense"])
def test_a_file_that_is_none(name, content, built, tmp_path):
    spec, path = built(name).spec, tmp_path / "index"
    path.write_bytes(content)
    with pytest.raises(BadArtifact, match=r"index .*--rebuild"):
        spec.load(path, 1500, 32)


@pytest.mark.parametrize("name", [name for name in SAVED if name != "nmslib"])  # which does not tell
def test_a_file_of_other_vectors(name, built, tmp_path):
    index = built(name)
    index.save(tmp_path / "index")
    with pytest.raises(BadArtifact, match=r"holds 1,500 vectors of 32 dimensions, not 1,501 of 32"):
        index.spec.load(tmp_path / "index", 1501, 32)


@pytest.mark.parametrize("name", ["brute", "kd-tree"])
def test_one_that_is_not_kept_on_disk_is_not_written(name, built, tmp_path):
    with pytest.raises(NotImplementedError, match=f"{name}' is not kept on disk"):
        built(name).save(tmp_path / "index")
    assert not list(tmp_path.iterdir())


def test_no_pickle_is_read(built, clustered, tmp_path):
    """ScaNN unpickles names that lie beside its index."""
    import zipfile

    index, path = built("scann"), tmp_path / "index"
    index.save(path)
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("scann_docids.pkl", b"no pickle at all")
    assert index.spec.load(path, *clustered[0].shape).count == 1500


# Fewer than k


def test_k_is_cut_to_the_number_of_vectors(index_name, clustered, built):
    index = built(index_name)
    found = index.search(clustered[1][:2], 2000, **generous(index.spec))
    assert found.positions.shape == (2, 1500)
    present = found.positions[0][found.positions[0] >= 0]
    assert len(set(present.tolist())) == len(present) > 1200  # none twice; a graph need not reach them all
    assert np.isneginf(found.scores[found.positions < 0]).all()


@pytest.mark.parametrize("number", [1, 3])
def test_what_is_not_found_is_missing_at_the_end(index_name, number, clustered, built):
    """Asked for all vectors with the least effort, alone and in a batch."""
    vectors, index = clustered[0], built(index_name)
    queries = vectors[:number]
    found = index.search(queries, len(vectors), **least(index.spec))
    for query, rows, scores in zip(queries, found.positions, found.scores, strict=True):
        number_found = (rows != MISSING).sum()
        assert number_found > 0 and (rows[number_found:] == MISSING).all()
        there, their_scores = rows[:number_found], scores[:number_found]
        assert len(set(there.tolist())) == number_found and there.min() >= 0 and there.max() < len(vectors)
        assert np.isneginf(scores[number_found:]).all() and np.isfinite(their_scores).all()
        if index_name != "lsh":
            assert np.abs(their_scores - vectors[there] @ query).max() < 0.5
    if index_name in ("ivf", "annoy", "scann"):
        assert (found.positions == MISSING).any()


@pytest.mark.parametrize("name", ["hnsw", "hnswlib", "usearch", "nmslib"])
def test_a_graph_that_does_not_reach_all(name, built, clustered):
    """Nearly equal vectors link to each other alone: hnswlib then refuses to answer, the others find fewer."""
    built(name)  # skips
    vectors = unit(clustered[0][:1] + 1e-3 * np.random.default_rng(0).standard_normal((2000, 32)))
    vectors[:1000] = clustered[0][:1000]
    small = {"efConstruction": 10} if name == "hnsw" else {"m": 4, "ef_construction": 10}
    index = INDEXES[name].built_with(**small).build(vectors)
    found = index.search(clustered[1][:3], 2000, ef_search=10)
    for query, rows, scores in zip(clustered[1], found.positions, found.scores, strict=False):
        there = rows != MISSING
        assert there[:K].all() and len(set(rows[there].tolist())) == there.sum()
        assert np.abs(scores[there] - vectors[rows[there]] @ query).max() < 1e-3
        assert np.isneginf(scores[~there]).all() and (np.diff(there.astype(int)) <= 0).all()
    if name == "hnswlib":
        assert (found.positions == MISSING).any()
        assert (index.search(clustered[1][:1], K).positions != MISSING).all()


def test_lists_of_any_length_are_filled_with_missing():
    rows, scores = filled([([4], [0.5]), ([5, 6], [0.75, 0.25]), ([], [])], 2)
    assert rows.tolist() == [[4, MISSING], [5, 6], [MISSING, MISSING]] and rows.dtype == np.int64
    assert scores.tolist() == [[0.5, -np.inf], [0.75, 0.25], [-np.inf, -np.inf]] and scores.dtype == np.float32
    assert filled([], 2)[0].shape == (0, 2)


def test_no_queries_no_answers(index_name, clustered, built):
    assert built(index_name).search(clustered[1][:0], K).positions.shape == (0, K)


# Parameters


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
        for value in (param.minimum + 0.5, str(param.minimum)):
            with pytest.raises(BadQuery, match=rf"{param.name} = {value!r} is not a whole number: choose from 1 to"):
                index.search(clustered[1], K, **{param.name: value})
        index.search(clustered[1], K, **{param.name: np.int64(param.maximum)})


@pytest.mark.parametrize("name", [name for name in TUNED if name != "lsh-tables"])  # finds all of these with one probe
def test_parameters_travel_with_the_call_and_do_not_leak_between_threads(name, built):
    """Over points without clusters, where little effort misses much."""
    built(name)  # skips
    points = unit(np.random.default_rng(5).standard_normal((2000, 32)))
    index, queries = INDEXES[name].build(points), points[:50] + np.float32(0.1)
    efforts = least(index.spec), generous(index.spec)
    little, much = (index.search(queries, 1, **params).positions for params in efforts)
    wanted = exact_rows(queries, points, 1)
    assert recall_at_k(little, wanted) < recall_at_k(much, wanted)
    start = threading.Barrier(4)

    def ask(params: dict[str, int], wanted: np.ndarray) -> bool:
        start.wait()
        return all(np.array_equal(index.search(queries, 1, **params).positions, wanted) for _ in range(10))

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(ask, *which) for which in zip(efforts * 2, (little, much) * 2, strict=True)]
        assert all(job.result() for job in jobs)


@pytest.mark.parametrize("name", CLASSES)
def test_an_index_that_nobody_holds_is_freed_at_once(name, clustered, built):
    built(name)  # skips
    index = INDEXES[name].build(clustered[0])
    index.search(clustered[1], K)
    gone = weakref.ref(index)
    gc.disable()  # its memory does not wait for the collector of cycles
    try:
        del index
        assert gone() is None
    finally:
        gc.enable()


def test_many_values_of_a_parameter(clustered, built, monkeypatch):
    monkeypatch.setattr(base, "MAX_MADE", 3)
    index = built("ivf")
    wanted = {nprobe: index.search(clustered[1], K, nprobe=nprobe).positions for nprobe in range(1, 9)}
    assert all(np.array_equal(index.search(clustered[1], K, nprobe=n).positions, rows) for n, rows in wanted.items())
    assert len(index._made) <= 3


# The table, libraries that are missing, builds that fail


@pytest.mark.parametrize("name", [name for name, spec in INDEXES.items() if spec.library])
def test_a_library_that_is_missing_is_named_with_the_command_that_brings_it(name, clustered, monkeypatch):
    spec = INDEXES[name]
    inside = [module for module in sys.modules if module.startswith(f"{spec.library}.")]
    for module in (*inside, f"searchdemo.indexes.{spec.made_by.partition('.')[0]}"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, spec.library, None)
    command = f"pip install {spec.package}" if spec.package else pip_command("encoders")
    assert not spec.installed
    sentence = f"The index '{name}' needs the Python package '{spec.library}.*, which is not installed: run `{command}`"
    with pytest.raises(NotInstalled, match=sentence):
        spec.build(clustered[0])
    with pytest.raises(NotInstalled, match=sentence):
        spec.load(Path("nowhere"), 1, 1)


def test_the_kinds_of_the_table():
    exact = {name for name in LOCAL if INDEXES[name].exact}
    assert exact == {"brute", "exact-bf16", "flat", "kd-tree", "ball-tree"}
    assert exact | {"lsh-tables"} == {name for name in LOCAL if not INDEXES[name].saved}
    names = {name: [param.name for param in spec.params] for name, spec in INDEXES.items()}
    assert all(not names[name] for name in (*exact, "sq8", "pq", "lsh"))
    assert names["ivf"] == names["ivfpq"] == names["opq-ivfpq"] == ["nprobe"]
    assert names["hnsw"] == names["hnswlib"] == names["usearch"] == names["nmslib"] == ["ef_search"]
    assert names["ivf-fastscan"] == names["scann"] == ["nprobe", "k_factor"]
    assert names["annoy"] == ["search_k"] and names["lsh-tables"] == ["probes"]
    for name, spec in INDEXES.items():
        if spec.factory:  # what the entry says is what its factory string has
            assert names[name] == [param.name for param in find(f"faiss:{spec.recipe(100_000, 128)}").params]


def test_a_recipe_says_how_an_index_is_built():
    assert INDEXES["ivf"].recipe(100_000, 128) == "IVF512,SQfp16"
    assert INDEXES["hnswlib"].recipe(100_000, 128) == "m 32, ef_construction 200"
    assert INDEXES["annoy"].built_with(trees=7).recipe(1, 1) == "trees 7"
    assert INDEXES["annoy"].recipe(1, 1) == "trees 50"


@pytest.mark.parametrize(
    ("vectors", "cells"), [(1, 1), (2, 1), (40, 1), (78, 2), (2000, 32), (10_000, 128), (100_000, 512)]
)
def test_nlist_leaves_each_cell_enough_training_points(vectors, cells):
    assert nlist(vectors) == cells


@pytest.mark.parametrize("number", [1, 2, 50])
def test_few_vectors(index_name, number, clustered, built):
    built(index_name)  # skips
    vectors = clustered[0][:number]
    try:
        index = INDEXES[index_name].build(vectors)
    except BadQuery as error:
        assert index_name in ("pq", "ivfpq", "opq-ivfpq", "ivf-fastscan", "sq8", "scann")
        assert str(error).startswith(f"The index '{index_name}' cannot be built as")
        assert str(error).endswith("The index 'flat' works with any number.")
    else:
        assert index.search(vectors[:1], 5).positions[0, 0] == 0


def test_unknown_names_and_metrics(clustered):
    with pytest.raises(UnknownName, match=r"Did you mean 'hnsw'.*faiss:STRING"):
        find("hsnw")
    with pytest.raises(UnknownName, match="metric 'cosine'"):
        find("flat").build(clustered[0], "cosine")
