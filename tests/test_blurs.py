"""Blurred stand-ins: of known pictures, of those that ship, and on the page where a picture is not on the machine."""

from __future__ import annotations

import base64
import re
import sys
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from searchdemo.collection.query import Query
from searchdemo.errors import BadArtifact
from searchdemo.galleries import tiny_imagenet
from searchdemo.galleries.blurs import BLUR_BYTES, Blurs, blur_of, save_blurs, unblurred
from searchdemo.galleries.table import open_gallery
from searchdemo.pictures import open_picture
from searchdemo.types import Blur
from searchdemo.ui.components.query_picture import QueryPicture
from searchdemo.ui.components.thumbnails import picture_data
from searchdemo.ui.components.tiles import result_tiles
from tests.conftest import ColourPictures, colour_gallery
from tests.test_tiny_imagenet import REAL, blotches, encode, no_other_copy, with_real_data  # noqa: F401  no copy of the machine's own

try:
    from thumbhash import thumb_hash_to_rgba  # noqa: F401
except ImportError:
    thumbhash_missing = True
else:
    thumbhash_missing = False

with_library = pytest.mark.skipif(thumbhash_missing, reason="thumbhash-rs is not installed (see requirements.txt)")


@pytest.fixture
def two_colours() -> bytes:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (64, 64), (200, 30, 30))
    picture.paste((30, 30, 200), (32, 0, 64, 64))
    return encode(picture, "PNG")


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, np.float32)


@with_library
def test_a_blur_keeps_the_colours_and_where_they_are(two_colours):
    blur = blur_of(two_colours)
    assert isinstance(blur, Blur) and len(blur) == BLUR_BYTES
    shown = pixels(unblurred(blur))
    assert shown.shape == (32, 32, 3)
    left, right = shown[:, :10].mean(axis=(0, 1)), shown[:, -10:].mean(axis=(0, 1))
    assert left[0] > 150 > 90 > left[2] and right[2] > 150 > 90 > right[0]


@with_library
def test_a_plain_picture_stays_plain():
    shown = pixels(unblurred(blur_of(encode(Image.new("RGB", (64, 64), (40, 160, 80)), "PNG"))))
    assert np.abs(shown - (40, 160, 80)).max() < 12


@with_library
def test_written_and_read_by_row(tmp_path):
    pictures = [encode(blotches(seed)) for seed in range(5)]
    assert save_blurs(pictures, "a fingerprint", tmp_path / "blurs.npz") == 5
    blurs = Blurs(tmp_path / "blurs.npz", "a fingerprint")
    assert [blurs[row] for row in range(5)] == [blur_of(picture) for picture in pictures]
    assert len({blurs[row] for row in range(5)}) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["blurs.npz"]


# What ships


def test_every_picture_of_the_gallery_has_one_and_the_file_is_small():
    gallery = open_gallery("tiny-imagenet")
    blurs = [gallery.blur(row) for row in range(0, 100_000, 1000)]
    assert all(len(blur) == BLUR_BYTES <= 32 for blur in blurs) and len(set(blurs)) == len(blurs)
    with np.load(tiny_imagenet.BLURS_PATH) as file:
        assert file["blurs"].shape == (100_000, BLUR_BYTES)
        assert str(file["fingerprint"]) == gallery.fingerprint
    assert tiny_imagenet.BLURS_PATH.stat().st_size < 3 << 20


def test_other_galleries_have_none():
    assert open_gallery("scenes").blur(0) is None


def test_the_file_is_read_when_a_blur_is_asked_for_and_refused_when_damaged(monkeypatch, tmp_path):
    path = tmp_path / "blurs.npz"
    monkeypatch.setattr(tiny_imagenet, "BLURS_PATH", path)
    gallery = open_gallery("tiny-imagenet")
    assert gallery.pictures.encoded(0) is None
    with pytest.raises(BadArtifact, match=r"blurs\.npz is missing or damaged .*git checkout"):
        Blurs(path, gallery.fingerprint)[0]
    content = bytearray((tiny_imagenet.ROWS_PATH.parent / "blurs.npz").read_bytes())
    content[1_000_000] ^= 1  # one bit
    path.write_bytes(content)
    with pytest.raises(BadArtifact, match="CRC"):
        Blurs(path, gallery.fingerprint)[0]
    assert gallery.blur(0) is None  # a search goes on without, see test_integrity.py


