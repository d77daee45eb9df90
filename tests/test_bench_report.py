"""Documents filled from cards: what lies between two marks is replaced, all else stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from searchdemo.bench import report
from searchdemo.errors import BadArtifact, NotHere
from searchdemo.measure.cards import Requirement, RunCard

SEARCH = {"family": "exact", "factory": "Flat", "threads": 1, "p50_ms": 4.0, "p95_ms": 5.0, "p99_ms": 6.0}
SEARCH |= {"repeats": 9, "qps": 250.0, "recall_10": 1.0, "precision_10": 0.5, "size_bytes": 51_200_000, "build_s": 0.1}
CARD = RunCard(
    benchmark="latency",
    gallery="scenes",
    encoder="bundled",
    parts={"extraction": [], "search": [SEARCH | {"index": "flat"}]},
    subject={"vectors": 2000, "dim": 128},
    settings={"quick": False, "seed": 0, "threads": [1]},
    requirements=[Requirement("as fast as it was", 4.0, 5.0, unit="ms"), Requirement("exact", 0.9, 1.0, at_least=True)],
    at="2026-01-02T03:04:05+00:00",
)
DOCUMENT = """# Figures

<!-- table:latency-search-bundled -->
| what | stood | here |
<!-- end -->

Prose between <!-- a remark --> two tables.

<!-- table:floors -->
<!-- end -->

