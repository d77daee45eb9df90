"""Nothing of a person's folder is lost in silence: each file is taken, or named with its kind or its reason."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchdemo.cli.options import gallery_name
from searchdemo.errors import NoPictures
from searchdemo.files import folder_named, printable
from searchdemo.galleries.catalog import Catalog
from searchdemo.galleries.table import open_gallery
from searchdemo.galleries.walk import TAKEN_ALREADY, walk
from searchdemo.ui.mine.panel import folders_in
from tests.cli_tools import folder_of
from tests.conftest import png
from tests.folders import read
from tests.test_picture_kinds import chunk
from tests.test_pictures import png_header


def soft(seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)).resize((96, 64), Image.Resampling.BICUBIC)


def saved(format: str, seed: int = 0, **options) -> bytes:
    buffer = io.BytesIO()
    soft(seed).save(buffer, format, **options)
    return buffer.getvalue()


def png_of(stream: bytes) -> bytes:
    """256 x 256 pixels with this stream, all checksums right."""
    header = struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def test_everything_that_can_be_opened_is_taken_and_the_rest_is_listed_by_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "searchdemo.galleries.looked.is_installed", lambda package: False
    )  # else these are damaged videos
    pictures = {
        "a.jfif": saved("JPEG"),
        "b.jpe": saved("JPEG", 1),
        "c.mpo": saved("MPO", save_all=True),
        "d.ico": saved("ICO"),
        "e.apng": saved("PNG", save_all=True, append_images=[soft(1)]),
        "no suffix": saved("JPEG", 2),
        "wrong.txt": saved("WEBP"),
        "g.tif": saved("TIFF", save_all=True, append_images=[soft(1)]),
        "plain.jpg": saved("JPEG", 3),
    }
    others = {
        "clip.mp4": b"\0\0\0\x18ftypmp42" + bytes(100),
        "clip2.MOV": b"\0\0\0\x14ftypqt  " + bytes(100),
        "notes.txt": b"words",
        "scan.pdf": b"%PDF-1.4",
        "empty": b"",
    }
    for name, content in (pictures | others).items():
        (tmp_path / name).write_bytes(content)
    gallery = read(tmp_path)
    assert sorted(gallery.pictures.paths) == sorted(pictures)
    assert gallery.report.taken == 9 and not gallery.report.unreadable and not gallery.report.waiting
    assert gallery.report.skipped == {
        ".txt": ("notes.txt",),
        "PDF": ("scan.pdf",),
        "no suffix": ("empty",),
        "video": ("clip.mp4", "clip2.MOV"),
    }
    assert "2 video (clip.mp4, clip2.MOV)" in gallery.report.lines()[-1]


def test_a_heic_photograph_is_taken(tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    (tmp_path / "IMG_1.HEIC").write_bytes(saved("HEIF"))
    assert read(tmp_path).pictures.paths == ["IMG_1.HEIC"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png_of(zlib.compress(bytes(1000))), "cannot be decoded: it ends too early"),
        (png_of(b"garbage!" * 20), "cannot be decoded: it is damaged"),
        (saved("JPEG")[:700], "cannot be decoded: it ends too early"),
        (b"hello", "is not a picture that can be read"),
        (b"", "is empty"),
    ],
    ids=["short stream", "no stream", "cut", "text", "empty"],
)
def test_bad_streams_are_listed_with_their_reason(tmp_path, content, reason):
    (tmp_path / "good.png").write_bytes(png((1, 2, 3)))
    (tmp_path / "bad.png").write_bytes(content)
    gallery = read(tmp_path)
    assert gallery.report.taken == 1 and [*gallery.report.unreadable] == ["bad.png"]
    assert gallery.report.unreadable["bad.png"].startswith(reason)


def test_what_git_lfs_has_not_fetched_is_told_with_the_command(tmp_path):
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    (tmp_path / "b.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    reason = read(tmp_path).report.unreadable["b.jpg"]
    assert reason == "stands for a picture that Git LFS has not fetched: run `git lfs pull`."


def test_60_broken_files_are_all_in_the_json_and_counted_by_reason_on_the_terminal(tmp_path):
    (tmp_path / "good.png").write_bytes(png((1, 2, 3)))
    for number in range(60):
        (tmp_path / f"{number:02}.jpg").write_bytes(b"hello" if number % 3 else saved("JPEG", number)[:700])
    report = read(tmp_path).report
    assert len(report.to_json()["unreadable"]) == 60
    assert [line.split(";")[0] for line in report.lines()] == [
        "60 files cannot be read and were left out:",
        "  40: is not a picture that can be read",
        "  20: cannot be decoded: it ends too early",
    ]
    assert "(00.jpg, 03.jpg, 06.jpg ...)" in report.lines()[2]


def test_of_many_kinds_and_reasons_the_most_frequent_are_told(tmp_path):
    (tmp_path / "good.png").write_bytes(png((1, 2, 3)))
    for number in range(20):
        (tmp_path / f"{number}.kind{number}").write_bytes(b"x")
        (tmp_path / f"again.{number}.kind7").write_bytes(b"x")
        (tmp_path / f"{number}.png").write_bytes(png_header(200_000 + number, 1000))
    report = read(tmp_path).report
    assert len(report.skipped) == len(set(report.unreadable.values())) == 20  # for --json
    reasons, skipped = report.lines()[1:-1], report.lines()[-1]
    assert len(reasons) == 13 and reasons[-1] == "  8 for other reasons"
    assert skipped.startswith("Skipped, no pictures: 21 .kind7 (7.kind7, again.0.kind7, again.1.kind7 ...); 1 .kind0")
    assert skipped.endswith("; 8 of other kinds.")


def test_damaged_videos_are_counted_by_their_reason(tmp_path):
    pytest.importorskip("av")
    (tmp_path / "good.png").write_bytes(png((1, 2, 3)))
    for number in range(5):
        (tmp_path / f"{number}.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    said = read(tmp_path).report.lines()
    assert len(said) == 2 and said[1].startswith("  5: cannot be read (") and str(tmp_path) not in said[1]


def test_when_no_file_can_be_read_the_reasons_are_told(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"hello")
    with pytest.raises(NoPictures, match=r"none of them readable.*is not a picture that can be read.*a\.jpg"):
        read(tmp_path)


def test_what_no_reader_could_read_is_tried_again_by_another(tmp_path, monkeypatch):
    (tmp_path / "good.png").write_bytes(png((1, 2, 3)))
    (tmp_path / "bad.png").write_bytes(b"hello")
    assert not read(tmp_path).report.waiting
    monkeypatch.setattr("searchdemo.galleries.catalog.reader_version", lambda: "a later one")
    assert open_gallery(f"folder:{tmp_path}").report.waiting == ("bad.png",)


def test_a_huge_file_is_named_and_not_read(tmp_path):
    (tmp_path / "good.png").write_bytes(png((1, 2, 3)))
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate(600 * 10**6)  # takes no place on the disk
    assert read(tmp_path).report.unreadable == {"huge.tif": "is larger than 500 MB"}


# Folders


@pytest.fixture
def refused(monkeypatch):
    """Paths that the system refuses to open; tests may run as a user to whom nothing is refused."""
    refused: set[Path] = set()
    scandir, whole = os.scandir, os.open

    def check(path) -> None:
        if Path(path) in refused:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", lambda path: check(path) or scandir(path))
    monkeypatch.setattr(os, "open", lambda path, *given, **options: check(path) or whole(path, *given, **options))
    return refused


def test_a_folder_and_a_file_without_permission_are_named(tmp_path, refused):
    folder_of({"a.png": "red", "locked/b.png": "blue", "closed.png": "green"}, tmp_path)
    refused |= {tmp_path / "locked", tmp_path / "closed.png"}
    gallery = read(tmp_path)
    assert gallery.pictures.paths == ["a.png"]
    assert gallery.report.unread == {"locked": "Permission denied"}
    assert gallery.report.unreadable == {"closed.png": "Permission denied"}
    assert "'locked' was not entered: Permission denied." in gallery.report.lines()
    assert "'locked'" in gallery.missing and "closed.png" in gallery.missing


def test_system_and_hidden_folders_are_left_out_and_counted(tmp_path):
    folder_of({"a.png": "red", "b/c.png": "red"}, tmp_path)
    for name in ("@eaDir", "b/@eaDir", ".thumbnails", "$RECYCLE.BIN", "lost+found", "__MACOSX", "#recycle"):
        folder_of({f"{name}/x.png": "blue"}, tmp_path)
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "b" / "._c.png").write_bytes(b"x")
    gallery = read(tmp_path)
    assert gallery.pictures.paths == ["a.png", "b/c.png"]
    assert gallery.report.left_out == {
        "folder @eaDir": 2,
        "folder .thumbnails": 1,
        "folder $RECYCLE.BIN": 1,
        "folder lost+found": 1,
        "folder __MACOSX": 1,
        "folder #recycle": 1,
        "hidden file": 2,
    }
    assert "2 folder @eaDir" in gallery.report.lines()[-1]


def test_of_a_photo_library_the_originals_alone_are_taken(tmp_path):
    originals = [
        "Photos Library.photoslibrary/originals/0/0A.png",
        "old.photolibrary/Masters/2012/a.png",
        "iPhoto Library/Originals/2008/b.png",
        "iPhoto Library/2004/12/c.png",
        "CaptureOne/wedding/d.png",
        "resources/two\nlines/e.png",  # of no library
    ]
    made = [
        "Photos Library.photoslibrary/resources/derivatives/0/0A_1_105_c.png",
        "Photos Library.photoslibrary/scopes/cloudsharing/x.png",
        "old.photolibrary/Thumbnails/2012/a.png",
        "iPhoto Library/Data/2008/b.png",
        "CaptureOne/Cache/Proxies/d.png",
        "Catalog Previews.lrdata/0/x.png",
        "RECYCLED/x.png",
    ]
    folder_of(dict.fromkeys([*originals, *made], "red"), tmp_path)
    gallery = read(tmp_path)
    assert sorted(gallery.pictures.paths) == sorted(originals)
    assert gallery.report.left_out == {
        "folder resources of Photos Library.photoslibrary": 1,
        "folder scopes of Photos Library.photoslibrary": 1,
        "folder Thumbnails of old.photolibrary": 1,
        "folder Data of iPhoto Library": 1,
        "folder Cache of CaptureOne": 1,
        "folder Catalog Previews.lrdata": 1,
        "folder RECYCLED": 1,
    }
    itself = read(tmp_path / "Photos Library.photoslibrary")  # named as the folder to search
    assert itself.pictures.paths == ["originals/0/0A.png"] and sum(itself.report.left_out.values()) == 2


def test_names_of_what_was_left_out_are_bounded_and_can_be_written(tmp_path):
    folder_of({"a.png": "red"} | {f".{number}/x.png": "red" for number in range(20)}, tmp_path)
    (tmp_path / os.fsdecode(b".caf\xe9")).mkdir()
    report = read(tmp_path).report
    assert len(report.left_out) == 21 and r"folder .caf\xe9" in report.left_out
    assert report.lines()[-1].endswith("; and 9 more, which --json names.")
    report.lines()[-1].encode()


def test_links_to_folders_are_followed_without_loops_and_each_folder_once(tmp_path):
    mine, other = tmp_path / "mine", tmp_path / "other"
    folder_of({"b/one.png": "red"}, mine)
    folder_of({"two.png": "blue", "deep/three.png": "green"}, other)
    try:
        (mine / "a link").symlink_to(other)
        (mine / "again").symlink_to(other)
        (mine / "aa to b").symlink_to(mine / "b")
        (other / "deep" / "back").symlink_to(mine)
        (mine / "nowhere").symlink_to(tmp_path / "nothing")
    except OSError:
        pytest.skip("this system lets no test make links")
    gallery = read(mine)
    assert gallery.pictures.paths == ["a link/deep/three.png", "a link/two.png", "b/one.png"]
    assert gallery.report.left_out == {TAKEN_ALREADY: 3}
    assert gallery.report.unread == {"nowhere": "a link to nothing"}


def test_a_folder_that_is_a_link_itself_and_holds_links_alone(tmp_path):
    folder_of({"one.png": "red"}, tmp_path / "real")
    try:
        (tmp_path / "holder").mkdir()
        (tmp_path / "holder" / "link").symlink_to(tmp_path / "real")
        (tmp_path / "to holder").symlink_to(tmp_path / "holder")
    except OSError:
        pytest.skip("this system lets no test make links")
    assert read(tmp_path / "to holder").pictures.paths == ["link/one.png"]


@pytest.mark.parametrize(
    ("patterns", "left", "count"),
    [
        (["*.gif"], ["a/one.png", "a/private/two.png", "b.png"], 1),
        (["private"], ["a/move.gif", "a/one.png", "b.png"], 1),
        (["a/*"], ["b.png"], 3),
        (["a", "nothing like it"], ["b.png"], 1),
        (["[ab]*.png"], ["a/move.gif"], 3),
        ([], ["a/move.gif", "a/one.png", "a/private/two.png", "b.png"], 0),
    ],
)
def test_patterns_exclude_files_and_folders(tmp_path, patterns, left, count):
    folder_of({"a/one.png": "red", "a/private/two.png": "red", "b.png": "red", "a/move.gif": "red"}, tmp_path)
    found = walk(tmp_path, patterns)
    assert [file.path for file in found.files] == left
    assert sum(found.left_out.values()) == count


def test_what_is_excluded_is_remembered_with_the_folder(tmp_path):
    folder_of({"a.png": "red", "drafts/b.png": "blue"}, tmp_path / "mine")
    Catalog().exclude(tmp_path / "mine", ["drafts"])
    assert read(tmp_path / "mine").pictures.paths == ["a.png"]
    (tmp_path / "mine").rename(tmp_path / "moved")
    gallery = read(tmp_path / "moved")
    assert gallery.pictures.paths == ["a.png"] and gallery.report.left_out == {"excluded folder": 1}
    Catalog().exclude(tmp_path / "moved", ["*.png"])
    with pytest.raises(NoPictures, match="; build it with --exclude '' to take what was excluded"):
        read(tmp_path / "moved")
    Catalog().exclude(tmp_path / "moved", [""])
    assert read(tmp_path / "moved").pictures.paths == ["a.png", "drafts/b.png"]


def test_a_moved_folder_is_found_though_its_exclusions_were_said_before(tmp_path):
    folder_of({"a.png": "red", "c.png": "white", "drafts/b.png": "blue"}, tmp_path / "mine")
    rows = read(tmp_path / "mine").pictures.paths
    (tmp_path / "mine").rename(tmp_path / "moved")
    Catalog().exclude(tmp_path / "moved", ["drafts"])
    gallery = read(tmp_path / "moved")
    assert gallery.former == f"folder:{tmp_path / 'mine'}" and rows == ["a.png", "c.png", "drafts/b.png"]
    assert gallery.pictures.paths == ["a.png", "c.png", ""] and gallery.report.left_out == {"excluded folder": 1}


@pytest.mark.skipif(os.name != "posix", reason="such names and files are of POSIX")
def test_names_and_files_that_are_no_plain_ones(tmp_path):
    names = ["new\nline.png", "quo\"te'.png", "\U0001f600.png", "x" * 240 + ".png", "Case.PNG", "case.png", "<b>.png"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(saved("PNG", number))
    (tmp_path / "again.png").write_bytes((tmp_path / "case.png").read_bytes())
    os.utime(tmp_path / "<b>.png", (4e9, 4e9))  # by a clock that is ahead
    os.utime(tmp_path / "case.png", (-1e9, -1e9))
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "zero.png").write_bytes(b"")
    gallery = read(tmp_path)
    assert sorted(gallery.pictures.paths) == sorted([*names, "again.png"])
    assert gallery.report.left_out == {"device or pipe": 2, "link to a folder that is taken already": 1}
    assert gallery.report.unread == {"loop.png": "a link that leads back to itself"}
    assert [*gallery.report.unreadable] == ["zero.png"]
    json.dumps(gallery.report.to_json())


@pytest.mark.skipif(os.name != "posix", reason="such names are of POSIX")
def test_no_name_acts_on_a_terminal_and_each_is_found_by_what_is_shown(tmp_path):
    names = {
        "two\nlines": r"two\x0alines",
        "\x1b[31mred": r"\x1b[31mred",
        "\u202ertl\u2028": r"\xe2\x80\xaertl\xe2\x80\xa8",
    }
    names |= {name: name for name in ("\U0001f468\u200d\U0001f469", "nbsp\xa0", "\u05e2\u05d1")}
    for name, shown in names.items():
        (tmp_path / name).mkdir()
        assert printable(name) == shown and folder_named(str(tmp_path / shown)) == tmp_path / name


@pytest.mark.skipif(os.name != "posix", reason="such names are of POSIX")
def test_a_folder_whose_path_is_not_utf_8_has_a_name_that_is(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / os.fsdecode(b"na\xefve.png")).write_bytes(saved("PNG"))
    name = gallery_name(f"folder:{folder}")
    assert name == rf"folder:{tmp_path}/caf\xe9" == gallery_name(name)  # as it is typed, and as a list shows it
    gallery = open_gallery(name)
    assert gallery.name == name and gallery.file(0) == r"na\xefve.png" and gallery.pictures.encoded(0)
    ((_, above), (label, path)) = folders_in(str(tmp_path))
    assert label == r"caf\xe9" and f"folder:{path}" == name and above == str(tmp_path.parent)
    assert folders_in(path) == [(f"↑ {tmp_path}", str(tmp_path))]
    literal = tmp_path / r"caf\xe9"  # goes first where there is one
    literal.mkdir()
    assert folder_named(str(literal)) == literal
