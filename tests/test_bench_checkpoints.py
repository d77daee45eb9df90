"""Weights of one's own beside published ones: figures worked out by hand on plain colours."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo.bench.suite import checkpoints
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.store import Key
from searchdemo.encoders import table as encoder_table
from searchdemo.errors import BadQuery, NotHere
from tests.conftest import ColourPictures, MeanColour, unit

COLOURS = np.array([(250, 9, 9), (9, 250, 9), (9, 9, 250)] * 4, np.uint8)
LABELS = np.arange(12) % 3


class Blind(MeanColour):
    """All pictures look alike but for their brightness, which says nothing of their class."""

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        return unit(np.pad(np.full((len(pixels), 1), 1.0), ((0, 0), (0, 7))))


@pytest.fixture
def bench(world, monkeypatch, tmp_path):
    """The checkpoint tells colours apart, the published weights tell nothing."""
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"x" * 1000)
    world.change(pictures=ColourPictures(COLOURS, LABELS, broken=[0]), queries=ColourPictures(COLOURS[:6], LABELS[:6]))
    published = Blind("cd" * 32)
    monkeypatch.setattr(encoder_table, "load", lambda name, **how: world.encoder if how.get("weights") else published)
    monkeypatch.setattr(encoder_table, "weights_path", lambda name: None)
    library = world.library(weights={"mean-colour": file})
    return Bench(library, Key("colours", "mean-colour"), weights=file)


def test_both_rows_by_hand(bench):
    card = measure("checkpoints", bench)
    mine, published = card.parts["checkpoints"]
    assert (mine["weights"], mine["digest"], mine["model_bytes"]) == ("your checkpoint", "abababab", 1000)
    assert (published["weights"], published["digest"]) == ("published", "cdcdcdcd")
    assert (mine["top1"], mine["top5"], mine["found_1"], mine["found_10"]) == (100, 100, 1, 1)
    # All vectors are equal, so the vote goes by numbers: 4 of each class but the first, which lost its broken picture.
    assert published["top1"] == pytest.approx(100 / 3) and published["found_1"] == pytest.approx(1 / 3)
    assert card.parts["paired"] == [{"lost": 0, "gained": 4}] and card.subject["vectors"] == 11
    assert any("cannot be read here: 1" in note for note in card.notes) and "by +66.67 points" in card.notes[0]
    (drawn,) = checkpoints.tables([card])
    assert [row[2] for row in drawn.cells()] == ["abababab", "cdcdcdcd"] and "6 queries (held-out" in drawn.title


def test_without_held_out_queries_no_picture_finds_itself(world, bench):
    world.change(pictures=ColourPictures(COLOURS[:3], LABELS[:3]), queries=ColourPictures(COLOURS[:0], LABELS[:0]))
    card = measure("checkpoints", bench)
    assert card.settings["leave_one_out"] and card.parts["checkpoints"][0]["found_1"] == 0


def test_one_of_several_labels_is_right():
    row = unit(np.eye(2))
    searched = checkpoints.Read([row], np.array([[0, -1], [1, 2]]), [0.0], 2)
    asking = checkpoints.Read([row], np.array([[1, 0], [2, -1]]), [0.0], 2)
    figures, right = checkpoints.judged(searched, asking, 0, False, 3)
    assert figures["top1"] == 50 and right.tolist() == [True, False]  # the second query's first guess is class 1
    assert figures["top5"] == 100 and figures["found_1"] == 1


def test_what_cannot_be_compared_says_so(world, bench, monkeypatch):
    monkeypatch.setattr(encoder_table, "load", lambda name, **how: world.encoder)
    with pytest.raises(BadQuery, match="published weights of 'mean-colour'"):
        checkpoints.run(bench)
    bench.weights = None
    with pytest.raises(BadQuery, match="--weights FILE"):
        checkpoints.run(bench)


def test_pictures_without_labels_are_refused(world, bench):
    world.change(pictures=ColourPictures(COLOURS, np.full(12, -1)))
    with pytest.raises(NotHere, match="no labels"):
        checkpoints.run(bench)
