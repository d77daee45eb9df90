"""How much of a build is unwritten at any moment, which a kill would lose: counted, by clocks that stand still."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from searchdemo.collection import embed
from tests.clock import ThreadClock
from tests.conftest import ColourPictures, MeanColour, colour_pictures

COUNT = 240


class Tally:
    """Seconds of work that were done and not written yet, and the most that there ever were."""

    def __init__(self):
        self._lock, self._unwritten, self.most = threading.Lock(), 0.0, 0.0

    def add(self, seconds: float) -> None:
        with self._lock:
            self._unwritten += seconds
            self.most = max(self.most, self._unwritten)


def steady(seconds: float) -> np.ndarray:
    return np.full(COUNT, seconds)


def drawn(low: float, high: float) -> np.ndarray:
    """As many short as long ones, on a scale of ratios, in any order."""
    return np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), COUNT))


@pytest.mark.parametrize("cores", [1, 2, 8])
@pytest.mark.parametrize(
    ("opening", "network"),
    [
        (steady(0.001), 0.0005),
        (steady(0.001), 0.25),  # a large network
        (np.concatenate([steady(0.0005)[:160], steady(0.2)[:80]]), 0.001),  # small pictures, then photographs
        (drawn(0.001, 0.25), 0.02),
        (steady(0.25), 0.05),
    ],
    ids=["small", "a large network", "photographs after small ones", "mixed", "large"],
)
def test_at_most_a_second_of_work_is_unwritten_at_any_moment(tmp_path, monkeypatch, cores, opening, network):
    """Whatever a picture takes, up to a quarter of a second, and however the threads take turns."""
    clock, tally, batches = ThreadClock(), Tally(), []

    def takes(seconds: float) -> None:
        clock.sleep(seconds)
        tally.add(seconds)

    class Slow(ColourPictures):
        def encoded(self, row):
            takes(opening[row])
            return super().encoded(row)

    class Network(MeanColour):
        def encode_pixels(self, pixels):
            takes(network * len(pixels))
            return super().encode_pixels(pixels)

    add = embed.Journal.add

    def noted(*given):
        for batch, made in embed.here(*given):
            batches.append([place for place, _ in batch.items])
            yield batch, made

    def written(self, keys, vectors, seconds):
        add(self, keys, vectors, seconds)
        tally.add(-sum(opening[batches[-1]]) - network * len(keys))

    monkeypatch.setattr(embed.Journal, "add", written)
    monkeypatch.setattr(embed, "time", clock)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    drawn_pictures = colour_pictures(COUNT, seed=0)
    pictures = Slow(drawn_pictures.colours, drawn_pictures.labels)
    done = []
    made = embed.embed(
        pictures,
        np.arange(COUNT),
        Network(),
        tmp_path / "vectors.partial",
        lambda progress: done.append(progress.done),
        "embedding",
        embed.BATCH_SIZE,
        passes=noted,
    )
    assert tally.most / cores <= 1  # seconds of the build, which works on all cores at once
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(COUNT)) and done[-1] == COUNT
    assert np.abs(made.vectors - pictures.rows_of()).max() < 1e-6 and made.embedded == COUNT
    if (opening + network).max() < 0.01:
        assert max(map(len, batches)) == embed.BATCH_SIZE  # small pictures still go in large batches
