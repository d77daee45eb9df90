"""FAISS's own: cells, nested parameters, Hamming distances, mapped files, refusals."""

from __future__ import annotations

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import faiss
import numpy as np
import pytest

from searchdemo.errors import BadQuery
from searchdemo.indexes import faiss_index
from searchdemo.indexes.faiss_index import FaissIndex
from searchdemo.indexes.shards import merged, shards
from searchdemo.indexes.table import INDEXES, find, nlist
from searchdemo.indexes.walk import Graph, Walk, walk
from searchdemo.measure.metrics import recall_at_k
from tests.conftest import exact_rows, unit

K = 10


def make(name: str, vectors: np.ndarray, metric: str = "ip") -> FaissIndex:
    return find(name).build(vectors, metric)


@pytest.fixture(scope="module")
def built(clustered):
    """Over all the clustered vectors, each built once."""
    return functools.cache(lambda name: make(name, clustered[0]))


@pytest.fixture
def ivf(built) -> FaissIndex:
    return built("ivf")


def test_a_system_that_maps_no_files_reads_them(clustered, tmp_path, monkeypatch):
    vectors, queries = clustered
    path = tmp_path / "ivf.faiss"
    find("ivf").build(vectors).save(path)
    mapped = find("ivf").load(path, *vectors.shape).search(queries, 5).positions
    monkeypatch.delattr(faiss, "OnDiskInvertedLists")  # as in FAISS for Windows, which refuses the flag too
    monkeypatch.setattr(faiss, "IO_FLAG_MMAP", None)
    assert np.array_equal(find("ivf").load(path, *vectors.shape).search(queries, 5).positions, mapped)


def test_more_nprobe_finds_more(ivf, clustered):
    vectors, queries = clustered
    wanted = exact_rows(queries, vectors, K)
    recalls = [recall_at_k(ivf.search(queries, K, nprobe=n).positions, wanted) for n in (1, 2, 4, 8, 32)]
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9 < recalls[-1]


def test_one_cell_may_hold_fewer_than_k():
    vectors = unit(np.random.default_rng(0).standard_normal((200, 8)))
    index = make("faiss:IVF64,Flat", vectors)
    found = index.search(vectors[:50], 50, nprobe=1)
    assert (found.positions == -1).any()
    assert np.isneginf(found.scores[found.positions == -1]).all()
    assert np.isfinite(found.scores[found.positions != -1]).all()


def test_ef_search_reaches_the_graph_of_centroids(clustered):
    index = make("faiss:IVF16_HNSW32,Flat", clustered[0])
    assert [param.name for param in index.spec.params] == ["nprobe", "ef_search"]
    found = index.search(clustered[1], K, nprobe=16, ef_search=64).positions
    assert recall_at_k(found, exact_rows(clustered[1], clustered[0], K)) == 1.0


@pytest.mark.parametrize("codes", ["SQfp16", "PQ16x4fs,RFlat", "PQ16x4fsr,RFlat"])
def test_more_cells_than_there_are_is_all_of_them(codes, clustered):
    vectors, queries = clustered
    index = make(f"faiss:IVF16,{codes}", vectors)
    effort = {"k_factor": 32} if "Flat" in codes else {}
    every, more = (index.search(queries, K, nprobe=n, **effort).positions for n in (16, 4096))
    assert np.array_equal(every, more)
    assert recall_at_k(more, exact_rows(queries, vectors, K)) > 0.99


def test_parameters_are_made_once_for_the_same_values(ivf, clustered, monkeypatch):
    ivf.search(clustered[1], K, nprobe=5)
    monkeypatch.setattr(faiss_index, "search_parameters", lambda *given: 1 / 0)
    ivf.search(clustered[1], K, nprobe=5)
    with pytest.raises(ZeroDivisionError):
        ivf.search(clustered[1], K, nprobe=6)


def test_a_mapped_index_is_not_written_again(ivf, tmp_path):
    """FAISS would write a reference to the mapped file, and crash once that is gone."""
    ivf.save(tmp_path / "index")
    mapped = ivf.spec.load(tmp_path / "index", 1500, 32)
    with pytest.raises(ValueError, match="lies in a file already"):
        mapped.save(tmp_path / "again")
    assert not (tmp_path / "again").exists()


# LSH


