"""Texts that were read already are not computed again. What is computed is counted."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.cache import Caches
from searchdemo.collection import reading
from searchdemo.collection.query import Query
from searchdemo.collection.reading import reader
from searchdemo.errors import BadQuery
from searchdemo.measure.race import Race, encode

WHERE = ("colours", "mean-colour")


@pytest.fixture
def read(world, monkeypatch) -> list[list[str]]:
    """The texts of each call of the encoder."""
    encode_texts, calls = world.encoder.encode_texts, []

    def noted(texts):
        calls.append(list(texts))
        return encode_texts(texts)

    monkeypatch.setattr(world.encoder, "encode_texts", noted)
    return calls


def test_the_same_words_are_read_once_and_answered_alike(world, read):
    collection = world.ready().open(*WHERE)
    read.clear()
    first, second = (collection.search(Query(text="red"), "flat", 5) for _ in range(2))
    assert read.count(["red"]) == 1
    assert [hit.row for hit in first.hits] == [hit.row for hit in second.hits]
    assert [hit.score for hit in first.hits] == [hit.score for hit in second.hits]
    collection.search(Query(text="red + blue"), "flat", 5)
    assert read.count(["red"]) == read.count(["blue"]) == 1  # a term of a sum, too


def test_what_measures_an_encoder_has_it_read_each_time(world, read):
    collection = world.ready().open(*WHERE)
    collection.search(Query(text="red"), "flat", 5)
    read.clear()
    encode(collection, Query(text="red"), Race(repeats=3))
    assert read.count(["red"]) >= 3


def test_a_row_that_is_kept_cannot_be_changed_and_a_batch_is_none(world, read):
    kept = reader(world.encoder)
    row = kept.encode_texts(["green"])
    assert np.array_equal(row, world.encoder.encode_texts(["green"])) and kept.dim == world.encoder.dim
    with pytest.raises(ValueError, match="read-only"):
        row[0, 0] = 7
    read.clear()
    kept.encode_texts(["green", "blue"])
    kept.encode_texts(["blue"])
    assert read == [["green", "blue"], ["blue"]]


def test_the_texts_that_were_not_asked_for_longest_are_forgotten(world, read, monkeypatch):
    monkeypatch.setattr(reading, "_rows", Caches(2))
    for text in ("red", "green", "red", "blue", "red", "green"):
        reader(world.encoder).encode_texts([text])
    assert read == [["red"], ["green"], ["blue"], ["green"]]


def test_an_error_is_not_kept(world, monkeypatch):
    def refused(texts):
        raise BadQuery("not today")

    encode_texts = world.encoder.encode_texts
    monkeypatch.setattr(world.encoder, "encode_texts", refused)
    with pytest.raises(BadQuery, match="not today"):
        reader(world.encoder).encode_texts(["red"])
    monkeypatch.setattr(world.encoder, "encode_texts", encode_texts)
    assert reader(world.encoder).encode_texts(["red"]).shape == (1, world.encoder.dim)
