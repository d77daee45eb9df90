"""What a command returns: the same facts for programs and for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    content: dict  # what --json prints
    text: str  # what a person reads
    error: Exception | None = None  # what is raised once this is printed: a part failed, and the rest is worth having


def table(header: str | Sequence[str], rows: Iterable[Sequence[object]], right: str | Sequence[bool] = "") -> str:
    """Aligned columns, two blanks between them.

    header: the names of the columns, one string where they are single words
    right: columns to align on the right, as one bool per column or by name
    """
    names = header.split() if isinstance(header, str) else header
    cells = [[str(cell) for cell in row] for row in [names, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    to_right = [name in right.split() for name in names] if isinstance(right, str) else right
    signs = [">" if yes else "<" for yes in to_right]
    lines = ("  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, signs, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def stand_in_notice(encoder: str) -> str:
    return f"NOTE: {encoder!r} has stand-in weights, made for a test; these figures say nothing about the real encoder."
