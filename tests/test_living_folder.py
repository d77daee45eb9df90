"""A folder that lives: each picture is known by its content, so only what is new is embedded, and searches go on."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, NoPictures
from searchdemo.files import open_regular
from searchdemo.galleries import folder, folder_pictures
from searchdemo.galleries.walk import File
from tests.conftest import MeanColour, unit
from tests.living import ENCODER, LivingFolder, three_colours


@pytest.fixture
def mine(tmp_path, world) -> LivingFolder:
    return three_colours(tmp_path / "mine", world)


def test_only_what_was_added_is_embedded(mine):
    assert mine.built() == (3, 0, 0)
    mine.add("a/first by name.png", 255, 255, 0)
    assert mine.built() == (1, 3, 0)
    assert mine.search("yellow", 1).hits[0].file == "a/first by name.png"
    assert mine.built() == (0, 4, 0)


def test_a_search_answers_from_the_last_build_and_tells_what_changed(mine):
    mine.build()
    assert mine.search("red").notice == ""
    (mine.root / "c" / "blue.png").unlink()
    for number in range(3):
        mine.add(f"new {number}.png", 9 * number, 1, 200)
    result = mine.search("blue")
    assert {hit.file for hit in result.hits} == {"b/red.png", "b/green.png"}
    assert result.notice == (f"3 pictures were added, 1 removed since the last build; run `{mine.key.build_command}`")
    mine.add("b/red.png", 250, 1, 1)
    assert mine.search("red").notice.startswith("3 pictures were added, 1 changed, 1 removed since the last build")
    assert mine.search("red", 1).hits[0].file == "b/red.png"
    assert mine.built() == (4, 1, 2)
    assert mine.search("blue").notice == ""


@pytest.mark.parametrize("index", ["brute", "flat", "ivf", "hnsw"])
def test_as_many_hits_as_asked_for_where_the_nearest_are_gone(mine, index):
    mine.add_many(60)
    mine.build()
    nearest = mine.search("blue", 20, index).hits
    for hit in nearest[:10]:
        (mine.root / hit.file).unlink()
    hits = mine.search("blue", 10, index).hits
    assert [hit.file for hit in hits] == [hit.file for hit in nearest[10:]]
    assert [hit.rank for hit in hits] == list(range(1, 11))


@pytest.mark.parametrize("inodes", ["kept", "new"])
def test_a_rename_or_a_move_within_the_folder_embeds_nothing_and_keeps_the_row(mine, inodes):
    mine.build()
    before = mine.rows()
    move = os.rename if inodes == "kept" else lambda old, new: (shutil.copy(old, new), old.unlink())
    (mine.root / "d").mkdir()
    move(mine.root / "b" / "red.png", mine.root / "d" / "crimson.png")
    if inodes == "kept":  # known without a build, because the file system says that it is the same file
        assert mine.search("red", 1).hits[0].file == "d/crimson.png" and mine.search("red").notice == ""
        assert mine.search("red", 1).hits[0].label == "d"
    else:
        assert "1 picture was added, 1 removed" in mine.search("red").notice
    assert mine.built() == (0, 3, 0)
    assert mine.rows() == {
        "b/green.png": before["b/green.png"],
        "c/blue.png": before["c/blue.png"],
        "d/crimson.png": before["b/red.png"],
    }


def test_rows_are_kept_through_additions_and_removals(mine):
    mine.build()
    before = mine.rows()
    mine.add("a.png", 1, 2, 3)
    (mine.root / "b" / "green.png").unlink()
    mine.build()
    after = mine.rows()
    assert after == {"b/red.png": before["b/red.png"], "c/blue.png": before["c/blue.png"], "a.png": 3}
    with pytest.raises(BadQuery, match="Row 0 is not among the 3 pictures"):
        mine.open().search(Query(row=before["b/green.png"]), "flat", 1)
    mine.add("back.png", 0, 255, 0)
    mine.build()
    assert mine.rows() == after | {"back.png": before["b/green.png"]}


def test_files_of_the_same_content_have_rows_of_their_own(mine):
    mine.add("b/red again.png", 255, 0, 0)
    mine.build()
    assert [hit.file for hit in mine.search("red", 2).hits] == ["b/red again.png", "b/red.png"]
    (mine.root / "b" / "red.png").unlink()
    assert mine.search("red", 4).hits[0].file == "b/red again.png"
    assert mine.built() == (0, 3, 1)


@pytest.mark.parametrize("how", ["renamed", "moved to another disk"])
def test_a_folder_that_was_moved_is_found_and_embeds_nothing(mine, tmp_path, how):
    mine.build()
    rows, old = mine.rows(), mine.root
    mine.root = tmp_path / "elsewhere" / "my pictures"
    if how == "renamed":
        mine.root.parent.mkdir()
        old.rename(mine.root)
    else:  # the files have other inodes, and the times that they had
        shutil.copytree(old, mine.root)
        shutil.rmtree(old)
    assert mine.search("red", 1).hits[0].file == "b/red.png" and mine.search("red").notice == ""
    assert mine.rows() == rows
    assert mine.built() == (0, 3, 0)
    assert [folder.parts[0] for folder in mine.world.store.folders()] == [mine.key.folder.parts[0]]


def test_a_copy_of_a_folder_embeds_nothing_and_the_first_stays(mine, tmp_path):
    mine.build()
    copy = LivingFolder(tmp_path / "copy", mine.world)
    shutil.copytree(mine.root, copy.root, dirs_exist_ok=True, copy_function=shutil.copy)
    assert copy.built() == (0, 3, 0)
    assert mine.search("red", 1).hits[0].file == copy.search("red", 1).hits[0].file == "b/red.png"


def test_a_file_that_was_only_touched_is_read_again_and_not_embedded(mine):
    mine.build()
    os.utime(mine.root / "b" / "red.png", (1, 1))
    assert "1 picture was changed" in mine.search("red").notice
    assert mine.search("red", 1).hits[0].file == "b/red.png"
    assert mine.built() == (0, 3, 0)
    assert mine.search("red").notice == ""


def test_an_edit_that_keeps_size_and_place_is_seen_by_its_content(mine):
    """Of uncompressed pictures, neither the size nor the beginning and the end tell an edit."""
    pixels = np.full((300, 300, 3), 9, np.uint8)
    Image.fromarray(pixels).save(mine.root / "a.bmp")
    mine.build()
    pixels[100:200] = (0, 200, 0)
    Image.fromarray(pixels).save(mine.root / "a.bmp")
    os.utime(mine.root / "a.bmp", (5, 5))
    assert mine.built() == (1, 3, 1)


@pytest.mark.skipif(os.name != "posix", reason="Windows does not tell when a file was changed beside its own time")
@pytest.mark.parametrize("how", ["in place", "by another file"])
def test_an_edit_that_sets_the_time_back_is_seen(mine, how):
    path = mine.root / "b" / "a.bmp"  # which is not compressed
    Image.new("RGB", (8, 8), "white").save(path)
    mine.build()
    before = path.stat()
    Image.new("RGB", (8, 8), "cyan").save(path if how == "in place" else mine.root / "new.bmp")
    if how == "by another file":
        (mine.root / "new.bmp").replace(path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "1 picture was changed" in mine.search("red").notice
    assert mine.built() == (1, 3, 1)
    assert mine.search("cyan", 1).hits[0].file == "b/a.bmp"


def test_other_rights_cost_reading_and_no_embedding(mine, monkeypatch):
    mine.build()
    (mine.root / "b" / "red.png").chmod(0o600)
    assert mine.built() == (0, 3, 0)
    assert mine.search("red").notice == ""


@pytest.mark.parametrize("seconds", [99_999_999_999, -9_999_999_999], ids=["year 5138", "year 1653"])
def test_a_file_of_any_date_is_found_again(mine, seconds):
    file = mine.root / "b" / "red.png"
    os.utime(file, (seconds, seconds))
    mine.build()
    assert mine.built() == (0, 3, 0) and mine.search("red").hits[0].file == "b/red.png"
    os.utime(file, (seconds + 1, seconds + 1))
    assert mine.built() == (0, 3, 0)


def test_inodes_of_64_bits_and_dates_of_any_year_are_kept_in_64_bits_with_a_sign():
    facts = {"st_size": 1, "st_mtime_ns": 10**20, "st_ctime_ns": 1, "st_dev": 2**64 - 2, "st_ino": 2**63}
    file = File.of("a.png", SimpleNamespace(**facts))
    assert (file.mtime_ns, file.inode) == (2**63 - 1, (-2, -(2**63)))


def test_a_catalog_of_the_version_before_keeps_its_rows(mine, monkeypatch, tmp_path):
    monkeypatch.setattr("searchdemo.galleries.catalog.own_folder", lambda: tmp_path / "home")
    mine.build()
    (mine.root / "b" / "green.png").unlink()
    mine.build()
    rows = mine.rows()
    with contextlib.closing(sqlite3.connect(tmp_path / "home" / "pictures.sqlite")) as db, db:
        db.execute("ALTER TABLE files DROP COLUMN ctime_ns")
        db.execute("ALTER TABLE folders DROP COLUMN class_level")
        db.execute("PRAGMA user_version = 1")
    assert mine.rows() == rows == {"b/red.png": 1, "c/blue.png": 2} and mine.search("red").notice == ""
    assert mine.built() == (0, 2, 0)


def test_an_encoder_of_other_weights_embeds_all(mine):
    mine.build()
    mine.world.encoder = MeanColour("cd" * 32)
    assert mine.built(rebuild=True) == (3, 0, 0)


def test_an_answer_without_pictures_says_why(tmp_path, world):
    alone = LivingFolder(tmp_path / "alone", world)
    alone.add("___/red.png", 255, 0, 0)
    alone.build()
    opened = alone.open()
    result = opened.search(Query(row=0), "flat", 3)
    assert result.hits == () and result.notice == "there is no other picture here than the one that is asked about"
    assert opened.gallery.class_names == ("___",)  # of it no more would be left than a blank


def test_a_rebuild_embeds_all(mine):
    mine.build()
    assert mine.built(rebuild=True) == (3, 0, 0)


def test_what_is_open_notices_changes_after_a_while(mine, monkeypatch):
    mine.build()
    library = mine.world.library()
    assert mine.search("red", library=library).notice == ""
    (mine.root / "b" / "red.png").unlink()
    monkeypatch.setattr(folder_pictures, "LOOK_EVERY_S", 10**9)
    assert mine.search("red", 1, library=library).notice == ""
    monkeypatch.setattr(folder_pictures, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(folder_pictures, "LOOK_SHARE", float("inf"))
    result = mine.search("red", 1, library=library)
    assert "1 picture was removed" in result.notice and result.hits[0].file != "b/red.png"


def test_a_folder_that_changed_is_looked_through_once_and_not_for_every_search(mine, monkeypatch):
    mine.build()
    (mine.root / "b" / "red.png").unlink()
    monkeypatch.setattr(folder_pictures, "LOOK_EVERY_S", float("inf"))
    library, looked = mine.world.library(), []
    whole = folder.walk
    monkeypatch.setattr(folder, "walk", lambda *given: looked.append(given) or whole(*given))
    for _ in range(5):
        assert "1 picture was removed" in mine.search("red", library=library).notice
    assert len(looked) == 2  # for the first search, and because another process might have built what it holds


def test_a_file_that_is_written_during_the_build_is_left_for_the_next(mine, monkeypatch):
    kind = type(mine.world.encoder)
    whole = kind.encode_pixels

    def encode_pixels(self, pixels):
        if self.encoded == 0:
            mine.add("b/red.png", 0, 255, 255)
            os.utime(mine.root / "b" / "red.png", (5, 5))  # a file system's clock ticks every few milliseconds
        return whole(self, pixels)

    library = mine.world.library()
    with monkeypatch.context() as patched:
        patched.setattr(kind, "encode_pixels", encode_pixels)
        patched.setattr("searchdemo.collection.embed.FIRST_BATCH", 3)  # all were read when the first are embedded
        assert library.build(mine.key).manifest.vectors == 2
    assert library.gallery(mine.key.gallery).report.waiting == ("b/red.png",)
    assert "1 picture was added" in mine.search("red").notice
    assert mine.built() == (1, 2, 0)


def test_a_file_that_the_disk_does_not_give_is_named_and_tried_again(mine, monkeypatch):
    """Its first bytes are there, as far as looking reads; a worn disk fails later."""
    bad = mine.root / "c" / "blue.png"

    class Worn(io.BytesIO):
        def read(self, *size):
            raise OSError(5, "Input/output error")

    library = mine.world.library()
    with monkeypatch.context() as patched:
        there = lambda path: Worn() if path == bad else open_regular(path)  # noqa: E731
        patched.setattr("searchdemo.galleries.folder_pictures.open_regular", there)
        assert library.build(mine.key).manifest.vectors == 2
        report = library.gallery(mine.key.gallery).report
        assert report.unreadable == {"c/blue.png": "cannot be read (Input/output error)"}
        assert not report.waiting and not report.vanished
    assert library.build(mine.key).manifest.vectors == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(mine):
    library, taken = mine.world.library(), mine.root / "c" / "blue.png"
    gallery = library.gallery(mine.key.gallery)
    row = gallery.pictures.paths.index("c/blue.png")
    taken.unlink()
    os.mkfifo(taken)
    assert gallery.pictures.encoded(row) is None and gallery.pictures.opened(row) is None
    with pytest.raises(OSError, match="no regular file"):
        open_regular(taken)


def test_a_lost_catalog_costs_reading_and_no_embedding(mine, monkeypatch, tmp_path):
    mine.build()
    monkeypatch.setattr("searchdemo.galleries.catalog.own_folder", lambda: tmp_path / "another")
    assert mine.built() == (0, 3, 0)
    assert mine.search("red", 1).hits[0].file == "b/red.png"


@pytest.mark.parametrize("damage", ["garbage", "folder cannot be written"])
def test_a_catalog_that_cannot_be_used_is_made_again_or_kept_in_memory(mine, monkeypatch, tmp_path, damage):
    home = tmp_path / "home"
    monkeypatch.setattr("searchdemo.galleries.catalog.own_folder", lambda: home)
    if damage == "garbage":
        home.mkdir()
        (home / "pictures.sqlite").write_bytes(b"no database" * 100)
    else:
        home.write_text("a file where the folder would be")
    assert mine.built() == (3, 0, 0)
    assert mine.search("red", 1).hits[0].file == "b/red.png"
    assert mine.built() == (0, 3, 0)


def test_a_part_of_a_folder_is_kept_up_too(mine):
    mine.add_many(20)
    library = mine.world.library()
    key = Key(mine.key.gallery, ENCODER, limit=10)
    assert library.build(key).manifest.vectors == 10
    hit = mine.search("red", 10).hits[0]
    (mine.root / hit.file).unlink()
    result = mine.search("red", 10)
    assert len(result.hits) == 9 and "1 picture was removed" in result.notice
    again = mine.world.library().build(key).manifest
    assert again.vectors == 10 and again.built["reused"] >= 5
    for path in sorted(mine.root.glob("0-*.png"))[:12]:
        path.unlink()
    assert mine.world.library().build(key).manifest.vectors == 10
    assert mine.search("red", 20).notice == "" and len(mine.search("red", 20).hits) == 10


def test_what_is_written_between_looking_and_embedding_is_never_stored_under_the_old_content(mine, monkeypatch):
    mine.build()
    library = mine.world.library()
    gallery = library.gallery(mine.key.gallery)
    (row,) = (row for row in range(3) if gallery.file(row) == "b/red.png")
    whole = type(gallery.pictures).encoded

    def encoded(pictures, number: int) -> bytes | None:
        if number == row:
            mine.add("b/red.png", 0, 255, 255)
        return whole(pictures, number)

    with monkeypatch.context() as patched:
        patched.setattr(type(gallery.pictures), "encoded", encoded)
        assert library.build(mine.key, rebuild=True).manifest.vectors == 2
    assert mine.built() == (1, 2, 0)
    assert mine.search("cyan", 1).hits[0].file == "b/red.png"


def test_vectors_stay_with_their_pictures(mine):
    mine.add_many(100)
    mine.build()
    for path in sorted(mine.root.glob("0-*.png"))[::3]:
        path.unlink()
    mine.add_many(50, seed=1)
    mine.build()
    collection = mine.open()
    rows, vectors = collection.gallery_rows(np.arange(len(collection))), collection.vectors.all()
    for row, vector in zip(rows, vectors, strict=True):
        colour = np.asarray(Image.open(mine.root / collection.gallery.file(row)))[0, 0]
        assert np.abs(vector - unit(np.pad(colour.astype(float), (0, 5)))).max() < 2**-10


def test_when_all_pictures_are_gone_it_is_said(mine):
    mine.build()
    shutil.rmtree(mine.root / "b")
    shutil.rmtree(mine.root / "c")
    with pytest.raises(NoPictures, match="holds no picture files"):
        mine.search("red")
