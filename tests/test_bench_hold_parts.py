"""The parts of `bench hold` that need no page: flipped bits, and mutated pictures and texts."""

from __future__ import annotations

import pytest

from searchdemo import shipped
from searchdemo.bench.hold import flips, mutations


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
