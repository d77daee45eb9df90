"""The class of a query: shares of the vote by hand, and the names of the classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from searchdemo.collection.query import Query
from searchdemo.encoders import table as encoder_table
from searchdemo.encoders.templates import unread_note
from searchdemo.errors import BadArtifact, BadQuery, NoWeights
from tests.conftest import ColourPictures

WHERE = ("colours", "mean-colour")
COLOURS = np.array([(250, 10, 10), (240, 40, 10), (30, 200, 30), (20, 30, 220), (10, 220, 60)], np.uint8)


@pytest.fixture
def library(world):
    """Five pictures: two reddish, two greenish, one bluish; the classes are named by colours."""
    pictures = ColourPictures(COLOURS, [0, 0, 1, 2, 1])
    world.change(pictures=pictures, class_names=("red", "lime", "blue"))
    return world.ready()


@pytest.mark.parametrize("temperature", [0.07, 1.0, None])
def test_shares_by_hand(world, library, temperature):
    found = library.open(*WHERE).classify(Query(row=0), "flat", k=3, temperature=temperature)
    cosines = world.gallery.pictures.rows_of()[1:] @ world.gallery.pictures.rows_of()[0]
    nearest = np.argsort(-cosines)[:3]
    votes = np.ones(3) if temperature is None else np.exp(cosines[nearest] / temperature)
    assert [hit.row for hit in found.neighbors.hits] == (nearest + 1).tolist()
    assert np.allclose(found.shares, votes / votes.sum(), atol=1e-3)
    by_class = {}
    for row, share in zip(nearest + 1, votes / votes.sum(), strict=True):
        name = world.gallery.class_name(row)
        by_class[name] = by_class.get(name, 0) + share
    assert {guess.class_name: guess.share for guess in found.guesses} == pytest.approx(by_class, abs=1e-3)
    shares = [guess.share for guess in found.guesses]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)


def test_names_have_angles_and_a_threshold_may_leave_them_out(library):
    collection = library.open(*WHERE)
    found = collection.classify(Query(row=0), "flat", 5)
    vector, rows = collection.vectors.take(np.array([0]))[0], collection.class_name_rows().rows
    for guess in found.by_class_names:
        cosine = float(rows[collection.gallery.label_names.index(guess.label)] @ vector)
        assert guess.degrees == pytest.approx(np.degrees(np.arccos(min(1, cosine))), abs=1e-3)
    said = found.to_json()["by_class_names"]
    assert said and said[0]["radians"] == pytest.approx(np.radians(said[0]["degrees"]))
    middle = found.by_class_names[1].degrees
    kept = collection.classify(Query(row=0), "flat", 5, max_degrees=middle).by_class_names
    assert kept == tuple(guess for guess in found.by_class_names if guess.degrees <= middle)
    none = collection.classify(Query(row=0), "flat", 5, max_degrees=0.01)
    assert none.by_class_names == () and none.names_notice == "No class name lies within 0.01 degrees of the query."
    assert all("degrees" not in guess for guess in found.to_json()["guesses"])


BAD_ANGLES = [0, -1, 180.5, float("nan"), float("inf"), True, "58", None, [58]]


@pytest.mark.parametrize("angle", BAD_ANGLES)
def test_an_angle_out_of_bounds_is_refused_in_one_way(library, angle):
    collection = library.open(*WHERE)
    for ask in (
        lambda: collection.classify(Query(row=0), "flat", 3, max_degrees=angle),
        lambda: collection.evaluate("flat", (1,), max_degrees=angle),
    ):
        with pytest.raises(
            BadQuery, match=r"max_degrees = .* is out of bounds: choose above 0 and at most 180 degrees"
        ):
            ask()


def test_neighbours_beyond_the_angle_have_no_vote(library):
    collection = library.open(*WHERE)
    usual = collection.classify(Query(row=0), "flat", 4)
    assert list(usual.angles) == sorted(usual.angles) and (usual.beyond, usual.notice) == (0, "")
    assert usual.to_json()["beyond"] == {"neighbors": 0, "class_names": []} and "notice" not in usual.to_json()

    between = (usual.angles[1] + usual.angles[2]) / 2
    found = collection.classify(Query(row=0), "flat", 4, max_degrees=between)
    two = collection.classify(Query(row=0), "flat", 2)
    assert found.guesses == two.guesses and found.shares[:2] == pytest.approx(two.shares) and found.shares[2:] == (0, 0)
    names = len([guess for guess in usual.by_class_names if guess.degrees > between])
    assert found.notice.startswith(f"2 of 4 neighbours lie beyond {between:g}°; {names} of 3 nearest class names")
    said = found.to_json()
    assert said["max_degrees"] == between and said["notice"] == found.notice
    assert said["beyond"]["neighbors"] == 2 and len(said["beyond"]["class_names"]) == names
    assert [hit["degrees"] for hit in said["hits"]] == list(found.angles)
    assert said["hits"][3]["radians"] == pytest.approx(np.arccos(said["hits"][3]["score"]))


def test_no_neighbour_within_the_angle_is_said_in_place_of_a_class(library):
    found = library.open(*WHERE).classify(Query(row=2), "flat", 3, max_degrees=0.5)
    assert found.guesses == () and set(found.shares) == {0.0} and found.nothing == "no neighbour within 0.5°"
    assert found.to_json()["notice"].startswith("no neighbour within 0.5°; 3 of 3 neighbours lie beyond 0.5°")


def test_accuracy_counts_queries_that_no_neighbour_answers(library):
    collection = library.open(*WHERE)
    assert "beyond" not in collection.evaluate("flat", (1,)).notice
    found = collection.evaluate("flat", (1,), max_degrees=1e-6)
    queries, exact = collection.queries, (collection.queries @ collection.vectors.all().T).max(axis=1)
    apart = int((np.degrees(np.arccos(np.clip(exact, -1, 1))) > 1e-6).sum())
    assert f"no neighbour within 1e-06° is left for {apart} of {len(queries)} queries" in found.notice
    assert all(each.top1 <= 100 * (1 - apart / len(queries)) for each in found.accuracies)


def test_the_nearest_alone(library):
    found = library.open(*WHERE).classify(Query(text="orange"), "flat", k=1)
    assert [(guess.label, guess.class_name, guess.share) for guess in found.guesses] == [("n0", "red", 1.0)]
    assert found.shares == (1.0,)


def test_by_class_names(library):
    found = library.open(*WHERE).classify(Query(held_out=0), "flat", k=3).by_class_names
    assert {guess.class_name for guess in found} == {"red", "lime", "blue"}
    assert sum(guess.share for guess in found) == pytest.approx(1)
    assert [
        library.open(*WHERE).classify(Query(text=name), "flat", k=3).by_class_names[0].class_name
        for name in ("red", "blue")
    ] == [
        "red",
        "blue",
    ]


@pytest.mark.parametrize("prompts", [("{}",), ("{}", "dark{}")])
def test_a_class_name_that_the_encoder_cannot_read_is_left_out_alone_and_named(world, library, monkeypatch, prompts):
    """By its name alone: this encoder reads the second prompt without it."""
    spec, read = replace(encoder_table.ENCODERS["mean-colour"], prompts=prompts), world.encoder.encode_texts
    monkeypatch.setitem(encoder_table.ENCODERS, "mean-colour", spec)
    world.change(class_names=("red", "green", "blue"))
    monkeypatch.setattr(
        world.encoder, "encode_texts", lambda texts: read([text.replace("dark猫", "black") for text in texts])
    )
    before = world.library().open(*WHERE).classify(Query(row=1), "flat", k=5)
    world.change(class_names=("red", "猫", "blue"))
    found = world.library().open(*WHERE).classify(Query(row=1), "flat", k=5)
    assert found.guesses[0].share > 0 and (before.names_notice, before.names_left_out) == ("", ())
    assert [guess.class_name for guess in found.by_class_names] == ["red", "blue"]
    angles = {guess.label: guess.degrees for guess in before.by_class_names}
    assert {guess.label: guess.degrees for guess in found.by_class_names} == {n: angles[n] for n in ("n0", "n2")}
    assert sum(guess.share for guess in found.by_class_names) == pytest.approx(1)
    said = found.to_json()
    assert said["names_left_out"] == ["猫"]
    assert (
        said["names_notice"].startswith("mean-colour cannot read 1 of the 3 class names")
        and "'猫'" in said["names_notice"]
    )


def test_no_class_name_that_the_encoder_can_read(world, library):
    world.change(class_names=("猫", "собака", "ὄρνις"))
    found = world.library().open(*WHERE).classify(Query(row=0), "flat", k=5)
    assert found.by_class_names == () and found.guesses[0].share > 0
    assert found.names_left_out == ("猫", "собака", "ὄρνις") and "3 of the 3 class names" in found.names_notice


def test_of_many_unread_names_a_sentence_has_some_and_tells_how_many_more():
    said = unread_note("bundled", [f"{number}号" for number in range(40)], 50)
    assert "40 of the 50" in said and "'4号' and 35 more" in said and "'5号'" not in said
    assert "\n" not in unread_note("bundled", ["a\nb"], 2)


def test_an_encoder_without_words_has_no_class_names(library, monkeypatch):
    spec = encoder_table.ENCODERS["mean-colour"]
    monkeypatch.setitem(encoder_table.ENCODERS, "mean-colour", replace(spec, text=False))
    found = library.open(*WHERE).classify(Query(row=0), "flat", k=3)
    assert found.by_class_names == () and "mean-colour reads no words" in found.names_notice


def test_a_stored_query_needs_no_weights(world, library, monkeypatch):
    def none(name, **options):
        raise NoWeights("not here")

    monkeypatch.setattr(encoder_table, "load", none)
    found = world.library().open(*WHERE).classify(Query(row=0), "flat", k=3)
    assert found.guesses[0].class_name == "red" and found.by_class_names == ()
    assert found.names_notice == "There is no answer by class names: not here"


def test_class_names_are_not_read_with_other_weights(world, library):
    world.encoder.weights_sha256 = "cd" * 32
    with pytest.raises(BadArtifact, match="other weights"):
        world.library().open(*WHERE).classify(Query(row=0), "flat", k=3)


def test_pictures_of_unknown_class_are_no_guess(world):
    world.change(pictures=ColourPictures(COLOURS, [0, -1, 1, 2, 1]), class_names=("red", "lime", "blue"))
    found = world.ready().open(*WHERE).classify(Query(row=0), "flat", k=4, temperature=None)
    assert {guess.label: guess.share for guess in found.guesses} == {"n1": 0.5, "n2": 0.25}
    assert found.shares == (0.25,) * 4


def test_a_gallery_without_classes(world):
    world.change(pictures=ColourPictures(COLOURS, [-1] * 5), label_names=(), class_names=())
    with pytest.raises(BadQuery, match="'colours' has no classes: put the pictures of each class in a folder"):
        world.ready().open(*WHERE).classify(Query(row=0), "flat")


@pytest.mark.parametrize("temperature", [0, -0.07, float("nan"), True, "0.07"])
def test_temperature_out_of_bounds(library, temperature):
    with pytest.raises(BadQuery, match=r"temperature = .* is out of bounds: choose above 0"):
        library.open(*WHERE).classify(Query(row=0), "flat", temperature=temperature)


def test_json(library):
    content = library.open(*WHERE).classify(Query(row=0), "flat", k=2).to_json()
    assert set(content) >= {"guesses", "by_class_names", "names_notice", "names_left_out", "hits", "timing"}
    angle = {"degrees", "radians"}
    assert set(content["hits"][0]) == {"rank", "row", "label", "class_name", "score", "share"} | angle
    assert set(content["guesses"][0]) == {"label", "class_name", "share"}
