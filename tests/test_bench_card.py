"""Run cards: what is written is read again, and which of several is taken."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from searchdemo import assets
from searchdemo.bench import table
from searchdemo.bench.workload import Bench
from searchdemo.collection.store import Key
from searchdemo.errors import BadArtifact
from searchdemo.measure import cards as run_card
from searchdemo.measure import machine
from searchdemo.measure.cards import Figures, Requirement, RunCard

CARD = RunCard(
    benchmark="latency",
    gallery="scenes",
    encoder="bundled",
    parts={"search": [{"index": "flat", "p50_ms": 0.5, "recall_10": None}]},
    subject={"vectors": 2000, "dim": 128, "stand_in": False},
    settings={"quick": False, "seed": 0, "threads": [1]},
    requirements=[Requirement("fast", 0.5, 1.0), Requirement("right", 0.5, 1.0, at_least=True, unit="ms")],
    notes=["extraction: no weights"],
    machine={"name": "a machine, 2 cores"},
    versions={"numpy": "2.0"},
    at="2026-01-02T03:04:05+00:00",
    seconds=1.5,
)
QUICK = replace(CARD, settings=CARD.settings | {"quick": True})


def test_a_card_is_read_as_it_was_written(tmp_path):
    path = run_card.save(CARD, tmp_path)
    assert path == tmp_path / "scenes" / "bundled" / "latency.json"
    assert run_card.load(path) == CARD
    written = json.loads(path.read_text())
    assert [floor["holds"] for floor in written["floors"]] == [
        True,
        False,
    ] and "requirements" not in written  # for those who read the JSON alone


def test_a_bound_in_words():
    assert CARD.requirements[0].cells() == ("holds", "fast", "0.5", "at most 1")
    assert CARD.requirements[1].cells() == ("FAILS", "right", "0.5 ms", "at least 1 ms")
    assert Requirement("equal", 1, 1).holds and Requirement("equal", 1, 1, at_least=True).holds
    assert not Requirement("not measured", float("nan"), 1).holds


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: content | {"format": 2}, "format 2, wanted 1"),
        (lambda content: content | {"colour": "red"}, "colour"),
        (lambda content: {k: v for k, v in content.items() if k != "parts"}, "parts"),
        (lambda content: [content], "list"),
    ],
    ids=["format", "unknown field", "missing field", "no object"],
)
def test_what_is_no_card_of_this_version(tmp_path, spoil, reason):
    path = run_card.save(CARD, tmp_path)
    path.write_text(json.dumps(spoil(CARD.to_json())))
    run_card.save(replace(CARD, encoder="resnet18"), tmp_path)
    with pytest.raises(BadArtifact, match=rf"(?s)latency\.json is not a run card.*{reason}.*measure again"):
        run_card.load(path)
    assert [card.encoder for card in run_card.cards(tmp_path)] == ["resnet18"]


def test_a_torn_card_is_refused(tmp_path):
    path = run_card.save(CARD, tmp_path)
    path.write_text(path.read_text()[:100])
    with pytest.raises(BadArtifact):
        run_card.load(path)
    with pytest.raises(BadArtifact):
        run_card.load(tmp_path / "nothing.json")


def test_a_quick_run_never_replaces_a_full_one(tmp_path):
    full, quick = run_card.save(CARD, tmp_path), run_card.save(QUICK, tmp_path)
    assert full != quick and run_card.load(full) == CARD and run_card.load(quick) == QUICK
    assert len([*run_card.cards(tmp_path, benchmark="latency")]) == 2
    assert not [*run_card.cards(tmp_path, benchmark="late")]


def test_ones_own_is_found_first_the_newest_full_run_before_a_quick_one(tmp_path):
    own, shipped = tmp_path / "own", tmp_path / "shipped"

    def found() -> RunCard | None:
        return run_card.find("latency", Key("scenes", "bundled"), own, shipped)

    run_card.save(replace(CARD, encoder="resnet18"), own)
    assert found() is None
    run_card.save(replace(CARD, seconds=9, at="2027-01-01"), shipped)
    assert found().seconds == 9
    quick = replace(QUICK, at="2026-02-02")
    run_card.save(quick, own)
    assert found() == quick
    older = run_card.save(CARD, own)
    assert found() == CARD
    older.rename(older.with_name("latency-quick.json"))  # wherever they lie, what they say counts
    run_card.save(replace(CARD, at="2026-03-03"), own)
    assert found().at == "2026-03-03"


VARIANTS = [
    ({"limit": 31}, "bundled-n31"),
    ({"transform": "full"}, "bundled-full"),
    ({"metric": "l2"}, "bundled-l2"),
    ({"weights": "1a2b3c4d"}, "bundled-w1a2b3c4d"),
    ({"transform": "full", "metric": "l2", "limit": 31, "weights": "1a2b3c4d"}, "bundled-full-l2-n31-w1a2b3c4d"),
]


@pytest.mark.parametrize(("variant", "folder"), VARIANTS, ids=[folder for _, folder in VARIANTS])
def test_an_unusual_run_never_replaces_the_usual_one(tmp_path, variant, folder):
    unusual = replace(CARD, settings=CARD.settings | variant)
    run_card.save(CARD, tmp_path)
    path = run_card.save(unusual, tmp_path)
    assert path == tmp_path / "scenes" / folder / "latency.json" and run_card.load(path).variant == variant
    assert run_card.find("latency", Key("scenes", "bundled"), tmp_path) == CARD
    assert run_card.find("latency", Key("scenes", "bundled"), tmp_path, variant=variant) == unusual
    assert all(f"{name} {value}" in unusual.source for name, value in variant.items())


def test_what_is_unusual_is_told_by_the_key_and_ones_own_weights(tmp_path):
    (tmp_path / "weights").write_bytes(b"abc")
    assert run_card.variant_of(Key("scenes", "bundled")) == {}
    assert run_card.variant_of(Key("scenes", "bundled", limit=31, metric="l2")) == {"metric": "l2", "limit": 31}
    # SHA-256 of "abc", as FIPS 180 has it
    assert run_card.variant_of(Key("scenes", "bundled"), tmp_path / "weights") == {"weights": "ba7816bf"}


def test_cards_that_ship_lie_where_they_would_be_written():
    for card in (found := list(run_card.cards(assets.CARDS))):
        assert (assets.CARDS / card.path).is_file() and card.variant == {}
    assert found


def test_a_run_tells_what_was_unusual_about_its_vectors(world, monkeypatch):
    monkeypatch.setattr(table.BENCHMARKS.find("latency"), "run", lambda bench: Figures({}, {}))
    library = world.library(limit=20, transform="full")
    key = Key("colours", "mean-colour", limit=20, transform="full")
    card = table.measure("latency", Bench(library, key))
    assert card.variant == {"transform": "full", "limit": 20}
    assert table.measure("latency", Bench(world.library(), Key("colours", "mean-colour"))).variant == {}


def test_a_run_is_logged_from_start_to_end(world, monkeypatch, caplog):
    monkeypatch.setattr(table.BENCHMARKS.find("latency"), "run", lambda bench: Figures({}, {}, notes=["one"]))
    with caplog.at_level("INFO", "searchdemo.bench"):
        table.measure("latency", Bench(world.library(), Key("colours", "mean-colour")))
    start, end = caplog.messages
    assert start == "benchmark latency of colours/mean-colour starts"
    assert end.startswith("benchmark latency of colours/mean-colour ended after ") and end.endswith(" s, notes: 1")


def test_without_roots_ones_own_and_those_that_ship(tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "CARDS", tmp_path / "shipped")
    run_card.save(replace(CARD, seconds=9), tmp_path / "shipped")
    run_card.save(CARD, run_card.own_cards())
    assert [card.seconds for card in run_card.cards()] == [1.5, 9]


def test_a_folder_of_pictures_has_a_place_for_its_cards(tmp_path):
    card = replace(CARD, gallery="folder:/home/me/pictures")
    path = run_card.save(card, tmp_path)
    assert len(path.relative_to(tmp_path).parts) == 3
    assert [*run_card.cards(tmp_path)] == [card]


def test_the_line_that_says_where_figures_come_from():
    assert CARD.source == "scenes × bundled · 2,000 × 128 · a machine, 2 cores · 2026-01-02"
    marked = replace(QUICK, subject={"stand_in": True, "synthetic": True}, machine={})
    assert marked.source == "scenes × bundled (stand-in, synthetic, quick run) · an unknown machine · 2026-01-02"


def test_facts_of_this_machine_go_into_json():
    facts, versions = machine.machine_facts(), machine.versions()
    assert facts["cores"] >= 1 and facts["memory_bytes"] > 0 and facts["name"]
    assert {"python", "numpy", "torch"} <= set(versions)
    assert json.loads(json.dumps([facts, versions])) == [facts, versions]
