"""Which parts of a picture carry its score: known answers, worked out by mean colours and by the bundled encoder."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from searchdemo.collection.query import Query
from searchdemo.collection.why import BATCH, CELLS, edges
from searchdemo.errors import BadQuery, NoPictures
from tests.conftest import MeanColour

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (127, 127, 127)


def halves(size: tuple[int, int], first: tuple, second: tuple, across: bool = True) -> Image.Image:
    """across: the first is the left half, else the upper one."""
    picture, (width, height) = Image.new("RGB", size, second), size
    picture.paste(first, (0, 0, width // 2, height) if across else (0, 0, width, height // 2))
    return picture


def file(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.fixture
def show(world, monkeypatch):
    """A collection whose row 0 shows these bytes now."""
    collection = world.ready().open("colours", "mean-colour")

    def shows(encoded: bytes | None):
        monkeypatch.setattr(world.gallery.pictures, "encoded", lambda row: encoded if row == 0 else None)
        return collection

    return shows


def mass(drops: np.ndarray) -> np.ndarray:
    """Of the drops alone; a score that rises is no mass."""
    kept = np.clip(drops, 0, None)
    return kept / kept.sum()


def test_the_mass_lies_on_the_half_that_equals_the_query(show):
    for first, second, left in ((RED, BLUE, True), (BLUE, RED, False)):
        found = show(file(halves((64, 64), first, second))).why(Query(picture=Image.new("RGB", (9, 9), RED)), 0)
        assert found.drops.shape == (CELLS, CELLS) and found.passes == 37
        assert found.score == pytest.approx(0.5**0.5, abs=1e-3)
        on_left = mass(found.drops)[:, : CELLS // 2].sum()
        assert on_left > 0.95 if left else on_left < 0.05
        # One patch of 9/64, by hand: 23/64 of red and 32/64 of blue are left, with 9/64 of grey in each colour.
        red, green, blue = (255 * 23 + 127 * 9) / 64, 127 * 9 / 64, (255 * 32 + 127 * 9) / 64
        expected = 0.5**0.5 - red / np.linalg.norm([red, green, blue])
        assert found.drops[0, 0 if left else -1] == pytest.approx(expected, abs=2e-3)


def test_words_are_asked_in_the_same_way(show):
    found = show(file(halves((64, 64), BLUE, RED, across=False))).why(Query(text="red"), 0)
    assert mass(found.drops)[CELLS // 2 :].sum() > 0.95


def test_a_rectangular_picture_has_square_cells_at_the_right_place(show):
    wide = Image.new("RGB", (192, 64), BLUE)
    wide.paste(RED, (128, 0, 192, 64))
    found = show(file(wide)).why(Query(text="red"), 0)
    assert found.drops.shape == (8, 24) and found.passes == 1 + 6 * 22 > BATCH
    assert mass(found.drops)[:, 16:].sum() > 0.95
    found = show(file(wide.rotate(90, expand=True))).why(Query(text="red"), 0)
    assert found.drops.shape == (24, 8) and mass(found.drops)[:8].sum() > 0.95


@pytest.mark.parametrize(("orientation", "where"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom")])
def test_a_picture_that_its_header_turns_is_mapped_as_people_see_it(show, orientation, where):
    encoded = file(halves((96, 64), RED, BLUE), "JPEG", quality=95, exif=turned(orientation))
    found = show(encoded).why(Query(text="red"), 0)
    assert found.drops.shape == ((8, 12) if orientation in (1, 3) else (12, 8))
    rows, columns = (side // 2 for side in found.drops.shape)
    drops = mass(found.drops)
    parts = {"left": drops[:, :columns], "right": drops[:, columns:], "top": drops[:rows], "bottom": drops[rows:]}
    assert max(parts, key=lambda part: parts[part].sum()) == where and parts[where].sum() > 0.95


class Middle(MeanColour):
    """It sees the middle square alone, as most encoders do."""

    def preprocess(self, images):
        cut = [
            image.crop(((image.width - image.height) // 2, 0, (image.width + image.height) // 2, 64))
            for image in images
        ]
        return super().preprocess(cut)


def test_what_the_encoder_does_not_see_carries_nothing_and_costs_no_pass(show, world, monkeypatch):
    picture = Image.new("RGB", (192, 64), RED)
    picture.paste(BLUE, (96, 0, 192, 64))
    collection = show(file(picture))
    world.encoder = Middle()
    found = collection.why(Query(text="red"), 0)
    assert found.passes == 1 + 6 * 10  # patches that reach into the square from 64 to 128
    assert not found.drops[:, :6].any() and not found.drops[:, 18:].any()
    assert mass(found.drops)[:, 8:12].sum() > 0.8


def test_of_a_query_of_several_terms_the_shares_sum_to_the_score(show):
    collection = show(file(halves((64, 64), RED, BLUE)))
    found = collection.why(Query(text="2: red - lime"), 0)
    assert found.terms == (("red", 2), ("lime", -1))
    assert sum(found.shares) == pytest.approx(found.score, abs=1e-6)
    assert found.to_json()["terms"] == [{"term": "red", "weight": 2}, {"term": "lime", "weight": -1}]
    assert found.to_json()["shares"] == list(found.shares)


def test_a_picture_of_one_colour_has_no_part_that_carries_the_score_alone(show):
    found = show(file(Image.new("RGB", (64, 64), GREY))).why(Query(text="red"), 0)
    assert found.most == 0 and "falls nowhere" in str(found)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 100), (100, 1), (7, 9), (1000, 10)])
def test_pictures_of_any_size_have_a_map(show, size):
    found = show(file(Image.new("RGB", size, RED))).why(Query(text="red"), 0)
    rows, columns = found.drops.shape
    assert (columns > rows) == (size[0] > size[1]) or rows == columns
    assert max(found.drops.shape) <= 32


def test_cells_lie_side_by_side_and_fill_the_side():
    for side, shorter in ((64, 64), (97, 64), (5, 5), (1000, 10), (33, 1)):
        found = edges(side, shorter)
        assert found[0] == 0 and found[-1] == side and all(np.diff(found) >= 1)


def test_what_cannot_be_asked_is_refused(show, world):
    collection = show(None)
    with pytest.raises(NoPictures, match="The picture of row 0 is not on this machine"):
        collection.why(Query(text="red"), 0)
    with pytest.raises(BadQuery, match="no row 300"):
        collection.why(Query(text="red"), 300)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_page_shows_a_picture_turned_as_its_map_is(kind):
    """Chromium turns JPEG and PNG as their headers say, and no WebP, which is sent turned."""
    thumbnails = pytest.importorskip("searchdemo.ui.components.thumbnails")
    encoded = file(halves((96, 64), RED, BLUE), kind, exif=turned(6))
    sent = base64.b64decode(thumbnails.picture_url(encoded, 256).partition(",")[2])
    shown = Image.open(io.BytesIO(sent))
    by_browser = shown if kind == "WEBP" else ImageOps.exif_transpose(shown)
    assert by_browser.size == (64, 96)
