"""Augmentations: deterministic, of the same size, what they say; embedded once, whatever interrupts."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchdemo.bench.augment import AUGMENTATIONS, ORIGINAL
from searchdemo.bench.augmented import WANTED, Augmented, AugmentedPictures, embed_missing
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.errors import BadArtifact, NoPictures, NotBuilt, SearchDemoError
from searchdemo.pictures import open_picture
from tests.conftest import colour_gallery, unit

pytestmark = pytest.mark.usefixtures("steady")

DRAWN = ("crop-90", "rotate", "brighter", "darker", "contrast", "blur", "jpeg")  # at random


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """Coloured noise over a slope, from 30 to 150: neither symmetric nor clipped when it becomes brighter."""
    slope = np.linspace(0, 90, width)[None, :, None]
    noise = np.random.default_rng(0).integers(30, 61, (height, width, 3))
    return Image.fromarray((slope + noise).astype(np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float64)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_row_gives_the_same_picture_of_the_same_size(name):
    original = picture()
    once, again = (AUGMENTATIONS[name](original, 5) for _ in range(2))
    assert once.tobytes() == again.tobytes()
    assert (once.size, once.mode) == ((64, 48), "RGB")
    assert original.tobytes() == picture().tobytes()  # what it was given is left as it is
    assert (once.tobytes() == original.tobytes()) == (name == ORIGINAL)
    assert (once.tobytes() == AUGMENTATIONS[name](original, 6).tobytes()) == (name not in DRAWN)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200)])
def test_odd_sizes(name, size):
    assert AUGMENTATIONS[name](picture(*size), 0).size == size


def test_what_they_do_by_hand():
    original = picture()
    made = {name: pixels(apply(original, 3)) for name, apply in AUGMENTATIONS.items()}
    before = pixels(original)
    assert np.array_equal(made["mirror"], before[:, ::-1])
    assert (made["grey"] == made["grey"][:, :, :1]).all()
    assert 1.19 < made["brighter"].mean() / before.mean() < 1.51
    assert 0.49 < made["darker"].mean() / before.mean() < 0.81
    assert 1.29 < made["contrast"].std() / before.std() < 1.71
    assert made["blur"].std(axis=0).mean() < 0.8 * before.std(axis=0).mean()
    assert 0 < np.abs(made["jpeg"] - before).mean() < 20

    def slope(image: np.ndarray) -> float:
        return np.polyfit(np.arange(64), image.mean(axis=(0, 2)), 1)[0]

    assert slope(made["crop-90"]) == pytest.approx(0.9 * slope(before), rel=0.1)


def test_corners_of_a_turned_picture_have_its_mean_colour():
    turned = AUGMENTATIONS["rotate"](Image.new("RGB", (64, 64), (200, 100, 50)), 0)
    assert np.abs(pixels(turned) - (200, 100, 50)).max() <= 1


DIGEST = """
import hashlib
from searchdemo.bench.augment import AUGMENTATIONS
from tests.test_augment import picture
print(hashlib.sha256(b"".join(apply(picture(), 7).tobytes() for apply in AUGMENTATIONS.values())).hexdigest())
"""


def test_another_process_makes_the_same_pictures():
    here = hashlib.sha256(b"".join(apply(picture(), 7).tobytes() for apply in AUGMENTATIONS.values())).hexdigest()
    root, environment = Path(__file__).parents[1], os.environ | {"PYTHONHASHSEED": "123"}
    done = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, cwd=root, env=environment)
    assert done.stdout.strip() == here, done.stderr


def test_the_table():
    assert len(AUGMENTATIONS) == 10 and ORIGINAL not in WANTED and len(WANTED) == 9
    assert len({each.what for each in AUGMENTATIONS.values()}) == 10


# As pictures of a gallery


def test_pictures_of_a_gallery():
    gallery = colour_gallery(20, absent=[2], broken=[3])
    seen = AugmentedPictures(gallery.pictures, AUGMENTATIONS["grey"])
    assert len(seen) == 20 and seen.labels is gallery.pictures.labels
    assert seen.encoded(2) is None and seen.encoded(3) == b"not a picture"
    grey = pixels(open_picture(seen.encoded(0)))
    assert len(np.unique(grey)) == 1 and len(np.unique(gallery.pictures.colours[0])) > 1
    plain = AugmentedPictures(gallery.pictures, AUGMENTATIONS[ORIGINAL])
    assert open_picture(plain.encoded(0)).tobytes() == open_picture(gallery.pictures.encoded(0)).tobytes()


# Embedded


@pytest.fixture
def world(world):
    """With fewer pictures: each is made nine times over."""
    world.gallery = colour_gallery(20)
    return world


def augmented(world, **options) -> Augmented:
    return embed_missing(world.library().open("colours", "mean-colour"), batch_size=10, **options)


def test_all_augmentations_in_the_order_of_the_stored_vectors(world):
    world.gallery = colour_gallery(20, absent=[0], broken=[5, 6])
    world.built()
    found = augmented(world)
    kept = np.delete(np.arange(20), [0, 5, 6])
    vectors = dict(zip(AUGMENTATIONS, found.vectors().reshape(10, 17, 8), strict=True))
    colours = world.gallery.pictures.rows_of()[kept]
    assert np.array_equal(vectors[ORIGINAL], found.collection.vectors.all())
    assert np.abs(vectors["mirror"] - colours).max() < 2**-11
    assert np.abs(vectors["grey"] - unit(np.array([1, 1, 1, 0, 0, 0, 0, 0]))).max() < 2**-11
    assert np.abs(np.linalg.norm(found.vectors(), axis=1) - 1).max() < 1e-6
    assert found.stored("darker").dtype == np.float16
    files = {path.name for path in found.folder.iterdir()}
    assert files == {"lock"} | {f"{name}.{suffix}" for name in WANTED for suffix in ("npy", "json")}


def test_what_is_stored_is_not_embedded_again(world):
    world.built()
    augmented(world)
    world.encoder.encoded = 0
    assert augmented(world).missing() == [] and world.encoder.encoded == 0
    world.built()  # the originals again
    assert augmented(world).missing() == [] and world.encoder.encoded == 50  # 30 of them queries


class Killed(Exception):
    pass


@pytest.mark.parametrize(("after", "left"), [(10, 170), (50, 130), (60, 120)])
def test_after_a_kill_finished_batches_are_not_embedded_again(world, after, left):
    world.built()
    world.encoder.encoded, whole = 0, world.encoder.encode_pixels

    def encode_pixels(pixels):
        if world.encoder.encoded >= after:
            raise Killed
        return whole(pixels)

    world.encoder.encode_pixels = encode_pixels
    with pytest.raises(Killed):
        augmented(world)
    del world.encoder.encode_pixels
    world.encoder.encoded = 0
    found = augmented(world)
    assert world.encoder.encoded == left
    for name in ("mirror", "crop-90", "rotate"):  # of a plain colour they change nothing
        assert np.abs(found.stored(name) - world.gallery.pictures.rows_of()).max() < 2**-10


def test_progress_is_of_all_that_is_left(world):
    world.built()
    seen = []
    augmented(world, report=seen.append)
    assert [(p.done, p.total) for p in seen] == [(done, 180) for done in range(10, 181, 10)]
    assert len({p.stage for p in seen}) == 9 and all(p.rate > 0 for p in seen)


def test_other_weights_make_new_ones(world):
    shipped = Store(own=world.store.roots[1], shipped=world.store.own / "nothing")
    Library(shipped).build(Key("colours", "mean-colour"))
    augmented(world)
    world.encoder.weights_sha256 = "cd" * 32
    assert augmented(world).missing() == []  # the stored vectors are still of the old ones: no encoder is asked
    Library(shipped).build(Key("colours", "mean-colour"))
    world.encoder.encoded = 0
    assert augmented(world).missing() == [] and world.encoder.encoded == 180


def test_weights_must_be_those_of_the_stored_vectors(world):
    world.built()
    world.encoder.weights_sha256 = "cd" * 32
    with pytest.raises(BadArtifact, match="made with other weights"):
        augmented(world)


def test_another_definition_makes_that_one_new(world, monkeypatch):
    world.built()
    augmented(world)
    monkeypatch.setitem(AUGMENTATIONS, "darker", replace(AUGMENTATIONS["darker"], what="much darker"))
    world.encoder.encoded = 0
    augmented(world)
    assert world.encoder.encoded == 20


@pytest.mark.parametrize("damage", ["cut", "short", "card"])
def test_what_is_damaged_is_made_again(world, damage):
    world.built()
    path = augmented(world).folder / "blur.npy"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "short":
        np.save(path, np.load(path)[:-1])
    else:
        path.with_suffix(".json").write_text("{")
    world.encoder.encoded = 0
    assert augmented(world).stored("blur").shape == (20, 8)
    assert world.encoder.encoded == 20


def test_without_vectors_or_pictures(world):
    with pytest.raises(NotBuilt, match="python -m searchdemo build"):
        augmented(world)
    world.built()
    world.gallery = colour_gallery(20, absent=[3])
    with pytest.raises(NoPictures, match="1 of 20 pictures of 'colours' are not on this machine"):
        augmented(world)
    world.gallery = colour_gallery(20, broken=[3])
    with pytest.raises(NoPictures, match="1 pictures of 'colours' cannot be read"):
        augmented(world)
    world.gallery = colour_gallery(20, absent=[3], missing="They are on the moon.")
    with pytest.raises(NoPictures, match="on the moon"):
        augmented(world)


def test_one_process_at_a_time(world):
    library = world.built()
    other = Augmented(library.open("colours", "mean-colour"))
    with other.writing(), pytest.raises(SearchDemoError, match="by another process"):
        augmented(world)
    assert augmented(world).missing() == []
