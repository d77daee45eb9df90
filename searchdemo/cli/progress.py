"""Progress on stderr: one line that is redrawn on a terminal; elsewhere a plain line every few seconds."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from searchdemo.collection.progress import Progress

REDRAW_S = 0.1
LINE_EVERY_S = 5.0  # where there is no terminal
BAR = 24  # characters


class ProgressLine:
    """Call it with each Progress. At the end of the context the last line stays, and other output goes below it."""

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._shown_at, self._stage, self._open_line = 0.0, "", False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *error: object) -> None:
        self._end_line()

    def __call__(self, progress: Progress) -> None:
        now = time.perf_counter()
        new_stage, whole = progress.stage != self._stage, progress.done == progress.total
        if not (new_stage or whole or now - self._shown_at >= (REDRAW_S if self._terminal else LINE_EVERY_S)):
            return
        if new_stage:
            self._end_line()
        self._shown_at, self._stage = now, progress.stage
        if self._terminal:
            line = f"{bar(progress)} {progress}"[: shutil.get_terminal_size().columns - 1]
            print(f"\r{line}\x1b[K", end="", file=self._stream, flush=True)
            self._open_line = True
        else:
            print(progress, file=self._stream, flush=True)

    def _end_line(self) -> None:
        if self._open_line:
            print(file=self._stream, flush=True)
        self._open_line = False


def bar(progress: Progress) -> str:
    """ "[######------------------]"; empty where nothing is counted."""
    if not progress.rate:
        return f"[{'-' * BAR}]"
    full = BAR * progress.done // max(progress.total, 1)
    return f"[{'#' * full}{'-' * (BAR - full)}]"
