"""Files of a person's folder whose content is not in it: in a cloud alone, or links to other places."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from searchdemo.galleries.elsewhere import ELSEWHERE, is_elsewhere
from searchdemo.galleries.table import open_gallery
from searchdemo.galleries.walk import walk
from tests.cli_tools import folder_of
from tests.conftest import png
from tests.folders import read


def test_what_is_kept_in_the_cloud_is_counted_and_named_and_not_read(tmp_path, monkeypatch):
    folder_of({"a.png": "red", "b/away.png": "blue"}, tmp_path)
    for name in (".beach.HEIC.icloud", "b/.raw.CR2.icloud", ".notes.txt.icloud", ".plain.icloudy"):
        (tmp_path / name).write_bytes(b"bplist00")
    here = (tmp_path / "a.png").stat().st_size
    monkeypatch.setattr("searchdemo.galleries.walk.is_elsewhere", lambda found: found.st_size != here)
    report = read(tmp_path).report
    assert report.taken == 1 and report.left_out == {"hidden file": 1, f"file {ELSEWHERE}": 1}
    assert report.unreadable == dict.fromkeys(("b/away.png", "b/raw.CR2", "beach.HEIC"), ELSEWHERE)
    assert f"  3: {ELSEWHERE} (beach.HEIC, b/raw.CR2, b/away.png)" in report.lines()
    assert walk(tmp_path, ["beach.*", "b"]).closed == {}

    monkeypatch.setattr("searchdemo.galleries.walk.is_elsewhere", lambda found: False)  # it has come
    assert read(tmp_path).report.taken == 2
    monkeypatch.setattr("searchdemo.galleries.walk.is_elsewhere", lambda found: True)  # and both went again
    later = open_gallery(f"folder:{tmp_path}").report
    assert later.taken == 2 and "b/away.png" not in later.unreadable and not later.waiting


@pytest.mark.parametrize(
    ("found", "away"),
    [
        ({"st_flags": 0x40000000}, True),  # macOS: dataless
        ({"st_file_attributes": 0x00400020}, True),  # Windows: recall on data access, archive
        ({"st_file_attributes": 0x20, "st_blocks": 0, "st_size": 9}, False),  # as small and sparse files are
        ({"st_flags": 0x20}, False),  # compressed
    ],
)
def test_the_system_says_what_is_kept_in_the_cloud(found, away):
    assert is_elsewhere(SimpleNamespace(**found)) is away


def test_files_that_are_links_are_no_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(png((1, 2, 3)))
    links = ("a.jpg.lnk", "b.url", "c.webloc", "d.desktop", "e.dropbox")
    for name in links:
        (tmp_path / name).write_bytes(b"L\0\0\0" if name.endswith(".lnk") else b"[InternetShortcut]\nURL=file:a.jpg")
    report = read(tmp_path).report
    assert report.taken == 1 and report.skipped == {"link to a place elsewhere": links}
