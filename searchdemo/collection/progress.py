"""How far a long work is, for people who wait for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    stage: str  # "embedding the gallery", "building ivf" ...
    done: int
    total: int
    rate: float  # per second; 0 when unknown
    note: str = ""  # what goes on meanwhile: "file 2 of 30 is coming, 120 of 410 MB"

    @property
    def seconds_left(self) -> float:
        return (self.total - self.done) / self.rate if self.rate else float("nan")

    def __str__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        if not self.rate:
            return self.stage + note
        left = clock(self.seconds_left)
        return f"{self.stage}: {self.done:,} of {self.total:,}, {self.rate:.0f} per second, {left} left{note}"


def clock(seconds: float) -> str:
    """87 -> "1:27"."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


Report = Callable[[Progress], None]
