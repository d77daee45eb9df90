"""bench: from the command line to run cards, tables and a document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from searchdemo import cli
from searchdemo.bench import card as run_card
from searchdemo.bench import table
from searchdemo.errors import BadArtifact, NoWeights
from searchdemo.indexes.table import INDEXES
from tests.cli_tools import LIMIT


class Refusing:
    """A benchmark that cannot run here."""

    def __init__(self, error: Exception):
        self.error = error

    def run(self, bench):
        raise self.error


@pytest.fixture
def few(monkeypatch):
    """Only two indexes are measured, and only latency of the benchmarks."""
    for name in set(INDEXES) - {"brute", "flat"}:
        monkeypatch.delitem(INDEXES, name)
    for name in set(table.BENCHMARKS) - {"latency"}:
        monkeypatch.delitem(table.BENCHMARKS, name)


def test_a_quick_run_writes_the_card_that_it_prints(run, built, few, tmp_path):
    content = run("bench", "latency", *built, "--quick", "--cards", str(tmp_path), "--threads", "1", "--seed", "7")
    (path,), (printed,) = map(Path, content["files"]), content["cards"]
    assert path == tmp_path / "scenes" / "bundled" / "latency-quick.json"
    assert json.loads(path.read_text()) == printed
    card = run_card.load(path)
    assert card.settings == {"quick": True, "seed": 7, "threads": [1], "k": 10}
    assert card.subject["vectors"] == LIMIT and card.subject["stand_in"]
    assert [(row["index"], row["recall_10"]) for row in card.parts["search"]] == [("brute", 1), ("flat", 1)]
    assert card.machine["cores"] >= 1 and "numpy" in card.versions and card.at and card.seconds > 0


def test_cards_lie_beside_ones_own_indexes_and_a_person_reads_tables(built, few, capsys):
    assert cli.main(["bench", "latency", *built, "--quick"]) == 0
    text = capsys.readouterr().out
    assert "scenes × bundled (stand-in, quick run)" in text
    assert "index" in text and "p50 ms" in text and "flat" in text
    (card,) = run_card.cards(run_card.own_cards())
    assert f"Run card: {run_card.own_cards() / card.path}" in text


def test_several_encoders_one_after_the_other(run, built, few, tmp_path):
    content = run(
        *("bench", "latency", *built, "--quick", "--synthetic", "--cards", str(tmp_path)),
        *("--encoders", "bundled", "resnet18"),
    )
    subjects = {card["encoder"]: card["subject"] for card in content["cards"]}
    assert not subjects["bundled"]["synthetic"] and subjects["resnet18"]["synthetic"]
    assert subjects["resnet18"]["dim"] == 512


def test_all_goes_on_past_what_cannot_run(run, built, few, monkeypatch):
    monkeypatch.setitem(table.BENCHMARKS, "weightless", Refusing(NoWeights("No weights of it are here.")))
    monkeypatch.setitem(table.BENCHMARKS, "mixed", Refusing(BadArtifact("Made with other weights.")))
    content = run("bench", "--all", *built, "--quick")
    assert [card["benchmark"] for card in content["cards"]] == ["latency"]
    assert content["skipped"] == [
        "weightless of bundled was skipped: No weights of it are here.",
        "mixed of bundled was skipped: Made with other weights.",
    ]


def test_one_that_was_named_and_cannot_run_is_an_error(complaint, built, few, monkeypatch):
    monkeypatch.setitem(table.BENCHMARKS, "weightless", Refusing(NoWeights("No weights of it are here.")))
    assert "No weights of it are here." in complaint("bench", "weightless", *built)


def test_words_that_make_no_sense(complaint, built):
    said = complaint("bench", "latencies", *built)
    assert "'latencies'" in said and "Did you mean 'latency'?" in said
    assert "Name a benchmark, or --all: latency" in complaint("bench", *built)
    assert "'resnet19'" in complaint("bench", "latency", "--encoders", "resnet19", *built)
    assert "is not built" in complaint("bench", "latency", *built[-2:], "--gallery", "scenes", "--encoder", "resnet18")


def test_a_document_is_drawn_from_full_runs(run, complaint, built, few, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    document, cards = tmp_path / "figures.md", ["--cards", str(tmp_path / "cards")]
    marked = "# Figures\n\n<!-- table:latency-search-bundled -->\n<!-- end -->\n"
    assert "There is no document" in complaint("bench", "--report", str(document), *cards, *built)
    document.write_text(marked)
    monkeypatch.setattr(run_card, "SHIPPED", tmp_path / "nothing-ships")

    run("bench", "latency", *built, "--quick", *cards)
    assert "no run card has" in complaint(
        "bench", "--report", str(document), *cards, *built
    )  # a quick run is not for show
    assert document.read_text() == marked

    (quick,) = run_card.cards(tmp_path / "cards")
    quick.settings["quick"] = False
    run_card.save(quick, tmp_path / "shipped")
    monkeypatch.setattr(run_card, "SHIPPED", tmp_path / "shipped")
    content = run("bench", "--report", str(document), *cards, *built)  # none of one's own: those that ship
    assert content["plots"] == [str(tmp_path / "plots" / "latency.svg")] and Path(content["plots"][0]).is_file()
    assert "| flat |" in document.read_text()
