"""The table of galleries, and the gallery of one's own folder."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchdemo.cli.options import gallery_name
from searchdemo.collection.build import build
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.errors import NoPictures, UnknownName
from searchdemo.formats import START_BYTES
from searchdemo.galleries.base import Gallery, GallerySpec, Pictures
from searchdemo.galleries.table import GALLERIES, open_gallery
from searchdemo.ui.mine.galleries import OwnGalleries
from tests.conftest import MeanColour
from tests.folders import read


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes, a picture at the top, and what else lies about in folders."""
    root = tmp_path / "my pictures"
    for name, color in [
        ("boats/red.png", "red"),
        ("boats/old/blue.jpg", "blue"),
        ("big_cats/lion.JPG", "yellow"),
        ("zebra.webp", "white"),
        (".thumbnails/zebra.png", "white"),
    ]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), color).save(root / name)
    (root / "notes.txt").write_text("not a picture, and not named like one")
    return root


def test_names_and_sizes_are_in_the_table():
    assert list(GALLERIES) == ["tiny-imagenet", "scenes", "folder", "list", "hf", "vectors", "hub"]
    assert [name for name, spec in GALLERIES.items() if not spec.on_page] == ["folder", "list", "hf", "vectors", "hub"]
    assert all(spec.name == name and spec.title and spec.terms for name, spec in GALLERIES.items())
    assert open_gallery("tiny-imagenet").pictures.labels.shape == (GALLERIES["tiny-imagenet"].size,)


def test_the_table_imports_nothing_heavy():
    heavy = "{'datasets', 'torch', 'pyarrow', 'huggingface_hub', 'PIL', 'gradio'}"
    code = f"import sys, searchdemo.galleries.table; print(sorted({heavy} & set(sys.modules)))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["tiny-image-net", "scenes:2", "", "file:/tmp"])
def test_unknown_names(name):
    with pytest.raises(UnknownName, match="Known: tiny-imagenet, scenes, folder:PATH, list:PATH"):
        open_gallery(name)


def test_folder_rows_are_sorted_and_the_deepest_folder_is_the_class(folder):
    gallery = open_gallery(f"folder:{folder}")
    assert gallery.name == f"folder:{folder}"
    assert gallery.pictures.paths == ["big_cats/lion.JPG", "boats/old/blue.jpg", "boats/red.png", "zebra.webp"]
    assert [gallery.label(row) for row in range(4)] == ["big_cats", "old", "boats", ""]
    assert [gallery.class_name(row) for row in range(4)] == ["big cats", "old", "boats", ""]
    assert gallery.pictures.encoded(2) == (folder / "boats" / "red.png").read_bytes()
    assert len(gallery.pictures) == 4 and len(gallery.queries) == 0 and gallery.missing == ""


