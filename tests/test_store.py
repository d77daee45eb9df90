"""What lies on disk: names, checksums, atomic writes, and the sentence for everything that does not match."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from searchdemo.collection import store as store_module
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key, Store, own_root
from searchdemo.errors import BadArtifact, NotBuilt, SearchDemoError
from searchdemo.files import sha256_of, write_json
from searchdemo.indexes.table import find

KEY = Key("colours", "mean-colour")
REBUILD = "python -m searchdemo build --gallery colours --encoder mean-colour --rebuild"


@pytest.mark.parametrize(
    ("key", "folder", "options"),
    [
        (KEY, "colours/mean-colour", ""),
        (replace(KEY, transform="full"), "colours/mean-colour-full", " --transform full"),
        (replace(KEY, metric="l2", limit=2000), "colours/mean-colour-l2-n2000", " --metric l2 --limit 2000"),
    ],
)
def test_folder_and_command_of_a_key(key, folder, options):
    assert key.folder == Path(folder)
    assert key.build_command == f"python -m searchdemo build --gallery colours --encoder mean-colour{options}"


def test_folders_of_own_pictures_have_names_of_their_own(tmp_path):
    one, two = (Key(f"folder:{tmp_path}/{name}/my pictures", "e") for name in ("a", "b"))
    assert one.folder != two.folder
    assert one.folder.parts[0].startswith("folder-my-pictures-") and len(one.folder.parts) == 2
    assert one.folder == Key(f"folder:{tmp_path}/a/../a/my pictures/", "e").folder
    assert f"--gallery 'folder:{tmp_path}/a/my pictures' --" in one.build_command  # as a shell takes it


def test_a_short_name_of_a_folder_is_kept_whole():
    digest = "1177d86e"  # printf /pictures/2024_Ferien-Süd | sha256sum
    assert Key("folder:/pictures/2024_Ferien-Süd", "e").folder == Path(f"folder-2024_Ferien-Süd-{digest}/e")


def test_a_name_that_fills_its_folder_or_is_no_utf8_still_gets_one(tmp_path):
    names = ["山" * 80, "山" * 80 + "海", "a" * 255, "bad\udcff"]  # 240, 243, 255 bytes; the byte 0xff
    folders = [Key(f"folder:{tmp_path}/{name}", "e").folder for name in names]
    assert len(set(folders)) == 4
    assert folders[0].parts[0].startswith("folder-山山山") and folders[3].parts[0].startswith("folder-bad--")
    for folder in folders:
        assert len(folder.parts[0].encode()) <= 80
        (tmp_path / "own" / folder).mkdir(parents=True)


def test_own_root(monkeypatch, tmp_path):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    assert own_root() == tmp_path / "home" / "indexes"
    monkeypatch.delenv("SEARCHDEMO_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert own_root() == tmp_path / "cache" / "searchdemo" / "indexes"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert own_root() == Path.home() / ".cache" / "searchdemo" / "indexes"


def test_not_built_says_how(store):
    assert not store.has(KEY) and store.folders() == []
    with pytest.raises(
        NotBuilt, match=r"no vectors for 'colours' yet; build them with `python -m searchdemo build --g"
    ):
        store.open(KEY)


def test_own_artifacts_go_before_shipped_ones(world):
    world.built()
    shutil.copytree(world.store.own, world.store.roots[1])
    assert world.store.open(KEY).folder == world.folder
    shutil.rmtree(world.store.own)
    assert world.store.open(KEY).folder == world.store.roots[1] / "colours" / "mean-colour"
    assert world.store.folders() == [Path("colours/mean-colour")]


def manifest_of(world) -> dict:
    return json.loads((world.folder / "manifest.json").read_text())


def search(world):
    """From a fresh library, so that nothing is kept from before the damage."""
    return world.library().open("colours", "mean-colour").search(Query(row=0), "ivf", 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "format 2, and version .* update searchdemo"),
        ({"surprise": 1}, "surprise"),
        ({"metric": "l2"}, "metric 'l2', wanted 'ip'"),
        ({"transform": "full"}, "transform 'full', wanted 'own'"),
        ({"files": {}}, "no checksum of ivf.faiss"),
    ],
)
def test_a_manifest_that_does_not_match(world, change, reason):
    world.built()
    whole = manifest_of(world)
    write_json(world.folder / "manifest.json", whole | change)
    with pytest.raises(BadArtifact, match=reason) as error:
        search(world)
    assert REBUILD in str(error.value)
    write_json(world.folder / "manifest.json", whole)
    assert len(search(world).hits) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"', "\udcff"])
def test_a_manifest_that_is_none(world, text):
    world.built()
    (world.folder / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BadArtifact, match="not a manifest that this version reads"):
        search(world)


def test_missing_cut_and_altered_files(world):
    library = world.built()
    path = world.folder / "ivf.faiss"
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:100] + b"\0\1" + whole[102:], b""):
        path.write_bytes(damaged)
        with pytest.raises(BadArtifact, match=r"ivf\.faiss does not match its checksum") as error:
            search(world)
        assert REBUILD in str(error.value)
    path.unlink()
    with pytest.raises(BadArtifact, match=r"ivf\.faiss is missing") as error:
        search(world)
    assert REBUILD in str(error.value)
    library.build(Key("colours", "mean-colour"))  # what the command does
    assert len(search(world).hits) == 3


def test_an_engine_answers_again_once_the_file_is_whole(world):
    world.built()
    path = world.folder / "ivf.faiss"
    whole = path.read_bytes()
    path.write_bytes(b"broken")
    library = world.library()
    for _ in range(2):
        with pytest.raises(BadArtifact):
            library.open("colours", "mean-colour").search(Query(row=0), "ivf", 3)
    path.write_bytes(whole)
    assert len(library.open("colours", "mean-colour").search(Query(row=0), "ivf", 3).hits) == 3


def test_other_pictures_are_refused(world):
    world.built()
    world.change(fingerprint="colours-2")
    with pytest.raises(BadArtifact, match="other pictures than 'colours' holds now") as error:
        search(world)
    assert REBUILD in str(error.value)


def test_other_weights_are_refused_for_what_needs_them(world):
    world.built()
    world.encoder.weights_sha256 = "cd" * 32
    library = world.library()
    for query in (Query(text="red"), Query(picture=world.gallery.pictures.encoded(0))):
        with pytest.raises(BadArtifact, match=r"other weights of 'mean-colour' \(abababababab\).*cdcdcd") as error:
            library.open("colours", "mean-colour").search(query, "flat", 3)
        assert REBUILD in str(error.value)
    assert (
        len(library.open("colours", "mean-colour").search(Query(row=0), "flat", 3).hits) == 3
    )  # a stored vector does not


# Further indexes


def test_a_further_index_is_saved_and_found_again(world):
    library = world.built()
    assert not library.open("colours", "mean-colour").has_index("hnsw")
    library.open("colours", "mean-colour").index("hnsw")
    written = (world.folder / "hnsw.faiss").stat().st_mtime_ns
    again = world.library()
    assert again.open("colours", "mean-colour").has_index("hnsw")
    again.open("colours", "mean-colour").index("hnsw")
    assert (world.folder / "hnsw.faiss").stat().st_mtime_ns == written


@pytest.mark.parametrize("damage", ["file", "card", "no card", "other factory", "other vectors"])
def test_a_stale_or_damaged_further_index_is_built_again(world, damage):
    world.built().open("colours", "mean-colour").index("sq8")
    path, card = world.folder / "sq8.faiss", world.folder / "sq8.faiss.json"
    content = json.loads(card.read_text())
    if damage == "file":
        path.write_bytes(path.read_bytes()[:-4])
    elif damage == "card":
        card.write_text("{")
    elif damage == "no card":
        card.unlink()
    elif damage == "other factory":
        write_json(card, content | {"factory": "SQ4"})
    else:
        write_json(card, content | {"vectors_sha256": "00"})
    library = world.library()
    assert not library.open("colours", "mean-colour").has_index("sq8")
    found = library.open("colours", "mean-colour").search(Query(row=5), "sq8", 3)
    assert len(found.hits) == 3
    assert {**json.loads(card.read_text()), "build_seconds": 0} == {
        **content,
        "build_seconds": 0,
        "sha256": sha256_of(path),
    }


def test_names_of_index_files():
    assert store_module.index_file(find("faiss:IVF64,PQ8x4fs")) == "faiss_IVF64_PQ8x4fs.faiss"
    assert "/" not in store_module.index_file(find("faiss:../../x"))
    assert [store_module.index_file(find(name)) for name in ("hnsw", "annoy")] == ["hnsw.faiss", "annoy.annoy"]


# Writing


def test_write_json_leaves_the_old_file_when_it_is_interrupted(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"new": object()})
    monkeypatch.setattr(Path, "replace", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"new": 2})
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path, monkeypatch):
    path, replace_ = tmp_path / "a.json", Path.replace

    def overtaken(self, target):
        """Another thread writes the same file from start to end before this one moves its own into place."""
        monkeypatch.setattr(Path, "replace", replace_)
        other = threading.Thread(target=write_json, args=(path, {"by": "another"}))
        other.start()
        other.join()
        assert json.loads(path.read_text()) == {"by": "another"}
        return replace_(self, target)

    monkeypatch.setattr(Path, "replace", overtaken)
    write_json(path, {"by": "the first"})
    assert json.loads(path.read_text()) == {"by": "the first"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_waits_for_a_folder_that_is_being_replaced(world, monkeypatch, clock):
    world.built()
    old = world.folder.with_name(world.folder.name + ".old")
    monkeypatch.setattr(store_module, "time", clock)
    clock.sleep = lambda seconds: old.rename(world.folder)  # the publisher's turn
    for look in (world.store.has, world.store.open):
        world.folder.rename(old)
        assert look(KEY)


def test_a_reader_does_not_wait_for_ever_for_a_publisher_that_died(world, monkeypatch, clock):
    world.built()
    world.folder.rename(world.folder.with_name(world.folder.name + ".old"))
    monkeypatch.setattr(store_module, "time", clock)
    with world.store.building(KEY):  # by another process, which may still put it into place
        assert not world.store.has(KEY)
        assert clock.now == pytest.approx(store_module.SWAP_SECONDS, abs=0.02) and clock.slept > 50
        with pytest.raises(NotBuilt):
            world.store.open(KEY)
    assert world.store.open(KEY).manifest.vectors == 300  # it died: the reader puts the old one back


def test_a_manifest_that_goes_away_while_it_is_opened_is_a_missing_one(world, monkeypatch):
    world.built()
    read = store_module.read_manifest

    def late(path, key):
        shutil.rmtree(world.folder, ignore_errors=True)
        return read(path, key)

    monkeypatch.setattr(store_module, "read_manifest", late)
    with pytest.raises(NotBuilt):
        world.store.open(KEY)


@pytest.mark.parametrize("killed_at", [1, 2])
def test_a_kill_while_publishing_leaves_the_old_artifact_or_the_new_one(world, monkeypatch, killed_at):
    world.built()
    renames, rename = [], Path.rename

    def killed(self, target):
        renames.append(target)
        if len(renames) == killed_at:
            raise KeyboardInterrupt
        return rename(self, target)

    world.encoder.weights_sha256 = "cd" * 32
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            world.built()
    monkeypatch.setattr(store_module, "SWAP_SECONDS", 0)
    assert world.store.open(KEY).manifest.weights_sha256 == ("ab" if killed_at == 1 else "cd") * 32
    world.encoder.weights_sha256 = world.store.open(KEY).manifest.weights_sha256
    assert len(search(world).hits) == 3
    assert world.store.folders() == [Path("colours/mean-colour")]
    world.encoder.weights_sha256 = "cd" * 32
    world.built()
    assert world.store.open(KEY).manifest.weights_sha256 == "cd" * 32
    assert sorted(path.name for path in world.folder.parent.iterdir() if path.is_dir()) == ["mean-colour"]


def _hold(own: Path, held, let_go) -> None:
    with Store(own=own).building(KEY):
        held.set()
        let_go.wait(100)


def test_two_processes_do_not_build_the_same(world):
    context = multiprocessing.get_context("fork")
    held, let_go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(world.store.own, held, let_go))
    other.start()
    try:
        assert held.wait(60)
        with pytest.raises(SearchDemoError, match="is being built for 'colours' by another process"):
            world.built()
        world.built(limit=10)  # another key is free
    finally:
        let_go.set()
        other.join(60)
    world.built()


def test_a_folder_that_cannot_be_made(tmp_path, world):
    (tmp_path / "file").write_text("in the way")
    world.store.own = tmp_path / "file" / "indexes"
    with pytest.raises(SearchDemoError, match=r"cannot be made .*: set SEARCHDEMO_HOME"):
        world.built()


def test_checksums_are_computed_again_after_a_change(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    path.write_bytes(b"")
    assert sha256_of(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_vectors_and_queries_are_stored_once_each(world):
    world.built()
    assert sorted(path.name for path in world.folder.iterdir()) == ["ivf.faiss", "manifest.json", "queries.npy"]
    queries = np.load(world.folder / "queries.npy")
    assert queries.dtype == np.float16
    assert np.abs(queries - world.gallery.queries.rows_of()).max() < 2**-11
