"""Tables that are drawn from run cards: for a terminal, for Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Form = Callable[[object], str]


def number(figures: int = 3) -> Form:
    """3 figures: 0.0421, 1.23, 12.3, 1,234; what was not measured is a dash."""

    def form(value: object) -> str:
        if value is None or value != value:
            return "–"
        if value == 0:
            return "0"
        rounded = float(f"{value:.{figures - 1}e}")  # 9.996 has 3 figures as 10.0
        decimals = max(0, figures - 1 - math.floor(math.log10(abs(rounded))))
        return f"{value:,.{min(decimals, 6)}f}"

    return form


def fixed(decimals: int) -> Form:
    return lambda value: "–" if value is None or value != value else f"{value:,.{decimals}f}"


def megabytes(value: object) -> str:
    return "–" if value is None else number()(value / 1e6)


@dataclass(frozen=True)
class Column:
    key: str  # in the rows of the card
    head: str
    form: Form = str

    @property
    def numeric(self) -> bool:
        return self.form is not str


@dataclass(frozen=True)
class Table:
    """name: unique over all benchmarks, marks its place in a document."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[dict]
    source: str  # RunCard.source

    def cells(self) -> list[list[str]]:
        return [
            ["–" if row.get(column.key) is None else column.form(row[column.key]) for column in self.columns]
            for row in self.rows
        ]

    def markdown(self) -> str:
        lines = [[column.head for column in self.columns], *self.cells()]
        text = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        rule = "| " + " | ".join("---:" if column.numeric else "---" for column in self.columns) + " |"
        return "\n".join([f"**{self.title}**", "", text[0], rule, *text[1:], "", f"<sub>{self.source}</sub>"])
