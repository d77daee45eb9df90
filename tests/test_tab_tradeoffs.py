"""The Trade-offs tab without a browser: which cards are offered, what is drawn and said, measuring one at a time."""

from __future__ import annotations

import re
import threading

import page_server
import pytest
from tradeoff_card import BEATEN, EXACT, FAST, GRAPH, MIDDLE, ROWS, SUBJECT, row, tradeoff_card

from searchdemo import assets
from searchdemo.bench import table
from searchdemo.collection.build import Progress
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, NotBuilt, UnknownName
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import RunCard
from searchdemo.measure.recommend import Bounds
from searchdemo.ui import waiting
from searchdemo.ui.tradeoffs import cards as tradeoff_cards
from searchdemo.ui.tradeoffs.tab import (
    MEMORY,
    TIME,
    accuracy_cost,
    bound,
    exact_of,
    plot_html,
    source_html,
    winner_html,
)

PEER = {"peer": "hnswlib", "family": "graph", "setting": "M 32, ef 64", "p50_ms": 0.3, "recall_10": 0.98}


@pytest.fixture(autouse=True)
def roots(tmp_path, monkeypatch):
    """(own, shipped): empty ones."""
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "CARDS", tmp_path / "shipped")
    return run_card.own_cards(), assets.CARDS


# Cards


def test_own_cards_come_first_the_newest_before_the_others(roots):
    own, shipped = roots
    assert tradeoff_cards.listed() == []
    run_card.save(tradeoff_card(machine="The maker's CPU", at="2026-11-21"), shipped)
    run_card.save(tradeoff_card("scenes", at="2026-01-02"), own)
    run_card.save(tradeoff_card(at="2026-03-04", settings={"quick": True, "threads": [1]}), own)
    run_card.save(tradeoff_card("scenes", benchmark="latency", at="2027-01-01"), own)
    assert [entry.label for entry in tradeoff_cards.listed()] == [
        "tiny-imagenet × bundled (quick run) · Some CPU, 2 cores · 2026-03-04",
        "scenes × bundled · Some CPU, 2 cores · 2026-01-02",
        "tiny-imagenet × bundled · The maker's CPU · 2026-11-21 · shipped",
    ]
    keys = [entry.key for entry in tradeoff_cards.listed()]
    assert len(set(keys)) == 3
    assert tradeoff_cards.chosen(keys[2]).machine == {"name": "The maker's CPU"}


def test_the_tab_opens_on_the_card_of_the_sidebar(roots):
    own, shipped = roots
    assert tradeoff_cards.first_of([], "scenes", "bundled") is None
    run_card.save(tradeoff_card(machine="The maker's CPU"), shipped)
    run_card.save(tradeoff_card(settings={"quick": True, "threads": [1]}), own)
    run_card.save(tradeoff_card("scenes", settings={"quick": True, "threads": [1]}), own)
    there = {entry.key: entry.label for entry in tradeoff_cards.listed()}

    def opens_on(gallery: str) -> str:
        return there[tradeoff_cards.first_of(tradeoff_cards.listed(), gallery, "bundled")]

    assert opens_on("tiny-imagenet").endswith("shipped")  # a full run before a quick one of one's own
    assert opens_on("scenes").startswith("scenes × bundled (quick run)")
    assert opens_on("folder:photos").endswith("shipped")  # of which there is none


def test_a_key_is_not_a_path(roots):
    run_card.save(tradeoff_card(), roots[0].parent)  # beside the cards, where a path could lead
    for key in ("own:../tiny-imagenet/bundled/tradeoff.json", "own:tiny-imagenet/bundled/tradeoff.json", ""):
        with pytest.raises(UnknownName, match="run card"):
            tradeoff_cards.chosen(key)


def test_other_libraries_stand_beside_the_same_vectors_on_the_same_machine_only(roots):
    card, points = tradeoff_card(), [PEER | {"size_bytes": 7}]
    run_card.save(tradeoff_card(benchmark="peers", parts={"points": points}), roots[1])
    assert tradeoff_cards.peers_of(card) == points
    for other in (
        tradeoff_card("scenes"),
        tradeoff_card(machine="Another CPU"),
        tradeoff_card(subject=SUBJECT | {"vectors": 100_000}),
    ):
        assert tradeoff_cards.peers_of(other) == []


# Measuring


@pytest.fixture
def library():
    return page_server.library()


def test_measuring_tells_how_far_it_is_and_keeps_the_card(library, monkeypatch):
    monkeypatch.setattr(waiting, "TICK_S", 0.01)
    go_on, asked = threading.Event(), []

    def measure(name, bench):
        asked.append((name, bench.key.gallery, bench.key.encoder, bench.quick))
        bench.report(Progress("hnsw: HNSW32", 7, 20, 0))
        go_on.wait(100)
        return tradeoff_card("scenes", settings={"quick": True, "threads": [1]})

    monkeypatch.setattr(table, "measure", measure)
    steps = tradeoff_cards.measure(library, Key("scenes", "bundled"))
    told = next(text for text in steps if "HNSW32" in text)
    assert re.fullmatch(r"hnsw: HNSW32 \(8 of 20\), 0:\d\d so far", told)
    with pytest.raises(BadQuery, match="already"):
        next(tradeoff_cards.measure(library, Key("scenes", "bundled")))
    go_on.set()
    assert isinstance(list(steps)[-1], RunCard)
    assert asked == [("tradeoff", "scenes", "bundled", True)]
    assert [entry.label.partition(" · ")[0] for entry in tradeoff_cards.listed()] == ["scenes × bundled (quick run)"]


