"""The small plots: what is written beside a bar, and where the bar ends."""

from __future__ import annotations

import re

import pytest

from searchdemo.indexes.table import INDEXES
from searchdemo.ui.components.plots import (
    COLOURS,
    Share,
    Time,
    compared,
    decades,
    linear_scale,
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


TIMES = [Time("brute", 0.1, 0.1, "exact"), Time("b", 1, 10, "ivf"), Time("c", 0.05, 100, "graph")]


def drawn(html: str, scale: str, of: str = "fill") -> list[float]:
    """Widths in percent, on one of the two scales."""
    tracks = re.findall(rf'<div class="track {scale}">(.*?)</div>\s*</div>', html, re.DOTALL)
    return [width for track in tracks for width in widths(track, of)]


def ticks(html: str, scale: str) -> list[tuple[str, str]]:
    track = re.findall(rf'<div class="track {scale}">(.*?)</div>', html, re.DOTALL)[-1]
    return re.findall(r'class="tick note" style="left:([\d.]+)%">([^<]+)<', track)


def test_each_decade_has_the_same_width_on_the_log_scale():
    html = time_bars("", TIMES)
    # from 0.01 to 100 ms: four decades of 25 percent
    assert drawn(html, "log") == pytest.approx([25, 50, 17.47], abs=0.01)
    assert drawn(html, "log", "whisker") == pytest.approx([0, 25, 82.53], abs=0.01)
    assert ticks(html, "log") == [
        ("0.00", "0.01"),
        ("25.00", "0.1"),
        ("50.00", "1"),
        ("75.00", "10"),
        ("100.00", "100"),
    ]


def test_the_linear_scale_starts_at_0():
    html = time_bars("", TIMES)
    assert drawn(html, "linear") == pytest.approx([0.1, 1, 0.05])
    assert drawn(html, "linear", "whisker") == pytest.approx([0, 9, 99.95])
    assert ticks(html, "linear") == [(f"{place}.00", f"{place}") for place in (0, 20, 40, 60, 80, 100)]


@pytest.mark.parametrize(
    ("high", "labels"),
    [
        (1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (6.4, ["0", "2", "4", "6"]),
        (0.034, ["0", "0.01", "0.02", "0.03"]),
        (1234, ["0", "250", "500", "750", "1,000"]),
        (0, ["0", "2e-07", "4e-07", "6e-07", "8e-07", "1e-06"]),
    ],
)
def test_ticks_of_the_linear_scale_are_round(high, labels):
    assert [label for _, label in linear_scale([high]).ticks] == labels


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (1, ""),  # the baseline itself, by its time of 1 ms
        (0.00565, "177 times faster than brute"),
        (0.0008, "1,250 times faster than brute"),
        (0.31, "3.2 times faster than brute"),
        (0.1003, "10 times faster than brute"),  # never 10.0
        (0.97, "as fast as brute"),
        (4.0, "4.0 times slower than brute"),
    ],
)
def test_a_bar_says_how_many_times_faster_than_brute_it_is(ms, said):
    brute = Time("brute", 1, 1, "exact")
    assert compared(brute if ms == 1 else Time("hnsw", ms, ms, "graph"), brute) == said


def test_nothing_is_compared_without_brute_or_with_the_encoder():
    assert compared(Time("hnsw", 1, 1, "graph"), None) == ""
    assert compared(Time("encode (bundled)", 1, 1, "encode"), Time("brute", 2, 2, "exact")) == ""
    assert "than" not in time_bars("", TIMES[1:])
    assert re.findall(r"<b>([^<]+)</b>", time_bars("", TIMES)) == [
        "10 times slower than brute",
        "2.0 times faster than brute",
    ]


def test_every_family_has_a_colour():
    assert {spec.family for spec in INDEXES.values()} <= set(COLOURS)


def test_names_and_notes_are_escaped():
    html = share_bars("<i>", [Share("<script>", 0.5)], "a & b") + time_bars("", [Time("<b>", 1, 1, "exact")], "<u>")
    assert not re.search("<(i|script|b|u)>", html)
    assert "a &amp; b" in html
