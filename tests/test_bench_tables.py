"""Tables that are drawn from cards: how a figure is written, and the Markdown around it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from searchdemo.bench.tables import Column, Table, fixed, megabytes, number

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0421, "0.0421"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234.4, "1,234"),
        (9.996, "10.0"),
        (99.96, "100"),
        (-0.5, "-0.500"),
        (7, "7.00"),
        (0, "0"),
        (None, "–"),
        (NAN, "–"),
    ],
)
def test_three_figures(value, written):
    assert number()(value) == written


def test_other_forms():
    assert [number(2)(0.0421), fixed(1)(12.34), fixed(0)(12345), megabytes(1_500_000)] == [
        "0.042",
        "12.3",
        "12,345",
        "1.50",
    ]
    assert [form(value) for form in (fixed(1), megabytes) for value in (None, NAN)] == ["–"] * 4


COLUMNS = (Column("name", "name | alias"), Column("ms", "ms", number()))
TABLE = Table("t", "A title", COLUMNS, [{"name": "a|b", "ms": 1.0}, {"ms": NAN}, {"name": None, "ms": None}], "here")


def test_what_was_not_measured_is_a_dash():
    assert TABLE.cells() == [["a|b", "1.00"], ["–", "–"], ["–", "–"]]


def test_a_summary_names_the_least_and_the_most():
    heads = (
        Column("index", "index"),
        Column("k", "k", fixed(0)),
        Column("one", "one"),
        Column("p50_ms", "p50 ms", number()),
    )
    rows = [
        {"index": "ivf", "k": 10, "one": "same", "p50_ms": 0.05},
        {"index": "flat", "k": 10, "one": "same", "p50_ms": 4.0},
    ]
    rows += [{"index": "hnsw", "k": 1000, "one": "same", "p50_ms": NAN}, {"index": "lsh", "k": 10, "one": "same"}]
    table = replace(TABLE, columns=heads, rows=rows)
    assert table.summary("t.md") == "**A title** ([4 rows](t.md)): p50 ms from 0.0500 (ivf, k 10) to 4.00 (flat, k 10)."
    alike = replace(table, rows=[row | {"p50_ms": 1.0} for row in rows])
    assert alike.ranges() == "p50 ms 1.00 in all rows"
    assert replace(table, rows=rows[2:]).summary("t.md") == "**A title** ([2 rows](t.md))."  # nothing was measured
    assert replace(table, rows=rows[:1]).summary("t.md") == "**A title** ([1 row](t.md)): p50 ms 0.0500."
    assert replace(table, told="all hold").summary("t.md").endswith(": all hold.")
    assert TABLE.ranges() == "ms 1.00 in all rows"  # no figure that is usually told: its first


def test_markdown():
    assert TABLE.markdown().splitlines() == [
        "**A title**",
        "",
        "| name \\| alias | ms |",
        "| --- | ---: |",
        "| a\\|b | 1.00 |",
        "| – | – |",
        "| – | – |",
        "",
        "<sub>here</sub>",
    ]
