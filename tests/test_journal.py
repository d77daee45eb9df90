"""What a build has embedded so far survives cuts, damage and a full disk."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from searchdemo.collection import journal
from searchdemo.collection.journal import KEY_BYTES, Journal
from searchdemo.errors import SearchDemoError
from searchdemo.types import MISSING

DIM, RECORD = 4, KEY_BYTES + 4 + 4 * 4 + 4
KEYS = [bytes([number]) * KEY_BYTES for number in range(6)]
ROWS = np.arange(6 * DIM, dtype=np.float32).reshape(6, DIM)


@pytest.fixture
def path(tmp_path):
    """Of a journal that holds two passes of three pictures, the last of which cannot be read."""
    rows = ROWS.copy()
    rows[5] = np.nan
    with Journal(tmp_path / "vectors.partial", {"weights": "ab"}, DIM) as written:
        written.add(KEYS[:3], rows[:3], 1.5)
        written.add(KEYS[3:], rows[3:], 0.5)
    return tmp_path / "vectors.partial"


def reopened(path, weights: str = "ab", dim: int = DIM) -> Journal:
    with Journal(path, {"weights": weights}, dim) as opened:
        return opened


def test_what_was_added_is_found_again(path):
    opened = reopened(path)
    assert [*opened.vectors] == KEYS and opened.seconds == pytest.approx(2.0)
    assert all(np.array_equal(opened.vectors[key], row) for key, row in zip(KEYS[:5], ROWS, strict=False))
    assert np.isnan(opened.vectors[KEYS[5]]).all()


@pytest.mark.parametrize("cut", [1, RECORD - 1, RECORD, RECORD + 1])
def test_a_record_that_was_cut_off_is_dropped_and_the_file_goes_on_from_there(path, cut):
    path.write_bytes(path.read_bytes()[:-cut])
    whole = 6 - 1 - (cut > RECORD)
    with Journal(path, {"weights": "ab"}, DIM) as opened:
        assert [*opened.vectors] == KEYS[:whole]
        opened.add(KEYS[whole:], ROWS[whole:], 0.1)
    assert [*reopened(path).vectors] == KEYS
    assert np.array_equal(reopened(path).vectors[KEYS[5]], ROWS[5])


@pytest.mark.parametrize("damage", ["a flipped bit", "zeros"])
def test_a_damaged_record_is_dropped_with_those_after_it(path, damage):
    """A loss of power may leave the length of a file without its bytes."""
    held = bytearray(path.read_bytes())
    if damage == "zeros":
        held[-2 * RECORD :] = bytes(2 * RECORD)
    else:
        held[-2 * RECORD + 20] ^= 1
    path.write_bytes(held)
    assert [*reopened(path).vectors] == KEYS[:4]


@pytest.mark.parametrize("other", [{"weights": "cd"}, {"dim": 5}])
def test_what_belongs_to_something_else_is_begun_again(path, other):
    assert not reopened(path, **other).vectors
    assert not reopened(path, **other).vectors and not reopened(path).vectors


def test_an_older_kind_of_file_is_begun_again(path):
    path.write_bytes(b"\x93NUMPY\x01\x00 and so on")
    assert not reopened(path).vectors


def test_a_full_disk_is_a_sentence(path, monkeypatch):
    opened = Journal(path, {"weights": "ab"}, DIM)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal.os, "fsync", full)
    monkeypatch.setattr(journal, "SYNC_SECONDS", MISSING)
    with opened, pytest.raises(SearchDemoError, match=r"No space left on device.*make room, or set SEARCHDEMO_HOME"):
        opened.add(KEYS[:1], ROWS[:1], 1)
