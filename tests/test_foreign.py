"""Vectors that were made elsewhere: taken in, refused with a reason, searched like any others, and written out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from searchdemo import cli
from searchdemo.bench.suite import latency, table1
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.asked import asked
from searchdemo.collection.foreign import checked
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key, Store
from searchdemo.collection.taken_in import take_in
from searchdemo.encoders.table import find
from searchdemo.errors import BadQuery, NoPictures
from searchdemo.measure import race
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.tiles import result_tiles
from searchdemo.ui.origin import WORDS, Origin, query_of
from searchdemo.ui.page import Choice
from tests.conftest import colour_gallery, exact_rows, unit

parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow, which requirements.txt brings")
pyarrow = pytest.importorskip("pyarrow")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(own=tmp_path / "own", shipped=tmp_path / "shipped")


@pytest.fixture
def long(clustered) -> np.ndarray:
    """(300, 32) float64 rows of lengths from 1 to 4."""
    rows = clustered[0][:300].astype(np.float64)
    return rows * np.linspace(1, 4, 300)[:, None]


def npy(tmp_path, array) -> str:
    np.save(tmp_path / "a.npy", array)
    return tmp_path / "a.npy"


def test_vectors_of_any_length_become_unit_rows_and_it_is_said(long, clustered):
    rows, said = checked(long, "a.npy")
    np.testing.assert_allclose(rows, clustered[0][:300], atol=1e-6)
    assert rows.dtype == np.float32
    assert said == "The vectors had lengths from 1 to 4: each was divided by its own, so all have 1 now."
    assert checked(clustered[0].astype(np.float16), "a.npy")[1] == ""


def test_lengths_whose_squares_no_float_holds():
    rows, _ = checked(np.array([[3e200, 4e200], [3e-200, 4e-200]]), "a.npy")
    np.testing.assert_allclose(rows, [[0.6, 0.8]] * 2, atol=1e-6)
    rows, _ = checked(np.array([[3, 4], [-128, 0]], np.int8), "a.npy")
    np.testing.assert_allclose(rows, [[0.6, 0.8], [-1, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones(4), "shape (4,)"),
        (np.ones((2, 3, 4)), "shape (2, 3, 4)"),
        (np.ones((0, 4)), "holds no vectors"),
        (np.ones((4, 0)), "holds no vectors"),
        (np.array([["a", "b"]]), "holds <U1"),
        (np.ones((2, 2), bool), "holds bool"),
        (np.ones((2, 2), complex), "holds complex128"),
        (np.array([[1, 2], [np.nan, 1], [1, np.inf]]), "2 vectors that are not finite, row 1 first"),
        (np.array([[1, 2], [1, 1], [0, 0]]), "1 vectors of zeros, row 2 first"),
    ],
)
def test_what_cannot_be_vectors_is_refused(array, said):
    with pytest.raises(BadQuery) as error:
        checked(array, "a.npy")
    assert said in str(error.value)


def test_a_pickle_is_not_read(tmp_path, store):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(BadQuery, match="cannot be read as a NumPy array"):
        take_in(store, "a", tmp_path / "a.npy")


@pytest.fixture
def mine(tmp_path, store, long) -> Library:
    """300 rows in 5 classes by turns, with ids and captions of a CSV file."""
    lines = ["id,label,caption,weight", *(f"p{n},c{n % 5},number {n},{n}" for n in range(300))]
    (tmp_path / "b.csv").write_text("\n".join(lines))
    done = take_in(store, "mine", npy(tmp_path, long), tmp_path / "b.csv")
    assert done.labels == 5
    assert "Not kept: weight" in done.notes[1]
    return Library(store)


def test_a_row_searches_with_any_name_of_an_encoder(mine, clustered):
    collection = mine.open("vectors:mine", "bundled")
    result = collection.search(Query(row=7), "flat", 5)
    vectors = clustered[0][:300]
    assert [hit.row for hit in result.hits] == exact_rows(vectors[7:8], vectors, 6)[0, 1:].tolist()
    assert [hit.file for hit in result.hits] == [f"p{hit.row}" for hit in result.hits]
    assert all(hit.label == f"c{hit.row % 5}" and hit.picture is None for hit in result.hits)
    assert [tile.explained.split(". ")[0] for tile in result_tiles(result, "vectors:mine")] == [
        f"Labels: c{hit.row % 5}" for hit in result.hits
    ]
    hits = collection.search(Query(row=7), "ivf", 5, where="label = 'c2' and caption like 'number 1%'").hits
    assert {hit.label for hit in hits} == {"c2"} and all(str(hit.row).startswith("1") for hit in hits)


def test_the_page_says_of_no_machine_that_it_encodes_them():
    badge = render("badge.html", how="float32 by torch on cpu", spec=find("imported"), here=True)
    assert "torch" not in badge and "made elsewhere; licence unknown" in badge


@pytest.mark.parametrize("query", [Query(text="a dog"), Query(picture=b"GIF89a")])
def test_words_and_pictures_are_refused_with_the_way_out(mine, query):
    with pytest.raises(BadQuery, match=r"made elsewhere.*--row"):
        mine.open("vectors:mine", "imported").search(query)
    chosen = Choice("vectors:mine", "imported", "flat", 5)
    with pytest.raises(BadQuery, match=r"made elsewhere.*“Surprise me”"):
        query_of(Origin(WORDS), None, "a dog", "", chosen, mine.open("vectors:mine", "imported"))


def test_race_missed_and_knn_run(mine):
    collection = mine.open("vectors:mine", "imported")
    rows = [*race.run(collection, race.Race(("brute", "ivf", "hnsw"), repeats=1), asked(collection).vectors[:1])]
    assert [row.index for row in rows] == ["brute", "ivf", "hnsw"] and rows[0].mean_recall == 1
    assert collection.search(Query(row=1), "ivf", 10, compare=True, nprobe=1).comparison is not None
    assert collection.evaluate("brute", (1,)).leave_one_out


def test_the_latency_of_every_index_is_measured_without_an_encoder(mine):
    """What cannot be measured, the embedding of a query, costs nothing of what can."""
    card = measure("latency", Bench(mine, Key("vectors:mine", "imported"), quick=True, indexes=("flat", "ivf")))
    assert [row["index"] for row in card.parts["search"]] == ["flat", "ivf"] and card.parts["extraction"] == []
    assert any(note.startswith("extraction: These vectors were made elsewhere") for note in card.notes)
    assert [table.name for table in latency.tables([card])] == ["latency-search-imported"]
    (row,) = table1.tables([card])[0].rows
    assert row["extraction_ms"] is None and row["flat"] > 0 and "no weights here" in row["mark"]


@pytest.mark.parametrize(
    ("order", "shape", "dtype", "said"),
    [
        (False, (10**6, 8), "|i1", "1,000,000 vectors of 8 numbers, as "),  # all of these bytes are there
        (False, (2, 10**6), "|i1", "holds vectors of 1,000,000 numbers, and at most 65,536"),
        (True, (10**9, 8), "<f4", "cannot be read as a NumPy array (mmap length is greater than file size)"),
        (False, (2**62, 8), "<f4", "cannot be read as a NumPy array (array is too big"),
        (False, (-1, 8), "<f4", "cannot be read as a NumPy array (negative dimensions"),
        (False, (3, 8), "|O", "cannot be read as a NumPy array (Array can't be memory-mapped: Python objects"),
    ],
)
def test_a_header_is_not_believed(store, tmp_path, monkeypatch, order, shape, dtype, said):
    monkeypatch.setattr("searchdemo.collection.foreign.free_bytes", lambda: 5 * 10**7)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": order, "shape": shape})
        file.truncate(file.tell() + (0 if dtype == "<f4" else 8 * 10**6))
    with pytest.raises(BadQuery) as error:
        take_in(store, "a", tmp_path / "a.npy")
    assert said in str(error.value)


def test_an_archive_under_the_name_of_an_array(store, tmp_path, long):
    np.savez(tmp_path / "a.npz", long)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(BadQuery, match="cannot be read as a NumPy array"):
        take_in(store, "a", tmp_path / "a.npy")


def test_the_order_and_kind_of_numbers_do_not_matter(store, tmp_path, clustered):
    rows = (clustered[0][:40] * 100).astype(np.int8)
    wanted = checked(rows, "a")[0]
    for array in (
        rows,
        np.asfortranarray(rows),
        rows.astype(">f4"),
        rows.astype(np.float16),
        rows.astype(np.longdouble),
    ):
        take_in(store, "a", npy(tmp_path, array), replace=True)
        np.testing.assert_allclose(Library(store).open("vectors:a", "imported").vectors.all(), wanted, atol=1e-3)
    lists = [
        pyarrow.array(rows.astype(float).tolist()),
        pyarrow.array(rows.astype(float).tolist(), pyarrow.large_list(pyarrow.float32())),
        pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.astype(np.float16).ravel()), rows.shape[1]),
    ]
    for column in lists:
        parquet.write_table(pyarrow.table({"v": column}), tmp_path / "v.parquet", row_group_size=7)
        take_in(store, "a", tmp_path / "v.parquet", replace=True)
        np.testing.assert_allclose(Library(store).open("vectors:a", "imported").vectors.all(), wanted, atol=1e-3)


def test_what_is_not_used_is_said(store, tmp_path):
    table = {
        "id": [1, 2],
        "vector": [[1.0, 2.0], [2.0, 1.0]],
        "emb": [[1.0], [2.0]],
        "text": [3, 4],
        "label": [b"a", b"b"],
    }
    parquet.write_table(pyarrow.table(table), tmp_path / "v.parquet")
    lines = [{"id": 2.0, "class": "\ud83d <b>"}, {"id": 1, "class": None}, {"id": 7, "class": "x"}]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    notes = take_in(store, "a", tmp_path / "v.parquet").notes
    assert "Not kept: emb. Of metadata, labels, captions and ids are." in notes
    assert {
        f"The column {c!r} holds nothing that is a {w}, so there are none."
        for c, w in (("text", "caption"), ("label", "label"))
    } <= {*notes}
    parquet.write_table(pyarrow.table({name: table[name] for name in ("id", "vector")}), tmp_path / "v.parquet")
    notes = take_in(store, "a", tmp_path / "v.parquet", tmp_path / "m.jsonl", replace=True).notes
    assert f"1 lines of {tmp_path / 'm.jsonl'} are of no vector here." in notes
    assert Library(store).gallery("vectors:a").label_names == ("\\ud83d <b>",)
    (tmp_path / "m.jsonl").write_text('{"id": null}\n{"id": 2}')
    with pytest.raises(BadQuery, match=r"1 rows of the vectors or of .* have no 'id'"):
        take_in(store, "a", tmp_path / "v.parquet", tmp_path / "m.jsonl", replace=True)


def test_names(store, tmp_path, long):
    for name in ("", ".", "../x", "a/b", "ä", "x" * 61):
        with pytest.raises(BadQuery, match="cannot name vectors"):
            take_in(store, name, npy(tmp_path, long))
    take_in(store, "a", npy(tmp_path, long))
    with pytest.raises(BadQuery, match="There are vectors 'a' already"):
        take_in(store, "a", npy(tmp_path, long))
    library = Library(store)
    assert len(library.open("vectors:a", "imported")) == 300
    take_in(store, "a", npy(tmp_path, long[:10]), replace=True)
    assert len(library.open("vectors:a", "imported")) == 10  # of the process that had the others open, too
    with pytest.raises(NoPictures, match=r"no vectors 'b' here.*import --vectors FILE --name b"):
        library.open("vectors:b", "imported")


def test_metadata_is_matched_by_an_id_that_both_have(store, tmp_path, clustered):
    vectors = pyarrow.array(clustered[0][:3].tolist())
    parquet.write_table(pyarrow.table({"id": ["x", "y", "z"], "emb": vectors}), tmp_path / "v.parquet")
    lines = [{"id": "z", "label": ["b", "a"]}, {"id": "x", "label": "a"}, {"id": "q"}, {"id": "y"}]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    take_in(store, "m", tmp_path / "v.parquet", tmp_path / "m.jsonl")
    gallery = Library(store).gallery("vectors:m")
    assert [gallery.pictures.all_labels(row) for row in range(3)] == [(0,), (), (1, 0)]
    assert [gallery.file(row) for row in range(3)] == ["x", "y", "z"]
    (tmp_path / "m.jsonl").write_text(json.dumps({"id": "z"}))
    with pytest.raises(BadQuery, match="no line for 2 of 3 vectors, such as id 'x'"):
        take_in(store, "n", tmp_path / "v.parquet", tmp_path / "m.jsonl")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("label\na\nb\n", "2 lines for 300 vectors"),
        ("", "has no lines: give one for each vector"),
        ("label\n", "has no lines: give one for each vector"),
        ("label, label\n" + "a,b\n" * 300, "2 columns are called label"),
    ],
)
def test_lines_that_do_not_fit_the_vectors(store, tmp_path, long, lines, said):
    (tmp_path / "b.csv").write_text(lines)
    with pytest.raises(BadQuery, match=said):
        take_in(store, "n", npy(tmp_path, long), tmp_path / "b.csv")


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_spreadsheets_that_write_another_sign_between_the_columns(store, tmp_path, long, between):
    lines = [
        between.join(line) for line in (["id", "label", "note"], *([f"p{n}", f"c{n % 5}", "x"] for n in range(300)))
    ]
    (tmp_path / "b.csv").write_text("\n".join(lines))
    done = take_in(store, "mine", npy(tmp_path, long), tmp_path / "b.csv")
    assert done.labels == 5 and "Not kept: note" in done.notes[1]


def test_the_commands_that_are_named_exist(mine):
    """What is made of the vectors is built; the vectors themselves are taken in again."""
    parser, key = cli.make_parser(), mine.open("vectors:mine", "bundled").artifact.key
    for command in (key.map_command, f"{key.build_command} --index hnsw", key.rebuild_command):
        parser.parse_args(command.removeprefix("python -m searchdemo ").split())


@pytest.mark.parametrize(
    ("columns", "column", "said"),
    [
        ({"a": [[1.0, 2.0], [1.0]]}, "", "row 0 has 2 numbers, row 1 has 1"),
        ({"a": [[1.0], None]}, "", "1 rows of the column 'a' of"),
        ({"a": [[1.0], [None]]}, "", "1 vectors that are not finite, row 1 first"),
        ({"a": pyarrow.array([], pyarrow.list_(pyarrow.float32()))}, "", "holds no vectors: its shape is (0, 0)"),
        ({"a": [[], []]}, "a", "holds list<element: null>, and no vectors"),
        ({"a": [[[1.0]]]}, "a", "holds list<element: list<element: double>>, and no vectors"),
        ({"a": [["x"]]}, "a", "holds list<element: string>, and no vectors"),
        ({"a": [{"b": [1.0]}]}, "a", "holds struct<b: list<element: double>>, and no vectors"),
        ({"a": ["x"]}, "", "no column of vectors (a: string)"),
        ({"a": ["x"]}, "a", "holds string, and no vectors"),
        ({"a": [[1.0]], "b": [[1.0]]}, "", "several columns of vectors (a, b)"),
        ({"a": [[1.0]]}, "c", "has no column 'c'"),
    ],
)
def test_columns_that_hold_no_vectors(store, tmp_path, columns, column, said):
    parquet.write_table(pyarrow.table(columns), tmp_path / "v.parquet")
    with pytest.raises(BadQuery) as error:
        take_in(store, "n", tmp_path / "v.parquet", column=column)
    assert said in str(error.value)


def test_the_command_line_takes_in_searches_exports_and_takes_in_again(tmp_path, long, clustered, capsys):
    own, out = str(tmp_path / "own"), str(tmp_path / "e.parquet")
    (tmp_path / "b.csv").write_text("\n".join(["file,label", *(f"f{n},{n % 3}" for n in range(300))]))
    words = ["--vectors", str(npy(tmp_path, long)), "--metadata", str(tmp_path / "b.csv"), "--name", "x"]
    assert cli.main(["import", *words, "--out-dir", own]) == 0
    assert "lengths from 1 to 4" in capsys.readouterr().out
    assert cli.main(["search", "--gallery", "vectors:x", "--row", "7", "--out-dir", own, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["hits"]
    assert cli.main(["search", "--gallery", "vectors:x", "--row", "7", "--out-dir", own, "-k", "1"]) == 0
    head, line = (line.split() for line in capsys.readouterr().out.splitlines()[:2])
    assert head == ["rank", "row", "score", "file", "labels"] and line[3:] == [first[0]["file"], first[0]["label"]]
    assert cli.main(["export", "--gallery", "vectors:x", "--out", out, "--neighbours", "10", "--out-dir", own]) == 0
    assert "No map is stored" in capsys.readouterr().out

    table = parquet.read_table(out)
    assert table.column_names == ["row", "label", "labels", "class_name", "file", "neighbors", "vector"]
    line = table.slice(7, 1).to_pylist()[0]
    assert (line["row"], line["label"], line["labels"], line["file"]) == (7, "1", ["1"], "f7")
    assert line["neighbors"]["ids"] == [hit["row"] for hit in first]
    np.testing.assert_allclose(line["neighbors"]["distances"], [1 - hit["score"] for hit in first], atol=1e-5)
    np.testing.assert_allclose(line["vector"], clustered[0][7], atol=1e-3)
    datasets = pytest.importorskip("datasets")
    opened = datasets.Dataset.from_parquet(out, cache_dir=str(tmp_path / "cache"))
    assert len(opened) == 300 and len(opened[0]["vector"]) == 32

    assert cli.main(["import", "--vectors", out, "--name", "y", "--out-dir", own]) == 0
    capsys.readouterr()
    assert cli.main(["search", "--gallery", "vectors:y", "--row", "7", "--out-dir", own, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["hits"]
    assert [hit["row"] for hit in again] == [hit["row"] for hit in first]
    assert [hit["label"] for hit in again] == [hit["label"] for hit in first]


def test_export_has_places_of_the_map_and_leaves_out_what_is_gone(world, tmp_path):
    from searchdemo.collection.export import export_parquet
    from searchdemo.collection.maps import keep

    collection = world.built().open("colours", "mean-colour")
    points = np.random.default_rng(0).random((300, 2))
    keep(collection, points, "by hand")
    done = export_parquet(collection, tmp_path / "e.parquet", vectors=False, neighbours=3)
    table = parquet.read_table(done.path)
    assert "vector" not in table.column_names and not done.notes
    np.testing.assert_allclose(np.stack([table["x"], table["y"]], 1), points, atol=1e-4)
    vectors = world.gallery.pictures.rows_of()
    best = exact_rows(unit(vectors), vectors, 4)
    found = np.array([line["ids"] for line in table["neighbors"].to_pylist()])
    assert (found[:, 0] == best[:, 1]).mean() > 0.95  # stored as half floats
    assert set(table["class_name"].to_pylist()) == {"reddish", "greenish", "bluish"}
    with pytest.raises(BadQuery, match="neighbours = 300"):
        export_parquet(collection, tmp_path / "e.parquet", neighbours=300)


def test_neighbours_are_lines_of_the_file_where_rows_have_gaps(world, tmp_path):
    """As Embedding Atlas counts them: a picture that cannot be read has a row, and no line."""
    from searchdemo.collection.export import export_parquet

    world.gallery = colour_gallery(60, broken=[0, 7, 30])
    collection = world.built().open("colours", "mean-colour")
    lines = parquet.read_table(export_parquet(collection, tmp_path / "e.parquet", neighbours=3).path).to_pylist()
    assert [line["row"] for line in lines] == [row for row in range(60) if row not in (0, 7, 30)]
    vectors = np.array([line["vector"] for line in lines])
    for own, line in enumerate(lines):
        assert own not in line["neighbors"]["ids"]
        cosines = vectors[line["neighbors"]["ids"]] @ vectors[own]
        np.testing.assert_allclose(1 - cosines, line["neighbors"]["distances"], atol=1e-5)
