"""The scenes gallery: drawn the same each time, packed as drawn, and described truly."""

from __future__ import annotations

import io
import random
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from searchdemo.errors import BadArtifact, NoPictures
from searchdemo.galleries import scenes
from searchdemo.galleries.drawing.captions import SYNONYMS, describe
from searchdemo.galleries.drawing.picture import draw
from searchdemo.galleries.drawing.scene import COLOURS, PLACES, SETTINGS, SIZES, THINGS, TIMES, Scene, sample

BOAT = Scene("boat", "red", "sea", time="night", size="small", place="left", turn=-14)


@pytest.fixture(scope="module")
def gallery():
    return scenes.open_scenes()


@pytest.fixture(scope="module")
def rows():
    return scenes.load_scenes()


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), np.float32)


def test_the_same_seed_draws_the_same_pixels():
    first, again = ([draw(scene, 64).tobytes() for scene in sample(7, 8)] for _ in range(2))
    assert first == again
    assert len(set(first)) == 8


def test_another_seed_draws_another_background():
    assert draw(Scene("boat", "red", "sea", seed=1)).tobytes() != draw(Scene("boat", "red", "sea", seed=2)).tobytes()


def test_every_thing_and_every_setting_can_be_drawn_at_any_size():
    for thing in THINGS:
        assert np.ptp(pixels(draw(Scene(thing, "red", "sky"), 32))) > 50
    for setting in SETTINGS:
        for time in TIMES:
            assert draw(Scene("boat", "red", setting, time=time), 33).size == (33, 33)


@pytest.mark.parametrize("colour", COLOURS)
def test_the_named_colour_is_seen(colour):
    """Of the ten colours the named one is the nearest to most pixels in the middle of a large apple."""
    middle = pixels(draw(Scene("apple", colour, "sky"), 96))[38:62, 38:62].reshape(-1, 3)
    names = list(COLOURS)
    distances = np.linalg.norm(middle[:, None] - np.array([COLOURS[name] for name in names], np.float32), axis=2)
    nearest = Counter(names[i] for i in distances.argmin(1))
    assert nearest[colour] > 0.6 * len(middle), nearest


def test_place_size_and_night_are_seen():
    def red_at(**changes: str) -> tuple[float, int]:
        """Mean x of the red pixels, 0..1, and their number."""
        picture = pixels(draw(Scene("apple", "red", "meadow", **changes), 96))
        red = (
            (picture[..., 0] > 120) & (picture[..., 0] > 2 * picture[..., 1]) & (picture[..., 0] > 2 * picture[..., 2])
        )
        return np.nonzero(red)[1].mean() / 96, red.sum()

    left, middle, right = (red_at(place=place)[0] for place in PLACES)
    assert left < 0.4 < middle < 0.6 < right
    small, large = (red_at(size=size)[1] for size in SIZES)
    assert 0 < 1.5 * small < large
    day, night = (pixels(draw(Scene("apple", "red", "meadow", time=time))).mean() for time in ("day", "night"))
    assert night < 0.6 * day


def test_captions_say_the_attributes():
    assert BOAT.caption() == "a small red boat on the sea at night, on the left, leaning to the left"
    assert Scene("umbrella", "orange", "sky", time="night").caption() == (
        "a large orange umbrella in the night sky, in the middle"
    )
    assert describe({"colour": "red", "thing": "boat"}) == "a red boat"
    assert describe({"thing": "boat", "setting": "sea"}) == "a boat on the sea"
    assert describe({"colour": "red", "setting": "snow"}) == "something red in the snow"
    assert describe({"colour": "orange", "thing": "ice cream", "time": "sunset"}) == "an orange ice cream at sunset"


def test_varied_captions_say_only_what_is_true():
    def some(count: int) -> list[str]:
        rng = random.Random(3)
        return [BOAT.varied_caption(rng)[0] for _ in range(count)]

    said = some(300)
    assert len(set(said)) > 100
    words = {word for caption in said for word in caption.replace(",", "").split()}
    assert {"red", "boat", "ship", "sea", "night", "small", "left"} <= words
    others = (set(THINGS) | set(COLOURS) | set(SETTINGS) | {"large", "right", "middle", "sunset"}) - {"boat", "red"}
    assert words & others == {"sea"}
    assert some(5) == said[:5]


def test_a_varied_caption_names_what_it_says():
    rng = random.Random(4)
    for _ in range(100):
        sentence, names = BOAT.varied_caption(rng)
        assert names & {"thing", "colour", "setting"}
        assert ("red" in sentence.replace(",", "").split()) == ("colour" in names)


