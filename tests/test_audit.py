"""The audit finds planted copies, near-copies, scenes, leaks and wrong labels, and nothing else; it moves when told."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from searchdemo.audit import proposal
from searchdemo.audit.audit import audit
from searchdemo.audit.facts import Facts, facts_of
from searchdemo.audit.judge import same_bytes
from searchdemo.audit.pixels import FINE, Grid, agreement, look
from searchdemo.audit.side import keys_of
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, Cancelled
from searchdemo.galleries.base import content_digest
from searchdemo.galleries.content_keys import content_key
from searchdemo.galleries.tiny_imagenet import open_tiny_imagenet
from tests.conftest import ColourPictures

COPY = os.environ.get("SEARCHDEMO_TEST_TINY_IMAGENET")


def photograph(seed: int, side: int = 96) -> Image.Image:
    """Details of all sizes, as photographs have them, and unlike the next one."""
    rng = np.random.default_rng(seed)
    summed = np.zeros((side, side, 3))
    for radius in (1, 2, 4, 8):
        noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        layer = np.asarray(noise.filter(ImageFilter.GaussianBlur(radius)), np.float64)
        summed += (layer - layer.mean()) / layer.std()
    return Image.fromarray((128 + 25 * summed).clip(0, 255).astype(np.uint8))


def brighter(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1.2)


def written(folder: Path) -> Path:
    """Six pictures in two classes, with an exact copy, one of the same pixels, two near-copies and one of a scene."""
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    pictures = [photograph(seed) for seed in range(7)]
    pictures[0].save(folder / "a" / "0.png")
    (folder / "b" / "0 again.png").write_bytes((folder / "a" / "0.png").read_bytes())
    pictures[1].save(folder / "a" / "1.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0132] = "2019:08:24 15:31:02"
    pictures[1].save(folder / "a" / "1 dated.jpg", quality=90, exif=exif)
    pictures[2].save(folder / "a" / "2.png")
    pictures[2].resize((48, 48)).save(folder / "b" / "2 small.jpg", quality=80)
    pictures[3].save(folder / "b" / "3.png")
    brighter(pictures[3].crop((5, 0, 96, 91))).save(folder / "b" / "3 cropped.jpg", quality=70)
    pictures[4].save(folder / "b" / "4.png")
    pictures[4].crop((10, 4, 88, 82)).save(folder / "b" / "4 nearer.png")
    for seed in (5, 6):
        pictures[seed].save(folder / "a" / f"{seed}.png")
    return folder


def opened(world, folder: Path):
    library = world.library()
    library.build(Key(f"folder:{folder}", "mean-colour"))
    return library.open(f"folder:{folder}", "mean-colour")


@pytest.fixture
def folder(tmp_path) -> Path:
    return written(tmp_path / "pictures")


@pytest.fixture
def collection(world, folder):
    return opened(world, folder)


def files(found, where: str, kind: str) -> list[list[str]]:
    """The better copy first, then the others by name."""
    return sorted(
        [pile.best.file, *sorted(member.file for member in pile.members if member is not pile.best)]
        for pile in found.of(where, kind)
    )


def test_three_piles_with_the_better_copy_named(collection):
    found = audit(collection)
    # Of the same pixels the larger file is the better one: it has the date.
    assert files(found, "within", "exact") == [["a/0.png", "b/0 again.png"], ["a/1 dated.jpg", "a/1.jpg"]]
    assert files(found, "within", "near") == [["a/2.png", "b/2 small.jpg"], ["b/3.png", "b/3 cropped.jpg"]]
    assert files(found, "within", "scene") == [["b/4.png", "b/4 nearer.png"]]
    assert [pile.labels_differ for pile in found.of("within", "near")] == [True, False]
    assert {member.file for member, _ in found.spare} == {
        *("b/0 again.png", "a/1.jpg", "b/2 small.jpg", "b/3 cropped.jpg")
    }
    assert found.notes == () and found.doubts == ()
    content = found.to_json()
    assert content["spare"] == 4 and len(content["piles"]) == 5
    dated = [member for pile in content["piles"] for member in pile["members"] if "dated" in member["file"]]
    assert [(member["date"], member["width"], member["format"]) for member in dated] == [
        ("2019-08-24 15:31:02", 96, "JPEG")
    ]


def test_a_report_that_raises_ends_it(collection):
    def stop(progress) -> None:
        if progress.stage.startswith("comparing pixels"):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        audit(collection, report=stop)


def test_a_folder_against_a_gallery_and_what_is_gone(world, folder, tmp_path):
    phone = tmp_path / "phone"
    phone.mkdir()
    photograph(5).save(phone / "five.jpg", quality=85)
    (phone / "zero.png").write_bytes((folder / "a" / "0.png").read_bytes())
    photograph(20).save(phone / "new.png")
    photograph(6).save(phone / "gone.png")
    mine, theirs = opened(world, phone), opened(world, folder)
    (phone / "gone.png").unlink()
    mine = world.library().open(f"folder:{phone}", "mean-colour")
    found = audit(mine, theirs)
    assert found.pictures == 3 and found.against == 12 and not found.of("within", "near")
    held = {(pile.kind, pile.members[0].file, pile.members[1].file) for pile in found.piles}
    assert held == {
        ("exact", "a/0.png", "zero.png"),
        ("exact", "b/0 again.png", "zero.png"),
        ("near", "a/5.png", "five.jpg"),
    }
    assert {member.file for member, _ in found.spare} == {"zero.png", "five.jpg"}  # what is in the gallery stays there


def test_held_out_queries_that_are_in_the_gallery(world, tmp_path):
    for split, seeds in (("train", range(4)), ("val", range(3, 6))):
        for seed in seeds:
            (tmp_path / "set" / split / f"c{seed % 2}").mkdir(parents=True, exist_ok=True)
            photograph(seed).save(tmp_path / "set" / split / f"c{seed % 2}" / f"{seed}.png")
    photograph(4).save(tmp_path / "set" / "train" / "c1" / "four.jpg")
    found = audit(opened(world, tmp_path / "set"))
    assert files(found, "leak", "exact") == [["val/c1/3.png", "train/c1/3.png"]]
    assert files(found, "leak", "near") == [["val/c0/4.png", "train/c1/four.jpg"]]
    assert [pile.labels_differ for pile in found.piles] == [False, True]
    assert found.spare == []  # people decide


def test_pictures_whose_neighbours_all_have_another_label(world):
    rng = np.random.default_rng(0)
    reds = np.clip(np.array([220, 20, 20]) + rng.integers(-15, 16, (14, 3)), 1, 255)
    blues = np.clip(np.array([20, 20, 220]) + rng.integers(-15, 16, (14, 3)), 1, 255)
    labels = [0] * 14 + [2] * 14
    labels[3] = 2  # wrong
    labels[20] = -1  # unknown: a witness for nothing, and not in doubt itself
    world.change(pictures=ColourPictures(np.concatenate([reds, blues]).astype(np.uint8), labels))
    found = audit(world.ready().open("colours", "mean-colour"))
    assert [(doubt.member.row, doubt.label, doubt.votes) for doubt in found.doubts] == [(3, "n0", 10)]


def test_plain_pictures_are_copies_by_their_pixels_alone(world):
    colours = np.array([(200, 10, 10), (10, 200, 10), (200, 10, 10), (201, 10, 10)], np.uint8)
    world.change(pictures=ColourPictures(colours, [0, 1, 0, 0]))
    found = audit(world.ready().open("colours", "mean-colour"))
    assert [[member.row for member in pile.members] for pile in found.of("within", "exact")] == [[0, 2]]
    assert not found.of("within", "near") and not found.of("within", "scene")


def test_without_pictures_equal_embeddings_are_near_copies(world):
    colours = np.array([(200, 10, 10), (10, 200, 10), (200, 10, 10), (20, 20, 200)], np.uint8)
    world.change(pictures=ColourPictures(colours, [0, 1, 0, 2]))
    world.ready()
    world.change(pictures=ColourPictures(colours, [0, 1, 0, 2], absent=range(4)))
    found = audit(world.library().open("colours", "mean-colour"))
    assert [[member.row for member in pile.members] for pile in found.of("within", "near")] == [[0, 2]]
    assert "4 of 4 pictures of the gallery are not on this machine" in found.notes[0]


def test_another_encoder_is_refused(world, collection):
    other = replace(collection, encoder_spec=replace(collection.encoder_spec, name="another"))
    with pytest.raises(BadQuery, match="choose one encoder for both"):
        audit(collection, other)


# What it was told to do


def test_the_list_has_a_line_per_picture(collection, tmp_path):
    count = proposal.write_list(audit(collection), tmp_path / "list.csv")
    lines = (tmp_path / "list.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split(",")[:5] == ["list", "kind", "pile", "proposal", "part"]
    assert count == len(lines) - 1 == 10
    said = {line.split(",")[6]: line.split(",")[3] for line in lines[1:]}
    assert said["a/0.png"] == "keep" and said["b/0 again.png"] == "spare" and said["b/4.png"] == "look"


def test_spare_copies_are_moved_and_nothing_else_is(collection, folder, tmp_path):
    before = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    found, to = audit(collection), tmp_path / "spare"
    moves = proposal.planned(found, folder, to)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == before  # a plan changes nothing
    (to / "a").mkdir(parents=True)
    (to / "a" / "1.jpg").write_bytes(b"something else")
    photograph(9).save(folder / "a" / "2.png")  # the copy that was to be kept
    done, refused = proposal.moved(moves)
    assert {move.member.file for move in done} == {"b/0 again.png", "b/3 cropped.jpg"}
    assert set(refused) == {"a/1.jpg", "b/2 small.jpg"}
    assert "already" in refused["a/1.jpg"] and "has changed" in refused["b/2 small.jpg"]
    after = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert before - after == {"b/0 again.png", "b/3 cropped.jpg"}
    assert (to / "b" / "0 again.png").read_bytes() == (folder / "a" / "0.png").read_bytes()


@pytest.mark.parametrize("fault", ["", "copy", "unlink"])
def test_onto_another_disk_a_copy_is_moved_whole_or_not_at_all(tmp_path, monkeypatch, fault):
    (tmp_path / "to").mkdir()
    source, to, rename = tmp_path / "a.png", tmp_path / "to" / "a.png", Path.rename
    source.write_bytes(b"picture")

    def across(path, target):
        if path == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    def fails(*given, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", across)
        if fault == "copy":
            patched.setattr(proposal.shutil, "copy2", lambda one, other: other.write_bytes(b"pict") and fails())
        if fault == "unlink":
            unlink = Path.unlink
            patched.setattr(
                Path, "unlink", lambda path, **options: (fails if path == source else unlink)(path, **options)
            )
        with pytest.raises(OSError) if fault else contextlib.nullcontext():
            proposal.move(source, to)
    assert [*(tmp_path / "to").iterdir()] == ([] if fault else [to])
    assert (source if fault else to).read_bytes() == b"picture" and source.exists() == bool(fault)


def test_where_nothing_can_be_moved_to(collection, folder, world):
    with pytest.raises(BadQuery, match="lies within the folder"):
        proposal.check_target(collection.gallery, folder / "spare")
    with pytest.raises(BadQuery, match="is no folder of yours"):
        proposal.check_target(world.gallery, folder.parent / "spare")
    (folder.parent / "file").write_text("x")
    with pytest.raises(BadQuery, match=r"file' is a file: name a folder"):
        proposal.check_target(collection.gallery, folder.parent / "file" / "spare")
    for path, said in ((folder / "no" / "list.csv", "There is no folder"), (folder, "is a folder")):
        with pytest.raises(BadQuery, match=said):
            proposal.check_list(path)


# Parts


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda p: p, 0.999),
        (lambda p: p.resize((48, 48)), 0.9),
        (brighter, 0.9),
        (lambda p: p.crop((0, 0, 91, 91)).resize((96, 96)), 0.8),
        (lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT), -1),
    ],
)
def test_agreement_of_changed_copies(change, least):
    ones = [photograph(seed) for seed in range(8)]
    first = np.stack([look(one)[0] for one in ones])
    second = np.stack([look(change(one))[0] for one in ones])
    found = agreement(first, second)
    if least < 0:
        assert found.max() < 0.5  # a mirror image is another picture
    else:
        assert found.min() >= least
    assert agreement(first, np.roll(second, 1, axis=0)).max() < 0.5


def test_pairs_that_share_a_picture_agree_as_they_do_alone():
    looks = np.stack([look(photograph(seed))[0] for seed in (1, 2, 3)] + [look(brighter(photograph(1)))[0]])
    one, other = np.array([0, 1, 2, 3, 0, 2]), np.array([3, 3, 0, 0, 2, 2])
    together = agreement(looks[one], looks[other], FINE, other)
    alone = [agreement(looks[[a]], looks[[b]])[0] for a, b in zip(one.tolist(), other.tolist(), strict=True)]
    assert np.allclose(together, alone, atol=1e-6) and together[0] > 0.99 > 0.3 > abs(together[1])
    middle = looks[:, 3:-3, 3:-3].reshape(4, -1)  # one scale and no shift: the correlation as books have it
    by_hand = [np.corrcoef(middle[a], middle[b])[0, 1] for a, b in zip(one.tolist(), other.tolist(), strict=True)]
    assert np.allclose(agreement(looks[one], looks[other], Grid(26, (1.0,), (0.0,)), other), by_hand, atol=1e-5)


def test_colours_count():
    red, green = (Image.new("RGB", (32, 32), "white") for _ in range(2))
    red.paste((220, 30, 30), (8, 8, 20, 20))
    green.paste((30, 160, 30), (8, 8, 20, 20))
    looks = [look(picture)[0][None] for picture in (red, green)]
    assert agreement(*looks)[0] < 0.8 < agreement(looks[0], looks[0])[0]


def test_a_look_without_details_agrees_with_nothing():
    plain, coarse = look(Image.new("RGB", (40, 30), (90, 20, 20)))
    assert agreement(plain[None], plain[None])[0] == 0
    assert np.linalg.norm(coarse) == pytest.approx(1) and not look(Image.new("RGB", (40, 30), "grey"))[1].any()


def test_the_better_copy():
    ranked = sorted(
        [
            Facts(100, 100, "JPEG", 900, "2020-01-01"),
            Facts(100, 100, "JPEG", 900, "2019-01-01"),
            Facts(100, 100, "PNG", 800),
            Facts(200, 100, "JPEG", 100),
            Facts(),
        ],
        key=lambda facts: facts.rank,
    )
    assert [(f.width, f.format, f.date) for f in ranked] == [
        (200, "JPEG", ""),
        (100, "PNG", ""),
        (100, "JPEG", "2019-01-01"),
        (100, "JPEG", "2020-01-01"),
        (0, "", ""),
    ]
    assert facts_of(b"not a picture") == facts_of(None) == Facts()


def test_a_camera_without_a_clock_has_not_the_earliest_date():
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0132] = "0000:00:00 00:00:00"
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif)
    assert facts_of(buffer.getvalue()).date == ""


def test_keys_of_a_folder_are_those_of_its_files(folder, collection):
    pictures = collection.gallery.pictures
    first = pictures.paths.index("a/0.png")
    assert keys_of(pictures, np.array([first])).tolist() == [content_key((folder / "a" / "0.png").read_bytes())]
    assert content_digest(b"x")[:8] == content_key(b"x").to_bytes(8, "little")


class Keyed:
    """A side as `same_bytes` sees it."""

    def __init__(self, keys):
        self.keys = np.array(keys, np.uint64)

    def __len__(self) -> int:
        return len(self.keys)


def test_the_same_bytes_by_hand():
    one, other = Keyed([5, 7, 5, 0, 5, 9, 7]), Keyed([9, 5, 5, 0])
    assert same_bytes(one, one).tolist() == [[0, 2], [0, 4], [1, 6]]
    assert sorted(map(tuple, same_bytes(one, other).tolist())) == [
        (0, 1),
        (0, 2),
        (2, 1),
        (2, 2),
        (4, 1),
        (4, 2),
        (5, 0),
    ]


@pytest.fixture(scope="module")
def tiny():
    return open_tiny_imagenet(Path(COPY) if COPY else None)


def truth(gallery) -> tuple[np.ndarray, np.ndarray]:
    train, valid = (Keyed(keys_of(these, np.arange(len(these)))) for these in (gallery.pictures, gallery.queries))
    return same_bytes(train, train), same_bytes(valid, train)


def test_the_known_copies_of_tiny_imagenet(tiny):
    """20 identical pairs within train, all across classes; 7 valid pictures in train, all under another label."""
    within, leaks = truth(tiny)
    train, valid = tiny.pictures.labels, tiny.queries.labels
    assert len(within) == 20 and (train[within[:, 0]] != train[within[:, 1]]).all()
    assert len(leaks) == 7 and (valid[leaks[:, 0]] != train[leaks[:, 1]]).all()


@pytest.mark.skipif(not COPY, reason="SEARCHDEMO_TEST_TINY_IMAGENET names no copy of the real data")
def test_they_are_the_same_byte_for_byte(tiny):
    within, leaks = truth(tiny)
    for one, other in within.tolist():
        assert tiny.pictures.encoded(one) == tiny.pictures.encoded(other)
    for query, row in leaks.tolist():
        assert tiny.queries.encoded(query) == tiny.pictures.encoded(row)
