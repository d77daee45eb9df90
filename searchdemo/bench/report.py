"""Documents whose tables and plots are drawn from run cards: what lies between two marks is replaced, the rest stays.

<!-- table:latency-extraction --> ... <!-- end -->   a Table of this name
<!-- floors --> ... <!-- end -->                     all floors of all cards
![...](plots/latency.svg)                            a chart of this name, written beside the document
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

from searchdemo.bench.table import BENCHMARKS
from searchdemo.bench.tables import Column, Table, number
from searchdemo.errors import BadArtifact, NotHere
from searchdemo.measure.cards import RunCard

# A mark without its end must not take what belongs to the next one.
MARK = re.compile(r"<!-- (table:)?([\w.-]+) -->\n(?:(?!<!--).)*<!-- end -->", re.DOTALL)


def by_benchmark(cards: Sequence[RunCard]) -> dict[str, list[RunCard]]:
    """In the order of the BENCHMARKS table."""
    grouped = {name: [card for card in cards if card.benchmark == name] for name in BENCHMARKS}
    return {name: found for name, found in grouped.items() if found}


def all_tables(cards: Sequence[RunCard]) -> dict[str, Table]:
    """Name -> table, the floors among them."""
    tables = [table for name, found in by_benchmark(cards).items() for table in BENCHMARKS[name].tables(found)]
    return {table.name: table for table in [*tables, *floors(cards)]}


def floors(cards: Sequence[RunCard]) -> list[Table]:
    """One table, or none where no card has a floor."""
    rows = [
        {"benchmark": card.benchmark, "encoder": card.encoder, "name": floor.name, "measured": floor.measured}
        | {"wanted": f"{'≥' if floor.at_least else '≤'} {floor.bound:g}", "unit": floor.unit}
        | {"holds": "yes" if floor.holds else "**no**"}
        for card in cards
        for floor in card.floors
    ]
    if not rows:
        return []
    columns = (
        Column("benchmark", "benchmark"),
        Column("encoder", "encoder"),
        Column("name", "floor"),
        Column("measured", "measured", number()),
        Column("wanted", "wanted"),
        Column("unit", "unit"),
        Column("holds", "holds"),
    )
    return [Table("floors", "Bounds that the project holds itself to", columns, rows, cards[0].source)]


def fill(text: str, cards: Sequence[RunCard]) -> str:
    """The document with its tables drawn again. Raises BadArtifact for a mark that no card has a table for."""
    tables = all_tables(cards)

    def drawn(match: re.Match) -> str:
        kind, name = match.group(1) or "", match.group(2)
        if name not in tables:
            known = f", or take one of {', '.join(tables)}" if tables else ""
            raise BadArtifact(
                f"The document asks for the table {name!r}, which no run card has: run the benchmark in full{known}."
            )
        return f"<!-- {kind}{name} -->\n{tables[name].markdown()}\n<!-- end -->"

    return MARK.sub(drawn, text)


def draw_plots(cards: Sequence[RunCard], folder: Path) -> list[Path]:
    """All charts of all cards, as SVG. Raises NotHere without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        raise NotHere("Plots are drawn by matplotlib, which is not installed: pip install -r requirements-bench.txt.")
    from searchdemo.bench.plots import save_svg

    written = []
    for name, found in by_benchmark(cards).items():
        for chart, figure in BENCHMARKS[name].charts(found).items():
            save_svg(figure, folder / f"{chart}.svg")
            written.append(folder / f"{chart}.svg")
    return written
