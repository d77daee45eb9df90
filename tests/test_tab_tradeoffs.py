"""The Trade-offs tab without a browser: which cards are offered, what is drawn and said, measuring one at a time."""

from __future__ import annotations

import re

import page_server
import pytest
from tradeoff_card import BEATEN, EXACT, FAST, GRAPH, MIDDLE, ROWS, SUBJECT, row, tradeoff_card

from searchdemo import assets
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, UnknownName
from searchdemo.indexes.base import IndexSpec
from searchdemo.measure import cards as run_card
from searchdemo.measure.recommend import Bounds
from searchdemo.ui.tradeoffs import cards as tradeoff_cards
from searchdemo.ui.tradeoffs.cards import Pair
from searchdemo.ui.tradeoffs.setting import OWN, STORED, Asked, bound, chosen, recommended
from searchdemo.ui.tradeoffs.trial import Trial, trial
from searchdemo.ui.tradeoffs.view import (
    MEMORY,
    TIME,
    Drawn,
    accuracy_cost,
    cost_of,
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


def own_and_shipped(roots) -> None:
    own, shipped = roots
    run_card.save(tradeoff_card(machine="The maker's CPU"), shipped)
    run_card.save(tradeoff_card(settings={"quick": True, "threads": [1]}), own)
    run_card.save(tradeoff_card("scenes", settings={"quick": True, "threads": [1]}), own)


def test_the_tab_opens_on_the_card_of_the_sidebar(roots):
    assert tradeoff_cards.first_of([], Pair("scenes", "bundled")) is None
    own_and_shipped(roots)
    there = {entry.key: entry.label for entry in tradeoff_cards.listed()}

    def opens_on(pair: Pair) -> str:
        return there[tradeoff_cards.first_of(tradeoff_cards.listed(), pair)]

    assert opens_on(Pair("tiny-imagenet", "bundled")).endswith("shipped")  # a full run before a quick one of one's own
    assert opens_on(Pair("scenes", "bundled")).startswith("scenes × bundled (quick run)")
    assert opens_on(Pair("folder:photos", "bundled")).endswith("shipped")  # of which there is none


def test_a_quick_card_replaces_a_full_one_only_where_that_is_of_other_vectors(roots):
    own, shipped = roots
    earlier = SUBJECT | {"vectors_sha256": "earlier"}
    run_card.save(tradeoff_card(subject=earlier), shipped)
    run_card.save(tradeoff_card(settings={"quick": True, "threads": [1]}), own)
    there = tradeoff_cards.listed()

    def opens_on(vectors_sha256: str) -> bool:
        """Whether it is the quick card."""
        key = tradeoff_cards.first_of(there, Pair("tiny-imagenet", "bundled", 10_000, 48, vectors_sha256))
        return tradeoff_cards.chosen(key).quick

    assert opens_on("ab") and not opens_on("earlier")


def test_a_new_quick_card_says_that_the_full_one_stays_shown(roots):
    quick = tradeoff_card(settings={"quick": True, "threads": [1]})
    pair = Pair("tiny-imagenet", "bundled", 10_000, 48, "ab")
    run_card.save(quick, roots[0])
    assert tradeoff_cards.where_it_is([quick], pair) == ""
    assert tradeoff_cards.where_it_is([tradeoff_card(benchmark="knn")], pair) == ""
    run_card.save(tradeoff_card(), roots[1])
    assert "stays shown" in tradeoff_cards.where_it_is([quick], pair)


def test_figures_of_other_vectors_say_whose_they_are(roots):
    own_and_shipped(roots)
    there, card = tradeoff_cards.listed(), tradeoff_card()

    def said(pair: Pair) -> str:
        return tradeoff_cards.warning(card, pair, there)

    assert said(Pair("tiny-imagenet", "bundled", 10_000, 48, "ab")) == ""
    assert said(Pair("tiny-imagenet", "bundled")) == ""  # nothing is built, so there are no other vectors
    assert said(Pair("tiny-imagenet", "resnet18")) == (
        "These are figures of tiny-imagenet × bundled, 10,000 vectors of 48 dimensions. "
        "No run of tiny-imagenet × resnet18 is on this machine yet: measure one above."
    )
    assert said(Pair("scenes", "bundled")).endswith("dimensions. The sidebar has scenes × bundled.")
    assert "earlier vectors of tiny-imagenet × bundled" in said(Pair("tiny-imagenet", "bundled", 9, 48, "cd"))


def test_the_pair_has_the_vectors_that_are_built(library):
    pair = tradeoff_cards.pair_of(library, Key("scenes", "bundled"))
    assert (pair.vectors, pair.dim, len(pair.vectors_sha256)) == (2000, 48, 64)
    assert tradeoff_cards.pair_of(library, Key("scenes", "resnet18")) == Pair("scenes", "resnet18")


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


@pytest.fixture
def library():
    return page_server.library()


# What is drawn


def drawn(against=TIME, bounds=None, picked=None, peers=()) -> dict[str, str]:
    """Name of a dot -> its marks."""
    html = plot_html(Drawn(ROWS, peers, cost_of(against), bounds or Bounds()), picked)
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
    without = [PEER | {"size_bytes": None}]
    assert "hnswlib" not in plot_html(Drawn(ROWS, without, cost_of(MEMORY), Bounds()), None)
    assert drawn(bounds=Bounds(mb=60), peers=without)["hnswlib M 32, ef 64"] == "faded hollow"  # perhaps within


def test_a_dot_has_its_parameters_and_figures():
    html = plot_html(Drawn([GRAPH], [], cost_of(TIME), Bounds()), None)
    assert re.findall(r'id="([^"]+)" aria-selected="false" aria-label="([^"]+)"', html) == [
        (
            "dot-point-0",
            f"{NAMES[3]}: recall@1 0.990, @10 0.990, @100 0.990; p50 0.500 ms, p95 1.00 ms; "
            "78 MB, built in 1.5 s; kNN top-1 52.5 %",
        )
    ]


def test_a_dot_is_looked_up_by_its_id():
    shown = Drawn(ROWS, [PEER], cost_of(TIME), Bounds())
    assert shown.row("point-3") is GRAPH and shown.row("peer-0") is PEER
    for wrong in ("", "point", "point-5", "point--1", "peer-1", "other-0", "point-" + "9" * 30):
        with pytest.raises(BadQuery, match="choose a dot again"):
            shown.row(wrong)


# The setting that is shown


PAIR = Pair("tiny-imagenet", "bundled", 10_000, 48, "ab")


def asked(**changed) -> Asked:
    usual = {"others": False, "code_for": STORED, "against": TIME, "recall": 0.95, "ms": "", "mb": ""}
    return Asked(**{"key": "own:x", "gallery": "tiny-imagenet", "encoder": "bundled"} | usual | changed)


def test_the_recommended_setting_has_its_code_for_both_kinds_of_vectors():
    stored = recommended(tradeoff_card(), asked(), PAIR)
    assert stored.row is MIDDLE and 'open("tiny-imagenet", "bundled")' in stored.code
    own = recommended(tradeoff_card(), asked(code_for=OWN), PAIR)
    assert own.row is MIDDLE and "vectors.npy" in own.code and "nprobe=8" in own.code
    assert (stored.code_label, own.code_label) == (
        "Code for the vectors of tiny-imagenet × bundled",
        "Code for your own vectors",
    )


def test_bounds_that_nothing_meets_or_that_are_none_show_a_sentence_and_no_setting():
    none = recommended(tradeoff_card(), asked(ms="0.01"), PAIR)
    wrong = recommended(tradeoff_card(), asked(ms="soon"), PAIR)
    assert none.row is wrong.row is None and not none.code + wrong.code
    assert "None of 5 measured points" in none.said and "is not a number" in wrong.said


def test_a_dot_that_is_chosen_is_shown_with_what_speaks_against_it():
    shown = chosen(tradeoff_card(), "point-1", asked(), PAIR)
    assert shown.row is FAST and "nprobe=1" in shown.code
    said = text(shown.said)
    assert "IVF64,SQfp16 (nprobe 1), chosen in the plot; outside the bounds (recall&gt;=0.95)" in said
    assert "kNN top-1 50.0 %" in said and "80.0 × the time" in said
    assert "outside" not in chosen(tradeoff_card(), "point-3", asked(), PAIR).said
    with pytest.raises(BadQuery, match="choose a dot again"):
        chosen(tradeoff_card(), "point-99", asked(), PAIR)


def test_a_dot_of_another_library_has_no_code(roots):
    points = [PEER | {"params": {"ef": 64}, "build": "M 32"}]
    run_card.save(tradeoff_card(benchmark="peers", parts={"points": points}), roots[1])
    shown = chosen(tradeoff_card(), "peer-0", asked(others=True), PAIR)
    assert shown.code == "" and "hnswlib M 32, ef 64" in shown.said


def made(index: str, factory: str, **params: int) -> dict:
    return {"index": index, "factory": factory, "build_params": {}, "params": params}


@pytest.mark.parametrize(
    ("row", "index", "params", "note"),
    [
        (made("ivf", "IVF128,SQfp16", nprobe=7), "ivf", {"nprobe": 7}, "Sets ivf and nprobe 7 in the sidebar."),
        (made("flat", "Flat"), "flat", {}, "Sets flat in the sidebar."),
        (
            made("ivf", "IVF512,SQfp16", nprobe=7),
            "ivf",
            {"nprobe": 7},
            "Sets ivf and nprobe 7 in the sidebar. The page builds it as IVF128,SQfp16 and not as IVF512,SQfp16, "
            "so its figures will differ.",
        ),
        (
            made("hnsw", "HNSW32_SQfp16", ef_search=16) | {"build_params": {"efConstruction": 200}},
            "hnsw",
            {"ef_search": 16},
            "Sets hnsw and ef_search 16 in the sidebar.",
        ),
        (
            made("lsh+refine", "LSH384rt,Refine(SQfp16)", k_factor=4),
            "",
            {},
            "The page has no index of this kind to try.",
        ),
        (
            {"peer": "hnswlib", "build": "m 32, ef_construction 200", "params": {"ef": 20}},
            "hnswlib",
            {"ef_search": 20},
            "Sets hnswlib and ef_search 20 in the sidebar.",
        ),
        ({"peer": "k-d tree", "build": "KDTree", "params": {}}, "", {}, "The page has no index of this kind to try."),
    ],
)
def test_a_setting_is_tried_in_the_sidebar(row, index, params, note, monkeypatch):
    monkeypatch.setattr(IndexSpec, "installed", True)
    assert trial(row, PAIR) == Trial(index, params, note)


def test_an_index_without_its_library_is_not_tried(monkeypatch):
    monkeypatch.setattr(IndexSpec, "installed", False)
    tried = trial({"peer": "hnswlib", "build": "", "params": {"ef": 20}}, PAIR)
    assert tried.index == "" and "run `pip install hnswlib`" in tried.note


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
