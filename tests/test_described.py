"""metadata.csv and metadata.jsonl beside pictures: captions, labels, several per picture, and all that goes wrong."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.galleries import described as module
from searchdemo.galleries.base import names_right
from tests.conftest import World, png
from tests.folders import read

COLOURS = {"a.png": (250, 9, 9), "b.png": (9, 250, 9), "sub/c.png": (9, 9, 250)}


@pytest.fixture
def folder(tmp_path):
    for name, colour in COLOURS.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(colour))
    return tmp_path / "set"


def facts(gallery) -> dict[str, tuple[str, tuple[str, ...]]]:
    """File -> caption and labels."""
    pictures = gallery.pictures
    rows = [row for row in range(len(pictures)) if pictures.listed(row)]
    names = {row: tuple(gallery.label_names[n] for n in pictures.all_labels(row)) for row in rows}
    return {gallery.file(row): (gallery.caption(row), names[row]) for row in rows}


def test_csv(folder):
    (folder / "metadata.csv").write_bytes(
        '\ufefffile_name,text,labels\r\na.png,"A red,\r\n square",dog; cat\r\n./sub\\c.png,,bird|dog|bird\r\n'
        "gone.png,x,y\r\n,x,y\r\n".encode()
    )
    gallery = read(folder)
    assert facts(gallery) == {
        "a.png": ("A red, square", ("dog", "cat")),
        "b.png": ("", ()),
        "sub/c.png": ("", ("bird", "dog")),
    }
    assert gallery.label_names == ("bird", "cat", "dog")
    assert gallery.pictures.several_labels
    said = gallery.report.described["metadata.csv"]
    unknown, unnamed = "lines that name no file here: 1 (gone.png)", "left out: 1, because they have no file_name"
    assert said == f"pictures described: 2; {unknown}; {unnamed}"
    assert f"metadata.csv: {said}." in gallery.report.lines() and not gallery.report.skipped
    assert gallery.report.to_json()["described"] == {"metadata.csv": said}


def test_jsonl(folder):
    lines = [
        {"file_name": "a.png", "caption": "red", "label": 3},
        {
            "file_name": "b.png",
            "captions": ["green", "and square"],
            "objects": {"bbox": [[1, 2]], "categories": [7, 8]},
        },
        {"file_name": "sub/c.png", "categories": ["dog", "cat"], "text": 5},
        {"file_name": 5},
        [],
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n\nnot json\n" + "[" * 100_000 + "\n"
    (folder / "metadata.jsonl").write_text(text)
    gallery = read(folder)
    assert facts(gallery) == {
        "a.png": ("red", ("3",)),
        "b.png": ("green and square", ("7", "8")),
        "sub/c.png": ("", ("dog", "cat")),
    }
    assert gallery.report.described["metadata.jsonl"].endswith(
        "left out: 3, because they are no JSON objects; left out: 1, because they have no file_name"
    )


def test_what_pandas_takes_for_nothing_in_a_csv_is_no_label_and_no_caption(folder):
    lines = ["file_name,text,label", "a.png,NULL,nan", "b.png,None,<NA>", "sub/c.png,n/a,NaN"]
    (folder / "metadata.csv").write_text("\n".join(lines))
    assert facts(read(folder)) == dict.fromkeys(COLOURS, ("", ()))
    (folder / "nan").write_bytes(png((90, 90, 9)))
    (folder / "metadata.csv").write_text("file_name,text,label\nnan,none,nana")
    assert facts(read(folder))["nan"] == ("none", ("nana",))


def test_labels_that_are_numbers_stay_apart(folder):
    lines = [{"file_name": "a.png", "label": 1234567.0}, {"file_name": "b.png", "label": 1234568.0}]
    (folder / "metadata.jsonl").write_text(
        "\n".join(map(json.dumps, [*lines, {"file_name": "sub/c.png", "label": 0.5}]))
    )
    assert [labels for _, labels in facts(read(folder)).values()] == [("1234567",), ("1234568",), ("0.5",)]


def test_the_nearest_file_has_the_last_word_and_other_pictures_keep_the_class_of_their_folder(folder):
    (folder / "metadata.csv").write_text("file_name,label\na.png,dog\nsub/c.png,dog\n")
    (folder / "sub" / "d.png").write_bytes(png((90, 90, 9)))
    (folder / "sub" / "metadata.csv").write_text("file_name,label,text\nc.png,bird,blue\n")
    assert facts(read(folder)) == {
        "a.png": ("", ("dog",)),
        "b.png": ("", ()),
        "sub/c.png": ("blue", ("bird",)),
        "sub/d.png": ("", ("sub",)),
    }


def test_names_match_composed_and_decomposed(folder):
    (folder / "e\u0301te\u0301.png").write_bytes(png((9, 90, 90)))
    (folder / "metadata.csv").write_text("file_name,text\n\u00e9t\u00e9.png,summer\n../set/a.png,up\n")
    found = facts(read(folder))
    assert found["e\u0301te\u0301.png"][0] == "summer" and found["a.png"][0] == ""


def test_a_name_is_that_of_one_file_exactly_or_else_of_the_only_one_that_is_alike(folder):
    for name in ("\u00e9.png", "e\u0301.png", "X.png", "x.png"):
        (folder / name).write_bytes(png((9, 90, 90)))
    if len([*folder.iterdir()]) < 7:
        pytest.skip("this file system takes some of these names for one")
    (folder / "Metadata.CSV").write_text(
        "file_name,text\n\u00e9.png,composed\ne\u0301.png,apart\nA.PNG ,red\nx.png,small\nX.PNG,either\n"
    )
    gallery = read(folder)
    found = {name: caption for name, (caption, _) in facts(gallery).items() if caption}
    assert found == {"\u00e9.png": "composed", "e\u0301.png": "apart", "a.png": "red", "x.png": "small"}
    assert "lines that name no file here: 1 (X.PNG)" in gallery.report.described["Metadata.CSV"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "pictures described: 0"),
        (b"file_name,text\na.png,\0x", "pictures described: 1"),
        (b"file_name,text\na.png," + b"x" * 200_000, "is no CSV (field larger than field limit (131072))"),
        (b"\xff\xfe\x00\x01 no text at all", "pictures described: 0"),
        (b"name;text\na.png;x", "left out: 1, because they have no file_name"),
        (b"\xef\xbb\xbffile_name;label;more\r\na.png;cat;1\r\nnone.png;x;2\r\n", "here: 1 (none.png)"),
        (b'"text"\t"file_name"\na, b;c\ta.png\n', "pictures described: 1"),
        (b"name,text\na.png,x", "file_name, but name, text"),
        (
            b"file_name,text\na.png,a dog, running\nb.png,x\n",
            "described: 1; left out: 1, because they have more values",
        ),
        (b"file_name,text,\na.png,x,,\n", "pictures described: 1"),
        (
            b'file_name,text\na.png,"a dog\nb.png,x\n',
            "left out: 1, because the rest after line 1 is no CSV (a quote is",
        ),
        (b'file_name,text\na.png,x\nb.png,"a dog"', "pictures described: 2"),
        (b"file_name,label,label\na.png,x,y\n", "2 columns are called label, of which the last is read"),
        (b"file_name,text\na.png,x\na.png,y\n", "described: 1; lines that describe a picture again, of which the last"),
        (b"\r\nsep=;\r\n\r\nfile_name;text\r\na.png;x\r\n", "pictures described: 1"),
    ],
)
def test_what_is_no_csv_is_said(folder, content, said):
    (folder / "metadata.csv").write_bytes(content)
    gallery = read(folder)
    assert said in gallery.report.described["metadata.csv"] and gallery.pictures.count == 3


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", ""),
        ("utf-16-le", ""),
        ("utf-32", ""),
        ("utf-8-sig", ""),
        ("cp1252", "; read as Windows-1252, because they are no UTF-8: 1"),
    ],
)
def test_tables_of_spreadsheets_in_their_encodings(folder, encoding, said):
    (folder / "f\u00fc\u00df \u00e9.png").write_bytes(png((9, 90, 90)))
    text = 'file_name , text, label\r\nf\u00fc\u00df \u00e9.png, "gr\u00fcn, rund", a;b\r\na.png,red,c\r\n'
    (folder / "metadata.csv").write_bytes(text.encode(encoding))
    gallery = read(folder)
    assert facts(gallery)["f\u00fc\u00df \u00e9.png"] == ("gr\u00fcn, rund", ("a", "b"))
    assert gallery.report.described["metadata.csv"] == f"pictures described: 2{said}"


def test_lists_in_csv_and_further_names_of_columns(folder):
    (folder / "metadata.csv").write_text(
        'image_file_name,labels\na.png,"[""a dog"", ""cat""]"\nb.png,"[\'a;dog\', 3]"\nsub/c.png,[odd one]\n'
    )
    assert [labels for _, labels in facts(read(folder)).values()] == [("a dog", "cat"), ("a;dog", "3"), ("[odd one]",)]
    (folder / "metadata.csv").unlink()
    lines = [{"file_names": ["a.png", "b.png"], "label": True}, {"file_name": "sub/c.png", "tags": [1.0, 0.5]}]
    (folder / "metadata.jsonl").write_text("\r\n".join(map(json.dumps, lines)))
    assert [labels for _, labels in facts(read(folder)).values()] == [("true",), ("true",), ("1", "0.5")]


def test_half_a_character_in_json_spoils_nothing_else(folder):
    (folder / "metadata.jsonl").write_text(
        r'{"file_name": "a.png", "text": "x\ud800 \ud83d\ude00", "label": ["y\uDC00"]}' "\n" r'{"file_name": "\ud800"}'
    )
    gallery = read(folder)
    assert facts(gallery)["a.png"] == (r"x\ud800 " "\U0001f600", (r"y\udc00",))
    assert gallery.report.described["metadata.jsonl"] == (
        r"pictures described: 1; lines that name no file here: 1 (\ud800)"
    )


def test_a_file_too_large_is_said(folder, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    (folder / "metadata.csv").write_text("file_name,text\na.png,red\n")
    assert "larger than 0 MiB" in read(folder).report.described["metadata.csv"]


def test_a_file_is_read_again_only_when_it_changed(folder, monkeypatch):
    reads, really = [], module.csv_lines
    monkeypatch.setattr(module, "csv_lines", lambda *given: reads.append(1) or really(*given))
    path = folder / "metadata.csv"
    path.write_text("file_name,text\na.png,red\n")
    first = read(folder)
    assert first.caption(0) == "red" and first.reopen().described == first.described and len(reads) == 1
    path.write_text("file_name,text\na.png,blue\n")
    os.utime(path, ns=(1, 1))
    again = first.reopen()
    assert again.caption(0) == "blue" and len(reads) == 2
    assert again.described != first.described and again.fingerprint == first.fingerprint


def built(world: World, folder):
    library = world.library()
    library.build(Key(f"folder:{folder}", "mean-colour"))
    return library


def test_all_labels_of_a_hit_are_told_and_found(world, folder):
    (folder / "metadata.csv").write_text("file_name,text,labels\na.png,red,dog;cat\nb.png,green,cat\n")
    library = built(world, folder)
    collection = library.open(f"folder:{folder}", "mean-colour")
    hits = collection.search(Query(text="red"), "flat", 3, where="label = 'cat'").hits
    assert [(hit.file, hit.class_names) for hit in hits] == [("a.png", "dog · cat"), ("b.png", "cat")]
    assert hits[0].to_json()["labels"] == ["dog", "cat"] and "labels" not in hits[1].to_json()
    found = collection.search(Query(text="red"), "flat", 3, where="caption = 'green' or label = 'sub'")
    assert sorted(hit.file for hit in found.hits) == ["b.png", "sub/c.png"]
    (folder / "metadata.csv").write_text("file_name,text,labels\na.png,red,dog\n")
    library = world.library()  # without a build
    again = library.open(f"folder:{folder}", "mean-colour")
    assert not again.search(Query(text="red"), "flat", 3, where="label = 'cat'").hits and not again.behind


def test_knn_counts_one_right_label_as_right(world, tmp_path):
    """Held-out reds are "dog" and "cat", or have no label; each neighbour votes for all of its labels."""
    folder = tmp_path / "set"
    lines = {"train": ["file_name,labels"], "val": ["file_name,labels"]}
    for split, name, colour, labels in [
        ("train", "r1", (250, 9, 9), "dog;red"),
        ("train", "r2", (240, 9, 9), "red"),
        ("train", "g1", (9, 250, 9), "green"),
        ("val", "r3", (245, 9, 9), "cat;red"),
        ("val", "r4", (244, 9, 9), "cat"),
        ("val", "g2", (9, 240, 9), "green;cat"),
        ("val", "x", (9, 9, 240), ""),
    ]:
        path = folder / split / "all" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(colour))
        lines[split].append(f"all/{name}.png,{labels}")
    for split, those in lines.items():
        (folder / split / "metadata.csv").write_text("\n".join(those) + "\n")
    collection = built(world, folder).open(f"folder:{folder}", "mean-colour")
    assert len(collection.queries) == 4
    found = collection.evaluate("flat", ks=(2,))
    weighted, _ = found.accuracies
    assert found.queries == 3 and weighted.top1 == pytest.approx(200 / 3)  # r3 and g2, not r4
    names = collection.gallery.label_names
    per_class = dict(zip(names, weighted.per_class.tolist(), strict=True))
    assert per_class["red"] == 100 and per_class["green"] == 100 and per_class["cat"] == pytest.approx(200 / 3)
    assert np.isnan(per_class["dog"])
    assert "one right guess is right" in found.notice and "because they have no label: 1" in found.notice
    truths = [collection.gallery.truth(collection.query_row(number)) for number in range(4)]
    assert sorted(truths) == ["", "cat", "cat · red", "green · cat"]
    assert names_right("red", "cat · red") and not names_right("re", "cat · red") and not names_right("", "")
    guesses = collection.classify(Query(text="#ff0909"), "flat", 2, None).guesses
    assert [(guess.label, guess.share) for guess in guesses] == [("red", 1.0), ("dog", 0.5)]
