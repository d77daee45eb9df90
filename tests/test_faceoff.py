"""A face-off by hand: columns, what they share, their fusion, and how good each is by what a person marked."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.encoders import table as encoder_table
from searchdemo.errors import BadArtifact, BadQuery, UnknownName
from searchdemo.measure import cards
from searchdemo.measure.faceoff import kept
from searchdemo.measure.faceoff.asked import asked_in, asked_of, marks_of, rows_named
from searchdemo.measure.faceoff.compared import face_off
from searchdemo.measure.faceoff.fusion import fused
from searchdemo.measure.faceoff.judged import FUSION, Duel, Judged, Rate, duel, figures, wilson
from searchdemo.measure.faceoff.sides import advice, built_names, sides
from tests.conftest import ColourPictures, MeanColour, unit

KEY = Key("colours", "mean-colour")


class Darkness(MeanColour):
    """What a colour lacks, without words."""

    name, has_text, weights_sha256 = "darkness", False, "cd" * 32

    def rows(self, colours):
        return unit(np.pad(256 - np.asarray(colours, np.float64), ((0, 0), (0, self.dim - 3))))

    def encode_texts(self, texts):
        raise BadQuery("darkness cannot read words")


@pytest.fixture
def library(world, monkeypatch):
    """`colours` as two encoders see it, the second of which reads no words."""
    known = replace(encoder_table.ENCODERS["mean-colour"], name="darkness", text=False)
    monkeypatch.setitem(encoder_table.ENCODERS, "darkness", known)
    encoders = {"mean-colour": world.encoder, "darkness": Darkness()}
    monkeypatch.setattr(encoder_table, "load", lambda name, **options: encoders[name])
    colours = np.array([(250, 10, 10), (240, 40, 10), (30, 200, 30), (20, 30, 220), (10, 220, 60)], np.uint8)
    world.change(pictures=ColourPictures(colours, [0, 0, 1, 2, 1]), class_names=("red", "lime", "blue"))
    library = world.library()
    for name in encoders:
        library.build(replace(KEY, encoder=name))
    return library


def test_more_encoders_than_stay_loaded_are_each_loaded_as_seldom_as_can_be(library, world, monkeypatch):
    loads: list[str] = []
    names = [f"copy-{number}" for number in range(5)]
    for name in names:
        monkeypatch.setitem(encoder_table.ENCODERS, name, replace(encoder_table.ENCODERS["mean-colour"], name=name))
    monkeypatch.setattr(encoder_table, "load", lambda name, **options: loads.append(name) or world.encoder)
    several = world.library()
    for name in names:
        several.build(replace(KEY, encoder=name))
    counts = []
    for _ in range(4):
        loads.clear()
        found = face_off(sides(several, "colours", names), ask(Query(text="red")), k=2)
        assert [column.encoder for column in found.columns] == names == [column.encoder for column in found.answered]
        counts.append(len(loads))
    assert counts == [2] * 4  # three stay in memory, and the builds have left three


def ask(query: Query):
    return lambda collection: query


def nearest(collection: Collection, row: int, k: int) -> list[int]:
    """The k nearest to a picture of the gallery by all cosines."""
    rows = collection.vectors.all().astype(np.float64)
    return [other for other in np.argsort(-(rows @ rows[row]), kind="stable").tolist() if other != row][:k]


def test_a_column_for_every_encoder_that_is_built(library):
    assert built_names(library, "colours") == ["mean-colour", "darkness"] and advice(library, "colours") == ""
    found = face_off(sides(library, "colours"), ask(Query(row=0)), k=3)
    assert [column.encoder for column in found.columns] == ["mean-colour", "darkness"]
    for column in found.columns:
        assert list(column.rows) == nearest(library.open("colours", column.encoder), 0, 3)
        alone = library.open("colours", column.encoder).search(Query(row=0), "brute", 3, pictures=False)
        assert column.to_json(found.shared)["hits"] == [
            hit | {"shared_by": list(found.shared[hit["row"]])} for hit in alone.to_json()["hits"]
        ]
    one, other = ({*column.rows} for column in found.columns)
    content = found.to_json()
    assert {*content["agreement"]["in_all"]} == one & other
    assert content["agreement"]["pairs"] == [{"encoders": ["mean-colour", "darkness"], "shared": len(one & other)}]
    by_hand = fused({column.encoder: column.rows for column in found.columns}, 3)
    assert [(hit["row"], hit["ranks"]) for hit in content["fusion"]["hits"]] == [(o.row, o.ranks) for o in by_hand]
    assert found.asked == {"row": 0} and json.dumps(content)


def test_an_encoder_that_reads_no_words_says_so(library):
    found = face_off(sides(library, "colours"), ask(Query(text="red")), k=2)
    assert found.columns[0].rows == (0, 1)
    assert found.columns[1].said == "darkness reads no words: it has no answer to this query."
    assert found.fusion == [] and found.in_all == [] and "fusion" not in found.to_json()
    mixed = face_off(sides(library, "colours"), ask(Query(row=0, text="- lime")), k=2)
    assert [bool(column.rows) for column in mixed.columns] == [True, False]


def test_classes_by_neighbours_by_names_and_by_both(library):
    found = face_off(sides(library, "colours"), ask(Query(held_out=0)), k=3)
    reader, other = (column.classes for column in found.columns)
    expected = library.open("colours", "mean-colour").classify(Query(held_out=0), "brute", 3, pictures=False)
    assert reader.guesses == expected.guesses and reader.both == expected.both
    votes, names = ({g.class_name: g.share for g in part} for part in (reader.guesses, reader.by_class_names))
    for guess in reader.both:
        assert guess.share == pytest.approx((votes.get(guess.class_name, 0) + names.get(guess.class_name, 0)) / 2)
    assert sum(guess.share for guess in reader.both) == pytest.approx(1)
    assert other.guesses and other.by_class_names == () and other.both == ()
    told = found.to_json()["columns"][0]["classes"]
    assert [guess["class_name"] for guess in told["both"]] == [guess.class_name for guess in reader.both]
    assert (told["names_notice"], told["names_left_out"]) == ("", [])
    assert "darkness reads no words" in found.to_json()["columns"][1]["classes"]["names_notice"]


def test_a_filter_and_a_k_that_is_out_of_bounds(library):
    found = face_off(sides(library, "colours"), ask(Query(row=0)), k=3, where="label = 'n1'")
    assert all({*column.rows} == {2, 4} for column in found.columns)
    assert found.asked == {"row": 0, "where": "label = 'n1'"}
    with pytest.raises(BadQuery, match="k = 0 is out of bounds"):
        face_off(sides(library, "colours"), ask(Query(row=0)), k=0)


def test_what_one_encoder_cannot_does_not_stop_the_others(library, world, monkeypatch):
    named = sides(library, "colours", ["darkness", "resnet18", "darkness"])
    assert [side.encoder for side in named] == ["darkness", "resnet18"] and "resnet18" in named[1].said
    found = face_off(named, ask(Query(row=0)), k=2)
    assert "build --gallery colours --encoder resnet18" in found.columns[1].said and found.columns[0].rows
    with pytest.raises(UnknownName, match="no encoder 'resnet'"):
        sides(library, "colours", ["resnet"])
    (world.store.own / "colours" / "darkness" / "ivf.faiss").write_bytes(b"damaged")
    damaged = face_off(sides(world.library(), "colours"), ask(Query(row=0)), k=2)
    assert damaged.columns[0].rows and "does not match its checksum" in damaged.columns[1].said
    monkeypatch.setattr(encoder_table, "is_here", lambda name: False)
    monkeypatch.setattr("searchdemo.collection.collection.Collection.has_weights", lambda self: False)
    alone = face_off(sides(library, "colours", ["mean-colour"]), ask(Query(text="red")), fetch=False)
    assert "weights of mean-colour are not on this machine" in alone.columns[0].said
    with pytest.raises(BadQuery, match="No encoder answered"):
        alone.judged([1])


def test_with_one_encoder_it_is_said_what_to_build(world):
    library = world.ready()
    said = advice(library, "colours")
    assert said.startswith("Only mean-colour is built for this gallery (colours): build another")
    assert "python -m searchdemo build --gallery colours --encoder " in said and "--encoder mean-colour" not in said
    found = face_off(sides(library, "colours"), ask(Query(row=0)), k=2)
    assert len(found.columns) == 1 and found.fusion == []


def test_a_part_of_a_gallery_says_so_and_numbers_its_queries_as_the_first(library, world):
    parts = world.library(limit=3)
    parts.build(replace(KEY, encoder="darkness", limit=3))
    taking = [*sides(library, "colours", ["mean-colour"]), *sides(parts, "colours", ["darkness"])]
    first, part = (side.collection for side in taking)
    number = next(number for number in range(len(part.queries)) if part.query_row(number) != number)
    row = part.query_row(number)
    found = face_off(taking, partial(asked_in, Query(held_out=row), first), k=2)
    assert "darkness is built of 3 of the 5 pictures" in found.notices[0]
    assert found.columns[1].rows == face_off(taking[1:], ask(Query(held_out=number)), k=2).columns[0].rows
    written = asked_in(Query(text=f"2: #held-out-{row} - #0"), first, part)
    assert written.text == f"2: #held-out-{number} - #0" and asked_in(written, first, first) is written
    absent = next(row for row in range(30) if row not in part.snapshot.query_rows)
    with pytest.raises(BadQuery, match="is not among the"):
        asked_in(Query(held_out=absent), first, part)
    with pytest.raises(BadQuery, match="There is no held-out query 99"):
        asked_in(Query(held_out=99), first, part)


def test_a_folder_that_does_not_keep_still(library, monkeypatch):
    opened, states = library.open, iter(range(99))

    def moving(gallery, encoder):
        found = opened(gallery, encoder)
        return replace(found, gallery=replace(found.gallery, fingerprint=str(next(states))))

    monkeypatch.setattr(library, "open", moving)
    with pytest.raises(BadArtifact, match="changes while its encoders are opened"):
        sides(library, "colours")


def test_reciprocal_rank_fusion_by_hand():
    found = fused({"a": [1, 2, 3], "b": [3, 1, 4]})
    scores = {1: 1 / 61 + 1 / 62, 3: 1 / 63 + 1 / 61, 2: 1 / 62, 4: 1 / 63}
    assert [(one.row, one.rank) for one in found] == [(1, 1), (3, 2), (2, 3), (4, 4)]
    assert {one.row: one.score for one in found} == pytest.approx(scores)
    assert found[1].ranks == {"a": 3, "b": 1}
    assert fused({"b": [3, 1, 4], "a": [1, 2, 3]}) == found  # the order of the rankings does not matter
    assert [one.row for one in fused({"a": [9, 5], "b": [5, 9]}, 1)] == [5]  # a tie: the lower row
    assert fused({}) == []


def test_wilson_by_hand():
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert Rate(0, 0).value is None and Rate(0, 0).interval is None and str(Rate(0, 0)) == "no right picture yet"
    assert str(Rate(5, 10)) == "50 % (24 to 76)"


FIRST = Judged({"text": "red"}, {"a": (1, 2, 3, 4), "b": (3, 4, 5, 6)}, (1, 2, 5, 99), k=4)
SECOND = Judged({"row": 7}, {"a": (8, 9, 10, 11)}, (8,), k=4)
NONE = Judged({"row": 8}, {"a": (1, 2, 3, 4), "b": (5, 6, 7, 8)}, (), k=4)


def test_recall_of_the_pool_and_precision_by_hand():
    found = {one.name: one for one in figures([FIRST, SECOND, NONE], 4)}
    assert [*found] == ["a", "b", FUSION]
    assert (found["a"].queries, found["a"].recall, found["a"].precision) == (3, Rate(3, 5), Rate(3, 12))
    assert (found["b"].queries, found["b"].recall, found["b"].precision) == (2, Rate(1, 4), Rate(1, 8))
    assert found[FUSION].queries == 2 and found[FUSION].recall.whole == 4  # 99, which no column has, is in the pool
    two = {one.name: one for one in figures([FIRST, replace(SECOND, k=1)], 2)}
    assert two["a"].recall == Rate(2, 4) and two["b"].recall == Rate(0, 4) and two["a"].queries == 1
    told = found["a"].to_json()
    assert told["recall"] == 0.6 and told["recall_low"] == pytest.approx(wilson(3, 5)[0]) and told["pool"] == 5
    assert figures([NONE], 4)[0].to_json()["recall"] is None and figures([], 4) == []


def test_the_two_best_against_each_other():
    found = duel([FIRST, SECOND, NONE], 4)
    assert found == Duel("a", "b", 2, 1)  # 1 and 2 by a alone, 5 by b alone; the query without b does not count
    assert Duel("a", "b", 5, 1).chance == pytest.approx(14 / 64) and Duel("a", "b", 8, 0).chance == 2 / 256
    assert Duel("a", "b", 1, 1).chance == 1
    assert "that may be chance (sign test, p = 0.22)" in str(Duel("a", "b", 5, 1))
    assert "hardly chance" in str(Duel("a", "b", 8, 0))
    assert duel([SECOND], 4) is None and duel([NONE], 4) is None


def test_judged_queries_add_up_in_a_card(tmp_path):
    assert kept.load(KEY, tmp_path) == []
    kept.add(KEY, [FIRST], 4, tmp_path)
    assert kept.add(KEY, [SECOND], 4, tmp_path) == [FIRST, SECOND]
    again = replace(FIRST, right=(3,))
    assert kept.add(KEY, [again], 4, tmp_path) == [SECOND, again] == kept.load(KEY, tmp_path)
    (card,) = cards.cards(tmp_path, benchmark="faceoff")
    assert card.title == "colours × several" and card.parts["encoders"][0]["encoder"] == "a"
    assert card.settings["k"] == 4 and "Wilson" in card.settings["interval"] and card.machine["name"]
    assert kept.path_of(KEY, tmp_path) == tmp_path / card.path != kept.path_of(replace(KEY, limit=3), tmp_path)
    assert kept.card_of(KEY, [FIRST, replace(SECOND, k=2)], 4).notes[0].startswith("1 judged queries showed fewer")
    with pytest.raises(BadQuery, match="are too many: forget the marks"):
        kept.with_judged([FIRST], [replace(SECOND, right=tuple(range(kept.MOST_NUMBERS)))])
    with pytest.raises(BadQuery, match=r"Two judged queries ask the same, .*: put what is right for it into one"):
        kept.add(KEY, [SECOND, FIRST, again], 4, tmp_path)
    assert kept.load(KEY, tmp_path) == [SECOND, again]
    kept.path_of(KEY, tmp_path).write_text(json.dumps(card.to_json() | {"parts": {"queries": [{"asked": 1}]}}))
    with pytest.raises(BadArtifact, match="delete it"):
        kept.load(KEY, tmp_path)
    kept.forget(KEY, tmp_path)
    kept.forget(KEY, tmp_path)
    assert kept.load(KEY, tmp_path) == []


def test_a_query_is_known_again(library, tmp_path):
    collection = library.open("colours", "mean-colour")
    picture = library.gallery("colours").pictures.encoded(0)
    (tmp_path / "a.png").write_bytes(picture)
    told = [asked_of(query, collection) for query in (Query(picture=picture), Query(picture=tmp_path / "a.png"))]
    assert told[0] == told[1] and len(told[0]["picture"]) == 16
    assert asked_of(Query(text="red"), collection, " k  =  1 ") == {"text": "red", "where": "k = 1"}
    assert (
        replace(FIRST, asked={"row": 1, "text": "x"}).identity == replace(FIRST, asked={"text": "x", "row": 1}).identity
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        ("{}", "holds no list of judged queries"),
        ("[1]", "query 1: 1 is no object"),
        ('[{"txt": "red", "right": []}]', "query 1: there is no field 'txt'"),
        ('[{"text": "red"}]', "right = None is no list of rows or files"),
        ('[{"text": "red", "right": [false]}]', r"right = \[False\] is no list of rows or files"),
        ('[{"text": "red", "right": [1.5]}]', "is no list of rows or files"),
        ('[{"text": 3, "right": []}]', "text = 3 is no text"),
        ('[{"row": "3", "right": []}]', "row = '3' is no whole number"),
        ('[{"right": []}]', "query 1: Give a picture"),
        ('[{"text": "red", "right": []}, {"row": 1, "box": "1,2", "right": []}]', "query 2: The box '1,2'"),
    ],
)
def test_a_file_of_marks_that_cannot_be_read(tmp_path, content, sentence):
    path = tmp_path / "marks.json"
    path.write_text(content)
    with pytest.raises(BadQuery, match=sentence):
        marks_of(path)


def test_rows_and_files_that_are_right(library):
    gallery = library.gallery("colours")
    assert rows_named(gallery, ["3", 0]) == [3, 0]
    for wrong in ("5", -1):
        with pytest.raises(BadQuery, match="There is no row"):
            rows_named(gallery, [wrong])
    with pytest.raises(BadQuery, match=r"There is no picture 'a.png'"):
        rows_named(gallery, ["a.png"])
