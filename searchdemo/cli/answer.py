"""What a command returns: the same facts for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    content: dict  # what --json prints
    text: str  # what a person reads


def table(header: Sequence[str], rows: Sequence[Sequence[object]], right: str | Sequence[bool] = "") -> str:
    """Aligned columns, two blanks between them. right: to be aligned right: a bool a column, or their names."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    to_right = [name in right.split() for name in header] if isinstance(right, str) else right
    aligned = [str.rjust if yes else str.ljust for yes in to_right]
    lines = ("  ".join(align(*cell) for align, *cell in zip(aligned, row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def stand_in_notice(encoder: str) -> str:
    return f"NOTE: {encoder!r} has stand-in weights, made for a test; these figures say nothing about the real encoder."