def test_unreadable_files_are_told_and_shift_nothing(folder):
    before = read(folder)
    (folder / "aaa.jpg").write_bytes(b"")
    whole = (folder / "big_cats" / "lion.JPG").read_bytes()
    (folder / "boats" / "half.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    png = (folder / "boats" / "red.png").read_bytes()
    (folder / "boats" / "half.png").write_bytes(png[:-20])
    (folder / "letter.png").write_text("renamed")
    after = read(folder)
    assert after.pictures.paths == before.pictures.paths
    assert after.fingerprint == before.fingerprint
    assert "4 files" in after.missing
    assert "aaa.jpg, boats/half.jpg, boats/half.png ..." in after.missing


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(folder):
    with (folder / "big_cats" / "lion.JPG").open("ab") as file:
        file.write(b"a camera's own data")
    assert read(folder).missing == ""


def test_names_that_are_no_utf8_are_shown_escaped_and_opened_as_they_are(folder):
    try:
        for name in (b"caf\xe9_\xfe/no\xfe.webp", b"caf\xe9_\xff/no\xff.webp"):
            path = folder / os.fsdecode(name)
            path.parent.mkdir()
            shutil.copy(folder / "zebra.webp", path)
        (folder / os.fsdecode(b"half\xff.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    gallery = read(folder)
    rows = [row for row in range(len(gallery.pictures)) if gallery.label(row).startswith("caf")]
    assert [gallery.file(row) for row in rows] == [r"caf\xe9_\xfe/no\xfe.webp", r"caf\xe9_\xff/no\xff.webp"]
    assert [gallery.label(row) for row in rows] == [r"caf\xe9_\xfe", r"caf\xe9_\xff"]
    assert [gallery.class_name(row) for row in rows] == [r"caf\xe9 \xfe", r"caf\xe9 \xff"]
    assert {gallery.pictures.encoded(row) for row in rows} == {(folder / "zebra.webp").read_bytes()}
    assert r"half\xff.png" in gallery.missing


def test_other_names_are_shown_as_they_are(folder):
    (folder / "boats" / "red.png").rename(folder / "boats" / r"Zoë 山 \xff.png")
    gallery = open_gallery(f"folder:{folder}")
    assert gallery.file(1) == gallery.pictures.paths[1] == r"boats/Zoë 山 \xff.png"


def test_a_picture_that_goes_away_while_open_leaves_a_gap(folder):
    gallery = open_gallery(f"folder:{folder}")
    (folder / "boats" / "red.png").unlink()
    assert gallery.pictures.encoded(2) is None
    assert gallery.pictures.encoded(3) == (folder / "zebra.webp").read_bytes()


def test_folder_fingerprint_follows_content_and_names_not_place_or_time(folder, tmp_path):
    def fingerprint(path: Path) -> str:
        return read(path).fingerprint

    first = fingerprint(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == first
    Image.new("RGB", (40, 30), "green").save(folder / "boats" / "red.png")
    edited = fingerprint(folder)
    (folder / "boats" / "red.png").rename(folder / "boats" / "green.png")
    assert len({first, edited, fingerprint(folder)}) == 3


def test_folder_tells_its_progress(folder):
    seen = []
    open_gallery(f"folder:{folder}", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_folder_missing_empty_or_all_bad(tmp_path):
    with pytest.raises(NoPictures, match="There is no folder"):
        open_gallery(f"folder:{tmp_path / 'none'}")
    with pytest.raises(NoPictures, match="There is no folder ''"):
        open_gallery("folder:")
    with pytest.raises(NoPictures, match="holds no picture files"):
        open_gallery(f"folder:{tmp_path}")
    (tmp_path / "a.jpg").write_bytes(b"no")
    with pytest.raises(NoPictures, match="1 files named like pictures, none of them readable"):
        read(tmp_path)


def test_paths_that_are_no_folder_get_the_reason(tmp_path):
    (tmp_path / "photos.zip").write_bytes(b"PK")
    (tmp_path / "loop").symlink_to("loop")
    for path, said in (
        (f"{tmp_path}/photos.zip", "photos.zip' is a file and no folder: name the folder that it lies in; a zip"),
        (f"{tmp_path}/photos.zip/a", "There is no folder"),
        (f"{tmp_path}/loop", "cannot be opened (Too many levels of symbolic links"),
        ("x" * 5000, "cannot be opened (File name too long): give the path of another one."),
        ("a\0b", "There is no folder"),
        ("~nobody-of-this-name/x", "There is no folder '~nobody-of-this-name/x'"),
        (r"~nobody-of-this-name/\x41", "There is no folder"),
    ):
        with pytest.raises(NoPictures, match=re.escape(said)):
            open_gallery(f"folder:{path}")
        with pytest.raises(NoPictures):
            OwnGalleries(Library(Store(tmp_path, tmp_path)), None).open_folder(path)
        assert gallery_name(f"folder:{path}").startswith("folder:")


@pytest.fixture
def reads(monkeypatch) -> Counter[str]:
    """Bytes that were read of each file so far, by the file's name."""
    reads: Counter[str] = Counter()

    class Counting(io.FileIO):
        def readinto(self, buffer):
            count = super().readinto(buffer)
            reads[Path(self.name).name] += count
            return count

        def readall(self):
            data = super().readall()
            reads[Path(self.name).name] += len(data)
            return data

        def read(self, size: int = -1):
            data = super().read(size)
            reads[Path(self.name).name] += len(data)
            return data

    def opened(path: Path, buffering: int = -1):
        return io.BufferedReader(Counting(path)) if buffering else Counting(path)

    for module in ("looked", "folder_pictures", "described"):
        monkeypatch.setattr(f"searchdemo.galleries.{module}.open_regular", opened)
    whole = Path.open

    def counted(path: Path, mode: str = "r", *given, **options):
        return opened(path, *given, **options) if mode == "rb" else whole(path, mode, *given, **options)

    monkeypatch.setattr(Path, "open", counted)
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened(path).read())
    return reads


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp"])
def test_a_build_reads_each_picture_once(tmp_path, store, reads, kind):
    """And opening the folder, which has to know what the files are, reads the first bytes of new ones alone."""
    sizes = {}
    for number in range(40):
        path = tmp_path / "mine" / f"{number:02}.{kind}"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), (6 * number, 90, 200)).save(path)
        sizes[path.name] = path.stat().st_size
    gallery = open_gallery(f"folder:{tmp_path / 'mine'}")
    assert len(gallery.pictures) == 40
    assert reads == {name: min(size, START_BYTES) for name, size in sizes.items()}
    reads.clear()
    build(gallery, MeanColour(), store, Key(gallery.name, "mean-colour"))
    assert {name: reads[name] for name in sizes} == sizes


def test_what_was_read_is_remembered(tmp_path, store, reads):
    mine = tmp_path / "mine"
    mine.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    Image.fromarray(noise).save(mine / "a.webp")
    (mine / "notes.txt").write_text("no picture")
    read(mine)
    reads.clear()
    assert open_gallery(f"folder:{mine}").pictures.paths == ["a.webp"] and not reads


def test_a_picture_that_vanishes_before_it_is_embedded_is_left_out_and_told(folder, store, monkeypatch):
    gallery, now = open_gallery(f"folder:{folder}"), []
    encoder, whole = MeanColour(), gallery.pictures.encoded
    assert [gallery.pictures.has(row) for row in range(4)] == [True] * 4

    def encoded(row: int) -> bytes | None:
        (folder / "boats" / "red.png").unlink(missing_ok=True)
        return whole(row)

    monkeypatch.setattr(gallery.pictures, "encoded", encoded)
    artifact = build(gallery, encoder, store, Key(gallery.name, "mean-colour"), settled=now.append)
    assert [gallery.pictures.has(row) for row in range(4)] == [True, True, False, True]
    assert artifact.manifest.vectors == 3 and now[0].report.vanished == ("boats/red.png",)
    assert now[0].pictures.paths == ["big_cats/lion.JPG", "boats/old/blue.jpg", "zebra.webp"]
    assert any("went away during the build: boats/red.png" in line for line in now[0].report.lines())


def test_galleries_say_where_their_pictures_are(folder, monkeypatch, tmp_path):
    for variable in ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    monkeypatch.delenv("SEARCHDEMO_DATA", raising=False)
    own, drawn, absent = (open_gallery(name) for name in (f"folder:{folder}", "scenes", "tiny-imagenet"))
    assert (own.source, drawn.source, absent.source) == (str(folder), "with searchdemo", "")
    assert [gallery.pictures.has(0) for gallery in (own, drawn, absent)] == [True, True, False]
    assert [gallery.file(3) for gallery in (own, drawn, absent)] == ["zebra.webp", "", ""]
    assert {gallery.revision for gallery in (own, drawn, absent)} == {""}
    assert own.missing == drawn.missing == "" and "not on this machine" in absent.missing
    assert own.blur(0) is drawn.blur(0) is None and absent.blur(0)


def test_a_new_gallery_is_an_entry_and_declares_what_differs(monkeypatch):
    class Blank(Pictures):
        labels = np.zeros(2, np.int16)

        def encoded(self, row: int) -> bytes:
            return b""

    def open_toy(argument: str, **options: object) -> Gallery:
        return Gallery(f"toy:{argument}", ("a",), ("a",), Blank(), Blank(), "0")

    monkeypatch.setitem(GALLERIES, "toy", GallerySpec("toy", "A toy", None, open_toy, accepts_argument=True))
    gallery = open_gallery("toy:small")
    assert (gallery.name, gallery.source, gallery.missing, len(gallery.pictures)) == ("toy:small", "", "", 2)
    with pytest.raises(UnknownName, match="folder:PATH, list:PATH, hf:PATH, vectors:NAME, hub:NAME, toy:PATH"):
        open_gallery("toys")
    with pytest.raises(TypeError, match="encoded"):
        Pictures()
