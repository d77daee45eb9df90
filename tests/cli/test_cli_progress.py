"""Progress on stderr."""

from __future__ import annotations

import io

from searchdemo.build import Progress
from searchdemo.commands.progress import ProgressLine, bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_is_redrawn(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with ProgressLine(stream) as progress:
        progress(Progress("embedding", 50, 100, 10.0))
        progress(Progress("embedding", 51, 100, 10.0))  # too soon to be drawn
        progress(Progress("embedding", 100, 100, 10.0))
    lines = stream.getvalue().replace("\x1b[K", "").split("\r")
    assert lines == [
        "",
        "[############------------] embedding: 50 of 100, 10 a second, 0:05 left",
        "[########################] embedding: 100 of 100, 10 a second, 0:00 left\n",
    ]


def test_elsewhere_a_stage_is_a_line():
    stream = io.StringIO()
    with ProgressLine(stream) as progress:
        progress(Progress("embedding", 50, 100, 10.0))
        progress(Progress("embedding", 51, 100, 10.0))
        progress(Progress("building ivf", 0, 1, 0))
    assert stream.getvalue() == "embedding: 50 of 100, 10 a second, 0:05 left\nbuilding ivf\n"


def test_the_bar_of_an_empty_stage_is_empty():
    assert bar(Progress("waiting", 0, 0, 0)) == f"[{'-' * 24}]"
