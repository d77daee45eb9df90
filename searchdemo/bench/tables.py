"""Tables that are drawn from run cards, for a terminal and for Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from searchdemo.measure.cards import RunCard

MOST_TOLD = 3
# Figures that a summary tells, the first of those that a table has. A table without any tells its first figure.
TELLING = (
    *(
        "recall_10",
        "recall",
        "top1",
        "knn_top1",
        "auroc",
        "p50_ms",
        "one_ms",
        "disk_bytes",
        "of_brute",
        "looked_percent",
    ),
    *("per_second", "frames_per_second", "p50_ms_exponent", "build_s_exponent", "build_s", "size_bytes"),
)

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
    told: str = ""  # what its summary says in the place of the ranges; without a full stop

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

    def page(self, document: str) -> str:
        """All of it, for a file in a folder beside the document."""
        below = self.markdown().partition("\n")[2]
        return f"# {self.title}\n{below}\n\nDrawn from run cards, a page of [{document}](../{document}).\n"

    def summary(self, link: str) -> str:
        """In one line: "**Title** ([40 rows](link)): p50 ms from 0.0211 (ivf, nprobe 2) to 3.90 (flat)."."""
        told = self.told or self.ranges()
        rows = "1 row" if len(self.rows) == 1 else f"{len(self.rows):,} rows"
        return f"**{self.title}** ([{rows}]({link}))" + (f": {told}." if told else ".")

    def ranges(self) -> str:
        """The least and the most of some figures, and whose they are. What was not measured is left out."""
        there = [column.key for column in self.columns]
        chosen = [key for key in TELLING if key in there][:MOST_TOLD]
        chosen = chosen or [column.key for column in self.columns[1:] if column.numeric][:1]
        names = self._names(min(map(there.index, chosen), default=0))
        said = (self._range(self.columns[there.index(key)], names) for key in chosen)
        return "; ".join(filter(None, said))

    def _range(self, column: Column, names: Sequence[str]) -> str:
        figures = [(row.get(column.key), name) for row, name in zip(self.rows, names, strict=True)]
        known = [(figure, name) for figure, name in figures if figure is not None and figure == figure]
        if not known:
            return ""
        least, most = (pick(known, key=lambda each: each[0]) for pick in (min, max))
        if column.form(least[0]) == column.form(most[0]):
            return f"{column.head} {column.form(least[0])}" + " in all rows" * (len(self.rows) > 1)
        ends = (column.form(figure) + f" ({name})" * bool(name) for figure, name in (least, most))
        return f"{column.head} from {' to '.join(ends)}"

    def _names(self, figures: int) -> list[str]:
        """Each row by its texts and whole numbers before the figures, where rows differ in them: "hnsw, k 10"."""
        cells = self.cells()
        parts: list[list[str]] = [[] for _ in self.rows]
        for at, column in enumerate(self.columns[:figures]):
            if len({row[at] for row in cells}) > 1 and column.form is not megabytes:
                for part, row, line in zip(parts, self.rows, cells, strict=True):
                    if not column.numeric or isinstance(row.get(column.key), int):
                        part.append(f"{column.head} {line[at]}" if column.numeric else line[at])
        return [", ".join(part for part in each if part.strip("– ")) for each in parts]


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
