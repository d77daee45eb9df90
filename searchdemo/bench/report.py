"""Documents with tables and plots from run cards: the text between two marks is drawn again, the rest stays.

<!-- table:latency-extraction --> ... <!-- end -->   the Table of this name
<!-- text:latency --> ... <!-- end -->               the sentences of this name, see said/table.py
<!-- table:codes-bundled? --> ... <!-- end -->       the same, and nothing where no card has it yet
<!-- floors --> ... <!-- end -->                     all requirements of all cards
![...](plots/latency.svg)                            the chart of this name, written beside the document
"""

from __future__ import annotations

import importlib.util
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from searchdemo.bench.said.table import all_said
from searchdemo.bench.table import BENCHMARKS, ONE_TABLE
from searchdemo.bench.tables import Table, columns
from searchdemo.errors import BadArtifact, NotHere
from searchdemo.measure.cards import RunCard, source_of

# A mark without its end must not swallow the text of the next mark.
WIDTH = 140  # of a line of sentences
MARK = re.compile(r"<!-- (table:|text:)?([\w.-]+)(\?)? -->\n(?:(?!<!--).)*<!-- end -->", re.DOTALL)


def by_benchmark(cards: Sequence[RunCard]) -> dict[str, list[RunCard]]:
    """The cards of each benchmark, in the order of the BENCHMARKS table."""
    grouped = {name: [card for card in cards if card.benchmark == name] for name in BENCHMARKS}
    for name in ONE_TABLE.keys() & grouped.keys():
        own = {card.encoder for card in grouped[name]}
        grouped[name] += [card for card in grouped.get(ONE_TABLE[name].also, []) if card.encoder not in own]
    return {name: found for name, found in grouped.items() if found}


def all_tables(cards: Sequence[RunCard]) -> dict[str, Table]:
    """Name -> table, including the table of requirements."""
    tables = [table for name, found in by_benchmark(cards).items() for table in BENCHMARKS[name].tables(found)]
    return {table.name: table for table in [*tables, *requirements(cards)]}


def requirements(cards: Sequence[RunCard]) -> list[Table]:
    """One table, or none when no card has a requirement."""
    rows = [
        {"benchmark": card.benchmark, "encoder": card.encoder, "name": each.name, "measured": each.measured}
        | {"wanted": f"{'≥' if each.at_least else '≤'} {each.bound:g}", "unit": each.unit}
        | {"holds": "yes" if each.holds else "**no**"}
        for card in cards
        for each in card.requirements
    ]
    if not rows:
        return []
    heads = columns("benchmark encoder name measured wanted unit holds")
    return [Table("floors", "Bounds that the project holds itself to", heads, rows, source_of(cards))]


def fill(text: str, cards: Sequence[RunCard]) -> str:
    """The document with its tables drawn again. Raises BadArtifact for a mark whose table no card has."""
    drawn = {f"table:{name}": table.markdown() for name, table in all_tables(cards).items()}
    if "table:floors" in drawn:
        drawn["floors"] = drawn.pop("table:floors")
    drawn |= {f"text:{name}": wrapped(text) for name, text in all_said(cards).items()}

    def filled(match: re.Match) -> str:
        kind, name, optional = match.group(1) or "", match.group(2), match.group(3) or ""
        if optional and kind + name not in drawn:
            return f"<!-- {kind}{name}? -->\n<!-- end -->"
        if kind + name not in drawn:
            known = f", or take one of {', '.join(drawn)}" if drawn else ""
            raise BadArtifact(
                f"The document asks for {kind + name!r}, which no run card has: run the benchmark in full{known}."
            )
        return f"<!-- {kind}{name}{optional} -->\n{drawn[kind + name]}\n<!-- end -->"

    return MARK.sub(filled, text)


def wrapped(text: str) -> str:
    """Paragraphs in lines of WIDTH characters, none of which Markdown reads as a list or a heading."""
    paragraphs = [
        textwrap.fill(each, WIDTH, break_long_words=False, break_on_hyphens=False) for each in text.split("\n\n")
    ]
    return "\n\n".join(paragraphs)


def draw_plots(cards: Sequence[RunCard], folder: Path) -> list[Path]:
    """Writes all charts of all cards as SVG files. Raises NotHere without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        raise NotHere("Plots are drawn by matplotlib, which is not installed: pip install -r requirements-bench.txt.")
    from searchdemo.bench.plots import save_svg

    written = []
    for name, found in by_benchmark(cards).items():
        for chart, figure in BENCHMARKS[name].charts(found).items():
            save_svg(figure, folder / f"{chart}.svg")
            written.append(folder / f"{chart}.svg")
    return written
