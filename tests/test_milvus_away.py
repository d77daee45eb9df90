"""Milvus where it is not, how it is connected to, where it refuses, and where somebody changed what it had."""

from __future__ import annotations

import pytest

from searchdemo.errors import BadQuery, NotHere
from searchdemo.indexes.table import INDEXES
from tests.living import three_colours


def test_a_missing_setting_and_a_wrong_one(clustered, monkeypatch):
    pytest.importorskip("pymilvus")
    monkeypatch.delenv("SEARCHDEMO_MILVUS", raising=False)
    with pytest.raises(NotHere, match=r"SEARCHDEMO_MILVUS is not set: set it to PATH\.db"):
        INDEXES["milvus"].build(clustered[0][:10])
    monkeypatch.setenv("SEARCHDEMO_MILVUS", "vectors")
    with pytest.raises(BadQuery, match="'vectors' is neither a file"):
        INDEXES["milvus"].build(clustered[0][:10])


def test_a_place_that_milvus_lite_cannot_have(tmp_path, clustered, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    pytest.importorskip("milvus_lite")
    (tmp_path / "file.db").write_bytes(b"no database")
    (tmp_path / "taken.db").mkdir()
    with (tmp_path / "taken.db" / "LOCK").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as another process does
        for place, said, fix in (
            ("file.db", "did not answer .*File exists", "name a place that is free"),
            ("file.db/a.db", "did not answer .*(exists|directory)", "name a place that is free"),
            ("taken.db", "refused .another process holds the lock on", "end that process, or set SEARCHDEMO_MILVUS to"),
        ):
            monkeypatch.setenv("SEARCHDEMO_MILVUS", str(tmp_path / place))
            with pytest.raises(NotHere, match=rf"{place} {said}.*\): {fix}"):
                INDEXES["milvus-flat"].build(clustered[0][:10])


def test_milvus_lite_is_not_pinged_while_it_builds(tmp_path, monkeypatch):
    pytest.importorskip("milvus_lite", reason="pip install -r requirements-milvus.txt")
    grpc = pytest.importorskip("grpc")
    from searchdemo.indexes import milvus_client

    opened, whole = [], grpc.insecure_channel

    def channel(target, options=(), **others):
        opened.append(dict(options))
        return whole(target, options=options, **others)

    monkeypatch.setattr(grpc, "insecure_channel", channel)
    monkeypatch.setenv("SEARCHDEMO_MILVUS", str(tmp_path / "quiet.db"))
    milvus_client.client()
    milvus_client.disconnected()
    assert opened and all(options["grpc.keepalive_time_ms"] > 10**9 for options in opened)


REFUSALS = {
    "missing authorization in header": "TOKEN to the user and password",
    "auth check failure, please check username and password are correct": "TOKEN to the user and password",
    "PrivilegeLoad: permission deny to reader": "have that granted",
    "database not found[database=nodb]": "with a database that is there",
}


@pytest.mark.parametrize("said", REFUSALS)
def test_a_server_that_refuses_is_not_one_that_is_away(said, monkeypatch):
    """gRPC's words lie below those of pymilvus, in a ring of causes; a password in a URI is not told."""
    pytest.importorskip("pymilvus")
    import grpc
    from pymilvus.exceptions import MilvusException

    from searchdemo.indexes import milvus_client

    class Refused(grpc.RpcError):
        def details(self):
            return said

    def refuse(*given, **more):
        above, below = MilvusException(message="Fail connecting to server"), Refused()
        above.__cause__, below.__context__ = below, above
        raise above

    monkeypatch.setenv("SEARCHDEMO_MILVUS", "http://root:secret@127.0.0.1:9")
    monkeypatch.setattr(milvus_client, "MilvusClient", refuse)
    with pytest.raises(NotHere) as error:
        milvus_client.asked(lambda milvus: milvus.list_collections())
    told = str(error.value)
    assert told.startswith(f"Milvus at http://127.0.0.1:9 refused ({said}): ") and REFUSALS[said] in told


def test_a_folder_changes_while_its_milvus_is_away(tmp_path, world, monkeypatch):
    pytest.importorskip("milvus_lite")
    monkeypatch.setenv("SEARCHDEMO_MILVUS", str(tmp_path / "one.db"))
    folder = three_colours(tmp_path / "mine", world)
    folder.build()
    folder.open().index("milvus-flat")
    monkeypatch.setenv("SEARCHDEMO_MILVUS", str(tmp_path / "another.db"))  # which has no collection of it
    folder.add("b/white.png", 255, 255, 255)
    told = {one["index"]: one["in_place"] for one in folder.build().manifest.built["indexes"]}
    assert told["ivf"] and not told["milvus-flat"]
    assert folder.search("white", 1, "milvus-flat").hits[0].file == "b/white.png"


def test_nobody_answers(clustered, monkeypatch):
    pytest.importorskip("pymilvus")
    monkeypatch.setenv("SEARCHDEMO_MILVUS", "http://127.0.0.1:9")
    monkeypatch.setenv("SEARCHDEMO_MILVUS_TOKEN", "root:secret")
    monkeypatch.setattr("searchdemo.indexes.milvus_client.ANSWER_S", 1.0)
    with pytest.raises(NotHere, match=r"did not answer.*'hnsw' needs no server") as error:
        INDEXES["milvus"].build(clustered[0][:10])
    assert "secret" not in str(error.value)
