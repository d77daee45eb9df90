"""The stored vectors and the files they lie in: half floats, mapped, read by many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest

from searchdemo.errors import BadArtifact
from searchdemo.indexes.table import find
from searchdemo.indexes.vectors import ArrayVectors, StoredVectors, Vectors
from searchdemo.measure.metrics import recall_at_k
from tests.conftest import exact_rows

K = 10


@pytest.fixture
def ivf_file(clustered, tmp_path) -> Path:
    path = tmp_path / "ivf.faiss"
    find("ivf").build(clustered[0]).save(path)
    return path


def test_stored_vectors_are_within_half_a_float(clustered, ivf_file):
    vectors, queries = clustered
    stored = StoredVectors(ivf_file)
    assert (len(stored), stored.dim) == vectors.shape
    assert np.abs(stored.all() - vectors).max() < 2**-11  # half floats have 11 bits
    some = np.array([1499, 3, 3, 700])
    assert np.allclose(stored.take(some), stored.all()[some], atol=1e-7)
    assert np.allclose(np.linalg.norm(stored.take(some), axis=1), 1, atol=1e-6)
    assert stored.take(np.empty(0, np.int64)).shape == (0, 32)
    assert recall_at_k(exact_rows(queries, stored.all(), K), exact_rows(queries, vectors, K)) >= 0.99
    with pytest.raises(ValueError, match="read-only"):
        stored.all()[0] = 0


def test_vectors_in_memory_and_in_a_file_are_asked_alike(clustered, ivf_file):
    some = np.array([1499, 3, 3, 700])

    def ask(vectors: Vectors) -> tuple[tuple[int, int], np.ndarray, np.ndarray]:
        return (len(vectors), vectors.dim), vectors.take(some), vectors.all()

    stored, (shape, taken, rows) = ask(StoredVectors(ivf_file)), ask(ArrayVectors(clustered[0]))
    assert stored[0] == shape == clustered[0].shape
    assert np.array_equal(taken, clustered[0][some]) and np.array_equal(rows, clustered[0])
    assert np.allclose(stored[1], taken, atol=2**-11) and np.allclose(stored[2], rows, atol=2**-11)
    assert rows.base is clustered[0] and clustered[0].flags.writeable  # no copy, and the caller's array as it was
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 0


def test_vectors_and_their_index_are_one_map_that_outlasts_the_file(clustered, ivf_file, monkeypatch):
    vectors, queries = clustered
    stored = StoredVectors(ivf_file)
    size = ivf_file.stat().st_size
    ivf_file.unlink()
    monkeypatch.setattr(faiss, "read_index", None)  # it is not opened again
    index = stored.as_index(find("ivf"))
    assert (index.count, index.dim, index.size_bytes, index.recipe) == (1500, 32, size, "IVF32,SQfp16")
    assert index.load_ms > 0
    del stored
    assert recall_at_k(index.search(queries, K, nprobe=32).positions, exact_rows(queries, vectors, K)) >= 0.99


def test_one_mapped_file_serves_many_threads(clustered, ivf_file):
    queries = clustered[1]
    stored = StoredVectors(ivf_file)
    index = stored.as_index(find("ivf"))
    wanted = index.search(queries, K, nprobe=8).positions
    taken = stored.take(wanted.ravel())

    def ask(_) -> bool:
        return np.array_equal(index.search(queries, K, nprobe=8).positions, wanted) and np.array_equal(
            stored.take(wanted.ravel()), taken
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))


def test_a_mapped_file_is_mapped_and_starts_no_threads(ivf_file, clustered):
    index = StoredVectors(ivf_file).as_index(find("ivf"))
    lists = faiss.downcast_InvertedLists(index.index.invlists)
    assert isinstance(lists, faiss.OnDiskInvertedLists)
    assert lists.prefetch_nthread == 0


def test_a_row_of_zeros_does_no_harm(tmp_path):
    vectors = np.zeros((3, 8), np.float32)
    vectors[1:, 0] = 1
    find("ivf").build(vectors).save(tmp_path / "ivf.faiss")
    assert StoredVectors(tmp_path / "ivf.faiss").all().tolist() == vectors.tolist()


def test_a_file_that_faiss_cannot_read(tmp_path):
    (tmp_path / "ivf.faiss").write_bytes(b"IxFI nonsense")
    with pytest.raises(BadArtifact, match=r"FAISS cannot read .*ivf\.faiss .*--rebuild"):
        StoredVectors(tmp_path / "ivf.faiss")


def test_a_save_that_is_interrupted_leaves_the_old_file(clustered, tmp_path, monkeypatch):
    path = tmp_path / "ivf.faiss"
    path.write_bytes(b"old")

    def half_written(index, write):
        write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(faiss, "PyCallbackIOWriter", lambda write: write)
    monkeypatch.setattr(faiss, "write_index", half_written)
    with pytest.raises(KeyboardInterrupt):
        find("flat").build(clustered[0]).save(path)
    assert path.read_bytes() == b"old"
