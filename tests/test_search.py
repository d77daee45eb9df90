"""One query from start to end, over colours whose cosines are worked out by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.errors import BadPicture, BadQuery, NotBuilt, SearchDemoError, UnknownName
from tests.clock import Clock
from tests.conftest import ColourPictures, colour_gallery, colour_pictures, png, unit

WHERE = ("colours", "mean-colour")


def by_hand(world, vector: np.ndarray, k: int, without: int = -1) -> tuple[list[int], list[float]]:
    """Rows and cosines of the k nearest, in float64."""
    cosines = world.gallery.pictures.rows_of().astype(np.float64) @ np.asarray(vector, np.float64)
    rows = [row for row in np.argsort(-cosines, kind="stable") if row != without][:k]
    return rows, [cosines[row] for row in rows]


ORANGE = unit(np.array([255, 165, 0, 0, 0, 0, 0, 0.0]))


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("index", ["brute", "flat", "ivf", "hnsw", "sq8"])
@pytest.mark.parametrize("query", [Query(picture=png((255, 165, 0))), Query(text="  orange ")])
def test_hits_by_hand(world, index, metric, query):
    library = world.ready(metric)
    params = {"nprobe": 64} if index == "ivf" else {}
    result = library.open(*WHERE).search(query, index, 10, **params)
    rows, cosines = by_hand(world, ORANGE, 10)
    assert [hit.rank for hit in result.hits] == list(range(1, 11))
    assert np.allclose([hit.score for hit in result.hits], cosines, atol=1e-3)
    if index != "sq8":  # eight bits may swap neighbours
        assert [hit.row for hit in result.hits] == rows
    for hit in result.hits:
        assert hit.label == world.gallery.label_names[world.gallery.pictures.labels[hit.row]]
        assert hit.class_name == world.gallery.class_name(hit.row)
        assert hit.picture == world.gallery.pictures.encoded(hit.row)
    timing = result.timing
    assert timing.encode_ms > 0 and timing.search_ms > 0 and timing.fetch_ms > 0
    assert (timing.preprocess_ms > 0) == (query.picture is not None)


def test_reading_the_pictures_of_the_hits_counts_as_time(world, monkeypatch):
    """Their thumbnails are made by then, too: it is one call."""
    collection, clock = world.ready().open(*WHERE), Clock()
    whole = type(collection.gallery.pictures).shown
    monkeypatch.setattr("searchdemo.collection.collection.time", clock)
    monkeypatch.setattr(
        type(collection.gallery.pictures), "shown", lambda pictures, row: clock.sleep(0.5) or whole(pictures, row)
    )
    result = collection.search(Query(text="orange"), "flat", 4)
    assert result.timing.fetch_ms == 2000 and all(hit.picture for hit in result.hits)
    assert collection.search(Query(text="orange"), "flat", 4, pictures=False).timing.fetch_ms == 0


def test_json_of_a_result(world):
    result = world.ready().open(*WHERE).search(Query(text="orange"), "flat", 2)
    content = result.to_json()
    assert set(content) == {"hits", "timing"}
    assert set(content["hits"][0]) == {"rank", "row", "label", "class_name", "score"}
    assert set(content["timing"]) == {"preprocess_ms", "encode_ms", "search_ms", "fetch_ms"}


@pytest.mark.parametrize("index", ["pq", "ivfpq", "lsh", "ivf-fastscan"])
def test_scores_are_cosines_whatever_the_index_estimates(world, index):
    result = world.ready().open(*WHERE).search(Query(text="orange"), index, 20)
    colours = world.gallery.pictures.rows_of()
    assert len(result.hits) > 10
    scores = [hit.score for hit in result.hits]
    assert np.allclose(scores, [colours[hit.row] @ ORANGE for hit in result.hits], atol=1e-3)
    assert scores == sorted(scores, reverse=True) and max(scores) <= 1


@pytest.mark.parametrize("index", ["brute", "flat", "ivf", "hnsw"])
def test_a_query_by_row_leaves_itself_out_even_among_duplicates(world, index):
    colours = world.gallery.pictures.colours.copy()
    colours[[3, 77, 150, 299]] = (200, 40, 90)
    world.change(pictures=ColourPictures(colours, colours.argmax(axis=1)))
    library = world.ready()
    for row in (3, 77, 150, 299):
        hits = library.open(*WHERE).search(Query(row=row), index, 5).hits
        assert {hit.row for hit in hits[:3]} == {3, 77, 150, 299} - {row}
        assert len(hits) == 5 and row not in [hit.row for hit in hits]
        assert [hit.row for hit in hits] == [*sorted({3, 77, 150, 299} - {row}), *[h.row for h in hits[3:]]]


def test_a_query_by_row_and_a_held_out_one_by_hand(world):
    library = world.ready()
    pictures, queries = world.gallery.pictures, world.gallery.queries
    hits = library.open(*WHERE).search(Query(row=12), "flat", 5).hits
    assert [hit.row for hit in hits] == by_hand(world, pictures.rows_of()[12], 5, without=12)[0]
    hits = library.open(*WHERE).search(Query(held_out=4), "flat", 5).hits
    assert [hit.row for hit in hits] == by_hand(world, queries.rows_of()[4], 5)[0]


def test_all_but_itself_can_be_asked_for(world):
    world.gallery = colour_gallery(20)
    result = world.ready().open(*WHERE).search(Query(row=7), "brute", 1000)
    assert sorted(hit.row for hit in result.hits) == [row for row in range(20) if row != 7]
    assert result.notice == ""


def test_too_few_found_is_said(world):
    world.gallery = colour_gallery(1000)
    result = world.ready().open(*WHERE).search(Query(text="orange"), "ivf", 500, nprobe=1)
    assert 0 < len(result.hits) < 500
    assert result.notice == f"only {len(result.hits)} of 500 were found; raise nprobe"
    assert result.to_json()["notice"] == result.notice


def test_what_the_encoder_could_not_read_is_said_before_what_was_not_found(world, monkeypatch):
    monkeypatch.setattr(world.encoder, "text_notice", lambda text: f'I do not know the word "{text}"')
    world.gallery = colour_gallery(1000)
    collection = world.ready().open(*WHERE)
    assert collection.search(Query(text="orange"), "flat", 5).notice == 'I do not know the word "orange"'
    result = collection.search(Query(text="orange"), "ivf", 500, nprobe=1)
    assert result.notice == f'I do not know the word "orange"; only {len(result.hits)} of 500 were found; raise nprobe'
    assert collection.search(Query(row=3), "flat", 5).notice == ""


# Bad input, and the query after it


@pytest.mark.parametrize("k", [0, -1, 10**9, 1001])
def test_k_out_of_bounds(world, k):
    library = world.ready()
    with pytest.raises(BadQuery, match=f"k = {k:,} is out of bounds: choose from 1 to 1,000"):
        library.open(*WHERE).search(Query(text="red"), "flat", k)
    assert len(library.open(*WHERE).search(Query(text="red"), "flat", 1000).hits) == 300


@pytest.mark.parametrize("index", ["flat", "ivf", "brute"])
def test_a_k_of_numpy_is_a_whole_number(world, index):
    collection = world.ready().open(*WHERE)
    assert len(collection.search(Query(text="red"), index, np.int64(3)).hits) == 3
    assert len(collection.classify(Query(text="red"), index, np.int32(3)).neighbors.hits) == 3
    assert [each.k for each in collection.evaluate(index, tuple(np.array([1, 5]))).accuracies] == [1, 1, 5, 5]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"text": ""}, "The text is empty"),
        ({"text": " \n\t "}, "The text is empty"),
        ({"text": "red " * 2500}, "9,999 characters: shorten it to at most 1,000"),
        ({"picture": b""}, "empty"),
        ({"picture": b"GIF89a nonsense"}, "not a picture"),
        ({"picture": png((1, 2, 3))[:-30]}, "cannot be decoded|not a picture"),
        ({"row": -1}, "There is no row -1: choose from 0 to 299"),
        ({"row": 300}, "There is no row 300"),
        ({"held_out": 30}, "There is no held-out query 30: choose below 30"),
        ({"held_out": -1}, "There is no held-out query -1"),
    ],
)
def test_bad_queries_get_one_sentence_and_the_next_one_works(world, query, sentence):
    library = world.ready()
    with pytest.raises(BadQuery, match=sentence) as error:
        library.open(*WHERE).search(Query(**query), "flat", 3)
    assert isinstance(error.value, BadPicture) == ("picture" in query)
    assert len(library.open(*WHERE).search(Query(text="red"), "flat", 3).hits) == 3


@pytest.mark.parametrize("fields", [{}, {"row": 0, "held_out": 0}, {"picture": b"", "row": 3, "text": "red"}])
def test_a_query_has_one_picture_at_most(fields):
    with pytest.raises(BadQuery, match="Give a picture, a row or a held-out query"):
        Query(**fields)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (("colour", "mean-colour", "flat"), "no gallery 'colour'. Did you mean 'colours'"),
        (("colours", "mean", "flat"), "no encoder 'mean'"),
        (("colours", "mean-colour", "flatt"), "no index 'flatt'. Did you mean 'flat'"),
    ],
)
def test_unknown_names(world, where, sentence):
    with pytest.raises(UnknownName, match=sentence):
        world.ready().open(*where[:2]).search(Query(text="red"), where[2], 3)


def test_parameters_of_another_index(world):
    library = world.ready()
    for index in ("brute", "flat"):
        with pytest.raises(UnknownName, match=r"search parameter.*'nprobe'"):
            library.open(*WHERE).search(Query(text="red"), index, 3, nprobe=4)
    with pytest.raises(BadQuery, match="nprobe = 0 is out of bounds"):
        library.open(*WHERE).search(Query(text="red"), "ivf", 3, nprobe=0)


def test_not_built_then_built(world):
    library = world.library()
    with pytest.raises(NotBuilt, match="run `python -m searchdemo build --gallery colours --encoder mean-colour`"):
        library.open(*WHERE).search(Query(text="red"), "flat", 3)
    library.build(Key(*WHERE))
    assert len(library.open(*WHERE).search(Query(text="red"), "flat", 3).hits) == 3


def test_an_index_that_cannot_be_built_does_not_stop_the_others(world):
    library = world.built(limit=60)
    with pytest.raises(BadQuery, match="60 vectors of 8 dimensions: Number of training points"):
        library.open(*WHERE).search(Query(text="red"), "pq", 3)
    assert len(library.open(*WHERE).search(Query(text="red"), "hnsw", 3).hits) == 3


# What is kept


@pytest.mark.parametrize("by_another", [False, True])
def test_a_rebuild_is_noticed(world, by_another):
    library = world.ready()
    kept = {index: library.open(*WHERE).index(index) for index in ("brute", "flat", "ivf", "hnsw")}
    world.change(pictures=colour_pictures(200, seed=9))
    builder = world.library() if by_another else library
    if not by_another:
        library._galleries.put("colours", world.gallery)
    builder.build(Key(*WHERE))
    library._galleries.put("colours", world.gallery)
    rows, cosines = by_hand(world, ORANGE, 5)
    for index, old in kept.items():
        assert library.open(*WHERE).index(index) is not old
        hits = library.open(*WHERE).search(Query(text="orange"), index, 5).hits
        assert [hit.row for hit in hits] == rows
        assert np.allclose([hit.score for hit in hits], cosines, atol=1e-3)


def test_a_folder_that_was_built_again_by_another_process_is_opened_again(world, tmp_path, monkeypatch):
    """What is open stays open while the folder changes; then the other's build is what counts."""

    def add(name: str, colour: tuple[int, int, int]) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(colour))

    def nearest(library, text: str) -> str:
        return library.open(*where).search(Query(text=text), "flat", 1).hits[0].file

    where = (f"folder:{tmp_path}", "mean-colour")
    add("red/1.png", (255, 0, 0))
    library = world.library()
    library.gallery(where[0], download=True)
    library.build(Key(*where))
    assert nearest(library, "blue") == "red/1.png" and library.open(*where).class_name_rows().rows.shape == (1, 8)

    add("blue/1.png", (0, 0, 255))
    assert nearest(library, "blue") == "red/1.png"
    other = world.library()
    assert nearest(other, "blue") == "red/1.png"
    assert "1 picture was added since the last build" in other.open(*where).search(Query(text="blue")).notice
    other.build(Key(*where))
    assert nearest(other, "blue") == nearest(library, "blue") == "blue/1.png"
    assert library.open(*where).class_name_rows().rows.shape == (2, 8)
    assert library.gallery(where[0], download=True) is library.gallery(where[0]) is library.open(*where).gallery


