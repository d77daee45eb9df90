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


def test_a_long_table_is_folded():
    rows = [{"name": f"row {number}", "ms": 1.0} for number in range(9)]
    lines = replace(TABLE, rows=rows, title="A < B").markdown().splitlines()
    assert lines[:3] == ["<details>", "<summary><b>A &lt; B</b> (9 rows)</summary>", ""]
    assert lines[3].startswith("| name") and lines[-4:] == ["", "<sub>here</sub>", "", "</details>"]
    assert "<details>" not in replace(TABLE, rows=rows[:8]).markdown()


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
