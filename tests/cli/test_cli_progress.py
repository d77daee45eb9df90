"""Progress on stderr."""

from __future__ import annotations

import io

import pytest

from searchdemo.cli import progress as progress_module
from searchdemo.cli.progress import LINE_EVERY_S, REDRAW_S, ProgressLine, bar
from searchdemo.collection import jobs
from searchdemo.collection.jobs import counter
from searchdemo.collection.progress import Progress


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch, clock):
    """It is long after the start of the machine, and no time passes by itself."""
    clock.now = 1000.0
    monkeypatch.setattr(progress_module, "time", clock)
    monkeypatch.setattr(jobs, "time", clock)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_is_redrawn(monkeypatch, clock):
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with ProgressLine(stream) as progress:
        progress(Progress("embedding", 50, 100, 10.0))
        clock.now += 0.9 * REDRAW_S
        progress(Progress("embedding", 51, 100, 10.0))  # too soon to be drawn
        clock.now += 0.2 * REDRAW_S
        progress(Progress("embedding", 52, 100, 10.0))
        progress(Progress("embedding", 100, 100, 10.0))  # the end is drawn at once
    lines = stream.getvalue().replace("\x1b[K", "").split("\r")
    assert lines == [
        "",
        "[############------------] embedding: 50 of 100, 10 per second, 0:05 left",
        "[############------------] embedding: 52 of 100, 10 per second, 0:05 left",
        "[########################] embedding: 100 of 100, 10 per second, 0:00 left\n",
    ]


def test_elsewhere_a_stage_is_a_line_and_a_long_one_several(clock):
    stream = io.StringIO()
    with ProgressLine(stream) as progress:
        progress(Progress("embedding", 50, 100, 10.0))
        clock.now += 0.9 * LINE_EVERY_S
        progress(Progress("embedding", 51, 100, 10.0))  # too soon
        clock.now += 0.2 * LINE_EVERY_S
        progress(Progress("embedding", 80, 100, 10.0))
        progress(Progress("building ivf", 0, 1, 0))
    assert stream.getvalue().splitlines() == [
        "embedding: 50 of 100, 10 per second, 0:05 left",
        "embedding: 80 of 100, 10 per second, 0:02 left",
        "building ivf",
    ]


def test_a_download_is_counted_from_where_it_began(clock):
    stream = io.StringIO()
    with ProgressLine(stream) as progress:
        count = counter("fetching", progress, unit=1000)
        clock.now += 2
        count(40_000, 100_000)
        clock.now += 6
        count(80_000, 100_000)
    assert stream.getvalue().splitlines() == ["fetching", "fetching: 80 of 100, 5 per second, 0:04 left"]


def test_the_bar_of_an_empty_stage_is_empty():
    assert bar(Progress("waiting", 0, 0, 0)) == f"[{'-' * 24}]"
