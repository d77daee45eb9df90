"""embed: the three contestants do the same work, each in its own way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from searchdemo.bench.points import ratio
from searchdemo.bench.suite import embed
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key
from searchdemo.encoders.base import How
from searchdemo.encoders.table import ENCODERS
from searchdemo.encoders.transforms import transform_of
from searchdemo.measure import cards as run_card
from tests.stand_in import stand_in

PICTURES = 16


@pytest.fixture(params=["bundled", "mobilenetv3-large"])
def bench(request, store) -> Bench:
    name = request.param
    weights = {} if name == "bundled" else {name: stand_in(name)}
    library = Library(store, device="cpu", weights=weights)
    return Bench(library, Key("scenes", name), quick=True, options={"pictures": PICTURES})


def test_the_contestants_take_turns_at_the_same_pictures(bench, monkeypatch, tmp_path):
    stages, others = [], [How("cpu", "openvino", "float32"), How("cpu", "torch", "float32")]
    monkeypatch.setattr(embed, "ways_of", lambda bench, encoder: [encoder.how, *others])
    monkeypatch.setattr(embed, "OTHERS", 8)
    bench.report = lambda progress: stages.append(progress.stage)
    card = measure("embed", bench)

    rows = {row["contestant"]: row for row in card.parts["embed"]}
    assert list(rows) == ["pipeline", "recipe", "bare", *(f"bare, {how}" for how in others)]
    for name, row in rows.items():
        assert row["pictures"] == (8 if name.startswith("bare, ") else PICTURES)
        assert row["per_second"] == pytest.approx(row["pictures"] / row["seconds"])
        assert row["stand_in"] == (bench.key.encoder != "bundled")
    assert rows["recipe"]["of_recipe"] == rows["bare"]["of_bare"] == 1
    turns = [stage for stage in dict.fromkeys(stages) if "round" in stage]
    assert turns == [f"{name}, round {turn} of 2" for turn in (1, 2) for name in rows]

    ours = bench.encoder()
    assert rows["recipe"]["precision"] == "float32 by torch on cpu"
    assert rows["pipeline"]["precision"] == rows["bare"]["precision"] == str(ours.how)
    assert ours.weights_sha256 == card.subject["weights_sha256"]
    assert card.settings["lowest_cosine"] > 0.99 and not card.notes

    held = {each.name: each for each in card.requirements}
    busy = held.pop("build against the bare forward pass", None)
    assert (busy is None) == (bench.key.encoder == "bundled")  # opening its pictures takes longer than it does
    assert busy is None or busy.measured == rows["pipeline"]["of_bare"]
    against_recipe = held.pop("build against the recipe that people copy", None)
    assert (against_recipe is not None) == (ours.how.precision != "float32") and not held

    (table,) = embed.tables([run_card.load(run_card.save(card, tmp_path))])
    assert [cells[1] for cells in table.cells()] == list(rows)
    assert ("stand-in weights" in table.markdown()) == (bench.key.encoder != "bundled")
    pytest.importorskip("matplotlib")
    assert set(embed.charts([card, card])) == {"embed"}


@pytest.mark.parametrize("transform", ["own", "full"])
@pytest.mark.parametrize("name", ["resnet18", "mobileclip2-s0"])
def test_the_recipe_sees_the_pixels_of_the_build(name, transform):
    spec, picture = ENCODERS[name], Image.effect_noise((90, 70), 80).convert("RGB")
    (ours,) = transform_of(spec, transform).pixels([picture])
    standardised = (ours / 255 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(embed._compose(spec, transform)(picture).permute(1, 2, 0), standardised, atol=1e-5)


def test_rows_of_other_pictures_are_told(store, monkeypatch):
    pipeline = embed.embed
    monkeypatch.setattr(embed, "ways_of", lambda bench, encoder: [encoder.how])

    def rolled(*args, **options):
        made = pipeline(*args, **options)
        return replace(made, vectors=np.roll(made.vectors, 1, axis=0))

    monkeypatch.setattr(embed, "embed", rolled)
    bench = Bench(Library(store, device="cpu"), Key("scenes", "bundled"), options={"pictures": PICTURES})
    figures = embed.run(bench)
    assert figures.settings["lowest_cosine"] < 0.99
    assert "not those of the same work" in figures.notes[0]


def test_pictures_that_cannot_be_read_are_left_out(store, monkeypatch):
    monkeypatch.setattr(embed, "ways_of", lambda bench, encoder: [encoder.how])
    bench = Bench(Library(store, device="cpu"), Key("scenes", "bundled"), options={"pictures": PICTURES})
    found = bench.pictures(PICTURES)[0]
    bench.pictures = lambda number: ([*found, b"no picture"], "scenes")
    assert {row["pictures"] for row in embed.run(bench).parts["embed"]} == {PICTURES}


def test_ratio_is_of_neighbours_in_time():
    assert ratio([3, 60], [1, 20]) == 3  # the machine was slow in the second round, for both
    assert ratio([2, 4], [1, 1]) == 3


def test_as_many_pictures_as_there_is_time_for(store, monkeypatch):
    class Timed:
        """A batch of 64 takes `seconds`."""

        def preprocess(self, images):
            return images

        def encode_pixels(self, pixels):
            clock[0] += self.seconds * len(pixels) / 64

    clock, encoder = [0.0], Timed()
    monkeypatch.setattr(embed.time, "perf_counter", lambda: clock[0])
    bench = Bench(Library(store), Key("scenes", "bundled"))
    for encoder.seconds, wanted in ((0.01, embed.MAX_PICTURES), (4.0, 192), (1000.0, 64)):
        assert embed._affordable(bench, encoder) == wanted
