"""The parts of `bench hold` that need no page: flipped bits, mutated pictures and texts, and kills."""

from __future__ import annotations

import numpy as np
import pytest

from searchdemo import shipped
from searchdemo.bench.hold import flips, kills, mutations


def test_flipped_bits_are_counted_and_noticed(monkeypatch):
    files = len([name for name in shipped.listed(shipped.LIST) if not name.startswith("searchdemo/")])
    (row,) = flips.run(0.01, seed=1)
    assert row.holds and row.name.startswith(f"{files} flipped bits")
    monkeypatch.setattr(shipped, "check", lambda path: path)
    (row,) = flips.run(0.01, seed=1)
    assert row.measured == files and not row.holds


def test_mutated_pictures_and_texts_end_in_sentences(monkeypatch):
    (row,) = mutations.run(0.04, seed=1)
    assert row.holds, row.name
    monkeypatch.setattr(mutations, "open_picture", lambda data: 1 / 0)
    (row,) = mutations.run(0.01, seed=1)
    assert row.measured > 0 and "ZeroDivisionError" in row.name


@pytest.mark.parametrize("part", [flips, mutations])
def test_the_same_seed_asks_the_same(part):
    assert part.run(0.002, seed=3) == part.run(0.002, seed=3)


def test_killed_builds_and_first_uses_lose_nothing():
    builds, uses = kills.run(0.02, seed=1)
    assert builds.holds and builds.name == "2 kills of a build at random moments", builds.name
    assert uses.holds and uses.name == "1 kills of a process during the first use of an index", uses.name


def test_what_is_embedded_again_and_wrong_vectors_are_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    place = kills.Place(tmp_path)
    vectors = place.draw()
    assert not kills.same(vectors, place.built())
    kills.build_once(place)
    assert place.told()[-1] == [kills.PICTURES, kills.PICTURES] and kills.same(vectors, place.built())
    assert not kills.same(np.roll(vectors, 1, axis=1), place.built())
    assert kills._lost(place, done=0) == [] and kills._lost(place, done=8) == ["8 pictures were embedded again"]
    (place.built().folder / "ivf.faiss").write_bytes(b"half")
    faults = []
    assert kills._checked(place, faults) is None and "does not match its checksum" in faults[0]
