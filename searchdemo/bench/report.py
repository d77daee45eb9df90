"""Documents with tables and plots from run cards: the text between two marks is drawn again, the rest stays.

<!-- table:latency-extraction --> ... <!-- end -->   the Table of this name
<!-- tables:latency --> ... <!-- end -->             a line for each other table of a benchmark: some figures, and the
                                                     link to its page, in the folder beside with the document's name
<!-- text:latency --> ... <!-- end -->               the sentences of this name, see said/table.py
<!-- table:codes-bundled? --> ... <!-- end -->       the same, and nothing where no card has it yet
![...](plots/latency.svg)                            the chart of this name, written beside the document
"""

from __future__ import annotations

import importlib.util
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from searchdemo.bench import steps
from searchdemo.bench.said.table import all_said
from searchdemo.bench.table import BENCHMARKS, ONE_TABLE
from searchdemo.bench.tables import Table, columns
from searchdemo.errors import BadArtifact, NotHere
from searchdemo.measure.cards import RunCard, source_of

# A mark without its end must not swallow the text of the next mark.
BOUNDS = "bounds"
WIDTH = 140  # of a line of sentences
MARK = re.compile(r"<!-- (table:|tables:|text:)([\w.-]+)(\?)? -->\n(?:(?!<!--).)*<!-- end -->", re.DOTALL)


def by_benchmark(cards: Sequence[RunCard]) -> dict[str, list[RunCard]]:
    """The cards of each benchmark, in the order of the BENCHMARKS table."""
    grouped = {name: [card for card in cards if card.benchmark == name] for name in BENCHMARKS}
    for name in ONE_TABLE.keys() & grouped.keys():
        own = {card.encoder for card in grouped[name]}
        grouped[name] += [card for card in grouped.get(ONE_TABLE[name].also, []) if card.encoder not in own]
    return {name: found for name, found in grouped.items() if found}


def all_tables(cards: Sequence[RunCard]) -> dict[str, dict[str, Table]]:
    """Benchmark -> name -> table. BOUNDS stands for the requirements of all benchmarks, `steps` for bench/steps.py."""
    found = {name: BENCHMARKS[name].tables(mine) for name, mine in by_benchmark(cards).items()}
    found |= {BOUNDS: requirements(cards), "steps": steps.tables(cards)}
    return {name: {table.name: table for table in tables} for name, tables in found.items() if tables}


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
    failed = [f"{row['name']} ({row['benchmark']})" for row in rows if row["holds"] != "yes"]
    told = f"{len(rows) - len(failed)} of {len(rows)} hold" + (f"; not met: {'; '.join(failed)}" if failed else "")
    return [Table("floors", "Bounds that the project holds itself to", heads, rows, source_of(cards), told=told)]


@dataclass(frozen=True)
class Drawn:
    text: str  # of the document
    pages: dict[str, str]  # of the folder beside it: name of a file -> its text


def fill(text: str, cards: Sequence[RunCard], document: str = "benchmarks.md") -> Drawn:
    """The document with its tables drawn again, and the pages that it links.

    Raises BadArtifact for a mark whose table no card has.
    """
    folder, by_name = document.removesuffix(".md"), all_tables(cards)
    pages: dict[str, str] = {}
    shown = {match.group(2) for match in MARK.finditer(text) if match.group(1) == "table:"}
    drawn = {f"text:{name}": wrapped(said) for name, said in all_said(cards).items()}
    for benchmark, tables in by_name.items():
        drawn |= {f"table:{name}": table.markdown() for name, table in tables.items()}
        others = {f"{name}.md": table for name, table in tables.items() if name not in shown}
        lines = [f"- {table.summary(f'{folder}/{file}')}" for file, table in others.items()]
        drawn[f"tables:{benchmark}"] = "\n".join(lines)
        if f"<!-- tables:{benchmark}" in text:
            pages |= {file: table.page(document) for file, table in others.items()}

    def filled(match: re.Match) -> str:
        kind, name, optional = match.group(1), match.group(2), match.group(3) or ""
        if optional and kind + name not in drawn:
            return f"<!-- {kind}{name}? -->\n<!-- end -->"
        if kind + name not in drawn:
            known = f", or take one of {', '.join(drawn)}" if drawn else ""
            raise BadArtifact(
                f"The document asks for {kind + name!r}, which no run card has: run the benchmark in full{known}."
            )
        return f"<!-- {kind}{name}{optional} -->\n{drawn[kind + name]}\n<!-- end -->"

    return Drawn(MARK.sub(filled, text), pages)


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
