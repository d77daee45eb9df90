"""The facts about pictures: written by a build, right after every change of a folder, read from each file once."""

from __future__ import annotations

import io
import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.errors import BadArtifact
from searchdemo.exif import Taken, taken
from searchdemo.galleries.base import content_digest
from searchdemo.galleries.table import open_gallery
from searchdemo.metadata import database, follow
from searchdemo.metadata.database import Database
from searchdemo.metadata.follow import Metadata
from searchdemo.metadata.grammar import parse
from tests.conftest import World, png

GPS = {1: "S", 2: (33.0, 30.0, 36.0), 3: "E", 4: (151.0, 12.0, 0.0)}


def photograph(colour: tuple[int, int, int], date: str = "", make: str = "", model: str = "", gps: dict | None = None):
    """A JPEG with EXIF."""
    exif, buffer = Image.Exif(), io.BytesIO()
    if make:
        exif[ExifTags.Base.Make] = make
    if model:
        exif[ExifTags.Base.Model] = model
    if date:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = date
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    Image.new("RGB", (16, 16), colour).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind the pixels"])
def test_a_png_says_it_too_and_is_not_decoded_for_that(monkeypatch, behind):
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Model] = "Pixel 8"
    Image.new("RGB", (16, 16)).save(buffer, "PNG", exif=exif)
    data = buffer.getvalue()
    if behind:
        start = data.index(b"eXIf") - 4
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        last = data.index(b"IEND") - 4
        data = data[:start] + data[end:last] + data[start:end] + data[last:]
        assert data.index(b"IDAT") < data.index(b"eXIf")
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert taken(io.BytesIO(data)).camera == "Pixel 8"
    bare = io.BytesIO()
    Image.new("RGB", (16, 16)).save(bare, "PNG")
    assert taken(io.BytesIO(bare.getvalue())) == taken(io.BytesIO(bare.getvalue()[:-20])) == Taken()
    place = data.index(b"eXIf")
    huge = data[: place - 4] + (2**31 - 1).to_bytes(4, "big") + data[place:]
    assert taken(io.BytesIO(huge)) == Taken()


def test_exif_says_when_with_what_and_where():
    data = photograph((9, 9, 9), "2021:02:03 04:05:06", "Canon", "Canon EOS R5", GPS)
    assert taken(io.BytesIO(data)) == Taken("2021-02-03 04:05:06", "Canon EOS R5", -33.51, 151.2)
    assert taken(io.BytesIO(photograph((9, 9, 9), make="Apple", model="iPhone 15"))).camera == "Apple iPhone 15"


