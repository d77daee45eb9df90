"""Indexes that take additions and removals in place: the answers are those of an index over what is there now."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.indexes.beside import nodes_file
from searchdemo.indexes.nodes import Nodes, distinct
from searchdemo.indexes.table import INDEXES, find
from searchdemo.indexes.unreached import Unreached
from searchdemo.types import MISSING
from tests.conftest import exact_rows, unit

K = 10
EFFORT = {"ivf": {"nprobe": 64}, "hnsw": {"ef_search": 400}}  # so that all that can be found is
CHANGING = (
    "ivf",
    "hnsw",
    "sq8",
    "pq",
    "ivfpq",
    "faiss:PCA16,IVF8,PQ4np",
    "lsh",
    "faiss:PCA16,SQ8",
    "faiss:PCA16,HNSW8",
)
FIXED = ("ivf-fastscan", "hnswlib", "annoy", "brute", "faiss:IVF8,SQ8,RFlat")


def changed(index, vectors: np.ndarray, was: np.ndarray, added: np.ndarray) -> np.ndarray:
    """Changes the index over these vectors, and returns those (n, dim) that it is over then."""
    now = np.empty((len(was), vectors.shape[1]), np.float32)
    now[was != MISSING], now[was == MISSING] = vectors[was[was != MISSING]], added
    index.change(was, now)
    return now


def found(index, queries: np.ndarray, k: int = K) -> np.ndarray:
    return index.search(queries, k, **EFFORT.get(index.spec.name, {})).positions


def turned(was: list[int], number: int, seed: int = 0) -> np.ndarray:
    """Positions that stay, in an order of their own, with so many additions anywhere among them."""
    return np.random.default_rng(seed).permutation([*was, *[MISSING] * number])


@pytest.mark.parametrize("name", CHANGING)
def test_changes_in_place_answer_as_an_index_over_what_is_there_now(name, clustered, tmp_path):
    points, queries = clustered
    index = find(name).build(points[:600])
    assert index.in_place
    now, kept = points[:600], list(range(0, 600, 3))
    for step, (stay, new) in enumerate(((kept, points[600:900]), (list(range(100, 500)), points[900:1000]))):
        now = changed(index, now, turned(stay, len(new), step), new)
    assert index.count == len(now) == 500
    index.save(tmp_path / "index")
    again = find(name).load(tmp_path / "index", *now.shape)
    for one in (index, again):
        assert set(found(one, now[:50], 500)[0].tolist()) <= set(range(500))
        assert (found(one, now, 1)[:, 0] == np.arange(500)).mean() > (0.97 if name in ("ivf", "hnsw", "sq8") else 0.6)
        if name in EFFORT or name == "sq8":
            both = zip(found(one, queries), exact_rows(queries, now, K), strict=True)
            assert np.mean([len({*ours} & {*truth}) for ours, truth in both]) / K > 0.97


@pytest.mark.parametrize("name", ["ivf", "hnsw", "sq8", "faiss:PCA16,IVF8,PQ4np"])
def test_a_mapped_file_is_changed_in_memory_and_stays_what_it_is(name, clustered, tmp_path):
    points = clustered[0][:400]
    find(name).build(points).save(tmp_path / "before")
    held = (tmp_path / "before").read_bytes()
    index = find(name).load(tmp_path / "before", *points.shape)
    changed(index, points, turned(list(range(200)), 0), points[:0])
    index.save(tmp_path / "after")
    assert (tmp_path / "before").read_bytes() == held
    assert find(name).load(tmp_path / "after", 200, 32).count == 200


def test_codes_of_what_stays_are_kept_bit_for_bit(clustered, tmp_path):
    from searchdemo.indexes.vectors import StoredVectors

    points = clustered[0]
    find("ivf").build(points[:500]).save(tmp_path / "before.faiss")
    before = StoredVectors(tmp_path / "before.faiss").all()
    index, was = find("ivf").load(tmp_path / "before.faiss", 500, 32), turned(list(range(50, 500)), 100)
    changed(index, points, was, points[500:600])
    index.save(tmp_path / "after.faiss")
    after = StoredVectors(tmp_path / "after.faiss").all()
    assert np.array_equal(after[was != MISSING], before[was[was != MISSING]])
    assert np.abs(after[was == MISSING] - points[500:600]).max() < 2**-10


@pytest.mark.parametrize("name", FIXED)
def test_what_cannot_change_says_so(name, clustered):
    spec = find(name)
    if not spec.installed:
        pytest.skip(f"{spec.package} is not installed")
    index = spec.build(clustered[0][:300])
    assert index.in_place == ""
    if not name.startswith(("ivf", "faiss:")):
        with pytest.raises(NotImplementedError, match="takes no changes"):
            index.change(np.arange(300), clustered[0][:300])


def test_tombstones_lead_the_way_and_are_in_no_answer(clustered):
    points, queries = clustered
    index = find("hnsw").build(points)
    kept = np.arange(0, 1500, 5)
    index.change(kept, points[kept])
    assert index.nodes.count == 1500 and index.nodes.buried == 1200 and index.burden(queries) == 5
    ours = index.search(queries, 300, ef_search=64)
    assert np.array_equal(np.sort(ours.positions, axis=1), np.tile(np.arange(300), (40, 1)))
    assert np.array_equal(index.search(queries, K).positions[:, 0], exact_rows(queries, points[kept], 1)[:, 0])
    # A picture that comes back takes its node again.
    was = np.append(np.arange(300), MISSING)
    index.change(was, np.vstack([points[kept], points[1:2]]))
    assert (index.nodes.count, index.nodes.buried, index.count) == (1500, 1199, 301)
    assert index.search(points[1:2], 1).positions.tolist() == [[300]]


def test_the_walk_of_a_changed_graph_is_told_in_positions(clustered):
    points, queries = clustered
    index, kept = find("hnsw").build(points), np.arange(0, 1500, 2)
    index.change(kept, points[kept])
    for query in queries[:5]:
        steps = index.walk(query, ef_search=200)
        best = index.search(query[None], K, ef_search=200).positions[0]
        assert set(best.tolist()) <= set(steps.kept) and max(steps.kept) < 750


def test_an_inverted_file_that_grew_looks_at_more_than_a_new_one(clustered):
    points, queries = clustered
    index = find("ivf").build(points[:200])  # 4 cells, all of which are visited
    assert index.burden(queries) == 1
    was = np.append(np.arange(200), np.full(1300, MISSING))
    changed(index, points, was, points[200:])
    assert index.burden(queries) == 2  # anew it would have 32 cells, 16 of which are visited
    assert index.recipe == "IVF4,SQfp16" and find("ivf").build(points).burden(queries) < 1.5


# Equal vectors

GRAPHS = [name for name, spec in INDEXES.items() if spec.is_graph]


@pytest.mark.parametrize("name", [*GRAPHS, "ivf", "annoy", "faiss:HNSW16"])
def test_hundreds_of_equal_vectors_hide_no_other(name, clustered, tmp_path):
    if not find(name).installed:
        pytest.skip(f"{find(name).package} is not installed")
    others = clustered[0][:199]
    points = np.vstack([others[:100], np.repeat(clustered[1][:1], 700, axis=0), others[100:]])
    index = find(name).build(points)
    index.save(tmp_path / "index")
    for one in (index, find(name).load(tmp_path / "index", *points.shape)):
        assert (one.count, one.dim) == points.shape
        best = one.search(others, 1)
        assert best.positions[:, 0].tolist() == [*range(100), *range(800, 899)]
        assert np.abs(best.scores - 1).max() < 1e-3
        all_of_them = one.search(clustered[1][:1], 700)
        assert sorted(all_of_them.positions[0].tolist()) == list(range(100, 800))


@pytest.mark.parametrize("name", [name for name, spec in INDEXES.items() if "milvus" not in spec.package])
def test_beside_hundreds_of_equal_vectors_every_index_has_each_other_among_the_ten(name, clustered):
    """So it is the first once the hits are scored by their stored vectors."""
    if not find(name).installed:
        pytest.skip(f"{find(name).package} is not installed")
    others = clustered[0][:199]
    found = find(name).build(np.vstack([np.repeat(clustered[1][:1], 700, axis=0), others])).search(others, K)
    assert (found.positions == np.arange(700, 899)[:, None]).any(axis=1).all()


def test_equal_vectors_come_and_go(clustered):
    points = np.repeat(clustered[0][:3], 4, axis=0)  # 0 0 0 0 1 1 1 1 2 2 2 2
    index = find("hnsw").build(points)
    assert index.nodes.count == 3
    was = np.array([MISSING, 0, 8, 9])
    index.change(was, points[[4, 0, 8, 9]])
    assert index.nodes.of.tolist() == [1, 0, 2, 2] and index.nodes.count == 3
    assert index.search(points[:1], 4).positions[0, 0] == 1 and index.search(points[4:5], 1).positions[0, 0] == 0


def test_nodes_worked_out_by_hand():
    first, of = distinct(np.array([[1, 0], [0, 1], [1, 1e-9], [0.6, 0.8], [0, 1]], np.float32))
    assert first.tolist() == [0, 1, 3] and of.tolist() == [0, 1, 0, 2, 1]
    nodes = Nodes(of, 4)
    assert nodes.live.tolist() == [True, True, True, False] and nodes.buried == 1 and not nodes.plain
    assert nodes.positions(1).tolist() == [1, 4] and nodes.positions(3).tolist() == []
    assert nodes.first(np.array([0, 1, 2, 3])).tolist() == [0, 1, 3, MISSING]
    rows, scores = nodes.expanded(np.array([[1, 0], [2, MISSING]]), np.array([[0.9, 0.8], [0.5, -np.inf]]), 3)
    assert rows.tolist() == [[1, 4, 0], [3, MISSING, MISSING]]
    assert np.allclose(scores, [[0.9, 0.9, 0.8], [0.5, -np.inf, -np.inf]])


def test_vectors_that_all_differ_need_no_nodes(clustered, tmp_path):
    index = find("hnsw").build(clustered[0][:100])
    index.save(tmp_path / "index")
    assert index.nodes is None and not nodes_file(tmp_path / "index").exists()


def test_nodes_of_another_graph_are_refused(clustered, tmp_path):
    from searchdemo.errors import BadArtifact

    points = clustered[0][:100]
    find("hnsw").build(points).save(tmp_path / "index")
    Nodes(np.zeros(100, np.int64), 7).write(nodes_file(tmp_path / "index"))
    with pytest.raises(BadArtifact, match="has 100 nodes, not 7"):
        find("hnsw").load(tmp_path / "index", 100, 32)
    nodes_file(tmp_path / "index").write_bytes(b"garbage")
    with pytest.raises(BadArtifact):
        find("hnsw").load(tmp_path / "index", 100, 32)


# Nearly equal vectors


def saved_again(centre: np.ndarray, number: int, spread: float) -> np.ndarray:
    """(number, dim) unit rows as of one picture that was saved again and again."""
    rows = centre + spread * np.random.default_rng(3).standard_normal((number, len(centre)))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("spread", [1e-4, 1e-2])
@pytest.mark.parametrize("name", GRAPHS)
def test_hundreds_of_nearly_equal_vectors_hide_no_other(name, spread, clustered, tmp_path):
    if not find(name).installed:
        pytest.skip(f"{find(name).package} is not installed")
    others = clustered[0][:199]
    same = saved_again(clustered[1][0], 1500, spread)
    points, own = np.vstack([same[:700], others, same[700:]]), np.arange(700, 899)
    index = find(name).build(points)
    index.save(tmp_path / "index")
    for one in (index, find(name).load(tmp_path / "index", *points.shape)):
        assert one.search(others, 1).positions[:, 0].tolist() == own.tolist()
        among = np.zeros(len(points), bool)
        among[700:720] = True
        found = one.search(others[5:6], 10, among)
        assert found.positions[0, 0] == 705 and (found.positions[0] < 720).all()
        nearest = one.search(others[:20], 50)
        assert all(len({*rows}) == 50 for rows in nearest.positions.tolist())
        assert (np.diff(nearest.scores, axis=1) <= 1e-6).all()


def test_what_a_change_puts_out_of_reach_is_found(clustered, tmp_path):
    others, same = clustered[0][:199], saved_again(clustered[1][0], 1500, 1e-3)
    index = find("hnsw").build(others)
    assert index.unreached is None
    points = np.vstack([same, others])
    index.change(np.append(np.full(1500, MISSING), np.arange(199)), points)
    assert index.search(others, 1).positions[:, 0].tolist() == [*range(1500, 1699)]
    index.change(np.append(np.arange(1500), np.full(199, MISSING)), points)
    assert index.search(others, 1).positions[:, 0].tolist() == [*range(1500, 1699)]


def test_unreached_nodes_worked_out_by_hand(tmp_path):
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    beside = Unreached.of(lambda rows, k: np.zeros((len(rows), k), int), vectors, None, lambda done, total: None)
    assert beside.nodes.tolist() == [1, 2]
    beside.write(tmp_path / "a.npy")
    beside = Unreached.read(tmp_path / "a.npy", 3, 2)
    walked = np.array([[0, 2]]), np.array([[0.6, 0.5]], np.float32)
    nodes, scores = beside.merged(np.array([[0.6, 0.8]], np.float32), *walked, None)
    assert nodes.tolist() == [[1, 0]] and np.allclose(scores, [[0.96, 0.6]], atol=1e-3)
    walked = np.array([[0, MISSING]]), np.array([[0.6, -np.inf]], np.float32)
    nodes, scores = beside.merged(np.array([[0.6, 0.8]], np.float32), *walked, np.array([True, False, True]))
    assert nodes.tolist() == [[2, 0]] and np.allclose(scores, [[0.8, 0.6]], atol=1e-3)
    assert Unreached.of(lambda rows, k: np.zeros((1, 1), int), vectors[:1], None, lambda *_: None) is None
    for count, dim in ((2, 2), (3, 3)):
        with pytest.raises(ValueError, match="cannot be read"):
            Unreached.read(tmp_path / "a.npy", count, dim)


@pytest.mark.parametrize("count", [3, 400])
def test_a_walk_and_the_nodes_beside_it_are_put_in_order_by_cosine(count, monkeypatch):
    monkeypatch.setattr("searchdemo.indexes.unreached.CELLS", 3000)  # several rounds of queries
    rng = np.random.default_rng(1)
    vectors, queries = unit(rng.standard_normal((500, 8))), unit(rng.standard_normal((9, 8)))
    cosines = queries @ vectors.astype(np.float16).astype(np.float32).T
    beside = rng.choice(500, count, replace=False)
    walked = np.stack([rng.choice(500, 5, replace=False) for _ in queries])  # some of them lie beside, too
    allowed = rng.random(500) < 0.5
    for only in (None, allowed, np.isin(np.arange(500), beside, invert=True)):
        seen = np.ones(500, bool) if only is None else only
        first = [
            sorted(row[seen[row]], key=lambda node, of=own: -of[node]) for row, own in zip(walked, cosines, strict=True)
        ]
        nodes = np.array([row + [MISSING] * (5 - len(row)) for row in first])
        scores = np.where(nodes == MISSING, -np.inf, np.take_along_axis(cosines, nodes, axis=1)).astype(np.float32)
        found, told = Unreached(np.sort(beside), vectors[np.sort(beside)]).merged(
            queries, nodes.copy(), scores.copy(), only
        )
        for own, row, before, given in zip(cosines, found, nodes, told, strict=True):
            every = {*beside[seen[beside]].tolist(), *before[before != MISSING].tolist()}
            wanted = sorted(every, key=lambda node, of=own: -of[node])[:5]
            assert row.tolist() == wanted + [MISSING] * (5 - len(wanted))
            assert np.allclose(given[: len(wanted)], own[wanted], atol=1e-6) and np.isneginf(given[len(wanted) :]).all()
