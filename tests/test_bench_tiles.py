"""The benchmark `tiles`: what it counts, worked out by hand from the drawings."""

from __future__ import annotations

import numpy as np

from searchdemo.bench.suite import tiles
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.galleries.scenes import load_scenes
from tests.colours import Colours


def test_recall_of_small_and_large_things_and_what_parts_cost(tmp_path, monkeypatch):
    monkeypatch.setattr("searchdemo.encoders.table.load", lambda name, **options: Colours())
    monkeypatch.setattr(tiles, "QUICK_PICTURES", 120)
    library = Library(Store(own=tmp_path, shipped=tmp_path / "nothing-ships"))
    card = measure("tiles", Bench(library, Key("tiny-imagenet", "bundled"), quick=True))
    without, with_parts = card.parts["tiles"]
    assert (without["tiles"], without["vectors"], with_parts["tiles"], with_parts["vectors"]) == (
        "none",
        120,
        "2 x 2",
        600,
    )
    assert without["build_times"] == without["flat_times"] == without["ivf_times"] == 1
    assert with_parts["size_bytes"] > 4 * without["size_bytes"] - 50_000 and with_parts["seconds"] > 0
    assert card.settings["pictures_of"] == "scenes" and not [*tmp_path.glob("scenes/*")]

    library.build(Key("scenes", "bundled", limit=120))
    collection, scenes = library.open("scenes", "bundled"), load_scenes()
    rows, held_out = collection.gallery_rows(np.arange(120)), load_scenes("queries")
    found, there = {"small": 0, "large": 0}, {"small": 0, "large": 0}
    for number, vector in enumerate(collection.queries):
        asked = held_out[collection.query_row(number)]
        right = [
            place
            for place, row in enumerate(rows)
            if (scenes[row].thing, scenes[row].colour) == (asked.thing, asked.colour)
        ]
        nearest = np.argsort(-(collection.vectors.all() @ vector), kind="stable")[: len(right)]
        for place in right:
            there[scenes[rows[place]].size] += 1
            found[scenes[rows[place]].size] += place in nearest
    assert sum(there.values()) > 20
    for size in tiles.DRAWN:
        assert without[f"pictures_{size}"] == found[size] / there[size]
    (drawn,) = tiles.tables([card])
    assert [row[0] for row in drawn.cells()] == ["none", "2 x 2"] and drawn.name == "tiles-bundled"
