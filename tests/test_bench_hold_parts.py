"""The parts of `bench hold` that need no page: flipped bits, mutated pictures and texts, and kills."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from searchdemo import shipped
from searchdemo.bench.hold import arguments, flips, kills, mutations
from searchdemo.bench.hold.client import Refused
from searchdemo.bench.hold.outcome import QUICK
from searchdemo.bench.workload import Bench

told: list[int] = []


def test_flipped_bits_are_counted_and_noticed(monkeypatch):
    names = flips.files()
    assert len(names) == len([name for name in shipped.listed(shipped.LIST) if not name.startswith("searchdemo/")])
    assert flips.flipped(names, 1, 1, told.append) == (len(names), [])
    monkeypatch.setattr(shipped, "check", lambda path: path)
    assert flips.flipped(names[:3], 2, 1, told.append) == (6, [name for name in names[:3] for _ in range(2)])


def test_the_same_seed_damages_in_the_same_way():
    seeds = mutations.pictures()
    assert len(seeds) > 5
    twice = [[mutations.mutated(seed, random.Random(3)) for seed in seeds] for _ in range(2)]
    assert twice[0] == twice[1] != seeds
    assert [*mutations.mutated_texts(random.Random(3), 9)] == [*mutations.mutated_texts(random.Random(3), 9)]


def test_refusals_without_a_sentence_and_answers_that_break_off_are_counted():
    class Broken:
        def __init__(self):
            self.errors = iter([Refused(500, ""), Refused(500, arguments.UNFORESEEN), ConnectionResetError("gone")])

        def call(self, name: str, **given: object):
            raise next(self.errors, Refused(422, "There is no row 99999999."))

        def upload(self, *files: object) -> list[dict]:
            return [{"path": "x"}] * len(files)

    faults: list[str] = []
    attacker = mutations.Attacker(1, ("scenes", "bundled"), faults)
    attacker.visitor = Broken()
    attacker.attack(random.Random(0), mutations.pictures(), as_gallery=True)
    reasons = ["500: ", f"500: {arguments.UNFORESEEN}", "ConnectionResetError: gone"]
    assert faults == [f"call search_by_image: {reason}" for reason in reasons]


def test_killed_builds_and_first_uses_lose_nothing():
    found = kills.run(Bench(None, None), None, replace(QUICK, killed_builds=2, killed_uses=1))
    assert [(held.name, held.measured) for held in found.requirements] == [
        ("faults after 2 kills of a build at random moments", 0),
        ("faults after 1 kills of a process in the first use of an index", 0),
    ], found.notes


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