def test_lsh_scores_are_minus_the_hamming_distance(clustered, built):
    vectors, index = clustered[0], built("lsh")
    found = index.search(vectors[:5], K)
    assert (found.positions[:, 0] == np.arange(5)).all() and (found.scores[:, 0] == 0).all()  # the same bits
    bits = np.unpackbits(faiss.vector_to_array(index.index.codes).reshape(len(vectors), -1), axis=1)
    for query in range(5):
        distances = (bits[query] != bits[found.positions[query]]).sum(axis=1)
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
    index = FaissIndex(find("faiss:IVF4,Flat"), cells)
    assert index.cell_ranks(on_circle(30)[0], np.arange(6)).tolist() == [1, 2, 4, 3, 1, 2]
    assert [sorted(index.search(on_circle(30), 6, nprobe=n).positions[0].tolist())[-4:] for n in (1, 2)] == [
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
        ranks = index.cell_ranks(query, rows)
        for row, rank in zip(rows, ranks, strict=True):
            assert row in index.search(query[None], len(vectors), nprobe=int(rank)).positions
            if rank > 1:
                assert row not in index.search(query[None], len(vectors), nprobe=int(rank) - 1).positions


def test_cell_ranks_where_the_centroids_are_a_graph(clustered):
    vectors, queries = clustered
    ranks = make("faiss:IVF32_HNSW8,Flat", vectors).cell_ranks(queries[0], np.arange(len(vectors)))
    assert ranks.min() == 1 and ranks.max() <= 32
    assert ranks[exact_rows(queries[:1], vectors, 10)[0]].mean() < ranks.mean()


@pytest.mark.parametrize("name", [name for name, spec in INDEXES.items() if spec.library == "faiss"])
def test_cell_ranks_of_all_families(name, clustered, built):
    vectors, queries = clustered
    index = built(name)
    ranks = index.cell_ranks(queries[0], np.arange(20))
    if "IVF" not in index.recipe:
        assert ranks is None
        return
    assert ranks.shape == (20,) and ranks.min() >= 1 and ranks.max() <= nlist(len(vectors))
    assert len(set(ranks.tolist())) > 5  # points of some 16 clusters do not share a cell


# Building


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


# Shards


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize(("name", "params"), [("flat", {}), ("ivf", {"nprobe": 32}), ("hnsw", {"ef_search": 300})])
def test_shards_together_find_what_the_whole_finds(name, params, threaded, clustered):
    vectors, queries = clustered
    parts = shards(INDEXES[name], vectors, 3)
    whole = merged(parts, threaded)
    found = whole.search(queries, K, **params)
    assert recall_at_k(found.positions, exact_rows(queries, vectors, K)) >= 0.99
    assert np.allclose(found.scores, np.einsum("qkd,qd->qk", vectors[found.positions], queries), atol=1e-3)
    assert whole.count == 1500 and whole.size_bytes == sum(part.size_bytes for part in parts)
    assert whole.recipe == parts[0].recipe == INDEXES[name].recipe(500, 32)


def test_shards_of_graphs_with_equal_vectors_answer_with_positions(clustered):
    """Equal vectors share a node, so that the nodes after them are not their positions."""
    vectors, queries = clustered[0].copy(), clustered[1]
    vectors[[3, 9, 700]] = vectors[[1, 8, 600]]
    whole = merged(shards(INDEXES["hnsw"], vectors, 3), False)
    found = whole.search(queries, K, ef_search=300)
    assert whole.count == 1500 and recall_at_k(found.positions, exact_rows(queries, vectors, K)) >= 0.98
    assert np.allclose(found.scores, np.einsum("qkd,qd->qk", vectors[found.positions], queries), atol=1e-3)


# What a search visits


@pytest.mark.parametrize("name", ["ivf", "ivfpq", "opq-ivfpq", "ivf-fastscan", "faiss:PCA16,IVF32,Flat"])
def test_a_search_finds_what_lies_in_the_cells_that_it_visits(name, clustered, built):
    vectors, queries = clustered
    index = built(name)
    cells = index.cells()
    assert cells.shape == (len(vectors),) and cells is index.cells() and not cells.flags.writeable
    for query in queries[:5]:
        ranks = index.visit_ranks(query)
        assert sorted(ranks.tolist()) == list(range(1, cells.max() + 2))
        for nprobe in (1, 3):
            effort = {"k_factor": 256} if "Refine" in index.recipe else {}  # it scores all of its candidates again
            found = index.search(query[None], len(vectors), nprobe=nprobe, **effort).positions[0]
            assert set(found[found >= 0].tolist()) == set(np.flatnonzero(ranks[cells] <= nprobe).tolist())


def test_a_mapped_file_tells_its_cells_too(clustered, tmp_path, ivf):
    ivf.save(tmp_path / "ivf.faiss")
    mapped = find("ivf").load(tmp_path / "ivf.faiss", *clustered[0].shape)
    assert np.array_equal(mapped.cells(), ivf.cells())


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("name", ["hnsw", "faiss:HNSW8,Flat"])
def test_the_walk_keeps_what_faiss_finds(name, metric, clustered):
    vectors, queries = clustered
    index = make(name, vectors, metric)
    for ef_search in (1, 10, 64):
        for query in queries[:10]:
            walk = index.walk(query, ef_search=ef_search)
            found = index.search(query[None], ef_search, ef_search=ef_search).positions[0]
            assert set(walk.kept) == set(found[found >= 0].tolist())
            assert set(walk.kept) <= set(range(len(vectors))) and len(set(walk.expanded)) == len(walk.expanded)
            assert walk.expanded[0] == walk.descent[-1] and walk.scored >= len(walk.expanded)
    assert len(index.walk(queries[0]).kept) == 64  # the default


def test_indexes_without_cells_or_a_graph_tell_none(clustered, built):
    for name in ("flat", "hnsw"):
        assert built(name).cells() is None and built(name).visit_ranks(clustered[1][0]) is None
    for name in ("flat", "ivf"):
        assert built(name).walk(clustered[1][0]) is None


def test_a_walk_worked_out_by_hand():
    # On a line, 0 ... 9. Layer 1 has 0 and 6; in layer 0 each knows those beside it. The query is at 8.
    def neighbours(position: int, layer: int) -> np.ndarray:
        if layer:
            return np.array([6 - position])
        return np.array([one for one in (position - 1, position + 1) if 0 <= one < 10])

    graph = Graph(0, 1, neighbours, lambda query, positions: -np.abs(positions - query[0]))
    steps = walk(graph, np.array([8.2]), 2)
    assert steps == Walk(descent=(0, 6), expanded=(6, 7, 8, 9), kept=(8, 9), scored=5)


class Gpus:
    """Two GPUs that are none: an index stays where it is, and what was asked of FAISS is told."""

    def __init__(self, monkeypatch, number: int):
        self.asked: list[tuple] = []
        for name, value in {
            "get_num_gpus": lambda: number,
            "StandardGpuResources": lambda: "resources",
            "GpuMultipleClonerOptions": SimpleNamespace,
            "index_cpu_to_gpu": lambda resources, gpu, index: self.moved("one", gpu, index),
            "index_cpu_to_all_gpus": lambda index, options: self.moved("all", options.shard, index),
        }.items():
            monkeypatch.setattr(faiss_index.faiss, name, value, raising=False)

    def moved(self, how, which, index):
        self.asked.append((how, which))
        return index


@pytest.mark.parametrize(
    ("number", "device", "asked"),
    [
        (0, "cuda:0", []),
        (1, "cuda", [("one", 0)]),
        (2, "cuda:1", [("one", 1)]),
        (2, "cuda:all", [("all", True)]),
        (1, "cuda:all", [("one", 0)]),
    ],
)
@pytest.mark.parametrize("name", ["flat", "ivf", "sq8"])
def test_the_gpus_that_a_device_names(name, number, device, asked, clustered, monkeypatch):
    gpus, index = Gpus(monkeypatch, number), INDEXES[name].build(clustered[0])
    before = index.search(clustered[1], 5).positions
    index.to_gpu(device)
    assert gpus.asked == (asked if name != "sq8" else [])
    assert index.on_gpu == bool(gpus.asked)
    assert np.array_equal(index.search(clustered[1], 5).positions, before)


def test_on_a_gpu_readers_take_turns(clustered, monkeypatch):
    """FAISS's GPU indexes are not safe for concurrent readers."""
    Gpus(monkeypatch, 1)
    index, inside, most = INDEXES["flat"].build(clustered[0]), 0, []

    class Watched:
        def search(self, queries, k, params=None):
            nonlocal inside
            inside += 1
            most.append(inside)
            time.sleep(0.005)
            inside -= 1
            return np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)

    index.to_gpu("cuda:0")
    index.search(clustered[1][:1], 3)  # its parameters are made of the real one
    index.index = Watched()
    with ThreadPoolExecutor(4) as pool:
        [*pool.map(lambda number: index.search(clustered[1][:1], 3), range(12))]
    assert most == [1] * 12


@pytest.mark.parametrize("name", ["pq", "ivfpq", "opq-ivfpq"])
@pytest.mark.parametrize(("dim", "parts"), [(3, 1), (7, 1), (50, 10), (128, 32)])
def test_product_quantisation_cuts_vectors_of_any_dimension(name, dim, parts):
    vectors = unit(np.random.default_rng(0).standard_normal((400, dim)).astype(np.float32))
    index = find(name).build(vectors)
    assert f"PQ{parts}np" in index.recipe
    assert index.search(vectors[:20], 10).positions.shape == (20, 10)
