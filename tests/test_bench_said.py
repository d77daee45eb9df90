"""Sentences about cards: they follow the figures, and what was not measured is not spoken of."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from searchdemo import assets
from searchdemo.bench.said import accuracy, building, looked, searching, tradeoff, words
from searchdemo.bench.said.table import SAID, all_said
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import RunCard

SUBJECT = {"vectors": 100_000, "dim": 128, "queries": 2_000}


def card(benchmark: str, **parts: list[dict]) -> RunCard:
    settings = {"quick": False, "k": 10, "draws": 3, "ef_search": 64}
    return RunCard(benchmark, "tiny-imagenet", "bundled", parts, SUBJECT, settings, at="2030-01-02")


def test_the_cards_that_ship_have_sentences_for_every_benchmark():
    found = all_said([*run_card.cards(assets.CARDS)])
    assert set(found) == {"cards", *SAID}
    for text in found.values():
        assert (
            text
            and (text[0].isupper() or text[0].isdigit())
            and text.endswith(".")
            and "None" not in text
            and "nan" not in text
        )


def test_what_was_not_measured_is_left_out():
    for name, (benchmark, said) in SAID.items():
        assert said([card(benchmark)]) == "", name


@pytest.mark.parametrize(("extraction", "holds"), [(9.0, True), (0.5, False)])
def test_extraction_dominates_where_it_does(extraction, holds):
    search = [{"index": "flat", "threads": 1, "p50_ms": 4.0, "recall_10": 1.0}]
    search.append({"index": "ivf", "threads": 1, "p50_ms": 0.05, "recall_10": 0.97})
    text = searching.latency([card("latency", extraction=[{"threads": 1, "one_p50_ms": extraction}], search=search)])
    assert f'("extraction dominates") {"holds" if holds else "fails"} for bundled.' in text
    assert "80 times as fast as exact search, at recall@10 0.970" in text


def point(nprobe: int, recall: float, lost: int, gained: int) -> dict:
    pairs = {"knn_lost": lost, "knn_gained": gained, "knn_queries": 10_000}
    figures = {
        "recall_10": recall,
        "recall_1": recall,
        "p50_ms": 0.1,
        "family": "ivf",
        "index": "ivf",
        "knn_top1": 50.0,
    }
    return {"factory": "IVF512,SQfp16", "params": {"nprobe": nprobe}} | figures | pairs


def test_lost_accuracy_is_told_from_pairs():
    """nprobe 4 loses 0.70 points of 10,000 queries, which is no chance; nprobe 8 loses 0.11, which may be."""
    rows = [point(1, 0.53, 500, 100), point(2, 0.7, 250, 90), point(4, 0.83, 107, 37), point(8, 0.92, 51, 40)]
    rows.append(point(16, 0.965, 20, 19))
    text = tradeoff.said([card("tradeoff", points=rows)])
    assert "-0.70 points with nprobe 4 (recall@10 0.83; 95 % interval -0.93 to -0.47)" in text
    assert (
        "Of 3 settings with a recall@10 of 0.8 or more, 1 is less accurate" in text and "by up to 0.70 points" in text
    )
    assert "Of 1 setting with a recall@10 of 0.95 or more, 0 are" in text
    assert "not measured in pairs" not in text


def test_accuracies_without_pairs_are_not_compared():
    row = {name: value for name, value in point(4, 0.83, 1, 1).items() if not name.startswith("knn_")}
    exact = row | {"family": "exact", "knn_top1": 50.0}
    text = tradeoff.said([card("tradeoff", points=[exact])])
    assert "on 2,000 queries a difference below 3.1 points says nothing" in text  # 1.96 * sqrt(2 * 0.25 / 2,000)


def test_why_the_first_is_found_less_often_than_the_ten():
    refined = point(4, 0.9, 0, 0) | {"params": {"nprobe": 4, "k_factor": 3}, "recall_1": 0.7}
    text = tradeoff.said([card("tradeoff", points=[refined])])
    assert "In 1 of 1 settings with a second scoring recall@1 lies below recall@10" in text
    assert "k_factor counts candidates *per result*" in text
    assert "k_factor" not in tradeoff.said([card("tradeoff", points=[refined | {"recall_1": 0.9}])])


@pytest.mark.parametrize(
    ("low", "said"), [(0.83, "most of that is the effort"), (0.4, "at a search_k of 1,000 from 0.400")]
)
def test_trees_are_told_from_their_effort(low, said):
    rows = [
        {"trees": trees, "search_k": effort, "recall_10": recall, "size_bytes": 1e6 * trees}
        for trees, effort, recall in ((10, 100, 0.43), (10, 1000, low), (200, 2000, 0.96), (200, 1000, 0.917))
    ]
    assert said in building.index([card("index", annoy_trees=rows)])


def reductions(*random: tuple[int, float]) -> RunCard:
    points = [
        {"method": "PCA", "dim": dim, "knn_top1": top1, "bytes": 4 * dim} for dim, top1 in ((32, 49.8), (64, 52.3))
    ]
    points += [{"method": "random projection", "dim": dim, "knn_top1": top1, "bytes": 4 * dim} for dim, top1 in random]
    return card("reduce", points=points)


def test_a_projection_that_never_does_as_well_is_said_to():
    text = accuracy.reduce([reductions((64, 49.3), (96, 50.3), (128, 50.5))])
    assert "PCA to 32 (49.8 %) is met by one to 96; PCA to 64 (52.3 %) is met by none, not even to 128" in text
    assert "never reaches the best of PCA" in text
    assert "never" not in accuracy.reduce([reductions((64, 49.9), (128, 52.4))])


def test_two_areas_are_told_apart():
    row = {"set": "[label]", "top1": 52.0, "f1": 0.52, "f1_degrees": 58.4, "auc": 0.97}
    old, new = (accuracy.classnames([card("classnames", sets=[each])]) for each in (row, row | {"pr_auc": 0.514}))
    assert "its area is 0.514" in new and "0.970" in new and "precision against recall" in new
    assert "0.970" in old and "0.514" not in old and "half is what guessing gets" in old


def test_the_card_that_is_spoken_of_is_real():
    made_up = replace(card("knn"), encoder="clip", subject=SUBJECT | {"synthetic": True})
    assert words.real([made_up, card("knn")]).encoder == "bundled" and words.real([made_up]) is made_up


def test_lists_and_spans():
    assert [words.listed(each) for each in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert (words.span([3.2, 1.0]), words.span([2.0, 2.0])) == ("1.00 to 3.20", "2.00")
    assert (words.times(1.44), words.times(41.2)) == ("1.4 times", "41 times")


def growing(*times: tuple[int, float, float]) -> RunCard:
    rows = [
        {"index": name, "vectors": vectors, "p50_ms": ms, "recall_10": 0.98, "build_s": 20.0 if name == "hnsw" else 2.0}
        for vectors, ivf, hnsw in times
        for name, ms in (("ivf", ivf), ("hnsw", hnsw))
    ]
    return card("scale", scale=rows)


def test_the_graph_is_held_against_the_cells_at_each_size():
    """A ratio at each size: whether one of them is "faster" is not to be told of times that are equal."""
    text = searching.scale([growing((20_000, 0.05, 0.18), (1_000_000, 0.264, 0.263))])
    assert "is 3.6 at 20,000 and 1.0 at 1,000,000 vectors; over the most of them HNSW takes 10 times" in text
    assert "faster" not in text


def test_how_little_a_graph_finds_depends_on_its_links_and_its_effort():
    found = ((4, 16, 0.084), (4, 1000, 0.898), (512, 16, 0.808), (512, 1000, 1.0))
    rows = [{"m": m, "k": 1000, "ef_search": effort, "recall": recall} for m, effort, recall in found]
    text = building.index([card("index", hnsw_efforts=rows)])
    assert "0.08 (M 4) to 0.81 (M 512) by ef_search 16 and 0.90 (M 4) to 1.00 (M 512) by ef_search 1,000" in text


def test_what_a_selector_finds_among_few():
    rows = [
        {"allowed": allowed, "allowed_percent": 1.0, "index": index, "method": method, "recall_10": recall}
        for allowed, recalls in (("at random", (0.812, 0.47, 1.0, 0.998)), ("whole classes", (0.151, 0.141, 1.0, 0.85)))
        for (method, index), recall in zip(
            itertools.product(("selector", "selector, raised"), ("ivf", "hnsw")), recalls, strict=True
        )
    ]
    assert looked.filters([card("filter", points=rows)]) == (
        "Among 1 % of the pictures a selector in ivf and hnsw has a recall@10 of 0.812 and 0.470 where they are at "
        "random, and 1.000 and 0.998 with the effort raised; of 0.151 and 0.141 where they are whole classes, and "
        "1.000 and 0.850 with the effort raised."
    )