def test_a_run_that_fails_says_why_and_the_next_may_start(library, monkeypatch):
    def measure(name, bench):
        raise BadQuery("no")

    monkeypatch.setattr(table, "measure", measure)
    for _ in range(2):
        with pytest.raises(BadQuery, match=r"^no$"):
            list(tradeoff_cards.measure(library, Key("scenes", "bundled")))


def test_vectors_that_are_not_built_are_not_measured(library):
    with pytest.raises(NotBuilt, match="resnet18"):
        list(tradeoff_cards.measure(library, Key("scenes", "resnet18")))


# What is drawn


def drawn(against=TIME, bounds=None, picked=None, peers=()) -> dict[str, str]:
    """Name of a dot -> its marks."""
    html = plot_html(ROWS, peers, against, bounds or Bounds(), picked)
    found = re.findall(r'class="dot ?([^"]*)"[^>]*aria-label="(.*?): ', html)
    return {name: marks for marks, name in found}


NAMES = [
    "Flat",
    "IVF64,SQfp16 (nprobe 1)",
    "IVF64,SQfp16 (nprobe 8)",
    "HNSW32 (efConstruction 200, ef_search 64)",
    "LSH192rt",
]


def test_the_front_follows_the_cost_that_is_chosen():
    assert drawn() == dict(zip(NAMES, ["front", "front", "front", "front", ""], strict=True))
    assert drawn(MEMORY) == dict(zip(NAMES, ["front", "", "front", "", "front"], strict=True))
    with pytest.raises(BadQuery, match="'parsecs'"):
        drawn("parsecs")


def test_what_is_out_of_bounds_fades_and_the_picked_one_is_ringed():
    assert drawn(bounds=Bounds(recall=0.95, mb=60), picked=MIDDLE) == dict(
        zip(NAMES, ["front", "front faded", "front ringed", "front faded", "faded"], strict=True)
    )


def test_points_of_other_libraries_are_hollow_and_one_without_memory_is_left_out_there():
    peers = [PEER | {"size_bytes": 70_000_000}]
    assert drawn(peers=peers)["hnswlib M 32, ef 64"] == "hollow"
    html = plot_html(ROWS, [PEER | {"size_bytes": None}], MEMORY, Bounds(), None)
    assert "hnswlib" not in html


def test_a_tooltip_has_the_parameters_and_the_figures():
    html = plot_html([GRAPH], [], TIME, Bounds(), None)
    assert re.findall(r'class="tip"[^>]*><b>([^<]+)</b>', html) == [NAMES[3]]
    assert re.findall("<span>(?!<)([^<]+)</span>", html) == [
        "recall@1 0.990, @10 0.990, @100 0.990",
        "p50 0.500 ms, p95 1.00 ms",
        "78 MB, built in 1.5 s",
        "kNN top-1 52.5 %",
    ]


# What is said


def text(html: str) -> str:
    return " ".join(re.sub("<[^>]+>", "", html.replace("</p>", " ")).split())


def test_the_sentence_of_the_winner_has_its_figures_and_what_it_costs():
    said = text(winner_html(MIDDLE, exact_of(ROWS)))
    assert said == (
        "IVF64,SQfp16 (nprobe 8) is the fastest within the bounds: recall@10 0.960 in 0.400 ms with 26 MB. "
        "The exact search takes 8.00 ms and 50 MB: 20.0 × the time. "
        "kNN top-1 52.4 % beside the exact 52.5 %: costs 0.1 points of accuracy."
    )
    assert "IVF64,SQfp16 (nprobe 8) is the smallest" in text(winner_html(MIDDLE, exact_of(ROWS), "smallest"))
    assert "It is the exact search" in text(winner_html(EXACT, exact_of(ROWS)))
    assert "exact" not in text(winner_html(FAST, exact_of([FAST, BEATEN])))


@pytest.mark.parametrize(
    ("top1", "exact", "said"),
    [
        (52.4, 52.5, "costs 0.1 points of accuracy"),
        (41.0, 52.5, "costs 11.5 points of accuracy"),
        (52.46, 52.53, "costs no accuracy"),  # 52.5 beside 52.5, as shown
        (52.7, 52.5, "0.2 points above, by chance"),
    ],
)
def test_what_it_costs_in_accuracy(top1, exact, said):
    assert accuracy_cost(top1, exact) == said


def test_the_fastest_exact_search_is_the_one_to_compare_with():
    assert exact_of([row("Flat", "exact", 9, 1.0, 50), EXACT, FAST]) is EXACT


def test_bounds_that_are_typed():
    assert (bound("Max latency (ms)", ""), bound("Max latency (ms)", None), bound("Max latency (ms)", " 0.5 ")) == (
        None,
        None,
        0.5,
    )
    for wrong in ("fast", "-1", "nan", "inf", "1,5"):
        with pytest.raises(BadQuery, match=rf"Max latency \(ms\) = '{wrong}' is not a number"):
            bound("Max latency (ms)", wrong)


def test_where_the_figures_come_from():
    said = text(source_html(tradeoff_card(notes=["lsh: <no>"])))
    assert "tiny-imagenet × bundled · 10,000 × 48 · Some CPU, 2 cores · 2026-01-02 · 1 thread, one query" in said
    assert "lsh: &lt;no&gt;" in said
