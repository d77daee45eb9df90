"""The small plots: what is written beside a bar, and where the bar ends."""

from __future__ import annotations

import re

import pytest

from searchdemo.indexes.table import INDEXES
from searchdemo.ui.components.plots import (
    COLOURS,
    Share,
    Time,
    decades,
    share_bars,
    time_bars,
)
from searchdemo.ui.components.units import byte_size, milliseconds, percent


def widths(html: str, of: str = "fill") -> list[float]:
    """In percent of the track, of each element of this class."""
    return [float(width) for width in re.findall(rf'class="{of}[^"]*" style="[^"]*width:([\d.]+)%', html)]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (0.04213, "0.0421 ms"),
        (0.5, "0.500 ms"),
        (1.234, "1.23 ms"),
        (48.04, "48.0 ms"),
        (850.2, "850 ms"),
        (1234, "1.23 s"),
    ],
)
def test_milliseconds_have_three_figures(ms, text):
    assert milliseconds(ms) == text


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12 bytes"), (1500, "1.5 kB"), (12_800_000, "12.8 MB"), (2.5e9, "2.5 GB")]
)
def test_byte_sizes(size, text):
    assert byte_size(size) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (0.0001, "< 0.1 %"), (0.0314, "3.1 %"), (0.5, "50.0 %"), (1, "100.0 %")]
)
def test_a_small_share_never_reads_as_none(share, text):
    assert percent(share) == text


def test_bars_of_shares_are_drawn_from_0_to_100():
    html = share_bars("By vote", [Share("goldfish", 0.75), Share("tench", 0.25, truth=True)])
    assert widths(html) == [75, 25]
    assert "75.0 %" in html and html.count("✓") == 1 and "tench ✓" in html


@pytest.mark.parametrize(
    ("values", "exponents"),
    [([0.5, 20], (-1, 2)), ([1, 1], (-1, 0)), ([0.03, 0.04], (-2, -1)), ([1.5, 1000], (0, 3)), ([0, 2], (-7, 1))],
)
def test_decades_enclose_the_values(values, exponents):
    assert decades(values) == exponents


def test_each_decade_has_the_same_width():
    html = time_bars("", [Time("a", 0.1, 0.1, "exact"), Time("b", 1, 10, "ivf"), Time("c", 0.05, 100, "graph")])
    # from 0.01 to 100 ms: four decades of 25 percent
    assert widths(html) == pytest.approx([25, 50, 17.47], abs=0.01)
    assert widths(html, "whisker") == pytest.approx([0, 25, 82.53], abs=0.01)
    ticks = re.findall(r'class="tick note" style="left:([\d.]+)%">([^<]+)<', html)
    assert ticks == [("0.00", "0.01"), ("25.00", "0.1"), ("50.00", "1"), ("75.00", "10"), ("100.00", "100")]


def test_every_family_has_a_colour():
    assert {spec.family for spec in INDEXES.values()} <= set(COLOURS)


def test_names_and_notes_are_escaped():
    html = share_bars("<i>", [Share("<script>", 0.5)], "a & b") + time_bars("", [Time("<b>", 1, 1, "exact")], "<u>")
    assert not re.search("<(i|script|b|u)>", html)
    assert "a &amp; b" in html
