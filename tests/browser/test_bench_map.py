"""The benchmark `map`: its card, its bound, its neighbours; test_page_map.py moves a real page with it."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from searchdemo.bench.suite import frames
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.layout import principal, scaled
from searchdemo.collection.maps import keep
from searchdemo.collection.store import Key
from searchdemo.errors import NotBuilt, NotHere


@pytest.fixture
def bench(world, monkeypatch):
    rows = [{"motion": "pan", "where": "the whole map", "drawn": 9, "frames_per_second": 29.0}]
    monkeypatch.setattr(frames, "moved", lambda bench: rows)
    return Bench(world.ready(), Key("colours", "mean-colour"), quick=True)


def test_the_card_and_its_bound(bench):
    collection = bench.collection()
    with pytest.raises(NotBuilt, match=r"--gallery colours --encoder mean-colour --map"):
        measure("map", bench)
    keep(collection, scaled(principal(collection.vectors.all())), "PCA")
    card = measure("map", bench)
    assert [held.cells() for held in card.requirements] == [
        ("FAILS", "frames per second of the map, the slowest motion", "29 per s", "at least 30 per s")
    ]
    assert [table.name for table in frames.tables([card])] == ["map-frames", "map-neighbours"]


def test_neighbours_that_survive_are_counted(bench, monkeypatch):
    collection = bench.collection()
    vectors = collection.vectors.all()
    monkeypatch.setattr(frames, "SAMPLE", len(vectors))
    keep(collection, scaled(principal(vectors)), "PCA")
    found = frames.survival(collection)

    def others(apart: np.ndarray) -> np.ndarray:
        np.fill_diagonal(apart, np.inf)
        return np.argsort(apart, axis=1, kind="stable")[:, : frames.K]

    points = collection.map().points.astype(np.float64)
    exact, near = others(-vectors.astype(np.float64) @ vectors.T), others(((points[:, None] - points) ** 2).sum(axis=2))
    kept = np.mean([len({*a} & {*b}) / frames.K for a, b in zip(exact.tolist(), near.tolist(), strict=True)])
    assert found["kept_percent"] == pytest.approx(100 * kept, abs=0.5)
    assert found["map_top1"] > 60 and found["method"] == "PCA"


def test_without_a_browser_it_says_how_to_get_one(monkeypatch, world):
    monkeypatch.delenv("SEARCHDEMO_CHROMIUM", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(frames, "running_app", contextlib.nullcontext)
    with pytest.raises(NotHere, match="There is no Chromium here: apt-get install chromium"):
        frames.moved(Bench(world.library(), Key("colours", "mean-colour")))