@pytest.mark.parametrize(
    "data",
    [
        png((1, 2, 3)),
        b"",
        b"no picture",
        photograph((9, 9, 9), "0000:00:00 00:00:00"),
        photograph((9, 9, 9), "yesterday"),
        photograph((9, 9, 9), gps={1: "S", 2: (200.0, 0.0, 0.0), 3: "E", 4: (151.0, 12.0, 0.0)}),
        photograph((9, 9, 9), gps={2: (33.0, 30.0, 36.0)}),
        photograph(
            (9, 9, 9), gps={1: "S", 2: (TiffImagePlugin.IFDRational(0, 0), 0.0, 0.0), 3: "E", 4: (1.0, 1.0, 1.0)}
        ),
        photograph((9, 9, 9), "2021:02:03 04:05:06")[:60],
    ],
)
def test_what_a_file_does_not_say_is_none(data):
    assert taken(io.BytesIO(data)) == Taken()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    for name, data in {
        "dogs/rex.jpg": photograph((250, 9, 9), "2019:05:01 10:00:00", "Canon", "EOS R5"),
        "dogs/fido.jpg": photograph((9, 250, 9), "2020:05:01 10:00:00", "Nikon", "Z6", GPS),
        "cats/tom.png": png((9, 9, 250)),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def built(world: World, folder):
    library = world.library()
    library.build(Key(f"folder:{folder}", "mean-colour"))
    return library


def files(library, folder, where: str, k: int = 10, index: str = "flat") -> list[str]:
    found = library.open(f"folder:{folder}", "mean-colour").search(Query(text="red"), index, k, where=where)
    assert found.matching == len(found.hits)
    return sorted(hit.file for hit in found.hits)


@pytest.fixture
def headers(monkeypatch):
    """The files whose headers were read so far."""
    read = []

    def counted(gallery, row):
        read.append(gallery.file(row))
        return header(gallery, row)

    header = follow.header
    monkeypatch.setattr(follow, "header", counted)
    return read


def test_a_build_reads_each_header_once_and_filters_find_what_it_says(world, folder, headers):
    library = built(world, folder)
    assert sorted(headers) == ["cats/tom.png", "dogs/fido.jpg", "dogs/rex.jpg"]
    for index in ("flat", "ivf", "hnsw", "lsh"):
        assert files(library, folder, "year >= 2020", index=index) == ["dogs/fido.jpg"]
    assert files(library, folder, "camera like 'canon%' or latitude < 0") == ["dogs/fido.jpg", "dogs/rex.jpg"]
    assert files(library, folder, "label = 'cats'") == ["cats/tom.png"]
    size = (folder / "cats/tom.png").stat().st_size
    assert files(library, folder, f"size = {size}") == ["cats/tom.png"]
    digest = content_digest((folder / "dogs/rex.jpg").read_bytes()).hex()
    assert files(library, folder, f"hash = '{digest}'") == ["dogs/rex.jpg"]
    assert files(world.library(), folder, "date is null") == ["cats/tom.png"]  # after a restart
    assert len(headers) == 3


def test_facts_follow_the_folder(world, folder, headers):
    built(world, folder)
    (folder / "dogs/rex.jpg").rename(folder / "cats/rex.jpg")  # a row keeps its facts, and has another class
    (folder / "dogs/fido.jpg").write_bytes(photograph((9, 240, 9), "2022:01:01 00:00:00"))  # another content
    (folder / "dogs/new.jpg").write_bytes(photograph((90, 90, 9), "2023:01:01 00:00:00"))
    (folder / "cats/tom.png").unlink()
    library = world.library()
    assert files(library, folder, "label = 'cats'") == ["cats/rex.jpg"]  # before the next build
    assert files(library, folder, "year = 2019") == ["cats/rex.jpg"]
    headers.clear()
    library = built(world, folder)
    assert sorted(headers) == ["dogs/fido.jpg", "dogs/new.jpg"]
    assert files(library, folder, "label = 'cats' and year = 2019") == ["cats/rex.jpg"]
    assert files(library, folder, "year >= 2022") == ["dogs/fido.jpg", "dogs/new.jpg"]
    assert files(library, folder, "date is null") == []


def test_a_folder_that_moves_takes_its_facts_along(world, folder, headers):
    built(world, folder)
    moved = folder.with_name("moved")
    folder.rename(moved)
    assert files(world.library(), moved, "year = 2020") == ["dogs/fido.jpg"]
    assert len(headers) == 3


def test_headers_wait_for_a_filter_that_needs_them(world, folder, headers, monkeypatch):
    """As in a folder that an older version built."""
    monkeypatch.setattr("searchdemo.collection.library.Library._read_headers", lambda *given: None)
    library = built(world, folder)
    assert files(library, folder, "label = 'dogs'") == ["dogs/fido.jpg", "dogs/rex.jpg"] and not headers
    assert files(library, folder, "year = 2019") == ["dogs/rex.jpg"] and len(headers) == 3


def test_a_kill_between_headers_loses_a_part(world, folder, headers, monkeypatch):
    monkeypatch.setattr(follow, "AT_ONCE", 1)

    class Killed(BaseException):
        pass

    def kill(done, total):
        if done == 2:
            raise Killed

    gallery = built(world, folder).gallery(f"folder:{folder}")
    headers.clear()
    facts = Metadata(folder.parent / "facts.sqlite")
    with pytest.raises(Killed):
        facts.follow(gallery, progress=kill)
    again = Metadata(folder.parent / "facts.sqlite")
    assert np.flatnonzero(again.matching(gallery, parse("year > 0"))).size == 2
    assert len(headers) == 3


def test_scenes_know_labels_and_captions_without_a_new_file(tmp_path):
    gallery, facts = open_gallery("scenes"), Metadata(tmp_path / "scenes.sqlite")
    for where, wanted in [
        ("label = 'boat'", [gallery.label(row) == "boat" for row in range(2000)]),
        ("caption like '%night%'", ["night" in caption for caption in gallery.captions]),
        (f"hash = '{content_digest(gallery.pictures.encoded(7)).hex()}'", [row == 7 for row in range(2000)]),
        ("year is not null or file is not null", [False] * 2000),
    ]:
        assert facts.matching(gallery, parse(where)).tolist() == wanted
    labels = np.array(gallery.pictures.labels)
    assert (
        facts.matching(gallery, parse("label != 'boat'")).sum() == (labels != gallery.label_names.index("boat")).sum()
    )


def test_tiny_imagenet_knows_labels_and_keys_without_its_pictures(tmp_path):
    gallery, facts = open_gallery("tiny-imagenet"), Metadata(tmp_path / "tiny.sqlite")
    meeting = facts.matching(gallery, parse("label in ('goldfish', 'n01641577')"))
    assert meeting.sum() == 1000
    assert {gallery.label(int(row)) for row in np.flatnonzero(meeting)} == {"n01443537", "n01641577"}
    key = gallery.pictures.key(1234).hex()
    assert np.flatnonzero(facts.matching(gallery, parse(f"hash = '{key}'"))).tolist() == [1234]


# The file


def test_nobody_waits_for_who_writes(world, folder):
    """A search with a filter, and one without, answer while another process holds the lock of a writer."""
    library = built(world, folder)
    (path,) = world.store.own.glob("*/metadata.sqlite")
    with sqlite3.connect(path, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE pictures SET camera = 'half written'")
        answers = []
        ask = threading.Thread(target=lambda: answers.append(files(library, folder, "camera like 'canon%'")))
        ask.start()
        ask.join(60)
        assert answers == [["dogs/rex.jpg"]]
        writer.execute("ROLLBACK")
    writer.close()


def test_later_tables_are_reached_by_migrations_and_keep_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "facts.sqlite"
    Database(path).write("one", [database.Entry(5, b"k", "a.jpg")], [], {}, True)
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, "ALTER TABLE pictures ADD COLUMN stars INTEGER"))
    held = Database(path)
    assert held.rows(parse("file = 'a.jpg'")).tolist() == [5]
    with held.open() as db:
        assert db.execute("SELECT stars FROM pictures").fetchall() == [(None,)]
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    monkeypatch.undo()
    with pytest.raises(BadArtifact, match="written by a later version"):
        Database(path).state()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "facts.sqlite"
    Database(path).write("one", [database.Entry(5)], [], {}, True)
    broken = "ALTER TABLE pictures ADD COLUMN stars INTEGER; ALTER TABLE nothing ADD COLUMN x"
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, broken))
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        Database(path).state()
    monkeypatch.undo()
    assert Database(path).state() == "one" and Database(path).rows(parse("row = 5")).tolist() == [5]


