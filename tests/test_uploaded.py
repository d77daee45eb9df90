"""What a visitor brings, as files or in a zip from anybody: what is taken, what is not and why, and the bounds."""

from __future__ import annotations

import gc
import io
import struct
import threading
import weakref
import zipfile
from pathlib import Path

import numpy as np
import pytest
from colours import Colours
from PIL import Image

from searchdemo.collection import maps
from searchdemo.collection.jobs import Builds
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key, Store
from searchdemo.errors import Cancelled, NoPictures, NotBuilt, UnknownName
from searchdemo.galleries import archive, uploaded
from searchdemo.galleries.uploaded import open_uploaded
from tests.conftest import png

RED, GREEN, BLUE = png((255, 0, 0)), png((0, 255, 0)), png((0, 0, 255))


def zipped(folder: Path, files: dict[str, bytes], name: str = "brought.zip", method=zipfile.ZIP_DEFLATED) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", method) as archive:
        for inside, data in files.items():
            archive.writestr(inside, data)
    return path


def names(gallery) -> list[str]:
    return [gallery.file(row) for row in range(len(gallery.pictures))]


def test_files_are_taken_and_told_apart(tmp_path):
    paths = []
    for folder, name, data in (
        ("1", "a.png", RED),
        ("2", "a.png", BLUE),
        ("1", "b.txt", b"words"),
        ("1", "c.jpg", b""),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(data)
        paths.append(tmp_path / folder / name)
    gallery = open_uploaded("upload:x", paths)
    assert names(gallery) == ["a.png", "a.png (2)"]
    assert gallery.report.skipped == {".txt": ("b.txt",)}
    assert "c.jpg" in gallery.report.unreadable
    assert gallery.pictures.encoded(1) == BLUE and gallery.pictures.shown(1) == BLUE
    assert gallery.pictures.facts(0)["size"] == "4 × 4 pixels"


def test_folders_in_a_zip_are_classes_below_the_one_that_holds_all(tmp_path):
    path = zipped(tmp_path, {"trip/cats/a.png": RED, "trip/dogs/b.png": BLUE, "trip/dogs/c.png": RED})
    gallery = open_uploaded("upload:x", [path])
    assert gallery.label_names == ("cats", "dogs")
    assert [gallery.label(row) for row in range(3)] == ["cats", "dogs", "dogs"]
    deep = {"trip/2023/cats/a.png": RED, "trip/2024/dogs/b.png": BLUE, "trip/2024/c.png": RED}
    assert open_uploaded("upload:z", [zipped(tmp_path, deep)]).label_names == ("2024", "cats", "dogs")
    flat = open_uploaded("upload:y", [zipped(tmp_path, {"trip/a.png": RED, "trip/b.png": BLUE})])
    assert flat.label_names == ()


def test_a_large_photograph_is_kept_small_and_its_facts_are_those_of_the_file(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Canon", "Canon EOS R5", "2024:05:01 12:34:56"
    Image.effect_noise((3000, 2000), 80).convert("RGB").save(tmp_path / "big.jpg", quality=95, exif=exif)
    pictures = open_uploaded("upload:x", [tmp_path / "big.jpg"]).pictures
    assert max(Image.open(io.BytesIO(pictures.encoded(0))).size) == uploaded.KEPT_SIDE
    assert max(Image.open(io.BytesIO(pictures.shown(0))).size) <= 384
    facts = pictures.facts(0)
    assert (facts["taken"], facts["camera"], facts["size"]) == (
        "2024-05-01 12:34",
        "Canon EOS R5",
        "3,000 × 2,000 pixels",
    )
    assert facts["file"] == f"JPEG, {(tmp_path / 'big.jpg').stat().st_size / 1e6:.1f} MB"


@pytest.mark.parametrize("name", ["../../escape.png", "/etc/escape.png", "C:\\escape.png", "a/..\\..\\escape.png"])
def test_names_that_lead_out_of_a_zip_are_named_and_not_taken(tmp_path, name):
    gallery = open_uploaded("upload:x", [zipped(tmp_path, {name: RED, "good.png": BLUE})])
    assert names(gallery) == ["good.png"]
    assert list(gallery.report.unreadable.values()) == ["has a name that leads out of the zip"]
    assert not [path for path in tmp_path.rglob("*") if path.name != "brought.zip"]  # nothing was unpacked


def test_what_a_zip_holds_besides_pictures_is_counted(tmp_path):
    inner = zipped(tmp_path, {"deep.png": RED}, "inner.zip").read_bytes()
    files = {"a.png": RED, "inner.zip": inner, "notes.txt": b"n", "broken.png": RED[:40], "__MACOSX/._a.png": b"x"}
    report = open_uploaded("upload:x", [zipped(tmp_path, files | {".DS_Store": b"x", ".b.jpg.icloud": b"x"})]).report
    assert report.taken == 1
    assert report.skipped == {".txt": ("notes.txt",), "archive or document": ("inner.zip",)}
    assert list(report.unreadable) == ["broken.png"]
    assert report.left_out == {
        "file in a folder __MACOSX": 1,
        "hidden file": 1,
        "file kept in the cloud, not on this machine": 1,
    }


def test_metadata_files_describe_the_pictures_of_their_own_zip(tmp_path):
    heading = b"file_name,caption,labels\n"
    first = {"set/a/x.png": RED, "set/b.png": BLUE, "set/metadata.csv": heading + b"a/x.png,one,dog;cat\nc.png,,\n"}
    second = {"set/a/x.png": GREEN, "set/metadata.csv": heading + b"a/x.png,two,bird\n"}
    gallery = open_uploaded("upload:x", [zipped(tmp_path, first), zipped(tmp_path, second, "again.zip")])
    said = {
        gallery.file(row): (gallery.caption(row), [gallery.label_names[n] for n in gallery.pictures.all_labels(row)])
        for row in range(3)
    }
    assert said == {
        "set/a/x.png": ("one", ["dog", "cat"]),
        "set/b.png": ("", []),
        "set/a/x.png (2)": ("two", ["bird"]),
    }
    assert gallery.report.described == {
        "set/metadata.csv": "pictures described: 1; lines that name no file here: 1 (c.png)",
        "set/metadata.csv (2)": "pictures described: 1",
    }
    (tmp_path / "a.png").write_bytes(RED)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "dropped"}')
    assert open_uploaded("upload:x", [tmp_path / "metadata.jsonl", tmp_path / "a.png"]).captions == ("dropped",)


def test_names_in_utf_8_that_are_not_called_so_are_read_as_such(tmp_path):
    """As macOS packs them. Names that are no UTF-8 stay those of the code page of DOS."""
    path = zipped(
        tmp_path, {"cafXX/a.png": RED, "dos X.png": BLUE, "metadata.csv": "file_name,label\ncafé/a.png,x".encode()}
    )
    path.write_bytes(path.read_bytes().replace(b"cafXX", "café".encode()).replace(b"dos X", b"dos \x82"))
    gallery = open_uploaded("upload:x", [path])
    assert names(gallery) == ["café/a.png", "dos é.png"]
    assert gallery.label_names == ("x",) and gallery.label(0) == "x"


def test_that_splits_are_searched_together_is_said(tmp_path):
    files = {"set/train/dog/a.png": RED, "set/val/dog/b.png": BLUE}
    report = open_uploaded("upload:x", [zipped(tmp_path, files)]).report
    assert report.lines() == ["Pictures of train/ and val/ are searched together here."]
    assert not open_uploaded("upload:x", [zipped(tmp_path, {"train/a.png": RED, "val/b.png": BLUE})]).report.lines()


def test_an_encrypted_file_is_named(tmp_path):
    path = zipped(tmp_path, {"secret.png": RED, "open.png": BLUE})
    data = bytearray(path.read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # of the first file, in both its places
        data[data.index(start) + flags] |= 1
    path.write_bytes(data)
    gallery = open_uploaded("upload:x", [path])
    assert names(gallery) == ["open.png"]
    assert gallery.report.unreadable == {"secret.png": "is encrypted; pack it without a password"}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unfold_without_a_bound_are_refused(tmp_path, method):
    with pytest.raises(NoPictures, match="rare method"):
        open_uploaded("upload:x", [zipped(tmp_path, {"a.png": bytes(10**7)}, method=method)])


def test_a_bomb_is_read_up_to_the_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(uploaded, "MAX_FILE_BYTES", 100_000)
    monkeypatch.setattr(archive, "MAX_UNFOLDED_BYTES", 150_000)
    bomb = RED + bytes(10**7)  # a thousandth of it, packed
    path = zipped(tmp_path, {"good.png": RED, "bomb1.png": bomb, "bomb2.png": bomb, "late.png": BLUE})
    assert path.stat().st_size < 30_000
    gallery = open_uploaded("upload:x", [path])
    assert names(gallery) == ["good.png"]
    assert gallery.report.unreadable == {"bomb1.png": "is larger than 0 MB"}
    assert list(gallery.report.left_out.values()) == [2]  # the rest, counted


def test_more_files_and_pictures_than_are_read_are_counted(tmp_path, monkeypatch):
    files = {f"{number}.png": RED for number in range(9)}
    monkeypatch.setattr(uploaded, "MAX_PICTURES", 3)
    report = open_uploaded("upload:x", [zipped(tmp_path, files)]).report
    assert (report.taken, report.left_out) == (3, {"picture beyond the first 3": 6})
    monkeypatch.setattr(archive, "MAX_FILES", 2)
    report = open_uploaded("upload:x", [zipped(tmp_path, files)]).report
    assert (report.taken, report.left_out) == (2, {"file beyond the first 2 of a zip": 7})
    monkeypatch.setattr(archive, "MAX_LIST_BYTES", 100)
    with pytest.raises(NoPictures, match="more files than"):
        open_uploaded("upload:x", [zipped(tmp_path, files)])


def test_a_list_of_files_that_is_hidden_from_the_bound_is_refused(tmp_path):
    """Where a locator of zip64 stands before the end, zipfile believes what it leads to."""
    path = zipped(tmp_path, {"a.png": RED})
    data = path.read_bytes()
    at = data.rindex(b"PK\x05\x06")
    path.write_bytes(data[:at] + b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 1) + data[at:])
    with pytest.raises(NoPictures, match="zip64"):
        open_uploaded("upload:x", [path])


@pytest.mark.parametrize("spoil", [lambda data: data[:-30], lambda data: data[:40] + bytes(60) + data[100:]])
def test_a_damaged_zip_is_said(tmp_path, spoil):
    path = zipped(tmp_path, {"a.png": np.random.default_rng(0).bytes(500)})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(NoPictures, match="damaged"):
        open_uploaded("upload:x", [path])


def test_reading_can_be_ended_and_tells_how_far_it_is(tmp_path):
    path, told = zipped(tmp_path, {f"{number}.png": RED for number in range(4)}), []

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        open_uploaded("upload:x", [path], progress)
    size = path.stat().st_size
    assert told == [(size // 4, size), (size // 2, size)]


# Held in a library


class OneEncoder(Library):
    def encoder(self, name, progress=None):
        return Colours()


@pytest.fixture
def library(tmp_path) -> Library:
    return OneEncoder(Store(own=tmp_path / "own", shipped=tmp_path / "nothing"))


def test_held_pictures_are_searched_and_nothing_is_written(library, tmp_path):
    colours = {f"{number}.png": png((255 - number, number, 0)) for number in range(0, 250, 10)}
    library.hold(open_uploaded("upload:x", [zipped(tmp_path, colours)]))
    key = Key("upload:x", "bundled")
    with pytest.raises(NotBuilt, match="build them"):
        library.open("upload:x", "bundled")
    assert library.built(key) is None
    library.build(key)
    assert library.built(key) == key
    collection = library.open("upload:x", "bundled")
    for index in ("brute", "flat", "ivf", "hnsw"):
        found = collection.search(Query(picture=colours["0.png"]), index, 3).hits
        assert [hit.file for hit in found] == ["0.png", "10.png", "20.png"]
        assert found[0].score == pytest.approx(1, abs=1e-3)
    found = collection.search(Query(row=0), "flat", 3, where="file = '20.png'").hits
    assert [hit.file for hit in found] == ["20.png"]
    assert collection.map() is None
    drawn = maps.build_map(collection)
    assert len(drawn) == 25 and library.open("upload:x", "bundled").map() is drawn
    assert not (tmp_path / "own").exists()


def test_what_is_let_go_leaves_no_memory_behind(library, tmp_path):
    library.hold(open_uploaded("upload:x", [zipped(tmp_path, {"a.png": RED, "b.png": BLUE})]))
    library.build(Key("upload:x", "bundled"))
    collection = library.open("upload:x", "bundled")
    collection.search(Query(row=0), "hnsw", 1)
    left = [weakref.ref(one) for one in (collection.gallery.pictures, collection.vectors, collection.index("hnsw"))]
    library.let_go("upload:x")
    del collection
    gc.collect()
    assert [one() for one in left] == [None, None, None]
    with pytest.raises(UnknownName):
        library.open("upload:x", "bundled")


def test_a_build_can_be_cancelled_and_forgotten(library, tmp_path, monkeypatch):
    library.hold(open_uploaded("upload:x", [zipped(tmp_path, {"a.png": RED})]))
    builds, key, go = Builds(library), Key("upload:x", "bundled"), threading.Event()
    build = library.build
    monkeypatch.setattr(library, "build", lambda key, report: (go.wait(60), build(key, report)))

    def ended() -> threading.Event:
        job = builds.start(key)
        assert not job.finished
        return next(thread for thread in threading.enumerate() if thread.name == f"build {key.folder}")

    thread = ended()
    builds.cancel(key)
    go.set()
    thread.join(60)
    assert builds.job(key).error == "The build was cancelled." and library.built(key) is None
    go.clear()
    thread = ended()
    builds.forget("upload:x")
    assert builds.jobs() == []
    go.set()
    thread.join(60)
    assert builds.jobs() == [] and library.built(key) is None
