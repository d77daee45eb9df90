"""Thumbnails of a person's large pictures are made once, kept, and bounded."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from searchdemo.collection.query import Query
from searchdemo.galleries import folder_pictures, thumbnails
from searchdemo.galleries.table import open_gallery
from searchdemo.galleries.thumbnails import SIDE, Thumbnails
from tests.conftest import png
from tests.folders import read
from tests.living import LivingFolder, three_colours


def photo(seed: int = 0, format: str = "JPEG", side: int = 600) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (side * 3 // 4, side, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format)
    return buffer.getvalue()


@pytest.fixture
def decoded(monkeypatch) -> list[bytes]:
    """What was decoded to be shown, so far."""
    decoded, whole = [], thumbnails.open_picture
    monkeypatch.setattr(
        thumbnails, "open_picture", lambda picture, most: decoded.append(picture) or whole(picture, most)
    )
    return decoded


def test_a_large_picture_is_shown_as_a_thumbnail_that_is_made_once(tmp_path, decoded):
    (tmp_path / "a.jpg").write_bytes(photo())
    pictures = read(tmp_path).pictures
    first = pictures.shown(0)
    assert Image.open(io.BytesIO(first)).size == (SIDE, SIDE * 3 // 4) and len(decoded) == 1
    (tmp_path / "a.jpg").rename(tmp_path / "renamed.jpg")
    assert read(tmp_path).pictures.shown(0) == first and len(decoded) == 1


def test_a_small_picture_is_shown_as_it_is_and_a_tiff_never(tmp_path, decoded):
    (tmp_path / "a.png").write_bytes(png((1, 2, 3)))
    (tmp_path / "b.tif").write_bytes(photo(format="TIFF", side=20))
    pictures = read(tmp_path).pictures
    assert pictures.shown(0) == png((1, 2, 3)) and not decoded
    assert pictures.shown(1).startswith(b"\xff\xd8") and len(decoded) == 1


def test_a_picture_that_nobody_read_yet_or_that_is_gone(tmp_path, decoded):
    (tmp_path / "a.jpg").write_bytes(photo())
    pictures = open_gallery(f"folder:{tmp_path}").pictures
    assert pictures.shown(0).startswith(b"\xff\xd8")
    (tmp_path / "a.jpg").unlink()
    assert pictures.shown(0) is None


def test_their_bytes_are_bounded_and_the_ones_shown_longest_ago_go_first(tmp_path, monkeypatch, decoded, clock):
    monkeypatch.setattr(thumbnails.time, "time", lambda: clock.now)
    kept = Thumbnails(tmp_path / "t.sqlite")
    one = len(thumbnails.smaller(photo()))
    monkeypatch.setattr(thumbnails, "MAX_BYTES", int(3.5 * one))
    for number in range(3):
        clock.now += thumbnails.SHOWN_AGAIN_S
        kept.get(bytes([number]) * 16, lambda: photo())
    clock.now += thumbnails.SHOWN_AGAIN_S
    kept.get(bytes([0]) * 16, lambda: None)  # shown again
    clock.now += thumbnails.SHOWN_AGAIN_S
    kept.get(bytes([3]) * 16, lambda: photo())
    assert [kept.get(bytes([number]) * 16, lambda: None) is not None for number in range(4)] == [
        True,
        False,
        True,
        True,
    ]


def test_where_nothing_can_be_written_they_are_made_each_time(tmp_path, decoded):
    (tmp_path / "file").write_bytes(b"")
    kept = Thumbnails(tmp_path / "file" / "t.sqlite")
    assert kept.get(b"a" * 16, photo) == kept.get(b"a" * 16, photo) and len(decoded) == 2
    assert kept.get(b"a" * 16, lambda: b"no picture") is None


@pytest.fixture
def loaded(monkeypatch) -> list[str]:
    """The format of each file whose pixels were decoded, so far."""
    loaded, whole = [], ImageFile.ImageFile.load

    def load(self):
        if self.tile:
            loaded.append(self.format)
        return whole(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    return loaded


@pytest.fixture
def mine(tmp_path, world, monkeypatch) -> LivingFolder:
    """Three photographs that are too large to be sent as they are, a TIFF, and a small PNG."""
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    folder = three_colours(tmp_path / "mine", world)
    for number in range(3):
        (folder.root / f"{number}.jpg").write_bytes(photo(number))
    (folder.root / "scan.tif").write_bytes(photo(3, "TIFF", side=40))
    return folder


def test_the_first_search_after_a_build_decodes_no_picture_and_the_second_none(mine, loaded, decoded):
    mine.build()
    assert loaded.count("JPEG") == 3 and loaded.count("TIFF") == 1 and loaded.count("PNG") == 3  # each once
    loaded.clear()
    for _ in range(2):
        hits = mine.open().search(Query(row=0), "flat", 6).hits
        assert len(hits) == 6 and all(hit.picture for hit in hits)
    assert loaded == decoded == []
    assert sorted({Image.open(io.BytesIO(hit.picture)).size[0] for hit in hits}) == [4, 40, SIDE]


def test_a_second_build_makes_no_thumbnail_again(mine, monkeypatch):
    mine.build()
    monkeypatch.setattr(folder_pictures, "smaller_jpeg", None)
    mine.build(rebuild=True)


def test_a_build_pushes_no_thumbnail_out_and_ends_right_without_room(mine, monkeypatch, decoded):
    seen = Thumbnails().get(b"seen" * 4, lambda: photo(9))
    monkeypatch.setattr(thumbnails, "MAX_BYTES", int(2.5 * len(seen)))
    mine.build()
    assert Thumbnails().get(b"seen" * 4, lambda: None) == seen
    assert len(Thumbnails().digests()) < 5 and not Thumbnails().add([(b"more" * 4, bytes(2 * len(seen)))])
    assert all(hit.picture for hit in mine.open().search(Query(row=0), "flat", 6).hits)


def test_a_file_that_was_removed_or_damaged_while_it_was_open_is_made_again(tmp_path, decoded):
    path = tmp_path / "t.sqlite"
    kept = Thumbnails(path)
    kept.get(b"a" * 16, photo)
    path.unlink()
    assert kept.get(b"a" * 16, lambda: None) is None and kept.get(b"a" * 16, photo) == kept.get(b"a" * 16, photo)
    assert path.exists() and len(decoded) == 2
    path.unlink()
    path.write_bytes(b"no database " * 1000)
    assert kept.get(b"a" * 16, photo).startswith(b"\xff\xd8") and len(decoded) == 3


def test_several_threads_share_them(tmp_path):
    kept = Thumbnails(tmp_path / "t.sqlite")
    with ThreadPoolExecutor(8) as pool:
        made = [
            *pool.map(lambda number: kept.get(bytes([number % 4]) * 16, lambda: photo(number % 4, side=80)), range(32))
        ]
    assert len(set(made)) == 4 and len(kept.digests()) == 4