def test_a_damaged_file_is_made_again_and_one_that_cannot_be_written_is_not_needed(world, folder):
    built(world, folder)
    (path,) = world.store.own.glob("*/metadata.sqlite")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"no database at all" * 1000)
    assert files(world.library(), folder, "year = 2019") == ["dogs/rex.jpg"]
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.mkdir()
    assert files(world.library(), folder, "year = 2019") == ["dogs/rex.jpg"]


# In a collection


def test_a_filter_travels_to_the_index_and_to_the_exact_answer(world):
    collection = world.ready().open("colours", "mean-colour")
    vectors, labels = world.gallery.pictures.rows_of(), world.gallery.pictures.labels
    query = world.gallery.queries.rows_of()[0]
    greens = np.flatnonzero(labels == 1)
    exact = greens[np.argsort(-(vectors[greens] @ query), kind="stable")][:10]
    result = collection.search(Query(held_out=0), "ivf", 10, compare=True, where="label = 'greenish'", nprobe=1)
    found, missed = {hit.row for hit in result.hits}, {hit.row for hit in result.comparison.hits}
    assert result.matching == len(greens) and found <= set(greens.tolist())
    assert missed == set(exact.tolist()) - found
    every = collection.search(Query(held_out=0), "flat", 10, where="label = 'n1'")
    assert [hit.row for hit in every.hits] == exact.tolist()
    itself = int(exact[0])
    others = collection.search(Query(row=itself), "flat", 300, where="label = 'n1'")
    assert {hit.row for hit in others.hits} == set(greens.tolist()) - {itself} and others.notice == ""
    nothing = collection.search(Query(held_out=0), "ivf", 10, compare=True, where="label = 'blue'")
    assert (nothing.hits, nothing.matching, nothing.comparison) == ((), 0, None)
    assert nothing.notice == "no picture meets the filter"
    assert collection.search(Query(held_out=0), "flat", 10, where="  ").matching is None


def test_of_few_all_are_compared(world):
    """An inverted file with nprobe 1 does not visit the cells of pictures far from the query."""
    collection = world.ready().open("colours", "mean-colour")
    vectors, query = world.gallery.pictures.rows_of(), world.gallery.queries.rows_of()[0]
    far = np.argsort(vectors @ query, kind="stable")[:2]
    asked = {"where": f"row in ({far[0]}, {far[1]})", "compare": True}
    result = collection.search(Query(held_out=0), "ivf", 10, **asked, nprobe=1)
    assert {hit.row for hit in result.hits} == set(far.tolist()) and result.comparison is None
    assert result.notice == "so few pictures meet the filter that all of them were compared, without ivf"
    assert collection.search(Query(held_out=0), "flat", 10, **asked).notice == ""


def test_an_index_that_cannot_filter_says_so(world):
    collection = world.ready().open("colours", "mean-colour")
    result = collection.search(Query(held_out=0), "lsh", 5, where="label = 'n2'")
    assert {hit.label for hit in result.hits} == {"n2"} and len(result.hits) == 5
    assert result.notice == "lsh cannot filter while it searches: it was asked for more, then filtered"


def test_a_part_of_a_collection_filters_its_own_positions(world):
    collection = world.ready().open("colours", "mean-colour").part(50)
    result = collection.search(Query(held_out=0), "flat", 50, where="label = 'n0'")
    assert {hit.label for hit in result.hits} == {"n0"} and result.matching == len(result.hits)
    assert result.matching == (collection.labels() == 0).sum()


def test_other_classes_have_other_facts(world):
    library = world.ready()
    assert library.open("colours", "mean-colour").search(Query(held_out=0), where="label = 'reddish'").matching
    world.gallery = replace(world.gallery, class_names=("crimson", "greenish", "bluish"))
    again = world.library().open("colours", "mean-colour")
    assert not again.search(Query(held_out=0), where="label = 'reddish'").matching
    assert again.search(Query(held_out=0), where="label = 'crimson'").matching
