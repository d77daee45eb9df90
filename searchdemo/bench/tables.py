"""Tables that are drawn from run cards, for a terminal and for Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from searchdemo.measure.cards import RunCard

LONG = 8  # rows of a table in a document: a longer one is folded

Form = Callable[[Any], str]


def number(figures: int = 3) -> Form:
    """3 figures: 0.0421, 1.23, 12.3, 1,234. A value that was not measured (None, NaN) is a dash."""

    def form(value: float | None) -> str:
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


def megabytes(value: float | None) -> str:
    """Bytes in units of 10^6."""
    return "–" if value is None else number()(value / 1e6)


@dataclass(frozen=True)
class Column:
    key: str  # in the rows of the card
    head: str
    form: Form = str
    optional: bool = False  # left out of a table of one card none of whose rows has it

    @property
    def numeric(self) -> bool:
        return self.form is not str


FORMS: dict[str, Form] = {
    "text": str,
    "0 decimals": fixed(0),
    "1 decimal": fixed(1),
    "2 decimals": fixed(2),
    "3 decimals": fixed(3),
    "4 decimals": fixed(4),
    "3 figures": number(),
    "MB": megabytes,
}
_HEADS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("columns.json").read_text())
COLUMNS = {key: Column(key, head, FORMS[form]) for form, heads in _HEADS.items() for key, head in heads.items()}


def columns(keys: str) -> list[Column]:
    """The columns of columns.json with these keys: "index p50_ms recall_10 words_recall_10?". "?": optional."""
    return [replace(COLUMNS[key.rstrip("?")], optional=key.endswith("?")) for key in keys.split()]


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
        table, source = "\n".join([text[0], rule, *text[1:]]), f"<sub>{self.source}</sub>"
        if len(self.rows) <= LONG:
            return "\n".join([f"**{self.title}**", "", table, "", source])
        # Folded: a reader sees the title, and opens it. Markdown within HTML needs empty lines around it.
        summary = f"<summary><b>{escape(self.title)}</b> ({len(self.rows):,} rows)</summary>"
        return "\n".join(["<details>", summary, "", table, "", source, "", "</details>"])


def table_of(card: RunCard, name: str, title: str, columns: Sequence[Column], rows: Iterable[dict]) -> Table:
    """A table that is drawn from one card. Its encoder completes the name."""
    rows = list(rows)
    shown = [
        column for column in columns if not column.optional or any(row.get(column.key) is not None for row in rows)
    ]
    return Table(f"{name}-{card.encoder}", title, shown, rows, card.source)


def rows_of(cards: Sequence[RunCard], part: str) -> list[dict]:
    """The rows of one part of all cards, each with its card's encoder and a mark where the weights are a stand-in."""
    return [
        {"encoder": card.encoder, "mark": "stand-in weights" if row.get("stand_in") else ""} | row
        for card in cards
        for row in card.parts[part]
    ]


def vectors_of(card: RunCard) -> str:
    """ "100,000 vectors of bundled, 128 dimensions", for a title. Random vectors are of no encoder."""
    vectors, dim = card.subject["vectors"], card.subject["dim"]
    if card.subject.get("synthetic"):
        return f"{vectors:,} random vectors in place of those of {card.encoder}, {dim} dimensions"
    return f"{vectors:,} vectors of {encoder_of(card)}, {dim} dimensions"


def encoder_of(card: RunCard) -> str:
    """ "bundled", "clip-vit-b32 with stand-in weights", for a title."""
    said = " and ".join(card.made_up)
    return f"{card.encoder} with {said}" if said else card.encoder
