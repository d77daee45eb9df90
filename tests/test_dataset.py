"""Any data set as a gallery: columns by their types, several labels, held-out queries, from this disk and a hub."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Sequence, Value

from searchdemo.cli.options import gallery_name
from searchdemo.collection.jobs import left_out
from searchdemo.collection.query import Query
from searchdemo.collection.store import Artifact, Key
from searchdemo.errors import BadQuery, NoPictures
from searchdemo.galleries.dataset import open_dataset
from searchdemo.galleries.dataset_columns import parse
from searchdemo.galleries.table import open_gallery
from tests.conftest import png

RED, GREEN, BLUE, WHITE = png((255, 0, 0)), png((0, 255, 0)), png((0, 0, 255)), png((255, 255, 255))
CLASSES = Features({"picture": Image(), "label": ClassLabel(names=["big_cat", "boat"]), "text": Value("string")})


def rows(pictures: list[bytes], **columns: list) -> dict:
    return {"picture": [{"bytes": data, "path": None} for data in pictures], **columns}


def parquet(folder: Path, features: Features, **splits: dict) -> Path:
    """Files named as those of the hub."""
    for split, columns in splits.items():
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_dict(columns, features=features).to_parquet(str(path))
    return folder


@pytest.fixture(autouse=True)
def own_caches(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def pets(tmp_path) -> Path:
    train = rows([RED, GREEN, BLUE], label=[1, 0, -1], text=["a red boat", "a green cat", None])
    return parquet(tmp_path / "pets", CLASSES, train=train, test=rows([WHITE], label=[0], text=["snow"]))


def test_columns_are_found_by_their_types(pets):
    gallery = open_gallery(f"hf:{pets}")
    assert gallery.label_names == ("big_cat", "boat") and gallery.class_names == ("big cat", "boat")
    assert gallery.pictures.labels.tolist() == [1, 0, -1] and gallery.queries.labels.tolist() == [0]
    assert [gallery.pictures.encoded(row) for row in range(3)] == [RED, GREEN, BLUE]
    assert gallery.queries.encoded(0) == WHITE and gallery.captions == ("a red boat", "a green cat", "")
    assert "split train" in gallery.source and gallery.pictures.all_labels(2) == ()


def test_a_split_that_is_named_is_searched_alone(pets):
    gallery = open_gallery(f"hf:{pets}:test")
    assert len(gallery.pictures) == 1 and len(gallery.queries) == 0
    assert gallery.fingerprint != open_gallery(f"hf:{pets}").fingerprint
    with pytest.raises(BadQuery, match="no split 'valid'; it has train, test"):
        open_gallery(f"hf:{pets}:valid")


def test_another_content_has_another_fingerprint(pets):
    before = open_gallery(f"hf:{pets}").fingerprint
    assert open_gallery(f"hf:{pets}").fingerprint == before
    parquet(pets, CLASSES, train=rows([RED, GREEN, WHITE], label=[1, 0, 1], text=["", "", ""]))
    assert open_gallery(f"hf:{pets}").fingerprint != before


def test_several_labels_per_picture(tmp_path):
    features = Features({"picture": Image(), "objects": Sequence(ClassLabel(names=["cat", "dog", "car"]))})
    folder = parquet(tmp_path / "scenes", features, train=rows([RED, GREEN, BLUE], objects=[[2, 0], [], [1]]))
    gallery = open_gallery(f"hf:{folder}")
    assert gallery.pictures.several_labels and gallery.pictures.labels.tolist() == [2, -1, 1]
    assert gallery.pictures.all_labels(0) == (2, 0) and gallery.more_labels(0) == (("cat", "cat"),)


def test_labels_of_boxes_are_those_of_their_picture(tmp_path):
    """As detection sets have them: each picture with its boxes, each box with its category."""
    names = ClassLabel(names=["cat", "dog", "car"])
    boxes = {"bbox": Sequence(Value("float32")), "category": names}
    found = [{"bbox": [[0, 0, 1, 1]] * 3, "category": [2, 0, 2]}, {"bbox": [], "category": []}]
    for shape, objects in (
        (Sequence(boxes), found),
        (List(boxes), [[{"bbox": [0, 0, 1, 1], "category": one} for one in each["category"]] for each in found]),
    ):
        features = Features({"picture": Image(), "objects": shape})
        folder = parquet(tmp_path / type(shape).__name__, features, train=rows([RED, GREEN], objects=objects))
        pictures = open_gallery(f"hf:{folder}").pictures
        assert pictures.all_labels(0) == (2, 0) and pictures.all_labels(1) == () and pictures.several_labels


@pytest.mark.parametrize(
    ("part", "wanted"),
    [("[:10%]", [0]), ("[50%:]", [5, 6, 7, 8, 9]), ("[2:4]", [2, 3]), ("[-2:]", [8, 9]), ("", list(range(10)))],
)
def test_a_part_of_a_split(tmp_path, part, wanted):
    pictures = [png((20 * row, 0, 0)) for row in range(10)]
    folder = parquet(tmp_path, CLASSES, train=rows(pictures, label=[0, 1] * 5, text=[str(row) for row in range(10)]))
    gallery = open_gallery(f"hf:{folder}:train{part}")
    assert [gallery.pictures.encoded(row) for row in range(len(gallery.pictures))] == [pictures[row] for row in wanted]
    assert gallery.pictures.labels.tolist() == [row % 2 for row in wanted] and gallery.captions[0] == str(wanted[0])
    for wrong, error in (("train[:x]", BadQuery), ("[:10]", BadQuery), ("train[99:]", NoPictures)):
        with pytest.raises(error):
            open_gallery(f"hf:{folder}:{wrong}")


def test_labels_in_words_are_numbered_by_the_alphabet(tmp_path):
    features = Features({"picture": Image(), "kind": Value("string"), "class": Value("string")})
    columns = rows([RED, GREEN, BLUE], kind=["x", "y", "x"], **{"class": ["dog", "cat", None]})
    folder = parquet(tmp_path / "words", features, train=columns)
    gallery = open_gallery(f"hf:{folder}")
    assert gallery.label_names == ("cat", "dog") and gallery.pictures.labels.tolist() == [1, 0, -1]
    other = open_gallery(f"hf:{folder}?label=kind")
    assert other.label_names == ("x", "y") and other.fingerprint == gallery.fingerprint


@pytest.mark.parametrize(
    ("column", "names", "labels"),
    [
        (pa.array([1.0, None, 3.0]), ("1", "3"), [0, -1, 1]),
        (pa.array([1.0, float("nan"), 16_777_217.0]), ("1", "16777217"), [0, -1, 1]),
        (pa.array([True, False, None]), ("false", "true"), [1, 0, -1]),
        (pa.array(["a", "b", None]).dictionary_encode(), ("a", "b"), [0, 1, -1]),
        (pa.array(["a", "b", None], pa.string_view()), ("a", "b"), [0, 1, -1]),
        (pa.array([["b", None], [], None], pa.list_(pa.large_string())), ("b",), [0, -1, -1]),
        (pa.array(["\x1b[31mred", "\u202eabc", None]), (r"\x1b[31mred", r"\xe2\x80\xaeabc"), [0, 1, -1]),
        (pa.nulls(3), (), [-1, -1, -1]),
    ],
    ids=[
        "numbers with a gap",
        "no number",
        "yes or no",
        "categories",
        "views",
        "lists",
        "not for a terminal",
        "nothing",
    ],
)
def test_labels_of_every_plain_type(tmp_path, column, names, labels):
    """As pandas, polars and others write them; the name of a column counts in either case."""
    pictures = pa.array([{"bytes": data, "path": None, "width": 4} for data in (RED, GREEN, BLUE)])
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"Image": pictures, "Label": column}), tmp_path / "set" / "train.parquet")
    gallery = open_gallery(f"hf:{tmp_path / 'set'}")
    assert gallery.label_names == names and gallery.pictures.labels.tolist() == labels
    assert gallery.pictures.encoded(2) == BLUE


def test_other_columns_that_may_hold_labels_are_told(tmp_path):
    features = {"picture": Image(), "caption": Value("string"), "target": Value("int64")}
    columns = rows([RED, GREEN], caption=["a", "b"], target=[1, 2])
    folder = parquet(tmp_path / "unknown", Features(features), train=columns)
    gallery = open_gallery(f"hf:{folder}")
    assert gallery.label_names == () and gallery.captions == ("a", "b")
    assert gallery.report.lines() == ["No column is known to hold labels; ?label=NAME takes one ('target')."]
    chosen = open_gallery(f"hf:{folder}?label=target")
    assert chosen.label_names == ("1", "2") and not chosen.report.lines()
    features |= {"coarse": ClassLabel(names=["x"]), "fine": ClassLabel(names=["y"])}
    folder = parquet(tmp_path / "several", Features(features), train=columns | {"coarse": [0, 0], "fine": [0, 0]})
    told = "Labels are those of the column 'coarse'; ?label=NAME takes another ('fine')."
    assert open_gallery(f"hf:{folder}").report.lines() == [told]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ("?label=colour", BadQuery, "no column 'colour' for label; it has picture, label, text"),
        ("?image=text", NoPictures, "no column of pictures"),
        ("?labels=text", BadQuery, "no option 'labels'; there are image, label, caption, config"),
    ],
)
def test_a_wrong_column_is_refused_with_those_there_are(pets, asked, error, said):
    with pytest.raises(error, match=said):
        open_gallery(f"hf:{pets}{asked}")


def test_what_is_no_data_set_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for argument, said in (
        ("", "needs a name"),
        (str(tmp_path / "empty"), "cannot be read as a data set"),
        (str(tmp_path / "nowhere"), "no folder"),
        ("org/unknown", "build --gallery hf:org/unknown"),
    ):
        with pytest.raises(NoPictures, match=said):
            open_dataset(argument)


def test_a_damaged_file_is_told_with_its_cause(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.parquet").write_bytes(b"PAR1, and no more")
    with pytest.raises(NoPictures, match="cannot be read as a data set: Parquet"):
        open_dataset(str(tmp_path / "set"))


def test_files_without_rows_are_told_as_such(tmp_path):
    parquet(tmp_path / "set", CLASSES, train=rows([], label=[], text=[]))
    with pytest.raises(NoPictures, match="its files have no rows"):
        open_dataset(str(tmp_path / "set"))


def test_a_saved_data_set_is_read(tmp_path):
    split = Dataset.from_dict(rows([RED, BLUE], label=[0, 1], text=["", ""]), features=CLASSES)
    DatasetDict({"train": split, "validation": split.select([1])}).save_to_disk(str(tmp_path / "saved"))
    gallery = open_gallery(f"hf:{tmp_path / 'saved'}")
    assert gallery.pictures.labels.tolist() == [0, 1] and gallery.queries.encoded(0) == BLUE


def test_it_is_built_and_searched(pets, world):
    world.library().build(Key(f"hf:{pets}", "mean-colour"))
    collection = world.library().open(f"hf:{pets}", "mean-colour")
    (best, *_) = collection.search(Query(text="red"), "flat", 2).hits
    assert (best.row, best.class_name) == (0, "boat")
    assert np.isfinite(collection.vectors.all()).all() and len(collection.queries) == 1


def test_rows_without_a_picture_are_named_with_their_reason(tmp_path, world):
    pictures = rows([RED, b"junk", GREEN, b""], label=[1, 0, 0, 1], text=["", "", "", ""])
    pictures["picture"][3] = None
    held_out = rows([WHITE, b"junk"], label=[0, 1], text=["", ""])
    folder = parquet(tmp_path / "holes", CLASSES, train=pictures, test=held_out)
    manifest = world.library().build(Key(f"hf:{folder}", "mean-colour")).manifest
    assert (manifest.vectors, manifest.queries) == (2, 1)
    junk = "is not a picture that can be read; bring a JPEG, PNG, WebP or GIF."
    assert manifest.unreadable == {"row 1": junk, "query 1": junk, "row 3": "is not there"}
    assert left_out(Artifact(Key(f"hf:{folder}", "mean-colour"), folder, manifest)) == [
        f"3 rows cannot be read and were left out: 2: {junk} (row 1, query 1) 1: is not there (row 3)"
    ]


def test_of_several_columns_of_pictures_one_is_taken_and_told(tmp_path):
    features = Features({"mask": Image(), "image": Image(), "depth": Image()})
    each = {name: [{"bytes": data, "path": None}] for name, data in (("mask", RED), ("image", GREEN), ("depth", BLUE))}
    folder = parquet(tmp_path / "rooms", features, train=each)
    gallery = open_gallery(f"hf:{folder}")
    assert gallery.pictures.encoded(0) == GREEN
    told = "Pictures are those of the column 'image'; ?image=NAME takes another ('mask', 'depth')."
    assert gallery.report.lines() == [told]
    mask = open_gallery(f"hf:{folder}?image=mask")
    assert mask.pictures.encoded(0) == RED and not mask.report.lines() and mask.fingerprint != gallery.fingerprint


@pytest.mark.parametrize("column", [[RED, None], [{"bytes": RED, "path": "a.png"}, None]], ids=["bytes", "with a path"])
def test_bytes_that_no_feature_calls_pictures_are_pictures(tmp_path, column):
    """As pandas and polars write them."""
    (tmp_path / "plain").mkdir()
    pq.write_table(pa.table({"jpg": column, "label": ["x", "y"]}), tmp_path / "plain" / "train.parquet")
    gallery = open_gallery(f"hf:{tmp_path / 'plain'}")
    assert (
        gallery.pictures.encoded(0) == RED and gallery.pictures.encoded(1) is None and gallery.label_names == ("x", "y")
    )


def test_a_path_is_made_whole_and_a_name_is_left(pets, monkeypatch):
    monkeypatch.chdir(pets.parent)
    assert gallery_name("hf:pets") == f"hf:{pets}" and gallery_name("hf:pets?label=text") == f"hf:{pets}?label=text"
    assert gallery_name("hf:food101:train") == "hf:food101:train"
    assert gallery_name("hf:pets:train[:10%]") == f"hf:{pets}:train[:10%]"
    here = Key("hf:food101:train", "bundled").folder
    monkeypatch.chdir("/")
    assert Key("hf:food101:train", "bundled").folder == here != Key("hf:food101", "bundled").folder
    shutil.rmtree(pets)
    assert parse("org/pets:validation?caption=title").split == "validation"
    assert parse("org/pets:train[:10%]").part == ("", "10%")


def test_where_the_cache_of_datasets_cannot_be_written_the_files_are_read_all_the_same(pets, tmp_path, monkeypatch):
    (tmp_path / "in the way").write_text("no folder")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "in the way" / "datasets")
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "own"))
    assert open_gallery(f"hf:{pets}").pictures.encoded(0) == RED
