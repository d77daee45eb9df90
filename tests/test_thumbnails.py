"""Thumbnails of a person's large pictures are made once, kept, and bounded."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from searchdemo.galleries import thumbnails
from searchdemo.galleries.table import open_gallery
from searchdemo.galleries.thumbnails import SIDE, Thumbnails
from tests.conftest import png
from tests.folders import read


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
        clock.now += 1
        kept.get(bytes([number]) * 16, lambda: photo())
    clock.now += 1
    kept.get(bytes([0]) * 16, lambda: None)  # shown again
    clock.now += 1
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
