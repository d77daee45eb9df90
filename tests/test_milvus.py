"""Milvus, both as Milvus Lite in this process and as the server that the Python package `milvus` carries."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from searchdemo import cli
from searchdemo.bench.suite import milvus as beside
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.library import Library
from searchdemo.collection.pushed import described
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key, Store
from searchdemo.collection.taken_in import take_in
from searchdemo.errors import BadArtifact, BadQuery, NotHere, SearchDemoError
from searchdemo.galleries.base import Gallery
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import RunCard
from searchdemo.measure.metrics import recall_at_k
from searchdemo.metadata.grammar import parse
from searchdemo.metadata.milvus import Inexpressible, expression
from tests.conftest import colour_pictures, exact_rows
from tests.living import three_colours

KINDS = ("milvus", "milvus-flat", "milvus-ivf-flat", "milvus-ivf-sq8")
FIRST = 600  # vectors


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    pytest.importorskip("pymilvus", reason="pip install -r requirements-milvus.txt")
    pytest.importorskip("milvus", reason="the server of the Python package milvus==2.3.5 is not installed")
    from searchdemo.bench.milvus_server import MilvusServer

    running = MilvusServer(tmp_path_factory.mktemp("milvus"))
    yield running
    running.end()


@pytest.fixture(scope="module")
def lite(tmp_path_factory) -> str:
    pytest.importorskip("milvus_lite", reason="pip install -r requirements-milvus.txt")
    return str(tmp_path_factory.mktemp("lite") / "vectors.db")


@pytest.fixture(params=["lite", "server"])
def milvus(request, monkeypatch) -> str:
    """Where Milvus is, set for the test."""
    where = request.getfixturevalue(request.param)
    place = where if isinstance(where, str) else where.uri
    monkeypatch.setenv("SEARCHDEMO_MILVUS", place)
    return place


@pytest.fixture
def on_lite(lite, monkeypatch) -> None:
    monkeypatch.setenv("SEARCHDEMO_MILVUS", lite)


@pytest.mark.parametrize("name", KINDS)
def test_it_finds_what_brute_force_finds(name, clustered, milvus):
    vectors, queries = clustered[0][:FIRST], clustered[1]
    index = INDEXES[name].build(vectors)
    most = {param.name: 256 for param in index.spec.params}
    found = index.search(queries, 10, **most)
    recall = recall_at_k(found.positions, exact_rows(queries, vectors, 10))
    assert recall == 1 if index.spec.exact else recall > 0.93
    cosines = np.einsum("qkd,qd->qk", vectors[found.positions], queries)
    assert np.abs(cosines - found.scores).max() < 0.02 and (np.diff(found.scores) <= 0).all()

    only = np.arange(FIRST) % 3 == 0
    among = index.search(queries, 10, only, **most).positions
    wanted = np.flatnonzero(only)[exact_rows(queries, vectors[only], 10)]
    assert (among[among >= 0] % 3 == 0).all() and recall_at_k(among, wanted) > 0.9
    itself = np.arange(FIRST) != 7
    assert 7 not in index.search(vectors[7:8], 10, itself, **most).positions
    assert index.search(vectors[:2], FIRST + 5, **most).positions.shape == (2, FIRST)


def test_search_parameters_travel_with_each_call(clustered, on_lite):
    index = INDEXES["milvus-ivf-flat"].build(clustered[0][:FIRST])
    least, most = (index.search(clustered[1], 10, nprobe=n).positions for n in (1, 256))
    wanted = exact_rows(clustered[1], clustered[0][:FIRST], 10)
    assert recall_at_k(least, wanted) < recall_at_k(most, wanted) == 1
    with pytest.raises(BadQuery, match="nprobe = 0 is out of bounds"):
        index.search(clustered[1], 10, nprobe=0)


def test_additions_and_removals_are_upserts_and_deletes(clustered, milvus):
    from searchdemo.indexes.milvus_client import client

    vectors, queries = clustered
    index = INDEXES["milvus-flat"].build(vectors[:300])
    kept = np.delete(np.arange(300), [0, 17, 299])
    now = np.concatenate([vectors[400:402], vectors[kept]])  # new ones come first, so all positions move
    was = np.concatenate([[-1, -1], kept])
    index.change(was, now)
    assert np.array_equal(index.search(queries, 10).positions, exact_rows(queries, now, 10))
    stored = client().query(index.index, "key >= 0", output_fields=["count(*)"], consistency_level="Strong")
    assert stored[0]["count(*)"] == 299


def test_a_collection_that_nobody_holds_goes_away(clustered, on_lite):
    from searchdemo.indexes.milvus_client import client

    name = (index := INDEXES["milvus-flat"].build(clustered[0][:10])).index
    assert client().has_collection(name)
    del index
    gc.collect()
    assert not client().has_collection(name)


LOADING = """
import numpy as np
from searchdemo.indexes.table import INDEXES
index = INDEXES["milvus-flat"].build(np.eye(16, dtype=np.float32))
print(index.index, flush=True)
input()
"""


def test_what_a_killed_process_left_on_a_server_is_dropped_and_nothing_that_one_holds(server, tmp_path, monkeypatch):
    from searchdemo.indexes import milvus_client

    monkeypatch.setenv("SEARCHDEMO_MILVUS", server.uri)
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    holders = [subprocess.Popen([sys.executable, "-c", LOADING], **pipes) for _ in range(2)]
    try:
        dead, alive = (holder.stdout.readline().strip() for holder in holders)
        holders[0].kill()
        holders[0].wait()
        milvus_client.disconnected()
        assert not milvus_client.client().has_collection(dead)
        assert milvus_client.client().has_collection(alive)
        assert [path.name.partition(".")[2] for path in (tmp_path / "milvus").iterdir()] == [alive]
        holders[1].communicate("\n", timeout=60)  # it ends by itself, and drops what it has
        assert not milvus_client.client().has_collection(alive) and not [*(tmp_path / "milvus").iterdir()]
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


def test_what_is_being_loaded_is_not_taken_for_left_behind(captioned, world, on_lite, monkeypatch):
    from searchdemo.indexes.milvus_index import MilvusIndex

    collection, whole, tried = world.built().open("colours", "mean-colour"), MilvusIndex._build, []
    vectors, told = collection.vectors.all(), described(collection)

    def build(index) -> None:
        with pytest.raises(SearchDemoError, match="is being loaded by another process: wait"):
            INDEXES["milvus-flat"].build(vectors, described=lambda: told)
        tried.append(index.index)
        whole(index)

    monkeypatch.setattr(MilvusIndex, "_build", build)
    index = INDEXES["milvus-flat"].build(vectors, described=lambda: told)
    assert tried == [index.index] and index.search(vectors[5:6], 1).positions[0, 0] == 5
    again = INDEXES["milvus-flat"].build(vectors, described=lambda: told)  # it is there, and nobody loads it
    assert again.index == index.index and len(tried) == 1
    index.drop()


# Filters

FILTERS = {  # whether Milvus applies it by itself
    "label = 'REDDISH'": True,
    "label != 'n0'": True,
    "label in ('n1', 'bluish') and row < 100": True,
    "not (label = 'greenish' or row between 10 and 200)": True,
    "caption is null": True,
    "not caption is null": True,
    "caption = 'Straße 7'": True,
    "caption != 'strasse 7'": True,
    "not caption in ('strasse 7', 'strasse 14')": True,
    "caption like 'STRASSE 1%'": True,
    "not caption like 'strasse 1%'": True,
    "caption >= 'strasse 2'": True,
    "row >= 12.5 and not row = 14": True,
    "year = 2020": True,  # nothing has one
    "not year = 2020 or row = 3": True,
    "date > '2020-05' or row = 4": True,
    "caption like '%7'": False,
    "caption like 'str_sse%'": False,
    "label like 'red%'": False,
    "caption = 'it\\'s'": False,
}


@pytest.fixture
def captioned(world) -> Gallery:
    captions = tuple(f"Straße {row}" if row % 7 == 0 else "" for row in range(300))
    world.change(captions=captions, pictures=colour_pictures(300, 0))
    return world.gallery


def test_filters_mean_what_they_mean_in_sql(captioned, world, milvus, monkeypatch):
    collection = world.built().open("colours", "mean-colour")
    index = collection.index("milvus-flat")
    asked: list[str] = []
    whole = type(index).search_where
    monkeypatch.setattr(type(index), "search_where", lambda *given, **p: asked.append(given[3]) or whole(*given, **p))
    monkeypatch.setattr("searchdemo.collection.collection.FEW", 0)  # else few are compared without an index
    for where, pushed in FILTERS.items():
        where = where.replace("\\'", "''")
        asked.clear()
        found, wanted = (
            {hit.row for hit in collection.search(Query(row=5), name, 300, pictures=False, where=where).hits}
            for name in ("milvus-flat", "brute")
        )
        assert found == wanted, where
        assert bool(asked) == (pushed and bool(wanted)), where


def test_expressions_of_dates():
    assert expression(parse("date = '2020-05'")) == (
        'array_contains(known, "date") and (of_date >= "2020-05" and of_date < "2020-05~")'
    )
    assert expression(parse("not date <= '2020'")) == 'array_contains(known, "date") and (of_date >= "2020~")'
    for text in ("caption = 'a\"b'", "caption = 'a\\b'", "label like 'a%'", "caption like 'a%b%'"):
        with pytest.raises(Inexpressible):
            expression(parse(text))


# What it belongs to


def test_it_is_found_again_and_others_vectors_are_refused(captioned, world, milvus, monkeypatch):
    from searchdemo.indexes.milvus_client import asked
    from searchdemo.indexes.milvus_index import DIGEST

    collection = world.built().open("colours", "mean-colour")
    name = collection.index("milvus").index
    wanted = [hit.row for hit in collection.search(Query(row=5), "brute", 5).hits]
    again = world.library().open("colours", "mean-colour")
    assert again.has_index("milvus") and again.index("milvus").index == name
    assert [hit.row for hit in again.search(Query(row=5), "milvus", 5).hits] == wanted

    world.change(captions=("alone", *captioned.captions[1:]), described="2")  # facts change, the vectors stay
    library = world.library()
    hits = library.open("colours", "mean-colour").search(Query(row=5), "milvus", 5, where="caption = 'alone'").hits
    assert [hit.row for hit in hits] == [0]

    command = "python -m searchdemo build --gallery colours --encoder mean-colour --index milvus"
    asked(lambda milvus: milvus.release_collection(name))  # as others may do on a server; it is loaded again
    assert [hit.row for hit in again.search(Query(row=5), "milvus", 5).hits] == wanted
    asked(lambda milvus: milvus.delete(name, ids=[5, 6]))
    asked(lambda milvus: milvus.release_collection(name))
    with pytest.raises(BadArtifact, match=f"has 298 rows for 300 vectors.*`{command}`"):
        again.search(Query(row=5), "milvus", 5)
    asked(lambda milvus: milvus.alter_collection_properties(name, {DIGEST: "0" * 64}))
    with pytest.raises(BadArtifact, match=f"belongs to other vectors.*`{command}`"):
        world.library().open("colours", "mean-colour").index("milvus")
    monkeypatch.setattr("searchdemo.encoders.table.weights_path", lambda name: None)
    words = ["build", "--gallery", "colours", "--encoder", "mean-colour", "--index", "milvus", "--out-dir"]
    assert cli.main([*words, str(world.store.own)]) == 0
    mended = world.library().open("colours", "mean-colour")
    assert [hit.row for hit in mended.search(Query(row=5), "milvus", 5).hits] == wanted

    flat = mended.index("milvus-flat").index
    asked(lambda milvus: milvus.drop_collection(flat))
    for holder in (mended, world.library().open("colours", "mean-colour")):
        with pytest.raises(BadArtifact, match=f"{flat}.*is not there: make it again with `{command}-flat`"):
            holder.search(Query(row=5), "milvus-flat", 5)


def test_a_folder_that_changes(tmp_path, world, on_lite):
    folder = three_colours(tmp_path / "mine", world)
    folder.add_many(40)
    folder.build()
    folder.open().index("milvus")
    (folder.root / "b" / "red.png").unlink()
    folder.add("b/white.png", 255, 255, 255)
    told = {one["index"]: one for one in folder.build().manifest.built["indexes"]}
    assert told["milvus"]["in_place"] == "as upserts and deletes"
    for text in ("white", "red", "blue"):
        found, wanted = (folder.search(text, 5, name).hits for name in ("milvus", "flat"))
        assert [hit.file for hit in found] == [hit.file for hit in wanted]
    hits = folder.open().search(Query(text="red"), "milvus", 5, where="label = 'b'").hits
    assert {hit.file for hit in hits} == {"b/green.png", "b/white.png"}


# Measured beside FAISS


def test_the_benchmark_has_faiss_lite_and_the_server_in_one_table(world, server, monkeypatch):
    from searchdemo.indexes.milvus_client import client

    pytest.importorskip("milvus_lite")
    monkeypatch.setenv("SEARCHDEMO_MILVUS", server.uri)
    before = sorted(client().list_collections())
    few = Bench(world.built(), Key("colours", "mean-colour"), quick=True, indexes=("milvus-flat", "milvus-ivf-sq8"))
    kept: list[RunCard] = []
    card = measure("milvus", few, kept.append)
    rows = card.parts["milvus"]
    assert [len(one.parts["milvus"]) for one in kept] == [3, 6]
    assert kept[0].notes[-1] == "unfinished: 1 of 2 comparisons were done" and kept[0].path == card.path
    three = ["FAISS", "Milvus Lite", "Milvus server"]
    assert [row["library"] for row in rows] == three * 2
    assert not [note for note in card.notes if "Milvus" in note]
    assert [row["index"] for row in rows[:3]] == ["flat", "milvus-flat", "milvus-flat"]
    assert [row["recall_10"] for row in rows[:3]] == [1, 1, 1] and rows[3]["index"].endswith(",SQ8")
    for row in rows:
        assert row["of_faiss"] == 1 if row["library"] == "FAISS" else row["of_faiss"] > 0
        assert 0 < row["p50_ms"] <= row["p95_ms"] and row["repeats"] == 20 and row["build_s"] > 0
    (table,) = beside.tables([card])
    assert len(table.rows) == 6 and table.name == "milvus-mean-colour"
    assert sorted(client().list_collections()) == before  # nothing of it stays


# What goes away


def test_galleries_whose_names_milvus_cannot_tell_apart(tmp_path, clustered):
    np.save(tmp_path / "a.npy", clustered[0][:10])
    store, names = Store(own=tmp_path / "own", shipped=tmp_path / "none"), set()
    for name in ("a-b", "a.b", "a_b"):
        take_in(store, name, tmp_path / "a.npy")
        names.add(described(Library(store).open(f"vectors:{name}", "imported")).name)
    assert len(names) == 3 and all(name.isidentifier() and name.isascii() for name in names)


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back(clustered, server, monkeypatch):
    """Once while queries run, once while a collection is loaded: a sentence each time, then right answers again."""
    monkeypatch.setenv("SEARCHDEMO_MILVUS", server.uri)
    monkeypatch.setattr("searchdemo.indexes.milvus_index.ANSWER_S", 10.0)
    vectors, queries = clustered
    index, wanted = INDEXES["milvus"].build(vectors), exact_rows(queries, vectors, 10)
    said: list[Exception] = []
    running = threading.Event()

    def ask() -> None:
        try:
            while True:
                index.search(queries, 10, ef_search=256)
                running.set()
        except Exception as error:  # whatever it is, the test looks at it
            said.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert running.wait(120)
    server.kill()
    asking.join(120)
    assert isinstance(said[0], NotHere) and "did not answer" in str(said[0])

    def right_again() -> bool:
        try:
            return recall_at_k(index.search(queries, 10, ef_search=256).positions, wanted) > 0.93
        except NotHere:
            return False

    server.start()
    assert comes_true(right_again)

    index._load()
    loading = threading.Thread(target=lambda: said.append(raised(index)))
    loading.start()
    server.kill()
    loading.join(120)
    assert isinstance(said[1], NotHere) and "did not answer" in str(said[1])
    server.start()
    assert comes_true(right_again)


def raised(index) -> Exception | None:
    """What loading again and again ends with."""
    try:
        while True:
            index._checked = False
            index.search(np.eye(index.dim, dtype=np.float32)[:1], 1)
    except Exception as error:
        return error


def comes_true(what, within: float = 300) -> bool:
    latest = time.monotonic() + within
    while time.monotonic() < latest:
        if what():
            return True
        time.sleep(1)
    return False