def test_blurs_of_other_pictures_are_refused():
    with pytest.raises(BadArtifact, match="other pictures"):
        Blurs(tiny_imagenet.BLURS_PATH, "another gallery")[0]


@with_library
def test_24_tiles_read_the_file_once_and_decode_each_blur_once(monkeypatch):
    """`bench floors` holds the milliseconds of 24 tiles."""
    import thumbhash

    gallery, read, decoded = open_gallery("tiny-imagenet"), [], []
    load, decode = np.load, thumbhash.thumb_hash_to_rgba
    monkeypatch.setattr(np, "load", lambda path, **options: read.append(path) or load(path, **options))
    monkeypatch.setattr(thumbhash, "thumb_hash_to_rgba", lambda blur: decoded.append(blur) or decode(blur))
    blurs = [gallery.blur(row) for row in range(0, 24_000, 1000)]
    assert {unblurred(blur).size for blur in blurs} == {(32, 32)}
    assert read == [tiny_imagenet.BLURS_PATH] and decoded == [bytes(blur) for blur in blurs]


@with_library
@with_real_data
def test_the_blurs_that_ship_are_of_the_real_pictures_of_their_rows():
    gallery = open_gallery("tiny-imagenet", data_dir=REAL)
    for row in range(0, 100_000, 5000):
        picture = gallery.pictures.encoded(row)
        assert gallery.blur(row) == blur_of(picture)
        mean = pixels(open_picture(picture)).mean(axis=(0, 1))
        assert np.abs(pixels(unblurred(gallery.blur(row))).mean(axis=(0, 1)) - mean).max() < 30


# On the page


@pytest.fixture
def gappy(world, two_colours):
    """The library over a gallery where half of the pictures are not here, and each has a blur."""
    blur = Blur(b"\1" * BLUR_BYTES) if thumbhash_missing else blur_of(two_colours)
    world.built()
    world.change(pictures=ColourPictures(world.gallery.pictures.colours, world.gallery.pictures.labels, range(150)))
    world.gallery.pictures.blur = lambda row: blur
    return world.library()


def test_a_hit_has_its_picture_or_else_its_blur(gappy):
    result = gappy.open("colours", "mean-colour").search(Query(text="red"), "flat", k=100)
    hits = result.hits
    assert {hit.picture is None for hit in hits} == {True, False}
    for hit in hits:
        assert (hit.picture is None) == (hit.row < 150) == (hit.blur is not None)
    shown = [tile.picture for tile in result_tiles(result, "colours")]
    assert all(isinstance(picture, Blur) == (hit.row < 150) for picture, hit in zip(shown, hits, strict=True))


def test_a_gallery_without_blurs_has_hits_without(world):
    hits = world.ready().open("colours", "mean-colour").search(Query(text="red"), "flat", k=5).hits
    assert all(hit.blur is None and hit.picture for hit in hits)
    assert colour_gallery().blur(0) is None


@with_library
def test_the_tile_is_the_blur_under_the_words(two_colours):
    sent = picture_data(blur_of(two_colours), "king <penguin>")
    svg = unquote(sent.url)
    assert sent.mime_type == "image/svg+xml" and "king &lt;penguin&gt;" in svg
    embedded = base64.b64decode(re.search(r"data:image/png;base64,([\w+/=]+)", svg)[1])
    assert np.abs(pixels(open_picture(embedded)) - pixels(unblurred(blur_of(two_colours)))).max() == 0
    assert "<text" not in unquote(picture_data(blur_of(two_colours)).url)
    assert QueryPicture().preprocess(sent) is None  # nothing to encode: the query is a stored vector


def test_without_the_library_the_tile_is_grey(monkeypatch):
    monkeypatch.setitem(sys.modules, "thumbhash", None)
    blur = Blur(b"\1" * BLUR_BYTES)
    assert unblurred(blur) is None
    assert picture_data(blur, "x") == picture_data(None, "x")
