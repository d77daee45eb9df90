"""Exact search by a first look at bytes: no vector is above its bound, and the answer is that of comparing all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from searchdemo.collection import exact
from searchdemo.collection.exact import bounded_by_bytes, bounded_by_half_floats, certain
from searchdemo.collection.scores import rescored
from searchdemo.indexes import vectors as vectors_module
from searchdemo.indexes.byte_index import ByteIndex
from searchdemo.indexes.table import find
from searchdemo.indexes.tiled import TiledIndex, TiledVectors
from searchdemo.indexes.vectors import StoredVectors, Vectors, unit

N = 2000


class Stored:
    """What `certain` asks of a collection, over vectors in a file."""

    def __init__(self, path: Path, each: int = 1):
        flat = StoredVectors(path)
        self.vectors: Vectors = flat if each == 1 else TiledVectors(flat, each)
        index = flat.as_index(find("ivf"))
        self._index = index if each == 1 else TiledIndex(index, each)

    def __len__(self) -> int:
        return len(self.vectors)

    def index(self, name: str):
        assert name == "ivf"
        return self._index


def compared_with_all(stored: Stored, query: np.ndarray, k: int, only: np.ndarray | None) -> list[int]:
    """The k nearest by the scores that hits have, equal ones by position."""
    allowed = np.arange(len(stored)) if only is None else np.flatnonzero(only)
    return rescored(query, stored.vectors, allowed[None]).positions[0, :k].tolist()


def directions(dim: int, seed: int = 0, count: int = N) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def groups(dim: int) -> np.ndarray:
    return directions(dim, 1, 20).repeat(N // 20, axis=0) + 0.5 * directions(dim)


def ties(dim: int) -> np.ndarray:
    """Each of 40 vectors many times, and rows of zeros: the k-th has equals beyond the k."""
    rows = directions(dim)[np.random.default_rng(3).integers(0, 40, N)]
    rows[::50] = 0
    return rows


def close(dim: int) -> np.ndarray:
    """All as near to each other as bytes can just not tell apart."""
    return directions(dim, 2, 1) + 0.02 * directions(dim)


def unequal(dim: int) -> np.ndarray:
    """Nearly all of the length in one number, which the steps of the others must not follow."""
    return directions(dim) * np.where(np.arange(dim) == 0, 30, 1)


KINDS: dict[str, Callable[[int], np.ndarray]] = {
    kind.__name__: kind for kind in (directions, groups, ties, close, unequal)
}


def none_above_its_bound(index: ByteIndex, rows: np.ndarray, queries: np.ndarray) -> float:
    """Asserts it of all rows; returns how far above their scores the bounds are, at most."""
    found = index.search(queries, len(rows))
    truly = np.take_along_axis(queries.astype(np.float64) @ rows.T.astype(np.float64), found.positions, axis=1)
    assert (np.sort(found.positions, axis=1) == np.arange(len(rows))).all()
    assert (found.scores >= truly).all() and (np.diff(found.scores, axis=1) <= 0).all()
    return float((found.scores - truly).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [3, 32, 100])  # FAISS takes another way where it is no multiple of 16
def test_no_vector_is_above_its_bound(kind, dim):
    rows = unit(KINDS[kind](dim))
    queries = unit(np.concatenate([directions(dim, 4, 5), rows[1:4], np.eye(dim, dtype=np.float32)[:2]]))
    index = ByteIndex(lambda: np.array_split(rows, 3), dim)
    assert none_above_its_bound(index, rows, queries) < (0.12 if kind == "unequal" else 0.06)
    assert index.size_bytes == rows.size and index.search(np.zeros((1, dim)), 2).scores[0, 0] < 0.001


def test_what_is_searched_among_has_the_same_bounds():
    rows, only = unit(directions(32)), np.arange(N) % 3 > 0
    index = ByteIndex(lambda: [rows], 32)
    all_found, found = index.search(rows[:2], N), index.search(rows[:2], N, only)
    for number in range(2):
        some = only[all_found.positions[number]]
        assert found.positions[number].tolist() == all_found.positions[number][some].tolist()
        assert np.array_equal(found.scores[number], all_found.scores[number][some])


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_that_of_comparing_all(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(vectors_module, "AT_ONCE", 700)  # the file is read in three blocks
    rows = unit(KINDS[kind](32))
    find("ivf").build(rows).save(tmp_path / "ivf.faiss")
    stored = Stored(tmp_path / "ivf.faiss")
    masks = None, np.arange(N) != 7, np.arange(N) % 3 > 0, np.arange(N) < 9
    answered = dict.fromkeys((bounded_by_bytes, bounded_by_half_floats), 0)
    for look in answered:
        for name in ("bounded_by_bytes", "bounded_by_half_floats"):
            monkeypatch.setattr(exact, name, look)
        for query in unit(np.concatenate([directions(32, 5, 2), rows[7:9] + 0.1 * directions(32, 6, 2)])):
            for only in masks:
                for k in (1, 12, 1000, N + 5):
                    found = certain(stored, query[None], k, only)
                    answered[look] += found is not None
                    assert found is None or found.tolist() == compared_with_all(stored, query[None], k, only)
    asked = 4 * len(masks) * 4
    assert answered[bounded_by_bytes] >= asked * (0.9 if kind in ("directions", "groups") else 0.3)
    assert asked * 0.5 < answered[bounded_by_half_floats] <= asked


def test_parts_of_pictures_are_bounded_by_their_best(tmp_path):
    find("ivf").build(unit(directions(32))).save(tmp_path / "ivf.faiss")
    stored = Stored(tmp_path / "ivf.faiss", each=5)
    for query in unit(directions(32, 5, 10)):
        for only in (None, np.arange(N // 5) % 2 > 0):
            found = certain(stored, query[None], 12, only)
            assert found is not None and found.tolist() == compared_with_all(stored, query[None], 12, only)


def test_a_score_that_is_no_number_leaves_the_answer_to_others(tmp_path):
    rows = unit(directions(32))
    find("ivf").build(rows).save(tmp_path / "ivf.faiss")
    stored = Stored(tmp_path / "ivf.faiss")
    assert certain(stored, np.full((1, 32), np.nan, np.float32), 12, None) is None
    rows[5] = np.nan
    assert np.isnan(ByteIndex(lambda: [rows], 32).search(rows[:1], 1).scores).all()


def test_more_bytes_than_are_kept_are_not_made(tmp_path, monkeypatch):
    find("ivf").build(unit(directions(32))).save(tmp_path / "ivf.faiss")
    stored, query = Stored(tmp_path / "ivf.faiss"), unit(directions(32, 5, 1))
    monkeypatch.setattr(vectors_module, "MOST_BYTES", 32 * N - 1)
    assert bounded_by_bytes(stored, query, 12, None) is None
    assert certain(stored, query, 12, None).tolist() == compared_with_all(stored, query, 12, None)
    monkeypatch.setattr(vectors_module, "MOST_BYTES", 32 * N)
    assert bounded_by_bytes(stored, query, 12, None) is not None