The end.
"""


def test_tables_are_replaced_and_prose_stays():
    filled = report.fill(DOCUMENT, [CARD]).text
    assert "stood" not in filled and "| flat | Flat | 1 | 4.00 |" in filled
    assert "| latency | bundled | as fast as it was | 4.00 | ≤ 5 | ms | yes |" in filled
    assert "| latency | bundled | exact | 0.900 | ≥ 1 | ratio | **no** |" in filled
    prose = [line for line in DOCUMENT.splitlines() if line and "stood" not in line]
    assert [line for line in filled.splitlines() if line in prose] == prose
    assert report.fill(filled, [CARD]).text == filled


def test_a_newer_card_changes_its_table_alone():
    faster = replace(CARD, parts=CARD.parts | {"search": [SEARCH | {"index": "flat", "p50_ms": 2.0}]})
    before, after = (report.fill(DOCUMENT, [card]).text.splitlines() for card in (CARD, faster))
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1 and "| 2.00 |" in changed[0]


def test_other_tables_of_a_benchmark_are_lines_with_links_to_their_pages():
    rows = [SEARCH | {"index": name, "p50_ms": ms} for name, ms in (("flat", 4.0), ("ivf", 0.05))]
    card = replace(CARD, parts={"extraction": [{"threads": 1, "one_p50_ms": 9.0}], "search": rows})
    document = "<!-- tables:latency -->\n<!-- end -->\n<!-- tables:bounds -->\n<!-- end -->\n"
    drawn = report.fill(document, [card], "figures.md")
    assert sorted(drawn.pages) == ["floors.md", "latency-extraction.md", "latency-search-bundled.md"]
    assert (
        "([2 rows](figures/latency-search-bundled.md)): recall@10 1.000 in all rows; p50 ms from 0.0500" in drawn.text
    )
    assert "([2 rows](figures/floors.md)): 1 of 2 hold; not met: exact (latency)." in drawn.text
    page = drawn.pages["latency-search-bundled.md"]
    assert "| ivf | Flat | 1 | 0.0500 |" in page and "[figures.md](../figures.md)" in page and card.source in page
    shown = report.fill("<!-- table:latency-search-bundled -->\n<!-- end -->\n" + document, [card])
    assert sorted(shown.pages) == ["floors.md", "latency-extraction.md"]  # what stands in the document has no page
    assert report.fill(shown.text, [card]) == shown


def test_a_mark_without_a_table_says_which_there_are():
    with pytest.raises(BadArtifact, match=r"'table:knn-curve'.*latency-search-bundled, .*floors"):
        report.fill("<!-- table:knn-curve -->\n<!-- end -->", [CARD])
    with pytest.raises(BadArtifact, match="floors"):
        report.fill(DOCUMENT, [replace(CARD, requirements=[])])


def test_sentences_are_drawn_again_in_lines_that_fit():
    card = replace(CARD, parts=CARD.parts | {"extraction": [{"threads": 1, "one_p50_ms": 9.0}]})
    rows = [SEARCH | {"index": name, "p50_ms": ms} for name, ms in (("flat", 4.0), ("ivf", 0.05))]
    card.parts["search"] = rows
    filled = report.fill("<!-- text:latency -->\nstood here\n<!-- end -->\n", [card]).text
    assert "stood" not in filled and " ".join(filled.split()).count("The inverted file is 80 times as fast") == 1
    assert max(map(len, filled.splitlines())) <= report.WIDTH
    with pytest.raises(BadArtifact, match="'text:knn'"):
        report.fill("<!-- text:knn -->\n<!-- end -->", [card])


def test_a_mark_may_wait_for_its_card():
    waiting = "<!-- table:index-hnsw-bundled? -->\n<!-- end -->\n<!-- table:latency-search-bundled? -->\n<!-- end -->"
    filled = report.fill(waiting, [CARD]).text
    assert filled.startswith("<!-- table:index-hnsw-bundled? -->\n<!-- end -->\n") and "| flat |" in filled
    assert report.fill(filled, [CARD]).text == filled


def test_a_mark_without_its_end_takes_nothing_with_it():
    torn = DOCUMENT.replace("| what | stood | here |\n<!-- end -->", "| what | stood | here |")
    filled = report.fill(torn, [CARD]).text
    assert "stood" in filled and "Prose between" in filled and "as fast as it was" in filled


def test_cards_in_the_order_of_the_benchmarks():
    other = replace(CARD, benchmark="unheard of")
    assert report.by_benchmark([other, CARD]) == {"latency": [CARD], "table1": [CARD]}  # one table of its figures


def test_plots_are_the_same_bytes_for_the_same_card(tmp_path):
    pytest.importorskip("matplotlib")
    first = report.draw_plots([CARD], tmp_path / "one")
    second = report.draw_plots([CARD], tmp_path / "two")
    assert [path.name for path in first] == [path.name for path in second] == ["latency.svg"]
    assert first[0].read_bytes() == second[0].read_bytes()
    svg = first[0].read_text()
    assert "flat" in svg and CARD.source in svg  # text stays text


MADE_UP = replace(
    CARD,
    encoder="resnet18",
    subject={"vectors": 500, "dim": 512, "synthetic": True},
    parts=CARD.parts | {"extraction": [{"stand_in": True, "threads": 1, "one_p50_ms": 9.0, "dim": 512}]},
    at="2026-01-04T03:04:05+00:00",
)


def test_a_table_of_several_cards_names_them_all_and_what_is_made_up():
    found = report.all_tables([CARD, MADE_UP])
    tables = found["latency"] | found[report.BOUNDS]
    both = "scenes × bundled · 2,000 × 128; × resnet18 (stand-in, synthetic) · 500 × 512"
    for name in ("latency-extraction", "floors"):
        assert tables[name].source == f"{both} · an unknown machine · 2026-01-02 to 2026-01-04"
    assert tables["latency-search-resnet18"].title == (
        "One search among 500 random vectors in place of those of resnet18, 512 dimensions"
    )


def test_a_plot_of_several_cards_names_them_all_and_what_is_made_up(tmp_path):
    pytest.importorskip("matplotlib")
    svg = report.draw_plots([CARD, MADE_UP], tmp_path)[0].read_text()
    assert "resnet18, stand-in weights, random vectors" in svg and "(stand-in, synthetic)" in svg


def test_plots_without_matplotlib_say_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(report.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotHere, match=r"matplotlib.*requirements-bench\.txt"):
        report.draw_plots([CARD], tmp_path)


def test_one_table_is_drawn_from_cards_of_the_longer_benchmark_too():
    rows = [SEARCH | {"index": name, "p50_ms": ms} for name, ms in (("brute", 4.0), ("flat", 2.0), ("ivf", 0.05))]
    parts = {"extraction": [{"threads": 1, "one_p50_ms": 6.0}], "search": rows}
    card = replace(CARD, parts=parts)
    other = replace(card, encoder="resnet18", subject=CARD.subject | {"synthetic": True})
    again = replace(card, benchmark="table1", parts=parts | {"extraction": [{"threads": 1, "one_p50_ms": 8.0}]})
    drawn = report.all_tables([card, other, again])["table1"]["table1"]
    assert [cells[:6] for cells in drawn.cells()] == [
        ["bundled", "128", "8.00", "4.00", "2.00", "0.0500"],
        ["resnet18", "128", "6.00", "4.00", "2.00", "0.0500"],
    ]
    assert [row["share"] for row in drawn.rows] == [80, 75] and "random vectors" in drawn.rows[1]["mark"]
