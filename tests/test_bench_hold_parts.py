"""The parts of `bench hold` that need no page: flipped bits, mutated pictures and texts, and kills."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from searchdemo import shipped
from searchdemo.bench.hold import arguments, flips, killed_pages, kills, mutations
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
    found = kills.run(Bench(None, None), None, replace(QUICK, killed_builds=2, killed_uses=1, killed_pages=0))
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


class FakePage:
    """Answers as a whole index does, or as half of one."""

    def __init__(self, folder: Path, log: list[str]):
        self.folder, self.log, self.process = folder, log, self

    def kill(self) -> None:
        self.log.append("killed")

    def traces(self) -> int:
        return 0


@pytest.fixture
def pages_that_are_killed(tmp_path, monkeypatch):
    """What happens to pages, in order."""
    log: list[str] = []

    def asked(page: FakePage, index: str) -> list[set[int]]:
        log.extend([index] * (index != killed_pages.READY))
        path = page.folder / f"{index}.faiss"
        half = path.exists() and path.read_text() == "half"
        path.write_text("whole")
        return [{*range(5, 15)}] if half else [{*range(10)}]

    monkeypatch.setattr(killed_pages, "started", lambda folder: contextlib.nullcontext(FakePage(folder, log)))
    monkeypatch.setattr(killed_pages, "asked", asked)
    monkeypatch.setattr(killed_pages, "killed_in_use", lambda page, index, after_s: page.kill() is None)
    return log


USUAL = {"hnsw": ([{*range(10)}], 0.1), "sq8": ([{*range(10)}], 0.1)}


def test_each_page_is_asked_for_what_the_one_before_was_killed_over(pages_that_are_killed, tmp_path):
    assert killed_pages.killed(tmp_path, 3, USUAL, random.Random(0), told.append) == []
    assert pages_that_are_killed == ["killed", "hnsw", "killed", "sq8", "killed", "hnsw"]


def test_half_an_index_and_what_is_left_of_one_are_found(pages_that_are_killed, tmp_path, monkeypatch):
    def killed(page: FakePage, index: str, after_s: float) -> bool:
        (page.folder / f"{index}.faiss").write_text("half")
        (page.folder / f"{index}.faiss.1-2.partial").touch()
        return True

    monkeypatch.setattr(killed_pages, "killed_in_use", killed)
    assert killed_pages.killed(tmp_path, 1, USUAL, random.Random(0), told.append) == [
        "hnsw answers otherwise than in a process that was not killed: [5] of 10 hits are the same",
        "hnsw.faiss.1-2.partial is left",
    ]
