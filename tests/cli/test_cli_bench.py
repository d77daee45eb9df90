"""bench: from the command line to run cards, tables and a document."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from searchdemo import assets, cli, guard
from searchdemo.bench import extraction, table, workload
from searchdemo.bench.suite import table1
from searchdemo.bench.workload import synthetic
from searchdemo.errors import BadArtifact, NoWeights, SearchDemoError
from searchdemo.galleries.drawing.scene import THINGS
from searchdemo.indexes.table import INDEXES
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import Figures, Requirement
from tests.cli_tools import LIMIT


class Refusing:
    """A benchmark that cannot run here."""

    def __init__(self, error: Exception):
        self.error = error

    def run(self, bench):
        raise self.error


class Measuring:
    """A benchmark that is over at once."""

    def run(self, bench) -> Figures:
        return Figures({}, {})

    def tables(self, cards) -> list:
        return []


@pytest.fixture
def few(monkeypatch, hasty):
    """Only latency is measured (table1 is of it), of two indexes and one runtime. Afterwards all are back, in order."""
    monkeypatch.setattr(extraction, "ways_of", lambda bench, encoder: [encoder.how])
    monkeypatch.setattr(extraction, "starting", lambda bench, how: {"start_s": 1.0, "resident_bytes": 1})
    kept = {"brute", "flat", "latency", "table1"}
    whole = [(entries, dict(entries)) for entries in (INDEXES, table.BENCHMARKS)]
    for entries, every in whole:
        for name in every.keys() - kept:
            del entries[name]
    yield
    for entries, every in whole:
        entries.clear()
        entries.update(every)


def test_a_quick_run_writes_the_card_that_it_prints(run, built, few, tmp_path):
    content = run("bench", "latency", *built, "--quick", "--cards", str(tmp_path), "--threads", "1", "--seed", "7")
    (path,), (printed,) = map(Path, content["files"]), content["cards"]
    assert path == tmp_path / "scenes" / f"bundled-n{LIMIT}" / "latency-quick.json"
    assert json.loads(path.read_text()) == printed
    card = run_card.load(path)
    assert card.settings == {"quick": True, "seed": 7, "threads": [1], "limit": LIMIT, "k": 10}
    assert card.subject["vectors"] == LIMIT and card.subject["stand_in"]
    assert [(row["index"], row["recall_10"]) for row in card.parts["search"]] == [("brute", 1), ("flat", 1)]
    assert card.machine["cores"] >= 1 and "numpy" in card.versions and card.at and card.seconds > 0


def test_cards_lie_beside_ones_own_indexes_and_a_person_reads_tables(built, few, capsys):
    assert cli.main(["bench", "latency", *built, "--quick"]) == 0
    text = capsys.readouterr().out
    assert f"scenes × bundled (stand-in, limit {LIMIT}, quick run)" in text
    assert "index" in text and "p50 ms" in text and "flat" in text
    cards = Path(built[-1]) / "cards"
    (card,) = run_card.cards(cards)
    assert f"Run card: {cards / card.path}" in text
    assert not [*run_card.cards(run_card.own_cards())]


def test_faults_are_an_error_once_the_table_is_printed_and_bounds_of_time_are_not(few, monkeypatch, capsys):
    slow = Requirement("slow", 9.0, 1.0, unit="ms")
    measuring = Measuring()
    monkeypatch.setitem(table.BENCHMARKS, "latency", measuring)
    for faults, missed, code in ((0, [slow], 0), (2, [slow], guard.BAD_INPUT), (0, [], 0)):
        held = [*missed, Requirement("killed", faults, 0, unit="faults")]
        monkeypatch.setattr(measuring, "run", lambda bench, held=held: Figures({}, {}, requirements=held))
        assert cli.main(["bench", "latency", "--gallery", "scenes"]) == code
        printed = capsys.readouterr()
        assert ("FAILS  slow         9 ms      at most 1 ms" in printed.out) == bool(missed)
        assert ("is no error, since a busy machine misses them" in printed.out) == bool(missed)
        assert ("1 requirement does not hold: killed." in printed.err) == bool(faults)


def test_without_out_dir_cards_lie_in_ones_own_folder(run, few, monkeypatch, tmp_path):
    monkeypatch.setitem(table.BENCHMARKS, "latency", Measuring())
    (path,) = run("bench", "latency", "--gallery", "scenes")["files"]
    assert Path(path) == tmp_path / "home" / "cards" / "scenes" / "bundled" / "latency.json"


def test_a_run_with_a_limit_or_ones_own_weights_leaves_the_usual_card_alone(run, few, monkeypatch, tmp_path):
    monkeypatch.setitem(table.BENCHMARKS, "latency", Measuring())
    (tmp_path / "mine").write_bytes(b"abc")
    options = ([], ["--limit", "31"], ["--transform", "full"], ["--weights", str(tmp_path / "mine")])
    written = [run("bench", "latency", "--gallery", "scenes", *each)["files"][0] for each in options]
    folders = ["bundled", "bundled-n31", "bundled-full", "bundled-wba7816bf"]
    assert [Path(path).parent.name for path in written] == folders


def test_latency_asks_for_what_the_options_say(run, complaint, built, few, tmp_path):
    """Another number of results, another metric: the card says so, and never replaces the usual one."""
    options = ("-k", "5", "--metric", "l2", "--index", "faiss:IVF2,Flat", "--nprobe", "2")
    content = run("bench", "latency", *built, "--quick", "--cards", str(tmp_path), *options)
    (path,), (card,) = map(Path, content["files"]), content["cards"]
    assert path.parent.name == f"bundled-n{LIMIT}-k5-l2-nprobe2" and card["settings"]["asked"] == "k 5, l2, nprobe 2"
    (row,) = card["parts"]["search"]
    assert row["recall_5"] == 1 and "recall_10" not in row  # both cells, on unit rows
    usual = run("bench", "latency", *built, "--quick", "--cards", str(tmp_path), "--index", "flat")
    assert Path(usual["files"][0]) != path and "asked" not in usual["cards"][0]["settings"]
    assert "ef_search" in complaint("bench", "latency", *built, "--index", "flat", "--ef-search", "9")


def test_several_encoders_one_after_the_other(run, built, few, monkeypatch, tmp_path):
    monkeypatch.setattr(workload, "synthetic", lambda number, *given: synthetic(1000, *given))
    content = run(
        *("bench", "latency", *built, "--quick", "--synthetic", "--cards", str(tmp_path)),
        *("--encoders", "bundled", "resnet18"),
    )
    subjects = {card["encoder"]: card["subject"] for card in content["cards"]}
    assert not subjects["bundled"]["synthetic"] and subjects["resnet18"]["synthetic"]
    assert subjects["resnet18"]["dim"] == 512


def test_one_table_over_several_encoders(run, built, few, tmp_path, capsys, monkeypatch):
    """Drawn once over all cards. Encoders that nobody named and that cannot run here are skipped, and that is said."""
    monkeypatch.setattr(table1, "INDEXES", ("brute", "flat"))
    options = [*built, "--quick", "--cards", str(tmp_path)]
    both = ["--encoders", "bundled", "resnet18", "--synthetic"]
    assert cli.main(["bench", "table1", *options, *both]) == 0
    printed = capsys.readouterr().out
    assert printed.count(" by encoder, one query at a time") == 1
    rows = {line.split()[0]: line for line in printed.splitlines() if line.startswith(("bundled ", "resnet18 "))}
    assert len(rows) == 2 and "stand-in weights" in rows["bundled"] and "–" in rows["bundled"]  # no ivf here
    assert "random vectors, recall says nothing" in rows["resnet18"]
    usual = run("bench", "table1", *options)
    assert [card["encoder"] for card in usual["cards"]] == ["bundled"]
    assert [said.split(" was ")[0] for said in usual["skipped"]] == [
        f"table1 of {name}" for name in table.ONE_TABLE["table1"].encoders[1:]
    ]


def test_all_goes_on_past_what_cannot_run(run, built, few, monkeypatch):
    monkeypatch.setitem(table.BENCHMARKS, "weightless", Refusing(NoWeights("No weights of it are here.")))
    monkeypatch.setitem(table.BENCHMARKS, "mixed", Refusing(BadArtifact("Made with other weights.")))
    monkeypatch.setitem(table.BENCHMARKS, "unlucky", Refusing(SearchDemoError("A process of it died.")))
    content = run("bench", "--all", *built, "--quick")
    assert [card["benchmark"] for card in content["cards"]] == ["latency"]
    assert content["skipped"] == [
        "weightless of bundled was skipped: No weights of it are here.",
        "mixed of bundled was skipped: Made with other weights.",
        "unlucky of bundled was skipped: A process of it died.",
    ]


def test_all_is_stopped_by_the_person_and_by_what_no_one_foresaw(built, few, monkeypatch, capsys):
    monkeypatch.setitem(table.BENCHMARKS, "latency", Refusing(KeyboardInterrupt()))
    assert cli.main(["bench", "--all", *built]) == guard.INTERRUPTED
    assert "skipped" not in capsys.readouterr().out
    monkeypatch.setitem(table.BENCHMARKS, "latency", Refusing(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["bench", "--all", *built])


def test_what_fails_costs_the_others_nothing(built, few, monkeypatch, capsys):
    """Foreseen or not, while measuring or drawing: the others are measured, saved and printed before it is told."""
    monkeypatch.setitem(table.BENCHMARKS, "torn", Refusing(KeyError("embed_pictures")))
    monkeypatch.setitem(table.BENCHMARKS, "weightless", Refusing(NoWeights("No weights of it are here.")))
    monkeypatch.setitem(table.BENCHMARKS, "undrawn", drawless := Measuring())
    monkeypatch.setattr(drawless, "tables", lambda cards: {}["embed_pictures"], raising=False)
    with pytest.raises(KeyError):
        cli.main(["bench", "torn", "weightless", "undrawn", "latency", *built, "--quick"])
    printed = capsys.readouterr().out
    assert "torn of bundled was skipped: KeyError: 'embed_pictures'" in printed
    assert "the tables of undrawn of bundled cannot be drawn" in printed
    assert "weightless of bundled was skipped: No weights of it are here." in printed
    assert "flat" in printed and printed.count("Run card: ") == 2
    assert cli.main(["bench", "weightless", "latency", *built, "--quick"]) == guard.BAD_INPUT
    said = capsys.readouterr()
    assert "flat" in said.out and said.err.strip().endswith("searchdemo: No weights of it are here.")


def test_one_that_was_named_and_cannot_run_is_an_error(complaint, built, few, monkeypatch):
    monkeypatch.setitem(table.BENCHMARKS, "weightless", Refusing(NoWeights("No weights of it are here.")))
    assert "No weights of it are here." in complaint("bench", "weightless", *built)


def test_words_that_make_no_sense(complaint, built):
    said = complaint("bench", "latencies", *built)
    assert "'latencies'" in said and "Did you mean 'latency'?" in said
    assert "--part has an effect on hold alone" in complaint("bench", "latency", *built, "--part", "load")
    assert "--minutes has an effect on milvus alone" in complaint("bench", "latency", *built, "--minutes", "60")
    assert "Name a benchmark, or --all: latency" in complaint("bench", *built)
    assert "'resnet19'" in complaint("bench", "latency", "--encoders", "resnet19", *built)
    assert "is not built" in complaint("bench", "latency", *built[-2:], "--gallery", "scenes", "--encoder", "resnet18")


def test_another_metric_is_refused_because_nothing_would_be_measured_by_it(complaint, built):
    said = complaint("bench", "tradeoff", *built, "--metric", "l2")
    assert "--metric l2" in said and "inner product" in said and "leave --metric out" in said
    assert "-k has no effect on knn" in complaint("bench", "knn", "latency", *built, "-k", "5")


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        (["latency", "knn"], "latency, knn"),
        (["--all"], "--all"),
        (["--recommend", "ms<=1"], "--recommend"),
        (["--want", "ms<=1"], "--recommend"),
    ],
)
def test_what_would_be_dropped_beside_a_report_is_refused(complaint, tmp_path, beside, named):
    document = tmp_path / "figures.md"
    document.write_text("nothing to draw")
    said = complaint("bench", *beside, "--report", str(document))
    assert f"{named} cannot stand beside --report" in said and "one after the other" in said


@pytest.mark.parametrize("limit", [1, len(THINGS)])
def test_too_few_pictures_for_a_head_say_how_many_are_enough(run, complaint, tmp_path, limit):
    few = ["--gallery", "scenes", "--limit", str(limit), "--out-dir", str(tmp_path / "few")]
    run("build", *few)
    said = complaint("bench", "knn", *few, "--quick")
    assert (
        f"here {limit} and {len(THINGS)}" in said and f"take {len(THINGS) + 1} pictures" in said and "--limit" in said
    )


def test_a_document_is_drawn_from_full_runs(run, complaint, built, few, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    document, cards = tmp_path / "figures.md", ["--cards", str(tmp_path / "cards")]
    marked = "# Figures\n\n<!-- table:latency-search-bundled -->\n<!-- end -->\n<!-- tables:latency -->\n<!-- end -->\n"
    assert "There is no document" in complaint("bench", "--report", str(document), *cards, *built)
    document.write_text(marked)
    monkeypatch.setattr(assets, "CARDS", tmp_path / "nothing-ships")

    run("bench", "latency", *built, "--quick", *cards)
    assert "no run card has" in complaint(
        "bench", "--report", str(document), *cards, *built
    )  # a quick run is not for show
    assert document.read_text() == marked

    (quick,) = run_card.cards(tmp_path / "cards")
    quick.settings["quick"] = False
    run_card.save(quick, tmp_path / "shipped")
    usual = {name: value for name, value in quick.settings.items() if name != "limit"}
    faster = [row | {"p50_ms": 1e-6} for row in quick.parts["search"]]
    run_card.save(replace(quick, settings=usual, parts=quick.parts | {"search": faster}), tmp_path / "shipped")
    monkeypatch.setattr(assets, "CARDS", tmp_path / "shipped")
    content = run("bench", "--report", str(document), *cards, *built)  # none of one's own: those that ship
    assert content["plots"] == [str(tmp_path / "plots" / "latency.svg")] and Path(content["plots"][0]).is_file()
    assert content["pages"] == [str(tmp_path / "figures" / "latency-extraction.md")]
    assert Path(content["pages"][0]).read_text().startswith("# Extraction of one embedding")
    assert "(figures/latency-extraction.md)" in document.read_text()
    assert "| flat |" in document.read_text() and f"limit {LIMIT}" in document.read_text()  # of the limit asked for
