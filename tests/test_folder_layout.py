"""train/ and val/ with classes below: the second holds the held-out queries."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from searchdemo.collection.store import Key
from searchdemo.errors import NotHere
from tests.conftest import World, png, unit
from tests.folders import read

COLOURS = {"red": (250, 9, 9), "green": (9, 250, 9), "blue": (9, 9, 250)}


@pytest.fixture
def split(tmp_path):
    """Three classes of four pictures in train/, of two in val/."""

    def split(train: str = "train", val: str = "val"):
        for name, colour in COLOURS.items():
            for folder, numbers in ((train, range(4)), (val, range(4, 6))):
                for number in numbers:
                    path = tmp_path / "set" / folder / name / f"{number}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(png([max(0, value - number) for value in colour]))
        return tmp_path / "set"

    return split


def opened(world: World, folder):
    return world.library().open(f"folder:{folder}", "mean-colour")


def built(world: World, folder) -> tuple[int, int, int]:
    facts = world.library().build(Key(f"folder:{folder}", "mean-colour")).manifest.built
    return facts["embedded"], facts["reused"], facts["removed"]


@pytest.mark.parametrize(("train", "val"), [("train", "val"), ("Training", "dev"), ("both/train", "both/test")])
def test_classes_are_below_and_val_is_held_out(world, split, train, val):
    folder = split(train, val)
    assert built(world, folder) == (18, 0, 0)
    collection = opened(world, folder)
    assert collection.gallery.class_names == ("blue", "green", "red")
    assert len(collection) == 12 and len(collection.queries) == 6
    assert sorted(collection.labels().tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    assert collection.truth.tolist() == [0, 0, 1, 1, 2, 2]
    assert {collection.gallery.file(row).rsplit("/", 2)[0] for row in collection.gallery_rows(np.arange(12))} == {train}
    evaluation = collection.evaluate("flat", ks=(1, 3))
    assert {accuracy.top1 for accuracy in evaluation.accuracies} == {100.0}
    colour = np.pad(np.array([246, 5, 5], float), (0, 5))
    assert np.abs(collection.queries[4] - unit(colour)).max() < 2**-10
    assert collection.query_picture(4) == (folder / val / "red" / "4.png").read_bytes()


def test_the_queries_live_too(world, split):
    folder = split()
    built(world, folder)
    (folder / "val" / "blue" / "4.png").unlink()
    (folder / "val" / "green" / "new.png").write_bytes(png((1, 200, 1)))
    (folder / "val" / "red" / "5.png").rename(folder / "val" / "red" / "renamed.png")
    collection = opened(world, folder)
    assert (collection.behind.added, collection.behind.removed) == (1, 1)
    assert collection.truth.tolist() == [0, 1, 1, 2, 2] and len(collection.queries) == 5
    assert collection.evaluate("flat", ks=(1,)).accuracies[0].top1 == 100.0
    assert built(world, folder) == (1, 17, 1)
    assert not opened(world, folder).behind


def test_a_picture_that_moves_from_train_to_val_is_not_embedded_again(world, split):
    folder = split()
    built(world, folder)
    (folder / "train" / "red" / "0.png").rename(folder / "val" / "red" / "0.png")
    assert built(world, folder) == (0, 18, 0)
    collection = opened(world, folder)
    assert (len(collection), len(collection.queries)) == (11, 7)


def test_a_moved_set_keeps_its_queries(world, split, tmp_path):
    folder = split()
    built(world, folder)
    folder.rename(tmp_path / "moved")
    collection = opened(world, tmp_path / "moved")
    assert not collection.behind and len(collection.queries) == 6 and collection.truth.tolist() == [0, 0, 1, 1, 2, 2]
    assert built(world, tmp_path / "moved") == (0, 18, 0)


def test_a_further_split_is_left_out_and_counted(world, split):
    folder = split()
    shutil.copytree(folder / "val", folder / "test")
    assert read(folder).report.left_out == {"picture outside train and val": 6}
    assert built(world, folder) == (18, 0, 0)


def test_labels_of_a_metadata_file_need_no_folders(world, tmp_path):
    for split, numbers in (("train", (1, 2, 3)), ("validation", (4, 5))):
        (tmp_path / "set" / split).mkdir(parents=True)
        for number in numbers:
            (tmp_path / "set" / split / f"{number}.png").write_bytes(png((9, 50 * number, 9)))
        lines = [f"{number}.png,{'odd' if number % 2 else 'even'}" for number in numbers]
        (tmp_path / "set" / split / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    built(world, tmp_path / "set")
    collection = opened(world, tmp_path / "set")
    assert (len(collection), len(collection.queries)) == (3, 2)
    assert collection.gallery.class_names == ("even", "odd") and collection.truth.tolist() == [0, 1]


@pytest.mark.parametrize("what", ["no classes below", "another folder beside them", "train alone"])
def test_what_is_no_such_layout_has_no_held_out_queries(world, split, what):
    folder = split()
    if what == "no classes below":
        shutil.rmtree(folder)
        for name in ("train/a.png", "val/b.png"):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_bytes(png((len(name), 1, 200)))
    elif what == "another folder beside them":
        shutil.copytree(folder / "val", folder / "holidays")
        assert "train/ and val/ are searched together" in read(folder).report.lines()[-1]
    else:
        shutil.rmtree(folder / "val")
    built(world, folder)
    collection = opened(world, folder)
    assert ("train" in collection.gallery.class_names) == (what == "no classes below")  # the deepest folder
    with pytest.raises(NotHere, match="accuracy cannot be measured"):
        collection.held_out()
