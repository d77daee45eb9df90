"""A list of pictures as a gallery: what it names is taken, what is not there is counted and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from searchdemo.cli.options import gallery_name
from searchdemo.collection.store import Key
from searchdemo.errors import NoPictures
from searchdemo.galleries.base import Gallery
from searchdemo.galleries.table import open_gallery
from tests.conftest import png
from tests.folders import read


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate(("a/1.png", "a/2.png", "b/3.png", "b/not listed.png", "ü b/4.png")):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png((50 * number, 9, 9)))
    (tmp_path / "set" / "text.txt").write_text("words")
    return tmp_path / "set"


def listed(path: Path, content: str) -> Gallery:
    path.write_text(content)
    return read(path, "list")


def named(gallery: Gallery) -> dict[str, list[str]]:
    rows = [row for row in range(len(gallery.pictures)) if gallery.pictures.listed(row)]
    return {gallery.file(row): [gallery.label_names[n] for n in gallery.pictures.all_labels(row)] for row in rows}


def test_paths_of_both_kinds_and_classes_of_folders(pictures, tmp_path):
    """The list lies elsewhere: its paths are relative to it, or absolute."""
    content = f"\ufeff../set/a/1.png\r\n\n  {pictures / 'b' / '3.png'}  \n./../set/ü b/4.png\n"
    (tmp_path / "lists").mkdir()
    gallery = listed(tmp_path / "lists" / "mine.txt", content)
    b, u = str(pictures / "b" / "3.png"), "../set/ü b/4.png"
    assert named(gallery) == {"../set/a/1.png": ["a"], b: ["b"], u: ["ü b"]}
    assert gallery.pictures.encoded(0) is not None and gallery.report.taken == 3


def test_labels_after_a_tab_and_several_of_them(pictures):
    gallery = listed(pictures / "l.txt", "a/1.png\tcat; dog\na/2.png\t\nb/3.png\t  big  bird|bird\n")
    assert named(gallery) == {"a/1.png": ["cat", "dog"], "a/2.png": [], "b/3.png": ["big bird", "bird"]}
    assert gallery.report.described == {str(pictures / "l.txt"): "pictures with labels: 2; without: 1"}


def test_a_list_as_powershell_writes_it(pictures):
    (pictures / "l.txt").write_bytes("a/1.png\tcat\r\nü b/4.png\r\n".encode("utf-16"))
    assert named(read(pictures / "l.txt", "list")) == {"a/1.png": ["cat"], "ü b/4.png": []}


def test_what_is_not_there_is_counted_and_named(pictures):
    (pictures / "a" / ".9.png.icloud").write_bytes(b"bplist00")
    gallery = listed(
        pictures / "l.txt", "a/1.png\nnowhere.png\na/1.png\nb\ntext.txt\n./a/1.png\nalso/gone.png\na/9.png\n"
    )
    report = gallery.report
    gone = "there is no such file"
    closed = {"b": "is no file that can be read", "a/9.png": "kept in the cloud, not on this machine"}
    assert report.unreadable == {"nowhere.png": gone, "also/gone.png": gone} | closed
    assert report.left_out == {"line that names a picture again": 2} and report.taken == 1
    assert sum(map(len, report.skipped.values())) == 1  # text.txt is no picture
    said = " ".join(report.lines())
    assert "4 files cannot be read" in said and "nowhere.png" in said and "2 line that names" in said
    assert "also/gone.png" in gallery.missing


def test_a_list_that_changes_and_the_folder_beside_it_keep_their_own_rows(pictures):
    first = listed(pictures / "l.txt", "b/3.png\na/1.png\n")
    assert named(read(pictures)).keys() == {"a/1.png", "a/2.png", "b/3.png", "b/not listed.png", "ü b/4.png"}
    more = listed(pictures / "l.txt", "a/2.png\nb/3.png\na/1.png\n")
    assert more.fingerprint != first.fingerprint and len(more.pictures) == 3
    rows = {file: row for row in range(len(first.pictures)) if (file := first.file(row))}
    assert all(more.file(row) == file for file, row in rows.items())  # they keep their rows


def test_lists_that_are_none(pictures, tmp_path):
    with pytest.raises(NoPictures, match=r"There is no file .*list:FILE"):
        open_gallery(f"list:{tmp_path / 'none.txt'}")
    with pytest.raises(NoPictures, match="There is no file"):
        open_gallery("list:")
    with pytest.raises(NoPictures, match=r"one per line\..*gone.png"):
        listed(pictures / "l.txt", "gone.png\n")


def test_the_key_is_of_the_whole_path(pictures, monkeypatch):
    monkeypatch.chdir(pictures)
    name = gallery_name("list:l.txt")
    assert name == f"list:{pictures / 'l.txt'}"
    assert Key(name, "bundled").folder.parts[0].startswith("list-l-txt-")