def test_no_synonym_is_another_thing_or_another_word():
    for word, others in SYNONYMS.items():
        assert not set(others) & (set(THINGS) | SYNONYMS.keys() | set(COLOURS)), word


def test_matches_is_exact():
    assert BOAT.matches(colour="red", thing="boat", setting="sea", time="night", lean="left")
    assert not BOAT.matches(colour="red", thing="boat", setting="snow")
    with pytest.raises(KeyError):
        BOAT.matches(flavour="sweet")


def test_sample_is_balanced():
    counts = Counter(scene.thing for scene in sample(5, 100))
    assert set(counts) == set(THINGS)
    assert max(counts.values()) - min(counts.values()) == 1
    triples = Counter((scene.thing, scene.colour, scene.setting) for scene in sample(5, 30 * 12, copies=6))
    assert set(triples.values()) == {6}


def test_the_packed_gallery(gallery, rows):
    assert scenes.FILE.stat().st_size <= 3_000_000
    assert (len(gallery.pictures), len(gallery.queries), len(rows)) == (2000, 200, 2000)
    assert gallery.label_names == gallery.class_names == THINGS
    assert len(THINGS) == 30
    for pictures, each in ((gallery.pictures, {66, 67}), (gallery.queries, {6, 7})):
        assert set(np.bincount(pictures.labels)) == each
        assert pictures.labels.dtype == np.int16
    assert [gallery.label(row) for row in range(2000)] == [scene.thing for scene in rows]
    assert gallery.captions == tuple(scene.caption() for scene in rows)
    assert not set(rows) & set(scenes.load_scenes("queries"))


def test_the_packed_file_is_what_the_generator_draws(gallery, rows):
    assert rows == scenes.gallery_scenes()
    assert scenes.load_scenes("queries") == scenes.query_scenes()
    for pictures, split in ((gallery.pictures, rows), (gallery.queries, scenes.load_scenes("queries"))):
        for row in (0, 57, len(split) - 1):
            packed = pixels(Image.open(io.BytesIO(pictures.encoded(row))))
            assert packed.shape == (scenes.PX, scenes.PX, 3)
            assert np.abs(packed - pixels(draw(split[row], scenes.PX))).mean() < 5  # of 255: what WebP loses
            assert np.abs(packed - pixels(draw(split[row - 1], scenes.PX))).mean() > 20


def test_every_example_has_right_answers(gallery, rows):
    assert gallery.example_texts[0] == "a red boat on the sea at night"
    for wanted in scenes.EXAMPLES:
        assert sum(scene.matches(**wanted) for scene in rows) >= 3, wanted


def test_every_query_has_right_answers(rows):
    known = {(scene.thing, scene.colour, scene.setting) for scene in rows}
    assert all((scene.thing, scene.colour, scene.setting) in known for scene in scenes.load_scenes("queries"))


def test_concurrent_readers_get_the_bytes_of_their_row(gallery):
    alone = [gallery.pictures.encoded(row) for row in range(200)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(gallery.pictures.encoded, list(range(200)) * 5))
    assert together == alone * 5


@pytest.mark.parametrize("row", [-1, 2000])
def test_a_row_that_is_not_there(gallery, row):
    with pytest.raises(IndexError):
        gallery.pictures.encoded(row)


def test_a_file_written_twice_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "GALLERY_SIZE", 30)
    monkeypatch.setattr(scenes, "QUERY_SIZE", 5)
    for name in ("one.zip", "two.zip"):
        scenes.write(tmp_path / name)
    one, two = (scenes.open_packed(tmp_path / name) for name in ("one.zip", "two.zip"))
    assert one.fingerprint == two.fingerprint
    assert (len(one.pictures), len(one.queries)) == (30, 5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.zip", "two.zip"]


def test_a_missing_and_a_damaged_file_say_what_to_do(tmp_path):
    with pytest.raises(NoPictures, match="--write"):
        scenes.open_packed(tmp_path / "none.zip")
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(scenes.FILE.read_bytes()[:100_000])
    with pytest.raises(BadArtifact, match="--write"):
        scenes.open_packed(damaged)
    with zipfile.ZipFile(scenes.FILE) as archive:
        inside = archive.getinfo("gallery/0003.webp").header_offset + 200
    content = bytearray(scenes.FILE.read_bytes())
    content[inside] ^= 255
    damaged.write_bytes(content)
    with pytest.raises(BadArtifact, match="CRC"):
        scenes.open_packed(damaged).pictures.encoded(3)