def test_a_folder_is_not_opened_again_without_need(world, monkeypatch):
    library = world.ready()
    library.open(*WHERE).search(Query(text="red"), "flat", 3)
    monkeypatch.setattr("searchdemo.collection.library.open_gallery", lambda *args: pytest.fail("opened again"))
    assert len(library.open(*WHERE).search(Query(text="red"), "flat", 3).hits) == 3


def test_indexes_are_loaded_once_by_many_visitors(world, monkeypatch):
    library = world.ready()
    loads = []
    vectors = library.open(*WHERE).vectors
    monkeypatch.setattr(vectors, "all", lambda whole=vectors.all: (loads.append(1), whole())[1])
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: library.open(*WHERE).search(Query(text="orange"), "flat", 5).hits, range(24)))
    assert len(loads) == 1
    assert all(hits == results[0] for hits in results)


def test_a_download_takes_the_place_of_the_gallery_without_pictures(world):
    whole = world.gallery
    library = world.ready()
    bare = replace(whole, pictures=colour_pictures(300, seed=0, absent=range(300), missing="Not here."))
    library = world.library()
    world.gallery = bare
    assert library.open(*WHERE).search(Query(text="orange"), "flat", 3).hits[0].picture is None
    assert library.gallery("colours").missing
    world.gallery = whole
    assert library.gallery("colours").missing  # kept
    assert not library.gallery("colours", download=True).missing
    assert not library.gallery("colours").missing
    hit = library.open(*WHERE).search(Query(text="orange"), "flat", 3).hits[0]
    assert hit.picture == whole.pictures.encoded(hit.row)


def test_pictures_are_not_read_for_answers_that_show_none(world, monkeypatch):
    library = world.ready()
    shown = library.open(*WHERE).search(Query(text="orange"), "flat", 20)
    monkeypatch.setattr(world.gallery.pictures, "encoded", lambda row: pytest.fail(f"row {row} was read"))
    bare = library.open(*WHERE).search(Query(text="orange"), "flat", 20, pictures=False)
    assert bare.to_json()["hits"] == shown.to_json()["hits"]
    assert all(hit.picture is hit.blur is None for hit in bare.hits) and all(hit.picture for hit in shown.hits)


def test_unlabelled_pictures_have_empty_names(world):
    pictures = world.gallery.pictures
    world.change(pictures=ColourPictures(pictures.colours, np.full(300, -1)))
    hit = world.ready().open(*WHERE).search(Query(text="orange"), "flat", 1).hits[0]
    assert (hit.label, hit.class_name) == ("", "")


def test_every_error_is_one_of_ours(world):
    library = world.ready()
    for query, index, k in [(Query(text="no colour"), "flat", 3), (Query(row=10**30), "ivf", 3)]:
        with pytest.raises(SearchDemoError):
            library.open(*WHERE).search(query, index, k)
