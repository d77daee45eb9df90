"""Inverted files on disk: the answers of the ordinary one, mapped, whole or not at all, damaged files refused."""

from __future__ import annotations

import json
import shutil

import faiss
import numpy as np
import pytest

from searchdemo.bench import disk as measured
from searchdemo.bench.suite import scale
from searchdemo.errors import BadArtifact, BadQuery, NotWritten, SearchDemoError
from searchdemo.indexes import disk, faiss_index
from searchdemo.indexes.factory import from_factory
from searchdemo.measure.cards import RunCard
from tests.conftest import exact_rows
from tests.test_disk_full import room_for

pytestmark = pytest.mark.skipif(not hasattr(faiss, "OnDiskInvertedLists"), reason="FAISS maps no lists on this system")
SPEC = from_factory("IVF16,SQfp16", "ivf")


@pytest.fixture(scope="module")
def folder(clustered, tmp_path_factory):
    """Built in four shards of uneven blocks."""
    path = tmp_path_factory.mktemp("disk") / "index"
    disk.build(path, SPEC, clustered[0], np.array_split(clustered[0], 7), shard=400)
    return path


@pytest.mark.parametrize("nprobe", [1, 3, 16])
def test_it_answers_as_the_ordinary_one_with_the_same_centroids(folder, clustered, nprobe):
    vectors, queries = clustered
    ordinary = faiss_index.trained(SPEC, vectors)
    ordinary.add(vectors)
    index = disk.load(folder)
    found, expected = (
        one.search(queries, 10, nprobe=nprobe) for one in (index, faiss_index.FaissIndex(SPEC, ordinary))
    )
    assert index.count == len(vectors) and index.recipe == "IVF16,SQfp16"
    assert np.array_equal(found.positions, expected.positions) and np.array_equal(found.scores, expected.scores)


def test_its_lists_are_mapped_from_the_folder_where_it_is_now(folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert sorted(path.name for path in moved.iterdir()) == ["card.json", "index.faiss", "lists.bin"]
    index = disk.load(moved)
    lists = faiss_index.mapped_lists(index.owner)
    assert lists is not None and lists.read_only and lists.filename == str(moved / "lists.bin")
    assert (moved / "lists.bin").stat().st_size == 1500 * (2 * 32 + 8)
    assert index.size_bytes == sum((moved / name).stat().st_size for name in ("index.faiss", "lists.bin"))


@pytest.mark.parametrize("name", ["index.faiss", "lists.bin"])
def test_a_changed_byte_is_refused_before_faiss_reads_it(folder, tmp_path, monkeypatch, name):
    copy = shutil.copytree(folder, tmp_path / "copy")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    monkeypatch.setattr(faiss, "read_index", lambda *given: pytest.fail("FAISS reads it"))
    with pytest.raises(BadArtifact, match=rf"{name} is not the file that its card names .*build it again"):
        disk.load(copy)


@pytest.mark.parametrize("card", [None, "", "[]", '{"files": {}}', '{"factory": "IVF16,SQfp16", "files": {"a": 1}}'])
def test_a_folder_without_a_whole_card_is_refused(folder, tmp_path, card):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "card.json").unlink()
    if card is not None:
        (copy / "card.json").write_text(card)
    with pytest.raises(BadArtifact, match="is not a whole index on disk"):
        disk.load(copy)


@pytest.mark.parametrize("room", [1000, 40_000, 80_000])  # for no shard, for shards but not for the lists
def test_a_full_disk_is_a_sentence_and_leaves_nothing(clustered, tmp_path, room):
    with room_for(room), pytest.raises(NotWritten, match=r"cannot be written \(File too large\): make room"):
        disk.build(tmp_path / "index", SPEC, clustered[0], np.array_split(clustered[0], 7), shard=400)
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_is_ended_leaves_nothing(clustered, tmp_path):
    def blocks():
        yield clustered[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        disk.build(tmp_path / "index", SPEC, clustered[0], blocks(), shard=400)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_built_is_told(folder, clustered, tmp_path):
    with pytest.raises(BadQuery, match="exists already"):
        disk.build(folder, SPEC, clustered[0], [])
    with pytest.raises(BadQuery, match="it has no inverted lists"):
        disk.build(tmp_path / "flat", from_factory("Flat", "exact"), clustered[0], [clustered[0]])
    assert list(tmp_path.iterdir()) == []


# How it is measured


def test_blocks_come_from_seeds():
    one = measured.block(3, 50, 16, seed=1)
    assert np.array_equal(one, measured.block(3, 50, 16, seed=1))
    assert not np.allclose(one, measured.block(4, 50, 16, seed=1))
    assert one.dtype == np.float32 and np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)


def test_exact_answers_block_by_block(clustered):
    vectors, queries = clustered
    exact = measured.Exact(queries)
    for rows in np.split(vectors, [4, 600, 1400]):  # the first has fewer rows than are asked for
        exact.see(rows)
    assert np.array_equal(exact.positions, exact_rows(queries, vectors, measured.K))


def test_scale_full_has_tables_of_them(tmp_path):
    told = []
    rows = measured.rows((2_000, 4_000), 16, 0, tmp_path, lambda *given: told.append(given))
    assert [(row["vectors"], row["nprobe"]) for row in rows] == [
        (size, nprobe) for size in (2_000, 4_000) for nprobe in measured.NPROBES
    ]
    assert all(row["recall_10"] > 0.99 for row in rows if row["nprobe"] == 256)  # more than there are cells
    assert rows[0]["recall_10"] < rows[1]["recall_10"] and rows[0]["factory"] == "IVF32,SQfp16"
    assert list(tmp_path.iterdir()) == [] and told[1] == ("ivf-disk on 4,000 vectors", 1, 2)
    parts = {"scale": [], "growth": [], "disk": rows, "disk_growth": scale.disk_growth(rows)}
    assert 0.9 < parts["disk_growth"][0]["size_bytes_exponent"] < 1.1
    card = RunCard("scale", "scenes", "bundled", parts, {"vectors": 1, "dim": 16}, {"target_recall": 0.95})
    drawn = {table.name: table for table in scale.tables([RunCard.from_json(json.loads(json.dumps(card.to_json())))])}
    assert len(drawn["scale-disk-bundled"].cells()) == len(rows)
    assert "synthetic" in drawn["scale-disk-bundled"].title and "scale-disk-growth-bundled" in drawn


def test_a_process_that_fails_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "CODE", measured.CODE.replace("disk.child(*sys.argv[1:])", "disk_of_nothing()"))
    with pytest.raises(SearchDemoError, match="ivf-disk on 2,000 vectors failed: NameError"):
        measured.rows((2_000,), 16, 0, tmp_path, lambda *given: None)
    assert list(tmp_path.iterdir()) == []
